"""Columns of one's own beside bars that are built: trades and bars in, bars with these columns out."""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from rangebar_polars._bars.own_bars import BarsBefore
from rangebar_polars._bars.own_features import OURS, BoundFeatures
from rangebar_polars._bars.own_rows import GROUP, GroupNumbers, HeldRows, evaluated
from rangebar_polars._bars.request import Request
from rangebar_polars._bars.rules import Range
from rangebar_polars._common.frames import picked
from rangebar_polars._common.messages import cut
from rangebar_polars.exceptions import RangeBarError

__all__ = ["NEEDED", "OwnColumns"]

NEEDED: Final = ("open_time", "agg_record_count", "close_reason")
"""Columns of bars without which nothing can be told of their trades."""

_LABELS: Final = ("threshold_dbps", "rule")
_UNSEEN: Final = ("reset", "gap", "end")
"""Reasons of bars that later ones do not see."""

_ORPHANS: Final = ("reset", "gap")
_MANY: Final = 1 << 17
_PLACE: Final = f"{OURS}place__"


class _State(NamedTuple):
    """What there was, to go back to."""

    waiting: list[pl.DataFrame]
    rows: int
    held: list[HeldRows]
    keys: pl.DataFrame
    before: pl.DataFrame


class OwnColumns:
    """
    The state of features of one's own: the rows of forming bars, and the bars that windows still see.

    Trades wait as they came until bars end, or until there are many.
    """

    def __init__(
        self,
        bound: BoundFeatures,
        request: Request,
        keys: pl.Schema,
        time: tuple[str, pl.DataType],
        *,
        include_orphans: bool,
    ) -> None:
        self.bound = bound
        self.held_schema = pl.Schema(({GROUP: pl.UInt32()} if keys else {}) | (dict(bound.rows) or dict([time])))
        """The columns of the rows that are held: if none is read, the time, so that rows can be counted."""
        self._include_orphans = include_orphans
        rules = request.rules
        labels = request.parameters["threshold_dbps"]
        several: list[object] = labels if isinstance(rules, list) else []
        self._are_rules = not all(isinstance(label, int) for label in several)
        as_rules = [str(Range(label)) if isinstance(label, int) else str(label) for label in several]
        self._labels: list[object] = list(as_rules) if self._are_rules else several
        self.numbers = GroupNumbers(pl.DataFrame(schema=keys))
        self.held = [HeldRows() for _ in range(max(1, len(self._labels)))]
        self.before = BarsBefore(bound)
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0
        self._no_values = pl.DataFrame(schema=bound.schema).get_columns()

    @property
    def by(self) -> list[str]:
        """The key columns."""
        return self.numbers.keys.columns

    @property
    def reads(self) -> list[str]:
        """The columns of the trades that are held, with the keys."""
        if not self.bound.aggregations:
            return []
        return list(dict.fromkeys([*self.by, *self._held_columns]))

    @property
    def _held_columns(self) -> list[str]:
        return [name for name in self.held_schema if name != GROUP]

    @property
    def needs(self) -> set[str]:
        """The columns of bars that must be built."""
        label: set[str] = set() if self.label is None else {self.label}
        return {*NEEDED, *label, *self.bound.of_bars}

    @property
    def label(self) -> str | None:
        """The column that tells several rules apart."""
        return None if not self._labels else _LABELS[self._are_rules]

    @property
    def has_many(self) -> bool:
        """Whether so many trades wait that bars should be taken: more than are held, so each is moved a few times."""
        return self._rows >= max(_MANY, max(held.height for held in self.held) // 4)

    def snapshot(self) -> _State:
        """The state, to go back to."""
        held = [one.copy() for one in self.held]
        return _State(list(self._waiting), self._rows, held, self.numbers.keys, self.before.kept)

    def roll_back(self, state: _State) -> None:
        """Make the state what it was."""
        self._waiting, self._rows = state.waiting, state.rows
        self.held, self.numbers.keys, self.before.kept = state.held, state.keys, state.before

    def add(self, trades: pl.DataFrame) -> None:
        """Trades that were pushed."""
        if self.bound.aggregations and trades.height:
            self._waiting.append(picked(trades, self.reads))
            self._rows += trades.height

    def add_unseen(self, trades: pl.DataFrame, ended: pl.DataFrame, forming: pl.DataFrame) -> None:
        """Trades of which some were dropped, since they had been seen: of each group the first ones."""
        if not self.bound.aggregations:
            return
        self.settle()
        if not self.by:
            taken = self._counted(ended) + self._counted(forming) - self.held[0].height
            self.add(trades.tail(taken) if taken else trades.clear())
            return
        rows = self._sorted(picked(trades, self.reads))
        held = self.held[0].rows()
        counts = [self._counts(bars) for bars in (ended, forming)]
        if held is not None:
            counts.append(held.select(GROUP, pl.lit(-1, dtype=pl.Int64).alias("rows")))
        taken_of = pl.concat(counts).group_by(GROUP).agg(pl.col("rows").sum())
        last = rows.join(taken_of, on=GROUP, how="left", maintain_order="left").select(
            (pl.len().over(GROUP) - pl.int_range(pl.len()).over(GROUP)) <= pl.col("rows").fill_null(0)
        )
        for held_rows in self.held:
            held_rows.add(rows.filter(last.to_series()))

    def finish(self, bars: pl.DataFrame) -> pl.DataFrame:
        """Bars that ended, in their order, with the columns of one's own; orphans only if they are asked for."""
        if not bars.height:
            return self._in_order(bars, bars.hstack(self._no_values))
        self.settle()
        made = self._with_values(bars, ended=True)
        if self._include_orphans:
            return made
        return made.filter(~pl.col("close_reason").cast(pl.String).is_in(_ORPHANS))

    def forming(self, bars: pl.DataFrame) -> pl.DataFrame:
        """Bars that still form, likewise; nothing changes."""
        if not bars.height:
            return self.finish(bars)
        self.settle()
        return self._with_values(bars, ended=False)

    def holds(self, forming: pl.DataFrame) -> bool:
        """Whether the rows that are held are those that forming bars count."""
        if not self.bound.aggregations:
            return True
        rules, groups = self._rules(forming), self.numbers.of(forming, learn=False) if self.by else None
        count = forming["agg_record_count"].cast(pl.Int64)
        for rule, held in enumerate(self.held):
            if int(count.filter(rules == rule).sum()) != held.height:
                return False
            rows = held.rows()
            if groups is not None and rows is not None:
                wanted = pl.DataFrame({GROUP: groups, "rows": count}).filter(rules == rule)
                there = rows.select(GROUP, pl.lit(-1, dtype=pl.Int64).alias("rows"))
                if pl.concat([wanted, there]).group_by(GROUP).agg(pl.col("rows").sum() != 0)["rows"].any():
                    return False
        return True

    def forget(self, keys: pl.DataFrame) -> None:
        """Forget some groups."""
        self.settle()
        known = pl.int_range(self.numbers.keys.height, dtype=pl.UInt32, eager=True)
        kept = known.filter(~known.is_in(self.numbers.of(keys, learn=False).implode()))
        self.numbers.keys = self.numbers.keys[kept]
        anew = pl.int_range(kept.len(), dtype=pl.UInt32, eager=True)
        for held in self.held:
            if (rows := held.rows()) is not None:
                rows = rows.filter(rows[GROUP].is_in(kept.implode()))
                held.keep(rows.with_columns(pl.col(GROUP).replace_strict(kept, anew, return_dtype=pl.UInt32)))
        self.before.renumber(kept, anew, len(self.held))

    def settle(self) -> None:
        """Put the trades that wait to those of their groups."""
        if self._waiting:
            rows = pl.concat(self._waiting, rechunk=False)
            rows = self._sorted(rows) if self.by else rows
            for held in self.held:
                held.add(rows)
            self._waiting, self._rows = [], 0

    def _sorted(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows by their groups, with the columns that are read."""
        return self.numbers.sorted(rows, self._held_columns)

    def _counted(self, bars: pl.DataFrame) -> int:
        return int(self._counts(bars)["rows"].sum())

    def _counts(self, bars: pl.DataFrame) -> pl.DataFrame:
        """How many trades bars of the first rule have, each with its group."""
        mine = bars.filter(self._rules(bars) == 0)
        counts = mine.select(pl.col("agg_record_count").cast(pl.Int64).alias("rows"))
        return counts.with_columns(self.numbers.of(mine).alias(GROUP)).select(GROUP, "rows") if self.by else counts

    def _rules(self, bars: pl.DataFrame) -> pl.Series:
        """The number of the rule of each bar."""
        if self.label is None:
            return pl.repeat(0, bars.height, dtype=pl.UInt32, eager=True)
        numbers = list(range(len(self._labels)))
        return bars[self.label].replace_strict(self._labels, numbers, return_dtype=pl.UInt32)

    def _with_values(self, bars: pl.DataFrame, *, ended: bool) -> pl.DataFrame:
        rules = self._rules(bars)
        groups = self.numbers.of(bars, learn=ended) if self.by else None
        given, told = bars, bars.select(*self.by, "open_time")
        if self.bound.aggregations:
            counts = bars["agg_record_count"]
            parts: list[pl.DataFrame] = []
            for rule, held in enumerate(self.held):
                mine = (rules == rule).arg_true()
                if not mine.len():
                    continue
                take = held.take if ended else held.look
                rows, order = take(None if groups is None else groups[mine], counts[mine])
                places = mine[order]
                values = evaluated(rows, self.bound.aggregations, told, places)
                parts.append(values.with_columns(places.alias(_PLACE)))
            made = pl.concat(parts).sort(_PLACE).drop(_PLACE)
            bars = bars.hstack(self._of_dtypes(made).get_columns())
        if self.bound.windows:
            series = rules if groups is None else groups.cast(pl.UInt32) * len(self.held) + rules
            seen = ~bars["close_reason"].cast(pl.String).is_in(_UNSEEN)
            values = self.before.values(bars, told, series, seen, keep=ended)
            bars = bars.hstack(self._of_dtypes(values).get_columns())
        return self._in_order(given, bars)

    def _in_order(self, given: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
        """The columns of bars, then ours as they were asked for."""
        return picked(made, [*given.columns, *self.bound.schema])

    def _of_dtypes(self, made: pl.DataFrame) -> pl.DataFrame:
        """That values have the dtypes that they were said to have."""
        for name, dtype in made.schema.items():
            if dtype != self.bound.schema[name]:
                msg = (
                    f"`{cut(name)}` must be {self.bound.schema[name]}, as Polars said before it ran, and is {dtype}: "
                    "pass `return_dtype` to its function"
                )
                raise RangeBarError(msg)
        return made
