"""Oracle layer: published facts about one real day, by every route."""

from __future__ import annotations

import datetime as dt
import json
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

THRESHOLDS = (50, 100, 250, 500, 1000)
SYMBOL = pl.lit("BTCUSDT").alias("symbol")


@pytest.fixture(scope="module")
def facts(shared: Path) -> dict[str, dict[str, Any]]:
    facts = json.loads((shared / "spec" / "facts.json").read_text())["threshold_dbps"]
    assert set(facts) == {str(threshold) for threshold in THRESHOLDS}
    return dict(facts)


def raw_sum(column: pl.Series) -> int:
    """Sum of the fixed-point integers behind doubles; exact for values below 2^51 units."""
    return sum(round(Fraction(x) * 10**8) for x in column)


def assert_facts(bars: pl.DataFrame, fact: dict[str, Any]) -> None:
    """`bars` hold the closed bars, then the forming one."""
    assert bars["close_reason"].to_list() == ["threshold"] * fact["bars"] + ["end"]
    assert bars["agg_record_count"][-1] == fact["forming_rows"]
    closed = bars.head(-1)
    assert closed["close_time"].dt.epoch("us")[0] == fact["first_close_time_us"]
    assert closed["close"][-1] == fact["last_close"]
    assert raw_sum(closed["volume"]) == fact["sum_volume_raw"]
    for name in ("close", "high", "low"):
        assert raw_sum(closed[name]) == fact[f"sum_{name}_raw"], name
    assert closed["buy_trade_count"].sum() == fact["sum_buy_trades"]
    # A turnover is rounded twice on its way to a double, each time by half a unit in the last place at most.
    turnover = sum((Fraction(x) * 10**16 for x in closed["turnover"]), Fraction(0))
    expected = int(fact["sum_turnover_raw"])
    assert abs(turnover - expected) <= expected * Fraction(2, 2**52)
    assert math.isclose(closed["ofi"].sum(), fact["sum_ofi"], rel_tol=1e-12)


@pytest.mark.parametrize("threshold_dbps", THRESHOLDS)
@pytest.mark.parametrize("route", ROUTES)
def test_facts_without_keys(
    btcusdt_day: pl.DataFrame, facts: dict[str, dict[str, Any]], route: str, threshold_dbps: int
) -> None:
    bars = ROUTES[route](btcusdt_day, threshold_dbps, include_incomplete=True)
    assert_facts(bars, facts[str(threshold_dbps)])


@pytest.mark.parametrize("route", ROUTES)
def test_facts_by_symbol(btcusdt_day: pl.DataFrame, facts: dict[str, dict[str, Any]], route: str) -> None:
    bars = ROUTES[route](btcusdt_day.with_columns(SYMBOL), 250, by=["symbol"], include_incomplete=True)
    assert bars["symbol"].unique().to_list() == ["BTCUSDT"]
    assert_facts(bars, facts["250"])


@pytest.mark.parametrize("route", ROUTES)
def test_facts_of_all_thresholds_in_one_pass(
    btcusdt_day: pl.DataFrame, facts: dict[str, dict[str, Any]], route: str
) -> None:
    bars = ROUTES[route](btcusdt_day, THRESHOLDS[::-1], include_incomplete=True)
    for threshold_dbps in THRESHOLDS:
        assert_facts(bars.filter(pl.col("threshold_dbps") == threshold_dbps), facts[str(threshold_dbps)])


@pytest.mark.parametrize("reset", ["1d", "1w", "1mo", "1y"])
def test_facts_of_a_day_that_is_within_every_period(
    btcusdt_day: pl.DataFrame, facts: dict[str, dict[str, Any]], reset: str
) -> None:
    """Nor is it silent for six seconds."""
    assert btcusdt_day["timestamp"].diff().is_between(dt.timedelta(0), dt.timedelta(seconds=6), closed="left").all()
    for route in ROUTES.values():
        bars = route(btcusdt_day, 250, reset=reset, max_gap="6s", include_incomplete=True, include_orphans=True)
        assert_facts(bars, facts["250"])


def over(frame: pl.DataFrame) -> pl.DataFrame:
    bar_id = rb.range_bar_id("timestamp", "price", threshold_dbps=250, agg_trade_id="agg_trade_id")
    return frame.with_columns(bar_id=bar_id.over("symbol"))


ID_ROUTES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "over": over,
    "with_bar_id": lambda frame: frame.rangebar.with_bar_id(250, by="symbol"),
    "with_bar_id-streaming": lambda frame: (
        frame.lazy().rangebar.with_bar_id(250, by="symbol").collect(engine="streaming")
    ),
}


@pytest.mark.parametrize("route", ID_ROUTES)
def test_facts_by_plain_aggregation_over_bar_ids(
    btcusdt_day: pl.DataFrame, facts: dict[str, dict[str, Any]], route: str
) -> None:
    """Integers of 128 bits here, so that even the turnover is exact."""
    raw = [(pl.col(c) * 1e8).round().cast(pl.Int128).alias(c) for c in ("price", "quantity")]
    frame = ID_ROUTES[route](btcusdt_day.with_columns(SYMBOL)).with_columns(raw)
    bars = (
        frame.group_by("bar_id", maintain_order=True)
        .agg(
            pl.col("timestamp").last().dt.epoch("us").alias("close_time"),
            pl.col("price").last().alias("close"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("quantity").sum().alias("volume"),
            (pl.col("price") * pl.col("quantity")).sum().alias("turnover"),
            (pl.col("last_trade_id") - pl.col("first_trade_id") + 1)
            .filter(~pl.col("is_buyer_maker"))
            .sum()
            .alias("buys"),
            pl.len().alias("rows"),
        )
        .sort("bar_id")
    )
    fact = facts["250"]
    closed, forming = bars.head(-1), bars.tail(1)
    assert bars["bar_id"].to_list() == list(range(fact["bars"] + 1))
    assert forming["rows"].item() == fact["forming_rows"]
    assert closed["close_time"][0] == fact["first_close_time_us"]
    assert closed["close"][-1] == round(Fraction(fact["last_close"]) * 10**8)
    sums = {name: sum(closed[name].to_list()) for name in ("volume", "turnover", "close", "high", "low")}
    assert sums == {name: int(fact[f"sum_{name}_raw"]) for name in sums}
    assert closed["buys"].sum() == fact["sum_buy_trades"]
