"""The only way from Python into the compiled expressions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from polars.plugins import register_plugin_function

from rangebar_polars import _internal
from rangebar_polars._typing import PluginFunction

__all__ = ["register"]

_LIBRARY = Path(_internal.__file__)

_SHAPE: dict[PluginFunction, dict[str, bool]] = {
    "book": {"changes_length": True},
    "range_bars": {"changes_length": True},
    "range_bar_id": {"changes_length": False},
    "renko": {"changes_length": True},
    "trade_statistics": {"returns_scalar": True},
    "triple_barrier": {"changes_length": False},
    "rolling_measure": {"changes_length": False},
    "measure_of_all": {"returns_scalar": True},
    "bulk_volume": {"changes_length": False},
}
"""How many rows a function returns: a different number from its input, the same, or one. None works row by row."""


def register(function: PluginFunction, trades: pl.Expr, kwargs: dict[str, Any]) -> pl.Expr:
    """An expression over a Struct of trades, or of bars."""
    return register_plugin_function(
        plugin_path=_LIBRARY,
        function_name=function,
        args=trades,
        kwargs=kwargs,
        is_elementwise=False,
        **_SHAPE[function],
    )
