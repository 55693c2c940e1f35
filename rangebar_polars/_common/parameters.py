"""Checks of the parameters that are not columns."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar, get_args

from rangebar_polars import _internal
from rangebar_polars._common.messages import cut, shown
from rangebar_polars._common.sessions import Daily, Reset, Weekly
from rangebar_polars._typing import BarFeatureName, MissingSide, Overlap, ResetPeriod, TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = [
    "MOST_DECIMALS",
    "USUAL_DECIMALS",
    "check_choice",
    "check_count",
    "check_duration",
    "check_feature_names",
    "check_features",
    "check_flag",
    "check_footprint",
    "check_limit",
    "check_max_gap",
    "check_max_step",
    "check_max_time",
    "check_missing_side",
    "check_names",
    "check_one_threshold",
    "check_overlap",
    "check_price_decimals",
    "check_reset",
    "check_seconds",
    "check_silence",
    "check_time_unit",
    "check_workers",
    "is_one_of",
]


USUAL_DECIMALS: Final = 8
"""Decimals of prices, unless others are asked for."""

MOST_DECIMALS: Final = 18
"""Decimals that a price of a digit before the point can have in 64 bits."""

_LONGEST_WAIT: Final = 366 * 86_400
"""Seconds of a year: who waits longer waits for ever."""

_MOST_WORKERS: Final = 1_024
"""Threads, each of which holds files open and rows in memory."""


_MOST_BARS: Final = 2**32 - 1
"""The largest number of rows of a Polars frame."""


_Choice = TypeVar("_Choice", bound=str)


def check_choice(name: str, value: _Choice, known: Sequence[str]) -> _Choice:
    """One of a few texts."""
    if not isinstance(value, str) or value not in known:
        *others, last = (f'"{one}"' for one in known)
        msg = f"`{name}` must be {', '.join(others)} or {last}, got {shown(value)}"
        raise RangeBarError(msg)
    return value


def check_count(name: str, value: int, least: int = 1) -> int:
    """A number of bars, at least one or a few."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        msg = f"`{name}` must be an integer of at least {least}, got {shown(value)}"
        raise RangeBarError(msg)
    if value > _MOST_BARS:
        msg = f"`{name}` must be at most {_MOST_BARS}, got {value}: it counts bars, and a frame has no more than that"
        raise RangeBarError(msg)
    return value


def check_names(name: str, value: object) -> list[str]:
    """One text, or several, each once."""
    given: Any = value
    is_one = isinstance(given, str) or not hasattr(given, "__iter__")
    names: list[Any] = [given] if is_one else list(given)
    if not all(isinstance(one, str) for one in names):
        msg = f"`{name}` must be a text or a list of texts, got {shown(given)}"
        raise RangeBarError(msg)
    return list(dict.fromkeys(names))


def check_seconds(name: str, value: float) -> float:
    """How long to wait."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _LONGEST_WAIT:
        msg = f"`{name}` must be a number of seconds from 0 to {_LONGEST_WAIT:,}, got {shown(value)}"
        raise RangeBarError(msg)
    return value


def check_workers(value: int | None) -> int:
    """How many do something at a time; as many as there are CPUs, if none is given."""
    if value is None:
        return os.cpu_count() or 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_WORKERS:
        msg = (
            f"`workers` must be an integer from 1 to {_MOST_WORKERS:,}, or None for as many as CPUs, got {shown(value)}"
        )
        raise RangeBarError(msg)
    return value


def check_one_threshold(value: object) -> None:
    """The threshold of bar numbers."""
    given: object = value
    if not isinstance(value, str) and isinstance(value, Sequence):
        msg = (
            f"`threshold_dbps` of bar numbers must be one threshold or rule, got {shown(given)}: "
            "with several, a trade would be in several bars; number them with one call each"
        )
        raise RangeBarError(msg)


def check_features(features: Sequence[str] | None) -> list[str] | None:
    """The features as a list of names; the library checks the names."""
    if features is None:
        return None
    if isinstance(features, str) or not isinstance(features, Sequence) or not all(isinstance(f, str) for f in features):
        msg = f'`features` takes a list of names, such as ["ofi"], got {shown(features)}'
        raise RangeBarError(msg)
    return list(features)


def check_feature_names(features: Sequence[str] | None) -> list[str] | None:
    """The features of bars as a list of names; the error for an unknown one suggests what may have been meant."""
    names = check_features(features)
    for name in names or ():
        if name in get_args(BarFeatureName):
            continue
        table = _internal.bar_columns(several=True, intra=True, lookback=True)
        if name in (column for column, is_feature, _ in table if not is_feature):
            continue  # the library has its own text for it
        families = [f"{family}_{name}" for family in ("intra", "lookback")]
        meant = [one for one in families if one in get_args(BarFeatureName)]
        meant = meant or difflib.get_close_matches(name, get_args(BarFeatureName), n=1)
        hint = f" (did you mean {' or '.join(f'`{one}`' for one in meant)}?)" if meant else ""
        msg = f"there is no feature `{cut(name)}`{hint}; the features are {', '.join(get_args(BarFeatureName))}"
        raise RangeBarError(msg)
    return names


def check_flag(name: str, value: bool) -> bool:  # noqa: FBT001
    """A parameter that is true or false."""
    if not isinstance(value, bool):
        msg = f"`{name}` must be True or False, got {shown(value)}"
        raise RangeBarError(msg)
    return value


def check_reset(value: Reset | None) -> Reset | None:
    """The period with which bars end."""
    if value is not None and not isinstance(value, Daily | Weekly) and not is_one_of(value, ResetPeriod):
        msg = (
            f'`reset` must be "1d", "1w", "1mo" or "1y" (UTC, weeks from Sunday), or days or weeks of a place as '
            f'rb.Daily(at="18:00", zone="America/New_York") and rb.Weekly, got {shown(value)}; for any other period, '
            'add a key column: `with_columns(hour=pl.col("timestamp").dt.truncate("1h"))`, and by="hour"'
        )
        raise RangeBarError(msg)
    return value


def check_duration(value: str | dt.timedelta) -> str:
    """A length of time as a Polars duration string."""
    return f"{value // dt.timedelta(microseconds=1)}us" if isinstance(value, dt.timedelta) else value


def check_max_gap(value: str | dt.timedelta | None) -> str | None:
    """The longest time between two trades of one bar, as a Polars duration string."""
    return _duration("max_gap", "40h", value, _internal.check_max_gap)


def check_silence(value: str | dt.timedelta | None) -> str | None:
    """The longest time without a trade that is not told, written as for `max_gap`."""
    try:
        return _duration("silence", "1h", value, _internal.check_max_gap)
    except RangeBarError as error:
        raise RangeBarError(str(error).replace("`max_gap`", "`silence`")) from None


def check_max_step(value: str | dt.timedelta | None) -> str | None:
    """The longest step from one trade to the next, as a Polars duration string; None allows any step."""
    return _duration("max_step", "14610d", value, _internal.check_max_step)


def check_max_time(value: str | dt.timedelta | None) -> str | None:
    """How long after its entry a label ends at the latest, written as for `max_gap`."""
    try:
        text = _duration("max_time", "4h", value, _internal.check_max_gap)
    except RangeBarError as error:
        raise RangeBarError(str(error).replace("`max_gap`", "`max_time`")) from None
    if text is not None and _internal.check_max_gap(text) == (0, 0):
        msg = f"`max_time` must be longer than zero, got {shown(value)}"
        raise RangeBarError(msg)
    return text


def _duration(
    name: str, such_as: str, value: str | dt.timedelta | None, check: Callable[[str], tuple[int, int]]
) -> str | None:
    if isinstance(value, dt.timedelta):
        value = check_duration(value)
    if value is None:
        return None
    if not isinstance(value, str):
        msg = f'`{name}` must be a duration such as "{such_as}", or a timedelta, got {shown(value)}'
        raise RangeBarError(msg)
    check(value)
    return value


def check_time_unit(value: TimeUnit | None) -> TimeUnit | None:
    """The unit of Int64 times."""
    if value is not None and not is_one_of(value, TimeUnit):
        msg = f'`time_unit` must be "ms", "us" or "ns", got {shown(value)}: multiply seconds by 1000 and pass "ms"'
        raise RangeBarError(msg)
    return value


def check_price_decimals(value: int) -> int:
    """The decimals of prices."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_DECIMALS:
        return value
    msg = (
        f"`price_decimals` must be an integer in 0..{MOST_DECIMALS}, got {shown(value)}: "
        "a price is a 64-bit integer of such units"
    )
    raise RangeBarError(msg)


def check_footprint(value: float | Decimal | None, price_decimals: int) -> float | None:
    """The height of the levels of footprints, rounded as prices are; None for no footprints."""
    if value is None:
        return None
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    try:
        tick = float(value) if is_number else math.nan
    except (OverflowError, ValueError):
        tick = math.nan
    if not 0 < tick < math.inf:
        msg = f"`footprint` must be a tick above 0 in units of the price, such as 0.25, got {shown(value)}"
        raise RangeBarError(msg)
    return _internal.check_footprint(tick, price_decimals)


def check_limit(name: str, value: int | None) -> int | None:
    """A number, or no limit."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 1 << 63):
        return value
    msg = f"`{name}` must be an integer of at least 1, or None for no limit, got {shown(value)}"
    raise RangeBarError(msg)


def check_missing_side(value: MissingSide) -> MissingSide:
    """What to do with trades whose side is null."""
    if not is_one_of(value, MissingSide):
        msg = f'`missing_side` must be "error" or "null", got {shown(value)}'
        raise RangeBarError(msg)
    return value


def check_overlap(value: Overlap) -> Overlap:
    """What to do with trades that a stream has already seen."""
    if not is_one_of(value, Overlap):
        msg = f'`overlap` must be "error" or "skip", got {shown(value)}'
        raise RangeBarError(msg)
    return value


def is_one_of(value: object, literal: object) -> bool:
    """Whether a value is one of the texts of a Literal; `in` would fail for an expression or an array."""
    return isinstance(value, str) and value in get_args(literal)
