"""Contract of the local venue: what it serves is what S3 and Binance would serve of the same archives."""

from __future__ import annotations

import datetime as dt
import hashlib
import http.client
import json
import shutil
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars.datasets import LocalVenue
from tests._faulty_venue import day_text, write_days, zipped

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
DAILY = "data/spot/daily/aggTrades"
FIRST = f"{DAILY}/BTCUSDT/BTCUSDT-aggTrades-2024-12-30.zip"
NAMES = [f"BTCUSDT-aggTrades-{day}.zip" for day in ("2024-12-30", "2024-12-31", "2025-01-01")]
"""Three days, of which the last one has microseconds."""
PREFIX = f"{DAILY}/BTCUSDT/"
AWS = "{http://s3.amazonaws.com/doc/2006-03-01/}"
REST = {"spot": "/api/v3/aggTrades", "um": "/fapi/v1/aggTrades", "cm": "/dapi/v1/aggTrades"}


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: Message
    body: bytes


class Client:
    """One connection, which stays open."""

    def __init__(self, base: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, path: str, method: str = "GET", **headers: str) -> Got:
        """Header names with `_` for `-`."""
        self.connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = self.connection.getresponse()
        return Got(answer.status, answer.headers, answer.read())

    def trades(self, market: str = "spot", *, headers: dict[str, str] | None = None, **query: object) -> Any:
        """A page of REST."""
        got = self.ask(f"{REST[market]}?{urlencode(query)}", **(headers or {}))
        return json.loads(got.body)

    def page(self, **query: object) -> ET.Element:
        """A page of the listing."""
        got = self.ask("/?" + urlencode({"list-type": 2} | {name.replace("_", "-"): v for name, v in query.items()}))
        assert got.status == 200, got
        assert got.headers["Content-Type"] == "application/xml"
        return ET.fromstring(got.body)

    def pages(self, **query: object) -> list[ET.Element]:
        """All pages."""
        pages = [self.page(**query)]
        while (token := pages[-1].findtext(f"{AWS}NextContinuationToken")) is not None:
            pages.append(self.page(**query, continuation_token=token))
        return pages


def keys(page: ET.Element) -> list[str]:
    return [key.text or "" for key in page.findall(f"{AWS}Contents/{AWS}Key")]


def prefixes(page: ET.Element) -> list[str]:
    return [key.text or "" for key in page.findall(f"{AWS}CommonPrefixes/{AWS}Prefix")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    for symbol in SYMBOLS:
        files = write_days(folder, symbol, start=dt.date(2024, 12, 30), rows=3_000)
        assert [file.name.replace(symbol, "BTCUSDT") for file in files] == NAMES
    return folder


@pytest.fixture(scope="module")
def venue(folder: Path) -> Iterator[LocalVenue]:
    with LocalVenue(folder) as venue:
        yield venue


@pytest.fixture
def client(venue: LocalVenue) -> Iterator[Client]:
    with Client(venue.base) as client:
        yield client


@pytest.fixture(scope="module")
def trades(folder: Path) -> pl.DataFrame:
    """The trades of BTCUSDT as REST has them, made from those of the archives."""
    columns: dict[str, pl.Expr] = {
        "a": pl.col("agg_trade_id"),
        "p": pl.col("price").cast(pl.String),
        "q": pl.col("quantity").cast(pl.String),
        "f": pl.col("first_trade_id"),
        "l": pl.col("last_trade_id"),
        "T": pl.col("timestamp").dt.epoch("ms"),
        "m": pl.col("is_buyer_maker"),
        "M": pl.lit(value=True),
    }
    return rb.scan_binance([folder / name for name in NAMES], decimal=True).select(**columns).collect()


def test_archives_are_the_files(client: Client, folder: Path) -> None:
    got = client.ask("/" + FIRST)
    assert got.status == 200
    assert got.body == (folder / NAMES[0]).read_bytes()
    assert got.headers["Content-Length"] == str(len(got.body))
    assert got.headers["ETag"] == f'"{hashlib.md5(got.body).hexdigest()}"'
    head = client.ask("/" + FIRST, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert {name: head.headers[name] for name in head.headers if name != "Date"} == {
        name: got.headers[name] for name in got.headers if name != "Date"
    }


@pytest.mark.parametrize(
    "path", [DAILY, f"{DAILY}/", "data", f"{FIRST}x", f"{PREFIX}BTCUSDT-aggTrades-2024-01-01.zip", "../secret", "a&b"]
)
def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    got = client.ask(quote(f"/{path}"))
    assert got.status == 404
    assert ET.fromstring(got.body).findtext("Code") == "NoSuchKey"
    assert ET.fromstring(got.body).findtext("Key") == path


def test_checksums_are_those_of_the_archives(client: Client, folder: Path) -> None:
    digest = hashlib.sha256((folder / NAMES[0]).read_bytes()).hexdigest()
    assert client.ask(f"/{FIRST}.CHECKSUM").body == f"{digest}  {NAMES[0]}\n".encode()


def test_a_checksum_of_the_folder_is_served_as_it_is(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / NAMES[0], tmp_path)
    (tmp_path / f"{NAMES[0]}.CHECKSUM").write_bytes(b"of an older upload")
    with LocalVenue(tmp_path) as venue, Client(venue.base) as client:
        assert client.ask(f"/{FIRST}.CHECKSUM").body == b"of an older upload"
        page = client.page()
    assert keys(page) == [FIRST, f"{FIRST}.CHECKSUM"]
    assert page.findall(f"{AWS}Contents/{AWS}Size")[1].text == str(len(b"of an older upload"))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("0-0", 0, 1), ("100-", 100, None), ("100-199", 100, 200), ("-7", -7, None), ("5-99999999", 5, None)],
)
def test_a_range_is_a_part(client: Client, folder: Path, asked: str, start: int, stop: int | None) -> None:
    whole = (folder / NAMES[0]).read_bytes()
    etag = client.ask("/" + FIRST, "HEAD").headers["ETag"]
    for condition in ({}, {"If_Range": etag}):
        got = client.ask("/" + FIRST, Range=f"bytes={asked}", **condition)
        assert got.status == 206
        assert got.body == whole[start:stop]
        first = start % len(whole)
        assert got.headers["Content-Range"] == f"bytes {first}-{first + len(got.body) - 1}/{len(whole)}"
        assert got.headers["ETag"] == etag


def test_two_parts_are_the_whole(client: Client, folder: Path) -> None:
    parts = [client.ask("/" + FIRST, Range=part).body for part in ("bytes=0-4999", "bytes=5000-")]
    assert b"".join(parts) == (folder / NAMES[0]).read_bytes()


@pytest.mark.parametrize("asked", ["bytes=9-5", "bytes=-", "bytes=0-1,4-5", "lines=0-4", "bytes=x-", ""])
def test_what_is_no_range_is_ignored(client: Client, folder: Path, asked: str) -> None:
    got = client.ask("/" + FIRST, Range=asked)
    assert (got.status, got.body) == (200, (folder / NAMES[0]).read_bytes())


def test_a_range_beyond_the_end_is_416(client: Client, folder: Path) -> None:
    size = (folder / NAMES[0]).stat().st_size
    got = client.ask("/" + FIRST, Range=f"bytes={size}-")
    assert (got.status, got.body, got.headers["Content-Range"]) == (416, b"", f"bytes */{size}")


def test_a_part_of_another_version_is_the_whole(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / NAMES[0], tmp_path)
    with LocalVenue(tmp_path) as venue, Client(venue.base) as client:
        etag = client.ask("/" + FIRST, "HEAD").headers["ETag"]
        checksum = client.ask(f"/{FIRST}.CHECKSUM").body
        newer = (folder / NAMES[1]).read_bytes()
        (tmp_path / NAMES[0]).write_bytes(newer)
        got = client.ask("/" + FIRST, Range="bytes=10-", If_Range=etag)
        assert (got.status, got.body) == (200, newer)
        assert got.headers["ETag"] != etag
        assert client.ask(f"/{FIRST}.CHECKSUM").body != checksum
        assert client.ask("/" + FIRST, Range="bytes=10-").status == 206


def test_the_listing_says_what_there_is(client: Client, folder: Path) -> None:
    page = client.page(prefix=PREFIX, delimiter="/")
    found = {name: page.findtext(AWS + name) for name in ("Prefix", "Delimiter", "KeyCount", "MaxKeys", "IsTruncated")}
    assert [*found.values()] == [PREFIX, "/", "6", "1000", "false"]
    assert keys(page) == [PREFIX + name + end for name in NAMES for end in ("", ".CHECKSUM")]
    for entry in page.findall(f"{AWS}Contents"):
        key, etag, size = (entry.findtext(AWS + name) or "" for name in ("Key", "ETag", "Size"))
        head = client.ask(f"/{key}", "HEAD").headers
        assert (head["ETag"], head["Content-Length"]) == (etag, size)
        modified = dt.datetime.fromisoformat(entry.findtext(f"{AWS}LastModified") or "")
        file = folder / key.rpartition("/")[2].removesuffix(".CHECKSUM")
        assert modified.timestamp() == int(file.stat().st_mtime)


@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 6, 7, 1_000])
def test_pages_have_each_key_once(folder: Path, page_size: int) -> None:
    with LocalVenue(folder, page_size=page_size) as venue, Client(venue.base) as client:
        pages = client.pages(prefix=PREFIX)
        assert [keys(page) for page in client.pages(prefix=PREFIX, max_keys=1_000)] == [keys(page) for page in pages]
    found = [key for page in pages for key in keys(page)]
    assert found == [PREFIX + name + end for name in NAMES for end in ("", ".CHECKSUM")]
    assert [len(keys(page)) for page in pages] == [min(page_size, 6 - at) for at in range(0, 6, page_size)]
    assert [page.findtext(f"{AWS}IsTruncated") for page in pages] == ["true"] * (len(pages) - 1) + ["false"]


@pytest.mark.parametrize("size", [1, 2])
def test_folders_are_common_prefixes(client: Client, size: int) -> None:
    assert prefixes(client.page(prefix="data/", delimiter="/")) == ["data/spot/"]
    pages = client.pages(prefix=f"{DAILY}/", delimiter="/", max_keys=size)
    assert [name for page in pages for name in prefixes(page)] == [f"{DAILY}/{symbol}/" for symbol in SYMBOLS]
    assert [name for page in pages for name in keys(page)] == []
    assert len(pages) == 2 // size


def test_a_listing_may_begin_after_a_key(client: Client) -> None:
    assert keys(client.page(prefix=PREFIX, start_after=PREFIX + NAMES[1])) == [
        PREFIX + name for name in (f"{NAMES[1]}.CHECKSUM", NAMES[2], f"{NAMES[2]}.CHECKSUM")
    ]
    assert keys(client.page(prefix="data/futures/")) == []


@pytest.mark.parametrize("query", ["continuation-token=again", "max-keys=many", "max-keys=-1"])
def test_a_listing_that_makes_no_sense_is_400(client: Client, query: str) -> None:
    got = client.ask(f"/?list-type=2&{query}")
    assert (got.status, ET.fromstring(got.body).findtext("Code")) == (400, "InvalidArgument")


@pytest.mark.parametrize("limit", [7, 500, 1_000])
def test_pages_by_id_are_the_trades(client: Client, trades: pl.DataFrame, limit: int) -> None:
    """At both ends of a day, and at the end of the last one."""
    for row in (0, 1, 2_990, trades.height - limit, trades.height - 1):
        first = trades["a"][row]
        got = client.trades(symbol="BTCUSDT", fromId=first, limit=limit)
        assert got == trades.slice(row, limit).to_dicts()
    assert client.trades(symbol="BTCUSDT", fromId=trades["a"][-1] + 1) == []
    assert client.trades(symbol="BTCUSDT", fromId=0, limit=limit) == trades.head(limit).to_dicts()


def test_all_trades_page_by_page(folder: Path, tmp_path: Path, trades: pl.DataFrame) -> None:
    shutil.copy(folder / NAMES[2], tmp_path)
    day = trades.filter(pl.col("T") >= 1_735_689_600_000)
    got: list[dict[str, object]] = []
    with LocalVenue(tmp_path) as venue, Client(venue.base) as client:
        first = 0
        while (page := client.trades(symbol="BTCUSDT", fromId=first, limit=1_000)) and len(got) < day.height:
            got += page
            first = page[-1]["a"] + 1
    assert got == day.to_dicts()


def test_pages_by_time_are_the_trades(client: Client, trades: pl.DataFrame) -> None:
    start, end = trades["T"][2_990], trades["T"][3_090]
    inside = trades.filter(pl.col("T").is_between(start, end))
    asked = {"symbol": "BTCUSDT", "startTime": start, "endTime": end}
    assert inside.height > 99
    assert client.trades(**asked, limit=1_000) == inside.to_dicts()
    assert client.trades(**asked, limit=10) == inside.head(10).to_dicts()
    later = trades.filter(pl.col("T") >= start)
    assert client.trades(symbol="BTCUSDT", startTime=start) == later.head(500).to_dicts()
    until = trades.filter(pl.col("T") <= end)
    assert client.trades(symbol="BTCUSDT", endTime=end) == until.tail(500).to_dicts()
    assert client.trades(symbol="BTCUSDT", limit=3) == trades.tail(3).to_dicts()


def test_microseconds_for_those_who_ask(client: Client, trades: pl.DataFrame) -> None:
    headers = {"X_MBX_TIME_UNIT": "MICROSECOND"}
    row = trades.height - 5
    got = client.trades(symbol="BTCUSDT", fromId=trades["a"][row], headers=headers)
    assert [trade["T"] // 1_000 for trade in got] == trades["T"].tail(5).to_list()
    at = got[0]["T"]
    assert client.trades(symbol="BTCUSDT", startTime=at, endTime=at, headers=headers)[0]["a"] == trades["a"][row]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"symbol": "NOSUCH"}, -1121),
        ({"symbol": "btcusdt"}, -1121),
        ({}, -1102),
        ({"symbol": ""}, -1102),
        ({"symbol": "BTCUSDT", "limit": 1_001}, -1130),
        ({"symbol": "BTCUSDT", "limit": 0}, -1130),
        ({"symbol": "BTCUSDT", "limit": -1}, -1100),
        ({"symbol": "BTCUSDT", "fromId": "1e3"}, -1100),
        ({"symbol": "BTCUSDT", "fromId": 10**30}, -1100),
        ({"symbol": "BTCUSDT", "fromId": 0, "startTime": 0}, -1128),
        ({"symbol": "BTCUSDT", "startTime": 0, "endTime": 3_600_001}, -1127),
    ],
)
def test_errors_have_the_codes_of_the_venue(client: Client, query: dict[str, object], code: int) -> None:
    got = client.ask(f"{REST['spot']}?{urlencode(query)}")
    assert got.status == 400
    assert json.loads(got.body)["code"] == code
    assert json.loads(got.body)["msg"]


def test_each_minute_counts_its_weight(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [59.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    with LocalVenue(folder) as venue, Client(venue.base) as client:

        def used(market: str) -> str:
            return client.ask(f"{REST[market]}?symbol=NOSUCH").headers["X-MBX-USED-WEIGHT-1M"]

        assert [used("spot"), used("spot"), used("um")] == ["4", "8", "28"]
        now[0] = 60.0
        assert used("cm") == "20"


@pytest.mark.parametrize("market", ["um", "cm"])
def test_a_bucket_is_served_as_it_is(tmp_path: Path, trades: pl.DataFrame, market: str) -> None:
    """Also with a month beside its days, whose trades REST has once, and with what is no archive."""
    key = f"data/futures/{market}/daily/aggTrades/BTCUSDT/{NAMES[0]}"
    month = f"data/futures/{market}/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-12.zip"
    other = f"data/futures/{market}/daily/klines/BTCUSDT/BTCUSDT-1m-2024-12-30.zip"
    text = day_text(dt.date(2024, 12, 30), 3_000, 1_000, market)
    for name in (key, month, other):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(zipped({f"{Path(name).stem}.csv": text}))
    with LocalVenue(tmp_path) as venue, Client(venue.base) as client:
        assert keys(client.page()) == sorted([name + end for name in (key, month, other) for end in ("", ".CHECKSUM")])
        assert client.ask("/" + month).body == (tmp_path / month).read_bytes()
        without = trades.drop("M")
        assert client.trades(market, symbol="BTCUSDT", fromId=0, limit=1_000) == without.head(1_000).to_dicts()
        assert client.trades(symbol="BTCUSDT")["code"] == -1121


@pytest.mark.parametrize("until", ["2024-12-30", dt.date(2024, 12, 30)])
def test_archives_that_are_not_published_yet(folder: Path, trades: pl.DataFrame, until: str | dt.date) -> None:
    with LocalVenue(folder, archives_until=until) as venue, Client(venue.base) as client:
        assert keys(client.page(prefix=PREFIX)) == [FIRST, f"{FIRST}.CHECKSUM"]
        assert [client.ask(f"/{PREFIX}{name}").status for name in NAMES] == [200, 404, 404]
        assert client.ask(f"/{PREFIX}{NAMES[1]}.CHECKSUM").status == 404
        assert client.trades(symbol="BTCUSDT", limit=9) == trades.tail(9).to_dicts()


def test_a_month_is_published_when_it_is_over(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / NAMES[0], tmp_path / "BTCUSDT-aggTrades-2024-12.zip")
    key = "data/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-12.zip"
    for until, published in (("2024-12-30", []), ("2024-12-31", [key, f"{key}.CHECKSUM"])):
        with LocalVenue(tmp_path, archives_until=until) as venue, Client(venue.base) as client:
            assert keys(client.page()) == published


def test_files_come_change_and_go(folder: Path, tmp_path: Path, trades: pl.DataFrame) -> None:
    with LocalVenue(tmp_path) as venue, Client(venue.base) as client:
        assert keys(client.page()) == []
        assert client.trades(symbol="BTCUSDT")["code"] == -1121
        shutil.copy(folder / NAMES[0], tmp_path)
        first = client.trades(symbol="BTCUSDT", limit=1)[0]
        shutil.copy(folder / NAMES[2], tmp_path)
        assert client.trades(symbol="BTCUSDT", limit=1) == trades.tail(1).to_dicts()
        assert len(keys(client.page())) == 4
        (tmp_path / NAMES[2]).unlink()
        assert client.trades(symbol="BTCUSDT", limit=1) == [first]
        (tmp_path / NAMES[0]).write_bytes(b"no archive")
        broken = client.ask(f"{REST['spot']}?symbol=BTCUSDT")
        assert broken.status == 500
        assert NAMES[0].encode() in broken.body


def test_files_that_are_no_archives_are_not_served(folder: Path, tmp_path: Path) -> None:
    for name in ("notes.txt", "BTCUSDT-aggTrades-2024-13-01.zip", "BTCUSDT.zip", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / NAMES[1]).mkdir()
    shutil.copy(folder / NAMES[0], tmp_path)
    with LocalVenue(tmp_path) as venue, Client(venue.base) as client:
        assert keys(client.page()) == [FIRST, f"{FIRST}.CHECKSUM"]


def test_every_request_is_logged(folder: Path) -> None:
    with LocalVenue(folder) as venue, Client(venue.base) as client:
        client.ask("/" + FIRST)
        client.ask("/nothing?at=all", "HEAD")
        client.ask("/" + FIRST, Range="bytes=3-")
        assert venue.requests == [
            ("GET", f"/{FIRST}", 200),
            ("HEAD", "/nothing?at=all", 404),
            ("GET", f"/{FIRST}", 206),
        ]
        assert repr(venue) == f"<LocalVenue at {venue.base}, 3 requests>"
    assert repr(venue) == "<LocalVenue at rest, 3 requests>"


def test_many_clients_at_once(venue: LocalVenue, folder: Path) -> None:
    got: list[bytes] = []

    def ask() -> None:
        with Client(venue.base) as client:
            got.extend(client.ask("/" + FIRST).body for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [(folder / NAMES[0]).read_bytes()] * 40


def test_it_ends_whoever_is_still_connected(folder: Path) -> None:
    with LocalVenue(folder) as venue:
        base = venue.base
        name = f"LocalVenue at {base.rpartition(':')[2]}"
        idle = Client(base)
        assert idle.ask("/" + FIRST).status == 200
        silent = Client(base)
        silent.connection.connect()
        assert [thread.name for thread in threading.enumerate()].count(name) >= 2
    assert name not in [thread.name for thread in threading.enumerate()]
    with pytest.raises((http.client.HTTPException, OSError)):
        idle.ask("/" + FIRST)
    with pytest.raises(rb.RangeBarError, match="a venue has an address while it runs"):
        _ = venue.base
    for client in (idle, silent):
        client.connection.close()
    with venue, Client(venue.base) as client:  # it may begin again
        assert client.ask("/" + FIRST, "HEAD").status == 200


def test_a_port_of_ones_own(folder: Path) -> None:
    with LocalVenue(folder) as venue:
        port = int(venue.base.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), LocalVenue(folder, port=port):
            pass
        with pytest.raises(rb.RangeBarError, match=f"runs already, at {venue.base}: make another"):
            venue.__enter__()
    with LocalVenue(folder, port=port) as venue:
        assert venue.base == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"folder": "no/such/folder"}, "`folder` must be a folder of archives, got 'no/such/folder'"),
        ({"port": -1}, r"`port` must be an integer in 0\.\.65535, got -1"),
        ({"page_size": 0}, r"`page_size` must be an integer in 1\.\.1000, got 0"),
        ({"page_size": 1_001}, "`page_size` must be"),
        ({"archives_until": "January"}, "`archives_until` must be a day, such as 2024-01-31, got 'January'"),
        ({"archives_until": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}, "`archives_until` must be a day"),
        ({"archives_until": 20240101}, "`archives_until` must be a day"),
    ],
)
def test_arguments_are_checked(folder: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(rb.RangeBarError, match=text):
        LocalVenue(**{"folder": folder} | options)
