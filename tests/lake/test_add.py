"""`Lake.add`: every trade once and as it was given, or an error and nothing added."""

from __future__ import annotations

import datetime as dt
import itertools
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._lake import incoming
from tests._lakes import VENUE, files_of, made, utc

ROWS = made(3, 20, start=utc(2024, 1, 30))
IDS = ["agg_trade_id", "first_trade_id", "last_trade_id"]


@pytest.fixture
def lake(tmp_path: Path) -> rb.Lake:
    return rb.Lake(tmp_path / "lake")


def trades(lake: rb.Lake, symbol: str = "A") -> pl.DataFrame:
    found = lake.trades(symbol).collect()
    return found.drop("venue", "symbol", "date")


def refused(
    lake: rb.Lake, frame: pl.DataFrame | pl.LazyFrame, match: str, kind: type[Exception] = rb.RangeBarError, **more: Any
) -> None:
    """An error, and a lake that is as before."""
    before = files_of(lake.path)
    with pytest.raises(kind, match=match):
        lake.add(frame, **({"venue": VENUE, "symbol": "A"} | more))
    assert files_of(lake.path) == before
    assert [file for file in (lake.path / ".rangebar" / "staging").iterdir() if file.stem != "staging"] == []


# ------------------------------------------------------------------------------------------------ again and beside


def test_again_changes_nothing(lake: rb.Lake) -> None:
    assert len(lake.add(ROWS, venue=VENUE, symbol="A").new) == 3
    before = {file: (file.stat().st_ino, file.read_bytes()) for file in lake.path.rglob("*.parquet")}
    for part in (ROWS, ROWS[5:40], ROWS[:1], ROWS.select(reversed(ROWS.columns)), ROWS.drop("is_buyer_maker")):
        report = lake.add(part, venue=VENUE, symbol="A")
        assert (report.new, report.merged, report.replaced) == ([], [], [])
    assert before == {file: (file.stat().st_ino, file.read_bytes()) for file in lake.path.rglob("*.parquet")}


@given(cuts=st.lists(st.integers(0, 60), max_size=4), has_ids=st.booleans(), order=st.randoms(use_true_random=False))
def test_parts_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], has_ids: bool, order: Any
) -> None:
    lake = rb.Lake(tmp_path_factory.mktemp("lake"))
    rows = ROWS if has_ids else ROWS.drop(IDS)
    edges = sorted({0, 60, *cuts})
    parts = [rows[first:last] for first, last in itertools.pairwise(edges)]
    order.shuffle(parts)
    if not has_ids:  # parts of a day must touch: see below
        parts.sort(key=lambda part: part["timestamp"][0])
    for part in parts:
        lake.add(part, venue=VENUE, symbol="A")
    assert_frame_equal(trades(lake), rows)


def test_days_in_any_order_and_in_parts(lake: rb.Lake) -> None:
    """A day may go on after a later one, whatever batches the query makes."""
    parts = [ROWS[20:30], ROWS[0:20], ROWS[40:60], ROWS[30:35], ROWS[35:40]]
    lake.add(pl.concat([part.lazy() for part in parts]), venue=VENUE, symbol="A")
    assert_frame_equal(trades(lake), ROWS)
    other = rb.Lake(lake.path.parent / "other")
    other.add(ROWS, venue=VENUE, symbol="A")
    assert files_of(other.path) == files_of(lake.path)


def test_ids_that_two_days_have_are_told(lake: rb.Lake) -> None:
    first, second = made(1, 20, start=utc(2024, 1, 30)), made(1, 20, start=utc(2024, 1, 31), first_id=25)
    lake.add(first, venue=VENUE, symbol="A")
    lake.add(second, venue=VENUE, symbol="A")
    assert lake.trades("A").collect().height == 40
    names = ("kind", "first_id", "last_id", "count", "from", "to", "fixable_by")
    days = (dt.date(2024, 1, 30), dt.date(2024, 1, 31))
    assert lake.gaps().select(names).rows() == [("repeated_ids", 26, 27, 2, *days, "none")]


def test_a_conflict_shows_both_and_adds_nothing(lake: rb.Lake) -> None:
    lake.add(ROWS[20:40], venue=VENUE, symbol="A")
    other = ROWS.with_columns(pl.when(pl.col("agg_trade_id") == 30).then(77.5).otherwise("price").alias("price"))
    there, row = (frame.filter(pl.col("agg_trade_id") == 30)["price"][0] for frame in (ROWS, other))
    refused(lake, other, rf"1 trades of 2024-01-31 .*'price': {there}.*now .*'price': {row}", rb.LakeConflictError)
    report = lake.add(other, venue=VENUE, symbol="A", on_conflict="replace")
    assert len(report.new) == 2
    assert len(report.replaced) == 1
    assert_frame_equal(trades(lake), other)


def test_without_ids(lake: rb.Lake) -> None:
    rows = ROWS.drop(IDS)
    lake.add(rows[:6], venue=VENUE, symbol="A")
    lake.add(rows[12:18], venue=VENUE, symbol="A")
    refused(lake, rows[3:14], "without ids.*cannot be told", rb.LakeConflictError)  # 6 to 12 may be new, or not
    lake.add(rows[14:30], venue=VENUE, symbol="A")
    other = rows[2:4].with_columns(quantity=5.0)
    refused(lake, other, "overlap", rb.LakeConflictError)
    assert len(lake.add(other, venue=VENUE, symbol="A", on_conflict="replace").replaced) == 1
    assert_frame_equal(trades(lake), pl.concat([rows[:2], other, rows[4:6], rows[12:30]]))


def test_a_cut_within_one_time_cannot_be_told(lake: rb.Lake) -> None:
    rows = ROWS.drop(IDS)[:4].with_columns(timestamp=pl.lit(utc(2024, 1, 30)).dt.cast_time_unit("us"))
    lake.add(rows[:2], venue=VENUE, symbol="A")
    refused(lake, rows[2:], "cannot be told", rb.LakeConflictError)
    refused(lake, rows, "cannot be told", rb.LakeConflictError)


def test_columns_that_one_of_them_lacks(lake: rb.Lake) -> None:
    lake.add(ROWS[:10].drop("is_buyer_maker", "first_trade_id", "last_trade_id"), venue=VENUE, symbol="A")
    refused(lake, ROWS[10:20], "some trades of 2024-01-30 have `first_trade_id`", rb.LakeConflictError)
    assert len(lake.add(ROWS[:20], venue=VENUE, symbol="A").merged) == 1
    assert_frame_equal(trades(lake), ROWS[:20])
    refused(lake, ROWS[:20].drop(IDS), "other columns, overlap.*add the whole day", rb.LakeConflictError)
    lake.add(ROWS[20:30].drop(IDS), venue=VENUE, symbol="A")
    found = trades(lake)
    assert found["agg_trade_id"].null_count() == 10
    lake.series("base", threshold_dbps=250)
    (error,) = lake.build("base").failed.values()
    assert "`agg_trade_id` is not there on 2024-01-31" in str(error)


def test_a_side_that_one_of_them_lacks_is_null(lake: rb.Lake) -> None:
    lake.add(ROWS[:10], venue=VENUE, symbol="A")
    lake.add(ROWS[10:20].drop("is_buyer_maker"), venue=VENUE, symbol="A")
    assert trades(lake)["is_buyer_maker"].null_count() == 10
    lake.add(ROWS[10:20], venue=VENUE, symbol="A")
    assert_frame_equal(trades(lake), ROWS[:20])


def test_a_column_of_nulls_is_none(lake: rb.Lake) -> None:
    nulls = ROWS.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in IDS)
    lake.add(nulls.with_columns(is_buyer_maker=None), venue=VENUE, symbol="A")
    assert_frame_equal(trades(lake), ROWS.drop(*IDS, "is_buyer_maker"))


# ------------------------------------------------------------------------------------------------------ what is refused

DECIMAL = pl.Decimal(38, 9)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"price": None}, "`price` must not be null, got null in the trade id 11 of 2024-01-30"),
        ({"quantity": None}, "`quantity` must not be null"),
        ({"timestamp": None}, "`timestamp` must not be null"),
        ({"agg_trade_id": None}, "`agg_trade_id` must not be null on some rows of a day"),
        ({"first_trade_id": None}, "`first_trade_id` must not be null on some rows"),
        ({"price": float("nan")}, "`price` must be finite and > 0, got nan in the trade id 11"),
        ({"price": float("inf")}, "`price` must be finite and > 0, got inf"),
        ({"price": 0.0}, "`price` must be finite and > 0, got 0.0"),
        ({"quantity": -1.0}, "`quantity` must be finite and >= 0, got -1.0"),
        ({"quantity": float("nan")}, "`quantity` must be finite and >= 0, got nan"),
        ({"agg_trade_id": 9}, "out of order: the trade id 9 of .* after the trade id 10 of"),
        ({"agg_trade_id": 3}, "out of order"),
        ({"timestamp": utc(2024, 1, 30)}, "out of order.*sort them first"),
    ],
)
def test_rows_that_break_a_rule(lake: rb.Lake, change: dict[str, Any], match: str) -> None:
    (name, value), dtype = next(iter(change.items())), ROWS.schema[next(iter(change))]
    is_it = pl.col("quantity") == ROWS["quantity"][3]
    lake.add(ROWS[:1], venue=VENUE, symbol="B")
    refused(lake, ROWS.with_columns(pl.when(is_it).then(pl.lit(value, dtype=dtype)).otherwise(name).alias(name)), match)


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (ROWS.drop("price"), "column `price` not found"),
        (ROWS.rename({"quantity": "size"}), "column `quantity` not found"),
        (ROWS.with_columns(pl.col("timestamp").to_physical()), "`timestamp` must be Datetime, got Int64"),
        (ROWS.with_columns(pl.col("price").cast(pl.String)), "`price` must be a number, got String"),
        (ROWS.with_columns(pl.col("price").cast(pl.Float32)), "`price` is Float32, which holds 7 digits"),
        (ROWS.with_columns(pl.col("is_buyer_maker").cast(pl.Int8)), "`is_buyer_maker` must be Boolean, got Int8"),
        (ROWS.with_columns(pl.col("agg_trade_id").cast(pl.Float64)), "`agg_trade_id` must be Int64, got Float64"),
        (ROWS.drop("last_trade_id"), "`first_trade_id` and `last_trade_id` come together"),
        (ROWS.with_columns(symbol=pl.lit("A")), "the trades have a column `symbol`"),
        (
            ROWS.with_columns(pl.col("agg_trade_id").cast(pl.UInt64) + 2**63),
            "`agg_trade_id` must be a number that 64 bits",
        ),
        (
            ROWS.with_columns(pl.col("timestamp").cast(pl.Datetime("ns", "UTC")) + pl.duration(nanoseconds=1)),
            "has a part of a microsecond, and the lake keeps us",
        ),
        (
            ROWS.with_columns(pl.col("timestamp").to_physical().cast(pl.Datetime("ms", "UTC"))),
            "`timestamp` must be in the years 1 to 9998",
        ),
        (
            ROWS.with_columns((pl.col("timestamp").to_physical() * 5_000).cast(pl.Datetime("ms"))),
            "`timestamp` must be in the years 1 to 9998",
        ),
        (
            ROWS.with_columns(price=pl.lit(Decimal("1.123456789"))),
            "that a double can hold to its last decimal, of at most 8, got 1.123456789",
        ),
        (ROWS.with_columns(price=pl.lit(Decimal("123456789012.12345678"))), "got 123456789012.12345678"),
        (
            ROWS.with_columns(quantity=pl.lit(2**53 + 1)),
            "`quantity` must be a number that a double can hold.*9007199254740993",
        ),
    ],
)
def test_frames_that_are_refused(lake: rb.Lake, frame: pl.DataFrame, match: str) -> None:
    refused(lake, frame, match)
    refused(lake, frame.lazy(), match)


def test_arguments(lake: rb.Lake) -> None:
    refused(lake, ROWS, "the trades have no column `symbol`: pass `symbol=`", symbol=None)
    refused(lake, ROWS.with_columns(symbol=1), "`symbol` must be String", symbol=None)
    refused(lake, ROWS.with_columns(symbol=pl.lit(None, dtype=pl.String)), "`symbol` must not be null", symbol=None)
    refused(lake, ROWS, '`on_conflict` must be "error" or "replace", got \'skip\'', on_conflict="skip")
    refused(lake, ROWS.to_pandas(), "takes a Polars LazyFrame")
    for name in ("", " A", "A\n", "A" * 201, "é" * 40, "__HIVE_DEFAULT_PARTITION__", "\ud800", 5, None):
        refused(lake, ROWS, "a venue (needs a name|must have)|the name of a venue", venue=name)
        if name is not None:
            refused(lake, ROWS, "(a|the name of a) symbol (needs|must)", symbol=name)
    for name in ("", "A" * 201, "__HIVE_DEFAULT_PARTITION__"):
        refused(lake, ROWS.with_columns(symbol=pl.lit(name)), "symbol (needs|must)", symbol=None)


def test_names(lake: rb.Lake) -> None:
    """Any other text is a symbol or a venue, and comes back."""
    names = ["BTC/USDT", "50%", "a=b", ".", "..", "...", "~", "1E5", "null", "NULL", "true", "2024-01-01", "é☃𝄞"]
    names += ["a b", "*", "?", "C:", "con", "\\", "A" * 200, "%2F", "-", "x.parquet"]
    for number, name in enumerate(names):
        lake.add(ROWS[number : number + 1], venue=name, symbol=names[-number])
    assert sorted(lake.status()["venue"]) == sorted(names)
    for number, name in enumerate(names):
        found = lake.trades(names[-number], venue=name).collect()
        assert found.select("venue", "symbol").rows() == [(name, names[-number])]
        assert_frame_equal(found.select(ROWS.columns), ROWS[number : number + 1])
    assert lake.verify(deep=True).is_empty()
    assert sorted(lake.trades().collect()["venue"]) == sorted(names)


# ------------------------------------------------------------------------------------------- what is kept as it was

WIDER = {
    "milliseconds": pl.col("timestamp").dt.cast_time_unit("ms"),
    "nanoseconds": pl.col("timestamp").dt.cast_time_unit("ns"),
    "no zone": pl.col("timestamp").dt.replace_time_zone(None),
    "another zone": pl.col("timestamp").dt.convert_time_zone("Asia/Tokyo"),
    "decimals": pl.col("price", "quantity").cast(pl.Decimal(38, 12)),
    "unsigned": pl.col(IDS).cast(pl.UInt64),
    "small": pl.col(IDS).cast(pl.Int16),
    "integers": pl.col("price").ceil().cast(pl.UInt32),
}


@pytest.mark.parametrize("name", WIDER)
def test_other_dtypes(lake: rb.Lake, name: str) -> None:
    frame = ROWS.with_columns(WIDER[name])
    lake.add(frame, venue=VENUE, symbol="A")
    found = trades(lake)
    assert found.schema == ROWS.schema
    wanted = ROWS.with_columns(pl.col("price").ceil()) if name == "integers" else ROWS
    assert_frame_equal(found, wanted)
    lake.series("base", threshold_dbps=[250])
    lake.build("base")
    assert_frame_equal(lake.bars("A").collect().drop("venue", "symbol"), found.rangebar.bars([250], reset="1mo"))


@given(units=st.lists(st.integers(1, 10**17), min_size=1, max_size=8), scale=st.integers(0, 10))
def test_a_decimal_is_kept_or_refused(tmp_path_factory: pytest.TempPathFactory, units: list[int], scale: int) -> None:
    """A price comes back as the decimal that it was, or it is an error."""
    prices = [Decimal(unit).scaleb(-scale) for unit in units]
    lake = rb.Lake(tmp_path_factory.mktemp("lake"))
    given_rows = ROWS[: len(units)].with_columns(price=pl.Series(prices, dtype=pl.Decimal(38, scale)))
    unit = Decimal(1).scaleb(-8)
    is_kept = all(price == Decimal(float(price)).quantize(unit) for price in prices)
    if not is_kept:
        refused(lake, given_rows, "`price` must be a number that a double can hold")
        return
    lake.add(given_rows, venue=VENUE, symbol="A")
    assert [Decimal(price).quantize(unit) for price in trades(lake)["price"]] == prices


def test_nanoseconds(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path, time_unit="ns")
    fine = ROWS.with_columns(pl.col("timestamp").cast(pl.Datetime("ns", "UTC")) + pl.duration(nanoseconds=7))
    lake.add(fine, venue=VENUE, symbol="A")
    assert_frame_equal(trades(lake), fine)
    lake.series("base", threshold_dbps=[250])
    lake.build("base")
    assert_frame_equal(lake.bars("A").collect().drop("venue", "symbol"), fine.rangebar.bars([250], reset="1mo"))
    assert lake.trades("A", "2030-01-01").collect_schema() == lake.trades("A").collect_schema()
    assert lake.bars("A", "2030-01-01").collect_schema() == lake.bars("A").collect_schema()
    with pytest.raises(rb.RangeBarError, match="keeps times in 'ns', not in 'us'"):
        rb.Lake(tmp_path, time_unit="us")


def test_no_rows(lake: rb.Lake) -> None:
    report = lake.add(ROWS.clear(), venue=VENUE, symbol="A")
    assert repr(report) == "<AddReport: 0 trades; days: 0 new, 0 merged, 0 replaced, 0 unchanged>"
    assert lake.status().is_empty()
    assert lake.trades().collect().is_empty()


# ------------------------------------------------------------------------------------------------ while it is read


def test_a_source_that_fails(lake: rb.Lake) -> None:
    def fail(rows: pl.DataFrame) -> pl.DataFrame:
        if rows["agg_trade_id"][-1] == ROWS["agg_trade_id"][-1]:
            raise OSError("the archive ends here")
        return rows

    parts = [part.lazy().map_batches(fail) for part in ROWS.iter_slices(15)]
    refused(lake, pl.concat(parts), "the archive ends here", Exception)


@pytest.mark.parametrize("name", ["agg_trade_id", "price", "is_buyer_maker"])
def test_a_query_that_gives_another_dtype_than_it_says(lake: rb.Lake, name: str) -> None:
    """An id of 1.5 would become 1, and a text the number that it looks like."""

    def other(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col(name).cast(pl.Float32 if name == "price" else pl.String))

    frame = ROWS.lazy().map_batches(other, validate_output_schema=False)
    dtype = ROWS.schema[name]
    refused(lake, frame, rf"`{name}` must stay {dtype} throughout the input, got (Float32|String); cast the column")


def test_a_damaged_archive(lake: rb.Lake, tmp_path: Path) -> None:
    lines = "".join(
        f"{i},{100 + i % 7}.5,1.25,{i},{i},{1_706_600_000_000 + i * 900},{'True' if i % 2 else 'False'},True\n"
        for i in range(200_000)
    )
    file = tmp_path / "BTCUSDT-aggTrades-2024-01-30.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BTCUSDT-aggTrades-2024-01-30.csv", lines)
    whole = rb.scan_binance(file)
    kept = whole.collect()
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        size = archive.infolist()[0].compress_size
    data[size - 20] ^= 255
    file.write_bytes(data)
    by_column = {} if "symbol" not in kept.columns else {"symbol": None}
    refused(lake, rb.scan_binance(file), "BTCUSDT", Exception, **by_column)
    file.write_bytes(data[: size // 2])
    refused(
        lake,
        pl.concat([kept[:50_000].lazy(), kept[50_000:].lazy().map_batches(lambda _: rb.scan_binance(file).collect())]),
        "BTCUSDT",
        Exception,
        **by_column,
    )


@pytest.mark.parametrize("most", [0, 2_000, 1 << 40])
def test_more_days_than_memory(lake: rb.Lake, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Symbols that are read one after another in each part of a day wait on the disk."""
    monkeypatch.setattr(incoming, "_MOST_BYTES", most)
    symbols = [f"S{number}" for number in range(6)]
    frame = ROWS.join(pl.DataFrame({"symbol": symbols}), how="cross").sort(
        "timestamp", "agg_trade_id", maintain_order=True
    )
    parts = [part.lazy() for part in frame.iter_slices(37)]
    report = lake.add(pl.concat(parts), venue=VENUE)
    assert (report.rows, len(report.new)) == (frame.height, 18)
    for symbol in symbols:
        assert_frame_equal(trades(lake, symbol), ROWS)
    assert [file for file in (lake.path / ".rangebar" / "staging").iterdir() if file.stem != "staging"] == []
