"""Contract layer: what cannot be meant is refused before a venue is asked, and says what may be given."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

import rangebar_polars as rb

NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accept": ["a.zip"]}, r"`accept` must have a SHA-256 for the name of each archive, such as \{name: digest\}"),
        ({"accept": {"a.zip": 5}}, "`accept` must have the 64 digits of a SHA-256 for 'a.zip', got 5"),
        ({"keep_archives": 5}, "`keep_archives` must name a folder, got 5"),
        ({"symbols": "BTC\0USDT"}, "a symbol needs a name that a folder can have"),
        ({"start": pd.NaT}, "`start` must be a date or a time, got NaT"),
        ({"start": "2024-01-02"}, "`end` must not be before `start`, got '2024-01-02' and '2024-01-01': swap them"),
        ({"end": "9999-12-31"}, "no venue has trades of 9999-12-31: name days in the years 1970 to 2261"),
        ({"start": "1969-12-31"}, "no venue has trades of 1969-12-31"),
        (
            {"end": dt.datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))},
            "`end` must lie in the years 1 to 9999 in UTC",
        ),
    ],
)
def test_what_cannot_be_meant(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"symbols": "BTCUSDT", "start": "2024-01-01", "end": "2024-01-01", "base": NOBODY}
    with pytest.raises(rb.RangeBarError, match=message):
        rb.Lake(tmp_path).fetch(**given | options)


@pytest.mark.parametrize(
    "base",
    ["http://", "ftp://a", "http://a b", "http://127.0.0.1:99999", "http://[::1", "http://a/?b", "http://a#b", 5, ""],
)
def test_an_address_that_is_none_is_not_asked(base: Any, tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match="`base` must be an address such as http://localhost:8000"):
        rb.Lake(tmp_path).fetch("BTCUSDT", "2024-01-01", "2024-01-01", base=base)


def test_the_first_and_the_last_days_that_there_may_be(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path)
    report = lake.fetch([], "1970-01-01", "2261-12-31", base=NOBODY)
    assert (report.added, report.missing) == ([], [])


def test_a_day_and_a_time_of_it(tmp_path: Path) -> None:
    """A day as the end is that whole day, also behind a time of it."""
    lake = rb.Lake(tmp_path)
    trades = rb.datasets.sample_trades(1_000, symbols=["BTCUSDT"], start=dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    lake.add(trades, venue="binance-spot")
    assert lake.trades("BTCUSDT", "2024-01-01T00:00", "2024-01-01").collect().height == trades.height
    assert lake.trades("BTCUSDT", "2024-01-01T23:59", "2024-01-01").collect().is_empty()
    with pytest.raises(rb.RangeBarError, match="swap them"):
        lake.trades("BTCUSDT", "2024-01-02", "2024-01-01")
