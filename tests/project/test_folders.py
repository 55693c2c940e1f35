"""Contract layer for what one sees first: the folders of the repository, the names of the package, and no others."""

from __future__ import annotations

import subprocess
from importlib import import_module
from pkgutil import iter_modules

import pytest

import rangebar_polars as rb
from tests._paths import ROOT

FOLDERS = {"benches", "docs", "notebooks", "rangebar_polars", "src", "tests"}
PROGRAMS = {"demo", "stubs"}
"""Modules that are run with `python -m`, and not called."""
MODULES = {module.name for module in iter_modules(rb.__path__) if not module.name.startswith("_")} - PROGRAMS


def test_the_top_level_has_six_visible_folders() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("only git knows what belongs to the repository and what a build left")
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    folders = {file.split("/")[0] for file in files if "/" in file}
    assert {name for name in folders if not name.startswith(".")} == FOLDERS


def test_the_package_shows_what_a_user_may_use_and_nothing_else() -> None:
    assert len(MODULES) > 5
    assert dir(rb) == sorted({*rb.__all__, *MODULES})


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_public_module_needs_no_import_of_its_own(name: str) -> None:
    """Nor does a function hide it."""
    assert getattr(rb, name) is import_module(f"rangebar_polars.{name}")


def test_no_module_has_the_name_of_a_function() -> None:
    """`rb.gaps` is one thing: what is imported last would hide the other."""
    assert MODULES & set(rb.__all__) == {"datasets"}


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'rangebar_polars' has no attribute 'plot_ting'"):
        getattr(rb, "plot_ting")  # noqa: B009
