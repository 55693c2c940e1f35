"""Times of bars as Datetime, even if the trades had integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from rangebar_polars._common.instants import UNITS_PER_SECOND
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_time_unit
from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["check_years", "with_datetimes"]

_TIMES: Final = ("open_time", "close_time", "high_time", "low_time")

_YEARS: Final = (-62_135_596_800, 253_402_300_799)
"""First second of the year 1 and last of 9999, counted from 1970: what Python, and a time as text, can hold."""


def with_datetimes(bars: pl.LazyFrame, needed: Sequence[str], time_unit: TimeUnit | None) -> pl.LazyFrame:
    """
    The bars, with all their integer times and those needed as Datetime if `time_unit` is given.

    Raises a RangeBarError if one of `needed` is not a Datetime in the end, or if `time_unit` is given for one that
    already is.
    """
    unit = check_time_unit(time_unit)
    schema = bars.collect_schema()
    integers = [name for name in dict.fromkeys((*_TIMES, *needed)) if schema.get(name) == pl.Int64]
    for name in needed:
        if schema[name] == pl.Datetime and unit is not None:
            msg = (
                f"`time_unit` is only for Int64 times, but `{name}` is {shown(schema[name])}, which has a unit "
                "already: leave `time_unit` out"
            )
            raise RangeBarError(msg)
        if schema[name] != pl.Datetime and schema[name] != pl.Int64:
            msg = (
                f"column `{name}` must be Datetime, or Int64 with a `time_unit`, got {shown(schema[name])}: "
                "cast it, or parse text with `str.to_datetime()`"
            )
            raise RangeBarError(msg)
        if schema[name] == pl.Int64 and unit is None:
            msg = f'column `{name}` is Int64: give its unit with `time_unit="ms"`, `"us"` or `"ns"`'
            raise RangeBarError(msg)
    return bars if unit is None else bars.with_columns(pl.col(integers).cast(pl.Datetime(unit)))


def check_years(bars: pl.DataFrame, names: Sequence[str]) -> None:
    """Raise a RangeBarError at the first time that no calendar has, as numbers in a wrong unit give."""
    for name in names:
        dtype = bars.schema[name]
        if not isinstance(dtype, pl.Datetime):
            continue
        first, last = (second * UNITS_PER_SECOND[dtype.time_unit] for second in _YEARS)
        numbers = bars[name].to_physical()
        beyond = ~numbers.is_between(max(first, -(2**63)), min(last, 2**63 - 1))
        if beyond.any():
            row = beyond.arg_true()[0]
            msg = (
                f"`{name}` must be in the years 1 to 9999, got {numbers[row]} {dtype.time_unit} since 1970 "
                f"at bar {row}: the `time_unit` is probably wrong"
            )
            raise RangeBarError(msg)
