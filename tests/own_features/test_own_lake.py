"""Series with features of one's own: whatever was built when, the bars are those of one query over all trades."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._lakes import VENUE, made, not_synchronised
from tests._routes import assert_same_bars

PRICE = pl.col("price")
AGGS = [PRICE.std().alias("price_std"), pl.col("is_buyer_maker").mean().alias("sold"), pl.len().alias("rows")]
SET = rb.FeatureSet(
    "own",
    "1",
    aggs=[PRICE.median().alias("median")],
    over_bars=[
        pl.col("own__median").rolling_mean(4, min_samples=1).alias("median_4"),
        pl.col("volume").sum().alias("volume_4"),
        pl.col("close").shift(3).alias("close_3"),
    ],
    lookback_bars=3,
)
MINE: dict[str, Any] = {"aggs": AGGS, "feature_sets": [SET]}
NAMES = ["price_std", "sold", "rows", "own__median", "own__median_4", "own__volume_4", "own__close_3"]
SERIES: dict[str, dict[str, Any]] = {
    "months": {"threshold_dbps": [100, 400]},
    "days": {"threshold_dbps": 250, "reset": "1d", "max_gap": "6h"},
    "ever": {"threshold_dbps": [rb.Ticks(7), 250], "reset": None},
}


@pytest.fixture(autouse=True)
def quick() -> Any:
    with not_synchronised():
        yield


def expected(trades: pl.DataFrame, name: str, mine: dict[str, Any] = MINE) -> pl.DataFrame:
    """The bars of a series over trades, without a lake: those that the last period still forms are none yet."""
    options = {"reset": "1mo"} | SERIES[name] | mine
    threshold = options.pop("threshold_dbps")
    several = threshold if isinstance(threshold, list) else [threshold]
    return trades.rangebar.bars(several, include_orphans=True, **options)


def assert_as_expected(lake: rb.Lake, trades: pl.DataFrame, name: str, mine: dict[str, Any] = MINE) -> None:
    bars = lake.bars("BTCUSDT", series=name, include_orphans=True).drop("venue", "symbol").collect()
    # In a file, an orphan is behind the bars that closed before it in its period, also of other thresholds.
    order = ["close_time", "open_time", "threshold_dbps" if "threshold_dbps" in bars.columns else "rule"]
    assert_same_bars(bars.sort(order), expected(trades, name, mine).sort(order))


@pytest.mark.parametrize("name", SERIES)
def test_a_lake_has_the_bars_of_one_query(tmp_path: Path, name: str) -> None:
    lake, trades = rb.Lake(tmp_path / "lake"), made(days=12)
    lake.add(trades, venue=VENUE, symbol="BTCUSDT")
    series = lake.series(name, **SERIES[name], **MINE)
    assert "price_std" in repr(series)
    assert lake.series(name) == series
    assert hash(lake.series(name).own) == hash(series.own)
    assert lake.series("other", threshold_dbps=250) != series
    assert lake.build(name).failed == {}
    assert_as_expected(lake, trades, name)
    assert lake.build(name).built == []
    assert lake.status().filter(pl.col("series") == name)["stale"].to_list() == [0]


@pytest.mark.parametrize("name", SERIES)
def test_days_that_come_late_and_first(tmp_path: Path, name: str) -> None:
    lake, trades = rb.Lake(tmp_path / "lake"), made(days=9)
    date = trades["timestamp"].dt.date()
    parts = [trades.filter(date == day) for day in date.unique().sort()]
    lake.series(name, **SERIES[name], **MINE)
    for some in (parts[4:7], parts[:2], parts[7:], parts[2:4]):
        lake.add(pl.concat(some), venue=VENUE, symbol="BTCUSDT", on_conflict="error")
        assert lake.build(name).failed == {}
    assert_as_expected(lake, trades, name)
    fresh = rb.Lake(tmp_path / "fresh")
    fresh.add(trades, venue=VENUE, symbol="BTCUSDT")
    fresh.series(name, **SERIES[name], **MINE)
    fresh.build(name)
    for file in (tmp_path / "fresh" / "bars").rglob("*.parquet"):
        assert file.read_bytes() == (tmp_path / "lake" / file.relative_to(tmp_path / "fresh")).read_bytes()


def test_another_process_needs_only_sets_that_are_not_installed(tmp_path: Path) -> None:
    lake, trades = rb.Lake(tmp_path / "lake"), made(days=3)
    lake.add(trades, venue=VENUE, symbol="BTCUSDT")
    lake.series("aggs", threshold_dbps=250, aggs=AGGS)
    lake.series("sets", threshold_dbps=250, feature_sets=SET)
    other = rb.Lake(tmp_path / "lake")
    assert other.series("aggs").own.order == ["price_std", "sold", "rows"]
    assert other.build("aggs").failed == {}
    with pytest.raises(rb.RangeBarError, match="no installed package offers a FeatureSet 'own'"):
        other.build("sets")
    other.series("sets", threshold_dbps=250, feature_sets=SET)
    assert other.build("sets").failed == {}
    with pytest.raises(rb.RangeBarError, match=r"is there with other parameters .*aggs"):
        other.series("aggs", threshold_dbps=250, aggs=AGGS[:1])
    with pytest.raises(rb.RangeBarError, match=r"is there with other parameters .*feature_sets"):
        other.series("sets", threshold_dbps=250)


def test_a_new_version_makes_bars_stale(tmp_path: Path) -> None:
    lake, trades = rb.Lake(tmp_path / "lake"), made(days=6)
    lake.add(trades, venue=VENUE, symbol="BTCUSDT")
    lake.series("months", **SERIES["months"], **MINE)
    lake.build("months")
    newer = rb.FeatureSet("own", "2", aggs=[PRICE.max().alias("median")], over_bars=SET.over_bars, lookback_bars=3)
    lake.series("months", **SERIES["months"], aggs=AGGS, feature_sets=[newer])
    assert lake.status()["stale"].to_list() == [2]
    with pytest.raises(rb.RangeBarError, match="other parameters"):
        lake.bars(series="months")
    lake.build("months")
    assert_as_expected(lake, trades, "months", {"aggs": AGGS, "feature_sets": [newer]})
    assert '[["own", "2"]]' in (lake.path / "series" / "months.toml").read_text(encoding="utf-8")


def test_series_without_them_are_as_they_always_were(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path / "lake")
    series = lake.series("plain", threshold_dbps=250)
    text = (lake.path / "series" / "plain.toml").read_text(encoding="utf-8")
    assert "aggs" not in text + series.params
    assert "feature_sets" not in text + series.params


def test_what_a_lake_refuses(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path / "lake")
    with pytest.raises(rb.RangeBarError, match=r"a lake cannot keep `all` of List\(Float64\)"):
        lake.series(threshold_dbps=250, aggs=PRICE.implode().alias("all"))
    with pytest.raises(rb.RangeBarError, match="column `venue_fee` not found"):
        lake.series(threshold_dbps=250, aggs=pl.col("venue_fee").sum())
    with pytest.raises(rb.RangeBarError, match=r"cannot be kept in a checkpoint or a lake .*function of Python"):
        lake.series(
            threshold_dbps=250, aggs=PRICE.map_batches(lambda s: s.sum(), return_dtype=pl.Float64, returns_scalar=True)
        )
    assert list(lake.path.glob("series/*")) == []


def test_one_line_functions_refuse_windows_that_begin_before_the_range(tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match="looks back over bars before it"):
        rb.get_range_bars(
            "BTCUSDT", "2024-01-01", "2024-01-02", lake=tmp_path / "lake", feature_sets=SET, fetch="never"
        )
