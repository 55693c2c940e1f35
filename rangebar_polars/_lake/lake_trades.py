"""The methods of a lake that are about trades."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from rangebar_polars._common.columns import missing_column
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import (
    check_choice,
    check_flag,
    check_names,
    check_seconds,
)
from rangebar_polars._engine.progress import check_progress
from rangebar_polars._lake import add as adding
from rangebar_polars._lake.build import OnError
from rangebar_polars._lake.fetch_report import FetchReport
from rangebar_polars._lake.footer import Facts, facts_of
from rangebar_polars._lake.layout import TradesUnit, check_key
from rangebar_polars._lake.opened import OpenedLake
from rangebar_polars._lake.rangebar_cache import add_cache
from rangebar_polars._lake.trades import trades_of
from rangebar_polars._lake.when import When, check_years, day_before, time_range
from rangebar_polars._readers.policy import OnBadRows
from rangebar_polars.exceptions import RangeBarError

__all__ = ["LakeTrades"]


class LakeTrades(OpenedLake):
    """Trades into a lake, and out of it."""

    def add(
        self,
        frame: pl.LazyFrame | pl.DataFrame,
        *,
        venue: str,
        symbol: str | None = None,
        on_conflict: adding.OnConflict = "error",
        lock_seconds: float = 60.0,
    ) -> adding.AddReport:
        """
        Add trades: each day whole, each trade once.

        The frame is read once, streamed. Its days are written when all of it has been read without an error: a day of
        which a part is missing, because an archive is damaged at its end, never gets in. Trades that are there already
        are recognised by their ids: adding them again changes nothing, and a day that was cut off is made whole.
        Without ids, they are recognised if all that lies in the time of both is the same.

        Parameters
        ----------
        frame
            Trades in the columns of :func:`scan_trades`: `timestamp`, `price`, `quantity` and, where there are some,
            `symbol`, `is_buyer_maker` and ids. Other columns are not kept. Within a day of a symbol, ids rise and time
            does not go back; days may come in any order. A column that is null on a whole day is left out of its file.
            Prices and quantities are kept as doubles: a Decimal or an integer that a double would change is an error.
        venue
            Where the trades were made, such as "binance-spot": the name of a folder.
        symbol
            The symbol of all trades, if they have no column of symbols.
        on_conflict
            What happens if an id is there with another content, or trades without ids overlap with others: "error", or
            "replace": of trades with ids, those with the same ids are replaced, of others all from the first time of
            the new ones to their last.
        lock_seconds
            How long to wait if another process adds trades of the same venue.

        Returns
        -------
        AddReport
            The days that are new, that were merged, replaced, or left as they are.

        Raises
        ------
        LakeConflictError
            If trades contradict those that are there, with both in the message.
        LakeLockError
            If another process is adding trades of the venue.
        LakeFileError
            If a file that is there is damaged.
        RangeBarError
            If a column is missing or has the wrong dtype, a value is null, no number or would be changed, or trades are
            out of order.
        Exception
            Whatever the query of the frame raises. Whatever is raised, nothing is added; only if the process is
            interrupted while it puts the files in their places, some of the days are in, whole, and the next call adds
            the others.

        Notes
        -----
        Days are written aside as they end, two at a time, while the next ones are read. Of days that have not ended,
        which may be many if symbols or days are interleaved, 512 MB are held in memory, and the rest on the disk.
        """
        trades = lazy_frame("add", frame)
        check_key("venue", venue)
        if symbol is not None:
            check_key("symbol", symbol)
        return adding.add(
            self._layout,
            trades,
            venue=venue,
            symbol=symbol,
            on_conflict=check_choice("on_conflict", on_conflict, ("error", "replace")),
            lock_seconds=check_seconds("lock_seconds", lock_seconds),
        )

    def add_rangebar_cache(
        self,
        path: str | os.PathLike[str],
        *,
        venue: str | None = None,
        symbols: str | Sequence[str] | None = None,
        start: When = None,
        end: When = None,
        on_bad_rows: OnBadRows = "raise",
        on_conflict: adding.OnConflict = "error",
        lock_seconds: float = 60.0,
    ) -> adding.AddReport:
        """
        Add the trades that the package `rangebar` has kept in its cache.

        The cache has a file for each symbol and month, ``ticks/BINANCE_SPOT_BTCUSDT/2024-01.parquet``. The folder tells
        market and symbol. Parts of a month that were fetched later stand at its end, some of them twice: trades are put
        in order by their ids, and those that are there twice are taken once; the report counts both. Ids that were
        never fetched are missing here too, and are told by :meth:`gaps`.

        Parameters
        ----------
        path
            The cache, such as ``~/.cache/rangebar``, its folder ``ticks``, or the folder of one symbol.
        venue
            Only the symbols of this venue: "binance-spot", "binance-um" or "binance-cm". None: of all that are there.
            For the folder of one symbol, the venue that its name does not tell.
        symbols
            One symbol, several, or all that are there.
        start, end
            As for :meth:`trades`.
        on_bad_rows
            As for :func:`scan_trades`; a trade that is there twice with the same content is no bad row.
        on_conflict, lock_seconds
            As for :meth:`add`.

        Returns
        -------
        AddReport
            As for :meth:`add`; what was put in order or left out is in its `read`, a :class:`ReadReport`.

        Raises
        ------
        RangeBarError
            If the folder is none of that package, or a file is damaged or has a row that is not as it should be: the
            old program kept a price that it could not read as 0. What was read before it may have been added.
        Exception
            As for :meth:`add`.

        Warns
        -----
        RangeBarWarning
            If there are days of spot trades since 2025, whose microseconds the cache has lost.

        Notes
        -----
        A month is streamed if its ids rise, as they do if its days were fetched one after another. Otherwise it is read
        whole, as the old program did whenever it added to it: about 200 bytes of memory a trade.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> folder = TemporaryDirectory()
        >>> month = Path(folder.name, "cache/ticks/BINANCE_SPOT_BTCUSDT/2024-01.parquet")
        >>> month.parent.mkdir(parents=True)
        >>> trades = rb.datasets.sample_trades(1_000, symbols=["BTCUSDT"]).drop("symbol")
        >>> old = trades.with_columns(pl.col("timestamp").dt.epoch("ms"))
        >>> pl.concat([old[600:], old[:700]]).write_parquet(month)
        >>> rb.Lake(Path(folder.name, "lake")).add_rangebar_cache(Path(folder.name, "cache"))
        <AddReport: 1,000 trades; days: 1 new, 0 merged, 0 replaced, 0 unchanged; rows: 700 put in order, 100 left out>
        >>> folder.cleanup()
        """
        if on_conflict not in ("error", "replace"):
            msg = f'`on_conflict` must be "error" or "replace", got {shown(on_conflict)}'
            raise RangeBarError(msg)
        return add_cache(
            self._layout,
            Path(path).expanduser(),
            venue=venue,
            symbols=symbols,
            start=start,
            end=end,
            on_bad_rows=on_bad_rows,
            on_conflict=on_conflict,
            lock_seconds=lock_seconds,
        )

    def fetch(
        self,
        symbols: str | Sequence[str],
        start: When,
        end: When = None,
        *,
        venue: str = "binance-spot",
        kind: Literal["aggTrades", "trades"] = "aggTrades",
        checksums: Literal["require", "if_present"] = "require",
        accept: Mapping[str, str] | None = None,
        base: str | None = None,
        rest: bool = True,
        concurrency: int = 4,
        keep_archives: str | os.PathLike[str] | None = None,
        on_conflict: adding.OnConflict = "error",
        on_error: OnError = "raise",
        progress: bool = False,
        lock_seconds: float = 60.0,
    ) -> FetchReport:
        """
        Fetch trades from a venue: what is not here yet, or was published anew since.

        Which archives there are is read from the venue's listing. Each is downloaded, goes on where an earlier download
        ended, is compared with its published SHA-256, read by the readers and only then added, each day whole. What no
        archive has yet comes from the venue's REST interface, trade after trade by its id. Of a month of which many
        days are wanted, the monthly archive is taken, unless it lacks an id that its days may have.

        Parameters
        ----------
        symbols
            The symbols, as the venue names them.
        start, end
            As for :meth:`trades`, but whole days: the day of each is included. With None as start, from the first
            archive on; with None as end, up to now.
        venue
            "binance-spot", "binance-um" or "binance-cm" (futures), or "exness" (quotes, of which the mid price is kept;
            it publishes no checksums, and an archive that it publishes anew is not noticed).
        kind
            "aggTrades", or "trades", each by itself; a venue in a lake has one of them.
        checksums
            "require": an archive without a published checksum is an error. "if_present": it is taken as it is.
        accept
            SHA-256 of archives, by their names, that are right although the venue publishes another one. The footer
            keeps it.
        base
            Another address that has all paths of the venue, such as a mirror.
        rest
            Whether days without an archive are fetched by the REST interface.
        concurrency
            Archives that are downloaded at a time.
        keep_archives
            A folder in which the archives are kept, below the paths that they have at the venue.
        on_conflict
            As for :meth:`add`, where trades that you have added differ from those of the venue. What was fetched
            before gives way to an archive in any case.
        on_error
            "raise": all is fetched that can be, then an error tells what could not. "continue": the report tells it.
        progress
            Whether to show progress bars, in all and of each archive, by tqdm.
        lock_seconds
            How long to wait if another process fetches the same symbol.

        Returns
        -------
        FetchReport
            The days that were added, that were there, and that the venue does not have.

        Raises
        ------
        FetchError
            If something could not be fetched; its `report` has the rest. Nothing of a day that failed is added.
        RangeBarError
            If a parameter is wrong.
        KeyboardInterrupt
            On Ctrl-C. What is complete stays, and the next fetch goes on with downloads where they ended.

        Notes
        -----
        Fetching needs aiohttp and stamina: ``pip install "rangebar_polars[fetch]"``. Proxies are taken from the
        environment. An error of the server, or too many requests (whose `Retry-After` is minded), is tried again up to
        six times; a download that ends early is gone on with as long as it gets on.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> import rangebar_polars as rb
        >>> with TemporaryDirectory() as folder:
        ...     _ = rb.datasets.write_sample_archives(folder + "/zips", rows=2_000, symbols="BTCUSDT")
        ...     lake = rb.Lake(folder + "/lake")
        ...     with rb.datasets.LocalVenue(folder + "/zips") as venue:
        ...         report = lake.fetch("BTCUSDT", "2024-01-01", "2024-01-01", base=venue.base)
        ...     lake.trades("BTCUSDT").collect().height
        2000
        >>> report.files, [str(unit.date) for unit in report.added]
        (1, ['2024-01-01'])
        """
        from rangebar_polars._lake import fetching  # noqa: PLC0415  (asyncio is slow to import)

        check_choice("on_error", on_error, ("raise", "continue"))
        first, until = time_range(start, end)
        check_years(first, until)
        report = fetching.fetch(
            self._layout,
            fetching.asked(
                venue=venue,
                kind=kind,
                base=base,
                checksums=checksums,
                accept=accept,
                rest=check_flag("rest", rest),
                concurrency=concurrency,
                keep_archives=keep_archives,
                on_conflict=check_choice("on_conflict", on_conflict, ("error", "replace")),
                lock_seconds=check_seconds("lock_seconds", lock_seconds),
            ),
            check_names("symbols", symbols),
            None if first is None else first.date(),
            None if until is None else day_before(until),
            progress=check_progress(check_flag("progress", progress)),
        )
        if report.failed and on_error == "raise":
            raise report.to_error()
        return report

    def symbols(
        self,
        venue: str = "binance-spot",
        *,
        symbols: str | Sequence[str] | None = None,
        kind: Literal["aggTrades", "trades"] = "aggTrades",
        base: str | None = None,
    ) -> pl.DataFrame:
        """
        What a venue has, by its listing: each symbol with the first and the last day of its archives.

        Parameters
        ----------
        venue
            As for :meth:`fetch`.
        symbols
            One symbol, or several; by default all of the venue.
        kind, base
            As for :meth:`fetch`.

        Returns
        -------
        DataFrame
            `venue`, `symbol`, `first_day`, `last_day` (Date, null if there is no archive), `missing_days` (UInt32: days
            between them that no archive has) and `known` (String: what is known about the symbol, and who says so; null
            if nothing is), by symbol.

        Raises
        ------
        RangeBarError
            If the venue is unknown or lists nothing, or does not answer.

        Notes
        -----
        The listing has 500 days a page: of all symbols of Binance, that is some ten thousand pages, sixteen at a time,
        and takes minutes. It needs ``pip install "rangebar_polars[fetch]"``.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> import rangebar_polars as rb
        >>> with TemporaryDirectory() as folder:
        ...     _ = rb.datasets.write_sample_archives(folder + "/zips", rows=2_000)
        ...     with rb.datasets.LocalVenue(folder + "/zips") as venue:
        ...         rb.Lake(folder + "/lake").symbols(base=venue.base)["symbol"].to_list()
        ['BTCUSDT', 'ETHUSDT']
        """
        from rangebar_polars._lake.offered import offered  # noqa: PLC0415  (asyncio is slow to import)

        named = [symbols] if isinstance(symbols, str) else symbols
        return offered(self._layout, venue, kind=kind, base=base, symbols=named)

    def trades(
        self,
        symbols: str | Sequence[str] | None = None,
        start: When = None,
        end: When = None,
        *,
        venue: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.LazyFrame:
        """
        Trades from `start` to `end`.

        Only the footers of the files of these days are read before the query runs.

        Parameters
        ----------
        symbols
            One symbol, several, or all.
        start, end
            Days or times in UTC, as texts in ISO 8601 or as objects. A day as the end is that whole day; a time as the
            end is not included.
        venue
            The venue; needed if a symbol is traded on several.
        columns
            The columns wanted; all by default.

        Returns
        -------
        LazyFrame
            `timestamp`, `price`, `quantity`, what there is of `is_buyer_maker` and ids, then `venue`, `symbol` (String)
            and `date` (Date); by symbol, and within it in the order of time.

        Raises
        ------
        RangeBarError
            If a symbol, venue or column is not there, a symbol is on several venues, or the end is before the start.
        LakeFileError
            If a file is damaged, a copy of another one, or none of a lake.
        """
        first, last = time_range(start, end)
        found: dict[TradesUnit, Facts] = {}
        for one, name in self._instruments(symbols, venue):
            for unit, facts in facts_of(self._layout, self._layout.trades(one, name, *_days(first, last))).items():
                if not isinstance(facts, Facts):
                    raise facts
                found[unit] = facts
        trades = trades_of(self._layout, found)
        if first is not None:
            trades = trades.filter(pl.col("timestamp") >= first)
        if last is not None:
            trades = trades.filter(pl.col("timestamp") < last)
        columns = None if columns is None else check_names("columns", columns)
        for name in columns or ():
            if name not in trades.collect_schema():
                raise missing_column(name, trades.collect_schema().names())
        return trades if columns is None else trades.select(columns)


def _days(first: dt.datetime | None, last: dt.datetime | None) -> tuple[dt.date | None, dt.date | None]:
    """The first day and the last one in which something can be."""
    return None if first is None else first.date(), None if last is None else day_before(last)
