"""Drive equivalence, threads: groups and their windows side by side give what they give one after the other."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._alone import run as run_alone
from tests._arrangements import ARRANGEMENTS, arranged
from tests._routes import assert_same_bars
from tests._streams import whole

OPTIONS: list[dict[str, Any]] = [
    {"reset": "1d", "include_orphans": True},
    {"intra": True, "lookback": 50},
    {"intra": True, "lookback": rb.Bars(3), "reset": "1d", "max_gap": "2s", "include_orphans": True},
]


@pytest.fixture(scope="module", params=ARRANGEMENTS)
def trades(request: pytest.FixtureRequest) -> pl.DataFrame:
    return arranged(request.param)


@pytest.mark.parametrize("options", OPTIONS, ids=["reset", "windows", "windows and breaks"])
def test_one_large_push_is_many_small_ones(trades: pl.DataFrame, options: dict[str, Any]) -> None:
    large, small = (rb.BarStream([50, 250], by="symbol", **options) for _ in range(2))
    at_once = large.push(trades)
    in_pieces = [small.push(piece) for piece in trades.iter_slices(1_000)]
    assert at_once.height > 100
    assert_same_bars(at_once, pl.concat(in_pieces))
    assert large.checkpoint() == small.checkpoint()
    lazily = trades.rangebar.bars([50, 250], by="symbol", include_incomplete=True, **options)
    assert_same_bars(whole([at_once], large.finish()), lazily)


def test_bar_numbers_of_one_large_batch(trades: pl.DataFrame) -> None:
    numbered = trades.rangebar.with_bar_id(50, by="symbol")
    alone = [
        trades.filter(symbol=symbol).rangebar.with_bar_id(50) for symbol in trades["symbol"].unique(maintain_order=True)
    ]
    assert_same_bars(
        numbered.sort(pl.col("symbol").rank("dense"), maintain_order=True),
        pl.concat(alone).sort(pl.col("symbol").rank("dense"), maintain_order=True),
    )


@pytest.mark.parametrize("windows", [{}, {"intra": True, "lookback": 50}], ids=["bars", "windows"])
@pytest.mark.parametrize("bad", [(10, 59_990), (59_990, 10), (30_000,), (59_999,)])
def test_a_push_that_fails_has_not_been(trades: pl.DataFrame, bad: tuple[int, ...], windows: dict[str, Any]) -> None:
    """The first bad row is told, whichever thread finds it, and all threads' groups are as they were."""
    stream = rb.BarStream(50, by="symbol", **windows)
    first, second = trades.head(1_000), trades.slice(1_000)
    stream.push(first)
    before = stream.checkpoint()
    row = pl.int_range(pl.len())
    broken = trades.with_columns(pl.when(row.is_in(bad)).then(-1.0).otherwise("price").alias("price")).slice(1_000)
    earliest = min(position for position in bad if position >= 1_000)
    with pytest.raises(rb.RangeBarError, match=rf"row {earliest - 1_000} of the frame \(row .* of symbol="):
        stream.push(broken)
    assert stream.checkpoint() == before
    untouched = rb.BarStream(50, by="symbol", **windows)
    untouched.push(first)
    assert_same_bars(stream.push(second), untouched.push(second))


COUNT = """
import hashlib
import polars as pl
from tests._arrangements import ARRANGEMENTS, arranged
import rangebar_polars as rb

def say(what, frame):
    content = frame.rechunk().write_ipc(None).getvalue()
    print(what, frame.height, hashlib.sha256(content).hexdigest(), pl.thread_pool_size())

for arrangement in ARRANGEMENTS:
    trades = arranged(arrangement)
    for options in ({}, {"intra": True, "lookback": 50}, {"footprint": 0.5}, {"reset": "1d"}):
        for frame in (trades, pl.concat([*trades.iter_slices(40_000)], rechunk=False)):
            for rule in (50, rb.Ticks(3)):
                bars = frame.rangebar.bars(rule, by="symbol", include_incomplete=True, **options)
                say(arrangement, bars)
            if not options:
                say(arrangement, frame.rangebar.with_bar_id(50, by="symbol"))
"""
RUNS = len(ARRANGEMENTS) * (4 * 2 * 2 + 2)


def test_the_number_of_threads_does_not_show() -> None:
    def said(threads: int) -> list[list[str]]:
        out = run_alone(COUNT, POLARS_MAX_THREADS=str(threads))
        lines = [line.split() for line in out.splitlines()]
        assert len(lines) == RUNS
        assert {line.pop() for line in lines} == {str(threads)}
        return lines

    assert said(1) == said(2) == said(8)


FIRST = """
import random
import polars as pl
from tests._arrangements import ARRANGEMENTS, arranged
import rangebar_polars as rb

chance, row = random.Random(0), pl.int_range(pl.len())
for arrangement in ARRANGEMENTS:
    trades = arranged(arrangement)
    seen = trades.select(pl.int_range(1, pl.len() + 1).over("symbol")).to_series()
    for number in range(12):
        near = chance.randrange(trades.height)
        bad = {chance.randrange(near, min(near + 10 ** (number % 5) + 1, trades.height)) for _ in range(4)}
        most = chance.choice([1_000_000, 5_000, 30_000])
        broken = trades.with_columns(pl.when(row.is_in(bad)).then(-1.0).otherwise("price").alias("price"))
        options = chance.choice([{}, {"intra": True}])
        stream = rb.BarStream(rb.Ticks(10_000_000), by="symbol", max_bar_trades=most, **options)
        try:
            stream.push(broken)
        except rb.RangeBarError as error:
            long = (seen > most).arg_max() if seen.max() > most else trades.height
            first = min(*bad, long)
            symbol = trades["symbol"][first]
            told = f'the bar of symbol="{symbol}"' if first < min(bad) else f"at row {first} of the frame ("
            assert told in str(error), (arrangement, sorted(bad), most, first, error)
            print(error)
"""


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_what_comes_first_is_told(threads: int) -> None:
    """The earliest row that is bad, or that makes a bar too long, whatever order groups and threads come in."""
    assert len(run_alone(FIRST, POLARS_MAX_THREADS=str(threads)).splitlines()) == 12 * len(ARRANGEMENTS)
