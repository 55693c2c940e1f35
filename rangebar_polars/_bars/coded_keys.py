"""Key columns of categories on their way into the machine: their rows cross as codes, each value once."""

from __future__ import annotations

from typing import Final, TypeAlias

import polars as pl

__all__ = ["Coded", "coded"]

Coded: TypeAlias = "tuple[str, pl.Series, pl.Series]"
"""A key column, codes, and what they stand for, in the order of first appearance."""

_WORTHWHILE: Final = 4_096
"""Rows of a batch from which on its categories are looked for: fewer cross sooner as they are."""
_ROWS_OF_VALUE: Final = 4
"""Rows that a value has on average, if it is worthwhile."""


def coded(batch: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, list[Coded]]:
    """
    A batch whose keys of categories are codes, and what these stand for.

    Our library has codes of its own, so a column of categories that crosses is translated row by row, which takes 30
    nanoseconds a row: longer than its bars.
    """
    found: list[Coded] = []
    if batch.height < _WORTHWHILE:
        return batch, found
    for name in keys:
        column = batch[name]
        if isinstance(column.dtype, pl.Categorical | pl.Enum):
            values = column.unique(maintain_order=True)
            if values.len() * _ROWS_OF_VALUE <= batch.height:
                found.append((name, values.to_physical(), values))
                batch = batch.with_columns(column.to_physical())
    return batch, found
