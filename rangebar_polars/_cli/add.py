"""Files of a vendor into the lake: `add`."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, TypeAlias

import polars as pl
from cyclopts import Parameter
from rich.console import RenderableType

from rangebar_polars._cli.answer import Answer, failing, records
from rangebar_polars._cli.common import COMMON, Common, Names, to_build
from rangebar_polars._cli.tables import count, line, next_step, table
from rangebar_polars._engine.progress import progress_bar
from rangebar_polars._lake.add import AddReport
from rangebar_polars._readers.report import ReadReport
from rangebar_polars._readers.trades import scan_trades
from rangebar_polars.exceptions import RangeBarError

__all__ = ["add", "faults_of", "told_of"]

_SECONDS_BETWEEN: Final = 0.2
"""Seconds between two looks at how far the reader is."""

_BINANCE: Final = "binance-"
_DAYS: Final = ("new", "merged", "replaced", "unchanged")

Kind: TypeAlias = Literal["aggTrades", "trades"]


def add(
    paths: Annotated[list[str], Parameter(name="PATH", consume_multiple=True)],
    /,
    *,
    venue: str,
    kind: Kind | None = None,
    preset: str | None = None,
    columns: Names | None = None,
    symbol: str | None = None,
    time_unit: Literal["s", "ms", "us", "ns"] | None = None,
    time_zone: str | None = None,
    member: str | None = None,
    price_decimals: int = 8,
    on_bad_rows: Literal["raise", "drop"] = "raise",
    on_unsorted: Literal["raise", "sort", "drop"] = "raise",
    on_conflict: Literal["error", "replace"] = "error",
    lock_seconds: float = 60.0,
    dry_run: bool = False,
    common: Common = COMMON,
) -> Answer:
    """
    Add the trades of files: each day whole, each trade once.

    It never adds a part of a day: after an error nothing is added, and
    what is there already is recognised. The files stay as they are.

    For example:

        rangebar-polars add zips/ --venue binance-spot
        rangebar-polars add XBTUSD.csv --venue kraken --preset kraken

    Parameters
    ----------
    paths
        Files, folders, or patterns in quotes.
    venue
        Where the trades were made. Files of binance-spot, binance-um and
        binance-cm are read as Binance publishes them.
    kind
        The kind of the files of Binance [default: aggTrades].
    preset
        The vendor of other files, such as kraken.
    columns
        What the columns are where no preset fits, by name or number:
        timestamp=time price=px quantity=2.
    symbol
        The symbol of all files, if neither a column nor their names say it.
    time_unit
        The unit of times that are numbers, if it is not to be found by
        their digits.
    time_zone
        Where times are local, such as America/New_York.
    member
        The file to read in archives that hold several.
    price_decimals
        Decimals that a price may have.
    on_bad_rows
        What to do with rows that are not as they should be: stop, or leave
        them out and count them.
    on_unsorted
        What to do if an id or a time goes back: stop, sort each file, or
        leave such rows out and count them.
    on_conflict
        What to do if an id is there with another content: stop, or replace
        what is there.
    lock_seconds
        How long to wait for another process that adds to the venue.
    dry_run
        Read and check the files, and add nothing.
    """
    report = ReadReport()
    trades = scan_trades(
        paths,
        preset=_preset(venue, kind, preset, columns),
        columns=_columns(columns),
        time_unit=time_unit,
        time_zone=time_zone,
        symbol=symbol,
        member=member,
        price_decimals=price_decimals,
        on_bad_rows=on_bad_rows,
        on_unsorted=on_unsorted,
        report=report,
    )
    read = {"venue": venue, "dry_run": dry_run}
    if dry_run:
        with failing(), _shown(report, wanted=common.progress):
            days = _days(trades)
        document = read | {"days": records(days)} | told_of(report)
        heads = ("Symbol", "From", "To", "Days", "Trades")
        of_symbols = days.group_by(days.columns[0], maintain_order=True).agg(
            pl.col("date").min().alias("from"), pl.col("date").max().alias("to"), pl.len(), pl.col("trades").sum()
        )
        shown = [table("Trades that would be added", heads, of_symbols.rows()), *_report_shown(report)]
        return Answer(document, shown)
    lake = common.open_or_make()
    with failing(), _shown(report, wanted=common.progress):
        added = lake.add(trades, venue=venue, on_conflict=on_conflict, lock_seconds=lock_seconds)
    document = {"lake": lake.path} | read | {"trades": added.rows}
    document |= {name: [*getattr(added, name)] for name in _DAYS} | told_of(report)
    shown = [line(_summary(added)), *_report_shown(report)]
    if len(added.unchanged) < sum(len(getattr(added, name)) for name in _DAYS):
        shown.append(next_step("to bring the bars up to date", to_build(lake)))
    return Answer(document, shown)


def _preset(venue: str, kind: Kind | None, preset: str | None, columns: Names | None) -> str | None:
    """The preset that is meant: files of Binance need none to be named."""
    is_given = preset is not None or columns is not None
    if kind is not None and (is_given or not venue.startswith(_BINANCE)):
        raise RangeBarError("`--kind` is of files of Binance alone: leave it out, or name such a venue and no preset")
    if is_given or not venue.startswith(_BINANCE):
        return preset
    return f"binance {venue.removeprefix(_BINANCE)} {kind or 'aggTrades'}"


def _columns(given: list[str] | None) -> Mapping[str, str | int | tuple[str, ...]] | None:
    """What the columns are: each `what=name`, or `what=number`."""
    if given is None:
        return None
    made: dict[str, str | int | tuple[str, ...]] = {}
    for one in given:
        what, sign, name = one.partition("=")
        if not sign or not what or not name:
            msg = f"`--columns` must be pairs such as timestamp=time, got {one!r}"
            raise RangeBarError(msg)
        made[what] = int(name) if name.isdecimal() else name
    return made


def _days(trades: pl.LazyFrame) -> pl.DataFrame:
    """How many trades there are of each symbol and day."""
    key = pl.col("symbol") if "symbol" in trades.collect_schema() else pl.lit(None, pl.String).alias("symbol")
    day = pl.col("timestamp").dt.date().alias("date")
    days = trades.group_by(key, day).agg(pl.len().alias("trades"))
    return days.collect(engine="streaming").sort("symbol", "date")


def told_of(report: ReadReport) -> dict[str, Any]:
    """What a document says of files that were read."""
    files = report.files()
    return {
        "read": {
            "files": files.height,
            "rows_read": files["rows_read"].sum(),
            "rows_returned": files["rows_returned"].sum(),
            "rows_left_out": report.total,
            "faults": records(report.frame()),
            "ignored_files": report.ignored,
        }
    }


def _report_shown(report: ReadReport) -> list[RenderableType]:
    files = report.files()
    read = f"{count(files.height, 'file')} read, {count(int(files['rows_read'].sum()), 'row')}"
    shown: list[RenderableType] = [line(f"{read}, {report.total:,} left out")]
    shown += faults_of(report)
    if report.ignored:
        shown.append(line(f"{count(len(report.ignored), 'file')} ignored by the ending, such as {report.ignored[0]}"))
    return shown


def faults_of(report: ReadReport) -> list[RenderableType]:
    """The rows that were not returned as they stand, if there are some."""
    rows = report.frame().with_columns(pl.col("first_line").cast(pl.String)).rows()
    heads = ("File", "Why", "", "Rows", "Line", "Text")
    return [table("Rows that are not trades as they stand", heads, rows)] if rows else []


def _summary(added: AddReport) -> str:
    days = [f"{count(len(getattr(added, name)), 'day')} {name}" for name in _DAYS if getattr(added, name)]
    return f"{count(added.rows, 'trade')}: {', '.join(days) or 'no day'}"


@contextmanager
def _shown(report: ReadReport, *, wanted: bool) -> Generator[None]:
    """Show how far the reader is."""
    if not wanted:
        yield
        return
    ended = threading.Event()
    bar = progress_bar(None, "add")

    def look() -> None:
        bar.update(report.files()["rows_read"].sum() - bar.n)

    def watch() -> None:
        while not ended.wait(_SECONDS_BETWEEN):
            look()

    thread = threading.Thread(target=watch, name="rangebar_polars progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        look()
        bar.close()
