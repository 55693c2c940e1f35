"""Synthetic trades for examples, tests and benchmarks: invented, not market data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from rangebar_polars._instants import EPOCH
from rangebar_polars._synthetic import SEED_MAX, TRADE_SCHEMA, TradeTape
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["sample_trades", "write_sample_lake"]

_DEFAULT_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
_LAKE_SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
_SYMBOL: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def sample_trades(
    rows: int = 100_000,
    *,
    symbols: str | Sequence[str] = ("BTCUSDT",),
    start: datetime = _DEFAULT_START,
    seed: int = 0,
) -> pl.DataFrame:
    """
    Return synthetic trades that look like an exchange's aggregate trades.

    The prices are a random walk and say nothing about any market, whatever the symbol is called. Realistic
    is the shape: prices on a tick grid that bounce between bid and ask, runs of one aggressor, orders that
    fill in many rows of one millisecond and push the price, calm spells and gaps of hours, heavy-tailed
    sizes on a lot grid, aggregate rows that hold several individual trades. The price never reaches zero:
    the walk is reflected at a quarter of its first price.

    Parameters
    ----------
    rows
        Rows in all, at least 0. They are shared out evenly over `symbols`; the first ones take the remainder.
    symbols
        One name or several: letters, digits, ``.``, ``_`` and ``-``, distinct (case aside). BTCUSDT,
        ETHUSDT, SOLUSDT, XRPUSDT and DOGEUSDT have a tick, lot and first price like those of their
        namesakes; any other name gets ones that follow from the name and `seed`.
    start
        The first trade of every symbol comes shortly after it. A value without time zone is taken as UTC.
    seed
        0 to 2**64 - 1. Another seed gives other trades.

    Returns
    -------
    DataFrame
        `symbol` String, `timestamp` Datetime("us", "UTC") in whole milliseconds, `agg_trade_id` Int64,
        `price` and `quantity` Float64 (the doubles nearest to the decimal numbers, above 0),
        `first_trade_id` and `last_trade_id` Int64, `is_buyer_maker` Boolean (true: the seller was the
        aggressor). One symbol after the other in the order given. Within a symbol time never goes back,
        `agg_trade_id` rises by one from row to row and the individual trade ids leave no hole. There are no
        nulls.

    Raises
    ------
    RangeBarError
        If an argument is not what is described above.

    See Also
    --------
    write_sample_lake : The same trades in Parquet files, for sizes that do not fit in memory.

    Notes
    -----
    A row depends on `seed`, its symbol and its number within the symbol, computed in integers: the same on
    every machine. The trades of a smaller `rows` are the first ones of a larger `rows`, and `start` only
    shifts the times. A million rows take about 0.3 s and 50 MB; at 250 dbps they make about 150 bars, over
    two to three days. ``.sort("timestamp", maintain_order=True)`` interleaves the symbols as a feed would.

    Examples
    --------
    >>> from rangebar_polars.datasets import sample_trades
    >>> trades = sample_trades(6, seed=1)
    >>> trades.select("timestamp", "price", "quantity", "is_buyer_maker")
    shape: (6, 4)
    ┌─────────────────────────────┬──────────┬──────────┬────────────────┐
    │ timestamp                   ┆ price    ┆ quantity ┆ is_buyer_maker │
    │ ---                         ┆ ---      ┆ ---      ┆ ---            │
    │ datetime[μs, UTC]           ┆ f64      ┆ f64      ┆ bool           │
    ╞═════════════════════════════╪══════════╪══════════╪════════════════╡
    │ 2024-01-01 00:00:00 UTC     ┆ 42283.59 ┆ 0.00043  ┆ false          │
    │ 2024-01-01 00:00:00 UTC     ┆ 42285.29 ┆ 0.00177  ┆ false          │
    │ 2024-01-01 00:00:00.034 UTC ┆ 42285.28 ┆ 0.01143  ┆ true           │
    │ 2024-01-01 00:00:00.034 UTC ┆ 42284.75 ┆ 0.00123  ┆ true           │
    │ 2024-01-01 00:00:00.034 UTC ┆ 42284.75 ┆ 0.00047  ┆ true           │
    │ 2024-01-01 00:00:00.052 UTC ┆ 42285.1  ┆ 0.31329  ┆ false          │
    └─────────────────────────────┴──────────┴──────────┴────────────────┘
    """
    names = _checked_symbols(symbols)
    _check_int("rows", rows, 0, 2**40)
    first_ms = _checked_start(start)
    _check_int("seed", seed, 0, SEED_MAX)
    chunks = [
        chunk
        for name, count in zip(names, _shares(rows, len(names)), strict=True)
        for chunk in TradeTape(name, seed, first_ms).take(count)
    ]
    return pl.concat(chunks, rechunk=True) if chunks else pl.DataFrame(schema=TRADE_SCHEMA)


def write_sample_lake(
    path: str | os.PathLike[str],
    *,
    rows: int = 4_000_000,
    symbols: str | Sequence[str] = _LAKE_SYMBOLS,
    rows_per_file: int = 500_000,
    start: datetime = _DEFAULT_START,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> list[Path]:
    """
    Write synthetic trades as a hive-partitioned folder of Parquet files.

    The files are ``symbol=NAME/part-00000.parquet`` and so on, compressed with zstd. Each symbol goes on
    from file to file: read in the order in which they were written, they hold exactly the rows of
    :func:`sample_trades` called with the same `rows`, `symbols`, `start` and `seed`. Like those, they are
    invented.

    Parameters
    ----------
    path
        Folder to write to. It is created with its parents; where it exists, it must be empty.
    rows
        Rows in all, at least one for each symbol, shared out evenly.
    symbols
        As in :func:`sample_trades`.
    rows_per_file
        Rows of a file, at least 1; the last file of a symbol may hold fewer. Bounds the memory.
    start, seed
        As in :func:`sample_trades`.
    progress
        Called after each file with the rows written so far and the rows in all.

    Returns
    -------
    list of Path
        The files in the order in which they were written: symbol by symbol as given, then by time. Part
        numbers have leading zeros, so that the order of the names is that of the times. The files carry the
        column `symbol` as well, so that reading them by a glob pattern works without hive partitioning.

    Raises
    ------
    RangeBarError
        If an argument is not what is described above, or the folder is not empty.
    OSError
        If a file cannot be written.

    Notes
    -----
    About 0.7 s a million rows and 9 bytes a row on disk. Memory is that of one file, about 100 bytes a row
    of it over the first 150 MB, and does not grow with `rows`.

    Examples
    --------
    >>> import tempfile
    >>> import polars as pl
    >>> from rangebar_polars.datasets import write_sample_lake
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_sample_lake(folder, rows=5_000, symbols=["ADA", "XRPUSDT"], rows_per_file=2_000)
    ...     names = [file.relative_to(folder).as_posix() for file in files]
    ...     counts = pl.scan_parquet(folder).group_by("symbol").len().sort("symbol").collect()
    >>> names  # doctest: +NORMALIZE_WHITESPACE
    ['symbol=ADA/part-00000.parquet', 'symbol=ADA/part-00001.parquet',
     'symbol=XRPUSDT/part-00000.parquet', 'symbol=XRPUSDT/part-00001.parquet']
    >>> counts.rows()
    [('ADA', 2500), ('XRPUSDT', 2500)]
    """
    names = _checked_symbols(symbols)
    _check_int("rows", rows, len(names), 2**40)
    _check_int("rows_per_file", rows_per_file, 1, 2**31)
    first_ms = _checked_start(start)
    _check_int("seed", seed, 0, SEED_MAX)
    folder = _empty_folder(path)
    files: list[Path] = []
    written = 0
    for name, count in zip(names, _shares(rows, len(names)), strict=True):
        tape = TradeTape(name, seed, first_ms)
        partition = folder / f"symbol={name}"
        partition.mkdir()
        parts = -(-count // rows_per_file)
        for part in range(parts):
            frame = pl.concat(tape.take(min(rows_per_file, count - part * rows_per_file)))
            file = partition / f"part-{part:0{max(5, len(str(parts)))}d}.parquet"
            frame.write_parquet(file, compression="zstd")
            files.append(file)
            written += frame.height
            if progress is not None:
                progress(written, rows)
    return files


def _shares(rows: int, parts: int) -> list[int]:
    return [rows // parts + (part < rows % parts) for part in range(parts)]


def _empty_folder(path: str | os.PathLike[str]) -> Path:
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"`path` must be a new or an empty folder, got {str(folder)!r}"
        raise RangeBarError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_int(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        msg = f"`{name}` must be an integer in {low}..{high}, got {value!r}"
        raise RangeBarError(msg)


def _checked_symbols(symbols: object) -> list[str]:
    if isinstance(symbols, Sequence) and not isinstance(symbols, str):
        names = [_checked_symbol(name) for name in cast("Sequence[object]", symbols)]
    else:
        names = [_checked_symbol(symbols)]
    if not names or len({name.casefold() for name in names}) < len(names):
        msg = f"`symbols` must be one or more distinct names (case aside), got {names!r}"
        raise RangeBarError(msg)
    return names


def _checked_symbol(name: object) -> str:
    if not isinstance(name, str) or not _SYMBOL.fullmatch(name):
        msg = f"`symbols` must be names of letters, digits, '.', '_' and '-', got {name!r}"
        raise RangeBarError(msg)
    return name


def _checked_start(start: object) -> int:
    if not isinstance(start, datetime):
        msg = f"`start` must be a datetime, got {start!r}"
        raise RangeBarError(msg)
    moment = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    return -(-(moment - EPOCH) // timedelta(milliseconds=1))
