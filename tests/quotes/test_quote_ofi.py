"""Oracle layer, order flow of quotes: against its definition, slowly, and the laws that follow from it."""

from __future__ import annotations

import math

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rangebar_polars.order_book import quote_ofi
from tests._quotes import SIZES, flows, quotes, values
from tests._routes import Engine, engines

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
