"""Contract layer for decisions without requests or files: every day is accounted for, exactly once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_polars._common.days import days_of, month_of
from rangebar_polars._fetch import download, listing
from rangebar_polars._fetch.listing import Listing
from rangebar_polars._fetch.plan import Held, Plan, planned
from rangebar_polars._fetch.venues import Archive, venue_named
from rangebar_polars._lake.coverage import Missing, missing_of
from rangebar_polars._lake.footer import Facts
from rangebar_polars._lake.layout import TradesUnit
from rangebar_polars._lake.origin import Origin, archive_of, is_rest, is_whole, joined
from rangebar_polars.exceptions import RangeBarError

BEGIN = dt.date(2024, 1, 25)
SPOT = venue_named("binance-spot")

days = st.integers(0, 70).map(lambda n: BEGIN + dt.timedelta(days=n))
tags = st.sampled_from(["a", "b", None])


def archive(day: dt.date, tag: str | None, *, monthly: bool) -> Archive:
    one = SPOT.archive("aggTrades", "A", day, monthly=monthly)
    return Archive(one.key, one.first, one.last, 10, tag)


@st.composite
def listings(draw: st.DrawFn) -> Listing:
    daily = draw(st.dictionaries(days, tags))
    monthly = draw(st.dictionaries(days.map(lambda day: day.replace(day=1)), tags))
    return Listing(
        {day: archive(day, tag, monthly=False) for day, tag in daily.items()},
        {day: archive(day, tag, monthly=True) for day, tag in monthly.items()},
    )


@st.composite
def held(draw: st.DrawFn) -> dict[dt.date, Held]:
    def of(day: dt.date, kind: str, tag: str | None) -> Held:
        if kind in ("daily", "monthly"):
            return Held(is_whole=True, archive=archive(day, None, monthly=kind == "monthly").name, etag=tag)
        return Held(is_whole=kind in ("rest", "empty"), is_empty=kind == "empty")

    kinds = st.tuples(st.sampled_from(["daily", "monthly", "rest", "user", "empty"]), tags)
    return {day: of(day, *facts) for day, facts in draw(st.dictionaries(days, kinds)).items()}


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[dt.date], Listing, dict[dt.date, Held], dt.date, bool, Plan]:
    first, last = sorted(draw(st.tuples(days, days)))
    given_days, there, holds = days_of(first, last), draw(listings()), draw(held())
    today, has_rest = draw(days), draw(st.booleans())
    return given_days, there, holds, today, has_rest, planned(given_days, there, holds, today=today, has_rest=has_rest)


@given(plans())
def test_every_day_ends_in_one_place(of: tuple[Any, ...]) -> None:
    wanted, _, _, _, _, plan = of
    archived = [day for day in wanted if any(one.first <= day <= one.last for one in plan.archives)]
    others = [*plan.rest, *plan.current, *(day for day, _ in plan.missing)]
    assert sorted(others) == sorted(set(others))
    assert set(archived) | set(others) == set(wanted)
    assert not set(archived) & set(plan.rest)


@given(plans())
def test_no_archive_comes_twice_and_no_day_from_two(of: tuple[Any, ...]) -> None:
    plan = of[-1]
    assert len({one.key for one in plan.archives}) == len(plan.archives)
    assert all(before.last < after.first for before, after in pairwise(plan.archives))


@given(plans())
def test_what_is_fetched_is_there_and_wanted(of: tuple[Any, ...]) -> None:
    wanted, there, holds, today, has_rest, plan = of
    known = [*there.daily.values(), *there.monthly.values()]
    for one in plan.archives:
        assert one in known
        asked = [day for day in wanted if one.first <= day <= one.last]
        assert asked
        assert one.first == one.last or one.last < today
        # At least one of its days is not there as the venue has it.
        assert any(day not in plan.current and day not in dict(plan.missing) for day in asked)
    assert not plan.rest or has_rest
    for day in plan.rest:
        assert day <= today
        assert day not in there.daily
        assert not (day in holds and holds[day].is_whole and holds[day].archive is None)


@given(plans())
def test_what_is_current_is_there_and_not_older_than_its_archive(of: tuple[Any, ...]) -> None:
    _, there, holds, today, _, plan = of
    names = {one.name: one for one in (*there.daily.values(), *there.monthly.values())}
    for day in plan.current:
        one = holds[day]
        assert one.is_whole
        now = names.get(one.archive or "")
        if now is not None and None not in (one.etag, now.etag) and one.etag != now.etag:
            # The month has not ended, so its archive is none yet.
            assert day not in there.daily
            assert month_of(day)[1] >= today


@given(plans())
def test_the_reason_is_true(of: tuple[Any, ...]) -> None:
    _, there, holds, today, has_rest, plan = of
    for day, reason in plan.missing:
        if reason == "before the first archive":
            assert there.first is not None
            assert day < there.first
        elif reason == "not published yet":
            is_open = day.replace(day=1) in there.monthly and month_of(day)[1] >= today
            assert is_open or there.last is None or day > there.last
            assert not has_rest or day > today
        else:
            assert (day in holds and holds[day].is_empty) or not has_rest or day > today


@given(plans())
def test_when_all_is_there_nothing_is_fetched(of: tuple[Any, ...]) -> None:
    """What was planned, and came, is not planned again."""
    wanted, there, holds, today, has_rest, plan = of
    after = dict(holds)
    for one in plan.archives:
        after |= {day: Held(True, one.name, one.etag) for day in days_of(one.first, one.last)}
    after |= {day: Held(is_whole=True) for day in plan.rest}
    again = planned(wanted, there, after, today=today, has_rest=has_rest)
    assert (again.archives, again.rest) == ([], [])


@given(listings())
def test_the_first_and_last_day_of_a_listing(there: Listing) -> None:
    archives = [*there.daily.values(), *there.monthly.values()]
    if not archives:
        assert (there.first, there.last, there.missing()) == (None, None, [])
        return
    assert there.first is not None
    assert there.last == max(one.last for one in archives)
    assert there.first >= min(one.first for one in archives)
    covered = {day for one in archives for day in days_of(one.first, one.last)}
    assert set(there.missing()) == set(days_of(there.first, there.last)) - covered


# ------------------------------------------------------------------------------------------ what footers say


def facts(first: int | None, last: int | None, missing: list[list[int]] | None, sources: list[list[str]]) -> Facts:
    return Facts(
        key="", kind="trades", rows=1, digest="", first_time=0, last_time=0, first_id=first, last_id=last,
        missing=missing, params="", sources=sources, previous="", checkpoint="",
    )  # fmt: skip


ARCHIVED = [["a.zip", "0" * 64], ["a.zip etag", "e"]]

unit = TradesUnit("v", "A", BEGIN)


@st.composite
def histories(draw: st.DrawFn) -> dict[dt.date, set[int]]:
    """Ids by day, of which some are missing; empty days, too."""
    count = draw(st.integers(1, 6))
    ids = iter(range(10, 400))
    whole = {BEGIN + dt.timedelta(days=n): [next(ids) for _ in range(draw(st.integers(0, 5)))] for n in range(count)}
    lost = draw(st.sets(st.integers(10, 40)))
    return {day: {one for one in of if one not in lost} for day, of in whole.items()}


@given(histories(), st.booleans())
def test_missing_ids_are_those_that_are_missing(history: dict[dt.date, set[int]], counted: bool) -> None:
    def of(ids: list[int]) -> Facts:
        holes = [[a + 1, b - 1] for a, b in pairwise(ids) if b > a + 1]
        return facts(ids[0], ids[-1], holes, ARCHIVED)

    there = {TradesUnit("v", "A", day): of(sorted(ids)) for day, ids in history.items() if ids}
    first, last = min(history), max(history)
    found = missing_of(there, first, last, trusted=False, counted=counted)
    lost_ids = {one for hole in found if hole.ids for one in range(hole.ids[0], hole.ids[1] + 1)}
    lost_days = {day for hole in found if not hole.ids for day in days_of(hole.first, hole.last)}
    all_ids = sorted(one for ids in history.values() for one in ids)
    expected = set(range(all_ids[0], all_ids[-1] + 1)) - set(all_ids) if all_ids and counted else set()
    assert lost_ids == expected
    empty = {day for day, ids in history.items() if not ids}
    proven = {
        day
        for day in empty
        if (before := [d for d in history if d < day and history[d]])
        and (after := [d for d in history if d > day and history[d]])
        and min(history[min(after)]) == max(history[max(before)]) + 1
    }
    assert lost_days == empty - proven
    assert all(first <= hole.first <= hole.last <= last for hole in found)


@pytest.mark.parametrize(
    ("sources", "trusted", "is_missing"),
    [
        (ARCHIVED, False, False),
        ([["rest", "whole"]], False, False),
        ([["rest", "part"]], True, True),
        ([], False, True),
        ([], True, False),
        ([["added", ""], ["rest", "part"]], True, True),
        ([["rest", "part"], *ARCHIVED], False, False),
    ],
)
def test_a_day_is_missing_if_it_may_have_more(sources: list[list[str]], trusted: bool, is_missing: bool) -> None:
    there = {unit: facts(1, 2, [], sources)}
    found = missing_of(there, BEGIN, BEGIN, trusted=trusted, counted=True)
    assert found == ([Missing(BEGIN, BEGIN)] if is_missing else [])


def test_too_many_holes_to_list_are_a_day() -> None:
    assert missing_of({unit: facts(1, 9, None, ARCHIVED)}, BEGIN, BEGIN, trusted=True, counted=True) == [
        Missing(BEGIN, BEGIN)
    ]


ORIGINS: list[Callable[[], list[list[str]] | None]] = [
    lambda: None,
    lambda: Origin.rest(BEGIN, BEGIN, is_whole=False).sources,
    lambda: Origin.rest(BEGIN, BEGIN, is_whole=True).sources,
    lambda: Origin.archive("a.zip", "0" * 64, "e", BEGIN, BEGIN, accepted=False).sources,
    lambda: Origin.archive("b.zip", "1" * 64, None, BEGIN, BEGIN, accepted=True).sources,
]


@given(st.lists(st.sampled_from(ORIGINS), min_size=1, max_size=6))
def test_the_sources_of_a_day_to_which_more_is_added(origins: list[Any]) -> None:
    there: list[list[str]] = origins[0]() or []
    history = [origins[0]()]
    for origin in origins[1:]:
        there = joined(there, origin())
        history.append(origin())
    assert len({tuple(one) for one in there}) == len(there)
    assert joined(there, history[-1]) == there
    assert not {"whole", "part"} <= {value for name, value in there if name == "rest"}
    given_ones = [one for one in history if one is not None]
    names = {name for one in given_ones for name, _ in one}
    assert {name for name, _ in there} - {"added"} == names
    of = facts(1, 2, [], there)
    fetched = any(name.endswith(".zip") for name in names)
    assert (archive_of(of) is not None) == fetched
    assert is_whole(of) == (fetched or [["rest", "whole"]] in given_ones)
    assert is_rest(of) == (bool(given_ones) and names == {"rest"} and None not in history)


def test_of_an_archive_that_was_published_anew_the_newer_one_counts() -> None:
    """Beside trades that a user has added, which stay; otherwise it would be fetched again and again."""
    first = Origin.archive("a.zip", "0" * 64, "old", BEGIN, BEGIN, accepted=True).sources
    second = Origin.archive("a.zip", "1" * 64, "new", BEGIN, BEGIN, accepted=False).sources
    there = joined(joined(first, None), second)
    assert archive_of(facts(1, 2, [], there)) == ("a.zip", "new")
    assert sorted(there) == sorted([["added", ""], *second])


# ------------------------------------------------------------------------------------------ what venues answer


@given(st.text(max_size=40))
def test_any_text_is_a_part_or_none(text: str) -> None:
    begin, total = download._range(text)  # noqa: SLF001
    assert begin is None or begin >= 0
    assert total is None or begin is not None


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.one_of(st.none(), st.integers(0, 10**12)))
def test_a_part_is_read(begin: int, more: int, total: int | None) -> None:
    text = f"bytes {begin}-{begin + more}/{'*' if total is None else total}"
    assert download._range(text) == (begin, total)  # noqa: SLF001


@given(st.text(alphabet="AZ09_币.*+-", min_size=1, max_size=12), days, st.booleans())
def test_the_names_of_archives_are_found_and_no_others(symbol: str, day: dt.date, monthly: bool) -> None:
    pattern = listing._pattern(SPOT, "aggTrades", symbol, monthly=monthly)  # noqa: SLF001
    key = SPOT.archive("aggTrades", symbol, day, monthly=monthly).key
    match = pattern.fullmatch(key)
    assert match is not None
    assert listing._day(match["day"]) == (day.replace(day=1) if monthly else day)  # noqa: SLF001
    for other in (key + ".CHECKSUM", key[:-1], key.replace("aggTrades-", "trades-"), "x" + key, key + "\n"):
        assert pattern.fullmatch(other) is None
    assert SPOT.folder("aggTrades", symbol, monthly=monthly) == key.rpartition("/")[0] + "/"


@pytest.mark.parametrize("text", ["2024-02-30", "2024-13-01", "0000-01-01", "2024-13"])
def test_a_day_that_no_calendar_has(text: str) -> None:
    assert listing._day(text) is None  # noqa: SLF001


@pytest.mark.parametrize("name", ["binance-spot", "binance-um", "binance-cm"])
def test_all_of_a_venue_below_an_address(name: str) -> None:
    venue = venue_named(name)
    at = venue.at("http://127.0.0.1:80/x/")
    assert venue.at(None) is venue
    assert (at.archives, at.listing) == ("http://127.0.0.1:80/x", "http://127.0.0.1:80/x")
    assert venue.rest is not None
    assert at.rest == "http://127.0.0.1:80/x" + venue.rest[venue.rest.index("/", 8) :]


@pytest.mark.parametrize("base", ["127.0.0.1:80", "", 7, "ftp://x"])
def test_an_address_that_is_none(base: Any) -> None:
    with pytest.raises(RangeBarError, match="`base` must be an address such as"):
        venue_named("binance-spot").at(base)


@pytest.mark.parametrize("name", ["binance", "", None, 3])
def test_a_venue_that_is_not_known(name: Any) -> None:
    with pytest.raises(RangeBarError, match='`venue` must be one that can be fetched from, "binance-spot"'):
        venue_named(name)
