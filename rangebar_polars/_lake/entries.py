"""The entries of the footer of a Parquet file, without a look at the rest of it."""

from __future__ import annotations

import os
import re
from typing import Final

__all__ = ["Entries"]

_MAGIC: Final = b"PAR1"
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""As bytes, also on Windows; and whoever left a pipe there is not waited for."""

_AT_ONCE: Final = 8_192
"""Bytes of the end of a file that are read first: most footers are shorter."""


class Entries:
    """
    Entries of given names, which stand one after the other in the footers of some files.

    A footer is a structure of Thrift in its compact protocol. An entry is a structure in it: a text, which is a byte
    24, its length and its bytes, another such text, and a byte 0. None of our texts holds a byte 0, or one above 127,
    as all but the last byte of a length are. So a pattern finds them all: to take apart what comes before, columns and
    statistics, takes several times as long.
    """

    def __init__(self, names: list[str]) -> None:
        texts = (re.escape(bytes((24, len(name))) + name.encode()) for name in names)
        self._names = names
        self._pattern = re.compile(
            b"".join(text + rb"\x18[\x80-\xff]*[\x00-\x7f]([^\x00\x80-\xff]*)\x00" for text in texts)
        )

    def read(self, file: str) -> dict[str, str] | None:
        """The entries as texts; None if the file is not as expected."""
        footer = _footer(file)
        found = None if footer is None else self._pattern.search(footer)
        return None if found is None else dict(zip(self._names, (t.decode() for t in found.groups()), strict=True))


def _footer(file: str) -> bytes | None:
    # Not `open`: it takes twice as long, and is called for each file.
    opened = os.open(file, _FLAGS)
    try:
        size = os.lseek(opened, 0, os.SEEK_END)
        os.lseek(opened, max(0, size - _AT_ONCE), os.SEEK_SET)
        end = os.read(opened, _AT_ONCE)
        length = int.from_bytes(end[-8:-4], "little") + 8
        if end[-4:] != _MAGIC or length > size:
            return None
        if length > len(end):
            os.lseek(opened, size - length, os.SEEK_SET)
            end = os.read(opened, length)
    finally:
        os.close(opened)
    return end[-length:-8]
