"""The request: which bars are asked for, as one checked value. Every route hands it on, in one form.

Here are types checked; what values may be, the compiled library says.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple, Self, TypedDict, Unpack

from rangebar_polars import _internal
from rangebar_polars._bars.amount_rules import Ticks, Time, Turnover, Volume
from rangebar_polars._bars.lookback import Lookback, as_lookback, check_lookback
from rangebar_polars._bars.rules import BarRule, Cusum, HighLow, Range
from rangebar_polars._bars.side_rules import Imbalance, Runs
from rangebar_polars._common.parameters import (
    USUAL_DECIMALS,
    check_feature_names,
    check_flag,
    check_footprint,
    check_limit,
    check_max_gap,
    check_max_step,
    check_missing_side,
    check_overlap,
    check_price_decimals,
    check_reset,
    check_time_unit,
)
from rangebar_polars._common.sessions import Reset, as_reset, reset_form
from rangebar_polars._typing import BarFeature, By, MissingSide, Overlap, TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = [
    "RULES",
    "BarColumn",
    "BarOptions",
    "BreakOptions",
    "FeatureOptions",
    "Request",
    "Threshold",
    "as_rule",
    "plain",
]

Threshold = int | BarRule
"""A rule that closes bars, as a user writes it: a plain integer is a range in decimal basis points."""

RULES: dict[str, type[BarRule]] = {
    "range": Range,
    "high_low": HighLow,
    "cusum": Cusum,
    "ticks": Ticks,
    "volume": Volume,
    "turnover": Turnover,
    "imbalance": Imbalance,
    "runs": Runs,
    "time": Time,
}
"""The rules by the names that requests and checkpoints give them."""


class BreakOptions(TypedDict, total=False):
    """The parameters that numbers of bars have too."""

    by: By
    reset: Reset | None
    max_gap: str | dt.timedelta | None
    max_step: str | dt.timedelta | None
    same_timestamp_gate: bool
    time_unit: TimeUnit | None
    price_decimals: int


class FeatureOptions(BreakOptions, total=False):
    """The parameters of bars, but for their columns."""

    intra: bool
    lookback: Lookback | None
    features: Sequence[BarFeature] | None
    include_incomplete: bool
    include_orphans: bool
    overlap: Overlap
    missing_side: MissingSide
    footprint: float | Decimal | None
    include_session: bool


class BarOptions(FeatureOptions, total=False):
    """Every parameter of a request but the rule, as :meth:`LazyFrameRangeBar.bars` documents them."""

    # Names of columns, and in an expression expressions.
    time: Any
    price: Any
    quantity: Any
    is_buyer_maker: Any
    agg_trade_id: Any
    first_trade_id: Any
    last_trade_id: Any
    max_groups: int | None
    max_bar_trades: int | None
    # Of one's own: they are no part of the request, which the library knows.
    aggs: Any
    feature_sets: Any


class BarColumn(NamedTuple):
    """A column of the bars."""

    name: str
    is_feature: bool
    reads: list[str]
    """The optional parts of the input that it reads."""


PARTS = {
    "time": "timestamp",
    "price": "price",
    "quantity": "quantity",
    "is_buyer_maker": "is_buyer_maker",
    "agg_trade_id": "agg_trade_id",
    "first_trade_id": "first_trade_id",
    "last_trade_id": "last_trade_id",
}
"""The parts that columns play, which are their default names, by the parameter that names the column."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request for bars, in the form in which the library takes it and a checkpoint stores it."""

    rules: dict[str, Any] | list[dict[str, Any]]
    same_timestamp_gate: bool
    reset: str | dict[str, Any] | None
    max_gap: str | None
    max_step: str | None
    time_unit: TimeUnit | None
    names: dict[str, Any]
    """Columns by the parts that they play: names, or expressions for an expression; None for a part that is ignored."""
    by: By
    features: list[str] | None
    intra: bool
    lookback: dict[str, Any] | None
    include_incomplete: bool
    include_orphans: bool
    overlap: Overlap
    max_groups: int | None
    missing_side: MissingSide = "error"
    price_decimals: int = USUAL_DECIMALS
    """The usual ones are not written into checkpoints."""
    footprint: float | None = None
    """The height of the levels of footprints; nothing is written into checkpoints where there are none."""
    include_session: bool = False
    """Not written into checkpoints unless it is true."""
    max_bar_trades: int | None = None
    """Not written into checkpoints unless there is a limit."""

    @classmethod
    def of(cls, threshold: Threshold | Sequence[Threshold], **options: Unpack[BarOptions]) -> Self:
        """What a user asks for, checked; the columns and the keys are checked once the input is known."""
        get: Any = options.get
        price_decimals = check_price_decimals(get("price_decimals", USUAL_DECIMALS))
        return cls(
            rules=_rules(threshold, price_decimals),
            same_timestamp_gate=check_flag("same_timestamp_gate", get("same_timestamp_gate", True)),
            reset=reset_form(check_reset(get("reset"))),
            max_gap=check_max_gap(get("max_gap")),
            max_step=check_max_step(get("max_step", "14610d")),
            time_unit=check_time_unit(get("time_unit")),
            names={part: options[parameter] for parameter, part in PARTS.items() if parameter in options},  # type: ignore[literal-required]
            by=get("by"),
            features=check_feature_names(get("features")),
            intra=check_flag("intra", get("intra", False)),
            lookback=check_lookback(get("lookback")),
            include_incomplete=check_flag("include_incomplete", get("include_incomplete", False)),
            include_orphans=check_flag("include_orphans", get("include_orphans", False)),
            overlap=check_overlap(get("overlap", "error")),
            max_groups=check_limit("max_groups", get("max_groups")),
            max_bar_trades=check_limit("max_bar_trades", get("max_bar_trades")),
            missing_side=check_missing_side(get("missing_side", "error")),
            price_decimals=price_decimals,
            footprint=check_footprint(get("footprint"), price_decimals),
            include_session=check_flag("include_session", get("include_session", False)),
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A request that the library or a checkpoint holds."""
        return cls(**json.loads(text))

    def to_dict(self) -> dict[str, Any]:
        """The one form on the way to the library."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"by": self.keys}

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict())

    @property
    def keys(self) -> list[str]:
        """The key columns, as a list."""
        return [self.by] if isinstance(self.by, str) else list(self.by or ())

    @property
    def columns(self) -> list[BarColumn]:
        """Every column of the bars, once the library has checked the values."""
        return self._facts[0]

    @property
    def rule_parts(self) -> list[str]:
        """The optional parts of the input that the rules look at."""
        return self._facts[1]

    @cached_property
    def _facts(self) -> tuple[list[BarColumn], list[str]]:
        columns, parts = _internal.request_facts(replace(self, names={}, by=None).to_json())
        return [BarColumn(*column) for column in columns], parts

    @property
    def parameters(self) -> dict[str, Any]:
        """What a user would write, by the names of the parameters."""
        told: dict[str, Any] = self.to_dict() | {"lookback": as_lookback(self.lookback), "reset": as_reset(self.reset)}
        rules, names = told.pop("rules"), told.pop("names")
        named = {parameter: names[part] for parameter, part in PARTS.items() if part in names}
        return {"threshold_dbps": _thresholds(rules)} | told | named


def _rules(value: Threshold | Sequence[Threshold], price_decimals: int) -> dict[str, Any] | list[dict[str, Any]]:
    """One rule, or a list of different ones."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return as_rule(value, price_decimals).form
    rules = [as_rule(rule, price_decimals) for rule in value]
    if not rules:
        raise RangeBarError("`threshold_dbps` must contain at least one threshold, got an empty list: name one")
    for position, rule in enumerate(rules):
        if rule in rules[:position]:
            msg = f"`threshold_dbps` must not contain {plain(rule)} twice: name each threshold once"
            raise RangeBarError(msg)
    return [rule.form for rule in rules]


def as_rule(threshold: object, price_decimals: int) -> BarRule:
    """A rule, or the one that a plain integer means; its numbers are rounded as they are taken."""
    if not isinstance(threshold, BarRule):
        return Range(_internal.check_threshold(threshold))
    if isinstance(threshold, Range):
        points = threshold.points
        return threshold if points is None else Range(points=_internal.check_points(points, price_decimals))
    return threshold.rounded(price_decimals)


def plain(rule: BarRule) -> Threshold:
    """The integer that means the same, if there is one."""
    return rule.dbps if isinstance(rule, Range) and rule.dbps is not None else rule


def _thresholds(rules: dict[str, Any] | list[dict[str, Any]]) -> Threshold | list[Threshold]:
    """Rules as a user would write them."""
    if isinstance(rules, list):
        return [plain(_of_form(rule)) for rule in rules]
    return plain(_of_form(rules))


def _of_form(form: dict[str, Any]) -> BarRule:
    return RULES[form["rule"]].of_form(form)
