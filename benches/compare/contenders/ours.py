"""The library as the README shows it: all columns and the ten features."""

import polars as pl

import rangebar_polars  # noqa: F401  (registers `.rangebar`)


def bars(lake: str) -> pl.DataFrame:
    return pl.scan_parquet(lake).rangebar.bars(250).collect(engine="streaming")
