"""How much of the path of prices is memory, and how much is chance."""

from __future__ import annotations

import polars as pl

from rangebar_polars.statistics._expression import statistic

__all__ = ["hurst", "permutation_entropy"]


def hurst(price: str | pl.Expr = "price", *, price_decimals: int = 8) -> pl.Expr:
    """
    Hurst exponent of the log returns: below 0.5 they reverse, at 0.5 they are random, above 0.5 they persist.

    The exponent of first-order detrended fluctuation analysis, Peng et al. (1994), *Mosaic organization of DNA
    nucleotides*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit, named `hurst`, one value per group. Null for fewer than 64 trades, or if the profile
        deviates from straight lines at fewer than two scales, as for constant prices.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    1. The profile is the running sum of the log returns less their mean.
    2. For the scales `s` = 8, 12, 18, 27, ... (each 1.5 times the last, rounded up) up to a quarter of the returns: the
       profile is cut from its start into segments of `s` that do not overlap (the rest is left out), each segment is
       detrended by its least-squares line, and `F(s)` is the root of the mean of the residual variances.
    3. The exponent is the slope of the least-squares line of `ln F(s)` on `ln s`, over the scales with `F(s) > 0`.

    It is not clipped: values above 1 indicate series that are not stationary. For 64 trades it is a rough guess,
    because there are only two scales; a few thousand are better. O(n log n): a pass for each scale; holds the profile,
    8 bytes per trade.

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
    return statistic("hurst", {"price": price}, price_decimals=price_decimals)


def permutation_entropy(price: str | pl.Expr = "price", *, price_decimals: int = 8) -> pl.Expr:
    """
    Entropy of the order of three consecutive prices: 0 if only one order occurs, 1 if all six are equally frequent.

    `-sum(p ln p) / ln 6` with the shares `p` of the six orders among the `n - 2` triples of neighbours; of equal
    prices, the earlier one counts as the lower. Bandt and Pompe (2002), *Permutation entropy: a natural complexity
    measure for time series*, order 3, delay 1, normalised.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit, named `permutation_entropy`, one value per group. Null for fewer than 60 trades.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    Constant prices have entropy 0. Trades that repeat the price of the one before are common and lower the entropy: for
    prices on a tick grid it is far from 1. O(n), one pass; holds six counts.

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
    return statistic("permutation_entropy", {"price": price}, price_decimals=price_decimals)
