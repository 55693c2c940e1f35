"""
The lazy path: bars as a source of the Polars engine, over the streamed input.

The engine asks a source for the columns it wants, with a predicate and a number of rows. Only those columns are
computed and only the input columns they need are read; what the predicate says of group keys is said to the
input, and with a reset what it says of time; reading stops once there are rows enough.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import polars as pl
from polars.io.plugins import register_io_source

from rangebar_polars import _internal
from rangebar_polars._columns import input_columns, key_columns
from rangebar_polars._instants import EPOCH, UNITS_PER_SECOND
from rangebar_polars._parameters import check_flag
from rangebar_polars._predicates import Bound, all_of, split_keys, time_bounds
from rangebar_polars._progress import check_progress, with_progress
from rangebar_polars._typing import By
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.state import BarState

__all__ = ["batches", "limited", "register_source", "scan_bar_ids", "scan_bars", "stream_options"]

_HAND_OVER = 4_096
"""
Bars that wait for each other before they become a frame, unless there are no more or fewer are wanted.

A frame costs about a millisecond to make and to hand to the engine. One for each batch of trades, most of them of a few
bars, made a query over ten million trades a fifth longer.
"""

_Source: TypeAlias = Callable[[list[str] | None, pl.Expr | None, int | None, int | None], Iterator[pl.DataFrame]]


def stream_options(
    bars: Mapping[str, object],
    *,
    names: Mapping[str, str | None],
    by: list[str],
    features: list[str] | None = None,
    intra: bool = False,
    lookback: dict[str, Any] | None = None,
    include_orphans: bool = False,
    overlap: str = "error",
) -> dict[str, Any]:
    """What a stream is told, in the form in which the library takes it and a checkpoint keeps it."""
    return {
        "bars": bars,
        "names": dict(names),
        "by": by,
        "features": features,
        "intra": check_flag("intra", intra),
        "lookback": lookback,
        "include_orphans": check_flag("include_orphans", include_orphans),
        "overlap": overlap,
    }


@dataclass(frozen=True, kw_only=True)
class _Trades:
    """The input and what decides where its bars begin and end."""

    frame: pl.LazyFrame
    options: dict[str, Any]
    names: dict[str, str]
    """Names of the columns by the parts that they play."""
    is_whole: bool = True
    """Whether all rows of the user's input are read."""
    since: str | None = None
    """The instant before which nothing is read."""
    progress: bool = False
    """Whether a bar shows how far reading is."""

    @property
    def by(self) -> list[str]:
        keys: list[str] = self.options["by"]
        return keys

    def stream(self, columns: list[str], inputs: list[str]) -> _internal.TradeStream:
        """The machine that makes some columns of the bars of some columns of the input."""
        return _internal.TradeStream(
            json.dumps(self.options),
            parts=list(self.names),
            columns=columns,
            schema=self.frame.select(inputs).collect_schema().to_frame(),
            rows_are_of_input=self.is_whole,
            since=self.since,
        )

    def batches(self, inputs: list[str]) -> Iterator[pl.DataFrame]:
        """Some columns of the input, batch by batch."""
        read = batches(self.frame, inputs)
        return with_progress(read, self.frame, self.names["timestamp"]) if self.progress else read

    def columns(self, parts: Iterable[str]) -> list[str]:
        """Names of the key columns and of the columns that play some parts, each once."""
        names = [name for part, name in self.names.items() if part in parts]
        return list(dict.fromkeys([*self.by, *names]))

    def of_keys(self, terms: list[pl.Expr]) -> _Trades:
        """The trades of the groups that some terms leave."""
        on_keys = all_of(terms)
        return self if on_keys is None else replace(self, frame=self.frame.filter(on_keys), is_whole=False)

    def of_periods(self, lower: list[Bound], upper: list[Bound]) -> _Trades:
        """
        The trades of the calendar periods that bars between some bounds can lie in.

        A bar lies in one period, and no trade of another period has a say in it.
        """
        name = self.names["timestamp"]
        dtype = self.frame.collect_schema()[name]
        unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else self.options["bars"]["time_unit"]
        kept = self
        for bounds, is_lower in ((lower, True), (upper, False)):
            for bound in bounds:
                time = _instant(bound, dtype, towards=1 if is_lower else -1)
                if time is None:
                    continue
                first, last = _internal.period_bounds(time, unit, self.options["bars"]["reset"])
                edge = _literal(first if is_lower else last + 1, dtype)
                if edge is None:
                    continue
                within = pl.col(name) >= edge if is_lower else pl.col(name) < edge
                kept = replace(kept, frame=kept.frame.filter(within))
                if is_lower:
                    kept = replace(kept, is_whole=False, since=str(pl.select(edge).item()))
        return kept


def _instant(bound: Bound, dtype: pl.DataType, *, towards: int) -> int | None:
    """The literal of a bound, or the next instant if it is excluded, where it can be compared with a time dtype."""
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
    # What is finer than the clock was cut off: then the instant itself is not excluded.
    if time is not None and excluded and (whole.cast(value.dtype) == value).all():
        time += towards
    return time if time is None or -(2**63) <= time < 2**63 else None


def _literal(time: int, dtype: pl.DataType) -> pl.Expr | None:
    """The beginning of a period as a literal of a time dtype; None beyond what the dtype or Python knows."""
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
    """Bars of trades, as the engine asks for them."""

    trades: _Trades
    reads: dict[str, list[str]]
    """The parts that each column of the bars reads, beside time and price."""
    include_incomplete: bool
    include_orphans: bool
    state: BarState | None

    def source(
        self, with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        """What the engine calls."""
        del batch_size  # batches of bars are as large as the batches of trades make them
        wanted = [*self.trades.by, *self.reads] if with_columns is None else with_columns
        kept, rest = self.trades, predicate
        # A number of rows counts rows before the predicate, and a state is that of all trades: with either, nothing
        # may be left out of the input.
        if n_rows is None and self.state is None:
            kept, rest = self.pushed(wanted, predicate)
        asked = _asked(wanted, rest)
        # The rows that windows hold are part of a state, whatever is selected.
        computed = [name for name in self.reads if self.state is not None or name in asked]
        parts = {"timestamp", "price", *(part for name in computed for part in self.reads[name])}
        inputs = kept.columns(kept.names if self.state is not None else parts)
        enough = _HAND_OVER if n_rows is None else min(n_rows, _HAND_OVER)
        return limited(self.frames(kept, computed, inputs, enough), wanted, rest, n_rows)

    def pushed(self, wanted: list[str], predicate: pl.Expr | None) -> tuple[_Trades, pl.Expr | None]:
        """The trades that a predicate on the bars leaves, and what is left of the predicate."""
        on_keys, others = split_keys(predicate, self.trades.by)
        kept, rest = self.trades.of_keys(on_keys), all_of(others)
        if self.trades.options["bars"]["reset"] is None:
            return kept, rest
        lower, upper = time_bounds(others, {"open_time", "close_time"})
        # A window may reach over the end of a period at which no bar was forming;
        looks_back = self.trades.options["lookback"] is not None
        if (
            looks_back
            or (self.include_incomplete and self.trades.by)
            or _counts_rows(_asked(wanted, rest), self.trades.names)
        ):
            lower = []  # nor may an id, or the order of the forming bars, tell where reading began
        if self.include_incomplete or self.include_orphans:
            upper = []  # a later trade tells an orphan from a bar that still forms
        return kept.of_periods(lower, upper), rest

    def frames(self, trades: _Trades, computed: list[str], inputs: list[str], enough: int) -> Iterator[pl.DataFrame]:
        """Some columns of the bars, a frame whenever there are enough."""
        stream = trades.stream(computed, inputs)
        if self.state is not None:
            self.state.begin(stream)
        for batch in trades.batches(inputs):
            if stream.push(batch) >= enough:
                yield stream.take()
        yield stream.take()
        if self.include_incomplete:
            yield stream.forming()
        if self.state is not None:
            self.state.end(stream)


def scan_bars(
    frame: pl.LazyFrame,
    bars: Mapping[str, object],
    *,
    by: By,
    features: list[str] | None,
    intra: bool,
    lookback: dict[str, Any] | None,
    include_incomplete: bool,
    include_orphans: bool,
    columns: Mapping[str, str | None],
    state: BarState | bytes | None,
    overlap: str,
    progress: bool,
) -> pl.LazyFrame:
    """Range bars of the trades in a frame, as a source."""
    several = isinstance(bars["threshold_dbps"], list)
    table = _internal.bar_columns(
        features, several=several, intra=check_flag("intra", intra), lookback=lookback is not None
    )
    reads = {name: parts for name, _, parts in table}
    available = frame.collect_schema()
    options = stream_options(
        bars,
        names=columns,
        by=key_columns(by, available, list(reads)),
        features=features,
        intra=intra,
        lookback=lookback,
        include_orphans=include_orphans,
        overlap=overlap,
    )
    trades = _Trades(
        frame=frame,
        options=options,
        names=input_columns(columns, available.names()),
        progress=check_progress(check_flag("progress", progress)),
    )
    probe = trades.stream(list(reads), trades.columns(trades.names))
    state = BarState(state) if isinstance(state, bytes) else state
    if state is not None and not isinstance(state, BarState):
        msg = f"`state` takes a BarState or the bytes of a checkpoint, got {state!r}"
        raise RangeBarError(msg)
    if state is not None:
        state.begin(probe)
    source = _Bars(
        trades=trades,
        reads=reads,
        include_incomplete=check_flag("include_incomplete", include_incomplete),
        include_orphans=include_orphans,
        state=state,
    )
    detail = f"threshold_dbps={bars['threshold_dbps']}, by={trades.by}"
    return register_source(source.source, dict(probe.take().schema), "RANGE BARS", detail)


def scan_bar_ids(
    frame: pl.LazyFrame,
    bars: Mapping[str, object],
    *,
    by: By,
    name: str,
    columns: Mapping[str, str | None],
    progress: bool,
) -> pl.LazyFrame:
    """The trades in a frame with the number of their bar, as a source."""
    available = frame.collect_schema()
    options = stream_options(bars, names=columns, by=key_columns(by, available, []), features=[])
    trades = _Trades(
        frame=frame,
        options=options,
        names=input_columns(columns, available.names()),
        progress=check_progress(check_flag("progress", progress)),
    )
    if not isinstance(name, str):
        msg = f"`name` takes the name of the new column, got {name!r}"
        raise RangeBarError(msg)
    if name in available:
        msg = f"the input has a column `{name}`: give the bar numbers another with `name`"
        raise RangeBarError(msg)
    needed = trades.columns(trades.names)
    trades.stream([], needed)
    schema = {**available, name: pl.UInt64()}

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # batches go out as they come in
        wanted = list(schema) if with_columns is None else with_columns
        kept, rest = trades, predicate
        if n_rows is None:  # a number of rows counts rows before the predicate
            on_keys, others = split_keys(predicate, trades.by)
            kept, rest = trades.of_keys(on_keys), all_of(others)
        asked = _asked(wanted, rest)
        inputs = list(dict.fromkeys([*needed, *(column for column in available if column in asked)]))
        stream = kept.stream([], inputs)
        numbered = (batch.with_columns(stream.bar_ids(batch).alias(name)) for batch in kept.batches(inputs))
        return limited(numbered, wanted, rest, n_rows)

    return register_source(source, schema, "RANGE BAR IDS", f"threshold_dbps={bars['threshold_dbps']}, by={trades.by}")


def _counts_rows(asked: set[str], names: Mapping[str, str]) -> bool:
    """Whether a column is asked for that counts the rows of the input, since it has no ids."""
    without_ids: set[str] = set()
    if "agg_trade_id" not in names:
        without_ids |= {"first_agg_trade_id", "last_agg_trade_id"}
        if "first_trade_id" not in names:
            without_ids |= {"first_trade_id", "last_trade_id"}
    return bool(asked & without_ids)


def _asked(wanted: list[str], predicate: pl.Expr | None) -> set[str]:
    """The columns wanted and those that a predicate looks at."""
    return {*wanted, *(() if predicate is None else predicate.meta.root_names())}


def batches(frame: pl.LazyFrame, columns: list[str]) -> Iterator[pl.DataFrame]:
    """Some columns of the input, batch by batch, in order, streamed. The first batch is empty."""
    yield frame.select(columns).collect_schema().to_frame()
    for batch in frame.select(columns).collect_batches(engine="streaming", lazy=True, maintain_order=True):
        if batch.height:
            yield batch


def limited(
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


def register_source(source: _Source, schema: dict[str, pl.DataType], name: str, detail: str) -> pl.LazyFrame:
    """A LazyFrame that asks a source."""
    return register_io_source(source, schema=schema, is_pure=True, explain_name=name, explain_detail=detail)
