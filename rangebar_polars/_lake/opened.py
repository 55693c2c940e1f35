"""The folder of a lake, opened: what all methods of a lake begin with."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rangebar_polars._common.messages import listed, shown, shown_path
from rangebar_polars._common.parameters import (
    check_flag,
    check_names,
)
from rangebar_polars._lake.footer import FORMAT
from rangebar_polars._lake.layout import Layout, check_key, root_of
from rangebar_polars._lake.publish import publish_text
from rangebar_polars._lake.workspace import workspace
from rangebar_polars.exceptions import LakeFileError, RangeBarError

__all__ = ["OpenedLake"]


class OpenedLake:
    """A folder that is a lake."""

    def __init__(
        self, path: str | os.PathLike[str], *, create: bool = True, time_unit: Literal["us", "ns"] | None = None
    ) -> None:
        root = root_of(path)
        self._at = layout = Layout(root)
        if time_unit not in (None, "us", "ns"):
            msg = f'`time_unit` must be "us" or "ns", got {shown(time_unit)}'
            raise RangeBarError(msg)
        if not layout.lake_file.exists():
            if not check_flag("create", create):
                msg = f"{shown_path(root)} is no lake: make one with `create=True`"
                raise RangeBarError(msg)
            # What a process that was killed has left is nobody's.
            others = root.exists() and any(there.name != layout.staging.parent.name for there in root.iterdir())
            # Another process may have made the lake since.
            if others and not layout.lake_file.exists():
                msg = f"{shown_path(root)} holds something else: name an empty folder, or a lake"
                raise RangeBarError(msg)
            # The entries of new folders above it are on the disk, too, before anything is added.
            above = next(folder for folder in (root, *root.parents) if folder.exists())
            with workspace(layout.staging) as space:
                text = f'format = {FORMAT}\ntime_unit = "{time_unit or "us"}"\n'
                publish_text(above, layout.lake_file, space, text)
        layout.time_unit = self._opened(time_unit)

    def _opened(self, time_unit: str | None) -> Literal["us", "ns"]:
        file = self._at.lake_file
        try:
            facts = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            msg = f"{shown_path(file)} cannot be read ({error}): write `format = {FORMAT}` and the `time_unit` into it"
            raise LakeFileError(msg) from error
        if facts.get("format") != FORMAT or facts.get("time_unit") not in ("us", "ns"):
            msg = f"{shown_path(file)} is of a format that this version does not know, {facts}: update it"
            raise LakeFileError(msg)
        unit: Literal["us", "ns"] = facts["time_unit"]
        if time_unit not in (None, unit):
            msg = f"the lake keeps times in {unit!r}, not in {time_unit!r}: leave `time_unit` out"
            raise RangeBarError(msg)
        return unit

    def __repr__(self) -> str:
        """The folder."""
        return f"Lake({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The folder."""
        return self._at.root

    @property
    def _layout(self) -> Layout:
        """Where everything is; an error if the lake is not there any more, which must not look like an empty one."""
        if not self._at.lake_file.exists():
            msg = f"{shown_path(self.path)} is a lake no more: mount its disk, or open it where it was moved to"
            raise RangeBarError(msg)
        return self._at

    def _instruments(
        self, symbols: str | Sequence[str] | None, venue: str | None, *, several_venues: bool = False
    ) -> list[tuple[str, str]]:
        """The venues and symbols that are meant; an error for one that is not there."""
        there = self._layout.instruments(None if venue is None else check_key("venue", venue))
        if venue is not None and not there:
            venues = sorted({one for one, _ in self._layout.instruments()})
            msg = f"the lake has no venue {shown(venue)}: it has {listed(venues) or 'none'}"
            raise RangeBarError(msg)
        if symbols is None:
            return there
        wanted = check_names("symbols", symbols)
        found: list[tuple[str, str]] = []
        for symbol in wanted:
            of = [instrument for instrument in there if instrument[1] == symbol]
            if not of:
                place = "" if venue is None else f" on {venue!r}"
                known = listed(sorted({s for _, s in there})) or "none"
                msg = f"the lake has no trades of {shown(symbol)}{place}: it has {known}"
                raise RangeBarError(msg)
            if len(of) > 1 and not several_venues:
                msg = f"{symbol!r} is on several venues, {listed([v for v, _ in of])}: name one with `venue=`"
                raise RangeBarError(msg)
            found += of
        return found
