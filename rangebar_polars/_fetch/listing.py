"""What a venue has: the archives in its bucket, as S3 lists them."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final

from rangebar_polars._common.days import days_of, month_of
from rangebar_polars._common.messages import cut
from rangebar_polars._fetch.http import Client, VenueError
from rangebar_polars._fetch.venues import Archive, Venue

__all__ = ["Listing", "list_archives", "list_symbols"]

_MOST_PAGES: Final = 10_000


@dataclass(frozen=True)
class Listing:
    """The archives of a symbol, by day and by the first day of the month."""

    daily: dict[dt.date, Archive] = field(default_factory=dict[dt.date, Archive])
    monthly: dict[dt.date, Archive] = field(default_factory=dict[dt.date, Archive])

    @property
    def first(self) -> dt.date | None:
        """
        The first day that an archive may hold.

        A monthly archive only says in which month that is; where there are daily ones from that month on, they say it.
        """
        months, days = min(self.monthly, default=None), min(self.daily, default=None)
        if months is None or days is None:
            return months or days
        return days if days.replace(day=1) <= months else months

    @property
    def last(self) -> dt.date | None:
        """The last day that an archive holds."""
        return max((archive.last for of in (self.daily, self.monthly) for archive in of.values()), default=None)

    def missing(self) -> list[dt.date]:
        """The days without an archive between the first and the last."""
        if self.first is None or self.last is None:
            return []
        return [
            day
            for day in days_of(self.first, self.last)
            if day not in self.daily and day.replace(day=1) not in self.monthly
        ]


async def list_archives(client: Client, venue: Venue, kind: str, symbol: str) -> Listing:
    """The daily and monthly archives of a symbol."""
    found = Listing()
    for monthly in (False, True):
        if (venue.monthly if monthly else venue.daily) is None:
            continue
        folder, archives = venue.folder(kind, symbol, monthly=monthly), found.monthly if monthly else found.daily
        names = _pattern(venue, kind, symbol, monthly=monthly)
        checksums: set[str] = set()
        async for entry in _entries(client, venue, folder):
            if entry.tag == "CommonPrefixes":
                continue
            key = entry.findtext("Key", "")
            if venue.checksums is not None and key.endswith(venue.checksums):
                checksums.add(key.removesuffix(venue.checksums))
            elif (match := names.fullmatch(key)) is not None and (day := _day(match["day"])) is not None:
                size, etag = entry.findtext("Size", ""), entry.findtext("ETag", "").strip('"')
                archives[day] = Archive(
                    key,
                    *(month_of(day) if monthly else (day, day)),
                    size=int(size) if size.isdigit() else None,
                    etag=etag or None,
                )
        for day, archive in archives.items():
            archives[day] = replace(archive, has_checksum=archive.key in checksums)
    return found


async def list_symbols(client: Client, venue: Venue, kind: str) -> list[str]:
    """The symbols that have a folder."""
    folder = venue.folder(kind, "SYMBOL", monthly=venue.daily is None).partition("SYMBOL")[0]
    found = [
        entry.findtext("Prefix", "").removeprefix(folder).rstrip("/")
        async for entry in _entries(client, venue, folder)
        if entry.tag == "CommonPrefixes"
    ]
    return sorted(name for name in found if name)


async def _entries(client: Client, venue: Venue, folder: str) -> AsyncIterator[ET.Element]:
    """The entries of a folder, page by page."""
    url, token, seen = f"{venue.listing}/", "", set[str]()
    for _ in range(_MOST_PAGES):
        params = {"list-type": "2", "prefix": folder, "delimiter": "/"} | (
            {"continuation-token": token} if token else {}
        )
        text = await client.text(url, params=params)
        page = _parsed(text, url, folder)
        for entry in page:
            if entry.tag in ("Contents", "CommonPrefixes"):
                yield entry
        if page.findtext("IsTruncated", "false").strip() != "true":
            return
        token = page.findtext("NextContinuationToken", "")
        if not token or token in seen:
            msg = f"the listing of {folder} at {url} has no end: {_TRY_LATER}"
            raise VenueError(msg)
        seen.add(token)
    msg = f"the listing of {folder} at {url} has more than {_MOST_PAGES:,} pages: {_TRY_LATER}"
    raise VenueError(msg)


_TRY_LATER: Final = "try again later, or give another `base`"


def _parsed(text: str | None, url: str, folder: str) -> ET.Element:
    """A page without its namespace."""
    try:
        # Entities that grow without bound are refused by expat itself since 2.4.
        page = ET.fromstring(re.sub(r'\sxmlns="[^"]*"', "", text or "", count=1))  # noqa: S314
    except ET.ParseError as error:
        told = cut(text or "nothing")
        msg = f"the listing of {folder} at {url} is no XML ({error}; it has {told!r}): {_TRY_LATER}"
        raise VenueError(msg) from error
    if page.tag != "ListBucketResult":
        msg = f"{url} does not list {folder}, but answers <{cut(page.tag)}>: {_TRY_LATER}"
        raise VenueError(msg)
    return page


def _pattern(venue: Venue, kind: str, symbol: str, *, monthly: bool) -> re.Pattern[str]:
    """What the names of archives look like, with the day or the month in a group."""
    path = (venue.monthly if monthly else venue.daily) or ""
    day = r"(?P<day>\d{4}-\d\d)" if monthly else r"(?P<day>\d{4}-\d\d-\d\d)"
    # The symbol and the date are there several times; only the last one, in the name, is looked at.
    text = path.format(kind=kind, symbol=symbol, date="\0", month="\0", year="\0", month_of_year="\0")
    return re.compile(re.escape(text).replace(re.escape("\0"), day))


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text if len(text) > len("2024-01") else f"{text}-01")
    except ValueError:
        return None
