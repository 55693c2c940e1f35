"""Files as vendors and accidents make them: archives whole and broken, and what a query over them does."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

import rangebar_polars as rb

STEM: Final = "BTCUSDT-aggTrades-2024-01-01"
CSV: Final = f"{STEM}.csv"
ZIP: Final = f"{STEM}.zip"

INPUTS: Final = (".csv", ".zip", ".gz", ".dbn", ".zst")

CENTRAL: Final = b"PK\x01\x02"
LOCAL: Final = b"PK\x03\x04"
FIELDS: Final[dict[bytes, dict[str, tuple[int, str]]]] = {
    CENTRAL: {"flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "packed": (20, "<I"), "size": (24, "<I")},
    LOCAL: {"flags": (6, "<H"), "method": (8, "<H"), "crc": (14, "<I"), "packed": (18, "<I"), "size": (22, "<I")},
}
"""Where the headers of a zip have what: offset and format."""


def text_of(rows: int, first: int = 1) -> bytes:
    """Trades as Binance writes them, without a header; the ids begin with `first`."""
    lines = (
        f"{i},{42_000 + i * 37 % 101}.{i * 71 % 100:02d}000000,0.{i * 7919 % 9973 + 1:05d}000,{i},{i},"
        f"{1_704_067_200_000 + i},{'True' if i * 31 % 7 < 3 else 'False'},True\n"
        for i in range(first, first + rows)
    )
    return "".join(lines).encode()


def zipped(data: bytes, name: str = CSV, method: int = zipfile.ZIP_DEFLATED, **others: bytes) -> bytes:
    """A zip with a member, and with others by their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
        for other, content in others.items():
            archive.writestr(other, content)
    return buffer.getvalue()


def patched(archive: bytes, header: bytes, **values: int) -> bytes:
    """A zip with other values in the last one of its central or local headers."""
    changed = bytearray(archive)
    at = archive.rindex(header)
    for name, value in values.items():
        offset, form = FIELDS[header][name]
        struct.pack_into(form, changed, at + offset, value)
    return bytes(changed)


def renamed(archive: bytes, old: str, new: bytes) -> bytes:
    """A zip whose member has another name of the same length, in both headers."""
    assert len(old) == len(new)
    return archive.replace(old.encode(), new)


def written(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file


def read(file: Any, **options: Any) -> pl.DataFrame:
    return rb.scan_binance(file, **options).collect()


QUERIES: Final[dict[str, Callable[[pl.LazyFrame, Path], object]]] = {
    "in memory": lambda trades, _: trades.collect(engine="in-memory"),
    "streaming": lambda trades, _: trades.collect(engine="streaming"),
    "counted": lambda trades, _: trades.select(pl.len()).collect(),
    "sink": lambda trades, at: trades.sink_parquet(at / "rows.parquet"),
    "bars": lambda trades, _: trades.rangebar.bars(250).collect(),
    "bars, streaming": lambda trades, _: trades.rangebar.bars(250).collect(engine="streaming"),
    "sink of bars": lambda trades, at: rb.sink_bars(trades.rangebar.bars(250), at / "bars.parquet"),
}
"""What a user does with trades, which reads them to their end."""


def refusal(trades: pl.LazyFrame, query: str, folder: Path) -> str:
    """What a query says that cannot be answered: always one kind of error."""
    with pytest.raises(rb.RangeBarError) as caught:
        QUERIES[query](trades, folder)
    return str(caught.value)


def readers() -> list[threading.Thread]:
    """The threads that read a file."""
    return [thread for thread in threading.enumerate() if thread.name == "rangebar_polars reader"]


def open_files(folder: Path) -> list[str]:
    """The files of a folder that this process has open, where the system tells."""
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        return []
    found: list[str] = []
    for handle in handles.iterdir():
        try:
            target = os.readlink(handle)  # noqa: PTH115  (it may lead to what is no path)
        except OSError:
            continue
        if target.startswith(str(folder)) and target.endswith(INPUTS):  # Polars finishes others when it likes
            found.append(target)
    return found


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """Fails if a thread still reads afterwards, or a file of a folder is still open."""
    yield
    until = time.monotonic() + 60
    while (readers() or open_files(folder)) and time.monotonic() < until:
        # The engine drops a source without the GIL; its reference is released only by the next call of Polars.
        _ = pl.DataFrame().height
        for thread in readers():
            thread.join(0.01)
    assert readers() == []
    assert open_files(folder) == []
