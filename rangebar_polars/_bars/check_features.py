"""Whether features of one's own mean what they say: no look at the future, and one value however trades come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from rangebar_polars._bars.feature_sets import FeatureSet, as_feature_sets
from rangebar_polars._bars.own_features import OwnColumn, OwnFeatures, has_one_value
from rangebar_polars._bars.request import PARTS, Request, Threshold
from rangebar_polars._bars.scan import scan_bars
from rangebar_polars._bars.stream import BarStream
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.messages import cut, shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["check_features"]

_CHECKS: Final = ("again", "chunks", "prefix", "lookback")

_REPORT: Final = {
    "check": pl.Enum(_CHECKS),
    "column": pl.String(),
    "bars": pl.UInt32(),
    "first_bar": pl.UInt32(),
    "close_time": pl.String(),
    "expected": pl.String(),
    "got": pl.String(),
}

_PARTS: Final = 8
"""Into how many parts trades are cut."""

_RELATIVE: Final = 1e-9
"""How far two sums of the same doubles may be apart that were added up in another order."""

_OURS: Final = ("state", "progress", "overlap", "include_incomplete", "include_orphans", "aggs", "feature_sets")


def check_features(
    feature_set: FeatureSet | str,
    trades: pl.DataFrame | pl.LazyFrame,
    threshold_dbps: Threshold,
    **options: Any,  # noqa: ANN401  (those of `bars`)
) -> pl.DataFrame:
    """
    Check a :class:`FeatureSet` on trades: what fails, where.

    Parameters
    ----------
    feature_set
        The set, or the name of one that an installed package offers.
    trades
        Trades with some hundreds of bars or more: what does not happen on them is not found.
    threshold_dbps
        One threshold or rule, as for :meth:`LazyFrameRangeBar.bars`.
    **options
        Parameters of :meth:`LazyFrameRangeBar.bars` such as `by`, `time`, `time_unit`, `reset` or `lookback`.

    Returns
    -------
    DataFrame
        No rows if all is well. Otherwise one for each check and column that fails: `check` (Enum), `column` (String),
        on how many `bars` and on which `first_bar` (UInt32), its `close_time`, what was `expected` and what it `got`
        (String). The checks:

        - "again": the values are the same when they are computed a second time.
        - "chunks": they are the same when the trades are pushed in eight parts, each into a stream restored from a
          checkpoint or, if the set cannot be kept, into one stream.
        - "prefix": they stay as they are when the trades behind them are cut off. Expressions over bars are also
          computed over all bars at once, as a notebook does it: one that looks at later bars fails here.
        - "lookback": expressions over bars give over all bars what they give over their windows, but for the last bits
          of doubles (a part of 1e-9): if not, `lookback_bars` is too small. Expressions that aggregate their window to
          one value are not held against all bars.

    Raises
    ------
    RangeBarError
        If an argument is wrong, an expression fails, or the trades make no bar.

    Notes
    -----
    Bars are built about fifteen times. The bars themselves need no check: values on a bar can differ from what is known
    when it closes only through the expressions.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"])
    >>> close = pl.col("close")
    >>> fair = rb.FeatureSet("fair", "1", over_bars=[(close / close.shift(1)).alias("up")], lookback_bars=1)
    >>> rb.check_features(fair, trades, 100).height
    0
    >>> unfair = rb.FeatureSet("unfair", "1", over_bars=[(close.shift(-1) / close).alias("up")], lookback_bars=1)
    >>> rb.check_features(unfair, trades, 100).select("check", "column").rows()
    [('prefix', 'unfair__up')]
    """
    [one] = as_feature_sets([feature_set] if isinstance(feature_set, str) else feature_set)
    if isinstance(threshold_dbps, Sequence):
        msg = f"`check_features` takes one threshold or rule, got {shown(threshold_dbps)}: call it with each"
        raise RangeBarError(msg)
    for name in _OURS:
        if name in options:
            msg = f"`check_features` chooses `{name}` itself: leave it out"
            raise RangeBarError(msg)
    frame = lazy_frame("check_features", trades).collect()
    return _Check(one, frame, threshold_dbps, options).report()


class _Check:
    """A set on some trades."""

    def __init__(self, one: FeatureSet, trades: pl.DataFrame, threshold: Threshold, options: dict[str, Any]) -> None:
        self.own = OwnFeatures.of((), [one])
        named: dict[str, Any] = {**PARTS, **options}
        request = Request.of(threshold, **named)
        if "by" in options:
            options = options | {"by": request.keys}
        # All columns that expressions over bars read are among those of the bars.
        request = self.own.with_needed(request)
        self.request, self.trades = request, trades
        self.options: dict[str, Any] = options | {"threshold_dbps": threshold, "features": request.features}
        self.over_all = [column for _, columns in self.own.windows for column in columns]
        self.bars = self.built(trades)
        if not self.bars.height:
            raise RangeBarError(
                "the trades make no bar, so nothing was checked: give more of them, or a smaller threshold"
            )
        self.found: list[dict[str, Any]] = []

    def report(self) -> pl.DataFrame:
        """What fails."""
        names = self.own.order
        self.compare("again", names, self.bars, self.built(self.trades))
        self.compare("chunks", names, self.bars, self.pushed())
        cuts = sorted({self.trades.height * part // _PARTS for part in range(1, _PARTS)} - {0})
        for cut_at in cuts:
            bars = self.built(self.trades.head(cut_at))
            self.compare("prefix", names, self.bars.head(bars.height), bars)
        self.compare_over_all_bars(cuts)
        rows = sorted(self.found, key=lambda row: (_CHECKS.index(row["check"]), names.index(row["column"])))
        return pl.DataFrame(rows, schema=_REPORT)

    def built(self, trades: pl.DataFrame) -> pl.DataFrame:
        """The bars of trades."""
        return scan_bars(trades.lazy(), self.request, own=self.own).collect()

    def pushed(self) -> pl.DataFrame:
        """The same of a stream."""
        stream = BarStream(**self.options, feature_sets=self.own.sets)
        parts: list[pl.DataFrame] = []
        for part in self.trades.iter_slices(max(1, -(-self.trades.height // _PARTS))):
            parts.append(stream.push(part))
            stream = BarStream.restore(stream.checkpoint(), feature_sets=self.own.sets)
        return pl.concat(parts)

    def compare_over_all_bars(self, cuts: list[int]) -> None:
        """Expressions over bars as somebody computes them who has all bars."""
        columns = [column for column in self.over_all if not has_one_value(column, self.bars.schema)]
        if not columns:
            return
        names = [column.name for column in columns]
        whole = self.over(self.bars, columns)
        for cut_at in cuts:
            bars = self.built(self.trades.head(cut_at))
            self.compare("prefix", names, whole.head(bars.height), self.over(bars, columns))
        early = {row["column"] for row in self.found if row["check"] == "prefix"}
        late = [name for name in names if name not in early]
        self.compare("lookback", late, whole, self.bars, exact=False)

    def over(self, bars: pl.DataFrame, columns: list[OwnColumn]) -> pl.DataFrame:
        """Expressions over all bars of each key."""
        by, place = self.request.keys, "__rangebar_polars_place__"
        numbered = bars.with_row_index(place)
        parts = numbered.partition_by(by, maintain_order=True) if by and bars.height else [numbered]
        made: list[pl.DataFrame] = []
        for part in parts:
            values = part.select(column.expression.alias(column.name) for column in columns)
            if values.height != part.height:
                msg = f"{columns[0].told} must have one value for each bar, or one for all, and has {values.height}"
                raise RangeBarError(msg)
            made.append(values.with_columns(part[place]))
        values = pl.concat(made).sort(place)
        return bars.drop([column.name for column in columns]).hstack(values.drop(place).get_columns())

    def compare(
        self, check: str, names: list[str], expected: pl.DataFrame, got: pl.DataFrame, *, exact: bool = True
    ) -> None:
        """Note where columns differ."""
        for name in names:
            if any(row["check"] == check and row["column"] == name for row in self.found):
                continue
            rows = list(_differing(expected[name], got[name], exact=exact))
            if rows:
                first = rows[0]
                told = [cut(str(column[first]), 200) for column in (expected["close_time"], expected[name], got[name])]
                row = [check, name, len(rows), first, *told]
                self.found.append(dict(zip(_REPORT, row, strict=True)))


def _differing(expected: pl.Series, got: pl.Series, *, exact: bool) -> Iterator[int]:
    """The rows in which two columns differ."""
    if expected.len() != got.len():
        yield min(expected.len(), got.len()) - 1
        return
    if expected.dtype.is_float() and not exact:
        near = (expected - got).abs() <= _RELATIVE * pl.select(pl.max_horizontal(expected.abs(), got.abs())).to_series()
        near = near.fill_null(value=False)
        yield from (~(near | expected.eq_missing(got))).arg_true()
    elif expected.dtype.is_nested():
        yield from (row for row, (one, other) in enumerate(zip(expected, got, strict=True)) if not _same(one, other))
    else:
        yield from expected.ne_missing(got).arg_true()


def _same(one: object, other: object) -> bool:
    if isinstance(one, pl.Series) and isinstance(other, pl.Series):
        return one.equals(other, null_equal=True)
    return str(one) == str(other)
