"""All statistical checks, or why none could be run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from rangebar_polars.validation._dependence import feature_pairs, mutual_information, rank_correlation
from rangebar_polars.validation._libraries import Libraries
from rangebar_polars.validation._limits import Limits
from rangebar_polars.validation._report import Check
from rangebar_polars.validation._sample import sample
from rangebar_polars.validation._stationarity import stationarity

__all__ = ["statistical", "unordered"]


def statistical(
    bars: pl.DataFrame,
    *,
    keys: Sequence[str],
    features: Sequence[str],
    horizon: int,
    libraries: Libraries,
    limits: Limits,
) -> list[Check]:
    """The checks of finished bars in the order of time."""
    rows = sample(bars, keys, features, horizon)
    with libraries.threadpool_limits(1):
        return [
            *stationarity(bars, keys, features, libraries, limits),
            *rank_correlation(rows, libraries, limits),
            *mutual_information(rows, libraries, limits),
            *feature_pairs(rows, libraries, limits),
        ]


def unordered(features: Sequence[str]) -> Iterator[Check]:
    """The same checks, none of them run."""
    meaning = "not judged: the bars are not in the order of time within each group, so the next bar is not the next one"
    for check in ("stationarity", "rank_correlation", "leakage", "mutual_information"):
        for name in features:
            yield Check(check, name, None, None, None, meaning)
    yield Check("feature_pairs", None, None, None, None, meaning)
