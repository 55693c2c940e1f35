"""A folder for what is not finished: it is gone when its owner is, however that ended."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from rangebar_polars._lake.lock import forget_lock, is_free, locked

__all__ = ["sweep", "workspace"]

_ALL: Final = "staging"
_SECONDS: Final = 60.0


@contextmanager
def workspace(staging: Path) -> Generator[Path]:
    """A new folder for drafts, which is removed in the end. Those of processes that were killed are removed before."""
    name = secrets.token_hex(16)
    with ExitStack() as mine:
        with locked(staging, _ALL, seconds=_SECONDS):
            _sweep(staging)
            mine.enter_context(locked(staging, name))
        folder = staging / name
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with locked(staging, _ALL, seconds=_SECONDS):
                mine.close()
                forget_lock(staging, name)


def sweep(staging: Path) -> None:
    """Remove the drafts of processes that were killed."""
    with locked(staging, _ALL, seconds=_SECONDS):
        _sweep(staging)


def _sweep(staging: Path) -> None:
    """
    Remove the folders that nobody holds.

    Whether a process still writes is told by its lock, and not by the age of its files: clocks are set back.
    """
    for name in {entry.stem for entry in staging.iterdir()} - {_ALL}:
        if is_free(staging, name):
            shutil.rmtree(staging / name, ignore_errors=True)
            forget_lock(staging, name)
