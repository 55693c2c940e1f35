"""A folder of archives as the bucket of a venue: its keys, what they hold, and the pages of its listing."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import md5, sha256
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Archive", "Bucket", "listing", "refusal"]

_NAME: Final = re.compile(r"(?P<symbol>.+)-(?P<kind>\w+)-(?P<month>\d{4}-\d\d)(?P<day>-\d\d)?\.zip")
_CHECKSUM: Final = ".CHECKSUM"
_XML: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"


class Archive(NamedTuple):
    """What the name of an archive says."""

    symbol: str
    kind: str
    is_daily: bool
    last_day: dt.date

    @classmethod
    def named(cls, name: str) -> Archive | None:
        """Nothing if no archive has such a name."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        try:
            day = dt.date.fromisoformat(found["month"] + (found["day"] or "-01"))
        except ValueError:
            return None
        last = day if found["day"] else day.replace(day=calendar.monthrange(day.year, day.month)[1])
        return cls(found["symbol"], found["kind"], found["day"] is not None, last)


class Stored(NamedTuple):
    """An object of the bucket."""

    body: bytes
    etag: str


class Bucket:
    """
    The keys of a folder, which is looked at anew every time: files may come, change and go.

    A folder with a folder `data` is a bucket already. Otherwise its zips are archives of spot trades, and get the keys
    that these have at the venue.
    """

    def __init__(self, folder: Path, until: dt.date | None) -> None:
        self._folder = folder
        self._until = until

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file with its key, whether it is published or not."""
        if (self._folder / "data").is_dir():
            for file in (self._folder / "data").rglob("*"):
                if file.is_file():
                    yield file.relative_to(self._folder).as_posix(), file
            return
        for file in self._folder.iterdir():
            archive = Archive.named(file.name.removesuffix(_CHECKSUM))
            if archive is not None and file.is_file():
                span = "daily" if archive.is_daily else "monthly"
                yield f"data/spot/{span}/{archive.kind}/{archive.symbol}/{file.name}", file

    def published(self) -> dict[str, Path]:
        """The keys in their order. The checksum of an archive that has none is that archive."""
        keys = {key: file for key, file in self.files() if self._is_published(key)}
        for key, file in [*keys.items()]:
            if key.endswith(".zip"):
                keys.setdefault(key + _CHECKSUM, file)
        return dict(sorted(keys.items()))

    def _is_published(self, key: str) -> bool:
        archive = Archive.named(key.rpartition("/")[2].removesuffix(_CHECKSUM))
        return self._until is None or archive is None or archive.last_day <= self._until

    def get(self, key: str) -> Stored | None:
        """What a key holds, if there is such a key."""
        file = self.published().get(key)
        return None if file is None else stored(key, file)


def stored(key: str, file: Path) -> Stored:
    """The object of a key."""
    checksum = _computed_checksum(key, file)
    if checksum is None:
        return Stored(file.read_bytes(), _digests(file)[0])
    return Stored(checksum, md5(checksum, usedforsecurity=False).hexdigest())


def _computed_checksum(key: str, file: Path) -> bytes | None:
    """The text beside an archive. Nothing if the key is a file."""
    is_file = not key.endswith(_CHECKSUM) or file.name.endswith(_CHECKSUM)
    return None if is_file else f"{_digests(file)[1]}  {file.name}\n".encode()


def _digests(file: Path) -> tuple[str, str]:
    about = file.stat()
    return _computed_digests(file, about.st_mtime_ns, about.st_size, about.st_ino)


@lru_cache(maxsize=65_536)
def _computed_digests(file: Path, *_version: int) -> tuple[str, str]:
    """MD5, which is the ETag, and SHA-256 of this version of a file."""
    body = file.read_bytes()
    return md5(body, usedforsecurity=False).hexdigest(), sha256(body).hexdigest()


def listing(bucket: Bucket, query: Mapping[str, str], page_size: int) -> str | None:
    """One page of ListObjectsV2. Nothing if the query cannot be understood."""
    prefix, delimiter, token = (query.get(name, "") for name in ("prefix", "delimiter", "continuation-token"))
    try:
        most = min(int(query.get("max-keys", page_size)), page_size)
        after = urlsafe_b64decode(token.encode("ascii")).decode()
    except ValueError:
        return None
    if most < 0:
        return None
    files = {key: file for key, file in bucket.published().items() if key.startswith(prefix)}
    entries = {_entry(key, prefix, delimiter): None for key in files if key > query.get("start-after", "")}
    left = [entry for entry in entries if entry > after]
    page, is_cut = left[:most], 0 < most < len(left)
    parts = [_tag("Name", "data"), _tag("Prefix", prefix), _tag("KeyCount", len(page)), _tag("MaxKeys", most)]
    parts += [_tag("Delimiter", delimiter)] * bool(delimiter) + [_tag("ContinuationToken", token)] * bool(token)
    parts.append(_tag("IsTruncated", str(is_cut).lower()))
    if is_cut:
        parts.append(_tag("NextContinuationToken", urlsafe_b64encode(page[-1].encode()).decode()))
    for entry in page:
        parts.append(_contents(entry, files[entry]) if entry in files else _common_prefix(entry))
    return f'{_XML}<ListBucketResult xmlns="{_NAMESPACE}">{"".join(parts)}</ListBucketResult>'


def refusal(code: str, key: str) -> str:
    """What S3 answers where there is nothing to answer."""
    return f"{_XML}<Error>{_tag('Code', code)}{_tag('Key', key)}</Error>"


def _entry(key: str, prefix: str, delimiter: str) -> str:
    """What stands for a key: itself, or what it has in common with others up to the delimiter."""
    head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
    return f"{prefix}{head}{found}" if found else key


def _contents(key: str, file: Path) -> str:
    checksum = _computed_checksum(key, file)
    about = file.stat()
    etag = _digests(file)[0] if checksum is None else stored(key, file).etag
    modified = dt.datetime.fromtimestamp(about.st_mtime, dt.UTC)
    tags: dict[str, str | int] = {
        "Key": key,
        "LastModified": f"{modified:%Y-%m-%dT%H:%M:%S}.000Z",
        "ETag": f'"{etag}"',
        "Size": about.st_size if checksum is None else len(checksum),
        "StorageClass": "STANDARD",
    }
    return f"<Contents>{''.join(_tag(*item) for item in tags.items())}</Contents>"


def _common_prefix(entry: str) -> str:
    return f"<CommonPrefixes>{_tag('Prefix', entry)}</CommonPrefixes>"


def _tag(name: str, value: str | int) -> str:
    return f"<{name}>{escape(str(value), quote=False)}</{name}>"
