"""Checkpoints of bars that end with sessions: what they hold of the clock, and what another version makes of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._checkpoints import repaired, sample
from tests._routes import assert_same_bars

DAILY = rb.Daily(at="18:00", zone="America/New_York")
UTC = dt.UTC
OPENED = dt.datetime(2024, 3, 10, 22, tzinfo=UTC)
"""When the session of Monday, 11 March 2024 begins, in summer time."""


def stream(**options: Any) -> rb.BarStream:
    return rb.BarStream(250, **{"reset": DAILY, "include_orphans": True, "include_session": True, **options})


def trades(*hours: float) -> pl.DataFrame:
    """Trades of one price some hours after the session began."""
    times = [OPENED + dt.timedelta(hours=hour) for hour in hours]
    return pl.DataFrame({"timestamp": times, "price": [100.0] * len(times), "quantity": [1.0] * len(times)})


def test_a_stream_goes_on_within_a_session_and_behind_it() -> None:
    whole = trades(-1, 1, 2, 3, 25, 30)
    expected = whole.rangebar.bars(
        250, reset=DAILY, include_orphans=True, include_session=True, include_incomplete=True
    )
    assert expected["session"].dt.day().to_list() == [10, 11, 12]
    for number in range(whole.height + 1):
        bars = stream()
        closed = [bars.push(whole.head(number))]
        bars = rb.BarStream.restore(bars.checkpoint(), reset=DAILY)
        assert bars.parameters["reset"] == DAILY
        closed += [bars.push(whole.slice(number)), bars.finish()]
        assert_same_bars(pl.concat(closed), expected)


def altered(data: bytes, hours: int) -> bytes:
    """The checkpoint as of a clock by which the session began some hours earlier or later."""
    began = int(OPENED.timestamp()) * 10**6
    assert data.count(began.to_bytes(8, "little", signed=True)) == 1
    other = began + hours * 3_600_000_000
    return repaired(data.replace(began.to_bytes(8, "little", signed=True), other.to_bytes(8, "little", signed=True)))


@pytest.mark.parametrize("hours", [-1, 1])
def test_another_beginning_of_the_session_is_refused(hours: int) -> None:
    bars = stream()
    bars.push(trades(3, 4))
    data = altered(bars.checkpoint(), hours)
    was = OPENED + dt.timedelta(hours=hours)
    text = f"the session of the last trade began at {was:%Y-%m-%d %H:%M:%S} UTC where the checkpoint was written, and "
    text += f"begins at {OPENED:%Y-%m-%d %H:%M:%S} UTC by the changes of the clock"
    with pytest.raises(rb.RangeBarError, match=text):
        rb.BarStream.restore(data)
    with pytest.raises(rb.RangeBarError, match=text):
        trades(5).lazy().rangebar.bars(250, reset=DAILY, state=rb.BarState(data), is_buyer_maker=None).collect()


def test_checkpoints_of_other_resets_are_as_they_were() -> None:
    """Eight bytes a group are there only where bars end with sessions."""
    sizes = {}
    for name, reset in (("day", "1d"), ("session", rb.Daily(at="00:00", zone="UTC"))):
        lengths = []
        for groups in (1, 101):
            bars = rb.BarStream(250, by="symbol", reset=reset)
            bars.push(sample(groups))
            lengths.append(len(bars.checkpoint()))
        sizes[name] = lengths[1] - lengths[0]
    assert sizes["session"] - sizes["day"] == 100 * 8
    assert b"include_session" not in rb.BarStream(250, reset="1d").checkpoint()


@pytest.mark.parametrize(
    "other",
    [
        *("1d", None),
        rb.Daily(at="17:00", zone="America/New_York"),
        rb.Daily(at="18:00", zone="America/Chicago"),
        rb.Weekly(on="sunday", at="18:00", zone="America/New_York"),
    ],
    ids=str,
)
def test_another_reset_is_another_stream(other: Any) -> None:
    bars = stream()
    bars.push(trades(1))
    data = bars.checkpoint()
    told = 'Daily\\(at="18:00", zone="America/New_York", named_by="end"\\)'
    with pytest.raises(rb.RangeBarError, match=f"`reset` was {told} and is "):
        trades(2).lazy().rangebar.bars(250, reset=other, state=data).collect()
    with pytest.raises(rb.RangeBarError, match="reset"):
        rb.BarStream.restore(data, reset=other)


def test_a_bar_that_forms_is_taken_back_with_its_session() -> None:
    """A push that fails half-way leaves the session of the last good trade."""
    bars = stream()
    bars.push(trades(1, 2))
    bad = trades(25, 26).with_columns(price=pl.Series([100.0, -1.0]))
    with pytest.raises(rb.RangeBarError, match="`price`"):
        bars.push(bad)
    assert bars.push(trades(3)).height == 0
    assert bars.push(trades(25))["close_reason"].to_list() == ["reset"]
