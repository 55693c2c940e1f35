"""The generator of the rows of :mod:`rangebar_polars.datasets`.

Everything random is integer arithmetic: splitmix64 [1]_ of a key and the row number, so a row depends only on the seed,
the symbol and its number. The same call gives the same bits on every machine, and trades drawn in parts are the same as
trades drawn at once.

.. [1] Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SEED_MAX", "TRADE_SCHEMA", "TradeTape", "decimal", "random_bits"]

TRADE_SCHEMA: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "timestamp": pl.Datetime("us", "UTC"),
        "agg_trade_id": pl.Int64(),
        "price": pl.Float64(),
        "quantity": pl.Float64(),
        "first_trade_id": pl.Int64(),
        "last_trade_id": pl.Int64(),
        "is_buyer_maker": pl.Boolean(),
    }
)
"""Columns of sample trades, in order."""

SEED_MAX: Final = 2**64 - 1
"""Largest seed."""

_GOLDEN: Final = 0x9E3779B97F4A7C15

_CHUNK_ROWS: Final = 2**18
"""Rows drawn at once, which limits the memory of the intermediate columns to about 40 MB."""

_SUBTICKS: Final = 4096
"""Resolution of the hidden price walk, so that coarse and fine ticks have the same volatility."""

_STEP_PPM: Final = 70
"""Largest ordinary move of one row at volatility 16/16, in millionths of the first price.

Tuned so that bars of 250 dbps hold 5,000 to 20,000 trades; the daily volatility is then about 2 %.
"""

_TURN: Final = 24_000
"""65536ths of orders whose aggressor is the other side: three trades in four follow one of their own side."""

_MOVE: Final = 80
"""256ths of rows that move the price."""

_SPELL_ROWS: Final = 512
"""Rows between two draws of the market's mood."""


@dataclass(frozen=True)
class _Spell:
    weight: int
    """Sixteenths of all spells."""
    new_order: int
    """65536ths of rows that begin a new order; the others share the time of the row before."""
    pause_ms: int
    """Longest pause before an order; the mean is a sixteenth of it."""
    volatility: int
    """Sixteenths of the ordinary step."""


_SPELLS: Final = (
    _Spell(weight=8, new_order=46_000, pause_ms=1_500, volatility=16),
    _Spell(weight=3, new_order=40_000, pause_ms=300, volatility=24),
    _Spell(weight=1, new_order=4_000, pause_ms=60, volatility=32),
    _Spell(weight=3, new_order=56_000, pause_ms=5_000, volatility=10),
    _Spell(weight=1, new_order=62_000, pause_ms=20_000, volatility=8),
)


@dataclass(frozen=True)
class Market:
    """Prices and quantities of a symbol, in decimals and in units of the last one."""

    price_decimals: int
    first_price_ticks: int
    lot_decimals: int
    typical_lots: int


_MARKETS: Final = {
    "BTCUSDT": Market(2, 4_228_358, 5, 134),
    "ETHUSDT": Market(2, 228_147, 4, 250),
    "SOLUSDT": Market(2, 10_172, 3, 600),
    "XRPUSDT": Market(4, 6_154, 0, 120),
    "DOGEUSDT": Market(5, 8_961, 0, 800),
}


class TradeTape:
    """The endless trades of one symbol; each call of `take` continues where the last one stopped.

    The state between calls is a handful of integers: row number, clock, changes of the aggressor, hidden
    price, next trade id.
    """

    def __init__(self, symbol: str, seed: int, first_ms: int) -> None:
        key = seed
        for byte in symbol.encode():
            key = _splitmix64(key ^ byte)
        self._symbol = symbol
        self._market = _MARKETS.get(symbol) or _market_from(key)
        self._key = key
        self._keys = [self.key(stream) for stream in range(4)]
        self._row = 0
        self._ms = first_ms
        self._turns = 0
        self._walk = 0
        self._agg_id = 1_000_000_000 + key % 1_000_000_000
        self._trade_id = 2 * self._agg_id

    @property
    def market(self) -> Market:
        """Grid and sizes of the symbol."""
        return self._market

    def key(self, stream: int) -> int:
        """The key of a stream of random numbers; the trades use the first four."""
        return _splitmix64(self._key + stream)

    def take(self, rows: int) -> Iterator[pl.DataFrame]:
        """Yield the next `rows` rows in frames of bounded size."""
        while rows > 0:
            count = min(rows, _CHUNK_ROWS)
            yield self._chunk(count)
            rows -= count

    def _chunk(self, count: int) -> pl.DataFrame:
        hidden = (
            pl.select(row=pl.int_range(self._row, self._row + count, dtype=pl.UInt64))
            .select("row", *self._draws())
            .with_columns(_spell("new_order"), _spell("pause_ms"), _spell("volatility"))
            .with_columns(is_order=_bits("flow", 0, 16) < pl.col("new_order"))
            .with_columns(self._ms_column(), self._turns_column(), self._trade_id_column())
            .with_columns(self._walk_column())
        )
        chunk = hidden.select(self._columns())
        self._row += count
        state = hidden.select("ms", "turns", "walk", "next_trade_id")
        self._ms, self._turns, self._walk, self._trade_id = state.row(-1)
        return chunk

    def _draws(self) -> list[pl.Expr]:
        row = pl.col("row")
        flow, size, extra, spell = self._keys
        return [
            random_bits(row, flow).alias("flow"),
            random_bits(row, size).alias("size"),
            random_bits(row, extra).alias("extra"),
            (random_bits(row // _SPELL_ROWS, spell) % 16).alias("spell"),
        ]

    def _ms_column(self) -> pl.Expr:
        short = (_bits("flow", 16, 16) * _bits("flow", 32, 16)) // 2**16
        pause = (short * short // 2**16) * short // 2**16 * pl.col("pause_ms") // 2**16
        outage_ms = 3_600_000 + 300 * _bits("extra", 18, 16)
        outage = pl.when(_bits("extra", 0, 18) == 0).then(outage_ms).otherwise(0)
        elapsed = pl.when("is_order").then(pause + outage).otherwise(0)
        return (self._ms + elapsed.cum_sum()).alias("ms")

    def _turns_column(self) -> pl.Expr:
        turn = pl.col("is_order") & (_bits("flow", 48, 16) < _TURN)
        return (self._turns + turn.cast(pl.Int64).cum_sum()).alias("turns")

    def _trade_id_column(self) -> pl.Expr:
        return (self._trade_id + _trades_in_row().cum_sum()).alias("next_trade_id")

    def _walk_column(self) -> pl.Expr:
        largest = self._market.first_price_ticks * _SUBTICKS * _STEP_PPM // 1_000_000
        size = _bits("size", 48, 16)
        step = size * size // 2**16 * largest // 2**16 * pl.col("volatility") // 16
        signed = pl.when(_is_sell()).then(-step).otherwise(step)
        moved = pl.when(_bits("extra", 34, 8) < _MOVE).then(signed).otherwise(0)
        return (self._walk + moved.cum_sum()).alias("walk")

    def _columns(self) -> list[pl.Expr]:
        market = self._market
        floor = max(1, market.first_price_ticks // 4)
        above_floor = (pl.col("walk") + (market.first_price_ticks - floor) * _SUBTICKS).abs() // _SUBTICKS
        bid = floor + above_floor
        return [
            pl.lit(self._symbol).alias("symbol"),
            (pl.col("ms") * 1000).cast(pl.Datetime("us", "UTC")).alias("timestamp"),
            (self._agg_id + pl.col("row").cast(pl.Int64)).alias("agg_trade_id"),
            decimal(bid + _is_sell().not_().cast(pl.Int64), market.price_decimals).alias("price"),
            decimal(_lots(market.typical_lots), market.lot_decimals).alias("quantity"),
            (pl.col("next_trade_id") - _trades_in_row()).alias("first_trade_id"),
            (pl.col("next_trade_id") - 1).alias("last_trade_id"),
            _is_sell().alias("is_buyer_maker"),
        ]


def _is_sell() -> pl.Expr:
    return pl.col("turns") % 2 == 1


def _trades_in_row() -> pl.Expr:
    """One individual trade in nine rows of ten, otherwise a Pareto tail of up to 500."""
    return 1 + (6_500 // (1 + _bits("extra", 42, 16))).clip(upper_bound=500)


def _lots(typical: int) -> pl.Expr:
    """Draw a ratio of uniforms: a Pareto tail of index 1, cut at 50,000 times the typical size.

    One order in four is 16 times as large.
    """
    scale = pl.when(_bits("extra", 58, 2) == 0).then(16 * typical).otherwise(typical)
    ratio = scale * _bits("size", 0, 16) // (1 + _bits("size", 16, 16))
    return 1 + ratio.clip(upper_bound=50_000 * typical)


def _spell(field: str) -> pl.Expr:
    table = [getattr(spell, field) for spell in _SPELLS for _ in range(spell.weight)]
    return pl.lit(pl.Series(table, dtype=pl.Int64)).gather(pl.col("spell")).alias(field)


def decimal(units: pl.Expr, decimals: int) -> pl.Expr:
    """Return the double nearest to units / 10**decimals.

    Polars turns the division by a scalar into a product with its reciprocal, which rounds twice: hence a
    divisor that is a column.
    """
    number = units.cast(pl.Float64)
    return number / (number * 0.0 + 10.0**decimals)


def _bits(column: str, low: int, width: int) -> pl.Expr:
    shifted: pl.Expr = pl.col(column) // 2**low
    return (shifted & _u64(2**width - 1)).cast(pl.Int64)


def random_bits(counter: pl.Expr, key: int) -> pl.Expr:
    """64 random bits for each number and key."""
    z: pl.Expr = counter * _u64(_GOLDEN) + _u64(key)
    z = (z ^ (z // 2**30)) * _u64(0xBF58476D1CE4E5B9)
    z = (z ^ (z // 2**27)) * _u64(0x94D049BB133111EB)
    return z ^ (z // 2**31)


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)


def _splitmix64(state: int) -> int:
    z = (state + _GOLDEN) & SEED_MAX
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & SEED_MAX
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & SEED_MAX
    return z ^ (z >> 31)


def _market_from(key: int) -> Market:
    return Market(
        price_decimals=2 + key % 4,
        first_price_ticks=5_000 + (key >> 8) % 200_000,
        lot_decimals=(key >> 32) % 5,
        typical_lots=50 + (key >> 40) % 500,
    )
