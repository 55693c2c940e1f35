"""Parameters that are not columns: what each may be, said once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["check_features", "check_flag", "check_time_unit"]


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


def check_time_unit(value: TimeUnit | None) -> TimeUnit | None:
    """The unit of Int64 times."""
    if value is not None and value not in get_args(TimeUnit):
        msg = f'`time_unit` must be "ms", "us" or "ns", got {value!r}'
        raise RangeBarError(msg)
    return value
