"""Contract of the lazy path as a source: what it reads, when it stops, and what it composes with."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._routes import Engine, engines
from tests._source import Recorder


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    """Three symbols, interleaved row by row, with many bars at 50 dbps."""
    return rb.datasets.sample_trades(30_000, symbols=["AAA", "BBB", "CCC"]).sort("timestamp", maintain_order=True)


@pytest.fixture(scope="module")
def bars(trades: pl.DataFrame) -> pl.DataFrame:
    out = trades.rangebar.bars(50, by="symbol")
    assert out.group_by("symbol").len().filter(pl.col("len") > 5).height == 3
    return out


@engines
@pytest.mark.parametrize(
    ("column", "read"),
    [
        ("close", set()),
        ("duration_us", set()),
        ("agg_record_count", set()),
        ("volume", {"quantity"}),
        ("price_impact", {"quantity"}),
        ("buy_trade_count", {"is_buyer_maker", "first_trade_id", "last_trade_id"}),
        ("trade_intensity", {"first_trade_id", "last_trade_id"}),
        ("last_agg_trade_id", {"agg_trade_id"}),
        ("ofi", {"quantity", "is_buyer_maker"}),
    ],
)
def test_only_what_is_selected_is_read(
    trades: pl.DataFrame, bars: pl.DataFrame, column: str, read: set[str], engine: Engine
) -> None:
    recorder = Recorder(trades)
    out = recorder.scan().rangebar.bars(50, by="symbol").select(column).collect(engine=engine)
    assert recorder.columns == [{"symbol", "timestamp", "price"} | read]
    assert_frame_equal(out, bars.select(column), check_exact=True)


def test_close_alone_is_made_of_trades_whose_quantities_cannot_be_read(trades: pl.DataFrame) -> None:
    broken = trades.with_columns(quantity=pl.lit(None, pl.Float64))
    lazy = broken.lazy().rangebar.bars(50, by="symbol")
    assert lazy.select("close").collect().height > 15
    with pytest.raises(rb.RangeBarError, match="`quantity` must not be null"):
        lazy.select("volume").collect()


@pytest.mark.parametrize("column", ["price", "is_buyer_maker", "bar_id", "quantity"])
def test_with_bar_id_reads_what_is_selected(trades: pl.DataFrame, column: str) -> None:
    recorder = Recorder(trades)
    out = recorder.scan().rangebar.with_bar_id(50, by="symbol").select(column).collect()
    assert recorder.columns == [{"symbol", "timestamp", "price", "agg_trade_id", column} - {"bar_id"}]
    assert_frame_equal(out, trades.rangebar.with_bar_id(50, by="symbol").select(column))


def lake(trades: pl.DataFrame, folder: Path) -> pl.LazyFrame:
    """A hive-partitioned lake in which every file but those of BBB is garbage behind its footer."""
    for (symbol,), part in trades.group_by("symbol", maintain_order=True):
        file = folder / f"symbol={symbol}" / "trades.parquet"
        file.parent.mkdir()
        part.drop("symbol").write_parquet(file)
        if symbol != "BBB":
            content = bytearray(file.read_bytes())
            content[4 : len(content) * 3 // 4] = bytes(len(content) * 3 // 4 - 4)
            file.write_bytes(content)
    return pl.scan_parquet(folder, hive_partitioning=True)


@engines
def test_a_filter_on_the_key_prunes_hive_partitions(
    trades: pl.DataFrame, bars: pl.DataFrame, tmp_path: Path, engine: Engine
) -> None:
    lazy = lake(trades, tmp_path).rangebar.bars(50, by="symbol")
    with pytest.raises(pl.exceptions.PolarsError):
        lazy.collect(engine=engine)
    out = lazy.filter(pl.col("symbol") == "BBB", pl.col("close") > 0).collect(engine=engine)
    assert_frame_equal(out, bars.filter(symbol="BBB"), check_exact=True)


PREDICATES = {
    "key": (pl.col("symbol") == "BBB", 1),
    "keys": (pl.col("symbol").is_in(["AAA", "CCC"]), 1),
    "key and bar": ((pl.col("symbol") != "AAA") & (pl.col("close") > pl.col("open")), 1),
    "bar and key, nested": ((pl.col("ofi") > 0) & (pl.col("volume") > 0) & (pl.col("symbol") < "CCC"), 1),
    "bar": (pl.col("close") > pl.col("open"), 0),
    "key or bar": ((pl.col("symbol") == "AAA") | (pl.col("close") > pl.col("open")), 0),
    "a column that is not selected": (pl.col("aggression_ratio") > 1, 0),
    "not elementwise": (pl.col("symbol").is_first_distinct(), 0),
    "counting keys": (pl.col("symbol").cum_count().over("symbol") <= 2, 0),
    "a literal": (pl.lit(True), 0),
}


@engines
@pytest.mark.parametrize("name", PREDICATES)
def test_a_predicate_means_the_same_as_on_the_collected_bars(
    trades: pl.DataFrame, bars: pl.DataFrame, name: str, engine: Engine
) -> None:
    predicate, pushed = PREDICATES[name]
    recorder = Recorder(trades)
    lazy = recorder.scan().rangebar.bars(50, by="symbol").filter(predicate).select("symbol", "close", "ofi")
    expected = bars.filter(predicate).select("symbol", "close", "ofi")
    assert expected.height > 0
    assert_frame_equal(lazy.collect(engine=engine), expected, check_exact=True)
    assert len(recorder.predicates) == pushed


@engines
def test_with_bar_id_passes_predicates_on_keys_on(trades: pl.DataFrame, engine: Engine) -> None:
    recorder = Recorder(trades)
    predicate = (pl.col("symbol") == "BBB") & (pl.col("bar_id") >= 3)
    out = recorder.scan().rangebar.with_bar_id(50, by="symbol").filter(predicate).collect(engine=engine)
    assert_frame_equal(out, trades.rangebar.with_bar_id(50, by="symbol").filter(predicate))
    assert len(recorder.predicates) == 1
    assert "bar_id" not in recorder.predicates[0]


@engines
@pytest.mark.parametrize("rows", [0, 1, 4])
def test_head_stops_reading(rows: int, engine: Engine) -> None:
    trades = rb.datasets.sample_trades(200_000)
    recorder = Recorder(trades)
    out = recorder.scan().rangebar.bars(50).head(rows).collect(engine=engine)
    assert_frame_equal(out, trades.rangebar.bars(50).head(rows), check_exact=True)
    assert recorder.rows < trades.height / 2, "reading goes on behind the last bar that was asked for"


def test_head_behind_a_filter_counts_the_rows_that_are_left(trades: pl.DataFrame, bars: pl.DataFrame) -> None:
    predicate = pl.col("close") > pl.col("open")
    out = trades.lazy().rangebar.bars(50, by="symbol").filter(predicate).head(3).collect()
    assert_frame_equal(out, bars.filter(predicate).head(3), check_exact=True)


@engines
def test_errors_keep_their_type(trades: pl.DataFrame, engine: Engine) -> None:
    broken = trades.with_columns(price=pl.when(pl.int_range(pl.len()) == 20_000).then(-1.0).otherwise("price"))
    symbol = broken[20_000, "symbol"]
    row = broken.head(20_000).filter(symbol=symbol).height
    lazy = broken.lazy().rangebar.bars(50, by="symbol")
    place = rf'row 20000 \(row {row} of symbol="{symbol}"\)'
    text = rf"^`price` must be finite and > 0, got -1.0 at {place}; filter out such rows$"
    with pytest.raises(rb.RangeBarError, match=text):
        lazy.collect(engine=engine)
    of_group = rf'^`price` must be finite and > 0, got -1.0 at row {row} of symbol="{symbol}"; filter out such rows$'
    with pytest.raises(rb.RangeBarError, match=of_group):
        lazy.filter(symbol=symbol).collect(engine=engine)


def test_a_failed_sink_leaves_the_error(trades: pl.DataFrame, tmp_path: Path) -> None:
    broken = pl.concat([trades, trades.head(1)])
    with pytest.raises(rb.RangeBarError, match="`timestamp` must not go back"):
        broken.lazy().rangebar.bars(50, by="symbol").sink_parquet(tmp_path / "bars.parquet")


@engines
def test_it_composes(trades: pl.DataFrame, bars: pl.DataFrame, engine: Engine) -> None:
    lazy = trades.lazy().rangebar.bars(50, by="symbol")
    wide = trades.lazy().rangebar.bars(200, by="symbol")
    both = pl.concat([lazy.with_columns(t=50), wide.with_columns(t=200), lazy.with_columns(t=51)])
    collected = both.collect(engine=engine)
    assert_frame_equal(collected.filter(t=50).drop("t"), bars)
    assert_frame_equal(collected.filter(t=51).drop("t"), bars)
    assert_frame_equal(collected.filter(t=200).drop("t"), trades.rangebar.bars(200, by="symbol"))
    joined = lazy.join(wide, on="symbol", how="left", maintain_order="left").select("symbol", "close", "close_right")
    expected = bars.join(trades.rangebar.bars(200, by="symbol"), on="symbol", how="left", maintain_order="left")
    assert_frame_equal(joined.collect(engine=engine), expected.select("symbol", "close", "close_right"))
    counted = lazy.group_by("symbol").len().sort("symbol").collect(engine=engine)
    assert_frame_equal(counted, bars.group_by("symbol").len().sort("symbol"))


@engines
def test_bars_of_bars(bars: pl.DataFrame, trades: pl.DataFrame, engine: Engine) -> None:
    names = {"time": "close_time", "price": "close", "quantity": "volume", "is_buyer_maker": None}
    ids = {"agg_trade_id": "last_agg_trade_id"}
    lazy = (
        trades.lazy()
        .rangebar.bars(50, by="symbol")
        .select("symbol", "close_time", "close", "volume", "last_agg_trade_id")
    )
    out = lazy.rangebar.bars(60, by="symbol", **names, **ids).collect(engine=engine)
    columns = bars.select("symbol", "close_time", "close", "volume", "last_agg_trade_id")
    assert out.height > 3
    assert_frame_equal(out, columns.rangebar.bars(60, by="symbol", **names, **ids), check_exact=True)


def test_sinks_and_batches(trades: pl.DataFrame, bars: pl.DataFrame, tmp_path: Path) -> None:
    lazy = trades.lazy().rangebar.bars(50, by="symbol")
    lazy.sink_parquet(tmp_path / "bars.parquet")
    lazy.sink_ipc(tmp_path / "bars.arrow")
    lazy.select(pl.exclude("close_reason")).sink_csv(tmp_path / "bars.csv")
    assert_frame_equal(pl.read_parquet(tmp_path / "bars.parquet"), bars, check_exact=True)
    assert_frame_equal(pl.read_ipc(tmp_path / "bars.arrow"), bars, check_exact=True)
    assert pl.read_csv(tmp_path / "bars.csv").height == bars.height
    assert_frame_equal(pl.concat(list(lazy.collect_batches(chunk_size=7))), bars, check_exact=True)


def test_a_plan_says_what_it_is(trades: pl.DataFrame) -> None:
    plan = trades.lazy().rangebar.bars(50, by="symbol").select("close").explain()
    assert "RANGE BARS" in plan
    assert "PROJECT 1/" in plan
    assert "threshold_dbps=50, by=['symbol']" in plan
