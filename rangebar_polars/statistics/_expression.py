"""The only way from a statistic to its expression."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from rangebar_polars._common.parameters import (
    check_max_step,
    check_missing_side,
    check_price_decimals,
    check_time_unit,
)
from rangebar_polars._engine.plugin import register
from rangebar_polars._engine.trades import column_names, trades_struct
from rangebar_polars._typing import MissingSide, TimeUnit

__all__ = ["statistic", "struct_of_statistics"]


def statistic(
    name: str,
    columns: Mapping[str, str | pl.Expr | None],
    time_unit: TimeUnit | None = None,
    max_step: str | dt.timedelta | None = None,
    *,
    price_decimals: int = 8,
    missing_side: MissingSide = "error",
) -> pl.Expr:
    """One statistic of the trades in some columns."""
    return _expression(
        [name], columns, time_unit, max_step, price_decimals=price_decimals, missing_side=missing_side, as_struct=False
    ).alias(name)


def struct_of_statistics(
    names: Sequence[str],
    columns: Mapping[str, str | pl.Expr | None],
    time_unit: TimeUnit | None = None,
    max_step: str | dt.timedelta | None = None,
    *,
    price_decimals: int = 8,
    missing_side: MissingSide = "error",
) -> pl.Expr:
    """Several statistics as the fields of one Struct, for which the trades are read once."""
    return _expression(
        list(names),
        columns,
        time_unit,
        max_step,
        price_decimals=price_decimals,
        missing_side=missing_side,
        as_struct=True,
    )


def _expression(
    names: list[str],
    columns: Mapping[str, str | pl.Expr | None],
    time_unit: TimeUnit | None,
    max_step: str | dt.timedelta | None,
    *,
    price_decimals: int,
    missing_side: MissingSide,
    as_struct: bool,
) -> pl.Expr:
    trades = trades_struct(columns)
    kwargs = {
        "names": column_names(columns),
        "time_unit": check_time_unit(time_unit),
        "max_step": check_max_step(max_step),
        "missing_side": check_missing_side(missing_side),
        "price_decimals": check_price_decimals(price_decimals),
        "statistics": names,
        "as_struct": as_struct,
    }
    return register("trade_statistics", trades, kwargs)
