"""How far prices moved, and how straight."""

from __future__ import annotations

import polars as pl

from rangebar_polars.statistics._expression import statistic

__all__ = ["garman_klass_vol", "kaufman_er", "price_range"]


def price_range(price: str | pl.Expr = "price", *, price_decimals: int = 8) -> pl.Expr:
    """
    Distance from the lowest to the highest price, as a fraction of the first.

    `(high - low) / first`. After Parkinson (1980), *The extreme value method for estimating the variance of the rate of
    return*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit (0.01 is 1 %), named `price_range`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    O(n), one pass; holds three prices.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 103.0, 98.0]})
    >>> trades.select(rb.price_range()).item()
    0.05
    """
    return statistic("price_range", {"price": price}, price_decimals=price_decimals)


def garman_klass_vol(price: str | pl.Expr = "price", *, price_decimals: int = 8) -> pl.Expr:
    """
    Volatility of the group from its first, highest, lowest and last price.

    `sqrt(0.5 ln(high / low)**2 - (2 ln 2 - 1) ln(last / first)**2)`; 0 if the radicand is below zero. Garman and Klass
    (1980), *On the estimation of security price volatilities from historical data*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64, a standard deviation of log returns over the whole group and not annualised, named
        `garman_klass_vol`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    O(n), one pass; holds four prices.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 102.0, 99.0, 100.0]})
    >>> round(trades.select(rb.garman_klass_vol()).item(), 6)
    0.021109
    """
    return statistic("garman_klass_vol", {"price": price}, price_decimals=price_decimals)


def kaufman_er(price: str | pl.Expr = "price", *, price_decimals: int = 8) -> pl.Expr:
    """
    Efficiency ratio of the path: 1 if the price moved straight, 0 if it came back.

    `abs(last - first) / sum(abs(change))`, at most 1. Kaufman (1995), *Smarter trading*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit, named `kaufman_er`, one value per group. Null for fewer than two trades, or if all prices
        are equal.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    O(n), one pass; holds an exact sum and two prices.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 103.0, 102.0]})
    >>> trades.select(rb.kaufman_er()).item()
    0.5
    """
    return statistic("kaufman_er", {"price": price}, price_decimals=price_decimals)
