"""
Type stubs that teach editors and type checkers about `.rangebar`, written by `python -m rangebar_polars.stubs`.

A namespace is registered when the program runs, but a checker only reads it. So this copies the declarations of
LazyFrame, DataFrame and Expr from the installed Polars, adds `.rangebar` to each, and writes the result where checkers
look first.
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
# Mypy accepts a module only as part of a whole package. In a whole package, pyright would miss the modules left out.
_PACKAGES: Final = ("__init__.py", "dataframe/__init__.py", "expr/__init__.py", "lazyframe/__init__.py")


def write_stubs(folder: Path, *, mypy: bool = False) -> None:
    """
    Write stubs of the installed Polars, with `.rangebar`, into a folder.

    Parameters
    ----------
    folder
        Where the checker looks for stubs: `typings` for pyright and Pylance, the `mypy_path` for mypy.
    mypy
        Whether to lay them out for mypy, which differs from pyright.

    Raises
    ------
    FileExistsError
        If there are already stubs of Polars that this function did not write.
    OSError
        If the folder cannot be created or written.
    """
    polars = Path(pl.__file__).parent
    texts = {
        (folder / "polars" / name).with_suffix(".pyi"): _stub((polars / name).read_text(encoding="utf-8"), name)
        for name in (*(_PACKAGES if mypy else ()), *_NAMESPACES)
    }
    for file in texts:
        if file.exists() and not file.read_bytes().startswith(_MADE_BY.encode()):
            raise FileExistsError(file)
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _stub(source: str, name: str) -> str:
    """The declarations of a module of Polars without function bodies, and with the namespace."""
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
    """Write the stubs and report it."""
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
        parser.error(f"{error} exists and was not written by rangebar_polars: choose another folder, or move it")
    except OSError as error:
        parser.error(f"cannot write to {arguments.folder}: {error}")
    sys.stdout.write(f"{arguments.folder}: stubs of Polars {pl.__version__} with `.rangebar`\n")


if __name__ == "__main__":
    main()
