"""What the files of a vendor look like, as a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import polars as pl

from rangebar_polars._common.messages import listed, shown
from rangebar_polars._common.parameters import MOST_DECIMALS
from rangebar_polars.exceptions import RangeBarError

__all__ = ["FIELDS", "Clock", "FileUnit", "Preset", "required_fields"]

Clock: TypeAlias = Literal["epoch", "midnight", "text"]
"""How a file writes times: a number since 1970, a number since local midnight, or a text."""

FileUnit: TypeAlias = Literal["s", "ms", "us", "ns"]
"""The unit of times that are numbers."""

TRADE_FIELDS: Final = ("timestamp", "price", "quantity")
QUOTE_FIELDS: Final = ("timestamp", "bid", "ask")

FIELDS: Final = (
    "symbol",
    "timestamp",
    "price",
    "quantity",
    "is_buyer_maker",
    "agg_trade_id",
    "first_trade_id",
    "last_trade_id",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
)
"""What a column of a file can be, in the order in which the readers return it."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    r"""
    What the files of a vendor look like: which column is what, how times and sides are written.

    A preset is data: :func:`scan_trades` and :func:`scan_quotes` read every file in the same way, and take from the
    preset only what is different from vendor to vendor. Those that come with the library are named (``"kraken"``);
    make one of your own with ``Preset(...)``, or change a named one with ``Preset.named("kraken").but(...)``.

    Parameters
    ----------
    name
        How messages call it.
    columns
        The columns that a file has, by what they are: ``{"timestamp": "transact_time", "price": "price"}``. What they
        can be: `symbol`, `timestamp`, `price`, `quantity`, `is_buyer_maker` (the side), `agg_trade_id`,
        `first_trade_id`, `last_trade_id`; for quotes `bid`, `ask`, `bid_size`, `ask_size`. A value is a name in the
        header (letter case does not matter), several names that files may use, or the number of the column from 0.
    header
        The names of all columns, in the order in which files without a header have them. None: a file must have one,
        unless all columns are given by number.
    clock
        "epoch": a number since 1970 in UTC; "midnight": a number since midnight of the date in the name of the file;
        "text": a date and a time.
    time_unit
        The unit of times that are numbers: "s", "ms", "us", "ns". None: found for each file by its digits (10, 13, 16
        or 19, or one less before September 2001).
    time_zone
        Where midnights and texts are local, UTC if None: a name such as "America/New_York". A text that ends with Z is
        in UTC. A time that clocks show twice, in autumn, is the first of both; one that they skip is `unparsable`.
    time_format
        The format of texts in Polars' notation, such as ``"%d.%m.%Y %H:%M:%S%.f"``. None: ISO 8601, as
        "2024-01-02 03:04:05.123", also with "T" and with "Z"; a text with another offset is `unparsable`.
    sells, buys, no_side
        The words of the side column that mean a sale by the aggressor, a purchase by it, and a side that the venue
        does not know, in lower case.
    price_decimals_in_file
        Prices that are integers of 10^-n: LEAN and LOBSTER write 4, Databento 9. A price with a point is then
        `unparsable`.
    delimiter
        What separates columns.
    only
        A column and the words in it that make a row a trade: ``("action", ("T",))``. Other rows are counted in the
        report as `not_a_trade`.
    file_name
        A regular expression for the names of files, with groups ``symbol`` and ``date`` where they are there. It must
        match the whole name without its endings (``.csv``, ``.txt``, ``.gz``, ``.zip``, ``.zst``, ``.dbn``,
        ``.parquet``): ``r"(?P<symbol>[A-Z]+)_\d{4}"`` for ``FDAX_2024.csv.gz``. Symbols come out in capital letters. A
        name that it does not match tells no symbol, which is an error unless ``symbol=`` is given. An archive and its
        member whose names disagree are an error, too.

    Raises
    ------
    RangeBarError
        If a column or a value is not one of those above.

    Examples
    --------
    >>> import rangebar_polars as rb
    >>> ours = rb.Preset(
    ...     name="our logger",
    ...     columns={"timestamp": "t", "price": "px", "quantity": "size", "is_buyer_maker": "aggressor"},
    ...     time_unit="ms",
    ... )
    >>> ours.time_unit
    'ms'
    >>> rb.Preset.named("kraken").columns["quantity"]
    'volume'
    """

    name: str
    columns: Mapping[str, str | int | tuple[str, ...]]
    header: tuple[str, ...] | None = None
    clock: Clock = "epoch"
    time_unit: FileUnit | None = None
    time_zone: str | None = None
    time_format: str | None = None
    sells: tuple[str, ...] = ("true", "1", "sell", "s", "ask", "a")
    buys: tuple[str, ...] = ("false", "0", "buy", "b", "bid")
    no_side: tuple[str, ...] = ()
    price_decimals_in_file: int = 0
    delimiter: str = ","
    only: tuple[str, tuple[str, ...]] | None = None
    file_name: str | None = None

    def __post_init__(self) -> None:
        """Check what was given."""
        if not isinstance(self.name, str) or not self.name:
            msg = f"`name` must be a text, got {shown(self.name)}"
            raise RangeBarError(msg)
        self._check_columns()
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))  # nobody may change it later
        for name in ("header", "sells", "buys", "no_side"):
            self._check_words(name, getattr(self, name))
        self._check_times()
        self._check_sides()
        decimals = self.price_decimals_in_file
        if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= MOST_DECIMALS:
            msg = f"`price_decimals_in_file` must be an integer from 0 to {MOST_DECIMALS}, got {shown(decimals)}"
            raise RangeBarError(msg)
        delimiter = self.delimiter
        if not isinstance(delimiter, str) or len(delimiter.encode()) != 1 or delimiter in '"\r\n':
            msg = f"`delimiter` must be one ASCII letter, and no quote or end of a line, got {shown(delimiter)}"
            raise RangeBarError(msg)
        self._check_only()
        self._check_file_name()

    def _check_columns(self) -> None:
        if not isinstance(self.columns, Mapping) or not self.columns:
            msg = f"`columns` must map what a column is to its name, got {shown(self.columns)}"
            raise RangeBarError(msg)
        for field, column in self.columns.items():
            if field not in FIELDS:
                msg = f"`columns` has {shown(field)}, which is nothing that a column can be: one of {listed(FIELDS)}"
                raise RangeBarError(msg)
            names = column if isinstance(column, tuple) else (column,)
            if not names or not all(map(_is_column, names)):
                msg = f"`columns` must give `{field}` a name or a number from 0, got {shown(column)}"
                raise RangeBarError(msg)

    def _check_words(self, name: str, words: tuple[str, ...] | None) -> None:
        if name == "header" and words is None:
            return
        if not isinstance(words, tuple) or not all(isinstance(word, str) and word for word in words):
            msg = f"`{name}` must be a tuple of texts, got {shown(words)}"
            raise RangeBarError(msg)
        upper = [word for word in words if word != word.lower()]
        if upper and name != "header":
            msg = f"`{name}` must be in lower case, because letter case does not matter, got {listed(upper)}"
            raise RangeBarError(msg)

    def _check_times(self) -> None:
        if self.clock not in get_args(Clock):
            msg = f"`clock` must be {listed(get_args(Clock), mark=chr(34))}, got {shown(self.clock)}"
            raise RangeBarError(msg)
        if self.time_unit is not None and self.time_unit not in get_args(FileUnit):
            msg = f"`time_unit` must be {listed(get_args(FileUnit), mark=chr(34))} or None, got {shown(self.time_unit)}"
            raise RangeBarError(msg)
        if self.clock == "midnight" and self.time_unit is None:
            raise RangeBarError("times since midnight need their unit: give `time_unit`")
        if self.clock == "text" and self.time_unit is not None:
            raise RangeBarError("times as texts have no unit: leave `time_unit` out")
        if self.time_zone is not None and not _is_zone(self.time_zone):
            msg = f'`time_zone` must be a name such as "America/New_York", got {shown(self.time_zone)}'
            raise RangeBarError(msg)
        if self.time_format is None:
            return
        if not isinstance(self.time_format, str) or "%" not in self.time_format:
            msg = f'`time_format` must be a text such as "%d.%m.%Y %H:%M:%S%.f", got {shown(self.time_format)}'
            raise RangeBarError(msg)
        if self.clock != "text":
            msg = f'`time_format` is for times as texts, but `clock` is {shown(self.clock)}: give `clock="text"`'
            raise RangeBarError(msg)
        if "%z" in self.time_format or "%#z" in self.time_format or "%:z" in self.time_format:
            msg = f"`time_format` must not have an offset, got {shown(self.time_format)}: read such files with Polars"
            raise RangeBarError(msg)

    def _check_sides(self) -> None:
        overlapping = {*self.sells} & {*self.buys} | {*self.no_side} & {*self.sells, *self.buys}
        if overlapping:
            msg = f"a word of the side has two meanings: {listed(sorted(overlapping))}"
            raise RangeBarError(msg)

    def _check_only(self) -> None:
        if self.only is None:
            return
        column, words = self.only if isinstance(self.only, tuple) and len(self.only) == 2 else (None, None)  # noqa: PLR2004
        if (
            not isinstance(column, str)
            or not column
            or not isinstance(words, tuple)
            or not words
            or not all(isinstance(word, str) and word for word in words)
        ):
            msg = f"`only` must be a column and a tuple of words, as in ('action', ('T',)), got {shown(self.only)}"
            raise RangeBarError(msg)

    def _check_file_name(self) -> None:
        pattern = self.file_name
        if pattern is None:
            return
        try:
            groups = re.compile(pattern).groupindex
        except (re.error, TypeError) as error:
            msg = f"`file_name` must be a regular expression, got {shown(pattern)}: {error}"
            raise RangeBarError(msg) from None
        unknown = groups.keys() - {"symbol", "date"}
        if unknown:
            msg = f"`file_name` may have the groups `symbol` and `date`, got {listed(sorted(unknown))}"
            raise RangeBarError(msg)

    def __hash__(self) -> int:
        """Equal presets have equal hashes."""
        return hash((self.name, frozenset(self.columns.items()), self.header, self.clock, self.time_unit))

    def __repr__(self) -> str:
        """What differs from the defaults, as it can be written in Python."""
        told: list[str] = []
        for each in fields(self):
            value = getattr(self, each.name)
            if each.default is MISSING or value != each.default:
                told.append(f"{each.name}={dict(value) if each.name == 'columns' else value!r}")
        return f"Preset({', '.join(told)})"

    def __getstate__(self) -> dict[str, Any]:
        """The fields, as pickle takes them."""
        return {**self.__dict__, "columns": dict(self.columns)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the fields from what pickle had."""
        self.__dict__.update({**state, "columns": MappingProxyType(state["columns"])})

    @classmethod
    def named(cls, name: str) -> Preset:
        """The preset of a vendor; :meth:`names` lists them."""
        from rangebar_polars._readers.presets import PRESETS  # noqa: PLC0415  (a table of this type)

        if not isinstance(name, str) or name not in PRESETS:
            msg = f"there is no preset {shown(name)}: there are {listed(sorted(PRESETS))}"
            raise RangeBarError(msg)
        return PRESETS[name]

    @classmethod
    def names(cls) -> list[str]:
        """The names of the presets that come with the library."""
        from rangebar_polars._readers.presets import PRESETS  # noqa: PLC0415  (a table of this type)

        return sorted(PRESETS)

    def but(self, **changes: Any) -> Self:  # noqa: ANN401  (the fields above)
        """The same with some fields changed."""
        unknown = changes.keys() - self.__dataclass_fields__.keys()
        if unknown:
            msg = f"a preset has no {listed(sorted(unknown))}: it has {listed([*self.__dataclass_fields__])}"
            raise RangeBarError(msg)
        return replace(self, **changes)

    def aliases(self, field: str) -> tuple[str | int, ...]:
        """The names, or the number, that the column of a field may have; none if files do not have it."""
        column = self.columns.get(field, ())
        return column if isinstance(column, tuple) else (column,)


def _is_column(column: object) -> bool:
    """Whether something names a column, or gives its number."""
    if isinstance(column, int):
        return not isinstance(column, bool) and column >= 0
    return isinstance(column, str) and bool(column.strip())


def _is_zone(name: object) -> bool:
    """Whether Polars knows a time zone."""
    if not isinstance(name, str):
        return False
    try:
        pl.Series([None], dtype=pl.Datetime("us")).dt.replace_time_zone(name)
    except pl.exceptions.PolarsError:
        return False
    return True


def required_fields(preset: Preset) -> tuple[str, ...]:
    """What every row must have: a file of quotes is one with bids."""
    return QUOTE_FIELDS if "bid" in preset.columns or "ask" in preset.columns else TRADE_FIELDS
