"""
From a venue to a backtest: ``python -m rangebar_polars.demo [--rows N] [--archives FOLDER] ...``.

The trades are synthetic (`rangebar_polars.datasets`), in zips as Binance publishes them, and the venue that serves them
is on this machine: no network is needed. The strategy shows the interface and is no advice. Bars from zips need Polars
alone; of every other step whose packages are not installed, it is said how to install them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl

import rangebar_polars as rb

__all__ = ["main"]

THRESHOLD_DBPS = 250


@dataclass(frozen=True)
class Measured:
    """What the step from trades to bars took, its peak memory before the first row was read, and what it read."""

    trades: int
    seconds: float
    imports_mb: float
    peak_mb: float
    report: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demonstration, with the arguments of the command line unless others are given."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="rangebar_demo_") as folder:
        archives = options.archives or Path(folder) / "zips"
        bars = Path(folder) / "bars.parquet"
        prepare_archives(archives, options.rows, options.real)
        show_bars(bars, in_own_process(archives, bars))
        show_lake(archives, Path(folder) / "lake", options.symbol)
        show_chart(bars, options.symbol, options.chart)
        show_backtest(bars, options.symbol, options.plot)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rangebar_polars.demo",
        description="From a venue on this machine to bars, a lake, a chart and a backtest, with throughput and memory.",
    )
    parser.add_argument("--rows", type=int, default=1_500_000, help="trades to write (default: 1.5 million)")
    parser.add_argument(
        "--archives", type=Path, help="folder for the zips, Binance spot aggTrades; used as it is if it holds some"
    )
    parser.add_argument(
        "--real",
        type=Path,
        nargs="*",
        default=[],
        help="zips of Binance to show beside, or instead of, the synthetic ones",
    )
    parser.add_argument("--symbol", default="BTCUSDT", help="symbol to show (default: BTCUSDT)")
    files = {"chart": "rangebar_polars_chart.html", "plot": "rangebar_polars_backtest.html"}
    for name, file in files.items():
        target = Path(tempfile.gettempdir()) / file
        parser.add_argument(f"--{name}", type=Path, default=target, help=f"file for the {name} (default: {target})")
    return parser.parse_args(arguments)


def prepare_archives(archives: Path, rows: int, real: Sequence[Path] = ()) -> None:
    """Write the sample archives, unless the folder holds files already; a symbol is either real or synthetic."""
    if archives.is_dir() and any(archives.iterdir()):
        print(f"1. Trades: using {archives} as it is")
        return
    symbols = sorted({"BTCUSDT", "ETHUSDT"} - {file.name.partition("-")[0] for file in real})
    print(f"1. Trades: writing {rows:,} synthetic trades to {archives}", flush=True)
    begin = time.perf_counter()
    files = rb.datasets.write_sample_archives(archives, rows=rows, symbols=symbols, progress=_print_progress)
    for file in real:
        files.append(Path(shutil.copy(file, archives)))
        print(f"   {file.name} is real")
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"   {files[0].name} and {len(files) - 1} more, {size:.0f} MB, {time.perf_counter() - begin:.1f} s")


def _print_progress(done: int, rows: int) -> None:
    print(f"   {done:>13,} of {rows:,}", flush=True)


def in_own_process(archives: Path, bars: Path) -> Measured:
    """Measure the step in a process that has done nothing else, so that the peak memory is its own."""
    print(f"2. Bars: scan_binance -> bars({THRESHOLD_DBPS}, by='symbol') -> sink_bars", flush=True)
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(trades_to_bars, archives, bars).result()


def trades_to_bars(archives: Path, bars: Path) -> Measured:
    """Turn the zips into bars, file to file, in constant memory."""
    imports_mb = peak_memory_mb()
    report = rb.ReadReport()
    begin = time.perf_counter()
    trades = rb.scan_binance(archives, report=report)
    rb.sink_bars(trades.rangebar.bars(threshold_dbps=THRESHOLD_DBPS, by="symbol"), bars)
    seconds = time.perf_counter() - begin
    return Measured(int(report.files()["rows_read"].sum()), seconds, imports_mb, peak_memory_mb(), repr(report))


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


def show_bars(bars: Path, measured: Measured) -> None:
    """Print the first bars and what they cost."""
    trades, frame = measured.trades, pl.read_parquet(bars)
    print(f"   {measured.report}")
    print(frame.select("symbol", "open_time", "close_time", "open", "close", "volume", "ofi").head())
    print(frame.group_by("symbol", maintain_order=True).agg(bars=pl.len(), trades=pl.sum("agg_record_count")))
    print(f"   {trades:,} trades -> {frame.height:,} bars with {frame.width} columns")
    speed = trades / measured.seconds / 1e6
    print(f"   {measured.seconds:.2f} s: {speed:.1f} million trades/s, inflating and parsing included")
    print(f"   peak memory {measured.peak_mb:.0f} MB, of which {measured.imports_mb:.0f} MB are the imports")


def show_lake(archives: Path, folder: Path, symbol: str) -> None:
    """Fetch the archives from a venue on this machine into a lake, build its bars, and get some in one line."""
    print("3. Fetch: from a venue on this machine, each archive checked", flush=True)
    if _lacks("Fetch", "fetch", "aiohttp", "stamina", "filelock", "pyarrow"):
        return
    days: dict[str, list[str]] = {}
    for name, _, date in sorted(file.stem.rpartition("-aggTrades-") for file in archives.glob("*.zip")):
        days.setdefault(name, []).append(date)
    lake = rb.Lake(folder)
    with rb.datasets.LocalVenue(archives) as venue:
        for name, dates in days.items():
            print(f"   {name}: {lake.fetch(name, dates[0], dates[-1], base=venue.base)}", flush=True)
        print("4. Build: 100 and 250 dbps of all symbols, in one pass", flush=True)
        lake.series("base", threshold_dbps=[100, 250])
        print(f"   {lake.build('base')}")
        print(lake.status().select("symbol", "first_day", "last_day", "trades", "missing_ids", "bars"))
        first, last = days[symbol][0], days[symbol][-1]
        print(f"5. One line: rb.get_range_bars({symbol!r}, {first!r}, {last!r}, 250)", flush=True)
        bars = rb.get_range_bars(symbol, first, last, 250, lake=lake, base=venue.base)
    print(bars.select("open_time", "close_time", "open", "close", "volume").tail(3))


def show_chart(bars: Path, symbol: str, chart: Path) -> None:
    """Draw the bars of one symbol."""
    print(f"6. Chart: {symbol}", flush=True)
    if not _lacks("Chart", "plot", "altair"):
        pl.scan_parquet(bars).rangebar.plot(symbol=symbol, panels=["volume", "ofi"]).save(str(chart))
        print(f"   chart: {chart}")


def _lacks(step: str, extra: str, *packages: str) -> bool:
    """Whether a package of an extra is not installed, which is told."""
    for name in packages:
        try:
            import_module(name)
        except ModuleNotFoundError:
            print(f'   {step}: left out, as it needs {name}: pip install "rangebar_polars[{extra}]"')
            return True
    return False


def show_backtest(bars: Path, symbol: str, plot: Path) -> None:
    """Run a strategy on the bars of one symbol, print its statistics and write its plot."""
    print(f"7. Backtest: {symbol}", flush=True)
    if _lacks("Backtest", "backtesting", "backtesting"):
        return
    # Imported late: the process whose memory is measured above must not load pandas.
    backtesting: Any = import_module("backtesting")
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
