"""Contract layer: a query over lazy bars gives what the same query over the collected bars gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._routes import Engine, engines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SYMBOL, MARKET = pl.col("symbol"), pl.col("market")


def sample() -> pl.DataFrame:
    n = 240
    return pl.DataFrame(
        {
            "timestamp": pl.Series(range(n), dtype=pl.Int64).cast(pl.Datetime("us")),
            "price": [100.0 + (i * 7 // 3 % 5) for i in range(n)],
            "quantity": [float(i) for i in range(n)],
            "symbol": ["A", "B", "C"] * (n // 3),
            "market": [1, 2] * (n // 2),
        }
    )


BARS = sample().lazy().rangebar.bars(1_000, by=["symbol", "market"], include_incomplete=True)
IDS = sample().lazy().rangebar.with_bar_id(1_000, by=["symbol", "market"])

ON_KEYS = {
    "one key": SYMBOL == "A",
    "both keys": (SYMBOL == "A") & (MARKET == 1),
    "keys compared": (SYMBOL == "A") == (MARKET == 1),
    "either key": (SYMBOL == "A") | (MARKET == 1),
    "exclusive": (SYMBOL == "A") ^ (MARKET == 1),
    "is_in": SYMBOL.is_in(["A", "C"]),
    "nothing": SYMBOL.is_null(),
    "null for some": pl.when(SYMBOL == "A").then(None).otherwise(True),
    "null and a key": pl.when(SYMBOL == "A").then(None).otherwise(True) & (MARKET == 1),
    "first of each": SYMBOL.is_first_distinct(),
    "same as the first row": SYMBOL.first() == SYMBOL,
    "counted": SYMBOL.cum_count() < 4,
    "ranked": MARKET.rank("ordinal") < 4,
    "sum over rows": MARKET.sum() > 50,
    "shifted": SYMBOL.shift() == SYMBOL,
    "over": SYMBOL.count().over("market") > 3,
    "number of rows": (SYMBOL.len() > 10) & (SYMBOL == "A"),
    "python": SYMBOL.map_batches(lambda s: s == s[0], return_dtype=pl.Boolean),
}
ON_BARS = ON_KEYS | {
    "a bar column": pl.col("close") > 101,
    "key and bar column": (SYMBOL == "A") & (pl.col("close") > 101),
    "key or bar column": (SYMBOL == "A") | (pl.col("close") > 101),
    "three terms": (SYMBOL == "A") & (MARKET == 1) & (pl.col("close") > 100) & (pl.col("duration_us") > 2),
    "only forming": pl.col("close_reason") == "end",
}
ON_IDS = ON_KEYS | {
    "a trade column": pl.col("quantity") > 50,
    "the number": pl.col("bar_id") > 1,
    "key and number": (SYMBOL == "B") & (pl.col("bar_id") == 1),
}
QUERIES: dict[str, Callable[[pl.LazyFrame, pl.Expr], pl.LazyFrame]] = {
    "filter": lambda lf, predicate: lf.filter(predicate),
    "filter, head": lambda lf, predicate: lf.filter(predicate).head(3),
    "head, filter": lambda lf, predicate: lf.head(3).filter(predicate),
    "filter, tail": lambda lf, predicate: lf.filter(predicate).tail(2),
    "slice, filter": lambda lf, predicate: lf.slice(2, 4).filter(predicate),
    "head, filter, head": lambda lf, predicate: lf.head(20).filter(predicate).head(2),
    "filter, select": lambda lf, predicate: lf.filter(predicate).select("symbol"),
    "filter, count": lambda lf, predicate: lf.filter(predicate).select(pl.len()),
    "filter, group": lambda lf, predicate: lf.filter(predicate).group_by("market").len().sort("market"),
    "row number, filter": lambda lf, predicate: lf.with_row_index().filter(predicate),
    "filter, row number": lambda lf, predicate: lf.filter(predicate).with_row_index(),
}


def test_the_sample_is_worth_querying() -> None:
    bars = BARS.collect()
    assert bars.height > 90
    assert bars.group_by("symbol", "market").len()["len"].min() >= 10
    assert bars.filter(pl.col("close_reason") == "end").height >= 2


@engines
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("predicate", ON_BARS)
def test_queries_over_bars(predicate: str, query: str, engine: Engine) -> None:
    run, term = QUERIES[query], ON_BARS[predicate]
    expected = run(BARS.collect().lazy(), term).collect()
    assert_frame_equal(run(BARS, term).collect(engine=engine), expected)


@engines
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("predicate", ON_IDS)
def test_queries_over_bar_ids(predicate: str, query: str, engine: Engine) -> None:
    run, term = QUERIES[query], ON_IDS[predicate]
    expected = run(IDS.collect().lazy(), term).collect()
    assert_frame_equal(run(IDS, term).collect(engine=engine), expected)


@engines
@pytest.mark.parametrize("rows", [0, 1, 7, 10_000])
def test_head(rows: int, engine: Engine) -> None:
    for lf in (BARS, IDS):
        assert_frame_equal(lf.head(rows).collect(engine=engine), lf.collect().head(rows))


@engines
@pytest.mark.parametrize("name", BARS.collect_schema().names())
def test_each_column_by_itself(name: str, engine: Engine) -> None:
    assert_frame_equal(BARS.select(name).collect(engine=engine), BARS.collect().select(name))


@engines
def test_joins_concats_and_bars_of_bars(engine: Engine) -> None:
    coarse = sample().lazy().rangebar.bars(3_000, by=["symbol", "market"], features=["ofi"])
    joined = BARS.join(coarse, on=["symbol", "market", "close_time"], maintain_order="left")
    expected = BARS.collect().join(coarse.collect(), on=["symbol", "market", "close_time"], maintain_order="left")
    assert expected.height > 0
    assert_frame_equal(joined.collect(engine=engine), expected)

    both = pl.concat([BARS.select("close"), coarse.select("close"), BARS.select("close")])
    parts = [BARS.collect(), coarse.collect(), BARS.collect()]
    assert_frame_equal(both.collect(engine=engine), pl.concat(part.select("close") for part in parts))

    columns = {
        "time": "close_time",
        "price": "close",
        "quantity": "volume",
        "agg_trade_id": "last_agg_trade_id",
    }
    individual = {"first_trade_id": None, "last_trade_id": None}
    keys = BARS.rename({"symbol": "s", "market": "m"})
    again = keys.rangebar.bars(2_000, by=["s", "m"], **columns, **individual)
    expected = keys.collect().rangebar.bars(2_000, by=["s", "m"], **columns, **individual)
    assert expected.height > 0
    assert_frame_equal(again.collect(engine=engine), expected)


@engines
def test_sinks(tmp_path: Path, engine: Engine) -> None:
    BARS.sink_parquet(tmp_path / "bars.parquet", engine=engine)
    assert_frame_equal(pl.read_parquet(tmp_path / "bars.parquet"), BARS.collect())
    batches = list(BARS.collect_batches(engine=engine, chunk_size=10))
    assert_frame_equal(pl.concat(batches), BARS.collect())


@engines
@pytest.mark.parametrize("key", ["is_buyer_maker", "agg_trade_id", "quantity", "price", "timestamp"])
def test_a_trade_column_as_key(key: str, engine: Engine) -> None:
    """It plays its part all the same."""
    frame = sample().with_columns(is_buyer_maker=pl.int_range(pl.len()) % 3 == 0, agg_trade_id=pl.int_range(pl.len()))
    frame = frame.drop("symbol", "market")
    lazy = frame.lazy().rangebar.bars(1_000, by=key, include_incomplete=True)
    expression = rb.range_bars(1_000, include_incomplete=True)
    grouped = frame.lazy().group_by(key).agg(expression).explode("bars").unnest("bars")
    order = [key, "first_agg_trade_id"]
    got, expected = lazy.collect(engine=engine), grouped.collect(engine=engine)
    assert got["buy_volume"].null_count() == 0
    assert_frame_equal(got.sort(order), expected.sort(order))
