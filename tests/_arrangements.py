"""Trades of several symbols, in each order that changes how threads share the work."""

from __future__ import annotations

import polars as pl

import rangebar_polars as rb

ROWS = 90_000
"""More than two threads arrange at once, and some times the rows that make another thread worth its while."""

SYMBOLS = [f"SYM{number}" for number in range(7)]

ARRANGEMENTS = ["interleaved", "one run a group", "one large group", "one group", "runs that come back"]


def as_one(trades: pl.DataFrame, symbol: pl.Expr) -> pl.DataFrame:
    """The trades of several symbols as if they were of one, whose price jumps."""
    merged = trades.sort("timestamp", maintain_order=True).with_columns(symbol.alias("symbol"))
    return merged.with_columns(pl.int_range(1, pl.len() + 1).alias("agg_trade_id")).drop(
        "first_trade_id", "last_trade_id"
    )


def arranged(arrangement: str) -> pl.DataFrame:
    trades = rb.datasets.sample_trades(ROWS, symbols=SYMBOLS)
    match arrangement:
        case "interleaved":
            return trades.sort(pl.int_range(pl.len()).over("symbol"), maintain_order=True)
        case "one run a group":
            return trades.sort("symbol", maintain_order=True)
        case "one large group":
            return as_one(trades, pl.when(pl.col("symbol") < "SYM5").then(pl.lit("BIG")).otherwise("symbol"))
        case "one group":
            return rb.datasets.sample_trades(ROWS, symbols=["BIG"])
        case _:  # runs that come back
            return trades.sort(pl.int_range(pl.len()).over("symbol") // 1_000, "symbol", maintain_order=True)
