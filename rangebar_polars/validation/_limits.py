"""What decides whether a statistical check passes."""

from __future__ import annotations

from typing import Final, NamedTuple

from rangebar_polars._common.parameters import check_count
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Limits", "check_limits"]

_FEWEST_BARS: Final = 20
"""With fewer, neither the p-value of a rank correlation nor the lags of a Dickey-Fuller test mean anything."""


class Limits(NamedTuple):
    """The parameters of `validate` with the same names."""

    significance: float
    max_correlation: float
    max_forward_correlation: float
    min_bars: int


def check_limits(limits: Limits) -> Limits:
    """The limits, if each is valid."""
    for name in ("significance", "max_correlation", "max_forward_correlation"):
        value = getattr(limits, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            msg = f"`{name}` must be a number above 0 and below 1, got {value!r}"
            raise RangeBarError(msg)
    if check_count("min_bars", limits.min_bars) < _FEWEST_BARS:
        msg = f"`min_bars` must be at least {_FEWEST_BARS}, got {limits.min_bars!r}"
        raise RangeBarError(msg)
    return limits
