"""Contract of `overlap`: trades seen already are an error that names both positions, or are dropped."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import ENGINES, Engine, assert_same_bars, group_rows
from tests._streams import CUTS, Run, cut, push_rows, runs, whole

if TYPE_CHECKING:
    from pathlib import Path

KEPT: dict[str, Any] = {"schema": {"timestamp": pl.Int64(), "price": pl.Float64(), "quantity": pl.Float64()}}


def with_ids(**options: Any) -> st.SearchStrategy[Run]:
    return runs(**options).filter(lambda run: "agg_trade_id" in run.frame.columns)


def trades_at(*positions: tuple[int, int], price: float = 100.0, **columns: Any) -> pl.DataFrame:
    """Trades at positions of time and id."""
    time, ids = ([position[i] for position in positions] for i in range(2))
    numbers = {"price": [price] * len(time), "quantity": [1.0] * len(time), **columns}
    dtypes = {"timestamp": pl.Int64, "agg_trade_id": pl.Int64, "price": pl.Float64, "quantity": pl.Float64}
    return pl.DataFrame({"timestamp": time, "agg_trade_id": ids, **numbers}, schema_overrides=dtypes)


def stream(overlap: Any = "error", **options: Any) -> rb.BarStream:
    return rb.BarStream(1_000, time_unit="us", overlap=overlap, **options)


# ------------------------------------------------------------------------------------------- skip


@given(run=with_ids(), where=CUTS, data=st.data(), by_row=st.booleans())
def test_what_was_sent_again_is_as_if_never_sent(
    run: Run, where: list[float], data: st.DataObject, by_row: bool
) -> None:
    """Before new rows, any suffix of what each group has seen."""
    groups = group_rows(run.frame, run.by) if run.frame.height else []
    skipping, plain = run.stream(overlap="skip"), run.stream(overlap="skip")
    closed, seen = [plain.push(run.frame.clear())], 0
    skipping.push(run.frame.clear())
    for piece in cut(run.frame, where):
        again = []
        for rows in groups:
            past = [row for row in rows if row < seen]
            again += past[data.draw(st.integers(0, len(past))) :]
        frame = run.frame[sorted(again) + list(range(seen, seen + piece.height))]
        expected = plain.push(piece)
        got = whole(push_rows(skipping, frame, run.by), expected.clear()) if by_row else skipping.push(frame)
        assert_same_bars(got, expected)
        assert skipping.checkpoint() == plain.checkpoint()
        closed.append(got)
        seen += piece.height
    assert_same_bars(whole(closed, skipping.finish()), run.bars())


@given(run=with_ids(min_rows=1), at=st.floats(0.0, 1.0), engine=st.sampled_from(ENGINES), data=st.data())
def test_a_query_skips_what_its_state_has_seen(run: Run, at: float, engine: Engine, data: st.DataObject) -> None:
    first, second = cut(run.frame, [at])
    overlap = data.draw(st.integers(0, first.height))
    states = [rb.BarState()]
    closed = [run.lazy(first, state=states[0], overlap="skip").collect(engine=engine)]
    again = pl.concat([first.tail(overlap), second])
    states.append(rb.BarState(states[0].checkpoint()))
    rest = run.lazy(again, state=states[1], overlap="skip", include_incomplete=True).collect(engine=engine)
    assert_same_bars(whole(closed, rest), run.bars())
    assert states[1].skipped == overlap
    behind = rb.BarStream.restore(states[0].checkpoint())
    behind.push(second)
    assert_same_bars(rb.BarStream.restore(states[1].checkpoint()).finish(), behind.finish())


def test_rows_of_one_frame_are_not_skipped() -> None:
    """Only the leading rows of a group can have been seen: what comes behind them is checked as ever."""
    back, repeated = "`timestamp` must not go back", "`agg_trade_id` must strictly increase"
    for rows, rule in (
        ([(1, 10), (6, 12), (5, 11)], back),
        ([(6, 12), (5, 11)], back),
        ([(6, 12), (6, 12)], repeated),
        ([(5, 10), (7, 12), (5, 10)], back),
    ):
        skipping = stream("skip")
        skipping.push(trades_at((1, 10), (5, 10)))
        before = skipping.checkpoint()
        with pytest.raises(rb.RangeBarError, match=rule) as caught:
            skipping.push(trades_at(*rows))
        assert f"row {len(rows) - 1} of the frame" in str(caught.value)
        assert skipping.checkpoint() == before


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_of_one_query_are_not_skipped(engine: Engine, tmp_path: Path) -> None:
    """However it is cut into files: a lake with a file in it twice is an error."""
    frame = rb.datasets.sample_trades(3_000, symbols=["A"]).drop("symbol")
    for number, rows in enumerate((slice(0, 1_000), slice(1_000, 2_000), slice(1_000, 2_000), slice(2_000, 3_000))):
        frame[rows].write_parquet(tmp_path / f"{number}.parquet")
    for state in (None, rb.BarState()):
        bars = pl.scan_parquet(tmp_path / "*.parquet").rangebar.bars(50, state=state, overlap="skip")
        with pytest.raises(rb.RangeBarError, match="must not go back"):
            bars.collect(engine=engine)


def test_everything_seen_gives_nothing() -> None:
    frame = trades_at((1, 1), (2, 2), (2, 3))
    skipping = stream("skip")
    skipping.push(frame)
    before = skipping.checkpoint()
    for again in (frame, frame.tail(1), frame.clear()):
        assert skipping.push(again).is_empty()
        assert skipping.checkpoint() == before


def test_rows_that_are_skipped_may_hold_anything_else() -> None:
    """Their prices were taken already; a feed that corrects them comes too late."""
    skipping = stream("skip")
    skipping.push(trades_at((1, 1), (2, 2)))
    assert skipping.push(trades_at((1, 1), (2, 2), (3, 3), price=101.0))["open"].to_list() == [100.0]


@given(
    ids=st.lists(st.integers(1, 12), min_size=1, max_size=12, unique=True).map(sorted),
    sent=st.lists(st.lists(st.integers(1, 30), max_size=8, unique=True).map(sorted), max_size=6),
    by_row=st.booleans(),
)
def test_only_what_was_seen_is_skipped(ids: list[int], sent: list[list[int]], by_row: bool) -> None:
    """Against a set of all that was seen: whatever comes late, after whatever holes."""
    skipping, seen, skipped = stream("skip"), set(ids), 0
    skipping.push(trades_at(*((number, number) for number in ids)))
    for frame in sent:
        late = [number for number in frame if number <= max(seen)]
        unseen = [number for number in late if number not in seen]
        before = skipping.checkpoint()
        rows = trades_at(*((number, number) for number in frame))
        if unseen:
            last = next(number for number in range(unseen[0], 99) if number + 1 not in unseen or number + 1 not in late)
            told = f"ids {unseen[0]} to {last}" if last > unseen[0] else f"id {last}"
            with pytest.raises(rb.RangeBarError, match=f"must not come late, got {told}, which (was|were) not seen"):
                skipping.push(rows)
            assert skipping.checkpoint() == before
        elif by_row:
            push_rows(skipping, rows)
        else:
            skipping.push(rows)
        if not unseen:
            seen.update(frame)
            skipped += len(late)
        assert skipping.skipped == skipped
        restored = rb.BarStream.restore(skipping.checkpoint())
        assert restored.push(trades_at(*((number, number) for number in sorted(seen)))).is_empty()
        assert restored.skipped == len(seen)
    assert skipping.finish()["agg_record_count"].to_list() == [len(seen)]


def test_a_hole_that_is_filled_late_is_told() -> None:
    """After a reconnect: a hundred trades were lost without a word."""
    one = rb.datasets.sample_trades(2_500, symbols=["BTC"])
    first = one["agg_trade_id"][100]
    bars = rb.BarStream(50, by="symbol", overlap="skip")
    bars.push(one.head(100))
    bars.push(one.slice(200, 100))
    text = (
        rf"got ids {first} to {first + 99}, which were not seen, after 20.* \(id {first + 199}\) at row 0 of the frame"
    )
    with pytest.raises(rb.RangeBarError, match=text):
        bars.push(one.slice(100, 100))
    with pytest.raises(rb.RangeBarError, match=rf"got ids {first} to {first + 99}, .* at row 50 of the frame"):
        bars.push(one.slice(50, 400))
    assert bars.push(one.slice(200, 2_300)).height + bars.finish().height > 1
    assert bars.skipped == 100


def test_what_was_forgotten_is_not_skipped() -> None:
    """Where every id leaves a hole, as numbers do that all symbols share."""
    positions = [(row, 2 * row) for row in range(5_000)]
    bars = stream("skip")
    for rows in range(0, 5_000, 500):
        bars.push(trades_at(*positions[rows : rows + 500]))
    assert bars.push(trades_at(*positions[-1_024:])).is_empty()
    for again in (bars, rb.BarStream.restore(bars.checkpoint())):
        with pytest.raises(rb.RangeBarError, match=r"got id 20, which may have been seen or not"):
            again.push(trades_at(*positions[10:20]))
    assert len(bars.checkpoint()) < 64_000


def test_a_state_without_holes_knows_what_it_has_seen() -> None:
    """Also if nobody said from the beginning that something will be skipped; with holes it says that it does not."""
    for step, text in ((1, None), (2, "which may have been seen or not")):
        positions = [(row, step * row) for row in range(100)]
        state = rb.BarState()
        trades_at(*positions).rangebar.bars(250, time_unit="us", state=state)
        later = trades_at(*positions[50:], (100, 500)).lazy()
        rest = later.rangebar.bars(
            250, time_unit="us", overlap="skip", state=state.checkpoint(), include_incomplete=True
        )
        if text is None:
            assert rest.collect()["agg_record_count"].to_list() == [101]
        else:
            with pytest.raises(rb.RangeBarError, match=text):
                rest.collect()


@pytest.mark.parametrize("absent", [None, "agg_trade_id"])
def test_skipping_needs_ids(absent: str | None) -> None:
    """Without them trades of one time cannot be told apart."""
    frame = trades_at((1, 1), (2, 2))
    frame = frame if absent is None else frame.drop(absent)
    options = {"agg_trade_id": None} if absent is None else {}
    calls: list[Callable[[], object]] = [
        lambda: stream("skip", **options).push(frame),
        lambda: frame.rangebar.bars(250, time_unit="us", overlap="skip", state=rb.BarState(), **options),
    ]
    if absent:
        calls.append(lambda: stream("skip").push_trade(1, 100.0, 1.0))
        calls.append(lambda: stream("skip", **KEPT))
    for call in calls:
        with pytest.raises(rb.RangeBarError, match=r"overlap|agg_trade_id"):
            call()


# ------------------------------------------------------------------------------------------ error


@given(run=runs(min_rows=1), at=st.floats(0.0, 1.0), data=st.data())
def test_what_was_seen_is_an_error_and_changes_nothing(run: Run, at: float, data: st.DataObject) -> None:
    first, second = cut(run.frame, [at])
    assume(first.height)
    back = data.draw(st.integers(1, first.height))
    bars = run.stream()
    closed = [bars.push(first)]
    before = bars.checkpoint()
    again = pl.concat([first.tail(back), second])
    if (
        "agg_trade_id" not in run.frame.columns
    ):  # equal times may be other trades: only earlier ones are known to be seen
        again = again.with_columns(pl.col("timestamp").to_physical() - 1).cast(
            {"timestamp": run.frame.schema["timestamp"]}
        )
    with pytest.raises(rb.RangeBarError, match="must come after the trades already seen"):
        bars.push(again)
    assert bars.checkpoint() == before
    closed.append(bars.push(second))
    assert_same_bars(whole(closed, bars.finish()), run.bars())


def test_the_error_names_both_positions() -> None:
    seconds = pl.col("timestamp").cast(pl.Datetime("us")) + pl.duration(seconds=1)
    frame = trades_at((0, 10), (2_500_000, 11), symbol=["a", "b"]).with_columns(seconds)
    again = trades_at((0, 12), (2_000_000, 13), symbol=["a", "b"]).with_columns(seconds)
    bars = rb.BarStream(1_000, by="symbol")
    bars.push(frame)
    with pytest.raises(rb.RangeBarError) as caught:
        bars.push(again)
    text = str(caught.value)
    assert "got 1970-01-01 00:00:03 (id 13) where the last one is 1970-01-01 00:00:03.500 (id 11)" in text
    assert 'row 1 of the frame (row 1 of symbol="b")' in text
    assert 'overlap="skip"' in text
    bars = rb.BarStream(1_000, by="symbol", agg_trade_id=None)
    bars.push(frame)
    with pytest.raises(
        rb.RangeBarError, match=r"got 1970-01-01 00:00:03 where the last one is 1970-01-01 00:00:03\.500 "
    ):
        bars.push(again)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_that_begins_with_what_its_state_has_seen(engine: Engine) -> None:
    frame = rb.datasets.sample_trades(4_000, symbols=["A", "B"]).sort("timestamp", maintain_order=True)
    state = rb.BarState()
    frame.head(3_000).rangebar.bars(50, by="symbol", state=state)
    later = rb.BarState(state.checkpoint())
    again = frame.tail(1_001).lazy().rangebar.bars(50, by="symbol", state=later)
    seen, symbol = frame["agg_trade_id"][2_999], frame["symbol"][2_999]
    with pytest.raises(rb.RangeBarError, match=rf'\(id {seen}\).*\(id {seen}\).*symbol="{symbol}"'):
        again.collect(engine=engine)
    with pytest.raises(rb.RangeBarError):
        later.checkpoint()


# ------------------------------------------------------------------------------- what is no overlap

NO_OVERLAP: dict[str, list[tuple[int, int]]] = {
    "a larger id at the same time": [(1, 1), (1, 2), (1, 10)],
    "ids that start again at a later time": [(1, 100), (2, 1), (3, 1), (4, -5)],
    "ids that leave a hole": [(1, 1), (1, 100), (50, 1_000)],
    "the ends of 64 bits": [(-(2**61), -(2**63)), (-(2**61), 2**63 - 1), (0, 0)],
}


@pytest.mark.parametrize("positions", NO_OVERLAP.values(), ids=NO_OVERLAP)
@pytest.mark.parametrize("overlap", ["error", "skip"])
def test_what_is_no_overlap(positions: list[tuple[int, int]], overlap: str) -> None:
    frame = trades_at(*positions)
    for at in itertools.product(range(frame.height + 1), repeat=2):
        bars = stream(overlap, max_step=None)
        for piece in cut(frame, sorted(x / frame.height for x in at)):
            bars.push(piece)
        assert bars.finish()["agg_record_count"].to_list() == [frame.height]


@pytest.mark.parametrize("overlap", ["error", "skip"])
def test_groups_have_positions_of_their_own(overlap: str) -> None:
    first = trades_at((10, 10), symbol=["a"])
    other = trades_at((1, 1), (11, 11), symbol=["b", "a"])
    bars = stream(overlap, by="symbol")
    bars.push(first)
    bars.push(other)
    assert bars.pending().select("symbol", "agg_record_count").rows() == [("a", 2), ("b", 1)]


def test_without_ids_a_frame_may_begin_at_the_last_time() -> None:
    frame = trades_at((1, 0), (2, 0), (2, 0), (2, 0)).drop("agg_trade_id")
    bars = stream()
    for row in range(frame.height):
        bars.push(frame.slice(row, 1))
    before = bars.checkpoint()
    with pytest.raises(rb.RangeBarError, match=r"got 1 where the last one is 2 "):
        bars.push(frame.head(1))
    assert bars.checkpoint() == before
    assert bars.finish()["agg_record_count"].to_list() == [4]
