"""Runs of trades in which one row breaks a rule."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import polars as pl
from hypothesis import assume
from hypothesis import strategies as st

from tests._routes import group_rows
from tests._streams import Run, runs, with_value

BAD_CELLS: dict[str, tuple[Any, ...]] = {
    "price": (None, math.nan, math.inf, 0.0, -1.0, 1e300),
    "quantity": (None, math.nan, -1.0, 1e16),
    **dict.fromkeys(("timestamp", "is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id"), (None,)),
}


class Broken(NamedTuple):
    run: Run
    bad: pl.DataFrame
    """The frame of the run with one row that breaks a rule."""
    row: int
    column: str
    pushed: int
    """Rows pushed before the frame that fails."""
    end: int
    """The row behind it."""

    @property
    def row_of_group(self) -> int:
        return next(rows.index(self.row) for rows in group_rows(self.run.frame, self.run.by) if self.row in rows)

    @property
    def first_of_group(self) -> bool:
        """Whether the frame holds no earlier row of the group."""
        rows = next(rows for rows in group_rows(self.run.frame, self.run.by) if self.row in rows)
        return not any(self.pushed <= row < self.row for row in rows)


@st.composite
def broken(draw: st.DrawFn) -> Broken:
    run = draw(runs(min_rows=1, exact=True))
    frame = run.frame
    row = draw(st.integers(0, frame.height - 1))
    kinds = ["cell"] * 3 + ["sum", "back"]
    kind = draw(st.sampled_from(kinds))
    column = draw(st.sampled_from([name for name in BAD_CELLS if name in frame.columns]))
    bad = frame
    if kind == "cell":
        bad = with_value(frame, column, draw(st.sampled_from(BAD_CELLS[column])), row)
    elif kind == "sum":
        column = "quantity"
        bad = with_value(with_value(frame, "price", 9e10, row), column, 1e15, row)
    else:
        column = "timestamp"
        earlier = [other for rows in group_rows(frame, run.by) if row in rows for other in rows if other < row]
        assume(earlier)
        bad = with_value(frame, column, frame[column].to_physical()[earlier[-1]] - 1, row)
    pushed = draw(st.integers(0, row))
    return Broken(run, bad, row, column, pushed, draw(st.integers(row + 1, frame.height)))
