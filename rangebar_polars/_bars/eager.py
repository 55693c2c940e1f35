"""Eager methods, which are lazy ones and a `collect`: what they take and say is written once, for the lazy method."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from rangebar_polars._bars.old_names import knows_old_names

__all__ = ["like"]

_Method = TypeVar("_Method", bound=Callable[..., Any])
_EXAMPLES = "Examples\n--------\n"
_PARAMETERS = "Parameters\n----------\n"


def like(lazy: Callable[..., Any]) -> Callable[[_Method], _Method]:
    """
    The signature and the sections of a lazy method for an eager one, which keeps its summary, examples and result.

    Type checkers read the eager method as it is written; people read what is set here, by `help` or Shift-Tab.
    """

    def decorate(eager: _Method) -> _Method:
        own = inspect.cleandoc(eager.__doc__ or "")
        said = inspect.cleandoc(lazy.__doc__ or "")
        summary, _, examples = own.partition(_EXAMPLES)
        sections = said[said.index(_PARAMETERS) : said.index(_EXAMPLES)].replace("LazyFrame\n", "DataFrame\n", 1)
        eager.__doc__ = f"{summary}{sections}{_EXAMPLES}{examples}"
        signature = inspect.signature(lazy)
        result = inspect.signature(eager).return_annotation
        eager.__signature__ = signature.replace(return_annotation=result)  # type: ignore[attr-defined]
        return cast("_Method", knows_old_names(eager))

    return decorate
