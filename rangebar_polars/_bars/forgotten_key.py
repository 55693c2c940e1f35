"""Detection of a column that looks like a key and is not in `by`: bars would mix the prices of several symbols."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Sequence
from typing import Final

import polars as pl

from rangebar_polars._common.messages import cut, shown
from rangebar_polars.exceptions import RangeBarWarning

__all__ = ["ROWS", "ForgottenKey", "is_scalar", "key_like"]

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

ROWS: Final = 4_096
"""Rows at the beginning and at the end of a frame that are searched."""

_FRAMES: Final = 64
"""Frames that are searched before a stream is assumed to have one symbol."""


_OURS: Final = {"rangebar_polars", "polars"}
"""Packages that stand between the user and the warning."""


def key_like(by: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns that are named like keys and are not in `by`."""
    return [name for name in columns if name not in by and re.sub("[^a-z]", "", name.lower()) in _NAMES]


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

    def __init__(self, by: Sequence[str], columns: Sequence[str], mixed: str = "trades go into the same bars") -> None:
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
        if not all(is_scalar(trades.schema.get(name)) for name in columns):
            self._left = 0
            return
        ends = trades if trades.height <= 2 * ROWS else pl.concat([trades.head(ROWS), trades.tail(ROWS)])
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


def is_scalar(dtype: pl.DataType | None) -> bool:
    """Whether values of a dtype can be distinguished as text."""
    return dtype is not None and not dtype.is_nested() and dtype != pl.Object


def _levels_of_ours() -> int:
    """How many calls lie between this one and the user's, whose line the warning names."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        level, frame = level + 1, frame.f_back
    return level
