"""Checks of bars that windows of time end."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from rangebar_polars.validation._closed import OTHER_RULE, Closed
from rangebar_polars.validation._forward import within
from rangebar_polars.validation._report import Check
from rangebar_polars.validation._rules import Rule

__all__ = ["has_clock", "of_windows", "without_clock"]


def has_clock(closed: Closed) -> bool:
    """Whether it is known when a bar opened."""
    dtypes = [closed.schema.get(name) for name in ("open_time", "close_time")]
    return all(dtype is not None and (isinstance(dtype, pl.Datetime) or closed.time_unit) for dtype in dtypes)


def without_clock(closed: Closed) -> Check:
    """What the report says if it is not."""
    why = "the times are integers: give their unit with `time_unit`"
    if not closed.has("open_time", "close_time"):
        why = "it needs `open_time` and `close_time`"
    return Check("windows", None, None, None, 0.0, f"a bar lies in one window of {closed.name}: not judged, {why}")


def of_windows(closed: Closed) -> Iterator[Rule]:
    """A bar lies in one window, and after one that a window has ended, the next one lies in a later window."""
    opened, close = (_window(closed, name) for name in ("open_time", "close_time"))
    holds = f"a bar lies in one window of {closed.name}"
    yield closed.always("windows", "close_time", opened != close, holds, OTHER_RULE)
    again = opened <= within(close.shift(1), closed.keys)
    if closed.has("close_reason"):
        again = pl.when(within((closed.reason == "time").shift(1), closed.keys)).then(again)
    holds = f"a bar of {closed.name} lies in a later window than the one before, if that ended with its window"
    yield closed.always("windows", "open_time", again, holds, OTHER_RULE)


def _window(closed: Closed, name: str) -> pl.Expr:
    """The beginning of the window of a time, in UTC."""
    dtype, time = closed.schema[name], pl.col(name)
    if not isinstance(dtype, pl.Datetime):
        time = time.cast(pl.Int64).cast(pl.Datetime(closed.time_unit or "us"))
    elif dtype.time_zone is not None:
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return time.dt.truncate(closed.form["every"])
