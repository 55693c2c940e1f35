"""Checkpoints of each version of the format, which must be read for ever: what they were made of, and the files."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

import rangebar_polars as rb
from tests._paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = ROOT / "tests" / "checkpoints"
ROWS = 120
SEEN = 77
"""Rows that the checkpoint has seen; the rest goes on from it."""
START = dt.datetime(2024, 1, 1, 23, 50, tzinfo=dt.UTC)


def trades(key: pl.Series | None = None, *, quantity: float = 1.0) -> pl.DataFrame:
    """Trades over midnight, of two groups where there is a key."""
    row = range(ROWS)
    frame = pl.DataFrame(
        {
            "timestamp": [START + dt.timedelta(seconds=11 * i + i % 3) for i in row],
            "price": [100 + (i * 37 % 23 - 11) / 16 + i / 64 for i in row],
            "quantity": [quantity * (1 + i % 5 / 4) for i in row],
            "is_buyer_maker": [i * 7 % 11 < 5 for i in row],
            "agg_trade_id": [1_000 + i // 2 for i in row],
            "first_trade_id": [5_000 + 3 * i for i in row],
            "last_trade_id": [5_000 + 3 * i + i % 3 for i in row],
        }
    )
    if key is None:
        return frame.with_columns(agg_trade_id=pl.int_range(pl.len()) + 1_000)
    return frame.with_columns(key=key.gather([i % 2 for i in row]))


def missing_sides(*rows: int, key: pl.Series | None = None) -> pl.DataFrame:
    """The same without the sides of some rows."""
    is_missing = pl.int_range(pl.len()).is_in(rows)
    return trades(key).with_columns(is_buyer_maker=pl.when(~is_missing).then("is_buyer_maker"))


class Golden(NamedTuple):
    """A stream and its trades."""

    frame: pl.DataFrame
    options: dict[str, Any]
    advanced: dt.datetime | None = None
    """The time to which it was advanced."""

    def stream(self) -> rb.BarStream:
        """The stream behind the rows that the checkpoint has seen."""
        made = rb.BarStream(**self.options)
        if not self.frame.is_empty():
            made.push(self.frame.head(SEEN))
        if self.advanced is not None:
            made.advance(self.advanced)
        return made


def _keyed(*values: Any, dtype: pl.DataType) -> Callable[[], Golden]:
    return lambda: Golden(trades(pl.Series(values, dtype=dtype)), {"threshold_dbps": 600, "by": "key"})


ALL: dict[str, Any] = {"threshold_dbps": [300, 900], "intra": True, "include_orphans": True}
GOLDEN: dict[str, Callable[[], Golden]] = {
    "v1_plain": lambda: Golden(trades(), {"threshold_dbps": 600}),
    "v1_new": lambda: Golden(trades().clear(), {"threshold_dbps": 600, "by": ["a", "b"], "features": ["ofi"]}),
    "v1_points": lambda: Golden(trades(), {"threshold_dbps": [rb.Range(points=0.75), rb.Range(600)], "max_step": None}),
    "v1_all_trades": lambda: Golden(
        trades(pl.Series(["a", "b"])), ALL | {"by": "key", "lookback": 20, "reset": "1d", "overlap": "skip"}
    ),
    "v1_all_time": lambda: Golden(trades(), ALL | {"lookback": "5m", "max_gap": "1h", "max_groups": 3}),
    "v1_all_months": lambda: Golden(trades(), ALL | {"lookback": "1mo", "reset": "1mo", "same_timestamp_gate": False}),
    "v1_all_bars": lambda: Golden(trades(), ALL | {"lookback": rb.Bars(3)}),
    "v1_large_quantities": lambda: Golden(trades(quantity=4e14), ALL | {"lookback": 10}),
    "v1_decimals": lambda: Golden(
        trades().with_columns(pl.col("price") * 1e-6), ALL | {"lookback": 20, "price_decimals": 12}
    ),
    "v1_advanced": lambda: Golden(
        trades(pl.Series(["a", "b"])),
        {"threshold_dbps": 600, "by": "key", "max_gap": "1m"},
        START + dt.timedelta(seconds=849),
    ),
    "v1_missing_side": lambda: Golden(missing_sides(SEEN - 1), {"threshold_dbps": 600, "missing_side": "null"}),
    "v1_missing_side_before": lambda: Golden(missing_sides(3, 90), {"threshold_dbps": 600, "missing_side": "null"}),
    "v1_missing_side_windows": lambda: Golden(
        missing_sides(SEEN - 30, SEEN - 1, 90, key=pl.Series(["a", "b"])),
        ALL | {"by": "key", "lookback": 20, "missing_side": "null"},
    ),
    "v1_missing_side_bars": lambda: Golden(
        missing_sides(SEEN - 20), ALL | {"lookback": rb.Bars(3), "missing_side": "null"}
    ),
    "v1_no_sides": lambda: Golden(trades().drop("is_buyer_maker"), ALL | {"lookback": "5m", "missing_side": "null"}),
    "v1_sessions": lambda: Golden(
        trades(pl.Series(["a", "b"])),
        ALL
        | {"by": "key", "lookback": 20, "include_session": True}
        | {"reset": rb.Daily(at="18:55", zone="America/New_York")},
    ),
    "v1_weeks": lambda: Golden(
        trades(), {"threshold_dbps": 600, "reset": rb.Weekly(on="tuesday", at="08:55", zone="Asia/Tokyo")}
    ),
    "v1_footprint": lambda: Golden(trades(), {"threshold_dbps": [600, rb.Ticks(50)], "footprint": 0.25}),
    "v1_footprint_groups": lambda: Golden(
        missing_sides(SEEN - 20, key=pl.Series(["a", "b"])),
        ALL | {"by": "key", "lookback": 20, "missing_side": "null", "footprint": 1.0},
    ),
    "v1_key_string": _keyed("a", None, dtype=pl.String()),
    "v1_key_categorical": _keyed("a", "a text longer than twelve letters", dtype=pl.Categorical()),
    "v1_key_enum": _keyed("spot", "perp", dtype=pl.Enum(["perp", "spot"])),
    "v1_key_integer": _keyed(-1, 7, dtype=pl.Int16()),
    "v1_key_large_integer": _keyed(2**63, 1, dtype=pl.UInt64()),
    "v1_key_boolean": _keyed(True, False, dtype=pl.Boolean()),
    "v1_key_binary": _keyed(b"\x00", b"", dtype=pl.Binary()),
    "v1_key_date": _keyed(dt.date(2024, 1, 1), dt.date(1900, 1, 1), dtype=pl.Date()),
    "v1_key_time": _keyed(START, None, dtype=pl.Datetime("ns", "Europe/Berlin")),
}


def write() -> None:
    """Write the files that are not there yet: one that is there is never changed."""
    for name, make in GOLDEN.items():
        file = FOLDER / f"{name}.bin"
        if not file.exists():
            file.write_bytes(make().stream().checkpoint())


if __name__ == "__main__":
    write()
