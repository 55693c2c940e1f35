"""Days that archives have: each archive downloaded, checked, and only then read into the lake."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal

import polars as pl

from rangebar_polars._common.days import days_of
from rangebar_polars._common.messages import listed
from rangebar_polars._fetch.download import MissingArchiveError, download, forget, published_checksum
from rangebar_polars._fetch.http import VenueError
from rangebar_polars._fetch.listing import Listing
from rangebar_polars._fetch.venues import Archive
from rangebar_polars._lake.add import AddReport
from rangebar_polars._lake.coverage import follows
from rangebar_polars._lake.fetch_job import FetchJob
from rangebar_polars._lake.footer import Facts, facts_of
from rangebar_polars._lake.layout import TradesUnit
from rangebar_polars._lake.origin import Origin
from rangebar_polars._readers.quotes import scan_quotes
from rangebar_polars._readers.trades import scan_trades
from rangebar_polars.exceptions import LakeConflictError, LakeFileError, LakeLockError, RangeBarError

__all__ = ["ArchiveDays"]


class ArchiveDays:
    """Fetches archives of one symbol."""

    def __init__(self, job: FetchJob, symbol: str, listing: Listing) -> None:
        self._job = job
        self._symbol = symbol
        self._listing = listing
        # A folder of its own, which the lock of the symbol protects.
        self._folder = job.layout.downloads / Path(job.unit(symbol, dt.date.min).key).parent.parent.relative_to(
            "trades"
        )
        self.absent: set[dt.date] = set()
        """Days of which an archive has no trade."""

    async def fetch(self, archives: Iterable[Archive]) -> None:
        """Fetch archives side by side; each gets in, or is told, by itself."""
        archives = list(archives)
        if self._job.shown is not None:
            self._job.shown.expect(archives)
        async with asyncio.TaskGroup() as group:
            for archive in archives:
                group.create_task(self._job.guarded(archive.name, self._archive(archive)))

    def tidy(self, wanted: Collection[str], first: dt.date, last: dt.date) -> None:
        """
        Take up the downloads that a process has left which was killed; remove those that are not wanted for the days.

        Those of other days stay: whoever asks for these goes on with them.
        """
        for file in self._folder.glob("*.zip"):
            file.replace(_part(file))  # it was being read
        names = {file.stem for file in self._folder.glob("*.zip.*")} - set(wanted)
        for archive in (*self._listing.daily.values(), *self._listing.monthly.values()):
            if archive.name in names and archive.first <= last and first <= archive.last:
                forget(_part(self._folder / archive.name))

    async def _archive(self, archive: Archive, only: frozenset[dt.date] | None = None) -> None:
        """Fetch an archive, or `only` some days of one of a month."""
        venue = self._job.asked.venue
        daily = _days(archive) & set(self._listing.daily)
        is_broken = False
        async with self._job.downloads:
            try:
                part, digest, etag, accepted = await self._checked(archive)
            except MissingArchiveError:
                if venue.listing is not None:
                    raise
                is_later = archive.last >= self._job.asked.now.date()
                self._job.miss(
                    self._symbol, _days(archive), "not published yet" if is_later else "missing at the venue"
                )
                return
            wholly = archive.first != archive.last and only is None and daily and venue.continuous_ids
            check = self._check(archive) if wholly else None
            origin = Origin.archive(
                archive.name,
                digest,
                etag,
                archive.first,
                archive.last,
                accepted=accepted,
                check=check,
                counts_days=not venue.continuous_ids and only is None,
            )
            try:
                async with self._job.converters:
                    await asyncio.to_thread(self._convert, part, archive, origin, only)
            except _BrokenMonthError:
                is_broken = True
        if is_broken:
            await self.fetch(self._listing.daily[day] for day in sorted(daily))
            # What no day has by itself comes from the month after all.
            if rest := self._span(archive) - daily:
                await self._archive(archive, frozenset(rest))
            forget(part)

    async def _checked(self, archive: Archive) -> tuple[Path, str, str | None, bool]:
        """An archive whose digest is the one that is wanted; after a first time, all of it is read once more."""
        asked, shown = self._job.asked, self._job.shown
        accepted = asked.accept.get(archive.name)
        wanted = accepted
        for is_last in (False, True):
            if accepted is None:
                wanted = await published_checksum(self._job.client, asked.venue, archive)
            if wanted is None and asked.venue.checksums is not None and asked.checksums == "require":
                msg = (
                    f"the venue publishes no checksum of {archive.name}, so it cannot be told whether it is whole: "
                    'pass checksums="if_present" to take it as it is, or accept={name: SHA-256}'
                )
                raise VenueError(msg)
            told = _untold if shown is None else shown.of(archive)
            try:
                part, digest, etag = await download(self._job.client, asked.venue, archive, self._folder, progress=told)
            finally:
                if shown is not None:
                    shown.ended(archive)
            if wanted in (None, digest):
                return part, digest, etag or archive.etag, accepted is not None
            forget(part)
            if is_last:
                whose = "you accept" if accepted is not None else "the venue publishes"
                msg = (
                    f"{archive.name} has the SHA-256 {digest}, twice, and {whose} {wanted}: nothing of it is kept. If "
                    f"you know that the archive is right, pass accept={{{archive.name!r}: {digest!r}}}"
                )
                raise VenueError(msg)
        raise AssertionError("the second time returns or raises")

    def _convert(self, part: Path, archive: Archive, origin: Origin, only: frozenset[dt.date] | None) -> None:
        """Read an archive into the lake; it is not needed any more then, unless something else than itself is wrong."""
        file = part.with_suffix("")
        part.replace(file)
        try:
            size = file.stat().st_size
            kept = self._kept(file, archive)
            try:
                _check_member(file)
                done = self._job.add(self._trades(file, only), self._symbol, origin)
            except BaseException:
                if kept is not None:
                    kept.unlink()
                raise
        except (LakeLockError, LakeConflictError, _BrokenMonthError, OSError):
            file.replace(part)
            raise
        except BaseException as error:
            file.unlink(missing_ok=True)
            forget(part)
            if isinstance(error, LakeFileError) or not isinstance(error, (RangeBarError, pl.exceptions.PolarsError)):
                raise
            told = str(error).replace(str(file), file.name)
            msg = (
                f"it is as the venue publishes it, but cannot be read ({told}): wait until it is published anew, or "
                "add its days from elsewhere with `lake.add`; nothing of it is kept"
            )
            raise VenueError(msg) from error
        self._job.note(done, size)
        self._note_absent(self._span(archive) if only is None else only, done)
        file.unlink(missing_ok=True)
        forget(part)

    def _kept(self, file: Path, archive: Archive) -> Path | None:
        """
        Keep an archive, if a user wants it, whole or not at all; returns it, if it was not kept before.

        This is done before its days are put in their places: then it would not be fetched again.
        """
        if self._job.asked.keep_archives is None:
            return None
        kept = self._job.asked.keep_archives / archive.key
        draft, was_there = kept.with_name(f"{kept.name}.part"), kept.exists()
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, draft)
        draft.replace(kept)
        return None if was_there else kept

    def _note_absent(self, days: Collection[dt.date], done: AddReport) -> None:
        """Days of which an archive has no trade; of quotes, only an archive without any says that they are missing."""
        there = {unit.date for unit in (*done.new, *done.merged, *done.replaced, *done.unchanged)}
        if self._job.asked.venue.continuous_ids or not there:
            self.absent |= set(days) - there

    def _trades(self, file: Path, only: frozenset[dt.date] | None) -> pl.LazyFrame:
        """What an archive holds; a row that is no trade, without price and quantity, is left out and counted."""
        venue, read = self._job.asked.venue, self._job.report.read
        preset = venue.preset.format(kind=self._job.asked.kind)
        if venue.quotes:
            trades = scan_quotes(file, preset=preset, on_crossed="drop", on_one_sided="drop", report=read)
        else:
            trades = scan_trades(file, preset=preset, symbol=self._symbol, on_bad_rows=_without_ghosts, report=read)
        if only is not None:
            trades = trades.filter(pl.col("timestamp").dt.date().is_in(sorted(only)))
        return trades.drop("symbol", strict=not venue.quotes)

    def _check(self, archive: Archive) -> Callable[[Mapping[TradesUnit, Facts]], None]:
        """
        That no id of a month is missing, in its days, between them and beside them.

        A day in the midst of it without a trade is none that is missing, if the ids go on.
        """
        span = sorted(self._span(archive))
        first, last = span[0], span[-1]

        def check(drafts: Mapping[TradesUnit, Facts]) -> None:
            beside = [first - dt.timedelta(days=1), last + dt.timedelta(days=1)]
            there = facts_of(self._job.layout, [self._job.unit(self._symbol, day) for day in beside])
            ids = {unit.date: facts for unit, facts in sorted({**there, **drafts}.items()) if isinstance(facts, Facts)}
            is_whole = all(facts.missing == [] for facts in drafts.values())
            has_ends = all(day in ids or end in ids for day, end in zip((first, last), beside, strict=True))
            if not (is_whole and has_ends and all(follows(*both) for both in pairwise(ids.values()))):
                raise _BrokenMonthError

        return check

    def _span(self, archive: Archive) -> set[dt.date]:
        """The days of an archive that the venue may have trades of."""
        first, last = self._listing.first or archive.first, self._listing.last or archive.last
        return {day for day in _days(archive) if first <= day <= last}


class _BrokenMonthError(Exception):
    """A month that lacks days or ids: those of its days may have them."""


def _check_member(file: Path) -> None:
    """That an archive holds the file that it is named after, and no other one."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        msg = f"{file.name} is no zip, or is cut off: {error}"
        raise VenueError(msg) from error
    if names != [f"{file.stem}.csv"]:
        told = listed(names) or "nothing"
        msg = f"{file.name} holds {told}, where {file.stem}.csv alone should be"
        raise VenueError(msg)


def _part(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


def _days(archive: Archive) -> set[dt.date]:
    return set(days_of(archive.first, archive.last))


def _untold(there: int) -> None:
    """Show nothing."""


def _without_ghosts(rows: pl.DataFrame) -> Literal["raise", "drop"]:
    """Rows without price and quantity are known from 2018; whatever else is wrong is an error."""
    return "drop" if (rows["reason"] == "ghost").all() else "raise"
