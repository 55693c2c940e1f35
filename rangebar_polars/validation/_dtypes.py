"""Which dtypes the columns of bars may have."""

from __future__ import annotations

from typing import Final

import polars as pl

from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.validation._bounds import IDS, PRICES, SIDES, TIMES

__all__ = ["TIME_COLUMNS", "check_dtypes"]

TIME_COLUMNS: Final = (*TIMES, "high_time", "low_time")
_WHOLE: Final = (*IDS, "individual_trade_count", "agg_record_count", "threshold_dbps")
_NUMBERS: Final = (*PRICES, "volume", "turnover", "vwap", *SIDES)
_WORDS: Final = {"close_reason": "reasons", "rule": "rules"}
_TEXT: Final = (pl.String, pl.Categorical, pl.Enum)


def check_dtypes(schema: pl.Schema, time_unit: TimeUnit | None) -> None:
    """Refuse columns of the bar with other dtypes than in bars; a column of only nulls may have the dtype Null."""
    for name, dtype in schema.items():
        if dtype == pl.Null:
            continue
        if name in TIME_COLUMNS and not isinstance(dtype, pl.Datetime) and not dtype.is_integer():
            msg = f"column `{name}` must be Datetime, or an integer with a `time_unit`, got {dtype}: {_to_time(dtype)}"
            raise RangeBarError(msg)
        if name in _NUMBERS and not dtype.is_numeric():
            msg = f'column `{name}` must be numeric, got {dtype}: cast it, as in pl.col("{name}").cast(pl.Float64)'
            raise RangeBarError(msg)
        if name in _WHOLE and not dtype.is_integer():
            msg = f'column `{name}` must be an integer, got {dtype}: cast it, as in pl.col("{name}").cast(pl.Int64)'
            raise RangeBarError(msg)
        if name in _WORDS and not isinstance(dtype, _TEXT):
            msg = (
                f"column `{name}` must be String, Categorical or Enum, got {dtype}: "
                f"rename it if it holds no {_WORDS[name]}"
            )
            raise RangeBarError(msg)
    _check_clock(schema, time_unit)


def _check_clock(schema: pl.Schema, time_unit: TimeUnit | None) -> None:
    """One clock: all integers, or all Datetime of one time zone."""
    times = {name: schema[name] for name in TIME_COLUMNS if name in schema and schema[name] != pl.Null}
    for name, dtype in times.items():
        if time_unit is not None and isinstance(dtype, pl.Datetime):
            msg = (
                f"`time_unit` is only for integer times, but `{name}` is {dtype!r}, which has a unit already: "
                "leave `time_unit` out"
            )
            raise RangeBarError(msg)
        first, of_first = next(iter(times.items()))
        if _zone(dtype) != _zone(of_first):
            msg = (
                f"columns `{first}` and `{name}` must have the same clock, got {of_first!r} and {dtype!r}: "
                'convert one, as in .dt.convert_time_zone("UTC") or .dt.replace_time_zone("UTC")'
            )
            raise RangeBarError(msg)


def _zone(dtype: pl.DataType) -> tuple[str | None] | None:
    return (dtype.time_zone,) if isinstance(dtype, pl.Datetime) else None


def _to_time(dtype: pl.DataType) -> str:
    if dtype == pl.String:
        return "read it with .str.to_datetime()"
    return "cast it to pl.Datetime" if dtype == pl.Date else "convert it with pl.from_epoch"
