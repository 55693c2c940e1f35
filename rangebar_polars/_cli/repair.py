"""What can be mended: `repair`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from rangebar_polars._cli.answer import Answer, Code, records
from rangebar_polars._cli.common import COMMON, Common, Symbols, Venue
from rangebar_polars._cli.look import gap_tables, to_mend
from rangebar_polars._cli.retries import told_retries

__all__ = ["repair"]


def repair(
    symbols: Symbols | None = None,
    *,
    venue: Venue | None = None,
    sources: Annotated[list[Literal["archive", "rest"]] | None, Parameter(consume_multiple=True)] = None,
    base: str | None = None,
    dry_run: bool = False,
    common: Common = COMMON,
) -> Answer:
    """
    Mend what can be mended, and say what remains.

    It builds what is stale, removes drafts that nobody finishes, and, with
    sources, fetches what is missing. It never deletes a trade. It exits
    with 1 if something remains to be mended, as `gaps` does.

    For example:

        rangebar-polars repair
        rangebar-polars repair BTCUSDT --sources archive rest

    Parameters
    ----------
    symbols
        Some symbols; by default all.
    venue
        A venue; by default all.
    sources
        Where missing trades are fetched from, in this order: archive, rest,
        which is the API of the venue. By default nothing is fetched.
    base
        Another address of the archives.
    dry_run
        Say what would be mended, and mend nothing.
    """
    lake = common.open()
    with told_retries(common):
        remains = lake.repair(
            symbols, venue=venue, sources=tuple(sources or ()), base=base, dry_run=dry_run, progress=common.progress
        )
    document = {"lake": lake.path, "dry_run": dry_run, "remains": records(remains)}
    return Answer(document, [*gap_tables(remains)], Code.FINDINGS if to_mend(remains).height else Code.FINE)
