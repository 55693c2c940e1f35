"""Bars as the pandas frame that backtesting.py reads."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rangebar_polars._columns import missing_column
from rangebar_polars._groups import check_complete, listed, one_group
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

__all__ = ["to_backtesting"]

_OHLC: Final = {"open": "Open", "high": "High", "low": "Low", "close": "Close"}
_OHLCV: Final = {**_OHLC, "volume": "Volume"}
_INDEX: Final = "close_time"


def to_backtesting(
    bars: pl.LazyFrame | pl.DataFrame,
    *,
    symbol: object | Mapping[str, object] = None,
    extra: str | Sequence[str] = (),
) -> pd.DataFrame:
    """
    Return the bars of one symbol as the pandas frame that backtesting.py reads.

    Parameters
    ----------
    bars
        Bars with at least `close_time` (Datetime), `open`, `high`, `low`, `close` and `volume` (numeric).
    symbol
        The group wanted, where there are several: a value of the only group key; with several keys a value
        of the key named `symbol`, or a mapping ``{key: value}``. Group keys are the columns to the left of
        `open_time` (of `close_time`, where that comes first or `open_time` was projected away) and columns
        named `symbol` or `threshold_dbps` wherever they stand.
    extra
        Further columns to keep, one name or several.

    Returns
    -------
    pandas.DataFrame
        `Open`, `High`, `Low`, `Close`, `Volume` (float64), then `extra` under their own names, one row a
        bar whatever its `close_reason`. The index is a DatetimeIndex named `close_time`: UTC without time
        zone, unit as in the bars (ms, us or ns), ascending; bars of equal `close_time` keep their order. No
        bars give an empty frame of the same columns and dtypes.

        In `extra`, integers with nulls and decimals become float64, Enum and Categorical become pandas
        categoricals, zoned times become naive UTC, a missing value is NaN, NaT or None.

    Raises
    ------
    RangeBarError
        If a column is missing or of the wrong type, the bars hold several groups and `symbol` does not
        choose one, the group does not exist, or a price or time is null or NaN.
    ModuleNotFoundError
        If pandas is not installed: ``pip install "rangebar_polars[backtesting]"``.

    Notes
    -----
    Only the columns needed are computed and read, and the choice of the group is part of the query: on bars
    of a hive-partitioned lake only the files of that symbol are opened. The result is in memory, 48 bytes a
    bar. pyarrow is not needed. To name the groups that do exist, the error about a missing one runs the
    query once more.

    Range bars are not equally spaced, and backtesting.py 0.6.6 assumes in two places that bars are:

    * ``Backtest.plot()`` superimposes candles of the next larger unit than the resolution of the index
      (seconds for milliseconds, minutes for seconds, ...). Where that unit is shorter than the median
      distance of the last 100 bars, which is the rule for range bars, it raises ``ValueError: Invalid value
      for `superimpose`: Upsampling not supported.``; for times with microseconds it warns and skips them.
      Call ``plot(superimpose=False)``. More than 10,000 bars are resampled to equally spaced candles first,
      unless ``resample=False``.
    * `Return (Ann.)`, `Volatility (Ann.)`, `Sharpe Ratio`, `Sortino Ratio` and `Calmar Ratio` are computed
      not from the bars but from the last equity of each calendar day (UTC) that holds a bar, with 365 days
      a year where more than 17 % of the bars close on a weekend, else 252. `CAGR` takes the elapsed
      calendar time. None of them means much on a few days. `Exposure Time`, in contrast, counts bars.

    Text and categoricals among `extra` work in ``Backtest.run``, but not in ``Backtest.optimize``.

    Examples
    --------
    >>> from datetime import datetime
    >>> import polars as pl
    >>> from rangebar_polars.backtesting import to_backtesting
    >>> bars = pl.DataFrame(
    ...     {
    ...         "symbol": ["ADA", "ADA", "XRP"],
    ...         "close_time": [datetime(2024, 1, 1, 9, minute) for minute in (30, 31, 30)],
    ...         "open": [1.00, 1.03, 0.60],
    ...         "high": [1.03, 1.04, 0.61],
    ...         "low": [0.99, 1.00, 0.60],
    ...         "close": [1.03, 1.00, 0.61],
    ...         "volume": [10.0, 25.0, 7.0],
    ...         "ofi": [0.5, -0.2, 0.1],
    ...     }
    ... )
    >>> to_backtesting(bars, symbol="ADA", extra=["ofi"])
                         Open  High   Low  Close  Volume  ofi
    close_time
    2024-01-01 09:30:00  1.00  1.03  0.99   1.03    10.0  0.5
    2024-01-01 09:31:00  1.03  1.04  1.00   1.00    25.0 -0.2
    """
    pandas = _pandas()
    lazy = bars.lazy()
    schema = lazy.collect_schema()
    columns = [extra] if isinstance(extra, str) else list(extra)
    _check_columns(schema, columns)
    frame = one_group(lazy, [_INDEX, *_OHLCV, *columns], symbol)
    check_complete(frame, [_INDEX, *_OHLC])
    return _to_pandas(frame.sort(_INDEX, maintain_order=True), columns, pandas)


def _pandas() -> Any:  # noqa: ANN401  (pandas publishes no types)
    try:
        return import_module("pandas")
    except ModuleNotFoundError as error:
        msg = 'to_backtesting() needs pandas: pip install "rangebar_polars[backtesting]"'
        raise ModuleNotFoundError(msg, name=error.name) from error


def _check_columns(schema: pl.Schema, extra: list[str]) -> None:
    for name in (_INDEX, *_OHLCV, *extra):
        if name not in schema:
            raise missing_column(name, list(schema))
    taken = set(_OHLCV.values())
    for name in extra:
        if name in taken:
            reserved = listed(list(_OHLCV.values()))
            msg = f"`extra` must name distinct columns, none of them {reserved}, got `{name}`"
            raise RangeBarError(msg)
        taken.add(name)
    for name in _OHLCV:
        if not schema[name].is_numeric():
            msg = f"column `{name}` must be numeric, got {schema[name]}"
            raise RangeBarError(msg)
    _check_time(schema[_INDEX])


def _check_time(dtype: pl.DataType) -> None:
    if dtype == pl.Datetime:
        return
    remedy = "; convert it with pl.from_epoch('close_time', time_unit=...)" if dtype.is_integer() else ""
    msg = f"column `{_INDEX}` must be Datetime, got {dtype}{remedy}"
    raise RangeBarError(msg)


def _to_pandas(frame: pl.DataFrame, extra: list[str], pandas: Any) -> pd.DataFrame:  # noqa: ANN401
    data: dict[str, Any] = {
        title: frame[name].cast(pl.Float64).to_numpy(writable=True) for name, title in _OHLCV.items()
    }
    data.update({name: _to_array(frame[name], pandas) for name in extra})
    index = pandas.DatetimeIndex(_to_array(frame[_INDEX], pandas), name=_INDEX)
    result: pd.DataFrame = pandas.DataFrame(data, index=index)
    return result


def _to_array(column: pl.Series, pandas: Any) -> Any:  # noqa: ANN401
    """Convert to what pandas takes as it is, without pyarrow; zoned times become naive UTC."""
    dtype = column.dtype
    if isinstance(dtype, pl.Enum | pl.Categorical):
        categories = dtype.categories if isinstance(dtype, pl.Enum) else column.drop_nulls().unique(maintain_order=True)
        return pandas.Categorical(column.to_list(), categories=categories.cast(pl.String).to_list())
    if dtype.is_decimal():
        return column.cast(pl.Float64).to_numpy(writable=True)
    if dtype.is_nested() or dtype == pl.String:
        return pandas.Series(column.to_list(), dtype="object" if dtype.is_nested() else None).array
    return column.to_numpy(writable=True)
