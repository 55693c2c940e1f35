"""Windows beside plain bars: what statistics of trades cost, and that what is not selected costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pytest_codspeed import BenchmarkFixture

import rangebar_polars as rb

from .conftest import ROWS
from .figures import EVERYTHING, WITHOUT_DEAREST

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "intra": {"intra": True},
    "intra but hurst and entropy": {"features": WITHOUT_DEAREST},
    "lookback": {"lookback": 200},
    "everything": EVERYTHING,
}


@pytest.fixture(scope="session", autouse=True)
def _the_answer_is_right(one_symbol: Path, trades: pl.DataFrame) -> None:
    """The routes agree, and windows hold the trades that they say."""
    lazy = pl.scan_parquet(one_symbol, hive_partitioning=False).rangebar.bars(250, **EVERYTHING).collect()
    assert trades.select(rb.range_bars(250, **EVERYTHING)).unnest("bars").equals(lazy)
    assert lazy["intra_trade_count"].equals(lazy["agg_record_count"], check_names=False)
    assert lazy["lookback_trade_count"].max() == 200
    assert lazy.select(WITHOUT_DEAREST).null_count().sum_horizontal().item() < lazy.height


@pytest.mark.benchmark(group="windows in memory")
@pytest.mark.parametrize("case", CASES)
def test_windows(benchmark: BenchmarkFixture, trades: pl.DataFrame, case: str) -> None:
    assert benchmark(lambda: trades.select(rb.range_bars(250, **CASES[case]))).height > 0


@pytest.mark.benchmark(group="windows, a million trades at 100 dbps")
@pytest.mark.parametrize("lookback", [200, 10_000, "1m", rb.Bars(3)], ids=str)
def test_lookback(benchmark: BenchmarkFixture, trades: pl.DataFrame, lookback: int | str | rb.Bars) -> None:
    """Everything on. Short windows cost as much as their rows, long ones the more."""
    million = trades.head(1_000_000)
    assert benchmark(lambda: million.select(rb.range_bars(100, intra=True, lookback=lookback))).height > 0


@pytest.mark.benchmark(group="windows from parquet")
def test_everything(benchmark: BenchmarkFixture, one_symbol: Path) -> None:
    """The ten, `intra` and `lookback=200` from zstd Parquet."""
    bars = pl.scan_parquet(one_symbol, hive_partitioning=False).rangebar.bars(250, **EVERYTHING)
    assert benchmark(lambda: bars.collect(engine="streaming")).height > 0


@pytest.mark.benchmark(group="windows from parquet, select close")
@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "everything"])
def test_close_alone(benchmark: BenchmarkFixture, one_symbol: Path, options: dict[str, Any]) -> None:
    """The two cost the same: what is not selected is not computed."""
    bars = pl.scan_parquet(one_symbol, hive_partitioning=False).rangebar.bars(250, **options).select("close")
    assert benchmark(lambda: bars.collect(engine="streaming")).height > 0


@pytest.mark.benchmark(group="statistics of groups")
@pytest.mark.parametrize("minutes", [1, 60])
def test_group_by(benchmark: BenchmarkFixture, trades: pl.DataFrame, minutes: int) -> None:
    """A whole family as one expression over time bars."""
    every = trades.sort("timestamp").group_by_dynamic("timestamp", every=f"{minutes}m")
    groups = benchmark(lambda: every.agg(rb.window_features().alias("window")))
    assert groups["window"].struct.field("trade_count").sum() == ROWS
