"""Several processes at one lake; processes that are really killed, or interrupted."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._lake.workspace import workspace
from tests._lakes import SERIES, VENUE, bars_of, files_of, made, utc
from tests._paths import ROOT

ROWS = made(4, 8, start=utc(2024, 1, 30))

BEGIN = """
import sys, os, signal, time
from pathlib import Path
import rangebar_polars as rb
from rangebar_polars._lake.workspace import workspace
from tests._lakes import SERIES, VENUE, made, utc
root = Path(sys.argv[1])
rows = made(4, 8, start=utc(2024, 1, 30))
"""


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs a script."""
    command = [sys.executable, "-c", BEGIN + script, *map(str, arguments)]
    environment = os.environ | {"POLARS_MAX_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)  # type: ignore[call-overload]


def ended(process: subprocess.Popen[str]) -> str:
    """What a process printed, which ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-3_000:]
    return out


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_really_killed(tmp_path: Path) -> None:
    """Beside the calls at which `test_crash.py` lets nothing more happen, some at which the system ends the process."""
    script = """
from tests._crashes import Disk, Killed
disk = Disk(root, die_at=int(sys.argv[2]))
call = disk.call
def killed(kind):
    try:
        call(kind)
    except Killed:
        os.kill(os.getpid(), signal.SIGKILL)
disk.call = killed
with disk.watched():
    lake = rb.Lake(root)
    lake.add(rows, venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    lake.build("base")
print("whole")
"""
    calls = [90, 150, 220, 290]
    processes = [started(script, tmp_path / str(call), call) for call in calls]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
    lakes = [rb.Lake(tmp_path / str(call)) for call in [*calls, "whole"]]
    for lake in lakes:
        assert lake.verify(deep=True).is_empty()
        lake.add(ROWS, venue=VENUE, symbol="A")
        lake.series("base", **SERIES["base"])
        lake.build("base")
        assert files_of(lake.path) == files_of(lakes[-1].path) or lake is not lakes[-1]
        assert [file.name for file in (lake.path / ".rangebar" / "staging").iterdir() if file.is_dir()] == []
    assert len({json.dumps({k: v.hex() for k, v in files_of(lake.path).items()}) for lake in lakes}) == 1


def test_two_builders_and_a_reader(tmp_path: Path) -> None:
    """Two versions of a day alternate while two processes build and this one reads: bars are of one version, whole."""
    lake = rb.Lake(tmp_path / "lake")
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    lake.build("base")
    other = ROWS.with_columns(
        pl.when(pl.col("timestamp") < utc(2024, 1, 31)).then(9.0).otherwise("quantity").alias("quantity")
    )
    builder = """
lake, busy = rb.Lake(root), 0
while not (root.parent / "end").exists():
    try:
        lake.build("base", workers=2)
    except rb.LakeLockError:
        busy += 1
print(busy)
"""
    processes = [started(builder, lake.path) for _ in range(2)]
    wanted = [bars_of(rows, "base", include_orphans=True) for rows in (ROWS, other)]
    assert not wanted[0].equals(wanted[1])
    seen = set()
    for version in (other, ROWS) * 12:
        lake.add(version, venue=VENUE, symbol="A", on_conflict="replace")
        with warnings.catch_warnings(action="ignore"):
            plan = lake.bars("A", include_orphans=True)  # of files that are replaced before it runs
        for _ in range(3):
            bars = plan.collect().drop("venue", "symbol")
            (which,) = [number for number, one in enumerate(wanted) if bars.equals(one)]
            seen.add(which)
            trades = lake.trades("A", columns=ROWS.columns).collect()
            assert trades.equals(ROWS) or trades.equals(other)
    (tmp_path / "end").touch()
    busy = [int(ended(process)) for process in processes]
    assert seen == {0, 1}
    assert sum(busy) > 0
    lake.build("base")
    assert_frame_equal(lake.bars("A", include_orphans=True).collect().drop("venue", "symbol"), wanted[0])


def test_two_adders(tmp_path: Path) -> None:
    """Both add halves of the same days at once: nothing of either is lost."""
    adder = """
lake = rb.Lake(root)
for _ in range(5):
    for part in range(8):
        lake.add(rows[int(sys.argv[2]) :: 2][part * 2 : part * 2 + 2], venue=VENUE, symbol="A")
"""
    processes = [started(adder, tmp_path / "lake", half) for half in (0, 1)]
    for process in processes:
        ended(process)
    assert_frame_equal(rb.Lake(tmp_path / "lake").trades("A", columns=ROWS.columns).collect(), ROWS)


def test_a_lock_names_its_owner(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path)
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    with (
        lake.lock("base", "A", venue=VENUE),
        pytest.raises(rb.LakeLockError, match=f"bars base {VENUE} A is being written by process {os.getpid()} on "),
    ):
        lake.build("base")
    assert len(lake.build("base").built) == 2


def test_drafts_of_others_stay(tmp_path: Path) -> None:
    """A repair removes what nobody writes any more, and nothing else, whatever the clock says."""
    lake = rb.Lake(tmp_path)
    staging = tmp_path / ".rangebar" / "staging"
    dead = staging / "dead" / "draft.parquet"
    dead.parent.mkdir()
    dead.touch()
    with workspace(staging) as space:
        draft = space / "draft.parquet"
        draft.touch()
        os.utime(draft, (0, 0))
        lake.repair()
        assert draft.exists()
        assert not dead.parent.exists()
    assert not space.exists()


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """What decides is what files say and locks, never what time it is."""
    lake = rb.Lake(tmp_path / "lake")
    lake.add(ROWS[4:10], venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    lake.build("base")
    earlier = dt.datetime(1999, 1, 1, tzinfo=dt.UTC).timestamp()
    for file in lake.path.rglob("*.parquet"):
        os.utime(file, (earlier, earlier))
    with mock.patch("time.time", return_value=earlier):
        lake.add(ROWS, venue=VENUE, symbol="A")
        assert len(lake.build("base").built) == 2
        assert not lake.build("base").built
        assert lake.repair().filter(pl.col("kind") == "stale_bars").is_empty()
    bars = lake.bars("A", include_orphans=True).collect()
    assert_frame_equal(bars.drop("venue", "symbol"), bars_of(ROWS, "base", include_orphans=True))


def interrupt() -> None:
    """Ctrl-C, whichever thread calls this."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="a signal cannot be sent to a thread")
@pytest.mark.parametrize("call", range(1, 12))
def test_interrupted_add(tmp_path: Path, call: int) -> None:
    lake = rb.Lake(tmp_path)
    lake.add(ROWS[:12], venue=VENUE, symbol="A")
    before, calls = files_of(tmp_path), 0

    def interrupted(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            interrupt()

    with mock.patch("os.fsync", interrupted), pytest.raises(KeyboardInterrupt):
        lake.add(ROWS, venue=VENUE, symbol="A")
    assert [file for file in (tmp_path / ".rangebar" / "staging").rglob("*") if file.stem != "staging"] == []
    if call < 6:  # days are written aside
        assert files_of(tmp_path) == before
    assert lake.verify(deep=True).is_empty()
    lake.add(ROWS, venue=VENUE, symbol="A")
    assert_frame_equal(lake.trades("A", columns=ROWS.columns).collect(), ROWS)


@pytest.mark.skipif(os.name == "nt", reason="a signal cannot be sent to a thread")
@pytest.mark.parametrize("moment", range(7))
def test_interrupted_build(tmp_path: Path, moment: int) -> None:
    """Ctrl-C ends a build with its threads and drafts; what is complete stays, and the next build goes on there."""
    lake = rb.Lake(tmp_path)
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.series("days", **SERIES["days"])
    calls = 0

    def signalled(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 1 + 4 * moment:
            interrupt()

    with mock.patch("os.fsync", signalled), pytest.raises(KeyboardInterrupt):
        lake.build("days", workers=2)
    for thread in threading.enumerate():
        if thread.name.startswith("rangebar_polars"):
            thread.join(timeout=120)  # the engine closes what it reads when it comes to it
            assert not thread.is_alive()
    assert [file for file in (tmp_path / ".rangebar" / "staging").rglob("*") if file.stem != "staging"] == []
    assert lake.verify(deep=True).is_empty()
    lake.build("days")
    bars = lake.bars("A", series="days", include_orphans=True).collect()
    assert_frame_equal(bars.drop("venue", "symbol"), bars_of(ROWS, "days", include_orphans=True))


def test_names_with_blanks_have_locks_of_their_own(tmp_path: Path) -> None:
    """A process does not wait for itself."""
    lake = rb.Lake(tmp_path / "lake")
    for venue, symbol in (("a b", "c"), ("a", "b c")):
        lake.add(ROWS, venue=venue, symbol=symbol)
    lake.series("base", **SERIES["base"])
    assert len(lake.build("base").built) == 4
    with lake.lock("base", "c", venue="a b"), lake.lock("base", "b c", venue="a"):
        pass
