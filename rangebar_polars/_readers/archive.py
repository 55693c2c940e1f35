"""
The bytes of a file, inflated as they are read.

Memory stays constant whatever the size of a member. The checksum of a member is known only at its end: what was read
before is wrong if it does not agree, so whoever keeps trades must keep them only once the file has ended.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from rangebar_polars._common.messages import cut, listed, shown, shown_path
from rangebar_polars._readers.databento import dbn_as_csv
from rangebar_polars._readers.files import Kind
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Content", "content"]

_CHUNK: Final = 1 << 20
"""Bytes that are read or inflated at a time."""

_MOST_RATIO: Final = 300
"""How many times a member may grow. CSV files of trades grow 3 to 20 times; deflate can do 1,032 times."""

_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_OTHER_METHODS: Final = {9: "Deflate64", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd"}

_TEXT: Final = (".csv", ".txt")

_ENCRYPTED: Final = 0x1
_LOCAL_HEADER: Final = struct.Struct("<26xHH")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_EARLY: Final = "its data ends early"

_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What the libraries raise if bytes are not what they should be."""


class Content(NamedTuple):
    """The text in a file."""

    name: str
    """Of the member, or of the file."""
    chunks: Iterator[bytes]
    is_checked: bool
    """Whether a checksum tells that the text is whole."""


@contextmanager
def content(file: Path, kind: Kind, member: str | None = None) -> Generator[Content]:
    """The text in a file, closed in the end; whatever is wrong with an archive is an error that names the file."""
    with ExitStack() as opened:
        with _named(file):  # not what is done with the text
            text = _content(file, kind, member, opened)
        yield text


def _content(file: Path, kind: Kind, member: str | None, opened: ExitStack) -> Content:
    raw = opened.enter_context(file.open("rb"))
    if kind == "zip":
        archive = opened.enter_context(zipfile.ZipFile(raw))
        info = _member(file, archive, member)
        return Content(info.filename, _guarded(file, _unzipped(raw, archive, info)), is_checked=True)
    if kind == "gzip":
        inflated = opened.enter_context(_gzip().GzipFile(fileobj=raw))
        return Content(file.name, _guarded(file, _read(inflated)), is_checked=True)
    if kind == "dbn" or (kind == "zstd" and ".dbn" in file.name.lower()):
        return Content(
            file.name, _guarded(file, dbn_as_csv(file, raw, is_packed=kind == "zstd")), is_checked=kind == "zstd"
        )
    if kind == "zstd":
        raise NotImplementedError("zstd")
    return Content(file.name, _guarded(file, _read(raw)), is_checked=False)


@contextmanager
def _named(file: Path) -> Generator[None]:
    """What may be raised by a damaged archive, as an error that names it."""
    try:
        yield
    except (RangeBarError, ModuleNotFoundError):
        raise
    except NotImplementedError as error:
        msg = f"{shown_path(file)} is packed in a way that cannot be read ({error}): unpack it first"
        raise RangeBarError(msg) from error
    except (*_DAMAGE, _deflate()[0].error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            msg = f"{shown_path(file)} cannot be read: {error.strerror or error}"
            raise RangeBarError(msg) from error
        msg = f"{shown_path(file)} is damaged or cut off ({error}): download it again"
        raise RangeBarError(msg) from error


def _guarded(file: Path, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with _named(file):
        yield from chunks


def _read(opened: Any) -> Iterator[bytes]:  # noqa: ANN401  (anything with `read`)
    while chunk := opened.read(_CHUNK):
        yield chunk


def _member(file: Path, archive: zipfile.ZipFile, wanted: str | None) -> zipfile.ZipInfo:
    """The one member of an archive that holds its trades."""
    name = shown_path(file)
    for info in archive.infolist():
        if _leads_out(info):
            told = cut(repr(info.orig_filename))
            msg = f"{name} has a member {told}, which leads out of it: do not trust this archive"
            raise RangeBarError(msg)
    # macOS adds a folder of its own to an archive, with what belongs to the icons.
    members = [info for info in archive.infolist() if not (info.is_dir() or info.filename.startswith("__MACOSX/"))]
    if not members:
        msg = f"{name} is an archive without a file: download it again"
        raise RangeBarError(msg)
    names = listed([repr(info.filename) for info in members], mark="")
    chosen = members if wanted is None else [info for info in members if info.filename == wanted]
    if not chosen:
        msg = f"{name} has no member {shown(wanted)}: it has {names}"
        raise RangeBarError(msg)
    if len(chosen) > 1:
        remedy = "unpack it" if wanted is not None else "unpack it, or name one of them with `member=`"
        msg = f"{name} has {len(chosen)} files, {names}: {remedy}"
        raise RangeBarError(msg)
    (info,) = chosen
    if wanted is None and not info.filename.lower().endswith(_TEXT):
        msg = f"{name} holds {cut(repr(info.filename))}, which is no CSV by its name: if it is one, give `member=`"
        raise RangeBarError(msg)
    if info.flag_bits & _ENCRYPTED:
        msg = f"{name} is encrypted: unpack it with its password first"
        raise RangeBarError(msg)
    if info.file_size > _MOST_RATIO * max(info.compress_size, 1):
        msg = (
            f"{name} would grow from {info.compress_size:,} to {info.file_size:,} bytes, more than {_MOST_RATIO} "
            "times, as no file of trades does: if you trust it, unpack it first"
        )
        raise RangeBarError(msg)
    return info


def _leads_out(info: zipfile.ZipInfo) -> bool:
    """Whether the name of a member is one that only somebody gives it who means harm, though nothing is written."""
    name = info.orig_filename  # `zipfile` cuts the other one at a zero
    is_absolute = name.startswith(("/", "\\")) or _DRIVE.match(name) is not None
    return is_absolute or "\0" in name or ".." in name.replace("\\", "/").split("/")


def _unzipped(raw: io.BufferedReader, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a member; raises at the end if its size or checksum is not what the archive says."""
    if info.compress_type not in _METHODS:
        raise NotImplementedError(_OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}"))
    with archive.open(info):
        pass  # checks that the local header agrees with the directory
    # Not through `archive.open`, which knows only zlib: where it is installed, isal inflates twice as fast. Nor would
    # it stop a bzip2 stream that grows without end.
    raw.seek(info.header_offset)
    name_length, extra_length = _LOCAL_HEADER.unpack(raw.read(_LOCAL_HEADER.size))
    raw.seek(name_length + extra_length, os.SEEK_CUR)
    _, checksum = _deflate()
    crc = size = 0
    for chunk in _inflated(_packed(raw, info.compress_size), info):
        crc, size = checksum(chunk, crc), size + len(chunk)
        if size > info.file_size:
            raise zipfile.BadZipFile("it holds more than it says")
        yield chunk
    if size != info.file_size or crc != info.CRC:
        raise zipfile.BadZipFile("its checksum is wrong")


def _packed(raw: io.BufferedReader, size: int) -> Iterator[bytes]:
    left = size
    while left:
        chunk = raw.read(min(left, _CHUNK // 4))
        if not chunk:
            raise EOFError(_EARLY)
        left -= len(chunk)
        yield chunk


def _inflated(packed: Iterator[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    if info.compress_type == zipfile.ZIP_STORED:
        yield from packed
        return
    inflater = _inflater(info)
    left = b""
    while not inflater.eof:
        is_hungry = not left and getattr(inflater, "needs_input", True)
        if is_hungry:
            left = next(packed, b"")
        is_over = is_hungry and not left
        chunk = inflater.decompress(left, _CHUNK)
        left = getattr(inflater, "unconsumed_tail", b"")
        if chunk:
            yield chunk
        elif is_over:  # and nothing is left within the inflater
            raise EOFError(_EARLY)


def _inflater(info: zipfile.ZipInfo) -> Any:  # noqa: ANN401  (one of three)
    if info.compress_type == zipfile.ZIP_BZIP2:
        return import_module("bz2").BZ2Decompressor()
    return _deflate()[0].decompressobj(-15)


def _deflate() -> tuple[Any, Any]:
    """The fastest library there is that inflates, and its checksum."""
    try:
        isal = import_module("isal.isal_zlib")
    except ModuleNotFoundError:
        return zlib, zlib.crc32
    return isal, isal.crc32


def _gzip() -> Any:  # noqa: ANN401  (one of two modules)
    try:
        return import_module("isal.igzip")
    except ModuleNotFoundError:
        return gzip
