"""Contract layer: what was read is not read again, whoever reads on; and nothing of it stays when it is done with."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import io
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

import rangebar_polars as rb
from rangebar_polars._fetch import download as downloading
from rangebar_polars._fetch import http
from rangebar_polars._lake import fetch_job
from rangebar_polars._lake.lock import locked
from rangebar_polars.datasets._venue import Answer
from tests import _alone
from tests import _faulty_venue as faulty
from tests._faulty_venue import ARCHIVE, CHECKSUM, FaultyVenue
from tests._fetches import IMPATIENT, VENUE, fetched, left, trades_files, unit

DAY = "2024-01-02"
NAME = f"BTCUSDT-aggTrades-{DAY}.zip"
PATH = f"/data/spot/daily/aggTrades/BTCUSDT/{NAME}"
ONE = DAY + ARCHIVE

AGAIN = """
import sys
from pathlib import Path
from unittest import mock
import rangebar_polars as rb
report = rb.Lake(sys.argv[1]).fetch("BTCUSDT", "2024-01-01", "2024-01-03", base=sys.argv[2])
print(len(report.added), len(report.unchanged))
"""


@pytest.fixture
def own(archives: Path, tmp_path: Path) -> Path:
    """Archives that a test may alter."""
    return Path(shutil.copytree(archives, tmp_path / "zips"))


@pytest.fixture
def began(venue: FaultyVenue, tmp_path: Path) -> Iterator[Path]:
    """A lake with a download of which 1,000 bytes are there."""
    root = tmp_path / "lake"
    venue.fails(ONE, faulty.stalled(1_000))
    venue.fails(ONE, faulty.status(500), times=None)
    with pytest.raises(rb.FetchError, match=f"{NAME}: .* what was read is kept"):
        fetched(root, venue)
    venue.heals()
    assert left(root) == [f"{NAME}.etag", f"{NAME}.part"]
    yield root
    assert left(root) == []


def asked_for(venue: FaultyVenue) -> list[str]:
    """The archives that were asked for."""
    return sorted(Path(target).name for _, target, _ in venue.requests if target.endswith(".zip"))


def test_a_download_goes_on_where_it_ended(venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    venue.fails(ONE, faulty.stalled(1_000))
    venue.fails(ONE, faulty.stalled(500))
    fetched(tmp_path / "lake", venue)
    assert venue.ranges == [(PATH, "bytes=1000-"), (PATH, "bytes=1500-")]
    assert venue.asked(ONE) == [200, 206, 206]
    assert trades_files(tmp_path / "lake") == right


def test_a_later_fetch_goes_on(venue: FaultyVenue, began: Path, right: dict[str, bytes]) -> None:
    del venue.ranges[:]
    assert fetched(began, venue).added == [unit(DAY)]
    assert venue.ranges == [(PATH, "bytes=1000-")]
    assert trades_files(began) == right


def test_another_process_goes_on(venue: FaultyVenue, began: Path, right: dict[str, bytes]) -> None:
    del venue.ranges[:]
    assert _alone.run(AGAIN, str(began), venue.base).split() == ["1", "2"]
    assert venue.ranges == [(PATH, "bytes=1000-")]
    assert trades_files(began) == right


def test_what_is_of_another_version_is_not_gone_on_with(own: Path, tmp_path: Path) -> None:
    root, other = tmp_path / "lake", tmp_path / "other"
    with FaultyVenue(own) as venue:
        venue.fails(ONE, faulty.stalled(1_000))
        venue.fails(ONE, faulty.status(500), times=None)
        with pytest.raises(rb.FetchError):
            fetched(root, venue)
        venue.heals()
        del venue.ranges[:]
        text = faulty.day_text(unit(DAY)[2], 299, 1_300)
        with venue.replaced(NAME, faulty.zipped({NAME.replace("zip", "csv"): text})):
            fetched(root, venue)
            fetched(other, venue)
        assert venue.ranges == []
    assert trades_files(root) == trades_files(other)
    assert left(root) == []


def stored(first_price: bytes) -> bytes:
    """An archive whose size does not depend on its content."""
    text = faulty.day_text(unit(DAY)[2], 300, 1_300).replace(b",42000.", b"," + first_price + b".", 1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(NAME.replace("zip", "csv")), text)
    return buffer.getvalue()


def test_what_is_published_meanwhile_comes_whole(own: Path, tmp_path: Path) -> None:
    """A part is asked for under the condition that the archive is still the same."""
    old, new = stored(b"42001"), stored(b"42002")
    assert len(old) == len(new)
    assert old != new
    (own / NAME).write_bytes(old)
    with FaultyVenue(own) as venue:
        venue.fails(ONE, faulty.stalled(1_000), then=lambda: (own / NAME).write_bytes(new))
        fetched(tmp_path / "lake", venue)
        # Once as a part that comes whole, and once more, because the checksum was that of the old one.
        assert venue.asked(ONE) == [200, 200, 200]
        assert venue.ranges == [(PATH, "bytes=1000-")]
        fetched(tmp_path / "fresh", venue)
    assert trades_files(tmp_path / "lake") == trades_files(tmp_path / "fresh")


def test_parts_of_two_versions_are_not_joined(venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    """Not even if the venue has no checksum that would tell, and minds no condition."""

    def other(_asked: faulty.Asked, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body[::-1], {**answer.headers, "ETag": '"other"'})

    venue.fails(CHECKSUM, faulty.status(404), times=None)
    venue.fails(ONE, faulty.stalled(1_000))
    venue.fails(ONE, other)
    fetched(tmp_path / "lake", venue, checksums="if_present")
    assert venue.asked(ONE) == [200, 206, 200]
    assert trades_files(tmp_path / "lake") == right


def test_half_a_download_without_a_tag_begins_anew(venue: FaultyVenue, began: Path, right: dict[str, bytes]) -> None:
    for file in (began / ".rangebar" / "downloads").rglob("*.etag"):
        file.unlink()
    del venue.ranges[:]
    fetched(began, venue)
    assert venue.ranges == []
    assert trades_files(began) == right


def test_half_a_download_that_lost_its_content_begins_anew(
    venue: FaultyVenue, began: Path, right: dict[str, bytes]
) -> None:
    """After a loss of power, the bytes that were read may be zeros."""
    for file in (began / ".rangebar" / "downloads").rglob("*.part"):
        file.write_bytes(b"\0" * 1_000)
    fetched(began, venue)
    assert venue.asked(ONE)[-2:] == [206, 200]
    assert trades_files(began) == right


def test_more_than_there_is_begins_anew(venue: FaultyVenue, began: Path, right: dict[str, bytes]) -> None:
    for file in (began / ".rangebar" / "downloads").rglob("*.part"):
        file.write_bytes(b"\0" * 100_000)
    fetched(began, venue)
    assert venue.asked(ONE)[-2:] == [416, 200]
    assert trades_files(began) == right


def test_half_a_download_is_removed_when_its_day_came_otherwise(
    venue: FaultyVenue, began: Path, right: dict[str, bytes], archives: Path
) -> None:
    rb.Lake(began).add(rb.scan_binance(archives / NAME), venue=VENUE)
    assert fetched(began, venue, DAY, DAY).added == []
    assert trades_files(began) == right


def test_half_a_download_of_another_day_stays(venue: FaultyVenue, began: Path, right: dict[str, bytes]) -> None:
    fetched(began, venue, end="2024-01-01")
    assert left(began) == [f"{NAME}.etag", f"{NAME}.part"]
    fetched(began, venue)
    assert trades_files(began) == right


def test_a_download_that_gets_on_is_not_given_up(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PATIENCE", dataclasses.replace(IMPATIENT, attempts=2, read=0.03))
    venue.fails(ONE, faulty.stalled(400), times=None)
    fetched(tmp_path / "lake", venue)
    assert len(venue.asked(ONE)) > 4
    assert trades_files(tmp_path / "lake") == right


def test_an_archive_is_not_read_again_if_only_the_disk_was_full(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = mock.Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    with monkeypatch.context() as patch:
        patch.setattr(fetch_job, "add", full)
        with pytest.raises(rb.FetchError, match=r"3 things could not be fetched, nothing was added: .*No space left"):
            fetched(tmp_path / "lake", venue)
    before = asked_for(venue)
    fetched(tmp_path / "lake", venue)
    assert asked_for(venue) == before
    assert trades_files(tmp_path / "lake") == right
    assert left(tmp_path / "lake") == []


def test_a_disk_that_is_full_is_told_at_once(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(downloading, "_write", full)
        with pytest.raises(rb.FetchError, match=r"3 things could not be fetched, nothing was added: .*No space left"):
            fetched(tmp_path / "lake", venue)
    assert len(asked_for(venue)) == len(set(asked_for(venue))) == 3
    fetched(tmp_path / "lake", venue)
    assert trades_files(tmp_path / "lake") == right
    assert left(tmp_path / "lake") == []


def test_an_archive_is_not_read_again_if_another_process_wrote(
    venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    root = tmp_path / "lake"
    with (
        locked(rb.Lake(root).path / ".rangebar" / "locks", f"trades {VENUE}"),
        pytest.raises(rb.FetchError, match=f"trades {VENUE} is being written by process") as caught,
    ):
        fetched(root, venue, lock_seconds=0.01)
    assert {type(error) for error in caught.value.report.failed.values()} == {rb.LakeLockError}
    before = asked_for(venue)
    fetched(root, venue)
    assert asked_for(venue) == before
    assert trades_files(root) == right
    assert left(root) == []


def test_an_archive_of_a_process_that_was_killed_while_it_read_it(
    venue: FaultyVenue, began: Path, archives: Path, right: dict[str, bytes]
) -> None:
    folder = next((began / ".rangebar" / "downloads").rglob("*.part")).parent
    (folder / f"{NAME}.part").unlink()
    shutil.copy(archives / NAME, folder / NAME)
    before = len(venue.asked(ONE))
    fetched(began, venue)
    assert len(venue.asked(ONE)) == before
    assert trades_files(began) == right


@pytest.mark.parametrize("what", [ONE, DAY + r"\.zip" + CHECKSUM])
def test_ctrl_c_leaves_what_is_gone_on_with(
    what: str, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    venue.fails(what, faulty.stalled(20), then=lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        fetched(tmp_path / "lake", venue)
    there = trades_files(tmp_path / "lake")
    assert there.items() <= right.items()
    assert [name for name in left(tmp_path / "lake") if not name.endswith((".part", ".etag"))] == []
    report = fetched(tmp_path / "lake", venue)
    assert len(report.unchanged) == len(there)
    assert trades_files(tmp_path / "lake") == right
    assert left(tmp_path / "lake") == []


def test_in_a_loop_that_runs_as_in_a_notebook(venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    async def cell() -> rb.FetchReport:
        return fetched(tmp_path / "lake", venue)

    assert len(asyncio.run(cell()).added) == 3
    assert trades_files(tmp_path / "lake") == right
