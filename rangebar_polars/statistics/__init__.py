"""
Statistics of trades as expressions: one value per group, in every context that aggregates.

They take columns of trades, by name or as expressions, and work wherever `pl.col("price").mean()` works: `select`,
`group_by().agg()`, `over`, `rolling`, `group_by_dynamic`, on both engines. Over the trades of a bar, each equals the
bar's column of the same name, bit for bit.

>>> import polars as pl
>>> import rangebar_polars as rb
>>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
>>> minutes = trades.group_by_dynamic("timestamp", every="1m").agg(rb.ofi(), rb.kaufman_er())
>>> minutes.columns
['timestamp', 'ofi', 'kaufman_er']
"""

from __future__ import annotations

from rangebar_polars.statistics._arrival import aggregation_density, burstiness, trade_intensity
from rangebar_polars.statistics._complexity import hurst, permutation_entropy
from rangebar_polars.statistics._families import bar_features, window_features
from rangebar_polars.statistics._flow import aggression_ratio, count_imbalance, ofi, turnover_imbalance
from rangebar_polars.statistics._horizon import horizon, max_drawdown, max_runup
from rangebar_polars.statistics._impact import (
    kyle_lambda,
    price_impact,
    vwap,
    vwap_close_deviation,
    vwap_position,
)
from rangebar_polars.statistics._moments import volume_kurt, volume_per_trade, volume_skew
from rangebar_polars.statistics._volatility import garman_klass_vol, kaufman_er, price_range

__all__ = [
    "aggregation_density",
    "aggression_ratio",
    "bar_features",
    "burstiness",
    "count_imbalance",
    "garman_klass_vol",
    "horizon",
    "hurst",
    "kaufman_er",
    "kyle_lambda",
    "max_drawdown",
    "max_runup",
    "ofi",
    "permutation_entropy",
    "price_impact",
    "price_range",
    "trade_intensity",
    "turnover_imbalance",
    "volume_kurt",
    "volume_per_trade",
    "volume_skew",
    "vwap",
    "vwap_close_deviation",
    "vwap_position",
    "window_features",
]
