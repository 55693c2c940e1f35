"""The statistics as expressions: what each reads, and all of them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

import rangebar_polars as rb
from tests._routes import FEATURES
from tests._windows import HORIZON, STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests._oracle import TimeUnit

SIDE = ("is_buyer_maker",)
INDIVIDUAL = ("first_trade_id", "last_trade_id")


class Statistic(NamedTuple):
    """An expression, the columns that it reads under their default names, and those of them that must exist."""

    expression: Callable[..., pl.Expr]
    reads: tuple[str, ...]
    needs: tuple[str, ...] = ()


SINGLE: dict[str, Statistic] = {
    "ofi": Statistic(rb.ofi, ("quantity", *SIDE)),
    "turnover_imbalance": Statistic(rb.turnover_imbalance, ("price", "quantity", *SIDE)),
    "count_imbalance": Statistic(rb.count_imbalance, SIDE, SIDE),
    "aggression_ratio": Statistic(rb.aggression_ratio, (*SIDE, *INDIVIDUAL), SIDE),
    "vwap": Statistic(rb.vwap, ("price", "quantity")),
    "vwap_position": Statistic(rb.vwap_position, ("price", "quantity")),
    "vwap_close_deviation": Statistic(rb.vwap_close_deviation, ("price", "quantity")),
    "price_impact": Statistic(rb.price_impact, ("price", "quantity")),
    "kyle_lambda": Statistic(rb.kyle_lambda, ("price", "quantity", *SIDE)),
    "trade_intensity": Statistic(rb.trade_intensity, ("timestamp", *INDIVIDUAL)),
    "aggregation_density": Statistic(rb.aggregation_density, INDIVIDUAL, INDIVIDUAL),
    "burstiness": Statistic(rb.burstiness, ("timestamp",)),
    "volume_per_trade": Statistic(rb.volume_per_trade, ("quantity", *INDIVIDUAL)),
    "volume_skew": Statistic(rb.volume_skew, ("quantity",)),
    "volume_kurt": Statistic(rb.volume_kurt, ("quantity",)),
    **{
        name: Statistic(getattr(rb, name), ("price",))
        for name in (
            *("price_range", "garman_klass_vol", "kaufman_er", "hurst", "permutation_entropy"),
            *("max_drawdown", "max_runup"),
        )
    },
}
TRADES = ("timestamp", "price", "quantity", *SIDE)
STRUCTS: dict[str, Statistic] = {
    "horizon": Statistic(rb.horizon, ("price",)),
    "bar_features": Statistic(rb.bar_features, (*TRADES, *INDIVIDUAL)),
    "window_features": Statistic(rb.window_features, TRADES),
}
DTYPES: dict[str, pl.DataType] = {
    **dict.fromkeys(SINGLE, pl.Float64()),
    "horizon": pl.Struct(dict.fromkeys(HORIZON, pl.Float64())),
    "bar_features": pl.Struct(FEATURES),
    "window_features": pl.Struct(STATISTICS),
}
NEED_THE_SIDE = ("ofi", "turnover_imbalance", "kyle_lambda")


def every(columns: Sequence[str], *, time_unit: TimeUnit | None = None) -> list[pl.Expr]:
    """Every expression for which the frame has the columns."""
    return [
        statistic.expression(**({"time_unit": time_unit} if "timestamp" in statistic.reads else {}))
        for statistic in (SINGLE | STRUCTS).values()
        if set(statistic.needs) <= set(columns)
    ]


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the fields of the Structs as columns, named after both."""
    return frame.select(
        expression
        for name, dtype in frame.schema.items()
        for expression in (
            [pl.col(name).struct.field(field.name).alias(f"{name}.{field.name}") for field in dtype.fields]
            if isinstance(dtype, pl.Struct)
            else [pl.col(name)]
        )
    )
