"""Queries that fail in every way a query can, for sinks that must not leave a trace of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

import rangebar_polars as rb

KEY = "rangebar_polars.checkpoint"
OLD = pl.DataFrame({"old": [1, 2, 3]})
UNNAMED = hasattr(os, "O_TMPFILE")
"""Whether a file can be written here that has no name yet."""


class OwnError(Exception):
    """What a user's code may raise."""


def raise_own(*_: object) -> Any:
    msg = "mine"
    raise OwnError(msg)


def blocks(count: int, *, size: int = 20_000, fails_at: int | None = None) -> pl.LazyFrame:
    """Blocks of rows out of Python, of which one may fail."""

    def source(*_: object) -> Iterator[pl.DataFrame]:
        for block in range(count):
            if block == fails_at:
                raise_own()
            rows = pl.int_range(block * size, (block + 1) * size, eager=True)
            yield pl.DataFrame({"row": rows, "noise": rows.hash(7)})

    return register_io_source(source, schema={"row": pl.Int64(), "noise": pl.UInt64()})


def broken(trades: pl.DataFrame, row: int) -> pl.LazyFrame:
    """Trades of which one has no price."""
    return trades.lazy().with_columns(price=pl.when(pl.int_range(pl.len()) == row).then(-1.0).otherwise("price"))


def ending_early(trades: pl.DataFrame, state: rb.BarState) -> pl.LazyFrame:
    return trades.lazy().rangebar.bars(50, by="symbol", state=state).head(3)


# A query that fails, with what it raises. Each is given trades and a state.
FAILURES: dict[str, tuple[Callable[[pl.DataFrame, rb.BarState], pl.LazyFrame], dict[str, Any], Any, str]] = {
    "the first trade": (
        lambda trades, _: broken(trades, 0).rangebar.bars(50, by="symbol"),
        {},
        rb.RangeBarError,
        r"^`price` must be finite and > 0, got -1.0 at row 0",
    ),
    "the last trade": (
        lambda trades, _: broken(trades, trades.height - 1).rangebar.bars(50, by="symbol"),
        {},
        rb.RangeBarError,
        r"^`price` must be finite and > 0, got -1.0 at row 59999",
    ),
    "the last trade of bar numbers": (
        lambda trades, _: broken(trades, trades.height - 1).rangebar.with_bar_id(50, by="symbol"),
        {},
        rb.RangeBarError,
        r"^`price` must be finite and > 0, got -1.0 at row 59999",
    ),
    "an expression over the bars": (
        lambda trades, _: (
            trades.lazy().rangebar.bars(50, by="symbol").with_columns(pl.col("agg_record_count").cast(pl.Int8))
        ),
        {},
        pl.exceptions.InvalidOperationError,
        "conversion from",
    ),
    "a source in Python": (lambda *_: blocks(50, fails_at=49), {}, OwnError, "^mine$"),
    "a source in Python, at once": (lambda *_: blocks(50, fails_at=0), {}, OwnError, "^mine$"),
    "the user's metadata": (lambda *_: blocks(5), {"metadata": raise_own}, OwnError, "^mine$"),
    "the user's metadata, by name": (
        lambda *_: blocks(5),
        {"metadata": lambda _: {KEY: "x"}},
        rb.RangeBarError,
        "^`metadata` must not contain the key",
    ),
    "a state that the query was not given": (
        lambda trades, _: trades.lazy().rangebar.bars(50, by="symbol"),
        {"state": ...},
        rb.RangeBarError,
        "^the query has left nothing in `state`",
    ),
    "a state of bars that end early": (ending_early, {"state": ...}, rb.RangeBarError, "left nothing in `state`"),
    "a state of trades that fail": (
        lambda trades, state: broken(trades, 59_999).rangebar.bars(50, by="symbol", state=state),
        {"state": ...},
        rb.RangeBarError,
        r"^`price` must be finite",
    ),
    "an option that Polars has not": (lambda *_: blocks(5), {"nonsense": 1}, TypeError, "nonsense"),
}
