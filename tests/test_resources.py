"""Bounded memory, and what an import costs: each in a process of its own."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

import rangebar_polars as rb

ROOT = Path(__file__).parent.parent

SINK = """
import sys, polars as pl, rangebar_polars
from examples.demo import peak_memory_mb
lake = pl.scan_parquet(sys.argv[1], hive_partitioning=False)
if sys.argv[2] == "bars":
    lake.rangebar.bars(250, by="symbol").sink_parquet(sys.argv[1] + ".parquet")
else:
    lake.rangebar.with_bar_id(250, by="symbol").sink_parquet(sys.argv[1] + ".parquet")
print(peak_memory_mb())
"""


GROUPS = """
import sys, polars as pl, rangebar_polars as rb
from examples.demo import peak_memory_mb
trades = rb.datasets.sample_trades(70_000, symbols=["X"])
stream = rb.BarStream(250, by="symbol", intra=True, lookback=200)
for group in range(int(sys.argv[1])):
    stream.push(trades.with_columns(pl.lit(str(group)).alias("symbol")))
print(peak_memory_mb())
"""


def python(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints."""
    run = [sys.executable, "-c", code, *arguments]
    return subprocess.run(run, check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.mark.parametrize("query", ["bars", "ids"])
def test_memory_does_not_grow_with_the_trades(tmp_path: Path, query: str) -> None:
    peaks = []
    for rows in (1_000_000, 5_000_000):
        lake = tmp_path / str(rows)
        rb.datasets.write_sample_lake(lake, rows=rows, symbols=["A", "B"], rows_per_file=250_000)
        # The least of three: the busier the machine, the further the reader runs ahead of us.
        peaks.append(min(float(python(SINK, str(lake), query)) for _ in range(3)))
    small, large = peaks
    if math.isnan(small):
        pytest.skip("this platform does not tell the peak memory")
    # Five times the trades are 250 MB more in memory; the margin is for how far the reader runs ahead.
    assert large < small + 100, f"{small:.0f} MB, then {large:.0f} MB"


def test_a_group_holds_no_more_rows_than_its_windows_need() -> None:
    few, many = (float(python(GROUPS, str(groups))) for groups in (20, 220))
    if math.isnan(few):
        pytest.skip("this platform does not tell the peak memory")
    # The trades that a group was pushed are 5 MB; those of its forming bar and the window before it some hundred.
    assert many < few + 40, f"{few:.0f} MB, then {many:.0f} MB"


def test_an_import_loads_no_optional_package() -> None:
    code = """
import sys, rangebar_polars
rangebar_polars.datasets.sample_trades(1_000).rangebar.bars(250)
print(sorted({"numpy", "pandas", "pyarrow", "backtesting"} & sys.modules.keys()))
"""
    assert python(code).strip() == "[]"
