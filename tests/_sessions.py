"""The sessions of a place, slow and obvious, by the clocks of `zoneinfo`; trades around their ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._calendar import instants

if TYPE_CHECKING:
    from tests._oracle import TimeUnit

DAY = 86_400
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

CHANGES = {
    "America/New_York": ["2024-03-10", "2024-11-03", "2007-03-11", "1987-04-05"],
    "America/Chicago": ["2024-03-10", "2024-11-03"],
    "Europe/London": ["2024-03-31", "2024-10-27", "1971-10-31"],
    "Asia/Tokyo": ["2024-01-01"],
    "Asia/Kolkata": ["2024-01-01"],
    "Asia/Kathmandu": ["1986-01-01"],  # by a quarter of an hour
    "Australia/Lord_Howe": ["2024-04-07", "2024-10-06"],  # by half an hour
    "Australia/Sydney": ["2024-04-07", "2024-10-06"],
    "America/Sao_Paulo": ["2018-11-04", "2018-02-18"],  # at midnight
    "America/St_Johns": ["2006-04-02", "2006-10-29"],  # a minute after midnight
    "America/Havana": ["2024-03-10", "2024-11-03"],
    "America/Nuuk": ["2024-03-31", "2023-03-26"],
    "Africa/Casablanca": ["2024-03-10", "2024-04-14"],  # for Ramadan
    "Africa/Monrovia": ["1972-01-07"],  # by 44.5 minutes
    "Antarctica/Troll": ["2024-03-31"],  # by two hours
    "Pacific/Apia": ["2011-12-30", "2011-09-24", "2021-04-04"],  # a day that was not
    "Pacific/Kiritimati": ["1994-12-31"],
    "Pacific/Kwajalein": ["1993-08-21"],
    "Asia/Pyongyang": ["2015-08-15", "2018-05-05"],
    "America/Caracas": ["2007-12-09", "2016-05-01"],
    "Asia/Gaza": ["2024-02-17", "2024-04-20"],
}
"""Zones, and days around which their clocks were changed."""


class Sessions(NamedTuple):
    """What `Daily` and `Weekly` say, taken apart."""

    zone: str
    at: int
    """Seconds since midnight."""
    on: int | None = None
    """A day of the week, from Monday."""
    named_by: str = "start"

    @property
    def reset(self) -> rb.Daily | rb.Weekly:
        at = (EPOCH + dt.timedelta(seconds=self.at)).time()
        if self.on is None:
            return rb.Daily(at=at, zone=self.zone, named_by=self.named_by)
        return rb.Weekly(on=WEEKDAYS[self.on], at=at.isoformat(), zone=self.zone, named_by=self.named_by)


@lru_cache(maxsize=200_000)
def shown(second: int, zone: str) -> dt.datetime:
    """What the clock of a place shows at a second."""
    utc = EPOCH + dt.timedelta(seconds=second)
    return utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@lru_cache(maxsize=10_000)
def first_shown(local: dt.datetime, zone: str) -> int:
    """The first second at which the clock shows a time or a later one: minute by minute, then second by second.

    Hours are skipped behind which the clock shows three hours less: no clock of today was ever put back by so much.
    """
    middle = int((local.replace(tzinfo=dt.UTC) - EPOCH).total_seconds())
    second = (middle - 27 * 3_600) // 60 * 60
    while shown(second + 3_600, zone) < local - dt.timedelta(hours=3):
        second += 3_600
    while shown(second + 59, zone) < local:
        second += 60
    while shown(second, zone) < local:
        second += 1
    return second


def begin(date: dt.date, sessions: Sessions) -> int | None:
    """The first second of the session of a date, if there is one."""
    midnight = dt.datetime.combine(date, dt.time())
    if sessions.on is not None:
        if date.weekday() != sessions.on:
            return None
    elif shown(first_shown(midnight, sessions.zone), sessions.zone).date() != date:
        return None  # the clock never shows the date
    return first_shown(midnight + dt.timedelta(seconds=sessions.at), sessions.zone)


@lru_cache(maxsize=10_000)
def session(second: int, sessions: Sessions) -> tuple[int, int, dt.date]:
    """The first second of the session of a second, the first behind it, and its date."""
    today = shown(second, sessions.zone).date()
    reach = 3 if sessions.on is None else 10
    days = [today + dt.timedelta(days=n) for n in range(-reach, reach + 1)]
    begins = [(first, day) for day in days if (first := begin(day, sessions)) is not None]
    first, date = max(one for one in begins if one[0] <= second)
    behind, next_date = min(one for one in begins if one[0] > second)
    return first, behind, date if sessions.named_by == "start" else next_date


def sessions_of(times: pl.Series, sessions: Sessions) -> pl.DataFrame:
    """First second and date of the session of each time, which is one in UTC."""
    found = [session(second, sessions) for second in times.dt.epoch("s")]
    return pl.DataFrame(
        {"_first": [first for first, _, _ in found], "_date": [date for _, _, date in found]},
        schema={"_first": pl.Int64(), "_date": pl.Date()},
    )


AT = st.one_of(
    st.sampled_from([0, 1_800, 3_600, 5_400, 7_200, 9_000, 34_200, 61_200, 64_800, 84_600, DAY - 1]),
    st.integers(0, DAY - 1),
)
NAMED_BY = st.sampled_from(["start", "end"])


@st.composite
def any_sessions(draw: st.DrawFn, *, weekly: bool = True) -> tuple[Sessions, int]:
    """Sessions, and a second of a day around which their clock was changed."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    on = draw(st.one_of(st.none(), st.none(), st.integers(0, 6))) if weekly else None
    sessions = Sessions(zone, draw(AT), on, draw(NAMED_BY))
    day = dt.datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone]))).replace(tzinfo=dt.UTC)
    return sessions, int(day.timestamp()) + draw(st.integers(-3 * DAY, 4 * DAY))


@dataclass(frozen=True)
class Case:
    """Trades around the ends of sessions."""

    frame: pl.DataFrame
    sessions: Sessions
    options: dict[str, Any]

    @property
    def utc(self) -> pl.Series:
        """The times of the trades in UTC."""
        return instants(self.frame["timestamp"], self.options.get("time_unit"))


@st.composite
def session_trades(draw: st.DrawFn, *, keys: bool = True, weekly: bool = True) -> Case:
    """Trades of some days around a change of a clock, many of them at the ends of sessions, on any clock."""
    sessions, second = draw(any_sessions(weekly=weekly))
    unit: TimeUnit = draw(st.sampled_from(("ms", "us", "ns")))
    per = PER_SECOND[unit]
    ticks: list[int] = []
    for _ in range(draw(st.integers(1, 12))):
        first, behind, _ = session(second, sessions)
        near = draw(st.sampled_from((first, first, behind, second)))
        ticks += [near * per + draw(st.sampled_from((-1, 0, 0, 1, per)))]
        second += draw(st.integers(0, 2 * DAY if sessions.on is None else 9 * DAY))
    ticks += [tick + draw(st.integers(0, 3_600 * per)) for tick in ticks for _ in range(draw(st.integers(0, 3)))]
    ticks.sort()
    rows = len(ticks)
    moves = draw(st.lists(st.integers(-40, 40), min_size=rows, max_size=rows))
    prices = [100.0]
    for move in moves[1:]:
        prices.append(round(max(prices[-1] + move / 100, 50.0), 2))
    zone = draw(st.sampled_from((None, "UTC", "Asia/Tokyo", "America/New_York")))
    is_integer = draw(st.booleans())
    time = pl.Series(ticks, dtype=pl.Int64)
    frame = pl.DataFrame(
        {
            "timestamp": time if is_integer else time.cast(pl.Datetime(unit, zone)),
            "price": prices,
            "quantity": [1.0 + row % 5 for row in range(rows)],
            "is_buyer_maker": [row % 3 == 0 for row in range(rows)],
            "agg_trade_id": range(rows),
        }
    )
    by: list[str] = []
    if keys and draw(st.booleans()):
        frame = frame.with_columns(key=pl.Series(draw(st.lists(st.sampled_from("AB"), min_size=rows, max_size=rows))))
        by = ["key"]
    options: dict[str, Any] = {"by": by, "reset": sessions.reset}
    options |= {"time_unit": unit} if is_integer else {}
    options |= {"max_gap": "30h"} if draw(st.booleans()) else {}
    options |= draw(
        st.sampled_from(({}, {"lookback": 3}, {"lookback": "20h", "intra": True}, {"lookback": rb.Bars(2)}))
    )
    return Case(frame, sessions, options)


RULES: tuple[Any, ...] = (
    *(20, 250, [20, 100]),
    *(rb.Ticks(3), rb.Cusum(50), rb.Time("6h"), rb.Imbalance(target=3, span=2), rb.Runs(target=2, span=2)),
)
"""Rules of every kind: of the price, of counts, of time, and those whose threshold follows the trades."""
