"""Features of one's own, as a package offers them."""

from __future__ import annotations

import polars as pl

import rangebar_polars as rb

__all__ = ["example"]

CLOSE = pl.col("close")


def example() -> rb.FeatureSet:
    """The set."""
    return rb.FeatureSet(
        "example",
        "1.0",
        aggs=[pl.col("price").std().alias("std")],
        over_bars=[(CLOSE / CLOSE.shift(1) - 1).alias("change"), pl.col("volume").mean().alias("volume_3")],
        lookback_bars=2,
        schema={"std": pl.Float64, "change": pl.Float64, "volume_3": pl.Float64},
    )
