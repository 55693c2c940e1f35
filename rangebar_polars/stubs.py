"""
What an editor and a type checker need to know `.rangebar`: `python -m rangebar_polars.stubs` writes it into `typings`.

A namespace is registered when the program runs, and a checker only reads. So this copies the declarations of LazyFrame,
DataFrame and Expr from the installed Polars, adds `.rangebar` to each, and leaves the result where checkers look first.
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path
from typing import Final

import polars as pl

from rangebar_polars._internal import __version__

__all__ = ["main", "write_stubs"]

_MADE_BY: Final = "# By `python -m rangebar_polars.stubs`"
_NAMESPACES: Final = {
    "dataframe/frame.py": ("DataFrame", "DataFrameRangeBar"),
    "expr/expr.py": ("Expr", "ExprRangeBar"),
    "lazyframe/frame.py": ("LazyFrame", "LazyFrameRangeBar"),
}
# Mypy takes a module only out of a whole package. In a whole package pyright would miss the modules that are not there.
_PACKAGES: Final = ("__init__.py", "dataframe/__init__.py", "expr/__init__.py", "lazyframe/__init__.py")


def write_stubs(folder: Path, *, mypy: bool = False) -> None:
    """
    Write stubs of the installed Polars, with `.rangebar`, into a folder.

    Parameters
    ----------
    folder
        Where the checker looks for stubs: `typings` for pyright and Pylance, for mypy what `mypy_path` says.
    mypy
        Whether they are laid out as mypy wants them; pyright wants them otherwise.

    Raises
    ------
    FileExistsError
        If there are stubs of Polars already that this function has not written.
    """
    polars = Path(pl.__file__).parent
    texts = {
        (folder / "polars" / name).with_suffix(".pyi"): _stub((polars / name).read_text(encoding="utf-8"), name)
        for name in (*(_PACKAGES if mypy else ()), *_NAMESPACES)
    }
    for file in texts:
        if file.exists() and not file.read_text(encoding="utf-8").startswith(_MADE_BY):
            raise FileExistsError(file)
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _stub(source: str, name: str) -> str:
    """The declarations of a module of Polars without what its functions do, and with the namespace."""
    module = ast.parse(source)
    kind, namespace = _NAMESPACES.get(name, ("", ""))
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            says = ast.get_docstring(node) is not None
            node.body = [*node.body[:says], ast.Expr(ast.Constant(...))]
        elif isinstance(node, ast.ClassDef) and node.name == kind:
            node.body += ast.parse(f"@property\ndef rangebar(self) -> {namespace}: ...").body
    if namespace:
        module.body += ast.parse(f"from rangebar_polars import {namespace}").body
    made_by = f"{_MADE_BY}, {__version__}, of Polars {pl.__version__}: after an update of either, again."
    return f"{made_by}\n# mypy: ignore-errors\n{ast.unparse(module)}\n"


def main() -> None:
    """Write the stubs, and say so."""
    parser = argparse.ArgumentParser(
        prog="python -m rangebar_polars.stubs",
        description="Stubs of the installed Polars with `.rangebar`, for editors and type checkers.",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("typings"), help="by default ./typings")
    parser.add_argument("--mypy", action="store_true", help="for mypy; without it for pyright and Pylance")
    arguments = parser.parse_args()
    try:
        write_stubs(arguments.folder, mypy=arguments.mypy)
    except FileExistsError as error:
        parser.error(f"{error} is there already, and is not by rangebar_polars")
    sys.stdout.write(f"{arguments.folder}: stubs of Polars {pl.__version__} with `.rangebar`\n")


if __name__ == "__main__":
    main()
