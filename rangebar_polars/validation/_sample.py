"""Features beside the return that followed them, fit for tests that take rows to be independent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import polars as pl

from rangebar_polars.validation._forward import forward_return, within

__all__ = ["Sample", "numbers", "sample", "thinned"]

_MOST_ROWS: Final = 100_000
"""Rows that a rank correlation is taken from; its standard error is then 0.003."""


class Sample(NamedTuple):
    """Ranks within the group, between 0 and 1, NaN where there is no value."""

    forward: Any
    features: dict[str, Any]


def sample(bars: pl.DataFrame, keys: Sequence[str], features: Sequence[str], horizon: int) -> Sample:
    """
    Every `horizon`-th bar of each group that has a forward return, so that no two returns overlap.

    Ranks are taken within each group: symbols whose features and returns differ in level are not related by that.
    """
    groups = [f"key_{number}" for number, _ in enumerate(keys)]
    columns = {f"feature_{number}": name for number, name in enumerate(features)}
    frame = (
        bars.lazy()
        .select(
            *(pl.col(key).alias(group) for key, group in zip(keys, groups, strict=True)),
            forward_return(horizon, numbers("close"), by=list(keys)).alias("forward"),
            within(pl.int_range(pl.len()), keys).alias("number"),
            *(numbers(name).alias(column) for column, name in columns.items()),
        )
        .filter(pl.col("forward").is_finite(), pl.col("number") % horizon == 0)
        .collect()
    )
    ranks = thinned(frame, _MOST_ROWS).select(
        within(pl.col(name).rank() / (pl.col(name).count() + 1), groups) for name in ("forward", *columns)
    )
    return Sample(ranks["forward"].to_numpy(), {name: ranks[column].to_numpy() for column, name in columns.items()})


def thinned(rows: Any, most: int) -> Any:  # noqa: ANN401  (a frame or an array)
    """At most so many rows, evenly spread."""
    count = len(rows)
    return rows[[number * count // most for number in range(most)]] if count > most else rows


def numbers(name: str) -> pl.Expr:
    """The column as Float64, null where it is not finite."""
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value).alias(name)
