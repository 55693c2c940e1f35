"""Docs: what Python writes down about columns is what the compiled table of statistics says."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars import _internal
from rangebar_polars.validation._bounds import _OF_BARS, _OF_WINDOWS, BASE, IDS, PRICES, SIDES, TIMES, bounds
from rangebar_polars.validation._dtypes import TIME_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = [name for name, _, _ in _internal.bar_columns(several=True, intra=True, lookback=True)]
FEATURES = [name for name, is_feature, _ in _internal.bar_columns(intra=True, lookback=True) if is_feature]
STATISTICS = dict.fromkeys(
    name.removeprefix(family) for family in ("intra_", "lookback_") for name in FEATURES if name.startswith(family)
)
UNBOUNDED = {"kyle_lambda_proxy", "intra_kyle_lambda", "lookback_kyle_lambda"}
UNBOUNDED |= {f"{family}_{name}" for family in ("intra", "lookback") for name in ("volume_skew", "hurst")}
TRADES = rb.datasets.sample_trades(1_000, symbols=["BTCUSDT"])


def fields(expression: Callable[[], pl.Expr]) -> list[str]:
    return TRADES.select(expression()).unnest(expression.__name__).columns


def test_groups_of_columns_are_parts_of_the_base_columns() -> None:
    groups = (*TIMES, *PRICES, *IDS, *SIDES)
    assert len(groups) == len(set(groups))
    assert set(groups) < set(BASE)
    assert [name for name in COLUMNS if name not in FEATURES] == list(BASE)


def test_columns_of_times_are_those_of_the_dtype() -> None:
    bars = TRADES.rangebar.bars([100, 250], intra=True, lookback=200)
    assert bars.columns == COLUMNS
    assert sorted(bars.select(pl.col(pl.Datetime)).columns) == sorted(TIME_COLUMNS)


def test_bounds_are_of_columns_that_bars_have() -> None:
    assert set(_OF_BARS) <= set(COLUMNS)
    assert set(_OF_WINDOWS) <= set(STATISTICS)


def test_every_feature_has_bounds_or_needs_none() -> None:
    assert {name for name in FEATURES if bounds(name) is None} == UNBOUNDED | {"high_time", "low_time"}


def test_every_statistic_is_a_field_of_a_struct() -> None:
    window, horizon = fields(rb.window_features), fields(rb.horizon)
    assert not set(window) & set(horizon)
    assert {*window, *horizon} == set(STATISTICS)
    assert fields(rb.bar_features) == [name for name, is_feature, _ in _internal.bar_columns() if is_feature]


@pytest.mark.parametrize("expression", [rb.bar_features, rb.window_features, rb.horizon])
def test_docstrings_name_every_field(expression: Callable[[], pl.Expr]) -> None:
    text = inspect.getdoc(expression) or ""
    assert [name for name in fields(expression) if f"`{name}`" not in text] == []
