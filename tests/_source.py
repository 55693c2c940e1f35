"""A source of trades that remembers what a query asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from polars.io.plugins import register_io_source

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_ROWS = 1_000


class Recorder:
    """A source of trades that remembers what it was asked for."""

    def __init__(self, trades: pl.DataFrame) -> None:
        self._trades = trades
        self.columns: list[set[str]] = []
        self.predicates: list[str] = []
        self.rows = 0

    def scan(self) -> pl.LazyFrame:
        def source(
            with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            assert n_rows is None
            self.columns.append(set(with_columns or self._trades.columns))
            if predicate is not None:
                self.predicates.append(str(predicate))
            for batch in self._trades.iter_slices(BATCH_ROWS):
                self.rows += batch.height
                out = batch if predicate is None else batch.filter(predicate)
                yield out.select(with_columns or pl.all())

        return register_io_source(source, schema=self._trades.schema)
