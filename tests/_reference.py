"""The reference program that lies beside the repository, as a module."""

from __future__ import annotations

import importlib.util
import sys
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

SHORTEST_SEGMENT = 8


def reference_program(shared: Path) -> ModuleType:
    """`spec/reference.py` of the shared folder."""
    spec = importlib.util.spec_from_file_location("rangebar_reference", shared / "spec" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def stands_still(prices: Iterable[object]) -> bool:
    """Whether a segment may be at one price: the program takes the rounding of its doubles for a fluctuation there."""
    return any(sum(1 for _ in run) >= SHORTEST_SEGMENT for _, run in groupby(prices))
