r"""
A checkpoint with features of one's own: that of the machine, and beside it the rows and bars that these still need.

```text
rangebar_polars checkpoint with features 1\n
{"library": ..., "features": ...}\n    JSON: what was asked for, and how long each part is
the checkpoint of the machine           as without features
frames                                  as Parquet: dtypes, keys of groups, rows of forming bars by rule, bars before
digest                                  BLAKE2b of all before, sixteen bytes
```
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from itertools import accumulate, chain, pairwise
from typing import Any, Final, NamedTuple

import polars as pl

from rangebar_polars._bars.own_columns import OwnColumns
from rangebar_polars._bars.own_features import OwnFeatures
from rangebar_polars._bars.own_rows import GROUP
from rangebar_polars._common.messages import cut
from rangebar_polars._internal import __version__
from rangebar_polars.exceptions import RangeBarError

__all__ = ["BarsKept", "Kept", "check_same", "machine_of", "opened", "restore_columns", "saved"]

_FORMAT: Final = b"rangebar_polars checkpoint with features 1\n"
_DIGEST: Final = 16
_PAIR: Final = 2
_OTHERS: Final = 3
"""Frames beside those of the rules."""


class Kept(NamedTuple):
    """What a checkpoint with features holds."""

    form: dict[str, Any]
    """The features, as text."""
    include_orphans: bool
    features: list[str] | None
    """The features of the library that were asked for."""
    machine: bytes
    frames: list[bytes]

    @property
    def schema(self) -> pl.Schema | None:
        """The columns of the trades, if some were seen."""
        return _frame(self.frames[0]).schema if self.frames else None


class BarsKept:
    """The last bars of a period, which windows over bars of the next one see."""

    def __init__(self, data: bytes | None = None) -> None:
        self._before = data
        self.after: bytes | None = None
        """Those behind the last one."""

    def begin(self, columns: OwnColumns) -> None:
        """Put the bars before the first one where windows see them."""
        if self._before is None:
            return
        kept = _frame(self._before)
        if kept.schema != columns.before.kept.schema:
            raise RangeBarError("the bars before were kept with other columns than are needed now: build them again")
        columns.before.kept = kept

    def end(self, columns: OwnColumns) -> None:
        """Keep the bars behind the last one."""
        self.after = _bytes(columns.before.in_order())


def saved(
    own: OwnFeatures,
    machine: bytes,
    columns: OwnColumns | None,
    *,
    schema: pl.Schema | None,
    include_orphans: bool,
    features: list[str] | None,
) -> bytes:
    """The bytes of a checkpoint; without columns, no trades were seen."""
    parts = [machine]
    if columns is not None and schema is not None:
        columns.settle()
        frames = [schema.to_frame(), columns.numbers.keys]
        for held in columns.held:
            rows = held.rows()
            rows = pl.DataFrame(schema=columns.held_schema) if rows is None else rows
            frames.append(rows.sort(GROUP, maintain_order=True) if GROUP in rows.columns else rows)
        frames.append(columns.before.in_order())
        parts += [_bytes(frame) for frame in frames]
    said = {
        "library": __version__,
        "own": own.form,
        "include_orphans": include_orphans,
        "features": features,
        "lengths": [len(part) for part in parts],
    }
    whole = b"".join([_FORMAT, json.dumps(said).encode(), b"\n", *parts])
    return whole + hashlib.blake2b(whole, digest_size=_DIGEST).digest()


def opened(data: bytes) -> Kept | None:
    """What a checkpoint holds; None if it is one without features."""
    if not data.startswith(_FORMAT):
        return None
    whole, digest = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.blake2b(whole, digest_size=_DIGEST).digest() != digest:
        raise RangeBarError("the checkpoint is truncated or altered: its checksum does not match")
    header, _, rest = whole[len(_FORMAT) :].partition(b"\n")
    try:
        said = json.loads(header)
        ends = _ends(said, len(rest))
        parts = [rest[begin:end] for begin, end in pairwise(ends)]
        return Kept(said["own"], said["include_orphans"], said["features"], parts[0], parts[1:])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        msg = f"the checkpoint's header cannot be read: {error}"
        raise RangeBarError(msg) from error


def _ends(said: dict[str, Any], length: int) -> list[int]:
    """Where each part ends, once a header says what it must."""
    form, lengths = said["own"], said["lengths"]
    texts = [*form["aggs"], *chain(*form["feature_sets"]), *(said["features"] or ())]
    is_as_written = (
        all(isinstance(text, str) for text in texts)
        and all(len(pair) == _PAIR for pair in form["feature_sets"])
        and isinstance(said["include_orphans"], bool)
        and all(length >= 0 for length in lengths)
        and sum(lengths) == length
    )
    if not is_as_written:
        raise ValueError("it does not say what it must")
    return list(accumulate(lengths, initial=0))


def machine_of(data: bytes) -> bytes:
    """The checkpoint of the machine alone."""
    kept = opened(data)
    return data if kept is None else kept.machine


def check_same(kept: Kept | None, own: OwnFeatures) -> None:
    """That a checkpoint is of the same features of one's own."""
    there: dict[str, list[Any]] = {"aggs": [], "feature_sets": []} if kept is None else kept.form
    here = own.form
    told = [
        f"`{name}` was {cut(str(there[name]), 300)} and is {cut(str(here[name]), 300)} here"
        for name in here
        if there[name] != here[name]
    ]
    if told:
        msg = f"the checkpoint was made with other parameters: {'; '.join(told)}"
        raise RangeBarError(msg)


def restore_columns(columns: OwnColumns, kept: Kept, forming: Callable[[], pl.DataFrame]) -> None:
    """Put what was kept into columns that have seen nothing; the bars that form must be of the rows that are held."""
    if not kept.frames:
        return
    if len(kept.frames) != len(columns.held) + _OTHERS:
        raise _not_its_frames()
    _, keys, *held, before = (_frame(part) for part in kept.frames)
    for name, dtype in columns.held_schema.items():
        got = held[0].schema.get(name) if held else None
        if got != dtype:
            msg = f"the checkpoint was made with other parameters: `{name}` was {got} and is {dtype} here"
            raise RangeBarError(msg)
    schemas = [(keys, columns.numbers.keys.schema), (before, columns.before.kept.schema)]
    schemas += [(rows, columns.held_schema) for rows in held]
    if any(frame.schema != schema for frame, schema in schemas):
        raise _not_its_frames()
    columns.numbers.keys = keys
    for mine, rows in zip(columns.held, held, strict=True):
        mine.keep(rows)
    columns.before.kept = before
    if not columns.holds(forming()):
        raise _not_its_frames()


def _not_its_frames() -> RangeBarError:
    return RangeBarError("the checkpoint is truncated or altered: its frames are not those of its parameters")


def _bytes(frame: pl.DataFrame) -> bytes:
    """A frame as Parquet, which is the same for the same rows: Arrow also has what stands where a value is null."""
    if not frame.width:
        return b""
    out = io.BytesIO()
    frame.rechunk().write_parquet(out, compression="zstd", statistics=False)
    return out.getvalue()


def _frame(data: bytes) -> pl.DataFrame:
    if not data:
        return pl.DataFrame()
    try:
        return pl.read_parquet(io.BytesIO(data), hive_partitioning=False).rechunk()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        msg = f"the checkpoint's frames cannot be read: {error}"
        raise RangeBarError(msg) from error
