"""Contract layer: `fetch`, `bars` and `n-bars` from a venue on this machine, with all that it may lack."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars._fetch import http
from tests._cli import shell
from tests._faulty_venue import ARCHIVE, LISTING, FaultyVenue, status, write_days
from tests._lakes import VENUE

DAY = "2024-01-01"


@pytest.fixture
def venue(archives: Path) -> Iterator[rb.datasets.LocalVenue]:
    with rb.datasets.LocalVenue(archives) as venue:
        yield venue


def test_fetch_adds_days_and_says_so(venue: rb.datasets.LocalVenue, here: Path) -> None:
    said = shell("fetch", "BTCUSDT", "ETHUSDT", DAY, DAY, "--base", venue.base)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("2 files, ")
    assert lines[1] == "2 days added, 0 unchanged"
    assert lines[-1] == "to bring the bars up to date: rangebar-polars build --threshold-dbps 250"
    again = shell("fetch", "BTCUSDT", DAY, DAY, "--base", venue.base, "--json")
    assert again.code == 0
    assert again.document["unchanged"] == [{"venue": VENUE, "symbol": "BTCUSDT", "date": DAY}]
    assert again.document["files"] == 0
    assert (here / "lake" / "lake.toml").exists()


def test_days_that_the_venue_lacks_are_a_finding(venue: rb.datasets.LocalVenue) -> None:
    said = shell("fetch", "BTCUSDT", "2023-12-31", DAY, "--base", venue.base, "--no-rest")
    assert said.code == 1
    assert "BTCUSDT  2023-12-31  2023-12-31     1  before the first archive" in said.out
    document = shell("fetch", "BTCUSDT", "2023-12-31", DAY, "--base", venue.base, "--json").document
    assert document["missing"] == [
        {"venue": VENUE, "symbol": "BTCUSDT", "date": "2023-12-31", "reason": "before the first archive"}
    ]


def test_what_fails_is_told_and_the_rest_is_fetched(venue: rb.datasets.LocalVenue) -> None:
    said = shell("fetch", "BTCUSDT", "NOSUCH", DAY, DAY, "--base", venue.base, "--json")
    assert said.code == 3
    assert [row["what"] for row in said.document["failed"]] == ["NOSUCH"]
    assert len(said.document["added"]) == 1
    shown = shell("fetch", "BTCUSDT", "NOSUCH", DAY, DAY, "--base", venue.base)
    assert shown.code == 3
    assert "What could not be fetched" in shown.out


@pytest.mark.parametrize("words", [("BTCUSDT",), (DAY,), ("BTCUSDT", DAY, DAY, DAY), (DAY, "BTCUSDT"), ("A", DAY, "B")])
def test_symbols_come_before_days(words: tuple[str, ...], here: Path) -> None:
    said = shell("fetch", *words)
    assert said.code == 2
    assert said.err.startswith("error: say SYMBOL... START [END]")
    assert not (here / "lake").exists()


def test_bars_in_one_line(venue: rb.datasets.LocalVenue, here: Path) -> None:
    words = ["bars", "BTCUSDT", DAY, DAY, "--base", venue.base]
    said = shell(*words, "--output", "bars.parquet")
    assert (said.code, said.err) == (0, "")
    direct = rb.get_range_bars("BTCUSDT", DAY, DAY, 250, lake=here / "direct", base=venue.base)
    assert direct.height > 20
    assert pl.read_parquet("bars.parquet").equals(direct)
    assert said.out == f"{direct.height} bars in bars.parquet\n"
    options = ["--threshold-dbps", 100, "--reset", "none", "--features", "ofi", "--lookback", "5m", "--fetch", "never"]
    assert shell(*words, *options, "-o", "b.arrow").code == 0
    assert pl.read_ipc("b.arrow").equals(
        rb.get_range_bars(
            "BTCUSDT", DAY, DAY, 100, lake=here / "direct", fetch="never", reset=None, features=["ofi"], lookback="5m"
        )
    )


def test_bars_of_days_that_are_missing(venue: rb.datasets.LocalVenue) -> None:
    words = ["bars", "BTCUSDT", DAY, "2024-01-03", "--base", venue.base]
    said = shell(*words, "--json")
    assert said.code == 1
    assert said.document["error"]["kind"] == "MissingTradesError"
    assert "`--on-missing warn`" in said.err
    said = shell(*words, "--on-missing", "warn", "--json")
    assert said.code == 1
    assert said.document["rows"] > 20
    assert "are missing" in said.document["warnings"][0]
    assert said.err.startswith("warning: trades of 'BTCUSDT' on binance-spot are missing")


def test_the_last_bars(venue: rb.datasets.LocalVenue, here: Path) -> None:
    words = ["n-bars", "BTCUSDT", 10, "--before", DAY, "--base", venue.base]
    said = shell(*words, "--json")
    assert said.code == 0
    assert (said.document["n"], len(said.document["bars"])) == (10, 10)
    bars = rb.get_n_range_bars("BTCUSDT", 10, before=DAY, lake=here / "lake", base=venue.base)
    assert [row["close"] for row in said.document["bars"]] == bars["close"].to_list()
    assert said.document["bars"][0]["close_time"] == bars["close_time"].dt.to_string("iso:strict")[0]
    too_many = shell("n-bars", "BTCUSDT", 100_000, "--before", DAY, "--base", venue.base, "--max-lookback", "30d")
    assert too_many.code == 1
    assert "`--max-lookback`" in too_many.err


def test_repair_fetches_what_is_missing(venue: rb.datasets.LocalVenue, here: Path) -> None:
    shell("fetch", "BTCUSDT", DAY, "2024-01-02", "--base", venue.base)
    lake = rb.Lake(here / "lake")
    lake.series("base", threshold_dbps=250)
    lake.build("base")
    whole = lake.bars(series="base").collect()
    (file,) = lake.path.glob(f"trades/**/date={DAY}/trades.parquet")
    kept = pl.read_parquet(file).with_columns(pl.lit("BTCUSDT").alias("symbol"))
    file.unlink()
    number = pl.int_range(pl.len())
    lake.add(kept.filter(~number.is_between(1_000, 1_999)), venue=VENUE)
    assert shell("repair", "--json").document["remains"][0]["count"] == 1_000
    said = shell("repair", "--sources", "archive", "rest", "--base", venue.base)
    assert (said.code, said.out, said.err) == (0, "nothing is missing\n", "")
    assert lake.bars(series="base").collect().equals(whole)


def test_the_symbols_of_a_venue(venue: rb.datasets.LocalVenue, here: Path) -> None:
    said = shell("symbols", "--base", venue.base, "--json")
    assert said.code == 0
    rows = said.document["symbols"]
    assert [(row["symbol"], row["first_day"]) for row in rows] == [("BTCUSDT", DAY), ("ETHUSDT", DAY)]
    assert not (here / "lake").exists()  # none is needed, and none is made
    rb.Lake(here / "lake")
    assert "BTCUSDT  2024-01-01  " in shell("symbols", "--base", venue.base).out


def test_what_is_tried_again_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE", http.Patience(attempts=3, first_wait=0.01, longest_wait=0.02))
    (here / "days").mkdir()
    write_days(here / "days", start=dt.date(2024, 1, 1), days=1, rows=50)
    with FaultyVenue(here / "days") as venue:
        venue.fails(ARCHIVE, status(503), times=2)
        said = shell("fetch", "BTCUSDT", DAY, DAY, "--base", venue.base)
        assert said.code == 0
        waits = [re.fullmatch(r"(.*): trying again in 0\.0 s", line) for line in said.err.splitlines()]
        assert [found and found[1] for found in waits] == ["the server answers 503 Service Unavailable"] * 2
        venue.fails(LISTING, status(503), times=None)
        quiet = shell("fetch", "BTCUSDT", DAY, DAY, "--base", venue.base, "--quiet")
        assert (quiet.code, quiet.out) == (3, "")
        assert quiet.err.startswith("error: BTCUSDT: ")
        assert "503 Service Unavailable" in quiet.err
        assert quiet.err.count("\n") == 1
