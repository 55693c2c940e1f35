"""Detection of a column that looks like a key and is not in `by`: bars would mix the prices of several symbols."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import polars as pl

from rangebar_polars._common.messages import cut, shown
from rangebar_polars._engine.plans import in_files, in_memory, rows_known
from rangebar_polars._engine.reading import batches
from rangebar_polars.exceptions import RangeBarWarning

__all__ = ["ForgottenKey", "KeySearch", "key_like"]

_NAMES: Final = frozenset(
    {
        "asset", "coin", "contract", "currencypair", "cusip", "figi", "instid", "instrument", "instrumentid",
        "instrumentname", "isin", "market", "pair", "productid", "ric", "securityid", "sym", "symbol", "ticker",
        "tradingpair",
    }
)  # fmt: skip
"""
Names of the column that says what was traded, in lower case and without separators.

The venue is not among them: trades of one share on several exchanges have one price.
"""

_ROWS: Final = 4_096
"""Rows at the beginning and at the end of a frame that are searched."""

_FRAMES: Final = 64
"""Frames that are searched before a stream is assumed to have one symbol."""


_OURS: Final = {"rangebar_polars", "polars"}
"""Packages that stand between the user and the warning."""


def key_like(by: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns that are named like keys and are not in `by`."""
    return [name for name in columns if name not in by and re.sub("[^a-z]", "", name.lower()) in _NAMES]


_MIXED: Final = "trades go into the same bars"
"""What becomes of trades without the key."""


class ForgottenKey:
    """
    Search of the first frames of one query or stream, with one warning if a key seems to be forgotten.

    A column with one value in each group of `by` is not a key: a ticker beside the symbol that it stands for.

    Parameters
    ----------
    by
        The key columns that were named.
    columns
        Columns of the trades.
    mixed
        What happens without the key.
    """

    def __init__(self, by: Sequence[str], columns: Sequence[str], mixed: str = _MIXED) -> None:
        self._mixed = mixed
        self._by = list(by)
        self._names = key_like(by, columns)
        self._left = _FRAMES if self._names else 0
        self._seen: list[pl.DataFrame] = []

    def look(self, trades: pl.DataFrame) -> None:
        """Search a frame of trades; nothing in it is an error, and no frame is searched after the warning."""
        if self._left == 0 or trades.is_empty():
            return
        self._left -= 1
        columns = [*self._by, *self._names]
        if not all(_is_scalar(trades.schema.get(name)) for name in columns):
            self._left = 0
            return
        ends = trades if trades.height <= 2 * _ROWS else pl.concat([trades.head(_ROWS), trades.tail(_ROWS)])
        # As text, so that later frames cannot change the dtype.
        seen = ends.select(pl.col(columns).cast(pl.String, strict=False)).unique(maintain_order=True)
        seen = pl.concat([*self._seen, seen]).unique(maintain_order=True)
        self._seen = [seen]
        for name in self._names:
            values = self._values(seen, name)
            if values is not None:
                self._left = 0
                warnings.warn(self._text(name, *values), RangeBarWarning, stacklevel=_levels_of_ours())
                return

    def _values(self, seen: pl.DataFrame, name: str) -> tuple[object, object] | None:
        """Two values that a column has in one group."""
        first = pl.col(name).first().over(self._by) if self._by else pl.col(name).first()
        others = seen.select(first=first, other=pl.col(name)).filter(pl.col("first").ne_missing(pl.col("other")))
        return None if others.is_empty() else (others["first"][0], others["other"][0])

    def _text(self, name: str, one: object, other: object) -> str:
        by = ", ".join(f'"{key}"' for key in (*self._by, name))
        remedy = f"by=[{by}]" if self._by else f"by={by}"
        return (
            f"column `{cut(name)}` holds several values, such as {shown(one)} and {shown(other)}, and is not in `by`: "
            f"their {self._mixed}; `{remedy}` keeps them apart"
        )


@dataclass(frozen=True)
class KeySearch:
    """The same search for a query: at once if the rows are in memory, before they are read if they are in files."""

    frame: pl.LazyFrame
    by: Sequence[str]
    mixed: str = _MIXED

    def at_once(self) -> None:
        """Warn at the user's line, if the rows are in memory."""
        if self._looked_at and in_memory(self.frame.select(self._looked_at)):
            self._search.look(self._ends.collect())

    def before_reading(self) -> Generator[None]:
        """Warn if the rows are in files; stops after each batch, so that something can be passed on meanwhile."""
        if self._looked_at and in_files(self.frame.select(self._looked_at)):
            search = self._search
            with closing(batches(self._ends, self._looked_at)) as ends:
                for batch in ends:
                    search.look(batch)
                    yield

    @property
    def _search(self) -> ForgottenKey:
        return ForgottenKey(self.by, self._looked_at, self.mixed)

    @property
    def _looked_at(self) -> list[str]:
        """The columns to search for a forgotten key, if one looks like a key."""
        schema = self.frame.collect_schema()
        keys = [name for name in key_like(self.by, schema.names()) if _is_scalar(schema[name])]
        return [*self.by, *keys] if keys else []

    @property
    def _ends(self) -> pl.LazyFrame:
        """
        These columns for the first rows, and for the last ones if they can be read without the others.

        This is a query of its own: reading such a column along with all trades took a third longer.
        """
        columns = self.frame.select(self._looked_at)
        return pl.concat([columns.head(_ROWS), columns.tail(_ROWS)]) if rows_known(columns) else columns.head(_ROWS)


def _is_scalar(dtype: pl.DataType | None) -> bool:
    """Whether values of a dtype can be distinguished as text."""
    return dtype is not None and not dtype.is_nested() and dtype != pl.Object


def _levels_of_ours() -> int:
    """How many calls lie between this one and the user's, whose line the warning names."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        level, frame = level + 1, frame.f_back
    return level
