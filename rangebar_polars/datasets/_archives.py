"""Synthetic trades as the archives that a venue publishes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from rangebar_polars.datasets._arguments import (
    DEFAULT_START,
    check_int,
    checked_start,
    checked_symbols,
    empty_folder,
    shares,
)
from rangebar_polars.datasets._synthetic import SEED_MAX, TradeTape

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["write_sample_archives"]

_ARCHIVE_SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")

_MICROSECONDS_SINCE: Final = date(2025, 1, 1)
"""The first day whose spot archives have microseconds."""

_LEVEL: Final = 1
"""Of deflate: seven times as fast as the usual 6, for files that are a third larger."""


def write_sample_archives(
    path: str | os.PathLike[str],
    *,
    rows: int = 1_000_000,
    symbols: str | Sequence[str] = _ARCHIVE_SYMBOLS,
    start: datetime = DEFAULT_START,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> list[Path]:
    """
    Write synthetic trades as a folder of zips, one for each symbol and day, as Binance publishes spot trades.

    The files are ``BTCUSDT-aggTrades-2024-01-01.zip`` and so on. Each holds one CSV file of the same name, without a
    header: id, price, quantity, first and last id of the single trades, time, ``True`` or ``False`` for a buyer that
    was the maker, and ``True``. Prices and quantities have eight decimals. Times are in milliseconds until the end of
    2024, and in microseconds since then. Read with :func:`scan_binance`, the files hold exactly the rows of
    :func:`sample_trades` called with the same `rows`, `symbols`, `start` and `seed`. Like those, they are synthetic.

    Parameters
    ----------
    path
        Folder to write to. It is created with its parents; if it exists, it must be empty.
    rows
        Total number of rows, at least one for each symbol, divided evenly. A million rows of a symbol are about two
        days.
    symbols
        As in :func:`sample_trades`. :func:`scan_binance` returns them in upper case.
    start, seed
        As in :func:`sample_trades`.
    progress
        Called after each file with the rows written so far and the total number of rows.

    Returns
    -------
    list of Path
        The files in the order in which they were written: symbol by symbol as given, then day by day, in UTC. The last
        day of each symbol ends early, and a day without a trade has no file.

    Raises
    ------
    RangeBarError
        If an argument is not as described above, or the folder is not empty.
    OSError
        If a file cannot be written.

    See Also
    --------
    write_sample_lake : The same trades as Parquet files.

    Notes
    -----
    It takes about 1.5 s per million rows and 19 bytes per row on disk. Memory is that of one day of one symbol, at most
    100 MB on top of what the import takes. The same call writes the same bytes, unless Python was built with another
    zlib, which may pack the same text in other bytes.

    Examples
    --------
    >>> import tempfile
    >>> import rangebar_polars as rb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = rb.datasets.write_sample_archives(folder, rows=5_000, symbols=["BTCUSDT", "ETHUSDT"])
    ...     trades = rb.scan_binance(folder).collect()
    >>> [file.name for file in files]
    ['BTCUSDT-aggTrades-2024-01-01.zip', 'ETHUSDT-aggTrades-2024-01-01.zip']
    >>> trades.height
    5000
    """
    names = checked_symbols(symbols)
    check_int("rows", rows, len(names), 2**40)
    first_ms = checked_start(start)
    check_int("seed", seed, 0, SEED_MAX)
    folder = empty_folder(path)
    files: list[Path] = []
    written = 0
    for name, count in zip(names, shares(rows, len(names)), strict=True):
        for day, frames in groupby(_by_day(TradeTape(name, seed, first_ms), count), key=itemgetter(0)):
            texts: list[str] = []
            for _, frame in frames:
                texts.append(_text(frame, day))
                written += frame.height
            file = folder / f"{name}-aggTrades-{day}.zip"
            _write(file, "".join(texts), day)
            files.append(file)
            if progress is not None:
                progress(written, rows)
    return files


def _by_day(tape: TradeTape, rows: int) -> Iterator[tuple[date, pl.DataFrame]]:
    for chunk in tape.take(rows):
        for (day,), frame in chunk.group_by(pl.col("timestamp").dt.date(), maintain_order=True):
            yield day, frame


def _text(trades: pl.DataFrame, day: date) -> str:
    """Trades as lines of a file of that day."""
    maker = pl.when("is_buyer_maker").then(pl.lit("True")).otherwise(pl.lit("False"))
    return trades.select(
        "agg_trade_id",
        pl.col("price", "quantity").cast(pl.Decimal(38, 8)),
        "first_trade_id",
        "last_trade_id",
        pl.col("timestamp").dt.epoch("ms" if day < _MICROSECONDS_SINCE else "us"),
        is_buyer_maker=maker,
        is_best_match=pl.lit("True"),
    ).write_csv(include_header=False)


def _write(file: Path, text: str, day: date) -> None:
    """An archive whose bytes depend on nothing but its trades, neither on the clock nor on the platform."""
    member = zipfile.ZipInfo(f"{file.stem}.csv", date_time=(max(day.year, 1980), day.month, day.day, 0, 0, 0))
    member.create_system = 3  # Unix
    member.external_attr = 0o644 << 16
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, text, zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
