"""Heat maps of order books: which cells are drawn, how states and levels are merged, what is refused, the picture."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from rangebar_polars import RangeBarError
from rangebar_polars.datasets import sample_book_updates, sample_trades
from rangebar_polars.plotting import plot_depth
from rangebar_polars.plotting._depth import _marks
from rangebar_polars.plotting._levels import level_columns, levels_of

pytest.importorskip("altair")
DEPTH = 5
TRADES = sample_trades(3_000)
BARS = TRADES.rangebar.bars(10)
BOOKS = sample_book_updates(3_000).rangebar.book(depth=DEPTH, features=["levels"], by="symbol")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ENOUGH = 1_000_000

Level = tuple[bool, float, float]


def _books(rows: list[dict[str, float | None]], every: timedelta = timedelta(seconds=1)) -> pl.DataFrame:
    """Hand-made states, one a second."""
    times = pl.DataFrame({"time": [NOON + every * row for row in range(len(rows))]}, {"time": pl.Datetime("us", "UTC")})
    depth = max(int(name.rpartition("_")[2]) for row in rows for name in row)
    return times.hstack(pl.DataFrame(rows, dict.fromkeys(level_columns(depth), pl.Float64)))


def _levels(books: pl.DataFrame, **most: int) -> Any:
    found = levels_of(books, DEPTH, **{"most_columns": ENOUGH, "most_rows": ENOUGH} | most)
    assert found is not None
    return found


def _state(row: dict[str, Any]) -> list[Level]:
    sides = [
        (side == "bid", row[f"{side}_{n}"], row[f"{side}_size_{n}"]) for side in ("bid", "ask") for n in range(1, 6)
    ]
    return sorted(level for level in sides if level[1] is not None)


def _at(cells: pl.DataFrame, ms: float) -> list[Level]:
    there = cells.filter(pl.col("left") <= ms, pl.col("right") > ms)
    return sorted(there.select("is_bid", (pl.col("low") + pl.col("high")) / 2, "size").rows())


def _same(one: list[Level], other: list[Level]) -> bool:
    return len(one) == len(other) and all(a == pytest.approx(b, rel=1e-9) for a, b in zip(one, other, strict=True))


def _ms(time: datetime) -> float:
    return time.timestamp() * 1_000


def _spec(chart: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(chart.to_json())
    return spec


# ----------------------------------------------------------------------------------------------- cells


def test_the_cells_are_the_book_at_every_time() -> None:
    books = BOOKS.slice(200, 300)
    found = _levels(books)
    assert (found.merged, found.span, found.tick) == (1, None, 1)
    for row, after in pairwise(books.rows(named=True)):
        for ms in (_ms(row["time"]), (_ms(row["time"]) + _ms(after["time"])) / 2):
            assert _same(_at(found.cells, ms), _state(row))
    assert found.best["at"].is_sorted()
    assert found.best["bid"][:-1].equals(books["bid_1"].rename("bid"))


def test_a_level_that_does_not_change_is_one_cell() -> None:
    same: dict[str, float | None] = {"bid_1": 9.0, "bid_size_1": 1.0, "ask_1": 10.0, "ask_size_1": 2.0}
    cells = levels_of(_books([same, same, same | {"ask_size_1": 3.0}, same]), 1, most_columns=9, most_rows=9)
    assert cells is not None
    noon = _ms(NOON)
    rows = cells.cells.select((pl.col("left") - noon) / 1000, (pl.col("right") - noon) / 1000, "low", "size").rows()
    assert rows == [(0, 4, 8.5, 1), (0, 2, 9.5, 2), (2, 3, 9.5, 3), (3, 4, 9.5, 2)]


@pytest.mark.parametrize("most", [1, 7, 50, 200])
def test_a_column_is_the_book_at_its_end(most: int) -> None:
    found = _levels(BOOKS, most_columns=most)
    columns = found.best["at"].to_list()
    assert len(columns) <= most + 1
    assert found.span is not None
    for left, right in pairwise(columns):
        step = min(b - a for a, b in pairwise(columns))
        state = BOOKS.filter(pl.col("time").dt.timestamp("us") / 1_000 < left + step).row(-1, named=True)
        assert _same(_at(found.cells, left), _state(state))
        assert _same(_at(found.cells, (left + right) / 2), _state(state))


@pytest.mark.parametrize("most", [1, 2, 9, 40])
def test_rows_add_up(most: int) -> None:
    books = BOOKS.slice(200, 100)
    found = _levels(books, most_rows=most)
    rows = ((found.cells["high"] / float(found.tick)).ceil() + 1).n_unique()
    assert rows <= most + 1
    for row in books.rows(named=True)[:-1]:
        there, state = _at(found.cells, _ms(row["time"])), _state(row)
        for side in (True, False):
            total = sum(size for is_bid, _, size in there if is_bid == side)
            assert total == pytest.approx(sum(size for is_bid, _, size in state if is_bid == side))
    # No two cells lie over each other, though a row may have both sides.
    ordered = found.cells.filter(pl.col("left") == pl.col("left").min()).sort("low")
    assert (ordered["high"][:-1] <= ordered["low"][1:] + 1e-9).all()


def test_what_is_invalid_stays_blank() -> None:
    state: dict[str, float | None] = {"bid_1": 9.0, "bid_size_1": 1.0, "ask_1": 10.0, "ask_size_1": 2.0}
    found = levels_of(_books([state, dict.fromkeys(state), state]), 1, most_columns=9, most_rows=9)
    assert found is not None
    noon = _ms(NOON)
    assert [len(_at(found.cells, noon + ms)) for ms in (500, 1500, 2500)] == [2, 0, 2]
    assert found.best["bid"].to_list() == [9.0, None, 9.0, 9.0]


@pytest.mark.parametrize(
    ("every", "most", "span"),
    [
        (timedelta(microseconds=1), 50, "2 us"),
        (timedelta(milliseconds=10), 10, "100 ms"),
        (timedelta(seconds=1), 10, "10 s"),
        (timedelta(minutes=1), 10, "10 min"),
        (timedelta(hours=1), 10, "12 h"),
        (timedelta(days=1), 10, "11 d"),
    ],
)
def test_lengths_of_columns_are_round(every: timedelta, most: int, span: str) -> None:
    state: dict[str, float | None] = {"bid_1": 9.0, "bid_size_1": 1.0, "ask_1": 10.0, "ask_size_1": 2.0}
    found = levels_of(_books([state] * 100, every), 1, most_columns=most, most_rows=9)
    assert found is not None
    assert found.span == span


# ---------------------------------------------------------------------------------------------- pictures


def test_the_title_says_what_was_merged() -> None:
    one = plot_depth(BOOKS.slice(200, 100), depth=2)
    assert (one.title.text, one.title.subtitle) == ("BTCUSDT, 100 states", ["levels of 1"])
    several = plot_depth(BOOKS, trades=TRADES, width=600, height=60)
    (told,) = several.title.subtitle
    assert re.match(r"rows of (\d+), \1 ticks in each · each column is \d+ (s|ms), the book", told)
    assert told.endswith(", the book at its end · trades merged by side and time")
    assert len(plot_depth(BOOKS, trades=TRADES, width=300).title.subtitle) == 3
    assert plot_depth(BOOKS, title="mine").title.text == "mine"


def test_cells_are_no_more_than_asked_for() -> None:
    for most in (1_000, 3_000):
        spec = _spec(plot_depth(BOOKS, max_cells=most))
        cells = [layer for layer in spec["layer"] if layer["mark"]["type"] == "rect"]
        assert 0 < sum(len(spec["datasets"][layer["data"]["name"]]) for layer in cells) <= most


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_times_are_utc_whatever_unit_and_zone(unit: Any, zone: str | None) -> None:
    def as_asked(name: str) -> pl.Expr:
        time = pl.col(name).cast(pl.Datetime(unit, "UTC"))
        return time.dt.convert_time_zone(zone) if zone else time.dt.replace_time_zone(None)

    books, bars = BOOKS.slice(200, 50), BARS.with_columns(as_asked("open_time"), as_asked("close_time"))
    frames = {"bars": bars, "trades": TRADES.with_columns(as_asked("timestamp"))}
    drawn = _spec(plot_depth(books.with_columns(as_asked("time")), **frames))
    assert drawn["datasets"] == _spec(plot_depth(books, bars=BARS, trades=TRADES))["datasets"]


def test_integer_times_have_their_unit() -> None:
    books = BOOKS.head(50)
    numbers = books.with_columns(pl.col("time").dt.epoch("ms"))
    trades = TRADES.with_columns(pl.col("timestamp").dt.epoch("ms"))
    bars = trades.rangebar.bars(10, time_unit="ms")
    drawn = _spec(plot_depth(numbers, bars=bars, trades=trades, time_unit="ms"))
    assert drawn["datasets"] == _spec(plot_depth(books, bars=BARS, trades=TRADES))["datasets"]


def test_trades_are_merged_by_side() -> None:
    first, last = (_ms(TRADES["timestamp"][row]) for row in (0, -1))
    few, are_merged = _marks(TRADES.head(500), None, {}, (first, last), 1_000.0)
    assert not are_merged
    assert few.height == 500
    many, are_merged = _marks(TRADES, None, {}, (first, last), 1_000.0)
    assert are_merged
    assert many.height < 1_500
    sides = many.group_by("side").agg(pl.col("quantity").sum(), paid=(pl.col("price") * pl.col("quantity")).sum())
    for side, quantity, paid in sides.rows():
        own = TRADES.filter(pl.col("is_buyer_maker") == (side == "sold"))
        assert quantity == pytest.approx(own["quantity"].sum())
        assert paid == pytest.approx((own["price"] * own["quantity"]).sum())
    plain, _ = _marks(TRADES.drop("is_buyer_maker"), None, {}, (first, last), 1_000.0)
    assert plain["side"].unique().to_list() == ["traded"]


def test_bars_and_trades_lie_over_the_cells() -> None:
    books = BOOKS.slice(200, 400)
    spec = _spec(plot_depth(books, bars=BARS, trades=TRADES))
    assert [layer["mark"]["type"] for layer in spec["layer"]] == [
        "rect",
        "rect",
        "line",
        "line",
        "rule",
        "rect",
        "point",
    ]
    candles = spec["datasets"][spec["layer"][4]["data"]["name"]]
    first, last = _ms(books["time"][0]), _ms(books["time"][-1])
    assert (
        len(candles)
        == BARS.filter(pl.col("close_time") > books["time"][0], pl.col("open_time") <= books["time"][-1]).height
    )
    assert all(candle["left"] <= last + 60_000 and candle["right"] >= first for candle in candles)


def test_only_the_columns_needed_are_read() -> None:
    lazy = BOOKS.lazy().with_columns(other=pl.col("time").map_batches(lambda _: 1 / 0, return_dtype=pl.Int64))
    assert _spec(plot_depth(lazy))["datasets"] == _spec(plot_depth(BOOKS))["datasets"]


def test_what_is_no_number_is_left_out() -> None:
    third = pl.int_range(pl.len()) % 3 == 0
    for name, value in (("bid_size_1", float("nan")), ("ask_1", float("inf")), ("ask_size_1", 0.0), ("bid_1", None)):
        books = BOOKS.slice(200, 90).with_columns(pl.when(third).then(value).otherwise(name).alias(name))
        found = _levels(books).cells
        assert found.select(pl.col("low", "high", "size").is_finite().all()).row(0) == (True, True, True)
    trades = TRADES.with_columns(quantity=float("nan"))
    assert _spec(plot_depth(BOOKS, trades=trades))["layer"][-1]["mark"]["type"] == "point"


def test_one_side_is_enough() -> None:
    bids = BOOKS.head(20).with_columns(
        pl.lit(None, pl.Float64).alias(f"ask{n}_{k}") for n in ("", "_size") for k in range(1, 6)
    )
    assert [layer["mark"]["type"] for layer in _spec(plot_depth(bids))["layer"]] == ["rect", "line", "line"]


TWO = pl.concat([BOOKS.head(2), BOOKS.head(2).with_columns(symbol=pl.lit("ETHUSDT"))])
REFUSED: dict[str, tuple[Any, str]] = {
    "several symbols": (
        lambda: plot_depth(TWO),
        r"the books hold 2 groups, the first .* symbol='BTCUSDT': .*`books.filter\(pl.col\('symbol'\) == 'BTCUSDT'",
    ),
    "several symbols of trades": (
        lambda: plot_depth(BOOKS, trades=sample_trades(10, symbols=["BTCUSDT", "ETHUSDT"])),
        r"the trades hold 2 groups, .*`trades.filter\(pl.col\('symbol'\) == 'BTCUSDT'\)`",
    ),
    "another symbol": (
        lambda: plot_depth(BOOKS, trades=sample_trades(10, symbols="ETHUSDT")),
        "the trades are of symbol='ETHUSDT', the books of symbol='BTCUSDT': filter one of them",
    ),
    "another symbol of bars": (
        lambda: plot_depth(BOOKS, bars=BARS.select(pl.lit("ETHUSDT").alias("symbol"), pl.all())),
        "the bars are of symbol='ETHUSDT', the books of symbol='BTCUSDT'",
    ),
    "updates": (lambda: plot_depth(sample_book_updates(10)), "column `time` not found.*make states with"),
    "without levels": (
        lambda: plot_depth(BOOKS.select("time")),
        r"column `bid_1` not found.*the books need their levels, as in `updates.rangebar.book\(",
    ),
    "a level is missing": (lambda: plot_depth(BOOKS.drop("ask_size_2")), "column `ask_size_2` not found"),
    "text": (lambda: plot_depth(BOOKS.cast({"bid_1": pl.String})), "column `bid_1` must be numeric, got String"),
    "too deep": (
        lambda: plot_depth(BOOKS, depth=6),
        r"`depth` must be an integer in 1..5, which is what the books have",
    ),
    "no depth": (lambda: plot_depth(BOOKS, depth=True), "`depth` must be an integer in 1..5"),
    "no flag": (lambda: plot_depth(BOOKS, log=1), "`log` must be True or False, got 1"),
    "no theme": (lambda: plot_depth(BOOKS, theme="red"), '`theme` must be "light", "dark" or None'),
    "too small": (lambda: plot_depth(BOOKS, width=10), "`width` must be an integer of at least 50, got 10"),
    "too few cells": (
        lambda: plot_depth(BOOKS, max_cells=10),
        "`max_cells` must be an integer of at least 1000, got 10",
    ),
    "no states": (lambda: plot_depth(BOOKS.clear()), "there is nothing to draw: the books have no state with a level"),
    "no levels": (
        lambda: plot_depth(BOOKS.with_columns(pl.lit(None, pl.Float64).alias(name) for name in level_columns(5))),
        "there is nothing to draw",
    ),
    "a time is null": (
        lambda: plot_depth(BOOKS.with_columns(time=pl.when(pl.int_range(pl.len()) != 3).then("time"))),
        "column `time` of the books must not be null, got None in row 3: drop such rows",
    ),
    "integers": (
        lambda: plot_depth(BOOKS.with_columns(pl.col("time").to_physical())),
        "column `time` is Int64: give its unit with `time_unit=",
    ),
    "no bars": (lambda: plot_depth(BOOKS, bars=TRADES), "column `open_time` not found"),
    "no trades": (lambda: plot_depth(BOOKS, trades=BARS), "column `timestamp` not found"),
    "books where bars are expected": (
        BOOKS.head(9).rangebar.plot,
        "these are states of an order book, not bars: draw them with `rb.plotting.plot_depth",
    ),
    "a bar without a price": (
        lambda: plot_depth(BOOKS, bars=BARS.with_columns(low=pl.lit(None, pl.Float64))),
        "column `low` must not be null or NaN, got None at bar 0",
    ),
    "no frame": (lambda: plot_depth([1]), "`plot_depth` takes a Polars LazyFrame or DataFrame"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises(RangeBarError, match=text):
        call()


@pytest.mark.parametrize("theme", ["light", "dark", None])
@pytest.mark.parametrize("form", ["png", "svg"])
def test_it_renders(theme: Any, form: str) -> None:
    pytest.importorskip("vl_convert")
    out = io.BytesIO() if form == "png" else io.StringIO()
    plot_depth(BOOKS.slice(200, 300), bars=BARS, trades=TRADES, log=True, theme=theme).save(out, format=form)
    assert len(out.getvalue()) > 10_000
