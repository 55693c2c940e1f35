"""Rows into a file, completely or not at all, or as CSV to stdout."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

import polars as pl

from rangebar_polars._bars.sinks import sink_bars
from rangebar_polars._common.disk import replace_file
from rangebar_polars._common.messages import listed, shown, shown_path
from rangebar_polars._engine.reading import batches
from rangebar_polars.exceptions import RangeBarError

__all__ = ["STDOUT", "check_target", "write"]

STDOUT: Final = "-"

_ENDINGS: Final = (".parquet", ".csv", ".arrow")


def check_target(output: str) -> str:
    """A file that can be written, or stdout; an error before anything is read."""
    if output == STDOUT:
        return output
    if not output.endswith(_ENDINGS):
        msg = f"`--output` must end with {', '.join(_ENDINGS)}, or be - for CSV on stdout, got {shown(output)}"
        raise RangeBarError(msg)
    if "://" in output:  # of a store, to which Polars writes
        if not output.endswith(".parquet"):
            msg = f"only Parquet can be written to a store, got {shown(output)}: write a file, and copy it"
            raise RangeBarError(msg)
        return output
    file = Path(output).expanduser()
    if not file.parent.is_dir():
        msg = f"the folder of {shown_path(file)} does not exist: make it first"
        raise RangeBarError(msg)
    if file.exists() and not file.is_file():
        msg = f"{shown_path(file)} is no file: name another one"
        raise RangeBarError(msg)
    return str(file)


def write(frame: pl.LazyFrame, output: str) -> int:
    """Write all rows of a query, and return how many there are."""
    if output == STDOUT:
        return _write_csv(frame, sys.stdout.buffer)
    if output.endswith(".parquet"):
        sink_bars(frame, output)
        written: int = pl.scan_parquet(output).select(pl.len()).collect().item()
        return written
    write_as = _write_csv if output.endswith(".csv") else _write_arrow
    rows: list[int] = []
    replace_file(Path(os.path.realpath(output)), lambda file: rows.append(write_as(frame, file)))
    return rows[0]


def _write_csv(frame: pl.LazyFrame, file: IO[bytes]) -> int:
    """As CSV, with times in ISO 8601."""
    schema, rows = frame.collect_schema(), 0
    lists = [name for name, dtype in schema.items() if dtype.is_nested()]
    if lists:
        msg = f"CSV has no lists, and {listed(lists)} holds one: write Parquet or Arrow, as in `-o bars.parquet`"
        raise RangeBarError(msg)
    times = [pl.col(name).dt.to_string("iso:strict") for name, dtype in schema.items() if dtype == pl.Datetime]
    file.write(schema.to_frame().write_csv().encode())
    with closing(batches(frame.with_columns(times), schema.names())) as read:
        for batch in read:
            file.write(batch.write_csv(include_header=False).encode())
            rows += batch.height
    file.flush()
    return rows


def _write_arrow(frame: pl.LazyFrame, file: IO[bytes]) -> int:
    """As an Arrow file, also called Feather."""
    ipc: Any = import_module("pyarrow.ipc")
    schema, rows = frame.collect_schema(), 0
    with closing(batches(frame, schema.names())) as read, ipc.new_file(file, _arrow(schema.to_frame()).schema) as sink:
        for batch in read:
            if batch.height:
                sink.write_table(_arrow(batch))
                rows += batch.height
    return rows


def _arrow(frame: pl.DataFrame) -> Any:  # noqa: ANN401  (pyarrow has no types)
    """With the dtypes that every reader knows."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
