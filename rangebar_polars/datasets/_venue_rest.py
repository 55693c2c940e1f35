"""Aggregate trades as the REST interface of a venue answers: from the archives of a bucket."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Final, Literal, NamedTuple, TypeAlias

import polars as pl

from rangebar_polars._readers.trades import scan_binance
from rangebar_polars.datasets._venue_files import Archive, Bucket

__all__ = ["ROUTES", "Rest", "RestError"]

Market: TypeAlias = Literal["spot", "um", "cm"]


class Route(NamedTuple):
    """A path of the interface."""

    market: Market
    archives: str
    """What the keys of its archives begin with."""
    weight: int
    """What a request costs."""


ROUTES: Final[Mapping[str, Route]] = {
    "/api/v3/aggTrades": Route("spot", "data/spot/", 4),
    "/fapi/v1/aggTrades": Route("um", "data/futures/um/", 20),
    "/dapi/v1/aggTrades": Route("cm", "data/futures/cm/", 20),
}

_FEWEST, _USUAL, _MOST = 1, 500, 1_000
"""Trades of a page."""

_HOUR: Final = dt.timedelta(hours=1)
_FIRST_MICROSECONDS: Final = 10**14
"""From here on a time is in microseconds: in milliseconds it would lie beyond the year 5000."""


class RestError(Exception):
    """A request that the venue refuses, with the code and the text that it answers."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.body = json.dumps({"code": code, "msg": text})


class Rest:
    """The trades of a bucket, which are read when they are first asked for and when an archive has changed."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = Lock()
        self._trades: dict[tuple[Market, str], tuple[object, pl.DataFrame]] = {}

    def answer(self, route: Route, query: Mapping[str, str], *, microseconds: bool = False) -> str:
        """The trades that a query asks for, as JSON."""
        symbol = query.get("symbol", "")
        if not symbol:
            raise RestError(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        limit = _integer(query, "limit")
        limit = _USUAL if limit is None else limit
        if not _FEWEST <= limit <= _MOST:
            raise RestError(-1130, "Data sent for parameter 'limit' is not valid.")
        first, start, end = (_integer(query, name) for name in ("fromId", "startTime", "endTime"))
        if first is not None and (start is not None or end is not None):
            raise RestError(-1128, "Combination of optional parameters invalid.")
        if start is not None and end is not None and _instant(end) - _instant(start) > _HOUR:
            raise RestError(-1127, "More than 1 hours between startTime and endTime.")
        trades = self._of(route, symbol).lazy()
        if first is not None:
            trades = trades.filter(pl.col("agg_trade_id") >= first)
        if start is not None:
            trades = trades.filter(pl.col("timestamp") >= _instant(start))
        if end is not None:
            trades = trades.filter(pl.col("timestamp").dt.truncate("1us" if _is_fine(end) else "1ms") <= _instant(end))
        page = trades.head(limit) if first is not None or start is not None else trades.tail(limit)
        unit: Literal["us", "ms"] = "us" if microseconds else "ms"
        return json.dumps([*_rows(page.collect(), unit, is_spot=route.market == "spot")])

    def _of(self, route: Route, symbol: str) -> pl.DataFrame:
        files = [*self._files(route, symbol)]
        if not files:
            raise RestError(-1121, "Invalid symbol.")
        version = [(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files]
        with self._lock:
            known, trades = self._trades.get((route.market, symbol), (None, None))
            if trades is None or known != version:
                trades = _read(files, route.market, symbol)
                self._trades[route.market, symbol] = version, trades
        return trades

    def _files(self, route: Route, symbol: str) -> Iterable[Path]:
        """The archives of a symbol: of days, then of months."""
        found: list[tuple[bool, str, Path]] = []
        for key, file in self._bucket.files():
            archive = Archive.named(file.name)
            if archive and key.startswith(route.archives) and archive[:2] == (symbol, "aggTrades"):
                found.append((not archive.is_daily, key, file))
        return (file for *_, file in sorted(found))


def _read(files: list[Path], market: Market, symbol: str) -> pl.DataFrame:
    """The trades in the order of their ids. What is in a day and in its month is there once."""
    scans = [scan_binance(file, market=market, symbol=symbol, decimal=True) for file in files]
    trades = pl.concat(scans).drop("symbol").collect()
    return trades.unique("agg_trade_id", keep="first", maintain_order=True).sort("agg_trade_id")


def _integer(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < len(str(2**63))):
        raise RestError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,18}}$'.")
    return int(text)


def _is_fine(time: int) -> bool:
    return time >= _FIRST_MICROSECONDS


def _instant(time: int) -> dt.datetime:
    """An instant in milliseconds or microseconds."""
    micros = time if _is_fine(time) else time * 1_000
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)


def _rows(trades: pl.DataFrame, unit: Literal["us", "ms"], *, is_spot: bool) -> Iterable[dict[str, object]]:
    columns = {
        "a": pl.col("agg_trade_id"),
        "p": pl.col("price").cast(pl.String),
        "q": pl.col("quantity").cast(pl.String),
        "f": pl.col("first_trade_id"),
        "l": pl.col("last_trade_id"),
        "T": pl.col("timestamp").dt.epoch(unit),
        "m": pl.col("is_buyer_maker"),
    }
    return trades.select(**columns, **({"M": pl.lit(value=True)} if is_spot else {})).iter_rows(named=True)
