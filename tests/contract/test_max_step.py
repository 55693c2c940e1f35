"""Contract layer, steps: how far time may go on from one trade of a group to the next, and who is told."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._calendar import trades_at
from tests._errors import refusals
from tests._oracle import TimeUnit, later, span
from tests._routes import EVERY_BAR, ROUTES, assert_same_bars
from tests.strategies import TIME_UNITS

if TYPE_CHECKING:
    from collections.abc import Callable

FORTY_YEARS_US = 40 * 31_557_600_000_000
REMEDY = "mostly a wrong or mixed `time_unit`; Binance spot files are in ms until 2024 and in us since; max_step=None"

WAYS: dict[str, Callable[..., Any]] = {
    **{
        name: lambda frame, route=route, **options: route(frame, 250, **EVERY_BAR, **options)
        for name, route in ROUTES.items()
    },
    "with_bar_id": lambda frame, **options: frame.rangebar.with_bar_id(250, **options),
    "range_bar_id": lambda frame, **options: frame.select(rb.range_bar_id(threshold_dbps=250, **options)),
    "state": lambda frame, **options: frame.rangebar.bars(250, state=rb.BarState(), **options),
    "push": lambda frame, **options: rb.BarStream(250, **options).push(frame),
    "frames": lambda frame, **options: pushed(frame, rb.BarStream(250, **options)),
    "trades": lambda frame, **options: one_by_one(frame, rb.BarStream(250, **options, schema=frame.schema)),
    "bar_features": lambda frame, **options: frame.select(rb.bar_features(**options)),
    "window_features": lambda frame, **options: frame.select(rb.window_features(**options)),
    "trade_intensity": lambda frame, **options: frame.select(rb.trade_intensity(**options)),
    "burstiness": lambda frame, **options: frame.select(pl.col("timestamp").rangebar.burstiness(**options)),
}


def pushed(frame: pl.DataFrame, stream: rb.BarStream) -> None:
    for piece in frame.iter_slices(1):
        stream.push(piece)


def one_by_one(frame: pl.DataFrame, stream: rb.BarStream) -> None:
    numbers = frame.with_columns(pl.col("timestamp").to_physical())
    for row in numbers.iter_rows(named=True):
        stream.push_trade(**row)


def refusal(way: str, frame: pl.DataFrame, **options: Any) -> str | None:
    try:
        WAYS[way](frame, **options)
    except (rb.RangeBarError, pl.exceptions.ComputeError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("unit", TIME_UNITS)
def test_forty_years_and_a_tick(way: str, unit: TimeUnit) -> None:
    """The step counts, not the time: examples count from 1. Bars have 64 bits for their microseconds."""
    far = FORTY_YEARS_US * TIME_UNITS[unit] // 10**6
    for start in (1, -far, 1_704_067_200 * TIME_UNITS[unit]):
        for dtype in (pl.Datetime(unit), pl.Int64()):
            options: dict[str, Any] = {"time_unit": unit} if dtype == pl.Int64() else {}
            allowed = trades_at([start, start, start + far], dtype)
            assert refusal(way, allowed, **options) is None
            said = refusal(way, trades_at([start, start, start + far + 1], dtype), **options)
            assert said is not None
            assert "`timestamp` must not step forward by more than `max_step` (40 years by default), got " in said
            assert REMEDY in said
            assert "row 2" in said
            for any_step in (None, "15000d", dt.timedelta(days=15_000), "41y"):
                options["max_step"] = any_step
                assert refusal(way, trades_at([start, start, start + far + 1], dtype), **options) is None


@given(
    start=st.integers(0, 2 * 10**15),
    step=st.sampled_from(("0s", "1ms", "90s", "1d12h", "1w", "1mo", "1mo1d", "1q", "2y")),
    unit=st.sampled_from(tuple(TIME_UNITS)),
)
def test_a_step_is_measured_as_a_gap_is(start: int, step: str, unit: TimeUnit) -> None:
    """Months are those of the calendar; a trade at the limit is taken."""
    last = pl.Series([start]).cast(pl.Datetime("us")).cast(pl.Datetime(unit))
    limit = last.dt.offset_by(step).to_physical()[0]
    for wait in (0, 1):
        frame = trades_at([last.to_physical()[0], limit + wait], last.dtype)
        for way in ("eager", "lazy-streaming", "range_bar_id", "frames", "trades"):
            assert (refusal(way, frame, max_step=step) is not None) == bool(wait), way


@given(waits=st.lists(st.sampled_from((0, 1, 13, 27, 28, 29, 31, 59)), max_size=60), start=st.integers(0, 365))
def test_each_pair_decides_however_long_the_block(waits: list[int], start: int) -> None:
    """A month from the last days of one is shorter than from the days before."""
    hours = [24 * day - row % 23 for row, day in enumerate(accumulate(waits, initial=start))]
    times = sorted(hour * 3_600_000_000 for hour in hours)
    late = [row for row, (a, b) in enumerate(pairwise(times), start=1) if b > later(Fraction(a), span("1mo"))]
    said = refusal("eager", trades_at(times, pl.Datetime("us")), max_step="1mo")
    assert (said is None) == (not late)
    assert said is None or f"at row {late[0]};" in said
    gaps = trades_at(times, pl.Datetime("us")).rangebar.bars(100_000, max_gap="1mo", **EVERY_BAR)
    assert gaps["close_reason"].to_list() == ["gap"] * len(late) + ["end"]


def test_milliseconds_and_microseconds_in_one_column() -> None:
    """As files of one exchange before and after a change of its clock, read as one."""
    ms = [1_735_603_199_000 + 10 * row for row in range(50)]
    us = [1_735_689_600_000_000 + 10_000 * row for row in range(50)]
    for unit in ("ms", "us"):
        said = refusals(trades_at([*ms, *us], pl.Int64()), 250, time_unit=unit)
        assert f"got {us[0]} after {ms[-1]} at row 50; {REMEDY}" in said


def test_each_group_has_its_own_clock() -> None:
    """From one group to another time may go anywhere."""
    a, b = trades_at([1, 2, 3], pl.Int64()), trades_at([10**17, 10**17 + 1], pl.Int64())
    both = pl.concat([a.with_columns(symbol=pl.lit("A")), b.with_columns(symbol=pl.lit("B"))])
    assert both.rangebar.bars(250, by="symbol", time_unit="us", include_incomplete=True).height == 2
    said = refusals(pl.concat([a, b]), 250, time_unit="us")
    assert "at row 3" in said


def test_what_it_may_be() -> None:
    frame = trades_at([1, 2], pl.Int64())
    for bad, words in (
        (5, '`max_step` must be a duration such as "14610d", or a timedelta, got 5'),
        ("soon", "`max_step` must be a duration such as"),
        ("-1d", "which is negative"),
        ("5i", "which counts rows"),
        (dt.timedelta(-1), "which is negative"),
    ):
        for call in (
            lambda bad=bad: frame.rangebar.bars(250, time_unit="ms", max_step=bad),
            lambda bad=bad: frame.lazy().rangebar.with_bar_id(250, time_unit="ms", max_step=bad),
            lambda bad=bad: rb.range_bars(250, max_step=bad),
            lambda bad=bad: rb.range_bar_id(threshold_dbps=250, max_step=bad),
            lambda bad=bad: rb.BarStream(250, max_step=bad),
            lambda bad=bad: rb.burstiness(max_step=bad),
        ):
            with pytest.raises(rb.RangeBarError, match="max_step") as caught:
                call()
            assert words in str(caught.value)


def test_a_step_over_a_restart_is_one() -> None:
    """What a state last saw is what the next trade comes after."""
    first, second = trades_at([1], pl.Datetime("us")), trades_at([FORTY_YEARS_US + 2], pl.Datetime("us"))
    stream = rb.BarStream(250)
    stream.push(first)
    data = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match="must not step forward"):
        rb.BarStream.restore(data).push(second)
    with pytest.raises(rb.RangeBarError, match="must not step forward"):
        second.rangebar.bars(250, state=data)
    assert (
        rb.BarStream.restore(data).push(second.with_columns(pl.col("timestamp") - pl.duration(microseconds=1))).height
        == 0
    )


def test_a_checkpoint_keeps_it_and_tells_of_another() -> None:
    frame = trades_at([1], pl.Datetime("us"))
    stream = rb.BarStream(250, max_step="7d")
    stream.push(frame)
    data = stream.checkpoint()
    assert stream.parameters["max_step"] == "7d"
    assert rb.BarStream.restore(data, max_step=dt.timedelta(days=7)).parameters["max_step"] == "7d"
    for other in (None, "8d", "14610d"):
        with pytest.raises(rb.RangeBarError, match="`max_step` was '7d' and not "):
            rb.BarStream.restore(data, max_step=other)
        with pytest.raises(rb.RangeBarError, match='`max_step` was "7d" and is '):
            frame.rangebar.bars(250, max_step=other, state=data)
    more = frame.with_columns(pl.col("timestamp") + pl.duration(days=6))
    assert_same_bars(
        more.rangebar.bars(250, max_step="1w", state=data, include_incomplete=True),
        pl.concat([frame, more]).rangebar.bars(250, include_incomplete=True),
    )
