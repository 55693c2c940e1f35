"""The order of rows: within a symbol, ids rise and time does not go back, from block to block and from file to file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import polars as pl

__all__ = ["BEFORE", "FAULT", "Order"]

_ID: Final = "agg_trade_id"
_TIME: Final = "timestamp"
_SYMBOL: Final = "symbol"
_FILE: Final = "file of "

FAULT: Final = "fault"
"""The column of :meth:`Order.faults`."""

BEFORE: Final = "before "
"""What the names of the columns begin with that hold the id and the time that a row had to follow."""


class _Last(NamedTuple):
    """What was read last of a symbol."""

    row: pl.DataFrame
    """Left out or not."""
    highest: dict[str, int | None]
    """The highest id and the latest time, as numbers."""
    files: dict[str, str | None]
    """The files that these come from."""

    def frame(self, schema: pl.Schema) -> pl.DataFrame:
        """All of it in one row."""
        marks = [pl.Series(f"{BEFORE}{name}", [value], dtype=pl.Int64) for name, value in self.highest.items()]
        marks = [mark.cast(schema[mark.name]) for mark in marks]
        files = [pl.Series(f"{_FILE}{name}", [file], dtype=pl.String) for name, file in self.files.items()]
        return self.row.with_columns(*marks, *files).select(schema.names())


class Order:
    """What was read last of each symbol, and whether what comes next follows it."""

    def __init__(self, schema: pl.Schema, *, symbols_in_rows: bool) -> None:
        self._names = schema.names()
        self._marks = [name for name in (_ID, _TIME) if name in schema]
        self._keys = [_SYMBOL] if symbols_in_rows else []
        marks = {f"{BEFORE}{name}": schema[name] for name in self._marks}
        files = {f"{_FILE}{name}": pl.String() for name in self._marks}
        self._schema = pl.Schema({**schema, **marks, **files})
        self._keyed = self._schema.to_frame()
        """If rows have symbols of their own: what was read last of each, one row for each."""
        self._read: dict[str | None, _Last] = {}
        """If files have one symbol each: what was read last of each."""
        self._symbol: str | None = None

    def begin(self, symbol: str | None) -> None:
        """A file begins, with one symbol for all of its rows; None if rows have their own, or none."""
        self._symbol = None if self._keys else symbol

    def file_before(self, row: Mapping[str, Any]) -> str | None:
        """The file that holds what one of the faults had to follow; None if it is the file of the row."""
        read = self._before()
        if self._keys:
            read = read.filter(pl.col(_SYMBOL).eq_missing(pl.lit(row[_SYMBOL], dtype=pl.String)))
        for last in read.iter_rows(named=True):
            for name in self._marks:
                value, before = row[name], row[f"{BEFORE}{name}"]
                if value is not None and before is not None and (value < before or (name == _ID and value == before)):
                    return last[f"{_FILE}{name}"] if before == last[f"{BEFORE}{name}"] else None
        return None

    def follows(self, frame: pl.DataFrame) -> bool:
        """Whether all rows are in order and follow what was read; false also if some have ids and others have not."""
        if not frame.height:
            return True
        marks = [name for name in self._marks if frame[name].null_count() < frame.height]
        if any(frame[name].null_count() for name in marks):
            return False
        if not self._keys:
            last = self._read.get(self._symbol)
            return all(_rises(frame[name], None if last is None else last.highest[name]) for name in marks)
        before = self._before(frame).select(*self._keys, *(pl.col(f"{BEFORE}{name}").alias(name) for name in marks))
        joined = frame.select(before.columns)
        joined = pl.concat([before, joined]) if before.height else joined
        follow = [pl.col(name).diff() > 0 if name == _ID else pl.col(name).diff() >= pl.duration() for name in marks]
        if joined[_SYMBOL].n_unique() > 1:
            follow = [each.over(_SYMBOL) for each in follow]
        return bool(joined.select(pl.all_horizontal(each.all() for each in follow)).item())

    def faults(self, frame: pl.DataFrame) -> pl.DataFrame:
        """
        The rows with a column that tells what is wrong with their place, null if nothing is.

        A row is compared with all rows that were read before it, left out or not: two more columns hold the highest id
        and the latest time of these.
        """
        before = self._before(frame)
        joined = pl.concat([before, frame], how="diagonal").with_columns(
            *(self._over(self._highest(name)).alias(f"{BEFORE}{name}") for name in self._marks),
            _new=pl.int_range(pl.len()) >= before.height,
        )
        time_back = pl.col(_TIME) < pl.col(f"{BEFORE}{_TIME}")
        faults = {"backwards": time_back}
        if _ID in self._marks:
            repeated = pl.col(_ID) == pl.col(_ID).shift(1)
            same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in self._names)
            faults = {
                "duplicate": self._over(repeated & same),
                "conflicting_id": self._over(repeated),
                "backwards": time_back.fill_null(value=False) | (pl.col(_ID) <= pl.col(f"{BEFORE}{_ID}")),
            }
        fault = pl.coalesce(pl.when(wrong).then(pl.lit(name)) for name, wrong in faults.items())
        columns = [*self._names, *(f"{BEFORE}{name}" for name in self._marks), FAULT]
        return joined.with_columns(fault.alias(FAULT)).filter("_new").select(columns)

    def advance(self, frame: pl.DataFrame, file: str) -> None:
        """Take rows as read, whether they are left out or not."""
        if not frame.height:
            return
        if not self._keys:
            self._read[self._symbol] = self._last(frame, file)
            return
        last = [pl.col(name).last() for name in self._names if name not in self._keys]
        marks = [pl.col(name).max().alias(f"{BEFORE}{name}") for name in self._marks]
        old = self._before()
        new = frame.group_by(_SYMBOL, maintain_order=True).agg(*last, *marks)
        joined = new.select(_SYMBOL).join(old, on=_SYMBOL, how="left", nulls_equal=True, maintain_order="left")
        others = old.join(new.select(_SYMBOL), on=_SYMBOL, how="anti", nulls_equal=True)
        new = new.with_columns(self._advanced({n: pl.lit(joined[n]) for n in joined.columns}, file))
        self._keyed = pl.concat([others, new.select(old.columns)])

    def _last(self, frame: pl.DataFrame, file: str) -> _Last:
        """The last of the rows; what was highest before stays so if they have nothing higher."""
        # A copy, because a part of the frame would keep all of it in memory. No query: files may be small, and many.
        row = pl.DataFrame([column.new_from_index(frame.height - 1, 1) for column in frame])
        before = self._read.get(self._symbol)
        highest, files = ({}, {}) if before is None else (dict(before.highest), dict(before.files))
        for name in self._marks:
            known, found = highest.setdefault(name, None), frame[name].cast(pl.Int64).max()
            files.setdefault(name, None)
            if isinstance(found, int) and (known is None or found > known):
                highest[name], files[name] = found, file
        return _Last(row, highest, files)

    def _advanced(self, known: Mapping[str, pl.Expr], file: str) -> list[pl.Expr]:
        """The highest id and the latest time, of new rows and of what was known, and the files that these come from."""
        values: list[pl.Expr] = []
        files: list[pl.Expr] = []
        for name in self._marks:
            mark, before, where = pl.col(f"{BEFORE}{name}"), known[f"{BEFORE}{name}"], known[f"{_FILE}{name}"]
            is_new = mark.is_not_null() & (mark > before).fill_null(value=True)
            values.append(pl.when(is_new).then(mark).otherwise(before).alias(f"{BEFORE}{name}"))
            files.append(pl.when(is_new).then(pl.lit(file)).otherwise(where).alias(f"{_FILE}{name}"))
        return [*values, *files]

    def _before(self, frame: pl.DataFrame | None = None) -> pl.DataFrame:
        """What was read of the symbols of a frame, or of all."""
        if not self._keys:
            last = self._read.get(self._symbol)
            return self._schema.to_frame() if last is None else last.frame(self._schema)
        read = self._keyed
        if frame is not None and read.height > 1:
            read = read.filter(pl.col(_SYMBOL).is_in(frame[_SYMBOL].unique().implode(), nulls_equal=True))
        return read

    def _highest(self, name: str) -> pl.Expr:
        """The highest value before each row."""
        return pl.max_horizontal(name, f"{BEFORE}{name}").cum_max().forward_fill().shift(1)

    def _over(self, expression: pl.Expr) -> pl.Expr:
        return expression.over(_SYMBOL) if self._keys else expression


def _rises(values: pl.Series, highest: int | None) -> bool:
    """Whether ids rise, or times do not fall, and follow the highest that was read."""
    numbers = values.cast(pl.Int64)
    first = numbers[0]
    if values.name != _ID:
        return (highest is None or first >= highest) and numbers.is_sorted()
    return (highest is None or first > highest) and bool((numbers[1:] > numbers[:-1]).all())
