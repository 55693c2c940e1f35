"""Oracle layer, statistics: against published implementations, the reference program, and textbook values."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import antropy
import numpy as np
import polars as pl
import pytest
import scipy.stats
from hypothesis import given

import rangebar_polars as rb
from tests._reference import reference_program, stands_still
from tests._registry import FEATURES, HORIZON, STATISTICS
from tests._routes import EVERY_BAR, assert_same_bars, group_rows
from tests._statistics import SINGLE, every, flat
from tests._window_oracle import hurst
from tests.strategies import Trades, any_trades

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

SEEDS = (1, 2, 3)
seeds = pytest.mark.parametrize("seed", SEEDS)


def of(expression: pl.Expr, **columns: Any) -> float:
    """The statistic of some columns."""
    value = pl.DataFrame(columns).select(expression).item()
    assert isinstance(value, float)
    return value


def prices_of_a_walk(seed: int, rows: int = 5_000, tick: float = 0.0) -> NDArray[np.float64]:
    """A geometric random walk in eight decimals; on a tick where one is given, so that neighbours are often equal."""
    steps = np.random.default_rng(seed).normal(0.0, 2e-4, rows)
    price = 40_000.0 * np.exp(np.cumsum(steps))
    return np.round(np.round(price / tick) * tick, 8) if tick else np.round(price, 8)


def lots(seed: int, rows: int = 5_000) -> NDArray[np.float64]:
    """Quantities with a heavy tail, in eight decimals."""
    return np.round(np.random.default_rng(seed).lognormal(-3.0, 1.5, rows), 8)


# ------------------------------------------------------------------------------------ antropy, scipy


@seeds
@pytest.mark.parametrize("tick", [0.0, 0.01, 5.0, 50.0])
@pytest.mark.parametrize("rows", [60, 61, 1_000, 5_000])
def test_permutation_entropy_is_that_of_antropy(seed: int, tick: float, rows: int) -> None:
    price = prices_of_a_walk(seed, rows, tick)
    assert tick < 5.0 or np.count_nonzero(np.diff(price) == 0) > rows // 10, "ties are many"
    expected = antropy.perm_entropy(price, order=3, delay=1, normalize=True)
    assert of(rb.permutation_entropy(), price=price) == pytest.approx(expected, rel=1e-12)


@seeds
@pytest.mark.parametrize("rows", [4, 5, 100, 5_000])
@pytest.mark.parametrize("scale", [1.0, 1e12])
def test_moments_are_those_of_scipy(seed: int, rows: int, scale: float) -> None:
    quantity = np.minimum(lots(seed, rows) * scale, 1e15)
    quantity = np.array([round(x * 1e8) / 1e8 for x in quantity])
    assert of(rb.volume_skew(), quantity=quantity) == pytest.approx(scipy.stats.skew(quantity), rel=1e-9, abs=1e-12)
    assert of(rb.volume_kurt(), quantity=quantity) == pytest.approx(scipy.stats.kurtosis(quantity), rel=1e-9, abs=1e-12)


def fluctuation_exponent(price: NDArray[np.float64]) -> float:
    """DFA-1 of log returns with numpy's own regressions."""
    returns = np.diff(np.log(price))
    profile = np.cumsum(returns - returns.mean())
    scales, fluctuations = [], []
    scale = 8
    while scale <= len(returns) // 4:
        segments = profile[: len(profile) // scale * scale].reshape(-1, scale)
        x = np.arange(scale)
        fits = [np.polyval(np.polyfit(x, segment, 1), x) for segment in segments]
        scales.append(scale)
        fluctuations.append(np.sqrt(np.mean((segments - np.array(fits)) ** 2)))
        scale = math.ceil(scale * 1.5)
    return float(np.polyfit(np.log(scales), np.log(fluctuations), 1)[0])


@seeds
@pytest.mark.parametrize("tick", [0.0, 5.0])
@pytest.mark.parametrize("rows", [64, 65, 1_000, 5_000])
def test_hurst_is_detrended_fluctuation_analysis(seed: int, tick: float, rows: int) -> None:
    price = prices_of_a_walk(seed, rows, tick)
    assert of(rb.hurst(), price=price) == pytest.approx(fluctuation_exponent(price), rel=1e-9)


NOISES = {
    # What the increments of the log price are made of, and the exponent that theory gives them.
    "white": (lambda noise: noise, 0.5),
    "summed": (lambda noise: np.cumsum(noise) / 30, 1.5),
    "differenced": (lambda noise: np.diff(noise, prepend=0.0), 0.0),
}


@seeds
@pytest.mark.parametrize("kind", NOISES)
def test_hurst_of_noises_that_theory_knows(seed: int, kind: str) -> None:
    """As far as antropy, which takes other scales, and theory agree."""
    make, exponent = NOISES[kind]
    returns = 1e-4 * make(np.random.default_rng(seed).normal(size=20_000))
    price = np.round(1e6 * np.exp(np.cumsum(returns)), 8)
    got = of(rb.hurst(), price=price)
    assert got == pytest.approx(exponent, abs=0.12)
    assert got == pytest.approx(antropy.detrended_fluctuation(np.diff(np.log(price))), abs=0.12)


# -------------------------------------------------------------------------------------------- numpy


@seeds
def test_prices_and_quantities_by_numpy(seed: int) -> None:
    price, quantity = prices_of_a_walk(seed, tick=0.01), lots(seed)
    sold = np.random.default_rng(seed + 100).random(len(price)) < 0.4
    columns = {"price": price, "quantity": quantity, "is_buyer_maker": sold}
    first, last, high, low = price[0], price[-1], price.max(), price.min()
    buy, sell = quantity[~sold].sum(), quantity[sold].sum()
    vwap = np.average(price, weights=quantity)
    log, turnover = np.log, price * quantity
    ofi = (buy - sell) / (buy + sell)
    expected = {
        "ofi": ofi,
        "turnover_imbalance": (turnover[~sold].sum() - turnover[sold].sum()) / turnover.sum(),
        "count_imbalance": 1 - 2 * sold.mean(),
        "aggression_ratio": (~sold).sum() / sold.sum(),
        "vwap": vwap,
        "vwap_position": (vwap - low) / (high - low),
        "vwap_close_deviation": (last - vwap) / (high - low),
        "price_impact": abs(last - first) / quantity.sum(),
        "kyle_lambda": (last - first) / first / ofi,
        "volume_per_trade": quantity.mean(),
        "price_range": (high - low) / first,
        "garman_klass_vol": np.sqrt(0.5 * log(high / low) ** 2 - (2 * log(2) - 1) * log(last / first) ** 2),
        "kaufman_er": abs(last - first) / np.abs(np.diff(price)).sum(),
        "max_drawdown": (1 - price / np.maximum.accumulate(price)).max(),
        "max_runup": (1 - np.minimum.accumulate(price) / price).max(),
    }
    for name, value in expected.items():
        assert of(SINGLE[name].expression(), **columns) == pytest.approx(value, rel=1e-9), name


@seeds
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_burstiness_by_numpy(seed: int, unit: Any) -> None:
    gaps = np.random.default_rng(seed).lognormal(8.0, 2.0, 4_000).astype(np.int64)
    gaps[::7] = 0
    time = 1_704_067_200_000 + np.cumsum(gaps)
    mean, deviation = np.diff(time).mean(), np.diff(time).std()
    got = of(rb.burstiness("t", time_unit=unit), t=time)
    assert got == pytest.approx((deviation - mean) / (deviation + mean), rel=1e-9)


@seeds
def test_burstiness_of_the_paper(seed: int) -> None:
    """Goh and Barabási: -1 of a clock, 0 of a Poisson process, towards 1 of heavy tails."""
    random = np.random.default_rng(seed)
    assert of(rb.burstiness("t", time_unit="us"), t=np.arange(1_000) * 977) == -1.0
    poisson = np.cumsum(random.exponential(1e6, 100_000)).astype(np.int64)
    assert of(rb.burstiness("t", time_unit="us"), t=poisson) == pytest.approx(0.0, abs=0.01)
    heavy = np.cumsum(random.pareto(1.1, 100_000) * 1e4).astype(np.int64)
    assert of(rb.burstiness("t", time_unit="us"), t=heavy) > 0.5


@seeds
def test_entropy_of_chance_is_one(seed: int) -> None:
    price = np.round(np.random.default_rng(seed).random(100_000) + 1.0, 8)
    assert of(rb.permutation_entropy(), price=price) == pytest.approx(1.0, abs=1e-3)


# ---------------------------------------------------------------------------------- the reference program


@pytest.fixture(scope="module")
def reference(shared: Path) -> ModuleType:
    return reference_program(shared)


def expected_of(reference: ModuleType, frame: pl.DataFrame) -> dict[str, float | int | None]:
    """Every cell of one group, named as `flat` names them; times are microseconds."""
    optional = ("is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id")
    columns = {name: frame[name].to_list() for name in optional if name in frame.columns}
    time = frame["timestamp"].to_physical().to_list()
    # The program keeps numbers of 8 decimals as doubles: decimals and integers are exact in them here.
    price, quantity = (frame[name].cast(pl.Float64).to_list() for name in ("price", "quantity"))
    trades = reference.Trades(time, price, quantity, **columns)
    n, p, q = frame.height, trades.p, trades.q
    bar = reference.Bar(0, n - 1, time[0], time[-1], p[0], max(p), min(p), p[-1], 0, 0, has_side=trades.has_side)
    for i in range(n):
        count = trades.last[i] - trades.first[i] + 1
        side = "sell" if trades.side[i] else "buy"
        for total, value in (("volume", q[i]), ("turnover", p[i] * q[i]), ("trades", count)):
            setattr(bar, total, getattr(bar, total) + value)
            setattr(bar, f"{side}_{total}", getattr(bar, f"{side}_{total}") + value)
        bar.rows += 1
    features = reference.bar_row(bar)
    window = reference.window_stats(trades, 0, n, "lookback")
    path = sum(abs(b - a) for a, b in pairwise(p))
    if path:  # of integers: differences of doubles lose the digits of small ticks
        window["lookback_kaufman_er"] = abs(p[-1] - p[0]) / path
    if window["lookback_hurst"] is not None and stands_still(p):
        window["lookback_hurst"] = hurst(p)
    block = reference.ith_stats(trades, 0, n)
    cells = {f"bar_features.{name}": features[name] for name in FEATURES}
    cells |= {f"window_features.{name}": window[f"lookback_{name}"] for name in STATISTICS}
    cells |= {f"horizon.{name}": block[f"intra_{name}"] for name in HORIZON}
    by_name = {name.partition(".")[2]: cell for name, cell in cells.items()}
    return cells | {name: by_name[name] for name in SINGLE}


def assert_is_reference(got: pl.DataFrame, expected: dict[str, float | int | None]) -> None:
    """Relative 1e-9, whole numbers exact; what cancels to nothing may be off by the rounding of its terms."""
    assert set(got.columns) <= set(expected)
    for name in got.columns:
        value, cell = got[name].item(), expected[name]
        if cell is None or isinstance(cell, int):
            assert value == cell, (name, value, cell)
        else:
            assert value is not None, name
            # Of prices that differ by a millionth, the logarithms of the steps have nine digits left.
            least = 1e-8 if name.endswith("hurst") else 1e-12
            assert math.isclose(value, cell, rel_tol=1e-9, abs_tol=least), (name, value, cell)


@given(case=any_trades(min_rows=1, repeats=(1, 2, 8)))
def test_every_cell_is_that_of_the_reference(reference: ModuleType, case: Trades) -> None:
    unit = case.options.get("time_unit")
    time = pl.col("timestamp")
    frame = case.frame.with_columns(
        time.cast(pl.Datetime(unit) if unit else case.frame.schema["timestamp"]).dt.cast_time_unit("us")
    )
    for rows in group_rows(frame, case.by):
        got = flat(frame[rows].select(every(frame.columns)))
        assert got.width >= len(STATISTICS) + len(FEATURES) + len(HORIZON) + len(SINGLE) - 3
        assert_is_reference(got, expected_of(reference, frame[rows]))


# --------------------------------------------------------------------------------------- one real day


@pytest.mark.parametrize("start", [0, 400_000, 800_000])
@pytest.mark.parametrize("rows", [1, 3, 63, 1_000, 20_000])
def test_real_trades_against_the_reference(
    reference: ModuleType, btcusdt_day: pl.DataFrame, start: int, rows: int
) -> None:
    frame = btcusdt_day.slice(start, rows)
    got = flat(frame.select(every(frame.columns)))
    assert_is_reference(got, expected_of(reference, frame))


def test_real_trades_against_antropy_and_scipy(btcusdt_day: pl.DataFrame) -> None:
    price, quantity = btcusdt_day["price"].to_numpy(), btcusdt_day["quantity"].to_numpy()
    got = btcusdt_day.select(rb.permutation_entropy(), rb.volume_skew(), rb.volume_kurt(), rb.hurst()).row(0)
    entropy = antropy.perm_entropy(price, order=3, delay=1, normalize=True)
    expected = (entropy, scipy.stats.skew(quantity), scipy.stats.kurtosis(quantity))
    assert got[:3] == pytest.approx(expected, rel=1e-9)
    assert got[3] == pytest.approx(antropy.detrended_fluctuation(np.diff(np.log(price))), abs=0.1)


def test_bars_of_a_real_day_are_the_expressions_over_their_trades(btcusdt_day: pl.DataFrame) -> None:
    """The law of `test_statistics_laws.py`, over bars of thousands of trades."""
    bars = btcusdt_day.rangebar.bars(250, **EVERY_BAR, intra=True)
    assert bars["intra_trade_count"].max() > 10_000
    assert bars["intra_hurst"].null_count() == 0
    got = flat(
        btcusdt_day.rangebar.with_bar_id(250)
        .group_by("bar_id", maintain_order=True)
        .agg(rb.bar_features(), rb.window_features(), rb.horizon())
    )
    for prefix, names, column in (
        ("bar_features", FEATURES, "{}"),
        ("window_features", [name for name in STATISTICS if name not in ("vwap", "price_range")], "intra_{}"),
        ("horizon", HORIZON, "intra_{}"),
    ):
        assert_same_bars(
            got.select(pl.col(f"{prefix}.{name}").alias(name) for name in names),
            bars.select(pl.col(column.format(name)).alias(name) for name in names),
        )
