"""The root of the repository, so that no test file has to count the folders above it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
