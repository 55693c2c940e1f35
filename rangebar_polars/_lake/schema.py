"""The columns of files of trades."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

__all__ = ["ID", "OPTIONAL", "trades_schema"]

ID: Final = "agg_trade_id"
"""By which a trade is recognised."""

OPTIONAL: Final[dict[str, pl.DataType]] = {
    "is_buyer_maker": pl.Boolean(),
    "agg_trade_id": pl.Int64(),
    "first_trade_id": pl.Int64(),
    "last_trade_id": pl.Int64(),
}
"""The columns that a file may have or not."""


def trades_schema(time_unit: Literal["us", "ns"]) -> pl.Schema:
    """The columns that a file of trades may have, in their order."""
    numbers = {"price": pl.Float64(), "quantity": pl.Float64()}
    return pl.Schema({"timestamp": pl.Datetime(time_unit, "UTC"), **numbers, **OPTIONAL})
