"""Source layer: keys of categories cross as codes, and nothing shows it."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import Engine, assert_same_bars, engines

NAMES = [f"SYM{number}" for number in range(9)]
DTYPES = {
    "categorical": pl.Categorical(),
    "of 8 bits": pl.Categorical(pl.Categories("symbols of a test", physical=pl.UInt8)),
    "enum": pl.Enum(["none of them", *reversed(NAMES)]),
}


@pytest.fixture(autouse=True)
def any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also batches of few rows, and of few rows for each value."""
    monkeypatch.setattr("rangebar_polars._bars.coded_keys._WORTHWHILE", 0)
    monkeypatch.setattr("rangebar_polars._bars.coded_keys._ROWS_OF_VALUE", 0)


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).exclude("close_reason").cast(pl.String))


@engines
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_categories_are_what_their_texts_are(dtype: str, engine: Engine, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 400))
    keys = data.draw(st.lists(st.sampled_from([*NAMES, None]), min_size=1, max_size=30))
    trades = rb.datasets.sample_trades(rows, symbols=["A"]).with_columns(
        symbol=pl.Series([keys[row * row % len(keys)] for row in range(rows)], dtype=pl.String),
        desk=pl.int_range(rows) % 2,
    )
    coded = trades.with_columns(pl.col("symbol").cast(DTYPES[dtype]))
    parts = data.draw(st.lists(st.integers(0, rows), max_size=3))
    cuts = sorted({0, rows, *parts})
    coded = pl.concat([coded[a:b] for a, b in pairwise(cuts)], rechunk=False)
    for by in ("symbol", ["desk", "symbol"], ["symbol", "desk"]):
        bars, expected = (
            frame.lazy().rangebar.bars(2, by=by, include_incomplete=True).collect(engine=engine)
            for frame in (coded, trades)
        )
        assert bars["symbol"].dtype == DTYPES[dtype]
        assert_same_bars(as_text(bars), as_text(expected))
        numbers, expected = (
            frame.lazy().rangebar.with_bar_id(2, by=by).collect(engine=engine) for frame in (coded, trades)
        )
        assert numbers.get_column("bar_id").equals(expected.get_column("bar_id"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_error_names_the_category(dtype: str) -> None:
    trades = rb.datasets.sample_trades(20_000, symbols=NAMES).with_columns(pl.col("symbol").cast(DTYPES[dtype]))
    broken = trades.with_columns(price=pl.when(pl.int_range(pl.len()) == 15_000).then(-1.0).otherwise("price"))
    name = trades["symbol"][15_000]
    with pytest.raises(rb.RangeBarError, match=f'row 15000 .*symbol="{name}"'):
        broken.rangebar.bars(50, by="symbol")


def test_a_state_is_of_the_categories() -> None:
    """Codes differ from process to process; a checkpoint of a query has the texts."""
    trades = rb.datasets.sample_trades(20_000, symbols=NAMES).with_columns(pl.col("symbol").cast(pl.Categorical()))
    state = rb.BarState()
    first = trades.head(9_000).lazy().rangebar.bars(50, by="symbol", state=state).collect()
    again = rb.BarState(state.checkpoint())
    rest = trades.tail(-9_000).lazy().rangebar.bars(50, by="symbol", state=again).collect()
    assert_same_bars(pl.concat([first, rest]), trades.rangebar.bars(50, by="symbol"))
