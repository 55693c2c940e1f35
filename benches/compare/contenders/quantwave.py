# mypy: ignore-errors
"""quantwave: its bars of constant range, 0.25 % of the first price, from the price alone."""

import polars as pl
import quantwave as qw


def bars(lake: str) -> pl.DataFrame:
    trades = pl.read_parquet(lake, columns=["price"])
    return qw.bars.range_bars(trades, trades["price"][0] * 0.0025, price_col="price")
