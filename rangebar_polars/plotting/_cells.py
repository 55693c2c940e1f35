"""Footprints as cells: what to draw of each level of each bar, with levels merged where they are too many."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import chain, count
from math import gcd, lcm
from typing import Any, Final, NamedTuple, cast

import polars as pl

__all__ = ["Cells", "cells_of", "decimal_of", "multiples", "tick_of"]

_IMBALANCE: Final = 3
"""How many times the volume of the other side makes a level an imbalance, as in the columns of the bars."""

_NICE: Final = (1, 2, 5)
"""Merged levels are so many ticks high, or ten, a hundred, ... times that."""

_DECIMALS: Final = 18
"""The most that prices have."""

_HALF: Final = 0.46
"""Half the width of a column, in units of the distance from bar to bar."""


class Cells(NamedTuple):
    """One row for each level of each bar, and how levels were merged."""

    frame: pl.DataFrame
    tick: Decimal
    """The height of a cell."""
    merged: int
    """Levels of the bars in one cell."""
    rows: int
    """Cells from the lowest to the highest."""


def cells_of(bars: pl.DataFrame, most_rows: int) -> Cells:
    """
    The cells of some bars, of which no more than so many lie one above another.

    The height of a level is the largest one that all of their prices are multiples of.
    """
    levels = bars.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("bar"), pl.col("footprint").alias("level")
    ).explode("level", empty_as_null=False)
    levels = levels.unnest("level")
    prices = sorted(cast("list[float]", levels["price"].unique().to_list()))
    tick = tick_of(prices, max(cast("list[float]", bars["high"].to_list())))
    first, last = ((Fraction(Decimal(repr(price))) / tick) for price in (prices[0], prices[-1]))
    merged = next(n for n in multiples() if last // n - first // n < most_rows)
    number = {price: int(Fraction(Decimal(repr(price))) / tick) // merged for price in prices}
    height = float(tick * merged)
    cells = (
        levels.with_columns(row=pl.col("price").replace_strict(number, return_dtype=pl.Int64))
        .group_by("bar", "row")
        .agg(bid=pl.col("sell_volume").sum(), ask=pl.col("buy_volume").sum())
        .sort("bar", "row")
    )
    volume = pl.col("bid") + pl.col("ask")
    below, above = (pl.col("row").shift(n).over("bar") == pl.col("row") - n for n in (1, -1))
    bid_below, ask_above = pl.col("bid").shift(1).over("bar"), pl.col("ask").shift(-1).over("bar")
    cells = cells.with_columns(
        volume=volume,
        low=pl.col("row").cast(pl.Float64) * height,
        high=(pl.col("row") + 1).cast(pl.Float64) * height,
        left=pl.col("bar") - _HALF,
        right=pl.col("bar") + _HALF,
        share=pl.when(volume.max().over("bar") > 0).then(volume / volume.max().over("bar")).otherwise(0.0),
        is_poc=pl.int_range(pl.len()).over("bar") == volume.arg_max().over("bar"),
        up=(below & (bid_below > 0) & (pl.col("ask") >= _IMBALANCE * bid_below)).fill_null(value=False),
        down=(above & (ask_above > 0) & (pl.col("bid") >= _IMBALANCE * ask_above)).fill_null(value=False),
    )
    rows = max(number.values()) - min(number.values()) + 1
    return Cells(cells.drop("row"), decimal_of(tick * merged), merged, rows)


def multiples() -> Any:  # noqa: ANN401  (an iterator without end)
    """How many ticks merged levels may be high, the least first."""
    return chain.from_iterable((n * 10**power for n in _NICE) for power in count())


def tick_of(prices: list[float], high: float) -> Fraction:
    """The largest number of which the lowest prices of all levels are multiples, as the decimals that they show."""
    exact = [Fraction(Decimal(repr(price))) for price in prices]
    parts = lcm(*(price.denominator for price in exact))
    tick = Fraction(gcd(*(int(price * parts) for price in exact)), parts)
    if len(exact) == 1 and tick > 0:
        # Any divisor will do that is high enough: a power of ten, as people would choose it.
        powers = (Fraction(10) ** power for power in range(_DECIMALS, -_DECIMALS - 1, -1))
        power = next((power for power in powers if (exact[0] / power).denominator == 1), tick)
        return power if power > Fraction(Decimal(repr(high))) - exact[0] else tick
    # All trades may be below the first tick.
    return tick or Fraction(Decimal(repr(high))) * 2


def decimal_of(number: Fraction) -> Decimal:
    """A tick as people write it."""
    return Decimal(number.numerator) / Decimal(number.denominator)
