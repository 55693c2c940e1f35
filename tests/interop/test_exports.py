"""Interop: what `to_vectorbt` and `to_nanobook` return and refuse, and that the real nanobook runs on it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import hypothesis
import polars as pl
import pytest
from hypothesis import strategies as st

from rangebar_polars import RangeBarError
from rangebar_polars.backtesting import to_backtesting
from rangebar_polars.datasets import sample_trades
from rangebar_polars.exports import to_nanobook, to_vectorbt
from tests._alone import run as run_alone

NOON = datetime(2024, 1, 1, 12)  # noqa: DTZ001  (bars without time zone)
OHLC = ("open", "high", "low", "close")


def _bars(prices: list[tuple[float, float, float, float]], **columns: Any) -> pl.DataFrame:
    """Hand-made bars, one a minute; `columns` come first, or replace."""
    base = {
        "close_time": [NOON + timedelta(minutes=row) for row in range(len(prices))],
        **{name: [row[place] for row in prices] for place, name in enumerate(OHLC)},
        "volume": [1.0] * len(prices),
    }
    keys = {name: values for name, values in columns.items() if name not in base}
    return pl.DataFrame({**keys, **base, **columns}, schema_overrides=dict.fromkeys(OHLC, pl.Float64))


def _flat(*prices: float, **columns: Any) -> pl.DataFrame:
    return _bars([(price,) * 4 for price in prices], **columns)


def _integers(schedule: list[list[tuple[str, Any]]]) -> list[tuple[int, ...]]:
    return [tuple(getattr(prices, name) for name in OHLC) for [(_, prices)] in schedule]


def _sample() -> pl.DataFrame:
    return sample_trades(150_000, symbols=["BTCUSDT", "ETHUSDT"]).rangebar.bars(100, by="symbol")


# ------------------------------------------------------------------------------------------- vectorbt


def test_prices_for_vectorbt_are_those_of_the_frame_for_backtesting() -> None:
    pytest.importorskip("pandas")
    bars = _sample()
    frame = to_backtesting(bars, symbol="ETHUSDT")
    for given in (bars, bars.lazy()):
        prices = to_vectorbt(given, symbol="ETHUSDT")
        assert list(prices) == list(OHLC)
        for name, series in prices.items():
            assert series.name == name
            assert str(series.dtype) == "float64"
            assert series.index.equals(frame.index)
            assert series.tolist() == bars.filter(symbol="ETHUSDT")[name].to_list()
    with pytest.raises(RangeBarError, match="2 groups: symbol='BTCUSDT', symbol='ETHUSDT'"):
        to_vectorbt(bars)


@pytest.mark.filterwarnings("ignore")  # vectorbt 1.2.0 and what it imports
def test_signals_on_prices_for_vectorbt_make_the_equity_of_a_loop() -> None:
    """Long after a bar that more volume bought, else out, at the open of the next bar."""
    vectorbt = pytest.importorskip("vectorbt")
    pytest.importorskip("vectorbt_rust")  # without it, numba compiles for a minute and a half
    bars = _sample().filter(symbol="BTCUSDT")
    prices = to_vectorbt(bars)
    flow = to_backtesting(bars, extra="ofi")["ofi"].shift(1, fill_value=0.0)
    portfolio = vectorbt.Portfolio.from_signals(
        **prices, entries=flow > 0, exits=flow <= 0, price=prices["open"], init_cash=1_000.0, engine="rust"
    )
    equity = 1_000.0
    opens, closes = bars["open"].to_list(), bars["close"].to_list()
    for row, signal in enumerate(flow):
        after = opens[row + 1] if row + 1 < bars.height else closes[row]
        equity *= after / opens[row] if signal > 0 else 1.0
    assert portfolio.final_value() == pytest.approx(equity, rel=1e-9)
    assert len(portfolio.orders.records) > 4
    assert portfolio.wrapper.index.equals(prices["close"].index)


# ------------------------------------------------------------------------------------------- nanobook


def test_prices_for_nanobook_are_integers_in_order_of_time() -> None:
    pytest.importorskip("nanobook")
    bars = _bars([(1.0, 1.03, 0.99, 1.01), (2.0, 2.5, 1.5, 2.25), (3.0, 3.0, 3.0, 3.0)], symbol=["ADA"] * 3)
    expected = [(100, 103, 99, 101), (200, 250, 150, 225), (300,) * 4]
    assert _integers(to_nanobook(bars)) == expected
    assert _integers(to_nanobook(bars.lazy().reverse())) == expected
    assert {name for [(name, _)] in to_nanobook(bars)} == {"ADA"}
    assert {name for [(name, _)] in to_nanobook(bars, name="x")} == {"x"}
    tied = bars.with_columns(close_time=NOON).reverse()
    assert _integers(to_nanobook(tied)) == expected[::-1]
    assert to_nanobook(bars.clear()) == []


@pytest.mark.parametrize(
    ("price", "price_scale", "whole"),
    [
        (0.00001234, 10**8, 1_234),
        (42_283.58, 100, 4_228_358),
        (1.15, 100, 115),  # 1.15 * 100 is 114.99999999999999
        (0.29, 100, 29),  # 28.999999999999996
        (8.0, 1, 8),
        (1.015625, 64, 65),  # a price of 1/64
        (90_000_000_000.0, 10**8, 9 * 10**18),
        (30_000_000.12, 10**8, 3_000_000_012_000_000),
        (22_345_678.00000003, 10**8, 2_234_567_800_000_003),
        (1.23456e-6, 10**12, 1_234_560),
        (0.009007199254740992, 10**18, 2**53),
        (1e12, 100, 10**14),
    ],
)
def test_prices_are_exact(price: float, price_scale: int, whole: int) -> None:
    pytest.importorskip("nanobook")
    assert _integers(to_nanobook(_flat(price), name="x", price_scale=price_scale)) == [(whole,) * 4]


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Int64, pl.Decimal(18, 8)])
def test_prices_of_other_dtypes(dtype: Any) -> None:
    pytest.importorskip("nanobook")
    bars = _flat(2.0, 3.0).with_columns(pl.col(OHLC).cast(dtype))
    assert _integers(to_nanobook(bars, name="x")) == [(200,) * 4, (300,) * 4]


@pytest.mark.parametrize(
    ("bars", "options", "message"),
    [
        (
            _flat(0.00012, 0.004),
            {},
            r"^`open` must be a multiple of 1/100, got 0\.00012 at bar 0; use `price_scale=100000`$",
        ),
        (
            _bars([(1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 0.995, 1.0)]),
            {},
            r"^`low` must be a multiple of 1/100, got 0\.995 at bar 1; use `price_scale=1000`$",
        ),
        (_flat(1e-8), {"price_scale": 10**7}, "use `price_scale=100000000`"),
        (_flat(4e-9), {}, r"`open` must be a multiple of 1/100, got 4e-09 at bar 0; use `price_scale=1000000000`"),
        (_flat(1 / 3), {"price_scale": 10**8}, r"got 0\.33.* at bar 0; no `price_scale` fits.* round them first"),
        (_flat(1.0, 1.000000004), {"price_scale": 10**8}, "1.000000004 at bar 1; use `price_scale=1000000000`"),
        (_flat(10.0, 1e-18), {"price_scale": 10**8}, "got 1e-18 at bar 1; no `price_scale` fits"),
        (
            _flat(1.0).with_columns(low=Decimal("0.9900000000000000001")),
            {},
            "`low` must be a multiple of .* no `price_scale`",
        ),
        (_flat(1.0, 0.0), {}, r"`open` must be above 0 and below 2\*\*63 / 100, got 0\.0 at bar 1"),
        (_flat(-1.0), {}, "must be above 0"),
        (_flat(float("inf")), {}, "must be above 0 and below .* got inf at bar 0"),
        (_flat(1e17), {}, "must be above 0 and below"),
        (_flat(9.3), {"price_scale": 10**18}, "below .* or use a smaller `price_scale`"),
        (_flat(9.2), {"price_scale": 10**18}, r"must be a multiple of 1/10+, got 9\.2 at bar 0; use `price_scale=10`"),
        (_flat(float("nan")), {}, "`open` must not be null or NaN, got nan at bar 0"),
        (_flat(1.0, close_time=[None]), {}, "`close_time` must not be null or NaN"),
        (_flat(1.0).with_columns(high=None), {}, "`high` must be numeric, got Null"),
        (_flat(1.0).drop("low"), {}, r"column `low` not found"),
        (_flat(1.0).drop("close_time"), {}, r"column `close_time` not found"),
        (_flat(1.0), {"name": None}, "no column `symbol`: pass `name=`"),
        (_flat(1.0), {"name": "1000SHIBUSDT"}, r"a name in nanobook has 1 to 8 bytes, got '1000SHIBUSDT'"),
        (_flat(1.0), {"name": ""}, "1 to 8 bytes"),
        (_flat(1.0, symbol=["1000SHIBUSDT"]), {"name": None}, "1 to 8 bytes, got '1000SHIBUSDT': pass another"),
        (_flat(1.0), {"price_scale": 0}, r"`price_scale` must be an integer in 1\.\.10\*\*18, got 0"),
        (_flat(1.0), {"price_scale": 10**19}, "`price_scale` must be"),
        (_flat(1.0), {"price_scale": 100.0}, r"`price_scale` must be .* got 100\.0"),
        (_flat(1.0), {"price_scale": True}, "`price_scale` must be .* got True"),
        (_flat(1.0, 2.0, symbol=["A", "B"]), {}, "2 groups: symbol='A', symbol='B'"),
    ],
)
def test_what_nanobook_could_not_hold_is_refused(bars: pl.DataFrame, options: dict[str, Any], message: str) -> None:
    pytest.importorskip("nanobook")
    for frame in (bars, bars.lazy()):
        with pytest.raises(RangeBarError, match=message):
            to_nanobook(frame, **{"name": "x"} | options)


@hypothesis.given(
    raw=st.lists(st.integers(1, 2**53), min_size=1, max_size=20),
    price_scale=st.sampled_from([1, 10, 64, 100, 1_000, 10**5, 10**8, 10**12, 10**18]),
)
def test_no_price_is_rounded(raw: list[int], price_scale: int) -> None:
    """Whole parts come back, whatever double their price is; the next double is no whole number, or is refused."""
    prices = [whole / price_scale for whole in raw if whole / price_scale < 9e10]
    pytest.importorskip("nanobook")
    if prices:
        taken = _integers(to_nanobook(_flat(*prices), name="x", price_scale=price_scale))
        assert [row[0] / price_scale for row in taken] == prices
    for price in prices:
        beside = math.nextafter(price, 0)
        try:
            ((whole, *_),) = _integers(to_nanobook(_flat(beside), name="x", price_scale=price_scale))
        except RangeBarError:
            continue
        assert whole / price_scale == beside


def test_the_bar_that_still_forms_is_left_out() -> None:
    pytest.importorskip("nanobook")
    bars = _flat(1.0, 2.0, 3.0).with_columns(close_reason=pl.Series(["threshold", "gap", "end"]))
    assert _integers(to_nanobook(bars, name="x")) == [(100,) * 4, (200,) * 4]
    assert _integers(to_nanobook(bars.lazy(), name="x", include_incomplete=True))[-1] == (300,) * 4


def test_integer_times_order_the_schedule() -> None:
    pytest.importorskip("nanobook")
    bars = _flat(1.0, 2.0, 3.0).with_columns(close_time=pl.Series([30, 10, 20]))
    assert _integers(to_nanobook(bars, name="x")) == [(200,) * 4, (300,) * 4, (100,) * 4]


def test_one_of_several_groups_is_chosen() -> None:
    pytest.importorskip("nanobook")
    bars = _flat(1.0, 2.0, 3.0, 4.0, symbol=["A", "B", "A", "B"])
    schedule = to_nanobook(bars, symbol="B")
    assert [name for [(name, _)] in schedule] == ["B", "B"]
    assert _integers(schedule) == [(200,) * 4, (400,) * 4]
    moved = bars.select("close_time", *OHLC, "symbol")
    assert _integers(to_nanobook(moved, symbol="B")) == [(200,) * 4, (400,) * 4]


def test_weights_that_hold_make_what_the_price_makes() -> None:
    """Filled at the second bar's open, without costs, in millionths of a coin."""
    nanobook = pytest.importorskip("nanobook")
    bars = _sample().filter(symbol="ETHUSDT")
    schedule = to_nanobook(bars)
    cash = 1_000_000_00
    result = nanobook.backtest_weights(
        [[("ETHUSDT", 1.0)]] * bars.height,
        schedule,
        cash,
        nanobook.CostModel.zero(),
        nanobook.FillPolicy.NextBarOpen,
        quantity_step=1,
    )
    assert bars.height > 20
    assert len(result["equity_curve"]) == bars.height + 1
    assert result["equity_curve"][-1] == pytest.approx(cash * bars["close"][-1] / bars["open"][1], rel=1e-5)
    assert bars["close"][-1] != bars["open"][1]


def test_weights_that_follow_the_flow_trade_at_the_next_open() -> None:
    """Long after a bar that more volume bought, else out: the equity of a loop over the bars."""
    nanobook = pytest.importorskip("nanobook")
    bars = _sample().filter(symbol="BTCUSDT")
    wanted = [1.0 if flow > 0 else 0.0 for flow in bars["ofi"]]
    assert 0 < sum(wanted) < bars.height
    cash = 1_000_000_00
    result = nanobook.backtest_weights(
        [[("BTCUSDT", weight)] for weight in wanted],
        to_nanobook(bars),
        cash,
        nanobook.CostModel.zero(),
        nanobook.FillPolicy.NextBarOpen,
        quantity_step=1,
    )
    equity = float(cash)
    opens = bars["open"].to_list()
    for row, weight in enumerate(wanted[:-1]):
        after = opens[row + 2] if row + 2 < bars.height else bars["close"][-1]
        equity *= 1 + weight * (after / opens[row + 1] - 1)
    assert result["equity_curve"][-1] == pytest.approx(equity, rel=1e-4)
    assert equity != pytest.approx(cash, rel=1e-3)


def test_run_backtest_takes_the_closes() -> None:
    nanobook = pytest.importorskip("nanobook")
    bars = _sample().filter(symbol="ETHUSDT")
    closes = [{name: prices.close for name, prices in bar} for bar in to_nanobook(bars)]
    seen: list[int] = []

    def hold(bar: int, prices: dict[str, int], portfolio: Any) -> list[tuple[str, float]]:
        del bar, portfolio
        seen.append(prices["ETHUSDT"])
        return [("ETHUSDT", 1.0)]

    result = nanobook.run_backtest(hold, closes, 1_000_000_00, nanobook.CostModel.zero())
    assert seen == (bars["close"] * 100).round().cast(pl.Int64).to_list()
    curve = result.portfolio.equity_curve()
    assert curve[-1] == pytest.approx(1_000_000_00 * bars["close"][-1] / bars["close"][0], rel=1e-2)


def test_nanobook_is_imported_late_and_its_absence_said() -> None:
    code = """
import sys
import rangebar_polars as rb
from rangebar_polars.exports import to_nanobook
assert not {"nanobook", "pandas"} & set(sys.modules)
sys.modules["nanobook"] = None
try:
    to_nanobook(rb.DataFrameRangeBar(rb.datasets.sample_trades(1_000)).bars(100))
except ModuleNotFoundError as error:
    assert 'pip install "rangebar_polars[nanobook]"' in str(error)
    print("clear")
"""
    assert run_alone(code) == "clear\n"
