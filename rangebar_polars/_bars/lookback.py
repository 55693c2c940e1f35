"""How far the windows before a bar reach back."""

from __future__ import annotations

import datetime as dt
import operator
from dataclasses import dataclass
from typing import Any, SupportsIndex, TypeAlias

from rangebar_polars import _internal
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_duration
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Bars", "Lookback", "as_lookback", "check_lookback"]


@dataclass(frozen=True)
class Bars:
    """
    A lookback over bars: windows hold the trades since the first trade of the n-th last bar.

    Parameters
    ----------
    n
        How many bars, at least one.

    Raises
    ------
    RangeBarError
        If `n` is not an integer above 0.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": range(7), "price": [100, 100, 102, 102, 104, 104, 106], "quantity": 1})
    >>> bars = trades.rangebar.bars(1_000, time_unit="ms", lookback=rb.Bars(2))
    >>> bars.select("agg_record_count", "lookback_trade_count").rows()
    [(3, None), (2, 3), (2, 5)]
    """

    n: int

    def __post_init__(self) -> None:
        _check_count(self.n, f"Bars({shown(self.n)})")


Lookback: TypeAlias = int | str | dt.timedelta | Bars
"""A number of trades, a length of time (a Polars duration string or a timedelta), or a number of bars."""


def check_lookback(value: Lookback | None) -> dict[str, Any] | None:
    """A lookback in the form that the library takes."""
    if value is None:
        return None
    if isinstance(value, Bars):
        return {"bars": value.n}
    if isinstance(value, str | dt.timedelta):
        text = check_duration(value)
        _internal.check_lookback(text)
        return {"time": text}
    _check_count(value, shown(value))
    return {"trades": operator.index(value)}


def as_lookback(value: dict[str, Any] | None) -> Lookback | None:
    """A lookback in the form that the user writes."""
    if value is None:
        return None
    lookback: Lookback = Bars(value["bars"]) if "bars" in value else value.get("trades") or value["time"]
    return lookback


def _check_count(value: object, written: str) -> None:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex) or not 0 < operator.index(value) < 2**63:
        msg = f'`lookback` must be a number of trades above 0, a duration such as "5m", or Bars(n), got {written}'
        raise RangeBarError(msg)
