"""Contract layer, what is taken: dtypes of every column, absent columns, empty frames, one row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._errors import refusals
from tests._routes import OPTIONAL, ROUTES, SIDE_COLUMNS, assert_same_bars, bar_schema, eager, oracle_bars

ALL_ROUTES = pytest.mark.parametrize("route", ROUTES)
INTEGERS = [
    pl.Int8,
    pl.Int16,
    pl.Int32,
    pl.Int64,
    pl.Int128,
    pl.UInt8,
    pl.UInt16,
    pl.UInt32,
    pl.UInt64,
    pl.UInt128,
]


def full_frame(price: list[Any], quantity: list[Any] | None = None, **columns: Any) -> pl.DataFrame:
    """Trades a second apart, with all optional columns."""
    n = len(price)
    seconds = pl.Series(range(n), dtype=pl.Int64) * 1_000_000
    return pl.DataFrame(
        {
            "timestamp": seconds.cast(pl.Datetime("us")),
            "price": price,
            "quantity": [1.0] * n if quantity is None else quantity,
            "is_buyer_maker": [i % 3 == 0 for i in range(n)],
            "agg_trade_id": [10 + i for i in range(n)],
            "first_trade_id": [100 + 2 * i for i in range(n)],
            "last_trade_id": [101 + 2 * i for i in range(n)],
            **columns,
        }
    )


PRICES = [100, 101, 100, 99, 98, 100]


@pytest.fixture
def whole() -> pl.DataFrame:
    frame = full_frame(PRICES, [1, 2, 3, 4, 5, 0])
    assert oracle_bars(frame, 1_000).height == 3
    return frame


@ALL_ROUTES
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_time_keeps_its_dtype(whole: pl.DataFrame, route: str, unit: Any, zone: str | None) -> None:
    dtype = pl.Datetime(unit, zone)
    frame = whole.with_columns(pl.Series("timestamp", [0, 1, 999, 1_000, 1_001, 3_999], pl.Int64).cast(dtype))
    bars = ROUTES[route](frame, 1_000)
    assert bars.schema["open_time"] == bars.schema["close_time"] == dtype
    factor = {"ms": 1_000.0, "us": 1.0, "ns": 0.001}[unit]
    assert bars["duration_us"].to_list() == [int(factor), int(factor), int(2_998 * factor)]
    assert_same_bars(bars, oracle_bars(frame, 1_000))


@ALL_ROUTES
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_integer_time_has_a_unit(whole: pl.DataFrame, route: str, unit: Any) -> None:
    frame = whole.with_columns(pl.col("timestamp").cast(pl.Int64))
    bars = ROUTES[route](frame, 1_000, time_unit=unit)
    assert bars.schema["open_time"] == pl.Int64
    assert_same_bars(bars, oracle_bars(frame, 1_000, time_unit=unit))


def test_integer_time_without_a_unit_is_refused(whole: pl.DataFrame) -> None:
    text = refusals(whole.with_columns(pl.col("timestamp").cast(pl.Int64)))
    assert "`timestamp`" in text
    assert "time_unit" in text


@pytest.mark.parametrize("unit", ["s", "", "US", 1, True])
def test_unknown_units_are_refused(whole: pl.DataFrame, unit: Any) -> None:
    frame = whole.with_columns(pl.col("timestamp").cast(pl.Int64))
    kind = rb.RangeBarError if isinstance(unit, str) else (rb.RangeBarError, TypeError)
    with pytest.raises(kind, match="time_unit"):
        eager(frame, 1_000, time_unit=unit)
    with pytest.raises(kind, match="time_unit"):
        frame.select(rb.range_bars(1_000, time_unit=unit))


@ALL_ROUTES
@pytest.mark.parametrize("column", ["price", "quantity"])
@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64, *INTEGERS, pl.Decimal(38, 8), pl.Decimal(10, 2)], ids=str)
def test_numeric_dtypes(whole: pl.DataFrame, route: str, column: str, dtype: pl.DataType) -> None:
    """All hold these numbers exactly, so all give the same bars."""
    frame = whole.with_columns(pl.col(column).cast(dtype))
    assert frame.schema[column] == dtype
    assert_same_bars(ROUTES[route](frame, 1_000), oracle_bars(whole, 1_000))


@ALL_ROUTES
def test_single_precision_is_widened_first(route: str) -> None:
    frame = full_frame([0.1, 0.1 * 1.01, 0.3, 0.29, 0.1], [0.1] * 5).with_columns(
        pl.col("price", "quantity").cast(pl.Float32)
    )
    bars = ROUTES[route](frame, 500)
    assert bars["open"].to_list()[0] == 0.1  # eight decimals of the single nearest to 0.1
    assert bars.height >= 2
    assert_same_bars(bars, oracle_bars(frame, 500))


@ALL_ROUTES
def test_decimals_are_exact(route: str) -> None:
    """Digits that a double cannot hold next to each other."""
    big = Decimal("92233720368.54775807")  # the largest price
    price = pl.Series([big, big - Decimal("0.00000001"), big - Decimal(10**10), big], dtype=pl.Decimal(38, 8))
    frame = full_frame([1.0] * 4).with_columns(price.alias("price"))
    bars = ROUTES[route](frame, 1, include_incomplete=True)
    assert bars["close_reason"].to_list() == ["threshold", "end"]
    assert bars["agg_record_count"].to_list() == [3, 1]
    assert_same_bars(bars, oracle_bars(frame, 1, include_incomplete=True))


@pytest.mark.parametrize(("last", "close"), [("1.0000000149", 1.00000001), ("1.0000000150", 1.00000002)])
def test_decimals_beyond_eight_places_round_half_away(last: str, close: float) -> None:
    price = pl.Series([Decimal(1), Decimal(last)], dtype=pl.Decimal(20, 10))
    frame = full_frame([1.0, 1.0]).with_columns(price.alias("price"))
    bars = eager(frame, 100_000, include_incomplete=True)
    assert bars["close"].to_list() == [close]
    assert_same_bars(bars, oracle_bars(frame, 100_000, include_incomplete=True))


@ALL_ROUTES
def test_quantities_up_to_1e15(route: str) -> None:
    frame = full_frame([1e-8, 2e-8, 3e-8, 3e-8, 2e-8], [1e15, 1e15, 0.0, 1e-8, 1e15])
    bars = ROUTES[route](frame, 100_000, include_incomplete=True)
    assert bars["volume"].to_list() == pytest.approx([2e15, 1e15], rel=2**-52)
    assert_same_bars(bars, oracle_bars(frame, 100_000, include_incomplete=True))


@ALL_ROUTES
def test_zero_quantities_are_valid(route: str) -> None:
    """Quotes: the vwap is the open while there is no volume, and the ratios take their guards."""
    bars = ROUTES[route](full_frame(PRICES, [0.0] * 6), 1_000)
    assert bars["volume"].to_list() == [0.0] * 3
    assert bars["vwap"].to_list() == bars["open"].to_list() == [100.0, 100.0, 98.0]
    assert bars["ofi"].to_list() == bars["price_impact"].to_list() == [0.0] * 3


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_ids_of_every_integer_dtype(whole: pl.DataFrame, dtype: pl.DataType) -> None:
    ids = ["agg_trade_id", "first_trade_id", "last_trade_id"]
    assert_same_bars(eager(whole.with_columns(pl.col(ids).cast(dtype)), 1_000), eager(whole, 1_000))


@ALL_ROUTES
@pytest.mark.parametrize("absent", [("is_buyer_maker",), ("agg_trade_id",), OPTIONAL[2:], OPTIONAL[1:], OPTIONAL])
def test_absent_columns(whole: pl.DataFrame, route: str, absent: tuple[str, ...]) -> None:
    frame = whole.drop(absent)
    bars = ROUTES[route](frame, 1_000)
    assert_same_bars(bars, oracle_bars(frame, 1_000))
    assert_same_bars(bars, ROUTES[route](whole, 1_000, **dict.fromkeys(absent)))  # None: ignore the column
    nulls = {name for name in bars.columns if bars[name].null_count()}
    assert nulls == (set(SIDE_COLUMNS) if "is_buyer_maker" in absent else set())
    if "agg_trade_id" in absent:
        assert bars["first_agg_trade_id"].to_list() == [0, 2, 4]
        assert bars["last_agg_trade_id"].to_list() == [1, 3, 5]


@ALL_ROUTES
def test_absent_ids_are_numbers_within_the_group_over_the_whole_input(route: str) -> None:
    frame = full_frame(PRICES * 2).drop(OPTIONAL).with_columns(symbol=pl.Series(["A", "B"] * 6))
    bars = ROUTES[route](frame, 1_000, by=["symbol"], include_incomplete=True)
    assert_same_bars(bars, oracle_bars(frame, 1_000, by=["symbol"], include_incomplete=True))
    for _, group in bars.group_by("symbol"):
        assert group["first_agg_trade_id"][0] == 0
        assert group["last_agg_trade_id"][-1] == 5


@ALL_ROUTES
@pytest.mark.parametrize("by", [[], ["symbol"]])
@pytest.mark.parametrize("rows", [0, 1])
def test_empty_frame_and_one_row(whole: pl.DataFrame, route: str, by: list[str], rows: int) -> None:
    frame = whole.with_columns(symbol=pl.lit("A")).head(rows)
    keys = {"symbol": pl.String()} if by else {}
    closed = ROUTES[route](frame, 1_000, by=by)
    assert list(closed.schema.items()) == list({**keys, **bar_schema(pl.Datetime("us"))}.items())
    assert closed.height == 0
    forming = ROUTES[route](frame, 1_000, by=by, include_incomplete=True)
    assert forming["close_reason"].to_list() == ["end"] * rows
    assert_same_bars(forming, oracle_bars(frame, 1_000, by=by, include_incomplete=True))


@ALL_ROUTES
def test_order_of_rows(route: str) -> None:
    """By the row of the closing trade; then the forming bars by first appearance of their group."""
    symbols = ["Z", "A", "A", "M", "Z", "A", "Z"]
    frame = full_frame([100, 100, 101, 5, 101, 100, 100]).with_columns(symbol=pl.Series(symbols))
    bars = ROUTES[route](frame, 1_000, by=["symbol"], include_incomplete=True)
    assert bars["symbol"].to_list() == ["A", "Z", "Z", "A", "M"]
    assert bars["close_reason"].to_list() == ["threshold"] * 2 + ["end"] * 3
