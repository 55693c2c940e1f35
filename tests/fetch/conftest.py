"""What the tests of fetching share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from rangebar_polars._fetch import http
from tests._faulty_venue import FaultyVenue, write_days
from tests._fetches import IMPATIENT, fetched, trades_files
from tests._lakes import not_synchronised


@pytest.fixture(scope="module", autouse=True)
def nothing_is_waited_for() -> Iterator[None]:
    """Not for the disk, and not long for a venue."""
    with not_synchronised() as patch:
        patch.setattr(http, "PATIENCE", IMPATIENT)
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives of three days, which no test alters."""
    folder = tmp_path_factory.mktemp("archives")
    write_days(folder, start=dt.date(2024, 1, 1), days=3, rows=300)
    return folder


@pytest.fixture
def venue(archives: Path) -> Iterator[FaultyVenue]:
    """A venue that has them, and fails as it is told to."""
    with FaultyVenue(archives) as venue:
        yield venue


@pytest.fixture(scope="session")
def right(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a lake that was fetched without a fault."""
    root = tmp_path_factory.mktemp("right") / "lake"
    with FaultyVenue(archives) as venue:
        fetched(root, venue)
    files = trades_files(root)
    assert len(files) == 3
    return files
