"""How one-sided the volume is, and which side it was on if no trade says so."""

from __future__ import annotations

import polars as pl

from rangebar_polars._common.messages import shown
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.liquidity._measure import Column, bulk, measure

__all__ = ["bulk_volume", "vpin"]

_MOST_DEGREES = 1_000


def vpin(n: int | None, buy_volume: Column = "buy_volume", sell_volume: Column = "sell_volume") -> pl.Expr:
    """
    Volume-synchronised probability of informed trading: `sum(abs(B - S)) / sum(B + S)` over the last n bars.

    B and S are the volumes whose aggressor bought and sold. 0: both sides alike in every bar, 1: each bar one-sided.

    Parameters
    ----------
    n
        Bars of a window, at least 1; None for one value of all bars. The paper takes 50.
    buy_volume, sell_volume
        Volumes of a bar by aggressor, at least zero: columns of floats, Decimal or integers. Where trades have no side,
        the fields of :func:`bulk_volume`.

    Returns
    -------
    Expr
        Float64 without unit in [0, 1], named `vpin`, as long as the input; one value if n is None. Null in the first
        n - 1 bars, if a volume of the window is null, NaN, infinite or negative, and if the window has no volume.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    See Also
    --------
    bulk_volume : The sides of volume without an aggressor.

    Notes
    -----
    The paper has buckets of equal volume V, for which this is `sum(abs(B - S)) / (n V)`: use bars of ``rb.Volume``.
    Over other bars it weighs each by its volume. The bar itself is in its window: the value is known at its close. Keep
    symbols apart with ``.over("symbol")``. O(rows); the last digits may depend on the row at which the data begin.

    Source: Easley, López de Prado and O'Hara (2012), "Flow toxicity and liquidity in a high-frequency world",
    *Review of Financial Studies* 25(5). Their sides come from :func:`bulk_volume`; those of the trades are exact.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = pl.DataFrame({"buy_volume": [6.0, 2.0, 9.0], "sell_volume": [4.0, 8.0, 1.0]})
    >>> bars.select(rb.vpin(2))["vpin"].to_list()
    [None, 0.4, 0.7]
    >>> bars.select(rb.vpin(None)).item()
    0.5333333333333333
    """
    return measure("vpin", n, 1, {"buy_volume": buy_volume, "sell_volume": sell_volume})


def bulk_volume(
    n: int, price: Column = "close", volume: Column = "volume", *, degrees_of_freedom: float | None = None
) -> pl.Expr:
    """
    Volume of a bar by side without any aggressor: bulk volume classification.

    Of the volume V of a bar, the buyers' is `V * Z(dP / sigma)`, the sellers' the rest. dP is the change of the price
    since the bar before, sigma the sample standard deviation of the changes within the last n bars, and Z the
    distribution function.

    Parameters
    ----------
    n
        Bars whose n - 1 changes make sigma, at least 3, the bar itself included.
    price
        Last price of a bar: column of floats, Decimal or integers.
    volume
        Volume of a bar, at least zero: column of the same dtypes.
    degrees_of_freedom
        Those of Student's t distribution, above 0 and at most 1000; None for the normal distribution. The authors take
        0.25 in later work.

    Returns
    -------
    Expr
        Struct of `bulk_buy_volume` and `bulk_sell_volume` (Float64, unit of `volume`), named `bulk_volume`, as long as
        the input. The fields are null in the first n - 1 bars, and if a price of the window or the volume is null, NaN
        or infinite, or the volume is negative. If all changes are equal, sigma is 0: then Z is 1/2 for no change, 1 for
        a rise, 0 for a fall.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    See Also
    --------
    vpin : What the two sides are for.

    Notes
    -----
    The paper takes sigma from the whole sample, which knows the future; here it is that of the window. The
    classification is of bars of equal time or volume: range bars all change by about the threshold, so their changes
    say little about their volume. Where trades have a side, that is exact and better. O(rows).

    Source: Easley, López de Prado and O'Hara (2012), "Flow toxicity and liquidity in a high-frequency world",
    *Review of Financial Studies* 25(5); Student's t with 0.25 degrees: the same (2016), "Discerning information from
    trade data", *Journal of Financial Economics* 120(2).

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = pl.DataFrame({"close": [100.0, 101.0, 100.0, 100.0], "volume": [5.0, 5.0, 5.0, 8.0]})
    >>> bars.select(rb.bulk_volume(3)).unnest("bulk_volume")
    shape: (4, 2)
    ┌─────────────────┬──────────────────┐
    │ bulk_buy_volume ┆ bulk_sell_volume │
    │ ---             ┆ ---              │
    │ f64             ┆ f64              │
    ╞═════════════════╪══════════════════╡
    │ null            ┆ null             │
    │ null            ┆ null             │
    │ 1.19875         ┆ 3.80125          │
    │ 4.0             ┆ 4.0              │
    └─────────────────┴──────────────────┘
    """
    degrees = degrees_of_freedom
    is_number = isinstance(degrees, int | float) and not isinstance(degrees, bool)
    if degrees is not None and not (is_number and 0 < degrees <= _MOST_DEGREES):
        msg = (
            f"`degrees_of_freedom` must be above 0 and at most {_MOST_DEGREES}, or None for the normal distribution, "
            f"got {shown(degrees)}"
        )
        raise RangeBarError(msg)
    return bulk(n, {"price": price, "volume": volume}, None if degrees is None else float(degrees))
