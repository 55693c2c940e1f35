"""Days of the calendar, in UTC."""

from __future__ import annotations

import calendar
import datetime as dt

__all__ = ["days_of", "midnight", "month_of"]


def midnight(day: dt.date) -> dt.datetime:
    """The instant with which a day begins."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def days_of(first: dt.date, last: dt.date) -> list[dt.date]:
    """All days from one to another."""
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def month_of(day: dt.date) -> tuple[dt.date, dt.date]:
    """The first and the last day of the month of a day."""
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])
