"""Sample lakes for the benchmarks: sizes by environment, built outside of what is timed."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb

from .figures import INPUT

ROWS = int(os.environ.get("RANGEBAR_BENCH_ROWS", "200000"))
"""Trades of each lake. The default is for a test run; figures are quoted at 10,000,000."""

SYMBOLS = [f"SYM{number:02}" for number in range(20)]


@pytest.fixture(scope="session")
def one_symbol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zstd Parquet lake of one symbol."""
    folder = tmp_path_factory.mktemp("one")
    rb.datasets.write_sample_lake(folder, rows=ROWS, symbols=["BTCUSDT"], rows_per_file=2_500_000)
    return folder


@pytest.fixture(scope="session")
def trades(one_symbol: Path) -> pl.DataFrame:
    """The same trades in memory, in one chunk."""
    return pl.read_parquet(one_symbol, columns=list(INPUT), hive_partitioning=False).rechunk()


@pytest.fixture(scope="session")
def arrow(trades: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trades as uncompressed Arrow IPC."""
    file = tmp_path_factory.mktemp("arrow") / "trades.arrow"
    trades.write_ipc(file, compression="uncompressed", record_batch_size=131_072)
    return file


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One Parquet file of twenty symbols, each in one run."""
    file = tmp_path_factory.mktemp("runs") / "runs.parquet"
    rb.datasets.sample_trades(ROWS, symbols=SYMBOLS).write_parquet(file, compression="zstd")
    return file


@pytest.fixture(scope="session")
def interleaved(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trades row by row in turn."""
    file = tmp_path_factory.mktemp("interleaved") / "interleaved.parquet"
    turn = pl.int_range(pl.len()).over("symbol")
    pl.read_parquet(runs).sort(turn, maintain_order=True).write_parquet(file, compression="zstd")
    return file
