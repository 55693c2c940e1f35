"""
The fields of files: what they are parsed as, which values come of them, and what must be true of these.

They depend on the layout of a file and on what was asked for, not on its rows. To build the expressions takes as long
as to read a file of a few rows, so files of one layout share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final, Literal, NamedTuple

import polars as pl

from rangebar_polars._common.parameters import MOST_DECIMALS, USUAL_DECIMALS
from rangebar_polars._readers.layout import Layout
from rangebar_polars._readers.numbers import EXACT, has_decimals, quotient
from rangebar_polars._readers.preset import FIELDS, FileUnit, Preset, required_fields
from rangebar_polars._readers.times import Times

__all__ = ["ONLY", "Fields", "Numbers", "Shared", "schema_of", "side_dtype", "words_of"]

ONLY: Final = "only"
"""The column that tells whether a row is a trade."""

_SIDES: Final = ("bid", "ask")
_PRICES: Final = ("price", "bid", "ask")
_SIZES: Final = ("quantity", "bid_size", "ask_size")
_IDS: Final = ("agg_trade_id", "first_trade_id", "last_trade_id")


class Numbers(NamedTuple):
    """How numbers and times come out."""

    price_decimals: int = USUAL_DECIMALS
    decimal: bool = False
    """Whether they are decimals rather than doubles."""
    clock: Literal["us", "ns"] = "us"


def schema_of(fields: Sequence[str], numbers: Numbers) -> pl.Schema:
    """The schema of the fields."""
    dtypes: dict[str, pl.DataType] = {}
    for name in FIELDS:
        if name not in fields:
            continue
        if name in _PRICES:
            dtypes[name] = pl.Decimal(38, numbers.price_decimals) if numbers.decimal else pl.Float64()
        elif name in _SIZES:
            dtypes[name] = pl.Decimal(38, USUAL_DECIMALS) if numbers.decimal else pl.Float64()
        elif name in _IDS:
            dtypes[name] = pl.Int64()
        elif name == "timestamp":
            dtypes[name] = pl.Datetime(numbers.clock, "UTC")
        else:
            dtypes[name] = pl.String() if name == "symbol" else pl.Boolean()
    return pl.Schema(dtypes)


def words_of(preset: Preset) -> list[str]:
    """All words of the column of sides."""
    return [*preset.sells, *preset.buys, *preset.no_side]


def side_dtype(preset: Preset, written: str) -> pl.DataType:
    """What sides are parsed as, if the first row has one that is written so."""
    if written.lower() in ("true", "false") and "true" in preset.sells and "false" in preset.buys:
        return pl.Boolean()
    words = dict.fromkeys(form for word in words_of(preset) for form in (word, word.title(), word.upper()))
    return pl.Enum([*words])


@dataclass(frozen=True)
class Fields:
    """The fields of the files of one layout; what is computed from them is kept."""

    layout: Layout
    preset: Preset
    numbers: Numbers
    times: Times
    sides: pl.DataType
    """What sides are parsed as."""
    schema: pl.Schema
    """Of the result."""

    @property
    def unit(self) -> FileUnit | None:
        """Of times that are numbers."""
        return self.times.unit

    @cached_property
    def positions(self) -> dict[str, int]:
        """The numbers of all columns that are read."""
        return self.layout.positions | ({} if self.layout.only is None else {ONLY: self.layout.only})

    @cached_property
    def dtypes(self) -> dict[str, pl.DataType]:
        """What the columns that are read are parsed as."""
        return {name: self._dtype(name) for name in self.positions}

    @cached_property
    def csv_schema(self) -> dict[str, pl.DataType]:
        """What the columns of a text are read as: decimals as texts, because Polars rounds what they do not hold."""
        names = {position: name for name, position in self.positions.items()}
        schema: dict[str, pl.DataType] = {}
        for number in range(self.layout.width):
            name = names.get(number)
            dtype = pl.String() if name is None else self.dtypes[name]
            schema[f"_{number}" if name is None else name] = pl.String() if dtype.is_decimal() else dtype
        return schema

    @cached_property
    def long_names(self) -> list[str]:
        """Fields that are decimals."""
        return [name for name in self.layout.positions if self.dtypes[name].is_decimal()]

    @cached_property
    def optional(self) -> list[str]:
        """Fields that a row may leave empty: side and ids, and one side of a quote with its size."""
        quotes = ["bid", "ask", "bid_size", "ask_size"] if required_fields(self.preset)[1] == "bid" else []
        return [name for name in ("is_buyer_maker", *_IDS, *quotes) if name in self.layout.positions]

    @cached_property
    def checks(self) -> dict[str, pl.Expr]:
        """What must be true of every row, by the reason that a row has if it is not."""
        return self._checks(quick=False)

    @cached_property
    def all_quickly(self) -> pl.Expr:
        """Whether all rows are right; the answer may be no where that of :attr:`all_right` is yes."""
        return _all(self._checks(quick=True))

    @cached_property
    def all_right(self) -> pl.Expr:
        """Whether all rows are right."""
        return _all(self.checks)

    @cached_property
    def values(self) -> dict[str, pl.Expr]:
        """The result, from fields that are right, but for the symbol of the file."""
        return self.values_of(self.sides)

    def values_of(self, sides: pl.DataType) -> dict[str, pl.Expr]:
        """As :attr:`values`, of rows whose sides have a dtype."""
        values: dict[str, pl.Expr] = {}
        for name, dtype in self.schema.items():
            known = name in self.layout.positions
            values[name] = (self._value(name, sides) if known else pl.lit(None, dtype=dtype)).alias(name)
        return values

    def decimals(self, name: str) -> int:
        """How many decimals a number may have."""
        return self.numbers.price_decimals if name in _PRICES else USUAL_DECIMALS

    def scale_of(self, name: str) -> int:
        """How many decimals the dtype of a field has."""
        dtype = self.dtypes[name]
        return dtype.scale if isinstance(dtype, pl.Decimal) else 0

    def is_long(self, name: str, text: pl.Expr) -> pl.Expr:
        """Whether a text may have more digits than its decimal holds."""
        # A point, and digits before it: a time that is none too early has nine of these.
        most = self.scale_of(name) + (9 if name == "timestamp" and self.preset.clock == "epoch" else 1)
        return (text.str.len_bytes() > most) | text.str.contains("[eE]")

    def _dtype(self, name: str) -> pl.DataType:
        if name in ("symbol", ONLY):
            return pl.String()
        if name == "timestamp":
            return self.times.dtype()
        if name == "is_buyer_maker":
            return self.sides
        if name in _IDS or self._scale(name):
            return pl.Int64()  # a price with a point would not be an integer of so many decimals
        if not self.numbers.decimal:
            return pl.Float64()
        return pl.Decimal(38, 18 if self.decimals(name) <= 12 else 28)  # noqa: PLR2004  (more behind, fewer before)

    def _value(self, name: str, sides: pl.DataType) -> pl.Expr:
        if name in _PRICES + _SIZES:
            number = self._number(name)
            if name in _SIDES:
                number = pl.when(number != 0).then(number)  # some vendors write 0 where there is none
            return number.cast(self.schema[name]) if self.numbers.decimal else number
        if name == "timestamp":
            return self.times.value()
        if name == "is_buyer_maker" and sides != pl.Boolean:
            side = pl.col(name)
            sells = _said(sides, self.preset.sells)
            silent = _said(sides, self.preset.no_side)
            known = pl.when(~side.is_in(silent)) if silent else pl.when(side.is_not_null())
            return known.then(side.is_in(sells))
        return pl.col(name)

    def _number(self, name: str) -> pl.Expr:
        number, scale = pl.col(name), self._scale(name)
        if not scale:
            return number
        if self.numbers.decimal:
            return number.cast(pl.Decimal(38, MOST_DECIMALS)) * pl.lit(Decimal(10) ** -scale)
        # A quotient of integers is the double nearest to the price, as if the file had written it with its point.
        return quotient(number.cast(pl.Float64), 10**scale)

    def _scale(self, name: str) -> int:
        return self.preset.price_decimals_in_file if name in _PRICES else 0

    def _checks(self, *, quick: bool) -> dict[str, pl.Expr]:
        checks: dict[str, list[pl.Expr]] = {
            "unparsable": [self.times.is_right()],
            "time_unit": [self.times.is_whole()],
            "non_positive": [],
            "decimals": [],
        }
        for name in self.layout.positions:
            if name in _PRICES:
                positive = pl.col(name) >= 0 if name in _SIDES else pl.col(name) > 0
                checks["non_positive"].append(positive.fill_null(value=True))
            if name in _SIZES:
                checks["non_positive"].append((pl.col(name) >= 0).fill_null(value=True))
            if name in _PRICES + _SIZES:
                checks["decimals"].append(self._exact(name, quick=quick).fill_null(value=True))
        return {reason: pl.all_horizontal(each) for reason, each in checks.items() if each}

    def _exact(self, name: str, *, quick: bool) -> pl.Expr:
        """
        Whether a number is what the file says: it has not too many decimals, and a double can hold it.

        The quick answer is no for large integers.
        """
        number, decimals = self._number(name), self.decimals(name)
        if self.numbers.decimal:
            return number.cast(pl.Decimal(38, decimals), strict=False) == number
        exact = has_decimals(number, decimals, quick=quick)
        return exact & (pl.col(name) < int(EXACT)) if self._scale(name) else exact


class Shared:
    """The fields of the file that was read before, which are mostly those of the next one, too."""

    def __init__(self) -> None:
        self._last: Fields | None = None

    def of(self, fields: Fields) -> Fields:
        """These fields, or equal ones whose expressions are built already."""
        if self._last is None or self._last != fields:
            self._last = fields
        return self._last


def _all(checks: dict[str, pl.Expr]) -> pl.Expr:
    return pl.all_horizontal(check.all() for check in checks.values())


def _said(dtype: pl.DataType, words: Sequence[str]) -> list[str]:
    """Words in the forms in which a column has them."""
    if isinstance(dtype, pl.Enum):
        return [word for word in dtype.categories if word.lower() in words]
    return list(words)
