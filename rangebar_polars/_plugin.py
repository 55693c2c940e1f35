"""The one way from Python into the compiled expressions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from polars.plugins import register_plugin_function

from rangebar_polars import _internal
from rangebar_polars._typing import PluginFunction

__all__ = ["register"]

_LIBRARY = Path(_internal.__file__)

_CHANGES_LENGTH: dict[PluginFunction, bool] = {"range_bars": True, "range_bar_id": False}
"""Whether a function returns another number of rows than it takes. None works row by row."""


def register(function: PluginFunction, trades: pl.Expr, kwargs: dict[str, Any]) -> pl.Expr:
    """An expression over a Struct of trades."""
    return register_plugin_function(
        plugin_path=_LIBRARY,
        function_name=function,
        args=trades,
        kwargs=kwargs,
        is_elementwise=False,
        changes_length=_CHANGES_LENGTH[function],
    )
