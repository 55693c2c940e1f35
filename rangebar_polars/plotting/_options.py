"""The choices of `plot`."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["OHLC", "Axis", "Theme"]

Axis = Literal["bar", "time"]
Theme = Literal["light", "dark"]
OHLC: Final = ("open", "high", "low", "close")
