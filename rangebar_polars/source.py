"""
The lazy path: bars as a source of the Polars engine, over the streamed input.

The engine asks a source for the columns it wants, with a predicate and a number of rows. Only those columns are
computed and only the input columns they need are read; what the predicate says of group keys is said to the
input; reading stops once there are rows enough.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import polars as pl
from polars.io.plugins import register_io_source

from rangebar_polars import _internal
from rangebar_polars._columns import input_columns, key_columns
from rangebar_polars._parameters import check_features, check_flag, check_time_unit
from rangebar_polars._typing import By, TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["scan_bar_ids", "scan_bars"]

_HAND_OVER = 4_096
"""
Bars that wait for each other before they become a frame, unless there are no more or fewer are wanted.

A frame costs about a millisecond to make and to hand to the engine. One for each batch of trades, most of them of a few
bars, made a query over ten million trades a fifth longer.
"""

_Source: TypeAlias = Callable[[list[str] | None, pl.Expr | None, int | None, int | None], Iterator[pl.DataFrame]]


@dataclass(frozen=True, kw_only=True)
class _Trades:
    """The input and what decides where its bars begin and end."""

    frame: pl.LazyFrame
    threshold_dbps: int
    same_timestamp_gate: bool
    time_unit: TimeUnit | None
    by: list[str]
    names: dict[str, str]
    """Names of the columns by the parts that they play."""

    def stream(self, columns: list[str], *, rows_are_of_input: bool) -> _internal.TradeStream:
        """The machine that makes some columns of the bars."""
        return _internal.TradeStream(
            threshold_dbps=self.threshold_dbps,
            same_timestamp_gate=self.same_timestamp_gate,
            time_unit=self.time_unit,
            names=list(self.names.items()),
            by=self.by,
            columns=columns,
            rows_are_of_input=rows_are_of_input,
        )

    def columns(self, parts: Iterable[str]) -> list[str]:
        """Names of the key columns and of the columns that play some parts, each once."""
        names = [name for part, name in self.names.items() if part in parts]
        return list(dict.fromkeys([*self.by, *names]))

    def empty(self, columns: list[str]) -> pl.DataFrame:
        """A batch of no rows, from which a machine learns its dtypes."""
        return self.frame.select(columns).collect_schema().to_frame()

    def batches(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        """Some columns of the input, batch by batch, in order, streamed. The first batch is empty."""
        yield self.empty(columns)
        for batch in self.frame.select(columns).collect_batches(engine="streaming", lazy=True, maintain_order=True):
            if batch.height:
                yield batch

    def filtered(self, predicate: pl.Expr | None, n_rows: int | None) -> tuple[_Trades, pl.Expr | None]:
        """
        The trades of the groups that a predicate leaves, and what is left of the predicate.

        A number of rows counts rows before the predicate, so with one nothing may be left out of the input.
        """
        on_keys, rest = (None, predicate) if n_rows is not None else _split(predicate, self.by)
        return (self if on_keys is None else replace(self, frame=self.frame.filter(on_keys))), rest


def scan_bars(
    frame: pl.LazyFrame,
    threshold_dbps: int,
    *,
    by: By,
    features: Sequence[str] | None,
    include_incomplete: bool,
    same_timestamp_gate: bool,
    time_unit: TimeUnit | None,
    columns: Mapping[str, str | None],
) -> pl.LazyFrame:
    """Range bars of the trades in a frame, as a source."""
    table = _internal.bar_columns(check_features(features))
    reads = {name: parts for name, _, parts in table}
    check_flag("include_incomplete", include_incomplete)
    trades = _trades(
        frame,
        threshold_dbps,
        by,
        list(reads),
        same_timestamp_gate=same_timestamp_gate,
        time_unit=time_unit,
        columns=columns,
    )
    probe = trades.stream(list(reads), rows_are_of_input=True)
    probe.push(trades.empty(trades.columns(trades.names)))
    schema = probe.take().schema

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # batches of bars are as large as the batches of trades make them
        wanted = list(schema) if with_columns is None else with_columns
        kept, rest = trades.filtered(predicate, n_rows)
        asked = _asked(wanted, rest)
        computed = [name for name in reads if name in asked]
        inputs = trades.columns({"timestamp", "price", *(part for name in computed for part in reads[name])})
        stream = kept.stream(computed, rows_are_of_input=kept is trades)

        def bars() -> Iterator[pl.DataFrame]:
            enough = _HAND_OVER if n_rows is None else min(n_rows, _HAND_OVER)
            for batch in kept.batches(inputs):
                if stream.push(batch) >= enough:
                    yield stream.take()
            yield stream.take()
            if include_incomplete:
                yield stream.forming()

        return _limited(bars(), wanted, rest, n_rows)

    detail = f"threshold_dbps={trades.threshold_dbps}, by={trades.by}"
    return _register(source, dict(schema), "RANGE BARS", detail)


def scan_bar_ids(
    frame: pl.LazyFrame,
    threshold_dbps: int,
    *,
    by: By,
    name: str,
    same_timestamp_gate: bool,
    time_unit: TimeUnit | None,
    columns: Mapping[str, str | None],
) -> pl.LazyFrame:
    """The trades in a frame with the number of their bar, as a source."""
    trades = _trades(
        frame, threshold_dbps, by, [], same_timestamp_gate=same_timestamp_gate, time_unit=time_unit, columns=columns
    )
    available = frame.collect_schema()
    if not isinstance(name, str):
        msg = f"`name` takes the name of the new column, got {name!r}"
        raise RangeBarError(msg)
    if name in available:
        msg = f"the input has a column `{name}`: give the bar numbers another with `name`"
        raise RangeBarError(msg)
    needed = trades.columns(trades.names)
    trades.stream([], rows_are_of_input=True).bar_ids(trades.empty(needed))
    schema = {**available, name: pl.UInt64()}

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # batches go out as they come in
        wanted = list(schema) if with_columns is None else with_columns
        kept, rest = trades.filtered(predicate, n_rows)
        asked = _asked(wanted, rest)
        inputs = list(dict.fromkeys([*needed, *(column for column in available if column in asked)]))
        stream = kept.stream([], rows_are_of_input=kept is trades)
        numbered = (batch.with_columns(stream.bar_ids(batch).alias(name)) for batch in kept.batches(inputs))
        return _limited(numbered, wanted, rest, n_rows)

    return _register(source, schema, "RANGE BAR IDS", f"threshold_dbps={trades.threshold_dbps}, by={trades.by}")


def _trades(
    frame: pl.LazyFrame,
    threshold_dbps: int,
    by: By,
    output: list[str],
    *,
    same_timestamp_gate: bool,
    time_unit: TimeUnit | None,
    columns: Mapping[str, str | None],
) -> _Trades:
    available = frame.collect_schema()
    return _Trades(
        frame=frame,
        threshold_dbps=_internal.check_threshold(threshold_dbps),
        same_timestamp_gate=check_flag("same_timestamp_gate", same_timestamp_gate),
        time_unit=check_time_unit(time_unit),
        by=key_columns(by, available, output),
        names=input_columns(columns, available.names()),
    )


def _asked(wanted: list[str], predicate: pl.Expr | None) -> set[str]:
    """The columns wanted and those that a predicate looks at."""
    return {*wanted, *(() if predicate is None else predicate.meta.root_names())}


def _limited(
    frames: Iterator[pl.DataFrame], wanted: list[str], predicate: pl.Expr | None, n_rows: int | None
) -> Iterator[pl.DataFrame]:
    """The wanted columns of those of the first `n_rows` rows that a predicate leaves; then reading stops."""
    left = n_rows
    for frame in frames:
        rows = frame
        if left is not None:
            rows = rows.head(left)
            left -= rows.height
        yield (rows if predicate is None else rows.filter(predicate)).select(wanted)
        if left == 0:
            return


def _split(predicate: pl.Expr | None, keys: list[str]) -> tuple[pl.Expr | None, pl.Expr | None]:
    """The part of a conjunction that speaks of nothing but group keys, and the rest."""
    on_keys: list[pl.Expr] = []
    rest: list[pl.Expr] = []
    for term in [] if predicate is None else _conjuncts(predicate):
        names = term.meta.root_names()
        (on_keys if names and set(names) <= set(keys) else rest).append(term)
    return _all(on_keys), _all(rest)


def _conjuncts(predicate: pl.Expr) -> list[pl.Expr]:
    operands = predicate.meta.pop()
    if len(operands) == 2:  # noqa: PLR2004
        for left, right in (operands, operands[::-1]):
            if (left & right).meta.eq(predicate):
                return [*_conjuncts(left), *_conjuncts(right)]
    return [predicate]


def _all(terms: list[pl.Expr]) -> pl.Expr | None:
    return functools.reduce(pl.Expr.__and__, terms) if terms else None


def _register(source: _Source, schema: dict[str, pl.DataType], name: str, detail: str) -> pl.LazyFrame:
    return register_io_source(source, schema=schema, is_pure=True, explain_name=name, explain_detail=detail)
