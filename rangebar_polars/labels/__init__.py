"""
Labels of bars, and splits that keep them out of the training set.

>>> import rangebar_polars as rb
>>> bars = rb.datasets.sample_trades(50_000, symbols=["BTCUSDT"]).rangebar.bars(50)
>>> labels = bars.select(rb.triple_barrier(0.001, 0.001, max_bars=20)).unnest("triple_barrier")
>>> labels.columns
['label', 'barrier', 'exit_bars', 'exit_time', 'return']
"""

from __future__ import annotations

from rangebar_polars.labels._splits import PurgedSplits, purged_splits
from rangebar_polars.labels._triple_barrier import triple_barrier

__all__ = ["PurgedSplits", "purged_splits", "triple_barrier"]
