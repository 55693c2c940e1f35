"""The same bad input on every route: which exception, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rangebar_polars as rb

if TYPE_CHECKING:
    from collections.abc import Callable


def _select(frame: pl.DataFrame, engine: Any, threshold_dbps: Any, **options: Any) -> pl.DataFrame:
    return frame.lazy().select(rb.range_bars(threshold_dbps, **options)).collect(engine=engine)


ROUTES: dict[str, tuple[type[Exception], Callable[..., pl.DataFrame]]] = {
    "eager": (rb.RangeBarError, lambda frame, *a, **k: frame.rangebar.bars(*a, **k)),
    "lazy-in-memory": (
        rb.RangeBarError,
        lambda frame, *a, **k: frame.lazy().rangebar.bars(*a, **k).collect(engine="in-memory"),
    ),
    "lazy-streaming": (
        rb.RangeBarError,
        lambda frame, *a, **k: frame.lazy().rangebar.bars(*a, **k).collect(engine="streaming"),
    ),
    "expression-in-memory": (
        pl.exceptions.ComputeError,
        lambda frame, *a, **k: _select(frame, "in-memory", *a, **k),
    ),
    "expression-streaming": (
        pl.exceptions.ComputeError,
        lambda frame, *a, **k: _select(frame, "streaming", *a, **k),
    ),
}


def refusal(route: str, frame: pl.DataFrame, threshold_dbps: Any = 1_000, **options: Any) -> str:
    """What the route says about bad input; fails where it takes it, or raises another exception."""
    kind, call = ROUTES[route]
    with pytest.raises(kind) as caught:
        call(frame, threshold_dbps, **options)
    return str(caught.value)


def refusals(frame: pl.DataFrame, threshold_dbps: Any = 1_000, **options: Any) -> str:
    """The message of all routes, which is one text."""
    texts = {route: refusal(route, frame, threshold_dbps, **options) for route in ROUTES}
    text = texts["eager"]
    assert texts["lazy-in-memory"] == texts["lazy-streaming"] == text
    for route in ("expression-in-memory", "expression-streaming"):
        assert text in texts[route], route
    return text
