"""Trades out of the lake, by the names of their files."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Final

import polars as pl

from rangebar_polars._lake.footer import Facts
from rangebar_polars._lake.layout import Layout, TradesUnit
from rangebar_polars._lake.schema import trades_schema

__all__ = ["trades_of"]

_KEYS: Final = {"venue": pl.String(), "symbol": pl.String(), "date": pl.Date()}
"""The columns that are not in the files."""


def trades_of(layout: Layout, units: Mapping[TradesUnit, Facts], *, keys: bool = True) -> pl.LazyFrame:
    """
    The trades of units, in their order.

    The columns are those that any of the files has, null in the others; with `keys`, also venue, symbol and date. These
    are not read from the names of folders, because those above the lake may look like that, too.
    """
    there = {name for facts in units.values() for name in facts.columns}
    known = trades_schema(layout.time_unit)
    columns = pl.Schema({name: dtype for name, dtype in known.items() if not units or name in there})
    if not units:
        return pl.LazyFrame(schema=columns | _KEYS if keys else columns)
    parts: list[pl.LazyFrame] = []
    for (venue, symbol), days in groupby(units, key=lambda unit: (unit.venue, unit.symbol)):
        # The schema is given: Polars so keeps nothing of a file that may be replaced before the query runs.
        part = pl.scan_parquet(
            [layout.file(day) for day in days],
            schema=columns,
            hive_partitioning=False,
            glob=False,
            missing_columns="insert",
        )
        names = {"venue": pl.lit(venue), "symbol": pl.lit(symbol), "date": pl.col("timestamp").dt.date()}
        parts.append(part.with_columns(**names) if keys else part)
    return parts[0] if len(parts) == 1 else pl.concat(parts, how="vertical", rechunk=False)
