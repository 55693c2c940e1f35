"""What the tests of fetching share: fetches from a venue on this machine, and what they must leave."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl

import rangebar_polars as rb
from rangebar_polars._fetch import http
from rangebar_polars._lake import fetching
from rangebar_polars._lake.layout import Layout

__all__ = ["IMPATIENT", "VENUE", "fetched", "fetched_at", "left", "sources_of", "trades_files", "unit"]

VENUE = "binance-spot"

IMPATIENT = http.Patience(connect=5.0, read=0.15, attempts=4, first_wait=0.002, longest_wait=0.01, ban=5.0)
"""Enough for a venue on this machine."""


def fetched(
    root: Path, venue: rb.datasets.LocalVenue, start: str | None = "2024-01-01", end: str = "2024-01-03", **options: Any
) -> rb.FetchReport:
    """Fetch days of BTCUSDT, or of other `symbols`, into a lake."""
    return rb.Lake(root).fetch(options.pop("symbols", "BTCUSDT"), start, end, base=venue.base, **options)


def fetched_at(
    now: dt.datetime, root: Path, venue: rb.datasets.LocalVenue, start: str, end: str, *, rest_rows: int = 1_000
) -> rb.FetchReport:
    """The same of BTCUSDT at another time, from a venue whose pages of trades have so many rows."""
    asked = fetching.asked(venue=VENUE, base=venue.base)
    asked = dataclasses.replace(asked, now=now, venue=dataclasses.replace(asked.venue, rest_rows=rest_rows))
    first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
    report = fetching.fetch(Layout(rb.Lake(root).path), asked, ["BTCUSDT"], first, last, progress=False)
    if report.failed:
        raise report.to_error()
    return report


def trades_files(root: Path) -> dict[str, bytes]:
    """The files below trades, of any kind."""
    files = (file for file in sorted((root / "trades").rglob("*")) if file.is_file())
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def left(root: Path) -> list[str]:
    """What is not finished: downloads and drafts."""
    inside = root / ".rangebar"
    downloads = [file.name for file in (inside / "downloads").rglob("*") if file.is_file()]
    drafts = [file.name for file in (inside / "staging").glob("*") if file.stem != "staging"]
    return sorted(downloads + drafts)


def sources_of(root: Path, day: str, symbol: str = "BTCUSDT", venue: str = VENUE) -> dict[str, str]:
    """The sources that the footer of a day names."""
    file = root / f"trades/venue={venue}/symbol={symbol}/date={day}/trades.parquet"
    return dict(json.loads(pl.read_parquet_metadata(file)["rangebar.sources"]))


def unit(day: str, symbol: str = "BTCUSDT", venue: str = VENUE) -> tuple[str, str, dt.date]:
    """A day as a report names it."""
    return venue, symbol, dt.date.fromisoformat(day)
