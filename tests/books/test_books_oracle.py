"""Oracle layer for order books: every cell against dicts of price to quantity, by every route, in any cut; laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests._books import CANCELLED, EXPRESSIONS, ROUNDED, STREAMED, Case, by_group, cases, oracle_books
from tests._routes import Engine, assert_same_bars, engines
from tests._source import BATCH_ROWS, Recorder
from tests._streams import CUTS, cut

if TYPE_CHECKING:
    from collections.abc import Callable


def assert_same_books(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Bit for bit, but for what is rounded more than once."""
    rounded, cancelled = (
        [name for name in expected.columns if any(word in name for word in words)] for words in (ROUNDED, CANCELLED)
    )
    assert_same_bars(found.drop(rounded, cancelled), expected.drop(rounded, cancelled))
    assert_frame_equal(found.select(rounded), expected.select(rounded), rel_tol=1e-15, abs_tol=0.0)
    assert_frame_equal(found.select(cancelled), expected.select(cancelled), rel_tol=0.0, abs_tol=1e-15)


@pytest.mark.parametrize("route", STREAMED)
@given(case=cases())
def test_every_cell(route: str, case: Case) -> None:
    assert_same_books(STREAMED[route](case), oracle_books(case))


@pytest.mark.parametrize("route", EXPRESSIONS)
@given(case=cases())
def test_every_cell_of_expressions(route: str, case: Case) -> None:
    found = EXPRESSIONS[route](case)
    assert_same_bars(found, by_group(STREAMED["eager"](case), case))
    assert_same_books(found, by_group(oracle_books(case), case))


def test_what_is_drawn_shows_everything() -> None:
    seen = {"rows": 0, "invalid": 0, "crossed": 0, "holes": 0, "flows": 0, "costs": 0, "slopes": 0}
    seen |= {"adds": 0, "rates": 0, "reduces": 0, "deletes": 0, "returns": 0, "pressure": 0}

    @settings(max_examples=200)
    @given(case=cases())
    def count(case: Case) -> None:
        books = STREAMED["eager"](case)
        seen["rows"] += books.height > 5
        seen["invalid"] += not books["is_valid"].all()
        seen["crossed"] += books["is_crossed"].any()
        seen["holes"] += books["hole_count"].sum() > 0
        seen["flows"] += books["quote_ofi_2"].drop_nulls().cast(pl.Boolean).any()
        seen["costs"] += books["buy_cost_4"].is_not_null().any()
        seen["slopes"] += books["bid_slope"].is_not_null().any()
        seen["adds"] += (books["bid_add_count"] > 1).any()
        seen["rates"] += (books["ask_add_rate"] > 0).any()
        seen["reduces"] += (books["ask_reduce_count"] > 0).any()
        seen["deletes"] += (books["bid_delete_count"] > 0).any()
        seen["returns"] += (books["bid_resiliency"] > 0).any()
        seen["pressure"] += books["book_pressure"].is_not_null().any()

    count()
    assert all(number > 1 for number in seen.values()), seen


@engines
@given(case=cases(), where=CUTS)
def test_in_any_chunks(engine: Engine, case: Case, where: list[float]) -> None:
    chunks = pl.concat(cut(case.frame, where), rechunk=False)
    assert_same_bars(case.books(chunks.lazy()).collect(engine=engine), STREAMED["eager"](case))


@pytest.mark.parametrize("rows", [1, 7])
def test_in_small_morsels(rows: int) -> None:
    @given(case=cases())
    def same(case: Case) -> None:
        assert_same_bars(STREAMED["lazy-streaming"](case), STREAMED["eager"](case))

    with pl.Config():
        pl.Config.set_streaming_chunk_size(rows)
        same()


@given(case=cases(max_keys=3), data=st.data())
def test_a_query_over_books_is_one_over_the_collected_ones(case: Case, data: st.DataObject) -> None:
    books = STREAMED["eager"](case)
    names = data.draw(st.lists(st.sampled_from(books.columns), min_size=1, unique=True))
    key = pl.col("symbol") == "S1" if case.by else pl.lit(True)
    for predicate in (pl.col("is_valid"), pl.col("quote_ofi_2") > 0, key, key & (pl.col("bid") > 0.05)):
        assert_same_bars(case.books().filter(predicate).select(names).collect(), books.filter(predicate).select(names))
    assert_same_bars(case.books().head(2).collect(), books.head(2))
    assert case.books().select(pl.len()).collect().item() == books.height


@given(case=cases(max_keys=3))
def test_groups_do_not_know_of_each_other(case: Case) -> None:
    books = STREAMED["eager"](case)
    for key in {row.key for row in case.rows} if case.by else ():
        alone = Case([row for row in case.rows if row.key == key], case.options, case.has_ids, case.has_snapshots,
                     case.has_batches)  # fmt: skip
        assert_same_bars(books.filter(pl.col("symbol") == f"S{key}").drop("symbol"), STREAMED["eager"](alone))


@given(case=cases(max_keys=1, crossed=("keep",)))
def test_flows_add_up(case: Case) -> None:
    """However rows come out: the flows of the best level between two rows are those of the events between them."""
    events = STREAMED["eager"](Case(**{**vars(case), "options": case.options | {"sample": "event"}}))
    changes = STREAMED["eager"](Case(**{**vars(case), "options": case.options | {"sample": "change"}}))
    assert changes["update_count"].sum() <= events["update_count"].sum() == len(case.rows)
    assert changes["hole_count"].sum() <= events["hole_count"].sum()
    if changes.height and events["quote_ofi_1"].null_count() <= 1:
        whole, parts = events["quote_ofi_1"].sum(), changes["quote_ofi_1"].sum()
        assert whole == parts  # what came before the first change and after the last one changed nothing


@pytest.mark.parametrize("take", [lambda lf: lf.head(3), lambda lf: lf.select("mid"), lambda lf: lf.filter(symbol="B")])
def test_only_what_is_needed_is_read(take: Callable[[pl.LazyFrame], pl.LazyFrame]) -> None:
    n = pl.int_range(pl.len())
    rows = pl.select(pl.int_range(20_000).alias("timestamp")).select(
        symbol=pl.when(n % 2 == 0).then(pl.lit("A")).otherwise(pl.lit("B")),
        timestamp=pl.col("timestamp").cast(pl.Datetime("us")),
        is_bid=n % 3 == 0,
        price=pl.when(n % 3 == 0).then(100 - n % 7).otherwise(101 + n % 7).cast(pl.Float64),
        quantity=(n % 5).cast(pl.Float64),
        other=n,
    )
    source = Recorder(rows)
    books = source.scan().rangebar.book(by="symbol", depth=2)
    whole = books.collect()
    assert source.columns[-1] == {"symbol", "timestamp", "is_bid", "price", "quantity"}
    source.rows = 0
    assert_same_bars(take(books).collect(), take(whole.lazy()).collect())
    if source.predicates:
        assert "symbol" in source.predicates[-1]
    assert source.rows <= 20_000 + BATCH_ROWS
