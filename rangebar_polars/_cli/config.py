"""Where options come from that the command line does not give: environment variables, then a file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from cyclopts import App, ArgumentCollection, CycloptsError, Token
from cyclopts.config import Env, Toml

__all__ = ["PREFIX", "Environment", "Settings"]

PREFIX: Final = "RANGEBAR_"
_LAKE: Final = "RANGEBAR_LAKE"


class Environment(Env):
    """``RANGEBAR_BUILD_SERIES`` for ``build --series``, and ``RANGEBAR_LAKE`` for ``--lake`` of all commands."""

    def __init__(self) -> None:
        super().__init__(PREFIX, show=False)

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Give the options that are not there yet what the environment says."""
        options = _options(arguments)
        self._refuse_others(commands, options)
        super().__call__(app, commands, options)
        for argument in options:
            if argument.name == "--lake" and not argument.tokens and os.environ.get(_LAKE):
                argument.append(Token(keyword=_LAKE, value=os.environ[_LAKE], source=self.source))

    def _refuse_others(self, commands: tuple[str, ...], options: ArgumentCollection) -> None:
        """A misspelt variable would have no effect, and nobody would know."""
        prefix = PREFIX + "".join(f"{_name(command)}_" for command in commands)
        known = {prefix + _name(name) for argument in options for name in argument.names}
        for variable in sorted(os.environ):
            if commands and variable.startswith(prefix) and variable not in known:
                command = " ".join(commands)
                msg = f"the environment variable {variable} is no option of `rangebar-polars {command}`: unset it"
                raise CycloptsError(msg=msg)


class Settings(Toml):
    """``rangebar.toml`` in the working folder: ``lake``, and for each command a table with its options."""

    def __init__(self, commands: Collection[str]) -> None:
        super().__init__("rangebar.toml", source="rangebar.toml")
        self._commands = frozenset(commands)

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Give the options that are not there yet what the file says."""
        super().__call__(app, commands, _options(arguments))

    def _load_config(self, path: Path) -> dict[str, Any]:
        """For each command its options, that of all commands among them."""
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            msg = f"{path} cannot be read ({error}): mend it, or work in another folder"
            raise CycloptsError(msg=msg) from error
        of_all = {"lake": given.pop("lake")} if "lake" in given else {}
        for name, options in given.items():
            if name not in self._commands or not isinstance(options, dict):
                msg = f"{path} has {name!r}, which is neither `lake` nor a table of a command: remove it"
                raise CycloptsError(msg=msg)
        return {name: of_all | given.get(name, {}) for name in self._commands}


def _options(arguments: ArgumentCollection) -> ArgumentCollection:
    """The arguments that are options: what a command is about stands on the command line."""
    options = ArgumentCollection()  # type: ignore[no-untyped-call]
    options += (argument for argument in arguments if argument.name.startswith("--"))
    return options


def _name(text: str) -> str:
    return text.lstrip("-").replace("-", "_").upper()
