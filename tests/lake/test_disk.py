"""A disk that is full, or that must not be written: an error, and a lake that is as before."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._lakes import SERIES, VENUE, bars_of, files_of, made, utc

ROWS = made(4, 8, start=utc(2024, 1, 30))
MANY = made(2, 40_000, start=utc(2024, 2, 10), first_id=1_000_000)
"""More than a small disk can hold."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of few kilobytes."""
    yield from mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=700k", "tmpfs")


def mounted(folder: Path, *options: str) -> Iterator[Path]:
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root mounts disks")
    folder.mkdir()
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(small: Path) -> None:
    lake = rb.Lake(small / "lake")
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    before = files_of(lake.path)
    with pytest.raises((OSError, pl.exceptions.PolarsError), match=r"No space left on device|os error 28"):
        lake.add(MANY, venue=VENUE, symbol="A")
    assert files_of(lake.path) == before
    fill = small / "fill"
    with fill.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024))
    report = lake.build("base")
    assert len(report.failed) == 2
    assert all("No space left" in str(error) for error in report.failed.values())
    assert files_of(lake.path) == before
    assert lake.verify(deep=True).is_empty()
    assert_frame_equal(lake.trades("A", columns=ROWS.columns).collect(), ROWS)
    fill.unlink()
    assert len(lake.build("base").built) == 2
    assert_frame_equal(lake.bars("A").collect().drop("venue", "symbol"), bars_of(ROWS, "base"))
    assert [file for file in (lake.path / ".rangebar" / "staging").iterdir() if file.stem != "staging"] == []


def test_a_read_only_folder(tmp_path: Path) -> None:
    """All that reads works; what writes says that it cannot."""
    there = rb.Lake(tmp_path / "lake")
    there.add(ROWS[:12], venue=VENUE, symbol="A")
    there.series("base", **SERIES["base"])
    there.build("base")
    there.add(ROWS, venue=VENUE, symbol="A")
    before = files_of(there.path)
    for folder in mounted(tmp_path / "read only", "--bind", str(there.path)):
        done = subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("nothing can be mounted read-only here")
        lake = rb.Lake(folder)
        assert_frame_equal(lake.trades("A", columns=ROWS.columns).collect(), ROWS)
        with pytest.warns(rb.RangeBarWarning, match="not up to date"):
            lake.bars("A").collect()
        assert lake.status()["stale"].to_list() == [2]
        assert lake.verify(deep=True).is_empty()
        assert len(lake.build("base", dry_run=True).built) == 2
        assert lake.repair(dry_run=True).height == lake.gaps().height
        assert lake.series("base").name == "base"
        writes: list[tuple[Callable[..., object], dict[str, Any]]] = [
            (lake.add, {"frame": ROWS, "venue": VENUE, "symbol": "B"}),
            (lake.build, {}),
            (lake.series, {"name": "new", "threshold_dbps": 250}),
            (lake.repair, {}),
        ]
        for write, options in writes:
            with pytest.raises(OSError, match=r"[Rr]ead-only"):
                write(**options)
    assert files_of(there.path) == before
