"""Bars as a chart: candlesticks and panels of feature columns."""

from __future__ import annotations

from rangebar_polars.plotting._plot import Axis, Theme, plot

__all__ = ["Axis", "Theme", "plot"]
