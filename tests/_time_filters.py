"""Filters on the times of bars: predicates that hypothesis draws, and the queries that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from hypothesis import strategies as st

from tests._calendar import instants, period_starts
from tests.strategies import TIME_UNITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests._oracle import Reset, TimeUnit
    from tests.strategies import Trades

open_time, close_time = pl.col("open_time"), pl.col("close_time")
MAX = 2**63 - 1
COMPARED = ("__ge__", "__gt__", "__le__", "__lt__", "__eq__", "__ne__")
MAX_SECONDS = 8 * 10**12  # of a date that Polars can show: the year 255,000 or so


@st.composite
def instants_near(draw: st.DrawFn, times: pl.Series, unit: TimeUnit, reset: Reset) -> pl.Expr:
    """A literal on, beside or far from some times and the edges of their periods, in one of the ways to write it."""
    dtype = times.dtype
    utc = instants(times, unit)
    edges = period_starts(utc, reset).to_physical()
    day = 86_400 * TIME_UNITS[unit]
    tick = draw(st.sampled_from([*utc.to_physical(), *edges, *edges]))
    tick += draw(st.sampled_from((0, 0, 0, -1, 1, 999, day, -day, 31 * day, -31 * day, 366 * day, -366 * day)))
    if draw(st.integers(0, 19)) == 13:
        limit = min(MAX_SECONDS * TIME_UNITS[unit], MAX) if isinstance(dtype, pl.Datetime) else MAX
        return pl.lit(draw(st.sampled_from((limit, -limit, 0, None))), pl.Int64).cast(dtype)
    if not isinstance(dtype, pl.Datetime):
        return draw(st.sampled_from((pl.lit(tick), pl.lit(tick), pl.lit(tick + 0.5))))
    time = pl.Series([tick]).cast(pl.Datetime(unit, dtype.time_zone)).cast(pl.Datetime("us", dtype.time_zone))
    written = [pl.lit(tick, pl.Int64).cast(dtype), pl.lit(time[0])]
    return draw(st.sampled_from([*written, *([] if dtype.time_zone else [pl.lit(time[0].date())])]))


@st.composite
def time_terms(draw: st.DrawFn, literals: st.SearchStrategy[pl.Expr]) -> pl.Expr:
    """One bound on a time of a bar, or two."""
    column, literal = draw(st.sampled_from((open_time, close_time))), draw(literals)
    if draw(st.integers(0, 2)) == 0:
        closed = draw(st.sampled_from(("both", "left", "right", "none")))
        return column.is_between(literal, draw(literals), closed=closed)
    left, right = draw(st.sampled_from(((column, literal), (literal, column))))
    return getattr(left, draw(st.sampled_from(COMPARED)))(right)


def other_terms(case: Trades) -> st.SearchStrategy[pl.Expr]:
    """A term on keys or values of bars, on an id among them."""
    values = [
        pl.col("close") >= case.frame["price"].cast(pl.Float64)[0],
        pl.col("agg_record_count") > 1,
        pl.col("close_reason") != "reset",
        pl.col("first_agg_trade_id") > 2,
        open_time < close_time,
        pl.lit(value=True),
    ]
    keys = [pl.col(name) == case.frame[name][0] for name in case.by]
    keys += [pl.col(name).cast(pl.String) >= "B" for name in case.by]
    return st.sampled_from(keys + values)


@st.composite
def predicates(draw: st.DrawFn, case: Trades, reset: Reset, bars: pl.DataFrame) -> pl.Expr:
    """Conjunctions of terms, some of them disjunctions or negations; most hold for one of the bars at least."""
    target = bars.slice(draw(st.integers(0, max(bars.height - 1, 0))), 1)
    times = [target["open_time"], target["close_time"]] if target.height else [case.frame["timestamp"]]
    term = time_terms(instants_near(pl.concat(times), clock_of(case), reset))
    parts_of = (*[term] * 6, *[other_terms(case)] * 2, st.builds(pl.Expr.or_, term, term), term.map(pl.Expr.not_))
    part = st.integers(0, len(parts_of) - 1).flatmap(parts_of.__getitem__)
    drawn = draw(st.lists(part, min_size=1, max_size=6))
    parts = [a for a in drawn if target.filter(a).height or draw(st.integers(0, 7)) == 5] or drawn[:1]
    whole = parts[0]
    for other in parts[1:]:
        whole = draw(st.sampled_from((whole & other, other & whole)))
    return whole


def clock_of(case: Trades) -> TimeUnit:
    dtype = case.frame.schema["timestamp"]
    return dtype.time_unit if isinstance(dtype, pl.Datetime) else case.options["time_unit"]


QUERIES: tuple[Callable[[pl.LazyFrame, pl.Expr], pl.LazyFrame], ...] = (
    lambda lf, predicate: lf.filter(predicate),
    lambda lf, predicate: lf.filter(predicate).select("open_time", "duration_us"),
    lambda lf, predicate: lf.filter(predicate).select("close_reason", "high"),
    lambda lf, predicate: lf.filter(predicate).select("last_agg_trade_id"),
    lambda lf, predicate: lf.select("close_time", "open_time", "close", "first_trade_id").filter(predicate),
    lambda lf, predicate: lf.filter(predicate).head(2),
    lambda lf, predicate: lf.filter(predicate).filter(open_time <= close_time).tail(2),
    lambda lf, predicate: lf.head(3).filter(predicate),
)
