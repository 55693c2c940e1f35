"""Microstructure features of windows of trades, slow and obvious.

The 16 statistics, the horizon block, the times of the extremes and the windows before a bar, from the definition over
raw integers: exact rationals where it sums, the doubles of the definition where a comparison of them decides.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, TypeAlias

import rangebar_polars as rb
from tests._oracle import (
    EPS,
    MICROSECONDS,
    Bar,
    Cell,
    Span,
    TimeUnit,
    Trade,
    double,
    later,
    ratio,
    span,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


Lookback: TypeAlias = int | str | dt.timedelta | rb.Bars
Cells: TypeAlias = dict[str, Cell]

STATISTICS = (
    *("trade_count", "ofi", "duration_us", "intensity", "vwap", "vwap_position", "count_imbalance", "kyle_lambda"),
    *("burstiness", "volume_skew", "volume_kurt", "price_range", "garman_klass_vol", "kaufman_er", "hurst"),
    "permutation_entropy",
)
"""What is null of an empty window."""
SAID_BY_THE_BAR = ("vwap", "price_range")
"""What a bar says of its own trades in other columns."""


# ------------------------------------------------------------------------------------- the windows


def earlier(time_us: Fraction, by: Span) -> Fraction:
    """The time a span earlier in UTC."""
    return later(time_us, Span(-by.months, -by.microseconds))


def starts_of(bars: Sequence[Bar]) -> list[int]:
    """The first row of each bar, and the row after the last one."""
    return [0, *accumulate(len(bar.trades) for bar in bars)]


def lookback_window(
    trades: Sequence[Trade],
    bars: Sequence[Bar],
    number: int,
    lookback: Lookback,
    unit: TimeUnit,
    *,
    floor: Sequence[int],
    starts: Sequence[int] | None = None,
) -> Sequence[Trade]:
    """
    The trades before a bar that its lookback sees: strictly older, and none from before a reset or a gap.

    Whoever asks for many bars gives what `starts_of` makes of them.
    """
    starts = starts_of(bars) if starts is None else starts
    begin, end = floor[starts[number]], starts[number]
    opened = bars[number].trades[0].time
    end = bisect_left(trades, opened, begin, end, key=lambda trade: trade.time)
    if isinstance(lookback, int):
        begin = max(begin, end - lookback)
    elif isinstance(lookback, rb.Bars):
        begin = min(max(starts[max(number - lookback.n, 0)], begin), end)
    else:
        oldest = math.ceil(earlier(opened * MICROSECONDS[unit], span(lookback)) / MICROSECONDS[unit])
        begin = bisect_left(trades, oldest, begin, end, key=lambda trade: trade.time)
    return trades[begin:end]


# ------------------------------------------------------------------------------------ 16 statistics


def statistics(trades: Sequence[Trade], unit: TimeUnit) -> Cells:
    """The sixteen statistics of a window; all null where it is empty."""
    cells: Cells = dict.fromkeys(STATISTICS)
    if not trades:
        return cells
    price, n = [trade.price for trade in trades], len(trades)
    first, last, high, low = price[0], price[-1], max(price), min(price)
    unit_of_price = 10 ** trades[0].decimals
    o, c, h, l = (double(raw, unit_of_price) for raw in (first, last, high, low))
    duration_us = math.floor((trades[-1].time - trades[0].time) * MICROSECONDS[unit])
    cells["trade_count"] = n
    cells["duration_us"] = duration_us
    cells["intensity"] = ratio(float(n), float(duration_us) / 1e6, otherwise=float(n))
    volume = sum(trade.quantity for trade in trades)
    if volume:
        vwap = double(sum(trade.turnover for trade in trades) // volume, unit_of_price)
        cells["vwap"] = vwap
        cells["vwap_position"] = (vwap - l) / (h - l) if h > l else 0.5
    if all(trade.seller_is_aggressor is not None for trade in trades):
        sells = [trade for trade in trades if trade.seller_is_aggressor]
        sell = double(sum(trade.quantity for trade in sells))
        buy = double(sum(trade.quantity for trade in trades if not trade.seller_is_aggressor))
        ofi = ratio(buy - sell, buy + sell, otherwise=0.0)
        cells["ofi"] = ofi
        cells["count_imbalance"] = float(n - 2 * len(sells)) / float(n)
        if n >= 2 and abs(ofi) > EPS:
            cells["kyle_lambda"] = ((c - o) / o) / ofi
    cells["burstiness"] = burstiness([trade.time for trade in trades])
    cells["volume_skew"], cells["volume_kurt"] = skew_and_kurt([trade.quantity for trade in trades])
    cells["price_range"] = (h - l) / o
    variance = 0.5 * log_ratio(high, low) ** 2 - (2 * math.log(2) - 1) * log_ratio(last, first) ** 2
    cells["garman_klass_vol"] = math.sqrt(max(variance, 0.0))
    path = sum(abs(b - a) for a, b in pairwise(price))
    cells["kaufman_er"] = float(Fraction(abs(last - first), path)) if path else None
    cells["hurst"] = hurst(price) if n >= 64 else None
    cells["permutation_entropy"] = permutation_entropy(price) if n >= 60 else None
    return cells


def log_ratio(a: int, b: int) -> float:
    """ln(a / b), right to the last bits also where the two are close: a quotient of integers is rounded but once."""
    return math.log1p((a - b) / b) if a >= b else -math.log1p((b - a) / a)


def burstiness(time: Sequence[int]) -> float | None:
    gaps = [b - a for a, b in pairwise(time)]
    if len(gaps) < 2 or not any(gaps):
        return None
    mean, variance, _, _ = moments(gaps)
    deviation = math.sqrt(variance)
    return (deviation - float(mean)) / (deviation + float(mean))


def skew_and_kurt(quantity: Sequence[int]) -> tuple[float | None, float | None]:
    n = len(quantity)
    if n < 3 or min(quantity) == max(quantity):
        return None, None
    _, m2, m3, m4 = moments(quantity)
    return float(m3) / float(m2) ** 1.5, float(m4 / m2**2 - 3) if n >= 4 else None


def moments(values: Sequence[int]) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """The mean and the second to the fourth central moment, of the population."""
    n, total = len(values), sum(values)
    second, third, fourth = (sum((n * x - total) ** e for x in values) for e in (2, 3, 4))
    return Fraction(total, n), Fraction(second, n**3), Fraction(third, n**4), Fraction(fourth, n**5)


def permutation_entropy(price: Sequence[int]) -> float:
    """Order 3, delay 1; of equal prices the earlier one is the smaller."""
    patterns = [tuple(sorted(range(3), key=lambda j: (price[i + j], j))) for i in range(len(price) - 2)]
    shares = [patterns.count(pattern) / len(patterns) for pattern in set(patterns)]
    return -math.fsum(share * math.log(share) for share in shares) / math.log(6) + 0.0


def hurst(price: Sequence[int]) -> float | None:
    """DFA-1 of log returns.

    Their profile is the log price but for a straight line, and detrending takes straight lines out: so the first
    profile value stands at the second price.
    """
    profile = price[1:]
    points: list[tuple[float, float]] = []
    scale = 8
    while scale <= len(profile) // 4:
        segments = [profile[k * scale : (k + 1) * scale] for k in range(len(profile) // scale)]
        fluctuation = math.sqrt(math.fsum(residual_variance(segment) for segment in segments) / len(segments))
        if fluctuation > 0:
            points.append((math.log(scale), math.log(fluctuation)))
        scale = -(-3 * scale // 2)
    return slope(points) if len(points) >= 2 else None


def residual_variance(segment: Sequence[int]) -> float:
    """Of log prices about their straight line; 0 where they lie on one."""
    if all(a * c == b * b for a, b, c in zip(segment, segment[1:], segment[2:], strict=False)):
        return 0.0
    y = [log_ratio(price, segment[0]) for price in segment]
    mean, middle = math.fsum(y) / len(y), (len(y) - 1) / 2
    rise = slope([(i - middle, value) for i, value in enumerate(y)])
    return math.fsum((value - mean - rise * (i - middle)) ** 2 for i, value in enumerate(y)) / len(y)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line of least squares."""
    x0, y0 = (math.fsum(values) / len(points) for values in zip(*points, strict=True))
    return math.fsum((x - x0) * (y - y0) for x, y in points) / math.fsum((x - x0) ** 2 for x, _ in points)


# ------------------------------------------------------------------------------ the bar's own path


def horizon(trades: Sequence[Trade]) -> Cells:
    """The eight columns of the investment time horizon; epochs hang on comparisons of the definition's doubles."""
    price = [double(trade.price, 10**trade.decimals) for trade in trades]
    drawdown = max(1.0 - x / top for x, top in zip(price, accumulate(price, max), strict=True))
    runup = max(1.0 - bottom / x for x, bottom in zip(price, accumulate(price, min), strict=True))
    cells: Cells = {"max_drawdown": drawdown, "max_runup": runup}
    for name, epochs, gain in (
        ("bull", *bull(price, max(drawdown, EPS))),
        ("bear", *bear(price, max(runup, EPS))),
    ):
        distances = [b - a for a, b in pairwise([0, *epochs])]
        cv = 0.0
        if distances:
            mean, variance, _, _ = moments(distances)
            cv = math.sqrt(variance) / float(mean)
        cells[f"{name}_epoch_density"] = logistic(10.0 * (len(epochs) / len(price) - 0.5))
        cells[f"{name}_excess_gain"] = math.tanh(5.0 * abs(gain))
        cells[f"{name}_cv"] = logistic(4.0 * (cv - 0.5))
    return cells


def logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def bull(price: Sequence[float], hurdle: float) -> tuple[list[int], float]:
    """Rows of the epochs, and the total gain."""
    mark = best = worst = price[0]
    gain = loss = total = 0.0
    epochs = []
    for row, (previous, now) in enumerate(pairwise(price), start=1):
        if now > best:
            gain, best = now / mark - 1.0, now
        if now < worst:
            loss, worst = 1.0 - now / mark, now
        total += gain
        if gain > loss and gain > hurdle:
            epochs.append(row)
        if gain > abs(loss) and gain > hurdle and best >= mark:
            mark, worst, gain, loss = best, previous, 0.0, 0.0
    return epochs, total


def bear(price: Sequence[float], hurdle: float) -> tuple[list[int], float]:
    """The mirror image: the ratios turned over."""
    mark = best = worst = price[0]
    gain = loss = total = 0.0
    epochs = []
    for row, (previous, now) in enumerate(pairwise(price), start=1):
        if now < best:
            gain, best = mark / now - 1.0, now
        if now > worst:
            loss, worst = 1.0 - mark / now, now
        total += gain
        if gain > loss and gain > hurdle:
            epochs.append(row)
        if gain > abs(loss) and gain > hurdle and best <= mark:
            mark, worst, gain, loss = best, previous, 0.0, 0.0
    return epochs, total


def path_times(trades: Sequence[Trade]) -> Cells:
    """Times of the first trade at the high and at the low."""
    high, low = max(trade.price for trade in trades), min(trade.price for trade in trades)
    return {
        "high_time": next(trade.time for trade in trades if trade.price == high),
        "low_time": next(trade.time for trade in trades if trade.price == low),
    }


def intra_cells(trades: Sequence[Trade], unit: TimeUnit) -> Cells:
    cells = (statistics(trades, unit) | horizon(trades)).items()
    return {f"intra_{name}": cell for name, cell in cells if name not in SAID_BY_THE_BAR} | path_times(trades)


def lookback_cells(trades: Sequence[Trade], unit: TimeUnit) -> Cells:
    return {f"lookback_{name}": cell for name, cell in statistics(trades, unit).items()}
