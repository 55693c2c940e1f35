"""What a venue offers, by its listing: symbols, their days, and what is known about them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from rangebar_polars._common.parameters import check_choice
from rangebar_polars._fetch import http
from rangebar_polars._fetch.listing import Listing, list_archives, list_symbols
from rangebar_polars._fetch.venues import KINDS, Venue, venue_named
from rangebar_polars._lake.layout import Layout, check_key
from rangebar_polars._registry.registry import known
from rangebar_polars.exceptions import RangeBarError

__all__ = ["offered"]

_AT_A_TIME: Final = 16
"""Symbols whose archives are listed at a time."""

_SCHEMA: Final[dict[str, pl.DataType]] = {
    "venue": pl.String(),
    "symbol": pl.String(),
    "first_day": pl.Date(),
    "last_day": pl.Date(),
    "missing_days": pl.UInt32(),
    "known": pl.String(),
}


def offered(layout: Layout, venue: str, *, kind: str, base: str | None, symbols: Sequence[str] | None) -> pl.DataFrame:
    """One row for each symbol of a venue, or of those that are named."""
    of, names = venue_named(venue).at(base), symbols
    check_choice("kind", kind, KINDS)
    for name in names or ():
        check_key("symbol", name)
    if of.listing is None:
        msg = f"{venue} does not list its archives: look at its site for its symbols"
        raise RangeBarError(msg)
    facts = known(layout.root)

    def row(symbol: str, listing: Listing) -> tuple[Any, ...]:
        told = [fact.told() for fact in facts if fact.is_of(venue, symbol)]
        days = (listing.first, listing.last, None if listing.first is None else len(listing.missing()))
        return (venue, symbol, *days, "; ".join(dict.fromkeys(told)) or None)

    found = http.run(lambda: _listings(of, kind, names))
    return pl.DataFrame([row(symbol, one) for symbol, one in found.items()], schema=_SCHEMA, orient="row")


async def _listings(venue: Venue, kind: str, names: Sequence[str] | None) -> dict[str, Listing]:
    """The archives of symbols, in the order of their names."""
    some = asyncio.Semaphore(_AT_A_TIME)

    async def listing(client: http.Client, symbol: str) -> Listing:
        async with some:
            return await list_archives(client, venue, kind, symbol)

    async with http.opened() as client:
        symbols = sorted(set(names)) if names is not None else await list_symbols(client, venue, kind)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {symbol: group.create_task(listing(client, symbol)) for symbol in symbols}
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
    return {symbol: task.result() for symbol, task in tasks.items()}
