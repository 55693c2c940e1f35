"""
Range bars and trade features as native Polars operations.

Importing the package registers the namespace ``.rangebar`` on :class:`polars.LazyFrame`,
:class:`polars.DataFrame` and :class:`polars.Expr`.

>>> import polars as pl
>>> import rangebar_polars as rb
>>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
>>> bars = trades.lazy().rangebar.bars(threshold_dbps=100, by="symbol")
>>> bars.select("open_time", "open", "close", "ofi").collect().height > 0
True
"""

from __future__ import annotations

from rangebar_polars import datasets
from rangebar_polars._internal import __version__
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.expr_namespace import ExprRangeBar
from rangebar_polars.expressions import range_bar_id, range_bars
from rangebar_polars.gaps import gaps
from rangebar_polars.lookback import Bars
from rangebar_polars.namespaces import DataFrameRangeBar, LazyFrameRangeBar
from rangebar_polars.order_book import book_imbalance, microprice, mid, quote_ofi, relative_spread, spread
from rangebar_polars.state import BarState
from rangebar_polars.statistics import (
    aggregation_density,
    aggression_ratio,
    bar_features,
    burstiness,
    count_imbalance,
    garman_klass_vol,
    horizon,
    hurst,
    kaufman_er,
    kyle_lambda,
    max_drawdown,
    max_runup,
    ofi,
    permutation_entropy,
    price_impact,
    price_range,
    trade_intensity,
    turnover_imbalance,
    volume_kurt,
    volume_per_trade,
    volume_skew,
    vwap,
    vwap_close_deviation,
    vwap_position,
    window_features,
)
from rangebar_polars.stream import BarStream
from rangebar_polars.validation import forward_return, validate

__all__ = [
    "BarState",
    "BarStream",
    "Bars",
    "DataFrameRangeBar",
    "ExprRangeBar",
    "LazyFrameRangeBar",
    "RangeBarError",
    "__version__",
    "aggregation_density",
    "aggression_ratio",
    "bar_features",
    "book_imbalance",
    "burstiness",
    "count_imbalance",
    "datasets",
    "forward_return",
    "gaps",
    "garman_klass_vol",
    "horizon",
    "hurst",
    "kaufman_er",
    "kyle_lambda",
    "max_drawdown",
    "max_runup",
    "microprice",
    "mid",
    "ofi",
    "permutation_entropy",
    "price_impact",
    "price_range",
    "quote_ofi",
    "range_bar_id",
    "range_bars",
    "relative_spread",
    "spread",
    "trade_intensity",
    "turnover_imbalance",
    "validate",
    "volume_kurt",
    "volume_per_trade",
    "volume_skew",
    "vwap",
    "vwap_close_deviation",
    "vwap_position",
    "window_features",
]
