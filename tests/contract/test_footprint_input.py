"""Contract of footprints: ticks that are accepted and refused, trades without sides, schemas, sums at the limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._footprint_oracle import SCHEMA, with_footprints
from tests._routes import EVERY_BAR, ROUTES, assert_same_bars

TRADES = pl.DataFrame(
    {
        "timestamp": [1, 2, 3, 4, 5],
        "price": [100.0, 100.4, 99.6, 100.5, 101.0],
        "quantity": [1.0, 2.0, 3.0, 4.0, 5.0],
        "is_buyer_maker": [True, False, True, False, False],
    }
)
OPTIONS: dict[str, Any] = {"time_unit": "ms"}


def test_a_bar_by_hand() -> None:
    bars = TRADES.rangebar.bars(1_000, **OPTIONS, footprint=0.5)
    (bar,) = bars.select(list(SCHEMA)).iter_rows(named=True)
    assert [tuple(level.values()) for level in bar.pop("footprint")] == [
        (99.5, 0.0, 3.0),
        (100.0, 2.0, 1.0),
        (100.5, 4.0, 0.0),
        (101.0, 5.0, 0.0),
    ]
    assert bar == {
        "poc": 101.0,
        "value_area_low": 100.0,  # 5 and 4 and 3 of 15
        "value_area_high": 101.0,
        "delta": 7.0,
        "min_delta": -2.0,  # -1, 1, -2, 2, 7
        "max_delta": 7.0,
        "imbalances_up": 1,  # 4 over 1; 2 over 3 is none
        "imbalances_down": 0,
        "stacked_up": 1,
        "stacked_down": 0,
    }


@pytest.mark.parametrize("tick", [1, 1.0, Decimal(1), Decimal("1.000000004")])
def test_ticks_of_any_type_are_rounded_as_prices_are(tick: Any) -> None:
    expected = TRADES.rangebar.bars(1_000, **OPTIONS, footprint=1.0)
    for route in ROUTES.values():
        assert_same_bars(route(TRADES, 1_000, **OPTIONS, footprint=tick), expected)
    assert rb.BarStream(1_000, footprint=tick).parameters["footprint"] == 1.0


NUMBER = "`footprint` must be a tick above 0 in units of the price, such as 0.25, got "
REFUSED: dict[str, tuple[Any, str]] = {
    "zero": (0, NUMBER + "0"),
    "below zero": (-0.5, NUMBER + "-0.5"),
    "NaN": (float("nan"), NUMBER + "nan"),
    "infinity": (float("inf"), NUMBER + "inf"),
    "no Decimal number": (Decimal("sNaN"), NUMBER + "Decimal"),
    "an integer that no double holds": (10**400, NUMBER + "an integer of 1329 bits"),
    "a Boolean": (True, NUMBER + "True"),
    "text": ("1.0", NUMBER + "'1.0'"),
    "a list": ([1.0], NUMBER + "[1.0]"),
    "an expression": (pl.col("price"), NUMBER),
    "below the last decimal": (
        4e-9,
        "`footprint` must be a price distance from 0.00000001 to 92233720368.54775807, got 4e-9: set price_decimals=9",
    ),
    "beyond 64 bits": (1e12, "`footprint` must be a price distance from 0.00000001 to .*: set price_decimals=6"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_ticks(name: str) -> None:
    tick, text = REFUSED[name]
    pattern = text.replace("`", ".").replace("[", r"\[")
    for call in (
        lambda: TRADES.lazy().rangebar.bars(1_000, **OPTIONS, footprint=tick),
        lambda: TRADES.rangebar.bars(1_000, **OPTIONS, footprint=tick),
        lambda: rb.range_bars(1_000, **OPTIONS, footprint=tick),
        lambda: rb.BarStream(1_000, **OPTIONS, footprint=tick),
    ):
        with pytest.raises(rb.RangeBarError, match=pattern):
            call()


def test_ticks_are_held_against_the_decimals_of_prices() -> None:
    with pytest.raises(rb.RangeBarError, match=r"got 0\.4: set price_decimals=1"):
        TRADES.lazy().rangebar.bars(1_000, **OPTIONS, footprint=0.4, price_decimals=0)
    finest = TRADES.with_columns(pl.col("price") / 100)
    got = finest.rangebar.bars(1_000, **OPTIONS, footprint=1e-18, price_decimals=18)
    assert_same_bars(got.select("poc"), got.select(poc="close"))


def test_a_tick_below_the_steps_of_the_price_makes_each_price_a_level() -> None:
    bars = TRADES.rangebar.bars(1_000, **OPTIONS, footprint=1e-8)
    prices = bars["footprint"].explode().struct.field("price").to_list()
    assert prices == sorted(TRADES["price"])
    assert bars.select("imbalances_up", "stacked_down").row(0) == (0, 0)
    assert bars["value_area_low"].to_list() == [100.4]


def test_the_columns_follow_all_others() -> None:
    for route in ROUTES.values():
        asked: list[dict[str, Any]] = [{}, {"features": ["ofi"]}, {"intra": True, "lookback": 3}, {"features": []}]
        for options in asked:
            plain = route(TRADES, [1_000, 500], **OPTIONS, **options)
            bars = route(TRADES, [1_000, 500], **OPTIONS, **options, footprint=1)
            assert dict(bars.schema) == {**plain.schema, **SCHEMA}
            assert bars.columns == [*plain.columns, *SCHEMA]
            assert_same_bars(bars.select(plain.columns), plain)
    with pytest.raises(rb.RangeBarError, match="there is no feature `poc`"):
        TRADES.rangebar.bars(1_000, **OPTIONS, footprint=1, features=["poc"])
    with pytest.raises(rb.RangeBarError, match="`by` names `delta`, but the result has a column of that name"):
        TRADES.with_columns(delta=1).rangebar.bars(1_000, **OPTIONS, footprint=1, by="delta")
    assert "delta" in TRADES.with_columns(delta=1).rangebar.bars(1_000, **OPTIONS, by="delta").columns


@pytest.mark.parametrize("frame", [TRADES.clear(), TRADES.head(1)], ids=["no trade", "one trade"])
def test_frames_without_a_bar(frame: pl.DataFrame) -> None:
    for route in ROUTES.values():
        got = route(frame, 1_000, **OPTIONS, **EVERY_BAR, footprint=1)
        assert_same_bars(got, with_footprints(frame, 1_000, 1, **OPTIONS, **EVERY_BAR))


def test_quantities_of_zero_make_levels() -> None:
    nothing = TRADES.with_columns(quantity=pl.lit(0.0))
    got = nothing.rangebar.bars(1_000, **OPTIONS, footprint=0.5)
    assert_same_bars(got, with_footprints(nothing, 1_000, 0.5, **OPTIONS))
    assert got["footprint"].list.len().to_list() == [4]
    assert got.select("poc", "value_area_low", "value_area_high").row(0) == (99.5, 99.5, 99.5)


# --------------------------------------------------------------------------------------- what is missing

NEEDS_SIDE = (
    "`footprint` needs the side of each trade, and the trades have no column `is_buyer_maker`: name the column with "
    '`is_buyer_maker=`; missing_side="null" gives null for what needs it'
)


@pytest.mark.parametrize("route", ROUTES)
def test_trades_without_sides_are_refused(route: str) -> None:
    bare = TRADES.drop("is_buyer_maker")
    for frame, options in ((bare, {}), (TRADES, {"is_buyer_maker": None})):
        with pytest.raises((rb.RangeBarError, pl.exceptions.ComputeError)) as caught:
            ROUTES[route](frame, 1_000, **OPTIONS, **options, footprint=1)
        assert NEEDS_SIDE in str(caught.value)


def test_they_are_refused_at_once() -> None:
    with pytest.raises(rb.RangeBarError, match="needs the side of each trade"):
        TRADES.lazy().drop("is_buyer_maker").rangebar.bars(1_000, **OPTIONS, footprint=1)
    stream = rb.BarStream(1_000, **OPTIONS, footprint=1)
    with pytest.raises(rb.RangeBarError, match="needs the side of each trade"):
        stream.push(TRADES.drop("is_buyer_maker"))
    with pytest.raises(rb.RangeBarError, match="needs the side of each trade"):
        stream.push_trade(1, 100.0, 1.0)
    assert stream.push(TRADES).height == 1


def test_trades_without_quantities_are_refused() -> None:
    with pytest.raises(rb.RangeBarError, match="column `quantity` not found"):
        TRADES.lazy().drop("quantity").rangebar.bars(1_000, **OPTIONS, footprint=1)


# ----------------------------------------------------------------------------------------------- limits


def test_sums_of_128_bits_are_exact_and_more_are_an_error() -> None:
    rows = 3_000
    price = [100.0 + i % 3 for i in range(rows)]
    frame = pl.DataFrame({"timestamp": range(rows), "price": price, "quantity": [1e15] * rows}).with_columns(
        is_buyer_maker=pl.col("timestamp") % 2 == 0
    )
    got = frame.rangebar.bars(100_000, **OPTIONS, include_incomplete=True, footprint=1)
    assert_same_bars(got, with_footprints(frame, 100_000, 1, **OPTIONS, include_incomplete=True))
    wide = frame.with_columns(price=pl.col("price") * 1e8)
    with pytest.raises(rb.RangeBarError, match="`quantity` must not overflow the 128 bits of the bar's sums"):
        pl.concat([wide] * 6).with_columns(timestamp=pl.int_range(pl.len())).rangebar.bars(
            100_000, **OPTIONS, footprint=1
        )


def test_many_levels_in_one_bar() -> None:
    """A hostile tick: fifty thousand prices, far from each other in units of it."""
    rows = 50_000
    frame = pl.DataFrame(
        {"timestamp": range(rows), "price": [50_000 + i * 7919 % rows / 100 for i in range(rows)], "quantity": 1.0}
    ).with_columns(is_buyer_maker=pl.col("timestamp") % 3 == 0)
    got = frame.rangebar.bars(rb.Ticks(rows), **OPTIONS, footprint=1e-8)
    assert got["footprint"].list.len().to_list() == [rows]
    levels = got["footprint"].explode().struct.unnest()
    slow = frame.sort("price").select(
        "price",
        buy_volume=pl.when("is_buyer_maker").then(0.0).otherwise(1.0),
        sell_volume=pl.when("is_buyer_maker").then(1.0).otherwise(0.0),
    )
    assert levels.equals(slow)
