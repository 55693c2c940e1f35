"""
Aggregations over the trades of each bar: which rows are of which bar, and which of a bar that still forms.

A bar holds the rows of its group that follow those of the bar before, and it counts them. So the bars that ended take
the first rows that are held of their group, each as many as it counts, and the others are of the bar that forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from rangebar_polars._bars.own_features import BAR, OURS, OwnColumn
from rangebar_polars._common.messages import cut, shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["GROUP", "GroupNumbers", "HeldRows", "evaluated"]

GROUP: Final = f"{OURS}group__"
"""The column that has the number of the group of a row."""

_PLACE: Final = f"{OURS}place__"

_FEW_FRAMES: Final = 64
"""Frames that are held as they came; more are made one, unless they are long."""

_LONG: Final = 1_024


class GroupNumbers:
    """Numbers of groups, in the order in which they first appeared."""

    def __init__(self, keys: pl.DataFrame) -> None:
        self.keys = keys
        """The key of each group, at the place of its number."""

    def sorted(self, rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        """Some columns of rows, by their groups, in each as they were, with the numbers of these."""
        numbers = self._numbers(rows)
        return pl.DataFrame([numbers[GROUP], *rows.select(columns)[numbers[_PLACE]].get_columns()])

    def of(self, rows: pl.DataFrame, *, learn: bool = True) -> pl.Series:
        """The number of the group of each row; without learning, new groups are forgotten again."""
        known = self.keys
        numbers = self._numbers(rows).sort(_PLACE)[GROUP]
        self.keys = self.keys if learn else known
        return numbers

    def _numbers(self, rows: pl.DataFrame) -> pl.DataFrame:
        by, known = self.keys.columns, self.keys.height
        keys = pl.concat([self.keys, rows.select(by)], rechunk=True).with_row_index(_PLACE)
        groups = keys.group_by(by, maintain_order=True).agg(_PLACE)
        self.keys = groups.select(by)
        places = groups.select(_PLACE).with_row_index(GROUP).explode(_PLACE)
        return places.filter(pl.col(_PLACE) >= known).with_columns(pl.col(_PLACE) - known)


class HeldRows:
    """The rows of the forming bars of one rule."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self.height = 0

    def copy(self) -> HeldRows:
        """The same, to go back to: frames are never altered."""
        held = HeldRows()
        held._frames, held.height = list(self._frames), self.height
        return held

    def add(self, rows: pl.DataFrame) -> None:
        """More rows, behind those of their group."""
        if not rows.height:
            return
        self._frames.append(rows)
        self.height += rows.height
        if len(self._frames) > _FEW_FRAMES + self.height // _LONG:
            self._frames = [pl.concat(self._frames, rechunk=True)]

    def rows(self) -> pl.DataFrame | None:
        """All of them; None if there is none."""
        return pl.concat(self._frames, rechunk=False) if self._frames else None

    def keep(self, rows: pl.DataFrame) -> None:
        """These instead of those that there are."""
        self._frames = [rows] if rows.height else []
        self.height = rows.height

    def take(self, groups: pl.Series | None, counts: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """
        Takes the rows of bars that ended, by their groups and the numbers of their rows.

        Returns the rows, those of a bar together with its number in `BAR`, and the bars in that order.
        """
        rows, taken, bars = self._split(groups, counts)
        self._frames = [frame for frame in rows if frame.height]
        self.height = sum(frame.height for frame in self._frames)
        return taken, bars

    def look(self, groups: pl.Series | None, counts: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """The same for bars that still form: nothing is taken."""
        _, taken, bars = self._split(groups, counts)
        return taken, bars

    def _split(self, groups: pl.Series | None, counts: pl.Series) -> tuple[list[pl.DataFrame], pl.DataFrame, pl.Series]:
        rows = self.rows()
        places = pl.int_range(counts.len(), dtype=pl.UInt32, eager=True)
        if rows is None or int(counts.sum()) > rows.height:
            raise _out_of_step()
        if groups is None:
            total = int(counts.sum())
            return [rows[total:]], _of_bars(rows[:total], places.repeat_by(counts).explode()), places
        is_ended = rows[GROUP].is_in(groups.unique().implode())
        others, rows = rows.filter(~is_ended), rows.filter(is_ended).sort(GROUP, maintain_order=True)
        bars = pl.DataFrame({GROUP: groups, "rows": counts.cast(pl.Int64), "bar": places})
        held = pl.concat(
            [rows.select(GROUP, pl.lit(1, dtype=pl.Int64).alias("rows")), bars.select(GROUP, -pl.col("rows"))]
        )
        left = held.group_by(GROUP, maintain_order=True).agg(pl.col("rows").sum())
        if (left["rows"] < 0).any():
            raise _out_of_step()
        # Of each group: its bars in their order, then what is left of its rows.
        runs = pl.concat([bars, left.select(GROUP, "rows", pl.lit(None, dtype=pl.UInt32).alias("bar"))])
        runs = runs.filter(pl.col("rows") > 0).sort(GROUP, maintain_order=True)
        bar = runs["bar"].repeat_by(runs["rows"]).explode()
        ended = runs["bar"].drop_nulls()
        number = pl.int_range(ended.len(), dtype=pl.UInt32, eager=True)
        numbers = number.repeat_by(counts[ended]).explode()
        return [others, rows.filter(bar.is_null())], _of_bars(rows.filter(bar.is_not_null()), numbers), ended


def _of_bars(rows: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
    return rows.rechunk().with_columns(numbers.alias(BAR).set_sorted())


def _out_of_step() -> RangeBarError:
    return RangeBarError("the bars count other trades than are held: this is a fault of the library, please report it")


def evaluated(rows: pl.DataFrame, columns: Sequence[OwnColumn], bars: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """
    The value of each expression for each number in `BAR`; `places` are the rows of their bars among `bars`.

    The rows of a bar lie together, in one chunk, so a value depends on nothing else.
    """
    named = [column.expression.alias(column.name) for column in columns]
    try:
        return _grouped(rows, named)
    except (Exception, pl.exceptions.PanicException) as error:
        if isinstance(error, RangeBarError):
            raise
        raise _failure(rows, columns, bars, places, error) from error


def _grouped(rows: pl.DataFrame, named: list[pl.Expr]) -> pl.DataFrame:
    grouped = rows.lazy().group_by(BAR, maintain_order=True).agg(named)
    return grouped.collect(engine="in-memory").drop(BAR)


def _failure(
    rows: pl.DataFrame, columns: Sequence[OwnColumn], bars: pl.DataFrame, places: pl.Series, error: BaseException
) -> RangeBarError:
    """The error of the first expression that fails, with the first bar that it fails on."""
    told, where = "an expression", ""
    for column in columns:
        first, last = 0, places.len()
        if _fails(rows, column, first, last) is None:
            continue
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (first, middle) if _fails(rows, column, first, middle) is not None else (middle, last)
        error, told = _fails(rows, column, first, last) or error, column.told
        bar = bars.row(places[first], named=True)
        keys = "".join(f"{name}={shown(value)} " for name, value in bar.items() if name != "open_time")
        where = f" on the bar {keys}that opened at {bar['open_time']}"
        break
    lines = (str(error) or type(error).__name__).splitlines()
    return RangeBarError(f"{told} fails{where}: {cut(lines[0], 300)}; mend the expression, or filter out such trades")


def _fails(rows: pl.DataFrame, column: OwnColumn, first: int, last: int) -> BaseException | None:
    some = rows.filter(pl.col(BAR).is_between(first, last - 1)).with_columns(pl.col(BAR).set_sorted())
    try:
        _grouped(some, [column.expression.alias(column.name)])
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  (a function of the user raises what it likes)
        return error
    return None
