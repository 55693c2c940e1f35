"""Columns of quotes, given by name or as expressions: as numbers, and held against what their names suggest."""

from __future__ import annotations

import math
import re
from typing import Final, TypeAlias

import polars as pl

from rangebar_polars._common.messages import cut, shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["check_parts", "price_of", "size_of"]

_Column: TypeAlias = str | pl.Expr

_SIDE: Final = re.compile(r"(?<![a-z])(bid|ask)")
"""The side, if a word of a name begins with it: `bid_price`, `best_ask`."""

_PRICE: Final = re.compile(r"price|^(best_)?(bid|ask)$")
_SIZE: Final = re.compile(r"size|qty|quantity|volume|amount|(?<![a-z])vol(?![a-z])")
"""What names call a price, and what they call a size."""

_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where a word begins in `bestBidQty`."""


def price_of(name: str, column: _Column) -> pl.Expr:
    """A price as Float64, null if no trade could have it."""
    number = _number(name, column)
    return pl.when(number.is_between(0.0, math.inf, closed="none")).then(number)


def size_of(name: str, column: _Column) -> pl.Expr:
    """A size as Float64, null if no trade could have it."""
    number = _number(name, column)
    return pl.when(number.is_between(0.0, math.inf, closed="left")).then(number)


def _number(name: str, column: _Column) -> pl.Expr:
    """A column as Float64; the subtraction refuses text and times, which a cast alone would take for numbers."""
    return (_expression(name, column) - 0.0).cast(pl.Float64)


def _expression(name: str, column: _Column) -> pl.Expr:
    if not isinstance(column, str | pl.Expr):
        msg = f"`{name}` must be a column name or an expression, got {shown(column)}"
        raise RangeBarError(msg)
    return pl.col(column) if isinstance(column, str) else column


def check_parts(**columns: _Column | list[_Column]) -> None:
    """
    Refuse columns in another order than that of the parameters, as far as their names show it.

    Their values would not show it: swapped prices and sizes give numbers again, and crossed quotes are quotes.
    """
    played: dict[str, str] = {}
    for part, given in columns.items():
        for column in given if isinstance(given, list) else [given]:
            expression = _expression(part, column)
            if not expression.meta.is_column():
                continue
            name = expression.meta.output_name()
            if name in played:
                msg = f"column `{cut(name)}` is given for `{played[name]}` and for `{part}`: each needs its own column"
                raise RangeBarError(msg)
            played[name] = part
            if not _may_play(name, part):
                msg = (
                    f"column `{cut(name)}` is given for `{part}`, but its name suggests another part: "
                    "swap the columns, or rename it"
                )
                raise RangeBarError(msg)


def _may_play(name: str, part: str) -> bool:
    """Whether a name contradicts neither the side nor the kind of a part."""
    words = _CAPITAL.sub("_", name).lower()
    sides = _SIDE.findall(words)
    right, wrong = (_SIZE, _PRICE) if part.endswith("_size") else (_PRICE, _SIZE)
    return (not sides or part.partition("_")[0] in sides) and bool(right.search(words) or not wrong.search(words))
