"""Times of files: what their numbers and texts mean, and which of them are right."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal, get_args

import polars as pl

from rangebar_polars._common.instants import UNITS_PER_SECOND
from rangebar_polars._common.parameters import MOST_DECIMALS
from rangebar_polars._readers.preset import FileUnit, Preset

__all__ = ["Times", "file_unit", "unit_of"]

_UNITS: Final[tuple[FileUnit, ...]] = get_args(FileUnit)
_PER_SECOND: Final = {"s": 1, **UNITS_PER_SECOND}
_SECONDS: Final = (10**8, 10**11)
"""Seconds since 1970, from March 1973 to the year 5138: what lies within is in this unit, and in no other."""

_LAST_SECOND: Final = 2**63 // 10**9
"""The last one that nanoseconds hold, in April 2262: a later time is a digit too many."""

_DAY_SECONDS: Final = 2 * 86_400
"""Seconds since midnight that a time may be: a session may end on the next day."""

_YEARS: Final = (1900, 2199)
"""Years that a text may have: nanoseconds hold those from 1678 to 2261, and Polars wraps others round."""

_ISO: Final = r"^(?:19|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{1,9})?Z?$"
"""What is read as ISO 8601: Polars alone would read other widths, a 60th second, and any number of digits."""

_NUMBER: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"


def file_unit(text: str) -> FileUnit | None:
    """The unit of a time since 1970, by its digits; None if they do not tell."""
    whole = text.partition(".")[0]
    return unit_of(int(whole)) if whole.isdecimal() else None


def unit_of(time: float) -> FileUnit | None:
    """The unit in which a number is a time since 1970."""
    low, high = _SECONDS
    return next((unit for unit in _UNITS if low * _PER_SECOND[unit] <= time < high * _PER_SECOND[unit]), None)


@dataclass(frozen=True)
class Times:
    """How a file writes times, and how they come out: expressions of the column `timestamp`."""

    preset: Preset
    unit: FileUnit | None
    """Of times that are numbers."""
    clock: Literal["us", "ns"]
    """Of the result."""
    date: dt.date | None
    """Of midnight."""

    def dtype(self) -> pl.DataType:
        """What a time is parsed as."""
        # Seconds may have decimals, all others are whole.
        number = pl.Decimal(38, MOST_DECIMALS) if self.unit == "s" else pl.Int64()
        return pl.String() if self.preset.clock == "text" else number

    def value(self) -> pl.Expr:
        """The time, in the unit of the result."""
        if self.preset.clock == "text":
            return pl.col("timestamp").dt.cast_time_unit(self.clock)
        ticks = self._ticks()
        if self.preset.clock == "epoch":
            return ticks.cast(pl.Datetime(self.clock, "UTC"))
        # A damaged number may lead beyond the years that have a calendar, where Polars panics.
        most = _DAY_SECONDS * (10**9 if self.clock == "ns" else 10**6)
        since = pl.when(ticks.is_between(0, most)).then(ticks).cast(pl.Duration(self.clock))
        return self._localised(pl.lit(self.date, dtype=pl.Date).cast(pl.Datetime(self.clock)) + since)

    def read(self, text: pl.Expr) -> pl.Expr:
        """A text as nanoseconds in UTC; null if it is no time."""
        form = self.preset.time_format
        if form is not None:
            years = text.str.to_datetime(form, time_unit="us", strict=False).dt.year().is_between(*_YEARS)
            short = ~text.str.contains(r"\.[0-9]{10}")
            return self._localised(
                pl.when(years & short).then(text.str.to_datetime(form, time_unit="ns", strict=False))
            )
        plain = text.str.replace("T", " ", literal=True).str.strip_suffix("Z")
        read = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ns", strict=False)
        read = pl.when(text.str.contains(_ISO)).then(read)
        if self.preset.time_zone is None:
            return self._localised(read)
        return pl.when(text.str.ends_with("Z")).then(read.dt.replace_time_zone("UTC")).otherwise(self._localised(read))

    def is_right(self) -> pl.Expr:
        """Whether a time can be read, and is in the unit of the file."""
        time = pl.col("timestamp")
        if self.preset.clock == "text":
            return pl.col("timestamp").is_not_null()
        per = _PER_SECOND[self.unit or "us"]
        low, high = (_SECONDS[0], _LAST_SECOND) if self.preset.clock == "epoch" else (0, _DAY_SECONDS)
        right = (time >= low * per) & (time < high * per)
        if self.preset.clock == "midnight":
            right &= self.value().is_not_null()  # a clock that was put forward does not show every time
        if self.unit == "s" and self.clock == "ns":
            right &= time.cast(pl.Decimal(38, 9), strict=False) == time
        return right

    def is_whole(self) -> pl.Expr:
        """Whether a time that is right is whole in microseconds, if the result has these."""
        if self.clock == "ns":
            return pl.lit(value=True)
        if self.preset.clock == "text":
            return pl.col("timestamp").dt.nanosecond() % 1000 == 0
        time = pl.col("timestamp")
        if self.unit == "s":
            return time.cast(pl.Decimal(38, 6), strict=False) == time
        return time % 1000 == 0 if self.unit == "ns" else pl.lit(value=True)

    def is_in_another_unit(self, text: pl.Expr) -> pl.Expr | None:
        """Whether the text of a time is right in another unit than that of the file; None if there is no other."""
        if self.preset.clock != "epoch":
            return None
        time = pl.when(text.str.contains(_NUMBER)).then(text.cast(pl.Float64, strict=False))
        low, high = _SECONDS
        others = [per for unit, per in _PER_SECOND.items() if unit != self.unit]
        return pl.any_horizontal((time >= low * per) & (time < high * per) for per in others)

    def _ticks(self) -> pl.Expr:
        """A time that is a number, in the unit of the result; a finer one is rounded."""
        per = 10**9 if self.clock == "ns" else 10**6
        time, of = pl.col("timestamp"), _PER_SECOND[self.unit or "us"]
        if self.unit == "s":
            decimals = 9 if self.clock == "ns" else 6
            return time.cast(pl.Decimal(38, decimals), strict=False).to_physical().cast(pl.Int64, strict=False)
        return time * (per // of) if per >= of else time // (of // per)

    def _localised(self, local: pl.Expr) -> pl.Expr:
        """A local time in UTC; of an hour that is there twice, the first, as the venue's clock shows it."""
        zone = self.preset.time_zone or "UTC"
        return local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
