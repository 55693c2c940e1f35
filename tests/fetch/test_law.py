"""Contract layer: after any history of uploads, faults, fetches and additions, a fetch leaves what the venue has."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests import _faulty_venue as faulty
from tests._faulty_venue import ARCHIVE, CHECKSUM, LISTING, REST, FaultyVenue
from tests._fetches import VENUE, fetched, left

DAYS = [dt.date(2024, 1, day) for day in range(20, 32)]
ROWS = 9
MONTH = "BTCUSDT-aggTrades-2024-01"

FAULTS: list[faulty.Fault] = [
    faulty.status(500),
    faulty.status(404),
    faulty.LIMIT,
    faulty.cut(0),
    faulty.cut(200),
    faulty.EMPTY,
    faulty.HTML,
    faulty.body(b"0" * 64),
    faulty.edited(faulty.corrupt),
    faulty.edited(lambda body: body[:-1]),
]


class Upload(NamedTuple):
    """A day, or the whole month, is published anew, with other prices; a month may lack days."""

    day: dt.date | None
    price: int
    lacks: frozenset[dt.date]


class Fetch(NamedTuple):
    """Days are fetched at a time when the archives of some of them are published, with faults."""

    first: dt.date
    last: dt.date
    until: dt.date
    faults: list[tuple[str, faulty.Fault, int]]


class Added(NamedTuple):
    """A user adds some of the trades that the venue has."""

    first: int
    rows: int


days = st.sampled_from(DAYS)
patterns = st.one_of(st.sampled_from([LISTING, ARCHIVE, CHECKSUM, REST]), days.map(lambda day: f"{day}{ARCHIVE}"))
faults = st.tuples(patterns, st.sampled_from(FAULTS), st.integers(1, 3))
steps = st.one_of(
    st.builds(Upload, st.none() | days, st.integers(1, 9), st.frozensets(days, max_size=2)),
    st.builds(Fetch, days, days, days, st.lists(faults, max_size=2)),
    st.builds(Added, st.integers(0, len(DAYS) * ROWS - 1), st.integers(1, 30)),
)


def text(day: dt.date, price: int) -> bytes:
    return faulty.day_text(day, ROWS, 1_000 + ROWS * DAYS.index(day)).replace(b",42", b",%d2" % price)


class World:
    """A venue and a lake."""

    def __init__(self, folder: Path) -> None:
        self.root, self.zips = folder / "lake", folder / "zips"
        self.zips.mkdir()
        self.prices = dict.fromkeys(DAYS, 4)
        for day in DAYS:
            self.write(f"BTCUSDT-aggTrades-{day}", text(day, 4))
        rb.Lake(self.root)

    def write(self, stem: str, content: bytes) -> None:
        (self.zips / f"{stem}.zip").write_bytes(faulty.zipped({f"{stem}.csv": content}))

    def upload(self, step: Upload) -> None:
        for day in DAYS if step.day is None else [step.day]:
            self.prices[day] = step.price
            self.write(f"BTCUSDT-aggTrades-{day}", text(day, step.price))
        # A month is always as its days are, but for what it lacks.
        if step.day is None or (self.zips / f"{MONTH}.zip").exists():
            kept = (day for day in DAYS if day not in step.lacks)
            self.write(MONTH, b"".join(text(day, self.prices[day]) for day in kept))

    def fetch(self, step: Fetch) -> None:
        first, last = sorted(step[:2])
        with FaultyVenue(self.zips, archives_until=step.until) as venue:
            for pattern, fault, times in step.faults:
                venue.fails(pattern, fault, times=times)
            fetched(self.root, venue, str(first), str(last), on_error="continue")

    def add(self, step: Added) -> None:
        trades = self.trades().slice(step.first, step.rows)
        rb.Lake(self.root).add(trades, venue=VENUE, on_conflict="replace")

    def trades(self) -> pl.DataFrame:
        """What the venue has."""
        return rb.scan_binance([self.zips / f"BTCUSDT-aggTrades-{day}.zip" for day in DAYS]).collect()


@settings(max_examples=max(settings().max_examples // 2, 10))
@given(st.sampled_from([DAYS[0], DAYS[5], DAYS[-1]]), st.lists(steps, min_size=1, max_size=5))
def test_a_fetch_leaves_what_the_venue_has(until: dt.date, history: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        # Most of it is there before anything goes wrong.
        for step in [Fetch(DAYS[0], DAYS[-1], until, []), *history]:
            match step:
                case Upload():
                    world.upload(step)
                case Fetch():
                    world.fetch(step)
                case _:
                    world.add(step)
            assert rb.Lake(world.root).verify().is_empty()
        with FaultyVenue(world.zips) as venue:
            fetched(world.root, venue, str(DAYS[0]), str(DAYS[-1]), on_conflict="replace")
            count = len(venue.asked("/data/"))
            again = fetched(world.root, venue, str(DAYS[0]), str(DAYS[-1]))
            assert len(venue.asked("/data/")) == count
        assert (again.added, len(again.unchanged), again.missing) == ([], len(DAYS), [])
        expected = world.trades()
        found = rb.Lake(world.root).trades("BTCUSDT").select(expected.columns).collect()
        assert_frame_equal(found, expected, categorical_as_str=True)
        lake = rb.Lake(world.root)
        assert lake.verify(deep=True).is_empty()
        assert lake.gaps().is_empty()
        assert left(world.root) == []
