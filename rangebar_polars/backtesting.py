"""Bars as the pandas frame that backtesting.py reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from rangebar_polars._common.pandas import pandas_frame
from rangebar_polars._typing import TimeUnit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

__all__ = ["to_backtesting"]


def to_backtesting(
    bars: pl.LazyFrame | pl.DataFrame,
    *,
    symbol: object | Mapping[str, object] = None,
    extra: str | Sequence[str] = (),
    time_unit: TimeUnit | None = None,
    include_incomplete: bool = False,
) -> pd.DataFrame:
    """
    Return the bars of one symbol as the pandas frame that backtesting.py reads.

    Parameters
    ----------
    bars
        Bars with at least `close_time` (Datetime, or Int64 with `time_unit`), `open`, `high`, `low`, `close` and
        `volume` (numeric).
    symbol
        The group to take, if there are several: a value of the only group key; with several keys, a value of the key
        named `symbol`, or a mapping ``{key: value}``. Group keys are the columns to the left of `open_time` (of
        `close_time`, if that comes first or `open_time` was dropped) and columns named `symbol` or `threshold_dbps` in
        any position.
    extra
        Further columns to keep, one name or several.
    time_unit
        "ms", "us" or "ns" if the times of the bars are Int64, as those of the trades were: the `time_unit` that the
        bars were built with.
    include_incomplete
        Whether the bar that is still forming (`close_reason` "end") is kept. It is left out by default: it has not
        reached its threshold, its last price is not a close that a strategy could have seen, and it will be a different
        bar once it ends.

    Returns
    -------
    pandas.DataFrame
        `Open`, `High`, `Low`, `Close`, `Volume` (float64), then `extra` under their own names, one row a
        bar, orphans among them where the bars have some. The index is a DatetimeIndex named `close_time`: UTC
        without time zone, unit as in the bars (ms, us or ns), ascending; bars of equal `close_time` keep their
        order. No bars give an empty frame of the same columns and dtypes.

        In `extra`, integers with nulls and decimals become float64, Enum and Categorical become pandas categoricals,
        zoned times become naive UTC, a missing value is NaN, NaT or None.

    Raises
    ------
    RangeBarError
        If a column is missing or of the wrong type, the bars hold several groups and `symbol` does not
        choose one, the group does not exist, or a price or time is null or NaN.
    ModuleNotFoundError
        If pandas is not installed: ``pip install "rangebar_polars[backtesting]"``.

    Notes
    -----
    Only the columns needed are computed and read, and the choice of the group is part of the query: with bars in a
    hive-partitioned lake, only the files of that symbol are opened. The result is in memory, 48 bytes per bar. pyarrow
    is not needed. To name the groups that exist, the error about a missing one runs the query again.

    Range bars are not equally spaced, and backtesting.py 0.6.6 assumes in two places that bars are:

    * ``Backtest.plot()`` superimposes candles of the next larger unit than the resolution of the index (seconds for
      milliseconds, minutes for seconds, ...). If that unit is shorter than the median distance of the last 100 bars,
      which is usual for range bars, it raises
      ``ValueError: Invalid value for `superimpose`: Upsampling not supported.``; for times with microseconds it warns
      and skips them. Call ``plot(superimpose=False)``. More than 10,000 bars are resampled to equally spaced candles
      first, unless ``resample=False``.
    * `Return (Ann.)`, `Volatility (Ann.)`, `Sharpe Ratio`, `Sortino Ratio` and `Calmar Ratio` are computed not from the
      bars but from the last equity of each calendar day (UTC) that has a bar, with 365 days a year if more than 17 % of
      the bars close on a weekend, otherwise 252. `CAGR` takes the elapsed calendar time. None of them means much over a
      few days. `Exposure Time`, in contrast, counts bars.

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
    return pandas_frame(
        "to_backtesting",
        bars,
        symbol=symbol,
        extra=extra,
        time_unit=time_unit,
        include_incomplete=include_incomplete,
    )
