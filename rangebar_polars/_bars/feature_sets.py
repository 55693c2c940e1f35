"""Features of one's own under a name and a version, and where installed packages offer them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

import polars as pl

from rangebar_polars._common.messages import cut, listed, shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["GROUP", "FeatureSet", "as_expressions", "as_feature_sets"]

GROUP: Final = "rangebar_polars.features"
"""The entry points under which packages offer sets."""

_MOST_BARS: Final = 100_000
"""Bars that a window may reach back: it is computed for each bar."""

Dtype = pl.DataType | type[pl.DataType]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Fields:
    """What stands behind the name and the version."""

    aggs: pl.Expr | Sequence[pl.Expr] = ()
    over_bars: pl.Expr | Sequence[pl.Expr] = ()
    lookback_bars: int = 0
    schema: Mapping[str, Dtype] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class FeatureSet(_Fields):
    """
    Features of one's own: expressions under a name and a version.

    Pass it to :meth:`LazyFrameRangeBar.bars` as `feature_sets`. The column of an expression named `x` is `name__x`. A
    package offers a set to everybody who installs it by an entry point of the group ``rangebar_polars.features``,
    whose name is that of the set and whose object is the set or a function that returns it.

    Parameters
    ----------
    name
        The name: letters, digits and single underscores, as a name in Python.
    version
        The version, any text. Bars that a lake keeps are built again when it changes, and a checkpoint is of one
        version: change it whenever a value may change.
    aggs
        Aggregations over the trades of a bar, each with one value, such as ``pl.col("price").std().alias("std")``.
    over_bars
        Expressions over the bars of one key and threshold, in their order, such as
        ``pl.col("close").rolling_mean(20).alias("mean_20")``. They may read every column of the bars, the ten features
        and those of the bar's own trades (`intra_*`) also if they are not asked for, and the columns of `aggs` under
        their full names.
    lookback_bars
        How many bars before a bar `over_bars` may see, 0 to 100000: 19 for a mean over 20 bars. Forming bars and those
        that a reset or a gap ended see the bars before them, but are not seen.
    schema
        The dtypes of the columns, by the names without the name of the set; others are an error.

    Raises
    ------
    RangeBarError
        If an argument is not as described above.

    Notes
    -----
    **Which values.** A value of `over_bars` is the last one of its expression over the window of a bar: the
    `lookback_bars` bars before it, and itself last. So it depends on nothing else, neither on later bars nor on where
    the data began earlier, and is the same in a query, a stream and a lake. The cost is that of one window for each
    bar.

    :func:`check_features` tells whether a set means what it says.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> shape = rb.FeatureSet(
    ...     "shape",
    ...     "1.0",
    ...     aggs=[pl.col("price").std().alias("std")],
    ...     over_bars=[(pl.col("close") / pl.col("close").shift(1) - 1).alias("change")],
    ...     lookback_bars=1,
    ... )
    >>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
    >>> bars = trades.rangebar.bars(100, feature_sets=[shape])
    >>> bars.select("shape__std", "shape__change").columns
    ['shape__std', 'shape__change']
    """

    name: str = field(kw_only=False)
    version: str = field(kw_only=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9])*", self.name):
            msg = f"the name of a FeatureSet has letters, digits and single underscores, got {shown(self.name)}"
            raise RangeBarError(msg)
        if not isinstance(self.version, str) or not self.version.strip():
            msg = f"the version of the FeatureSet {self.name!r} must be a text such as '1.0', got {shown(self.version)}"
            raise RangeBarError(msg)
        where = f"of the FeatureSet {self.name!r}"
        for parameter in ("aggs", "over_bars"):
            object.__setattr__(self, parameter, as_expressions(parameter, getattr(self, parameter), where))
        bars = self.lookback_bars
        if isinstance(bars, bool) or not isinstance(bars, int) or not 0 <= bars <= _MOST_BARS:
            msg = f"`lookback_bars` {where} must be an integer in 0..{_MOST_BARS}, got {shown(bars)}"
            raise RangeBarError(msg)
        if self.schema is not None and not isinstance(self.schema, Mapping):
            msg = f"`schema` {where} must be a mapping of names to dtypes, got {shown(self.schema)}"
            raise RangeBarError(msg)

    def __repr__(self) -> str:
        return f"FeatureSet({self.name!r}, {self.version!r})"


def as_expressions(parameter: str, value: object, where: str = "") -> tuple[pl.Expr, ...]:
    """Expressions, one or several."""
    given = (value,) if isinstance(value, pl.Expr) else value
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise _no_expression(parameter, value, where)
    for one in cast("Sequence[object]", given):
        if not isinstance(one, pl.Expr):
            raise _no_expression(parameter, one, where)
    return tuple(cast("Sequence[pl.Expr]", given))


def _no_expression(parameter: str, value: object, where: str) -> RangeBarError:
    told = f"`{parameter}` {where}".strip()
    return RangeBarError(
        f'{told} takes expressions of Polars, such as pl.col("price").std().alias("price_std"), got {shown(value)}'
    )


def as_feature_sets(value: object) -> tuple[FeatureSet, ...]:
    """Sets, given as such or by the names of installed ones."""
    given = (value,) if isinstance(value, FeatureSet | str) else value
    if not isinstance(given, Sequence):
        msg = f"`feature_sets` takes FeatureSets or names of installed ones, got {shown(value)}"
        raise RangeBarError(msg)
    sets: list[FeatureSet] = []
    for one in cast("Sequence[object]", given):
        if isinstance(one, str):
            sets.append(_installed(one))
        elif isinstance(one, FeatureSet):
            sets.append(one)
        else:
            msg = f"`feature_sets` takes FeatureSets or names of installed ones, got {shown(one)}"
            raise RangeBarError(msg)
    names = [one.name for one in sets]
    for name in names:
        if names.count(name) > 1:
            msg = f"the FeatureSet {name!r} is named twice: name it once"
            raise RangeBarError(msg)
    return tuple(sets)


def _installed(name: str) -> FeatureSet:
    """The set that an installed package offers under a name."""
    all_points = entry_points(group=GROUP)
    # A package that is on the path twice offers the same.
    points = {(point.value, _package(point)): point for point in all_points if point.name == name}
    if not points:
        known = sorted({point.name for point in all_points})
        there = f"there are {listed(known)}" if known else "none is installed"
        msg = (
            f"no installed package offers a FeatureSet {cut(name)!r} ({there}): install the one that does, or pass the "
            "FeatureSet itself"
        )
        raise RangeBarError(msg)
    if len(points) > 1:
        told = " and ".join(f"{package} ({value})" for value, package in points)
        msg = f"several installed packages offer a FeatureSet {name!r}, {told}: uninstall all but one"
        raise RangeBarError(msg)
    [((value, package), point)] = points.items()
    try:
        made: object = point.load()
        made = made() if callable(made) else made
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        msg = f"the FeatureSet {name!r} of {package} ({value}) cannot be loaded, {cut(told, 300)}: mend the package"
        raise RangeBarError(msg) from error
    if not isinstance(made, FeatureSet) or made.name != name:
        msg = f"the entry point {name!r} of {package} ({value}) must be a FeatureSet {name!r}, got {shown(made)}"
        raise RangeBarError(msg)
    return made


def _package(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"
