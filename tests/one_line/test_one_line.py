"""Bars of a symbol between two times: those of all trades of the venue, whatever the lake held before."""

from __future__ import annotations

import datetime as dt
import itertools
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars import _one_line
from rangebar_polars._bars.old_names import IN_ONE_LINE
from rangebar_polars.datasets import LocalVenue
from tests._faulty_venue import write_days
from tests._paths import ROOT

FIRST, DAYS, ROWS = dt.date(2024, 1, 27), 8, 400
LAST = FIRST + dt.timedelta(days=DAYS - 1)
UTC = dt.UTC
DAY = dt.timedelta(days=1)
COLUMNS = ("symbol", "timestamp", "price", "quantity", "is_buyer_maker", "agg_trade_id")


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_days(folder, start=FIRST, days=DAYS, rows=ROWS)
        yield folder


@pytest.fixture(scope="module")
def venue(folder: Path) -> Iterator[LocalVenue]:
    with LocalVenue(folder) as venue:
        yield venue


@pytest.fixture(scope="module")
def rest_venue(folder: Path) -> Iterator[LocalVenue]:
    """A venue that has not published the last days."""
    with LocalVenue(folder, archives_until=LAST - 2 * DAY) as venue:
        yield venue


@pytest.fixture(scope="module")
def trades(folder: Path) -> pl.DataFrame:
    return rb.scan_binance(folder).collect()


def wanted(trades: pl.DataFrame, begin: dt.datetime, until: dt.datetime, **options: Any) -> pl.DataFrame:
    """The bars of all trades that closed in a range, also those that a trade behind it ends."""
    # A trade of a later period ends the last bar.
    later = trades.tail(1).with_columns(pl.col("agg_trade_id") + 1, pl.col("timestamp") + pl.duration(days=40))
    bars = pl.concat([trades, later]).drop("symbol").rangebar.bars(**{"reset": "1d"} | options)
    return bars.filter(pl.col("close_time") >= begin, pl.col("close_time") < until)


FILLS = st.lists(
    st.one_of(
        st.tuples(st.just("fetch"), st.integers(0, DAYS - 1), st.integers(0, 3)),
        # A user has added a part of a day.
        st.tuples(st.just("add"), st.integers(0, DAYS - 1), st.integers(1, ROWS)),
        st.tuples(st.just("rest"), st.integers(0, DAYS - 1), st.integers(0, 3)),
    ),
    max_size=4,
)
INSTANTS = st.integers(0, DAYS * 24 * 60).map(lambda minutes: midnight(FIRST) + dt.timedelta(minutes=minutes))


@given(
    fills=FILLS,
    ends=st.lists(INSTANTS, min_size=2, max_size=2, unique=True).map(sorted),
    reset=st.sampled_from(["1d", "1w", "1mo"]),
)
@settings(deadline=None)
def test_the_result_does_not_depend_on_what_was_there(
    fills: list[tuple[str, int, int]],
    ends: list[dt.datetime],
    reset: Any,
    venue: LocalVenue,
    rest_venue: LocalVenue,
    trades: pl.DataFrame,
) -> None:
    begin, until = ends
    with TemporaryDirectory() as name:
        lake = rb.Lake(name)
        for how, number, more in fills:
            day = FIRST + number * DAY
            if how == "add":
                rows = trades.filter(pl.col("timestamp").dt.date() == day).head(more).select(COLUMNS)
                lake.add(rows, venue="binance-spot")
            else:
                base = (venue if how == "fetch" else rest_venue).base
                lake.fetch("BTCUSDT", day, min(day + more * DAY, LAST), base=base)
        # Periods reach back to before the first trade that there is.
        bars = rb.get_range_bars(
            "BTCUSDT", begin, until, 25, lake=lake, base=venue.base, reset=reset, intra=True, include_orphans=True
        )
    assert_frame_equal(
        bars, wanted(trades, begin, until, threshold_dbps=25, reset=reset, intra=True, include_orphans=True)
    )


@pytest.mark.parametrize("options", [{}, {"include_orphans": True}, {"include_orphans": True, "max_gap": "9m"}])
def test_parts_are_the_whole(options: dict[str, Any], venue: LocalVenue, tmp_path: Path) -> None:
    def bars(begin: dt.datetime, until: dt.datetime) -> pl.DataFrame:
        return rb.get_range_bars("BTCUSDT", begin, until, 25, lake=tmp_path, base=venue.base, reset="1d", **options)

    edges = [midnight(FIRST) + dt.timedelta(hours=hours) for hours in (0, 5, 24, 31, 100, 24 * DAYS)]
    whole = bars(edges[0], edges[-1])
    assert whole.height > 10 * DAYS
    assert_frame_equal(pl.concat([bars(a, b) for a, b in itertools.pairwise(edges)]), whole)


RULES: list[Any] = [
    *(rb.Range(points=20), rb.HighLow(25), rb.Cusum(25), rb.Ticks(30), rb.Ticks(50, of="trades")),
    *(rb.Volume(2), rb.Turnover(100_000), rb.Imbalance(5), rb.Imbalance(target=30, span=3, of="volume")),
    *(rb.Runs(target=30, span=3), rb.Time("1h"), rb.Time("7h"), rb.Time("25m"), rb.Time("1d")),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("include_orphans", [False, True])
def test_every_rule_in_one_line(
    rule: Any, include_orphans: bool, venue: LocalVenue, trades: pl.DataFrame, lake_of_all: rb.Lake
) -> None:
    """Parts are the whole; so are the last n of them."""
    options: dict[str, Any] = {"reset": "1w", "include_orphans": include_orphans}
    source: dict[str, Any] = {"lake": lake_of_all, "base": venue.base}
    edges = [midnight(FIRST) + dt.timedelta(hours=hours) for hours in (0, 24, 72, 24 * DAYS)]
    # A trade of a later period ends the last bar, which ends a window of time with the range otherwise.
    until = edges[-1] if not isinstance(rule, rb.Time) or include_orphans else midnight(LAST)
    edges[-1] = until
    expected = wanted(trades, edges[0], until, threshold_dbps=rule, **options)
    parts = [rb.get_range_bars("BTCUSDT", a, b, rule, **options, **source) for a, b in itertools.pairwise(edges)]
    assert expected.height > 3
    assert_frame_equal(pl.concat(parts), expected)
    last = rb.get_n_range_bars("BTCUSDT", 4, rule, before=until, **options, **source)
    assert_frame_equal(last, expected.tail(4))


def test_a_window_of_time_is_over_with_the_range(venue: LocalVenue, tmp_path: Path) -> None:
    source: dict[str, Any] = {"lake": tmp_path, "base": venue.base}
    hours = rb.get_range_bars("BTCUSDT", "2024-01-28", "2024-01-28", rb.Time("1h"), **source)
    assert hours["close_reason"].unique().to_list() == ["time"]
    assert hours["open_time"].dt.hour().to_list() == list(range(24))
    of_month = rb.get_range_bars("BTCUSDT", "2024-01-31", "2024-01-31", rb.Time("1h"), include_orphans=True, **source)
    assert of_month["close_reason"].to_list() == ["time"] * 23 + ["reset"]
    no_reset = rb.get_range_bars("BTCUSDT", "2024-01-31", "2024-01-31", rb.Time("1h"), reset=None, **source)
    assert no_reset["close_reason"].to_list() == ["time"] * 24
    open_still = rb.get_range_bars("BTCUSDT", "2024-01-29", "2024-01-29", rb.Time("1w"), **source)
    assert open_still.is_empty()
    half = rb.get_range_bars(
        "BTCUSDT", "2024-01-28", "2024-01-28T05:30", rb.Time("1h"), include_incomplete=True, **source
    )
    assert half["close_reason"].to_list() == ["time"] * 5 + ["end"]
    unknown = rb.get_range_bars("BTCUSDT", "2024-01-28", "2024-01-28", rb.Time("1h"), max_gap="5h", **source)
    assert unknown.height == 23


def test_several_rules_in_one_line(venue: LocalVenue, trades: pl.DataFrame, lake_of_all: rb.Lake) -> None:
    rules: Any = [rb.Time("1h"), rb.Volume(2), 25]
    bars = rb.get_range_bars("BTCUSDT", FIRST, FIRST, rules, reset="1w", lake=lake_of_all, base=venue.base)
    assert_frame_equal(bars, wanted(trades, midnight(FIRST), midnight(FIRST + DAY), threshold_dbps=rules, reset="1w"))


@pytest.mark.parametrize("include_incomplete", [False, True])
def test_the_bar_that_the_end_of_a_period_ends_is_an_orphan(
    include_incomplete: bool,
    venue: LocalVenue,
    trades: pl.DataFrame,
    tmp_path: Path,
) -> None:
    options: dict[str, Any] = {"threshold_dbps": 5_000, "reset": "1d", "include_orphans": True}
    whole = wanted(trades, midnight(FIRST), midnight(LAST + DAY), **options)
    more: dict[str, Any] = {"lake": tmp_path, "base": venue.base, "include_incomplete": include_incomplete}
    days = [rb.get_range_bars("BTCUSDT", FIRST + n * DAY, FIRST + n * DAY, **options, **more) for n in range(DAYS)]
    assert [day["close_reason"].to_list()[-1] for day in days] == ["reset"] * DAYS
    assert_frame_equal(pl.concat(days), whole)
    if not include_incomplete:
        more.pop("include_incomplete")
        last = rb.get_n_range_bars("BTCUSDT", DAYS, before=LAST, **options, **more)
        assert_frame_equal(last, whole.tail(DAYS))


def test_the_bar_of_a_period_that_goes_on_is_no_orphan(venue: LocalVenue, tmp_path: Path) -> None:
    options: dict[str, Any] = {"lake": tmp_path, "base": venue.base, "reset": "1w", "include_orphans": True}
    # The 31st is a Wednesday.
    assert rb.get_range_bars("BTCUSDT", "2024-01-31", "2024-01-31", 99_999, **options).is_empty()
    forming = rb.get_range_bars("BTCUSDT", "2024-01-31", "2024-01-31", 99_999, include_incomplete=True, **options)
    assert forming["close_reason"].to_list() == ["end"]


def test_a_day_as_the_end_is_the_whole_day(venue: LocalVenue, trades: pl.DataFrame, tmp_path: Path) -> None:
    bars = rb.get_range_bars("BTCUSDT", "2024-01-28", "2024-01-29", 25, lake=tmp_path, base=venue.base, reset="1d")
    assert_frame_equal(
        bars, wanted(trades, midnight(dt.date(2024, 1, 28)), midnight(dt.date(2024, 1, 30)), threshold_dbps=25)
    )
    assert sorted(folder.name for folder in tmp_path.glob("trades/*/*/date=*")) == [
        "date=2024-01-28",
        "date=2024-01-29",
    ]


def test_lazy_is_the_same_and_fetches_at_once(venue: LocalVenue, tmp_path: Path) -> None:
    options: dict[str, Any] = {"lake": tmp_path, "base": venue.base, "reset": "1d", "include_incomplete": True}
    lazy = rb.get_range_bars("BTCUSDT", FIRST, LAST, 25, lazy=True, **options)
    asked = len(venue.requests)
    target = tmp_path / "bars.parquet"
    lazy.sink_parquet(target)
    assert_frame_equal(pl.read_parquet(target), rb.get_range_bars("BTCUSDT", FIRST, LAST, 25, **options))
    assert len(venue.requests) == asked


def test_a_lake_that_has_all_asks_nobody(venue: LocalVenue, tmp_path: Path) -> None:
    rb.get_range_bars("BTCUSDT", FIRST, LAST, 25, lake=tmp_path, base=venue.base, reset="1d")
    asked = len(venue.requests)
    for fetch in ("missing", "never"):
        rb.get_range_bars("BTCUSDT", FIRST, LAST, 25, lake=tmp_path, base="http://127.0.0.1:9", reset="1d", fetch=fetch)
    assert len(venue.requests) == asked
    rb.get_range_bars("BTCUSDT", FIRST, LAST, 25, lake=tmp_path, base=venue.base, reset="1d", fetch="always")
    assert len(venue.requests) > asked


def test_a_range_that_is_not_whole_is_an_error(venue: LocalVenue, tmp_path: Path) -> None:
    with pytest.raises(rb.MissingTradesError) as error:
        rb.get_range_bars("BTCUSDT", FIRST - 3 * DAY, FIRST, 25, lake=tmp_path, base=venue.base, reset="1d")
    assert error.value.missing == [(FIRST - 3 * DAY, FIRST - DAY)]
    assert "are missing (2024-01-24 to 2024-01-26; before the first archive)" in str(error.value)
    assert pickle.loads(pickle.dumps(error.value)).missing == error.value.missing
    with pytest.raises(rb.MissingTradesError, match=r"missing \(2024-02-04 to 2024-02-05; missing at the venue\)"):
        rb.get_range_bars("BTCUSDT", LAST, LAST + 2 * DAY, 25, lake=tmp_path, base=venue.base, reset="1d")
    with pytest.raises(rb.MissingTradesError, match="no archives of aggTrades of 'BTC'"):
        rb.get_range_bars("BTC", FIRST, LAST, 25, lake=tmp_path, base=venue.base, reset="1d")
    with pytest.raises(rb.MissingTradesError, match='`fetch` is "never"'):
        rb.get_range_bars("ETHUSDT", FIRST, LAST, 25, lake=tmp_path, fetch="never", reset="1d")


def test_a_symbol_that_began_in_the_middle_of_a_month(venue: LocalVenue, trades: pl.DataFrame, tmp_path: Path) -> None:
    """Before its first trade nothing is missing, unless it is asked for."""
    begin, until = midnight(FIRST + DAY), midnight(FIRST + 3 * DAY)
    bars = rb.get_range_bars("BTCUSDT", begin, until, 25, lake=tmp_path, base=venue.base)
    assert_frame_equal(bars, wanted(trades, begin, until, threshold_dbps=25, reset="1mo"))
    with pytest.raises(rb.MissingTradesError, match=r"with reset='1mo', bars need trades from 2024-01-01 on"):
        rb.get_range_bars("BTCUSDT", begin, until, 25, lake=tmp_path, fetch="never")


def test_a_hole_between_ids_is_an_error(trades: pl.DataFrame, tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path)
    lake.add(trades.filter(~pl.col("agg_trade_id").is_between(1_450, 1_459)), venue="binance-spot")
    with pytest.raises(rb.MissingTradesError, match="10 ids from 1450 on 2024-01-28"):
        rb.get_range_bars("BTCUSDT", FIRST, LAST, 25, lake=lake, fetch="never", reset="1d")
    with pytest.warns(rb.RangeBarWarning, match="10 ids from 1450"):
        bars = rb.get_range_bars("BTCUSDT", FIRST, LAST, 25, lake=lake, fetch="never", reset="1d", on_missing="warn")
    assert bars.height


@given(n=st.integers(1, 200), minutes=st.integers(1, DAYS * 24 * 60), reset=st.sampled_from(["1d", "1w", "1mo"]))
@settings(deadline=None)
def test_the_last_n_bars(
    n: int, minutes: int, reset: str, venue: LocalVenue, trades: pl.DataFrame, lake_of_all: rb.Lake
) -> None:
    until = midnight(FIRST) + dt.timedelta(minutes=minutes)
    all_bars = wanted(trades, midnight(FIRST), until, threshold_dbps=25, reset=reset)
    options: dict[str, Any] = {"before": until, "lake": lake_of_all, "base": venue.base, "reset": reset}
    if n <= all_bars.height:
        assert_frame_equal(rb.get_n_range_bars("BTCUSDT", n, 25, **options), all_bars.tail(n))
    else:
        with pytest.raises(rb.NotEnoughBarsError) as error:
            rb.get_n_range_bars("BTCUSDT", n, 25, **options)
        assert error.value.found == all_bars.height
        assert pickle.loads(pickle.dumps(error.value)).found == all_bars.height


@pytest.fixture(scope="module")
def lake_of_all(venue: LocalVenue) -> Iterator[rb.Lake]:
    with TemporaryDirectory() as name:
        lake = rb.Lake(name)
        lake.fetch("BTCUSDT", FIRST, LAST, base=venue.base)
        yield lake


def test_the_last_n_bars_fetch_no_more_than_they_need(venue: LocalVenue, tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path)
    bars = rb.get_n_range_bars("BTCUSDT", 3, 25, before=LAST, lake=lake, base=venue.base, reset="1d")
    assert bars.height == 3
    assert lake.status()["days"].item() == 1
    with pytest.raises(rb.NotEnoughBarsError, match="as far as 2d back"):
        rb.get_n_range_bars(
            "BTCUSDT", 10_000, 25, before=LAST, max_lookback="2d", lake=lake, base=venue.base, reset="1d"
        )
    assert lake.status()["days"].item() == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda **o: rb.get_range_bars("BTCUSDT", None, LAST, **o), "name both ends"),
        (lambda **o: rb.get_range_bars("BTCUSDT", LAST, FIRST, **o), "`end` must not be before `start`"),
        (lambda **o: rb.get_range_bars("BTCUSDT", midnight(LAST), midnight(LAST), **o), "nothing lies between"),
        (lambda **o: rb.get_range_bars("BTCUSDT", LAST, LAST - DAY, **o), "`end` must not be before `start`"),
        (lambda **o: rb.get_range_bars("BTCUSDT", FIRST, dt.date.max, **o), "no venue has trades of 9999-12-31"),
        (lambda **o: rb.get_range_bars("BTCUSDT", dt.date.min, LAST, **o), "no venue has trades of 0001-01-01"),
        (lambda **o: rb.get_n_range_bars("BTCUSDT", 1, before="1960-01-01", **o), "no venue has trades of 1960-01-01"),
        (lambda **o: rb.get_n_range_bars("BTCUSDT", 1, before="now", **o), "`before` must be a date"),
        (lambda **o: rb.get_range_bars("", FIRST, LAST, **o), "a symbol needs a name"),
        (lambda **o: rb.get_range_bars("BTCUSDT", FIRST, LAST, **o | {"fetch": "yes"}), '`fetch` must be "missing"'),
        (lambda **o: rb.get_range_bars("BTCUSDT", FIRST, LAST, venue="nyse", **o), "`venue` must be one"),
        (lambda **o: rb.get_n_range_bars("BTCUSDT", 0, **o), "`n` must be a number of bars"),
        (lambda **o: rb.get_n_range_bars("BTCUSDT", 1, reset=None, **o), "needs a `reset`"),
        (lambda **o: rb.get_n_range_bars("BTCUSDT", 1, max_lookback="old", **o), "`max_lookback` must be a duration"),
    ],
)
def test_wrong_parameters(call: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match=message):
        call(lake=tmp_path)


def test_an_unknown_parameter_is_named(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {"treshold": 1, "lake": tmp_path}
    with pytest.raises(TypeError, match="no parameter `treshold`"):
        rb.get_range_bars("BTCUSDT", FIRST, LAST, **wrong)
    wrong = {"by": "symbol", "lake": tmp_path}
    with pytest.raises(TypeError, match="no parameter `by`"):
        rb.get_n_range_bars("BTCUSDT", 1, **wrong)


def test_names_of_the_old_package_are_told(tmp_path: Path) -> None:
    for name, here in {
        "threshold_decimal_bps": "`threshold_dbps`, with the same number",
        "fetch_if_missing": '`fetch="never"` for False',
        "cache_dir": "`lake`, the folder that keeps trades",
    }.items():
        with pytest.raises(TypeError) as error:
            rb.get_range_bars("BTCUSDT", FIRST, LAST, lake=tmp_path, **{name: 1})  # type: ignore[call-overload]
        assert str(error.value).startswith(f"get_range_bars() has no parameter `{name}`: here it is {here}; ")
    # Before what Python says of the two that are not given.
    with pytest.raises(TypeError, match=r"get_range_bars\(\) has no parameter `start_date`: here it is `start`; "):
        rb.get_range_bars("BTCUSDT", start_date=FIRST, end_date=LAST)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"get_n_range_bars\(\) has no parameter `n_bars`: here it is `n`; "):
        rb.get_n_range_bars("BTCUSDT", n_bars=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"did you mean `include_orphans`\?"):
        rb.get_range_bars("BTCUSDT", FIRST, LAST, include_orphan=True)  # type: ignore[call-overload]
    page = (ROOT / "docs/coming_from.md").read_text(encoding="utf-8")
    assert [name for name in IN_ONE_LINE if not re.search(rf"\b{name}\b", page)] == []


def test_the_default_lake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RANGEBAR_LAKE", str(tmp_path / "mine"))
    assert _one_line.default_lake() == tmp_path / "mine"
    monkeypatch.delenv("RANGEBAR_LAKE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _one_line.default_lake().is_relative_to(tmp_path)
