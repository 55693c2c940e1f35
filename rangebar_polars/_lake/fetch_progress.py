"""How far a fetch is, as bars on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rangebar_polars._engine.progress import bytes_bar
from rangebar_polars._fetch.venues import Archive

__all__ = ["FetchProgress"]


class FetchProgress:
    """Bars on stderr: one for all bytes, and one for each archive that is on its way."""

    def __init__(self) -> None:
        self._all = bytes_bar(0, "fetch", position=0)
        self._bars: dict[str, Any] = {}
        self._read: dict[str, int] = {}

    def expect(self, archives: Iterable[Archive]) -> None:
        """Count the bytes that will come."""
        self._all.total += sum(archive.size or 0 for archive in archives)
        self._all.refresh()

    def of(self, archive: Archive) -> Callable[[int], None]:
        """A bar of one archive, which is told how far it is; it may begin anew."""

        def told(there: int) -> None:
            if (bar := self._bars.get(archive.name)) is None:
                bar = self._bars[archive.name] = bytes_bar(archive.size, archive.name, position=None)
            bar.update(there - bar.n)
            self._all.update(there - self._read.get(archive.name, 0))
            self._read[archive.name] = there

        return told

    def ended(self, archive: Archive) -> None:
        """Remove the bar of an archive, whether it came or not."""
        if (bar := self._bars.pop(archive.name, None)) is not None:
            bar.close()

    def close(self) -> None:
        """Remove the bars of archives, if there are any left, and leave the one of all."""
        for bar in self._bars.values():
            bar.close()
        self._all.close()
