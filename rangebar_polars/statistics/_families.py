"""Whole families of statistics as one Struct, for which the trades are read once."""

from __future__ import annotations

import datetime as dt

import polars as pl

from rangebar_polars._internal import bar_columns
from rangebar_polars._typing import MissingSide, TimeUnit
from rangebar_polars.statistics._expression import struct_of_statistics

__all__ = ["bar_features", "window_features"]

_BAR = tuple(name for name, is_feature, _ in bar_columns() if is_feature)
_WINDOW = tuple(
    name.removeprefix("lookback_") for name, _, _ in bar_columns(lookback=True) if name.startswith("lookback_")
)


def bar_features(
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    *,
    missing_side: MissingSide = "error",
    agg_trade_id: str | pl.Expr | None = None,
    first_trade_id: str | pl.Expr | None = "first_trade_id",
    last_trade_id: str | pl.Expr | None = "last_trade_id",
    time_unit: TimeUnit | None = None,
    max_step: str | dt.timedelta | None = "14610d",
    price_decimals: int = 8,
) -> pl.Expr:
    """
    The ten features of bars for any group of trades, as a Struct.

    Parameters
    ----------
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    price, quantity
        Columns of Float64, Float32, Decimal or any integer. Price is above zero, quantity at least zero and at most
        1e15.
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor. Under its default name it may be missing; None
        ignores it.
    missing_side
        What to do with rows whose side is null: "error", or "null", which gives null for what needs the side in a group
        that holds one.
    agg_trade_id
        Column of integers that must strictly increase within one time; only checked.
    first_trade_id, last_trade_id
        Columns of integers: the first and last individual trade of a row. Under their default names they may be
        missing: a row is then one trade; None ignores them.
    time_unit
        "ms", "us" or "ns" if `time` is Int64.
    max_step
        The longest step from one trade to the next, 40 years by default; a longer one is an error. None allows any
        step.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Struct named `bar_features`, one value per group: `duration_us` (Int64, microseconds from the first to the last
        trade), and as Float64 `ofi`, `vwap_close_deviation`, `price_impact`, `kyle_lambda_proxy`, `trade_intensity`,
        `volume_per_trade`, `aggression_ratio`, `aggregation_density`, `turnover_imbalance`. `ofi`,
        `kyle_lambda_proxy`, `aggression_ratio` and `turnover_imbalance` are null without `is_buyer_maker`; all ten are
        null for an empty group.

    Raises
    ------
    RangeBarError
        If `time_unit` is not one of the three, `max_step` is not a duration, `price_decimals` is not one of 0 to 18, or
        a column is neither a name nor an expression.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a row breaks a rule.

    Notes
    -----
    Each field is the expression of the same name; `kyle_lambda_proxy` is :func:`kyle_lambda` with 0 in place of null.
    Over the trades of a bar it equals the feature of the bar, bit for bit. The expressions name their sources. O(n),
    one pass; holds exact sums.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(5_000, symbols=["BTCUSDT"])
    >>> numbered = trades.rangebar.with_bar_id(100, by="symbol")
    >>> by_hand = numbered.group_by("symbol", "bar_id", maintain_order=True).agg(rb.bar_features())
    >>> bars = trades.rangebar.bars(100, by="symbol", include_incomplete=True)
    >>> by_hand.unnest("bar_features").drop("symbol", "bar_id").equals(bars[:, -10:])
    True
    """
    columns = {
        "timestamp": time,
        "price": price,
        "quantity": quantity,
        "is_buyer_maker": is_buyer_maker,
        "agg_trade_id": agg_trade_id,
        "first_trade_id": first_trade_id,
        "last_trade_id": last_trade_id,
    }
    return struct_of_statistics(
        _BAR, columns, time_unit, max_step, price_decimals=price_decimals, missing_side=missing_side
    ).alias("bar_features")


def window_features(
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    *,
    missing_side: MissingSide = "error",
    agg_trade_id: str | pl.Expr | None = None,
    time_unit: TimeUnit | None = None,
    max_step: str | dt.timedelta | None = "14610d",
    price_decimals: int = 8,
) -> pl.Expr:
    """
    The sixteen statistics of windows for any group of trades, as a Struct.

    Parameters
    ----------
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    price, quantity
        Columns of Float64, Float32, Decimal or any integer. Price is above zero, quantity at least zero and at most
        1e15.
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor. Under its default name it may be missing; None
        ignores it.
    missing_side
        What to do with rows whose side is null: "error", or "null", which gives null for what needs the side in a group
        that holds one.
    agg_trade_id
        Column of integers that must strictly increase within one time; only checked.
    time_unit
        "ms", "us" or "ns" if `time` is Int64.
    max_step
        The longest step from one trade to the next, 40 years by default; a longer one is an error. None allows any
        step.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Struct named `window_features`, one value per group: `trade_count` (UInt64, rows), `ofi`, `duration_us` (Int64,
        microseconds from the first to the last trade), `intensity` (rows per second; the count if there are 0 seconds),
        `vwap`, `vwap_position`, `count_imbalance`, `kyle_lambda`, `burstiness`, `volume_skew`, `volume_kurt`,
        `price_range`, `garman_klass_vol`, `kaufman_er`, `hurst`, `permutation_entropy` (Float64 unless stated
        otherwise). All are null for an empty group, and `ofi`, `count_imbalance` and `kyle_lambda` also without
        `is_buyer_maker`.

    Raises
    ------
    RangeBarError
        If `time_unit` is not one of the three, `max_step` is not a duration, `price_decimals` is not one of 0 to 18, or
        a column is neither a name nor an expression.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a row breaks a rule.

    Notes
    -----
    Each field is the expression of the same name, which documents its formula, its source and when it is null. Over the
    trades of a bar they equal the `intra_*` columns of the bar, bit for bit, and over the trades before it the
    `lookback_*` columns. O(n log n) because of `hurst`, the others are O(n); holds 8 bytes per trade in addition to the
    trades.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"t": [0, 1, 3], "price": [100, 102, 101], "quantity": [1, 2, 1]})
    >>> window = trades.select(rb.window_features("t", time_unit="ms")).unnest("window_features")
    >>> window.select("trade_count", "ofi", "duration_us", "intensity", "vwap", "vwap_position", "price_range").row(0)
    (3, None, 3000, 1000.0, 101.25, 0.625, 0.02)
    """
    columns = {
        "timestamp": time,
        "price": price,
        "quantity": quantity,
        "is_buyer_maker": is_buyer_maker,
        "agg_trade_id": agg_trade_id,
    }
    return struct_of_statistics(
        _WINDOW, columns, time_unit, max_step, price_decimals=price_decimals, missing_side=missing_side
    ).alias("window_features")
