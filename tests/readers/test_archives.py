"""Zip and gzip: the rows that are in them, or an error that names the file and what to do; never fewer rows."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._readers import archive
from rangebar_polars._readers.archive import content
from rangebar_polars._readers.files import kind_of
from tests._archives import (
    CENTRAL,
    CSV,
    LOCAL,
    QUERIES,
    STEM,
    ZIP,
    nothing_left,
    patched,
    read,
    refusal,
    renamed,
    text_of,
    written,
    zipped,
)

TEXT = text_of(400)
WHOLE = zipped(TEXT)


def text_in(file: Path, member: str | None = None) -> bytes:
    with content(file, kind_of(file), member) as found:
        return b"".join(found.chunks)


@pytest.fixture(params=["isal", "zlib"])
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both libraries that inflate."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        hide_isal(monkeypatch)
    return request.param


libraries = pytest.mark.usefixtures("inflater")


def hide_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str) -> Any:
        if name.startswith("isal"):
            raise ModuleNotFoundError(name=name)
        return import_module(name)

    monkeypatch.setattr(archive, "import_module", without)


# --- what is whole


def streamed(data: bytes) -> bytes:
    """A zip whose sizes follow the data, as of a program that cannot go back."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def writable(self) -> bool:
            return True

        def write(self, part: Any) -> int:
            self.parts.append(bytes(part))
            return len(part)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(CSV, data)
    return b"".join(pipe.parts)


def large(data: bytes) -> bytes:
    """A zip in the form for large files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made, made.open(CSV, "w", force_zip64=True) as member:
        member.write(data)
    return buffer.getvalue()


def with_comment(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.comment = b"made by hand"
        made.writestr(CSV, data)
    return buffer.getvalue()


def with_folder(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.mkdir("data")
        made.writestr(f"data/{CSV}", data)
    return buffer.getvalue()


MADE: dict[str, Callable[[bytes], bytes]] = {
    "deflated": zipped,
    "stored": lambda text: zipped(text, method=zipfile.ZIP_STORED),
    "bzip2": lambda text: zipped(text, method=zipfile.ZIP_BZIP2),
    "streamed": streamed,
    "large": large,
    "with a comment": with_comment,
    "with a folder": with_folder,
    "with a prefix": lambda text: b"#!/bin/sh\nexec unzip\n" + zipped(text),
    "by macOS": lambda text: zipped(text, **{f"__MACOSX/._{CSV}": b"\0\5\x16\7"}),
}
FORMS = {form: make(TEXT) for form, make in MADE.items()}


@libraries
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_zip_has_the_rows_of_its_text(tmp_path: Path, form: str) -> None:
    expected = read(written(tmp_path / CSV, TEXT))
    assert expected.height == 400
    assert_frame_equal(read(written(tmp_path / ZIP, FORMS[form])), expected)


@given(
    st.integers(0, 40), st.integers(1, 90), st.sampled_from(["isal", "zlib"]), st.sampled_from(["deflated", "bzip2"])
)
def test_any_size_of_the_chunks_gives_the_text(
    tmp_path_factory: pytest.TempPathFactory, rows: int, size: int, library: str, form: str
) -> None:
    """Also if all of the input was used up before all of the output was taken."""
    text = text_of(rows) * 3
    method = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2}[form]
    file = written(tmp_path_factory.getbasetemp() / "chunks.zip", zipped(text, method=method))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "_CHUNK", max(size, 4))
        if library == "zlib":
            hide_isal(patch)
        assert text_in(file) == text


def test_a_member_is_chosen_by_its_name(tmp_path: Path) -> None:
    file = written(tmp_path / "all.zip", zipped(TEXT, "a.csv", **{"b.dat": text_of(3), "c": b"no trades"}))
    options: dict[str, Any] = {"preset": "binance spot aggTrades", "symbol": "BTCUSDT"}
    assert rb.scan_trades(file, member="b.dat", **options).collect().height == 3
    assert rb.scan_trades(file, member="a.csv", **options).collect().height == 400
    told = refusal(rb.scan_trades(file, member="d.csv", **options), "in memory", tmp_path)
    assert told == f"{file} has no member 'd.csv': it has 'a.csv', 'b.dat', 'c'"
    told = refusal(rb.scan_trades(file, **options), "in memory", tmp_path)
    assert told.endswith(" has 3 files, 'a.csv', 'b.dat', 'c': unpack it, or name one of them with `member=`")


# --- what is not as it should be


def twice(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(CSV, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr(CSV, data)
    return buffer.getvalue()


EVIL = "x" * 8 + ".csv"
NAMED = zipped(TEXT, EVIL)
BROKEN: dict[str, tuple[bytes, str]] = {
    "a bomb": (zipped(b"0" * 4_000_000), "would grow from 3,[0-9]* to 4,000,000 bytes, more than 300 times"),
    "a bomb of bzip2": (zipped(b"0" * 99_000_000, method=zipfile.ZIP_BZIP2), "would grow from .* more than 300 times"),
    "less declared than there is": (
        patched(zipped(b"0" * 40_000_000), CENTRAL, size=1000),
        r"\(it holds more than it says\): download it again",
    ),
    "less declared than bzip2 has": (
        patched(zipped(b"0" * 99_000_000, method=zipfile.ZIP_BZIP2), CENTRAL, size=1000),
        r"\(it holds more than it says\): download it again",
    ),
    "more declared than there is": (patched(WHOLE, CENTRAL, size=len(TEXT) + 1), r"\(its checksum is wrong\)"),
    "another checksum": (patched(WHOLE, CENTRAL, crc=1), r"is damaged or cut off \(its checksum is wrong\): download"),
    "a member that is cut off": (patched(WHOLE, CENTRAL, packed=100), r"\(its data ends early\): download it again"),
    "stored, though it is not": (patched(WHOLE, CENTRAL, method=0), "cannot be read|is no text|is damaged"),
    "encrypted": (
        patched(patched(WHOLE, CENTRAL, flags=1), LOCAL, flags=1),
        "is encrypted: unpack it with its password first",
    ),
    "strongly encrypted": (patched(WHOLE, CENTRAL, flags=0x40), "is packed in a way that cannot be read"),
    "LZMA": (zipped(TEXT, method=zipfile.ZIP_LZMA), r"cannot be read \(LZMA\): unpack it first"),
    "deflate64": (patched(WHOLE, CENTRAL, method=9), r"cannot be read \(Deflate64\): unpack it first"),
    "empty": (zipped(b"")[-22:], "damaged"),
    "without a file": (b"PK\x05\x06" + bytes(18), "is an archive without a file: download it again"),
    "an empty file": (zipped(b""), "is empty: download it again, or leave it out"),
    "no CSV": (zipped(TEXT, "trades.dat"), "holds 'trades.dat', which is no CSV by its name: if it is one, give"),
    "two members": (zipped(TEXT, **{"b.csv": TEXT}), f"has 2 files, '{CSV}', 'b.csv': unpack it, or name one"),
    "two of one name": (twice(TEXT), "has 2 files"),
    "another local name": (WHOLE.replace(CSV.encode(), b"b" * len(CSV), 1), "is damaged or cut off .*differ"),
    "another local header": (WHOLE.replace(LOCAL, b"PK\x03\x05", 1), "is damaged or cut off .*magic number"),
    "a way out": (renamed(NAMED, EVIL, b"../xxxxx.csv"), "'../xxxxx.csv', which leads out of it: do not trust"),
    "a way out, on Windows": (renamed(NAMED, EVIL, b"..\\xxxxx.csv"), "which leads out of it"),
    "a way out, later": (renamed(NAMED, EVIL, b"xxxx/../.csv"), "which leads out of it"),
    "an absolute name": (renamed(NAMED, EVIL, b"/etc/xxx.csv"), "'/etc/xxx.csv', which leads out of it"),
    "a network": (renamed(NAMED, EVIL, b"\\\\server\\csv"), "which leads out of it"),
    "a drive": (renamed(NAMED, EVIL, b"C:xxxxxx.csv"), "'C:xxxxxx.csv', which leads out of it"),
    "a zero in the name": (renamed(NAMED, EVIL, b"xxx.csv\0.csv"), "which leads out of it"),
    "another archive": (zipped(gzip.compress(TEXT)), r"is no text, it begins with b'\\x1f\\x8b.*: unpack it"),
    "UTF-16": (zipped(TEXT.decode().encode("utf-16")), "is UTF-16: save it as UTF-8"),
    "no text": (zipped(TEXT.decode().encode("utf-16-le")), "is no text, it begins with"),
    "no zip": (b"PK\x03\x04 and nothing else", "is damaged or cut off .*: download it again"),
    "an error of the server": (b"<?xml version='1.0'?><Error>NoSuchKey", "is a page of the web, mostly an error"),
    "a name that is no text": (
        patched(renamed(NAMED, EVIL, b"\xff" * 8 + b".csv"), CENTRAL, flags=0x800),
        "is damaged or cut off",
    ),
}


@libraries
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_archive_is_an_error_that_names_it(tmp_path: Path, fault: str) -> None:
    data, told = BROKEN[fault]
    file = written(tmp_path / ZIP, data)
    with nothing_left(tmp_path), pytest.raises(rb.RangeBarError, match=told) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file} ")


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("fault", ["a bomb", "another checksum", "a member that is cut off", "no zip", "LZMA"])
def test_the_error_is_the_same_whatever_the_query(tmp_path: Path, fault: str, query: str) -> None:
    file = written(tmp_path / ZIP, BROKEN[fault][0])
    with nothing_left(tmp_path):
        told = refusal(rb.scan_binance(file), query, tmp_path)
    with pytest.raises(rb.RangeBarError) as caught:
        read(file)
    assert str(caught.value) == told


def test_a_colon_is_no_drive(tmp_path: Path) -> None:
    file = written(tmp_path / ZIP, zipped(TEXT, "BTC:USDT.csv"))
    assert read(file).height == 400


# --- cut off, and damaged


SMALL = text_of(3)


@pytest.mark.parametrize("form", ["deflated", "stored", "bzip2", "streamed", "large"])
def test_a_zip_that_was_cut_off_is_never_read(tmp_path: Path, form: str) -> None:
    """Wherever: each byte."""
    whole = MADE[form](SMALL)
    for length in range(4, len(whole)):
        with pytest.raises(rb.RangeBarError, match="is damaged or cut off"):
            text_in(written(tmp_path / ZIP, whole[:length]))


@pytest.mark.parametrize("form", FORMS)
def test_a_zip_that_was_cut_off_somewhere_is_an_error_or_whole(tmp_path: Path, form: str) -> None:
    """Only a comment may end early."""
    whole = FORMS[form]
    expected = read(written(tmp_path / CSV, TEXT))
    for length in [*range(30), *range(30, len(whole), len(whole) // 40), *range(len(whole) - 30, len(whole))]:
        file = written(tmp_path / ZIP, whole[:length])
        try:
            rows = read(file)
        except rb.RangeBarError:
            continue
        assert form == "with a comment"
        assert_frame_equal(rows, expected)


@given(st.integers(0, len(WHOLE) - 1), st.sampled_from(sorted(QUERIES)))
def test_a_query_over_a_zip_that_was_cut_off_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, length: int, query: str
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    assert str(folder / ZIP) in refusal(rb.scan_binance(written(folder / ZIP, WHOLE[:length])), query, folder)


@libraries
@pytest.mark.parametrize("form", ["deflated", "stored", "bzip2", "streamed", "large"])
def test_a_changed_byte_never_changes_the_text(tmp_path: Path, form: str) -> None:
    """Wherever it is: in the data, in the headers, in the directory."""
    whole, file = MADE[form](SMALL), tmp_path / ZIP
    errors = 0
    for at in range(4, len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        file.write_bytes(changed)
        try:
            assert text_in(file) == SMALL, at
        except rb.RangeBarError:
            errors += 1
    assert errors > len(whole) / 2


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255), st.sampled_from(["in memory", "bars", "sink"]))
def test_a_query_over_a_changed_byte_is_right_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, by: int, query: str
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    changed = bytearray(WHOLE)
    changed[at] ^= by
    trades = rb.scan_binance(written(folder / ZIP, bytes(changed)))
    try:
        result = QUERIES[query](trades, folder)
    except rb.RangeBarError:
        return
    (folder / "whole").mkdir()
    expected = QUERIES[query](rb.scan_binance(written(folder / "whole" / ZIP, WHOLE)), folder)
    if isinstance(expected, pl.DataFrame) and isinstance(result, pl.DataFrame):
        assert_frame_equal(result, expected)


# --- gzip

GZIP = gzip.compress(TEXT)


@libraries
def test_a_gzip_has_the_rows_of_its_text(tmp_path: Path) -> None:
    expected = read(written(tmp_path / CSV, TEXT))
    half = len(TEXT) // 2
    several = gzip.compress(TEXT[:half]) + gzip.compress(b"") + gzip.compress(TEXT[half:])
    for data in (GZIP, several, GZIP + bytes(100), gzip.compress(TEXT, 0)):
        assert_frame_equal(read(written(tmp_path / f"{STEM}.csv.gz", data)), expected)
    # What a file is does not depend on what it is called.
    assert_frame_equal(read(written(tmp_path / CSV, GZIP)), expected)


@libraries
def test_a_gzip_that_was_cut_off_or_damaged_is_never_read(tmp_path: Path) -> None:
    text = text_of(5)
    whole = gzip.compress(text)
    file = tmp_path / f"{STEM}.csv.gz"
    for length in range(2, len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(rb.RangeBarError, match="damaged or cut off"):
            text_in(file)
    for at in range(2, len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        file.write_bytes(changed)
        try:
            assert text_in(file) == text, at
        except rb.RangeBarError as error:
            assert "damaged or cut off" in str(error)  # noqa: PT017  (it may also be right)
        else:
            assert at < 10, "of the header, only the flags and the method matter"


@libraries
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (GZIP + b"rubbish", "is damaged or cut off"),
        (GZIP[:-3], "is damaged or cut off"),
        (GZIP[:-8] + bytes(8), "is damaged or cut off"),
        (gzip.compress(b""), "is empty: download it again"),
        (gzip.compress(GZIP), "is no text, it begins with"),
        (bz2.compress(TEXT), r"is packed in a way that cannot be read \(bzip2\): unpack it first"),
        (lzma.compress(TEXT), r"is packed in a way that cannot be read \(xz\): unpack it first"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), r"is packed in a way that cannot be read \(zstd\): unpack it first"),
    ],
    ids=["rubbish", "cut", "checksum", "empty", "twice", "bzip2", "xz", "zstd"],
)
@pytest.mark.parametrize("query", ["in memory", "streaming", "bars", "sink"])
def test_what_is_wrong_with_a_gzip_is_told(tmp_path: Path, data: bytes, told: str, query: str) -> None:
    file = written(tmp_path / f"{STEM}.csv.gz", data)
    with nothing_left(tmp_path), pytest.raises(rb.RangeBarError, match=told):
        QUERIES[query](rb.scan_binance(file), tmp_path)


@libraries
def test_the_checksum_of_a_member_is_that_of_its_text(tmp_path: Path) -> None:
    """A text that parses, under the checksum of another one: only the checksum can tell."""
    other = TEXT.replace(b"0.0", b"0.1", 1)
    file = written(tmp_path / ZIP, patched(zipped(other), CENTRAL, crc=zlib.crc32(TEXT)))
    assert len(other) == len(TEXT)
    with pytest.raises(rb.RangeBarError, match="its checksum is wrong"):
        read(file)
