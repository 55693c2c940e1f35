"""Oracle layer: bars that reach over the blocks of 1,024 rows in which the library works."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests._routes import ROUTES, assert_same_bars, oracle_bars

BLOCK = 1_024


@st.composite
def calm_trades(draw: st.DrawFn) -> tuple[pl.DataFrame, list[int]]:
    """Prices within the limits but in a few rows, most of them beside the edge of a block; and those rows."""
    rows = draw(st.integers(BLOCK - 2, 3 * BLOCK + 2))
    near_edges = st.builds(lambda block, off: block * BLOCK + off, st.integers(0, 3), st.integers(-2, 2))
    moves = draw(st.sets(st.one_of(near_edges, st.integers(1, rows - 1)), min_size=1, max_size=6))
    closing = sorted(row for row in moves if 0 < row < rows)
    pattern = draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    prices = [100.0 + pattern[i % len(pattern)] / 1_000 for i in range(rows)]
    for row in closing:
        prices[row] = draw(st.sampled_from((90.0, 110.0)))
    unit = draw(st.sampled_from((1.0, 1e-8, 1e15 / 6)))  # narrow and wide sums
    wide = draw(st.sets(st.integers(0, rows - 1), max_size=3))
    quantities = [unit * pattern[-1 - i % len(pattern)] for i in range(rows)]
    for row in wide:
        quantities[row] = 1e15
    waits = draw(st.lists(st.integers(0, 1), min_size=1, max_size=5))
    times = pl.Series([waits[i % len(waits)] for i in range(rows)], dtype=pl.Int64).cum_sum()
    frame = pl.DataFrame(
        {
            "timestamp": times.cast(pl.Datetime("ns")),
            "price": prices,
            "quantity": quantities,
            "is_buyer_maker": [pattern[(i // 3) % len(pattern)] % 2 == 0 for i in range(rows)],
        }
    )
    return frame, closing


@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("route", ["eager", "lazy-streaming", "expression-in-memory"])
@given(drawn=calm_trades())
def test_every_cell_of_bars_longer_than_a_block(route: str, gate: bool, drawn: tuple[pl.DataFrame, list[int]]) -> None:
    frame, closing = drawn
    options = {"include_incomplete": True, "same_timestamp_gate": gate}
    expected = oracle_bars(frame, 5_000, **options)
    assert_same_bars(ROUTES[route](frame, 5_000, **options), expected)
    if not gate:
        # A price that moved away and stays opens a bar that the way back closes.
        assert expected["close_reason"].to_list().count("threshold") >= min(len(closing), 1)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 7])
def test_a_bar_of_a_given_length(route: str, length: int) -> None:
    """Three bars of this very length and a forming one of a block."""
    prices = ([100.0] * (length - 1) + [110.0]) * 3 + [100.0] * BLOCK
    times = pl.Series(range(len(prices)), dtype=pl.Int64).cast(pl.Datetime("us"))
    frame = pl.DataFrame({"timestamp": times, "price": prices, "quantity": [0.5] * len(prices)})
    bars = ROUTES[route](frame, 5_000, include_incomplete=True)
    assert bars["agg_record_count"].to_list() == [length] * 3 + [BLOCK]
    assert_same_bars(bars, oracle_bars(frame, 5_000, include_incomplete=True))
