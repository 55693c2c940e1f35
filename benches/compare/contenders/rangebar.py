# mypy: ignore-errors
"""`rangebar` 12.39.0 by its function for Polars, with its microstructure columns."""

import polars as pl
from rangebar import process_trades_polars

MILLISECONDS = pl.col("timestamp").dt.epoch("ms")


def bars(lake: str):  # noqa: ANN201
    trades = pl.scan_parquet(lake).with_columns(MILLISECONDS).drop("date")
    return process_trades_polars(trades, threshold_decimal_bps=250, include_microstructure=True)
