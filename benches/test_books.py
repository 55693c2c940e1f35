"""Order books beside a reduction of the same columns, and beside dicts in Python."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from pytest_codspeed import BenchmarkFixture

import rangebar_polars as rb

from .conftest import ROWS

INPUT = ("timestamp", "is_bid", "price", "quantity")
FEW = 20_000
"""Updates that a loop in Python takes."""
SAMPLES = ("100ms", "change", "event")


def depth(trades: pl.DataFrame) -> pl.DataFrame:
    """
    Updates of a book around the prices of trades: some near the best, most far away, a tenth of them deletes.

    In a real book of 5,000 levels a side, a fifth of the updates are among the best 16.
    """
    n = pl.int_range(pl.len())
    away = (n * 7_919 % 64) ** 2 + 1
    is_bid = n * 31 % 7 < 4
    tick = pl.col("price").round(0) + pl.when(is_bid).then(-away).otherwise(away) / 10
    return trades.select(
        # Twenty updates are a message, and there are fifty messages a second.
        timestamp=(n // 20 * 20).cast(pl.Datetime("ms")),
        is_bid=is_bid,
        price=tick.round(1),
        quantity=(n * 13 % 10).cast(pl.Float64) / 8,
    ).rechunk()


@pytest.fixture(scope="session")
def updates(trades: pl.DataFrame) -> pl.DataFrame:
    """As many updates as there are trades, in memory."""
    return depth(trades.sort("timestamp", maintain_order=True))


@pytest.fixture(scope="session")
def file(updates: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as zstd Parquet."""
    path = tmp_path_factory.mktemp("depth") / "updates.parquet"
    updates.write_parquet(path, compression="zstd")
    return path


@pytest.mark.benchmark(group="books in memory")
@pytest.mark.parametrize("sample", SAMPLES)
def test_memory(benchmark: BenchmarkFixture, updates: pl.DataFrame, sample: str) -> None:
    book = rb.book(10, sample=sample)
    rows = benchmark(lambda: updates.select(book).unnest("book"))
    assert rows["update_count"].sum() <= ROWS
    assert rows.height > 0


@pytest.mark.benchmark(group="books from parquet")
def test_parquet(benchmark: BenchmarkFixture, file: Path) -> None:
    lazy = pl.scan_parquet(file).rangebar.book(10, sample="100ms")
    assert benchmark(lambda: lazy.collect(engine="streaming"))["update_count"].sum() == ROWS


@pytest.mark.benchmark(group="books from parquet")
def test_parquet_floor(benchmark: BenchmarkFixture, file: Path) -> None:
    lazy = pl.scan_parquet(file).select(pl.max(*INPUT))
    assert benchmark(lambda: lazy.collect(engine="streaming")).height == 1


@pytest.mark.benchmark(group="best prices of 20,000 updates")
def test_few(benchmark: BenchmarkFixture, updates: pl.DataFrame) -> None:
    few = updates.head(FEW)
    book = rb.book(1, features=["bid", "ask"])
    assert benchmark(lambda: few.select(book)).height > 0


@pytest.mark.benchmark(group="best prices of 20,000 updates")
def test_dicts(benchmark: BenchmarkFixture, updates: pl.DataFrame) -> None:
    few = updates.head(FEW)

    def loop() -> list[tuple[float | None, float | None]]:
        sides: dict[bool, dict[float, float]] = {True: {}, False: {}}
        best: list[tuple[float | None, float | None]] = []
        before = None
        for time, is_bid, price, quantity in few.iter_rows():
            if before is not None and time != before:
                best.append((max(sides[True], default=None), min(sides[False], default=None)))
            before = time
            if quantity:
                sides[is_bid][price] = quantity
            else:
                sides[is_bid].pop(price, None)
        best.append((max(sides[True], default=None), min(sides[False], default=None)))
        return best

    assert benchmark(loop) == few.select(rb.book(1, features=["bid", "ask"])).unnest("book").select("bid", "ask").rows()
