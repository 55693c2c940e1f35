"""The periods of a series, one file each: what they are called, and which of them a day of trades is for."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from rangebar_polars import _internal
from rangebar_polars._common.days import midnight
from rangebar_polars._common.instants import EPOCH, UNITS_PER_SECOND
from rangebar_polars._lake.footer import Facts
from rangebar_polars._lake.layout import TradesUnit, period_of
from rangebar_polars.exceptions import LakeFileError

__all__ = ["Period", "name_at", "names_of_day", "periods_of", "start_of"]

ResetForm: TypeAlias = str | dict[str, Any] | None
"""A reset as a request has it: a word, the sessions of a place, or none."""

_DAY: Final = dt.timedelta(days=1)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class Period(NamedTuple):
    """A period of a series."""

    name: str
    """A name; names sort as time goes on."""
    bounds: tuple[int, int] | None
    """Its first and its last instant, on the clock of the lake; None if it consists of whole days in UTC."""


def name_at(instant: dt.datetime, reset: ResetForm) -> str:
    """The name of the period of an instant."""
    if isinstance(reset, dict):
        return _session(_microseconds(instant), "us", reset)[0]
    return period_of(instant.date(), reset)


def start_of(instant: dt.datetime, reset: str | dict[str, Any]) -> dt.datetime:
    """When the period of an instant begins."""
    first, _, _ = _internal.period_bounds(_microseconds(instant), "us", json.dumps(reset))
    # Before the year 1 there is no day to name.
    return EPOCH + max(first * _MICROSECOND, dt.datetime.min.replace(tzinfo=dt.UTC) - EPOCH)


def names_of_day(day: dt.date, reset: ResetForm) -> tuple[str, str]:
    """The names of the periods with which a day in UTC begins and ends."""
    begin = midnight(day)
    latest = dt.datetime.max.replace(tzinfo=dt.UTC)
    end = begin + (_DAY - _MICROSECOND) if begin <= latest - _DAY else latest
    return name_at(begin, reset), name_at(end, reset)


def periods_of(
    trades: Mapping[TradesUnit, Facts | LakeFileError], reset: ResetForm, time_unit: Literal["us", "ns"]
) -> dict[Period, list[TradesUnit]]:
    """The periods that days of trades are for, in the order of time, each with its days: a day may be for several."""
    found: dict[Period, list[TradesUnit]] = {}
    for day, facts in trades.items():
        for period in _of_day(day.date, facts, reset, time_unit):
            found.setdefault(period, []).append(day)
    return found


def _of_day(
    day: dt.date, facts: Facts | LakeFileError, reset: ResetForm, time_unit: Literal["us", "ns"]
) -> Iterable[Period]:
    if not isinstance(reset, dict):
        yield Period(period_of(day, reset), None)
        return
    per_second = UNITS_PER_SECOND[time_unit]
    begin = (midnight(day) - EPOCH) // dt.timedelta(seconds=1)
    time, last = (max(-(2**63), min(x, 2**63 - 1)) for x in (begin * per_second, (begin + 86_400) * per_second - 1))
    if isinstance(facts, Facts) and facts.first_time is not None and facts.last_time is not None:
        # A session that lies between days of trades, such as a Saturday, is none for lack of trades.
        time, last = facts.first_time, facts.last_time
    while time <= last:
        name, *bounds = _session(time, time_unit, reset)
        yield Period(name, (bounds[0], bounds[1]))
        time = bounds[1] + 1


def _session(time: int, time_unit: Literal["us", "ns"], reset: dict[str, Any]) -> tuple[str, int, int]:
    """The name, the first and the last instant of the session of an instant."""
    first, last, date = _internal.period_bounds(time, time_unit, json.dumps(reset))
    # The session with which the calendar of Python ends may be named by a day more.
    ordinal = min(max(EPOCH.toordinal() + date, 1), dt.date.max.toordinal())
    return dt.date.fromordinal(ordinal).isoformat(), first, last


def _microseconds(instant: dt.datetime) -> int:
    return (instant - EPOCH) // _MICROSECOND
