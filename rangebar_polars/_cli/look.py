"""What a lake has, what it lacks, and what is wrong in it: `status`, `gaps`, `verify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rangebar_polars._cli.answer import Answer, Code, records
from rangebar_polars._cli.common import COMMON, Common, Symbols, Venue
from rangebar_polars._cli.tables import count, line, next_step, table
from rangebar_polars._common.messages import shown_path

__all__ = ["gap_tables", "gaps", "status", "verify"]


def status(symbols: Symbols | None = None, *, venue: Venue | None = None, common: Common = COMMON) -> Answer:
    """
    Say what the lake has, and what to do next.

    It reads footers alone, and never alters a file. It exits with 1 if
    there is something to do.

    For example:

        rangebar-polars status BTCUSDT

    Parameters
    ----------
    symbols
        Some symbols; by default all.
    venue
        A venue; by default all.
    """
    lake = common.open()
    there = lake.status(symbols, venue=venue)
    steps = list(_next_steps(there, to_mend(lake.gaps(symbols, venue=venue))))
    document = {
        "lake": lake.path,
        "status": records(there),
        "next": [{"because": because, "command": command} for because, command in steps],
    }
    shown: list[RenderableType] = [line(f"lake {lake.path}"), *_status_tables(there)]
    shown += [next_step(because, command) for because, command in steps]
    return Answer(document, shown, Code.FINDINGS if steps else Code.FINE)


def _status_tables(there: pl.DataFrame) -> Iterator[Table]:
    for venue, of_venue in there.group_by("venue", maintain_order=True):
        trades = of_venue.unique("symbol", maintain_order=True)
        names = ["symbol", "first_day", "last_day", "days", "missing_days", "trades", "missing_ids"]
        heads = ["Symbol", "From", "To", "Days", "Days missing", "Trades", "Ids missing"]
        yield table(f"Trades of {venue[0]}", heads, trades.select(names).rows())
        bars = of_venue.filter(pl.col("series").is_not_null())
        if bars.height:
            names = ["series", "symbol", "units", "stale", "bars"]
            heads = ["Series", "Symbol", "Periods", "Stale", "Bars"]
            yield table(f"Bars of {venue[0]}", heads, bars.select(names).sort("series", maintain_order=True).rows())


def _next_steps(there: pl.DataFrame, missing: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Why something is to be done, and the command that does it."""
    if there.is_empty():
        yield "there are no trades yet", "rangebar-polars fetch BTCUSDT 2024-01-01 2024-01-31"
        return
    days, ids = (int(missing.filter(kind=kind)["count"].sum()) for kind in ("day", "ids"))
    if days or ids:
        told = [count(days, "day")] * bool(days) + [count(ids, "trade")] * bool(ids)
        yield f"{' and '.join(told)} {'is' if days + ids == 1 else 'are'} missing", "rangebar-polars gaps"
    stale = int(there["stale"].sum())
    if stale:
        yield f"{count(stale, 'period')} {'is' if stale == 1 else 'are'} stale", "rangebar-polars build"
    if there["series"].null_count():
        yield "no series of bars is defined", "rangebar-polars build --threshold-dbps 250"


def gaps(
    symbols: Symbols | None = None,
    *,
    venue: Venue | None = None,
    silence: str | None = None,
    common: Common = COMMON,
) -> Answer:
    """
    Say what is missing: days, trades by their ids, and bars that are stale.

    It never alters a file. It exits with 1 if something is missing, unless
    it is known why, or no trade can be missing because the ids on both
    sides follow each other.

    For example:

        rangebar-polars gaps BTCUSDT
        rangebar-polars gaps --silence 1h --json

    Parameters
    ----------
    symbols
        Some symbols; by default all.
    venue
        A venue; by default all.
    silence
        Tell times without a trade, too, that are longer than this, such as
        1h. All times are read for it.
    """
    lake = common.open()
    missing = lake.gaps(symbols, venue=venue, silence=silence)
    document = {"lake": lake.path, "gaps": records(missing)}
    return Answer(document, [*gap_tables(missing)], Code.FINDINGS if to_mend(missing).height else Code.FINE)


def to_mend(missing: pl.DataFrame) -> pl.DataFrame:
    """What is neither known, as a whole, nor no loss at all."""
    is_known = pl.col("known").is_not_null() & ~pl.col("known").str.starts_with("partly")
    return missing.filter(~is_known & (pl.col("fixable_by") != "none"))


def gap_tables(missing: pl.DataFrame) -> Iterator[RenderableType]:
    """What is missing, each kind in a table of its own."""
    span = {"from": "From", "to": "To"}
    kinds = {
        "day": ("Missing days", {"symbol": "Symbol", **span, "count": "Days"}),
        "ids": (
            "Missing trades",
            {"symbol": "Symbol", **span, "first_id": "First id", "last_id": "Last id", "count": "Count"},
        ),
        "repeated_ids": (
            "Ids that two days have",
            {"symbol": "Symbol", **span, "first_id": "First id", "last_id": "Last id"},
        ),
        "silence": ("Silences", {"symbol": "Symbol", "from_time": "From", "to_time": "To"}),
        "stale_bars": ("Stale bars", {"series": "Series", "symbol": "Symbol", **span}),
    }
    several = missing["venue"].n_unique() > 1
    for kind, (title, columns) in kinds.items():
        of_kind = missing.filter(pl.col("kind") == kind)
        if of_kind.height:
            heads = ({"venue": "Venue"} if several else {}) | columns
            texts = [
                *(pl.col(name).cast(pl.String) for name in ("first_id", "last_id")),
                *(pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S") for name in ("from_time", "to_time")),
            ]
            rows = of_kind.with_columns(texts).select(*heads, _remark()).rows()
            titles = [*heads.values(), "Remark"]
            if not any(row[-1] for row in rows):
                titles, rows = titles[:-1], [row[:-1] for row in rows]
            yield table(title, titles, rows)
    if missing.is_empty():
        yield line("nothing is missing")
        return
    left = to_mend(missing)["kind"]
    if left.is_in(["day", "ids"]).any():
        yield next_step("to fetch what is missing", "rangebar-polars repair --sources archive rest")
    if left.is_in(["stale_bars"]).any():
        yield next_step("to bring the bars up to date", "rangebar-polars build")


def _remark() -> pl.Expr:
    """What is known about a gap, or that it is none."""
    is_no_loss = (pl.col("fixable_by") == "none") & (pl.col("kind") != "repeated_ids")
    no_loss = pl.when(is_no_loss).then(pl.lit("nothing lost: ids go on"))
    return pl.coalesce("known", no_loss).fill_null("").alias("remark")


def verify(
    symbols: Symbols | None = None,
    *,
    venue: Venue | None = None,
    deep: bool = False,
    common: Common = COMMON,
) -> Answer:
    """
    Name the files that are damaged, or do not belong into the lake.

    It never alters or removes a file. It exits with 1 if it names one.

    For example:

        rangebar-polars verify --deep

    Parameters
    ----------
    symbols
        Some symbols; by default all.
    venue
        A venue; by default all.
    deep
        Read every value, and compare it with what was written; otherwise
        only footers are read.
    """
    lake = common.open()
    faults = lake.verify(symbols, venue=venue, deep=deep)
    shown = [one for row in faults.iter_rows() for one in _fault(lake.path, *row)]
    shown = shown or [line("all files are as a lake writes them" + ("" if deep else ", by their footers"))]
    document = {"lake": lake.path, "deep": deep, "faults": records(faults)}
    return Answer(document, shown, Code.FINDINGS if faults.height else Code.FINE)


def _fault(lake: Path, file: str, fault: str) -> Iterator[Text]:
    path = Path(file)
    yield Text(str(path.relative_to(lake)) if path.is_relative_to(lake) else file, style="bold")
    yield line(f"  {fault.removeprefix(f'{shown_path(file)} ')}")
