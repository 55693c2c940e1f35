"""Contract of null sides: an error that names the option by default, on every route; what never reads them; by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._errors import ROUTES, refusals
from tests._registry import SIDE
from tests._routes import ENGINES, SIDE_COLUMNS, assert_same_bars
from tests._statistics import SINGLE, STRUCTS
from tests._streams import frame_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FRAME = frame_of([100.0, 100.5, 101.0, 100.0, 99.0], is_buyer_maker=[True, None, False, False, True])
"""Two bars, of which the first lacks a side."""
REMEDY = 'drop such rows, or fill them; missing_side="null" gives null for what needs the side'
READ_THE_SIDE = {name: one for name, one in (SINGLE | STRUCTS).items() if set(SIDE) <= set(one.reads)}


def test_by_default_a_null_side_is_refused_on_every_route() -> None:
    for options in ({}, {"missing_side": "error"}, {"intra": True}, {"lookback": 3}):
        text = refusals(FRAME, **options)
        assert text == f"`is_buyer_maker` must not be null, got null at row 1; {REMEDY}"
    grouped = FRAME.with_columns(symbol=pl.lit("a"))
    with pytest.raises(rb.RangeBarError) as caught:
        grouped.rangebar.bars(1_000, by="symbol")
    assert "got null at row 1 (row 1 of symbol" in str(caught.value)
    assert REMEDY in str(caught.value)


def test_another_null_has_no_such_remedy() -> None:
    text = refusals(FRAME.with_columns(price=pl.when(pl.int_range(pl.len()) != 3).then("price")), missing_side="null")
    assert text == "`price` must not be null, got null at row 3; drop such rows, or fill them"


def test_by_default_a_column_of_dtype_null_is_refused_at_once() -> None:
    frame = FRAME.with_columns(is_buyer_maker=None)
    text = refusals(frame)
    assert text.startswith(
        "`is_buyer_maker` must be Boolean, true where the seller was the aggressor, got Null: it has no"
    )
    assert 'missing_side="null"' in text
    with pytest.raises(rb.RangeBarError, match="got Null"):
        frame.lazy().rangebar.bars(1_000)
    with pytest.raises(rb.RangeBarError, match="got Null"):
        rb.BarStream(1_000).push(frame)


@pytest.mark.parametrize("side", [[1, None, 0, 0, 1], ["sell", None, "buy", "buy", "sell"]])
def test_another_dtype_is_refused_all_the_same(side: list[Any]) -> None:
    for missing_side in ("error", "null"):
        text = refusals(FRAME.with_columns(is_buyer_maker=pl.Series(side)), missing_side=missing_side)
        assert text.startswith("`is_buyer_maker` must be Boolean")


@pytest.mark.parametrize("value", ["drop", None, True, ["null"], pl.col("a")], ids=lambda value: type(value).__name__)
def test_other_values_of_the_parameter(value: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: FRAME.rangebar.bars(1_000, missing_side=value),
        lambda: FRAME.lazy().rangebar.bars(1_000, missing_side=value),
        lambda: rb.range_bars(1_000, missing_side=value),
        lambda: rb.BarStream(1_000, missing_side=value),
        lambda: pl.col("is_buyer_maker").rangebar.count_imbalance(missing_side=value),
        *(lambda one=one: one.expression(missing_side=value) for one in READ_THE_SIDE.values()),
    ]
    for call in calls:
        with pytest.raises(rb.RangeBarError, match=r'`missing_side` must be "error" or "null", got '):
            call()


def test_a_column_named_otherwise_must_exist() -> None:
    """A misspelt name would be all sides missing."""
    for missing_side in ("error", "null"):
        for _, call in ROUTES.values():
            with pytest.raises((rb.RangeBarError, pl.exceptions.ColumnNotFoundError), match="maker"):
                call(FRAME, 1_000, is_buyer_maker="maker", missing_side=missing_side)
        with pytest.raises(rb.RangeBarError, match=r"column `maker` not found.*missing_side="):
            rb.BarStream(1_000, is_buyer_maker="maker", missing_side=missing_side).push(FRAME)


# -------------------------------------------------------------------------------- what reads no side


@pytest.mark.parametrize("engine", ENGINES)
def test_what_reads_no_side_takes_any(engine: Any) -> None:
    full = FRAME.with_columns(is_buyer_maker=pl.lit(value=True))
    for frame in (FRAME, FRAME.with_columns(is_buyer_maker=None)):
        lazy = frame.lazy()
        got = lazy.rangebar.with_bar_id(1_000).collect(engine=engine)
        assert got["bar_id"].to_list() == [0, 0, 0, 1, 1]
        got = lazy.select(rb.range_bar_id(threshold_dbps=1_000)).collect(engine=engine)
        assert got["bar_id"].to_list() == [0, 0, 0, 1, 1]
        assert_same_bars(rb.gaps(lazy, max_gap="1us").collect(engine=engine), rb.gaps(full, max_gap="1us"))
        bars = FRAME.lazy().rangebar.bars(1_000).select("close", "volume").collect(engine=engine)
        assert bars["volume"].to_list() == [3.0, 2.0]


# ----------------------------------------------------------------------------------------- by hand


def test_bars_by_hand() -> None:
    bars = FRAME.rangebar.bars(1_000, missing_side="null", intra=True, lookback=2)
    full = FRAME.with_columns(pl.col("is_buyer_maker").fill_null(value=True)).rangebar.bars(
        1_000, intra=True, lookback=2
    )
    sides = [*SIDE_COLUMNS, "intra_ofi", "intra_count_imbalance", "intra_kyle_lambda"]
    assert bars[0].select(sides).row(0) == (None,) * len(sides)
    assert_same_bars(bars.drop(sides)[0], full.drop(sides)[0])
    # The second bar has sides, but one of the two trades before it has none.
    before = ["lookback_ofi", "lookback_count_imbalance", "lookback_kyle_lambda"]
    assert bars[1].select(before).row(0) == (None, None, None)
    assert_same_bars(bars.drop(before)[1], full.drop(before)[1])
    assert bars["buy_volume"].to_list() == [None, 1.0]
    assert bars["lookback_vwap"].to_list() == [None, 100.75]


@pytest.mark.parametrize("name", READ_THE_SIDE)
def test_expressions_of_a_group_with_a_null_side(name: str) -> None:
    frame = FRAME.with_columns(first_trade_id=pl.int_range(5), last_trade_id=pl.int_range(5))
    one = READ_THE_SIDE[name]
    group = (pl.int_range(pl.len()) >= 3).alias("group")
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        frame.group_by(group, maintain_order=True).agg(one.expression())
    assert f"`is_buyer_maker` must not be null, got null at row 1; {REMEDY}" in str(caught.value)
    got = frame.group_by(group, maintain_order=True).agg(one.expression(missing_side="null"))[name]
    sided = frame[3:].select(one.expression())[name]
    assert_same_bars(got.slice(1).to_frame(), sided.to_frame())
    if name in SINGLE:
        assert got[0] is None
    else:
        needs = {"ofi", "kyle_lambda_proxy", "aggression_ratio", "turnover_imbalance", "count_imbalance", "kyle_lambda"}
        assert {field for field, value in got[0].items() if value is None and field in needs} == needs & set(got[0])
    nothing = frame.with_columns(is_buyer_maker=None).select(one.expression(missing_side="null"))
    assert nothing.schema == frame[3:].select(one.expression()).schema
    assert nothing.select(pl.col(name).struct.field("ofi") if name in STRUCTS else name).item() is None


def test_bars_that_lack_a_side_are_valid_bars(tmp_path: Path) -> None:
    trades = rb.datasets.sample_trades(40_000, symbols=["BTCUSDT"])
    trades = trades.with_columns(is_buyer_maker=pl.when(pl.int_range(pl.len()) > 2_000).then("is_buyer_maker"))
    bars = trades.lazy().rangebar.bars(50, by="symbol", missing_side="null")
    report = rb.validate(bars.collect(), by="symbol", threshold_dbps=50)
    said = report.filter(pl.col("check") == "nulls", pl.col("column").is_in(SIDE_COLUMNS))
    assert said.height > 0
    assert said["passed"].all()
    rb.sink_bars(bars, tmp_path / "bars.parquet")
    assert_same_bars(pl.read_parquet(tmp_path / "bars.parquet"), bars.collect())
