"""How trades arrive: how many per second, how many in a row of the feed, and how evenly."""

from __future__ import annotations

import datetime as dt

import polars as pl

from rangebar_polars._engine.trades import as_expression
from rangebar_polars._typing import TimeUnit
from rangebar_polars.statistics._expression import statistic

__all__ = ["aggregation_density", "burstiness", "trade_intensity"]


def trade_intensity(
    time: str | pl.Expr = "timestamp",
    first_trade_id: str | pl.Expr | None = "first_trade_id",
    last_trade_id: str | pl.Expr | None = "last_trade_id",
    *,
    time_unit: TimeUnit | None = None,
    max_step: str | dt.timedelta | None = "14610d",
) -> pl.Expr:
    """
    Individual trades per second.

    `n / seconds` from the first trade to the last, in whole microseconds; `n` if that is zero. Except for the first
    trade, this is the inverse of the mean duration between trades, Engle and Russell (1998), *Autoregressive
    conditional duration*.

    Parameters
    ----------
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    first_trade_id, last_trade_id
        Columns of integers: the first and last individual trade of a row. Under their default names they may be
        missing: a row is then one trade. With None, rows are counted.
    time_unit
        "ms", "us" or "ns" if `time` is Int64.
    max_step
        The longest step from one trade to the next, 40 years by default; a longer one is an error. None allows any
        step.

    Returns
    -------
    Expr
        Float64 in trades per second, named `trade_intensity`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If `time_unit` is not one of the three, or `max_step` is not a duration.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, time goes back, or only one of the two columns of ids is
        there.

    Notes
    -----
    O(n), one pass, including the checks; holds a count and two times.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"t": [0, 500, 2_000], "first": [1, 2, 5], "last": [1, 4, 6]})
    >>> trades.select(rb.trade_intensity("t", "first", "last", time_unit="ms")).item()
    3.0
    >>> trades.select(rb.trade_intensity("t", time_unit="ms")).item()
    1.5
    """
    columns = {"timestamp": time, "first_trade_id": first_trade_id, "last_trade_id": last_trade_id}
    return statistic("trade_intensity", columns, time_unit, max_step)


def aggregation_density(
    first_trade_id: str | pl.Expr = "first_trade_id", last_trade_id: str | pl.Expr = "last_trade_id"
) -> pl.Expr:
    """
    Individual trades per row of the feed.

    `sum(last_trade_id - first_trade_id + 1) / rows`: how many fills the feed combined. It is a measure for feeds that
    aggregate trades, such as that of Binance, and has no paper.

    Parameters
    ----------
    first_trade_id, last_trade_id
        Columns of integers: the first and last individual trade of a row. They must exist: without ids a row is one
        trade.

    Returns
    -------
    Expr
        Float64 in trades per row, named `aggregation_density`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If a column is neither a name nor an expression.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or `last_trade_id` is below `first_trade_id` by more than
        one.

    Notes
    -----
    O(n), one pass; holds a count.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"first_trade_id": [1, 2], "last_trade_id": [1, 5]})
    >>> trades.select(rb.aggregation_density()).item()
    2.5
    """
    columns = {
        "first_trade_id": as_expression("first_trade_id", first_trade_id),
        "last_trade_id": as_expression("last_trade_id", last_trade_id),
    }
    return statistic("aggregation_density", columns)


def burstiness(
    time: str | pl.Expr = "timestamp",
    *,
    time_unit: TimeUnit | None = None,
    max_step: str | dt.timedelta | None = "14610d",
) -> pl.Expr:
    """
    How unevenly trades arrive: -1 like a clock, 0 at random, towards 1 in bursts.

    `(s - m) / (s + m)` of the mean `m` and the population standard deviation `s` of the times between trades. Goh and
    Barabási (2008), *Burstiness and memory in complex systems*.

    Parameters
    ----------
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    time_unit
        "ms", "us" or "ns" if `time` is Int64.
    max_step
        The longest step from one trade to the next, 40 years by default; a longer one is an error. None allows any
        step.

    Returns
    -------
    Expr
        Float64 without unit, named `burstiness`, one value per group. Null for fewer than three trades, or if all are
        at one time.

    Raises
    ------
    RangeBarError
        If `time_unit` is not one of the three, or `max_step` is not a duration.
    polars.exceptions.ComputeError
        If the column has the wrong dtype, a value is null, or time goes back.

    Notes
    -----
    O(n), one pass; holds a sum.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> times = pl.DataFrame({"even": [0, 10, 20, 30], "bursts": [0, 0, 0, 30]})
    >>> times.select(rb.burstiness("even", time_unit="us")).item()
    -1.0
    >>> round(times.select(rb.burstiness("bursts", time_unit="us")).item(), 4)
    0.1716
    """
    return statistic("burstiness", {"timestamp": time}, time_unit, max_step)
