"""What a feature says about the return that follows, and which features say the same thing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final

from rangebar_polars.validation._correlation import Correlation, centred, correlation
from rangebar_polars.validation._libraries import Libraries, quiet
from rangebar_polars.validation._limits import Limits
from rangebar_polars.validation._report import Check
from rangebar_polars.validation._sample import Sample, thinned

__all__ = ["feature_pairs", "mutual_information", "rank_correlation"]

_INFORMATION_ROWS: Final = 1_000
"""Rows that mutual information is estimated from; twenty estimates are made for each feature."""
_PAIR_ROWS: Final = 5_000
"""Rows on which pairs of features are compared."""
_MOST_ROTATIONS: Final = 199
_SEED: Final = 0
"""Seed of the rotations, and of the noise with which scikit-learn breaks ties: equal bars give equal reports."""


def rank_correlation(of: Sample, libraries: Libraries, limits: Limits) -> Iterator[Check]:
    """Two checks per feature: that there is a correlation with the forward return, and that it is credible."""
    significance, most = limits.significance, limits.max_forward_correlation
    found = {name: _with_forward(values, of, libraries, limits.min_bars) for name, values in of.features.items()}
    judged = [name for name, result in found.items() if isinstance(result, Correlation)]
    corrected = dict(zip(judged, _corrected([found[name] for name in judged], libraries), strict=True))
    for name, result in found.items():
        if isinstance(result, str):
            yield Check("rank_correlation", name, None, None, significance, f"`{name}`: {result}")
            continue
        p = corrected[name]
        text = (
            f"Spearman's rho of `{name}` with the forward return is {result.rho:+.3f} over {result.rows:,} bars, which "
            f"carry as much information as {result.independent:,.0f} independent ones, "
            f"p = {p:.2g} corrected for {len(judged)} tests (Benjamini-Hochberg)"
        )
        verdict = "there is a relation" if p <= significance else "no evidence of a relation that rises or falls"
        yield Check("rank_correlation", name, p <= significance, p, significance, f"{text}: {verdict}")
    for name, result in found.items():
        if isinstance(result, str):
            yield Check("leakage", name, None, None, most, f"`{name}`: {result}")
            continue
        passed = abs(result.rho) <= most
        text = f"Spearman's rho of `{name}` with the forward return is {result.rho:+.3f}"
        verdict = "not too good to be true" if passed else "too good to be true, check whether it knows the future"
        yield Check("leakage", name, passed, abs(result.rho), most, f"{text}: {verdict}")


def _corrected(results: list[Any], libraries: Libraries) -> list[float]:
    if not results:
        return []
    return [float(p) for p in libraries.multipletests([result.p_value for result in results], method="fdr_bh")[1]]


def mutual_information(of: Sample, libraries: Libraries, limits: Limits) -> Iterator[Check]:
    """
    Mutual information with the forward return, compared with what the same feature shows by chance.

    For chance, the forward return is rotated in time by random distances, which keeps how each of the two moves by
    itself and breaks their relation. The limit is the largest of these estimates.
    """
    for name, values in of.features.items():
        x, y = _both(libraries, values, of.forward)
        reason = _unfit(x, y, limits.min_bars)
        if reason:
            yield Check("mutual_information", name, None, None, None, f"`{name}`: {reason}")
            continue
        x, y = thinned(x, _INFORMATION_ROWS), thinned(y, _INFORMATION_ROWS)
        value = _information(x, y, libraries)
        chance = [
            _information(x, libraries.numpy.roll(y, by), libraries)
            for by in _rotations(len(y), limits.significance, libraries)
        ]
        limit = max(chance)
        verdict = "more than by chance" if value > limit else "no more than by chance"
        meaning = (
            f"mutual information of `{name}` with the forward return is {value:.3f} nats over {len(x):,} bars, at most "
            f"{limit:.3f} with the return rotated in time {len(chance)} times: {verdict} "
            f"(noise passes in 1 of {len(chance) + 1} cases, not corrected for the number of features)"
        )
        yield Check("mutual_information", name, value > limit, value, limit, meaning)


def _rotations(rows: int, significance: float, libraries: Libraries) -> list[int]:
    """Distances of at least a tenth of the rows, so many that noise exceeds them all as rarely as required."""
    wanted = min(math.ceil(1 / significance - 1e-9) - 1, _MOST_ROTATIONS)
    distances = range(rows // 10, rows - rows // 10)
    chosen = libraries.numpy.random.default_rng(_SEED).choice(
        distances, min(max(wanted, 1), len(distances)), replace=False
    )
    return [int(distance) for distance in chosen]


def _information(x: Any, y: Any, libraries: Libraries) -> float:  # noqa: ANN401
    with quiet():
        return float(libraries.mutual_info_regression(x.reshape(-1, 1), y, random_state=_SEED)[0])


def feature_pairs(of: Sample, libraries: Libraries, limits: Limits) -> Iterator[Check]:
    """The pairs of features above the limit; if there is none, the pair nearest to it."""
    columns = {name: thinned(values, _PAIR_ROWS) for name, values in of.features.items()}
    found: list[tuple[str, float]] = []
    for one, other in combinations(columns, 2):
        result = _spearman(columns[one], columns[other], libraries, limits.min_bars)
        if not isinstance(result, str):
            found.append((f"{one} ~ {other}", result))
    if not found:
        meaning = f"no two features have values in {limits.min_bars:,} bars and vary: no pair to judge"
        yield Check("feature_pairs", None, None, None, limits.max_correlation, meaning)
        return
    found.sort(key=lambda pair: -abs(pair[1]))
    for pair, rho in [pair for pair in found if abs(pair[1]) > limits.max_correlation] or found[:1]:
        passed = abs(rho) <= limits.max_correlation
        verdict = "the closest of all pairs" if passed else "they say the same thing, so drop one of them"
        meaning = f"Spearman's rho is {rho:+.3f}: {verdict}"
        yield Check("feature_pairs", pair, passed, abs(rho), limits.max_correlation, meaning)


def _with_forward(values: Any, of: Sample, libraries: Libraries, min_bars: int) -> Correlation | str:  # noqa: ANN401
    """The correlation with the forward return, or why there is none."""
    x, y, group = _both(libraries, values, of.forward, of.group)
    x, y = centred(x, group), centred(y, group)
    return _unfit(x, y, min_bars) or correlation(x, y, group, libraries)


def _spearman(x: Any, y: Any, libraries: Libraries, min_bars: int) -> float | str:  # noqa: ANN401
    """Spearman's rho, or why there is none."""
    x, y = _both(libraries, x, y)
    reason = _unfit(x, y, min_bars)
    if reason:
        return reason
    with quiet():
        return float(libraries.spearmanr(x, y).statistic)


def _both(libraries: Libraries, *columns: Any) -> list[Any]:  # noqa: ANN401
    """The rows in which all columns have a value."""
    there = ~libraries.numpy.any([libraries.numpy.isnan(column) for column in columns], axis=0)
    return [column[there] for column in columns]


def _unfit(x: Any, y: Any, min_bars: int) -> str:  # noqa: ANN401
    if len(x) < min_bars:
        return f"only {len(x):,} bars have values, and {min_bars:,} are needed"
    if x.min() == x.max() or y.min() == y.max():
        return "a constant has no relation to anything"
    return ""
