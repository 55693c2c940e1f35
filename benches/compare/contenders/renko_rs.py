# mypy: ignore-errors
"""renko-rs: Renko bricks of 0.25 % of the first price, from time and price."""

import polars as pl
from renko_rs import Renko


def bars(lake: str) -> pl.DataFrame:
    trades = pl.read_parquet(lake, columns=["timestamp", "price"]).rename({"timestamp": "datetime", "price": "close"})
    return Renko(trades, brick_size=trades["close"][0] * 0.0025).renko_df("wicks")
