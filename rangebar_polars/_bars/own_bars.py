"""Expressions over bars: the window of each bar, which are the last bars before it that ended by their rule, and it."""

from __future__ import annotations

from typing import Final

import polars as pl

from rangebar_polars._bars.own_features import BAR, OURS, BoundFeatures
from rangebar_polars._bars.own_rows import evaluated

__all__ = ["SERIES", "BarsBefore"]

SERIES: Final = f"{OURS}series__"
"""The column that says of which group and rule a bar is: only bars of one of them follow each other."""

_SEEN: Final = f"{OURS}seen__"
"""The column that says whether later bars see a bar."""

_MOST_ROWS: Final = 1 << 20
"""Rows of windows that are computed at once: each is a copy of its bars."""


class BarsBefore:
    """The last bars of each group and rule, as far as later ones see them."""

    def __init__(self, bound: BoundFeatures) -> None:
        self._bound = bound
        self._lookback = max((lookback for lookback, _ in bound.windows), default=0)
        self.kept = pl.DataFrame(schema={SERIES: pl.UInt32(), **bound.of_bars})
        """Those that are kept, of each series in their order."""

    def in_order(self) -> pl.DataFrame:
        """Those that are kept, by their series."""
        return self.kept.sort(SERIES, maintain_order=True)

    def values(
        self, bars: pl.DataFrame, told: pl.DataFrame, series: pl.Series, seen: pl.Series, *, keep: bool
    ) -> pl.DataFrame:
        """The values for bars, of which later ones see some; and keeps those, unless they only are looked at."""
        of_bars = list(self._bound.of_bars)
        new = bars.select(of_bars).with_columns(series.cast(pl.UInt32).alias(SERIES), seen.alias(_SEEN))
        new = new.with_row_index(BAR)
        touched = self.kept[SERIES].is_in(series.unique().implode())
        before = self.kept.filter(touched).with_columns(
            pl.lit(None, dtype=pl.UInt32).alias(BAR), pl.lit(value=True).alias(_SEEN)
        )
        both = pl.concat([before.select(new.columns), new]).sort(SERIES, maintain_order=True)
        parts = [
            self._of_windows(both, lookback, told) for lookback in dict.fromkeys(n for n, _ in self._bound.windows)
        ]
        if keep:
            last = both.filter(_SEEN).group_by(SERIES, maintain_order=True).tail(self._lookback)
            self.kept = pl.concat([self.kept.filter(~touched), last.select(self.kept.columns)])
        return pl.concat(parts, how="horizontal")

    def renumber(self, groups: pl.Series, anew: pl.Series, rules: int) -> None:
        """Forget all groups but some, which get other numbers."""
        group = self.kept[SERIES] // rules
        kept = self.kept.filter(group.is_in(groups.implode()))
        number = (pl.col(SERIES) // rules).replace_strict(groups, anew, return_dtype=pl.UInt32)
        self.kept = kept.with_columns(number * rules + pl.col(SERIES) % rules)

    def _of_windows(self, both: pl.DataFrame, lookback: int, told: pl.DataFrame) -> pl.DataFrame:
        columns = [column for reach, some in self._bound.windows if reach == lookback for column in some]
        # Numbers among the bars that are seen: where the window of each bar begins, and where it would be itself.
        windows = both.select(
            pl.col(BAR),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("own"),
            (pl.col(_SEEN).cum_sum().cast(pl.Int64) - pl.col(_SEEN).cast(pl.Int64)).alias("end"),
            pl.col(SERIES),
        )
        windows = windows.with_columns(pl.col("end").min().over(SERIES).alias("first"))
        windows = windows.with_columns(pl.max_horizontal("first", pl.col("end") - lookback).alias("start"))
        windows = windows.filter(pl.col(BAR).is_not_null())
        seen = both.select(pl.int_range(pl.len(), dtype=pl.Int64).filter(_SEEN)).to_series()
        plain = both.select(list(self._bound.of_bars))
        parts: list[pl.DataFrame] = []
        step = max(1, _MOST_ROWS // (lookback + 1))
        for some in windows.iter_slices(step):
            numbered = some.with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias("window"))
            ranges = numbered.select("window", "own", "end", pl.int_ranges("start", pl.col("end") + 1).alias("at"))
            ranges = ranges.explode("at")
            place = (
                pl.when(pl.col("at") == pl.col("end"))
                .then("own")
                .otherwise(
                    pl.lit(seen).gather(pl.col("at").clip(0, max(seen.len() - 1, 0))) if seen.len() else pl.col("own")
                )
            )
            rows = plain[ranges.select(place.alias("row"))["row"]]
            if not plain.width:
                rows = pl.DataFrame({"_": ranges["at"]})
            rows = rows.with_columns(ranges["window"].alias(BAR).set_sorted())
            parts.append(evaluated(rows, columns, told, some[BAR]))
        values = pl.concat(parts)
        return values.with_columns(windows[BAR]).sort(BAR).drop(BAR)
