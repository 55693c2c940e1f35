"""The namespace ``.rangebar`` of expressions: the statistics of one column."""

from __future__ import annotations

import datetime as dt

import polars as pl

from rangebar_polars import statistics
from rangebar_polars._typing import MissingSide, TimeUnit

__all__ = ["ExprRangeBar"]


@pl.api.register_expr_namespace("rangebar")
class ExprRangeBar:
    """
    The statistics that take one column, as methods of it.

    Each is the function of the same name in :mod:`rangebar_polars.statistics`, which defines it; the result is named
    after the statistic, not after the column.

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

    def hurst(self, *, price_decimals: int = 8) -> pl.Expr:
        """
        Hurst exponent of the log returns of prices: :func:`rangebar_polars.statistics.hurst`.

        Parameters
        ----------
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = rb.datasets.sample_trades(4_000, symbols=["BTCUSDT"])
        >>> trades.select(pl.col("price").rangebar.hurst()).equals(trades.select(rb.hurst()))
        True
        """
        return statistics.hurst(self._expr, price_decimals=price_decimals)

    def permutation_entropy(self, *, price_decimals: int = 8) -> pl.Expr:
        """
        Entropy of the order of prices: :func:`rangebar_polars.statistics.permutation_entropy`.

        Parameters
        ----------
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> falling = pl.DataFrame({"price": pl.int_range(100, 0, -1, eager=True)})
        >>> falling.select(pl.col("price").rangebar.permutation_entropy()).item()
        0.0
        """
        return statistics.permutation_entropy(self._expr, price_decimals=price_decimals)

    def kaufman_er(self, *, price_decimals: int = 8) -> pl.Expr:
        """
        Efficiency ratio of the path of prices: :func:`rangebar_polars.statistics.kaufman_er`.

        Parameters
        ----------
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [100.0, 103.0, 102.0]})
        >>> trades.select(pl.col("price").rangebar.kaufman_er()).item()
        0.5
        """
        return statistics.kaufman_er(self._expr, price_decimals=price_decimals)

    def max_drawdown(self, *, price_decimals: int = 8) -> pl.Expr:
        """
        Largest fall of prices: :func:`rangebar_polars.statistics.max_drawdown`.

        Parameters
        ----------
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [90.0, 100.0, 75.0]})
        >>> trades.select(pl.col("price").rangebar.max_drawdown()).item()
        0.25
        """
        return statistics.max_drawdown(self._expr, price_decimals=price_decimals)

    def max_runup(self, *, price_decimals: int = 8) -> pl.Expr:
        """
        Largest rise of prices: :func:`rangebar_polars.statistics.max_runup`.

        Parameters
        ----------
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [90.0, 75.0, 100.0]})
        >>> trades.select(pl.col("price").rangebar.max_runup()).item()
        0.25
        """
        return statistics.max_runup(self._expr, price_decimals=price_decimals)

    def price_range(self, *, price_decimals: int = 8) -> pl.Expr:
        """
        Distance from the lowest to the highest price: :func:`rangebar_polars.statistics.price_range`.

        Parameters
        ----------
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [100.0, 103.0, 98.0]})
        >>> trades.select(pl.col("price").rangebar.price_range()).item()
        0.05
        """
        return statistics.price_range(self._expr, price_decimals=price_decimals)

    def garman_klass_vol(self, *, price_decimals: int = 8) -> pl.Expr:
        """
        Volatility from the four prices of a bar: :func:`rangebar_polars.statistics.garman_klass_vol`.

        Parameters
        ----------
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [100.0, 100.0]})
        >>> trades.select(pl.col("price").rangebar.garman_klass_vol()).item()
        0.0
        """
        return statistics.garman_klass_vol(self._expr, price_decimals=price_decimals)

    def horizon(self, *, price_decimals: int = 8) -> pl.Expr:
        """
        The statistics of the investment time horizon, as a Struct: :func:`rangebar_polars.statistics.horizon`.

        Parameters
        ----------
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"price": [100.0, 75.0]})
        >>> trades.select(pl.col("price").rangebar.horizon().struct.field("max_drawdown")).item()
        0.25
        """
        return statistics.horizon(self._expr, price_decimals=price_decimals)

    # ----------------------------------------------------------------------- times, quantities, sides

    def burstiness(
        self, *, time_unit: TimeUnit | None = None, max_step: str | dt.timedelta | None = "14610d"
    ) -> pl.Expr:
        """
        How unevenly times are spaced: :func:`rangebar_polars.statistics.burstiness`.

        Parameters
        ----------
        time_unit
            "ms", "us" or "ns" if the times are Int64.
        max_step
            The longest step from one time to the next, 40 years by default; a longer one is an error. None allows any
            step.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"t": [0, 10, 20]})
        >>> trades.select(pl.col("t").rangebar.burstiness(time_unit="us")).item()
        -1.0
        """
        return statistics.burstiness(self._expr, time_unit=time_unit, max_step=max_step)

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

    def count_imbalance(self, *, missing_side: MissingSide = "error") -> pl.Expr:
        """
        Imbalance of the number of rows by side: :func:`rangebar_polars.statistics.count_imbalance`.

        Parameters
        ----------
        missing_side
            What to do with rows whose side is null: "error", or "null", which gives null for a group that holds one.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"is_buyer_maker": [False, False, False, True]})
        >>> trades.select(pl.col("is_buyer_maker").rangebar.count_imbalance()).item()
        0.5
        """
        return statistics.count_imbalance(self._expr, missing_side=missing_side)
