"""Checks that need only the bars: what holds for every bar by its definition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Final

import polars as pl

from rangebar_polars._bars.request import Threshold
from rangebar_polars._typing import TimeUnit
from rangebar_polars.validation._bounds import IDS, PRICES, SIDES, TIMES, bounds
from rangebar_polars.validation._closed import Closed, closed_bars
from rangebar_polars.validation._closing import closing, not_judged
from rangebar_polars.validation._forward import within
from rangebar_polars.validation._plausible import calendar, unknown_clock
from rangebar_polars.validation._report import Check
from rangebar_polars.validation._rules import Rule, any_number, finite, not_all

__all__ = ["UNFINISHED", "structure"]

UNFINISHED: Final = "end"
"""`close_reason` of a bar that is still forming."""

_ROUNDING: Final = 1e-9
"""Allowed difference of sums of rounded doubles, and of ratios: far above their rounding, far below a trade."""

_REBUILD: Final = "this library never produces such a bar, so the columns were changed later: rebuild the bars"


def structure(
    bars: pl.DataFrame,
    *,
    keys: Sequence[str],
    other_keys: Sequence[str],
    features: Sequence[str],
    threshold_dbps: Threshold | None,
    time_unit: TimeUnit | None,
    price_decimals: int,
    min_bars: int,
) -> list[Check]:
    """All structural checks; only columns that exist are judged."""
    of_rules = closed_bars(bars, threshold_dbps, keys=keys, price_decimals=price_decimals, time_unit=time_unit)
    rules = [
        *_nulls(bars.schema, features),
        *_infinities(bars.schema, features),
        *_bounds(bars.schema, features),
        *_prices(bars.schema),
        *_sums(bars.schema),
        *_times(bars.schema, keys),
        *calendar(bars, time_unit),
        *_ids(bars.schema, keys),
        *_ends(bars.schema, keys, of_rules),
    ]
    measures = [measure for number, rule in enumerate(rules) for measure in rule.measures(number)]
    distinct = [pl.col(name).n_unique().alias(f"key_{name}") for name in other_keys]
    distinct += [pl.col(name).drop_nulls().n_unique().alias(f"feature_{name}") for name in features]
    distinct += [pl.col(name).count().alias(f"count_{name}") for name in features]
    measured = bars.lazy().select(*measures, *distinct).collect().row(0, named=True)
    return [
        _enough(bars.height, min_bars),
        *(_one_group(name, measured[f"key_{name}"]) for name in other_keys),
        *(rule.verdict(number, measured) for number, rule in enumerate(rules)),
        *unknown_clock(bars.schema, time_unit),
        *not_judged(of_rules),
        *(_varies(name, measured[f"feature_{name}"], measured[f"count_{name}"]) for name in features),
    ]


def _enough(bars: int, fewest: int) -> Check:
    remedy = "" if bars >= fewest else ": take more trades or a smaller threshold"
    meaning = f"there are {bars:,} bars, and statistics need {fewest:,}{remedy}"
    return Check("bars", None, bars >= fewest, float(bars), float(fewest), meaning)


def _one_group(name: str, groups: int) -> Check:
    meaning = f"all bars have the same `{name}`"
    if groups > 1:
        meaning = f"`{name}` has {groups:,} values and is not in `by`: name it there, or drop it if it is not a key"
    return Check("group_keys", name, groups <= 1, float(groups), 1.0, meaning)


def _varies(name: str, distinct: int, count: int) -> Check:
    meaning = f"`{name}` has {distinct:,} values in {count:,} bars"
    if count < 2:  # noqa: PLR2004  (one value cannot vary)
        return Check("constant", name, None, None, 2.0, f"{meaning}: too few to tell whether it varies")
    remedy = "" if distinct > 1 else ": it carries no information, so drop it"
    return Check("constant", name, distinct > 1, float(distinct), 2.0, meaning + remedy)


def _nulls(schema: pl.Schema, features: Sequence[str]) -> Iterator[Rule]:
    required = (*TIMES, *PRICES, "volume", "turnover", "vwap", "individual_trade_count", "agg_record_count", *IDS)
    for name in (*required, "close_reason", "threshold_dbps", "rule"):
        if name in schema:
            yield Rule("nulls", name, pl.col(name).is_null(), f"`{name}` has a value", _REBUILD)
    sides = [name for name in SIDES if name in schema]
    for name in sides:
        remedy = "it has none where a trade of the bar has no side"
        yield Rule("nulls", name, pl.col(name).is_null(), f"`{name}` has a value", remedy, any_number)
    if len(sides) > 1:
        some, every = (
            fold(pl.col(name).is_null() for name in sides) for fold in (pl.any_horizontal, pl.all_horizontal)
        )
        holds = "a bar has either all columns of the sides or none"
        yield Rule("nulls", ", ".join(sides), some & ~every, holds, _REBUILD)
    for name in features:
        remedy = (
            "it has none for windows too short and trades without sides: drop or fill these bars, "
            "and drop a column that has no value at all"
        )
        yield Rule("nulls", name, pl.col(name).is_null(), f"`{name}` has a value", remedy, not_all)


def _infinities(schema: pl.Schema, features: Sequence[str]) -> Iterator[Rule]:
    for name in dict.fromkeys((*PRICES, "volume", "turnover", "vwap", *SIDES, *features)):
        if name in schema and schema[name].is_float():
            remedy = "infinite or NaN, which no feature of this library is: do not divide by 0, or set it to null"
            yield Rule("infinities", name, ~pl.col(name).is_finite(), f"`{name}` is finite", remedy)


def _bounds(schema: pl.Schema, features: Sequence[str]) -> Iterator[Rule]:
    for name in (*PRICES, "vwap"):
        if name in schema:
            yield Rule("bounds", name, finite(name) <= 0, f"`{name}` > 0", _REBUILD)
    others = ("volume", "turnover", "individual_trade_count", "agg_record_count", *SIDES, "threshold_dbps")
    for name in dict.fromkeys((*others, *features)):
        limits = bounds(name)
        if name in schema and limits is not None:
            low, high = limits
            value = finite(name)
            text = f"`{name}` >= {low:g}" if high == inf else f"{low:g} <= `{name}` <= {high:g}"
            yield Rule("bounds", name, (value < low - _ROUNDING) | (value > high + _ROUNDING), text, _REBUILD)


def _prices(schema: pl.Schema) -> Iterator[Rule]:
    low, high = pl.col("low"), pl.col("high")
    yield Rule("ohlc_order", "high", low > high, "low <= high", _REBUILD)
    for name in ("open", "close", "vwap"):
        if name in schema:
            broken = (pl.col(name) < low) | (pl.col(name) > high)
            yield Rule("ohlc_order", name, broken, f"low <= {name} <= high", _REBUILD)


def _sums(schema: pl.Schema) -> Iterator[Rule]:
    parts = {
        "volume": ("buy_volume", "sell_volume"),
        "turnover": ("buy_turnover", "sell_turnover"),
        "individual_trade_count": ("buy_trade_count", "sell_trade_count"),
    }
    for name, (buy, sell) in parts.items():
        if {name, buy, sell} <= set(schema):
            whole = finite(name)
            broken = (finite(buy) + finite(sell) - whole).abs() > _ROUNDING * whole.abs()
            yield Rule("sides", name, broken, f"{name} = {buy} + {sell}", _REBUILD)


def _times(schema: pl.Schema, keys: Sequence[str]) -> Iterator[Rule]:
    close = pl.col("close_time")
    unsorted = "sort the bars by time within each group, and name the keys of the groups in `by`"
    before = within(close.shift(1), keys)
    yield Rule("time_order", "close_time", close < before, "close_time does not go back within a group", unsorted)
    if "open_time" not in schema:
        return
    opened = pl.col("open_time")
    remedy = f"{unsorted}; bars of several thresholds or rules overlap as well"
    yield Rule("time_order", "open_time", opened < before, "a bar opens after the last one has closed", remedy)
    yield Rule("time_in_bar", "close_time", opened > close, "open_time <= close_time", _REBUILD)
    for name in ("high_time", "low_time"):
        if name in schema:
            broken = (pl.col(name) < opened) | (pl.col(name) > close)
            yield Rule("time_in_bar", name, broken, f"open_time <= {name} <= close_time", _REBUILD)


def _ids(schema: pl.Schema, keys: Sequence[str]) -> Iterator[Rule]:
    remedy = (
        "bars occur twice, belong to several groups (name the keys in `by`), or come from inputs without ids, "
        "each numbered from 0"
    )
    for of in ("agg_trade_id", "trade_id"):
        opening, closing = f"first_{of}", f"last_{of}"
        if {opening, closing} <= set(schema):
            first, last = _id(opening), _id(closing)
            yield Rule("id_order", closing, last < first, f"{opening} <= {closing}", _REBUILD)
            holds = f"the ids of a bar follow those of the last one: {opening} > {closing} of the last bar"
            yield Rule("id_order", opening, first <= within(last.shift(1), keys), holds, remedy)
    if not {"first_agg_trade_id", "last_agg_trade_id"} <= set(schema):
        return
    first, last = _id("first_agg_trade_id"), _id("last_agg_trade_id")
    remedy = (
        "trades are missing, or orphans were left out (`include_orphans=True` keeps them), "
        "and a forward return spans the gap"
    )
    holds = "first_agg_trade_id = last_agg_trade_id of the last bar + 1"
    yield Rule("id_continuity", "first_agg_trade_id", first > within(last.shift(1), keys) + 1, holds, remedy)
    if "agg_record_count" in schema:
        broken = _id("agg_record_count") < last - first + 1
        remedy = "ids are missing within bars: rb.gaps(trades) finds them"
        yield Rule("id_continuity", "agg_record_count", broken, "a bar has a row for each id", remedy)


def _id(name: str) -> pl.Expr:
    """An id, or a number of rows, in a dtype in which any two can be subtracted."""
    return pl.col(name).cast(pl.Int128)


def _ends(schema: pl.Schema, keys: Sequence[str], rules: Sequence[Closed]) -> Iterator[Rule]:
    if "close_reason" in schema:
        remedy = "these bars are still forming, and their features will change: drop them (statistics here ignore them)"
        forms = pl.col("close_reason").cast(pl.String) == UNFINISHED
        yield Rule("unfinished", "close_reason", forms, "the bar has ended", remedy)
    for closed in rules:
        yield from closing(closed)
    told_apart = [name for name in (*keys, *TIMES, *PRICES, "volume", *IDS) if name in schema]
    broken = ~pl.struct(told_apart).is_first_distinct()
    yield Rule("duplicates", None, broken, "each bar occurs once", "drop the duplicates")
