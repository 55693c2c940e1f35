"""
What the plan of a LazyFrame contains: the only place that uses more than the public methods of Polars.

A source hides from the engine which files it reads. So a sink onto one of them would not be refused, as it is for a
plan without a source, but would empty the file before the source reads it.
"""

from __future__ import annotations

import glob
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import polars as pl

__all__ = ["files_read", "in_files", "in_memory", "rows_known", "showing_files"]

_IPC = re.compile(r"IPC SCAN \[(?P<first>.*?)(?:, \.\.\. \d+ other sources?)?\]\n", re.IGNORECASE)
_PLAIN = {"Cache", "SimpleProjection", "Union"}
"""Nodes that compute nothing."""

_COUNTING = _PLAIN | {"Select"}
"""Nodes that keep or add up the number of rows below them."""


def showing_files(source: pl.LazyFrame, files: list[str], schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """
    A source, with a plan that shows the files that it reads.

    The plan also contains a scan of no rows of those files, with the schema of the source. Nothing of it is read: the
    files are not even opened.
    """
    local = [file.removeprefix("file://") for file in files]
    local = [file for file in local if "://" not in file]
    if not local:
        return source
    # Polars opens no file if it is given the schema and wants no rows.
    no_rows = pl.scan_parquet(local, n_rows=0, schema=schema, glob=False, hive_partitioning=False)
    return pl.concat([source, no_rows], how="vertical", rechunk=False)


def files_read(frame: pl.LazyFrame) -> list[str]:
    """The files that the scans of a plan read, without duplicates."""
    files: dict[str, None] = {}
    for node in _nodes(frame):
        files.update(dict.fromkeys(_ipc_files(frame) if node is None else map(str, getattr(node, "paths", ()))))
    return list(files)


def rows_known(frame: pl.LazyFrame) -> bool:
    """Whether the rows of a frame can be counted without reading or computing any."""
    return all(_counts_itself(node) for node in _nodes(frame.select(pl.len())))


def in_memory(frame: pl.LazyFrame) -> bool:
    """Whether a plan reads nothing but frames, and runs no Python."""
    return all(type(node).__name__ in _PLAIN | {"DataFrameScan"} for node in _nodes(frame))


def in_files(frame: pl.LazyFrame) -> bool:
    """Whether a plan reads files, and perhaps frames, and runs no Python."""
    kinds = {type(node).__name__ for node in _nodes(frame)}
    return "Scan" in kinds and kinds <= _PLAIN | {"DataFrameScan", "Scan"}


def _counts_itself(node: Any) -> bool:  # noqa: ANN401  (nodes of a plan have no types)
    kind = type(node).__name__
    if kind == "Scan":
        return node.predicate is None and node.scan_type[0] == "parquet"  # the footers have the counts
    return kind in _COUNTING or (kind == "DataFrameScan" and node.selection is None)


def _nodes(frame: pl.LazyFrame) -> Iterator[Any]:
    """The nodes of a plan; None for one that Polars does not show."""
    plan = frame._ldf.visit()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    ahead = [plan.get_node()]
    while ahead:
        plan.set_node(ahead.pop())
        ahead += plan.get_inputs()
        try:
            node = plan.view_current_node()
        except NotImplementedError:
            node = None
        yield node


def _ipc_files(frame: pl.LazyFrame) -> Iterator[str]:
    """
    The files of a plan with Arrow IPC scans, which Polars does not show as it shows others.

    The serialized plan names them all. A plan with a function that cannot be serialized is described instead, by the
    first file of each scan: then every file of its folder and of those below it is taken to be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Polars does not promise to read the format again, and we never do
            plan = json.loads(frame.serialize(format="json"))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError):
        for scan in _IPC.finditer(frame.explain(optimized=False)):
            for first in scan["first"].split(", "):
                yield first
                yield from map(str, Path(first).parent.rglob(f"*{Path(first).suffix}"))
        return
    for path in _paths(plan):
        local = path.removeprefix("file://")
        if Path(local).is_dir():
            yield from (str(file) for file in Path(local).rglob("*") if file.is_file())
        elif glob.has_magic(local):
            yield from glob.glob(local, recursive=True)  # noqa: PTH207  (an absolute pattern)
        else:
            yield path


def _paths(plan: Any) -> Iterator[str]:  # noqa: ANN401  (JSON)
    """The paths of all scans of a serialized plan."""
    values = cast("dict[str, Any] | list[Any]", plan if isinstance(plan, dict | list) else [])
    for name, value in values.items() if isinstance(values, dict) else enumerate(values):
        if name == "Paths":
            yield from (path["inner"] for path in value)
        else:
            yield from _paths(value)
