"""Contract layer: what the command line says of itself, at two widths, to people and to shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rangebar_polars as rb
from rangebar_polars._cli import run
from rangebar_polars._cli.app import made
from tests._cli import COMMANDS, WIDTHS, golden, helps, shell
from tests._paths import ROOT


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_helps_are_as_they_were_read(columns: int) -> None:
    """`python -m tests._cli` writes them anew; read the difference."""
    assert "\n".join(helps(columns)) == golden(columns).read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", WIDTHS)
def test_no_line_of_a_help_is_wider_than_the_terminal(columns: int) -> None:
    assert all(len(line) <= columns for text in helps(columns) for line in text.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_help_says_what_a_command_never_does_and_shows_it(command: str) -> None:
    text = shell(command, "--help").out
    assert re.search(r"\bnever\b", text)
    assert re.search(rf"^ +rangebar-polars {command}\b", text, re.MULTILINE)


def test_every_command_is_in_the_list_of_these_tests() -> None:
    app = made()
    assert sorted(name for name in app if not name.startswith("-")) == sorted([*COMMANDS, "demo"])


def test_every_option_is_described() -> None:
    app = made()
    for command in COMMANDS:
        for argument in app[command].assemble_argument_collection(parse_docstring=True):
            assert argument.parameter.help or argument.name == "*", (command, argument.name)


def test_an_example_of_a_help_is_a_command_that_parses() -> None:
    """Only parsed: they name files and days that are not there."""
    lines = [
        line for text in helps(200) for line in re.findall(r"^ {4}rangebar-polars ((?:.*\\\n)?.*)$", text, re.MULTILINE)
    ]
    assert len(lines) > 20
    for line in lines:
        words = re.sub(r"\\\n| \| head", "", line).split()
        command, bound, _ = made().parse_args(words, exit_on_error=False, print_error=False)
        assert command.__name__.replace("_", "-") == words[0]
        assert bound.arguments


def test_without_a_command_it_says_what_there_is() -> None:
    assert shell() == shell("--help")


def test_the_version() -> None:
    said = shell("--version")
    assert (said.code, said.out.strip(), said.err) == (0, rb.__version__, "")


def test_a_command_that_is_misspelt_is_named() -> None:
    said = shell("statsu")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith('error: Unknown command "statsu". Did you mean "status"?')


def test_without_cyclopts_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    monkeypatch.delitem(sys.modules, "rangebar_polars._cli.app", raising=False)
    for name in [name for name in sys.modules if name.startswith("rangebar_polars._cli.")]:
        monkeypatch.delitem(sys.modules, name)
    said = shell("status")
    assert said.code == 2
    assert (said.out, said.err) == ("", 'rangebar-polars needs cyclopts: pip install "rangebar_polars[cli]"\n')


def test_the_demo_needs_no_cyclopts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    given: list[object] = []
    monkeypatch.setattr("rangebar_polars.demo.main", given.append)
    assert run(["demo", "--rows", "10"]) == 0
    assert given == [["--rows", "10"]]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.usefixtures("lake")
def test_the_completion_of_bash_completes(here: Path) -> None:
    said = shell("--install-completion", "--shell", "bash", "--output", here / "completion")
    assert said.code == 0
    script = """
    . ./completion
    complete_words() {
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        local name=$(complete -p rangebar-polars | sed -E 's/.*-F ([^ ]+).*/\\1/')
        $name rangebar-polars "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        echo "${COMPREPLY[@]}"
    }
    complete_words rangebar-polars sta
    complete_words rangebar-polars build --thr
    complete_words rangebar-polars bars BTCUSDT --fetch n
    complete_words rangebar-polars status B
    complete_words rangebar-polars bars BTCUSDT --series ""
    """
    program = here / "rangebar-polars"
    program.write_text(f"#!{sys.executable}\nfrom rangebar_polars._cli import main\nmain()\n")
    program.chmod(0o755)
    path = {"PATH": f"{here}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, cwd=here, env=os.environ | path
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["status", "--threshold-dbps", "never", "BTCUSDT", "base"]
