# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, PLR0917
"""The expert's loop: batches from the streaming engine, the forming bar carried from one to the next."""

import numpy as np
import polars as pl
from numba import njit

INPUT = ["timestamp", "price", "quantity", "is_buyer_maker"]
TIMES = ["open_time", "close_time"]
NUMBERS = ["open", "high", "low", "close", "volume", "turnover", "buy_volume", "agg_record_count"]


@njit
def range_bars(time, price, quantity, is_buyer_maker, state, start):
    rows = []
    opening, high, low, volume, turnover, buys, trades = state
    open_time = start[0]
    upper, lower = opening * 1.0025, opening * 0.9975
    for i in range(len(price)):
        p, q = price[i], quantity[i]
        if trades == 0.0:
            open_time, opening, high, low = time[i], p, p, p
            upper, lower = p * 1.0025, p * 0.9975
            volume = turnover = buys = 0.0
        high = max(high, p)
        low = min(low, p)
        volume += q
        turnover += p * q
        buys += q * (1 - is_buyer_maker[i])
        trades += 1.0
        if (p >= upper or p <= lower) and time[i] != open_time:
            rows.append((open_time, time[i], opening, high, low, p, volume, turnover, buys, int(trades)))
            trades = 0.0
    state[:] = opening, high, low, volume, turnover, buys, trades
    start[0] = open_time
    return rows


def bars(lake: str) -> pl.DataFrame:
    trades = pl.scan_parquet(lake).select(INPUT)
    rows, state, start = [], np.zeros(7), np.zeros(1, np.int64)
    for batch in trades.collect_batches(engine="streaming", maintain_order=True):
        rows += range_bars(*(batch[name].to_physical().to_numpy() for name in INPUT), state, start)
    time = trades.collect_schema()["timestamp"]
    return pl.DataFrame(rows, [*TIMES, *NUMBERS], orient="row").cast(dict.fromkeys(TIMES, time))
