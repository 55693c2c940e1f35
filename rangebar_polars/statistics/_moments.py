"""How quantities are distributed over the trades."""

from __future__ import annotations

import polars as pl

from rangebar_polars.statistics._expression import statistic

__all__ = ["volume_kurt", "volume_per_trade", "volume_skew"]


def volume_per_trade(
    quantity: str | pl.Expr = "quantity",
    first_trade_id: str | pl.Expr | None = "first_trade_id",
    last_trade_id: str | pl.Expr | None = "last_trade_id",
) -> pl.Expr:
    """
    Mean quantity of an individual trade.

    `sum(quantity) / n`; 0 if the ids contain no trade. Easley and O'Hara (1987), *Price, trade size, and information in
    securities markets*.

    Parameters
    ----------
    quantity
        Column of Float64, Float32, Decimal or any integer, at least zero and at most 1e15.
    first_trade_id, last_trade_id
        Columns of integers: the first and last individual trade of a row. Under their default names they may be
        missing: a row is then one trade.

    Returns
    -------
    Expr
        Float64 in the unit of `quantity`, named `volume_per_trade`, one value per group. Null for an empty group.

    Raises
    ------
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, a quantity breaks its rule, or only one of the two columns of
        ids is there.

    Notes
    -----
    O(n), one pass; holds an exact sum and a count.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"quantity": [1.0, 2.0], "first_trade_id": [1, 2], "last_trade_id": [1, 4]})
    >>> trades.select(rb.volume_per_trade()).item()
    0.75
    """
    columns = {"quantity": quantity, "first_trade_id": first_trade_id, "last_trade_id": last_trade_id}
    return statistic("volume_per_trade", columns)


def volume_skew(quantity: str | pl.Expr = "quantity") -> pl.Expr:
    """
    Skewness of the quantities: positive if a few trades are far larger than most.

    `m3 / m2 ** 1.5` of the central moments of the population, the g1 of Joanes and Gill (1998), *Comparing measures of
    sample skewness and kurtosis*; `scipy.stats.skew` is the same.

    Parameters
    ----------
    quantity
        Column of Float64, Float32, Decimal or any integer, at least zero and at most 1e15.

    Returns
    -------
    Expr
        Float64 without unit, named `volume_skew`, one value per group. Null for fewer than three trades, or if all
        quantities are equal.

    Raises
    ------
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a quantity breaks its rule.

    Notes
    -----
    O(n), two passes over the quantities; holds four sums.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"quantity": [1.0, 1.0, 4.0]})
    >>> round(trades.select(rb.volume_skew()).item(), 4)
    0.7071
    """
    return statistic("volume_skew", {"quantity": quantity})


def volume_kurt(quantity: str | pl.Expr = "quantity") -> pl.Expr:
    """
    Excess kurtosis of the quantities: above 0 if extremes are more common than in a normal distribution.

    `m4 / m2 ** 2 - 3` of the central moments of the population, the g2 of Joanes and Gill (1998), *Comparing measures
    of sample skewness and kurtosis*; `scipy.stats.kurtosis` is the same.

    Parameters
    ----------
    quantity
        Column of Float64, Float32, Decimal or any integer, at least zero and at most 1e15.

    Returns
    -------
    Expr
        Float64 without unit, named `volume_kurt`, one value per group. Null for fewer than four trades, or if all
        quantities are equal.

    Raises
    ------
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a quantity breaks its rule.

    Notes
    -----
    O(n), two passes over the quantities; holds four sums.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"quantity": [1.0, 1.0, 3.0, 3.0]})
    >>> trades.select(rb.volume_kurt()).item()
    -2.0
    """
    return statistic("volume_kurt", {"quantity": quantity})
