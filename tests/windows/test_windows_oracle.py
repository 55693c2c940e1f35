"""Oracle layer, windows: the slow oracle itself, by hand and by what is known of its numbers."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests._oracle import MICROSECONDS, Cell, Trade, later, span, trades_of
from tests._registry import STATISTICS
from tests._window_oracle import earlier, horizon, hurst, path_times, statistics


def of(price: list[float], **columns: list[Any]) -> list[Trade]:
    """Trades a second apart."""
    quantity = columns.pop("quantity", [1.0] * len(price))
    return trades_of(columns.pop("time", [i * 10**6 for i in range(len(price))]), price, quantity, **columns)


HAND_MADE: list[tuple[str, list[Trade], Cell]] = [
    ("trade_count", of([100.0, 101.0]), 2),
    ("ofi", of([1.0] * 3, quantity=[3.0, 1.0, 0.0], is_buyer_maker=[False, True, True]), 0.5),
    ("ofi", of([1.0] * 2, quantity=[0.0, 0.0], is_buyer_maker=[False, True]), 0.0),
    ("ofi", of([1.0]), None),
    ("intensity", of([1.0] * 5), 1.25),
    ("intensity", of([1.0] * 5, time=[7] * 5), 5.0),
    ("vwap", of([100.0, 200.0], quantity=[3.0, 1.0]), 125.0),
    ("vwap", of([1e-8, 2e-8]), 1e-8),
    ("vwap", of([100.0], quantity=[0.0]), None),
    ("vwap_position", of([100.0, 200.0], quantity=[3.0, 1.0]), 0.25),
    ("vwap_position", of([100.0, 100.0]), 0.5),
    ("count_imbalance", of([1.0] * 4, is_buyer_maker=[True, True, True, False]), -0.5),
    ("kyle_lambda", of([100.0, 125.0], quantity=[3.0, 1.0], is_buyer_maker=[False, True]), 0.5),
    ("kyle_lambda", of([100.0, 125.0], is_buyer_maker=[False, True]), None),
    ("kyle_lambda", of([100.0], is_buyer_maker=[False]), None),
    ("burstiness", of([1.0] * 3), -1.0),
    ("burstiness", of([1.0] * 3, time=[0, 0, 8]), 0.0),
    ("burstiness", of([1.0] * 2), None),
    ("burstiness", of([1.0] * 4, time=[5] * 4), None),
    ("volume_skew", of([1.0] * 4, quantity=[0.0, 0.0, 0.0, 4.0]), 6 / 3**1.5),
    ("volume_skew", of([1.0] * 3), None),
    ("volume_kurt", of([1.0] * 4, quantity=[0.0, 0.0, 0.0, 4.0]), 21 / 9 - 3),
    ("volume_kurt", of([1.0] * 3, quantity=[1.0, 2.0, 3.0]), None),
    ("price_range", of([100.0, 103.0, 99.0]), 0.04),
    ("garman_klass_vol", of([100.0, 110.0, 100.0]), math.log(1.1) / math.sqrt(2)),
    ("kaufman_er", of([100.0, 102.0, 101.0]), 1 / 3),
    ("kaufman_er", of([100.0, 100.0]), None),
    ("permutation_entropy", of([1.0] * 60), 0.0),
    ("permutation_entropy", of([1.0] * 59), None),
    ("permutation_entropy", of([1.0, 2.0] * 31), math.log(2) / math.log(6)),
    ("hurst", of([1.0] * 64), None),
    ("hurst", of([1.0, 1.1] * 31), None),
]


@pytest.mark.parametrize(("name", "window", "value"), HAND_MADE)
def test_the_oracle_by_hand(name: str, window: list[Trade], value: Cell) -> None:
    got = statistics(window, "us")[name]
    assert got is None if value is None else got == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_the_oracle_of_nothing() -> None:
    assert statistics([], "us") == dict.fromkeys(STATISTICS)


def test_the_oracle_of_the_horizon_by_hand() -> None:
    cells = horizon(of([100.0, 109.0, 98.0, 130.0]))
    assert cells["max_drawdown"] == pytest.approx(11 / 109)
    assert cells["max_runup"] == pytest.approx(32 / 130)
    # 9 % do not beat the drawdown, 30 % do: one epoch, three rows from the first. Gains so far: 0.09, 0.09, 0.3.
    assert cells["bull_epoch_density"] == pytest.approx(1 / (1 + math.exp(2.5)))
    assert cells["bull_cv"] == pytest.approx(1 / (1 + math.exp(2.0)))
    assert cells["bull_excess_gain"] == pytest.approx(math.tanh(5 * 0.48))
    # The fall of two parts in a hundred never beats the run-up. Gains so far: none, 2 / 98, 2 / 98.
    assert cells["bear_epoch_density"] == pytest.approx(1 / (1 + math.exp(5.0)))
    assert cells["bear_cv"] == cells["bull_cv"]
    assert cells["bear_excess_gain"] == pytest.approx(math.tanh(5 * 4 / 98))


def test_the_oracle_of_path_times_by_hand() -> None:
    """The first of equals."""
    assert path_times(of([2.0, 3.0, 1.0, 3.0, 1.0])) == {"high_time": 10**6, "low_time": 2 * 10**6}


def test_the_oracle_of_the_exponent_of_known_walks() -> None:
    """Steps that alternate are bounded, those of one long wave are smooth: the exponents lie on either side of 1/2."""
    calm = [10**10 + 10**6 * (i * i % 7 - 3) for i in range(600)]
    smooth = [round(10**10 * (1 + 0.01 * math.sin(i / 200))) for i in range(600)]
    exponents = hurst(calm), hurst(smooth)
    assert exponents[0] is not None
    assert exponents[1] is not None
    assert exponents[0] < 0.2
    assert exponents[1] > 1.5


@given(
    time=st.integers(-(10**15), 4 * 10**15),
    length=st.sampled_from(["1ns", "5m", "1d", "1w", "1mo", "1q", "1y", "1mo1d", "1y3d5m"]),
)
def test_the_oracle_goes_back_as_polars_does(time: int, length: str) -> None:
    moved = pl.Series([time]).cast(pl.Datetime("ns", "UTC")).dt.offset_by(f"-{length}").to_physical()[0]
    assert earlier(time * MICROSECONDS["ns"], span(length)) / MICROSECONDS["ns"] == moved
    assert later(time * MICROSECONDS["ns"], span(length)) >= time * MICROSECONDS["ns"]
