"""The label of the barrier that is touched first."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

import polars as pl

from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_choice, check_count, check_max_time, check_time_unit
from rangebar_polars._engine.plugin import register
from rangebar_polars._engine.trades import as_expression, column_names, trades_struct
from rangebar_polars._typing import Entry, TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["triple_barrier"]

_Both: TypeAlias = Literal["stop", "null"]

_Barrier: TypeAlias = float | Decimal | str | pl.Expr | None


def triple_barrier(
    take_profit: _Barrier = None,
    stop_loss: _Barrier = None,
    *,
    max_bars: int | None = None,
    max_time: str | dt.timedelta | None = None,
    entry: Entry = "close",
    both: _Both = "stop",
    open: str | pl.Expr = "open",  # noqa: A002  # the names of the columns
    high: str | pl.Expr = "high",
    low: str | pl.Expr = "low",
    close: str | pl.Expr = "close",
    open_time: str | pl.Expr = "open_time",
    close_time: str | pl.Expr = "close_time",
    high_time: str | pl.Expr | None = "high_time",
    low_time: str | pl.Expr | None = "low_time",
    time_unit: TimeUnit | None = None,
) -> pl.Expr:
    """
    Label of each bar: which of three barriers the bars after it touch first.

    The entry of bar i is at its close, or at the open of bar i + 1. The upper barrier is `entry * (1 + take_profit)`,
    the lower one `entry * (1 - stop_loss)`. Of the bars i + 1, i + 2, ..., the first with `high >= upper` or
    `low <= lower` decides. If there is none within `max_bars` bars, or until the last bar that closes within `max_time`
    of the entry, the third barrier ends the label at the close of that bar.

    Parameters
    ----------
    take_profit, stop_loss
        Distance of a barrier as a fraction of the entry price, 0.01 for one percent: a number, or a column or an
        expression with one for each bar, such as a multiple of a volatility. At least zero. None: no such barrier, as
        infinity is for a single bar. One of the two must be given.
    max_bars
        Bars after that of the label until the third barrier, 1 to 4294967295.
    max_time
        Time after the entry until the third barrier: a Polars duration string ("4h"; "1d" is 24 hours, "1mo" a calendar
        month in UTC) or a timedelta. The entry is at the `close_time` of the bar, or at the `open_time` of the next.
        One of `max_bars` and `max_time` must be given; of both, the one that comes first counts.
    entry
        "close", or "open" for the open of the next bar, at which one can really trade.
    both
        What a bar is that touches both barriers, if times do not tell which came first: "stop", the worse, or "null",
        no label.
    open, high, low, close
        Columns of Float64, Float32, Decimal or any integer, finite and above zero.
    open_time
        Column of the times at which bars open, which only ``entry="open"`` with `max_time` reads. Must not go back.
    close_time
        Column of Datetime (any unit and zone), or of Int64. Must not go back.
    high_time, low_time
        Columns of the times at which bars first were at their high and low, both or neither, as bars with
        ``intra=True`` have. Used if they exist; None ignores them.
    time_unit
        "ms", "us" or "ns" if the times are Int64, which `max_time` needs.

    Returns
    -------
    Expr
        Struct named `triple_barrier`, as long as the input:

        - `label` (Int8): 1 take profit, -1 stop loss, 0 the third barrier.
        - `barrier` (Enum): "take_profit", "stop_loss" or "time".
        - `exit_bars` (UInt32): bars from the bar of the label to the one that decided.
        - `exit_time` (dtype of `close_time`): close time of the bar that decided, when the label is known.
        - `return` (Float64): price of the exit / entry - 1, a fraction. The price is that of the barrier, or the open
          of the bar if that is already beyond it; at the third barrier it is the close.

        The Struct and all its fields are null where the data end before the label is known, where a distance is null,
        where ``both="null"`` applies, and where with ``entry="open"`` the next bar does not close within `max_time`.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.
    polars.exceptions.ComputeError
        When the query runs, if a column is missing or has the wrong dtype, a price or time is null or breaks its rule,
        a low is above its high, a distance is negative or NaN, or time goes back.

    See Also
    --------
    forward_return : The return to the n-th bar after, whatever lies between.
    purged_splits : Splits in which no training label reaches into the test set.

    Notes
    -----
    This is a label, not a feature: it looks ahead. Nothing before the bar of the entry has a say, and nothing after the
    bar that decides, but for one fact: that a third barrier in time has passed is only told by a bar that closes later.

    Where one bar touches both barriers, `high_time` and `low_time` decide if both are there and differ, even if the bar
    opens beyond a barrier; otherwise `both` decides. They are the times of the extremes: a bar that touches the upper
    barrier, then the lower, then goes on to its high, is a stop.

    With ``entry="close"`` and no later bar within `max_time`, the third barrier is at the bar itself: `exit_bars` 0,
    `return` 0. Barriers are doubles and not rounded to decimals: 10 % above 1.1 is 1.2100000000000002, which a high of
    1.21 does not touch.

    Bars are taken in the order of rows. Keep groups apart with ``.over("symbol")``. Linear up to a logarithm in the
    number of bars, O(n log n), however far ahead the third barrier is; the columns are gathered in memory.

    Source: the triple-barrier method of López de Prado (2018), *Advances in Financial Machine Learning*, chapter 3.

    Examples
    --------
    The price of the first bar rises by 2 %, that of the second falls by 1.9 %, that of the third does neither within
    two bars, and of the last two nothing is known yet:

    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = pl.DataFrame(
    ...     {
    ...         "open": [100, 100, 101, 100, 100],
    ...         "high": [100, 101, 102, 100, 100],
    ...         "low": [100, 100, 99, 100, 100],
    ...         "close": [100, 101, 100, 100, 100],
    ...         "close_time": [10, 20, 30, 40, 50],
    ...     }
    ... )
    >>> bars.select(rb.triple_barrier(0.02, 0.019, max_bars=2)).unnest("triple_barrier")
    shape: (5, 5)
    ┌───────┬─────────────┬───────────┬───────────┬────────┐
    │ label ┆ barrier     ┆ exit_bars ┆ exit_time ┆ return │
    │ ---   ┆ ---         ┆ ---       ┆ ---       ┆ ---    │
    │ i8    ┆ enum        ┆ u32       ┆ i64       ┆ f64    │
    ╞═══════╪═════════════╪═══════════╪═══════════╪════════╡
    │ 1     ┆ take_profit ┆ 2         ┆ 30        ┆ 0.02   │
    │ -1    ┆ stop_loss   ┆ 1         ┆ 30        ┆ -0.019 │
    │ 0     ┆ time        ┆ 2         ┆ 50        ┆ 0.0    │
    │ null  ┆ null        ┆ null      ┆ null      ┆ null   │
    │ null  ┆ null        ┆ null      ┆ null      ┆ null   │
    └───────┴─────────────┴───────────┴───────────┴────────┘

    Barriers at twice the volatility that was known at the bar, at most a day ahead, entered at the next open:

    >>> volatility = pl.col("close").log().diff().rolling_std(50)
    >>> trades = rb.datasets.sample_trades(100_000, symbols=["BTCUSDT", "ETHUSDT"])
    >>> bars = trades.rangebar.bars(50, by="symbol", intra=True)
    >>> label = rb.triple_barrier(2 * volatility, 2 * volatility, max_time="1d", entry="open").over("symbol")
    >>> labelled = bars.with_columns(label).drop_nulls("triple_barrier").unnest("triple_barrier")
    >>> 0 < labelled.height < bars.height
    True
    """
    check_choice("entry", entry, get_args(Entry))
    check_choice("both", both, get_args(_Both))
    if take_profit is None and stop_loss is None:
        msg = "`take_profit` and `stop_loss` are both None: give one of them, or use `forward_return`"
        raise RangeBarError(msg)
    if max_bars is None and max_time is None:
        msg = "the third barrier is missing: give `max_bars`, `max_time` or both"
        raise RangeBarError(msg)
    bars: dict[str, str | pl.Expr | None] = {
        "open": open,
        "high": high,
        "low": low,
        "close": close,
        "close_time": close_time,
        "high_time": high_time,
        "low_time": low_time,
    }
    as_expression("open_time", open_time)  # a wrong one is told where it is not read, too
    if entry == "open" and max_time is not None:
        bars["open_time"] = open_time
    numbers: dict[str, float | None] = {}
    for name, distance in (("take_profit", take_profit), ("stop_loss", stop_loss)):
        if isinstance(distance, str | pl.Expr):
            bars[name] = as_expression(name, distance)
            numbers[name] = None
        else:
            numbers[name] = _distance(name, distance)
    required = sorted(set(bars) - {"high_time", "low_time"})
    fields = trades_struct(bars, required)
    kwargs = {
        "names": column_names(bars),
        **numbers,
        "max_bars": None if max_bars is None else check_count("max_bars", max_bars),
        "max_time": check_max_time(max_time),
        "time_unit": check_time_unit(time_unit),
        "entry": entry,
        "both": both,
    }
    return register("triple_barrier", fields, kwargs).alias("triple_barrier")


def _distance(name: str, value: float | Decimal | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not value >= 0:
        msg = (
            f"`{name}` must be a number of at least 0, a column name, an expression or None, got {shown(value)}: "
            "it is a distance as a fraction of the price of the entry"
        )
        raise RangeBarError(msg)
    return math.inf if value > 10**300 else float(value)
