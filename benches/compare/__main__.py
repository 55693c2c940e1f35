"""Measure, print the table and, where asked to, write it into docs/."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from . import __doc__ as about
from . import page
from .environments import UnavailableError, install, python_of
from .measure import Lakes, measure, save
from .table import BUILD, CONTENDERS, DRAWING, ROOT


def main() -> None:
    """Run the comparison; end with an error if bars differ that must not."""
    arguments = _arguments()
    contenders = [each for each in CONTENDERS if not arguments.only or each.key in arguments.only]
    if arguments.install:
        _install()
        return
    if arguments.write_docs and len(contenders) < len(CONTENDERS):
        raise SystemExit("the page shows all contenders: leave out --only")
    drawing = _drawing() if arguments.write_docs else None
    with tempfile.TemporaryDirectory(prefix="rangebar_compare_") as folder:
        results = measure(contenders, Lakes(Path(folder)), arguments.rows, arguments.rounds)
    print(page.table(results))
    for each in results:
        if each.reason or each.verdict:
            print(f"{each.key}: {each.reason or each.verdict}")
    save(results, BUILD / "results.json")
    if drawing:
        page.write(ROOT / "docs" / "compare.md", results, arguments.rounds)
        command = [drawing, "-m", "benches.compare.draw", str(BUILD / "results.json"), "docs/pictures"]
        subprocess.run(command, cwd=ROOT, check=True)
    if any(each.verdict for each in results):
        raise SystemExit("bars differ although the rule is the same")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benches.compare", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    keys = [each.key for each in CONTENDERS]
    parser.add_argument("--rows", type=int, default=10_000_000, help="trades (default: 10 million)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender (default: 5)")
    parser.add_argument("--only", nargs="+", choices=keys, metavar="KEY", help=f"some of: {', '.join(keys)}")
    parser.add_argument("--write-docs", action="store_true", help="write the page and its picture")
    parser.add_argument("--install", action="store_true", help=f"make the environments under {BUILD.relative_to(ROOT)}")
    return parser.parse_args()


def _install() -> None:
    environments = {each.environment: None for each in CONTENDERS if each.environment}
    for environment in (*environments, DRAWING):
        try:
            install(environment)
            print(f"{environment.name}: ready")
        except UnavailableError as error:
            print(f"{environment.name}: {error}", file=sys.stderr)


def _drawing() -> str:
    try:
        return python_of(DRAWING)
    except UnavailableError as error:
        msg = f"the picture: {error}"
        raise SystemExit(msg) from None


if __name__ == "__main__":
    main()
