"""Contract layer, precision: numbers that eight decimals cannot hold, and thresholds below one unit of the last."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._errors import refusals
from tests._oracle import PRICE_PARTS, QUANTITY_PARTS, fixed, is_kept
from tests._reference import reference_program
from tests.strategies import DBPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

Thresholds = int | list[int]


@pytest.fixture(scope="module")
def reference(shared: Path) -> ModuleType:
    return reference_program(shared)


def pushed_one_by_one(frame: pl.DataFrame, thresholds: Thresholds) -> None:
    stream = rb.BarStream(thresholds, time_unit="ms")
    for row in frame.iter_rows(named=True):
        stream.push_trade(**row)


def grouped(frame: pl.DataFrame, thresholds: Thresholds) -> None:
    keyed = frame.with_columns(symbol=pl.lit("A"))
    keyed.lazy().rangebar.bars(thresholds, by="symbol", time_unit="ms").collect(engine="streaming")


OF_BARS: dict[str, Callable[[pl.DataFrame, Thresholds], Any]] = {
    "eager": lambda frame, thresholds: frame.rangebar.bars(thresholds, time_unit="ms"),
    "lazy": lambda frame, thresholds: (
        frame.lazy().rangebar.bars(thresholds, time_unit="ms").collect(engine="streaming")
    ),
    "grouped": grouped,
    "expression": lambda frame, thresholds: frame.select(rb.range_bars(thresholds, time_unit="ms")),
    "push": lambda frame, thresholds: rb.BarStream(thresholds, time_unit="ms").push(frame),
    "push_trade": pushed_one_by_one,
    "state": lambda frame, thresholds: frame.rangebar.bars(thresholds, time_unit="ms", state=rb.BarState()),
}
OF_IDS: dict[str, Callable[[pl.DataFrame, int], Any]] = {
    "with_bar_id": lambda frame, threshold: frame.rangebar.with_bar_id(threshold, time_unit="ms"),
    "range_bar_id": lambda frame, threshold: frame.select(rb.range_bar_id(threshold_dbps=threshold, time_unit="ms")),
}
EVERY_WAY = OF_BARS | OF_IDS


def refused(call: Callable[[], Any]) -> str | None:
    """What is said of bad trades; None of good ones."""
    try:
        call()
    except (rb.RangeBarError, pl.exceptions.ComputeError) as error:
        return str(error)
    return None


def verdicts(frame: pl.DataFrame, thresholds: Thresholds, ways: dict[str, Any]) -> dict[str, str | None]:
    return {way: refused(partial(call, frame, thresholds)) for way, call in ways.items()}


def bare_frame(price: list[Any], quantity: list[Any], dtype: pl.DataType | None = None) -> pl.DataFrame:
    time = pl.Series(range(len(price)), dtype=pl.Int64)
    return pl.DataFrame({"timestamp": time, "price": pl.Series(price, dtype=dtype), "quantity": quantity})


# ------------------------------------------------------------------------------------------- one number


def numbers(parts: int) -> st.SearchStrategy[tuple[Any, pl.DataType]]:
    """Around the largest number that rounding may change too much, in every form in which numbers come."""
    near = parts // 2
    raw = st.one_of(st.integers(0, 2 * near), st.integers(near - 2, near + 2))
    digits = st.one_of(st.integers(0, 999), st.sampled_from((0, 499, 500, 501, 999)))
    thousandths = st.builds(lambda raw, digits: 1_000 * raw + digits, raw, digits).filter(bool)
    ulps = st.integers(-2, 2)
    doubles = st.builds(lambda units, ulp: units / 1e11 * (1 + ulp * 2.0**-52), thousandths, ulps)
    return st.one_of(
        doubles.map(lambda x: (x, pl.Float64())),
        doubles.map(lambda x: (pl.Series([x], dtype=pl.Float32)[0], pl.Float32())),
        thousandths.map(lambda units: (Decimal(units).scaleb(-11), pl.Decimal(38, 11))),
        st.integers(1, 100).map(lambda x: (x, pl.Int64())),
    )


@given(number=numbers(PRICE_PARTS))
@example(number=(0.00000123456, pl.Float64()))
@example(number=(499_999.5e-8, pl.Float64()))
@example(number=(4e-9, pl.Float64()))
@example(number=(5e-324, pl.Float64()))
def test_a_price_is_taken_just_where_eight_decimals_hold_it(number: tuple[Any, pl.DataType]) -> None:
    """To a millionth of it, on every route; bars are told apart by the widest threshold, which any price bears."""
    price, dtype = number
    frame = bare_frame([type(price)(1_000), price], [1.0, 1.0], dtype)
    for way, said in verdicts(frame, DBPS, EVERY_WAY).items():
        assert (said is None) == is_kept(price, PRICE_PARTS), (way, said)
        assert said is None or "`price` must not change by more than one part in 1000000" in said
        assert said is None or re.search(r"set price_decimals=\d+|multiply the prices", said)


@given(number=numbers(QUANTITY_PARTS))
@example(number=(4e-9, pl.Float64()))
@example(number=(5e-324, pl.Float64()))
def test_a_quantity_is_taken_just_where_eight_decimals_hold_it(number: tuple[Any, pl.DataType]) -> None:
    quantity, dtype = number
    frame = bare_frame([1.0, 1.0], [1.0, 1.0]).with_columns(
        quantity=pl.Series([type(quantity)(1), quantity], dtype=dtype)
    )
    for way, said in verdicts(frame, 1_000, OF_BARS).items():
        assert (said is None) == is_kept(quantity, QUANTITY_PARTS), (way, said)
        assert said is None or "`quantity` must not change by more than one part in 1000 when" in said


@given(price=numbers(PRICE_PARTS), quantity=numbers(QUANTITY_PARTS))
def test_the_oracle_decides_as_the_reference(
    reference: ModuleType, price: tuple[Any, pl.DataType], quantity: tuple[Any, pl.DataType]
) -> None:
    x, y = float(price[0]), float(quantity[0])
    trades = reference.Trades(time_us=[0], price=[x], quantity=[y])
    assert (trades.p, trades.q) == ([fixed(x)], [fixed(y)])
    try:
        trades.check()
        taken = True
    except ValueError:
        taken = False
    assert taken == (is_kept(x, PRICE_PARTS) and is_kept(y, QUANTITY_PARTS))


def test_a_quantity_of_nothing_is_one() -> None:
    for zero in (0.0, -0.0, 0):
        frame = bare_frame([1.0, 1.0], [zero, zero])
        assert verdicts(frame, 1_000, OF_BARS) == dict.fromkeys(OF_BARS)


@pytest.mark.parametrize("row", [0, 1_023, 1_024, 2_999])
def test_the_row_is_named(row: int) -> None:
    price, quantity = [100.0] * 3_000, [1.0] * 3_000
    price[row] = 0.00000123456
    assert f"got 1.23456e-6 (rounded: 0.00000123) at row {row};" in refusals(
        bare_frame(price, quantity), time_unit="ms"
    )
    price[row], quantity[row] = 100.0, 2.504e-6
    assert f"got 2.504e-6 (rounded: 0.00000250) at row {row};" in refusals(bare_frame(price, quantity), time_unit="ms")


def test_small_numbers_of_eight_decimals_are_taken_as_they_are() -> None:
    """Coins at a few units of the last decimal are exact, and so are crumbs of quantities."""
    price = [x / 1e8 for x in (300, 301, 302, 303, 304, 300)]
    frame = bare_frame(price, [x / 1e8 for x in range(6)])
    bars = frame.rangebar.bars(1_000, time_unit="ms")
    assert bars.select("open", "close", "volume").rows() == [(3e-6, 3.03e-6, 6e-8), (3.04e-6, 3e-6, 9e-8)]


@pytest.mark.parametrize("expression", [rb.hurst(), rb.kaufman_er(), rb.vwap(), rb.max_drawdown()])
def test_statistics_refuse_them_too(expression: pl.Expr) -> None:
    said = refused(lambda: bare_frame([1.0, 0.00000123456], [1.0, 1.0]).select(expression))
    assert said is not None
    assert "one part in 1000000" in said


# ----------------------------------------------------------------------------------------- thresholds


@given(raw=st.integers(1, 200_000), threshold=st.integers(1, DBPS), later=st.booleans())
@example(raw=812, threshold=123, later=True)
@example(raw=812, threshold=124, later=True)
def test_a_bar_opens_just_where_its_threshold_is_a_unit_at_least(raw: int, threshold: int, later: bool) -> None:
    """The first bar, or one that opens later; what is refused is a bar, not a trade of that price."""
    assume(not later or abs(raw - DBPS) >= threshold)
    price = [DBPS / 1e8, raw / 1e8, raw / 1e8] if later else [raw / 1e8]
    frame = bare_frame(price, [1.0] * len(price))
    moves = raw * threshold // DBPS > 0
    for way, said in verdicts(frame, threshold, EVERY_WAY).items():
        assert (said is None) == moves, (way, said)
        if said is not None:
            assert f"got {Decimal(raw).scaleb(-8):f} with {threshold} dbps at " in said
            assert re.search(r"(set price_decimals=\d+|multiply the prices), or use a larger threshold", said)
            assert f"row {2 * later}" in said or way == "push_trade"


def test_of_several_thresholds_the_first_that_is_too_small_is_named() -> None:
    frame = bare_frame([8.12e-6] * 3, [1.0] * 3)
    for way, said in verdicts(frame, [1_000, 123, 10], OF_BARS).items():
        assert said is not None
        assert "got 0.00000812 with 123 dbps" in said, way
    assert verdicts(frame, [1_000, 124], OF_BARS) == dict.fromkeys(OF_BARS)


@given(raw=st.integers(1, 200_000), threshold=st.integers(1, DBPS))
def test_the_reference_opens_the_same_bars(reference: ModuleType, raw: int, threshold: int) -> None:
    trades = reference.Trades(time_us=[0], price=[raw / 1e8], quantity=[1.0])
    frame = bare_frame([raw / 1e8], [1.0])
    said = refused(lambda: frame.rangebar.bars(threshold, time_unit="us"))
    try:
        reference.build(trades, threshold)
    except ValueError:
        assert said is not None
    else:
        assert said is None


def test_a_coin_of_eleven_decimals_has_its_bars_in_a_smaller_unit() -> None:
    """At 4e-7 every step is lost to eight decimals: refused, and the remedy gives the bars of the rule."""
    words = accumulate(range(20_000), lambda word, _: (word * 6_364_136_223_846_793_005 + 1) % 2**64, initial=7)
    ticks = list(accumulate(((word >> 33) % 7 - 3 for word in words), initial=41_234))[1:]
    coin = bare_frame([tick / 1e11 for tick in ticks], [1_000.0] * len(ticks))
    for threshold, at_least in ((100, 40), (250, 8)):
        assert "one part in 1000000" in refusals(coin, threshold, time_unit="ms")
        bars, first = 0, 0
        for row, tick in enumerate(ticks):
            if row > first and abs(tick - ticks[first]) >= Fraction(ticks[first] * threshold, DBPS):
                bars, first = bars + 1, row + 1
        millionths = coin.with_columns((pl.col("price") * 1_000_000).round(5))
        got = millionths.rangebar.bars(threshold, time_unit="ms")
        assert got.height == bars >= at_least
        assert got.filter(pl.col("high") == pl.col("low")).is_empty()
