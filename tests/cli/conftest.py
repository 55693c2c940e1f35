"""What the tests of the command line share: a folder to work in, and a lake in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests._cli import write_archives
from tests._lakes import VENUE, made, not_synchronised


@pytest.fixture(scope="module", autouse=True)
def nothing_is_synchronised() -> Iterator[None]:
    """Not to wait for the disk."""
    with not_synchronised():
        yield


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with no variable of ours but that of the lake."""
    for name in [name for name in os.environ if name.startswith("RANGEBAR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RANGEBAR_LAKE", str(tmp_path / "lake"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def trades() -> pl.DataFrame:
    """Trades of two symbols over twelve days in two months."""
    return pl.concat([made().with_columns(symbol=pl.lit(symbol)) for symbol in ("BTCUSDT", "ETHUSDT")])


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, trades: pl.DataFrame) -> Path:
    """The folder of a lake with these trades, and bars up to date."""
    lake = rb.Lake(tmp_path_factory.mktemp("built") / "lake")
    lake.add(trades, venue=VENUE)
    lake.series("base", threshold_dbps=[250, 1_000])
    assert len(lake.build("base").built) == 4
    return lake.path


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a venue on this machine has."""
    return write_archives(tmp_path_factory.mktemp("venue") / "zips")


@pytest.fixture
def lake(here: Path, built: Path) -> rb.Lake:
    """A copy of this lake."""
    return rb.Lake(shutil.copytree(built, here / "lake"))
