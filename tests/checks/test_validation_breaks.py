"""Contract of `validate`: every structural check fails on bars broken in its way, and on no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars.validation import validate
from tests._alone import run as run_alone
from tests._validation import THRESHOLD, Failure, at, failures, row, structural

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
    "price of nothing": (at(7, 0.0)("low"), {("bounds", "low"), ("touched_first", "low")}),
    "high below low": (
        [at(7, pl.col("low"))("high"), at(7, pl.col("high"))("low")],
        {("ohlc_order", name) for name in ("high", "open", "close", "vwap")},
    ),
    "open outside": (at(7, pl.col("high") * 1.002)("open"), {("ohlc_order", "open"), ("touched_first", "low")}),
    "close outside": (at(7, pl.col("high") * 1.002)("close"), {("ohlc_order", "close"), ("touched_first", "high")}),
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
    "trade ids within a bar": (at(7, pl.col("last_trade_id") + 1)("first_trade_id"), {("id_order", "last_trade_id")}),
    "trade ids of two bars": (at(7, pl.col("first_trade_id") - 1)("first_trade_id"), {("id_order", "first_trade_id")}),
    "a clock before our days": (at(0, datetime(1979, 12, 31, tzinfo=UTC))("open_time"), {("calendar", "open_time")}),
    "a clock after our days": (
        at(pl.len() - 1, datetime(2200, 1, 1, tzinfo=UTC))("close_time"),
        {("calendar", "close_time")},
    ),
    "a jump of the price": (
        [at(7, pl.col("open") * 1.0051)("close"), at(7, pl.col("open") * 1.0051)("high")],
        {("overshoot", "close")},
    ),
    "a fall of the price": (
        [at(7, pl.col("open") * 0.9949)("close"), at(7, pl.col("open") * 0.9949)("low")],
        {("overshoot", "close"), ("touched_first", "high")},
    ),
    "still forming": (
        at(7, pl.lit("end"))("close_reason"),
        {("unfinished", "close_reason"), ("orphans", "close")},
    ),
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


def test_the_first_broken_bar_is_the_same_for_any_number_of_threads() -> None:
    """The streaming engine cuts this frame into as many parts as there are threads, and each has broken bars."""
    program = """
import polars as pl
from rangebar_polars.validation import validate
number = pl.int_range(400_000, eager=True)
price = pl.Series([2.0]).extend_constant(2.0, 399_999)
bars = pl.DataFrame({"close_time": number, **{name: price for name in ("open", "high", "low", "close")}, "x": number})
bars = bars.with_columns(vwap=pl.when(number % 7 == 5).then(3.0).otherwise(2.0), ofi=pl.when(number >= 9).then(2.0))
report = validate(bars, features=["ofi"], statistics=False)
print(*report.filter(~pl.col("passed"))["meaning"].str.extract(r"first in row ([0-9,]+)").drop_nulls())
"""
    found = {
        threads: run_alone(program, POLARS_MAX_THREADS=threads, PYTHONWARNINGS="error").strip()
        for threads in ("1", "2", "4")
    }
    assert found == dict.fromkeys(found, "9 5")


def test_a_close_that_falls_short_of_the_threshold(bars: pl.DataFrame) -> None:
    assert ("threshold", "close") in failures(structural(bars, threshold_dbps=THRESHOLD + 300))
    near = bars.with_columns(at(7, pl.col("open") * 1.0009)("close"), at(7, pl.col("open") * 1.01)("high"))
    assert failures(structural(near)) == {("threshold", "close"), ("touched_first", "high")}
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
    assume(0 < closed < 2**63)
    prices = [raw / 1e8 for raw in (opened, closed)]
    bar = pl.DataFrame(
        {"close_time": [1], "open": [prices[0]], "high": [max(prices)], "low": [min(prices)], "close": [prices[1]]}
    )
    found = row(validate(bar, threshold_dbps=dbps, statistics=False), "threshold", "close")
    touched = opened != closed and abs(opened - closed) >= distance
    if touched:
        assert found["passed"]
    elif max(opened, closed) < 2**52:
        assert not found["passed"]


def test_bars_of_a_price_too_low_for_the_threshold() -> None:
    """A price of 41 units of 1e-8, a threshold of a tenth of a unit: bars that no trade moved."""
    still = {name: [0.00000041] * 40 for name in ("open", "high", "low", "close")}
    found = row(
        validate(pl.DataFrame({"close_time": range(40), **still}), threshold_dbps=250, statistics=False),
        "threshold",
        "close",
    )
    assert (found["passed"], found["value"]) == (False, 40.0)
    assert "bars close without any move" in found["meaning"]


def test_a_clock_in_a_wrong_unit() -> None:
    """Milliseconds taken for nanoseconds tell January 1970, and the report says what they are."""
    trades = rb.datasets.sample_trades(60_000).with_columns(pl.col("timestamp").dt.timestamp("ms"))
    good, early, late = (
        structural(trades.rangebar.bars(THRESHOLD, by="symbol", time_unit=built), time_unit=read)
        for built, read in (("ms", "ms"), ("ns", "ns"), ("ms", "us"))
    )
    clocks = {("calendar", "open_time"), ("calendar", "close_time")}
    assert failures(good) == set()
    assert row(good, "calendar", "close_time")["passed"]
    assert failures(early) == failures(late) == clocks
    for report, unit in ((early, "ns"), (late, "us")):
        assert (
            f'read in "ms" instead of "{unit}" the first of them is 2024-01-01'
            in (row(report, "calendar", "open_time")["meaning"])
        )
    datetimes = pl.col("open_time", "close_time").cast(pl.Datetime("ns", "UTC"))
    bars = trades.rangebar.bars(THRESHOLD, by="symbol", time_unit="ns")
    assert failures(structural(bars.with_columns(datetimes))) == clocks


def test_integers_without_a_unit_have_no_calendar() -> None:
    trades = rb.datasets.sample_trades(60_000).with_columns(pl.col("timestamp").dt.timestamp("ms"))
    report = structural(trades.rangebar.bars(THRESHOLD, by="symbol", time_unit="ms"))
    for name in ("open_time", "close_time"):
        found = row(report, "calendar", name)
        assert found["passed"] is None
        assert "give their unit with `time_unit`" in found["meaning"]
    assert failures(report) == set()


def test_no_unit_fits_a_broken_clock() -> None:
    short = pl.DataFrame({"close_time": [0, 1, 2], **{name: [2.0] * 3 for name in ("open", "high", "low", "close")}})
    report = validate(short, time_unit="ms", statistics=False)
    assert failures(report) == {("bars", None), ("calendar", "close_time")}
    assert "probably a broken clock" in row(report, "calendar", "close_time")["meaning"]


def test_a_forgotten_key_is_found_by_how_far_the_closes_are() -> None:
    trades = rb.datasets.sample_trades(40_000, symbols=["BTCUSDT", "ETHUSDT"]).sort("timestamp", maintain_order=True)
    mixed = trades.drop("symbol", "agg_trade_id").rangebar.bars(THRESHOLD)
    found = row(validate(mixed, threshold_dbps=THRESHOLD, statistics=False), "overshoot", "close")
    assert found["passed"] is False
    assert found["value"] > 0.9 * mixed.height
    assert "several symbols or markets in one group (name their column in `by`)" in found["meaning"]
    unknown = row(validate(mixed, statistics=False), "overshoot", "close")
    assert unknown["passed"] is None
    assert "give `threshold_dbps`" in unknown["meaning"]


def good_prints(shared: Path, name: str) -> pl.DataFrame:
    """Trades, or the middle of quotes, of one market as its feed gave them."""
    folder = shared / "data"
    if name == "BTC":
        return pl.read_parquet(folder / "binance_spot_btcusdt_aggtrades_20240101/data.parquet")
    if name.startswith("TRX"):
        coins = pl.read_parquet(folder / "lasota_binance_trx_20250304/data.parquet")
        coins = coins.filter(pl.col("price") > 0, market=name.removeprefix("TRX "))
        return coins.sort("timestamp", maintain_order=True)
    quotes = pl.read_parquet(folder / f"lean_fx_quotes_201405/{name.removeprefix('EURUSD ')}_eurusd.parquet")
    middle = ((pl.col("bid") + pl.col("ask")) / 2).round(6)
    return quotes.select("timestamp", price=middle, quantity=1.0).sort("timestamp", maintain_order=True)


@pytest.mark.parametrize("name", ["BTC", "TRX spot", "TRX usdm", "TRX coinm", "EURUSD fxcm", "EURUSD oanda"])
def test_good_prints_do_not_jump(name: str, shared: Path) -> None:
    """Weekends of EURUSD and single steps of a coarse price among them; thresholds from below one step of some."""
    trades = good_prints(shared, name)
    made = 0
    for dbps in (5, 10, 25, 100, 250):
        of_price: list[Any] = [dbps, rb.HighLow(dbps), rb.Cusum(dbps)]
        bars = trades.select("timestamp", "price", "quantity").rangebar.bars(of_price, features=[])
        report = validate(bars, by="rule", statistics=False)
        judged = report.filter(pl.col("check").is_in(["overshoot", "calendar", "threshold", "orphans", "reasons"]))
        assert judged["passed"].all()
        assert judged.filter(check="overshoot").height == len(of_price)
        made += bars.height
    assert made > 100


def test_bad_prints_and_forgotten_markets_jump(shared: Path) -> None:
    spy = pl.read_parquet(shared / "data/lean_equity_spy_trades_201310/spy_trades.parquet")
    several = pl.read_parquet(shared / "data/hftbacktest_binance_multi/trades_dev.parquet")
    for trades in (spy, several):
        rows = trades.select("timestamp", "price", pl.col("quantity").cast(pl.Float64))
        for dbps in (25, 100, 250):
            bars = rows.sort("timestamp", maintain_order=True).rangebar.bars(dbps, features=[])
            assert row(validate(bars, threshold_dbps=dbps, statistics=False), "overshoot", "close")["passed"] is False


def test_time_that_goes_back(bars: pl.DataFrame) -> None:
    one = bars.filter(symbol="BTCUSDT")
    swapped = pl.concat([one[:10], one[11:12], one[10:11], one[12:]])
    order = {("time_order", "close_time"), ("time_order", "open_time")}
    assert failures(structural(swapped)) == order | {
        ("id_order", "first_agg_trade_id"),
        ("id_order", "first_trade_id"),
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
