"""Text in blocks of whole lines: small enough for constant memory and for the caches, worth a call each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Lock, Thread
from typing import Final, Generic, NamedTuple, TypeVar

from rangebar_polars import _internal
from rangebar_polars._common.messages import shown_path
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Block", "ahead", "blocks"]

_BLOCK: Final = 4 << 20
"""Bytes: 4 MB take 167 ns a row, 16 MB 214 and 64 MB 307, because what was inflated is still in the cache."""

_LONGEST: Final = 8 << 20
"""Bytes after which there must have been an end of a line."""

_AHEAD: Final = 2
"""Blocks that wait to be taken."""

_THREADS: Final = 3
"""One inflates, and two parse, which takes twice as long."""

_LOOK_UP: Final = 0.001
"""Seconds after which it is seen whether a thread that is to end still waits."""

Result = TypeVar("Result")

_START: Final = 64
"""Bytes by which a text is known."""

_BOM: Final = b"\xef\xbb\xbf"
_PAGES: Final = (b"<!doctype", b"<html", b"<?xml", b"<error")


class Block(NamedTuple):
    """Whole lines of a text."""

    data: bytes
    first_line: int
    """Number of the first of them, from 1."""
    is_last: bool

    @property
    def is_unterminated(self) -> bool:
        """Whether the text ends within a line, or without the end of one."""
        return self.is_last and bool(self.data) and not self.data.endswith((b"\n", b"\r"))


def blocks(file: str, chunks: Iterator[bytes]) -> Iterator[Block]:
    """
    The text of a file in blocks of about 4 MB; the last one is marked, and may be empty.

    The first one has two lines that are not empty, if the text has: a header and a row.
    """
    parts: list[bytes] = []
    held, line = 0, 1
    for chunk in _plain(file, chunks):
        parts.append(chunk)
        held += len(chunk)
        if held < _BLOCK:
            continue
        data, rest = _cut(parts)
        if not data or (line == 1 and b"\n" not in data.strip()):
            if held < _LONGEST:
                parts = [data + rest]
                continue
            _check_line_ends(file, data + rest)
            msg = f"{shown_path(file)} has a line of {held:,} bytes, or as many empty ones: it is no CSV file"
            raise RangeBarError(msg)
        yield Block(data, line, is_last=False)
        line += _internal.count_newlines(data)
        parts, held = [rest], len(rest)
    last = b"".join(parts)
    if line == 1:
        _check_line_ends(file, last)
    yield Block(last, line, is_last=True)


def _cut(parts: list[bytes]) -> tuple[bytes, bytes]:
    """The whole lines of a text that comes in parts, and the rest: nearly always, only the last part is cut."""
    *before, last = parts
    end = last.rfind(b"\n") + 1
    if end == 0:
        text = b"".join(parts)
        end = text.rfind(b"\n") + 1
        return text[:end], text[end:]
    return b"".join((*before, last[:end])), last[end:]


def _plain(file: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A text without its byte order mark; an error if it begins as no text in UTF-8 does."""
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= _START:
            break
    first = start[:_START]
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        msg = f"{shown_path(file)} is UTF-16: save it as UTF-8"
        raise RangeBarError(msg)
    if b"\0" in first:
        msg = f"{shown_path(file)} is no text, it begins with {first[:16]!r}: unpack it, or save it as a CSV in UTF-8"
        raise RangeBarError(msg)
    if first.removeprefix(_BOM).lstrip().lower().startswith(_PAGES):
        msg = f"{shown_path(file)} is a page of the web, mostly an error of the server: download it again"
        raise RangeBarError(msg)
    yield start.removeprefix(_BOM)
    yield from chunks


def _check_line_ends(file: str, text: bytes) -> None:
    if b"\n" not in text and b"\r" in text.strip():
        msg = f"{shown_path(file)} ends its lines with CR alone: convert them to LF, as `mac2unix` does"
        raise RangeBarError(msg)


def ahead(items: Iterator[Block], work: Callable[[Block], Result]) -> Generator[tuple[Block, Result]]:
    """
    The blocks, each with the result of some work, both done by other threads before they are asked for.

    Each thread takes the next block, which one of them at a time inflates, and works on it while another one takes the
    next: so the time of all is that of inflating, if there are CPUs enough. Closing it stops the threads and waits for
    what they do.
    """
    workers = _Workers(items, work)
    try:
        while isinstance(found := workers.places.get().get(), tuple):
            yield found
        if found is not None:
            raise found
    finally:
        workers.stop()


class _Workers(Generic[Result]):
    """The threads that read ahead."""

    def __init__(self, items: Iterator[Block], work: Callable[[Block], Result]) -> None:
        self._items = items
        self._work = work
        # In the order of the blocks; who would put another one waits while so many are not taken.
        self.places: Queue[Queue[tuple[Block, Result] | BaseException | None]] = Queue(_AHEAD)
        self._taking, self._stopped = Lock(), Event()
        # Daemons, and no pool: a pool takes no more work once the main thread has ended, but other threads may read.
        self._threads = [Thread(target=self._run, name="rangebar_polars reader", daemon=True) for _ in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the threads, and wait for them."""
        self._stopped.set()
        for thread in self._threads:
            while thread.is_alive():
                with suppress(Empty):
                    self.places.get_nowait()  # it may wait to put the next one
                thread.join(_LOOK_UP)

    def _run(self) -> None:
        while not self._stopped.is_set():
            place: Queue[tuple[Block, Result] | BaseException | None] = Queue(1)
            item = self._next(place)
            if not isinstance(item, Block):
                place.put(item)
                return
            try:
                place.put((item, self._work(item)))
            except BaseException as error:  # noqa: BLE001  (whatever it is, the other thread raises it)
                place.put(error)

    def _next(self, place: Queue[tuple[Block, Result] | BaseException | None]) -> Block | BaseException | None:
        """The next block, whose place is kept; None at the end, or the error that ended it."""
        with self._taking:
            if self._stopped.is_set():
                return None
            item: Block | BaseException | None
            try:
                item = next(self._items, None)
            except BaseException as error:  # noqa: BLE001
                item = error
            self.places.put(place)
            if not isinstance(item, Block):
                self._stopped.set()
            return item
