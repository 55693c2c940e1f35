"""Contract of the venue that fails on purpose: each fault is what it is called, as often as it was asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
import http.client
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

import rangebar_polars as rb
from tests import _faulty_venue as faulty
from tests._faulty_venue import ARCHIVE, CHECKSUM, LISTING, REST, FaultyVenue, write_days

NAME = "BTCUSDT-aggTrades-2024-01-02.zip"
PATH = f"/data/spot/daily/aggTrades/BTCUSDT/{NAME}"
LIST, TRADES = "/?list-type=2&prefix=data/", "/api/v3/aggTrades?symbol=BTCUSDT&fromId=1000&limit=9"


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[FaultyVenue]:
    write_days(tmp_path, start=dt.date(2024, 1, 1))
    with FaultyVenue(tmp_path, page_size=4) as venue:
        yield venue


@pytest.fixture
def archive(tmp_path: Path, venue: FaultyVenue) -> Path:
    assert repr(venue).startswith("<LocalVenue at")
    return tmp_path / NAME


@pytest.fixture
def content(archive: Path) -> bytes:
    return archive.read_bytes()


def ask(venue: FaultyVenue, path: str = PATH, *, timeout: float = 10, **headers: str) -> tuple[int, Message, bytes]:
    connection = http.client.HTTPConnection(urlsplit(venue.base).netloc, timeout=timeout)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_the_trades_are_valid_and_continuous(venue: FaultyVenue, tmp_path: Path) -> None:
    trades = rb.scan_binance(tmp_path).collect()
    assert trades["agg_trade_id"].to_list() == [*range(1_000, 5_500)]
    assert trades["timestamp"].is_sorted()
    per_day = trades.group_by(pl.col("timestamp").dt.date(), maintain_order=True).len()
    assert per_day.rows() == [(dt.date(2024, 1, day), 1_500) for day in (1, 2, 3)]
    assert trades.rangebar.bars(25).height > 100
    assert venue.left == []


def test_faults_happen_in_their_order_and_so_often(venue: FaultyVenue, content: bytes) -> None:
    happened: list[str] = []
    venue.fails("01-02" + ARCHIVE, faulty.status(500), times=2, then=lambda: happened.append("500"))
    venue.fails("01-02" + ARCHIVE, faulty.LIMIT)
    venue.fails("01-03" + ARCHIVE, faulty.status(404), times=None)
    assert venue.left == ["01-02" + ARCHIVE, "01-02" + ARCHIVE, "01-03" + ARCHIVE]
    assert [ask(venue)[0] for _ in range(4)] == [500, 500, 429, 200]
    assert happened == ["500", "500"]
    third = PATH.replace("01-02", "01-03")
    assert venue.left == ["01-03" + ARCHIVE]
    assert [ask(venue, third)[0] for _ in range(3)] == [404] * 3
    assert venue.left == []
    assert ask(venue)[2] == content
    assert venue.asked("01-02" + ARCHIVE) == [500, 500, 429, 200, 200]
    assert ask(venue, PATH + ".CHECKSUM")[0] == 200
    venue.heals()
    assert ask(venue, third)[0] == 200


def test_a_limit_says_when_to_come_back(venue: FaultyVenue) -> None:
    venue.fails(REST, faulty.BAN)
    status, headers, body = ask(venue, TRADES)
    assert (status, headers["Retry-After"], json.loads(body)["code"]) == (418, "0", -1003)


def test_a_body_is_cut(venue: FaultyVenue, content: bytes) -> None:
    venue.fails(ARCHIVE, faulty.cut(100))
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(venue)
    assert cut.value.partial == content[:100]
    assert cut.value.expected == len(content) - 100
    assert ask(venue, Range="bytes=100-")[2] == content[100:]
    assert venue.ranges == [(PATH, "bytes=100-")]


def test_a_body_stalls_until_the_client_hangs_up_or_the_venue_ends(tmp_path: Path) -> None:
    write_days(tmp_path, start=dt.date(2024, 1, 1))
    with FaultyVenue(tmp_path) as venue:
        venue.fails(ARCHIVE, faulty.stalled(100), times=2)
        with pytest.raises(TimeoutError):
            ask(venue, timeout=0.03)
        connection = http.client.HTTPConnection(urlsplit(venue.base).netloc, timeout=10)
        connection.request("GET", PATH)
        answer = connection.getresponse()
        assert len(answer.read(100)) == 100
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()
    answer.close()


def test_a_redirect_leads_on_or_nowhere(venue: FaultyVenue, content: bytes) -> None:
    venue.fails(ARCHIVE, faulty.moved())
    status, headers, _ = ask(venue)
    assert status == 302
    assert headers["Location"] != PATH
    assert ask(venue, headers["Location"])[2] == content
    venue.fails(ARCHIVE, faulty.moved(loop=True), times=None)
    status, headers, _ = ask(venue)
    assert (status, headers["Location"]) == (302, PATH)


def test_a_range_is_ignored(venue: FaultyVenue, content: bytes) -> None:
    venue.fails(ARCHIVE, faulty.ignored_range())
    assert ask(venue, Range="bytes=100-")[::2] == (200, content)
    assert ask(venue, Range="bytes=100-")[::2] == (206, content[100:])


def test_a_condition_is_ignored(venue: FaultyVenue, content: bytes) -> None:
    venue.fails(ARCHIVE, faulty.ignored_condition())
    assert ask(venue, Range="bytes=100-", If_Range='"another"')[::2] == (206, content[100:])
    assert ask(venue, Range="bytes=100-", If_Range='"another"')[::2] == (200, content)


@pytest.mark.parametrize("fault", [faulty.HTML, faulty.EMPTY, faulty.body(b"0" * 64)])
def test_another_body_comes_with_200(venue: FaultyVenue, fault: faulty.Fault) -> None:
    venue.fails(CHECKSUM, fault)
    status, headers, body = ask(venue, PATH + ".CHECKSUM")
    assert status == 200
    assert headers["Content-Length"] == str(len(body))
    assert NAME.encode() not in body


@pytest.mark.parametrize("change", [faulty.corrupt, lambda _: faulty.bomb(NAME.replace("zip", "csv"))])
def test_another_archive_has_its_own_checksum(
    venue: FaultyVenue, archive: Path, change: Callable[[bytes], bytes]
) -> None:
    content = archive.read_bytes()
    other = change(content)
    etag = ask(venue)[1]["ETag"]
    with venue.replaced(NAME, other):
        status, headers, body = ask(venue)
        assert (status, body) == (200, other)
        assert headers["ETag"] != etag
        assert ask(venue, PATH + ".CHECKSUM")[2].decode() == f"{hashlib.sha256(other).hexdigest()}  {NAME}\n"
        with pytest.raises(rb.RangeBarError):
            rb.scan_binance(archive).collect()
    assert ask(venue)[2] == content


def test_a_bomb_is_small_until_it_is_unpacked() -> None:
    archive = faulty.bomb("a.csv", 10_000_000)
    assert len(archive) < 20_000
    assert len(zipfile.ZipFile(io.BytesIO(archive)).read("a.csv")) == 10_000_000


def test_a_listing_may_lack_the_checksums(venue: FaultyVenue) -> None:
    venue.fails(LISTING, faulty.without_checksums())
    found = re.findall(rb"<Key>([^<]+)</Key>", ask(venue, LIST)[2])
    assert len(found) == 2
    assert all(key.endswith(b".zip") for key in found)


def test_a_listing_may_begin_again_and_again(venue: FaultyVenue) -> None:
    venue.fails(LISTING, faulty.repeated_token(), times=None)
    first = ask(venue, LIST)[2]
    [token] = re.findall(rb"<NextContinuationToken>([^<]+)<", first)
    status, _, second = ask(venue, f"{LIST}&continuation-token={token.decode()}")
    assert status == 200
    assert token in second
    assert re.findall(rb"<Key>[^<]+", second) == re.findall(rb"<Key>[^<]+", first)


def test_a_page_of_trades_is_changed(venue: FaultyVenue) -> None:
    venue.fails(REST, faulty.page(lambda trades: trades[3:]))
    venue.fails(REST, faulty.page(lambda trades: [trade | {"p": "abc"} for trade in trades]))
    venue.fails(REST, faulty.page(lambda trades: [*reversed(trades)]))
    venue.fails(REST, faulty.BAD_JSON)
    venue.fails(REST, faulty.INVALID_SYMBOL)
    venue.fails(REST, faulty.slow(0.001))
    pages = [ask(venue, TRADES) for _ in range(6)]
    assert [page[0] for page in pages] == [200, 200, 200, 200, 400, 200]
    late, text, backwards = (json.loads(page[2]) for page in pages[:3])
    right = json.loads(pages[5][2])
    assert (late, backwards) == (right[3:], right[::-1])
    assert text[0]["p"] == "abc"
    with pytest.raises(json.JSONDecodeError):
        json.loads(pages[3][2])
    assert json.loads(pages[4][2])["code"] == -1121
