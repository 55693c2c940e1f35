"""Every way from trades to bars as one function, and the exact comparison of what they return.

`ROUTES[name](frame, threshold_dbps, by=..., **options)` gives the same frame for every name, of a threshold or a rule:
bars by the row that ended them, forming bars after them by first appearance of their group, and bars of one row in the
order of the thresholds. `oracle_bars` is the slow one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._oracle import DECIMALS, Cell, Reset, TimeUnit, row, split, trades_of
from tests._registry import FEATURES
from tests._rule_oracle import Defined, rule_bars

if TYPE_CHECKING:
    import datetime as dt

Threshold: TypeAlias = int | Defined
Thresholds: TypeAlias = Threshold | Sequence[Threshold]
Engine: TypeAlias = Literal["in-memory", "streaming"]

ENGINES: tuple[Engine, ...] = ("in-memory", "streaming")
engines = pytest.mark.parametrize("engine", ENGINES)
OPTIONAL = ("is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id")
NAMES = {
    "timestamp": "when",
    "price": "px",
    "quantity": "size",
    "is_buyer_maker": "sold",
    "agg_trade_id": "aid",
    "first_trade_id": "fid",
    "last_trade_id": "lid",
}
"""Names that a user may have for the columns of trades."""
ARGUMENTS = {("time" if part == "timestamp" else part): name for part, name in NAMES.items()}
"""The arguments that say so."""
EVERY_BAR = {"include_incomplete": True, "include_orphans": True}
CLOSE_REASON = pl.Enum(["threshold", "reset", "gap", "end"])
REASON_OR_TIME = pl.Enum([*CLOSE_REASON.categories, "time"])
SIDE_COLUMNS = (
    *("buy_volume", "sell_volume", "buy_turnover", "sell_turnover", "buy_trade_count", "sell_trade_count"),
    *("ofi", "kyle_lambda_proxy", "aggression_ratio", "turnover_imbalance"),
)


def bar_schema(
    time: pl.DataType, features: Sequence[str] | None = None, *, several: bool = False
) -> dict[str, pl.DataType]:
    """Names and dtypes of bars of one threshold or several without group keys, in order; None: the ten features."""
    floats = ("open", "high", "low", "close", "volume", "turnover", "vwap")
    sides = ("buy_volume", "sell_volume", "buy_turnover", "sell_turnover")
    ids = ("first_trade_id", "last_trade_id", "first_agg_trade_id", "last_agg_trade_id")
    return {
        "open_time": time,
        "close_time": time,
        **dict.fromkeys(floats, pl.Float64()),
        **dict.fromkeys(("individual_trade_count", "agg_record_count"), pl.UInt64()),
        **dict.fromkeys(ids, pl.Int64()),
        **dict.fromkeys(sides, pl.Float64()),
        **dict.fromkeys(("buy_trade_count", "sell_trade_count"), pl.UInt64()),
        "close_reason": CLOSE_REASON,
        **({"threshold_dbps": pl.UInt32()} if several else {}),
        **{name: FEATURES[name] for name in (FEATURES if features is None else features)},
    }


class Route(Protocol):
    def __call__(
        self, frame: pl.DataFrame, threshold_dbps: Thresholds, *, by: Sequence[str] = (), **options: Any
    ) -> pl.DataFrame: ...


def _by(by: Sequence[str]) -> list[str] | None:
    return list(by) or None


def eager(frame: pl.DataFrame, threshold_dbps: Thresholds, *, by: Sequence[str] = (), **options: Any) -> pl.DataFrame:
    return frame.rangebar.bars(threshold_dbps, by=_by(by), **options)


def lazy(engine: Engine) -> Route:
    def route(
        frame: pl.DataFrame, threshold_dbps: Thresholds, *, by: Sequence[str] = (), **options: Any
    ) -> pl.DataFrame:
        return frame.lazy().rangebar.bars(threshold_dbps, by=_by(by), **options).collect(engine=engine)

    return route


def expression(engine: Engine) -> Route:
    """`select` without keys, `group_by().agg()` with them; counts of rows put the order back."""

    def route(
        frame: pl.DataFrame, threshold_dbps: Thresholds, *, by: Sequence[str] = (), **options: Any
    ) -> pl.DataFrame:
        bars = rb.range_bars(threshold_dbps=threshold_dbps, **options)
        if not by:
            return frame.lazy().select(bars).unnest("bars").collect(engine=engine)
        every = rb.range_bars(threshold_dbps=threshold_dbps, **{**options, "features": [], **EVERY_BAR})
        aggregated = frame.lazy().with_row_index("_row").group_by(by).agg(bars, every.alias("_every"), "_row")
        groups = aggregated.collect(engine=engine)
        order: list[int] = []
        for bars_of_group, rows in zip(groups["_every"], groups["_row"], strict=True):
            order += places(bars_of_group.struct.unnest(), rows.to_list(), frame.height, options)
        out = groups.select(*by, "bars").explode("bars").unnest("bars")
        return (
            out.with_columns(pl.Series("_place", order, dtype=pl.Int64))
            .sort("_place", maintain_order=True)
            .drop("_place")
        )

    return route


def loop(frame: pl.DataFrame, threshold_dbps: Thresholds, *, by: Sequence[str] = (), **options: Any) -> pl.DataFrame:
    """A Python loop over the groups, each by itself."""
    if not by:
        return eager(frame, threshold_dbps, **options)
    parts = []
    for rows in group_rows(frame, by):
        group = frame[rows]
        bars = eager(group, threshold_dbps, **options)
        every = eager(group, threshold_dbps, **{**options, "features": [], **EVERY_BAR})
        keys = frame.select(by)[[rows[0]] * bars.height]
        order = pl.Series("_place", places(every, rows, frame.height, options), dtype=pl.Int64)
        parts.append(pl.concat([keys, bars, order.to_frame()], how="horizontal"))
    if not parts:
        return eager(frame, threshold_dbps, by=by, **options)
    return pl.concat(parts).sort("_place", maintain_order=True).drop("_place")


def places(every: pl.DataFrame, rows: Sequence[int], height: int, options: dict[str, Any]) -> list[int]:
    """Where the bars of one group that the options ask for stand among those of all groups, from all its bars.

    `rows` are the group's rows. A bar closed by its threshold stands at its own last row, one that a trade ended in
    which it is not at the row behind it, the forming bar behind all rows.
    """
    wanted = {"threshold", "time"}
    wanted |= {"reset", "gap"} if options.get("include_orphans") else set()
    wanted |= {"end"} if options.get("include_incomplete") else set()
    behind: dict[int | str | None, int] = {}
    out = []
    for bar in every.iter_rows(named=True):
        threshold, reason = bar.get("threshold_dbps", bar.get("rule")), bar["close_reason"]
        behind[threshold] = behind.get(threshold, 0) + bar["agg_record_count"]
        if reason in wanted:
            forming = reason == "end"
            out.append(height + rows[0] if forming else rows[behind[threshold] - (reason == "threshold")])
    assert set(behind.values()) == {len(rows)}, "every row is in one bar of each threshold"
    assert out == sorted(out), "bars of a group by the row that ended them"
    return out


def group_rows(frame: pl.DataFrame, by: Sequence[str]) -> list[list[int]]:
    """Row numbers of every group, groups by first appearance."""
    if not by:
        return [list(range(frame.height))]
    rows = frame.select(by).with_row_index("_row").group_by(by, maintain_order=True).agg("_row")["_row"]
    return [list(group) for group in rows]


def oracle_bars(
    frame: pl.DataFrame,
    threshold_dbps: Thresholds,
    *,
    by: Sequence[str] = (),
    include_incomplete: bool = False,
    include_orphans: bool = False,
    same_timestamp_gate: bool = True,
    reset: Reset | None = None,
    max_gap: str | dt.timedelta | None = None,
    time_unit: TimeUnit | None = None,
    price_decimals: int = DECIMALS,
) -> pl.DataFrame:
    """The slow oracle over the same frame: default column names, all features."""
    dtype = frame.schema["timestamp"]
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else time_unit
    assert unit is not None
    thresholds = [threshold_dbps] if isinstance(threshold_dbps, int | Defined) else threshold_dbps
    defined = [threshold for threshold in thresholds if isinstance(threshold, Defined)]
    left_out = {None if include_incomplete else "end", *(() if include_orphans else ("reset", "gap"))}
    placed: list[tuple[int, int, dict[str, Cell]]] = []
    for rows in group_rows(frame, by):
        group = frame[rows]
        optional = {name: group[name].to_list() for name in OPTIONAL if name in frame.columns}
        time, price, quantity = group["timestamp"].to_physical(), group["price"], group["quantity"]
        numbers = (time.to_list(), price.to_list(), quantity.to_list())
        trades = trades_of(*numbers, **optional, price_decimals=price_decimals)
        for threshold in thresholds:
            ended: Any = {"gate": same_timestamp_gate, "reset": reset, "max_gap": max_gap, "time_unit": unit}
            label: dict[str, Cell]
            if isinstance(threshold, Defined):
                bars, label = rule_bars(trades, threshold, **ended), {"rule": str(threshold.rule)}
            else:
                bars, label = split(trades, threshold, **ended), {"threshold_dbps": threshold}
            for bar in (bar for bar in bars if bar.close_reason not in left_out):
                forming = bar.close_reason == "end"
                place = frame.height + rows[0] if forming else rows[bar.ended_by]
                placed.append((place, rows[0], row(bar, unit) | label))
    placed.sort(key=lambda bar: bar[0])  # stable: thresholds stay in the order given
    keys = frame.select(by)[[first for _, first, _ in placed]] if by else pl.DataFrame()
    schema = bar_schema(dtype, several=not isinstance(threshold_dbps, int | Defined))
    if defined:
        reason = REASON_OR_TIME if any(rule.kind == "time" for rule in defined) else CLOSE_REASON
        labels = {"threshold_dbps": ("rule", pl.String()), "close_reason": ("close_reason", reason)}
        schema = dict(labels.get(column, (column, dtype)) for column, dtype in schema.items())
    columns = [
        pl.Series(name, [cells[name] for _, _, cells in placed], pl.Int64 if name.endswith("_time") else target).cast(
            target
        )
        for name, target in schema.items()
    ]
    return pl.DataFrame([*keys.get_columns(), *columns])


def bars_from_ids(frame: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Bars, the forming ones included, from trades that carry `bar_id`: plain Polars aggregations."""
    return (
        frame.with_row_index("_row")
        .group_by(*by, "bar_id", maintain_order=True)
        .agg(
            pl.col("timestamp").first().alias("open_time"),
            pl.col("timestamp").last().alias("close_time"),
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.len().cast(pl.UInt64).alias("agg_record_count"),
            pl.col("_row").last().alias("_row"),
        )
        .sort("_row")
        .drop("_row")
    )


ROUTES: dict[str, Route] = {
    "eager": eager,
    "lazy-in-memory": lazy("in-memory"),
    "lazy-streaming": lazy("streaming"),
    "expression-in-memory": expression("in-memory"),
    "expression-streaming": expression("streaming"),
    "loop": loop,
}


def assert_same_bars(got: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Same columns, dtypes, order of rows and cells, floats bit for bit (so that 0.0 and -0.0 differ)."""
    assert dict(got.schema) == dict(expected.schema)
    assert got.columns == expected.columns
    assert_frame_equal(got, expected, check_exact=True)
    # Equal floats have equal bits, but for zeros of two signs: these differ in what one divided by them is.
    one_by = (1.0 / pl.col(pl.Float64)).name.keep()
    assert_frame_equal(got.select(one_by), expected.select(one_by), check_exact=True)
