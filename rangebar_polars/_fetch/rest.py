"""Trades that no archive has yet: by their ids, each one after the other."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from rangebar_polars._common.instants import EPOCH
from rangebar_polars._common.messages import cut, shown
from rangebar_polars._fetch.http import Client, VenueError
from rangebar_polars._fetch.venues import Venue

__all__ = ["HoleError", "Page", "RestTrades"]

_HOUR: Final = dt.timedelta(hours=1)
"""The longest time that a request may span."""

_FIELDS: Final = ("a", "p", "q", "f", "l", "T", "m")
"""The fields of a trade in the order of the columns of an archive."""

_TRY_LATER: Final = "try again later"


@dataclass(frozen=True)
class Page:
    """Trades as they were answered, with ids that count up."""

    rows: list[dict[str, Any]]

    @property
    def first_id(self) -> int:
        """The first id."""
        return int(self.rows[0]["a"])

    @property
    def last_id(self) -> int:
        """The last id."""
        return int(self.rows[-1]["a"])

    def runs(self) -> list[Page]:
        """The trades in parts whose ids count up by one."""
        ends = [n for n, (one, other) in enumerate(pairwise(self.rows), 1) if other["a"] != one["a"] + 1]
        return [Page(self.rows[begin:end]) for begin, end in pairwise([0, *ends, len(self.rows)])]

    def times_us(self) -> list[int]:
        """The times in microseconds since 1970."""
        return [_microseconds(row["T"]) for row in self.rows]

    def before(self, instant: dt.datetime) -> Page:
        """The trades before an instant."""
        end = _since_1970(instant)
        return Page([row for row, time in zip(self.rows, self.times_us(), strict=True) if time < end])

    def text(self) -> str:
        """The trades as lines of an archive, which the readers check."""
        return "".join(",".join(str(row[name]) for name in _FIELDS) + "\n" for row in self.rows)


@dataclass(frozen=True)
class RestTrades:
    """The trades of a symbol, as the REST interface of its venue answers them."""

    client: Client
    venue: Venue
    symbol: str

    async def pages(self, day: dt.date, first_id: int, last_id: int | None = None) -> AsyncIterator[Page]:
        """
        The trades from an id on, until there are no more, or up to another id; with times as archives of the day have.

        An answer with a later id than should come next is an error, behind the trades before it: those between would be
        missing without a word. So is one without trades where there are later ones.
        """
        wanted, most, is_second = first_id, self.venue.rest_rows, False
        while last_id is None or wanted <= last_id:
            count = most if last_id is None else min(most, last_id - wanted + 1)
            page = await self._page(day, {"fromId": str(wanted), "limit": str(count)}, f" from id {wanted} on")
            if not page.rows:
                if not await self._has(day, wanted):
                    return
                if is_second:
                    msg = (
                        f"{self.venue.rest} has no trades of {self.symbol} from id {wanted} on, although it has later "
                        f"ones: {_TRY_LATER}"
                    )
                    raise VenueError(msg)
                is_second = True  # they may have come between the two answers
                continue
            is_second = False
            for run in page.runs():
                if run.first_id != wanted:
                    msg = (
                        f"{self.venue.rest} has no trades of {self.symbol} from id {wanted} on: it answers with those "
                        f"from {run.first_id} on. What lies between is missing there, too: wait for the archive of "
                        f"{day}"
                    )
                    raise HoleError(msg, wanted, run.first_id)
                yield run
                wanted = run.last_id + 1

    async def _has(self, day: dt.date, wanted: int) -> bool:
        """Whether there are trades from an id on, by the latest one."""
        latest = await self._page(day, {"limit": "1"}, "")
        return bool(latest.rows) and latest.last_id >= wanted

    async def first_id_from(self, start: dt.datetime, end: dt.datetime) -> int | None:
        """The id of the first trade from an instant on; None if there is none before another one."""
        latest = await self._page(start.date(), {"limit": "1"}, "")
        if not latest.rows or latest.times_us()[-1] < _since_1970(start):
            return None
        begin = start
        while begin < end:
            until = min(begin + _HOUR, end)
            params = {"startTime": _milliseconds(begin), "endTime": str(int(_milliseconds(until)) - 1), "limit": "1"}
            page = await self._page(start.date(), params, f" from {begin:%Y-%m-%d %H:%M} on")
            if page.rows:
                return await self._walked_back(page.first_id, start)
            begin = until
        if latest.times_us()[-1] < _since_1970(end):
            msg = (
                f"{self.venue.rest} has no trades of {self.symbol} on {start:%Y-%m-%d}, although its latest is of that "
                f"day: {_TRY_LATER}"
            )
            raise VenueError(msg)
        return None

    async def _walked_back(self, found: int, start: dt.datetime) -> int:
        """The first id from an instant on: with times and a limit, a venue may answer from either end."""
        instant, upper = _since_1970(start), found
        while upper > 0:
            begin = max(upper - self.venue.rest_rows, 0)
            page = await self._page(start.date(), {"fromId": str(begin), "limit": str(upper - begin)}, "")
            # Where ids are missing, a venue answers with later ones.
            ids = {int(row["a"]): time for row, time in zip(page.rows, page.times_us(), strict=True)}
            found = min([found, *(one for one, time in ids.items() if time >= instant)])
            if any(time < instant for time in ids.values()):
                return found
            upper = begin
        return found

    async def _page(self, day: dt.date, params: dict[str, str], where: str) -> Page:
        url, since = self.venue.rest or "", self.venue.rest_microseconds_since
        # Otherwise, times would go back where trades of both stand side by side.
        headers: Mapping[str, str] = self.venue.rest_headers if since is not None and day >= since else {}
        text = await self.client.text(url, params={"symbol": self.symbol, **params}, headers=headers)
        where = f"the answer of {url} for {self.symbol}{where}"
        try:
            answered: Any = json.loads(text or "")
        except ValueError as error:
            msg = f"{where} is no JSON, but {shown(cut(text or 'nothing'))}: {_TRY_LATER}"
            raise VenueError(msg) from error
        rows: list[Any] = [*answered] if isinstance(answered, list) else [answered]
        for row in rows:
            if not _is_trade(row):
                msg = f"{where} is no list of trades, but has {shown(row)}: {_TRY_LATER}"
                raise VenueError(msg)
        for before, after in pairwise(int(row["a"]) for row in rows):
            if after <= before:
                msg = f"{where} has id {after} after {before}, where ids count up: {_TRY_LATER}"
                raise VenueError(msg)
        return Page(rows)


class HoleError(VenueError):
    """Ids that a venue does not have: it was asked for trades from one id on, and answers with later ones."""

    def __init__(self, message: str, wanted: int, found: int) -> None:
        super().__init__(message)
        self.wanted = wanted
        self.found = found


def _is_trade(row: Any) -> bool:  # noqa: ANN401  (whatever JSON says)
    """Whether a row has all fields; the readers look at their values."""
    if not isinstance(row, dict) or not all(name in row for name in _FIELDS):
        return False
    whole = all(isinstance(row[name], int) and not isinstance(row[name], bool) for name in ("a", "f", "l", "T"))
    texts = all(isinstance(row[name], str) and "," not in row[name] and "\n" not in row[name] for name in ("p", "q"))
    return whole and texts and isinstance(row["m"], bool)


def _since_1970(instant: dt.datetime) -> int:
    """Microseconds."""
    return (instant - EPOCH) // dt.timedelta(microseconds=1)


def _milliseconds(instant: dt.datetime) -> str:
    return str(_since_1970(instant) // 1000)


def _microseconds(time: int) -> int:
    """A time that was given in milliseconds or microseconds, told by its digits."""
    return time if time >= 10**15 else time * 1000
