"""Range bars as expressions, for `select`, `group_by().agg()` and `over()`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._parameters import bar_parameters, check_features, check_flag, check_one_threshold
from rangebar_polars._plugin import register
from rangebar_polars._trades import column_names, trades_struct
from rangebar_polars._typing import BarFeature, Reset, TimeUnit
from rangebar_polars.lookback import Lookback, check_lookback

__all__ = ["range_bar_id", "range_bars"]


def range_bars(
    threshold_dbps: int | Sequence[int],
    *,
    intra: bool = False,
    lookback: Lookback | None = None,
    features: Sequence[BarFeature] | None = None,
    reset: Reset | None = None,
    max_gap: str | dt.timedelta | None = None,
    include_incomplete: bool = False,
    include_orphans: bool = False,
    same_timestamp_gate: bool = True,
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    agg_trade_id: str | pl.Expr | None = "agg_trade_id",
    first_trade_id: str | pl.Expr | None = "first_trade_id",
    last_trade_id: str | pl.Expr | None = "last_trade_id",
    time_unit: TimeUnit | None = None,
) -> pl.Expr:
    """
    Range bars of trades: a Struct named `bars`, one row a bar.

    A bar opens with a trade and closes with the first later trade whose price is at or beyond
    `open ± trunc(open * threshold_dbps / 100000)`; the closing trade belongs to the bar it closes, and the
    next trade opens the next bar. Prices and quantities are exact in eight decimals, sums are exact integers.

    Parameters
    ----------
    threshold_dbps
        Distance of the limits from the open in decimal basis points, 1 to 100000 (1 dbps = 0.001 %, so 250 is
        0.25 %); or a list of them, whose bars stand together and name theirs in `threshold_dbps`.
    intra
        Whether the statistics of each bar's own trades follow the ten features: `intra_*`, `high_time`, `low_time`.
    lookback
        How far back the statistics of the trades before each bar reach, `lookback_*`: so many trades, a length of time
        ("5m" or a timedelta), or :class:`Bars`. They look at trades strictly older than the bar's open.
    features
        Feature columns, in this order; by default the ten and those of `intra` and `lookback`, none with `[]`.
    reset
        Calendar period with which bars end: "1d", "1w", "1mo" or "1y", in UTC, weeks from Sunday.
    max_gap
        The longest time between two trades of one bar: a Polars duration string ("40h", "1d12h") or a timedelta.
    include_incomplete
        Whether the bar still forming at the end follows, with `close_reason` "end".
    include_orphans
        Whether bars that a reset or a gap ended are among them, with `close_reason` "reset" or "gap".
    same_timestamp_gate
        Whether a trade at the very time of the bar's open cannot close it.
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    price, quantity
        Columns of Float64, Float32, Decimal or any integer. Price is above zero, quantity at least zero and
        at most 1e15.
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor.
    agg_trade_id
        Column of integers that strictly increase within one time; without it the row number counts.
    first_trade_id, last_trade_id
        Columns of integers, the individual trades of a row; without them a row is one trade.
    time_unit
        "ms", "us" or "ns" where `time` is Int64.

    Returns
    -------
    Expr
        Struct of `open_time` and `close_time` (dtype of `time`), `open`, `high`, `low`, `close`, `volume`,
        `turnover`, `vwap` (Float64), `individual_trade_count`, `agg_record_count` (UInt64), `first_trade_id`,
        `last_trade_id`, `first_agg_trade_id`, `last_agg_trade_id` (Int64), `buy_volume`, `sell_volume`,
        `buy_turnover`, `sell_turnover` (Float64), `buy_trade_count`, `sell_trade_count` (UInt64),
        `close_reason` (Enum), `threshold_dbps` (UInt32) where a list was given, and the features, which
        `docs/columns.md` defines. Bars stand in the order of the rows that ended them: the closing trade, or the first
        trade behind an orphan. What needs the side is null where `is_buyer_maker` is absent.

    Raises
    ------
    RangeBarError
        If a parameter is not what it must be.
    polars.exceptions.ComputeError
        When the query runs, if a column has the wrong dtype, a value is null, or a row breaks a rule.

    Notes
    -----
    The optional columns under their default names may be missing; a column given otherwise must exist.
    The input of the expression is gathered in memory: for data larger than memory use
    ``lf.rangebar.bars``, which gives the same bars. The cost is a few nanoseconds a trade.

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
    reach = check_lookback(lookback)
    wanted = check_features(features)
    table = _internal.bar_columns(wanted, intra=check_flag("intra", intra), lookback=reach is not None)
    columns = {
        "timestamp": time,
        "price": price,
        "quantity": quantity,
        "is_buyer_maker": is_buyer_maker,
        "agg_trade_id": agg_trade_id,
        "first_trade_id": first_trade_id,
        "last_trade_id": last_trade_id,
    }
    trades = trades_struct(columns)
    bars = bar_parameters(
        threshold_dbps, same_timestamp_gate=same_timestamp_gate, reset=reset, max_gap=max_gap, time_unit=time_unit
    )
    kwargs = {
        "trades": {"bars": bars, "names": column_names(columns)},
        "features": [name for name, is_feature, _ in table if is_feature],
        "intra": intra,
        "lookback": reach,
        "include_incomplete": check_flag("include_incomplete", include_incomplete),
        "include_orphans": check_flag("include_orphans", include_orphans),
    }
    return register("range_bars", trades, kwargs).alias("bars")


def range_bar_id(
    time: str | pl.Expr = "timestamp",
    price: str | pl.Expr = "price",
    *,
    threshold_dbps: int,
    reset: Reset | None = None,
    max_gap: str | dt.timedelta | None = None,
    same_timestamp_gate: bool = True,
    agg_trade_id: str | pl.Expr | None = None,
    time_unit: TimeUnit | None = None,
) -> pl.Expr:
    """
    Number of the range bar that each trade is in: UInt64, from 0, same length as the input.

    The bars are those of :func:`range_bars`; the bar still forming and the orphans have numbers too. Group by
    the number to aggregate anything over the trades of each bar.

    Parameters
    ----------
    time
        Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back.
    price
        Column of Float64, Float32, Decimal or any integer, above zero.
    threshold_dbps
        Distance of the limits from the open in decimal basis points, 1 to 100000 (250 is 0.25 %).
    reset
        Calendar period with which bars end: "1d", "1w", "1mo" or "1y", in UTC, weeks from Sunday.
    max_gap
        The longest time between two trades of one bar: a Polars duration string ("40h", "1d12h") or a timedelta.
    same_timestamp_gate
        Whether a trade at the very time of the bar's open cannot close it.
    agg_trade_id
        Column of integers that must strictly increase within one time; only checked.
    time_unit
        "ms", "us" or "ns" where `time` is Int64.

    Returns
    -------
    Expr
        UInt64, named `bar_id`.

    Raises
    ------
    RangeBarError
        If a parameter is not what it must be.
    polars.exceptions.ComputeError
        When the query runs, if a column has the wrong dtype, a value is null, or a row breaks a rule.

    Notes
    -----
    Use it with ``over`` for several symbols. The input is gathered in memory; ``lf.rangebar.with_bar_id`` is
    the same, streamed.

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
    columns = {"timestamp": time, "price": price, "agg_trade_id": agg_trade_id}
    bars = bar_parameters(
        threshold_dbps, same_timestamp_gate=same_timestamp_gate, reset=reset, max_gap=max_gap, time_unit=time_unit
    )
    kwargs = {"trades": {"bars": bars, "names": column_names(columns)}}
    return register("range_bar_id", trades_struct(columns), kwargs).alias("bar_id")
