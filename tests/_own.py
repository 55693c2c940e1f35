"""Features of one's own, and a slow version of them: one `select` over the rows of each bar, by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

import rangebar_polars as rb
from tests._streams import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

X, W = pl.col("x"), pl.col("w")

AGGS = (
    X.std().alias("x_std"),
    ((X * W).sum() / W.sum()).alias("x_by_w"),
    pl.len().alias("rows"),
    pl.col("note").n_unique().alias("notes"),
    X.diff().abs().max().alias("largest_step"),
    pl.col("i").filter(pl.col("flag")).sum().alias("flagged"),
    pl.col("price").last().alias("last_price"),
    pl.col("note").implode().alias("all_notes"),
    pl.struct(X.min().alias("low"), pl.col("i").max().alias("high")).alias("both"),
)
"""Of every kind: of doubles, of any other column, of none, with nulls, nested."""

SET = rb.FeatureSet(
    "own",
    "1.0",
    aggs=[X.mean().alias("x_mean"), pl.col("flag").any().alias("any")],
    over_bars=[
        pl.col("agg_record_count").sum().alias("rows_of_3"),
        pl.col("own__x_mean").rolling_mean(3, min_samples=2).alias("x_mean_3"),
        (pl.col("close") / pl.col("close").shift(1)).alias("up"),
        pl.col("close_reason").cast(pl.String).implode().list.join(",").alias("reasons"),
        pl.col("intra_trade_count").first().alias("first_count"),
    ],
    lookback_bars=2,
    schema={"x_mean": pl.Float64, "any": pl.Boolean, "up": pl.Float64},
)

MINE = {"aggs": AGGS, "feature_sets": [SET]}
NAMES = [expression.meta.output_name() for expression in AGGS]
NAMES += [f"own__{name}" for name in ("x_mean", "any", "rows_of_3", "x_mean_3", "up", "reasons", "first_count")]

_OF_IDS = ("same_timestamp_gate", "time_unit", "price_decimals", "reset", "max_gap")


def with_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Trades with columns that no bar reads."""
    row = pl.int_range(pl.len())
    return frame.with_columns(
        x=pl.when(row % 7 != 3).then((row * 37 % 101) / 3 + 0.1),
        w=(row * 13 % 17) / 7,
        i=(row * 29 % 23).cast(pl.Int32),
        flag=row % 3 == 0,
        note=pl.when(row % 5 != 1).then(pl.format("n{}", row * 11 % 4)),
    )


def oracle(run: Run, **more: Any) -> pl.DataFrame:
    """The bars of a run, the forming ones included, with the columns of one's own."""
    every = run.bars(include_orphans=True, features=["intra_trade_count"], intra=True)
    several = "threshold_dbps" in every.columns
    thresholds = run.thresholds if isinstance(run.thresholds, list) else [run.thresholds]
    options = {name: run.options[name] for name in _OF_IDS if name in run.options}
    rows = {
        threshold: _rows(run.frame.rangebar.with_bar_id(threshold, by=run.by or None, **options), run.by)
        for threshold in thresholds
    }
    number: dict[tuple[Any, ...], int] = {}
    closed: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    found: list[dict[str, Any]] = []
    for bar in every.iter_rows(named=True):
        key = tuple(bar[name] for name in run.by)
        of = (bar["threshold_dbps"] if several else thresholds[0], *key)
        mine = rows[of[0]][*key, number.get(of, 0)]
        number[of] = number.get(of, 0) + 1
        assert mine.height == bar["agg_record_count"]
        values = mine.select(*AGGS, X.mean().alias("own__x_mean"), pl.col("flag").any().alias("own__any")).row(
            0, named=True
        )
        window = [*closed.get(of, [])[-2:], bar | values]
        found.append(values | _of_window(window))
        if bar["close_reason"] not in ("reset", "gap", "end"):
            closed.setdefault(of, []).append(bar | values)
    asked = run.bars(include_orphans=True, **more)
    names = [name for name in asked.columns if name not in NAMES]
    schema = {name: dtype for name, dtype in run.bars(**MINE).schema.items() if name in NAMES}
    made = pl.DataFrame([{name: one[name] for name in NAMES} for one in found], schema=schema)
    whole = pl.concat([asked.select(names), made], how="horizontal")
    return (
        whole if run.options.get("include_orphans") else whole.filter(~pl.col("close_reason").is_in(["reset", "gap"]))
    )


def _rows(numbered: pl.DataFrame, by: Sequence[str]) -> dict[Any, pl.DataFrame]:
    return numbered.partition_by([*by, "bar_id"], as_dict=True, maintain_order=True)


def _of_window(window: list[dict[str, Any]]) -> dict[str, Any]:
    """What the expressions over bars mean, in plain Python but for the rolling mean."""
    means = [bar["own__x_mean"] for bar in window]
    mean = pl.Series(means, dtype=pl.Float64).rolling_mean(3, min_samples=2)[-1]
    return {
        "own__rows_of_3": sum(bar["agg_record_count"] for bar in window),
        "own__x_mean_3": mean,
        "own__up": window[-1]["close"] / window[-2]["close"] if len(window) > 1 else None,
        "own__reasons": ",".join(bar["close_reason"] for bar in window),
        "own__first_count": window[0]["intra_trade_count"],
    }
