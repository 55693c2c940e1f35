"""What the functions of :mod:`rangebar_polars.datasets` are given, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from rangebar_polars._common.instants import EPOCH
from rangebar_polars._common.messages import shown
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    import os

__all__ = ["DEFAULT_START", "check_int", "checked_start", "checked_symbols", "empty_folder", "shares"]

DEFAULT_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""Where sample trades begin."""

_SYMBOL: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def shares(rows: int, parts: int) -> list[int]:
    """Divide rows evenly; the first parts take the remainder."""
    return [rows // parts + (part < rows % parts) for part in range(parts)]


def empty_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder that is new or empty."""
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"`path` must be a new or an empty folder, got {shown(str(folder))}: nothing is overwritten"
        raise RangeBarError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_int(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is not an integer in a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        msg = f"`{name}` must be an integer in {low}..{high}, got {shown(value)}"
        raise RangeBarError(msg)


def checked_symbols(symbols: object) -> list[str]:
    """Return the symbols, which name files and folders."""
    if isinstance(symbols, Sequence) and not isinstance(symbols, str):
        names = [_checked_symbol(name) for name in cast("Sequence[object]", symbols)]
    else:
        names = [_checked_symbol(symbols)]
    if not names or len({name.casefold() for name in names}) < len(names):
        msg = f"`symbols` must be one or more distinct names (ignoring case), got {shown(names)}"
        raise RangeBarError(msg)
    return names


def _checked_symbol(name: object) -> str:
    if not isinstance(name, str) or not _SYMBOL.fullmatch(name):
        msg = f"`symbols` must consist of letters, digits, '.', '_' and '-', got {shown(name)}: they name files"
        raise RangeBarError(msg)
    return name


def checked_start(start: object) -> int:
    """Return the first instant, in milliseconds since 1970."""
    if not isinstance(start, datetime):
        msg = f"`start` must be a datetime, got {shown(start)}"
        raise RangeBarError(msg)
    moment = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    return -(-(moment - EPOCH) // timedelta(milliseconds=1))
