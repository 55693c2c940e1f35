"""Contract layer, quotes: contexts of the expressions, names and orders of arguments, mids as prices of bars."""

from __future__ import annotations

import inspect
import itertools
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars.order_book import book_imbalance, microprice, mid, quote_ofi, relative_spread, spread
from tests._quotes import BY_HAND, COLUMNS, EVERY, FLOW_BY_HAND, ROW_BY_ROW, every, quotes, values
from tests._routes import Engine, engines

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
        microprice("b", "a", bid_size="bq", ask_size=pl.col("aq")),
        book_imbalance("bq", "aq"),
        quote_ofi("b", "a", bid_size="bq", ask_size="aq"),
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


FEEDS = [
    ("bid", "ask", "bid_size", "ask_size"),
    ("bid_price", "ask_price", "bid_qty", "ask_qty"),  # Binance, which sends them in another order
    ("bidPrice", "askPrice", "bidQty", "askQty"),
    ("best_bid", "best_ask", "best_bid_amount", "best_ask_amount"),
]


@pytest.mark.parametrize("names", FEEDS, ids=lambda names: names[0])
@pytest.mark.parametrize("name", EVERY)
def test_no_order_of_arguments_passes_unnoticed(name: str, names: tuple[str, ...]) -> None:
    """Whatever columns of a feed are given in whatever order: the right values, or an error."""
    function, frame = EVERY[name], quotes(*(quote for quote, _ in FLOW_BY_HAND))
    right = values(frame, function())
    feed = frame.rename(dict(zip(COLUMNS, names, strict=True)))
    parameters = list(inspect.signature(function).parameters)
    taken = 0
    for number in range(1, 5):
        for order in itertools.permutations(names, number):
            named = [dict(zip(parameters, order, strict=True))] if number == len(parameters) else []
            for options in ({}, *named):
                try:
                    got = values(feed, function(**options) if options else function(*order))
                except (TypeError, rb.RangeBarError, pl.exceptions.ColumnNotFoundError):
                    continue
                assert got == right, (order, options)
                taken += 1
    assert taken > 0


def test_what_an_order_of_arguments_is_told() -> None:
    feed = ("bid_price", "bid_qty", "ask_price", "ask_qty")
    for function in (microprice, quote_ofi):
        with pytest.raises(TypeError, match="takes from 0 to 2 positional arguments but 4"):
            function(*feed)  # type: ignore[call-arg]
    with pytest.raises(rb.RangeBarError, match="`bid_qty` is given for `ask`, but its name suggests another part"):
        microprice("bid_price", "bid_qty")
    with pytest.raises(rb.RangeBarError, match="`ask_price` is given for `bid`"):
        spread("ask_price", pl.col("bid_price"))
    with pytest.raises(rb.RangeBarError, match="`mid` is given for `bid` and for `ask`: each needs its own column"):
        spread("mid", "mid")
    with pytest.raises(rb.RangeBarError, match="`b1` is given for `bid_size` and for `ask_size`"):
        book_imbalance(["b1", "b2"], ["a1", "b1"])
    # No word of a side or a kind, and words that only hold one.
    assert isinstance(mid("nbb", "nbo"), pl.Expr)
    assert isinstance(spread("basket", "forbidden"), pl.Expr)
    assert isinstance(microprice("bid_price_by_size", "ask", bid_size=pl.lit(1), ask_size=pl.lit(1)), pl.Expr)


def test_wrong_levels_are_named() -> None:
    with pytest.raises(rb.RangeBarError, match="`bid_size` must have at least one level"):
        book_imbalance([], [])
    with pytest.raises(rb.RangeBarError, match="the same number of levels, got 2 and 1"):
        book_imbalance(["b1", "b2"], "a1")
    with pytest.raises(rb.RangeBarError, match="`ask_size` must be a column name or an expression, got 2"):
        book_imbalance(["b1", "b2"], ["a1", 2])


# --------------------------------------------------------------------------------- mids as fixed point


def opens(raw: list[tuple[int, int]], decimals: int) -> list[int]:
    """Prices in units of 1e-8 that range bars make of mids of quotes with so many decimals."""
    sides = [pl.Series(name, [q[i] / 10**decimals for q in raw]) for i, name in enumerate(("bid", "ask"))]
    frame = pl.DataFrame(sides).with_row_index("timestamp").cast({"timestamp": pl.Int64})
    trades = frame.with_columns(price=mid(), quantity=pl.lit(0.0), group="timestamp")
    bars = trades.rangebar.bars(100_000, by="group", time_unit="ms", include_incomplete=True).sort("group")
    return [round(Fraction(x) * 10**8) for x in bars["open"]]


@given(raw=st.lists(st.tuples(*[st.integers(1, 10**12)] * 2), min_size=1, max_size=30))
def test_mids_of_seven_decimals_are_kept(raw: list[tuple[int, int]]) -> None:
    assert opens(raw, 7) == [5 * (bid + ask) for bid, ask in raw]


@given(raw=st.lists(st.tuples(*[st.integers(500_000, 10**13)] * 2), min_size=1, max_size=30))
def test_mids_of_eight_decimals_lose_half_of_the_last_at_most(raw: list[tuple[int, int]]) -> None:
    """Of lower prices that half is more than a millionth, and refused."""
    assert all(abs(2 * price - sum(sides)) <= 1 for price, sides in zip(opens(raw, 8), raw, strict=True))
