"""
Liquidity and order flow of bars: spreads, price impact, toxicity.

Expressions over the columns of bars. With a number of bars, n, each has a value for every bar, of it and the n - 1
before it; with None it has one value of all bars, for `group_by().agg()`.

>>> import rangebar_polars as rb
>>> bars = rb.datasets.sample_trades(50_000, symbols=["BTCUSDT"]).rangebar.bars(50)
>>> bars.select(rb.vpin(20), rb.amihud(20), rb.roll_spread(20)).columns
['vpin', 'amihud', 'roll_spread']
"""

from __future__ import annotations

from rangebar_polars.liquidity._flow import bulk_volume, vpin
from rangebar_polars.liquidity._impact import amihud, hasbrouck_lambda, kyle_regression
from rangebar_polars.liquidity._spreads import abdi_ranaldo, corwin_schultz, roll_spread

__all__ = [
    "abdi_ranaldo",
    "amihud",
    "bulk_volume",
    "corwin_schultz",
    "hasbrouck_lambda",
    "kyle_regression",
    "roll_spread",
    "vpin",
]
