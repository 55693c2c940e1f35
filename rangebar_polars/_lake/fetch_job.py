"""What all symbols of a fetch share: the lake, the venue, the report, and how much is done at a time."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from rangebar_polars._fetch.http import Client
from rangebar_polars._fetch.plan import Reason
from rangebar_polars._lake.add import AddReport, add
from rangebar_polars._lake.fetch_options import Fetch
from rangebar_polars._lake.fetch_progress import FetchProgress
from rangebar_polars._lake.fetch_report import FetchReport
from rangebar_polars._lake.layout import Layout, TradesUnit
from rangebar_polars._lake.origin import Origin
from rangebar_polars.exceptions import RangeBarError

__all__ = ["FetchJob"]

_CONVERTERS: Final = 2
"""Archives that are read at a time, while others are downloaded."""


@dataclass(frozen=True)
class FetchJob:
    """A fetch; all of it happens in one loop, but for reading archives, which threads do."""

    layout: Layout
    asked: Fetch
    report: FetchReport
    client: Client
    shown: FetchProgress | None
    downloads: asyncio.Semaphore
    converters: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CONVERTERS))
    _noting: threading.Lock = field(default_factory=threading.Lock)

    async def guarded(self, name: str, work: Coroutine[Any, Any, None]) -> Exception | None:
        """Keep an error for the report; what is no fault of the venue or of the data goes on up."""
        try:
            await work
        except (RangeBarError, OSError, pl.exceptions.PolarsError) as error:
            self.report.failed[name] = error
            return error
        return None

    def add(self, frame: pl.LazyFrame, symbol: str, origin: Origin) -> AddReport:
        """Add trades to the lake; this takes its time."""
        return add(
            self.layout,
            frame,
            venue=self.asked.venue.name,
            symbol=symbol,
            on_conflict=self.asked.on_conflict,
            lock_seconds=self.asked.lock_seconds,
            origin=origin,
        )

    def note(self, done: AddReport, size: int | None = None) -> None:
        """Report what was added, of an archive of some size."""
        with self._noting:
            self.report.added += [*done.new, *done.merged, *done.replaced]
            self.report.unchanged += done.unchanged
            self.report.rows += done.rows
            self.report.files += size is not None
            self.report.bytes += size or 0

    def miss(self, symbol: str, days: Iterable[dt.date], reason: Reason) -> None:
        """Report days that the venue does not have."""
        self.report.missing += [(self.unit(symbol, day), reason) for day in days]

    def unit(self, symbol: str, day: dt.date) -> TradesUnit:
        """A day of a symbol of the venue."""
        return TradesUnit(self.asked.venue.name, symbol, day)
