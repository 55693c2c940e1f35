"""
A block of text as rows of the one schema that all readers have: fast if everything in it is right, else row by row.

The fast way parses with fixed dtypes and asks one question of the whole block. Any doubt leads to the slow way, which
reads the block as text, says of each row what is wrong with it, and gives the same values for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Final, NamedTuple

import polars as pl

from rangebar_polars._common.frames import picked
from rangebar_polars._common.messages import cut
from rangebar_polars._readers.blocks import Block
from rangebar_polars._readers.fields import ONLY, Fields, words_of
from rangebar_polars._readers.layout import split
from rangebar_polars._readers.times import unit_of

__all__ = ["LINE", "REASON", "TEXT", "Fast", "Parser", "is_cut"]

LINE: Final = "line"
TEXT: Final = "text"
REASON: Final = "reason"
"""Columns that the slow way adds."""

_AROUND: Final = ' \t\r"'
"""What may stand around a field."""

_ALL_DIGITS: Final = Context(prec=10_000)
_REPLACED: Final = "\ufffd".encode()
"""What stands for bytes that are no UTF-8."""


class Fast(NamedTuple):
    """What the fast way read of a block."""

    rows: pl.DataFrame
    others: int = 0
    """How many rows were no trades."""
    first_other: int | None = None
    """The line of the first of them."""
    trades: pl.Series | None = None
    """Which rows were trades, if the preset knows others."""

    def trades_of(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Those of the lines that were trades."""
        return lines if self.trades is None else lines.filter(self.trades)


@dataclass
class Parser:
    """Reads the blocks of one file."""

    fields: Fields
    symbol: str | None
    """Of all rows, if the file has no column of symbols."""

    def fast(self, block: Block) -> Fast | None:
        """The rows of a block; None if any of them is not as it should be. Several threads may call it."""
        fields = self.fields
        if not block.data:
            return Fast(fields.schema.to_frame())
        if block.is_unterminated or (_REPLACED[:1] in block.data and _REPLACED in block.data):
            return None
        schema, delimiter = fields.csv_schema, fields.preset.delimiter
        try:
            # All columns: told to read some of them, Polars says nothing of a row that has more.
            read = pl.read_csv(block.data, has_header=False, schema=schema, separator=delimiter)
        except pl.exceptions.PolarsError:
            return None
        quoted = b'"' in block.data
        if quoted and read.height != block.data.count(b"\n"):
            return None  # a quote that is not closed takes lines that follow into its field
        unread = (name for name in schema if name not in fields.positions)
        if any(read[name].null_count() for name in (*fields.optional, *unread)):
            # An empty field is null, and so is one that is not there.
            count = block.data.count(delimiter.encode()) + read.height
            if quoted or count != fields.layout.width * read.height:
                return None
        read = picked(read, [*fields.positions])
        texts = [name for name in fields.positions if schema[name] == pl.String]
        if texts and (quoted or b" " in block.data or b"\t" in block.data):
            read = read.with_columns(pl.col(texts).str.strip_chars(_AROUND))
        typed = self._typed(read)
        return None if typed is None else self.fast_table(typed, block.first_line)

    def _typed(self, read: pl.DataFrame) -> pl.DataFrame | None:
        """Numbers that are read as texts, as what they are; None if one of these is none, or may have lost digits."""
        names = self.fields.long_names
        if not names:
            return read
        if read.select(pl.any_horizontal(self.fields.is_long(name, pl.col(name)).any() for name in names)).item():
            return None
        typed = read.with_columns(pl.col(name).cast(self.fields.dtypes[name], strict=False) for name in names)
        return typed if all(typed[name].null_count() == read[name].null_count() for name in names) else None

    def fast_table(self, read: pl.DataFrame, first_line: int) -> Fast | None:
        """As :meth:`fast`, of columns that have their dtypes already."""
        fields = self.fields
        others, first, trades = 0, None, None
        if fields.preset.only is not None:
            trades = read[ONLY].is_in(fields.preset.only[1])
            if trades.null_count():
                return None
            others = read.height - int(trades.sum())
            if others:
                first, read = trades.index_of(element=False), read.filter(trades)
        if fields.preset.clock == "text":
            read = read.with_columns(fields.times.read(pl.col("timestamp")))
        if any(read[name].null_count() for name in fields.layout.positions if name not in fields.optional):
            return None
        if read.height and not (read.select(fields.all_quickly).item() or read.select(fields.all_right).item()):
            return None
        return Fast(self._select(read, fields.values), others, None if first is None else first_line + first, trades)

    def lines(self, block: Block) -> pl.DataFrame:
        """The numbers and the texts of the lines that the fast way read: it reads no block with an empty line."""
        texts = block.data.decode("utf-8", errors="replace").removesuffix("\n").split("\n")
        lines = pl.DataFrame({TEXT: texts}, schema={TEXT: pl.String})
        return lines.select(pl.int_range(pl.len()).alias(LINE) + block.first_line, pl.col(TEXT).str.strip_suffix("\r"))

    def slow(self, block: Block) -> pl.DataFrame:
        """
        All rows of a block, with the columns `line`, `text` and `reason`, which is null if nothing is wrong.

        A row with a reason has no values.
        """
        text = block.data.decode("utf-8", errors="replace")
        lines = pl.DataFrame({TEXT: text.split("\n")}, schema={TEXT: pl.String})
        lines = lines.with_columns(
            pl.col(TEXT).str.strip_suffix("\r"), pl.int_range(pl.len()).alias(LINE) + block.first_line
        )
        lines = lines.filter(pl.col(TEXT).str.strip_chars() != "")
        if '"' in text:
            fields = [split(line, self.fields.preset.delimiter) for line in lines[TEXT]]
            lines = lines.with_columns(pl.Series("fields", fields, dtype=pl.List(pl.String)))
        else:
            lines = lines.with_columns(fields=pl.col(TEXT).str.split(self.fields.preset.delimiter))
        read = lines.with_columns(
            pl.col("fields").list.get(position, null_on_oob=True).str.strip_chars(_AROUND).alias(f"{name} text")
            for name, position in self.fields.positions.items()
        )
        # A row with too few fields was cut, and the last that it has may be a part of one.
        return self._said(self._judged(read, is_odd=pl.col("fields").list.len() != self.fields.layout.width))

    def slow_table(self, texts: pl.DataFrame) -> pl.DataFrame:
        """As :meth:`slow`, of columns that are texts already, with `line` and `text`."""
        return self._said(self._judged(texts, is_odd=pl.lit(value=False)))

    def _judged(self, texts: pl.DataFrame, is_odd: pl.Expr) -> pl.DataFrame:
        """Texts beside their values and the reasons not to use these."""
        typed = texts.with_columns(
            self._cast(name, pl.col(f"{name} text")).alias(name) for name in self.fields.positions
        )
        if self.fields.preset.clock == "text":
            typed = typed.with_columns(self.fields.times.read(pl.col("timestamp")))
        typed = typed.with_columns(self._is_as_long(name, texts[f"{name} text"]) for name in self.fields.long_names)
        return typed.with_columns(self._reason(is_odd).alias(REASON))

    def _said(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The result of rows, beside the reasons; a row with a reason has no values."""
        right = pl.col(REASON).is_null()
        values = self._select(rows, self.fields.values_of(pl.String())).with_columns(rows[REASON])
        values = values.select(pl.when(right).then(pl.col(name)).alias(name) for name in self.fields.schema)
        return pl.concat([values, rows.select(LINE, TEXT, REASON, "timestamp text")], how="horizontal")

    def _select(self, read: pl.DataFrame, values: Mapping[str, pl.Expr]) -> pl.DataFrame:
        """The result, from fields that are right."""
        if not read.height:
            return self.fields.schema.to_frame()
        if "symbol" in values and "symbol" not in self.fields.layout.positions:
            values = {**values, "symbol": pl.lit(self.symbol, dtype=pl.String).alias("symbol")}
        return read.select_seq(values.values())  # there is nothing to compute that threads would be worth

    def unit_fault(self, row: Mapping[str, object]) -> str:
        """What an error says of a time that is in another unit, or finer than the result."""
        text = str(row["timestamp text"])
        field, found = cut(text), None
        if self.fields.preset.clock == "epoch":
            with suppress(ValueError):
                found = unit_of(float(text))
        if found not in (None, self.fields.unit):
            return f" ({field} is in {found!r}, the times before it are in {self.fields.unit!r})"
        return f' ({field} has more digits than microseconds hold: give `time_unit="ns"`)'

    def _is_as_long(self, name: str, texts: pl.Series) -> pl.Series:
        """Whether the decimal has all digits of its text."""
        scale, is_long = self.fields.scale_of(name), self.fields.is_long(name, pl.col("text"))
        long = texts.to_frame("text").select(is_long.fill_null(value=False)).to_series()
        kept = [not is_long or _has_decimals(text, scale) for text, is_long in zip(texts, long, strict=True)]
        return pl.Series(f"{name} kept", kept, dtype=pl.Boolean)

    def _cast(self, name: str, text: pl.Expr) -> pl.Expr:
        """A text as the fast way would read it; null if it cannot."""
        dtype = self.fields.dtypes[name]
        text = pl.when(text != "").then(text)
        if name == "is_buyer_maker":
            return text.str.to_lowercase()
        return text if dtype == pl.String else text.cast(dtype, strict=False)

    def _reason(self, is_odd: pl.Expr) -> pl.Expr:
        """What is wrong with a row, in the words of the report."""
        fields = self.fields
        reasons = [(self._is_header(), "header")]
        if fields.preset.only is not None:
            only = pl.col(f"{ONLY} text")
            # A row without the field may be a trade, and cut off.
            reasons.append(((only != "") & ~only.is_in(fields.preset.only[1]) & only.is_not_null(), "not_a_trade"))
        texts = {name: pl.col(f"{name} text") for name in fields.positions}
        unparsable = [is_odd, pl.col(TEXT).str.contains("\ufffd", literal=True)]
        for name, text in texts.items():
            if name == "is_buyer_maker":
                unparsable.append(~pl.col(name).is_in(words_of(fields.preset)) & (text != ""))
            elif name == "timestamp":
                unparsable.append(text == "")
            elif name in fields.optional:
                unparsable.append(pl.col(name).is_null() & (text != ""))
            else:
                unparsable.append(pl.col(name).is_null())
        unparsable += [~pl.col(name).is_finite() for name in texts if fields.dtypes[name] == pl.Float64]
        reasons.append((pl.any_horizontal(e.fill_null(value=False) for e in unparsable), "unparsable"))
        other_unit = fields.times.is_in_another_unit(texts["timestamp"])
        if other_unit is not None:
            reasons.append((other_unit.fill_null(value=False), "time_unit"))
        checks = dict(fields.checks)
        reasons.append((~checks.pop("unparsable").fill_null(value=False), "unparsable"))
        if "timestamp" in fields.long_names:
            reasons.append((~pl.col("timestamp kept"), "unparsable" if fields.numbers.clock == "ns" else "time_unit"))
        reasons.append((~checks.pop("time_unit"), "time_unit"))
        kept = [pl.col(f"{name} kept") for name in fields.long_names if name != "timestamp"]
        if kept:
            reasons.append((~pl.all_horizontal(kept), "decimals"))
        if "price" in texts and "quantity" in texts:
            reasons.append(((pl.col("price") == 0) & (pl.col("quantity") == 0), "ghost"))
        reasons += [(~check, reason) for reason, check in checks.items()]
        # The first reason that holds.
        return pl.coalesce(pl.when(wrong.fill_null(value=True)).then(pl.lit(name)) for wrong, name in reasons)

    def _is_header(self) -> pl.Expr:
        """Whether a row is a header, which files have again where they were put together."""
        row = _plain_header(pl.col(TEXT))
        known = [self.fields.preset.delimiter.join(self.fields.preset.header or ()), self.fields.layout.header or ""]
        plain = pl.DataFrame({TEXT: known}).select(_plain_header(pl.col(TEXT))).to_series()
        return row.is_in([name for name in plain if name])


def _plain_header(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all('["\ufeff]', "").str.strip_chars().str.to_lowercase()


def is_cut(block: Block) -> bool:
    """Whether a text ends within a row, or without the end of one."""
    return block.is_unterminated and bool(block.data[block.data.rfind(b"\n") + 1 :].strip())


def _has_decimals(text: str, decimals: int) -> bool:
    """Whether a text is a number with so many decimals at most; true if it is none, which is told otherwise."""
    try:
        exponent = Decimal(text).normalize(_ALL_DIGITS).as_tuple().exponent
    except InvalidOperation:
        return True
    return not isinstance(exponent, int) or -exponent <= decimals
