"""Bars for the checks."""

from __future__ import annotations

import polars as pl
import pytest

from tests._validation import bars_of_two_symbols


@pytest.fixture(scope="session")
def bars() -> pl.DataFrame:
    """Of two symbols, shared by all files: nothing changes a frame."""
    return bars_of_two_symbols()
