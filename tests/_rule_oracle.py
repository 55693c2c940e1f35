"""Rules that close bars, slow and obvious, written from their definitions; and rules drawn for frames of trades.

Integers wherever the definition says integers; the filter of `Cusum` adds up logarithms of forty digits.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import DECIMALS, EPOCH, MICROSECONDS, Bar, Trade, break_between, fixed, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rangebar_polars._bars.rules import BarRule
    from tests._oracle import Reset, TimeUnit
    from tests.strategies import Trades

Kind: TypeAlias = Literal["range", "high_low", "cusum", "ticks", "volume", "turnover", "imbalance", "runs", "time"]

OF_PRICE = ("range", "high_low", "cusum")
"""The rules whose opening trade cannot close."""
DIGITS = Context(prec=40)
LENGTHS = ("1ms", "1s", "20m", "1h", "1d", "3d", "1w", "2w", "1mo", "5mo", "1q", "1y")


@dataclass(frozen=True)
class Defined:
    """A rule by its definition."""

    kind: Kind
    dbps: int | None = None
    points: float | None = None
    n: float | None = None
    """The threshold, or the rows of a block."""
    of: str | None = None
    span: int | None = None
    """Of the average over blocks, if the threshold adapts."""
    every: str | None = None

    @property
    def rule(self) -> BarRule:
        """The same as a user writes it."""
        rules: dict[str, Any] = {
            "range": rb.Range,
            "high_low": rb.HighLow,
            "cusum": rb.Cusum,
            "ticks": rb.Ticks,
            "volume": rb.Volume,
            "turnover": rb.Turnover,
            "imbalance": rb.Imbalance,
            "runs": rb.Runs,
            "time": rb.Time,
        }
        make = rules[self.kind]
        if self.points is not None:
            return make(points=self.points)
        keywords = {"of": self.of} if self.of is not None else {}
        if self.span is not None:
            return make(target=self.n, span=self.span, **keywords)
        return make(next(x for x in (self.dbps, self.n, self.every) if x is not None), **keywords)


def rule_bars(
    trades: Sequence[Trade],
    rule: Defined,
    *,
    gate: bool = True,
    reset: Reset | None = None,
    max_gap: str | dt.timedelta | None = None,
    time_unit: TimeUnit = "us",
) -> list[Bar]:
    """Every trade in exactly one bar; the last bar is the forming one if its reason is "end"."""
    longest = None if max_gap is None else span(max_gap)
    bars: list[Bar] = []
    forming: list[Trade] = []
    block: list[Trade] = []
    expected: float | None = None
    threshold: float | None = None
    for row, trade in enumerate(trades):
        before = trades[row - 1] if row else None
        broken = break_between(before, trade, time_unit, reset, longest) if before is not None else None
        if broken is not None:
            block, expected = [], None
        if forming:
            late = rule.every is not None and window(trade, rule.every, time_unit) != window(
                forming[0], rule.every, time_unit
            )
            reason = broken or ("time" if late else None)
            if reason is not None:
                bars.append(Bar(forming, reason, row))
                forming = []
        if not forming:
            threshold = expected
        forming.append(trade)
        block.append(trade)
        if rule.span is not None and len(block) == rule.n:
            z = measured(block, rule)
            expected = z if expected is None else expected + 2.0 / (rule.span + 1.0) * (z - expected)
            block = []
        is_held = rule.kind in OF_PRICE and (len(forming) == 1 or (gate and trade.time == forming[0].time))
        if not is_held and (closes(forming, rule) if rule.span is None else adapts(forming, rule, threshold)):
            bars.append(Bar(forming, "threshold", row))
            forming = []
    return [*bars, Bar(forming, "end", len(trades))] if forming else bars


def amount(trade: Trade, of: str | None) -> int:
    """What a trade counts for, in raw units."""
    return {None: 1, "rows": 1, "volume": trade.quantity, "turnover": trade.turnover}[of]


def by_side(trades: list[Trade], of: str | None) -> tuple[int, int]:
    """What was bought and what was sold."""
    sold = sum(amount(trade, of) for trade in trades if trade.seller_is_aggressor)
    return sum(amount(trade, of) for trade in trades) - sold, sold


def measured(trades: list[Trade], rule: Defined) -> float:
    """The imbalance, or the larger side, as a double of the exact sums."""
    buys, sells = by_side(trades, rule.of)
    raw = abs(buys - sells) if rule.kind == "imbalance" else max(buys, sells)
    return float(raw) / {None: 1.0, "rows": 1.0, "volume": 1e8, "turnover": 10.0 ** (8 + trades[0].decimals)}[rule.of]


def adapts(bar: list[Trade], rule: Defined, threshold: float | None) -> bool:
    """Whether the last trade closes a bar whose threshold follows the market."""
    assert rule.n is not None
    return measured(bar, rule) >= threshold if threshold else len(bar) >= rule.n


def closes(bar: list[Trade], rule: Defined) -> bool:  # noqa: PLR0911  (a rule, a return)
    """Whether the last trade of a bar closes it, but for the gate."""
    prices = [trade.price for trade in bar]
    if rule.kind == "cusum":
        assert rule.dbps is not None
        return is_far(tuple(prices), Decimal(rule.dbps) / 100_000)
    if rule.kind in ("range", "high_low"):
        if rule.points is not None:
            width = fixed(rule.points, bar[0].decimals)
        else:
            assert rule.dbps is not None
            width = bar[0].price * rule.dbps // 100_000
        moved = abs(prices[-1] - prices[0]) if rule.kind == "range" else max(prices) - min(prices)
        return moved >= width
    if rule.kind == "time":
        return False
    assert rule.n is not None
    if rule.kind == "ticks":
        return (len(bar) if rule.of in (None, "rows") else sum(trade.individual for trade in bar)) >= rule.n
    if rule.kind == "imbalance":
        buys, sells = by_side(bar, rule.of)
        units = {None: 1, "rows": 1, "volume": 1, "turnover": 10 ** bar[0].decimals}[rule.of]
        return abs(buys - sells) >= (rule.n if rule.of in (None, "rows") else fixed(rule.n) * units)
    if rule.kind == "volume":
        return sum(trade.quantity for trade in bar) >= fixed(rule.n)
    return sum(trade.turnover for trade in bar) >= fixed(rule.n) * 10 ** bar[0].decimals


@lru_cache(maxsize=2**16)
def is_far(prices: tuple[int, ...], h: Decimal) -> bool:
    """Whether the sums of the symmetric CUSUM filter reach h, upwards or downwards."""
    up, down = sums(prices)
    return up >= h or down <= -h


@lru_cache(maxsize=2**16)
def sums(prices: tuple[int, ...]) -> tuple[Decimal, Decimal]:
    """The sums of the filter behind the last of some prices."""
    if len(prices) == 1:
        return Decimal(0), Decimal(0)
    up, down = sums(prices[:-1])
    step = DIGITS.subtract(DIGITS.ln(Decimal(prices[-1])), DIGITS.ln(Decimal(prices[-2])))
    return max(Decimal(0), DIGITS.add(up, step)), min(Decimal(0), DIGITS.add(down, step))


def window(trade: Trade, every: str, time_unit: TimeUnit) -> int:
    """The number of the window of time that holds a trade."""
    time_us, length = trade.time * MICROSECONDS[time_unit], span(every)
    if length.months:
        date = EPOCH + dt.timedelta(days=math.floor(time_us / MICROSECONDS["d"]))
        return (12 * (date.year - 1970) + date.month - 1) // length.months
    origin = 4 * MICROSECONDS["d"] if every.endswith("w") else Fraction(0)  # the first Monday of 1970
    return math.floor((time_us - origin) / length.microseconds)


@st.composite
def rules(draw: st.DrawFn, case: Trades, kinds: Sequence[Kind]) -> Defined:  # noqa: PLR0911  (as above)
    """A rule of the order of the trades of a frame: most of the time it closes bars, of which some are of one trade."""
    kind = draw(st.sampled_from(kinds))
    rows, part = max(case.frame.height, 1), draw(st.sampled_from((1, 2, 3, 5, 9)))
    decimals = case.options.get("price_decimals", DECIMALS)
    price = [fixed(x, decimals) for x in case.frame["price"]]
    quantity = [fixed(x) for x in case.frame["quantity"]]
    if kind in OF_PRICE and (kind == "cusum" or draw(st.booleans())):
        return Defined(kind, dbps=case.threshold_dbps)
    if kind in OF_PRICE:
        steps = sorted({abs(b - a) for a, b in pairwise(price)} - {0})
        return Defined(kind, points=max((steps[:1] or [1])[0] * part / 10**decimals, 1 / 10**decimals))
    if kind == "ticks":
        of = draw(st.sampled_from((None, "rows", "trades")))
        return Defined(kind, n=draw(st.sampled_from((1, part, max(rows // part, 1)))), of=of)
    of = draw(st.sampled_from((None, "rows", "volume", "turnover")))
    if kind == "runs" or (kind == "imbalance" and draw(st.booleans())):
        return Defined(kind, n=draw(st.integers(1, 9)), span=draw(st.integers(1, 6)), of=of)
    if kind == "imbalance" and of in (None, "rows"):
        return Defined(kind, n=part, of=of)
    total = sum(quantity)
    if kind == "turnover" or of == "turnover":
        total = sum(p * q for p, q in zip(price, quantity, strict=True)) / 10.0**decimals
    threshold = max(total / 1e8 / (part * part), 1e-8)
    if kind == "imbalance":
        return Defined(kind, n=threshold, of=of)
    if kind == "volume":
        return Defined(kind, n=max(sum(quantity) // (part * part), 1) / 1e8)
    if kind == "turnover":
        return Defined(kind, n=threshold)
    return Defined(kind, every=draw(st.sampled_from(LENGTHS)))
