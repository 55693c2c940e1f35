"""What goes on, beside the plain case: several thresholds, live pushes, checkpoints, resets and holes in the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from pytest_codspeed import BenchmarkFixture

import rangebar_polars as rb

from .conftest import ROWS
from .figures import (
    CALLS,
    CLOSING_CALLS,
    FRAME_ROWS,
    GROUPS,
    KEYS,
    MAY,
    SILENCE,
    THRESHOLDS,
    Trade,
    closing_stream,
    nothing,
    open_stream,
    push_frames,
    push_trades,
    refused_by,
    still_trades,
    write_year,
)

ROUNDS = 50
"""Rounds of the cases that need a new stream for each."""


def streamed(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


@pytest.fixture(scope="session")
def frames(trades: pl.DataFrame) -> list[pl.DataFrame]:
    """The trades in memory as a feed sends them."""
    return list(trades.iter_slices(FRAME_ROWS))


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One Parquet file of one symbol over a year."""
    file = tmp_path_factory.mktemp("year") / "year.parquet"
    write_year(file, ROWS)
    return file


@pytest.fixture(scope="session", params=[KEYS, 0], ids=[f"{KEYS} keys", "no key"])
def calls(request: pytest.FixtureRequest) -> tuple[list[Trade], list[Trade]]:
    """Trades that open bars, and trades that close none."""
    return still_trades(request.param, CALLS)


@pytest.fixture(scope="session", params=[1, GROUPS], ids=["one symbol", f"{GROUPS} symbols"])
def stream(request: pytest.FixtureRequest) -> rb.BarStream:
    """A stream with a forming bar for each symbol."""
    return open_stream(still_trades(request.param, 0)[0])


@pytest.fixture(scope="session", autouse=True)
def _the_answer_is_right(one_symbol: Path, year: Path, trades: pl.DataFrame, frames: list[pl.DataFrame]) -> None:
    """What is timed below is what it says."""
    several_thresholds_are_the_single_runs(one_symbol)
    pushes_are_the_whole(trades, frames)
    for keys in (KEYS, 0):
        single_trades_close_no_bar_and_are_in_one(*still_trades(keys, CALLS))
    single_trades_close_a_bar_each(*still_trades(KEYS, CLOSING_CALLS))
    for groups in (1, GROUPS):
        a_restored_stream_is_the_stream(open_stream(still_trades(groups, 0)[0]))
    a_month_is_that_of_the_year(year)
    gaps_are_the_long_steps(one_symbol, trades)


def several_thresholds_are_the_single_runs(lake: Path) -> None:
    frame = pl.scan_parquet(lake, hive_partitioning=False)
    together = streamed(frame.rangebar.bars(THRESHOLDS))
    for threshold_dbps in THRESHOLDS:
        alone = streamed(frame.rangebar.bars(threshold_dbps))
        assert alone.equals(together.filter(threshold_dbps=threshold_dbps).drop("threshold_dbps"))
    assert together["threshold_dbps"].n_unique() > 1


def pushes_are_the_whole(trades: pl.DataFrame, frames: list[pl.DataFrame]) -> None:
    whole = trades.rangebar.bars(250)
    assert pl.concat(push_frames(frames)).equals(whole)
    assert pl.concat(push_frames([trades])).equals(whole)


def single_trades_close_no_bar_and_are_in_one(opening: list[Trade], calls: list[Trade]) -> None:
    feed = open_stream(opening)
    assert all(feed.push_trade(*trade) is None for trade in calls)
    forming = feed.pending()
    assert forming.height == len(opening)
    assert forming["agg_record_count"].sum() == len(opening) + CALLS


def single_trades_close_a_bar_each(opening: list[Trade], calls: list[Trade]) -> None:
    of_rows, of_frames = closing_stream(KEYS), closing_stream(KEYS)
    for trade in (*opening, *calls[:100]):
        bars = of_frames.push_trade(*trade)
        assert bars is not None
        assert of_rows.push_trade(*trade, as_rows=True) == bars.rows()


def a_restored_stream_is_the_stream(stream: rb.BarStream) -> None:
    restored = rb.BarStream.restore(stream.checkpoint())
    assert restored.pending().equals(stream.pending())
    assert restored.checkpoint() == stream.checkpoint()


def a_month_is_that_of_the_year(year: Path) -> None:
    bars = pl.scan_parquet(year).rangebar.bars(25, by="symbol", reset="1d")
    month = streamed(bars.filter(MAY))
    assert month.equals(streamed(bars).filter(MAY))
    assert month.height > 0


def gaps_are_the_long_steps(lake: Path, trades: pl.DataFrame) -> None:
    gaps = streamed(rb.gaps(pl.scan_parquet(lake, hive_partitioning=False), max_gap=SILENCE))
    behind = trades.select(next_time="timestamp").filter(trades["timestamp"].diff() > SILENCE)
    assert gaps.select("next_time").equals(behind)
    assert gaps.height > 0


@pytest.mark.benchmark(group="thresholds")
@pytest.mark.parametrize("threshold_dbps", [THRESHOLDS, 250], ids=["eight", "one"])
def test_thresholds(benchmark: BenchmarkFixture, one_symbol: Path, threshold_dbps: int | list[int]) -> None:
    """zstd Parquet to bars; eight thresholds are to take at most 1.6 times as long as one."""
    frame = pl.scan_parquet(one_symbol, hive_partitioning=False)
    assert benchmark(lambda: streamed(frame.rangebar.bars(threshold_dbps))).height > 0


@pytest.mark.benchmark(group="push")
def test_push_frames(benchmark: BenchmarkFixture, frames: list[pl.DataFrame]) -> None:
    """A live feed in frames of a thousand rows."""
    assert len(benchmark(lambda: push_frames(frames))) == len(frames)


@pytest.mark.benchmark(group="push")
def test_push_one_frame(benchmark: BenchmarkFixture, trades: pl.DataFrame) -> None:
    assert len(benchmark(lambda: push_frames([trades]))) == 1


@pytest.mark.benchmark(group="push_trade")
def test_push_trade(benchmark: BenchmarkFixture, calls: tuple[list[Trade], list[Trade]]) -> None:
    """Ten thousand calls of which none closes a bar; a call is to take at most 200 ns."""
    opening, more = calls

    def new_stream() -> tuple[tuple[Callable[..., object], list[Trade]], dict[str, object]]:
        return (open_stream(opening).push_trade, more), {}

    benchmark.pedantic(push_trades, setup=new_stream, rounds=ROUNDS, warmup_rounds=3)


@pytest.mark.benchmark(group="push_trade")
def test_push_trade_floor(benchmark: BenchmarkFixture, calls: tuple[list[Trade], list[Trade]]) -> None:
    """As many calls of a function that does nothing."""
    _, more = calls
    benchmark(lambda: push_trades(nothing, more))


@pytest.mark.benchmark(group="push_trade that closes")
@pytest.mark.parametrize("form", [{}, {"as_rows": True}], ids=["frame", "rows"])
@pytest.mark.parametrize("keys", [KEYS, 0], ids=[f"{KEYS} keys", "no key"])
def test_closing_trade(benchmark: BenchmarkFixture, keys: int, form: dict[str, bool]) -> None:
    """A thousand calls that each close a bar; one is to take at most 25 us as a frame, and 3 us as a row."""
    opening, more = still_trades(keys, CLOSING_CALLS)

    def new_stream() -> tuple[tuple[Callable[..., object], list[Trade]], dict[str, object]]:
        stream = closing_stream(keys)
        push_trades(stream.push_trade, opening)
        return (partial(stream.push_trade, **form), more), {}

    benchmark.pedantic(push_trades, setup=new_stream, rounds=ROUNDS, warmup_rounds=3)


@pytest.mark.benchmark(group="push_trade that closes")
def test_refused_trade(benchmark: BenchmarkFixture) -> None:
    """As many calls that are refused."""
    opening, more = still_trades(KEYS, CLOSING_CALLS)
    stream = open_stream(opening)
    refused = [(time, -1.0, *rest) for time, _, *rest in more]
    benchmark(lambda: [refused_by(stream.push_trade, trade) for trade in refused])


@pytest.mark.benchmark(group="checkpoint")
def test_checkpoint(benchmark: BenchmarkFixture, stream: rb.BarStream) -> None:
    """Of one symbol at most 20 us."""
    assert len(benchmark(stream.checkpoint)) > 0


@pytest.mark.benchmark(group="checkpoint")
def test_restore(benchmark: BenchmarkFixture, stream: rb.BarStream) -> None:
    """Of one symbol at most 20 us."""
    data = stream.checkpoint()
    assert benchmark(lambda: rb.BarStream.restore(data)).checkpoint() == data


@pytest.mark.benchmark(group="reset")
@pytest.mark.parametrize("reset", ["1d", None])
def test_reset(benchmark: BenchmarkFixture, trades: pl.DataFrame, reset: Literal["1d"] | None) -> None:
    """Bars in memory, one thread, all features."""
    assert benchmark(lambda: trades.select(rb.range_bars(250, reset=reset))).height > 0


@pytest.mark.benchmark(group="a month of a year")
@pytest.mark.parametrize("month", [True, False], ids=["month", "year"])
def test_month(benchmark: BenchmarkFixture, year: Path, month: bool) -> None:  # noqa: FBT001
    """The time of a bar says which row groups are read."""
    bars = pl.scan_parquet(year).rangebar.bars(25, by="symbol", reset="1d")
    query = bars.filter(MAY) if month else bars
    assert benchmark(lambda: streamed(query)).height > 0


@pytest.mark.benchmark(group="gaps")
def test_gaps(benchmark: BenchmarkFixture, one_symbol: Path) -> None:
    gaps = rb.gaps(pl.scan_parquet(one_symbol, hive_partitioning=False), max_gap=SILENCE)
    assert benchmark(lambda: streamed(gaps)).height > 0


@pytest.mark.benchmark(group="gaps")
def test_gaps_floor(benchmark: BenchmarkFixture, one_symbol: Path) -> None:
    """Reading the same columns."""
    frame = pl.scan_parquet(one_symbol, hive_partitioning=False).select("timestamp", "agg_trade_id")
    assert benchmark(lambda: streamed(frame.select(pl.all().max()))).height == 1
