"""Contract layer: `status`, `gaps`, `verify` and `repair` say what a lake says, and alter only what they say."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests._cli import WIDTHS, shell
from tests._lakes import VENUE, files_of

TRADES = "trades/venue=binance-spot/symbol=BTCUSDT/date=2024-01-29/trades.parquet"


def holed(lake: rb.Lake, trades: pl.DataFrame) -> rb.Lake:
    """Another lake, without a day and without some trades of another, whose bars are not built."""
    other = rb.Lake(lake.path.parent / "holed")
    day, number = pl.col("timestamp").dt.date(), pl.col("agg_trade_id")
    kept = trades.filter(day != dt.date(2024, 1, 30), ~number.is_between(100, 119))
    other.add(kept, venue=VENUE)
    other.series("base", threshold_dbps=[250, 1_000])
    return other


def words_of(out: str) -> list[str]:
    """Lines of tables without their spaces and rules."""
    lines = (" ".join(line.split()) for line in out.splitlines())
    return [line for line in lines if line.strip("─")]


def test_a_lake_that_is_up_to_date_needs_nothing(lake: rb.Lake) -> None:
    before = files_of(lake.path)
    for command in ("status", "gaps", "verify"):
        said = shell(command, "--quiet")
        assert (said.code, said.out, said.err) == (0, "", "")
    assert shell("gaps").out == "nothing is missing\n"
    assert shell("verify", "--deep").out == "all files are as a lake writes them\n"
    assert files_of(lake.path) == before


def test_status_as_a_document_is_the_frame(lake: rb.Lake) -> None:
    document = shell("status", "--json").document
    assert list(document) == ["lake", "status", "next"]
    assert document["lake"] == str(lake.path)
    assert document["next"] == []
    days = [pl.col("first_day", "last_day").cast(pl.String)]
    assert document["status"] == lake.status().with_columns(days).to_dicts()
    assert document["status"][0]["first_day"] == "2024-01-27"


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.usefixtures("lake")
def test_status_as_a_table(columns: int) -> None:
    out = shell("status", "BTCUSDT", columns=columns).out
    assert "BTCUSDT  2024-01-27  2024-02-07    12             0     480            0" in out
    assert "base    BTCUSDT        2      0" in out
    assert "ETHUSDT" not in out
    assert all(len(line) <= columns for line in out.splitlines())


def test_status_says_what_to_do_next(lake: rb.Lake, trades: pl.DataFrame, here: Path) -> None:
    said = shell("status", "--lake", holed(lake, trades).path)
    assert said.code == 1
    assert said.out.splitlines()[-2:] == [
        "2 days and 120 trades are missing: rangebar-polars gaps",
        "4 periods are stale: rangebar-polars build",
    ]
    empty = rb.Lake(here / "empty")
    assert shell("status", "--lake", empty.path).out.splitlines()[-1] == (
        "there are no trades yet: rangebar-polars fetch BTCUSDT 2024-01-01 2024-01-31"
    )
    empty.add(trades, venue=VENUE)
    assert shell("status", "--lake", empty.path).out.splitlines()[-1] == (
        "no series of bars is defined: rangebar-polars build --threshold-dbps 250"
    )


@pytest.mark.parametrize("columns", WIDTHS)
def test_gaps_of_each_kind_have_a_table(lake: rb.Lake, trades: pl.DataFrame, columns: int) -> None:
    said = shell("gaps", "BTCUSDT", "--lake", holed(lake, trades).path, columns=columns)
    assert said.code == 1
    assert words_of(said.out) == [
        "Missing days",
        "Symbol From To Days",
        "BTCUSDT 2024-01-30 2024-01-30 1",
        "Missing trades",
        "Symbol From To First id Last id Count",
        "BTCUSDT 2024-01-29 2024-01-29 100 119 20",
        "BTCUSDT 2024-01-29 2024-01-31 128 167 40",
        "Stale bars",
        "Series Symbol From To",
        "base BTCUSDT 2024-01-27 2024-01-31",
        "base BTCUSDT 2024-02-01 2024-02-07",
        "to fetch what is missing: rangebar-polars repair --sources archive rest",
        "to bring the bars up to date: rangebar-polars build",
    ]
    assert all(len(line) <= columns for line in said.out.splitlines())


def test_gaps_as_a_document(lake: rb.Lake, trades: pl.DataFrame) -> None:
    other = holed(lake, trades)
    document = shell("gaps", "--lake", other.path, "--json").document
    assert len(document["gaps"]) == other.gaps().height == 10
    assert document["gaps"][0] == {
        "venue": VENUE,
        "symbol": "BTCUSDT",
        "kind": "day",
        "first_id": None,
        "last_id": None,
        "count": 1,
        "from": "2024-01-30",
        "to": "2024-01-30",
        "series": None,
        "fixable_by": "archive or rest",
        "from_time": None,
        "to_time": None,
        "known": None,
    }


PAUSE = """format = 1
[facts.pause-of-the-test]
kind = "pause"
venue = "binance-spot"
symbols = "*"
first = 2024-01-30
last = 2024-01-30
text = "The venue stood still."
source = "https://example.org"
noted = 2024-02-01
"""


def test_a_gap_that_is_known_is_shown_and_is_no_finding(lake: rb.Lake, trades: pl.DataFrame) -> None:
    other = rb.Lake(lake.path.parent / "other")
    kept = trades.filter(pl.col("symbol") == "BTCUSDT", pl.col("timestamp").dt.date() != dt.date(2024, 1, 30))
    other.add(kept.drop("agg_trade_id", "first_trade_id", "last_trade_id"), venue=VENUE)
    other.series("base", threshold_dbps=250)
    other.build("base")
    words = ("--lake", other.path)
    assert [shell(command, *words).code for command in ("gaps", "status", "repair")] == [1, 1, 1]
    (other.path / "symbols.toml").write_text(PAUSE, encoding="utf-8")
    assert [shell(command, *words).code for command in ("gaps", "status", "repair")] == [0, 0, 0]
    shown = words_of(shell("gaps", *words).out)
    assert shown[:2] == ["Missing days", "Symbol From To Days Remark"]
    assert " ".join(shown[2:]).startswith("BTCUSDT 2024-01-30 2024-01-30 1 The venue stood still.")
    assert shell("gaps", *words, "--json").document["gaps"][0]["known"].startswith("The venue stood still.")


def test_silences_are_told_if_they_are_asked_for(lake: rb.Lake, trades: pl.DataFrame) -> None:
    other = rb.Lake(lake.path.parent / "other")
    hour = pl.col("timestamp").dt.truncate("6h") == dt.datetime(2024, 1, 29, 6, tzinfo=dt.UTC)
    kept = trades.filter(symbol="BTCUSDT").filter(~hour)
    other.add(kept.with_columns(pl.int_range(pl.len()).alias("agg_trade_id")), venue=VENUE)
    assert shell("gaps", "--lake", other.path).out == "nothing is missing\n"
    said = shell("gaps", "--silence", "2h", "--lake", other.path)
    assert said.code == 0
    assert words_of(said.out) == [
        "Silences",
        "Symbol From To Remark",
        "BTCUSDT 2024-01-29 05:24:00 2024-01-29 12:00:00 nothing lost: ids go on",
    ]


def test_of_many_rows_the_first_are_shown(lake: rb.Lake, trades: pl.DataFrame) -> None:
    other = rb.Lake(lake.path.parent / "sieve")
    other.add(trades.filter(pl.col("agg_trade_id") % 2 == 1), venue=VENUE)
    out = shell("gaps", "--lake", other.path).out
    assert "and 438 rows more: `--json` has all of them" in " ".join(out.split())
    assert len(out.splitlines()) < 60


def test_verify_names_files_below_the_lake(lake: rb.Lake) -> None:
    (lake.path / TRADES).write_bytes(b"PAR1 and nothing else")
    (lake.path / "trades" / "notes.txt").write_text("mine")
    said = shell("verify")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0] == "trades/notes.txt"
    assert lines[1] == "  no file of a lake"
    assert lines[2] == TRADES
    assert lines[3].startswith("  ")
    document = shell("verify", "--json").document
    assert [Path(row["file"]).name for row in document["faults"]] == ["notes.txt", "trades.parquet"]


def test_verify_deep_sees_what_footers_do_not(lake: rb.Lake) -> None:
    file = lake.path / TRADES
    footer = pl.read_parquet_metadata(file)
    pl.read_parquet(file).with_columns(pl.col("quantity") * 2).write_parquet(file, metadata=footer)
    assert shell("verify").code == 0
    said = shell("verify", "--deep", "--json")
    assert said.code == 1
    assert said.document["deep"] is True


def test_repair_builds_what_is_stale_and_a_dry_run_does_not(lake: rb.Lake, trades: pl.DataFrame) -> None:
    other = holed(lake, trades)
    before = files_of(other.path)
    dry = shell("repair", "--lake", other.path, "--dry-run", "--json")
    assert (dry.code, len(dry.document["remains"])) == (1, 10)
    assert files_of(other.path) == before
    said = shell("repair", "--lake", other.path, "--json")
    assert said.code == 1
    assert {row["kind"] for row in said.document["remains"]} == {"day", "ids"}
    assert shell("repair", "--quiet").code == 0
