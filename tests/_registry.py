"""One row for each statistic: its columns, its expression, what it reads, its bounds, its oracle and its pages.

A new statistic needs a row here and its definition in `_oracle.py` or `_window_oracle.py`. Everything that tests know
about all statistics (names in order, dtypes, bounds, columns that are read) is derived from the rows, and
`statistics/test_registry.py` checks the rows against the library and the documentation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import polars as pl

import rangebar_polars as rb
from tests._oracle import Bar, row
from tests._window_oracle import horizon, statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests._oracle import Cell, TimeUnit, Trade

Family: TypeAlias = Literal["bar", "window", "horizon"]
"""Features of every bar; statistics of a window (the bar's own trades, or those before); and of the bar's own path."""

ORACLES: Mapping[Family, Callable[[Sequence[Trade], TimeUnit], dict[str, Cell]]] = {
    "bar": lambda trades, time_unit: row(Bar(list(trades), "end", len(trades)), time_unit),
    "window": statistics,
    "horizon": lambda trades, _: horizon(trades),
}
STRUCT_OF: Mapping[Family, str] = {"bar": "bar_features", "window": "window_features", "horizon": "horizon"}
"""The expression that gives a family as one Struct."""

SIDE = ("is_buyer_maker",)
INDIVIDUAL = ("first_trade_id", "last_trade_id")

RATIO, BALANCE, AMOUNT, ANY = (0.0, 1.0), (-1.0, 1.0), (0.0, math.inf), (-math.inf, math.inf)
BELOW_ONE = (0.0, math.nextafter(1, 0))


class Statistic(NamedTuple):
    """A statistic of the trades of a group. Columns have their default names."""

    family: Family
    name: str
    reads: tuple[str, ...]
    bounds: tuple[float, float]
    """The smallest and the largest value that the definition allows, both included."""
    expression: Callable[..., pl.Expr] | None = None
    """The expression that gives this statistic alone."""
    needs: tuple[str, ...] = ()
    """Columns without which the expression fails, even under their default names."""
    dtype: pl.DataType = pl.Float64()
    is_intra: bool = True
    """Whether bars have it for their own trades (`intra_`), not only for the trades before (`lookback_`)."""
    rounding: float = 0.0
    """Absolute tolerance where terms of about one cancel: their rounding, summed over the rows."""

    @property
    def oracle(self) -> Callable[[Sequence[Trade], TimeUnit], Cell]:
        """The slow definition of this statistic alone."""
        return lambda trades, time_unit: ORACLES[self.family](trades, time_unit)[self.name]

    @property
    def columns(self) -> Iterator[str]:
        """Its columns in bars with all features."""
        if self.family == "bar":
            yield self.name
        if self.family != "bar" and self.is_intra:
            yield f"intra_{self.name}"
        if self.family == "window":
            yield f"lookback_{self.name}"

    @property
    def anchors(self) -> Iterator[tuple[str, str]]:
        """The pages that document it, each with the text that must be there exactly once."""
        for column in self.columns:
            yield "docs/columns.md", f"| `{column}` | "
        if self.expression is not None:
            yield "docs/features.md", f"| `{self.expression.__name__}` | "
            yield "docs/reference/statistics.md", f"::: rangebar_polars.{self.expression.__name__}\n"


PRICE, QUANTITY, TIME = ("price",), ("quantity",), ("timestamp",)
TRADED = (*PRICE, *QUANTITY)
COUNT, WHOLE = pl.UInt64(), pl.Int64()
REGISTRY = (
    Statistic("bar", "duration_us", TIME, AMOUNT, dtype=WHOLE),
    Statistic("bar", "ofi", (*QUANTITY, *SIDE), BALANCE, rb.ofi),
    Statistic("bar", "vwap_close_deviation", TRADED, BALANCE, rb.vwap_close_deviation),
    Statistic("bar", "price_impact", TRADED, AMOUNT, rb.price_impact),
    Statistic("bar", "kyle_lambda_proxy", (*TRADED, *SIDE), ANY),
    Statistic("bar", "trade_intensity", (*TIME, *INDIVIDUAL), AMOUNT, rb.trade_intensity),
    Statistic("bar", "volume_per_trade", (*QUANTITY, *INDIVIDUAL), AMOUNT, rb.volume_per_trade),
    Statistic("bar", "aggression_ratio", (*SIDE, *INDIVIDUAL), (0.0, 100.0), rb.aggression_ratio, needs=SIDE),
    Statistic("bar", "aggregation_density", INDIVIDUAL, (1.0, math.inf), rb.aggregation_density, needs=INDIVIDUAL),
    Statistic("bar", "turnover_imbalance", (*TRADED, *SIDE), BALANCE, rb.turnover_imbalance),
    Statistic("window", "trade_count", (), (1.0, math.inf), dtype=COUNT),
    Statistic("window", "ofi", (*QUANTITY, *SIDE), BALANCE, rb.ofi),
    Statistic("window", "duration_us", TIME, AMOUNT, dtype=WHOLE),
    Statistic("window", "intensity", TIME, AMOUNT),
    Statistic("window", "vwap", TRADED, (1e-8, math.inf), rb.vwap, is_intra=False),
    Statistic("window", "vwap_position", TRADED, RATIO, rb.vwap_position),
    Statistic("window", "count_imbalance", SIDE, BALANCE, rb.count_imbalance, needs=SIDE),
    Statistic("window", "kyle_lambda", (*TRADED, *SIDE), ANY, rb.kyle_lambda),
    Statistic("window", "burstiness", TIME, BALANCE, rb.burstiness, rounding=1e-12),
    Statistic("window", "volume_skew", QUANTITY, ANY, rb.volume_skew, rounding=1e-12),
    Statistic("window", "volume_kurt", QUANTITY, (math.nextafter(-2, -3), math.inf), rb.volume_kurt, rounding=1e-12),
    Statistic("window", "price_range", PRICE, AMOUNT, rb.price_range, is_intra=False),
    Statistic("window", "garman_klass_vol", PRICE, AMOUNT, rb.garman_klass_vol, rounding=1e-15),
    Statistic("window", "kaufman_er", PRICE, RATIO, rb.kaufman_er),
    # Of prices in equal steps only the curve of the logarithm is left, which may be next to nothing.
    Statistic("window", "hurst", PRICE, ANY, rb.hurst, rounding=1e-6),
    Statistic("window", "permutation_entropy", PRICE, RATIO, rb.permutation_entropy, rounding=1e-12),
    Statistic("horizon", "bull_epoch_density", PRICE, RATIO),
    Statistic("horizon", "bear_epoch_density", PRICE, RATIO),
    Statistic("horizon", "bull_excess_gain", PRICE, RATIO, rounding=1e-12),
    Statistic("horizon", "bear_excess_gain", PRICE, RATIO, rounding=1e-12),
    Statistic("horizon", "bull_cv", PRICE, RATIO),
    Statistic("horizon", "bear_cv", PRICE, RATIO),
    Statistic("horizon", "max_drawdown", PRICE, BELOW_ONE, rb.max_drawdown, rounding=1e-15),
    Statistic("horizon", "max_runup", PRICE, BELOW_ONE, rb.max_runup, rounding=1e-15),
)


def of(family: Family) -> dict[str, Statistic]:
    """The rows of a family by name, in the order of the columns."""
    return {one.name: one for one in REGISTRY if one.family == family}


FEATURES: dict[str, pl.DataType] = {name: one.dtype for name, one in of("bar").items()}
"""The features that every bar has, in order."""
STATISTICS: dict[str, pl.DataType] = {name: one.dtype for name, one in of("window").items()}
"""The statistics of windows, in order."""
HORIZON = tuple(of("horizon"))
BY_COLUMN = {column: one for one in REGISTRY for column in one.columns}
PATH_TIMES = ("high_time", "low_time")
"""Times of the extremes: features of bars, but times and not statistics."""
INTRA: dict[str, pl.DataType] = {name: one.dtype for name, one in BY_COLUMN.items() if name.startswith("intra_")}
LOOKBACK: dict[str, pl.DataType] = {name: one.dtype for name, one in BY_COLUMN.items() if name.startswith("lookback_")}
SIDE_STATISTICS = tuple(name for name, one in of("window").items() if set(SIDE) <= set(one.reads))
