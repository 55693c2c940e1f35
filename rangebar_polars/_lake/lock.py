"""One writer at a time for a symbol: a lock that the system takes back if its owner is killed."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from rangebar_polars.exceptions import LakeLockError

__all__ = ["forget_lock", "is_free", "locked"]

_MOST_LETTERS: Final = 200
"""Letters of the name of a file; systems allow 255 bytes."""


@contextmanager
def locked(folder: Path, name: str, *, seconds: float = 0.0) -> Generator[None]:
    """Hold a lock; an error that says who holds it, if it is not free after some seconds."""
    filelock = _filelock()
    folder.mkdir(parents=True, exist_ok=True)
    # The file stays: who removes a lock file may remove the one that another process waits for.
    file, owner = _files(folder, name)
    lock = filelock.FileLock(file)
    try:
        lock.acquire(timeout=seconds)
    except filelock.Timeout as error:
        msg = f"{name} is being written by {_told(owner)}: wait until it has ended, or stop it"
        raise LakeLockError(msg) from error
    try:
        facts = {"process": os.getpid(), "host": socket.gethostname(), "since": dt.datetime.now(dt.UTC).isoformat()}
        with contextlib.suppress(OSError):  # it is only for the message
            owner.write_text(json.dumps(facts), encoding="utf-8")
        yield
    finally:
        lock.release()


def is_free(folder: Path, name: str) -> bool:
    """Whether nobody holds a lock."""
    filelock = _filelock()
    lock = filelock.FileLock(_files(folder, name)[0])
    try:
        lock.acquire(timeout=0.0)
    except filelock.Timeout:
        return False
    lock.release()
    return True


def forget_lock(folder: Path, name: str) -> None:
    """Remove the files of a lock that nobody will ask for again."""
    for file in _files(folder, name):
        file.unlink(missing_ok=True)


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    """The file of a lock and the one that says who holds it."""
    text = quote(name, safe=" ")
    if len(text) > _MOST_LETTERS:
        text = f"{text[: _MOST_LETTERS // 2]} {hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"
    return folder / f"{text}.lock", folder / f"{text}.owner"


def _told(owner: Path) -> str:
    try:
        facts = json.loads(owner.read_text(encoding="utf-8"))
        return f"process {facts['process']} on {facts['host']} since {facts['since'][:19]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _filelock() -> Any:  # noqa: ANN401  (it may be absent)
    try:
        return import_module("filelock")
    except ModuleNotFoundError as error:
        msg = 'a lake needs filelock: pip install "rangebar_polars[lake]"'
        raise ModuleNotFoundError(msg, name=error.name) from error
