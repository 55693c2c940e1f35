"""Trades of a venue into the lake: what is missing is fetched, each archive checked before any of it gets in."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, closing
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

import polars as pl

from rangebar_polars._common.days import days_of, month_of
from rangebar_polars._common.messages import shown
from rangebar_polars._fetch import http
from rangebar_polars._fetch.http import RefusedError, UnreachableError, VenueError
from rangebar_polars._fetch.listing import Listing, list_archives
from rangebar_polars._fetch.plan import Held, planned
from rangebar_polars._fetch.rest import HoleError
from rangebar_polars._fetch.venues import KINDS
from rangebar_polars._lake.archive_days import ArchiveDays
from rangebar_polars._lake.coverage import follows, without_quotes
from rangebar_polars._lake.fetch_job import FetchJob
from rangebar_polars._lake.fetch_options import Checksums, Fetch, asked
from rangebar_polars._lake.fetch_progress import FetchProgress
from rangebar_polars._lake.fetch_report import FetchReport
from rangebar_polars._lake.footer import DamagedFileError, Facts, facts_of
from rangebar_polars._lake.layout import Layout, check_key
from rangebar_polars._lake.lock import locked
from rangebar_polars._lake.origin import Origin, archive_of, is_whole
from rangebar_polars._lake.rest_days import RestDays
from rangebar_polars._lake.workspace import sweep
from rangebar_polars.exceptions import LakeLockError, RangeBarError

__all__ = ["Checksums", "Fetch", "IdRange", "asked", "fetch", "fill"]

IdRange: TypeAlias = tuple[dt.date, dt.date, int, int]
"""The days in which ids are missing, and the first and the last of them."""

_MOST_SYMBOLS: Final = 32
"""Symbols that are worked on, and locked, at a time."""


def fetch(
    layout: Layout,
    asked: Fetch,
    symbols: Sequence[str],
    first: dt.date | None,
    last: dt.date | None,
    *,
    progress: bool,
    only: Collection[dt.date] | None = None,
) -> FetchReport:
    """
    Fetch the trades of symbols from one day, or from the first one that there is, to another, or to now.

    With `only`, just these days of them.
    """
    report, began = FetchReport(), time.monotonic()
    for symbol in symbols:
        check_key("symbol", symbol)
    sweep(layout.staging)  # also if there is nothing to add
    with ExitStack() as held:
        shown_as = held.enter_context(closing(FetchProgress())) if progress else None
        http.run(lambda: _fetch(layout, asked, report, shown_as, [_Wanted(s, first, last, only) for s in symbols]))

    def is_asked(day: dt.date) -> bool:
        return (first is None or first <= day) and (last is None or day <= last)

    added = set(report.added)
    report.added = sorted(added)
    report.unchanged = sorted(set(report.unchanged) - added)
    report.missing = sorted(one for one in set(report.missing) if one[0] not in added and is_asked(one[0].date))
    report.seconds = time.monotonic() - began
    return report


def fill(layout: Layout, asked: Fetch, symbol: str, ranges: Iterable[IdRange]) -> tuple[FetchReport, list[HoleError]]:
    """Fetch the trades of a symbol with these ids; returns the errors for those that the venue lacks, too."""
    report, holes = FetchReport(), list[HoleError]()

    async def filled() -> None:
        async with http.opened(weight=asked.venue.rest_weight) as client:
            job = FetchJob(layout, asked, report, client, None, asyncio.Semaphore(asked.concurrency))
            await job.guarded(symbol, _Symbol(job, symbol).fill(ranges, holes))

    http.run(filled)
    return report, holes


class _Wanted(NamedTuple):
    """A symbol, from one day, or from the first one, to another, or to now, or only some days of these."""

    symbol: str
    first: dt.date | None
    last: dt.date | None
    only: Collection[dt.date] | None


async def _fetch(
    layout: Layout, asked: Fetch, report: FetchReport, shown_as: FetchProgress | None, wanted: Iterable[_Wanted]
) -> None:
    """Fetch all symbols; one that fails does not stop the others."""
    some = asyncio.Semaphore(_MOST_SYMBOLS)
    async with http.opened(weight=asked.venue.rest_weight) as client, asyncio.TaskGroup() as group:
        job = FetchJob(layout, asked, report, client, shown_as, asyncio.Semaphore(asked.concurrency))
        for symbol, first, last, only in wanted:
            days = _Symbol(job, symbol, only).fetch(some, first, last or asked.now.date())
            group.create_task(job.guarded(symbol, days))


class _Symbol:
    """What is fetched of one symbol."""

    def __init__(self, job: FetchJob, symbol: str, only: Collection[dt.date] | None = None) -> None:
        self._job = job
        self._symbol = symbol
        self._only = only

    async def fetch(self, some: asyncio.Semaphore, first: dt.date | None, last: dt.date) -> None:
        """Fetch days, when it is the turn of this symbol."""
        async with some, AsyncExitStack() as held:
            await self._lock(held)
            await self._days(first, last)

    async def fill(self, ranges: Iterable[IdRange], holes: list[HoleError]) -> None:
        """Fetch ranges of ids by the REST interface, and note those that the venue lacks."""
        job = self._job
        async with AsyncExitStack() as held:
            await self._lock(held)
            rest = RestDays(job.layout, job.client, job.asked.venue, self._symbol, now=job.asked.now, add=self._add)
            for first, last, first_id, last_id in ranges:
                holes += await rest.ids(first, last, (first_id, last_id))

    async def _lock(self, held: AsyncExitStack) -> None:
        """Hold the lock of a symbol: two processes would write to the same download."""
        asked = self._job.asked
        deadline = time.monotonic() + asked.lock_seconds
        while True:
            try:
                held.enter_context(locked(self._job.layout.locks, f"fetch {asked.venue.name} {self._symbol}"))
            except LakeLockError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def _days(self, first: dt.date | None, last: dt.date) -> None:
        job, symbol, venue, kind = self._job, self._symbol, self._job.asked.venue, self._job.asked.kind
        listing = await self._listing(first, last)
        begin = first or listing.first
        if begin is None or not (listing.daily or listing.monthly):
            where = f"{venue.listing}, in {venue.folder(kind, symbol, monthly=venue.daily is None)}"
            msg = f"{venue.name} has no archives of {kind} of {shown(symbol)} ({where}): is it the venue's name for it?"
            raise VenueError(msg)
        has_rest = job.asked.rest and venue.rest is not None and kind == "aggTrades"
        held, spoiled = self._held(begin, last)
        quiet = set[dt.date]() if venue.continuous_ids else {day for day, one in held.items() if one.is_empty}
        # A weekend without quotes is none that the venue lacks.
        days = [day for day in self._among(begin, last) if day not in spoiled | quiet]
        plan = planned(days, listing, held, today=job.asked.now.date(), has_rest=has_rest)
        for day, reason in plan.missing:
            job.miss(symbol, [day], reason)
        job.report.unchanged += [job.unit(symbol, day) for day in plan.current]

        archives = ArchiveDays(job, symbol, listing)
        archives.tidy([archive.name for archive in plan.archives], begin, last)
        await archives.fetch(plan.archives)
        archives.tidy(job.report.failed, begin, last)

        # A day that an archive should have, and has not: there were no trades, as ids may show, or REST has them.
        absent = set(archives.absent) & set(self._among(begin, last))
        empty = {day for day, one in self._held(begin, last)[0].items() if one.is_empty} if absent else set[dt.date]()
        asked_for = absent - empty if has_rest else set[dt.date]()
        job.miss(symbol, absent - asked_for, "missing at the venue")
        if days := sorted({*plan.rest, *asked_for}):
            await self._rest(days)

    def _among(self, first: dt.date, last: dt.date) -> list[dt.date]:
        """The days that are asked for."""
        return [day for day in days_of(first, last) if self._only is None or day in self._only]

    async def _rest(self, days: list[dt.date]) -> None:
        """Fetch days by the REST interface, in their order; if it does not answer, it is not asked for the others."""
        job, symbol = self._job, self._symbol
        rest = RestDays(job.layout, job.client, job.asked.venue, symbol, now=job.asked.now, add=self._add)

        async def one(day: dt.date) -> None:
            if not await rest.day(day):
                is_over = day < job.asked.now.date()
                job.miss(symbol, [day], "missing at the venue" if is_over else "not published yet")

        error: Exception | None = None
        for day in days:
            name = f"{symbol} {day}"
            if isinstance(error, (RefusedError, UnreachableError)):
                job.report.failed[name] = error
            else:
                error = await job.guarded(name, one(day))

    async def _add(self, frame: pl.LazyFrame, symbol: str, origin: Origin) -> None:
        """Add trades of the REST interface."""
        async with self._job.converters:
            self._job.note(await asyncio.to_thread(self._job.add, frame, symbol, origin))

    async def _listing(self, first: dt.date | None, last: dt.date) -> Listing:
        """What there is; of a venue that does not list its files, what there may be."""
        venue, kind = self._job.asked.venue, self._job.asked.kind
        if venue.listing is not None:
            return await list_archives(self._job.client, venue, kind, self._symbol)
        if first is None:
            msg = f"{venue.name} does not list its archives: name the first day that you want"
            raise RangeBarError(msg)
        end = min(last, self._job.asked.now.date())
        months = {day.replace(day=1) for day in days_of(first, end)}
        return Listing(monthly={month: venue.archive(kind, self._symbol, month, monthly=True) for month in months})

    def _held(self, first: dt.date, last: dt.date) -> tuple[dict[dt.date, Held], set[dt.date]]:
        """
        What is there of the days, and those whose files no lake of this version has written, which are told.

        A damaged file is as if it were not there: an archive replaces it.
        """
        job, venue = self._job, self._job.asked.venue
        there: dict[dt.date, Facts] = {}
        spoiled: set[dt.date] = set()
        # Of an archive of a month, all days say together which of them are empty.
        span = first.replace(day=1), month_of(last)[1]
        for unit, facts in facts_of(job.layout, job.layout.trades(venue.name, self._symbol, *span)).items():
            if isinstance(facts, Facts):
                self._check_kind(unit.date, facts)
                there[unit.date] = facts
            elif not isinstance(facts, DamagedFileError) and first <= unit.date <= last:
                job.report.failed[f"{self._symbol} {unit.date}"] = facts
                spoiled.add(unit.date)
        empty = _without_trades(there) if venue.continuous_ids else without_quotes(there)
        found = {day: Held(is_whole=True, is_empty=True) for day in empty - spoiled}
        for day, facts in there.items():
            name, etag = archive_of(facts) or (None, None)
            found[day] = Held(is_whole(facts), name, etag)
        return found, spoiled

    def _check_kind(self, day: dt.date, facts: Facts) -> None:
        """That a day holds what is asked for: both kinds have ids, and would be mixed up."""
        venue, kind = self._job.asked.venue, self._job.asked.kind
        name = (archive_of(facts) or (None, None))[0]
        for other in KINDS:
            archives = [venue.archive(other, self._symbol, day, monthly=monthly).name for monthly in (False, True)]
            if other != kind and "{kind}" in venue.preset and name in archives:
                msg = (
                    f"{shown(self._symbol)} has {other} of {day} in this lake, and a venue in a lake has one kind: "
                    f"fetch {kind} into another lake"
                )
                raise RangeBarError(msg)


def _without_trades(there: Mapping[dt.date, Facts]) -> set[dt.date]:
    """The days between others whose ids follow each other."""
    pairs = pairwise(sorted(there.items()))
    return {day for (a, one), (b, other) in pairs if follows(one, other) for day in days_of(a, b)[1:-1]}
