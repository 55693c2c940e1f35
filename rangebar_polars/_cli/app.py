"""The program: its commands, where their options come from, and what becomes of errors."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Final

import polars as pl
from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console
from rich.text import Text

from rangebar_polars._cli.add import add
from rangebar_polars._cli.answer import Answer, Code, Failed, error_console
from rangebar_polars._cli.bars import bars, n_bars
from rangebar_polars._cli.build import build
from rangebar_polars._cli.common import Common
from rangebar_polars._cli.config import Environment, Settings
from rangebar_polars._cli.export import export
from rangebar_polars._cli.fetch import fetch, symbols
from rangebar_polars._cli.look import gaps, status, verify
from rangebar_polars._cli.repair import repair
from rangebar_polars._cli.words import in_shell_words
from rangebar_polars._internal import __version__
from rangebar_polars.exceptions import (
    FetchError,
    LakeConflictError,
    LakeFileError,
    LakeLockError,
    MissingTradesError,
    NotEnoughBarsError,
    RangeBarError,
    RangeBarWarning,
)

__all__ = ["made", "run_command"]

_HELP: Final = """\
Range bars in a lake of your own: trades in, bars up to date, and out again.

A first session:

    rangebar-polars fetch BTCUSDT 2024-01-01 2024-01-31
    rangebar-polars build --threshold-dbps 100 250
    rangebar-polars status
    rangebar-polars bars BTCUSDT 2024-01-10 --series base
"""

_EPILOGUE: Final = """\
Options may also stand in the environment, as RANGEBAR_LAKE and
RANGEBAR_BUILD_SERIES, or in rangebar.toml in the working folder.

Exit codes: 0 fine, 1 something is missing, stale or damaged, 2 wrong usage,
3 something failed, 4 another process is writing, 130 interrupted.
"""

_GROUPS: Final[dict[Group, list[Callable[..., Answer]]]] = {
    Group("Trades into the lake", sort_key=0): [fetch, add, symbols],
    Group("Bars", sort_key=1): [build, bars, n_bars, export],
    Group("What is there, and what is wrong", sort_key=2): [status, gaps, verify, repair],
}
"""The commands, as the help lists them."""

_USAGE: Final = {
    "fetch": "SYMBOL... START [END]",
    "add": "PATH... --venue VENUE",
    "symbols": "[SYMBOL...]",
    "build": "[SYMBOL...]",
    "bars": "SYMBOL START END",
    "n-bars": "SYMBOL N",
    "export": "bars|trades [SYMBOL...] --output FILE",
    "status": "[SYMBOL...]",
    "gaps": "[SYMBOL...]",
    "verify": "[SYMBOL...]",
    "repair": "[SYMBOL...]",
}

_OTHERS: Final = Group("Others", sort_key=3)


def made() -> App:
    """The program."""
    names = [_name(command) for commands in _GROUPS.values() for command in commands]
    app = App(
        name="rangebar-polars",
        help=_HELP,
        help_format="plaintext",
        help_epilogue=_EPILOGUE,
        version=__version__,
        config=[Environment(), Settings(names)],
        default_parameter=Parameter(negative=(), show_default=lambda value: value or None),
        group_commands=_OTHERS,
        suppress_keyboard_interrupt=False,
    )
    for group, commands in _GROUPS.items():
        for position, command in enumerate(commands):
            name = _name(command)
            command.__doc__ = _reflowed(inspect.getdoc(command) or "")
            usage = f"Usage: rangebar-polars {name} {_USAGE[name]} [OPTIONS]"
            app.command(command, name=name, group=group, sort_key=position, usage=usage, help_epilogue="")
    app.command(_demo, name="demo", usage="Usage: rangebar-polars demo [OPTIONS]", help_epilogue="")
    app.register_install_completion_command(  # pyright: ignore[reportUnknownMemberType]
        help="Install the completion of commands and options for your shell."
    )
    app["--help"].help = "Say what there is; also after a command."
    app["--version"].help = "Say which version this is."
    return app


def run_command(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit code."""
    try:
        command, bound, _ = made().parse_args(
            arguments,
            console=Console(),
            error_console=error_console(),
            exit_on_error=False,
            print_error=True,
            error_formatter=lambda error: Text(f"error: {error}"),
        )
    except CycloptsError as error:
        if "--json" in arguments:
            Answer({"error": {"kind": "UsageError", "message": str(error)}}).print(as_json=True, quiet=True)
        return Code.USAGE
    bound.apply_defaults()
    common = bound.arguments.get("common")
    if not isinstance(common, Common):  # the help, the version, completion
        command(*bound.args, **bound.kwargs)
        return Code.FINE
    options = _options(command)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", RangeBarWarning)
        try:
            answer: Answer = command(*bound.args, **bound.kwargs)
        except (RangeBarError, ModuleNotFoundError, OSError, pl.exceptions.PolarsError, Failed) as error:
            if isinstance(error, BrokenPipeError):
                raise
            answer = _answer(error, options)
    _warn(told, answer, options)
    try:
        answer.print(as_json=common.json, quiet=common.quiet)
    except BrokenPipeError:
        raise
    except OSError as error:  # a disk that is full
        error_console().print(Text(f"error: the answer cannot be written ({error}): make room, and ask again"))
        return Code.FAILED
    return answer.code


def _options(command: Callable[..., object]) -> list[str]:
    """The parameters of a command that are options."""
    given = inspect.signature(command).parameters.values()
    names = [parameter.name for parameter in given if parameter.kind is not parameter.POSITIONAL_ONLY]
    shared = [parameter.default for parameter in given if is_dataclass(parameter.default)]
    return names + [field.name for one in shared for field in fields(one)]


def _reflowed(text: str) -> str:
    """A docstring whose descriptions of parameters are one line each: terminals have other widths than files."""
    head, title, parameters = text.partition("\nParameters\n----------\n")
    lines: list[str] = []
    for one in parameters.splitlines():
        if lines and one.startswith(" ") and lines[-1].startswith(" "):
            lines[-1] += f" {one.strip()}"
        else:
            lines.append(one)
    return head + title + "\n".join(lines)


def _answer(error: Exception, options: Collection[str]) -> Answer:
    """What is said of an error: one message, which names the remedy."""
    code = _code(error)
    error = error.error if isinstance(error, Failed) else error
    message = in_shell_words(str(error) or type(error).__name__, options)
    error_console().print(Text(f"error: {message}"))
    return Answer({"error": {"kind": type(error).__name__, "message": message}}, code=code)


def _code(error: Exception) -> Code:
    match error:
        case LakeLockError():
            return Code.LOCKED
        case Failed() if isinstance(error.error, LakeLockError):
            return Code.LOCKED
        case LakeFileError() | MissingTradesError() | NotEnoughBarsError():
            return Code.FINDINGS
        case FetchError() | LakeConflictError() | Failed() | pl.exceptions.PolarsError():
            return Code.FAILED
        case RangeBarError() | ModuleNotFoundError():
            return Code.USAGE
        case _:
            return Code.FAILED


def _warn(told: Iterable[warnings.WarningMessage], answer: Answer, options: Collection[str]) -> None:
    """Say what the library warned of, which is a finding."""
    messages: list[str] = []
    for one in told:
        if not issubclass(one.category, RangeBarWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
            continue
        messages.append(in_shell_words(str(one.message), options))
        error_console().print(Text(f"warning: {messages[-1]}"))
    if messages:
        answer.document["warnings"] = messages
        answer.code = answer.code or Code.FINDINGS


def _name(command: Callable[..., object]) -> str:
    return command.__name__.replace("_", "-")


def _demo() -> None:
    """
    Show all of it on synthetic trades, from zips to a backtest.

    It writes into a temporary folder, and never into your lake.
    `rangebar-polars demo --help` lists its options.
    """
