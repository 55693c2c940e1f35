"""Spreads that prices alone show."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import polars as pl

from rangebar_polars._common.parameters import check_choice, check_flag
from rangebar_polars.liquidity._measure import Column, measure

__all__ = ["abdi_ranaldo", "corwin_schultz", "roll_spread"]

_Negative: TypeAlias = Literal["zero", "null", "keep"]

_NegativeSquare: TypeAlias = Literal["zero", "null"]

_Average: TypeAlias = Literal["spreads", "squares"]


def roll_spread(n: int | None, price: Column = "close") -> pl.Expr:
    """
    Effective spread by the bounce of the price: `2 * sqrt(-cov(dp[t], dp[t-1]))` of the last n bars.

    Parameters
    ----------
    n
        Bars of a window, at least 4: n - 1 changes, n - 2 pairs of successive ones. None for one value of all bars.
    price
        Column of floats, Decimal or integers. With ``pl.col("close").log()`` the spread is a fraction of the price.

    Returns
    -------
    Expr
        Float64 in the unit of `price`, named `roll_spread`, as long as the input; one value if n is None. Null in the
        first n - 1 bars, if a price of the window is null, NaN or infinite, and where the covariance is positive: such
        prices trend, and have no spread in this model.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    Notes
    -----
    The covariance is that of the sample, with divisor n - 3, each of the two changes about its own mean. Over range
    bars it says little, since their closes are a threshold apart: use bars of time, ticks or volume. Keep symbols apart
    with ``.over("symbol")``. O(rows), without cancellation; the last digits may depend on the row at which the data
    begin.

    Source: Roll (1984), "A simple implicit measure of the effective bid-ask spread in an efficient market", *Journal of
    Finance* 39(4).

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = pl.DataFrame({"close": [10.0, 11.0, 10.0, 11.0, 10.0, 11.0]})
    >>> bars.select(rb.roll_spread(5).round(6))["roll_spread"].to_list()
    [None, None, None, None, 2.309401, 2.309401]
    """
    return measure("roll_spread", n, 4, {"price": price})


def corwin_schultz(
    n: int | None,
    high: Column = "high",
    low: Column = "low",
    close: Column = "close",
    *,
    negative: _Negative = "zero",
    overnight: bool = True,
) -> pl.Expr:
    """
    Spread from highs and lows, as a fraction of the price: the mean over the pairs of successive bars in the last n.

    Of a pair, with logarithms of ranges::

        beta  = ln(H[t-1] / L[t-1])**2 + ln(H[t] / L[t])**2
        gamma = ln(max(H[t-1], H[t]) / min(L[t-1], L[t]))**2
        alpha = (sqrt(2 * beta) - sqrt(beta)) / k - sqrt(gamma / k),  k = 3 - 2 * sqrt(2)
        S     = 2 * (exp(alpha) - 1) / (1 + exp(alpha))

    Parameters
    ----------
    n
        Bars of a window, at least 2: n - 1 pairs. None for one value of all bars.
    high, low, close
        Columns of floats, Decimal or integers. `close` is read only with `overnight`.
    negative
        What becomes of a pair whose S is negative: "zero", as the authors recommend; "null", which leaves it out of the
        mean; "keep".
    overnight
        Whether to take out a jump between two bars, as the authors do overnight: if the low of the second is above the
        close of the first, the second is moved down by the difference; if its high is below, up.

    Returns
    -------
    Expr
        Float64 as a fraction of the price, in [0, 2) unless negatives are kept, named `corwin_schultz`, as long as the
        input; one value if n is None. Null in the first n - 1 bars, if a price of the window is null, NaN, infinite,
        zero or negative, if a low is above its high, and if no pair is left.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    Notes
    -----
    Computed as `alpha = (1 + sqrt(2)) * (sqrt(beta) - sqrt(gamma))` and `S = 2 * tanh(alpha / 2)`, which are the same
    without cancellation. Meant for bars of equal time: the variance of the price is taken to grow with the number of
    bars, and the range of a range bar is nearly given. O(rows).

    Source: Corwin and Schultz (2012), "A simple way to estimate bid-ask spreads from daily high and low prices",
    *Journal of Finance* 67(2), equations 14 and 18.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = pl.DataFrame({"high": [101.0, 101.0, 104.0], "low": [99.0, 99.0, 102.0], "close": [100.0, 100.0, 103.0]})
    >>> bars.select(rb.corwin_schultz(2).round(6))["corwin_schultz"].to_list()
    [None, 0.02, 0.0]
    """
    check_choice("negative", negative, get_args(_Negative))
    columns = {"high": high, "low": low}
    if check_flag("overnight", overnight):
        columns["close"] = close
    return measure("corwin_schultz", n, 2, columns, negative=negative)


def abdi_ranaldo(
    n: int | None,
    high: Column = "high",
    low: Column = "low",
    close: Column = "close",
    *,
    average: _Average = "spreads",
    negative: _NegativeSquare = "zero",
) -> pl.Expr:
    """
    Spread from closes, highs and lows, as a fraction of the price, over the pairs of successive bars in the last n.

    With `c = ln(close)` and `eta = (ln(high) + ln(low)) / 2`, the square of the spread of a pair is
    `4 * (c[t-1] - eta[t-1]) * (c[t-1] - eta[t])`.

    Parameters
    ----------
    n
        Bars of a window, at least 2: n - 1 pairs. None for one value of all bars.
    high, low, close
        Columns of floats, Decimal or integers.
    average
        "spreads": the mean of the roots of the squares (the paper's two-day corrected spread); "squares": the root of
        their mean (its monthly corrected one).
    negative
        What becomes of a negative square, of a pair or of the mean: "zero", as in the paper, or "null", which leaves
        the pair out, or makes the root of the mean null.

    Returns
    -------
    Expr
        Float64 as a fraction of the price, at least 0, named `abdi_ranaldo`, as long as the input; one value if n is
        None. Null in the first n - 1 bars, if a price of the window is null, NaN, infinite, zero or negative, if a low
        is above its high, and if no pair is left.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    Notes
    -----
    Needs no adjustment for jumps between bars: the close of the first is compared with both middles. Meant for bars of
    equal time; the close of a range bar is at one end of its range. O(rows).

    Source: Abdi and Ranaldo (2017), "A simple estimation of bid-ask spreads from daily close, high, and low prices",
    *Review of Financial Studies* 30(12).

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = pl.DataFrame({"high": [101.0, 101.0, 101.0], "low": [99.0, 99.0, 99.0], "close": [100.0, 101.0, 99.0]})
    >>> bars.select(rb.abdi_ranaldo(2).round(6))["abdi_ranaldo"].to_list()
    [None, 0.0001, 0.020001]
    """
    check_choice("average", average, get_args(_Average))
    check_choice("negative", negative, get_args(_NegativeSquare))
    columns = {"high": high, "low": low, "close": close}
    return measure("abdi_ranaldo", n, 2, columns, negative=negative, squares=average == "squares")
