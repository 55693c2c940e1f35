"""Oracle and contract layers, gaps: how long each is, to the tick of the clock, and which are refused."""

from __future__ import annotations

import calendar
import datetime as dt
import math
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._calendar import INSTANTS_US, trades_at
from tests._errors import refusals
from tests._oracle import TimeUnit, later, span
from tests._routes import EVERY_BAR, ROUTES, eager
from tests.strategies import TIME_UNITS

DURATIONS = st.lists(
    st.builds("{}{}".format, st.integers(0, 20), st.sampled_from(("ms", "s", "m", "h", "d", "w", "mo", "q", "y"))),
    min_size=1,
    max_size=3,
).map("".join)


@given(time=INSTANTS_US, gap=DURATIONS)
def test_the_oracle_adds_durations_as_polars_does(time: int, gap: str) -> None:
    moved = pl.Series([time]).cast(pl.Datetime("us", "UTC")).dt.offset_by(gap)
    assert later(Fraction(time), span(gap)) == moved.to_physical()[0]


# ---------------------------------------------------------------------------------------------- gaps


@given(time=INSTANTS_US, gap=DURATIONS, unit=st.sampled_from(tuple(TIME_UNITS)))
def test_a_gap_is_longer_than_the_limit(time: int, gap: str, unit: TimeUnit) -> None:
    """The limit is the last time offset by the duration; a trade at it still belongs to the bar."""
    last = pl.Series([time]).cast(pl.Datetime("us", "UTC")).cast(pl.Datetime(unit, "UTC"))
    limit = last.dt.offset_by(gap).to_physical()[0]
    for wait, reasons in ((0, ["end"]), (1, ["gap", "end"])):
        frame = trades_at([last.to_physical()[0], limit + wait], last.dtype)
        bars = eager(frame, 250, max_gap=gap, max_step=None, **EVERY_BAR)
        assert bars["close_reason"].to_list() == reasons


HOUR_MS = 3_600_000
GAPS: list[tuple[str | dt.timedelta, TimeUnit, int]] = [
    ("1500us", "ms", 1),  # finer than the clock: two milliseconds are longer, one is not
    ("1500ns", "us", 1),
    ("999us", "ms", 0),
    ("0s", "ns", 0),
    ("1ns", "ns", 1),
    ("1d12h", "ms", 36 * HOUR_MS),
    ("12h1d", "ms", 36 * HOUR_MS),
    ("1h1h", "ms", 2 * HOUR_MS),
    ("1w", "ms", 7 * 24 * HOUR_MS),
    ("1h30m15s250ms", "us", 5_415_250_000),
    (dt.timedelta(hours=36), "ms", 36 * HOUR_MS),
    (dt.timedelta(microseconds=1_500), "ms", 1),
    (dt.timedelta(microseconds=1_500), "ns", 1_500_000),
    (dt.timedelta(0), "us", 0),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("max_gap", "unit", "longest"), GAPS, ids=str)
def test_lengths_of_gaps(route: str, max_gap: str | dt.timedelta, unit: TimeUnit, longest: int) -> None:
    for start in (-5, 1_709_164_799 * TIME_UNITS[unit]):
        times = [start, start + longest, start + 2 * longest + 1, start + 3 * longest + 1]
        bars = ROUTES[route](trades_at(times, pl.Datetime(unit)), 250, max_gap=max_gap, **EVERY_BAR)
        assert bars["close_reason"].to_list() == ["gap", "end"]
        assert bars["agg_record_count"].to_list() == [2, 2]


MONTHS = [
    ("2024-01-31T05:00:00", "1mo", "2024-02-29T05:00:00"),
    ("2023-01-31T05:00:00", "1mo", "2023-02-28T05:00:00"),
    ("2024-01-31T23:59:59", "1mo1d", "2024-03-01T23:59:59"),
    ("2024-01-31T23:00:00", "1d1mo2h", "2024-03-02T01:00:00"),
    ("2023-11-30T00:00:00", "1q", "2024-02-29T00:00:00"),
    ("2024-02-29T00:00:00", "1y", "2025-02-28T00:00:00"),
    ("1969-12-31T23:59:59", "2mo", "1970-02-28T23:59:59"),
    ("1899-12-31T00:00:00", "2mo", "1900-02-28T00:00:00"),
]


@pytest.mark.parametrize(("last", "max_gap", "limit"), MONTHS)
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_months_of_a_gap_are_those_of_the_calendar(last: str, max_gap: str, limit: str, zone: str | None) -> None:
    ends = [calendar.timegm(dt.datetime.fromisoformat(x).timetuple()) * 1_000 for x in (last, limit)]
    for late, reasons in ((0, ["end"]), (1, ["gap", "end"])):
        frame = trades_at([ends[0], ends[1] + late], pl.Datetime("ms", zone))
        for route in ROUTES.values():
            assert route(frame, 250, max_gap=max_gap, **EVERY_BAR)["close_reason"].to_list() == reasons


# ----------------------------------------------------------------------------------- resets and gaps

WRONG_GAPS = [
    *("", "abc", "-1h", "1i", "1", "h", "1h-", " 1h", "1.5h", "1hh"),
    *(5, 1.5, True, dt.timedelta(microseconds=-1)),
]
WRONG_RESETS = ["", "1h", "2d", "7d", "1q", "d", "1W", "1D", 1, True, dt.timedelta(days=1)]


@pytest.mark.parametrize(
    ("argument", "value"),
    [*[("max_gap", value) for value in WRONG_GAPS], *[("reset", value) for value in WRONG_RESETS]],
)
def test_wrong_resets_and_gaps_are_named_at_once(argument: str, value: Any) -> None:
    good, wrong = trades_at([0, 1], pl.Datetime("us")), {argument: value}
    for call in (
        lambda: good.rangebar.bars(250, **wrong),
        lambda: good.lazy().rangebar.bars(250, **wrong),
        lambda: good.rangebar.with_bar_id(250, **wrong),
        lambda: good.lazy().rangebar.with_bar_id(250, **wrong),
        lambda: rb.range_bars(250, **wrong),
        lambda: rb.range_bar_id("timestamp", "price", threshold_dbps=250, **wrong),
    ):
        with pytest.raises(rb.RangeBarError, match=f"`{argument}`") as caught:
            call()
        if isinstance(value, str):
            assert value in str(caught.value)


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_orphans_are_wanted_or_not(value: Any) -> None:
    good = trades_at([0, 1], pl.Datetime("us"))
    for call in (good.rangebar.bars, good.lazy().rangebar.bars, rb.range_bars):
        with pytest.raises(rb.RangeBarError, match="`include_orphans`"):
            call(250, include_orphans=value)


@pytest.mark.parametrize("row", [3, 4, 5])
@pytest.mark.parametrize(("column", "value"), [("price", -1.0), ("quantity", None), ("price", math.nan)])
def test_a_bad_row_is_named_behind_resets_and_gaps(column: str, value: float | None, row: int) -> None:
    """Rows count over the whole input, not from where a bar began."""
    day = 86_400_000
    good = trades_at([0, 1, 5_000, day, day + 5_000, 40 * day], pl.Datetime("ms"))
    assert eager(good, 250, reset="1d", max_gap="1s", **EVERY_BAR).height == 5
    at_row = pl.int_range(pl.len()) == row
    bad = good.with_columns(pl.when(at_row).then(pl.lit(value)).otherwise(column).alias(column))
    text = refusals(bad, reset="1d", max_gap="1s", include_orphans=True)
    assert f"`{column}`" in text
    assert f"row {row}" in text
    back = pl.when(at_row).then(0).otherwise(pl.col("timestamp").to_physical()).cast(good.schema["timestamp"])
    text = refusals(good.with_columns(back.alias("timestamp")), reset="1mo", max_gap="1s")
    assert "must not go back" in text
    assert f"row {row}" in text
