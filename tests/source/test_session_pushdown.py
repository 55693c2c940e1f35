"""Contract of the lazy path as a source: a filter on times of bars reads the sessions that it needs, unnoticed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import Engine, assert_same_bars, engines
from tests._sessions import RULES, Case, session, session_trades
from tests._source import Recorder
from tests._time_filters import QUERIES, close_time, open_time, time_terms

UTC = dt.UTC
SESSIONS = rb.Daily(at="18:00", zone="America/New_York")


def trades() -> pl.DataFrame:
    """A trade every minute from 4 to 16 March 2024; the clock is put forward on the 10th."""
    start, end = dt.datetime(2024, 3, 4, tzinfo=UTC), dt.datetime(2024, 3, 16, 23, 59, tzinfo=UTC)
    times = pl.datetime_range(start, end, "1m", time_unit="us", eager=True)
    rows = len(times)
    return pl.DataFrame(
        {
            "timestamp": times,
            "price": [100.0 + i * 7 % 5 for i in range(rows)],
            "quantity": [1.0] * rows,
            "agg_trade_id": range(rows),
        }
    )


@engines
@pytest.mark.parametrize(
    ("reset", "first", "behind"),
    [
        (SESSIONS, (12, 22), (13, 22)),
        (rb.Weekly(on="sunday", at="17:00", zone="America/New_York"), (10, 21), (17, 21)),
        (rb.Daily(at="00:00", zone="Asia/Tokyo"), (12, 15), (13, 15)),
    ],
    ids=["daily", "weekly", "tokyo"],
)
def test_one_session_reads_one_session(
    reset: rb.Daily | rb.Weekly, first: tuple[int, int], behind: tuple[int, int], engine: Engine
) -> None:
    frame = trades()
    begin, end = (dt.datetime(2024, 3, *at, tzinfo=UTC) for at in (first, behind))
    read = frame.filter(pl.col("timestamp").is_between(begin, end, closed="left"))
    predicate = (open_time >= dt.datetime(2024, 3, 13, 1, tzinfo=UTC)) & (
        close_time < dt.datetime(2024, 3, 13, 5, tzinfo=UTC)
    )
    recorder = Recorder(frame)
    options: dict[str, Any] = {"reset": reset, "include_session": True, "lookback": 5}
    bars = recorder.scan().rangebar.bars(1_000, **options)
    got = bars.filter(predicate).collect(engine=engine)
    assert got.height > 10
    assert_same_bars(got, frame.rangebar.bars(1_000, **options).filter(predicate))
    (pushed,) = recorder.predicates
    assert f"{begin:%Y-%m-%d %H:%M:%S}" in pushed
    assert f"{end:%Y-%m-%d %H:%M:%S}" in pushed
    assert read.height == (end - begin).total_seconds() // 60 - (0 if end.day < 17 else 21 * 60)


@engines
@given(
    case=session_trades(), rule=st.sampled_from(RULES), flags=st.tuples(st.booleans(), st.booleans()), data=st.data()
)
def test_a_filter_over_lazy_bars_is_a_filter_over_bars(
    engine: Engine, case: Case, rule: Any, flags: tuple[bool, bool], data: st.DataObject
) -> None:
    """Bit for bit and in order, whatever was passed to the input."""
    options = case.options | {"by": case.options["by"] or None, "include_session": True}
    options |= {"include_orphans": flags[0], "include_incomplete": flags[1]}
    lazy = case.frame.lazy().rangebar.bars(rule, **options)
    collected = lazy.collect()
    dtype = case.frame.schema["timestamp"]
    unit = case.options.get("time_unit") or dtype.time_unit  # type: ignore[attr-defined]
    per = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    ticks: list[int] = []
    for time in case.frame["timestamp"].to_physical():
        first, behind, _ = session(time // per, case.sessions)
        ticks += [time, first * per, behind * per]
    near = st.builds(int.__add__, st.sampled_from(ticks), st.sampled_from((0, 0, -1, 1, 3_600 * per)))
    literals = near.map(lambda tick: pl.lit(tick, pl.Int64).cast(dtype))
    for _ in range(3):
        query = data.draw(st.sampled_from(QUERIES))
        predicate = data.draw(time_terms(literals))
        if data.draw(st.booleans()):
            predicate &= data.draw(time_terms(literals))
        if query is QUERIES[4] and "first_trade_id" not in collected.columns:
            continue
        got = query(lazy, predicate).collect(engine=engine)
        assert_same_bars(got, query(collected.lazy(), predicate).collect())


def test_a_filter_on_the_session_filters_the_bars() -> None:
    """It is not passed on: a date says nothing about a time that could be compared."""
    frame = trades()
    lazy = frame.lazy().rangebar.bars(1_000, reset=SESSIONS, include_session=True)
    wanted = pl.col("session") == dt.date(2024, 3, 11)
    bars = lazy.filter(wanted).collect()
    assert bars["open_time"][0] >= dt.datetime(2024, 3, 10, 22, tzinfo=UTC)
    assert bars["close_time"][-1] < dt.datetime(2024, 3, 11, 22, tzinfo=UTC)
    assert_same_bars(bars, lazy.collect().filter(wanted))
