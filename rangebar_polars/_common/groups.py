"""The bars of one group, from a frame that may hold several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, cast

import polars as pl

from rangebar_polars._common.messages import cut, listed, shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["check_complete", "group_keys", "group_name", "one_group"]

_SYMBOL: Final = "symbol"
_THRESHOLD: Final = "threshold_dbps"
_REASON: Final = "close_reason"
_FORMING: Final = "end"
"""The `close_reason` of a bar that is still forming."""
_NAMED_GROUPS: Final = 10
"""Groups that an error names before it only counts the others."""


def one_group(
    bars: pl.LazyFrame,
    columns: Sequence[str],
    symbol: object | Mapping[str, object],
    *,
    include_incomplete: bool,
) -> pl.DataFrame:
    """
    Collect the group keys and `columns` of the bars of the group that `symbol` chooses.

    The choice is part of the query. A RangeBarError says so if it does not leave exactly one group. Forming bars are
    counted for that, and dropped afterwards unless they are wanted.
    """
    schema = bars.collect_schema()
    keys = group_keys(schema)
    wanted = _wanted_group(symbol, keys)
    reason = [] if include_incomplete or _REASON not in schema else [_REASON]
    kept = list(dict.fromkeys([*keys, *columns]))
    frame = bars.filter(_predicates(wanted, schema)).select(list(dict.fromkeys([*kept, *reason]))).collect()
    if wanted and frame.is_empty():
        raise RangeBarError(_missing_group(wanted, bars, keys))
    _check_one_group(frame, keys)
    if reason:
        frame = frame.filter(pl.col(_REASON).cast(pl.String).ne_missing(_FORMING))
    return frame.select(kept)


def group_keys(schema: pl.Schema) -> list[str]:
    """Columns to the left of the bar's own, and those named `symbol` or `threshold_dbps` in any position."""
    names = list(schema)
    first = min(names.index(name) for name in ("open_time", "close_time") if name in schema)
    return [name for name in names if names.index(name) < first or name in (_SYMBOL, _THRESHOLD)]


def check_complete(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raise a RangeBarError at the first null or NaN of `columns`."""
    for name in columns:
        column = frame[name]
        bad = column.is_null() | column.is_nan() if column.dtype.is_float() else column.is_null()
        if bad.any():
            row = bad.arg_true()[0]
            msg = (
                f"column `{name}` must not be null or NaN, got {shown(column[row])} at bar {row}: "
                "drop such bars, or fill them"
            )
            raise RangeBarError(msg)


def group_name(values: Mapping[str, object]) -> str:
    """A group by its keys, as messages name it."""
    parts = [f"{key}={shown(value)}" for key, value in values.items()]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _wanted_group(symbol: object | Mapping[str, object], keys: list[str]) -> dict[str, object]:
    if symbol is None:
        return {}
    if not keys:
        msg = (
            f"`symbol` is {shown(symbol)}, but the bars have no group key to the left of `open_time`: "
            "leave `symbol` out, or keep the key column"
        )
        raise RangeBarError(msg)
    if isinstance(symbol, Mapping):
        wanted: dict[str, object] = {str(key): value for key, value in cast("Mapping[str, object]", symbol).items()}
        for key in wanted:
            if key not in keys:
                msg = f"`symbol` names `{cut(key)}`, which is not a group key; the keys are {listed(keys)}"
                raise RangeBarError(msg)
        return wanted
    named = [key for key in keys if key != _THRESHOLD] or keys
    if len(named) > 1 and _SYMBOL not in named:
        msg = f"`symbol` must map the group keys {listed(keys)} to values, got {shown(symbol)}"
        raise RangeBarError(msg)
    return {_SYMBOL if len(named) > 1 else named[0]: symbol}


def _predicates(wanted: dict[str, object], schema: pl.Schema) -> list[pl.Expr]:
    return [_predicate(key, value, schema[key]) for key, value in wanted.items()] or [pl.lit(value=True)]


def _predicate(key: str, value: object, dtype: pl.DataType) -> pl.Expr:
    if value is None:
        return pl.col(key).is_null()
    msg = f"`symbol` must be comparable with the group key `{key}` ({shown(dtype)}), got {shown(value)}"
    # An expression would compare bars with bars; a Decimal that is not a number panics in `pl.lit`.
    if isinstance(value, pl.Expr | pl.Series) or (isinstance(value, Decimal) and not value.is_finite()):
        raise RangeBarError(msg)
    try:
        predicate = pl.col(key) == pl.lit(value)
        pl.DataFrame(schema={key: dtype}).filter(predicate)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise RangeBarError(msg) from error
    return predicate


def _missing_group(wanted: dict[str, object], bars: pl.LazyFrame, keys: list[str]) -> str:
    existing = bars.select(keys).unique(maintain_order=True).collect()
    found = f"there are bars of {_group_names(existing)}" if existing.height else "there are no bars at all"
    return f"no bars of {group_name(wanted)}; {found}"


def _check_one_group(frame: pl.DataFrame, keys: list[str]) -> None:
    if not keys:
        return
    groups = frame.select(keys).unique(maintain_order=True)
    if groups.height < 2:  # noqa: PLR2004  (none or one)
        return
    first = groups.row(0, named=True)
    choice = f"`symbol={shown(first if len(keys) > 1 else first[keys[0]])}`"
    others = [key for key in keys if key != _THRESHOLD]
    if _THRESHOLD in keys and (not others or groups.select(others).n_unique() == 1):
        thresholds = ", ".join(map(str, groups[_THRESHOLD].head(_NAMED_GROUPS)))
        msg = f"the bars are of {groups.height} thresholds ({thresholds}): choose one, as in {choice}"
        raise RangeBarError(msg)
    msg = (
        f"the bars hold {groups.height} groups: {_group_names(groups)}; choose one, as in {choice} "
        f"(the group keys are taken to be {listed(keys)})"
    )
    raise RangeBarError(msg)


def _group_names(groups: pl.DataFrame) -> str:
    named = [group_name(row) for row in groups.head(_NAMED_GROUPS).iter_rows(named=True)]
    more = groups.height - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
