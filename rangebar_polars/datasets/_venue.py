"""A venue on this machine."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import polars as pl

from rangebar_polars._common.messages import shown
from rangebar_polars.datasets._arguments import check_int
from rangebar_polars.datasets._venue_files import Bucket, listing, refusal
from rangebar_polars.datasets._venue_rest import ROUTES, Rest, RestError, Route
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    import os
    from http.server import BaseHTTPRequestHandler
    from types import TracebackType

    from rangebar_polars.datasets._venue_server import Server

__all__ = ["Answer", "LocalVenue"]

_JSON: Final = "application/json;charset=UTF-8"
_XML: Final = "application/xml"
_OK, _PART, _BAD, _MISSING, _BEYOND, _BROKEN = 200, 206, 400, 404, 416, 500
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Answer:
    """What a venue answers to a request."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class LocalVenue:
    """
    A venue on this machine, which serves a folder of archives by HTTP as Binance serves its own.

    It is for trying things and for tests without a network: whatever takes an address of a venue takes `base`. It is
    not for anything else: it holds an archive in memory while it sends it. Only programs on this machine can reach it.

    Parameters
    ----------
    folder
        A folder of zips as :func:`write_sample_archives` writes them, which are served as archives of spot trades. Or a
        folder with a folder `data` as the venue has it, such as
        ``data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-01.zip``, which is served as it is. The
        folder is looked at anew for each request: archives may be added, replaced and removed meanwhile.
    port
        Port to listen on. By default any that is free.
    archives_until
        The last day whose archives are published yet, such as "2024-01-31". Those of later days, and of a month that
        ends later, are not served, but REST has their trades. By default all are published.
    page_size
        Keys of a page of the listing, at most 1,000.

    Attributes
    ----------
    base : str
        The address, such as ``http://127.0.0.1:40001``, as long as it runs.
    requests : list of (str, str, int)
        Method, path with query, and status of every request so far, in order.

    Raises
    ------
    RangeBarError
        If an argument is not as described above, or `base` is asked for while nothing runs.
    OSError
        If the port is taken.

    See Also
    --------
    write_sample_archives : Write such a folder.

    Notes
    -----
    What is served, below `base`:

    - ``/?list-type=2&prefix=&delimiter=&continuation-token=&start-after=&max-keys=``: ListObjectsV2 of S3. A page needs
      the digests of its files, which are computed once.
    - ``/data/...``: archives with ETag, `Range` and `If-Range`, and the ``.CHECKSUM`` beside each of them, which is
      computed unless the folder has it.
    - ``/api/v3/aggTrades`` (spot), ``/fapi/v1/aggTrades`` (um) and ``/dapi/v1/aggTrades`` (cm) by `fromId`, by
      `startTime` and `endTime`, or the latest, with the header ``X-MBX-USED-WEIGHT-1M``. Times are in milliseconds,
      and on spot in microseconds with the header ``X-MBX-TIME-UNIT: MICROSECOND``. The trades are those of the
      archives of aggregate trades. They are read at the first such request for a symbol, which takes as long as
      :func:`scan_binance`, and stay in memory, about 65 bytes per trade.
    - Errors: 404 with the XML of S3, 400 with the codes of Binance. It refuses what Binance may allow or has allowed at
      times: more than 1,000 trades, more than one hour, and times beside an id.

    Examples
    --------
    >>> import json
    >>> import tempfile
    >>> from urllib.request import urlopen
    >>> import rangebar_polars as rb
    >>> folder = tempfile.TemporaryDirectory()
    >>> files = rb.datasets.write_sample_archives(folder.name, rows=2_000, symbols="BTCUSDT")
    >>> with rb.datasets.LocalVenue(folder.name) as venue:
    ...     with urlopen(f"{venue.base}/data/spot/daily/aggTrades/BTCUSDT/{files[0].name}") as answer:
    ...         archive = answer.read()
    ...     with urlopen(f"{venue.base}/api/v3/aggTrades?symbol=BTCUSDT&limit=3") as answer:
    ...         latest = json.load(answer)
    >>> archive == files[0].read_bytes()
    True
    >>> trades = rb.scan_binance(folder.name).collect()
    >>> [trade["a"] for trade in latest] == trades["agg_trade_id"].tail(3).to_list()
    True
    >>> [(method, status) for method, _, status in venue.requests]
    [('GET', 200), ('GET', 200)]
    >>> folder.cleanup()
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        port: int = 0,
        archives_until: str | dt.date | None = None,
        page_size: int = 1_000,
    ) -> None:
        path = Path(folder)
        if not path.is_dir():
            msg = f"`folder` must be a folder of archives, got {shown(str(path))}: write_sample_archives writes one"
            raise RangeBarError(msg)
        check_int("port", port, 0, 65_535)
        check_int("page_size", page_size, 1, 1_000)
        self._bucket = Bucket(path, _checked_day(archives_until))
        self._rest = Rest(self._bucket)
        self._page_size = page_size
        self._port = port
        self._server: Server | None = None
        self._weight = (0, 0)
        self._lock = Lock()
        self.requests: list[tuple[str, str, int]] = []

    @property
    def base(self) -> str:
        """The address."""
        if self._server is None:
            msg = "a venue has an address while it runs: use it as `with LocalVenue(folder) as venue:`"
            raise RangeBarError(msg)
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        # An import of the package does not need a server.
        from rangebar_polars.datasets._venue_server import Server  # noqa: PLC0415

        if self._server is not None:
            msg = f"the venue runs already, at {self.base}: make another LocalVenue"
            raise RangeBarError(msg)
        self._server = Server(self._port, self._serve)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.end()
        self._server = None

    def __repr__(self) -> str:
        at = "at rest" if self._server is None else f"at {self.base}"
        return f"<LocalVenue {at}, {len(self.requests)} requests>"

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        answer = self._answer(handler.command, handler.path, dict(handler.headers.items()))
        self.requests.append((handler.command, handler.path, answer.status))
        self._send(handler, answer)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer.body)

    def _answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """What is answered to a request; a HEAD gets the headers of it."""
        del method
        url = urlsplit(target)
        path, query = unquote(url.path), dict(parse_qsl(url.query, keep_blank_values=True))
        given = {name.lower(): value for name, value in headers.items()}
        if path in ROUTES:
            return self._rest_answer(ROUTES[path], query, given)
        if path == "/" and query.get("list-type") == "2":
            page = listing(self._bucket, query, self._page_size)
            return _s3_error(_BAD, "InvalidArgument", path) if page is None else _answer(page, _XML)
        found = self._bucket.get(path.removeprefix("/"))
        if found is None:
            return _s3_error(_MISSING, "NoSuchKey", path)
        kind = "application/zip" if path.endswith(".zip") else "binary/octet-stream"
        about = {"ETag": f'"{found.etag}"', "Accept-Ranges": "bytes", "Content-Type": kind}
        return _ranged(Answer(_OK, found.body, about), given)

    def _rest_answer(self, route: Route, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        minute = int(time.time() // 60)
        with self._lock:
            known, used = self._weight
            used = route.weight + (used if known == minute else 0)
            self._weight = (minute, used)
        fine = route.market == "spot" and headers.get("x-mbx-time-unit", "").upper() == "MICROSECOND"
        try:
            answer = _answer(self._rest.answer(route, query, microseconds=fine), _JSON)
        except RestError as error:
            answer = _answer(error.body, _JSON, status=_BAD)
        except (RangeBarError, pl.exceptions.PolarsError, OSError) as error:  # an archive that cannot be read
            answer = _answer(str(error), "text/plain;charset=UTF-8", status=_BROKEN)
        return replace(answer, headers={**answer.headers, "X-MBX-USED-WEIGHT-1M": str(used)})


def _checked_day(day: str | dt.date | None) -> dt.date | None:
    if isinstance(day, str):
        try:
            return dt.date.fromisoformat(day)
        except ValueError:
            pass
    elif day is None or (isinstance(day, dt.date) and not isinstance(day, dt.datetime)):
        return day
    msg = f"`archives_until` must be a day, such as 2024-01-31, got {shown(day)}"
    raise RangeBarError(msg)


def _answer(text: str, kind: str, *, status: int = _OK) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": kind})


def _s3_error(status: int, code: str, path: str) -> Answer:
    return _answer(refusal(code, path.removeprefix("/")), _XML, status=status)


def _ranged(whole: Answer, headers: Mapping[str, str]) -> Answer:
    """The part that is asked for, unless the object is no longer the one that the client has a part of."""
    asked, size = _RANGE.fullmatch(headers.get("range", "").strip()), len(whole.body)
    if asked is None or asked.groups() == ("", ""):
        return whole
    if "if-range" in headers and headers["if-range"] != whole.headers["ETag"]:
        return whole
    first, last = asked.groups()
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if start >= size:
        return Answer(_BEYOND, b"", {"Content-Range": f"bytes */{size}"})
    if start >= stop:
        return whole  # not a range, by the standard
    about = {**whole.headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return Answer(_PART, whole.body[start:stop], about)
