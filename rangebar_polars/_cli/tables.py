"""Tables that fit a terminal of 80 columns, and numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

__all__ = ["cell", "count", "line", "next_step", "table"]

_NUMBER: Final = re.compile(r"-?[\d,]+(\.\d+)?")

_MOST_ROWS: Final = 40
"""Rows that a table shows."""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, most: int = _MOST_ROWS) -> Table:
    """
    A table; numbers are on the right, also as texts.

    Of many rows, only the first are shown, and below them how many there are.
    """
    listed = list(rows)
    made = Table(
        title=Text(title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for position, name in enumerate(columns):
        is_number = any(_NUMBER.fullmatch(cell(row[position])) for row in listed)
        made.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in listed[:most]:
        made.add_row(*(Text(cell(value)) for value in row))
    if len(listed) > most:
        made.caption = Text(f"and {count(len(listed) - most, 'row')} more: `--json` has all of them")
        made.caption_justify = "left"
    return made


def cell(value: object) -> str:
    """A value as a table shows it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.8g}"
        case _:
            return str(value)


def count(number: int, thing: str, things: str | None = None) -> str:
    """A number of things: "1 day", "1,234 days"."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def line(text: str) -> Text:
    """A line of text."""
    return Text(text)


def next_step(because: str, command: str) -> Text:
    """What to do next: "3 periods are stale: rangebar-polars build"."""
    return Text.assemble(f"{because}: ", (command, "bold"))
