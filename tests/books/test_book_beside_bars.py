"""The recipe of the page, which puts a book beside bars, against a loop over states."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._paths import ROOT

Recipe = Callable[[pl.DataFrame, pl.DataFrame, list[str], list[str]], pl.DataFrame]
TRADES, UPDATES = rb.datasets.sample_trades(8_000, seed=2), rb.datasets.sample_book_updates(8_000, depth=8, seed=2)
NAMES = ["mid", "book_imbalance_5", "quote_ofi_1"]
MEANS = ["mid", "book_imbalance_5"]


@pytest.fixture(scope="module")
def with_book() -> Recipe:
    """The function as the page has it."""
    examples = doctest.DocTestParser().get_examples((ROOT / "docs/order_books.md").read_text())
    (source,) = (example.source for example in examples if example.source.startswith("def with_book"))
    scope: dict[str, Any] = {"pl": pl}
    exec(compile(source, "order_books.md", "exec"), scope)
    recipe: Recipe = scope["with_book"]
    return recipe


def _known(states: list[dict[str, Any]], time: datetime) -> dict[str, Any]:
    before = [state for state in states if state["time"] < time]
    return before[-1] if before else dict.fromkeys(states[0])


def _mean(states: list[dict[str, Any]], name: str, begin: datetime, end: datetime) -> float | None:
    """The integral by its definition: each state from when it came to the next one, as far as it is in the bar."""
    total = length = 0.0
    ends = [state["time"] for state in states[1:]] + [datetime.max.replace(tzinfo=UTC)]
    for state, until in zip(states, ends, strict=True):
        inside = (min(until, end) - max(state["time"], begin)) / timedelta(microseconds=1)
        if inside > 0 and state[name] is not None:
            total += state[name] * inside
            length += inside
    return total / length if length else None


def _check(recipe: Recipe, bars: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    joined = recipe(bars, states, NAMES, MEANS)
    assert joined.columns == [
        *bars.columns, *(f"{end}_{name}" for end in ("open", "close") for name in NAMES), *(f"mean_{x}" for x in MEANS)
    ]  # fmt: skip
    rows = states.select("time", *NAMES).rows(named=True)
    for bar in joined.rows(named=True):
        for end in ("open", "close"):
            known = _known(rows, bar[f"{end}_time"])
            assert [bar[f"{end}_{name}"] for name in NAMES] == [known[name] for name in NAMES]
        for name in MEANS:
            mean, inside = bar[f"mean_{name}"], _mean(rows, name, bar["open_time"], bar["close_time"])
            assert (mean is None) == (inside is None)
            assert inside is None or mean == pytest.approx(inside, rel=1e-9, abs=1e-9)
    return joined


@pytest.mark.parametrize("sample", ["event", "change", "1s"])
def test_it_is_as_a_loop_has_it(with_book: Recipe, sample: str) -> None:
    states = UPDATES.rangebar.book(depth=5, sample=sample)
    joined = _check(with_book, TRADES.rangebar.bars(50, include_incomplete=True), states)
    assert joined["mean_mid"].null_count() < joined.height / 2


def test_events_and_changes_give_the_same(with_book: Recipe) -> None:
    bars = TRADES.rangebar.bars(20)
    names = ["mid", "book_imbalance_5"]
    every, changes = (
        with_book(bars, UPDATES.rangebar.book(depth=5, sample=sample), names, names) for sample in ("event", "change")
    )
    means = pl.col("^mean_.*$")
    assert every.select(pl.exclude("^mean_.*$")).equals(changes.select(pl.exclude("^mean_.*$")))
    assert every.select(means.round(6)).equals(changes.select(means.round(6)))


def test_an_unknown_book_is_left_out(with_book: Recipe) -> None:
    """A hole in the middle: nulls while it lasts, means over the rest."""
    ids = UPDATES["last_update_id"]
    lost, again = ids[UPDATES.height // 4], ids[UPDATES.height // 2]
    book = rb.BookStream(depth=8, features=["levels"])
    whole = pl.concat([book.push(UPDATES.filter(pl.col("last_update_id") < again)), book.flush()]).tail(1)
    sides = [
        whole.select(
            pl.lit(side == "bid").alias("is_bid"),
            pl.col(f"{side}_{level}").alias("price"),
            pl.col(f"{side}_size_{level}").alias("quantity"),
        )
        for side in ("bid", "ask")
        for level in range(1, 9)
    ]
    first = UPDATES.filter(pl.col("last_update_id") == again)["timestamp"][0]
    snapshot = pl.concat(sides).with_columns(
        pl.lit("BTCUSDT").alias("symbol"),
        pl.lit(first).cast(UPDATES.schema["timestamp"]).alias("timestamp"),
        pl.lit(again - 1).alias("first_update_id"),
        pl.lit(again - 1).alias("last_update_id"),
        pl.lit(value=True).alias("is_snapshot"),
    )
    before = UPDATES.filter(
        pl.col("last_update_id").is_between(lost, lost + 1).not_(), pl.col("last_update_id") < again
    )
    updates = pl.concat(
        [
            before,
            snapshot.select(pl.col(name).cast(dtype) for name, dtype in UPDATES.schema.items()),
            UPDATES.filter(pl.col("last_update_id") >= again),
        ]
    )
    states = updates.rangebar.book(depth=5, sample="change")
    assert not states["is_valid"].all()
    joined = _check(with_book, TRADES.rangebar.bars(50), states)
    assert joined["close_mid"].null_count() > 1
