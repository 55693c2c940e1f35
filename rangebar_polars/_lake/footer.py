"""What the footer of a file says: what it holds, and what it was made of. The lake has no other memory."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._common.messages import cut, shown_path
from rangebar_polars._lake.layout import Layout, TradesUnit, Unit, check_links
from rangebar_polars.exceptions import LakeFileError

__all__ = ["FORMAT", "DamagedFileError", "Facts", "clock", "facts_of", "read_facts", "read_whole"]

FORMAT: Final = 1
"""The version of files and footers."""

_FORMAT: Final = str(FORMAT)
_PREFIX: Final = "rangebar."
_TEXTS: Final = ("key", "kind", "digest", "params", "previous", "checkpoint", "format")

_AT_ONCE: Final = 1_000
"""Footers that are read at a time: several threads read them, and little is held."""

_Unit = TypeVar("_Unit", bound=Unit)


class DamagedFileError(LakeFileError):
    """A file that a lake wrote and something else spoiled: nothing is lost if it is written again."""


class Facts(NamedTuple):
    """The entries of a footer. There is no time of day among them: a file that is made again has the same bytes."""

    key: str
    """The name of the file in the lake: a file that was copied to another day or symbol is noticed."""
    kind: Literal["trades", "bars"]
    rows: int
    digest: str
    """Of the columns: BLAKE3 of their values, whatever the row groups are."""
    first_time: int | None
    """The first and the last time, in microseconds or nanoseconds since 1970."""
    last_time: int | None
    first_id: int | None
    """The first and the last id, if trades have some."""
    last_id: int | None
    missing: list[list[int]] | None
    """The ranges of ids that are missing between the first and the last, each with its first and its last id; None if
    there are more than a thousand: then the ids tell."""
    params: str
    """What was asked for, as canonical JSON: of trades their clock, of bars the request."""
    sources: list[list[str]]
    """The names and digests of the files that it was made of."""
    previous: str
    """The digest of the state from which it goes on; empty if it goes on from none."""
    checkpoint: str
    """The state behind its last trade, in base85; empty if there is none."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [column.rpartition(":")[0] for column in self.digest.split()]

    @property
    def state(self) -> bytes | None:
        """The state behind its last trade."""
        return base64.b85decode(self.checkpoint) or None

    @property
    def state_digest(self) -> str:
        """The digest of that state."""
        return hashlib.blake2b(self.checkpoint.encode(), digest_size=16).hexdigest() if self.checkpoint else ""

    def to_metadata(self) -> dict[str, str]:
        """As the footer has them."""
        entries: dict[str, Any] = {f"{_PREFIX}{name}": value for name, value in self._asdict().items()}
        entries[f"{_PREFIX}format"] = FORMAT
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in entries.items()}


_NAMES: Final = [(f"{_PREFIX}{name}", name not in _TEXTS) for name in (*Facts._fields, "format")]
"""The names of our entries, and which are values in JSON."""


def read_facts(layout: Layout, unit: Unit, *, whole: bool = False) -> Facts:
    """
    What the footer of the file of a unit says; an error if the file is damaged, or of something else.

    Unless the `whole` footer is to be read, only our entries are, which is much faster.
    """
    file = f"{layout.root}/{unit.key}"
    (read,) = _internal.read_entries([file], _NAMES)
    return _facts(layout, unit, file, read, whole=whole)


def facts_of(layout: Layout, units: Iterable[_Unit]) -> dict[_Unit, Facts | LakeFileError]:
    """The footers of units, or why there is none; units without a file are left out."""
    found: dict[_Unit, Facts | LakeFileError] = {}
    rest = iter(units)
    while some := [*islice(rest, _AT_ONCE)]:
        files = [f"{layout.root}/{unit.key}" for unit in some]
        for unit, file, read in zip(some, files, _internal.read_entries(files, _NAMES), strict=True):
            try:
                found[unit] = _facts(layout, unit, file, read)
            except FileNotFoundError:
                continue
            except LakeFileError as error:
                found[unit] = error
    return found


def _facts(
    layout: Layout, unit: Unit, file: str, read: tuple[Any, ...] | OSError | None, *, whole: bool = False
) -> Facts:
    """The facts of a unit, of which our entries were read; if they are not as expected, Polars reads them again."""
    if whole or not isinstance(read, tuple) or read[-1] != _FORMAT:
        read = _by_polars(file, read)
    facts = Facts._make(read[:-1])
    try:
        _check(facts)
    except (ValueError, TypeError) as error:
        raise _altered(file, error) from error
    if f"{layout.root}/{facts.key}" != file:
        msg = f"{shown_path(file)} is a copy of {cut(facts.key, 200)}: {_remedy(file)}"
        raise DamagedFileError(msg)
    if isinstance(unit, TradesUnit) and facts.params != clock(layout):
        msg = f"{shown_path(file)} has another clock than the lake ({cut(facts.params)}): {_remedy(file)}"
        raise DamagedFileError(msg)
    return facts


def _by_polars(file: str, read: object) -> tuple[Any, ...]:
    """Our entries as Polars reads a footer, which may have been tried already; an error if it is none of a lake."""
    with _damage(file):
        # Also if Polars is to read it in any case: it would wait for ever for a pipe in the place of a file.
        if isinstance(read, OSError):
            raise read
        metadata = pl.read_parquet_metadata(file)
    given = metadata.get(f"{_PREFIX}format")
    if given is None:
        msg = f"{shown_path(file)} was not written by a lake: move it elsewhere, and add its trades with `lake.add`"
        raise LakeFileError(msg)
    if given != _FORMAT:
        msg = f"{shown_path(file)} has format {cut(given)}, this version knows {FORMAT}: update it"
        raise LakeFileError(msg)
    try:
        return tuple(json.loads(metadata[name]) if is_value else metadata[name] for name, is_value in _NAMES)
    except (KeyError, ValueError) as error:
        raise _altered(file, error) from error


def read_whole(file: Path) -> pl.DataFrame:
    """The rows of a file."""
    with _damage(str(file)):
        return pl.read_parquet(file, hive_partitioning=False, glob=False, memory_map=False)


def clock(layout: Layout) -> str:
    """The parameters of trades."""
    return f'{{"time_unit":"{layout.time_unit}"}}'


@contextmanager
def _damage(file: str) -> Generator[None]:
    """
    Errors of the reader as one that names the file.

    Those of the system stay as they are, if they name it, and if it is gone: but not where a link leads to it.
    """
    try:
        yield
    except FileNotFoundError:
        check_links(file)
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        msg = f"{shown_path(file)} cannot be read ({error.strerror or error}): if it is no file, move it elsewhere"
        raise LakeFileError(msg) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        told = (str(error) or type(error).__name__).splitlines()[0]
        msg = f"{shown_path(file)} is damaged or cut off ({cut(told)}): {_remedy(file)}"
        raise DamagedFileError(msg) from error


def _check(facts: Facts) -> None:
    """A footer that somebody altered is an error here, and none later at a place that knows no file."""
    if not isinstance(facts.rows, int) or facts.rows < 0:
        raise ValueError("the number of rows is none")
    for number in (facts.first_time, facts.last_time, facts.first_id, facts.last_id):
        if not (number is None or isinstance(number, int)):
            raise ValueError("a number is none")
    missing = facts.missing or []
    pairs = missing + facts.sources
    if pairs and not all(len(pair) == 2 for pair in pairs):  # noqa: PLR2004
        raise ValueError("a list has no pairs")
    if missing and not all(isinstance(x, int) for pair in missing for x in pair):
        raise ValueError("a missing id is no number")


def _altered(file: str, error: Exception) -> DamagedFileError:
    msg = f"the footer of {shown_path(file)} is not as a lake writes it ({error}): {_remedy(file)}"
    return DamagedFileError(msg)


def _remedy(file: str) -> str:
    is_trades = file.endswith("trades.parquet")
    return "remove it, and add its trades again" if is_trades else "`lake.build` writes it anew"
