"""
The figures that the documentation quotes, as ratios in one run: `python -m benches.figures [--rows N]`.

Time: bars from zstd Parquet beside a streaming reduction of the same columns, in turn, the median of the pairs.
Memory: the peak of `sink_parquet` at a fifth and at all of the rows, each in a process of its own.
Import: `import rangebar_polars` beside `import polars`, each in a process of its own, the median.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl

import rangebar_polars as rb

INPUT = (
    "timestamp",
    "price",
    "quantity",
    "is_buyer_maker",
    "agg_trade_id",
    "first_trade_id",
    "last_trade_id",
)
"""Columns that bars with the ten features read."""

PAIRS = 9

SINK = """
import sys, polars as pl, rangebar_polars
from examples.demo import peak_memory_mb
pl.scan_parquet(sys.argv[1], hive_partitioning=False).rangebar.bars(250, by="symbol").sink_parquet(sys.argv[2])
print(peak_memory_mb())
"""

IMPORT = """
import sys, time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start, *(m for m in ("numpy", "pandas", "pyarrow") if m in sys.modules))
"""


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000_000, help="trades of the large lake")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        for lake, size in ((small, rows // 5), (large, rows)):
            rb.datasets.write_sample_lake(lake, rows=size)
        _time(small, rows // 5)
        _memory([(small, rows // 5), (large, rows)], Path(folder) / "bars.parquet")
    _imports()


def _time(lake: Path, rows: int) -> None:
    frame = pl.scan_parquet(lake, hive_partitioning=False)
    columns = ("symbol", *INPUT)
    queries = {
        "one key": (lambda: frame.rangebar.bars(250, by="symbol").collect(engine="streaming"), columns),
        "close alone": (
            lambda: frame.rangebar.bars(250, by="symbol").select("close").collect(engine="streaming"),
            ("symbol", "timestamp", "price"),
        ),
    }
    for name, (query, reads) in queries.items():
        pairs = [(_seconds(query), _seconds(partial(_floor, frame, reads))) for _ in range(PAIRS)]
        bars, floor = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        speed = rows / bars / 1e6
        print(f"{name}: {speed:.1f} M trades/s, {bars:.3f} s, floor {floor:.3f} s, ratio {ratio:.2f}")


def _floor(frame: pl.LazyFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    return frame.select(columns).select(pl.all().max()).collect(engine="streaming")


def _seconds(query: Callable[[], object]) -> float:
    start = time.perf_counter()
    query()
    return time.perf_counter() - start


def _memory(lakes: list[tuple[Path, int]], out: Path) -> None:
    for lake, rows in lakes:
        peaks = [float(_python(SINK, str(lake), str(out))) for _ in range(3)]
        print(f"peak memory of {rows:,} trades through sink_parquet: {statistics.median(peaks):.0f} MB")


def _imports() -> None:
    seconds = {}
    for module in ("polars", "rangebar_polars"):
        runs = [_python(IMPORT.format(module=module)).split() for _ in range(PAIRS)]
        seconds[module] = statistics.median(float(run[0]) for run in runs)
        print(f"import {module}: {seconds[module] * 1e3:.0f} ms, loads {runs[0][1:] or 'no optional package'}")
    print(f"more than polars: {(seconds['rangebar_polars'] - seconds['polars']) * 1e3:.0f} ms")


def _python(code: str, *arguments: str) -> str:
    return subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
