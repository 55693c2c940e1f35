"""Doubles that are exactly what a text says."""

from __future__ import annotations

from typing import Final

import polars as pl

__all__ = ["EXACT", "SMALL", "as_units", "has_decimals", "quotient", "snapped"]

EXACT: Final = float(1 << 53)
"""Doubles below this hold every integer."""

_DISTINCT: Final = float(1 << 52)
"""Below this, numbers of so many units are different doubles, whatever power of ten the unit is."""

SMALL: Final = float(1 << 50)
"""Below this, the product of a number and a power of ten is less than half a unit beside the number of units."""

_USUAL: Final = 8
"""Decimals that nearly all numbers have at most."""

_BESIDE: Final = (0.0, -1.0, 1.0)
"""How many units the product of a number and a power of ten may be beside the number of units."""

_ARITHMETIC: Final = 4 * 2.0**-52
"""The relative error that a few operations on doubles leave: less than one in the last of 15 digits."""

_APART: Final = float(1 << 46)
"""Below this, numbers of so many units are apart by many times the error of arithmetic."""


def quotient(number: pl.Expr, by: int) -> pl.Expr:
    """The double nearest to a quotient; Polars multiplies by the reciprocal of a scalar, which is something else."""
    return number / (number * 0.0 + float(by))


def has_decimals(number: pl.Expr, decimals: int, *, quick: bool) -> pl.Expr:
    """
    Whether a double is the one nearest to a number with at most so many decimals, and no more digits than it holds.

    The latter is so if the number, without its point, is below 2^52, or an integer below 2^53: 15 digits, and some
    numbers of 16. The quick answer may be no where the other one is yes.
    """
    if quick:
        tried = {min(decimals, _USUAL), decimals}
        return pl.any_horizontal(_is_number_of(number, _units(number, each), each) for each in tried)
    exact = (as_units(number, each).is_not_null() for each in range(decimals + 1))
    return pl.any_horizontal((number < EXACT) & (number.floor() == number), *exact)


def as_units(number: pl.Expr, decimals: int) -> pl.Expr:
    """A number in units of 10^-decimals; null if it is not a whole number of them, or one of too many digits."""
    nearest = _units(number, decimals)
    found = (pl.when(_is_number_of(number, nearest + beside, decimals)).then(nearest + beside) for beside in _BESIDE)
    return pl.coalesce(found)


def _units(number: pl.Expr, decimals: int) -> pl.Expr:
    return (number * float(10**decimals) + 0.5).floor()


def _is_number_of(number: pl.Expr, units: pl.Expr, decimals: int) -> pl.Expr:
    # As `quotient`, with the number, which is less to compute: what is no number is not equal to what comes of it.
    return (units < _DISTINCT) & (units / (number * 0.0 + float(10**decimals)) == number)


def snapped(number: pl.Expr, decimals: int) -> pl.Expr:
    """
    A double that arithmetic left a little beside a number with so many decimals, as the double nearest to that number.

    Programs that divide prices by a tick, or add them up, store 14.020000000000001. A number that differs by more than
    such an error is returned as it is, and so is every number of at most 15 digits.
    """
    # Of a large number, only as many decimals as lie further apart than the error: on a finer grid, the point beside
    # the number meant would be as near.
    scale = pl.coalesce(
        *(pl.when(number < _APART / 10**each).then(float(10**each)) for each in range(decimals, 0, -1)), pl.lit(1.0)
    )
    near = (number * scale + 0.5).floor() / (number * 0.0 + scale)  # as in `quotient`
    return pl.when((near - number).abs() <= _ARITHMETIC * number).then(near).otherwise(number)
