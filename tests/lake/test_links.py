"""What is out of reach is not gone: links that lead nowhere, disks that are not mounted, folders in place of files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._lakes import SERIES, VENUE, files_of, made, utc

ROWS = made(3, 8, start=utc(2024, 1, 30))


@pytest.fixture
def lake(tmp_path: Path) -> rb.Lake:
    lake = rb.Lake(tmp_path / "lake")
    for symbol in ("A", "B"):
        lake.add(ROWS, venue=VENUE, symbol=symbol)
    lake.series("days", **SERIES["days"])
    lake.build("days")
    return lake


def trades_file(lake: rb.Lake, day: str = "2024-01-31") -> Path:
    return lake.path / f"trades/venue={VENUE}/symbol=A/date={day}/trades.parquet"


def bars_file(lake: rb.Lake, period: str = "2024-01-31") -> Path:
    return lake.path / f"bars/series=days/venue={VENUE}/symbol=A/period={period}/bars.parquet"


def moved(path: Path, target: Path) -> None:
    """Behind a link, as on another disk."""
    shutil.move(path, target)
    path.symlink_to(target)


PARTS: dict[str, Callable[[rb.Lake], Path]] = {
    "file": trades_file,
    "day": lambda lake: trades_file(lake).parent,
    "symbol": lambda lake: trades_file(lake).parents[1],
    "venue": lambda lake: trades_file(lake).parents[2],
    "trades": lambda lake: lake.path / "trades",
}


@pytest.mark.parametrize("part", PARTS)
def test_a_link_that_leads_nowhere_is_no_loss(lake: rb.Lake, tmp_path: Path, part: str) -> None:
    """A disk that is not mounted: nothing is answered or built as if there had never been trades."""
    path, elsewhere = PARTS[part](lake), tmp_path / "elsewhere"
    bars = {name: data for name, data in files_of(lake.path).items() if name.startswith("bars/")}
    moved(path, elsewhere)
    trades = lake.trades("A").collect()
    assert trades.height == ROWS.height
    elsewhere.rename(tmp_path / "away")
    match = rf"{path.name} is a link that leads nowhere: mend it, mount its disk, or remove it$"
    asked: list[Callable[[], Any]] = [
        lambda: lake.trades("A"),
        lambda: lake.trades("A", "2024-01-30", "2024-02-01"),
        lake.trades,
        lake.status,
        lake.gaps,
        lambda: lake.build("days", on_error="raise"),
        lake.repair,
        lambda: lake.add(ROWS, venue=VENUE, symbol="A"),
    ]
    for ask in asked:
        with pytest.raises(rb.LakeFileError, match=match):
            ask()
    told = lake.verify()
    assert told["file"].to_list() == [str(path)]
    assert "leads nowhere" in told["fault"][0]
    assert {name: data for name, data in files_of(lake.path).items() if name.startswith("bars/")} == bars
    (tmp_path / "away").rename(elsewhere)
    assert lake.verify(deep=True).is_empty()
    assert lake.trades("A").collect().equals(trades)
    assert not lake.build("days").built


def test_what_is_behind_a_link_is_verified(lake: rb.Lake, tmp_path: Path) -> None:
    moved(trades_file(lake).parents[1], tmp_path / "elsewhere")
    assert lake.verify(deep=True).is_empty()
    data = trades_file(lake).read_bytes()
    trades_file(lake).write_bytes(data[:-9])
    assert lake.verify()["file"].to_list() == [str(trades_file(lake))]


def test_a_link_that_leads_back_ends(lake: rb.Lake) -> None:
    link = lake.path / f"trades/venue={VENUE}/symbol=A/date=2024-03-01"
    link.symlink_to(lake.path / "trades")
    assert lake.verify().is_empty()
    assert lake.trades("A").collect().height == ROWS.height


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_is_told(lake: rb.Lake) -> None:
    folder = trades_file(lake).parent
    folder.chmod(0)
    try:
        assert lake.verify().rows() == [(str(folder), "it cannot be read: Permission denied")]
    finally:
        folder.chmod(0o755)


def test_a_folder_that_cannot_be_listed_is_told(lake: rb.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, listed = trades_file(lake).parent, Path.iterdir

    def failing(path: Path) -> Any:
        if path == folder:
            raise OSError(5, "Input/output error", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", failing)
    assert lake.verify().rows() == [(str(folder), "it cannot be read: Input/output error")]


@pytest.mark.parametrize("file", [trades_file, bars_file])
def test_a_folder_or_a_pipe_in_the_place_of_a_file(lake: rb.Lake, file: Callable[[rb.Lake], Path]) -> None:
    path = file(lake)
    for make in (Path.mkdir, os.mkfifo) if hasattr(os, "mkfifo") else (Path.mkdir,):
        path.unlink()
        make(path)
        reading = lake.trades if file is trades_file else lambda name: lake.bars(name, series="days")
        with pytest.raises(rb.LakeFileError, match=rf"{path.name} cannot be read \(.*\): if it is no file, move it"):
            reading("A")
        (error,) = lake.build("days").failed.values()
        assert str(path) in str(error)
        assert lake.verify()["file"].to_list() == [str(path)]
        path.rmdir() if path.is_dir() else path.unlink()
        path.touch()


def test_a_link_to_another_file_system(lake: rb.Lake, tmp_path: Path) -> None:
    """A file cannot be renamed into it: that is said before any is put in its place."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system")
    before = files_of(lake.path)
    target = other / f"{tmp_path.name} {os.getpid()}"
    target.mkdir()
    try:
        (lake.path / f"trades/venue={VENUE}/symbol=C").symlink_to(target)
        rows = [ROWS.with_columns(symbol=pl.lit(symbol)) for symbol in ("0", "C")]
        with pytest.raises(rb.RangeBarError, match=r"is on another file system than the rest of the lake"):
            lake.add(pl.concat(rows), venue=VENUE)
        assert files_of(lake.path) == before
    finally:
        shutil.rmtree(target)


def test_a_lake_that_is_gone_is_not_an_empty_one(lake: rb.Lake, tmp_path: Path) -> None:
    lake.path.rename(tmp_path / "away")
    asked: list[Callable[[], Any]] = [
        lake.trades,
        lake.bars,
        lake.status,
        lake.gaps,
        lake.verify,
        lake.repair,
        lambda: lake.build("days"),
        lambda: lake.series("new", threshold_dbps=250),
        lambda: lake.add(ROWS, venue=VENUE, symbol="A"),
    ]
    for ask in asked:
        with pytest.raises(rb.RangeBarError, match=r"lake is a lake no more: mount its disk, or open it where"):
            ask()
    assert not lake.path.exists()
    assert repr(lake) == f"Lake({str(lake.path)!r})"
    (tmp_path / "away").rename(lake.path)
    assert lake.verify(deep=True).is_empty()


@pytest.mark.parametrize(
    ("path", "match"),
    [
        (None, "`path` must name a folder, got None"),
        ("", "`path` must name a folder, got ''"),
        (b"lake", "`path` must name a folder, got b'lake'"),
        ("a\0b", "`path` must name a folder"),
        (__file__, r"test_links\.py is no folder: name an empty folder, or a lake"),
        ("~nobody-at-all/lake", r"~nobody-at-all/lake cannot be found \(.*\): write the whole path"),
        ("/tmp/\udcff", "has bytes that are no UTF-8, which Polars cannot open: rename it"),
    ],
)
def test_what_is_no_folder(path: Any, match: str) -> None:
    with pytest.raises(rb.RangeBarError, match=match):
        rb.Lake(path)
