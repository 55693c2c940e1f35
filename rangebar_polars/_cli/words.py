"""Messages of the library in the words of a shell: `--series base` rather than `series="base"`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

__all__ = ["in_shell_words", "option"]

_BUILD: Final = re.compile(r"`lake\.build\((['\"])(.*?)\1\)`")
_SERIES: Final = re.compile(r"`lake\.series\((['\"])(.*?)\1, threshold_dbps=\.\.\.\)`")
_GIVEN: Final = re.compile(r"`?\b(\w+)=\"([^\"]*)\"`?")
_NAMED: Final = re.compile(r"`(\w+)=?`")


def in_shell_words(text: str, options: Collection[str]) -> str:
    """
    A message of the library as a user of a shell needs it.

    Parameters are options where the command has such an option; everything else stays as it is.
    """
    text = _BUILD.sub(r"`rangebar-polars build --series \2`", text)
    text = _SERIES.sub(r"`rangebar-polars build --series \2 --threshold-dbps 250`", text)
    text = _GIVEN.sub(lambda m: f"`{option(m[1])} {m[2]}`" if m[1] in options else m[0], text)
    return _NAMED.sub(lambda m: f"`{option(m[1])}`" if m[1] in options else m[0], text)


def option(name: str) -> str:
    """The option of a parameter."""
    return f"--{name.replace('_', '-')}"
