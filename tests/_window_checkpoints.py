"""Streams with open windows whose checkpoints are altered."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

import rangebar_polars as rb
from tests._checkpoints import goes_on
from tests._windows import walk

FULL: dict[str, dict[str, Any]] = {
    "rows": {"intra": True, "lookback": 5, "missing_side": "null"},
    "time": {"intra": False, "lookback": "1mo", "missing_side": "null"},
    "bars": {"intra": True, "lookback": rb.Bars(2), "missing_side": "null"},
}


def full(kind: str) -> rb.BarStream:
    """A stream of two groups and two thresholds with open windows, of quantities within and beyond 64 bits."""
    frame = fuzz_frame()
    stream = rb.BarStream([10, 100], by="symbol", reset="1w", **FULL[kind])
    assert stream.push(frame).height > 2
    assert stream.pending().height > 2
    return stream


def fuzz_frame() -> pl.DataFrame:
    row = pl.int_range(pl.len())
    return walk(16).with_columns(
        symbol=pl.when(row % 2 == 0).then(pl.lit("A")).otherwise(pl.lit("B")),
        quantity=pl.when(row == 12).then(9e14).otherwise("quantity"),
        is_buyer_maker=pl.when(row != 14).then("is_buyer_maker"),
    )


@cache
def later() -> pl.DataFrame:
    """The rows of a full stream, nine days later."""
    return fuzz_frame().with_columns(pl.col("timestamp") + pl.duration(days=9), pl.col("agg_trade_id") + 1_000)


def survives(data: bytes, kind: str) -> bool:
    """Return whether altered bytes of a full stream are accepted."""
    return goes_on(data, later(), "A", threshold_dbps=[10, 100], by="symbol", reset="1w", **FULL[kind])
