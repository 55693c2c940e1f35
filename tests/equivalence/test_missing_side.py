"""Drive equivalence of `missing_side="null"`: what holds no null side is as if there were none, on every route."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests._registry import INTRA, LOOKBACK, SIDE_STATISTICS
from tests._routes import EVERY_BAR, NAMES, ROUTES, SIDE_COLUMNS, assert_same_bars, eager
from tests._windows import assert_close_windows, oracle_windows, windows
from tests.strategies import SOME_LONG, Trades, trades_missing_sides

NULL: dict[str, Any] = {**EVERY_BAR, "missing_side": "null"}
INTRA_SIDES = [name for name in INTRA if name.removeprefix("intra_") in SIDE_STATISTICS]
LOOKBACK_SIDES = [name for name in LOOKBACK if name.removeprefix("lookback_") in SIDE_STATISTICS]


def bars_of(case: Trades, route: str = "eager", **options: Any) -> pl.DataFrame:
    return ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **NULL | options)


def with_sides(frame: pl.DataFrame) -> pl.DataFrame:
    """The trades with a side for each."""
    return frame.with_columns(pl.col("is_buyer_maker").fill_null(value=True))


def without(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The bars with null in some columns, as far as they have them."""
    there = [name for name in columns if name in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=frame.schema[name]).alias(name) for name in there)


@pytest.mark.parametrize("route", ROUTES)
@given(case=trades_missing_sides(repeats=SOME_LONG), asked=windows())
def test_every_route_gives_the_bars_of_the_oracle(route: str, case: Trades, asked: dict[str, Any]) -> None:
    got = bars_of(case, route, **asked)
    assert_close_windows(got, oracle_windows(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR, **asked))
    assert_same_bars(got, bars_of(case, **asked))


@given(case=trades_missing_sides(repeats=SOME_LONG), asked=windows())
def test_what_holds_no_null_side_is_as_if_there_were_none(case: Trades, asked: dict[str, Any]) -> None:
    """Columns of a bar, of its own trades and of the window before it: each is null or what it is with every side."""
    got = bars_of(case, **asked)
    filled = with_sides(case.frame)
    full = eager(filled, case.threshold_dbps, **case.bar_options, **EVERY_BAR, **asked)
    families = [[*SIDE_COLUMNS, *(INTRA_SIDES if asked["intra"] else [])], LOOKBACK_SIDES if asked["lookback"] else []]
    expected = full
    for family, says in zip(families, ("buy_volume", "lookback_count_imbalance"), strict=True):
        if family:
            names = full.columns
            nulls = without(full, family)
            rows = got[says].is_null()
            expected = expected.with_columns(
                pl.Series(name, pl.select(pl.when(rows).then(nulls[name]).otherwise(full[name])).to_series())
                for name in family
            ).select(names)
    assert_same_bars(got, expected)


@given(case=trades_missing_sides(repeats=SOME_LONG), asked=windows())
def test_without_a_null_it_changes_nothing(case: Trades, asked: dict[str, Any]) -> None:
    filled = with_sides(case.frame)
    plain = eager(filled, case.threshold_dbps, **case.bar_options, **EVERY_BAR, **asked)
    for route in ROUTES.values():
        got = route(filled, case.threshold_dbps, **case.bar_options, **NULL, **asked)
        assert_same_bars(got, plain)


@pytest.mark.parametrize("route", ROUTES)
@given(case=trades_missing_sides(), asked=windows())
def test_no_side_at_all_is_no_column(route: str, case: Trades, asked: dict[str, Any]) -> None:
    """A column of nulls, one of dtype Null, none, and one that is ignored give the same columns."""
    bare = case.frame.drop("is_buyer_maker")
    expected = eager(bare, case.threshold_dbps, **case.bar_options, **EVERY_BAR, **asked)
    for dtype in (pl.Boolean, pl.Null):
        frame = bare.with_columns(pl.lit(None, dtype=dtype).alias("is_buyer_maker"))
        assert_same_bars(bars_of(Trades(frame, case.threshold_dbps, case.by, **parts(case)), route, **asked), expected)
    assert_same_bars(bars_of(Trades(bare, case.threshold_dbps, case.by, **parts(case)), route, **asked), expected)
    assert_same_bars(bars_of(case, route, is_buyer_maker=None, **asked), expected)


def parts(case: Trades) -> dict[str, Any]:
    return {"gate": case.gate, "options": case.options, "breaks": case.breaks}


@given(case=trades_missing_sides(), features=st.lists(st.sampled_from((*SIDE_COLUMNS[6:], *INTRA_SIDES))))
def test_single_columns_are_those_of_all(case: Trades, features: list[str]) -> None:
    """What is not selected is not computed: neither that nor a name changes what is."""
    names = list(dict.fromkeys(features))
    every = bars_of(case, intra=True)
    for route in ("lazy-in-memory", "lazy-streaming", "expression-in-memory"):
        assert_same_bars(bars_of(case, route, features=names).select(names), every.select(names))
    renamed = case.frame.rename({"is_buyer_maker": NAMES["is_buyer_maker"]})
    got = eager(
        renamed, case.threshold_dbps, **case.bar_options, **NULL, intra=True, is_buyer_maker=NAMES["is_buyer_maker"]
    )
    assert_same_bars(got, every)
    lazy = case.frame.lazy().rangebar.bars(case.threshold_dbps, **case.bar_options, **NULL)
    for column in ("close", "buy_volume", "ofi"):
        assert_same_bars(lazy.select(column).collect(), every.select(column))


def test_the_drawn_trades_have_bars_of_every_kind() -> None:
    """The laws would hold trivially if no bar or every bar lacked a side."""
    seen = dict.fromkeys(("whole", "without", "both", "window"), 0)

    @settings(max_examples=100, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=trades_missing_sides(repeats=SOME_LONG))
    def collect(case: Trades) -> None:
        bars = bars_of(case, lookback=3)
        lacks = bars["buy_volume"].is_null()
        before = bars["lookback_ofi"].is_null() & bars["lookback_trade_count"].is_not_null()
        seen["whole"] += (~lacks).any()
        seen["without"] += lacks.any()
        seen["both"] += lacks.any() and not lacks.all()
        seen["window"] += before.any() and bool((before != lacks).any())

    collect()
    assert min(seen.values()) >= 15, seen
