"""Trades of a day that are there, and others that come: each once, or an error that shows both."""

from __future__ import annotations

from typing import Literal, TypeAlias

import polars as pl

from rangebar_polars._common.messages import listed, shown
from rangebar_polars._lake.layout import TradesUnit
from rangebar_polars._lake.schema import ID, trades_schema
from rangebar_polars.exceptions import LakeConflictError

__all__ = ["OnConflict", "merged"]

OnConflict: TypeAlias = Literal["error", "replace"]

_TIME = "timestamp"


def merged(
    unit: TradesUnit, there: pl.DataFrame, given: pl.DataFrame, on_conflict: OnConflict
) -> tuple[pl.DataFrame, bool]:
    """The trades of both, each once, and whether some were replaced."""
    if ID in there.columns and ID in given.columns:
        return _by_id(unit, there, given, on_conflict)
    return _by_time(unit, there, given, on_conflict)


def _by_id(
    unit: TradesUnit, there: pl.DataFrame, given: pl.DataFrame, on_conflict: OnConflict
) -> tuple[pl.DataFrame, bool]:
    """With ids, a trade is the same if its id is."""
    names = [name for name in trades_schema("us") if name in there.columns or name in given.columns]
    # Columns that only one of the files has agree with anything, and so does a side that is null.
    compared = [name for name in names if name in there.columns and name in given.columns]
    both = there.join(given, on=ID, how="inner", suffix=" given")
    differs = pl.any_horizontal(pl.col(n) != pl.col(f"{n} given") for n in compared if n != ID)
    clash = both.filter(differs)
    if clash.height and on_conflict == "error":
        first = clash.row(0, named=True)
        old, new = ({ID: first[ID]} | {n: first[f"{n}{end}"] for n in compared if n != ID} for end in ("", " given"))
        msg = (
            f"{shown(unit.symbol)} on {shown(unit.venue)}: {clash.height:,} trades of {unit.date} are there with "
            f'another content; the first is {shown(old)}, and now {shown(new)}: pass on_conflict="replace" if the '
            "new ones are right"
        )
        raise LakeConflictError(msg)
    whole = pl.concat([given, there], how="diagonal").select(names)
    if there.columns == given.columns and not any(column.null_count() for column in (*there, *given)):
        rows = whole.unique(ID, keep="first", maintain_order=True).sort(ID)
    else:
        rows = whole.group_by(ID, maintain_order=True).agg(pl.all().drop_nulls().first()).select(names).sort(ID)
    partial = [name for name in names if name.endswith("_id") and rows[name].null_count()]
    if partial:
        msg = (
            f"{shown(unit.symbol)} on {shown(unit.venue)}: some trades of {unit.date} have {listed(partial)}, and "
            "others would not: add the whole day with these columns, or without them after its file was removed"
        )
        raise LakeConflictError(msg)
    return rows, bool(clash.height)


def _by_time(
    unit: TradesUnit, there: pl.DataFrame, given: pl.DataFrame, on_conflict: OnConflict
) -> tuple[pl.DataFrame, bool]:
    """Without ids, trades are the same if all are, in the time that both cover."""
    first, last = given[_TIME][0], given[_TIME][-1]
    before, after = there.filter(pl.col(_TIME) < first), there.filter(pl.col(_TIME) > last)
    within = there.filter(pl.col(_TIME).is_between(first, last))
    if there.columns == given.columns:
        again = given.filter(pl.col(_TIME).is_between(there[_TIME][0], there[_TIME][-1]))
        if within.equals(again):
            return pl.concat([before, given, after]), False
    whole = not before.height and not after.height
    if on_conflict == "replace" and (whole or there.columns == given.columns):
        return pl.concat([before, given, after]) if not whole else given, True
    remedy = "add the whole day" if there.columns != given.columns else "if the new ones are right, add them"
    old = f"{there.height:,} trades from {there[_TIME][0]} to {there[_TIME][-1]}"
    msg = (
        f"{shown(unit.symbol)} on {shown(unit.venue)}: trades of {unit.date} without ids, or with other columns, "
        f'overlap with those there, so it cannot be told which are new: {remedy} with on_conflict="replace" (there: '
        f"{old}; now: {given.height:,} from {first} to {last})"
    )
    raise LakeConflictError(msg)
