"""Oracle and drive equivalence of footprints: on every route every cell is that of the definition, bit for bit."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._footprint_oracle import (
    SCHEMA,
    WITHOUT_SIDE,
    footprint_runs,
    footprints,
    footprints_missing_sides,
    ticks,
    with_footprints,
)
from tests._routes import EVERY_BAR, ROUTES, Thresholds, assert_same_bars, eager
from tests._streams import CUTS, WAYS, Run, Way, arguments, cut, feed, runs, whole
from tests.strategies import LONG, Trades, any_trades, flags, of_decimals, threshold_lists, trades

DRAWN = footprints(any_trades())
DENSE = footprints(trades(repeats=LONG, min_rows=6, max_rows=24))
"""Many trades in each bar."""


@pytest.mark.parametrize("route", ROUTES)
@given(drawn=DRAWN, asked=flags())
def test_every_route_gives_what_the_oracle_says(route: str, drawn: tuple[Trades, float], asked: dict[str, Any]) -> None:
    case, tick = drawn
    options: dict[str, Any] = {**case.bar_options, **asked}
    got = ROUTES[route](case.frame, case.threshold_dbps, **options, footprint=tick)
    assert_same_bars(got, with_footprints(case.frame, case.threshold_dbps, tick, **options))


@given(drawn=DENSE)
def test_bars_longer_than_the_blocks_of_the_library(drawn: tuple[Trades, float]) -> None:
    case, tick = drawn
    for route in ("eager", "expression-streaming"):
        got = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR, footprint=tick)
        assert_same_bars(got, with_footprints(case.frame, case.threshold_dbps, tick, **case.bar_options, **EVERY_BAR))


@pytest.mark.parametrize("route", ["eager", "lazy-streaming", "expression-in-memory"])
@given(data=st.data(), drawn=DRAWN)
def test_several_rules_at_once(route: str, data: st.DataObject, drawn: tuple[Trades, float]) -> None:
    case, tick = drawn
    rules: Thresholds = data.draw(threshold_lists(case))
    options: dict[str, Any] = {**case.bar_options, **EVERY_BAR, "features": []}
    got = ROUTES[route](case.frame, rules, **options, footprint=tick)
    assert_same_bars(got, with_footprints(case.frame, rules, tick, **options))


RULES = [
    *(rb.Ticks(3), rb.Volume(1e3), rb.Turnover(1e5), rb.HighLow(250), rb.Cusum(100), rb.Time("1h"), rb.Imbalance(2)),
    *(rb.Runs(target=5, span=3), rb.Range(points=1)),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
@given(drawn=DRAWN)
def test_any_rule(rule: Any, drawn: tuple[Trades, float]) -> None:
    case, tick = drawn
    options: dict[str, Any] = {**case.bar_options, **EVERY_BAR}
    try:
        expected = with_footprints(case.frame, rule, tick, **options)
    except rb.RangeBarError:
        return  # a price that the rule cannot have
    assert_same_bars(eager(case.frame, rule, **options, footprint=tick), expected)


@given(data=st.data(), case=of_decimals(trades()))
def test_any_decimals_of_prices(data: st.DataObject, case: Trades) -> None:
    side = (pl.int_range(pl.len()) % 2 == 0).alias("is_buyer_maker")
    frame = case.frame.with_columns(side)
    tick = data.draw(ticks(frame, case.options["price_decimals"]))
    got = eager(frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR, footprint=tick)
    assert_same_bars(got, with_footprints(frame, case.threshold_dbps, tick, **case.bar_options, **EVERY_BAR))


# ------------------------------------------------------------------------------------------ missing sides


@pytest.mark.parametrize("route", ROUTES)
@given(drawn=footprints_missing_sides())
def test_what_needs_a_missing_side_is_null(route: str, drawn: tuple[Trades, float]) -> None:
    """The point of control and the value area need none, so they are what they are with every side."""
    case, tick = drawn
    options: dict[str, Any] = {**case.bar_options, **EVERY_BAR, "missing_side": "null"}
    got = ROUTES[route](case.frame, case.threshold_dbps, **options, footprint=tick)
    assert_same_bars(got, with_footprints(case.frame, case.threshold_dbps, tick, **options))
    filled = case.frame.with_columns(pl.col("is_buyer_maker").fill_null(value=False))
    full = eager(filled, case.threshold_dbps, **options, footprint=tick)
    assert_same_bars(got.select(WITHOUT_SIDE), full.select(WITHOUT_SIDE))


@given(drawn=DRAWN)
def test_no_column_of_sides_is_one_of_nulls(drawn: tuple[Trades, float]) -> None:
    case, tick = drawn
    options: dict[str, Any] = {**case.bar_options, **EVERY_BAR, "missing_side": "null", "footprint": tick}
    bare = case.frame.drop("is_buyer_maker")
    expected = eager(bare.with_columns(is_buyer_maker=pl.lit(None, pl.Boolean)), case.threshold_dbps, **options)
    for route in ROUTES.values():
        assert_same_bars(route(bare, case.threshold_dbps, **options), expected)
    assert all(expected[name].is_null().all() == (name not in WITHOUT_SIDE) or expected.is_empty() for name in SCHEMA)


# ---------------------------------------------------------------------------------------------------- laws


@given(drawn=footprints(trades(exact=True)))
def test_what_is_at_the_levels_is_what_the_bar_has(drawn: tuple[Trades, float]) -> None:
    """Of quantities whose sums are exact in doubles."""
    case, tick = drawn
    bars = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR, footprint=tick)
    levels = pl.element().struct.field
    sums = bars.select(
        "volume",
        "buy_volume",
        "sell_volume",
        "delta",
        bought=pl.col("footprint").list.eval(levels("buy_volume")).list.sum(),
        sold=pl.col("footprint").list.eval(levels("sell_volume")).list.sum(),
    )
    assert sums["bought"].equals(sums["buy_volume"].alias("bought"))
    assert sums["sold"].equals(sums["sell_volume"].alias("sold"))
    assert (sums["bought"] + sums["sold"] == sums["volume"]).all()
    assert (sums["bought"] - sums["sold"] == sums["delta"]).all()
    low, high = pl.col("value_area_low"), pl.col("value_area_high")
    assert bars.filter(~((low <= pl.col("poc")) & (pl.col("poc") <= high))).is_empty()
    assert bars.filter(~(pl.col("delta").is_between("min_delta", "max_delta"))).is_empty()
    assert bars.filter(pl.col("stacked_up") > pl.col("imbalances_up")).is_empty()
    assert bars.filter(pl.col("stacked_down") > pl.col("imbalances_down")).is_empty()


@given(drawn=DRAWN)
def test_buyers_and_sellers_changed_about(drawn: tuple[Trades, float]) -> None:
    case, tick = drawn
    options: dict[str, Any] = {**case.bar_options, **EVERY_BAR, "footprint": tick}
    bars = eager(case.frame, case.threshold_dbps, **options)
    other = eager(case.frame.with_columns(~pl.col("is_buyer_maker")), case.threshold_dbps, **options)
    for name, changed in (("poc", "poc"), ("value_area_low", "value_area_low")):
        assert bars[name].equals(other[changed])
    assert (bars["delta"] == 0.0 - other["delta"]).all()
    assert (bars["min_delta"] == 0.0 - other["max_delta"]).all()
    assert (bars["max_delta"] == 0.0 - other["min_delta"]).all()


@given(drawn=DRAWN, names=st.lists(st.sampled_from(list(SCHEMA)), min_size=1, unique=True), engine=st.booleans())
def test_single_columns_are_those_of_all(drawn: tuple[Trades, float], names: list[str], engine: bool) -> None:
    case, tick = drawn
    lazy = case.frame.lazy().rangebar.bars(case.threshold_dbps, **case.bar_options, **EVERY_BAR, footprint=tick)
    got = lazy.select(names).collect(engine="streaming" if engine else "in-memory")
    assert_same_bars(got, lazy.collect().select(names))
    assert lazy.collect_schema() == lazy.collect().schema


def test_what_is_not_selected_is_not_computed() -> None:
    """Nor are its inputs read: a quantity or a side that would be refused is not looked at."""
    bad = pl.LazyFrame({"timestamp": [1, 2], "price": [100.0, 101.0], "quantity": [-1.0, 1.0]}).with_columns(
        is_buyer_maker=pl.lit(None, pl.Boolean)
    )
    bars = bad.rangebar.bars(250, time_unit="ms", footprint=0.5)
    assert bars.select("close").collect().to_series().to_list() == [101.0]
    with pytest.raises(rb.RangeBarError, match="`quantity` must be finite and >= 0"):
        bars.select("poc").collect()


# ----------------------------------------------------------------------------------------- streams and states


def _runs(**shape: Any) -> st.SearchStrategy[Run]:
    return footprint_runs(runs(**shape))


def expected(run: Run) -> pl.DataFrame:
    options = {name: value for name, value in run.options.items() if name not in ("by", "footprint")}
    tick = run.options["footprint"]
    return with_footprints(run.frame, run.thresholds, tick, by=run.by, **options | {"include_incomplete": True})


@given(run=_runs(max_rows=60), where=CUTS, ways=WAYS)
def test_streams_in_any_mix_of_pushes_rows_and_restarts(run: Run, where: list[float], ways: list[Way]) -> None:
    stream = run.stream(schema=run.frame.schema)
    stream, closed = feed(stream, run.by, cut(run.frame, where), ways)
    assert_same_bars(whole(closed, stream.finish()), expected(run))


@given(run=_runs(max_rows=25))
def test_every_row_by_itself_with_a_checkpoint_at_each(run: Run) -> None:
    frames, rows = (run.stream(schema=run.frame.schema) for _ in range(2))
    closed = []
    for number, row in enumerate(arguments(run.frame, run.by)):
        of_frame = frames.push(run.frame.slice(number, 1))
        of_row = rows.push_trade(**row)
        assert_same_bars(of_frame.clear() if of_row is None else of_row, of_frame)
        closed.append(of_frame)
        data = rows.checkpoint()
        assert data == frames.checkpoint()
        rows = rb.BarStream.restore(data)
        assert rows.checkpoint() == data
        assert_same_bars(rows.pending(), frames.pending())
    assert_same_bars(whole(closed, frames.finish()) if closed else frames.finish(), expected(run))


@given(run=_runs(), where=CUTS, streamed=st.booleans())
def test_queries_that_go_on_from_each_other(run: Run, where: list[float], streamed: bool) -> None:
    state, closed = rb.BarState(), []
    for piece in cut(run.frame, where):
        closed.append(run.lazy(piece, state=state).collect(engine="streaming" if streamed else "in-memory"))
        state = rb.BarState(state.checkpoint())
    stream = rb.BarStream.restore(state)
    assert_same_bars(whole(closed, stream.finish()), expected(run))


@given(run=_runs(min_rows=2), at=st.floats(0, 1), bad=st.floats(0, 1), single=st.booleans())
def test_a_push_that_fails_changes_nothing(run: Run, at: float, bad: float, single: bool) -> None:
    first = run.frame.head(round(at * (run.frame.height - 1)))
    rest = run.frame.slice(first.height)
    stream = run.stream(schema=run.frame.schema)
    closed = [stream.push(piece) for piece in (first.iter_slices(1) if single else [first])]
    before, pending = stream.checkpoint(), stream.pending()
    is_bad = pl.int_range(pl.len()) == round(bad * (rest.height - 1))
    no_price = pl.when(is_bad).then(pl.lit(0).cast(rest.schema["price"])).otherwise("price").alias("price")
    for _ in range(2):
        with pytest.raises(rb.RangeBarError, match="`price` must be finite"):
            stream.push(rest.with_columns(no_price))
        assert stream.checkpoint() == before
        assert_same_bars(stream.pending(), pending)
    closed.append(stream.push(rest))
    assert_same_bars(whole(closed, stream.finish()), expected(run))


def test_time_that_goes_on_ends_bars_with_their_footprints() -> None:
    stream = rb.BarStream(1_000, max_gap="1m", include_orphans=True, time_unit="ms", footprint=1)
    stream.push_trade(0, 100.5, 1.0, True)
    stream.push_trade(1, 99.5, 2.0, False)
    bars = stream.advance(100_000)
    assert bars["footprint"].to_list() == [
        [
            {"price": 99.0, "buy_volume": 2.0, "sell_volume": 0.0},
            {"price": 100.0, "buy_volume": 0.0, "sell_volume": 1.0},
        ]
    ]
    stream.push_trade(100_000, 100.0, 4.0, True)
    assert stream.pending()["delta"].to_list() == [-4.0]


def test_a_tick_is_part_of_a_state() -> None:
    data = rb.BarStream(250, footprint=0.5).checkpoint()
    assert rb.BarStream.restore(data, footprint=0.5).parameters["footprint"] == 0.5
    with pytest.raises(rb.RangeBarError, match=r"`footprint` was 0\.5 and not 1\.0"):
        rb.BarStream.restore(data, footprint=1)
    trades = rb.datasets.sample_trades(100, symbols=["BTCUSDT"])
    state = rb.BarState()
    trades.rangebar.bars(250, footprint=0.5, state=state)
    for tick, told in ((1, "1.0"), (None, "None")):
        with pytest.raises(rb.RangeBarError, match=rf"`footprint` was 0\.5 and is {told} here"):
            trades.rangebar.bars(250, footprint=tick, state=rb.BarState(state.checkpoint()))


# ------------------------------------------------------------------------------------------ real trades


@pytest.mark.parametrize("rule", [250, rb.Ticks(1_000), rb.Volume(50)], ids=str)
@pytest.mark.parametrize("tick", [1.0, 0.01, 25])
def test_a_real_day(btcusdt_day: pl.DataFrame, rule: Any, tick: float) -> None:
    """Levels as Polars aggregates them, of integers of the last decimals that the venue has."""
    price, quantity = (pl.col(name) for name in ("price", "quantity"))
    numbered = btcusdt_day.rangebar.with_bar_id(rule)
    cents, lots = (price * 100).round().cast(pl.Int64), (quantity * 1e8).round().cast(pl.Int64)
    level = (cents // round(tick * 100) * round(tick * 100)).alias("level")
    sold = pl.when("is_buyer_maker").then(lots).otherwise(0)
    slow = (
        numbered.group_by("bar_id", level)
        .agg(buy_volume=(lots - sold).sum(), sell_volume=sold.sum())
        .sort("bar_id", "level")
    )
    bars = btcusdt_day.rangebar.bars(rule, include_incomplete=True, footprint=tick)
    got = bars.with_row_index("bar_id").select("bar_id", "footprint").explode("footprint").unnest("footprint")
    assert got["bar_id"].cast(pl.UInt64).equals(slow["bar_id"])
    for name, of, unit in (("price", "level", 100), ("buy_volume",) * 2 + (10**8,), ("sell_volume",) * 2 + (10**8,)):
        assert got[name].to_list() == [raw / unit for raw in slow[of].to_list()]
    plain = btcusdt_day.rangebar.bars(rule, include_incomplete=True)
    assert_same_bars(bars.select(plain.columns), plain)


@pytest.mark.parametrize("tick", [1.0, 30])
def test_a_real_morning_by_the_definition(btcusdt_day: pl.DataFrame, tick: float) -> None:
    morning = btcusdt_day.head(30_000)
    got = morning.rangebar.bars([100, 250], footprint=tick, **EVERY_BAR)
    assert_same_bars(got, with_footprints(morning, [100, 250], tick, **EVERY_BAR))


def test_the_drawn_trades_have_bars_of_every_kind() -> None:
    """The laws would hold trivially if bars had one level, or none were an imbalance."""
    seen = dict.fromkeys(("levels", "gaps", "area", "up", "down", "stacked"), 0)

    @settings(max_examples=200, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(drawn=st.one_of(DRAWN, DENSE))
    def collect(drawn: tuple[Trades, float]) -> None:
        case, tick = drawn
        bars = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR, footprint=tick)
        count = bars["footprint"].list.len()
        ends = [bars["footprint"].list.get(place).struct.field("price") for place in (0, -1)]
        seen["levels"] += bool((count > 1).any())
        seen["gaps"] += bool(((ends[1] - ends[0]) / tick > count.cast(pl.Float64)).any())
        seen["area"] += bool((bars["value_area_low"] < bars["value_area_high"]).any())
        seen["up"] += bool((bars["imbalances_up"] > 0).any())
        seen["down"] += bool((bars["imbalances_down"] > 0).any())
        seen["stacked"] += bool((bars["stacked_up"] + bars["stacked_down"] > 1).any())

    collect()
    assert min(seen.values()) >= 5, seen
