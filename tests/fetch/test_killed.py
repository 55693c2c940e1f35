"""Contract layer: a fetch that is killed anywhere leaves whole files, and the next one leaves what it should be."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import rangebar_polars as rb
from rangebar_polars.datasets._venue import Answer
from tests import _alone
from tests._faulty_venue import ARCHIVE, Asked, FaultyVenue, write_days
from tests._fetches import fetched, left, trades_files
from tests._paths import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")

FETCH = """
import sys
import rangebar_polars as rb
rb.Lake(sys.argv[1]).fetch("BTCUSDT", "2024-01-01", "2024-01-03", base=sys.argv[2])
"""

DISK = """
import os, signal, sys
from pathlib import Path
import rangebar_polars as rb
from tests._crashes import Disk, Killed
disk = Disk(Path(sys.argv[1]), die_at=int(sys.argv[3]))
call = disk.call
def killed(kind):
    try:
        call(kind)
    except Killed:
        os.kill(os.getpid(), signal.SIGKILL)
disk.call = killed
lake = rb.Lake(sys.argv[1])
with disk.watched():
    lake.fetch("BTCUSDT", "2024-01-01", "2024-01-03", base=sys.argv[2])
print(len(disk.kinds))
"""

REQUESTS = 8
"""Of a fetch: two listings, and three archives with their checksums."""


def started(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    environment = os.environ | {"POLARS_MAX_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def killed_at(venue: FaultyVenue, root: Path, number: int, seconds: float) -> None:
    """Kill a fetch some time after its request of this number has come."""
    seen, lock = [0], threading.Lock()

    def fault(_asked: Asked, answer: Answer) -> Answer:
        with lock:
            seen[0] += 1
            if seen[0] == number:
                threading.Timer(seconds, process.kill).start() if seconds else process.kill()
        return answer

    venue.fails("/", fault, times=None)
    process = started(FETCH, root, venue.base)
    assert process.wait(60) != 0
    venue.heals()


def check(venue: FaultyVenue, root: Path, right: dict[str, bytes]) -> None:
    """That what is there is whole, and the next fetch completes it."""
    assert trades_files(root).items() <= right.items()
    fetched(root, venue)
    assert trades_files(root) == right
    assert left(root) == []
    assert rb.Lake(root).verify(deep=True).is_empty()


@pytest.mark.parametrize("number", range(1, REQUESTS + 1))
def test_killed_at_a_request(number: int, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    killed_at(venue, tmp_path, number, 0.0)
    check(venue, tmp_path, right)


@pytest.mark.parametrize("milliseconds", [1, 5, 12, 20, 35, 50, 80])
def test_killed_some_time_after_the_last_request(milliseconds: int, tmp_path: Path) -> None:
    """While archives are read, written and put in their places, of which these take some time."""
    folder = tmp_path / "zips"
    folder.mkdir()
    write_days(folder, start=dt.date(2024, 1, 1), days=3, rows=6_000)
    with FaultyVenue(folder) as venue:
        fetched(tmp_path / "right", venue)
        killed_at(venue, tmp_path / "lake", REQUESTS, milliseconds / 1_000)
        check(venue, tmp_path / "lake", trades_files(tmp_path / "right"))


@pytest.fixture(scope="module")
def calls(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How often a fetch asks something of the disk."""
    with FaultyVenue(archives) as venue:
        return int(_alone.run(DISK, str(tmp_path_factory.mktemp("calls")), venue.base, "100000"))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97])
def test_killed_at_a_call_of_the_disk(
    share: float, calls: int, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    assert calls > 30
    process = started(DISK, tmp_path, venue.base, int(calls * share))
    assert process.wait(60) != 0
    check(venue, tmp_path, right)


def test_killed_while_days_come_by_rest(archives: Path, tmp_path: Path) -> None:
    with FaultyVenue(archives, archives_until="2024-01-01") as venue:
        fetched(tmp_path / "right", venue)
        right = trades_files(tmp_path / "right")
        count = len(venue.requests)
        for number in (count - 1, count - 3):
            killed_at(venue, tmp_path / str(number), number, 0.0)
            assert venue.asked(ARCHIVE)
            check(venue, tmp_path / str(number), right)
