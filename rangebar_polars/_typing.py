"""Names of types that several modules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

TimeUnit: TypeAlias = Literal["ms", "us", "ns"]
"""Unit of Int64 times."""

Reset: TypeAlias = Literal["1d", "1w", "1mo", "1y"]
"""Calendar periods in UTC with which bars end; weeks begin on Sunday."""

Overlap: TypeAlias = Literal["error", "skip"]
"""What becomes of trades that a stream has already seen."""

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


class ArrowStream(Protocol):
    """A frame that hands over its data by the Arrow PyCapsule protocol."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
