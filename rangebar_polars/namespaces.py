"""The namespace `.rangebar` of LazyFrame and DataFrame; the eager one goes through the lazy one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from rangebar_polars._parameters import bar_parameters, check_features, check_one_threshold, check_overlap
from rangebar_polars._typing import BarFeature, By, Overlap, Reset, TimeUnit
from rangebar_polars.backtesting import to_backtesting
from rangebar_polars.exports import to_nanobook, to_vectorbt
from rangebar_polars.lookback import Lookback, check_lookback
from rangebar_polars.plotting import Axis, Theme, plot
from rangebar_polars.source import scan_bar_ids, scan_bars
from rangebar_polars.state import BarState

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

__all__ = ["DataFrameRangeBar", "LazyFrameRangeBar"]


@pl.api.register_lazyframe_namespace("rangebar")
class LazyFrameRangeBar:
    """Range bars of a LazyFrame of trades, and what becomes of a LazyFrame of bars."""

    def __init__(self, frame: pl.LazyFrame) -> None:
        self._frame = frame

    def bars(
        self,
        threshold_dbps: int | Sequence[int],
        *,
        by: By = None,
        intra: bool = False,
        lookback: Lookback | None = None,
        features: Sequence[BarFeature] | None = None,
        reset: Reset | None = None,
        max_gap: str | dt.timedelta | None = None,
        include_incomplete: bool = False,
        include_orphans: bool = False,
        same_timestamp_gate: bool = True,
        time: str = "timestamp",
        price: str = "price",
        quantity: str = "quantity",
        is_buyer_maker: str | None = "is_buyer_maker",
        agg_trade_id: str | None = "agg_trade_id",
        first_trade_id: str | None = "first_trade_id",
        last_trade_id: str | None = "last_trade_id",
        time_unit: TimeUnit | None = None,
        state: BarState | bytes | None = None,
        overlap: Overlap = "error",
        progress: bool = False,
    ) -> pl.LazyFrame:
        """
        Range bars of trades, streamed.

        A bar opens with a trade and closes with the first later trade whose price is at or beyond
        `open ± trunc(open * threshold_dbps / 100000)`; the closing trade belongs to the bar it closes, and the
        next trade opens the next bar. Prices and quantities are exact in eight decimals, sums are exact integers:
        the result does not depend on how the input is chunked, on the engine or on the number of threads.

        Parameters
        ----------
        threshold_dbps
            Distance of the limits from the open in decimal basis points, 1 to 100000 (1 dbps = 0.001 %, so 250
            is 0.25 %); or a list of them, whose bars come in one pass and name theirs in `threshold_dbps`.
        by
            Name or names of key columns; the bars of each key are its own. Any hashable dtype; rows of different
            keys may interleave. Null is a key like any other.
        intra
            Whether the statistics of each bar's own trades follow the ten features: `intra_*`, `high_time`, `low_time`.
        lookback
            How far back the statistics of the trades before each bar reach, `lookback_*`: so many trades, a length of
            time ("5m" or a timedelta), or :class:`Bars`. They look at trades strictly older than the bar's open, and
            not beyond a reset or gap that ended a bar.
        features
            Feature columns, in this order; by default the ten and those of `intra` and `lookback`, none with `[]`. The
            features of `intra` may be named without it.
        reset
            Calendar period with which bars end: "1d", "1w", "1mo" or "1y", in UTC, weeks from Sunday. The first trade
            of a period opens a bar, so that bars do not depend on where the data began.
        max_gap
            The longest time between two trades of one bar: a Polars duration string ("40h", "1d12h"; months are
            calendar months in UTC) or a timedelta. A later trade opens a bar.
        include_incomplete
            Whether the bars still forming at the end follow, with `close_reason` "end".
        include_orphans
            Whether bars that a reset or a gap ended are among them, with `close_reason` "reset" or "gap".
        same_timestamp_gate
            Whether a trade at the very time of the bar's open cannot close it.
        time
            Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`. Must not go back within a
            group.
        price, quantity
            Columns of Float64, Float32, Decimal or any integer. Price is above zero, quantity at least zero and at
            most 1e15.
        is_buyer_maker
            Column of Boolean, true where the seller was the aggressor; None ignores it.
        agg_trade_id
            Column of integers that strictly increase within one time of a group; without it the row number within
            the group counts. None ignores it.
        first_trade_id, last_trade_id
            Columns of integers, the individual trades of a row; without them a row is one trade. None ignores them.
        time_unit
            "ms", "us" or "ns" where `time` is Int64.
        state
            What the bars go on from: a :class:`BarState`, which also has the new state when the query has run, or
            the bytes of a checkpoint.
        overlap
            What becomes of trades that the state has already seen: "error", or "skip", which drops exactly those and
            needs `agg_trade_id`.
        progress
            Whether a bar on stderr, or in the notebook, shows the trades read so far and the time reached while the
            query runs; by tqdm. The trades are counted before: of Parquet without a filter that reads the footers.

        Returns
        -------
        LazyFrame
            One row a bar, in the order of the trades that ended them (the closing trade, or the first trade behind an
            orphan; several thresholds that one trade touches in their order), then the forming bars by first appearance
            of their group: the key columns, `open_time` and `close_time` (dtype of `time`), `open`, `high`, `low`,
            `close`, `volume`, `turnover`, `vwap` (Float64), `individual_trade_count`, `agg_record_count` (UInt64),
            `first_trade_id`, `last_trade_id`, `first_agg_trade_id`, `last_agg_trade_id` (Int64), `buy_volume`,
            `sell_volume`, `buy_turnover`, `sell_turnover` (Float64), `buy_trade_count`, `sell_trade_count`
            (UInt64), `close_reason` (Enum), `threshold_dbps` (UInt32) where a list was given, and the features, which
            `docs/columns.md` defines. What needs the side is null where `is_buyer_maker` is absent.

        Raises
        ------
        RangeBarError
            At once if a parameter, a column name or a dtype is not what it must be; when the query runs, if a value
            is null or a row breaks a rule. The text names column, rule, value, row and group.
        ModuleNotFoundError
            If `progress` is true and tqdm is not installed: ``pip install "rangebar_polars[progress]"``.

        Notes
        -----
        Memory is one forming bar a group and one batch of trades, however long the input; `intra` adds the trades of
        the forming bars, `lookback` those that a window may still hold. Columns that are not selected are not computed
        and their inputs not read or checked; a filter on key columns is passed to the input, where it prunes hive
        partitions and row groups; with a `reset`, so is one on `open_time` or `close_time`, widened to the period (with
        `lookback` an upper bound only); `head(n)` stops reading. The optional columns under their default names may be
        missing; a column named otherwise must exist.

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
        return scan_bars(
            self._frame,
            bar_parameters(
                threshold_dbps,
                same_timestamp_gate=same_timestamp_gate,
                reset=reset,
                max_gap=max_gap,
                time_unit=time_unit,
            ),
            by=by,
            features=check_features(features),
            intra=intra,
            lookback=check_lookback(lookback),
            include_incomplete=include_incomplete,
            include_orphans=include_orphans,
            state=state,
            overlap=check_overlap(overlap),
            progress=progress,
            columns={
                "timestamp": time,
                "price": price,
                "quantity": quantity,
                "is_buyer_maker": is_buyer_maker,
                "agg_trade_id": agg_trade_id,
                "first_trade_id": first_trade_id,
                "last_trade_id": last_trade_id,
            },
        )

    def with_bar_id(
        self,
        threshold_dbps: int,
        *,
        by: By = None,
        name: str = "bar_id",
        reset: Reset | None = None,
        max_gap: str | dt.timedelta | None = None,
        same_timestamp_gate: bool = True,
        time: str = "timestamp",
        price: str = "price",
        agg_trade_id: str | None = "agg_trade_id",
        time_unit: TimeUnit | None = None,
        progress: bool = False,
    ) -> pl.LazyFrame:
        """
        The trades, each with the number of its range bar, streamed.

        Parameters
        ----------
        threshold_dbps
            Distance of the limits from the open in decimal basis points, 1 to 100000 (250 is 0.25 %).
        by
            Name or names of key columns; bars are counted within each key.
        name
            Name of the new column.
        reset
            Calendar period with which bars end: "1d", "1w", "1mo" or "1y", in UTC, weeks from Sunday.
        max_gap
            The longest time between two trades of one bar: a Polars duration string or a timedelta.
        same_timestamp_gate
            Whether a trade at the very time of the bar's open cannot close it.
        time
            Column of Datetime (ms, us or ns, any zone), or of Int64 with `time_unit`.
        price
            Column of Float64, Float32, Decimal or any integer, above zero.
        agg_trade_id
            Column of integers that must strictly increase within one time of a group; only checked. None ignores it.
        time_unit
            "ms", "us" or "ns" where `time` is Int64.
        progress
            Whether a bar shows how far the query is, as for :meth:`bars`.

        Returns
        -------
        LazyFrame
            All columns and rows of the input in their order, and `name` (UInt64): 0 in the first bar of each group.
            The bar still forming and the orphans have numbers too.

        Raises
        ------
        RangeBarError
            As for :meth:`bars`, and if the input has a column `name`.

        Notes
        -----
        Memory and push-down are those of :meth:`bars`, but that nothing is said to the input of times: bars are
        counted from the first trade.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.LazyFrame({"t": [1, 2, 3], "p": [100.0, 101.0, 101.0]})
        >>> trades.rangebar.with_bar_id(250, time="t", price="p", time_unit="ms").collect()["bar_id"].to_list()
        [0, 0, 1]
        """
        check_one_threshold(threshold_dbps)
        return scan_bar_ids(
            self._frame,
            bar_parameters(
                threshold_dbps,
                same_timestamp_gate=same_timestamp_gate,
                reset=reset,
                max_gap=max_gap,
                time_unit=time_unit,
            ),
            by=by,
            name=name,
            columns={"timestamp": time, "price": price, "agg_trade_id": agg_trade_id},
            progress=progress,
        )

    def to_backtesting(
        self, *, symbol: object | Mapping[str, object] = None, extra: str | Sequence[str] = ()
    ) -> pd.DataFrame:
        """
        Bars of one symbol as the pandas frame that backtesting.py reads.

        The same as :func:`rangebar_polars.backtesting.to_backtesting`, which says what comes out, what it costs, and
        what to know about `bt.plot(superimpose=False)` and the annualised figures.

        Parameters
        ----------
        symbol
            The group, where the bars are of several: a key, or a mapping of key columns to keys.
        extra
            Further columns to keep, under their own names.

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
        return to_backtesting(self._frame, symbol=symbol, extra=extra)

    def plot(
        self,
        *,
        x: Axis = "bar",
        panels: str | Sequence[str] = ("volume",),
        symbol: object | Mapping[str, object] = None,
        max_bars: int = 2_000,
        width: int = 800,
        height: int = 300,
        title: str | None = None,
        theme: Theme | None = "light",
    ) -> alt.VConcatChart:
        """
        Candlesticks of the bars of one symbol, with panels of other columns below, as an Altair chart.

        The same as :func:`rangebar_polars.plotting.plot`, which says what is drawn how.

        Parameters
        ----------
        x
            "bar": by number; "time": from `open_time` to `close_time`, in UTC.
        panels
            Numeric columns, one panel each.
        symbol
            The group, where the bars are of several: a key, or a mapping of key columns to keys.
        max_bars
            The most candles; of more bars, several successive ones become one.
        width, height
            Pixels of the candlesticks; each panel adds some 90 to the height.
        title
            Instead of the group and the number of bars.
        theme
            "light" or "dark"; None leaves it to Altair's own.

        Returns
        -------
        altair.VConcatChart
            What a notebook shows, and `save("bars.png")` writes.

        Raises
        ------
        RangeBarError
            If a parameter or a column is not what it must be, or `symbol` does not choose one group.
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
        return plot(
            self._frame,
            x=x,
            panels=panels,
            symbol=symbol,
            max_bars=max_bars,
            width=width,
            height=height,
            title=title,
            theme=theme,
        )

    def to_vectorbt(self, *, symbol: object | Mapping[str, object] = None) -> dict[str, pd.Series[float]]:
        """
        Prices of the bars of one symbol, as keyword arguments of vectorbt's portfolios.

        The same as :func:`rangebar_polars.exports.to_vectorbt`, which says what comes out and where to fill.

        Parameters
        ----------
        symbol
            The group, where the bars are of several: a key, or a mapping of key columns to keys.

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
        return to_vectorbt(self._frame, symbol=symbol)

    def to_nanobook(
        self, *, symbol: object | Mapping[str, object] = None, name: str | None = None, price_scale: int = 100
    ) -> list[list[tuple[str, Any]]]:
        """
        Bars of one symbol as the price schedule of nanobook's `backtest_weights`.

        The same as :func:`rangebar_polars.exports.to_nanobook`, which says what comes out and how `run_backtest` takes
        it.

        Parameters
        ----------
        symbol
            The group, where the bars are of several: a key, or a mapping of key columns to keys.
        name
            What the weights call the symbol, 1 to 8 bytes; by default the value of the column `symbol`.
        price_scale
            Parts that 1 of the price is made of: 100 makes prices cents.

        Returns
        -------
        list
            One list a bar, in it the name and a ``nanobook.BarPrices``.

        Raises
        ------
        RangeBarError
            If a price is no whole number of ``1/price_scale``, a column is missing, or the bars are of several groups
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
        return to_nanobook(self._frame, symbol=symbol, name=name, price_scale=price_scale)


@pl.api.register_dataframe_namespace("rangebar")
class DataFrameRangeBar:
    """The methods of :class:`LazyFrameRangeBar` on a DataFrame: each runs the lazy one and collects."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._lazy = LazyFrameRangeBar(frame.lazy())

    def bars(
        self,
        threshold_dbps: int | Sequence[int],
        *,
        by: By = None,
        intra: bool = False,
        lookback: Lookback | None = None,
        features: Sequence[BarFeature] | None = None,
        reset: Reset | None = None,
        max_gap: str | dt.timedelta | None = None,
        include_incomplete: bool = False,
        include_orphans: bool = False,
        same_timestamp_gate: bool = True,
        time: str = "timestamp",
        price: str = "price",
        quantity: str = "quantity",
        is_buyer_maker: str | None = "is_buyer_maker",
        agg_trade_id: str | None = "agg_trade_id",
        first_trade_id: str | None = "first_trade_id",
        last_trade_id: str | None = "last_trade_id",
        time_unit: TimeUnit | None = None,
        state: BarState | bytes | None = None,
        overlap: Overlap = "error",
        progress: bool = False,
    ) -> pl.DataFrame:
        """
        Range bars of trades.

        Parameters, columns, order and errors are those of :meth:`LazyFrameRangeBar.bars`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"timestamp": [1, 2], "price": [100, 99], "quantity": [1, 2]})
        >>> trades.rangebar.bars(250, time_unit="ms")["close"].to_list()
        [99.0]
        """
        return self._lazy.bars(
            threshold_dbps,
            by=by,
            intra=intra,
            lookback=lookback,
            features=features,
            reset=reset,
            max_gap=max_gap,
            include_incomplete=include_incomplete,
            include_orphans=include_orphans,
            same_timestamp_gate=same_timestamp_gate,
            time=time,
            price=price,
            quantity=quantity,
            is_buyer_maker=is_buyer_maker,
            agg_trade_id=agg_trade_id,
            first_trade_id=first_trade_id,
            last_trade_id=last_trade_id,
            time_unit=time_unit,
            state=state,
            overlap=overlap,
            progress=progress,
        ).collect()

    def with_bar_id(
        self,
        threshold_dbps: int,
        *,
        by: By = None,
        name: str = "bar_id",
        reset: Reset | None = None,
        max_gap: str | dt.timedelta | None = None,
        same_timestamp_gate: bool = True,
        time: str = "timestamp",
        price: str = "price",
        agg_trade_id: str | None = "agg_trade_id",
        time_unit: TimeUnit | None = None,
        progress: bool = False,
    ) -> pl.DataFrame:
        """
        The trades, each with the number of its range bar.

        Parameters, columns and errors are those of :meth:`LazyFrameRangeBar.with_bar_id`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"timestamp": [1, 2, 3], "price": [100, 99, 99]})
        >>> trades.rangebar.with_bar_id(250, time_unit="ms")["bar_id"].to_list()
        [0, 0, 1]
        """
        return self._lazy.with_bar_id(
            threshold_dbps,
            by=by,
            name=name,
            reset=reset,
            max_gap=max_gap,
            same_timestamp_gate=same_timestamp_gate,
            time=time,
            price=price,
            agg_trade_id=agg_trade_id,
            time_unit=time_unit,
            progress=progress,
        ).collect()

    def to_backtesting(
        self, *, symbol: object | Mapping[str, object] = None, extra: str | Sequence[str] = ()
    ) -> pd.DataFrame:
        """
        Bars of one symbol as the pandas frame that backtesting.py reads.

        See :meth:`LazyFrameRangeBar.to_backtesting`.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).rangebar.bars(100, by="symbol")
        >>> bars.rangebar.to_backtesting().index.name
        'close_time'
        """
        return self._lazy.to_backtesting(symbol=symbol, extra=extra)

    def plot(
        self,
        *,
        x: Axis = "bar",
        panels: str | Sequence[str] = ("volume",),
        symbol: object | Mapping[str, object] = None,
        max_bars: int = 2_000,
        width: int = 800,
        height: int = 300,
        title: str | None = None,
        theme: Theme | None = "light",
    ) -> alt.VConcatChart:
        """
        Candlesticks of the bars of one symbol, with panels of other columns below, as an Altair chart.

        See :meth:`LazyFrameRangeBar.plot`.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).rangebar.bars(100, by="symbol")
        >>> len(bars.rangebar.plot(panels=["volume", "ofi"]).vconcat)
        3
        """
        return self._lazy.plot(
            x=x,
            panels=panels,
            symbol=symbol,
            max_bars=max_bars,
            width=width,
            height=height,
            title=title,
            theme=theme,
        )

    def to_vectorbt(self, *, symbol: object | Mapping[str, object] = None) -> dict[str, pd.Series[float]]:
        """
        Prices of the bars of one symbol, as :meth:`LazyFrameRangeBar.to_vectorbt`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).rangebar.bars(100, by="symbol")
        >>> list(bars.rangebar.to_vectorbt())
        ['open', 'high', 'low', 'close']
        """
        return self._lazy.to_vectorbt(symbol=symbol)

    def to_nanobook(
        self, *, symbol: object | Mapping[str, object] = None, name: str | None = None, price_scale: int = 100
    ) -> list[list[tuple[str, Any]]]:
        """
        Bars of one symbol as a price schedule, as :meth:`LazyFrameRangeBar.to_nanobook`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).rangebar.bars(100, by="symbol")
        >>> bars.rangebar.to_nanobook()[0][0][1].open
        4228409
        """
        return self._lazy.to_nanobook(symbol=symbol, name=name, price_scale=price_scale)
