"""Drive equivalence of windows: how the trades arrive never changes a bit of `intra_*` and `lookback_*`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import EVERY_BAR, ROUTES, Engine, assert_same_bars, eager, engines
from tests._streams import CUTS, WAYS, Run, Way, arguments, cut, feed, whole
from tests._window_oracle import Lookback
from tests._windows import KINDS, window_runs, windows
from tests.strategies import SOME_LONG, Trades, any_trades, flags, threshold_lists

MORSELS = [1, 7, 1_000]


# ------------------------------------------------------------------------------- queries over frames


@pytest.mark.parametrize("route", ROUTES)
@given(case=any_trades(repeats=SOME_LONG), flag=flags(), asked=windows(), data=st.data())
def test_every_route(
    route: str, case: Trades, flag: dict[str, bool], asked: dict[str, Any], data: st.DataObject
) -> None:
    """A loop over the groups among them."""
    several = data.draw(st.one_of(st.none(), threshold_lists(case)))
    thresholds = several or case.threshold_dbps
    options = case.bar_options | flag | asked
    assert_same_bars(ROUTES[route](case.frame, thresholds, **options), eager(case.frame, thresholds, **options))


@pytest.mark.parametrize("route", ROUTES)
@given(case=any_trades(repeats=SOME_LONG, chunked_frame=False), asked=windows(), where=CUTS)
def test_chunking(route: str, case: Trades, asked: dict[str, Any], where: list[float]) -> None:
    options = case.bar_options | EVERY_BAR | asked
    pieces = pl.concat(cut(case.frame, where), rechunk=False)
    expected = ROUTES[route](case.frame, case.threshold_dbps, **options)
    assert_same_bars(ROUTES[route](pieces, case.threshold_dbps, **options), expected)


@given(case=any_trades(repeats=SOME_LONG, chunked_frame=False), asked=windows(), where=CUTS)
def test_columns_chunked_each_in_its_own_way(case: Trades, asked: dict[str, Any], where: list[float]) -> None:
    options = case.bar_options | EVERY_BAR | asked
    chunks = pl.concat(cut(case.frame, where), rechunk=False)
    mixed = case.frame.with_columns(chunks[name] for name in case.frame.columns[::2])
    for name in ("eager", "lazy-streaming", "expression-in-memory"):
        got = ROUTES[name](mixed, case.threshold_dbps, **options)
        assert_same_bars(got, eager(case.frame, case.threshold_dbps, **options))


@engines
@given(case=any_trades(max_rows=60), asked=windows(), where=CUTS)
def test_split_into_files(engine: Engine, case: Trades, asked: dict[str, Any], where: list[float]) -> None:
    options = case.bar_options | EVERY_BAR | asked
    with tempfile.TemporaryDirectory() as folder:
        for number, piece in enumerate(cut(case.frame, where)):
            piece.write_parquet(Path(folder) / f"{number:03}.parquet", row_group_size=9)
        lake = pl.scan_parquet(Path(folder) / "*.parquet")
        bars = lake.rangebar.bars(case.threshold_dbps, **options | {"by": list(case.by) or None})
        assert_same_bars(bars.collect(engine=engine), eager(case.frame, case.threshold_dbps, **options))


@pytest.mark.parametrize("rows", MORSELS)
@pytest.mark.parametrize("route", ["lazy-streaming", "expression-streaming"])
def test_morsels(route: str, rows: int) -> None:
    """Rows that the streaming engine hands over at once."""

    @given(case=any_trades(max_rows=60, repeats=SOME_LONG if rows > 1 else (1,)), asked=windows())
    def same(case: Trades, asked: dict[str, Any]) -> None:
        options = case.bar_options | EVERY_BAR | asked
        expected = eager(case.frame, case.threshold_dbps, **options)
        with pl.Config():
            pl.Config.set_streaming_chunk_size(rows)
            got = ROUTES[route](case.frame, case.threshold_dbps, **options)
        assert_same_bars(got, expected)

    same()


@given(case=any_trades(repeats=SOME_LONG), flag=flags(), asked=windows(), data=st.data())
def test_each_threshold_is_the_single_run(
    case: Trades, flag: dict[str, bool], asked: dict[str, Any], data: st.DataObject
) -> None:
    """Each has bars of its own, and so windows of its own."""
    thresholds = data.draw(threshold_lists(case))
    options = case.bar_options | flag | asked
    bars = eager(case.frame, thresholds, **options)
    for threshold in thresholds:
        own = bars.filter(pl.col("threshold_dbps") == threshold).drop("threshold_dbps")
        assert_same_bars(own, eager(case.frame, threshold, **options))


@given(case=any_trades(min_keys=1, repeats=SOME_LONG), asked=windows())
def test_interleaved_equals_sorted_by_group(case: Trades, asked: dict[str, Any]) -> None:
    """And the rows of the bars stand where they stand without windows."""
    options = case.bar_options | EVERY_BAR | asked
    interleaved = eager(case.frame, case.threshold_dbps, **options)
    plain = eager(case.frame, case.threshold_dbps, **options | {"intra": False, "lookback": None})
    assert_same_bars(interleaved.select(plain.columns), plain)
    runs = pl.concat([*case.frame.partition_by(case.by), case.frame.clear()])
    by_group = eager(runs, case.threshold_dbps, **options)
    groups = [bars.partition_by(case.by, as_dict=True) for bars in (interleaved, by_group)]
    assert groups[0].keys() == groups[1].keys()
    for key, bars in groups[0].items():
        assert_same_bars(bars, groups[1][key])


@given(case=any_trades(min_keys=1, max_keys=1), asked=windows(), data=st.data())
def test_other_groups_do_not_matter(case: Trades, asked: dict[str, Any], data: st.DataObject) -> None:
    options = case.bar_options | EVERY_BAR | asked
    kept = data.draw(st.sets(st.sampled_from(sorted(case.frame[case.by[0]].cast(pl.String).unique()) or [""])))
    keep = pl.col(case.by[0]).cast(pl.String).is_in(kept)
    bars = eager(case.frame, case.threshold_dbps, **options)
    assert_same_bars(eager(case.frame.filter(keep), case.threshold_dbps, **options), bars.filter(keep))


@given(case=any_trades(repeats=SOME_LONG), asked=windows(), data=st.data())
def test_a_family_does_not_change_the_other(case: Trades, asked: dict[str, Any], data: st.DataObject) -> None:
    """Nor does what else is asked for change a column."""
    lookback = asked["lookback"] or 3
    options = case.bar_options | EVERY_BAR
    both = eager(case.frame, case.threshold_dbps, **options, intra=True, lookback=lookback)
    for one in ({"intra": True}, {"lookback": lookback}, {}):
        alone = eager(case.frame, case.threshold_dbps, **options, **one)
        assert_same_bars(alone, both.select(alone.columns))
    names = both.columns[both.columns.index("close_reason") + 1 :]
    features = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=5))
    some = eager(case.frame, case.threshold_dbps, **options, features=features, lookback=lookback)
    assert_same_bars(some, both.select(some.columns))
    assert some.columns[both.columns.index("close_reason") + 1 :] == features


# ----------------------------------------------------------------------------------------- streams


@given(run=window_runs(repeats=SOME_LONG), where=CUTS)
def test_any_cut_into_pushes(run: Run, where: list[float]) -> None:
    """At every cut: what was closed so far, and what is pending, are the bars of the trades so far."""
    stream = run.stream()
    closed: list[pl.DataFrame] = []
    rows = 0
    for piece in cut(run.frame, where):
        closed.append(stream.push(piece))
        rows += piece.height
        assert_same_bars(whole(closed, stream.pending()), run.bars(run.frame.head(rows)))
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@given(run=window_runs(max_rows=60), where=CUTS, ways=WAYS, schema=st.booleans())
def test_frames_rows_and_restarts_in_any_mix(run: Run, where: list[float], ways: list[Way], schema: bool) -> None:
    stream = run.stream(schema=run.frame.schema if schema else None)
    if not schema:
        assert stream.push(run.frame.clear()).is_empty()
    stream, closed = feed(stream, run.by, cut(run.frame, where), ways)
    assert_same_bars(whole(closed, stream.finish()), run.bars())


@given(run=window_runs(max_rows=20))
def test_every_row_by_itself(run: Run) -> None:
    """A bar comes out with the row that ends it, from frames of one row and from single trades alike."""
    frames, rows = (run.stream(schema=run.frame.schema) for _ in range(2))
    for number, row in enumerate(arguments(run.frame, run.by)):
        of_frame = frames.push(run.frame.slice(number, 1))
        of_row = rows.push_trade(**row)
        assert_same_bars(of_frame.clear() if of_row is None else of_row, of_frame)
        assert_same_bars(rows.pending(), frames.pending())
        assert rows.checkpoint() == frames.checkpoint()
    assert_same_bars(frames.finish(), rows.finish())


@given(run=window_runs(), data=st.data(), where=CUTS)
def test_features_of_a_stream(run: Run, data: st.DataObject, where: list[float]) -> None:
    whole_bars = run.bars()
    names = whole_bars.columns[whole_bars.columns.index("close_reason") + 1 :]
    names = [name for name in names if name != "threshold_dbps"]
    features = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=4))
    stream = run.stream(features=features)
    closed = [stream.push(piece) for piece in cut(run.frame, where)]
    got = whole(closed, stream.finish())
    assert_same_bars(got, whole_bars.select(got.columns))
    assert got.columns[got.width - len(features) :] == features


# --------------------------------------------------------------------------------------- a real day

DAY_OPTIONS: dict[str, Any] = {"intra": True, "include_orphans": True, "reset": "1d", "max_gap": "2s"}


@pytest.fixture(scope="module")
def hours(btcusdt_day: pl.DataFrame) -> pl.DataFrame:
    return btcusdt_day.slice(100_000, 120_000)


@pytest.mark.parametrize("lookback", [200, "30s", rb.Bars(3)], ids=str)
def test_hours_of_trades_by_every_route(hours: pl.DataFrame, lookback: Lookback) -> None:
    options = EVERY_BAR | DAY_OPTIONS | {"lookback": lookback}
    expected = eager(hours, [50, 200], **options)
    assert expected.height > 50
    for route in ROUTES.values():
        assert_same_bars(route(hours, [50, 200], **options), expected)
    pieces = pl.concat(list(hours.iter_slices(3_333)), rechunk=False)
    for route in ROUTES.values():
        assert_same_bars(route(pieces, [50, 200], **options), expected)


@pytest.mark.parametrize("lookback", KINDS, ids=str)
def test_hours_of_trades_pushed(hours: pl.DataFrame, lookback: Lookback) -> None:
    """A new stream every few thousand rows."""
    run = Run(hours, [50, 200], {"by": None, "lookback": lookback} | DAY_OPTIONS)
    stream = run.stream()
    closed = []
    for piece in hours.iter_slices(7_777):
        closed.append(stream.push(piece))
        stream = rb.BarStream.restore(stream.checkpoint())
    assert_same_bars(whole(closed, stream.finish()), run.bars())
