"""A process that is killed anywhere, or loses its power, leaves a whole lake, and a rerun makes it complete."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests._crashes import Disk, Killed
from tests._lakes import SERIES, VENUE, files_of, made, utc

ROWS = made(3, 8, start=utc(2024, 1, 30))
"""Three days of two months."""

POINTS_EACH = 50
"""Calls at which to die, besides the renames."""


def add(root: Path) -> None:
    lake = rb.Lake(root)
    lake.add(ROWS, venue=VENUE, symbol="A")


def build(root: Path) -> None:
    lake = rb.Lake(root)
    for name in ("ever", "base"):
        lake.series(name, **SERIES[name])
        lake.build(name, workers=1, on_error="raise")


def repair(root: Path) -> None:
    rb.Lake(root).repair()


def nothing(root: Path) -> None:
    root.mkdir()


def half_of_it(root: Path) -> None:
    rb.Lake(root).add(ROWS[3:12], venue=VENUE, symbol="A")


def built_of_half(root: Path) -> None:
    half_of_it(root)
    build(root)
    add(root)


def with_damage(root: Path) -> None:
    add(root)
    build(root)
    files = sorted((root / "bars").rglob("*.parquet"))
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-9])
    (root / ".rangebar" / "staging" / "killed").mkdir()
    (root / ".rangebar" / "staging" / "killed" / "draft.parquet").write_bytes(b"PAR1")


POINTS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "add": (nothing, add),
    "merge": (half_of_it, add),
    "build": (add, build),
    "rebuild": (built_of_half, build),
    "repair": (with_damage, repair),
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if there is one: nothing is synchronised for real."""
    fast = Path("/dev/shm")
    if not os.access(fast, os.W_OK):
        yield tmp_path
        return
    made_here = fast / f"rangebar-{os.getpid()}-{tmp_path.name}"
    made_here.mkdir()
    yield made_here
    shutil.rmtree(made_here)


@pytest.mark.parametrize("name", POINTS)
def test_killed_at_every_call(name: str, folder: Path) -> None:
    before, work = POINTS[name]
    before(folder / "before")
    shutil.copytree(folder / "before", folder / "whole")
    with Disk(folder / "whole").watched() as disk:
        work(folder / "whole")
    assert disk.at_risk() == []
    whole = files_of(folder / "whole")
    for number, call in enumerate(points(disk.kinds)):
        root = folder / str(call)
        shutil.copytree(folder / "before", root)
        with Disk(root, die_at=call).watched() as dying, contextlib.suppress(Killed):
            work(root)
        assert dying.is_dead
        if number % 3:
            dying.lose_power(entries=number % 3 == 2)
        check_nothing_is_half(root)
        work(root)
        assert files_of(root) == whole
        assert [file for file in (root / ".rangebar" / "staging").iterdir() if file.stem != "staging"] == []
        shutil.rmtree(root)


def points(kinds: list[str]) -> list[int]:
    """The calls at which to die: around each rename, and others at equal distances."""
    renames = [call for call, kind in enumerate(kinds, start=1) if kind == "replace"]
    some = range(1, len(kinds) + 1, max(1, len(kinds) // POINTS_EACH))
    return sorted({*some, *(call + more for call in renames for more in (-1, 0, 1))})


def check_nothing_is_half(root: Path) -> None:
    lake = rb.Lake(root)
    faults = lake.verify(deep=True)
    assert faults["file"].str.contains("/bars/").all(), faults  # those that were damaged before
    trades = lake.trades(columns=None).collect()
    for day, rows in trades.drop("venue", "symbol").group_by("date"):
        whole = ROWS.filter(pl.col("timestamp").dt.date() == day[0])
        half = ROWS[3:12].filter(pl.col("timestamp").dt.date() == day[0])
        assert rows.drop("date").equals(whole) or rows.drop("date").equals(half)
