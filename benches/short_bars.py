"""
What a bar costs, where bars are short: `python -m benches.short_bars [--rows N] [--rounds N]`.

Nanoseconds a trade, of wall time and of CPU, in memory, the least of the rounds, all cases in turn. Beside them a
loop by numba over doubles, which gives seven arrays: such a loop is what people write who need bars quickly. It checks
nothing, adds volumes in binary, and knows neither ids nor times.

Then bars of twenty symbols, in runs and interleaved row by row, with keys of each dtype, and Arrow IPC and Parquet
beside their floors.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

import rangebar_polars as rb

from .figures import INPUT

RULES: dict[str, Any] = {"1000 dbps": 1_000, "250": 250, "100": 100, "25": 25, "10": 10, "Ticks(10)": rb.Ticks(10)}
SYMBOLS = 20


def numba_loop(trades: pl.DataFrame) -> Callable[[int], tuple[Any, ...]]:
    """A loop over doubles: bars of a threshold as arrays of open, high, low, close, volume, bought volume and rows."""
    import numba  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    @numba.njit(cache=False)
    def loop(price: Any, quantity: Any, sold: Any, dbps: int) -> tuple[Any, ...]:  # noqa: ANN401
        most = len(price)
        open_, high, low, close = (np.empty(most), np.empty(most), np.empty(most), np.empty(most))
        volume, bought, rows = np.empty(most), np.empty(most), np.empty(most, np.int64)
        bar, is_open = 0, False
        upper = lower = 0.0
        for row in range(most):
            p, q = price[row], quantity[row]
            if not is_open:
                is_open = True
                open_[bar] = high[bar] = low[bar] = p
                volume[bar] = bought[bar] = 0.0
                rows[bar] = 0
                distance = p * dbps / 100_000
                upper, lower = p + distance, p - distance
            high[bar], low[bar] = max(high[bar], p), min(low[bar], p)
            volume[bar] += q
            if not sold[row]:
                bought[bar] += q
            rows[bar] += 1
            if p >= upper or p <= lower:
                close[bar] = p
                bar += 1
                is_open = False
        return open_[:bar], high[:bar], low[:bar], close[:bar], volume[:bar], bought[:bar], rows[:bar]

    price, quantity, sold = (trades[name].to_numpy() for name in ("price", "quantity", "is_buyer_maker"))
    return partial(loop, price, quantity, sold)


def least(cases: Mapping[str, Callable[[], object]], rounds: int, rows: int) -> dict[str, str]:
    """Nanoseconds of a row, of wall time and of CPU, of each case, the least of some rounds."""
    wall, cpu = dict.fromkeys(cases, float("inf")), dict.fromkeys(cases, float("inf"))
    for _ in range(rounds):
        for name, case in cases.items():
            begun, used = time.perf_counter(), time.process_time()
            case()
            wall[name] = min(wall[name], time.perf_counter() - begun)
            cpu[name] = min(cpu[name], time.process_time() - used)
    return {name: f"{wall[name] / rows * 1e9:.1f} ({cpu[name] / rows * 1e9:.1f})" for name in cases}


def short(trades: pl.DataFrame, rounds: int) -> None:
    """A table of rules."""
    loop = numba_loop(trades)
    loop(250)  # compiled
    header = ("bars", "trades", "all columns", "features=[]", 'select("close")', "rb.range_bars", "numba loop")
    print("|".join(f"{name:>18}" for name in ("rule", *header)))
    for name, rule in RULES.items():
        query = trades.lazy().rangebar.bars(rule)
        bars = query.collect().height
        cases: dict[str, Callable[[], object]] = {
            "all columns": query.collect,
            "features=[]": trades.lazy().rangebar.bars(rule, features=[]).collect,
            'select("close")': query.select("close").collect,
            "rb.range_bars": partial(trades.select, rb.range_bars(rule)),
        }
        if isinstance(rule, int):
            cases["numba loop"] = partial(loop, rule)
        found = least(cases, rounds, trades.height)
        row = (name, f"{bars}", f"{trades.height / max(bars, 1):.0f}", *found.values())
        print("|".join(f"{cell:>18}" for cell in row), flush=True)


def groups(trades: pl.DataFrame, rounds: int) -> None:
    """A table of orders and keys."""
    row = pl.int_range(pl.len())
    names = [f"SYM{number}" for number in range(SYMBOLS)]
    runs = trades.with_columns(symbol=pl.format("SYM{}", row * SYMBOLS // pl.len())).rechunk()
    turns = trades.with_columns(symbol=pl.format("SYM{}", row % SYMBOLS)).rechunk()
    frames = {
        "in runs": runs,
        "interleaved": turns,
        "interleaved, Categorical": turns.with_columns(pl.col("symbol").cast(pl.Categorical)),
        "interleaved, Enum": turns.with_columns(pl.col("symbol").cast(pl.Enum(names))),
    }
    cases = {name: frame.lazy().rangebar.bars(250, by="symbol").collect for name, frame in frames.items()}
    for name, figure in least(cases, rounds, trades.height).items():
        print(f"{name:>26}: {figure}", flush=True)


def files(trades: pl.DataFrame, rounds: int) -> None:
    """A table of files, each beside its floor: a streaming reduction of the same columns."""
    row = pl.int_range(pl.len())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trades.write_ipc(folder / "large.arrow", compression="uncompressed", record_batch_size=1_000_000)
        trades.write_ipc(folder / "small.arrow", compression="uncompressed", record_batch_size=100_000)
        trades.write_parquet(folder / "plain.parquet", compression="uncompressed")
        for symbols in (SYMBOLS, 500):
            turns = trades.with_columns(symbol=pl.format("SYM{}", row % symbols))
            turns.write_parquet(folder / f"{symbols} symbols.parquet", compression="zstd")
        scans = {
            "IPC, batches of a million": pl.scan_ipc(folder / "large.arrow"),
            "IPC, batches of 100,000": pl.scan_ipc(folder / "small.arrow"),
            "Parquet, uncompressed": pl.scan_parquet(folder / "plain.parquet"),
            "20 symbols in turn, zstd": pl.scan_parquet(folder / "20 symbols.parquet"),
            "500 symbols in turn, zstd": pl.scan_parquet(folder / "500 symbols.parquet"),
        }
        for what, scan in scans.items():
            by = "symbol" if "symbols" in what else None
            floor = scan.select(pl.all().max())
            cases: dict[str, Callable[[], object]] = {
                "floor": partial(floor.collect, engine="streaming"),
                "bars": scan.rangebar.bars(250, by=by).collect,
            }
            found = least(cases, rounds, trades.height)
            print(f"{what:>26}: {found['bars']}, floor {found['floor']}", flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    trades = rb.datasets.sample_trades(arguments.rows, symbols=["A"]).select(INPUT).rechunk()
    print("ns a trade, of wall time (of CPU)")
    short(trades, arguments.rounds)
    groups(trades, arguments.rounds)
    files(trades, arguments.rounds)


if __name__ == "__main__":
    main()
