"""Checks that need nothing but the bars: what holds of every bar by its definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import polars as pl

from rangebar_polars.validation._bounds import IDS, PRICES, SIDES, TIMES, bounds
from rangebar_polars.validation._forward import within
from rangebar_polars.validation._report import Check

__all__ = ["UNFINISHED", "structure"]

UNFINISHED: Final = "end"
"""`close_reason` of a bar that still forms."""

_ROUNDING: Final = 1e-9
"""What sums of rounded doubles, and ratios, may differ by; far above their rounding, far below a trade."""

_REBUILD: Final = "no bar of this library is so, the columns were changed afterwards: build the bars again"


def _none(judged: int) -> int:
    del judged
    return 0


def _not_all(judged: int) -> int:
    return judged - 1


def _any(judged: int) -> int:
    return judged


@dataclass(frozen=True)
class _Rule:
    """What has to hold of every bar."""

    check: str
    column: str | None
    broken: pl.Expr
    """True where it does not hold, null where there is nothing to judge."""
    holds: str
    remedy: str
    limit: Callable[[int], int] = _none
    """How many bars may break it, of how many."""

    def measures(self, number: int) -> Iterator[pl.Expr]:
        yield self.broken.sum().cast(pl.Int64).alias(f"broken_{number}")
        yield self.broken.count().cast(pl.Int64).alias(f"judged_{number}")
        yield self.broken.fill_null(value=False).arg_max().alias(f"row_{number}")

    def verdict(self, number: int, measured: dict[str, Any]) -> Check:
        broken, judged, row = (measured[f"{name}_{number}"] for name in ("broken", "judged", "row"))
        if judged == 0:
            return Check(self.check, self.column, None, None, 0.0, f"{self.holds}: there is no bar to judge")
        limit = self.limit(judged)
        if broken:
            meaning = f"{self.holds}, but not in {broken:,} of {judged:,} bars, first in row {row:,}: {self.remedy}"
        else:
            meaning = f"{self.holds}, in all {judged:,} bars"
        return Check(self.check, self.column, broken <= limit, float(broken), float(limit), meaning)


def structure(
    bars: pl.DataFrame,
    *,
    keys: Sequence[str],
    other_keys: Sequence[str],
    features: Sequence[str],
    threshold_dbps: int | None,
    min_bars: int,
) -> list[Check]:
    """All structural checks; only columns that are there are judged."""
    rules = [
        *_nulls(bars.schema, features),
        *_infinities(bars.schema, features),
        *_bounds(bars.schema, features),
        *_prices(bars.schema),
        *_sums(bars.schema),
        *_times(bars.schema, keys),
        *_ids(bars.schema, keys),
        *_ends(bars.schema, keys, threshold_dbps),
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
        *([] if "threshold_dbps" in bars.columns or threshold_dbps is not None else [_unknown_threshold()]),
        *(_varies(name, measured[f"feature_{name}"], measured[f"count_{name}"]) for name in features),
    ]


def _enough(bars: int, fewest: int) -> Check:
    remedy = "" if bars >= fewest else ": take more trades or a smaller threshold"
    meaning = f"there are {bars:,} bars, statistics need {fewest:,}{remedy}"
    return Check("bars", None, bars >= fewest, float(bars), float(fewest), meaning)


def _one_group(name: str, groups: int) -> Check:
    meaning = f"all bars have the same `{name}`"
    if groups > 1:
        meaning = f"`{name}` has {groups:,} values and is not in `by`: name it there, or drop it if it is no key"
    return Check("group_keys", name, groups <= 1, float(groups), 1.0, meaning)


def _varies(name: str, distinct: int, count: int) -> Check:
    meaning = f"`{name}` has {distinct:,} values in {count:,} bars"
    if count < 2:  # noqa: PLR2004  (one value cannot vary)
        return Check("constant", name, None, None, 2.0, f"{meaning}: too few to tell whether it varies")
    remedy = "" if distinct > 1 else ": it says nothing, drop it"
    return Check("constant", name, distinct > 1, float(distinct), 2.0, meaning + remedy)


def _unknown_threshold() -> Check:
    meaning = "the last trade of a closed bar touched the threshold: not judged, give `threshold_dbps`"
    return Check("threshold", "close", None, None, 0.0, meaning)


def _nulls(schema: pl.Schema, features: Sequence[str]) -> Iterator[_Rule]:
    required = (*TIMES, *PRICES, "volume", "turnover", "vwap", "individual_trade_count", "agg_record_count", *IDS)
    for name in (*required, "close_reason", "threshold_dbps"):
        if name in schema:
            yield _Rule("nulls", name, pl.col(name).is_null(), f"`{name}` has a value", _REBUILD)
    sides = [name for name in SIDES if name in schema]
    for name in sides:
        remedy = "trades without `is_buyer_maker` have none"
        yield _Rule("nulls", name, pl.col(name).is_null(), f"`{name}` has a value", remedy, _any)
    if len(sides) > 1:
        some, every = (
            fold(pl.col(name).is_null() for name in sides) for fold in (pl.any_horizontal, pl.all_horizontal)
        )
        holds = "a bar has all columns of the sides or none"
        yield _Rule("nulls", ", ".join(sides), some & ~every, holds, _REBUILD)
    for name in features:
        remedy = (
            "windows too short and trades without sides have none: drop or fill these bars, "
            "and drop a column that has no value at all"
        )
        yield _Rule("nulls", name, pl.col(name).is_null(), f"`{name}` has a value", remedy, _not_all)


def _infinities(schema: pl.Schema, features: Sequence[str]) -> Iterator[_Rule]:
    for name in dict.fromkeys((*PRICES, "volume", "turnover", "vwap", *SIDES, *features)):
        if name in schema and schema[name].is_float():
            remedy = "infinite or NaN, which no feature of this library is: divide by what is not 0, or set it null"
            yield _Rule("infinities", name, ~pl.col(name).is_finite(), f"`{name}` is finite", remedy)


def _bounds(schema: pl.Schema, features: Sequence[str]) -> Iterator[_Rule]:
    for name in (*PRICES, "vwap"):
        if name in schema:
            yield _Rule("bounds", name, _finite(name) <= 0, f"`{name}` > 0", _REBUILD)
    others = ("volume", "turnover", "individual_trade_count", "agg_record_count", *SIDES, "threshold_dbps")
    for name in dict.fromkeys((*others, *features)):
        limits = bounds(name)
        if name in schema and limits is not None:
            low, high = limits
            value = _finite(name)
            text = f"`{name}` >= {low:g}" if high == inf else f"{low:g} <= `{name}` <= {high:g}"
            yield _Rule("bounds", name, (value < low - _ROUNDING) | (value > high + _ROUNDING), text, _REBUILD)


def _prices(schema: pl.Schema) -> Iterator[_Rule]:
    low, high = pl.col("low"), pl.col("high")
    yield _Rule("ohlc_order", "high", low > high, "low <= high", _REBUILD)
    for name in ("open", "close", "vwap"):
        if name in schema:
            broken = (pl.col(name) < low) | (pl.col(name) > high)
            yield _Rule("ohlc_order", name, broken, f"low <= {name} <= high", _REBUILD)


def _sums(schema: pl.Schema) -> Iterator[_Rule]:
    parts = {
        "volume": ("buy_volume", "sell_volume"),
        "turnover": ("buy_turnover", "sell_turnover"),
        "individual_trade_count": ("buy_trade_count", "sell_trade_count"),
    }
    for name, (buy, sell) in parts.items():
        if {name, buy, sell} <= set(schema):
            whole = _finite(name)
            broken = (_finite(buy) + _finite(sell) - whole).abs() > _ROUNDING * whole.abs()
            yield _Rule("sides", name, broken, f"{name} = {buy} + {sell}", _REBUILD)


def _times(schema: pl.Schema, keys: Sequence[str]) -> Iterator[_Rule]:
    close = pl.col("close_time")
    unsorted = "sort the bars by time within each group, and name the keys of the groups in `by`"
    before = within(close.shift(1), keys)
    yield _Rule("time_order", "close_time", close < before, "close_time does not go back within a group", unsorted)
    if "open_time" not in schema:
        return
    opened = pl.col("open_time")
    remedy = f"{unsorted}; bars of several thresholds overlap too"
    yield _Rule("time_order", "open_time", opened < before, "a bar opens when the last one has closed", remedy)
    yield _Rule("time_in_bar", "close_time", opened > close, "open_time <= close_time", _REBUILD)
    for name in ("high_time", "low_time"):
        if name in schema:
            broken = (pl.col(name) < opened) | (pl.col(name) > close)
            yield _Rule("time_in_bar", name, broken, f"open_time <= {name} <= close_time", _REBUILD)


def _ids(schema: pl.Schema, keys: Sequence[str]) -> Iterator[_Rule]:
    if not {"first_agg_trade_id", "last_agg_trade_id"} <= set(schema):
        return
    first, last = pl.col("first_agg_trade_id"), pl.col("last_agg_trade_id")
    before = within(last.shift(1), keys)
    yield _Rule("id_order", "last_agg_trade_id", last < first, "first_agg_trade_id <= last_agg_trade_id", _REBUILD)
    remedy = (
        "bars stand there twice, belong to several groups (name the keys in `by`), or come from inputs without ids, "
        "each counted from 0"
    )
    holds = "the ids of a bar are behind those of the last one"
    yield _Rule("id_order", "first_agg_trade_id", first <= before, holds, remedy)
    remedy = (
        "trades are missing, or orphans were left out (`include_orphans=True` keeps them), "
        "and a forward return spans the hole"
    )
    holds = "first_agg_trade_id = last_agg_trade_id of the last bar + 1"
    yield _Rule("id_continuity", "first_agg_trade_id", first > before + 1, holds, remedy)
    if "agg_record_count" in schema:
        broken = pl.col("agg_record_count").cast(pl.Int64) < last - first + 1
        remedy = "ids are missing within bars: rb.gaps(trades) finds them"
        yield _Rule("id_continuity", "agg_record_count", broken, "a bar has a row for each id", remedy)


def _ends(schema: pl.Schema, keys: Sequence[str], threshold_dbps: int | None) -> Iterator[_Rule]:
    reason = pl.col("close_reason").cast(pl.String)
    if "close_reason" in schema:
        remedy = "these bars still form and their features will change: drop them (statistics here do without them)"
        yield _Rule("unfinished", "close_reason", reason == UNFINISHED, "the bar has ended", remedy)
        closed = reason == "threshold"
    else:
        closed = pl.lit(value=True)
    if "threshold_dbps" in schema or threshold_dbps is not None:
        threshold = pl.col("threshold_dbps") if "threshold_dbps" in schema else pl.lit(threshold_dbps)
        short = pl.when(closed).then(_falls_short(threshold))
        holds = "the last trade of a closed bar touched the threshold"
        remedy = "the bars are of another threshold, or orphans among them without their `close_reason`"
        yield _Rule("threshold", "close", short, holds, remedy)
    told_apart = [name for name in (*keys, *TIMES, *PRICES, "volume", *IDS) if name in schema]
    broken = ~pl.struct(told_apart).is_first_distinct()
    yield _Rule("duplicates", None, broken, "each bar stands there once", "drop the second ones")


def _falls_short(threshold_dbps: pl.Expr) -> pl.Expr:
    """
    Whether the close is nearer to the open than the threshold.

    In whole units of 1e-8, as the bar was built. A double holds such units exactly up to 2**53; above, the last few
    units are lost, and as many are forgiven.
    """
    opened, closed = (
        (_finite(name) * 1e8).round(mode="half_away_from_zero").cast(pl.Int128, strict=False)
        for name in ("open", "close")
    )
    distance = opened * threshold_dbps.cast(pl.Int128) // 100_000
    return (closed - opened).abs() < distance - opened // 2**52


def _finite(name: str) -> pl.Expr:
    """The column as Float64; null where it is not a number, which is another check's business."""
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)
