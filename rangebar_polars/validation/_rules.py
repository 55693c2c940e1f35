"""A rule that every bar must keep, and what the report says if one does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from rangebar_polars.validation._report import Check

__all__ = ["Rule", "any_number", "finite", "not_all"]


def no_bar(judged: int) -> int:
    """A rule that no bar may break."""
    del judged
    return 0


def not_all(judged: int) -> int:
    """A rule that at least one bar must keep."""
    return judged - 1


def any_number(judged: int) -> int:
    """A rule whose exceptions are only counted."""
    return judged


@dataclass(frozen=True)
class Rule:
    """What must hold for every bar."""

    check: str
    column: str | None
    broken: pl.Expr
    """True if it does not hold, null if there is nothing to judge."""
    holds: str
    remedy: str
    limit: Callable[[int], int] = no_bar
    """How many of the bars may break it."""

    def measures(self, number: int) -> Iterator[pl.Expr]:
        """How many bars break it, of how many, and the first of them: what a query over the bars must find."""
        yield self.broken.sum().cast(pl.Int64).alias(f"broken_{number}")
        yield self.broken.count().cast(pl.Int64).alias(f"judged_{number}")
        yield self.broken.index_of(element=True).alias(f"row_{number}")  # `arg_max` may give any of the true rows

    def verdict(self, number: int, measured: dict[str, Any]) -> Check:
        """What the query found, as a row of the report."""
        broken, judged, row = (measured[f"{name}_{number}"] for name in ("broken", "judged", "row"))
        if judged == 0:
            return Check(self.check, self.column, None, None, 0.0, f"{self.holds}: there is no bar to judge")
        limit = self.limit(judged)
        if broken:
            meaning = f"{self.holds}, but not in {broken:,} of {judged:,} bars, first in row {row:,}: {self.remedy}"
        else:
            meaning = f"{self.holds}, in all {judged:,} bars"
        return Check(self.check, self.column, broken <= limit, float(broken), float(limit), meaning)


def finite(name: str) -> pl.Expr:
    """The column as Float64; null if it is not finite, which another check handles."""
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)
