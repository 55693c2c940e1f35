"""Virtual environments for the other packages: made on demand, never the project's own."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from .table import BUILD, Environment


class UnavailableError(Exception):
    """An environment is not there or cannot be made; says why."""


def python_of(environment: Environment | None) -> str:
    """Return the interpreter of an environment; of none, the one that runs this."""
    if environment is None:
        return sys.executable
    if not _is_ready(environment):
        _base(environment)
        raise UnavailableError("not installed: `python -m benches.compare --install`")
    return str(_folder(environment) / "bin" / "python")


def install(environment: Environment) -> None:
    """Make an environment, unless it stands with just these requirements."""
    if _is_ready(environment):
        return
    base, folder = _base(environment), _folder(environment)
    _run(base, "-m", "venv", "--clear", str(folder))
    _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *environment.requirements)
    _mark(environment).write_text(_content(environment))


def _folder(environment: Environment) -> Path:
    return BUILD / environment.name


def _mark(environment: Environment) -> Path:
    return _folder(environment) / "requirements.txt"


def _content(environment: Environment) -> str:
    return "\n".join(environment.requirements) + "\n"


def _is_ready(environment: Environment) -> bool:
    mark = _mark(environment)
    return mark.is_file() and mark.read_text() == _content(environment)


def _base(environment: Environment) -> str:
    """Find an interpreter that the packages run on."""
    versions = environment.pythons
    if not versions or platform.python_version().rsplit(".", 1)[0] in versions:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in versions:
        found = shutil.which(f"python{version}")
        for python in ([found] if found else []) + [str(path) for path in sorted(pyenv.glob(f"{version}*/bin/python"))]:
            if _works(python, version):
                return python
    msg = f"needs CPython {' or '.join(versions)}, which was not found"
    raise UnavailableError(msg)


def _works(python: str, version: str) -> bool:
    """A name on the path may be a stand-in that only tells what is missing."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    run = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return run.returncode == 0 and run.stdout.strip() == version


def _run(*command: str) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.strip()]
        raise UnavailableError(lines[-1] if lines else f"{command} ended with {run.returncode}")
