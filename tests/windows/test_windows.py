"""Oracle layer, windows: every statistic of `intra` and `lookback` against the slow oracle, and laws between them."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import double
from tests._registry import INTRA, LOOKBACK
from tests._routes import EVERY_BAR, eager
from tests._window_oracle import Lookback, hurst
from tests._windows import KINDS, assert_close_windows, oracle_windows, walk, windows
from tests.strategies import LONG, Trades, any_trades, flags, threshold_lists

BOTH: dict[str, Any] = {"intra": True, "lookback": 70}
ALL = BOTH | EVERY_BAR
FEW = (8,)  # repeats of the drawn rows: windows long enough for every statistic
SOME = (1, 1, *FEW)


# ------------------------------------------------------------------------------------ against the oracle


@given(case=any_trades(), flag=flags(), asked=windows())
def test_every_cell(case: Trades, flag: dict[str, bool], asked: dict[str, Any]) -> None:
    options = case.bar_options | flag | asked
    got = eager(case.frame, case.threshold_dbps, **options)
    assert_close_windows(got, oracle_windows(case.frame, case.threshold_dbps, **options))


@given(case=any_trades(min_rows=10, max_keys=1, repeats=FEW), asked=windows())
def test_every_cell_of_windows_of_hundreds(case: Trades, asked: dict[str, Any]) -> None:
    """With exponents and entropies."""
    options = case.bar_options | EVERY_BAR | asked
    got = eager(case.frame, case.threshold_dbps, **options)
    assert_close_windows(got, oracle_windows(case.frame, case.threshold_dbps, **options))


@given(case=any_trades(min_rows=10, max_keys=1, repeats=LONG), lookback=st.sampled_from([1, 70, rb.Bars(1), None]))
def test_every_cell_of_windows_over_blocks(case: Trades, lookback: Lookback | None) -> None:
    options = case.bar_options | EVERY_BAR | {"intra": True, "lookback": lookback}
    got = eager(case.frame, case.threshold_dbps, **options)
    assert_close_windows(got, oracle_windows(case.frame, case.threshold_dbps, **options))


@given(case=any_trades(repeats=SOME), flag=flags(), asked=windows(), data=st.data())
def test_every_cell_of_several_thresholds(
    case: Trades, flag: dict[str, bool], asked: dict[str, Any], data: st.DataObject
) -> None:
    thresholds = data.draw(threshold_lists(case))
    options = case.bar_options | flag | asked
    got = eager(case.frame, thresholds, **options)
    assert_close_windows(got, oracle_windows(case.frame, thresholds, **options))


def test_drawn_windows_hold_enough() -> None:
    """The properties would hold trivially over windows that are empty or short."""
    filled: dict[str, int] = dict.fromkeys([*INTRA, *LOOKBACK], 0)

    @settings(max_examples=60, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=any_trades(min_rows=10, max_keys=1, repeats=FEW), asked=windows())
    def collect(case: Trades, asked: dict[str, Any]) -> None:
        options = case.bar_options | EVERY_BAR | asked | {"intra": True}
        bars = oracle_windows(case.frame, case.threshold_dbps, **options)
        for name in filled.keys() & set(bars.columns):
            filled[name] += bars[name].count() > 0

    collect()
    assert min(filled.values()) >= 3, filled
    assert filled["lookback_trade_count"] >= 15


# ------------------------------------------------------------------------------------------ edge cases


def varied(**columns: pl.Expr | pl.Series) -> pl.DataFrame:
    return walk(150).with_columns(**columns)


row = pl.int_range(pl.len())
at = dt.datetime.fromisoformat
MIDNIGHT = at("2024-01-01")
EDGES: dict[str, pl.DataFrame] = {
    "a walk": walk(300),
    "one price": varied(price=pl.lit(100.0)),
    "one price but for one row": varied(price=pl.when(row == 70).then(100.01).otherwise(100.0)),
    "one price but for the last row": varied(price=pl.when(row == 149).then(100.01).otherwise(100.0)),
    "prices up and down": varied(price=100.0 + row % 2 * 0.01),
    "prices that only rise": varied(price=100.0 + row * 0.001),
    "prices that only fall": varied(price=100.0 - row * 0.001),
    "one trade": walk(1),
    "two trades": walk(2),
    "no trade": walk(1).clear(),
    "no volume": varied(quantity=pl.lit(0.0)),
    "volume in one row": varied(quantity=pl.when(row == 60).then(1.0).otherwise(0.0)),
    "one size": varied(quantity=pl.lit(0.1)),
    "all buys": varied(is_buyer_maker=pl.lit(value=False)),
    "all sells": varied(is_buyer_maker=pl.lit(value=True)),
    "no side": walk(150).drop("is_buyer_maker"),
    "sides that cancel out": varied(quantity=pl.lit(1.0), is_buyer_maker=row % 2 == 0),
    "one time": varied(timestamp=pl.lit(MIDNIGHT)),
    "two times": varied(timestamp=pl.lit(MIDNIGHT) + pl.duration(seconds=row // 75)),
    "times in pairs": varied(timestamp=pl.lit(MIDNIGHT) + pl.duration(seconds=row // 2)),
    "even times": varied(timestamp=pl.lit(MIDNIGHT) + pl.duration(seconds=row)),
    "the smallest prices": varied(price=(1 + row * row % 3) * 1e-8),
    "the largest prices": walk(150, tick=1e6, price=9e10).with_columns(quantity=pl.lit(1e-8)),
    "the largest quantities": varied(quantity=1e15 - 1e12 * (row * row % 7), price=100.0 + row % 3),
    "quantities wide in one row": varied(quantity=pl.when(row == 75).then(9.3e14).otherwise(row % 5 + 1e-8)),
    "individual ids": varied(first_trade_id=row * 5, last_trade_id=row * 5 + row % 4),
    "no ids": walk(150).drop("agg_trade_id"),
    "exact prices": varied(price=(pl.lit(100.0) + row % 13 * 0.01).cast(pl.Decimal(20, 8))),
}


EDGE_BARS = [(name, threshold) for name in EDGES for threshold in (10, 30, 100_000)]
EDGE_BARS = [(name, threshold) for name, threshold in EDGE_BARS if threshold == 100_000 or "smallest" not in name]
"""Of the smallest prices no other threshold is a unit of the last decimal."""


@pytest.mark.parametrize("lookback", [None, 70, 1, "1m", "1mo", rb.Bars(1), rb.Bars(4)], ids=str)
@pytest.mark.parametrize(("name", "threshold_dbps"), EDGE_BARS)
def test_edges(name: str, threshold_dbps: int, lookback: Lookback | None) -> None:
    options = EVERY_BAR | {"intra": True, "lookback": lookback}
    got = eager(EDGES[name], threshold_dbps, **options)
    assert_close_windows(got, oracle_windows(EDGES[name], threshold_dbps, **options))


@pytest.mark.parametrize("lookback", [1_500, rb.Bars(2)], ids=str)
def test_quantities_that_are_wide_in_some_blocks(lookback: Lookback) -> None:
    """Beyond 64 bits once in 1,500 rows; the bars end on either side of them."""
    wide = pl.when(row % 1_500 == 1_499).then(9.3e11).otherwise(row % 5 + 0.5)
    frame = walk(5_000).with_columns(quantity=wide, price=100.0 + row // 700 % 2 * 2 + row % 7 * 0.01)
    options = EVERY_BAR | {"intra": True, "lookback": lookback}
    got = eager(frame, 1_500, **options)
    assert got.height == 8
    assert_close_windows(got, oracle_windows(frame, 1_500, **options))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 59, 60, 63, 64, 65, 1_023, 1_024, 1_025, 2_048])
def test_lengths(rows: int) -> None:
    """Where statistics begin to exist, and around the blocks in which trades are taken: a bar of some rows, and a
    window of as many.
    """
    closing = pl.DataFrame({"price": [200.0, 200.0]})
    forward = walk(rows + 2).with_columns(pl.concat([walk(rows)["price"].to_frame(), closing])["price"])
    options = EVERY_BAR | {"intra": True, "lookback": rows}
    got = eager(forward, 50_000, **options)
    assert_close_windows(got, oracle_windows(forward, 50_000, **options))
    assert got["intra_trade_count"].to_list() == [rows + 1, 1]
    assert got["lookback_trade_count"].to_list() == [None, rows]
    for block, n in (("intra", rows + 1), ("lookback", rows)):
        names = {"hurst": 64, "permutation_entropy": 60, "burstiness": 3, "volume_kurt": 4}
        for name, least in names.items():
            assert (got[f"{block}_{name}"].drop_nulls().len() == 1) == (n >= least), (block, name)


STEPS: dict[str, tuple[list[int], float]] = {
    "up": ([10**10 + 10**5 * i for i in range(150)], 1e-9),
    "down": ([10**10 - 10**5 * i for i in range(150)], 1e-9),
    "of the last decimal": ([123_520 + i for i in range(70)], 1e-9),
    "of a price of 90,000": ([9 * 10**12 + 4_500 * i for i in range(70)], 1e-6),
    "a wave": ([round(10**10 * (1 + 0.01 * math.sin(i / 200))) for i in range(600)], 1e-9),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_exponent_of_a_smooth_path(name: str) -> None:
    """Residuals are small beside the trend that is taken out."""
    raw, tolerance = STEPS[name]
    frame = walk(len(raw)).with_columns(price=pl.Series([double(x) for x in raw]))
    got = eager(frame, 100_000, features=["intra_hurst"], include_incomplete=True)
    assert got["intra_hurst"].to_list() == [pytest.approx(hurst(raw), rel=tolerance)]


CLOCKS = [*(pl.Datetime(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "Asia/Tokyo")), pl.Int64()]


@pytest.mark.parametrize("clock", CLOCKS, ids=str)
@pytest.mark.parametrize("lookback", [*KINDS, "1m", "1mo", "2001ms", "1500999us"], ids=str)
def test_clocks(clock: pl.DataType, lookback: Lookback) -> None:
    unit: dict[str, Any] = {} if isinstance(clock, pl.Datetime) else {"time_unit": "ms"}
    dtype = clock if isinstance(clock, pl.Datetime) else pl.Datetime("ms")
    frame = walk(200).with_columns(pl.col("timestamp").cast(pl.Datetime(dtype.time_unit)).to_physical().cast(clock))
    options = EVERY_BAR | unit | {"intra": True, "lookback": lookback, "reset": "1d"}
    got = eager(frame, 30, **options)
    assert got.schema["high_time"] == got.schema["low_time"] == clock
    assert got["lookback_trade_count"].max() is not None
    assert_close_windows(got, oracle_windows(frame, 30, **options))


def test_a_nanosecond_clock_counts_whole_microseconds() -> None:
    """As `duration_us` of a bar does, and the intensity over it."""
    time = pl.Series([0, 999, 1_999, 2_000_000_999], dtype=pl.Int64).cast(pl.Datetime("ns"))
    frame = pl.DataFrame({"timestamp": time, "price": [100.0, 100.0, 101.0, 100.0], "quantity": [1.0] * 4})
    got = eager(frame, 1_000, **ALL)
    assert got["intra_duration_us"].to_list() == [1, 0]
    assert got["lookback_duration_us"].to_list() == [None, 1]
    assert got["intra_intensity"].to_list() == [3e6, 1.0]


@pytest.mark.parametrize("lookback", ["1mo", "1q", "1y", "1mo1d", "1w", dt.timedelta(days=31)], ids=str)
def test_calendar_months(lookback: Lookback) -> None:
    """Trades a day apart over two years, two at each time; the first at the last day of January."""
    time = pl.datetime_range(at("2023-01-31"), at("2025-03-31"), "1d", time_unit="ms", eager=True)
    frame = pl.DataFrame({"timestamp": pl.concat([time, time]).sort(), "quantity": 1.0})
    frame = frame.with_columns(price=100.0 + row // 7 % 2 * 2)
    options: dict[str, Any] = EVERY_BAR | {"lookback": lookback}
    for gate in (True, False):
        got = eager(frame, 1_000, same_timestamp_gate=gate, **options)
        assert got.height > 100
        assert_close_windows(got, oracle_windows(frame, 1_000, same_timestamp_gate=gate, **options))


@pytest.mark.parametrize("lookback", ["1mo", "2mo", "1mo1d"])
def test_a_month_before_the_last_days_of_one(lookback: str) -> None:
    """29 to 31 March go back to the same days of February: a later bar may see earlier trades than the one before."""
    time = pl.datetime_range(at("2024-01-20"), at("2024-04-10"), "5h", time_unit="us", eager=True)
    frame = pl.DataFrame({"timestamp": time, "quantity": 1.0}).with_columns(price=100.0 + row // 2 % 2 * 2)
    for clock in ("ms", "us", "ns"):
        trades = frame.cast({"timestamp": pl.Datetime(clock)})
        expected = oracle_windows(trades, 1_000, **EVERY_BAR, lookback=lookback)
        assert not (expected["open_time"].dt.offset_by(f"-{lookback}")).is_sorted()
        assert_close_windows(eager(trades, 1_000, **EVERY_BAR, lookback=lookback), expected)
        stream = rb.BarStream(1_000, lookback=lookback)
        closed = [stream.push(trade) for trade in trades.iter_slices(1)]
        assert_close_windows(pl.concat([*closed, stream.finish()]), expected)


# --------------------------------------------------------------------------- where a window begins anew

RESTARTS: dict[str, tuple[list[tuple[int, float]], dict[str, Any], list[int | None]]] = {
    # (hour, price) of trades; a threshold of 1 %; the trades that a lookback of ten sees from each bar
    "nothing ends": ([(0, 100), (1, 101), (2, 101), (3, 103), (4, 103)], {}, [None, 2, 4]),
    "a day ends with a bar that forms": (
        [(20, 100), (21, 101), (22, 101), (25, 101), (26, 103), (27, 103)],
        {"reset": "1d"},
        [None, 2, None, 2],
    ),
    "a day ends with a bar that has closed": (
        [(20, 100), (21, 101), (25, 101), (26, 103), (27, 103)],
        {"reset": "1d"},
        [None, None, 2],
    ),
    "a gap in a bar that forms": (
        [(0, 100), (1, 101), (2, 101), (9, 101), (10, 103), (11, 103)],
        {},
        [None, 2, None, 2],
    ),
    "a gap behind a bar that has closed": ([(0, 100), (1, 101), (9, 101), (10, 103), (11, 103)], {}, [None, None, 2]),
    "a gap in the first bar": ([(0, 100), (9, 101), (10, 103), (11, 103)], {}, [None, None, 2]),
    "two orphans one behind the other": ([(0, 100), (9, 101), (20, 103), (21, 103), (22, 105)], {}, [None, None, None]),
}


@pytest.mark.parametrize("name", RESTARTS)
def test_where_windows_begin_anew(name: str) -> None:
    """Behind every reset and every gap, whether or not a bar was forming there."""
    rows, options, counts = RESTARTS[name]
    rules = {"max_gap": "5h", **options} if "gap" in name or "orphan" in name else options
    time = pl.Series([hour * 3_600 * 10**6 for hour, _ in rows], dtype=pl.Int64).cast(pl.Datetime("us"))
    frame = pl.DataFrame({"timestamp": time, "price": [float(price) for _, price in rows], "quantity": 1.0})
    for lookback in (10, "30h", rb.Bars(9)):
        got = eager(frame, 1_000, **EVERY_BAR, **rules, lookback=lookback)
        assert_close_windows(got, oracle_windows(frame, 1_000, **EVERY_BAR, **rules, lookback=lookback))
        assert got["lookback_trade_count"].to_list() == counts, lookback


def test_only_trades_strictly_older_than_the_open() -> None:
    """The closing trade of the bar before, at the same time, is not among them; nor are those with it."""
    hours = [0, 1, 2, 2, 2, 2, 3]
    time = pl.Series([hour * 3_600 * 10**6 for hour in hours], dtype=pl.Int64).cast(pl.Datetime("us"))
    frame = pl.DataFrame(
        {"timestamp": time, "price": [100.0, 100.0, 100.0, 100.0, 101.0, 101.0, 103.0], "quantity": 1.0}
    )
    for lookback, count in ((10, 2), (1, 1), ("1h", 1), ("59m", None), ("2h", 2), (rb.Bars(1), 2)):
        got = eager(frame, 1_000, **EVERY_BAR, lookback=lookback)
        assert got["agg_record_count"].to_list() == [5, 2]
        assert got["lookback_trade_count"].to_list() == [None, count], lookback
