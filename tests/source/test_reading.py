"""Contract of the lazy source with its input: whatever ends it early is raised, and reading ends with the query."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._alone import run
from tests._routes import Engine, engines

INPUT_THREAD = "rangebar_polars input"


def _bars(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.rangebar.bars(50)


def _bar_ids(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.rangebar.with_bar_id(50)


def _gaps(frame: pl.LazyFrame) -> pl.LazyFrame:
    return rb.gaps(frame, max_gap="1s")


def _bars_of_bars(frame: pl.LazyFrame) -> pl.LazyFrame:
    bars = frame.rangebar.bars(5).select("close_time", "close", "volume", "last_agg_trade_id")
    names = {"time": "close_time", "price": "close", "quantity": "volume", "agg_trade_id": "last_agg_trade_id"}
    return bars.rangebar.bars(10, **names)


SOURCES: dict[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    "bars": _bars,
    "bar ids": _bar_ids,
    "gaps": _gaps,
    "bars of bars": _bars_of_bars,
}


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    return rb.datasets.sample_trades(60_000)


def reading() -> list[threading.Thread]:
    """The threads that read an input."""
    return [thread for thread in threading.enumerate() if thread.name == INPUT_THREAD]


# --- a sink onto a file that the query reads


def write(trades: pl.DataFrame, file: Path) -> None:
    if file.suffix == ".parquet":
        trades.write_parquet(file, row_group_size=10_000)
    elif file.suffix == ".arrow":
        trades.write_ipc(file)
    elif file.suffix == ".csv":
        trades.write_csv(file)
    else:
        trades.write_ndjson(file)


def scan(trades: pl.DataFrame, file: Path) -> pl.LazyFrame:
    if file.suffix == ".parquet":
        return pl.scan_parquet(file)
    if file.suffix == ".arrow":
        return pl.scan_ipc(file)
    if file.suffix == ".csv":
        return pl.scan_csv(file, schema=trades.schema)
    return pl.scan_ndjson(file, schema=trades.schema)


def _without_enum(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.select(pl.exclude("close_reason"))


SINKS: dict[str, Callable[[pl.LazyFrame, Path], object]] = {
    "sink_parquet": lambda frame, file: frame.sink_parquet(file),
    "sink_ipc": lambda frame, file: frame.sink_ipc(file),
    "sink_csv": lambda frame, file: _without_enum(frame).sink_csv(file),
    "sink_ndjson": lambda frame, file: _without_enum(frame).sink_ndjson(file),
    "lazy": lambda frame, file: pl.collect_all([frame.sink_parquet(file, lazy=True)]),
    "lazy, in memory": lambda frame, file: frame.sink_parquet(file, lazy=True).collect(engine="in-memory"),
    "filtered": lambda frame, file: frame.filter(pl.lit(True)).head(3).sink_parquet(file),
    "counted": lambda frame, file: frame.select(pl.len()).sink_parquet(file),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv", ".ndjson"])
@pytest.mark.parametrize("sink", SINKS)
def test_a_sink_onto_its_input_is_refused(
    trades: pl.DataFrame, tmp_path: Path, source: str, suffix: str, sink: str
) -> None:
    file = tmp_path / f"trades{suffix}"
    write(trades.head(5_000), file)
    before = file.read_bytes()
    with pytest.raises(pl.exceptions.InvalidOperationError, match="also reads from this file"):
        SINKS[sink](SOURCES[source](scan(trades, file)), file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("how", ["folder", "glob", "list", "concat", "behind a function"])
def test_a_sink_onto_one_part_of_its_input_is_refused(
    trades: pl.DataFrame, tmp_path: Path, suffix: str, how: str
) -> None:
    files = [tmp_path / "lake" / f"part={part}" / f"trades{suffix}" for part in range(4)]
    for file, part in zip(files, trades.head(8_000).iter_slices(2_000), strict=True):
        file.parent.mkdir(parents=True)
        write(part, file)
    read = pl.scan_parquet if suffix == ".parquet" else pl.scan_ipc
    frame = {
        "folder": lambda: read(tmp_path / "lake"),
        "glob": lambda: read(tmp_path / "lake" / "**" / f"*{suffix}"),
        "list": lambda: read(files),
        "concat": lambda: pl.concat([read(file) for file in files]),
        "behind a function": lambda: read(files).map_batches(lambda batch: batch, streamable=True).filter(price=1.0),
    }[how]()
    for file in files:
        before = file.read_bytes()
        with pytest.raises(pl.exceptions.InvalidOperationError, match="also reads from this file"):
            frame.rangebar.bars(50).sink_parquet(file)
        assert file.read_bytes() == before


@pytest.mark.parametrize("source", SOURCES)
def test_a_sink_beside_its_input_is_taken(trades: pl.DataFrame, tmp_path: Path, source: str) -> None:
    write(trades, tmp_path / "trades.parquet")
    lazy = SOURCES[source](pl.scan_parquet(tmp_path / "trades.parquet"))
    lazy.sink_parquet(tmp_path / "out.parquet")
    assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet"), SOURCES[source](trades.lazy()).collect())


def test_what_shows_the_files_opens_none_of_them(trades: pl.DataFrame, tmp_path: Path) -> None:
    write(trades, tmp_path / "trades.parquet")
    lazy = pl.scan_parquet(tmp_path / "trades.parquet").rangebar.bars(50)
    assert "PYTHON[RANGE BARS]" in lazy.explain()
    assert "trades.parquet" in lazy.explain()
    assert "SLICE: Positive { offset: 0, len: 0 }" in lazy.explain()
    (tmp_path / "trades.parquet").write_bytes(b"no Parquet")
    assert lazy.head(0).collect().height == 0
    assert "trades.parquet" not in trades.lazy().rangebar.bars(50).explain()


# --- what ends the input


def panics_at(trades: pl.DataFrame, row: int) -> pl.LazyFrame:
    """A query that panics at a row, as it does where a file shrinks under it."""
    last = trades["agg_trade_id"][row]

    def panic(batch: pl.DataFrame) -> pl.DataFrame:
        if batch.height and batch["agg_trade_id"].max() >= last:
            message = "a panic"
            raise pl.exceptions.PanicException(message)
        return batch

    return trades.lazy().map_batches(panic, streamable=True)


@engines
@pytest.mark.parametrize("source", SOURCES)
def test_a_panic_of_the_input_is_raised(trades: pl.DataFrame, source: str, engine: Engine) -> None:
    lazy = SOURCES[source](panics_at(trades, 40_000))
    with pytest.raises(pl.exceptions.ComputeError, match="ended with PanicException"):
        lazy.collect(engine=engine)
    assert not reading()


def test_a_state_does_not_keep_what_a_panic_left(trades: pl.DataFrame) -> None:
    state = rb.BarState()
    with pytest.raises(pl.exceptions.ComputeError, match="PanicException"):
        panics_at(trades, 40_000).rangebar.bars(50, state=state).collect()
    with pytest.raises(rb.RangeBarError, match="no query has run to the end"):
        state.checkpoint()


def test_a_file_that_shrank_is_raised(trades: pl.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "trades.parquet"
    trades.write_parquet(file, row_group_size=5_000)
    lazy = {name: of(pl.scan_parquet(file)) for name, of in SOURCES.items()}
    trades.head(20_000).write_parquet(file, row_group_size=5_000)
    for frame in lazy.values():
        with pytest.raises(pl.exceptions.PolarsError):
            frame.collect()


@engines
def test_an_error_of_the_input_keeps_its_type(trades: pl.DataFrame, engine: Engine) -> None:
    class OwnError(Exception):
        pass

    def source(*_: object) -> Iterator[pl.DataFrame]:
        yield trades.head(1_000)
        raise OwnError("of the user's")

    lazy = register_io_source(source, schema=trades.schema)
    with pytest.raises((OwnError, pl.exceptions.ComputeError), match="of the user's"):
        lazy.rangebar.bars(50).collect(engine=engine)
    assert not reading()


# --- reading ends with the query


class Slow:
    """Trades that come as from a network; how many were asked for."""

    BATCH_ROWS = 2_000

    def __init__(self, trades: pl.DataFrame, seconds: float = 0.01) -> None:
        self._trades = trades
        self._seconds = seconds
        self.rows = 0

    def scan(self) -> pl.LazyFrame:
        def source(columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
            for batch in self._trades.iter_slices(self.BATCH_ROWS):
                time.sleep(self._seconds)
                self.rows += batch.height
                yield batch if columns is None else batch.select(columns)

        return register_io_source(source, schema=self._trades.schema)


@pytest.mark.serial
@engines
@pytest.mark.parametrize("source", ["bars", "bar ids", "gaps"])
def test_nothing_is_read_once_head_has_returned(trades: pl.DataFrame, source: str, engine: Engine) -> None:
    slow = Slow(trades)
    of = {"gaps": lambda frame: rb.gaps(frame, max_gap="1us")}.get(source, SOURCES[source])
    of(slow.scan()).head(2).collect(engine=engine)
    assert not reading()
    rows = slow.rows
    assert rows < trades.height
    time.sleep(0.1)
    assert slow.rows <= rows + slow.BATCH_ROWS  # Polars itself may be waiting for one batch more of a Python source


@pytest.mark.serial
@pytest.mark.parametrize("source", ["bars", "bar ids", "gaps"])
def test_reading_soon_ends_where_a_filter_hides_head(
    trades: pl.DataFrame, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rangebar_polars._bars.scan._HAND_OVER", 1)  # the bars are too few otherwise
    slow = Slow(trades)
    of = {"gaps": lambda frame: rb.gaps(frame, max_gap="1us")}.get(source, SOURCES[source])
    of(slow.scan()).with_row_index().filter(pl.col("index") > 0).head(2).collect()
    until = time.monotonic() + 60
    while reading() and time.monotonic() < until:
        time.sleep(0.01)
    assert not reading()
    assert slow.rows < trades.height


@engines
def test_no_query_of_a_query_is_left(trades: pl.DataFrame, engine: Engine) -> None:
    assert _bars_of_bars(Slow(trades).scan()).head(2).collect(engine=engine).height == 2
    assert not reading()


@engines
def test_nothing_is_read_once_a_bad_row_was_raised(trades: pl.DataFrame, engine: Engine) -> None:
    price = pl.when(pl.int_range(pl.len()) == 5_000).then(-1.0).otherwise("price")
    slow = Slow(trades.with_columns(price=price))
    with pytest.raises(rb.RangeBarError, match="row 5000"):
        slow.scan().rangebar.bars(50).collect(engine=engine)
    assert not reading()
    assert slow.rows < trades.height


PROGRAM = """
import sys, time
import polars as pl, rangebar_polars as rb
from polars.io.plugins import register_io_source
trades = rb.datasets.sample_trades(200_000)
def source(columns, predicate, n_rows, batch_size):
    for frame in trades.iter_slices(5_000):
        time.sleep(0.005)
        yield frame if columns is None else frame.select(columns)
function = trades.lazy().with_columns(price=pl.col("price").map_elements(lambda p: p, return_dtype=pl.Float64))
last = trades["agg_trade_id"][30_000]
bad = function.with_columns(price=pl.when(pl.col("agg_trade_id") == last).then(-1.0).otherwise(pl.col("price")))
slow = register_io_source(source, schema=trades.schema)
queries = {
    "function, head": function.rangebar.bars(50).head(3),
    "ids of a function, head": function.rangebar.with_bar_id(50).head(3),
    "source, head": slow.rangebar.bars(50).head(3),
    "source, filter, head": slow.rangebar.bars(50).with_row_index().filter(pl.col("index") > 1).head(1),
    "a bad row": bad.rangebar.bars(50),
}
try:
    print(queries[sys.argv[1]].collect().height > 0)
except rb.RangeBarError as error:
    print("at row" in str(error))
"""
"""A program whose last line ends a query before its input ends."""


@pytest.mark.parametrize(
    "query", ["function, head", "ids of a function, head", "source, head", "source, filter, head", "a bad row"]
)
def test_a_program_may_end_right_behind_a_query(query: str) -> None:
    for _ in range(2):
        program = [sys.executable, "-c", PROGRAM, query]
        run = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
        assert (run.returncode, run.stdout.strip()) == (0, "True"), run.stderr


# --- many sources in one query

MANY = """
import sys, polars as pl, rangebar_polars as rb
trades = rb.datasets.sample_trades(400)
def again(lf):
    names = dict(time="close_time", price="close", quantity="volume")
    return lf.select("symbol", "close_time", "close", "volume").rangebar.bars(1, by="symbol", **names)
many = [trades.with_columns(symbol=pl.lit(f"COIN{i}")).lazy().rangebar.bars(1, by="symbol") for i in range(60)]
right = trades.rangebar.bars(1).height
how = sys.argv[1]
if how == "collect_all":
    print(all(frame.height == right for frame in pl.collect_all(many)))
elif how == "in memory":
    print(all(frame.height == right for frame in pl.collect_all(many, engine="in-memory")))
elif how == "side by side":
    columns = [lf.select(pl.col("close").alias(str(i))) for i, lf in enumerate(many)]
    print(pl.concat(columns, how="horizontal").collect().shape == (right, len(many)))
elif how == "nested":
    print(len(pl.collect_all([again(again(lf)) for lf in many])) == len(many))
"""


@pytest.mark.serial
@pytest.mark.parametrize("how", ["collect_all", "in memory", "side by side", "nested"])
def test_hundreds_of_sources_in_one_query_do_not_wait_for_each_other(how: str) -> None:
    program = [sys.executable, "-W", "ignore", "-c", MANY, how]
    few = {**os.environ, "POLARS_MAX_BLOCKING_THREAD_COUNT": "48"}  # 512 otherwise, which takes more sources and time
    run = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False, env=few)
    assert (run.returncode, run.stdout.strip()) == (0, "True"), run.stderr


# --- no columns at all

EMPTY_PROJECTIONS: dict[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    "length of a row index": lambda frame: frame.with_row_index().select(pl.len()),
    "row index": lambda frame: frame.with_row_index().select("index"),
    "head of a row index": lambda frame: frame.with_row_index().select("index").head(2),
    "row index of head": lambda frame: frame.head(2).with_row_index().select("index"),
    "filtered row index": lambda frame: frame.with_row_index().filter(pl.col("index") > 0).select("index"),
    "row index, filtered by another column": lambda frame: (
        frame.with_row_index().filter(pl.nth(1).is_not_null()).select("index")
    ),
    "row index of a filter": lambda frame: frame.filter(pl.nth(0).is_not_null()).with_row_index().select("index"),
    "length": lambda frame: frame.select(pl.len()),
    "length of a filter": lambda frame: frame.filter(pl.nth(0).is_not_null()).select(pl.len()),
    "a literal column": lambda frame: frame.with_columns(one=1).select("one"),
    "without columns": lambda frame: frame.drop(pl.all()).with_row_index(),
    "tail": lambda frame: frame.with_row_index().select("index").tail(1),
    "range": lambda frame: frame.select(pl.int_range(pl.len())),
}


@engines
@pytest.mark.parametrize("scanned", [False, True])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("projection", EMPTY_PROJECTIONS)
def test_a_query_without_columns_keeps_the_rows(
    trades: pl.DataFrame, tmp_path: Path, projection: str, source: str, scanned: bool, engine: Engine
) -> None:
    frame = trades.head(5_000).lazy()
    if scanned:
        frame.sink_parquet(tmp_path / "trades.parquet")
        frame = pl.scan_parquet(tmp_path / "trades.parquet")
    of = {"gaps": lambda frame: rb.gaps(frame, max_gap="1ms")}.get(source, SOURCES[source])
    collected = of(trades.head(5_000).lazy()).collect()
    assert collected.height > 3
    query = EMPTY_PROJECTIONS[projection]
    assert_frame_equal(query(of(frame)).collect(engine=engine), query(collected.lazy()).collect(engine=engine))


# --- what a filter on a key costs


def test_python_in_a_filter_runs_once_a_bar(trades: pl.DataFrame) -> None:
    keyed = trades.with_columns(symbol=pl.lit("A"))
    called: list[str] = []

    def is_wanted(symbol: str) -> bool:
        called.append(symbol)
        return True

    bars = keyed.lazy().rangebar.bars(50, by="symbol")
    wanted = pl.col("symbol").map_elements(is_wanted, return_dtype=pl.Boolean)
    height = bars.collect().height
    assert bars.filter(wanted).collect().height == height
    assert len(called) <= height + 2  # Polars tries a function out before


def test_a_filter_that_fails_on_a_key_without_bars_is_asked_of_bars(trades: pl.DataFrame) -> None:
    alone = trades.head(1).with_columns(symbol=pl.lit("no number"))
    keyed = pl.concat([trades.with_columns(symbol=pl.lit("1")), alone])
    expected = keyed.rangebar.bars(50, by="symbol").filter(pl.col("symbol").cast(pl.Int64) == 1)
    assert expected.height > 3
    lazy = keyed.lazy().rangebar.bars(50, by="symbol").filter(pl.col("symbol").cast(pl.Int64) == 1)
    assert_frame_equal(lazy.collect(), expected)


# ---------------------------------------------------------------------- behind the main thread's end

BEHIND = """
import atexit, threading, time
import polars as pl, rangebar_polars as rb
trades = rb.datasets.sample_trades(200_000, symbols=["A"])
rows = trades.height
bars = trades.rangebar.bars(20).height

def read():
    threading.main_thread().join()
    for _ in range(3):
        state = rb.BarState()
        assert trades.lazy().rangebar.bars(20, state=state).collect().height == bars
        assert rb.BarStream.restore(state).pending()["close_time"][0] == trades["timestamp"][-1]
    print("thread")

def at_exit():
    assert trades.rangebar.bars(20).height == bars
    assert trades.rangebar.with_bar_id(20).height == rows
    print("exit")

atexit.register(at_exit)
threading.Thread(target=read).start()
"""


def test_a_thread_that_outlives_the_main_one_reads_all() -> None:
    """And an exit handler: there it was a part of the bars, and no error."""
    run = subprocess.run([sys.executable, "-c", BEHIND], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout.split()) == (0, ["thread", "exit"]), run.stderr[-2_000:]


SHIFTED = """
import sys
import polars as pl
import rangebar_polars as rb

lazy = pl.scan_parquet(sys.argv[1])
for side in (rb.tick_rule(), (pl.col("price") < pl.col("price").shift()).alias("is_buyer_maker")):
    for rows in range(1, 9):
        bars = lazy.with_columns(side).rangebar.bars(10, missing_side="null", time_unit="us")
        assert bars.head(rows).collect(engine="streaming").height == rows
print("ended")
"""
"""Queries that are stopped, over a plan in which Polars waits for itself if it is stopped in another way."""


def test_a_query_with_a_shift_ends_when_it_is_stopped(tmp_path: Path) -> None:
    rows = pl.int_range(2_000_000, eager=True)
    trades = pl.DataFrame({"timestamp": rows, "price": 100.0 + 0.05 * (rows % 7), "quantity": 1.0})
    trades.write_parquet(tmp_path / "trades.parquet", row_group_size=10_000)
    assert run(SHIFTED, str(tmp_path / "trades.parquet"), timeout_seconds=120) == "ended\n"
