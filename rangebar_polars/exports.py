"""Bars in the form that vectorbt and nanobook take."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rangebar_polars._common.columns import missing_column
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.groups import check_complete, one_group
from rangebar_polars._common.messages import shown
from rangebar_polars._common.pandas import pandas_frame
from rangebar_polars._common.parameters import MOST_DECIMALS, USUAL_DECIMALS, check_flag
from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

__all__ = ["to_nanobook", "to_vectorbt"]

_OHLC: Final = ("open", "high", "low", "close")
_ORDER: Final = "close_time"
_SYMBOL: Final = "symbol"
_FINEST: Final = 10**MOST_DECIMALS
"""Prices of bars have at most so many decimals."""

_BEYOND: Final = 2**63
"""Prices of nanobook are integers below this."""

_EXACT: Final = 2**53
"""Above, a double is nearest to several whole numbers of units."""

_TOLD_APART: Final = 10**15
"""Every double of more digits is a whole number of small units, whatever it was meant to be."""

_NAME_BYTES: Final = 8
"""nanobook refuses longer names: `Symbol '1000SHIBUSDT' exceeds 8 bytes`."""


def to_vectorbt(
    bars: pl.LazyFrame | pl.DataFrame,
    *,
    symbol: object | Mapping[str, object] = None,
    time_unit: TimeUnit | None = None,
    include_incomplete: bool = False,
) -> dict[str, pd.Series[float]]:
    """
    Return the prices of the bars of one symbol as keyword arguments of vectorbt's portfolios.

    Parameters
    ----------
    bars, symbol, time_unit, include_incomplete
        As for :func:`rangebar_polars.backtesting.to_backtesting`: the bar that is still forming is left out by default.

    Returns
    -------
    dict
        `open`, `high`, `low` and `close` as pandas Series (float64) over one DatetimeIndex named `close_time`: UTC
        without time zone, unit as in the bars, ascending. ``Portfolio.from_signals(**prices, entries=..., exits=...)``
        takes them directly; ``Portfolio.from_orders`` takes only `close`.

    Raises
    ------
    RangeBarError
        As for :func:`rangebar_polars.backtesting.to_backtesting`.
    ModuleNotFoundError
        If pandas is not installed: ``pip install "rangebar_polars[vectorbt]"``.

    Notes
    -----
    Only pandas is imported. For features beside the prices, and for the accessor ``frame.vbt.ohlcv``, use the frame of
    `to_backtesting`, whose column names vectorbt knows.

    * vectorbt fills at `close`, the price of the bar that signals: the price of the trade that closed it, at which
      nobody could trade. ``signals.shift(1, fill_value=False)`` with ``price=prices["open"]`` fills at the open of the
      next bar.
    * Range bars are not equally spaced, so vectorbt finds no frequency: its figures per year need ``freq=``, for
      example the mean duration of a bar, and mean little over a few days.
    * Bars of several symbols have no times in common: make one portfolio per symbol.

    Examples
    --------
    >>> from datetime import datetime
    >>> import polars as pl
    >>> from rangebar_polars.exports import to_vectorbt
    >>> bars = pl.DataFrame(
    ...     {
    ...         "close_time": [datetime(2024, 1, 1, 9, minute) for minute in (30, 31)],
    ...         "open": [1.00, 1.03],
    ...         "high": [1.03, 1.04],
    ...         "low": [0.99, 1.00],
    ...         "close": [1.03, 1.00],
    ...         "volume": [10.0, 25.0],
    ...     }
    ... )
    >>> to_vectorbt(bars)["close"]
    close_time
    2024-01-01 09:30:00    1.03
    2024-01-01 09:31:00    1.00
    Name: close, dtype: float64
    """
    frame = pandas_frame(
        "to_vectorbt", bars, symbol=symbol, extra=(), time_unit=time_unit, include_incomplete=include_incomplete
    )
    return {name: frame[name.title()].rename(name) for name in _OHLC}


def to_nanobook(
    bars: pl.LazyFrame | pl.DataFrame,
    *,
    symbol: object | Mapping[str, object] = None,
    name: str | None = None,
    price_scale: int = 100,
    include_incomplete: bool = False,
) -> list[list[tuple[str, Any]]]:
    """
    Return the bars of one symbol as the price schedule of nanobook's `backtest_weights`.

    Parameters
    ----------
    bars
        Bars with at least `close_time`, `open`, `high`, `low` and `close` (numeric). Integer times need no unit: only
        their order matters.
    symbol
        The group to take, if there are several, as for :func:`rangebar_polars.backtesting.to_backtesting`.
    name
        Name of the symbol in the weights, 1 to 8 bytes; by default the value of the column `symbol`.
    price_scale
        Units per 1 of the price, 1 to 10**18: the prices of nanobook are 64-bit integers. 100 counts them in cents;
        `initial_cash` and `min_commission` are then in cents too.
    include_incomplete
        Whether the bar that is still forming (`close_reason` "end") is kept, as for
        :func:`rangebar_polars.backtesting.to_backtesting`. The weights must be of the same bars, one list per bar.

    Returns
    -------
    list
        One list per bar, by ascending `close_time`; bars of equal `close_time` keep their order. Each holds one pair,
        the name and a ``nanobook.BarPrices``. For ``nanobook.run_backtest``, which takes mappings of closes:
        ``[{name: prices.close for name, prices in bar} for bar in schedule]``.

    Raises
    ------
    RangeBarError
        If a price is not a multiple of ``1/price_scale``: nothing is rounded, so a price below one cent is an error and
        not 0. The text names a `price_scale` that fits. Also if a price is null or not above 0, a column is missing, a
        parameter is invalid, or the bars are of several groups.
    ModuleNotFoundError
        If nanobook is not installed: ``pip install "rangebar_polars[nanobook]"``.

    Notes
    -----
    ``FillPolicy.NextBarOpen`` fills at the first trade after the bar that decided. ``FillPolicy.SignalBarClose`` fills
    at the trade that closed that bar, at which nobody could trade. `periods_per_year`, from which the annualised
    figures come, assumes bars of equal length, which range bars are not.

    Examples
    --------
    >>> from datetime import datetime
    >>> import nanobook
    >>> import polars as pl
    >>> from rangebar_polars.exports import to_nanobook
    >>> bars = pl.DataFrame(
    ...     {
    ...         "symbol": "ADA",
    ...         "close_time": [datetime(2024, 1, 1, 9, minute) for minute in (30, 31, 32)],
    ...         "open": [1.00, 1.03, 1.00],
    ...         "high": [1.03, 1.04, 1.03],
    ...         "low": [0.99, 1.00, 1.00],
    ...         "close": [1.03, 1.00, 1.03],
    ...     }
    ... )
    >>> schedule = to_nanobook(bars)
    >>> schedule[0]
    [('ADA', BarPrices(open=100, high=103, low=99, close=103))]
    >>> weights = [[("ADA", 1.0)] for bar in schedule]
    >>> result = nanobook.backtest_weights(
    ...     weights, schedule, 100_000, nanobook.CostModel.zero(), nanobook.FillPolicy.NextBarOpen
    ... )
    >>> result["equity_curve"]
    [100000, 100000, 97090, 100000]
    >>> to_nanobook(bars, price_scale=10)
    Traceback (most recent call last):
        ...
    rangebar_polars.exceptions.RangeBarError: `open` must be a multiple of 1/10, got 1.03 at bar 1; use `price_scale=100`
    """  # noqa: E501
    nanobook = _nanobook()
    _check_price_scale(price_scale)
    lazy = lazy_frame("to_nanobook", bars)
    schema = lazy.collect_schema()
    _check_columns(schema)
    check_flag("include_incomplete", include_incomplete)
    named = [_SYMBOL] if _SYMBOL in schema else []
    frame = one_group(lazy, [_ORDER, *_OHLC, *named], symbol, include_incomplete=include_incomplete)
    if frame.is_empty():
        return []
    called = _called(name, frame)
    check_complete(frame, [_ORDER, *_OHLC])
    prices = _integers(frame.sort(_ORDER, maintain_order=True), price_scale)
    return [[(called, nanobook.BarPrices(*row))] for row in prices]


def _nanobook() -> Any:  # noqa: ANN401  (nanobook marks no types)
    try:
        return import_module("nanobook")
    except ModuleNotFoundError as error:
        msg = 'to_nanobook() needs nanobook: pip install "rangebar_polars[nanobook]"'
        raise ModuleNotFoundError(msg, name=error.name) from error


def _check_price_scale(price_scale: int) -> None:
    if not isinstance(price_scale, int) or isinstance(price_scale, bool) or not 1 <= price_scale <= _FINEST:
        msg = (
            f"`price_scale` must be an integer in 1..10**{MOST_DECIMALS}, got {shown(price_scale)}: "
            "100 counts prices in cents"
        )
        raise RangeBarError(msg)


def _check_columns(schema: pl.Schema) -> None:
    for name in (_ORDER, *_OHLC):
        if name not in schema:
            raise missing_column(name, list(schema))
    for name in _OHLC:
        if not schema[name].is_numeric():
            msg = f"column `{name}` must be numeric, got {shown(schema[name])}: cast it"
            raise RangeBarError(msg)


def _called(name: str | None, frame: pl.DataFrame) -> str:
    if name is None and _SYMBOL not in frame.columns:
        raise RangeBarError("the bars have no column `symbol`: pass `name=` to name the instrument")
    called = str(frame[_SYMBOL].first()) if name is None else name
    if not isinstance(called, str) or not 1 <= len(called.encode()) <= _NAME_BYTES:
        msg = f"a name in nanobook has 1 to {_NAME_BYTES} bytes, got {shown(called)}: pass another with `name=`"
        raise RangeBarError(msg)
    return called


def _integers(frame: pl.DataFrame, price_scale: int) -> list[tuple[int, ...]]:
    """The four prices of each bar in units of `1 / price_scale`, exactly."""
    for name in _OHLC:
        beyond = ~frame[name].cast(pl.Float64).is_between(0, _BEYOND / price_scale, closed="none")
        if beyond.any():
            row = beyond.arg_true()[0]
            msg = (
                f"`{name}` must be above 0 and below 2**63 / {price_scale}, got {shown(frame[name][row])} "
                f"at bar {row}: filter out such bars, or use a smaller `price_scale`"
            )
            raise RangeBarError(msg)
    prices = [frame[name].to_list() for name in _OHLC]
    parts = [[_parts(price, price_scale) for price in column] for column in prices]
    for name, column, wholes in zip(_OHLC, prices, parts, strict=True):
        if None in wholes:
            row = wholes.index(None)
            got, remedy = shown(column[row]), _finer_scale(prices)
            msg = f"`{name}` must be a multiple of 1/{price_scale}, got {got} at bar {row}; {remedy}"
            raise RangeBarError(msg)
    return list(zip(*parts, strict=True))


def _parts(price: float | Decimal, price_scale: int) -> int | None:
    """A price in units of `1 / price_scale`; None if it is no whole number, nor the double nearest to just one."""
    numerator, denominator = price.as_integer_ratio()
    near, left = divmod(numerator * price_scale, denominator)
    if left == 0 or not isinstance(price, float):
        return near if left == 0 else None
    return next((whole for whole in (near, near + 1) if whole <= _EXACT and whole / price_scale == price), None)


def _finer_scale(prices: list[list[float]]) -> str:
    """The remedy for prices that are not whole numbers of the units asked for."""
    for digits in range(MOST_DECIMALS + 1):
        most = _BEYOND if digits <= USUAL_DECIMALS else _TOLD_APART
        parts = (_parts(price, 10**digits) for column in prices for price in column)
        if all(part is not None and part < most for part in parts):
            return f"use `price_scale={10**digits}`"
    return "no `price_scale` fits, because no price of bars has so many digits: round them first"
