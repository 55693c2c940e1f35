"""
From a lake of trades to a backtest: ``python -m examples.demo [--rows N] [--lake FOLDER] ...``.

The trades are synthetic (`rangebar_polars.datasets`); the strategy shows the interface and is no advice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl

import rangebar_polars  # noqa: F401  (registers `.rangebar`)
from rangebar_polars.datasets import write_sample_lake

THRESHOLD_DBPS = 250


@dataclass(frozen=True)
class Measured:
    """What the step from trades to bars took, and its peak memory before the first row was read."""

    seconds: float
    imports_mb: float
    peak_mb: float


def main() -> None:
    """Run the demonstration."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="rangebar_demo_") as folder:
        lake = arguments.lake or Path(folder) / "lake"
        bars = Path(folder) / "bars.parquet"
        prepare_lake(lake, arguments.rows)
        show_bars(lake, bars, in_own_process(lake, bars))
        show_backtest(bars, arguments.symbol, arguments.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000, help="trades to write (default: 4 million)")
    parser.add_argument("--lake", type=Path, help="folder for the trades; used as it is if it holds some already")
    parser.add_argument("--symbol", default="BTCUSDT", help="symbol to run the strategy on (default: BTCUSDT)")
    plot = Path(tempfile.gettempdir()) / "rangebar_polars_demo.html"
    parser.add_argument("--plot", type=Path, default=plot, help=f"file for the plot (default: {plot})")
    return parser.parse_args()


def prepare_lake(lake: Path, rows: int) -> None:
    """Write the sample lake, unless the folder holds files already."""
    if lake.is_dir() and any(lake.iterdir()):
        print(f"1. Trades: using {lake} as it is")
        return
    print(f"1. Trades: writing {rows:,} synthetic trades to {lake}", flush=True)
    begin = time.perf_counter()
    files = write_sample_lake(lake, rows=rows, progress=_print_progress)
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"   {len(files)} files, {size:.0f} MB, {time.perf_counter() - begin:.1f} s")


def _print_progress(done: int, rows: int) -> None:
    print(f"   {done:>13,} of {rows:,}", flush=True)


def in_own_process(lake: Path, bars: Path) -> Measured:
    """Measure the step in a process that has done nothing else, so that the peak memory is its own."""
    print(f"2. Bars: scan_parquet -> bars({THRESHOLD_DBPS}, by='symbol') -> sink_parquet", flush=True)
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(trades_to_bars, lake, bars).result()


def trades_to_bars(lake: Path, bars: Path) -> Measured:
    """Turn the lake into bars, file to file, in constant memory."""
    imports_mb = peak_memory_mb()
    begin = time.perf_counter()
    trades = pl.scan_parquet(lake)
    trades.rangebar.bars(threshold_dbps=THRESHOLD_DBPS, by="symbol").sink_parquet(bars)
    return Measured(time.perf_counter() - begin, imports_mb, peak_memory_mb())


def peak_memory_mb() -> float:
    """
    Peak resident memory of this process in MB, NaN where the platform does not tell.

    On Linux ``ru_maxrss`` also counts the process that started this one, as it was then: hence VmHWM.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].removesuffix("kB")) * 1024 / 1e6
    if sys.platform == "darwin":
        import resource  # noqa: PLC0415  (not on every platform)

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return float("nan")


def show_bars(lake: Path, bars: Path, measured: Measured) -> None:
    """Print the first bars and what they cost."""
    trades = pl.scan_parquet(lake).select(pl.len()).collect().item()
    frame = pl.read_parquet(bars)
    print(frame.select("symbol", "open_time", "close_time", "open", "close", "volume", "ofi").head())
    print(frame.group_by("symbol", maintain_order=True).agg(bars=pl.len(), trades=pl.sum("agg_record_count")))
    print(f"   {trades:,} trades -> {frame.height:,} bars with {frame.width} columns")
    print(f"   {measured.seconds:.2f} s: {trades / measured.seconds / 1e6:.1f} million trades/s")
    print(f"   peak memory {measured.peak_mb:.0f} MB, of which {measured.imports_mb:.0f} MB are the imports")


def show_backtest(bars: Path, symbol: str, plot: Path) -> None:
    """Run a strategy on the bars of one symbol, print its statistics and write its plot."""
    # Imported late: the process whose memory is measured above must not load pandas.
    backtesting: Any = import_module("backtesting")
    print(f"3. Backtest: {symbol}", flush=True)
    data = pl.scan_parquet(bars).rangebar.to_backtesting(symbol=symbol, extra=["ofi"])
    backtest = backtesting.Backtest(
        data,
        strategy(backtesting.Strategy),
        cash=1_000_000,
        commission=0.0002,
        exclusive_orders=True,
        finalize_trades=True,
    )
    print(backtest.run())
    print("   The annualised figures come from calendar days: on a few days they mean nothing.")
    # Range bars are not equally spaced, which the superimposed candles of backtesting.py 0.6.6 do not support.
    backtest.plot(filename=str(plot), open_browser=False, superimpose=False)
    print(f"   plot: {plot}")


def strategy(base: Any) -> type[Any]:  # noqa: ANN401
    """Define the strategy: hold the side that traded more volume over the last bars."""

    class FollowTheFlow(base):  # type: ignore[misc]
        bars = 5

        def init(self) -> None:
            self.flow = self.I(self._mean_flow, self.data.ofi, self.bars)

        @staticmethod
        def _mean_flow(ofi: Any, bars: int) -> Any:  # noqa: ANN401
            return pl.Series(ofi).rolling_mean(bars).to_numpy()

        def next(self) -> None:
            if self.flow[-1] > 0 and not self.position.is_long:
                self.buy()
            elif self.flow[-1] < 0 and not self.position.is_short:
                self.sell()

    return FollowTheFlow


if __name__ == "__main__":
    main()
