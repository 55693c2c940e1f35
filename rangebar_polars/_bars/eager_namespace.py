"""The methods of a DataFrame: those of a LazyFrame, at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from rangebar_polars._bars.book import BookOptions
from rangebar_polars._bars.eager import like
from rangebar_polars._bars.feature_sets import FeatureSet
from rangebar_polars._bars.lazy_namespace import LazyFrameRangeBar
from rangebar_polars._bars.request import BreakOptions, FeatureOptions, Threshold
from rangebar_polars._bars.state import BarState
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._typing import By, TimeUnit

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from rangebar_polars.plotting import Axis, Theme


__all__ = ["BarIdOptions", "DataFrameRangeBar", "FrameOptions"]


class FrameOptions(FeatureOptions, total=False):
    """Every parameter of :meth:`LazyFrameRangeBar.bars` but the rule."""

    time: str
    price: str
    quantity: str
    is_buyer_maker: str | None
    agg_trade_id: str | None
    first_trade_id: str | None
    last_trade_id: str | None
    state: BarState | bytes | None
    progress: bool
    aggs: pl.Expr | Sequence[pl.Expr]
    feature_sets: FeatureSet | str | Sequence[FeatureSet | str]


class BarIdOptions(BreakOptions, total=False):
    """Every parameter of :meth:`LazyFrameRangeBar.with_bar_id` but the rule."""

    name: str
    time: str
    price: str
    quantity: str
    is_buyer_maker: str | None
    agg_trade_id: str | None
    first_trade_id: str | None
    last_trade_id: str | None
    progress: bool


@pl.api.register_dataframe_namespace("rangebar")
class DataFrameRangeBar:
    """The methods of :class:`LazyFrameRangeBar` on a DataFrame: each calls the lazy one and collects."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._lazy = LazyFrameRangeBar(lazy_frame("DataFrameRangeBar", frame))
        self._frame = frame

    @like(LazyFrameRangeBar.bars)
    def bars(self, threshold_dbps: Threshold | Sequence[Threshold], **options: Unpack[FrameOptions]) -> pl.DataFrame:
        """
        Range bars of trades.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"timestamp": [1, 2], "price": [100, 99], "quantity": [1, 2]})
        >>> trades.rangebar.bars(250, time_unit="ms")["close"].to_list()
        [99.0]
        """
        return self._lazy.bars(threshold_dbps, **options).collect()

    @like(LazyFrameRangeBar.with_bar_id)
    def with_bar_id(self, threshold_dbps: Threshold, **options: Unpack[BarIdOptions]) -> pl.DataFrame:
        """
        The trades, each with the number of its range bar.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"timestamp": [1, 2, 3], "price": [100, 99, 99]})
        >>> trades.rangebar.with_bar_id(250, time_unit="ms")["bar_id"].to_list()
        [0, 0, 1]
        """
        return self._lazy.with_bar_id(threshold_dbps, **options).collect()

    @like(LazyFrameRangeBar.renko)
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
    ) -> pl.DataFrame:
        """
        Renko bricks of prices.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"timestamp": [1, 2, 3, 4], "price": [10.0, 12.5, 11.5, 9.9]})
        >>> trades.rangebar.renko(points=1, time_unit="ms")["close"].to_list()
        [11.0, 12.0, 10.0]
        """
        return self._lazy.renko(
            points=points,
            dbps=dbps,
            by=by,
            max_step=max_step,
            time=time,
            price=price,
            time_unit=time_unit,
            price_decimals=price_decimals,
            progress=progress,
        ).collect()

    @like(LazyFrameRangeBar.book)
    def book(self, depth: int = 10, **options: Unpack[BookOptions]) -> pl.DataFrame:
        """
        Order books out of updates of their levels.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> updates = pl.DataFrame({"timestamp": [1, 2], "is_bid": [True, False], "price": [9, 10], "quantity": [2, 1]})
        >>> updates.rangebar.book(depth=1, time_unit="ms")["mid"].to_list()
        [None, 9.5]
        """
        return self._lazy.book(depth, **options).collect()

    @like(LazyFrameRangeBar.to_backtesting)
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

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> bars = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"]).rangebar.bars(100, by="symbol")
        >>> bars.rangebar.to_backtesting().index.name
        'close_time'
        """
        return self._lazy.to_backtesting(
            symbol=symbol, extra=extra, time_unit=time_unit, include_incomplete=include_incomplete
        )

    @like(LazyFrameRangeBar.plot)
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
            time_unit=time_unit,
            max_bars=max_bars,
            width=width,
            height=height,
            title=title,
            theme=theme,
            footprint=footprint,
        )

    @like(LazyFrameRangeBar.to_vectorbt)
    def to_vectorbt(
        self,
        *,
        symbol: object | Mapping[str, object] = None,
        time_unit: TimeUnit | None = None,
        include_incomplete: bool = False,
    ) -> dict[str, pd.Series[float]]:
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
        return self._lazy.to_vectorbt(symbol=symbol, time_unit=time_unit, include_incomplete=include_incomplete)

    @like(LazyFrameRangeBar.to_nanobook)
    def to_nanobook(
        self,
        *,
        symbol: object | Mapping[str, object] = None,
        name: str | None = None,
        price_scale: int = 100,
        include_incomplete: bool = False,
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
        return self._lazy.to_nanobook(
            symbol=symbol, name=name, price_scale=price_scale, include_incomplete=include_incomplete
        )
