"""Restart layer: time that goes on ends bars as the next trade would; groups are forgotten and limited in number."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._checkpoints import KEYS, full
from tests._routes import ENGINES, Engine, assert_same_bars
from tests._streams import Run, arguments, runs, whole

DAY = 86_400_000_000
NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)


def at(times: list[int], symbols: list[str] | None = None, price: float = 100.0) -> pl.DataFrame:
    """Trades at some times of some symbols."""
    frame = pl.DataFrame({"timestamp": times, "price": [price] * len(times), "quantity": [1.0] * len(times)})
    return frame if symbols is None else frame.with_columns(pl.Series("symbol", symbols))


def stream(**options: Any) -> rb.BarStream:
    return rb.BarStream(1_000, **{"time_unit": "us", "by": "symbol", "include_orphans": True} | options)


def by_group(bars: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The bars of each group in their order, and without what only the next trade tells: reset, gap or end."""
    reason = pl.col("close_reason").cast(pl.String).replace({"gap": "break", "reset": "break", "end": "break"})
    bars = bars.with_columns(reason)
    return pl.concat(bars.partition_by(by, maintain_order=True)) if by and bars.height else bars


# ---------------------------------------------------------------------------------------- advance


@given(run=runs(min_rows=1, repeats=(1,)), data=st.data())
def test_time_that_goes_on_ends_what_the_next_trade_would_end(run: Run, data: st.DataObject) -> None:
    """Windows, gaps, resets, several thresholds: the bars are those of one query, only sooner."""
    run = Run(run.frame, run.thresholds, run.options | {"include_orphans": True, "intra": True, "lookback": 5})
    times = run.frame["timestamp"].to_physical()
    earliest = times.reverse().cum_min().reverse()  # of the trades to come
    bars, closed = run.stream(), []
    for row in range(run.frame.height):
        if row and data.draw(st.booleans()):
            closed.append(bars.advance(earliest[row] - data.draw(st.sampled_from([0, 1, 10**6]))))
        if data.draw(st.booleans()):
            bars = rb.BarStream.restore(bars.checkpoint())
        closed.append(bars.push(run.frame[row]))
    expected, got = run.bars(), whole(closed, bars.finish())
    order = expected.select(run.by).unique(maintain_order=True) if run.by else None
    if order is not None:
        expected, got = (
            order.join(frame, on=run.by, maintain_order="left_right", nulls_equal=True) for frame in (expected, got)
        )
    assert_same_bars(by_group(got, run.by), by_group(expected, run.by))


def test_advancing_ends_bars() -> None:
    """The law above would hold if it ended none."""
    bars = stream(reset="1d", max_gap="1h")
    bars.push(at([0, 0, DAY - 1], ["gap", "both", "reset"]))
    hour = 3_600_000_000
    assert bars.advance(hour).is_empty()
    assert bars.advance(hour + 1).select("symbol", "close_reason").rows() == [("gap", "gap"), ("both", "gap")]
    assert bars.advance(DAY - 1).is_empty()
    assert bars.advance(DAY).select("symbol", "open_time", "close_reason").rows() == [("reset", DAY - 1, "reset")]
    assert bars.pending().is_empty()
    both = stream(reset="1d", max_gap="1h")
    both.push(at([0], ["a"]))
    assert both.advance(DAY)["close_reason"].to_list() == ["reset"], "as a trade at this time would"


def test_orphans_that_nobody_wants_end_too() -> None:
    bars = stream(reset="1d", include_orphans=False)
    bars.push(at([0], ["a"]))
    assert bars.advance(DAY).is_empty()
    assert bars.pending().is_empty()


def test_dead_symbols_end() -> None:
    """One bar of a symbol that trades no more, not one that forms over a thousand days."""
    bars = rb.BarStream(250, by="symbol", reset="1d", max_gap="1h", include_orphans=True)
    frame = pl.DataFrame(
        {"symbol": ["DEAD", "LIVE"], "timestamp": [NOON] * 2, "price": [10.0] * 2, "quantity": [1.0] * 2}
    )
    bars.push(frame)
    for day in range(1, 4):
        ended = bars.push(frame.tail(1).with_columns(pl.col("timestamp") + pl.duration(days=day)))
        ended = pl.concat([ended, bars.advance(NOON + dt.timedelta(days=day))])
        assert ended["symbol"].to_list() == (["LIVE", "DEAD"] if day == 1 else ["LIVE"])
    assert bars.pending()["symbol"].to_list() == ["LIVE"]


@pytest.mark.parametrize("by_trade", [False, True])
def test_a_trade_before_the_time_is_refused(by_trade: bool) -> None:
    """Also that of a group that was never seen, and in a stream that was restored."""
    bars = stream()
    bars.push(at([5, 5], ["a", "b"]))
    bars.advance(100)
    bars.advance(50)  # says nothing new
    for late in (bars, rb.BarStream.restore(bars.checkpoint())):
        before = late.checkpoint()
        for symbol in ("a", "new"):
            frame = at([99], [symbol])
            with pytest.raises(rb.RangeBarError, match=r"must not be before the time .* got 99 after advance\(100\)"):
                late.push_trade(**arguments(frame, ["symbol"])[0]) if by_trade else late.push(frame)
            assert late.checkpoint() == before
        on_time = at([100], ["a"])
        assert not (late.push_trade(**arguments(on_time, ["symbol"])[0]) if by_trade else late.push(on_time).height)


def test_what_is_sent_again_is_skipped_behind_the_time() -> None:
    bars = stream(overlap="skip")
    frame = at([1, 2], ["a", "a"]).with_columns(agg_trade_id=pl.Series([1, 2]))
    bars.push(frame)
    bars.advance(100)
    assert bars.push(frame).is_empty()
    assert bars.skipped == 2


def test_times_as_people_have_them() -> None:
    frame = pl.DataFrame({"timestamp": [NOON], "price": [1.0], "quantity": [1.0], "symbol": ["a"]})
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    times = [
        NOON + dt.timedelta(hours=13),
        pandas.Timestamp(NOON) + pandas.Timedelta("13h"),
        numpy.int64(1_704_157_200_000),
    ]
    for time in times:
        bars = rb.BarStream(250, by="symbol", reset="1d", include_orphans=True)
        bars.push(frame.cast({"timestamp": pl.Datetime("ms", "UTC")}))
        assert bars.advance(time)["close_reason"].to_list() == ["reset"]
    bars = rb.BarStream(250, by="symbol", reset="1d", include_orphans=True)
    bars.push(frame.cast({"timestamp": pl.Datetime("ms", "UTC")}))
    nearly = dt.datetime(2024, 1, 1, 23, 59, 59, 999_999, dt.UTC)
    assert bars.advance(nearly).is_empty(), "what the unit cannot hold is rounded down"
    with pytest.raises(TypeError, match="`time` must be an int or a datetime"):
        bars.advance("2024-01-02")


# ----------------------------------------------------------------------------------------- forget


@given(run=runs(min_rows=1).filter(lambda run: bool(run.by)), data=st.data())
def test_a_group_that_is_forgotten_begins_anew(run: Run, data: st.DataObject) -> None:
    """The others go on as if nothing had been."""
    at_row = data.draw(st.integers(0, run.frame.height))
    first, second = run.frame.head(at_row), run.frame.slice(at_row)
    bars = run.stream()
    closed = bars.push(first)
    pending = bars.pending()
    known = first.select(run.by).unique(maintain_order=True)
    gone = known.filter(
        pl.Series(data.draw(st.lists(st.booleans(), min_size=known.height, max_size=known.height)), dtype=pl.Boolean)
    )
    last = bars.forget(gone)
    assert_same_bars(last, pending.join(gone, on=run.by, how="semi", nulls_equal=True, maintain_order="left"))
    bars = rb.BarStream.restore(bars.checkpoint())
    rest = whole([bars.push(second)], bars.finish())
    kept = run.frame.join(gone, on=run.by, how="anti", nulls_equal=True, maintain_order="left")
    again = second.join(gone, on=run.by, how="semi", nulls_equal=True, maintain_order="left")
    if "agg_trade_id" not in run.frame.columns:
        return  # ids count the rows of a group, and begin anew with it
    for part, expected in ((kept, run.bars(kept)), (again, run.bars(again))):
        keys = part.select(run.by).unique()
        got = pl.concat([closed, rest]) if part is kept else rest
        got = got.join(keys, on=run.by, how="semi", nulls_equal=True, maintain_order="left")
        if part is again:
            got = got.join(gone, on=run.by, how="semi", nulls_equal=True, maintain_order="left")
        order = [*run.by, "open_time", "first_agg_trade_id"]
        assert_same_bars(got.sort(order, maintain_order=True), expected.sort(order, maintain_order=True))


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_kind_are_forgotten(kind: str) -> None:
    bars = full(kind)
    pending = bars.pending()
    keys = pending.select("market", "symbol").unique(maintain_order=True).rows()
    assert len(keys) == 2
    if kind == "times":  # a datetime of Python has no nanoseconds
        with pytest.raises(rb.RangeBarError, match=r"no trades of market=1970-01-02, symbol=1970-01-01 01:00:00 UTC"):
            bars.forget((keys[0][0], dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=1)))
        keys = [pending.select("market", "symbol").head(1), pending.select("market", "symbol").tail(1)]
    assert_same_bars(bars.forget(keys[0]), pending.head(2))  # of two thresholds
    assert_same_bars(bars.forget(keys[1] if kind == "times" else keys[1:]), pending.tail(2))
    assert bars.pending().is_empty()


def test_what_cannot_be_forgotten() -> None:
    bars = stream()
    with pytest.raises(rb.RangeBarError, match="the stream has seen no trades"):
        bars.forget("a")
    bars.push(at([1, 2], ["a", "b"]))
    before = bars.checkpoint()
    frame = pl.DataFrame({"ticker": ["a"]})
    calls: list[tuple[object, str]] = [
        (["a", "c"], 'the stream has no trades of symbol="c": nothing was forgotten'),
        (("a", "b"), "`key` must be a tuple of symbol"),
        (5, "the key `symbol` must be String, got 5"),
        (frame, "takes the key columns `symbol`"),
        (frame.lazy(), "must be String"),
    ]
    for keys, text in calls:
        with pytest.raises(rb.RangeBarError, match=text):
            bars.forget(keys)
        assert bars.checkpoint() == before
    assert bars.forget([]).is_empty()
    plain = rb.BarStream(250, time_unit="us")
    plain.push(at([1]))
    with pytest.raises(rb.RangeBarError, match="has no `by`"):
        plain.forget(None)


# ------------------------------------------------------------------------------------- max_groups


def test_more_groups_than_allowed() -> None:
    """Ids given as keys are told at once, and change nothing."""
    bars = stream(max_groups=2)
    bars.push(at([1, 2], ["a", "b"]))
    before = bars.checkpoint()
    pushes: list[Callable[[], object]] = [
        lambda: bars.push(at([3, 4, 5], ["a", "c", "d"])),
        lambda: bars.push_trade(3, 100.0, 1.0, key="c"),
    ]
    for push in pushes:
        with pytest.raises(rb.RangeBarError, match=r'more than max_groups=2 groups, the next one is symbol="c"'):
            push()
        assert bars.checkpoint() == before
    restored = rb.BarStream.restore(before, max_groups=2)
    with pytest.raises(rb.RangeBarError, match="max_groups=2"):
        restored.push(at([3], ["c"]))
    restored.forget("a")
    restored.push(at([3], ["c"]))
    assert restored.pending()["symbol"].to_list() == ["b", "c"]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2", 2**63])
def test_what_max_groups_may_be(wrong: Any) -> None:
    calls: list[Callable[[], object]] = [lambda: stream(max_groups=wrong), lambda: rb.BarState(max_groups=wrong)]
    for call in calls:
        with pytest.raises(rb.RangeBarError, match="`max_groups` must be an integer of at least 1, or None"):
            call()


# ------------------------------------------------------------------------------------ state, copies


@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_is_told_the_same(engine: Engine) -> None:
    frame = at([0, 0, 5], ["dead", "gone", "live"])
    options: dict[str, Any] = {"by": "symbol", "time_unit": "us", "reset": "1d", "include_orphans": True}
    state = rb.BarState(max_groups=3)
    for call in (lambda: state.advance(5), lambda: state.forget("dead")):
        with pytest.raises(rb.RangeBarError, match="the state has seen no trades"):
            call()
    frame.lazy().rangebar.bars(250, **options, state=state).collect(engine=engine)
    assert state.forget("gone")["symbol"].to_list() == ["gone"]
    assert state.advance(DAY)["symbol"].to_list() == ["dead", "live"]
    later = rb.BarState(state.checkpoint())
    assert later.max_groups == 3
    more = at([DAY, DAY], ["new", "newer"])
    with pytest.raises(rb.RangeBarError, match=r'max_groups=3 groups, the next one is symbol="newer"'):
        more.lazy().rangebar.bars(250, **options, state=later).collect(engine=engine)
    with pytest.raises(rb.RangeBarError, match=r"after advance"):
        at([DAY - 1], ["live"]).lazy().rangebar.bars(250, **options, state=later).collect(engine=engine)
    assert later.forget("live").is_empty()
    bars = more.lazy().rangebar.bars(250, **options, state=later, include_incomplete=True).collect(engine=engine)
    assert bars["symbol"].to_list() == ["new", "newer"]


def test_a_stream_is_copied_and_pickled() -> None:
    bars = stream(overlap="skip", intra=True)
    bars.push(at([1, 2], ["a", "b"]).with_columns(agg_trade_id=pl.Series([1, 2])))
    for other in (copy.copy(bars), copy.deepcopy(bars), pickle.loads(pickle.dumps(bars))):
        assert isinstance(other, rb.BarStream)
        assert other.checkpoint() == bars.checkpoint()
        other.push(at([3], ["a"]).with_columns(agg_trade_id=pl.Series([3])))
        assert other.checkpoint() != bars.checkpoint()


def test_a_time_of_another_unit_is_refused() -> None:
    """It would end every bar, and no trade could follow."""
    bars = stream(time_unit="ms", reset="1d")
    bars.push(at([1_704_067_200_000], ["a"]))
    before = bars.checkpoint()
    for time in (1_704_067_200_000_000, 2**63 - 1):
        with pytest.raises(rb.RangeBarError, match="`time` must not be ahead of the last trade by more than"):
            bars.advance(time)
    for time in (2**63, -(2**63) - 1):
        with pytest.raises(rb.RangeBarError, match="`time` must fit a signed 64-bit integer"):
            bars.advance(time)
    assert bars.checkpoint() == before
    free = stream(time_unit="ms", reset="1d", max_step=None)
    free.push(at([1_704_067_200_000], ["a"]))
    assert free.advance(1_704_067_200_000_000).height == 1


def test_keys_as_a_series_and_in_a_frame_of_another_name() -> None:
    bars = stream()
    bars.push(at([1, 2], ["a", "b"]))
    with pytest.raises(rb.RangeBarError, match="takes the key columns `symbol`, and the frame has no `symbol`"):
        bars.forget(pl.DataFrame({"ticker": ["a"]}))
    assert bars.forget(pl.Series(["a"]))["symbol"].to_list() == ["a"]


def test_a_stream_goes_on_from_a_state(tmp_path: Path) -> None:
    """From one that a query has left, and from one that was read with the bars."""
    frame = rb.datasets.sample_trades(3_000, symbols=["a", "b"]).sort("timestamp", maintain_order=True)
    first, second = frame.head(2_000), frame.tail(-2_000)
    state = rb.BarState()
    rb.sink_bars(first.lazy().rangebar.bars(50, by="symbol", state=state), tmp_path / "a.parquet", state=state)
    expected = frame.rangebar.bars(50, by="symbol", include_incomplete=True)
    for known in (state, rb.read_state(tmp_path / "a.parquet")):
        live = rb.BarStream.restore(known, threshold_dbps=50)
        bars = [pl.read_parquet(tmp_path / "a.parquet"), live.push(second), live.finish()]
        assert_same_bars(pl.concat(bars), expected)
    with pytest.raises(rb.RangeBarError, match="the state has seen no trades"):
        rb.BarStream.restore(rb.BarState())
