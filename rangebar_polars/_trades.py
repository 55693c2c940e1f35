"""A Struct of trades, as the compiled expressions take it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import polars.selectors as cs

from rangebar_polars._columns import REQUIRED, check_name
from rangebar_polars.exceptions import RangeBarError

__all__ = ["column_names", "trades_struct"]


def trades_struct(columns: Mapping[str, str | pl.Expr | None]) -> pl.Expr:
    """
    A Struct whose fields carry the names of the parts.

    A selector takes optional columns where they exist: an expression cannot ask for that.
    """
    fields: list[pl.Expr] = []
    optional: list[str] = []
    for part, column in columns.items():
        if isinstance(column, str):
            check_name(column)
        if isinstance(column, str) and column == part and part not in REQUIRED:
            optional.append(part)
        elif isinstance(column, str | pl.Expr):
            fields.append((pl.col(column) if isinstance(column, str) else column).alias(part))
        elif column is not None or part in REQUIRED:
            msg = f"the column that plays `{part}` must be a name or an expression, got {column!r}"
            raise RangeBarError(msg)
    return pl.struct(*fields, *([cs.by_name(*optional, require_all=False)] if optional else []))


def column_names(columns: Mapping[str, str | pl.Expr | None]) -> dict[str, str]:
    """What the columns are called in messages."""
    return {
        part: column if isinstance(column, str) else column.meta.output_name(raise_if_undetermined=False) or part
        for part, column in columns.items()
        if column is not None
    }
