"""Synthetic updates of an order book, around the synthetic trades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from rangebar_polars.datasets._arguments import DEFAULT_START, check_int, checked_start, checked_symbols, shares
from rangebar_polars.datasets._synthetic import SEED_MAX, Market, TradeTape, decimal, random_bits

__all__ = ["UPDATE_SCHEMA", "sample_book_updates"]

UPDATE_SCHEMA: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "timestamp": pl.Datetime("us", "UTC"),
        "first_update_id": pl.Int64(),
        "last_update_id": pl.Int64(),
        "is_snapshot": pl.Boolean(),
        "is_bid": pl.Boolean(),
        "price": pl.Float64(),
        "quantity": pl.Float64(),
    }
)
"""Columns of sample updates, in order."""

_FIRST_ID: Final = 1_000_000
_MOST_DEPTH: Final = 100
_MOST_TRADES: Final = 2**30

_CHUNK_ROWS: Final = 2**20
"""Levels of states that are compared at once, which limits the memory of the intermediate columns to some 100 MB."""

_STEP: Final = 30_000
"""A step from level to level is the largest power of ten of the tick that is no more than this part of the price.

For BTCUSDT, two messages in five then change the best prices.
"""

_WALL: Final = 8
"""One level in sixteen offers so many times what the others do, for as long as it is there."""


def sample_book_updates(
    trades: int = 20_000,
    *,
    symbols: str | Sequence[str] = ("BTCUSDT",),
    depth: int = 20,
    start: datetime = DEFAULT_START,
    seed: int = 0,
) -> pl.DataFrame:
    """
    Return synthetic updates of an order book around the trades that :func:`sample_trades` gives.

    The trades are the same for the same arguments. Of the trades of one time, the last is at a price between the best
    bid and the best ask that the updates of that time leave. Like the trades, the book says nothing about any market:
    quantities are random and know nothing of what comes.

    Parameters
    ----------
    trades
        The number of trades around which the book is, the `rows` of :func:`sample_trades`; there are one to two updates
        for each.
    symbols, start, seed
        As in :func:`sample_trades`.
    depth
        Levels of each side that the venue tells, 1 to 100: a level that is farther away is deleted.

    Returns
    -------
    DataFrame
        `symbol` String, `timestamp` Datetime("us", "UTC"), `first_update_id` and `last_update_id` Int64 (each
        message has one id, and ids rise by one), `is_snapshot` Boolean (true for the first message), `is_bid` Boolean,
        `price` and `quantity` Float64: what is offered at that price from now on, where 0 deletes the level. A message
        comes at the time of trades, if they change the book. The symbols follow one another in the order given. There
        are no nulls.

    Raises
    ------
    RangeBarError
        If an argument is not as described above.

    See Also
    --------
    LazyFrameRangeBar.book : The book out of such updates.

    Notes
    -----
    Everything is integer arithmetic and the same on every machine. The updates of fewer `trades` are the first ones of
    more, but for the last message. Between the best bid and ask is one step, for BTCUSDT 1.00. A million updates take
    some 2 s.

    Examples
    --------
    >>> from rangebar_polars.datasets import sample_book_updates
    >>> updates = sample_book_updates(500, depth=2)
    >>> updates.head(4).select("timestamp", "is_bid", "price", "quantity")
    shape: (4, 4)
    ┌─────────────────────────┬────────┬─────────┬──────────┐
    │ timestamp               ┆ is_bid ┆ price   ┆ quantity │
    │ ---                     ┆ ---    ┆ ---     ┆ ---      │
    │ datetime[μs, UTC]       ┆ bool   ┆ f64     ┆ f64      │
    ╞═════════════════════════╪════════╪═════════╪══════════╡
    │ 2024-01-01 00:00:00 UTC ┆ false  ┆ 42287.0 ┆ 0.00725  │
    │ 2024-01-01 00:00:00 UTC ┆ false  ┆ 42288.0 ┆ 0.02015  │
    │ 2024-01-01 00:00:00 UTC ┆ true   ┆ 42285.0 ┆ 0.00277  │
    │ 2024-01-01 00:00:00 UTC ┆ true   ┆ 42286.0 ┆ 0.10101  │
    └─────────────────────────┴────────┴─────────┴──────────┘
    >>> updates.rangebar.book(depth=2, features=["bid", "ask"]).select("bid", "ask").row(-1)
    (42293.0, 42294.0)
    """
    names = checked_symbols(symbols)
    check_int("trades", trades, 0, _MOST_TRADES)
    check_int("depth", depth, 1, _MOST_DEPTH)
    first_ms = checked_start(start)
    check_int("seed", seed, 0, SEED_MAX)
    chunks = [
        chunk
        for name, count in zip(names, shares(trades, len(names)), strict=True)
        for chunk in _updates(name, TradeTape(name, seed, first_ms), count, depth)
    ]
    return pl.concat(chunks, rechunk=True) if chunks else pl.DataFrame(schema=UPDATE_SCHEMA)


def _updates(symbol: str, tape: TradeTape, rows: int, depth: int) -> Iterator[pl.DataFrame]:
    """The updates of one symbol in frames of bounded size."""
    market, keys = tape.market, (tape.key(4), tape.key(5))
    step = _step(market)
    fine = (pl.col("price") * 10**market.price_decimals).round().cast(pl.Int64) - (~pl.col("is_buyer_maker"))
    # Within the orders of one time, the last price is what is left.
    best = [chunk.select("timestamp", best=fine // step) for chunk in tape.take(rows)]
    if not best:
        return
    events = (
        pl.concat(best)
        .group_by("timestamp", maintain_order=True)
        .agg(pl.col("best").last())
        .with_row_index("event")
        .with_columns(pl.col("event").cast(pl.Int64), before=pl.col("best").shift(1))
    )
    number = _FIRST_ID
    length = max(1, _CHUNK_ROWS // (2 * depth))
    for begin in range(0, events.height, length):
        changes = _changes(events.slice(begin, length), depth, market, keys)
        # A message that changes nothing is not sent, and has no id.
        sent = changes["event"].rle_id().cast(pl.Int64)
        yield _columns(changes.with_columns(number=number + sent), events, symbol, market, step)
        number += changes["event"].n_unique()


def _step(market: Market) -> int:
    step = 1
    while step * 10 * _STEP <= market.first_price_ticks:
        step *= 10
    return step


def _changes(events: pl.DataFrame, depth: int, market: Market, keys: tuple[int, int]) -> pl.DataFrame:
    """What differs from state to state; of quantity 0 what is no longer among the levels."""
    away = pl.DataFrame({"away": range(depth)}, schema={"away": pl.Int64})
    sides = pl.DataFrame({"is_bid": [True, False]})
    places = events.join(sides, how="cross").join(away, how="cross")
    here = places.with_columns(level=_level("best")).with_columns(nature=_nature(keys[0]))
    stays, now, then = _is_level("before", depth), _version("event"), _version((pl.col("event") - 1).clip(0))
    # Hardly any level changes from one state to the next, and only those have their quantities drawn.
    set_to = (
        here.filter((~stays | (now != then)).fill_null(value=True))
        .with_columns(stays=stays, lots=_lots(now, market, keys[1]), lots_before=_lots(then, market, keys[1]))
        .filter(~(pl.col("stays") & (pl.col("lots") == pl.col("lots_before"))).fill_null(value=False))
    )
    columns = ("event", "is_bid", "level", "lots")
    goes = places.with_columns(level=_level("before")).filter(~_is_level("best", depth))
    deleted = goes.with_columns(lots=pl.lit(0, pl.Int64))
    return pl.concat([set_to.select(columns), deleted.select(columns)]).sort("event", "is_bid", "level")


def _level(best: str) -> pl.Expr:
    """The place of a level, in steps."""
    return pl.when("is_bid").then(pl.col(best) - pl.col("away")).otherwise(pl.col(best) + 1 + pl.col("away"))


def _is_level(best: str, depth: int) -> pl.Expr:
    """Whether a place is among the levels of a state."""
    beyond = pl.when("is_bid").then(pl.col(best) - pl.col("level")).otherwise(pl.col("level") - pl.col(best) - 1)
    return (beyond >= 0) & (beyond < depth)


def _nature(key: int) -> pl.Expr:
    return random_bits((pl.col("level") * 2 + pl.col("is_bid")).cast(pl.UInt64), key)


def _version(event: str | pl.Expr) -> pl.Expr:
    """Each level keeps its quantity for so many events, and all change at different times."""
    nature = pl.col("nature")
    number = pl.col(event) if isinstance(event, str) else event
    return (number + (nature // 2**16 % 64).cast(pl.Int64)) // (16 + (nature // 2**8 % 64).cast(pl.Int64))


def _lots(version: pl.Expr, market: Market, key: int) -> pl.Expr:
    nature = pl.col("nature")
    draw = random_bits(version.cast(pl.UInt64) * 2**20 + nature % 2**20, key)
    wall = pl.when(nature % 16 == 0).then(_WALL).otherwise(1)
    return 1 + wall * market.typical_lots * (64 + (draw % 2**10).cast(pl.Int64)) // 64


def _columns(changes: pl.DataFrame, events: pl.DataFrame, symbol: str, market: Market, step: int) -> pl.DataFrame:
    return changes.join(events.select("event", "timestamp"), on="event", maintain_order="left").select(
        pl.lit(symbol).alias("symbol"),
        "timestamp",
        pl.col("number").alias("first_update_id"),
        pl.col("number").alias("last_update_id"),
        (pl.col("event") == 0).alias("is_snapshot"),
        "is_bid",
        decimal(pl.col("level") * step, market.price_decimals).alias("price"),
        decimal(pl.col("lots"), market.lot_decimals).alias("quantity"),
    )
