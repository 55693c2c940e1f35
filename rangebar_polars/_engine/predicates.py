"""What a predicate on the result implies for the input."""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Callable, Container, Sequence
from typing import Any, Literal, TypeAlias

import polars as pl

__all__ = ["Bound", "all_of", "conjuncts", "split_keys", "time_bounds"]

Bound: TypeAlias = tuple[pl.Expr, bool]
"""A literal, and whether it is itself excluded."""

_Comparison: TypeAlias = Callable[[pl.Expr, pl.Expr], pl.Expr]

_LOWER: tuple[tuple[_Comparison, bool], ...] = ((operator.ge, False), (operator.gt, True), (operator.eq, False))
_UPPER: tuple[tuple[_Comparison, bool], ...] = ((operator.le, False), (operator.lt, True), (operator.eq, False))
_CLOSED: tuple[Literal["both", "left", "right", "none"], ...] = ("both", "left", "right", "none")


_COMPARISONS = {"Eq", "EqValidity", "NotEq", "NotEqValidity", "Lt", "LtEq", "Gt", "GtEq"}
_LOGIC = {"And", "Or", "Xor", "LogicalAnd", "LogicalOr"}
_FUNCTION = re.compile(r'\{"(?P<family>\w+)": \{?"(?P<name>\w+)"')
_FUNCTIONS = {
    "Boolean": {"IsNull", "IsNotNull", "IsIn", "IsBetween", "Not", "AllHorizontal", "AnyHorizontal"},
    "StringExpr": {"StartsWith", "EndsWith", "Contains", "Lowercase", "Uppercase", "LenBytes", "LenChars"},
    "TemporalExpr": {"Year", "Quarter", "Month", "Day", "WeekDay", "OrdinalDay"},
}
"""Functions of one row that cannot fail on any value."""


def conjuncts(predicate: pl.Expr | None) -> list[pl.Expr]:
    """The terms that must all hold."""
    if predicate is None:
        return []
    operands = predicate.meta.pop()
    if len(operands) == 2:  # noqa: PLR2004
        for left, right in (operands, operands[::-1]):
            if (left & right).meta.eq(predicate):
                return [*conjuncts(left), *conjuncts(right)]
    return [predicate]


def all_of(terms: Sequence[pl.Expr]) -> pl.Expr | None:
    """One predicate that holds if all terms hold; None if there are none."""
    return functools.reduce(pl.Expr.__and__, terms) if terms else None


def split_keys(predicate: pl.Expr | None, keys: Sequence[str]) -> tuple[list[pl.Expr], list[pl.Expr]]:
    """
    The terms that can be applied to trades, because they use only group keys, and the others.

    A term that may fail, or that runs Python, is applied to the bars: there are more trades, and keys without any bar.
    """
    on_keys: list[pl.Expr] = []
    others: list[pl.Expr] = []
    for term in conjuncts(predicate):
        names = term.meta.root_names()
        (on_keys if names and set(names) <= set(keys) and _is_harmless(term) else others).append(term)
    return on_keys, others


def _is_harmless(term: pl.Expr) -> bool:
    """Whether a term cannot fail on any value, and costs no more than a comparison."""
    try:
        plan = json.loads(term.meta.serialize(format="json"))
    except Exception:  # noqa: BLE001  (what cannot be serialised is a Python function)
        return False
    return _never_fails(plan)


def _never_fails(node: Any) -> bool:  # noqa: ANN401  (a tree of JSON)
    match node:
        case {"Column": _} | {"Literal": _}:
            return True
        case {"BinaryExpr": {"left": left, "op": operation, "right": right}}:
            return operation in _COMPARISONS | _LOGIC and _never_fails(left) and _never_fails(right)
        case {"Ternary": {"predicate": predicate, "truthy": truthy, "falsy": falsy}}:
            return all(map(_never_fails, (predicate, truthy, falsy)))
        case {"Cast": {"expr": operand, "dtype": dtype, "options": options}}:
            return _never_fails(operand) and (options == "NonStrict" or dtype == {"Literal": "String"})
        case {"Function": {"input": operands, "function": function}}:
            called = _FUNCTION.match(json.dumps(function))
            is_harmless = called is not None and called["name"] in _FUNCTIONS.get(called["family"], set())
            return is_harmless and all(map(_never_fails, operands))
        case _:
            return False


def time_bounds(terms: Sequence[pl.Expr], columns: Container[str]) -> tuple[list[Bound], list[Bound]]:
    """Literals that are lower bounds of some columns, and literals that are upper bounds."""
    lower: list[Bound] = []
    upper: list[Bound] = []
    for term in terms:
        names = term.meta.root_names()
        if len(names) == 1 and names[0] in columns:
            column, operands = pl.col(names[0]), term.meta.pop()
            literals = [operand for operand in operands if operand.meta.is_literal()]
            if len(literals) == len(operands) - 1:
                lower += _compared(term, column, literals, _LOWER, _UPPER)
                upper += _compared(term, column, literals, _UPPER, _LOWER)
                _between(term, column, literals, lower, upper)
    return lower, upper


def _compared(
    term: pl.Expr,
    column: pl.Expr,
    literals: Sequence[pl.Expr],
    comparisons: Sequence[tuple[_Comparison, bool]],
    mirrored: Sequence[tuple[_Comparison, bool]],
) -> list[Bound]:
    """The literal of a term that is one of these comparisons with the column, or a mirrored one."""
    for literal in literals:
        for compare, excluded in comparisons:
            if compare(column, literal).meta.eq(term):
                return [(literal, excluded)]
        for compare, excluded in mirrored:
            if compare(literal, column).meta.eq(term):
                return [(literal, excluded)]
    return []


def _between(
    term: pl.Expr, column: pl.Expr, literals: Sequence[pl.Expr], lower: list[Bound], upper: list[Bound]
) -> None:
    if len(literals) != 2:  # noqa: PLR2004
        return
    for low, high in (literals, literals[::-1]):
        for closed in _CLOSED:
            if column.is_between(low, high, closed).meta.eq(term):
                lower.append((low, closed not in ("both", "left")))
                upper.append((high, closed not in ("both", "right")))
                return
