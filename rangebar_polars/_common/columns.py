"""Which columns of the input play which part: default names, the user's names, and what is missing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from rangebar_polars._common.messages import cut, listed, shown
from rangebar_polars._typing import By
from rangebar_polars.exceptions import RangeBarError

__all__ = ["REQUIRED", "check_name", "input_columns", "key_columns", "missing_column", "name_list", "parameter"]

REQUIRED = ("timestamp", "price", "quantity")
"""Parts that every input has, under their default names."""

_OHLC: Final = {"open", "high", "low", "close"}
_BAR_TIMES: Final = {"open_time", "close_time"}


def input_columns(names: Mapping[str, str | None], available: Sequence[str]) -> dict[str, str]:
    """
    Names of the columns that the input has, by the parts that they play.

    Keys of `names` are the default names, values are the names in the user's frame, or None for an optional part to
    ignore. An optional part may be absent under its default name; a column given under another name must exist.
    """
    found: dict[str, str] = {}
    for part, given in names.items():
        if given is None and part not in REQUIRED:
            continue
        name = check_name(given, part)
        if name in available:
            found[part] = name
        elif part in REQUIRED or name != part:
            remedy = f"name the column with `{parameter(part)}=`"
            if part == "is_buyer_maker":
                remedy += ', or add a column of nulls and pass missing_side="null" if no trade has a side'
            raise missing_column(name, available, remedy=remedy)
    return found


def key_columns(by: By, available: pl.Schema, output: Sequence[str]) -> list[str]:
    """Names of the key columns, checked against the input and against the columns of the result."""
    if by is not None and not isinstance(by, Sequence):
        msg = f"`by` takes a column name or a list of names, got {shown(by)}: add an expression as a column first"
        raise RangeBarError(msg)
    keys = [by] if isinstance(by, str) else list(by or ())
    for position, key in enumerate(keys):
        if not isinstance(key, str):
            msg = f"`by` takes column names, got {shown(key)}: add an expression as a column first"
            raise RangeBarError(msg)
        check_name(key, "key")
        if key not in available:
            remedy = "a key that stands only in folder names (key=value/) needs `hive_partitioning=True` in the scan"
            raise missing_column(key, list(available), remedy=remedy)
        if available[key] == pl.Object:
            msg = f"the key column `{key}` is Object, which Polars cannot hash: cast it to another dtype first"
            raise RangeBarError(msg)
        if key in output:
            msg = f"`by` names `{key}`, but the result has a column of that name too: rename the key first"
            raise RangeBarError(msg)
        if key in keys[:position]:
            msg = f"the key column `{key}` is named twice in `by`: name it once"
            raise RangeBarError(msg)
    return keys


def name_list(parameter: str, value: str | Sequence[str]) -> list[str]:
    """Column names, for a parameter that takes one or several."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        msg = f"`{parameter}` takes a column name or a list of names, got {shown(value)}"
        raise RangeBarError(msg)
    return list(value)


def check_name(name: object, part: str) -> str:
    """The name of a column; refused if Polars cannot pass it on to compiled code, which would end in a panic."""
    if not isinstance(name, str):
        msg = f"`{parameter(part)}` must be a column name, got {shown(name)}"
        raise RangeBarError(msg)
    if "\0" in name:
        msg = f"the column name {shown(name)} contains a NUL character: rename the column first"
        raise RangeBarError(msg)
    return name


def missing_column(name: str, available: Sequence[str], *, remedy: str = "") -> RangeBarError:
    """The error for a column that does not exist, with what may have been meant, or else what exists."""
    text = f"column `{cut(name)}` not found"
    if misunderstood := _misunderstood(name, available):
        return RangeBarError(f"{text}: {misunderstood}")
    close = difflib.get_close_matches(name, available, n=1)
    hint = f" (did you mean `{cut(close[0])}`?)" if close else ""
    there = f"the input has {listed(available, mark='') or 'no columns'}"
    return RangeBarError("; ".join([f"{text}{hint}", there, *([remedy] if remedy else [])]))


def _misunderstood(name: str, available: Sequence[str]) -> str | None:
    """The reason why a frame lacks a column, other than a misspelling, if it can be guessed."""
    columns = set(available)
    if name in REQUIRED and columns >= _OHLC and columns & _BAR_TIMES:
        return (
            "these are bars, not trades; to make bars of bars, pass "
            '`time="close_time", price="close", quantity="volume"`'
        )
    if name in _OHLC | _BAR_TIMES and columns >= {"time", "is_valid", "update_count"}:
        return "these are states of an order book, not bars: draw them with `rb.plotting.plot_depth(books)`"
    if name in _OHLC | _BAR_TIMES and "price" in columns and not columns & _OHLC:
        return "these are trades, not bars: make bars first, with `trades.rangebar.bars(250)`"
    if len(columns) > 1 and 2 * sum(map(_is_value, available)) >= len(available):
        return (
            f"the column names look like values ({listed(available, mark='')}), as of a file without a header row: "
            "read it with `pl.scan_csv(file, has_header=False, new_columns=[...])`"
        )
    if available and all(re.fullmatch(r"column_\d+", column) for column in available):
        names = listed(available, mark="")
        return f"the columns have no names yet ({names}): name them with `scan_csv(..., new_columns=[...])`"
    return None


def _is_value(name: str) -> bool:
    """Whether the name of a column is a number, as when Polars takes the first row of a file for its header."""
    try:
        float(re.sub(r"_duplicated_\d+$", "", name))
    except ValueError:
        return False
    return True


def parameter(part: str) -> str:
    """The parameter that names the column of a part."""
    return "time" if part == "timestamp" else part
