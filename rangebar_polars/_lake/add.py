"""Trades into the lake: each day whole, each trade once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from rangebar_polars._engine.reading import batches
from rangebar_polars._lake.footer import DamagedFileError, Facts, clock, read_facts, read_whole
from rangebar_polars._lake.given import Given, in_order
from rangebar_polars._lake.incoming import Incoming
from rangebar_polars._lake.layout import Layout, TradesUnit
from rangebar_polars._lake.lock import locked
from rangebar_polars._lake.merge import OnConflict, merged
from rangebar_polars._lake.origin import Origin, archive_of, is_whole, joined
from rangebar_polars._lake.publish import Written, place, stage
from rangebar_polars._lake.workspace import workspace
from rangebar_polars._readers.report import ReadReport
from rangebar_polars.exceptions import RangeBarError

__all__ = ["AddReport", "OnConflict", "add"]

_WRITERS: Final = 2
"""Days that are written at a time."""


@dataclass
class AddReport:
    """
    What became of trades that were added to a lake.

    Attributes
    ----------
    new, merged, replaced, unchanged
        The days that were written for the first time, that got more trades, that got others, and that had them all, as
        (venue, symbol, date).
    rows
        The rows that were given.
    read
        What the reader put in order or left out, if the lake read files itself.
    """

    new: list[TradesUnit] = field(default_factory=list[TradesUnit])
    merged: list[TradesUnit] = field(default_factory=list[TradesUnit])
    replaced: list[TradesUnit] = field(default_factory=list[TradesUnit])
    unchanged: list[TradesUnit] = field(default_factory=list[TradesUnit])
    rows: int = 0
    read: ReadReport | None = None

    def __repr__(self) -> str:
        days = ", ".join(f"{len(getattr(self, n))} {n}" for n in ("new", "merged", "replaced", "unchanged"))
        told = ""
        if self.read is not None:
            moved = self.read.frame().filter(action="sorted")["count"].sum()
            told = f"; rows: {moved:,} put in order, {self.read.total:,} left out"
        return f"<AddReport: {self.rows:,} trades; days: {days}{told}>"


@dataclass(frozen=True)
class _Draft:
    """A day that is written, but not in its place."""

    file: Path
    facts: Facts


def add(
    layout: Layout,
    frame: pl.LazyFrame,
    *,
    venue: str,
    symbol: str | None,
    on_conflict: OnConflict,
    lock_seconds: float,
    origin: Origin | None = None,
) -> AddReport:
    """Add the trades of a frame; those of a user have no origin."""
    given = Given(frame, layout, venue=venue, symbol=symbol)
    with workspace(layout.staging) as space:
        report = AddReport()
        drafts = _drafts(layout, given, space, report, origin)
        # Only now, when the input has come to its end: an archive knows at its end whether it was whole.
        with locked(layout.locks, f"trades {venue}", seconds=lock_seconds):
            ready: dict[Path, Path] = {}
            if origin is not None and origin.check is not None:
                origin.check({unit: draft.facts for unit, draft in drafts.items()})
            beside = _Beside(layout, space, report, on_conflict, origin)
            for unit in sorted(drafts):
                if (draft := beside(unit, drafts[unit])) is not None:
                    ready[layout.file(unit)] = draft.file
            # And only now, when no day contradicts what is there.
            place(layout.root, ready)
    return report


def _drafts(
    layout: Layout, given: Given, space: Path, report: AddReport, origin: Origin | None
) -> dict[TradesUnit, _Draft]:
    """All days of the input, written aside."""
    incoming, drafts, again = Incoming(space), _Drafts(layout, given.schema, space), set[TradesUnit]()
    sources = [] if origin is None else origin.sources
    with drafts, closing(batches(given.query, given.query.collect_schema().names())) as read:
        for batch in read:
            if not batch.height:
                continue
            report.rows += batch.height
            latest = dict[str, TradesUnit]()
            for unit, rows in given.parts(batch):
                _check_day(unit, rows, origin)
                if (draft := drafts.take_back(unit)) is not None:
                    # It was taken for ended; files may come in any order.
                    incoming.reopen(unit, draft.file, draft.facts.rows, draft.facts.columns)
                    again.add(unit)
                incoming.append(unit, rows)
                latest[unit.symbol] = max(unit, latest.get(unit.symbol, unit))
            # A day has ended for a symbol whose next day has begun.
            for unit in incoming.units():
                if unit not in again and unit.symbol in latest and unit < latest[unit.symbol]:
                    drafts.write(unit, incoming, sources)
        left = sorted(incoming.units())
        for unit in left:
            is_last = unit == left[-1]
            of_unit = origin.sources_of_last(drafts.count() + 1) if is_last and origin is not None else sources
            drafts.write(unit, incoming, of_unit)
        return drafts.all()


def _check_day(unit: TradesUnit, rows: pl.DataFrame, origin: Origin | None) -> None:
    """That trades are of a day that their origin can have."""
    if origin is None or origin.first <= unit.date <= origin.last:
        return
    days = f"{origin.first}" if origin.first == origin.last else f"{origin.first} to {origin.last}"
    msg = (
        f"{origin.sources[0][0]} holds trades of another day, the first at {rows['timestamp'][0]}, where those of "
        f"{days} should be: the venue has mixed up its files, so nothing of this one is kept"
    )
    raise RangeBarError(msg)


class _Drafts:
    """Days that are written aside on threads, while the next ones are read."""

    def __init__(self, layout: Layout, schema: pl.Schema, space: Path) -> None:
        self._layout = layout
        self._schema = schema
        self._space = space
        self._of: dict[TradesUnit, Future[_Draft]] = {}
        self._running: list[Future[_Draft]] = []
        self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="rangebar_polars add")

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def write(self, unit: TradesUnit, incoming: Incoming, sources: list[list[str]]) -> None:
        """Write a day; waits while others are written, so that few days are in memory."""
        kept = incoming.columns(unit)
        schema = pl.Schema({name: dtype for name, dtype in self._schema.items() if name in kept})
        parts = incoming.take(unit)
        frames = (pl.concat([schema.to_frame(), rows], how="diagonal").select(schema.names()) for rows in parts)
        while len(self._running) >= _WRITERS:
            self._running.pop(0).result()
        task = self._pool.submit(
            _staged,
            self._layout,
            unit,
            in_order(unit, frames),
            schema=schema,
            space=self._space,
            sources=sources,
        )
        self._of[unit] = task
        self._running.append(task)

    def take_back(self, unit: TradesUnit) -> _Draft | None:
        """A day that was written and goes on."""
        return self._of.pop(unit).result() if unit in self._of else None

    def count(self) -> int:
        """How many days there are so far."""
        return len(self._of)

    def all(self) -> dict[TradesUnit, _Draft]:
        """All days, once they are written."""
        return {unit: task.result() for unit, task in self._of.items()}


def _staged(
    layout: Layout,
    unit: TradesUnit,
    frames: Iterator[pl.DataFrame],
    *,
    schema: pl.Schema,
    space: Path,
    sources: list[list[str]],
) -> _Draft:
    def facts(written: Written) -> Facts:
        return Facts(
            key=unit.key,
            kind="trades",
            params=clock(layout),
            sources=sources,
            previous="",
            checkpoint="",
            **vars(written),
        )

    return _Draft(*stage(space, frames, schema, facts))


@dataclass
class _Beside:
    """Puts days beside those that are there already."""

    layout: Layout
    space: Path
    report: AddReport
    on_conflict: OnConflict
    origin: Origin | None

    def __call__(self, unit: TradesUnit, draft: _Draft) -> _Draft | None:
        """A day with the trades that are there; None if its file is to stay as it is."""
        try:
            there = read_facts(self.layout, unit)
        except FileNotFoundError:
            self.report.new.append(unit)
            return draft
        except DamagedFileError:
            if self.origin is None or not self.origin.is_archive:
                raise
            # What an archive has is all of the day; what was there cannot be read any more.
            self.report.replaced.append(unit)
            return draft
        if there.digest == draft.facts.digest:
            self.report.unchanged.append(unit)
            # The same trades, of which more may be known now.
            return draft if self._tells_more(draft.facts, there) else None
        if self.origin is not None and self.origin.supersedes(there):
            self.report.replaced.append(unit)
            return draft
        return self._merged(unit, draft, there)

    def _merged(self, unit: TradesUnit, draft: _Draft, facts: Facts) -> _Draft | None:
        there, given = read_whole(self.layout.file(unit)), read_whole(draft.file)
        rows, is_replaced = merged(unit, there, given, self.on_conflict)
        is_same = rows.equals(there)
        sources = facts.sources if is_same and self.origin is None else joined(facts.sources, self._sources)
        if self.origin is not None and self.origin.is_archive and rows.equals(given):
            sources = draft.facts.sources  # they are all of this origin
        if is_same and sources == facts.sources:
            self.report.unchanged.append(unit)
            return None
        into = self.report.unchanged if is_same else self.report.replaced if is_replaced else self.report.merged
        into.append(unit)
        return _staged(
            self.layout, unit, in_order(unit, iter([rows])), schema=rows.schema, space=self.space, sources=sources
        )

    def _tells_more(self, given: Facts, there: Facts) -> bool:
        """Whether the origin says more of the same trades than their file does."""
        if self.origin is None or there.sources == given.sources:
            return False
        return self.origin.is_archive or (archive_of(there) is None and not is_whole(there))

    @property
    def _sources(self) -> list[list[str]] | None:
        return None if self.origin is None else self.origin.sources
