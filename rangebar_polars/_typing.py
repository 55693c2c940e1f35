"""Names of types that several modules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

TimeUnit: TypeAlias = Literal["ms", "us", "ns"]
"""Unit of Int64 times."""

BarFeature: TypeAlias = Literal[
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
]
"""The features of a bar."""

By: TypeAlias = str | Sequence[str] | None
"""Columns whose values form the groups."""

PluginFunction: TypeAlias = Literal["range_bars", "range_bar_id"]
"""Expressions that the compiled library has."""
