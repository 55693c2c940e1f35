"""The facts that come with the library, and those of a lake over them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from rangebar_polars._common.messages import listed, shown, shown_path
from rangebar_polars._registry.facts import ALL, Fact
from rangebar_polars.exceptions import LakeFileError, RangeBarError

__all__ = ["FILE", "bundled", "known"]

FILE: Final = "symbols.toml"
"""The name of the file, in the package and in a lake."""

_FORMAT: Final = 1
_NEEDED: Final = ("venue", "symbols", "kind", "first", "last", "text", "source", "noted")
_FIELDS: Final = (*_NEEDED, "first_id", "last_id", "rows", "reason", "other")

_Origin = Literal["bundled", "lake"]


@lru_cache(maxsize=1)
def bundled() -> tuple[Fact, ...]:
    """The facts that come with the library."""
    file = resources.files("rangebar_polars._registry") / FILE
    entries = _entries(str(file), file.read_bytes)
    return tuple(fact for name, entry in entries.items() for fact in _facts(str(file), name, entry, "bundled"))


def known(folder: Path) -> list[Fact]:
    """
    The facts that hold in a lake: those of the library, and over them those of its own file, if there is one.

    A fact of the lake replaces the one of the same name, or withdraws it; in the place of that one if it replaces it.
    """
    file = folder / FILE
    facts = {name: [f for f in bundled() if f.name == name] for name in dict.fromkeys(f.name for f in bundled())}
    if not file.exists():
        return [fact for of_name in facts.values() for fact in of_name]
    for name, entry in _entries(str(file), file.read_bytes).items():
        if "withdrawn" not in entry:
            facts[name] = list(_facts(str(file), name, entry, "lake"))
            continue
        if entry != {"withdrawn": True} or name not in facts:
            reason = "stands alone, as `withdrawn = true`" if name in facts else "names a fact of the library"
            msg = f"{_where(str(file), name)}: `withdrawn` {reason}: correct the entry, or remove it"
            raise LakeFileError(msg)
        del facts[name]
    return [fact for of_name in facts.values() for fact in of_name]


def _entries(file: str, read: Callable[[], bytes]) -> Mapping[str, Mapping[str, Any]]:
    """The tables of a file."""
    try:
        content = tomllib.loads(read().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        msg = f"{shown_path(file)} is no TOML that can be read ({error}): correct it, or move it away"
        raise LakeFileError(msg) from error
    if content.get("format") != _FORMAT:
        told = shown(content.get("format"))
        msg = f"{shown_path(file)} has the format {told}, and known facts have {_FORMAT}: write `format = {_FORMAT}`"
        raise LakeFileError(msg)
    entries: dict[str, Any] = content.get("facts", {})
    others = sorted(content.keys() - {"format", "facts"})
    if others or not isinstance(entries, dict):
        msg = f"{shown_path(file)} has {listed(others or ['facts'])}: write each fact as a table `[facts.<name>]`"
        raise LakeFileError(msg)
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            msg = f"{_where(file, name)} is {shown(entry)}: write it as a table `[facts.<name>]`"
            raise LakeFileError(msg)
    return entries


def _facts(file: str, name: str, entry: Mapping[str, Any], origin: _Origin) -> Iterator[Fact]:
    """The facts of one table: one for each of its symbols."""
    absent = [field for field in _NEEDED if field not in entry]
    unknown = sorted(entry.keys() - set(_FIELDS))
    if absent or unknown:
        told = f"lacks {listed(absent)}" if absent else f"has {listed(unknown)}"
        msg = f"{_where(file, name)} {told}: a fact has {listed(_NEEDED)} and, where they are needed, {_optional()}"
        raise LakeFileError(msg)
    is_list = isinstance(entry["symbols"], list)
    symbols: list[Any] = entry["symbols"] if is_list else [entry["symbols"]]
    if is_list is (ALL in symbols) or not symbols or len(set(map(str, symbols))) != len(symbols):
        msg = f'{_where(file, name)}: `symbols` must be a list of distinct names, or "*", got {shown(entry["symbols"])}'
        raise LakeFileError(msg)
    rest = {field: value for field, value in entry.items() if field != "symbols"}
    for symbol in symbols:
        try:
            yield Fact(name=name, symbol=symbol, origin=origin, **rest)
        except RangeBarError as error:
            msg = f"{_where(file, name)}: {error}"
            raise LakeFileError(msg) from error


def _where(file: str, name: str) -> str:
    return f"{shown_path(file)}, `[facts.{name}]`"


def _optional() -> str:
    return listed([field for field in _FIELDS if field not in _NEEDED])
