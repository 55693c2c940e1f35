"""Whether a lake has all trades of a range: the days and ids that are missing, by what footers say."""

from __future__ import annotations

import datetime as dt
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from rangebar_polars._common.days import days_of, month_of
from rangebar_polars._lake.footer import Facts
from rangebar_polars._lake.layout import TradesUnit
from rangebar_polars._lake.origin import archive_of, days_told, is_whole

__all__ = ["Missing", "follows", "missing_of", "without_quotes"]


@dataclass(frozen=True)
class Missing:
    """What is missing: days, or ids in or between two days."""

    first: dt.date
    last: dt.date
    ids: tuple[int, int] | None = None

    def __str__(self) -> str:
        """As a message shows it."""
        days = str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        if self.ids is None:
            return days
        count = self.ids[1] - self.ids[0] + 1
        return f"{count:,} ids from {self.ids[0]} on {days}"


def without_quotes(there: Mapping[dt.date, Facts]) -> set[dt.date]:
    """The days that the archive of a month has not, as its last day says, if all others are there: weekends."""
    months: dict[tuple[str, str | None], list[dt.date]] = {}
    told: dict[tuple[str, str | None], int | None] = {}
    for day, facts in there.items():
        if (archive := archive_of(facts)) is not None:
            months.setdefault(archive, []).append(day)
            told[archive] = told.get(archive) or days_told(facts)
    whole = [days for archive, days in months.items() if told[archive] == len(days)]
    return {day for days in whole for day in days_of(*month_of(days[0]))} - there.keys()


def missing_of(
    facts: Mapping[TradesUnit, Facts], first: dt.date, last: dt.date, *, trusted: bool, counted: bool
) -> list[Missing]:
    """
    What is missing from one day to another, in the order of time; ids only where they are `counted` up by one.

    Of days that a user added, only a hole between ids shows that something is missing. Unless they are `trusted` to be
    whole, or their ids go on from the day before to the day after, they count as missing: their first or last trades
    may be. A day without a file is missing, too, unless ids show that there was no trade on it, or, where ids are not
    counted, the archive of its month.
    """
    by_day = {unit.date: one for unit, one in facts.items()}
    there = sorted(by_day)
    quiet = set[dt.date]() if counted else without_quotes(by_day)
    found: list[Missing] = []
    for day in days_of(first, last):
        one = by_day.get(day)
        if one is None:
            at = bisect(there, day)
            between = 0 < at < len(there) and follows(by_day[there[at - 1]], by_day[there[at]])
            found += [] if between or day in quiet else [Missing(day, day)]
            continue
        is_part = ["rest", "part"] in one.sources and archive_of(one) is None
        if (is_part or not (trusted or is_whole(one))) and not (counted and _is_between(by_day, there, day)):
            found.append(Missing(day, day))
        if not counted:
            continue
        at = bisect(there, day) - 2
        if at >= 0 and there[at] >= first and (hole := _hole(by_day[there[at]], one)) is not None:
            found.append(Missing(there[at], day, hole))
        found += [Missing(day, day)] if one.missing is None else []
        found += [Missing(day, day, (begin, end)) for begin, end in one.missing or []]
    return _runs(found)


def _is_between(by_day: Mapping[dt.date, Facts], there: list[dt.date], day: dt.date) -> bool:
    """Whether ids show that a day has all of its trades: they go on from the day before to the day after."""
    at = bisect(there, day)
    around = [by_day[one] for one in there[max(at - 2, 0) : at + 1]]
    return len(around) == 3 and all(follows(a, b) for a, b in pairwise(around))  # noqa: PLR2004


def follows(before: Facts, after: Facts) -> bool:
    """Whether no trade is missing between two days, as their ids show."""
    return before.last_id is not None and after.first_id is not None and after.first_id == before.last_id + 1


def _hole(before: Facts, after: Facts) -> tuple[int, int] | None:
    """The ids between two days."""
    if before.last_id is None or after.first_id is None or after.first_id <= before.last_id + 1:
        return None
    return before.last_id + 1, after.first_id - 1


def _runs(found: list[Missing]) -> list[Missing]:
    """Days that follow each other as one."""
    runs: list[Missing] = []
    for one in found:
        last = runs[-1] if runs else None
        if last is not None and one.ids is None and last.ids is None and (one.first - last.last).days <= 1:
            runs[-1] = Missing(last.first, max(one.last, last.last))
        else:
            runs.append(one)
    return runs
