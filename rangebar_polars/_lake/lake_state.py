"""The methods of a lake that say what it has, what it lacks, and what is wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from rangebar_polars._common.parameters import (
    check_flag,
    check_silence,
)
from rangebar_polars._lake import check
from rangebar_polars._lake.known import known_facts
from rangebar_polars._lake.opened import OpenedLake

__all__ = ["LakeState"]


class LakeState(OpenedLake):
    """What a lake has, what it lacks, and what is wrong."""

    def status(self, symbols: str | Sequence[str] | None = None, *, venue: str | None = None) -> pl.DataFrame:
        """
        What the lake has, one row for each symbol and series.

        Parameters
        ----------
        symbols, venue
            As for :meth:`trades`.

        Returns
        -------
        DataFrame
            `venue`, `symbol`, `first_day`, `last_day`, `days` (with trades), `missing_days` (between them), `trades`,
            `missing_ids`, `series`, `units` (of bars), `stale` (units that a build would build or remove;
            without a reset, at most), `bars`.

        Raises
        ------
        LakeFileError
            If the footer of a file cannot be read; `verify` lists all such files.

        Notes
        -----
        Footers are read, and nothing else: about 15 microseconds a file on two cores, some 60 if it must come from the
        disk.
        """
        return check.status(self._layout, self._instruments(symbols, venue, several_venues=True))

    def gaps(
        self,
        symbols: str | Sequence[str] | None = None,
        *,
        venue: str | None = None,
        silence: str | dt.timedelta | None = None,
    ) -> pl.DataFrame:
        """
        What is missing or twice: ids and days between those that are there, silences, and bars that are not up to date.

        Parameters
        ----------
        symbols, venue
            As for :meth:`trades`.
        silence
            The longest time between two trades of a symbol that is no silence, written as for `max_gap`: "1h", or a
            timedelta. None: silences are not looked for.

        Returns
        -------
        DataFrame
            `venue`, `symbol`, `kind` (Enum: "ids", "day", "silence", "stale_bars", "repeated_ids"), `first_id`,
            `last_id` (Int64, of the ids), `count` (UInt64, of ids or days), `from`, `to` (Date), `series`, `fixable_by`
            (Enum: "archive or rest", whose trades `add` takes, "build", or "none", if the ids on both sides follow each
            other: there was no trade), `from_time`, `to_time` (Datetime, of silences) and `known` (String: what is
            known about it, and who says so; null if nothing is). A known gap is explained, and told all the same; if
            only a part of it is known, the text begins with "partly". :meth:`known_facts` lists what is known.

            "repeated_ids" are those of a day that the day before has, too: a venue has split a trade at midnight, or
            counts anew each day. A lake tells trades apart by their ids within a day, so both are kept.

            A silence into which whole days fall, of which there are no files, is a row "day" and, if they are long
            enough by themselves, rows for the time before these days and after them.

        Raises
        ------
        LakeFileError
            If the footer of a file of trades cannot be read, or the file of known facts is wrong; `verify` lists all
            such files.
        RangeBarError
            If `silence` is no length of time.

        Notes
        -----
        Footers are read, and nothing else: about 20 microseconds a file on two cores, some 60 if it must come from the
        disk. With `silence`, the times and the ids of all trades are read too, streamed: about 25 nanoseconds a trade
        on one core, and no memory that grows with them.
        """
        instruments = self._instruments(symbols, venue, several_venues=True)
        return check.gaps(self._layout, instruments, check_silence(silence))

    def known_facts(self, symbols: str | Sequence[str] | None = None, *, venue: str | None = None) -> pl.DataFrame:
        """
        What is known about the data of venues: days without an archive, rows that are no trades, pauses, new names.

        Some facts come with the library. A file `symbols.toml` in the folder of the lake adds others in the same form:
        a fact with the name of one that is there takes its place, and ``withdrawn = true`` takes it away.

        Parameters
        ----------
        symbols
            One symbol, several, or all; the lake need not have trades of them.
        venue
            One venue, such as "binance-spot", or all.

        Returns
        -------
        DataFrame
            One row for each fact and symbol: `name`, `venue`, `symbol` ("*" for all of the venue), `kind` (Enum:
            "bad_rows", "no_archive", "incomplete", "lost", "pause", "rename"), `from`, `to` (Date, both included),
            `from_time`, `to_time` (Datetime, if the times are known; the second is not included), `first_id`, `last_id`
            (Int64), `rows` (UInt64, at most), `reason` (String, as in :meth:`ReadReport.frame`), `other` (the new
            name), `text`, `source`, `noted` (Date) and `origin` (Enum: "bundled", "lake").

        Raises
        ------
        LakeFileError
            If the file of the lake is wrong, with the entry and the remedy.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> import rangebar_polars as rb
        >>> folder = TemporaryDirectory()
        >>> facts = rb.Lake(folder.name).known_facts("MATICUSDT", venue="binance-spot")
        >>> facts.filter(kind="rename").select("symbol", "other", "from", "to").row(0)
        ('MATICUSDT', 'POLUSDT', datetime.date(2024, 9, 10), datetime.date(2024, 9, 13))
        >>> folder.cleanup()
        """
        return known_facts(self._layout, symbols, venue)

    def verify(
        self, symbols: str | Sequence[str] | None = None, *, venue: str | None = None, deep: bool = False
    ) -> pl.DataFrame:
        """
        The files that are not as a lake writes them: damaged, cut off, copied from elsewhere, or of something else.

        Parameters
        ----------
        symbols, venue
            As for :meth:`trades`. Files that belong to no symbol are always listed.
        deep
            Whether to read every value and compare the digests. Otherwise only footers are read.

        Returns
        -------
        DataFrame
            `file` and `fault` (String), one row for each; none if all is well. Nothing is altered.
        """
        instruments = None
        if symbols is not None or venue is not None:
            instruments = self._instruments(symbols, venue, several_venues=True)
        return check.verify(self._layout, instruments, deep=check_flag("deep", deep))
