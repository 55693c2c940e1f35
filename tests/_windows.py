"""Windows of trades in frames: the columns of the slow oracle, their comparison, and what tests draw."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import (
    DECIMALS,
    TimeUnit,
    floors,
    split,
    trades_of,
)
from tests._registry import BY_COLUMN, FEATURES, INTRA, LOOKBACK, PATH_TIMES
from tests._routes import OPTIONAL, Thresholds, assert_same_bars, bar_schema, group_rows, oracle_bars
from tests._streams import Run, runs
from tests._window_oracle import Cells, Lookback, intra_cells, lookback_cells, lookback_window, starts_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def feature_schema(time: pl.DataType, *, intra: bool = False, lookback: bool = False) -> dict[str, pl.DataType]:
    """Names and dtypes of all features of the families asked for, in order."""
    blocks = INTRA | dict.fromkeys(PATH_TIMES, time) if intra else {}
    return FEATURES | blocks | (LOOKBACK if lookback else {})


def window_schema(
    time: pl.DataType,
    *,
    intra: bool = False,
    lookback: bool = False,
    features: Sequence[str] | None = None,
    several: bool = False,
) -> dict[str, pl.DataType]:
    """Names and dtypes of bars without group keys, in order; None: all features of the families asked for."""
    chosen = feature_schema(time, intra=intra, lookback=lookback)
    if features is not None:
        every = feature_schema(time, intra=True, lookback=True)
        chosen = {name: every[name] for name in features}
    return bar_schema(time, [], several=several) | chosen


# ------------------------------------------------------------------------------- frames of bars


def oracle_windows(
    frame: pl.DataFrame,
    thresholds: Thresholds,
    *,
    by: Sequence[str] = (),
    intra: bool = False,
    lookback: Lookback | None = None,
    **options: Any,
) -> pl.DataFrame:
    """The bars of the slow oracle with the columns of their windows."""
    bars = oracle_bars(frame, thresholds, by=by, **options)
    time = frame.schema["timestamp"]
    unit: TimeUnit = time.time_unit if isinstance(time, pl.Datetime) else options["time_unit"]
    wanted = {"threshold"}
    wanted |= {"reset", "gap"} if options.get("include_orphans") else set()
    wanted |= {"end"} if options.get("include_incomplete") else set()
    rules: dict[str, Any] = {name: options[name] for name in ("reset", "max_gap") if name in options}
    gate = options.get("same_timestamp_gate", True)
    several = not isinstance(thresholds, int)
    cells: dict[tuple[Any, ...], Iterator[Cells]] = {}
    for rows in group_rows(frame, by):
        group = frame[rows]
        optional = {name: group[name].to_list() for name in OPTIONAL if name in frame.columns}
        numbers = (group["timestamp"].to_physical(), group["price"], group["quantity"])
        decimals = options.get("price_decimals", DECIMALS)
        trades = trades_of(*(column.to_list() for column in numbers), **optional, price_decimals=decimals)
        key = group.select(by).row(0) if by else ()
        floor = floors(trades, time_unit=unit, **rules)
        for threshold in thresholds if isinstance(thresholds, Sequence) else [thresholds]:
            of_group = split(trades, threshold, time_unit=unit, gate=gate, **rules)
            starts = starts_of(of_group)
            windows = [
                (intra_cells(bar.trades, unit) if intra else {})
                | (
                    lookback_cells(
                        lookback_window(trades, of_group, i, lookback, unit, floor=floor, starts=starts), unit
                    )
                    if lookback
                    else {}
                )
                for i, bar in enumerate(of_group)
                if bar.close_reason in wanted
            ]
            cells[*key, *([threshold] if several else [])] = iter(windows)
    names = [*by, *(["threshold_dbps"] if several else [])]
    keys = bars.select(names).rows() if names else [()] * bars.height
    placed = [next(cells[key]) for key in keys]
    added = feature_schema(time, intra=intra, lookback=lookback is not None)
    columns = [
        pl.Series(name, [row[name] for row in placed], pl.Int64 if name in PATH_TIMES else dtype).cast(dtype)
        for name, dtype in added.items()
        if name not in FEATURES
    ]
    return bars.with_columns(columns)


def assert_close_windows(got: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Same bars bit for bit; windows to 1e-9 relative, null where null, whole numbers and times exact."""
    assert list(got.schema.items()) == list(expected.schema.items())
    schema = got.schema
    rough = [name for name in (*INTRA, *LOOKBACK) if schema.get(name) == pl.Float64]
    assert_same_bars(got.drop(rough), expected.drop(rough))
    for name in rough:
        allowed = BY_COLUMN[name].rounding
        for row, (a, b) in enumerate(zip(got[name], expected[name], strict=True)):
            assert (a is None) == (b is None), (name, row, a, b)
            assert a is None or math.isclose(a, b, rel_tol=1e-9, abs_tol=allowed), (name, row, a, b)


# --------------------------------------------------------------------------------------- strategies

LOOKBACKS: tuple[Lookback, ...] = (
    *(1, 2, 3, 5, 64, 200),
    *("1ns", "1ms", "1500us", "2s", "20m", "1d12h", "1w", "1mo", "1mo1d", "1y"),
    *(dt.timedelta(microseconds=2), dt.timedelta(hours=11)),
    *(rb.Bars(1), rb.Bars(2), rb.Bars(7)),
)
KINDS: tuple[Lookback, ...] = (3, "3s", rb.Bars(2))
"""One lookback of each kind."""


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """What to ask for: `intra`, `lookback` or both."""
    lookback = draw(st.sampled_from((None, *LOOKBACKS, *LOOKBACKS)))
    return {"intra": lookback is None or draw(st.booleans()), "lookback": lookback}


@st.composite
def window_runs(draw: st.DrawFn, **shape: Any) -> Run:
    """Trades and the parameters of their bars, windows among them; parameters as for `trades`."""
    run = draw(runs(**shape))
    return replace(run, options=run.options | draw(windows()))


def walk(rows: int, *, wait_us: int = 1_000_000, tick: float = 0.01, price: float = 100.0) -> pl.DataFrame:
    """Trades of a walk that wanders by up to two ticks, the same for all time; ids, sides, uneven sizes and waits."""
    steps = [(7 * i * i + 3 * i) % 11 % 5 - 2 + (i % 29 == 0) - (i % 31 == 0) for i in range(rows)]
    path = list(accumulate(steps, initial=0))[1:]
    lowest = min(path, default=0)
    time = pl.Series([i * wait_us + (i % 4) * wait_us // 8 for i in range(rows)], dtype=pl.Int64)
    return pl.DataFrame(
        {
            "timestamp": time.cast(pl.Datetime("us")),
            "price": [price + (x - lowest) * tick for x in path],
            "quantity": [0.5 + 0.25 * (i * i % 7) for i in range(rows)],
            "is_buyer_maker": [i * 3 % 7 < 3 for i in range(rows)],
            "agg_trade_id": range(rows),
        }
    )
