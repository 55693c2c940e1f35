"""What is known about gaps: a known gap is explained, and is a gap all the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import polars as pl

from rangebar_polars._common.days import midnight
from rangebar_polars._lake.layout import Layout, check_key
from rangebar_polars._registry.explain import EXPLAIN, Gap, explained, is_settled
from rangebar_polars._registry.facts import ALL, Fact, frame_of
from rangebar_polars._registry.registry import known

__all__ = ["known_facts", "unsettled", "with_known"]

_DAY: Final = dt.timedelta(days=1)
_ROW: Final = "row"


def known_facts(layout: Layout, symbols: str | Sequence[str] | None, venue: str | None) -> pl.DataFrame:
    """The facts about symbols, one row for each."""
    wanted = None if symbols is None else {symbols} if isinstance(symbols, str) else set(symbols)
    for symbol in wanted or ():
        check_key("symbol", symbol)
    if venue is not None:
        check_key("venue", venue)
    facts = (fact for fact in known(layout.root) if venue in (None, fact.venue))
    return frame_of([f for f in facts if wanted is None or any(f.is_of(f.venue, symbol) for symbol in wanted)])


def with_known(
    layout: Layout, gaps: pl.DataFrame, is_short: Callable[[dt.datetime, dt.datetime], bool] | None = None
) -> pl.DataFrame:
    """Gaps with a column `known`: the sentences and sources of the facts that explain them, null if there are none."""
    facts = known(layout.root)

    @cache
    def about(venue: str, symbol: str, kind: str) -> list[Fact]:
        kinds = EXPLAIN.get(kind, ())
        return [fact for fact in facts if fact.kind in kinds and fact.is_of(venue, symbol)]

    def told(row: dict[str, Any]) -> str | None:
        of = about(row["venue"], row["symbol"], row["kind"])
        return explained(_gap(row), of, is_short=is_short) if of else None

    # There may be very many gaps, and facts about few of them.
    there = set(gaps.select("venue", "symbol", "kind").unique().iter_rows())
    might = dict.fromkeys(fact for key in sorted(there) for fact in about(*key))
    near = gaps.with_row_index(_ROW).filter(pl.any_horizontal(pl.lit(value=False), *map(_is_near, might)))
    texts = {row[_ROW]: told(row) for row in near.iter_rows(named=True)}
    column = pl.Series("known", [texts.get(row) for row in range(gaps.height)], dtype=pl.String)
    return gaps.with_columns(column)


def unsettled(layout: Layout, gaps: pl.DataFrame) -> pl.DataFrame:
    """
    The gaps that somebody may fill.

    What an archive lacks, the REST interface may have, and an archive may be published anew: only what nobody has any
    more, and what never was a trade, is settled.
    """
    facts = known(layout.root)

    def is_open(row: dict[str, Any]) -> bool:
        of = [fact for fact in facts if fact.is_of(row["venue"], row["symbol"])]
        return not is_settled(_gap(row), of)

    open_rows = [row for row, gap in enumerate(gaps.iter_rows(named=True)) if gap["known"] is None or is_open(gap)]
    return gaps[open_rows]


def _is_near(fact: Fact) -> pl.Expr:
    """Whether a gap is of the symbol of a fact, and near its days, or among its ids."""
    near = (pl.col("from") <= fact.days[1]) & (pl.col("to") >= fact.days[0])
    if fact.first_id is not None:
        near |= (pl.col("first_id") <= fact.last_id) & (pl.col("last_id") >= fact.first_id)
    of = pl.col("venue") == fact.venue
    return near & (of if fact.symbol == ALL else of & (pl.col("symbol") == fact.symbol))


def _gap(row: dict[str, Any]) -> Gap:
    """A row as a gap."""
    start, end = (row.get(f"{edge}_time") for edge in ("from", "to"))
    return Gap(
        kind=row["kind"],
        start=midnight(row["from"]) if start is None else start,
        end=midnight(row["to"]) + _DAY if end is None else end,
        first_id=row["first_id"],
        last_id=row["last_id"],
    )
