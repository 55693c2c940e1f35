"""What a command has to say: to people as text and tables, to programs as one JSON document, to shells as a code."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import Any

import polars as pl
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rangebar_polars.exceptions import RangeBarError

__all__ = ["Answer", "Code", "Failed", "error_console", "failing", "records"]


class Code(IntEnum):
    """Exit codes."""

    FINE = 0
    FINDINGS = 1
    """The command did what it should, and something is missing, stale or damaged."""
    USAGE = 2
    """It cannot be meant so; nothing was done."""
    FAILED = 3
    """Something that was asked for could not be done."""
    LOCKED = 4
    """Another process is writing."""


class Failed(Exception):  # noqa: N818  (it is no error of its own)
    """That what was asked for could be meant so, and could not be done."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def failing() -> Generator[None]:
    """Tell an error of the data from one of the parameters, which were checked before."""
    try:
        yield
    except RangeBarError as error:
        raise Failed(error) from error


@dataclass
class Answer:
    """
    What a command has to say.

    Attributes
    ----------
    document
        All of it, for programs.
    shown
        What people see of it, from top to bottom.
    code
        The exit code.
    failed
        What failed, and why: of what is shown, this is also said to who wants to hear nothing else.
    """

    document: dict[str, Any]
    shown: Sequence[RenderableType] = field(default_factory=list[RenderableType])
    code: Code = Code.FINE
    failed: Mapping[str, Exception] = field(default_factory=dict[str, Exception])

    def print(self, *, as_json: bool, quiet: bool) -> None:
        """Print it on stdout; if nothing is wanted there, what failed on stderr."""
        if as_json:
            sys.stdout.write(json.dumps(_plain(self.document), indent=2, allow_nan=False) + "\n")
        elif quiet:
            for what, error in self.failed.items():
                error_console().print(Text(f"error: {what}: {error}"))
        else:
            console = Console(highlight=False)
            for before, one in pairwise([None, *self.shown]):
                if isinstance(before, Table):
                    console.print()
                if isinstance(one, Text) and console.is_terminal:
                    indent = len(one.plain) - len(one.plain.lstrip())
                    console.print(Padding(one[indent:], (0, 0, 0, indent)))  # so that all its lines are indented
                else:
                    console.print(one, soft_wrap=isinstance(one, Text))
        sys.stdout.flush()


def error_console() -> Console:
    """Stderr: what does not go to a terminal is not cut into lines for one."""
    is_terminal = Console(stderr=True).is_terminal
    return Console(stderr=True, highlight=False, soft_wrap=not is_terminal)


def records(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """
    The rows of a frame for a document.

    Times and dates are texts in ISO 8601, with all their digits; what is no number is null, which JSON lacks.
    """
    texts = [
        pl.col(name).dt.to_string("iso:strict").alias(name) if dtype == pl.Datetime else pl.col(name).cast(pl.String)
        for name, dtype in frame.schema.items()
        if dtype.is_temporal() or isinstance(dtype, pl.Enum | pl.Categorical | pl.Decimal)
    ]
    return frame.with_columns(texts).to_dicts()


def _plain(value: object) -> object:
    """A value as JSON has it."""
    held: Any = value  # whatever a document holds
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(one) for key, one in held.items()}
        case list() | tuple():
            named = getattr(held, "_asdict", None)
            return [_plain(one) for one in held] if named is None else _plain(named())
        case dt.date():
            return value.isoformat()
        case _:
            return str(value)
