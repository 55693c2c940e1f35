"""Contract layer: months of quotes without a listing, checksums or ids; a weekend is not fetched again and again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars.datasets._venue import Answer
from tests import _faulty_venue as faulty
from tests._faulty_venue import FaultyVenue
from tests._fetches import left, sources_of, trades_files

JANUARY = "Exness_EURUSD_Raw_Spread_2024_01"
FEBRUARY = "Exness_EURUSD_Raw_Spread_2024_02"


class Quotes(FaultyVenue):
    """Serves the files of its folder, by their names, as the vendor of quotes does."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self._files = folder

    def _answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        answer = super()._answer(method, target, headers)
        file = self._files / Path(target).name
        if answer.status != 404 or not file.exists():
            return answer
        return Answer(
            200, file.read_bytes(), {"ETag": f'"{file.stat().st_mtime_ns}"', "Content-Type": "application/zip"}
        )


def days_of_week(month: int) -> list[dt.date]:
    """The days of a month of 2024 without Saturdays."""
    days = (dt.date(2024, month, 1) + dt.timedelta(days=n) for n in range(31))
    return [day for day in days if day.month == month and day.isoweekday() != 6]


def write(folder: Path, name: str, days: list[dt.date]) -> None:
    lines = ['"Exness","Symbol","Timestamp","Bid","Ask"']
    for day in days:
        for second in range(20):
            bid = 1.1 + (second * 7 % 11) / 10_000
            lines.append(f'"exness","EURUSD_Raw_Spread","{day} 12:00:{second:02}.250Z",{bid:.5f},{bid + 0.00002:.5f}')
    (folder / f"{name}.zip").write_bytes(faulty.zipped({f"{name}.csv": "\n".join(lines).encode() + b"\n"}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "zips"
    folder.mkdir()
    write(folder, JANUARY, days_of_week(1))
    write(folder, FEBRUARY, days_of_week(2))
    return folder


def quotes(
    root: Path, venue: Quotes, start: str = "2024-01-01", end: str = "2024-02-29", **more: Any
) -> rb.FetchReport:
    return rb.Lake(root).fetch("EURUSD", start, end, venue="exness", base=venue.base, **more)


def test_months_of_quotes(folder: Path, tmp_path: Path) -> None:
    with Quotes(folder) as venue:
        report = quotes(tmp_path / "lake", venue)
        assert (report.files, len(report.added)) == (2, len(days_of_week(1)) + len(days_of_week(2)))
        count = len(venue.requests)
        again = quotes(tmp_path / "lake", venue)
        assert len(venue.requests) == count
    assert (again.files, again.added, len(again.unchanged)) == (0, [], len(report.added))
    assert (report.missing, again.missing) == ([], [])  # a Saturday without quotes is none that the venue lacks
    trades = rb.Lake(tmp_path / "lake").trades("EURUSD", venue="exness").collect()
    assert trades.height == 20 * len(report.added)
    assert trades["price"][0] == pytest.approx(1.10001)
    assert left(tmp_path / "lake") == []


def test_the_last_day_says_how_many_there_are(folder: Path, tmp_path: Path) -> None:
    with Quotes(folder) as venue:
        quotes(tmp_path / "lake", venue, end="2024-01-31")
    of = [sources_of(tmp_path / "lake", str(day), "EURUSD", "exness") for day in days_of_week(1)]
    assert [one.get(f"{JANUARY}.zip days") for one in of] == [None] * 26 + ["27"]


@pytest.mark.parametrize("day", ["2024-01-01", "2024-01-15", "2024-01-31"])
def test_a_day_that_was_removed_is_no_weekend(day: str, folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "lake"
    with Quotes(folder) as venue:
        quotes(root, venue)
        before = trades_files(root)
        file = root / f"trades/venue=exness/symbol=EURUSD/date={day}/trades.parquet"
        file.unlink()
        assert quotes(root, venue, day, day).files == 1
        assert trades_files(root) == before


def test_bars_across_weekends(folder: Path, tmp_path: Path) -> None:
    with Quotes(folder) as venue:
        options: dict[str, Any] = {"venue": "exness", "lake": tmp_path / "lake", "base": venue.base}
        whole = rb.get_range_bars("EURUSD", "2024-01-03", "2024-02-20", 10, **options)
        parts = [("2024-01-03", "2024-01-06"), ("2024-01-07", "2024-01-31"), ("2024-02-01", "2024-02-20")]
        assert_frame_equal(pl.concat([rb.get_range_bars("EURUSD", *part, 10, **options) for part in parts]), whole)
        assert rb.get_range_bars("EURUSD", "2024-01-06", "2024-01-06", 10, **options).is_empty()
        assert_frame_equal(rb.get_n_range_bars("EURUSD", 90, 10, before="2024-02-20", **options), whole.tail(90))
        count = len(venue.requests)
        rb.get_range_bars("EURUSD", "2024-01-03", "2024-02-20", 10, **options)
        assert len(venue.requests) == count
        file = tmp_path / "lake/trades/venue=exness/symbol=EURUSD/date=2024-01-10/trades.parquet"
        file.unlink()
        with pytest.raises(rb.MissingTradesError, match=r"missing \(2024-01-06, 2024-01-10, 2024-01-13; "):
            rb.get_range_bars("EURUSD", "2024-01-03", "2024-01-13", 10, fetch="never", **options)
        # March has no archive.
        with pytest.raises(rb.MissingTradesError, match=r"missing \(2024-03-01 to 2024-03-02; missing at the venue\)"):
            rb.get_range_bars("EURUSD", "2024-02-20", "2024-03-02", 10, **options)


def test_weekends_are_gaps_that_nothing_mends(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "lake"
    with Quotes(folder) as venue:
        quotes(root, venue)
        lake = rb.Lake(root)
        found = lake.gaps()
        assert found.height == 8
        assert set(found["fixable_by"]) == {"none"}
        (root / "trades/venue=exness/symbol=EURUSD/date=2024-01-10/trades.parquet").unlink()
        assert set(lake.gaps().filter(pl.col("from") < dt.date(2024, 2, 1))["fixable_by"]) == {"archive or rest"}
        assert lake.repair(sources=["archive"], base=venue.base).equals(found)


def test_a_month_without_quotes_is_missing(folder: Path, tmp_path: Path) -> None:
    write(folder, JANUARY, [])
    with Quotes(folder) as venue:
        report = quotes(tmp_path / "lake", venue, "2024-01-01", "2024-01-31")
    assert (len(report.missing), {reason for _, reason in report.missing}) == (31, {"missing at the venue"})


def test_a_month_that_is_not_there_or_not_yet(folder: Path, tmp_path: Path) -> None:
    with Quotes(folder) as venue:
        report = quotes(tmp_path / "lake", venue, "2023-12-30", "2024-01-01")
        assert [(str(one.date), reason) for one, reason in report.missing] == [
            ("2023-12-30", "missing at the venue"),
            ("2023-12-31", "missing at the venue"),
        ]
        today = dt.datetime.now(dt.UTC).date()
        report = quotes(tmp_path / "lake", venue, str(today), str(today + dt.timedelta(days=40)))
        assert {reason for _, reason in report.missing} == {"not published yet"}
        assert len(report.missing) == 41
        with pytest.raises(rb.FetchError, match="exness does not list its archives: name the first day that you want"):
            rb.Lake(tmp_path / "lake").fetch("EURUSD", None, venue="exness", base=venue.base)


def test_quotes_are_compared_with_no_checksum_but_with_their_zip(folder: Path, tmp_path: Path) -> None:
    name = f"{JANUARY}.zip"
    with Quotes(folder) as venue:
        with venue.replaced(name, faulty.corrupt((folder / name).read_bytes())):
            with pytest.raises(rb.FetchError, match=f"{name}: it is as the venue publishes it, but cannot be read"):
                quotes(tmp_path / "lake", venue)
            assert not [key for key in trades_files(tmp_path / "lake") if "date=2024-01" in key]
        quotes(tmp_path / "lake", venue)
        venue.fails(name, faulty.stalled(500))
        quotes(tmp_path / "other", venue)
        assert venue.left == []
    assert trades_files(tmp_path / "lake").keys() == trades_files(tmp_path / "other").keys()
    assert pl.read_parquet(tmp_path / "other/trades/**/*.parquet").height == 20 * 52
