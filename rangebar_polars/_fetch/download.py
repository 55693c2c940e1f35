"""An archive onto the disk: whole and checked, or in part and gone on with the next time."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rangebar_polars._common.messages import cut, shown
from rangebar_polars._fetch.http import Client, UnreachableError, VenueError
from rangebar_polars._fetch.venues import Archive, Venue

__all__ = ["MissingArchiveError", "download", "forget", "published_checksum"]

_PART: Final = 1 << 18
"""Bytes that are written at a time."""


class MissingArchiveError(VenueError):
    """An archive that is not there."""


_HEX: Final = re.compile(r"([0-9a-fA-F]{64})(?:\s+\*?(\S+))?\s*")
"""What a checksum file has: the digest and the name of the file."""


async def published_checksum(client: Client, venue: Venue, archive: Archive) -> str | None:
    """The SHA-256 that the venue publishes beside an archive; None if there is none."""
    if venue.checksums is None:
        return None
    url = f"{venue.archives}/{archive.key}{venue.checksums}"
    text = await client.text(url)
    if text is None:
        return None
    match = _HEX.fullmatch(text.strip())
    if match is None or match[2] not in (None, archive.name):
        msg = (
            f"{url} is no checksum of {archive.name}, but {shown(cut(text))}: try again later, or pass "
            f"accept={{{archive.name!r}: ...}} with the SHA-256 that you trust"
        )
        raise VenueError(msg)
    return match[1].lower()


async def download(
    client: Client,
    venue: Venue,
    archive: Archive,
    folder: Path,
    *,
    progress: Callable[[int], object],
) -> tuple[Path, str, str | None]:
    """
    Download an archive; returns its file, its SHA-256 and its tag.

    What was read before, by this process or another one, is gone on with, if the file at the venue is still the same.
    `progress` is told how many bytes are there. An archive that the venue does not have is an error.
    """
    url, part = f"{venue.archives}/{archive.key}", folder / f"{archive.name}.part"
    most = _held(part)[0]
    while True:
        try:
            tag = await client.tried(url, lambda: _once(client, url, part, archive, progress))
            break
        except UnreachableError:
            # A long download that is cut again and again gets to its end, as long as it gets on.
            if (there := _held(part)[0]) <= most:
                raise
            most = there
    digest = await asyncio.to_thread(_sha256, part)
    return part, digest, tag


def forget(part: Path) -> None:
    """Remove a download, and what is known about it."""
    for file in (part, _tag_file(part)):
        file.unlink(missing_ok=True)


async def _once(
    client: Client, url: str, part: Path, archive: Archive, progress: Callable[[int], object]
) -> str | None:
    """Read what is missing of a file; an error if less comes than was said."""
    there, tag = _held(part)
    if archive.etag is not None and tag is not None and tag != archive.etag:
        there = 0  # another file has been published since
    if there and there == archive.size:
        progress(there)
        return tag
    headers = {"Range": f"bytes={there}-", "If-Range": f'"{tag}"'} if there and tag else {}
    async with client.answer(url, headers=headers) as answer:
        if answer.status == 404:  # noqa: PLR2004
            msg = f"{url} is not there (404): try again later"
            raise MissingArchiveError(msg)
        try:
            body = _body(answer, there, tag)
        except ConnectionError:
            forget(part)
            raise
        if archive.size is not None and body.size not in (None, archive.size):
            forget(part)
            msg = f"{url} has {body.size:,} bytes, the listing says {archive.size:,}: try again later"
            raise VenueError(msg)
        wanted = archive.size if body.size is None else body.size
        size = await _write(answer, part, replace(body, size=wanted), progress)
    if wanted is not None and size > wanted:
        forget(part)
        msg = f"the server sends more than the {wanted:,} bytes that there are"
        raise ConnectionError(msg)
    if wanted is not None and size < wanted:
        msg = f"the connection ended after {size:,} of {wanted:,} bytes"
        raise ConnectionError(msg)
    return body.tag


@dataclass(frozen=True)
class _Body:
    """What an answer has: the bytes from one on of a file of some size, with a tag."""

    begin: int
    size: int | None
    tag: str | None


def _body(answer: Any, there: int, tag: str | None) -> _Body:  # noqa: ANN401  (aiohttp may be absent)
    """What an answer has, behind what is there; an error if that is another part, or one of another file."""
    got = answer.headers.get("ETag", "").removeprefix("W/").strip('"') or None
    if answer.status == 416:  # noqa: PLR2004
        raise ConnectionError("the server has less of the file than was read before")
    if answer.status != 206:  # noqa: PLR2004
        return _Body(0, _length(answer.headers), got)
    begin, size = _range(answer.headers.get("Content-Range", ""))
    if begin != there:
        raise ConnectionError("the server answers with another part of the file than was asked for")
    if (got or tag) != tag:
        raise ConnectionError("the server answers with a part of another file than was begun")
    return _Body(there, size, tag)


async def _write(
    answer: Any,  # noqa: ANN401  (aiohttp may be absent)
    part: Path,
    body: _Body,
    progress: Callable[[int], object],
) -> int:
    """Write an answer behind what is there; returns how much there is then, at most a little too much."""
    there = body.begin
    if not there:
        part.parent.mkdir(parents=True, exist_ok=True)
        forget(part)
        # Without a tag it could not be told later whether the rest is of the same file.
        if body.tag is not None:
            _tag_file(part).write_text(body.tag, encoding="utf-8")
    with part.open("r+b" if there else "wb") as file:
        file.truncate(there)
        file.seek(there)
        async for some in answer.content.iter_chunked(_PART):
            await asyncio.to_thread(file.write, some)
            there += len(some)
            progress(there)
            if body.size is not None and there > body.size:
                break
    return there


def _held(part: Path) -> tuple[int, str | None]:
    """How much there is of a file, and of which; of an unknown one, nothing can be gone on with."""
    try:
        return _size(part), _tag_file(part).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return 0, None


def _size(file: Path) -> int:
    return file.stat().st_size


def _tag_file(part: Path) -> Path:
    return part.with_suffix(".etag")


def _range(text: str) -> tuple[int | None, int | None]:
    """Where a part of a file begins, and how long the file is."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text.strip())
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2].isdigit() else None


def _length(headers: Any) -> int | None:  # noqa: ANN401
    text = headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
