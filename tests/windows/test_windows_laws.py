"""Oracle layer, windows, laws: what holds between the statistics of any windows, and between them and the bars."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import Trade, fixed, floors, split
from tests._registry import HORIZON, INTRA, LOOKBACK, PATH_TIMES, SIDE_STATISTICS, STATISTICS
from tests._routes import EVERY_BAR, assert_same_bars, eager, group_rows
from tests._window_oracle import Lookback, lookback_window
from tests._windows import windows
from tests.strategies import SOME_LONG, Trades, any_trades, trades


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
        for number, count in enumerate(bars["agg_record_count"].head(40)):
            alone = eager(part.slice(start, count), case.threshold_dbps, **case.id_options, **EVERY_BAR, intra=True)
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
        floor = floors(rows, time_unit=unit, **case.breaks)
        for number in range(min(bars.height, 40)):
            window = [trade.agg_id for trade in lookback_window(rows, own, number, lookback, unit, floor=floor)]
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
