# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201
"""The loop that everyone writes: Parquet into arrays, a compiled loop over floats, its rows into a frame."""

import polars as pl
from numba import njit

INPUT = ["timestamp", "price", "quantity", "is_buyer_maker"]
TIMES = ["open_time", "close_time"]
NUMBERS = ["open", "high", "low", "close", "volume", "turnover", "buy_volume", "agg_record_count"]


@njit
def range_bars(time, price, quantity, is_buyer_maker):
    rows = []
    forming = False
    for i in range(len(price)):
        if not forming:
            forming = True
            open_time, opening, high, low = time[i], price[i], price[i], price[i]
            upper, lower = opening * 1.0025, opening * 0.9975
            volume = turnover = buys = 0.0
            trades = 0
        high = max(high, price[i])
        low = min(low, price[i])
        volume += quantity[i]
        turnover += price[i] * quantity[i]
        if not is_buyer_maker[i]:
            buys += quantity[i]
        trades += 1
        if (price[i] >= upper or price[i] <= lower) and time[i] != open_time:
            rows.append((open_time, time[i], opening, high, low, price[i], volume, turnover, buys, trades))
            forming = False
    return rows


def bars(lake: str) -> pl.DataFrame:
    trades = pl.read_parquet(lake, columns=INPUT)
    rows = range_bars(*(trades[name].to_physical().to_numpy() for name in INPUT))
    return pl.DataFrame(rows, [*TIMES, *NUMBERS], orient="row").cast(dict.fromkeys(TIMES, trades.schema["timestamp"]))
