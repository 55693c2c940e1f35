"""The statistics as expressions: what each reads, and all of them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

import rangebar_polars as rb
from tests._oracle import DECIMALS
from tests._registry import FEATURES, HORIZON, INDIVIDUAL, REGISTRY, SIDE, STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rangebar_polars._typing import MissingSide
    from tests._oracle import TimeUnit


class Expression(NamedTuple):
    """An expression, the columns that it reads under their default names, and those of them that must exist."""

    expression: Callable[..., pl.Expr]
    reads: tuple[str, ...]
    needs: tuple[str, ...] = ()


SINGLE: dict[str, Expression] = {
    one.expression.__name__: Expression(one.expression, one.reads, one.needs)
    for one in REGISTRY
    if one.expression is not None
}
TRADES = ("timestamp", "price", "quantity", *SIDE)
STRUCTS: dict[str, Expression] = {
    "horizon": Expression(rb.horizon, ("price",)),
    "bar_features": Expression(rb.bar_features, (*TRADES, *INDIVIDUAL)),
    "window_features": Expression(rb.window_features, TRADES),
}
DTYPES: dict[str, pl.DataType] = {
    **dict.fromkeys(SINGLE, pl.Float64()),
    "horizon": pl.Struct(dict.fromkeys(HORIZON, pl.Float64())),
    "bar_features": pl.Struct(FEATURES),
    "window_features": pl.Struct(STATISTICS),
}
NEED_THE_SIDE = tuple(name for name, one in SINGLE.items() if set(SIDE) <= set(one.reads) and not one.needs)
"""Null without the aggressor; the others that read it ask for it."""


def every(
    columns: Sequence[str],
    *,
    time_unit: TimeUnit | None = None,
    price_decimals: int = DECIMALS,
    missing_side: MissingSide = "error",
) -> list[pl.Expr]:
    """Every expression for which the frame has the columns."""
    of_column: dict[str, dict[str, Any]] = {
        "timestamp": {"time_unit": time_unit},
        "price": {"price_decimals": price_decimals},
        "is_buyer_maker": {"missing_side": missing_side},
    }
    return [
        statistic.expression(**{k: v for read in statistic.reads for k, v in of_column.get(read, {}).items()})
        for statistic in (SINGLE | STRUCTS).values()
        if set(statistic.needs) <= set(columns)
    ]


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the fields of the Structs as columns, named after both."""
    return frame.select(
        expression
        for name, dtype in frame.schema.items()
        for expression in (
            [pl.col(name).struct.field(field.name).alias(f"{name}.{field.name}") for field in dtype.fields]
            if isinstance(dtype, pl.Struct)
            else [pl.col(name)]
        )
    )
