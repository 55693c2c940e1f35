"""The check of features: fair ones pass on any trades, each fault is found and named, and nothing else."""

from __future__ import annotations

import itertools
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._own import SET, with_columns

PRICE, CLOSE = pl.col("price"), pl.col("close")


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    return with_columns(rb.datasets.sample_trades(8_000, symbols=["AAA", "BBB"]).sort("timestamp", maintain_order=True))


def found(one: rb.FeatureSet, trades: pl.DataFrame, **options: Any) -> list[tuple[str, str]]:
    return rb.check_features(one, trades, 20, by="symbol", **options).select("check", "column").rows()


@pytest.mark.parametrize("options", [{}, {"reset": "1d"}, {"intra": True}, {"features": ["ofi"]}])
def test_fair_sets_pass(trades: pl.DataFrame, options: dict[str, Any]) -> None:
    assert found(SET, trades, **options) == []
    report = rb.check_features(SET, trades.lazy(), rb.Ticks(100), by=["symbol"])
    assert report.height == 0
    assert report.columns == ["check", "column", "bars", "first_bar", "close_time", "expected", "got"]


UNFAIR = {
    "the next bar": (CLOSE.shift(-1), 3, [("prefix", "f__x")]),
    "all bars": (CLOSE - CLOSE.mean(), 3, [("prefix", "f__x")]),
    "the rank among all": (CLOSE.rank(), 3, [("prefix", "f__x")]),
    "backwards": (CLOSE.cum_sum(reverse=True), 3, [("prefix", "f__x")]),
    "too far back": (CLOSE.rolling_mean(6, min_samples=1), 4, [("lookback", "f__x")]),
    "all bars before": (CLOSE.cum_max(), 4, [("lookback", "f__x")]),
    "far enough back": (CLOSE.rolling_mean(6, min_samples=1), 5, []),
    "one value of the window": (CLOSE.mean(), 5, []),
}


@pytest.mark.parametrize("name", UNFAIR)
def test_what_looks_ahead_or_too_far_back_fails(trades: pl.DataFrame, name: str) -> None:
    expression, lookback, expected = UNFAIR[name]
    one = rb.FeatureSet("f", "1", over_bars=[expression.alias("x"), CLOSE.alias("fair")], lookback_bars=lookback)
    assert found(one, trades) == expected


def test_a_value_that_changes_by_itself_fails(trades: pl.DataFrame) -> None:
    count = itertools.count()
    random = PRICE.map_batches(lambda _: float(next(count)), return_dtype=pl.Float64, returns_scalar=True).alias("x")
    names = found(rb.FeatureSet("f", "1", aggs=[random, PRICE.first().alias("fair")]), trades)
    assert {check for check, _ in names} >= {"again", "chunks"}
    assert {column for _, column in names} == {"f__x"}


def test_the_report_says_where(trades: pl.DataFrame) -> None:
    one = rb.FeatureSet("f", "1", over_bars=CLOSE.shift(-1).alias("x"), lookback_bars=1)
    row = rb.check_features(one, trades, 20, by="symbol").row(0, named=True)
    bars = trades.rangebar.bars(20, by="symbol")
    assert row["close_time"] == str(bars["close_time"][row["first_bar"]])
    assert row["got"] == "None"
    assert row["bars"] >= 1


def test_what_it_refuses(trades: pl.DataFrame) -> None:
    for call, text in (
        (lambda: rb.check_features("no_such", trades, 20), "no installed package offers"),
        (lambda: rb.check_features(SET, trades, [20, 30], by="symbol"), "takes one threshold or rule"),
        (
            lambda: rb.check_features(SET, trades, 20, by="symbol", include_orphans=True),
            "chooses `include_orphans` itself",
        ),
        (lambda: rb.check_features(SET, trades.head(1), 20), "the trades make no bar"),
        (lambda: rb.check_features(SET, "trades", 20), "takes a Polars LazyFrame or DataFrame"),
        (lambda: rb.check_features(3, trades, 20), "`feature_sets` takes FeatureSets or names"),
    ):
        with pytest.raises(rb.RangeBarError, match=text):
            call()
