"""Which files a source means: each once, in order, none forgotten; and texts that are no CSV in UTF-8."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._readers.files import source_files
from tests._archives import CSV, QUERIES, STEM, ZIP, nothing_left, read, refusal, text_of, written, zipped

ROWS = 20


def day(folder: Path, number: int, *, ending: str = ".csv") -> Path:
    """A file of one of several days, whose ids go on."""
    folder.mkdir(parents=True, exist_ok=True)
    data = text_of(ROWS, first=1 + number * ROWS)
    name = f"BTCUSDT-aggTrades-2024-01-{number + 1:02d}"
    return written(folder / f"{name}{ending}", zipped(data, f"{name}.csv") if ending == ".zip" else data)


@pytest.fixture
def month(tmp_path: Path) -> Path:
    """Four days, of which two are below; and what is no day."""
    root = tmp_path / "month"
    day(root, 0)
    day(root, 1, ending=".zip")
    day(root / "BTCUSDT-aggTrades-2024-01-03", 2)
    day(root / "BTCUSDT-aggTrades-2024-01-04.csv", 3)
    written(root / f"{ZIP}.CHECKSUM", b"abc  file")
    written(root / ".hidden.csv", b"no trades")
    written(root / "_SUCCESS", b"")
    (root / ".ipynb_checkpoints").mkdir()
    written(root / ".ipynb_checkpoints" / CSV, text_of(3))
    return root


IGNORED = [f".ipynb_checkpoints/{CSV}", ".hidden.csv", f"{ZIP}.CHECKSUM", "_SUCCESS"]


def ignored(report: rb.ReadReport, root: Path) -> list[str]:
    return sorted(str(Path(file).relative_to(root)) for file in report.ignored)


def is_all(frame: pl.DataFrame, days: int = 4) -> bool:
    return frame["agg_trade_id"].to_list() == list(range(1, days * ROWS + 1))


# --- what is found


def test_a_folder_is_all_of_its_days_in_order_and_the_rest_is_told(month: Path) -> None:
    report = rb.ReadReport()
    trades = rb.scan_binance(month, report=report)
    assert is_all(trades.collect())
    assert ignored(report, month) == sorted(IGNORED)
    assert report.files()["rows_returned"].to_list() == [ROWS] * 4


PATTERNS: dict[str, tuple[Callable[[Path], Any], int]] = {
    "everything": (lambda at: str(at / "*"), 4),
    "all below": (lambda at: str(at / "**"), 4),
    "each below": (lambda at: str(at / "**" / "*"), 4),
    "by ending": (lambda at: str(at / "**" / "*.[cz]*"), 4),
    "two endings": (lambda at: str(at / "*-01-0[12].*"), 2),
    "a path": (lambda at: at / "B*-01-0[12]*", 2),
    "a list": (lambda at: [at / "*-01.csv", str(at / "*-02.zip"), at / "*-03", at / "*-04.csv"], 4),
    "a tuple": (lambda at: (at / f"{STEM}.csv", at / "BTCUSDT-aggTrades-2024-01-02.zip"), 2),
    "one": (lambda at: at / CSV, 1),
    "relative": (lambda at: os.path.relpath(at / CSV), 1),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_names_each_of_its_files_once(month: Path, pattern: str) -> None:
    make, days = PATTERNS[pattern]
    assert is_all(read(make(month)), days)


def test_a_pattern_with_an_ending_means_files_that_end_so(month: Path) -> None:
    (month / CSV).rename(month / f"{STEM}.dat")
    report = rb.ReadReport()
    assert is_all(read(str(month / "*.dat"), report=report), 1)
    assert report.ignored == []
    with pytest.raises(rb.RangeBarError, match=r"is empty|has no column"):
        read(str(month / "*.CHECKSUM"))


def test_letters_of_patterns_in_real_names(tmp_path: Path) -> None:
    marks = "" if os.name == "nt" else "*?"  # which names cannot have there
    folder = tmp_path / f"[2024]{marks}"
    day(folder, 0).rename(folder / f"BTCUSDT-aggTrades-2024-01-01 [a!]{marks}.csv")
    assert is_all(read(folder / f"BTCUSDT-aggTrades-2024-01-01 [a!]{marks}.csv"), 1)
    assert is_all(read(folder), 1)


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    day(tmp_path, 0)
    assert is_all(read(f"~/{CSV}"), 1)
    assert is_all(read("~/*.csv"), 1)
    with pytest.raises(rb.RangeBarError, match=r"cannot be opened: Could not determine home|there is no file"):
        read("~nobody-of-this-name/x.csv")


def test_any_path_like(tmp_path: Path) -> None:
    class Own:
        def __fspath__(self) -> str:
            return str(day(tmp_path, 0))

    class Bytes:
        def __fspath__(self) -> bytes:
            return b"x.csv"

    assert is_all(read(Own()), 1)
    with pytest.raises(rb.RangeBarError, match="`source` must name files, got"):
        read(Bytes())


def test_a_folder_that_is_linked_is_read(month: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "BTCUSDT").symlink_to(month, target_is_directory=True)
    (month / "BTCUSDT-aggTrades-2024-01-03" / "round").symlink_to(lake, target_is_directory=True)
    assert is_all(read(lake))


# --- what is refused

REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing": (lambda at: at / "x.csv", "there is no file .*x.csv"),
    "below a file": (lambda at: at / CSV / "x.csv", "there is no file"),
    "no match": (lambda at: at / "*.parquet", r"no file matches .*\*.parquet"),
    "only others": (lambda at: at / "*SUCC*", r"there is no file of trades in .*: files end with `.zip`"),
    "twice": (lambda at: [at / CSV, at / CSV], f"names .*{CSV} twice: its trades would be read twice"),
    "twice, by a pattern": (lambda at: [at / CSV, at], "twice: its trades would be read twice"),
    "twice, otherwise spelt": (
        lambda at: [at / CSV, at / "BTCUSDT-aggTrades-2024-01-03" / ".." / CSV],
        r"twice, also as .*csv: its",
    ),
    "a list of nothing": (lambda _: [], "`source` must be a file, a folder, a pattern or a list of these, got"),
    "bytes": (lambda _: b"x.csv", "`source` must be a file"),
    "a number": (lambda _: 3, "`source` must be a file"),
    "a set": (lambda _: {"x.csv"}, "`source` must be a file"),
    "a number in a list": (lambda at: [at / CSV, 3], "`source` must name files, got 3"),
    "an empty name": (lambda _: "", "`source` must name files, got ''"),
    "a zero": (lambda at: str(at / "x\0.csv"), "cannot be opened: embedded null|there is no file"),
    "a long name": (lambda at: at / ("x" * 5_000), "cannot be opened: File name too long|there is no file"),
    "an address": (lambda _: "s3://bucket/x.csv", "s3://bucket/x.csv is an address: download it first"),
    "a page": (lambda _: "https://a.b/x.zip", "is an address: download it first, and give the path of the file"),
}


@pytest.mark.parametrize("source", REFUSED)
def test_a_source_that_is_none_is_refused_at_once(month: Path, source: str) -> None:
    make, told = REFUSED[source]
    with pytest.raises(rb.RangeBarError, match=told):
        rb.scan_binance(make(month))


@pytest.mark.parametrize("kind", ["symlink", "hard link"])
def test_a_file_by_two_names_is_read_once_or_not_at_all(month: Path, kind: str) -> None:
    other = month / "z.csv"
    if kind == "symlink":
        other.symlink_to(month / CSV)
    else:
        os.link(month / CSV, other)
    with pytest.raises(rb.RangeBarError, match=r"z.csv twice, also as .*: its trades would be read twice"):
        rb.scan_binance(month)


def test_a_link_that_leads_nowhere_is_no_day_that_is_missing_in_silence(month: Path) -> None:
    (month / "b.csv").symlink_to(month / "gone")
    with pytest.raises(rb.RangeBarError, match=r"b.csv is a link that leads nowhere: mend it, or remove it"):
        rb.scan_binance(month)
    (month / "b.csv").unlink()
    (month / "b.csv").symlink_to(month / "b.csv")
    with pytest.raises(rb.RangeBarError, match=r"b.csv cannot be opened: Too many levels|leads nowhere"):
        rb.scan_binance(month)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_and_a_device_are_not_waited_for(month: Path) -> None:
    os.mkfifo(month / "b.csv")
    for source in (month, month / "b.csv", month / "*.csv", "/dev/null", "/dev/zero"):
        with pytest.raises(rb.RangeBarError, match="is a pipe or a device, which can be read only once: write a file"):
            rb.scan_binance(source)
    (month / "b.csv").rename(month / "b")  # not data by its name
    report = rb.ReadReport()
    assert is_all(read(month, report=report))
    assert ignored(report, month) == sorted([*IGNORED, "b"])


@pytest.mark.parametrize("ending", ["csv.bz2", "csv.xz", "7z", "rar", "csv.lz4", "tar"])
def test_archives_that_cannot_be_read_are_days_too(month: Path, ending: str) -> None:
    starts = {"csv.bz2": b"BZh9", "csv.xz": b"\xfd7zXZ\0", "7z": b"7z\xbc\xaf\x27\x1c", "rar": b"Rar!\x1a\x07\0"}
    data = starts.get(ending, b"\x04\x22\x4d\x18" if ending == "csv.lz4" else b"x.csv" + bytes(507))
    written(month / f"BTCUSDT-aggTrades-2024-01-05.{ending}", data)
    told = refusal(rb.scan_binance(month), "in memory", month)
    assert "unpack it" in told


def test_what_cannot_be_opened_is_told(month: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, every file can be: so the system is made to refuse."""
    closed = month / "BTCUSDT-aggTrades-2024-01-03"

    def refusing(method: Any) -> Any:
        def call(self: Path, *arguments: Any, **options: Any) -> Any:
            if self == closed or closed in self.parents:
                raise PermissionError(13, "Permission denied", str(self))
            return method(self, *arguments, **options)

        return call

    trades = rb.scan_binance(month)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", refusing(Path.iterdir))
        with pytest.raises(rb.RangeBarError, match="2024-01-03 cannot be opened: Permission denied"):
            rb.scan_binance(month)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", refusing(Path.stat))
        with pytest.raises(rb.RangeBarError, match="cannot be opened: Permission denied"):
            source_files(closed / CSV)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refusing(Path.open))
        with pytest.raises(rb.RangeBarError, match=r"2024-01-03.csv cannot be opened: Permission denied"):
            trades.collect()


@pytest.mark.parametrize("query", QUERIES)
def test_a_file_that_disappears_is_told_by_the_query(month: Path, query: str) -> None:
    trades = rb.scan_binance(month)
    (month / "BTCUSDT-aggTrades-2024-01-02.zip").unlink()
    with nothing_left(month):
        told = refusal(trades, query, month)
    assert told.endswith("2024-01-02.zip cannot be opened: No such file or directory")


# --- what is in a file


TEXT = text_of(ROWS)
HEADER = b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,is_best_match\n"
TEXTS = {
    "a byte order mark": b"\xef\xbb\xbf" + TEXT,
    "a header": HEADER + TEXT,
    "both": b"\xef\xbb\xbf" + HEADER + TEXT,
    "blank lines": b"\n\r\n  \n" + HEADER + TEXT,
    "blank lines between": HEADER + b"\n\n" + TEXT + b"\n\n",
    "the ends of lines of Windows": (HEADER + TEXT).replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("ending", [".csv", ".zip", ".txt", ".CSV", ""])
def test_a_text_has_its_rows_whatever_surrounds_it(tmp_path: Path, text: str, ending: str) -> None:
    expected = read(written(tmp_path / CSV, TEXT))
    data = zipped(TEXTS[text]) if ending == ".zip" else TEXTS[text]
    report = rb.ReadReport()
    assert_frame_equal(read(written(tmp_path / f"{STEM}{ending}", data), report=report), expected)
    assert report.frame().is_empty()


def test_a_file_without_rows_has_no_rows(tmp_path: Path) -> None:
    report = rb.ReadReport()
    rows = read([written(tmp_path / CSV, HEADER), day(tmp_path / "b", 0)], report=report)
    assert is_all(rows, 1)
    assert report.files()["rows_read"].to_list() == [0, ROWS]
    assert report.files()["time_unit"].to_list() == [None, "ms"]


NO_TEXTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty: download it again, or leave it out"),
    "a mark alone": (b"\xef\xbb\xbf", "is empty"),
    "blank lines alone": (b"\r\n \n\n", "is empty"),
    "UTF-16": (TEXT.decode().encode("utf-16"), "is UTF-16: save it as UTF-8"),
    "UTF-16, big endian": (b"\xfe\xff" + TEXT.decode().encode("utf-16-be"), "is UTF-16: save it as UTF-8"),
    "UTF-16 without a mark": (TEXT.decode().encode("utf-16-le"), r"is no text, it begins with b'1\\x00,\\x00"),
    "a file full of zeros": (bytes(5_000), r"is no text, it begins with b'\\x00"),
    "a page": (b"\r\n<!DOCTYPE html><html>404", "is a page of the web, mostly an error of the server: download it"),
    "an answer": (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "is a page of the web"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer, not data"),
    "the ends of lines of old Macs": (TEXT.replace(b"\n", b"\r"), "ends its lines with CR alone: convert them to LF"),
    "a zero in a row": (TEXT.replace(b",3,3,", b",3\0,3,"), "line 3: the row cannot be read"),
    "zeros at the end": (TEXT + bytes(4_096), f"line {ROWS + 1}: the row cannot be read"),
}


@pytest.mark.parametrize("text", NO_TEXTS)
@pytest.mark.parametrize("ending", [".csv", ".zip"])
def test_what_is_no_csv_is_told(tmp_path: Path, text: str, ending: str) -> None:
    data, told = NO_TEXTS[text]
    if text == "a pointer" and ending == ".zip":
        pytest.skip("nobody packs a pointer")
    file = written(tmp_path / f"{STEM}{ending}", zipped(data) if ending == ".zip" else data)
    with nothing_left(tmp_path), pytest.raises(rb.RangeBarError, match=told) as caught:
        read(file)
    assert str(caught.value).startswith(str(file))


def test_a_last_line_without_an_end_is_read_and_told(tmp_path: Path) -> None:
    report = rb.ReadReport()
    assert is_all(read(written(tmp_path / CSV, TEXT[:-1]), report=report), 1)
    assert report.frame().select("reason", "count", "first_line").rows() == [("unterminated", 1, ROWS)]
    assert is_all(read(written(tmp_path / ZIP, zipped(TEXT[:-1])), report=report), 1)
    assert report.frame().filter(pl.col("file").str.ends_with("zip")).is_empty()  # its checksum says that it is whole
    one = TEXT[:-1].rpartition(b"\n")[2].replace(b"20,", b"1,", 1)
    assert read(written(tmp_path / CSV, one), report=report).height == 1
    assert report.frame().filter(pl.col("file").str.ends_with("csv"))["first_line"].to_list() == [1]


def test_files_are_regular_here(month: Path) -> None:
    """What the fixture promises: nothing above was skipped for want of a link or a pipe."""
    assert all(stat.S_ISREG(file.stat().st_mode) for file in source_files(month).files)
