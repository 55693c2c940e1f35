"""What became of a fetch."""

from __future__ import annotations

from dataclasses import dataclass, field

from rangebar_polars._lake.layout import TradesUnit
from rangebar_polars._readers.report import ReadReport
from rangebar_polars.exceptions import FetchError

__all__ = ["FetchReport"]

_FEW = 5
"""Faults that a message shows."""


@dataclass
class FetchReport:
    """
    What became of a fetch.

    Attributes
    ----------
    added
        The days that are new, or got more or other trades, as (venue, symbol, date).
    unchanged
        The days that were there already as the venue has them.
    missing
        The days that the venue does not have, each with the reason: "before the first archive", "not published yet" or
        "missing at the venue".
    failed
        What could not be fetched, by the name of the archive or of the symbol, with the error.
    read
        The :class:`ReadReport` of the archives: rows that are no trades are counted there.
    files, bytes, rows
        The archives that were read, their size, and the trades that were added.
    seconds
        The time that it took.
    """

    added: list[TradesUnit] = field(default_factory=list[TradesUnit])
    unchanged: list[TradesUnit] = field(default_factory=list[TradesUnit])
    missing: list[tuple[TradesUnit, str]] = field(default_factory=list[tuple[TradesUnit, str]])
    failed: dict[str, Exception] = field(default_factory=dict[str, Exception])
    read: ReadReport = field(default_factory=ReadReport)
    files: int = 0
    bytes: int = 0
    rows: int = 0
    seconds: float = 0.0

    def __repr__(self) -> str:
        """Days, files and time in one line."""
        days = f"{len(self.added)} days added, {len(self.unchanged)} unchanged, {len(self.missing)} missing"
        read = f"{self.rows:,} trades of {self.files} archives, {self.bytes / 1e6:.1f} MB"
        return f"<FetchReport: {days}, {len(self.failed)} failed; {read}, {self.seconds:.1f} s>"

    def to_error(self) -> FetchError:
        """The error that tells what failed."""
        some = [f"{name}: {error}" for name, error in [*self.failed.items()][:_FEW]]
        more = f"; and {len(self.failed) - _FEW} more" if len(self.failed) > _FEW else ""
        count = len(self.added)
        done = "nothing was added" if not count else "1 day was added" if count == 1 else f"{count:,} days were added"
        one = "1 thing" if len(self.failed) == 1 else f"{len(self.failed)} things"
        msg = f"{one} could not be fetched, {done}: {'; '.join(some)}{more}"
        return FetchError(msg, self)
