"""What commands have in common: options, the lake that is meant, and what a shell completes from it."""

from __future__ import annotations

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final, TypeAlias

from cyclopts import Group, Parameter
from cyclopts.completion import CompletionContext

from rangebar_polars._bars.request import Threshold
from rangebar_polars._bars.written_rules import rule_of_text
from rangebar_polars._common.messages import shown_path
from rangebar_polars._lake.lake import Lake
from rangebar_polars._lake.layout import Layout
from rangebar_polars._one_line import default_lake
from rangebar_polars.exceptions import RangeBarError

__all__ = [
    "COMMON",
    "Common",
    "ManySeries",
    "Names",
    "OneSeries",
    "Rules",
    "Symbol",
    "Symbols",
    "Thresholds",
    "Venue",
    "chosen_rule",
    "to_build",
]

_OF_ALL = Group("Options of all commands", sort_key=9)

_HELP_ON_LAKE: Final = (
    "The folder of the lake [default: RANGEBAR_LAKE, then `lake` in rangebar.toml, then a folder of your own where the "
    "system keeps data]."
)


def _layout_of(context: CompletionContext) -> Layout:
    """The lake that a line means that is being typed."""
    given = context["lake"].raw
    return Layout(Common(lake=None if given is None else Path(given)).folder)


def _symbols_there(context: CompletionContext) -> list[str]:
    return sorted({symbol for _, symbol in _layout_of(context).instruments()})


def _series_there(context: CompletionContext) -> list[str]:
    return _layout_of(context).series()


def _venues_there(context: CompletionContext) -> list[str]:
    return sorted({venue for venue, _ in _layout_of(context).instruments()})


def _rules_in(_hint: object, text: str, *, delimiter: str | None = None) -> list[str]:
    """The rules that a variable of the environment holds, which have spaces only within brackets."""
    del delimiter
    return re.split(r"\s+(?![^()]*\))", text.strip())


Thresholds: TypeAlias = Annotated[list[int], Parameter(consume_multiple=True)]
Rules: TypeAlias = Annotated[list[str], Parameter(consume_multiple=True, env_var_split=_rules_in)]
Names: TypeAlias = Annotated[list[str], Parameter(consume_multiple=True)]
Symbols: TypeAlias = Annotated[list[str], Parameter(consume_multiple=True, completer=_symbols_there)]
Symbol: TypeAlias = Annotated[str, Parameter(completer=_symbols_there)]
ManySeries: TypeAlias = Annotated[list[str], Parameter(consume_multiple=True, completer=_series_there)]
OneSeries: TypeAlias = Annotated[str, Parameter(completer=_series_there)]
Venue: TypeAlias = Annotated[str, Parameter(completer=_venues_there)]


@Parameter(name="*", group=_OF_ALL)
@dataclass(frozen=True, kw_only=True)
class Common:
    """The options of all commands."""

    lake: Annotated[Path | None, Parameter(help=_HELP_ON_LAKE)] = None
    json: Annotated[bool, Parameter(help="Print one JSON document on stdout, and nothing else there.")] = False
    quiet: Annotated[bool, Parameter(help="Print nothing but data and errors: the exit code says the rest.")] = False

    @property
    def progress(self) -> bool:
        """Whether somebody wants to see how far a command is, and can."""
        return not self.quiet and sys.stderr.isatty() and find_spec("tqdm") is not None

    @property
    def folder(self) -> Path:
        """Where the lake is, or is to be."""
        return Path(self.lake or default_lake()).expanduser()

    def open(self) -> Lake:
        """The lake that is there."""
        if not (self.folder / "lake.toml").exists():
            msg = (
                f"there is no lake in {shown_path(self.folder)}: make one with `rangebar-polars fetch` or "
                "`rangebar-polars add`, or name another folder with `--lake`"
            )
            raise RangeBarError(msg)
        return Lake(self.folder, create=False)

    @contextmanager
    def lent(self) -> Generator[Lake]:
        """The lake that is there, or for a moment an empty one: to ask a venue, none is needed."""
        if (self.folder / "lake.toml").exists():
            yield Lake(self.folder, create=False)
        else:
            with TemporaryDirectory() as folder:
                yield Lake(folder)

    def open_or_make(self) -> Lake:
        """The lake that is there, or a new one."""
        return Lake(self.folder)


def chosen_rule(threshold_dbps: int | None, rule: str | None) -> Threshold | None:
    """The one rule that is meant, if one is."""
    if rule is None:
        return threshold_dbps
    if threshold_dbps is not None:
        raise RangeBarError("a threshold is a rule: give `--threshold-dbps` or `--rule`, not both")
    return rule_of_text(rule)


def to_build(lake: Lake) -> str:
    """The command that brings bars up to date, or first defines some."""
    return "rangebar-polars build" + ("" if Layout(lake.path).series() else " --threshold-dbps 250")


COMMON: Final = Common()
"""What holds if none of them is given."""
