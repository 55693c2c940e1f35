"""What is pushed into a stream: a frame, an instant, a key, each as the library takes it."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex, cast

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._common.instants import EPOCH, UNITS_PER_SECOND
from rangebar_polars._common.messages import kind, shown
from rangebar_polars.exceptions import RangeBarError

__all__ = [
    "as_frame",
    "check_expected",
    "index_of",
    "instant_of",
    "instant_to",
    "is_numpy_time",
    "key_dtype",
    "key_frame",
    "key_values",
]

_MICROSECOND = dt.timedelta(microseconds=1)


def as_frame(frame: object, method: str = "push") -> pl.DataFrame:
    """What has the Arrow interface, as a frame of Polars."""
    if isinstance(frame, pl.DataFrame):
        return frame
    if not hasattr(frame, "__arrow_c_stream__"):
        remedy = ": `collect` it first" if isinstance(frame, pl.LazyFrame) else ""
        what = "a frame with __arrow_c_stream__ (Polars, pyarrow, pandas, DuckDB)"
        msg = f"`{method}` takes {what}, got {kind(frame)}{remedy}"
        raise RangeBarError(msg)
    try:
        return pl.DataFrame(cast("Any", frame))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        msg = f"`{method}` cannot read the {kind(frame)} as a frame of Polars: {error}"
        raise RangeBarError(msg) from error


def index_of(value: object) -> int:
    return operator.index(cast("SupportsIndex", value))


def is_numpy_time(value: object) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", None) == "M"


def instant_of(name: str, time: object, time_unit: str) -> tuple[int, int]:
    """A datetime in a unit, rounded down, and what is left of it."""
    is_a_time = is_numpy_time(time) or isinstance(time, dt.datetime)
    if not is_a_time or time != time:  # noqa: PLR0124  # NaT, of pandas or numpy, equals nothing
        msg = f"`{name}` must be an int or a datetime, got {shown(time)}"
        raise TypeError(msg)
    if isinstance(time, dt.datetime):
        aware = time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)
        nanoseconds = (aware - EPOCH) // _MICROSECOND * 1_000 + getattr(time, "nanosecond", 0)
    else:
        fine = cast("Any", time).astype("datetime64[ns]")
        if fine != time:
            msg = f"`{name}` must lie within the years that 64 bits of nanoseconds hold, got {shown(time)}"
            raise RangeBarError(msg)
        nanoseconds = int(fine.astype("int64"))
    return divmod(nanoseconds * UNITS_PER_SECOND[time_unit], UNITS_PER_SECOND["ns"])


def key_frame(keys: Sequence[object], empty: pl.DataFrame) -> pl.DataFrame:
    """Keys as a frame like an empty one; the error says what is wrong with one."""
    rows = [key_values(empty.columns, key) for key in keys]
    columns: list[pl.Series] = []
    for position, (name, dtype) in enumerate(empty.schema.items()):
        values = [row[position] for row in rows]
        try:
            columns.append(pl.Series(name, values, dtype=dtype))
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            msg = f"the key `{name}` must be {dtype}, got {shown(values[0] if len(values) == 1 else values)}"
            raise RangeBarError(msg) from None
    return pl.DataFrame(columns)


def instant_to(time: SupportsIndex | dt.datetime, time_unit: str | None) -> int:
    """The time to which a stream is advanced, in a unit; any if there is no unit, since nothing was seen."""
    instant = 0
    if time_unit is not None:
        instant = index_of(time) if hasattr(time, "__index__") else instant_of("time", time, time_unit)[0]
    if not -(2**63) <= instant < 2**63:
        msg = f"`time` must fit a signed 64-bit integer, got {shown(instant)}"
        raise RangeBarError(msg)
    return instant


def check_expected(
    expected: Mapping[str, Any], made: dict[str, Any], remade: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """
    That a stream was made with the parameters that are expected of it.

    `remade` says what the parameters of a stream are that is made with some.
    """
    if unknown := expected.keys() - made.keys():
        msg = f"`restore` expects parameters of the stream ({', '.join(made)}), got {', '.join(sorted(unknown))}"
        raise TypeError(msg)
    wanted = remade({**made, **expected})
    differ = [name for name in expected if _meaning(name, made[name]) != _meaning(name, wanted[name])]
    if differ:
        told = "; ".join(f"`{name}` was {made[name]!r} and not {wanted[name]!r}" for name in differ)
        msg = f"the checkpoint was made with other parameters: {told}"
        raise RangeBarError(msg)


def _meaning(name: str, value: object) -> object:
    """What a parameter says: two durations may be one."""
    durations = {
        "lookback": _internal.check_lookback,
        "max_gap": _internal.check_max_gap,
        "max_step": _internal.check_max_step,
    }
    return durations[name](value) if name in durations and isinstance(value, str) else value


def key_values(by: Sequence[str], key: object) -> tuple[object, ...]:
    given: object = key
    values = cast("tuple[object, ...]", key) if isinstance(key, tuple) else () if key is None and not by else (key,)
    if len(values) != len(by):
        wanted = f"a tuple of {', '.join(by)}" if by else "no key: the stream has no key column"
        msg = f"`key` must be {wanted}, got {shown(given)}"
        raise RangeBarError(msg)
    return values


def key_dtype(name: str, value: object) -> pl.DataType:
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return pl.Int64()
    if value is None or isinstance(value, str):
        return pl.String()
    msg = f"the key `{name}` of the first trade must be a str or an int, got {shown(value)}: give the stream a `schema`"
    raise RangeBarError(msg)
