"""What is to be fetched: a decision about days, without a request and without a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from rangebar_polars._fetch.listing import Listing
from rangebar_polars._fetch.venues import Archive

__all__ = ["Held", "Plan", "Reason", "planned"]

Reason: TypeAlias = Literal["before the first archive", "not published yet", "missing at the venue"]

_MANY: Final = 8
"""Days of a month that are wanted, from which on its archive is fetched rather than theirs."""


@dataclass(frozen=True)
class Held:
    """
    A day that is there: whether it is whole, and the archive that it came from, with its tag.

    Or one that is empty: the ids of those beside it show that there was no trade, or all days of its archive are there.
    """

    is_whole: bool
    archive: str | None = None
    etag: str | None = None
    is_empty: bool = False


@dataclass
class Plan:
    """
    What is to be fetched.

    `rest` are days that no archive has; `missing` those for which there is nothing else to ask.
    """

    archives: list[Archive] = field(default_factory=list[Archive])
    rest: list[dt.date] = field(default_factory=list[dt.date])
    missing: list[tuple[dt.date, Reason]] = field(default_factory=list[tuple[dt.date, Reason]])
    current: list[dt.date] = field(default_factory=list[dt.date])


def planned(
    days: Iterable[dt.date], listing: Listing, held: Mapping[dt.date, Held], *, today: dt.date, has_rest: bool
) -> Plan:
    """
    What is to be fetched so that all days are there as the venue has them now.

    A day that came from an archive is fetched again only if the archive was published anew since, which only a listing
    can tell; one that came from elsewhere, because an archive has the last word. A month of which many days are wanted,
    or one that has no archive of its own, is fetched by its own archive, once the month has ended. So no day is in two
    archives, of which the one that came last would be kept. What was published anew is fetched as it was before: a
    month may be older than its days.
    """
    plan, wanted = Plan(), list[dt.date]()
    names = {archive.name: archive for of in (listing.daily, listing.monthly) for archive in of.values()}
    for day in days:
        there = held.get(day)
        is_before = listing.first is not None and day < listing.first
        if there is not None and there.is_empty:
            plan.missing.append((day, "missing at the venue"))
        elif there is not None and _is_current(there, names, is_before=is_before):
            plan.current.append(day)
        elif is_before:
            plan.missing.append((day, "before the first archive"))
        else:
            wanted.append(day)
    chosen: dict[str, Archive] = {}
    for month, of in _by_month(wanted).items():
        monthly = listing.monthly.get(month)
        is_closed = monthly is not None and monthly.last < today
        anew = {one.archive for day in of if (one := held.get(day)) is not None}
        by_days = any(archive.name in anew for day in of if (archive := listing.daily.get(day)) is not None)
        by_month = monthly is not None and monthly.name in anew
        is_many = len(of) >= _MANY and not by_days
        is_monthly = is_closed and (is_many or by_month or any(day not in listing.daily for day in of))
        for day in of:
            archive = monthly if is_monthly else listing.daily.get(day)
            if archive is not None:
                chosen[archive.key] = archive
            else:
                is_later = (monthly is not None and not is_closed) or listing.last is None or day > listing.last
                reason: Reason = "not published yet" if is_later else "missing at the venue"
                _without_archive(plan, day, held.get(day), reason, has_rest=has_rest and day <= today)
    plan.archives = sorted(chosen.values(), key=lambda archive: (archive.first, archive.key))
    return plan


def _is_current(held: Held, names: Mapping[str, Archive], *, is_before: bool) -> bool:
    """Whether a day came from the archive as it is now, as far as is known; or whether it is whole, and has none."""
    if held.archive is None:
        return held.is_whole and is_before
    archive = names.get(held.archive)
    return archive is None or None in (archive.etag, held.etag) or archive.etag == held.etag


def _without_archive(plan: Plan, day: dt.date, held: Held | None, reason: Reason, *, has_rest: bool) -> None:
    if held is not None and held.is_whole:
        plan.current.append(day)
    elif has_rest:
        plan.rest.append(day)
    else:
        plan.missing.append((day, reason))


def _by_month(days: Iterable[dt.date]) -> dict[dt.date, list[dt.date]]:
    found: dict[dt.date, list[dt.date]] = {}
    for day in days:
        found.setdefault(day.replace(day=1), []).append(day)
    return found
