"""The columns of footprints, slow and obvious, written from their definition; and ticks drawn for frames of trades.

Dictionaries of integers: a level is `price // tick`. The value area is grown over every level, those without trades
among them.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import strategies as st

from tests._oracle import DECIMALS, Cell, fixed, trades_of
from tests._routes import EVERY_BAR, OPTIONAL, Thresholds, eager, group_rows
from tests.strategies import trades, trades_missing_sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests._oracle import Trade
    from tests._streams import Run
    from tests.strategies import Trades

LEVELS = pl.List(pl.Struct(dict.fromkeys(("price", "buy_volume", "sell_volume"), pl.Float64())))
SCHEMA: dict[str, pl.DataType] = {
    "footprint": LEVELS,
    **dict.fromkeys(("poc", "value_area_low", "value_area_high", "delta", "min_delta", "max_delta"), pl.Float64()),
    **dict.fromkeys(("imbalances_up", "imbalances_down", "stacked_up", "stacked_down"), pl.UInt32()),
}
"""The columns that `footprint` adds, in their order."""
WITHOUT_SIDE = ("poc", "value_area_low", "value_area_high")
"""Those of them that need no side."""


def double(raw: int, decimals: int) -> float:
    """The double nearest to a raw value."""
    return float(Fraction(raw, 10**decimals))


def longest_run(levels: Sequence[int]) -> int:
    """The longest run of levels that follow each other."""
    longest = run = 0
    for number, level in enumerate(levels):
        run = run + 1 if number and levels[number - 1] == level - 1 else 1
        longest = max(longest, run)
    return longest


def value_area(volume: dict[int, int], poc: int) -> tuple[int, int]:
    """The range around the point of control that holds seventy percent."""
    low = high = poc
    held = volume[poc]
    while 10 * held < 7 * sum(volume.values()):
        upwards = high < max(volume)
        if upwards and low > min(volume):
            upwards = volume.get(high + 1, 0) >= volume.get(low - 1, 0)
        if upwards:
            high += 1
            held += volume.get(high, 0)
        else:
            low -= 1
            held += volume.get(low, 0)
    return low, high


def cells(bar: Sequence[Trade], tick: int) -> dict[str, Any]:
    """What the trades of a bar say."""
    decimals = bar[0].decimals
    bought: dict[int, int] = {}
    sold: dict[int, int] = {}
    delta, deltas = 0, []
    for trade in bar:
        level = trade.price // tick
        for side in (bought, sold):
            side.setdefault(level, 0)
        if trade.seller_is_aggressor:
            sold[level] += trade.quantity
            delta -= trade.quantity
        else:
            bought[level] += trade.quantity
            delta += trade.quantity
        deltas.append(delta)
    volume = {level: bought[level] + sold[level] for level in sorted(bought)}
    poc = next(level for level in volume if volume[level] == max(volume.values()))
    low, high = value_area(volume, poc)
    out: dict[str, Any] = {
        name: double(level * tick, decimals) for name, level in zip(WITHOUT_SIDE, (poc, low, high), strict=True)
    }
    if any(trade.seller_is_aggressor is None for trade in bar):
        return dict.fromkeys(SCHEMA) | out
    up = [level for level in volume if sold.get(level - 1, 0) > 0 and bought[level] >= 3 * sold[level - 1]]
    down = [level for level in volume if bought.get(level + 1, 0) > 0 and sold[level] >= 3 * bought[level + 1]]
    return out | {
        "footprint": [
            {
                "price": double(level * tick, decimals),
                "buy_volume": double(bought[level], DECIMALS),
                "sell_volume": double(sold[level], DECIMALS),
            }
            for level in volume
        ],
        "delta": double(delta, DECIMALS),
        "min_delta": double(min(deltas), DECIMALS),
        "max_delta": double(max(deltas), DECIMALS),
        "imbalances_up": len(up),
        "imbalances_down": len(down),
        "stacked_up": longest_run(up),
        "stacked_down": longest_run(down),
    }


def with_footprints(
    frame: pl.DataFrame,
    threshold_dbps: Thresholds,
    tick: float,
    *,
    by: Sequence[str] = (),
    include_incomplete: bool = False,
    include_orphans: bool = False,
    **options: Any,
) -> pl.DataFrame:
    """The bars without footprints, and what the oracle says of theirs."""
    plain = eager(frame, threshold_dbps, by=by, **options, **EVERY_BAR)
    decimals = options.get("price_decimals", DECIMALS)
    raw = fixed(float(tick), decimals)
    groups: dict[tuple[Any, ...], list[Trade]] = {}
    for rows in group_rows(frame, by):
        group = frame[rows]
        optional = {name: group[name].to_list() for name in OPTIONAL if name in group.columns}
        columns = (group[name].to_list() for name in ("price", "quantity"))
        key = group.select(by).row(0) if by and rows else ()
        groups[key] = trades_of([0] * len(rows), *columns, **optional, price_decimals=decimals)
    label = next((name for name in ("threshold_dbps", "rule") if name in plain.columns), None)
    behind: dict[tuple[Any, ...], int] = {}
    found: list[dict[str, Cell]] = []
    for bar in plain.iter_rows(named=True):
        key = tuple(bar[name] for name in by)
        track = (*key, bar[label] if label else None)
        start = behind.get(track, 0)
        behind[track] = start + bar["agg_record_count"]
        found.append(cells(groups[key][start : behind[track]], raw))
    footprints = [pl.Series(name, [bar[name] for bar in found], dtype) for name, dtype in SCHEMA.items()]
    bars = pl.DataFrame([*plain.get_columns(), *footprints])
    left_out = [*([] if include_incomplete else ["end"]), *([] if include_orphans else ["reset", "gap"])]
    return bars.filter(~pl.col("close_reason").cast(pl.String).is_in(left_out))


@st.composite
def ticks(draw: st.DrawFn, frame: pl.DataFrame, decimals: int = DECIMALS) -> float:
    """A tick: one that cuts the prices of a frame into some levels, or none of them."""
    raw = [fixed(price, decimals) for price in frame["price"]]
    width = max(raw, default=1) - min(raw, default=1)
    parts = draw(st.sampled_from((1, 2, 4, 5, 7, 17, 300)))
    tick = max(width // parts, 1)
    if draw(st.booleans()):
        tick = max(tick + draw(st.integers(-3, 3)), 1)
    return min(tick, 9 * 10**15) / 10**decimals


def sided(case: Trades) -> Trades:
    """The trades with a side for each."""
    if "is_buyer_maker" in case.frame.columns:
        return case
    side = (pl.int_range(pl.len()) * 5 % 7 < 3).alias("is_buyer_maker")
    return replace(case, frame=case.frame.with_columns(side))


@st.composite
def footprints(draw: st.DrawFn, cases: st.SearchStrategy[Trades] | None = None) -> tuple[Trades, float]:
    """Trades that have sides, and a tick."""
    case = sided(draw(trades() if cases is None else cases))
    return case, draw(ticks(case.frame, case.options.get("price_decimals", DECIMALS)))


@st.composite
def footprints_missing_sides(draw: st.DrawFn) -> tuple[Trades, float]:
    """Trades of which some have no side, and a tick."""
    case = draw(trades_missing_sides())
    return case, draw(ticks(case.frame))


@st.composite
def footprint_runs(draw: st.DrawFn, cases: st.SearchStrategy[Run]) -> Run:
    """Trades that have sides and the parameters of a stream, a tick among them."""
    run = draw(cases)
    if "is_buyer_maker" not in run.frame.columns:
        side = (pl.int_range(pl.len()) * 5 % 7 < 3).alias("is_buyer_maker")
        run = replace(run, frame=run.frame.with_columns(side))
    return replace(run, options=run.options | {"footprint": draw(ticks(run.frame))})
