"""Oracle layer, windows: against the reference program, on drawn trades and on hours of a real day."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import MICROSECONDS, Bar, Trade, floors, split, trades_of
from tests._reference import reference_program, stands_still
from tests._registry import INTRA, LOOKBACK, PATH_TIMES, REGISTRY
from tests._routes import EVERY_BAR, OPTIONAL, eager
from tests._window_oracle import Cells, Lookback, intra_cells, lookback_cells, lookback_window
from tests.strategies import Trades, any_trades

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

Mode: TypeAlias = tuple[str, int]

HOUR_US = 3_600 * 10**6
MODES: list[tuple[Lookback, Mode]] = [
    (1, ("count", 1)),
    (200, ("count", 200)),
    ("30s", ("time_us", 30 * 10**6)),
    ("10m", ("time_us", HOUR_US // 6)),
    (rb.Bars(1), ("bars", 1)),
    (rb.Bars(3), ("bars", 3)),
]


@pytest.fixture(scope="module")
def reference(shared: Path) -> ModuleType:
    return reference_program(shared)


@pytest.fixture(scope="module")
def hours(btcusdt_day: pl.DataFrame) -> pl.DataFrame:
    """An hour of the morning and, on the next day, another: half a day of silence, and a midnight in it."""
    time = pl.col("timestamp").dt.epoch("us") % (24 * HOUR_US)
    first = btcusdt_day.filter(time.is_between(10 * HOUR_US, 11 * HOUR_US, closed="left"))
    second = btcusdt_day.filter(time.is_between(0, HOUR_US, closed="left"))
    moved = second.with_columns(pl.col("timestamp") + pl.duration(days=1), pl.col("agg_trade_id") + 10**6)
    return pl.concat([first, moved])


REAL = {one.name: one.rounding for one in REGISTRY} | {"hurst": 1e-9}
"""No real price moves in equal steps; but an exponent near 0 is a difference of logarithms."""


def close(name: str, got: Any, expected: Any, rel_tol: float = 1e-9) -> bool:
    """Within the tolerance, or null where null."""
    if got is None or expected is None or not isinstance(expected, float):
        return bool(got == expected)
    allowed = REAL.get(name.removeprefix("intra_").removeprefix("lookback_"), 0.0)
    return math.isclose(got, expected, rel_tol=rel_tol, abs_tol=allowed)


def assert_cells(got: Cells, expected: Cells, where: object) -> None:
    assert got.keys() == expected.keys()
    wrong = {name: (got[name], cell) for name, cell in expected.items() if not close(name, got[name], cell)}
    assert not wrong, where


def columns_of(frame: pl.DataFrame) -> dict[str, list[Any]]:
    """The columns as the reference takes them, times in microseconds."""
    columns: dict[str, list[Any]] = {name: frame[name].to_list() for name in OPTIONAL if name in frame.columns}
    for name in ("price", "quantity"):
        columns[name] = frame[name].cast(pl.Float64).to_list()
    return columns | {"time_us": frame["timestamp"].dt.epoch("us").to_list()}


# ---------------------------------------------------------------------------------------- real trades

RULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing ends bars": ({}, {}),
    "a reset": ({"reset": "1d"}, {"reset": "1d"}),
    "gaps": ({"max_gap": "2s"}, {"max_gap_us": 2 * 10**6}),
    "both": ({"reset": "1d", "max_gap": "3s"}, {"reset": "1d", "max_gap_us": 3 * 10**6}),
}


@pytest.mark.parametrize("threshold_dbps", [75, 40])
@pytest.mark.parametrize("rules", RULES)
def test_hours_of_trades(reference: ModuleType, hours: pl.DataFrame, rules: str, threshold_dbps: int) -> None:
    """Every statistic of every bar, and of its windows of every kind."""
    ours, theirs = RULES[rules]
    trades = reference.Trades(**columns_of(hours))
    bars = reference.build(trades, threshold_dbps, **theirs)
    assert len(bars) > 20
    options = EVERY_BAR | ours | {"intra": True}
    got = eager(hours, threshold_dbps, **options).with_columns(pl.col(PATH_TIMES).dt.epoch("us"))
    assert got["close_reason"].to_list() == [bar.close_reason for bar in bars]
    for row, bar in zip(got.select(*INTRA, *PATH_TIMES).iter_rows(named=True), bars, strict=True):
        rows = bar.start, bar.end + 1
        expected = reference.window_stats(trades, *rows, "intra") | reference.ith_stats(trades, *rows)
        assert_cells(row, expected | reference.path_times(trades, *rows), bar)
    filled = []
    for lookback, mode in MODES:
        got = eager(hours, threshold_dbps, **EVERY_BAR, **ours, lookback=lookback).select(*LOOKBACK)
        step = 1 + len(bars) // 30  # the reference walks back to the break before each of them: some of them
        for number in range(0, len(bars), step):
            window = reference.lookback_window(trades, bars, number, mode, **theirs)
            expected = reference.window_stats(trades, *window, "lookback")
            assert_cells(got.row(number, named=True), expected, (lookback, number))
        filled.append(got["lookback_hurst"].count())
    assert sum(n > 5 for n in filled) >= 3


def test_two_groups_are_two_runs(reference: ModuleType, hours: pl.DataFrame) -> None:
    """The rows go to two symbols in turn: windows hold rows of their own group."""
    row = pl.int_range(pl.len())
    keyed = hours.with_columns(symbol=pl.when(row % 2 == 0).then(pl.lit("A")).otherwise(pl.lit("B")))
    bars = eager(keyed, 100, by=["symbol"], **EVERY_BAR, intra=True, lookback=200)
    bars = bars.with_columns(pl.col(PATH_TIMES).dt.epoch("us"))
    for symbol in ("A", "B"):
        trades = reference.Trades(**columns_of(keyed.filter(symbol=symbol).drop("symbol")))
        own = bars.filter(symbol=symbol).select(*INTRA, *PATH_TIMES, *LOOKBACK)
        theirs = reference.build(trades, 100)
        for number, row_of_bar in enumerate(own.iter_rows(named=True)):
            rows = theirs[number].start, theirs[number].end + 1
            expected = reference.window_stats(trades, *rows, "intra") | reference.ith_stats(trades, *rows)
            expected |= reference.path_times(trades, *rows)
            window = reference.lookback_window(trades, theirs, number, ("count", 200))
            expected |= reference.window_stats(trades, *window, "lookback")
            assert_cells(row_of_bar, expected, (symbol, number))


# -------------------------------------------------------------------------------------- the slow oracle


@given(case=any_trades(max_keys=0, repeats=(1, 8)), mode=st.sampled_from(MODES))
def test_the_oracle_agrees_with_the_reference(reference: ModuleType, case: Trades, mode: tuple[Lookback, Mode]) -> None:
    """Which rows are in a window exactly, and what is made of them.

    Where prices hardly differ the reference loses digits that the oracle, of raw integers, keeps.
    """
    lookback, reach = mode
    gap = case.breaks.get("max_gap")
    gap = gap if gap in ("20m", "1h", "40h", "3d") else None
    rules = {"reset": case.breaks.get("reset"), "max_gap": gap}
    frame = case.frame.with_columns(_microseconds(case))
    trades = reference.Trades(**columns_of(frame))
    columns = columns_of(frame)
    ours = trades_of(columns.pop("time_us"), columns.pop("price"), columns.pop("quantity"), **columns)
    in_us = {"20m": HOUR_US // 3, "1h": HOUR_US, "40h": 40 * HOUR_US, "3d": 72 * HOUR_US}
    breaks = {"reset": rules["reset"], "max_gap_us": None if gap is None else in_us[gap]}
    theirs = reference.build(trades, case.threshold_dbps, same_timestamp_gate=case.gate, **breaks)
    floor = floors(ours, **rules)
    bars: list[Bar] = split(ours, case.threshold_dbps, gate=case.gate, **rules)
    assert [len(bar.trades) for bar in bars] == [bar.rows for bar in theirs]
    for number, (own, bar) in enumerate(zip(bars, theirs, strict=True)):
        rows = bar.start, bar.end + 1
        expected = reference.window_stats(trades, *rows, "intra") | reference.ith_stats(trades, *rows)
        assert_nearly(intra_cells(own.trades, "us"), expected | reference.path_times(trades, *rows), own.trades)
        window = lookback_window(ours, bars, number, lookback, "us", floor=floor)
        lo, hi = reference.lookback_window(trades, theirs, number, reach, **breaks)
        assert list(window) == ours[lo:hi]
        assert_nearly(lookback_cells(window, "us"), reference.window_stats(trades, lo, hi, "lookback"), window)


def _microseconds(case: Trades) -> pl.Series:
    """The times, cut off to microseconds."""
    dtype = case.frame.schema["timestamp"]
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else case.options["time_unit"]
    ticks = case.frame["timestamp"].to_physical()
    return pl.Series("timestamp", [int(t * MICROSECONDS[unit] // 1) for t in ticks], pl.Int64).cast(pl.Datetime("us"))


LOSES_DIGITS = ("kaufman_er", "garman_klass_vol", "hurst")


def assert_nearly(got: Cells, expected: Cells, trades: Sequence[Trade]) -> None:
    assert got.keys() == expected.keys()
    is_noise = stands_still(trade.price for trade in trades)
    for name, cell in expected.items():
        if is_noise and name.endswith("hurst"):
            continue
        rel_tol = 1e-4 if name.endswith(LOSES_DIGITS) else 1e-9
        assert close(name, got[name], cell, rel_tol), (name, got[name], cell)
