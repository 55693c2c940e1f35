"""Rules out of texts: what the column `rule` shows, and what a user types at a shell."""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from typing import Any, Final

from rangebar_polars._bars.request import RULES
from rangebar_polars._bars.rules import BarRule, Range
from rangebar_polars._common.messages import shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["rule_of_text"]

_CLASSES: Final = {one.__name__: one for one in RULES.values()}
_PREFIXES: Final = ("rb", "rangebar_polars")
"""What may stand before a name with a dot: what a user has imported."""

_LETTERS: Final = 200
"""More letters than any rule has."""

_NUMBER: Final = re.compile(r"-?[0-9]+(_[0-9]+)*")


def rule_of_text(text: str) -> BarRule:
    """
    The rule that a text says in the words of Python: `Volume(50)`, or `rb.Volume(50)`, or 250 for `Range(250)`.

    Nothing is evaluated: it is a name of a rule, and numbers and texts in brackets.
    """
    plain = text.strip()
    if not plain or len(plain) > _LETTERS:
        raise _refused(text, "it is no call of a rule")
    if _NUMBER.fullmatch(plain):
        return Range(int(plain))
    name, given, named = _parts(text, plain)
    if name not in _CLASSES:
        close = difflib.get_close_matches(name.capitalize(), _CLASSES, n=1)
        hint = f" (did you mean `{close[0]}`?)" if close else ""
        msg = f"there is no rule `{name}`{hint}: the rules are {', '.join(_CLASSES)}"
        raise RangeBarError(msg)
    try:
        return _CLASSES[name](*given, **named)
    except TypeError:
        raise _refused(text, f"`{name}` has other parameters") from None


def _parts(text: str, plain: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The name that is called, and what stands in the brackets."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser, about what is refused below
            call = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _refused(text, "it is no call of a rule") from None
    match call:
        case ast.Call(func=ast.Name(id=name)):
            pass
        case ast.Call(func=ast.Attribute(value=ast.Name(id=prefix), attr=name)) if prefix in _PREFIXES:
            pass
        case ast.Name(id=name) if name in _CLASSES:
            raise _refused(text, "its parameters are missing")
        case _:
            raise _refused(text, "it is no call of a rule")
    given = [_value(text, one) for one in call.args]
    named: dict[str, Any] = {}
    for one in call.keywords:
        if one.arg is None:
            raise _refused(text, "its parameters are no numbers and texts")
        if one.arg in named:
            raise _refused(text, f"`{one.arg}` stands there twice")
        named[one.arg] = _value(text, one.value)
    return name, given, named


def _value(text: str, node: ast.expr) -> int | float | str:
    """A number or a text."""
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        value = None
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    why = "its parameters are no numbers and texts"
    if isinstance(node, ast.Name):
        why = f"{node.id} has no quotes: a shell takes away those that are not within others"
    raise _refused(text, why)


def _refused(text: str, why: str) -> RangeBarError:
    msg = (
        f"{shown(text)} is no rule ({why}): write it as in Python, such as 'Volume(50)', 'Time(\"1h\")' or "
        "'Imbalance(target=1000, span=20)'"
    )
    return RangeBarError(msg)
