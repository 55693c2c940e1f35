"""Contract of windows: which columns there are, what is refused, and what is read for what is selected."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import Reset
from tests._registry import BY_COLUMN, FEATURES, INTRA, LOOKBACK, PATH_TIMES, SIDE_STATISTICS
from tests._routes import EVERY_BAR, ROUTES, Engine, assert_same_bars, eager, engines
from tests._source import Recorder
from tests._time_filters import QUERIES, predicates
from tests._window_oracle import Lookback
from tests._windows import KINDS, feature_schema, walk, window_schema, windows
from tests.strategies import RESETS, SOME_LONG, Trades, any_trades, broken_trades, flags, threshold_lists

if TYPE_CHECKING:
    from collections.abc import Callable


US = pl.Datetime("us")
row = pl.int_range(pl.len())


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    """Two symbols, interleaved, with every optional column."""
    return walk(600).with_columns(
        symbol=pl.when(row % 2 == 0).then(pl.lit("A")).otherwise(pl.lit("B")),
        first_trade_id=row * 3,
        last_trade_id=row * 3 + row % 3,
    )


def plans(frame: pl.DataFrame, threshold_dbps: Any, **options: Any) -> list[pl.LazyFrame]:
    """The same bars as a source and as an expression, also of nothing."""
    one = frame.drop("symbol").lazy()
    return [
        one.rangebar.bars(threshold_dbps, **options),
        one.select(rb.range_bars(threshold_dbps, **options)).unnest("bars"),
        one.clear().rangebar.bars(threshold_dbps, **options),
        one.clear().select(rb.range_bars(threshold_dbps, **options)).unnest("bars"),
    ]


# -------------------------------------------------------------------------------------------- schema

SETS: list[list[str] | None] = [
    None,
    [],
    ["ofi"],
    ["intra_hurst"],
    ["low_time", "intra_trade_count", "ofi", "intra_ofi"],
    ["high_time"],
]
LOOKBACK_SETS: list[list[str]] = [["lookback_vwap"], ["lookback_duration_us", "duration_us", "intra_max_runup"]]


@engines
@pytest.mark.parametrize("threshold_dbps", [20, [20], [50, 20]], ids=str)
@pytest.mark.parametrize("intra", [False, True])
@pytest.mark.parametrize("lookback", [None, *KINDS], ids=str)
def test_schema(
    trades: pl.DataFrame, engine: Engine, threshold_dbps: Any, intra: bool, lookback: Lookback | None
) -> None:
    """Names, dtypes and their order: at plan time, collected, of no rows, and pushed."""
    several = isinstance(threshold_dbps, list)
    for features in [*SETS, *(LOOKBACK_SETS if lookback else [])]:
        options = {"intra": intra, "lookback": lookback, "features": features}
        expected = window_schema(US, intra=intra, lookback=lookback is not None, features=features, several=several)
        for plan in plans(trades, threshold_dbps, **options):
            assert list(plan.collect_schema().items()) == list(expected.items())
            assert list(plan.collect(engine=engine).schema.items()) == list(expected.items())
        stream = rb.BarStream(threshold_dbps, by="symbol", **options)
        for bars in (stream.push(trades), stream.pending()):
            assert list(bars.schema.items()) == [("symbol", pl.String()), *expected.items()]


@pytest.mark.parametrize("clock", [pl.Datetime("ms", "UTC"), pl.Datetime("ns", "Asia/Tokyo"), pl.Int64()], ids=str)
def test_times_of_extremes_are_of_the_clock(trades: pl.DataFrame, clock: pl.DataType) -> None:
    unit = {} if isinstance(clock, pl.Datetime) else {"time_unit": "us"}
    frame = trades.with_columns(pl.col("timestamp").to_physical().cast(clock))
    for plan in plans(frame, 20, intra=True, include_incomplete=True, **unit):
        bars = plan.collect()
        assert [bars.schema[name] for name in (*PATH_TIMES, "open_time")] == [clock] * 3


def test_the_order_of_the_blocks() -> None:
    """As documented: base, the ten, the bar's own trades, the trades before it."""
    names = walk(60).rangebar.bars(20, intra=True, lookback=5).columns
    assert names[-len(LOOKBACK) :] == list(LOOKBACK)
    assert names[-len(LOOKBACK) - 2 : -len(LOOKBACK)] == ["high_time", "low_time"]
    assert names[names.index("close_reason") + 1 :][: len(FEATURES)] == list(FEATURES)
    assert names[names.index("turnover_imbalance") + 1 :][: len(INTRA)] == list(INTRA)
    assert len(INTRA) == 22
    assert len(LOOKBACK) == 16


@pytest.mark.parametrize("name", feature_schema(US, intra=True, lookback=True))
def test_every_feature_by_its_name(trades: pl.DataFrame, name: str) -> None:
    """To name a column of the bar's own trades is to ask for it; alone it has the values that it has among all."""
    whole = eager(trades, [50, 20], by=["symbol"], **EVERY_BAR, intra=True, lookback=70)
    lookback = {"lookback": 70} if name in LOOKBACK else {}
    for route in ROUTES.values():
        got = route(trades, [50, 20], by=["symbol"], **EVERY_BAR, features=[name], **lookback)
        assert got.columns[-2:] == ["threshold_dbps", name]
        assert_same_bars(got, whole.select(got.columns))


def test_a_key_named_like_a_column_of_a_window(trades: pl.DataFrame) -> None:
    """Only a column that is there is in the way."""
    for key, asked in (
        ("intra_hurst", {"intra": True}),
        ("high_time", {"intra": True}),
        ("lookback_ofi", {"lookback": 3}),
    ):
        keyed = trades.rename({"symbol": key})
        assert keyed.rangebar.bars(20, by=key).height > 0
        for call in (keyed.rangebar.bars, keyed.lazy().rangebar.bars, rb.BarStream):
            with pytest.raises(rb.RangeBarError, match=key):
                call(20, by=key, **asked)


# -------------------------------------------------------------------------------------------- errors


def calls(frame: pl.DataFrame, **options: Any) -> list[Callable[[], object]]:
    """Every way in; each says at once what is wrong."""
    return [
        lambda: frame.rangebar.bars(20, **options),
        lambda: frame.lazy().rangebar.bars(20, **options),
        lambda: rb.BarStream(20, **options),
        lambda: rb.range_bars(20, **options),
    ]


WRONG_FEATURES: list[tuple[list[Any], str]] = [
    (["intra_hurts"], "intra_hurts"),
    (["intra_vwap"], "intra_vwap"),
    (["intra_price_range"], "intra_price_range"),
    (["lookback_max_drawdown"], "lookback_max_drawdown"),
    (["hurst"], "hurst"),
    (["close"], "close"),
    (["intra_ofi", "intra_ofi"], "intra_ofi"),
    (["high_time", "ofi", "high_time"], "high_time"),
]


@pytest.mark.parametrize(("features", "named"), WRONG_FEATURES, ids=str)
def test_features_that_do_not_exist_or_come_twice(trades: pl.DataFrame, features: list[Any], named: str) -> None:
    for call in calls(trades, features=features, intra=True, lookback=5):
        with pytest.raises(rb.RangeBarError, match=named):
            call()


def test_unknown_features_list_what_there_is(trades: pl.DataFrame) -> None:
    for call in calls(trades, features=["nothing"]):
        with pytest.raises(rb.RangeBarError, match="nothing") as caught:
            call()
        for name in feature_schema(US, intra=True, lookback=True):
            assert name in str(caught.value)


@pytest.mark.parametrize("name", LOOKBACK)
def test_a_lookback_that_does_not_say_how_far(trades: pl.DataFrame, name: str) -> None:
    for call in calls(trades, features=["ofi", name]):
        with pytest.raises(rb.RangeBarError, match=f"(?s)`{name}`.*`lookback`"):
            call()


WRONG_LOOKBACKS: list[Any] = [
    *(0, -1, -200, 2**63, 2**70, True, False, 2.5, 200.0, float("nan")),
    *("", " ", "-5m", "5i", "5", "m", "5 minutes", "five", "1x", "5m-1m"),
    dt.timedelta(minutes=-5),
    *([5], (5,), {"trades": 5}, b"5m", rb.Bars, object()),
]


@pytest.mark.parametrize("lookback", WRONG_LOOKBACKS, ids=lambda value: repr(value).partition(" at 0x")[0])
def test_wrong_lookbacks_are_named_at_once(trades: pl.DataFrame, lookback: Any) -> None:
    for call in calls(trades, lookback=lookback):
        with pytest.raises(rb.RangeBarError, match="`lookback`"):
            call()


@pytest.mark.parametrize("n", [0, -1, True, 2.0, "3", None, 2**63])
def test_wrong_numbers_of_bars(n: Any) -> None:
    with pytest.raises(rb.RangeBarError, match="`lookback`") as caught:
        rb.Bars(n)
    assert repr(n) in str(caught.value)


@pytest.mark.parametrize("intra", [None, 1, 0, "yes", ["intra_hurst"]], ids=repr)
def test_intra_is_a_flag(trades: pl.DataFrame, intra: Any) -> None:
    for call in calls(trades, intra=intra):
        with pytest.raises(rb.RangeBarError, match="`intra`"):
            call()


@pytest.mark.parametrize(
    ("lookback", "same"),
    [
        ("5m", dt.timedelta(minutes=5)),
        ("300s", "5m"),
        ("1h30m", dt.timedelta(hours=1, minutes=30)),
        ("1d", "24h"),
        ("1w", dt.timedelta(days=7)),
        ("1q", "3mo"),
        ("1y", "12mo"),
        ("1500us", dt.timedelta(microseconds=1_500)),
        (rb.Bars(3), rb.Bars(n=3)),
    ],
    ids=str,
)
def test_the_same_lookback_in_other_words(trades: pl.DataFrame, lookback: Lookback, same: Lookback) -> None:
    both = [eager(trades, 20, by=["symbol"], lookback=value) for value in (lookback, same)]
    assert both[0].height > 5
    assert_same_bars(*both)


def test_bars_are_a_value() -> None:
    assert rb.Bars(3) == rb.Bars(3) != rb.Bars(4)
    assert hash(rb.Bars(3)) == hash(rb.Bars(3))
    assert eval(repr(rb.Bars(3)), {"Bars": rb.Bars}) == rb.Bars(3)


def test_a_bad_row_is_refused_in_the_same_words(trades: pl.DataFrame) -> None:
    """As of bars without windows; also where only a window reads the column."""
    bad = trades.with_columns(quantity=pl.when(row == 333).then(-1.0).otherwise("quantity"))
    texts = set()
    for options in ({}, {"intra": True}, {"lookback": 5}, {"features": ["intra_volume_skew"]}):
        with pytest.raises(
            rb.RangeBarError, match=r"`quantity` must be finite and >= 0, got -1\.0 at row 333"
        ) as caught:
            bad.rangebar.bars(20, by="symbol", **options)
        texts.add(str(caught.value))
    assert len(texts) == 1
    null = trades.with_columns(is_buyer_maker=pl.when(row != 333).then("is_buyer_maker"))
    lazy = null.lazy().rangebar.bars(20, by="symbol", intra=True, lookback=5)
    for name in ("intra_count_imbalance", "lookback_ofi"):
        with pytest.raises(rb.RangeBarError, match="`is_buyer_maker` must not be null"):
            lazy.select(name).collect()


FULL = walk(8).with_columns(price=pl.Series([7e6, 8e6] * 4), quantity=pl.lit(5e14))
"""Four bars at 10,000 dbps whose sums of price x quantity are 7.5e37 of 1.7e38 each: three have no room together."""


def test_a_window_whose_sum_is_beyond_128_bits_says_so() -> None:
    for fits in ({"intra": True}, {"lookback": 4}, {"lookback": rb.Bars(2)}):
        assert FULL.rangebar.bars(10_000, **fits).height == 4
    stream = rb.BarStream(10_000, lookback=rb.Bars(3))
    assert stream.push(FULL.head(6)).height == 3
    before = stream.checkpoint()
    for row, call in (
        (6, lambda: FULL.rangebar.bars(10_000, lookback=rb.Bars(3))),
        (6, lambda: FULL.rangebar.bars(10_000, lookback=6)),
        (0, lambda: stream.push(FULL.slice(6, 1))),
        (0, lambda: stream.push(FULL.slice(6))),
    ):
        with pytest.raises(rb.RangeBarError, match=rf"128 bits.* at row {row}\b"):
            call()
    assert stream.checkpoint() == before


# -------------------------------------------------------------------------- what is read and computed


@engines
@pytest.mark.parametrize("name", [*INTRA, *PATH_TIMES, *LOOKBACK])
def test_only_what_is_selected_is_read(trades: pl.DataFrame, name: str, engine: Engine) -> None:
    expected = trades.rangebar.bars([20, 50], by="symbol", intra=True, lookback=70)
    read = set(BY_COLUMN[name].reads) if name in BY_COLUMN else set()
    recorder = Recorder(trades)
    lazy = recorder.scan().rangebar.bars([20, 50], by="symbol", intra=True, lookback=70)
    assert_same_bars(lazy.select(name).collect(engine=engine), expected.select(name))
    assert recorder.columns == [{"symbol", "timestamp", "price", *read}]


@engines
def test_windows_that_nobody_selects_read_nothing(trades: pl.DataFrame, engine: Engine) -> None:
    recorder = Recorder(trades)
    lazy = recorder.scan().rangebar.bars(20, by="symbol", intra=True, lookback=70)
    assert lazy.select("close").collect(engine=engine).height > 5
    assert lazy.filter(pl.col("intra_volume_skew") > 0).select("close").collect(engine=engine).height > 0
    assert recorder.columns == [{"symbol", "timestamp", "price"}, {"symbol", "timestamp", "price", "quantity"}]


def test_windows_that_nobody_selects_are_not_computed() -> None:
    """A window whose sum has no room is an error only of those who want that sum."""
    lazy = FULL.lazy().rangebar.bars(10_000, lookback=rb.Bars(3))
    with pytest.raises(rb.RangeBarError, match="128 bits"):
        lazy.select("lookback_vwap").collect()
    for names in (["volume"], ["lookback_trade_count", "ofi"], ["lookback_hurst"]):
        assert lazy.select(names).collect().height == 4


@engines
@given(case=any_trades(repeats=SOME_LONG), flag=flags(), asked=windows(), data=st.data())
def test_a_subset_of_the_columns(
    engine: Engine, case: Trades, flag: dict[str, bool], asked: dict[str, Any], data: st.DataObject
) -> None:
    """In any order, from the lazy bars and by `features`."""
    options = case.bar_options | {"by": list(case.by) or None} | flag | asked
    lazy = case.frame.lazy().rangebar.bars(case.threshold_dbps, **options)
    bars = eager(case.frame, case.threshold_dbps, **options | {"by": case.by})
    names = data.draw(st.lists(st.sampled_from(bars.columns), min_size=1, unique=True))
    assert_same_bars(lazy.select(names).collect(engine=engine), bars.select(names))
    predicate = pl.col(names[0]).is_not_null()
    assert_same_bars(
        lazy.filter(predicate).select(names[-1]).head(3).collect(engine=engine),
        bars.filter(predicate).select(names[-1]).head(3),
    )


@engines
@given(case=any_trades(min_rows=1, max_keys=1), asked=windows(), data=st.data())
def test_schema_at_plan_time_is_the_schema_collected(
    engine: Engine, case: Trades, asked: dict[str, Any], data: st.DataObject
) -> None:
    thresholds = data.draw(st.one_of(st.just(case.threshold_dbps), threshold_lists(case)))
    shared = {"same_timestamp_gate": case.gate, **case.options, **case.breaks, **asked}
    expression = rb.range_bars(thresholds, **shared)
    lf = case.frame.lazy()
    grouped = lf.group_by(case.by).agg(expression).explode("bars").unnest("bars") if case.by else None
    for plan in (
        lf.rangebar.bars(thresholds, by=list(case.by) or None, **shared),
        lf.select(expression).unnest("bars") if grouped is None else grouped,
    ):
        planned = list(plan.collect_schema().items())
        assert planned == list(plan.collect(engine=engine).schema.items())
        several = isinstance(thresholds, list)
        time = case.frame.schema["timestamp"]
        expected = window_schema(time, intra=asked["intra"], lookback=asked["lookback"] is not None, several=several)
        assert planned[len(case.by) :] == list(expected.items())


# ------------------------------------------------------------------------------- filters on the times


@engines
@pytest.mark.parametrize("reset", RESETS)
@given(case=broken_trades(min_rows=1), asked=st.builds(dict.__or__, flags(), windows()), data=st.data())
def test_a_filter_over_lazy_bars_is_a_filter_over_bars(
    reset: Reset, engine: Engine, case: Trades, asked: dict[str, Any], data: st.DataObject
) -> None:
    """Bit for bit, whatever was passed to the input: windows may reach over periods, so no row they see is spared."""
    options = case.bar_options | {"by": list(case.by) or None, "reset": reset} | asked
    lazy = case.frame.lazy().rangebar.bars(case.threshold_dbps, **options)
    collected = lazy.collect(engine=engine)
    for number in range(3):
        predicate = data.draw(predicates(case, reset, collected))
        query = QUERIES[0] if number == 0 else data.draw(st.sampled_from(QUERIES[:4]))
        assert_same_bars(query(lazy, predicate).collect(engine=engine), query(collected.lazy(), predicate).collect())
        names = data.draw(st.lists(st.sampled_from(collected.columns), min_size=1, max_size=3, unique=True))
        assert_same_bars(
            lazy.filter(predicate).select(names).collect(engine=engine), collected.filter(predicate).select(names)
        )


@engines
@pytest.mark.parametrize("reset", [None, "1d"])
@pytest.mark.parametrize("lookback", [3, "2d", "1mo", rb.Bars(2)], ids=str)
def test_a_day_whose_windows_reach_into_the_day_before(lookback: Lookback, reset: Reset | None, engine: Engine) -> None:
    """Each day's last trade closes a bar, so no bar forms when the day ends; a reset parts the days all the same."""
    start = dt.datetime.fromisoformat("2024-01-01")
    time = [start + dt.timedelta(days=day, hours=hour) for day in range(4) for hour in (1, 2)]
    frame = pl.DataFrame({"timestamp": time, "price": [100.0, 102.0] * 4, "quantity": [1.0, 2.0] * 4})
    lazy = frame.lazy().rangebar.bars(1_000, reset=reset, lookback=lookback, intra=True)
    bars = lazy.collect()
    counts = {3: [2, 3, 3], "1mo": [2, 4, 6]}.get(lookback, [2, 4, 4])
    assert bars["lookback_trade_count"].to_list() == [None, *(counts if reset is None else [None] * 3)]
    for predicate in (
        pl.col("close_time") >= time[6],
        pl.col("open_time") > time[3],
        pl.col("close_time").is_between(time[4], time[5]),
    ):
        expected = bars.filter(predicate)
        assert expected.height > 0
        assert_same_bars(lazy.filter(predicate).collect(engine=engine), expected)
        assert_same_bars(
            lazy.filter(predicate).select("lookback_vwap").collect(engine=engine), expected.select("lookback_vwap")
        )


@given(case=any_trades(repeats=SOME_LONG), asked=windows())
def test_without_sides_what_needs_them_is_null_and_the_rest_is_the_same(case: Trades, asked: dict[str, Any]) -> None:
    assume("is_buyer_maker" in case.frame.columns)
    options = case.bar_options | EVERY_BAR | asked
    bars = eager(case.frame, case.threshold_dbps, **options)
    needing = [f"{block}_{name}" for block in ("intra", "lookback") for name in SIDE_STATISTICS]
    windows_of = [name for name in bars.columns if name in INTRA or name in LOOKBACK or name in PATH_TIMES]
    for got in (
        eager(case.frame.drop("is_buyer_maker"), case.threshold_dbps, **options),
        eager(case.frame, case.threshold_dbps, **options, is_buyer_maker=None),
    ):
        expected = bars.select(windows_of).with_columns(
            pl.lit(None, pl.Float64).alias(name) for name in needing if name in windows_of
        )
        assert_same_bars(got.select(windows_of), expected)
