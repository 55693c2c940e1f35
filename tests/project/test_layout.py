"""Contract layer for the tests themselves: each file is in a folder and in the README, and imports no other test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests._paths import ROOT

TESTS = ROOT / "tests"
FILES = sorted(TESTS.rglob("*.py"))
LONGEST = 500
"""Lines of a file. A longer one has more than one subject."""


def name_of(file: Path) -> str:
    return file.relative_to(TESTS).as_posix()


every_file = pytest.mark.parametrize("file", FILES, ids=name_of)


def rows() -> list[tuple[str, str, str]]:
    """The folders of the README, each with its layer and its files."""
    return re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", (TESTS / "README.md").read_text(), re.MULTILINE)


def test_the_readme_lists_every_file_in_its_folder() -> None:
    said = [f"{folder}/{file}" for folder, _, files in rows() for file in re.findall(r"`([\w.]+)`", files)]
    assert sorted(said) == [name_of(file) for file in FILES if file.name.startswith("test_")]


def test_the_readme_lists_every_helper() -> None:
    text = (TESTS / "README.md").read_text()
    helpers = [file.name for file in FILES if file.parent == TESTS and file.name != "__init__.py"]
    assert len(helpers) > 20
    assert [name for name in helpers if f"`{name}`" not in text] == []


def test_folders_are_packages() -> None:
    """Without `__init__.py`, two files of one name would be one module."""
    folders = {file.parent for file in FILES}
    assert len(folders) > 10
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


@every_file
def test_a_file_is_short_and_says_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert file.name == "__init__.py" or text.startswith('"""')


@every_file
def test_no_file_imports_from_a_test(file: Path) -> None:
    """What two tests share belongs in a helper. Scripts that a test runs in another interpreter count too."""
    named = re.findall(r"^\s*(?:from|import) (tests\.[\w.]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in named if re.search(r"\btest_|\bconftest\b", name)] == []
