"""Bounded memory, and what an import costs: each in a process of its own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import rangebar_polars as rb
from tests._alone import run

pytestmark = pytest.mark.serial

SINK = """
import sys, polars as pl, rangebar_polars
from rangebar_polars.demo import peak_memory_mb
lake = pl.scan_parquet(sys.argv[1])
if sys.argv[2] == "bars":
    lake.rangebar.bars(250, by="symbol").sink_parquet(sys.argv[1] + ".parquet")
else:
    lake.rangebar.with_bar_id(250, by="symbol").sink_parquet(sys.argv[1] + ".parquet")
print(peak_memory_mb())
"""


GROUPS = """
import sys, polars as pl, rangebar_polars as rb
from rangebar_polars.demo import peak_memory_mb
trades = rb.datasets.sample_trades(70_000, symbols=["X"])
stream = rb.BarStream(250, by="symbol", intra=True, lookback=200)
for group in range(int(sys.argv[1])):
    stream.push(trades.with_columns(pl.lit(str(group)).alias("symbol")))
print(peak_memory_mb())
"""


@pytest.mark.parametrize("query", ["bars", "ids"])
def test_memory_does_not_grow_with_the_trades(tmp_path: Path, query: str) -> None:
    peaks = []
    for rows in (1_000_000, 5_000_000):
        lake = tmp_path / str(rows)
        rb.datasets.write_sample_lake(lake, rows=rows, symbols=["A", "B"], rows_per_file=250_000)
        # The least of three: the busier the machine, the further the reader runs ahead of us.
        peaks.append(min(float(run(SINK, str(lake), query)) for _ in range(3)))
    small, large = peaks
    if math.isnan(small):
        pytest.skip("this platform does not tell the peak memory")
    # Five times the trades are 250 MB more in memory; the margin is for how far the reader runs ahead.
    assert large < small + 100, f"{small:.0f} MB, then {large:.0f} MB"


def test_a_group_holds_no_more_rows_than_its_windows_need() -> None:
    few, many = (float(run(GROUPS, str(groups))) for groups in (20, 220))
    if math.isnan(few):
        pytest.skip("this platform does not tell the peak memory")
    # The trades that a group was pushed are 5 MB; those of its forming bar and the window before it some hundred.
    assert many < few + 40, f"{few:.0f} MB, then {many:.0f} MB"


def test_an_import_loads_neither_an_optional_package_nor_what_leads_to_one() -> None:
    code = """
import sys, rangebar_polars
rangebar_polars.datasets.sample_trades(1_000).rangebar.bars(250)
not_needed = {"numpy", "pandas", "pyarrow", "backtesting"}
not_needed |= {f"rangebar_polars.{name}" for name in ("backtesting", "demo", "exports", "plotting", "stubs")}
print(sorted(not_needed & sys.modules.keys()))
print(rangebar_polars.plotting.plot.__name__)
"""
    assert run(code).split() == ["[]", "plot"]
