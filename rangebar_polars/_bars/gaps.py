"""What is missing between trades, or between bars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator
from contextlib import closing
from typing import overload

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._common.columns import check_name, key_columns, missing_column
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.parameters import check_max_gap, check_time_unit
from rangebar_polars._engine.predicates import all_of, split_keys
from rangebar_polars._engine.reading import batches
from rangebar_polars._engine.source import limited, register_source
from rangebar_polars._typing import By, TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["gaps"]

_BAR_TIMES = ("open_time", "close_time")
_BAR_IDS = ("first_agg_trade_id", "last_agg_trade_id")
_OUTPUT = (
    "last_time",
    "next_time",
    "silence_us",
    "is_silent",
    "first_missing_id",
    "last_missing_id",
    "missing_id_count",
)


@overload
def gaps(
    frame: pl.LazyFrame,
    *,
    by: By = None,
    max_gap: str | dt.timedelta | None = None,
    time: str = "timestamp",
    agg_trade_id: str | None = "agg_trade_id",
    time_unit: TimeUnit | None = None,
) -> pl.LazyFrame: ...


@overload
def gaps(
    frame: pl.DataFrame,
    *,
    by: By = None,
    max_gap: str | dt.timedelta | None = None,
    time: str = "timestamp",
    agg_trade_id: str | None = "agg_trade_id",
    time_unit: TimeUnit | None = None,
) -> pl.DataFrame: ...


def gaps(
    frame: pl.LazyFrame | pl.DataFrame,
    *,
    by: By = None,
    max_gap: str | dt.timedelta | None = None,
    time: str = "timestamp",
    agg_trade_id: str | None = "agg_trade_id",
    time_unit: TimeUnit | None = None,
) -> pl.LazyFrame | pl.DataFrame:
    """
    Missing ids and silences between the rows of trades or of bars.

    Between two consecutive rows of a group, the ids from the last id of the first + 1 to the first id of the second - 1
    are missing; the time between them is silent if it is longer than `max_gap`. Ids that fall or repeat are not a gap.

    Parameters
    ----------
    frame
        Trades; or bars, which are recognised by their columns `open_time`, `close_time`, `first_agg_trade_id` and
        `last_agg_trade_id` if there is no column `time`. If the orphans that a reset or a gap ended were left out,
        there are gaps in their places; bars of several thresholds need `threshold_dbps` among the keys.
    by
        Name or names of key columns; rows are compared within each key.
    max_gap
        The longest time that is not silent: a Polars duration string ("40h", "1d12h"; months are calendar months in
        UTC) or a timedelta. None finds only missing ids.
    time
        Column of Datetime, or of Int64 with `time_unit`. Must not go back within a group.
    agg_trade_id
        Column of integers; it may be absent under its default name. None ignores it.
    time_unit
        "ms", "us" or "ns" if times are Int64.

    Returns
    -------
    LazyFrame or DataFrame
        As the input; one row per gap, in the order of the rows after the gaps: the key columns, `last_time` and
        `next_time` (dtype of the times), `silence_us` (Int64, from the first to the second), `is_silent` (Boolean),
        `first_missing_id` and `last_missing_id` (Int64, null if no id is missing), `missing_id_count` (UInt64).

    Raises
    ------
    RangeBarError
        If a parameter or a dtype is invalid, or there are neither ids nor `max_gap`; when the query runs, if a time or
        an id is null, or time goes back.

    Notes
    -----
    Streamed: memory is one row per group and one batch, and each row takes a few nanoseconds on top of reading it.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": [0, 1_000, 9_000], "agg_trade_id": [5, 8, 9]})
    >>> rb.gaps(trades, max_gap="5s", time_unit="ms").drop("is_silent")
    shape: (2, 6)
    ┌───────────┬───────────┬────────────┬──────────────────┬─────────────────┬──────────────────┐
    │ last_time ┆ next_time ┆ silence_us ┆ first_missing_id ┆ last_missing_id ┆ missing_id_count │
    │ ---       ┆ ---       ┆ ---        ┆ ---              ┆ ---             ┆ ---              │
    │ i64       ┆ i64       ┆ i64        ┆ i64              ┆ i64             ┆ u64              │
    ╞═══════════╪═══════════╪════════════╪══════════════════╪═════════════════╪══════════════════╡
    │ 0         ┆ 1000      ┆ 1000000    ┆ 6                ┆ 7               ┆ 2                │
    │ 1000      ┆ 9000      ┆ 8000000    ┆ null             ┆ null            ┆ 0                │
    └───────────┴───────────┴────────────┴──────────────────┴─────────────────┴──────────────────┘
    """
    if isinstance(frame, pl.DataFrame):
        eager = gaps(frame.lazy(), by=by, max_gap=max_gap, time=time, agg_trade_id=agg_trade_id, time_unit=time_unit)
        return eager.collect()
    frame = lazy_frame("gaps", frame)
    available = frame.collect_schema()
    times, ids = _columns(available, time, agg_trade_id)
    max_gap = check_max_gap(max_gap)
    if ids is None and max_gap is None:
        raise RangeBarError(
            "there is nothing to look for: the input has no ids and `max_gap` is not set; set it, or name the ids"
        )
    keys = key_columns(by, available, _OUTPUT)
    inputs = list(dict.fromkeys([*keys, *times, *(ids or ())]))
    time_unit = check_time_unit(time_unit)

    def stream() -> _internal.GapStream:
        empty = frame.select(inputs).collect_schema().to_frame()
        return _internal.GapStream(times=times, ids=ids, by=keys, max_gap=max_gap, time_unit=time_unit, schema=empty)

    schema = stream().push(available.to_frame()).schema

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Generator[pl.DataFrame]:
        del batch_size  # gaps go out as they are found
        wanted = list(schema) if with_columns is None else with_columns
        kept, rest = frame, predicate
        if n_rows is None:  # a number of rows counts rows before the predicate
            on_keys, others = split_keys(predicate, keys)
            of_keys, rest = all_of(on_keys), all_of(others)
            kept = frame if of_keys is None else frame.filter(of_keys)
        finder = stream()

        def found() -> Generator[pl.DataFrame]:
            with closing(batches(kept, inputs)) as read:
                for batch in read:
                    missing = finder.push(batch)
                    if missing.height or not batch.height:
                        yield missing

        return limited(found(), wanted, rest, n_rows)

    return register_source(source, frame, dict(schema), "GAPS", f"max_gap={max_gap}, by={keys}")


def _columns(
    available: pl.Schema, time: str, agg_trade_id: str | None
) -> tuple[tuple[str, str], tuple[str, str] | None]:
    """The columns of a row's first and last time, and of its first and last id."""
    check_name(time, "timestamp")
    if agg_trade_id is not None:
        check_name(agg_trade_id, "agg_trade_id")
    if time not in available and all(name in available for name in _BAR_TIMES):
        ids = _BAR_IDS if agg_trade_id is not None and all(name in available for name in _BAR_IDS) else None
        return _BAR_TIMES, ids
    if time not in available:
        raise missing_column(time, available.names(), remedy="name the column with `time=`")
    if agg_trade_id is None or agg_trade_id not in available:
        if agg_trade_id is not None and agg_trade_id != "agg_trade_id":
            raise missing_column(agg_trade_id, available.names())
        return (time, time), None
    return (time, time), (agg_trade_id, agg_trade_id)
