"""Oracle layer, labels: the triple barrier against a loop over bars, whatever comes later, in every context."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._barriers import FIELDS, Barriers, barriers_of, oracle, paths, with_distances
from tests._routes import Engine, engines
from tests._timing import least_seconds


def labels(bars: pl.DataFrame, barriers: Barriers) -> list[tuple[object, ...] | None]:
    found = bars.select(rb.triple_barrier(**barriers.arguments())).to_series()
    assert found.struct.fields == FIELDS
    assert found.is_null().to_list() == found.struct.field("label").is_null().to_list()
    return [None if one is None else tuple(one.values()) for one in found.to_list()]


@given(st.data())
def test_labels_are_those_of_a_loop(data: st.DataObject) -> None:
    bars = data.draw(paths())
    barriers = data.draw(barriers_of(bars.height))
    bars = with_distances(bars, barriers)
    assert labels(bars, barriers) == oracle(bars, barriers)


@given(st.data())
def test_nothing_after_the_deciding_bar_has_a_say(data: st.DataObject) -> None:
    """Cut anywhere, a label is gone or the same; what is known stays whatever comes."""
    bars = data.draw(paths())
    barriers = data.draw(barriers_of(bars.height))
    bars = with_distances(bars, barriers)
    whole = labels(bars, barriers)
    cut = data.draw(st.integers(0, bars.height))
    for known, label in zip(labels(bars.head(cut), barriers), whole, strict=False):
        assert known in {None, label}
    wild = bars.with_columns(
        pl.col("open", "high", "low", "close") * pl.when(pl.int_range(pl.len()) < cut).then(1).otherwise(7)
    )
    decided = labels(bars.head(cut), barriers)
    for known, label in zip(decided, labels(wild, barriers), strict=False):
        assert known in {None, label}


@given(st.data())
def test_nothing_before_the_entry_has_a_say(data: st.DataObject) -> None:
    bars = data.draw(paths())
    barriers = data.draw(barriers_of(bars.height))
    bars = with_distances(bars, barriers)
    cut = data.draw(st.integers(0, bars.height))
    assert labels(bars.slice(cut), barriers) == labels(bars, barriers)[cut:]


@engines
@given(data=st.data())
def test_contexts_agree(engine: Engine, data: st.DataObject) -> None:
    """`over`, `group_by().agg` and a loop over groups are one answer, whatever the chunks."""
    parts = [data.draw(paths(6)).select("open", "high", "low", "close", "open_time", "close_time") for _ in "AB"]
    barriers = data.draw(barriers_of(0).filter(lambda b: not any(isinstance(d, list) for d in b[:2])))
    label = rb.triple_barrier(**barriers.arguments())
    keyed = [
        part.with_columns(symbol=pl.lit(name), row=pl.int_range(pl.len()))
        for part, name in zip(parts, "AB", strict=True)
    ]
    loop = pl.concat([part.with_columns(label) for part in keyed])
    mixed = pl.concat(keyed, rechunk=False).sort("row", maintain_order=True)
    over = mixed.lazy().with_columns(label.over("symbol")).collect(engine=engine)
    assert over.sort("symbol", "row").equals(loop)
    columns = pl.all().exclude("symbol")
    grouped = mixed.lazy().group_by("symbol").agg(columns, label).collect(engine=engine)
    exploded = grouped.explode(pl.all().exclude("symbol"), empty_as_null=False).select(loop.columns)
    assert exploded.sort("symbol", "row").equals(loop)
    assert pl.concat(keyed).lazy().select(label).collect_schema()["triple_barrier"] == loop.schema["triple_barrier"]


def frame(*rows: tuple[float, float, float, float], **more: list[object]) -> pl.DataFrame:
    bars = pl.DataFrame(rows, schema=["open", "high", "low", "close"], orient="row")
    return bars.with_columns(close_time=pl.int_range(pl.len()) * 10).with_columns(
        pl.Series(name, values, strict=False) for name, values in more.items()
    )


def first(bars: pl.DataFrame, *distances: object, **options: object) -> dict[str, object]:
    label: dict[str, object] = bars.select(rb.triple_barrier(*distances, **options)).to_series()[0]
    return label


def test_a_gap_beyond_a_barrier_exits_at_the_open() -> None:
    up = frame((100, 100, 100, 100), (107, 108, 106, 107))
    assert first(up, 0.05, 0.05, max_bars=1)["return"] == 107 / 100 - 1
    down = frame((100, 100, 100, 100), (93, 94, 92, 93))
    assert first(down, 0.05, 0.05, max_bars=1)["return"] == 93 / 100 - 1
    assert first(down, 0.05, None, max_bars=1)["barrier"] == "time"


def test_both_in_one_bar() -> None:
    row = [(100, 100, 100, 100), (100, 106, 94, 100)]
    assert first(frame(*row), 0.05, 0.05, max_bars=1)["label"] == -1
    assert first(frame(*row), 0.05, 0.05, max_bars=1, both="null") is None
    for times, label in (([1, 2], 1), ([2, 1], -1), ([1, 1], -1), ([None, 1], -1)):
        bars = frame(*row, high_time=[0, times[0]], low_time=[0, times[1]])
        assert first(bars, 0.05, 0.05, max_bars=1)["label"] == label
        assert first(bars, 0.05, 0.05, max_bars=1, high_time=None, low_time=None)["label"] == -1
        unknown = times[0] is None or times[0] == times[1]
        assert (first(bars, 0.05, 0.05, max_bars=1, both="null") is None) == unknown


def test_touching_is_enough() -> None:
    bars = frame((100, 100, 100, 100), (100, 105, 100, 100))
    assert first(bars, 0.05, 0.05, max_bars=9)["label"] == 1
    assert first(bars, 0.0500001, 0.05, max_bars=9) is None


def test_the_edges_of_max_time() -> None:
    flat = frame(*[(100, 100, 100, 100)] * 4)  # close times 0, 10, 20, 30
    for length, bars in ((9, 0), (10, 1), (19, 1), (20, 2), (29, 2)):
        label = first(flat, 0.05, 0.05, max_time=f"{length}ms", time_unit="ms")
        assert (label["barrier"], label["exit_bars"], label["exit_time"]) == ("time", bars, 10 * bars)
    for length in (30, 40):  # a fifth bar might close in time, too
        assert first(flat, 0.05, 0.05, max_time=f"{length}ms", time_unit="ms") is None
    assert first(flat, 0.05, 0.05, max_time="40ms", max_bars=2, time_unit="ms")["exit_bars"] == 2
    opened = flat.with_columns(open_time=pl.col("close_time") - 5)  # the entry is at 5
    for length, after in ((4, None), (5, 1), (14, 1), (15, 2), (24, 2), (25, None)):
        label = first(opened, 0.05, 0.05, max_time=f"{length}ms", time_unit="ms", entry="open")
        assert (label and label["exit_bars"]) == after


def test_months_are_those_of_the_calendar() -> None:
    """The last days of January, one month later, are not in order: each has its own end."""
    times = [
        dt.datetime(2024, 1, 30, 23, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 31, 1, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 29, 2, tzinfo=dt.UTC),
        dt.datetime(2024, 3, 1, tzinfo=dt.UTC),
    ]
    bars = frame(*[(100, 100, 100, 100)] * 4).with_columns(close_time=pl.Series(times))
    found = bars.select(rb.triple_barrier(0.05, 0.05, max_time="1mo")).unnest("triple_barrier")
    assert found["exit_bars"].to_list() == [2, 0, None, None]


def test_a_volatility_is_null_where_it_is_not_known() -> None:
    bars = rb.datasets.sample_trades(40_000, symbols=["BTCUSDT"]).rangebar.bars(50)
    volatility = pl.col("close").log().diff().rolling_std(20)
    label = bars.select(rb.triple_barrier(3 * volatility, 4 * volatility, max_bars=10)).to_series()
    assert label.is_null().arg_true().to_list()[:20] == list(range(20))
    assert label.head(-10).null_count() == 20
    assert label.struct.field("label").unique().sort().to_list() == [None, -1, 0, 1]


def test_prices_of_any_dtype() -> None:
    bars = frame((100, 101, 99, 100), (100, 106, 99, 101), (101, 102, 90, 95))
    label = rb.triple_barrier(0.05, 0.05, max_bars=1)
    expected = bars.select(label)
    for dtype in (pl.Int32, pl.UInt64, pl.Float32, pl.Decimal(10, 2)):
        assert bars.cast(dict.fromkeys(["open", "high", "low", "close"], dtype)).select(label).equals(expected)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_bars_have_no_label(rows: int) -> None:
    bars = frame((100, 101, 99, 100)).head(rows)
    for entry in ("close", "open"):
        label = bars.select(rb.triple_barrier(0.05, 0.05, max_bars=1, entry=entry))
        assert label.height == label.null_count().item() == rows


@pytest.mark.serial
def test_the_cost_is_linear_however_far_the_horizon() -> None:
    """Ten times the bars cost about ten times as much, at a horizon beyond all of them and barriers that few touch."""

    def labelling(rows: int) -> Callable[[], object]:
        close = 100 + (pl.int_range(rows, eager=True) * 7919 % 10_007).cast(pl.Float64) / 10_007
        bars = pl.DataFrame({"open": close, "high": close + 0.1, "low": close - 0.1, "close": close})
        bars = bars.with_columns(close_time=pl.int_range(pl.len()))
        label = rb.triple_barrier(0.02, 0.0101, max_bars=2**32 - 1)
        return lambda: bars.select(label)

    few, many = least_seconds(labelling(100_000), labelling(1_000_000))
    assert many < 25 * few
