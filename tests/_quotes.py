"""Quotes with results worked out by hand, every expression over quotes, and the slow order flow."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from hypothesis import strategies as st

from rangebar_polars.order_book import book_imbalance, microprice, mid, quote_ofi, relative_spread, spread

ROW_BY_ROW = {
    "mid": mid,
    "spread": spread,
    "relative_spread": relative_spread,
    "microprice": microprice,
    "book_imbalance": book_imbalance,
}
OF_PRICES = ("mid", "spread", "relative_spread")
EVERY = {**ROW_BY_ROW, "quote_ofi": quote_ofi}
COLUMNS = ("bid", "ask", "bid_size", "ask_size")


def every() -> list[pl.Expr]:
    return [function() for function in EVERY.values()]


def quotes(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.Float64), orient="row")


def values(frame: pl.DataFrame, expression: pl.Expr) -> list[Any]:
    return frame.select(expression).to_series().to_list()


def bits(column: pl.Series | list[Any]) -> list[str | None]:
    return [None if x is None else x.hex() for x in column]


BY_HAND = [
    # bid, ask, bid_size, ask_size; mid, spread, relative_spread, microprice, book_imbalance
    ((99.5, 100.5, 1, 1), (100.0, 1.0, 0.01, 100.0, 0.0)),
    ((99.5, 100.5, 3, 1), (100.0, 1.0, 0.01, 100.25, 0.5)),
    ((99.5, 100.5, 0, 1), (100.0, 1.0, 0.01, 99.5, -1.0)),
    ((99.5, 100.5, 7, 0), (100.0, 1.0, 0.01, 100.5, 1.0)),
    ((99.5, 100.5, 0, 0), (100.0, 1.0, 0.01, None, None)),
    ((100.0, 100.0, 3, 1), (100.0, 0.0, 0.0, 100.0, 0.5)),  # locked
    ((101.0, 99.0, 3, 1), (100.0, -2.0, -0.02, 99.5, 0.5)),  # crossed
    ((99.5, 100.5, None, 1), (100.0, 1.0, 0.01, None, None)),
    ((99.5, 100.5, 1, None), (100.0, 1.0, 0.01, None, None)),
    ((None, 100.5, 3, 1), (None, None, None, None, 0.5)),
    ((99.5, None, 3, 1), (None, None, None, None, 0.5)),
    ((None, None, None, None), (None, None, None, None, None)),
]


FLOW_BY_HAND = [
    ((99.0, 102.0, 5, 3), None),
    ((99.0, 102.0, 5, 3), 0.0),
    ((99.0, 102.0, 7, 3), 2.0),  # two more at the bid
    ((99.0, 102.0, 7, 1), 2.0),  # two taken or withdrawn at the ask
    ((100.0, 102.0, 4, 1), 4.0),  # a higher bid is new: all of it counts
    ((98.0, 102.0, 9, 1), -4.0),  # a lower one: what stood there is gone
    ((98.0, 101.0, 9, 6), -6.0),  # a lower ask is new
    ((98.0, 103.0, 9, 2), 6.0),  # a higher one: what stood there is gone
    ((99.0, 104.0, 1, 8), 3.0),  # both move: 1 came to the bid, 2 left the ask
    ((105.0, 104.0, 2, 8), 2.0),  # crossed, by the same formula
    ((105.0, 103.0, 2, 5), -5.0),
]
SIZES = st.floats(1e-8, 1e15) | st.integers(0, 5).map(float)


def flows(book: list[tuple[float | None, ...]]) -> list[float | None]:
    """The definition of Cont, Kukanov and Stoikov (2014), one quote after the other; None where one is missing."""

    def known(row: tuple[float | None, ...]) -> tuple[float, ...] | None:
        numbers = [x for x in row if x is not None and math.isfinite(x)]
        good = len(numbers) == 4 and min(numbers[:2]) > 0 and min(numbers[2:]) >= 0
        return tuple(numbers) if good else None

    out: list[float | None] = []
    for before, now in zip([None, *book], book, strict=False):
        old, new = None if before is None else known(before), known(now)
        if old is None or new is None:
            out.append(None)
            continue
        came = 0.0
        if new[0] >= old[0]:
            came += new[2]
        if new[0] <= old[0]:
            came -= old[2]
        went = 0.0
        if new[1] <= old[1]:
            went += new[3]
        if new[1] >= old[1]:
            went -= old[3]
        out.append(came - went)
    return out
