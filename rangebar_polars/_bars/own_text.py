"""Expressions as text, for what is kept: without code of Python, which would run where the text is read."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._common.messages import cut
from rangebar_polars.exceptions import RangeBarError

__all__ = ["expression_of", "text_of"]

_LIBRARY: Final = "rangebar_polars"
"""Stands for the compiled library, which is elsewhere on each machine."""

_FEW: Final = 16
"""Bytes that no function can consist of."""


def text_of(expression: pl.Expr, name: str) -> str:
    """An expression as JSON of Polars; an error if it has a function of Python or cannot be read back."""
    try:
        text = expression.meta.serialize(format="json")
        form = json.loads(text)
    except (pl.exceptions.PolarsError, ValueError, TypeError, AttributeError) as error:
        raise _not_kept(name, f"Polars cannot write it as text: {error}") from error
    if _has_code(form):
        raise _not_kept(name, "it calls a function of Python")
    written = json.dumps(_renamed(form, str(Path(_internal.__file__)), _LIBRARY), sort_keys=True, separators=(",", ":"))
    try:
        same = text_of_read(expression_of(written)) == written
    except RangeBarError as error:
        raise _not_kept(name, "Polars cannot read what it writes") from error
    if not same:
        raise _not_kept(name, "Polars reads another one than it writes")
    return written


def text_of_read(expression: pl.Expr) -> str:
    """The same for what was read from a text."""
    form = json.loads(expression.meta.serialize(format="json"))
    return json.dumps(_renamed(form, str(Path(_internal.__file__)), _LIBRARY), sort_keys=True, separators=(",", ":"))


def expression_of(text: str) -> pl.Expr:
    """The expression of a text; an error if it is none of this version of Polars, or has code."""
    try:
        form = json.loads(text)
        if _has_code(form):
            raise RangeBarError("an expression that was kept calls a function, which none of ours does: it was altered")
        whole = json.dumps(_renamed(form, _LIBRARY, str(Path(_internal.__file__))))
        return pl.Expr.deserialize(io.StringIO(whole), format="json")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, RangeBarError):
            raise
        msg = (
            f"Polars {pl.__version__} cannot read the expression {cut(text)}, which another version wrote: pass the "
            "same `aggs` again"
        )
        raise RangeBarError(msg) from error


def _not_kept(name: str, why: str) -> RangeBarError:
    return RangeBarError(
        f"the aggregation `{name}` cannot be kept in a checkpoint or a lake ({cut(why, 300)}): write it with "
        "expressions of Polars, or put it into a FeatureSet, of which only name and version are kept"
    )


def _has_code(form: object) -> bool:
    """Whether a form has a function of Python, or one of another library than ours."""
    return any(_is_code(key, value) for key, value in _entries(form))


def _is_code(key: str, value: object) -> bool:
    if key.startswith("Anonymous") or "Python" in key or key == "callback":
        return True
    if key == "FfiPlugin":
        library = cast("dict[str, object]", value).get("lib") if isinstance(value, dict) else None
        return library not in (_LIBRARY, str(Path(_internal.__file__)))
    is_bytes = isinstance(value, list) and len(cast("list[object]", value)) >= _FEW
    return (
        is_bytes and key not in ("Series", "Binary", "kwargs") and all(isinstance(v, int) for v in cast("Any", value))
    )


def _entries(form: object) -> Iterator[tuple[str, object]]:
    """Every entry of every object."""
    if isinstance(form, dict):
        for key, value in cast("dict[str, object]", form).items():
            yield key, value
            yield from _entries(value)
    elif isinstance(form, list):
        for value in cast("list[object]", form):
            yield from _entries(value)


def _renamed(form: object, old: str, new: str) -> object:
    """The same with another name of the compiled library."""
    if isinstance(form, dict):
        entries = cast("dict[str, object]", form)
        return {k: new if (k, v) == ("lib", old) else _renamed(v, old, new) for k, v in entries.items()}
    if isinstance(form, list):
        return [_renamed(value, old, new) for value in cast("list[object]", form)]
    return form
