"""Restart layer of windows: checkpoints carry what open windows need, and a push that fails changes nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._broken import Broken, broken
from tests._checkpoints import ALTERATIONS, altered, refusal, repaired, sweep_alone
from tests._routes import ENGINES, Engine, assert_same_bars, group_rows
from tests._streams import CUTS, WAYS, Run, Way, cut, feed, frame_of, push_rows, whole, with_value
from tests._window_checkpoints import FULL, full, survives
from tests._window_oracle import Lookback
from tests._windows import KINDS, walk, window_runs, windows
from tests.strategies import SOME_LONG

engines = pytest.mark.parametrize("engine", ENGINES)


# ------------------------------------------------------------------------------- stopped and restored


@given(run=window_runs(repeats=SOME_LONG), at=st.floats(0.0, 1.0))
def test_restoring_is_exact(run: Run, at: float) -> None:
    """The same bytes, the same pending bars, the same future; and the stream that was asked goes on as well."""
    first, second = cut(run.frame, [at])
    stream = run.stream()
    closed = [stream.push(first)]
    data = stream.checkpoint()
    restored = rb.BarStream.restore(data)
    assert restored.checkpoint() == data
    assert_same_bars(restored.pending(), stream.pending())
    assert_same_bars(restored.push(second), rest := stream.push(second))
    assert restored.checkpoint() == stream.checkpoint()
    assert_same_bars(whole([*closed, rest], restored.finish()), run.bars())
    assert_same_bars(whole([*closed, rest], stream.finish()), run.bars())


@given(run=window_runs(max_rows=60), where=CUTS, ways=st.tuples(WAYS, WAYS), other=CUTS)
def test_bytes_say_nothing_of_how_trades_were_pushed(
    run: Run, where: list[float], ways: tuple[list[Way], list[Way]], other: list[float]
) -> None:
    streams = [run.stream(schema=run.frame.schema) for _ in range(2)]
    ends = [
        feed(stream, run.by, cut(run.frame, cuts), way)[0]
        for stream, cuts, way in zip(streams, (where, other), ways, strict=True)
    ]
    assert ends[0].checkpoint() == ends[1].checkpoint()


RULES: dict[str, dict[str, Any]] = {
    "one threshold": {"threshold_dbps": 20},
    "several": {"threshold_dbps": [20, 50, 10]},
    "resets and gaps": {"threshold_dbps": 20, "reset": "1d", "max_gap": "1h", "include_orphans": True},
}


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("lookback", [None, *KINDS, "1mo"], ids=str)
def test_stopped_before_every_row(lookback: Lookback | None, rules: str) -> None:
    """Of two groups, one with ties and quantities beyond 64 bits; days and gaps between some of the rows."""
    row = pl.int_range(pl.len())
    frame = walk(90).with_columns(
        symbol=pl.when(row % 3 == 0).then(pl.lit("A")).otherwise(pl.lit("B")),
        timestamp=pl.col("timestamp") + pl.duration(hours=row // 25 * 9),
        quantity=pl.when(row % 17 == 3).then(9e14).otherwise("quantity"),
    )
    frame = frame.with_columns(timestamp=pl.col("timestamp").dt.truncate("2s"))
    options = {name: value for name, value in RULES[rules].items() if name != "threshold_dbps"}
    asked = {"intra": True, "lookback": lookback}
    run = Run(frame, RULES[rules]["threshold_dbps"], {"by": ["symbol"]} | asked | options)
    expected = run.bars()
    assert expected.height > 8
    for at in range(frame.height + 1):
        stream = run.stream(schema=frame.schema)
        closed = [stream.push(frame.head(at))]
        stream = rb.BarStream.restore(stream.checkpoint())
        closed.append(stream.push(frame.slice(at)))
        assert_same_bars(whole(closed, stream.finish()), expected)
    stream, closed = run.stream(schema=frame.schema), []
    for at in range(frame.height):
        stream = rb.BarStream.restore(stream.checkpoint())
        closed += push_rows(stream, frame.slice(at, 1), run.by)
    assert_same_bars(whole(closed, stream.finish()), expected)


@engines
@given(run=window_runs(repeats=SOME_LONG), where=CUTS, live=st.lists(st.booleans(), min_size=6, max_size=6))
def test_queries_and_streams_go_on_from_each_other(
    engine: Engine, run: Run, where: list[float], live: list[bool]
) -> None:
    data = run.stream(schema=run.frame.schema).checkpoint()
    closed = []
    for piece, is_live in zip(cut(run.frame, where), live, strict=False):
        if is_live:
            stream = rb.BarStream.restore(data)
            bars, data = stream.push(piece), stream.checkpoint()
        else:
            state = rb.BarState(data)
            bars, data = run.lazy(piece, state=state).collect(engine=engine), state.checkpoint()
        closed.append(bars)
    assert_same_bars(whole(closed, rb.BarStream.restore(data).pending()), run.bars())
    ended = run.lazy(run.frame.clear(), state=data, include_incomplete=True).collect(engine=engine)
    assert_same_bars(whole(closed, ended), run.bars())
    assert data == _state_after(run, run.frame, engine)


def _state_after(run: Run, frame: pl.DataFrame, engine: Engine) -> bytes:
    state = rb.BarState()
    run.lazy(frame, state=state).collect(engine=engine)
    return state.checkpoint()


@engines
@given(run=window_runs(min_rows=1), at=st.floats(0.0, 1.0), data=st.data())
def test_what_is_selected_does_not_change_the_state(engine: Engine, run: Run, at: float, data: st.DataObject) -> None:
    first, second = cut(run.frame, [at])
    start = _state_after(run, first, engine)
    ends = []
    expected = run.lazy(second, state=start).collect()
    names = data.draw(st.lists(st.sampled_from(expected.columns), min_size=1, unique=True))
    for columns in (expected.columns, names, ["close"]):
        state = rb.BarState(start)
        got = run.lazy(second, state=state).select(columns).collect(engine=engine)
        assert_same_bars(got, expected.select(columns))
        ends.append(state.checkpoint())
    assert len(set(ends)) == 1


# ---------------------------------------------------------------------------------------- what fails


@given(case=broken(), asked=windows())
def test_a_push_that_fails_changes_nothing(case: Broken, asked: dict[str, Any]) -> None:
    """The mended push then gives the bars of a stream that never failed."""
    run = replace(case.run, options=case.run.options | asked)
    stream = run.stream(schema=run.frame.schema)
    closed = [stream.push(run.frame.head(case.pushed))]
    before, forming = stream.checkpoint(), stream.pending()
    for _ in range(2):
        with pytest.raises(rb.RangeBarError, match=f"`{case.column}` must"):
            stream.push(case.bad[case.pushed : case.end])
        assert stream.checkpoint() == before
        assert_same_bars(stream.pending(), forming)
    closed.append(stream.push(run.frame[case.pushed : case.end]))
    closed.append(stream.push(run.frame[case.end :]))
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@pytest.mark.parametrize("lookback", KINDS, ids=str)
@pytest.mark.parametrize("bad_row", [60, 1_100, 2_499])
def test_a_long_push_that_fails_behind_bars_that_it_closed(lookback: Lookback, bad_row: int) -> None:
    """Bars and windows that the push had already moved on are as they were."""
    frame = walk(2_500)
    run = Run(frame, [10, 60], {"by": None, "intra": True, "lookback": lookback})
    for pushed in (0, 50):
        stream = run.stream(schema=frame.schema)
        closed = [stream.push(frame.head(pushed))]
        before = stream.checkpoint()
        with pytest.raises(rb.RangeBarError, match="`price`"):
            stream.push(with_value(frame, "price", -1.0, bad_row).slice(pushed))
        assert stream.checkpoint() == before
        closed.append(stream.push(frame.slice(pushed)))
        assert_same_bars(whole(closed, stream.finish()), run.bars())


def with_ids(run: Run) -> bool:
    return "agg_trade_id" in run.frame.columns


@given(run=window_runs().filter(with_ids), where=CUTS, data=st.data())
def test_what_was_sent_again_is_as_if_never_sent(run: Run, where: list[float], data: st.DataObject) -> None:
    groups = group_rows(run.frame, run.by) if run.frame.height else []
    skipping, plain = run.stream(overlap="skip"), run.stream(overlap="skip")
    closed, seen = [plain.push(run.frame.clear())], 0
    skipping.push(run.frame.clear())
    for piece in cut(run.frame, where):
        again: list[int] = []
        for rows in groups:
            past = [row for row in rows if row < seen]
            again += past[data.draw(st.integers(0, len(past))) :]
        expected = plain.push(piece)
        got = skipping.push(run.frame[sorted(again) + list(range(seen, seen + piece.height))])
        assert_same_bars(got, expected)
        assert skipping.checkpoint() == plain.checkpoint()
        closed.append(got)
        seen += piece.height
    assert_same_bars(whole(closed, skipping.finish()), run.bars())


@engines
@given(run=window_runs(min_rows=1).filter(with_ids), at=st.floats(0.0, 1.0), data=st.data())
def test_a_query_skips_what_its_state_has_seen(engine: Engine, run: Run, at: float, data: st.DataObject) -> None:
    first, second = cut(run.frame, [at])
    state = rb.BarState()
    closed = [run.lazy(first, state=state, overlap="skip").collect(engine=engine)]
    again = pl.concat([first.tail(data.draw(st.integers(0, first.height))), second])
    rest = run.lazy(again, state=state.checkpoint(), overlap="skip", include_incomplete=True).collect(engine=engine)
    assert_same_bars(whole(closed, rest), run.bars())


# ------------------------------------------------------------------------------- other expectations

MADE: dict[str, Any] = {"threshold_dbps": 20, "intra": True, "lookback": "90m"}
OTHERWISE: list[tuple[str, Any]] = [
    ("intra", False),
    ("lookback", None),
    ("lookback", 90),
    ("lookback", "91m"),
    ("lookback", "1mo"),
    ("lookback", rb.Bars(90)),
    ("lookback", dt.timedelta(minutes=89)),
]
SAME: list[Lookback] = ["90m", "1h30m", dt.timedelta(minutes=90)]


def later_rows() -> pl.DataFrame:
    return walk(60).with_columns(pl.col("timestamp") + pl.duration(minutes=5), pl.col("agg_trade_id") + 1_000)


@pytest.mark.parametrize(("name", "value"), OTHERWISE, ids=str)
def test_another_window_is_named(name: str, value: Any) -> None:
    """By `restore`, and by queries that go on from the state."""
    stream = rb.BarStream(**MADE)
    stream.push(walk(60))
    data = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match=rf"\b{name}\b"):
        rb.BarStream.restore(data, **MADE | {name: value})
    with pytest.raises(rb.RangeBarError, match=rf"\b{name}\b"):
        rb.BarStream.restore(data, **{name: value})
    with pytest.raises(rb.RangeBarError, match=rf"\b{name}\b"):
        later_rows().rangebar.bars(**MADE | {name: value}, state=data)
    with pytest.raises(rb.RangeBarError, match=rf"\b{name}\b"):
        later_rows().lazy().rangebar.bars(**MADE | {name: value}, state=rb.BarState(data)).collect()


@pytest.mark.parametrize("made", [{}, {"intra": True}, {"lookback": 3}, {"lookback": rb.Bars(2)}], ids=str)
def test_windows_that_the_state_does_not_carry(made: dict[str, Any]) -> None:
    """A state without the rows that windows need cannot begin them."""
    state = rb.BarState()
    walk(60).rangebar.bars(20, **made, state=state)
    for name, value in (("intra", True), ("lookback", 7)):
        if made.get(name) == value:
            continue
        with pytest.raises(rb.RangeBarError, match=rf"\b{name}\b"):
            later_rows().rangebar.bars(20, **made | {name: value}, state=state.checkpoint())


@pytest.mark.parametrize("lookback", SAME, ids=str)
def test_the_same_window_in_other_words(lookback: Lookback) -> None:
    stream = rb.BarStream(**MADE)
    closed = [stream.push(walk(60))]
    data = stream.checkpoint()
    assert rb.BarStream.restore(data, lookback=lookback, intra=True).checkpoint() == data
    rest = later_rows().rangebar.bars(**MADE | {"lookback": lookback}, state=data, include_incomplete=True)
    both = pl.concat([walk(60), later_rows()])
    assert_same_bars(whole(closed, rest), both.rangebar.bars(**MADE, include_incomplete=True))


@pytest.mark.parametrize("lookback", [*KINDS, "1mo", dt.timedelta(minutes=90)], ids=str)
def test_the_parameters_come_back(lookback: Lookback) -> None:
    stream = rb.BarStream(20, intra=True, lookback=lookback)
    restored = rb.BarStream.restore(stream.checkpoint())
    assert restored.parameters == stream.parameters
    assert restored.parameters["intra"] is True
    again = rb.BarStream(**restored.parameters)
    assert again.checkpoint() == stream.checkpoint()


# ------------------------------------------------------------------------------------------ its size

CALM = [100.0, 100.01]  # no bar closes at 1,000 dbps


def calm(rows: int, *, wait_us: int = 1_000, columns: tuple[str, ...] = ()) -> pl.DataFrame:
    """Trades that never close a bar."""
    row = pl.int_range(rows, eager=True)
    time = (row * wait_us).cast(pl.Datetime("us"))
    frame = pl.DataFrame({"timestamp": time, "price": 100.0 + row % 7 * 0.01, "quantity": 1.0 + row % 5 * 0.5})
    optional = {"is_buyer_maker": row % 3 == 0, "agg_trade_id": row}
    return frame.with_columns(optional[name].alias(name) for name in columns)


def size(frame: pl.DataFrame, rows_per_push: int = 50_000, **options: Any) -> int:
    """Bytes of a checkpoint behind all rows."""
    stream = rb.BarStream(1_000, **options)
    for piece in frame.iter_slices(rows_per_push):
        assert stream.push(piece).is_empty()
    return len(stream.checkpoint())


@pytest.mark.parametrize("rows_per_push", [50_000, 1_000_000])
def test_a_lookback_of_rows_keeps_these_rows(rows_per_push: int) -> None:
    """Whatever was seen, and however it came: a million trades without a closing bar."""
    sides = ("is_buyer_maker", "agg_trade_id")
    trades = calm(1_000_000, columns=sides)
    many = size(trades, rows_per_push, lookback=200)
    assert many < 2_000 + 200 * 64
    assert abs(many - size(trades.head(10_000), lookback=200)) < 2_000
    assert many > size(trades.head(10_000), lookback=20) > size(trades.head(10_000))


def test_trades_of_one_time_are_gone_with_it() -> None:
    """While a bar may open at that time none of them is older than it; behind it the last ones are enough."""
    before = calm(1_000)
    burst = calm(100_000, wait_us=0).with_columns(timestamp=before["timestamp"].max())
    behind = before.tail(2).with_columns(pl.col("timestamp") + pl.duration(seconds=1))
    for rows_per_push in (1_000_000, 777):
        assert size(pl.concat([before, burst, behind]), rows_per_push, lookback=200) < 2_000 + 400 * 64


def test_a_lookback_of_time_keeps_that_time() -> None:
    """Two seconds of trades a millisecond apart."""
    many, few = (size(calm(rows), lookback="2s") for rows in (200_000, 20_000))
    assert abs(many - few) < 2_000
    assert many < 2_000 + 2_000 * 64
    assert many > size(calm(20_000), lookback="200ms") + 1_000


def test_intra_keeps_the_forming_bar() -> None:
    """And nothing of bars that have closed."""
    small, large = (size(calm(rows), intra=True) for rows in (10_000, 20_000))
    assert 8 * 10_000 <= large - small < 64 * 10_000
    stream = rb.BarStream(1_000, intra=True)
    stream.push(calm(20_000))
    closing = calm(20_002).tail(2).with_columns(price=pl.Series([110.0, 110.0]))
    assert stream.push(closing).height == 1
    assert len(stream.checkpoint()) < 2_000


def test_a_lookback_of_bars_keeps_these_bars() -> None:
    bars = [calm(1_000).with_columns(price=100.0 * 1.02**i + pl.int_range(pl.len()) % 7 * 0.01) for i in range(40)]
    moved = [frame.with_columns(pl.col("timestamp") + pl.duration(seconds=i)) for i, frame in enumerate(bars)]
    sizes = []
    for lookback in (rb.Bars(2), rb.Bars(4)):
        stream = rb.BarStream(1_000, lookback=lookback)
        closed = [stream.push(frame).height for frame in moved]
        assert sum(closed) == 39
        sizes.append(len(stream.checkpoint()))
    assert sizes[0] < 2_000 + 3_000 * 64
    assert 1_000 * 8 < sizes[1] - sizes[0] < 3_000 * 64


# ------------------------------------------------------------------------------------- altered bytes


@pytest.mark.parametrize("kind", FULL)
def test_every_prefix_is_refused(kind: str) -> None:
    data = full(kind).checkpoint()
    for length in range(len(data)):
        with pytest.raises(rb.RangeBarError):
            rb.BarStream.restore(data[:length])


@pytest.mark.parametrize("kind", FULL)
def test_every_flipped_bit_is_refused(kind: str) -> None:
    data = full(kind).checkpoint()
    for bit in range(8 * len(data)):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(rb.RangeBarError):
            rb.BarStream.restore(bytes(altered))


@given(kind=st.sampled_from(sorted(FULL)), more=st.binary(min_size=1, max_size=64))
def test_whatever_is_appended_is_refused(kind: str, more: bytes) -> None:
    data = full(kind).checkpoint()
    refusal(data + more)
    for sealed in (repaired(data + more), repaired(data[:-8] + more + bytes(8))):
        with pytest.raises(rb.RangeBarError):
            rb.BarStream.restore(sealed)


SWEEP = """
from tests._checkpoints import repaired
from tests._window_checkpoints import full, survives
kind = KIND
data = full(kind).checkpoint()
assert survives(data, kind)
taken = 0
for at in range(data.index(b"}\\n"), len(data) - 8):
    for word in (bytes([data[at] ^ 1]), b"\\xff" * 7 + b"\\x7f"):
        taken += survives(repaired(data[:at] + word + data[at + len(word):]), kind)
print("TAKEN", taken)
"""


@pytest.mark.parametrize("kind", FULL)
def test_altered_bytes_with_a_true_checksum_never_panic(kind: str) -> None:
    """Behind the parameters; in a process of its own, as a length that was altered could ask for all the memory."""
    sweep_alone(SWEEP, kind)


@given(alterations=ALTERATIONS, kind=st.sampled_from(sorted(FULL)))
def test_drawn_alterations_with_a_true_checksum_never_panic(
    alterations: list[tuple[float, int, bytes]], kind: str
) -> None:
    event(f"accepted: {survives(altered(full(kind).checkpoint(), alterations), kind)}")


def test_null_keys_have_windows_too() -> None:
    frame = frame_of([100.0, 100.0, 101.0, 101.0, 101.0], symbol=["a", None, None, "a", None])
    stream = rb.BarStream(1_000, by="symbol", lookback=5, intra=True, schema=frame.schema)
    stream.push(frame.head(2))
    stream = rb.BarStream.restore(stream.checkpoint())
    closed = stream.push(frame.slice(2))
    assert closed["intra_trade_count"].to_list() == [2, 2]
    assert stream.pending().select("symbol", "lookback_trade_count").rows() == [(None, 2)]
