"""Where the files of a lake are: the only place that knows their names."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast
from urllib.parse import quote, unquote

from rangebar_polars._common.messages import shown, shown_path
from rangebar_polars.exceptions import LakeFileError, RangeBarError

__all__ = ["BarsUnit", "Layout", "TradesUnit", "Unit", "check_key", "check_links", "period_of", "root_of"]

_TRADES_FILE: Final = "trades.parquet"
_BARS_FILE: Final = "bars.parquet"
_SUNDAY: Final = 6

_FEW_DAYS: Final = 400
"""Days that are looked for by their names, and not by listing all that there are."""

_MOST_BYTES: Final = 200
"""Bytes of a quoted value: a name in a file system has at most 255, with `symbol=` before it."""

_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
"""What other programs read as null."""


class TradesUnit(NamedTuple):
    """The trades of one symbol on one day in UTC."""

    venue: str
    symbol: str
    date: dt.date

    @property
    def key(self) -> str:
        """The name of its file in the lake."""
        return f"{_folder(self.venue, self.symbol)}/date={self.date.isoformat()}/{_TRADES_FILE}"


class BarsUnit(NamedTuple):
    """The bars of one symbol and series in one period."""

    series: str
    venue: str
    symbol: str
    period: str

    @property
    def key(self) -> str:
        """The name of its file in the lake."""
        folder = f"bars/series={_quoted(self.series)}/venue={_quoted(self.venue)}/symbol={_quoted(self.symbol)}"
        return f"{folder}/period={_quoted(self.period)}/{_BARS_FILE}"


Unit: TypeAlias = TradesUnit | BarsUnit


class Layout:
    """The folders of a lake, and its clock."""

    def __init__(self, root: Path, time_unit: Literal["us", "ns"] = "us") -> None:
        self.root = root
        self.time_unit: Literal["us", "ns"] = time_unit
        self.lake_file = root / "lake.toml"
        self.staging = root / ".rangebar" / "staging"
        self.locks = root / ".rangebar" / "locks"
        self.downloads = root / ".rangebar" / "downloads"
        self.feature_sets: dict[str, Any] = {}
        """The sets of features that this process has given to series: others are installed."""

    def file(self, unit: Unit) -> Path:
        """The file of a unit."""
        return Path(f"{self.root}/{unit.key}")

    def has(self, unit: Unit) -> bool:
        """Whether the file of a unit is there."""
        return os.path.exists(f"{self.root}/{unit.key}")  # noqa: PTH110  (`Path` is slow, and units are many)

    def series_file(self, name: str) -> Path:
        """The file that defines a series."""
        return self.root / "series" / f"{_quoted(name)}.toml"

    def series(self) -> list[str]:
        """The names of all series."""
        return sorted(unquote(file.stem) for file in (self.root / "series").glob("*.toml"))

    def instruments(self, venue: str | None = None) -> list[tuple[str, str]]:
        """Venues and symbols that have trades, or bars of trades that are there no more."""
        bars = self.root / "bars"
        folders = [self.root / "trades", *(bars / f"series={_quoted(name)}" for name in _values(bars, "series"))]
        found: set[tuple[str, str]] = set()
        for folder in folders:
            for one in _values(folder, "venue") if venue is None else [venue]:
                found |= {(one, symbol) for symbol in _values(folder / f"venue={_quoted(one)}", "symbol")}
        return sorted(found)

    def trades(
        self, venue: str, symbol: str, start: dt.date | None = None, end: dt.date | None = None
    ) -> list[TradesUnit]:
        """The units of a symbol from one day up to another, which is included; the file of one may be absent."""
        folder = f"{self.root}/{_folder(venue, symbol)}"
        if start is not None and end is not None and (end - start).days < _FEW_DAYS:
            days = (start + dt.timedelta(days=days) for days in range((end - start).days + 1))
            return [TradesUnit(venue, symbol, day) for day in days]
        dates = (_date(name) for name in _values(folder, "date"))
        return [
            TradesUnit(venue, symbol, date)
            for date in dates
            if date is not None and (start is None or date >= start) and (end is None or date <= end)
        ]

    def newest(self, venue: str, symbol: str) -> TradesUnit | None:
        """The last day that there is."""
        return next((unit for unit in reversed(self.trades(venue, symbol)) if self.has(unit)), None)

    def bars(self, series: str, venue: str, symbol: str) -> list[BarsUnit]:
        """The units of bars of a symbol; the file of one may be absent."""
        folder = self.root / "bars" / f"series={_quoted(series)}" / f"venue={_quoted(venue)}"
        periods = _values(folder / f"symbol={_quoted(symbol)}", "period")
        return [BarsUnit(series, venue, symbol, period) for period in periods]

    def files(self) -> Iterator[tuple[Path, Unit | OSError | None]]:
        """
        All files among the trades and bars, each with its unit, or without one if it is none of a lake.

        Links are followed, as they are by whoever reads. A folder that cannot be listed comes with the error.
        """
        for kind in ("trades", "bars"):
            if (self.root / kind).is_symlink() or (self.root / kind).exists():
                yield from self._below(self.root / kind, ())

    def _below(self, folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[Path, Unit | OSError | None]]:
        try:
            told = folder.stat()
            paths = [(path, path.is_dir()) for path in sorted(folder.iterdir())]
        except OSError as error:
            yield folder, error
            return
        identity = (told.st_dev, told.st_ino)
        if identity in above:
            return  # a link that leads back
        for path, is_folder in paths:
            unit = _unit_of(path.relative_to(self.root).as_posix())
            if is_folder and unit is None:
                yield from self._below(path, (*above, identity))
            else:
                yield path, unit


def root_of(path: object) -> Path:
    """The folder that a user names."""
    name: object = os.fspath(cast("os.PathLike[str]", path)) if hasattr(path, "__fspath__") else path
    if not isinstance(name, str) or not name or "\0" in name:
        msg = f"`path` must name a folder, got {shown(path)}"
        raise RangeBarError(msg)
    try:
        root = Path(name).expanduser().resolve()
        str(root).encode()
    except UnicodeEncodeError:
        msg = f"the name of {shown_path(name)!r} has bytes that are no UTF-8, which Polars cannot open: rename it"
        raise RangeBarError(msg) from None
    except RuntimeError as error:
        msg = f"{shown_path(name)} cannot be found ({error}): write the whole path"
        raise RangeBarError(msg) from error
    if root.exists() and not root.is_dir():
        msg = f"{shown_path(root)} is no folder: name an empty folder, or a lake"
        raise RangeBarError(msg)
    return root


def check_links(path: str | Path) -> None:
    """An error if what is not there is behind a link that leads nowhere: what it led to may not be gone."""
    each, above = "", str(path)
    while each != above:  # without `Path`, which is slow: days that are not there may be many
        each, above = above, os.path.dirname(above)  # noqa: PTH120
        if os.path.islink(each) and not os.path.exists(each):  # noqa: PTH110, PTH114
            msg = f"{shown_path(each)} is a link that leads nowhere: mend it, mount its disk, or remove it"
            raise LakeFileError(msg)


def check_key(what: str, value: object) -> str:
    """A venue, a symbol or a series, which are names of folders too."""
    if not isinstance(value, str) or not value or value != value.strip() or value == _NULL or not _is_text(value):
        msg = f"a {what} needs a name that a folder can have, got {shown(value)}"
        raise RangeBarError(msg)
    if len(_quoted(value)) > _MOST_BYTES:
        msg = f"the name of a {what} must have at most {_MOST_BYTES} bytes as the name of a folder, got {shown(value)}"
        raise RangeBarError(msg)
    return value


def period_of(date: dt.date, reset: str | None) -> str:
    """The name of the period of a day; names sort as time goes on. Without a reset, files are of months."""
    if reset == "1d":
        return date.isoformat()
    if reset == "1w":
        days = (date.weekday() - _SUNDAY) % 7
        return (date - dt.timedelta(days=min(days, date.toordinal() - 1))).isoformat()
    return f"{date.year:04}" if reset == "1y" else f"{date.year:04}-{date.month:02}"


def _is_text(value: str) -> bool:
    """Whether a text can be written: not all that Python takes for one can."""
    return value.encode("utf-8", "replace").decode() == value and "\0" not in value


@lru_cache(maxsize=4_096)
def _quoted(value: str) -> str:
    """A value as the name of a folder; programs that read such folders take it back."""
    return quote(value, safe="").replace("~", "%7E") if value.strip(".") else value.replace(".", "%2E")


@lru_cache(maxsize=4_096)
def _folder(venue: str, symbol: str) -> str:
    """The folder of the trades of a symbol, by its name in the lake."""
    return f"trades/venue={_quoted(venue)}/symbol={_quoted(symbol)}"


def _unit_of(key: str) -> Unit | None:
    """The unit whose file has a name, if it is exactly that name."""
    parts = key.split("/")
    names, values = [part.partition("=")[0] for part in parts], [unquote(part.partition("=")[2]) for part in parts]
    unit: Unit | None = None
    if names == ["trades", "venue", "symbol", "date", _TRADES_FILE]:
        date = _date(values[3])
        unit = None if date is None else TradesUnit(values[1], values[2], date)
    elif names == ["bars", "series", "venue", "symbol", "period", _BARS_FILE]:
        unit = BarsUnit(values[1], values[2], values[3], values[4])
    return unit if unit is not None and unit.key == key else None


def _values(folder: str | Path, name: str) -> list[str]:
    """The values of the folders `name=value` in a folder, sorted; names that are quoted otherwise are none of ours."""
    begin = f"{name}="
    try:
        with os.scandir(folder) as entries:
            # A link that leads nowhere is told where it is followed.
            of_name = (entry for entry in entries if entry.name.startswith(begin))
            names = [entry.name for entry in of_name if entry.is_dir() or entry.is_symlink()]
    except (FileNotFoundError, NotADirectoryError):
        check_links(folder)
        return []
    values = (found.removeprefix(begin) for found in names)
    if name == "date":
        return sorted(values)
    return sorted(value for text in values if _quoted(value := unquote(text)) == text)


def _date(text: str) -> dt.date | None:
    """A date that is written as a lake writes it."""
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return date if date.isoformat() == text else None
