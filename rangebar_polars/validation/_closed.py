"""The bars of one rule within a frame: which of them it closed, and which ended otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import polars as pl

from rangebar_polars._bars.request import Threshold, as_rule, plain
from rangebar_polars._bars.rules import BarRule
from rangebar_polars._bars.written_rules import rule_of_text
from rangebar_polars._typing import TimeUnit
from rangebar_polars.validation._rules import Rule

__all__ = ["OTHER_RULE", "Closed", "closed_bars"]

OTHER_RULE: Final = (
    "the bars are of another rule, or include orphans without a `close_reason`, or their columns were changed later"
)

_ORPHANS: Final = ("reset", "gap", "end")
_RULE: Final = "rule"


@dataclass(frozen=True)
class Closed:
    """The bars of one rule within a frame."""

    schema: pl.Schema
    form: Mapping[str, Any]
    """The rule as requests have it; a range without a distance if a column has that of each bar."""
    name: str | None
    """The rule as a user writes it; None if bars have thresholds."""
    is_of: pl.Expr | None
    """Which bars are of the rule, if not all are."""
    keys: Sequence[str]
    """The keys of groups in which bars of the rule follow each other."""
    price_decimals: int
    time_unit: TimeUnit | None

    def has(self, *names: str) -> bool:
        """Whether the bars have all of these columns."""
        return set(names) <= set(self.schema)

    @property
    def bar(self) -> str:
        """A bar that the rule has closed, as a sentence names it."""
        return "a closed bar" if self.name is None else f"a closed bar of {self.name}"

    @property
    def reason(self) -> pl.Expr:
        """Why a bar ended; where bars do not say it, the rule has closed all of them."""
        usual = "time" if self.form["rule"] == "time" else "threshold"
        return pl.col("close_reason").cast(pl.String) if self.has("close_reason") else pl.lit(usual)

    @property
    def is_past_the_gate(self) -> pl.Expr:
        """Whether the last trade of a bar is later than its open, so that no gate keeps it from closing the bar."""
        if not self.has("open_time", "close_time"):
            return pl.lit(value=False)
        return pl.col("open_time") < pl.col("close_time")

    def if_closed(self, check: str, column: str, broken: pl.Expr, holds: str, remedy: str = OTHER_RULE) -> Rule:
        """What must hold for the bars that the rule has closed."""
        return self.always(check, column, pl.when(self.reason == "threshold").then(broken), holds, remedy)

    def if_not_closed(self, column: str, broken: pl.Expr, holds: str) -> Iterator[Rule]:
        """What must hold for the bars that have ended otherwise, or are still forming, if bars say so."""
        if self.has("close_reason"):
            yield self.always("orphans", column, self.reason.is_in(_ORPHANS) & broken, holds, OTHER_RULE)

    def always(self, check: str, column: str, broken: pl.Expr, holds: str, remedy: str) -> Rule:
        """What must hold for all bars of the rule."""
        return Rule(check, column, broken if self.is_of is None else pl.when(self.is_of).then(broken), holds, remedy)


def closed_bars(
    bars: pl.DataFrame,
    threshold_dbps: Threshold | None,
    *,
    keys: Sequence[str],
    price_decimals: int,
    time_unit: TimeUnit | None,
) -> list[Closed]:
    """The bars of each rule in a frame: of the one that is given, or of those that a column names; none if neither."""
    of_frame = partial(Closed, schema=bars.schema, price_decimals=price_decimals, time_unit=time_unit)

    def made(rule: BarRule, is_of: pl.Expr | None, of_group: Sequence[str]) -> Closed:
        name = None if is_of is None and isinstance(plain(rule), int) else str(rule)
        return of_frame(form=as_rule(rule, price_decimals).form, name=name, is_of=is_of, keys=of_group)

    if threshold_dbps is not None:
        return [made(as_rule(threshold_dbps, price_decimals), None, keys)]
    if _RULE in bars.schema:
        text = pl.col(_RULE).cast(pl.String)
        texts = bars.select(text.drop_nulls().unique(maintain_order=True)).to_series()
        of_group = [*keys, *([_RULE] if _RULE not in keys else [])]
        return [made(rule_of_text(one), text == one, of_group) for one in texts]
    if "threshold_dbps" in bars.schema:
        return [of_frame(form={"rule": "range"}, name=None, is_of=None, keys=keys)]
    return []
