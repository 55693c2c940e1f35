"""Days and weeks of a place, with which bars end: the sessions of an exchange."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from rangebar_polars import _internal
from rangebar_polars._common.messages import shown
from rangebar_polars._typing import ResetPeriod
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Daily", "NamedBy", "Reset", "Weekday", "Weekly", "as_reset", "reset_form"]

NamedBy: TypeAlias = Literal["start", "end"]
"""Which of its two dates names a session."""

Weekday: TypeAlias = Literal["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
"""A day of the week."""

_NOON: Final = "12:00"


@dataclass(frozen=True, kw_only=True)
class Daily:
    """
    Days of a place as a reset: they begin when its clock shows a time, as the sessions of an exchange do.

    The session of a date begins at the first instant at which the clock of the place shows `at` of that date or a later
    time, and ends where the next one begins. So a session lasts 23 hours where the clock is put forward and 25 where it
    is put back, and begins at the same local time on both sides.

    Parameters
    ----------
    at
        The local time at which sessions begin: a text such as "18:00" or "18:00:30", or a `datetime.time`.
    zone
        The time zone, by its name in the IANA database, such as "America/New_York".
    named_by
        Which of its dates names a session, in the column `session`: that on which it begins ("start"), or that on which
        it ends ("end"), which is the date on which the next one begins. By default "end" if `at` is after noon, and
        "start" otherwise: a session of futures that begins on Sunday at 18:00 is the trade date Monday, and a day of
        shares from 09:30 on, or from 00:00 on, is that of its own date. The name decides no bar.

    Raises
    ------
    RangeBarError
        If a time, a zone or a name is none.

    Notes
    -----
    Where the clock is put forward over `at`, the session begins at that moment; where it shows `at` twice, the first
    time. A date that the clock skips as a whole (30 December 2011 in Apia) has no session: the one before goes on.

    The time zone of the column does not matter, only `zone` does; times without zone are taken as UTC. The changes of
    clocks are those of the IANA database that this version of the library was built with, whatever the machine has, and
    they are known up to 2099. A checkpoint has the name of the zone and the time; a later version that knows another
    beginning of the session of the last trade refuses it. When a session ends is worked out once a session and group,
    so it costs as much as ``reset="1d"``.

    Holidays and days without trading are no matter: a session without trades has no bars.

    Examples
    --------
    In the night to Sunday, 10 March 2024, the clock of New York is put forward. Two trades around 18:00 there on the
    Thursday before, which is 23:00 UTC, and two on the Monday after, when it is 22:00 UTC:

    >>> import datetime as dt
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> times = ["2024-03-07 22:59", "2024-03-07 23:00", "2024-03-11 21:59", "2024-03-11 22:00"]
    >>> trades = pl.DataFrame({"timestamp": times, "price": [100.0] * 4, "quantity": [1.0] * 4})
    >>> trades = trades.with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC"))
    >>> sessions = rb.Daily(at="18:00", zone="America/New_York")
    >>> bars = trades.rangebar.bars(
    ...     100, reset=sessions, include_session=True, include_orphans=True, include_incomplete=True
    ... )
    >>> bars.select("open_time", "session", "close_reason")
    shape: (4, 3)
    ┌─────────────────────────┬────────────┬──────────────┐
    │ open_time               ┆ session    ┆ close_reason │
    │ ---                     ┆ ---        ┆ ---          │
    │ datetime[μs, UTC]       ┆ date       ┆ enum         │
    ╞═════════════════════════╪════════════╪══════════════╡
    │ 2024-03-07 22:59:00 UTC ┆ 2024-03-07 ┆ reset        │
    │ 2024-03-07 23:00:00 UTC ┆ 2024-03-08 ┆ reset        │
    │ 2024-03-11 21:59:00 UTC ┆ 2024-03-11 ┆ reset        │
    │ 2024-03-11 22:00:00 UTC ┆ 2024-03-12 ┆ end          │
    └─────────────────────────┴────────────┴──────────────┘
    """

    at: str | dt.time
    zone: str
    named_by: NamedBy | None = None

    def __post_init__(self) -> None:
        at = _at(self.at)
        # As the parameters that the user could have given, so that two of the same meaning are equal.
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "named_by", _named_by(self.named_by, "end" if at > _NOON else "start"))
        _check(self)

    @property
    def form(self) -> dict[str, Any]:
        """
        The form that requests and checkpoints have.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.Daily(at="09:30", zone="America/New_York").form
        {'at': '09:30', 'zone': 'America/New_York', 'named_by': 'start'}
        """
        return {"at": self.at, "zone": self.zone, "named_by": self.named_by}


@dataclass(frozen=True, kw_only=True)
class Weekly:
    """
    Weeks of a place as a reset: they begin when its clock shows a time on a day of the week.

    A week begins at the first instant at which the clock of the place shows `at` of such a day or a later time, and
    ends where the next one begins. Foreign exchange opens on Sunday at 17:00 in New York.

    Parameters
    ----------
    on
        The day with which weeks begin, in English: "sunday" to "saturday".
    at
        The local time at which they begin: a text such as "17:00" or "17:00:30", or a `datetime.time`.
    zone
        The time zone, by its name in the IANA database, such as "America/New_York".
    named_by
        Which of its dates names a week, in the column `session`: that on which it begins ("start", the default), or
        that on which it ends ("end"), which is the date on which the next one begins.

    Raises
    ------
    RangeBarError
        If a day, a time, a zone or a name is none.

    Notes
    -----
    As those of :class:`Daily`. If the clock skips the date on which a week would begin, it begins at the next instant
    that there is.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> times = ["2024-03-10 20:59", "2024-03-10 21:00", "2024-03-15 20:59"]  # 17:00 in New York is 21:00 UTC in summer
    >>> trades = pl.DataFrame({"timestamp": times, "price": [100.0, 100.0, 101.0], "quantity": [1.0] * 3})
    >>> trades = trades.with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC"))
    >>> weeks = rb.Weekly(on="sunday", at="17:00", zone="America/New_York")
    >>> bars = trades.rangebar.bars(500, reset=weeks, include_session=True, include_orphans=True)
    >>> bars.select("session", "agg_record_count", "close_reason").rows()
    [(datetime.date(2024, 3, 3), 1, 'reset'), (datetime.date(2024, 3, 10), 2, 'threshold')]
    """

    on: Weekday
    at: str | dt.time
    zone: str
    named_by: NamedBy | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.on, str) or self.on not in get_args(Weekday):
            msg = f'`on` must be a day of the week, such as "sunday", got {shown(self.on)}: write it in English'
            raise RangeBarError(msg)
        object.__setattr__(self, "at", _at(self.at))
        object.__setattr__(self, "named_by", _named_by(self.named_by, "start"))
        _check(self)

    @property
    def form(self) -> dict[str, Any]:
        """
        The form that requests and checkpoints have.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.Weekly(on="sunday", at="17:00", zone="America/New_York").form
        {'on': 'sunday', 'at': '17:00', 'zone': 'America/New_York', 'named_by': 'start'}
        """
        return {"on": self.on, "at": self.at, "zone": self.zone, "named_by": self.named_by}


Reset: TypeAlias = ResetPeriod | Daily | Weekly
"""Periods with which bars end: those of the calendar in UTC, or days and weeks of a place."""


def reset_form(reset: Reset | None) -> str | dict[str, Any] | None:
    """A reset in the form that the library takes."""
    return reset.form if isinstance(reset, Daily | Weekly) else reset


def as_reset(form: str | dict[str, Any] | None) -> Reset | None:
    """A reset in the form that the user writes."""
    if isinstance(form, dict):
        return Weekly(**form) if "on" in form else Daily(**form)
    return cast("ResetPeriod | None", form)


def _at(value: object) -> str:
    """A local time as text, without seconds if there are none; the library says which texts may be."""
    if isinstance(value, dt.time):
        if value.tzinfo is not None or value.microsecond:
            msg = (
                f"`at` must be a local time in whole seconds, without a time zone, got {value!r}: give `zone` beside it"
            )
            raise RangeBarError(msg)
        value = value.isoformat()
    if not isinstance(value, str):
        msg = f'`at` must be a local time from "00:00" to "23:59:59", such as "18:00", got {shown(value)}'
        raise RangeBarError(msg)
    return value.removesuffix(":00") if len(value) == len("18:00:00") else value


def _named_by(value: object, usual: NamedBy) -> NamedBy:
    if value is None:
        return usual
    if value not in get_args(NamedBy) or not isinstance(value, str):
        msg = f'`named_by` must be "start" or "end", the date on which a session begins or ends, got {shown(value)}'
        raise RangeBarError(msg)
    return "start" if value == "start" else "end"


def _check(sessions: Daily | Weekly) -> None:
    """What the library says of a time and a zone."""
    if not isinstance(sessions.zone, str):
        msg = (
            f'`zone` must be a name such as "America/New_York", got {shown(sessions.zone)}: '
            "take one of the IANA database"
        )
        raise RangeBarError(msg)
    _internal.check_reset(json.dumps(sessions.form))
