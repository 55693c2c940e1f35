"""Boundary layer for order books: memory does not grow with the updates."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests._alone import run

pytestmark = pytest.mark.serial

SINK = """
import sys, polars as pl, rangebar_polars
from rangebar_polars.demo import peak_memory_mb
books = pl.scan_parquet(sys.argv[1]).rangebar.book(10, by="symbol", sample="1s")
books.sink_parquet(sys.argv[1] + ".books")
print(peak_memory_mb())
"""


def test_memory_does_not_grow_with_the_updates(tmp_path: Path) -> None:
    n = pl.int_range(pl.len())
    away = (n * 7_919 % 64) ** 2 / 10
    peaks = []
    for rows in (3_000_000, 10_000_000):  # fewer end before Polars has read as far ahead as it does
        path = tmp_path / f"{rows}.parquet"
        trades = rb.datasets.sample_trades(rows, symbols=["A", "B"])
        updates = trades.select(
            "symbol",
            "timestamp",
            is_bid=n % 2 == 0,
            price=(pl.col("price").round(0) + 1_000 + pl.when(n % 2 == 0).then(-away).otherwise(away + 1)).round(1),
            quantity=(n % 5).cast(pl.Float64),
        )
        updates.write_parquet(path, row_group_size=100_000)
        # The least of three: the busier the machine, the further the reader runs ahead of us.
        peaks.append(min(float(run(SINK, str(path))) for _ in range(3)))
    small, large = peaks
    if math.isnan(small):
        pytest.skip("this platform does not tell the peak memory")
    # The updates more are 290 MB; some 60 is how far the reader runs ahead.
    assert large < small + 150, f"{small:.0f} MB, then {large:.0f} MB"
