"""The command line, ``rangebar-polars``: one file for each command, or for a few that belong together."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn, TextIO

__all__ = ["main", "run"]

_USAGE: Final = 2
_FAILED: Final = 3
_INTERRUPTED: Final = 130
_CLEAR: Final = "\r\x1b[J"
"""What remains of progress bars is removed from a terminal."""

_NO_READER: Final = 141
"""What a shell says of a program whose reader has gone: 128 and the number of SIGPIPE."""


def main() -> NoReturn:
    """Run the command that the command line names, and exit with its code."""
    # A stream that was closed is None, which nothing can be written to.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit code."""
    try:
        return _run(list(arguments))
    except BrokenPipeError:
        _leave_stdout()
        return _NO_READER
    except Exception:  # noqa: BLE001  (a fault of the program, whose code would be that of findings)
        traceback.print_exc()
        return _FAILED
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            sys.stderr.write(_CLEAR)
        _say("interrupted: what is complete stays; run the same command again for the rest")
        return _INTERRUPTED


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["demo"]:  # which needs no package beside Polars, and has options of its own
        from rangebar_polars import demo  # noqa: PLC0415  (only if it is wanted)

        demo.main(arguments[1:])
        return 0
    try:
        from rangebar_polars._cli.app import run_command  # noqa: PLC0415  (it may be absent)
    except ModuleNotFoundError as error:
        if error.name not in ("cyclopts", "rich"):
            raise
        _say(f'rangebar-polars needs {error.name}: pip install "rangebar_polars[cli]"')
        return _USAGE
    return run_command(arguments)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _leave_stdout() -> None:
    """Close what nobody reads any more, so that the interpreter does not complain of it when it exits."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
