"""What the name of a file tells, and that of the member in it: the symbol and the date."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rangebar_polars._common.messages import cut, shown_path
from rangebar_polars._readers.preset import Preset
from rangebar_polars.exceptions import RangeBarError

__all__ = ["stem", "told_by_names"]

_ENDINGS: Final = re.compile(r"(?:\.(?:csv|txt|gz|zip|zst|dbn|parquet))+$", re.IGNORECASE)


def stem(name: str) -> str:
    """A name without the endings that say what kind of file it is: "XBTUSD" of "XBTUSD.csv.gz"."""
    return _ENDINGS.sub("", name)


def told_by_names(file: Path, member: str, preset: Preset, *, is_chosen: bool, symbol: str | None) -> dict[str, str]:
    """
    The `symbol` and the `date` that the names of a file and of its member tell.

    The whole name must be one that the preset knows: a part of it might be a part of the symbol, and two instruments
    would become one. If both names tell something, they must agree, unless the user chose the member, whose name then
    holds, or gave the symbol.
    """
    if preset.file_name is None:
        return {}
    outer = _told(file.name, preset.file_name)
    inner = _told(Path(member).name, preset.file_name)
    if is_chosen:
        return outer | inner
    for group in sorted(outer.keys() & inner.keys()):
        if outer[group] != inner[group] and not (group == "symbol" and symbol is not None):
            remedy = "rename the file" + (", or give `symbol=`" if group == "symbol" else "")
            msg = (
                f"{shown_path(file)} has the {group} {outer[group]!r} in its name, but holds {cut(repr(member))}, "
                f"whose name says {inner[group]!r}: {remedy}"
            )
            raise RangeBarError(msg)
    return inner | outer


def _told(name: str, pattern: str) -> dict[str, str]:
    match = re.fullmatch(pattern, stem(name))
    told = {} if match is None else {group: text for group, text in match.groupdict().items() if text}
    return told | ({"symbol": told["symbol"].upper()} if "symbol" in told else {})
