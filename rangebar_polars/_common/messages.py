"""How messages show values, dtypes and column names: in full if they are short, otherwise cut."""

from __future__ import annotations

import os
from collections.abc import Sequence
from reprlib import Repr
from typing import Final

__all__ = ["cut", "kind", "listed", "shown", "shown_path"]

_LETTERS: Final = 100
"""Letters of a value or a name, before its middle is left out."""

_NAMES: Final = 20
"""Names that a message lists before it only counts the others."""

_BITS: Final = 1_000
"""Bits of an integer, before only its length is shown: Python refuses to write out a very long one."""


class _Short(Repr):
    """Containers by their first values, texts by both ends, and no integer that Python refuses to write out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _LETTERS
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 10

    def repr_int(self, x: int, level: int) -> str:
        del level  # an integer holds nothing
        return f"an integer of {x.bit_length()} bits" if x.bit_length() > _BITS else repr(x)


_SHORT: Final = _Short()


def shown(value: object) -> str:
    """A value or a dtype as a message shows it; the kind of a frame or an array, which have no short form."""
    dimensions = getattr(value, "ndim", 0)
    if hasattr(value, "__arrow_c_stream__") or (isinstance(dimensions, int) and dimensions > 0):
        return kind(value)
    return cut(_SHORT.repr(value), 3 * _LETTERS)


def kind(value: object) -> str:
    """The type of an object with its package: a DataFrame may be of pandas or of Polars."""
    package = type(value).__module__.partition(".")[0]
    name = type(value).__qualname__
    return f"`{name}`" if package == "builtins" else f"`{package}.{name}`"


def cut(text: str, letters: int = _LETTERS) -> str:
    """A text shortened to so many letters: its beginning and its end."""
    half = (letters - 3) // 2
    return text if len(text) <= letters else f"{text[:half]}...{text[-half:]}"


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path as messages show it: its end, with the name of the file, if it is long."""
    text = os.fspath(path)
    return text if len(text) <= 2 * _LETTERS else f"...{text[3 - 2 * _LETTERS :]}"


def listed(names: Sequence[str], mark: str = "`") -> str:
    """Names as messages list them."""
    told = ", ".join(f"{mark}{cut(name)}{mark}" for name in names[:_NAMES])
    return f"{told} and {len(names) - _NAMES} more" if len(names) > _NAMES else told
