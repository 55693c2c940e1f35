"""What is missing of trades, from where their venue still has them: exactly that, and nothing beside it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence

import polars as pl

from rangebar_polars._common.days import days_of
from rangebar_polars._fetch.rest import HoleError
from rangebar_polars._fetch.venues import Venue, venue_names
from rangebar_polars._lake import check, fetching
from rangebar_polars._lake.fetch_report import FetchReport
from rangebar_polars._lake.known import unsettled
from rangebar_polars._lake.layout import Layout
from rangebar_polars._lake.lock import locked
from rangebar_polars._lake.publish import publish_text
from rangebar_polars._lake.workspace import workspace
from rangebar_polars._registry.registry import FILE, known

__all__ = ["repair_trades"]

_SECONDS = 60.0


def repair_trades(
    layout: Layout,
    instruments: Sequence[tuple[str, str]],
    *,
    sources: Sequence[str],
    base: str | None,
    progress: bool,
) -> FetchReport:
    """
    Fetch the days and ids that are missing between those that are there.

    Ids that the REST interface does not have either are written down among the known facts of the lake, with what it
    answered: they are not asked for again.
    """
    report = FetchReport()
    for venue, symbol in instruments:
        if venue not in venue_names():
            continue
        asked = fetching.asked(venue=venue, base=base, rest=False)
        days = _days(check.gaps(layout, [(venue, symbol)])) if "archive" in sources else []
        if days:
            done = fetching.fetch(layout, asked, [symbol], days[0], days[-1], progress=progress, only=set(days))
            _join(report, done)
        # What no archive has is asked for by its ids, also if it is a whole day.
        ranges = [*_ranges(layout, check.gaps(layout, [(venue, symbol)]))] if "rest" in sources else []
        if ranges and asked.venue.rest is not None:
            done, holes = fetching.fill(layout, asked, symbol, ranges)
            _join(report, done)
            _note(layout, asked.venue, symbol, ranges, holes)
    return report


def _days(gaps: pl.DataFrame) -> list[dt.date]:
    """The days in which something is missing."""
    spans = gaps.filter(pl.col("kind").is_in(["day", "ids"])).select("from", "to").iter_rows()
    return sorted({day for first, last in spans for day in days_of(first, last)})


def _ranges(layout: Layout, gaps: pl.DataFrame) -> Iterator[fetching.IdRange]:
    """The ids that are missing, of which it is not known that nobody has them."""
    rows = unsettled(layout, gaps.filter(pl.col("kind") == "ids"))
    yield from rows.select("from", "to", "first_id", "last_id").iter_rows()


def _join(report: FetchReport, done: FetchReport) -> None:
    report.added += done.added
    report.failed |= done.failed
    report.rows += done.rows
    report.files += done.files
    report.bytes += done.bytes


def _note(
    layout: Layout, venue: Venue, symbol: str, ranges: Sequence[fetching.IdRange], holes: Sequence[HoleError]
) -> None:
    """Write holes of the venue down among the known facts of the lake."""
    texts: list[str] = []
    for hole in holes:
        first, last, _, last_id = next(r for r in ranges if r[2] <= hole.wanted <= r[3])
        missing = min(hole.found - 1, last_id)
        facts = {
            "venue": venue.name,
            "symbols": [symbol],
            "kind": "lost",
            "first_id": hole.wanted,
            "last_id": missing,
            "text": f"The venue has none of these ids: asked from {hole.wanted} on, it answers from {hole.found} on.",
            "source": venue.rest,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in facts.items()]
        lines += [f"first = {first}", f"last = {last}", f"noted = {dt.datetime.now(dt.UTC).date()}"]
        name = f"hole {venue.name} {symbol} {hole.wanted}"
        texts.append("\n".join([f"[facts.{json.dumps(name)}]", *lines, ""]))
    if not texts:
        return
    file = layout.root / FILE
    with workspace(layout.staging) as space, locked(layout.locks, "known facts", seconds=_SECONDS):
        known(layout.root)  # a file that cannot be read is not added to
        there = file.read_text(encoding="utf-8") if file.exists() else "format = 1\n"
        publish_text(layout.root, file, space, "\n".join([there.rstrip("\n") + "\n", *texts]))
