"""Contract of `price_decimals`: prices of any decimals, on every route, with the limits that move along."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import PRICE_PARTS, fixed, is_kept
from tests._routes import EVERY_BAR, ROUTES, Engine, assert_same_bars, engines, oracle_bars
from tests._statistics import every, flat
from tests._streams import CUTS, WAYS, cut, feed, whole
from tests._windows import assert_close_windows, oracle_windows, windows
from tests.strategies import MOST_DECIMALS, SOME_LONG, Trades, any_trades, of_decimals, threshold_lists, trades

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ANY_DECIMALS = of_decimals(any_trades(repeats=SOME_LONG))
COIN = pl.DataFrame(
    {
        "timestamp": [1, 2, 3, 4],
        "price": [1.234567e-6, 1.234568e-6, 1.25e-6, 1.249999e-6],
        "quantity": [1e6, 2e6, 3e6, 4e6],
        "is_buyer_maker": [True, False, False, True],
    }
)


def said(call: Callable[[], Any]) -> str | None:
    """What is said of bad trades; None of good ones."""
    try:
        call()
    except (rb.RangeBarError, pl.exceptions.ComputeError) as error:
        return str(error)
    return None


# ------------------------------------------------------------------------------------------- the same everywhere


@pytest.mark.parametrize("route", ROUTES)
@given(data=st.data(), case=ANY_DECIMALS, orphans=st.booleans(), forming=st.booleans())
def test_bars_are_those_of_the_oracle(
    route: str, data: st.DataObject, case: Trades, orphans: bool, forming: bool
) -> None:
    """Every cell, bit for bit: also where a unit is 1e-18 and products have 26 decimals."""
    options = case.bar_options | {"include_orphans": orphans, "include_incomplete": forming}
    thresholds = data.draw(st.one_of(st.just(case.threshold_dbps), threshold_lists(case)))
    assert_same_bars(ROUTES[route](case.frame, thresholds, **options), oracle_bars(case.frame, thresholds, **options))


def test_a_range_below_the_machine_epsilon_is_a_range() -> None:
    """Guards of zero denominators are of doubles near one: prices of 18 decimals may lie nearer to each other."""
    frame = COIN.with_columns(price=pl.Series([1.0e-15, 1.01e-15, 0.99e-15, 1.0e-15]), quantity=pl.lit(1.0))
    for decimals, price in ((18, pl.col("price")), (8, pl.col("price") * 1e10)):
        bars = frame.with_columns(price).rangebar.bars(
            50_000, time_unit="ms", price_decimals=decimals, include_incomplete=True
        )
        assert bars["vwap_close_deviation"].round(12).to_list() == [0.0]
        bars = (
            frame.head(3)
            .with_columns(price)
            .rangebar.bars(50_000, time_unit="ms", price_decimals=decimals, include_incomplete=True)
        )
        assert bars["vwap_close_deviation"].round(12).to_list() == [-0.5]


@given(case=of_decimals(any_trades()), asked=windows())
def test_windows_are_those_of_the_oracle(case: Trades, asked: dict[str, Any]) -> None:
    options = case.bar_options | EVERY_BAR | asked
    got = case.frame.rangebar.bars(case.threshold_dbps, **options)
    assert_close_windows(got, oracle_windows(case.frame, case.threshold_dbps, **options))


@given(case=of_decimals(any_trades(chunked_frame=False)), asked=windows(), where=CUTS, ways=WAYS)
def test_streams_and_restarts_are_one_query(
    case: Trades, asked: dict[str, Any], where: list[float], ways: list[Any]
) -> None:
    options = case.bar_options | {"by": list(case.by) or None, "include_orphans": True} | asked
    stream = rb.BarStream(case.threshold_dbps, **options, schema=case.frame.schema)
    stream, closed = feed(stream, case.by, cut(case.frame, where), ways)
    bars = case.frame.rangebar.bars(case.threshold_dbps, **options, include_incomplete=True)
    assert_same_bars(whole(closed, stream.pending()), bars)
    state = rb.BarState(stream.checkpoint())
    assert case.frame.clear().rangebar.bars(case.threshold_dbps, **options, state=state).is_empty()
    assert state.checkpoint() == stream.checkpoint()


@engines
@given(case=of_decimals(any_trades(min_rows=1, repeats=(1, 8))))
def test_bar_numbers_and_statistics_are_those_of_the_bars(engine: Engine, case: Trades) -> None:
    numbered = case.frame.lazy().rangebar.with_bar_id(case.threshold_dbps, by=case.by, **case.id_options)
    groups = numbered.group_by(*case.by, "bar_id").agg(*every(case.frame.columns, **case.options))
    got = flat(groups.sort(*case.by, "bar_id").collect(engine=engine))
    bars = case.frame.rangebar.bars(case.threshold_dbps, **case.bar_options, **EVERY_BAR, intra=True)
    number = pl.int_range(pl.len(), dtype=pl.UInt64)
    bars = bars.with_columns(bar_id=number.over(case.by) if case.by else number).sort(*case.by, "bar_id")
    own = [name.removeprefix("intra_") for name in bars.columns if name.startswith("intra_")]
    names = [name for name in own if f"window_features.{name}" in got.columns]
    assert len(names) == 14
    for prefix, columns, of_bars in (
        ("window_features.", names, "intra_"),
        ("bar_features.", ["vwap_close_deviation", "price_impact", "kyle_lambda_proxy", "turnover_imbalance"], ""),
        ("horizon.", ["bull_excess_gain", "bear_epoch_density", "max_drawdown", "max_runup"], "intra_"),
        ("", ["hurst", "kaufman_er", "permutation_entropy", "vwap_position", "max_runup"], "intra_"),
    ):
        assert_same_bars(
            got.select(pl.col(f"{prefix}{name}").alias(name) for name in columns),
            bars.select(pl.col(f"{of_bars}{name}").alias(name) for name in columns),
        )
    assert_same_bars(got.select(pl.col("vwap").fill_null(bars["open"])), bars.select("vwap"))


@given(case=of_decimals(trades(min_rows=1, max_keys=0)))
def test_methods_of_a_column_are_the_functions(case: Trades) -> None:
    price, decimals = pl.col("price").rangebar, case.options["price_decimals"]
    names = ("hurst", "permutation_entropy", "kaufman_er", "max_drawdown", "max_runup", "price_range")
    for name in (*names, "garman_klass_vol", "horizon"):
        method, function = getattr(price, name), getattr(rb, name)
        got, expected = (case.frame.select(call(price_decimals=decimals)) for call in (method, function))
        assert got.equals(expected, null_equal=True)


@given(case=of_decimals(any_trades()), moved=st.integers(1, MOST_DECIMALS))
def test_a_smaller_unit_with_fewer_decimals_has_the_same_bars(case: Trades, moved: int) -> None:
    """Prices times 10^k, with k decimals less: the same whole numbers, so the same bars, k decimals further left."""
    decimals = case.options["price_decimals"]
    fewer = max(decimals - moved, 0)
    raw = [fixed(price, decimals) for price in case.frame["price"]]
    bars = {}
    for count in (decimals, fewer):
        dtype = pl.Decimal(38, count) if count else pl.Int64()
        price = pl.Series("price", [Decimal(x).scaleb(-count) if count else x for x in raw], dtype=dtype)
        options = case.bar_options | EVERY_BAR | {"price_decimals": count}
        bars[count] = case.frame.with_columns(price).rangebar.bars(case.threshold_dbps, **options)
    of_price = ["open", "high", "low", "close", "vwap"]
    ratios = ["vwap_close_deviation", "kyle_lambda_proxy", "price_impact"]
    turnovers = ["turnover", "buy_turnover", "sell_turnover"]
    plain = pl.exclude(*of_price, *ratios, *turnovers)
    assert_same_bars(bars[decimals].select(plain), bars[fewer].select(plain))
    for name in of_price:
        units = ([round(Fraction(x) * 10**count) for x in bars[count][name]] for count in (decimals, fewer))
        for small, large in zip(*units, strict=True):
            assert abs(small - large) <= large // 2**52, name  # beyond 2^53 a double stands for several


# ------------------------------------------------------------------------------------------------ limits


DIGITS = st.builds(lambda digits, power: digits * 10**power, st.integers(1, 10**7), st.integers(0, 31))
"""A number of any size in units of 1e-19, with few digits as prices have."""
PRICES = st.one_of(
    st.floats(1e-19, 1e20),
    DIGITS.map(lambda units: units / 10**19),
    DIGITS.map(lambda units: Decimal(units).scaleb(-19)),
)


@given(decimals=st.integers(0, MOST_DECIMALS), value=PRICES)
@example(decimals=8, value=1.23456e-6)
@example(decimals=18, value=9.3)
@example(decimals=0, value=2.0**63)
def test_a_price_is_taken_just_where_its_decimals_hold_it(decimals: int, value: float | Decimal) -> None:
    """Else the error names the decimals that do, and with these it is taken."""
    dtype = pl.Float64() if isinstance(value, float) else pl.Decimal(38, 19)
    frame = pl.DataFrame({"timestamp": [1], "price": pl.Series([value], dtype=dtype), "quantity": [1.0]})

    def fits(count: int) -> bool:
        return fixed(value, count) < 2**63 and is_kept(value, PRICE_PARTS, count)

    def ways(count: int) -> dict[str, Callable[[], Any]]:
        options: dict[str, Any] = {"time_unit": "ms", "price_decimals": count}
        stream = rb.BarStream(100_000, **options)
        return {
            "bars": lambda: frame.rangebar.bars(100_000, **options),
            "expression": lambda: frame.select(rb.range_bars(100_000, **options)),
            "with_bar_id": lambda: frame.rangebar.with_bar_id(100_000, **options),
            "range_bar_id": lambda: frame.select(rb.range_bar_id(threshold_dbps=100_000, **options)),
            "push": lambda: rb.BarStream(100_000, **options).push(frame),
            "push_trade": lambda: stream.push_trade(1, value, 1.0),
            "statistic": lambda: frame.select(rb.hurst(price_decimals=count)),
        }

    for way, call in ways(decimals).items():
        text = said(call)
        assert (text is None) == fits(decimals), (way, text)
        if text is not None:
            assert f"{decimals} decimals" in text
            others = [count for count in range(MOST_DECIMALS + 1) if fits(count)]
            finer, coarser = min(filter(decimals.__lt__, others), default=None), max(others, default=None)
            meant = coarser if "must be at most" in text else finer
            remedy = "divide the prices" if "must be at most" in text else "multiply the prices, such as by"
            assert (remedy if meant is None else f"set price_decimals={meant}") in text
            if meant is not None:
                assert said(ways(meant)[way]) is None


@given(
    decimals=st.integers(0, MOST_DECIMALS),
    raw=st.integers(1, 200_000),
    threshold=st.sampled_from((1, 123, 250, 99_999)),
)
@example(decimals=8, raw=812, threshold=100)
def test_a_threshold_below_a_unit_says_which_decimals_would_do(decimals: int, raw: int, threshold: int) -> None:
    frame = pl.DataFrame(
        {
            "timestamp": [1],
            "price": pl.Series([Decimal(raw).scaleb(-decimals)], dtype=pl.Decimal(38, decimals)),
            "quantity": [1.0],
        }
    )
    options: dict[str, Any] = {"time_unit": "ms", "price_decimals": decimals}
    text = said(lambda: frame.rangebar.bars(threshold, **options))
    assert (text is None) == (raw * threshold >= 100_000)
    if text is not None:
        assert f"at least {Decimal(1).scaleb(-decimals):f} where a bar opens" in text
        assert f"got {Decimal(raw).scaleb(-decimals):f} with {threshold} dbps" in text
        remedy = re.search(r"set price_decimals=(\d+), or use a larger threshold", text)
        fewest = [
            n for n in range(decimals + 1, MOST_DECIMALS + 1) if raw * 10 ** (n - decimals) * threshold >= 100_000
        ]
        assert (remedy is None) == (not fewest)
        assert remedy is not None or "multiply the prices, or use a larger threshold" in text
        if remedy is not None:
            assert int(remedy[1]) == fewest[0]
            assert said(lambda: frame.rangebar.bars(threshold, **options | {"price_decimals": fewest[0]})) is None


def test_quantities_keep_eight_decimals() -> None:
    frame = COIN.with_columns(quantity=pl.lit(1.5e-8))
    text = said(lambda: frame.rangebar.bars(1_000, time_unit="ms", price_decimals=18))
    assert text is not None
    assert "rounded to 8 decimals, got 1.5e-8 (rounded: 0.00000001)" in text
    assert text.endswith("multiply the quantities, such as by 1000000")


@pytest.mark.parametrize("value", [-1, 19, 2**70, 8.0, True, None, "8"])
def test_what_is_no_number_of_decimals(value: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: COIN.rangebar.bars(250, time_unit="ms", price_decimals=value),
        lambda: COIN.lazy().rangebar.with_bar_id(250, time_unit="ms", price_decimals=value),
        lambda: rb.range_bars(250, price_decimals=value),
        lambda: rb.range_bar_id(threshold_dbps=250, price_decimals=value),
        lambda: rb.BarStream(250, price_decimals=value),
        lambda: rb.hurst(price_decimals=value),
        lambda: rb.bar_features(price_decimals=value),
        lambda: rb.window_features(price_decimals=value),
        lambda: pl.col("price").rangebar.horizon(price_decimals=value),
        lambda: rb.validate(COIN.rangebar.bars(250, time_unit="ms", price_decimals=12), price_decimals=value),
    ]
    for call in calls:
        with pytest.raises(rb.RangeBarError, match=r"^`price_decimals` must be an integer in 0\.\.18, got "):
            call()


def test_points_are_rounded_as_prices_are() -> None:
    options: dict[str, Any] = {"time_unit": "ms", "price_decimals": 9}
    for points, closes in ((1.5432e-8, [1.25e-6]), (1.5434e-8, [1.25e-6]), (1.56e-8, [])):
        got = COIN.with_columns(pl.col("price").round(9)).rangebar.bars(rb.Range(points=points), **options)
        assert got["close"].to_list() == closes, points
    stream = rb.BarStream([rb.Range(points=1.5432e-8), 250], **options)
    assert stream.parameters["threshold_dbps"] == [rb.Range(points=1.5e-8), 250]
    assert rb.BarStream.restore(stream.checkpoint(), threshold_dbps=[rb.Range(points=1.54e-8), 250]).parameters == (
        stream.parameters
    )
    same = [rb.Range(points=1.5432e-8), rb.Range(points=1.5e-8)]
    with pytest.raises(rb.RangeBarError, match=r"must not contain Range\(points=0\.000000015\) twice"):
        rb.BarStream(same, **options)
    assert len(rb.BarStream(same, price_decimals=12).parameters["threshold_dbps"]) == 2
    text = (
        "`points` must be a price distance from 0.000000001 to 9223372036.854775807, got 4e-10: set price_decimals=10"
    )
    with pytest.raises(rb.RangeBarError, match=f"^{re.escape(text)}$"):
        rb.BarStream(rb.Range(points=4e-10), **options)


# ------------------------------------------------------------------------------------------- checkpoints


def header(data: bytes) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(data.split(b"\n")[1])["request"]
    return request


def test_a_checkpoint_says_other_decimals_than_the_usual(tmp_path: Path) -> None:
    assert "price_decimals" not in header(rb.BarStream(250).checkpoint())
    assert rb.BarStream(250).checkpoint() == rb.BarStream(250, price_decimals=8).checkpoint()
    stream = rb.BarStream(250, time_unit="ms", price_decimals=12)
    stream.push(COIN)
    data = stream.checkpoint()
    assert header(data)["price_decimals"] == 12
    assert rb.BarStream.restore(data, price_decimals=12).parameters["price_decimals"] == 12
    assert repr(stream) == "BarStream(threshold_dbps=250, by=[], price_decimals=12)"
    assert repr(rb.BarState(data)).endswith(" bytes -> not run, price_decimals=12)")
    assert "price_decimals" not in repr(rb.BarState(b"nothing")) + repr(rb.BarStream(250))
    with pytest.raises(rb.RangeBarError, match="`price_decimals` was 12 and not 8"):
        rb.BarStream.restore(data, price_decimals=8)
    for decimals in (8, 11, 13):
        with pytest.raises(rb.RangeBarError, match=f"`price_decimals` was 12 and is {decimals} here"):
            COIN.rangebar.bars(250, time_unit="ms", price_decimals=decimals, state=rb.BarState(data))
    state, file = rb.BarState(), tmp_path / "bars.parquet"
    later = COIN.with_columns(pl.col("timestamp") + 10)
    bars = partial(later.lazy().rangebar.bars, 250, time_unit="ms", price_decimals=12)
    first = COIN.lazy().rangebar.bars(250, time_unit="ms", price_decimals=12, state=state)
    rb.sink_bars(first, file, state=state)
    assert rb.BarStream.restore(rb.read_state(file)).parameters["price_decimals"] == 12
    both = pl.concat([pl.read_parquet(file), bars(state=rb.read_state(file)).collect()])
    assert both.equals(pl.concat([COIN, later]).rangebar.bars(250, time_unit="ms", price_decimals=12))


# ------------------------------------------------------------------------------------- what reads the bars


@given(case=of_decimals(trades(min_rows=1, max_keys=0)))
def test_bars_of_any_decimals_pass_the_checks_of_their_definition(case: Trades) -> None:
    """Only with the decimals that they were made with: a unit of others is another threshold."""
    bars = case.frame.rangebar.bars(case.threshold_dbps, **case.bar_options)
    decimals = case.options["price_decimals"]
    report = rb.validate(
        bars,
        threshold_dbps=case.threshold_dbps,
        time_unit=case.options.get("time_unit"),
        price_decimals=decimals,
        statistics=False,
    )
    verdict = report.filter(check="threshold")["passed"].to_list()
    assert False not in verdict


def test_the_check_of_the_threshold_says_that_the_decimals_are_others() -> None:
    bars = COIN.rangebar.bars(1_000, time_unit="ms", price_decimals=12)
    assert bars.height == 1
    report = partial(rb.validate, bars, threshold_dbps=1_000, time_unit="ms", statistics=False)
    assert report(price_decimals=12).filter(check="threshold")["passed"].to_list() == [True]
    wrong = report(price_decimals=5).filter(check="threshold")
    assert wrong["passed"].to_list() == [False]
    assert "other `price_decimals`" in wrong["meaning"].item()


@given(raw=st.integers(1, 10**15 - 1), decimals=st.integers(0, MOST_DECIMALS))
def test_nanobook_gets_prices_of_any_decimals_exactly(raw: int, decimals: int) -> None:
    pytest.importorskip("nanobook")
    price = Decimal(raw).scaleb(-decimals)
    trades = pl.DataFrame(
        {"timestamp": [1], "price": pl.Series([price], dtype=pl.Decimal(38, decimals)), "quantity": [1.0]}
    )
    bars = trades.rangebar.bars(100_000, time_unit="ms", price_decimals=decimals, include_incomplete=True)
    options: dict[str, Any] = {"name": "x", "include_incomplete": True}
    ((_, prices),) = bars.rangebar.to_nanobook(**options, price_scale=10**decimals)[0]
    assert prices.open == raw
    digits = -price.normalize().as_tuple().exponent
    if digits > 0:
        text = said(lambda: bars.rangebar.to_nanobook(**options, price_scale=10 ** (digits - 1)))
        assert text is not None
        assert text.endswith(f"use `price_scale={10**digits}`")
