"""Series of a lake whose bars end with the sessions of a place: a file for each session, of trades of several days."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._lakes import SERIES, VENUE, bars_of, made, utc

DAILY = rb.Daily(at="18:00", zone="America/New_York")


@pytest.fixture
def lake(tmp_path: Path) -> rb.Lake:
    return rb.Lake(tmp_path / "lake")


def of_days(trades: pl.DataFrame, first: dt.date, last: dt.date) -> pl.DataFrame:
    return trades.filter(pl.col("timestamp").dt.date().is_between(first, last))


@pytest.mark.parametrize("name", ["sessions", "trade_weeks"])
def test_each_session_is_a_file_on_both_sides_of_a_change_of_the_clock(lake: rb.Lake, name: str) -> None:
    """The clock of New York is put forward on 10 March 2024."""
    trades = made(12, 40, start=utc(2024, 3, 4, 3))
    lake.add(trades, venue=VENUE, symbol="A")
    lake.series(name, **SERIES[name])
    report = lake.build(name)
    wanted = bars_of(trades, name, include_orphans=True)
    bars = lake.bars("A", series=name, include_orphans=True).collect()
    assert_frame_equal(bars.drop("venue", "symbol"), wanted)
    periods = [unit.period for unit in report.built]
    if name == "sessions":
        assert periods == [str(dt.date(2024, 3, day)) for day in range(4, 17)]
        for period in periods:
            file = lake.path / "bars" / f"series={name}" / f"venue={VENUE}" / "symbol=A" / f"period={period}"
            assert set(pl.read_parquet(file / "bars.parquet")["session"].cast(pl.String)) == {period}
    else:
        assert periods == ["2024-03-03", "2024-03-10"]
    assert not lake.build(name).built


def test_another_trade_of_a_day_makes_the_sessions_of_that_day_anew(lake: rb.Lake) -> None:
    trades = made(10, 40, start=utc(2024, 3, 4, 3))
    without = trades.filter(pl.col("timestamp") != trades["timestamp"][100])
    lake.add(without, venue=VENUE, symbol="A")
    lake.series("sessions", **SERIES["sessions"])
    lake.build("sessions")
    lake.add(trades, venue=VENUE, symbol="A")
    day = trades["timestamp"][100].date()
    wanted = [str(day), str(day + dt.timedelta(days=1))]
    with pytest.warns(rb.RangeBarWarning, match="bars of 2 periods are not up to date"):
        lake.bars("A", series="sessions").collect()
    assert lake.status().filter(series="sessions")["stale"].item() == 2
    assert [unit.period for unit in lake.build("sessions").built] == wanted
    bars = lake.bars("A", series="sessions").collect()
    assert_frame_equal(bars.drop("venue", "symbol"), bars_of(trades, "sessions"))


def test_days_between_trades_have_no_session(lake: rb.Lake) -> None:
    """Friday ends at 22:00 UTC and Sunday begins there: no file is of the session of Saturday or Sunday."""
    trades = made(7, 48, start=utc(2024, 6, 5))  # from a Wednesday on
    closed = pl.col("timestamp").is_between(utc(2024, 6, 7, 22), utc(2024, 6, 9, 22), closed="left")
    trades = trades.filter(~closed)
    lake.add(trades, venue=VENUE, symbol="A")
    lake.series("sessions", **SERIES["sessions"])
    periods = [unit.period for unit in lake.build("sessions").built]
    assert periods == [f"2024-06-{day:02}" for day in (5, 6, 7, 10, 11, 12)]
    bars = lake.bars("A", series="sessions", include_orphans=True).collect()
    assert_frame_equal(bars.drop("venue", "symbol"), bars_of(trades, "sessions", include_orphans=True))


@pytest.mark.parametrize("time_unit", ["us", "ns"])
def test_a_range_reads_the_sessions_of_it(tmp_path: Path, time_unit: str) -> None:
    lake = rb.Lake(tmp_path / "lake", time_unit=time_unit)
    trades = made(8, 40, start=utc(2024, 3, 4, 3))
    trades = trades.with_columns(pl.col("timestamp").dt.cast_time_unit(time_unit))
    lake.add(trades, venue=VENUE, symbol="A")
    lake.series("sessions", **SERIES["sessions"])
    lake.build("sessions")
    every = lake.bars("A", series="sessions", include_orphans=True).collect()
    edges = [
        utc(2024, 3, 3),
        *(utc(2024, 3, day, hour) for day in range(4, 12) for hour in (0, 21, 22, 23)),
        utc(2025, 1, 1),
    ]
    parts = [
        lake.bars("A", first, last, series="sessions", include_orphans=True).collect()
        for first, last in itertools.pairwise(edges)
    ]
    assert_frame_equal(pl.concat(parts), every)


def test_the_footer_says_from_when_up_to_when_trades_count(lake: rb.Lake) -> None:
    """So bars are built anew if another version knows other changes of the clock."""
    lake.add(made(3, 40, start=utc(2024, 3, 4, 3)), venue=VENUE, symbol="A")
    lake.series("sessions", **SERIES["sessions"])
    unit = lake.build("sessions").built[1]
    file = lake.path / unit.key
    metadata = pl.read_parquet_metadata(file)
    *days, (name, bounds) = json.loads(metadata["rangebar.sources"])
    first, last = (utc(2024, 3, day, 23) for day in (4, 5))
    micros = [int(time.timestamp()) * 10**6 for time in (first, last)]
    assert (name, bounds) == ("session", f"{micros[0]}/{micros[1] - 1}")
    assert [day.split("/")[3] for day, _ in days] == ["date=2024-03-04", "date=2024-03-05"]
    other = metadata["rangebar.sources"].replace(bounds, f"{micros[0] - 3_600_000_000}/{micros[1] - 1}")
    frame = pl.read_parquet(file)
    frame.write_parquet(
        file, metadata={**{k: v for k, v in metadata.items() if k.startswith("rangebar.")}, "rangebar.sources": other}
    )
    assert [one.period for one in lake.build("sessions").built] == [unit.period]


def test_a_damaged_day_fails_its_sessions_and_no_others(lake: rb.Lake) -> None:
    trades = made(6, 40, start=utc(2024, 3, 4))
    lake.add(trades, venue=VENUE, symbol="A")
    lake.series("sessions", **SERIES["sessions"])
    file = next((lake.path / "trades").rglob("date=2024-03-06/trades.parquet"))
    file.write_bytes(b"PAR1")
    report = lake.build("sessions")
    assert sorted(unit.period for unit in report.failed) == ["2024-03-06", "2024-03-07"]
    assert [unit.period for unit in report.built] == [f"2024-03-{day:02}" for day in (4, 5, 8, 9, 10)]


def test_a_series_is_what_its_file_says(lake: rb.Lake) -> None:
    made_of = lake.series("sessions", **SERIES["sessions"])
    assert lake.series("sessions") == made_of
    assert made_of.request.parameters["reset"] == DAILY
    assert "reset=Daily(at='18:00', zone='America/New_York', named_by='end')" in repr(made_of)
    text = (lake.path / "series" / "sessions.toml").read_text()
    assert 'reset = {"at" = "18:00", "zone" = "America/New_York", "named_by" = "end"}' in text
    with pytest.raises(rb.RangeBarError, match="with other parameters"):
        lake.series("sessions", **SERIES["sessions"] | {"reset": rb.Daily(at="17:00", zone="America/New_York")})
    (lake.path / "series" / "wrong.toml").write_text(text.replace("America/New_York", "America/Gotham"))
    with pytest.raises(rb.LakeFileError, match="`zone` must be a name"):
        lake.series("wrong")


def test_bars_in_one_line(tmp_path: Path) -> None:
    """From the session of the start on, which begins on the day before."""
    days = made(4, 400, start=utc(2024, 1, 1))
    lake = rb.Lake(tmp_path / "lake")
    lake.add(days, venue=VENUE, symbol="BTCUSDT")
    options: dict[str, Any] = {"lake": lake, "fetch": "never", "reset": DAILY, "include_session": True}
    bars = rb.get_range_bars("BTCUSDT", "2024-01-03", "2024-01-03", 250, **options)
    every = days.rangebar.bars(250, reset=DAILY, include_session=True)
    assert_frame_equal(bars, every.filter(pl.col("close_time").dt.date() == dt.date(2024, 1, 3)))
    several = rb.get_n_range_bars("BTCUSDT", 30, 250, before="2024-01-04", **options)
    assert_frame_equal(several, every.filter(pl.col("close_time") < utc(2024, 1, 5)).tail(30))
    with_orphans = rb.get_range_bars("BTCUSDT", "2024-01-02", "2024-01-03", 250, include_orphans=True, **options)
    wanted = days.rangebar.bars(250, reset=DAILY, include_session=True, include_orphans=True)
    of_range = pl.col("close_time").is_between(utc(2024, 1, 2), utc(2024, 1, 4), closed="left")
    assert_frame_equal(with_orphans, wanted.filter(of_range))
