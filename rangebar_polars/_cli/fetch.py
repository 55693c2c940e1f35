"""Archives of a venue into the lake: `fetch`, and what there is: `symbols`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter
from rich.console import RenderableType

from rangebar_polars._cli.add import faults_of, told_of
from rangebar_polars._cli.answer import Answer, Code, records
from rangebar_polars._cli.common import COMMON, Common, Names, to_build
from rangebar_polars._cli.retries import told_retries
from rangebar_polars._cli.tables import count, line, next_step, table
from rangebar_polars._lake.fetch_report import FetchReport
from rangebar_polars._lake.lake import Lake
from rangebar_polars._lake.layout import TradesUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["fetch", "symbols"]

_DAY: Final = re.compile(r"\d{4}-\d\d")
"""How a day or a time begins, and no symbol."""

_DAYS: Final = 2


def fetch(
    what: Annotated[list[str], Parameter(name="SYMBOL")],
    /,
    *,
    venue: str = "binance-spot",
    kind: Literal["aggTrades", "trades"] = "aggTrades",
    checksums: Literal["require", "if_present"] = "require",
    rest: Annotated[bool, Parameter(negative="--no-rest")] = True,
    base: str | None = None,
    concurrency: int = 4,
    keep_archives: str | None = None,
    accept: Names | None = None,
    on_conflict: Literal["error", "replace"] = "error",
    lock_seconds: float = 60.0,
    common: Common = COMMON,
) -> Answer:
    """
    Fetch trades from the archives of a venue: SYMBOL... START [END].

    Days that are there are not fetched again. It never keeps a file whose
    checksum is wrong, or a part of a day. What cannot be fetched is told,
    and the rest is fetched: it exits with 3 then, and with 1 if the venue
    lacks a day.

    For example:

        rangebar-polars fetch BTCUSDT 2024-01-01 2024-01-31
        rangebar-polars fetch BTCUSDT ETHUSDT 2024-01-01

    Parameters
    ----------
    what
        One symbol or several, then the first day and the last one, which is
        included [default: up to now].
    venue
        The venue: binance-spot, binance-um, binance-cm or exness.
    kind
        The kind of the archives.
    checksums
        Whether archives must have a checksum.
    rest
        Whether to ask the API for what archives lack; --no-rest: not.
    base
        Another address of the archives.
    concurrency
        How many files are fetched at a time.
    keep_archives
        A folder that keeps the archives.
    accept
        Archives that are right although the venue publishes another checksum, as name=SHA-256.
    on_conflict
        What to do if trades that you have added differ from those of the venue: stop, or replace yours.
    lock_seconds
        How long to wait for another process that adds to the venue.
    """
    names, start, end = _what(what)
    accepted = _accepted(accept)
    lake = common.open_or_make()
    with told_retries(common):
        report = lake.fetch(
            names,
            start,
            end,
            venue=venue,
            kind=kind,
            checksums=checksums,
            base=base,
            rest=rest,
            concurrency=concurrency,
            keep_archives=keep_archives,
            accept=accepted,
            on_conflict=on_conflict,
            on_error="continue",
            progress=common.progress,
            lock_seconds=lock_seconds,
        )
    document: dict[str, Any] = {"lake": lake.path, "venue": venue, "symbols": names, "start": start, "end": end}
    document |= {"added": [*report.added], "unchanged": [*report.unchanged]}
    document["missing"] = [{**unit._asdict(), "reason": reason} for unit, reason in report.missing]
    document["failed"] = [{"what": what, "error": str(error)} for what, error in report.failed.items()]
    document |= {name: getattr(report, name) for name in ("files", "bytes", "rows", "seconds")}
    document |= told_of(report.read)
    return Answer(document, [*_shown(report, lake)], _code(report), report.failed)


def _accepted(given: list[str] | None) -> dict[str, str]:
    """Checksums by the names of their archives."""
    pairs = [one.partition("=") for one in given or ()]
    for name, sign, checksum in pairs:
        if not (name and sign and checksum):
            msg = (
                f"`--accept` must be pairs such as BTCUSDT-aggTrades-2024-01-01.zip=SHA-256, got {name}{sign}{checksum}"
            )
            raise RangeBarError(msg)
    return {name: checksum for name, _, checksum in pairs}


def _what(words: list[str]) -> tuple[list[str], str, str | None]:
    """Symbols, the first day and the last one."""
    names = [word for word in words if not _DAY.match(word)]
    days = words[len(names) :]
    if not names or not 1 <= len(days) <= _DAYS or any(not _DAY.match(day) for day in days):
        msg = f"say SYMBOL... START [END], such as BTCUSDT 2024-01-01 2024-01-31, got {' '.join(words)}"
        raise RangeBarError(msg)
    return names, days[0], days[1] if len(days) == _DAYS else None


def _shown(report: FetchReport, lake: Lake) -> Iterator[RenderableType]:
    took = f"{report.bytes / 1e6:,.1f} MB in {report.seconds:.1f} s"
    if report.files or report.rows:
        yield line(f"{count(report.files, 'file')}, {took}; {count(report.rows, 'trade')}")
    yield line(f"{count(len(report.added), 'day')} added, {len(report.unchanged):,} unchanged")
    yield from faults_of(report.read)
    if report.missing:
        yield table("Days that are missing", ("Symbol", "From", "To", "Days", "Why"), _runs(report.missing))
    if report.failed:
        errors = [(what, str(error)) for what, error in report.failed.items()]
        yield table("What could not be fetched", ("What", "Why"), errors)
    if report.added:
        yield next_step("to bring the bars up to date", to_build(lake))


def _runs(missing: Iterable[tuple[TradesUnit, str]]) -> list[tuple[str, dt.date, dt.date, int, str]]:
    """Days in a row as one line: symbol, first and last day, how many, and why."""
    runs: list[tuple[str, dt.date, dt.date, int, str]] = []
    for unit, reason in sorted(missing):
        if runs and (runs[-1][0], runs[-1][2] + dt.timedelta(days=1), runs[-1][4]) == (unit.symbol, unit.date, reason):
            runs[-1] = (unit.symbol, runs[-1][1], unit.date, runs[-1][3] + 1, reason)
        else:
            runs.append((unit.symbol, unit.date, unit.date, 1, reason))
    return runs


def _code(report: FetchReport) -> Code:
    if report.failed:
        return Code.FAILED
    return Code.FINDINGS if report.missing else Code.FINE


def symbols(
    names: Annotated[list[str] | None, Parameter(name="SYMBOL")] = None,
    /,
    *,
    venue: str = "binance-spot",
    kind: Literal["aggTrades", "trades"] = "aggTrades",
    base: str | None = None,
    common: Common = COMMON,
) -> Answer:
    """
    List what a venue has: each symbol with its first and its last day.

    It asks the venue for its listing, and never fetches a trade. All
    symbols of Binance take minutes.

    For example:

        rangebar-polars symbols BTCUSDT ETHUSDT
        rangebar-polars symbols --venue binance-cm --json

    Parameters
    ----------
    names
        Some symbols; by default all.
    venue
        The venue: binance-spot, binance-um or binance-cm.
    kind
        The kind of the archives.
    base
        Another address of the archives.
    """
    with common.lent() as lake, told_retries(common):
        listed = lake.symbols(venue, symbols=names, kind=kind, base=base)
    heads = {"symbol": "Symbol", "first_day": "From", "last_day": "To", "missing_days": "Missing days"}
    document = {"venue": venue, "kind": kind, "symbols": records(listed)}
    rows = listed.select([*heads]).rows()
    return Answer(document, [table(f"Symbols of {venue}", [*heads.values()], rows, most=len(rows))])
