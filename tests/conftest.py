"""Hypothesis profiles (`HYPOTHESIS_PROFILE=dev|ci|deep`) and the fixtures that read real data."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests._tracing import trace_sources

for name, examples in (("dev", 20), ("ci", 60), ("deep", 1000)):
    settings.register_profile(
        name,
        max_examples=examples,
        # The same examples in every run of `make test`, so that a red one is due to the change; the others search anew.
        derandomize=name == "dev",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
if settings().derandomize and hasattr(providers, "_get_local_constants"):
    # Hypothesis also draws numbers and texts that stand in modules of ours, those that happen to be imported. So
    # what a test draws would depend on the tests before it, and "the same frames in every run" would not be true.
    _NO_CONSTANTS = providers._local_constants  # noqa: SLF001
    providers._get_local_constants = lambda: _NO_CONSTANTS  # noqa: SLF001
trace_sources()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and reference results beside the repository, which does not ship it."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no folder ../shared beside the repository: its real data and reference results are not shipped")
    return folder


@pytest.fixture(scope="session")
def btcusdt_day(shared: Path) -> pl.DataFrame:
    """One day of BTCUSDT spot aggregate trades, 863,403 rows, microseconds in UTC."""
    return pl.read_parquet(shared / "data" / "binance_spot_btcusdt_aggtrades_20240101" / "data.parquet")
