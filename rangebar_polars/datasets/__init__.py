"""
Synthetic trades and updates of order books for examples, tests and benchmarks, and a venue on this machine.

None of it is market data.
"""

from __future__ import annotations

from rangebar_polars.datasets._archives import write_sample_archives
from rangebar_polars.datasets._books import sample_book_updates
from rangebar_polars.datasets._sample import sample_trades, write_sample_lake
from rangebar_polars.datasets._venue import LocalVenue

__all__ = ["LocalVenue", "sample_book_updates", "sample_trades", "write_sample_archives", "write_sample_lake"]
