"""What is missing of trades is fetched, exactly; what no venue has is written down; twice is a no-op."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._fetch import http
from rangebar_polars.datasets import LocalVenue
from tests._faulty_venue import REST, FaultyVenue, page, write_days

FIRST, DAYS, ROWS, FIRST_ID = dt.date(2024, 1, 29), 6, 300, 1_000
LAST = FIRST + dt.timedelta(days=DAYS - 1)
SERIES = {"days": {"reset": "1d"}, "ever": {"reset": None}}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        write_days(Path(name), start=FIRST, days=DAYS, rows=ROWS, first_id=FIRST_ID)
        yield Path(name)


@pytest.fixture(scope="module")
def venue(folder: Path) -> Iterator[LocalVenue]:
    with LocalVenue(folder) as venue:
        yield venue


def files(lake: rb.Lake, kind: str) -> dict[str, bytes]:
    return {str(f.relative_to(lake.path)): f.read_bytes() for f in sorted((lake.path / kind).rglob("*.parquet"))}


def built(lake: rb.Lake) -> rb.Lake:
    for name, options in SERIES.items():
        lake.series(name, threshold_dbps=[25, 100], **options)
        lake.build(name)
    return lake


@pytest.fixture(scope="module")
def whole(venue: LocalVenue) -> Iterator[rb.Lake]:
    with TemporaryDirectory() as name:
        lake = rb.Lake(name)
        lake.fetch("BTCUSDT", FIRST, LAST, base=venue.base)
        yield built(lake)


@given(
    days=st.sets(st.integers(1, DAYS - 2), max_size=2),
    ids=st.lists(st.tuples(st.integers(1, DAYS * ROWS - 2), st.integers(1, 150)), max_size=2),
    sources=st.sampled_from([("archive",), ("rest",), ("archive", "rest")]),
)
@settings(deadline=None, max_examples=12)
def test_what_was_cut_out_comes_back(
    days: set[int],
    ids: list[tuple[int, int]],
    sources: tuple[str, ...],
    venue: LocalVenue,
    folder: Path,
    whole: rb.Lake,
) -> None:
    trades = rb.scan_binance(folder).collect()
    cut = pl.col("timestamp").dt.date().is_in([FIRST + dt.timedelta(days=n) for n in days])
    for (
        begin,
        count,
    ) in ids:  # the first and the last trade stay: what lies before and behind is not known to be missing
        cut |= pl.col("agg_trade_id").is_between(
            FIRST_ID + begin, min(FIRST_ID + begin + count - 1, FIRST_ID + DAYS * ROWS - 2)
        )
    with TemporaryDirectory() as name:
        lake = rb.Lake(name)
        lake.add(trades.filter(~cut), venue="binance-spot")
        built(lake)
        left = lake.repair(sources=sources, base=venue.base)
        assert left.is_empty()
        wanted = whole.trades("BTCUSDT").collect()
        assert_frame_equal(lake.trades("BTCUSDT").collect(), wanted)
        for series in SERIES:
            assert_frame_equal(lake.bars(series=series).collect(), whole.bars(series=series).collect())
        assert {k: v for k, v in files(lake, "bars").items() if "series=days" in k} == {
            k: v for k, v in files(whole, "bars").items() if "series=days" in k
        }
        before = {kind: files(lake, kind) for kind in ("trades", "bars")}
        asked = len(venue.requests)
        assert lake.repair(sources=sources, base=venue.base).is_empty()
        assert {kind: files(lake, kind) for kind in ("trades", "bars")} == before
        assert len(venue.requests) == asked


def test_only_what_depends_on_it_is_built(venue: LocalVenue, folder: Path, tmp_path: Path) -> None:
    trades = rb.scan_binance(folder).collect()
    lake = rb.Lake(tmp_path)
    lake.add(trades.filter(~pl.col("agg_trade_id").is_between(1_350, 1_369)), venue="binance-spot")
    built(lake)
    times = {
        f: f.stat().st_mtime_ns for kind in ("trades", "bars/series=days") for f in (tmp_path / kind).rglob("*.parquet")
    }
    lake.repair(sources=["archive"], base=venue.base)
    touched = sorted(f.parent.name for f, time in times.items() if f.stat().st_mtime_ns != time)
    assert touched == ["date=2024-01-30", "period=2024-01-30"]


def test_ids_that_the_venue_lacks_are_written_down(folder: Path, tmp_path: Path) -> None:
    trades = rb.scan_binance(folder).collect()
    lake = rb.Lake(tmp_path / "lake")
    hole = pl.col("agg_trade_id").is_between(1_350, 1_369)
    lake.add(trades.filter(~hole), venue="binance-spot")
    with FaultyVenue(folder) as venue:
        # It answers with trades behind the hole, as a venue does that has lost them.
        venue.fails(REST, page(lambda rows: [row for row in rows if row["a"] >= 1_360]), times=None)
        left = lake.repair(sources=["rest"], base=venue.base)
        assert left.filter(pl.col("kind") == "ids").height == 1
        assert "The venue has none of these ids" in left["known"][0]
        asked = len(venue.requests)
        lake.repair(sources=["rest"], base=venue.base)
        assert not [request for request in venue.requests[asked:] if "aggTrades?" in request[1]]
    facts = lake.known_facts("BTCUSDT").filter(pl.col("origin") == "lake")
    assert facts.select("first_id", "last_id").row(0) == (1_350, 1_359)


def test_what_an_archive_lacks_is_asked_for_all_the_same(venue: LocalVenue, folder: Path, tmp_path: Path) -> None:
    """That a gap is known does not say that nobody has the trades."""
    trades = rb.scan_binance(folder).collect()
    lake = rb.Lake(tmp_path)
    lake.add(trades.filter(~pl.col("agg_trade_id").is_between(1_350, 1_369)), venue="binance-spot")
    fact = (
        'format = 1\n[facts.cut-off]\nvenue = "binance-spot"\nsymbols = ["BTCUSDT"]\nkind = "incomplete"\n'
        "first = 2024-01-30\nlast = 2024-01-30\nfirst_id = 1350\nlast_id = 1369\nnoted = 2026-11-30\n"
        'text = "The archive lacked these ids."\nsource = "https://example.com"\n'
    )
    (tmp_path / "symbols.toml").write_text(fact)
    assert lake.gaps()["known"].to_list() == ["The archive lacked these ids. (https://example.com)"]
    assert lake.repair(sources=["rest"], base=venue.base).is_empty()
    assert_frame_equal(lake.trades("BTCUSDT").collect().drop("venue", "date").select(trades.columns), trades)


def test_what_cannot_be_fetched_is_an_error_once_all_else_is_done(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PATIENCE", http.Patience(attempts=2, first_wait=0.01))
    lake = rb.Lake(tmp_path)
    lake.add(rb.scan_binance(folder).filter(pl.col("timestamp").dt.day() != 31), venue="binance-spot")
    lake.series("days", threshold_dbps=25, reset="1d")
    with pytest.raises(rb.FetchError, match="could not be fetched"):
        lake.repair(sources=["archive"], base="http://127.0.0.1:9")
    assert lake.status()["stale"].sum() == 0


def test_unknown_sources(tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match='`sources` must be "archive" or "rest"'):
        rb.Lake(tmp_path).repair(sources=["archives"])
