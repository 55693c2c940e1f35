"""Drive equivalence layer, sessions of a place: where they begin by `zoneinfo`; bars end there on every route."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars import _internal
from tests._calendar import instants, trades_at
from tests._routes import EVERY_BAR, ROUTES, assert_same_bars, eager
from tests._sessions import (
    CHANGES,
    PER_SECOND,
    RULES,
    Case,
    Sessions,
    any_sessions,
    begin,
    session,
    session_trades,
    sessions_of,
    shown,
)
from tests._streams import CUTS, WAYS, Way, cut, feed, whole

if TYPE_CHECKING:
    from pathlib import Path

NEW_YORK = "America/New_York"


def bounds(time: int, unit: str, reset: rb.Daily | rb.Weekly) -> tuple[int, int, int]:
    return _internal.period_bounds(time, unit, json.dumps(reset.form))


# ---------------------------------------------------------------------------------- where they begin


@given(drawn=any_sessions(), unit=st.sampled_from(sorted(PER_SECOND)), rest=st.integers(0, 10**9))
def test_sessions_are_those_of_a_search_second_by_second(drawn: tuple[Sessions, int], unit: str, rest: int) -> None:
    sessions, second = drawn
    per = PER_SECOND[unit]
    first, behind, date = session(second, sessions)
    expected = (first * per, behind * per - 1, (date - dt.date(1970, 1, 1)).days)
    for time in (second * per + rest % per, first * per, behind * per - 1):
        assert bounds(time, unit, sessions.reset) == expected


@pytest.mark.parametrize("zone", sorted(zoneinfo.available_timezones()))
def test_every_zone_of_python(zone: str) -> None:
    """Its clock shows `at` or later when a session begins, and did not a second before.

    From 1997 to 2024: later databases do not alter these years.
    """
    try:
        daily = rb.Daily(at="02:30", zone=zone)
    except rb.RangeBarError:
        assert zone in {"Factory", "localtime", "posixrules"}
        return
    time = int(dt.datetime(1997, 6, 1, tzinfo=dt.UTC).timestamp())
    last = int(dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp())
    while time < last:
        first, end, number = bounds(time * 1_000, "ms", daily)
        date = dt.date(1970, 1, 1) + dt.timedelta(days=number)
        opens = dt.datetime.combine(date, dt.time(2, 30))
        assert shown(first // 1_000, zone) >= opens > shown(first // 1_000 - 1, zone)
        assert first <= time * 1_000 <= end
        time = max((end + 1) // 1_000, time + 11 * 86_400 + 40_000)


def test_a_time_that_does_not_exist_and_one_that_exists_twice() -> None:
    """New York skips 02:30 on 10 March 2024, and shows 01:30 twice on 3 November."""
    skipped = rb.Daily(at="02:30", zone=NEW_YORK)
    change = dt.datetime(2024, 3, 10, 7, tzinfo=dt.UTC)
    first, _, _ = bounds(int(change.timestamp()), "ms", skipped)
    first, end, date = bounds(int(change.timestamp()) * 1_000, "ms", skipped)
    assert first == change.timestamp() * 1_000
    assert end + 1 == dt.datetime(2024, 3, 11, 6, 30, tzinfo=dt.UTC).timestamp() * 1_000
    assert date == (dt.date(2024, 3, 10) - dt.date(1970, 1, 1)).days
    twice = rb.Daily(at="01:30", zone=NEW_YORK)
    earlier = dt.datetime(2024, 11, 3, 5, 30, tzinfo=dt.UTC)
    first, end, _ = bounds(int(earlier.timestamp()) * 1_000, "ms", twice)
    assert first == earlier.timestamp() * 1_000
    assert end + 1 == dt.datetime(2024, 11, 4, 6, 30, tzinfo=dt.UTC).timestamp() * 1_000


def test_a_date_that_the_clock_skips_has_no_session() -> None:
    """Apia went from 29 to 31 December 2011: the session of the 29th lasts 24 hours, and none is of the 30th."""
    for named_by, dates in (("start", [29, 31]), ("end", [31, 1])):
        sessions = Sessions("Pacific/Apia", 18 * 3_600, None, named_by)
        first = begin(dt.date(2011, 12, 29), sessions)
        assert first is not None
        assert begin(dt.date(2011, 12, 30), sessions) is None
        _, end, date = bounds(first * 1_000, "ms", sessions.reset)
        assert end + 1 - first * 1_000 == 24 * 3_600_000
        _, _, next_date = bounds(end + 1, "ms", sessions.reset)
        assert [(dt.date(1970, 1, 1) + dt.timedelta(days=day)).day for day in (date, next_date)] == dates


def test_no_session_of_a_clock_that_was_changed_lasts_but_some_hours_less() -> None:
    """Sessions that are empty or last a few hours would be a surprise."""
    for zone, days in CHANGES.items():
        for day in days:
            second = int(dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC).timestamp())
            for at in range(0, 86_400, 1_800):
                for shift in range(-2, 3):
                    time = (second + shift * 86_400) * 1_000
                    first, end, _ = bounds(time, "ms", Sessions(zone, at).reset)
                    assert 22 * 3_600_000 <= end + 1 - first <= 26 * 3_600_000, (zone, day, at)


@pytest.mark.parametrize("unit", sorted(PER_SECOND))
def test_the_ends_of_a_clock(unit: str) -> None:
    for reset in (rb.Daily(at="18:00", zone=NEW_YORK), rb.Weekly(on="sunday", at="17:00", zone=NEW_YORK)):
        for time in (2**63 - 1, -(2**63), 0):
            first, last, _ = bounds(time, unit, reset)
            assert first <= time <= last
        dtype = pl.Datetime(unit)
        frame = trades_at([-(2**63) + 1, 0, 2**63 - 1], dtype)
        bars = eager(frame, 100, reset=reset, max_step=None, include_session=True, **EVERY_BAR)
        assert bars["session"].dtype == pl.Date
        assert bars["session"].null_count() == (2 if unit == "ms" else 0)  # beyond the years that a Date has


# ------------------------------------------------------------------------------------- bars end there


def bars_of_sessions(case: Case, frame: pl.DataFrame, rule: Any, by: list[str]) -> pl.DataFrame:
    """The bars of the trades of each session by themselves; only the last of them is still forming."""
    alone = case.options | {"reset": None, "by": by} | EVERY_BAR
    starts = sessions_of(instants(frame["timestamp"], case.options.get("time_unit")), case.sessions)["_first"]
    parts = frame.with_columns(starts).partition_by("_first", maintain_order=True, include_key=False)
    bars = [eager(part, rule, **alone) for part in parts]
    for number, part in enumerate(bars[:-1]):  # the trades of each but the last are followed by another session
        reason = part.schema["close_reason"]
        ended = pl.when(pl.col("close_reason") == "end").then(pl.lit("reset", reason)).otherwise("close_reason")
        bars[number] = part.with_columns(ended.alias("close_reason"))
    return pl.concat(bars)


@pytest.mark.parametrize("route", ROUTES)
@given(case=session_trades(), rule=st.sampled_from(RULES))
def test_bars_of_sessions_are_those_of_the_trades_of_each(route: str, case: Case, rule: Any) -> None:
    """With windows, gaps, several rules, and rules whose blocks begin anew; and bars have the dates of sessions."""
    got = ROUTES[route](case.frame, rule, include_session=True, **case.options, **EVERY_BAR)
    dates = sessions_of(instants(got["open_time"], case.options.get("time_unit")), case.sessions)["_date"]
    assert got["session"].to_list() == dates.to_list()
    ends = sessions_of(instants(got["close_time"], case.options.get("time_unit")), case.sessions)["_date"]
    assert ends.to_list() == dates.to_list()
    got = got.drop("session")
    for group in case.frame.partition_by("key") if case.options["by"] else [case.frame]:
        expected = bars_of_sessions(case, group, rule, case.options["by"])
        own = got.filter(pl.col("key") == group["key"][0]) if case.options["by"] else got
        assert_same_bars(own, expected)


@given(case=session_trades(), rule=st.sampled_from((20, rb.Ticks(3))))
def test_all_routes_are_one(case: Case, rule: Any) -> None:
    first, *others = [
        route(case.frame, rule, include_session=True, **case.options, **EVERY_BAR) for route in ROUTES.values()
    ]
    for other in others:
        assert_same_bars(other, first)


@given(case=session_trades(), rule=st.sampled_from(RULES), where=CUTS, ways=WAYS)
def test_streams_cut_and_restarted_anywhere(case: Case, rule: Any, where: list[float], ways: list[Way]) -> None:
    """Frames, single trades, checkpoints."""
    options = case.options | {"by": case.options["by"] or None, "include_session": True, "include_orphans": True}
    stream = rb.BarStream(rule, schema=case.frame.schema, **options)
    stream, closed = feed(stream, case.options["by"], cut(case.frame, where), ways)
    expected = eager(case.frame, rule, **options | {"by": case.options["by"]}, include_incomplete=True)
    assert_same_bars(whole(closed, stream.finish()), expected)


@given(case=session_trades(), rule=st.sampled_from(RULES), where=CUTS)
def test_states_between_queries(case: Case, rule: Any, where: list[float]) -> None:
    options = case.options | {"by": case.options["by"] or None, "include_session": True, "include_orphans": True}
    data: bytes | None = None
    parts = []
    for piece in cut(case.frame, where):
        state = rb.BarState(data)
        parts.append(piece.lazy().rangebar.bars(rule, state=state, **options).collect())
        data = state.checkpoint()
    expected = case.frame.rangebar.bars(rule, **options)
    assert_same_bars(pl.concat(parts), expected)


@given(case=session_trades(keys=False), data=st.data())
def test_time_that_moves_on_ends_sessions(case: Case, data: st.DataObject) -> None:
    """`advance` to the last instant of a session ends nothing, and to the next one all of it."""
    options = case.options | {"by": None, "include_session": True, "include_orphans": True, "max_gap": None}
    options.pop("max_gap")
    number = data.draw(st.integers(1, case.frame.height))
    stream = rb.BarStream(1_000, **options)
    closed = stream.push(case.frame.head(number))
    forming = stream.pending()
    unit = case.options.get("time_unit") or case.frame.schema["timestamp"].time_unit  # type: ignore[attr-defined]
    last = int(case.frame["timestamp"].to_physical()[number - 1])
    _, end, _ = bounds(last, unit, case.sessions.reset)
    assert stream.advance(end).height == 0
    ended = stream.advance(end + 1)
    assert ended.height == forming.height
    assert ended["close_reason"].to_list() == ["reset"] * forming.height
    rest = case.frame.slice(number).filter(pl.col("timestamp").to_physical() > end)
    bars = [closed, ended, stream.push(rest), stream.finish()]
    kept = pl.concat([case.frame.head(number), rest])
    expected = eager(kept, 1_000, **options | {"by": ()}, include_incomplete=True)
    if rest.is_empty() and forming.height:  # only that time went on tells that the last bar has ended
        ended_by = pl.lit("reset", expected.schema["close_reason"])
        expected = pl.concat([expected.head(-1), expected.tail(1).with_columns(close_reason=ended_by)])
    assert_same_bars(pl.concat(bars), expected)


@given(case=session_trades(), data=st.data())
def test_numbers_of_bars(case: Case, data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from([rule for rule in RULES if not isinstance(rule, list)]))
    breaks = {name: value for name, value in case.options.items() if name not in ("lookback", "intra")}
    breaks["by"] = breaks["by"] or None
    counted = case.frame.rangebar.with_bar_id(rule, **breaks)
    lengths = counted.group_by([*case.options["by"], "bar_id"], maintain_order=True).len()["len"].sort()
    bars = case.frame.rangebar.bars(rule, **breaks, **EVERY_BAR)
    assert lengths.to_list() == bars["agg_record_count"].sort().to_list()


# ---------------------------------------------------------------------------------- what the column says


@pytest.mark.parametrize("route", ROUTES)
def test_the_date_of_a_period_of_the_calendar_is_its_first_day(route: str) -> None:
    """Sunday 31 December 2023 begins a week."""
    times = [
        dt.datetime.fromisoformat(time) for time in ("2024-01-03T12:00Z", "2024-01-03T23:59Z", "2024-02-04T00:00Z")
    ]
    frame = trades_at([int(time.timestamp() * 1_000) for time in times], pl.Datetime("ms"))
    wanted = {"1d": [3, 4], "1w": [31, 4], "1mo": [1, 1], "1y": [1]}
    for reset, days in wanted.items():
        bars = ROUTES[route](frame, 100, reset=reset, include_session=True, **EVERY_BAR)
        assert bars.schema["session"] == pl.Date
        assert bars["session"].dt.day().to_list() == days


def test_where_the_column_stands() -> None:
    frame = trades_at([0, 1], pl.Datetime("ms"))
    of = rb.Daily(at="00:00", zone="UTC")
    names = frame.rangebar.bars([100, 200], reset=of, include_session=True).columns
    assert names[names.index("session") - 1] == "threshold_dbps"
    assert names[names.index("session") + 1] == "duration_us"
    assert "session" not in frame.rangebar.bars(100, reset=of).columns
    only = frame.lazy().rangebar.bars(100, reset=of, include_session=True, include_incomplete=True).select("session")
    assert only.collect()["session"].to_list() == [dt.date(1970, 1, 1)]


@pytest.mark.parametrize("route", ROUTES)
def test_days_of_utc_are_days_of_utc(route: str) -> None:
    frame = rb.datasets.sample_trades(5_000, symbols=["BTCUSDT"]).with_columns(
        timestamp=pl.col("timestamp").to_physical().mul(40).cast(pl.Datetime("us"))
    )
    for word, reset in (
        ("1d", rb.Daily(at="00:00", zone="UTC")),
        ("1w", rb.Weekly(on="sunday", at="00:00", zone="UTC")),
    ):
        options: dict[str, Any] = {"include_session": True, "lookback": 5, **EVERY_BAR}
        assert_same_bars(
            ROUTES[route](frame, 250, reset=reset, **options), ROUTES[route](frame, 250, reset=word, **options)
        )


# ----------------------------------------------------------------------------------------- real data


@pytest.mark.parametrize("route", ["eager", "lazy-streaming", "expression-in-memory"])
@pytest.mark.parametrize("hour", [0, 16])
def test_sessions_of_spy(shared: Path, hour: int, route: str) -> None:
    """Five days of prints in October 2013: whole days, and sessions that begin when the exchange closes."""
    trades = pl.read_parquet(shared / "data/lean_equity_spy_trades_201310/spy_trades.parquet")
    trades = trades.select("timestamp", "price", "quantity")
    local = trades["timestamp"].dt.convert_time_zone(NEW_YORK).dt.replace_time_zone(None)
    day = (local - dt.timedelta(hours=hour)).dt.date()
    reset = rb.Daily(at=f"{hour:02}:00", zone=NEW_YORK, named_by="start")
    bars = ROUTES[route](trades, 50, reset=reset, include_session=True, **EVERY_BAR)
    parts = trades.with_columns(_day=day).partition_by("_day", maintain_order=True, as_dict=True)
    assert len(parts) == (5 if hour == 0 else 6)
    assert bars["session"].unique().sort().to_list() == [date for (date,) in parts]
    for (date,), part in parts.items():
        own = bars.filter(pl.col("session") == date).drop("session")
        alone = eager(part.drop("_day"), 50, **EVERY_BAR)
        without = ["close_reason", *(name for name in own.columns if name.endswith("trade_id"))]
        assert_same_bars(own.drop(without), alone.drop(without))
