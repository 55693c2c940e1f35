"""Features of one's own are those of the rows of each bar, on every route, however trades are cut, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._own import MINE, NAMES, SET, oracle, with_columns
from tests._routes import ENGINES, Engine, assert_same_bars
from tests._streams import CUTS, WAYS, Run, cut, push_rows, runs, whole
from tests.strategies import SOME_LONG


@st.composite
def own_runs(draw: st.DrawFn, **shape: Any) -> Run:
    """Runs over trades with more columns."""
    run = draw(runs(**shape))
    return replace(run, frame=with_columns(run.frame))


# ------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("engine", ENGINES)
@given(run=own_runs(repeats=SOME_LONG))
def test_values_are_those_of_the_rows_of_each_bar(engine: Engine, run: Run) -> None:
    bars = run.lazy(run.frame, include_incomplete=True, **MINE).collect(engine=engine)
    assert_same_bars(bars, oracle(run))
    assert_same_bars(run.bars(**MINE), bars)


@given(
    run=own_runs(), wanted=st.lists(st.sampled_from([*NAMES, "close", "ofi", "close_reason"]), unique=True, min_size=1)
)
def test_some_columns_are_those_of_all(run: Run, wanted: list[str]) -> None:
    bars = run.lazy(run.frame, include_incomplete=True, **MINE)
    assert_same_bars(bars.select(wanted).collect(), bars.collect().select(wanted))
    assert_same_bars(bars.select(wanted).head(2).collect(), bars.collect().select(wanted).head(2))


@given(run=own_runs())
def test_the_bars_themselves_are_as_without(run: Run) -> None:
    assert_same_bars(run.bars(**MINE).drop(NAMES), run.bars())


@given(run=own_runs(), rows=st.sampled_from([1, 3, 11]))
def test_small_morsels(run: Run, rows: int) -> None:
    with pl.Config():
        pl.Config.set_streaming_chunk_size(rows)
        assert_same_bars(run.lazy(run.frame, include_incomplete=True, **MINE).collect(engine="streaming"), oracle(run))


@given(run=own_runs(min_keys=1, max_keys=1, min_rows=1), row=st.integers(0, 39))
def test_filters_on_keys(run: Run, row: int) -> None:
    [name] = run.by
    key = run.frame[name][row % run.frame.height]
    bars = run.lazy(run.frame, include_incomplete=True, **MINE)
    is_mine = pl.col(name) == pl.lit(key, dtype=run.frame.schema[name])
    assert_same_bars(bars.filter(is_mine).collect(), bars.collect().filter(is_mine))


@given(run=own_runs(min_rows=1), row=st.integers(0, 39), late=st.booleans())
def test_filters_on_times(run: Run, row: int, late: bool) -> None:
    at = pl.lit(run.frame["timestamp"][row % run.frame.height], dtype=run.frame.schema["timestamp"])
    bars = run.lazy(run.frame, include_incomplete=True, **MINE)
    in_range = pl.col("open_time") >= at if late else pl.col("close_time") < at
    assert_same_bars(bars.filter(in_range).collect(), bars.collect().filter(in_range))


# ----------------------------------------------------------------------------------------- streams


@given(run=own_runs(repeats=SOME_LONG), where=CUTS, ways=WAYS)
def test_streams_however_trades_come(run: Run, where: list[float], ways: list[Any]) -> None:
    stream = run.stream(**MINE)
    closed = []
    for piece, way in zip(cut(run.frame, where), ways, strict=False):
        if way.restarted:
            stream = rb.BarStream.restore(stream.checkpoint(), feature_sets=[SET])
        closed.append(stream.push(piece))
    if run.frame.height:
        assert_same_bars(whole(closed, stream.pending()), oracle(run))
        one = run.stream(**MINE)
        one.push(run.frame)
        assert stream.checkpoint() == one.checkpoint()
        assert_same_bars(stream.finish(), one.finish())


@given(
    run=own_runs(), where=CUTS, live=st.lists(st.booleans(), min_size=6, max_size=6), engine=st.sampled_from(ENGINES)
)
def test_queries_and_streams_go_on_from_each_other(
    run: Run, where: list[float], live: list[bool], engine: Engine
) -> None:
    data = run.stream(schema=run.frame.schema, **MINE).checkpoint()
    closed = []
    for piece, is_live in zip(cut(run.frame, where), live, strict=False):
        if is_live:
            stream = rb.BarStream.restore(data, feature_sets=[SET])
            bars, data = stream.push(piece), stream.checkpoint()
        else:
            state = rb.BarState(data)
            bars = run.lazy(piece, state=state, **MINE).collect(engine=engine)
            data = state.checkpoint()
        closed.append(bars)
    assert_same_bars(whole(closed, rb.BarStream.restore(data, feature_sets=[SET]).pending()), oracle(run))


PLAIN = {
    "aggs": [pl.col("quantity").std().alias("q_std"), pl.col("price").first().alias("p"), pl.len().alias("n")],
    "feature_sets": [rb.FeatureSet("s", "1", over_bars=[pl.col("n").sum().alias("n4")], lookback_bars=3)],
}


@given(run=own_runs(min_rows=1), where=CUTS, ways=WAYS)
def test_single_trades(run: Run, where: list[float], ways: list[Any]) -> None:
    stream = run.stream(schema=run.frame.schema, **PLAIN)
    closed = []
    for piece, way in zip(cut(run.frame, where), ways, strict=False):
        if way.restarted:
            stream = rb.BarStream.restore(stream.checkpoint(), **PLAIN)
        closed += push_rows(stream, piece, run.by, datetimes=way.datetimes) if way.by_row else [stream.push(piece)]
    assert_same_bars(whole(closed, stream.pending()) if closed else stream.pending(), run.bars(**PLAIN))


@given(run=own_runs(min_rows=2), at=st.floats(0.0, 1.0), back=st.floats(0.0, 1.0))
def test_trades_that_come_twice_are_in_one_bar(run: Run, at: float, back: float) -> None:
    if "agg_trade_id" not in run.frame.columns:
        return
    first, second = cut(run.frame, [at])
    again = first.tail(round(back * first.height))
    stream = run.stream(overlap="skip", **MINE)
    closed = [stream.push(first), stream.push(pl.concat([again, second]))]
    assert_same_bars(whole(closed, stream.pending()), oracle(run))
    state = rb.BarState()
    bars = [run.lazy(first, state=state, overlap="skip", **MINE).collect()]
    after = rb.BarState(state.checkpoint())
    bars.append(
        run.lazy(pl.concat([again, second]), state=after, overlap="skip", include_incomplete=True, **MINE).collect()
    )
    assert_same_bars(pl.concat(bars), oracle(run))
    assert after.checkpoint() == stream.checkpoint()


@given(run=own_runs(min_keys=1, min_rows=2), at=st.floats(0.0, 1.0))
def test_forgotten_groups_begin_anew(run: Run, at: float) -> None:
    first, second = cut(run.frame, [at])
    stream = run.stream(schema=run.frame.schema, **MINE)
    stream.push(first)
    keys = first.select(run.by).unique(maintain_order=True).head(1)
    if not keys.height:
        return
    forming = stream.pending()
    gone = stream.forget(keys)
    kept = forming.join(keys, on=run.by, how="anti", nulls_equal=True, maintain_order="left")
    assert_same_bars(stream.pending(), kept)
    assert_same_bars(gone, forming.join(keys, on=run.by, how="semi", nulls_equal=True, maintain_order="left"))
    bars = whole([stream.push(second)], stream.pending())
    # The group that was forgotten is as one that never was.
    mine = second.join(keys, on=run.by, how="semi", nulls_equal=True, maintain_order="left")
    alone = replace(run, frame=mine).bars(**MINE)
    got = bars.join(keys, on=run.by, how="semi", nulls_equal=True, maintain_order="left")
    assert_same_bars(got, alone)
