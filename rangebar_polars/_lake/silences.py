"""Times without a trade of a symbol, and whether its ids show that nothing is missing there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from typing import Final, NamedTuple

import polars as pl

from rangebar_polars._bars.gaps import gaps
from rangebar_polars._common.instants import EPOCH, UNITS_PER_SECOND
from rangebar_polars._lake.footer import Facts
from rangebar_polars._lake.layout import Layout, TradesUnit
from rangebar_polars._lake.schema import ID
from rangebar_polars._lake.trades import trades_of

__all__ = ["Silence", "is_short", "silences"]

_TIME: Final = "timestamp"
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class Silence(NamedTuple):
    """A time between two trades that follow each other."""

    start: int
    """In the clock of the lake, since 1970."""
    end: int
    is_proven: bool
    """Whether the ids of both trades follow each other, so that there was no trade."""

    def days(self, layout: Layout) -> tuple[dt.date, dt.date]:
        """The days on which it begins and ends."""
        per_day = _per_day(layout)
        # Midnight after a day is the end of that day, if a silence ends with it.
        first, last = self.start // per_day, max(self.start, self.end - 1) // per_day
        return EPOCH.date() + dt.timedelta(first), EPOCH.date() + dt.timedelta(last)


def silences(layout: Layout, facts: Mapping[TradesUnit, Facts], silence: str) -> Iterator[Silence]:
    """
    The silences of a symbol that are longer than `silence`; a day without a file is none of them.

    A silence into which whole days fall, of which there are no files, is told by what lies before and after these days.
    """
    per_day = _per_day(layout)
    for found in _found(layout, facts, silence):
        first, last = found.start // per_day, found.end // per_day
        if last - first < 2:  # noqa: PLR2004  (there is no day between two that follow each other)
            yield found
            continue
        for start, end in ((found.start, (first + 1) * per_day), (last * per_day, found.end)):
            if _of_two(layout, start, end, silence).height:
                yield Silence(start, end, found.is_proven)


def is_short(start: dt.datetime, end: dt.datetime, silence: str) -> bool:
    """Whether a time is not longer than `silence`."""
    steps = pl.DataFrame({_TIME: [(time - EPOCH) // _MICROSECOND for time in (start, end)]})
    return gaps(steps, max_gap=silence, time_unit="us").is_empty()


def _per_day(layout: Layout) -> int:
    return 86_400 * UNITS_PER_SECOND[layout.time_unit]


def _found(layout: Layout, facts: Mapping[TradesUnit, Facts], silence: str) -> Iterator[Silence]:
    """All that are longer, from trade to trade."""
    runs = [dict(run) for _, run in groupby(facts.items(), key=lambda item: item[1].first_id is not None)]
    for run, following in pairwise([*runs, {}]):
        last = [*run.values()][-1]
        ids = None if last.first_id is None else ID
        trades = trades_of(layout, run, keys=False).select(_TIME, *([] if ids is None else [ids]))
        found = gaps(trades, max_gap=silence, agg_trade_id=ids).filter("is_silent").collect()
        yield from _silent(found, has_ids=ids is not None)
        # Of two days of which one has no ids, only the times can be compared.
        after = next(iter(following.values()), None)
        if last.last_time is not None and after is not None and after.first_time is not None:
            yield from _silent(_of_two(layout, last.last_time, after.first_time, silence), has_ids=False)


def _of_two(layout: Layout, start: int, end: int, silence: str) -> pl.DataFrame:
    """The silence between two times, if there is one."""
    times = pl.Series(_TIME, [start, end]).cast(pl.Datetime(layout.time_unit, "UTC"))
    return gaps(times.to_frame(), max_gap=silence)


def _silent(found: pl.DataFrame, *, has_ids: bool) -> Iterator[Silence]:
    for start, end, missing in found.select(pl.col("last_time", "next_time").to_physical(), "missing_id_count").rows():
        yield Silence(start, end, is_proven=has_ids and not missing)
