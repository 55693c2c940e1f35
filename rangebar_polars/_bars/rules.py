"""What closes bars: what all rules have in common, and the rules of the price."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, Self

from rangebar_polars import _internal
from rangebar_polars._common.messages import shown
from rangebar_polars.exceptions import RangeBarError

__all__ = ["BarRule", "Cusum", "HighLow", "Range", "check_count", "check_number"]


class BarRule:
    """
    A rule that closes bars.

    A rule is what requests and checkpoints say of it: its form, a name and parameters. What these may be, the compiled
    library says, and it rounds numbers as it takes them.
    """

    __slots__ = ("_form",)

    _form: dict[str, Any]

    @property
    def form(self) -> dict[str, Any]:
        """The form that requests and checkpoints have."""
        return dict(self._form)

    def rounded(self, price_decimals: int) -> Self:
        """The same rule for prices of some decimals."""
        return self.of_form(json.loads(_internal.check_rule(json.dumps(self._form), price_decimals)))

    @classmethod
    def of_form(cls, form: dict[str, Any]) -> Self:
        """The rule of a form that the library has checked."""
        rule = cls.__new__(cls)
        rule._form = form  # noqa: SLF001  (of this class)
        return rule

    def _check(self, form: dict[str, Any]) -> None:
        self._form = json.loads(_internal.check_rule(json.dumps(form), 8))

    def __repr__(self) -> str:
        return _internal.written_rule(json.dumps(self._form))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BarRule) and self._form == other._form

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._form.items())))


class Range(BarRule):
    """
    The rule of range bars: a bar closes with the first trade whose price lies a set distance from the bar's open.

    A plain integer means the same: ``bars(250)`` is ``bars(rb.Range(250))``.

    Parameters
    ----------
    dbps
        The distance as a fraction of the open, in decimal basis points, 1 to 100000 (1 dbps = 0.001 %, so 250 is
        0.25 %): `trunc(open * dbps / 100000)` in units of the last decimal of prices.
    points
        The distance as a difference of prices: 0.25 closes a bar when the price has moved by 0.25. It is rounded to the
        `price_decimals` of the bars, eight by default, and must then be above zero. Give one of the two.

    Raises
    ------
    RangeBarError
        If neither or both are given, or one is not what it must be.

    Notes
    -----
    The closing trade belongs to the bar. The trade that opens a bar cannot close it, nor can trades at the same time,
    unless `same_timestamp_gate=False`. In a list of rules, the bars say in the column `threshold_dbps` which rule made
    them, or in the column `rule` if one of the rules has `points`.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": [1, 2, 3], "price": [100.0, 100.5, 101.0], "quantity": [1.0, 1.0, 1.0]})
    >>> trades.rangebar.bars(rb.Range(points=1), time_unit="ms")["close"].to_list()
    [101.0]
    >>> trades.rangebar.bars([rb.Range(500), rb.Range(points=1)], time_unit="ms").select("close", "rule").rows()
    [(100.5, 'Range(500)'), (101.0, 'Range(points=1)')]
    """

    __slots__ = ()

    def __init__(self, dbps: int | None = None, *, points: float | Decimal | None = None) -> None:
        if (dbps is None) == (points is None):
            raise RangeBarError("`Range` takes either `dbps` or `points`: Range(250) or Range(points=0.25)")
        self._form = {"rule": "range", **_distance(dbps, points)}

    @property
    def dbps(self) -> int | None:
        """
        The distance in decimal basis points, if it was given so.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.Range(250).dbps
        250
        """
        return self._form.get("dbps")

    @property
    def points(self) -> float | None:
        """
        The distance as a difference of prices, if it was given so.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.Range(points=0.25).points
        0.25
        """
        return self._form.get("points")


class HighLow(BarRule):
    """
    The rule of bars of one height: a bar closes with the first trade that makes high and low a set distance apart.

    Parameters
    ----------
    dbps
        The distance as a fraction of the open, in decimal basis points, 1 to 100000 (1 dbps = 0.001 %):
        ``high - low >= trunc(open * dbps / 100000)`` in units of the last decimal of prices.
    points
        The distance as a difference of prices: ``high - low >= points``. It is rounded to the `price_decimals` of the
        bars, eight by default, and must then be above zero. Give one of the two.

    Raises
    ------
    RangeBarError
        If neither or both are given, or one is not what it must be.

    Notes
    -----
    A bar of `rb.Range` may be nearly twice as high as its distance, one of this rule exceeds it only
    by the step of its last trade. The trade that opens a bar cannot close it, nor can trades at the same time, unless
    `same_timestamp_gate=False`; where these have made the bar high enough, the next trade closes it, whatever its
    price.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> prices = [100.0, 100.6, 99.7, 99.6]  # the high and the low are 0.9, then 1.0 apart
    >>> trades = pl.DataFrame({"timestamp": range(4), "price": prices, "quantity": [1.0] * 4})
    >>> bars = trades.rangebar.bars(rb.HighLow(points=1), time_unit="ms")
    >>> bars.select("high", "low", "close").rows()
    [(100.6, 99.6, 99.6)]
    """

    __slots__ = ()

    def __init__(self, dbps: int | None = None, *, points: float | Decimal | None = None) -> None:
        if (dbps is None) == (points is None):
            raise RangeBarError("`HighLow` takes either `dbps` or `points`: HighLow(250) or HighLow(points=0.25)")
        self._form = {"rule": "high_low", **_distance(dbps, points)}


class Cusum(BarRule):
    """
    The symmetric CUSUM filter as a rule: a bar closes once the price has turned far enough from its low or its high.

    With r the logarithm of the ratio of each price to the one before, beginning with the second trade of the bar, the
    filter adds up ``up = max(0, up + r)`` and ``down = min(0, down + r)``, both zero at the open. The bar closes with
    the first trade that makes ``up >= h`` or ``down <= -h``.

    Parameters
    ----------
    dbps
        h in decimal basis points, 1 to 100000: 250 is 0.0025, a move by about 0.25 %.

    Raises
    ------
    RangeBarError
        If it is not an integer in that range.

    Notes
    -----
    `up` is the logarithm of the price over the lowest price since the open, and `down` that over the
    highest one. So the rule compares integers, ``price >= low * e^h`` or ``price * e^h <= high``, and the rounding of
    sums of logarithms decides no bar. A bar of `rb.Range` closes only far from its open; one of this rule also
    where a move has turned. The trade that opens a bar cannot close it, nor can trades at the same time, unless
    `same_timestamp_gate=False`.

    References
    ----------
    Page (1954), Continuous inspection schemes; Lopez de Prado (2018), Advances in Financial
    Machine Learning, chapter 2.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> prices = [100.0, 99.8, 99.7, 100.1]  # ln(100.1 / 99.7) is 0.0040040
    >>> trades = pl.DataFrame({"timestamp": range(4), "price": prices, "quantity": [1.0] * 4})
    >>> trades.rangebar.bars(rb.Cusum(400), time_unit="ms").select("low", "close").rows()
    [(99.7, 100.1)]
    """

    __slots__ = ()

    def __init__(self, dbps: int) -> None:
        self._form = {"rule": "cusum", "dbps": _internal.check_threshold(dbps)}


def check_number(name: str, rule: str, value: object, such_as: str) -> float:
    """A number; the library says which ones may be."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number):
            return number
    msg = f"`{name}` of {rule} must be a number, got {shown(value)}: write it as in {such_as}"
    raise RangeBarError(msg)


def check_count(name: str, rule: str, value: object, such_as: str) -> int:
    """A number of trades, at least one."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_TRADES:
        return value
    msg = f"`{name}` of {rule} must be an integer from 1 to 2^62, got {shown(value)}: write it as in {such_as}"
    raise RangeBarError(msg)


_MOST_TRADES = 2**62
"""More trades than any group has."""


def _distance(dbps: int | None, points: float | Decimal | None) -> dict[str, Any]:
    return {"points": _points(points)} if dbps is None else {"dbps": _internal.check_threshold(dbps)}


def _points(points: object) -> float:
    number = float(points) if isinstance(points, int | float | Decimal) and not isinstance(points, bool) else math.nan
    if 0 < number < math.inf:
        return number
    msg = f"`points` must be a price distance above 0, such as 0.25, got {shown(points)}"
    raise RangeBarError(msg)
