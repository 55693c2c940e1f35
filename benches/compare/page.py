"""The table for the terminal and for docs/compare.md."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from .measure import Measured
from .table import CONTENDERS, Contender

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
"""What stands between them in the page is written by this program."""

HEAD = (
    "| | version | trades | M trades/s | peak MB | lines | the same bars | ours is faster by |",
    "|---|---|--:|--:|--:|--:|---|--:|",
)


def table(results: list[Measured]) -> str:
    """Return the table in Markdown."""
    speeds = {each.key: each.speed for each in results}
    return "\n".join([*HEAD, *(_row(_contender(each.key), each, speeds) for each in results)])


def figures(results: list[Measured], rounds: int) -> str:
    """Return all of the page that is written by this program."""
    head = (
        f"{_machine()}, {platform.system()}, CPython {platform.python_version()}, Polars {pl.__version__}, {_today()}. "
        f"{max(each.rows for each in results):,} synthetic trades of one symbol as zstd Parquet, 250 dbps, "
        f"medians of {rounds} runs."
    )
    lines = [head, "", table(results)]
    missing = [f"* {_contender(each.key).title}: {each.reason}" for each in results if each.reason]
    differing = [f"* {_contender(each.key).title}: {each.verdict}" for each in results if each.verdict]
    if missing:
        lines += ["", "Not measured:", "", *missing]
    if differing:
        lines += ["", "Bars that differ although the rule is the same:", "", *differing]
    lines += ["", "| | gives | differs |", "|---|---|---|"]
    lines += [f"| {each.title} | {each.gives} | {each.differs} |" for each in CONTENDERS]
    return "\n".join(lines)


def write(page: Path, results: list[Measured], rounds: int) -> None:
    """Put new figures between the marks of the page."""
    text = page.read_text()
    pattern = re.compile(f"{BEGIN}.*{END}", re.DOTALL)
    if not pattern.search(text):
        msg = f"{page} has no {BEGIN} ... {END}"
        raise ValueError(msg)
    new = f"{BEGIN}\n{figures(results, rounds)}\n{END}"
    page.write_text(pattern.sub(lambda _: new, text))


def _contender(key: str) -> Contender:
    (found,) = (each for each in CONTENDERS if each.key == key)
    return found


def _row(contender: Contender, result: Measured, speeds: dict[str, float | None]) -> str:
    name = f"**{contender.title}**" if contender.ours else contender.title
    speed = result.speed
    if speed is None:
        return f"| {name} | | | not measured | | {contender.lines()} | | |"
    ours = speeds.get(contender.beside) if contender.beside else None
    cells = [
        name,
        result.version,
        f"{result.rows:,}",
        f"{speed:.3g}",
        "" if result.peak_mb is None else f"{result.peak_mb:,.0f}",
        str(contender.lines()),
        _bars(contender, result),
        "" if ours is None else f"{ours / speed:,.3g}",
    ]
    return f"| {' | '.join(cells)} |"


def _bars(contender: Contender, result: Measured) -> str:
    if contender.rule == "none":
        return ""
    if contender.rule == "other":
        return f"another kind, {result.bars:,}"
    if contender.key == "ours":
        return f"{result.bars:,}"
    return "no" if result.verdict else f"yes, all {result.bars:,}"


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return f"{os.cpu_count()} cores of {names[0] if names else platform.processor() or platform.machine()}"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
