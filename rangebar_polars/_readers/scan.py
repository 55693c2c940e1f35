"""The one way from files to rows: file by file, block by block, parsed, put in order, counted."""

from __future__ import annotations

import datetime as dt
import functools
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from rangebar_polars._common.frames import picked
from rangebar_polars._common.messages import cut, shown, shown_path
from rangebar_polars._engine.source import limited, register_files
from rangebar_polars._readers.archive import content
from rangebar_polars._readers.blocks import Block, ahead, blocks
from rangebar_polars._readers.fields import Fields, Numbers, Shared, schema_of, side_dtype
from rangebar_polars._readers.files import Kind, SourceFiles, kind_of
from rangebar_polars._readers.layout import Layout, layout_of, split
from rangebar_polars._readers.names import told_by_names
from rangebar_polars._readers.order import BEFORE, FAULT, Order
from rangebar_polars._readers.parse import LINE, REASON, TEXT, Fast, Parser, is_cut
from rangebar_polars._readers.policy import OnBadRows, Policy
from rangebar_polars._readers.preset import FIELDS, FileUnit, Preset
from rangebar_polars._readers.report import FileReport, ReadReport
from rangebar_polars._readers.tables import opened_table
from rangebar_polars._readers.times import Times, file_unit
from rangebar_polars.exceptions import RangeBarError, RangeBarWarning

__all__ = ["Finish", "OnUnsorted", "Reading", "check_on_unsorted", "scan_files"]

OnUnsorted: TypeAlias = Literal["raise", "sort", "drop"]

Finish: TypeAlias = Callable[[pl.DataFrame, Policy, "Callable[[pl.DataFrame], pl.DataFrame]"], pl.DataFrame]
"""Makes the result of rows: given them, the policy of their file, and a function that adds their lines."""


_FIRST_LINES = 64
"""Lines that tell what a file is."""


@dataclass(frozen=True)
class Reading:
    """How files are read."""

    files: SourceFiles
    preset: Preset
    numbers: Numbers
    symbol: str | None
    member: str | None
    on_bad_rows: OnBadRows
    on_unsorted: OnUnsorted
    report: ReadReport | None
    expected: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is done with rows out of place, by reason, whatever holds for bad rows: "drop" or "raise"."""

    @property
    def has_symbols(self) -> bool:
        """Whether rows have symbols of their own."""
        return "symbol" in self.preset.columns

    @functools.cached_property
    def schema(self) -> pl.Schema:
        """Of the rows that are read."""
        fields = [name for name in FIELDS if name in self.preset.columns]
        if "price" in fields and "is_buyer_maker" not in fields:
            fields.append("is_buyer_maker")  # null: not known
        named = self.preset.file_name is not None and "(?P<symbol>" in self.preset.file_name
        if "symbol" not in fields and (self.symbol is not None or named):
            fields.insert(0, "symbol")
        return schema_of(fields, self.numbers)


def scan_files(reading: Reading, schema: pl.Schema, finish: Callable[[], Finish] | None, name: str) -> pl.LazyFrame:
    """A LazyFrame that reads the files when it is asked."""

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Generator[pl.DataFrame]:
        del batch_size
        wanted = list(schema) if with_columns is None else with_columns
        return limited(_read(reading, schema, None if finish is None else finish()), wanted, predicate, n_rows)

    files = [str(file) for file in reading.files.files]
    return register_files(source, files, dict(schema), name, f"{len(files)} files of {reading.preset.name}")


def _read(reading: Reading, schema: pl.Schema, finish: Finish | None) -> Generator[pl.DataFrame]:
    report = ReadReport() if reading.report is None else reading.report
    report._start([str(file) for file in reading.files.ignored])  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    order = Order(reading.schema, symbols_in_rows=reading.has_symbols)
    query = _Query(reading, order, Shared(), finish)
    yield schema.to_frame()
    for file in reading.files.files:
        told = report._begin(str(file))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        with closing(_File(query, file, told).frames()) as frames:
            for frame in frames:
                rows = picked(frame, schema.names()) if frame.height else schema.to_frame()
                told.returned(rows)
                yield rows
        told.is_complete = True
    if reading.report is None and report.total:
        msg = (
            f"{report.total:,} rows were left out: {_summary(report)}; pass `report=rb.ReadReport()` to see which, or "
            "filter this warning"
        )
        warnings.warn(msg, RangeBarWarning, stacklevel=2)


def _summary(report: ReadReport) -> str:
    counts = report.frame().filter(action="dropped").group_by("reason", maintain_order=True).agg(pl.col("count").sum())
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.iter_rows())


@dataclass(frozen=True)
class _Query:
    """What the files that one query reads have in common."""

    reading: Reading
    order: Order
    shared: Shared
    finish: Finish | None


class _File:
    """One file on its way to rows."""

    def __init__(self, query: _Query, file: Path, report: FileReport) -> None:
        self._reading = query.reading
        self._order = query.order
        self._shared = query.shared
        self._finish = query.finish
        self._file = file
        self._report = report
        self._policy = Policy(str(file), report, query.reading.on_bad_rows)

    def frames(self) -> Generator[pl.DataFrame]:
        """The rows, as they are read; if they are to be sorted, when all are."""
        kind = kind_of(self._file)
        rows = self._tables() if kind == "parquet" else self._texts(kind)
        if self._reading.on_unsorted != "sort":
            yield from rows
            return
        with closing(rows):
            whole = pl.concat([self._reading.schema.to_frame(), *rows], rechunk=True)
        yield self._finished(self._in_order(self._sorted(whole), _without_lines), _without_lines)

    def _texts(self, kind: Kind) -> Generator[pl.DataFrame]:
        with content(self._file, kind, self._reading.member) as text:
            found = blocks(str(self._file), text.chunks)
            parser, first = self._begin(text.name, next(found))
            if first.is_last:  # threads take longer to start than it takes to read
                yield self._block(parser, first, parser.fast(first), is_whole=text.is_checked)
                return
            with closing(ahead(chain((first,), found), parser.fast)) as read:
                for block, fast in read:
                    yield self._block(parser, block, fast, is_whole=text.is_checked)

    def _begin(self, name: str, block: Block) -> tuple[Parser, Block]:
        """What the first lines tell about a file, and the first block without its header."""
        preset, file = self._reading.preset, str(self._file)
        head = block.data
        start = len(head) - len(head.lstrip())
        skipped, head = head[:start].count(b"\n"), head[head.rfind(b"\n", 0, start) + 1 :]  # empty lines
        _, end, rest = head.partition(b"\n")
        lines = [text.decode("utf-8", errors="replace") for text in head.split(b"\n", _FIRST_LINES)[:_FIRST_LINES]]
        lines = [text.removesuffix("\r") for text in lines if text.strip()]
        if not lines:
            msg = f"{shown_path(file)} is empty: download it again, or leave it out"
            raise RangeBarError(msg)
        if preset.clock == "epoch" and preset.time_zone is not None:
            msg = f"{shown_path(file)} has times since 1970, which are in UTC everywhere: leave `time_zone` out"
            raise RangeBarError(msg)
        layout = layout_of(file, lines, preset)
        number = block.first_line + skipped
        block = Block(head, number, block.is_last)
        if layout.header is not None:
            block = Block(rest, number + len(end), block.is_last)
            lines = lines[1:]
            if layout.is_told:
                self._report.rows_read += 1
                self._report.count("header", "dropped", 1, number, layout.header)
        first_row = self._first_row(lines, layout)
        return self._parser(preset, layout, name, first_row), block

    def _first_row(self, lines: Sequence[str], layout: Layout) -> list[str]:
        """The first row that is as wide as the others and has a time, or else the first one; empty if there is none."""
        preset = self._reading.preset
        rows = [split(line, preset.delimiter) for line in lines]
        whole = [row for row in rows if len(row) == layout.width]
        timed = [row for row in whole if file_unit(row[layout.positions["timestamp"]]) is not None]
        rows = [*(timed if preset.clock == "epoch" else []), *whole, *rows]
        return rows[0] + [""] * (layout.width - len(rows[0])) if rows else []

    def _parser(self, preset: Preset, layout: Layout, name: str, first_row: list[str]) -> Parser:
        """What reads the rows of the file, whose member has a name."""
        self._report.absent_columns = layout.absent
        self._report.other_columns = layout.others
        chosen, symbol = self._reading.member is not None, self._reading.symbol
        told = told_by_names(self._file, name, preset, is_chosen=chosen, symbol=symbol)
        positions = layout.positions
        unit = self._unit(preset, first_row[positions["timestamp"]]) if first_row else preset.time_unit
        symbol = self._symbol(told) if "symbol" not in positions else None
        times = Times(preset, unit, self._reading.numbers.clock, self._date(preset, told))
        written = first_row[positions["is_buyer_maker"]] if first_row and "is_buyer_maker" in positions else ""
        sides = side_dtype(preset, written)
        fields = Fields(layout, preset, self._reading.numbers, times, sides, self._reading.schema)
        parser = Parser(self._shared.of(fields), symbol)
        self._report.time_unit = unit
        self._order.begin(symbol)
        return parser

    def _block(self, parser: Parser, block: Block, fast: Fast | None, *, is_whole: bool) -> pl.DataFrame:
        def slow() -> pl.DataFrame:
            rows = parser.slow(block)
            last = rows.tail(1)
            if is_cut(block) and not is_whole and last[REASON].null_count():
                self._report.count("unterminated", "kept", 1, last[LINE].item(), last[TEXT].item())
            return rows

        return self._rows(parser, fast, slow, lambda: parser.lines(block))

    def _rows(
        self,
        parser: Parser,
        fast: Fast | None,
        slow: Callable[[], pl.DataFrame],
        lines: Callable[[], pl.DataFrame],
    ) -> pl.DataFrame:
        """Rows that were read in the fast way, or if that found something in the slow one, counted and in order."""

        def with_lines(rows: pl.DataFrame) -> pl.DataFrame:
            if fast is None or LINE in rows.columns:
                return rows
            return pl.concat([rows, fast.trades_of(lines())], how="horizontal")

        def go_on(rows: pl.DataFrame) -> pl.DataFrame:
            if self._reading.on_unsorted == "sort":
                return picked(rows, self._reading.schema.names())
            return self._finished(self._in_order(rows, with_lines), with_lines)

        if fast is None:
            rows = slow()
            self._report.rows_read += rows.height
            always = {"time_unit": "raise"}
            return go_on(self._policy.apply(rows, go_on, lambda row: _detail(parser, row), always))
        self._report.rows_read += fast.rows.height + fast.others
        if fast.others:
            is_first = ("not_a_trade", "dropped") not in self._report.faults
            sample = lines().filter(pl.col(LINE) == fast.first_other)[TEXT].item() if is_first else None
            self._report.count("not_a_trade", "dropped", fast.others, fast.first_other, sample)
        return go_on(fast.rows)

    def _in_order(self, rows: pl.DataFrame, with_lines: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
        read = picked(rows, self._reading.schema.names())
        if not self._order.follows(read):
            rows = with_lines(rows)
            faults = self._order.faults(read).rename({FAULT: REASON})
            rows = pl.concat([faults, rows.select(LINE, TEXT)], how="horizontal")
            backwards = {} if self._reading.on_unsorted == "sort" else {"backwards": self._reading.on_unsorted}
            always = {**backwards, **self._reading.expected}
            rows = self._policy.apply(rows, lambda rows: self._finished(rows, with_lines), self._place, always)
        self._order.advance(read, str(self._file))
        return rows

    def _finished(self, rows: pl.DataFrame, with_lines: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
        return rows if self._finish is None else self._finish(rows, self._policy, with_lines)

    def _place(self, row: dict[str, Any]) -> str:
        """Where a row stands that comes too late or twice."""
        names = [name for name in ("agg_trade_id", "timestamp") if row.get(name) is not None]
        told = ", ".join(f"`{name}` {row[name]} after {row[BEFORE + name]}" for name in names)
        file = self._order.file_before(row)
        if file in (None, str(self._file)):
            return f" ({told})"
        return f" ({told}; {shown_path(file)} was read before: list the files by time)"

    def _sorted(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows by their ids, or by their times; a file whose newest row is the first is turned round."""
        alone = Order(self._reading.schema, symbols_in_rows=self._reading.has_symbols)
        if alone.follows(rows):
            return rows
        turned = rows.reverse()
        if alone.follows(turned):
            result = turned
        else:
            # Rows of one time have no other order than that of the file, which may be from the newest to the oldest.
            steps = rows["timestamp"].diff()
            falls = int((steps < dt.timedelta(0)).sum()) > int((steps > dt.timedelta(0)).sum())
            has_ids = "agg_trade_id" in rows.columns and not rows["agg_trade_id"].null_count()
            keys = ["timestamp"] if self._reading.has_symbols or not has_ids else []
            keys += ["agg_trade_id"] if has_ids else []
            result = (turned if falls else rows).sort(keys, maintain_order=True)
        late = alone.faults(rows).filter(pl.col(FAULT) == "backwards").height
        self._report.count("backwards", "sorted", late, None, None)
        return result

    def _unit(self, preset: Preset, time: str) -> FileUnit | None:
        if preset.clock != "epoch":
            return preset.time_unit if preset.clock == "midnight" else None
        found = file_unit(time)
        if preset.time_unit is not None and (preset.time_unit, found) != ("ns", "s"):  # seconds with nine decimals
            if found is not None and found != preset.time_unit:
                msg = (
                    f"{shown_path(self._file)} begins with the time {time}, which is in {found!r} by its digits, not "
                    f"in {preset.time_unit!r}: leave `time_unit` out, or give {found!r}"
                )
                raise RangeBarError(msg)
            return preset.time_unit
        if found is None:
            msg = (
                f"{shown_path(self._file)} begins with the time {cut(time)!r}, whose digits tell no unit: they are 10 "
                "for seconds, 13 for ms, 16 for us, 19 for ns; give `time_unit`"
            )
            raise RangeBarError(msg)
        return found

    def _symbol(self, told: Mapping[str, str]) -> str | None:
        if "symbol" not in self._reading.schema:
            return None
        symbol = self._reading.symbol or told.get("symbol")
        if symbol is None:
            msg = f"the name of {shown_path(self._file)} does not tell its symbol: give `symbol=`"
            raise RangeBarError(msg)
        return symbol

    def _date(self, preset: Preset, told: Mapping[str, str]) -> dt.date | None:
        if preset.clock != "midnight":
            return None
        text = told.get("date")
        if text is None:
            msg = f"the name of {shown_path(self._file)} tells no date for its midnight: name it as the vendor does"
            raise RangeBarError(msg)
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            msg = f"the name of {shown_path(self._file)} has the date {text!r}, which there is not: rename it"
            raise RangeBarError(msg) from None

    def _tables(self) -> Generator[pl.DataFrame]:
        table = opened_table(self._file, self._reading.preset)
        # A dtype of times says itself what the numbers in it are.
        preset = (
            self._reading.preset
            if table.unit is None
            else self._reading.preset.but(clock="epoch", time_unit=table.unit)
        )
        self._policy.line = "row"
        parser, row = None, 1
        with closing(table.frames()) as frames:
            for rows in frames:
                if not rows.height:
                    yield self._reading.schema.to_frame()
                    continue
                if parser is None:
                    parser = self._parser(preset, table.layout, self._file.name, table.first_row(rows))
                texts = functools.partial(table.texts, rows, row, parser.fields)
                yield self._table(parser, table.typed(rows, parser.fields), row, texts)
                row += rows.height

    def _table(
        self, parser: Parser, read: pl.DataFrame | None, row: int, texts: Callable[[], pl.DataFrame]
    ) -> pl.DataFrame:
        return self._rows(
            parser,
            None if read is None else parser.fast_table(read, row),
            lambda: parser.slow_table(texts()),
            lambda: texts().select(LINE, TEXT),
        )


def _without_lines(rows: pl.DataFrame) -> pl.DataFrame:
    """Sorted rows have no lines any more."""
    return rows.with_columns(pl.lit(None, dtype=pl.Int64).alias(LINE), pl.lit(None, dtype=pl.String).alias(TEXT))


def _detail(parser: Parser, row: dict[str, Any]) -> str:
    if row[REASON] == "time_unit":
        return parser.unit_fault(row)
    preset, layout = parser.fields.preset, parser.fields.layout
    scale = preset.price_decimals_in_file
    if row[REASON] == "unparsable" and scale:
        fields = split(row[TEXT] or "", preset.delimiter)
        for name in ("price", "bid", "ask"):
            position = layout.positions.get(name, len(fields))
            if position < len(fields) and "." in fields[position]:
                return (
                    f" (its {name} has a point, but those of `{preset.name}` are integers of 10^-{scale}: give "
                    "a preset with `price_decimals_in_file=0`)"
                )
    return ""


def check_on_unsorted(value: OnUnsorted) -> OnUnsorted:
    """The policy, if it is one."""
    if value in ("raise", "sort", "drop"):
        return value
    msg = f'`on_unsorted` must be "raise", "sort" or "drop", got {shown(value)}'
    raise RangeBarError(msg)
