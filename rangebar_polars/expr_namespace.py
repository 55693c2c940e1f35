"""The namespace ``.rangebar`` of expressions: the statistics of one column."""

from __future__ import annotations

import polars as pl

from rangebar_polars import statistics
from rangebar_polars._typing import TimeUnit

__all__ = ["ExprRangeBar"]


@pl.api.register_expr_namespace("rangebar")
class ExprRangeBar:
    """
    The statistics that take one column, as methods of it.

    Each is the function of its name in :mod:`rangebar_polars.statistics`, which says what it is, and is named after the
    statistic, not after the column.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"symbol": ["A", "A", "A", "B"], "price": [100.0, 103.0, 102.0, 7.0]})
    >>> price = pl.col("price").rangebar
    >>> trades.group_by("symbol", maintain_order=True).agg(price.kaufman_er(), price.max_drawdown()).rows()
    [('A', 0.5, 0.009708737864077666), ('B', None, 0.0)]
    """

    def __init__(self, expr: pl.Expr) -> None:
        self._expr = expr

    # ---------------------------------------------------------------------------------------- prices

    def hurst(self) -> pl.Expr:
        """
        Hurst exponent of the log returns of prices: :func:`rangebar_polars.statistics.hurst`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = rb.datasets.sample_trades(4_000, symbols=["BTCUSDT"])
        >>> trades.select(pl.col("price").rangebar.hurst()).equals(trades.select(rb.hurst()))
        True
        """
        return statistics.hurst(self._expr)

    def permutation_entropy(self) -> pl.Expr:
        """
        Entropy of the order of prices: :func:`rangebar_polars.statistics.permutation_entropy`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> falling = pl.DataFrame({"price": pl.int_range(100, 0, -1, eager=True)})
        >>> falling.select(pl.col("price").rangebar.permutation_entropy()).item()
        0.0
        """
        return statistics.permutation_entropy(self._expr)

    def kaufman_er(self) -> pl.Expr:
        """
        Efficiency ratio of the path of prices: :func:`rangebar_polars.statistics.kaufman_er`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [100.0, 103.0, 102.0]})
        >>> trades.select(pl.col("price").rangebar.kaufman_er()).item()
        0.5
        """
        return statistics.kaufman_er(self._expr)

    def max_drawdown(self) -> pl.Expr:
        """
        Largest fall of prices: :func:`rangebar_polars.statistics.max_drawdown`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [90.0, 100.0, 75.0]})
        >>> trades.select(pl.col("price").rangebar.max_drawdown()).item()
        0.25
        """
        return statistics.max_drawdown(self._expr)

    def max_runup(self) -> pl.Expr:
        """
        Largest rise of prices: :func:`rangebar_polars.statistics.max_runup`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [90.0, 75.0, 100.0]})
        >>> trades.select(pl.col("price").rangebar.max_runup()).item()
        0.25
        """
        return statistics.max_runup(self._expr)

    def price_range(self) -> pl.Expr:
        """
        Distance from the lowest to the highest price: :func:`rangebar_polars.statistics.price_range`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [100.0, 103.0, 98.0]})
        >>> trades.select(pl.col("price").rangebar.price_range()).item()
        0.05
        """
        return statistics.price_range(self._expr)

    def garman_klass_vol(self) -> pl.Expr:
        """
        Volatility from the four prices of a bar: :func:`rangebar_polars.statistics.garman_klass_vol`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [100.0, 100.0]})
        >>> trades.select(pl.col("price").rangebar.garman_klass_vol()).item()
        0.0
        """
        return statistics.garman_klass_vol(self._expr)

    def horizon(self) -> pl.Expr:
        """
        The block of the investment time horizon, a Struct: :func:`rangebar_polars.statistics.horizon`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [100.0, 75.0]})
        >>> trades.select(pl.col("price").rangebar.horizon().struct.field("max_drawdown")).item()
        0.25
        """
        return statistics.horizon(self._expr)

    # ----------------------------------------------------------------------- times, quantities, sides

    def burstiness(self, *, time_unit: TimeUnit | None = None) -> pl.Expr:
        """
        How unevenly times come: :func:`rangebar_polars.statistics.burstiness`.

        Parameters
        ----------
        time_unit
            "ms", "us" or "ns" where the times are Int64.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"t": [0, 10, 20]})
        >>> trades.select(pl.col("t").rangebar.burstiness(time_unit="us")).item()
        -1.0
        """
        return statistics.burstiness(self._expr, time_unit=time_unit)

    def volume_skew(self) -> pl.Expr:
        """
        Skewness of quantities: :func:`rangebar_polars.statistics.volume_skew`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"quantity": [1.0, 2.0, 3.0]})
        >>> trades.select(pl.col("quantity").rangebar.volume_skew()).item()
        0.0
        """
        return statistics.volume_skew(self._expr)

    def volume_kurt(self) -> pl.Expr:
        """
        Excess kurtosis of quantities: :func:`rangebar_polars.statistics.volume_kurt`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"quantity": [1.0, 1.0, 3.0, 3.0]})
        >>> trades.select(pl.col("quantity").rangebar.volume_kurt()).item()
        -2.0
        """
        return statistics.volume_kurt(self._expr)

    def count_imbalance(self) -> pl.Expr:
        """
        Imbalance of the number of rows by side: :func:`rangebar_polars.statistics.count_imbalance`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"is_buyer_maker": [False, False, False, True]})
        >>> trades.select(pl.col("is_buyer_maker").rangebar.count_imbalance()).item()
        0.5
        """
        return statistics.count_imbalance(self._expr)
