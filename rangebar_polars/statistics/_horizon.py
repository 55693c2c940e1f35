"""The path of prices as an investor experiences it: losses, gains, and how often the gains were worth the risk."""

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


def max_drawdown(price: str | pl.Expr = "price", *, price_decimals: int = 8) -> pl.Expr:
    """
    Largest fall from a price to a later one, as a fraction of the first of the two: 0 to below 1.

    `max(1 - price / running maximum)`. Magdon-Ismail and Atiya (2004), *Maximum drawdown*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit (0.01 is 1 %), named `max_drawdown`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
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
    return statistic("max_drawdown", {"price": price}, price_decimals=price_decimals)


def max_runup(price: str | pl.Expr = "price", *, price_decimals: int = 8) -> pl.Expr:
    """
    Largest rise from a price to a later one, as a fraction of the later one: 0 to below 1.

    `max(1 - running minimum / price)`: the mirror image of :func:`max_drawdown`, with the prices read backwards. After
    Magdon-Ismail and Atiya (2004), *Maximum drawdown*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit (0.01 is 1 %), named `max_runup`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
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
    return statistic("max_runup", {"price": price}, price_decimals=price_decimals)


def horizon(price: str | pl.Expr = "price", *, price_decimals: int = 8) -> pl.Expr:
    """
    Statistics of the investment time horizon: how often, and by how much, long and short positions beat their risk.

    A Struct of the eight statistics that bars with `intra=True` have. An epoch is a trade at which the gain since the
    last mark exceeds both the loss since then and the hurdle, which is the worst loss of the position on the whole
    path.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero. The order of the rows matters.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Struct named `horizon`, one value per group, with the Float64 fields, all without unit,

        - `bull_epoch_density`, `bear_epoch_density`: `logistic(10 (epochs / n - 0.5))`.
        - `bull_excess_gain`, `bear_excess_gain`: `tanh(5 abs(sum of the gains))`.
        - `bull_cv`, `bear_cv`: `logistic(4 (cv - 0.5))` with the coefficient of variation of the distances between
          epochs in trades, the first of them from the first trade; `cv` is 0 without epochs.
        - `max_drawdown`, `max_runup`: as the expressions of these names.

        All of them are null for an empty group, and otherwise none is.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
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

    Bear is the mirror image: the comparisons of prices and the ratios are reversed (`gain = mark / a - 1`,
    `loss = 1 - mark / a`), and the hurdle is the `max_runup`. The definition is complete; we know of no paper about it.
    O(n), two passes each for bull and bear; holds the sums.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"price": [100.0, 101.0, 100.5, 102.0, 103.0]})
    >>> block = trades.select(rb.horizon()).unnest("horizon")
    >>> block.select(pl.col("bull_epoch_density", "bear_epoch_density").round(4)).row(0)
    (0.7311, 0.0067)
    """
    return struct_of_statistics(_HORIZON, {"price": price}, price_decimals=price_decimals).alias("horizon")
