"""What a predicate on the result says of the input."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Container, Sequence
from typing import Literal

import polars as pl

__all__ = ["all_of", "conjuncts", "split_keys", "time_bounds"]

_LOWER: tuple[Callable[[pl.Expr, pl.Expr], pl.Expr], ...] = (operator.ge, operator.gt, operator.eq)
_UPPER: tuple[Callable[[pl.Expr, pl.Expr], pl.Expr], ...] = (operator.le, operator.lt, operator.eq)
_CLOSED: tuple[Literal["both", "left", "right", "none"], ...] = ("both", "left", "right", "none")


def conjuncts(predicate: pl.Expr | None) -> list[pl.Expr]:
    """The terms that all have to hold."""
    if predicate is None:
        return []
    operands = predicate.meta.pop()
    if len(operands) == 2:  # noqa: PLR2004
        for left, right in (operands, operands[::-1]):
            if (left & right).meta.eq(predicate):
                return [*conjuncts(left), *conjuncts(right)]
    return [predicate]


def all_of(terms: Sequence[pl.Expr]) -> pl.Expr | None:
    """One predicate that holds where all terms hold; None where there are none."""
    return functools.reduce(pl.Expr.__and__, terms) if terms else None


def split_keys(predicate: pl.Expr | None, keys: Sequence[str]) -> tuple[list[pl.Expr], list[pl.Expr]]:
    """The terms that speak of nothing but group keys, and the others."""
    on_keys: list[pl.Expr] = []
    others: list[pl.Expr] = []
    for term in conjuncts(predicate):
        names = term.meta.root_names()
        (on_keys if names and set(names) <= set(keys) else others).append(term)
    return on_keys, others


def time_bounds(terms: Sequence[pl.Expr], columns: Container[str]) -> tuple[list[pl.Expr], list[pl.Expr]]:
    """Literals that some columns do not lie below, and literals that they do not lie above."""
    lower: list[pl.Expr] = []
    upper: list[pl.Expr] = []
    for term in terms:
        names = term.meta.root_names()
        if len(names) == 1 and names[0] in columns:
            column, operands = pl.col(names[0]), term.meta.pop()
            literals = [operand for operand in operands if operand.meta.is_literal()]
            if len(literals) == len(operands) - 1:
                lower += [x for x in literals if _compares(term, column, x, _LOWER, _UPPER)]
                upper += [x for x in literals if _compares(term, column, x, _UPPER, _LOWER)]
                _between(term, column, literals, lower, upper)
    return lower, upper


def _compares(
    term: pl.Expr,
    column: pl.Expr,
    literal: pl.Expr,
    operators: Sequence[Callable[[pl.Expr, pl.Expr], pl.Expr]],
    mirrored: Sequence[Callable[[pl.Expr, pl.Expr], pl.Expr]],
) -> bool:
    """Whether a term is one of some comparisons of the column with the literal, or a mirrored one."""
    return any(compare(column, literal).meta.eq(term) for compare in operators) or any(
        compare(literal, column).meta.eq(term) for compare in mirrored
    )


def _between(
    term: pl.Expr, column: pl.Expr, literals: Sequence[pl.Expr], lower: list[pl.Expr], upper: list[pl.Expr]
) -> None:
    if len(literals) != 2:  # noqa: PLR2004
        return
    for low, high in (literals, literals[::-1]):
        if any(column.is_between(low, high, closed).meta.eq(term) for closed in _CLOSED):
            lower.append(low)
            upper.append(high)
            return
