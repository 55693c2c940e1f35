"""Contract layer of `add_rangebar_cache`: files as the old program wrote them give its trades, each once, in order."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._lakes import made, utc

COLUMNS = ["timestamp", "price", "quantity", "agg_trade_id", "first_trade_id", "last_trade_id", "is_buyer_maker"]
"""Of the old files, in their order."""

IDS = ["agg_trade_id", "first_trade_id", "last_trade_id"]


class Cache:
    """What the storage of the old program did, restated: it appended to the file of a month."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    def month(self, folder: str, name: str) -> Path:
        return self.path / "ticks" / folder / f"{name}.parquet"

    def fetch(self, trades: pl.DataFrame, folder: str = "BINANCE_SPOT_A", *, once: bool = True) -> None:
        """Keep trades that were fetched together; up to version 12.7, also those that were there."""
        old = trades.with_columns(pl.col("timestamp").dt.epoch("ms")).select(c for c in COLUMNS if c in trades.columns)
        name = pl.col("timestamp").cast(pl.Datetime("ms")).dt.strftime("%Y-%m")
        for (month,), rows in old.with_columns(_m=name).partition_by("_m", as_dict=True, include_key=False).items():
            file, kept = self.month(folder, month), rows
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.exists():
                there = pl.read_parquet(file)
                if once and "agg_trade_id" in rows.columns:
                    new = ~pl.col("agg_trade_id").is_in(there["agg_trade_id"].implode())
                    kept = rows.filter(new)
                kept = pl.concat([there, kept])
            kept.write_parquet(file, compression="zstd", compression_level=3)

    def rewrite(self, change: Callable[[pl.DataFrame], pl.DataFrame], name: str = "2024-01") -> None:
        file = self.month("BINANCE_SPOT_A", name)
        change(pl.read_parquet(file)).write_parquet(file)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def lake(tmp_path: Path) -> rb.Lake:
    return rb.Lake(tmp_path / "lake")


TRADES = made(days=8, per_day=30, start=utc(2024, 1, 28))
"""Over the end of a month."""


def days(*numbers: int) -> pl.DataFrame:
    """The trades of some days from the 28th, in order of time."""
    first = dt.date(2024, 1, 28)
    return TRADES.filter(pl.col("timestamp").dt.date().is_in([first + dt.timedelta(days=n) for n in numbers]))


def assert_holds(lake: rb.Lake, trades: pl.DataFrame, **where: Any) -> None:
    found = lake.trades("A", **where).collect().drop("venue", "symbol", "date")
    assert_frame_equal(found, trades.select(found.columns))


def faults(report: rb.AddReport) -> list[tuple[Any, ...]]:
    assert report.read is not None
    return report.read.frame().select("reason", "action", "count").rows()


# ------------------------------------------------------------------------------------- what a cache looks like inside


def test_days_that_were_fetched_one_after_another(lake: rb.Lake, cache: Cache) -> None:
    for number in range(8):
        cache.fetch(days(number))
    report = lake.add_rangebar_cache(cache.path)
    assert [str(unit.date) for unit in report.new] == [
        *(f"2024-01-{day}" for day in (28, 29, 30, 31)),
        *(f"2024-02-0{day}" for day in (1, 2, 3, 4)),
    ]
    assert {unit[:2] for unit in report.new} == {("binance-spot", "A")}
    assert (report.rows, faults(report)) == (240, [])
    assert_holds(lake, TRADES)
    assert lake.gaps().is_empty()
    assert len(lake.add_rangebar_cache(cache.path).unchanged) == 8


def test_what_a_fetch_added_before_what_was_there(lake: rb.Lake, cache: Cache) -> None:
    """As the old program did when it was asked for the last bars, and went back until there were enough."""
    for numbers in ((6, 7), (3, 4, 5), (0, 1, 2)):
        cache.fetch(days(*numbers))
    report = lake.add_rangebar_cache(cache.path)
    assert faults(report) == [("backwards", "sorted", 90), ("backwards", "sorted", 60)]
    assert repr(report).endswith("; rows: 150 put in order, 0 left out>")
    assert_holds(lake, TRADES)


@given(
    fetches=st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True), min_size=1, max_size=5),
    once=st.booleans(),
)
def test_any_history_of_fetches(tmp_path_factory: pytest.TempPathFactory, fetches: list[list[int]], once: bool) -> None:
    """Every trade once, whatever was fetched when, and what is not there is told as missing."""
    folder = tmp_path_factory.mktemp("cache")
    cache, lake = Cache(folder / "cache"), rb.Lake(folder / "lake")
    for numbers in fetches:
        cache.fetch(days(*numbers), once=once)
    lake.add_rangebar_cache(cache.path)
    there = sorted({number for numbers in fetches for number in numbers})
    assert_holds(lake, days(*there))
    missing = there[-1] - there[0] + 1 - len(there)
    gaps = lake.gaps()
    assert gaps.filter(kind="day")["count"].sum() == missing
    assert gaps.filter(kind="ids")["count"].sum() == missing * 30


def test_rows_that_are_there_twice(lake: rb.Lake, cache: Cache) -> None:
    for _ in range(3):
        cache.fetch(days(0), once=False)
    report = lake.add_rangebar_cache(cache.path)
    assert ("duplicate", "dropped", 60) in faults(report)
    assert repr(report).endswith("60 left out>")
    assert_holds(lake, days(0))


def test_one_id_with_two_contents_is_an_error(lake: rb.Lake, cache: Cache) -> None:
    """Also if others are there twice with the same."""
    cache.fetch(days(0))
    cache.fetch(days(0), once=False)
    price = pl.when(pl.int_range(pl.len()) == 35).then(pl.col("price") + 1).otherwise("price")
    cache.rewrite(lambda rows: rows.with_columns(price))
    with pytest.raises(rb.RangeBarError, match="the row has the id of the one before it, but another content"):
        lake.add_rangebar_cache(cache.path)
    assert lake.status().is_empty()
    report = lake.add_rangebar_cache(cache.path, on_bad_rows="drop")
    assert {("duplicate", "dropped", 29), ("conflicting_id", "dropped", 1)} <= set(faults(report))
    assert_holds(lake, days(0))


def test_trades_of_one_millisecond_are_in_the_order_of_their_ids(lake: rb.Lake, cache: Cache) -> None:
    """Its sort by time left them in any order."""
    trades = days(0).with_columns(pl.lit(utc(2024, 1, 28, 3)).cast(TRADES["timestamp"].dtype).alias("timestamp"))
    cache.fetch(trades)
    cache.rewrite(lambda rows: pl.concat([rows[1::2], rows[::2]]))
    report = lake.add_rangebar_cache(cache.path)
    assert faults(report) == [("backwards", "sorted", 15)]
    assert_holds(lake, trades)


def test_without_ids_the_file_tells_the_order(lake: rb.Lake, cache: Cache) -> None:
    """Trades of one time stay as they stand; what is there twice cannot be told from two trades."""
    times = pl.Series([2, 2, 0, 0, 1]).cast(pl.Duration("us")) * 1_000 + pl.Series([utc(2024, 1, 5)] * 5)
    rows = days(0).head(5).drop(IDS).with_columns(times.cast(TRADES["timestamp"].dtype).alias("timestamp"))
    cache.fetch(rows)
    report = lake.add_rangebar_cache(cache.path)
    assert faults(report) == [("backwards", "sorted", 3)]
    assert_holds(lake, rows.sort("timestamp", maintain_order=True))


def test_names_of_older_versions(lake: rb.Lake, cache: Cache) -> None:
    cache.fetch(days(0))
    cache.rewrite(lambda rows: rows.rename({"agg_trade_id": "trade_id", "quantity": "volume"}))
    lake.add_rangebar_cache(cache.path)
    assert_holds(lake, days(0))


def test_times_that_a_user_kept_as_datetimes(lake: rb.Lake, cache: Cache) -> None:
    cache.fetch(days(0))
    cache.rewrite(lambda rows: rows.with_columns(pl.col("timestamp").cast(pl.Datetime("ms"))))
    lake.add_rangebar_cache(cache.path)
    assert_holds(lake, days(0))


def test_a_last_second_that_was_lost_is_missing(lake: rb.Lake, cache: Cache) -> None:
    """What was read until 23:59:59 and kept again lacks what came after; the ids tell."""
    last = days(0).tail(1).with_columns(pl.lit(utc(2024, 1, 28, 23, 59, 59, 500_000)).alias("timestamp"))
    whole = pl.concat([days(0).head(29), last.cast(days(0).schema), days(1)])
    cache.fetch(whole.filter(pl.col("agg_trade_id") != last["agg_trade_id"][0]))
    lake.add_rangebar_cache(cache.path)
    lost = last["agg_trade_id"][0]
    gaps = lake.gaps()
    assert gaps.select("kind", "first_id", "last_id", "fixable_by").rows() == [("ids", lost, lost, "archive or rest")]
    cache.fetch(last)
    assert len(lake.add_rangebar_cache(cache.path).merged) == 1
    assert_holds(lake, whole)
    assert lake.gaps().is_empty()


# ----------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("price", 0.0, "a price must be above 0, and a quantity not below"),
        ("price", 1.123456789, "a number has more decimals than are kept"),
        ("quantity", -1.0, "a price must be above 0, and a quantity not below"),
    ],
)
def test_rows_that_are_no_trades(lake: rb.Lake, cache: Cache, column: str, value: float, told: str) -> None:
    """A price that the old program could not read is 0 in its cache."""
    cache.fetch(days(0))
    cache.rewrite(
        lambda rows: rows.with_columns(pl.when(pl.int_range(pl.len()) == 7).then(value).otherwise(column).alias(column))
    )
    with pytest.raises(rb.RangeBarError, match=rf"2024-01\.parquet, row 8: {told}"):
        lake.add_rangebar_cache(cache.path)
    assert lake.status().is_empty()
    report = lake.add_rangebar_cache(cache.path, on_bad_rows="drop")
    assert (report.rows, report.read is not None and report.read.total) == (29, 1)
    assert lake.gaps()["count"].to_list() == [1]


@pytest.mark.parametrize("size", [0, 3, 2_000])
def test_a_file_that_was_cut_off(lake: rb.Lake, cache: Cache, size: int) -> None:
    """The old program deletes such files, or writes over them; here they stay, and are named."""
    cache.fetch(days(0, 1, 2, 3))
    file = cache.month("BINANCE_SPOT_A", "2024-01")
    data = file.read_bytes()[:size]
    assert len(data) == size
    file.write_bytes(data)
    with pytest.raises(rb.RangeBarError, match=r"2024-01\.parquet"):
        lake.add_rangebar_cache(cache.path)
    assert file.read_bytes() == data
    assert lake.status().is_empty()


def test_a_damaged_page(lake: rb.Lake, cache: Cache) -> None:
    cache.fetch(days(0, 1, 2, 3))
    file = cache.month("BINANCE_SPOT_A", "2024-01")
    data = bytearray(file.read_bytes())
    data[60:300] = bytes(240)
    file.write_bytes(data)
    with pytest.raises((rb.RangeBarError, pl.exceptions.PolarsError)):
        lake.add_rangebar_cache(cache.path)
    assert lake.status().is_empty()


def test_drafts_are_no_months(lake: rb.Lake, cache: Cache) -> None:
    cache.fetch(days(0))
    (cache.month("BINANCE_SPOT_A", "x").parent / ".parquet_k3j2.tmp").write_bytes(b"PAR1")
    lake.add_rangebar_cache(cache.path)
    assert_holds(lake, days(0))
    days(1).write_parquet(cache.month("BINANCE_SPOT_A", "copy of 2024-01"))
    with pytest.raises(rb.RangeBarError, match="is not named by a month, as those beside it are"):
        lake.add_rangebar_cache(cache.path)


def test_microseconds_that_the_cache_has_lost(lake: rb.Lake, cache: Cache) -> None:
    """Since 2025, spot archives have them: a warning tells the days, and archives replace them."""
    exact = made(days=3, start=utc(2024, 12, 31)).with_columns(pl.col("timestamp") + pl.duration(microseconds=123))
    cut = exact.with_columns(pl.col("timestamp").dt.truncate("1ms"))
    cache.fetch(exact)
    cache.fetch(exact, "BINANCE_UM_A")
    with pytest.warns(rb.RangeBarWarning, match="has the times of 2 days from 2025-01-01 on in milliseconds") as told:
        lake.add_rangebar_cache(cache.path)
    assert told[0].filename == __file__
    assert_holds(lake, cut, venue="binance-spot")
    with pytest.raises(rb.LakeConflictError):
        lake.add(exact, venue="binance-spot", symbol="A")
    lake.add(exact, venue="binance-spot", symbol="A", on_conflict="replace")
    assert_holds(lake, exact, venue="binance-spot")
    lake.add_rangebar_cache(cache.path, venue="binance-um")  # futures have milliseconds
    other = rb.Lake(lake.path.parent / "other")
    other.add_rangebar_cache(cache.path, end="2024-12-31")
    assert_holds(other, cut.filter(pl.col("timestamp") < utc(2025, 1, 1)), venue="binance-spot")


# --------------------------------------------------------------------------------------------- which folders are meant


def test_markets_and_symbols(lake: rb.Lake, cache: Cache) -> None:
    for folder in ("BINANCE_SPOT_A", "BINANCE_UM_A", "BINANCE_CM_BTCUSD_PERP", "BINANCE_UM_BTCUSDT_240628"):
        cache.fetch(days(0), folder)
    report = lake.add_rangebar_cache(cache.path)
    assert {unit[:2] for unit in report.new} == {
        ("binance-spot", "A"),
        ("binance-um", "A"),
        ("binance-cm", "BTCUSD_PERP"),
        ("binance-um", "BTCUSDT_240628"),
    }
    assert report.rows == 4 * 30
    assert report.read is not None
    assert report.read.files().height == 4


@pytest.mark.parametrize("below", ["", "ticks", "ticks/BINANCE_SPOT_A"])
def test_which_folder_is_named(lake: rb.Lake, cache: Cache, below: str) -> None:
    cache.fetch(days(0, 4))
    lake.add_rangebar_cache(str(cache.path / below))
    assert_holds(lake, days(0, 4))


def test_some_symbols_and_days(lake: rb.Lake, cache: Cache) -> None:
    for folder in ("BINANCE_SPOT_A", "BINANCE_SPOT_B", "BINANCE_UM_A"):
        cache.fetch(TRADES, folder)
    report = lake.add_rangebar_cache(
        cache.path, venue="binance-spot", symbols=["A"], start="2024-01-30", end="2024-02-01"
    )
    assert {unit[:2] for unit in report.new} == {("binance-spot", "A")}
    assert_holds(lake, days(2, 3, 4))
    assert {unit.symbol for unit in lake.add_rangebar_cache(cache.path, symbols="B").new} == {"B"}


def test_a_folder_under_another_name(lake: rb.Lake, cache: Cache) -> None:
    cache.fetch(days(0), "btc")
    with pytest.raises(rb.RangeBarError, match="has no trades: it has no folder of a symbol"):
        lake.add_rangebar_cache(cache.path)
    cache.fetch(days(1), "BINANCE_SPOT_B")
    with pytest.raises(rb.RangeBarError, match="has a name that tells no market of Binance: leave it out by naming"):
        lake.add_rangebar_cache(cache.path)
    assert lake.add_rangebar_cache(cache.path, symbols="B").rows == 30
    folder = cache.path / "ticks/btc"
    for options in ({}, {"venue": "ours"}, {"symbols": "A"}, {"venue": "ours", "symbols": ["A", "B"]}):
        with pytest.raises(rb.RangeBarError, match="holds the trades of one symbol, and its name does not tell which"):
            lake.add_rangebar_cache(folder, **options)
    lake.add_rangebar_cache(folder, venue="ours", symbols="A")
    assert_holds(lake, days(0), venue="ours")


def test_empty_folders(lake: rb.Lake, cache: Cache) -> None:
    cache.fetch(days(0))
    (cache.path / "ticks/BINANCE_SPOT_B").mkdir()
    (cache.path / "ticks/notes").mkdir()
    assert lake.add_rangebar_cache(cache.path).rows == 30


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"symbols": "C"}, "has no trades of `C`: it has `A`"),
        ({"symbols": ["A", "C"]}, "has no trades of `C`: it has `A`"),
        ({"venue": "binance-um"}, "has no trades of 'binance-um': it has `A`"),
        ({"venue": ""}, "a venue needs a name"),
        ({"start": "2024-02-02", "end": "2024-01-31"}, "`end` must not be before `start`"),
        ({"on_bad_rows": "skip"}, "`on_bad_rows` must be"),
        ({"on_conflict": "skip"}, "`on_conflict` must be"),
    ],
)
def test_what_cannot_be_meant(lake: rb.Lake, cache: Cache, options: dict[str, Any], told: str) -> None:
    cache.fetch(days(0))
    with pytest.raises(rb.RangeBarError, match=re.escape(told)):
        lake.add_rangebar_cache(cache.path, **options)
    assert lake.status().is_empty()


def test_no_folder(lake: rb.Lake, tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match="is no folder: name the cache of rangebar"):
        lake.add_rangebar_cache(tmp_path / "nowhere")
    with pytest.raises(rb.RangeBarError, match="has no trades: it has no folder of a symbol"):
        lake.add_rangebar_cache(tmp_path)


def test_a_real_day(lake: rb.Lake, cache: Cache, shared: Path) -> None:
    """As the old program kept it, it becomes what the archive itself becomes."""
    folder = shared / "data/binance_spot_btcusdt_aggtrades_20240101"
    trades = pl.read_parquet(folder / "data.parquet").select(COLUMNS)
    half = trades.height // 2
    cache.fetch(trades[half:], "BINANCE_SPOT_BTCUSDT")
    cache.fetch(trades[: half + 1_000], "BINANCE_SPOT_BTCUSDT", once=False)
    report = lake.add_rangebar_cache(cache.path)
    assert ("duplicate", "dropped", 1_000) in faults(report)
    other = rb.Lake(lake.path.parent / "other")
    other.add(rb.scan_binance(folder / "raw/BTCUSDT-aggTrades-2024-01-01.zip"), venue="binance-spot")
    files = ["trades/venue=binance-spot/symbol=BTCUSDT/date=2024-01-01/trades.parquet"]
    assert [(lake.path / file).read_bytes() for file in files] == [(other.path / file).read_bytes() for file in files]
