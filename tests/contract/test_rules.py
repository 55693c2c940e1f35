"""Contract of the rules that close bars: what they may be, what a plain number means, how their bars are told apart."""

from __future__ import annotations

import pickle
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import ROUTES, assert_same_bars, group_rows
from tests.strategies import Trades, trades

if TYPE_CHECKING:
    from collections.abc import Callable


def slow_ends(frame: pl.DataFrame, points: Fraction, *, gate: bool) -> list[int]:
    """The rows that close bars, by the definition: a price at least so far from the open."""
    ends: list[int] = []
    opened: tuple[Fraction, Any] | None = None
    for row, (price, time) in enumerate(frame.select("price", pl.col("timestamp").to_physical()).rows()):
        exact = round(Fraction(price) * 10**8) / Fraction(10**8)
        if opened is None:
            opened = (exact, time)
        elif abs(exact - opened[0]) >= points and not (gate and time == opened[1]):
            ends.append(row)
            opened = None
    return ends


@pytest.mark.parametrize("route", ROUTES)
@given(case=trades(min_rows=1, max_rows=60), ticks=st.integers(1, 8))
def test_points_close_where_the_definition_says(route: str, case: Trades, ticks: int) -> None:
    """On every route; the distance is of the order of the steps of the price."""
    steps = case.frame["price"].cast(pl.Float64).diff().abs()
    smallest = steps.filter(steps > 0).min() or 1.0
    rule = rb.Range(points=max(ticks * smallest, 1e-8))
    assert rule.points is not None
    got = ROUTES[route](case.frame, rule, **case.bar_options)
    expected = 0
    for rows in group_rows(case.frame, case.by):
        frame = case.frame[rows].with_columns(pl.col("price").cast(pl.Float64))
        expected += len(slow_ends(frame, round(Fraction(rule.points) * 10**8) / Fraction(10**8), gate=case.gate))
    assert got.filter(close_reason="threshold").height == expected


def test_a_plain_number_is_a_range() -> None:
    frame = rb.datasets.sample_trades(5_000, symbols=["A"])
    for plain, rule in ((100, rb.Range(100)), ([100, 250], [rb.Range(100), 250])):
        assert_same_bars(frame.rangebar.bars(rule, by="symbol"), frame.rangebar.bars(plain, by="symbol"))
        stream = rb.BarStream(rule, by="symbol")
        assert stream.parameters["threshold_dbps"] == plain
        assert rb.BarStream.restore(stream.checkpoint(), threshold_dbps=plain).checkpoint() == stream.checkpoint()


def test_points_are_a_part_of_the_price_or_not() -> None:
    """At one open, a distance in points is one in dbps; at another it is not."""
    price = [100.0, 100.5, 101.0, 50.0, 50.5, 51.0]
    frame = pl.DataFrame({"timestamp": range(6), "price": price, "quantity": [1.0] * 6})
    bars = frame.rangebar.bars([rb.Range(1_000), rb.Range(points=1)], time_unit="ms").select("close", "rule")
    assert bars.rows() == [
        (101.0, "Range(1000)"), (101.0, "Range(points=1)"), (50.5, "Range(1000)"), (51.0, "Range(points=1)"),
    ]  # fmt: skip
    ids = frame.rangebar.with_bar_id(rb.Range(points=1), time_unit="ms")["bar_id"].to_list()
    assert ids == [0, 0, 0, 1, 1, 1]


def test_the_label_of_several_rules() -> None:
    frame = rb.datasets.sample_trades(30_000, symbols=["BTCUSDT"])
    several = [rb.Range(points=60), 100]
    bars = frame.rangebar.bars(several, by="symbol")
    assert bars.schema["rule"] == pl.String
    assert "threshold_dbps" not in bars.columns
    assert set(bars["rule"]) == {"Range(points=60)", "Range(100)"}
    for rule in several:
        one = frame.rangebar.bars(rule, by="symbol")
        name = f"Range({rule})" if isinstance(rule, int) else repr(rule)
        assert_same_bars(bars.filter(rule=name).drop("rule"), one)


def test_checkpoints_of_points() -> None:
    frame = rb.datasets.sample_trades(8_000, symbols=["A", "B"])
    rules = [rb.Range(points=12.5), rb.Range(points=Decimal(30))]
    stream = rb.BarStream(rules, by="symbol")
    bars = [stream.push(frame.head(3_000))]
    stream = rb.BarStream.restore(stream.checkpoint(), threshold_dbps=rules)
    bars += [stream.push(frame.slice(3_000)), stream.finish()]
    assert_same_bars(pl.concat(bars), frame.rangebar.bars(rules, by="symbol", include_incomplete=True))
    with pytest.raises(rb.RangeBarError, match=r"`threshold_dbps` was .*12\.5.* and not"):
        rb.BarStream.restore(rb.BarStream(rules).checkpoint(), threshold_dbps=[rb.Range(points=12), 250])


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "neither": (rb.Range, "`Range` takes either `dbps` or `points`"),
    "both": (lambda: rb.Range(250, points=1), "`Range` takes either `dbps` or `points`"),
    "zero points": (lambda: rb.Range(points=0), "`points` must be a price distance above 0, such as 0.25, got 0"),
    "points below the last decimal": (
        lambda: rb.BarStream(rb.Range(points=4e-9)),
        "`points` must be a price distance from 0.00000001 to 92233720368.54775807, got 4e-9: set price_decimals=9",
    ),
    "points below zero": (lambda: rb.Range(points=-1), "`points` must be a price distance"),
    "no number": (lambda: rb.Range(points=float("nan")), "`points` must be a price distance"),
    "too many points": (lambda: rb.BarStream(rb.Range(points=1e12)), "`points` must be .*: set price_decimals=6"),
    "more points than fit": (lambda: rb.BarStream(rb.Range(points=1e19)), "`points` must be .* in units of the price"),
    "text": (lambda: rb.Range(points="1"), "`points` must be a price distance"),
    "a bool": (lambda: rb.Range(points=True), "`points` must be a price distance"),
    "dbps": (lambda: rb.Range(0), "`threshold_dbps` must be an integer in 1..100000"),
    "twice": (lambda: rb.BarStream([rb.Range(250), 250]), "`threshold_dbps` must not contain 250 twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_rules_that_are_none(case: str) -> None:
    call, text = WRONG[case]
    with pytest.raises(rb.RangeBarError, match=text):
        call()


def test_rules_are_values() -> None:
    rules = [rb.Range(250), rb.Range(points=0.25), rb.Range(points=1e-8), rb.Range(points=0.123456789)]
    assert [repr(rule) for rule in rules] == [
        "Range(250)", "Range(points=0.25)", "Range(points=0.00000001)", "Range(points=0.123456789)",
    ]  # fmt: skip
    assert len({*rules, rb.Range(250), rb.Range(points=Decimal("0.25"))}) == 4
    assert rules[0] != 250
    for rule in rules:
        assert pickle.loads(pickle.dumps(rule)) == rule


@given(number=st.floats(1e8, 1e15))
def test_a_threshold_of_17_digits_stays_what_it_is(number: float) -> None:
    """It goes through JSON into requests and checkpoints."""
    for rule in (rb.Volume(number), rb.Turnover(number), rb.Imbalance(number, of="volume")):
        assert rule.form["threshold"] == number
        stream = rb.BarStream(rule, time_unit="ms")
        assert rb.BarStream.restore(stream.checkpoint()).parameters["threshold_dbps"] == rule
