"""Times as files write them: numbers of every unit, texts, and local midnights, all in one clock."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._reader_layouts import START

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS: dict[str, Any] = {"timestamp": 0, "price": 1, "quantity": 2}
TEXTS = rb.Preset(name="texts", columns=COLUMNS, clock="text")
NEW_YORK = ZoneInfo("America/New_York")


def times(folder: Path, texts: list[str], name: str = "ours.csv", **options: Any) -> list[int]:
    """The times of a file, as numbers."""
    file = folder / name
    file.write_text("".join(f"{text},1,1\n" for text in texts))
    options = options if "preset" in options else {"columns": COLUMNS, **options}
    return rb.scan_trades(file, **options).collect()["timestamp"].to_physical().to_list()


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1704067200", 0),
        ("1704067200.5", 500_000),
        ("1704067200.123456000", 123_456),
        ("1704067200123", 123_000),
        ("1704067200123456", 123_456),
        ("1704067200123456000", 123_456),
        ("987654321", (987_654_321 - START) * 10**6),
        ("987654321012", (987_654_321 - START) * 10**6 + 12_000),
    ],
)
def test_the_digits_tell_the_unit(text: str, microseconds: int, tmp_path: Path) -> None:
    assert times(tmp_path, [text]) == [START * 10**6 + microseconds]


@given(nanoseconds=st.integers(10**17, 7 * 10**18))
@ONE_FILE
def test_nanoseconds_are_whole(nanoseconds: int, tmp_path: Path) -> None:
    assert times(tmp_path, [str(nanoseconds)], time_unit="ns") == [nanoseconds]
    seconds = f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09}"
    assert times(tmp_path, [seconds], time_unit="ns") == [nanoseconds]
    assert times(tmp_path, [seconds], "XBTUSD.csv", preset=rb.Preset.named("kraken"), time_unit="ns") == [nanoseconds]
    if nanoseconds % 1000:
        for text in (str(nanoseconds), seconds):
            with pytest.raises(
                rb.RangeBarError, match=r'line 1: .* more digits than microseconds hold: give `time_unit="ns'
            ):
                times(tmp_path, [text], on_bad_rows="drop")


@pytest.mark.parametrize("options", [{}, {"time_unit": "ns"}])
def test_a_time_that_nanoseconds_do_not_hold_is_a_digit_too_many(options: dict[str, Any], tmp_path: Path) -> None:
    preset = rb.Preset(name="ours", columns=COLUMNS, time_unit="ms")
    for text in ("17040672000000", "9223372036000"):
        with pytest.raises(rb.RangeBarError, match="line 1: the row cannot be read"):
            times(tmp_path, [text], preset=preset, **options)
    per = 10**6 if options else 10**3
    assert times(tmp_path, ["9223372035999"], preset=preset, **options) == [9_223_372_035_999 * per]


def test_files_of_several_units_come_out_in_one_clock(tmp_path: Path) -> None:
    for n, zeros in enumerate(("", "000", "000000", "000000000")):
        (tmp_path / f"{n}.csv").write_text(f"{START + n}{zeros},1,1\n")
    report = rb.ReadReport()
    frame = rb.scan_trades(tmp_path, columns=COLUMNS, report=report).collect()
    assert frame["timestamp"].to_physical().to_list() == [(START + n) * 10**6 for n in range(4)]
    assert report.files()["time_unit"].to_list() == ["s", "ms", "us", "ns"]


@pytest.mark.parametrize("policy", ["raise", "drop", lambda _: "drop"])
def test_two_units_in_one_file_are_an_error_whatever_one_says(policy: Any, tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError) as error:
        times(tmp_path, [f"{START}000", f"{START + 1}000000"], on_bad_rows=policy)
    assert str(error.value).split("ours.csv, ")[1] == (
        "line 2: the time is in another unit (1704067201000000 is in 'us', the times before it are in 'ms'), got "
        "'1704067201000000,1,1'; units cannot be told apart row by row; split the file where the unit changes"
    )


def test_a_unit_that_the_digits_contradict(tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match="1704067200000, which is in 'ms' by its digits, not in 'us'"):
        times(tmp_path, [f"{START}000"], time_unit="us")
    with pytest.raises(rb.RangeBarError, match="whose digits tell no unit: they are 10 for seconds, 13 for ms"):
        times(tmp_path, ["12345"])
    with pytest.raises(rb.RangeBarError, match="has times since 1970, which are in UTC everywhere: leave `time_zone`"):
        times(tmp_path, [f"{START}000"], time_zone="America/New_York")


# ----------------------------------------------------------------------------------------- texts


@given(
    moment=st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2199, 12, 31, 23)),  # noqa: DTZ001  (given a zone below)
    digits=st.integers(0, 6),
    between=st.sampled_from(["T", " "]),
    end=st.sampled_from(["", "Z"]),
)
@ONE_FILE
def test_iso_texts(moment: dt.datetime, digits: int, between: str, end: str, tmp_path: Path) -> None:
    fraction = f".{moment.microsecond:06}"[: digits + 1] if digits else ""
    text = f"{moment:%H:%M:%S}{fraction}{end}"
    whole = moment.replace(microsecond=int(fraction[1:].ljust(6, "0") or 0), tzinfo=dt.UTC)
    expected = (whole - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    assert times(tmp_path, [f"{moment.date().isoformat()}{between}{text}"], preset=TEXTS) == [expected]


@pytest.mark.parametrize("digits", range(10))
def test_decimals_of_a_text(digits: int, tmp_path: Path) -> None:
    text = "2024-01-01T00:00:00" + ("." + "123456789"[:digits] if digits else "")
    expected = START * 10**9 + int("123456789"[:digits].ljust(9, "0"))
    assert times(tmp_path, [text], preset=TEXTS, time_unit="ns") == [expected]
    if digits > 6:
        with pytest.raises(rb.RangeBarError, match='has more digits than microseconds hold: give `time_unit="ns"`'):
            times(tmp_path, [text], preset=TEXTS)
    else:
        assert times(tmp_path, [text], preset=TEXTS) == [expected // 1000]


@pytest.mark.parametrize(
    "text",
    [
        *("2024-01-01 00:00:00+02:00", "2024-01-01T00:00:00+00:00", "2024-01-01 00:00:00-0500", "2024-01-01"),
        *("2024-01-01 00:00:00.1234567891", "2024-01-01 00:00:60", "2024-1-1 0:0:0", "2024-02-30 00:00:00"),
        *("1600-01-01 00:00:00", "2262-12-01 00:00:00", "-2024-01-01 00:00:00", "+2024-01-01 00:00:00", ""),
        *("2024-01-01 24:00:00", "2024-01-01  00:00:00", "2024-01-0100:00:00", "2024-01-01 00:00:00.", "1704067200"),
    ],
)
def test_texts_that_polars_would_read_otherwise(text: str, tmp_path: Path) -> None:
    """An offset would be read as UTC, a year before 1678 as one five centuries later, the tenth decimal be left out."""
    with pytest.raises(rb.RangeBarError, match="line 1: the row cannot be read"):
        times(tmp_path, [text], preset=TEXTS)


def test_a_text_that_ends_with_z_is_in_utc_in_every_zone(tmp_path: Path) -> None:
    local = START + 5 * 3600
    assert times(tmp_path, ["2024-01-01 05:00:00Z"], preset=TEXTS, time_zone="America/New_York") == [local * 10**6]
    assert times(tmp_path, ["2024-01-01 00:00:00"], preset=TEXTS, time_zone="America/New_York") == [local * 10**6]


def test_texts_have_no_unit(tmp_path: Path) -> None:
    (tmp_path / "ours.csv").write_text("2024-01-01 05:00:00,1,1\n")
    with pytest.raises(rb.RangeBarError, match="`texts` has times as texts, which have no unit: leave `time_unit` out"):
        rb.scan_trades(tmp_path / "ours.csv", preset=TEXTS, time_unit="ms")


@pytest.mark.parametrize("text", ["02.01.1600 00:00:00", "02.01.2024 00:00:00.1234567891", "2024-01-02 00:00:00"])
def test_a_format_of_ones_own_is_as_strict(text: str, tmp_path: Path) -> None:
    preset = TEXTS.but(time_format="%d.%m.%Y %H:%M:%S%.f")
    assert times(tmp_path, ["01.01.2024 00:00:00.5"], preset=preset) == [START * 10**6 + 500_000]
    with pytest.raises(rb.RangeBarError, match="line 1: the row cannot be read"):
        times(tmp_path, [text], preset=preset)


# ----------------------------------------------------------------------------------------- midnight


@pytest.mark.parametrize("day", ["20240310", "20241103", "20240701"])
@given(milliseconds=st.integers(0, 2 * 86_400_000 - 1))
@ONE_FILE
def test_a_clock_since_midnight_is_what_clocks_show(day: str, milliseconds: int, tmp_path: Path) -> None:
    """On the days when clocks change, too: of an hour that is there twice, the first; one that is not, an error."""
    local = dt.datetime.strptime(day, "%Y%m%d") + dt.timedelta(milliseconds=milliseconds)  # noqa: DTZ007
    utc = local.replace(tzinfo=NEW_YORK, fold=0).astimezone(dt.UTC)
    name = f"{day}_spy_tick_trade.csv"
    preset = rb.Preset.named("lean equity")
    file = tmp_path / name
    file.write_text(f"{milliseconds},1674100,1,P,0,0\n")
    scan = rb.scan_trades(file, preset=preset)
    if utc.astimezone(NEW_YORK).replace(tzinfo=None) != local:
        with pytest.raises(rb.RangeBarError, match="line 1: the row cannot be read"):
            scan.collect()
        return
    assert scan.collect()["timestamp"].to_list() == [utc]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("spy.csv", "tells no date for its midnight: name it as the vendor does"),
        ("20241301_spy_tick_trade.csv", "has the date '20241301', which there is not: rename it"),
    ],
)
def test_a_name_without_a_date(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("1,1,1\n")
    with pytest.raises(rb.RangeBarError, match=message):
        rb.scan_trades(tmp_path / name, preset="lean equity", symbol="SPY").collect()


def test_the_clock_of_the_result(tmp_path: Path) -> None:
    (tmp_path / "ours.csv").write_text(f"{START}000,1,1\n")
    scan = rb.scan_trades(tmp_path / "ours.csv", columns=COLUMNS)
    assert scan.collect_schema()["timestamp"] == scan.collect().schema["timestamp"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize("number", [-1, 172_800_000, 10**15, 2**63 // 1000, 2**63 - 1])
def test_a_number_that_is_no_time_of_day_is_a_bad_row(number: int, tmp_path: Path) -> None:
    """Far beyond the years of a calendar, Polars panics."""
    file = tmp_path / "20131007_spy_trade.csv"
    file.write_text(f"28800000,1674100,100,P,0,0\n{number},1674100,100,P,0,0\n")
    report = rb.ReadReport()
    trades = rb.scan_trades(file, preset="lean equity", on_bad_rows="drop", report=report).collect()
    assert (trades.height, report.total) == (1, 1)
