"""Files that are whole, and on the disk, not only in the memory of the system."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["replace_file", "synchronise"]


def synchronise(folder: Path) -> None:
    """Wait until the entries of a folder, such as a rename, are on the disk, which Windows cannot do."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(target: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file and replace another with it in one step, or change nothing."""
    draft = target.with_name(f".sink_bars-{secrets.token_hex(8)}.tmp")
    try:
        with _opened(draft) as file:
            write(file)
            if hasattr(os, "fchmod") and target.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            os.fsync(file.fileno())
            if not draft.exists():
                _name(file.fileno(), draft)
        draft.replace(target)
    finally:
        with suppress(OSError):  # Windows removes no file that Polars still has open
            draft.unlink(missing_ok=True)
    synchronise(target.parent)


def _opened(draft: Path) -> IO[bytes]:
    """
    A new file in a folder, without a name if possible, otherwise with the given name.

    Polars writes to the open file, so whatever it still writes after it has raised cannot bring a name back.
    """
    with suppress(AttributeError, OSError):  # another system, another kind of file system
        descriptor = os.open(draft.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
        if Path(f"/proc/self/fd/{descriptor}").exists():
            return os.fdopen(descriptor, "wb")
        os.close(descriptor)
    return draft.open("xb")


def _name(descriptor: int, draft: Path) -> None:
    """Give a name to a file that has none."""
    folder = os.open(draft.parent, os.O_RDONLY)
    try:
        # Python asks the system to follow the link only if a folder is given.
        os.link(f"/proc/self/fd/{descriptor}", draft.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
