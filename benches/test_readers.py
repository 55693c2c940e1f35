"""The readers beside their floors: each case gives what its floor gives, and another result is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from benches.readers import Case, cases, measure, sample, small_files


def test_cases_give_what_their_floors_give(tmp_path: Path) -> None:
    every = cases(sample(tmp_path / "sample", 50_000), small_files(tmp_path / "small", 3))
    assert len(every) == 4
    assert all(measure(case, 1).ratio > 0 for case in every)


def test_a_floor_that_gives_something_else_is_no_floor() -> None:
    case = Case("one", lambda: 1, "two", lambda: 2, int.__eq__)
    with pytest.raises(AssertionError, match=r"^one and two give different results$"):
        measure(case, 1)
