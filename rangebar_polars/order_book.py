"""Features of quotes: the best bid and ask, and the sizes there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TypeAlias

import polars as pl

from rangebar_polars._common.quote_columns import check_parts, price_of, size_of
from rangebar_polars.exceptions import RangeBarError

__all__ = ["book_imbalance", "microprice", "mid", "quote_ofi", "relative_spread", "spread"]

_Column: TypeAlias = str | pl.Expr


def mid(bid: _Column = "bid", ask: _Column = "ask") -> pl.Expr:
    """
    Price halfway between bid and ask: `(bid + ask) / 2`.

    Parameters
    ----------
    bid, ask
        Best prices: columns of floats, Decimal or integers, taken as Float64.

    Returns
    -------
    Expr
        Float64 in units of price, named `mid`; elementwise. Null if a side has no price: if it is null, NaN, infinite,
        zero (many feeds write 0 for no quote) or negative.

    Raises
    ------
    RangeBarError
        If a parameter is neither a name nor an expression, a column is given twice, or its name suggests another part.

    See Also
    --------
    microprice : The same, weighted by the size on the other side.

    Notes
    -----
    Crossed quotes, `bid > ask`, have a mid too. Range bars round prices to `price_decimals`, eight by default: the mid
    has one decimal more than the prices of the quotes, and is otherwise rounded by half a unit.

    Source: the quote midpoint of Lee and Ready (1991), "Inferring trade direction from intraday data".

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> quotes = pl.DataFrame({"bid": [1.3872, 1.3875, 1.3875], "ask": [1.3874, 1.3874, None]})
    >>> quotes.with_columns(rb.mid())
    shape: (3, 3)
    ┌────────┬────────┬─────────┐
    │ bid    ┆ ask    ┆ mid     │
    │ ---    ┆ ---    ┆ ---     │
    │ f64    ┆ f64    ┆ f64     │
    ╞════════╪════════╪═════════╡
    │ 1.3872 ┆ 1.3874 ┆ 1.3873  │
    │ 1.3875 ┆ 1.3874 ┆ 1.38745 │
    │ 1.3875 ┆ null   ┆ null    │
    └────────┴────────┴─────────┘
    """
    check_parts(bid=bid, ask=ask)
    return _mid(price_of("bid", bid), price_of("ask", ask)).alias("mid")


def spread(bid: _Column = "bid", ask: _Column = "ask") -> pl.Expr:
    """
    Distance from bid to ask: `ask - bid`, the quoted spread.

    Parameters
    ----------
    bid, ask
        Best prices: columns of floats, Decimal or integers, taken as Float64.

    Returns
    -------
    Expr
        Float64 in units of price, named `spread`; elementwise. Exactly 0 for a locked quote, negative for a crossed
        one. Null if a side has no price: if it is null, NaN, infinite, zero or negative.

    Raises
    ------
    RangeBarError
        If a parameter is neither a name nor an expression, a column is given twice, or its name suggests another part.

    Notes
    -----
    ``filter(rb.spread() >= 0)`` leaves out crossed quotes and those with one side only; `> 0` the locked
    ones too. The difference of doubles carries their rounding: that of 1.1 and 1.0 is 0.10000000000000009.

    Source: Demsetz (1968), "The cost of transacting".

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> quotes = pl.DataFrame({"bid": [99.5, 100.0, 100.5, 100.0], "ask": [100.0, 100.0, 100.0, None]})
    >>> quotes.select(rb.spread())["spread"].to_list()
    [0.5, 0.0, -0.5, None]
    """
    check_parts(bid=bid, ask=ask)
    return (price_of("ask", ask) - price_of("bid", bid)).alias("spread")


def relative_spread(bid: _Column = "bid", ask: _Column = "ask") -> pl.Expr:
    """
    Spread as a fraction of the mid: `(ask - bid) / ((bid + ask) / 2)`.

    Parameters
    ----------
    bid, ask
        Best prices: columns of floats, Decimal or integers, taken as Float64.

    Returns
    -------
    Expr
        Float64 without unit, named `relative_spread`; elementwise. 0.0001 is one basis point; at most 2. Negative for a
        crossed quote. Null if a side has no price: if it is null, NaN, infinite, zero or negative.

    Raises
    ------
    RangeBarError
        If a parameter is neither a name nor an expression, a column is given twice, or its name suggests another part.

    Notes
    -----
    Source: the relative spread of Amihud and Mendelson (1986), "Asset pricing and the bid-ask spread".

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> quotes = pl.DataFrame({"bid": [99.5, 101.0], "ask": [100.5, 99.0]})
    >>> quotes.select(rb.relative_spread())["relative_spread"].to_list()
    [0.01, -0.02]
    """
    check_parts(bid=bid, ask=ask)
    best_bid, best_ask = price_of("bid", bid), price_of("ask", ask)
    return ((best_ask - best_bid) / _mid(best_bid, best_ask)).alias("relative_spread")


def microprice(
    bid: _Column = "bid", ask: _Column = "ask", *, bid_size: _Column = "bid_size", ask_size: _Column = "ask_size"
) -> pl.Expr:
    """
    Weighted mid: `(bid * ask_size + ask * bid_size) / (bid_size + ask_size)`.

    It is near the ask if the bid is larger, and near the bid if the ask is larger.

    Parameters
    ----------
    bid, ask
        Best prices: columns of floats, Decimal or integers, taken as Float64.
    bid_size, ask_size
        Quantities at these prices, in any unit common to both: columns of the same dtypes. Keyword-only, because feeds
        put each size after its price.

    Returns
    -------
    Expr
        Float64 in units of price, named `microprice`; elementwise. Null if a price is null, NaN, infinite, zero or
        negative, if a size is null, NaN, infinite or negative, or if both sizes are 0.

    Raises
    ------
    RangeBarError
        If a parameter is neither a name nor an expression, a column is given twice, or its name suggests another part.

    See Also
    --------
    mid : The same for equal sizes.

    Notes
    -----
    Computed as `bid + (ask - bid) * (bid_size / (bid_size + ask_size))`, so it is never outside the quote, and is
    :func:`mid` to the last bit for equal sizes, as long as one price is at most twice the other. The same formula
    applies to crossed quotes.

    This is what Gatheral and Oomen (2010), "Zero-intelligence realized variance estimation", call the micro-price.
    Stoikov (2018), "The micro-price: a high-frequency estimator of future prices", calls it the weighted mid, and
    keeps the other name for the expected future mid given spread and imbalance, which is estimated from a history of
    quotes. That one is not computed here.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> quotes = pl.DataFrame({"bid": 100.0, "ask": 101.0, "bid_size": [3, 0, 0], "ask_size": [1, 5, 0]})
    >>> quotes.select(rb.microprice())["microprice"].to_list()
    [100.75, 100.0, None]
    """
    check_parts(bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)
    best_bid, best_ask = price_of("bid", bid), price_of("ask", ask)
    on_bid, on_ask = size_of("bid_size", bid_size), size_of("ask_size", ask_size)
    total = on_bid + on_ask
    weight = pl.when(total > 0).then(on_bid / total)
    return (best_bid + (best_ask - best_bid) * weight).alias("microprice")


def book_imbalance(
    bid_size: _Column | Sequence[_Column] = "bid_size", ask_size: _Column | Sequence[_Column] = "ask_size"
) -> pl.Expr:
    """
    Imbalance of the sizes in the book: `(B - A) / (B + A)`, where B and A are the sizes of bid and ask.

    Parameters
    ----------
    bid_size, ask_size
        Quantities of one level per side, or lists of them, best level first and equally many on each side, in any unit
        common to all: columns of floats, Decimal or integers, taken as Float64. B and A are the sums of the levels.

    Returns
    -------
    Expr
        Float64 without unit in [-1, 1], named `book_imbalance`; elementwise. 1 if there is nothing at the ask, -1 if
        there is nothing at the bid. Null if there is nothing on either side, or if any of the sizes is null, NaN,
        infinite or negative.

    Raises
    ------
    RangeBarError
        If a level is neither a name nor an expression, a column is given twice, its name suggests another part, a list
        is empty, or one side has more levels.

    Notes
    -----
    A level that a short book lacks must be 0, not null: ``pl.col("bid_size_5").fill_null(0)``. Write weights of levels
    as products: ``[pl.col("bid_size_1"), 0.5 * pl.col("bid_size_2")]``. Add up levels in a List column first:
    ``pl.col("bid_sizes").list.head(5).list.sum()``. Prices do not matter: crossed quotes have an imbalance like any
    other.

    Source, for the best level: the queue imbalance of Gould and Bonart (2016), "Queue imbalance as a one-tick-ahead
    price predictor in a limit order book".

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> book = pl.DataFrame({"b1": [3, 1, 0], "b2": [1, 2, 0], "a1": [1, 0, 0], "a2": [3, 1, 0]})
    >>> best = rb.book_imbalance("b1", "a1")
    >>> two = rb.book_imbalance(["b1", "b2"], ["a1", "a2"])
    >>> book.select(best=best, two=two)
    shape: (3, 2)
    ┌──────┬──────┐
    │ best ┆ two  │
    │ ---  ┆ ---  │
    │ f64  ┆ f64  │
    ╞══════╪══════╡
    │ 0.5  ┆ 0.0  │
    │ 1.0  ┆ 0.5  │
    │ null ┆ null │
    └──────┴──────┘
    """
    bids, asks = _levels("bid_size", bid_size), _levels("ask_size", ask_size)
    if len(bids) != len(asks):
        msg = (
            f"`bid_size` and `ask_size` must have the same number of levels, got {len(bids)} and {len(asks)}: "
            "pass `pl.lit(0)` for a level that one side lacks"
        )
        raise RangeBarError(msg)
    check_parts(bid_size=bids, ask_size=asks)
    # From the best level on: the order of a horizontal sum is not specified.
    on_bid = reduce(add, (size_of("bid_size", level) for level in bids))
    on_ask = reduce(add, (size_of("ask_size", level) for level in asks))
    total = on_bid + on_ask
    return pl.when(total > 0).then((on_bid - on_ask) / total).alias("book_imbalance")


def quote_ofi(
    bid: _Column = "bid", ask: _Column = "ask", *, bid_size: _Column = "bid_size", ask_size: _Column = "ask_size"
) -> pl.Expr:
    """
    Order flow of each quote, whose sum over a period is the order-flow imbalance of Cont, Kukanov and Stoikov (2014).

    What was added to the bid less what was added to the ask since the quote before. With prices P, sizes q, sides B and
    A::

        e[n] =   (P_B[n] >= P_B[n-1]) * q_B[n] - (P_B[n] <= P_B[n-1]) * q_B[n-1]
               - (P_A[n] <= P_A[n-1]) * q_A[n] + (P_A[n] >= P_A[n-1]) * q_A[n-1]

    Parameters
    ----------
    bid, ask
        Best prices of one book, in the order of time: columns of floats, Decimal or integers, taken as Float64.
    bid_size, ask_size
        Quantities at these prices, in any unit common to both: columns of the same dtypes. Keyword-only, because feeds
        put each size after its price.

    Returns
    -------
    Expr
        Float64 in units of size, named `quote_ofi`, one value per row. Above 0 if buyers pressed. Null in the first
        row, and if one of the eight values is missing: a price that is null, NaN, infinite, zero or negative, a size
        that is null, NaN, infinite or negative. So a one-sided quote nulls its own row and the next.

    Raises
    ------
    RangeBarError
        If a parameter is neither a name nor an expression, a column is given twice, or its name suggests another part.

    Notes
    -----
    It is not elementwise: it looks at the row before. With several symbols use ``.over("symbol")``, otherwise the first
    quote of one is compared with the last of another. Make it a column first, then add it up over bars or windows of
    time: within ``group_by(...).agg`` the first quote of each group would have no quote before it. A sum skips nulls.

    If null means that a side did not change, fill it forward first. If quotes have no sizes, ``pl.lit(1)`` for both
    counts moves: a side that improves is 1, one that worsens -1. The same formula applies to crossed quotes. Quotes of
    several venues in one stream are not a book: the differences between venues would count as flow.

    Source: Cont, Kukanov and Stoikov (2014), "The price impact of order book events".

    Examples
    --------
    The bid grows by 2, the bid rises to a queue of 4, the ask falls to a queue of 1:

    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> quotes = pl.DataFrame(
    ...     {
    ...         "bid": [99.0, 99.0, 100.0, 100.0],
    ...         "ask": [102.0, 102.0, 102.0, 101.0],
    ...         "bid_size": [5, 7, 4, 4],
    ...         "ask_size": [3, 3, 3, 1],
    ...     }
    ... )
    >>> quotes.select(rb.quote_ofi())["quote_ofi"].to_list()
    [None, 2.0, 4.0, -1.0]
    """
    check_parts(bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)
    best_bid, best_ask = price_of("bid", bid), price_of("ask", ask)
    bid_before, ask_before = best_bid.shift(), best_ask.shift()
    on_bid, on_ask = _queue(best_bid, size_of("bid_size", bid_size)), _queue(best_ask, size_of("ask_size", ask_size))
    to_bid = (best_bid >= bid_before) * on_bid - (best_bid <= bid_before) * on_bid.shift()
    to_ask = (best_ask <= ask_before) * on_ask - (best_ask >= ask_before) * on_ask.shift()
    return (to_bid - to_ask).alias("quote_ofi")


def _mid(bid: pl.Expr, ask: pl.Expr) -> pl.Expr:
    return (bid + ask) / 2


def _queue(price: pl.Expr, size: pl.Expr) -> pl.Expr:
    """A size with as many rows as the prices: a literal has one row, and none before it."""
    return pl.when(price.is_not_null()).then(size)


def _levels(name: str, columns: _Column | Sequence[_Column]) -> list[_Column]:
    if isinstance(columns, str | pl.Expr) or not isinstance(columns, Sequence):
        return [columns]
    if not columns:
        msg = f"`{name}` must have at least one level, got an empty list: name one"
        raise RangeBarError(msg)
    return list(columns)
