"""Trades, their bars, and where a new file stands until it is whole."""

from __future__ import annotations

import os

import polars as pl
import pytest

import rangebar_polars as rb
from tests._sinks import UNNAMED


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    return rb.datasets.sample_trades(60_000, symbols=["AAA", "BBB"])


@pytest.fixture(scope="module")
def bars(trades: pl.DataFrame) -> pl.DataFrame:
    return trades.rangebar.bars(50, by="symbol")


@pytest.fixture(params=["unnamed", "named"])
def draft(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the new file stands: nowhere, as Linux can, or beside the old one."""
    kind: str = request.param
    if kind == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not UNNAMED:
        pytest.skip("this system has no files without a name")
    return kind
