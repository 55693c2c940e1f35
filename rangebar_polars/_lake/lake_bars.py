"""The methods of a lake that are about bars."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Unpack

import polars as pl

from rangebar_polars._bars.own_features import OwnFeatures
from rangebar_polars._bars.request import PARTS, BarOptions, Request, Threshold, as_rule, plain
from rangebar_polars._common.messages import cut, listed, shown
from rangebar_polars._common.parameters import (
    check_choice,
    check_flag,
    check_seconds,
    check_workers,
)
from rangebar_polars._engine.progress import check_progress
from rangebar_polars._lake.bars import bars_of, check_kept
from rangebar_polars._lake.build import BuildReport, OnError, build, lock_name
from rangebar_polars._lake.footer import Facts, facts_of
from rangebar_polars._lake.layout import BarsUnit, TradesUnit, check_key
from rangebar_polars._lake.lock import locked
from rangebar_polars._lake.opened import OpenedLake
from rangebar_polars._lake.periods import name_at, names_of_day, periods_of
from rangebar_polars._lake.plan import stale
from rangebar_polars._lake.series import Series, define, defined, keep_versions
from rangebar_polars._lake.when import When, instant_before, time_range
from rangebar_polars.exceptions import LakeFileError, RangeBarError, RangeBarWarning

__all__ = ["LakeBars"]


class LakeBars(OpenedLake):
    """Bars of a lake: defined, built and read."""

    def series(
        self,
        name: str = "base",
        *,
        threshold_dbps: Threshold | Sequence[Threshold] | None = None,
        **options: Unpack[BarOptions],
    ) -> Series:
        """
        Define a series of bars, or get one that is there.

        Parameters
        ----------
        name
            The name: a folder, and a file in ``series/``.
        threshold_dbps
            One threshold or rule, or several, as for `bars`: all of them are built in one pass. None: the series must
            be there.
        **options
            The parameters of `bars`: `reset` (by default "1mo": each month stands alone, and months are built side by
            side; None: bars go on for ever, and months are built in turn; :class:`Daily` or :class:`Weekly`: each
            session has a file), `max_gap`, `intra`, `lookback`, `features`, `aggs`, `feature_sets` and so on. Not `by`
            and names of columns, which the lake knows. Of sets, the name and the version are kept: what is not
            installed must be given to each :class:`Lake` again, and bars of another version are stale. Sets with
            `lookback_bars` see bars of the period before, so periods are built in turn.

        Returns
        -------
        Series
            The series.

        Raises
        ------
        RangeBarError
            If it is there with other parameters, or a parameter is wrong.
        """
        check_key("series", name)
        if threshold_dbps is None:
            if options:
                msg = f"`series` needs `threshold_dbps` to define one, and got only {listed(sorted(options))}"
                raise RangeBarError(msg)
            return defined(self._layout, name)
        refused = {"by", "time", "price", "quantity", "overlap", "max_groups", "max_bar_trades", "time_unit"}
        refused |= {"is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id"}
        refused |= {"include_incomplete", "include_orphans"}
        for parameter in options:
            if parameter not in BarOptions.__annotations__:
                known = sorted(BarOptions.__annotations__.keys() - refused)
                msg = f"a series has no `{cut(parameter)}`: its parameters are {listed(known)}"
                raise RangeBarError(msg)
            if parameter in refused:
                msg = f"a series has no `{parameter}`: the lake knows its columns, and keeps all bars that ended"
                raise RangeBarError(msg)
        rules = threshold_dbps if isinstance(threshold_dbps, Sequence) else [threshold_dbps]
        options.setdefault("reset", "1mo")
        # The columns of a lake have the names of the parts that they play.
        own = OwnFeatures.of(options.pop("aggs", ()), options.pop("feature_sets", ()))
        request = replace(Request.of(rules, **options), names={part: part for part in PARTS.values()})
        _ = request.columns  # the library checks the values
        check_kept(Series(name, request, own), self._layout.time_unit)
        return define(self._layout, name, request, own)

    def build(
        self,
        series: str = "base",
        *,
        symbols: str | Sequence[str] | None = None,
        venue: str | None = None,
        workers: int | None = None,
        on_error: OnError = "continue",
        dry_run: bool = False,
        progress: bool = False,
        lock_seconds: float = 0.0,
    ) -> BuildReport:
        """
        Bring the bars of a series up to date: only what is stale is built, all thresholds in one pass.

        Bars of a period are stale if they are not there, or were made of other trades, with other parameters, or from
        another state than those that are there now. That is seen from footers alone. A file of bars that is damaged is
        written anew, and one whose trades are there no more is removed: bars are what the trades say, and can always be
        built again.

        Parameters
        ----------
        series
            The name of the series.
        symbols, venue
            As for :meth:`trades`.
        workers
            How many periods are built side by side; by default as many as there are CPUs.
        on_error
            "continue": a period that cannot be built is reported, and the others are built. "raise": stop at once.
        dry_run
            Only say what would be built.
        progress
            Whether to show a progress bar with rate and time left, by tqdm.
        lock_seconds
            How long to wait if another process builds the same series of a symbol.

        Returns
        -------
        BuildReport
            What was built, what was up to date or removed, and what failed and why.

        Raises
        ------
        LakeLockError
            If another process is building the series of one of the symbols.
        KeyboardInterrupt
            On Ctrl-C. What is complete stays, and the next build goes on there.

        Notes
        -----
        A period with a reset stands alone. The trades of a session lie in the files of two days in UTC, so with
        :class:`Daily` each day is read for two sessions. Without a reset, each month goes on from the state in the
        footer of the month before; a rebuild in the past goes on until a state comes out as it was.
        """
        wanted = defined(self._layout, check_key("series", series))
        check_progress(check_flag("progress", progress))
        check_choice("on_error", on_error, ("continue", "raise"))
        instruments = self._instruments(symbols, venue, several_venues=True)
        if check_flag("dry_run", dry_run):
            tasks = [task for one in instruments for task in stale(self._layout, wanted, *one)]
            failed: dict[BarsUnit, Exception] = {task.unit: task.error for task in tasks if task.error is not None}
            built = [task.unit for task in tasks if task.trades and task.error is None]
            removed = [task.unit for task in tasks if not task.trades and task.error is None]
            return BuildReport(built=sorted(built), removed=sorted(removed), failed=failed)
        keep_versions(self._layout, wanted)
        return build(
            self._layout,
            wanted,
            instruments,
            workers=check_workers(workers),
            on_error=on_error,
            progress=progress,
            lock_seconds=check_seconds("lock_seconds", lock_seconds),
        )

    def bars(
        self,
        symbols: str | Sequence[str] | None = None,
        start: When = None,
        end: When = None,
        *,
        series: str = "base",
        venue: str | None = None,
        threshold_dbps: Threshold | None = None,
        include_orphans: bool = False,
    ) -> pl.LazyFrame:
        """
        Bars that closed from `start` to `end`.

        They are those of the last build; a warning says so if trades have come since then.

        Parameters
        ----------
        symbols, start, end, venue
            As for :meth:`trades`, by `close_time`.
        series
            The name of the series.
        threshold_dbps
            One of its thresholds or rules; all by default.
        include_orphans
            Whether to include bars that a reset or a gap ended.

        Returns
        -------
        LazyFrame
            `venue` and `symbol` (String), then the columns of `bars`.

        Raises
        ------
        RangeBarError
            If there is no such series or threshold, or bars were built with other parameters than it has now.
        LakeFileError
            If a file is damaged, a copy of another one, or none of a lake.

        Warns
        -----
        RangeBarWarning
            If bars are not up to date.
        """
        wanted = defined(self._layout, check_key("series", series))
        first, last = time_range(start, end)
        reset = wanted.request.reset
        earliest = "" if first is None else name_at(first, reset)
        final = "~" if last is None else name_at(instant_before(last), reset)
        found: list[BarsUnit] = []
        forming: set[BarsUnit] = set()
        late: list[BarsUnit] = []
        for instrument in self._instruments(symbols, venue):
            days = self._layout.trades(*instrument)
            last_day = self._layout.newest(*instrument)
            newest = "" if last_day is None else self._newest_period(last_day, wanted)
            units = [u for u in self._layout.bars(series, *instrument) if earliest <= u.period <= final]
            there = facts_of(self._layout, units)
            found += [unit for unit in units if _is_of(wanted, unit, there.get(unit))]
            forming |= {unit for unit in units if unit.period >= newest}
            # Periods that stand alone need no look at the others.
            looked_at = [day for day in days if wanted.in_turn or _is_of_any(day, reset, earliest, final)]
            tasks = stale(self._layout, wanted, *instrument, facts_of(self._layout, looked_at))
            late += [task.unit for task in tasks if earliest <= task.unit.period <= final]
        if late:
            msg = f"bars of {len(late)} periods are not up to date, the first of {late[0].symbol} in {late[0].period}: "
            warnings.warn(f"{msg}bring them up to date with `lake.build({series!r})`", RangeBarWarning, stacklevel=2)
        bars = bars_of(self._layout, wanted, found, forming, start=first, end=last, include_orphans=include_orphans)
        if threshold_dbps is None:
            return bars
        rule = as_rule(threshold_dbps, wanted.request.price_decimals)
        thresholds = wanted.request.parameters["threshold_dbps"]
        if plain(rule) not in (thresholds if isinstance(thresholds, list) else [thresholds]):
            msg = f"the series {series!r} has no threshold {shown(threshold_dbps)}: it has {thresholds}"
            raise RangeBarError(msg)
        if "threshold_dbps" in bars.collect_schema():
            return bars.filter(pl.col("threshold_dbps") == plain(rule))
        # Several rules of which not all are thresholds: a column says which one made a bar.
        return bars.filter(pl.col("rule") == str(rule))

    @contextmanager
    def lock(self, series: str, symbol: str, *, venue: str, seconds: float = 0.0) -> Generator[None]:
        """
        Hold the lock of a series and a symbol, so that no other process builds it meanwhile.

        Parameters
        ----------
        series, symbol, venue
            What to lock.
        seconds
            How long to wait for it.

        Raises
        ------
        LakeLockError
            If another process holds it.
        """
        name = lock_name(check_key("series", series), check_key("venue", venue), check_key("symbol", symbol))
        with locked(self._layout.locks, name, seconds=check_seconds("seconds", seconds)):
            yield

    def _newest_period(self, day: TradesUnit, series: Series) -> str:
        """The period of the last trade that there is, whose day is given."""
        facts = facts_of(self._layout, [day])
        periods = periods_of(facts, series.request.reset, self._layout.time_unit)
        # Of a damaged day it is not known how far it went.
        names = [period.name for period in periods]
        return (names[-1] if isinstance(facts.get(day), Facts) else names[0]) if names else ""


def _is_of(series: Series, unit: BarsUnit, facts: Facts | LakeFileError | None) -> bool:
    """Whether there are bars of a unit; an error if they are not what the series says."""
    if isinstance(facts, LakeFileError):
        raise facts
    if facts is not None and facts.params != series.params:
        msg = (
            f"the bars of {shown(unit.symbol)} in {unit.period} were built with other parameters than those of "
            f"{series!r}: build them again with `lake.build({series.name!r})`"
        )
        raise RangeBarError(msg)
    return facts is not None


def _is_of_any(day: TradesUnit, reset: str | dict[str, Any] | None, earliest: str, final: str) -> bool:
    """Whether a day of trades is for one of the periods from one to another."""
    first, last = names_of_day(day.date, reset)
    return first <= final and earliest <= last
