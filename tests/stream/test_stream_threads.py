"""Contract of `BarStream`, threads: calls wait for each other, and other threads run meanwhile."""

from __future__ import annotations

import contextlib
import copy
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import polars as pl
import pytest

import rangebar_polars as rb
from tests._alone import run as run_alone
from tests._routes import assert_same_bars
from tests._streams import frame_of, push_rows, whole

pytestmark = pytest.mark.serial
SYMBOLS = ["AAA", "BBB", "CCC", "DDD"]


@pytest.fixture(scope="module")
def sample() -> pl.DataFrame:
    """Four symbols, interleaved row by row, with many bars at 50 dbps."""
    return rb.datasets.sample_trades(20_000, symbols=SYMBOLS).sort("timestamp", maintain_order=True)


def test_two_streams_in_two_threads(sample: pl.DataFrame) -> None:
    def drive(threshold: int) -> pl.DataFrame:
        stream = rb.BarStream(threshold, by="symbol")
        return whole([stream.push(piece) for piece in sample.iter_slices(100)], stream.finish())

    with ThreadPoolExecutor(2) as pool:
        for threshold, bars in zip((50, 20), pool.map(drive, (50, 20)), strict=True):
            assert_same_bars(bars, sample.rangebar.bars(threshold, by="symbol", include_incomplete=True))


def test_one_stream_from_several_threads(sample: pl.DataFrame) -> None:
    """Each thread pushes the rows of its own group and gets its bars, while others look on."""
    stream = rb.BarStream(50, by="symbol", schema=sample.schema)
    barrier = threading.Barrier(len(SYMBOLS) + 1)
    done = threading.Event()

    def drive(symbol: str) -> list[pl.DataFrame]:
        barrier.wait()
        closed: list[pl.DataFrame] = []
        for number, piece in enumerate(sample.filter(symbol=symbol).iter_slices(37)):
            closed += push_rows(stream, piece, ["symbol"]) if number % 2 else [stream.push(piece)]
        return closed

    def look_on() -> None:
        barrier.wait()
        while not done.is_set():
            assert stream.pending().height <= len(SYMBOLS)
            assert rb.BarStream.restore(stream.checkpoint()).finish().height <= len(SYMBOLS)

    with ThreadPoolExecutor(len(SYMBOLS) + 1) as pool:
        onlooker = pool.submit(look_on)
        try:
            closed = [pl.concat(bars) for bars in pool.map(drive, SYMBOLS)]
        finally:
            done.set()
        onlooker.result()
    forming = stream.finish()
    expected = sample.rangebar.bars(50, by="symbol", include_incomplete=True)
    for symbol, bars in zip(SYMBOLS, closed, strict=True):
        assert_same_bars(whole([bars], forming.filter(symbol=symbol)), expected.filter(symbol=symbol))
    counted = sum(bars["agg_record_count"].sum() for bars in [*closed, forming])
    assert counted == sample.height


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads change places as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty")
def test_the_end_counts_every_trade_that_was_taken() -> None:
    """Threads push until the stream is finished under them: what was taken is in its bars, the rest was refused."""
    frame = frame_of([100.0] * 100).with_columns(timestamp=pl.lit(0, pl.Int64))
    for _ in range(50):
        stream = rb.BarStream(1_000, time_unit="us", schema=frame.schema)

        def drive(by_row: bool, stream: rb.BarStream = stream) -> int:
            taken = 0
            with contextlib.suppress(rb.RangeBarError):
                while True:
                    assert not (stream.push_trade(0, 100.0, 1.0) if by_row else stream.push(frame).height)
                    taken += 1 if by_row else frame.height
            return taken

        with ThreadPoolExecutor(3) as pool:
            pushed = [pool.submit(drive, by_row) for by_row in (True, False, False)]
            time.sleep(0.002)
            forming = stream.finish()
            counted = sum(thread.result() for thread in pushed)
        assert forming["agg_record_count"].sum() == counted


@pytest.mark.usefixtures("hasty")
def test_many_threads_may_be_the_first() -> None:
    """Those whose trade is refused take nothing from those whose trade is not."""
    for _ in range(100):
        stream = rb.BarStream(1_000, time_unit="us")
        barrier = threading.Barrier(8)

        def first(number: int, stream: rb.BarStream = stream, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            try:
                stream.push_trade(0, 100.0 if number % 2 else -1.0, 1.0)
            except rb.RangeBarError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(first, range(8))) == 4
        assert stream.pending()["agg_record_count"].to_list() == [4]


SIGNALS = """
import datetime as dt, faulthandler, signal
import rangebar_polars as rb
faulthandler.dump_traceback_later(30, exit=True)
stream = rb.BarStream(1_000, by="symbol")
start = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
stream.push_trade(start, 100.0, 1.0, key="first")
saved = []
signal.signal(signal.SIGALRM, lambda *_: saved.append(stream.checkpoint()))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for i in range(30_000):
    stream.push_trade(start + dt.timedelta(seconds=i), 100.0, 1.0, key=str(i % 100))
signal.setitimer(signal.ITIMER_REAL, 0)
assert saved and rb.BarStream.restore(saved[-1]).finish().height
assert stream.finish()["agg_record_count"].sum() == 30_001
print("DONE", len(saved))
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no timers that send signals")
def test_a_signal_may_ask_for_a_checkpoint() -> None:
    """Its handler runs wherever the interpreter is, also in the middle of a push: that must not wait for itself."""
    assert "DONE" in run_alone(SIGNALS)


@contextlib.contextmanager
def ticking() -> Iterator[list[float]]:
    """Instants at which another thread ran, one every half of a millisecond if it may."""
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        yield ticks
    finally:
        done.set()
        ticker.join()


def runs_beside(ticks: list[float], work: Callable[[], object]) -> bool:
    """Whether the other thread ran in the middle of some work."""
    start = time.perf_counter()
    work()
    length = time.perf_counter() - start
    return len([t for t in ticks if start + 0.25 * length < t < start + 0.75 * length]) >= 3


def test_other_threads_run_during_a_push() -> None:
    """One of five pushes must leave another thread running in its middle; none would with the GIL held."""
    n = 4_000_000
    i = pl.int_range(n, eager=True)
    frame = pl.DataFrame(
        {
            "timestamp": i.cast(pl.Datetime("us")),
            "price": 100.0 + (i * 7_919 % 101) / 1_000,
            "quantity": 1.0 + i % 3,
            "symbol": (i * 31 % 17).cast(pl.Int64),
        }
    )
    with ticking() as ticks:
        assert any(runs_beside(ticks, partial(rb.BarStream(50, by="symbol").push, frame)) for _ in range(5))


MANY = 300_000
"""Groups, or trades of a forming bar, of which a checkpoint takes many milliseconds and is copied in several parts."""


def many_groups() -> rb.BarStream:
    zero = pl.zeros(MANY, pl.Int64, eager=True)
    trades = pl.DataFrame({"id": pl.int_range(MANY, eager=True), "timestamp": zero, "price": zero + 1.0})
    stream = rb.BarStream(250, by="id", time_unit="us")
    stream.push(trades.with_columns(quantity=pl.lit(1.0)))
    return stream


def many_trades() -> rb.BarStream:
    number = pl.int_range(20 * MANY, eager=True)
    trades = pl.DataFrame({"timestamp": number, "price": 100.0 + (number % 7) / 100, "quantity": number % 5 + 1.0})
    stream = rb.BarStream(100_000, time_unit="us", intra=True)
    stream.push(trades)
    return stream


CALLS: dict[str, Callable[[rb.BarStream, bytes], Callable[[], object]]] = {
    "checkpoint": lambda stream, _: stream.checkpoint,
    "restore": lambda _, data: partial(rb.BarStream.restore, data),
    "pending": lambda stream, _: stream.pending,
    "finish": lambda _, data: rb.BarStream.restore(data).finish,
    "forget": lambda _, data: partial(rb.BarStream.restore(data).forget, [0, 1]),
    "a copy": lambda stream, _: partial(copy.copy, stream),
}


@pytest.mark.parametrize("begin", [many_groups, many_trades])
def test_other_threads_run_during_long_calls(begin: Callable[[], rb.BarStream]) -> None:
    """Likewise, of a stream that holds much; what comes of the calls is what it always was."""
    stream = begin()
    data = stream.checkpoint()
    assert rb.BarStream.restore(data).checkpoint() == data
    assert rb.BarStream.restore(data).finish().equals(stream.pending())
    with ticking() as ticks:
        for name, call in CALLS.items():
            if name != "forget" or begin is many_groups:
                assert any(runs_beside(ticks, call(stream, data)) for _ in range(5)), name


def test_other_threads_run_while_a_query_keeps_its_state() -> None:
    data = many_trades().checkpoint()
    trades = pl.LazyFrame({"timestamp": [20 * MANY], "price": [100.0], "quantity": [1.0]})

    def query() -> None:
        state = rb.BarState(data)
        trades.rangebar.bars(100_000, time_unit="us", intra=True, state=state).collect()
        assert len(state.checkpoint()) > len(data)

    with ticking() as ticks:
        assert any(runs_beside(ticks, query) for _ in range(5))


def test_long_calls_and_pushes_of_many_threads() -> None:
    """None waits for itself, and each sees a state between two pushes."""
    stream = many_groups()
    done = threading.Event()

    def look_on(_: int) -> int:
        looks = 0
        while not done.is_set():
            assert rb.BarStream.restore(stream.checkpoint()).pending()["agg_record_count"].sum() >= MANY
            looks += 1
        return looks

    with ThreadPoolExecutor(2) as pool:
        onlookers = pool.map(look_on, range(2))
        try:
            for time_us in range(2_000):
                stream.push_trade(time_us, 1.0, 1.0, key=time_us % 10)
        finally:
            done.set()
        assert all(looks > 0 for looks in onlookers)
    assert stream.finish()["agg_record_count"].sum() == MANY + 2_000
