"""`Lake.build`: what is stale and nothing else, whatever fails meanwhile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._engine.reading import batches as read
from rangebar_polars._lake import build as building
from rangebar_polars._lake import publish
from rangebar_polars._lake.lock import locked
from tests._lakes import SERIES, VENUE, bars_of, files_of, made, utc

ROWS = made(100, 4, start=utc(2024, 1, 10))
"""A hundred days of four months."""


@pytest.fixture
def lake(tmp_path: Path) -> rb.Lake:
    return rb.Lake(tmp_path / "lake")


def built(report: rb.BuildReport) -> list[str]:
    return [unit.period for unit in report.built]


def of_month(month: int) -> pl.DataFrame:
    return ROWS.filter(pl.col("timestamp").dt.month() == month)


def check(lake: rb.Lake, trades: pl.DataFrame, name: str) -> None:
    bars = lake.bars("A", series=name, include_orphans=True).collect()
    assert_frame_equal(bars.drop("venue", "symbol"), bars_of(trades, name, include_orphans=True))


def test_without_a_reset_later_months_go_on_from_earlier_ones(lake: rb.Lake) -> None:
    lake.series("ever", **SERIES["ever"])
    for months, wanted in (
        ([2, 3], ["2024-02", "2024-03"]),
        ([1], ["2024-01", "2024-02", "2024-03"]),
        ([4], ["2024-04"]),
    ):
        for month in months:
            lake.add(of_month(month), venue=VENUE, symbol="A")
        assert built(lake.build("ever", dry_run=True)) == wanted
        assert built(lake.build("ever")) == wanted
    check(lake, ROWS, "ever")


def test_a_rebuild_stops_where_a_state_is_as_it_was(lake: rb.Lake) -> None:
    """A trade that only the bars of its own day are made of makes no later month anew."""
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.series("ever", threshold_dbps=250, reset=None)
    lake.build("ever")
    is_it = pl.col("agg_trade_id") == ROWS["agg_trade_id"][6]
    other = ROWS.with_columns(pl.when(is_it).then(9.0).otherwise("quantity").alias("quantity"))
    lake.add(other[:8], venue=VENUE, symbol="A", on_conflict="replace")
    assert built(lake.build("ever", dry_run=True)) == ["2024-01", "2024-02", "2024-03", "2024-04"]
    report = lake.build("ever")
    assert (built(report), len(report.current)) == (["2024-01"], 3)
    bars = lake.bars("A", series="ever").collect()
    assert_frame_equal(bars.drop("venue", "symbol"), other.rangebar.bars([250]))


def test_with_a_reset_a_change_touches_one_period(lake: rb.Lake) -> None:
    lake.series("base", **SERIES["base"])
    for month in (3, 1, 4, 2):
        lake.add(of_month(month), venue=VENUE, symbol="A")
        assert built(lake.build("base")) == [f"2024-0{month}"]
    check(lake, ROWS, "base")
    lake.series("years", threshold_dbps=[250], reset="1y")
    assert built(lake.build("years")) == ["2024"]
    bars = lake.bars("A", series="years").collect()
    assert_frame_equal(bars.drop("venue", "symbol"), ROWS.rangebar.bars([250], reset="1y"))


def test_a_warning_only_for_what_is_asked_for(lake: rb.Lake) -> None:
    lake.add(of_month(1), venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    lake.build("base")
    lake.add(of_month(2), venue=VENUE, symbol="A")
    assert lake.bars("A", end="2024-01-31").collect().height
    with pytest.warns(rb.RangeBarWarning, match="bars of 1 periods are not up to date, the first of A in 2024-02"):
        lake.bars("A")


def test_bars_of_trades_that_are_gone(lake: rb.Lake) -> None:
    lake.add(ROWS[:100], venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    lake.build("base")
    for file in sorted((lake.path / "trades").rglob("date=2024-01-*/*.parquet")):
        file.unlink()
    assert [unit.period for unit in lake.build("base", dry_run=True).removed] == ["2024-01"]
    with pytest.warns(rb.RangeBarWarning):
        lake.bars("A")
    report = lake.build("base")
    assert (built(report), [unit.period for unit in report.removed]) == ([], ["2024-01"])
    assert repr(report).startswith("<BuildReport: 0 built, 1 current, 0 failed, 1 removed; 0 trades in ")
    check(lake, of_month(2)[: -0 or None].filter(pl.col("agg_trade_id") <= ROWS["agg_trade_id"][99]), "base")
    for file in sorted((lake.path / "trades").rglob("*.parquet")):
        file.unlink()
    assert len(lake.build("base").removed) == 1
    assert lake.bars("A").collect().is_empty()
    assert lake.status().select("days", "trades", "units", "stale").rows() == [(0, 0, 0, 0)]


def spoiled(lake: rb.Lake) -> Path:
    """A file whose footer is right, and whose values cannot be read."""
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.add(ROWS, venue=VENUE, symbol="B")
    lake.series("base", **SERIES["base"])
    file = next((lake.path / "trades").rglob("symbol=A/date=2024-02-10/*.parquet"))
    data = bytearray(file.read_bytes())
    data[4:60] = bytes(255 for _ in range(56))
    file.write_bytes(data)
    return file


def test_a_failure_is_reported_and_the_rest_is_built(lake: rb.Lake) -> None:
    file = spoiled(lake)
    report = lake.build("base", workers=2)
    assert [(unit.symbol, unit.period) for unit in report.failed] == [("A", "2024-02")]
    assert len(report.built) == 7
    assert lake.gaps().filter(pl.col("kind") == "stale_bars").height == 1
    assert lake.repair().filter(pl.col("kind") == "stale_bars").height == 1
    assert lake.verify(deep=True)["file"].to_list() == [str(file)]
    file.unlink()
    lake.add(ROWS, venue=VENUE, symbol="A")
    assert built(lake.build("base")) == ["2024-02"]
    check(lake, ROWS, "base")


def test_on_error_raise_stops(lake: rb.Lake) -> None:
    spoiled(lake)
    with pytest.raises((rb.RangeBarError, pl.exceptions.PolarsError)):
        lake.build("base", workers=1, on_error="raise")
    assert lake.verify()["file"].len() == 0
    assert [file for file in (lake.path / ".rangebar" / "staging").iterdir() if file.stem != "staging"] == []


def test_a_build_that_is_stopped_reads_no_further(lake: rb.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two units at once: one fails, and the other, which would take for ever, ends."""
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    taken = [0]

    def batches(frame: pl.LazyFrame, columns: list[str]) -> Iterator[pl.DataFrame]:
        if not taken[0]:
            taken[0] = 1
            while taken[0] < 10_000:
                taken[0] += 1
                yield next(read(frame, columns))  # no rows, but columns
        raise OSError("the disk is gone")

    monkeypatch.setattr(building, "batches", batches)
    with pytest.raises(OSError, match="the disk is gone"):
        lake.build("base", workers=2, on_error="raise")
    assert 1 < taken[0] < 10_000


def test_more_symbols_than_locks(lake: rb.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_MOST_LOCKS", 2)
    symbols = [f"S{number}" for number in range(5)]
    lake.add(ROWS[:20].join(pl.DataFrame({"symbol": symbols}), how="cross").sort("symbol"), venue=VENUE)
    lake.series("x" * 200, **SERIES["base"])
    with (
        lake.lock("x" * 200, "S4", venue=VENUE),
        pytest.raises(rb.LakeLockError, match="S4 is being written by process"),
    ):
        lake.build("x" * 200)
    report = lake.build("x" * 200)
    assert (len(report.built), len(report.current)) == (1, 4)


def test_an_add_waits_for_the_lock(lake: rb.Lake) -> None:
    lake.add(ROWS[:10], venue=VENUE, symbol="A")
    before = files_of(lake.path)
    with locked(lake.path / ".rangebar" / "locks", f"trades {VENUE}"):
        with pytest.raises(rb.LakeLockError, match=f"trades {VENUE} is being written by process"):
            lake.add(ROWS, venue=VENUE, symbol="A", lock_seconds=0)
        assert files_of(lake.path) == before
        assert len(lake.add(ROWS, venue="other", symbol="A", lock_seconds=0).new) == 100


def test_progress(lake: rb.Lake, capsys: pytest.CaptureFixture[str]) -> None:
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    lake.build("base", progress=True)
    assert "400/400" in capsys.readouterr().err


@pytest.mark.parametrize(
    "dropped",
    [[], ["is_buyer_maker"], ["first_trade_id", "last_trade_id"], ["agg_trade_id", "first_trade_id", "last_trade_id"]],
)
@pytest.mark.parametrize("name", SERIES)
def test_trades_without_some_columns(lake: rb.Lake, name: str, dropped: list[str]) -> None:
    rows = ROWS[:120].drop(dropped)
    lake.add(rows, venue=VENUE, symbol="A")
    lake.series(name, **SERIES[name])
    assert not lake.build(name).failed
    check(lake, rows, name)


def test_a_real_day(lake: rb.Lake, btcusdt_day: pl.DataFrame) -> None:
    """In parts that overlap, the last one first."""
    columns = [name for name in ROWS.columns if name in btcusdt_day.columns]
    trades, size = btcusdt_day.select(columns), btcusdt_day.height
    for first, last in ((600_000, size), (0, 300_000), (250_000, 650_000)):
        lake.add(trades[first:last], venue=VENUE, symbol="A")
    assert_frame_equal(lake.trades("A", columns=columns).collect(), trades)
    for name, options in SERIES.items():
        thresholds = [rb.Range(points=20), 50] if name == "weeks" else [25, 50]
        lake.series(name, **(options | {"threshold_dbps": thresholds}))
        assert not lake.build(name).failed
        bars = lake.bars("A", series=name).collect().drop("venue", "symbol")
        assert bars.height > 100
        assert_frame_equal(bars, bars_of(trades, name, threshold_dbps=thresholds))


def test_gaps(lake: rb.Lake) -> None:
    """Each run of missing ids and of missing days once, with what would mend it."""
    rows = ROWS.filter(~pl.col("agg_trade_id").is_in([9, 10, 12, *range(20, 40)]))
    lake.add(rows[:200], venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    gaps = lake.gaps()
    ids = gaps.filter(pl.col("kind") == "ids").select("first_id", "last_id", "count", "fixable_by")
    assert ids.rows() == [
        (9, 10, 2, "archive or rest"),
        (12, 12, 1, "archive or rest"),
        (20, 39, 20, "archive or rest"),
    ]
    days: list[tuple[Any, ...]] = gaps.filter(pl.col("kind") == "day").select("from", "to", "count").rows()
    assert days == [(dt.date(2024, 1, 13), dt.date(2024, 1, 17), 5)]
    stale = gaps.filter(pl.col("kind") == "stale_bars").select("from", "to", "series", "fixable_by")
    assert stale.height == 3
    assert stale.row(0) == (dt.date(2024, 1, 10), dt.date(2024, 1, 31), "base", "build")
    assert lake.repair().equals(gaps.filter(pl.col("kind") != "stale_bars"))
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.build("base")
    assert lake.gaps().is_empty()


def test_ids_that_are_not_counted_up(lake: rb.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A footer does not list thousands of ranges; the answers are the same."""
    rows = ROWS.gather_every(3).with_columns(timestamp=utc(2024, 1, 10))
    rows = rows.with_columns(pl.col("timestamp").cast(ROWS.schema["timestamp"]))
    answers = []
    for most in (5, 10_000):
        monkeypatch.setattr(publish, "_MOST_RANGES", most)
        other = rb.Lake(lake.path.parent / str(most))
        other.add(rows, venue=VENUE, symbol="A")
        answers.append((other.gaps().rows(), other.status().rows()))
        assert other.verify(deep=True).is_empty()
    assert answers[0] == answers[1]
    assert len(answers[0][0]) == rows.height - 1
