"""How to fetch: what a user asks for, checked."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_choice
from rangebar_polars._fetch.venues import KINDS, Venue, venue_named
from rangebar_polars._lake.merge import OnConflict
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Checksums", "Fetch", "asked"]

Checksums: TypeAlias = Literal["require", "if_present"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Fetch:
    """How to fetch."""

    venue: Venue
    kind: str
    checksums: Checksums
    accept: Mapping[str, str]
    rest: bool
    concurrency: int
    keep_archives: Path | None
    on_conflict: OnConflict
    lock_seconds: float
    now: dt.datetime


def asked(
    *,
    venue: str,
    kind: str = "aggTrades",
    base: str | None = None,
    checksums: Checksums = "require",
    accept: Mapping[str, str] | None = None,
    rest: bool = True,
    concurrency: int = 4,
    keep_archives: str | os.PathLike[str] | None = None,
    on_conflict: OnConflict = "error",
    lock_seconds: float = 60.0,
) -> Fetch:
    """How to fetch, checked."""
    check_choice("kind", kind, KINDS)
    check_choice("checksums", checksums, ("require", "if_present"))
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
        msg = f"`concurrency` must be a number above 0, got {shown(concurrency)}"
        raise RangeBarError(msg)
    if keep_archives is not None and not isinstance(keep_archives, str | os.PathLike):
        msg = f"`keep_archives` must name a folder, got {shown(keep_archives)}"
        raise RangeBarError(msg)
    return Fetch(
        venue=venue_named(venue).at(base),
        kind=kind,
        checksums=checksums,
        accept=_digests({} if accept is None else accept),
        rest=rest,
        concurrency=concurrency,
        keep_archives=None if keep_archives is None else Path(keep_archives).expanduser(),
        on_conflict=on_conflict,
        lock_seconds=lock_seconds,
        now=dt.datetime.now(dt.UTC),
    )


def _digests(accept: object) -> dict[str, str]:
    """The digests by the names of their archives."""
    if not isinstance(accept, Mapping):
        msg = (
            f"`accept` must have a SHA-256 for the name of each archive, such as {{name: digest}}, got {shown(accept)}"
        )
        raise RangeBarError(msg)
    given = cast("Mapping[str, Any]", accept)
    for name, digest in given.items():
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest.lower()):
            msg = f"`accept` must have the 64 digits of a SHA-256 for {shown(name)}, got {shown(digest)}"
            raise RangeBarError(msg)
    return {name: digest.lower() for name, digest in given.items()}
