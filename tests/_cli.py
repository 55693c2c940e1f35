"""
A command within a test: what it says on both streams, and its code.

`python -m tests._cli` writes the stored helps and the outputs in the page on the command line anew.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import rangebar_polars as rb
from rangebar_polars._cli import run
from tests._paths import ROOT

PAGE = ROOT / "docs" / "reference" / "command_line.md"
SESSION = re.compile(r"^```sh\n((?:rangebar-polars .*\n)+)```\n\n```text\n((?:(?!```).*\n)*)```$", re.MULTILINE)
"""Commands of the page, and what it says that they say."""

GOLDEN = ROOT / "tests" / "cli" / "golden"
WIDTHS = (80, 200)
COMMANDS = ("fetch", "add", "symbols", "build", "bars", "n-bars", "export", "status", "gaps", "verify", "repair")


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document, which is all of stdout."""
        return json.loads(self.out)


def shell(*words: object, columns: int = 80) -> Said:
    """Run a command in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    terminal = {"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), patch.dict(os.environ, terminal):
        code = run([str(word) for word in words])
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Said(code, *texts)


def helps(columns: int) -> Iterator[str]:
    """The help of the program and of each command, without spaces at the ends of lines."""
    for words in ([], *([command] for command in COMMANDS)):
        said = shell(*words, "--help", columns=columns)
        assert (said.code, said.err) == (0, "")
        lines = [f"$ rangebar-polars {' '.join([*words, '--help'])}", *said.out.splitlines()]
        yield "\n".join(line.rstrip() for line in lines) + "\n"


def golden(columns: int) -> Path:
    """The file of the helps at a width."""
    return GOLDEN / f"help_{columns}.txt"


@contextlib.contextmanager
def session(folder: Path, archives: Path) -> Iterator[None]:
    """Where the session of the page is typed: an empty folder, and a venue on this machine at the known address."""
    with rb.datasets.LocalVenue(archives) as venue, contextlib.chdir(folder):
        addresses = {f"RANGEBAR_{command}_BASE": venue.base for command in ("FETCH", "BARS", "N_BARS", "SYMBOLS")}
        with patch.dict(os.environ, addresses | {"RANGEBAR_LAKE": str(folder / "lake")}):
            yield


def write_archives(folder: Path) -> Path:
    """The archives that the venue has: of two symbols, two days and a part of the third."""
    rb.datasets.write_sample_archives(folder, rows=1_800_000)
    return folder


def typed(commands: str) -> str:
    """What a terminal shows of some lines, without what differs between two runs and spaces at the ends of lines."""
    text = ""
    for line in commands.splitlines():
        program, *words = shlex.split(line)
        assert program == "rangebar-polars"
        said = shell(*words)
        text += said.out + said.err
    text = re.sub(r"/\S+/lake\b", "/home/you/lake", text)
    text = re.sub(r" in \d+\.\d s", " in 0.4 s", text)
    text = re.sub(r'"seconds": [\d.e-]+', '"seconds": 0.012', text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


if __name__ == "__main__":
    for width in WIDTHS:
        golden(width).write_text("\n".join(helps(width)), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as empty, session(Path(empty), write_archives(Path(empty, "zips"))):
        page = SESSION.sub(lambda found: f"```sh\n{found[1]}```\n\n```text\n{typed(found[1])}```", page)
    PAGE.write_text(page, encoding="utf-8")
