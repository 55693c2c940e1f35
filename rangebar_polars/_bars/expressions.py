"""Range bars as expressions, for `select`, `group_by().agg()` and `over()`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl

from rangebar_polars._bars.lookback import Lookback
from rangebar_polars._bars.old_names import knows_old_names
from rangebar_polars._bars.request import Request, Threshold
from rangebar_polars._common.parameters import check_one_threshold
from rangebar_polars._common.sessions import Reset
from rangebar_polars._engine.plugin import register
from rangebar_polars._engine.trades import column_names, trades_struct
from rangebar_polars._typing import BarFeature, MissingSide, PluginFunction, TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["range_bar_id", "range_bars"]


@knows_old_names
def range_bars(
    threshold_dbps: Threshold | Sequence[Threshold],
    *,
    intra: bool = False,
    lookback: Lookback | None = None,
    features: Sequence[BarFeature] | None = None,
    reset: Reset | None = None,
    max_gap: str | dt.timedelta | None = None,
    max_step: str | dt.timedelta | None = "14610d",
    include_incomplete: bool = False,
    include_orphans: bool = False,
    same_timestamp_gate: bool = True,
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    missing_side: MissingSide = "error",
    agg_trade_id: str | pl.Expr | None = "agg_trade_id",
    first_trade_id: str | pl.Expr | None = "first_trade_id",
    last_trade_id: str | pl.Expr | None = "last_trade_id",
    time_unit: TimeUnit | None = None,
    price_decimals: int = 8,
    footprint: float | Decimal | None = None,
    aggs: object = (),
    feature_sets: object = (),
    include_session: bool = False,
) -> pl.Expr:
    """
    Range bars of trades: a Struct named `bars`, one row per bar.

    A bar opens with a trade and closes with the first later trade whose price is at or beyond
    `open ± trunc(open * threshold_dbps / 100000)`; the closing trade belongs to the bar it closes, and the
    next trade opens the next bar. Prices are exact in `price_decimals`, quantities in eight decimals, sums are exact
    integers.

    Parameters
    ----------
    threshold_dbps
        Distance of the limits from the open in decimal basis points, 1 to 100000 (1 dbps = 0.001 %, so 250 is 0.25 %);
        or a rule, such as ``rb.Range(points=0.25)``; or a list of either, whose bars come together with their threshold
        in the field `threshold_dbps`, or their rule in `rule` if one is not a threshold.
    intra
        Whether to add the statistics of each bar's own trades after the ten features: `intra_*`, `high_time`,
        `low_time`.
    lookback
        How far back the statistics of the trades before each bar reach, `lookback_*`: a number of trades, a length of
        time ("5m" or a timedelta), or :class:`Bars`. They look at trades strictly older than the bar's open, and not
        beyond a reset or gap.
    features
        Feature columns, in this order; by default the ten and those of `intra` and `lookback`; none with `[]`.
    reset
        Period at whose end bars end: "1d", "1w", "1mo" or "1y", in UTC, weeks from Sunday; or days or weeks of a place,
        such as ``rb.Daily(at="18:00", zone="America/New_York")``.
    max_gap
        The longest time between two trades of one bar: a Polars duration string ("40h", "1d12h") or a timedelta.
    max_step
        The longest step from one trade to the next, 40 years by default; a longer one is an error. None allows any
        step.
    include_incomplete
        Whether to append the bar that is still forming at the end, with `close_reason` "end".
    include_orphans
        Whether to include bars that a reset or a gap ended, with `close_reason` "reset" or "gap".
    same_timestamp_gate
        Whether a trade at the same time as the bar's open cannot close it.
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    price, quantity
        Columns of Float64, Float32, Decimal or any integer. Price is above zero, quantity at least zero and
        at most 1e15. Rounding to `price_decimals` may change a price by a millionth of it, rounding to eight decimals a
        quantity by a thousandth.
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor.
    missing_side
        What to do with trades whose side is null: "error", or "null", which makes what needs the side null in the bars,
        and for the windows, that hold such a trade.
    agg_trade_id
        Column of integers that strictly increase within one time; without it, rows are numbered.
    first_trade_id, last_trade_id
        Columns of integers: the first and last individual trade of a row; without them a row is one trade.
    time_unit
        "ms", "us" or "ns" if `time` is Int64.
    price_decimals
        Decimals of prices, 0 to 18: a price is a 64-bit integer of such units, so the largest is 9.22 with 18.
    footprint
        A tick, above zero in units of the price: the height of the levels at which `footprint` counts what was bought
        and sold. An int, float or Decimal, rounded to `price_decimals`. Needs the column of sides, unless
        `missing_side` is "null".
    aggs, feature_sets
        Refused: an expression cannot run another one over its rows. ``lf.rangebar.bars`` takes them.
    include_session
        Whether to add the field `session`, the date of the period of `reset` that the bar is in, as for
        :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Struct of `open_time` and `close_time` (dtype of `time`), `open`, `high`, `low`, `close`, `volume`, `turnover`,
        `vwap` (Float64), `individual_trade_count`, `agg_record_count` (UInt64), `first_trade_id`, `last_trade_id`,
        `first_agg_trade_id`, `last_agg_trade_id` (Int64), `buy_volume`, `sell_volume`, `buy_turnover`, `sell_turnover`
        (Float64), `buy_trade_count`, `sell_trade_count` (UInt64), `close_reason` (Enum), `threshold_dbps` (UInt32) if a
        list was given, `session` (Date) if it is asked for, the features, which `docs/columns.md` defines, and with
        `footprint` the eleven columns from `footprint` to `stacked_down`, which `docs/footprint.md` defines. Bars are
        in the order of the rows that ended them: the closing trade, or the first trade after an orphan. What needs the
        side is null if `is_buyer_maker` is absent, or where it is null.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.
    polars.exceptions.ComputeError
        When the query runs, if a column has the wrong dtype, a value is null, or a row breaks a rule.

    Notes
    -----
    The optional columns may be missing under their default names; a column given under another name must exist. The
    input of the expression is gathered in memory: for data larger than memory use ``lf.rangebar.bars``, which gives the
    same bars. The cost is a few nanoseconds per trade.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame(
    ...     {
    ...         "symbol": ["A", "A", "A", "B", "B"],
    ...         "timestamp": [1, 2, 3, 1, 2],
    ...         "price": [100.0, 100.2, 100.3, 50.0, 49.0],
    ...         "quantity": [1.0, 2.0, 3.0, 4.0, 5.0],
    ...     }
    ... ).cast({"timestamp": pl.Datetime("ms")})
    >>> bars = trades.group_by("symbol", maintain_order=True).agg(rb.range_bars(250, features=[]))
    >>> bars.explode("bars").unnest("bars").select("symbol", "open", "close", "volume")
    shape: (2, 4)
    ┌────────┬───────┬───────┬────────┐
    │ symbol ┆ open  ┆ close ┆ volume │
    │ ---    ┆ ---   ┆ ---   ┆ ---    │
    │ str    ┆ f64   ┆ f64   ┆ f64    │
    ╞════════╪═══════╪═══════╪════════╡
    │ A      ┆ 100.0 ┆ 100.3 ┆ 6.0    │
    │ B      ┆ 50.0  ┆ 49.0  ┆ 9.0    │
    └────────┴───────┴───────┴────────┘
    """
    for name, given in (("aggs", aggs), ("feature_sets", feature_sets)):
        if given is not None and not (isinstance(given, Sequence) and not given):
            msg = (
                f"`{name}` cannot be computed by an expression, which sees only its own columns: use "
                f"`lf.rangebar.bars(..., {name}=...)`, or `range_bar_id` and `group_by`"
            )
            raise RangeBarError(msg)
    request = Request.of(
        threshold_dbps,
        intra=intra,
        lookback=lookback,
        features=features,
        reset=reset,
        max_gap=max_gap,
        max_step=max_step,
        include_incomplete=include_incomplete,
        include_orphans=include_orphans,
        same_timestamp_gate=same_timestamp_gate,
        time=time,
        price=price,
        quantity=quantity,
        is_buyer_maker=is_buyer_maker,
        missing_side=missing_side,
        agg_trade_id=agg_trade_id,
        first_trade_id=first_trade_id,
        last_trade_id=last_trade_id,
        time_unit=time_unit,
        price_decimals=price_decimals,
        footprint=footprint,
        include_session=include_session,
    )
    return _bars(request, "range_bars").alias("bars")


@knows_old_names
def range_bar_id(
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    *,
    threshold_dbps: Threshold,
    reset: Reset | None = None,
    max_gap: str | dt.timedelta | None = None,
    max_step: str | dt.timedelta | None = "14610d",
    same_timestamp_gate: bool = True,
    quantity: str | pl.Expr | None = None,
    is_buyer_maker: str | pl.Expr | None = None,
    agg_trade_id: str | pl.Expr | None = None,
    first_trade_id: str | pl.Expr | None = None,
    last_trade_id: str | pl.Expr | None = None,
    time_unit: TimeUnit | None = None,
    price_decimals: int = 8,
) -> pl.Expr:
    """
    Number of the range bar that each trade is in: UInt64, from 0, same length as the input.

    The bars are those of :func:`range_bars`; forming bars and orphans have numbers too. Group by the number to
    aggregate anything over the trades of each bar.

    Parameters
    ----------
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    price
        Column of Float64, Float32, Decimal or any integer, above zero.
    threshold_dbps
        Distance of the limits from the open in decimal basis points, 1 to 100000 (250 is 0.25 %); or a rule.
    reset
        Period with which bars end: "1d", "1w", "1mo" or "1y", in UTC, weeks from Sunday, or :class:`Daily` or
        :class:`Weekly`.
    max_gap
        The longest time between two trades of one bar: a Polars duration string ("40h", "1d12h") or a timedelta.
    max_step
        The longest step from one trade to the next, 40 years by default; a longer one is an error. None allows any
        step.
    same_timestamp_gate
        Whether a trade at the same time as the bar's open cannot close it.
    quantity, is_buyer_maker
        Columns of the quantity and of the side, which only some rules need, and these refuse to do without.
    agg_trade_id
        Column of integers that must strictly increase within one time; only checked.
    first_trade_id, last_trade_id
        Columns of integers, which `Ticks(n, of="trades")` counts by; without them each row is one trade.
    time_unit
        "ms", "us" or "ns" if `time` is Int64.
    price_decimals
        Decimals of prices, 0 to 18: a price is a 64-bit integer of such units, so the largest is 9.22 with 18.

    Returns
    -------
    Expr
        UInt64, named `bar_id`.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.
    polars.exceptions.ComputeError
        When the query runs, if a column has the wrong dtype, a value is null, or a row breaks a rule.

    Notes
    -----
    Use it with ``over`` for several symbols. The input is gathered in memory; ``lf.rangebar.with_bar_id`` does the
    same, streamed.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame(
    ...     {"symbol": ["A", "B", "A", "A", "B"], "t": [1, 1, 2, 3, 4], "p": [100.0, 50.0, 101.0, 101.0, 50.0]}
    ... )
    >>> bar = rb.range_bar_id("t", "p", threshold_dbps=250, time_unit="us").over("symbol")
    >>> trades.with_columns(bar=bar)["bar"].to_list()
    [0, 0, 0, 1, 0]
    """
    check_one_threshold(threshold_dbps)
    optional = {
        "quantity": quantity,
        "is_buyer_maker": is_buyer_maker,
        "first_trade_id": first_trade_id,
        "last_trade_id": last_trade_id,
    }
    named: Any = {name: column for name, column in optional.items() if column is not None}
    request = Request.of(
        threshold_dbps,
        **named,
        features=[],
        reset=reset,
        max_gap=max_gap,
        max_step=max_step,
        same_timestamp_gate=same_timestamp_gate,
        time=time,
        price=price,
        agg_trade_id=agg_trade_id,
        time_unit=time_unit,
        price_decimals=price_decimals,
    )
    return _bars(request, "range_bar_id").alias("bar_id")


def _bars(request: Request, function: PluginFunction) -> pl.Expr:
    """A request over the columns that its parts name."""
    request.columns  # noqa: B018  # the library's check of the values
    trades = trades_struct(request.names)
    return register(function, trades, replace(request, names=column_names(request.names)).to_dict())
