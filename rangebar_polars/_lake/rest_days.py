"""Days that no archive has yet, by the REST interface of their venue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import polars as pl

from rangebar_polars._common.days import midnight
from rangebar_polars._fetch.http import Client, VenueError
from rangebar_polars._fetch.rest import HoleError, RestTrades
from rangebar_polars._fetch.venues import Venue
from rangebar_polars._lake.footer import Facts, read_facts
from rangebar_polars._lake.layout import Layout, TradesUnit
from rangebar_polars._lake.origin import Origin, is_rest, is_whole
from rangebar_polars._lake.workspace import workspace
from rangebar_polars._readers.trades import scan_trades
from rangebar_polars.exceptions import LakeConflictError, LakeFileError, LakeLockError, RangeBarError

__all__ = ["RestDays"]

_ROWS: Final = 200_000
"""Trades after which those of a day so far are put into the lake: an interruption loses no more."""

_DAY: Final = dt.timedelta(days=1)
_LATE: Final = dt.timedelta(minutes=1)
"""How long after its end a day without later trades is taken for whole."""

Add = Callable[[pl.LazyFrame, str, Origin], Awaitable[None]]


class RestDays:
    """Fetches days of one symbol, each from its first trade, or from the last one that is there."""

    def __init__(
        self, layout: Layout, client: Client, venue: Venue, symbol: str, *, now: dt.datetime, add: Add
    ) -> None:
        self._layout = layout
        self._rest = RestTrades(client, venue, symbol)
        self._venue = venue
        self._symbol = symbol
        self._now = now
        self._add = add

    async def day(self, day: dt.date) -> bool:
        """Fetch a day; false if there is no trade of it."""
        end = midnight(day) + _DAY
        begin = await self._first_id(day)
        if begin is None:
            return False
        texts: list[str] = []
        rows, has_any, has_ended = 0, False, self._now >= end + _LATE
        with workspace(self._layout.staging) as space:
            async for page in self._rest.pages(day, begin):
                within = page.before(end)
                texts.append(within.text())
                rows += len(within.rows)
                has_any = has_any or bool(within.rows)
                if len(within.rows) < len(page.rows):
                    has_ended = True
                    break
                if rows >= _ROWS:
                    await self._put(day, day, "".join(texts), space, is_whole=False)
                    texts, rows = texts[-1:], 0  # the last page again, so that there is something to put as whole
            await self._put(day, day, "".join(texts), space, is_whole=has_ended)
        return has_any

    async def ids(self, first: dt.date, last: dt.date, ids: tuple[int, int]) -> list[HoleError]:
        """Fetch the trades of some days that have these ids; returns the errors for those that the venue lacks."""
        texts: list[str] = []
        holes: list[HoleError] = []
        wanted, last_id = ids
        while wanted <= last_id:
            try:
                async for page in self._rest.pages(first, wanted, last_id):
                    texts.append(page.text())
                    wanted = page.last_id + 1
            except HoleError as error:
                holes.append(error)
                wanted = error.found
                continue
            if wanted <= last_id:
                msg = f"{self._venue.rest} has no trades of {self._symbol} from id {wanted} on: wait for an archive"
                raise VenueError(msg)
        with workspace(self._layout.staging) as space:
            await self._put(first, last, "".join(texts), space, is_whole=False)
        return holes

    async def _first_id(self, day: dt.date) -> int | None:
        """
        The id to begin with; none if there is no trade.

        Of a day that this interface began, it is the last one that is there: it must come out as it was.
        """
        there = self._facts(day)
        if there is not None and is_rest(there) and there.last_id is not None:
            return there.last_id
        before = self._facts(day - _DAY)
        if before is not None and is_whole(before) and before.last_id is not None:
            return before.last_id + 1
        start = midnight(day)
        return await self._rest.first_id_from(start, min(start + _DAY, self._now))

    def _facts(self, day: dt.date) -> Facts | None:
        try:
            return read_facts(self._layout, TradesUnit(self._venue.name, self._symbol, day))
        except (FileNotFoundError, LakeFileError):
            return None

    async def _put(self, first: dt.date, last: dt.date, text: str, space: Path, *, is_whole: bool) -> None:
        """Put trades into the lake, read as if they stood in an archive: the same rules hold for them."""
        if not text:
            return
        file = space / f"{self._symbol}-aggTrades-{first}.csv"
        file.write_text(text, encoding="utf-8")
        trades = scan_trades(file, preset=self._venue.preset.format(kind="aggTrades"), symbol=self._symbol)
        try:
            await self._add(trades.drop("symbol"), self._symbol, Origin.rest(first, last, is_whole=is_whole))
        except (LakeConflictError, LakeLockError):
            raise  # which are none of the venue
        except RangeBarError as error:
            msg = f"what {self._venue.rest} answers for {self._symbol} on {first} cannot be kept: {error}"
            raise VenueError(msg) from error
