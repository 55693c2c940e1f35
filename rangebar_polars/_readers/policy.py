"""What is done with rows that are not as they should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

import polars as pl

from rangebar_polars._common.messages import cut, shown, shown_path
from rangebar_polars._readers.parse import LINE, REASON, TEXT
from rangebar_polars._readers.report import Action, FileReport, Reason
from rangebar_polars.exceptions import RangeBarError

__all__ = ["OnBadRows", "Policy", "check_on_bad_rows"]

OnBadRows: TypeAlias = Literal["raise", "drop"] | Callable[[pl.DataFrame], Literal["raise", "drop"]]

_NO_FAULT: Final = ("header", "not_a_trade")
"""Reasons that are in order: such rows are left out whatever the policy says, and counted."""

_BROKEN: Final[dict[str, str]] = {
    "unparsable": "the row cannot be read",
    "time_unit": "the time is in another unit",
    "ghost": "the row has no price and no quantity, as if there had been no trade",
    "non_positive": "a price must be above 0, and a quantity not below",
    "decimals": "a number has more decimals than are kept, or more digits than a double holds",
    "crossed": "the bid is above the ask",
    "one_sided": "the quote has no bid or no ask",
    "duplicate": "the row repeats the one before it",
    "conflicting_id": "the row has the id of the one before it, but another content",
    "backwards": "the row belongs before one that was read already",
}

_REMEDY: Final[dict[str, str]] = {
    "time_unit": "units cannot be told apart row by row; split the file where the unit changes",
    "decimals": "`price_decimals=` keeps more of a price, `decimal=True` more digits",
    "crossed": '`on_crossed="drop"` leaves such rows out, "keep" keeps them',
    "one_sided": '`on_one_sided="drop"` leaves such rows out, "fill" takes the last price of the other side',
    "backwards": (
        '`on_unsorted="sort"` sorts each file, "drop" leaves such rows out; if two files hold the same trades twice, '
        "such as a month beside its days, or a CSV beside its zip, leave one of them out"
    ),
}
_NUMBER: Final = "row number"
_DROP: Final = 'on_bad_rows="drop" leaves such rows out and counts them in the report'


def check_on_bad_rows(value: OnBadRows) -> OnBadRows:
    """The policy, if it is one."""
    if value in ("raise", "drop") or callable(value):
        return value
    msg = f'`on_bad_rows` must be "raise", "drop" or a function, got {shown(value)}'
    raise RangeBarError(msg)


class Policy:
    """What is done with the bad rows of one file: it counts them, and raises the first or leaves them out."""

    def __init__(self, file: str, report: FileReport, on_bad_rows: OnBadRows) -> None:
        self.line = "line"
        """What a row of the file is called."""
        self._file = file
        self._report = report
        self._on_bad_rows = on_bad_rows

    def apply(
        self,
        rows: pl.DataFrame,
        then: Callable[[pl.DataFrame], object],
        detail: Callable[[dict[str, Any]], str] | None = None,
        always: Mapping[str, str] = MappingProxyType({}),
    ) -> pl.DataFrame:
        """
        The rows without a reason.

        `then` is what is done with them afterwards: before an error is raised, it is given those that stand before the
        bad one, so that the first bad row is told whatever else is wrong. `detail` adds to the error what a row itself
        does not show; `always` says for a reason what is done, whatever holds for bad rows.
        """
        if not rows[REASON].null_count() < rows.height:
            return rows
        numbered = rows.with_row_index(_NUMBER)
        bad = numbered.filter(pl.col(REASON).is_not_null())
        self.count(bad.filter(pl.col(REASON).is_in(_NO_FAULT)), "dropped")
        faults = bad.filter(~pl.col(REASON).is_in(_NO_FAULT))
        others = faults.filter(~pl.col(REASON).is_in([*always]))
        decided = {**always, "": self._decide(others) if others.height else "drop"}
        wrong = faults.filter(pl.col(REASON).replace_strict(decided, default=decided[""]) == "raise")
        if wrong.height:
            row = wrong.row(0, named=True)
            then(rows.head(row[_NUMBER]).filter(pl.col(REASON).is_null()))
            self.count(wrong.head(1), "raised")
            raise self.error(row, "" if detail is None else detail(row))
        self.count(faults, "dropped")
        return rows.filter(pl.col(REASON).is_null())

    def count(self, rows: pl.DataFrame, action: Action) -> None:
        """Count rows in the report, by reason."""
        if rows.height:
            each = rows.group_by(REASON, maintain_order=True).agg(pl.len(), pl.col(LINE, TEXT).first())
            for reason, count, line, text in each.iter_rows():
                self._report.count(cast("Reason", reason), action, count, line, text)

    def error(self, row: dict[str, Any], detail: str = "") -> RangeBarError:
        """What is wrong with a row, where, and what to do."""
        reason = row[REASON]
        where = shown_path(self._file) if row[LINE] is None else f"{shown_path(self._file)}, {self.line} {row[LINE]}"
        text = "" if row[TEXT] is None else f", got {cut(row[TEXT], 200)!r}"
        return RangeBarError(f"{where}: {_BROKEN[reason]}{detail}{text}; {_REMEDY.get(reason, _DROP)}")

    def _decide(self, faults: pl.DataFrame) -> str:
        if not callable(self._on_bad_rows):
            return self._on_bad_rows
        shown_rows = faults.select(pl.lit(self._file).alias("file"), LINE, REASON, TEXT)
        decision = self._on_bad_rows(shown_rows)
        if decision not in ("raise", "drop"):
            msg = f'`on_bad_rows` must return "raise" or "drop", got {shown(decision)}'
            raise RangeBarError(msg)
        return decision
