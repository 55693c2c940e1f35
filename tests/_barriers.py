"""Bars on a coarse grid for labels, and the slow triple barrier: a loop over the bars after each."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, Literal, NamedTuple

import polars as pl
from hypothesis import strategies as st

MIDNIGHT = dt.datetime(2024, 1, 31, tzinfo=dt.UTC)
FIELDS = ["label", "barrier", "exit_bars", "exit_time", "return"]
SCHEMA = {
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "open_time": pl.Datetime("us", "UTC"),
    "close_time": pl.Datetime("us", "UTC"),
    "high_time": pl.Datetime("us", "UTC"),
    "low_time": pl.Datetime("us", "UTC"),
}


class Barriers(NamedTuple):
    """What a label is asked for; distances are numbers, or one for each bar."""

    take_profit: float | list[float | None] | None
    stop_loss: float | list[float | None] | None
    max_bars: int | None
    max_time: dt.timedelta | None
    entry: Literal["close", "open"]
    both: Literal["stop", "null"]

    def arguments(self) -> dict[str, Any]:
        """The arguments of the function; distances of each bar are columns."""
        given = self._asdict()
        for name in ("take_profit", "stop_loss"):
            if isinstance(given[name], list):
                given[name] = name
        return given


def oracle(bars: pl.DataFrame, barriers: Barriers) -> list[tuple[Any, ...] | None]:
    """The label of each bar, from the definition."""
    rows = bars.rows(named=True)
    return [_label(rows, at, barriers) for at in range(len(rows))]


def _label(rows: list[dict[str, Any]], at: int, barriers: Barriers) -> tuple[Any, ...] | None:  # noqa: C901, PLR0911
    profit, loss = (_distance(given, at) for given in barriers[:2])
    is_open = barriers.entry == "open"
    if profit is None or loss is None or (is_open and at + 1 == len(rows)):
        return None
    entry = rows[at + 1]["open"] if is_open else rows[at]["close"]
    upper, lower = entry * (1 + profit), entry * (1 - loss)
    until = None
    if barriers.max_time is not None:
        until = (rows[at + 1]["open_time"] if is_open else rows[at]["close_time"]) + barriers.max_time

    def label(number: int, name: str, after: int, price: float) -> tuple[Any, ...]:
        return number, name, after, rows[at + after]["close_time"], price / entry - 1

    for after in range(1, len(rows) - at):
        row = rows[at + after]
        if until is not None and row["close_time"] > until:  # the bar before was the last in time
            is_before_entry = is_open and after == 1
            return None if is_before_entry else label(0, "time", after - 1, rows[at + after - 1]["close"])
        above, below = row["high"] >= upper, row["low"] <= lower
        if above and below:
            first, second = row.get("high_time"), row.get("low_time")
            if first is not None and second is not None and first != second:
                above, below = first < second, second < first
            elif barriers.both == "null":
                return None
            else:
                above = False
        if above:
            return label(1, "take_profit", after, max(upper, row["open"]))
        if below:
            return label(-1, "stop_loss", after, min(lower, row["open"]))
        if after == barriers.max_bars:
            return label(0, "time", after, row["close"])
    return None


def _distance(given: float | list[float | None] | None, at: int) -> float | None:
    if isinstance(given, list):
        return given[at]
    return math.inf if given is None else given


PRICES = st.integers(38, 42).map(float)
STEPS = st.integers(0, 3).map(lambda n: dt.timedelta(hours=n))
DISTANCES = st.sampled_from([0.0, 0.025, 0.05, 0.1, 1.0, math.inf])


@st.composite
def paths(draw: st.DrawFn, most: int = 14) -> pl.DataFrame:
    """Bars whose prices and times tie often, jump beyond barriers, and may have no times of extremes."""
    rows, time = [], MIDNIGHT
    for _ in range(draw(st.integers(0, most))):
        opened, closed = draw(PRICES), draw(PRICES)
        begins = time + draw(STEPS)
        ends = begins + draw(STEPS)
        within = st.none() | st.sampled_from([begins, ends])
        high, low = max(opened, closed) + draw(st.integers(0, 2)), min(opened, closed) - draw(st.integers(0, 2))
        rows.append((opened, high, low, closed, begins, ends, draw(within), draw(within)))
        time = ends
    bars = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return bars if draw(st.booleans()) else bars.drop("high_time", "low_time")


@st.composite
def barriers_of(draw: st.DrawFn, rows: int) -> Barriers:
    """What may be asked of so many bars."""
    each = st.lists(st.none() | DISTANCES, min_size=rows, max_size=rows)
    profit = draw(st.none() | DISTANCES | each)
    loss = draw((DISTANCES | each) if profit is None else (st.none() | DISTANCES | each))
    max_bars = draw(st.none() | st.integers(1, 9) | st.just(2**32 - 1))
    lengths = st.integers(1, 12).map(lambda n: dt.timedelta(hours=n))
    max_time = draw(lengths if max_bars is None else st.none() | lengths)
    entry: Literal["close", "open"] = draw(st.sampled_from(["close", "open"]))
    both: Literal["stop", "null"] = draw(st.sampled_from(["stop", "null"]))
    return Barriers(profit, loss, max_bars, max_time, entry, both)


def with_distances(bars: pl.DataFrame, barriers: Barriers) -> pl.DataFrame:
    """The bars, with columns of the distances of each bar."""
    columns = {name: barriers[at] for at, name in enumerate(("take_profit", "stop_loss"))}
    lists = {name: values for name, values in columns.items() if isinstance(values, list)}
    return bars.with_columns(pl.Series(name, values, pl.Float64) for name, values in lists.items())
