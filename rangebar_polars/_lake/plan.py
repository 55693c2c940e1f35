"""Which bars are to be built: arithmetic of footers, without a look at any trade."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rangebar_polars._lake.footer import DamagedFileError, Facts, facts_of, read_facts
from rangebar_polars._lake.layout import BarsUnit, Layout, TradesUnit
from rangebar_polars._lake.periods import Period, periods_of
from rangebar_polars._lake.series import Series
from rangebar_polars.exceptions import LakeFileError

__all__ = ["Task", "bars_facts", "chains", "is_current", "stale"]

TradesFacts = Mapping[TradesUnit, Facts | LakeFileError]
BarsFacts = Mapping[BarsUnit, Facts | LakeFileError]


@dataclass(frozen=True)
class Task:
    """A unit of bars and the trades that it is made of; without any, its file is one too many."""

    unit: BarsUnit
    trades: Mapping[TradesUnit, Facts]
    error: LakeFileError | None = None
    """What is wrong with the trades."""
    bounds: tuple[int, int] | None = None
    """The first and the last instant of the period, if days of trades are for other periods, too."""

    @property
    def sources(self) -> list[list[str]]:
        """The names and digests of the files of trades, and from when up to when their trades count."""
        files = [[day.key, facts.digest] for day, facts in self.trades.items()]
        return files if self.bounds is None else [*files, ["session", "{}/{}".format(*self.bounds)]]

    @property
    def rows(self) -> int:
        """The trades."""
        return sum(facts.rows for facts in self.trades.values())


def chains(
    layout: Layout, series: Series, venue: str, symbol: str, trades: TradesFacts | None = None
) -> Iterator[list[Task]]:
    """The units of a symbol, in the order of time, those together that go on from each other."""
    tasks = _tasks(layout, series, venue, symbol, trades)
    if series.in_turn:
        yield from [tasks] if tasks else []
    else:
        yield from ([task] for task in tasks)


def _tasks(layout: Layout, series: Series, venue: str, symbol: str, trades: TradesFacts | None) -> list[Task]:
    if trades is None:
        trades = facts_of(layout, layout.trades(venue, symbol))
    periods = periods_of(trades, series.request.reset, layout.time_unit)
    wanted = {
        period.name: _task(BarsUnit(series.name, venue, symbol, period.name), trades, of, period)
        for period, of in periods.items()
    }
    others = [unit for unit in layout.bars(series.name, venue, symbol) if unit.period not in wanted]
    too_many = {unit.period: Task(unit, {}) for unit in others if layout.has(unit)}
    return [task for _, task in sorted((too_many | wanted).items())]


def _task(unit: BarsUnit, trades: TradesFacts, days: Iterable[TradesUnit], period: Period) -> Task:
    facts = {day: trades[day] for day in days}
    error = next((one for one in facts.values() if isinstance(one, LakeFileError)), None)
    there = {day: one for day, one in facts.items() if isinstance(one, Facts)}
    return Task(unit, there, error, period.bounds)


def stale(
    layout: Layout,
    series: Series,
    venue: str,
    symbol: str,
    trades: TradesFacts | None = None,
    *,
    bars: BarsFacts | None = None,
) -> list[Task]:
    """
    The units of a symbol that a build would build, as far as can be told before it.

    Without a reset, those that follow a stale one may come out as they are. Footers that are given are not read again.
    """
    of_symbol = [*chains(layout, series, venue, symbol, trades)]
    if bars is None:
        # Of no trades, or of some that cannot be read, bars are stale whatever they say.
        bars = facts_of(
            layout, [task.unit for chain in of_symbol for task in chain if task.trades and task.error is None]
        )
    found: list[Task] = []
    for chain in of_symbol:
        before: Facts | None = None
        for position, task in enumerate(chain):
            there = bars.get(task.unit)
            if isinstance(there, Facts) and is_current(there, series, task, before):
                before = there
                continue
            found += chain[position:]
            break
    return found


def bars_facts(layout: Layout, unit: BarsUnit) -> Facts | LakeFileError | None:
    """
    What the file of a unit says; an error if no lake or another version has written it.

    None if it is not there, or is spoiled: a build writes it anew.
    """
    try:
        return read_facts(layout, unit)
    except (FileNotFoundError, DamagedFileError):
        return None
    except LakeFileError as error:
        return error


def is_current(there: Facts, series: Series, task: Task, before: Facts | None) -> bool:
    """Whether bars are what they would be if they were built now."""
    return (
        task.error is None
        and bool(task.trades)
        and there.params == series.params
        and there.sources == task.sources
        and there.previous == ("" if before is None else before.state_digest)
    )
