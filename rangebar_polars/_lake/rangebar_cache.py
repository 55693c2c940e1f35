"""The trades that the package `rangebar` kept in its cache: months of Parquet, with what it lost and mixed up."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from rangebar_polars._common.messages import listed, shown, shown_path
from rangebar_polars._common.parameters import USUAL_DECIMALS
from rangebar_polars._engine.reading import batches
from rangebar_polars._lake.add import AddReport, OnConflict, add
from rangebar_polars._lake.layout import Layout, check_key
from rangebar_polars._lake.when import When, time_range
from rangebar_polars._readers.policy import OnBadRows
from rangebar_polars._readers.preset import Preset
from rangebar_polars._readers.report import ReadReport
from rangebar_polars._readers.scan import Reading, scan_files
from rangebar_polars._readers.trades import reading_of
from rangebar_polars.exceptions import RangeBarError, RangeBarWarning

__all__ = ["add_cache"]

_IDS: Final = ("agg_trade_id", "trade_id")

_PRESET: Final = Preset(
    name="the cache of rangebar",
    columns={
        "timestamp": "timestamp",
        "price": "price",
        "quantity": ("quantity", "volume"),
        "is_buyer_maker": "is_buyer_maker",
        "agg_trade_id": _IDS,
        "first_trade_id": "first_trade_id",
        "last_trade_id": "last_trade_id",
    },
)

_FOLDER: Final = re.compile(r"BINANCE_(?P<market>SPOT|UM|CM)_(?P<symbol>.+)")
"""Source, market and symbol, in capital letters."""

_MONTH: Final = re.compile(r"\d{4}-\d{2}\.parquet")

_MICROSECONDS_SINCE: Final = dt.date(2025, 1, 1)
"""From this day on, the spot archives of Binance have microseconds, and the cache has not."""


class _Folder(NamedTuple):
    """The months of one symbol."""

    venue: str
    symbol: str
    files: list[Path]


def add_cache(
    layout: Layout,
    path: Path,
    *,
    venue: str | None,
    symbols: str | Sequence[str] | None,
    start: When,
    end: When,
    on_bad_rows: OnBadRows,
    on_conflict: OnConflict,
    lock_seconds: float,
) -> AddReport:
    """Add the trades of a cache, symbol by symbol."""
    first, last = time_range(start, end)
    read = ReadReport()
    total = AddReport(read=read)
    # All names are looked at, and all parameters checked, before the first file is read.
    folders = list(_folders(path, venue, symbols))
    for folder in folders:
        _ = _reading(folder, folder.files, on_bad_rows, read, in_order=True)
    for folder, in_order, files in ((of, *run) for of in folders for run in _runs(of.files)):
        reading = _reading(folder, files, on_bad_rows, read, in_order=in_order)
        trades = scan_files(reading, reading.schema, None, "CACHE OF RANGEBAR")
        if first is not None:
            trades = trades.filter(pl.col("timestamp") >= first)
        if last is not None:
            trades = trades.filter(pl.col("timestamp") < last)
        done = add(layout, trades, venue=folder.venue, symbol=None, on_conflict=on_conflict, lock_seconds=lock_seconds)
        for name in ("new", "merged", "replaced", "unchanged"):
            getattr(total, name).extend(getattr(done, name))
        total.rows += done.rows
    _warn_of_milliseconds(total, read)
    return total


def _runs(files: Sequence[Path]) -> Iterator[tuple[bool, list[Path]]]:
    """Months that are in order, which need not be read whole, and months that are not: those that follow each other."""
    for in_order, run in groupby(files, _is_in_order):
        yield in_order, list(run)


def _is_in_order(file: Path) -> bool:
    """Whether ids rise and times do not go back; what cannot be read is for the reader to tell."""
    frame = pl.scan_parquet(file, hive_partitioning=False, glob=False)
    try:
        schema = frame.collect_schema()
        names = ["timestamp", *(name for name in _IDS if name in schema)][:2]
        before: pl.DataFrame | None = None
        with closing(batches(frame.select(names), names)) as read:
            for batch in read:
                rows = batch if before is None else pl.concat([before, batch])
                steps = rows.with_columns(pl.all().to_physical().cast(pl.Int64).diff()).slice(1)
                late = steps["timestamp"] < 0
                for name in names[1:]:
                    late |= steps[name] <= 0
                if late.any() or any(column.null_count() for column in batch):
                    return False
                before = rows.tail(1)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return False
    return True


def _reading(
    folder: _Folder, files: Sequence[Path], on_bad_rows: OnBadRows, report: ReadReport, *, in_order: bool
) -> Reading:
    """How months of a symbol are read; whole if their parts stand in any order, and some twice."""
    reading = reading_of(
        list(files),
        _PRESET,
        time_unit=None,
        symbol=folder.symbol,
        member=None,
        price_decimals=USUAL_DECIMALS,
        decimal=False,
        on_bad_rows=on_bad_rows,
        on_unsorted="raise" if in_order else "sort",
        report=report,
    )
    return replace(reading, expected={"duplicate": "drop"})


def _folders(path: Path, venue: str | None, symbols: str | Sequence[str] | None) -> Iterator[_Folder]:
    """The folders of symbols at a path: the cache, its folder `ticks`, or one of the folders in it."""
    if venue is not None:
        check_key("venue", venue)
    wanted = None if symbols is None else [symbols] if isinstance(symbols, str) else list(symbols)
    if not path.is_dir():
        msg = f"{shown_path(path)} is no folder: name the cache of rangebar, such as ~/.cache/rangebar"
        raise RangeBarError(msg)
    if files := _months(path):
        yield _named(path, files, venue, wanted)
        return
    ticks = path / "ticks" if (path / "ticks").is_dir() else path
    found = {below: _months(below) for below in sorted(ticks.iterdir()) if below.is_dir()}
    told = [(f"binance-{n['market'].lower()}", n["symbol"], b) for b in found if (n := _FOLDER.fullmatch(b.name))]
    there = sorted({symbol for _, symbol, _ in told})
    missing = [symbol for symbol in wanted or () if symbol not in there]
    chosen = [t for t in told if (wanted is None or t[1] in wanted) and venue in (None, t[0])]
    if missing or not chosen:
        what = f"trades of {listed(missing)}" if missing else "trades" if venue is None else f"trades of {venue!r}"
        msg = f"the cache {shown_path(ticks)} has no {what}: it has {listed(there) or 'no folder of a symbol'}"
        raise RangeBarError(msg)
    strange = [below for below, files in found.items() if files and not _FOLDER.fullmatch(below.name)]
    if strange and wanted is None:
        msg = (
            f"{shown_path(strange[0])} has a name that tells no market of Binance: leave it out by naming `symbols=`, "
            "or add it alone with `venue=` and `symbols=`"
        )
        raise RangeBarError(msg)
    for of, symbol, below in chosen:
        if found[below]:  # a folder may have been emptied
            yield _Folder(of, symbol, found[below])


def _named(path: Path, files: list[Path], venue: str | None, wanted: list[str] | None) -> _Folder:
    """A folder of a symbol that was named itself; what the user says holds."""
    name = _FOLDER.fullmatch(path.resolve().name)
    of = venue or (None if name is None else f"binance-{name['market'].lower()}")
    symbol = wanted[0] if wanted is not None and len(wanted) == 1 else None if name is None else name["symbol"]
    if of is None or symbol is None or (wanted is not None and wanted != [symbol]):
        msg = (
            f"{shown_path(path)} holds the trades of one symbol, and its name does not tell which: give `venue=` and "
            f"one symbol in `symbols=`, got {shown(venue)} and {shown(wanted)}"
        )
        raise RangeBarError(msg)
    return _Folder(of, check_key("symbol", symbol), files)


def _months(folder: Path) -> list[Path]:
    """The files of a symbol, by month; drafts that the old program left are none."""
    files = sorted(file for file in folder.iterdir() if file.suffix == ".parquet" and file.is_file())
    months = [file for file in files if _MONTH.fullmatch(file.name)]
    if months and len(months) < len(files):
        other = next(file for file in files if file not in months)
        msg = f"{shown_path(other)} is not named by a month, as those beside it are: move it away, and add it by itself"
        raise RangeBarError(msg)
    return months


def _warn_of_milliseconds(report: AddReport, read: ReadReport) -> None:
    """Tell that times were cut, which no reader can see."""
    written = [*report.new, *report.merged, *report.replaced]
    late = [u.date for u in written if u.venue == "binance-spot" and u.date >= _MICROSECONDS_SINCE]
    if late and "ms" in read.files()["time_unit"].to_list():
        msg = (
            f"the cache has the times of {len(late)} days from {min(late)} on in milliseconds, where the archives of "
            'the venue have microseconds: fetch these days with on_conflict="replace", or add the cache with '
            f"`end={str(_MICROSECONDS_SINCE - dt.timedelta(days=1))!r}`"
        )
        warnings.warn(msg, RangeBarWarning, stacklevel=4)
