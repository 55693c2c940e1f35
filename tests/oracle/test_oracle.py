"""Oracle layer: every cell of every route against the slow oracle, and that against the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import PRICE_PARTS, QUANTITY_PARTS, closes, fixed, is_kept, row, split, trades_of
from tests._reference import REFUSED, reference_program
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


@given(price=doubles(9.2e10), quantity=doubles(1e6), scale=st.sampled_from((0.0, 1e-8, 0.3)))
@example(price=[1e-8, 5.000_005e-3, 0.285, 1.005, 2.5e-3], quantity=[2.5e-5, 0.285], scale=1.0)
def test_rounding_of_doubles(price: list[float], quantity: list[float], scale: float) -> None:
    price = [x for x in price if is_kept(x, PRICE_PARTS)] or [1.0]
    sizes = [scale * x if is_kept(scale * x, QUANTITY_PARTS) else 0.0 for x in quantity]
    time = pl.Series(range(len(price)), dtype=pl.Int64).cast(pl.Datetime("us"))
    frame = pl.DataFrame({"timestamp": time, "price": price, "quantity": (sizes * 15)[: len(price)]})
    for threshold_dbps in (1, 100_000) if min(price) >= 1e-3 else (100_000,):
        got = frame.rangebar.bars(threshold_dbps, include_incomplete=True)
        assert_same_bars(got, oracle_bars(frame, threshold_dbps, include_incomplete=True))


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        *[(5e-9, 1), (2.5e-8, 3), (-2.5e-8, -3), (0.285, 28_500_000), (1e15, 10**23), (4.9e-9, 0)],
        *[(90_071_992.547_409_92, 2**53), (23_640_926_209.0, 2_364_092_620_900_000_000)],
    ],
)
def test_the_oracle_rounds_halves_away_from_zero(value: float, raw: int) -> None:
    assert fixed(value) == raw


LARGE = st.one_of(
    st.integers(90_071_993, 92_233_720_368),
    st.integers(9_007_199_300, 9_223_372_036_854).map(lambda cents: cents / 100),
    st.floats(90_071_993.0, 92_233_720_368.0),
)


@given(price=LARGE, quantity=st.one_of(LARGE, st.integers(10**11, 10**15), st.floats(1e11, 1e15)))
def test_large_numbers_come_back(price: float, quantity: float) -> None:
    """A double of more than 2^53 units is known by its digits; its neighbours are further away than a unit is wide."""
    time = pl.Series([0, 1], dtype=pl.Int64).cast(pl.Datetime("us"))
    for p, q, columns in (
        (price, 1, ("open", "high", "low", "close", "vwap", "turnover")),
        (1, quantity, ("volume", "turnover", "volume_per_trade")),
    ):
        frame = pl.DataFrame({"timestamp": time, "price": pl.Series([p, p]), "quantity": pl.Series([q, type(q)(0)])})
        bars = frame.rangebar.bars(250, include_incomplete=True)
        assert_same_bars(bars, oracle_bars(frame, 250, include_incomplete=True))
        large = float(max(p, q))
        assert bars.select(columns).row(0) == tuple(large / 2 if "per" in name else large for name in columns)


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

BEYOND_DOUBLES = pl.col("volume") > 2**53 / 1e8
"""Volumes of more units than a double can hold exactly: the other program rounds them in the last place."""
LOST = dict.fromkeys(("ofi", "kyle_lambda_proxy"), 1 / pl.col("ofi").abs().clip(1e-9))
"""How much a difference of such volumes, and a division by it, magnifies that rounding."""


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
    frame, bars = (some.filter(~pl.col("input").is_in(REFUSED)) for some in stored(shared, gate))
    expected = bars.filter(pl.col("threshold_dbps") == threshold_dbps).drop("threshold_dbps")
    if threshold_dbps <= 10:  # not stored: the long random walks, for their many bars
        frame = frame.filter(~pl.col("input").str.ends_with("_100k"))
    got = frame.rangebar.bars(threshold_dbps, by="input", same_timestamp_gate=GATES[gate])
    assert got["close_reason"].unique().to_list() == ["threshold"]
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
            allowed = expected.select(pl.when(BEYOND_DOUBLES).then(LOST.get(name, 1.0)).otherwise(1.0)).to_series()
            worst = ((a - b).abs() - 1e-15 * allowed * b.abs()).max()
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
    assert frame.filter(pl.col("input").is_in(missing)).rangebar.bars(1, by="input").is_empty()


@pytest.mark.parametrize("name", REFUSED)
def test_stored_trades_that_rounding_would_change_are_refused(shared: Path, name: str) -> None:
    frame = stored(shared, "gate_on")[0].filter(input=name)
    assert frame.height > 0
    for threshold_dbps in THRESHOLDS:
        with pytest.raises(rb.RangeBarError, match=REFUSED[name]):
            frame.rangebar.bars(threshold_dbps, by="input")


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
    frame = frame.filter((pl.col("quantity") == 0) | (pl.col("quantity") >= 5e-6))  # smaller ones are refused
    columns = {c: frame[c].to_list() for c in frame.columns if c != "timestamp"}
    columns["time"] = frame["timestamp"].cast(pl.Datetime("us")).to_physical().to_list()
    assert both(reference, columns, 250, gate=GATES[gate]) >= 1
