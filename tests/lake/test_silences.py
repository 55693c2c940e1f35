"""Oracle layer for silences of a lake: each against a loop over its trades; days, ids and facts beside them."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._lakes import VENUE, trades_of, utc

DAY = dt.timedelta(days=1)

STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 30, 60, 61, 59, 600, 1_440, 4_000]),  # minutes
        st.just(1),
        st.sampled_from([1, 1, 1, 2, 5]),  # ids
    ),
    min_size=1,
    max_size=12,
)


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def oracle(trades: pl.DataFrame, limit: dt.timedelta) -> list[tuple[Any, ...]]:
    """From the definition: two trades that follow each other, and whether an id is missing between them."""
    found = []
    for (before, first), (after, last) in pairwise(trades.select("timestamp", "agg_trade_id").iter_rows()):
        fix = "none" if first is not None and last == first + 1 else "archive or rest"
        parts = [(before, after)]
        if (after.date() - before.date()).days > 1:
            parts = [(before, midnight(before.date()) + DAY), (midnight(after.date()), after)]
        found += [(start, end, fix) for start, end in parts if end - start > limit]
    return found


def told(lake: rb.Lake, silence: Any) -> list[tuple[Any, ...]]:
    gaps = lake.gaps(silence=silence).filter(kind="silence")
    assert gaps.select("first_id", "last_id", "count", "series").null_count().sum_horizontal().sum() == 4 * gaps.height
    for row in gaps.iter_rows(named=True):
        last_moment = max(row["from_time"], row["to_time"] - dt.timedelta(microseconds=1))
        assert (row["from"], row["to"]) == (row["from_time"].date(), last_moment.date())
    return gaps.select("from_time", "to_time", "fixable_by").rows()


@given(steps=STEPS, limit=st.sampled_from([0, 59, 60, 1_000]), without_ids=st.sets(st.integers(27, 31)))
def test_silences_are_those_of_a_loop(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]], limit: int, without_ids: set[int]
) -> None:
    """Also where some days have ids, and others have none."""
    lake = rb.Lake(tmp_path_factory.mktemp("silences") / "lake")
    trades = trades_of(steps, start=utc(2024, 1, 26, 22))
    has_none = pl.col("timestamp").dt.day().is_in(without_ids)
    ids = [pl.when(~has_none).then(name).alias(name) for name in ("agg_trade_id", "first_trade_id", "last_trade_id")]
    trades = trades.with_columns(ids)
    lake.add(trades, venue=VENUE, symbol="A")
    assert told(lake, f"{limit}m") == oracle(trades, dt.timedelta(minutes=limit))
    assert told(lake, dt.timedelta(minutes=limit)) == told(lake, f"{limit}m")
    assert told(lake, None) == []


@pytest.fixture
def lake(tmp_path: Path) -> rb.Lake:
    return rb.Lake(tmp_path / "lake")


def test_a_quiet_night_is_no_loss(lake: rb.Lake) -> None:
    """Consecutive ids show it; where one is missing, or there are none, nothing does."""
    night = trades_of([(0, 0, 1), (400, 1, 1), (400, 1, 2)], start=utc(2024, 1, 27, 20))
    lake.add(night, venue=VENUE, symbol="A")
    lake.add(night.drop("agg_trade_id", "first_trade_id", "last_trade_id"), venue=VENUE, symbol="B")
    gaps = lake.gaps(silence="6h")
    assert gaps.select("symbol", "kind", "from", "to", "fixable_by").rows() == [
        ("A", "ids", dt.date(2024, 1, 28), dt.date(2024, 1, 28), "archive or rest"),
        ("A", "silence", dt.date(2024, 1, 27), dt.date(2024, 1, 28), "none"),
        ("A", "silence", dt.date(2024, 1, 28), dt.date(2024, 1, 28), "archive or rest"),
        ("B", "silence", dt.date(2024, 1, 27), dt.date(2024, 1, 28), "archive or rest"),
        ("B", "silence", dt.date(2024, 1, 28), dt.date(2024, 1, 28), "archive or rest"),
    ]
    assert gaps.filter(kind="silence")["from_time"].to_list()[:2] == night["timestamp"].to_list()[:2]
    assert gaps.filter(kind="ids")["from_time"].is_null().all()
    assert lake.gaps().equals(gaps.filter(pl.col("kind") != "silence"))
    assert lake.gaps("B", silence="7h").is_empty()


def test_missing_days_are_told_once(lake: rb.Lake) -> None:
    """What is silent before and after them is told by itself, if it is long enough."""
    start = utc(2024, 1, 27, 12)
    for symbol, ids in (("A", 1), ("B", 9)):
        minutes = 72 * 60 + 9 * 60  # from 12:00 of the 27th to 21:00 of the 30th
        lake.add(trades_of([(0, 0, 1), (minutes, 1, ids)], start=start), venue=VENUE, symbol=symbol)
    days = (dt.date(2024, 1, 28), dt.date(2024, 1, 29))
    before, after = (start, utc(2024, 1, 28)), (utc(2024, 1, 30), utc(2024, 1, 30, 21))
    for silence, parts in (("11h", [before, after]), ("12h", [after]), ("21h", []), ("3d", [])):
        gaps = lake.gaps(silence=silence)
        for symbol, fix in (("A", "none"), ("B", "archive or rest")):
            of = gaps.filter(pl.col("symbol") == symbol)
            assert of.filter(kind="day").select("from", "to", "fixable_by").rows() == [(*days, fix)]
            found = of.filter(kind="silence").select("from_time", "to_time", "fixable_by").rows()
            assert found == [(*part, fix) for part in parts]
    first = lake.gaps("A", silence="11h").filter(kind="silence").row(0, named=True)
    assert (first["from"], first["to"]) == (start.date(), start.date())  # it ends with that day


def test_months_are_those_of_the_calendar(lake: rb.Lake) -> None:
    """As in `max_gap`: from 27 January to 27 February there are 31 days."""
    lake.add(trades_of([(0, 0, 1), (31 * 1_440, 1, 1), (31 * 1_440, 1, 1)]), venue=VENUE, symbol="A")
    assert lake.gaps(silence="1mo").filter(kind="silence").is_empty()  # parts beside missing days are short
    assert lake.gaps(silence="12h").filter(kind="silence")["to_time"].to_list() == [
        utc(2024, 1, 28),
        utc(2024, 2, 28),
    ]


def test_the_clock_of_nanoseconds(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path / "lake", time_unit="ns")
    times = pl.Series([0, 1, 3_600_000_000_002, 3 * 3_600_000_000_000]).cast(pl.Datetime("ns", "UTC"))
    lake.add(pl.DataFrame({"timestamp": times, "price": 1.0, "quantity": 1.0}), venue=VENUE, symbol="A")
    gaps = lake.gaps(silence="1h")
    assert gaps["from_time"].dtype == gaps["to_time"].dtype == pl.Datetime("ns", "UTC")
    assert gaps.select(pl.col("from_time", "to_time").to_physical()).rows() == [
        (1, 3_600_000_000_002),
        (3_600_000_000_002, 3 * 3_600_000_000_000),
    ]


@pytest.mark.parametrize("value", ["abc", "-1h", "1i", 3, ""])
def test_no_length_of_time(lake: rb.Lake, value: Any) -> None:
    with pytest.raises(rb.RangeBarError, match="`silence` must be a duration such as"):
        lake.gaps(silence=value)


FACT = """
[facts.{name}]
venue = "{venue}"
symbols = "*"
kind = "{kind}"
first = {first}
last = {last}
text = "{name}."
source = "https://example.com"
noted = 2026-11-30
"""


@pytest.mark.parametrize(
    ("facts", "known"),
    [
        ([("06:00:00", "12:00:00")], "f0. (https://example.com)"),
        ([("06:30:00", "11:40:00")], "f0. (https://example.com)"),  # what is left is short
        ([("06:30:00", "11:00:00")], "f0. (https://example.com)"),
        ([("06:30:00", "10:59:59")], "partly: f0. (https://example.com)"),
        ([("05:00:00", "09:00:00"), ("09:00:00", "13:00:00")], "f0. (https://example.com); f1. (https://example.com)"),
        (
            [("05:00:00", "08:00:00"), ("09:30:00", "13:00:00")],
            "partly: f0. (https://example.com); f1. (https://example.com)",
        ),
        ([("12:00:00", "13:00:00")], None),
        ([("00:00:00", "06:00:00")], None),
    ],
)
def test_pauses_of_the_venue(lake: rb.Lake, facts: list[tuple[str, str]], known: str | None) -> None:
    """A pause explains a silence if what is left of it would be none."""
    lake.add(trades_of([(0, 0, 1), (360, 1, 1)], start=utc(2024, 1, 27, 6)), venue=VENUE, symbol="A")
    texts = [
        FACT.format(name=f"f{i}", venue=VENUE, kind="pause", first=f"2024-01-27T{a}Z", last=f"2024-01-27T{b}Z")
        for i, (a, b) in enumerate(facts)
    ]
    (lake.path / "symbols.toml").write_text("\n".join(["format = 1", *texts]))
    assert lake.gaps(silence="1h").select("kind", "known").rows() == [("silence", known)]


def test_a_pause_that_the_library_knows(lake: rb.Lake) -> None:
    """On 8 February 2018 Binance was closed for 33 hours: ids show that no trade is missing."""
    times = [utc(2018, 2, 8, 0, 10), utc(2018, 2, 8, 0, 28, 14), utc(2018, 2, 9, 10, 0, 1), utc(2018, 2, 9, 10, 5)]
    trades = trades_of([(0, 0, 1)] * 4, first_id=6).with_columns(
        timestamp=pl.Series(times, dtype=pl.Datetime("us", "UTC"))
    )
    lake.add(trades, venue="binance-spot", symbol="ETHBTC")
    row = lake.gaps(silence="1h").row(0, named=True)
    assert (row["kind"], row["fixable_by"], row["from_time"], row["to_time"]) == ("silence", "none", times[1], times[2])
    assert row["known"].startswith("Trading was suspended")
    assert lake.gaps(silence="1h").height == 1
