# ruff: noqa: INP001, S603
"""
The tests against an installed wheel: `python .ci/test_wheel.py dist/*.whl [arguments of pytest]`.

Makes a new environment with the wheel, the wanted Polars and what the tests need, and a copy of the tests without the
package beside it: what is imported can only be what was installed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("tests", "docs", "benches", "notebooks", "README.md", "pyproject.toml")
# Builders and checkers of the source; `polars` has an option of its own. Types are those of the wheel, and checked.
NOT_NEEDED = {
    "maturin",
    "ruff",
    "pandas-stubs",
    "polars",
    "pytest-cov",
    "import-linter",
    "zizmor",
    "check-jsonschema",
}
# What needs Polars alone: for platforms on which the rest has no wheels.
BARE = ("tests/contract/test_expressions.py", "tests/source/test_source.py", "tests/stream/test_checkpoint.py")
NEEDED_BY_BARE = {"hypothesis", "pytest"}
# They hold the source tree, not the wheel, against something.
OF_THE_SOURCE = ("tests/docs/test_site.py", "tests/project/test_folders.py", "tests/project/test_release.py")


def requirements(*, bare: bool) -> list[str]:
    """What the tests need, pinned as for development."""
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    names = [(re.split(r"[\[=<>~! ]", line)[0], line) for line in dev]
    return [line for name, line in names if (name in NEEDED_BY_BARE if bare else name not in NOT_NEEDED)]


def main() -> int:
    """Installs, tests, and gives pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument(
        "--polars", default="", metavar="VERSION", help="this one; without it the newest that is allowed"
    )
    parser.add_argument("--prefer-oldest", action="store_true", help="the oldest Polars that the wheel allows")
    parser.add_argument("--bare", action="store_true", help="only the tests of what needs nothing but Polars")
    arguments, of_pytest = parser.parse_known_args()
    wanted = arguments.polars or (oldest_polars() if arguments.prefer_oldest else "")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "environment"
        venv.create(home, with_pip=True)
        python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")
        polars = f"polars=={wanted}" if wanted else "polars"
        needed = [str(arguments.wheel.resolve()), polars, *requirements(bare=arguments.bare)]
        install = [python, "-m", "pip", "install", "--quiet", *needed]
        subprocess.run(install, check=True)
        project = Path(folder) / "project"
        project.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("fuzz"))  # in Rust, and heavy
            elif source.exists():
                shutil.copy(source, project / name)
        if (ROOT.parent / "shared").is_dir():
            (Path(folder) / "shared").symlink_to(ROOT.parent / "shared", target_is_directory=True)
        said = "import polars, rangebar_polars as rb; print(rb.__version__, rb.__file__, 'polars', polars.__version__)"
        subprocess.run([python, "-c", said], cwd=project, check=True)
        ignored = [f"--ignore={name}" for name in OF_THE_SOURCE]
        everything = ["--pyargs", "rangebar_polars", "tests", "docs", "README.md"]
        runs: list[list[str]] = [
            ["-m", "not serial", "--numprocesses", "logical", "--maxprocesses", "8", *everything],
            ["-m", "serial", "tests"],
        ]
        if of_pytest or arguments.bare:
            runs = [of_pytest or list(BARE)]
        # Windows would read the tests' files as anything but UTF-8.
        environment = {**os.environ, "PYTHONUTF8": "1"}
        codes = [
            subprocess.run(
                [python, "-m", "pytest", "-q", *ignored, *run], cwd=project, env=environment, check=False
            ).returncode
            for run in runs
        ]
        return max(codes)


def oldest_polars() -> str:
    """The lower end of the range that the project declares."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (polars,) = [line for line in declared if line.startswith("polars")]
    found = re.search(r">=([\d.]+)", polars)
    if found is None:
        message = f"no lower end in {polars!r}"
        raise SystemExit(message)
    version = found[1]
    return version + ".0" * (2 - version.count("."))


if __name__ == "__main__":
    sys.exit(main())
