"""Bars with missing values for measures of liquidity, and each measure of one window, by its formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any, TypeAlias

import polars as pl
from hypothesis import strategies as st

import rangebar_polars as rb

Row: TypeAlias = dict[str, Any]
Window: TypeAlias = list[Row]

COLUMNS = ["high", "low", "close", "volume", "turnover", "buy_volume", "sell_volume", "buy_turnover", "sell_turnover"]


def is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def is_price(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def is_amount(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value >= 0


def vpin(window: Window) -> float | None:
    volumes = [(row["buy_volume"], row["sell_volume"]) for row in window]
    if not all(is_amount(one) for pair in volumes for one in pair):
        return None
    total = sum(bought + sold for bought, sold in volumes)
    return sum(abs(bought - sold) for bought, sold in volumes) / total if total else None


def roll_spread(window: Window) -> float | None:
    closes = [row["close"] for row in window]
    if not all(is_number(close) for close in closes):
        return None
    changes = [after - before for before, after in pairwise(closes)]
    covariance = _covariance(changes[1:], changes[:-1])
    return None if covariance > 0 else 2 * math.sqrt(-covariance)


def corwin_schultz(window: Window, negative: str = "zero", *, overnight: bool = True) -> float | None:
    if not all(_is_range(row) and (is_price(row["close"]) or not overnight or row is window[-1]) for row in window):
        return None
    spreads = []
    for first, second in pairwise(window):
        high, low = second["high"], second["low"]
        if overnight and low > first["close"]:
            high, low = high - (low - first["close"]), first["close"]
        elif overnight and high < first["close"]:
            high, low = first["close"], low + (first["close"] - high)
        beta = math.log(first["high"] / first["low"]) ** 2 + math.log(high / low) ** 2
        gamma = math.log(max(first["high"], high) / min(first["low"], low)) ** 2
        k = 3 - 2 * math.sqrt(2)
        alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k)
        alpha = 0.0 if abs(alpha) < 1e-12 else alpha  # the difference of two equal roots
        spreads.append(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)))
    return _mean_of(spreads, negative)


def abdi_ranaldo(window: Window, average: str = "spreads", negative: str = "zero") -> float | None:
    if not all(_is_range(row) and (is_price(row["close"]) or row is window[-1]) for row in window):
        return None
    middles = [(math.log(row["high"]) + math.log(row["low"])) / 2 for row in window]
    squares = [
        4 * (math.log(row["close"]) - middle) * (math.log(row["close"]) - after)
        for row, (middle, after) in zip(window, pairwise(middles), strict=False)
    ]
    if average == "squares":
        mean = fmean(squares)
        return None if mean < 0 and negative == "null" else math.sqrt(max(mean, 0))
    return _mean_of([math.sqrt(square) if square >= 0 else -1.0 for square in squares], negative)


def amihud(window: Window) -> float | None:
    if not all(is_price(row["close"]) for row in window) or not all(is_amount(row["turnover"]) for row in window[1:]):
        return None
    ratios = [
        abs(after["close"] / before["close"] - 1) / after["turnover"]
        for before, after in pairwise(window)
        if after["turnover"] > 0
    ]
    return fmean(ratios) if ratios else None


def kyle_regression(window: Window, *, intercept: bool = False) -> float | None:
    if not all(is_number(row["close"]) for row in window):
        return None
    if not all(is_amount(row[name]) for row in window[1:] for name in ("buy_volume", "sell_volume")):
        return None
    flows = [row["buy_volume"] - row["sell_volume"] for row in window[1:]]
    return _slope(flows, [b["close"] - a["close"] for a, b in pairwise(window)], intercept=intercept)


def hasbrouck_lambda(window: Window, *, intercept: bool = False) -> float | None:
    if not all(is_price(row["close"]) for row in window):
        return None
    if not all(is_amount(row[name]) for row in window[1:] for name in ("buy_turnover", "sell_turnover")):
        return None
    nets = [row["buy_turnover"] - row["sell_turnover"] for row in window[1:]]
    flows = [math.copysign(math.sqrt(abs(net)), net) for net in nets]
    returns = [math.log(after["close"]) - math.log(before["close"]) for before, after in pairwise(window)]
    return _slope(flows, returns, intercept=intercept)


def bulk_buy_volume(window: Window, z: Callable[[float], float]) -> float | None:
    closes = [row["close"] for row in window]
    volume = window[-1]["volume"]
    if not all(is_number(close) for close in closes) or not is_amount(volume):
        return None
    changes = [after - before for before, after in pairwise(closes)]
    if len(set(changes)) == 1:
        return float(volume * (0.5 if changes[-1] == 0 else changes[-1] > 0))
    return float(volume * z(changes[-1] / stdev(changes)))


Measure: TypeAlias = tuple[Callable[[int | None], pl.Expr], Callable[[Window], float | None], int]

MEASURES: dict[str, Measure] = {
    "vpin": (rb.vpin, vpin, 1),
    "roll_spread": (rb.roll_spread, roll_spread, 4),
    "corwin_schultz": (rb.corwin_schultz, corwin_schultz, 2),
    "corwin_schultz_null": (
        lambda n: rb.corwin_schultz(n, negative="null"),
        lambda window: corwin_schultz(window, "null"),
        2,
    ),
    "corwin_schultz_keep": (
        lambda n: rb.corwin_schultz(n, negative="keep", overnight=False),
        lambda window: corwin_schultz(window, "keep", overnight=False),
        2,
    ),
    "abdi_ranaldo": (rb.abdi_ranaldo, abdi_ranaldo, 2),
    "abdi_ranaldo_null": (
        lambda n: rb.abdi_ranaldo(n, negative="null"),
        lambda window: abdi_ranaldo(window, negative="null"),
        2,
    ),
    "abdi_ranaldo_squares": (
        lambda n: rb.abdi_ranaldo(n, average="squares"),
        lambda window: abdi_ranaldo(window, "squares"),
        2,
    ),
    "abdi_ranaldo_squares_null": (
        lambda n: rb.abdi_ranaldo(n, average="squares", negative="null"),
        lambda window: abdi_ranaldo(window, "squares", "null"),
        2,
    ),
    "amihud": (rb.amihud, amihud, 2),
    "kyle_regression": (rb.kyle_regression, kyle_regression, 2),
    "kyle_regression_intercept": (
        lambda n: rb.kyle_regression(n, intercept=True),
        lambda window: kyle_regression(window, intercept=True),
        3,
    ),
    "hasbrouck_lambda": (rb.hasbrouck_lambda, hasbrouck_lambda, 2),
    "hasbrouck_lambda_intercept": (
        lambda n: rb.hasbrouck_lambda(n, intercept=True),
        lambda window: hasbrouck_lambda(window, intercept=True),
        3,
    ),
}
"""Each measure as an expression, of one window by its formula, and the fewest bars of a window."""


@st.composite
def bars(draw: st.DrawFn, most: int = 16) -> pl.DataFrame:
    """Bars on a grid: ties, jumps, one-sided and empty ones, and now and then what is no number."""
    odd = st.sampled_from([None, math.nan, math.inf, -1.0])
    oddly = draw(st.integers(0, 3)) == 0
    rows: list[list[float | None]] = []
    for _ in range(draw(st.integers(0, most))):
        low, wide, up = draw(st.integers(90, 99)), draw(st.integers(0, 4)), draw(st.integers(0, 4))
        bought, sold = draw(st.integers(0, 4)) * 0.5, draw(st.integers(0, 4)) * 0.5
        close = low + min(up, wide)
        row: list[float | None] = [low + wide, low, close, bought + sold, (bought + sold) * close]
        row += [bought, sold, bought * close, sold * close]
        if oddly and draw(st.integers(0, 9)) == 0:
            row[draw(st.integers(0, len(row) - 1))] = draw(odd)
        rows.append(row)
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.Float64), orient="row", strict=False)


def by_hand(frame: pl.DataFrame, measure: Callable[[Window], float | None], n: int) -> list[float | None]:
    rows = frame.rows(named=True)
    return [None if end < n else measure(rows[end - n : end]) for end in range(1, len(rows) + 1)]


def _is_range(row: Row) -> bool:
    return is_price(row["high"]) and is_price(row["low"]) and row["low"] <= row["high"]


def _mean_of(values: Sequence[float], negative: str) -> float | None:
    if negative == "zero":
        values = [max(value, 0.0) for value in values]
    elif negative == "null":
        values = [value for value in values if value >= 0]
    return fmean(values) if values else None


def _covariance(x: Sequence[float], y: Sequence[float]) -> float:
    mean_x, mean_y = fmean(x), fmean(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / (len(x) - 1)


def _slope(x: Sequence[float], y: Sequence[float], *, intercept: bool) -> float | None:
    if len(set(x)) == 1 and (intercept or x[0] == 0):
        return None
    if intercept:
        mean_x, mean_y = fmean(x), fmean(y)
        x, y = [value - mean_x for value in x], [value - mean_y for value in y]
    return sum(a * b for a, b in zip(x, y, strict=True)) / sum(a * a for a in x)
