"""What volume did to the price: the average price, its position, and impact."""

from __future__ import annotations

import polars as pl

from rangebar_polars._typing import MissingSide
from rangebar_polars.statistics._expression import statistic

__all__ = ["kyle_lambda", "price_impact", "vwap", "vwap_close_deviation", "vwap_position"]


def vwap(price: str | pl.Expr = "price", quantity: str | pl.Expr = "quantity", *, price_decimals: int = 8) -> pl.Expr:
    """
    Volume-weighted average price.

    `sum(price * quantity) / sum(quantity)`, truncated to `price_decimals`. Berkowitz, Logue and Noser (1988), *The
    total cost of transactions on the NYSE*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero.
    quantity
        Column of the same dtypes, at least zero and at most 1e15.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 in the unit of `price`, named `vwap`, one value per group. Null for an empty group or one without
        volume. (The column `vwap` of bars is then the open.)

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a price or quantity breaks its rule.

    Notes
    -----
    O(n), one pass; holds two exact sums of 128 bits.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 101.0], "quantity": [3.0, 1.0]})
    >>> trades.select(rb.vwap()).item()
    100.25
    """
    return statistic("vwap", {"price": price, "quantity": quantity}, price_decimals=price_decimals)


def vwap_position(
    price: str | pl.Expr = "price", quantity: str | pl.Expr = "quantity", *, price_decimals: int = 8
) -> pl.Expr:
    """
    Where the volume-weighted average price lies between the low, 0, and the high, 1.

    `(vwap - low) / (high - low)`; 0.5 if the prices are all equal. After the oscillator %K, Lane (1984), *Lane's
    stochastics*, with the average in place of the close.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero.
    quantity
        Column of the same dtypes, at least zero and at most 1e15.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit, named `vwap_position`, one value per group. Null for an empty group or one without volume.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a price or quantity breaks its rule.

    Notes
    -----
    O(n), one pass; holds two exact sums of 128 bits and the extremes.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 101.0], "quantity": [3.0, 1.0]})
    >>> trades.select(rb.vwap_position()).item()
    0.25
    """
    return statistic("vwap_position", {"price": price, "quantity": quantity}, price_decimals=price_decimals)


def vwap_close_deviation(
    price: str | pl.Expr = "price", quantity: str | pl.Expr = "quantity", *, price_decimals: int = 8
) -> pl.Expr:
    """
    Distance of the last price from the volume-weighted average, in units of the range: -1 to 1.

    `(last - vwap) / (high - low)`; 0 if the prices are all equal. Without volume the average is the first price.
    After the oscillator %K, Lane (1984), *Lane's stochastics*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    quantity
        Column of the same dtypes, at least zero and at most 1e15.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit, named `vwap_close_deviation`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a price or quantity breaks its rule.

    Notes
    -----
    O(n), one pass; holds two exact sums of 128 bits and the extremes.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 101.0], "quantity": [3.0, 1.0]})
    >>> trades.select(rb.vwap_close_deviation()).item()
    0.75
    """
    return statistic("vwap_close_deviation", {"price": price, "quantity": quantity}, price_decimals=price_decimals)


def price_impact(
    price: str | pl.Expr = "price", quantity: str | pl.Expr = "quantity", *, price_decimals: int = 8
) -> pl.Expr:
    """
    Distance that the price moved, per unit of volume.

    `abs(last - first) / sum(quantity)`; 0 without volume. After Amihud (2002), *Illiquidity and stock returns*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    quantity
        Column of the same dtypes, at least zero and at most 1e15.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 in units of `price` per unit of `quantity`, named `price_impact`, one value per group. Null of an empty
        group.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a price or quantity breaks its rule.

    Notes
    -----
    O(n), one pass; holds an exact sum, the first and the last price.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 102.0, 101.0], "quantity": [1.0, 2.0, 1.0]})
    >>> trades.select(rb.price_impact()).item()
    0.25
    """
    return statistic("price_impact", {"price": price, "quantity": quantity}, price_decimals=price_decimals)


def kyle_lambda(
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    *,
    missing_side: MissingSide = "error",
    price_decimals: int = 8,
) -> pl.Expr:
    """
    Return per unit of order-flow imbalance.

    `((last - first) / first) / ofi`, with `ofi` as in :func:`ofi`. After Kyle (1985), *Continuous auctions and insider
    trading*. Positive if the price moved with the flow. (The feature `kyle_lambda_proxy` of bars is the same, but 0
    where this is null.)

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    quantity
        Column of the same dtypes, at least zero and at most 1e15.
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor. Under its default name it may be missing.
    missing_side
        What to do with rows whose side is null: "error", or "null", which gives null for a group that holds one.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit, named `kyle_lambda`, one value per group. Null for fewer than two trades, if the imbalance
        is at most 2.220446049250313e-16, or if `is_buyer_maker` is missing or None.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a price or quantity breaks its rule.

    Notes
    -----
    O(n), one pass; holds two exact sums, the first and the last price.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame(
    ...     {"price": [64.0, 65.0], "quantity": [3.0, 1.0], "is_buyer_maker": [False, True]}
    ... )
    >>> trades.select(rb.kyle_lambda()).item()  # a return of 1/64 by an imbalance of 1/2
    0.03125
    """
    columns = {"price": price, "quantity": quantity, "is_buyer_maker": is_buyer_maker}
    return statistic("kyle_lambda", columns, price_decimals=price_decimals, missing_side=missing_side)
