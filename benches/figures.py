"""
The figures that the documentation quotes, as ratios in one run: `python -m benches.figures [--rows N]`.

Time: bars from zstd Parquet beside a streaming reduction of the same columns, in turn, the median of the pairs.
Continuing: each case beside the plain one, likewise; calls in ns and checkpoints in us, the median of the runs.
Windows: every statistic beside plain bars and beside the floor.
Memory: the peak of `sink_parquet` at a fifth and at all of the rows, each in a process of its own.
Import: `import rangebar_polars` beside `import polars`, each in a process of its own, the median.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, get_args

import polars as pl

import rangebar_polars as rb
from rangebar_polars._typing import BarFeatureName

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

THRESHOLDS = [50, 100, 150, 200, 250, 300, 500, 1_000]
"""Eight thresholds for one pass, beside one of 250 dbps."""

FRAME_ROWS = 1_000
"""Rows of a frame of a live feed."""

KEYS = 300
"""Symbols of a live feed that come in turn."""

CALLS = 10_000
"""Trades that are pushed one by one."""

CLOSING_CALLS = 1_000
"""Trades that are pushed one by one, and each close a bar."""

GROUPS = 2_000
"""Symbols of a large checkpoint."""

SILENCE = timedelta(seconds=10)
"""What counts as a silence: there are some fourteen hundred in a million sample trades."""

MAY = pl.col("open_time").is_between(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC), closed="left")
"""The month that is read out of a year."""

EVERYTHING: dict[str, Any] = {"intra": True, "lookback": 200}
"""Every feature that bars can have."""

WITHOUT_DEAREST = [
    name
    for name in get_args(BarFeatureName)
    if not name.startswith("lookback_") and name not in {"intra_hurst", "intra_permutation_entropy"}
]
"""The ten and the bar's own statistics, but for the two that cost most."""

Trade: TypeAlias = tuple[int, float, float, bool, int, int, int, str | None]
"""What `push_trade` takes, in its order."""

PAIRS = 9

SINK = """
import sys, polars as pl, rangebar_polars
from rangebar_polars.demo import peak_memory_mb
pl.scan_parquet(sys.argv[1]).rangebar.bars(250, by="symbol").sink_parquet(sys.argv[2])
print(peak_memory_mb())
"""

AGAIN = """
import sys, polars as pl, rangebar_polars
from rangebar_polars.demo import peak_memory_mb
scan = pl.scan_parquet(sys.argv[1])
repeats, days = int(sys.argv[3]), int(sys.argv[4])
later = [scan.with_columns(pl.col("timestamp") + pl.duration(days=days * n)) for n in range(repeats)]
pl.concat(later).rangebar.bars(250, by="symbol").sink_parquet(sys.argv[2])
print(peak_memory_mb())
"""
"""The same files again and again, each time later."""

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
        _windows(small, rows // 5)
        _continuing(small, rows // 5)
        _live()
        _closing()
        _checkpoints()
        _memory([(small, rows // 5), (large, rows)], Path(folder) / "bars.parquet")
    _imports()


def _time(lake: Path, rows: int) -> None:
    frame = pl.scan_parquet(lake)
    columns = ("symbol", *INPUT)
    queries = {
        "one key": (lambda: frame.rangebar.bars(250, by="symbol").collect(engine="streaming"), columns),
        "close alone": (
            lambda: frame.rangebar.bars(250, by="symbol").select("close").collect(engine="streaming"),
            ("symbol", "timestamp", "price"),
        ),
    }
    for name, (query, reads) in queries.items():
        bars, floor, ratio = _paired(query, partial(_floor, frame, reads))
        speed = rows / bars / 1e6
        print(f"{name}: {speed:.1f} M trades/s, {bars:.3f} s, floor {floor:.3f} s, ratio {ratio:.2f}")


def _windows(lake: Path, rows: int) -> None:
    frame = pl.scan_parquet(lake)
    everything = frame.rangebar.bars(250, by="symbol", **EVERYTHING)
    for name, floor in (("eight", ("symbol", *INPUT)), ("five", ("symbol", *INPUT[:4]))):
        bars = frame.select(floor).rangebar.bars(250, by="symbol", **EVERYTHING)
        seconds, least, ratio = _paired(partial(_streamed, bars), partial(_floor, frame, floor))
        speed = rows / seconds / 1e6
        print(f"everything of {name} columns: {speed:.1f} M trades/s, floor {least:.3f} s, ratio {ratio:.2f}")
    _beside(
        "close alone of everything beside close alone",
        partial(_streamed, everything.select("close")),
        partial(_streamed, frame.rangebar.bars(250, by="symbol").select("close")),
    )
    trades = rb.datasets.sample_trades(2_000_000).select(INPUT)
    cases: dict[str, dict[str, Any]] = {
        "intra": {"intra": True},
        "intra but hurst and entropy": {"features": WITHOUT_DEAREST},
    }
    for name, options in {**cases, "lookback=200": {"lookback": 200}}.items():
        _beside(
            f"{name}, in memory, beside none",
            partial(_in_memory, trades, **options),
            partial(_in_memory, trades),
        )
    million = trades.head(1_000_000)
    seconds = statistics.median(
        _seconds(lambda: million.select(rb.range_bars(100, **EVERYTHING))) for _ in range(PAIRS)
    )
    print(f"everything of a million trades at 100 dbps, in memory: {seconds * 1e3:.0f} ms")


def _continuing(lake: Path, rows: int) -> None:
    frame = pl.scan_parquet(lake)
    _beside("eight thresholds beside one", partial(_bars, frame, THRESHOLDS), partial(_bars, frame, 250))
    gaps = rb.gaps(frame, by="symbol", max_gap=SILENCE)
    reads = ("symbol", "timestamp", "agg_trade_id")
    _beside("gaps beside their floor", partial(_streamed, gaps), partial(_floor, frame, reads))
    year = lake.with_name("year.parquet")
    write_year(year, rows)
    bars = pl.scan_parquet(year).rangebar.bars(25, by="symbol", reset="1d")
    _beside("a month of a year beside the year", partial(_streamed, bars.filter(MAY)), partial(_streamed, bars))


def _live() -> None:
    trades = rb.datasets.sample_trades(1_000_000).select(INPUT)
    frames = list(trades.iter_slices(FRAME_ROWS))
    _beside(
        'reset="1d" beside none',
        lambda: trades.select(rb.range_bars(250, reset="1d")),
        lambda: trades.select(rb.range_bars(250)),
    )
    sessions = rb.Daily(at="18:00", zone="America/New_York")
    _beside(
        "reset=rb.Daily beside none",
        lambda: trades.select(rb.range_bars(250, reset=sessions)),
        lambda: trades.select(rb.range_bars(250)),
    )
    _beside(f"frames of {FRAME_ROWS:,} rows beside one", partial(push_frames, frames), partial(push_frames, [trades]))
    for name, keys in ((f"{KEYS} keys in turn", KEYS), ("no key", 0)):
        opening, calls = still_trades(keys, CALLS)
        streams = [open_stream(opening) for _ in range(PAIRS)]
        ours = statistics.median(_seconds(partial(push_trades, stream.push_trade, calls)) for stream in streams)
        floor = statistics.median(_seconds(partial(push_trades, nothing, calls)) for _ in range(PAIRS))
        print(f"push_trade, {name}: {ours / CALLS * 1e9:.0f} ns a call, an empty function {floor / CALLS * 1e9:.0f} ns")


def _closing() -> None:
    for name, keys in ((f"{KEYS} keys in turn", KEYS), ("no key", 0)):
        opening, calls = still_trades(keys, CLOSING_CALLS)
        taken = {}
        for form in ({}, {"as_rows": True}):
            streams = [closing_stream(keys) for _ in range(PAIRS)]
            for stream in streams:
                push_trades(stream.push_trade, opening)
            pushes = [partial(push_trades, partial(stream.push_trade, **form), calls) for stream in streams]
            taken[bool(form)] = statistics.median(_seconds(push) for push in pushes) / CLOSING_CALLS * 1e6
        print(f"push_trade that closes, {name}: a frame {taken[False]:.1f} us, a row {taken[True]:.2f} us")


def _checkpoints() -> None:
    for groups, times in ((1, 1_000), (GROUPS, 10)):
        stream = open_stream(still_trades(groups, 0)[0])
        data = stream.checkpoint()
        each = 1e6 / times
        save, load = (
            statistics.median(_seconds(partial(_repeat, call, times)) for _ in range(PAIRS)) * each
            for call in (stream.checkpoint, partial(rb.BarStream.restore, data))
        )
        print(f"checkpoint, symbols {groups:,}: {save:.1f} us, restore {load:.1f} us, {len(data):,} bytes")


def write_year(file: Path, rows: int) -> None:
    """Write trades of one symbol that are spread over the year 2024, in row groups of a few days each."""
    trades = rb.datasets.sample_trades(rows)
    first, last = trades["timestamp"][0], trades["timestamp"][-1]
    stretch = (datetime(2025, 1, 1, tzinfo=UTC) - first) // (last - first)
    time = first + (pl.col("timestamp") - first) * stretch
    trades.with_columns(time.alias("timestamp")).write_parquet(
        file, compression="zstd", row_group_size=max(1, rows // 100)
    )


def push_frames(frames: Iterable[pl.DataFrame]) -> list[pl.DataFrame]:
    """The bars that a new stream gives for some frames."""
    stream = rb.BarStream(250)
    return [stream.push(frame) for frame in frames]


def still_trades(keys: int, calls: int) -> tuple[list[Trade], list[Trade]]:
    """
    A trade that opens a bar for each key, and `calls` more of which none closes it: there is one price.

    The keys come in turn; with 0 keys there is none.
    """
    symbols: list[str | None] = [f"SYM{key:04}" for key in range(keys)]
    symbols = symbols or [None]
    trades = [
        (1_704_067_200_000_000 + row, 42_283.59, 0.01, row % 3 == 0, row, row, row, symbols[row % len(symbols)])
        for row in range(len(symbols) + calls)
    ]
    return trades[: len(symbols)], trades[len(symbols) :]


def open_stream(opening: list[Trade]) -> rb.BarStream:
    """A stream that has seen the trades that open a bar for each key."""
    stream = rb.BarStream(250, by=None if opening[0][-1] is None else "symbol", time_unit="us")
    push_trades(stream.push_trade, opening)
    return stream


def closing_stream(keys: int) -> rb.BarStream:
    """A stream of which every trade closes a bar."""
    return rb.BarStream(rb.Ticks(1), by="symbol" if keys else None, time_unit="us")


def push_trades(push: Callable[..., object], trades: Iterable[Trade]) -> None:
    """Push trades one by one."""
    for trade in trades:
        push(*trade)


def refused_by(push: Callable[..., object], trade: Iterable[object]) -> bool:
    """Whether a trade is refused."""
    try:
        push(*trade)
    except rb.RangeBarError:
        return True
    return False


def nothing(*_: object) -> None:
    """The floor of a call."""


def _bars(frame: pl.LazyFrame, threshold_dbps: int | list[int]) -> pl.DataFrame:
    return _streamed(frame.rangebar.bars(threshold_dbps, by="symbol"))


def _in_memory(trades: pl.DataFrame, **options: Any) -> pl.DataFrame:  # noqa: ANN401
    return trades.select(rb.range_bars(250, **options))


def _streamed(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def _beside(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    first, second, ratio = _paired(ours, theirs)
    print(f"{name}: {first:.3f} s beside {second:.3f} s, ratio {ratio:.2f}")


def _paired(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float, float]:
    """Medians of two queries that run in turn, and of their ratios."""
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(PAIRS)]
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    return first, second, statistics.median(one / other for one, other in pairs)


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
    lake, rows = lakes[0]
    times = pl.scan_parquet(lake).select("timestamp")
    days = times.select((pl.max("timestamp") - pl.min("timestamp")).dt.total_days()).collect().item() + 1
    for ahead in ("16", "2"):  # row groups that Polars reads ahead; 16 is what it does unasked
        for repeats in (1, 10, 100):
            again = (AGAIN, str(lake), str(out), str(repeats), str(days))
            start = time.perf_counter()
            peak = float(_python(*again, POLARS_ROW_GROUP_PREFETCH_SIZE=ahead))
            seconds = time.perf_counter() - start
            print(f"{rows * repeats:,} trades, {ahead} row groups ahead: {peak:.0f} MB, {seconds:.1f} s")


def _imports() -> None:
    seconds = {}
    for module in ("polars", "rangebar_polars"):
        runs = [_python(IMPORT.format(module=module)).split() for _ in range(PAIRS)]
        seconds[module] = statistics.median(float(run[0]) for run in runs)
        print(f"import {module}: {seconds[module] * 1e3:.0f} ms, loads {runs[0][1:] or 'no optional package'}")
    print(f"more than polars: {(seconds['rangebar_polars'] - seconds['polars']) * 1e3:.0f} ms")


def _python(code: str, *arguments: str, **environment: str) -> str:
    run = [sys.executable, "-c", code, *arguments]
    return subprocess.run(run, check=True, capture_output=True, text=True, env={**os.environ, **environment}).stdout


if __name__ == "__main__":
    main()
