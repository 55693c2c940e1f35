"""Drive equivalence of `bars(state=...)`: days, each a query that goes on from the one before, are one query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import ENGINES, Engine, assert_same_bars
from tests._streams import CUTS, Run, cut, frame_of, runs, whole
from tests.strategies import SOME_LONG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def query(run: Run, piece: pl.DataFrame, engine: Engine, data: bytes | None, **more: Any) -> tuple[pl.DataFrame, bytes]:
    """Bars of one piece and the state behind it."""
    state = rb.BarState() if data is None else rb.BarState(data)
    bars = run.lazy(piece, state=state, **more).collect(engine=engine)
    return bars, state.checkpoint()


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    """Three symbols, interleaved row by row, with many bars at 50 dbps."""
    return rb.datasets.sample_trades(30_000, symbols=["AAA", "BBB", "CCC"]).sort("timestamp", maintain_order=True)


# ------------------------------------------------------------------------------------- one answer


@pytest.mark.parametrize("engine", ENGINES)
@given(run=runs(repeats=SOME_LONG), where=CUTS)
def test_days_one_after_the_other(engine: Engine, run: Run, where: list[float]) -> None:
    *days, last = cut(run.frame, where)
    closed, data = [], None
    for day in days:
        bars, data = query(run, day, engine, data)
        closed.append(bars)
    rest, data = query(run, last, engine, data, include_incomplete=True)
    assert_same_bars(whole(closed, rest), run.bars())
    assert data == query(run, run.frame, engine, None)[1]


@pytest.mark.parametrize("rows", [1, 7])
def test_days_in_small_morsels(rows: int) -> None:
    @given(run=runs(), at=st.floats(0.0, 1.0))
    def same(run: Run, at: float) -> None:
        first, second = cut(run.frame, [at])
        closed, data = query(run, first, "streaming", None)
        rest, data = query(run, second, "streaming", data, include_incomplete=True)
        assert_same_bars(whole([closed], rest), run.bars())
        assert data == query(run, run.frame, "in-memory", None)[1]

    with pl.Config():
        pl.Config.set_streaming_chunk_size(rows)
        same()


@given(run=runs(), where=CUTS, live=st.lists(st.booleans(), min_size=6, max_size=6), engine=st.sampled_from(ENGINES))
def test_queries_and_streams_go_on_from_each_other(
    run: Run, where: list[float], live: list[bool], engine: Engine
) -> None:
    data = run.stream(schema=run.frame.schema).checkpoint()
    closed = []
    for piece, is_live in zip(cut(run.frame, where), live, strict=False):
        if is_live:
            stream = rb.BarStream.restore(data)
            bars, data = stream.push(piece), stream.checkpoint()
        else:
            bars, data = query(run, piece, engine, data)
        closed.append(bars)
    assert_same_bars(whole(closed, rb.BarStream.restore(data).pending()), run.bars())
    ended = run.lazy(run.frame.clear(), state=data, include_incomplete=True).collect(engine=engine)
    assert_same_bars(whole(closed, ended), run.bars())


@pytest.mark.parametrize("engine", ENGINES)
@given(run=runs(min_rows=1), at=st.floats(0.0, 1.0), data=st.data())
def test_what_is_asked_of_the_bars_does_not_change_the_state(
    engine: Engine, run: Run, at: float, data: st.DataObject
) -> None:
    """Every trade counts for the state, whichever bars and columns anyone wants."""
    first, second = cut(run.frame, [at])
    _, start = query(run, first, engine, None)
    bars, end = query(run, second, engine, start)
    state = rb.BarState(start)
    incomplete = data.draw(st.booleans())
    lazy = run.lazy(second, state=state, include_incomplete=incomplete)
    kind = data.draw(st.sampled_from(["columns", "price", "key", "time", "none", "features"]))
    time = pl.lit(run.frame["timestamp"][run.frame.height // 2], dtype=run.frame.schema["timestamp"])
    predicates: dict[str, pl.Expr] = {
        "price": pl.col("close") > pl.col("open"),
        "key": pl.all_horizontal(pl.lit(True), *(pl.col(name) == run.frame[name][0] for name in run.by)),
        "time": pl.col("open_time") >= time,
        "none": pl.lit(False),
    }
    expected = bars if not incomplete else run.lazy(second, state=start, include_incomplete=True).collect()
    if kind == "columns":
        names = data.draw(st.lists(st.sampled_from(bars.columns), min_size=1, unique=True))
        assert_same_bars(lazy.select(names).collect(engine=engine), expected.select(names))
    elif kind == "features":
        lazy = run.lazy(second, state=state, include_incomplete=incomplete, features=[])
        assert lazy.collect(engine=engine).height == expected.height
    else:
        got = lazy.filter(predicates[kind]).collect(engine=engine)
        assert_same_bars(got, expected.filter(predicates[kind]))
    ahead = [
        rb.BarStream.restore(x).finish().select(bars.columns[: len(run.by) + 22]) for x in (state.checkpoint(), end)
    ]
    assert_same_bars(*ahead)
    if kind != "features":
        assert state.checkpoint() == end


@given(run=runs(), at=st.floats(0.0, 1.0), engine=st.sampled_from(ENGINES))
def test_a_plan_begins_where_it_began(run: Run, at: float, engine: Engine) -> None:
    """However often it runs, and alone or beside itself."""
    first, second = cut(run.frame, [at])
    start = query(run, first, engine, None)[1]
    state = rb.BarState(start)
    plan = run.lazy(second, state=state, include_incomplete=True)
    bars = plan.collect(engine=engine)
    end = state.checkpoint()
    for again in (plan.collect(engine=engine), run.lazy(second, state=start, include_incomplete=True).collect()):
        assert_same_bars(again, bars)
        assert state.checkpoint() == end
    assert_same_bars(pl.concat([plan, plan]).collect(engine=engine), pl.concat([bars, bars]))
    assert state.checkpoint() == end
    eager = rb.BarState(start)
    assert_same_bars(run.bars(second, state=eager), bars)
    assert eager.checkpoint() == end


@pytest.mark.parametrize("engine", ENGINES)
def test_a_day_of_trades(btcusdt_day: pl.DataFrame, tmp_path: Path, engine: Engine) -> None:
    """Hours in files, each a query of its own, on the engine that streams and on the other."""
    run = Run(btcusdt_day, [10, 100], {"by": None, "reset": "1d", "max_gap": "2s", "include_orphans": True})
    closed, data = [], None
    pieces = list(btcusdt_day.iter_slices(41_111))
    for number, piece in enumerate(pieces):
        file = tmp_path / f"{number:02}.parquet"
        piece.write_parquet(file, row_group_size=9_999)
        state = rb.BarState() if data is None else rb.BarState(data)
        is_last = number + 1 == len(pieces)
        lazy = pl.scan_parquet(file).rangebar.bars(
            run.thresholds, **run.options, state=state, include_incomplete=is_last
        )
        closed.append(lazy.collect(engine=engine))
        data = state.checkpoint()
    assert_same_bars(pl.concat(closed), run.bars())


# ---------------------------------------------------------------------------------- when there is one


def test_a_state_that_nothing_ran_into_has_no_bytes() -> None:
    frame = frame_of([100.0, 101.0])
    state = rb.BarState()
    with pytest.raises(rb.RangeBarError):
        state.checkpoint()
    plan = frame.lazy().rangebar.bars(1_000, state=state)
    with pytest.raises(rb.RangeBarError):
        state.checkpoint()
    plan.collect()
    restored = rb.BarState(state.checkpoint())
    with pytest.raises(rb.RangeBarError):
        restored.checkpoint()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_that_stops_early_leaves_no_state(trades: pl.DataFrame, engine: Engine) -> None:
    for rows in (0, 1, 4):
        state = rb.BarState()
        trades.lazy().rangebar.bars(50, by="symbol", state=state).head(rows).collect(engine=engine)
        with pytest.raises(rb.RangeBarError):
            state.checkpoint()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_that_fails_leaves_no_state(trades: pl.DataFrame, engine: Engine) -> None:
    broken = trades.with_columns(price=pl.when(pl.int_range(pl.len()) == 20_000).then(-1.0).otherwise("price"))
    state = rb.BarState()
    with pytest.raises(rb.RangeBarError, match=r"`price` must be finite and > 0, got -1\.0 at row 20000"):
        broken.lazy().rangebar.bars(50, by="symbol", state=state).collect(engine=engine)
    with pytest.raises(rb.RangeBarError):
        state.checkpoint()


def test_sinks_and_batches_leave_the_state(trades: pl.DataFrame, tmp_path: Path) -> None:
    def left(run: Callable[[pl.LazyFrame], object]) -> bytes:
        state = rb.BarState()
        run(trades.lazy().rangebar.bars(50, by="symbol", state=state))
        return state.checkpoint()

    expected = left(lambda bars: bars.collect())
    assert left(lambda bars: bars.sink_parquet(tmp_path / "bars.parquet")) == expected
    assert left(lambda bars: list(bars.collect_batches(chunk_size=7))) == expected
    assert left(lambda bars: bars.group_by("symbol").len().collect()) == expected
    assert left(lambda bars: bars.sort("close_time").tail(1).collect()) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_before_the_day_count_in_its_errors(trades: pl.DataFrame, engine: Engine) -> None:
    """The row of the input is that of the query, the row of the group that of all it has seen."""
    state = rb.BarState()
    trades.head(20_000).rangebar.bars(50, by="symbol", state=state)
    symbol = trades[20_010, "symbol"]
    row = trades.head(20_010).filter(symbol=symbol).height
    broken = trades.tail(10_000).with_columns(price=pl.when(pl.int_range(pl.len()) == 10).then(0.0).otherwise("price"))
    with pytest.raises(rb.RangeBarError, match=rf'got 0.0 at row 10.*\(row {row} of symbol="{symbol}"\)'):
        broken.lazy().rangebar.bars(50, by="symbol", state=state.checkpoint()).collect(engine=engine)


# --------------------------------------------------------------------------------- other parameters

FIRST: dict[str, Any] = {"threshold_dbps": 1_000, "by": "symbol", "reset": "1w", "max_gap": "40h"}
DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "threshold": ({"threshold_dbps": 999}, "threshold_dbps"),
    "another threshold in a list": ({"threshold_dbps": [999]}, "threshold_dbps"),
    "thresholds in another order": ({"threshold_dbps": [999, 1_000]}, "threshold_dbps"),
    "one threshold more": ({"threshold_dbps": [1_000, 999]}, "threshold_dbps"),
    "gate": ({"same_timestamp_gate": False}, "same_timestamp_gate"),
    "reset": ({"reset": "1d"}, "reset"),
    "no reset": ({"reset": None}, "reset"),
    "gap": ({"max_gap": "40h1ns"}, "max_gap"),
    "no gap": ({"max_gap": None}, "max_gap"),
    "decimals": ({"price_decimals": 9}, "`price_decimals` was 8 and is 9"),
    "no key": ({"by": None}, r"\bby\b"),
    "another key": ({"by": "market"}, r"\bby\b"),
    "one key more": ({"by": ["symbol", "market"]}, r"\bby\b"),
    "no side": ({"is_buyer_maker": None}, "is_buyer_maker"),
    "no id": ({"agg_trade_id": None}, "agg_trade_id"),
    "no ids": ({"first_trade_id": None, "last_trade_id": None}, "first_trade_id"),
}
PRICES = [100.0, 101.0, 100.0, 99.0, 98.0]


def full(price: list[float]) -> pl.DataFrame:
    n = len(price)
    ids = {name: list(range(n)) for name in ("agg_trade_id", "first_trade_id", "last_trade_id")}
    return frame_of(price, symbol=["a"] * n, market=[1] * n, is_buyer_maker=[True] * n, **ids)


@pytest.fixture
def data() -> bytes:
    state = rb.BarState()
    full(PRICES).rangebar.bars(**FIRST, state=state)
    return state.checkpoint()


def later() -> pl.DataFrame:
    ids = pl.col("agg_trade_id", "first_trade_id", "last_trade_id") + 10
    return full(PRICES).with_columns(pl.col("timestamp") + pl.duration(minutes=1), ids)


def test_the_same_parameters_go_on(data: bytes) -> None:
    both = pl.concat([full(PRICES), later()])
    rest = later().rangebar.bars(**FIRST, state=data)
    assert_same_bars(pl.concat([full(PRICES).rangebar.bars(**FIRST), rest]), both.rangebar.bars(**FIRST))
    assert rest.height > 0


@pytest.mark.parametrize("name", DIFFERENT)
def test_other_parameters_are_named(data: bytes, name: str) -> None:
    options, named = DIFFERENT[name]
    with pytest.raises(rb.RangeBarError, match=named):
        later().rangebar.bars(**FIRST | options, state=data)
    with pytest.raises(rb.RangeBarError, match=named):
        later().lazy().rangebar.bars(**FIRST | options, state=rb.BarState(data)).collect()


@pytest.mark.parametrize("dtype", [pl.Datetime("ms"), pl.Datetime("ns"), pl.Datetime("us", "UTC"), pl.Int64()], ids=str)
def test_another_dtype_of_time_is_named(data: bytes, dtype: pl.DataType) -> None:
    unit = {"time_unit": "us"} if dtype == pl.Int64() else {}
    with pytest.raises(rb.RangeBarError, match="time"):
        later().cast({"timestamp": dtype}).rangebar.bars(**FIRST, **unit, state=data)


@pytest.mark.parametrize("column", ["is_buyer_maker", "agg_trade_id"])
def test_a_column_that_was_not_there_is_named(column: str) -> None:
    state = rb.BarState()
    full(PRICES).drop(column).rangebar.bars(**FIRST, state=state)
    with pytest.raises(rb.RangeBarError, match=column):
        later().rangebar.bars(**FIRST, state=state.checkpoint())
    assert later().drop(column).rangebar.bars(**FIRST, state=state.checkpoint()).height > 0


def test_another_dtype_of_a_key_is_named(data: bytes) -> None:
    with pytest.raises(rb.RangeBarError, match="symbol"):
        later().cast({"symbol": pl.Categorical}).rangebar.bars(**FIRST, state=data)


def test_what_decides_no_bars_may_differ(data: bytes) -> None:
    expected = later().rangebar.bars(**FIRST, state=data)
    ofi = later().rangebar.bars(**FIRST, features=["ofi"], include_orphans=True, overlap="skip", state=data)
    assert_same_bars(ofi, expected.select(ofi.columns))
    listed = later().rangebar.bars(**FIRST | {"threshold_dbps": [1_000], "max_gap": "1d16h"}, state=data)
    assert_same_bars(listed.drop("threshold_dbps"), expected)
    renamed = later().rename({"timestamp": "when", "price": "px", "agg_trade_id": "aid"})
    names = {"time": "when", "price": "px", "agg_trade_id": "aid"}
    assert_same_bars(renamed.rangebar.bars(**FIRST, **names, state=data), expected)
    assert later().rangebar.bars(**FIRST, include_incomplete=True, state=data).height == expected.height + 1


@pytest.mark.parametrize("state", [5, "text", [b""], rb.BarState, object()], ids=lambda value: type(value).__name__)
def test_what_is_no_state(state: Any) -> None:
    with pytest.raises((rb.RangeBarError, TypeError), match="state"):
        full(PRICES).rangebar.bars(250, state=state)


def test_with_a_state_nothing_is_left_out_of_the_input(trades: pl.DataFrame) -> None:
    """A filter on keys or times reads every trade all the same: the state is that of every group."""
    data = rb.BarStream(50, by="symbol", reset="1d", schema=trades.schema).checkpoint()
    noon = trades["timestamp"][0].replace(hour=12)
    expected = trades.rangebar.bars(50, by="symbol", reset="1d")
    states = []
    for predicate in (
        pl.lit(True),
        pl.col("symbol") == "BBB",
        pl.col("open_time") >= noon,
        pl.col("close_time") < noon,
    ):
        state = rb.BarState(data)
        bars = trades.lazy().rangebar.bars(50, by="symbol", reset="1d", state=state).filter(predicate)
        assert_same_bars(bars.collect(), expected.filter(predicate))
        states.append(state.checkpoint())
    assert len(set(states)) == 1
