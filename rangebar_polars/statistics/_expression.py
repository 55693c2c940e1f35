"""The one way from a statistic to its expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from rangebar_polars._parameters import check_time_unit
from rangebar_polars._plugin import register
from rangebar_polars._trades import column_names, trades_struct
from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["present", "statistic", "struct_of_statistics"]


def statistic(name: str, columns: Mapping[str, str | pl.Expr | None], time_unit: TimeUnit | None = None) -> pl.Expr:
    """One statistic of the trades whose parts the columns play."""
    return _expression([name], columns, time_unit, as_struct=False).alias(name)


def struct_of_statistics(
    names: Sequence[str], columns: Mapping[str, str | pl.Expr | None], time_unit: TimeUnit | None = None
) -> pl.Expr:
    """Several statistics as the fields of one Struct: the trades are read once."""
    return _expression(list(names), columns, time_unit, as_struct=True)


def _expression(
    names: list[str], columns: Mapping[str, str | pl.Expr | None], time_unit: TimeUnit | None, *, as_struct: bool
) -> pl.Expr:
    trades = trades_struct(columns)
    kwargs = {
        "names": column_names(columns),
        "time_unit": check_time_unit(time_unit),
        "statistics": names,
        "as_struct": as_struct,
    }
    return register("trade_statistics", trades, kwargs)


def present(part: str, column: str | pl.Expr) -> pl.Expr:
    """A column that must be there although bars can do without: the statistic has no other."""
    if isinstance(column, str):
        return pl.col(column)
    if isinstance(column, pl.Expr):
        return column
    msg = f"the column that plays `{part}` must be a name or an expression, got {column!r}"
    raise RangeBarError(msg)
