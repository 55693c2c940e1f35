"""
The input of a source, read batch by batch by a separate query.

`collect_batches` of Polars has the same purpose, but it ends silently if the query below it panics, goes on reading
when nobody listens any more, and occupies a thread of a small pool of Polars for as long as it runs. So the query runs
on a thread of our own, with `sink_batches`: whatever ends it is raised here, and it is stopped and joined on every way
out.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import closing

import polars as pl

__all__ = ["batches", "droppable"]

_AHEAD = 2
"""Batches that may wait for the reader."""

_PATIENCE = 0.1
"""
Seconds after which a reader with nothing to read hands over an empty batch.

The reader blocks one of the threads that Polars has for such work (512, unless set otherwise), and the query that it
waits for needs some too: hundreds of sources in one query would wait for each other for ever. So each gives its thread
back now and then.
"""

_LOOK_UP = 0.1
"""Seconds after which a waiting query checks whether anybody still listens."""

_NOTHING = pl.DataFrame()

_NAME = "rangebar_polars input"
"""Of the threads that read."""

_MOST_WAITING = max(1, int(os.environ.get("POLARS_MAX_BLOCKING_THREAD_COUNT") or 512) // 2)
"""Queries that may wait at the same time, each on a thread of Polars, for their readers; half of the threads."""

_MOST_AHEAD = 64
"""Batches that a query may queue if it may not wait because too many others do."""

_TOO_MANY = (
    f"too many bar queries run at once: more than {_MOST_WAITING} of them read faster than their bars are taken. Build "
    "the bars of all groups in one query (`by=`), collect fewer queries at a time, or set "
    "POLARS_MAX_BLOCKING_THREAD_COUNT higher before Polars is imported"
)

_EXITS = "the interpreter exits: the trades were not read to their end"

_waiting = threading.Semaphore(_MOST_WAITING)

_dropping = threading.local()
"""Whether this thread is closing frames that the engine has dropped."""

_SECONDS_TO_END = 5.0
"""Seconds that the interpreter waits at exit for threads of Polars that run Python."""


class _Over(Exception):  # noqa: N818  (nothing is wrong)
    """
    Ends a query to which nobody listens any more.

    Polars also ends a query whose function returns true, but then one with a `shift` in it may wait for itself for
    ever.
    """


class _Query:
    """A query on a thread of its own; its batches wait to be taken."""

    def __init__(self, query: pl.LazyFrame) -> None:
        self._query = query
        self._at_exit = not threading.main_thread().is_alive()
        self._ready: deque[pl.DataFrame] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None
        self._released = threading.Event()
        # Not a daemon: the interpreter waits for it, and so exits only when no thread of Polars runs Python for us.
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=False)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def take(self) -> pl.DataFrame | None:
        """The next batch; None if there is none yet. Raises EOFError at the end, and what the query raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended, timeout=_PATIENCE)
            if self._ready:
                batch = self._ready.popleft()
                self._changed.notify_all()
                return batch
            if not self._ended:
                return None
        if self._error is None:
            raise EOFError
        if isinstance(self._error, Exception):
            raise self._error
        # A panic is not an Exception, and would panic again when raised through the engine.
        msg = f"the query that provides the trades ended with {type(self._error).__name__}: {self._error}"
        raise pl.exceptions.ComputeError(msg) from self._error

    def stop(self) -> None:
        """Stop reading, and wait until no part of the query runs any more, unless dropped frames are being closed."""
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify_all()
        self._released.set()
        if self._thread.ident is not None and not getattr(_dropping, "now", False):
            self._thread.join()

    def _run(self) -> None:
        try:
            self._query.sink_batches(self._put, engine="streaming", maintain_order=True)
        except _Over:
            pass
        except BaseException as error:  # noqa: BLE001  (whatever it is, the reader raises it)
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        # The reader runs on a thread of Polars, for which the interpreter does not wait at exit; for this one it does.
        while not self._released.wait(_LOOK_UP) and self._is_listening():
            pass

    def _put(self, batch: pl.DataFrame) -> bool:
        """Called by the engine, which goes on if this returns false."""
        with self._changed:
            if self._is_over():
                raise _Over
            self._ready.append(batch)
            self._changed.notify_all()
            if len(self._ready) < _AHEAD:
                return False
            if not _waiting.acquire(blocking=False):
                if len(self._ready) < _MOST_AHEAD:
                    return False
                raise pl.exceptions.ComputeError(_TOO_MANY)
            try:
                while len(self._ready) >= _AHEAD and self._is_listening():
                    self._changed.wait(_LOOK_UP)
            finally:
                _waiting.release()
            if self._is_over():
                raise _Over
            return False

    def _is_over(self) -> bool:
        """Whether the query is to stop; if nobody asked for that, whoever takes a batch after all is told."""
        if self._is_listening():
            return False
        if not self._stopped:
            self._error = pl.exceptions.ComputeError(_EXITS)
        return True

    def _is_listening(self) -> bool:
        """
        Whether somebody may still take a batch.

        Nobody does once the main thread has ended, and with it every other thread that the interpreter waits for:
        threads of Polars are stopped then. A query that begins later is that of an exit handler, which waits for it.
        """
        # The engine drops a source without the GIL; its reference is released only by the next call of Polars.
        _ = _NOTHING.height
        return not self._stopped and (self._at_exit or _goes_on())


def _goes_on() -> bool:
    """Whether the interpreter is not about to exit."""
    return threading.main_thread().is_alive() or _others_run()


def _others_run() -> bool:
    """Whether a thread runs for which the interpreter waits, and which does not only read for us."""
    return any(not thread.daemon and thread.name != _NAME for thread in threading.enumerate() if thread.is_alive())


def batches(frame: pl.LazyFrame, columns: list[str]) -> Generator[pl.DataFrame]:
    """
    Some columns of a frame, batch by batch, in order, streamed.

    The first batch is empty, and there is an empty batch whenever there is nothing to read yet: pass something on then,
    even if it is empty. Whatever ends the query early is raised. Closing the generator stops the query and waits for
    it, except when :func:`droppable` frames are dropped.
    """
    wanted = frame.select(columns)
    empty = wanted.collect_schema().to_frame()
    yield empty
    _end_behind_polars()
    query = _Query(wanted)
    try:
        query.start()
        while True:
            try:
                batch = query.take()
            except EOFError:
                return
            yield empty if batch is None else batch
    finally:
        query.stop()


def droppable(frames: Generator[pl.DataFrame]) -> Generator[pl.DataFrame]:
    """
    Frames for the engine, which drops a source that it no longer needs.

    The source is then closed by whichever thread calls Polars next, which may be one that the query below it needs: so
    the query is stopped, but not waited for.

    They end when the interpreter exits: a thread of Polars that runs Python then would abort it.
    """
    _end_behind_polars()
    at_exit = not threading.main_thread().is_alive()
    with closing(frames):
        for frame in frames:
            if not (at_exit or _goes_on()):
                raise pl.exceptions.ComputeError(_EXITS)
            try:
                yield frame
            except GeneratorExit:
                _dropping.now = True
                try:
                    frames.close()
                finally:
                    _dropping.now = False
                raise


@functools.cache
def _end_behind_polars() -> None:
    """
    Delay the exit of the interpreter until no thread of Polars runs Python any more, which would abort the process.

    A source or function of the user may run for a moment after the query that called it was stopped.
    """

    def wait() -> None:
        until = time.monotonic() + _SECONDS_TO_END
        while _runs_python_elsewhere() and time.monotonic() < until:
            time.sleep(0.005)

    atexit.register(wait)


def _runs_python_elsewhere() -> bool:
    """Whether a thread that Python did not start runs Python."""
    ours = {thread.ident for thread in threading.enumerate() if type(thread).__name__ != "_DummyThread"}
    return not sys._current_frames().keys() <= ours  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
