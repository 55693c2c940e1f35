"""Whole families of statistics as one Struct: the trades are read once."""

from __future__ import annotations

import polars as pl

from rangebar_polars._typing import TimeUnit
from rangebar_polars.statistics._expression import struct_of_statistics

__all__ = ["bar_features", "window_features"]

_BAR = (
    "duration_us",
    "ofi",
    "vwap_close_deviation",
    "price_impact",
    "kyle_lambda_proxy",
    "trade_intensity",
    "volume_per_trade",
    "aggression_ratio",
    "aggregation_density",
    "turnover_imbalance",
)
_WINDOW = (
    "trade_count",
    "ofi",
    "duration_us",
    "intensity",
    "vwap",
    "vwap_position",
    "count_imbalance",
    "kyle_lambda",
    "burstiness",
    "volume_skew",
    "volume_kurt",
    "price_range",
    "garman_klass_vol",
    "kaufman_er",
    "hurst",
    "permutation_entropy",
)


def bar_features(
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    *,
    agg_trade_id: str | pl.Expr | None = None,
    first_trade_id: str | pl.Expr | None = "first_trade_id",
    last_trade_id: str | pl.Expr | None = "last_trade_id",
    time_unit: TimeUnit | None = None,
) -> pl.Expr:
    """
    The ten features of bars, of any group of trades: a Struct.

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
    agg_trade_id
        Column of integers that must strictly increase within one time; only checked.
    first_trade_id, last_trade_id
        Columns of integers, the individual trades of a row. Under their default names they may be missing: a row is
        one trade then; None ignores them.
    time_unit
        "ms", "us" or "ns" where `time` is Int64.

    Returns
    -------
    Expr
        Struct named `bar_features`, one value a group: `duration_us` (Int64, microseconds from the first to the last
        trade), and as Float64 `ofi`, `vwap_close_deviation`, `price_impact`, `kyle_lambda_proxy`, `trade_intensity`,
        `volume_per_trade`, `aggression_ratio`, `aggregation_density`, `turnover_imbalance`. `ofi`,
        `kyle_lambda_proxy`, `aggression_ratio` and `turnover_imbalance` are null without `is_buyer_maker`; all ten are
        null of an empty group.

    Raises
    ------
    RangeBarError
        If `time_unit` is none of the three, or a column neither a name nor an expression.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a row breaks a rule.

    Notes
    -----
    Each field is the expression of its name; `kyle_lambda_proxy` is :func:`kyle_lambda` with 0 in place of null. Over
    the trades of a bar it is the bar's feature, bit for bit. Sources stand with the expressions. O(n), one pass; holds
    exact sums.

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
    return struct_of_statistics(_BAR, columns, time_unit).alias("bar_features")


def window_features(
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    *,
    agg_trade_id: str | pl.Expr | None = None,
    time_unit: TimeUnit | None = None,
) -> pl.Expr:
    """
    The sixteen statistics of windows, of any group of trades: a Struct.

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
    agg_trade_id
        Column of integers that must strictly increase within one time; only checked.
    time_unit
        "ms", "us" or "ns" where `time` is Int64.

    Returns
    -------
    Expr
        Struct named `window_features`, one value a group: `trade_count` (UInt64, rows), `ofi`, `duration_us` (Int64,
        microseconds from the first to the last trade), `intensity` (rows a second; the count where they are 0
        seconds), `vwap`, `vwap_position`, `count_imbalance`, `kyle_lambda`, `burstiness`, `volume_skew`,
        `volume_kurt`, `price_range`, `garman_klass_vol`, `kaufman_er`, `hurst`, `permutation_entropy` (Float64 where
        nothing is said). All are null of an empty group; `ofi`, `count_imbalance` and `kyle_lambda` without
        `is_buyer_maker`.

    Raises
    ------
    RangeBarError
        If `time_unit` is none of the three, or a column neither a name nor an expression.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a row breaks a rule.

    Notes
    -----
    Each field is the expression of its name, which says its formula, its source and when it is null. Over the trades of
    a bar they are the `intra_*` columns of the bar, bit for bit, and over the trades before it the `lookback_*`
    columns. O(n log n), which is the part of `hurst`, the others are O(n); holds 8 bytes a trade beside the trades.

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
    return struct_of_statistics(_WINDOW, columns, time_unit).alias("window_features")
