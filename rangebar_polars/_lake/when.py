"""From when up to when: the one rule on dates and times that a user gives."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, TypeAlias

from rangebar_polars._common.days import midnight
from rangebar_polars._common.messages import shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["When", "check_years", "day_before", "instant_before", "time_range"]

When: TypeAlias = str | dt.date | dt.datetime | None
"""A day or an instant in UTC."""

_DAY = dt.timedelta(days=1)
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2261
"""The last whole year that a clock of nanoseconds has."""


def time_range(start: When, end: When, *, end_is: str = "end") -> tuple[dt.datetime | None, dt.datetime | None]:
    """
    From which instant up to which one, which is not included.

    A day as the end is that whole day, and an instant is not included. An error if nothing can lie between them.
    """
    first, last = _instant(start, "start"), _instant(end, end_is, is_end=True)
    # The end of the day before the first one is no time before it, and yet not meant.
    if first is not None and last is not None and (last < first or (last == first and _is_day(end))):
        msg = f"`{end_is}` must not be before `start`, got {shown(start)} and {shown(end)}: swap them"
        raise RangeBarError(msg)
    return first, last


def check_years(start: dt.datetime | None, end: dt.datetime | None) -> None:
    """That a venue may have trades of a range: nobody asks for each of the days of two thousand years."""
    days = [start.date()] if start is not None else []
    days += [day_before(end)] if end is not None else []
    for day in days:
        if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            msg = f"no venue has trades of {day}: name days in the years {_FIRST_YEAR} to {_LAST_YEAR}"
            raise RangeBarError(msg)


def day_before(instant: dt.datetime) -> dt.date:
    """The day of the last instant before this one."""
    return instant_before(instant).date()


def instant_before(instant: dt.datetime) -> dt.datetime:
    """The last instant before this one, if there is one."""
    return instant - dt.timedelta.resolution if instant.year > 1 else instant


def _instant(value: When, name: str, *, is_end: bool = False) -> dt.datetime | None:
    given: Any = _read(value, name) if isinstance(value, str) else value
    if given is None:
        return None
    if isinstance(given, dt.date) and not isinstance(given, dt.datetime):
        begin = midnight(given)
        if not is_end:
            return begin
        latest = dt.datetime.max.replace(tzinfo=dt.UTC)
        return begin + _DAY if begin < latest - _DAY else latest
    # The time that pandas has for none is a datetime, and not equal to itself.
    if not isinstance(given, dt.datetime) or given != given:  # noqa: PLR0124
        msg = f"`{name}` must be a date or a time, got {shown(value)}"
        raise RangeBarError(msg)
    try:
        return given.replace(tzinfo=dt.UTC) if given.tzinfo is None else given.astimezone(dt.UTC)
    except OverflowError as error:
        msg = f"`{name}` must lie in the years 1 to 9999 in UTC, got {shown(value)}: name a day, or None"
        raise RangeBarError(msg) from error


def _is_day(value: When) -> bool:
    given = _read(value, "end") if isinstance(value, str) else value
    return not isinstance(given, dt.datetime)


def _read(text: str, name: str) -> dt.date | dt.datetime:
    """A day, if the text has no time."""
    for of in (dt.date, dt.datetime):
        try:
            return of.fromisoformat(text)
        except ValueError:
            continue
    msg = f"`{name}` must be a date or a time, such as 2024-01-31, got {shown(text)}"
    raise RangeBarError(msg)
