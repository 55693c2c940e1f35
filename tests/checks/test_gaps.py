"""Oracle layer for `gaps`: every row against a slow loop over trades or bars, on every engine, in any cut."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import MICROSECONDS, Span, later, span
from tests._routes import ENGINES, Engine, assert_same_bars, engines, group_rows
from tests._source import Recorder
from tests._streams import CUTS, cut, runs, with_value
from tests.strategies import MAX_GAPS, SOME_LONG

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP_COLUMNS = {
    "silence_us": pl.Int64(),
    "is_silent": pl.Boolean(),
    "first_missing_id": pl.Int64(),
    "last_missing_id": pl.Int64(),
    "missing_id_count": pl.UInt64(),
}


class Case(NamedTuple):
    """Trades or bars, and how to ask for what is missing between them."""

    frame: pl.DataFrame
    by: list[str]
    options: dict[str, Any]  # max_gap, and time_unit where the clock is an integer

    def gaps(self, frame: Any = None) -> Any:
        return rb.gaps(self.frame if frame is None else frame, by=self.by or None, **self.options)


@st.composite
def cases(draw: st.DrawFn, **shape: Any) -> Case:
    run = draw(runs(**shape))
    frame, by = run.frame, list(run.by)
    if draw(st.booleans()):
        frame = run.bars(include_incomplete=draw(st.booleans()))
        by += ["threshold_dbps"] * ("threshold_dbps" in frame.columns)
    has_ids = not {"agg_trade_id", "first_agg_trade_id"}.isdisjoint(frame.columns)
    max_gap = draw(st.sampled_from((*([None] * has_ids * 4), *MAX_GAPS)))
    units = {name: unit for name, unit in run.options.items() if name == "time_unit"}
    return Case(frame, by, {"max_gap": max_gap, **units})


def oracle_gaps(frame: pl.DataFrame, by: Sequence[str], max_gap: Any = None, time_unit: Any = None) -> pl.DataFrame:
    """What is missing, one pair of rows after the other."""
    names = ("timestamp", "timestamp", "agg_trade_id", "agg_trade_id")
    if "timestamp" not in frame.columns:
        names = ("open_time", "close_time", "first_agg_trade_id", "last_agg_trade_id")
    dtype = frame.schema[names[0]]
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else time_unit
    longest: Span | None = None if max_gap is None else span(max_gap)
    start, end = (frame[name].to_physical().to_list() for name in names[:2])
    first, last = (frame[name].to_list() if name in frame.columns else None for name in names[2:])
    found: list[tuple[int, Any, Any, int, bool, int | None, int | None, int]] = []
    for rows in group_rows(frame, by) if frame.height else []:
        for before, row in pairwise(rows):
            began, ended = (Fraction(t) * MICROSECONDS[unit] for t in (end[before], start[row]))
            is_silent = longest is not None and ended > later(began, longest)
            missing = range(last[before] + 1, first[row]) if first and last else range(0)
            if is_silent or missing:
                ids = (missing[0], missing[-1]) if missing else (None, None)
                silence = int(ended - began)
                found.append((row, end[before], start[row], silence, is_silent, *ids, len(missing)))
    found.sort(key=lambda gap: gap[0])
    times = [
        pl.Series(name, [gap[i] for gap in found], pl.Int64).cast(dtype)
        for i, name in enumerate(("last_time", "next_time"), 1)
    ]
    rest = [pl.Series(name, [g[i] for g in found], to) for i, (name, to) in enumerate(GAP_COLUMNS.items(), 3)]
    keys = frame.select(by)[[gap[0] for gap in found]].get_columns() if by else []
    return pl.DataFrame([*keys, *times, *rest])


# --------------------------------------------------------------------------------------- the oracle


@given(case=cases(repeats=SOME_LONG))
def test_every_gap(case: Case) -> None:
    assert_same_bars(case.gaps(), oracle_gaps(case.frame, case.by, **case.options))


@engines
@given(case=cases(repeats=SOME_LONG), where=CUTS)
def test_lazily_and_in_any_chunks(engine: Engine, case: Case, where: list[float]) -> None:
    expected = case.gaps()
    chunks = pl.concat(cut(case.frame, where), rechunk=False)
    assert_same_bars(case.gaps(chunks), expected)
    assert_same_bars(case.gaps(chunks.lazy()).collect(engine=engine), expected)


@pytest.mark.parametrize("rows", [1, 7])
def test_in_small_morsels(rows: int) -> None:
    @given(case=cases())
    def same(case: Case) -> None:
        assert_same_bars(case.gaps(case.frame.lazy()).collect(engine="streaming"), case.gaps())

    with pl.Config():
        pl.Config.set_streaming_chunk_size(rows)
        same()


@given(case=cases(min_keys=1), data=st.data())
def test_a_query_over_gaps_is_one_over_the_collected_ones(case: Case, data: st.DataObject) -> None:
    gaps = case.gaps()
    names = data.draw(st.lists(st.sampled_from(gaps.columns), min_size=1, unique=True))
    key = pl.lit(True) if case.frame.is_empty() else pl.col(case.by[0]) == case.frame[case.by[0]][0]
    for predicate in (pl.col("missing_id_count") > 1, pl.col("is_silent"), key):
        lazy = case.gaps(case.frame.lazy()).filter(predicate).select(names)
        assert_same_bars(lazy.collect(), gaps.filter(predicate).select(names))
    assert_same_bars(case.gaps(case.frame.lazy()).head(2).collect(), gaps.head(2))


# --------------------------------------------------------------------------------------------- by hand


def trades_of(seconds: list[int | None], ids: list[int | None] | None = None, **columns: Any) -> pl.DataFrame:
    time = (pl.Series(seconds, dtype=pl.Int64) * 1_000_000).cast(pl.Datetime("us"))
    return pl.DataFrame({"timestamp": time, **({} if ids is None else {"agg_trade_id": ids}), **columns})


def test_gaps_by_hand() -> None:
    frame = trades_of([0, 5, 6, 16, 17, 28], [1, 2, 5, 6, 6, 3])
    gaps = rb.gaps(frame, max_gap="10s")
    assert gaps["silence_us"].to_list() == [1_000_000, 11_000_000]
    assert gaps["is_silent"].to_list() == [False, True]
    assert gaps.select("first_missing_id", "last_missing_id", "missing_id_count").rows() == [(3, 4, 2), (None, None, 0)]
    assert gaps["next_time"].to_list() == frame["timestamp"].gather([2, 5]).to_list()
    for max_gap in (dt.timedelta(seconds=10), "10s", "9s1000ms", "9999ms1000us"):
        assert_same_bars(rb.gaps(frame, max_gap=max_gap), gaps)
    assert rb.gaps(frame).height == 1
    assert rb.gaps(frame, max_gap="10s", agg_trade_id=None).height == 1


def test_months_are_those_of_the_calendar() -> None:
    days = [dt.date(2024, 1, 1), dt.date(2024, 2, 1), dt.date(2024, 3, 2), dt.date(2024, 3, 31), dt.date(2024, 4, 30)]
    frame = pl.DataFrame({"timestamp": pl.Series(days).cast(pl.Datetime("ms"))})
    assert rb.gaps(frame, max_gap="1mo")["next_time"].dt.date().to_list() == [dt.date(2024, 3, 2)]


def test_groups_in_the_order_of_the_rows_behind() -> None:
    frame = trades_of([0, 0, 9, 9, 9], [1, 1, 5, 3, 9], symbol=["b", None, None, "b", "b"])
    gaps = rb.gaps(frame, by="symbol")
    assert gaps.columns[0] == "symbol"
    assert gaps.select("symbol", "missing_id_count").rows() == [(None, 3), ("b", 1), ("b", 5)]


def test_ids_at_the_ends_of_64_bits() -> None:
    gaps = rb.gaps(trades_of([0, 1, 2], [-(2**63), 2**63 - 1, -(2**63)]))
    assert gaps.select("first_missing_id", "last_missing_id", "missing_id_count").rows() == [
        (-(2**63) + 1, 2**63 - 2, 2**64 - 2)
    ]


@pytest.mark.parametrize("dtype", [pl.UInt64, pl.Int32, pl.Int8], ids=str)
def test_ids_of_other_dtypes(dtype: Any) -> None:
    frame = trades_of([0, 1, 2], [1, 3, 9])
    assert_same_bars(rb.gaps(frame.cast({"agg_trade_id": dtype})), rb.gaps(frame))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "integer"])
def test_schema(unit: Any, zone: str | None) -> None:
    dtype = pl.Int64() if zone == "integer" else pl.Datetime(unit, zone)
    options = {"time_unit": unit} if zone == "integer" else {}
    frame = trades_of([0, 1], [1, 5], symbol=["a", "a"]).cast({"timestamp": dtype, "symbol": pl.Categorical})
    expected = {"symbol": pl.Categorical(), "last_time": dtype, "next_time": dtype, **GAP_COLUMNS}
    for rows in (frame, frame.clear()):
        gaps = rb.gaps(rows.lazy(), by="symbol", **options)
        assert list(gaps.collect_schema().items()) == list(gaps.collect().schema.items()) == list(expected.items())
        assert gaps.collect().height == (rows.height > 0)


def test_other_names() -> None:
    frame = trades_of([0, 1, 2], [1, 3, 9])
    renamed = frame.rename({"timestamp": "when", "agg_trade_id": "id"})
    assert_same_bars(rb.gaps(renamed, time="when", agg_trade_id="id"), rb.gaps(frame))


def test_the_kind_of_frame_is_kept() -> None:
    frame = trades_of([0, 1], [1, 3])
    assert isinstance(rb.gaps(frame), pl.DataFrame)
    assert isinstance(rb.gaps(frame.lazy()), pl.LazyFrame)


def test_bars_with_a_column_named_as_the_time_are_trades() -> None:
    bars = rb.datasets.sample_trades(5_000, symbols=["A"]).rangebar.bars(50).with_columns(timestamp="close_time")
    with pytest.raises(rb.RangeBarError):
        rb.gaps(bars)
    assert rb.gaps(bars, max_gap="1us").height == bars.height - 1
    assert rb.gaps(bars.drop("timestamp")).is_empty()


def test_a_day_of_trades_without_some(btcusdt_day: pl.DataFrame) -> None:
    """Ids of a real day follow each other; what is taken out is found."""
    assert rb.gaps(btcusdt_day).is_empty()
    row = pl.int_range(pl.len())
    holed = btcusdt_day.filter(~row.is_between(1_000, 1_999), row != 500_000, row < 800_000)
    gaps = rb.gaps(holed.lazy()).collect(engine="streaming")
    assert gaps["missing_id_count"].to_list() == [1_000, 1]
    assert gaps["first_missing_id"].to_list() == btcusdt_day["agg_trade_id"].gather([1_000, 500_000]).to_list()
    bars = holed.rangebar.bars(50, include_incomplete=True)
    assert rb.gaps(bars)["missing_id_count"].sum() <= 1_001
    assert rb.gaps(bars.gather_every(2)).height == (bars.height + 1) // 2 - 1


# ------------------------------------------------------------------------------------------- what is read


def test_only_what_is_needed_is_read_and_no_further() -> None:
    trades = rb.datasets.sample_trades(200_000, symbols=["A"]).with_columns(agg_trade_id=2 * pl.col("agg_trade_id"))
    recorder = Recorder(trades)
    rb.gaps(recorder.scan(), by="symbol").collect()
    assert recorder.columns == [{"symbol", "timestamp", "agg_trade_id"}]
    for rows in (0, 1, 4):
        for engine in ENGINES:
            recorder = Recorder(trades)
            assert_same_bars(
                rb.gaps(recorder.scan(), by="symbol").head(rows).collect(engine=engine),
                rb.gaps(trades, by="symbol").head(rows),
            )
            assert recorder.rows < trades.height / 2, "reading goes on behind the last row that was asked for"


# ------------------------------------------------------------------------------------------ what is refused

GOOD = trades_of([0, 1, 2, 3], [1, 2, 3, 5], symbol=["a", "b", "a", "b"])
REFUSED: dict[str, tuple[pl.DataFrame, dict[str, Any], str]] = {
    "null time": (with_value(GOOD, "timestamp", None, 2), {}, r"`timestamp` must not be null.*row 2"),
    "null id": (with_value(GOOD, "agg_trade_id", None, 2), {}, r"`agg_trade_id` must not be null.*row 2"),
    "time going back": (with_value(GOOD, "timestamp", 500_000, 2), {}, r"`timestamp` must not go back.*row 2"),
    "time going back in a group": (
        trades_of([5, 1, 6, 0], [1, 1, 2, 2], symbol=["a", "b", "a", "b"]),
        {"by": "symbol"},
        r'`timestamp` must not go back.*row 3 \(row 1 of symbol="b"\)',
    ),
    "neither ids nor max_gap": (GOOD.drop("agg_trade_id"), {}, "max_gap"),
    "ids ignored and no max_gap": (GOOD, {"agg_trade_id": None}, "max_gap"),
    "no time": (GOOD.drop("timestamp"), {}, "timestamp"),
    "no such time": (GOOD, {"time": "when"}, "when"),
    "no such ids": (GOOD, {"agg_trade_id": "aid"}, "aid"),
    "no such key": (GOOD, {"by": "market"}, "market"),
    "a key twice": (GOOD, {"by": ["symbol", "symbol"]}, "symbol"),
    "a key named as a column of the result": (GOOD.rename({"symbol": "is_silent"}), {"by": "is_silent"}, "is_silent"),
    "ids that are text": (GOOD.cast({"agg_trade_id": pl.String}), {}, "agg_trade_id"),
    "time that is text": (GOOD.cast({"timestamp": pl.String}), {}, "timestamp"),
    "integer time without a unit": (GOOD.cast({"timestamp": pl.Int64}), {}, "time_unit"),
    "a unit for a datetime": (GOOD, {"time_unit": "us"}, "time_unit"),
    "a negative gap": (GOOD, {"max_gap": "-1h"}, "max_gap"),
    "a negative timedelta": (GOOD, {"max_gap": dt.timedelta(-1)}, "max_gap"),
    "a gap that is no duration": (GOOD, {"max_gap": "soon"}, "max_gap"),
    "a gap that is a number": (GOOD, {"max_gap": 5}, "max_gap"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    frame, options, text = REFUSED[name]
    with pytest.raises((rb.RangeBarError, TypeError) if "number" in name else rb.RangeBarError, match=text):
        rb.gaps(frame, **options)
    with pytest.raises((rb.RangeBarError, TypeError) if "number" in name else rb.RangeBarError, match=text):
        rb.gaps(frame.lazy(), **options).collect()


@pytest.mark.parametrize("frame", [None, 5, {"timestamp": [1]}, GOOD["timestamp"]], ids=lambda f: type(f).__name__)
def test_what_is_no_frame(frame: Any) -> None:
    with pytest.raises((rb.RangeBarError, TypeError)):
        rb.gaps(frame, max_gap="1h")


def test_bars_that_go_back() -> None:
    bars = rb.datasets.sample_trades(5_000, symbols=["A"]).rangebar.bars(50)
    assert bars.height > 2
    with pytest.raises(rb.RangeBarError, match="open_time"):
        rb.gaps(bars.reverse())
    with pytest.raises(rb.RangeBarError, match="first_agg_trade_id"):
        rb.gaps(with_value(bars, "first_agg_trade_id", None, 1))
