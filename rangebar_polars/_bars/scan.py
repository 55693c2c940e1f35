"""
The lazy path: bars as a source of the Polars engine, over the streamed input.

The engine asks a source for columns, with a predicate and a number of rows. Only those columns are computed, and only
the input columns that they need are read. Terms of the predicate on group keys are passed to the input and, with a
reset, terms on times; reading stops once there are enough rows.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._bars.coded_keys import coded
from rangebar_polars._bars.forgotten_key import KeySearch
from rangebar_polars._bars.own_checkpoint import BarsKept
from rangebar_polars._bars.own_columns import OwnColumns
from rangebar_polars._bars.own_features import BoundFeatures, OwnFeatures
from rangebar_polars._bars.request import Request
from rangebar_polars._bars.state import BarState, begin, end, limits
from rangebar_polars._common.columns import input_columns, key_columns
from rangebar_polars._common.instants import EPOCH, UNITS_PER_SECOND
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_flag
from rangebar_polars._engine.predicates import Bound, all_of, split_keys, time_bounds
from rangebar_polars._engine.progress import check_progress, with_progress
from rangebar_polars._engine.reading import batches
from rangebar_polars._engine.source import limited, register_source
from rangebar_polars.exceptions import RangeBarError

__all__ = ["scan_bar_ids", "scan_bars", "scan_bricks"]

_HAND_OVER = 4_096
"""
Bars that are collected into one frame, unless there are no more or fewer are wanted.

A frame costs about a millisecond to build and hand to the engine. One frame for each batch of trades, mostly with a few
bars, made a query over ten million trades a fifth longer.
"""


@dataclass(frozen=True, kw_only=True)
class _Trades:
    """The input and what decides where its bars begin and end."""

    frame: pl.LazyFrame
    request: Request
    names: dict[str, str]
    """Names of the columns by the parts that they play."""
    is_whole: bool = True
    """Whether all rows of the user's input are read."""
    since: str | None = None
    """The instant before which nothing is read."""
    progress: bool = False
    """Whether a progress bar shows how far reading has come."""
    keeps_state: bool = False
    """Whether a state of all trades is kept."""
    title: str = "range bars"
    """What is made, beside the progress bar."""

    @property
    def by(self) -> list[str]:
        return self.request.keys

    @property
    def detail(self) -> str:
        """What a plan shows of the request."""
        return f"threshold_dbps={self.request.parameters['threshold_dbps']}, by={self.by}"

    def stream(self, columns: list[str], inputs: list[str]) -> _internal.TradeStream:
        """The machine that builds some columns of the bars from some columns of the input."""
        return _internal.TradeStream(
            self.request.to_json(),
            parts=list(self.names),
            columns=columns,
            schema=self.frame.select(inputs).collect_schema().to_frame(),
            rows_are_of_input=self.is_whole,
            since=self.since,
            keeps_state=self.keeps_state,
        )

    def batches(self, inputs: list[str]) -> Generator[pl.DataFrame]:
        """Some columns of the input, batch by batch."""
        read = self._looked_at(inputs)
        return with_progress(read, self.frame, self.names["timestamp"], self.title) if self.progress else read

    def _looked_at(self, inputs: list[str]) -> Generator[pl.DataFrame]:
        """The same, after a search for a key that is not in `by`."""
        with closing(batches(self.frame, inputs)) as read:
            empty = next(read)
            yield empty
            with closing(self.search.before_reading()) as searched:
                for _ in searched:
                    yield empty
            yield from read

    @property
    def search(self) -> KeySearch:
        """The search for a key that is not in `by`."""
        return KeySearch(self.frame, self.by)

    def columns(self, parts: Iterable[str]) -> list[str]:
        """Names of the key columns and of the columns that play some parts, without duplicates."""
        names = [name for part, name in self.names.items() if part in parts]
        return list(dict.fromkeys([*self.by, *names]))

    def of_keys(self, terms: list[pl.Expr]) -> _Trades:
        """The trades of the groups that some terms select."""
        on_keys = all_of(terms)
        return self if on_keys is None else replace(self, frame=self.frame.filter(on_keys), is_whole=False)

    def of_periods(self, lower: list[Bound], upper: list[Bound]) -> _Trades:
        """
        The trades of the periods in which bars between some bounds can lie.

        A bar lies in one period, and no trade of another period affects it.
        """
        name = self.names["timestamp"]
        dtype = self.frame.collect_schema()[name]
        unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else self.request.time_unit
        reset, kept = self.request.reset, self
        if unit is None or reset is None:
            return self  # without periods, bars may hang together over any time
        for bounds, is_lower in ((lower, True), (upper, False)):
            for bound in bounds:
                time = _instant(bound, dtype, towards=1 if is_lower else -1)
                if time is None:
                    continue
                first, last, _ = _internal.period_bounds(time, unit, json.dumps(reset))
                edge = _literal(first if is_lower else last + 1, dtype)
                if edge is None:
                    continue
                within = pl.col(name) >= edge if is_lower else pl.col(name) < edge
                kept = replace(kept, frame=kept.frame.filter(within))
                if is_lower:
                    kept = replace(kept, is_whole=False, since=str(pl.select(edge).item()))
        return kept


def _instant(bound: Bound, dtype: pl.DataType, *, towards: int) -> int | None:
    """The literal of a bound, or the next instant if it is excluded, if it can be compared with a time dtype."""
    literal, excluded = bound
    value = pl.select(literal).to_series()
    if isinstance(dtype, pl.Datetime):
        is_date = value.dtype == pl.Date and dtype.time_zone is None
        has_zone = isinstance(value.dtype, pl.Datetime) and value.dtype.time_zone is not None
        if not is_date and (not isinstance(value.dtype, pl.Datetime) or has_zone != (dtype.time_zone is not None)):
            return None
        whole = value.cast(pl.Datetime(dtype.time_unit)) if is_date else value.dt.cast_time_unit(dtype.time_unit)
    elif value.dtype.is_numeric():
        whole = value.cast(pl.Int64, strict=False)
    else:
        return None
    time: int | None = whole.to_physical().item()
    # If something finer than the clock was truncated, the instant itself is not excluded.
    if time is not None and excluded and (whole.cast(value.dtype) == value).all():
        time += towards
    return time if time is None or -(2**63) <= time < 2**63 else None


def _literal(time: int, dtype: pl.DataType) -> pl.Expr | None:
    """The beginning of a period as a literal of a time dtype; None if the dtype or Python cannot represent it."""
    if not -(2**63) < time < 2**63:
        return None
    if not isinstance(dtype, pl.Datetime):
        return pl.lit(time, dtype=dtype)
    seconds = time // UNITS_PER_SECOND[dtype.time_unit]
    try:
        instant = EPOCH + dt.timedelta(seconds=seconds)  # a period begins with a whole second
    except OverflowError:
        return None
    if dtype.time_zone is None:
        return pl.lit(instant.replace(tzinfo=None), dtype=dtype)
    edge = pl.lit(instant, dtype=pl.Datetime(dtype.time_unit, "UTC"))
    return edge if dtype.time_zone == "UTC" else edge.dt.convert_time_zone(dtype.time_zone)


@dataclass(frozen=True, kw_only=True)
class _Bars:
    """Bars of trades, as a source for the engine."""

    trades: _Trades
    reads: dict[str, list[str]]
    """The parts that each column of the bars reads, besides time and price."""
    include_incomplete: bool
    include_orphans: bool
    state: BarState | None
    visible: list[str]
    """The columns of the bars that come out, without those of one's own."""
    features: list[str] | None
    """The features of the library that were asked for."""
    asked: OwnFeatures
    own: BoundFeatures | None
    """The same over the columns of the trades."""
    before: BarsKept | None
    """The bars before the first one, where no state has them."""

    def source(
        self, with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Generator[pl.DataFrame]:
        """What the engine calls."""
        del batch_size  # the batches of trades decide how large batches of bars are
        ours = [] if self.own is None else list(self.own.schema)
        wanted = [*self.trades.by, *self.visible, *ours] if with_columns is None else with_columns
        kept, rest = self.trades, predicate
        # A number of rows counts rows before the predicate, and a state covers all trades: with either, no input may be
        # left out.
        if n_rows is None and self.state is None:
            kept, rest = self.pushed(wanted, predicate)
        asked = _asked(wanted, rest)
        own = self._own_of(kept, asked)
        needed = asked if own is None else asked | own.needs
        # The rows that windows hold are part of a state, whatever is selected.
        computed = [name for name in self.reads if self.state is not None or name in needed]
        if not (computed or self.trades.by):
            computed = ["open_time"]  # a frame without columns would have no rows
        parts = {
            "timestamp",
            "price",
            *self.trades.request.rule_parts,
            *(part for name in computed for part in self.reads[name]),
        }
        inputs = kept.columns(kept.names if self.state is not None else parts)
        enough = _HAND_OVER if n_rows is None else min(n_rows, _HAND_OVER)
        if own is None:
            return limited(self.frames(kept, computed, inputs, enough), wanted, rest, n_rows)
        inputs = list(dict.fromkeys([*inputs, *own.reads]))
        kept = replace(kept, request=replace(kept.request, include_orphans=True))
        return limited(self.frames_with(own, kept, computed, inputs, enough), wanted, rest, n_rows)

    def _own_of(self, trades: _Trades, asked: set[str]) -> OwnColumns | None:
        """The columns of one's own that are asked for; with a state all, since they are a part of it."""
        if self.own is None:
            return None
        bound = self.own if self.state is not None or self.before is not None else self.own.only(asked)
        return _own_columns(bound, trades, include_orphans=self.include_orphans) if bound.schema else None

    def pushed(self, wanted: list[str], predicate: pl.Expr | None) -> tuple[_Trades, pl.Expr | None]:
        """The trades that a predicate on the bars selects, and the rest of the predicate."""
        on_keys, others = split_keys(predicate, self.trades.by)
        kept, rest = self.trades.of_keys(on_keys), all_of(others)
        if self.trades.request.reset is None:
            return kept, rest
        lower, upper = time_bounds(others, {"open_time", "close_time"})
        if (self.include_incomplete and self.trades.by) or _counts_rows(_asked(wanted, rest), self.trades.names):
            lower = []  # neither ids nor the order of the forming bars may reveal where reading began
        if self.own is not None and self.own.only(_asked(wanted, rest)).windows:
            lower = []  # bars of the period before may be seen
        if self.include_incomplete or self.include_orphans:
            upper = []  # only a later trade distinguishes an orphan from a forming bar
        return kept.of_periods(lower, upper), rest

    def frames(self, trades: _Trades, computed: list[str], inputs: list[str], enough: int) -> Generator[pl.DataFrame]:
        """Some columns of the bars, with a frame whenever there are enough, or nothing can be read yet."""
        stream = trades.stream(computed, inputs)
        if self.state is not None:
            begin(self.state, stream)
        with closing(trades.batches(inputs)) as read:
            stream.push(next(read))  # no rows, but dtypes
            for batch in read:
                if stream.push(*coded(batch, trades.by)) >= enough or not batch.height:
                    yield stream.take()
        yield stream.take()
        if self.include_incomplete:
            yield stream.forming()
        if self.state is not None:
            end(self.state, stream)

    def frames_with(
        self, own: OwnColumns, trades: _Trades, computed: list[str], inputs: list[str], enough: int
    ) -> Generator[pl.DataFrame]:
        """The same with columns of one's own."""
        stream = trades.stream(computed, inputs)
        if self.state is not None:
            begin(self.state, stream, self.asked, own)
        if self.before is not None:
            self.before.begin(own)
        may_skip, skipped = trades.request.overlap == "skip", 0
        with closing(trades.batches(inputs)) as read:
            stream.push(next(read))  # no rows, but dtypes
            for batch in read:
                waiting = stream.push(*coded(batch, trades.by))
                if may_skip and stream.skipped != skipped:
                    skipped, ended = stream.skipped, stream.take()
                    own.add_unseen(batch, ended, stream.forming())
                    yield own.finish(ended)
                    continue
                own.add(batch)
                if waiting >= enough or not batch.height or own.has_many:
                    yield own.finish(stream.take())
        yield own.finish(stream.take())
        if self.include_incomplete:
            yield own.forming(stream.forming())
        if self.state is not None:
            schema = trades.frame.select(inputs).collect_schema()
            end(
                self.state,
                stream,
                self.asked,
                own,
                schema=schema,
                include_orphans=self.include_orphans,
                features=self.features,
            )
        if self.before is not None:
            self.before.end(own)


def scan_bars(
    frame: pl.LazyFrame,
    request: Request,
    *,
    state: BarState | bytes | None = None,
    progress: bool = False,
    own: OwnFeatures | None = None,
    before: BarsKept | None = None,
) -> pl.LazyFrame:
    """Range bars of the trades in a frame, as a source."""
    asked = own or OwnFeatures()
    visible = [column.name for column in request.columns]
    whole = asked.with_needed(request) if asked else request
    reads = {column.name: column.reads for column in whole.columns}
    state = BarState(state) if isinstance(state, bytes) else state
    if state is not None and not isinstance(state, BarState):
        msg = f"`state` takes a BarState or the bytes of a checkpoint, got {shown(state)}"
        raise RangeBarError(msg)
    if state is not None:
        limit = limits(state)
        whole = replace(whole, max_groups=limit.max_groups, max_bar_trades=limit.max_bar_trades)
    trades = _trades(
        frame,
        whole,
        [*reads, *asked.order],
        progress=progress,
        keeps_state=state is not None,
    )
    probe = trades.stream(list(reads), trades.columns(trades.names))
    trades.search.at_once()
    schema = dict(probe.take().schema)
    bound = asked.bound(frame.collect_schema(), schema, trades.by) if asked else None
    if state is not None:
        columns = None if bound is None else _own_columns(bound, trades, include_orphans=request.include_orphans)
        begin(state, probe, asked, columns)
    schema = {name: schema[name] for name in (*trades.by, *visible)} | ({} if bound is None else bound.schema)
    source = _Bars(
        trades=trades,
        reads=reads,
        include_incomplete=request.include_incomplete,
        include_orphans=request.include_orphans,
        state=state,
        visible=visible,
        features=request.features,
        asked=asked,
        own=bound,
        before=before,
    )
    return register_source(source.source, frame, schema, "RANGE BARS", trades.detail)


def _own_columns(bound: BoundFeatures, trades: _Trades, *, include_orphans: bool) -> OwnColumns:
    """Columns of one's own that have seen nothing."""
    schema = trades.frame.collect_schema()
    keys = pl.Schema({name: schema[name] for name in trades.by})
    time = trades.names["timestamp"]
    return OwnColumns(bound, trades.request, keys, (time, schema[time]), include_orphans=include_orphans)


def scan_bar_ids(frame: pl.LazyFrame, request: Request, *, name: str, progress: bool) -> pl.LazyFrame:
    """The trades in a frame with the number of their bar, as a source."""
    available = frame.collect_schema()
    trades = _trades(frame, request, [], progress=progress)
    if not isinstance(name, str):
        msg = f"`name` must be the name of the new column, got {name!r}"
        raise RangeBarError(msg)
    if name in available:
        msg = f"the input already has a column `{name}`: choose another name with `name=`"
        raise RangeBarError(msg)
    needed = trades.columns(trades.names)
    trades.stream([], needed)
    trades.search.at_once()
    schema = {**available, name: pl.UInt64()}

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Generator[pl.DataFrame]:
        del batch_size  # batches go out as they come in
        wanted = list(schema) if with_columns is None else with_columns
        kept, rest = trades, predicate
        if n_rows is None:  # a number of rows counts rows before the predicate
            on_keys, others = split_keys(predicate, trades.by)
            kept, rest = trades.of_keys(on_keys), all_of(others)
        asked = _asked(wanted, rest)
        inputs = list(dict.fromkeys([*needed, *(column for column in available if column in asked)]))
        stream = kept.stream([], inputs)

        def numbered() -> Generator[pl.DataFrame]:
            with closing(kept.batches(inputs)) as read:
                for batch in read:
                    yield batch.with_columns(stream.bar_ids(*coded(batch, kept.by)).alias(name))

        return limited(numbered(), wanted, rest, n_rows)

    return register_source(source, frame, schema, "RANGE BAR IDS", trades.detail)


def scan_bricks(frame: pl.LazyFrame, request: Request, *, progress: bool) -> pl.LazyFrame:
    """Renko bricks of the trades in a frame, as a source; the rule of the request is the size of a brick."""
    trades = replace(_trades(frame, request, _BRICK, progress=progress), title="Renko bricks")
    inputs = trades.columns(trades.names)
    schema = _brick_stream(trades, inputs).take().schema
    trades.search.at_once()

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Generator[pl.DataFrame]:
        del batch_size  # the batches of trades decide how large batches of bricks are
        wanted = list(schema) if with_columns is None else with_columns
        kept, rest = trades, predicate
        if n_rows is None:  # a number of rows counts rows before the predicate
            on_keys, others = split_keys(predicate, trades.by)
            kept, rest = trades.of_keys(on_keys), all_of(others)
        enough = _HAND_OVER if n_rows is None else min(n_rows, _HAND_OVER)
        return limited(_bricks(kept, inputs, enough), wanted, rest, n_rows)

    detail = f"size={request.parameters['threshold_dbps']}, by={trades.by}"
    return register_source(source, frame, dict(schema), "RENKO BRICKS", detail)


_BRICK = ["open", "close", "direction", "row", "time"]
"""The columns of bricks, beside the keys."""


def _brick_stream(trades: _Trades, inputs: list[str]) -> _internal.RenkoStream:
    schema = trades.frame.select(inputs).collect_schema().to_frame()
    return _internal.RenkoStream(trades.request.to_json(), schema=schema, rows_are_of_input=trades.is_whole)


def _bricks(trades: _Trades, inputs: list[str], enough: int) -> Generator[pl.DataFrame]:
    """The bricks, with a frame whenever there are enough, or nothing can be read yet."""
    stream = _brick_stream(trades, inputs)
    with closing(trades.batches(inputs)) as read:
        for batch in read:
            added = 0
            while True:
                waiting, rows = stream.push(batch.slice(added))
                added += rows
                if waiting >= enough or not batch.height:
                    yield stream.take()
                if added == batch.height:
                    break
    yield stream.take()


def _trades(
    frame: pl.LazyFrame,
    request: Request,
    output: list[str],
    *,
    progress: bool,
    keeps_state: bool = False,
) -> _Trades:
    """The input of a request, whose columns and keys are checked."""
    available = frame.collect_schema()
    return _Trades(
        frame=frame,
        request=replace(request, by=key_columns(request.by, available, output)),
        names=input_columns(request.names, available.names()),
        progress=check_progress(check_flag("progress", progress)),
        keeps_state=keeps_state,
    )


def _counts_rows(asked: set[str], names: Mapping[str, str]) -> bool:
    """Whether a requested column counts the rows of the input, because the input has no ids."""
    without_ids: set[str] = set()
    if "agg_trade_id" not in names:
        without_ids |= {"first_agg_trade_id", "last_agg_trade_id"}
        if "first_trade_id" not in names:
            without_ids |= {"first_trade_id", "last_trade_id"}
    return bool(asked & without_ids)


def _asked(wanted: list[str], predicate: pl.Expr | None) -> set[str]:
    """The wanted columns and those that a predicate uses."""
    return {*wanted, *(() if predicate is None else predicate.meta.root_names())}
