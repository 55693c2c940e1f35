"""Drive equivalence layer, statistics: bars have those of their trades, bit for bit; bounds and metamorphic laws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._registry import HORIZON, INTRA, REGISTRY, STATISTICS, STRUCT_OF
from tests._routes import EVERY_BAR, Engine, assert_same_bars, engines
from tests._statistics import DTYPES, SINGLE, every, flat
from tests.strategies import SOME_LONG, Trades, any_trades, trades, trades_missing_sides

if TYPE_CHECKING:
    from rangebar_polars._typing import MissingSide

FEW_OR_MANY = (1, 8, 8, 100)  # repeats of the drawn rows: most of the groups are long enough for every statistic


# ------------------------------------------------------------------------------------------ the law

SHORT_AND_LONG = st.one_of(any_trades(), any_trades(min_rows=10, max_keys=1, repeats=(8, 100)))


def by_hand(case: Trades, engine: Engine, missing_side: MissingSide) -> pl.DataFrame:
    """Every expression over the trades of each bar, beside plain Polars for the times of the extremes."""
    numbered = case.frame.lazy().rangebar.with_bar_id(case.threshold_dbps, by=case.by, **case.id_options)
    price, time = pl.col("price"), pl.col("timestamp")
    out = (
        numbered.group_by(*case.by, "bar_id")
        .agg(
            *every(case.frame.columns, **case.options, missing_side=missing_side),
            # Not `arg_max`: which of equal prices it finds, Polars does not say.
            time.filter(price == price.max()).first().alias("high_time"),
            time.filter(price == price.min()).first().alias("low_time"),
        )
        .sort(*case.by, "bar_id")
    )
    return flat(out.collect(engine=engine))


@engines
@given(case=SHORT_AND_LONG)
def test_bars_are_the_expressions_over_their_trades(engine: Engine, case: Trades) -> None:
    """`bars(intra=True)` equals `with_bar_id().group_by("bar_id").agg(every expression)`, bit for bit."""
    assert_law(case, engine, "error")


@engines
@given(case=st.one_of(trades_missing_sides(), trades_missing_sides(min_rows=10, max_keys=1, repeats=(8,))))
def test_bars_are_the_expressions_over_their_trades_with_null_sides(engine: Engine, case: Trades) -> None:
    assert_law(case, engine, "null")


def assert_law(case: Trades, engine: Engine, missing_side: MissingSide) -> None:
    got = by_hand(case, engine, missing_side)
    bars = case.frame.rangebar.bars(
        case.threshold_dbps, **case.bar_options, **EVERY_BAR, intra=True, missing_side=missing_side
    )
    number = pl.int_range(pl.len(), dtype=pl.UInt64)
    bars = bars.with_columns(bar_id=number.over(case.by) if case.by else number).sort(*case.by, "bar_id")
    keys = [*case.by, "bar_id"]
    times = ["high_time", "low_time"]
    assert_same_bars(got.select(*keys, *times), bars.select(*keys, *times))
    for prefix, names, column in (
        ("bar_features.", DTYPES["bar_features"].to_schema(), "{}"),  # type: ignore[attr-defined]
        ("window_features.", [n for n in STATISTICS if n not in ("vwap", "price_range")], "intra_{}"),
        ("horizon.", HORIZON, "intra_{}"),
        ("", [n for n in SINGLE if f"intra_{n}" in bars.columns and n in got.columns], "intra_{}"),
        ("", [n for n in SINGLE if n in got.columns and n in bars.columns and n != "vwap"], "{}"),
    ):
        assert_same_bars(
            got.select(pl.col(f"{prefix}{name}").alias(name) for name in names),
            bars.select(pl.col(column.format(name)).alias(name) for name in names),
        )
    # What bars say in other words: their average price falls back on the open, and ranges stand in prices.
    assert_same_bars(bars.select("vwap"), got.select(pl.col("vwap").fill_null(bars["open"])))
    assert_same_bars(
        bars.select(price_range=(pl.col("high") - pl.col("low")) / pl.col("open")), got.select("price_range")
    )
    for name in ("vwap", "price_range"):
        assert_same_bars(got.select(pl.col(f"window_features.{name}").alias(name)), got.select(name))


def test_the_drawn_bars_have_every_statistic() -> None:
    """The law would hold trivially if they were short."""
    defined = dict.fromkeys(INTRA, 0)

    @settings(max_examples=100, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=SHORT_AND_LONG)
    def collect(case: Trades) -> None:
        bars = case.frame.rangebar.bars(case.threshold_dbps, **case.bar_options, **EVERY_BAR, intra=True)
        for name in defined:
            defined[name] += bars[name].count() > 0

    collect()
    assert min(defined.values()) >= 5, defined


# ---------------------------------------------------------------------------------- laws of the values


@given(case=trades(min_rows=1, max_keys=0, repeats=FEW_OR_MANY))
def test_bounds(case: Trades) -> None:
    got = flat(case.frame.select(every(case.frame.columns, **case.options)))
    for one in REGISTRY:
        low, high = one.bounds
        for name in (f"{STRUCT_OF[one.family]}.{one.name}", one.expression.__name__ if one.expression else None):
            if name in got.columns:
                value = got[name].item()
                assert value is None or (math.isfinite(value) and low <= value <= high), (name, value)


def assert_near(got: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Null where null, the rest to 1e-9."""
    assert got.schema == expected.schema
    for name, a, b in zip(got.columns, got.row(0), expected.row(0), strict=True):
        assert (a is None) == (b is None), name
        assert a is None or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12), (name, a, b)


PATH = [name for name, s in SINGLE.items() if s.reads == ("price",)]


@given(case=trades(min_rows=2, max_keys=0, exact=True, repeats=FEW_OR_MANY), factor=st.sampled_from((2, 0.5, 3, 1_000)))
def test_scaling_prices_leaves_the_path(case: Trades, factor: float) -> None:
    expressions = [SINGLE[name].expression() for name in PATH]
    scaled = case.frame.with_columns(pl.col("price") * factor)
    got, expected = (flat(f.select(*expressions, rb.horizon())) for f in (scaled, case.frame))
    if factor in (2, 0.5):
        assert_same_bars(got, expected)
    assert_near(got, expected)


@given(case=trades(min_rows=2, max_keys=0, exact=True, repeats=FEW_OR_MANY), factor=st.sampled_from((2, 0.5, 3, 1_000)))
def test_scaling_quantities_leaves_their_shape(case: Trades, factor: float) -> None:
    names = ("ofi", "turnover_imbalance", "vwap", "vwap_position", "vwap_close_deviation", "kyle_lambda")
    expressions = [SINGLE[name].expression() for name in (*names, "volume_skew", "volume_kurt")]
    scaled = case.frame.with_columns(pl.col("quantity") * factor)
    assert_near(scaled.select(expressions), case.frame.select(expressions))


@given(case=trades(min_rows=1, max_keys=0, repeats=SOME_LONG), shift=st.integers(-(2**40), 2**40))
def test_shifting_times_leaves_the_arrival(case: Trades, shift: int) -> None:
    dtype = case.frame.schema["timestamp"]
    moved = case.frame.with_columns((pl.col("timestamp").to_physical() + shift).cast(dtype))
    expressions = [SINGLE[name].expression(**case.options) for name in ("burstiness", "trade_intensity")]
    assert_same_bars(moved.select(expressions), case.frame.select(expressions))


@given(case=trades(min_rows=1, max_keys=0, repeats=SOME_LONG))
def test_swapping_sides_turns_the_sign(case: Trades) -> None:
    assume("is_buyer_maker" in case.frame.columns)
    names = ("ofi", "turnover_imbalance", "count_imbalance", "kyle_lambda")
    expressions = [SINGLE[name].expression() for name in names]
    swapped = case.frame.with_columns(~pl.col("is_buyer_maker")).select(expressions)
    turned = case.frame.select(expressions).select(pl.all() * -1.0 + 0.0)
    assert_same_bars(swapped.select(pl.all() + 0.0), turned)


@given(case=trades(min_rows=1, max_keys=0, repeats=SOME_LONG))
def test_a_run_up_is_a_drawdown_backwards(case: Trades) -> None:
    backwards = case.frame.reverse()
    assert backwards.select(rb.max_drawdown()).item() == case.frame.select(rb.max_runup()).item()
    assert backwards.select(rb.max_runup()).item() == case.frame.select(rb.max_drawdown()).item()
    forth, back = (frame.select(rb.kaufman_er()).item() for frame in (case.frame, backwards))
    assert forth == back
