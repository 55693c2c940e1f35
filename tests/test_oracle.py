"""Oracle layer: every cell of every route against the slow oracle, and that against the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests._oracle import closes, fixed, row, split, trades_of
from tests._reference import reference_program
from tests._routes import ROUTES, assert_same_bars, oracle_bars
from tests.strategies import LONG, SOME_LONG, Trades, trades

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

GATES = {"gate_on": True, "gate_off": False}
THRESHOLDS = (1, 10, 100, 250, 500, 1000)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("include_incomplete", [True, False])
@given(case=trades(repeats=SOME_LONG))
def test_every_cell_of_every_route(route: str, case: Trades, include_incomplete: bool) -> None:
    options = case.bar_options | {"include_incomplete": include_incomplete}
    got = ROUTES[route](case.frame, case.threshold_dbps, **options)
    assert_same_bars(got, oracle_bars(case.frame, case.threshold_dbps, **options))


@pytest.mark.parametrize("route", ["eager", "lazy-streaming", "expression-in-memory"])
@given(case=trades(min_rows=10, max_keys=1, repeats=LONG))
def test_every_cell_of_long_bars(route: str, case: Trades) -> None:
    got = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options)
    assert_same_bars(got, oracle_bars(case.frame, case.threshold_dbps, **case.bar_options))


def closed_lengths(cases: st.SearchStrategy[Trades], examples: int) -> list[list[int]]:
    """Rows of the closed bars of drawn frames, always the same frames."""
    lengths: list[list[int]] = []

    @settings(max_examples=examples, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def collect(case: Trades) -> None:
        bars = oracle_bars(case.frame, case.threshold_dbps, **case.bar_options)
        lengths.append(bars["agg_record_count"].to_list())

    collect()
    return lengths


def test_drawn_frames_close_bars() -> None:
    """The properties over drawn frames would hold trivially if nothing closed."""
    closed = [len(lengths) for lengths in closed_lengths(trades(), 100)]
    assert sum(n >= 1 for n in closed) > 50
    assert sum(n >= 3 for n in closed) > 30


def test_long_frames_close_long_bars() -> None:
    closed = closed_lengths(trades(min_rows=10, max_keys=0, repeats=LONG), 40)
    assert sum(max(lengths, default=0) > 300 for lengths in closed) >= 3
    assert sum(len(lengths) > 100 for lengths in closed) >= 3


# ------------------------------------------------------------------------------------------- numbers


@st.composite
def doubles(draw: st.DrawFn, top: float) -> list[float]:
    """Doubles on halves of the eighth decimal, where rounding decides, and anywhere."""
    ties = st.integers(1, 2**54).map(lambda twice: twice / 2 / 1e8)
    small = st.integers(1, 64).map(lambda twice: twice / 2 / 1e8)
    return draw(st.lists(st.one_of(ties, small, st.floats(5e-9, top)), min_size=2, max_size=30))


@given(price=doubles(9.2e10), scale=st.sampled_from((0.0, 1e-8, 0.3)), data=st.data())
@example(price=[5e-9, 1.5e-8, 2.5e-8, 0.285, 1.005], scale=1e-8, data=None)
def test_rounding_of_doubles(price: list[float], scale: float, data: Any) -> None:
    quantity = [scale] * len(price) if data is None else [scale * x for x in data.draw(doubles(1e6))[:1]] * len(price)
    time = pl.Series(range(len(price)), dtype=pl.Int64).cast(pl.Datetime("us"))
    frame = pl.DataFrame({"timestamp": time, "price": price, "quantity": quantity})
    for threshold_dbps in (1, 100_000):
        got = frame.rangebar.bars(threshold_dbps, include_incomplete=True)
        assert_same_bars(got, oracle_bars(frame, threshold_dbps, include_incomplete=True))


@pytest.mark.parametrize(
    ("value", "raw"),
    [(5e-9, 1), (2.5e-8, 3), (-2.5e-8, -3), (0.285, 28_500_000), (1e15, int(1e23)), (4.9e-9, 0)],
)
def test_the_oracle_rounds_halves_away_from_zero(value: float, raw: int) -> None:
    assert fixed(value) == raw


def test_the_oracle_closes_by_the_rule() -> None:
    """The definition's own words on one small case, so that the oracle itself stands on something."""
    bar = trades_of([0, 0, 1], [100.0, 101.0, 99.0], [1.0, 1.0, 1.0])
    assert not closes(bar[:1], 1_000, gate=False)  # the opening trade cannot close
    assert closes(bar[:2], 1_000, gate=False)  # touching counts
    assert not closes(bar[:2], 1_000, gate=True)  # not at the open time
    assert closes(bar, 1_000, gate=True)
    assert not closes(bar, 1_001, gate=True)
    assert [len(b.trades) for b in split(bar, 1_000, gate=True)] == [3]
    assert [b.close_reason for b in split(bar, 1_000, gate=False)] == ["threshold", "end"]


# -------------------------------------------------------------------- stored bars of another program


def stored(shared: Path, gate: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    folder = shared / "spec" / "oracle"
    bars = pl.read_parquet(folder / f"bars_{gate}.parquet")
    for name in ("open_time", "close_time"):
        assert bars.schema[name] == pl.Int64  # microseconds
    return pl.read_parquet(folder / "trades.parquet"), bars


@pytest.mark.parametrize("threshold_dbps", THRESHOLDS)
@pytest.mark.parametrize("gate", GATES)
def test_every_stored_cell(shared: Path, gate: str, threshold_dbps: int) -> None:
    """Closed bars of an independent implementation, which multiplies by reciprocals: hence 1e-15."""
    frame, bars = stored(shared, gate)
    expected = bars.filter(pl.col("threshold_dbps") == threshold_dbps).drop("threshold_dbps")
    got = frame.rangebar.bars(threshold_dbps, by="input", same_timestamp_gate=GATES[gate])
    assert got["close_reason"].unique().to_list() == ["threshold"]
    if threshold_dbps <= 10:  # not stored: the long random walks, for their many bars
        got = got.filter(~pl.col("input").str.ends_with("_100k"))
    got = got.with_columns(pl.col("open_time", "close_time").cast(pl.Datetime("us")).cast(pl.Int64))

    order = ["input", "first_agg_trade_id"]
    got, expected = got.sort(order), expected.sort(order)
    counts = [bars.group_by("input").len().sort("input") for bars in (got, expected)]
    assert counts[0].equals(counts[1])
    assert set(expected.columns) == set(got.columns) - {"close_reason"}
    assert expected.height > 600
    assert expected.null_count().sum_horizontal().item() == 0
    for name, dtype in expected.schema.items():
        a, b = got[name], expected[name]
        if dtype.is_float():
            worst = ((a - b).abs() - 1e-15 * b.abs()).max()
            assert isinstance(worst, float)
            assert a.is_not_nan().all(), name
            assert worst <= 0.0, (name, worst)
        else:
            assert (a == b).all(), name


def test_stored_bars_cover_every_input(shared: Path) -> None:
    """Inputs without stored bars are those that close none."""
    frame, bars = stored(shared, "gate_on")
    missing = set(frame["input"].unique()) - set(bars["input"].unique())
    assert missing == {"adv_const_price", "adv_same_ts_all", "adv_single_trade"}
    assert set(bars["threshold_dbps"].unique()) == set(THRESHOLDS)
    closed = frame.rangebar.bars(1, by="input")
    assert not set(closed["input"]) & missing


# ----------------------------------------------------------------------------- the reference program


@pytest.fixture(scope="module")
def reference(shared: Path) -> ModuleType:
    return reference_program(shared)


def both(reference: ModuleType, columns: dict[str, list[Any]], threshold_dbps: int, *, gate: bool) -> int:
    """Asserts that oracle and reference agree in every cell; returns the number of bars."""
    theirs = reference.build(
        reference.Trades(**{("time_us" if name == "time" else name): column for name, column in columns.items()}),
        threshold_dbps,
        same_timestamp_gate=gate,
    )
    ours = split(trades_of(**columns), threshold_dbps, gate=gate)
    assert [row(bar, "us") for bar in ours] == [reference.bar_row(bar) for bar in theirs]
    return len(ours)


@given(case=trades(max_keys=0))
def test_the_oracle_agrees_with_the_reference(reference: ModuleType, case: Trades) -> None:
    columns = {name: case.frame[name].to_list() for name in case.frame.columns}
    columns["time"] = case.frame["timestamp"].to_physical().to_list()
    del columns["timestamp"]
    for name in ("price", "quantity"):
        columns[name] = case.frame[name].cast(pl.Float64).to_list()
    both(reference, columns, case.threshold_dbps, gate=case.gate)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize(
    "name", ["adv_same_ts_then_back", "adv_trunc_delta", "adv_rounding", "adv_zero_volume", "rw_meme_100k"]
)
def test_the_oracle_agrees_with_the_reference_on_stored_trades(
    shared: Path, reference: ModuleType, name: str, gate: str
) -> None:
    frame = stored(shared, gate)[0].filter(pl.col("input") == name).drop("input")
    if frame.is_empty():
        pytest.fail(f"no input {name}")
    columns = {c: frame[c].to_list() for c in frame.columns if c != "timestamp"}
    columns["time"] = frame["timestamp"].cast(pl.Datetime("us")).to_physical().to_list()
    assert both(reference, columns, 250, gate=GATES[gate]) >= 1
