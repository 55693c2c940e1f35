"""The only way from a measure of bars to its expression."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import polars as pl

from rangebar_polars._common.parameters import check_count
from rangebar_polars._engine.plugin import register
from rangebar_polars._engine.trades import column_names, trades_struct

__all__ = ["Column", "bulk", "measure"]

Column: TypeAlias = str | pl.Expr

_Name: TypeAlias = Literal[
    "vpin", "roll_spread", "corwin_schultz", "abdi_ranaldo", "amihud", "kyle_regression", "hasbrouck_lambda"
]


def measure(name: _Name, n: int | None, least: int, columns: dict[str, Column], **options: Any) -> pl.Expr:  # noqa: ANN401
    """A measure of the last n bars, at least a few, for each bar; of all bars if n is None."""
    bars = trades_struct(columns, tuple(columns))
    kwargs = {"names": column_names(columns), "measure": name, "n": n, **options}
    if n is None:
        return register("measure_of_all", bars, kwargs).alias(name)
    check_count("n", n, least)
    return register("rolling_measure", bars, kwargs).alias(name)


def bulk(n: int, columns: dict[str, Column], degrees: float | None) -> pl.Expr:
    """The two sides of the volume of each bar."""
    kwargs = {"names": column_names(columns), "n": check_count("n", n, 3), "degrees": degrees}
    return register("bulk_volume", trades_struct(columns, tuple(columns)), kwargs).alias("bulk_volume")
