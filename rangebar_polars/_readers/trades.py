"""Readers of trades, as a user calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import polars as pl

from rangebar_polars._common.messages import listed, shown, shown_path
from rangebar_polars._common.parameters import check_flag, check_price_decimals
from rangebar_polars._readers.fields import Numbers
from rangebar_polars._readers.files import Source, SourceFiles, source_files
from rangebar_polars._readers.policy import OnBadRows, check_on_bad_rows
from rangebar_polars._readers.preset import FileUnit, Preset, required_fields
from rangebar_polars._readers.report import ReadReport
from rangebar_polars._readers.scan import OnUnsorted, Reading, check_on_unsorted, scan_files
from rangebar_polars.exceptions import RangeBarError

__all__ = ["reading_of", "scan_binance", "scan_trades"]

_OTHER_KIND: Final = {"aggTrades": "trades", "trades": "aggTrades"}


def scan_trades(
    source: Source,
    *,
    preset: str | Preset | None = None,
    columns: Mapping[str, str | int | tuple[str, ...]] | None = None,
    time_unit: FileUnit | None = None,
    time_zone: str | None = None,
    symbol: str | None = None,
    member: str | None = None,
    price_decimals: int = 8,
    decimal: bool = False,
    on_bad_rows: OnBadRows = "raise",
    on_unsorted: OnUnsorted = "raise",
    report: ReadReport | None = None,
) -> pl.LazyFrame:
    r"""
    Trades from files of any vendor, as a LazyFrame that is right or says what is not.

    A file is a CSV, as it is or in a zip or gzip archive, or Parquet, or what Databento sends (DBN). It is read in
    blocks of a few megabytes: memory does not grow with the file. Every number is what the file says, every row is
    accounted for, and every file may have its own unit of time, order of columns and kind of header.

    Parameters
    ----------
    source
        A file, a folder (with all folders below it), a pattern such as ``"btc/*.zip"``, or a list of these. Files of
        folders and patterns are read in the order of their names.
    preset
        The vendor: a name (:meth:`Preset.names` lists them) or a :class:`Preset`.
    columns
        What the columns are, if there is no preset, or where it does not fit:
        ``{"timestamp": "time", "price": "px", "quantity": 2}``, by name or by number, as in :class:`Preset`.
    time_unit
        The unit of times that are numbers: "s", "ms", "us" or "ns". None: that of the preset, or found for each file by
        its digits. With "ns", the result has nanoseconds, also of texts and of seconds with up to nine decimals.
    time_zone
        Where times are local, instead of what the preset says: a name such as "America/New_York".
    symbol
        The symbol of all files, if they have no column of symbols; otherwise it comes from the names of the files,
        where the preset knows how.
    member
        The file to read in archives that hold several.
    price_decimals
        Decimals that a price may have, 0 to 18. Give the same to `bars`.
    decimal
        Whether prices and quantities are Decimal rather than Float64. A double holds 15 digits: that is enough for
        nearly all files, and a number that needs more is an error.
    on_bad_rows
        "raise": an error at the first row that is not as it should be. "drop": such rows are left out and counted in
        the report. Or a function that is given those of a block as a DataFrame (`file`, `line`, `reason`, `text`) and
        returns one of both. Two units of time in one file are an error whatever this says.
    on_unsorted
        What happens if an id does not rise, or time goes back, within a symbol. "raise": an error. "sort": each file is
        read whole and sorted, by id if every row has one and the file holds one symbol, else by time. "drop": such rows
        are left out and counted: all that have a lower id, or an earlier time, than any row before them.
    report
        A :class:`ReadReport`, which is filled while the query runs.

    Returns
    -------
    LazyFrame
        `symbol` (String, if it is known), `timestamp` (Datetime, us or ns, UTC), `price` and `quantity` (Float64 or
        Decimal), `is_buyer_maker` (Boolean; null where the file does not know the aggressor: never a guess), and, where
        the files have them, `agg_trade_id`, `first_trade_id` and `last_trade_id` (Int64). Ids of single trades are
        `agg_trade_id`.

    Raises
    ------
    RangeBarError
        At once, if a parameter is wrong or there is no file. When the query runs: if a file is damaged, cut off,
        encrypted or something else than it seems; has several members, several units of time or unknown columns; or
        has a row that is not as it should be.

    See Also
    --------
    scan_binance, scan_quotes, ReadReport

    Notes
    -----
    The checksum of an archive is known at the end of its file: its first rows have been handed on by then. A sink that
    replaces its target only when the query has ended, such as :func:`sink_bars`, never keeps a part of them.

    A block is parsed with fixed dtypes, about 170 ns a row for eight columns, while the next one is inflated by another
    thread. Only a block with a row in doubt is read once more as text. With `isal` installed
    (``pip install "rangebar_polars[readers]"``), archives are inflated twice as fast.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "XBTUSD.csv")
    ...     _ = file.write_text("1704067200,42283.5,0.01\n1704067201,42284.0,0.5\n")
    ...     trades = rb.scan_trades(file, preset="kraken").collect()
    >>> trades
    shape: (2, 5)
    ┌────────┬─────────────────────────┬─────────┬──────────┬────────────────┐
    │ symbol ┆ timestamp               ┆ price   ┆ quantity ┆ is_buyer_maker │
    │ ---    ┆ ---                     ┆ ---     ┆ ---      ┆ ---            │
    │ str    ┆ datetime[μs, UTC]       ┆ f64     ┆ f64      ┆ bool           │
    ╞════════╪═════════════════════════╪═════════╪══════════╪════════════════╡
    │ XBTUSD ┆ 2024-01-01 00:00:00 UTC ┆ 42283.5 ┆ 0.01     ┆ null           │
    │ XBTUSD ┆ 2024-01-01 00:00:01 UTC ┆ 42284.0 ┆ 0.5      ┆ null           │
    └────────┴─────────────────────────┴─────────┴──────────┴────────────────┘
    """
    chosen = chosen_preset(preset, columns, time_unit, time_zone)
    if required_fields(chosen)[1] != "price":
        msg = f"`{chosen.name}` has quotes, not trades: read it with `rb.scan_quotes`"
        raise RangeBarError(msg)
    reading = reading_of(
        source,
        chosen,
        time_unit=time_unit,
        symbol=symbol,
        member=member,
        price_decimals=price_decimals,
        decimal=decimal,
        on_bad_rows=on_bad_rows,
        on_unsorted=on_unsorted,
        report=report,
    )
    return scan_files(reading, reading.schema, None, "SCAN TRADES")


def scan_binance(
    source: Source,
    *,
    market: Literal["spot", "um", "cm"] = "spot",
    kind: Literal["aggTrades", "trades"] = "aggTrades",
    symbol: str | None = None,
    price_decimals: int = 8,
    decimal: bool = False,
    on_bad_rows: OnBadRows = "raise",
    on_unsorted: OnUnsorted = "raise",
    report: ReadReport | None = None,
) -> pl.LazyFrame:
    r"""
    Trades from the archives of Binance, as `data.binance.vision` has them: zips, or the CSV files in them.

    Parameters
    ----------
    source
        A file, a folder, a pattern or a list, as for :func:`scan_trades`.
    market
        "spot", "um" (futures in USDT and USDC) or "cm" (futures in coins; their quantity counts contracts).
    kind
        "aggTrades", or "trades", whose `id` becomes `agg_trade_id`.
    symbol
        As for :func:`scan_trades`; by default from the names of the files, such as
        ``BTCUSDT-aggTrades-2024-01-01.zip``.
    price_decimals, decimal, on_bad_rows, on_unsorted, report
        As for :func:`scan_trades`.

    Returns
    -------
    LazyFrame
        As for :func:`scan_trades`, with side and ids. Times are in microseconds: spot archives are in milliseconds
        before 2025 and in microseconds since then, which is found for each file.

    Raises
    ------
    RangeBarError
        As for :func:`scan_trades`. A monthly archive beside the daily ones of that month is an error, because its
        trades would be read twice.

    Notes
    -----
    Spot archives of January 2018 have rows without price and quantity (`ghost` in the report): ``on_bad_rows="drop"``
    leaves them out.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> row = "2807759891,42283.58000000,0.00069000,3344774379,3344774379,1704067200000,True,True\n"
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "BTCUSDT-aggTrades-2024-01-01.csv").write_text(row)
    ...     trades = rb.scan_binance(folder).collect()
    >>> trades.select("symbol", "timestamp", "price", "is_buyer_maker", "agg_trade_id").row(0)[2:]
    (42283.58, True, 2807759891)
    """
    for name, value, known in (("market", market, ("spot", "um", "cm")), ("kind", kind, ("aggTrades", "trades"))):
        if value not in known:
            msg = f"`{name}` must be {listed(known, mark=chr(34))}, got {shown(value)}"
            raise RangeBarError(msg)
    return scan_trades(
        source,
        preset=f"binance {market} {kind}",
        symbol=symbol,
        price_decimals=price_decimals,
        decimal=decimal,
        on_bad_rows=on_bad_rows,
        on_unsorted=on_unsorted,
        report=report,
    )


def chosen_preset(
    preset: str | Preset | None,
    columns: Mapping[str, str | int | tuple[str, ...]] | None,
    time_unit: FileUnit | None,
    time_zone: str | None,
) -> Preset:
    """The preset that parameters mean."""
    if preset is None:
        if columns is None:
            msg = f"say what the files are: `preset=` ({listed(Preset.names(), mark=chr(34))}) or `columns=`"
            raise RangeBarError(msg)
        chosen = Preset(name="the columns given", columns=columns)
    elif isinstance(preset, str | Preset):
        chosen = Preset.named(preset) if isinstance(preset, str) else preset
        if columns is not None and not isinstance(columns, Mapping):
            msg = f"`columns` must map what a column is to its name, got {shown(columns)}"
            raise RangeBarError(msg)
        if columns is not None:
            chosen = chosen.but(columns={**chosen.columns, **columns})
    else:
        msg = f"`preset` must be a name or a Preset, got {shown(preset)}"
        raise RangeBarError(msg)
    if time_unit is not None and chosen.clock == "text" and time_unit != "ns":
        msg = f'`{chosen.name}` has times as texts, which have no unit: leave `time_unit` out, or give "ns"'
        raise RangeBarError(msg)
    # "ns" says how exact the result is: files that say themselves what their unit is may be coarser.
    keeps = time_unit == "ns" and (chosen.clock == "text" or chosen.time_unit is not None)
    changes: dict[str, Any] = {"time_unit": None if keeps else time_unit, "time_zone": time_zone}
    return chosen.but(**{name: value for name, value in changes.items() if value is not None})


def reading_of(
    source: Source,
    preset: Preset,
    *,
    time_unit: FileUnit | None,
    symbol: str | None,
    member: str | None,
    price_decimals: int,
    decimal: bool,
    on_bad_rows: OnBadRows,
    on_unsorted: OnUnsorted,
    report: ReadReport | None,
) -> Reading:
    """How files are read, checked."""
    for name in required_fields(preset):
        if name not in preset.columns:
            msg = f"`columns` must say which one is the `{name}`, it has {listed([*preset.columns])}"
            raise RangeBarError(msg)
    decimals = check_price_decimals(price_decimals)
    if symbol is not None and (not isinstance(symbol, str) or not symbol):
        msg = f"`symbol` must be a text, got {shown(symbol)}"
        raise RangeBarError(msg)
    if symbol is not None and "symbol" in preset.columns:
        msg = f"files of `{preset.name}` have a column of symbols: leave `symbol` out, and filter the rows"
        raise RangeBarError(msg)
    if report is not None and not isinstance(report, ReadReport):
        msg = f"`report` must be a ReadReport, got {shown(report)}: make one with `rb.ReadReport()`"
        raise RangeBarError(msg)
    clock: Literal["us", "ns"] = "ns" if "ns" in (time_unit, preset.time_unit) else "us"
    files = source_files(source)
    _check_kind(preset, files)
    return Reading(
        files=files,
        preset=preset,
        numbers=Numbers(decimals, check_flag("decimal", decimal), clock),
        symbol=symbol,
        member=member,
        on_bad_rows=check_on_bad_rows(on_bad_rows),
        on_unsorted=check_on_unsorted(on_unsorted),
        report=report,
    )


def _check_kind(preset: Preset, files: SourceFiles) -> None:
    """Files of Binance whose names say that they are of the other kind."""
    vendor, _, kind = preset.name.rpartition(" ")
    if not vendor.startswith("binance ") or kind not in _OTHER_KIND:
        return
    other = _OTHER_KIND[kind]
    for file in files.files:
        if f"-{other}-" in file.name:
            msg = f'{shown_path(file)} has {other} by its name, not {kind}: give `kind="{other}"`'
            raise RangeBarError(msg)
