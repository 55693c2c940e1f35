"""Drive equivalence of streams and states with `missing_side="null"`: frames and trades with and without sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import assert_same_bars
from tests._streams import CUTS, WAYS, Run, Way, arguments, cut, feed, frame_of, whole, with_value
from tests._windows import window_runs
from tests.strategies import SOME_LONG, missing_sides

SIDE = "is_buyer_maker"


@st.composite
def runs_missing_sides(draw: st.DrawFn, **shape: Any) -> Run:
    """Trades of which some have no side, and the parameters of their bars, windows among them."""
    run = draw(window_runs(**shape))
    return replace(run, frame=draw(missing_sides(run.frame)), options=run.options | {"missing_side": "null"})


FORMS = st.lists(st.sampled_from(["as it is", "no column", "dtype Null"]), min_size=6, max_size=6)
"""How a piece without any side comes."""


def in_form(piece: pl.DataFrame, form: str) -> pl.DataFrame:
    """The same trades; where none has a side, in another form."""
    if piece[SIDE].null_count() < piece.height or form == "as it is":
        return piece
    return piece.drop(SIDE) if form == "no column" else piece.with_columns(pl.lit(None).alias(SIDE))


@given(run=runs_missing_sides(repeats=SOME_LONG), where=CUTS, forms=FORMS)
def test_frames_with_and_without_the_column(run: Run, where: list[float], forms: list[str]) -> None:
    """Files of several vintages, whichever comes first: the bars and the bytes of the state are those of one push."""
    at_once, stream = run.stream(), run.stream()
    at_once.push(run.frame)
    closed = []
    for piece, form in zip(cut(run.frame, where), forms, strict=False):
        closed.append(stream.push(in_form(piece, form)))
        data = stream.checkpoint()
        stream = rb.BarStream.restore(data)
        assert stream.checkpoint() == data
    assert stream.checkpoint() == at_once.checkpoint()
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@given(
    run=runs_missing_sides(max_rows=60), where=CUTS, ways=WAYS, forms=FORMS, schema=st.sampled_from([None, SIDE, ""])
)
def test_frames_rows_and_restarts_in_any_mix(
    run: Run, where: list[float], ways: list[Way], forms: list[str], schema: str | None
) -> None:
    known = run.frame if schema == SIDE else run.frame.drop(SIDE)
    stream = run.stream(schema=None if schema is None else known.schema)
    if schema is None:
        stream.push(known.clear())
    pieces = [in_form(piece, form) for piece, form in zip(cut(run.frame, where), forms, strict=False)]
    stream, closed = feed(stream, run.by, pieces, ways)
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@given(run=runs_missing_sides(max_rows=20))
def test_every_row_by_itself(run: Run) -> None:
    frames, rows = (run.stream(schema=run.frame.schema) for _ in range(2))
    for number, row in enumerate(arguments(run.frame, run.by)):
        of_frame = frames.push(run.frame.slice(number, 1))
        of_row = rows.push_trade(**row)
        assert_same_bars(of_frame.clear() if of_row is None else of_row, of_frame)
        assert rows.checkpoint() == frames.checkpoint()
        assert_same_bars(rows.pending(), frames.pending())


@pytest.mark.parametrize("first", [None, True])
def test_the_first_trade_may_be_one_without_a_side(first: bool | None) -> None:
    sides = [first, False, None if first else True]
    stream = rb.BarStream(1_000, time_unit="ms", missing_side="null")
    for time, (price, side) in enumerate(zip((100.0, 100.5, 101.0), sides, strict=True)):
        bars = stream.push_trade(time, price, 1.0, side)
    assert bars is not None
    assert bars.select("volume", "buy_volume", "ofi").row(0) == (3.0, None, None)


@given(run=runs_missing_sides(repeats=SOME_LONG), where=CUTS, forms=FORMS, streamed=st.lists(st.booleans()))
def test_queries_that_go_on_from_each_other(
    run: Run, where: list[float], forms: list[str], streamed: list[bool]
) -> None:
    """Each piece in a query of its own, or pushed into a stream in between."""
    data: bytes | None = None
    closed = []
    for number, (piece, form) in enumerate(zip(cut(run.frame, where), forms, strict=False)):
        frame = in_form(piece, form)
        if data is not None and streamed[number : number + 1] == [True]:
            stream = rb.BarStream.restore(data)
            closed.append(stream.push(frame))
            data = stream.checkpoint()
        else:
            state = rb.BarState(data)
            engine: Any = "streaming" if number % 2 else "in-memory"
            closed.append(run.lazy(frame, state=state).collect(engine=engine))
            data = state.checkpoint()
    assert data is not None
    assert_same_bars(whole(closed, rb.BarStream.restore(data).finish()), run.bars())


@given(run=runs_missing_sides(min_rows=2), at=st.floats(0, 1), bad=st.floats(0, 1))
def test_a_push_that_fails_changes_nothing(run: Run, at: float, bad: float) -> None:
    first = run.frame.head(round(at * (run.frame.height - 1)))
    rest = run.frame.slice(first.height)
    stream = run.stream()
    closed = [stream.push(first)]
    before = stream.checkpoint()
    is_bad = pl.int_range(pl.len()) == round(bad * (rest.height - 1))
    no_price = pl.when(is_bad).then(pl.lit(0).cast(rest.schema["price"])).otherwise("price").alias("price")
    with pytest.raises(rb.RangeBarError, match="`price` must be finite"):
        stream.push(rest.with_columns(no_price))
    assert stream.checkpoint() == before
    closed.append(stream.push(rest))
    assert_same_bars(whole(closed, stream.finish()), run.bars())


def test_time_that_goes_on_ends_a_bar_without_a_side() -> None:
    stream = rb.BarStream(1_000, max_gap="1m", include_orphans=True, time_unit="ms", missing_side="null")
    stream.push_trade(0, 100.0, 1.0, True)
    stream.push_trade(1, 100.0, 2.0)
    assert stream.advance(100_000).select("volume", "sell_volume").rows() == [(3.0, None)]
    stream.push_trade(100_000, 100.0, 4.0, True)
    assert stream.pending()["sell_volume"].to_list() == [4.0]


@pytest.mark.parametrize("by", [None, "symbol"])
def test_sides_by_name(by: str | None) -> None:
    frame = frame_of([100.0, 100.5, 101.0], sold=[True, None, False], symbol=["a"] * 3)
    stream = rb.BarStream(1_000, by=by, is_buyer_maker="sold", missing_side="null")
    closed = [stream.push(frame.head(1)), stream.push(frame.slice(1))]
    assert_same_bars(pl.concat(closed), frame.rangebar.bars(1_000, by=by, is_buyer_maker="sold", missing_side="null"))
    assert closed[1]["sell_volume"].to_list() == [None]


@pytest.mark.parametrize("by", [None, SIDE])
def test_sides_that_are_ignored_are_missing(by: str | None) -> None:
    """By a stream, by a query and its state: also where the column is a key. Another query may then have sides."""
    frame = frame_of([100.0, 100.5, 101.0], is_buyer_maker=[True] * 3)
    options: dict[str, Any] = {"by": by, "missing_side": "null"}
    state = rb.BarState()
    bars = frame.rangebar.bars(1_000, **options, is_buyer_maker=None, state=state)
    assert bars["buy_volume"].to_list() == [None]
    stream = rb.BarStream(1_000, **options, is_buyer_maker=None)
    assert_same_bars(stream.push(frame), bars)
    later = frame.with_columns(pl.col("timestamp") + pl.duration(days=1))
    assert later.rangebar.bars(1_000, **options, state=state.checkpoint())["sell_volume"].to_list() == [3.0]
    assert stream.push(later)["sell_volume"].to_list() == [None]


# ------------------------------------------------------------------------------- from one to the other

SIDED = frame_of([100.0, 100.5, 100.2, 101.0, 100.0, 99.0], is_buyer_maker=[True, False, True, False, True, False])
"""Six trades, the fourth and the sixth of which close bars."""


def test_a_state_of_trades_that_all_have_a_side_goes_on_without() -> None:
    options: dict[str, Any] = {"threshold_dbps": 1_000, "intra": True, "lookback": 4}
    state = rb.BarState()
    SIDED.head(2).rangebar.bars(**options, state=state)
    rest = SIDED.slice(2).with_columns(pl.lit(None).alias(SIDE))
    null = options | {"missing_side": "null"}
    got = rest.rangebar.bars(**null, state=state.checkpoint(), include_incomplete=True)
    mixed = SIDED.with_columns(pl.when(pl.int_range(pl.len()) < 2).then(SIDE))
    assert_same_bars(got, mixed.rangebar.bars(**null, include_incomplete=True))
    assert got["buy_volume"].to_list() == [None, None]


def test_a_state_that_lacks_a_side_does_not_go_on_where_that_is_an_error() -> None:
    state = rb.BarState()
    SIDED.rangebar.bars(1_000, state=state, missing_side="null")
    with pytest.raises(rb.RangeBarError, match="`missing_side` was null and is error here"):
        SIDED.rangebar.bars(1_000, state=state.checkpoint())
    with pytest.raises(rb.RangeBarError, match="`missing_side` was 'null' and not 'error'"):
        rb.BarStream.restore(state.checkpoint(), missing_side="error")
    assert rb.BarStream.restore(state.checkpoint(), missing_side="null").parameters["missing_side"] == "null"


def test_a_state_of_trades_without_the_column_names_the_remedy() -> None:
    state = rb.BarState()
    SIDED.drop(SIDE).head(3).rangebar.bars(1_000, state=state)
    for missing_side in ("error", "null"):
        with pytest.raises(rb.RangeBarError, match="`the columns` was timestamp, price, quantity and is ") as caught:
            SIDED.rangebar.bars(1_000, state=state.checkpoint(), missing_side=missing_side)
        assert 'missing_side="null"' in str(caught.value)


def test_the_state_says_nothing_of_it_unless_asked() -> None:
    """A library from before there was a choice reads what it wrote."""
    assert b"missing_side" not in rb.BarStream(250).checkpoint()
    assert b'"missing_side":"null"' in rb.BarStream(250, missing_side="null").checkpoint()
    stream = rb.BarStream.restore(rb.BarStream(250).checkpoint())
    assert stream.parameters["missing_side"] == "error"


# -------------------------------------------------------------------------------------- the error


def test_by_default_a_push_without_a_side_is_refused() -> None:
    either = '; missing_side="null" takes trades with and without it'
    for first, then, says in (
        (SIDED.head(1), SIDED.drop(SIDE).slice(1), "lack `is_buyer_maker`, which those before had: "),
        (SIDED.head(1).drop(SIDE), SIDED.slice(1), "have `is_buyer_maker`, which those before had not: "),
    ):
        stream = rb.BarStream(1_000)
        stream.push(first)
        row = arguments(then)[0]
        for push in (lambda s=stream, f=then: s.push(f), lambda s=stream, r=row: s.push_trade(**r)):
            with pytest.raises(rb.RangeBarError) as caught:
                push()
            assert str(caught.value) == f"the trades pushed {says}either all trades have it or none{either}"
    stream = rb.BarStream(1_000)
    stream.push(SIDED.head(1))
    with pytest.raises(
        rb.RangeBarError, match=r"got null at row 1 of the frame \(row 2 in all\); .*missing_side=.null"
    ):
        stream.push(with_value(SIDED.slice(1), SIDE, None, 1))
