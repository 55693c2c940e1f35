"""
One run of one contender, in a process and an environment of its own.

``python -m benches.compare.worker KEY WARM LAKE OUT``: the lake `WARM` first, so that imports and compilation are
done, then `LAKE`, timed. The last line on standard output is a JSON object; `OUT` gets the bars to compare.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl

from .table import CONTENDERS

COMPARED = ("open_time", "close_time", "open", "high", "low", "close", "agg_record_count", "volume", "buy_volume")
"""What is compared where a contender has it; the last two may differ by rounding."""

PANDAS = {"Open": "open", "High": "high", "Low": "low", "Close": "close", "Volume": "volume"}


def main(key: str, warm: str, lake: str, out: str) -> None:
    """Run a contender and tell what it took."""
    (contender,) = (each for each in CONTENDERS if each.key == key)
    module = importlib.import_module(f"benches.compare.contenders.{key}")
    module.bars(warm)
    compiled = _compiled(module)
    gc.collect()
    start = time.perf_counter()
    result = module.bars(lake)
    seconds = time.perf_counter() - start
    peak = peak_memory_mb()
    if _compiled(module) != compiled:
        raise RuntimeError("something was compiled while it was timed")
    if contender.rule == "same":
        comparable(result).write_parquet(out)
    print()
    print(
        json.dumps({"seconds": seconds, "peak_mb": peak, "bars": len(result), "version": _version(contender.package)})
    )


def comparable(result: Any) -> pl.DataFrame:  # noqa: ANN401
    """Bring bars into the columns that are compared: times as microseconds, counts as integers."""
    if not isinstance(result, pl.DataFrame):
        columns = {PANDAS.get(name, name): result[name].to_numpy() for name in result.columns}
        columns["close_time"] = result.index.to_numpy("datetime64[ns]")
        result = pl.DataFrame({name: columns[name] for name in COMPARED if name in columns})
    times = [pl.col(name).dt.epoch("us") for name in COMPARED[:2] if name in result.columns]
    frame: pl.DataFrame = result.with_columns(*times, pl.col("agg_record_count").cast(pl.Int64))
    return frame.select(name for name in COMPARED if name in frame.columns)


def peak_memory_mb() -> float | None:
    """Peak resident memory of this process in MB, None where the platform does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmHWM"].removesuffix("kB")) * 1024 / 1e6


def _compiled(module: ModuleType) -> int:
    """How many times numba has compiled the functions of a module."""
    return sum(len(getattr(value, "signatures", ())) for value in vars(module).values())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    main(*sys.argv[1:])
