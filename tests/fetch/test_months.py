"""Contract layer: a month comes as one archive if no id of it is missing, else as its days, and no day is lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests import _faulty_venue as faulty
from tests._faulty_venue import ARCHIVE, FaultyVenue
from tests._fetches import fetched, left, sources_of, trades_files, unit

MONTH = "BTCUSDT-aggTrades-2024-01"
DAYS = [dt.date(2024, 1, day) for day in range(1, 32)]
ROWS = 12

NUMBERS = {day: 1_000 + ROWS * number for number, day in enumerate(DAYS)}
"""The first id of each day."""


def lines(days: Iterable[dt.date], first: dict[dt.date, int] = NUMBERS) -> bytes:
    return b"".join(faulty.day_text(day, ROWS, first[day]) for day in days)


def daily(folder: Path, days: Iterable[dt.date], first: dict[dt.date, int] = NUMBERS) -> None:
    folder.mkdir(exist_ok=True)
    for day in days:
        stem = f"BTCUSDT-aggTrades-{day}"
        (folder / f"{stem}.zip").write_bytes(faulty.zipped({f"{stem}.csv": lines([day], first)}))


def monthly(folder: Path, content: bytes, name: str = MONTH) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.zip").write_bytes(faulty.zipped({f"{name}.csv": content}))


def without(days: Iterable[int]) -> list[dt.date]:
    return [day for day in DAYS if day.day not in days]


def month(folder: Path, root: Path, start: str = "2024-01-01", end: str = "2024-01-31") -> rb.FetchReport:
    with FaultyVenue(folder) as venue:
        return fetched(root, venue, start, end)


def archives_of(root: Path) -> dict[str, set[int]]:
    """Which days came from which archive."""
    found: dict[str, set[int]] = {}
    for key in trades_files(root):
        day = key.split("date=")[1][:10]
        found.setdefault(next(iter(sources_of(root, day))), set()).add(int(day[-2:]))
    return found


def ids(root: Path) -> list[int]:
    return rb.Lake(root).trades("BTCUSDT").select("agg_trade_id").collect().to_series().to_list()


@pytest.fixture(scope="module")
def by_days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The lake if there is no monthly archive."""
    folder = tmp_path_factory.mktemp("month")
    daily(folder / "zips", DAYS)
    month(folder / "zips", folder / "lake")
    return trades_files(folder / "lake")


def test_a_whole_month_is_one_archive(tmp_path: Path, by_days: dict[str, bytes]) -> None:
    daily(tmp_path / "zips", DAYS)
    monthly(tmp_path / "zips", lines(DAYS))
    report = month(tmp_path / "zips", tmp_path / "lake")
    assert (report.files, len(report.added), report.missing) == (1, 31, [])
    assert archives_of(tmp_path / "lake") == {f"{MONTH}.zip": {*range(1, 32)}}
    assert trades_files(tmp_path / "lake").keys() == by_days.keys()
    assert ids(tmp_path / "lake") == [*range(1_000, 1_000 + 31 * ROWS)]
    again = month(tmp_path / "zips", tmp_path / "lake")
    assert (again.files, len(again.unchanged)) == (0, 31)


BROKEN = {
    "a day": lines(without({17})),
    "the first day": lines(without({1})),
    "the last day": lines(without({31})),
    "an id": lines(DAYS).replace(b"\n1100,", b"\nx", 1),
    "the ids of a change of days": lines(DAYS),
}
BROKEN["an id"] = b"".join(line for line in lines(DAYS).splitlines(keepends=True) if not line.startswith(b"1100,"))
BROKEN["the ids of a change of days"] = b"".join(
    line for line in lines(DAYS).splitlines(keepends=True) if not line.startswith((b"1011,", b"1012,"))
)


@pytest.mark.parametrize("name", BROKEN)
def test_a_month_that_lacks_something_is_its_days(name: str, tmp_path: Path, by_days: dict[str, bytes]) -> None:
    daily(tmp_path / "zips", DAYS)
    monthly(tmp_path / "zips", BROKEN[name])
    report = month(tmp_path / "zips", tmp_path / "lake")
    assert (report.files, len(report.added), report.missing) == (31, 31, [])
    assert trades_files(tmp_path / "lake") == by_days
    assert left(tmp_path / "lake") == []


def test_a_day_that_only_the_month_has_is_not_lost(tmp_path: Path, by_days: dict[str, bytes]) -> None:
    daily(tmp_path / "zips", without({20, 21}))
    monthly(tmp_path / "zips", lines(without({17})))
    report = month(tmp_path / "zips", tmp_path / "lake")
    assert (len(report.added), report.missing, report.files) == (31, [], 30)
    found = archives_of(tmp_path / "lake")
    assert found.pop(f"{MONTH}.zip") == {20, 21}
    assert len(found) == 29
    there = trades_files(tmp_path / "lake")
    assert {key: data for key, data in there.items() if key[-18:-15] not in ("20/", "21/")}.keys() == by_days.keys()
    assert ids(tmp_path / "lake") == [*range(1_000, 1_000 + 31 * ROWS)]
    assert left(tmp_path / "lake") == []
    assert month(tmp_path / "zips", tmp_path / "lake").files == 0


def test_a_day_that_nobody_has_is_told(tmp_path: Path) -> None:
    daily(tmp_path / "zips", without({17, 20}))
    monthly(tmp_path / "zips", lines(without({17})))
    with FaultyVenue(tmp_path / "zips") as venue:
        report = fetched(tmp_path / "lake", venue, "2024-01-01", "2024-01-31", rest=False)
    assert (len(report.added), report.missing) == (30, [(unit("2024-01-17"), "missing at the venue")])


def test_a_day_without_trades_is_no_hole(tmp_path: Path) -> None:
    """If the ids go on, there was no trade, and the month is whole; it is not fetched again for that day."""
    days = without({17, 18})
    first = {day: 1_000 + ROWS * number for number, day in enumerate(days)}
    daily(tmp_path / "zips", days, first)
    monthly(tmp_path / "zips", lines(days, first))
    reports = [month(tmp_path / "zips", tmp_path / "lake") for _ in range(2)]
    quiet = [(unit(f"2024-01-{day}"), "missing at the venue") for day in (17, 18)]
    assert [report.missing for report in reports] == [quiet, quiet]
    assert [report.files for report in reports] == [1, 0]


def test_few_days_are_not_fetched_as_a_month(tmp_path: Path) -> None:
    daily(tmp_path / "zips", DAYS)
    monthly(tmp_path / "zips", lines(DAYS))
    report = month(tmp_path / "zips", tmp_path / "lake", "2024-01-05", "2024-01-11")
    assert (report.files, len(report.added)) == (7, 7)
    assert f"{MONTH}.zip" not in archives_of(tmp_path / "lake")
    # Of the others there are many; those that are there give way to the same trades.
    report = month(tmp_path / "zips", tmp_path / "lake")
    assert (report.files, len(report.added), len(report.unchanged)) == (1, 24, 7)
    assert len(ids(tmp_path / "lake")) == 31 * ROWS


def test_a_day_that_has_no_archive_of_its_own_comes_from_the_month(tmp_path: Path) -> None:
    """And so do the few that are wanted with it: of two archives, the one that came last would be kept."""
    daily(tmp_path / "zips", without({6}))
    monthly(tmp_path / "zips", lines(DAYS))
    report = month(tmp_path / "zips", tmp_path / "lake", "2024-01-05", "2024-01-07")
    assert (report.files, len(report.added)) == (1, 31)


def test_a_symbol_that_was_listed_within_a_month(tmp_path: Path) -> None:
    later = [day for day in DAYS if day.day >= 17]
    daily(tmp_path / "zips", later)
    monthly(tmp_path / "zips", lines(later))
    report = month(tmp_path / "zips", tmp_path / "lake")
    assert (report.files, len(report.added)) == (1, 15)
    assert report.missing == [(unit(str(day)), "before the first archive") for day in DAYS if day.day < 17]
    with FaultyVenue(tmp_path / "zips") as venue:
        assert len(fetched(tmp_path / "other", venue, None, "2024-01-31").added) == 15


def test_a_month_is_compared_with_what_is_beside_it(tmp_path: Path) -> None:
    """Its last trades may be missing: the next day tells."""
    february = dt.date(2024, 2, 1)
    first = NUMBERS | {february: 1_000 + 31 * ROWS}
    daily(tmp_path / "zips", [*DAYS, february], first)
    text = b"".join(lines(DAYS).splitlines(keepends=True)[:-1])
    monthly(tmp_path / "zips", text)
    assert month(tmp_path / "zips", tmp_path / "lake", "2024-02-01", "2024-02-01").files == 1
    report = month(tmp_path / "zips", tmp_path / "lake", end="2024-02-01")
    assert report.files == 31
    assert rb.Lake(tmp_path / "lake").gaps().is_empty()


def test_the_archive_of_a_month_holds_no_other_month(tmp_path: Path) -> None:
    monthly(tmp_path / "zips", lines(DAYS) + faulty.day_text(dt.date(2024, 2, 1), ROWS, 1_000 + 31 * ROWS))
    with pytest.raises(rb.FetchError, match="holds trades of another day, the first at 2024-02-01"):
        month(tmp_path / "zips", tmp_path / "lake")
    assert trades_files(tmp_path / "lake") == {}


def test_a_month_published_anew_makes_its_bars_stale_and_no_others(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    daily(tmp_path / "zips", DAYS)
    monthly(tmp_path / "zips", lines(DAYS))
    month(tmp_path / "zips", root)
    lake = rb.Lake(root)
    lake.series("base", threshold_dbps=25, reset="1w")
    lake.build("base")
    assert lake.status()["stale"].to_list() == [0]
    before = {key: (root / key).stat().st_mtime_ns for key in trades_files(root)}
    text = lines(DAYS).replace(b"\n1200,", b"\n1200,1", 1)  # another price
    monthly(tmp_path / "zips", text)
    report = month(tmp_path / "zips", root)
    day = next(str(day) for day in DAYS if NUMBERS[day] <= 1_200 < NUMBERS[day] + ROWS)
    assert (report.files, report.added, len(report.unchanged)) == (1, [unit(day)], 30)
    stale = lake.gaps().filter(pl.col("kind") == "stale_bars")
    assert stale.height == 1
    assert stale["from"][0] <= dt.date.fromisoformat(day) <= stale["to"][0]
    # What has the same trades has another footer now, which names the new archive.
    assert all((root / key).stat().st_mtime_ns > mtime for key, mtime in before.items())
    assert month(tmp_path / "zips", root).files == 0
    fresh = tmp_path / "fresh"
    month(tmp_path / "zips", fresh)
    assert trades_files(root) == trades_files(fresh)


def test_days_published_anew_stay_days(tmp_path: Path) -> None:
    """The month may be older than they are."""
    daily(tmp_path / "zips", DAYS)
    month(tmp_path / "zips", tmp_path / "lake")
    monthly(tmp_path / "zips", lines(DAYS))
    for day in DAYS[5:20]:
        stem = f"BTCUSDT-aggTrades-{day}"
        text = lines([day]).replace(b",0.0", b",1.0", 1)
        (tmp_path / "zips" / f"{stem}.zip").write_bytes(faulty.zipped({f"{stem}.csv": text}))
    report = month(tmp_path / "zips", tmp_path / "lake")
    assert (report.files, len(report.added)) == (15, 15)
    assert month(tmp_path / "zips", tmp_path / "lake").files == 0


def test_a_month_published_anew_stays_a_month(tmp_path: Path) -> None:
    daily(tmp_path / "zips", DAYS)
    monthly(tmp_path / "zips", lines(DAYS))
    month(tmp_path / "zips", tmp_path / "lake")
    monthly(tmp_path / "zips", lines(DAYS).replace(b",0.0", b",1.0", 1))
    report = month(tmp_path / "zips", tmp_path / "lake", end="2024-01-03")
    assert (report.files, [one.date.day for one in report.added]) == (1, [1])


def test_the_days_of_a_month_that_fail_cost_themselves(tmp_path: Path, by_days: dict[str, bytes]) -> None:
    daily(tmp_path / "zips", DAYS)
    monthly(tmp_path / "zips", lines(without({17})))
    with FaultyVenue(tmp_path / "zips") as venue:
        venue.fails("01-20" + ARCHIVE, faulty.status(404), times=None)
        with pytest.raises(rb.FetchError) as caught:
            fetched(tmp_path / "lake", venue, "2024-01-01", "2024-01-31")
        assert [*caught.value.report.failed] == ["BTCUSDT-aggTrades-2024-01-20.zip"]
        assert len(trades_files(tmp_path / "lake")) == 30
        venue.heals()
        fetched(tmp_path / "lake", venue, "2024-01-01", "2024-01-31")
    assert trades_files(tmp_path / "lake") == by_days
    assert left(tmp_path / "lake") == []
