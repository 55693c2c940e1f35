"""Renko bricks: the expression, and what both routes to bricks ask for."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl

from rangebar_polars._bars.request import Request
from rangebar_polars._bars.rules import Range
from rangebar_polars._common.messages import shown
from rangebar_polars._engine.plugin import register
from rangebar_polars._engine.trades import column_names, trades_struct
from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["brick_request", "renko"]


def renko(
    *,
    points: float | Decimal | None = None,
    dbps: int | None = None,
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    max_step: str | dt.timedelta | None = "14610d",
    time_unit: TimeUnit | None = None,
    price_decimals: int = 8,
) -> pl.Expr:
    """
    Renko bricks of prices: a Struct named `bricks`, one row per brick.

    With c the end of the last brick and x the size of a brick, a price at or above ``c + x`` completes a brick from c
    to ``c + x``, and a price at or below ``c - x`` one from c to ``c - x``; a price far away completes several. After
    a turn, the first x leads back over the last brick: the price has to move by 2 x, and the brick covers the second x.
    The first c is the first price, from which a brick of either direction takes x.

    Parameters
    ----------
    points
        x as a difference of prices. It is rounded to `price_decimals`, and must then be above zero.
    dbps
        x as a fraction of c, in decimal basis points, 1 to 100000 (1 dbps = 0.001 %, so 250 is 0.25 %), anew for each
        brick: `trunc(c * dbps / 100000)` in units of the last decimal. Give one of the two.
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    price
        Column of Float64, Float32, Decimal or any integer, above zero. Rounding to `price_decimals` may change a price
        by a millionth of it.
    max_step
        The longest step from one trade to the next, 40 years by default; a longer one is an error. None allows any
        step.
    time_unit
        "ms", "us" or "ns" if `time` is Int64.
    price_decimals
        Decimals of prices, 0 to 18: a price is a 64-bit integer of such units, so the largest is 9.22 with 18.

    Returns
    -------
    Expr
        Struct of `open` and `close` (Float64, in units of price), `direction` (Int8, 1 up and -1 down), `row` (UInt64)
        and `time` (dtype of `time`) of the trade that completed the brick; rows are counted from 0. Bricks are in the
        order of their trades, and those of one trade in the order in which its price passed them. No price, or none
        that is far enough from the first: no row.

    Raises
    ------
    RangeBarError
        If a parameter is invalid, or both sizes or none are given.
    polars.exceptions.ComputeError
        When the query runs, if a column has the wrong dtype, a value is null, a row breaks a rule, one trade completes
        more than 100,000 bricks, or a brick of `dbps` would be less than one unit of the last decimal.

    See Also
    --------
    LazyFrameRangeBar.renko : The same for many symbols, streamed.

    Notes
    -----
    Prices are compared as integers. A brick ends at its limit, not at the price of a trade that could be had:
    :func:`range_bars` has bars that close with a trade, and know volumes. With `points`, a brick begins where the one
    before ended, or after a turn where that one began.

    The input of the expression is gathered in memory, and the result too, up to 8,388,608 bricks. The cost is a few
    nanoseconds per trade.

    References
    ----------
    Nison (1994), Beyond Candlesticks.

    Examples
    --------
    Two bricks at once; one back is not enough for a turn, two are:

    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": [1, 2, 3, 4], "price": [10.0, 12.5, 11.5, 9.9]})
    >>> trades.select(rb.renko(points=1, time_unit="ms")).unnest("bricks")
    shape: (3, 5)
    ┌──────┬───────┬───────────┬─────┬──────┐
    │ open ┆ close ┆ direction ┆ row ┆ time │
    │ ---  ┆ ---   ┆ ---       ┆ --- ┆ ---  │
    │ f64  ┆ f64   ┆ i8        ┆ u64 ┆ i64  │
    ╞══════╪═══════╪═══════════╪═════╪══════╡
    │ 10.0 ┆ 11.0  ┆ 1         ┆ 1   ┆ 2    │
    │ 11.0 ┆ 12.0  ┆ 1         ┆ 1   ┆ 2    │
    │ 11.0 ┆ 10.0  ┆ -1        ┆ 3   ┆ 4    │
    └──────┴───────┴───────────┴─────┴──────┘
    """
    request = brick_request(
        points,
        dbps,
        time=time,
        price=price,
        max_step=max_step,
        time_unit=time_unit,
        price_decimals=price_decimals,
    )
    prices = trades_struct(request.names)
    return register("renko", prices, replace(request, names=column_names(request.names)).to_dict()).alias("bricks")


def brick_request(points: float | Decimal | None, dbps: int | None, **options: Any) -> Request:  # noqa: ANN401
    """A request whose rule is the size of a brick."""
    if (points is None) == (dbps is None):
        msg = (
            f"`renko` takes either `points` or `dbps`, got {shown(points)} and {shown(dbps)}: renko(points=0.25) or "
            "renko(dbps=250)"
        )
        raise RangeBarError(msg)
    request = Request.of(Range(dbps, points=points), features=[], **options)
    request.columns  # noqa: B018  # the library's check of the values
    return request
