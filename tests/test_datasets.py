"""Contract of the sample trades: the same everywhere, valid input by SPEC 1, one lake = one frame."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from rangebar_polars import DataFrameRangeBar, RangeBarError, _synthetic
from rangebar_polars._synthetic import TRADE_SCHEMA, TradeTape
from rangebar_polars.datasets import sample_trades, write_sample_lake

SYMBOLS = ["BTCUSDT", "XRPUSDT", "made.up-1"]
GRID = {"BTCUSDT": (2, 5), "ETHUSDT": (2, 4), "SOLUSDT": (2, 3), "XRPUSDT": (4, 0), "DOGEUSDT": (5, 0)}
"""Decimals of the tick and of the lot."""


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    return sample_trades(300_000, symbols=SYMBOLS, seed=5)


def _raw(column: str) -> pl.Expr:
    return (pl.col(column) * 1e8).round().cast(pl.Int64)


def test_rows_are_pinned() -> None:
    sums = sample_trades(20_000, symbols=["BTCUSDT", "XRPUSDT"], seed=3).select(
        pl.col("timestamp").dt.epoch("ms").sum(),
        pl.col("agg_trade_id").sum(),
        _raw("price").sum(),
        _raw("quantity").sum(),
        pl.col("first_trade_id", "last_trade_id", "is_buyer_maker").sum(),
    )
    assert sums.rows() == [
        (
            34081352616282806,
            31710045400000,
            42269276751020000,
            2982800484324000,
            63420054190178,
            63420054203354,
            10036,
        )
    ]


def test_hash_is_splitmix64() -> None:
    mask = 2**64 - 1

    def splitmix64(state: int) -> int:
        z = (state + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    # First output of the reference implementation for the seed 0.
    assert splitmix64(0) == 0xE220A8397B1DCDAF
    rows = pl.select(row=pl.int_range(1, 1000, dtype=pl.UInt64))
    drawn = rows.select(_synthetic._random(pl.col("row"), 17))  # noqa: SLF001
    assert drawn.to_series().to_list() == [
        splitmix64(((row - 1) * 0x9E3779B97F4A7C15 + 17) & mask) for row in range(1, 1000)
    ]


@pytest.mark.parametrize("affinity", ["in-memory", "streaming"])
def test_engine_and_process_do_not_matter(affinity: str) -> None:
    code = "from rangebar_polars.datasets import sample_trades as s; print(s(3000, seed=9).hash_rows(1).sum())"
    environment = {
        **os.environ,
        "POLARS_ENGINE_AFFINITY": affinity,
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, env=environment)
    assert int(child.stdout) == sample_trades(3000, seed=9).hash_rows(1).sum()


def test_schema_and_shares() -> None:
    frame = sample_trades(8, symbols=SYMBOLS)
    assert frame.schema == TRADE_SCHEMA
    assert frame["symbol"].rle().struct.unnest().rows() == [(3, SYMBOLS[0]), (3, SYMBOLS[1]), (2, SYMBOLS[2])]
    assert_frame_equal(sample_trades(0), pl.DataFrame(schema=TRADE_SCHEMA))
    assert_frame_equal(sample_trades(9, symbols="XRPUSDT"), sample_trades(9, symbols=["XRPUSDT"]))


def test_input_rules(trades: pl.DataFrame) -> None:
    assert trades.null_count().row(0) == (0,) * trades.width
    assert trades.filter(pl.col("first_trade_id") > pl.col("last_trade_id")).is_empty()
    assert trades.filter((pl.col("price") <= 0) | (pl.col("quantity") <= 0)).is_empty()
    for frame in trades.partition_by("symbol"):
        assert frame["timestamp"].is_sorted()
        assert frame["agg_trade_id"].diff().drop_nulls().unique().to_list() == [1]
        assert (frame["first_trade_id"] == frame["last_trade_id"].shift() + 1)[1:].all()


@pytest.mark.parametrize("symbol", GRID)
def test_prices_and_sizes_are_the_doubles_on_the_grid(symbol: str) -> None:
    frame = sample_trades(5_000, symbols=symbol, seed=1)
    for column, decimals in zip(("price", "quantity"), GRID[symbol], strict=True):
        for value in frame[column].to_list():
            assert float(str(round(Decimal(value), decimals))) == value


def test_shape_is_that_of_a_market() -> None:
    frame = sample_trades(1_000_000)
    pause = pl.col("timestamp").diff()
    maker = pl.col("is_buyer_maker")
    individual = pl.col("last_trade_id") - pl.col("first_trade_id") + 1
    shape = frame.select(
        same_time=(pause == timedelta(0)).mean(),
        longest_pause=pause.max(),
        days=(pl.col("timestamp").last() - pl.col("timestamp").first()) / timedelta(days=1),
        most_rows_at_once=pl.col("timestamp").rle().struct.field("len").max(),
        buys=maker.not_().mean(),
        same_side=(maker == maker.shift()).mean(),
        same_price=(pl.col("price").diff() == 0).mean(),
        several=(individual > 1).mean(),
        tail=pl.col("quantity").quantile(0.99) / pl.col("quantity").median(),
    ).row(0, named=True)
    assert 0.3 < shape["same_time"] < 0.6
    assert timedelta(hours=1) < shape["longest_pause"] < timedelta(hours=8)
    assert 1 < shape["days"] < 4
    assert shape["most_rows_at_once"] > 100
    assert 0.48 < shape["buys"] < 0.52
    assert 0.7 < shape["same_side"] < 0.8
    assert 0.4 < shape["same_price"] < 0.7
    assert 0.05 < shape["several"] < 0.2
    assert shape["tail"] > 50
    bars = DataFrameRangeBar(frame).bars(250)
    assert 5_000 < frame.height / bars.height < 20_000


def test_walk_is_reflected_at_a_quarter_of_the_first_price() -> None:
    tape = TradeTape("XRPUSDT", 0, 0)
    tape._walk = -(6_154 - 6_154 // 4) * 4096  # noqa: SLF001
    prices = pl.concat(tape.take(200_000))["price"]
    assert prices.min() == pytest.approx(0.1538, abs=1e-9)
    assert prices.ge(0.16).any()


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(0, 2**64 - 1))
def test_parts_are_the_whole(parts: list[int], seed: int) -> None:
    tape = TradeTape("BTCUSDT", seed, 1_704_067_200_000)
    drawn = pl.concat([chunk for part in parts for chunk in tape.take(part)])
    assert_frame_equal(drawn, sample_trades(sum(parts), seed=seed))


def test_fewer_rows_are_the_first_rows_across_internal_chunks() -> None:
    assert_frame_equal(sample_trades(600_000).head(1_000), sample_trades(1_000))
    joint = sample_trades(600_000).slice(262_100, 100)
    assert joint["agg_trade_id"].diff().drop_nulls().unique().to_list() == [1]
    assert joint["timestamp"].is_sorted()


def test_start_shifts_the_times_only() -> None:
    first = sample_trades(100)
    later = sample_trades(100, start=datetime(2025, 6, 1))  # noqa: DTZ001  (UTC is meant)
    assert later["timestamp"][0] >= datetime(2025, 6, 1, tzinfo=UTC)
    shift = datetime(2025, 6, 1, tzinfo=UTC) - datetime(2024, 1, 1, tzinfo=UTC)
    assert_frame_equal(first.with_columns(pl.col("timestamp") + shift), later)
    zoned = datetime(2025, 6, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert_frame_equal(sample_trades(100, start=zoned), later)


def test_seeds_and_symbols_differ() -> None:
    prices = [
        tuple(sample_trades(200, symbols=name, seed=seed)["price"].diff().to_list())
        for seed in (0, 1, 2**64 - 1)
        for name in ("BTCUSDT", "ETHUSDT", "AB", "BA")
    ]
    assert len(set(prices)) == len(prices)


def test_lake_holds_the_rows_of_one_frame(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    files = write_sample_lake(
        tmp_path / "new" / "lake",
        rows=10_001,
        symbols=SYMBOLS,
        rows_per_file=1_500,
        seed=4,
        progress=lambda done, rows: seen.append((done, rows)),
    )
    whole = sample_trades(10_001, symbols=SYMBOLS, seed=4)
    assert_frame_equal(pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files]), whole)
    assert_frame_equal(pl.read_parquet(files), whole)
    assert [file.relative_to(tmp_path / "new" / "lake").as_posix() for file in files[:3]] == [
        f"symbol=BTCUSDT/part-0000{part}.parquet" for part in range(3)
    ]
    assert len(files) == len(seen) == 9
    assert seen[-1] == (10_001, 10_001)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("pattern", ["", "/**/*.parquet"])
def test_lake_is_hive_partitioned(tmp_path: Path, pattern: str) -> None:
    write_sample_lake(tmp_path, rows=3_000, symbols=["600519", "ETHUSDT"], rows_per_file=1_000)
    lake = pl.scan_parquet(f"{tmp_path}{pattern}")
    assert lake.collect_schema() == TRADE_SCHEMA
    assert_frame_equal(lake.collect(), sample_trades(3_000, symbols=["600519", "ETHUSDT"]))
    assert lake.filter(pl.col("symbol") == "600519").select(pl.len()).collect().item() == 1_500


def test_lake_refuses_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("")
    for path in (tmp_path, tmp_path / "something"):
        with pytest.raises(RangeBarError, match="`path` must be a new or an empty folder"):
            write_sample_lake(path, rows=100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": -1}, r"`rows` must be an integer in 0\.\."),
        ({"rows": 2.0}, "`rows` must be an integer"),
        ({"rows": True}, "`rows` must be an integer"),
        ({"seed": -1}, "`seed` must be an integer in 0"),
        ({"seed": 2**64}, "`seed` must be an integer in 0"),
        ({"symbols": []}, "`symbols` must be one or more distinct names"),
        ({"symbols": ["A", "a"]}, "`symbols` must be one or more distinct names"),
        ({"symbols": ["A/B"]}, "`symbols` must be names of letters, digits"),
        ({"symbols": [".."]}, "`symbols` must be names of letters, digits"),
        ({"symbols": [""]}, "`symbols` must be names of letters, digits"),
        ({"symbols": [7]}, "`symbols` must be names of letters, digits"),
        ({"start": "2024-01-01"}, "`start` must be a datetime"),
        ({"symbols": 7}, "`symbols` must be names of letters, digits"),
    ],
)
def test_invalid_arguments(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RangeBarError, match=message):
        sample_trades(**{"rows": 10, **arguments})
    with pytest.raises(RangeBarError, match=message.replace(r"0\.\.", "")):
        write_sample_lake(tmp_path / "lake", **{"rows": 10, **arguments})
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("arguments", [{"rows": 3}, {"rows_per_file": 0}])
def test_invalid_arguments_of_a_lake(arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RangeBarError, match=f"`{next(iter(arguments))}` must be an integer in"):
        write_sample_lake(tmp_path, **arguments)
