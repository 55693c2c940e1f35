"""Interop: frames of any library that speaks Arrow are pushed as they are, and give the bars of a Polars frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import assert_same_bars
from tests._streams import CUTS, Run, cut, frame_of, runs, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Stream:
    """An object that has the Arrow stream of another and nothing else."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._source.__arrow_c_stream__(requested_schema)


def reader(frame: pl.DataFrame) -> pa.RecordBatchReader:
    return frame.to_arrow().to_reader(max_chunksize=3)


def record_batch(frame: pl.DataFrame) -> pa.RecordBatch:
    table = frame.to_arrow().combine_chunks()
    return table.to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], schema=table.schema)


def sliced(frame: pl.DataFrame) -> pa.Table:
    """Buffers that begin before the first row."""
    doubled = pl.concat([frame.head(3), frame, frame.tail(2)], rechunk=True)
    return doubled.to_arrow().slice(min(3, frame.height), frame.height)


SOURCES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "pyarrow table": lambda frame: frame.to_arrow(),
    "pyarrow table of old strings": lambda frame: frame.to_arrow(compat_level=pl.CompatLevel.oldest()),
    "pyarrow table in chunks": lambda frame: pa.concat_tables([frame.head(2).to_arrow(), frame.slice(2).to_arrow()]),
    "pyarrow slice": sliced,
    "pyarrow record batch": record_batch,
    "pyarrow reader": reader,
    "anything with the stream": lambda frame: Stream(frame.to_arrow()),
}


@pytest.mark.parametrize("source", SOURCES)
@given(run=runs(), where=CUTS)
def test_every_arrow_stream(source: str, run: Run, where: list[float]) -> None:
    stream = run.stream()
    closed = [stream.push(SOURCES[source](piece)) for piece in cut(run.frame, where)]
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@given(run=runs(), where=CUTS, kinds=st.lists(st.sampled_from(sorted(SOURCES)), min_size=6, max_size=6))
def test_sources_may_change_from_push_to_push(run: Run, where: list[float], kinds: list[str]) -> None:
    stream = run.stream()
    pieces = zip(kinds, cut(run.frame, where), strict=False)
    closed = [stream.push(SOURCES[kind](piece)) for kind, piece in pieces]
    assert_same_bars(whole(closed, stream.finish()), run.bars())


# ---------------------------------------------------------------------------------- other libraries


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    return rb.datasets.sample_trades(20_000, symbols=["AAA", "BBB"]).sort("timestamp", maintain_order=True)


@pytest.mark.parametrize("backend", [None, "pyarrow"])
def test_pandas(trades: pl.DataFrame, backend: Any) -> None:
    """Also behind an index that is not 0, 1, 2, ..."""
    frame = trades.to_pandas(use_pyarrow_extension_array=backend is not None)
    frame.index = pd.RangeIndex(5, 5 + len(frame))
    stream = rb.BarStream(50, by="symbol")
    closed = [stream.push(frame.iloc[start : start + 3_333]) for start in range(0, len(frame), 3_333)]
    assert_same_bars(whole(closed, stream.finish()), trades.rangebar.bars(50, by="symbol", include_incomplete=True))


def test_pandas_columns_that_are_objects_and_categories(trades: pl.DataFrame) -> None:
    frame = trades.to_pandas().astype({"symbol": "category"})
    assert_same_bars(
        rb.BarStream(50, by="symbol").push(frame),
        trades.with_columns(pl.col("symbol").cast(pl.Categorical)).rangebar.bars(50, by="symbol"),
    )
    frame = trades.to_pandas().astype({"symbol": object})
    assert_same_bars(rb.BarStream(50, by="symbol").push(frame), trades.rangebar.bars(50, by="symbol"))


def test_duckdb(trades: pl.DataFrame, tmp_path: Path) -> None:
    """A query over a file; its order is its own, and its time zone that of the session."""
    trades.write_parquet(tmp_path / "trades.parquet")
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        lake = session.read_parquet(str(tmp_path / "trades.parquet"))
        stream = rb.BarStream(50, by="symbol")
        halves = ("symbol = 'AAA' AND", "symbol = 'BBB' AND")
        closed = [stream.push(lake.filter(f"{half} price > 0").order("timestamp, agg_trade_id")) for half in halves]
        closed = [pl.concat(closed), stream.finish()]
    expected = pl.concat(trades.filter(symbol=symbol).rangebar.bars(50, by="symbol") for symbol in ("AAA", "BBB"))
    assert_same_bars(closed[0], expected)
    assert closed[1]["symbol"].to_list() == ["AAA", "BBB"]


def test_duckdb_decimals(trades: pl.DataFrame) -> None:
    exact = trades.filter(symbol="AAA").with_columns(pl.col("price", "quantity").cast(pl.Decimal(28, 8)))
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        session.register("exact", exact.to_arrow())
        query = session.sql("SELECT * EXCLUDE (is_buyer_maker) FROM exact ORDER BY agg_trade_id")
        bars = rb.BarStream(50).push(query)
    assert_same_bars(bars, exact.drop("is_buyer_maker").rangebar.bars(50))


# ----------------------------------------------------------------------------------- Arrow's own dtypes


def table(**columns: Any) -> pa.Table:
    defaults = {
        "timestamp": pa.array([0, 1_000, 2_000], pa.timestamp("ms")),
        "price": pa.array([100.0, 101.0, 102.0]),
        "quantity": pa.array([1.0, 1.0, 1.0]),
    }
    return pa.table({**defaults, **columns})


@pytest.mark.parametrize(
    "columns",
    [
        {"timestamp": pa.array([0, 1, 2], pa.timestamp("s"))},
        {"timestamp": pa.array([0, 1, 2], pa.timestamp("ns", "America/New_York"))},
        {"price": pa.array([100, 101, 102], pa.decimal128(12, 2))},
        {"price": pa.array([100, 101, 102], pa.float32())},
        {"price": pa.array([100, 101, 102], pa.uint8())},
        {"quantity": pa.array([1, 2, 3], pa.int64())},
        {"agg_trade_id": pa.array([1, 2, 3], pa.uint64())},
        {"is_buyer_maker": pa.array([True, False, True])},
        {"key": pa.array(["a", "a", "a"], pa.large_string())},
        {"key": pa.array(["a", "a", "a"], pa.string_view())},
        {"key": pa.array(["a", "a", "a"]).dictionary_encode()},
        {"key": pa.DictionaryArray.from_arrays(pa.array([1, 1, 1], pa.int8()), pa.array(["b", "a"]))},
        {"key": pa.array([1, 1, 1], pa.date32())},
        {"key": pa.array([b"a", b"a", b"a"], pa.binary(1))},
        {"key": pa.array([None, None, None], pa.null())},
        {"key": pa.array([None, None, None], pa.string())},
        {"key": pa.chunked_array([["a"], [], ["a", "a"]])},
    ],
    ids=lambda columns: ", ".join(f"{name} {values.type}" for name, values in columns.items()),
)
def test_dtypes_are_read_as_polars_reads_them(columns: dict[str, Any]) -> None:
    trades = table(**columns)
    by = "key" if "key" in columns else None
    expected = pl.DataFrame(trades).rangebar.bars(1_000, by=by, include_incomplete=True)
    assert expected["close_reason"].to_list() == ["threshold", "end"]
    stream = rb.BarStream(1_000, by=by)
    assert_same_bars(whole([stream.push(trades)], stream.finish()), expected)


def test_categories_of_each_frame_are_their_words() -> None:
    """The codes of a dictionary mean something else in every frame."""
    key = pl.Series(["b", "a", "c", "b", "a", "c"])
    frame = frame_of([100.0, 100.0, 100.0, 101.0, 101.0, 101.0], key=key)
    words = [pa.array(["b", "a", "c"]), pa.array(["c", "b", "a"])]
    stream = rb.BarStream(1_000, by="key")
    closed = []
    for half, dictionary in enumerate(words):
        rows = frame.slice(3 * half, 3)
        indices = pa.array([dictionary.to_pylist().index(word) for word in rows["key"]], pa.int32())
        codes = pa.DictionaryArray.from_arrays(indices, dictionary)
        arrow = rows.to_arrow()
        closed.append(stream.push(arrow.set_column(arrow.schema.get_field_index("key"), "key", codes)))
    assert pl.concat(closed)["key"].to_list() == ["b", "a", "c"]
    assert stream.finish().is_empty()


# ---------------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    "frame",
    [
        None,
        5,
        "text",
        {"timestamp": [1], "price": [1.0], "quantity": [1.0]},
        [1, 2],
        pl.LazyFrame({"timestamp": [1]}),
        object(),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_what_is_no_frame(frame: Any) -> None:
    stream = rb.BarStream(250, time_unit="us")
    with pytest.raises(rb.RangeBarError, match="__arrow_c_stream__"):
        stream.push(frame)


def test_a_class_of_frames_is_no_frame() -> None:
    """It has the method, but nothing to call it on: that is Python's to say."""
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        rb.BarStream(250, time_unit="us").push(pl.DataFrame)


@pytest.mark.parametrize(
    "values", [pl.Series("price", [1.0]), pa.chunked_array([[1, 2]])], ids=lambda value: type(value).__name__
)
def test_a_stream_of_no_columns(values: Any) -> None:
    with pytest.raises(rb.RangeBarError):
        rb.BarStream(250, time_unit="us").push(values)


@pytest.mark.parametrize("answer", [None, 5, "arrow_array_stream", object()], ids=lambda value: type(value).__name__)
def test_an_object_that_gives_no_stream(answer: Any) -> None:
    class Wrong:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            del requested_schema
            return answer

    with pytest.raises(TypeError, match="PyCapsule"):
        rb.BarStream(250).push(Wrong())


def test_a_capsule_is_used_once() -> None:
    """An object that hands out the same stream twice gives its rows once."""

    class Once:
        capsule = frame_of([100.0, 101.0]).__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            del requested_schema
            return self.capsule

    stream, once = rb.BarStream(1_000), Once()
    assert stream.push(once).height == 1
    before = stream.checkpoint()
    with pytest.raises(ValueError, match="released"):
        stream.push(once)
    assert stream.checkpoint() == before


def test_an_error_of_the_source_is_kept() -> None:
    class Broken:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise OSError("the wire broke")

    stream = rb.BarStream(250)
    before = stream.checkpoint()
    with pytest.raises(OSError, match="the wire broke"):
        stream.push(Broken())
    assert stream.checkpoint() == before


def test_a_stream_that_breaks_midway_changes_nothing() -> None:
    frame = frame_of([100.0, 101.0, 100.0, 101.0]).to_arrow()

    def batches() -> Iterator[pa.RecordBatch]:
        yield frame.slice(0, 2).to_batches()[0]
        raise OSError("the wire broke")

    stream = rb.BarStream(1_000)
    before = stream.checkpoint()
    with pytest.raises((OSError, rb.RangeBarError, pl.exceptions.PolarsError), match="the wire broke"):
        stream.push(pa.RecordBatchReader.from_batches(frame.schema, batches()))
    assert stream.checkpoint() == before
    assert stream.push(frame).height == 2


def test_a_null_in_a_later_batch_is_found_at_its_row() -> None:
    whole_batch, last = table().to_batches()[0], table(price=pa.array([1.0, 1.0, None])).to_batches()[0]
    arrow = pa.Table.from_batches([whole_batch.slice(0, 1), whole_batch.slice(1, 1), last.slice(2, 1)])
    stream = rb.BarStream(1_000)
    with pytest.raises(rb.RangeBarError, match=r"`price` must not be null, got null at row 2 of the frame"):
        stream.push(arrow)


def test_two_columns_of_one_name() -> None:
    names = ["timestamp", "price", "price", "quantity"]
    twice = pa.Table.from_arrays([table()[name] for name in names], names=names)
    with pytest.raises(rb.RangeBarError, match="price"):
        rb.BarStream(1_000).push(twice)
