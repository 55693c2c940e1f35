"""A lake after any history: its trades are those that were added, its bars those of its trades, to the last byte."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._lakes import SERIES, VENUE, bars_of, day_of, files_of, period_of, session_of, trades_of, utc

SYMBOLS = ("BTC/USDT", "1E5", "é%=.")

STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 90, 400, 1_500]),
        st.integers(-300, 300),
        st.sampled_from([1, 1, 1, 1, 3]),
    ),
    min_size=12,
    max_size=30,
)

SECONDS = st.integers(0, 17 * 86_400)


class History(RuleBasedStateMachine):
    """What may happen to a lake, and what it must be like afterwards."""

    @initialize(
        steps=st.tuples(STEPS, STEPS, STEPS), has_ids=st.sampled_from([True, True, False]), has_sides=st.booleans()
    )
    def begin(self, steps: Any, has_ids: bool, has_sides: bool) -> None:
        dropped = ["is_buyer_maker"] * (not has_sides)
        dropped += ["agg_trade_id", "first_trade_id", "last_trade_id"] * (not has_ids)
        self.all = {
            symbol: trades_of(of, first_id=5 + number).drop(dropped)
            for number, (symbol, of) in enumerate(zip(SYMBOLS, steps, strict=True))
        }
        self.has_ids = has_ids
        self.added: dict[str, set[int]] = {symbol: set() for symbol in SYMBOLS}
        """The rows that the lake has."""
        self.built: dict[tuple[str, str, str], Any] = {}
        """What each unit of bars was made of."""
        self.folder = Path(tempfile.mkdtemp())
        self.lake = rb.Lake(self.folder / "lake")
        self.names: list[str] = []

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            self.like_a_new_one()
        finally:
            shutil.rmtree(self.folder)

    # ------------------------------------------------------------------------------------------ what happens

    @rule(
        cuts=st.lists(st.tuples(st.sampled_from(SYMBOLS), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
        pieces=st.integers(1, 4),
        reverse=st.booleans(),
    )
    def add(self, cuts: list[tuple[str, float, float]], pieces: int, reverse: bool) -> None:
        """Some rows of some symbols, those of a symbol one range, whole days in any order."""
        chosen: dict[str, range] = {}
        for symbol, one, other in cuts:
            rows = self.all[symbol].height
            first = min(int(min(one, other) * rows), rows - 1)
            chosen[symbol] = range(first, max(first + 1, round(max(one, other) * rows)))
        frames: list[pl.DataFrame] = []
        for symbol, some in chosen.items():
            given = self.all[symbol][some.start : some.stop].with_columns(symbol=pl.lit(symbol))
            dated = given.with_columns(_date=pl.col("timestamp").dt.date())
            days = dated.partition_by("_date", maintain_order=True, include_key=False)
            frames += reversed(days) if reverse else days
        given = pl.concat(frames)
        size = -(-given.height // pieces)
        parts = list(given.iter_slices(size))
        after = {symbol: self.after(symbol, set(rows)) for symbol, rows in chosen.items()}
        if None in after.values():
            with pytest.raises(rb.LakeConflictError, match="without ids"):
                self.lake.add(pl.concat([part.lazy() for part in parts]), venue=VENUE)
            return
        report = self.lake.add(pl.concat([part.lazy() for part in parts]), venue=VENUE)
        assert report.rows == given.height
        changed = sum(
            len(self.days(symbol, rows - self.added[symbol])) for symbol, rows in after.items() if rows is not None
        )
        assert len(report.new) + len(report.merged) == changed
        assert not report.replaced
        self.added |= {symbol: rows for symbol, rows in after.items() if rows is not None}

    @rule(name=st.sampled_from(sorted(SERIES)))
    def define(self, name: str) -> None:
        self.lake.series(name, **SERIES[name])
        self.names = sorted({*self.names, name})

    @precondition(lambda self: self.names)
    @rule(data=st.data(), some=st.sets(st.sampled_from(SYMBOLS)), twice=st.booleans())
    def build(self, data: st.DataObject, some: set[str], twice: bool) -> None:
        name = data.draw(st.sampled_from(self.names))
        symbols = [symbol for symbol in self.symbols if symbol in some] or None
        stale = self.lake.build(name, symbols=symbols, dry_run=True)
        wanted = self.stale(name, symbols or self.symbols)
        report = self.lake.build(name, symbols=symbols, workers=2)
        assert not report.failed
        done = {(unit.symbol, unit.period) for unit in [*report.built, *report.removed]}
        told = {(unit.symbol, unit.period) for unit in [*stale.built, *stale.removed]}
        if SERIES[name].get("reset", "1mo") is None:
            assert wanted <= done <= told
        else:
            assert wanted == done == told
        for symbol in symbols or self.symbols:
            self.built = {key: of for key, of in self.built.items() if key[:2] != (name, symbol)}
            self.built |= {(name, symbol, period): of for period, of in self.units(name, symbol).items()}
        if twice:
            again = self.lake.build(name, symbols=symbols)
            assert not again.built
            assert not again.removed
        for symbol in symbols or self.symbols:
            self.check_bars(name, symbol, data)

    @precondition(lambda self: self.built)
    @rule(data=st.data(), how=st.sampled_from(["gone", "cut", "empty", "noise", "footer", "copy"]))
    def lose_bars(self, data: st.DataObject, how: str) -> None:
        """Something happens to a file of bars: the next build makes it again."""
        key = data.draw(st.sampled_from(sorted(self.built)))
        file = self.bars_file(*key)
        if how == "copy":
            other = self.bars_file(*data.draw(st.sampled_from(sorted(self.built))))
            if other == file:
                return
            shutil.copy(other, file)
        else:
            harm(file, how)
        self.built[key] = None
        if how not in ("gone", "footer"):
            named = self.lake.verify(deep=True)["file"].to_list()
            assert str(file) in named
        if how == "noise":  # which footers do not tell: the user does what the message says
            file.unlink()

    @precondition(lambda self: any(self.added.values()))
    @rule(data=st.data())
    def lose_trades(self, data: st.DataObject) -> None:
        symbol = data.draw(st.sampled_from([symbol for symbol in SYMBOLS if self.added[symbol]]))
        day = data.draw(st.sampled_from(sorted(self.days(symbol, self.added[symbol]))))
        self.trades_file(symbol, day).unlink()
        times = self.all[symbol]["timestamp"]
        self.added[symbol] -= {row for row in self.added[symbol] if day_of(times[row]) == day}

    @precondition(lambda self: any(self.added.values()))
    @rule(data=st.data(), how=st.sampled_from(["cut", "empty", "noise", "copy"]))
    def spoil_trades(self, data: st.DataObject, how: str) -> None:
        """A file of trades that is spoiled is named, whatever is asked; and nothing is removed."""
        symbol = data.draw(st.sampled_from([symbol for symbol in SYMBOLS if self.added[symbol]]))
        day = data.draw(st.sampled_from(sorted(self.days(symbol, self.added[symbol]))))
        file = self.trades_file(symbol, day)
        right = file.read_bytes()
        if how == "copy":
            others = [f for f in (self.lake.path / "trades").rglob("*.parquet") if f != file]
            if not others:
                return
            shutil.copy(data.draw(st.sampled_from(sorted(others))), file)
        else:
            harm(file, how)
        spoiled = file.read_bytes()
        if how != "noise":
            with pytest.raises(rb.LakeFileError, match=r"trades\.parquet"):
                self.lake.trades(symbol)
            for name in self.names:
                assert self.lake.build(name, symbols=symbol).failed
        assert self.lake.verify(deep=True)["file"].to_list().count(str(file)) == 1
        assert file.read_bytes() == spoiled
        file.write_bytes(right)
        # What was not spoiled was built meanwhile; what it is, the next build tells.
        for name in self.names if how != "noise" else []:
            assert not self.lake.build(name, symbols=symbol).failed
            self.built = {key: of for key, of in self.built.items() if key[:2] != (name, symbol)}
            self.built |= {(name, symbol, period): of for period, of in self.units(name, symbol).items()}

    # ------------------------------------------------------------------------------- what it must be like then

    @invariant()
    def trades_are_those_added(self) -> None:
        if not hasattr(self, "lake"):
            return
        for symbol in self.symbols:
            wanted = self.all[symbol][sorted(self.added[symbol])]
            assert_frame_equal(self.lake.trades(symbol, columns=wanted.columns).collect(), wanted)
        assert [symbol for symbol in SYMBOLS if self.added[symbol]] == [s for s in SYMBOLS if self.added[s]]

    @invariant()
    def it_says_what_it_has(self) -> None:
        if not hasattr(self, "lake"):
            return
        status = self.lake.status()
        for row in status.iter_rows(named=True):
            symbol = row["symbol"]
            times = self.all[symbol]["timestamp"]
            rows = sorted(self.added[symbol])
            days = sorted({day_of(times[row]) for row in rows})
            assert (row["days"], row["trades"]) == (len(days), len(rows))
            if days:
                assert (row["first_day"], row["last_day"]) == (days[0], days[-1])
                assert row["missing_days"] == (days[-1] - days[0]).days + 1 - len(days)
            if self.has_ids and rows:
                ids = self.all[symbol]["agg_trade_id"][rows].to_list()
                assert row["missing_ids"] == ids[-1] - ids[0] + 1 - len(ids)
            if row["series"] is not None:
                stale = self.stale(row["series"], [symbol])
                if SERIES[row["series"]].get("reset", "1mo") is None:
                    assert row["stale"] >= len(stale)
                else:
                    assert row["stale"] == len(stale)
        gaps = self.lake.gaps()
        counts = gaps.group_by("symbol", "kind").agg(pl.len(), pl.col("count").sum())
        told = {(symbol, str(kind)): (rows, count) for symbol, kind, rows, count in counts.iter_rows()}
        for row in status.unique("symbol").iter_rows(named=True):
            assert told.get((row["symbol"], "ids"), (0, 0))[1] == row["missing_ids"]
            assert told.get((row["symbol"], "day"), (0, 0))[1] == row["missing_days"]
        assert told.keys() <= {(s, k) for s in SYMBOLS for k in ("ids", "day", "stale_bars")}
        stale_bars = sum(rows for (_, kind), (rows, _) in told.items() if kind == "stale_bars")
        assert stale_bars == status["stale"].sum()

    def check_bars(self, name: str, symbol: str, data: st.DataObject) -> None:
        """The bars are those of the trades, whole and in parts."""
        trades = self.all[symbol][sorted(self.added[symbol])]
        wanted = bars_of(trades, name, include_orphans=True)
        with warnings.catch_warnings(action="error"):
            bars = self.lake.bars(symbol, series=name, include_orphans=True).collect()
            assert_frame_equal(bars.drop("venue", "symbol"), wanted)
            assert_frame_equal(
                self.lake.bars(symbol, series=name).collect().drop("venue", "symbol"), bars_of(trades, name)
            )
            cuts = sorted(data.draw(st.lists(SECONDS, min_size=1, max_size=3)))
            first = utc(2024, 1, 26)
            edges = [utc(2020, 1, 1), *(first + dt.timedelta(seconds=cut) for cut in cuts), utc(2030, 1, 1)]
            parts = [
                self.lake.bars(symbol, begin, end, series=name, include_orphans=True).collect()
                for begin, end in itertools.pairwise(edges)
            ]
        assert_frame_equal(pl.concat(parts), bars)
        faults = self.lake.verify(symbols=symbol, deep=True)
        assert faults.filter(pl.col("file").str.contains_any(["/trades/", f"/series={name}/"])).is_empty()

    def like_a_new_one(self) -> None:
        """The files are, byte for byte, those of a lake to which all was added at once."""
        other = rb.Lake(self.folder / "other")
        for symbol in self.symbols:
            trades = self.all[symbol][sorted(self.added[symbol])]
            if trades.height:
                other.add(trades, venue=VENUE, symbol=symbol)
        for name in self.names:
            other.series(name, **SERIES[name])
            assert not other.build(name).failed
            assert not self.lake.build(name).failed
        assert files_of(self.lake.path) == files_of(other.path)
        assert not any((self.lake.path / ".rangebar" / "staging").glob("*/*"))

    # --------------------------------------------------------------------------------------------- the model

    @property
    def symbols(self) -> list[str]:
        """Those that the lake knows, in its order."""
        return [symbol for symbol in sorted(SYMBOLS) if (self.trades_folder(symbol)).exists()]

    def after(self, symbol: str, rows: set[int]) -> set[int] | None:
        """The rows of a symbol once others were added; None if it cannot be told which are new."""
        there, times = self.added[symbol], self.all[symbol]["timestamp"]
        if not self.has_ids:
            for day in self.days(symbol, rows):
                old, new = ([r for r in sorted(of) if day_of(times[r]) == day] for of in (there, rows))
                if old and overlap(old, new, times) != overlap(new, old, times):
                    return None
        return there | rows

    def days(self, symbol: str, rows: set[int]) -> set[dt.date]:
        return {day_of(self.all[symbol]["timestamp"][row]) for row in rows}

    def units(self, name: str, symbol: str) -> dict[str, Any]:
        """The units of bars that there should be, each with the rows that it depends on."""
        reset = SERIES[name].get("reset", "1mo")
        found: dict[str, list[int]] = {}
        if isinstance(reset, rb.Daily | rb.Weekly):
            return self.units_of_sessions(symbol, reset)
        for row in sorted(self.added[symbol]):
            found.setdefault(period_of(day_of(self.all[symbol]["timestamp"][row]), reset), []).append(row)
        if reset is not None:
            return found
        periods = sorted(found)
        return {p: [found[q] for q in periods[: periods.index(p) + 1]] for p in periods}

    def units_of_sessions(self, symbol: str, reset: rb.Daily | rb.Weekly) -> dict[str, Any]:
        """The sessions from the first to the last trade of each day, which depend on all trades of the day."""
        found: dict[str, list[int]] = {}
        times, rows = self.all[symbol]["timestamp"], sorted(self.added[symbol])
        for _, of_day in itertools.groupby(rows, key=lambda row: day_of(times[row])):
            day = list(of_day)
            time, names = times[day[0]], dict.fromkeys([session_of(times[day[0]], reset)])
            while time < times[day[-1]]:
                time = min(time + dt.timedelta(minutes=30), times[day[-1]])
                names[session_of(time, reset)] = None
            for name in names:
                found.setdefault(name, []).extend(day)
        return found

    def stale(self, name: str, symbols: list[str]) -> set[tuple[str, str]]:
        """The units that a build must build or remove; without a reset, at least those whose own trades changed."""
        found: set[tuple[str, str]] = set()
        for symbol in symbols:
            wanted = self.units(name, symbol)
            there = {period: of for (n, s, period), of in self.built.items() if (n, s) == (name, symbol)}
            goes_on = SERIES[name].get("reset", "1mo") is None
            for period in wanted.keys() | there.keys():
                old, new = there.get(period), wanted.get(period)
                if goes_on:
                    old, new = old and old[-1], new and new[-1]
                is_harmed = old is None and self.bars_file(name, symbol, period).exists()
                if old != new or is_harmed:
                    found.add((symbol, period))
        return found

    def trades_folder(self, symbol: str) -> Path:
        return next((self.lake.path / "trades").glob(f"*/symbol={quoted(symbol)}"), self.lake.path / "none")

    def trades_file(self, symbol: str, day: dt.date) -> Path:
        return self.trades_folder(symbol) / f"date={day}" / "trades.parquet"

    def bars_file(self, name: str, symbol: str, period: str) -> Path:
        folder = self.lake.path / "bars" / f"series={name}" / f"venue={VENUE}" / f"symbol={quoted(symbol)}"
        return folder / f"period={period}" / "bars.parquet"


def quoted(symbol: str) -> str:
    return {"BTC/USDT": "BTC%2FUSDT", "1E5": "1E5", "é%=.": "%C3%A9%25%3D."}[symbol]


def overlap(rows: list[int], others: list[int], times: pl.Series) -> list[int]:
    """The rows in the time of others."""
    return [row for row in rows if times[others[0]] <= times[row] <= times[others[-1]]]


def harm(file: Path, how: str) -> None:
    """Do something to a file that its writer would not do."""
    data = file.read_bytes() if file.exists() else b""
    match how:
        case "gone":
            file.unlink(missing_ok=True)
        case "cut":
            file.write_bytes(data[: len(data) * 2 // 3])
        case "empty":
            file.write_bytes(b"")
        case "noise":  # in the first page, whose checksum nobody made
            file.write_bytes(data[:20] + bytes(255 - byte for byte in data[20:40]) + data[40:])
        case "footer":
            table = pq.read_table(file)
            entries: dict[bytes, bytes] = dict(table.schema.metadata or {}) | pq.read_metadata(file).metadata
            entries[b"rangebar.sources"] = b'[["a", "b"]]'
            entries.pop(b"ARROW:schema", None)
            pq.write_table(table.replace_schema_metadata(entries), file)


History.TestCase.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=12)
TestHistory = History.TestCase
