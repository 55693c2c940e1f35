"""The methods of a LazyFrame: bars of trades, and what bars are handed on to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from rangebar_polars._bars.book import BookRequest
from rangebar_polars._bars.feature_sets import FeatureSet
from rangebar_polars._bars.lookback import Lookback
from rangebar_polars._bars.old_names import knows_old_names
from rangebar_polars._bars.own_features import OwnFeatures
from rangebar_polars._bars.renko import brick_request
from rangebar_polars._bars.request import Request, Threshold
from rangebar_polars._bars.scan import scan_bar_ids, scan_bars, scan_bricks
from rangebar_polars._bars.scan_book import scan_book
from rangebar_polars._bars.state import BarState
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.parameters import check_one_threshold
from rangebar_polars._common.sessions import Reset
from rangebar_polars._typing import (
    BarFeature,
    BookFeature,
    BookSampling,
    By,
    Crossed,
    Holes,
    MissingSide,
    Overlap,
    TimeUnit,
)

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from rangebar_polars.plotting import Axis, Theme


__all__ = ["LazyFrameRangeBar"]


@pl.api.register_lazyframe_namespace("rangebar")
class LazyFrameRangeBar:
    """Range bars of a LazyFrame of trades, and methods for a LazyFrame of bars."""

    def __init__(self, frame: pl.LazyFrame) -> None:
        self._frame = lazy_frame("LazyFrameRangeBar", frame)

    @knows_old_names
    def bars(
        self,
        threshold_dbps: Threshold | Sequence[Threshold],
        *,
        by: By = None,
        intra: bool = False,
        lookback: Lookback | None = None,
        features: Sequence[BarFeature] | None = None,
        reset: Reset | None = None,
        max_gap: str | dt.timedelta | None = None,
        max_step: str | dt.timedelta | None = "14610d",
        include_incomplete: bool = False,
        include_orphans: bool = False,
        same_timestamp_gate: bool = True,
        time: str = "timestamp",
        price: str = "price",
        quantity: str = "quantity",
        is_buyer_maker: str | None = "is_buyer_maker",
        missing_side: MissingSide = "error",
        agg_trade_id: str | None = "agg_trade_id",
        first_trade_id: str | None = "first_trade_id",
        last_trade_id: str | None = "last_trade_id",
        time_unit: TimeUnit | None = None,
        price_decimals: int = 8,
        state: BarState | bytes | None = None,
        overlap: Overlap = "error",
        progress: bool = False,
        footprint: float | Decimal | None = None,
        aggs: pl.Expr | Sequence[pl.Expr] = (),
        feature_sets: FeatureSet | str | Sequence[FeatureSet | str] = (),
        include_session: bool = False,
    ) -> pl.LazyFrame:
        """
        Range bars of trades, streamed.

        A bar opens with a trade and closes with the first later trade whose price is at or beyond
        `open ± trunc(open * threshold_dbps / 100000)`; the closing trade belongs to the bar it closes, and the
        next trade opens the next bar. Prices are exact in `price_decimals`, quantities in eight decimals, sums are
        exact integers: the result does not depend on how the input is chunked, on the engine or on the number of
        threads.

        Parameters
        ----------
        threshold_dbps
            Distance of the limits from the open in decimal basis points, 1 to 100000 (1 dbps = 0.001 %, so 250 is
            0.25 %); or a rule, such as ``rb.Range(points=0.25)``; or a list of either, whose bars come in one pass with
            their threshold in the column `threshold_dbps`, or their rule in `rule` if one is not a threshold.
        by
            Name or names of key columns; each key has its own bars. Any hashable dtype; rows of different keys may
            interleave. Null is a key like any other.
        intra
            Whether to add the statistics of each bar's own trades after the ten features: `intra_*`, `high_time`,
            `low_time`.
        lookback
            How far back the statistics of the trades before each bar reach, `lookback_*`: a number of trades, a length
            of time ("5m" or a timedelta), or :class:`Bars`. They look at trades strictly older than the bar's open, and
            not beyond a reset or gap.
        features
            Feature columns, in this order; by default the ten and those of `intra` and `lookback`; none with `[]`. The
            features of `intra` may be named without it.
        reset
            Period at whose end bars end: "1d", "1w", "1mo" or "1y", in UTC, weeks from Sunday; or days or weeks of a
            place, such as ``rb.Daily(at="18:00", zone="America/New_York")``. The first trade of a period opens a bar,
            so bars do not depend on where the data began.
        max_gap
            The longest time between two trades of one bar: a Polars duration string ("40h", "1d12h"; months are
            calendar months in UTC) or a timedelta. A later trade opens a bar.
        max_step
            The longest step from one trade of a group to the next, written as for `max_gap`; a longer one is an error,
            since it usually means a clock in two units. 40 years of 365.25 days by default; None allows any step.
        include_incomplete
            Whether to append the bars that are still forming at the end, with `close_reason` "end".
        include_orphans
            Whether to include bars that a reset or a gap ended, with `close_reason` "reset" or "gap".
        same_timestamp_gate
            Whether a trade at the same time as the bar's open cannot close it.
        time
            Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back within a
            group.
        price, quantity
            Columns of Float64, Float32, Decimal or any integer. Price is above zero, quantity at least zero and at
            most 1e15. Rounding to `price_decimals` may change a price by a millionth of it, rounding to eight decimals
            a quantity by a thousandth.
        is_buyer_maker
            Column of Boolean, true where the seller was the aggressor; None ignores it.
        missing_side
            What to do with trades whose side is null: "error", or "null", which makes what needs the side null in the
            bars, and for the windows, that hold such a trade.
        agg_trade_id
            Column of integers that strictly increase within one time of a group; without it, rows are numbered within
            the group. None ignores it.
        first_trade_id, last_trade_id
            Columns of integers: the first and last individual trade of a row; without them a row is one trade. None
            ignores them.
        time_unit
            "ms", "us" or "ns" if `time` is Int64.
        price_decimals
            Decimals of prices, 0 to 18: a price is a 64-bit integer of such units, so more of them hold smaller prices,
            and the largest price is 92,233,720,368.54775807 with eight and 9.22 with 18.
        state
            Where the bars continue from: a :class:`BarState`, which also holds the new state once the query has run, or
            the bytes of a checkpoint.
        overlap
            What to do with trades that the state has already seen: "error", or "skip", which drops exactly those and
            needs `agg_trade_id`.
        progress
            Whether a progress bar on stderr, or in the notebook, shows the trades read so far and the time reached
            while the query runs; it needs tqdm. The total is shown where counting costs no reading, as for unfiltered
            Parquet, where only the footers are read.
        footprint
            A tick, above zero in units of the price: the height of the levels at which `footprint` counts what was
            bought and sold. An int, float or Decimal, rounded to `price_decimals`. Adds the columns `footprint` to
            `stacked_down`; needs the column of sides, unless `missing_side` is "null".
        aggs
            Aggregations of your own over the trades of each bar, one expression or several, such as
            ``pl.col("price").std().alias("price_std")``: any that has one value, over any columns of the input. Their
            columns follow the features.
        feature_sets
            Features of your own with a name and a version: each a :class:`FeatureSet`, or the name of one that an
            installed package offers. Their columns come last, as `name__x`.
        include_session
            Whether to add the column `session`, the date of the period of `reset` that the bar is in: for
            :class:`Daily` and :class:`Weekly` the one that `named_by` says, for the others the first day in UTC.

        Returns
        -------
        LazyFrame
            One row per bar, in the order of the trades that ended them (the closing trade, or the first trade after an
            orphan; if one trade touches several thresholds, in the order of these), then the forming bars by first
            appearance of their group: the key columns, `open_time` and `close_time` (dtype of `time`), `open`, `high`,
            `low`, `close`, `volume`, `turnover`, `vwap` (Float64), `individual_trade_count`, `agg_record_count`
            (UInt64), `first_trade_id`, `last_trade_id`, `first_agg_trade_id`, `last_agg_trade_id` (Int64),
            `buy_volume`, `sell_volume`, `buy_turnover`, `sell_turnover` (Float64), `buy_trade_count`,
            `sell_trade_count` (UInt64), `close_reason` (Enum), `threshold_dbps` (UInt32) if a list was given,
            `session` (Date; null beyond the years that a Date has) if it is asked for, and the features, which
            `docs/columns.md` defines. With `footprint`, eleven more follow, which `docs/footprint.md` defines:
            `footprint` (List of Struct of `price`, `buy_volume` and `sell_volume`, Float64, one for each level with
            trades, ascending), `poc`, `value_area_low`, `value_area_high`, `delta`, `min_delta`, `max_delta` (Float64),
            `imbalances_up`, `imbalances_down`, `stacked_up`, `stacked_down` (UInt32). What needs the side is null if
            `is_buyer_maker` is absent, or where it is null.

        Raises
        ------
        RangeBarError
            At once if a parameter, a column name or a dtype is invalid; when the query runs, if a value is null or a
            row breaks a rule. The text names column, rule, value, row and group.
        ModuleNotFoundError
            If `progress` is true and tqdm is not installed: ``pip install "rangebar_polars[progress]"``.

        Notes
        -----
        Memory is one forming bar per group and one batch of trades, however long the input; `intra` adds the trades of
        the forming bars, `lookback` those that a window may still hold, `aggs` the columns that they read of the trades
        of the forming bars, and `footprint` 50 to 200 bytes for each level with trades of the forming bars, and 24 for
        each of a bar on its way out. A tick finer than the steps of the price makes each price a level: then memory
        grows with the prices of a bar, and at most with its trades. Columns that are not selected are not computed, and
        their inputs are neither read nor checked. A filter on key columns is passed to the input, where it prunes hive
        partitions and row groups; with a `reset`, so is a filter on `open_time` or `close_time`, widened to whole
        periods. `head(n)` stops reading. The optional columns may be missing under their default names; a column given
        under another name must exist.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.LazyFrame(
        ...     {
        ...         "timestamp": [1, 2, 3, 4],
        ...         "price": [100.0, 100.2, 100.3, 100.3],
        ...         "quantity": [1.0, 2.0, 3.0, 4.0],
        ...     }
        ... )
        >>> bars = trades.rangebar.bars(250, time_unit="us", include_incomplete=True)
        >>> bars.select("open", "high", "close", "volume", "close_reason").collect()
        shape: (2, 5)
        ┌───────┬───────┬───────┬────────┬──────────────┐
        │ open  ┆ high  ┆ close ┆ volume ┆ close_reason │
        │ ---   ┆ ---   ┆ ---   ┆ ---    ┆ ---          │
        │ f64   ┆ f64   ┆ f64   ┆ f64    ┆ enum         │
        ╞═══════╪═══════╪═══════╪════════╪══════════════╡
        │ 100.0 ┆ 100.3 ┆ 100.3 ┆ 6.0    ┆ threshold    │
        │ 100.3 ┆ 100.3 ┆ 100.3 ┆ 4.0    ┆ end          │
        └───────┴───────┴───────┴────────┴──────────────┘
        """
        request = Request.of(
            threshold_dbps,
            by=by,
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
            overlap=overlap,
            footprint=footprint,
            include_session=include_session,
        )
        own = OwnFeatures.of(aggs, feature_sets)
        return scan_bars(self._frame, request, state=state, progress=progress, own=own)

    @knows_old_names
    def with_bar_id(
        self,
        threshold_dbps: Threshold,
        *,
        by: By = None,
        name: str = "bar_id",
        reset: Reset | None = None,
        max_gap: str | dt.timedelta | None = None,
        max_step: str | dt.timedelta | None = "14610d",
        same_timestamp_gate: bool = True,
        time: str = "timestamp",
        price: str = "price",
        quantity: str = "quantity",
        is_buyer_maker: str | None = "is_buyer_maker",
        agg_trade_id: str | None = "agg_trade_id",
        first_trade_id: str | None = "first_trade_id",
        last_trade_id: str | None = "last_trade_id",
        time_unit: TimeUnit | None = None,
        price_decimals: int = 8,
        progress: bool = False,
    ) -> pl.LazyFrame:
        """
        The trades, each with the number of its range bar, streamed.

        Parameters
        ----------
        threshold_dbps
            Distance of the limits from the open in decimal basis points, 1 to 100000 (250 is 0.25 %); or a rule.
        by
            Name or names of key columns; bars are counted within each key.
        name
            Name of the new column.
        reset
            Period with which bars end: "1d", "1w", "1mo" or "1y", in UTC, weeks from Sunday, or :class:`Daily` or
            :class:`Weekly`.
        max_gap
            The longest time between two trades of one bar: a Polars duration string or a timedelta.
        max_step
            The longest step from one trade of a group to the next, 40 years by default; a longer one is an error. None
            allows any step.
        same_timestamp_gate
            Whether a trade at the same time as the bar's open cannot close it.
        time
            Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`.
        price
            Column of Float64, Float32, Decimal or any integer, above zero.
        quantity, is_buyer_maker, first_trade_id, last_trade_id
            Columns that are only read if the rule needs them, such as `rb.Volume` the quantity.
        agg_trade_id
            Column of integers that must strictly increase within one time of a group; only checked. None ignores it.
        time_unit
            "ms", "us" or "ns" if `time` is Int64.
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`bars`.
        progress
            Whether a progress bar shows how far the query has come, as for :meth:`bars`.

        Returns
        -------
        LazyFrame
            All columns and rows of the input in their order, and `name` (UInt64): 0 in the first bar of each group.
            Forming bars and orphans have numbers too.

        Raises
        ------
        RangeBarError
            As for :meth:`bars`, and if the input has a column `name`.

        Notes
        -----
        Memory and push-down are those of :meth:`bars`, except that no filter on times is passed to the
        input, because bars are numbered from the first trade.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.LazyFrame({"t": [1, 2, 3], "p": [100.0, 101.0, 101.0]})
        >>> trades.rangebar.with_bar_id(250, time="t", price="p", time_unit="ms").collect()["bar_id"].to_list()
        [0, 0, 1]
        """
        check_one_threshold(threshold_dbps)
        request = Request.of(
            threshold_dbps,
            by=by,
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
        named = {
            "quantity": quantity,
            "is_buyer_maker": is_buyer_maker,
            "first_trade_id": first_trade_id,
            "last_trade_id": last_trade_id,
        }
        read = {part: named[part] for part in request.rule_parts}
        request = replace(request, names=request.names | read)
        return scan_bar_ids(self._frame, request, name=name, progress=progress)

    def renko(
        self,
        *,
        points: float | Decimal | None = None,
        dbps: int | None = None,
        by: By = None,
        max_step: str | dt.timedelta | None = "14610d",
        time: str = "timestamp",
        price: str = "price",
        time_unit: TimeUnit | None = None,
        price_decimals: int = 8,
        progress: bool = False,
    ) -> pl.LazyFrame:
        """
        Renko bricks of prices, streamed.

        With c the end of the last brick and x the size of a brick, a price at or above ``c + x`` completes a brick from
        c to ``c + x``, and a price at or below ``c - x`` one from c to ``c - x``; a price far away completes several.
        After a turn, the first x leads back over the last brick: the price has to move by 2 x, and the brick covers the
        second x. The first c is the first price, from which a brick of either direction takes x. :func:`renko` is the
        same as an expression.

        Parameters
        ----------
        points
            x as a difference of prices. It is rounded to `price_decimals`, and must then be above zero.
        dbps
            x as a fraction of c, in decimal basis points, 1 to 100000 (250 is 0.25 %), anew for each brick:
            `trunc(c * dbps / 100000)` in units of the last decimal. Give one of the two.
        by
            Name or names of key columns; each key has its own bricks. Rows of different keys may interleave.
        max_step
            The longest step from one trade of a group to the next, 40 years by default; a longer one is an error. None
            allows any step.
        time
            Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back within a group.
        price
            Column of Float64, Float32, Decimal or any integer, above zero. Rounding to `price_decimals` may change a
            price by a millionth of it.
        time_unit
            "ms", "us" or "ns" if `time` is Int64.
        price_decimals
            Decimals of prices, 0 to 18, as for :meth:`bars`.
        progress
            Whether a progress bar shows how far the query has come, as for :meth:`bars`.

        Returns
        -------
        LazyFrame
            One row per brick, in the order of the trades that completed them: the key columns, `open` and `close`
            (Float64), `direction` (Int8, 1 up and -1 down), `row` (UInt64) and `time` (dtype of `time`) of the trade
            that completed it; rows are counted from 0 within the group.

        Raises
        ------
        RangeBarError
            At once if a parameter, a column name or a dtype is invalid, or both sizes or none are given; when the query
            runs, if a value is null, a row breaks a rule, one trade completes more than 100,000 bricks, or a brick of
            `dbps` would be less than one unit of the last decimal.
        ModuleNotFoundError
            If `progress` is true and tqdm is not installed.

        Notes
        -----
        Memory is the last brick of each group, one batch of trades, and at most some 400,000 bricks, however long the
        input and however wild its prices. A predicate on key columns is passed to the input, and reading stops once
        `head` has enough bricks.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.LazyFrame({"t": [1, 2, 3, 4], "p": [10.0, 12.5, 11.5, 9.9]})
        >>> bricks = trades.rangebar.renko(points=1, time="t", price="p", time_unit="ms")
        >>> bricks.select("open", "close", "row").collect().rows()
        [(10.0, 11.0, 1), (11.0, 12.0, 1), (11.0, 10.0, 3)]
        """
        request = brick_request(
            points,
            dbps,
            by=by,
            time=time,
            price=price,
            max_step=max_step,
            time_unit=time_unit,
            price_decimals=price_decimals,
        )
        return scan_bricks(self._frame, request, progress=progress)

    def book(
        self,
        depth: int = 10,
        *,
        by: By = None,
        sample: BookSampling | str | dt.timedelta = "event",
        features: Sequence[BookFeature] | None = None,
        cost_of: float | Decimal | Sequence[float | Decimal] = (),
        crossed: Crossed = "keep",
        holes: Holes = "invalid",
        needs_snapshot: bool | None = None,
        max_levels: int | None = None,
        time: str = "timestamp",
        is_bid: str = "is_bid",
        price: str = "price",
        quantity: str = "quantity",
        first_update_id: str | None = "first_update_id",
        last_update_id: str | None = "last_update_id",
        previous_update_id: str | None = "previous_update_id",
        is_snapshot: str | None = "is_snapshot",
        batch: str | None = None,
        max_step: str | dt.timedelta | None = "14610d",
        time_unit: TimeUnit | None = None,
        price_decimals: int = 8,
        quantity_decimals: int = 8,
        progress: bool = False,
    ) -> pl.LazyFrame:
        """
        Order books out of updates of their levels, streamed.

        An update says what is offered at a price of one side from now on; a quantity of 0 deletes the level. Updates
        that belong together are one event, and only whole events are seen: the rows of one `batch`; without it those
        with one `last_update_id`; without ids those of one time. :func:`book` is the same as an expression.

        Parameters
        ----------
        depth
            Levels of each side that are looked at, 1 to 1000. More are kept: all of them, or `max_levels`.
        by
            Name or names of key columns; each key has its own book. Rows of different keys may interleave.
        sample
            When a row comes out. "event": after every event. "change": after every event that changed one of the
            `depth` best levels, or whether the book is valid. A duration ("100ms", "1s", "1mo", a timedelta): at
            instants of equal distance, counted as by ``group_by_dynamic``, with the state that the events before the
            instant left; an event at the instant itself is not seen. The first instant follows the first event, the
            last one the last event; between them, none is left out.
        features
            Features, of which some are several columns, as the notes say. None: all of them.
        cost_of
            Quantities whose cost is wanted in `buy_cost` and `sell_cost`.
        crossed
            What becomes of a book whose best bid is at its best ask or above it once an event is whole. "keep": it
            stays so, and `is_crossed` tells. "repair": the levels that cross are dropped from the side on which the
            event did not set the best level, or not last; `is_crossed` tells. "error": the row and its time are told.
        holes
            What becomes of a book when a message is missing. "invalid": its columns are null until the next snapshot.
            "keep": it goes on, and `hole_count` tells. "error": the row is told.
        needs_snapshot
            Whether a book is invalid until its first snapshot. None: if there is a column `is_snapshot`.
        max_levels
            The levels of each side that are kept at most, at least `depth`; with one more, the one farthest from the
            best is dropped. `dropped_count` (UInt64) then tells how many were since the row before: once the levels
            before them go, they are missing, until an update names them. None keeps all.
        time
            Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back within a group,
            and be the same for all rows of an event.
        is_bid
            Boolean column, true for bids; or text: bid, b or buy, and ask, a, sell or s, in any case.
        price
            Column of Float64, Float32, Decimal or any integer, above zero. Rounding to `price_decimals` may change a
            price by a millionth of it.
        quantity
            Column of the same dtypes, zero or above. Rounding to `quantity_decimals` may change a quantity by a
            thousandth of it.
        first_update_id, last_update_id, previous_update_id
            Columns of integers: the first and the last id of a message, and the last id of the message before it as it
            says itself. A message follows the one before if its `previous_update_id` is that one's last id or, without
            such a column, if its first id is that plus 1; otherwise there is a hole. What a snapshot holds already is
            skipped, and the first message after it may begin before it, as venues demand. They may be absent under
            their default names; None ignores them.
        is_snapshot
            Boolean column, true for the rows of a snapshot: the first one clears the book. It may be absent under its
            default name; None ignores it.
        batch
            Column of integers or Datetimes: the rows of an event have one value, those of the next another.
        max_step
            The longest step from one event of a group to the next, 40 years by default; a longer one is an error. None
            allows any step.
        time_unit
            "ms", "us" or "ns" if `time` is Int64.
        price_decimals, quantity_decimals
            Decimals of prices and quantities, 0 to 18: each is a 64-bit integer of such units, so that with eight the
            largest is 92 billion.
        progress
            Whether a progress bar shows how far the query has come, as for :meth:`bars`.

        Returns
        -------
        LazyFrame
            The key columns, `time` (dtype of `time`), `is_valid` (Boolean), `is_crossed` (Boolean: now, or after an
            event since the row before), `update_count` and `hole_count` (UInt64: updates, and holes in the ids, since
            the row before), and the features (Float64, counts UInt64). Rows are in the order of the updates after which
            they came out; an event is known to be whole when the next one of its group begins, or the input ends.

        Raises
        ------
        RangeBarError
            At once if a parameter, a column name or a dtype is invalid; when the query runs, if a value is null, a row
            breaks a rule, an id does not rise, or with "error" a message is missing or a book is crossed.
        ModuleNotFoundError
            If `progress` is true and tqdm is not installed.

        Notes
        -----
        With the best bid b and ask a, what is offered there B and A, and the mid m = (b + a) / 2:

        - `bid`, `ask` (price), `bid_size`, `ask_size` (quantity): the best levels.
        - `mid` (price), `spread` = a - b (price), `relative_spread` = spread / mid.
        - `microprice` = (b A + a B) / (A + B) (price): the weighted mid of :func:`microprice` (Gatheral and Oomen,
          2010).
        - `book_imbalance_1`, `_5` and `_n`, for n = `depth` levels: (bids - asks) / (bids + asks), of what is offered
          at the best levels (Gould and Bonart, 2016).
        - `book_pressure`: (B' - A') / (B' + A'), where B' and A' add up what each of the `depth` best bids and asks
          offers, over its distance from the mid. Harris and Panchapagesan (2005) set the sides of a book against each
          other with other weights.
        - `bid_depth`, `ask_depth` (quantity): what `depth` levels offer.
        - `bid_slope`, `ask_slope` (quantity / price): that over the way from the mid to the last of these levels. Næs
          and Skjeltorp (2006) take logarithms and average over the levels.
        - `quote_ofi_1` to `quote_ofi_n` (quantity): what was added to the bid less what was added to the ask, level by
          level, summed over the events since the row before. The first is that of :func:`quote_ofi` (Cont, Kukanov and
          Stoikov, 2014), all together are the multi-level order-flow imbalance of Xu, Gould and Howison (2018). A level
          that is not there counts as one of no quantity at the worst price.
        - `update_counts`: `bid_add_count`, `bid_reduce_count`, `bid_delete_count`, and the same of `ask` (UInt64):
          updates since the row before, outside snapshots, that raised the quantity of a level, lowered it, or deleted
          it.
        - `update_rates`: `bid_add_rate` and so on (1 / second): these over the time since the row before (Cont, Stoikov
          and Talreja, 2010).
        - `resiliency`: `bid_resiliency`, `ask_resiliency` (seconds): of the best levels that came back since the row
          before, how long they were away on average. A best level goes with an event that leaves the best price of its
          side worse, and is back with the first one that leaves it at its price or better; the newest `depth` of those
          that are gone are waited for. Large (2007) fits a model of when a book is replenished.
        - `buy_cost_q`, `sell_cost_q`, for each q of `cost_of`: what it costs to trade q at once, over what it is worth
          at the mid: (paid - q m) / (q m), and (q m - received) / (q m). Their sum is the cost of a round trip of
          Irvine, Benston and Kandel (2000).
        - `levels`: `bid_1`, `bid_size_1`, `ask_1`, `ask_size_1`, `bid_2` and so on, best first.

        What needs a side that has no level is null, as is a level that is not there, a slope in a book where the last
        level lies at the mid or beyond, a pressure where any does, a cost if the side offers less than q, a rate if no
        time has passed, a resiliency if no level came back, and flows, counts, rates and resiliency if the book was
        unknown since the row before: in the first row, and after a hole. In an invalid book all features are null.

        Prices and quantities are integers inside, so neither chunks nor engines change a bit. Memory is the levels of
        each book, some 24 bytes each, one batch of updates and some 65,000 rows. The cost is some 50 ns an update, and
        some 10 ns for each column of each row. A predicate on key columns is passed to the input, columns that are not
        selected are not computed, and reading stops once `head` has enough rows.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> updates = pl.LazyFrame(
        ...     {
        ...         "timestamp": [10, 10, 30, 250],
        ...         "side": ["bid", "ask", "ask", "bid"],
        ...         "price": [9.9, 10.1, 10.1, 10.0],
        ...         "quantity": [3.0, 1.0, 2.0, 1.0],
        ...     }
        ... )
        >>> books = updates.rangebar.book(depth=1, sample="100ms", is_bid="side", time_unit="ms")
        >>> books.select("time", "bid", "ask", "ask_size", "quote_ofi_1").collect()
        shape: (3, 5)
        ┌──────┬──────┬──────┬──────────┬─────────────┐
        │ time ┆ bid  ┆ ask  ┆ ask_size ┆ quote_ofi_1 │
        │ ---  ┆ ---  ┆ ---  ┆ ---      ┆ ---         │
        │ i64  ┆ f64  ┆ f64  ┆ f64      ┆ f64         │
        ╞══════╪══════╪══════╪══════════╪═════════════╡
        │ 100  ┆ 9.9  ┆ 10.1 ┆ 2.0      ┆ null        │
        │ 200  ┆ 9.9  ┆ 10.1 ┆ 2.0      ┆ 0.0         │
        │ 300  ┆ 10.0 ┆ 10.1 ┆ 2.0      ┆ 1.0         │
        └──────┴──────┴──────┴──────────┴─────────────┘
        """
        request = BookRequest.of(
            depth,
            by=by,
            sample=sample,
            features=features,
            cost_of=cost_of,
            crossed=crossed,
            holes=holes,
            needs_snapshot=needs_snapshot,
            max_levels=max_levels,
            time=time,
            is_bid=is_bid,
            price=price,
            quantity=quantity,
            first_update_id=first_update_id,
            last_update_id=last_update_id,
            previous_update_id=previous_update_id,
            is_snapshot=is_snapshot,
            batch=batch,
            max_step=max_step,
            time_unit=time_unit,
            price_decimals=price_decimals,
            quantity_decimals=quantity_decimals,
        )
        return scan_book(self._frame, request, progress=progress)

    def to_backtesting(
        self,
        *,
        symbol: object | Mapping[str, object] = None,
        extra: str | Sequence[str] = (),
        time_unit: TimeUnit | None = None,
        include_incomplete: bool = False,
    ) -> pd.DataFrame:
        """
        Bars of one symbol as the pandas frame that backtesting.py reads.

        The same as :func:`rangebar_polars.backtesting.to_backtesting`, whose documentation describes the result, the
        cost, `bt.plot(superimpose=False)` and the annualised figures.

        Parameters
        ----------
        symbol
            The group, if the bars are of several groups: a key, or a mapping of key columns to keys.
        extra
            Further columns to keep, under their own names.
        time_unit
            "ms", "us" or "ns" if the times are Int64.
        include_incomplete
            Whether the bar that is still forming is kept; by default it is not.

        Returns
        -------
        pandas.DataFrame
            `Open`, `High`, `Low`, `Close`, `Volume` and `extra`, by ascending `close_time` (UTC without zone).

        Raises
        ------
        RangeBarError
            If a column is missing, or the bars are of several groups and `symbol` does not choose one.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).lazy().rangebar.bars(100, by="symbol")
        >>> list(bars.rangebar.to_backtesting(symbol="BTCUSDT", extra=["ofi"]).columns)
        ['Open', 'High', 'Low', 'Close', 'Volume', 'ofi']
        """
        from rangebar_polars.backtesting import to_backtesting

        return to_backtesting(
            self._frame, symbol=symbol, extra=extra, time_unit=time_unit, include_incomplete=include_incomplete
        )

    def plot(
        self,
        *,
        x: Axis = "bar",
        panels: str | Sequence[str] | None = None,
        symbol: object | Mapping[str, object] = None,
        time_unit: TimeUnit | None = None,
        max_bars: int = 2_000,
        width: int | None = None,
        height: int | None = None,
        title: str | None = None,
        theme: Theme | None = "light",
        footprint: bool = False,
    ) -> alt.VConcatChart:
        """
        Candlesticks or footprints of the bars of one symbol, with panels of other columns below, as an Altair chart.

        The same as :func:`rangebar_polars.plotting.plot`, whose documentation says how bars are drawn.

        Parameters
        ----------
        x
            "bar": by number; "time": from `open_time` to `close_time`, in UTC.
        panels
            Numeric columns, one panel each. By default the volume, and with `footprint` none.
        symbol
            The group, if the bars are of several groups: a key, or a mapping of key columns to keys.
        time_unit
            "ms", "us" or "ns" if the times are Int64.
        max_bars
            The largest number of candles; if there are more bars, several consecutive ones are merged into one candle.
        width, height
            Size of the candlesticks or footprints in pixels; each panel adds about 90 to the height. By default 800 and
            300, and with `footprint` as much as its numbers need.
        title
            Replaces the group and the number of bars.
        theme
            "light" or "dark"; None keeps the theme of Altair.
        footprint
            Whether to draw footprints, sell x buy volume at each level, instead of candlesticks; of at most 40 bars,
            which were made with a `footprint`.

        Returns
        -------
        altair.VConcatChart
            A chart that a notebook shows, and `save("bars.png")` writes.

        Raises
        ------
        RangeBarError
            If a parameter or a column is invalid, `symbol` does not choose one group, or there are too many bars for
            footprints.
        ModuleNotFoundError
            If Altair is not installed: ``pip install "rangebar_polars[plot]"``.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).lazy().rangebar.bars(100, by="symbol")
        >>> chart = bars.rangebar.plot(x="time", panels=["volume", "ofi"])
        >>> chart.save("bars.html")  # doctest: +SKIP
        """
        from rangebar_polars.plotting import plot

        return plot(
            self._frame,
            x=x,
            panels=panels,
            symbol=symbol,
            time_unit=time_unit,
            max_bars=max_bars,
            width=width,
            height=height,
            title=title,
            theme=theme,
            footprint=footprint,
        )

    def to_vectorbt(
        self,
        *,
        symbol: object | Mapping[str, object] = None,
        time_unit: TimeUnit | None = None,
        include_incomplete: bool = False,
    ) -> dict[str, pd.Series[float]]:
        """
        Prices of the bars of one symbol, as keyword arguments of vectorbt's portfolios.

        The same as :func:`rangebar_polars.exports.to_vectorbt`, whose documentation describes the result and where to
        fill.

        Parameters
        ----------
        symbol
            The group, if the bars are of several groups: a key, or a mapping of key columns to keys.
        time_unit
            "ms", "us" or "ns" if the times are Int64.
        include_incomplete
            Whether the bar that is still forming is kept; by default it is not.

        Returns
        -------
        dict
            `open`, `high`, `low` and `close` as pandas Series over `close_time`.

        Raises
        ------
        RangeBarError
            If a column is missing, or the bars are of several groups and `symbol` does not choose one.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).lazy().rangebar.bars(100, by="symbol")
        >>> list(bars.rangebar.to_vectorbt())
        ['open', 'high', 'low', 'close']
        """
        from rangebar_polars.exports import to_vectorbt

        return to_vectorbt(self._frame, symbol=symbol, time_unit=time_unit, include_incomplete=include_incomplete)

    def to_nanobook(
        self,
        *,
        symbol: object | Mapping[str, object] = None,
        name: str | None = None,
        price_scale: int = 100,
        include_incomplete: bool = False,
    ) -> list[list[tuple[str, Any]]]:
        """
        Bars of one symbol as the price schedule of nanobook's `backtest_weights`.

        The same as :func:`rangebar_polars.exports.to_nanobook`, whose documentation describes the result and its use
        with `run_backtest`.

        Parameters
        ----------
        symbol
            The group, if the bars are of several groups: a key, or a mapping of key columns to keys.
        name
            Name of the symbol in the weights, 1 to 8 bytes; by default the value of the column `symbol`.
        price_scale
            Units per 1 of the price: 100 counts prices in cents.
        include_incomplete
            Whether the bar that is still forming is kept; by default it is not.

        Returns
        -------
        list
            One list per bar, holding the name and a ``nanobook.BarPrices``.

        Raises
        ------
        RangeBarError
            If a price is not a multiple of ``1/price_scale``, a column is missing, or the bars are of several groups
            and `symbol` does not choose one.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).lazy().rangebar.bars(100, by="symbol")
        >>> [[(name, prices)], *_] = bars.rangebar.to_nanobook()
        >>> name, prices.open
        ('BTCUSDT', 4228409)
        """
        from rangebar_polars.exports import to_nanobook

        return to_nanobook(
            self._frame, symbol=symbol, name=name, price_scale=price_scale, include_incomplete=include_incomplete
        )
