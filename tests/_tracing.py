"""Coverage of what runs on threads of Polars: before Python 3.12, it traces only those that Python starts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from rangebar_polars._bars import sinks
from rangebar_polars._engine import source

__all__ = ["trace_sources"]

Frames = Callable[..., Iterator[pl.DataFrame]]


def trace_sources() -> None:
    """Let coverage, if it traces at all, see the sources, which Polars asks for frames on threads of its own."""
    if threading.gettrace() is not None:
        for module in (source, sinks):
            vars(module)["register_io_source"] = _registering(vars(module)["register_io_source"])


def _registering(register: Callable[..., pl.LazyFrame]) -> Callable[..., pl.LazyFrame]:
    def registering(io_source: Frames, **options: Any) -> pl.LazyFrame:
        return register(lambda *asked: _Traced(io_source(*asked)), **options)

    return registering


class _Traced:
    """Frames that are made under the trace function of new threads, whichever thread asks for them."""

    def __init__(self, frames: Iterator[pl.DataFrame]) -> None:
        self._frames = frames

    def __iter__(self) -> _Traced:
        return self

    def __next__(self) -> pl.DataFrame:
        if sys.gettrace() is None:
            sys.settrace(threading.gettrace())
        return next(self._frames)
