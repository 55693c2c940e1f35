"""Bars up to date: what is stale is built, each unit whole or not at all."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

import polars as pl

from rangebar_polars._bars.own_checkpoint import BarsKept
from rangebar_polars._bars.scan import scan_bars
from rangebar_polars._bars.state import BarState
from rangebar_polars._common.messages import listed, shown
from rangebar_polars._engine.reading import batches
from rangebar_polars._lake.bars import kept_schema, without_row_numbers
from rangebar_polars._lake.footer import Facts
from rangebar_polars._lake.layout import BarsUnit, Layout
from rangebar_polars._lake.lock import locked
from rangebar_polars._lake.plan import Task, bars_facts, chains, is_current
from rangebar_polars._lake.publish import Written, publish, remove
from rangebar_polars._lake.schema import ID
from rangebar_polars._lake.series import Series
from rangebar_polars._lake.trades import trades_of
from rangebar_polars._lake.workspace import workspace
from rangebar_polars.exceptions import LakeFileError, RangeBarError

__all__ = ["BuildReport", "OnError", "build", "lock_name"]

_MOST_LOCKS: Final = 64
"""Symbols that are built, and locked, at a time: each lock is an open file."""

OnError: TypeAlias = Literal["continue", "raise"]


@dataclass
class BuildReport:
    """
    What a build did.

    Attributes
    ----------
    built, current
        The units that were built, and those that were up to date.
    removed
        The units whose trades are there no more.
    failed
        The units that could not be built, with the error of each.
    trades, seconds
        The trades that were read, and the time that it took.
    """

    built: list[BarsUnit] = field(default_factory=list[BarsUnit])
    removed: list[BarsUnit] = field(default_factory=list[BarsUnit])
    current: list[BarsUnit] = field(default_factory=list[BarsUnit])
    failed: dict[BarsUnit, Exception] = field(default_factory=dict[BarsUnit, Exception])
    trades: int = 0
    seconds: float = 0.0

    def __repr__(self) -> str:
        """Units, trades and time in one line."""
        rate = self.trades / self.seconds / 1e6 if self.seconds else 0.0
        told = f"{len(self.built)} built, {len(self.current)} current, {len(self.failed)} failed"
        told += f", {len(self.removed)} removed" if self.removed else ""
        return f"<BuildReport: {told}; {self.trades:,} trades in {self.seconds:.1f} s, {rate:.1f} million a second>"


@dataclass(frozen=True)
class _Work:
    """What all units of a build have in common."""

    layout: Layout
    series: Series
    space: Path
    on_error: OnError
    stop: threading.Event
    shown: _Progress | None


def build(
    layout: Layout,
    series: Series,
    instruments: list[tuple[str, str]],
    *,
    workers: int,
    on_error: OnError,
    progress: bool,
    lock_seconds: float,
) -> BuildReport:
    """Build what is stale."""
    report, began = BuildReport(), time.monotonic()
    with ExitStack() as held:
        space = held.enter_context(workspace(layout.staging))
        shown_as = held.enter_context(closing(_Progress())) if progress else None
        work = _Work(layout, series, space, on_error, threading.Event(), shown_as)
        for begin in range(0, len(instruments), _MOST_LOCKS):
            with ExitStack() as locks:
                some = instruments[begin : begin + _MOST_LOCKS]
                for venue, symbol in some:
                    name = lock_name(series.name, venue, symbol)
                    locks.enter_context(locked(layout.locks, name, seconds=lock_seconds))
                of_some = [chain for instrument in some for chain in chains(layout, series, *instrument)]
                if shown_as is not None:
                    shown_as.expect(sum(task.rows for chain in of_some for task in chain))
                _run(work, of_some, workers, report)
    for units in (report.built, report.removed, report.current):
        units.sort()
    report.seconds = time.monotonic() - began
    return report


def lock_name(series: str, venue: str, symbol: str) -> str:
    """The name of the lock of a series and a symbol, which may have blanks in them."""
    return " ".join(("bars", *(quote(name, safe="") for name in (series, venue, symbol))))


def _run(work: _Work, of_all: list[list[Task]], workers: int, report: BuildReport) -> None:
    """Build chains side by side; whatever stops this stops all of them, each before its file is put in its place."""
    waiting = iter(of_all)
    with ThreadPoolExecutor(workers, thread_name_prefix="rangebar_polars build") as pool:
        running: set[Future[BuildReport]] = set()
        try:
            while True:
                running |= {
                    pool.submit(_build_chain, work, chain) for chain in islice(waiting, 2 * workers - len(running))
                }
                if not running:
                    return
                # A short wait, so that Ctrl-C is noticed.
                done, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for part in (future.result() for future in done):
                    report.built += part.built
                    report.removed += part.removed
                    report.current += part.current
                    report.failed |= part.failed
                    report.trades += part.trades
        except BaseException:
            work.stop.set()
            raise


def _build_chain(work: _Work, chain: list[Task]) -> BuildReport:
    """Build what is stale of units that go on from each other."""
    report = BuildReport()
    before: Facts | None = None
    for position, task in enumerate(chain):
        if work.stop.is_set():
            break
        try:
            before = _build_task(work, task, before, report)
        except Exception as error:
            if work.on_error == "raise" or work.stop.is_set():
                raise
            # The next units of the chain go on from this one: they wait for its mend.
            report.failed |= {later.unit: error for later in chain[position:]}
            break
        if work.shown is not None:
            work.shown.add(task)
    return report


def _build_task(work: _Work, task: Task, before: Facts | None, report: BuildReport) -> Facts | None:
    """Build a unit, if it is stale; returns the facts from which the next one goes on."""
    there = bars_facts(work.layout, task.unit)
    for error in (task.error, there):
        if isinstance(error, LakeFileError):
            raise error
    if isinstance(there, Facts) and is_current(there, work.series, task, before):
        report.current.append(task.unit)
        return there
    if not task.trades:
        remove(work.layout.file(task.unit))
        report.removed.append(task.unit)
        return before
    made = _build_unit(work, task, before)
    report.built.append(task.unit)
    report.trades += task.rows
    return made


def _build_unit(work: _Work, task: Task, before: Facts | None) -> Facts:
    """Build the bars of a unit and put them in their place; returns what their footer says."""
    layout, series = work.layout, work.series
    _check_columns(task)
    before = before if series.in_turn else None
    data = None if before is None else before.state
    state = BarState(data) if series.goes_on else None
    # With a reset only the last bars are handed on, where windows over bars see them.
    last_bars = BarsKept(data) if series.in_turn and not series.goes_on else None
    # The bar that forms at the end of a period ends there, once there is a later one: see `bars.py`.
    request = replace(series.request, include_orphans=True, include_incomplete=not series.goes_on)
    trades = trades_of(layout, task.trades, keys=False)
    if task.bounds is not None:
        first, last = (pl.lit(time).cast(trades.collect_schema()["timestamp"]) for time in task.bounds)
        trades = trades.filter(pl.col("timestamp").is_between(first, last))
    bars = scan_bars(trades, request, state=state, own=series.own, before=last_bars)
    bars = without_row_numbers(bars, trades)
    schema = kept_schema(series, layout.time_unit)

    def frames() -> Iterator[pl.DataFrame]:
        with closing(batches(bars, schema.names())) as read:
            for frame in read:
                if work.stop.is_set():
                    raise RangeBarError("the build was stopped")
                yield frame.cast(dict(schema))  # type: ignore[arg-type]

    def facts(written: Written) -> Facts:
        left = b"" if state is None else state.checkpoint()
        left = left if last_bars is None else last_bars.after or b""
        return Facts(
            key=task.unit.key,
            kind="bars",
            params=series.params,
            sources=task.sources,
            previous="" if before is None else before.state_digest,
            checkpoint=base64.b85encode(left).decode(),
            **vars(written),
        )

    return publish(layout.root, layout.file(task.unit), work.space, frames(), schema=schema, facts=facts)


def _check_columns(task: Task) -> None:
    """That all days of a period have ids, or none: a bar cannot be of both."""
    for name in (ID, "first_trade_id", "last_trade_id"):
        without = [day for day, facts in task.trades.items() if name not in facts.columns]
        if without and len(without) < len(task.trades):
            days = listed([str(day.date) for day in without], mark="")
            msg = (
                f"{shown(task.unit.symbol)} in {task.unit.period}: `{name}` is not there on {days}, and is on the "
                'other days: add these days with it, and on_conflict="replace"'
            )
            raise RangeBarError(msg)


class _Progress:
    """A bar on stderr: trades, rate and time left."""

    def __init__(self) -> None:
        from rangebar_polars._engine.progress import progress_bar  # noqa: PLC0415  (only if it is wanted)

        self._bar = progress_bar(0, "build")
        self._lock = threading.Lock()

    def expect(self, trades: int) -> None:
        self._bar.total += trades
        self._bar.refresh()

    def add(self, task: Task) -> None:
        with self._lock:
            self._bar.set_postfix_str(f"{task.unit.symbol} {task.unit.period}", refresh=False)
            self._bar.update(task.rows)

    def close(self) -> None:
        with suppress(Exception):
            self._bar.close()
