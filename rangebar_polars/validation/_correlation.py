"""Spearman's rho within groups, and how rarely chance makes one as large if rows depend on each other."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import polars as pl

from rangebar_polars.validation._libraries import Libraries

__all__ = ["Correlation", "centred", "correlation"]

_LAGS: Final = 30
"""
Lags over which dependence is counted: in full over half of them, then with falling weight.

Returns of range bars depend on each other over ten bars and less. A feature may do so over any number, but the number
of independent rows changes only if both do; with 50 lags, the sums of a slow feature added more noise than
information.
"""
_SHARE: Final = 3
"""At most a third of the rows: rows farther apart form too few pairs."""
_LEAST: Final = 1e-300
"""Avoids a division by zero if rho is 1."""


class Correlation(NamedTuple):
    """The result for a number of rows, which carry as much information as a number of independent ones."""

    rho: float
    p_value: float
    rows: int
    independent: float


def centred(values: Any, group: Any) -> Any:  # noqa: ANN401  (arrays of numpy)
    """Ranks within the group, between -1/2 and 1/2, with mean 0."""
    frame = pl.DataFrame({"group": group, "value": values})
    rank = pl.col("value").rank() / (pl.len() + 1) - 0.5
    return frame.select(rank.over("group")).to_series().to_numpy()


def correlation(x: Any, y: Any, group: Any, libraries: Libraries) -> Correlation:  # noqa: ANN401
    """
    Spearman's rho of two columns of centred ranks that vary, and its two-sided p-value.

    The p-value is that of Student's t for n independent rows, where n is the number that would scatter rho by chance as
    widely as these rows do, at most the number of rows less the number of groups. Rows of one group are consecutive, in
    the order of time.
    """
    squares = float((x * x).sum() * (y * y).sum())
    rho = float((x * y).sum()) / math.sqrt(squares)
    variance = _variance(x, y, group, libraries.numpy)
    most = float((group[1:] == group[:-1]).sum())  # the rows, less one per group
    independent = squares / variance if variance * most > squares else most
    freedom = max(independent - 1.0, 1.0)
    t = abs(rho) * math.sqrt(freedom / max(1.0 - rho * rho, _LEAST))
    return Correlation(rho, float(2.0 * libraries.student_t.sf(t, freedom)), len(x), independent)


def _variance(x: Any, y: Any, group: Any, numpy: Any) -> float:  # noqa: ANN401
    """
    Variance of the sum of x y, if x and y are independent of each other.

    It is the sum, over pairs of rows, of their covariance in x times their covariance in y (Bartlett 1935; Clifford,
    Richardson and Hemon 1989). The covariance of rows k apart is estimated within each group from the group itself,
    which is right even for small groups, where the centring alone makes rows dependent. Rows k apart in two groups are
    pooled: they contribute nothing if groups are symbols one after another, but something if they are days of one
    symbol.
    """
    rows, size = len(x), numpy.bincount(group)
    lags = min(_LAGS, rows // _SHARE)
    variance = 0.0
    for lag in range(lags + 1):
        of_x, of_y = (values[: rows - lag] * values[lag:] for values in (x, y))
        within = group[: rows - lag] == group[lag:]
        in_x, in_y = (
            numpy.bincount(group[lag:][within], weights=products[within], minlength=len(size))
            for products in (of_x, of_y)
        )
        covariance = float((in_x * in_y / numpy.maximum(size - lag, 1)).sum())
        between = rows - lag - int(within.sum())
        if between:
            covariance += float(of_x[~within].sum() * of_y[~within].sum()) / between
        weight = min(1.0, 2.0 * (1.0 - lag / (lags + 1)))
        variance += covariance * weight * (2.0 if lag else 1.0)
    return variance
