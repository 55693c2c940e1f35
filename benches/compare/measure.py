"""Run contenders in turns and compare their bars with ours."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

import rangebar_polars as rb

from .environments import UnavailableError, python_of
from .table import CONTENDERS, ROOT, Contender

TOLERANCE = 1e-9
"""Relative; sums in floating point differ from exact ones by rounding."""

SUMS = {"volume", "buy_volume"}


@dataclass(frozen=True)
class Measured:
    """What one contender took: medians over the rounds; or why there is nothing to tell."""

    key: str
    rows: int
    seconds: float | None = None
    peak_mb: float | None = None
    bars: int | None = None
    version: str = ""
    verdict: str = ""
    reason: str = ""

    @property
    def speed(self) -> float | None:
        """Million trades a second."""
        return None if self.seconds is None else self.rows / self.seconds / 1e6


class Lakes:
    """Sample lakes of one symbol by their size, written when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warm = folder / "warm"
        rb.datasets.write_sample_lake(self.warm, rows=40_000, symbols="BTCUSDT", rows_per_file=10_000)

    def of(self, rows: int) -> Path:
        """The lake of so many trades, in several files: a frame of one chunk would compile numba anew."""
        lake = self.folder / str(rows)
        if not lake.exists():
            rb.datasets.write_sample_lake(lake, rows=rows, symbols="BTCUSDT", rows_per_file=min(500_000, -(-rows // 2)))
        return lake


def measure(contenders: Iterable[Contender], lakes: Lakes, rows: int, rounds: int) -> list[Measured]:
    """Run every contender once a round, all in turn, and take medians."""
    sizes = {each.key: min(rows, each.most_rows or rows) for each in contenders}
    chosen = {each.key: each for each in contenders}
    runs: dict[str, list[Measured]] = {key: [] for key in chosen}
    failed: dict[str, Measured] = {}
    for number in range(rounds):
        for key, contender in chosen.items():
            if key in failed:
                continue
            run = run_once(contender, lakes, sizes[key])
            _tell(f"round {number + 1} of {rounds}: {contender.title}: {run.reason or f'{run.speed:.3g} M trades/s'}")
            if run.reason:
                failed[key] = run
            else:
                runs[key].append(run)
    return [failed[key] if key in failed else _median(runs[key]) for key in chosen]


def run_once(contender: Contender, lakes: Lakes, rows: int) -> Measured:
    """Run a contender in a process of its own and compare its bars with ours over the same lake."""
    out = lakes.folder / f"{contender.key}-{rows}.parquet"
    try:
        python = python_of(contender.environment)
    except UnavailableError as error:
        return Measured(contender.key, rows, reason=str(error))
    command = ["-m", "benches.compare.worker", contender.key, *map(str, (lakes.warm, lakes.of(rows), out))]
    run = subprocess.run([python, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        return Measured(contender.key, rows, reason=f"failed: {_last_error(run.stderr) or run.returncode}")
    took = json.loads(run.stdout.splitlines()[-1])
    verdict = difference(reference(lakes, rows), pl.read_parquet(out)) if contender.rule == "same" else ""
    return Measured(contender.key, rows, verdict=verdict, **took)


def reference(lakes: Lakes, rows: int) -> pl.DataFrame:
    """Our bars over a lake, with the columns that are compared."""
    file = lakes.folder / f"reference-{rows}.parquet"
    if not file.exists():
        (ours,) = (each for each in CONTENDERS if each.key == "ours")
        run = [python_of(None), "-m", "benches.compare.worker", ours.key]
        subprocess.run(
            [*run, str(lakes.warm), str(lakes.of(rows)), str(file)], cwd=ROOT, capture_output=True, check=True
        )
    return pl.read_parquet(file)


def difference(ours: pl.DataFrame, theirs: pl.DataFrame) -> str:
    """Say where bars first differ from ours in a column that they share; nothing if nowhere."""
    for row in range(max(ours.height, theirs.height)):
        if row >= min(ours.height, theirs.height):
            return f"{theirs.height:,} bars and not {ours.height:,}"
        for name in theirs.columns:
            one, other = ours[name][row], theirs[name][row]
            if abs(one - other) > (TOLERANCE * abs(one) if name in SUMS else 0):
                return f"from bar {row + 1} on: `{name}` is {other} and not {one}"
    return ""


def save(results: list[Measured], file: Path) -> None:
    """Keep results for the picture."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([{**asdict(each), "speed": each.speed} for each in results], indent=1) + "\n")


def _median(runs: list[Measured]) -> Measured:
    last = runs[-1]
    peaks = [run.peak_mb for run in runs if run.peak_mb is not None]
    return Measured(
        last.key,
        last.rows,
        statistics.median(run.seconds for run in runs if run.seconds is not None),
        statistics.median(peaks) if peaks else None,
        last.bars,
        last.version,
        next((run.verdict for run in runs if run.verdict), ""),
    )


def _last_error(text: str) -> str:
    """The last line that names an error: others may follow it."""
    lines = [line for line in text.splitlines() if line.strip()]
    named = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception"))]
    return (named or lines or [""])[-1].strip()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
