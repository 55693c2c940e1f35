"""Who was the aggressor: imbalances of volume, turnover and counts."""

from __future__ import annotations

import polars as pl

from rangebar_polars._engine.trades import as_expression
from rangebar_polars._typing import MissingSide
from rangebar_polars.statistics._expression import statistic

__all__ = ["aggression_ratio", "count_imbalance", "ofi", "turnover_imbalance"]


def ofi(
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    *,
    missing_side: MissingSide = "error",
) -> pl.Expr:
    """
    Order-flow imbalance of the volume: from -1, all sold, to 1, all bought.

    `(B - S) / (B + S)` with the volumes `B` and `S` whose aggressor bought and sold; 0 without volume. Chordia, Roll
    and Subrahmanyam (2002), *Order imbalance, liquidity, and market returns*.

    Parameters
    ----------
    quantity
        Column of Float64, Float32, Decimal or any integer, at least zero and at most 1e15.
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor. Under its default name it may be missing.
    missing_side
        What to do with rows whose side is null: "error", or "null", which gives null for a group that holds one.

    Returns
    -------
    Expr
        Float64 without unit, named `ofi`, one value per group. Null for an empty group, or if `is_buyer_maker` is
        missing or None.

    Raises
    ------
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a quantity breaks its rule.

    Notes
    -----
    O(n), one pass; holds two exact sums. Volumes are exact in eight decimals until the division.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame(
    ...     {"symbol": ["A", "A", "B"], "quantity": [3.0, 1.0, 2.0], "is_buyer_maker": [False, True, True]}
    ... )
    >>> trades.group_by("symbol", maintain_order=True).agg(rb.ofi()).rows()
    [('A', 0.5), ('B', -1.0)]
    """
    return statistic("ofi", {"quantity": quantity, "is_buyer_maker": is_buyer_maker}, missing_side=missing_side)


def turnover_imbalance(
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    is_buyer_maker: str | pl.Expr | None = "is_buyer_maker",
    *,
    missing_side: MissingSide = "error",
    price_decimals: int = 8,
) -> pl.Expr:
    """
    Imbalance of the turnover: from -1, all sold, to 1, all bought.

    `(tb - ts) / (tb + ts)` with the sums `tb` and `ts` of price x quantity whose aggressor bought and sold; 0 without
    turnover. Chordia, Roll and Subrahmanyam (2002), *Order imbalance, liquidity, and market returns*.

    Parameters
    ----------
    price
        Column of Float64, Float32, Decimal or any integer, above zero.
    quantity
        Column of the same dtypes, at least zero and at most 1e15.
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor. Under its default name it may be missing.
    missing_side
        What to do with rows whose side is null: "error", or "null", which gives null for a group that holds one.
    price_decimals
        Decimals of prices, 0 to 18, as for :meth:`LazyFrameRangeBar.bars`.

    Returns
    -------
    Expr
        Float64 without unit, named `turnover_imbalance`, one value per group. Null for an empty group, or if
        `is_buyer_maker` is missing or None.

    Raises
    ------
    RangeBarError
        If `price_decimals` is not an integer from 0 to 18.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or a price or quantity breaks its rule.

    Notes
    -----
    O(n), one pass; holds two exact sums of 128 bits, which become doubles before they are subtracted.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame(
    ...     {"price": [100.0, 50.0], "quantity": [1.5, 1.0], "is_buyer_maker": [False, True]}
    ... )
    >>> trades.select(rb.turnover_imbalance()).item()
    0.5
    """
    columns = {"price": price, "quantity": quantity, "is_buyer_maker": is_buyer_maker}
    return statistic("turnover_imbalance", columns, price_decimals=price_decimals, missing_side=missing_side)


def count_imbalance(
    is_buyer_maker: str | pl.Expr = "is_buyer_maker", *, missing_side: MissingSide = "error"
) -> pl.Expr:
    """
    Imbalance of the number of rows: from -1, all sold, to 1, all bought.

    `(buys - sells) / n`, each row counts once, however many individual trades it holds. Chordia, Roll and Subrahmanyam
    (2002), *Order imbalance, liquidity, and market returns*.

    Parameters
    ----------
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor. It must exist.
    missing_side
        What to do with rows whose side is null: "error", or "null", which gives null for a group that holds one.

    Returns
    -------
    Expr
        Float64 without unit, named `count_imbalance`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If `is_buyer_maker` is neither a name nor an expression.
    polars.exceptions.ComputeError
        If the column is not Boolean, or a value is null.

    Notes
    -----
    O(n), one pass; holds two counts.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"is_buyer_maker": [False, False, False, True]})
    >>> trades.select(rb.count_imbalance()).item()
    0.5
    """
    columns = {"is_buyer_maker": as_expression("is_buyer_maker", is_buyer_maker)}
    return statistic("count_imbalance", columns, missing_side=missing_side)


def aggression_ratio(
    is_buyer_maker: str | pl.Expr = "is_buyer_maker",
    first_trade_id: str | pl.Expr | None = "first_trade_id",
    last_trade_id: str | pl.Expr | None = "last_trade_id",
    *,
    missing_side: MissingSide = "error",
) -> pl.Expr:
    """
    Individual trades whose aggressor bought, per trade whose aggressor sold: 0 to 100.

    `min(nb / ns, 100)`; 100 without sells, or 1 if there are no buys either. The aggressor is the one that the feed
    reports, not inferred as by Lee and Ready (1991), *Inferring trade direction from intraday data*.

    Parameters
    ----------
    is_buyer_maker
        Column of Boolean, true where the seller was the aggressor. It must exist.
    first_trade_id, last_trade_id
        Columns of integers: the first and last individual trade of a row. Under their default names they may be
        missing: a row is then one trade.
    missing_side
        What to do with rows whose side is null: "error", or "null", which gives null for a group that holds one.

    Returns
    -------
    Expr
        Float64 without unit, named `aggression_ratio`, one value per group. Null for an empty group.

    Raises
    ------
    RangeBarError
        If `is_buyer_maker` is neither a name nor an expression.
    polars.exceptions.ComputeError
        If a column has the wrong dtype, a value is null, or only one of the two columns of ids is there.

    Notes
    -----
    O(n), one pass; holds two counts.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"is_buyer_maker": [False, True], "first": [1, 4], "last": [3, 5]})
    >>> trades.select(rb.aggression_ratio(first_trade_id="first", last_trade_id="last")).item()
    1.5
    >>> trades.select(rb.aggression_ratio()).item()
    1.0
    """
    columns = {
        "is_buyer_maker": as_expression("is_buyer_maker", is_buyer_maker),
        "first_trade_id": first_trade_id,
        "last_trade_id": last_trade_id,
    }
    return statistic("aggression_ratio", columns, missing_side=missing_side)
