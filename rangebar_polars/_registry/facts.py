"""One fact about the data of a venue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import polars as pl

from rangebar_polars._common.days import midnight
from rangebar_polars._common.messages import listed, shown
from rangebar_polars._readers.report import REASONS
from rangebar_polars.exceptions import RangeBarError

__all__ = ["ALL", "KINDS", "Fact", "Kind", "frame_of"]

Kind: TypeAlias = Literal["bad_rows", "no_archive", "incomplete", "lost", "pause", "rename"]
"""
What a fact says: the archive has rows that the readers refuse; the venue has no archive; its archive lacks trades,
which others may have; nobody has them any more; nobody could trade; trades go on under another name.
"""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

ALL: Final = "*"
"""The symbol of a fact that holds for all of a venue."""

_DAY: Final = dt.timedelta(days=1)
_OF_KIND: Final[dict[str, str]] = {"rows": "bad_rows", "reason": "bad_rows", "other": "rename"}
"""Fields that only one kind of fact has."""

_COLUMNS: Final[dict[str, pl.DataType]] = {
    "name": pl.String(),
    "venue": pl.String(),
    "symbol": pl.String(),
    "kind": pl.Enum(KINDS),
    "from": pl.Date(),
    "to": pl.Date(),
    "from_time": pl.Datetime("us", "UTC"),
    "to_time": pl.Datetime("us", "UTC"),
    "first_id": pl.Int64(),
    "last_id": pl.Int64(),
    "rows": pl.UInt64(),
    "reason": pl.String(),
    "other": pl.String(),
    "text": pl.String(),
    "source": pl.String(),
    "noted": pl.Date(),
    "origin": pl.Enum(["bundled", "lake"]),
}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """
    What is known about the data of one symbol, when, and who says so.

    Raises
    ------
    RangeBarError
        If a field is not what it must be; the text names the field, and not the file.
    """

    name: str
    venue: str
    symbol: str
    """One symbol, or :data:`ALL` of the venue."""
    kind: Kind
    first: dt.date | dt.datetime
    """The first day, or the instant from which on."""
    last: dt.date | dt.datetime
    """The last day, which is included, or the instant up to which, which is not."""
    text: str
    """One sentence."""
    source: str
    noted: dt.date
    """The day on which it was written down."""
    first_id: int | None = None
    """The first and the last id, if it is about some trades of that time."""
    last_id: int | None = None
    rows: int | None = None
    """How many rows there are at most."""
    reason: str | None = None
    """Why the readers refuse the rows; None if they cannot see that the rows are wrong."""
    other: str | None = None
    """The new name."""
    origin: Literal["bundled", "lake"] = "bundled"

    def __post_init__(self) -> None:
        """Check what was given."""
        for name in ("name", "venue", "symbol", "text", "source"):
            _check(name, _is_text(getattr(self, name)), "a text that is not empty", getattr(self, name))
        _check("kind", self.kind in KINDS, f"one of {listed(KINDS, mark=chr(34))}", self.kind)
        _check("noted", _is_day(self.noted), "a day, such as 2024-01-31 without quotes", self.noted)
        self._check_span()
        self._check_ids()
        for name, kind in _OF_KIND.items():
            value = getattr(self, name)
            _check(name, value is None or self.kind == kind, f'left out unless `kind` is "{kind}"', value)
        _check("rows", self.rows is None or _is_count(self.rows), "an integer of at least 1", self.rows)
        known = self.reason is None or self.reason in REASONS
        _check("reason", known, f"one of {listed(REASONS, mark=chr(34))}", self.reason)
        _check("other", self.kind != "rename" or _is_text(self.other), "the new name", self.other)

    @cached_property
    def start(self) -> dt.datetime:
        """The instant from which on."""
        return self.first.astimezone(dt.UTC) if isinstance(self.first, dt.datetime) else midnight(self.first)

    @cached_property
    def end(self) -> dt.datetime:
        """The instant up to which, which is not included."""
        return self.last.astimezone(dt.UTC) if isinstance(self.last, dt.datetime) else midnight(self.last) + _DAY

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        """The first and the last day that it touches."""
        return self.start.date(), (self.end - dt.timedelta.resolution).date()

    def is_of(self, venue: str, symbol: str) -> bool:
        """Whether it is about a symbol."""
        return self.venue == venue and self.symbol in (symbol, ALL)

    def told(self) -> str:
        """The sentence and its source."""
        return f"{self.text} ({self.source})"

    def _check_span(self) -> None:
        are_days = _is_day(self.first) and _is_day(self.last)
        for name in ("first", "last"):
            value = getattr(self, name)
            fits = _is_day(value) or (isinstance(value, dt.datetime) and value.utcoffset() is not None)
            _check(name, fits, "a day or a time in UTC, such as 2024-01-31 or 2024-01-31T12:00:00Z", value)
        are_times = isinstance(self.first, dt.datetime) and isinstance(self.last, dt.datetime)
        _check("last", are_days or are_times, "a day if `first` is one, and else a time", self.last)
        _check("last", self.start < self.end, "after `first`", self.last)

    def _check_ids(self) -> None:
        given = [name for name in ("first_id", "last_id") if getattr(self, name) is not None]
        for name in given:
            value = getattr(self, name)
            _check(name, isinstance(value, int) and not isinstance(value, bool), "an integer", value)
        if self.first_id is not None and self.last_id is not None:
            _check("last_id", self.first_id <= self.last_id, "at least `first_id`", self.last_id)
        else:
            _check("first_id", not given, "given together with `last_id`", self.first_id)


def frame_of(facts: Sequence[Fact]) -> pl.DataFrame:
    """Facts as a frame, one row for each."""
    rows: list[tuple[Any, ...]] = []
    for fact in facts:
        is_timed = isinstance(fact.first, dt.datetime)
        more: dict[str, Any] = {"from": fact.days[0], "to": fact.days[1]}
        more |= {"from_time": fact.start if is_timed else None, "to_time": fact.end if is_timed else None}
        rows.append(tuple(more[name] if name in more else getattr(fact, name) for name in _COLUMNS))
    return pl.DataFrame(rows, schema=_COLUMNS, orient="row")


def _check(name: str, fits: bool, rule: str, value: object) -> None:  # noqa: FBT001
    if not fits:
        msg = f"`{name}` of a fact must be {rule}, got {shown(value)}: correct it"
        raise RangeBarError(msg)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_day(value: object) -> bool:
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
