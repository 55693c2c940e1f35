"""The result of a check: one row of the report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

__all__ = ["Check", "report"]


class Check(NamedTuple):
    """One row of the report."""

    check: str
    column: str | None
    passed: bool | None
    value: float | None
    limit: float | None
    meaning: str


_SCHEMA = pl.Schema(
    {
        "check": pl.String(),
        "column": pl.String(),
        "passed": pl.Boolean(),
        "value": pl.Float64(),
        "limit": pl.Float64(),
        "meaning": pl.String(),
    }
)


def report(checks: Iterable[Check]) -> pl.DataFrame:
    """One row per check, in the given order."""
    return pl.DataFrame(list(checks), schema=_SCHEMA, orient="row")
