"""
Range bars and trade features as native Polars operations.

Importing the package registers the namespace ``.rangebar`` on :class:`polars.LazyFrame`,
:class:`polars.DataFrame` and :class:`polars.Expr`.

>>> import polars as pl
>>> import rangebar_polars as rb
>>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
>>> bars = trades.lazy().rangebar.bars(threshold_dbps=100, by="symbol")
>>> bars.select("open_time", "open", "close", "ofi").collect().height > 0
True
"""

from importlib import import_module
from typing import TYPE_CHECKING

from rangebar_polars import datasets
from rangebar_polars._bars.amount_rules import Ticks, Time, Turnover, Volume
from rangebar_polars._bars.book import book
from rangebar_polars._bars.book_stream import BookStream
from rangebar_polars._bars.check_features import check_features
from rangebar_polars._bars.eager_namespace import DataFrameRangeBar
from rangebar_polars._bars.expr_namespace import ExprRangeBar
from rangebar_polars._bars.expressions import range_bar_id, range_bars
from rangebar_polars._bars.feature_names import features
from rangebar_polars._bars.feature_sets import FeatureSet
from rangebar_polars._bars.gaps import gaps
from rangebar_polars._bars.lazy_namespace import LazyFrameRangeBar
from rangebar_polars._bars.lookback import Bars
from rangebar_polars._bars.renko import renko
from rangebar_polars._bars.rows import BarRow
from rangebar_polars._bars.rules import Cusum, HighLow, Range
from rangebar_polars._bars.side_rules import Imbalance, Runs
from rangebar_polars._bars.sinks import read_state, sink_bars
from rangebar_polars._bars.state import BarState
from rangebar_polars._bars.stream import BarStream
from rangebar_polars._common.sessions import Daily, Weekly
from rangebar_polars._internal import __version__
from rangebar_polars._lake.add import AddReport
from rangebar_polars._lake.build import BuildReport
from rangebar_polars._lake.fetch_report import FetchReport
from rangebar_polars._lake.lake import Lake
from rangebar_polars._lake.series import Series
from rangebar_polars._one_line import get_n_range_bars, get_range_bars
from rangebar_polars._readers.preset import Preset
from rangebar_polars._readers.quotes import scan_quotes
from rangebar_polars._readers.report import ReadReport
from rangebar_polars._readers.trades import scan_binance, scan_trades
from rangebar_polars.exceptions import (
    FetchError,
    LakeConflictError,
    LakeFileError,
    LakeLockError,
    MissingTradesError,
    NotEnoughBarsError,
    RangeBarError,
    RangeBarWarning,
)
from rangebar_polars.labels import purged_splits, triple_barrier
from rangebar_polars.liquidity import (
    abdi_ranaldo,
    amihud,
    bulk_volume,
    corwin_schultz,
    hasbrouck_lambda,
    kyle_regression,
    roll_spread,
    vpin,
)
from rangebar_polars.order_book import book_imbalance, microprice, mid, quote_ofi, relative_spread, spread
from rangebar_polars.statistics import (
    aggregation_density,
    aggression_ratio,
    bar_features,
    burstiness,
    count_imbalance,
    garman_klass_vol,
    horizon,
    hurst,
    kaufman_er,
    kyle_lambda,
    max_drawdown,
    max_runup,
    ofi,
    permutation_entropy,
    price_impact,
    price_range,
    trade_intensity,
    turnover_imbalance,
    volume_kurt,
    volume_per_trade,
    volume_skew,
    vwap,
    vwap_close_deviation,
    vwap_position,
    window_features,
)
from rangebar_polars.trade_side import lee_ready, quote_rule, tick_rule
from rangebar_polars.validation import forward_return, validate

if TYPE_CHECKING:
    from rangebar_polars import backtesting as backtesting
    from rangebar_polars import exports as exports
    from rangebar_polars import plotting as plotting

__all__ = [
    "AddReport",
    "BarRow",
    "BarState",
    "BarStream",
    "Bars",
    "BookStream",
    "BuildReport",
    "Cusum",
    "Daily",
    "DataFrameRangeBar",
    "ExprRangeBar",
    "FeatureSet",
    "FetchError",
    "FetchReport",
    "HighLow",
    "Imbalance",
    "Lake",
    "LakeConflictError",
    "LakeFileError",
    "LakeLockError",
    "LazyFrameRangeBar",
    "MissingTradesError",
    "NotEnoughBarsError",
    "Preset",
    "Range",
    "RangeBarError",
    "RangeBarWarning",
    "ReadReport",
    "Runs",
    "Series",
    "Ticks",
    "Time",
    "Turnover",
    "Volume",
    "Weekly",
    "__version__",
    "abdi_ranaldo",
    "aggregation_density",
    "aggression_ratio",
    "amihud",
    "bar_features",
    "book",
    "book_imbalance",
    "bulk_volume",
    "burstiness",
    "check_features",
    "corwin_schultz",
    "count_imbalance",
    "datasets",
    "features",
    "forward_return",
    "gaps",
    "garman_klass_vol",
    "get_n_range_bars",
    "get_range_bars",
    "hasbrouck_lambda",
    "horizon",
    "hurst",
    "kaufman_er",
    "kyle_lambda",
    "kyle_regression",
    "lee_ready",
    "max_drawdown",
    "max_runup",
    "microprice",
    "mid",
    "ofi",
    "permutation_entropy",
    "price_impact",
    "price_range",
    "purged_splits",
    "quote_ofi",
    "quote_rule",
    "range_bar_id",
    "range_bars",
    "read_state",
    "relative_spread",
    "renko",
    "roll_spread",
    "scan_binance",
    "scan_quotes",
    "scan_trades",
    "sink_bars",
    "spread",
    "tick_rule",
    "trade_intensity",
    "triple_barrier",
    "turnover_imbalance",
    "validate",
    "volume_kurt",
    "volume_per_trade",
    "volume_skew",
    "vpin",
    "vwap",
    "vwap_close_deviation",
    "vwap_position",
    "window_features",
]

_MODULES = (
    "backtesting",
    "datasets",
    "exceptions",
    "exports",
    "labels",
    "liquidity",
    "order_book",
    "plotting",
    "statistics",
    "trade_side",
    "validation",
)
"""Public modules: one that the import did not need is imported when it is named, as ``rb.plotting``."""


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})


if not TYPE_CHECKING:  # a checker would believe that every name exists

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        text = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(text)
