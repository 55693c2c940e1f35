"""A progress bar for a long query, by tqdm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import closing
from importlib import import_module
from typing import Any

import polars as pl

from rangebar_polars._engine.plans import rows_known

__all__ = ["bytes_bar", "check_progress", "progress_bar", "with_progress"]

_SECONDS_BETWEEN = 0.5
"""Seconds between two updates of the display."""


def check_progress(progress: bool) -> bool:  # noqa: FBT001
    """Raise at once, not when the query runs, if tqdm is missing."""
    if progress:
        _tqdm()
    return progress


def with_progress(
    batches: Generator[pl.DataFrame], frame: pl.LazyFrame, time: str, name: str = "range bars"
) -> Generator[pl.DataFrame]:
    """
    The batches of a frame, while a bar on stderr shows how many of its rows were processed and the time reached.

    The bar shows a total only if nothing has to be read to count the rows: the frame is read once.
    """
    total = frame.select(pl.len()).collect().item() if rows_known(frame) else None
    with closing(batches), _tqdm()(total=total, desc=name, unit=" trades", **_usual()) as bar:
        for batch in batches:
            yield batch
            if batch.height:
                bar.set_postfix_str(f"at {batch[time][-1]}", refresh=False)
                bar.update(batch.height)


def progress_bar(total: int | None, name: str) -> Any:  # noqa: ANN401  (tqdm marks no types)
    """A progress bar of so many trades on stderr, if that is known, to be updated and closed by whoever works."""
    return _tqdm()(total=total, desc=name, unit=" trades", **_usual())


def bytes_bar(total: int | None, name: str, *, position: int | None) -> Any:  # noqa: ANN401  (tqdm marks no types)
    """A progress bar of bytes on stderr; one without a position is gone when it is closed."""
    is_kept = position is not None
    return _tqdm()(total=total, desc=name, unit="B", position=position, leave=is_kept, **_usual())


def _usual() -> dict[str, Any]:
    """What all bars have in common: numbers as 1.5M, and the width of the terminal."""
    return {"file": _Stderr(), "unit_scale": True, "mininterval": _SECONDS_BETWEEN, "dynamic_ncols": True}


class _Stderr:
    """
    The stderr of the process, which may be absent, closed or full: failures to write are ignored.

    tqdm holds a lock while it writes, and never releases it if that fails.
    """

    encoding = "utf-8"

    def write(self, text: str) -> int:
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        return bool(self._try(lambda stream: stream.isatty()))

    def fileno(self) -> int:
        descriptor = self._try(lambda stream: stream.fileno())
        if not isinstance(descriptor, int):
            raise OSError("there is no stderr")
        return descriptor

    def _try(self, use: Callable[[Any], object]) -> object:
        try:
            return use(sys.stderr)
        except Exception:  # noqa: BLE001  (absent, full, broken or closed; what others put in its place raises anything)
            return None


def _tqdm() -> Any:  # noqa: ANN401  (tqdm marks no types)
    try:
        return import_module("tqdm.auto").tqdm
    except ModuleNotFoundError as error:
        msg = 'progress=True needs tqdm: pip install "rangebar_polars[progress]"'
        raise ModuleNotFoundError(msg, name=error.name) from error
