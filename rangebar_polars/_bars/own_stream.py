"""A stream of bars with columns of one's own."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, SupportsIndex, TypeVar, cast

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._bars.feature_sets import FeatureSet
from rangebar_polars._bars.forgotten_key import ForgottenKey
from rangebar_polars._bars.own_checkpoint import Kept, check_same, restore_columns, saved
from rangebar_polars._bars.own_columns import OwnColumns
from rangebar_polars._bars.own_features import OwnFeatures
from rangebar_polars._bars.pushed import as_frame, index_of, key_frame
from rangebar_polars._bars.request import PARTS, Request
from rangebar_polars._bars.rows import BarRow, rows_of
from rangebar_polars._bars.stream import BarStream
from rangebar_polars._common.columns import input_columns, missing_column
from rangebar_polars._common.frames import picked
from rangebar_polars._common.messages import shown
from rangebar_polars._internal import PushStream
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    from rangebar_polars._typing import ArrowStream

__all__ = ["OwnStream"]

_NO_KEY: Final = object()
_T = TypeVar("_T")


class OwnStream(BarStream):
    """
    As :class:`BarStream`, of which it is the case with `aggs` or `feature_sets`.

    The machine below also gives the bars that a reset or a gap ended, since their trades must go with them.
    """

    _own: OwnFeatures
    _asked: Request
    """What the user asks for; the machine is asked for what is needed too."""
    _columns_of_own: OwnColumns | None
    _read: pl.Schema | None
    """The columns of the trades that are read, once they are known."""
    _is_busy: Any
    _depth: int

    @classmethod
    def made(
        cls, own: OwnFeatures, request: Request, schema: Mapping[str, pl.DataType | type[pl.DataType]] | None
    ) -> Self:
        """A stream that has seen nothing."""
        machine = replace(own.with_needed(request), include_orphans=True)
        # Of our own class, whose methods these are.
        stream = PushStream.__new__(cls, machine.to_json())
        stream._begin_own(own, request)
        if schema is not None:
            empty = pl.DataFrame(schema=schema)
            stream._learn(empty.schema)
            PushStream._begin(stream, list(stream._parts(empty.schema)), empty)
        return stream

    @classmethod
    def of_kept(cls, kept: Kept, given: OwnFeatures, expected: Mapping[str, Any]) -> Self:
        """A stream that goes on where another stopped."""
        own = OwnFeatures.of_form(kept.form, given)
        if given.aggs:
            check_same(kept, OwnFeatures(given.aggs, own.sets))
        if given.sets:
            check_same(kept, OwnFeatures(own.aggs, given.sets))
        stream = PushStream.__new__(cls, None, kept.machine)
        machine = Request.from_json(stream._request())
        asked = replace(machine, include_orphans=kept.include_orphans, features=kept.features)
        stream._begin_own(own, asked)
        if kept.schema is not None:
            restore_columns(stream._learn(kept.schema), kept, lambda: PushStream.pending(stream))
        cls._check_expected(stream, expected)
        return stream

    def _begin_own(self, own: OwnFeatures, asked: Request) -> None:
        self._own, self._asked = own, asked
        self._shown_columns = [*asked.keys, *(column.name for column in asked.columns), *own.order]
        self._nothing: pl.DataFrame | None = None  # no bars, as the machine gives them
        self._columns_of_own = self._read = None
        self._is_busy = threading.RLock()
        self._depth = 0

    @property
    def parameters(self) -> dict[str, Any]:
        parameters = self._asked.parameters
        del parameters["include_incomplete"]
        return parameters | {"aggs": list(self._own.aggs), "feature_sets": list(self._own.sets)}

    def push(self, frame: ArrowStream) -> pl.DataFrame:
        trades = as_frame(frame)
        with self._alone():
            return self._pushed(trades, lambda bars: bars)

    def push_trade(  # type: ignore[override]  # noqa: PLR0917  (as the compiled one, which says when it is which)
        self,
        timestamp: SupportsIndex | dt.datetime,
        price: float | Decimal,
        quantity: float | Decimal,
        is_buyer_maker: bool | None = None,  # noqa: FBT001
        agg_trade_id: SupportsIndex | None = None,
        first_trade_id: SupportsIndex | None = None,
        last_trade_id: SupportsIndex | None = None,
        key: object = _NO_KEY,
        *,
        as_rows: bool = False,
    ) -> pl.DataFrame | list[BarRow] | None:
        given: dict[str, Any] = {
            "timestamp": timestamp,
            "price": price,
            "quantity": quantity,
            "is_buyer_maker": is_buyer_maker,
            "agg_trade_id": agg_trade_id,
            "first_trade_id": first_trade_id,
            "last_trade_id": last_trade_id,
        }
        values = {part: value for part, value in given.items() if value is not None}
        if key is _NO_KEY and self._asked.keys:
            told = "`, `".join(self._asked.keys)
            msg = f"the stream has by=`{told}`, so a trade needs `key`; say key=None where its key is null"
            raise RangeBarError(msg)
        with self._alone():
            trade = self._frame_of(values, None if key is _NO_KEY else key)
            return self._pushed(trade, lambda bars: (rows_of(bars) if as_rows else bars) if bars.height else None)

    def advance(self, time: SupportsIndex | dt.datetime) -> pl.DataFrame:
        with self._alone():
            columns = self._columns_of_own
            if columns is None:
                return super().advance(time)
            before, number = columns.snapshot(), self._number()
            ended = super().advance(time)
            try:
                return self._shown(columns.finish(ended))
            except BaseException:
                columns.roll_back(before)
                self._take_back(number + 1, is_first=False, owed=0, bars=None)
                raise

    def forget(self, keys: object) -> pl.DataFrame:
        with self._alone():
            columns = self._columns_of_own
            if columns is None or not columns.by:
                return super().forget(keys)
            forming = columns.forming(PushStream.pending(self))
            gone = self._keys_to_forget(keys, columns.numbers.keys.clear())
            self._forget(gone)  # which says so if there is no such group
            numbers = columns.numbers.of(gone, learn=False)
            of_gone = columns.numbers.of(forming, learn=False).is_in(numbers.implode())
            columns.forget(gone)
            return self._shown(forming.filter(of_gone))

    def pending(self) -> pl.DataFrame:
        with self._alone():
            return self._pending()

    def finish(self) -> pl.DataFrame:
        with self._alone():
            bars = self._pending()
            PushStream.finish(self)
            return bars

    def checkpoint(self) -> bytes:
        with self._alone():
            return saved(
                self._own,
                PushStream.checkpoint(self),
                self._columns_of_own,
                schema=self._read,
                include_orphans=self._asked.include_orphans,
                features=self._asked.features,
            )

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        again = partial(_again, sets=self._own.sets)
        return cast("Callable[[bytes], Self]", again), (self.checkpoint(),)

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Calls wait for each other; one within another, as of a signal handler, would find a state half done."""
        with self._is_busy:
            if self._depth:
                raise RangeBarError(
                    "the stream is called while it is at work, by a signal handler or an expression: call it afterwards"
                )
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def _pushed(self, trades: pl.DataFrame, form: Callable[[pl.DataFrame], _T]) -> _T:
        """The bars that trades ended, in a form."""
        columns = self._columns_of_own
        is_first = columns is None
        if columns is None:
            columns = self._learn(trades.schema)
        elif self._read is not None:
            self._check_read(trades.schema, columns)
        parts = self._parts(trades.schema)
        read = self._machine_columns(parts)
        before, skipped = columns.snapshot(), self.skipped
        done: list[tuple[int, bool, int, pl.DataFrame | None]] = []
        try:
            ended = self._push(list(parts), trades, read, may_be_none=self._nothing is not None, done=done)
            if ended is None:
                ended = cast("pl.DataFrame", self._nothing)
            elif self._nothing is None:
                self._nothing = ended.clear()
            if self.skipped != skipped:
                columns.add_unseen(trades, ended, PushStream.pending(self))
            else:
                columns.add(trades)
            bars = form(self._shown(columns.finish(ended)))
            if self._search is None:
                self._search = ForgottenKey(self._asked.keys, trades.columns)
            self._search.look(trades)
        except BaseException:
            columns.roll_back(before)
            if is_first:
                self._columns_of_own = self._read = None
            for push in done:
                self._take_back(*push)
            raise
        return bars

    def _shown(self, bars: pl.DataFrame) -> pl.DataFrame:
        """The columns that the user asks for."""
        return picked(bars, self._shown_columns)

    def _parts(self, available: pl.Schema) -> dict[str, str]:
        names = {part: self._asked.names[part] for part in PARTS.values() if part in self._asked.names}
        return input_columns(names, available.names())

    def _machine_columns(self, parts: Mapping[str, str]) -> list[str]:
        """What the machine takes of trades."""
        return list(dict.fromkeys([*parts.values(), *self._asked.keys]))

    def _learn(self, schema: pl.Schema) -> OwnColumns:
        """Take the columns of the trades from the first frame."""
        _ = self._columns(schema)  # which checks them
        parts, machine = self._parts(schema), Request.from_json(self._request())
        keys = pl.Schema({name: schema[name] for name in self._asked.keys})
        read = pl.Schema({name: schema[name] for name in (*keys, *parts.values())})
        probe = _internal.TradeStream(
            machine.to_json(),
            parts=list(parts),
            columns=[column.name for column in machine.columns],
            schema=read.to_frame(),
        )
        bound = self._own.bound(schema, probe.take().schema, list(keys))
        time = parts["timestamp"]
        columns = OwnColumns(bound, machine, keys, (time, schema[time]), include_orphans=self._asked.include_orphans)
        self._read = pl.Schema({name: schema[name] for name in (*read, *columns.reads)})
        self._columns_of_own = columns
        return columns

    def _check_read(self, schema: pl.Schema, columns: OwnColumns) -> None:
        """That a frame has the columns that aggregations read, as the first one had them."""
        for name, dtype in columns.bound.rows.items():
            if name not in schema:
                raise missing_column(name, list(schema), remedy="an aggregation of the stream reads it")
            if schema[name] != dtype:
                msg = (
                    f"`{name}` must stay {dtype} throughout the input, got {schema[name]}; cast the column to one "
                    "dtype first"
                )
                raise RangeBarError(msg)

    def _pending(self) -> pl.DataFrame:
        bars, columns = PushStream.pending(self), self._columns_of_own
        return bars if columns is None else self._shown(columns.forming(bars))

    def _number(self) -> int:
        """The number of the last push, which is one of no trades."""
        read = cast("pl.Schema", self._read)
        parts, done = self._parts(read), cast("list[tuple[int, bool, int, pl.DataFrame | None]]", [])
        self._push(list(parts), read.to_frame(), self._machine_columns(parts), may_be_none=True, done=done)
        return done[0][0]

    def _frame_of(self, values: Mapping[str, Any], key: object) -> pl.DataFrame:
        """A trade as a frame."""
        names = {part: name for part, name in self._asked.names.items() if part in values and name is not None}
        if self._read is None:
            _, empty, instant, keys = self._schema_of_trade(values["timestamp"], list(names), key)
            schema = empty.schema
        else:
            schema = self._read
            missing = [name for name in schema if name not in (*names.values(), *self._asked.keys)]
            wanted = set(cast("OwnColumns", self._columns_of_own).bound.rows)
            if lacking := [name for name in missing if name in wanted]:
                raise missing_column(
                    lacking[0], list(names.values()), remedy="a single trade has no more: push it as a frame"
                )
            time, dtype = values["timestamp"], schema[names["timestamp"]]
            unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else self._asked.time_unit or "us"
            instant = index_of(time) if hasattr(time, "__index__") else self._instant(time, unit)
            keys = key_frame([key], pl.DataFrame(schema={name: schema[name] for name in self._asked.keys}))
        columns = [
            _column(part, name, schema.get(name), values[part]) for part, name in names.items() if part != "timestamp"
        ]
        if not -(2**63) <= instant < 2**63:
            msg = f"`timestamp` must fit a signed 64-bit integer, got {instant!r}"
            raise RangeBarError(msg)
        name = names["timestamp"]
        times = pl.Series(name, [instant], dtype=pl.Int64).cast(schema[name])
        return pl.DataFrame([times, *columns, *(keys.get_columns() if self._asked.keys else [])])


def _column(part: str, name: str, dtype: pl.DataType | None, value: Any) -> pl.Series:  # noqa: ANN401
    """One value of a trade as a column."""
    kinds: dict[str, tuple[pl.DataType, str]] = {
        "price": (pl.Float64(), "a float, an int or a Decimal"),
        "quantity": (pl.Float64(), "a float, an int or a Decimal"),
        "is_buyer_maker": (pl.Boolean(), "a bool"),
    }
    usual, what = kinds.get(part, (pl.Int64(), "an int"))
    dtype = usual if dtype is None else dtype
    msg = f"`{part}` must be {what}, got {shown(value)}"
    if isinstance(value, bool) != (usual == pl.Boolean) or isinstance(value, str):
        raise TypeError(msg)
    given = value
    try:
        if usual == pl.Int64:
            given = index_of(value)
        elif dtype.is_float():
            given = float(value)
        return pl.Series(name, [given], dtype=dtype, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        raise TypeError(msg) from None


def _again(data: bytes, sets: tuple[FeatureSet, ...]) -> BarStream:
    """A stream from its checkpoint and the sets that it was given."""
    return BarStream.restore(data, feature_sets=sets)
