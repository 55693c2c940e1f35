"""What volume and flow do to the price."""

from __future__ import annotations

import polars as pl

from rangebar_polars._common.parameters import check_flag
from rangebar_polars.liquidity._measure import Column, measure

__all__ = ["amihud", "hasbrouck_lambda", "kyle_regression"]


def amihud(n: int | None, price: Column = "close", turnover: Column = "turnover") -> pl.Expr:
    """
    Illiquidity: the mean of `abs(r) / turnover` over the last n bars, r being the return since the bar before.

    Parameters
    ----------
    n
        Bars of a window, at least 2: n - 1 returns. None for one value of all bars.
    price
        Column of floats, Decimal or integers, above zero.
    turnover
        Column of the same dtypes, at least zero: price times quantity. A bar without turnover is left out of the mean.

    Returns
    -------
    Expr
        Float64, named `amihud`: the return that a unit of turnover comes with, for BTCUSDT a fraction per dollar
        (multiply by 1e6 for the usual figure). As long as the input; one value if n is None. Null in the first n - 1
        bars, if a price of the window, or a turnover but for the first, is null, NaN, infinite or negative, if a price
        is zero, and if no bar has turnover.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    See Also
    --------
    price_impact : The change within a bar per unit of volume.

    Notes
    -----
    The returns of range bars are all about as large as the threshold, so this is mostly the mean of 1 / turnover. Keep
    symbols apart with ``.over("symbol")``. O(rows); the last digits may depend on the row at which the data begin.

    Source: Amihud (2002), "Illiquidity and stock returns: cross-section and time-series effects", *Journal of Financial
    Markets* 5(1), equation 1.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = pl.DataFrame({"close": [100.0, 101.0, 101.0, 202.0], "turnover": [5.0, 10.0, 10.0, 0.0]})
    >>> bars.select(rb.amihud(3).round(6))["amihud"].to_list()
    [None, None, 0.0005, 0.0]
    """
    return measure("amihud", n, 2, {"price": price, "turnover": turnover})


def kyle_regression(
    n: int | None,
    price: Column = "close",
    buy_volume: Column = "buy_volume",
    sell_volume: Column = "sell_volume",
    *,
    intercept: bool = False,
) -> pl.Expr:
    """
    Kyle's lambda by regression: the slope of `dp = lambda * (B - S)` over the last n bars.

    dp is the change of the price since the bar before, B and S are the volumes of the bar whose aggressor bought and
    sold.

    Parameters
    ----------
    n
        Bars of a window: n - 1 changes; at least 2, or 3 with `intercept`. None for one value of all bars.
    price
        Last price of a bar: column of floats, Decimal or integers.
    buy_volume, sell_volume
        Columns of the same dtypes, at least zero.
    intercept
        Whether the line may miss the origin: without it the slope is `sum(x * dp) / sum(x * x)` with x = B - S, with it
        that of least squares about the means.

    Returns
    -------
    Expr
        Float64 in units of price per unit of quantity, named `kyle_regression`, as long as the input; one value if n is
        None. Null in the first n - 1 bars, if a price of the window, or a volume but for those of its first bar, is
        null, NaN, infinite or, for volumes, negative, and if all flows are zero (with `intercept`, equal).

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    See Also
    --------
    kyle_lambda : A ratio of return and imbalance within one bar.

    Notes
    -----
    Of range bars, dp is about the threshold, up or down, whatever the flow was. O(rows), without cancellation; the last
    digits may depend on the row at which the data begin. Keep symbols apart with ``.over("symbol")``.

    Source: Kyle (1985), "Continuous auctions and insider trading", *Econometrica* 53(6); the regression, without
    intercept, as in López de Prado (2018), *Advances in Financial Machine Learning*, section 19.4.1.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> sides = {"buy_volume": [9.0, 3.0, 1.0, 4.0], "sell_volume": [0.0, 1.0, 3.0, 0.0]}
    >>> bars = pl.DataFrame({"close": [100.0, 101.0, 100.0, 102.0], **sides})
    >>> bars.select(rb.kyle_regression(3))["kyle_regression"].to_list()
    [None, None, 0.5, 0.5]
    """
    columns = {"price": price, "buy_volume": buy_volume, "sell_volume": sell_volume}
    least = 3 if check_flag("intercept", intercept) else 2
    return measure("kyle_regression", n, least, columns, intercept=intercept)


def hasbrouck_lambda(
    n: int | None,
    price: Column = "close",
    flow: Column | None = None,
    *,
    buy_turnover: Column = "buy_turnover",
    sell_turnover: Column = "sell_turnover",
    intercept: bool = False,
) -> pl.Expr:
    """
    Hasbrouck's lambda: the slope of `r = lambda * Q` over the last n bars.

    r is the log return since the bar before, and Q the sum of `sign * sqrt(price * quantity)` over the trades of the
    bar, with the sign of the aggressor.

    Parameters
    ----------
    n
        Bars of a window: n - 1 returns; at least 2, or 3 with `intercept`. None for one value of all bars.
    price
        Last price of a bar: column of floats, Decimal or integers, above zero.
    flow
        Q: column of the same dtypes, which takes the trades to compute; see the example. None: the bar is taken for one
        order of its net turnover, `sign(T) * sqrt(abs(T))` with T = `buy_turnover - sell_turnover`, which is larger
        than Q if trades of one side are many.
    buy_turnover, sell_turnover
        Columns of the same dtypes, at least zero, which are read only without `flow`.
    intercept
        Whether the line may miss the origin, as for :func:`kyle_regression`.

    Returns
    -------
    Expr
        Float64, a log return per root of a unit of turnover, named `hasbrouck_lambda`, as long as the input; one value
        if n is None. Null in the first n - 1 bars, if a price of the window, or a flow but for that of its first bar,
        is missing (null, NaN, infinite, a price of at most zero, a negative turnover), and if all flows are zero (with
        `intercept`, equal).

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    Notes
    -----
    The paper has periods of five minutes: bars of ``rb.Time("5m")``. O(rows), without cancellation; the last digits may
    depend on the row at which the data begin. Keep symbols apart with ``.over("symbol")``.

    Source: Hasbrouck (2009), "Trading costs and returns for U.S. equities: estimating effective costs from daily data",
    *Journal of Finance* 64(3).

    Examples
    --------
    The flow of each bar by its trades, then the slope over 20 bars:

    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(50_000, symbols=["BTCUSDT"])
    >>> root = (pl.col("price") * pl.col("quantity")).sqrt()
    >>> signed = pl.when("is_buyer_maker").then(-root).otherwise(root)
    >>> numbered = trades.rangebar.with_bar_id(50)
    >>> bars = numbered.group_by("bar_id", maintain_order=True).agg(signed.sum().alias("flow"), close=pl.last("price"))
    >>> slopes = bars.select(rb.hasbrouck_lambda(20, flow="flow"))
    >>> slopes.null_count().item()
    19
    """
    columns: dict[str, Column] = {"price": price}
    columns |= {"buy_turnover": buy_turnover, "sell_turnover": sell_turnover} if flow is None else {"flow": flow}
    least = 3 if check_flag("intercept", intercept) else 2
    return measure("hasbrouck_lambda", n, least, columns, intercept=intercept)
