"""Drive equivalence layer, laws: what holds for the bars of any valid trades."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import fixed, limits
from tests._routes import CLOSE_REASON, EVERY_BAR, ROUTES, assert_same_bars, eager, group_rows
from tests.strategies import SOME_LONG, Trades, any_trades, threshold_lists, trades

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

routes = pytest.mark.parametrize("route", ["eager", "lazy-streaming", "expression-in-memory"])


def groups(case: Trades, bars: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Trades and bars of each group; every bar belongs to one."""
    seen = 0
    for rows in group_rows(case.frame, case.by):
        part = case.frame[rows]
        keys = {name: part[name][0] for name in case.by} if part.height else {}
        own = bars.filter(*(pl.col(name) == key for name, key in keys.items())) if keys else bars
        seen += own.height
        yield part, own
    assert seen == bars.height


def halves(values: Sequence[float]) -> int:
    """Sum of multiples of one half, exact: a turnover may be off by the last bit of its double."""
    return sum(round(Fraction(x) * 2) for x in values)


@routes
@given(case=any_trades(exact=True))
def test_conservation(route: str, case: Trades) -> None:
    """Bars, orphans and forming ones too, hold every trade once; prices and quantities are multiples of one half."""
    bars = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    for part, own in groups(case, bars):
        individual = pl.Series([1] * part.height, dtype=pl.Int64)
        if "first_trade_id" in part.columns:
            individual = part["last_trade_id"] - part["first_trade_id"] + 1
        turnover = (part["price"] * part["quantity"]).to_list()
        assert own["agg_record_count"].sum() == part.height
        assert own["individual_trade_count"].sum() == individual.sum()
        assert halves(own["volume"].to_list()) == halves(part["quantity"].to_list())
        assert halves(own["turnover"].to_list()) == halves(turnover)
        if "is_buyer_maker" in part.columns:
            sides = {"sell": part["is_buyer_maker"], "buy": ~part["is_buyer_maker"]}
            for side, mask in sides.items():
                sums = part["quantity"].filter(mask).to_list(), pl.Series(turnover).filter(mask).to_list()
                assert halves(own[f"{side}_volume"].to_list()) == halves(sums[0])
                assert halves(own[f"{side}_turnover"].to_list()) == halves(sums[1])
                assert own[f"{side}_trade_count"].sum() == individual.filter(mask).sum()


@routes
@given(case=any_trades(repeats=SOME_LONG))
def test_shape_of_a_bar(route: str, case: Trades) -> None:
    bars = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    closed = pl.col("close_reason") == "threshold"
    allowed = ["threshold", "end"]
    allowed += ["reset"] if case.breaks.get("reset") is not None else []
    allowed += ["gap"] if case.breaks.get("max_gap") is not None else []
    broken = bars.filter(
        ~(
            (pl.col("low") <= pl.min_horizontal("open", "close", "vwap"))
            & (pl.col("high") >= pl.max_horizontal("open", "close", "vwap"))
            & (pl.col("open_time") <= pl.col("close_time"))
            & (pl.col("agg_record_count") >= pl.when(closed).then(2).otherwise(1))
            & (pl.col("first_agg_trade_id") <= pl.col("last_agg_trade_id"))
            & (pl.col("individual_trade_count") >= pl.col("agg_record_count"))
            & pl.col("close_reason").is_in(allowed)
        )
    )
    assert broken.is_empty()
    assert bars.select(pl.col(pl.Float64).is_finite().all()).row(0) == (True,) * len(
        bars.select(pl.col(pl.Float64)).columns
    )
    for _, own in groups(case, bars):
        assert own.head(-1).filter(pl.col("close_reason") == "end").is_empty()
        assert own["open_time"].is_sorted()


@given(case=any_trades(repeats=SOME_LONG))
def test_the_closing_trade_is_the_first_outside_the_limits(case: Trades) -> None:
    bars = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    for part, own in groups(case, bars):
        time, price = part["timestamp"].to_physical().to_list(), [fixed(x) for x in part["price"]]
        start = 0
        for count, reason in own.select("agg_record_count", "close_reason").iter_rows():
            lower, upper = limits(price[start], case.threshold_dbps)
            rows = range(start, start + count)
            closing = [
                i for i in rows[1:] if not lower < price[i] < upper and not (case.gate and time[i] == time[start])
            ]
            assert closing == ([rows[-1]] if reason == "threshold" else [])
            start += count


@routes
@given(case=any_trades(min_rows=1), share=st.floats(0.0, 1.0))
def test_bars_of_a_prefix_are_a_prefix_of_the_bars(route: str, case: Trades, share: float) -> None:
    """Nothing later than its closing trade influences a bar."""
    prefix = case.frame.head(int(share * case.frame.height))
    bars = ROUTES[route](case.frame, case.threshold_dbps, include_orphans=True, **case.bar_options)
    earlier = ROUTES[route](prefix, case.threshold_dbps, include_orphans=True, **case.bar_options)
    assert_same_bars(earlier, bars.head(earlier.height))


@given(case=any_trades(min_rows=2, max_keys=0))
def test_a_bar_by_itself_is_the_same_bar(case: Trades) -> None:
    """A bar depends on its own trades alone (but for the numbers that stand in for absent ids).

    Without the row that ended it an orphan is still forming.
    """
    bars = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    own = bars if "agg_trade_id" in case.frame.columns else bars.drop(pl.selectors.ends_with("trade_id"))
    forming = pl.when(pl.col("close_reason") == "threshold").then("close_reason").otherwise(pl.lit("end", CLOSE_REASON))
    own = own.with_columns(forming.alias("close_reason"))
    start = 0
    for number, count in enumerate(bars["agg_record_count"]):
        alone = eager(case.frame.slice(start, count), case.threshold_dbps, **case.bar_options, **EVERY_BAR)
        assert_same_bars(alone.select(own.columns), own[number])
        start += count


# --------------------------------------------------------------------------------------- metamorphic


@given(case=any_trades(exact=True), factor=st.sampled_from((2, 4, 0.5)))
def test_scaling_prices_scales_the_bars(case: Trades, factor: float) -> None:
    """Powers of two are exact; a threshold is a fraction of the open, so the bars are cut at the same trades.

    The limits are truncated to eight decimals: the threshold is one that leaves nothing to truncate.
    """
    threshold_dbps = 25_000
    bars = eager(case.frame, threshold_dbps, **case.bar_options, **EVERY_BAR)
    scaled = eager(case.frame.with_columns(pl.col("price") * factor), threshold_dbps, **case.bar_options, **EVERY_BAR)
    prices = ["open", "high", "low", "close", "turnover", "buy_turnover", "sell_turnover", "price_impact"]
    truncated = ["vwap", "vwap_close_deviation"]
    assert_same_bars(scaled.drop(truncated), bars.with_columns(pl.col(prices) * factor).drop(truncated))
    assert ((scaled["vwap"] - bars["vwap"] * factor).abs() < max(factor, 1.0) * 1.01e-8).all()


@given(case=trades(repeats=SOME_LONG), shift=st.integers(-(2**40), 2**40))
def test_shifting_time_shifts_the_bars(case: Trades, shift: int) -> None:
    def moved(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
        return frame.with_columns((pl.col(n).to_physical() + shift).cast(frame.schema[n]) for n in names)

    bars = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    shifted = eager(moved(case.frame, "timestamp"), case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    assert_same_bars(shifted, moved(bars, "open_time", "close_time"))


@given(case=any_trades(max_keys=1, min_keys=1), data=st.data())
def test_other_groups_do_not_matter(case: Trades, data: st.DataObject) -> None:
    """Leaving groups out leaves the bars of the others as they were, in their order."""
    kept = data.draw(st.sets(st.sampled_from(sorted(case.frame[case.by[0]].cast(pl.String).unique()) or [""])))
    keep = pl.col(case.by[0]).cast(pl.String).is_in(kept)
    bars = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    fewer = eager(case.frame.filter(keep), case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    assert_same_bars(fewer, bars.filter(keep))


@given(case=any_trades(repeats=SOME_LONG))
def test_swapping_sides_swaps_the_columns(case: Trades) -> None:
    assume("is_buyer_maker" in case.frame.columns)
    pairs = [
        ("buy_volume", "sell_volume"),
        ("buy_turnover", "sell_turnover"),
        ("buy_trade_count", "sell_trade_count"),
    ]
    swap = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    bars = eager(case.frame, case.threshold_dbps, features=[], **case.bar_options, **EVERY_BAR)
    swapped = case.frame.with_columns(~pl.col("is_buyer_maker"))
    got = eager(swapped, case.threshold_dbps, features=[], **case.bar_options, **EVERY_BAR)
    assert_same_bars(got, bars.rename(swap).select(bars.columns))


@given(case=any_trades(min_rows=1, max_keys=0, repeats=SOME_LONG), data=st.data())
def test_every_row_has_a_bar_whatever_the_threshold(case: Trades, data: st.DataObject) -> None:
    """Numbers of bars start at 0 and rise by one behind every bar that ended."""
    threshold = data.draw(threshold_lists(case))[0]
    ids = rb.range_bar_id("timestamp", "price", threshold_dbps=threshold, **case.id_options)
    numbers = case.frame.select(ids.alias("bar"))["bar"]
    assert numbers.null_count() == 0
    steps = numbers.cast(pl.Int64).diff().drop_nulls()
    assert steps.is_in([0, 1]).all()
    assert numbers[0] == 0
    bars = eager(case.frame, threshold, **case.bar_options, **EVERY_BAR)
    assert numbers[-1] == bars.height - 1
