"""A series: which bars are wanted of all trades, under a name."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from rangebar_polars._bars.request import Request
from rangebar_polars._common.messages import shown_path
from rangebar_polars._lake.layout import Layout
from rangebar_polars._lake.lock import locked
from rangebar_polars._lake.publish import publish_text
from rangebar_polars._lake.workspace import workspace
from rangebar_polars.exceptions import LakeFileError, RangeBarError

__all__ = ["Series", "define", "defined"]


_SECONDS: Final = 60.0
"""How long to wait for another process that defines a series."""

_FIRST: Final = frozenset(
    {
        *(
            "rules",
            "same_timestamp_gate",
            "reset",
            "max_gap",
            "max_step",
            "time_unit",
            "names",
            "by",
            "features",
            "intra",
        ),
        *("lookback", "include_incomplete", "include_orphans", "overlap", "max_groups"),
    }
)
"""The parameters that requests had when there was the first lake."""


def _defaults() -> dict[str, Any]:
    """What a request has if nothing is asked for."""
    return Request.of(1).to_dict()


@dataclass(frozen=True)
class Series:
    """
    Bars that a lake keeps up to date: their rules, breaks, windows and features, under a name.

    Attributes
    ----------
    name
        The name.
    request
        What was asked for.
    """

    name: str
    request: Request

    def __repr__(self) -> str:
        """The parameters that are not as by default."""
        asked = self.request.parameters
        told = {name: asked[name] for name in ("threshold_dbps", "reset", "max_gap", "intra", "lookback", "features")}
        return f"Series({self.name!r}, {', '.join(f'{n}={v!r}' for n, v in told.items() if v not in (None, False))})"

    @property
    def goes_on(self) -> bool:
        """Whether a period goes on from the state of the one before: with a reset, each stands alone."""
        return self.request.reset is None

    @property
    def params(self) -> str:
        """What was asked for, as canonical JSON: bars of other parameters are stale."""
        asked, defaults = self.request.to_dict(), _defaults()
        # A parameter of a later version makes no bars stale for which it is not set.
        kept = {name: value for name, value in asked.items() if name in _FIRST or value != defaults[name]}
        return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def define(layout: Layout, name: str, request: Request) -> Series:
    """The series of a name: a new one, or the one that there is, if it is the same."""
    wanted, file = Series(name, request), layout.series_file(name)
    if not file.exists():
        with workspace(layout.staging) as space, locked(layout.locks, f"series {name}", seconds=_SECONDS):
            if not file.exists():  # nobody was faster
                publish_text(layout.root, file, space, _toml(request.to_dict()))
    there = defined(layout, name)
    if there.params != wanted.params:
        old, new = json.loads(there.params), json.loads(wanted.params)
        other = ", ".join(f"`{key}` {old.get(key)!r}, now {new[key]!r}" for key in new if old.get(key) != new[key])
        msg = f"the series {name!r} is there with other parameters ({other}): give this one another name"
        raise RangeBarError(msg)
    return there


def defined(layout: Layout, name: str) -> Series:
    """The series of a name."""
    file = layout.series_file(name)
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"the lake has no series {name!r}: define it with `lake.series({name!r}, threshold_dbps=...)`"
        raise RangeBarError(msg) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        msg = f"{shown_path(file)} does not define a series ({error}): write it as `lake.series` does"
        raise LakeFileError(msg) from error
    try:
        # The file leaves out what is None.
        fields: dict[str, Any] = _defaults() | dict.fromkeys(_FIRST) | given
        series = Series(name, Request(**fields))
        _ = series.request.columns  # the library checks the values
    except RangeBarError as error:
        msg = f"{shown_path(file)} does not define a series ({error}): write it as `lake.series` does"
        raise LakeFileError(msg) from error
    except TypeError as error:
        msg = f"{shown_path(file)} has a parameter that this version does not know ({error}): update it"
        raise LakeFileError(msg) from error
    return series


def _toml(fields: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in fields.items() if value is not None]
    return (
        "# A series of bars, as `lake.series` wrote it. Do not alter it: make another one.\n" + "\n".join(lines) + "\n"
    )


def _value(value: Any) -> str:  # noqa: ANN401  (whatever a request holds)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return "{" + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in fields.items() if v is not None) + "}"
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        return "[" + ", ".join(map(_value, items)) + "]"
    return json.dumps(value)
