"""What to draw, and where: one row per candle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from rangebar_polars.plotting._options import Axis

__all__ = ["SUMS", "candles", "fields"]

SUMS: Final = frozenset(
    {
        "agg_record_count", "buy_trade_count", "buy_turnover", "buy_volume", "duration_us", "individual_trade_count",
        "intra_duration_us", "intra_trade_count", "sell_trade_count", "sell_turnover", "sell_volume", "turnover",
        "volume",
    }
)  # fmt: skip
"""Columns that are summed over bars; for all others, several bars are represented by the mean."""

_BODY: Final = 0.38
"""Half the width of a candle, in units of the distance from bar to bar."""


def fields(panels: Sequence[str]) -> dict[str, str]:
    """Names of the panels in the data of the chart, where a dot, bracket or colon would have a meaning."""
    return {f"panel_{number}": name for number, name in enumerate(panels)}


def candles(frame: pl.DataFrame, x: Axis, panels: Sequence[str], size: int) -> pl.DataFrame:
    """One row per candle of `size` bars: what to draw, and where."""
    names = fields(panels)
    reason = pl.col("close_reason").cast(pl.String) if "close_reason" in frame.columns else pl.lit("threshold")
    ended_otherwise = reason.replace({"threshold": None})
    opened = "open_time" if "open_time" in frame.columns else "close_time"
    return (
        frame.with_row_index("row")
        .group_by(pl.col("row") // size, maintain_order=True)
        .agg(
            pl.col("row").first().cast(pl.Int64).alias("first"),
            pl.col("row").last().cast(pl.Int64).alias("last"),
            pl.col(opened).first().alias("opened"),
            pl.col("close_time").last().alias("closed"),
            pl.col("open").first().cast(pl.Float64),
            pl.col("high").max().cast(pl.Float64),
            pl.col("low").min().cast(pl.Float64),
            pl.col("close").last().cast(pl.Float64),
            ended_otherwise.drop_nulls().first().alias("reason"),
            *(_value(name).alias(field) for field, name in names.items()),
        )
        .drop("row")
        .with_columns(*_places(x), _text("opened", frame.schema[opened]), _text("closed", frame.schema["close_time"]))
    )


def _value(name: str) -> pl.Expr:
    values = pl.col(name).cast(pl.Float64)
    finite = pl.when(values.is_finite()).then(values).drop_nulls()
    if name in SUMS:
        return pl.when(finite.len() > 0).then(finite.sum())
    return finite.mean()


def _places(x: Axis) -> list[pl.Expr]:
    if x == "bar":
        left, right = pl.col("first") - _BODY, pl.col("last") + _BODY
    else:
        left, right = (pl.col(name).dt.timestamp("ms").cast(pl.Float64) for name in ("opened", "closed"))
    middle = (left + right) / 2
    return [
        left.alias("left"),
        right.alias("right"),
        middle.alias("middle"),
        # What a bar says is known once it has closed.
        (middle if x == "bar" else right).alias("known"),
    ]


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A time as the chart shows it: Vega would convert it to the time zone of the reader."""
    if not isinstance(dtype, pl.Datetime):
        return pl.col(name).cast(pl.String)
    time = pl.col(name) if dtype.time_zone is None else pl.col(name).dt.convert_time_zone("UTC")
    return time.dt.strftime("%Y-%m-%d %H:%M:%S%.3f")
