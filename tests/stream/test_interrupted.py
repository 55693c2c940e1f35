"""Restart layer: a push that a signal interrupts changes nothing, whenever the signal comes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import assert_same_bars

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that signals")

OPTIONS: dict[str, Any] = {"threshold_dbps": 50, "by": "symbol", "intra": True, "lookback": 20, "overlap": "skip"}
MOMENTS = 60
"""When a signal comes, in a push: some before it begins, some behind its end."""


class LateError(Exception):
    """What a handler of a signal raises, as that of Ctrl-C raises KeyboardInterrupt."""


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    return rb.datasets.sample_trades(60_000, symbols=["BTC", "ETH"]).sort("timestamp", maintain_order=True)


@contextmanager
def alarm(seconds: float, handler: Callable[[], None]) -> Iterator[None]:
    """A signal after a time, whose handler then raises."""

    def raises(*_: object) -> None:
        handler()
        raise LateError

    before = signal.signal(signal.SIGALRM, raises)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def moments(begin: Callable[[], rb.BarStream], frame: pl.DataFrame) -> list[float]:
    """Times from the beginning of a push until after its end: of the quickest of some, since the first takes longer."""

    def took() -> float:
        stream, begun = begin(), time.perf_counter()
        stream.push(frame)
        return time.perf_counter() - begun

    quickest = min(took() for _ in range(5))
    return [1.3 * quickest * number / MOMENTS for number in range(MOMENTS)]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_push_that_is_interrupted_changes_nothing(trades: pl.DataFrame, is_first: bool) -> None:
    first, second = (trades.clear(), trades) if is_first else (trades.head(20_000), trades.tail(-20_000))

    def begun() -> rb.BarStream:
        stream = rb.BarStream(**OPTIONS)
        if not is_first:
            stream.push(first)
        return stream

    plain = begun()
    before, expected, after = plain.checkpoint(), plain.push(second), plain.checkpoint()
    interrupted = 0
    for moment in moments(begun, second):
        stream = begun()
        try:
            with alarm(moment, lambda: None):
                bars = stream.push(second)
        except LateError:
            interrupted += 1
            if stream.checkpoint() == after:
                continue  # it came behind the push, before the timer was off
            assert stream.checkpoint() == before
            bars = stream.push(second)
        assert_same_bars(bars, expected)
        assert stream.checkpoint() == after
    assert interrupted > MOMENTS // 10


def test_what_comes_meanwhile_loses_no_bar(trades: pl.DataFrame) -> None:
    """A handler that pushes, then raises: the first push cannot be taken back, so its bars come with the next ones."""
    btc, eth = (trades.filter(symbol=symbol) for symbol in ("BTC", "ETH"))
    kept, interrupted = 0, 0
    for moment in moments(lambda: rb.BarStream(**OPTIONS), btc):
        stream = rb.BarStream(**OPTIONS)
        bars = [stream.push(trades.clear())]

        def push_eth(stream: rb.BarStream = stream, bars: list[pl.DataFrame] = bars) -> None:
            bars.append(stream.push(eth.head(5_000)))

        try:
            with alarm(moment, push_eth):
                bars.append(stream.push(btc.head(20_000)))
        except LateError:
            interrupted += 1
            known = stream.pending().filter(symbol="BTC").height
            kept += known
            bars.append(stream.push(btc.tail(-20_000) if known else btc))
        else:
            bars.append(stream.push(btc.tail(-20_000)))
        got = pl.concat([*bars, stream.finish()])
        for one in (btc, eth.head(5_000)) if got["symbol"].n_unique() == 2 else (btc,):
            expected = one.rangebar.bars(**{**OPTIONS, "overlap": "error"}, include_incomplete=True)
            assert_same_bars(got.filter(symbol=one["symbol"][0]), expected)
    assert interrupted
