"""What the facts say about a gap: whether they cover it, and which they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar

from rangebar_polars._registry.facts import Fact, Kind

__all__ = ["EXPLAIN", "Gap", "GapKind", "explained", "is_settled"]

GapKind: TypeAlias = Literal["ids", "day", "silence"]

EXPLAIN: Final[Mapping[str, tuple[Kind, ...]]] = {
    "ids": ("bad_rows", "no_archive", "incomplete", "lost"),
    "day": ("no_archive", "incomplete", "lost", "pause", "rename"),
    "silence": ("no_archive", "incomplete", "lost", "pause", "rename"),
}
"""The kinds of facts that are about a kind of gap: a pause loses no ids, for example."""

_NO_LOSS: Final = ("header", "duplicate", "conflicting_id")
"""Reasons that take no id away: another row has it."""

_DAY: Final = dt.timedelta(days=1)

_T = TypeVar("_T", int, dt.datetime)


class Gap(NamedTuple):
    """What is missing between two trades."""

    kind: GapKind
    start: dt.datetime
    """From when; of missing ids, the day of the trade before them."""
    end: dt.datetime
    """Up to when, which is not included; of missing ids, the end of the day of the trade after them."""
    first_id: int | None = None
    last_id: int | None = None


def explained(
    gap: Gap, facts: Sequence[Fact], *, is_short: Callable[[dt.datetime, dt.datetime], bool] | None = None
) -> str | None:
    """
    The sentences and sources of the facts that are about a gap; None if there are none.

    If they cover only a part of it, the text begins with "partly". What is left of a silence counts as covered if it
    `is_short`: no silence by itself.
    """
    about = [fact for fact in facts if _is_about(gap, fact)]
    if not about:
        return None
    told = "; ".join(dict.fromkeys(fact.told() for fact in about))
    return told if _is_covered(gap, about, is_short) else f"partly: {told}"


def is_settled(gap: Gap, facts: Sequence[Fact]) -> bool:
    """Whether all that is missing is known to be with nobody, or to be no trades: there is nobody to ask for it."""
    final = [fact for fact in facts if fact.kind in ("bad_rows", "lost") and _is_about(gap, fact)]
    return bool(final) and _is_covered(gap, final, None)


def _is_about(gap: Gap, fact: Fact) -> bool:
    return fact.kind in EXPLAIN[gap.kind] and _touches(gap, fact)


def _is_covered(gap: Gap, facts: Sequence[Fact], is_short: Callable[[dt.datetime, dt.datetime], bool] | None) -> bool:
    return _ids_are_covered(gap, facts) if gap.kind == "ids" else _time_is_covered(gap, facts, is_short)


def _touches(gap: Gap, fact: Fact) -> bool:
    """Whether a fact is about a part of a gap."""
    if gap.kind != "ids":
        return fact.start < gap.end and gap.start < fact.end
    if fact.reason in _NO_LOSS or (fact.kind == "bad_rows" and fact.reason is None):
        return False
    if gap.first_id is not None and gap.last_id is not None and fact.first_id is not None and fact.last_id is not None:
        return fact.first_id <= gap.last_id and gap.first_id <= fact.last_id
    start, end = _days_of_ids(gap)
    return fact.start < end and start < fact.end


def _days_of_ids(gap: Gap) -> tuple[dt.datetime, dt.datetime]:
    """The days to which missing ids belong: those between two trades, if there are whole days between them."""
    start, end = gap.start + _DAY, gap.end - _DAY
    return (start, end) if start < end else (gap.start, gap.end)


def _ids_are_covered(gap: Gap, facts: Sequence[Fact]) -> bool:
    """Whether all missing ids are those of the facts."""
    if gap.first_id is None or gap.last_id is None:
        return False
    count = gap.last_id - gap.first_id + 1
    spans = [(f.first_id, f.last_id + 1) for f in facts if f.first_id is not None and f.last_id is not None]
    if not _left((gap.first_id, gap.last_id + 1), spans):
        return True
    # A fact about whole days says nothing about ids, but how many there can be.
    by_day = [f for f in facts if f.first_id is None and (f.rows is None or count <= f.rows)]
    return not _left(_days_of_ids(gap), [(_midnight(f.start), _midnight(f.end, is_end=True)) for f in by_day])


def _time_is_covered(
    gap: Gap, facts: Sequence[Fact], is_short: Callable[[dt.datetime, dt.datetime], bool] | None
) -> bool:
    left = _left((gap.start, gap.end), [(fact.start, fact.end) for fact in facts])
    return all(is_short is not None and is_short(start, end) for start, end in left)


def _midnight(time: dt.datetime, *, is_end: bool = False) -> dt.datetime:
    """The midnight before an instant, or the one after it."""
    before = time.replace(hour=0, minute=0, second=0, microsecond=0)
    return before + _DAY if is_end and before < time else before


def _left(whole: tuple[_T, _T], parts: Sequence[tuple[_T, _T]]) -> list[tuple[_T, _T]]:
    """What is left of a span without parts of it."""
    left: list[tuple[_T, _T]] = []
    at, end = whole
    for first, last in sorted(parts):
        if at < first:
            left.append((at, min(first, end)))
        at = max(at, last)
        if at >= end:
            return left
    left.append((at, end))
    return left
