"""Groups beside their floor: many symbols, keys of every dtype, two keys, a file for each symbol."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from pytest_codspeed import BenchmarkFixture

import rangebar_polars as rb

from .conftest import ROWS, SYMBOLS
from .figures import INPUT
from .test_bars import bars, floor

MANY = 2_000
"""Symbols that interleave row by row."""

KEYS = {
    "string": pl.col("symbol"),
    "long string": pl.col("symbol") + " perpetual futures",
    "categorical": pl.col("symbol").cast(pl.Categorical),
    "enum": pl.col("symbol").cast(pl.Enum(SYMBOLS)),
    "integer": pl.col("symbol").str.tail(2).cast(pl.Int32),
}


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One Parquet file of two thousand symbols, row by row in turn."""
    file = tmp_path_factory.mktemp("many") / "many.parquet"
    row = pl.int_range(pl.len())
    trades = rb.datasets.sample_trades(ROWS, symbols=["SYM"])
    turns = trades.with_columns(symbol=pl.format("SYM{}", row % MANY))
    turns.write_parquet(file, compression="zstd")
    return file


@pytest.fixture(scope="session")
def files(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file for each of twenty symbols."""
    folder = tmp_path_factory.mktemp("files")
    for (symbol,), trades in pl.read_parquet(runs).group_by("symbol", maintain_order=True):
        trades.write_parquet(folder / f"{symbol}.parquet", compression="zstd")
    return folder


@pytest.mark.benchmark(group="two thousand symbols")
def test_many(benchmark: BenchmarkFixture, many: Path) -> None:
    frame = pl.scan_parquet(many)
    every = frame.rangebar.bars(250, by="symbol", include_incomplete=True).collect()
    assert every["agg_record_count"].sum() == ROWS
    assert every["symbol"].n_unique() == min(MANY, ROWS)
    benchmark(lambda: bars(frame, "symbol"))


@pytest.mark.benchmark(group="two thousand symbols")
def test_many_floor(benchmark: BenchmarkFixture, many: Path) -> None:
    frame = pl.scan_parquet(many).select("symbol", *INPUT)
    assert benchmark(lambda: floor(frame)).height == 1


@pytest.mark.benchmark(group="a file for each symbol")
def test_files(benchmark: BenchmarkFixture, files: Path) -> None:
    frame = pl.scan_parquet(files, hive_partitioning=False)
    assert benchmark(lambda: bars(frame, "symbol")).height > 0


@pytest.mark.benchmark(group="a file for each symbol")
def test_files_floor(benchmark: BenchmarkFixture, files: Path) -> None:
    frame = pl.scan_parquet(files, hive_partitioning=False).select("symbol", *INPUT)
    assert benchmark(lambda: floor(frame)).height == 1


@pytest.mark.benchmark(group="keys, interleaved in memory")
@pytest.mark.parametrize("dtype", KEYS)
def test_keys(benchmark: BenchmarkFixture, interleaved: Path, dtype: str) -> None:
    frame = pl.read_parquet(interleaved).with_columns(symbol=KEYS[dtype]).rechunk().lazy()
    assert benchmark(lambda: bars(frame, "symbol")).height > 0


@pytest.mark.benchmark(group="keys, interleaved in memory")
def test_two_keys(benchmark: BenchmarkFixture, interleaved: Path) -> None:
    frame = pl.read_parquet(interleaved).with_columns(market=pl.col("symbol").str.tail(1)).rechunk().lazy()
    query = frame.rangebar.bars(250, by=["market", "symbol"])
    assert benchmark(lambda: query.collect(engine="streaming")).height > 0
