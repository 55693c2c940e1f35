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
from tests._oracle import MICROSECONDS, Cell, Trade, double, fixed, later, span, split, trades_of
from tests._routes import EVERY_BAR, assert_same_bars, eager, group_rows
from tests._windows import (
    HORIZON,
    INTRA,
    KINDS,
    LOOKBACK,
    PATH_TIMES,
    SIDE_STATISTICS,
    STATISTICS,
    Lookback,
    assert_close_windows,
    earlier,
    horizon,
    hurst,
    lookback_window,
    oracle_windows,
    path_times,
    statistics,
    walk,
    windows,
)
from tests.strategies import LONG, SOME_LONG, Trades, any_trades, flags, threshold_lists, trades

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
    thresholds = data.draw(threshold_lists(case.threshold_dbps))
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


@pytest.mark.parametrize("lookback", [None, 70, 1, "1m", "1mo", rb.Bars(1), rb.Bars(4)], ids=str)
@pytest.mark.parametrize("threshold_dbps", [10, 30, 100_000])
@pytest.mark.parametrize("name", EDGES)
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
        [None, 2, 4],
    ),
    "a gap in a bar that forms": (
        [(0, 100), (1, 101), (2, 101), (9, 101), (10, 103), (11, 103)],
        {},
        [None, 2, None, 2],
    ),
    "a gap behind a bar that has closed": ([(0, 100), (1, 101), (9, 101), (10, 103), (11, 103)], {}, [None, 2, 4]),
    "a gap in the first bar": ([(0, 100), (9, 101), (10, 103), (11, 103)], {}, [None, None, 2]),
    "two orphans one behind the other": ([(0, 100), (9, 101), (20, 103), (21, 103), (22, 105)], {}, [None, None, None]),
}


@pytest.mark.parametrize("name", RESTARTS)
def test_where_windows_begin_anew(name: str) -> None:
    """Where an orphan ended: a period or a gap in which no bar was forming leaves them."""
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


# ------------------------------------------------------------------------------------------------- laws


def bars_of_groups(case: Trades, **options: Any) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """The trades of each group and their bars."""
    parts = [case.frame[rows] for rows in group_rows(case.frame, case.by)]
    return [(part, eager(part, case.threshold_dbps, **case.id_options, **EVERY_BAR, **options)) for part in parts]


@given(case=any_trades(min_rows=2, max_keys=0, repeats=SOME_LONG))
def test_a_bar_by_itself_has_the_same_intra_columns(case: Trades) -> None:
    """They hang on the trades of the bar alone, bit for bit, wherever these lie in a frame or in a block."""
    names = [*INTRA, *PATH_TIMES]
    for part, bars in bars_of_groups(case, intra=True):
        start = 0
        for number, count in enumerate(bars["agg_record_count"]):
            alone = eager(part.slice(start, count), case.threshold_dbps, **case.id_options, **EVERY_BAR, intra=True)
            if number < 40:
                assert_same_bars(alone.select(names), bars[number].select(names))
            start += count


@given(
    case=any_trades(min_rows=2, max_keys=0, repeats=SOME_LONG), lookback=st.sampled_from([3, 70, 200, "1d", rb.Bars(3)])
)
def test_a_lookback_window_is_as_good_as_a_bar(case: Trades, lookback: Lookback) -> None:
    """What both families have has the same bits over the same trades."""
    dtype = case.frame.schema["timestamp"]
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else case.options["time_unit"]
    shared = [name for name in STATISTICS if f"intra_{name}" in INTRA]
    for part, bars in bars_of_groups(case, lookback=lookback):
        rows = [
            Trade(t, fixed(p), 0, None, i, i, i)
            for i, (t, p) in enumerate(zip(part["timestamp"].to_physical(), part["price"], strict=True))
        ]
        own = split(rows, case.threshold_dbps, gate=case.gate, time_unit=unit, **case.breaks)
        for number in range(min(bars.height, 40)):
            window = [trade.agg_id for trade in lookback_window(rows, own, number, lookback, unit)]
            if not window:
                continue
            alone = eager(part[window], 100_000, **case.options, include_incomplete=True, intra=True)
            if alone.height == 1:
                got = bars[number].select(pl.col(f"lookback_{name}").alias(name) for name in shared)
                assert_same_bars(got, alone.select(pl.col(f"intra_{name}").alias(name) for name in shared))


@given(case=any_trades(repeats=SOME_LONG), asked=windows())
def test_what_the_families_share_with_the_bar(case: Trades, asked: dict[str, Any]) -> None:
    options = case.bar_options | EVERY_BAR | asked | {"intra": True}
    bars = eager(case.frame, case.threshold_dbps, **options)
    equal = ("intra_trade_count", "agg_record_count"), ("intra_ofi", "ofi"), ("intra_duration_us", "duration_us")
    for a, b in equal:
        assert_same_bars(bars.select(pl.col(a).alias(b)), bars.select(b))
    assert bars.select(
        pl.col("high_time").is_between("open_time", "close_time").all(),
        pl.col("low_time").is_between("open_time", "close_time").all(),
    ).row(0) == (True, True)
    for name in (name for name in bars.columns if name in INTRA or name in LOOKBACK):
        values = bars[name].drop_nulls().cast(pl.Float64)
        assert values.is_finite().all(), name
        low, high = LIMITS.get(name.removeprefix("intra_").removeprefix("lookback_"), (-math.inf, math.inf))
        assert values.is_between(low, high).all(), name
    if "is_buyer_maker" not in case.frame.columns:
        for block in ("intra", *(["lookback"] if asked["lookback"] else [])):
            assert (
                bars.select(pl.col(f"{block}_{name}").is_null().all() for name in SIDE_STATISTICS).row(0) == (True,) * 3
            )


LIMITS = {
    **dict.fromkeys(("ofi", "count_imbalance", "burstiness"), (-1.0, 1.0)),
    **dict.fromkeys(("kaufman_er", "permutation_entropy", "vwap_position", *HORIZON), (0.0, 1.0 + 1e-12)),
    **dict.fromkeys(("price_range", "garman_klass_vol", "intensity", "duration_us", "vwap"), (0.0, math.inf)),
    "volume_kurt": (-2.0 - 1e-9, math.inf),
    "trade_count": (1.0, math.inf),
}


@given(
    case=trades(exact=True, repeats=SOME_LONG),
    factor=st.sampled_from((2, 4, 0.5)),
    lookback=st.sampled_from([70, rb.Bars(2)]),
)
def test_scaling_prices_leaves_what_is_a_ratio(case: Trades, factor: float, lookback: Lookback) -> None:
    """Powers of two are exact; 25,000 dbps of a price leave nothing to truncate."""
    options = case.bar_options | EVERY_BAR | {"intra": True, "lookback": lookback}
    bars = eager(case.frame, 25_000, **options)
    scaled = eager(case.frame.with_columns(pl.col("price") * factor), 25_000, **options)
    truncated = ("vwap", "vwap_position")
    names = [name for name in (*INTRA, *PATH_TIMES, *LOOKBACK) if not name.endswith(truncated)]
    assert_same_bars(scaled.select(names), bars.select(names))


# ----------------------------------------------------------------------------------- the oracle by hand


def of(price: list[float], **columns: list[Any]) -> list[Trade]:
    """Trades a second apart."""
    quantity = columns.pop("quantity", [1.0] * len(price))
    return trades_of(columns.pop("time", [i * 10**6 for i in range(len(price))]), price, quantity, **columns)


HAND_MADE: list[tuple[str, list[Trade], Cell]] = [
    ("trade_count", of([100.0, 101.0]), 2),
    ("ofi", of([1.0] * 3, quantity=[3.0, 1.0, 0.0], is_buyer_maker=[False, True, True]), 0.5),
    ("ofi", of([1.0] * 2, quantity=[0.0, 0.0], is_buyer_maker=[False, True]), 0.0),
    ("ofi", of([1.0]), None),
    ("intensity", of([1.0] * 5), 1.25),
    ("intensity", of([1.0] * 5, time=[7] * 5), 5.0),
    ("vwap", of([100.0, 200.0], quantity=[3.0, 1.0]), 125.0),
    ("vwap", of([1e-8, 2e-8]), 1e-8),
    ("vwap", of([100.0], quantity=[0.0]), None),
    ("vwap_position", of([100.0, 200.0], quantity=[3.0, 1.0]), 0.25),
    ("vwap_position", of([100.0, 100.0]), 0.5),
    ("count_imbalance", of([1.0] * 4, is_buyer_maker=[True, True, True, False]), -0.5),
    ("kyle_lambda", of([100.0, 125.0], quantity=[3.0, 1.0], is_buyer_maker=[False, True]), 0.5),
    ("kyle_lambda", of([100.0, 125.0], is_buyer_maker=[False, True]), None),
    ("kyle_lambda", of([100.0], is_buyer_maker=[False]), None),
    ("burstiness", of([1.0] * 3), -1.0),
    ("burstiness", of([1.0] * 3, time=[0, 0, 8]), 0.0),
    ("burstiness", of([1.0] * 2), None),
    ("burstiness", of([1.0] * 4, time=[5] * 4), None),
    ("volume_skew", of([1.0] * 4, quantity=[0.0, 0.0, 0.0, 4.0]), 6 / 3**1.5),
    ("volume_skew", of([1.0] * 3), None),
    ("volume_kurt", of([1.0] * 4, quantity=[0.0, 0.0, 0.0, 4.0]), 21 / 9 - 3),
    ("volume_kurt", of([1.0] * 3, quantity=[1.0, 2.0, 3.0]), None),
    ("price_range", of([100.0, 103.0, 99.0]), 0.04),
    ("garman_klass_vol", of([100.0, 110.0, 100.0]), math.log(1.1) / math.sqrt(2)),
    ("kaufman_er", of([100.0, 102.0, 101.0]), 1 / 3),
    ("kaufman_er", of([100.0, 100.0]), None),
    ("permutation_entropy", of([1.0] * 60), 0.0),
    ("permutation_entropy", of([1.0] * 59), None),
    ("permutation_entropy", of([1.0, 2.0] * 31), math.log(2) / math.log(6)),
    ("hurst", of([1.0] * 64), None),
    ("hurst", of([1.0, 1.1] * 31), None),
]


@pytest.mark.parametrize(("name", "window", "value"), HAND_MADE)
def test_the_oracle_by_hand(name: str, window: list[Trade], value: Cell) -> None:
    got = statistics(window, "us")[name]
    assert got is None if value is None else got == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_the_oracle_of_nothing() -> None:
    assert statistics([], "us") == dict.fromkeys(STATISTICS)


def test_the_oracle_of_the_horizon_by_hand() -> None:
    cells = horizon(of([100.0, 109.0, 98.0, 130.0]))
    assert cells["max_drawdown"] == pytest.approx(11 / 109)
    assert cells["max_runup"] == pytest.approx(32 / 130)
    # 9 % do not beat the drawdown, 30 % do: one epoch, three rows from the first. Gains so far: 0.09, 0.09, 0.3.
    assert cells["bull_epoch_density"] == pytest.approx(1 / (1 + math.exp(2.5)))
    assert cells["bull_cv"] == pytest.approx(1 / (1 + math.exp(2.0)))
    assert cells["bull_excess_gain"] == pytest.approx(math.tanh(5 * 0.48))
    # The fall of two parts in a hundred never beats the run-up. Gains so far: none, 2 / 98, 2 / 98.
    assert cells["bear_epoch_density"] == pytest.approx(1 / (1 + math.exp(5.0)))
    assert cells["bear_cv"] == cells["bull_cv"]
    assert cells["bear_excess_gain"] == pytest.approx(math.tanh(5 * 4 / 98))


def test_the_oracle_of_path_times_by_hand() -> None:
    """The first of equals."""
    assert path_times(of([2.0, 3.0, 1.0, 3.0, 1.0])) == {"high_time": 10**6, "low_time": 2 * 10**6}


def test_the_oracle_of_the_exponent_of_known_walks() -> None:
    """Steps that alternate are bounded, those of one long wave are smooth: the exponents lie on either side of 1/2."""
    calm = [10**10 + 10**6 * (i * i % 7 - 3) for i in range(600)]
    smooth = [round(10**10 * (1 + 0.01 * math.sin(i / 200))) for i in range(600)]
    exponents = hurst(calm), hurst(smooth)
    assert exponents[0] is not None
    assert exponents[1] is not None
    assert exponents[0] < 0.2
    assert exponents[1] > 1.5


@given(
    time=st.integers(-(10**15), 4 * 10**15),
    length=st.sampled_from(["1ns", "5m", "1d", "1w", "1mo", "1q", "1y", "1mo1d", "1y3d5m"]),
)
def test_the_oracle_goes_back_as_polars_does(time: int, length: str) -> None:
    moved = pl.Series([time]).cast(pl.Datetime("ns", "UTC")).dt.offset_by(f"-{length}").to_physical()[0]
    assert earlier(time * MICROSECONDS["ns"], span(length)) / MICROSECONDS["ns"] == moved
    assert later(time * MICROSECONDS["ns"], span(length)) >= time * MICROSECONDS["ns"]
