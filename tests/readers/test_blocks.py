"""Blocks: whole lines, in order, all of the text, however it is cut; rows do not depend on where blocks end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._readers import archive, blocks
from rangebar_polars._readers.blocks import Block, ahead
from tests._alone import run
from tests._archives import CSV, STEM, nothing_left, read, readers, text_of, written, zipped

BOM = b"\xef\xbb\xbf"

# Short pieces of everything that ends, begins or hides a line.
PIECES = st.sampled_from([b"\n", b"\r\n", b"\r", b"a,b", b"1,2,3", b" ", b"\xef", b"\xbb", b"\xbf", BOM, b'"', b"\xff"])


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A text, and the same in chunks, some of which are empty."""
    text = draw(st.sampled_from([b"", BOM])) + b"".join(draw(st.lists(PIECES, max_size=40)))
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return text, [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def in_blocks(chunks: list[bytes], size: int, longest: int = 1 << 20) -> list[Block]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", size)
        patch.setattr(blocks, "_LONGEST", longest)
        return list(blocks.blocks("x.csv", iter(chunks)))


@given(cut_texts(), st.integers(1, 60))
def test_blocks_are_the_text_in_whole_lines(cut: tuple[bytes, list[bytes]], size: int) -> None:
    text, chunks = cut
    try:
        found = in_blocks(chunks, size)
    except rb.RangeBarError as error:
        assert text.startswith((b"\xff\xfe", b"\xfe\xff")) or (b"\n" not in text and b"\r" in text), error  # noqa: PT017
        return
    text = text.removeprefix(BOM)
    assert b"".join(block.data for block in found) == text
    assert [block.is_last for block in found] == [False] * (len(found) - 1) + [True]
    assert all(block.data.endswith(b"\n") for block in found[:-1])
    before = b""
    for block in found:
        assert block.first_line == before.count(b"\n") + 1
        before += block.data
    assert all(not block.is_unterminated for block in found[:-1])
    assert found[-1].is_unterminated == (found[-1].data != b"" and not text.endswith((b"\n", b"\r")))
    if len(found) > 1:
        assert b"\n" in found[0].data.strip(), "a header and a row"


@given(
    st.integers(1, 40),
    st.tuples(st.integers(1, 300), st.integers(4, 200)),
    st.tuples(st.booleans(), st.sampled_from([b"\n", b"\r\n", b"\n\n"])),
    st.sampled_from([".csv", ".zip"]),
)
def test_rows_do_not_depend_on_the_sizes_of_blocks_and_chunks(
    tmp_path_factory: pytest.TempPathFactory, rows: int, sizes: tuple[int, int], form: tuple[bool, bytes], ending: str
) -> None:
    has_header, end = form
    header = b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,is_best_match\n"
    text = BOM + ((header if has_header else b"") + text_of(rows)).replace(b"\n", end)
    file = written(tmp_path_factory.getbasetemp() / f"{STEM}{ending}", zipped(text, CSV) if ending == ".zip" else text)
    whole, cut = rb.ReadReport(), rb.ReadReport()
    expected = read(file, report=whole)
    assert expected.height == rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", sizes[0])
        patch.setattr(archive, "_CHUNK", sizes[1])
        assert_frame_equal(read(file, report=cut), expected)
    assert_frame_equal(cut.files(), whole.files())
    assert_frame_equal(cut.frame(), whole.frame())


@pytest.mark.parametrize("size", [1, 50, 64, 5_000])
def test_the_line_of_an_error_does_not_depend_on_the_sizes_of_blocks(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = text_of(50).split(b"\n")
    lines[41] = b"rubbish"
    file = written(tmp_path / CSV, b"\n\n" + b"\n".join(lines))
    monkeypatch.setattr(blocks, "_BLOCK", size)
    monkeypatch.setattr(archive, "_CHUNK", 64)
    with pytest.raises(rb.RangeBarError, match="line 44: the row cannot be read, got 'rubbish'"):
        read(file)


@pytest.mark.parametrize("longer", [-1, 0, 1])
def test_a_text_that_ends_where_a_block_does_is_not_cut_off(tmp_path: Path, longer: int) -> None:
    """Not reported as a last line without an end."""
    text = text_of(40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", len(text) + longer)
        report = rb.ReadReport()
        assert read(written(tmp_path / CSV, text), report=report).height == 40
    assert report.frame().is_empty()


@pytest.mark.parametrize("filling", [b"1", b"\n", b"1,"])
def test_a_line_without_an_end_does_not_take_the_memory(filling: bytes) -> None:
    asked = 0

    def chunks() -> Iterator[bytes]:
        nonlocal asked
        yield b"1,2,3\n" if filling != b"\n" else b"\n"
        while True:
            asked += 1
            yield filling * (1 << 20)

    with pytest.raises(rb.RangeBarError, match=r"^x.csv has a line of [89],\d{3},\d{3} bytes, or as many empty ones"):
        list(blocks.blocks("x.csv", chunks()))
    assert asked <= 9


def test_lines_of_old_macs_are_told_in_a_large_file() -> None:
    with pytest.raises(rb.RangeBarError, match="ends its lines with CR alone"):
        list(blocks.blocks("x.csv", iter([b"1,2,3\r" * 1_500_000])))


# --- reading ahead


def numbered(count: int, asked: list[int], ended: threading.Event) -> Iterator[Block]:
    try:
        for number in range(count):
            asked.append(number)
            yield Block(b"x\n", number, is_last=number == count - 1)
    finally:
        ended.set()


@given(st.integers(0, 12), st.integers(0, 12))
def test_blocks_come_in_order_and_no_more_are_read_than_wait(count: int, taken: int) -> None:
    asked: list[int] = []
    read_ahead = ahead(numbered(count, asked, threading.Event()), lambda block: -block.first_line)
    got = [block.first_line for (block, done), _ in zip(read_ahead, range(taken), strict=False) if -done == block[1]]
    read_ahead.close()
    assert got == list(range(min(count, taken)))
    # Those that were taken, one that zip looked at, two that wait, and one that waits to wait.
    assert len(asked) <= min(count, taken + 4)
    assert readers() == []


def test_an_error_comes_after_the_blocks_before_it() -> None:
    def failing() -> Iterator[Block]:
        yield Block(b"x\n", 1, is_last=False)
        msg = "mine"
        raise OSError(msg)

    read_ahead = ahead(failing(), len)
    assert next(read_ahead)[0].first_line == 1
    with pytest.raises(OSError, match="mine"):
        next(read_ahead)
    assert list(read_ahead) == []
    assert readers() == []


def test_an_error_of_the_work_comes_in_its_place() -> None:
    def work(block: Block) -> int:
        return 10 // (3 - block.first_line)

    read_ahead = ahead(numbered(9, [], threading.Event()), work)
    with pytest.raises(ZeroDivisionError):
        list(read_ahead)
    assert readers() == []


def test_nothing_is_read_after_it_was_closed_or_forgotten() -> None:
    for forget in (False, True):
        asked: list[int] = []
        read_ahead = ahead(numbered(1_000, asked, threading.Event()), len)
        next(read_ahead)
        if forget:
            del read_ahead
        else:
            read_ahead.close()
        assert readers() == []
        assert len(asked) <= 5


def test_one_file_is_one_thread(tmp_path: Path) -> None:
    file = written(tmp_path / CSV, text_of(10))
    with nothing_left(tmp_path):
        assert read([file]).height == 10


AT_EXIT = """
import sys, threading, rangebar_polars as rb
from rangebar_polars._readers import blocks
blocks._BLOCK = 64
trades = rb.scan_binance(sys.argv[1])
main = threading.main_thread()

def read():
    main.join()
    rows = trades.collect()
    print(rows.height, flush=True)

threading.Thread(target=read).start()
"""


def test_a_thread_may_read_when_the_main_one_has_ended(tmp_path: Path) -> None:
    """A pool of threads takes no more work then."""
    assert run(AT_EXIT, str(written(tmp_path / CSV, text_of(100)))) == "100\n"


LEFT_OPEN = """
import sys, rangebar_polars as rb
from rangebar_polars._readers import archive, blocks
blocks._BLOCK = 64
chunks = (b"%d,2,3\\n" % n * 20 for n in range(10**9))
held = blocks.ahead(blocks.blocks("x.csv", chunks), len)
print(next(held)[0].first_line)
"""


def test_a_process_ends_though_a_reader_was_left_open() -> None:
    assert run(LEFT_OPEN, timeout_seconds=30) == "1\n"
