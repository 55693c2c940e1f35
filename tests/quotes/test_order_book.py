"""Oracle and contract layers, order books: quotes against their definitions, by hand, slowly and by their laws."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars.order_book import book_imbalance, microprice, mid, quote_ofi, relative_spread, spread
from tests._quotes import (
    BY_HAND,
    COLUMNS,
    EVERY,
    FLOW_BY_HAND,
    OF_PRICES,
    ROW_BY_ROW,
    SIZES,
    bits,
    every,
    quotes,
    values,
)
from tests._routes import EVERY_BAR, Engine, engines

if TYPE_CHECKING:
    from collections.abc import Callable


@engines
@pytest.mark.parametrize("rows", [BY_HAND, BY_HAND[:1], []], ids=len)
def test_values_by_hand(engine: Engine, rows: list[Any]) -> None:
    frame = quotes(*(quote for quote, _ in rows))
    plan = frame.lazy().select(function() for function in ROW_BY_ROW.values())
    assert dict(plan.collect_schema()) == dict.fromkeys(ROW_BY_ROW, pl.Float64)
    out = plan.collect(engine=engine)
    assert dict(out.schema) == dict.fromkeys(ROW_BY_ROW, pl.Float64)
    assert out.rows() == [expected for _, expected in rows]


@engines
def test_order_flow_by_hand(engine: Engine) -> None:
    frame = quotes(*(quote for quote, _ in FLOW_BY_HAND))
    out = frame.lazy().select(quote_ofi()).collect(engine=engine)
    assert out.schema == {"quote_ofi": pl.Float64}
    assert out["quote_ofi"].to_list() == [flow for _, flow in FLOW_BY_HAND]


def test_levels_by_hand() -> None:
    frame = pl.DataFrame({"b1": [3, 1, 0, 1], "b2": [1, 2, 0, None], "a1": [1, 0, 0, 1], "a2": [3, 1, 0, 1]})
    both = book_imbalance(["b1", "b2"], ["a1", "a2"])
    assert values(frame, both) == [0.0, 0.5, None, None]
    assert values(frame, book_imbalance(("b1", pl.col("b2").fill_null(0)), ("a1", "a2")))[3] == -1 / 3
    assert values(frame, book_imbalance(["b1"], ["a1"])) == values(frame, book_imbalance("b1", "a1"))
    halved = book_imbalance(["b1", pl.col("b2") / 2], ["a1", pl.col("a2") / 2])
    assert values(frame, halved) == [1 / 6, 3 / 5, None, None]
    lists = frame.select(b=pl.concat_list("b1", "b2"), a=pl.concat_list("a1", "a2"))
    added = book_imbalance(pl.col("b").list.head(2).list.sum(), pl.col("a").list.head(2).list.sum())
    assert values(lists, added)[:3] == [0.0, 0.5, None]


# ------------------------------------------------------------------------------------------- missing

NO_PRICE = [None, math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0]
NO_SIZE = [None, math.nan, math.inf, -math.inf, -1.0]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_side_that_is_missing_is_null(column: str) -> None:
    missing = NO_SIZE if column.endswith("size") else NO_PRICE
    for wrong in missing:
        good = {"bid": 99.5, "ask": 100.5, "bid_size": 3.0, "ask_size": 1.0}
        rows = [good, {**good, column: wrong}, good, good]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.Float64))
        out = frame.select(every())
        for name in ROW_BY_ROW:
            of_prices, of_sizes = name in OF_PRICES, name == "book_imbalance"
            touched = not of_prices if column.endswith("size") else not of_sizes
            assert out[name].is_null().to_list() == [False, touched, False, False], (name, wrong)
        assert out["quote_ofi"].to_list() == [None, None, None, 0.0], wrong


def test_a_side_without_any_quote_is_null() -> None:
    frame = pl.DataFrame({"bid": [None, None], "ask": [1.0, 2.0], "bid_size": [None, None], "ask_size": [1.0, 2.0]})
    assert frame.schema["bid"] == pl.Null
    assert frame.select(every()).rows() == [(None,) * len(EVERY)] * 2


def test_zero_mids_never_reach_the_bars() -> None:
    """A feed that writes 0 for no quote would halve the price: the null is refused by name instead."""
    frame = quotes((1.0, 1.0, 1, 1), (0.0, 1.0, 0, 1)).with_columns(timestamp=pl.int_range(2))
    trades = frame.with_columns(price=mid(), quantity=pl.lit(0.0))
    with pytest.raises(rb.RangeBarError, match=r"`price`.*null.*row 1"):
        trades.rangebar.bars(250, time_unit="ms")
    assert trades.drop_nulls("price").rangebar.bars(250, time_unit="ms", **EVERY_BAR).height == 1


# -------------------------------------------------------------------------------------------- dtypes


@engines
@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int8, pl.UInt8, pl.UInt64, pl.Int128, pl.Float32, pl.Decimal(20, 4)])
def test_dtypes_are_taken_as_doubles(engine: Engine, dtype: Any) -> None:
    frame = quotes(*(tuple(None if x is None else math.floor(x) for x in row) for row, _ in BY_HAND + FLOW_BY_HAND))
    out = frame.cast(dtype).lazy().select(every()).collect(engine=engine)
    assert dict(out.schema) == dict.fromkeys(EVERY, pl.Float64)
    assert out.equals(frame.select(every()))


def test_products_and_sums_of_large_integers_do_not_wrap() -> None:
    large = 2**62
    frame = pl.DataFrame([[large] * 3], schema=["bid", "ask", "bid_size"], orient="row").with_columns(
        ask_size=pl.lit(large)
    )
    assert frame.dtypes == [pl.Int64] * 4
    assert frame.select(mid(), microprice(), book_imbalance()).row(0) == (float(large), float(large), 0.0)
    small = pl.DataFrame({"bid": [200, 201], "ask": [201, 200]}, schema=dict.fromkeys(("bid", "ask"), pl.UInt8))
    assert values(small, spread()) == [1.0, -1.0]
    assert values(small, mid()) == [200.5, 200.5]


def test_single_precision_is_not_halved_in_single_precision() -> None:
    frame = pl.DataFrame({"bid": [16_777_215.0], "ask": [16_777_216.0]}).cast(pl.Float32)
    assert values(frame, mid()) == [16_777_215.5]


def test_decimals() -> None:
    frame = pl.DataFrame({"bid": [Decimal("1.38727")], "ask": [Decimal("1.38729")]})
    assert frame.schema["bid"].is_decimal()
    assert values(frame, mid()) == [(1.38727 + 1.38729) / 2]
    assert values(frame, spread()) == [1.38729 - 1.38727]


@pytest.mark.parametrize("function", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(
    "wrong",
    [["1.5"], [dt.date(2024, 1, 1)], [dt.datetime(2024, 1, 1)], [dt.timedelta(1)], [[1.5]], [b"1.5"]],  # noqa: DTZ001
    ids=lambda x: type(x[0]).__name__,
)
def test_what_is_no_number_is_refused(function: Callable[[], pl.Expr], wrong: list[Any]) -> None:
    frame = pl.DataFrame(dict.fromkeys(COLUMNS, wrong))
    with pytest.raises(pl.exceptions.PolarsError):
        frame.select(function())


# --------------------------------------------------------------------------------- against definitions

PRICES = st.floats(1e-8, 1e9) | st.integers(1, 10**13).map(lambda raw: raw / 1e8)


class Quote(NamedTuple):
    bid: float
    ask: float
    bid_size: float
    ask_size: float


@st.composite
def quote(draw: st.DrawFn) -> Quote:
    """A quote near to what markets show: one price at most twice the other, crossed or not."""
    bid = draw(PRICES)
    ask = draw(st.sampled_from((bid, bid * 1.0001, bid * 0.9999)) | st.floats(bid * 0.51, bid * 1.99))
    return Quote(bid, ask, draw(SIZES), draw(SIZES))


BOOKS = st.lists(quote(), min_size=1, max_size=20)


def close(got: float, exact: Fraction, scale: Fraction, ulps: int) -> bool:
    """Whether a double is within some units in the last place of a number of the size of `scale`."""
    return abs(Fraction(got) - exact) <= scale * Fraction(ulps, 2**53)


@given(book=BOOKS)
def test_every_row_against_exact_fractions(book: list[Quote]) -> None:
    out = quotes(*book).select(function() for function in ROW_BY_ROW.values())
    for numbers, got in zip(book, out.iter_rows(named=True), strict=True):
        bid, ask, on_bid, on_ask = map(Fraction, numbers)
        assert got["mid"] == float((bid + ask) / 2)
        assert got["spread"] == float(ask - bid)
        assert close(got["relative_spread"], 2 * (ask - bid) / (bid + ask), abs(2 * (ask - bid) / (bid + ask)), 4)
        if on_bid + on_ask == 0:
            assert got["microprice"] is None
            assert got["book_imbalance"] is None
            continue
        exact = (bid * on_ask + ask * on_bid) / (on_bid + on_ask)
        assert close(got["microprice"], exact, max(bid, ask), 4)
        share = (on_bid - on_ask) / (on_bid + on_ask)
        assert close(got["book_imbalance"], share, Fraction(1), 4)
        # the weighted mid is the mid, moved by the imbalance towards the thinner side
        assert close(got["microprice"], (bid + ask) / 2 + share * (ask - bid) / 2, max(bid, ask), 4)


@given(book=BOOKS)
def test_bounds(book: list[Quote]) -> None:
    out = quotes(*book).with_columns(function() for function in ROW_BY_ROW.values())
    low, high = pl.min_horizontal("bid", "ask"), pl.max_horizontal("bid", "ask")
    within = out.select(
        pl.col("mid").is_between(low, high),
        pl.col("microprice").is_between(low, high),
        pl.col("book_imbalance").is_between(-1, 1),
        pl.col("relative_spread").is_between(-2, 2),
        sign=pl.col("spread").sign() == (pl.col("ask") > pl.col("bid")).cast(pl.Int8) - (pl.col("ask") < pl.col("bid")),
    )
    assert all(within[name].all() for name in within.columns)


@given(bid=PRICES, ask=PRICES)
def test_bounds_of_any_two_prices(bid: float, ask: float) -> None:
    """A stub quote is far away: still a mid between, and at most twice the mid from the other side."""
    low, high = sorted((bid, ask))
    got = quotes((bid, ask, 1.0, 1.0)).select(mid(), relative_spread()).row(0)
    assert low <= got[0] <= high
    assert -2 <= got[1] <= 2


@given(book=BOOKS)
def test_swapped_sides(book: list[Quote]) -> None:
    frame = quotes(*book)
    swapped = quotes(*((q.ask, q.bid, q.ask_size, q.bid_size) for q in book))
    for name in ("spread", "relative_spread", "book_imbalance"):
        there, back = values(frame, ROW_BY_ROW[name]()), values(swapped, ROW_BY_ROW[name]())
        assert there == [None if x is None else -x for x in back], name
    assert bits(values(frame, mid())) == bits(values(swapped, mid()))
    for one, other, quoted in zip(values(frame, microprice()), values(swapped, microprice()), book, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert math.isclose(one, other, rel_tol=4 * 2**-53 * max(quoted[:2]) / min(quoted[:2]))


@given(book=BOOKS, prices=st.integers(-20, 20), sizes=st.integers(-20, 20))
def test_scales(book: list[Quote], prices: int, sizes: int) -> None:
    """Powers of two scale doubles exactly: prices go with prices, flows with sizes, ratios with neither."""
    by_price, by_size = 2.0**prices, 2.0**sizes
    frame = quotes(*book)
    scaled = frame.with_columns(pl.col("bid", "ask") * by_price, pl.col("bid_size", "ask_size") * by_size)
    one, other = frame.select(every()), scaled.select(every())
    factors = {"mid": by_price, "spread": by_price, "microprice": by_price, "quote_ofi": by_size}
    for name in EVERY:
        assert bits(one[name] * factors.get(name, 1.0)) == bits(other[name]), name


@given(book=BOOKS, size=st.floats(1e-8, 1e15))
def test_the_microprice_of_equal_sizes_is_the_mid(book: list[Quote], size: float) -> None:
    frame = quotes(*book).with_columns(bid_size=pl.lit(size), ask_size=pl.lit(size))
    assert bits(values(frame, microprice())) == bits(values(frame, mid()))


@given(
    sides=st.integers(1, 5).flatmap(
        lambda n: st.tuples(*[st.lists(st.lists(SIZES, min_size=n, max_size=n), min_size=1, max_size=8)] * 2)
    )
)
def test_levels_against_a_loop(sides: tuple[list[list[float]], list[list[float]]]) -> None:
    rows = list(zip(*sides, strict=False))
    depth = len(rows[0][0])
    bids, asks = [f"b{i}" for i in range(depth)], [f"a{i}" for i in range(depth)]
    frame = pl.DataFrame([[*b, *a] for b, a in rows], schema=[*bids, *asks], orient="row")
    expected = []
    for b, a in rows:
        on_bid, on_ask = reduce(add, b), reduce(add, a)  # `sum` compensates what it rounds
        expected.append((on_bid - on_ask) / (on_bid + on_ask) if on_bid + on_ask > 0 else None)
    assert values(frame, book_imbalance(bids, asks)) == expected
    assert values(frame, book_imbalance(asks, bids)) == [None if x is None else -x for x in expected]
    assert all(x is None or -1 <= x <= 1 for x in expected)
