"""A lake of many files and of many trades: time and memory stay within bounds, generously measured."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests._alone import run
from tests._lakes import VENUE, made, utc
from tests._timing import least_seconds

pytestmark = pytest.mark.serial

DAYS = 2_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> rb.Lake:
    """A lake of many days, whose files are copies of one that say so themselves."""
    lake = rb.Lake(tmp_path_factory.mktemp("lake"))
    first = dt.date(2015, 1, 1)
    lake.add(made(1, 20, start=utc(2015, 1, 1)), venue=VENUE, symbol="A")
    folder = lake.path / "trades" / f"venue={VENUE}" / "symbol=A"
    data = (folder / f"date={first}" / "trades.parquet").read_bytes()
    for day in range(1, DAYS):
        date = first + dt.timedelta(days=day)
        (folder / f"date={date}").mkdir()
        there = data.replace(f"date={first}".encode(), f"date={date}".encode())
        (folder / f"date={date}" / "trades.parquet").write_bytes(there)
    return lake


def footers(lake: rb.Lake) -> None:
    """Each file, as a reader of Parquet reads its footer."""
    for file in (lake.path / "trades").rglob("*.parquet"):
        pl.read_parquet_metadata(file)


def test_status_reads_footers_alone(lake: rb.Lake) -> None:
    """Reading the footers as any Parquet takes twice as long; the rows would take much longer still."""
    assert lake.status()["days"].item() == DAYS
    status, parquet = least_seconds(lake.status, lambda: footers(lake))
    assert status < parquet


def test_a_month_is_planned_without_a_look_at_the_others(lake: rb.Lake) -> None:
    """A look at every day of the lake takes forty times as long."""
    month, status = least_seconds(lambda: lake.trades("A", "2019-01-01", "2019-02-01"), lake.status)
    assert month < status / 4


def test_bars_of_a_month_are_planned_without_a_look_at_the_others(lake: rb.Lake) -> None:
    """Those of all days take many times as long."""
    lake.series("days", threshold_dbps=250, reset="1d")
    with pytest.warns(rb.RangeBarWarning):
        month, every = least_seconds(
            lambda: lake.bars("A", "2019-01-01", "2019-02-01", series="days"), lambda: lake.bars("A", series="days")
        )
    assert month < every / 2


def test_adding_costs_no_more_than_writing(tmp_path: Path) -> None:
    trades = rb.datasets.sample_trades(1_000_000, symbols=["A"]).drop("symbol").lazy()
    trades.collect().write_parquet(tmp_path / "source.parquet")
    source, number = pl.scan_parquet(tmp_path / "source.parquet"), iter(range(9))
    written, added = least_seconds(
        lambda: source.sink_parquet(tmp_path / "copy.parquet"),
        lambda: rb.Lake(tmp_path / f"lake {next(number)}").add(source, venue=VENUE, symbol="A"),
    )
    assert added < 3 * written


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """Four times as many days take hardly more memory, to add and to build."""
    script = """
import datetime as dt, resource, sys
import polars as pl
import rangebar_polars as rb
root, days = sys.argv[1], int(sys.argv[2])
day = rb.datasets.sample_trades(400_000, symbols=["A"], start=dt.datetime(2024, 1, 1, tzinfo=dt.UTC)).drop("symbol")
day.filter(pl.col("timestamp").dt.date() == dt.date(2024, 1, 1)).write_parquet(f"{root}/day.parquet")
later = [
    pl.scan_parquet(f"{root}/day.parquet").with_columns(
        pl.col("timestamp") + pl.duration(days=n), pl.col("agg_trade_id") + n * 10**6
    )
    for n in range(days)
]
lake = rb.Lake(f"{root}/lake")
lake.add(pl.concat(later), venue="v", symbol="A")
lake.series("base", threshold_dbps=[250, 500])
assert not lake.build("base").failed
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    few, many = (int(run(script, str(folder), str(days))) for folder, days in made_in(tmp_path))
    assert many < few + 150


def made_in(tmp_path: Path) -> list[tuple[Path, int]]:
    """Folders, and how many days go into each."""
    folders = [(tmp_path / "few", 5), (tmp_path / "many", 20)]
    for folder, _ in folders:
        folder.mkdir()
    return folders
