"""Contract layer: a fetch leaves the trades of the venue's archives, says what it did, and does nothing twice."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._lake.lock import locked
from tests import _faulty_venue as faulty
from tests._faulty_venue import ARCHIVE, CHECKSUM, FaultyVenue, write_days
from tests._fetches import VENUE, fetched, left, sources_of, trades_files, unit
from tests._paths import ROOT

DAY = "2024-01-02"
NAME = f"BTCUSDT-aggTrades-{DAY}.zip"
DATE = dt.date(2024, 1, 2)


@pytest.fixture
def own(archives: Path, tmp_path: Path) -> Path:
    """Archives that a test may alter."""
    return Path(shutil.copytree(archives, tmp_path / "zips"))


def other(rows: int = 290, first_id: int = 1_300) -> bytes:
    """Another upload of the day."""
    return faulty.zipped({NAME.replace("zip", "csv"): faulty.day_text(DATE, rows, first_id)})


def times(root: Path) -> dict[str, int]:
    return {key: (root / key).stat().st_mtime_ns for key in trades_files(root)}


def test_the_trades_are_those_of_the_archives(archives: Path, venue: FaultyVenue, tmp_path: Path) -> None:
    report = fetched(tmp_path, venue)
    trades = rb.Lake(tmp_path).trades("BTCUSDT").drop("venue").collect()
    expected = rb.scan_binance(archives).collect()
    assert_frame_equal(trades.select(expected.columns), expected, categorical_as_str=True)
    assert (report.rows, report.files) == (900, 3)
    assert report.bytes == sum(file.stat().st_size for file in archives.iterdir())
    assert report.added == [unit(f"2024-01-0{day}") for day in (1, 2, 3)]
    assert report.seconds > 0
    assert "3 days added, 0 unchanged, 0 missing, 0 failed; 900 trades of 3 archives" in repr(report)
    assert report.read.files()["rows_returned"].to_list() == [300] * 3
    assert rb.Lake(tmp_path).verify(deep=True).is_empty()


def test_footers_say_where_trades_come_from(archives: Path, venue: FaultyVenue, tmp_path: Path) -> None:
    fetched(tmp_path, venue)
    content = (archives / NAME).read_bytes()
    assert sources_of(tmp_path, DAY) == {
        NAME: hashlib.sha256(content).hexdigest(),
        f"{NAME} etag": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }


def test_a_second_fetch_asks_for_nothing_and_writes_nothing(venue: FaultyVenue, tmp_path: Path) -> None:
    fetched(tmp_path, venue)
    before, count = times(tmp_path), len(venue.asked("/data/"))
    report = fetched(tmp_path, venue)
    assert len(venue.asked("/data/")) == count
    assert times(tmp_path) == before
    assert (report.added, len(report.unchanged), report.files, report.rows) == ([], 3, 0, 0)


def test_what_is_missing_has_a_reason(venue: FaultyVenue, tmp_path: Path) -> None:
    report = fetched(tmp_path, venue, "2023-12-31", "2024-01-04", rest=False)
    assert report.missing == [
        (unit("2023-12-31"), "before the first archive"),
        (unit("2024-01-04"), "not published yet"),
    ]
    assert len(report.added) == 3


def test_a_day_between_two_others_that_the_venue_has_not(own: Path, tmp_path: Path) -> None:
    (own / NAME).unlink()
    with FaultyVenue(own) as venue:
        report = fetched(tmp_path / "lake", venue, rest=False)
    assert report.missing == [(unit(DAY), "missing at the venue")]


def test_all_that_there_is(venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    report = fetched(tmp_path, venue, start=None)
    assert len(report.added) == 3
    assert trades_files(tmp_path) == right


def test_published_anew_with_other_trades(own: Path, tmp_path: Path) -> None:
    root = tmp_path / "lake"
    with FaultyVenue(own) as venue:
        fetched(root, venue)
        lake = rb.Lake(root)
        lake.series("base", threshold_dbps=25, reset="1d")
        lake.build("base")
        before = times(root)
        (own / NAME).write_bytes(other(299))
        report = fetched(root, venue)
    assert (report.added, report.files) == ([unit(DAY)], 1)
    after = times(root)
    assert [key for key in before if after[key] != before[key]] == [key for key in before if DAY in key]
    stale = lake.gaps().filter(pl.col("kind") == "stale_bars")
    assert stale["from"].to_list() == stale["to"].to_list() == [DATE]
    with FaultyVenue(own) as venue:
        fetched(tmp_path / "fresh", venue)
    assert trades_files(root) == trades_files(tmp_path / "fresh")


def test_published_anew_with_the_same_trades_leaves_bars_as_they_are(own: Path, tmp_path: Path) -> None:
    root = tmp_path / "lake"
    with FaultyVenue(own) as venue:
        fetched(root, venue)
        lake = rb.Lake(root)
        lake.series("base", threshold_dbps=25, reset="1d")
        lake.build("base")
        packed = other(300)
        (own / NAME).write_bytes(packed[:-2] + b"\x01\x00!")  # with a comment
        report = fetched(root, venue)
        assert (report.added, report.files, len(report.unchanged)) == ([], 1, 3)
        assert fetched(root, venue).files == 0
    assert lake.gaps().is_empty()


def test_an_archive_that_is_gone_costs_nothing(own: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    with FaultyVenue(own) as venue:
        fetched(tmp_path / "lake", venue)
        (own / NAME).unlink()
        assert len(fetched(tmp_path / "lake", venue).unchanged) == 3
    assert trades_files(tmp_path / "lake") == right


@pytest.mark.parametrize("write", [str.lower, str.upper])
def test_a_digest_that_a_user_accepts(write: Any, own: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((own / NAME).read_bytes()).hexdigest()
    (own / f"{NAME}.CHECKSUM").write_text(f"{'0' * 64}  {NAME}\n")
    with FaultyVenue(own) as venue:
        with pytest.raises(rb.FetchError, match=f"pass accept={{'{NAME}': '{digest}'}}"):
            fetched(tmp_path / "lake", venue)
        fetched(tmp_path / "lake", venue, accept={NAME: write(digest)})
        assert sources_of(tmp_path / "lake", DAY)[f"{NAME} accepted"] == digest
        assert f"{NAME} accepted" not in sources_of(tmp_path / "lake", "2024-01-01")
        assert fetched(tmp_path / "lake", venue).files == 0
        with pytest.raises(rb.FetchError, match=f"twice, and you accept {'1' * 64}: nothing of it is kept"):
            fetched(tmp_path / "other", venue, accept={NAME: "1" * 64})
    assert len(trades_files(tmp_path / "other")) == 2
    assert left(tmp_path / "other") == []


def test_without_checksums_only_if_a_user_says_so(venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    venue.fails(CHECKSUM, faulty.status(404), times=None)
    with pytest.raises(rb.FetchError, match="3 things could not be fetched, nothing was added"):
        fetched(tmp_path, venue)
    fetched(tmp_path, venue, checksums="if_present")
    assert trades_files(tmp_path) == right


def test_a_checksum_that_is_there_counts_in_any_case(venue: FaultyVenue, tmp_path: Path) -> None:
    venue.fails(CHECKSUM, faulty.body(b"0" * 64), times=None)
    with pytest.raises(rb.FetchError, match=r"has the SHA-256 .*, twice, and the venue publishes 0000"):
        fetched(tmp_path, venue, checksums="if_present")
    assert trades_files(tmp_path) == {}


def test_a_listing_without_checksums_changes_nothing(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    venue.fails(faulty.LISTING, faulty.without_checksums(), times=2)
    fetched(tmp_path, venue)
    assert venue.left == []
    assert trades_files(tmp_path) == right


def test_pages_of_a_listing(archives: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    with FaultyVenue(archives, page_size=1) as venue:
        fetched(tmp_path, venue)
        assert len(venue.asked(faulty.LISTING)) > 4
    assert trades_files(tmp_path) == right


def test_archives_are_kept_on_request(own: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    folder = kept / "data/spot/daily/aggTrades/BTCUSDT"
    with FaultyVenue(own) as venue:
        fetched(tmp_path / "lake", venue, keep_archives=kept)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
            file.name: file.read_bytes() for file in own.iterdir()
        }
        (own / NAME).write_bytes(other())
        fetched(tmp_path / "lake", venue, keep_archives=str(kept))
        assert (folder / NAME).read_bytes() == other()
        shutil.rmtree(kept)
        (own / NAME).write_bytes(faulty.corrupt(other()))
        with pytest.raises(rb.FetchError):
            fetched(tmp_path / "lake", venue, keep_archives=kept)
    assert [file for file in kept.rglob("*") if file.is_file()] == []


def test_half_a_day_that_a_user_added_becomes_whole(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    fetched(tmp_path / "source", venue)
    half = rb.Lake(tmp_path / "source").trades("BTCUSDT", DAY, DAY).collect().slice(50, 100)
    rb.Lake(tmp_path / "lake").add(half, venue=VENUE)
    assert fetched(tmp_path / "lake", venue).added == [unit(f"2024-01-0{day}") for day in (1, 2, 3)]
    assert trades_files(tmp_path / "lake") == right


def test_a_whole_day_that_a_user_added_gets_its_origin(
    archives: Path, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    rb.Lake(tmp_path).add(rb.scan_binance(archives), venue=VENUE)
    report = fetched(tmp_path, venue)
    assert (report.added, len(report.unchanged), report.files) == ([], 3, 3)
    assert trades_files(tmp_path) == right


def test_a_day_of_a_user_that_contradicts_the_venue(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    root = tmp_path / "lake"
    fetched(tmp_path / "source", venue)
    day = rb.Lake(tmp_path / "source").trades("BTCUSDT", DAY, DAY).collect()
    rb.Lake(root).add(day.with_columns(pl.col("price") + 1), venue=VENUE)
    before = trades_files(root)
    with pytest.raises(rb.FetchError, match=f"{NAME}: .*are there with another content.* pass on_conflict=") as caught:
        fetched(root, venue)
    assert isinstance(caught.value.report.failed[NAME], rb.LakeConflictError)
    assert trades_files(root).items() >= before.items()
    count = len(venue.asked(DAY + ARCHIVE))
    report = fetched(root, venue, on_conflict="replace")
    assert report.added == [unit(DAY)]
    assert len(venue.asked(DAY + ARCHIVE)) == count  # it had come, and was right
    assert trades_files(root) == right
    assert left(root) == []


def test_a_day_with_more_than_the_venue_has_follows_its_archive(own: Path, tmp_path: Path) -> None:
    """What a user has put beside the trades of an archive stays; what the archive has now is taken over once."""
    root = tmp_path / "lake"
    lines = faulty.day_text(DATE, 300, 1_300).splitlines(keepends=True)

    def upload(rows: int) -> None:
        (own / NAME).write_bytes(faulty.zipped({NAME.replace("zip", "csv"): b"".join(lines[:rows])}))

    with FaultyVenue(own) as venue:
        fetched(root, venue)
        upload(290)
        more = rb.Lake(root).trades("BTCUSDT", DAY, DAY).collect()
        shutil.rmtree(root / "trades")
        fetched(root, venue)
        assert rb.Lake(root).add(more, venue=VENUE).merged == [unit(DAY)]
        upload(295)
        assert fetched(root, venue).files == 1
        assert fetched(root, venue).files == 0
    assert rb.Lake(root).trades("BTCUSDT", DAY, DAY).collect().height == 300


def test_a_damaged_day_is_replaced(venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    fetched(tmp_path, venue)
    file = next(tmp_path / key for key in right if DAY in key)
    file.write_bytes(file.read_bytes()[:-50])
    assert rb.Lake(tmp_path).verify().height == 1
    assert fetched(tmp_path, venue).added == [unit(DAY)]
    assert trades_files(tmp_path) == right


def test_a_file_that_is_not_of_the_lake_costs_its_day(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    file = next(tmp_path / key for key in right if DAY in key)
    rb.Lake(tmp_path)
    file.parent.mkdir(parents=True)
    pl.DataFrame({"a": [1]}).write_parquet(file)
    before = file.read_bytes()
    with pytest.raises(rb.FetchError, match=r"BTCUSDT 2024-01-02: .* was not written by a lake: move it elsewhere"):
        fetched(tmp_path, venue)
    assert file.read_bytes() == before
    file.unlink()
    fetched(tmp_path, venue)
    assert trades_files(tmp_path) == right


def test_several_symbols_of_which_one_is_unknown(own: Path, tmp_path: Path) -> None:
    write_days(own, "ETHUSDT", start=dt.date(2024, 1, 1), days=2, rows=60)
    write_days(own, "币安人生USDT", start=dt.date(2024, 1, 1), days=2, rows=60)
    with FaultyVenue(own) as venue:
        symbols = ["BTCUSDT", "ETHUSDT", "NOTHING", "币安人生USDT", "ETHUSDT"]
        report = fetched(tmp_path / "lake", venue, end=DAY, symbols=symbols, on_error="continue")
        with pytest.raises(rb.FetchError, match=r"NOTHING: binance-spot has no archives of aggTrades of 'NOTHING'"):
            fetched(tmp_path / "lake", venue, end=DAY, symbols="NOTHING")
    assert [*report.failed] == ["NOTHING"]
    assert [(one.symbol, one.date.day) for one in report.added] == [
        (symbol, day) for symbol in ("BTCUSDT", "ETHUSDT", "币安人生USDT") for day in (1, 2)
    ]
    heights = rb.Lake(tmp_path / "lake").trades().group_by("symbol").len().collect().rows()
    assert sorted(heights, key=str) == [("BTCUSDT", 600), ("ETHUSDT", 120), ("币安人生USDT", 120)]


def test_another_process_that_fetches_is_waited_for(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    locks = rb.Lake(tmp_path).path / ".rangebar" / "locks"
    with (
        locked(locks, f"fetch {VENUE} BTCUSDT"),
        pytest.raises(rb.FetchError, match=r"is being written by process .*: wait until it has ended") as caught,
    ):
        fetched(tmp_path, venue, lock_seconds=0.02)
    assert isinstance(caught.value.report.failed["BTCUSDT"], rb.LakeLockError)
    assert venue.requests == []
    fetched(tmp_path, venue, lock_seconds=0.0)
    assert trades_files(tmp_path) == right


@pytest.mark.parametrize(
    ("name", "market", "symbol", "start"),
    [
        ("binance-spot", "spot", "BTCUSDT", dt.date(2024, 12, 30)),  # from milliseconds to microseconds
        ("binance-um", "um", "BTCUSDT", dt.date(2025, 1, 1)),
        ("binance-cm", "cm", "BTCUSD_PERP", dt.date(2025, 1, 1)),
    ],
)
def test_markets(name: str, market: str, symbol: str, start: dt.date, tmp_path: Path) -> None:
    path = "data/spot" if market == "spot" else f"data/futures/{market}"
    folder = tmp_path / "venue" / path / "daily" / "aggTrades" / symbol
    folder.mkdir(parents=True)
    write_days(folder, symbol, start=start, days=4, rows=60, market=market)
    lake = rb.Lake(tmp_path / "lake")
    with FaultyVenue(tmp_path / "venue") as venue:
        days = str(start), str(start + dt.timedelta(days=3))
        assert len(lake.fetch(symbol, *days, venue=name, base=venue.base).added) == 4
        assert lake.fetch(symbol, *days, venue=name, base=venue.base).files == 0
    trades = lake.trades(symbol, venue=name).drop("venue").collect()
    expected = rb.scan_binance(folder, market=market).collect()
    assert_frame_equal(trades.select(expected.columns), expected, categorical_as_str=True)
    assert trades["agg_trade_id"].to_list() == [*range(1_000, 1_240)]


def test_single_trades_and_aggregates_are_not_mixed_up(own: Path, tmp_path: Path) -> None:
    for day in (1, 2, 3):
        stem, midnight = f"BTCUSDT-trades-2024-01-0{day}", 1_703_980_800_000 + day * 86_400_000
        rows = (f"{day * 100 + i},42000.1,0.5,21000.05,{midnight + i},True,True\n" for i in range(100))
        (own / f"{stem}.zip").write_bytes(faulty.zipped({f"{stem}.csv": "".join(rows).encode()}))
    with FaultyVenue(own) as venue:
        report = fetched(tmp_path / "trades", venue, kind="trades", end="2024-01-04")
        assert (report.rows, report.missing) == (300, [(unit("2024-01-04"), "not published yet")])
        fetched(tmp_path / "both", venue, end="2024-01-01")
        before = trades_files(tmp_path / "both")
        with pytest.raises(
            rb.FetchError, match="has aggTrades of 2024-01-01 in this lake, and a venue in a lake has one"
        ):
            fetched(tmp_path / "both", venue, kind="trades")
        assert trades_files(tmp_path / "both") == before
        with pytest.raises(rb.FetchError, match="has trades of 2024-01-01 in this lake"):
            fetched(tmp_path / "trades", venue)


def test_progress_is_shown(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    venue.fails("01-03" + ARCHIVE, faulty.status(404), times=None)
    venue.fails(DAY + ARCHIVE, faulty.stalled(1_000))
    with pytest.raises(rb.FetchError):
        fetched(tmp_path, venue, progress=True)
    told = capsys.readouterr().err
    assert "fetch:" in told
    assert NAME in told
    venue.heals()
    fetched(tmp_path, venue, progress=False)
    assert capsys.readouterr().err == ""
    assert trades_files(tmp_path) == right


def test_nothing_is_printed_unasked(archives: Path, tmp_path: Path) -> None:
    """Not even that something was tried again."""
    script = (
        "import sys\nimport rangebar_polars as rb\n"
        "rb.Lake(sys.argv[1]).fetch('BTCUSDT', '2024-01-02', '2024-01-02', base=sys.argv[2])\n"
    )
    with FaultyVenue(archives) as venue:
        venue.fails(ARCHIVE, faulty.status(503, Retry_After="0"), times=2)
        command = [sys.executable, "-c", script, str(tmp_path), venue.base]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        assert venue.left == []
    assert (done.stdout, done.stderr) == ("", "")


def test_through_a_proxy(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", venue.base)
    rb.Lake(tmp_path).fetch("BTCUSDT", "2024-01-01", "2024-01-03", base="http://nowhere.invalid")
    assert {target.split("/")[2] for _, target, _ in venue.requests} == {"nowhere.invalid"}
    assert trades_files(tmp_path) == right


@pytest.mark.parametrize(("count", "words"), [(0, "nothing was"), (1, "1 day was"), (2, "2 days were")])
def test_the_words_of_an_error(count: int, words: str) -> None:
    faults = {f"{name}.zip": rb.RangeBarError(f"fault {name}") for name in "abcdefg"}
    report = rb.FetchReport(added=[unit(DAY)] * count, failed=dict(faults))
    told = "; ".join(f"{name}.zip: fault {name}" for name in "abcde")
    assert str(report.to_error()) == f"7 things could not be fetched, {words} added: {told}; and 2 more"


def test_one_download_at_a_time_is_the_same(venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    fetched(tmp_path, venue, concurrency=1)
    assert trades_files(tmp_path) == right


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"checksums": "no"}, "`checksums` must be"),
    ({"kind": "klines"}, "`kind` must be"),
    ({"concurrency": 0}, "`concurrency` must be a number above 0, got 0"),
    ({"concurrency": True}, "`concurrency` must be a number above 0, got True"),
    ({"accept": {NAME: "abc"}}, "`accept` must have the 64 digits of a SHA-256"),
    ({"accept": {NAME: "0" * 65}}, "`accept` must have the 64 digits of a SHA-256"),
    ({"on_error": "ignore"}, "`on_error` must be"),
    ({"on_conflict": "keep"}, "`on_conflict` must be"),
    ({"symbols": ""}, "a symbol needs a name"),
    ({"symbols": ["BTCUSDT", " X"]}, "a symbol needs a name"),
    ({"start": "yesterday"}, "`start` must be a date or a time"),
    ({"end": "2023-12-01"}, "`end` must not be before `start`"),
]


@pytest.mark.parametrize(("options", "words"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_a_wrong_parameter_is_an_error_at_once(
    options: dict[str, Any], words: str, venue: FaultyVenue, tmp_path: Path
) -> None:
    with pytest.raises(rb.RangeBarError, match=words):
        fetched(tmp_path, venue, **options)
    assert venue.requests == []


def test_the_real_day(shared: Path, tmp_path: Path) -> None:
    """All 863,403 trades of BTCUSDT on 1 January 2024."""
    raw = shared / "data" / "binance_spot_btcusdt_aggtrades_20240101" / "raw"
    archive = raw / "BTCUSDT-aggTrades-2024-01-01.zip"
    folder = tmp_path / "zips"
    folder.mkdir()
    shutil.copy(archive, folder)
    with FaultyVenue(folder) as venue:
        venue.fails(ARCHIVE, faulty.cut(5_000_000))
        report = fetched(tmp_path / "lake", venue, end="2024-01-01")
        assert venue.asked(ARCHIVE) == [200, 206]
    assert report.rows == 863_403
    trades = rb.Lake(tmp_path / "lake").trades("BTCUSDT").drop("venue").collect()
    expected = rb.scan_binance(archive).collect()
    assert_frame_equal(trades.select(expected.columns), expected, categorical_as_str=True)
    assert left(tmp_path / "lake") == []
