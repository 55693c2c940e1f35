"""The lazy path to books: a source of the Polars engine, over the streamed updates."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._bars.book import BookRequest, update_columns
from rangebar_polars._bars.forgotten_key import KeySearch
from rangebar_polars._common.columns import key_columns
from rangebar_polars._common.parameters import check_flag
from rangebar_polars._engine.predicates import all_of, split_keys
from rangebar_polars._engine.progress import check_progress, with_progress
from rangebar_polars._engine.reading import batches
from rangebar_polars._engine.source import limited, register_source

__all__ = ["MIXED", "scan_book"]

_HAND_OVER = 4_096
"""Rows that are collected into one frame, unless there are no more or fewer are wanted."""

MIXED = "updates go into the same book"
"""What becomes of the updates of several symbols without a key."""


@dataclass(frozen=True, kw_only=True)
class _Updates:
    """The input and what is asked of it."""

    frame: pl.LazyFrame
    request: BookRequest
    names: dict[str, str]
    """Names of the columns by the parts that they play."""
    is_whole: bool = True
    """Whether all rows of the user's input are read."""
    progress: bool = False

    @property
    def inputs(self) -> list[str]:
        """The columns that are read: a key may play a part."""
        return list(dict.fromkeys([*self.request.keys, *self.names.values()]))

    def stream(self, columns: list[str]) -> _internal.DepthStream:
        """The machine that makes some columns of the books."""
        schema = self.frame.select(self.inputs).collect_schema().to_frame()
        return _internal.DepthStream(
            self.request.to_json(),
            parts=list(self.names),
            columns=columns,
            schema=schema,
            rows_are_of_input=self.is_whole,
        )

    def of_keys(self, terms: list[pl.Expr]) -> _Updates:
        """The updates of the groups that some terms select."""
        on_keys = all_of(terms)
        return self if on_keys is None else replace(self, frame=self.frame.filter(on_keys), is_whole=False)

    def frames(self, columns: list[str], enough: int) -> Generator[pl.DataFrame]:
        """The rows, with a frame whenever there are enough, or nothing can be read yet."""
        stream = self.stream(columns)
        with closing(self.search.before_reading()) as searched:
            for _ in searched:
                yield stream.take()
        read = batches(self.frame, self.inputs)
        shown = with_progress(read, self.frame, self.names["timestamp"], "order books") if self.progress else read
        with closing(shown):
            for batch in shown:
                added = 0
                while True:
                    waiting, rows = stream.push(batch.slice(added))
                    added += rows
                    if waiting >= enough or not batch.height:
                        yield stream.take()
                    if added == batch.height:
                        break
        stream.finish()
        yield stream.take()

    @property
    def search(self) -> KeySearch:
        """The search for a key that is not in `by`."""
        return KeySearch(self.frame, self.request.keys, MIXED)


def scan_book(frame: pl.LazyFrame, request: BookRequest, *, progress: bool) -> pl.LazyFrame:
    """The books of updates in a frame, as a source."""
    available = frame.collect_schema()
    asked = replace(request, by=key_columns(request.by, available, ["time", *request.columns]))
    names = update_columns(request.names, available.names())
    updates = _Updates(
        frame=frame, request=asked, names=names, progress=check_progress(check_flag("progress", progress))
    )
    schema = updates.stream(asked.columns).take().schema
    updates.search.at_once()

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Generator[pl.DataFrame]:
        del batch_size  # the batches of updates decide how large batches of rows are
        wanted = list(schema) if with_columns is None else with_columns
        kept, rest = updates, predicate
        if n_rows is None:  # a number of rows counts rows before the predicate
            on_keys, others = split_keys(predicate, asked.keys)
            kept, rest = updates.of_keys(on_keys), all_of(others)
        needed = {*wanted, *(() if rest is None else rest.meta.root_names())}
        columns = [name for name in asked.columns if name in needed]
        enough = _HAND_OVER if n_rows is None else min(n_rows, _HAND_OVER)
        return limited(kept.frames(columns, enough), wanted, rest, n_rows)

    detail = f"depth={asked.depth}, sample={asked.sample}, by={asked.keys}"
    return register_source(source, frame, dict(schema), "ORDER BOOKS", detail)
