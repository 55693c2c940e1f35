"""The path of prices as an investor lives through it: losses, gains, and how often they were worth it."""

from __future__ import annotations

import polars as pl

from rangebar_polars.statistics._expression import statistic, struct_of_statistics

__all__ = ["horizon", "max_drawdown", "max_runup"]

_HORIZON = (
    "bull_epoch_density",
    "bear_epoch_density",
    "bull_excess_gain",
    "bear_excess_gain",
    "bull_cv",
    "bear_cv",
    "max_drawdown",
    "max_runup",
)


def max_drawdown(price: str | pl.Expr = "price") -> pl.Expr:
    """
    Largest fall from a price to a later one, as a share of the first of the two: 0 to below 1.

    `max(1 - price / running maximum)`. Magdon-Ismail and Atiya (2004), *Maximum drawdown*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows counts.

    Returns
    -------
    Expr
        Float64 without unit (0.01 is 1 %), named `max_drawdown`, one value a group. Null of an empty group.

    Raises
    ------
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    O(n), one pass; holds two prices.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [90.0, 100.0, 75.0, 120.0, 110.0]})
    >>> trades.select(rb.max_drawdown()).item()
    0.25
    """
    return statistic("max_drawdown", {"price": price})


def max_runup(price: str | pl.Expr = "price") -> pl.Expr:
    """
    Largest rise from a price to a later one, as a share of the later: 0 to below 1.

    `max(1 - running minimum / price)`: the mirror image of :func:`max_drawdown`, of the prices read backwards. After
    Magdon-Ismail and Atiya (2004), *Maximum drawdown*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows counts.

    Returns
    -------
    Expr
        Float64 without unit (0.01 is 1 %), named `max_runup`, one value a group. Null of an empty group.

    Raises
    ------
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    O(n), one pass; holds two prices.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 75.0, 100.0, 90.0]})
    >>> trades.select(rb.max_runup()).item()
    0.25
    """
    return statistic("max_runup", {"price": price})


def horizon(price: str | pl.Expr = "price") -> pl.Expr:
    """
    The block of the investment time horizon: how often, and how much, a long and a short position beat their risk.

    A Struct of the eight statistics that bars with `intra=True` have: an epoch is a trade by which the gain since the
    last mark exceeds both the loss since then and the hurdle, which is the worst that the path did to the position.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows counts.

    Returns
    -------
    Expr
        Struct named `horizon`, one value a group, with the Float64 fields, all without unit,

        - `bull_epoch_density`, `bear_epoch_density`: `logistic(10 (epochs / n - 0.5))`.
        - `bull_excess_gain`, `bear_excess_gain`: `tanh(5 abs(sum of the gains))`.
        - `bull_cv`, `bear_cv`: `logistic(4 (cv - 0.5))` of the coefficient of variation of the distances between
          epochs in trades, the first from the first trade; `cv` is 0 without epochs.
        - `max_drawdown`, `max_runup`: as the expressions of these names.

        All of them are null of an empty group, and none is otherwise.

    Raises
    ------
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or a price breaks its rule.

    Notes
    -----
    Bull, with `hurdle = max(max_drawdown, 2.220446049250313e-16)`: `mark = best = worst =` the first price, `gain =
    loss = 0`. For each later price `a`, in this order:

    1. If `a > best`: `gain = a / mark - 1`, `best = a`. If `a < worst`: `loss = 1 - a / mark`, `worst = a`.
    2. `gain` is added to the sum of the gains.
    3. If `gain > loss` and `gain > hurdle`: an epoch.
    4. If `gain > abs(loss)`, `gain > hurdle` and `best >= mark`: `mark = best`, `worst =` the price before `a`,
       `gain = loss = 0`.

    Bear is the mirror image: the comparisons of prices and the ratios are turned over (`gain = mark / a - 1`,
    `loss = 1 - mark / a`), and the hurdle is the `max_runup`. The definition is complete; it has no paper that we
    know of. O(n), two passes each for bull and bear; holds the sums.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 101.0, 100.5, 102.0, 103.0]})
    >>> block = trades.select(rb.horizon()).unnest("horizon")
    >>> block.select(pl.col("bull_epoch_density", "bear_epoch_density").round(4)).row(0)
    (0.7311, 0.0067)
    """
    return struct_of_statistics(_HORIZON, {"price": price}).alias("horizon")
