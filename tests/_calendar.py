"""The calendar of Polars, against which the oracle's own and the library's are held, and trades at given times."""

from __future__ import annotations

import calendar
from typing import TYPE_CHECKING

import polars as pl
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests._oracle import Reset, TimeUnit
    from tests.strategies import Trades

FIRST_US, LAST_US = (calendar.timegm((year, 1, 1, 0, 0, 0)) * 10**6 for year in (1690, 2190))
INSTANTS_US = st.integers(FIRST_US, LAST_US)
"""Instants that every clock has, with 70 years left in 64 bits of nanoseconds."""


def instants(column: pl.Series, time_unit: TimeUnit | None = None) -> pl.Series:
    """Times of any clock as they are in UTC, without a zone."""
    unit = column.dtype.time_unit if isinstance(column.dtype, pl.Datetime) else time_unit
    assert unit is not None
    return column.to_physical().cast(pl.Datetime(unit))


def instants_of(case: Trades) -> pl.Series:
    """The times of drawn trades in UTC."""
    return instants(case.frame["timestamp"], case.options.get("time_unit"))


def period_starts(utc: pl.Series, reset: Reset) -> pl.Series:
    """First instants of the calendar periods; weeks of Polars start on Monday."""
    if reset == "1w":
        return utc.dt.offset_by("1d").dt.truncate("1w").dt.offset_by("-1d")
    return utc.dt.truncate(reset)


def trades_at(times: list[int], dtype: pl.DataType) -> pl.DataFrame:
    """Trades of one price at some times of a clock."""
    time = pl.Series(times, dtype=pl.Int64).cast(dtype)
    return pl.DataFrame({"timestamp": time, "price": [100.0] * len(times), "quantity": [1.0] * len(times)})
