"""Oracle and contract layers: several thresholds in one pass are the single runs, merged by ending rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.io.plugins import register_io_source

import rangebar_polars as rb
from tests._errors import refusals
from tests._registry import FEATURES
from tests._routes import EVERY_BAR, ROUTES, Engine, assert_same_bars, bar_schema, eager, engines, oracle_bars
from tests.strategies import SOME_LONG, Trades, any_trades, flags, threshold_lists

if TYPE_CHECKING:
    from collections.abc import Iterator


def single(bars: pl.DataFrame, threshold: int) -> pl.DataFrame:
    """What the bars of several thresholds hold of one."""
    return bars.filter(pl.col("threshold_dbps") == threshold).drop("threshold_dbps")


@pytest.mark.parametrize("route", ROUTES)
@given(case=any_trades(repeats=SOME_LONG), flag=flags(), data=st.data())
def test_every_cell_of_every_route(route: str, case: Trades, flag: dict[str, bool], data: st.DataObject) -> None:
    thresholds = data.draw(threshold_lists(case))
    options = case.bar_options | flag
    got = ROUTES[route](case.frame, thresholds, **options)
    assert_same_bars(got, oracle_bars(case.frame, thresholds, **options))


@pytest.mark.parametrize("route", ROUTES)
@given(case=any_trades(), flag=flags(), data=st.data())
def test_each_threshold_is_the_single_run(route: str, case: Trades, flag: dict[str, bool], data: st.DataObject) -> None:
    thresholds = data.draw(threshold_lists(case))
    options = case.bar_options | flag
    bars = ROUTES[route](case.frame, thresholds, **options)
    assert set(bars["threshold_dbps"]) <= set(thresholds)
    for threshold in thresholds:
        assert_same_bars(single(bars, threshold), ROUTES[route](case.frame, threshold, **options))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("thresholds", [[1_000, 3_000, 500], [3_000, 500, 1_000]])
def test_order_of_a_hand_made_case(route: str, thresholds: list[int]) -> None:
    """Row 2 closes two bars, row 4 ends what A has left of the day, row 5 all of B; B appears first."""
    rows = [
        *[("B", 1, 7.0), ("A", 1, 100.0), ("A", 2, 101.0), ("A", 3, 104.0)],
        *[("A", 30, 104.0), ("B", 31, 7.0), ("A", 31, 104.1)],
    ]
    frame = pl.DataFrame(rows, schema=["symbol", "hour", "price"], orient="row").with_columns(
        timestamp=(pl.col("hour") * 3_600_000).cast(pl.Datetime("ms")), quantity=1.0
    )
    bars = ROUTES[route](frame, thresholds, by=["symbol"], reset="1d", **EVERY_BAR)
    narrow = [threshold for threshold in thresholds if threshold != 3_000]
    assert bars.select("symbol", "close_reason", "threshold_dbps", "agg_record_count").rows() == [
        *[("A", "threshold", threshold, 2) for threshold in narrow],
        ("A", "threshold", 3_000, 3),
        *[("A", "reset", threshold, 1) for threshold in narrow],
        *[("B", "reset", threshold, 1) for threshold in thresholds],
        *[("B", "end", threshold, 1) for threshold in thresholds],
        *[("A", "end", threshold, 2) for threshold in thresholds],
    ]


# -------------------------------------------------------------------------------------------- schema


@engines
@pytest.mark.parametrize("thresholds", [[250], (250, 100), range(100, 400, 100)], ids=str)
@pytest.mark.parametrize("features", [None, [], ["ofi", "duration_us"]], ids=str)
def test_where_the_column_stands(engine: Engine, thresholds: Any, features: list[str] | None) -> None:
    """After `close_reason`, before the features; for a list of one too."""
    frame = rb.datasets.sample_trades(2_000).drop("symbol")
    expected = list(bar_schema(pl.Datetime("us", "UTC"), features, several=True).items())
    assert expected[21:23] == [
        ("close_reason", bar_schema(pl.Int64())["close_reason"]),
        ("threshold_dbps", pl.UInt32()),
    ]
    lf = frame.lazy()
    for plan in (
        lf.rangebar.bars(thresholds, features=features, include_incomplete=True),
        lf.select(rb.range_bars(thresholds, features=features, include_incomplete=True)).unnest("bars"),
        lf.clear().rangebar.bars(thresholds, features=features, include_incomplete=True),
    ):
        assert list(plan.collect_schema().items()) == expected
        assert list(plan.collect(engine=engine).schema.items()) == expected


def test_one_threshold_has_no_column() -> None:
    frame = rb.datasets.sample_trades(2_000).drop("symbol")
    assert "threshold_dbps" not in frame.rangebar.bars(250).columns
    assert list(FEATURES) == frame.rangebar.bars(250).columns[-len(FEATURES) :]


# ----------------------------------------------------------------------------------------- lazy bars


@engines
@given(case=any_trades(min_rows=5), flag=flags(), data=st.data())
def test_queries_over_several_thresholds(
    engine: Engine, case: Trades, flag: dict[str, bool], data: st.DataObject
) -> None:
    thresholds = data.draw(threshold_lists(case))
    options = case.bar_options | {"by": list(case.by) or None} | flag
    lazy = case.frame.lazy().rangebar.bars(thresholds, **options)
    bars = eager(case.frame, thresholds, **case.bar_options, **flag)
    one = pl.col("threshold_dbps") == thresholds[-1]
    rows = data.draw(st.integers(0, 4))
    for query in (
        lambda lf: lf.filter(one).drop("threshold_dbps"),
        lambda lf: lf.filter(one).select("close"),
        lambda lf: lf.select("threshold_dbps"),
        lambda lf: lf.select("threshold_dbps", "ofi").head(rows),
        lambda lf: lf.head(rows).filter(one),
        lambda lf: lf.filter(one, pl.col("close") > 0).head(rows),
        lambda lf: lf.group_by("threshold_dbps").len().sort("threshold_dbps"),
    ):
        assert_same_bars(query(lazy).collect(engine=engine), query(bars.lazy()).collect())


@engines
def test_one_pass_over_the_data(engine: Engine) -> None:
    trades = rb.datasets.sample_trades(20_000, symbols=["A", "B"])
    scans: list[int] = []

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        assert predicate is None
        assert n_rows is None
        scans.append(0)
        for batch in trades.iter_slices(1_000):
            scans[-1] += batch.height
            yield batch.select(with_columns or pl.all())

    lazy = register_io_source(source, schema=trades.schema)
    bars = lazy.rangebar.bars([50, 100, 25], by="symbol").collect(engine=engine)
    assert scans == [trades.height]
    assert bars["threshold_dbps"].n_unique() == 3
    for threshold in (50, 100, 25):
        assert_same_bars(single(bars, threshold), trades.rangebar.bars(threshold, by="symbol"))


# -------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("thresholds", "shown"),
    [
        ([], ""),
        ((), ""),
        ([250, 250], "250"),
        ([1, 2, 3, 1], "1"),
        ([0], "0"),
        ([250, -1], "-1"),
        ([250, 100_001], "100001"),
        ([250, 2**70], str(2**70)),
        ([250, "x"], "x"),
        ([True], "True"),
        ([250, None], "None"),
        ([2.5], "2.5"),
        ([250, math.nan], "nan"),
        ([[250]], "250"),
        ("250", "250"),
        ({250}, "250"),
        ({250: 1}, "250"),
    ],
    ids=str,
)
def test_wrong_lists_are_named_at_once(thresholds: Any, shown: str) -> None:
    frame = rb.datasets.sample_trades(10)
    for call in (
        lambda: frame.rangebar.bars(thresholds),
        lambda: frame.lazy().rangebar.bars(thresholds),
        lambda: rb.range_bars(thresholds),
    ):
        with pytest.raises(rb.RangeBarError, match="`threshold_dbps`") as caught:
            call()
        assert shown in str(caught.value)


def test_a_key_of_that_name() -> None:
    frame = rb.datasets.sample_trades(2_000).rename({"symbol": "threshold_dbps"})
    assert frame.rangebar.bars(50, by="threshold_dbps", include_incomplete=True).height > 0
    for call in (frame.rangebar.bars, frame.lazy().rangebar.bars):
        with pytest.raises(rb.RangeBarError, match="`threshold_dbps`"):
            call([50], by="threshold_dbps")


def test_bad_rows_are_those_of_a_single_run() -> None:
    frame = rb.datasets.sample_trades(50).drop("symbol")
    bad = frame.with_columns(price=pl.when(pl.int_range(pl.len()) == 33).then(-1.0).otherwise("price"))
    assert refusals(bad, [250, 100], reset="1d") == refusals(bad, 250)
    twice = pl.concat([frame.head(20), frame.head(20)])
    assert refusals(twice, [250, 100, 1]) == refusals(twice, 250)
