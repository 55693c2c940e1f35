"""A series: which bars are wanted of all trades, under a name."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

from rangebar_polars._bars.feature_sets import as_feature_sets
from rangebar_polars._bars.own_features import OwnFeatures
from rangebar_polars._bars.own_text import expression_of
from rangebar_polars._bars.request import Request
from rangebar_polars._common.messages import shown_path
from rangebar_polars._lake.layout import Layout
from rangebar_polars._lake.lock import locked
from rangebar_polars._lake.publish import publish_text
from rangebar_polars._lake.workspace import workspace
from rangebar_polars.exceptions import LakeFileError, RangeBarError

__all__ = ["Series", "define", "defined", "keep_versions"]


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
    own
        The features of one's own.
    """

    name: str
    request: Request
    own: OwnFeatures = field(default_factory=OwnFeatures)

    def __repr__(self) -> str:
        """The parameters that are not as by default."""
        asked = self.request.parameters
        told = {name: asked[name] for name in ("threshold_dbps", "reset", "max_gap", "intra", "lookback", "features")}
        told |= {"aggs": [column.name for column in self.own.aggregations[: len(self.own.aggs)]] or None}
        told |= {"feature_sets": list(self.own.sets) or None}
        return f"Series({self.name!r}, {', '.join(f'{n}={v!r}' for n, v in told.items() if v not in (None, False))})"

    @property
    def goes_on(self) -> bool:
        """Whether a period goes on from the state of the one before: with a reset, each stands alone."""
        return self.request.reset is None

    @property
    def in_turn(self) -> bool:
        """Whether a period needs what the one before leaves: a state, or the last bars, which windows over bars see."""
        return self.goes_on or self.own.lookback_bars > 0

    @cached_property
    def params(self) -> str:
        """What was asked for, as canonical JSON: bars of other parameters are stale."""
        asked, defaults = self.request.to_dict(), _defaults()
        # A parameter of a later version makes no bars stale for which it is not set.
        kept = {name: value for name, value in asked.items() if name in _FIRST or value != defaults[name]}
        return json.dumps(kept | self._own_form, sort_keys=True, separators=(",", ":"))

    @property
    def text(self) -> str:
        """What its file says."""
        return _toml(self.request.to_dict() | self._own_form)

    @property
    def _own_form(self) -> dict[str, Any]:
        """The features of one's own, if there are some: series from before there were any are as they always were."""
        return {name: value for name, value in self.own.form.items() if value}


def define(layout: Layout, name: str, request: Request, own: OwnFeatures) -> Series:
    """The series of a name: a new one, or the one that there is, if it is the same."""
    before = dict(layout.feature_sets)
    layout.feature_sets |= {one.name: one for one in own.sets}
    try:
        return _define(layout, Series(name, request, own))
    except BaseException:
        layout.feature_sets = before
        raise


def _define(layout: Layout, wanted: Series) -> Series:
    name, file, text = wanted.name, layout.series_file(wanted.name), wanted.text
    if not file.exists():
        with workspace(layout.staging) as space, locked(layout.locks, f"series {name}", seconds=_SECONDS):
            if not file.exists():  # nobody was faster
                publish_text(layout.root, file, space, text)
    there = defined(layout, name)
    if there.params != wanted.params:
        old, new = json.loads(there.params), json.loads(wanted.params)
        keys = sorted(new.keys() | old.keys())
        differ = [key for key in keys if old.get(key) != new.get(key)]
        other = ", ".join(f"`{key}` {old.get(key)!r}, now {new.get(key)!r}" for key in differ)
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
    own = _own_of(layout, name, given.pop("aggs", []), given.pop("feature_sets", []))
    try:
        # The file leaves out what is None.
        fields: dict[str, Any] = _defaults() | dict.fromkeys(_FIRST) | given
        series = Series(name, Request(**fields), own)
        _ = series.request.columns  # the library checks the values
    except RangeBarError as error:
        msg = f"{shown_path(file)} does not define a series ({error}): write it as `lake.series` does"
        raise LakeFileError(msg) from error
    except TypeError as error:
        msg = f"{shown_path(file)} has a parameter that this version does not know ({error}): update it"
        raise LakeFileError(msg) from error
    return series


def keep_versions(layout: Layout, series: Series) -> None:
    """Write the versions of the sets that there are now into the file of a series, which may have older ones."""
    file = layout.series_file(series.name)
    if series.own.sets and file.read_text(encoding="utf-8") != series.text:
        with workspace(layout.staging) as space, locked(layout.locks, f"series {series.name}", seconds=_SECONDS):
            publish_text(layout.root, file, space, series.text)


def _own_of(layout: Layout, name: str, aggs: list[str], sets: list[list[str]]) -> OwnFeatures:
    """Features of one's own as a file names them; sets in the version that there is now."""
    try:
        given = [layout.feature_sets.get(one, one) for one, _ in sets]
        return OwnFeatures.of([expression_of(text) for text in aggs], as_feature_sets(given))
    except RangeBarError as error:
        msg = f"the series {name!r} has features of one's own: {error}"
        raise RangeBarError(msg) from error
    except (TypeError, ValueError) as error:
        msg = (
            f"{shown_path(layout.series_file(name))} does not define a series ({error}): write it as `lake.series` does"
        )
        raise LakeFileError(msg) from error


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
