"""The library, asked for what the numba loops compute."""

import polars as pl

import rangebar_polars  # noqa: F401  (registers `.rangebar`)

TIMES = ["open_time", "close_time"]
NUMBERS = ["open", "high", "low", "close", "volume", "turnover", "buy_volume", "agg_record_count"]


def bars(lake: str) -> pl.DataFrame:
    return pl.scan_parquet(lake).rangebar.bars(250).select(*TIMES, *NUMBERS).collect(engine="streaming")
