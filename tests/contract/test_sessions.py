"""Contract of `Daily` and `Weekly`: what they take, what they refuse and with which words, what they are equal to."""

from __future__ import annotations

import datetime as dt
import pickle
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb

NEW_YORK = "America/New_York"
TRADES = pl.DataFrame({"timestamp": [0, 1], "price": [100.0, 101.0], "quantity": [1.0, 1.0]}).cast(
    {"timestamp": pl.Datetime("us")}
)


@pytest.mark.parametrize(
    ("at", "told", "named_by"),
    [
        ("18:00", "18:00", "end"),
        ("18:00:00", "18:00", "end"),
        (dt.time(18), "18:00", "end"),
        (dt.time(18, 0, 30), "18:00:30", "end"),
        ("12:00", "12:00", "start"),
        ("12:00:01", "12:00:01", "end"),
        ("00:00", "00:00", "start"),
        ("23:59:59", "23:59:59", "end"),
    ],
)
def test_times_and_the_names_that_follow_from_them(at: Any, told: str, named_by: str) -> None:
    daily = rb.Daily(at=at, zone=NEW_YORK)
    assert (daily.at, daily.named_by) == (told, named_by)
    assert daily == rb.Daily(at=told, zone=NEW_YORK, named_by=named_by)
    assert repr(daily) == f"Daily(at='{told}', zone='{NEW_YORK}', named_by='{named_by}')"
    assert rb.Weekly(on="monday", at=at, zone=NEW_YORK).named_by == "start"


def test_they_are_values() -> None:
    daily, weekly = rb.Daily(at="18:00", zone=NEW_YORK), rb.Weekly(on="sunday", at="18:00", zone=NEW_YORK)
    assert len({daily, rb.Daily(at="18:00:00", zone=NEW_YORK), weekly}) == 2
    assert pickle.loads(pickle.dumps([daily, weekly])) == [daily, weekly]
    with pytest.raises(AttributeError):
        daily.at = "17:00"  # type: ignore[misc]
    assert daily != rb.Daily(at="18:00", zone="US/Eastern")


AT = '`at` must be a local time from "00:00" to "23:59:59", such as "18:00", got '


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"at": "24:00"}, AT + '"24:00"'),
        ({"at": "18"}, AT + '"18"'),
        ({"at": "6:00"}, AT + '"6:00"'),
        ({"at": "18:60"}, AT + '"18:60"'),
        ({"at": "18:00:60"}, AT),
        ({"at": "18:00:00.5"}, AT),
        ({"at": "18:00 "}, AT),
        ({"at": "+1:00"}, AT),
        ({"at": "\uff11\uff18:\uff10\uff10"}, AT),
        ({"at": ""}, AT),
        ({"at": "6pm"}, AT),
        ({"at": 18}, AT + "18"),
        ({"at": None}, AT + "None"),
        ({"at": dt.time(18, tzinfo=dt.UTC)}, "`at` must be a local time in whole seconds, without a time zone, got "),
        ({"at": dt.time(18, 0, 0, 5)}, "`at` must be a local time in whole seconds, without a time zone, got "),
        (
            {"zone": "New York"},
            '`zone` must be a name such as "America/New_York", got "New York": take one of the IANA',
        ),
        ({"zone": ""}, '`zone` must be a name such as "America/New_York", got ""'),
        ({"zone": "america/new_york"}, "`zone` must be a name"),
        ({"zone": "../UTC"}, "`zone` must be a name"),
        ({"zone": "UTC\0"}, "`zone` must be a name"),
        ({"zone": None}, '`zone` must be a name such as "America/New_York", got None'),
        ({"zone": dt.UTC}, "`zone` must be a name"),
        ({"named_by": "both"}, '`named_by` must be "start" or "end", the date on which a session begins or ends, got '),
        ({"named_by": ["end"]}, "`named_by` must be"),
        ({"named_by": 1}, "`named_by` must be"),
    ],
)
def test_what_is_no_session_is_refused_at_once(wrong: dict[str, Any], text: str) -> None:
    given: dict[str, Any] = {"at": "18:00", "zone": NEW_YORK}
    for make in (rb.Daily, lambda **options: rb.Weekly(on="sunday", **options)):
        with pytest.raises(rb.RangeBarError) as caught:
            make(**given | wrong)
        assert text in str(caught.value)


@pytest.mark.parametrize("on", ["Sunday", "sun", "", None, 0, 6, ["sunday"]])
def test_what_is_no_day_of_the_week_is_refused(on: Any) -> None:
    with pytest.raises(rb.RangeBarError, match='`on` must be a day of the week, such as "sunday", got '):
        rb.Weekly(on=on, at="17:00", zone=NEW_YORK)


def test_no_date_of_a_session_without_sessions() -> None:
    text = "`include_session=True` needs sessions: set `reset`, such as"
    for call in (
        lambda: TRADES.rangebar.bars(250, include_session=True, max_gap="4h"),
        lambda: TRADES.lazy().rangebar.bars(250, include_session=True),
        lambda: rb.range_bars(250, include_session=True),
        lambda: rb.BarStream(250, include_session=True),
    ):
        with pytest.raises(rb.RangeBarError, match=text):
            call()
    with pytest.raises(rb.RangeBarError, match="`include_session` must be True or False, got 1"):
        TRADES.rangebar.bars(250, reset="1d", include_session=1)


def test_a_key_named_as_the_column_is_refused() -> None:
    frame = TRADES.with_columns(session=pl.lit("A"))
    assert frame.rangebar.bars(250, by="session", reset="1d").columns[0] == "session"
    with pytest.raises(rb.RangeBarError, match="`by` names `session`, but the result has a column of that name too"):
        frame.rangebar.bars(250, by="session", reset="1d", include_session=True)


def test_a_class_is_not_a_reset() -> None:
    for wrong in (rb.Daily, "daily", {"at": "18:00", "zone": NEW_YORK, "named_by": "end"}):
        with pytest.raises(rb.RangeBarError, match="`reset` must be "):
            TRADES.rangebar.bars(250, reset=wrong)


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_empty_trades(engine: Any) -> None:
    reset = rb.Daily(at="18:00", zone=NEW_YORK)
    empty = TRADES.clear().lazy()
    bars = empty.rangebar.bars(250, reset=reset, include_session=True).collect(engine=engine)
    assert bars.height == 0
    assert bars.schema["session"] == pl.Date
    of_expression = empty.select(rb.range_bars(250, reset=reset, include_session=True)).unnest("bars")
    assert of_expression.collect(engine=engine).schema == bars.schema


def test_plans_are_serialised_with_their_sessions() -> None:
    """The expression carries a name and a time, not a table of changes."""
    bars = TRADES.lazy().select(rb.range_bars(250, reset=rb.Daily(at="18:00", zone=NEW_YORK), include_session=True))
    assert pl.LazyFrame.deserialize(bars.serialize()).collect().equals(bars.collect())
