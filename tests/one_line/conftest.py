"""What the tests of bars in one line share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests._lakes import not_synchronised


@pytest.fixture(scope="module", autouse=True)
def nothing_is_synchronised() -> Iterator[None]:
    """Not to wait for the disk; the tests of lakes test what is synchronised."""
    with not_synchronised():
        yield
