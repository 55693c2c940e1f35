"""Charts: bars as candlesticks or footprints with panels of feature columns, and order books as heat maps."""

from __future__ import annotations

from rangebar_polars.plotting._depth import plot_depth
from rangebar_polars.plotting._plot import Axis, Theme, plot

__all__ = ["Axis", "Theme", "plot", "plot_depth"]
