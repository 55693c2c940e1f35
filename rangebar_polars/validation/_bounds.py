"""The columns of bars, and the bounds of each by its definition."""

from __future__ import annotations

from math import inf
from typing import Final

from rangebar_polars._internal import bar_columns

__all__ = ["BASE", "IDS", "PRICES", "SIDES", "TIMES", "bounds"]

TIMES: Final = ("open_time", "close_time")
PRICES: Final = ("open", "high", "low", "close")
IDS: Final = ("first_trade_id", "last_trade_id", "first_agg_trade_id", "last_agg_trade_id")
_COLUMNS: Final = tuple((name, reads) for name, is_feature, reads in bar_columns(several=True) if not is_feature)

BASE: Final = tuple(name for name, _ in _COLUMNS)
"""Columns that are no features."""

SIDES: Final = tuple(name for name, reads in _COLUMNS if "is_buyer_maker" in reads)
"""Columns of the bar itself that are null where a trade has no side."""

_RATIO: Final = (0.0, 1.0)
_BALANCE: Final = (-1.0, 1.0)
_AMOUNT: Final = (0.0, inf)

_OF_BARS: Final = {
    **dict.fromkeys(("volume", "turnover", *SIDES), _AMOUNT),
    "individual_trade_count": (1.0, inf),
    "agg_record_count": (1.0, inf),
    "threshold_dbps": (1.0, 100_000.0),
    "duration_us": _AMOUNT,
    "ofi": _BALANCE,
    "vwap_close_deviation": _BALANCE,
    "price_impact": _AMOUNT,
    "trade_intensity": _AMOUNT,
    "volume_per_trade": _AMOUNT,
    "aggression_ratio": (0.0, 100.0),
    "aggregation_density": _AMOUNT,
    "turnover_imbalance": _BALANCE,
}
_OF_WINDOWS: Final = {
    "trade_count": (1.0, inf),
    "ofi": _BALANCE,
    "duration_us": _AMOUNT,
    "intensity": _AMOUNT,
    "vwap": _AMOUNT,
    "vwap_position": _RATIO,
    "count_imbalance": _BALANCE,
    "burstiness": _BALANCE,
    "volume_kurt": (-2.0, inf),
    "price_range": _AMOUNT,
    "garman_klass_vol": _AMOUNT,
    "kaufman_er": _RATIO,
    "permutation_entropy": _RATIO,
    "bull_epoch_density": _RATIO,
    "bear_epoch_density": _RATIO,
    "bull_excess_gain": _RATIO,
    "bear_excess_gain": _RATIO,
    "bull_cv": _RATIO,
    "bear_cv": _RATIO,
    "max_drawdown": _RATIO,
    "max_runup": _RATIO,
}
"""Statistics of the bar's own trades (`intra_`) and of the trades before it (`lookback_`)."""


def bounds(column: str) -> tuple[float, float] | None:
    """The smallest and the largest value that the definition allows; None if it allows any."""
    for family in ("intra_", "lookback_"):
        if column.startswith(family):
            return _OF_WINDOWS.get(column.removeprefix(family))
    return _OF_BARS.get(column)
