"""Oracle and contract layers, order books: quotes against their definitions, by hand, slowly and on real books."""

from __future__ import annotations

import datetime as dt
import inspect
import math
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars.order_book import book_imbalance, microprice, mid, quote_ofi, relative_spread, spread
from tests._routes import ENGINES, EVERY_BAR, Engine, assert_same_bars, oracle_bars

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

engines = pytest.mark.parametrize("engine", ENGINES)

ROW_BY_ROW = {
    "mid": mid,
    "spread": spread,
    "relative_spread": relative_spread,
    "microprice": microprice,
    "book_imbalance": book_imbalance,
}
OF_PRICES = ("mid", "spread", "relative_spread")
EVERY = {**ROW_BY_ROW, "quote_ofi": quote_ofi}
COLUMNS = ("bid", "ask", "bid_size", "ask_size")


def every() -> list[pl.Expr]:
    return [function() for function in EVERY.values()]


def quotes(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.Float64), orient="row")


def values(frame: pl.DataFrame, expression: pl.Expr) -> list[Any]:
    return frame.select(expression).to_series().to_list()


def bits(column: pl.Series | list[Any]) -> list[str | None]:
    return [None if x is None else x.hex() for x in column]


# ------------------------------------------------------------------------------------------- by hand

BY_HAND = [
    # bid, ask, bid_size, ask_size; mid, spread, relative_spread, microprice, book_imbalance
    ((99.5, 100.5, 1, 1), (100.0, 1.0, 0.01, 100.0, 0.0)),
    ((99.5, 100.5, 3, 1), (100.0, 1.0, 0.01, 100.25, 0.5)),
    ((99.5, 100.5, 0, 1), (100.0, 1.0, 0.01, 99.5, -1.0)),
    ((99.5, 100.5, 7, 0), (100.0, 1.0, 0.01, 100.5, 1.0)),
    ((99.5, 100.5, 0, 0), (100.0, 1.0, 0.01, None, None)),
    ((100.0, 100.0, 3, 1), (100.0, 0.0, 0.0, 100.0, 0.5)),  # locked
    ((101.0, 99.0, 3, 1), (100.0, -2.0, -0.02, 99.5, 0.5)),  # crossed
    ((99.5, 100.5, None, 1), (100.0, 1.0, 0.01, None, None)),
    ((99.5, 100.5, 1, None), (100.0, 1.0, 0.01, None, None)),
    ((None, 100.5, 3, 1), (None, None, None, None, 0.5)),
    ((99.5, None, 3, 1), (None, None, None, None, 0.5)),
    ((None, None, None, None), (None, None, None, None, None)),
]


@engines
@pytest.mark.parametrize("rows", [BY_HAND, BY_HAND[:1], []], ids=len)
def test_values_by_hand(engine: Engine, rows: list[Any]) -> None:
    frame = quotes(*(quote for quote, _ in rows))
    plan = frame.lazy().select(function() for function in ROW_BY_ROW.values())
    assert dict(plan.collect_schema()) == dict.fromkeys(ROW_BY_ROW, pl.Float64)
    out = plan.collect(engine=engine)
    assert dict(out.schema) == dict.fromkeys(ROW_BY_ROW, pl.Float64)
    assert out.rows() == [expected for _, expected in rows]


FLOW_BY_HAND = [
    ((99.0, 102.0, 5, 3), None),
    ((99.0, 102.0, 5, 3), 0.0),
    ((99.0, 102.0, 7, 3), 2.0),  # two more at the bid
    ((99.0, 102.0, 7, 1), 2.0),  # two taken or withdrawn at the ask
    ((100.0, 102.0, 4, 1), 4.0),  # a higher bid is new: all of it counts
    ((98.0, 102.0, 9, 1), -4.0),  # a lower one: what stood there is gone
    ((98.0, 101.0, 9, 6), -6.0),  # a lower ask is new
    ((98.0, 103.0, 9, 2), 6.0),  # a higher one: what stood there is gone
    ((99.0, 104.0, 1, 8), 3.0),  # both move: 1 came to the bid, 2 left the ask
    ((105.0, 104.0, 2, 8), 2.0),  # crossed, by the same formula
    ((105.0, 103.0, 2, 5), -5.0),
]


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
SIZES = st.floats(1e-8, 1e15) | st.integers(0, 5).map(float)


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


# ----------------------------------------------------------------------------------------- order flow


def flows(book: list[tuple[float | None, ...]]) -> list[float | None]:
    """The definition of Cont, Kukanov and Stoikov (2014), one quote after the other; None where one is missing."""

    def known(row: tuple[float | None, ...]) -> tuple[float, ...] | None:
        numbers = [x for x in row if x is not None and math.isfinite(x)]
        good = len(numbers) == 4 and min(numbers[:2]) > 0 and min(numbers[2:]) >= 0
        return tuple(numbers) if good else None

    out: list[float | None] = []
    for before, now in zip([None, *book], book, strict=False):
        old, new = None if before is None else known(before), known(now)
        if old is None or new is None:
            out.append(None)
            continue
        came = 0.0
        if new[0] >= old[0]:
            came += new[2]
        if new[0] <= old[0]:
            came -= old[2]
        went = 0.0
        if new[1] <= old[1]:
            went += new[3]
        if new[1] >= old[1]:
            went -= old[3]
        out.append(came - went)
    return out


FEW_PRICES = st.sampled_from((99.0, 100.0, 100.01, 101.0))
ROWS = st.lists(st.tuples(FEW_PRICES, FEW_PRICES, SIZES, SIZES), max_size=30)
BROKEN_ROWS = st.lists(
    st.tuples(
        *[FEW_PRICES | st.sampled_from((None, math.nan, math.inf, 0.0, -1.0))] * 2,
        *[SIZES | st.sampled_from((None, math.nan, math.inf, -1.0))] * 2,
    ),
    max_size=30,
)


@engines
@given(book=ROWS | BROKEN_ROWS, cut=st.integers(0, 30))
def test_flow_against_a_loop(engine: Engine, book: list[tuple[float | None, ...]], cut: int) -> None:
    frame = quotes(*book)
    chunked = pl.concat([frame.head(cut), frame.slice(cut)], rechunk=False)
    got = chunked.lazy().select(quote_ofi()).collect(engine=engine).to_series()
    assert got.to_list() == flows(book)


@given(book=ROWS)
def test_flow_of_the_mirrored_book_is_the_opposite(book: list[tuple[float, ...]]) -> None:
    """Sides swapped and prices mirrored: buyers become sellers."""
    mirrored = [(200.0 - ask, 200.0 - bid, on_ask, on_bid) for bid, ask, on_bid, on_ask in book]
    there, back = values(quotes(*book), quote_ofi()), values(quotes(*mirrored), quote_ofi())
    assert there == [None if x is None else -x for x in back]


@given(sizes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1))
def test_flow_at_standing_prices_is_what_the_queues_changed_by(sizes: list[tuple[int, int]]) -> None:
    frame = quotes(*((99.0, 100.0, b, a) for b, a in sizes))
    (first_bid, first_ask), (last_bid, last_ask) = sizes[0], sizes[-1]
    assert frame.select(quote_ofi().sum()).item() == (last_bid - first_bid) - (last_ask - first_ask)


@given(book=ROWS)
def test_flow_without_sizes_counts_moves(book: list[tuple[float, ...]]) -> None:
    frame = quotes(*book)
    sides = [pl.col(name).diff().sign() for name in ("bid", "ask")]
    assert values(frame, quote_ofi(bid_size=pl.lit(1), ask_size=pl.lit(1.0))) == values(frame, sides[0] + sides[1])


# ------------------------------------------------------------------------------------------- contexts


@pytest.fixture
def two_books() -> pl.DataFrame:
    """Two books of 11 and 9 quotes, interleaved in three chunks."""
    frame = quotes(*(row for row, _ in FLOW_BY_HAND), *(row for row, _ in BY_HAND[:9]))
    keyed = frame.with_columns(symbol=pl.Series(["A", "B", "A", "A", "B"] * 4), at=pl.int_range(20))
    return pl.concat([keyed.head(1), keyed.slice(1, 11), keyed.slice(12)], rechunk=False)


@engines
def test_contexts_agree(two_books: pl.DataFrame, engine: Engine) -> None:
    """`select` of one book, `over`, `group_by().agg` and a loop are one answer."""
    parts = [two_books.filter(pl.col("symbol") == symbol) for symbol in ("A", "B")]
    loop = pl.concat(part.select("symbol", "at", *every()) for part in parts).sort("at")
    over = [expression.over("symbol") for expression in every()]
    assert two_books.lazy().select("symbol", "at", *over).collect(engine=engine).equals(loop)
    grouped = two_books.lazy().group_by("symbol").agg("at", *every()).explode("at", *EVERY).sort("at")
    assert grouped.collect(engine=engine).equals(loop)
    rows = [function() for function in ROW_BY_ROW.values()]  # elementwise: groups do not matter
    assert two_books.lazy().select("symbol", "at", *rows).collect(engine=engine).equals(loop.drop("quote_ofi"))


@engines
def test_flow_of_several_books_needs_over(two_books: pl.DataFrame, engine: Engine) -> None:
    flow = two_books.lazy().select("symbol", quote_ofi(), by=quote_ofi().over("symbol")).collect(engine=engine)
    assert flow["quote_ofi"].to_list() != flow["by"].to_list()
    firsts = flow["symbol"].is_first_distinct()
    assert flow["by"].is_null().filter(firsts).all()
    sums = two_books.lazy().group_by("symbol").agg(quote_ofi().sum()).sort("symbol").collect(engine=engine)
    assert sums.rows() == flow.group_by("symbol").agg(pl.col("by").sum()).sort("symbol").rows()


@engines
def test_filters_and_aggregations(two_books: pl.DataFrame, engine: Engine) -> None:
    lazy = two_books.lazy()
    assert lazy.filter(spread() < 0).select("at").collect(engine=engine)["at"].to_list() == [9, 10, 17]
    mean = lazy.select(relative_spread().filter(spread() > 0).mean(), microprice().last()).collect(engine=engine)
    assert mean.columns == ["relative_spread", "microprice"]
    assert lazy.sort(mid(), descending=True).select(pl.first("at")).collect(engine=engine).item() == 9


def test_names_of_columns_and_expressions() -> None:
    frame = quotes((99.5, 100.5, 3, 1), (99.5, 100.5, 5, 1)).rename(
        {"bid": "b", "ask": "a", "bid_size": "bq", "ask_size": "aq"}
    )
    got = frame.select(
        mid("b", pl.col("a")),
        spread(pl.col("b"), "a"),
        relative_spread("b", "a"),
        microprice("b", "a", "bq", pl.col("aq")),
        book_imbalance("bq", "aq"),
        quote_ofi("b", "a", "bq", "aq"),
        doubled=mid(pl.col("b") * 2, pl.col("a") * 2),
    )
    assert got.columns == [*EVERY, "doubled"]
    assert got.rows() == [
        (100.0, 1.0, 0.01, 100.25, 0.5, None, 200.0),
        (100.0, 1.0, 0.01, 100 + 1 / 3, 2 / 3, 2.0, 200.0),
    ]
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="bid"):
        frame.lazy().select(mid()).collect_schema()


@pytest.mark.parametrize("wrong", [None, 1, 1.5, {"a": 1}])
def test_what_is_no_column_is_named(wrong: Any) -> None:
    for name in COLUMNS:
        for function in EVERY.values():
            if name in inspect.signature(function).parameters:
                with pytest.raises(rb.RangeBarError, match=f"`{name}` must be a column name or an expression"):
                    function(**{name: wrong})


def test_wrong_levels_are_named() -> None:
    with pytest.raises(rb.RangeBarError, match="`bid_size` must have at least one level"):
        book_imbalance([], [])
    with pytest.raises(rb.RangeBarError, match="as many levels, got 2 and 1"):
        book_imbalance(["b1", "b2"], "a1")
    with pytest.raises(rb.RangeBarError, match="`ask_size` must be a column name or an expression, got 2"):
        book_imbalance(["b1", "b2"], ["a1", 2])


# --------------------------------------------------------------------------------- mids as fixed point


def opens(raw: list[tuple[int, int]], decimals: int) -> list[int]:
    """Prices in units of 1e-8 that range bars make of mids of quotes with so many decimals."""
    sides = [pl.Series(name, [q[i] / 10**decimals for q in raw]) for i, name in enumerate(("bid", "ask"))]
    frame = pl.DataFrame(sides).with_row_index("timestamp").cast({"timestamp": pl.Int64})
    trades = frame.with_columns(price=mid(), quantity=pl.lit(0.0), group="timestamp")
    bars = trades.rangebar.bars(250, by="group", time_unit="ms", include_incomplete=True).sort("group")
    return [round(Fraction(x) * 10**8) for x in bars["open"]]


@given(raw=st.lists(st.tuples(*[st.integers(1, 10**12)] * 2), min_size=1, max_size=30))
def test_mids_of_seven_decimals_are_kept(raw: list[tuple[int, int]]) -> None:
    assert opens(raw, 7) == [5 * (bid + ask) for bid, ask in raw]


@given(raw=st.lists(st.tuples(*[st.integers(1, 10**13)] * 2), min_size=1, max_size=30))
def test_mids_of_eight_decimals_lose_half_of_the_last_at_most(raw: list[tuple[int, int]]) -> None:
    assert all(abs(2 * price - sum(sides)) <= 1 for price, sides in zip(opens(raw, 8), raw, strict=True))


# --------------------------------------------------------------------------------------- forex, real


class Broker(NamedTuple):
    crossed: int
    locked: int
    last: tuple[str, str]  # quotes before the weekends
    first: tuple[str, str]  # quotes after them
    bars: dict[int, int]  # closed ones, by threshold


FOREX = {
    "fxcm": Broker(
        crossed=116_871,
        locked=142_462,
        last=("2014-05-02T20:59:11", "2014-05-09T20:59:11"),
        first=("2014-05-04T19:00:51", "2014-05-11T19:00:55"),
        bars={50: 356, 250: 18},
    ),
    "oanda": Broker(
        crossed=0,
        locked=0,
        last=("2014-05-02T20:59:58", "2014-05-09T20:59:58"),
        first=("2014-05-04T21:00:00", "2014-05-11T21:00:00"),
        bars={50: 353, 250: 17},
    ),
}
SATURDAYS = [dt.datetime(2014, 5, day, 12, tzinfo=dt.UTC) for day in (3, 10)]
brokers = pytest.mark.parametrize("broker", FOREX)


@pytest.fixture(scope="module")
def forex(shared: Path) -> Callable[[str], pl.LazyFrame]:
    folder = shared / "data" / "lean_fx_quotes_201405"
    return lambda broker: pl.scan_parquet(folder / f"{broker}_eurusd.parquet")


@engines
@brokers
def test_crossed_and_locked_quotes_of_eurusd(forex: Callable[[str], pl.LazyFrame], broker: str, engine: Engine) -> None:
    frame = forex(broker).with_columns(mid(), spread(), relative_spread()).collect(engine=engine)
    bid, ask = frame["bid"].to_numpy(), frame["ask"].to_numpy()
    crossed, locked = FOREX[broker].crossed, FOREX[broker].locked
    assert (frame["spread"] < 0).sum() == crossed == (bid > ask).sum()
    assert (frame["spread"] == 0).sum() == locked == (bid == ask).sum()
    assert np.array_equal(frame["mid"].to_numpy(), (bid + ask) / 2)
    assert np.array_equal(frame["spread"].to_numpy(), ask - bid)
    assert np.array_equal(frame["relative_spread"].to_numpy(), (ask - bid) / ((bid + ask) / 2))
    assert frame.select(pl.all().null_count()).row(0) == (0,) * frame.width
    assert forex(broker).filter(spread() >= 0).select(pl.len()).collect().item() == frame.height - crossed


@engines
@brokers
@pytest.mark.parametrize("threshold_dbps", [50, 250])
def test_forex_bars_from_bid_and_ask(
    forex: Callable[[str], pl.LazyFrame], broker: str, threshold_dbps: int, engine: Engine
) -> None:
    trades = forex(broker).with_columns(price=mid(), quantity=pl.lit(0.0))
    lazy = trades.rangebar.bars(threshold_dbps, max_gap="24h", **EVERY_BAR)
    bars = lazy.collect(engine=engine)
    reasons = bars["close_reason"]
    assert reasons.filter(reasons != "threshold").to_list() == ["gap", "gap", "end"]
    assert (reasons == "threshold").sum() == FOREX[broker].bars[threshold_dbps]
    orphans = reasons == "gap"
    ends, begins = bars["close_time"].filter(orphans), bars["open_time"].filter(orphans.shift(1, fill_value=False))
    assert tuple(ends.dt.strftime("%FT%T")) == FOREX[broker].last
    assert tuple(begins.dt.strftime("%FT%T")) == FOREX[broker].first
    assert ((bars["close_time"] - bars["open_time"]) < dt.timedelta(hours=72)).all()
    assert bars["agg_record_count"].sum() == trades.select(pl.len()).collect().item()
    assert bars["volume"].sum() == 0.0
    assert bars["vwap"].equals(bars["open"].rename("vwap"))
    # each bar moved by the threshold and not before, weekends aside
    moved = (bars["close"] / bars["open"] - 1).abs() * 100_000
    closed = reasons == "threshold"
    assert (moved.filter(closed) > threshold_dbps * 0.999).all()
    assert (moved.filter(~closed) < threshold_dbps).all()


@brokers
def test_without_a_gap_a_bar_reaches_over_the_weekend(forex: Callable[[str], pl.LazyFrame], broker: str) -> None:
    trades = forex(broker).with_columns(price=mid(), quantity=pl.lit(0.0))
    for options, over in (({}, 1), ({"max_gap": "24h", "include_orphans": True}, 0)):
        bars = trades.rangebar.bars(50, **options).collect()
        over_saturday = [((bars["open_time"] < noon) & (bars["close_time"] > noon)).sum() for noon in SATURDAYS]
        assert over_saturday == [over, over]


@brokers
def test_the_bars_around_a_weekend_are_those_of_the_oracle(forex: Callable[[str], pl.LazyFrame], broker: str) -> None:
    first = dt.datetime(2014, 5, 2, 20, tzinfo=dt.UTC)
    around = forex(broker).filter(pl.col("timestamp").is_between(first, first + dt.timedelta(days=2, hours=6)))
    trades = around.select("timestamp", price=mid(), quantity=pl.lit(0.0)).collect()
    expected = oracle_bars(trades, 20, max_gap="24h", **EVERY_BAR)
    assert expected["close_reason"].to_list().count("gap") == 1
    assert expected.height > 10
    assert_same_bars(trades.rangebar.bars(20, max_gap="24h", **EVERY_BAR), expected)


def test_a_live_feed_of_quotes(forex: Callable[[str], pl.LazyFrame]) -> None:
    trades = forex("oanda").select("timestamp", price=mid(), quantity=pl.lit(0.0)).collect()
    options = {"max_gap": "24h", "include_orphans": True}
    stream = rb.BarStream(100, **options)
    pushed = [stream.push(part) for part in trades.iter_slices(100_000)]
    assert_same_bars(
        pl.concat([*pushed, stream.finish()]), trades.rangebar.bars(100, include_incomplete=True, **options)
    )


# ---------------------------------------------------------------------------------------- books, real


@pytest.mark.parametrize("symbol", ["bac", "ibm"])
def test_one_sided_quotes_of_shares(shared: Path, symbol: str) -> None:
    """Every quote has one side. Filled forward, they are what the trades say stood before them, to the bit."""
    folder = shared / "data" / "lean_equity_taq_201310"
    raw = pl.read_parquet(folder / f"{symbol}_quotes.parquet", columns=["timestamp", *COLUMNS])
    one_sided = raw.select(every()).null_count().row(0)
    assert one_sided == (raw.height,) * len(EVERY)
    book = raw.with_columns(pl.col(COLUMNS).forward_fill()).with_columns(every())
    assert [book[name].null_count() for name in EVERY] == [1, 1, 1, 1, 1, 2]
    trades = pl.read_parquet(folder / f"{symbol}_trades.parquet", columns=["timestamp", "nbb", "nbo"])
    now = book.select("timestamp", "mid", "spread")
    seen = trades.join_asof(now, on="timestamp", allow_exact_matches=False).drop_nulls()
    assert seen.height > 100_000
    assert (seen["mid"] == (seen["nbb"] + seen["nbo"]) / 2).all()
    assert (seen["spread"] == seen["nbo"] - seen["nbb"]).all()
    assert (seen["spread"] < 0).sum() > 100
    assert book["book_imbalance"].drop_nulls().is_between(-1, 1).all()
    low, high = pl.min_horizontal("bid", "ask"), pl.max_horizontal("bid", "ask")
    assert book.select(pl.col("microprice").is_between(low, high).all()).item()


def test_flow_of_shares_against_a_loop(shared: Path) -> None:
    """Integer sizes: nothing is rounded. The first rows of a day, crossed ones among them, sizes as round lots."""
    quotes_of_ibm = pl.scan_parquet(shared / "data" / "lean_equity_taq_201310" / "ibm_quotes.parquet")
    book = quotes_of_ibm.select(pl.col(COLUMNS).forward_fill()).head(50_000).collect()
    assert (book["bid"] > book["ask"]).sum() > 0
    assert values(book, quote_ofi()) == flows(book.rows())


@pytest.fixture(scope="module")
def bitcoin(shared: Path) -> pl.DataFrame:
    """Six minutes of the best bid and ask of a future."""
    file = shared / "data" / "hftbacktest_binance_l2" / "usdm_btcusdt_20240808_bookticker.parquet"
    names = {"bid_price": "bid", "ask_price": "ask", "bid_qty": "bid_size", "ask_qty": "ask_size"}
    return pl.read_parquet(file).rename(names).select("timestamp", *COLUMNS)


@engines
def test_a_real_book_against_loops(bitcoin: pl.DataFrame, engine: Engine) -> None:
    out = bitcoin.lazy().select(every()).collect(engine=engine)
    bid, ask, on_bid, on_ask = (bitcoin[name].to_numpy() for name in COLUMNS)
    assert np.array_equal(out["mid"].to_numpy(), (bid + ask) / 2)
    assert np.array_equal(out["book_imbalance"].to_numpy(), (on_bid - on_ask) / (on_bid + on_ask))
    textbook = (bid * on_ask + ask * on_bid) / (on_bid + on_ask)
    assert np.allclose(out["microprice"].to_numpy(), textbook, rtol=1e-15, atol=0)
    assert out["quote_ofi"].to_list() == flows(bitcoin.select(COLUMNS).rows())


def test_what_the_papers_found(bitcoin: pl.DataFrame) -> None:
    """Flow moves the mid of its own second (Cont et al.); imbalance tells the side of the next move (Gould et al.)."""
    book = bitcoin.with_columns(mid(), book_imbalance(), quote_ofi())
    seconds = book.group_by_dynamic("timestamp", every="1s").agg(pl.col("quote_ofi").sum(), pl.col("mid").last())
    moves = seconds.with_columns(pl.col("mid").diff()).drop_nulls()
    assert moves.height > 300
    assert moves.select(pl.corr("quote_ofi", "mid")).item() == pytest.approx(0.628, abs=1e-3)
    changed = pl.when(pl.col("mid") != pl.col("mid").shift(-1)).then(pl.col("mid").shift(-1))
    ahead = book.with_columns(rises=changed.backward_fill() > pl.col("mid")).drop_nulls("rises")
    by_side = ahead.group_by((pl.col("book_imbalance") * 2).floor().clip(-2, 1).alias("half")).agg(pl.mean("rises"))
    shares = by_side.sort("half")["rises"].to_list()
    assert len(shares) == 4
    assert shares == sorted(shares)
    strong = ahead.filter(pl.col("book_imbalance").abs() > 0.8)
    assert strong.select(((pl.col("book_imbalance") > 0) == pl.col("rises")).mean()).item() > 0.8


def test_a_real_book_of_euros(shared: Path) -> None:
    file = shared / "data" / "dukascopy_node_ticks" / "eurusd_20190204.parquet"
    book = pl.read_parquet(file).with_columns(
        microprice(bid_size="bid_volume", ask_size="ask_volume"), book_imbalance("bid_volume", "ask_volume"), mid()
    )
    assert book.select(pl.col("microprice").is_between("bid", "ask").all()).item()
    side = (book["bid_volume"] - book["ask_volume"]).sign() * (book["ask"] > book["bid"])
    assert (book["book_imbalance"].sign() == (book["bid_volume"] - book["ask_volume"]).sign()).all()
    assert ((book["microprice"] - book["mid"]).sign() == side).all()
