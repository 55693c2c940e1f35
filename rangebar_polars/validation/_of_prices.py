"""Checks of bars whose rule looks at prices: Range, HighLow and Cusum."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import polars as pl

from rangebar_polars.validation._closed import Closed
from rangebar_polars.validation._plausible import overshoot
from rangebar_polars.validation._rules import Rule, finite

__all__ = ["TOUCHED", "of_prices"]

TOUCHED: Final = "the last trade of a closed bar touched the threshold"

_ROUNDING: Final = 1e-12
"""Allowed error of the ratio of two prices: far above its rounding, far below a step of a price."""

_DBPS: Final = 100_000


def of_prices(closed: Closed) -> Iterator[Rule]:
    """What must hold for bars of a rule that looks at prices."""
    unit = f"{Decimal(1).scaleb(-closed.price_decimals):f}"
    remedy = (
        "the bars have another threshold or other `price_decimals`, or include orphans without a `close_reason`, "
        f"or the price is so low that the threshold is less than {unit} and bars close without any move"
    )
    match closed.form["rule"]:
        case "range":
            yield from _range(closed, remedy)
        case "high_low":
            yield from _high_low(closed, remedy)
        case _:
            yield from _cusum(closed, remedy)


def _range(closed: Closed, remedy: str) -> Iterator[Rule]:
    """
    The close is as far from the open as it must be.

    Prices are compared in whole units of their last decimal, as the bar was built. A double holds such units exactly up
    to 2**53; above that the last few units are lost, and as many are tolerated.
    """
    opened, close = (_units(closed, name) for name in ("open", "close"))
    distance, lost = _distance(closed, opened), opened // 2**52
    moved = (close - opened).abs()
    holds = TOUCHED if closed.name is None else f"the last trade of {closed.bar} touched the threshold"
    yield closed.if_closed("threshold", "close", moved < distance - lost, holds, remedy)
    yield overshoot(closed, "close", (finite("close") - finite("open")).abs(), _share(closed))
    for name, beyond in (("high", _units(closed, "high") - opened), ("low", opened - _units(closed, "low"))):
        if closed.has("open_time", f"{name}_time"):
            is_first = (pl.col(f"{name}_time") > pl.col("open_time")) & (_units(closed, name) != close)
            early = is_first & (beyond >= distance + lost)
            holds = f"no trade before the last of {closed.bar} touched it"
            yield closed.if_closed("touched_first", name, early, holds)
    ended = closed.is_past_the_gate & (moved > distance + lost)
    yield from closed.if_not_closed("close", ended, "a bar that was not closed had not touched its threshold")


def _high_low(closed: Closed, remedy: str) -> Iterator[Rule]:
    """High and low are as far apart as they must be, and the last trade has made them so."""
    high, low, close = (_units(closed, name) for name in ("high", "low", "close"))
    distance, lost = _distance(closed, _units(closed, "open")), high // 2**51
    holds = f"high and low of {closed.bar} are so far apart"
    yield closed.if_closed("threshold", "high", high - low < distance - lost, holds, remedy)
    yield overshoot(closed, "high", finite("high") - finite("low"), _share(closed))
    if closed.has("open_time", "high_time", "low_time"):
        is_late = pl.max_horizontal("high_time", "low_time") > pl.col("open_time")
        early = is_late & (low < close) & (close < high)
        holds = f"the last trade of {closed.bar} is its high or its low"
        yield closed.if_closed("touched_first", "close", early, holds)
    ended = closed.is_past_the_gate & (high - low > distance + lost)
    yield from closed.if_not_closed("high", ended, "a bar that was not closed had high and low less far apart")


def _cusum(closed: Closed, remedy: str) -> Iterator[Rule]:
    """The close is as far above the low, or below the high, as it must be."""
    high, low, close = (finite(name) for name in ("high", "low", "close"))
    ratio = math.exp(closed.form["dbps"] / _DBPS)
    turned = pl.max_horizontal(pl.when(low > 0).then(close / low), pl.when(close > 0).then(high / close))
    holds = f"the last trade of {closed.bar} is so far above its low, or below its high"
    yield closed.if_closed("threshold", "close", turned < ratio * (1 - _ROUNDING), holds, remedy)
    yield overshoot(closed, "close", (turned - 1) * finite("open"), _share(closed))
    ended = closed.is_past_the_gate & (turned > ratio * (1 + _ROUNDING))
    yield from closed.if_not_closed("close", ended, "a bar that was not closed had not turned so far")


def _units(closed: Closed, name: str) -> pl.Expr:
    """A price in whole units of its last decimal."""
    units = (finite(name) * 10.0**closed.price_decimals).round(mode="half_away_from_zero")
    return units.cast(pl.Int128, strict=False)


def _distance(closed: Closed, opened: pl.Expr) -> pl.Expr:
    """The distance in such units that closes a bar: one at least."""
    points = closed.form.get("points")
    if points is not None:
        units = int(Decimal(repr(points)).scaleb(closed.price_decimals).to_integral_value())
        return pl.lit(units, pl.Int128)
    dbps = pl.lit(closed.form["dbps"]) if "dbps" in closed.form else pl.col("threshold_dbps")
    return (opened * dbps.cast(pl.Int128) // _DBPS).clip(lower_bound=1)


def _share(closed: Closed) -> pl.Expr:
    """The distance as a share of the open."""
    points = closed.form.get("points")
    if points is not None:
        return pl.lit(float(points)) / finite("open")
    dbps = pl.lit(closed.form["dbps"]) if "dbps" in closed.form else pl.col("threshold_dbps")
    return dbps.cast(pl.Float64) / _DBPS
