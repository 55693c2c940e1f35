"""The exception for bad input and bad parameters, and the warning about what looks like a mistake."""

from __future__ import annotations

import datetime as dt
from typing import Any

__all__ = [
    "FetchError",
    "LakeConflictError",
    "LakeFileError",
    "LakeLockError",
    "MissingTradesError",
    "NotEnoughBarsError",
    "RangeBarError",
    "RangeBarWarning",
]


class RangeBarError(ValueError):
    """
    Trades or parameters that break a rule.

    The text names the column as the input calls it, the rule, the value, the row and, with groups, the group. Lazy,
    eager and pushed bars raise this type; from an expression, Polars raises the same text as a
    :class:`polars.exceptions.ComputeError`.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": [1, 2], "price": [100.0, -1.0], "quantity": [1.0, 1.0]})
    >>> try:
    ...     trades.rangebar.bars(250, time_unit="ms")
    ... except rb.RangeBarError as error:
    ...     print(error)
    `price` must be finite and > 0, got -1.0 at row 1; filter out such rows
    """


class LakeConflictError(RangeBarError):
    """
    Trades that a lake has with another content, or that it cannot tell from those that it has.

    The message has the first of them, as it is there and as it was given. What is there stays as it is.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> folder = TemporaryDirectory()
    >>> lake = rb.Lake(folder.name)
    >>> trades = rb.datasets.sample_trades(1_000)
    >>> _ = lake.add(trades, venue="binance-spot")
    >>> try:
    ...     lake.add(trades.with_columns(pl.col("price") + 1), venue="binance-spot")
    ... except rb.LakeConflictError as error:
    ...     print("1,000 trades of 2024-01-01 are there with another content" in str(error))
    True
    >>> folder.cleanup()
    """


class LakeFileError(RangeBarError):
    """
    A file in a lake that is damaged, or that no lake has written. It is named, and stays where it is.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> folder = TemporaryDirectory()
    >>> lake = rb.Lake(folder.name)
    >>> _ = (lake.path / "lake.toml").write_text("format = 2")
    >>> try:
    ...     rb.Lake(folder.name)
    ... except rb.LakeFileError as error:
    ...     print(str(error)[-72:])
    is of a format that this version does not know, {'format': 2}: update it
    >>> folder.cleanup()
    """


class LakeLockError(RangeBarError):
    """
    A part of a lake that another process is writing.

    The message names the process, its host and since when it has been writing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> folder = TemporaryDirectory()
    >>> lake = rb.Lake(folder.name)
    >>> _ = lake.add(rb.datasets.sample_trades(1_000), venue="binance-spot")
    >>> _ = lake.series("base", threshold_dbps=250)
    >>> with lake.lock("base", "BTCUSDT", venue="binance-spot"):
    ...     try:
    ...         lake.build("base")
    ...     except rb.LakeLockError as error:
    ...         print(str(error)[:51])
    bars base binance-spot BTCUSDT is being written by
    >>> folder.cleanup()
    """


class FetchError(RangeBarError):
    """
    A fetch of which something failed.

    All that could be fetched is in the lake when it is raised. The message has the first faults, and `report` all.

    Attributes
    ----------
    report
        The :class:`FetchReport`, with what was added and what failed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> with TemporaryDirectory() as folder:
    ...     _ = rb.datasets.write_sample_archives(folder + "/zips", rows=1_000, symbols="BTCUSDT")
    ...     lake = rb.Lake(folder + "/lake")
    ...     with rb.datasets.LocalVenue(folder + "/zips") as venue:
    ...         try:
    ...             lake.fetch(["BTCUSDT", "BTC"], "2024-01-01", "2024-01-01", base=venue.base)
    ...         except rb.FetchError as error:
    ...             print([*error.report.failed], len(error.report.added))
    ['BTC'] 1
    """

    def __init__(self, message: str, report: Any) -> None:  # noqa: ANN401  (a report, of a module above this one)
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        """As other processes get it: with its report."""
        return type(self), (str(self), self.report)


class MissingTradesError(RangeBarError):
    """
    Trades of a range that the lake does not have, and that could not be fetched.

    Attributes
    ----------
    missing
        The first and the last day of each part that is missing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> with TemporaryDirectory() as folder:
    ...     try:
    ...         rb.get_range_bars("BTCUSDT", "2024-01-01", "2024-01-03", lake=folder, fetch="never")
    ...     except rb.MissingTradesError as error:
    ...         print(error.missing)
    [(datetime.date(2024, 1, 1), datetime.date(2024, 1, 3))]
    """

    def __init__(self, message: str, missing: list[tuple[dt.date, dt.date]]) -> None:
        super().__init__(message)
        self.missing = missing

    def __reduce__(self) -> tuple[Any, ...]:
        """As other processes get it: with what is missing."""
        return type(self), (str(self), self.missing)


class NotEnoughBarsError(RangeBarError):
    """
    Fewer bars than were asked for.

    Attributes
    ----------
    found
        How many there are.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> with TemporaryDirectory() as folder:
    ...     lake = rb.Lake(folder)
    ...     _ = lake.add(rb.datasets.sample_trades(1_000, symbols=["BTCUSDT"]), venue="binance-spot")
    ...     try:
    ...         rb.get_n_range_bars("BTCUSDT", 10_000, lake=lake, before="2024-01-01", fetch="never")
    ...     except rb.NotEnoughBarsError as error:
    ...         print(error.found)
    2
    """

    def __init__(self, message: str, found: int) -> None:
        super().__init__(message)
        self.found = found

    def __reduce__(self) -> tuple[Any, ...]:
        """As other processes get it: with its count."""
        return type(self), (str(self), self.found)


class RangeBarWarning(UserWarning):
    """
    Something that breaks no rule, but is probably not what was meant.

    For example, a column that looks like a key, holds several values and is not in `by`: all symbols then go into the
    same bars, one price after another. Name it in `by`; or, if it is intended, call
    ``warnings.filterwarnings("ignore", category=rb.RangeBarWarning)``.

    Examples
    --------
    >>> import warnings
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(1_000, symbols=["BTCUSDT", "ETHUSDT"]).sort("timestamp")
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     bars = trades.rangebar.bars(250)
    >>> print(told[0].message)
    column `symbol` holds several values, such as 'BTCUSDT' and 'ETHUSDT', and is not in `by`: their trades go into the same bars; `by="symbol"` keeps them apart
    """  # noqa: E501
