"""Footprints in a lake: built, read, verified and gone on with; series without them are as they always were."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import assert_same_bars

pytest.importorskip("pyarrow")
START = dt.datetime(2024, 1, 31, 20, tzinfo=dt.UTC)


def lake_of(folder: Path, trades: pl.DataFrame) -> rb.Lake:
    lake = rb.Lake(folder)
    lake.add(trades, venue="venue")
    return lake


@pytest.mark.parametrize("reset", ["1mo", None])
def test_bars_of_a_lake_are_those_of_its_trades(tmp_path: Path, reset: str | None) -> None:
    trades = rb.datasets.sample_trades(250_000, symbols=["BTCUSDT"], start=START)
    trades = trades.filter(pl.col("timestamp") < START + dt.timedelta(days=4))
    lake = lake_of(tmp_path, trades)
    lake.series("flow", threshold_dbps=[250, 500], footprint=5, reset=reset)
    lake.build("flow")
    got = lake.bars(series="flow").collect()
    assert got["close_time"].dt.month().n_unique() > 1
    bars = trades.rangebar.bars([250, 500], footprint=5.0, reset=reset)
    order = ["threshold_dbps", "first_agg_trade_id"]
    assert_same_bars(got.sort(order).select(bars.columns[1:]), bars.sort(order).select(bars.columns[1:]))
    assert lake.build("flow").built == []
    assert lake.verify().is_empty()
    lake.series("flow", threshold_dbps=[250, 500], footprint=5.0, reset=reset)
    with pytest.raises(rb.RangeBarError, match=r"is there with other parameters .*`footprint` 5\.0, now 6\.0"):
        lake.series("flow", threshold_dbps=[250, 500], footprint=6, reset=reset)


def test_a_series_without_is_as_it_always_was(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path)
    plain = lake.series("plain", threshold_dbps=250)
    with_levels = lake.series("flow", threshold_dbps=250, footprint=1)
    assert "footprint" not in plain.params
    assert '"footprint":1.0' in with_levels.params
    texts = {name: (tmp_path / "series" / f"{name}.toml").read_text() for name in ("plain", "flow")}
    assert [text.count("footprint") for text in texts.values()] == [0, 1]
    assert lake.series("flow") == with_levels
