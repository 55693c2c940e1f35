"""Names of types that several modules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

TimeUnit: TypeAlias = Literal["ms", "us", "ns"]
"""Unit of Int64 times."""

ResetPeriod: TypeAlias = Literal["1d", "1w", "1mo", "1y"]
"""Calendar periods in UTC with which bars end; weeks begin on Sunday."""

Overlap: TypeAlias = Literal["error", "skip"]
"""What to do with trades that a stream has already seen."""

MissingSide: TypeAlias = Literal["error", "null"]
"""What to do with trades whose side is null."""

Entry: TypeAlias = Literal["close", "open"]
"""The price at which a label enters: the close of its bar, or the open of the next."""

BarFeatureName: TypeAlias = Literal[
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
    "intra_trade_count",
    "intra_ofi",
    "intra_duration_us",
    "intra_intensity",
    "intra_vwap_position",
    "intra_count_imbalance",
    "intra_kyle_lambda",
    "intra_burstiness",
    "intra_volume_skew",
    "intra_volume_kurt",
    "intra_garman_klass_vol",
    "intra_kaufman_er",
    "intra_hurst",
    "intra_permutation_entropy",
    "intra_bull_epoch_density",
    "intra_bear_epoch_density",
    "intra_bull_excess_gain",
    "intra_bear_excess_gain",
    "intra_bull_cv",
    "intra_bear_cv",
    "intra_max_drawdown",
    "intra_max_runup",
    "high_time",
    "low_time",
    "lookback_trade_count",
    "lookback_ofi",
    "lookback_duration_us",
    "lookback_intensity",
    "lookback_vwap",
    "lookback_vwap_position",
    "lookback_count_imbalance",
    "lookback_kyle_lambda",
    "lookback_burstiness",
    "lookback_volume_skew",
    "lookback_volume_kurt",
    "lookback_price_range",
    "lookback_garman_klass_vol",
    "lookback_kaufman_er",
    "lookback_hurst",
    "lookback_permutation_entropy",
]
"""The features of a bar: the ten, those of its own trades, those of the trades before it."""

BarFeature: TypeAlias = BarFeatureName | str
"""A feature as a parameter: editors complete the names, and type checkers accept a variable of type `list[str]`."""

By: TypeAlias = str | Sequence[str] | None
"""Columns whose values form the groups."""

BookSampling: TypeAlias = Literal["event", "change"]
"""When a row of a book comes out, besides at equal distances of time."""

Crossed: TypeAlias = Literal["keep", "repair", "error"]
"""What becomes of a book whose best bid is at its best ask or above it."""

Holes: TypeAlias = Literal["invalid", "keep", "error"]
"""What becomes of a book when a message is missing."""

BookFeature: TypeAlias = Literal[
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "mid",
    "spread",
    "relative_spread",
    "microprice",
    "book_imbalance",
    "book_pressure",
    "bid_depth",
    "ask_depth",
    "bid_slope",
    "ask_slope",
    "quote_ofi",
    "update_counts",
    "update_rates",
    "resiliency",
    "buy_cost",
    "sell_cost",
    "levels",
]
"""What is computed of a book; some are several columns."""

PluginFunction: TypeAlias = Literal[
    "book",
    "range_bars",
    "range_bar_id",
    "renko",
    "trade_statistics",
    "triple_barrier",
    "rolling_measure",
    "measure_of_all",
    "bulk_volume",
]
"""Expressions that the compiled library has."""


class ArrowStream(Protocol):
    """A frame that exports its data through the Arrow PyCapsule protocol."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
