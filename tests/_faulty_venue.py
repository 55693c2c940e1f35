"""Small archives, and a local venue that fails as it is told to: which requests, how, and how often."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import time
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from rangebar_polars.datasets import LocalVenue
from rangebar_polars.datasets._venue import Answer

__all__ = [
    "ARCHIVE",
    "BAD_JSON",
    "BAN",
    "CHECKSUM",
    "EMPTY",
    "HTML",
    "INVALID_SYMBOL",
    "LIMIT",
    "LISTING",
    "REST",
    "Asked",
    "Fault",
    "FaultyVenue",
    "body",
    "bomb",
    "corrupt",
    "cut",
    "day_text",
    "edited",
    "ignored_condition",
    "ignored_range",
    "moved",
    "page",
    "repeated_token",
    "slow",
    "stalled",
    "status",
    "without_checksums",
    "write_days",
    "zipped",
]

LISTING, ARCHIVE, CHECKSUM, REST = r"^/\?", r"\.zip$", r"\.CHECKSUM$", r"/aggTrades\?"
"""Patterns of what is asked for: path and query. Give a day with one, such as `01-02` + `ARCHIVE`."""

_DAY = 86_400_000_000
"""Microseconds."""

_MOVED = "/elsewhere"


class Asked(NamedTuple):
    """A request, and what the venue answers to others like it."""

    target: str
    headers: Mapping[str, str]
    answer: Callable[[Mapping[str, str]], Answer]
    """What would be answered with these headers."""


@dataclass(frozen=True)
class Sent(Answer):
    """An answer that is not sent as it should be."""

    until: int | None = None
    """So many bytes of the body are sent."""
    hangs: bool = False
    """Then nothing more comes, but the connection stays open."""


Fault = Callable[[Asked, Answer], Answer]
"""What is answered instead."""


@dataclass
class _Rule:
    pattern: re.Pattern[str]
    fault: Fault
    times: int | None
    then: Callable[[], object]
    seen: int = 0


class FaultyVenue(LocalVenue):
    """A venue with a script of faults."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self._folder = folder
        self._rules: list[_Rule] = []
        self._choosing = Lock()
        self.ranges: list[tuple[str, str]] = []
        """Path and range of every request for a part."""

    def fails(
        self, pattern: str, fault: Fault, *, times: int | None = 1, then: Callable[[], object] = lambda: None
    ) -> None:
        """
        Answer requests that match with a fault, so many times or always.

        Of several faults for a request, the first that is left counts: a script. `then` is called after each.
        """
        self._rules.append(_Rule(re.compile(pattern), fault, times, then))

    def heals(self) -> None:
        """Forget the faults that are left."""
        self._rules.clear()

    @property
    def left(self) -> list[str]:
        """Patterns of faults that have not happened as often as they should, or never: a test in vain."""
        return [rule.pattern.pattern for rule in self._rules if rule.seen < (rule.times or 1)]

    def asked(self, pattern: str) -> list[int]:
        """The statuses of all requests that match, in order."""
        return [status for _, target, status in self.requests if re.search(pattern, target)]

    @contextmanager
    def replaced(self, name: str, content: bytes) -> Iterator[None]:
        """Another file for a while, with its own checksum and ETag."""
        file = next(self._folder.rglob(name))
        was = file.read_bytes()
        file.write_bytes(content)
        try:
            yield
        finally:
            file.write_bytes(was)

    def _answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        target = target.removeprefix(_MOVED)
        for name, value in headers.items():
            if name.lower() == "range":
                self.ranges.append((target, value))

        def plain(others: Mapping[str, str]) -> Answer:
            return super(FaultyVenue, self)._answer(method, target, others)

        answer = plain(headers)
        rule = self._due(target)
        if rule is not None:
            answer = rule.fault(Asked(target, headers, plain), answer)
            rule.then()
        return answer

    def _due(self, target: str) -> _Rule | None:
        with self._choosing:
            for rule in self._rules:
                if (rule.times is None or rule.seen < rule.times) and rule.pattern.search(target):
                    rule.seen += 1
                    return rule
        return None

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if not isinstance(answer, Sent) or answer.until is None:
            super()._send(handler, answer)
            return
        full = {"Content-Length": str(len(answer.body)), **answer.headers}
        super()._send(handler, Answer(answer.status, answer.body[: answer.until], full))
        handler.close_connection = True
        if answer.hangs:
            handler.connection.recv(1)  # returns when the client hangs up, or the venue ends


def status(code: int, text: str = "", **headers: str) -> Fault:
    """Another status, such as 503; `Retry_After` is the header of that name."""
    about = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _asked, _answer: Answer(code, text.encode(), about)


def body(content: bytes, *, kind: str = "text/plain") -> Fault:
    """Another body with status 200, as if nothing had happened."""
    return lambda _asked, answer: Answer(200, content, {**answer.headers, "Content-Type": kind})


def edited(change: Callable[[bytes], bytes]) -> Fault:
    """The body, changed."""
    return lambda _asked, answer: replace(answer, body=change(answer.body))


def cut(after: int) -> Fault:
    """The connection ends after so many bytes of the body."""
    return lambda _asked, answer: Sent(answer.status, answer.body, answer.headers, until=after)


def stalled(after: int) -> Fault:
    """So many bytes of the body, and then silence."""
    return lambda _asked, answer: Sent(answer.status, answer.body, answer.headers, until=after, hangs=True)


def slow(seconds: float) -> Fault:
    """The answer, later."""

    def fault(_asked: Asked, answer: Answer) -> Answer:
        time.sleep(seconds)
        return answer

    return fault


def moved(*, loop: bool = False) -> Fault:
    """A redirect to another path of the same content, or to the same path again."""
    return lambda asked, _answer: Answer(302, b"", {"Location": asked.target if loop else _MOVED + asked.target})


def ignored_range() -> Fault:
    """The whole body with 200, whatever part is asked for."""
    return lambda asked, _answer: asked.answer(_without(asked.headers, "range"))


def ignored_condition() -> Fault:
    """The part that is asked for, though it is one of another version."""
    return lambda asked, _answer: asked.answer(_without(asked.headers, "if-range"))


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != name}


def page(change: Callable[[list[dict[str, Any]]], object]) -> Fault:
    """The trades of a page of REST, changed."""
    return edited(lambda content: json.dumps(change(json.loads(content))).encode())


def without_checksums() -> Fault:
    """A listing that has archives, but not their checksums."""
    return edited(lambda xml: re.sub(rb"<Contents><Key>[^<]*\.CHECKSUM</Key>.*?</Contents>", b"", xml))


def repeated_token() -> Fault:
    """A listing that always has a next page, which is the first one again."""
    token = b64encode(b"!").decode()  # before all keys
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>".encode()
    one = rb"<IsTruncated>\w+</IsTruncated>(<NextContinuationToken>[^<]*</NextContinuationToken>)?"
    return edited(lambda xml: re.sub(one, more, xml))


LIMIT = status(429, '{"code":-1003,"msg":"Too much request weight used."}', Retry_After="0")
BAN = status(418, '{"code":-1003,"msg":"Way too much request weight used."}', Retry_After="0")
INVALID_SYMBOL = status(400, '{"code":-1121,"msg":"Invalid symbol."}')
HTML = body(
    b"<!DOCTYPE html><html><head><title>Sorry</title></head><body>Come back later.</body></html>", kind="text/html"
)
EMPTY = body(b"")
BAD_JSON = body(b'[{"a":26129,"p":"0.0163', kind="application/json")


def day_text(day: dt.date, rows: int, first_id: int, market: str = "spot") -> bytes:
    """Trades of a day as Binance writes them: three per instant, the last one in its last millisecond."""
    is_spot = market == "spot"
    unit = 1 if is_spot and day >= dt.date(2025, 1, 1) else 1_000
    midnight = (day - dt.date(1970, 1, 1)).days * _DAY
    step = (_DAY - 1_000) // max(rows // 3, 1)
    lines: list[str] = []
    for row in range(rows):
        number, cents = first_id + row, 4_200_000 + (row * row * 31 + row * 7 + first_id) % 90_001
        time_us = midnight + (_DAY - 1 if row == rows - 1 else row // 3 * step + row % 3 * 7)
        price, quantity = f"{cents // 100}.{cents % 100:02d}000000", f"0.{number % 9973 + 1:05d}000"
        maker = (row * 31 + first_id) % 7 < 3
        cells = (number, price, quantity, number * 3, number * 3 + 1, time_us // unit, maker, *([True] * is_spot))
        lines.append(",".join(str(cell) for cell in cells) + "\n")
    return "".join(lines).encode()


def write_days(
    folder: Path,
    symbol: str = "BTCUSDT",
    *,
    start: dt.date,
    days: int = 3,
    rows: int = 1_500,
    first_id: int = 1_000,
    market: str = "spot",
) -> list[Path]:
    """Archives of consecutive days, whose ids are continuous."""
    files: list[Path] = []
    for number in range(days):
        day = start + dt.timedelta(days=number)
        stem = f"{symbol}-aggTrades-{day}"
        files.append(folder / f"{stem}.zip")
        files[-1].write_bytes(zipped({f"{stem}.csv": day_text(day, rows, first_id + number * rows, market)}))
    return files


def zipped(members: Mapping[str, bytes]) -> bytes:
    """An archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def corrupt(archive: bytes) -> bytes:
    """An archive of the same size with another byte in the middle of its member."""
    at = len(archive) // 2
    return archive[:at] + bytes([archive[at] ^ 0xFF]) + archive[at + 1 :]


def bomb(member: str, size: int = 60_000_000) -> bytes:
    """A small archive that grows to so many bytes, of which the first are a row of trades."""
    row = b"1,42000.00000000,1.00000000,1,1,1704067200000,True,True\n"
    return zipped({member: row + b"\n" * (size - len(row))})
