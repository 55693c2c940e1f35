"""Features of one's own as they are asked for, and as they are once the columns of the trades are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._bars.feature_sets import FeatureSet, as_expressions, as_feature_sets
from rangebar_polars._bars.own_text import expression_of, text_of
from rangebar_polars._bars.request import Request
from rangebar_polars._common.columns import missing_column
from rangebar_polars._common.messages import cut, listed
from rangebar_polars.exceptions import RangeBarError

__all__ = ["BAR", "BoundFeatures", "OwnColumn", "OwnFeatures", "has_one_value"]

OURS = "__rangebar_polars_"
"""What names of columns begin with that are added meanwhile."""

BAR = f"{OURS}bar__"
"""The column that says which bar a row is of."""

_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError)


class OwnColumn(NamedTuple):
    """A column, what computes it, and what messages call it."""

    name: str
    expression: pl.Expr
    told: str

    @property
    def reads(self) -> list[str] | None:
        """The columns that it reads; None if that depends on which there are."""
        if self.expression.meta.has_multiple_outputs():
            return None
        return list(dict.fromkeys(self.expression.meta.root_names()))


@dataclass(frozen=True, eq=False)
class OwnFeatures:
    """The aggregations and sets that a user asks for."""

    aggs: tuple[pl.Expr, ...] = ()
    sets: tuple[FeatureSet, ...] = ()

    @classmethod
    def of(cls, aggs: object = (), feature_sets: object = ()) -> Self:
        """What a user asks for, checked as far as it can be without the trades."""
        asked = cls(as_expressions("aggs", aggs), as_feature_sets(feature_sets))
        names: set[str] = set()
        for column in (*asked.aggregations, *(column for _, columns in asked.windows for column in columns)):
            if column.name in names:
                msg = f"{column.told} has the name of another one: give it one of its own with `.alias(...)`"
                raise RangeBarError(msg)
            names.add(column.name)
        return asked

    def __bool__(self) -> bool:
        return bool(self.aggs or self.sets)

    def __eq__(self, other: object) -> bool:
        """Whether both ask for the same: sets are what their names and versions say."""
        if not isinstance(other, OwnFeatures) or self._versions != other._versions:
            return False
        pairs = zip(self.aggs, other.aggs, strict=False)
        return len(self.aggs) == len(other.aggs) and all(one.meta.eq(another) for one, another in pairs)

    def __hash__(self) -> int:
        return hash((tuple(self.order), self._versions))

    @property
    def _versions(self) -> tuple[tuple[str, str], ...]:
        return tuple((one.name, one.version) for one in self.sets)

    @cached_property
    def aggregations(self) -> list[OwnColumn]:
        """The aggregations over the trades of a bar."""
        plain = [_named(expression, "the aggregation `{}`") for expression in self.aggs]
        return plain + [column for one in self.sets for column in _of_set(one, one.aggs)]

    @cached_property
    def windows(self) -> list[tuple[int, list[OwnColumn]]]:
        """The expressions over bars, with how far back they see."""
        found = [(one.lookback_bars, _of_set(one, one.over_bars)) for one in self.sets]
        return [(lookback, columns) for lookback, columns in found if columns]

    @property
    def lookback_bars(self) -> int:
        """The bars before a bar that are needed."""
        return max((lookback for lookback, _ in self.windows), default=0)

    @property
    def order(self) -> list[str]:
        """The columns as they come out."""
        windows = {one.name: _of_set(one, one.over_bars) for one in self.sets}
        plain = [column.name for column in self.aggregations[: len(self.aggs)]]
        return plain + [column.name for one in self.sets for column in (*_of_set(one, one.aggs), *windows[one.name])]

    @property
    def form(self) -> dict[str, Any]:
        """What is kept: the text of aggregations, and the names and versions of sets."""
        aggs = [
            text_of(expression, column.name) for expression, column in zip(self.aggs, self.aggregations, strict=False)
        ]
        return {"aggs": aggs, "feature_sets": [[one.name, one.version] for one in self.sets]}

    @classmethod
    def of_form(cls, form: Mapping[str, Any], given: OwnFeatures | None = None) -> Self:
        """What was kept; sets are those given, or else installed ones, and must be of the same versions."""
        there = {one.name: one for one in given.sets} if given is not None else {}
        sets: list[FeatureSet] = []
        for name, version in form["feature_sets"]:
            one = there[name] if name in there else as_feature_sets([name])[0]
            if one.version != version:
                msg = (
                    f"the FeatureSet {name!r} has version {one.version!r} here, and what was kept is of {version!r}: "
                    "build it anew, or install that version"
                )
                raise RangeBarError(msg)
            sets.append(one)
        return cls.of([expression_of(text) for text in form["aggs"]], sets)

    def with_needed(self, request: Request) -> Request:
        """A request that also has the features which expressions over bars read."""
        there = {column.name for column in request.columns}
        known = [name for name, is_feature, _ in _internal.bar_columns(intra=True, lookback=True) if is_feature]
        reads = {name for _, columns in self.windows for column in columns for name in column.reads or ()}
        needed = [name for name in known if name in reads - there]
        if not needed:
            return request
        return replace(request, features=[*(c.name for c in request.columns if c.is_feature), *needed])

    def bound(self, trades: pl.Schema, bars: Mapping[str, pl.DataType], keys: Sequence[str]) -> BoundFeatures:
        """The same for trades and bars with some columns; keys are among those of the bars."""
        for name in self.order:
            if name in bars:
                msg = f"`{name}` is a column of the bars too: give the aggregation another name with `.alias(...)`"
                raise RangeBarError(msg)
        rows = self._rows(trades)
        for name in (*keys, *rows, *self.order):
            if name.startswith(OURS):
                msg = f"names that begin with {OURS!r} are taken, got `{cut(name)}`: rename the column"
                raise RangeBarError(msg)
        dtypes = _dtypes(self.aggregations, rows)
        for column in self.aggregations:
            if not dtypes[column.name][1]:
                msg = (
                    f"{column.told} must have one value for a bar, and has one for each trade or none: aggregate it, "
                    "such as with `.mean()`, `.last()` or `.implode()`"
                )
                raise RangeBarError(msg)
        of_bars = pl.Schema({**bars, **{column.name: dtypes[column.name][0] for column in self.aggregations}})
        windows: list[tuple[int, list[OwnColumn]]] = []
        for lookback, columns in self.windows:
            _check_reads_bars(columns, of_bars)
            found = _dtypes(columns, of_bars)
            last = [c if found[c.name][1] else c._replace(expression=c.expression.last()) for c in columns]
            windows.append((lookback, last))
            dtypes |= found
        self._check_schemas({name: dtype for name, (dtype, _) in dtypes.items()})
        read = dict.fromkeys(name for _, columns in windows for column in columns for name in column.reads or ())
        return BoundFeatures(
            aggregations=self.aggregations,
            rows=rows,
            keys=list(keys),
            windows=windows,
            of_bars={name: of_bars[name] for name in read},
            schema={name: dtypes[name][0] for name in self.order},
        )

    def _rows(self, trades: pl.Schema) -> pl.Schema:
        """The columns of the trades that aggregations read."""
        reads: dict[str, pl.DataType] = {}
        for column in self.aggregations:
            for name in trades if column.reads is None else column.reads:
                if name not in trades:
                    raise missing_column(name, list(trades), remedy=f"{column.told} reads it")
                reads[name] = trades[name]
        return pl.Schema(reads)

    def _check_schemas(self, dtypes: Mapping[str, pl.DataType]) -> None:
        for one in self.sets:
            for name, dtype in (one.schema or {}).items():
                got = dtypes.get(f"{one.name}__{name}")
                if got is None:
                    msg = f"the schema of the FeatureSet {one.name!r} has {cut(str(name))!r}, which it does not compute"
                    raise RangeBarError(msg)
                if got != dtype:
                    msg = f"`{one.name}__{name}` must be {dtype}, as the schema of its FeatureSet says, and is {got}"
                    raise RangeBarError(msg)


@dataclass(frozen=True, eq=False)
class BoundFeatures:
    """Features of one's own over trades with known columns."""

    aggregations: list[OwnColumn]
    """The aggregations over the trades of a bar."""
    rows: pl.Schema
    """The columns of the trades that aggregations read."""
    keys: list[str]
    windows: list[tuple[int, list[OwnColumn]]]
    """Expressions over bars, each with one value for its window."""
    of_bars: dict[str, pl.DataType]
    """The columns of the bars that these read."""
    schema: dict[str, pl.DataType]
    """All columns, in their order."""

    def only(self, names: set[str]) -> BoundFeatures:
        """What is needed for some of the columns; sets of expressions over bars stay whole."""
        windows = [(n, columns) for n, columns in self.windows if names & {column.name for column in columns}]
        kept = {column.name for _, columns in windows for column in columns}
        read = {name for _, columns in windows for column in columns for name in column.reads or ()}
        of_bars = {name: dtype for name, dtype in self.of_bars.items() if name in read}
        aggregations = [column for column in self.aggregations if column.name in names | read]
        reads = [name for column in aggregations for name in (self.rows if column.reads is None else column.reads)]
        return replace(
            self,
            aggregations=aggregations,
            rows=pl.Schema({name: self.rows[name] for name in dict.fromkeys(reads)}),
            windows=windows,
            of_bars=of_bars,
            schema={
                name: dtype
                for name, dtype in self.schema.items()
                if name in kept or name in {column.name for column in aggregations}
            },
        )


def _check_reads_bars(columns: Sequence[OwnColumn], bars: pl.Schema) -> None:
    """That expressions over bars read columns that these have."""
    for column in columns:
        if column.reads is None:
            msg = f"{column.told} chooses columns by a selector: name the columns of the bars that it reads"
            raise RangeBarError(msg)
        for name in column.reads:
            if name not in bars:
                raise missing_column(name, list(bars), remedy=f"{column.told} reads it")


def has_one_value(column: OwnColumn, schema: pl.Schema) -> bool:
    """Whether an expression has one value however many rows there are."""
    return _dtypes([column], schema)[column.name][1]


def _named(expression: pl.Expr, told: str, prefix: str = "") -> OwnColumn:
    name = expression.meta.output_name(raise_if_undetermined=False)
    if not name:
        msg = f"an expression has no name, {cut(str(expression))}: give it one with `.alias(...)`"
        raise RangeBarError(msg)
    if "\0" in name:
        msg = f"the name {name!r} contains a NUL character: give the expression another one with `.alias(...)`"
        raise RangeBarError(msg)
    return OwnColumn(prefix + name, expression, told.format(cut(prefix + name)))


def _of_set(one: FeatureSet, expressions: pl.Expr | Sequence[pl.Expr]) -> list[OwnColumn]:
    told = f"`{{}}` of the FeatureSet {one.name!r}"
    return [_named(expression, told, f"{one.name}__") for expression in as_expressions("aggs", expressions)]


def _dtypes(columns: Sequence[OwnColumn], schema: pl.Schema) -> dict[str, tuple[pl.DataType, bool]]:
    """The dtypes of expressions over some columns, and whether each has one value however many rows there are."""
    empty = pl.LazyFrame(schema=schema)
    found = _asked_of(columns, empty)
    if found is None:  # one of them is wrong: which one, and why
        found = [type_of for column in columns for type_of in _one_asked_of(column, empty)]
    for column, (dtype, _) in zip(columns, found, strict=True):
        if dtype == pl.Unknown or (isinstance(dtype, pl.List) and dtype.inner == pl.Unknown):
            msg = f"the dtype of {column.told} is not known before it runs: pass `return_dtype` to its function"
            raise RangeBarError(msg)
    return {column.name: one for column, one in zip(columns, found, strict=True)}


def _asked_of(columns: Sequence[OwnColumn], empty: pl.LazyFrame) -> list[tuple[pl.DataType, bool]] | None:
    """The same, unless something is wrong. If groups make no list of an expression, it has one value."""
    named = [column.expression.alias(column.name) for column in columns]
    try:
        plain = empty.select(named).collect_schema()
        rows = empty.select(pl.all(), pl.lit(0, dtype=pl.UInt32).alias(BAR))
        grouped = rows.group_by(BAR).agg(named).collect_schema()
        return [(plain[column.name], grouped[column.name] == plain[column.name]) for column in columns]
    except _FAILURES:
        return None


def _one_asked_of(column: OwnColumn, empty: pl.LazyFrame) -> list[tuple[pl.DataType, bool]]:
    try:
        plain = empty.select(column.expression).collect_schema()
        if len(plain) == 1:
            rows = empty.select(pl.all(), pl.lit(0, dtype=pl.UInt32).alias(BAR))
            _ = rows.group_by(BAR).agg(column.expression).collect_schema()
    except _FAILURES as error:
        told = (str(error) or type(error).__name__).splitlines()[0]
        msg = f"{column.told} cannot be computed over these columns, {cut(told, 300)}: mend the expression"
        raise RangeBarError(msg) from error
    if len(plain) != 1:
        told = listed(list(plain)) or "none"
        msg = f"{column.told} gives {len(plain)} columns ({told}): write one expression for each"
        raise RangeBarError(msg)
    return _asked_of([column], empty) or []
