"""Microstructure features of windows of trades, slow and obvious, and what tests of them share.

The 16 statistics, the horizon block, the times of the extremes and the windows before a bar, from the definition over
raw integers: exact rationals where it sums, the doubles of the definition where a comparison of them decides.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl
from hypothesis import strategies as st

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
    split,
    trades_of,
)
from tests._routes import FEATURES, OPTIONAL, Thresholds, assert_same_bars, bar_schema, group_rows, oracle_bars
from tests._streams import Run, runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Lookback: TypeAlias = int | str | dt.timedelta | rb.Bars
Cells: TypeAlias = dict[str, Cell]

STATISTICS: dict[str, pl.DataType] = {
    "trade_count": pl.UInt64(),
    "ofi": pl.Float64(),
    "duration_us": pl.Int64(),
    **dict.fromkeys(("intensity", "vwap", "vwap_position", "count_imbalance", "kyle_lambda"), pl.Float64()),
    **dict.fromkeys(("burstiness", "volume_skew", "volume_kurt", "price_range"), pl.Float64()),
    **dict.fromkeys(("garman_klass_vol", "kaufman_er", "hurst", "permutation_entropy"), pl.Float64()),
}
HORIZON = (
    *("bull_epoch_density", "bear_epoch_density", "bull_excess_gain", "bear_excess_gain"),
    *("bull_cv", "bear_cv", "max_drawdown", "max_runup"),
)
PATH_TIMES = ("high_time", "low_time")
INTRA: dict[str, pl.DataType] = {
    **{f"intra_{name}": dtype for name, dtype in STATISTICS.items() if name not in ("vwap", "price_range")},
    **{f"intra_{name}": pl.Float64() for name in HORIZON},
}
LOOKBACK: dict[str, pl.DataType] = {f"lookback_{name}": dtype for name, dtype in STATISTICS.items()}
SIDE_STATISTICS = ("ofi", "count_imbalance", "kyle_lambda")


def feature_schema(time: pl.DataType, *, intra: bool = False, lookback: bool = False) -> dict[str, pl.DataType]:
    """Names and dtypes of all features of the families asked for, in order."""
    blocks = INTRA | dict.fromkeys(PATH_TIMES, time) if intra else {}
    return FEATURES | blocks | (LOOKBACK if lookback else {})


def window_schema(
    time: pl.DataType,
    *,
    intra: bool = False,
    lookback: bool = False,
    features: Sequence[str] | None = None,
    several: bool = False,
) -> dict[str, pl.DataType]:
    """Names and dtypes of bars without group keys, in order; None: all features of the families asked for."""
    chosen = feature_schema(time, intra=intra, lookback=lookback)
    if features is not None:
        every = feature_schema(time, intra=True, lookback=True)
        chosen = {name: every[name] for name in features}
    return bar_schema(time, [], several=several) | chosen


# ------------------------------------------------------------------------------------- the windows


def earlier(time_us: Fraction, by: Span) -> Fraction:
    """The time a span earlier in UTC."""
    return later(time_us, Span(-by.months, -by.microseconds))


def lookback_window(
    trades: Sequence[Trade], bars: Sequence[Bar], number: int, lookback: Lookback, unit: TimeUnit
) -> Sequence[Trade]:
    """The trades before a bar that its lookback sees: strictly older, and none from before a reset or a gap."""
    starts = [0, *accumulate(len(bar.trades) for bar in bars)]
    first = number
    while first > 0 and bars[first - 1].close_reason == "threshold":
        first -= 1
    begin, end = starts[first], starts[number]
    opened = bars[number].trades[0].time
    end = bisect_left(trades, opened, begin, end, key=lambda trade: trade.time)
    if isinstance(lookback, int):
        begin = max(begin, end - lookback)
    elif isinstance(lookback, rb.Bars):
        begin = min(starts[max(number - lookback.n, first)], end)
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
    o, c, h, l = double(first), double(last), double(high), double(low)
    duration_us = math.floor((trades[-1].time - trades[0].time) * MICROSECONDS[unit])
    cells["trade_count"] = n
    cells["duration_us"] = duration_us
    cells["intensity"] = ratio(float(n), float(duration_us) / 1e6, otherwise=float(n))
    volume = sum(trade.quantity for trade in trades)
    if volume:
        vwap = double(sum(trade.turnover for trade in trades) // volume)
        cells["vwap"] = vwap
        cells["vwap_position"] = (vwap - l) / (h - l) if h > l else 0.5
    if trades[0].seller_is_aggressor is not None:
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
    price = [double(trade.price) for trade in trades]
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
    return {name: cells[name] for name in HORIZON}


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
    cells = {f"intra_{name}": cell for name, cell in (statistics(trades, unit) | horizon(trades)).items()}
    return {name: cells[name] for name in INTRA} | path_times(trades)


def lookback_cells(trades: Sequence[Trade], unit: TimeUnit) -> Cells:
    return {f"lookback_{name}": cell for name, cell in statistics(trades, unit).items()}


# ------------------------------------------------------------------------------- frames of bars


def oracle_windows(
    frame: pl.DataFrame,
    thresholds: Thresholds,
    *,
    by: Sequence[str] = (),
    intra: bool = False,
    lookback: Lookback | None = None,
    **options: Any,
) -> pl.DataFrame:
    """The bars of the slow oracle with the columns of their windows."""
    bars = oracle_bars(frame, thresholds, by=by, **options)
    time = frame.schema["timestamp"]
    unit: TimeUnit = time.time_unit if isinstance(time, pl.Datetime) else options["time_unit"]
    wanted = {"threshold"}
    wanted |= {"reset", "gap"} if options.get("include_orphans") else set()
    wanted |= {"end"} if options.get("include_incomplete") else set()
    rules: dict[str, Any] = {name: options[name] for name in ("reset", "max_gap") if name in options}
    rules["gate"] = options.get("same_timestamp_gate", True)
    several = not isinstance(thresholds, int)
    cells: dict[tuple[Any, ...], Iterator[Cells]] = {}
    for rows in group_rows(frame, by):
        group = frame[rows]
        optional = {name: group[name].to_list() for name in OPTIONAL if name in frame.columns}
        numbers = (group["timestamp"].to_physical(), group["price"], group["quantity"])
        trades = trades_of(*(column.to_list() for column in numbers), **optional)
        key = group.select(by).row(0) if by else ()
        for threshold in [thresholds] if isinstance(thresholds, int) else thresholds:
            of_group = split(trades, threshold, time_unit=unit, **rules)
            windows = [
                (intra_cells(bar.trades, unit) if intra else {})
                | (lookback_cells(lookback_window(trades, of_group, i, lookback, unit), unit) if lookback else {})
                for i, bar in enumerate(of_group)
                if bar.close_reason in wanted
            ]
            cells[*key, *([threshold] if several else [])] = iter(windows)
    names = [*by, *(["threshold_dbps"] if several else [])]
    keys = bars.select(names).rows() if names else [()] * bars.height
    placed = [next(cells[key]) for key in keys]
    added = feature_schema(time, intra=intra, lookback=lookback is not None)
    columns = [
        pl.Series(name, [row[name] for row in placed], pl.Int64 if name in PATH_TIMES else dtype).cast(dtype)
        for name, dtype in added.items()
        if name not in FEATURES
    ]
    return bars.with_columns(columns)


ABSOLUTE = {
    **dict.fromkeys(("burstiness", "volume_skew", "volume_kurt", "permutation_entropy"), 1e-12),
    "hurst": 1e-6,  # of prices in equal steps only the curve of the logarithm is left, which may be next to nothing
    **dict.fromkeys(("bull_excess_gain", "bear_excess_gain"), 1e-12),
    **dict.fromkeys(("max_drawdown", "max_runup", "garman_klass_vol"), 1e-15),
}
"""What is left of a statistic that cancels to nothing: rounding of terms of about one, summed over the rows."""


def assert_close_windows(got: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Same bars bit for bit; windows to 1e-9 relative, null where null, whole numbers and times exact."""
    assert list(got.schema.items()) == list(expected.schema.items())
    rough = [name for name in (*INTRA, *LOOKBACK) if name in got.columns and got.schema[name] == pl.Float64]
    assert_same_bars(got.drop(rough), expected.drop(rough))
    for name in rough:
        allowed = ABSOLUTE.get(name.removeprefix("intra_").removeprefix("lookback_"), 0.0)
        for row, (a, b) in enumerate(zip(got[name], expected[name], strict=True)):
            assert (a is None) == (b is None), (name, row, a, b)
            assert a is None or math.isclose(a, b, rel_tol=1e-9, abs_tol=allowed), (name, row, a, b)


# --------------------------------------------------------------------------------------- strategies

LOOKBACKS: tuple[Lookback, ...] = (
    *(1, 2, 3, 5, 64, 200),
    *("1ns", "1ms", "1500us", "2s", "20m", "1d12h", "1w", "1mo", "1mo1d", "1y"),
    *(dt.timedelta(microseconds=2), dt.timedelta(hours=11)),
    *(rb.Bars(1), rb.Bars(2), rb.Bars(7)),
)
KINDS: tuple[Lookback, ...] = (3, "3s", rb.Bars(2))
"""One lookback of each kind."""


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """What to ask for: `intra`, `lookback` or both."""
    lookback = draw(st.sampled_from((None, *LOOKBACKS, *LOOKBACKS)))
    return {"intra": lookback is None or draw(st.booleans()), "lookback": lookback}


@st.composite
def window_runs(draw: st.DrawFn, **shape: Any) -> Run:
    """Trades and the parameters of their bars, windows among them; parameters as for `trades`."""
    run = draw(runs(**shape))
    return replace(run, options=run.options | draw(windows()))


def walk(rows: int, *, wait_us: int = 1_000_000, tick: float = 0.01, price: float = 100.0) -> pl.DataFrame:
    """Trades of a walk that wanders by up to two ticks, the same for all time; ids, sides, uneven sizes and waits."""
    steps = [(7 * i * i + 3 * i) % 11 % 5 - 2 + (i % 29 == 0) - (i % 31 == 0) for i in range(rows)]
    path = list(accumulate(steps, initial=0))[1:]
    lowest = min(path, default=0)
    time = pl.Series([i * wait_us + (i % 4) * wait_us // 8 for i in range(rows)], dtype=pl.Int64)
    return pl.DataFrame(
        {
            "timestamp": time.cast(pl.Datetime("us")),
            "price": [price + (x - lowest) * tick for x in path],
            "quantity": [0.5 + 0.25 * (i * i % 7) for i in range(rows)],
            "is_buyer_maker": [i * 3 % 7 < 3 for i in range(rows)],
            "agg_trade_id": range(rows),
        }
    )
