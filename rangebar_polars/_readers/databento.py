"""Databento's own files (DBN), as the CSV that Databento's own library makes of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rangebar_polars._common.messages import shown_path
from rangebar_polars._readers.zstd import check_whole
from rangebar_polars.exceptions import RangeBarError

__all__ = ["dbn_as_csv"]

_CHUNK: Final = 1 << 20
_PACKED_CHUNK: Final = 1 << 14
"""Bytes that are read of a file that is packed: they may grow a hundredfold."""

_NO_PRICE: Final = b",9223372036854775807,"
"""How a record says that it has no price."""

_PREFIX: Final = 8
"""Bytes before the metadata: the magic, and how many bytes follow."""


def dbn_as_csv(file: Path, opened: io.BufferedReader, *, is_packed: bool) -> Iterator[bytes]:
    """
    The records of a DBN file as CSV with a header, in whole lines, chunk by chunk.

    A record without a price has an empty one. A file that is packed (Zstandard) takes an object of Python for every
    record, so it is read more slowly.
    """
    dbn = _library()
    count = _Count()
    text = io.BytesIO()
    try:
        if is_packed:
            check_whole(opened)
        # Prices and times as the integers that they are, with the symbols that the file has for its instruments.
        coder = dbn.Transcoder(
            text, dbn.Encoding.CSV, dbn.Compression.NONE, pretty_px=False, pretty_ts=False, map_symbols=True
        )
        for chunk in _unpacked(dbn, opened) if is_packed else _read(opened):
            coder.write(count.seen(chunk))
            yield count.written(_taken(text))
        coder.flush()
        coder.finish()
        yield count.written(_taken(text))
        if left := coder.buffer():
            msg = f"{shown_path(file)} ends within a record, {len(left)} bytes are left over: download it again"
            raise RangeBarError(msg)
    except (dbn.DBNError, RuntimeError, ValueError, EOFError) as error:
        if isinstance(error, RangeBarError):
            raise
        if "schema must be specified" in str(error):
            raise _several_schemas(file) from error
        msg = f"{shown_path(file)} is damaged or cut off ({error}): download it again"
        raise RangeBarError(msg) from error
    if not count.is_right:
        raise _several_schemas(file)


def _several_schemas(file: Path) -> RangeBarError:
    msg = f"{shown_path(file)} has records of several schemas: write those of one schema to a file of their own"
    return RangeBarError(msg)


class _Count:
    """Whether every record became a line: the library leaves out, and does not tell, what is of another schema."""

    def __init__(self) -> None:
        self._start = b""
        self._bytes = 0
        self._lines = 0

    def seen(self, chunk: bytes) -> bytes:
        """A part of the records, which begin with their metadata."""
        if not self._is_started:
            self._start += chunk
        self._bytes += len(chunk)
        return chunk

    def written(self, lines: bytes) -> bytes:
        """Lines that were made of them."""
        self._lines += lines.count(b"\n")
        return lines

    @property
    def is_right(self) -> bool:
        """Whether there are as many lines as records, if these are all as long as the first one."""
        if not self._is_started:
            return self._lines <= 1
        return self._bytes - self._metadata == (self._lines - 1) * 4 * self._start[self._metadata]

    @property
    def _metadata(self) -> int:
        return _PREFIX + int.from_bytes(self._start[4:_PREFIX], "little")

    @property
    def _is_started(self) -> bool:
        """Whether the first record is known."""
        return len(self._start) > _PREFIX and len(self._start) > self._metadata


def _unpacked(dbn: Any, opened: io.BufferedReader) -> Iterator[bytes]:  # noqa: ANN401  (a module that may be absent)
    """The bytes of a file that is packed, whose records the library only hands out one by one."""
    decoder = dbn.DBNDecoder(compression=dbn.Compression.ZSTD, upgrade_policy=dbn.VersionUpgradePolicy.AS_IS)
    while chunk := opened.read(_PACKED_CHUNK):
        decoder.write(chunk)
        yield b"".join(bytes(r.encode() if isinstance(r, dbn.Metadata) else r) for r in decoder.decode())
    yield decoder.buffer()


def _read(opened: io.BufferedReader) -> Iterator[bytes]:
    while chunk := opened.read(_CHUNK):
        yield chunk


def _taken(text: io.BytesIO) -> bytes:
    """The lines that were written, which are forgotten, without the number that is no price."""
    taken = text.getvalue()
    text.seek(0)
    text.truncate()
    # Twice, because one comma stands between two of them.
    return taken.replace(_NO_PRICE, b",,").replace(_NO_PRICE, b",,")


def _library() -> Any:  # noqa: ANN401  (it has types, but may be absent)
    try:
        return import_module("databento_dbn")
    except ModuleNotFoundError as error:
        msg = 'files of Databento need databento-dbn: pip install "rangebar_polars[databento]"'
        raise ModuleNotFoundError(msg, name=error.name) from error
