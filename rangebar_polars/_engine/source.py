"""What every source does, whatever its rows are: it is registered with Polars, and stops once it has enough rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TypeAlias

import polars as pl
from polars.io.plugins import register_io_source

from rangebar_polars._common.frames import picked
from rangebar_polars._engine.plans import files_read, showing_files
from rangebar_polars._engine.reading import droppable

__all__ = ["limited", "register_files", "register_source"]

_Source: TypeAlias = Callable[[list[str] | None, pl.Expr | None, int | None, int | None], Generator[pl.DataFrame]]


def limited(
    frames: Generator[pl.DataFrame], wanted: list[str], predicate: pl.Expr | None, n_rows: int | None
) -> Generator[pl.DataFrame]:
    """The wanted columns of the rows among the first `n_rows` that a predicate selects; then reading stops."""
    left = n_rows
    with closing(frames):
        for frame in frames:
            rows = frame
            if left is not None:
                rows = rows.head(left)
                left -= rows.height
                if left == 0:
                    frames.close()  # before the last rows are handed over: nobody may ask for more
            kept = rows if predicate is None else rows.filter(predicate)
            # A frame keeps its rows if its columns are dropped, but not if no column is selected.
            yield picked(kept, wanted) if wanted else kept.drop(kept.columns)
            if left == 0:
                return


def register_source(
    source: _Source, frame: pl.LazyFrame, schema: dict[str, pl.DataType], name: str, detail: str
) -> pl.LazyFrame:
    """A LazyFrame that asks a source, which reads a frame."""
    return register_files(source, files_read(frame), schema, name, detail)


def register_files(
    source: _Source, files: list[str], schema: dict[str, pl.DataType], name: str, detail: str
) -> pl.LazyFrame:
    """A LazyFrame that asks a source, which reads files."""

    def asked(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        return droppable(source(with_columns, predicate, n_rows, batch_size))

    asking = register_io_source(asked, schema=schema, is_pure=True, explain_name=name, explain_detail=detail)
    return showing_files(asking, files, schema)
