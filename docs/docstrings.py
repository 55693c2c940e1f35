"""What the API pages need beyond griffe; mkdocs.yml names this file as an extension of griffe."""

from __future__ import annotations

import re
from typing import Any

import griffe

import rangebar_polars

_SHARED = re.compile(r"^(?P<names>\w+(?:, \w+)+)\n(?P<text>(?: {4}.*\n?|\n(?= {4}))+)", re.MULTILINE)
"""Parameters that are described together: "price, quantity", and the indented text below them."""


class Docstrings(griffe.Extension):
    """Each parameter has its own type and default, each class its parameters, each compiled method its docstring."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:  # noqa: ANN401
        """Griffe reads the parameters of a class from ``__init__``, not from ``__new__``."""
        if "__new__" in cls.members and "__init__" not in cls.members:
            cls.members["__init__"] = cls.members["__new__"]
        _separate(cls)

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:  # noqa: ANN401
        """Compiled objects have stubs without docstrings; the objects themselves have them."""
        func.labels.discard("method descriptor")
        if func.docstring is None and func.path.startswith("rangebar_polars._internal.") and func.parent is not None:
            compiled = getattr(getattr(rangebar_polars._internal, func.parent.name, None), func.name, None)  # noqa: SLF001
            if compiled is not None and compiled.__doc__ and not func.name.startswith("_"):
                func.docstring = griffe.Docstring(compiled.__doc__, parent=func)
        _separate(func)


def _separate(thing: griffe.Class | griffe.Function) -> None:
    """Describe shared parameters one by one: griffe would give all of them the type and default of the first."""
    if thing.docstring is None:
        return

    def each(shared: re.Match[str]) -> str:
        text = shared["text"].rstrip("\n") + "\n"
        return "".join(f"{name}\n{text}" for name in shared["names"].split(", "))

    thing.docstring.value = _SHARED.sub(each, thing.docstring.value)
