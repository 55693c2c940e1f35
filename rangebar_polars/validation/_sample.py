"""Features with the return that followed them, as ranks within the group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import polars as pl

from rangebar_polars.validation._forward import forward_return, within

__all__ = ["Sample", "numbers", "sample", "thinned"]

_MOST_ROWS: Final = 100_000
"""Rows for a rank correlation; its standard error is then 0.003."""
_RUN: Final = 1_000
"""Length of runs that stay together, so that the dependence of each bar on the last remains visible."""


class Sample(NamedTuple):
    """Rows of one group are consecutive, in the order of time. Ranks are from 0 to 1, NaN if there is no value."""

    group: Any
    """A number for each row, the same within a group."""
    forward: Any
    features: dict[str, Any]


def sample(bars: pl.DataFrame, keys: Sequence[str], features: Sequence[str], horizon: int) -> Sample:
    """
    Every `horizon`-th bar of each group that has a forward return, so that no two returns overlap.

    Ranks are taken within each group, so different levels of features and returns between symbols make no relation.
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
        .with_row_index("row")
        .with_columns(within(pl.col("row").min(), groups).alias("group"))
        .filter(pl.col("forward").is_finite(), pl.col("number") % horizon == 0)
        .sort("group", maintain_order=True)
        .collect()
    )
    ranks = thinned(frame, _MOST_ROWS, _RUN).select(
        pl.col("group").rle_id(),
        *((pl.col(name).rank() / (pl.col(name).count() + 1)).over("group") for name in ("forward", *columns)),
    )
    return Sample(
        ranks["group"].to_numpy(),
        ranks["forward"].to_numpy(),
        {name: ranks[column].to_numpy() for column, name in columns.items()},
    )


def thinned(rows: Any, most: int, run: int = 1) -> Any:  # noqa: ANN401  (a frame or an array)
    """At most so many rows, in evenly spread runs of consecutive rows."""
    count, runs = len(rows), most // run
    if count <= most:
        return rows
    starts = (number * count // runs for number in range(runs))
    return rows[[row for start in starts for row in range(start, start + run)]]


def numbers(name: str) -> pl.Expr:
    """The column as Float64, null where it is not finite."""
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value).alias(name)
