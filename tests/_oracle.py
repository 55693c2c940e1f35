"""Range bars of one group, slow and obvious, written from the definition of bars and features.

Standard library only. A bar is the list of its trades; every cell is computed from that list. Integers wherever
the definition says integers, exact rationals where it rounds, and one IEEE division wherever it says a ratio.
"""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Cell: TypeAlias = int | float | str | None
Number: TypeAlias = int | float | Decimal
TimeUnit: TypeAlias = Literal["ms", "us", "ns"]
Reset: TypeAlias = Literal["1d", "1w", "1mo", "1y"]
CloseReason: TypeAlias = Literal["threshold", "reset", "gap", "end", "time"]

DECIMALS = 8
"""Those of quantities, and of prices unless others are asked for."""
PRICE_PARTS, QUANTITY_PARTS = 10**6, 10**3
"""In how many parts rounding may change a price, or a quantity, by one."""
EPS = 2.220446049250313e-16
EPOCH = dt.date(1970, 1, 1)
MICROSECONDS = {
    "ns": Fraction(1, 1000),
    "us": Fraction(1),
    "ms": Fraction(10**3),
    "s": Fraction(10**6),
    "m": Fraction(60 * 10**6),
    "h": Fraction(3_600 * 10**6),
    "d": Fraction(86_400 * 10**6),
    "w": Fraction(7 * 86_400 * 10**6),
}
MONTHS = {"mo": 1, "q": 3, "y": 12}


class Trade(NamedTuple):
    """One input row: time in the input's unit, price in units of its last decimal, quantity in units of 1e-8."""

    time: int
    price: int
    quantity: int
    seller_is_aggressor: bool | None
    agg_id: int
    first_id: int
    last_id: int
    decimals: int = DECIMALS
    """Of the price."""

    @property
    def individual(self) -> int:
        return self.last_id - self.first_id + 1

    @property
    def turnover(self) -> int:
        return self.price * self.quantity


class Bar(NamedTuple):
    """The trades of a bar and the index of the row that ended it; for the forming bar the number of rows."""

    trades: list[Trade]
    close_reason: CloseReason
    ended_by: int


class Span(NamedTuple):
    """A length of time: calendar months, and microseconds on top of them."""

    months: int
    microseconds: Fraction


@lru_cache(maxsize=2**16, typed=True)  # drawn frames repeat their numbers; equal ones of other types round otherwise
def fixed(x: Number, decimals: int = DECIMALS) -> int:
    """Units of the last decimal, halves away from zero: of the IEEE product of a double below 2^53, else exact."""
    is_small = isinstance(x, float) and abs(x * float(10**decimals)) < 2**53
    exact = Fraction(x * float(10**decimals)) if is_small else Fraction(x) * 10**decimals
    rounded = math.floor(abs(exact) + Fraction(1, 2))
    return rounded if exact >= 0 else -rounded


def double(raw: int, units: int = 10**DECIMALS) -> float:
    """The nearest double: of two integers Python divides so."""
    return raw / units


def is_kept(x: Number, parts: int, decimals: int = DECIMALS) -> bool:
    """Whether rounding changes a number by no more than one part in so many; of a double as doubles say it."""
    if isinstance(x, float):
        return abs(double(fixed(x, decimals), 10**decimals) - x) <= 1 / parts * x
    return abs(Fraction(fixed(x, decimals), 10**decimals) - Fraction(x)) * parts <= Fraction(x)


def trades_of(
    time: Sequence[int],
    price: Sequence[Number],
    quantity: Sequence[Number],
    *,
    is_buyer_maker: Sequence[bool | None] | None = None,
    agg_trade_id: Sequence[int] | None = None,
    first_trade_id: Sequence[int] | None = None,
    last_trade_id: Sequence[int] | None = None,
    price_decimals: int = DECIMALS,
) -> list[Trade]:
    """Columns of one group as trades; absent ids are row numbers, absent individual ids the row's id."""
    agg = list(range(len(time))) if agg_trade_id is None else agg_trade_id
    return [
        Trade(
            time[i],
            fixed(price[i], price_decimals),
            fixed(quantity[i]),
            None if is_buyer_maker is None else is_buyer_maker[i],
            agg[i],
            (first_trade_id or agg)[i],
            (last_trade_id or agg)[i],
            price_decimals,
        )
        for i in range(len(time))
    ]


def limits(open_price: int, threshold_dbps: int) -> tuple[int, int]:
    """The lower and the upper price that close a bar opened at `open_price`."""
    delta = open_price * threshold_dbps // 100_000
    return open_price - delta, open_price + delta


def closes(bar: list[Trade], threshold_dbps: int, *, gate: bool) -> bool:
    """Whether the last trade of `bar` closes it."""
    if len(bar) < 2:
        return False
    lower, upper = limits(bar[0].price, threshold_dbps)
    outside = not lower < bar[-1].price < upper
    return outside and not (gate and bar[-1].time == bar[0].time)


def span(text: str | dt.timedelta) -> Span:
    """What a duration string such as "1mo12h" or a timedelta says."""
    if isinstance(text, dt.timedelta):
        return Span(0, Fraction(text // dt.timedelta.resolution))
    assert re.fullmatch(r"([0-9]+[a-z]+)+", text), text
    terms = [(int(count), unit) for count, unit in re.findall(r"([0-9]+)([a-z]+)", text)]
    assert all(unit in MONTHS or unit in MICROSECONDS for _, unit in terms), text
    return Span(
        sum(count * MONTHS.get(unit, 0) for count, unit in terms),
        sum((count * MICROSECONDS.get(unit, Fraction(0)) for count, unit in terms), Fraction(0)),
    )


def later(time_us: Fraction, by: Span) -> Fraction:
    """The time a span later in UTC; a day that its month does not have is the last of that month."""
    days, rest = divmod(time_us, MICROSECONDS["d"])
    date = EPOCH + dt.timedelta(days=days)
    year, month = divmod(12 * date.year + date.month - 1 + by.months, 12)
    _, length = calendar.monthrange(year, month + 1)
    moved = dt.date(year, month + 1, min(date.day, length)) - EPOCH
    return moved.days * MICROSECONDS["d"] + rest + by.microseconds


def period(time_us: Fraction, reset: Reset) -> tuple[int, ...]:
    """A name of the calendar period in UTC that holds the time."""
    date = EPOCH + dt.timedelta(days=math.floor(time_us / MICROSECONDS["d"]))
    if reset == "1d":
        return (date.toordinal(),)
    if reset == "1w":
        return (date.toordinal() // 7,)  # 7 January of the year 1 was a Sunday
    return (date.year, date.month) if reset == "1mo" else (date.year,)


def break_between(
    previous: Trade, now: Trade, time_unit: TimeUnit, reset: Reset | None, longest: Span | None
) -> Literal["reset", "gap"] | None:
    """Why a bar that holds a trade of a group cannot hold the next one."""
    if reset is None and longest is None:
        return None
    before, after = (trade.time * MICROSECONDS[time_unit] for trade in (previous, now))
    if reset is not None and period(before, reset) != period(after, reset):
        return "reset"
    return "gap" if longest is not None and after > later(before, longest) else None


def split(
    trades: Sequence[Trade],
    threshold_dbps: int,
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
    for row, trade in enumerate(trades):
        broken = break_between(forming[-1], trade, time_unit, reset, longest) if forming else None
        if broken is not None:
            bars.append(Bar(forming, broken, row))
            forming = []
        forming.append(trade)
        if closes(forming, threshold_dbps, gate=gate):
            bars.append(Bar(forming, "threshold", row))
            forming = []
    return [*bars, Bar(forming, "end", len(trades))] if forming else bars


def floors(
    trades: Sequence[Trade],
    *,
    reset: Reset | None = None,
    max_gap: str | dt.timedelta | None = None,
    time_unit: TimeUnit = "us",
) -> list[int]:
    """For each row the first one that no reset or gap parts from it."""
    longest = None if max_gap is None else span(max_gap)
    out = [0] * len(trades)
    for row in range(1, len(trades)):
        is_broken = break_between(trades[row - 1], trades[row], time_unit, reset, longest) is not None
        out[row] = row if is_broken else out[row - 1]
    return out


def ratio(numerator: float, denominator: float, *, otherwise: float) -> float:
    """One division, guarded: `otherwise` where the denominator is not above the machine epsilon."""
    return numerator / denominator if denominator > EPS else otherwise


def row(bar: Bar, time_unit: TimeUnit) -> dict[str, Cell]:
    """All cells of one bar, features included; times stay integers of the input's unit."""
    trades = bar.trades
    first, last = trades[0], trades[-1]
    volume_raw = sum(t.quantity for t in trades)
    turnover_raw = sum(t.turnover for t in trades)
    vwap_raw = turnover_raw // volume_raw if volume_raw else first.price
    count = sum(t.individual for t in trades)
    unit = 10**first.decimals
    o, c = double(first.price, unit), double(last.price, unit)
    h, l = double(max(t.price for t in trades), unit), double(min(t.price for t in trades), unit)
    vwap, volume = double(vwap_raw, unit), double(volume_raw)
    duration_us = math.floor((last.time - first.time) * MICROSECONDS[time_unit])
    cells: dict[str, Cell] = {
        "open_time": first.time,
        "close_time": last.time,
        "open": o,
        "high": h,
        "low": l,
        "close": c,
        "volume": volume,
        "turnover": double(turnover_raw, unit * 10**DECIMALS),
        "vwap": vwap,
        "individual_trade_count": count,
        "agg_record_count": len(trades),
        "first_trade_id": first.first_id,
        "last_trade_id": last.last_id,
        "first_agg_trade_id": first.agg_id,
        "last_agg_trade_id": last.agg_id,
        "close_reason": bar.close_reason,
        "duration_us": duration_us,
        "vwap_close_deviation": (c - vwap) / (h - l) if h > l else 0.0,
        "price_impact": ratio(abs(c - o), volume, otherwise=0.0),
        "trade_intensity": ratio(float(count), float(duration_us) / 1e6, otherwise=float(count)),
        "volume_per_trade": ratio(volume, float(count), otherwise=0.0),
        "aggregation_density": float(count) / float(len(trades)),
    }
    return cells | side_cells(trades, o, c)


def side_cells(trades: list[Trade], o: float, c: float) -> dict[str, Cell]:
    """The cells that need the aggressor; all null if it is not known of a trade."""
    names = (
        "buy_volume",
        "sell_volume",
        "buy_turnover",
        "sell_turnover",
        "buy_trade_count",
        "sell_trade_count",
    )
    ratios = ("ofi", "kyle_lambda_proxy", "aggression_ratio", "turnover_imbalance")
    if any(trade.seller_is_aggressor is None for trade in trades):
        return dict.fromkeys((*names, *ratios))
    buys = [t for t in trades if not t.seller_is_aggressor]
    sells = [t for t in trades if t.seller_is_aggressor]
    buy, sell = double(sum(t.quantity for t in buys)), double(sum(t.quantity for t in sells))
    buy_turnover, sell_turnover = sum(t.turnover for t in buys), sum(t.turnover for t in sells)
    buy_count, sell_count = sum(t.individual for t in buys), sum(t.individual for t in sells)
    ofi = ratio(buy - sell, buy + sell, otherwise=0.0)
    if sell_count > 0:
        aggression = min(float(buy_count) / float(sell_count), 100.0)
    else:
        aggression = 100.0 if buy_count > 0 else 1.0
    return {
        "buy_volume": buy,
        "sell_volume": sell,
        "buy_turnover": double(buy_turnover, 10 ** (trades[0].decimals + DECIMALS)),
        "sell_turnover": double(sell_turnover, 10 ** (trades[0].decimals + DECIMALS)),
        "buy_trade_count": buy_count,
        "sell_trade_count": sell_count,
        "ofi": ofi,
        "kyle_lambda_proxy": ((c - o) / o) / ofi if abs(ofi) > EPS else 0.0,
        "aggression_ratio": aggression,
        "turnover_imbalance": ratio(
            float(buy_turnover) - float(sell_turnover), float(buy_turnover + sell_turnover), otherwise=0.0
        ),
    }
