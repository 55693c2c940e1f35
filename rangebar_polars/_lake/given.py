"""Trades as they are given: checked, in the dtypes of the lake, and apart by symbol and day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import polars as pl

from rangebar_polars._common.columns import missing_column
from rangebar_polars._common.instants import EPOCH, UNITS_PER_SECOND
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import USUAL_DECIMALS
from rangebar_polars._lake.layout import Layout, TradesUnit, check_key
from rangebar_polars._lake.schema import ID, OPTIONAL, trades_schema
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Given", "in_order"]

_NEEDED: Final = ("agg_trade_id", "first_trade_id", "last_trade_id")
"""Columns that are there on all rows of a day, or on none."""

_EXACT: Final = 2**53 / 10**USUAL_DECIMALS
"""Up to here, a double has all these decimals."""

_SECONDS: Final = tuple((dt.datetime(year, 1, 1, tzinfo=dt.UTC) - EPOCH).days * 86_400 for year in (1, 9999))
"""The times whose days Python knows, in seconds since 1970: a day is the name of a folder. Without the last year."""


class Given:
    """A frame of trades for a lake."""

    def __init__(self, frame: pl.LazyFrame, layout: Layout, *, venue: str, symbol: str | None) -> None:
        available = frame.collect_schema()
        self._venue = venue
        self._symbol = symbol
        self.schema = pl.Schema({n: t for n, t in trades_schema(layout.time_unit).items() if n in available})
        """The columns that will be kept."""
        _check_columns(available, symbol)
        keys = [] if symbol is not None else ["symbol"]
        self._declared = {name: available[name] for name in (*self.schema, *keys) if name != "timestamp"}
        self.query = frame.select(*self.schema, *keys)
        """What is read of the frame."""

    def parts(self, batch: pl.DataFrame) -> Iterator[tuple[TradesUnit, pl.DataFrame]]:
        """The rows of a batch, apart by symbol and day."""
        for name, dtype in self._declared.items():
            if batch[name].dtype != dtype:
                msg = (
                    f"`{name}` must stay {dtype} throughout the input, got {batch[name].dtype}; cast the column to one "
                    "dtype first"
                )
                raise RangeBarError(msg)
        kept = batch.select(_kept(batch[name], dtype) for name, dtype in self.schema.items())
        _check_rows(kept)
        dates = kept["timestamp"].dt.date()
        if self._symbol is not None and dates[0] == dates[-1] and dates.n_unique() == 1:
            yield TradesUnit(self._venue, self._symbol, dates[0]), kept
            return
        symbols = pl.lit(self._symbol) if self._symbol is not None else batch["symbol"].cast(pl.String)
        keyed = kept.with_columns(symbols.alias("_symbol"), dates.alias("_date"))
        parts = keyed.partition_by("_symbol", "_date", as_dict=True, maintain_order=True, include_key=False)
        for (name, date), rows in parts.items():
            if name is None:
                msg = f"`symbol` must not be null, got null in {shown(rows.row(0, named=True))}; drop such rows"
                raise RangeBarError(msg)
            yield TradesUnit(self._venue, check_key("symbol", name), date), rows


def _check_columns(available: pl.Schema, symbol: str | None) -> None:
    """That there are all columns."""
    for name in ("timestamp", "price", "quantity"):
        if name not in available:
            raise missing_column(name, available.names(), remedy="rename the column first")
    if symbol is None and "symbol" not in available:
        raise RangeBarError("the trades have no column `symbol`: pass `symbol=`")
    if symbol is not None and "symbol" in available:
        raise RangeBarError("the trades have a column `symbol`: leave `symbol=` out, or drop the column")
    if symbol is None and not isinstance(available["symbol"], pl.String | pl.Categorical | pl.Enum):
        msg = f"`symbol` must be String, Categorical or Enum, got {available['symbol']}: cast it first"
        raise RangeBarError(msg)
    _check_dtypes(available)


def _check_dtypes(available: pl.Schema) -> None:
    """That the columns have dtypes that can be kept."""
    if not isinstance(available["timestamp"], pl.Datetime):
        msg = f"`timestamp` must be Datetime, got {available['timestamp']}: cast it with its unit first"
        raise RangeBarError(msg)
    for name in ("price", "quantity"):
        if not available[name].is_numeric():
            msg = f"`{name}` must be a number, got {available[name]}: cast it first"
            raise RangeBarError(msg)
        if available[name] == pl.Float32:
            msg = f"`{name}` is Float32, which holds 7 digits of a number: cast it as its maker meant it"
            raise RangeBarError(msg)
    for name, dtype in OPTIONAL.items():
        given = available.get(name)
        fits = given is None or given in (dtype, pl.Null) or (given.is_integer() and dtype.is_integer())
        if not fits:
            msg = f"`{name}` must be {dtype}, got {given}: cast it first"
            raise RangeBarError(msg)
    if ("first_trade_id" in available) != ("last_trade_id" in available):
        raise RangeBarError("`first_trade_id` and `last_trade_id` come together: name both, or drop the other")


def _kept(given: pl.Series, dtype: pl.DataType) -> pl.Series:
    """A column in the dtype that the lake has, or an error if that would change it."""
    if isinstance(dtype, pl.Datetime):
        return _times(given, dtype)
    if given.dtype == dtype:
        return given
    kept = given.cast(dtype, strict=False)
    row = None
    if dtype == pl.Float64 and given.dtype.is_decimal():
        row = next((r for r in _unlike(given, kept) if not _is_kept(given[r], kept[r])), None)
    elif given.dtype.is_integer() and given.dtype != dtype:
        row = next(iter(_unlike(given, kept)), None)
    if row is not None:
        kind = "a double" if dtype == pl.Float64 else "64 bits"
        msg = (
            f"`{given.name}` must be a number that {kind} can hold to its last decimal, of at most {USUAL_DECIMALS}, "
            f"got {given[row]}; the lake keeps {dtype}: use another unit, or cast it yourself if the rest does not "
            "matter"
        )
        raise RangeBarError(msg)
    return kept


def _unlike(given: pl.Series, kept: pl.Series) -> list[int]:
    """The rows that come back as others; of decimals also those which Polars rounds on the way back."""
    if given.dtype.is_integer():
        return kept.cast(given.dtype, strict=False).ne_missing(given).arg_true().to_list()
    back = kept.cast(pl.Decimal(38, USUAL_DECIMALS), strict=False)
    return (back.ne_missing(given) | (kept.abs() > _EXACT)).arg_true().to_list()


def _is_kept(given: Decimal, kept: float) -> bool:
    """Whether a decimal has no more decimals than count, and is the nearest of those to a double."""
    unit = Decimal(1).scaleb(-USUAL_DECIMALS)
    return given == given.quantize(unit) == Decimal(kept).quantize(unit)


def _times(given: pl.Series, dtype: pl.Datetime) -> pl.Series:
    """Times in UTC and in the clock of the lake."""
    clock = given.dtype
    if not isinstance(clock, pl.Datetime):
        msg = f"`timestamp` must stay Datetime throughout the input, got {clock}; cast the column to one dtype first"
        raise RangeBarError(msg)
    numbers = given.to_physical()
    first, last = (seconds * UNITS_PER_SECOND[clock.time_unit] for seconds in _SECONDS)
    if clock.time_unit != "ns" and not numbers.is_between(first, last, closed="left").all():
        row = (~numbers.is_between(first, last, closed="left")).arg_true()[0]
        got = f"{numbers[row]} {clock.time_unit} since 1970"
        msg = f"`timestamp` must be in the years 1 to 9998, got {got}; the unit is probably wrong"
        raise RangeBarError(msg)
    zoned = given if clock.time_zone else given.dt.replace_time_zone("UTC")
    kept = zoned.dt.convert_time_zone("UTC").dt.cast_time_unit(dtype.time_unit)
    row = next(iter((kept.dt.cast_time_unit(clock.time_unit).to_physical() != numbers).arg_true()), None)
    if row is not None:
        is_finer = clock.time_unit == "ns"
        reason = "has a part of a microsecond" if is_finer else "is too far from 1970"
        remedy = (
            'make a lake with `time_unit="ns"`, or truncate the times' if is_finer else "the unit is probably wrong"
        )
        msg = f"the time {numbers[row]} {clock.time_unit} {reason}, and the lake keeps {dtype.time_unit}: {remedy}"
        raise RangeBarError(msg)
    return kept


def _check_rows(rows: pl.DataFrame) -> None:
    """That no row breaks a rule which no bars could be built with."""
    rules = {
        "price": ("finite and > 0", pl.col("price").is_finite() & (pl.col("price") > 0)),
        "quantity": ("finite and >= 0", pl.col("quantity").is_finite() & (pl.col("quantity") >= 0)),
    }
    good = rows.select(rule.all().alias(name) for name, (_, rule) in rules.items()).row(0, named=True)
    for name in ("timestamp", *rules):
        if rows[name].null_count():
            row = rows[name].is_null().arg_true()[0]
            msg = f"`{name}` must not be null, got null in {_told(rows, row)}; drop such rows, or fill them"
            raise RangeBarError(msg)
        if good.get(name) is False:
            told, rule = rules[name]
            row = rows.select((~rule).arg_true()).item(0, 0)
            msg = f"`{name}` must be {told}, got {rows[name][row]} in {_told(rows, row)}; filter out such rows"
            raise RangeBarError(msg)


def _told(rows: pl.DataFrame, row: int) -> str:
    """A trade by its id and time."""
    shown_id = f"id {rows[ID][row]} of " if ID in rows.columns else ""
    return f"the trade {shown_id}{rows['timestamp'][row]}"


def in_order(unit: TradesUnit, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The rows of a day, each of which must follow the one before."""
    last: pl.DataFrame | None = None
    for frame in frames:
        both = frame if last is None else pl.concat([last, frame])
        times = both["timestamp"].to_physical()
        back = times < times.shift(1)
        for name in set(_NEEDED) & set(frame.columns):
            if frame[name].null_count():
                row = frame[name].is_null().arg_true()[0]
                msg = (
                    f"`{name}` must not be null on some rows of a day, got null in {_told(frame, row)} of "
                    f"{shown(unit.symbol)}; drop such rows, fill them, or drop the column"
                )
                raise RangeBarError(msg)
        if ID in both.columns:
            back |= both[ID] <= both[ID].shift(1)
        if back.fill_null(value=False).any():
            row = back.arg_true()[0]
            msg = (
                f"trades of {shown(unit.symbol)} on {shown(unit.venue)} are out of order: {_told(both, row)} after "
                f"{_told(both, row - 1)}; sort them first, and drop those that are there twice"
            )
            raise RangeBarError(msg)
        last = frame.tail(1)
        yield frame
