"""Checks for what no market does: a clock far from the present, a price that jumps by many thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from rangebar_polars._common.instants import EPOCH, UNITS_PER_SECOND
from rangebar_polars._typing import TimeUnit
from rangebar_polars.validation._bounds import TIMES
from rangebar_polars.validation._closed import Closed
from rangebar_polars.validation._report import Check
from rangebar_polars.validation._rules import Rule, finite

__all__ = ["NEAR", "calendar", "overshoot", "unknown_clock"]

_FIRST: Final = datetime(1980, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""A clock read in a unit a thousand times too large or too small is outside, whatever its time."""

_MOST_THRESHOLDS: Final = 5
_MOST_OF_OPEN: Final = 0.005
"""
How far a close may be from the open: the larger of the two.

Each is twice what good prints show. For BTC, ETH, TRX and EURUSD, the farthest close beyond five thresholds was 0.24 %
from its open (a weekend, at 5 dbps), and the farthest from 100 dbps on was 2.3 thresholds. Bad prints of SPY are 2 %
away, the prices of two symbols in one group mostly more than 100 %.
"""

_IN_OUR_DAYS: Final = "lies between 1980 and 2200"
NEAR: Final = f"a closed bar ends within {_MOST_THRESHOLDS} thresholds, or {_MOST_OF_OPEN:.1%}, of its open"


def calendar(bars: pl.DataFrame, time_unit: TimeUnit | None) -> Iterator[Rule]:
    """Times of a clock with a known unit are plausible."""
    for name in TIMES:
        unit = _unit(bars.schema, name, time_unit)
        if unit is not None:
            low, high = (_seconds(end) * UNITS_PER_SECOND[unit] for end in (_FIRST, _LAST))
            value = pl.col(name).to_physical().cast(pl.Int64)
            broken = (value < low) | (value >= high)
            first = bars.select(value.filter(broken).head(1)).to_series()
            yield Rule("calendar", name, broken, f"`{name}` {_IN_OUR_DAYS}", _other_unit(first.to_list(), unit))


def _other_unit(first: list[int], unit: TimeUnit) -> str:
    """What the unit may have been, judging by the first time that is out of bounds."""
    again = "build the bars again from times in their own unit"
    for other, ticks in {"s": 1, **UNITS_PER_SECOND}.items():
        for value in first:
            if other != unit and _seconds(_FIRST) <= value // ticks < _seconds(_LAST):
                meant = EPOCH + timedelta(seconds=value // ticks)
                return (
                    f'probably a wrong unit: read in "{other}" instead of "{unit}" the first of them is '
                    f"{meant:%Y-%m-%d %H:%M:%S} (Binance spot files are in ms until 2024, in us since); {again}"
                )
    return f"probably a broken clock, or a wrong unit: {again}"


def _seconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(seconds=1)


def unknown_clock(schema: pl.Schema, time_unit: TimeUnit | None) -> Iterator[Check]:
    """What the report says about times of an unknown unit."""
    for name in TIMES:
        if name in schema and _unit(schema, name, time_unit) is None:
            meaning = f"`{name}` {_IN_OUR_DAYS}: not judged, the times are integers: give their unit with `time_unit`"
            yield Check("calendar", name, None, None, 0.0, meaning)


def _unit(schema: pl.Schema, name: str, time_unit: TimeUnit | None) -> TimeUnit | None:
    dtype = schema.get(name)
    if isinstance(dtype, pl.Datetime):
        return dtype.time_unit
    return None if dtype is None else time_unit


def overshoot(closed: Closed, column: str, moved: pl.Expr, threshold: pl.Expr) -> Rule:
    """A closed bar ends near its threshold, a share of its open: prices move by small steps from trade to trade."""
    opened = finite("open")
    most = pl.max_horizontal(threshold * _MOST_THRESHOLDS, pl.lit(_MOST_OF_OPEN))
    far = pl.when(opened > 0).then(moved > opened * most)
    remedy = (
        "the price jumped from one trade to the next: several symbols or markets in one group (name their column in "
        "`by`), bad prints (filter them out first), prices in two units, bars of another threshold, or a night or "
        "weekend without trades (`max_gap` or `reset` ends the bar there)"
    )
    holds = NEAR if closed.name is None else f"{NEAR} ({closed.name})"
    return closed.if_closed("overshoot", column, far, holds, remedy)
