"""Contract layer: what a venue offers is what its folder holds, and what is known is said beside it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import rangebar_polars as rb
from rangebar_polars._fetch import http
from tests._faulty_venue import LISTING, FaultyVenue, status, write_days


def folder_of(folder: Path) -> Path:
    """Five days of one symbol, of which one is absent, and one day of another."""
    folder.mkdir()
    files = write_days(folder, "BTCUSDT", start=dt.date(2024, 1, 1), days=5, rows=10)
    files[2].unlink()
    write_days(folder, "ETHUSDT", start=dt.date(2024, 2, 1), days=1, rows=10)
    return folder


def test_each_symbol_with_its_days(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path / "lake")
    with FaultyVenue(folder_of(tmp_path / "days"), page_size=3) as venue:
        found = lake.symbols(base=venue.base)
        some = lake.symbols(symbols=["NOSUCH", "ETHUSDT"], base=venue.base)
    assert found.drop("known").rows() == [
        ("binance-spot", "BTCUSDT", dt.date(2024, 1, 1), dt.date(2024, 1, 5), 1),
        ("binance-spot", "ETHUSDT", dt.date(2024, 2, 1), dt.date(2024, 2, 1), 0),
    ]
    assert some.drop("known").rows() == [
        ("binance-spot", "ETHUSDT", dt.date(2024, 2, 1), dt.date(2024, 2, 1), 0),
        ("binance-spot", "NOSUCH", None, None, None),
    ]
    assert found.schema == some.schema


def test_what_is_known_is_said(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path / "lake")
    fact = """format = 1
[facts.of-the-test]
venue = "binance-spot"
symbols = ["ETHUSDT"]
kind = "pause"
first = 2024-02-02
last = 2024-02-02
text = "Nobody could trade."
source = "https://example.org"
noted = 2024-03-01
"""
    (lake.path / "symbols.toml").write_text(fact, encoding="utf-8")
    with FaultyVenue(folder_of(tmp_path / "days")) as venue:
        known = dict(lake.symbols(base=venue.base).select("symbol", "known").iter_rows())
    assert known["ETHUSDT"].endswith("Nobody could trade. (https://example.org)")
    assert "Nobody could trade" not in known["BTCUSDT"]
    told = lake.known_facts("BTCUSDT", venue="binance-spot")["text"].to_list()
    assert told
    assert all(text in known["BTCUSDT"] for text in told)


def test_a_venue_that_does_not_answer_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE", http.Patience(attempts=2, first_wait=0.001, longest_wait=0.002))
    lake = rb.Lake(tmp_path / "lake")
    with FaultyVenue(folder_of(tmp_path / "days")) as venue:
        venue.fails(LISTING, status(503), times=None)
        with pytest.raises(rb.RangeBarError, match="503"):
            lake.symbols(base=venue.base)
        venue.heals()
        venue.fails(r"BTCUSDT", status(503), times=None)
        with pytest.raises(rb.RangeBarError, match="503"):
            lake.symbols(base=venue.base)


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"venue": "exness"}, "exness does not list its archives"),
        ({"venue": "nowhere"}, "`venue` must be one that can be fetched from"),
        ({"kind": "klines"}, "`kind` must be"),
        ({"symbols": [""]}, "a symbol needs a name"),
    ],
)
def test_what_cannot_be_listed(tmp_path: Path, named: dict[str, object], told: str) -> None:
    with pytest.raises(rb.RangeBarError, match=told):
        rb.Lake(tmp_path / "lake").symbols(**named)
