"""Splits for cross-validation in which no training label reaches into the test set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import polars as pl

from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_count
from rangebar_polars.exceptions import RangeBarError

__all__ = ["PurgedSplits", "purged_splits"]

_Column: TypeAlias = pl.Series | Sequence[Any] | Any
"""Anything that a Series can be made of, such as an array."""

_LEAST_FOLDS: Final = 2

_LAST: Final = 2**63 - 1
"""The last instant of a clock of 64 bits."""


def purged_splits(
    n: int, label_end: _Column, embargo: int | dt.timedelta = 0, *, label_start: _Column | None = None
) -> PurgedSplits:
    """
    Splits into n folds, purged and embargoed, for anything of scikit-learn that takes `cv`.

    The rows, in the order in which their labels start, are cut into n folds of consecutive rows, of equal size up to
    one. Each is the test set once; the others are the training set, without two kinds of rows:

    - purged: those whose label overlaps the labels of the test set. A label lasts from its start to its end, both
      included; the test set lasts from its first start to its last end.
    - embargoed: those that start after the end of the test set, but within `embargo`.

    Parameters
    ----------
    n
        Folds, at least two, and at most as many as rows.
    label_end
        When the label of each row is known: a Series, list or array. With `label_start`, values of the same dtype, such
        as `exit_time` of :func:`triple_barrier`. Without, integers: the row whose data the label still uses, such as
        row + `exit_bars`.
    embargo
        Rows to leave out after the test set, or a timedelta if labels start and end at times.
    label_start
        When the label of each row begins: Datetime, Date, or integers of any meaning, such as the `close_time` of the
        bar that it enters at. Needs no order: several symbols may follow each other. Without it, the label of row i
        starts at row i.

    Returns
    -------
    PurgedSplits
        ``split(X, y, groups)`` yields the rows of the training and of the test set as two arrays, the test sets in the
        order of time; ``get_n_splits()`` is n. X needs as many rows as `label_end`; y and groups are ignored.

    Raises
    ------
    RangeBarError
        If a parameter is invalid, a label has no end or ends before it starts; from `split`, if X has another number of
        rows, or no training row is left.

    See Also
    --------
    triple_barrier : The label whose `exit_time` or `exit_bars` says when it is known.

    Notes
    -----
    Leave out rows without a label first: null is an error. Features that look back need no purging, as they are known
    at the start; features of overlapping windows still repeat each other across the border, for which the embargo is.
    Arrays need numpy, which scikit-learn brings. O(r log r) for r rows, and O(r) for each split.

    Source: López de Prado (2018), *Advances in Financial Machine Learning*, chapter 7, purged k-fold cross-validation.
    There the embargo is a fraction of the rows: 1 % is ``embargo=round(0.01 * rows)``. Here a training label that
    ends in the very instant in which the test set starts is purged, too.

    Examples
    --------
    Each label is known one row later. Around the test rows 4 and 5, row 3 is purged because its label reaches row 4,
    row 6 because the label of row 5 does, and row 7 is embargoed:

    >>> import rangebar_polars as rb
    >>> splits = rb.purged_splits(5, label_end=range(1, 11), embargo=1)
    >>> train, test = list(splits.split(range(10)))[2]
    >>> train.tolist(), test.tolist()
    ([0, 1, 2, 8, 9], [4, 5])

    With the labels of bars, in scikit-learn:

    >>> trades = rb.datasets.sample_trades(100_000, symbols=["BTCUSDT", "ETHUSDT"])
    >>> bars = trades.rangebar.bars(50, by="symbol")
    >>> label = rb.triple_barrier(0.001, 0.001, max_bars=20).over("symbol")
    >>> table = bars.with_columns(label).drop_nulls("triple_barrier").unnest("triple_barrier")
    >>> splits = rb.purged_splits(5, table["exit_time"], label_start=table["close_time"])
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, y = table.select("ofi", "duration_us").to_numpy(), table["label"].to_numpy()
    >>> len(cross_val_score(DecisionTreeClassifier(max_depth=2), X, y, cv=splits))
    5
    """
    return PurgedSplits(n, label_end, embargo, label_start)


class PurgedSplits:
    """
    The splits of :func:`purged_splits`, a splitter of scikit-learn.

    Examples
    --------
    >>> import rangebar_polars as rb
    >>> rb.purged_splits(5, label_end=range(1, 11), embargo=1)
    PurgedSplits(n=5, rows=10, embargo=1)
    """

    def __init__(
        self, n: int, label_end: _Column, embargo: int | dt.timedelta = 0, label_start: _Column | None = None
    ) -> None:
        self._n = check_count("n", n, _LEAST_FOLDS)
        end = _labels("label_end", label_end)
        rows = pl.int_range(end.len(), dtype=pl.Int64, eager=True)
        start = rows if label_start is None else _labels("label_start", label_start)
        if label_start is None and end.dtype != pl.Int64:
            msg = f"`label_end` is {shown(end.dtype)}: give the times at which labels start as `label_start`"
            raise RangeBarError(msg)
        if start.dtype != end.dtype or start.len() != end.len():
            told = f"{start.len()} of {shown(start.dtype)} and {end.len()} of {shown(end.dtype)}"
            msg = f"`label_start` and `label_end` must have one dtype and as many rows, got {told}"
            raise RangeBarError(msg)
        if self._n > end.len():
            msg = f"`n` must be at most the number of rows, {end.len()}, got {self._n}"
            raise RangeBarError(msg)
        early = (end < start).arg_true()
        if early.len():
            row = early[0]
            told = f"{end[row]} before {start[row]} at row {row}"
            msg = f"`label_end` must not be before the start of its label, got {told}"
            raise RangeBarError(msg)
        self._embargo = embargo
        self._rows_after, self._time_after = _embargo(embargo, end.dtype)
        # Integers, in the order in which labels start: what lies between two of them is not rounded.
        order = start.arg_sort()
        self._order = order.cast(pl.Int64)
        self._start, self._end = start.to_physical()[order], end.to_physical()[order]

    def __repr__(self) -> str:
        return f"PurgedSplits(n={self._n}, rows={self._order.len()}, embargo={self._embargo!r})"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: ANN401, ARG002, N803
        """
        Number of splits; the arguments are those of scikit-learn, and ignored.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.purged_splits(5, label_end=range(1, 11)).get_n_splits()
        5
        """
        return self._n

    def split(
        self,
        X: Any = None,  # noqa: ANN401, N803
        y: Any = None,  # noqa: ANN401, ARG002
        groups: Any = None,  # noqa: ANN401, ARG002
    ) -> Iterator[tuple[Any, Any]]:
        """
        Rows of the training and of the test set of each split, as two arrays of Int64 in the order of rows.

        Raises
        ------
        RangeBarError
            If X has another number of rows than the labels, or no training row is left.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> train, test = next(rb.purged_splits(2, label_end=range(1, 7)).split())
        >>> train.tolist(), test.tolist()
        ([4, 5], [0, 1, 2])
        """
        rows = self._order.len()
        given = rows if X is None else _rows(X)
        if given != rows:
            msg = f"X must have as many rows as `label_end`, {rows}, got {given}: leave out the same rows of both"
            raise RangeBarError(msg)
        position = pl.int_range(rows, dtype=pl.Int64, eager=True)
        begin = 0
        for fold in range(self._n):
            size = rows // self._n + (fold < rows % self._n)
            first, last = int(self._start[begin]), max(self._end.slice(begin, size).to_list())
            after = int((self._start <= last).sum()) + min(self._rows_after, rows)
            later = (self._start > min(last + self._time_after, _LAST)) & (position >= after)
            train = self._order.filter((self._end < first) | later)
            if train.is_empty():
                msg = (
                    f"no training row is left for test set {fold} of {self._n}: its labels and the embargo reach "
                    "across all others; use a shorter embargo, or labels that end sooner"
                )
                raise RangeBarError(msg)
            test = self._order.slice(begin, size)
            yield train.sort().to_numpy(writable=True), test.sort().to_numpy(writable=True)
            begin += size


def _labels(name: str, values: _Column) -> pl.Series:
    """Starts or ends of labels, as Int64 or Datetime."""
    if isinstance(values, str | bytes | pl.Expr | pl.DataFrame | pl.LazyFrame) or not hasattr(values, "__iter__"):
        msg = f"`{name}` must be a Series, a list or an array, got {shown(values)}"
        raise RangeBarError(msg)
    try:
        series = values if isinstance(values, pl.Series) else pl.Series(name, values)
        if series.dtype.is_integer() or series.dtype == pl.Null:
            series = series.cast(pl.Int64)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        msg = f"`{name}` must be of integers or times, got {shown(values)}: {error}"
        raise RangeBarError(msg) from error
    if series.dtype == pl.Date:
        series = series.cast(pl.Datetime("us"))
    if not isinstance(series.dtype, pl.Int64 | pl.Datetime):
        msg = f"`{name}` must be of integers or times, got {shown(series.dtype)}: cast it to Int64 or Datetime"
        raise RangeBarError(msg)
    if series.null_count():
        row = series.is_null().arg_true()[0]
        msg = f"`{name}` must not be null, got null at row {row}: leave out such rows, of X too"
        raise RangeBarError(msg)
    return series


def _embargo(value: int | dt.timedelta, dtype: pl.DataType) -> tuple[int, int]:
    """Rows, and units of the clock."""
    if isinstance(value, dt.timedelta) and value >= dt.timedelta(0):
        if not isinstance(dtype, pl.Datetime):
            msg = f"`embargo` is a time, {shown(value)}, but labels start and end at integers: give a number of rows"
            raise RangeBarError(msg)
        unit = {"ms": 1_000_000, "us": 1_000, "ns": 1}[dtype.time_unit]
        return 0, value // dt.timedelta(microseconds=1) * 1_000 // unit
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, 0
    msg = (
        f"`embargo` must be a number of rows or a timedelta, of at least 0, got {shown(value)}: "
        "1 % of the rows is round(0.01 * rows)"
    )
    raise RangeBarError(msg)


def _rows(x: Any) -> int:  # noqa: ANN401
    shape = getattr(x, "shape", None)  # a sparse matrix has no length
    return int(shape[0]) if shape else len(x)
