"""Contract of `forward_return`: the return to the n-th bar after, against a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars.validation import forward_return

if TYPE_CHECKING:
    from collections.abc import Iterator


def oracle(prices: list[float | None], n: int) -> Iterator[float | None]:
    for i, price in enumerate(prices):
        ahead = prices[i + n] if i + n < len(prices) else None
        yield None if price is None or ahead is None else ahead / price - 1


@given(
    prices=st.lists(st.none() | st.floats(1e-6, 1e9), max_size=12),
    n=st.integers(1, 14),
    groups=st.lists(st.sampled_from("AB"), min_size=12, max_size=12),
)
def test_forward_return_by_hand(prices: list[float | None], n: int, groups: list[str]) -> None:
    frame = pl.DataFrame(
        {"symbol": groups[: len(prices)], "close": prices}, schema={"symbol": pl.String, "close": pl.Float64}
    )
    found = frame.select(forward_return(n))
    assert found.schema == {"forward_return": pl.Float64}
    assert found["forward_return"].to_list() == list(oracle(prices, n))
    expected: list[float | None] = [None] * len(prices)
    for group in "AB":
        rows = [row for row in range(len(prices)) if groups[row] == group]
        for at_row, value in zip(rows, oracle([prices[row] for row in rows], n), strict=True):
            expected[at_row] = value
    for expr in (forward_return(n, by="symbol"), forward_return(n, by=["symbol"]), forward_return(n).over("symbol")):
        assert frame.select(expr)["forward_return"].to_list() == expected
        assert frame.lazy().select(expr).collect(engine="streaming")["forward_return"].to_list() == expected


def test_forward_return_of_any_price() -> None:
    frame = pl.DataFrame({"whole": [4, 5, 4], "exact": pl.Series(["4.0", "5.0", "4.0"]).cast(pl.Decimal(10, 2))})
    for price in ("whole", "exact", pl.col("whole") * 2):
        assert frame.select(forward_return(1, price))["forward_return"].to_list() == [0.25, pytest.approx(-0.2), None]


@pytest.mark.parametrize("n", [0, -1, 1.0, True, None, "1"])
def test_forward_return_refuses_what_is_no_number_of_bars(n: Any) -> None:
    with pytest.raises(rb.RangeBarError, match="`n` must be an integer of at least 1"):
        forward_return(n)


def test_forward_return_refuses_other_parameters() -> None:
    with pytest.raises(rb.RangeBarError, match="`price` must be a column name or an expression, got 3"):
        forward_return(1, 3)
    for by in (3, [3], {"symbol"}):
        with pytest.raises(rb.RangeBarError, match="`by` takes a column name or a list of names"):
            forward_return(1, by=by)
