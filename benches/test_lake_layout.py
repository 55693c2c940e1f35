"""The table of layouts: each gives back what was written, and that of a lake is smaller than what Polars writes."""

from __future__ import annotations

import rangebar_polars as rb
from benches.lake_layout import COLUMNS, measure


def test_a_lake_is_smaller_than_zstd() -> None:
    trades = rb.datasets.sample_trades(50_000).select(*COLUMNS)
    figures = {(layout.writer, layout.codec): figures for layout, figures in measure(trades, 1)}
    assert len(figures) > 10
    assert figures["`rb.Lake`", "lz4"].bytes_a_trade < figures["Polars", "zstd(3)"].bytes_a_trade
