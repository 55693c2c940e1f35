"""From a lake of trades to a backtest: ``python examples/demo.py [--rows N] [--lake FOLDER] [--plot FILE]``.

The trades are synthetic (`rangebar_polars.datasets`), the strategy is an example of the interface and no advice.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import polars as pl

import rangebar_polars as rb  # noqa: F401  (registers the namespace)
from rangebar_polars.datasets import write_sample_lake

THRESHOLD_DBPS = 250
SYMBOL = "BTCUSDT"
POLARS_ALONE = "import polars, runpy, sys; print(runpy.run_path(sys.argv[1])['peak_memory_mb']())"


@dataclass(frozen=True)
class Measured:
    """What the step from trades to bars took."""

    bars: int
    seconds: float
    peak_mb: float


def main() -> None:
    """Run the demonstration."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        lake = arguments.lake or Path(folder) / "lake"
        bars = Path(folder) / "bars.parquet"
        _write_lake(lake, arguments.rows)
        measured = _in_own_process(lake, bars)
        _print_bars(bars, measured, arguments.rows)
        _backtest(bars, arguments.plot)


def trades_to_bars(lake: Path, bars: Path) -> Measured:
    """Turn the lake into bars, file to file, in constant memory."""
    begin = time.perf_counter()
    (
        pl.scan_parquet(lake)
        .rangebar.bars(threshold_dbps=THRESHOLD_DBPS, by="symbol")
        .sink_parquet(bars)
    )
    seconds = time.perf_counter() - begin
    return Measured(pl.scan_parquet(bars).select(pl.len()).collect().item(), seconds, peak_memory_mb())
