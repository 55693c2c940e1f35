"""Trades and bars of the lake into files: `export`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import polars as pl
from cyclopts import Parameter

from rangebar_polars._cli.answer import Answer
from rangebar_polars._cli.bars import check_output, written
from rangebar_polars._cli.common import COMMON, Common, Names, OneSeries, Symbols, Venue, chosen_rule
from rangebar_polars._common.messages import listed
from rangebar_polars.exceptions import RangeBarError

__all__ = ["export"]

_FOR_BACKTESTING: Final = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}


def export(
    what: Literal["bars", "trades"],
    symbols: Symbols | None = None,
    /,
    *,
    output: Annotated[str, Parameter(alias="-o", allow_leading_hyphen=True)],
    start: str | None = None,
    end: str | None = None,
    series: OneSeries = "base",
    threshold_dbps: int | None = None,
    rule: str | None = None,
    venue: Venue | None = None,
    columns: Names | None = None,
    include_orphans: bool = False,
    to: Literal["backtesting"] | None = None,
    common: Common = COMMON,
) -> Answer:
    r"""
    Write trades or bars of the lake into a file.

    The file appears when it is complete: after an error, or Ctrl-C, there is
    never a part of it, and what was there before stays.

    For example:

        rangebar-polars export bars -o bars.parquet
        rangebar-polars export trades BTCUSDT --start 2024-01-31 -o day.csv
        rangebar-polars export bars BTCUSDT --threshold-dbps 250 \
            --to backtesting -o btc.csv

    Parameters
    ----------
    what
        What to write.
    symbols
        Some symbols; by default all.
    output
        The file, .parquet, .csv or .arrow, or - for CSV on stdout.
    start
        The first day, or a time in UTC.
    end
        The last day, which is included, or a time, which is not.
    series
        The series of the bars.
    threshold_dbps
        One of its thresholds; by default all.
    rule
        One of its rules, as its bars name it: "Volume(50)" or 'Time("1h")'.
    venue
        The venue, if symbols are on several.
    columns
        Some columns; by default all.
    include_orphans
        Include bars that a reset or a gap ended.
    to
        A program that reads bars in its own form: for backtesting.py, CSV of
        one symbol and one threshold or rule.
    """
    check_output(output, common)
    lake = common.open()
    if what == "trades":
        if to is not None or threshold_dbps is not None or rule is not None or include_orphans:
            raise RangeBarError(
                "trades have no `--to`, no `--threshold-dbps`, no `--rule` and no `--include-orphans`: leave them out"
            )
        frame = lake.trades(symbols, start, end, venue=venue, columns=columns)
    else:
        frame = lake.bars(
            symbols,
            start,
            end,
            series=series,
            venue=venue,
            threshold_dbps=chosen_rule(threshold_dbps, rule),
            include_orphans=include_orphans,
        )
        unknown = [name for name in columns or () if name not in frame.collect_schema()]
        if unknown:
            there = ", ".join(frame.collect_schema())
            msg = f"the bars have no column {listed(unknown)}: they have {there}"
            raise RangeBarError(msg)
        if to is not None:
            frame = _for_backtesting(frame, output, columns)
        elif columns is not None:
            frame = frame.select(columns)
    said = {"lake": lake.path, "what": what, "symbols": symbols, "start": start, "end": end}
    return written(frame, output, said, common, of=what.removesuffix("s"))


def _for_backtesting(bars: pl.LazyFrame, output: str, columns: list[str] | None) -> pl.LazyFrame:
    """Bars of one symbol and threshold as backtesting.py reads them, with further columns."""
    if not (output.endswith(".csv") or output == "-"):
        raise RangeBarError("bars for backtesting.py are CSV: name such a file with `--output`")
    keys = [name for name in ("symbol", "threshold_dbps", "rule") if name in bars.collect_schema()]
    groups = bars.select(keys).unique().collect(engine="streaming").sort(keys)
    if groups.height > 1:
        told = ", ".join(" ".join(map(str, row)) for row in groups.head(5).iter_rows())
        which = "`--rule`" if "rule" in keys else "`--threshold-dbps`"
        msg = f"backtesting.py reads one symbol and one threshold, got {told}: name one symbol, and {which}"
        raise RangeBarError(msg)
    wanted = [pl.col(name).alias(other) for name, other in _FOR_BACKTESTING.items()]
    return bars.select(pl.col("close_time").dt.replace_time_zone(None), *wanted, *(columns or ())).sort(
        "close_time", maintain_order=True
    )
