"""Checks of bars and of their features, before a model is trained on them."""

from __future__ import annotations

from rangebar_polars.validation._forward import forward_return
from rangebar_polars.validation._validate import validate

__all__ = ["forward_return", "validate"]
