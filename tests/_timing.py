"""How long a call takes, whoever watches: for tests that compare one cost with another in the same run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

__all__ = ["least_seconds"]


@contextmanager
def _unwatched() -> Generator[None]:
    """
    Without the coverage of lines meanwhile.

    It makes Python several times as slow and Rust no slower, so it shows in every ratio of the two.
    """
    before, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(of_threads)


def least_seconds(*calls: Callable[[], object], times: int = 5) -> list[float]:
    """The processor time of each call, of the fastest of some rounds: what disturbs one round disturbs all calls."""
    least = [float("inf")] * len(calls)
    with _unwatched():
        for _ in range(times):
            for number, call in enumerate(calls):
                begin = time.process_time()
                call()
                least[number] = min(least[number], time.process_time() - begin)
    return least
