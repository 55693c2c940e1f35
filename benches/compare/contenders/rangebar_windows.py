# mypy: ignore-errors
"""
`rangebar` 12.39.0 with all it has: features of the trades within each bar and of the 200 before it too.

Its Arrow route leaves them out, so trades go in as dictionaries.
"""

import polars as pl
from rangebar import RangeBarProcessor

MILLISECONDS = pl.col("timestamp").dt.epoch("ms")
FEATURES = {"inter_bar_lookback_count": 200, "include_intra_bar_features": True, "compute_tier3": True}


def bars(lake: str):  # noqa: ANN201
    trades = pl.scan_parquet(lake).with_columns(MILLISECONDS).drop("symbol", "date").collect()
    processor = RangeBarProcessor(250, **FEATURES)
    rows = [
        bar for piece in trades.iter_slices(100_000) for bar in processor.process_trades_streaming(piece.to_dicts())
    ]
    return processor.to_dataframe(rows, include_microstructure=True)
