"""The bars of one symbol as a pandas frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rangebar_polars._common.bar_times import check_years, with_datetimes
from rangebar_polars._common.columns import missing_column, name_list
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.groups import check_complete, one_group
from rangebar_polars._common.messages import cut, listed, shown
from rangebar_polars._common.parameters import check_flag
from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

__all__ = ["pandas_frame"]

_OHLC: Final = {"open": "Open", "high": "High", "low": "Low", "close": "Close"}
_OHLCV: Final = {**_OHLC, "volume": "Volume"}
_INDEX: Final = "close_time"


def pandas_frame(
    function: str,
    bars: pl.LazyFrame | pl.DataFrame,
    *,
    symbol: object | Mapping[str, object],
    extra: str | Sequence[str],
    time_unit: TimeUnit | None,
    include_incomplete: bool,
) -> pd.DataFrame:
    """The frame that `to_backtesting` describes; messages name the function that was called."""
    pandas = _pandas(function)
    lazy = lazy_frame(function, bars)
    names = name_list("extra", extra)
    _check_columns(lazy.collect_schema(), names)
    check_flag("include_incomplete", include_incomplete)
    lazy = with_datetimes(lazy, [_INDEX], time_unit)
    frame = one_group(lazy, [_INDEX, *_OHLCV, *names], symbol, include_incomplete=include_incomplete)
    check_complete(frame, [_INDEX, *_OHLC])
    check_years(frame, [_INDEX])
    return _to_pandas(frame.sort(_INDEX, maintain_order=True), names, pandas)


def _pandas(function: str) -> Any:  # noqa: ANN401  (pandas publishes no types)
    try:
        return import_module("pandas")
    except ModuleNotFoundError as error:
        extra = "vectorbt" if function == "to_vectorbt" else "backtesting"
        msg = f'{function}() needs pandas: pip install "rangebar_polars[{extra}]"'
        raise ModuleNotFoundError(msg, name=error.name) from error


def _check_columns(schema: pl.Schema, extra: list[str]) -> None:
    for name in (_INDEX, *_OHLCV, *extra):
        if name not in schema:
            raise missing_column(name, list(schema))
    taken = set(_OHLCV.values())
    for name in extra:
        if name in taken:
            reserved = listed(list(_OHLCV.values()))
            msg = f"`extra` must name distinct columns other than {reserved}, got `{cut(name)}`: rename the column"
            raise RangeBarError(msg)
        taken.add(name)
    for name in _OHLCV:
        if not schema[name].is_numeric():
            msg = f"column `{name}` must be numeric, got {shown(schema[name])}: cast it"
            raise RangeBarError(msg)


def _to_pandas(frame: pl.DataFrame, extra: list[str], pandas: Any) -> pd.DataFrame:  # noqa: ANN401
    data: dict[str, Any] = {
        title: frame[name].cast(pl.Float64).to_numpy(writable=True) for name, title in _OHLCV.items()
    }
    data.update({name: _to_array(frame[name], pandas) for name in extra})
    index = pandas.DatetimeIndex(_to_array(frame[_INDEX], pandas), name=_INDEX)
    result: pd.DataFrame = pandas.DataFrame(data, index=index)
    return result


def _to_array(column: pl.Series, pandas: Any) -> Any:  # noqa: ANN401
    """Convert to what pandas takes directly, without pyarrow; zoned times become naive UTC."""
    dtype = column.dtype
    if isinstance(dtype, pl.Enum | pl.Categorical):
        categories = dtype.categories if isinstance(dtype, pl.Enum) else column.drop_nulls().unique(maintain_order=True)
        return pandas.Categorical(column.to_list(), categories=categories.cast(pl.String).to_list())
    if dtype.is_decimal():
        return column.cast(pl.Float64).to_numpy(writable=True)
    if dtype.is_nested() or dtype == pl.String:
        return pandas.Series(column.to_list(), dtype="object" if dtype.is_nested() else None).array
    return column.to_numpy(writable=True)
