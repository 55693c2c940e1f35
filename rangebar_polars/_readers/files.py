"""Which files a source means, and what each of them is: by its first bytes, not by its name."""

from __future__ import annotations

import glob
import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from rangebar_polars._common.messages import listed, shown, shown_path
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Kind", "Source", "SourceFiles", "kind_of", "source_files"]

Source: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A file, a folder, a pattern, or a list of these."""

Kind: TypeAlias = Literal["zip", "gzip", "zstd", "parquet", "dbn", "text"]

_SUFFIXES: Final = (".zip", ".csv", ".txt", ".gz", ".zst", ".parquet", ".dbn")
"""What files of trades end with."""

_PACKED: Final = (".bz2", ".xz", ".lz4", ".7z", ".rar", ".tar", ".tgz")
"""Files that end so are trades, too, but cannot be read: an error is better than a day that is missing in silence."""

_MAGIC: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PAR1", "parquet"),
    (b"DBN", "dbn"),
)
_UNREADABLE: Final = (
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
)
_POINTER: Final = b"version https://git-lfs"


@dataclass
class SourceFiles:
    """The files of a source, in the order in which they are read."""

    files: list[Path] = field(default_factory=list[Path])
    ignored: list[Path] = field(default_factory=list[Path])
    """Files of folders and patterns that are not data, by their names."""


def source_files(source: Source) -> SourceFiles:
    """The files of a source: those of a folder and of a pattern by name, those of a list in its order."""
    parts = [source] if isinstance(source, str | os.PathLike) else source
    if isinstance(parts, bytes) or not isinstance(parts, Sequence) or not parts:
        msg = f"`source` must be a file, a folder, a pattern or a list of these, got {shown(source)}"
        raise RangeBarError(msg)
    found = SourceFiles()
    for part in parts:
        _add(_path(part), found)
    for file in (*found.files, *found.ignored):  # the report names both
        _check_name(file)
    seen: dict[tuple[int, int], Path] = {}
    for file in found.files:
        first = seen.setdefault(_identity(file), file)
        if first is not file:
            also = "" if first == file else f", also as {shown_path(first)}"
            msg = f"`source` names {shown_path(file)} twice{also}: its trades would be read twice"
            raise RangeBarError(msg)
    if not found.files:
        msg = f"there is no file of trades in {shown(source)}: files end with {listed(_SUFFIXES)}"
        raise RangeBarError(msg)
    return found


def _path(part: object) -> Path:
    """What a user gave as the name of something, as a path."""
    name: object = os.fspath(cast("os.PathLike[str]", part)) if hasattr(part, "__fspath__") else part
    if not isinstance(name, str) or not name:
        msg = f"`source` must name files, got {shown(part)}"
        raise RangeBarError(msg)
    if "://" in name:
        msg = f"{shown_path(name)} is an address: download it first, and give the path of the file"
        raise RangeBarError(msg)
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        msg = f"{shown_path(name)} cannot be opened: {error}"
        raise RangeBarError(msg) from error


def _add(path: Path, found: SourceFiles) -> None:
    mode = _mode(path)
    if mode is not None and stat.S_ISDIR(mode):
        for file in _below(path):
            _add_named(file, found, is_data=_is_data(file) and _is_visible(file.relative_to(path)))
    elif mode is not None:
        _add_named(path, found, is_data=True)
    elif glob.has_magic(str(path)):
        _add_pattern(path, found)
    else:
        raise _missing(path)


def _add_pattern(pattern: Path, found: SourceFiles) -> None:
    """The files that match a pattern, and those of the folders that do: each once."""
    named = {Path(name) for name in glob.glob(str(pattern), recursive=True)}  # noqa: PTH207  (it may be absolute)
    files: dict[Path, bool] = {}
    for path in named:
        if not path.is_dir():
            # Whoever writes an ending wants files that end so, whatever it is.
            ending = "" if glob.has_magic(pattern.suffix) else pattern.suffix
            files[path] = _is_data(path) or bool(ending and path.name.endswith(ending))
        else:
            files |= {file: _is_data(file) and _is_visible(file.relative_to(path)) for file in _below(path)}
    if not named:
        msg = f"no file matches {shown_path(pattern)}"
        raise RangeBarError(msg)
    for file in sorted(files):
        _add_named(file, found, is_data=files[file])


def _add_named(file: Path, found: SourceFiles, *, is_data: bool) -> None:
    if not is_data:
        found.ignored.append(file)
        return
    mode = _mode(file)
    if mode is None:
        raise _missing(file)
    if not stat.S_ISREG(mode):
        msg = f"{shown_path(file)} is a pipe or a device, which can be read only once: write a file first"
        raise RangeBarError(msg)
    found.files.append(file)


def _check_name(file: Path) -> None:
    """A name that is no UTF-8 comes from Python with halves of letters, which no report can hold."""
    try:
        str(file).encode()
    except UnicodeEncodeError:
        name = repr(shown_path(file))
        msg = f"the name of {name} has bytes that are no UTF-8, which no report can show: rename the file"
        raise RangeBarError(msg) from None


def _below(folder: Path) -> list[Path]:
    """The files of a folder and of those below it, by name; links are followed, each folder once."""
    return sorted(_walked(folder, set()))


def _walked(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    identity = _identity(folder)
    if identity in seen:
        return
    seen.add(identity)
    try:
        names = [(path, path.is_dir()) for path in folder.iterdir()]
    except OSError as error:
        raise _closed(folder, error) from error
    for path, is_folder in sorted(names):
        if is_folder:
            yield from _walked(path, seen)
        else:
            yield path


def _is_data(file: Path) -> bool:
    return file.name.lower().endswith(_SUFFIXES + _PACKED) and not file.name.startswith((".", "_"))


def _is_visible(path: Path) -> bool:
    """Whether no folder on the way to a file is hidden, or one of those that macOS adds to archives."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _mode(path: Path) -> int | None:
    """What a path leads to; None if to nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _closed(path, error) from error


def _identity(path: Path) -> tuple[int, int]:
    """The same for every name of a file."""
    try:
        told = path.stat()
    except OSError as error:
        raise _closed(path, error) from error
    return told.st_dev, told.st_ino


def _missing(path: Path) -> RangeBarError:
    if path.is_symlink():
        return RangeBarError(f"{shown_path(path)} is a link that leads nowhere: mend it, or remove it")
    return RangeBarError(f"there is no file {shown_path(path)}")


def _closed(path: Path, error: OSError | ValueError) -> RangeBarError:
    return RangeBarError(f"{shown_path(path)} cannot be opened: {getattr(error, 'strerror', None) or error}")


def kind_of(file: Path) -> Kind:
    """What a file is; an error if it is none of what can be read."""
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_POINTER))
            # Something may stand before an archive: its directory is at the end.
            is_zip = file.suffix.lower() == ".zip" and zipfile.is_zipfile(opened)
    except OSError as error:
        raise _closed(file, error) from error
    if start.startswith(_POINTER):
        msg = f"{shown_path(file)} is a Git LFS pointer, not data: fetch the file itself with `git lfs pull`"
        raise RangeBarError(msg)
    for magic, name in _UNREADABLE:
        if start.startswith(magic):
            msg = f"{shown_path(file)} is packed in a way that cannot be read ({name}): unpack it first"
            raise RangeBarError(msg)
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    return "zip" if is_zip else "text"
