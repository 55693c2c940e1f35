"""The lake, as a user calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from rangebar_polars._common.parameters import (
    check_choice,
    check_flag,
)
from rangebar_polars._engine.progress import check_progress
from rangebar_polars._lake.lake_bars import LakeBars
from rangebar_polars._lake.lake_state import LakeState
from rangebar_polars._lake.lake_trades import LakeTrades
from rangebar_polars._lake.workspace import sweep

__all__ = ["Lake"]


class Lake(LakeTrades, LakeBars, LakeState):
    """
    A folder of trades and of bars that are kept up to date.

    Trades are kept by venue, symbol and day, bars by series, venue, symbol and period; each file is plain Parquet that
    any program reads, and its footer says what it was made of. There is no other memory: files may be copied, moved or
    deleted by hand, and the next build mends what depends on them. A file is put in its place whole, by one rename: at
    any moment, and after any crash, what can be read is right.

    Parameters
    ----------
    path
        The folder. It is made if it is not there.
    create
        Whether a folder that is no lake may become one.
    time_unit
        The clock of the trades, "us" or "ns"; for a lake that is there, it must be what it is.

    Raises
    ------
    RangeBarError
        If there is no lake and none may be made, or the folder holds something else, or has another clock.

    Notes
    -----
    A lake needs pyarrow and filelock: ``pip install "rangebar_polars[lake]"``.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> folder = TemporaryDirectory()
    >>> lake = rb.Lake(folder.name)
    >>> start = datetime(2024, 1, 1, 22, tzinfo=UTC)
    >>> trades = rb.datasets.sample_trades(200_000, symbols=["BTCUSDT"], start=start)
    >>> lake.add(trades, venue="binance-spot")
    <AddReport: 200,000 trades; days: 2 new, 0 merged, 0 replaced, 0 unchanged>
    >>> _ = lake.series("base", threshold_dbps=[100, 250], reset="1d")
    >>> report = lake.build("base")
    >>> len(report.built), len(lake.build("base").built)
    (2, 0)
    >>> bars = lake.bars("BTCUSDT", series="base", threshold_dbps=100).collect()
    >>> bars.height == trades.rangebar.bars(100, by="symbol", reset="1d").height
    True
    >>> folder.cleanup()
    """

    def repair(
        self,
        symbols: str | Sequence[str] | None = None,
        *,
        venue: str | None = None,
        sources: Sequence[Literal["archive", "rest"]] = (),
        base: str | None = None,
        dry_run: bool = False,
        progress: bool = False,
    ) -> pl.DataFrame:
        """
        Mend what can be mended: fetch the trades that are missing, and build the bars that are stale.

        Without `sources`, nothing is fetched. Drafts that nobody finishes are removed in any case.

        Parameters
        ----------
        symbols, venue
            As for :meth:`trades`.
        sources
            From where days and ids are fetched that are missing between those that are there: "archive", "rest", or
            both, first the one and then the other. Ids that the venue's REST interface does not have either are written
            down in ``symbols.toml``, with what it answered: :meth:`gaps` tells them as known, and they are not asked
            for again.
        base, progress
            As for :meth:`fetch`.
        dry_run
            Only say what there is to do.

        Returns
        -------
        DataFrame
            What remains to be mended, as :meth:`gaps` says it.

        Raises
        ------
        FetchError
            If something could not be fetched, once all else is mended.

        Notes
        -----
        Exactly the files of those days are written anew, and exactly the bars that depend on them. A second call has
        nothing to do.
        """
        wanted: list[str] = [sources] if isinstance(sources, str) else [*sources]
        for source in wanted:
            check_choice("sources", source, ("archive", "rest"))
        if check_flag("dry_run", dry_run):
            return self.gaps(symbols, venue=venue)
        sweep(self._layout.staging)
        failed: Exception | None = None
        if wanted:
            from rangebar_polars._lake.repairing import repair_trades  # noqa: PLC0415  (asyncio is slow to import)

            instruments = self._instruments(symbols, venue, several_venues=True)
            check_progress(check_flag("progress", progress))
            report = repair_trades(self._layout, instruments, sources=wanted, base=base, progress=progress)
            failed = report.to_error() if report.failed else None
        for name in self._layout.series():
            self.build(name, symbols=symbols, venue=venue, progress=progress)
        if failed is not None:
            raise failed
        return self.gaps(symbols, venue=venue)
