"""The choices of `plot` and `plot_depth`."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Literal

from rangebar_polars._common.messages import shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["OHLC", "Axis", "Theme", "altair_of", "check_sizes"]

Axis = Literal["bar", "time"]
Theme = Literal["light", "dark"]
OHLC: Final = ("open", "high", "low", "close")

_LEAST: Final = {"max_bars": 1, "max_cells": 1_000}
"""Of what is not in pixels."""
_LEAST_SIZE: Final = 50


def altair_of(function: str) -> Any:  # noqa: ANN401  (types of Altair are its own affair)
    """Altair, or the error that says how to install it."""
    try:
        return import_module("altair")
    except ModuleNotFoundError as error:
        msg = f'{function}() needs Altair: pip install "rangebar_polars[plot]"'
        raise ModuleNotFoundError(msg, name=error.name) from error


def check_sizes(**sizes: object) -> None:
    """Refuse a size that is no integer, or too small."""
    for name, value in sizes.items():
        least = _LEAST.get(name, _LEAST_SIZE)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            msg = f"`{name}` must be an integer of at least {least}, got {shown(value)}"
            raise RangeBarError(msg)
