"""Whether a feature keeps its level or wanders like a price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

import polars as pl

from rangebar_polars.validation._libraries import Libraries, quiet
from rangebar_polars.validation._limits import Limits
from rangebar_polars.validation._report import Check
from rangebar_polars.validation._sample import numbers

__all__ = ["stationarity"]

_MOST_BARS: Final = 2_000
"""The last bars of a group that are tested; more cost time and do not change the answer for a random walk."""
_MOST_GROUPS: Final = 5
"""The longest groups are tested: a feature is defined in the same way in all groups."""


def stationarity(
    bars: pl.DataFrame,
    keys: Sequence[str],
    features: Sequence[str],
    libraries: Libraries,
    limits: Limits,
) -> Iterator[Check]:
    """The augmented Dickey-Fuller test of each feature in each group; the worst group counts."""
    significance = limits.significance
    groups = bars.partition_by(list(keys), maintain_order=True) if keys and bars.height else [bars]
    groups.sort(key=len, reverse=True)
    tested = groups[:_MOST_GROUPS]
    for name in features:
        found = {number: _p_value(group, name, libraries, limits.min_bars) for number, group in enumerate(tested)}
        p_values = {number: p for number, p in found.items() if isinstance(p, float)}
        if not p_values:
            yield Check("stationarity", name, None, None, significance, f"`{name}`: {found[0]}")
            continue
        worst = max(p_values, key=lambda number: p_values[number])
        p = p_values[worst]
        where = f" in the worst of {len(p_values)} groups, {_label(tested[worst], keys)}" if keys else ""
        text = f"ADF of `{name}`, last {_MOST_BARS:,} bars at most, p = {p:.2g}{where}"
        verdict = (
            "it keeps to a level"
            if p <= significance
            else "it cannot be told from a random walk, so take differences or ratios of it, or more bars"
        )
        yield Check("stationarity", name, p <= significance, p, significance, f"{text}: {verdict}")


def _p_value(group: pl.DataFrame, name: str, libraries: Libraries, min_bars: int) -> float | str:
    """The p-value, or why there is none."""
    values = group.select(numbers(name)).to_series().drop_nulls().tail(_MOST_BARS)
    if len(values) < min_bars:
        return f"only {len(values):,} bars have values, and {min_bars:,} are needed"
    if values.n_unique() == 1:
        return "a constant cannot be tested"
    scaled = values / cast("float", values.abs().max())  # squares of the result neither overflow nor vanish
    standardised = (scaled - scaled.mean()) / scaled.std()
    try:
        with quiet():
            p = float(libraries.adfuller(standardised.to_numpy(), result_object=True).pvalue)
    except (ValueError, libraries.numpy.linalg.LinAlgError) as error:
        return f"ADF could not be computed: {error}"
    return p if p == p else "ADF could not be computed: the values hardly vary"  # noqa: PLR0124  (NaN)


def _label(group: pl.DataFrame, keys: Sequence[str]) -> str:
    row = group.row(0, named=True)
    return ", ".join(f"{key}={row[key]!r}" for key in keys)
