"""Bars as what vectorbt and nanobook take."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rangebar_polars._columns import missing_column
from rangebar_polars._groups import check_complete, one_group
from rangebar_polars.backtesting import to_backtesting
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

__all__ = ["to_nanobook", "to_vectorbt"]

_OHLC: Final = ("open", "high", "low", "close")
_ORDER: Final = "close_time"
_SYMBOL: Final = "symbol"
_DECIMALS: Final = 8
_UNIT: Final = 10**_DECIMALS
"""Prices of bars are whole numbers of 1e-8."""

_HIGHEST: Final = 2**63 // _UNIT
"""Prices of bars are 64-bit integers in units of 1e-8."""

_NAME_BYTES: Final = 8
"""nanobook refuses longer names: `Symbol '1000SHIBUSDT' exceeds 8 bytes`."""


def to_vectorbt(
    bars: pl.LazyFrame | pl.DataFrame, *, symbol: object | Mapping[str, object] = None
) -> dict[str, pd.Series[float]]:
    """
    Return the prices of the bars of one symbol as keyword arguments of vectorbt's portfolios.

    Parameters
    ----------
    bars, symbol
        As for :func:`rangebar_polars.backtesting.to_backtesting`.

    Returns
    -------
    dict
        `open`, `high`, `low` and `close` as pandas Series (float64) over one DatetimeIndex named `close_time`: UTC
        without time zone, unit as in the bars, ascending. ``Portfolio.from_signals(**prices, entries=..., exits=...)``
        takes them as they are; ``Portfolio.from_orders`` takes `close` alone.

    Raises
    ------
    RangeBarError, ModuleNotFoundError
        As for :func:`rangebar_polars.backtesting.to_backtesting`.

    Notes
    -----
    Only pandas is imported. For features beside the prices, and for the accessor ``frame.vbt.ohlcv``, take the frame
    of `to_backtesting`, whose names of columns vectorbt knows.

    * vectorbt fills at `close`, the price of the very bar that signals: that of the trade that closed it, which nobody
      could trade at. ``signals.shift(1, fill_value=False)`` with ``price=prices["open"]`` fills at the open of the next
      bar.
    * Range bars are not equally spaced, so that vectorbt finds no frequency: what it says per year needs ``freq=``, for
      example the mean time of a bar, and means little over a few days.
    * Bars of several symbols have no times in common: make one portfolio a symbol.

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
    frame = to_backtesting(bars, symbol=symbol)
    return {name: frame[name.title()].rename(name) for name in _OHLC}


def to_nanobook(
    bars: pl.LazyFrame | pl.DataFrame,
    *,
    symbol: object | Mapping[str, object] = None,
    name: str | None = None,
    price_scale: int = 100,
) -> list[list[tuple[str, Any]]]:
    """
    Return the bars of one symbol as the price schedule of nanobook's `backtest_weights`.

    Parameters
    ----------
    bars
        Bars with at least `close_time`, `open`, `high`, `low` and `close` (numeric).
    symbol
        The group wanted, where there are several, as for :func:`rangebar_polars.backtesting.to_backtesting`.
    name
        What the weights call the symbol, 1 to 8 bytes; by default the value of the column `symbol`.
    price_scale
        Parts that 1 of the price is made of, 1 to 100,000,000: nanobook's prices are integers. 100 makes them cents;
        `initial_cash` and `min_commission` are then in cents too.

    Returns
    -------
    list
        One list a bar, by ascending `close_time`; bars of equal `close_time` keep their order. In it one pair, the name
        and a ``nanobook.BarPrices``. For ``nanobook.run_backtest``, which wants mappings of closes:
        ``[{name: prices.close for name, prices in bar} for bar in schedule]``.

    Raises
    ------
    RangeBarError
        If a price is no whole number of ``1/price_scale``: nothing is rounded, so that a price below one cent is an
        error and not 0. The text names a `price_scale` that would do. Also if a price is not above 0 or null, a column
        is missing, a parameter is not what it must be, or the bars are of several groups.
    ModuleNotFoundError
        If nanobook is not installed: ``pip install "rangebar_polars[nanobook]"``.

    Notes
    -----
    ``FillPolicy.NextBarOpen`` fills at the first trade after the bar that decided. ``FillPolicy.SignalBarClose`` fills
    at the trade that closed that bar, which nobody could trade at. `periods_per_year`, from which the annualised
    figures come, takes bars for equally long, which range bars are not.

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
    rangebar_polars.exceptions.RangeBarError: `open` must be a whole number of 1/10, got 1.03 at bar 1; `price_scale=100` would do
    """  # noqa: E501
    nanobook = _nanobook()
    _check_price_scale(price_scale)
    lazy = bars.lazy()
    schema = lazy.collect_schema()
    _check_columns(schema)
    named = [_SYMBOL] if _SYMBOL in schema else []
    frame = one_group(lazy, [_ORDER, *_OHLC, *named], symbol)
    if frame.is_empty():
        return []
    called = _called(name, frame)
    check_complete(frame, [_ORDER, *_OHLC])
    prices = _integers(frame.sort(_ORDER, maintain_order=True), price_scale)
    return [[(called, nanobook.BarPrices(*row))] for row in prices.iter_rows()]


def _nanobook() -> Any:  # noqa: ANN401  (nanobook marks no types)
    try:
        return import_module("nanobook")
    except ModuleNotFoundError as error:
        msg = 'to_nanobook() needs nanobook: pip install "rangebar_polars[nanobook]"'
        raise ModuleNotFoundError(msg, name=error.name) from error


def _check_price_scale(price_scale: int) -> None:
    if not isinstance(price_scale, int) or isinstance(price_scale, bool) or not 1 <= price_scale <= _UNIT:
        msg = f"`price_scale` must be an integer in 1..{_UNIT}, got {price_scale!r}"
        raise RangeBarError(msg)


def _check_columns(schema: pl.Schema) -> None:
    for name in (_ORDER, *_OHLC):
        if name not in schema:
            raise missing_column(name, list(schema))
    for name in _OHLC:
        if not schema[name].is_numeric():
            msg = f"column `{name}` must be numeric, got {schema[name]}"
            raise RangeBarError(msg)


def _called(name: str | None, frame: pl.DataFrame) -> str:
    if name is None and _SYMBOL not in frame.columns:
        raise RangeBarError("the bars have no column `symbol`: say with `name=` what nanobook shall call them")
    called = str(frame[_SYMBOL].first()) if name is None else name
    if not isinstance(called, str) or not 1 <= len(called.encode()) <= _NAME_BYTES:
        msg = f"names of nanobook have 1 to {_NAME_BYTES} bytes, got {called!r}: give another with `name=`"
        raise RangeBarError(msg)
    return called


def _integers(frame: pl.DataFrame, price_scale: int) -> pl.DataFrame:
    """The four prices in parts of `price_scale`, exactly."""
    prices = frame.select(pl.col(_OHLC).cast(pl.Float64))
    for name in _OHLC:
        row = _first(~prices[name].is_between(0, _HIGHEST, closed="none"))
        if row is not None:
            msg = f"`{name}` must be above 0 and below {_HIGHEST}, got {prices[name][row]!r} at bar {row}"
            raise RangeBarError(msg)
    raw = prices.select((pl.all() * _UNIT).round().cast(pl.Int128))
    whole = raw.select(pl.all() * price_scale % _UNIT == 0)
    for name in _OHLC:
        row = _first(~whole[name])
        if row is not None:
            scales = (10**digits for digits in range(_DECIMALS + 1))
            fits = next(s for s in scales if all(raw.select((pl.all() * s % _UNIT == 0).all()).row(0)))
            msg = (
                f"`{name}` must be a whole number of 1/{price_scale}, got {prices[name][row]!r} at bar {row}; "
                f"`price_scale={fits}` would do"
            )
            raise RangeBarError(msg)
    return raw.select((pl.all() * price_scale // _UNIT).cast(pl.Int64))


def _first(broken: pl.Series) -> int | None:
    """The first row that breaks a rule."""
    return broken.arg_max() if broken.any() else None
