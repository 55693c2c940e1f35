"""Oracle and drive equivalence layers, resets and gaps: bars that end before their threshold, on every route."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests._calendar import INSTANTS_US, instants, instants_of, period_starts, trades_at
from tests._oracle import Reset, TimeUnit, period, row, span, split, trades_of
from tests._reference import reference_program
from tests._routes import CLOSE_REASON, EVERY_BAR, ROUTES, assert_same_bars, eager, oracle_bars
from tests.strategies import MAX_GAPS, RESETS, SOME_LONG, TIME_UNITS, Trades, broken_trades, flags, ticks

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

routes = pytest.mark.parametrize("route", ["eager", "lazy-streaming", "expression-in-memory"])
resets = pytest.mark.parametrize("reset", RESETS)


def without_stand_ins(bars: pl.DataFrame, trades_frame: pl.DataFrame) -> pl.DataFrame:
    """Leaves the numbers out that stand in for absent ids: they count from where the data began."""
    return bars if "agg_trade_id" in trades_frame.columns else bars.drop(pl.selectors.ends_with("trade_id"))


@pytest.mark.parametrize("route", ROUTES)
@given(case=broken_trades(repeats=SOME_LONG), flag=flags())
def test_every_cell_of_every_route(route: str, case: Trades, flag: dict[str, bool]) -> None:
    options = case.bar_options | flag
    got = ROUTES[route](case.frame, case.threshold_dbps, **options)
    assert_same_bars(got, oracle_bars(case.frame, case.threshold_dbps, **options))


def test_drawn_frames_break() -> None:
    """The properties over drawn frames would hold trivially if nothing broke."""
    reasons: list[Counter[str]] = []

    @settings(max_examples=300, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=broken_trades())
    def collect(case: Trades) -> None:
        bars = oracle_bars(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
        reasons.append(Counter(bars["close_reason"].to_list()))

    collect()
    for reason in ("threshold", "reset", "gap"):
        assert sum(count[reason] >= 3 for count in reasons) > 45, reason
    assert sum(all(count[reason] for reason in ("threshold", "reset", "gap")) for count in reasons) > 20


@routes
@given(case=broken_trades(), flag=flags())
def test_flags_choose_among_the_bars(route: str, case: Trades, flag: dict[str, bool]) -> None:
    """Nothing is dropped but what was not asked for, and what is left is as it was."""
    bars = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    reasons = ["threshold"]
    reasons += ["reset", "gap"] if flag["include_orphans"] else []
    reasons += ["end"] if flag["include_incomplete"] else []
    got = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **flag)
    assert_same_bars(got, bars.filter(pl.col("close_reason").is_in(reasons)))


# ---------------------------------------------------------------------------------- laws of a period


@routes
@resets
@given(case=broken_trades(min_rows=1, max_keys=0))
def test_a_reset_is_a_loop_over_the_periods(route: str, reset: Reset, case: Trades) -> None:
    """The bars of every period's trades by themselves; only the last of them is still forming."""
    case = replace(case, breaks=case.breaks | {"reset": reset})
    alone = case.bar_options | {"reset": None} | EVERY_BAR
    frame = case.frame.with_columns(period_starts(instants_of(case), reset).alias("_period"))
    parts = frame.partition_by("_period", maintain_order=True, include_key=False)
    bars = [eager(part, case.threshold_dbps, **alone) for part in parts]
    ended = pl.when(pl.col("close_reason") == "end").then(pl.lit("reset", CLOSE_REASON)).otherwise("close_reason")
    expected = pl.concat([*(part.with_columns(ended.alias("close_reason")) for part in bars[:-1]), bars[-1]])
    got = ROUTES[route](case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    assert_same_bars(without_stand_ins(got, frame), without_stand_ins(expected, frame))


@routes
@resets
@given(case=broken_trades(min_rows=1), orphans=st.booleans(), data=st.data())
def test_bars_do_not_depend_on_where_the_data_began(
    route: str, reset: Reset, case: Trades, orphans: bool, data: st.DataObject
) -> None:
    """Leaving out whole leading periods leaves out their bars; groups are then in another order, so forming bars."""
    case = replace(case, breaks=case.breaks | {"reset": reset})
    options = case.bar_options | {"include_orphans": orphans, "include_incomplete": not case.by}
    starts = period_starts(instants_of(case), reset)
    first = data.draw(st.sampled_from(sorted(set(starts))))
    bars = ROUTES[route](case.frame, case.threshold_dbps, **options)
    opened = period_starts(instants(bars["open_time"], case.options.get("time_unit")), reset)
    got = ROUTES[route](case.frame.filter(starts >= first), case.threshold_dbps, **options)
    assert_same_bars(without_stand_ins(got, case.frame), without_stand_ins(bars.filter(opened >= first), case.frame))


@given(case=broken_trades())
def test_the_calendar_repeats_after_400_years(case: Trades) -> None:
    """Weeks too: 146,097 days are 20,871 weeks."""
    unit = case.options.get("time_unit") or case.frame.schema["timestamp"].time_unit  # type: ignore[attr-defined]
    assume(unit != "ns")
    shift = ticks(dt.timedelta(days=146_097), unit)

    def moved(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
        return frame.with_columns((pl.col(n).to_physical() - shift).cast(frame.schema[n]) for n in names)

    bars = eager(case.frame, case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    shifted = eager(moved(case.frame, "timestamp"), case.threshold_dbps, **case.bar_options, **EVERY_BAR)
    assert_same_bars(shifted, moved(bars, "open_time", "close_time"))


@given(case=broken_trades(), unit=st.sampled_from(tuple(TIME_UNITS)), zone=st.sampled_from((None, "UTC", "Asia/Tokyo")))
def test_bars_do_not_depend_on_the_clock(case: Trades, unit: TimeUnit, zone: str | None) -> None:
    """Periods are those of UTC whatever the zone; whole milliseconds are the same times on every clock."""
    time = instants_of(case).cast(pl.Datetime("ms")).alias("timestamp")
    options = case.bar_options | EVERY_BAR | {"time_unit": None}
    bars = eager(case.frame.with_columns(time), case.threshold_dbps, **options)
    physical = time.cast(pl.Datetime(unit)).to_physical()
    other = eager(case.frame.with_columns(physical.cast(pl.Datetime(unit, zone))), case.threshold_dbps, **options)
    integer = eager(case.frame.with_columns(physical), case.threshold_dbps, **options | {"time_unit": unit})
    for got in (other, integer):
        back = [instants(got[name], unit).cast(pl.Datetime("ms")) for name in ("open_time", "close_time")]
        assert_same_bars(got.with_columns(back), bars)


# ------------------------------------------------------------------------------------------ calendar

STARTS: dict[Reset, tuple[str, ...]] = {
    "1d": ("2024-02-29", "2024-03-01", "1970-01-01", "1969-12-31", "1900-03-01", "2100-03-01"),
    "1w": ("2024-01-07", "1970-01-04", "1969-12-28", "2000-02-27", "1899-12-31", "2100-02-28"),
    "1mo": ("2024-03-01", "2023-03-01", "1970-01-01", "1969-12-01", "1900-03-01", "2100-03-01"),
    "1y": ("2024-01-01", "1970-01-01", "1969-01-01", "1900-01-01", "2001-01-01", "2101-01-01"),
}
WITHIN: dict[Reset, tuple[str, ...]] = {
    "1d": ("2024-02-29T12:00", "1969-12-31T23:00", "2024-03-31T01:00"),  # the last: Berlin puts its clocks on
    "1w": ("2024-01-08", "1970-01-01", "1969-12-29", "2024-03-01"),  # Mondays, New Year, a month
    "1mo": ("2024-02-29", "2024-01-07", "1900-02-28", "1969-12-31"),
    "1y": ("2024-12-31", "2023-12-31", "1969-12-29", "2100-03-01"),
}
DTYPES = [pl.Datetime(unit, zone) for unit in TIME_UNITS for zone in (None, "UTC", "Europe/Berlin", "Pacific/Apia")]


@routes
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@resets
def test_where_periods_start(route: str, reset: Reset, dtype: pl.Datetime) -> None:
    """To the tick; two trades before the instant and two from it on."""
    for instant in STARTS[reset] + WITHIN[reset]:
        seconds = int(dt.datetime.fromisoformat(instant).replace(tzinfo=dt.UTC).timestamp())
        tick = seconds * TIME_UNITS[dtype.time_unit]
        frame = trades_at([tick - 2, tick - 1, tick, tick + 1], dtype)
        bars = ROUTES[route](frame, 250, reset=reset, **EVERY_BAR)
        starts = instant in STARTS[reset]
        assert bars["close_reason"].to_list() == (["reset", "end"] if starts else ["end"]), instant
        assert bars["agg_record_count"].to_list() == ([2, 2] if starts else [4]), instant


@given(time=INSTANTS_US, wait=st.one_of(st.integers(0, 10**15), st.integers(0, 10**6)), reset=st.sampled_from(RESETS))
def test_the_oracle_has_the_calendar_of_polars(time: int, wait: int, reset: Reset) -> None:
    pair = (time, time + wait)
    starts = period_starts(pl.Series(pair).cast(pl.Datetime("us")), reset)
    names = [period(Fraction(time), reset) for time in pair]
    assert (names[0] == names[1]) == (starts[0] == starts[1])


# --------------------------------------------------------------------------------------------- order


@pytest.mark.parametrize("route", ROUTES)
def test_order_and_reasons_of_a_hand_made_case(route: str) -> None:
    """By the row that ended a bar; the period ends before the gap is looked at."""
    hour = 3_600_000
    rows = [
        *[("A", 0, 100.0), ("B", 1, 50.0), ("A", 2, 100.1)],
        *[("B", 3, 51.0), ("B", 4, 51.0)],  # row 3 closes the first bar of B
        *[("A", 9, 100.2), ("C", 9, 1.0)],  # row 5 is 7 hours late and ends the first bar of A
        *[("A", 10, 99.0), ("B", 24, 51.0)],  # row 7 closes the second; row 8 is in a new day, and late
        *[("C", 25, 1.0), ("A", 26, 99.0), ("A", 40, 99.0)],  # rows 9 to 11: a new day, a new bar, a gap
    ]
    frame = pl.DataFrame(rows, schema=["symbol", "hour", "price"], orient="row").with_columns(
        timestamp=(pl.col("hour") * hour).cast(pl.Datetime("ms")), quantity=1.0
    )
    options = {"by": ["symbol"], "reset": "1d", "max_gap": "6h", **EVERY_BAR}
    bars = ROUTES[route](frame, 1_000, **options).select(
        "symbol", "close_reason", pl.col("open_time").dt.day(), "close"
    )
    assert bars.rows() == [
        *[("B", "threshold", 1, 51.0), ("A", "gap", 1, 100.1), ("A", "threshold", 1, 99.0)],
        *[("B", "reset", 1, 51.0), ("C", "reset", 1, 1.0), ("A", "gap", 2, 99.0)],
        *[("A", "end", 2, 99.0), ("B", "end", 2, 51.0), ("C", "end", 2, 1.0)],
    ]


# --------------------------------------------------------------------------- the reference, real data


@pytest.fixture(scope="module")
def reference(shared: Path) -> ModuleType:
    return reference_program(shared)


def reference_rows(reference: ModuleType, columns: dict[str, Any], threshold_dbps: int, **options: Any) -> list[Any]:
    names = {"time": "time_us"}
    tape = reference.Trades(**{names.get(name, name): column for name, column in columns.items()})
    return [reference.bar_row(bar) for bar in reference.build(tape, threshold_dbps, **options)]


WITHOUT_MONTHS = [gap for gap in MAX_GAPS if not span(gap).months]


@given(
    case=broken_trades(max_keys=0),
    reset=st.sampled_from((None, *RESETS)),
    max_gap=st.sampled_from((None, *WITHOUT_MONTHS)),
)
def test_the_oracle_agrees_with_the_reference(
    reference: ModuleType, case: Trades, reset: Reset | None, max_gap: str | None
) -> None:
    columns = {name: case.frame[name].to_list() for name in case.frame.columns if name != "timestamp"}
    columns["time"] = instants_of(case).cast(pl.Datetime("us")).to_physical().to_list()
    for name in ("price", "quantity"):
        columns[name] = case.frame[name].cast(pl.Float64).to_list()
    ours = split(trades_of(**columns), case.threshold_dbps, gate=case.gate, reset=reset, max_gap=max_gap)
    options = {"same_timestamp_gate": case.gate, "reset": reset}
    longest = None if max_gap is None else span(max_gap).microseconds
    theirs = reference_rows(reference, columns, case.threshold_dbps, max_gap_us=longest, **options)
    assert [row(bar, "us") for bar in ours] == theirs


@pytest.fixture(scope="module")
def two_days(btcusdt_day: pl.DataFrame) -> pl.DataFrame:
    """The real day, moved by half a day so that a day, a month and a year end within it."""
    return btcusdt_day.drop("is_best_match").with_columns(pl.col("timestamp") - dt.timedelta(hours=12))


@pytest.fixture(scope="module")
def two_days_of_reference(reference: ModuleType, two_days: pl.DataFrame) -> list[Any]:
    columns = {name: two_days[name].to_list() for name in two_days.columns if name != "timestamp"}
    columns["time"] = two_days["timestamp"].to_physical().to_list()
    return reference_rows(reference, columns, 100, reset="1d", max_gap_us=4_000_000)


@pytest.mark.parametrize("route", ROUTES)
def test_every_cell_of_a_real_day(two_days: pl.DataFrame, two_days_of_reference: list[Any], route: str) -> None:
    reasons = Counter(bar["close_reason"] for bar in two_days_of_reference)
    assert reasons["reset"] == 1
    assert reasons["gap"] > 5
    assert reasons["threshold"] > 100
    bars = ROUTES[route](two_days, 100, reset="1d", max_gap="4s", **EVERY_BAR)
    assert bars.with_columns(pl.col("open_time", "close_time").to_physical()).to_dicts() == two_days_of_reference
    closed = ROUTES[route](two_days, 100, reset="1d", max_gap="4s")
    assert_same_bars(closed, bars.filter(pl.col("close_reason") == "threshold"))


def test_numbers_of_bars_of_a_real_day(two_days: pl.DataFrame, two_days_of_reference: list[Any]) -> None:
    counts = two_days.rangebar.with_bar_id(100, reset="1d", max_gap="4s")["bar_id"].rle().struct.unnest()
    assert counts["value"].to_list() == list(range(len(two_days_of_reference)))
    assert counts["len"].to_list() == [bar["agg_record_count"] for bar in two_days_of_reference]


@pytest.mark.parametrize("route", ROUTES)
def test_weekends_of_eurusd(shared: Path, route: str) -> None:
    """Two weekends of 48 hours and two seconds; a new week begins within each."""
    quotes = pl.read_parquet(shared / "data" / "lean_fx_quotes_201405" / "oanda_eurusd.parquet")
    mid = quotes.select("timestamp", price=(pl.col("bid") + pl.col("ask")) / 2, quantity=pl.lit(0.0))
    silent = mid["timestamp"].diff() > dt.timedelta(hours=40)
    fridays, sundays = mid["timestamp"].filter(silent.shift(-1)), mid["timestamp"].filter(silent)
    assert fridays.dt.weekday().to_list() == [5, 5]
    for breaks, reason in (({"max_gap": "40h"}, "gap"), ({"max_gap": "40h", "reset": "1w"}, "reset")):
        bars = ROUTES[route](mid, 100, include_orphans=True, **breaks)
        orphans = bars["close_reason"] != "threshold"
        assert bars["close_reason"].filter(orphans).to_list() == [reason] * 2
        assert bars["close_time"].filter(orphans).to_list() == fridays.to_list()
        assert bars["open_time"].filter(orphans.shift(1, fill_value=False)).to_list() == sundays.to_list()
        assert (bars["volume"] == 0.0).all()
        assert (bars["vwap"] == bars["open"]).all()
    for longer in ("48h2s", dt.timedelta(hours=49), "3d", "1mo"):
        assert_same_bars(ROUTES[route](mid, 100, max_gap=longer, **EVERY_BAR), eager(mid, 100, include_incomplete=True))
