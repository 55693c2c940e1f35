"""The exception that bad input and bad parameters raise."""

from __future__ import annotations

__all__ = ["RangeBarError"]


class RangeBarError(ValueError):
    """
    Trades or parameters that break a rule.

    The text names the column by its name in the input, the rule, the value, the row and, with groups, the
    group. Lazy, eager and pushed bars raise this type; from an expression, Polars raises the same text as a
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
    `price` must be finite and > 0, got -1.0 at row 1
    """
