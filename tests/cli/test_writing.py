"""Contract layer: `add` and `build` do what the methods of a lake do, and say what they did."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests._cli import shell
from tests._lakes import VENUE, files_of


@pytest.fixture
def zips(here: Path) -> Path:
    rb.datasets.write_sample_archives(here / "zips", rows=4_000)
    return here / "zips"


def csv_of(folder: Path, text: str, name: str = "XBTUSD.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_add_reads_what_binance_publishes(zips: Path, here: Path) -> None:
    said = shell("add", zips, "--venue", VENUE)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "4,000 trades: 2 days new",
        "2 files read, 4,000 rows, 0 left out",
        "to bring the bars up to date: rangebar-polars build --threshold-dbps 250",
    ]
    direct = rb.Lake(here / "direct")
    direct.add(rb.scan_binance(zips), venue=VENUE)
    assert files_of(here / "lake") == files_of(direct.path)
    assert shell("add", zips, "--venue", VENUE).out.splitlines()[0] == "4,000 trades: 2 days unchanged"


def test_add_as_a_document(zips: Path) -> None:
    document = shell("add", zips, "--venue", VENUE, "--json").document
    assert document["new"] == [
        {"venue": VENUE, "symbol": symbol, "date": "2024-01-01"} for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    assert (document["trades"], document["merged"], document["dry_run"]) == (4_000, [], False)
    assert document["read"]["files"] == 2
    assert document["read"]["faults"] == []


def test_a_dry_run_of_add_reads_all_and_makes_nothing(zips: Path, here: Path) -> None:
    said = shell("add", zips, "--venue", VENUE, "--dry-run", "--json")
    assert said.code == 0
    assert said.document["days"] == [
        {"symbol": symbol, "date": "2024-01-01", "trades": 2_000} for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    assert not (here / "lake").exists()
    assert "BTCUSDT  2024-01-01  2024-01-01     1   2,000" in shell("add", zips, "--venue", VENUE, "--dry-run").out


def test_files_of_other_vendors_by_preset_and_by_columns(here: Path) -> None:
    csv_of(here, "1704067200,42283.5,0.01\n1704067201,42284.0,0.5\n")
    assert shell("add", "XBTUSD.csv", "--venue", "kraken", "--preset", "kraken").code == 0
    csv_of(here, "when,px,n\n1704067200000,42283.5,1\n", "ours.csv")
    columns = ["--columns", "timestamp=when", "price=px", "quantity=2"]
    assert shell("add", "ours.csv", "--venue", "ours", "--symbol", "X", *columns).code == 0
    lake = rb.Lake(here / "lake")
    assert lake.status().select("venue", "symbol", "trades").rows() == [("kraken", "XBTUSD", 2), ("ours", "X", 1)]


def test_rows_that_were_left_out_are_shown(here: Path) -> None:
    csv_of(here, "1704067200,42283.5,0.01\n1704067201,-1,0.5\n")
    words = ["add", "XBTUSD.csv", "--venue", "kraken", "--preset", "kraken"]
    said = shell(*words)
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("error: ")
    assert "`--on-bad-rows drop`" in said.err
    said = shell(*words, "--on-bad-rows", "drop")
    assert said.code == 0
    assert "1 file read, 2 rows, 1 left out" in said.out
    assert "non_positive  dropped     1     2  1704067201,-1,0.5" in said.out
    faults = shell(*words, "--on-bad-rows", "drop", "--json").document["read"]["faults"]
    assert [(row["reason"], row["count"], row["first_line"]) for row in faults] == [("non_positive", 1, 2)]


def test_what_contradicts_the_lake_is_replaced_only_if_it_is_asked_for(lake: rb.Lake, here: Path) -> None:
    row = lake.trades("BTCUSDT").head(1).collect()
    time, number = int(row["timestamp"].dt.epoch("ms")[0]), row["agg_trade_id"][0]
    csv_of(here, f"{number},999,1,{number * 3},{number * 3 + 1},{time},True,True\n", "BTCUSDT-aggTrades-2024-01-27.csv")
    words = ["add", "BTCUSDT-aggTrades-2024-01-27.csv", "--venue", VENUE]
    said = shell(*words)
    assert said.code == 3
    assert "`--on-conflict replace`" in said.err
    assert shell(*words, "--on-conflict", "replace").out.splitlines()[0] == "1 trade: 1 day replaced"


def test_build_defines_a_series_and_builds_it(lake: rb.Lake) -> None:
    said = shell("build", "--series", "fast", "--threshold-dbps", 500, "750", "--reset", "1d", "--features", "ofi")
    assert said.code == 0
    assert said.out.startswith("fast: 24 periods built, 0 up to date; 960 trades in ")
    options = {"reset": "1d", "features": ["ofi"]}
    assert lake.series("fast", threshold_dbps=[500, 750], **options) == lake.series("fast")
    assert shell("build", "--series", "whole", "--threshold-dbps", 500, "--reset", "none").code == 0
    assert lake.series("whole").request.reset is None


@pytest.mark.parametrize(
    ("text", "reset"),
    [
        ("daily 18:00 America/New_York", rb.Daily(at="18:00", zone="America/New_York")),
        ("daily 18:00 America/New_York start", rb.Daily(at="18:00", zone="America/New_York", named_by="start")),
        ("weekly sunday 17:00 America/New_York", rb.Weekly(on="sunday", at="17:00", zone="America/New_York")),
        ("weekly sunday 17:00 UTC end", rb.Weekly(on="sunday", at="17:00", zone="UTC", named_by="end")),
    ],
)
def test_sessions_of_a_place(lake: rb.Lake, text: str, reset: rb.Daily | rb.Weekly) -> None:
    said = shell("build", "--series", "s", "--threshold-dbps", 500, "--reset", text, "--include-session")
    assert said.code == 0
    assert lake.series("s", threshold_dbps=[500], reset=reset, include_session=True) == lake.series("s")
    bars = lake.bars("BTCUSDT", series="s").collect()
    trades = lake.trades("BTCUSDT").collect()
    assert (
        bars["session"].to_list() == trades.rangebar.bars(500, reset=reset, include_session=True)["session"].to_list()
    )


@pytest.mark.parametrize(("text", "lookback"), [("50", 50), ("5m", "5m"), ("3bars", rb.Bars(3))])
def test_a_lookback_is_a_number_a_time_or_bars(lake: rb.Lake, text: str, lookback: object) -> None:
    assert shell("build", "--series", "w", "--threshold-dbps", 500, "--lookback", text).code == 0
    assert lake.series("w").request.parameters["lookback"] == lookback
    assert shell("build", "--series", "x", "--threshold-dbps", 500, "--lookback", "xbars").code == 2


def test_every_parameter_of_bars_reaches_the_series(lake: rb.Lake) -> None:
    words = ["--max-gap", "6h", "--max-step", "none", "--intra", "--missing-side", "null", "--price-decimals", "0"]
    shell("build", "--series", "w", "--threshold-dbps", 500, *words, "--features", "ofi", "duration_us")
    told = lake.series("w").request.parameters
    assert [told[name] for name in ("max_gap", "max_step", "intra", "missing_side", "price_decimals", "features")] == [
        "6h",
        None,
        True,
        "null",
        0,
        ["ofi", "duration_us"],
    ]


def test_build_without_a_name_builds_all_series(lake: rb.Lake, trades: pl.DataFrame) -> None:
    lake.series("fast", threshold_dbps=500, reset="1d")
    lake.build("fast")
    lake.add(trades.tail(1).with_columns(pl.col("agg_trade_id") + 1, pl.lit(10.0).alias("price")), venue=VENUE)
    dry = shell("build", "--dry-run")
    assert dry.out.splitlines() == ["base: 1 period would be built", "fast: 1 period would be built"]
    document = shell("build", "--json").document
    assert document["series"] == ["base", "fast"]
    assert document["built"] == [
        {"series": "base", "venue": VENUE, "symbol": "ETHUSDT", "period": "2024-02"},
        {"series": "fast", "venue": VENUE, "symbol": "ETHUSDT", "period": "2024-02-07"},
    ]
    assert (len(document["current"]), document["removed"], document["failed"]) == (3 + 23, [], [])
    assert document["trades"] == 281 + 41
    assert lake.gaps().is_empty()


def test_symbols_of_a_build(lake: rb.Lake) -> None:
    shell("build", "--series", "fast", "--threshold-dbps", 500, "--symbols", "BTCUSDT", "--workers", 1)
    assert set(lake.status().filter(series="fast", units=2)["symbol"]) == {"BTCUSDT"}
    assert shell("build", "ETHUSDT", "--series", "fast", "--json").document["built"][0]["symbol"] == "ETHUSDT"


@pytest.mark.usefixtures("trades")
def test_a_period_that_fails_is_told_and_the_others_are_built(lake: rb.Lake) -> None:
    (lake.path / "trades/venue=binance-spot/symbol=BTCUSDT/date=2024-01-29/trades.parquet").write_bytes(b"PAR1")
    shell("build", "--series", "fast", "--threshold-dbps", 500)
    said = shell("build", "--series", "fast", "--json")
    assert said.code == 3
    assert [(row["symbol"], row["period"]) for row in said.document["failed"]] == [("BTCUSDT", "2024-01")]
    assert "is damaged or cut off" in said.document["failed"][0]["error"]
    quiet = shell("build", "--series", "fast", "--quiet")
    assert (quiet.code, quiet.out) == (3, "")
    assert quiet.err.startswith("error: fast BTCUSDT 2024-01: ")
    shown = shell("build", "--series", "fast")
    assert shown.code == 3
    assert "1 failed" in shown.out
    assert "Periods that failed" in shown.out


def test_a_dry_run_defines_nothing(lake: rb.Lake) -> None:
    before = files_of(lake.path)
    said = shell("build", "--series", "fast", "--threshold-dbps", 500, "--dry-run")
    assert said.code == 2
    assert said.err == (
        "error: the series 'fast' is not defined yet: leave out `--dry-run`, and it is, or name one that is\n"
    )
    assert files_of(lake.path) == before


def test_day_of_the_test_data() -> None:
    """The numbers above are of twelve days."""
    assert dt.date(2024, 2, 7) - dt.date(2024, 1, 27) == dt.timedelta(days=11)
