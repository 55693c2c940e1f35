"""
Range bars and trade features as native Polars operations.

Importing the package registers the namespace ``.rangebar`` on :class:`polars.LazyFrame` and
:class:`polars.DataFrame`.

>>> import polars as pl
>>> import rangebar_polars as rb
>>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
>>> bars = trades.lazy().rangebar.bars(threshold_dbps=100, by="symbol")
>>> bars.select("open_time", "open", "close", "ofi").collect().height > 0
True
"""

from __future__ import annotations

from rangebar_polars import datasets
from rangebar_polars._internal import __version__
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.expressions import range_bar_id, range_bars
from rangebar_polars.gaps import gaps
from rangebar_polars.lookback import Bars
from rangebar_polars.namespaces import DataFrameRangeBar, LazyFrameRangeBar
from rangebar_polars.order_book import book_imbalance, microprice, mid, quote_ofi, relative_spread, spread
from rangebar_polars.state import BarState
from rangebar_polars.stream import BarStream
from rangebar_polars.validation import forward_return, validate

__all__ = [
    "BarState",
    "BarStream",
    "Bars",
    "DataFrameRangeBar",
    "LazyFrameRangeBar",
    "RangeBarError",
    "__version__",
    "book_imbalance",
    "datasets",
    "forward_return",
    "gaps",
    "microprice",
    "mid",
    "quote_ofi",
    "range_bar_id",
    "range_bars",
    "relative_spread",
    "spread",
    "validate",
]
