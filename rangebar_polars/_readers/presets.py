"""The vendors that are known by name. Each row restates the public description of the vendor's files."""

from __future__ import annotations

from typing import Final

from rangebar_polars._readers.preset import Preset

__all__ = ["PRESETS"]

# Names are matched as a whole, without their endings: what comes before a symbol, or is part of it, must not get lost,
# or two instruments become one. Symbols may have letters of any script: Binance lists some in Chinese.
_DAY = r"(?P<date>\d{4}-\d{2}-\d{2})"
_PERIOD = r"(?P<date>\d{4}-\d{2}(?:-\d{2})?)"
_COPY = r"(?:\W.*)?"
"""What stands after a date tells nothing: " (1)", where a browser has saved a file again."""

_DATED = rf"(?P<symbol>[\w.-]+?)-(?:aggTrades|trades)-{_PERIOD}{_COPY}"
_LEAN_KIND = r"(?i:tick_trade|tick_quote|trade_tick|quote_tick|trade|quote)"
_LEAN = rf"(?P<date>\d{{8}})(?:_(?!(?i:tick|trade|quote)_)(?P<symbol>(?:[^\W_]|[.-])+))?_{_LEAN_KIND}"
"""The name of an archive, 20131007_trade.zip, has no symbol, but that of its member has."""


def _binance(market: str) -> tuple[Preset, Preset]:
    """Aggregated and single trades of a market; only spot files say whether a trade was the best match."""
    best = ("is_best_match",) if market == "spot" else ()
    ids: dict[str, str | int | tuple[str, ...]] = {
        "agg_trade_id": "agg_trade_id",
        "first_trade_id": "first_trade_id",
        "last_trade_id": "last_trade_id",
    }
    side = {"is_buyer_maker": "is_buyer_maker"}
    aggregated = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", *side)
    return (
        Preset(
            name=f"binance {market} aggTrades",
            columns={
                "timestamp": ("transact_time", "timestamp", "time"),
                "price": "price",
                "quantity": "quantity",
                **side,
                **ids,
            },
            header=(*aggregated, *best),
            file_name=_DATED,
        ),
        Preset(
            name=f"binance {market} trades",
            columns={
                "timestamp": "time",
                "price": "price",
                "quantity": ("qty", "quantity"),
                **side,
                "agg_trade_id": ("id", "trade_id"),
            },
            header=(
                "id",
                "price",
                "qty",
                "base_qty" if market == "cm" else "quote_qty",
                "time",
                "is_buyer_maker",
                *best,
            ),
            file_name=_DATED,
        ),
    )


_PRESETS = (
    *_binance("spot"),
    *_binance("um"),
    *_binance("cm"),
    Preset(
        name="tardis",
        columns={
            "symbol": "symbol",
            "timestamp": "timestamp",
            "price": "price",
            "quantity": "amount",
            "is_buyer_maker": "side",
        },
        time_unit="us",
        no_side=("unknown",),
        file_name=rf"[\w-]+_trades_{_DAY}_(?P<symbol>.+)",
    ),
    Preset(
        name="databento",
        columns={
            "symbol": "symbol",
            "timestamp": "ts_event",
            "price": "price",
            "quantity": "size",
            "is_buyer_maker": "side",
        },
        time_unit="ns",
        no_side=("n",),
        price_decimals_in_file=9,
        only=("action", ("T",)),
    ),
    Preset(
        name="kraken",
        columns={"timestamp": "timestamp", "price": "price", "quantity": "volume"},
        header=("timestamp", "price", "volume"),
        time_unit="s",
        # Capital letters, as the vendor writes them: trades.csv in two folders is no symbol.
        file_name=r"(?=\d*[A-Z])(?P<symbol>[A-Z0-9]+(?:\.[A-Z]+)?)",
    ),
    Preset(
        name="bybit",
        columns={
            "symbol": "symbol",
            "timestamp": "timestamp",
            "price": "price",
            "quantity": "size",
            "is_buyer_maker": "side",
        },
        time_unit="s",
    ),
    Preset(  # its `id` counts the rows of a file from 1, and so is no id of a trade
        name="bybit spot",
        columns={
            "timestamp": "timestamp",
            "price": "price",
            "quantity": "volume",
            "is_buyer_maker": "side",
        },
        # `id` counts the trades of one day: it begins again with each file.
        file_name=rf"(?P<symbol>[^\W_]+)[_-]{_PERIOD}{_COPY}",
    ),
    Preset(
        name="okx",
        columns={
            "symbol": "instrument_name",
            "timestamp": "created_time",
            "price": "price",
            "quantity": "size",
            "is_buyer_maker": "side",
            "agg_trade_id": "trade_id",
        },
        file_name=rf"(?P<symbol>(?:[^\Wa-z]|-)+?)-(?:aggtrades|trades)-{_PERIOD}{_COPY}",
    ),
    Preset(
        name="lean equity",
        columns={"timestamp": 0, "price": 1, "quantity": 2},
        header=("milliseconds", "price", "quantity", "exchange", "sale_condition", "suspicious"),
        clock="midnight",
        time_unit="ms",
        time_zone="America/New_York",
        price_decimals_in_file=4,
        file_name=_LEAN,
    ),
    Preset(
        name="lean crypto",
        columns={"timestamp": 0, "price": 1, "quantity": 2},
        header=("milliseconds", "price", "quantity", "suspicious"),
        clock="midnight",
        time_unit="ms",
        time_zone="UTC",
        file_name=_LEAN,
    ),
    Preset(
        name="lobster",
        columns={"timestamp": 0, "quantity": 3, "price": 4, "is_buyer_maker": 5},
        header=("seconds", "type", "order_id", "size", "price", "direction"),
        clock="midnight",
        time_unit="s",
        time_zone="America/New_York",
        # The direction is that of the resting order: one that buys was hit by a seller.
        sells=("1",),
        buys=("-1",),
        price_decimals_in_file=4,
        only=("type", ("4", "5")),
        file_name=rf"(?P<symbol>[A-Z0-9.-]+)_{_DAY}_\d+_\d+_message(?:_\d+)?",
    ),
    Preset(
        name="seconds",
        columns={"timestamp": 0, "price": 1, "quantity": 2, "is_buyer_maker": 3},
        header=("seconds", "price", "quantity", "side"),
        time_unit="s",
        no_side=("any",),
        file_name=r"(?:[a-z]+_)*(?P<symbol>[^\W_a-z]+)_trades_(?P<date>\d{4}_\d{2}_\d{2})",
    ),
    # ------------------------------------------------------------------------------------- quotes
    Preset(
        name="exness",
        columns={"symbol": "symbol", "timestamp": "timestamp", "bid": "bid", "ask": "ask"},
        header=("exness", "symbol", "timestamp", "bid", "ask"),
        clock="text",
    ),
    Preset(  # the export of the vendor's own pages
        name="dukascopy",
        columns={
            "timestamp": ("gmt time", "time (utc)"),
            "bid": "bid",
            "ask": "ask",
            "bid_size": ("bidvolume", "bid volume"),
            "ask_size": ("askvolume", "ask volume"),
        },
        clock="text",
        time_format="%d.%m.%Y %H:%M:%S%.f",
        file_name=r"(?P<symbol>[^\W_]+(?:\.[^\W_]+)?)[-_](?i:ticks?)(?:[-_ ].*)?",
    ),
    Preset(  # what dukascopy-node writes
        name="dukascopy node",
        columns={
            "timestamp": "timestamp",
            "bid": "bidprice",
            "ask": "askprice",
            "bid_size": "bidvolume",
            "ask_size": "askvolume",
        },
        time_unit="ms",
        file_name=r"(?P<symbol>[^\W_]+)-tick-\d{4}-\d{2}-\d{2}.*",
    ),
    Preset(
        name="lean forex",
        columns={"timestamp": 0, "bid": 1, "ask": 2},
        header=("milliseconds", "bid", "ask"),
        clock="midnight",
        time_unit="ms",
        time_zone="UTC",
        file_name=_LEAN,
    ),
    Preset(
        name="lean equity quotes",
        columns={"timestamp": 0, "bid": 1, "bid_size": 2, "ask": 3, "ask_size": 4},
        header=("milliseconds", "bid", "bid_size", "ask", "ask_size", "exchange", "quote_condition", "suspicious"),
        clock="midnight",
        time_unit="ms",
        time_zone="America/New_York",
        price_decimals_in_file=4,
        file_name=_LEAN,
    ),
    Preset(
        name="tardis quotes",
        columns={
            "symbol": "symbol",
            "timestamp": "timestamp",
            "bid": "bid_price",
            "ask": "ask_price",
            "bid_size": "bid_amount",
            "ask_size": "ask_amount",
        },
        time_unit="us",
    ),
)

PRESETS: Final = {preset.name: preset for preset in _PRESETS}
