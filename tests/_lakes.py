"""Small lakes: trades over a few days, what a lake must say of them, and its files as bytes."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._sessions import WEEKDAYS, Sessions, session

__all__ = [
    "SERIES",
    "VENUE",
    "bars_of",
    "day_of",
    "files_of",
    "made",
    "not_synchronised",
    "period_of",
    "session_of",
    "trades_of",
    "utc",
]

VENUE = "binance-spot"

SERIES: dict[str, dict[str, Any]] = {
    "base": {"threshold_dbps": [250, 1_000]},
    "days": {"threshold_dbps": 250, "reset": "1d", "max_gap": "6h"},
    "weeks": {"threshold_dbps": [rb.Range(points=0.5), 500], "reset": "1w", "intra": True},
    "ever": {"threshold_dbps": [250, 2_000], "reset": None, "lookback": 5},
    "broken": {"threshold_dbps": 400, "reset": None, "max_gap": "20h", "features": ["ofi", "duration_us"]},
    "sessions": {
        "threshold_dbps": [250],
        "reset": rb.Daily(at="18:00", zone="America/New_York"),
        "include_session": True,
        "lookback": 5,
    },
    "trade_weeks": {
        "threshold_dbps": [500],
        "reset": rb.Weekly(on="sunday", at="17:00", zone="America/New_York"),
        "max_gap": "20h",
    },
}
"""Series with and without a reset, with windows, gaps, sessions, several thresholds and one."""


@contextmanager
def not_synchronised() -> Iterator[pytest.MonkeyPatch]:
    """Not to wait for the disk; `test_crash.py` tests what is synchronised."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield patch


def utc(*at: int) -> dt.datetime:
    """An instant."""
    return dt.datetime(*at, tzinfo=dt.UTC)  # type: ignore[misc]


def trades_of(
    steps: list[tuple[int, int, int]], *, start: dt.datetime | None = None, first_id: int = 7
) -> pl.DataFrame:
    """Trades by steps of minutes, prices and ids; each has another quantity."""
    rows, time, price, number = [], start or utc(2024, 1, 27, 3), 10_000, first_id
    for row, (minutes, move, ids) in enumerate(steps):
        time, price, number = time + dt.timedelta(minutes=minutes), max(price + move, 100), number + ids
        rows.append((time, price / 100, 1 + row / 8, (row * 7 + move) % 3 == 0, number))
    names = ("timestamp", "price", "quantity", "is_buyer_maker", "agg_trade_id")
    schema = dict(zip(names, (pl.Datetime("us", "UTC"), pl.Float64, pl.Float64, pl.Boolean, pl.Int64), strict=True))
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        first_trade_id=pl.col("agg_trade_id") * 3, last_trade_id=pl.col("agg_trade_id") * 3 + 1
    )


def made(days: int = 12, per_day: int = 40, *, start: dt.datetime | None = None, first_id: int = 7) -> pl.DataFrame:
    """Trades without anything drawn."""
    minutes = 24 * 60 // per_day
    steps = [(minutes * (i > 0), (i * i * 31 + i * 7) % 301 - 150, 1) for i in range(days * per_day)]
    return trades_of(steps, start=start or utc(2024, 1, 27), first_id=first_id)


def bars_of(trades: pl.DataFrame, name: str, **more: Any) -> pl.DataFrame:
    """The bars of a series over trades, without a lake."""
    options = {"reset": "1mo"} | SERIES[name] | more
    thresholds = options.pop("threshold_dbps")
    thresholds = thresholds if isinstance(thresholds, list) else [thresholds]
    bars = trades.rangebar.bars(thresholds, **options)
    if "agg_trade_id" not in trades.columns:
        ids = ["first_trade_id", "last_trade_id", "first_agg_trade_id", "last_agg_trade_id"]
        bars = bars.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in ids)
    return bars


def day_of(time: dt.datetime) -> dt.date:
    """The day of a time in UTC."""
    return time.astimezone(dt.UTC).date()


def period_of(day: dt.date, reset: str | None) -> str:
    """The name of the period of a day, from the definition."""
    match reset:
        case "1d":
            return str(day)
        case "1w":
            while day.isoweekday() != 7:
                day -= dt.timedelta(days=1)
            return str(day)
        case _:
            return str(day)[:7]


def session_of(time: dt.datetime, reset: rb.Daily | rb.Weekly) -> str:
    """The name of the session of a time, from the definition."""
    at = dt.time.fromisoformat(str(reset.at))
    on = WEEKDAYS.index(reset.on) if isinstance(reset, rb.Weekly) else None
    seconds = at.hour * 3_600 + at.minute * 60 + at.second
    return str(session(int(time.timestamp()), Sessions(reset.zone, seconds, on, str(reset.named_by)))[2])


def files_of(root: Path) -> dict[str, bytes]:
    """The files of a lake, without what is not finished."""
    files = (file for file in sorted(root.rglob("*")) if file.is_file())
    return {
        name: file.read_bytes()
        for file in files
        if not (name := file.relative_to(root).as_posix()).startswith(".rangebar/")
    }
