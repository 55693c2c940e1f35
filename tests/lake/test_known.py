"""Contract layer of known facts: the form of the file, what a lake's own file changes, and which gaps they explain."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars._lake.known import unsettled
from rangebar_polars._lake.layout import Layout
from rangebar_polars._readers.report import REASONS
from rangebar_polars._registry.facts import KINDS, Fact
from rangebar_polars._registry.registry import bundled
from tests._lakes import VENUE, made, utc

SOURCE = "https://example.com/archives/1"

ENTRY = f"""
[facts.{{name}}]
venue = "{VENUE}"
symbols = {{symbols}}
kind = "{{kind}}"
first = {{first}}
last = {{last}}
text = "{{text}}"
source = "{SOURCE}"
noted = 2026-11-30
{{more}}
"""


def entry(
    name: str = "ours",
    *,
    kind: str = "no_archive",
    first: str = "2024-01-29",
    last: str = "2024-01-31",
    symbols: str = '["A"]',
    text: str = "The disk was full.",
    more: str = "",
) -> str:
    """One fact as a user writes it."""
    return ENTRY.format(name=name, kind=kind, first=first, last=last, symbols=symbols, text=text, more=more)


def write(lake: rb.Lake, *entries: str) -> None:
    (lake.path / "symbols.toml").write_text("\n".join(["format = 1", *entries]))


@pytest.fixture
def lake(tmp_path: Path) -> rb.Lake:
    return rb.Lake(tmp_path / "lake")


def without(days: set[int], ids: set[int] | frozenset[int] = frozenset()) -> pl.DataFrame:
    """Twelve days from 27 January, without some days of January and some ids."""
    day = pl.col("timestamp").dt.day()
    return made().filter(~(day.is_in(days) & (pl.col("timestamp").dt.month() == 1)), ~pl.col("agg_trade_id").is_in(ids))


# ------------------------------------------------------------------------------------- what comes with the library


def test_every_bundled_fact_has_its_source() -> None:
    facts = bundled()
    assert len(facts) > 50
    assert {fact.kind for fact in facts} == set(KINDS) - {"lost"}  # which only a lake can know
    for fact in facts:
        assert re.fullmatch(r"https://[\w.-]+/\S+", fact.source), fact.name
        assert fact.noted >= dt.date(2026, 11, 30)
        assert fact.venue in ("binance-spot", "binance-um", "binance-cm"), fact.name
        assert fact.text.endswith("."), fact.name
        assert fact.text.count(". ") == 0, fact.name
        assert utc(2017, 7, 1) < fact.start < fact.end < utc(2026, 11, 30)
        assert fact.origin == "bundled"
        assert fact.reason is None or fact.reason in REASONS


def test_each_bundled_fact_is_there_once() -> None:
    """Otherwise one could not be withdrawn, or would be told twice."""
    facts = bundled()
    assert len({(fact.name, fact.symbol) for fact in facts}) == len(facts)
    spans = [(f.venue, f.symbol, f.kind, f.first, f.last, f.first_id, f.reason) for f in facts]
    assert len(set(spans)) == len(facts)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "BNBUSDT", "LTCUSDT"])
def test_ghosts_of_january_2018(lake: rb.Lake, symbol: str) -> None:
    """The readers call these rows what the facts say."""
    ghosts = lake.known_facts(symbol, venue="binance-spot").filter(pl.col("reason") == "ghost")
    assert ghosts["from"].to_list() == ghosts["to"].to_list() == [dt.date(2018, 1, 14), dt.date(2018, 1, 15)]
    file = lake.path / f"{symbol}-aggTrades-2018-01-14.csv"
    row = "{},{},{},{},{},1515904620000,True,True"
    file.write_text("\n".join([row.format(1, "13500.5", "0.5", 7, 7), row.format(2, "0.0", "0.0", -1, -1)]))
    report = rb.ReadReport()
    assert rb.scan_binance(file, on_bad_rows="drop", report=report).collect().height == 1
    assert report.frame()["reason"].to_list() == ["ghost"]


def test_a_name_that_goes_on_under_another(lake: rb.Lake) -> None:
    renamed = lake.known_facts(venue="binance-spot").filter(kind="rename")
    assert {("MATICUSDT", "POLUSDT"), ("FTMUSDT", "SUSDT")} <= set(renamed.select("symbol", "other").rows())
    assert renamed.filter(pl.col("other").is_null()).is_empty()


def test_which_facts_are_meant(lake: rb.Lake) -> None:
    assert lake.known_facts().height == len(bundled())
    assert lake.known_facts(venue="kraken").is_empty()
    assert lake.known_facts(venue="kraken").schema == lake.known_facts().schema
    of_one = lake.known_facts("ZILBTC", venue="binance-spot")
    assert set(of_one["symbol"]) == {"ZILBTC", "*"}
    assert lake.known_facts(["ZILBTC", "XLMUSDT"]).height > of_one.height
    with pytest.raises(rb.RangeBarError, match="a symbol needs a name"):
        lake.known_facts("")


# ------------------------------------------------------------------------------------------- what a lake's file changes


def test_a_fact_of_the_lake_comes_after_those_of_the_library(lake: rb.Lake) -> None:
    write(lake, entry(symbols='["A", "B"]', more="first_id = 3\nlast_id = 5\n"))
    facts = lake.known_facts()
    assert facts.height == len(bundled()) + 2
    assert facts.tail(2).select("name", "symbol", "first_id", "last_id", "origin").rows() == [
        ("ours", "A", 3, 5, "lake"),
        ("ours", "B", 3, 5, "lake"),
    ]


def test_a_fact_of_the_lake_replaces_one_of_the_library(lake: rb.Lake) -> None:
    """All of it, with all of its symbols, and in its place."""
    first = bundled()[0].name
    symbols = [fact.symbol for fact in bundled() if fact.name == first]
    assert len(symbols) > 1
    write(lake, entry(f'"{first}"', text="It was otherwise."))
    facts = lake.known_facts()
    assert facts.row(0, named=True)["text"] == "It was otherwise."
    assert facts.filter(name=first).select("symbol", "origin").rows() == [("A", "lake")]
    assert facts.height == len(bundled()) - len(symbols) + 1


def test_a_fact_of_the_library_is_withdrawn(lake: rb.Lake) -> None:
    names = ["pause-2020-02-19", "pause-2023-03-24"]
    write(lake, *(f"[facts.{name}]\nwithdrawn = true" for name in names))
    assert lake.known_facts().height == len(bundled()) - 2
    assert lake.known_facts().filter(pl.col("name").is_in(names)).is_empty()


WRONG = {
    "no TOML": ("[facts", "is no TOML that can be read"),
    "no format": ("", "has the format None"),
    "later format": ("format = 2", "write `format = 1`"),
    "other table": ("format = 1\n[fact.ours]", "has `fact`: write each fact as a table"),
    "no tables": ("format = 1\nfacts = 3", "write each fact as a table"),
    "no table": ("format = 1\n[facts]\nours = 3", "`[facts.ours]` is 3: write it as a table"),
    "twice": ("format = 1" + 2 * entry(), "is no TOML that can be read"),
    "no source": ("format = 1" + entry().replace(f'source = "{SOURCE}"', ""), "`[facts.ours]` lacks `source`"),
    "empty source": ("format = 1" + entry().replace(SOURCE, " "), "`source` of a fact must be a text"),
    "unknown field": ("format = 1" + entry(more="lost = 3"), "`[facts.ours]` has `lost`"),
    "no list": ("format = 1" + entry(symbols='"A"'), "`symbols` must be a list of distinct names"),
    "no symbol": ("format = 1" + entry(symbols="[]"), "`symbols` must be a list of distinct names"),
    "symbol twice": ("format = 1" + entry(symbols='["A", "A"]'), "`symbols` must be a list of distinct names"),
    "all in a list": ("format = 1" + entry(symbols='["A", "*"]'), "`symbols` must be a list of distinct names"),
    "symbol": ("format = 1" + entry(symbols="[3]"), "`symbol` of a fact must be a text"),
    "kind": ("format = 1" + entry(kind="missing"), '`kind` of a fact must be one of "bad_rows", '),
    "day as text": ("format = 1" + entry(first='"2024-01-29"'), "`first` of a fact must be a day or a time in UTC"),
    "no zone": ("format = 1" + entry(first="2024-01-29T00:00:00"), "`first` of a fact must be a day or a time in UTC"),
    "both": ("format = 1" + entry(first="2024-01-29T00:00:00Z"), "`last` of a fact must be a day if `first` is one"),
    "backwards": ("format = 1" + entry(last="2024-01-28"), "`last` of a fact must be after `first`"),
    "one id": ("format = 1" + entry(more="last_id = 3"), "`first_id` of a fact must be given together"),
    "id as text": ("format = 1" + entry(more='first_id = "3"\nlast_id = 4'), "`first_id` of a fact must be an integer"),
    "ids": ("format = 1" + entry(more="first_id = 4\nlast_id = 3"), "`last_id` of a fact must be at least `first_id`"),
    "rows": ("format = 1" + entry(kind="bad_rows", more="rows = 0"), "`rows` of a fact must be an integer of at least"),
    "rows of it": ("format = 1" + entry(more="rows = 3"), '`rows` of a fact must be left out unless `kind` is "bad'),
    "reason": ("format = 1" + entry(kind="bad_rows", more='reason = "spooky"'), "`reason` of a fact must be one of"),
    "new name": ("format = 1" + entry(kind="rename"), "`other` of a fact must be the new name, got None"),
    "day": ("format = 1" + entry().replace("2026-11-30", "true"), "`noted` of a fact must be a day"),
    "not bundled": ("format = 1\n[facts.ours]\nwithdrawn = true", "`withdrawn` names a fact of the library"),
    "not alone": (
        "format = 1\n[facts.pause-2020-02-19]\nwithdrawn = true\ntext = 'no'",
        "`withdrawn` stands alone, as `withdrawn = true`",
    ),
    "not withdrawn": ("format = 1\n[facts.pause-2020-02-19]\nwithdrawn = false", "`withdrawn` stands alone"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_named_with_its_entry(lake: rb.Lake, name: str) -> None:
    text, told = WRONG[name]
    file = lake.path / "symbols.toml"
    file.write_text(text)
    lake.add(without({29}), venue=VENUE, symbol="A")
    for call in (lake.known_facts, lake.gaps):
        with pytest.raises(rb.LakeFileError, match=re.escape(told)) as caught:
            call()
        assert str(file)[-60:] in str(caught.value)
    assert lake.verify().rows() == [(str(file), str(caught.value))]
    file.unlink()
    assert lake.verify().is_empty()
    assert lake.gaps().height == 2


def test_a_file_that_is_no_text(lake: rb.Lake) -> None:
    (lake.path / "symbols.toml").write_bytes(b"format = 1\xff")
    with pytest.raises(rb.LakeFileError, match="is no TOML that can be read"):
        lake.known_facts()


def test_times_with_an_offset_are_those_of_utc() -> None:
    zone = dt.timezone(dt.timedelta(hours=8))
    first, last = dt.datetime(2024, 1, 2, 3, tzinfo=zone), dt.datetime(2024, 1, 2, 8, tzinfo=zone)
    more: dict[str, Any] = {"kind": "pause", "text": "x.", "source": SOURCE, "noted": dt.date(2026, 1, 1)}
    fact = Fact(name="x", venue=VENUE, symbol="A", first=first, last=last, **more)
    assert (fact.start, fact.end) == (utc(2024, 1, 1, 19), utc(2024, 1, 2))
    assert fact.days == (dt.date(2024, 1, 1), dt.date(2024, 1, 1))


# --------------------------------------------------------------------------------------------- which gaps they explain

TOLD = f"The disk was full. ({SOURCE})"


def known_of(lake: rb.Lake, kind: str) -> list[str | None]:
    return lake.gaps().filter(pl.col("kind") == kind)["known"].to_list()


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("2024-01-29", "2024-01-31", TOLD),
        ("2024-01-01", "2024-03-31", TOLD),
        ("2024-01-28T12:00:00Z", "2024-02-01T00:00:00Z", TOLD),
        ("2024-01-29", "2024-01-30", f"partly: {TOLD}"),
        ("2024-01-30", "2024-02-20", f"partly: {TOLD}"),
        ("2024-01-30", "2024-01-30", f"partly: {TOLD}"),
        ("2024-01-29T00:00:01Z", "2024-02-01T00:00:00Z", f"partly: {TOLD}"),
        ("2024-01-27", "2024-01-28", None),
        ("2024-02-01", "2024-02-05", None),
        ("2024-02-01T00:00:00Z", "2024-02-01T12:00:00Z", None),
    ],
)
def test_days_inside_and_outside_of_a_known_span(lake: rb.Lake, first: str, last: str, told: str | None) -> None:
    lake.add(without({29, 30, 31}), venue=VENUE, symbol="A")
    bare = lake.gaps()
    assert bare["known"].to_list() == [None, None]
    write(lake, entry(first=first, last=last))
    assert known_of(lake, "day") == [told]
    assert lake.gaps().drop("known").equals(bare.drop("known"))


def test_several_facts_about_one_gap(lake: rb.Lake) -> None:
    """They are told in their order, and cover it together."""
    lake.add(without({29, 30, 31}), venue=VENUE, symbol="A")
    one, two = entry("one", first="2024-01-31", last="2024-02-02"), entry("two", last="2024-01-30", text="It rained.")
    write(lake, one)
    assert known_of(lake, "day") == [f"partly: {TOLD}"]
    write(lake, one, two)
    assert known_of(lake, "day") == [f"{TOLD}; It rained. ({SOURCE})"]
    write(lake, entry("one", last="2024-01-29"), entry("two", first="2024-01-31", last="2024-01-31"))
    assert known_of(lake, "day") == [f"partly: {TOLD}"]


@pytest.mark.parametrize(("symbols", "is_told"), [('["A"]', True), ('"*"', True), ('["B"]', False)])
def test_facts_about_other_symbols(lake: rb.Lake, symbols: str, is_told: bool) -> None:
    lake.add(without({29}), venue=VENUE, symbol="A")
    lake.add(without({29}), venue="elsewhere", symbol="A")
    write(lake, entry(symbols=symbols))
    told = lake.gaps().filter(pl.col("kind") == "day").select("venue", "known").rows()
    assert told == [(VENUE, TOLD if is_told else None), ("elsewhere", None)]


@pytest.mark.parametrize(
    ("kind", "explains"),
    [
        ("no_archive", {"day", "ids"}),
        ("incomplete", {"day", "ids"}),
        ("lost", {"day", "ids"}),
        ("pause", {"day"}),
        ("rename", {"day"}),
        ("bad_rows", set()),
    ],
)
def test_which_facts_explain_which_gaps(lake: rb.Lake, kind: str, explains: set[str]) -> None:
    """A pause loses no ids, and bad rows no days; those that are not left out lose nothing."""
    lake.add(without({29}), venue=VENUE, symbol="A")
    write(lake, entry(kind=kind, last="2024-01-29", more='other = "B"' if kind == "rename" else ""))
    assert {kind for kind in ("day", "ids") if known_of(lake, kind) == [TOLD]} == explains


def test_ids_by_their_days(lake: rb.Lake) -> None:
    """Ids across missing days are those of the missing days."""
    lake.add(without({29, 30}), venue=VENUE, symbol="A")
    assert lake.gaps().filter(pl.col("kind") == "ids").select("from", "to").rows() == [
        (dt.date(2024, 1, 28), dt.date(2024, 1, 31))
    ]
    write(lake, entry(first="2024-01-29", last="2024-01-30"))
    assert known_of(lake, "ids") == [TOLD]
    write(lake, entry(first="2024-01-29", last="2024-01-29"))
    assert known_of(lake, "ids") == [f"partly: {TOLD}"]
    write(lake, entry(first="2024-01-28", last="2024-01-28"))
    assert known_of(lake, "ids") == [None]


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([(100, 104)], TOLD),
        ([(1, 999)], TOLD),
        ([(100, 102), (103, 104)], TOLD),
        ([(100, 103)], f"partly: {TOLD}"),
        ([(101, 104)], f"partly: {TOLD}"),
        ([(100, 101), (103, 104)], f"partly: {TOLD}"),
        ([(90, 99), (105, 110)], None),
    ],
)
def test_ids_inside_and_outside_of_known_ones(lake: rb.Lake, ids: list[tuple[int, int]], told: str | None) -> None:
    lake.add(without(set(), set(range(100, 105))), venue=VENUE, symbol="A")
    facts = [
        entry(f"f{first}", kind="incomplete", more=f"first_id = {first}\nlast_id = {last}", last="2024-02-20")
        for first, last in ids
    ]
    write(lake, *facts)
    assert known_of(lake, "ids") == [told]


@pytest.mark.parametrize(
    ("reason", "rows", "told"),
    [
        ("ghost", 5, TOLD),
        ("ghost", None, TOLD),
        ("ghost", 4, f"partly: {TOLD}"),
        ("unparsable", 5, TOLD),
        ("duplicate", 5, None),
        ("conflicting_id", 5, None),
    ],
)
def test_rows_that_the_readers_leave_out(lake: rb.Lake, reason: str, rows: int | None, told: str | None) -> None:
    """Ids of ghosts are missing, but no more of them than there were ghosts; those of repeated rows are not."""
    trades = without(set(), set(range(100, 105)))
    lake.add(trades, venue=VENUE, symbol="A")
    day = trades.filter(agg_trade_id=105)["timestamp"][0].date()
    more = f'reason = "{reason}"' + ("" if rows is None else f"\nrows = {rows}")
    write(lake, entry(kind="bad_rows", first=str(day), last=str(day), more=more))
    assert known_of(lake, "ids") == [told]


def test_bundled_facts_explain_what_they_are_about(lake: rb.Lake) -> None:
    """Ghosts that were left out are missing ids: real ones of two days, of which a third has more missing ids."""
    rows = made(days=4, start=utc(2018, 1, 13)).filter(~pl.col("agg_trade_id").is_in([60, 61, 100, 140, 141]))
    lake.add(rows, venue="binance-spot", symbol="BTCUSDT")
    gaps = lake.gaps().select("from", "count", "known").rows()
    assert [(str(day), count) for day, count, _ in gaps] == [("2018-01-14", 2), ("2018-01-15", 1), ("2018-01-16", 2)]
    assert [known is None or known.split(" with ")[0] for *_, known in gaps] == [
        "The archive has 6 rows",
        "The archive has 14 rows",
        True,
    ]


@pytest.mark.parametrize(
    ("kind", "more", "is_open"),
    [
        ("lost", "", False),
        ("lost", "first_id = 100\nlast_id = 104", False),
        ("lost", "first_id = 100\nlast_id = 103", True),
        ("bad_rows", 'reason = "ghost"', False),
        ("bad_rows", 'reason = "ghost"\nrows = 4', True),
        ("incomplete", "first_id = 100\nlast_id = 104", True),
        ("no_archive", "", True),
    ],
)
def test_only_what_nobody_has_is_settled(lake: rb.Lake, kind: str, more: str, is_open: bool) -> None:
    """An archive that lacks trades says nothing about who has them."""
    lake.add(without(set(), set(range(100, 105))), venue=VENUE, symbol="A")
    assert unsettled(Layout(lake.path), lake.gaps()).equals(lake.gaps())
    write(lake, entry(kind=kind, first="2024-01-29", last="2024-01-30", more=more))
    assert lake.gaps()["known"].null_count() == 0
    assert unsettled(Layout(lake.path), lake.gaps()).height == is_open


def test_stale_bars_are_not_explained(lake: rb.Lake) -> None:
    lake.add(without(set()), venue=VENUE, symbol="A")
    lake.series("base", threshold_dbps=250)
    write(lake, entry(symbols='"*"', last="2024-03-01"))
    assert known_of(lake, "stale_bars") == [None, None]
    assert lake.repair().is_empty()
