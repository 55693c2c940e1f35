"""What a lake has, what it lacks, and what is wrong in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._common.days import days_of
from rangebar_polars._engine.reading import batches
from rangebar_polars._lake.coverage import follows, without_quotes
from rangebar_polars._lake.footer import Facts, facts_of, read_facts
from rangebar_polars._lake.known import with_known
from rangebar_polars._lake.layout import BarsUnit, Layout, TradesUnit, Unit, check_links
from rangebar_polars._lake.plan import TradesFacts, stale
from rangebar_polars._lake.publish import Written, digest_of, missing_between, note
from rangebar_polars._lake.schema import ID
from rangebar_polars._lake.series import Series, defined
from rangebar_polars._lake.silences import is_short, silences
from rangebar_polars._registry.registry import FILE, known
from rangebar_polars.exceptions import LakeFileError, RangeBarError

__all__ = ["gaps", "status", "verify"]

_STATUS: Final[dict[str, pl.DataType]] = {
    "venue": pl.String(),
    "symbol": pl.String(),
    "first_day": pl.Date(),
    "last_day": pl.Date(),
    "days": pl.UInt32(),
    "missing_days": pl.UInt32(),
    "trades": pl.UInt64(),
    "missing_ids": pl.UInt64(),
    "series": pl.String(),
    "units": pl.UInt32(),
    "stale": pl.UInt32(),
    "bars": pl.UInt64(),
}
_GAPS: Final[dict[str, pl.DataType]] = {
    "venue": pl.String(),
    "symbol": pl.String(),
    "kind": pl.Enum(["ids", "day", "silence", "stale_bars", "repeated_ids"]),
    "first_id": pl.Int64(),
    "last_id": pl.Int64(),
    "count": pl.UInt64(),
    "from": pl.Date(),
    "to": pl.Date(),
    "series": pl.String(),
    "fixable_by": pl.Enum(["archive or rest", "build", "none"]),
    "from_time": pl.Int64(),
    "to_time": pl.Int64(),
}
"""Times are in the clock of the lake."""
_FAULTS: Final = {"file": pl.String(), "fault": pl.String()}


def _read(layout: Layout, venue: str, symbol: str) -> dict[TradesUnit, Facts]:
    """The footers of the trades of a symbol; an error for the first file that is damaged."""
    found = facts_of(layout, layout.trades(venue, symbol))
    for facts in found.values():
        if isinstance(facts, LakeFileError):
            raise facts
    return {unit: facts for unit, facts in found.items() if isinstance(facts, Facts)}


def status(layout: Layout, instruments: Iterable[tuple[str, str]]) -> pl.DataFrame:
    """One row for each symbol and series."""
    rows: list[tuple[Any, ...]] = []
    series = [defined(layout, name) for name in layout.series()]
    for venue, symbol in instruments:
        facts = _read(layout, venue, symbol)
        days = [unit.date for unit in facts]
        missing_days = (days[-1] - days[0]).days + 1 - len(days) if days else 0
        trades, missing = sum(one.rows for one in facts.values()), _count_missing(facts)
        first, last = (days[0], days[-1]) if days else (None, None)
        told = (venue, symbol, first, last, len(days), missing_days, trades, missing)
        rows += [(*told, *_series_status(layout, one, venue, symbol, facts)) for one in series] or [
            (*told, None, 0, 0, 0)
        ]
    return pl.DataFrame(rows, schema=_STATUS, orient="row")


def _series_status(layout: Layout, series: Series, venue: str, symbol: str, trades: TradesFacts) -> tuple[Any, ...]:
    there = facts_of(layout, layout.bars(series.name, venue, symbol))
    bars = sum(facts.rows for facts in there.values() if isinstance(facts, Facts))
    return (series.name, len(there), len(stale(layout, series, venue, symbol, trades, bars=there)), bars)


def gaps(layout: Layout, instruments: Iterable[tuple[str, str]], silence: str | None = None) -> pl.DataFrame:
    """What is missing, one row for each run of ids or days, each silence, and each unit of bars that is not current."""
    rows: list[tuple[Any, ...]] = []
    series = [defined(layout, name) for name in layout.series()]
    no_times = (None, None)
    for venue, symbol in instruments:
        facts = _read(layout, venue, symbol)
        without = without_quotes({unit.date: one for unit, one in facts.items()})
        for before, after in pairwise(facts):
            days = (after.date - before.date).days - 1
            if days:
                start, end = before.date + dt.timedelta(days=1), after.date - dt.timedelta(days=1)
                is_proven = follows(facts[before], facts[after]) or without.issuperset(days_of(start, end))
                fix = "none" if is_proven else "archive or rest"
                rows.append((venue, symbol, "day", None, None, days, start, end, None, fix, *no_times))
        rows += [
            (venue, symbol, "ids", first, last, count, start, end, None, "archive or rest", *no_times)
            for start, end, first, last, count in _missing_ids(layout, facts)
        ]
        rows += [
            (venue, symbol, "repeated_ids", first, last, last - first + 1, start, end, None, "none", *no_times)
            for start, end, first, last in _repeated_ids(facts)
        ]
        for quiet in () if silence is None else silences(layout, facts, silence):
            fix = "none" if quiet.is_proven else "archive or rest"
            span = (*quiet.days(layout), None, fix, quiet.start, quiet.end)
            rows.append((venue, symbol, "silence", None, None, None, *span))
        for one in series:
            for task in stale(layout, one, venue, symbol, facts):
                built_of: list[dt.date | None] = [day.date for day in task.trades] or [None]
                told = (built_of[0], built_of[-1], one.name, "build", *no_times)
                rows.append((venue, symbol, "stale_bars", None, None, 1, *told))
    times = pl.col("from_time", "to_time").cast(pl.Datetime(layout.time_unit, "UTC"))
    found = pl.DataFrame(rows, schema=_GAPS, orient="row").with_columns(times)
    return with_known(layout, found, None if silence is None else partial(is_short, silence=silence))


def _missing_ids(layout: Layout, facts: Mapping[TradesUnit, Facts]) -> Iterator[tuple[dt.date, dt.date, int, int, int]]:
    """Days, ids and count of each run of missing ids, inside days and between them."""
    before: tuple[dt.date, int] | None = None
    for unit, one in facts.items():
        if one.first_id is None or one.last_id is None:
            before = None
            continue
        if before is not None and one.first_id > before[1] + 1:
            yield before[0], unit.date, before[1] + 1, one.first_id - 1, one.first_id - 1 - before[1]
        for first, last in _ranges(layout, unit) if one.missing is None else one.missing:
            yield unit.date, unit.date, first, last, last - first + 1
        before = (unit.date, one.last_id)


def _repeated_ids(facts: Mapping[TradesUnit, Facts]) -> Iterator[tuple[dt.date, dt.date, int, int]]:
    """Days and ids where a day has ids of the day before: a venue has split a trade at midnight, or counts anew."""
    with_ids = [(unit.date, one) for unit, one in facts.items() if one.first_id is not None]
    for (day, before), (next_day, after) in pairwise(with_ids):
        first, last = max(before.first_id or 0, after.first_id or 0), min(before.last_id or 0, after.last_id or 0)
        if first <= last:
            yield day, next_day, first, last


def _ranges(layout: Layout, unit: TradesUnit) -> Iterator[tuple[int, int]]:
    """The ranges that are missing among the ids of a day, which are too many for its footer."""
    ids = pl.scan_parquet(layout.file(unit), hive_partitioning=False, glob=False).select(ID).collect()[ID]
    yield from missing_between(ids, None).iter_rows()


def _count_missing(facts: Mapping[TradesUnit, Facts]) -> int:
    """How many ids are missing: ids rise, so the number of trades tells it."""
    count, before = 0, None
    for one in facts.values():
        if one.first_id is not None and one.last_id is not None:
            count += one.last_id - one.first_id + 1 - one.rows
            count += max(one.first_id - before - 1, 0) if before is not None else 0
        before = one.last_id
    return count


def verify(layout: Layout, instruments: Iterable[tuple[str, str]] | None, *, deep: bool) -> pl.DataFrame:
    """One row for each file that is not as a lake writes it; with `deep`, every value is read."""
    only = None if instruments is None else set(instruments)
    series = {name: _fault_of_series(layout, name) for name in layout.series()}
    rows = [(str(layout.series_file(name)), fault) for name, fault in series.items() if fault is not None]
    rows += [(str(file), fault) for file, fault in _fault_of_known(layout)]
    for file, unit in layout.files():
        if unit is None or isinstance(unit, OSError):
            rows.append((str(file), _fault_of_stranger(file, unit)))
        elif only is None or (unit.venue, unit.symbol) in only:
            fault = _fault(layout, unit, deep=deep)
            if fault is None and isinstance(unit, BarsUnit) and unit.series not in series:
                fault = "its series is not defined"
            rows += [] if fault is None else [(str(file), fault)]
    return pl.DataFrame(rows, schema=_FAULTS, orient="row")


def _fault_of_series(layout: Layout, name: str) -> str | None:
    """What is wrong with the file that defines a series."""
    try:
        defined(layout, name)
    except RangeBarError as error:
        return str(error)
    return None


def _fault_of_known(layout: Layout) -> Iterator[tuple[Path, str]]:
    """The file of the facts that a user knows, if it is wrong, and what is wrong with it."""
    try:
        known(layout.root)
    except LakeFileError as error:
        yield layout.root / FILE, str(error)


def _fault_of_stranger(file: Path, error: OSError | None) -> str:
    """What is wrong with a file that has no name of ours, or with a folder that cannot be listed."""
    try:
        check_links(file)
    except LakeFileError as dead:
        return str(dead)
    return "no file of a lake" if error is None else f"it cannot be read: {error.strerror or error}"


def _fault(layout: Layout, unit: Unit, *, deep: bool) -> str | None:
    """What is wrong with the file of a unit."""
    try:
        facts = read_facts(layout, unit, whole=True)
        return _unlike(layout, unit, facts) if deep else None
    except LakeFileError as error:
        return str(error)
    except FileNotFoundError:
        return None  # somebody has removed it meanwhile
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, RangeBarError, OSError) as error:
        return f"it cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}"


def _unlike(layout: Layout, unit: Unit, facts: Facts) -> str | None:
    """How the values of a file differ from those that were written."""
    written, digests = Written(), _internal.Digests()
    rows = pl.scan_parquet(layout.file(unit), hive_partitioning=False, glob=False)
    with closing(batches(rows, rows.collect_schema().names())) as read:
        for batch in read:
            digests.update(batch)
            if batch.height:
                note(written, batch)
    written.rows, written.digest = digest_of(digests)
    for one in fields(Written):
        there, said = getattr(written, one.name), getattr(facts, one.name)
        if there != said:
            return f"its values are not those that were written (`{one.name}`)"
    days = {unit.date}.issuperset(_days(rows)) if isinstance(unit, TradesUnit) else True
    return None if days else "it holds trades of another day"


def _days(trades: pl.LazyFrame) -> list[dt.date]:
    """The first and the last day."""
    times = trades.select(pl.col("timestamp").min().alias("first"), pl.col("timestamp").max().alias("last")).collect()
    return [day for column in times for day in column.dt.date().to_list()]
