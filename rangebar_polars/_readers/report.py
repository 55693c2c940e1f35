"""What happened to the rows of the files: nothing disappears uncounted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

import polars as pl

from rangebar_polars._common.instants import UNITS_PER_SECOND
from rangebar_polars._common.messages import cut

__all__ = ["REASONS", "Action", "FileReport", "ReadReport", "Reason"]

Reason: TypeAlias = Literal[
    "header",
    "not_a_trade",
    "unparsable",
    "time_unit",
    "ghost",
    "non_positive",
    "decimals",
    "crossed",
    "one_sided",
    "duplicate",
    "conflicting_id",
    "backwards",
    "unterminated",
]
"""Why a row is not returned as it stands."""

Action: TypeAlias = Literal["dropped", "kept", "filled", "sorted", "raised"]
"""What was done with it."""

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

_FAULTS: Final[dict[str, pl.DataType]] = {
    "file": pl.String(),
    "reason": pl.Enum(REASONS),
    "action": pl.Enum(get_args(Action)),
    "count": pl.UInt64(),
    "first_line": pl.UInt64(),
    "sample": pl.String(),
}
_FILES: Final[dict[str, pl.DataType]] = {
    "file": pl.String(),
    "rows_read": pl.UInt64(),
    "rows_returned": pl.UInt64(),
    "is_complete": pl.Boolean(),
    "time_unit": pl.String(),
    "first_time": pl.Datetime("ns", "UTC"),
    "last_time": pl.Datetime("ns", "UTC"),
    "absent_columns": pl.List(pl.String()),
    "other_columns": pl.List(pl.String()),
}


@dataclass
class FileReport:
    """What happened to the rows of one file; filled while it is read."""

    file: str
    rows_read: int = 0
    rows_returned: int = 0
    is_complete: bool = False
    time_unit: str | None = None
    first_time: int | None = None
    last_time: int | None = None
    """Nanoseconds since 1970."""
    absent_columns: list[str] = field(default_factory=list[str])
    other_columns: list[str] = field(default_factory=list[str])
    faults: dict[tuple[Reason, Action], list[Any]] = field(default_factory=dict[tuple[Reason, Action], list[Any]])
    """Count, number of the first line, and the text of that line."""

    def count(self, reason: Reason, action: Action, count: int, line: int | None, sample: str | None) -> None:
        """Rows that were not returned as they stand."""
        if count:
            entry = self.faults.setdefault((reason, action), [0, line, None if sample is None else cut(sample, 200)])
            entry[0] += count

    def returned(self, frame: pl.DataFrame) -> None:
        """Rows that were returned."""
        if frame.height:
            self.rows_returned += frame.height
            times = frame["timestamp"]
            self.first_time = _nanoseconds(times.head(1)) if self.first_time is None else self.first_time
            self.last_time = _nanoseconds(times.tail(1))


def _nanoseconds(time: pl.Series) -> int:
    """A time as a number since 1970; as a datetime, it would be cut to microseconds."""
    clock = time.dtype
    per_second = UNITS_PER_SECOND[clock.time_unit] if isinstance(clock, pl.Datetime) else 1
    return int(time.cast(pl.Int64).item()) * (10**9 // per_second)


class ReadReport:
    r"""
    What happened to the rows of the files that a reader read: which were left out, and why.

    Make one, hand it to a reader as `report=`, and look at it when the query has run. It can be looked at while the
    query runs. If files are read once more, their rows are not counted twice: the last reading counts.

    Attributes
    ----------
    total
        How many rows were left out. Repeated headers and rows that are no trades by the preset do not count.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> text = "time,price,size\n1704067200000,100.5,2\n1704067200001,-1,2\n"
    >>> columns = {"timestamp": "time", "price": "price", "quantity": "size"}
    >>> report = rb.ReadReport()
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "ours.csv")
    ...     _ = file.write_text(text)
    ...     trades = rb.scan_trades(file, columns=columns, on_bad_rows="drop", report=report).collect()
    >>> report.total
    1
    >>> report.frame().select("reason", "action", "count", "first_line", "sample").row(0)
    ('non_positive', 'dropped', 1, 3, '1704067200001,-1,2')
    """

    def __init__(self) -> None:
        self._files: dict[str, FileReport] = {}
        self._ignored: list[str] = []

    def __repr__(self) -> str:
        """Files, rows and what was left out, in one line."""
        files = list(self._files.values())
        read, returned = (sum(getattr(f, n) for f in files) for n in ("rows_read", "rows_returned"))
        return f"<ReadReport: {len(files)} files, {read:,} rows read, {returned:,} returned, {self.total:,} left out>"

    @property
    def total(self) -> int:
        """How many rows were left out, but for headers and for what is no trade."""
        return sum(
            entry[0]
            for file in [*self._files.values()]  # a copy: the query may add one meanwhile
            for (reason, action), entry in [*file.faults.items()]
            if action == "dropped" and reason not in ("header", "not_a_trade")
        )

    def frame(self) -> pl.DataFrame:
        """
        The rows that were not returned as they stand, by file and reason.

        Returns
        -------
        DataFrame
            `file` (String); `reason` (Enum: "header", a repeated one; "not_a_trade", by the preset; "unparsable";
            "time_unit", a time in another unit than those before it, or finer than microseconds, which is always an
            error; "ghost", no price and no quantity; "non_positive"; "decimals", more than are kept; "crossed" and
            "one_sided" quotes; "duplicate", an id again with the same content; "conflicting_id", with another content;
            "backwards", an id or a time that falls; "unterminated", a last line without an end); `action` (Enum:
            "dropped", "kept", "filled", "sorted", "raised"); `count` (UInt64); `first_line` (UInt64, from 1; null
            after sorting, or in a file without lines) and `sample`, the text there.
        """
        rows = [
            (file.file, reason, action, *entry)
            for file in [*self._files.values()]
            for (reason, action), entry in [*file.faults.items()]
        ]
        return pl.DataFrame(rows, schema=_FAULTS, orient="row")

    def files(self) -> pl.DataFrame:
        """
        The files that were read.

        Returns
        -------
        DataFrame
            `file` (String), `rows_read` and `rows_returned` (UInt64), `is_complete` (Boolean; false if the query
            stopped before the end of the file, or failed), `time_unit` (String, the unit of its times, null if they are
            texts), `first_time` and `last_time` (Datetime, ns, UTC), `absent_columns` (List of String; optional ones
            that it does not have, null in the result) and `other_columns` (those that it has beside what is read).
        """
        rows = [tuple(getattr(file, name) for name in _FILES) for file in [*self._files.values()]]
        times = ("first_time", "last_time")
        numbers = {name: pl.Int64() if name in times else dtype for name, dtype in _FILES.items()}
        return pl.DataFrame(rows, schema=numbers, orient="row").cast({name: _FILES[name] for name in times})

    @property
    def ignored(self) -> list[str]:
        """Files of the folders that are not data, by their endings."""
        return list(self._ignored)

    def _start(self, ignored: Sequence[str]) -> None:
        self._ignored = list(ignored)

    def _begin(self, file: str) -> FileReport:
        """The report of a file that begins to be read."""
        report = FileReport(file)
        self._files[file] = report
        return report
