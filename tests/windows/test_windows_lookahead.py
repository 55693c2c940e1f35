"""Contract of windows: no trade that comes later, nor one at the time of the open, changes a bit of a bar."""

from __future__ import annotations

import itertools
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._registry import LOOKBACK
from tests._routes import EVERY_BAR, ROUTES, assert_same_bars, eager
from tests._window_oracle import Lookback
from tests._windows import windows
from tests.strategies import SOME_LONG, Trades, any_trades


def closed_at(bars: pl.DataFrame) -> list[int]:
    """The last rows of the closed bars among all bars of one group."""
    ends = list(itertools.accumulate(bars["agg_record_count"]))
    return [end - 1 for end, reason in zip(ends, bars["close_reason"], strict=True) if reason == "threshold"]


@pytest.mark.parametrize("route", ["eager", "lazy-streaming", "expression-in-memory"])
@given(case=any_trades(min_rows=1), asked=windows(), share=st.floats(0.0, 1.0))
def test_bars_of_a_prefix_are_a_prefix_of_the_bars(
    route: str, case: Trades, asked: dict[str, Any], share: float
) -> None:
    """Trades behind a bar's closing trade may be deleted or added."""
    prefix = case.frame.head(int(share * case.frame.height))
    options = case.bar_options | asked | {"include_orphans": True}
    bars = ROUTES[route](case.frame, case.threshold_dbps, **options)
    earlier = ROUTES[route](prefix, case.threshold_dbps, **options)
    assert_same_bars(earlier, bars.head(earlier.height))


@given(case=any_trades(min_rows=3, max_keys=0, repeats=SOME_LONG), asked=windows(), data=st.data())
def test_whatever_comes_later_changes_no_bit_of_a_closed_bar(
    case: Trades, asked: dict[str, Any], data: st.DataObject
) -> None:
    """Later trades at other prices, of other sizes and sides, at later times, some of them left out."""
    options = case.bar_options | EVERY_BAR | asked
    bars = eager(case.frame, case.threshold_dbps, **options)
    ends = closed_at(bars)
    assume(ends)
    end = data.draw(st.sampled_from(ends))
    wait, every = data.draw(st.integers(0, 10**6)), data.draw(st.integers(1, 3))
    tail = case.frame.slice(end + 1).gather_every(every)
    changed = tail.with_columns(
        *(pl.col(name).reverse() for name in ("price", "quantity", "is_buyer_maker") if name in tail.columns),
        (pl.col("timestamp").to_physical() + wait).cast(case.frame.schema["timestamp"]),
    )
    got = eager(pl.concat([case.frame.head(end + 1), changed]), case.threshold_dbps, **options)
    kept = bars["agg_record_count"].cum_sum().to_list().index(end + 1) + 1
    assert_same_bars(got.head(kept), bars.head(kept))


@given(
    case=any_trades(min_rows=3, max_keys=0),
    lookback=st.sampled_from([1, 3, 70, "1d", "1mo", rb.Bars(2)]),
    data=st.data(),
)
def test_a_window_before_a_bar_sees_no_trade_of_its_open_time(
    case: Trades, lookback: Lookback, data: st.DataObject
) -> None:
    """Whatever was traded at the time of the open or later, in bars before it too, may have any size and side."""
    options = case.bar_options | EVERY_BAR | {"lookback": lookback}
    bars = eager(case.frame, case.threshold_dbps, **options)
    number = data.draw(st.integers(0, bars.height - 1))
    open_time = bars["open_time"].to_physical()[number]
    later = pl.col("timestamp").to_physical() >= open_time
    sizes = case.frame.schema["quantity"]
    changed = case.frame.with_columns(
        pl.when(later).then(pl.lit(0).cast(sizes)).otherwise("quantity").alias("quantity"),
        *(pl.col(name).xor(later).alias(name) for name in ("is_buyer_maker",) if name in case.frame.columns),
    )
    got = eager(changed, case.threshold_dbps, **options)
    names = ["open_time", *LOOKBACK]
    assert_same_bars(got[number].select(names), bars[number].select(names))
