"""Oracle layer, liquidity: each measure of each window against its formula, in every context."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._liquidity import MEASURES, bars, bulk_buy_volume, by_hand
from tests._routes import Engine, engines

ROOTS = {"roll_spread", "abdi_ranaldo_squares", "abdi_ranaldo_squares_null"}
"""Roots of sums that may cancel: a root of nothing is as large as 1e-7."""

every_measure = pytest.mark.parametrize("name", MEASURES)


def near(name: str, found: list[float | None], expected: list[float | None]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        if name in ROOTS:
            assert (one or 0.0) == pytest.approx(other or 0.0, rel=1e-9, abs=2e-6)
        else:
            assert (one is None) == (other is None)
            assert one is None or one == pytest.approx(other, rel=1e-9, abs=1e-12)


@every_measure
@given(frame=bars(), more=st.integers(0, 9))
def test_windows_are_what_the_formula_gives(name: str, frame: pl.DataFrame, more: int) -> None:
    expression, formula, least = MEASURES[name]
    n = least + more
    found = frame.select(expression(n))
    assert found.schema == {expression(n).meta.output_name(): pl.Float64}
    near(name, found.to_series().to_list(), by_hand(frame, formula, n))


@every_measure
@given(frame=bars(8))
def test_none_is_one_window_of_all_bars(name: str, frame: pl.DataFrame) -> None:
    expression, formula, least = MEASURES[name]
    whole = frame.select(expression(None)).to_series()
    assert whole.len() == 1
    if frame.height >= least:
        near(name, whole.to_list(), [formula(frame.rows(named=True))])
        last = frame.select(expression(frame.height)).to_series()
        near(name, whole.to_list(), [last[-1]])
    else:
        assert whole.to_list() == [None]


@engines
@given(parts=st.lists(bars(8), min_size=2, max_size=2))
def test_contexts_agree(engine: Engine, parts: list[pl.DataFrame]) -> None:
    """`over`, `group_by().agg` and a loop over groups are one answer, to the last bit."""
    rolling = [expression(least).alias(name) for name, (expression, _, least) in MEASURES.items()]
    whole = [expression(None).alias(name) for name, (expression, _, _) in MEASURES.items()]
    keyed = [
        part.with_columns(symbol=pl.lit(key), row=pl.int_range(pl.len())) for key, part in zip("AB", parts, strict=True)
    ]
    loop = pl.concat(part.select("symbol", "row", *rolling) for part in keyed)
    mixed = pl.concat(keyed, rechunk=False).sort("row", maintain_order=True).lazy()
    over = mixed.select("symbol", "row", *(one.over("symbol") for one in rolling)).collect(engine=engine)
    assert over.sort("symbol", "row").equals(loop)
    grouped = mixed.group_by("symbol").agg("row", *rolling).collect(engine=engine)
    grouped = grouped.explode(pl.all().exclude("symbol"), empty_as_null=False)
    assert grouped.sort("symbol", "row").equals(loop)
    totals = mixed.group_by("symbol").agg(whole).sort("symbol").drop("symbol").collect(engine=engine)
    assert totals.rows() == [part.select(whole).row(0) for part in parts if part.height]


@given(frame=bars(), n=st.integers(3, 8), degrees=st.none() | st.sampled_from([0.25, 1.0, 3.5, 1000]))
def test_bulk_volume_is_what_the_formula_gives(frame: pl.DataFrame, n: int, degrees: float | None) -> None:
    distributions = pytest.importorskip("scipy.stats")
    z = distributions.norm.cdf if degrees is None else distributions.t(degrees).cdf
    found = frame.select(rb.bulk_volume(n, degrees_of_freedom=degrees)).unnest("bulk_volume")
    assert found.schema == {"bulk_buy_volume": pl.Float64, "bulk_sell_volume": pl.Float64}
    expected = by_hand(frame, lambda window: bulk_buy_volume(window, z), n)
    near("bulk_volume", found["bulk_buy_volume"].to_list(), expected)
    whole = (found["bulk_buy_volume"] + found["bulk_sell_volume"]).to_list()
    volumes = frame["volume"].to_list()
    near("bulk_volume", whole, [None if one is None else volumes[row] for row, one in enumerate(expected)])


def test_the_distributions_are_those_of_scipy() -> None:
    """Far into the tails, through the only door: sigma of three prices is chosen by the first change."""
    distributions = pytest.importorskip("scipy.stats")
    for degrees in (None, 0.25, 0.5, 1, 2, 4, 30, 1000):
        z = distributions.norm.cdf if degrees is None else distributions.t(degrees).cdf
        for n in (3, 30, 300, 900):
            closes = [0.0] * (n - 1) + [1.0]  # n - 1 changes, of which one is not zero
            sigma = math.sqrt(1 / (n - 1))
            frame = pl.DataFrame({"close": closes, "volume": 1.0})
            found = frame.select(rb.bulk_volume(n, degrees_of_freedom=degrees)).unnest("bulk_volume")
            assert found["bulk_buy_volume"][-1] == pytest.approx(float(z(1 / sigma)), rel=1e-12)
            falls = frame.with_columns(-pl.col("close"))
            found = falls.select(rb.bulk_volume(n, degrees_of_freedom=degrees)).unnest("bulk_volume")
            assert found["bulk_buy_volume"][-1] == pytest.approx(float(z(-1 / sigma)), rel=1e-11)


def test_slopes_are_those_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    frame = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT"]).rangebar.bars(50)
    change, flow = frame["close"].diff()[1:].to_numpy(), (frame["buy_volume"] - frame["sell_volume"])[1:].to_numpy()
    with_intercept = numpy.polynomial.Polynomial.fit(flow, change, 1).convert().coef[1]
    assert frame.select(rb.kyle_regression(None, intercept=True)).item() == pytest.approx(with_intercept, rel=1e-9)
    without = numpy.linalg.lstsq(flow[:, None], change, rcond=None)[0][0]
    assert frame.select(rb.kyle_regression(None)).item() == pytest.approx(without, rel=1e-9)


def test_a_large_price_costs_no_digits() -> None:
    """A spread of a tick at 1e9: the sums of squares of the prices would have no digit left."""
    ticks = pl.Series([0, 1, 0, 1, 1, 0, 1, 0, 0, 1] * 20).cast(pl.Float64)
    expected = pl.DataFrame({"close": ticks}).select(rb.roll_spread(50)).to_series()
    found = pl.DataFrame({"close": ticks + 1e9}).select(rb.roll_spread(50)).to_series()
    assert expected.drop_nulls().len() > 100
    assert found.equals(expected)


def test_what_left_the_window_leaves_nothing_behind() -> None:
    volumes: dict[str, Any] = {"buy_volume": [1e300, 1.0, 3.0, 1e-9], "sell_volume": [0.0, 3.0, 1.0, 0.0]}
    assert pl.DataFrame(volumes).select(rb.vpin(2)).to_series().to_list() == [None, 1.0, 0.5, 0.5 + 1e-9 / 8]
    assert pl.DataFrame(volumes).select(rb.vpin(1)).to_series().to_list() == [1.0, 0.5, 0.5, 1.0]


def test_the_model_of_roll_gives_its_spread_back() -> None:
    """Prices that bounce about a walk by half a spread."""
    walk = rb.datasets.sample_trades(40_000, symbols=["BTCUSDT"])
    side = pl.when("is_buyer_maker").then(-1.0).otherwise(1.0)
    flat = walk.select(close=100.0 + 0.25 * side.sample(fraction=1.0, shuffle=True, seed=1))
    assert flat.select(rb.roll_spread(None)).item() == pytest.approx(0.5, rel=0.05)


def test_bars_of_equal_range_have_the_spread_of_their_range() -> None:
    """Corwin and Schultz: if no range grows from one bar to two, all of it is the spread."""
    frame = pl.DataFrame({"high": [100.5] * 9, "low": [99.5] * 9, "close": [100.0] * 9})
    ratio = 100.5 / 99.5
    spread = 2 * (ratio - 1) / (1 + ratio)
    assert frame.select(rb.corwin_schultz(9))["corwin_schultz"][-1] == pytest.approx(spread, rel=1e-12)


def test_closes_at_either_end_have_the_spread_of_their_range() -> None:
    """Abdi and Ranaldo: closes at the ask and bid about a middle that stays."""
    frame = pl.DataFrame({"high": [101.0] * 8, "low": [99.0] * 8, "close": [101.0, 99.0] * 4})
    for average in ("spreads", "squares"):
        found = frame.select(rb.abdi_ranaldo(8, average=average)).to_series()[-1]
        assert found == pytest.approx(math.log(101 / 99), rel=1e-12)
