"""What the tests of `validate` share: bars, a walk of closes, and how to read a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

import rangebar_polars as rb
from rangebar_polars.validation import validate

THRESHOLD = 100
Failure = tuple[str, str | None]
OF_SIDES = ("ofi", "kyle_lambda_proxy", "aggression_ratio", "turnover_imbalance")


def bars_of_two_symbols() -> pl.DataFrame:
    """Some 150 bars of each of two symbols, interleaved, with columns of features that other tests break."""
    trades = rb.datasets.sample_trades(120_000, symbols=["BTCUSDT", "ETHUSDT"]).sort("timestamp", maintain_order=True)
    made = trades.rangebar.bars(THRESHOLD, by="symbol", intra=True).select(pl.exclude("^intra_.*$"))
    half = pl.lit(0.5)
    return made.with_columns(
        intra_hurst=pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.col("ofi")),
        intra_permutation_entropy=pl.col("ofi").abs(),
        intra_max_drawdown=half * pl.col("ofi").abs(),
        intra_volume_kurt=pl.col("ofi") - 1,
        lookback_trade_count=pl.col("agg_record_count"),
        lookback_vwap_position=half + half * pl.col("ofi"),
    )


def structural(bars: Any, **options: Any) -> pl.DataFrame:
    return validate(bars, **({"by": "symbol", "threshold_dbps": THRESHOLD, "statistics": False} | options))


def failures(report: pl.DataFrame) -> set[Failure]:
    return set(report.filter(~pl.col("passed")).select("check", "column").rows())


def row(report: pl.DataFrame, check: str, column: str | None) -> dict[str, Any]:
    of = report.filter(pl.col("check") == check, pl.col("column").eq_missing(column))
    assert of.height == 1, (check, column)
    return of.row(0, named=True)


def bars_of_a_walk(rows: int, seed: int, groups: int = 1, step: float = 0.001, **features: Any) -> pl.DataFrame:
    """Bars whose closes are a random walk; features as given, one after the other group."""
    random = np.random.default_rng(seed)
    close = np.concatenate([100 * np.exp(np.cumsum(random.normal(scale=step, size=rows))) for _ in range(groups)])
    return pl.DataFrame(
        {
            "symbol": [f"S{group}" for group in range(groups) for _ in range(rows)],
            "close_time": [second for _ in range(groups) for second in range(rows)],
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            **features,
        }
    )


def noise(rows: int, columns: int, seed: int) -> dict[str, Any]:
    values = np.random.default_rng(seed).normal(size=(columns, rows))
    return {f"noise_{number}": values[number] for number in range(columns)}


def at(number: int | pl.Expr, value: Any) -> Any:
    """The value in one row, the column as it is in the others: a function of the column's name."""
    return lambda name: pl.when(pl.int_range(pl.len()) == number).then(value).otherwise(pl.col(name)).alias(name)
