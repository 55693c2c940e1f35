"""Contract layer, what is refused: an error names column, rule, value and row, one text on every route."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests import _streams
from tests._errors import ROUTES, refusal, refusals
from tests._registry import FEATURES
from tests._routes import ARGUMENTS, ENGINES, NAMES, Engine, engines

if TYPE_CHECKING:
    from pathlib import Path

BAD_ROW = 4


@pytest.fixture
def good() -> pl.DataFrame:
    n = 7
    return pl.DataFrame(
        {
            "timestamp": (pl.Series([0, 1, 2, 3, 3, 4, 5], dtype=pl.Int64) * 1_500_000).cast(pl.Datetime("us")),
            "price": [100.0, 101.0, 100.0, 99.0, 98.0, 100.0, 100.0],
            "quantity": [1.0] * n,
            "is_buyer_maker": [True, False] * 3 + [True],
            "agg_trade_id": [10 + i for i in range(n)],
            "first_trade_id": [100 + 2 * i for i in range(n)],
            "last_trade_id": [101 + 2 * i for i in range(n)],
        }
    )


with_value = partial(_streams.with_value, row=BAD_ROW)


def test_the_good_frame_is_good(good: pl.DataFrame) -> None:
    """Every refusal below comes from the one value that it changes."""
    for _, call in ROUTES.values():
        assert call(good, 1_000).height >= 1
        assert call(good.rename(NAMES), 1_000, **ARGUMENTS).height >= 1


# -------------------------------------------------------------------------------------- one bad cell

BAD_CELLS = [
    *[pytest.param(column, None, "null", "null", id=f"{column}-null") for column in NAMES],
    pytest.param("price", math.nan, "finite and > 0", "NaN", id="price-nan"),
    pytest.param("price", math.inf, "finite and > 0", "inf", id="price-inf"),
    pytest.param("price", -math.inf, "finite and > 0", "-inf", id="price-minus-inf"),
    pytest.param("price", 0.0, "finite and > 0", "0.0", id="price-zero"),
    pytest.param("price", -0.0, "finite and > 0", "-0.0", id="price-minus-zero"),
    pytest.param("price", -99.5, "finite and > 0", "-99.5", id="price-negative"),
    pytest.param("price", 4.9e-9, "one part in 1000000", "4.9e-9", id="price-below-eight-decimals"),
    pytest.param("price", 1.23456e-6, "one part in 1000000", "1.23456e-6", id="price-beyond-eight-decimals"),
    pytest.param("price", 92_233_720_368.6, "92233720368.54775807", "92233720368.6", id="price-beyond-64-bits"),
    pytest.param("price", 1e300, "92233720368.54775807", "1e300", id="price-beyond-128-bits"),
    pytest.param("quantity", math.nan, "finite and >= 0", "NaN", id="quantity-nan"),
    pytest.param("quantity", math.inf, "finite and >= 0", "inf", id="quantity-inf"),
    pytest.param("quantity", -math.inf, "finite and >= 0", "-inf", id="quantity-minus-inf"),
    pytest.param("quantity", -0.5, "finite and >= 0", "-0.5", id="quantity-negative"),
    pytest.param("quantity", -1e-12, "finite and >= 0", "-1e-12", id="quantity-negative-and-tiny"),
    pytest.param("quantity", math.nextafter(1e15, 2e15), "1e15", "1000000000000000.1", id="quantity-above-1e15"),
    pytest.param("quantity", 1e300, "1e15", "1e300", id="quantity-beyond-128-bits"),
    pytest.param("quantity", 1.5e-8, "one part in 1000", "1.5e-8", id="quantity-beyond-eight-decimals"),
    pytest.param("agg_trade_id", 13, "strictly increase", "13", id="id-repeated-within-a-timestamp"),
    pytest.param("agg_trade_id", 12, "strictly increase", "12", id="id-back-within-a-timestamp"),
]


@pytest.mark.parametrize(("column", "value", "rule", "shown"), BAD_CELLS)
def test_bad_cell(good: pl.DataFrame, column: str, value: Any, rule: str, shown: str) -> None:
    text = refusals(with_value(good, column, value))
    assert f"`{column}`" in text
    assert rule in text
    assert f"got {shown} " in text
    assert f"row {BAD_ROW}" in text


@pytest.mark.parametrize(("column", "value", "rule", "shown"), BAD_CELLS)
def test_bad_cell_under_the_names_of_the_user(
    good: pl.DataFrame, column: str, value: Any, rule: str, shown: str
) -> None:
    text = refusals(with_value(good, column, value).rename(NAMES), **ARGUMENTS)
    assert f"`{NAMES[column]}`" in text
    assert f"`{column}`" not in text
    assert rule in text
    assert f"got {shown} " in text


@pytest.mark.parametrize(("column", "value", "rule", "shown"), BAD_CELLS)
def test_bad_cell_in_a_group(good: pl.DataFrame, column: str, value: Any, rule: str, shown: str) -> None:
    """The group is named where the library knows it; an expression sees the rows of its group alone."""
    keyed = pl.concat(
        [
            good.with_columns(symbol=pl.lit("AAA"), market=1),
            with_value(good, column, value).with_columns(symbol=pl.lit("BBB"), market=1),
        ]
    )
    for route in ("eager", "lazy-in-memory", "lazy-streaming"):
        text = refusal(route, keyed, by=["market", "symbol"])
        assert f"row {good.height + BAD_ROW} (row {BAD_ROW} of " in text
        assert 'market=1, symbol="BBB"' in text
        assert "AAA" not in text
        assert f"`{column}`" in text
        assert rule in text
        assert f"got {shown} " in text
    with pytest.raises(pl.exceptions.ComputeError, match=f"(?s)`{column}`.*row {BAD_ROW}"):
        keyed.group_by("symbol").agg(rb.range_bars(1_000))


def test_time_going_back(good: pl.DataFrame) -> None:
    back = with_value(good, "timestamp", good["timestamp"].to_physical()[1])
    text = refusals(back)
    assert "`timestamp`" in text
    assert "must not go back" in text
    assert "1970-01-01 00:00:01.5" in text
    assert "1970-01-01 00:00:04.5" in text
    assert f"row {BAD_ROW}" in text


def test_time_may_go_back_from_one_group_to_the_next(good: pl.DataFrame) -> None:
    keyed = pl.concat([good.with_columns(symbol=pl.lit(s)) for s in ("A", "B")])
    assert keyed.rangebar.bars(1_000, by="symbol").height >= 2
    assert "`timestamp`" in refusals(keyed.rename({"symbol": "unit"}))  # which nobody takes for a key


def test_ids_may_repeat_at_another_time(good: pl.DataFrame) -> None:
    later = with_value(good, "agg_trade_id", 0, row=5)
    for _, call in ROUTES.values():
        assert call(later, 1_000).height >= 1


def test_bad_row_behind_the_block_boundary_and_in_a_later_chunk() -> None:
    """Row numbers count over chunks and over whatever blocks the library works in."""
    n = 5_000
    seconds = pl.Series(range(n), dtype=pl.Int64).cast(pl.Datetime("ms"))
    frame = pl.DataFrame({"timestamp": seconds, "price": [100.0] * n, "quantity": [1.0] * n})
    bad = with_value(frame, "quantity", -1.0, row=4_321)
    chunked = pl.concat([bad.head(3_000), bad.slice(3_000)], rechunk=False)
    assert "row 4321" in refusals(chunked)
    assert "row 4321" in refusals(with_value(chunked, "price", None, row=4_321))


def test_the_first_bad_row_is_named(good: pl.DataFrame) -> None:
    bad = with_value(with_value(good, "price", -1.0, row=2), "quantity", None, row=5)
    assert "`price`" in (text := refusals(bad))
    assert "row 2" in text
    bad = with_value(with_value(good, "price", -1.0, row=5), "quantity", None, row=2)
    assert "`quantity`" in (text := refusals(bad))
    assert "row 2" in text


def test_price_beyond_64_bits_as_integer_and_decimal(good: pl.DataFrame) -> None:
    for dtype, value in (
        (pl.Int64, 92_233_720_369),
        (pl.UInt64, 2**64 - 1),
        (pl.Decimal(38, 8), Decimal("92233720368.54775808")),
    ):
        bad = good.with_columns(pl.col("price").cast(dtype))
        text = refusals(with_value(bad, "price", value))
        assert "`price`" in text
        assert f"got {value} " in text


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int128, pl.Decimal(38, 8)], ids=str)
def test_whole_numbers_are_checked_too(good: pl.DataFrame, dtype: pl.DataType) -> None:
    exact = good.with_columns(pl.col("price", "quantity").cast(dtype))
    number = Decimal if isinstance(dtype, pl.Decimal) else int
    assert "`price`" in refusals(with_value(exact, "price", number(0)))
    assert "`price`" in refusals(with_value(exact, "price", number(-5)))
    assert "`quantity`" in refusals(with_value(exact, "quantity", number(-1)))
    assert "`quantity`" in refusals(with_value(exact, "quantity", number(10**15 + 1)))
    assert "null" in refusals(with_value(exact, "quantity", None))


def test_sums_beyond_128_bits(good: pl.DataFrame) -> None:
    """1.7e38 is the limit; one row of 9e10 x 1e15 is 9e41 units."""
    one = with_value(with_value(good, "price", 9e10), "quantity", 1e15)
    text = refusals(one, 100_000)
    assert "128 bits" in text
    assert f"row {BAD_ROW}" in text
    calm = good.with_columns(price=pl.lit(7e6), quantity=pl.lit(1e15))  # 7e37 a row: the third does not fit
    text = refusals(calm)
    assert "128 bits" in text
    assert "row 2" in text


def test_first_without_last_id(good: pl.DataFrame) -> None:
    for column in ("first_trade_id", "last_trade_id"):
        text = refusals(good.drop(column))
        assert "first_trade_id" in text
        assert "last_trade_id" in text


def test_individual_ids_that_count_backwards(good: pl.DataFrame) -> None:
    text = refusals(with_value(good, "last_trade_id", 0))
    assert "`last_trade_id`" in text
    assert f"row {BAD_ROW}" in text


SIDES = [
    *[(pl.Series([1, -1] * 4, dtype=dtype), "1") for dtype in (pl.Int8, pl.Int16, pl.Int64, pl.Float32)],
    *[(pl.Series([1, 0] * 4, dtype=dtype), "1") for dtype in (pl.UInt8, pl.UInt64)],
    *[(pl.Series(["sell", "buy"] * 4, dtype=dtype), '"sell"') for dtype in (pl.String, pl.Enum(["buy", "sell"]))],
]


@pytest.mark.parametrize(("side", "sale"), SIDES, ids=lambda x: str(getattr(x, "dtype", "")))
def test_sides_that_are_no_booleans(good: pl.DataFrame, side: pl.Series, sale: str) -> None:
    """The dtype is called as the user knows it, and the remedy works."""
    frame = good.with_columns(is_buyer_maker=side[: good.height])
    text = refusals(frame)
    assert text.startswith("`is_buyer_maker` must be Boolean, true where the seller was the aggressor, got ")
    assert f" got {side.dtype.base_type().__name__}" in text
    assert text.endswith(f'; compare it with its value for a sale, as in pl.col("is_buyer_maker") == {sale}')
    remedy = pl.col("is_buyer_maker") == (1 if sale == "1" else "sell")
    assert frame.with_columns(remedy).rangebar.bars(1_000)["sell_volume"].null_count() == 0
    text = refusals(frame.rename({"is_buyer_maker": "side"}), is_buyer_maker="side")
    assert text.startswith("`side` must")
    assert f'pl.col("side") == {sale}' in text


def test_other_dtypes_have_a_remedy(good: pl.DataFrame) -> None:
    for column, dtype, remedy in (
        ("price", pl.String, 'cast it, for example with pl.col("price").cast(pl.Decimal(38, 8))'),
        ("quantity", pl.String, 'cast it, for example with pl.col("quantity").cast(pl.Decimal(38, 8))'),
        ("timestamp", pl.String, 'convert it, for example with pl.col("timestamp").str.to_datetime()'),
        ("timestamp", pl.Date, 'convert it, for example with pl.col("timestamp").cast(pl.Datetime)'),
        ("agg_trade_id", pl.String, "cast it to Int64, or pass None to ignore it"),
        ("agg_trade_id", pl.Float64, "cast it to Int64, or pass None to ignore it"),
    ):
        text = refusals(good.with_columns(pl.col(column).cast(dtype)))
        assert f"`{column}` must be " in text
        assert text.endswith(remedy)


# ---------------------------------------------------------------------------- columns by their names


@pytest.mark.parametrize("column", ["timestamp", "price", "quantity"])
def test_missing_column_lists_what_there_is(good: pl.DataFrame, column: str) -> None:
    misspelt = good.rename({column: column[:-1]})
    for route in ("eager", "lazy-in-memory", "lazy-streaming"):
        text = refusal(route, misspelt)
        assert f"`{column}`" in text
        for name in misspelt.columns:
            assert name in text
    for engine in ENGINES:
        with pytest.raises(pl.exceptions.ColumnNotFoundError, match=rf"{column}.*valid columns.*{column[:-1]}"):
            misspelt.lazy().select(rb.range_bars(1_000)).collect(engine=engine)


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_named_column_that_does_not_exist(good: pl.DataFrame, argument: str) -> None:
    for route in ("eager", "lazy-in-memory", "lazy-streaming"):
        text = refusal(route, good, **{argument: "nowhere"})
        assert "nowhere" in text
        assert "quantity" in text
    for engine in ENGINES:
        with pytest.raises(pl.exceptions.PolarsError, match="nowhere"):
            good.lazy().select(rb.range_bars(1_000, **{argument: "nowhere"})).collect(engine=engine)


@pytest.mark.parametrize("by", ["nowhere", ["symbol", "nowhere"]])
def test_a_key_that_does_not_exist(good: pl.DataFrame, by: Any) -> None:
    keyed = good.with_columns(symbol=pl.lit("A"))
    with pytest.raises(rb.RangeBarError, match=r"(?s)nowhere.*quantity"):
        keyed.rangebar.bars(1_000, by=by)
    with pytest.raises(rb.RangeBarError, match=r"(?s)nowhere.*quantity"):
        keyed.lazy().rangebar.with_bar_id(1_000, by=by).collect()


@pytest.mark.parametrize("key", ["open", "volume", "ofi", "close_reason"])
def test_a_key_named_like_an_output_column(good: pl.DataFrame, key: str) -> None:
    with pytest.raises(rb.RangeBarError, match=key):
        good.with_columns(pl.lit("A").alias(key)).lazy().rangebar.bars(1_000, by=key).collect()


def test_a_key_asked_for_twice(good: pl.DataFrame) -> None:
    with pytest.raises(rb.RangeBarError, match="symbol"):
        good.with_columns(symbol=pl.lit("A")).rangebar.bars(1_000, by=["symbol", "symbol"])


def test_bar_id_over_an_existing_column(good: pl.DataFrame) -> None:
    with pytest.raises(rb.RangeBarError, match="price"):
        good.rangebar.with_bar_id(1_000, name="price")


def test_unknown_features_list_what_there_is(good: pl.DataFrame) -> None:
    for call in (
        lambda: good.rangebar.bars(1_000, features=["ofi", "ofy"]),
        lambda: good.lazy().rangebar.bars(1_000, features=["ofi", "ofy"]).collect(),
        lambda: good.select(rb.range_bars(1_000, features=["ofi", "ofy"])),
    ):
        with pytest.raises((rb.RangeBarError, pl.exceptions.ComputeError), match="ofy") as caught:
            call()
        for feature in FEATURES:
            assert feature in str(caught.value)


# ----------------------------------------------------------------------------------------- threshold


@pytest.mark.parametrize("threshold", [0, -1, 2.5, 250.0, 100_001, 2**70, "250", True, None, math.nan])
def test_wrong_thresholds_say_what_is_allowed(good: pl.DataFrame, threshold: Any) -> None:
    calls = [
        lambda: good.rangebar.bars(threshold),
        lambda: good.lazy().rangebar.bars(threshold),
        lambda: good.rangebar.with_bar_id(threshold),
        lambda: rb.range_bars(threshold_dbps=threshold),
        lambda: rb.range_bar_id("timestamp", "price", threshold_dbps=threshold),
    ]
    for call in calls:
        with pytest.raises(rb.RangeBarError, match=r"`threshold_dbps`.* 1\.\.100000") as caught:
            call()
        assert str(threshold).strip("'[]") in str(caught.value)


@pytest.mark.parametrize("threshold", [1, 100_000])
def test_the_ends_of_the_range_are_allowed(good: pl.DataFrame, threshold: int) -> None:
    for _, call in ROUTES.values():
        assert call(good, threshold, include_incomplete=True).height >= 1


@pytest.mark.parametrize("threshold", [[250], [250, 500], (250,)])
def test_numbers_of_bars_are_those_of_one_threshold(good: pl.DataFrame, threshold: Any) -> None:
    for call in (
        lambda: good.rangebar.with_bar_id(threshold),
        lambda: good.lazy().rangebar.with_bar_id(threshold),
        lambda: rb.range_bar_id("timestamp", "price", threshold_dbps=threshold),
    ):
        with pytest.raises(rb.RangeBarError, match=r"`threshold_dbps`.* one threshold or rule") as caught:
            call()
        assert str(threshold).strip("()[],") in str(caught.value)


def test_the_error_is_a_value_error() -> None:
    assert issubclass(rb.RangeBarError, ValueError)


@engines
def test_errors_keep_their_type_through_more_lazy_steps(good: pl.DataFrame, engine: Engine) -> None:
    bars = with_value(good, "price", -1.0).lazy().rangebar.bars(1_000)
    with pytest.raises(rb.RangeBarError, match="`price`"):
        pl.concat([bars, bars]).filter(pl.col("close") > 0).select("close").collect(engine=engine)


def test_ids_beyond_64_bits_are_refused_at_their_row(good: pl.DataFrame, tmp_path: Path) -> None:
    ids = good.with_columns(pl.col("agg_trade_id").cast(pl.UInt64))
    bad = with_value(ids, "agg_trade_id", 2**63)
    text = refusals(bad)
    assert "`agg_trade_id`" in text
    assert f"got {2**63} " in text
    assert f"row {BAD_ROW}" in text
    for number in range(2):
        bad.slice(number * 3, 3 + number).write_parquet(tmp_path / f"{number}.parquet")
    with pytest.raises(rb.RangeBarError) as caught:
        pl.scan_parquet(tmp_path / "*.parquet").rangebar.bars(1_000).collect()
    assert str(caught.value) == text
    assert "`price`" in refusals(with_value(bad, "price", -1.0, row=2))


def test_bar_ids_refuse_the_same_rows(good: pl.DataFrame) -> None:
    bad = with_value(good, "price", math.nan)
    for engine in ENGINES:
        with pytest.raises(rb.RangeBarError, match=rf"`price`.*got NaN .*row {BAD_ROW}"):
            bad.lazy().rangebar.with_bar_id(1_000).collect(engine=engine)
        with pytest.raises(pl.exceptions.ComputeError, match=rf"`price`.*got NaN .*row {BAD_ROW}"):
            bad.lazy().select(rb.range_bar_id("timestamp", "price", threshold_dbps=1_000)).collect(engine=engine)
    repeated = with_value(good, "agg_trade_id", 13)
    with pytest.raises(rb.RangeBarError, match="`agg_trade_id`"):
        repeated.rangebar.with_bar_id(1_000)
