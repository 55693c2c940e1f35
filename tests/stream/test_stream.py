"""Drive equivalence of `BarStream`: however trades are pushed, the bars are those of one call."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import OPTIONAL, assert_same_bars, bar_schema
from tests._streams import CUTS, WAYS, Run, Way, arguments, cut, feed, frame_of, push_rows, runs, whole
from tests.strategies import SOME_LONG

if TYPE_CHECKING:
    from collections.abc import Callable


# ----------------------------------------------------------------------------------- one answer


@given(run=runs(repeats=SOME_LONG), where=CUTS)
def test_any_cut_into_pushes(run: Run, where: list[float]) -> None:
    """At every cut: what was closed so far, and what is pending, are the bars of the trades so far."""
    stream = run.stream()
    closed: list[pl.DataFrame] = []
    rows = 0
    for piece in cut(run.frame, where):
        closed.append(stream.push(piece))
        rows += piece.height
        so_far = run.bars(run.frame.head(rows))
        before = stream.checkpoint()
        assert_same_bars(whole(closed, stream.pending()), so_far)
        assert stream.checkpoint() == before, "pending changes nothing"
        assert_same_bars(closed[-1], so_far.filter(pl.col("close_reason") != "end").tail(closed[-1].height))
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@given(run=runs(max_rows=60), where=CUTS, ways=WAYS, schema=st.booleans())
def test_frames_rows_and_restarts_in_any_mix(run: Run, where: list[float], ways: list[Way], schema: bool) -> None:
    stream = run.stream(schema=run.frame.schema if schema else None)
    if not schema:
        assert stream.push(run.frame.clear()).is_empty()
    stream, closed = feed(stream, run.by, cut(run.frame, where), ways)
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@given(run=runs(max_rows=20), datetimes=st.booleans())
def test_every_row_by_itself(run: Run, datetimes: bool) -> None:
    """A bar comes out with the row that ends it, from frames of one row and from single trades alike."""
    frames, rows = (run.stream(schema=run.frame.schema) for _ in range(2))
    for number, row in enumerate(arguments(run.frame, run.by, datetimes=datetimes)):
        of_frame = frames.push(run.frame.slice(number, 1))
        of_row = rows.push_trade(**row)
        assert_same_bars(of_frame.clear() if of_row is None else of_row, of_frame)
        assert (of_row is None) == of_frame.is_empty()
        assert rows.checkpoint() == frames.checkpoint()
    assert_same_bars(frames.finish(), rows.finish())


@given(run=runs(), names=st.permutations(["when", "px", "size", "sold", "aid", "fid", "lid"]), where=CUTS)
def test_columns_under_other_names(run: Run, names: list[str], where: list[float]) -> None:
    parts = ("timestamp", "price", "quantity", *OPTIONAL)
    renamed = {part: name for part, name in zip(parts, names, strict=True) if part in run.frame.columns}
    stream = run.stream(**{("time" if part == "timestamp" else part): name for part, name in renamed.items()})
    closed = [stream.push(piece) for piece in cut(run.frame.rename(renamed), where)]
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@given(run=runs(), features=st.lists(st.sampled_from(["ofi", "duration_us", "price_impact"]), unique=True), where=CUTS)
def test_features(run: Run, features: list[str], where: list[float]) -> None:
    stream = run.stream(features=features)
    closed = [stream.push(piece) for piece in cut(run.frame, where)]
    assert_same_bars(whole(closed, stream.finish()), run.bars(features=features))


@given(run=runs(), where=CUTS)
def test_columns_that_nobody_asked_for_are_ignored(run: Run, where: list[float]) -> None:
    stream = run.stream(**dict.fromkeys(OPTIONAL))
    pieces = cut(run.frame, where)
    closed = [stream.push(piece.with_columns(pl.lit(i).alias(f"extra_{i}"))) for i, piece in enumerate(pieces)]
    assert_same_bars(whole(closed, stream.finish()), run.bars(run.frame.drop(OPTIONAL, strict=False)))


def test_a_day_of_trades(btcusdt_day: pl.DataFrame) -> None:
    """A new stream every few thousand rows, and single trades for a part of the day."""
    for options in ({}, {"reset": "1d", "max_gap": "2s", "include_orphans": True}):
        run = Run(btcusdt_day, [10, 50, 250], {"by": None} | options)
        stream = run.stream()
        closed = []
        for start in range(0, btcusdt_day.height, 7_777):
            closed.append(stream.push(btcusdt_day.slice(start, 7_777)))
            stream = rb.BarStream.restore(stream.checkpoint())
        assert_same_bars(whole(closed, stream.finish()), run.bars())
        part = btcusdt_day.slice(400_000, 12_000)
        pieces, ways = part.iter_slices(1_000), itertools.cycle([Way(True, True, True), Way(True, False, True)])
        stream, closed = feed(run.stream(schema=part.schema), [], pieces, ways)
        assert_same_bars(whole(closed, stream.finish()), run.bars(part))
        assert len(closed) > 3


# ------------------------------------------------------------------------------- the end, and dtypes


def test_a_finished_stream_takes_and_gives_nothing() -> None:
    stream = rb.BarStream(1_000)
    frame = frame_of([100.0, 101.0, 100.0])
    assert stream.push(frame).height == 1
    assert stream.finish()["close_reason"].to_list() == ["end"]
    calls: list[Callable[[], object]] = [
        lambda: stream.push(frame),
        lambda: stream.push_trade(5_000_000, 1.0, 1.0),
        stream.pending,
        stream.finish,
        stream.checkpoint,
    ]
    for call in calls:
        with pytest.raises(rb.RangeBarError, match="finished"):
            call()


@pytest.mark.parametrize("thresholds", [250, [250], [250, 50]])
def test_empty_frames_and_schemas_decide_dtypes(thresholds: Any) -> None:
    schema = pl.Schema({"timestamp": pl.Datetime("ms", "UTC"), "price": pl.Float64(), "quantity": pl.Float64()})
    keyed = pl.Schema({**schema, "symbol": pl.Enum(["a", "b"])})
    names = {"symbol": keyed["symbol"], **bar_schema(schema["timestamp"])}
    if isinstance(thresholds, list):
        position = list(names).index("close_reason") + 1
        items = list(names.items())
        names = dict([*items[:position], ("threshold_dbps", pl.UInt32()), *items[position:]])
    for given_schema in (None, keyed, dict(keyed)):
        stream = rb.BarStream(thresholds, by="symbol", schema=given_schema)
        for empty in (stream.push(keyed.to_frame()), stream.pending(), stream.finish()):
            assert list(empty.schema.items()) == list(names.items())
            assert empty.is_empty()


def test_null_keys_are_a_group() -> None:
    frame = frame_of([100.0, 100.0, 101.0, 101.0], symbol=["a", None, None, "a"])
    stream = rb.BarStream(1_000, by="symbol", schema=frame.schema)
    assert stream.push(frame.head(2)).is_empty()
    assert push_rows(stream, frame.slice(2), ["symbol"])[0]["symbol"].to_list() == [None]
    assert stream.pending().is_empty()


def test_the_dtype_of_prices_may_change() -> None:
    frame = frame_of([100.0, 100.5, 101.0, 100.0])
    casts: list[Any] = [pl.Float64, pl.Float32, pl.Decimal(20, 8), pl.Float64]
    stream = rb.BarStream(1_000)
    closed = [stream.push(frame.slice(i, 1).cast({"price": dtype})) for i, dtype in enumerate(casts)]
    assert_same_bars(whole(closed, stream.finish()), frame.rangebar.bars(1_000, include_incomplete=True))
