"""Where the trades of a day come from, as footers say it: archives, a venue's REST interface, or a user."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from rangebar_polars._lake.footer import Facts
from rangebar_polars._lake.layout import TradesUnit

__all__ = ["Origin", "archive_of", "days_told", "is_rest", "is_whole", "joined"]

_ETAG: Final = " etag"
_ACCEPTED: Final = " accepted"
_DAYS: Final = " days"
_ABOUT: Final = (_ETAG, _ACCEPTED, _DAYS)
_REST: Final = "rest"
_ADDED: Final = ["added", ""]
"""What a user has put beside trades that were fetched."""

Check: TypeAlias = Callable[[Mapping[TradesUnit, Facts]], None]


@dataclass(frozen=True)
class Origin:
    """
    Where trades come from.

    Attributes
    ----------
    sources
        As footers have them: the name and the SHA-256 of an archive, its tag, and whether a user has vouched for it; or
        "rest", and whether the day is whole.
    first, last
        The days that there may be trades of.
    check
        Called with the footers of all days, before the first file is put in its place; raises if they are not as they
        should be.
    counts_days
        Whether the last day, which is put in its place after the others, says how many there are: without ids that
        count up by one, nothing else tells a day without trades from one that is missing.
    """

    sources: list[list[str]]
    first: dt.date
    last: dt.date
    check: Check | None = None
    counts_days: bool = False

    @classmethod
    def archive(
        cls,
        name: str,
        sha256: str,
        etag: str | None,
        first: dt.date,
        last: dt.date,
        *,
        accepted: bool,
        check: Check | None = None,
        counts_days: bool = False,
    ) -> Origin:
        """Of an archive; `accepted` if the digest is the one that a user gave, and not the venue's."""
        sources = [[name, sha256]]
        sources += [[name + _ETAG, etag]] if etag is not None else []
        sources += [[name + _ACCEPTED, sha256]] if accepted else []
        return cls(sources, first, last, check, counts_days)

    @classmethod
    def rest(cls, first: dt.date, last: dt.date, *, is_whole: bool) -> Origin:
        """Of the REST interface of a venue."""
        return cls([[_REST, "whole" if is_whole else "part"]], first, last)

    @property
    def is_archive(self) -> bool:
        """Whether it is an archive, which has the last word."""
        return self.sources[0][0] != _REST

    def sources_of_last(self, days: int) -> list[list[str]]:
        """The sources of the last of so many days."""
        return self.sources + ([[self.sources[0][0] + _DAYS, str(days)]] if self.counts_days else [])

    def supersedes(self, there: Facts) -> bool:
        """Whether trades that are there give way to these: those that were fetched do, and not those of a user."""
        return self.is_archive and bool(there.sources) and _ADDED not in there.sources


def archive_of(facts: Facts) -> tuple[str, str | None] | None:
    """The archive that a day came from, and its tag."""
    for name, value in facts.sources:
        if name.endswith(_ETAG):
            return name.removesuffix(_ETAG), value
    names = [name for name, _ in facts.sources if name not in (_REST, _ADDED[0]) and not name.endswith(_ABOUT)]
    return (names[0], None) if names else None


def days_told(facts: Facts) -> int | None:
    """How many days there are of the archive whose last one this is; none if it is another day."""
    return next((int(value) for name, value in facts.sources if name.endswith(_DAYS) and value.isdigit()), None)


def is_whole(facts: Facts) -> bool:
    """Whether a day has all the trades that its venue has."""
    return archive_of(facts) is not None or [_REST, "whole"] in facts.sources


def is_rest(facts: Facts) -> bool:
    """Whether all of a day came from the REST interface of its venue, which gives it from its first trade on."""
    return bool(facts.sources) and all(name == _REST for name, _ in facts.sources)


def joined(there: list[list[str]], given: list[list[str]] | None) -> list[list[str]]:
    """The sources of a day to which more is added; none if a user has added all of it."""
    if given is None:
        return [*there, _ADDED] if there and _ADDED not in there else there
    # Of an archive that was published anew, only what is there now counts.
    names = [name for name, _ in given if name != _REST]
    old = {name + about for name in names for about in ("", *_ABOUT)}
    kept = [source for source in there if source[0] not in old or source in given] if there else [_ADDED]
    if [_REST, "whole"] in given:
        kept = [source for source in kept if source != [_REST, "part"]]
    if [_REST, "part"] in given and [_REST, "whole"] in kept:
        return kept
    return kept + [source for source in given if source not in kept]
