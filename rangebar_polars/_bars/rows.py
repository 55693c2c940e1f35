"""Bars as rows: named tuples, which a live stream makes without a frame."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import polars as pl

__all__ = ["BarRow", "row_type", "rows_of"]


class BarRow(tuple[Any, ...]):
    """
    A bar as a row: what :meth:`BarStream.push_trade` gives with `as_rows`.

    A named tuple with a field for each column of the bars, and the values that `rows` of the frame would give: times as
    datetimes, nulls as None. A column whose name is no identifier has a field that is named by its place, such as `_0`.
    Rows can be compared, copied and pickled.

    Examples
    --------
    >>> import rangebar_polars as rb
    >>> stream = rb.BarStream(threshold_dbps=1_000, time_unit="ms")
    >>> stream.push_trade(1, 100.0, 2.0)
    >>> [bar] = stream.push_trade(2, 101.0, 2.0, as_rows=True)
    >>> bar.open, bar.volume, bar.close_reason
    (100.0, 4.0, 'threshold')
    >>> isinstance(bar, rb.BarRow), bar[0] == bar.open_time, bar._asdict()["close"]
    (True, True, 101.0)
    """

    __slots__ = ()

    _fields: ClassVar[tuple[str, ...]]
    """The names of the fields."""

    if TYPE_CHECKING:  # the class of a row has them, as every named tuple

        @classmethod
        def _make(cls, values: tuple[Any, ...]) -> Self: ...

        def _asdict(self) -> dict[str, Any]: ...

        def _replace(self, **values: Any) -> Self: ...  # noqa: ANN401

        def __getattr__(self, name: str) -> Any: ...  # noqa: ANN401


@cache
def row_type(columns: tuple[str, ...]) -> type[BarRow]:
    """The class of rows of some columns. There is one of each, so rows of two streams can be compared."""
    fields = namedtuple("BarRow", columns, rename=True)  # type: ignore[misc]  # noqa: PYI024  # whatever there is

    def reduce(self: BarRow) -> tuple[object, ...]:
        return _row, (columns, tuple(self))

    members = {"__slots__": (), "__reduce__": reduce, "__doc__": BarRow.__doc__, "__module__": __name__}
    return cast("type[BarRow]", type("BarRow", (fields, BarRow), members))


def rows_of(bars: pl.DataFrame) -> list[BarRow]:
    """The rows of a frame."""
    made = cast("Any", row_type(tuple(bars.columns)))
    return [made._make(row) for row in bars.rows()]


def _row(columns: tuple[str, ...], values: tuple[Any, ...]) -> BarRow:
    """A row that was pickled."""
    return cast("BarRow", cast("Any", row_type(columns))._make(values))
