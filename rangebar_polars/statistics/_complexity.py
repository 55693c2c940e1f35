"""How much of the path of prices is memory, and how much is chance."""

from __future__ import annotations

import polars as pl

from rangebar_polars.statistics._expression import statistic

__all__ = ["hurst", "permutation_entropy"]


def hurst(price: str | pl.Expr = "price") -> pl.Expr:
    """
    Hurst exponent of the log returns: below 0.5 they turn, at 0.5 they are chance, above 0.5 they go on.

    The exponent of detrended fluctuation analysis of first order, Peng et al. (1994), *Mosaic organization of DNA
    nucleotides*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows counts.

    Returns
    -------
    Expr
        Float64 without unit, named `hurst`, one value a group. Null of fewer than 64 trades, and where the profile
        deviates from straight lines at fewer than two scales, as that of constant prices.

    Raises
    ------
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    1. The profile is the running sum of the log returns less their mean.
    2. For the scales `s` = 8, 12, 18, 27, ... (each 1.5 times the last, rounded up) up to a quarter of the returns:
       the profile is cut from its start into segments of `s` that do not overlap (the rest is left out), each segment
       is detrended by its line of least squares, and `F(s)` is the root of the mean of the residual variances.
    3. The exponent is the slope of the line of least squares through `ln F(s)` on `ln s`, of the scales where
       `F(s) > 0`.

    It is not clipped: values above 1 are those of series that are not stationary. Of 64 trades it is a rough guess, as
    there are two scales; some thousand are better. O(n log n): a pass for each scale; holds the profile, 8 bytes a
    trade.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"])
    >>> round(trades.select(rb.hurst()).item(), 3)
    0.578
    >>> trades.head(63).select(rb.hurst()).item() is None
    True
    """
    return statistic("hurst", {"price": price})


def permutation_entropy(price: str | pl.Expr = "price") -> pl.Expr:
    """
    Entropy of the order of three prices in a row: 0 where one order is the only one, 1 where all six are as frequent.

    `-sum(p ln p) / ln 6` of the shares `p` of the six orders among the `n - 2` triples of neighbours; of equal prices
    the earlier one counts as the lower. Bandt and Pompe (2002), *Permutation entropy: a natural complexity measure for
    time series*, order 3, delay 1, normalised.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows counts.

    Returns
    -------
    Expr
        Float64 without unit, named `permutation_entropy`, one value a group. Null of fewer than 60 trades.

    Raises
    ------
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    Constant prices have entropy 0. Trades that repeat the price of the one before are common, and lower the entropy:
    of prices on a tick it is far from 1. O(n), one pass; holds six counts.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> rising = pl.DataFrame({"price": pl.int_range(1, 101, eager=True)})
    >>> rising.select(rb.permutation_entropy()).item()
    0.0
    >>> zigzag = pl.DataFrame({"price": [1.0, 2.0] * 31})  # up and down: two orders of three
    >>> round(zigzag.select(rb.permutation_entropy()).item(), 4)  # ln 2 / ln 6
    0.3869
    """
    return statistic("permutation_entropy", {"price": price})
