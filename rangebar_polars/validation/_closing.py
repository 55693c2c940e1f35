"""Checks that need the rule that closed bars: whether each bar is what its rule says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rangebar_polars.validation._closed import OTHER_RULE, Closed
from rangebar_polars.validation._of_amounts import follows_the_market, of_amounts, of_market
from rangebar_polars.validation._of_prices import TOUCHED, of_prices
from rangebar_polars.validation._of_windows import has_clock, of_windows, without_clock
from rangebar_polars.validation._plausible import NEAR
from rangebar_polars.validation._report import Check
from rangebar_polars.validation._rules import Rule

__all__ = ["closing", "not_judged"]


def closing(closed: Closed) -> Iterator[Rule]:
    """What must hold for the bars of a rule."""
    kind = closed.form["rule"]
    if closed.has("close_reason"):
        usual, other = ("time", "threshold") if kind == "time" else ("threshold", "time")
        holds = f"{closed.bar} has the reason {usual!r}"
        yield closed.always("reasons", "close_reason", closed.reason == other, holds, OTHER_RULE)
    if kind in ("range", "high_low", "cusum"):
        yield from of_prices(closed)
    elif kind != "time":
        yield from of_amounts(closed)
    elif has_clock(closed):
        yield from of_windows(closed)


def not_judged(rules: Sequence[Closed]) -> Iterator[Check]:
    """What the report says of bars of an unknown rule, and of rules that bars do not tell enough of."""
    if not rules:
        for check, holds in {"threshold": TOUCHED, "overshoot": NEAR}.items():
            yield Check(check, "close", None, None, 0.0, f"{holds}: not judged, give `threshold_dbps`")
    for closed in rules:
        if closed.form["rule"] == "time" and not has_clock(closed):
            yield without_clock(closed)
        elif follows_the_market(closed):
            yield of_market(closed)
