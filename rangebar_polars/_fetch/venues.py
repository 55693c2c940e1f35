"""A venue: where its archives are, and by which rules."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from rangebar_polars._common.days import month_of
from rangebar_polars._common.messages import listed, shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["KINDS", "Archive", "Venue", "venue_named", "venue_names"]

KINDS = ("aggTrades", "trades")
"""What archives may hold."""


@dataclass(frozen=True)
class Venue:
    """
    A venue, as `venues.toml` describes it.

    Its addresses are those of the venue, or all the same one, if a user has given one.
    """

    name: str
    archives: str
    preset: str
    continuous_ids: bool
    listing: str | None = None
    daily: str | None = None
    monthly: str | None = None
    checksums: str | None = None
    quotes: bool = False
    rest: str | None = None
    rest_rows: int = 1000
    rest_weight: int = 1200
    rest_microseconds_since: dt.date | None = None
    rest_headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def at(self, base: str | None) -> Venue:
        """The venue with all of its addresses below another one; the paths stay."""
        if base is None:
            return self
        if not _is_address(base):
            msg = f"`base` must be an address such as http://localhost:8000, got {shown(base)}"
            raise RangeBarError(msg)
        base = base.rstrip("/")
        rest = None if self.rest is None else base + self.rest[self.rest.index("/", len("https://")) :]
        return replace(self, archives=base, listing=None if self.listing is None else base, rest=rest)

    def archive(self, kind: str, symbol: str, day: dt.date, *, monthly: bool) -> Archive:
        """The archive of a day, or of its month."""
        path = (self.monthly if monthly else self.daily) or ""
        key = path.format(
            kind=kind,
            symbol=symbol,
            date=day.isoformat(),
            month=f"{day:%Y-%m}",
            year=f"{day.year:04}",
            month_of_year=f"{day.month:02}",
        )
        return Archive(key, *(month_of(day) if monthly else (day, day)))

    def folder(self, kind: str, symbol: str, *, monthly: bool) -> str:
        """The folder of the archives of a symbol."""
        return self.archive(kind, symbol, dt.date(2000, 1, 1), monthly=monthly).key.rpartition("/")[0] + "/"


def _is_address(base: object) -> bool:
    """Whether paths can stand behind it: what cannot be asked is asked again and again."""
    if not isinstance(base, str) or base != "".join(base.split()):
        return False
    try:
        parts = urlsplit(base)
        is_served = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, brackets that do not match
        return False
    return is_served and parts.scheme in ("http", "https") and not (parts.query or parts.fragment)


@dataclass(frozen=True)
class Archive:
    """A file of a venue; its size and tag, if the venue lists its files."""

    key: str
    first: dt.date
    last: dt.date
    size: int | None = None
    etag: str | None = None
    has_checksum: bool = True

    @property
    def name(self) -> str:
        """The name of the file."""
        return PurePosixPath(self.key).name


@cache
def _venues() -> dict[str, Venue]:
    given = tomllib.loads(files("rangebar_polars._fetch").joinpath("venues.toml").read_text(encoding="utf-8"))
    return {name: Venue(name=name, **facts) for name, facts in given.items()}


def venue_names() -> list[str]:
    """The venues that can be fetched from."""
    return [*_venues()]


def venue_named(name: str) -> Venue:
    """A venue by its name."""
    found = _venues().get(name) if isinstance(name, str) else None
    if found is None:
        msg = f"`venue` must be one that can be fetched from, {listed(venue_names(), mark=chr(34))}, got {shown(name)}"
        raise RangeBarError(msg)
    return found
