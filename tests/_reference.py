"""The reference program that lies beside the repository, as a module."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

SHORTEST_SEGMENT = 8
REFUSED = {
    "adv_delta_zero": r"`price` must .* the threshold .* 0\.00000001",
    "adv_rounding": "`quantity` must .* one part in 1000 ",
}
"""Stored inputs that the library now refuses, each with the rule that it breaks."""


def reference_program(shared: Path) -> ModuleType:
    """`spec/reference.py` of the shared folder."""
    spec = importlib.util.spec_from_file_location("rangebar_reference", shared / "spec" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    # Windows ask again for every row before a bar.
    setattr(module, "period_start", cache(module.period_start))  # noqa: B010
    return module


def stands_still(prices: Iterable[object]) -> bool:
    """Whether a segment may be at one price: the program takes the rounding of its doubles for a fluctuation there."""
    return any(sum(1 for _ in run) >= SHORTEST_SEGMENT for _, run in groupby(prices))
