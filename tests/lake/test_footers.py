"""Entries of footers are those that Polars reads, in any file, whole or damaged; faults are those that `os` tells."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_polars import _internal
from tests._alone import run

NAMES = [("rangebar.a", False), ("rangebar.b", False), ("rangebar.c", True)]

VALUES = st.recursive(st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(), st.lists, max_leaves=8)
"""What stands in a footer as JSON."""

OTHERS = st.floats() | st.integers(2**64, 2**70) | st.booleans() | st.dictionaries(st.text(), st.integers())
"""What does not."""

TEXTS = (
    st.text()
    | st.builds(lambda text, times: text * times, st.text(min_size=1), st.integers(1, 20_000))
    | st.sampled_from(["", "\0", "\x18\x0crangebar.a\x18\x01x\0", "PAR1", "[", "null", "\x15\x02\x19" * 90])
)

TABLE = pa.table(
    {
        "time": pa.array([1, 2, None], pa.timestamp("us", "UTC")),
        "text": ["\x18\x0crangebar.a\x18\x011\0", None, "\0"],
        "price": [1.5, float("nan"), -0.0],
        "is_buyer_maker": [True, None, False],
        "levels": [[{"price": 1.0, "bought": [1, 2]}], [], None],
    }
)


def read(*files: Path) -> list[Any]:
    return list(_internal.read_entries([str(file) for file in files], NAMES))


def by_polars(file: Path) -> tuple[Any, ...] | None:
    """The same as Polars reads it; None if it cannot, or a name is missing."""
    try:
        metadata = pl.read_parquet_metadata(file)
        return tuple(json.loads(metadata[name]) if is_value else metadata[name] for name, is_value in NAMES)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, KeyError, ValueError):
        return None


def told(error: OSError) -> tuple[object, ...]:
    return type(error), error.errno, error.strerror, error.filename


@given(
    ours=st.tuples(TEXTS, TEXTS, VALUES),
    before=st.dictionaries(st.text(), TEXTS, max_size=3),
    behind=st.dictionaries(st.text(), TEXTS, max_size=20),
    order=st.permutations(range(3)),
    groups=st.sampled_from([0, 1, 3]),
    pyarrow=st.booleans(),
)
def test_any_texts_among_others(
    tmp_path_factory: pytest.TempPathFactory,
    ours: tuple[str, str, Any],
    before: dict[str, str],
    behind: dict[str, str],
    order: list[int],
    groups: int,
    pyarrow: bool,
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.parquet"
    texts = [*ours[:2], json.dumps(ours[2])]
    entries = before | {NAMES[number][0]: texts[number] for number in order} | behind
    if pyarrow:
        table = TABLE.slice(0, groups).replace_schema_metadata(entries)
        pq.write_table(table, file, row_group_size=1, write_statistics=groups > 1)
    else:
        pl.DataFrame(TABLE.slice(0, groups)).write_parquet(file, row_group_size=1, metadata=entries)
    assert read(file) == [ours] == [by_polars(file)]


@given(value=OTHERS | st.lists(OTHERS, min_size=1) | st.sampled_from(["[", "", "1 2", "NaN"]))
def test_values_that_are_left_to_others(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    """What no lake writes is not read in another way than Python reads it: it is not read at all."""
    file = tmp_path_factory.getbasetemp() / "other.parquet"
    text = value if isinstance(value, str) else json.dumps(value)
    pl.DataFrame({"x": [1]}).write_parquet(file, metadata={"rangebar.a": "", "rangebar.b": "", "rangebar.c": text})
    assert read(file) == [None]


def test_a_name_that_is_missing(tmp_path: Path) -> None:
    for lacking, _ in NAMES:
        file = tmp_path / f"{lacking}.parquet"
        pl.DataFrame({"x": [1]}).write_parquet(file, metadata={n: "1" for n, _ in NAMES if n != lacking})
        assert read(file) == [None]


def test_every_byte(tmp_path: Path) -> None:
    """A file that was cut off or altered at any byte has the entries that Polars finds, or none, and nothing worse."""
    whole, file = tmp_path / "whole.parquet", tmp_path / "file.parquet"
    entries = {"other": "x", "rangebar.a": "1", "rangebar.b": "2" * 200, "rangebar.c": "[[3, 4]]", "more": ""}
    pq.write_table(TABLE.select(["time"]).replace_schema_metadata(entries), whole)
    data = whole.read_bytes()
    right = read(whole)
    assert right == [("1", "2" * 200, [[3, 4]])]
    for length in range(len(data)):
        file.write_bytes(data[:length])
        assert read(file) == [None]
    footer = int.from_bytes(data[-8:-4], "little") + 8
    told = 0
    for at in range(1, footer + 1):
        altered = bytearray(data)
        altered[-at] ^= (0x01, 0x10, 0x80, 0xFF)[at % 4]
        file.write_bytes(altered)
        (found,), wanted = read(file), by_polars(file)
        # Where Polars alone finds a fault, it is in the columns, which are not looked at.
        assert found is None or wanted is None or found == wanted
        told += found is not None and found != right[0]
    assert told > 90  # half of the 200 digits: the others are no text any more


def test_lengths_that_lie(tmp_path: Path) -> None:
    file = tmp_path / "file.parquet"
    for size in (0, 7, 8, 9, 12, 16_376, 16_384, 16_385, 40_000):
        for length in (0, 1, size - 9, size - 8, size - 7, size, 2**31, 2**32 - 1):
            tail = max(length, 0).to_bytes(4, "little") + b"PAR1"
            for filling in (b"\0", b"\x19", b"\x1c", b"\xff"):
                file.write_bytes((filling * size + tail)[-size:] if size else b"")
                assert read(file) == [None]


@pytest.mark.parametrize("size", [100, 16_000, 17_000, 3_000_000])
def test_footers_of_any_length(tmp_path: Path, size: int) -> None:
    file = tmp_path / "file.parquet"
    entries = {"rangebar.a": "x" * size, "rangebar.b": "", "rangebar.c": "null"}
    pl.DataFrame({"x": [1]}).write_parquet(file, metadata=entries)
    assert read(file) == [("x" * size, "", None)]


def test_many_files_in_their_order(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.parquet" for number in range(40)]
    for number, file in enumerate(files):
        if number % 5:
            entries = {"rangebar.a": str(number), "rangebar.b": "", "rangebar.c": str(number)}
            pl.DataFrame({"x": [1]}).write_parquet(file, metadata=entries)
        elif number % 2:
            file.touch()
    many = [files[number * 7 % 40] for number in range(3_001)]
    for place, found in enumerate(read(*many)):
        number = place * 7 % 40
        if number % 5:
            assert found == (str(number), "", number)
        elif number % 2:
            assert found is None
        else:
            assert isinstance(found, FileNotFoundError)
            assert found.filename == str(files[number])
    assert read() == []


def test_errors_of_the_system(tmp_path: Path) -> None:
    """As `os.open` and `os.read` raise them: with the name of the file if it cannot be opened."""
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for name in ("absent", "file/below", "nowhere", "circle", "x" * 300):
        with pytest.raises(OSError, match=r"Errno") as raised:
            os.open(tmp_path / name, os.O_RDONLY)
        (found,) = read(tmp_path / name)
        assert told(found)[:3] == told(raised.value)[:3]
        assert found.filename == str(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe, folder = read(tmp_path / "pipe", tmp_path)
    assert told(pipe) == (OSError, 29, "Illegal seek", None)
    assert told(folder) == (IsADirectoryError, 21, "Is a directory", None)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that signals")
def test_ctrl_c_ends_it() -> None:
    """Long before all is read; what a handler raises comes through."""
    script = """
import signal, sys
from rangebar_polars import _internal

class LateError(Exception):
    pass

def late(*_):
    raise LateError

signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    _internal.read_entries([sys.argv[1]] * 2_000_000, [("rangebar.a", False)])
except LateError:
    print("ended")
"""
    assert run(script, __file__) == "ended\n"
