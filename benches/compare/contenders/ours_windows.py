"""The library with all it has: features of the trades within each bar and of the 200 before it too."""

import polars as pl

import rangebar_polars  # noqa: F401  (registers `.rangebar`)


def bars(lake: str) -> pl.DataFrame:
    return pl.scan_parquet(lake).rangebar.bars(250, intra=True, lookback=200).collect(engine="streaming")
