"""Contract of the statistics of `validate`: what is there is found, and noise is as seldom called more as is said."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from rangebar_polars.validation import forward_return, validate
from rangebar_polars.validation._correlation import centred, correlation
from rangebar_polars.validation._dependence import mutual_information, rank_correlation
from rangebar_polars.validation._libraries import libraries
from rangebar_polars.validation._limits import Limits
from rangebar_polars.validation._sample import sample, thinned
from rangebar_polars.validation._stationarity import stationarity
from tests._validation import THRESHOLD, bars_of_a_walk, noise, row

np = pytest.importorskip("numpy")
spearmanr = pytest.importorskip("scipy.stats").spearmanr
student_t = pytest.importorskip("scipy.stats").t
adfuller = pytest.importorskip("statsmodels.tsa.stattools").adfuller
pytest.importorskip("sklearn.feature_selection")

LIMITS = Limits(significance=0.05, max_correlation=0.95, max_forward_correlation=0.5, min_bars=30)


def test_white_noise_is_stationary_and_a_random_walk_is_not() -> None:
    random = np.random.default_rng(5)
    steps = random.normal(size=1_000)
    frame = bars_of_a_walk(
        1_000,
        1,
        white=random.normal(size=1_000),
        wandering=steps.cumsum(),
        drawn_back=[sum(0.5**k * steps[i - k] for k in range(min(i + 1, 30))) for i in range(1_000)],
        constant=np.ones(1_000),
        jump=[0.0] * 999 + [1.0],
        huge=random.normal(size=1_000) * 1e200,
        tiny=random.normal(size=1_000) * 1e-200,
        counts=random.integers(0, 3, size=1_000),
    )
    report = validate(frame, by="symbol").filter(check="stationarity")
    passed = dict(report.select("column", "passed").rows())
    assert passed.pop("jump") is not True, "one step, at the end: the regression is singular"
    assert passed == {
        "white": True,
        "wandering": False,
        "drawn_back": True,
        "constant": None,
        "huge": True,
        "tiny": True,
        "counts": True,
    }
    assert "take differences" in row(report, "stationarity", "wandering")["meaning"]
    assert "constant" in row(report, "stationarity", "constant")["meaning"]
    assert row(report, "stationarity", "white")["limit"] == 0.05


def test_random_walks_pass_as_stationary_about_as_often_as_stated() -> None:
    random = np.random.default_rng(11)
    walks = {f"walk_{number}": random.normal(size=150).cumsum() for number in range(150)}
    checks = list(stationarity(bars_of_a_walk(150, 1, **walks), [], list(walks), libraries(), LIMITS))
    passed = sum(check.passed is True for check in checks)
    assert 1 <= passed <= 17  # 7.5 expected; AIC makes the test reject a little more often


def test_the_worst_group_counts() -> None:
    random = np.random.default_rng(3)
    wandering = np.concatenate([random.normal(size=400), random.normal(size=400).cumsum()])
    report = validate(bars_of_a_walk(400, 1, groups=2, x=wandering), by="symbol")
    found = row(report, "stationarity", "x")
    assert found["passed"] is False
    assert "the worst of 2 groups, symbol='S1'" in found["meaning"]


def test_pure_noise_is_called_related_as_seldom_as_stated() -> None:
    found_in = 0
    for seed in range(200):
        frame = bars_of_a_walk(120, seed, **noise(120, 8, 1_000 + seed))
        of = sample(frame, [], [name for name in frame.columns if "noise" in name], 1)
        checks = list(rank_correlation(of, libraries(), LIMITS))
        found_in += any(check.passed for check in checks if check.check == "rank_correlation")
        assert all(check.passed for check in checks if check.check == "leakage")
    assert 2 <= found_in <= 19  # 10 expected, if the eight are one family


def test_pure_noise_exceeds_chance_as_seldom_as_stated() -> None:
    passed = 0
    for seed in range(16):
        frame = bars_of_a_walk(120, seed, **noise(120, 5, 1_000 + seed))
        of = sample(frame, [], [name for name in frame.columns if "noise" in name], 1)
        passed += sum(check.passed is True for check in mutual_information(of, libraries(), LIMITS))
    assert 1 <= passed <= 10  # 4 of 80 expected


def test_overlapping_returns_do_not_make_noise_related() -> None:
    """A slow feature beside returns of 20 bars: taken as independent rows, most of them look related."""
    related = related_if_independent = 0
    for seed in range(40):
        slow = np.convolve(np.random.default_rng(seed).normal(size=1_239), np.ones(40), mode="valid")
        frame = bars_of_a_walk(1_200, 500 + seed, slow=slow)
        of = sample(frame, [], ["slow"], 20)
        assert len(of.forward) == 59
        rows = frame.select("slow", forward_return(20)).drop_nulls()
        related_if_independent += spearmanr(rows["slow"].to_numpy(), rows["forward_return"].to_numpy()).pvalue <= 0.05
        related += sum(
            c.passed is True for c in rank_correlation(of, libraries(), LIMITS) if c.check == "rank_correlation"
        )
    assert related <= 7  # 2 expected
    assert related_if_independent > 15


def test_levels_of_groups_make_no_relation() -> None:
    """Symbols differ in the level of a feature and in their drift; within each there is no relation."""
    level = np.repeat([0.0, 100.0], 400) + np.random.default_rng(1).normal(size=800)
    frame = bars_of_a_walk(400, 2, groups=2, x=level)
    drift = pl.when(symbol="S1").then(1.002 ** pl.col("close_time")).otherwise(1.0)
    report = validate(frame.with_columns(close=pl.col("close") * drift), by="symbol", features=["x"])
    assert row(report, "rank_correlation", "x")["passed"] is False
    assert row(report, "mutual_information", "x")["passed"] is False


def test_a_feature_that_knows_the_future_is_found() -> None:
    frame = bars_of_a_walk(500, 1, **noise(500, 3, 2))
    leaked = frame.with_columns(leak=forward_return(3), leak_of_size=forward_return(3).abs())
    report = validate(leaked, by="symbol", horizon=3)
    assert row(report, "rank_correlation", "leak")["passed"]
    assert row(report, "leakage", "leak")["passed"] is False
    assert row(report, "leakage", "leak")["value"] == pytest.approx(1.0)
    assert "knows the future" in row(report, "leakage", "leak")["meaning"]
    assert row(report, "mutual_information", "leak")["passed"]
    assert row(report, "mutual_information", "leak_of_size")["passed"], "a relation that does not rise or fall"
    assert row(report, "rank_correlation", "noise_0")["passed"] is False


def test_p_values_are_corrected_for_the_number_of_features() -> None:
    """A feature with a little in it is found alone, not among four hundred of noise."""
    frame = bars_of_a_walk(200, 9, **noise(200, 400, 3))
    forward = frame.select(forward_return().fill_null(0.0) / 0.001).to_series().to_numpy()
    little = 0.2 * forward + np.random.default_rng(4).normal(size=200)
    frame = frame.with_columns(little=pl.Series(little))
    names = [name for name in frame.columns if "noise" in name]
    p_values = [
        next(check for check in rank_correlation(of, libraries(), LIMITS) if check.column == "little").value
        for of in (sample(frame, [], ["little"], 1), sample(frame, [], ["little", *names], 1))
    ]
    assert p_values[0] is not None
    assert p_values[1] is not None
    assert p_values[0] < 0.05 < p_values[1]


def test_values_are_those_of_scipy_and_statsmodels() -> None:
    frame = bars_of_a_walk(300, 1, **noise(300, 1, 5)).with_columns(
        x=pl.when(pl.int_range(pl.len()) % 7 > 0).then(pl.col("noise_0") + forward_return().fill_null(0.0) * 300)
    )
    report = validate(frame, by="symbol", features=["x"])
    pairs = frame.select("x", y=pl.col("close").shift(-1) / pl.col("close") - 1).drop_nulls()
    result = spearmanr(pairs["x"].to_numpy(), pairs["y"].to_numpy())
    assert row(report, "leakage", "x")["value"] == pytest.approx(abs(result.statistic))
    ranks = [spearman_ranks([pairs[name].to_list()]) for name in ("x", "y")]
    p_value = by_definition(ranks[0], ranks[1])
    assert row(report, "rank_correlation", "x")["value"] == pytest.approx(p_value)
    assert result.pvalue <= p_value < 1.5 * result.pvalue, "noise without persistence: nearly that of independent rows"
    series = frame["x"].drop_nulls().to_numpy()
    p = adfuller(series, result_object=True).pvalue
    assert row(report, "stationarity", "x")["value"] == pytest.approx(p, rel=1e-6)


def spearman_ranks(groups: list[list[float]]) -> list[list[float]]:
    """Mean ranks within each group over its length + 1, less 1/2."""
    return [
        [
            (sum((other < value) + (other == value) / 2 for other in group) + 0.5) / (len(group) + 1) - 0.5
            for value in group
        ]
        for group in groups
    ]


def by_definition(x: list[list[float]], y: list[list[float]]) -> float:
    """The p-value of the correlation of ranks in groups, pair by pair."""
    rows = [(group, place) for group, values in enumerate(x) for place in range(len(values))]
    lags = min(30, len(rows) // 3)
    within: dict[tuple[int, int], list[tuple[float, float]]] = {}
    between: dict[int, list[tuple[float, float]]] = {}
    for first, (g, i) in enumerate(rows):
        for lag in range(min(lags, len(rows) - 1 - first) + 1):
            h, j = rows[first + lag]
            products = (x[g][i] * x[h][j], y[g][i] * y[h][j])
            (within.setdefault((lag, g), []) if g == h else between.setdefault(lag, [])).append(products)
    variance = 0.0
    for lag, pairs in [*((lag, pairs) for (lag, _), pairs in within.items()), *between.items()]:
        both = sum(of_x for of_x, _ in pairs) * sum(of_y for _, of_y in pairs) / len(pairs)
        variance += both * min(1.0, 2 - 2 * lag / (lags + 1)) * (2 if lag else 1)
    flat_x, flat_y = ([value for group in of for value in group] for of in (x, y))
    squares = sum(a * a for a in flat_x) * sum(b * b for b in flat_y)
    rho = sum(a * b for a, b in zip(flat_x, flat_y, strict=True)) / squares**0.5
    most = len(rows) - len(x)
    independent = most if variance <= squares / most else squares / variance
    freedom = max(independent - 1, 1)
    return float(2 * student_t.sf(abs(rho) * (freedom / (1 - rho**2)) ** 0.5, freedom))


@pytest.mark.parametrize("sizes", [[40], [20, 25], [3] * 20, [1, 2, 30, 1, 5, 9], [2] * 15])
def test_p_values_are_those_of_the_definition(sizes: list[int]) -> None:
    random = np.random.default_rng(len(sizes))
    group = np.repeat(np.arange(len(sizes)), sizes)
    slow = np.cumsum(random.normal(size=(2, len(group))), axis=1)
    for x, y in (slow, random.integers(0, 4, size=(2, len(group))), [slow[0], slow[0] + slow[1]]):
        found = correlation(centred(x, group), centred(y, group), group, libraries())
        ranks = [spearman_ranks([list(of[group == number]) for number in range(len(sizes))]) for of in (x, y)]
        assert found.p_value == pytest.approx(by_definition(ranks[0], ranks[1]))
        assert found.independent <= found.rows - len(sizes)


def persistent(rows: int, columns: int, memory: float, random: Any) -> Any:
    """Gaussian noise whose value depends on the last one: AR(1)."""
    steps = random.normal(size=(rows + 500, columns))
    for number in range(1, rows + 500):
        steps[number] += memory * steps[number - 1]
    return steps[500:].T


def false_positives(returns: Any, bars_a_group: int, memory: float) -> tuple[float, float]:
    """Shares of features of noise, one a row of returns, that are called related: here, and of independent bars."""
    trials, rows = returns.shape
    group = np.arange(rows) // (bars_a_group or rows)
    found = naive = 0
    for feature, forward in zip(persistent(rows, trials, memory, np.random.default_rng(rows)), returns, strict=True):
        x, y = centred(feature, group), centred(forward, group)
        found += correlation(x, y, group, libraries()).p_value <= LIMITS.significance
        naive += spearmanr(x, y).pvalue <= LIMITS.significance
    return found / trials, naive / trials


TRIALS = 240
MOST = 0.078
"""Two standard errors of so many trials above 5 %."""
CASES = [(0, 0.9), (0, 0.99), (3, 0.0), (5, 0.9), (10, 0.9)]
"""Bars a group (0: one group) and memory of the noise, where independent bars would be far too many."""


@pytest.mark.parametrize(("bars_a_group", "memory"), CASES)
def test_slow_noise_is_called_related_as_seldom_as_stated(bars_a_group: int, memory: float) -> None:
    """Returns that persist, as those of range bars do."""
    returns = persistent(600, TRIALS, 0.5, np.random.default_rng(8))
    found, naive = false_positives(returns, bars_a_group, memory)
    assert 0.01 <= found <= MOST < naive


@pytest.mark.parametrize(("bars_a_group", "memory"), CASES)
def test_slow_noise_on_a_real_day(bars_a_group: int, memory: float, btcusdt_day: pl.DataFrame) -> None:
    bars = btcusdt_day.rangebar.bars(25, features=[])
    forward = bars.select(forward_return()).to_series().drop_nulls().to_numpy()
    found, naive = false_positives(np.broadcast_to(forward, (TRIALS, len(forward))), bars_a_group, memory)
    assert 0.01 <= found <= MOST < naive


def test_a_planted_signal_is_found_as_often_as_before() -> None:
    """A feature without memory that holds a little of the return, beside returns that persist."""
    random = np.random.default_rng(3)
    forward = persistent(400, 1, 0.5, random)[0]
    group = np.zeros(400, dtype=np.int64)
    y = centred(forward, group)
    found = before = 0
    for noise_of_one in random.normal(size=(200, 400)):
        x = centred(noise_of_one + 0.15 * forward, group)
        found += correlation(x, y, group, libraries()).p_value <= 0.05
        before += spearmanr(x, y).pvalue <= 0.05
    assert before > 100
    assert found >= 0.95 * before
    slow = centred(persistent(400, 1, 0.9, random)[0] + 3.0 * forward, group)
    assert correlation(slow, y, group, libraries()).p_value < 1e-6


def test_every_symbol_has_a_say_in_the_mutual_information() -> None:
    """Two symbols in turns: every second row of the frame is one symbol alone."""
    frame = pl.concat(
        [bars_of_a_walk(1_001, seed, x=np.random.default_rng(seed).normal(size=1_001)) for seed in (1, 2)]
    )
    frame = frame.with_columns(symbol=pl.int_range(pl.len()) // 1_001).sort("close_time", maintain_order=True)
    frame = frame.with_columns(x=pl.when(symbol=1).then(forward_return(by="symbol")).otherwise("x"))
    of = sample(frame, ["symbol"], ["x"], 1)
    assert np.bincount(thinned(of.group, 1_000)).tolist() == [500, 500]
    report = validate(frame, by="symbol", features=["x"])
    assert row(report, "mutual_information", "x")["passed"]


def test_pairs_that_say_the_same() -> None:
    frame = bars_of_a_walk(200, 1, **noise(200, 3, 2)).with_columns(
        cubed=pl.col("noise_1") ** 3, mirrored=-pl.col("noise_2")
    )
    report = validate(frame, by="symbol").filter(check="feature_pairs")
    assert set(report["column"]) == {"noise_1 ~ cubed", "noise_2 ~ mirrored"}
    assert report["passed"].to_list() == [False, False]
    assert report["value"].to_list() == pytest.approx([1.0, 1.0])
    apart = validate(frame, by="symbol", features=["noise_0", "noise_1", "noise_2"]).filter(check="feature_pairs")
    assert apart["passed"].to_list() == [True]
    assert apart["value"][0] < 0.3
    assert "the closest of all pairs" in apart["meaning"][0]
    alone = validate(frame, by="symbol", features=["noise_0"]).filter(check="feature_pairs")
    assert alone.select("column", "passed").rows() == [(None, None)]


def test_statistics_do_without_bars_that_still_form_and_values_that_are_not_finite() -> None:
    frame = bars_of_a_walk(100, 1, **noise(100, 1, 5)).with_columns(close_reason=pl.lit("threshold"))
    last = frame[-1:].with_columns(close_reason=pl.lit("end"), close=pl.lit(1e6), high=pl.lit(1e6), noise_0=pl.lit(9.0))
    names = ["stationarity", "rank_correlation", "leakage", "mutual_information"]
    of = [
        validate(bars, by="symbol").filter(pl.col("check").is_in(names)) for bars in (frame, pl.concat([frame, last]))
    ]
    assert_frame_equal(of[0], of[1])
    spoiled = frame.with_columns(
        noise_0=pl.when(pl.int_range(pl.len()) == 5)
        .then(float("inf"))
        .when(pl.int_range(pl.len()) == 9)
        .then(float("nan"))
        .otherwise("noise_0")
    )
    lacking = spoiled.with_columns(noise_0=pl.when(pl.col("noise_0").is_finite()).then("noise_0"))
    of = [validate(bars, by="symbol").filter(pl.col("check").is_in(names)) for bars in (spoiled, lacking)]
    assert_frame_equal(of[0], of[1])


def test_the_same_bars_give_the_same_report(bars: pl.DataFrame) -> None:
    eager = validate(bars, by="symbol", threshold_dbps=THRESHOLD, features=["ofi", "intra_hurst"])
    assert_frame_equal(
        validate(bars.lazy(), by=["symbol"], threshold_dbps=THRESHOLD, features=["ofi", "intra_hurst"]), eager
    )
    chunks = pl.concat([bars[:100], bars[100:]], rechunk=False)
    assert_frame_equal(validate(chunks, by="symbol", threshold_dbps=THRESHOLD, features=["ofi", "intra_hurst"]), eager)


def test_groups_one_after_the_other_or_interleaved(bars: pl.DataFrame) -> None:
    apart = bars.sort("symbol", maintain_order=True)
    names = ["stationarity", "rank_correlation", "leakage"]
    of = [validate(b, by="symbol", features=["ofi"]).filter(pl.col("check").is_in(names)) for b in (bars, apart)]
    assert_frame_equal(of[0].drop("meaning"), of[1].drop("meaning"))


def test_thinned_rows_are_evenly_spread() -> None:
    assert thinned(np.arange(10), 4).tolist() == [0, 2, 5, 7]
    assert thinned(pl.DataFrame({"x": range(10)}), 4)["x"].to_list() == [0, 2, 5, 7]
    assert thinned(np.arange(4), 4).tolist() == [0, 1, 2, 3]
    assert thinned(np.arange(10), 6, 2).tolist() == [0, 1, 3, 4, 6, 7]
    assert thinned(np.arange(7), 6, 3).tolist() == [0, 1, 2, 3, 4, 5]
