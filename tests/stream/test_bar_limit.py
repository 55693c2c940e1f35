"""Contract of `max_bar_trades`: a bar with more trades is an error, on every way in, and changes nothing."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._streams import arguments, frame_of, whole

MANY = frame_of([100.0] * 30).with_columns(symbol=pl.Series(["A", "B", "B"] * 10))
"""Ten trades of A, twenty of B, and no bar ends."""


def limited(**options: Any) -> rb.BarStream:
    return rb.BarStream(250, by="symbol", schema=MANY.schema, max_bar_trades=12, **options)


@pytest.mark.parametrize("options", [{}, {"intra": True}, {"lookback": 5}, {"aggs": [pl.len().alias("n")]}])
@pytest.mark.parametrize("rows", [1, 4, 30])
def test_a_bar_of_too_many_trades_is_refused(options: dict[str, Any], rows: int) -> None:
    """The thirteenth of B: however the trades are cut, and as single ones; what is of A goes on."""
    stream = limited(**options)
    taken: list[pl.DataFrame] = []
    message = r'the bar of symbol="B" that opened at 1970-01-01 00:00:01 has more than max_bar_trades=12 trades'
    for piece in MANY.iter_slices(rows):
        before = stream.checkpoint()
        if sum(part.filter(symbol="B").height for part in [*taken, piece]) > 12:
            with pytest.raises(rb.RangeBarError, match=message):
                stream.push(piece)
            assert stream.checkpoint() == before
            piece = piece.filter(symbol="A")  # noqa: PLW2901
        assert stream.push(piece).is_empty()
        taken.append(piece)
    assert stream.pending().equals(pl.concat(taken).rangebar.bars(250, by="symbol", include_incomplete=True, **options))
    stream = limited(**options)
    for number, row in enumerate(arguments(MANY, ["symbol"])):
        if row["key"] == "B" and number >= 18:
            with pytest.raises(rb.RangeBarError, match=message):
                stream.push_trade(**row)
        else:
            assert stream.push_trade(**row) is None
    assert stream.pending()["agg_record_count"].to_list() == [10, 12]


def test_a_bar_that_ends_in_time_is_none_of_these() -> None:
    """Also one that ends within a frame, but one trade too late."""
    trades = frame_of([100.0] * 100)
    stream = rb.BarStream(rb.Ticks(12), max_bar_trades=12)
    assert stream.push(trades).height == 8
    assert whole([rb.BarStream(rb.Ticks(12)).push(trades)], stream.finish()).height == 9
    for stream in (rb.BarStream([rb.Ticks(5), rb.Ticks(13)], max_bar_trades=12), rb.BarStream(250, max_bar_trades=12)):
        with pytest.raises(rb.RangeBarError, match=r"^the bar that opened at 1970-01-01 00:00:00 has more than"):
            stream.push(trades)


def test_what_is_taken_out_makes_room() -> None:
    stream = limited()
    stream.push(MANY.head(18))
    with pytest.raises(rb.RangeBarError, match="`forget` or `finish`"):
        stream.push(MANY[18:])
    assert stream.forget("B")["agg_record_count"].to_list() == [12]
    assert stream.push(MANY[18:]).is_empty()
    assert stream.pending()["agg_record_count"].to_list() == [10, 8]


def test_the_limit_is_kept() -> None:
    """In checkpoints that have one; those without are as they always were."""
    stream = limited()
    stream.push(MANY.head(18))
    data = stream.checkpoint()
    again = rb.BarStream.restore(data, max_bar_trades=12)
    assert again.parameters["max_bar_trades"] == 12
    with pytest.raises(rb.RangeBarError, match="max_bar_trades=12"):
        again.push(MANY[18:])
    with pytest.raises(rb.RangeBarError, match="`max_bar_trades` was 12 and not 13"):
        rb.BarStream.restore(data, max_bar_trades=13)
    assert b"max_bar_trades" not in rb.BarStream(250).checkpoint()


def test_a_query_with_a_state_has_the_limit_of_the_state() -> None:
    stream = limited()
    stream.push(MANY.head(18))
    later = MANY[18:].lazy()
    assert rb.BarState(stream.checkpoint()).max_bar_trades == 12
    assert rb.BarState(stream.checkpoint(), max_bar_trades=99).max_bar_trades == 99
    with pytest.raises(rb.RangeBarError, match="max_bar_trades=12"):
        later.rangebar.bars(250, by="symbol", state=rb.BarState(stream.checkpoint())).collect()
    state = rb.BarState(stream.checkpoint(), max_bar_trades=20)
    assert later.rangebar.bars(250, by="symbol", state=state).collect().is_empty()
    assert rb.BarStream.restore(state.checkpoint()).parameters["max_bar_trades"] == 20


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "many", 2**63])
def test_what_the_limit_may_be(wrong: Any) -> None:
    for make in (lambda: rb.BarStream(250, max_bar_trades=wrong), lambda: rb.BarState(max_bar_trades=wrong)):
        with pytest.raises(rb.RangeBarError, match="`max_bar_trades` must be an integer of at least 1, or None"):
            make()
