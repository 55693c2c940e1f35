"""Contract of `validate` and `forward_return`: every check fails on bars broken in its way, and on no others."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars.validation import forward_return, validate
from rangebar_polars.validation._bounds import BASE, bounds
from rangebar_polars.validation._dependence import mutual_information, rank_correlation
from rangebar_polars.validation._libraries import libraries
from rangebar_polars.validation._limits import Limits
from rangebar_polars.validation._sample import sample, thinned
from rangebar_polars.validation._stationarity import stationarity

if TYPE_CHECKING:
    from collections.abc import Iterator

np = pytest.importorskip("numpy")
spearmanr = pytest.importorskip("scipy.stats").spearmanr
adfuller = pytest.importorskip("statsmodels.tsa.stattools").adfuller
pytest.importorskip("sklearn.feature_selection")

THRESHOLD = 100
OF_SIDES = ("ofi", "kyle_lambda_proxy", "aggression_ratio", "turnover_imbalance")
LIMITS = Limits(significance=0.05, max_correlation=0.95, max_forward_correlation=0.5, min_bars=30)
Failure = tuple[str, str | None]


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """Some 150 bars of each of two symbols, interleaved, with columns of features that other tests break."""
    trades = rb.datasets.sample_trades(120_000, symbols=["BTCUSDT", "ETHUSDT"]).sort("timestamp", maintain_order=True)
    made = trades.rangebar.bars(THRESHOLD, by="symbol")
    half = pl.lit(0.5)
    return made.with_columns(
        high_time=pl.col("close_time"),
        low_time=pl.col("open_time"),
        intra_hurst=pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.col("ofi")),
        intra_permutation_entropy=pl.col("ofi").abs(),
        intra_max_drawdown=half * pl.col("ofi").abs(),
        intra_volume_kurt=pl.col("ofi") - 1,
        lookback_trade_count=pl.col("agg_record_count"),
        lookback_vwap_position=half + half * pl.col("ofi"),
    )


def structural(bars: Any, **options: Any) -> pl.DataFrame:
    return validate(bars, **({"by": "symbol", "threshold_dbps": THRESHOLD, "statistics": False} | options))


def failures(report: pl.DataFrame) -> set[Failure]:
    return set(report.filter(~pl.col("passed")).select("check", "column").rows())


def row(report: pl.DataFrame, check: str, column: str | None) -> dict[str, Any]:
    of = report.filter(pl.col("check") == check, pl.col("column").eq_missing(column))
    assert of.height == 1, (check, column)
    return of.row(0, named=True)


def at(number: int, value: Any) -> Any:
    """The value in one row, the column as it is in the others: a function of the column's name."""
    return lambda name: pl.when(pl.int_range(pl.len()) == number).then(value).otherwise(pl.col(name)).alias(name)


# ---------------------------------------------------------------------------------------- good bars


def test_good_bars_pass_every_check(bars: pl.DataFrame) -> None:
    report = structural(bars)
    assert report.schema == {
        "check": pl.String,
        "column": pl.String,
        "passed": pl.Boolean,
        "value": pl.Float64,
        "limit": pl.Float64,
        "meaning": pl.String,
    }
    assert report["passed"].all(ignore_nulls=False)
    assert report.select("check", "column").is_unique().all()
    assert not report.select(pl.col("check", "meaning", "value", "limit").is_null().any()).row(0).count(True)


@pytest.mark.parametrize("symbols", [["BTCUSDT"], ["BTCUSDT", "ETHUSDT", "DOGEUSDT"]])
@pytest.mark.parametrize(
    "options",
    [{}, {"same_timestamp_gate": False}, {"is_buyer_maker": None}, {"reset": "1d", "include_orphans": True}],
    ids=str,
)
def test_good_bars_of_any_kind_pass(symbols: list[str], options: dict[str, Any]) -> None:
    trades = rb.datasets.sample_trades(40_000, symbols=symbols, seed=3)
    for dbps in (7, 250):
        made = trades.rangebar.bars(dbps, by="symbol", **options)
        expected = {("nulls", name) for name in OF_SIDES} if "is_buyer_maker" in options else set()
        assert failures(structural(made, threshold_dbps=dbps)) - {("bars", None)} == expected


def test_good_bars_with_windows_pass() -> None:
    trades = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT", "DOGEUSDT"], seed=5)
    for lookback in (5, 500, "5m"):
        made = trades.rangebar.bars(25, by="symbol", intra=True, lookback=lookback, reset="1d", include_orphans=True)
        report = structural(made, threshold_dbps=25)
        without = {("nulls", f"lookback_{name}") for name in ("hurst", "permutation_entropy")}
        assert failures(report) <= without | {("constant", "lookback_trade_count")}
        assert {"intra_bull_cv", "lookback_hurst"} <= set(report.filter(check="constant")["column"])
        judged = report.filter(pl.col("check") == "time_in_bar", pl.col("column").is_in(["high_time", "low_time"]))
        assert judged.height == 2


def test_bars_of_a_real_day_pass(btcusdt_day: pl.DataFrame) -> None:
    made = btcusdt_day.rangebar.bars(25, intra=True, lookback=500)
    assert validate(made, threshold_dbps=25, statistics=False)["passed"].all(ignore_nulls=False)


def test_what_the_docs_say_of_a_real_day(btcusdt_day: pl.DataFrame) -> None:
    """Most bars close in the midst of an order that fills in many trades: the rest of it looks like a forecast."""
    made = btcusdt_day.rangebar.bars(50)
    later = pl.col("close").shift(-1) / pl.col("open").shift(-1) - 1
    rows = made.with_columns(forward_return(), later=later, gap=pl.col("open_time").shift(-1) - pl.col("close_time"))
    rows = rows.drop_nulls(["forward_return"])
    from_close, from_open = (spearmanr(rows["ofi"], rows[label]).statistic for label in ("forward_return", "later"))
    assert (round((rows["gap"] == timedelta()).mean(), 2), round(from_close, 2), round(from_open, 2)) == (
        0.8,
        0.33,
        0.08,
    )


def test_several_thresholds_are_keys() -> None:
    trades = rb.datasets.sample_trades(40_000)
    made = trades.rangebar.bars([50, 100], features=["ofi"])
    good = validate(made, by="threshold_dbps", statistics=False)
    assert good["passed"].all(ignore_nulls=False)
    assert ("threshold", "close") in good.select("check", "column").rows()
    assert ("group_keys", "threshold_dbps") in failures(validate(made, statistics=False))
    mislabelled = made.with_columns(threshold_dbps=pl.col("threshold_dbps") * 2)
    assert failures(validate(mislabelled, by="threshold_dbps", statistics=False)) == {("threshold", "close")}
    with pytest.raises(rb.RangeBarError, match="leave the parameter out"):
        validate(made, by="threshold_dbps", threshold_dbps=50, statistics=False)


def test_the_base_columns_are_those_of_bars() -> None:
    made = rb.datasets.sample_trades(10_000).rangebar.bars([50, 100], features=[])
    assert set(made.columns) == set(BASE)


def test_a_column_that_is_not_there_is_not_judged(bars: pl.DataFrame) -> None:
    few = bars.select("symbol", "close_time", "open", "high", "low", "close", "ofi")
    report = structural(few)
    assert report["passed"].all(ignore_nulls=False)
    assert {name for name in report["column"] if name is not None} == set(few.columns) - {"symbol"}
    for name in ("close_time", "open", "high", "low", "close"):
        with pytest.raises(rb.RangeBarError, match=f"column `{name}` not found"):
            structural(few.drop(name))


# -------------------------------------------------------------------------------- bars broken in one way

BREAKS: dict[str, tuple[Any, set[Failure]]] = {
    "null in a price": (at(7, None)("vwap"), {("nulls", "vwap")}),
    "null in the reason": (at(7, None)("close_reason"), {("nulls", "close_reason")}),
    "null time": (at(7, None)("high_time"), set()),
    "feature without values": (pl.lit(None, pl.Float64).alias("ofi"), {("nulls", "ofi")}),
    "a side without a value": (
        at(7, None)("buy_volume"),
        {
            (
                "nulls",
                "buy_volume, sell_volume, buy_turnover, sell_turnover, buy_trade_count, sell_trade_count",
            )
        },
    ),
    "infinite feature": (at(7, float("inf"))("price_impact"), {("infinities", "price_impact")}),
    "NaN feature": (at(7, float("nan"))("ofi"), {("infinities", "ofi")}),
    "minus infinity": (at(7, float("-inf"))("intra_volume_kurt"), {("infinities", "intra_volume_kurt")}),
    "infinite turnover": (at(7, float("inf"))("turnover"), {("infinities", "turnover")}),
    "ofi above": (at(7, 1.001)("ofi"), {("bounds", "ofi")}),
    "ofi below": (at(7, -1.001)("ofi"), {("bounds", "ofi")}),
    "entropy above": (at(7, 1.001)("intra_permutation_entropy"), {("bounds", "intra_permutation_entropy")}),
    "drawdown below": (at(7, -0.001)("intra_max_drawdown"), {("bounds", "intra_max_drawdown")}),
    "kurtosis below": (at(7, -2.1)("intra_volume_kurt"), {("bounds", "intra_volume_kurt")}),
    "empty window": (at(7, 0)("lookback_trade_count"), {("bounds", "lookback_trade_count")}),
    "vwap position above": (at(7, 1.1)("lookback_vwap_position"), {("bounds", "lookback_vwap_position")}),
    "aggression above": (at(7, 101.0)("aggression_ratio"), {("bounds", "aggression_ratio")}),
    "duration below": (at(7, -1)("duration_us"), {("bounds", "duration_us")}),
    "no row": (at(7, 0)("agg_record_count"), {("bounds", "agg_record_count"), ("id_continuity", "agg_record_count")}),
    "volume below": (at(7, -1.0)("volume"), {("bounds", "volume"), ("sides", "volume")}),
    "price of nothing": (at(7, 0.0)("low"), {("bounds", "low")}),
    "high below low": (
        [at(7, pl.col("low"))("high"), at(7, pl.col("high"))("low")],
        {("ohlc_order", name) for name in ("high", "open", "close", "vwap")},
    ),
    "open outside": (at(7, pl.col("high") * 1.02)("open"), {("ohlc_order", "open")}),
    "close outside": (at(7, pl.col("high") * 1.02)("close"), {("ohlc_order", "close")}),
    "vwap outside": (at(7, pl.col("low") * 0.9999)("vwap"), {("ohlc_order", "vwap")}),
    "sold less": (at(7, pl.col("volume"))("sell_volume"), {("sides", "volume")}),
    "turnover of one side": (at(7, pl.col("turnover") * 2)("buy_turnover"), {("sides", "turnover")}),
    "a trade of no side": (
        at(7, pl.col("buy_trade_count") + 1)("buy_trade_count"),
        {("sides", "individual_trade_count")},
    ),
    "high after the bar": (
        at(7, pl.col("close_time") + timedelta(seconds=1))("high_time"),
        {("time_in_bar", "high_time")},
    ),
    "low before the bar": (
        at(7, pl.col("open_time") - timedelta(seconds=1))("low_time"),
        {("time_in_bar", "low_time")},
    ),
    "opens early": (
        [at(7, pl.col("open_time") - timedelta(days=1))("open_time")],
        {("time_order", "open_time")},
    ),
    "opens after it closes": (
        [at(7, pl.col("close_time") + timedelta(microseconds=1))("open_time")],
        {("time_in_bar", "close_time"), ("time_in_bar", "low_time"), ("time_in_bar", "high_time")},
    ),
    "ids within a bar": (
        at(7, pl.col("last_agg_trade_id") + 1)("first_agg_trade_id"),
        {("id_order", "last_agg_trade_id"), ("id_continuity", "first_agg_trade_id")},
    ),
    "ids of two bars": (
        [at(7, pl.col("first_agg_trade_id") - 1)("first_agg_trade_id")],
        {("id_order", "first_agg_trade_id"), ("id_continuity", "agg_record_count")},
    ),
    "a row less": (at(7, pl.col("agg_record_count") - 1)("agg_record_count"), {("id_continuity", "agg_record_count")}),
    "still forming": (at(7, pl.lit("end"))("close_reason"), {("unfinished", "close_reason")}),
    "constant": (pl.lit(0.5).alias("ofi"), {("constant", "ofi")}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_bars_broken_in_one_way_fail_there_and_nowhere_else(bars: pl.DataFrame, name: str) -> None:
    broken, expected = BREAKS[name]
    spoiled = bars.with_columns(broken).cast({"close_reason": bars.schema["close_reason"]})
    report = structural(spoiled)
    assert failures(report) == expected
    for check, column in expected - {("constant", "ofi"), ("nulls", "ofi")}:
        found = row(report, check, column)
        assert (found["value"], found["limit"]) == (1.0, 0.0)
        assert "not in 1 of" in found["meaning"]
        assert "first in row " in found["meaning"]


def test_the_first_broken_bar_is_named(bars: pl.DataFrame) -> None:
    spoiled = bars.with_columns(ofi=pl.when(pl.int_range(pl.len()).is_in([41, 50])).then(2.0).otherwise("ofi"))
    found = row(structural(spoiled), "bounds", "ofi")
    assert found["value"] == 2.0
    assert found["meaning"].startswith(f"-1 <= `ofi` <= 1, but not in 2 of {bars.height} bars, first in row 41: ")


def test_a_close_that_falls_short_of_the_threshold(bars: pl.DataFrame) -> None:
    assert ("threshold", "close") in failures(structural(bars, threshold_dbps=THRESHOLD + 300))
    near = bars.with_columns(at(7, pl.col("open") * 1.0009)("close"), at(7, pl.col("open") * 1.01)("high"))
    assert failures(structural(near)) == {("threshold", "close")}
    orphan = near.with_columns(at(7, pl.lit("reset"))("close_reason").cast(bars.schema["close_reason"]))
    assert failures(structural(orphan)) == set()
    found = row(structural(bars, threshold_dbps=None), "threshold", "close")
    assert found["passed"] is None
    assert "give `threshold_dbps`" in found["meaning"]


@given(
    opened=st.integers(1, 2**63 - 2**57),
    dbps=st.integers(1, 100_000),
    short=st.integers(0, 1),
    sign=st.sampled_from([-1, 1]),
)
def test_the_threshold_to_the_last_unit(opened: int, dbps: int, short: int, sign: int) -> None:
    """Exact while a double holds units of 1e-8; above, never a false alarm."""
    distance = opened * dbps // 100_000
    closed = opened + sign * (distance - short)
    if not 0 < closed < 2**63:
        return
    prices = [raw / 1e8 for raw in (opened, closed)]
    bar = pl.DataFrame(
        {"close_time": [1], "open": [prices[0]], "high": [max(prices)], "low": [min(prices)], "close": [prices[1]]}
    )
    found = row(validate(bar, threshold_dbps=dbps, statistics=False), "threshold", "close")
    if not (short and distance):
        assert found["passed"]
    elif max(opened, closed) < 2**52:
        assert not found["passed"]


def test_time_that_goes_back(bars: pl.DataFrame) -> None:
    one = bars.filter(symbol="BTCUSDT")
    swapped = pl.concat([one[:10], one[11:12], one[10:11], one[12:]])
    order = {("time_order", "close_time"), ("time_order", "open_time")}
    assert failures(structural(swapped)) == order | {
        ("id_order", "first_agg_trade_id"),
        ("id_continuity", "first_agg_trade_id"),
    }
    assert failures(structural(one.reverse())) >= order


def test_bars_that_stand_there_twice(bars: pl.DataFrame) -> None:
    doubled = pl.concat([bars[:20], bars[19:]])
    report = structural(doubled)
    assert ("duplicates", None) in failures(report)
    assert row(report, "duplicates", None)["value"] == 1.0
    assert "first in row 20" in row(report, "duplicates", None)["meaning"]


def test_missing_bars_and_orphans_left_out(bars: pl.DataFrame) -> None:
    holed = bars.filter(pl.int_range(pl.len()) != 30)
    report = structural(holed)
    assert failures(report) == {("id_continuity", "first_agg_trade_id")}
    assert "include_orphans=True" in row(report, "id_continuity", "first_agg_trade_id")["meaning"]
    trades = rb.datasets.sample_trades(60_000, start=datetime(2024, 1, 1, 23, tzinfo=UTC))
    for include_orphans, holes in ((True, set()), (False, {("id_continuity", "first_agg_trade_id")})):
        made = trades.rangebar.bars(THRESHOLD, by="symbol", reset="1d", include_orphans=include_orphans)
        assert failures(structural(made)) == holes


def test_groups_that_are_not_named(bars: pl.DataFrame) -> None:
    report = validate(bars, threshold_dbps=THRESHOLD)
    assert ("group_keys", "symbol") in failures(report)
    assert "is not in `by`" in row(report, "group_keys", "symbol")["meaning"]
    statistics = report.filter(
        pl.col("check").is_in(["stationarity", "rank_correlation", "mutual_information", "leakage"])
    )
    assert statistics.height > 0
    assert statistics["passed"].null_count() == statistics.height
    assert "not in the order of time" in statistics["meaning"][0]
    one = bars.filter(symbol="BTCUSDT")
    assert failures(validate(one, threshold_dbps=THRESHOLD, statistics=False)) == set()


def test_trades_without_sides_are_no_fault_of_the_bars() -> None:
    made = rb.datasets.sample_trades(60_000).rangebar.bars(THRESHOLD, by="symbol", is_buyer_maker=None)
    report = structural(made, features=["duration_us"])
    assert failures(report) == set()
    found = row(report, "nulls", "buy_volume")
    assert found["value"] == found["limit"] == made.height
    assert row(report, "bounds", "buy_volume")["passed"] is None
    assert failures(structural(made)) == {("nulls", name) for name in OF_SIDES}


def test_nulls_of_short_windows_are_counted_not_failed(bars: pl.DataFrame) -> None:
    found = row(structural(bars), "nulls", "intra_hurst")
    assert found["passed"]
    assert found["value"] == bars["intra_hurst"].null_count() > 0
    assert "windows too short" in found["meaning"]


def test_every_bound_is_one_of_a_known_column() -> None:
    assert bounds("intra_permutation_entropy") == bounds("lookback_kaufman_er") == (0.0, 1.0)
    assert bounds("intra_hurst") is bounds("lookback_volume_skew") is bounds("mine") is None
    assert bounds("permutation_entropy") is None


# --------------------------------------------------------------------------------------- statistics


def walk(rows: int, seed: int, groups: int = 1, step: float = 0.001, **features: Any) -> pl.DataFrame:
    """Bars whose closes are a random walk; features as given, one after the other group."""
    random = np.random.default_rng(seed)
    close = np.concatenate([100 * np.exp(np.cumsum(random.normal(scale=step, size=rows))) for _ in range(groups)])
    return pl.DataFrame(
        {
            "symbol": [f"S{group}" for group in range(groups) for _ in range(rows)],
            "close_time": [second for _ in range(groups) for second in range(rows)],
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            **features,
        }
    )


def noise(rows: int, columns: int, seed: int) -> dict[str, Any]:
    values = np.random.default_rng(seed).normal(size=(columns, rows))
    return {f"noise_{number}": values[number] for number in range(columns)}


def test_white_noise_is_stationary_and_a_random_walk_is_not() -> None:
    random = np.random.default_rng(5)
    steps = random.normal(size=1_000)
    frame = walk(
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
    checks = list(stationarity(walk(150, 1, **walks), [], list(walks), libraries(), LIMITS))
    passed = sum(check.passed is True for check in checks)
    assert 1 <= passed <= 17  # 7.5 expected; AIC makes the test reject a little more often


def test_the_worst_group_counts() -> None:
    random = np.random.default_rng(3)
    wandering = np.concatenate([random.normal(size=400), random.normal(size=400).cumsum()])
    report = validate(walk(400, 1, groups=2, x=wandering), by="symbol")
    found = row(report, "stationarity", "x")
    assert found["passed"] is False
    assert "the worst of 2 groups, symbol='S1'" in found["meaning"]


def test_pure_noise_is_called_related_as_seldom_as_stated() -> None:
    found_in = 0
    for seed in range(200):
        frame = walk(120, seed, **noise(120, 8, 1_000 + seed))
        of = sample(frame, [], [name for name in frame.columns if "noise" in name], 1)
        checks = list(rank_correlation(of, libraries(), LIMITS))
        found_in += any(check.passed for check in checks if check.check == "rank_correlation")
        assert all(check.passed for check in checks if check.check == "leakage")
    assert 2 <= found_in <= 19  # 10 expected, if the eight are one family


def test_pure_noise_exceeds_chance_as_seldom_as_stated() -> None:
    passed = 0
    for seed in range(16):
        frame = walk(120, seed, **noise(120, 5, 1_000 + seed))
        of = sample(frame, [], [name for name in frame.columns if "noise" in name], 1)
        passed += sum(check.passed is True for check in mutual_information(of, libraries(), LIMITS))
    assert 1 <= passed <= 10  # 4 of 80 expected


def test_overlapping_returns_do_not_make_noise_related() -> None:
    """A slow feature beside returns of 20 bars: taken as independent rows, most of them look related."""
    related = related_if_independent = 0
    for seed in range(40):
        slow = np.convolve(np.random.default_rng(seed).normal(size=1_239), np.ones(40), mode="valid")
        frame = walk(1_200, 500 + seed, slow=slow)
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
    frame = walk(400, 2, groups=2, x=level)
    drift = pl.when(symbol="S1").then(1.002 ** pl.col("close_time")).otherwise(1.0)
    report = validate(frame.with_columns(close=pl.col("close") * drift), by="symbol", features=["x"])
    assert row(report, "rank_correlation", "x")["passed"] is False
    assert row(report, "mutual_information", "x")["passed"] is False


def test_a_feature_that_knows_the_future_is_found() -> None:
    frame = walk(500, 1, **noise(500, 3, 2))
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
    frame = walk(200, 9, **noise(200, 400, 3))
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
    frame = walk(300, 1, **noise(300, 1, 5)).with_columns(
        x=pl.when(pl.int_range(pl.len()) % 7 > 0).then(pl.col("noise_0") + forward_return().fill_null(0.0) * 300)
    )
    report = validate(frame, by="symbol", features=["x"])
    pairs = frame.select("x", y=pl.col("close").shift(-1) / pl.col("close") - 1).drop_nulls()
    result = spearmanr(pairs["x"].to_numpy(), pairs["y"].to_numpy())
    assert row(report, "leakage", "x")["value"] == pytest.approx(abs(result.statistic))
    assert row(report, "rank_correlation", "x")["value"] == pytest.approx(result.pvalue)
    series = frame["x"].drop_nulls().to_numpy()
    p = adfuller(series, result_object=True).pvalue
    assert row(report, "stationarity", "x")["value"] == pytest.approx(p, rel=1e-6)


def test_pairs_that_say_the_same() -> None:
    frame = walk(200, 1, **noise(200, 3, 2)).with_columns(cubed=pl.col("noise_1") ** 3, mirrored=-pl.col("noise_2"))
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
    frame = walk(100, 1, **noise(100, 1, 5)).with_columns(close_reason=pl.lit("threshold"))
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


def test_a_query_runs_once() -> None:
    runs = []
    frame = walk(60, 1, **noise(60, 1, 1))

    def counted(batch: pl.DataFrame) -> pl.DataFrame:
        runs.append(batch.height)
        return batch

    validate(frame.lazy().map_batches(counted), by="symbol")
    assert runs == [60]


@pytest.mark.parametrize("rows", [0, 1, 2, 29, 31])
def test_few_bars(bars: pl.DataFrame, rows: int) -> None:
    few = bars.filter(symbol="BTCUSDT").head(rows)
    report = validate(few, by="symbol", threshold_dbps=THRESHOLD, features=["ofi", "intra_hurst"])
    assert row(report, "bars", None)["passed"] is (rows >= 30)
    statistical = report.filter(
        pl.col("check").is_in(["stationarity", "rank_correlation", "leakage", "mutual_information"])
    )
    assert statistical.height == 8
    judged = statistical.filter(pl.col("passed").is_not_null())
    assert set(judged["column"]) == ({"ofi"} if rows == 31 else set())
    assert statistical.filter(column="intra_hurst")["meaning"].str.contains("30 are needed").all()
    if rows == 0:
        assert report["passed"].drop_nulls().to_list() == [False], "nothing holds of no bars but that there are none"
    else:
        on_noise = {("rank_correlation", "ofi"), ("mutual_information", "ofi")}
        assert failures(report) - on_noise <= {("bars", None), ("nulls", "intra_hurst")}


def test_which_columns_are_features(bars: pl.DataFrame) -> None:
    def judged(**options: Any) -> list[str]:
        return (
            structural(bars.with_columns(text=pl.lit("x"), yes=True), **options)
            .filter(check="constant")["column"]
            .to_list()
        )

    assert judged() == [
        *bars.columns[bars.columns.index("close_reason") + 1 : bars.columns.index("high_time")],
        *bars.columns[bars.columns.index("low_time") + 1 :],
    ]
    assert judged(features=["ofi", "volume", "ofi"]) == ["ofi", "volume"]
    assert judged(features=[]) == []
    numbered = bars.with_row_index("number").cast({"high_time": pl.Int64, "low_time": pl.Int64})
    assert not {"number", "high_time", "low_time"} & set(structural(numbered).filter(check="constant")["column"])


def test_thinned_rows_are_evenly_spread() -> None:
    assert thinned(np.arange(10), 4).tolist() == [0, 2, 5, 7]
    assert thinned(pl.DataFrame({"x": range(10)}), 4)["x"].to_list() == [0, 2, 5, 7]
    assert thinned(np.arange(4), 4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"by": "simbol"}, "column `simbol` not found"),
        ({"by": 3}, "`by` takes"),
        ({"features": ["offi"]}, r"column `offi` not found \(did you mean `ofi`\?\)"),
        ({"features": "ofi"}, "`features` takes a list of names"),
        ({"features": ["close_reason"]}, "the feature `close_reason` must be numeric"),
        ({"horizon": 0}, "`horizon` must be an integer of at least 1, got 0"),
        ({"horizon": True}, "`horizon` must be an integer"),
        ({"threshold_dbps": 0}, "`threshold_dbps` must be"),
        ({"significance": 0}, "`significance` must be a number above 0 and below 1, got 0"),
        ({"significance": float("nan")}, "`significance` must be"),
        ({"max_correlation": 1.5}, "`max_correlation` must be"),
        ({"max_forward_correlation": "x"}, "`max_forward_correlation` must be"),
        ({"min_bars": 5}, "`min_bars` must be at least 20, got 5"),
        ({"statistics": None}, "`statistics` must be True or False"),
    ],
)
def test_wrong_parameters(bars: pl.DataFrame, options: dict[str, Any], text: str) -> None:
    with pytest.raises(rb.RangeBarError, match=text):
        structural(bars, **options)
    with pytest.raises(rb.RangeBarError, match="takes a LazyFrame or a DataFrame, got dict"):
        validate({})


# ------------------------------------------------------------------------------------ optional libraries


def run(program: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(rb.__file__).parent.parent)}
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, env=environment)


def test_the_libraries_are_imported_late() -> None:
    run("""
import sys
import polars as pl
from rangebar_polars.validation import forward_return, validate
bars = pl.DataFrame({"close_time": [1, 2], **{name: [2.0, 4.0] for name in ("open", "high", "low", "close", "x")}})
assert validate(bars, statistics=False).height > 0
assert bars.select(forward_return())["forward_return"].to_list() == [1.0, None]
assert not {"numpy", "pandas", "scipy", "statsmodels", "sklearn"} & set(sys.modules)
""")


@pytest.mark.parametrize("name", ["numpy", "scipy.stats", "statsmodels.tsa.stattools", "sklearn.feature_selection"])
def test_a_missing_library_says_how_to_install_it(
    bars: pl.DataFrame, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "rangebar_polars\[validation\]"') as caught:
        validate(bars, by="symbol")
    assert caught.value.name == name
    assert structural(bars).height > 0


# ---------------------------------------------------------------------------------------- forward_return


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
