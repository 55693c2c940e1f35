"""Parquet files: the same rows and the same checks, of columns that have dtypes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import polars as pl

from rangebar_polars._common.messages import shown_path
from rangebar_polars._engine.reading import batches
from rangebar_polars._readers.fields import ONLY, Fields
from rangebar_polars._readers.layout import Layout, layout_of_names
from rangebar_polars._readers.numbers import snapped
from rangebar_polars._readers.parse import LINE, TEXT
from rangebar_polars._readers.preset import FileUnit, Preset
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Table", "opened_table"]

_OTHERS = (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Datetime, pl.Null)
"""Dtypes that are no numbers, and may be something of a trade."""


class Table:
    """The rows of a Parquet file, as a parser reads them."""

    def __init__(
        self, file: Path, frame: pl.LazyFrame, layout: Layout, names: list[str], time_zone: str | None
    ) -> None:
        self.layout = layout
        self._time_zone = time_zone
        self._file = file
        self._frame = frame
        self._schema = frame.collect_schema()
        self._columns = {field: names[position] for field, position in layout.positions.items()}
        if layout.only is not None:
            self._columns[ONLY] = names[layout.only]
        for field in self._columns:
            self._check(field)

    @property
    def time(self) -> pl.DataType:
        """The dtype of the times."""
        return self._dtype("timestamp")

    @property
    def unit(self) -> FileUnit | None:
        """The unit of the times, if their dtype tells."""
        return self.time.time_unit if isinstance(self.time, pl.Datetime) else None

    def frames(self) -> Generator[pl.DataFrame]:
        """The columns of the file, with the names of the fields, batch by batch."""
        wanted = self._frame.select(pl.col(column).alias(field) for field, column in self._columns.items())
        with closing(batches(wanted, list(self._columns))) as read:
            yield from read

    def first_row(self, rows: pl.DataFrame) -> list[str]:
        """The texts of the first row, by the numbers of the columns."""
        texts = self.texts(rows.head(1), 1).row(0, named=True)
        first = [""] * self.layout.width
        for field, position in self.layout.positions.items():
            first[position] = texts[f"{field} text"]
        return first

    def typed(self, rows: pl.DataFrame, fields: Fields) -> pl.DataFrame | None:
        """The rows in the dtypes of the fields; None if a value does not fit."""
        typed = rows.select(self._cast(field, fields).alias(field) for field in self._columns)
        return typed if all(typed[name].null_count() == rows[name].null_count() for name in self._columns) else None

    def texts(self, rows: pl.DataFrame, first_row: int, fields: Fields | None = None) -> pl.DataFrame:
        """The rows as texts, numbered; with fields, numbers as these read them."""
        values = [self._text(field, fields).alias(f"{field} text") for field in self._columns]
        numbers = (pl.int_range(pl.len()) + first_row).alias(LINE)
        text = pl.concat_str((f"{field} text" for field in self._columns), separator=",", ignore_nulls=True)
        return rows.select(*values, numbers).with_columns(text.alias(TEXT))

    def _dtype(self, field: str) -> pl.DataType:
        return self._schema[self._columns[field]]

    def _check(self, field: str) -> None:
        dtype = self._dtype(field)
        if dtype == pl.Float32:
            msg = (
                f"{shown_path(self._file)}: `{self._columns[field]}` is Float32, which holds 7 digits of a number: "
                "read it with pl.scan_parquet, and cast it as its maker meant it"
            )
            raise RangeBarError(msg)
        if not (dtype.is_numeric() or isinstance(dtype, _OTHERS)):
            msg = f"{shown_path(self._file)}: `{self._columns[field]}` is {dtype}, which is no `{field}`"
            raise RangeBarError(msg)

    def _text(self, field: str, fields: Fields | None) -> pl.Expr:
        value, dtype = pl.col(field), self._dtype(field)
        if isinstance(dtype, pl.Datetime):
            value = self._time(value, dtype)
        if dtype == pl.Float64 and fields is not None and fields.dtypes[field] == pl.Float64:
            value = snapped(value, fields.decimals(field))
        return value.cast(pl.String).fill_null("")

    def _time(self, value: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
        """A time as a number since 1970 in UTC, where a dtype without a zone may be local."""
        if dtype.time_zone is None and self._time_zone is not None:
            value = value.dt.replace_time_zone(self._time_zone, ambiguous="earliest", non_existent="null")
        return value.to_physical()

    def _cast(self, field: str, fields: Fields) -> pl.Expr:
        value, own, dtype = pl.col(field), self._dtype(field), fields.dtypes[field]
        if own == pl.Float64 and dtype == pl.Float64:
            return snapped(value, fields.decimals(field))
        if own == dtype:
            return value
        if isinstance(own, pl.Datetime):
            return self._time(value, own)
        exact = own.is_integer() and (dtype.is_integer() or dtype.is_decimal() or dtype == pl.Float64)
        if exact:
            return value.cast(dtype, strict=False)
        # By way of its text, which is exact for doubles and decimals, and the way of the parser.
        text = value.cast(pl.String)
        if dtype == pl.Boolean:
            return text.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
        return text if dtype == pl.String else text.cast(dtype, strict=False)


def opened_table(file: Path, preset: Preset) -> Table:
    """The table in a Parquet file; an error if it is none, or has not the columns of the preset."""
    frame = pl.scan_parquet(file, hive_partitioning=False, glob=False)
    try:
        names = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        msg = f"{shown_path(file)} is damaged or cut off ({str(error).splitlines()[0]}): download it again"
        raise RangeBarError(msg) from error
    return Table(file, frame, layout_of_names(str(file), names, preset), names, preset.time_zone)
