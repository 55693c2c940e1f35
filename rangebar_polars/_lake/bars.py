"""Bars out of the lake."""

from __future__ import annotations

import datetime as dt
from itertools import groupby
from typing import Final, Literal

import polars as pl

from rangebar_polars._bars.scan import scan_bars
from rangebar_polars._lake.layout import BarsUnit, Layout
from rangebar_polars._lake.schema import ID, trades_schema
from rangebar_polars._lake.series import Series
from rangebar_polars.exceptions import RangeBarError

__all__ = ["bars_of", "kept_schema", "without_row_numbers"]

_REASON: Final = "close_reason"
_HIVE: Final = {"venue": pl.String(), "symbol": pl.String()}
_KEPT: Final = (pl.Boolean, pl.Int8, pl.Int32, pl.Int64, pl.UInt8, pl.UInt32, pl.UInt64, pl.Float64, pl.String, pl.Date)
"""Dtypes of columns of one's own, beside times."""

_ORPHANS: Final = ("reset", "gap")


def bars_of(
    layout: Layout,
    series: Series,
    units: list[BarsUnit],
    forming: set[BarsUnit],
    *,
    start: dt.datetime | None,
    end: dt.datetime | None,
    include_orphans: bool,
) -> pl.LazyFrame:
    """
    The bars of units, with venue and symbol.

    A bar that was still forming at the end of its period was ended by the reset, if trades of a later period are there;
    if not, the unit is among the `forming` ones, and the bar is none yet.
    """
    kept, reasons = kept_schema(series, layout.time_unit), _built_schema(series, layout.time_unit)[_REASON]
    schema = pl.Schema(_HIVE | {name: reasons if name == _REASON else dtype for name, dtype in kept.items()})
    parts: list[pl.LazyFrame] = []
    for (venue, symbol, is_forming), of in groupby(units, key=lambda unit: (unit.venue, unit.symbol, unit in forming)):
        files = [layout.file(unit) for unit in of]
        # The schema is given: Polars so keeps nothing of a file that may be replaced before the query runs.
        bars = pl.scan_parquet(files, schema=kept, hive_partitioning=False, glob=False)
        if is_forming:
            bars = bars.filter(pl.col(_REASON) != "end")
        names = [pl.lit(value, dtype=pl.String).alias(key) for key, value in (("venue", venue), ("symbol", symbol))]
        reason = pl.col(_REASON).replace("end", "reset").cast(reasons)
        parts.append(bars.with_columns(reason, *names).select(schema.names()))
    bars = pl.concat(parts, how="vertical", rechunk=False) if parts else pl.LazyFrame(schema=schema)
    if not include_orphans:
        bars = bars.filter(~pl.col(_REASON).is_in(_ORPHANS))
    if start is not None:
        bars = bars.filter(pl.col("close_time") >= start)
    if end is not None:
        bars = bars.filter(pl.col("close_time") < end)
    return bars


def kept_schema(series: Series, time_unit: Literal["us", "ns"]) -> pl.Schema:
    """The columns of a file of bars: texts for categories, so that any program reads them."""
    built = _built_schema(series, time_unit)
    return pl.Schema({n: pl.String() if isinstance(t, pl.Enum) else t for n, t in built.items()})


def check_kept(series: Series, time_unit: Literal["us", "ns"]) -> None:
    """That the columns of a series can be computed of the trades of a lake, and be kept in files of any program."""
    schema = kept_schema(series, time_unit)
    for name in series.own.order:
        dtype = schema[name]
        if not (dtype.base_type() in _KEPT or isinstance(dtype, pl.Datetime | pl.Duration)):
            told = ", ".join(map(str, _KEPT))
            msg = f"a lake cannot keep `{name}` of {dtype}: cast it to one of {told}, or to a time"
            raise RangeBarError(msg)


def _built_schema(series: Series, time_unit: Literal["us", "ns"]) -> pl.Schema:
    """The columns of the bars as they are built."""
    trades = pl.LazyFrame(schema=trades_schema(time_unit))
    return scan_bars(trades, series.request, own=series.own).collect_schema()


def without_row_numbers(bars: pl.LazyFrame, trades: pl.LazyFrame) -> pl.LazyFrame:
    """Bars whose ids are null where trades have none: row numbers begin anew where reading does."""
    there = trades.collect_schema()
    names = [] if ID in there else ["first_agg_trade_id", "last_agg_trade_id"]
    names += [] if "first_trade_id" in there or ID in there else ["first_trade_id", "last_trade_id"]
    return bars.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in names)
