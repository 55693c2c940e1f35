"""A Struct of trades or of bars, in the form that the compiled expressions take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl
import polars.selectors as cs

from rangebar_polars._common.columns import REQUIRED, check_name, parameter
from rangebar_polars._common.messages import cut, shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["as_expression", "column_names", "trades_struct"]


def trades_struct(columns: Mapping[str, str | pl.Expr | None], required: Sequence[str] = REQUIRED) -> pl.Expr:
    """
    A Struct whose fields carry the names of the parts.

    A selector takes optional columns if they exist, which an expression cannot do.
    """
    fields: list[pl.Expr] = []
    optional: list[str] = []
    for part, column in columns.items():
        if column is None and part not in required:
            continue
        expression = as_expression(part, column)
        if isinstance(column, str) and column == part and part not in required:
            optional.append(part)
        else:
            fields.append(expression.alias(part))
    return pl.struct(*fields, *([cs.by_name(*optional, require_all=False)] if optional else []))


def as_expression(part: str, column: str | pl.Expr | None) -> pl.Expr:
    """The column that plays a part, given by its name or as an expression."""
    if isinstance(column, str):
        check_name(column, part)
        return pl.col(column)
    if not isinstance(column, pl.Expr):
        msg = f"`{parameter(part)}` must be a column name or an expression, got {shown(column)}"
        raise RangeBarError(msg)
    # Only the frame can tell how many columns any other selector has, and then Polars reports it.
    if column.meta.has_multiple_outputs() and re.fullmatch(r"cs\.by_name\('[^']*', '[^()]*\)", str(column)):
        msg = f"`{parameter(part)}` takes one column, got several, {cut(str(column))}: write one expression for each"
        raise RangeBarError(msg)
    return column


def column_names(columns: Mapping[str, str | pl.Expr | None]) -> dict[str, str]:
    """Names of the columns in messages, after `trades_struct` has taken them."""
    return {
        part: column if isinstance(column, str) else column.meta.output_name(raise_if_undetermined=False) or part
        for part, column in columns.items()
        if column is not None
    }
