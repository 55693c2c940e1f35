"""Contract layer, liquidity: what the measures accept and refuse, and that nothing after a bar has a say."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._liquidity import COLUMNS, MEASURES, bars

FUNCTIONS = {
    "vpin": rb.vpin,
    "bulk_volume": rb.bulk_volume,
    "roll_spread": rb.roll_spread,
    "corwin_schultz": rb.corwin_schultz,
    "abdi_ranaldo": rb.abdi_ranaldo,
    "amihud": rb.amihud,
    "kyle_regression": rb.kyle_regression,
    "hasbrouck_lambda": rb.hasbrouck_lambda,
}
LEAST = {"vpin": 1, "bulk_volume": 3, "roll_spread": 4}
every_function = pytest.mark.parametrize("name", FUNCTIONS)


@every_function
def test_windows_are_numbers_of_bars(name: str) -> None:
    least = LEAST.get(name, 2)
    for n in (least - 1, 0, -1, 5.0, True, "5"):
        with pytest.raises(rb.RangeBarError, match=f"`n` must be an integer of at least {least}, got"):
            FUNCTIONS[name](n)
    with pytest.raises(rb.RangeBarError, match="`n` must be at most 4294967295"):
        FUNCTIONS[name](2**32)
    found = bars_by_hand().select(FUNCTIONS[name](2**32 - 1)).to_series()
    values = found.struct.field("bulk_buy_volume") if name == "bulk_volume" else found
    assert values.null_count() == values.len() == 3


def bars_by_hand() -> pl.DataFrame:
    rows = [
        [101, 99, 100, 2, 200, 1, 1, 100, 100],
        [102, 99, 101, 3, 300, 2, 1, 200, 100],
        [103, 100, 100, 4, 400, 1, 3, 100, 300],
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.Float64), orient="row", strict=False)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: rb.vpin(2, 3), "`buy_volume` must be a column name or an expression, got 3"),
        (lambda: rb.roll_spread(4, None), "`price` must be a column name or an expression, got None"),
        (lambda: rb.bulk_volume(None), "`n` must be an integer of at least 3, got None"),
        (
            lambda: rb.bulk_volume(3, degrees_of_freedom=0),
            "`degrees_of_freedom` must be above 0 and at most 1000, .*, got 0",
        ),
        (lambda: rb.bulk_volume(3, degrees_of_freedom=1001), "`degrees_of_freedom` must be above 0 and at most 1000"),
        (lambda: rb.bulk_volume(3, degrees_of_freedom="t"), "`degrees_of_freedom` must be above 0 and at most 1000"),
        (lambda: rb.corwin_schultz(2, negative="drop"), '`negative` must be "zero", "null" or "keep", got \'drop\''),
        (lambda: rb.corwin_schultz(2, overnight=1), "`overnight` must be True or False, got 1"),
        (lambda: rb.abdi_ranaldo(2, negative="keep"), '`negative` must be "zero" or "null", got \'keep\''),
        (lambda: rb.abdi_ranaldo(2, average="mean"), '`average` must be "spreads" or "squares", got \'mean\''),
        (lambda: rb.kyle_regression(2, intercept=True), "`n` must be an integer of at least 3, got 2"),
        (lambda: rb.hasbrouck_lambda(3, intercept=None), "`intercept` must be True or False, got None"),
    ],
)
def test_parameters_are_refused(call: Any, text: str) -> None:
    with pytest.raises(rb.RangeBarError, match=text):
        call()


@every_function
def test_text_is_refused(name: str) -> None:
    frame = bars_by_hand().with_columns(pl.all().cast(pl.String))
    with pytest.raises(
        pl.exceptions.ComputeError, match="of bars must be Float64, Float32, Decimal or an integer, got"
    ):
        frame.select(FUNCTIONS[name](4))
    with pytest.raises(pl.exceptions.ComputeError, match="cast it to Float64"):
        frame.lazy().select(FUNCTIONS[name](4)).collect_schema()


@every_function
def test_integers_and_decimals_are_numbers(name: str) -> None:
    frame = bars_by_hand()
    expected = frame.select(FUNCTIONS[name](4 if name == "roll_spread" else 3))
    for dtype in (pl.Int64, pl.UInt16, pl.Float32, pl.Decimal(20, 4)):
        found = frame.cast(dict.fromkeys(COLUMNS, dtype)).select(FUNCTIONS[name](4 if name == "roll_spread" else 3))
        assert found.equals(expected), dtype


@given(frame=bars(), data=st.data())
def test_nothing_after_a_bar_has_a_say(frame: pl.DataFrame, data: st.DataObject) -> None:
    every = [expression(least + 1).alias(name) for name, (expression, _, least) in MEASURES.items()]
    cut = data.draw(st.integers(0, frame.height))
    assert frame.head(cut).select(every).equals(frame.select(every).head(cut))


def test_the_flow_of_hasbrouck_may_come_from_trades() -> None:
    """The bar as one order is a bar of one trade; otherwise the root of the sum is not the sum of the roots."""
    trades = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"])
    root = (pl.col("price") * pl.col("quantity")).sqrt()
    signed = pl.when("is_buyer_maker").then(-root).otherwise(root)
    each = trades.select(
        close="price",
        flow=signed,
        buy_turnover=pl.when(~pl.col("is_buyer_maker")).then(root**2).otherwise(0.0),
        sell_turnover=pl.when("is_buyer_maker").then(root**2).otherwise(0.0),
    )
    one, other = (each.select(rb.hasbrouck_lambda(None, flow=flow)).item() for flow in ("flow", None))
    assert one == pytest.approx(other, rel=1e-9)


def test_bars_without_a_side_have_the_measures_that_need_none() -> None:
    frame = rb.datasets.sample_trades(50_000, symbols=["BTCUSDT"]).rangebar.bars(50, is_buyer_maker=None)
    assert (
        frame.select(rb.vpin(5), rb.kyle_regression(5), rb.hasbrouck_lambda(5)).null_count().row(0)
        == (frame.height,) * 3
    )
    bulk = frame.with_columns(rb.bulk_volume(20)).unnest("bulk_volume")
    toxicity = bulk.select(rb.vpin(10, "bulk_buy_volume", "bulk_sell_volume")).to_series()
    assert toxicity.null_count() == 19 + 9
    assert toxicity.drop_nulls().is_between(0, 1).all()
