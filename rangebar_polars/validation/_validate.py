"""The report on bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from rangebar_polars._bars.request import Threshold, as_rule
from rangebar_polars._common.columns import key_columns, missing_column
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.parameters import (
    check_count,
    check_features,
    check_flag,
    check_price_decimals,
    check_time_unit,
)
from rangebar_polars._typing import By, TimeUnit
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.validation._bounds import BASE, PRICES
from rangebar_polars.validation._dtypes import TIME_COLUMNS, check_dtypes
from rangebar_polars.validation._libraries import libraries
from rangebar_polars.validation._limits import Limits, check_limits
from rangebar_polars.validation._report import report
from rangebar_polars.validation._statistics import statistical, unordered
from rangebar_polars.validation._structure import UNFINISHED, structure

__all__ = ["validate"]

_REQUIRED: Final = ("close_time", *PRICES)
_NO_FEATURES: Final = tuple(dict.fromkeys((*BASE, *TIME_COLUMNS)))
_RULES: Final = ("threshold_dbps", "rule")
"""Columns that say which rule made a bar."""
_KEYS: Final = ("symbol", *_RULES)
"""Columns that are keys in any position."""
_ORDER: Final = ("group_keys", "time_order")
"""Checks without which "the next bar" means nothing."""


def validate(
    bars: pl.DataFrame | pl.LazyFrame,
    *,
    by: By = None,
    features: Sequence[str] | None = None,
    horizon: int = 1,
    threshold_dbps: Threshold | None = None,
    time_unit: TimeUnit | None = None,
    price_decimals: int = 8,
    statistics: bool = True,
    significance: float = 0.05,
    max_correlation: float = 0.95,
    max_forward_correlation: float = 0.5,
    min_bars: int = 30,
) -> pl.DataFrame:
    """
    Check bars before a model is trained on them.

    Structural checks compare each bar with its definition: nulls, infinities, bounds, the order of prices, times and
    ids, sums over the sides, the rule that closed it, the calendar. Statistical checks ask whether each feature keeps
    its level and whether it carries information about the return that follows.

    Parameters
    ----------
    bars
        Bars with at least `close_time`, `open`, `high`, `low` and `close`, in the order of time within each group.
        Other columns are checked if they exist.
    by
        Name or names of key columns; order, forward returns and ranks are taken within each group.
    features
        Columns to judge as features; by default all numeric columns that are neither keys nor columns of the bar
        itself.
    horizon
        Number of bars from a bar to the one whose close gives the forward return.
    threshold_dbps
        Threshold of the bars, or their rule, such as ``rb.Volume(50)``, if no column has it: bars of a list have the
        column `threshold_dbps` or `rule`.
    time_unit
        "ms", "us" or "ns" if times are integers; without it the calendar is not judged.
    price_decimals
        Decimals of prices with which the bars were made, 0 to 18.
    statistics
        Whether to run the statistical checks, which need scipy, statsmodels and scikit-learn.
    significance
        Largest p-value that counts as evidence.
    max_correlation
        Largest rank correlation between two features.
    max_forward_correlation
        Largest rank correlation between a feature and the forward return that is believed.
    min_bars
        Number of bars with values that a statistic needs, at least 20.

    Returns
    -------
    DataFrame
        One row per check: `check` (String), `column` (String; several names if it judges several, "a ~ b" for a pair),
        `passed` (Boolean; null if it could not be judged), `value` and `limit` (Float64), `meaning` (String: what was
        found, and what to do). The value of a structural check is the number of bars that break it.

    Raises
    ------
    RangeBarError
        If a parameter is invalid, or a column is missing or has another dtype than in bars.
    ModuleNotFoundError
        If `statistics` and one of the libraries is not installed: ``pip install "rangebar_polars[validation]"``.

    Notes
    -----
    A feature need not pass everything. `rank_correlation` and `mutual_information` pass if there is evidence of a
    relation, so a feature without any fails there; `leakage` fails if the relation is too good to be true. The other
    checks fail if something is wrong.

    p-values of the rank correlation are corrected for the number of features by the method of Benjamini and Hochberg,
    so that of the features called related one in twenty is not, at a `significance` of 0.05. Bars whose forward returns
    would overlap are not used together. Ranks are taken within the group. Consecutive bars are not independent: if both
    the feature and the return persist, they count as the smaller number of independent bars that would carry as much
    information (Bartlett 1935). Symbols that move together are still treated as independent: p-values over several are
    too small.

    A LazyFrame is collected once; memory is that of the bars. Statistics use 100,000 bars for the rank correlation and
    1,000 for the mutual information, evenly spread over the groups one after another, and the last 2,000 bars of the
    five longest groups for the stationarity. Fifty features take about fifteen seconds, most of it for the mutual
    information.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = rb.datasets.sample_trades(60_000).rangebar.bars(100, features=["ofi", "kyle_lambda_proxy"])
    >>> checks = rb.validate(bars, threshold_dbps=100, statistics=False)
    >>> checks["passed"].all()
    True
    >>> broken = rb.validate(bars.with_columns(ofi=pl.col("ofi") * 2), threshold_dbps=100, statistics=False)
    >>> broken.filter(~pl.col("passed")).select("check", "column").rows()
    [('bounds', 'ofi')]
    """
    lazy = lazy_frame("validate", bars)
    schema = lazy.collect_schema()
    for name in _REQUIRED:
        if name not in schema:
            raise missing_column(name, schema.names())
    check_dtypes(schema, check_time_unit(time_unit))
    keys = key_columns(by, schema, ())
    other_keys = [name for name in _key_candidates(schema) if name not in keys]
    chosen = _features(check_features(features), schema, (*keys, *other_keys))
    check_count("horizon", horizon)
    limits = check_limits(Limits(significance, max_correlation, max_forward_correlation, min_bars))
    check_price_decimals(price_decimals)
    if threshold_dbps is not None:
        as_rule(threshold_dbps, price_decimals)
        for name in _RULES:
            if name in schema:
                msg = f"the bars have a column `{name}`: leave the parameter `threshold_dbps` out"
                raise RangeBarError(msg)
    loaded = libraries() if check_flag("statistics", statistics) else None
    wanted = (*keys, *other_keys, *(name for name in _NO_FEATURES if name in schema), *chosen)
    frame = lazy.select(*dict.fromkeys(wanted)).collect()
    checks = structure(
        frame,
        keys=keys,
        other_keys=other_keys,
        features=chosen,
        threshold_dbps=threshold_dbps,
        time_unit=time_unit,
        price_decimals=price_decimals,
        min_bars=min_bars,
    )
    if loaded is not None:
        ordered = all(check.passed is not False for check in checks if check.check in _ORDER)
        if ordered:
            finished = frame if "close_reason" not in schema else frame.filter(_finished())
            checks += statistical(
                finished, keys=keys, features=chosen, horizon=horizon, libraries=loaded, limits=limits
            )
        else:
            checks += unordered(chosen)
    return report(checks)


def _finished() -> pl.Expr:
    return pl.col("close_reason").cast(pl.String).ne_missing(UNFINISHED)


def _key_candidates(schema: pl.Schema) -> list[str]:
    """Keys by their position, to the left of the times, or by their name."""
    names = schema.names()
    first = min(names.index(name) for name in ("open_time", "close_time") if name in schema)
    left = [name for name in names[:first] if not schema[name].is_float() and schema[name] != pl.Object]
    return [*left, *(name for name in _KEYS if name in names[first:])]


def _features(named: list[str] | None, schema: pl.Schema, keys: Sequence[str]) -> list[str]:
    if named is None:
        return [name for name, dtype in schema.items() if dtype.is_numeric() and name not in (*keys, *_NO_FEATURES)]
    for name in named:
        if name not in schema:
            raise missing_column(name, schema.names())
        if not schema[name].is_numeric():
            msg = f"the feature `{name}` must be numeric, got {schema[name]}"
            raise RangeBarError(msg)
    return list(dict.fromkeys(named))
