"""Drive equivalence, chunks: frames that are read in parts give what they give whole, and errors name the same row."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import assert_same_bars

ROWS = 1_200_000
"""More than a part holds at most."""

CHUNKS: dict[str, list[int]] = {
    "short": [1] * 40 + [100] * 500 + [20_000] * 3,  # several make a part
    "long": [32_767, 1, 32_768, 40_000, 0, 5, 200_000],
    "one at last": [50_000],
}
"""Rows of the chunks, of which the last takes what is left."""

OPTIONS: list[dict[str, Any]] = [{"by": "symbol"}, {"by": "symbol", "intra": True, "lookback": 50}]


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    interleaved = pl.int_range(pl.len()).over("symbol")
    sample = rb.datasets.sample_trades(ROWS, symbols=["A", "B", "C"]).sort(interleaved, maintain_order=True)
    ids = {name: pl.int_range(pl.len()) for name in ("agg_trade_id", "first_trade_id", "last_trade_id")}
    return sample.sort("timestamp", maintain_order=True).with_columns(**ids).rechunk()


def chunked(frame: pl.DataFrame, rows: list[int]) -> pl.DataFrame:
    ends = [*accumulate(rows, initial=0), frame.height]
    out = pl.concat([frame.slice(start, end - start) for start, end in pairwise(ends)], rechunk=False)
    assert out.n_chunks() > 1
    return out


@pytest.mark.parametrize("options", OPTIONS, ids=["groups", "windows"])
@pytest.mark.parametrize("rows", CHUNKS.values(), ids=CHUNKS.keys())
def test_chunks_do_not_show(trades: pl.DataFrame, rows: list[int], options: dict[str, Any]) -> None:
    expected = trades.rangebar.bars(100, include_incomplete=True, **options)
    assert expected.height > 500
    chunks = chunked(trades, rows)
    assert_same_bars(chunks.rangebar.bars(100, include_incomplete=True, **options), expected)
    ragged = chunks.with_columns(chunks["price"].rechunk(), chunked(trades, [7, 600_000])["quantity"])
    assert_same_bars(ragged.rangebar.bars(100, include_incomplete=True, **options), expected)


@pytest.mark.parametrize("rows", CHUNKS.values(), ids=CHUNKS.keys())
def test_bar_ids_of_chunks(trades: pl.DataFrame, rows: list[int]) -> None:
    expected = trades.rangebar.with_bar_id(100, by="symbol")
    assert expected["bar_id"].max() > 100
    assert chunked(trades, rows).rangebar.with_bar_id(100, by="symbol").equals(expected)


@pytest.mark.parametrize("rows", CHUNKS.values(), ids=CHUNKS.keys())
@pytest.mark.parametrize("bad", [0, 39, 33_000, 1_150_000])
def test_errors_name_the_row_of_the_frame(trades: pl.DataFrame, rows: list[int], bad: int) -> None:
    position = pl.int_range(pl.len())
    negative = trades.with_columns(pl.when(position == bad).then(-1.0).otherwise("price").alias("price"))
    null = trades.with_columns(pl.when(position != bad).then("quantity").alias("quantity"))
    in_group = (trades["symbol"].head(bad) == trades["symbol"][bad]).sum()
    told = rf'row {bad} \(row {in_group} of symbol="{trades["symbol"][bad]}"\)'
    for broken in (negative, null):
        with pytest.raises(rb.RangeBarError, match=told):
            chunked(broken, rows).rangebar.bars(100, by="symbol")
        stream = rb.BarStream(100, by="symbol")
        before = stream.checkpoint()
        with pytest.raises(rb.RangeBarError, match=told.replace(" \\(", " of the frame \\(", 1)):
            stream.push(chunked(broken, rows))
        assert stream.checkpoint() == before
