"""Bars beside their floor: what Polars alone takes to read and reduce the same columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from pytest_codspeed import BenchmarkFixture

import rangebar_polars as rb

from .conftest import ROWS
from .figures import INPUT

Query = Callable[[], pl.DataFrame]


def floor(frame: pl.LazyFrame) -> pl.DataFrame:
    """A streaming reduction of the columns that bars with all features read."""
    return frame.select(pl.all().max()).collect(engine="streaming")


def bars(frame: pl.LazyFrame, by: str | None = None) -> pl.DataFrame:
    return frame.rangebar.bars(250, by=by).collect(engine="streaming")


def rows_in(bars_and_forming: pl.DataFrame) -> int:
    return int(bars_and_forming["agg_record_count"].sum())


@pytest.fixture(scope="session", autouse=True)
def _the_answer_is_right(one_symbol: Path, runs: Path, interleaved: Path, trades: pl.DataFrame) -> None:
    """What is timed below is what it says: every trade is in a bar, on every route, and the routes agree."""
    lazy = pl.scan_parquet(one_symbol, hive_partitioning=False).rangebar.bars(250, include_incomplete=True).collect()
    assert rows_in(lazy) == ROWS
    eager = trades.select(rb.range_bars(250, include_incomplete=True)).unnest("bars")
    assert eager.equals(lazy)
    assert lazy.height >= ROWS // 100_000
    in_runs, in_turn = (
        pl.scan_parquet(file)
        .rangebar.bars(250, by="symbol", include_incomplete=True)
        .collect()
        .sort("symbol", "open_time")
        for file in (runs, interleaved)
    )
    assert rows_in(in_runs) == ROWS // 20 * 20
    assert in_runs.equals(in_turn)


@pytest.mark.benchmark(group="kernel")
@pytest.mark.parametrize("threshold_dbps", [250, 25])
def test_kernel(benchmark: BenchmarkFixture, trades: pl.DataFrame, threshold_dbps: int) -> None:
    """Bars in memory, one thread, all features."""
    assert benchmark(lambda: trades.select(rb.range_bars(threshold_dbps))).height > 0


@pytest.mark.benchmark(group="kernel")
def test_kernel_floor(benchmark: BenchmarkFixture, trades: pl.DataFrame) -> None:
    """Reading the same columns in memory."""
    assert benchmark(lambda: trades.select(pl.all().max())).height == 1


@pytest.mark.benchmark(group="group_by")
def test_group_by(benchmark: BenchmarkFixture, runs: Path) -> None:
    """The expression in `group_by().agg()`."""
    frame = pl.read_parquet(runs)
    assert benchmark(lambda: frame.group_by("symbol").agg(rb.range_bars(250))).height == 20


@pytest.mark.benchmark(group="group_by")
def test_group_by_floor(benchmark: BenchmarkFixture, runs: Path) -> None:
    frame = pl.read_parquet(runs)
    assert benchmark(lambda: frame.group_by("symbol").agg(pl.all().max())).height == 20


@pytest.mark.benchmark(group="over")
def test_range_bar_id_over(benchmark: BenchmarkFixture, interleaved: Path) -> None:
    frame = pl.read_parquet(interleaved)
    bar = rb.range_bar_id("timestamp", "price", threshold_dbps=250).over("symbol")
    assert benchmark(lambda: frame.with_columns(bar=bar)).height == frame.height


@pytest.mark.benchmark(group="parquet, one symbol")
def test_lazy(benchmark: BenchmarkFixture, one_symbol: Path) -> None:
    """zstd Parquet to bars, all columns and features."""
    frame = pl.scan_parquet(one_symbol, hive_partitioning=False)
    assert benchmark(lambda: bars(frame)).height > 0


@pytest.mark.benchmark(group="parquet, one symbol")
def test_lazy_close_alone(benchmark: BenchmarkFixture, one_symbol: Path) -> None:
    frame = pl.scan_parquet(one_symbol, hive_partitioning=False)
    assert benchmark(lambda: frame.rangebar.bars(250).select("close").collect(engine="streaming")).height > 0


@pytest.mark.benchmark(group="parquet, one symbol")
def test_lazy_floor(benchmark: BenchmarkFixture, one_symbol: Path) -> None:
    frame = pl.scan_parquet(one_symbol, hive_partitioning=False).select(INPUT)
    assert benchmark(lambda: floor(frame)).height == 1


@pytest.mark.benchmark(group="parquet, twenty symbols")
@pytest.mark.parametrize("arrangement", ["runs", "interleaved"])
def test_lazy_groups(benchmark: BenchmarkFixture, arrangement: str, request: pytest.FixtureRequest) -> None:
    frame = pl.scan_parquet(request.getfixturevalue(arrangement))
    assert benchmark(lambda: bars(frame, "symbol")).height > 0


@pytest.mark.benchmark(group="parquet, twenty symbols")
@pytest.mark.parametrize("arrangement", ["runs", "interleaved"])
def test_lazy_groups_floor(benchmark: BenchmarkFixture, arrangement: str, request: pytest.FixtureRequest) -> None:
    frame = pl.scan_parquet(request.getfixturevalue(arrangement)).select("symbol", *INPUT)
    assert benchmark(lambda: floor(frame)).height == 1


@pytest.mark.benchmark(group="memory, twenty symbols")
@pytest.mark.parametrize("chunks", ["as read", "one chunk"])
@pytest.mark.parametrize("arrangement", ["runs", "interleaved"])
def test_memory_groups(
    benchmark: BenchmarkFixture, arrangement: str, chunks: str, request: pytest.FixtureRequest
) -> None:
    """A frame as Polars reads it, in a chunk for each row group, and the same in one chunk."""
    frame = pl.read_parquet(request.getfixturevalue(arrangement))
    frame = frame.rechunk() if chunks == "one chunk" else frame
    assert benchmark(lambda: bars(frame.lazy(), "symbol")).height > 0


SIDE_ALONE = ["timestamp", "price", "quantity", "is_buyer_maker"]


SHORT = {"10 dbps": 10, "ten trades": rb.Ticks(10)}
"""Bars that are short, so that what a bar costs shows."""


@pytest.mark.benchmark(group="short bars")
@pytest.mark.parametrize("rule", list(SHORT.values()), ids=list(SHORT))
@pytest.mark.parametrize("columns", ["all", "base", "close"])
def test_short_bars(benchmark: BenchmarkFixture, trades: pl.DataFrame, rule: int | rb.Ticks, columns: str) -> None:
    """In memory, with the ten features, without them, and one column alone."""
    query = trades.lazy().rangebar.bars(rule, features=[] if columns == "base" else None)
    query = query.select("close") if columns == "close" else query
    assert benchmark(lambda: query.collect(engine="streaming")).height > 0


@pytest.mark.benchmark(group="short bars")
@pytest.mark.parametrize("rule", list(SHORT.values()), ids=list(SHORT))
def test_short_bars_of_the_expression(benchmark: BenchmarkFixture, trades: pl.DataFrame, rule: int | rb.Ticks) -> None:
    assert benchmark(lambda: trades.select(rb.range_bars(rule))).height > 0


@pytest.mark.benchmark(group="arrow ipc")
@pytest.mark.parametrize("columns", [SIDE_ALONE, list(INPUT)], ids=["side alone", "all columns"])
def test_arrow(benchmark: BenchmarkFixture, arrow: Path, columns: list[str]) -> None:
    frame = pl.scan_ipc(arrow).select(columns)
    assert benchmark(lambda: bars(frame)).height > 0


@pytest.mark.benchmark(group="arrow ipc")
@pytest.mark.parametrize("columns", [SIDE_ALONE, list(INPUT)], ids=["side alone", "all columns"])
def test_arrow_floor(benchmark: BenchmarkFixture, arrow: Path, columns: list[str]) -> None:
    frame = pl.scan_ipc(arrow).select(columns)
    assert benchmark(lambda: floor(frame)).height == 1
