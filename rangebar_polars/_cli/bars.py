"""Bars in one line: `bars` and `n-bars`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import polars as pl
from cyclopts import Parameter
from rich.console import Console, RenderableType

from rangebar_polars._cli.answer import Answer, records
from rangebar_polars._cli.common import COMMON, Common, OneSeries, Symbol, Venue, chosen_rule
from rangebar_polars._cli.files import STDOUT, check_target, write
from rangebar_polars._cli.parameters import AS_USUAL, BarParameters
from rangebar_polars._cli.retries import told_retries
from rangebar_polars._cli.tables import count, line, table
from rangebar_polars._cli.words import option
from rangebar_polars._common.messages import listed
from rangebar_polars._one_line import get_n_range_bars, get_range_bars
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Checksums", "Fetch", "Output", "bars", "check_output", "n_bars", "written"]

Output: TypeAlias = Annotated[str | None, Parameter(alias="-o", allow_leading_hyphen=True)]
Fetch: TypeAlias = Literal["missing", "never", "always"]
Checksums: TypeAlias = Literal["require", "if_present"]

_ENDS: Final = 5
"""Bars that are shown of the beginning, and of the end."""

_WIDE: Final = 110
"""Columns of a terminal that has place for more than prices."""


def bars(
    symbol: Symbol,
    start: str | None = None,
    end: str | None = None,
    /,
    *,
    threshold_dbps: int | None = None,
    rule: str | None = None,
    series: OneSeries | None = None,
    output: Output = None,
    venue: Venue | None = None,
    fetch: Fetch | None = None,
    on_missing: Literal["raise", "warn"] | None = None,
    checksums: Checksums | None = None,
    base: str | None = None,
    include_orphans: bool = False,
    include_incomplete: bool = False,
    parameters: BarParameters = AS_USUAL,
    common: Common = COMMON,
) -> Answer:
    """
    Get the bars that closed from one day to another.

    Trades that the lake lacks are fetched first, unless `--fetch never`.
    With `--series`, bars are taken as they were built, and nothing is
    fetched. It never gives bars over a hole in the trades without a word.

    For example:

        rangebar-polars bars BTCUSDT 2024-01-01 2024-01-31
        rangebar-polars bars BTCUSDT 2024-01-01 2024-01-31 -o bars.parquet
        rangebar-polars bars BTCUSDT 2024-01-10 2024-01-10 --rule "Volume(50)"
        rangebar-polars bars BTCUSDT --series base -o - | head

    Parameters
    ----------
    symbol
        The symbol.
    start
        The first day, or a time in UTC.
    end
        The last day, which is included, or a time, which is not.
    threshold_dbps
        The threshold in decimal basis points (250 is 0.25 %) [default: 250;
        with a series all that it has].
    rule
        Another rule that closes bars, as in Python: "Volume(50)",
        "Imbalance(target=1000, span=20)" or 'Time("1h")'. With a series one
        that it has.
    series
        A series of the lake, instead of parameters.
    output
        A file, .parquet, .csv or .arrow, or - for CSV on stdout. Without
        it, the first and the last bars are shown.
    venue
        The venue [default: binance-spot; with a series the one that has the
        symbol].
    fetch
        Whether to fetch trades: those that are missing, none, or all again
        [default: missing].
    on_missing
        What to do if trades are missing after that: stop, or warn
        [default: raise].
    checksums
        Whether archives must have a checksum [default: require].
    base
        Another address of the archives.
    include_orphans
        Include bars that a reset or a gap ended.
    include_incomplete
        Include the bar that is still forming.
    """
    asked = parameters.given()
    asked |= _given(fetch=fetch, on_missing=on_missing, include_incomplete=include_incomplete or None)
    chosen = chosen_rule(threshold_dbps, rule)
    said = {"symbol": symbol, "start": start, "end": end, "threshold_dbps": threshold_dbps, "series": series}
    said |= _given(rule=rule)
    if series is not None:
        if asked:
            msg = f"a series has its parameters: leave out {listed([*map(option, asked)])}, or `--series`"
            raise RangeBarError(msg)
        check_output(output, common)
        frame = common.open().bars(
            symbol,
            start,
            end,
            series=series,
            venue=venue,
            threshold_dbps=chosen,
            include_orphans=include_orphans,
        )
        return written(frame, output, said, common)
    if start is None or end is None:
        raise RangeBarError("say from which day to which: rangebar-polars bars SYMBOL START END, or give `--series`")
    check_output(output, common)
    if fetch == "never":
        common.open()  # which must be there then
    if chosen is None:
        said["threshold_dbps"] = chosen = 250
    with told_retries(common):
        frame = get_range_bars(
            symbol,
            start,
            end,
            chosen,
            venue=venue or "binance-spot",
            lake=common.folder,
            include_orphans=include_orphans,
            progress=common.progress,
            lazy=True,
            **asked,
            **_given(checksums=checksums, base=base),
        )
    return written(frame, output, said, common)


def n_bars(
    symbol: Symbol,
    n: int,
    /,
    *,
    threshold_dbps: int | None = None,
    rule: str | None = None,
    before: str | None = None,
    max_lookback: str = "2y",
    output: Output = None,
    venue: str = "binance-spot",
    fetch: Fetch | None = None,
    checksums: Checksums | None = None,
    base: str | None = None,
    include_orphans: bool = False,
    parameters: BarParameters = AS_USUAL,
    common: Common = COMMON,
) -> Answer:
    """
    Get the last bars, so many as you say.

    Trades that the lake lacks are fetched, month by month backwards. It
    never gives fewer bars than you say: if there are not enough, it says
    how many there are, and exits with 1.

    For example:

        rangebar-polars n-bars BTCUSDT 1000
        rangebar-polars n-bars BTCUSDT 500 --before 2024-02-01 -o last.csv
        rangebar-polars n-bars BTCUSDT 500 --rule "Ticks(1000)"

    Parameters
    ----------
    symbol
        The symbol.
    n
        How many bars.
    threshold_dbps
        The threshold in decimal basis points (250 is 0.25 %) [default: 250].
    rule
        Another rule that closes bars, as in Python: "Volume(50)",
        "Imbalance(target=1000, span=20)" or 'Time("1h")'.
    before
        A day, which is included, or a time, which is not [default:
        yesterday].
    max_lookback
        How far to look back.
    output
        A file, .parquet, .csv or .arrow, or - for CSV on stdout. Without
        it, the first and the last bars are shown.
    venue
        The venue.
    fetch
        Whether to fetch trades: those that are missing, none, or all again
        [default: missing].
    checksums
        Whether archives must have a checksum [default: require].
    base
        Another address of the archives.
    include_orphans
        Include bars that a reset or a gap ended.
    """
    check_output(output, common)
    chosen = chosen_rule(threshold_dbps, rule)
    if chosen is None:
        chosen = threshold_dbps = 250
    asked = parameters.given()
    asked |= _given(fetch=fetch, checksums=checksums, base=base)
    with told_retries(common):
        frame = get_n_range_bars(
            symbol,
            n,
            chosen,
            before=before,
            max_lookback=max_lookback,
            venue=venue,
            lake=common.folder,
            include_orphans=include_orphans,
            progress=common.progress,
            **asked,
        )
    said = {"symbol": symbol, "n": n, "before": before, "threshold_dbps": threshold_dbps} | _given(rule=rule)
    return written(frame.lazy(), output, said, common)


def check_output(output: str | None, common: Common) -> None:
    """An error before anything is read or fetched."""
    if output is not None:
        check_target(output)
    if output == STDOUT and common.json:
        raise RangeBarError("`--json` and `--output -` both want stdout: leave one out, or name a file")


def written(
    frame: pl.LazyFrame, output: str | None, said: dict[str, Any], common: Common, *, of: str = "bar"
) -> Answer:
    """Bars, or trades, in a file, or shown."""
    if output is None:
        rows = frame.collect(engine="streaming")
        document = said | {"rows": rows.height} | ({"bars": records(rows)} if common.json else {})
        return Answer(document, shown_bars(rows))
    rows_written = write(frame, check_target(output))
    if output == STDOUT:
        return Answer({})
    document = said | {"rows": rows_written, "output": output}
    return Answer(document, [line(f"{count(rows_written, of)} in {output}")])


def shown_bars(rows: pl.DataFrame) -> list[RenderableType]:
    """The first bars and the last ones."""
    is_wide = Console().width >= _WIDE
    several = [
        name for name in ("symbol", "threshold_dbps", "rule") if name in rows.columns and rows[name].n_unique() > 1
    ]
    times = ["open_time", "close_time"] if is_wide else ["close_time"]
    numbers = ["open", "high", "low", "close"] + ["volume"] * (is_wide or not several)
    more = [name for name in ("agg_record_count", "ofi") if is_wide and name in rows.columns]
    ends = rows if rows.height <= 2 * _ENDS else pl.concat([rows.head(_ENDS), rows.tail(_ENDS)])
    seen = ends.select(
        *several,
        *(pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S") for name in times),
        *(_aligned(ends[name]) for name in numbers),
        *(pl.col(name).round(3) for name in more),
    )
    lines = seen.rows()
    if rows.height > len(lines):
        lines.insert(_ENDS, ("...", *("",) * (seen.width - 1)))
    return [table(count(rows.height, "bar"), [_head(name) for name in seen.columns], lines)]


def _aligned(numbers: pl.Series) -> pl.Series:
    """Numbers as texts, with as many decimals as the one that has most, up to eight."""
    texts = [f"{number:,.8f}".rstrip("0") for number in numbers]
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return pl.Series(numbers.name, [f"{number:,.{decimals}f}" for number in numbers], dtype=pl.String)


def _head(name: str) -> str:
    known = {"threshold_dbps": "Dbps", "open_time": "Opened", "close_time": "Closed", "agg_record_count": "Trades"}
    return known.get(name) or ("OFI" if name == "ofi" else name.capitalize())


def _given(**options: object) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
