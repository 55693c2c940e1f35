"""Contract layer: the page on the command line is a session that runs, and says what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import rangebar_polars as rb
from tests._cli import COMMANDS, PAGE, SESSION, session, shell, typed


def test_the_session_of_the_page_runs(here: Path, archives: Path) -> None:
    """`python -m tests._cli` writes the outputs anew; read the difference."""
    sessions = SESSION.findall(PAGE.read_text(encoding="utf-8"))
    assert len(sessions) > 8
    with session(here, archives):
        for commands, output in sessions:
            assert typed(commands) == output


DOCUMENTS: dict[str, list[object]] = {
    "fetch": ["BTCUSDT", "2024-01-01", "2024-01-01"],
    "add": ["PATH", "--venue", "binance-spot"],
    "symbols": [],
    "build": ["--threshold-dbps", 250],
    "bars": ["BTCUSDT", "2024-01-01", "2024-01-01", "-o", "b.csv"],
    "n-bars": ["BTCUSDT", 3, "--before", "2024-01-01", "-o", "b.csv"],
    "export": ["bars", "-o", "b.csv"],
    "status": [],
    "gaps": [],
    "verify": [],
    "repair": [],
}
"""Of each command, what gives its document in the session."""


def test_the_page_names_the_keys_of_every_document(here: Path, archives: Path) -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    said = {name: told for names, told in rows for name in re.findall(r"`([\w-]+)`", names) if name in DOCUMENTS}
    assert list(DOCUMENTS) == list(COMMANDS)
    with session(here, archives):
        for command, words in DOCUMENTS.items():
            document = shell(command, *[archives if word == "PATH" else word for word in words], "--json").document
            told = said[command]
            asked = {"symbol", "n", "start", "end", "before", "threshold_dbps", "series"} if "asked" in told else set()
            assert set(document) <= {*re.findall(r"`(\w+)`", told), *asked}, command
            assert "error" not in document


def test_the_page_names_every_command_and_its_method() -> None:
    rows = re.findall(r"^\| `([\w-]+)[^|]*\| [^|]+ \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = dict(rows[rows.index(next(row for row in rows if row[0] == "fetch")) :])
    assert sorted(named) == sorted([*COMMANDS, "demo"])
    for methods in named.values():
        for owner, name in re.findall(r"\b(lake|rb)\.(\w+)", methods):
            assert hasattr(rb.Lake if owner == "lake" else rb, name), name
