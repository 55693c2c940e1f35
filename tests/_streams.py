"""Streams over drawn trades: what decides the bars, and every way to push them and to start again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import OPTIONAL
from tests.strategies import any_trades, slices, threshold_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CUTS = st.lists(st.floats(0.0, 1.0), max_size=5)


@dataclass(frozen=True)
class Run:
    """Valid trades and the parameters of their bars, as a stream takes them."""

    frame: pl.DataFrame
    thresholds: int | list[int]
    options: dict[str, Any]

    @property
    def by(self) -> list[str]:
        return self.options["by"] or []

    def stream(self, **more: Any) -> rb.BarStream:
        return rb.BarStream(self.thresholds, **self.options | more)

    def bars(self, frame: pl.DataFrame | None = None, **more: Any) -> pl.DataFrame:
        """Bars of one call, the forming ones included."""
        whole = self.frame if frame is None else frame
        return whole.rangebar.bars(self.thresholds, **self.options | {"include_incomplete": True} | more)

    def lazy(self, frame: pl.DataFrame, **more: Any) -> pl.LazyFrame:
        return frame.lazy().rangebar.bars(self.thresholds, **self.options | more)


@st.composite
def runs(draw: st.DrawFn, **shape: Any) -> Run:
    """Trades with resets, gaps, orphans and several thresholds, or without; parameters as for `trades`."""
    case = draw(any_trades(chunked_frame=False, **shape))
    several = draw(st.one_of(st.none(), threshold_lists(case)))
    options = case.bar_options | {"by": list(case.by) or None, "include_orphans": draw(st.booleans())}
    return Run(case.frame, several or case.threshold_dbps, options)


def cut(frame: pl.DataFrame, where: list[float]) -> list[pl.DataFrame]:
    """The frame in pieces, empty ones included."""
    return slices(frame, sorted(round(x * frame.height) for x in where))


class Way(NamedTuple):
    """How a piece reaches a stream."""

    by_row: bool
    datetimes: bool
    restarted: bool


WAYS = st.lists(st.builds(Way, st.booleans(), st.booleans(), st.booleans()), min_size=6, max_size=6)


def feed(
    stream: rb.BarStream, by: Sequence[str], pieces: Iterable[pl.DataFrame], ways: Iterable[Way]
) -> tuple[rb.BarStream, list[pl.DataFrame]]:
    """The stream behind the pieces, each pushed in its way, and the bars that they closed."""
    closed: list[pl.DataFrame] = []
    for piece, way in zip(pieces, ways, strict=False):
        if way.restarted:
            stream = rb.BarStream.restore(stream.checkpoint())
        if way.by_row:
            closed += push_rows(stream, piece, by, datetimes=way.datetimes)
        else:
            closed.append(stream.push(piece))
    return stream, closed


def push_rows(
    stream: rb.BarStream, frame: pl.DataFrame, by: Sequence[str] = (), *, datetimes: bool = False
) -> list[pl.DataFrame]:
    """The bars that the rows closed, pushed one by one."""
    pushed = [stream.push_trade(**row) for row in arguments(frame, by, datetimes=datetimes)]
    closed = [bars for bars in pushed if bars is not None]
    assert all(bars.height for bars in closed)
    return closed


def arguments(frame: pl.DataFrame, by: Sequence[str] = (), *, datetimes: bool = False) -> list[dict[str, Any]]:
    """The rows of a frame as arguments of `push_trade`: times as datetimes where asked for and where they are exact."""
    dtype = frame.schema["timestamp"]
    exact = isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns"
    time = frame["timestamp"] if datetimes and exact else frame["timestamp"].to_physical()
    names = [name for name in ("price", "quantity", *OPTIONAL) if name in frame.columns]
    rows = [{"timestamp": t, **row} for t, row in zip(time, frame.select(names).to_dicts(), strict=True)]
    if by:
        for row, key in zip(rows, frame.select(by).rows(), strict=True):
            row["key"] = key if len(by) > 1 else key[0]
    return rows


def frame_of(price: list[float], **columns: Any) -> pl.DataFrame:
    """Trades a second apart."""
    seconds = pl.Series(range(len(price)), dtype=pl.Int64) * 1_000_000
    return pl.DataFrame({"timestamp": seconds.cast(pl.Datetime("us")), "price": price, **columns}).with_columns(
        quantity=pl.lit(1.0)
    )


def with_value(frame: pl.DataFrame, column: str, value: Any, row: int) -> pl.DataFrame:
    """The frame with another value in one cell; times are integers."""
    dtype = frame.schema[column]
    literal = pl.lit(value, dtype=pl.Int64 if dtype.is_temporal() else dtype)
    cell = pl.when(pl.int_range(pl.len()) == row).then(literal).otherwise(pl.col(column).to_physical())
    return frame.with_columns(cell.cast(dtype).alias(column))


def whole(closed: Sequence[pl.DataFrame], rest: pl.DataFrame) -> pl.DataFrame:
    """What a stream gave, in its order."""
    return pl.concat([*closed, rest])
