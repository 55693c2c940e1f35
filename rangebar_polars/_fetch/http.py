"""Requests to a venue: tried again where that helps, never faster than it allows, and told where it does not."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import socket
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Final, NoReturn, TypeVar

from rangebar_polars._common.messages import cut
from rangebar_polars.exceptions import RangeBarError

__all__ = [
    "PATIENCE",
    "Client",
    "Patience",
    "RefusedError",
    "UnreachableError",
    "VenueError",
    "opened",
    "run",
]

_Result = TypeVar("_Result")

_NOT_FOUND: Final = 404
_TOO_MANY: Final = (418, 429)
"""What venues answer to too many requests; the first to those who did not stop."""

_SERVER_FAULTS: Final = 500
_MOST_BYTES: Final = 64 << 20
"""Of an answer that is no archive: a page of a listing or of trades is far smaller."""

_LONGEST: Final = 10.0 * 365 * 86_400
"""Seconds that a message can still tell as a date."""

_FULL: Final = 0.9
"""The share of a minute's weight that is used before waiting for the next minute."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a venue, in seconds."""

    connect: float = 20.0
    read: float = 60.0
    """For the next bytes of an answer: a connection that is half open sends none."""
    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0
    ban: float = 600.0
    """The longest time of a ban, or of a `Retry-After`, that is waited for."""


PATIENCE: Patience = Patience()
"""As a venue deserves; tests against a server of their own have less."""


class VenueError(RangeBarError):
    """An answer of a venue that cannot be used."""


class UnreachableError(VenueError):
    """A venue that did not answer as it should, as often as it was asked."""


class RefusedError(VenueError):
    """A request that a venue refuses, and would refuse again if it were asked at once."""


class _AgainError(Exception):
    """An answer that may be another one later, and after how many seconds, if the venue says so."""

    def __init__(self, text: str, seconds: float | None = None) -> None:
        super().__init__(text)
        self.seconds = seconds


class Client:
    """
    Requests to one venue over connections that are kept open.

    What may be otherwise the next time (no connection, nothing more to read, too many requests, an error of the server)
    is tried again, each time after a longer wait or after the one that the server asks for. The weight of REST requests
    that the venue has counted is minded before the next one.
    """

    def __init__(self, session: Any, patience: Patience, weight: int | None) -> None:  # noqa: ANN401  (aiohttp may be absent)
        self._session = session
        self._patience = patience
        self._weight = weight
        self._full_until = 0.0

    async def text(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> str | None:
        """The text of an answer; None if there is no such file."""
        return await self.tried(url, lambda: self._text(url, params or {}, headers or {}))

    async def tried(self, url: str, attempt: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """The result of an attempt, which is made several times if it fails in a way that may pass."""
        stamina, patience = _stamina(), self._patience
        try:
            # A wait that the server asks for is not added to those between attempts.
            async for again in stamina.retry_context(
                on=self._wait,
                attempts=patience.attempts,
                timeout=None,
                wait_initial=patience.first_wait,
                wait_max=patience.longest_wait,
                wait_jitter=patience.first_wait,
            ):
                with again:
                    await self._free()
                    return await attempt()
        except _passing() as error:
            fault = str(error) or type(error).__name__
            msg = f"{url}: {cut(fault)}, {patience.attempts} times: try again later; what was read is kept"
            raise UnreachableError(msg) from error
        raise AssertionError("an attempt ends in a result or in an error")

    @asynccontextmanager
    async def answer(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Any]:
        """An answer whose status is one of success, or 404, or 416; an error for every other one."""
        async with self._session.get(url, params=params, headers=headers) as answer:
            self._note_weight(answer.headers)
            if answer.status in _TOO_MANY:
                self._refused(answer)
            if answer.status >= _SERVER_FAULTS:
                msg = f"the server answers {answer.status} {answer.reason}"
                raise _AgainError(msg, self._asked_to_wait(answer))
            if answer.status >= 400 and answer.status not in (_NOT_FOUND, 416):  # noqa: PLR2004
                told = cut((await answer.content.read(1_000)).decode("utf-8", "replace"))
                msg = (
                    f"{answer.url} is refused, {answer.status} {answer.reason} ({told}): see whether the venue has "
                    "this symbol and serves your country, or give another `base`"
                )
                raise RefusedError(msg)
            yield answer

    async def _text(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
        async with self.answer(url, params=params, headers=headers) as answer:
            if answer.status == _NOT_FOUND:
                return None
            body = bytearray()
            async for part in answer.content.iter_chunked(1 << 16):
                body += part
                if len(body) > _MOST_BYTES:
                    msg = f"{answer.url} has more than {_MOST_BYTES >> 20} MB, which is no answer to this question"
                    raise VenueError(msg)
            return body.decode("utf-8", "replace")

    def _asked_to_wait(self, answer: Any) -> float | None:  # noqa: ANN401
        """The seconds that the server asks to wait; an error if nobody would wait for so long."""
        seconds = _retry_after(answer.headers)
        if seconds is not None and seconds > self._patience.ban:
            until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=min(seconds, _LONGEST))
            msg = (
                f"{answer.url.origin()} does not answer this address before {until:%Y-%m-%d %H:%M} UTC "
                f"({answer.status}): wait until then; what was read is kept"
            )
            raise RefusedError(msg)
        return seconds

    def _refused(self, answer: Any) -> NoReturn:  # noqa: ANN401
        seconds = self._asked_to_wait(answer)
        # Nobody else asks meanwhile either: who goes on asking is banned.
        self._full_until = time.monotonic() + (self._patience.longest_wait if seconds is None else seconds)
        msg = f"the server answers {answer.status} to too many requests"
        raise _AgainError(msg, seconds)

    def _wait(self, error: Exception) -> bool | float:
        """Whether an error may pass, or after how many seconds."""
        if isinstance(error, _AgainError):
            return True if error.seconds is None else error.seconds
        return isinstance(error, _passing())

    async def _free(self) -> None:
        """Wait until the venue takes requests again."""
        # Once more after a wait: others may have been told meanwhile to wait longer.
        while (seconds := self._full_until - time.monotonic()) > 0:  # noqa: ASYNC110  (a time, which no event tells)
            await asyncio.sleep(seconds)

    def _note_weight(self, headers: Mapping[str, str]) -> None:
        """Wait for the next minute, in the venue's clock, once the weight of this one is nearly used."""
        used = headers.get("X-MBX-USED-WEIGHT-1M", "")
        if self._weight is not None and used.isdigit() and int(used) >= _FULL * self._weight:
            seconds = 60.0 - _instant(headers.get("Date")).second
            self._full_until = max(self._full_until, time.monotonic() + min(seconds, self._patience.longest_wait))


@asynccontextmanager
async def opened(*, weight: int | None = None) -> AsyncGenerator[Client]:
    """A client; its connections are closed in the end."""
    aiohttp, patience = _aiohttp(), PATIENCE
    _stamina()  # what is missing is said before the first request
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=patience.connect, sock_read=patience.read)
    # What is on its way is an archive: nothing is to be unpacked before its checksum is known.
    async with aiohttp.ClientSession(
        timeout=timeout, trust_env=True, auto_decompress=False, headers={"Accept-Encoding": "identity"}
    ) as session:
        yield Client(session, patience, weight)


def run(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """
    Run a coroutine in a thread of its own, because a notebook has a running loop already.

    Ctrl-C cancels it and waits for its end, so that nothing is left half done.
    """
    found: list[_Result] = []
    failed: list[BaseException] = []
    ended = threading.Event()
    loop = asyncio.new_event_loop()

    async def guarded() -> None:
        found.append(await work())

    task = loop.create_task(guarded())

    def target() -> None:
        try:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(task)
        except BaseException as error:  # noqa: BLE001  (it is raised by the thread that waits)
            failed.append(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            ended.set()

    thread = threading.Thread(target=target, name="rangebar_polars fetch")
    thread.start()
    try:
        # Not the thread itself: a join that Ctrl-C interrupts takes it for ended.
        while not ended.wait(0.1):  # with a limit, so that Ctrl-C is noticed everywhere
            pass
    except BaseException:
        with suppress(RuntimeError):  # it has ended just now
            loop.call_soon_threadsafe(task.cancel)
        ended.wait()
        raise
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds, or the time, that an answer asks to wait."""
    given = headers.get("Retry-After", "").strip()
    if not given:
        return None
    if given.isdigit():
        return float(given)
    try:
        return max((parsedate_to_datetime(given) - _instant(headers.get("Date"))).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _instant(date: str | None) -> dt.datetime:
    """The time of an answer; now, if it has none."""
    try:
        return parsedate_to_datetime(date or "").astimezone(dt.UTC)
    except (TypeError, ValueError):
        return dt.datetime.now(dt.UTC)


def _passing() -> tuple[type[Exception], ...]:
    """
    Errors that may pass; among them, what aiohttp raises for connections that are refused, cut off or nonsense.

    A disk that is full, or cannot be written to, is none: what comes again would not fit either.
    """
    return (_AgainError, ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError, _aiohttp().ClientError)


def _aiohttp() -> Any:  # noqa: ANN401  (it may be absent)
    return _needed("aiohttp")


def _stamina() -> Any:  # noqa: ANN401  (it may be absent)
    stamina = _needed("stamina")
    # It logs each new attempt. To whom that is no news, because nothing is set up for logs, Python would print it.
    logger = logging.getLogger("stamina")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return stamina


def _needed(name: str) -> Any:  # noqa: ANN401
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        msg = f'fetching needs {name}: pip install "rangebar_polars[fetch]"'
        raise ModuleNotFoundError(msg, name=error.name) from error
