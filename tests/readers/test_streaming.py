"""A reader reads what is asked for and no more, leaves nothing open, and may run twice, also at once."""

from __future__ import annotations

import io
import math
import os
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._readers import blocks
from rangebar_polars._readers.fields import Fields
from tests._alone import run
from tests._archives import CSV, STEM, ZIP, nothing_left, open_files, read, readers, text_of, written, zipped
from tests._routes import Engine, engines

ROWS = 5_000
TEXT = text_of(ROWS)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some hundred rows."""
    monkeypatch.setattr(blocks, "_BLOCK", 20_000)


@pytest.fixture(params=[".csv", ".zip", ".csv.gz"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    data = {".csv": lambda: TEXT, ".zip": lambda: zipped(TEXT), ".csv.gz": lambda: packed(TEXT)}
    return written(tmp_path / f"{STEM}{request.param}", data[request.param]())


def packed(text: bytes) -> bytes:
    coder = zlib.compressobj(wbits=31)
    return coder.compress(text) + coder.flush()


# --- an early end


def test_a_few_rows_need_the_beginning_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = 0

    class Counting(io.FileIO):
        def readinto(self, buffer: Any) -> int:
            nonlocal read_bytes
            count = super().readinto(buffer) or 0
            read_bytes += count
            return count

    def opened(self: Path, mode: str = "r", **_: Any) -> Any:
        assert mode == "rb"
        return io.BufferedReader(Counting(self))

    text = text_of(60_000)
    file = written(tmp_path / CSV, text)
    monkeypatch.setattr(Path, "open", opened)
    assert read(file).height == 60_000
    assert read_bytes > len(text)
    read_bytes = 0
    monkeypatch.setattr("rangebar_polars._readers.archive._CHUNK", 10_000)
    with nothing_left(tmp_path):
        assert rb.scan_binance(file).head(5).collect()["agg_trade_id"].to_list() == [1, 2, 3, 4, 5]
    # One block is parsed, two wait, one is being read.
    assert read_bytes < 5 * 30_000 < len(text)


ENDS: dict[str, Callable[[pl.LazyFrame], object]] = {
    "head": lambda trades: trades.head(5).collect(),
    "head, streaming": lambda trades: trades.head(5).collect(engine="streaming"),
    "head of bars": lambda trades: trades.rangebar.bars(250).head(1).collect(),
    "no rows": lambda trades: trades.head(0).collect(),
    "head of a filter": lambda trades: trades.filter(pl.col("agg_trade_id") > 700).head(2).collect(engine="streaming"),
    "a batch": lambda trades: next(iter(trades.collect_batches(chunk_size=10, maintain_order=True))),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_early_end_leaves_nothing_open(file: Path, end: str) -> None:
    report = rb.ReadReport()
    trades = rb.scan_binance(file, report=report)
    with nothing_left(file.parent):
        ENDS[end](trades)


@engines
def test_an_error_of_the_consumer_leaves_nothing_open(file: Path, engine: Engine) -> None:
    def failing(frame: pl.DataFrame) -> pl.DataFrame:
        raise OverflowError(str(frame.height))

    trades = rb.scan_binance(file)
    with nothing_left(file.parent), pytest.raises(OverflowError):
        trades.map_batches(failing, streamable=True).collect(engine=engine)
    wrong = trades.with_columns(price=pl.when(pl.col("agg_trade_id") == 900).then(-1.0).otherwise("price"))
    with nothing_left(file.parent), pytest.raises(rb.RangeBarError, match="must be finite and > 0"):
        wrong.rangebar.bars(250).collect(engine=engine)


def test_a_report_of_an_early_end_says_so(file: Path) -> None:
    report = rb.ReadReport()
    rb.scan_binance(file, report=report).head(5).collect()
    assert report.files().select("is_complete").item() is False
    rb.scan_binance(file, report=report).collect()
    assert report.files().select("is_complete").item() is True


# --- twice


@engines
def test_a_query_may_run_again(file: Path, engine: Engine) -> None:
    report = rb.ReadReport()
    trades = rb.scan_binance(file, report=report)
    first = trades.collect(engine=engine)
    told = report.files()
    assert first.height == ROWS
    assert_frame_equal(trades.collect(engine=engine), first)
    assert_frame_equal(report.files(), told)
    one, two = pl.collect_all([trades, trades.rangebar.bars(250)], engine=engine)
    assert_frame_equal(one, first)
    assert_frame_equal(two, first.rangebar.bars(250))
    assert_frame_equal(report.files(), told)


def test_queries_at_once_do_not_disturb_each_other(file: Path) -> None:
    report = rb.ReadReport()
    trades = rb.scan_binance(file, report=report)
    expected = trades.collect()
    told = report.files()
    with nothing_left(file.parent), ThreadPoolExecutor(8) as pool:
        for rows in pool.map(lambda _: trades.collect(), range(24)):
            assert_frame_equal(rows, expected)
    assert_frame_equal(report.files(), told)


def test_many_files_in_one_query_are_read_one_at_a_time(tmp_path: Path) -> None:
    for day in range(30):
        name = f"BTCUSDT-aggTrades-2024-01-{day + 1:02d}"
        written(tmp_path / f"{name}.zip", zipped(text_of(10, first=1 + 10 * day), f"{name}.csv"))
    most = 0

    def looking(frame: pl.DataFrame) -> pl.DataFrame:
        nonlocal most
        most = max(most, len(readers()), len(open_files(tmp_path)))
        return frame

    with nothing_left(tmp_path):
        rows = rb.scan_binance(tmp_path).map_batches(looking, streamable=True).collect(engine="streaming")
    assert rows.height == 300
    assert most <= 2  # a thread that has ended may not be gone yet


def test_expressions_are_built_once_for_files_of_one_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To build them takes as long as to read a small file."""
    header = b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,is_best\n"
    for day in range(1, 9):
        text = text_of(10, first=1 + 10 * day)
        written(tmp_path / f"BTCUSDT-aggTrades-2024-01-{day:02d}.csv", text if day <= 5 else header + text)
    built: list[Fields] = []
    checks = Fields._checks  # noqa: SLF001

    def counted(fields: Fields, *, quick: bool) -> dict[str, pl.Expr]:
        built.append(fields)
        return checks(fields, quick=quick)

    monkeypatch.setattr(Fields, "_checks", counted)
    assert read(tmp_path).height == 80
    assert [fields.layout.header for fields in built] == [None, header.decode().strip()]


def test_files_of_one_layout_keep_their_own_symbols(tmp_path: Path) -> None:
    for symbol in ("AUSDT", "BUSDT", "CUSDT"):
        written(tmp_path / f"{symbol}-aggTrades-2024-01-01.csv", text_of(2))
    assert read(tmp_path)["symbol"].to_list() == [s for s in ("AUSDT", "BUSDT", "CUSDT") for _ in range(2)]


def test_more_queries_at_once_than_polars_has_threads_for_them(tmp_path: Path) -> None:
    """Each waits on a thread of its own."""
    file = written(tmp_path / CSV, text_of(300))
    with nothing_left(tmp_path):
        counts = pl.collect_all([rb.scan_binance(file).select(pl.len()) for _ in range(300)], engine="streaming")
    assert {count.item() for count in counts} == {300}


EXIT = """
import atexit, sys, threading, time

def look():
    ours = {thread.ident for thread in threading.enumerate() if type(thread).__name__ != "_DummyThread"}
    print("runs" if sys._current_frames().keys() - ours else "ended", flush=True)

atexit.register(look)  # first, and so called last
import rangebar_polars as rb
from rangebar_polars._readers import blocks
blocks._BLOCK = 500
report = rb.ReadReport()
query = rb.scan_binance(sys.argv[1], report=report).collect(background=True, engine="streaming")
while not report.files()["rows_read"].sum():
    time.sleep(0.001)
"""


def test_reading_ends_before_the_interpreter_does(tmp_path: Path) -> None:
    """A thread of Polars that still ran Python would abort it."""
    assert run(EXIT, str(written(tmp_path / CSV, text_of(60_000))), timeout_seconds=60) == "ended\n"


# --- a sink onto what is read

TARGETS: dict[str, Callable[[Path, Path], Path]] = {
    "itself": lambda file, _: file,
    "a file of its folder": lambda file, _: file.parent / f"BTCUSDT-aggTrades-2024-01-02{''.join(file.suffixes)}",
    "another spelling": lambda file, _: file.parent / "." / ".." / file.parent.name / file.name,
    "a relative path": lambda file, _: Path(os.path.relpath(file)),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("query", ["trades", "bars"])
def test_the_input_is_no_target(tmp_path: Path, file: Path, target: str, query: str) -> None:
    if target == "a file of its folder":
        ending = "".join(file.suffixes)
        name = f"BTCUSDT-aggTrades-2024-01-02{ending}"
        text = text_of(10, first=ROWS + 1)
        zipped_text = zipped(text, f"{name.removesuffix(ending)}.csv")
        written(tmp_path / name, {".csv": text, ".zip": zipped_text, ".csv.gz": packed(text)}[ending])
    path = TARGETS[target](file, tmp_path)
    before = path.read_bytes()
    trades = rb.scan_binance(tmp_path)
    wanted = trades if query == "trades" else trades.rangebar.bars(250).select(pl.exclude("close_reason"))
    sinks = [wanted.sink_parquet, wanted.sink_ipc]
    if file.suffix != ".gz":  # for which these have a rule of their own
        sinks += [wanted.sink_csv, wanted.sink_ndjson]
    for sink in sinks:
        with pytest.raises(pl.exceptions.InvalidOperationError, match="also reads from this file"):
            sink(path)
        assert path.read_bytes() == before
    wanted.sink_parquet(tmp_path / "new.parquet")
    assert pl.read_parquet(tmp_path / "new.parquet").height == wanted.collect().height


def test_a_link_to_the_input_is_no_target(tmp_path: Path) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    file = written(tmp_path / ZIP, zipped(TEXT))
    (folder / ZIP).symlink_to(file)
    for source, target in ((folder, file), (file, folder / ZIP)):
        before = file.read_bytes()
        with pytest.raises(pl.exceptions.InvalidOperationError, match="also reads from this file"):
            rb.scan_binance(source).sink_parquet(target)
        assert file.read_bytes() == before


# --- memory

PEAK = """
import sys, polars as pl, rangebar_polars as rb
from rangebar_polars.demo import peak_memory_mb
trades = rb.scan_trades(sys.argv[1], columns={"timestamp": 0, "price": 1, "quantity": 2}, time_unit="ms")
if sys.argv[2] == "bars":
    bars = trades.rangebar.bars(250, is_buyer_maker=None, include_incomplete=True).collect(engine="streaming")
    count = bars["agg_record_count"].sum()
else:
    count = trades.select(pl.len()).collect(engine="streaming").item()
print(count, peak_memory_mb())
"""
PART_ROWS = 50_000


def write_large(file: Path, parts: int) -> int:
    """A zip with a member of so many equal parts, of which one is compressed; returns the size of the text."""
    n = pl.int_range(PART_ROWS, eager=True).hash(7)
    unused = pl.concat_str(n // 3, n // 5, n // 7, n // 11, separator=",")
    row = pl.format("1704067200000,420{}.5,0.{},{}", n % 90 + 10, n // 7 % 90_000 + 10_000, unused)
    text = pl.select(row).to_series().str.join("\n").item().encode() + b"\n"
    coder = zlib.compressobj(1, wbits=-15)
    part = coder.compress(text) + coder.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(1, wbits=-15).flush()
    crc = 0
    for _ in range(parts):
        crc = zlib.crc32(text, crc)
    size, packed_size, name = parts * len(text), parts * len(part) + len(end), CSV.encode()
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, packed_size, size, len(name), 0) + name
    with file.open("wb") as opened:
        opened.write(b"PK\x03\x04" + common)
        for _ in range(parts):
            opened.write(part)
        start = opened.tell() + opened.write(end)
        common = common.removesuffix(name) + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
        opened.write(b"PK\x01\x02\x14\x00" + common)
        opened.write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, opened.tell() - start, start, 0))
    return size


@pytest.mark.serial
@pytest.mark.parametrize("query", ["bars", "rows"])
def test_memory_does_not_grow_with_a_member(tmp_path: Path, query: str) -> None:
    parts = 60
    assert write_large(tmp_path / ZIP, parts) > 300_000_000
    count, peak = run(PEAK, str(tmp_path / ZIP), query).split()
    assert int(count) == parts * PART_ROWS
    if math.isnan(float(peak)):
        pytest.skip("this platform does not tell the peak memory")
    assert float(peak) < 300
