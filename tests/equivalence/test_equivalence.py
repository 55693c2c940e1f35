"""Drive equivalence: how the trades arrive never changes a bit of the bars."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given

import rangebar_polars as rb
from tests._oracle import double, fixed
from tests._routes import (
    EVERY_BAR,
    ROUTES,
    Engine,
    assert_same_bars,
    bars_from_ids,
    eager,
    engines,
    oracle_bars,
)
from tests._streams import CUTS, cut
from tests.strategies import SOME_LONG, Trades, any_trades

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(params=[1, 7, 1_000])
def morsel_rows(request: pytest.FixtureRequest) -> Iterator[int]:
    """Rows that the streaming engine hands over at once; the engine reads the setting at every query."""
    with pl.Config():
        pl.Config.set_streaming_chunk_size(request.param)
        yield request.param


@pytest.mark.parametrize("route", ROUTES)
@given(case=any_trades(repeats=SOME_LONG, chunked_frame=False), where=CUTS)
def test_chunking(route: str, case: Trades, where: list[float]) -> None:
    whole = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    pieces = pl.concat(cut(case.frame, where), rechunk=False)
    assert_same_bars(ROUTES[route](pieces, case.threshold_dbps, **case.bar_options, **EVERY_BAR), whole)


@given(case=any_trades(repeats=SOME_LONG, chunked_frame=False), where=CUTS)
def test_columns_chunked_each_in_its_own_way(case: Trades, where: list[float]) -> None:
    whole = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    chunks = pl.concat(cut(case.frame, where), rechunk=False)
    names = case.frame.columns
    mixed = case.frame.with_columns(chunks[name] for name in names[::2])
    for route in ROUTES.values():
        assert_same_bars(route(mixed, case.threshold_dbps, **case.bar_options, **EVERY_BAR), whole)


@engines
@given(case=any_trades(max_rows=60), where=CUTS)
def test_split_into_files(engine: Engine, case: Trades, where: list[float]) -> None:
    whole = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    with tempfile.TemporaryDirectory() as folder:
        for number, piece in enumerate(cut(case.frame, where)):
            piece.write_parquet(Path(folder) / f"{number:03}.parquet", row_group_size=9)
        lake = pl.scan_parquet(Path(folder) / "*.parquet")
        bars = lake.rangebar.bars(case.threshold_dbps, **{**case.bar_options, "by": list(case.by) or None}, **EVERY_BAR)
        assert_same_bars(bars.collect(engine=engine), whole)


@pytest.mark.parametrize("route", ["lazy-streaming", "expression-streaming"])
def test_morsels(route: str, morsel_rows: int) -> None:
    @given(case=any_trades(max_rows=60, repeats=SOME_LONG if morsel_rows > 1 else (1,)))
    def same(case: Trades) -> None:
        got = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
        assert_same_bars(got, oracle_bars(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR))

    same()


@given(case=any_trades(min_keys=1))
def test_interleaved_equals_sorted_by_group(case: Trades) -> None:
    interleaved = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    runs = pl.concat([*case.frame.partition_by(case.by), case.frame.clear()])
    by_group = eager(runs, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    for forming in (False, True):
        of_kind = (pl.col("close_reason") == "end") == forming
        groups = [frame.filter(of_kind).partition_by(case.by, as_dict=True) for frame in (interleaved, by_group)]
        assert groups[0].keys() == groups[1].keys()
        for key, bars in groups[0].items():
            assert_same_bars(bars, groups[1][key])


# ----------------------------------------------------------------------------------- numbers of bars


def with_bar_id(case: Trades, engine: Engine) -> pl.DataFrame:
    frame = case.frame.lazy().rangebar.with_bar_id(case.threshold_dbps, by=list(case.by) or None, **case.id_options)
    return frame.collect(engine=engine)


def range_bar_id(case: Trades, engine: Engine) -> pl.DataFrame:
    ids = "agg_trade_id" if "agg_trade_id" in case.frame.columns else None
    bar = rb.range_bar_id("timestamp", "price", threshold_dbps=case.threshold_dbps, agg_trade_id=ids, **case.id_options)
    bar = bar.over(case.by) if case.by else bar
    return case.frame.lazy().with_columns(bar.alias("bar_id")).collect(engine=engine)


def oracle_ids(case: Trades) -> pl.DataFrame:
    """Numbers of bars from the counts of rows of the slow oracle's bars, group by group."""
    numbered = case.frame.with_row_index("_row")
    parts = numbered.partition_by(case.by) if case.by and numbered.height else [numbered]
    bar_ids: dict[int, int] = {}
    for part in parts:
        options = case.bar_options | {"by": ()} | EVERY_BAR
        counts = oracle_bars(part, case.threshold_dbps, **options)["agg_record_count"]
        numbers = [number for number, count in enumerate(counts) for _ in range(count)]
        bar_ids |= dict(zip(part["_row"], numbers, strict=True))
    return case.frame.with_columns(pl.Series("bar_id", [bar_ids[i] for i in range(numbered.height)], dtype=pl.UInt64))


@pytest.mark.parametrize("ids", [with_bar_id, range_bar_id])
@engines
@given(case=any_trades(repeats=SOME_LONG))
def test_bar_ids(ids: Callable[[Trades, Engine], pl.DataFrame], engine: Engine, case: Trades) -> None:
    """Input columns untouched, rows in input order, and the number that the bars imply."""
    got = ids(case, engine)
    assert got.columns == [*case.frame.columns, "bar_id"]
    assert got.schema["bar_id"] == pl.UInt64
    assert_same_bars(got, oracle_ids(case))


@given(case=any_trades(repeats=SOME_LONG))
def test_aggregating_over_bar_ids_gives_the_bars(case: Trades) -> None:
    names = [*case.by, "open_time", "close_time", "open", "high", "low", "close", "agg_record_count"]
    bars = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR).select(names)
    price = pl.Series("price", [double(fixed(x)) for x in case.frame["price"]], dtype=pl.Float64)
    from_ids = bars_from_ids(with_bar_id(case, "streaming").with_columns(price), case.by).select(names)
    order = [*case.by, "open_time", "close_time", "agg_record_count", "open", "close"]
    assert_same_bars(from_ids.sort(order), bars.sort(order))


# --------------------------------------------------------------------------------------- the comparison

NUMBERS = pl.DataFrame({"a": [1.0, 0.0, None, math.nan], "b": [0.0, 1.0, 2.0, math.inf], "c": [1, 2, 3, 4]})
OTHER_NUMBERS = {
    "a zero of the other sign": NUMBERS.with_columns(b=pl.Series([-0.0, 1.0, 2.0, math.inf])),
    "the next double": NUMBERS.with_columns(a=pl.Series([math.nextafter(1, 2), 0.0, None, math.nan])),
    "an infinity of the other sign": NUMBERS.with_columns(b=pl.Series([0.0, 1.0, 2.0, -math.inf])),
    "a value for a null": NUMBERS.with_columns(a=pl.Series([1.0, 0.0, 0.0, math.nan])),
    "a null for a NaN": NUMBERS.with_columns(a=pl.Series([1.0, 0.0, None, None])),
    "another integer": NUMBERS.with_columns(c=pl.Series([1, 2, 3, 5])),
    "another dtype": NUMBERS.cast({"c": pl.Int32}),
    "another order of columns": NUMBERS.select("b", "a", "c"),
    "a row less": NUMBERS.head(3),
}


def test_the_comparison_takes_equal_bars_for_equal() -> None:
    for frame in (NUMBERS, NUMBERS.clear(), NUMBERS.select("c")):
        assert_same_bars(frame, frame.clone())


@pytest.mark.parametrize("name", OTHER_NUMBERS)
def test_the_comparison_sees_every_bit(name: str) -> None:
    """All of these tests rest on it."""
    with pytest.raises(AssertionError):
        assert_same_bars(OTHER_NUMBERS[name], NUMBERS)
