"""Trades on their way into the lake, kept apart by symbol and day; in memory while they are few, else on the disk."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from rangebar_polars._lake.footer import read_whole
from rangebar_polars._lake.layout import TradesUnit

__all__ = ["Incoming"]

_MOST_BYTES: Final = 512 << 20
"""Trades of all days that are held in memory."""


_NOTHING: Final = pl.DataFrame()


class Incoming:
    """The trades of days that have not ended yet."""

    def __init__(self, space: Path) -> None:
        self._space = space
        self._parts: dict[TradesUnit, list[pl.DataFrame | Path]] = {}
        self._bytes: Counter[TradesUnit] = Counter()
        self._values: dict[TradesUnit, Counter[str]] = {}
        self._total = 0

    def append(self, unit: TradesUnit, rows: pl.DataFrame) -> None:
        """Rows of a day, after those that came before."""
        self._parts.setdefault(unit, []).append(rows)
        size = int(rows.estimated_size())
        self._bytes[unit] += size
        self._total += size
        values = self._values.setdefault(unit, Counter())
        values.update({column.name: column.len() - column.null_count() for column in rows})
        while self._total > _MOST_BYTES:
            self._spill(max(self._bytes, key=self._bytes.__getitem__))

    def reopen(self, unit: TradesUnit, file: Path, rows: int, columns: list[str]) -> None:
        """A day that was taken for ended, and goes on."""
        self._parts[unit] = [file]
        self._values[unit] = Counter(dict.fromkeys(columns, rows))

    def units(self) -> list[TradesUnit]:
        """The days that there are."""
        return list(self._parts)

    def columns(self, unit: TradesUnit) -> list[str]:
        """The columns of a day that are not null throughout."""
        return [name for name, values in self._values[unit].items() if values]

    def take(self, unit: TradesUnit) -> Iterator[pl.DataFrame]:
        """The rows of a day, which is forgotten."""
        self._total -= self._bytes.pop(unit, 0)
        self._values.pop(unit)
        return _frames(self._parts.pop(unit))

    def _spill(self, unit: TradesUnit) -> None:
        """Move the rows of a day to the disk."""
        parts = self._parts[unit]
        kept = [part for part in parts if isinstance(part, Path)]
        file = self._space / f"{secrets.token_hex(16)}.arrow"
        pl.concat(part for part in parts if not isinstance(part, Path)).write_ipc(file)
        self._parts[unit] = [*kept, file]
        self._total -= self._bytes.pop(unit)


def _frames(parts: list[pl.DataFrame | Path]) -> Iterator[pl.DataFrame]:
    """The rows of parts, each of which is released when the next one is asked for."""
    for number, part in enumerate(parts):
        if isinstance(part, Path):
            yield read_whole(part) if part.suffix == ".parquet" else pl.read_ipc(part.read_bytes())
            part.unlink()
        else:
            yield part
        parts[number] = _NOTHING
