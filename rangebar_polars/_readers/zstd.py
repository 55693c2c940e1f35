"""Whether a file in Zstandard is whole: a library that inflates it may take one that was cut off between two blocks."""

from __future__ import annotations

import io
import os
from typing import Final

__all__ = ["check_whole"]

_FRAME: Final = 0xFD2FB528
_SKIPPABLE: Final = 0x184D2A5
"""All but the last four bits of the number that a frame without data begins with."""

_WINDOW: Final = 1
_IDENTITY: Final = (0, 1, 2, 4)
_CONTENT: Final = (0, 2, 4, 8)
_CHECKSUM: Final = 4
"""Bytes of the parts of a frame; those of a table by two bits of its descriptor."""

_REPEATED: Final = 1
"""The type of a block that holds one byte, as often as its length says."""


def check_whole(opened: io.BufferedReader) -> None:
    """
    Raise EOFError if a file does not end with a frame, and ValueError if it is none; reads headers only.

    Afterwards, the file is at its beginning again.
    """
    size = opened.seek(0, os.SEEK_END)
    opened.seek(0)
    while opened.tell() < size:
        _skip_frame(opened)
    if opened.tell() > size:
        raise EOFError("its last frame ends early")
    opened.seek(0)


def _skip_frame(opened: io.BufferedReader) -> None:
    magic = _number(opened, 4)
    if magic >> 4 == _SKIPPABLE:
        opened.seek(_number(opened, 4), os.SEEK_CUR)
        return
    if magic != _FRAME:
        raise ValueError("what follows a frame is none")
    descriptor = _number(opened, 1)
    is_single = bool(descriptor & 0x20)
    content = _CONTENT[descriptor >> 6] or int(is_single)
    opened.seek((0 if is_single else _WINDOW) + _IDENTITY[descriptor & 3] + content, os.SEEK_CUR)
    is_last = False
    while not is_last:
        header = _number(opened, 3)
        is_last = bool(header & 1)
        opened.seek(1 if (header >> 1) & 3 == _REPEATED else header >> 3, os.SEEK_CUR)
    if descriptor & 4:
        opened.seek(_CHECKSUM, os.SEEK_CUR)


def _number(opened: io.BufferedReader, size: int) -> int:
    data = opened.read(size)
    if len(data) < size:
        raise EOFError("its last frame ends early")
    return int.from_bytes(data, "little")
