"""A disk that counts what is asked of it, and at some point does nothing any more: as if the process were killed."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

__all__ = ["Disk", "Killed"]


class Killed(BaseException):
    """Nothing of the process runs any more; what the tests still run must not reach the disk."""


class Disk:
    """
    What a process asks of a disk, counted; from a call on, nothing of it happens.

    It also knows what a loss of power would undo: contents that were not synchronised, and entries of folders that were
    not.
    """

    def __init__(self, root: Path, die_at: int | None = None) -> None:
        self.root = root
        self.kinds: list[str] = []
        """What was called, in order."""
        self.die_at = die_at
        self._lock = threading.RLock()
        self._unwritten: set[int] = set()
        """Files whose contents are not on the disk."""
        self._pending: list[tuple[str, Path, Any]] = []
        """Changes of folders that are not, in their order, with what undoes them."""

    @property
    def is_dead(self) -> bool:
        return self.die_at is not None and len(self.kinds) >= self.die_at

    def call(self, kind: str) -> None:
        """Count a call; the one at which the process dies, and all after it, do not happen."""
        with self._lock:
            self.kinds.append(kind)
            if self.is_dead:
                raise Killed

    @contextlib.contextmanager
    def watched(self) -> Generator[Disk]:
        """Everything that Python asks of the disk goes through this."""
        names = ("fsync", "replace", "unlink", "mkdir", "rmdir")
        self._real = {name: getattr(os, name) for name in names}
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(mock.patch.object(os, name, getattr(self, name)))
            disk = self

            def opened(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
                return disk.open(path, mode, *args, **options)

            stack.enter_context(mock.patch.object(Path, "open", opened))
            yield self

    # ------------------------------------------------------------------------------------------- what is asked

    def open(self, path: Path, mode: str, *args: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa"):
            return io.open(path, mode, *args, **options)  # noqa: UP020  (`open` is this)
        self.call("open")
        there = path.exists()
        file = _File(self, path, mode.replace("b", "").replace("t", ""))
        self._unwritten.add(path.stat().st_ino)
        if not there:
            self._pending.append(("create", path, None))
        return file if "b" in mode else io.TextIOWrapper(file, encoding="utf-8")

    def fsync(self, descriptor: int) -> None:
        self.call("fsync")
        facts = os.fstat(descriptor)
        self._unwritten.discard(facts.st_ino)
        self._pending = [p for p in self._pending if not _is_folder(p[1].parent, facts.st_ino)]

    def replace(self, source: Any, target: Any) -> None:
        self.call("replace")
        source, target = Path(source), Path(target)
        before = target.read_bytes() if target.exists() else None
        self._real["replace"](source, target)
        self._pending.append(("replace", target, (source, before)))

    def unlink(self, path: Any, *args: Any, **options: Any) -> None:
        self.call("unlink")
        data = Path(path).read_bytes() if not options and Path(path).exists() else None
        self._real["unlink"](path, *args, **options)
        if data is not None:
            self._pending.append(("unlink", Path(path), data))

    def mkdir(self, path: Any, *args: Any, **options: Any) -> None:
        self.call("mkdir")
        self._real["mkdir"](path, *args, **options)
        self._pending.append(("mkdir", Path(path), None))

    def rmdir(self, path: Any, *args: Any, **options: Any) -> None:
        self.call("rmdir")
        self._real["rmdir"](path, *args, **options)

    # -------------------------------------------------------------------------------------- a loss of power

    def at_risk(self) -> list[str]:
        """What would be lost, of what is not a draft or a lock."""
        entries = [f"{what} {path}" for what, path, _ in self._pending if ".rangebar" not in path.parts]
        files = [str(file) for file in self._files() if file.stat().st_ino in self._unwritten]
        return entries + files

    def lose_power(self, *, entries: bool) -> None:
        """Lose the contents that were not synchronised, and with `entries` the changes of folders, too."""
        for file in self.root.rglob("*"):
            if file.is_file() and file.stat().st_ino in self._unwritten:
                file.write_bytes(b"")
        for what, path, undo in reversed(self._pending) if entries else ():
            match what:
                case "create":
                    path.unlink(missing_ok=True)
                case "mkdir":
                    shutil.rmtree(path, ignore_errors=True)
                case "replace" if path.exists():
                    path.unlink()
                    if undo[1] is not None:
                        path.write_bytes(undo[1])
                case "unlink" if path.parent.exists():
                    path.write_bytes(undo)

    def _files(self) -> list[Path]:
        return [file for file in self.root.rglob("*") if file.is_file() and ".rangebar" not in file.parts]


class _File(io.BufferedWriter):
    """A file whose writes are counted; the one at which the process dies comes half-way."""

    def __init__(self, disk: Disk, path: Path, mode: str) -> None:
        self._disk = disk
        super().__init__(io.FileIO(path, mode))

    def write(self, data: Any) -> int:
        try:
            self._disk.call("write")
        except Killed:
            data = bytes(data)
            super().write(data[: len(data) // 2])
            raise
        return super().write(data)


def _is_folder(folder: Path, number: int) -> bool:
    try:
        return folder.stat().st_ino == number
    except FileNotFoundError:
        return False
