"""Contract of the sample updates: the same everywhere, valid input for a book, and a book around the sample trades."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from rangebar_polars import RangeBarError
from rangebar_polars.datasets import _books, sample_book_updates, sample_trades
from rangebar_polars.datasets._books import UPDATE_SCHEMA

SYMBOLS = ["BTCUSDT", "XRPUSDT", "made.up-1"]
TRADES, DEPTH = 9_000, 10


@pytest.fixture(scope="module")
def updates() -> pl.DataFrame:
    return sample_book_updates(TRADES, symbols=SYMBOLS, depth=DEPTH, seed=5)


@pytest.fixture(scope="module")
def books(updates: pl.DataFrame) -> pl.DataFrame:
    return updates.rangebar.book(depth=DEPTH + 1, by="symbol", holes="error", crossed="error")


def test_rows_are_pinned() -> None:
    sums = sample_book_updates(2_000, symbols=["BTCUSDT", "XRPUSDT"], depth=5, seed=3).select(
        pl.len(),
        pl.col("timestamp").dt.epoch("ms").sum(),
        pl.col("last_update_id", "is_snapshot", "is_bid").sum(),
        (pl.col("price", "quantity") * 1e8).round().cast(pl.Int64).sum(),
    )
    assert sums.rows() == [(1911, 3256472501512030, 1911233305, 20, 954, 6725632987510000, 38297667269000)]


def test_the_schema_is_as_documented(updates: pl.DataFrame) -> None:
    assert updates.schema == UPDATE_SCHEMA
    assert not sum(updates.null_count().row(0))
    assert sample_book_updates(0).schema == UPDATE_SCHEMA
    assert updates["symbol"].unique(maintain_order=True).to_list() == SYMBOLS
    assert (updates["first_update_id"] == updates["last_update_id"]).all()


def test_a_book_has_all_its_levels_and_no_hole(books: pl.DataFrame) -> None:
    assert books["is_valid"].all()
    assert not books.select(f"bid_{DEPTH}", f"ask_{DEPTH}").null_count().sum_horizontal().item()
    far = books.select(f"bid_{DEPTH + 1}", f"ask_{DEPTH + 1}")
    assert far.null_count().row(0) == (books.height, books.height)
    assert books.select((pl.col("quote_ofi_1").is_null()).sum()).item() == len(SYMBOLS)


def test_trades_are_between_the_best_prices(books: pl.DataFrame) -> None:
    trades = sample_trades(TRADES, symbols=SYMBOLS, seed=5)
    last = trades.group_by("symbol", "timestamp", maintain_order=True).last().sort("timestamp")
    states = books.select("symbol", "time", "bid", "ask").sort("time")
    quoted = last.join_asof(states, left_on="timestamp", right_on="time", by="symbol", check_sortedness=False)
    assert quoted.select(pl.col("price").is_between("bid", "ask").all()).item()
    ends = (
        frame.select(first=pl.col(time).min(), last=pl.col(time).max())
        for frame, time in ((trades, "timestamp"), (books, "time"))
    )
    (first, last_trade), (first_state, last_state) = (end.row(0) for end in ends)
    assert first == first_state
    assert last_state <= last_trade


def test_every_update_changes_its_level(updates: pl.DataFrame) -> None:
    later = updates.filter(~pl.col("is_snapshot"))
    assert later.select(pl.struct("symbol", "last_update_id", "is_bid", "price").is_unique().all()).item()
    before = pl.col("quantity").shift(1).over("symbol", "is_bid", "price")
    assert updates.filter(before.fill_null(0.0) == pl.col("quantity")).is_empty()


@pytest.mark.parametrize("rows", [1, 140, 3_000])
def test_parts_are_as_one(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    arguments: dict[str, Any] = {"symbols": SYMBOLS, "depth": DEPTH, "seed": 5}
    whole = sample_book_updates(900, **arguments)
    monkeypatch.setattr(_books, "_CHUNK_ROWS", rows)
    assert sample_book_updates(900, **arguments).equals(whole)


def test_fewer_trades_are_the_first_ones() -> None:
    some, more = sample_book_updates(500), sample_book_updates(700)
    whole = some.filter(pl.col("last_update_id") < some["last_update_id"][-1])
    assert whole.height > 500
    assert more.head(whole.height).equals(whole)


def test_seed_and_start_count() -> None:
    assert not sample_book_updates(500, seed=1).equals(sample_book_updates(500, seed=2))
    later = sample_book_updates(500, start=datetime(2024, 1, 2))  # noqa: DTZ001  (taken as UTC)
    assert later.with_columns(pl.col("timestamp") - timedelta(days=1)).equals(sample_book_updates(500))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"trades": -1}, r"`trades` must be an integer in 0\.\."),
        ({"depth": 0}, r"`depth` must be an integer in 1\.\.100, got 0"),
        ({"depth": True}, "`depth` must be an integer"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"symbols": "a/b"}, "`symbols` must consist of letters"),
        ({"start": "2024"}, "`start` must be a datetime"),
    ],
)
def test_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(RangeBarError, match=text):
        sample_book_updates(**arguments)
