"""Docs: the site builds without a warning; no public name, error, example or picture is missing from it."""

from __future__ import annotations

import ast
import inspect
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import rangebar_polars as rb
from rangebar_polars import backtesting, exports, plotting
from tests._paths import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
MODULES = (rb.datasets, backtesting, exports, plotting)
"""Modules whose functions and classes are called by their names in them."""
CLASSES = (
    rb.BarState,
    rb.BarStream,
    rb.BookStream,
    rb.DataFrameRangeBar,
    rb.ExprRangeBar,
    rb.Lake,
    rb.LazyFrameRangeBar,
)


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as it is published: a warning is an error."""
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings_handlers.python")
    config = pytest.importorskip("mkdocs.config")
    build = pytest.importorskip("mkdocs.commands.build")
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        patch.chdir(ROOT)
        build.build(config.load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


def public_names() -> Iterator[str]:
    """Names of the package as the reference calls them, methods of its classes included."""
    for name in rb.__all__:
        if name not in {"datasets", "__version__"}:
            yield name
    for module in MODULES:
        members = {name: getattr(module, name) for name in module.__all__}
        named = [name for name, member in members.items() if inspect.isfunction(member) or inspect.isclass(member)]
        yield from (f"{module.__name__.rpartition('.')[2]}.{name}" for name in named)
    for kind in CLASSES:
        own = {name for base in kind.__mro__ if base is not object for name in vars(base)}
        yield from (f"{kind.__name__}.{name}" for name in sorted(own) if not name.startswith("_"))


def test_every_public_name_stands_in_the_reference(site: Path) -> None:
    lines = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode().splitlines()
    documented = {line.split()[0].removeprefix("rangebar_polars."): line.split()[3] for line in lines}
    names = list(public_names())
    assert len(names) > 60
    assert [name for name in names if not documented.get(name, "").startswith("reference/")] == []


def test_every_public_name_is_asked_for_once() -> None:
    """Without the generator: the pages name what they document."""
    asked = [
        n for page in PAGES for n in re.findall(r"^::: rangebar_polars\.([\w.]+)$", page.read_text(), re.MULTILINE)
    ]
    wanted = [name for name in public_names() if name.partition(".")[0] not in {kind.__name__ for kind in CLASSES}]
    assert sorted(asked) == sorted([*wanted, *(kind.__name__ for kind in CLASSES)])


def test_docstrings_leave_no_markup_of_another_kind_behind(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not re.search(r":(class|func|meth|mod):|<autoref|<code>docs/|# doctest:", page.read_text()), page


def test_the_search_finds_functions_and_columns(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text()
    assert all(word in index for word in ("lookback_garman_klass_vol", "permutation_entropy", "push_trade"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_of_a_page_runs(page: Path) -> None:
    """As a session: what has no prompt is not run by the doctests, and would be believed."""
    for language, code in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        assert language in {"python", "sh", "text", "toml", "yaml", "rust"}, language
        assert language != "python" or code.startswith(">>> "), code


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pictures_of_a_page_are_there_for_both_halves_of_the_readers(page: Path) -> None:
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)#]+)(#[\w-]+)?\)", page.read_text())
    for text, target, half in pictures:
        assert text
        assert (page.parent / target).is_file(), target
        assert half in {"#gh-light-mode-only", "#gh-dark-mode-only"}, target
    assert sum(half == "#gh-light-mode-only" for *_, half in pictures) * 2 == len(pictures)


def test_pictures_are_those_of_the_scripts() -> None:
    names = {"compare"}  # which `benches.compare` draws, from what it measured
    names |= set(re.findall(r'^    "(\w+)": \w+,$', (DOCS / "pictures.py").read_text(), re.MULTILINE))
    assert len(names) >= 4
    assert {file.name for file in (DOCS / "pictures").iterdir()} == {
        f"{name}_{half}.svg" for name in names for half in ("light", "dark")
    }


def test_the_architecture_leads_to_files_that_are_there() -> None:
    named = re.findall(r"`((?:src|rangebar_polars)/[\w/.]*)`", (ROOT / "docs/architecture.md").read_text())
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def messages() -> Iterator[str]:
    """What errors of the library say, the longest part of each that is the same every time."""
    for file in (ROOT / "rangebar_polars").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            parts = list(_parts(node))
            if parts:
                yield max(parts, key=len)
    for file in (ROOT / "src").rglob("*.rs"):
        code = re.sub(r"\\\n\s*", "", file.read_text())
        found = re.findall(
            r'(?:FrameError\(|FrameError::from\(|Rule::\w+[^\n]*=>)\s*\{?\s*(?:format!\(\s*)?"((?:[^"\\]|\\.)+)"', code
        )
        yield from (max(re.split(r"\{[^}]*\}", text.replace('\\"', '"')), key=len) for text in found)


def _parts(node: ast.AST) -> Iterator[str]:
    """The constant parts of the text of a `RangeBarError`, or of a `msg` that becomes one."""
    text: ast.AST | None = None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "msg":
        text = node.value
    elif (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "RangeBarError" and node.args
    ):
        text = node.args[0]
    for part in text.values if isinstance(text, ast.JoinedStr) else [text]:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def test_every_error_has_its_remedy() -> None:
    page = (DOCS / "errors.md").read_text()
    found = {text.strip(" `:;,(") for text in messages()}
    assert len(found) > 100
    assert sorted(text for text in found if text not in page) == []
