"""
What the readers cost beside their floors, in one run: `python -m benches.readers [ZIP] [--rows N] [--files N]`.

ZIP is an archive of aggTrades as Binance publishes them for spot, of 2024 or before; without one, a synthetic day is
written. Cases and floors run in turn; seconds are the medians of the rounds, the ratio is the median of theirs. CPU
seconds are those of all threads: a case may be fast because it uses two CPUs, or because it does less. Files are read
once before the clock starts, so they come from the cache of the system, and each result is compared with that of its
floor. A floor does not check anything: neither a row nor the order of the rows.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import polars as pl

import rangebar_polars as rb
from benches.compare.contenders import numba_arrays
from rangebar_polars._readers.archive import content

COLUMNS: dict[str, pl.DataType] = {
    "agg_trade_id": pl.Int64(),
    "price": pl.Float64(),
    "quantity": pl.Float64(),
    "first_trade_id": pl.Int64(),
    "last_trade_id": pl.Int64(),
    "timestamp": pl.Int64(),
    "is_buyer_maker": pl.Boolean(),
    "is_best_match": pl.String(),
}
"""The columns of an archive, as the reader parses them."""

LOOP = ["timestamp", "price", "quantity", "is_buyer_maker"]
"""What the loop needs."""

THRESHOLD_DBPS = 250
"""That of the loop."""

SMALL_ROWS = 5


class Case(NamedTuple):
    """A way that is timed beside another one."""

    name: str
    ours: Callable[[], Any]
    beside: str
    floor: Callable[[], Any]
    is_same: Callable[[Any, Any], bool]


class Figures(NamedTuple):
    """Medians of the rounds."""

    seconds: float
    cpu: float
    floor_seconds: float
    floor_cpu: float
    ratio: float
    """Of the seconds."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zip", type=Path, nargs="?", help="an archive of aggTrades")
    parser.add_argument("--rows", type=int, default=900_000, help="trades of the synthetic day, if there is no ZIP")
    parser.add_argument("--files", type=int, default=1_000, help="small archives")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.zip or sample(Path(folder) / "sample", arguments.rows)
        small = small_files(Path(folder) / "small", arguments.files)
        rows = rb.scan_binance(file).collect().height
        print(f"{rows:,} trades of {file.name}, and {len(small):,} archives of {SMALL_ROWS} rows\n")
        print("| case | s | CPU s | beside | s | CPU s | ratio |")
        print("|---|--:|--:|---|--:|--:|--:|")
        for case in cases(file, small):
            each = measure(case, arguments.rounds)
            numbers = f"{each.floor_seconds:.3f} | {each.floor_cpu:.3f} | {each.ratio:.2f}"
            print(f"| {case.name} | {each.seconds:.3f} | {each.cpu:.3f} | {case.beside} | {numbers} |")


def sample(folder: Path, rows: int) -> Path:
    """The archive of a synthetic day, of about so many trades."""
    files = rb.datasets.write_sample_archives(folder, rows=rows, symbols=["BTCUSDT"])
    return max(files, key=lambda file: file.stat().st_size)


def small_files(folder: Path, count: int) -> list[Path]:
    """Archives of a few rows, one for each day."""
    folder.mkdir()
    files: list[Path] = []
    for number in range(count):
        day = date(2020, 1, 1) + timedelta(days=number)
        first, start = number * SMALL_ROWS, (day - date(1970, 1, 1)) // timedelta(milliseconds=1)
        lines = (f"{n},{42_000 + n}.5,0.25,{n},{n},{start + n},True,True\n" for n in range(first, first + SMALL_ROWS))
        file = folder / f"BTCUSDT-aggTrades-{day}.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{file.stem}.csv", "".join(lines))
        files.append(file)
    return files


def cases(file: Path, small: list[Path]) -> list[Case]:
    """All of them: parts of the way first, then the whole of it."""
    library = "isal" if find_spec("isal") else "zlib: there is no isal"
    return [
        Case(
            f"a zip inflated and its checksum compared ({library})",
            lambda: inflated(file),
            "`zipfile`, which uses zlib",
            lambda: unzipped(file),
            bytes.__eq__,
        ),
        Case(
            "`rb.scan_binance(zip).collect()`",
            lambda: rb.scan_binance(file).collect(),
            "the same, inflated at once and parsed by one `pl.read_csv`",
            lambda: parsed(inflated(file)),
            is_read_so,
        ),
        Case(
            "`rb.scan_binance(zip).rangebar.bars(250).collect()`",
            lambda: rb.scan_binance(file).rangebar.bars(THRESHOLD_DBPS, by="symbol").collect(),
            "`pandas.read_csv(zip)` of four columns, a numba loop",
            lambda: looped(file),
            has_these_bars,
        ),
        Case(
            f"`rb.scan_binance(folder).collect()`, {len(small):,} files",
            lambda: rb.scan_binance(small[0].parent).collect(),
            "`zipfile` and `pl.read_csv` for each, `pl.concat`",
            lambda: pl.concat([parsed(unzipped(each)) for each in small]),
            is_read_so,
        ),
    ]


def measure(case: Case, rounds: int) -> Figures:
    """Run a case and its floor in turn, and compare what they give."""
    if not case.is_same(case.ours(), case.floor()):  # compiles the loop, too
        msg = f"{case.name} and {case.beside} give different results"
        raise AssertionError(msg)
    pairs = [(_timed(case.ours), _timed(case.floor)) for _ in range(rounds)]
    rows = (Figures(*ours, *floor, ours[0] / floor[0]) for ours, floor in pairs)
    return Figures._make(map(statistics.median, zip(*rows, strict=True)))


def inflated(file: Path) -> bytes:
    """The text of an archive, as the readers inflate it."""
    with content(file, "zip") as text:
        return b"".join(text.chunks)


def unzipped(file: Path) -> bytes:
    """The same by the standard library."""
    with zipfile.ZipFile(file) as archive:
        return archive.read(archive.namelist()[0])


def parsed(text: bytes) -> pl.DataFrame:
    """The rows of a text."""
    return pl.read_csv(text, has_header=False, schema=COLUMNS)


def looped(file: Path) -> pl.DataFrame:
    """The bars of the loop that everyone writes."""
    names = list(COLUMNS)
    trades = pd.read_csv(file, header=None, names=names, usecols=LOOP)
    loop: Any = numba_arrays.range_bars
    rows = loop(*(trades[name].to_numpy() for name in LOOP))
    columns = ["open_time", "close_time", "open", "high", "low", "close", "volume"]
    return pl.DataFrame([row[: len(columns)] for row in rows], columns, orient="row")


def is_read_so(ours: pl.DataFrame, floor: pl.DataFrame) -> bool:
    """Whether the trades are those of the text, with times in milliseconds."""
    names = [name for name in COLUMNS if name in ours.columns]
    return ours.select(pl.col(names)).with_columns(pl.col("timestamp").dt.epoch("ms")).equals(floor.select(names))


def has_these_bars(ours: pl.DataFrame, floor: pl.DataFrame) -> bool:
    """Whether the bars are those of the loop; volumes are sums of doubles there, and exact here."""
    exact = ["open", "high", "low", "close"]
    volumes = (ours["volume"] - floor["volume"]).abs() <= 1e-9 * floor["volume"]
    return ours.select(exact).equals(floor.select(exact)) and volumes.all()


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
