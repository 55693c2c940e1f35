"""Contract layer: whatever a venue does, a lake is what it was or what it should be, and the error tells what to do."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import rangebar_polars as rb
from tests import _faulty_venue as faulty
from tests._faulty_venue import ARCHIVE, CHECKSUM, LISTING, FaultyVenue
from tests._fetches import fetched, left, trades_files, unit

DAY = "2024-01-02"
NAME = f"BTCUSDT-aggTrades-{DAY}.zip"
MEMBER = NAME.replace("zip", "csv")
ONE = DAY + ARCHIVE
CHECKED = DAY + r"\.zip" + CHECKSUM

LIMIT = faulty.status(429, "slow down")
BAN = faulty.status(418, "go away")
OLDER = faulty.body(b"0" * 64 + b"  " + NAME.encode())


def with_headers(**headers: str) -> faulty.Fault:
    """Other headers on the same answer."""
    about = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _asked, answer: dataclasses.replace(answer, headers={**answer.headers, **about})


def both(first: faulty.Fault, second: faulty.Fault) -> faulty.Fault:
    """One fault of what another one made."""
    return lambda asked, answer: second(asked, first(asked, answer))


PASSING: dict[str, list[tuple[str, faulty.Fault, int]]] = {
    "500 for an archive": [(ONE, faulty.status(500), 3)],
    "503 for all": [(ARCHIVE, faulty.status(503, Retry_After="0"), 3)],
    "502 for a listing": [(LISTING, faulty.status(502), 3)],
    "500 for a checksum": [(CHECKED, faulty.status(500), 3)],
    "429 with Retry-After": [(ONE, faulty.LIMIT, 3)],
    "429 with a date": [(ONE, faulty.status(429, Retry_After="Mon, 01 Jan 2024 00:00:00 GMT"), 2)],
    "429 without": [(ONE, LIMIT, 3)],
    "429 for a listing": [(LISTING, LIMIT, 2)],
    "418 with Retry-After": [(ONE, faulty.BAN, 3)],
    "418 without": [(CHECKED, BAN, 2)],
    "cut at once": [(ONE, faulty.cut(0), 2)],
    "cut": [(ONE, faulty.cut(1_000), 2)],
    "cut checksum": [(CHECKED, faulty.cut(10), 2)],
    "cut listing": [(LISTING, faulty.cut(100), 2)],
    "stalled": [(ONE, faulty.stalled(1_000), 1)],
    "stalled listing": [(LISTING, faulty.stalled(50), 1)],
    "stalled checksum": [(CHECKED, faulty.stalled(0), 1)],
    "redirected archive": [(ONE, faulty.moved(), 1)],
    "redirected listing": [(LISTING, faulty.moved(), 2)],
    "redirected checksum": [(CHECKED, faulty.moved(), 1)],
    "Range ignored": [(ONE, faulty.stalled(1_000), 1), (ONE, faulty.ignored_range(), 1)],
    "another part": [(ONE, faulty.stalled(1_000), 1), (ONE, with_headers(Content_Range="bytes 7-9/10"), 1)],
    "no part": [(ONE, faulty.stalled(1_000), 1), (ONE, with_headers(Content_Range="lines 1-2"), 1)],
    "416": [(ONE, faulty.stalled(1_000), 1), (ONE, faulty.status(416), 1)],
    "ETag changed": [(ONE, both(with_headers(ETag='"old"'), faulty.stalled(1_000)), 1)],
    "ETag changed, If-Range ignored": [
        (ONE, both(with_headers(ETag='"old"'), faulty.stalled(1_000)), 1),
        (ONE, faulty.ignored_condition(), 1),
    ],
    "part of another version": [(ONE, faulty.stalled(1_000), 1), (ONE, with_headers(ETag='"new"'), 1)],
    "checksum of an older upload": [(CHECKED, OLDER, 1)],
    "altered on its way": [(ONE, faulty.edited(faulty.corrupt), 1)],
}
"""What passes: which requests fail, how, and how often."""

LASTING: dict[str, tuple[str, faulty.Fault, tuple[str, ...]]] = {
    "404": (ONE, faulty.status(404), (r"is not there \(404\)", "try again later")),
    "500": (ONE, faulty.status(500), ("the server answers 500 Internal Server Error, 4 times", "try again later")),
    "500 for a checksum": (CHECKED, faulty.status(500), (r"CHECKSUM: the server answers 500", "try again later")),
    "403": (ONE, faulty.status(403, "no"), (r"is refused, 403 Forbidden \(no\)", "another `base`")),
    "cut": (ONE, faulty.cut(0), ("4 times", "try again later")),
    "stalled": (ONE, faulty.stalled(0), ("4 times", "try again later")),
    "429": (ONE, LIMIT, ("429 to too many requests", "try again later")),
    "ban of an hour": (ONE, faulty.status(418, Retry_After="3600"), (r"does not answer .* \(418\)", "wait until then")),
    "503 for ever": (ONE, faulty.status(503, Retry_After="9" * 30), (r"before 20\d\d-.* \(503\)", "wait until then")),
    "redirect loop": (ONE, faulty.moved(loop=True), ("4 times", "try again later")),
    "redirect to nowhere": (ONE, faulty.status(302, Location="http://127.0.0.1:1/x"), ("4 times", "try again later")),
    "checksum missing": (CHECKED, faulty.status(404), ("publishes no checksum", 'checksums="if_present"')),
    "checksum wrong": (CHECKED, OLDER, (r"has the SHA-256 [0-9a-f]{64}, twice, and the venue publishes 0", "accept=")),
    "checksum garbage": (CHECKED, faulty.body(b"\xff\xfe nothing"), ("is no checksum of", "accept=")),
    "checksum empty": (CHECKED, faulty.EMPTY, ("is no checksum of", "try again later")),
    "checksum of another": (CHECKED, faulty.body(b"0" * 64 + b"  ETHUSDT.zip"), ("is no checksum of", "accept=")),
    "checksum a page": (CHECKED, faulty.HTML, ("is no checksum of", "DOCTYPE", "accept=")),
    "archive a page": (ONE, faulty.HTML, ("has 90 bytes, the listing says", "try again later")),
    "archive empty": (ONE, faulty.EMPTY, ("has 0 bytes, the listing says", "try again later")),
    "altered on its way": (ONE, faulty.edited(faulty.corrupt), (r"has the SHA-256 [0-9a-f]{64}, twice", "accept=")),
    "too long": (ONE, faulty.edited(lambda body: body + b"0"), ("bytes, the listing says", "try again later")),
}
"""What does not pass: which requests fail, how, and what the error says."""

LISTINGS: dict[str, tuple[faulty.Fault, tuple[str, ...]]] = {
    "no XML": (faulty.body(b"no"), ("is no XML", "try again later, or give another `base`")),
    "truncated": (faulty.edited(lambda body: body[:-40]), ("is no XML", "try again later, or give another `base`")),
    "a page": (faulty.HTML, ("is no XML|answers <html>", "try again later")),
    "empty": (faulty.EMPTY, ("is no XML", "'nothing'", "try again later")),
    "404": (faulty.status(404), ("is no XML", "try again later")),
    "an error": (faulty.body(b"<Error><Code>AccessDenied</Code></Error>"), ("answers <Error>", "try again later")),
    "its token again": (faulty.repeated_token(), ("has no end", "try again later")),
    "no token": (
        faulty.edited(lambda body: body.replace(b">false</IsTruncated>", b">true</IsTruncated>")),
        ("has no end", "try again later"),
    ),
    "500": (faulty.status(500), ("the server answers 500 Internal Server Error, 4 times", "try again later")),
    "nothing in it": (
        faulty.edited(lambda body: re.sub(rb"<Contents>.*</Contents>", b"", body)),
        ("binance-spot has no archives of aggTrades of 'BTCUSDT'", "is it the venue's name for it"),
    ),
}


def told(root: Path, venue: FaultyVenue, **options: object) -> rb.FetchError:
    """The error of a fetch that cannot get all."""
    with pytest.raises(rb.FetchError) as caught:
        fetched(root, venue, **options)
    return caught.value


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_leaves_no_trace(name: str, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]) -> None:
    for pattern, fault, times in PASSING[name]:
        venue.fails(pattern, fault, times=times)
    report = fetched(tmp_path / "lake", venue)
    assert venue.left == []
    assert trades_files(tmp_path / "lake") == right
    assert left(tmp_path / "lake") == []
    assert (len(report.added), report.files, report.rows, report.failed) == (3, 3, 900, {})


@pytest.mark.parametrize("name", LASTING)
def test_what_does_not_pass_costs_its_day_and_no_other(
    name: str, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    pattern, fault, words = LASTING[name]
    venue.fails(pattern, fault, times=None)
    error = told(tmp_path / "lake", venue)
    assert venue.left == []
    assert [*error.report.failed] == [NAME]
    assert str(error).startswith(f"1 thing could not be fetched, 2 days were added: {NAME}: ")
    for word in words:
        assert re.search(word, str(error)), str(error)
    assert trades_files(tmp_path / "lake") == {key: data for key, data in right.items() if DAY not in key}
    venue.heals()
    report = fetched(tmp_path / "lake", venue)
    assert (report.added, len(report.unchanged)) == ([unit(DAY)], 2)
    assert trades_files(tmp_path / "lake") == right
    assert left(tmp_path / "lake") == []


@pytest.mark.parametrize("name", ["404", "500", "cut", "checksum wrong", "archive a page", "altered on its way"])
def test_what_is_there_stays_when_its_new_version_fails(name: str, archives: Path, tmp_path: Path) -> None:
    """A day that is in the lake is not given up for an archive that cannot be read."""
    pattern, fault, _ = LASTING[name]
    folder, root = tmp_path / "zips", tmp_path / "lake"
    folder.mkdir()
    for file in archives.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    with FaultyVenue(folder) as venue:
        fetched(root, venue)
        before = trades_files(root)
        other = faulty.zipped({MEMBER: faulty.day_text(unit(DAY)[2], 200, 1_300)})
        with venue.replaced(NAME, other):
            venue.fails(pattern, fault, times=None)
            assert [*told(root, venue).report.failed] == [NAME]
        assert trades_files(root) == before
        venue.heals()
        assert fetched(root, venue).added == []
        assert trades_files(root) == before
        assert left(root) == []


@pytest.mark.parametrize("name", LISTINGS)
def test_without_a_listing_nothing_is_fetched(
    name: str, venue: FaultyVenue, tmp_path: Path, right: dict[str, bytes]
) -> None:
    fault, words = LISTINGS[name]
    venue.fails(LISTING, fault, times=None)
    error = told(tmp_path / "lake", venue)
    assert venue.left == []
    assert str(error).startswith("1 thing could not be fetched, nothing was added: BTCUSDT: ")
    for word in words:
        assert re.search(word, str(error)), str(error)
    assert trades_files(tmp_path / "lake") == {}
    venue.heals()
    fetched(tmp_path / "lake", venue)
    assert trades_files(tmp_path / "lake") == right
    assert left(tmp_path / "lake") == []


def other_day() -> bytes:
    return faulty.zipped({MEMBER: faulty.day_text(unit("2024-01-03")[2], 300, 1_300)})


def other_symbol() -> bytes:
    member = MEMBER.replace("BTCUSDT", "ETHUSDT")
    return faulty.zipped({member: faulty.day_text(unit(DAY)[2], 300, 1_300)})


def changed(old: bytes, new: bytes) -> bytes:
    text = faulty.day_text(unit(DAY)[2], 300, 1_300)
    assert text.count(old) == 1
    return faulty.zipped({MEMBER: text.replace(old, new)})


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"PK nothing", f"{NAME} is no zip, or is cut off"),
    "corrupt": (lambda: faulty.corrupt(other_day()), "is damaged or cut off"),
    "cut off": (lambda: other_day()[:-100], "is no zip, or is cut off"),
    "a bomb": (lambda: faulty.bomb(MEMBER, 20_000_000), "would grow from .* to 20,000,000 bytes"),
    "no member": (lambda: faulty.zipped({}), f"holds nothing, where {MEMBER} alone should be"),
    "another member": (
        lambda: faulty.zipped({"../../x.csv": faulty.day_text(unit(DAY)[2], 30, 1_300)}),
        "../../x.csv`, where",
    ),
    "two members": (lambda: faulty.zipped({MEMBER: b"1\n", "b.csv": b"1\n"}), "`b.csv`, where"),
    "another day": (other_day, "holds trades of another day"),
    "another symbol": (other_symbol, f"holds `ETHUSDT-.*`, where {MEMBER} alone should be"),
    "a row that is none": (lambda: changed(b"1301,", b"abc,"), f"{NAME}, line 2: the row cannot be read"),
    "an id twice": (lambda: changed(b"\n1301,", b"\n1300,"), "line 2: the row has the id of the one before it"),
    "no trades": (lambda: faulty.zipped({MEMBER: b""}), f"{NAME} is empty"),
}
"""Archives that are published so, with their checksums."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_archive_costs_its_day_and_no_other(
    name: str, archives: Path, tmp_path: Path, right: dict[str, bytes]
) -> None:
    content, words = WRONG[name]
    folder, root = tmp_path / "zips", tmp_path / "lake"
    folder.mkdir()
    for file in archives.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    with FaultyVenue(folder) as venue:
        with venue.replaced(NAME, content()):
            error = told(root, venue)
            assert [*error.report.failed] == [NAME]
            assert re.search(words, str(error)), str(error)
            assert "wait until it is published anew, or add its days from elsewhere" in str(error)
            assert trades_files(root) == {key: data for key, data in right.items() if DAY not in key}
            assert left(root) == []
        fetched(root, venue)
    assert trades_files(root) == right
    assert left(root) == []
