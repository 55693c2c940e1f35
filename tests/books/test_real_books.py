"""Oracle layer, real books: depth updates of BTCUSDT as the venue sent them, against dicts and its own best quotes."""

from __future__ import annotations

from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import Engine, assert_same_bars, engines

if TYPE_CHECKING:
    from pathlib import Path

FUTURES = {"last_update_id": "final_update_id", "previous_update_id": "prev_final_update_id"}
SPOT = {"last_update_id": "final_update_id"}
FILES = {"usdm_btcusdt_20240808_depth": FUTURES, "spot_btcusdt_20240809_depth": SPOT}
EVENTS = {"usdm_btcusdt_20240808_depth": 6_551, "spot_btcusdt_20240809_depth": 3_044}
QUOTE = ("bid", "ask", "bid_size", "ask_size")
files = pytest.mark.parametrize("name", FILES)


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "hftbacktest_binance_l2"


def books(updates: Any, name: str, depth: int = 10, **options: Any) -> Any:
    return updates.rangebar.book(depth, quantity="qty", **FILES[name], **options)


@files
def test_levels_are_those_of_dicts(folder: Path, name: str) -> None:
    updates = pl.read_parquet(folder / f"{name}.parquet")
    found = books(updates, name, features=["levels"])
    assert found.height == EVENTS[name]
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    columns = (updates["final_update_id"], updates["is_bid"], updates["price"], updates["qty"])
    before, event, checked = None, -1, 0
    for row, (message, is_bid, price, quantity) in enumerate(zip(*columns, strict=True)):
        if message != before:
            event, before = event + 1, message
        side = sides[0 if is_bid else 1]
        side[price] = quantity
        if not quantity:
            del side[price]
        is_last = row + 1 == updates.height or columns[0][row + 1] != message
        if is_last and (event % 50 == 0 or event + 1 == found.height):
            cells = found.row(event, named=True)
            for word, best in (("bid", nlargest(10, sides[0])), ("ask", nsmallest(10, sides[1]))):
                levels = sides[0] if word == "bid" else sides[1]
                for rank in range(10):
                    expected = (best[rank], levels[best[rank]]) if rank < len(best) else (None, None)
                    assert (cells[f"{word}_{rank + 1}"], cells[f"{word}_size_{rank + 1}"]) == expected
            checked += 1
    assert checked == (found.height - 1) // 50 + 1 + ((found.height - 1) % 50 > 0)


@files
def test_what_updates_do_is_that_of_dicts(folder: Path, name: str) -> None:
    """What the updates of each message add, reduce and delete, and how long best bids and asks were away."""
    updates = pl.read_parquet(folder / f"{name}.parquet")
    found = books(updates, name, features=["update_counts", "resiliency"]).with_columns(pl.col("time").to_physical())
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    bests, gone = [float("-inf")] * 2, [dict[float, int](), dict[float, int]()]
    messages = updates.group_by(pl.col("final_update_id").rle_id(), maintain_order=True)
    came_back = 0
    for cells, (_, message) in zip(found.iter_rows(named=True), messages, strict=True):
        done = dict.fromkeys((f"{word}_{does}" for word in ("bid", "ask") for does in ("add", "reduce", "delete")), 0)
        for is_bid, price, quantity in message.select("is_bid", "price", "qty").iter_rows():
            side, word = (sides[0], "bid") if is_bid else (sides[1], "ask")
            before = side.get(price, 0.0)
            if quantity != before:
                done[f"{word}_{'add' if quantity > before else 'reduce' if quantity else 'delete'}"] += 1
            side[price] = quantity
            if not quantity:
                del side[price]
        waits: list[list[int]] = [[], []]
        now = cells["time"]
        for place, (side, sign) in enumerate(zip(sides, (1, -1), strict=True)):
            best = max((sign * price for price in side), default=float("-inf"))
            waits[place] = [now - went for price, went in gone[place].items() if price <= best]
            gone[place] = {price: went for price, went in gone[place].items() if price > best}
            if best < bests[place]:
                gone[place] = dict([*gone[place].items(), (bests[place], now)][-10:])
            bests[place] = best
        if cells["bid_add_count"] is None:  # the first message
            continue
        assert {name: cells[f"{name}_count"] for name in done} == done
        for word, away in zip(("bid", "ask"), waits, strict=True):
            expected = sum(away) / (len(away) * 1_000_000_000) if away else None
            assert cells[f"{word}_resiliency"] == expected
            came_back += len(away)
    assert found["bid_add_count"].null_count() == 1
    assert came_back > 100


@files
@engines
@pytest.mark.parametrize("sample", ["event", "change", "100ms"])
def test_every_route(folder: Path, name: str, sample: str, engine: Engine) -> None:
    scanned = pl.scan_parquet(folder / f"{name}.parquet")
    updates = scanned.collect()
    whole = books(updates, name, sample=sample, cost_of=[1, 50])
    assert_same_bars(books(scanned, name, sample=sample, cost_of=[1, 50]).collect(engine=engine), whole)
    pieces = pl.concat(list(updates.iter_slices(7_777)), rechunk=False).lazy()
    assert_same_bars(books(pieces, name, sample=sample, cost_of=[1, 50]).collect(engine=engine), whole)
    expression = rb.book(quantity="qty", **FILES[name], sample=sample, cost_of=[1, 50])
    assert_same_bars(scanned.select(expression).unnest("book").collect(engine=engine), whole)
    assert whole["is_valid"].all()
    assert not whole["is_crossed"].any()
    assert whole["hole_count"].sum() == 0
    assert whole["update_count"].sum() <= updates.height


def test_holes_are_found(folder: Path) -> None:
    for name in FILES:
        updates = pl.read_parquet(folder / f"{name}.parquet")
        message = updates["final_update_id"].unique(maintain_order=True)[100]
        missing = updates.filter(pl.col("final_update_id") != message)
        found = books(missing, name, features=["mid"])
        assert found["hole_count"].to_list() == [0] * 100 + [1] + [0] * (EVENTS[name] - 102)
        assert found["is_valid"].to_list() == [True] * 100 + [False] * (EVENTS[name] - 101)
        assert found["mid"].null_count() == EVENTS[name] - 101
        with pytest.raises(rb.RangeBarError, match="must follow the message before"):
            books(missing, name, holes="error")
        kept = books(missing, name, holes="keep", features=["mid"])
        assert kept["mid"].null_count() == 0
        assert kept["hole_count"].sum() == 1


def test_the_best_quotes_are_those_of_the_venue(folder: Path) -> None:
    """
    The same minutes as the venue's own stream of best quotes.

    Both streams tell the id up to which they have seen the book. By ids they agree in all four numbers after every one
    of the 6,550 messages from the first quote on. By the clock of the receiver, the last quote before a message differs
    in 36 prices and 476 times in any number: the quotes of what a message changed came before it or after it.
    """
    updates = pl.read_parquet(folder / "usdm_btcusdt_20240808_depth.parquet")
    quotes = pl.read_parquet(folder / "usdm_btcusdt_20240808_bookticker.parquet")
    found = books(updates, "usdm_btcusdt_20240808_depth", depth=1, features=list(QUOTE))
    ids = updates["final_update_id"].unique(maintain_order=True)
    found = found.with_columns(update_id=ids)
    theirs = ("bid_price", "ask_price", "bid_qty", "ask_qty")
    same = [pl.col(own) == pl.col(other) for own, other in zip(QUOTE, theirs, strict=True)]
    by_id = found.join_asof(quotes, on="update_id").drop_nulls("bid_price")
    assert by_id.height == EVENTS["usdm_btcusdt_20240808_depth"] - 1
    assert by_id.select(pl.all_horizontal(same).all()).item()
    exactly = found.join(quotes, on="update_id")
    assert exactly.height == 629
    assert exactly.select(pl.all_horizontal(same).all()).item()
    by_clock = found.join_asof(quotes, left_on="time", right_on="timestamp").drop_nulls("bid_price")
    differ = by_clock.select(prices=~(same[0] & same[1]), any=~pl.all_horizontal(same)).sum()
    assert differ.row(0) == (36, 476)


def test_features_fit_those_of_quotes(folder: Path) -> None:
    """What the expressions over quotes make of the best levels is what the book says itself."""
    name = "usdm_btcusdt_20240808_depth"
    found = books(pl.read_parquet(folder / f"{name}.parquet"), name, depth=3)
    quotes = found.select(
        rb.mid(), rb.spread(), rb.relative_spread(), rb.microprice(), rb.book_imbalance(), rb.quote_ofi()
    )
    for column in ("mid", "relative_spread", "microprice"):
        worst = (quotes[column] / found[column] - 1).abs().max()
        assert isinstance(worst, float)
        assert worst < 1e-9 if column == "relative_spread" else worst < 1e-15
    assert (quotes["spread"] - found["spread"]).abs().max() < 1e-10  # a difference of doubles of 60,000
    assert (quotes["book_imbalance"] - found["book_imbalance_1"]).abs().max() < 1e-15
    flows = (quotes["quote_ofi"] - found["quote_ofi_1"]).abs()
    assert flows.null_count() == 1  # the first event
    assert flows.max() < 1e-9


@files
def test_another_program_has_the_same_levels(folder: Path, name: str) -> None:
    """After each single update, where polars-order-book is installed: it knows no messages."""
    other = pytest.importorskip("polars_order_book")
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    updates = pl.read_parquet(folder / f"{name}.parquet").with_columns(
        row=row, p=(pl.col("price") * 100).round().cast(pl.Int64), q=(pl.col("qty") * 1e5).round().cast(pl.Int64)
    )
    theirs = updates.select(other.top_n_levels_from_price_updates("p", "q", "is_bid", n=5).alias("book")).unnest("book")
    ours = updates.rangebar.book(5, features=["levels"], quantity="qty", batch="row", first_update_id=None)
    for level in range(1, 6):
        for side in ("bid", "ask"):
            for word, own, units in (("price", side, 100), ("qty", f"{side}_size", 1e5)):
                found = (ours[f"{own}_{level}"] * units).round().cast(pl.Int64)
                assert found.to_list() == theirs[f"{side}_{word}_{level}"].to_list()
