"""The return after a bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, get_args

import polars as pl

from rangebar_polars._common.parameters import check_choice, check_count
from rangebar_polars._typing import By, Entry
from rangebar_polars.exceptions import RangeBarError

__all__ = ["forward_return", "within"]


def forward_return(
    n: int = 1,
    price: str | pl.Expr = "close",
    *,
    by: By = None,
    entry: Entry = "close",
    open: str | pl.Expr = "open",  # noqa: A002  # the name of the column
) -> pl.Expr:
    """
    Return from each bar to the n-th bar after it: ``price[i + n] / price[i] - 1``.

    With ``entry="open"`` it is the return from the open of the next bar: ``price[i + n] / open[i + 1] - 1``.

    Parameters
    ----------
    n
        Bars ahead, 1 to 4294967295.
    price
        Column of numbers above zero.
    by
        Name or names of key columns: the return is that within each group, as with ``.over(by)``.
    entry
        "close" enters at `price` of the bar itself, "open" at the open of the next bar.
    open
        Column of numbers above zero, which only ``entry="open"`` reads.

    Returns
    -------
    Expr
        Float64, named `forward_return`, as long as the input. Null in the last n bars of each group, and if one of the
        two prices is null.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.

    Notes
    -----
    This is a label, not a feature: it looks ahead. It is known no earlier than the `close_time` of the n-th bar after,
    so n bars must be left out between a training and a test set.

    Nobody can trade at the close: it is the extreme of the bar's move, and the next trade follows within milliseconds,
    mostly as part of the same order. Returns of bars are all of nearly the same size, so these small steps decide their
    ranks: after a bar that rose, the return from its close is a little higher. A feature that only has the sign of the
    bar then seems to predict it. Test among bars of one direction, and from a later price: ``entry="open"`` enters with
    the trade that follows the close. :func:`triple_barrier` labels by the path between the two bars.

    The return counts rows. Rows of several groups need `by`, or ``.over("symbol")`` after the expression, or the return
    goes from one symbol to another. Where orphans were left out, or a weekend lies between two bars, the return spans
    that time as if it were n bars; to keep it within a day, say
    ``forward_return(n).over("symbol", pl.col("open_time").dt.date())``. A bar that still forms (`close_reason` "end")
    has no final close: leave it out first.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> bars = pl.DataFrame({"symbol": ["A", "A", "A", "B", "B"], "close": [4.0, 5.0, 4.0, 10.0, 11.0]})
    >>> bars.with_columns(rb.forward_return(by="symbol").round(6))
    shape: (5, 3)
    ┌────────┬───────┬────────────────┐
    │ symbol ┆ close ┆ forward_return │
    │ ---    ┆ ---   ┆ ---            │
    │ str    ┆ f64   ┆ f64            │
    ╞════════╪═══════╪════════════════╡
    │ A      ┆ 4.0   ┆ 0.25           │
    │ A      ┆ 5.0   ┆ -0.2           │
    │ A      ┆ 4.0   ┆ null           │
    │ B      ┆ 10.0  ┆ 0.1            │
    │ B      ┆ 11.0  ┆ null           │
    └────────┴───────┴────────────────┘
    """
    n = check_count("n", n)
    if not isinstance(price, str | pl.Expr):
        msg = f"`price` must be a column name or an expression, got {price!r}"
        raise RangeBarError(msg)
    if by is not None and not isinstance(by, str) and not _are_names(by):
        msg = f"`by` takes a column name or a list of names, got {by!r}"
        raise RangeBarError(msg)
    if not isinstance(open, str | pl.Expr):
        msg = f"`open` must be a column name or an expression, got {open!r}"
        raise RangeBarError(msg)
    now = (pl.col(price) if isinstance(price, str) else price).cast(pl.Float64)
    entered = now
    if check_choice("entry", entry, get_args(Entry)) == "open":
        entered = (pl.col(open) if isinstance(open, str) else open).cast(pl.Float64).shift(-1)
    keys = [by] if isinstance(by, str) else list(by or ())
    return within(now.shift(-n) / entered - 1, keys).alias("forward_return")


def within(expr: pl.Expr, keys: Sequence[str]) -> pl.Expr:
    """The expression within each group."""
    return expr.over(list(keys)) if keys else expr


def _are_names(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(name, str) for name in cast("Sequence[object]", value))
