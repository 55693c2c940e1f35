"""Files of a lake as other programs read them: the same trades and bars, without this package."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.parquet
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._lakes import SERIES, VENUE, made, utc

ROWS = made(3, 10, start=utc(2024, 1, 30))
SYMBOLS = ("1E5", "BTC/USDT", "é%=. ~"[:4])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> rb.Lake:
    lake = rb.Lake(tmp_path_factory.mktemp("lake"))
    for symbol in SYMBOLS:
        lake.add(ROWS, venue=VENUE, symbol=symbol)
    lake.series("base", **SERIES["base"])
    lake.build("base")
    return lake


def test_polars(lake: rb.Lake) -> None:
    # Symbols come in the order of their folders, and within them the order of time is kept.
    trades = pl.scan_parquet(lake.path / "trades").collect().sort("symbol", maintain_order=True)
    assert_frame_equal(trades, lake.trades().collect())
    bars = pl.read_parquet(lake.path / "bars").sort("symbol", maintain_order=True)
    assert bars["period"].unique().sort().to_list() == ["2024-01", "2024-02"]
    wanted = lake.bars(include_orphans=True).collect()
    closed = bars.filter(pl.col("close_reason") != "end").select(wanted.drop("close_reason").columns)
    assert_frame_equal(closed, wanted.filter(pl.col("close_reason") != "reset").select(closed.columns))


def test_duckdb(lake: rb.Lake) -> None:
    files = f"{lake.path}/trades/**/*.parquet"
    types = "{'symbol': varchar, 'date': date}"
    query = (
        f"from read_parquet('{files}', hive_partitioning = true, hive_types = {types}) order by symbol, agg_trade_id"
    )
    relation = duckdb.sql(query)
    assert relation is not None
    found = relation.pl()
    wanted = lake.trades().collect().select(found.columns)
    assert_frame_equal(found.with_columns(pl.col("timestamp").dt.convert_time_zone("UTC")), wanted)
    ((count,),) = duckdb.connect().execute(f"select count(*) from '{lake.path}/bars/**/*.parquet'").fetchall()
    assert count == sum(row["bars"] for row in lake.status().iter_rows(named=True))


def test_pyarrow_and_pandas(lake: rb.Lake) -> None:
    dataset = pyarrow.dataset.dataset(lake.path / "trades", partitioning="hive")
    wanted = lake.trades().collect()
    found = pl.DataFrame(dataset.to_table()).with_columns(pl.col("date").cast(pl.String).str.to_date())
    found = found.select(wanted.columns).sort("symbol", maintain_order=True)
    assert_frame_equal(found, wanted, check_dtypes=False)
    frame = pd.read_parquet(lake.path / "trades" / f"venue={VENUE}" / "symbol=BTC%2FUSDT")
    assert frame["price"].tolist() == ROWS["price"].to_list()


def test_the_footer(lake: rb.Lake) -> None:
    """What a file is made of can be read with any reader of Parquet: the names are a format."""
    file = next((lake.path / "bars").rglob("*.parquet"))
    entries = {key.decode(): text.decode() for key, text in pyarrow.parquet.read_metadata(file).metadata.items()}
    assert entries["rangebar.key"] == file.relative_to(lake.path).as_posix()
    for key, digest in json.loads(entries["rangebar.sources"]):
        trades = pyarrow.parquet.read_metadata(lake.path / key)
        assert trades.metadata[b"rangebar.digest"].decode() == digest
        assert trades.num_rows == int(trades.metadata[b"rangebar.rows"])
        assert {trades.row_group(0).column(0).compression} <= {"LZ4"}


def test_row_groups_do_not_depend_on_the_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rangebar_polars._lake.publish._GROUP_ROWS", 7)
    for number, size in enumerate((1, 3, 7, 10, 30)):
        lake = rb.Lake(tmp_path / str(number))
        lake.add(pl.concat([part.lazy() for part in ROWS.iter_slices(size)]), venue=VENUE, symbol="A")
        files = sorted((lake.path / "trades").rglob("*.parquet"))
        assert [pyarrow.parquet.read_metadata(file).num_row_groups for file in files] == [2, 2, 2]
        first = sorted((tmp_path / "0" / "trades").rglob("*.parquet"))
        assert [file.read_bytes() for file in files] == [file.read_bytes() for file in first]
        assert lake.verify(deep=True).is_empty()
