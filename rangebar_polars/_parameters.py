"""Parameters that are not columns: what each may be, said once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, get_args

from rangebar_polars import _internal
from rangebar_polars._typing import Overlap, Reset, TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = [
    "bar_parameters",
    "check_duration",
    "check_features",
    "check_flag",
    "check_max_gap",
    "check_one_threshold",
    "check_overlap",
    "check_time_unit",
]


def bar_parameters(
    threshold_dbps: int | Sequence[int],
    *,
    same_timestamp_gate: bool,
    reset: Reset | None,
    max_gap: str | dt.timedelta | None,
    time_unit: TimeUnit | None,
) -> dict[str, Any]:
    """What decides where bars begin and end, as the library takes it."""
    return {
        "threshold_dbps": check_thresholds(threshold_dbps),
        "same_timestamp_gate": check_flag("same_timestamp_gate", same_timestamp_gate),
        "reset": check_reset(reset),
        "max_gap": check_max_gap(max_gap),
        "time_unit": check_time_unit(time_unit),
    }


def check_thresholds(value: int | Sequence[int]) -> int | list[int]:
    """One threshold, or a list of different ones."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return _internal.check_threshold(value)
    thresholds = [_internal.check_threshold(threshold) for threshold in value]
    if not thresholds:
        raise RangeBarError("`threshold_dbps` must hold at least one threshold, got an empty list")
    for position, threshold in enumerate(thresholds):
        if threshold in thresholds[:position]:
            msg = f"`threshold_dbps` must not hold {threshold} twice"
            raise RangeBarError(msg)
    return thresholds


def check_one_threshold(value: int) -> None:
    """The threshold of bar numbers."""
    if not isinstance(value, str) and isinstance(value, Sequence):
        msg = (
            f"`threshold_dbps` of bar numbers must be one integer in 1..100000, got {value!r}: "
            "under several, a trade is in several bars"
        )
        raise RangeBarError(msg)


def check_features(features: Sequence[str] | None) -> list[str] | None:
    """The features as a list of names; which names there are is the library's to say."""
    if features is None:
        return None
    if isinstance(features, str) or not isinstance(features, Sequence) or not all(isinstance(f, str) for f in features):
        msg = f"`features` takes a list of names, got {features!r}"
        raise RangeBarError(msg)
    return list(features)


def check_flag(name: str, value: bool) -> bool:  # noqa: FBT001
    """A parameter that is true or false."""
    if not isinstance(value, bool):
        msg = f"`{name}` must be True or False, got {value!r}"
        raise RangeBarError(msg)
    return value


def check_reset(value: Reset | None) -> Reset | None:
    """The calendar period with which bars end."""
    if value is not None and value not in get_args(Reset):
        msg = f'`reset` must be "1d", "1w", "1mo" or "1y" (UTC, weeks from Sunday), got {value!r}'
        raise RangeBarError(msg)
    return value


def check_duration(value: str | dt.timedelta) -> str:
    """A length of time as a Polars duration string."""
    return f"{value // dt.timedelta(microseconds=1)}us" if isinstance(value, dt.timedelta) else value


def check_max_gap(value: str | dt.timedelta | None) -> str | None:
    """The longest time between two trades, as a Polars duration string."""
    if isinstance(value, dt.timedelta):
        value = check_duration(value)
    if value is None:
        return None
    if not isinstance(value, str):
        msg = f'`max_gap` must be a duration such as "40h", or a timedelta, got {value!r}'
        raise RangeBarError(msg)
    _internal.check_max_gap(value)
    return value


def check_time_unit(value: TimeUnit | None) -> TimeUnit | None:
    """The unit of Int64 times."""
    if value is not None and value not in get_args(TimeUnit):
        msg = f'`time_unit` must be "ms", "us" or "ns", got {value!r}'
        raise RangeBarError(msg)
    return value


def check_overlap(value: Overlap) -> Overlap:
    """What becomes of trades that a stream has already seen."""
    if value not in get_args(Overlap):
        msg = f'`overlap` must be "error" or "skip", got {value!r}'
        raise RangeBarError(msg)
    return value
