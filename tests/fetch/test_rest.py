"""Contract layer: days without archives come by the REST interface, id by id, and give way to archives."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._fetch import http
from rangebar_polars._lake import rest_days
from rangebar_polars.datasets._venue import Answer
from tests import _faulty_venue as faulty
from tests._faulty_venue import ARCHIVE, REST, FaultyVenue, page, write_days
from tests._fetches import VENUE, fetched, fetched_at, left, sources_of, trades_files, unit

DAY = "2024-01-02"
NOON = dt.datetime(2024, 1, 3, 12, tzinfo=dt.UTC)
MORNING = dt.datetime(2024, 1, 4, 9, tzinfo=dt.UTC)


class Watched(FaultyVenue):
    """Notes the queries and headers of the REST interface; may answer times with a limit from the end."""

    def __init__(self, folder: Path, *, from_the_end: bool = False, **options: Any) -> None:
        super().__init__(folder, **options)
        self._from_the_end = from_the_end
        self.queries: list[Mapping[str, str]] = []
        self.units: list[str | None] = []

    def _rest_answer(self, route: Any, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        self.queries.append(query)
        self.units.append(headers.get("x-mbx-time-unit"))
        if not (self._from_the_end and "startTime" in query):
            return super()._rest_answer(route, query, headers)
        whole = super()._rest_answer(route, {**query, "limit": "1000"}, headers)
        limit = int(query["limit"])
        return faulty.page(lambda rows: rows[-limit:])(faulty.Asked("", {}, lambda _: whole), whole)

    def ids(self) -> list[str]:
        """The ids that were asked for."""
        return [query["fromId"] for query in self.queries if "fromId" in query]


@pytest.fixture
def young(archives: Path) -> Iterator[Watched]:
    """A venue that has published the archive of the first of three days."""
    with Watched(archives, archives_until="2024-01-01") as venue:
        yield venue


def trades(root: Path, start: str = "2024-01-01", end: str = "2024-01-03") -> pl.DataFrame:
    return rb.Lake(root).trades("BTCUSDT", start, end).drop("venue", "symbol").collect()


def test_days_without_an_archive_are_the_same_trades(
    young: Watched, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    report = fetched(tmp_path / "lake", young)
    assert (report.files, len(report.added), report.rows) == (1, 3, 900)
    assert [sources_of(tmp_path / "lake", f"2024-01-0{day}").get("rest") for day in (1, 2, 3)] == [
        None,
        "whole",
        "whole",
    ]
    fetched(tmp_path / "right", venue)
    assert_frame_equal(trades(tmp_path / "lake"), trades(tmp_path / "right"))
    assert young.ids()[:2] == ["1300", "1600"]
    count = len(young.queries)
    assert len(fetched(tmp_path / "lake", young).unchanged) == 3
    assert len(young.queries) == count
    # As soon as there are archives, they have the last word.
    report = fetched(tmp_path / "lake", venue)
    assert (report.files, len(report.unchanged)) == (2, 3)
    assert trades_files(tmp_path / "lake") == right


def test_an_archive_that_says_otherwise_has_the_last_word(
    young: Watched, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    def dearer(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"p": "1.00000000"} for row in rows]

    young.fails("fromId=1300" + ".*", page(dearer))
    fetched(tmp_path, young)
    assert young.left == []
    assert trades(tmp_path, DAY, DAY)["price"].to_list() == [1.0] * 300
    assert fetched(tmp_path, venue).added == [unit(DAY)]
    assert trades_files(tmp_path) == right


def test_without_rest(young: Watched, tmp_path: Path) -> None:
    report = fetched(tmp_path, young, rest=False)
    assert young.queries == []
    assert report.missing == [(unit(DAY), "not published yet"), (unit("2024-01-03"), "not published yet")]


@pytest.mark.parametrize("from_the_end", [False, True])
def test_the_first_trade_of_a_day_is_found_by_its_time(from_the_end: bool, archives: Path, tmp_path: Path) -> None:
    """Whichever end of an hour a venue answers with."""
    with Watched(archives, archives_until="2024-01-01", from_the_end=from_the_end) as venue:
        fetched(tmp_path, venue, start=DAY, end=DAY)
        assert "startTime" in str(venue.queries)
    assert trades(tmp_path)["agg_trade_id"].to_list() == [*range(1_300, 1_600)]


def test_the_first_trade_of_a_day_of_which_many_hours_are_quiet(tmp_path: Path) -> None:
    folder = tmp_path / "zips"
    folder.mkdir()
    write_days(folder, start=dt.date(2024, 1, 1), days=1, rows=30)
    text = faulty.day_text(dt.date(2024, 1, 2), 30, 1_015).splitlines(keepends=True)[15:]
    name = f"BTCUSDT-aggTrades-{DAY}"
    (folder / f"{name}.zip").write_bytes(faulty.zipped({f"{name}.csv": b"".join(text)}))
    with Watched(folder, archives_until="2024-01-01", from_the_end=True) as venue:
        fetched(tmp_path / "lake", venue, start=DAY, end=DAY)
    assert trades(tmp_path / "lake")["agg_trade_id"].to_list() == [*range(1_030, 1_045)]


@pytest.fixture
def today(archives: Path, tmp_path: Path) -> Path:
    """Archives as if it were noon of the third day."""
    folder = Path(shutil.copytree(archives, tmp_path / "today"))
    until(folder, 150)
    return folder


def until(folder: Path, rows: int) -> None:
    name = "BTCUSDT-aggTrades-2024-01-03"
    text = faulty.day_text(dt.date(2024, 1, 3), 300, 1_600).splitlines(keepends=True)[:rows]
    (folder / f"{name}.zip").write_bytes(faulty.zipped({f"{name}.csv": b"".join(text)}))


def test_a_day_that_goes_on_comes_in_parts(today: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    root = tmp_path / "lake"
    with Watched(today, archives_until=DAY) as venue:
        report = fetched_at(NOON, root, venue, "2024-01-01", "2024-01-04")
        assert (len(report.added), report.missing) == (3, [(unit("2024-01-04"), "not published yet")])
        assert sources_of(root, "2024-01-03") == {"rest": "part"}
        assert trades(root)["agg_trade_id"].to_list() == [*range(1_000, 1_750)]
        until(today, 200)
        del venue.queries[:]
        fetched_at(NOON + dt.timedelta(hours=4), root, venue, "2024-01-01", "2024-01-03")
        assert venue.ids()[0] == "1749"  # the last one that is there: it must come out as it was
        assert trades(root).height == 800
        again = fetched_at(NOON + dt.timedelta(hours=5), root, venue, "2024-01-01", "2024-01-03")
        assert (again.added, len(again.unchanged)) == ([], 3)
        until(today, 300)
        fetched_at(MORNING, root, venue, "2024-01-01", "2024-01-03")
        assert sources_of(root, "2024-01-03") == {"rest": "whole"}
        # In parts or at once, it is the same file.
        fetched_at(MORNING, tmp_path / "at once", venue, "2024-01-01", "2024-01-03")
        assert trades_files(root) == trades_files(tmp_path / "at once")
    with FaultyVenue(today) as venue:
        fetched(root, venue)
    assert trades_files(root).keys() == right.keys()
    assert trades(root).height == 900


def test_a_day_is_whole_as_soon_as_there_is_a_later_trade(archives: Path, tmp_path: Path) -> None:
    """Not before: its last second may not be over at the venue."""
    midnight = dt.datetime(2024, 1, 3, tzinfo=dt.UTC)
    with Watched(archives, archives_until="2024-01-01") as venue:
        fetched_at(midnight, tmp_path / "a", venue, "2024-01-01", DAY)
        assert sources_of(tmp_path / "a", DAY) == {"rest": "whole"}
    folder = tmp_path / "zips"
    folder.mkdir()
    write_days(folder, start=dt.date(2024, 1, 1), days=2, rows=30)
    with Watched(folder, archives_until="2024-01-01") as venue:
        for seconds, expected in ((0, "part"), (59, "part"), (60, "whole")):
            fetched_at(midnight + dt.timedelta(seconds=seconds), tmp_path / "b", venue, "2024-01-01", DAY)
            assert sources_of(tmp_path / "b", DAY) == {"rest": expected}


def test_a_day_without_trades(tmp_path: Path) -> None:
    folder = tmp_path / "zips"
    folder.mkdir()
    write_days(folder, start=dt.date(2024, 1, 1), days=1, rows=30)
    write_days(folder, start=dt.date(2024, 1, 3), days=1, rows=30, first_id=1_030)
    with Watched(folder, archives_until="2024-01-01") as venue:
        for _ in range(2):
            report = fetched(tmp_path / "lake", venue)
            assert report.missing == [(unit(DAY), "missing at the venue")]
        report = fetched_at(dt.datetime(2024, 1, 5, 1, tzinfo=dt.UTC), tmp_path / "b", venue, DAY, "2024-01-05")
        assert [reason for _, reason in report.missing] == ["missing at the venue"] * 2 + ["not published yet"]


def test_a_day_of_a_user_is_completed(young: Watched, venue: FaultyVenue, tmp_path: Path) -> None:
    fetched(tmp_path / "right", venue)
    lake = rb.Lake(tmp_path / "lake")
    lake.add(rb.Lake(tmp_path / "right").trades("BTCUSDT", DAY, DAY).collect().slice(100, 50), venue=VENUE)
    fetched(tmp_path / "lake", young)
    assert_frame_equal(trades(tmp_path / "lake"), trades(tmp_path / "right"))
    assert sources_of(tmp_path / "lake", DAY) == {"added": "", "rest": "whole"}
    assert len(fetched(tmp_path / "lake", young).unchanged) == 3


def test_microseconds_are_asked_for_where_archives_have_them(tmp_path: Path) -> None:
    folder, root = tmp_path / "zips", tmp_path / "lake"
    folder.mkdir()
    write_days(folder, start=dt.date(2024, 12, 30), days=4, rows=60)
    with Watched(folder, archives_until="2024-12-30") as venue:
        fetched(root, venue, "2024-12-30", "2025-01-02")
        assert venue.units[0] is None
        assert venue.units[-1] == "MICROSECOND"
    expected = rb.scan_binance(folder).drop("symbol").collect()
    assert_frame_equal(trades(root, "2024-12-30", "2025-01-02").select(expected.columns), expected)
    assert expected["timestamp"].dt.microsecond().max() == 999_999


@pytest.mark.parametrize(("name", "market"), [("binance-um", "um"), ("binance-cm", "cm")])
def test_futures(name: str, market: str, tmp_path: Path) -> None:
    folder = tmp_path / f"venue/data/futures/{market}/daily/aggTrades/BTCUSD_PERP"
    folder.mkdir(parents=True)
    write_days(folder, "BTCUSD_PERP", start=dt.date(2025, 1, 1), days=2, rows=60, market=market)
    with Watched(tmp_path / "venue", archives_until="2025-01-01") as venue:
        rb.Lake(tmp_path / "lake").fetch("BTCUSD_PERP", "2025-01-01", "2025-01-02", venue=name, base=venue.base)
        assert venue.units
        assert set(venue.units) == {None}
    found = rb.Lake(tmp_path / "lake").trades("BTCUSD_PERP", venue=name).select("agg_trade_id").collect()
    assert found.to_series().to_list() == [*range(1_000, 1_120)]


# ------------------------------------------------------------------------------------------ faults

Rows = list[dict[str, Any]]


def row_with(**values: Any) -> faulty.Fault:
    return page(lambda rows: [*rows[:1], rows[1] | values, *rows[2:]])


FROM = "fromId=1300"
FAULTS: dict[str, tuple[str, faulty.Fault, tuple[str, ...]]] = {
    "no JSON": (FROM, faulty.BAD_JSON, ("from id 1300 on is no JSON", "try again later")),
    "a page": (FROM, faulty.HTML, ("from id 1300 on is no JSON, but '<!DOCTYPE html>", "try again later")),
    "nothing": (FROM, faulty.EMPTY, ("is no JSON, but 'nothing'", "try again later")),
    "404": (FROM, faulty.status(404), ("is no JSON, but 'nothing'", "try again later")),
    "no list": (FROM, faulty.body(b'{"code":0}'), (r"is no list of trades, but has \{'code': 0\}", "try again later")),
    "no price": (FROM, row_with(p=None), ("is no list of trades, but has", "try again later")),
    "a price that is none": (FROM, row_with(p="abc"), ("cannot be kept: .*'1301,abc,", "")),
    "a price with a comma": (FROM, row_with(p="1,5"), ("is no list of trades, but has", "try again later")),
    "an id that is none": (FROM, row_with(a="1301"), ("is no list of trades, but has", "try again later")),
    "a time that is none": (FROM, row_with(T=True), ("is no list of trades, but has", "try again later")),
    "a time of another day": (FROM, row_with(T=1_704_067_200_000), ("cannot be kept: ", "")),
    "no price and no quantity": (FROM, row_with(p="0", q="0"), ("cannot be kept: ", "")),
    "a field too few": (
        FROM,
        page(lambda rows: [{name: value for name, value in row.items() if name != "f"} for row in rows]),
        ("is no list of trades, but has", "try again later"),
    ),
    "ids backwards": (FROM, page(lambda rows: [*reversed(rows)]), (r"has id 1898 after 1899", "try again later")),
    "an id twice": (FROM, page(lambda rows: [*rows[:2], *rows[1:]]), ("has id 1301 after 1301", "try again later")),
    "a hole within": (
        FROM,
        page(lambda rows: rows[:9] + rows[20:]),
        ("from id 1309 on: it answers with those from 1320 on", "wait for the"),
    ),
    "later ids": (
        FROM,
        page(lambda rows: rows[7:]),
        (
            "has no trades of BTCUSDT from id 1300 on: it answers with those from 1307 on",
            f"wait for the archive of {DAY}",
        ),
    ),
    "no trades": (FROM, faulty.body(b"[]"), ("from id 1300 on, although it has later ones", "try again later")),
    "500": (FROM, faulty.status(500), ("the server answers 500 Internal Server Error, 4 times", "try again later")),
    "429": (FROM, faulty.LIMIT, ("the server answers 429 to too many requests, 4 times", "try again later")),
    "418": (FROM, faulty.BAN, ("the server answers 418 to too many requests, 4 times", "try again later")),
    "a long ban": (FROM, faulty.status(418, Retry_After="7200"), (r"before 20.* UTC \(418\)", "wait until then")),
    "an unknown symbol": (FROM, faulty.INVALID_SYMBOL, (r"is refused, 400 Bad Request .*-1121", "has this symbol")),
    "cut": (FROM, faulty.cut(100), ("4 times", "try again later")),
    "stalled": (FROM, faulty.stalled(100), ("4 times", "try again later")),
}
"""What lasts: which requests fail, how, and what the error says."""

STOPS = ("500", "429", "418", "a long ban", "an unknown symbol", "cut", "stalled")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_costs_its_day_and_leaves_no_half_of_it(
    name: str, young: Watched, tmp_path: Path, by_rest: dict[str, bytes]
) -> None:
    pattern, fault, words = FAULTS[name]
    young.fails(pattern, fault, times=None)
    with pytest.raises(rb.FetchError) as caught:
        fetched(tmp_path, young)
    assert young.left == []
    for word in words:
        assert re.search(word, str(caught.value)), str(caught.value)
    stopped = ["BTCUSDT 2024-01-03"] if name in STOPS else []
    assert [*caught.value.report.failed] == [f"BTCUSDT {DAY}", *stopped]
    there = trades_files(tmp_path)
    assert there == {key: by_rest[key] for key in there}
    assert len(there) == 2 - len(stopped)
    assert not any(DAY in key for key in there)
    young.heals()
    fetched(tmp_path, young)
    assert trades_files(tmp_path) == by_rest
    assert left(tmp_path) == []


@pytest.fixture(scope="module")
def by_rest(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a lake whose last two days came so."""
    root = tmp_path_factory.mktemp("rest")
    with FaultyVenue(archives, archives_until="2024-01-01") as venue:
        fetched(root, venue)
    return trades_files(root)


PASSING: dict[str, tuple[faulty.Fault, int]] = {
    "500": (faulty.status(500), 3),
    "429": (faulty.LIMIT, 3),
    "418": (faulty.BAN, 3),
    "429 without": (faulty.status(429), 2),
    "cut": (faulty.cut(50), 2),
    "stalled": (faulty.stalled(50), 1),
    "redirected": (faulty.moved(), 1),
    "an empty page": (faulty.body(b"[]"), 1),
    "a short page": (page(lambda rows: rows[:100]), 1),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_leaves_no_trace(name: str, young: Watched, tmp_path: Path, by_rest: dict[str, bytes]) -> None:
    fault, times = PASSING[name]
    young.fails(FROM, fault, times=times)
    fetched(tmp_path, young)
    assert young.left == []
    assert trades_files(tmp_path) == by_rest


@pytest.mark.parametrize("from_the_end", [False, True])
def test_a_hole_at_the_venue_does_not_hide_the_trades_before_it(from_the_end: bool, tmp_path: Path) -> None:
    """Ids that are missing where the first trade of a day is looked for."""
    folder = tmp_path / "zips"
    folder.mkdir()
    write_days(folder, start=dt.date(2024, 1, 1), days=1, rows=300)
    name = f"BTCUSDT-aggTrades-{DAY}"
    lines = faulty.day_text(dt.date(2024, 1, 2), 300, 1_300).splitlines(keepends=True)
    (folder / f"{name}.zip").write_bytes(faulty.zipped({f"{name}.csv": b"".join(lines[:3] + lines[8:])}))
    with Watched(folder, archives_until="2024-01-01", from_the_end=from_the_end) as venue:
        for rest_rows in (1, 2, 5, 7, 1_000):
            with pytest.raises(
                rb.FetchError, match=r"no trades of BTCUSDT from id 1303 on: it answers with .* 1308 on"
            ):
                fetched_at(MORNING, tmp_path / str(rest_rows), venue, DAY, DAY, rest_rows=rest_rows)
            assert trades_files(tmp_path / str(rest_rows)) == {}


def test_an_empty_answer_is_not_taken_for_a_quiet_day(young: Watched, tmp_path: Path) -> None:
    young.fails("startTime=.*", faulty.body(b"[]"), times=None)
    with pytest.raises(
        rb.FetchError, match="has no trades of BTCUSDT on 2024-01-03, although its latest is of that day"
    ):
        fetched(tmp_path, young, start="2024-01-03")
    assert trades_files(tmp_path) == {}


def test_a_venue_that_refuses_is_not_asked_again_for_each_day(young: Watched, tmp_path: Path) -> None:
    young.fails(REST, faulty.INVALID_SYMBOL, times=None)
    with pytest.raises(rb.FetchError) as caught:
        fetched(tmp_path, young, end="2024-02-20")
    assert len(young.asked(REST)) == 1
    assert len(caught.value.report.failed) == 50
    assert len(trades_files(tmp_path)) == 1


def test_what_was_put_aside_is_gone_on_with(
    young: Watched, tmp_path: Path, by_rest: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long day is put into the lake in parts, so that an interruption costs little."""
    monkeypatch.setattr(rest_days, "_ROWS", 100)
    young.fails("fromId=1500", faulty.status(500), times=None)
    with pytest.raises(rb.FetchError, match=f"BTCUSDT {DAY}: "):
        fetched_at(MORNING, tmp_path, young, "2024-01-01", "2024-01-03", rest_rows=40)
    assert sources_of(tmp_path, DAY) == {"rest": "part"}
    assert 100 <= trades(tmp_path, DAY, DAY).height < 200
    young.heals()
    del young.queries[:]
    fetched_at(MORNING, tmp_path, young, "2024-01-01", "2024-01-03", rest_rows=40)
    assert int(young.ids()[0]) >= 1_399
    assert trades_files(tmp_path) == by_rest


# ------------------------------------------------------------------------------------------ weights


class Clock:
    """A time that passes when something sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def drive(coroutine: Any) -> None:
    """Run a coroutine that waits for nothing else than the clock."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


@pytest.mark.parametrize(
    ("used", "second", "slept"),
    [("5399", 10, []), ("5400", 10, [50.0]), ("6000", 59, [1.0]), ("9", 0, []), ("much", 0, []), ("", 0, [])],
)
def test_the_weight_of_a_minute_is_minded(
    used: str, second: int, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    client = http.Client(None, http.Patience(), 6_000)
    client._note_weight(  # noqa: SLF001
        {"X-MBX-USED-WEIGHT-1M": used, "Date": f"Mon, 01 Jan 2024 00:00:{second:02} GMT"}
    )
    drive(client._free())  # noqa: SLF001
    assert clock.slept == slept


def test_who_waits_waits_as_long_as_the_others_were_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    client = http.Client(None, http.Patience(), 6_000)
    full: Callable[[int], Mapping[str, str]] = lambda second: {  # noqa: E731
        "X-MBX-USED-WEIGHT-1M": "6000",
        "Date": f"Mon, 01 Jan 2024 00:00:{second:02} GMT",
    }
    client._note_weight(full(55))  # noqa: SLF001
    sleep = clock.sleep

    async def told_meanwhile(seconds: float) -> None:
        await sleep(seconds)
        if len(clock.slept) == 1:
            client._note_weight(full(50))  # noqa: SLF001

    monkeypatch.setattr(asyncio, "sleep", told_meanwhile)
    drive(client._free())  # noqa: SLF001
    assert clock.slept == [5.0, 10.0]


def test_pages_wait_for_the_next_minute(
    young: Watched, tmp_path: Path, by_rest: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(seconds)

    def heavy(_asked: faulty.Asked, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body, {**answer.headers, "X-MBX-USED-WEIGHT-1M": "5999"})

    monkeypatch.setattr(asyncio, "sleep", noted)
    young.fails(FROM, heavy)
    fetched_at(MORNING, tmp_path, young, "2024-01-01", "2024-01-03", rest_rows=40)
    assert young.left == []
    assert [one for one in slept if 0 < one <= 0.01]
    assert trades_files(tmp_path) == by_rest


def test_a_late_archive_takes_over(today: Path, tmp_path: Path) -> None:
    """Of a day that is there in part, too."""
    with Watched(today, archives_until=DAY) as venue:
        fetched_at(NOON, tmp_path / "lake", venue, "2024-01-01", "2024-01-03")
    until(today, 300)
    with FaultyVenue(today) as venue:
        assert fetched(tmp_path / "lake", venue).added == [unit("2024-01-03")]
        fetched(tmp_path / "fresh", venue)
        assert len(venue.asked("01-03" + ARCHIVE)) == 2
    assert trades_files(tmp_path / "lake") == trades_files(tmp_path / "fresh")
