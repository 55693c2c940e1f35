"""
How trades are best kept: size against CPU time to decode, `python -m benches.lake_layout FILE [--rounds N]`.

FILE is Parquet with the columns of a lake: `timestamp`, `price`, `quantity`, `is_buyer_maker` and the three ids. Its
trades are written in each layout, and read back by Polars, all columns; CPU time is that of all threads, the least of
the rounds, which take the layouts in turn. What is read back must be what was written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow.parquet as pq

import rangebar_polars as rb

COLUMNS: dict[str, pl.DataType] = {
    "timestamp": pl.Datetime("us", "UTC"),
    "price": pl.Float64(),
    "quantity": pl.Float64(),
    "is_buyer_maker": pl.Boolean(),
    "agg_trade_id": pl.Int64(),
    "first_trade_id": pl.Int64(),
    "last_trade_id": pl.Int64(),
}
NUMBERS = ["price", "quantity"]
STEPS = [name for name, dtype in COLUMNS.items() if dtype not in (pl.Float64(), pl.Boolean())]
"""Times and ids, which change little from row to row."""

GROUP_ROWS = 1 << 18
OTHER_GROUPS = (1 << 16, 1 << 20)
DECIMALS = 8
DICTIONARY_BYTES = 2 << 20
"""A dictionary of all quantities of a row group."""


class Layout(NamedTuple):
    """A way to write trades."""

    writer: str
    encoding: str
    codec: str
    write: Callable[[pl.DataFrame, Path], None]
    group_rows: int = GROUP_ROWS
    numbers: str = "Float64"
    change: Callable[[pl.DataFrame], pl.DataFrame] = pl.DataFrame.clone
    """What makes these numbers of those that are given."""


class Figures(NamedTuple):
    """What became of a layout."""

    bytes_a_trade: float
    write_ns: float
    decode_ns: float


def layouts() -> list[Layout]:
    """All ways, the plain ones first."""
    levels: list[tuple[Any, int | None]] = [("zstd", 1), ("zstd", 3), ("zstd", 10)]
    levels += [(codec, None) for codec in ("gzip", "snappy", "lz4", "uncompressed")]
    found = [
        Layout("Polars", "its own", codec if level is None else f"{codec}({level})", _polars(codec, level))
        for codec, level in levels
    ]
    decimals = Layout("Polars", "its own", "zstd(3)", _polars("zstd", 3), numbers="Decimal", change=_decimals)
    differences = dict.fromkeys(STEPS, "DELTA_BINARY_PACKED")
    both: dict[str, Any] = {"column_encoding": differences, "use_dictionary": NUMBERS}
    mixed = "differences, dictionary"
    found += [decimals, Layout("pyarrow", "its own", "zstd(3)", _pyarrow("zstd", compression_level=3))]
    found += [Layout("pyarrow", mixed, codec, _pyarrow(codec, **both)) for codec in ("zstd", "snappy", "none", "lz4")]
    found += [
        Layout("pyarrow", mixed, "lz4", _pyarrow("lz4", row_group_size=rows, **both), rows) for rows in OTHER_GROUPS
    ]
    whole = {"column_encoding": differences | dict.fromkeys(NUMBERS, "DELTA_BINARY_PACKED"), "use_dictionary": False}
    split = {"column_encoding": differences | dict.fromkeys(NUMBERS, "BYTE_STREAM_SPLIT"), "use_dictionary": False}
    return [
        *found,
        Layout("pyarrow", "differences", "lz4", _pyarrow("lz4", **whole), numbers="Int64", change=_integers),
        Layout("pyarrow", "differences, split bytes", "lz4", _pyarrow("lz4", **split)),
        Layout("`rb.Lake`", mixed, "lz4", _lake),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="trades as Parquet")
    parser.add_argument("--rounds", type=int, default=7, help="how often each layout is read")
    arguments = parser.parse_args()
    trades = trades_of(arguments.file)
    print(f"{trades.height:,} trades of {arguments.file}\n")
    print("| writer | price, quantity | encoding | codec | rows of a group | bytes a trade | write, ns | decode, ns |")
    print("|---|---|---|---|--:|--:|--:|--:|")
    for layout, figures in measure(trades, arguments.rounds):
        told = (layout.writer, layout.numbers, layout.encoding, layout.codec, f"{layout.group_rows:,}")
        numbers = (f"{figures.bytes_a_trade:.2f}", f"{figures.write_ns:.0f}", f"{figures.decode_ns:.0f}")
        print(f"| {' | '.join((*told, *numbers))} |")


def trades_of(file: Path) -> pl.DataFrame:
    """The columns of a lake, as it keeps them."""
    return pl.read_parquet(file, columns=list(COLUMNS)).select(*COLUMNS).cast(COLUMNS)  # type: ignore[arg-type]


def measure(trades: pl.DataFrame, rounds: int) -> list[tuple[Layout, Figures]]:
    """Write the trades in each layout, and read them."""
    every = layouts()
    with tempfile.TemporaryDirectory() as folder:
        files: list[list[Path]] = []
        written: list[int] = []
        for number, layout in enumerate(every):
            path, given = Path(folder) / str(number), layout.change(trades)
            written.append(_cpu_ns(partial(layout.write, given, path)))
            files.append(sorted(path.glob("trades/**/*.parquet")) if path.is_dir() else [path])
            if not pl.read_parquet(files[-1], hive_partitioning=False).equals(given):
                msg = f"{layout} gives other trades"
                raise AssertionError(msg)
        read = [
            [_cpu_ns(partial(pl.read_parquet, found, hive_partitioning=False)) for found in files]
            for _ in range(rounds)
        ]
        sizes = [sum(file.stat().st_size for file in found) for found in files]
    least = [min(times) for times in zip(*read, strict=True)]
    figures = zip(sizes, written, least, strict=True)
    return [
        (layout, Figures(*(figure / trades.height for figure in row)))
        for layout, row in zip(every, figures, strict=True)
    ]


def _polars(codec: Any, level: int | None) -> Callable[[pl.DataFrame, Path], None]:  # noqa: ANN401
    def write(trades: pl.DataFrame, path: Path) -> None:
        trades.write_parquet(path, compression=codec, compression_level=level, row_group_size=GROUP_ROWS)

    return write


def _pyarrow(codec: str, **options: Any) -> Callable[[pl.DataFrame, Path], None]:  # noqa: ANN401
    options = {"row_group_size": GROUP_ROWS, "dictionary_pagesize_limit": DICTIONARY_BYTES, **options}

    def write(trades: pl.DataFrame, path: Path) -> None:
        pq.write_table(trades.to_arrow(), path, compression=codec, **options)

    return write


def _lake(trades: pl.DataFrame, path: Path) -> None:
    rb.Lake(path).add(trades, venue="venue", symbol="SYMBOL")


def _decimals(trades: pl.DataFrame) -> pl.DataFrame:
    return trades.with_columns(pl.col(NUMBERS).cast(pl.Decimal(38, DECIMALS)))


def _integers(trades: pl.DataFrame) -> pl.DataFrame:
    return trades.with_columns((pl.col(NUMBERS) * 10**DECIMALS).round().cast(pl.Int64))


def _cpu_ns(call: Callable[[], object]) -> int:
    """The CPU time of all threads."""
    begin = time.process_time_ns()
    call()
    return time.process_time_ns() - begin


if __name__ == "__main__":
    main()
