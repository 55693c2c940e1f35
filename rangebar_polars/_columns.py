"""Which columns of the input play which part: defaults, names of the user's, and what is missing."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import polars as pl

from rangebar_polars._typing import By
from rangebar_polars.exceptions import RangeBarError

__all__ = ["REQUIRED", "check_name", "input_columns", "key_columns", "missing_column"]

REQUIRED = ("timestamp", "price", "quantity")
"""Parts that every input has, under their default names."""


def input_columns(names: Mapping[str, str | None], available: Sequence[str]) -> dict[str, str]:
    """
    Names of the columns that the input has, by the parts that they play.

    Keys of `names` are the default names, values the names in the user's frame, or None for an optional part
    that is to be ignored. An optional part under its default name may be absent; what was named otherwise must be
    there.
    """
    found: dict[str, str] = {}
    for part, name in names.items():
        if name is None and part not in REQUIRED:
            continue
        if not isinstance(name, str):
            msg = f"the column that plays `{part}` must be a name, got {name!r}"
            raise RangeBarError(msg)
        check_name(name)
        if name in available:
            found[part] = name
        elif part in REQUIRED or name != part:
            raise missing_column(name, available)
    return found


def key_columns(by: By, available: pl.Schema, output: Sequence[str]) -> list[str]:
    """Names of the key columns, checked against the input and against the columns that will stand beside them."""
    if by is not None and not isinstance(by, Sequence):
        msg = f"`by` takes a column name or a list of names, got {by!r}"
        raise RangeBarError(msg)
    keys = [by] if isinstance(by, str) else list(by or ())
    for position, key in enumerate(keys):
        if not isinstance(key, str):
            msg = f"`by` takes column names, got {key!r}"
            raise RangeBarError(msg)
        check_name(key)
        if key not in available:
            raise missing_column(key, list(available))
        if available[key] == pl.Object:
            msg = f"the key column `{key}` is Object, which Polars cannot hash: cast it to another dtype first"
            raise RangeBarError(msg)
        if key in output:
            msg = f"`by` names `{key}`, which would stand beside a column of that name in the result: rename it first"
            raise RangeBarError(msg)
        if key in keys[:position]:
            msg = f"the key column `{key}` is named twice in `by`"
            raise RangeBarError(msg)
    return keys


def check_name(name: str) -> None:
    """Refuses a name that Polars cannot pass on to compiled code: it would end in a panic."""
    if "\0" in name:
        msg = f"the column name {name!r} holds a NUL character: rename the column first"
        raise RangeBarError(msg)


def missing_column(name: str, available: Sequence[str]) -> RangeBarError:
    """The error for a column that is not there, with what there is and what may have been meant."""
    close = difflib.get_close_matches(name, available, n=1)
    hint = f" (did you mean `{close[0]}`?)" if close else ""
    return RangeBarError(f"column `{name}` not found{hint}; the input has {', '.join(available) or 'no columns'}")
