"""Bars up to date: `build`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import RenderableType

from rangebar_polars._bars.request import Threshold
from rangebar_polars._bars.written_rules import rule_of_text
from rangebar_polars._cli.answer import Answer, Code
from rangebar_polars._cli.common import COMMON, Common, ManySeries, Rules, Symbols, Thresholds, Venue
from rangebar_polars._cli.parameters import AS_USUAL, BarParameters
from rangebar_polars._cli.tables import count, line, table
from rangebar_polars._lake.build import BuildReport
from rangebar_polars._lake.lake import Lake
from rangebar_polars._lake.layout import BarsUnit, Layout
from rangebar_polars.exceptions import RangeBarError

__all__ = ["build"]


def build(
    symbols: Symbols | None = None,
    *,
    series: ManySeries | None = None,
    threshold_dbps: Thresholds | None = None,
    rule: Rules | None = None,
    venue: Venue | None = None,
    workers: int | None = None,
    lock_seconds: float = 0.0,
    dry_run: bool = False,
    parameters: BarParameters = AS_USUAL,
    common: Common = COMMON,
) -> Answer:
    """
    Bring bars up to date: only what is stale is built.

    It never alters a trade, and never the definition of a series. A period
    that fails is told, and the others are built; it exits with 3 then.

    For example:

        rangebar-polars build --threshold-dbps 100 250
        rangebar-polars build --series fast --threshold-dbps 25 --reset 1d
        rangebar-polars build --series flow --rule "Volume(50)" "Ticks(1000)"
        rangebar-polars build

    Parameters
    ----------
    symbols
        Some symbols; by default all.
    series
        The series to build, one or several [default: all that are defined;
        base, if thresholds or rules are given].
    threshold_dbps
        Thresholds in decimal basis points (250 is 0.25 %), all built in one
        pass: with the parameters of bars they define the series, if it is
        not there.
    rule
        Other rules that close bars, beside thresholds or alone, as in
        Python: "Volume(50)", "Imbalance(target=1000, span=20)" or
        'Time("1h")'.
    venue
        A venue; by default all.
    workers
        How many periods are built at a time [default: one for each CPU].
    lock_seconds
        How long to wait for another process that builds the same.
    dry_run
        Say what would be built, and build nothing.
    """
    lake = common.open()
    rules: list[Threshold] = [*(threshold_dbps or ()), *map(rule_of_text, rule or ())]
    names = _series(lake, series, rules, parameters.given(), dry_run=dry_run)
    reports = [
        lake.build(
            name,
            symbols=symbols,
            venue=venue,
            workers=workers,
            dry_run=dry_run,
            progress=common.progress,
            lock_seconds=lock_seconds,
        )
        for name in names
    ]
    failed = {unit: error for report in reports for unit, error in report.failed.items()}
    document: dict[str, Any] = {"lake": lake.path, "series": names, "dry_run": dry_run}
    document |= {kind: _units(reports, kind) for kind in ("built", "current", "removed")}
    document["failed"] = [{**unit._asdict(), "error": str(error)} for unit, error in failed.items()]
    document |= {name: sum(getattr(report, name) for report in reports) for name in ("trades", "seconds")}
    shown: list[RenderableType] = [
        line(f"{name}: {_summary(report, dry_run=dry_run)}") for name, report in zip(names, reports, strict=True)
    ]
    if failed:
        below = f"{lake.path}/"
        rows = [(u.series, u.symbol, u.period, str(error).replace(below, "")) for u, error in failed.items()]
        shown.append(table("Periods that failed", ("Series", "Symbol", "Period", "Why"), rows))
    faults = {f"{unit.series} {unit.symbol} {unit.period}": error for unit, error in failed.items()}
    return Answer(document, shown, Code.FAILED if failed else Code.FINE, faults)


def _series(
    lake: Lake, names: list[str] | None, rules: list[Threshold], given: dict[str, Any], *, dry_run: bool
) -> list[str]:
    """The series that are meant; a new one is defined first."""
    there = Layout(lake.path).series()
    if not rules:
        if given:
            raise RangeBarError(
                "a series is defined by its thresholds: give `--threshold-dbps`, or `--rule`, with the other parameters"
            )
        if not names and not there:
            raise RangeBarError("the lake has no series yet: define one with `--threshold-dbps`, such as 100 250")
        return names or there
    if names is not None and len(names) > 1:
        raise RangeBarError("thresholds define one series: give one name with `--series`")
    name = names[0] if names else "base"
    if dry_run and name not in there:
        msg = f"the series {name!r} is not defined yet: leave out `--dry-run`, and it is, or name one that is"
        raise RangeBarError(msg)
    lake.series(name, threshold_dbps=rules, **given)
    return [name]


def _units(reports: Iterable[BuildReport], kind: str) -> list[BarsUnit]:
    return [unit for report in reports for unit in getattr(report, kind)]


def _summary(report: BuildReport, *, dry_run: bool) -> str:
    if dry_run:
        told = [f"{count(len(report.built), 'period')} would be built"]
        told += [f"{count(len(report.removed), 'period')} removed"] * bool(report.removed)
        return ", ".join(told)
    told = [f"{count(len(report.built), 'period')} built", f"{len(report.current):,} up to date"]
    told += [f"{len(report.removed):,} removed"] * bool(report.removed)
    told += [f"{len(report.failed):,} failed"] * bool(report.failed)
    rate = f"; {count(report.trades, 'trade')} in {report.seconds:.1f} s" if report.trades else ""
    return ", ".join(told) + rate
