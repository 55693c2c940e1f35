"""Oracle layer for Renko bricks: every brick against a slow loop, by every route, in any cut; laws; a real day."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._bricks import ROUTES, Case, cases, oracle_bricks, slow
from tests._oracle import fixed
from tests._routes import Engine, assert_same_bars, engines
from tests._source import BATCH_ROWS, Recorder
from tests._streams import CUTS, cut, frame_of
from tests.strategies import SOME_LONG

if TYPE_CHECKING:
    from collections.abc import Sequence

# ---------------------------------------------------------------------------------------- the oracle


@pytest.mark.parametrize("route", ROUTES)
@given(case=cases(repeats=SOME_LONG))
def test_every_brick(route: str, case: Case) -> None:
    assert_same_bars(ROUTES[route](case), oracle_bricks(case))


def test_most_cases_have_bricks() -> None:
    counts: list[int] = []

    @given(case=cases(min_rows=5))
    def count(case: Case) -> None:
        counts.append(case.bricks().height)

    count()
    assert sum(count > 0 for count in counts) > len(counts) / 2


@engines
@given(case=cases(repeats=SOME_LONG), where=CUTS)
def test_in_any_chunks(engine: Engine, case: Case, where: list[float]) -> None:
    chunks = pl.concat(cut(case.frame, where), rechunk=False)
    assert_same_bars(case.bricks(chunks.lazy()).collect(engine=engine), case.bricks())
    assert_same_bars(ROUTES["expression-in-memory"](Case(chunks, case.by, case.size, case.options)), case.bricks())


@pytest.mark.parametrize("rows", [1, 7])
def test_in_small_morsels(rows: int) -> None:
    @given(case=cases())
    def same(case: Case) -> None:
        assert_same_bars(case.bricks(case.frame.lazy()).collect(engine="streaming"), case.bricks())

    with pl.Config():
        pl.Config.set_streaming_chunk_size(rows)
        same()


@given(case=cases(min_keys=1))
def test_groups_do_not_know_of_each_other(case: Case) -> None:
    bricks = case.bricks()
    for key, own in case.frame.partition_by(case.by, as_dict=True).items():
        alone = Case(own, [], case.size, case.options).bricks()
        is_own = pl.all_horizontal(
            pl.col(name).eq_missing(pl.lit(value, own.schema[name])) for name, value in zip(case.by, key, strict=True)
        )
        assert_same_bars(bricks.filter(is_own).drop(case.by), alone)


@given(case=cases(min_keys=1), data=st.data())
def test_a_query_over_bricks_is_one_over_the_collected_ones(case: Case, data: st.DataObject) -> None:
    bricks = case.bricks()
    names = data.draw(st.lists(st.sampled_from(bricks.columns), min_size=1, unique=True))
    key = pl.lit(True) if case.frame.is_empty() else pl.col(case.by[0]) == case.frame[case.by[0]][0]
    for predicate in (pl.col("direction") > 0, pl.col("row") > 5, key, key & (pl.col("close") > 1.0)):
        lazy = case.bricks(case.frame.lazy()).filter(predicate).select(names)
        assert_same_bars(lazy.collect(), bricks.filter(predicate).select(names))
    assert_same_bars(case.bricks(case.frame.lazy()).head(2).collect(), bricks.head(2))
    assert case.bricks(case.frame.lazy()).select(pl.len()).collect().item() == bricks.height


# ------------------------------------------------------------------------------------------------ laws


@given(case=cases(max_keys=0, repeats=SOME_LONG))
def test_bricks_hang_together(case: Case) -> None:
    """A brick begins where the one before ended, after a turn one size from there; no move is lost."""
    raw = case.raw()
    bricks = slow(raw, case.size_at)
    units = [(fixed(b["open"], case.decimals), fixed(b["close"], case.decimals)) for b in case.bricks().to_dicts()]
    if max(raw, default=0) < 2**53:  # beyond, a double is not a price of these decimals any more
        assert units == [(brick.open, brick.close) for brick in bricks]
    for before, brick in pairwise(bricks):
        turned = brick.direction != before.direction
        assert brick.open - before.close == brick.direction * turned * case.size_at(before.close)
        if "points" in case.size:
            assert brick.open == (before.open if turned else before.close)
    if raw:
        turns = sum(brick.open - before.close for before, brick in pairwise(bricks))
        end = bricks[-1].close if bricks else raw[0]
        assert raw[0] + turns + sum(brick.close - brick.open for brick in bricks) == end
        x, way = case.size_at(end), bricks[-1].direction if bricks else 0
        assert end - (2 if way > 0 else 1) * x < raw[-1] < end + (2 if way < 0 else 1) * x


@given(case=cases(max_keys=0))
def test_prices_that_stand_still_say_nothing(case: Case) -> None:
    """Repeated prices change rows, and nothing else."""
    doubled = case.frame[[row for row in range(case.frame.height) for _ in range(2)]]
    assert_same_bars(case.bricks(doubled).drop("row", "time"), case.bricks().drop("row", "time"))
    assert (case.bricks(doubled)["row"] == 2 * case.bricks()["row"]).all()


# --------------------------------------------------------------------------------------------- by hand


def ends(prices: Sequence[float], **size: Any) -> list[tuple[float, float, int]]:
    return frame_of([float(price) for price in prices]).rangebar.renko(**size).select("open", "close", "row").rows()


def test_bricks_by_hand() -> None:
    assert ends([10, 10.9, 11], points=1) == [(10, 11, 2)]
    assert ends([10, 9.1, 9], points=1) == [(10, 9, 2)]  # either way takes one at first
    assert ends([10, 13.5], points=1) == [(10, 11, 1), (11, 12, 1), (12, 13, 1)]
    assert ends([10, 12, 11, 10.1, 10], points=1) == [(10, 11, 1), (11, 12, 1), (11, 10, 4)]
    assert ends([10, 12, 8], points=1) == [(10, 11, 1), (11, 12, 1), (11, 10, 2), (10, 9, 2), (9, 8, 2)]
    assert ends([0.1, 0.3], points=0.1) == [(0.1, 0.2, 1), (0.2, 0.3, 1)]  # 0.1 + 0.2 is not 0.3 in doubles
    assert ends([100, 101, 102.01, 99.9], dbps=1_000) == [(100, 101, 1), (101, 102.01, 2), (100.9899, 99.9698, 3)]
    assert ends([5], points=1) == []
    assert frame_of([5.0]).clear().rangebar.renko(points=1).is_empty()


def test_the_real_day(btcusdt_day: pl.DataFrame) -> None:
    for size in ({"points": 50.0}, {"dbps": 100}):
        case = Case(btcusdt_day.select("timestamp", "price"), [], size, {})
        expected = oracle_bricks(case)
        assert expected.height > 100
        for route in ROUTES.values():
            assert_same_bars(route(case), expected)


# ------------------------------------------------------------------------------------------ what is read


def test_only_what_is_needed_is_read() -> None:
    trades = rb.datasets.sample_trades(20_000, symbols=["A", "B"])
    source = Recorder(trades)
    bricks = source.scan().rangebar.renko(dbps=20, by="symbol")
    whole = bricks.collect()
    assert source.columns[-1] == {"symbol", "timestamp", "price"}
    assert_same_bars(bricks.filter(symbol="B").collect(), whole.filter(symbol="B"))
    assert "symbol" in source.predicates[-1]
    source.rows = 0
    assert bricks.head(3).collect().equals(whole.head(3))
    assert source.rows <= 10 * BATCH_ROWS


def test_wild_prices_go_out_in_parts() -> None:
    """A brick of one unit: each trade completes 100,000 bricks, and no frame has more than a few hundred thousand."""
    prices = [100.0, 100.001] * 6
    trades = frame_of(prices)
    batches = trades.lazy().rangebar.renko(points=1e-8).collect_batches(maintain_order=True)
    assert sum(batch.height for batch in batches) == trades.rangebar.renko(points=1e-8).height == 100_000 + 10 * 99_999
    keyed = pl.concat([trades.with_columns(key=pl.lit(key)) for key in range(3)]).sort("timestamp", maintain_order=True)
    bricks = keyed.lazy().rangebar.renko(points=1e-8, by="key").collect()
    alone = trades.rangebar.renko(points=1e-8)
    assert all(bricks.filter(key=key).drop("key").equals(alone) for key in range(3))
    assert bricks["time"].is_sorted()
