"""Who takes part: what each one is, where it runs, what it gives and where it differs. Standard library alone."""

from __future__ import annotations

import io
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]

BUILD = ROOT / "build" / "compare"
"""Environments and results; git ignores it."""

SKIPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Environment:
    """A virtual environment for packages that have no place in the project's own."""

    name: str
    requirements: tuple[str, ...]
    pythons: tuple[str, ...] = ()
    """Versions of CPython that the packages run on, best first; none: the one that runs this."""


@dataclass(frozen=True)
class Contender:
    """One row of the table; `key` is its file in `contenders`."""

    key: str
    title: str
    package: str
    gives: str
    differs: str
    rule: Literal["same", "other", "none"]
    """`same`: its bars are compared with ours. `other`: its bars are of another kind. `none`: it makes no bars."""

    beside: str | None = None
    """Which of our rows does comparable work."""

    environment: Environment | None = None
    most_rows: int | None = None
    """It is so slow that more would take minutes; its speed is then that of so many trades."""

    @property
    def ours(self) -> bool:
        """Whether it is this library."""
        return self.package == "rangebar_polars"

    def lines(self) -> int:
        """Lines of code that the user writes."""
        return count_lines((Path(__file__).parent / "contenders" / f"{self.key}.py").read_text())


def count_lines(source: str) -> int:
    """Count the lines that hold code: neither docstrings, comments nor empty ones."""
    lines: set[int] = set()
    first = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in SKIPPED:
            first = first or token.type in {tokenize.NEWLINE, tokenize.INDENT}
            continue
        docstring = first and token.type == tokenize.STRING
        first = False
        if not docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


RANGEBAR = Environment("rangebar", ("rangebar==12.39.0", "polars<2", "pandas<3"), ("3.13",))
NAUTILUS = Environment("nautilus", ("nautilus_trader==1.231.0", "polars==2.1.0"), ("3.13", "3.12"))
FINMLKIT = Environment("finmlkit", ("finmlkit==0.1.11", "polars==2.1.0"))
QUANTWAVE = Environment("quantwave", ("quantwave[polars]==0.8.1", "polars<2"))
RENKO_RS = Environment("renko_rs", ("renko-rs==0.3.1", "polars==2.1.0"))
DRAWING = Environment("drawing", ("altair==6.3.0", "vl-convert-python==1.9.0.post1"))

CONTENDERS = (
    Contender(
        "floor",
        "Polars, no bars",
        "polars",
        "the largest value of four columns",
        "the floor: decoding and nothing else",
        "none",
    ),
    Contender(
        "ours",
        "rangebar_polars",
        "rangebar_polars",
        "22 columns and the ten features, of seven columns of input",
        "streamed, sums exact, every rule of the input checked",
        "same",
    ),
    Contender(
        "ours_columns",
        "rangebar_polars, the loop's columns",
        "rangebar_polars",
        "the ten columns of the loops below",
        "as above; what is not selected is neither read nor computed",
        "same",
    ),
    Contender(
        "ours_windows",
        "rangebar_polars, all features",
        "rangebar_polars",
        "40 columns more: of the bar's own trades and of the 200 before it",
        "as above",
        "same",
    ),
    Contender(
        "numba_arrays",
        "numba over arrays",
        "numba",
        "ten columns",
        "everything in memory; sums and thresholds in floating point; input not checked; one symbol",
        "same",
        "ours_columns",
    ),
    Contender(
        "numba_stream",
        "numba over batches, state carried",
        "numba",
        "ten columns",
        "streamed; sums and thresholds in floating point; input not checked; one symbol",
        "same",
        "ours_columns",
    ),
    Contender(
        "polars_search",
        "Polars alone, a search for each end",
        "polars",
        "ten columns",
        "everything in memory; sums and thresholds in floating point; input not checked; one symbol; slower the more "
        "bars there are",
        "same",
        "ours_columns",
    ),
    Contender(
        "rangebar",
        "rangebar, microstructure",
        "rangebar",
        "30 columns, the ten features among them, as a pandas frame",
        "everything in memory; exact sums; one symbol; milliseconds only; needs Polars 1 and CPython 3.13",
        "same",
        "ours",
        RANGEBAR,
    ),
    Contender(
        "rangebar_windows",
        "rangebar, all features",
        "rangebar",
        "38 features more: of the bar's own trades and of the 200 before it",
        "as above; several of these features are defined otherwise, only the bars are compared",
        "same",
        "ours_windows",
        RANGEBAR,
        most_rows=100_000,
    ),
    Contender(
        "nautilus",
        "nautilus_trader, Renko bars",
        "nautilus_trader",
        "open, high, low, close, volume as objects for its engine",
        "bricks of a fixed size from the last brick's end, several at once if the price jumps, each with the whole "
        "volume; a trade is an object of Python, made for simulation and not for this",
        "other",
        "ours_columns",
        NAUTILUS,
        most_rows=500_000,
    ),
    Contender(
        "finmlkit",
        "finmlkit, CUSUM bars",
        "finmlkit",
        "22 columns with its own features, as a pandas frame",
        "the nearest it has: a bar ends when a one-sided sum of log returns passes the threshold, never within a "
        "timestamp; everything in memory; volumes of single precision; two threads",
        "other",
        "ours_columns",
        FINMLKIT,
    ),
    Contender(
        "quantwave",
        "quantwave, range bars",
        "quantwave",
        "open, high, low, close; no time, no volume",
        "reads the price alone; the range is absolute and spans high to low; the trade that ends a bar opens the next",
        "other",
        "ours_columns",
        QUANTWAVE,
    ),
    Contender(
        "renko_rs",
        "renko-rs",
        "renko-rs",
        "open, high, low, close, time and the number of trades",
        "reads time and price alone; bricks of a fixed size, whose open and close are no prices of trades; a reversal "
        "takes two",
        "other",
        "ours_columns",
        RENKO_RS,
    ),
)
