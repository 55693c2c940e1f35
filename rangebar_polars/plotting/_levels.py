"""An order book over time as cells: what to draw of each level, with states and levels merged if they are too many."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import chain, count
from typing import Final, NamedTuple, cast

import polars as pl

from rangebar_polars._common.instants import UNITS_PER_SECOND
from rangebar_polars._typing import TimeUnit
from rangebar_polars.plotting._cells import decimal_of, multiples, tick_of

__all__ = ["Levels", "level_columns", "levels_of"]

_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)
"""How many seconds a column may last, where it lasts one at least; below, 1, 2 or 5 of a power of ten."""


class Levels(NamedTuple):
    """One row for each rectangle, one row for each column, and how they were merged."""

    cells: pl.DataFrame
    """`left` and `right` in milliseconds, `low`, `high`, `is_bid`, `size`, `opened`: the time of `left` as text."""
    best: pl.DataFrame
    """`at` in milliseconds, `bid` and `ask`, for each column and for the end of the last one."""
    tick: Decimal
    """The height of a cell."""
    merged: int
    """Levels of the book in one cell."""
    span: str | None
    """How long a column is, if states were merged."""


def level_columns(depth: int) -> list[str]:
    """The columns of so many levels."""
    names = ("bid", "bid_size", "ask", "ask_size")
    return [f"{name}_{level}" for level in range(1, depth + 1) for name in names]


def levels_of(states: pl.DataFrame, depth: int, *, most_columns: int, most_rows: int) -> Levels | None:
    """
    The cells of states that are sorted by time; None if there is no level in them.

    A state holds until the next one. More than `most_columns` states are merged into columns of equal length, of which
    each shows the state at its end.
    """
    unit = cast("pl.Datetime", states.schema["time"]).time_unit
    columns, step = _columns(states, most_columns, UNITS_PER_SECOND[unit])
    sides = [
        columns.select("column", is_bid=pl.lit(side == "bid"), price=f"{side}_{level}", size=f"{side}_size_{level}")
        for level in range(1, depth + 1)
        for side in ("bid", "ask")
    ]
    levels = (
        pl.concat(sides)
        .cast({"price": pl.Float64, "size": pl.Float64})
        .filter(pl.col("price").is_finite(), pl.col("size").is_finite(), pl.col("size") > 0)
    )
    if levels.is_empty():
        return None
    prices = sorted(cast("list[float]", levels["price"].unique().to_list()))
    tick = tick_of(prices, prices[-1])
    first, last = (int(Fraction(Decimal(repr(price))) / tick) for price in (prices[0], prices[-1]))
    merged = next(n for n in multiples() if last // n - first // n < most_rows)
    row = {price: int(Fraction(Decimal(repr(price))) / tick) // merged for price in prices}
    height = float(tick * merged)
    both, half = pl.col("is_bid").n_unique().over("column", "row") > 1, height / 2
    cells = (
        levels.with_columns(row=pl.col("price").replace_strict(row, return_dtype=pl.Int64))
        .group_by("column", "row", "is_bid")
        .agg(pl.col("size").sum())
        # A price is the middle of its level.
        .with_columns(low=pl.col("row").cast(pl.Float64) * height - float(tick) / 2)
        .with_columns(high=pl.col("low") + height)
        # Where a cell has both sides, bids are the lower half of it.
        .with_columns(
            low=pl.when(both & ~pl.col("is_bid")).then(pl.col("low") + half).otherwise("low"),
            high=pl.when(both & pl.col("is_bid")).then(pl.col("low") + half).otherwise("high"),
        )
        .sort("row", "is_bid", "column")
    )
    ends = columns.select("column", "left", "right")
    return Levels(
        _joined(cells)
        .join(ends.select("column", "left"), on="column")
        .join(ends.select(until="column", right="right"), on="until")
        .select(
            _ms("left", unit), _ms("right", unit), "low", "high", "is_bid", "size", opened=_text(pl.col("left"), unit)
        )
        .sort("left", "low"),
        pl.concat(
            [
                columns.select(at=_ms("left", unit), bid="bid_1", ask="ask_1"),
                columns.tail(1).select(at=_ms("right", unit), bid="bid_1", ask="ask_1"),
            ]
        ).cast(pl.Float64),
        decimal_of(tick * merged),
        merged,
        None if step is None else _duration(Fraction(step, UNITS_PER_SECOND[unit])),
    )


def _columns(states: pl.DataFrame, most: int, per_second: int) -> tuple[pl.DataFrame, int | None]:
    """States with the columns that they are drawn in, from `left` to `right`, and how long one is if merged."""
    numbers = states.with_columns(pl.col("time").to_physical().alias("left"))
    # Of several events at one time, the last is what was left.
    numbers = numbers.unique("left", keep="last", maintain_order=True)
    first, last = cast("int", numbers["left"][0]), cast("int", numbers["left"][-1])
    step = None
    if numbers.height > most:
        step = next(
            units
            for units in map(int, (length * per_second for length in _lengths(per_second)))
            if last // units - first // units < most
        )
        numbers = numbers.with_columns(pl.col("left") // step * step).unique("left", keep="last", maintain_order=True)
    usual = step or int(cast("float", numbers["left"].diff().median() or per_second))
    right = pl.col("left").shift(-1).fill_null(pl.col("left") + max(1, usual))
    return numbers.with_columns(right=right).with_row_index("column"), step


def _lengths(per_second: int) -> chain[Fraction]:
    """Lengths of columns in seconds, from the unit of the times on."""
    powers = (Fraction(10) ** power for power in range(1 - len(str(per_second)), 0))
    below = (digit * power for power in powers for digit in (1, 2, 5))
    return chain(below, map(Fraction, _SECONDS), (Fraction(86_400 * days) for days in count(2)))


def _joined(cells: pl.DataFrame) -> pl.DataFrame:
    """Cells that follow each other with one size are one rectangle, from `column` to `until`."""
    same = ("row", "is_bid", "low", "high", "size")
    follows = pl.all_horizontal(
        pl.col("column") == pl.col("column").shift(1) + 1, *(pl.col(name) == pl.col(name).shift(1) for name in same)
    )
    run = (~follows).fill_null(value=True).cum_sum().alias("run")
    return cells.group_by(run, maintain_order=True).agg(
        pl.col("column").first(),
        pl.col("column").last().alias("until"),
        pl.col("low", "high", "is_bid", "size").first(),
    )


def _ms(name: str, unit: TimeUnit) -> pl.Expr:
    """A time as Vega counts; the same double from any unit."""
    return pl.col(name).cast(pl.Datetime(unit)).dt.timestamp("us") / 1_000


def _text(time: pl.Expr, unit: TimeUnit) -> pl.Expr:
    return time.cast(pl.Datetime(unit)).dt.strftime("%Y-%m-%d %H:%M:%S%.3f")


def _duration(seconds: Fraction) -> str:
    """A length as people say it."""
    for name, unit in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds % unit == 0:
            return f"{seconds // unit:,} {name}"
    for name, unit in (("ms", 1_000), ("us", 1_000_000)):
        if (seconds * unit).denominator == 1:
            return f"{int(seconds * unit)} {name}"
    return f"{int(seconds * 1_000_000_000)} ns"
