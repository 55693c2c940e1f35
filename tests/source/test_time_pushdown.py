"""Contract of the lazy path as a source: what a filter on times of bars spares the input, and that it never shows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.io.plugins import register_io_source

import rangebar_polars as rb
from tests._calendar import trades_at
from tests._oracle import Reset
from tests._routes import Engine, assert_same_bars, engines
from tests._time_filters import (
    COMPARED,
    MAX,
    QUERIES,
    clock_of,
    close_time,
    instants_near,
    open_time,
    predicates,
    time_terms,
)
from tests.strategies import RESETS, Trades, broken_trades, flags, threshold_lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rangebar_polars._bars.lookback import Lookback

at = dt.datetime.fromisoformat
BATCH_ROWS = 100


# -------------------------------------------------------------------------------------- what is read


class Years:
    """Five years of trades of two units, six hours apart, as an input that counts the rows it hands over."""

    def __init__(self, dtype: pl.DataType, *, ids: bool = True) -> None:
        utc = pl.datetime_range(at("2020-01-01"), at("2024-12-31T18:00"), "6h", time_unit="us", eager=True)
        unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else "ms"
        n = len(utc)
        self.utc = utc
        self.trades = pl.DataFrame(
            {
                "unit": ["A", "B"] * (n // 2),  # not a name that looks like a forgotten key
                "timestamp": utc.cast(pl.Datetime(unit)).to_physical().cast(dtype),
                "price": [100.0 + i * 7 // 3 % 5 for i in range(n)],
                "quantity": [1.0 + i % 3 for i in range(n)],
                **({"agg_trade_id": range(n)} if ids else {}),
            }
        )
        self.rows = 0

    def scan(self) -> pl.LazyFrame:
        def source(
            with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            assert n_rows is None
            for batch in self.trades.iter_slices(BATCH_ROWS):
                out = batch if predicate is None else batch.filter(predicate)
                self.rows += out.height
                yield out.select(with_columns or pl.all())

        return register_io_source(source, schema=self.trades.schema)

    def between(self, first: dt.datetime | None, behind: dt.datetime | None) -> int:
        """Rows from one time on and before another."""
        return len([time for time in self.utc if (first or time) <= time < (behind or at("9999-12-31"))])


US = pl.Datetime("us")
MARCH, APRIL, LAST = at("2022-03-01"), at("2022-04-01"), at("2022-03-31T12:00")
IN_MARCH = {
    "first and last": (open_time >= MARCH) & (close_time <= LAST),
    "days within it": (open_time > at("2022-03-05")) & (open_time < at("2022-03-06T12:00")),
    "one bar": open_time == MARCH,
    "literals on the left": (pl.lit(MARCH) <= open_time) & (pl.lit(LAST) > close_time),
    "both": open_time.is_between(MARCH, LAST),
    "left": open_time.is_between(MARCH, LAST, closed="left"),
    "right": close_time.is_between(MARCH, LAST, closed="right"),
    "none": close_time.is_between(MARCH, LAST, closed="none"),
    "dates": (open_time >= MARCH.date()) & (open_time <= LAST.date()),
    "other terms": (open_time >= MARCH) & (pl.col("close") > 100) & (pl.col("high") > 100) & (close_time < LAST),
    "nearest of several": (open_time >= at("2021-01-01")) & (open_time >= MARCH) & open_time.is_between(MARCH, LAST),
}
BEFORE_APRIL = {
    "less": (open_time >= MARCH) & (close_time < APRIL),
    "greater": (open_time >= MARCH) & (pl.lit(APRIL) > open_time),
    "left": open_time.is_between(MARCH, APRIL, closed="left"),
    "none": close_time.is_between(MARCH, APRIL, closed="none"),
    "dates": (open_time >= MARCH.date()) & (open_time < APRIL.date()),
}
NOT_PUSHED = {
    "a disjunction": (open_time < MARCH) | (open_time >= APRIL),
    "a time or a value": (open_time >= APRIL) | (pl.col("close") > 100),
    "two columns": open_time < close_time,
    "a term of a part": open_time.dt.month() == 3,
    "unequal": open_time != MARCH,
    "a value": pl.col("close") > 100,
    "arithmetic": open_time + dt.timedelta(days=1) >= MARCH,
}


def bars(trades: pl.LazyFrame, **options: Any) -> pl.LazyFrame:
    return trades.rangebar.bars(1_000, **{"reset": "1mo", **options})


def assert_read(years: Years, predicate: pl.Expr, rows: int, engine: Engine, **options: Any) -> None:
    """The rows handed over, and that the bars are those of the whole input."""
    columns = options.pop("select", pl.all())
    expected = bars(years.trades.lazy(), **options).collect().filter(predicate).select(columns)
    assert not expected.is_empty()
    got = bars(years.scan(), **options).filter(predicate).select(columns).collect(engine=engine)
    assert_same_bars(got, expected)
    assert years.rows == rows


@engines
@pytest.mark.parametrize("name", IN_MARCH)
def test_one_month_of_years_reads_one_month(name: str, engine: Engine) -> None:
    years = Years(US)
    month = years.between(MARCH, APRIL)
    assert month == 124
    assert_read(years, IN_MARCH[name], month, engine)


@engines
@pytest.mark.parametrize("name", BEFORE_APRIL)
def test_a_month_up_to_the_next_reads_one_month(name: str, engine: Engine) -> None:
    """The instant at which April begins is itself left out, so April is."""
    years = Years(US)
    assert_read(years, BEFORE_APRIL[name], years.between(MARCH, APRIL), engine)


@engines
@pytest.mark.parametrize("name", IN_MARCH)
def test_a_trade_behind_the_month_decides_about_orphans(name: str, engine: Engine) -> None:
    """So only what lies before the month is spared; the same for the forming bar."""
    for flag in ({"include_orphans": True}, {"include_incomplete": True}):
        years = Years(US)
        assert_read(years, IN_MARCH[name], years.between(MARCH, None), engine, **flag)


@engines
@pytest.mark.parametrize("name", NOT_PUSHED)
def test_what_does_not_bound_a_time_spares_nothing(name: str, engine: Engine) -> None:
    years = Years(US)
    assert_read(years, NOT_PUSHED[name], years.trades.height, engine)


@engines
@pytest.mark.parametrize(
    ("reset", "first", "behind"),
    [
        ("1d", at("2022-03-09"), at("2022-03-13")),
        ("1w", at("2022-03-06"), at("2022-03-13")),
        ("1mo", MARCH, APRIL),
        ("1y", at("2022-01-01"), at("2023-01-01")),
        (None, None, None),
    ],
)
def test_bounds_are_widened_to_the_period(
    reset: Reset | None, first: dt.datetime | None, behind: dt.datetime | None, engine: Engine
) -> None:
    """From a Wednesday to a Saturday; without a reset a bar may depend on every trade before it."""
    predicate = (open_time >= at("2022-03-09T12:00")) & (close_time <= at("2022-03-12T18:00"))
    for flag, end in (({}, behind), ({"include_orphans": True}, None)):
        years = Years(US)
        assert_read(years, predicate, years.between(first, end), engine, reset=reset, max_gap="12h", **flag)


CLOCKS = [pl.Datetime("ms", "UTC"), pl.Datetime("ns"), pl.Datetime("ns", "Europe/Berlin"), pl.Int64()]


@engines
@pytest.mark.parametrize("dtype", CLOCKS, ids=str)
def test_bounds_on_any_clock(dtype: pl.DataType, engine: Engine) -> None:
    """A month of UTC, also where the clock on the wall says otherwise."""
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else "ms"
    low, high = (pl.lit(x).cast(dtype) for x in pl.Series([MARCH, LAST]).cast(pl.Datetime(unit)).to_physical())
    options = {} if isinstance(dtype, pl.Datetime) else {"time_unit": unit}
    years = Years(dtype)
    assert_read(years, (open_time >= low) & (close_time <= high), years.between(MARCH, APRIL), engine, **options)


@engines
@pytest.mark.parametrize("dtype", CLOCKS[:-1], ids=str)
def test_datetimes_of_python_bound_any_clock(dtype: pl.Datetime, engine: Engine) -> None:
    """They are in microseconds: Polars then casts a column of nanoseconds, not the literal."""
    utc = pl.Series([MARCH, LAST]).cast(pl.Datetime("us")).to_physical()
    low, high = utc.cast(pl.Datetime("us", dtype.time_zone))
    years = Years(dtype)
    assert_read(years, (open_time >= low) & (close_time <= high), years.between(MARCH, APRIL), engine)


@engines
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("dtype", CLOCKS, ids=str)
@pytest.mark.parametrize("end", [MAX, -MAX, MAX // 2, -MAX // 2, 0])
def test_bounds_at_the_ends_of_a_clock(end: int, dtype: pl.DataType, reset: Reset, engine: Engine) -> None:
    """Far beyond the years that Python has; the period of such a time may not fit the clock."""
    unit = {} if isinstance(dtype, pl.Datetime) else {"time_unit": "ms"}
    lazy = Years(dtype).trades.lazy().rangebar.bars(1_000, reset=reset, **unit)
    whole, literal = lazy.collect(), pl.lit(end, pl.Int64).cast(dtype)
    for compare in COMPARED:
        predicate = getattr(open_time, compare)(literal)
        assert_same_bars(lazy.filter(predicate).collect(engine=engine), whole.filter(predicate))


@engines
def test_a_time_compared_as_a_float(engine: Engine) -> None:
    """A float cannot tell the last nanosecond of a day from midnight."""
    midnight = 1_709_164_800 * 10**9
    times = [midnight - 1, midnight - 1, midnight + 1, midnight + 1]
    frame = trades_at(times, pl.Int64()).with_columns(price=pl.Series([100.0, 101.0, 100.0, 101.0]))
    lazy = frame.lazy().rangebar.bars(1_000, reset="1d", same_timestamp_gate=False, time_unit="ns")
    for predicate in (open_time >= float(midnight), close_time <= float(midnight), open_time == float(midnight)):
        expected = lazy.collect().filter(predicate)
        assert expected.height == 2
        assert_same_bars(lazy.filter(predicate).collect(engine=engine), expected)


@engines
def test_with_keys(engine: Engine) -> None:
    """Terms on keys are passed too; the forming bars of several groups stand in the order of their groups."""
    predicate = (pl.col("unit") == "B") & (open_time >= MARCH) & (close_time <= LAST)
    years = Years(US)
    assert_read(years, predicate, years.between(MARCH, APRIL) // 2, engine, by="unit")
    years = Years(US)
    assert_read(years, predicate, years.between(MARCH, None) // 2, engine, by="unit", include_orphans=True)
    years = Years(US)
    assert_read(years, predicate, years.trades.height // 2, engine, by="unit", include_incomplete=True)


@engines
@pytest.mark.parametrize("lookback", [3, "10d", rb.Bars(2)], ids=str)
@pytest.mark.parametrize("name", IN_MARCH)
def test_windows_reach_no_further_than_the_period(name: str, lookback: Lookback, engine: Engine) -> None:
    """The first bars of March see trades of March alone, though the last bar of February had closed."""
    years = Years(US)
    assert_read(years, IN_MARCH[name], years.between(MARCH, APRIL), engine, lookback=lookback)
    february = years.trades.filter(pl.col("timestamp") < MARCH).lazy()
    assert bars(february, include_incomplete=True).select("close_reason").tail(1).collect().item() == "threshold"


@engines
def test_ids_that_are_row_numbers_need_every_row_before(engine: Engine) -> None:
    month: pl.Expr = IN_MARCH["first and last"]
    for select, first in (("close", MARCH), ("last_agg_trade_id", None), (pl.all(), None)):
        years = Years(US, ids=False)
        assert_read(years, month, years.between(first, APRIL), engine, select=select)
    years = Years(US, ids=False)
    with_id = month & (pl.col("first_trade_id") >= 0)
    assert_read(years, with_id, years.between(None, APRIL), engine, select="close")


# --------------------------------------------------------------------------- that it makes no difference


@engines
@pytest.mark.parametrize("reset", RESETS)
@given(case=broken_trades(min_rows=1), flag=flags(), data=st.data())
def test_a_filter_over_lazy_bars_is_a_filter_over_bars(
    reset: Reset, engine: Engine, case: Trades, flag: dict[str, bool], data: st.DataObject
) -> None:
    """Bit for bit and in order, whatever was passed to the input."""
    options = case.bar_options | {"by": list(case.by) or None, "reset": reset} | flag
    threshold = data.draw(st.one_of(st.just(case.threshold_dbps), threshold_lists(case)))
    lazy = case.frame.lazy().rangebar.bars(threshold, **options)
    collected = lazy.collect(engine=engine)
    for number in range(4):
        query = QUERIES[0] if number == 0 else data.draw(st.sampled_from(QUERIES))
        predicate = data.draw(predicates(case, reset, collected))
        if query is QUERIES[4]:
            predicate = data.draw(time_terms(instants_near(case.frame["timestamp"], clock_of(case), reset)))
        assert_same_bars(query(lazy, predicate).collect(engine=engine), query(collected.lazy(), predicate).collect())


@engines
@given(case=broken_trades(min_rows=1), data=st.data())
def test_a_filter_on_the_times_of_trades_leaves_their_numbers(
    engine: Engine, case: Trades, data: st.DataObject
) -> None:
    """The first trade of a bar decides about the numbers behind it, so `with_bar_id` passes no time on."""
    lazy = case.frame.lazy().rangebar.with_bar_id(case.threshold_dbps, by=list(case.by) or None, **case.id_options)
    reset = case.breaks["reset"] or "1d"
    predicate = data.draw(time_terms(instants_near(case.frame["timestamp"], clock_of(case), reset)))
    expected = lazy.collect().with_columns(open_time="timestamp", close_time="timestamp").filter(predicate)
    copied = lazy.with_columns(open_time="timestamp", close_time="timestamp").filter(predicate)
    assert_same_bars(copied.collect(engine=engine), expected)
    renamed = lazy.rename({"timestamp": "open_time"}).with_columns(close_time="open_time").filter(predicate)
    assert_same_bars(renamed.collect(engine=engine), expected.select(renamed.collect_schema().names()))
