"""Checks of bars whose rule looks at amounts: Ticks, Volume, Turnover, Imbalance and Runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from rangebar_polars.validation._closed import Closed
from rangebar_polars.validation._report import Check
from rangebar_polars.validation._rules import Rule, finite

__all__ = ["follows_the_market", "of_amounts", "of_market"]

_ROUNDING: Final = 1e-9
"""Allowed error of the difference of two sums, as a share of both: far above its rounding, far below a trade."""

_ROWS: Final = "agg_record_count"
_TRADES: Final = "individual_trade_count"
_NOT_CLOSED: Final = "a bar that was not closed had less"


def of_amounts(closed: Closed) -> Iterator[Rule]:
    """What must hold for bars of a rule that looks at amounts."""
    form = closed.form
    match form["rule"]:
        case "ticks":
            yield from _ticks(closed, form["n"], form.get("of", "rows"))
        case "volume" | "turnover":
            yield from _total(closed, form["rule"], form["threshold"])
        case _:
            yield from _knows_sides(closed)
            yield from _of_sides(closed)


def follows_the_market(closed: Closed) -> bool:
    """Whether the threshold of a bar is not to be known from bars, and no bound of it either."""
    form = closed.form
    return "target" in form and not (form["rule"] == "runs" and form.get("of", "rows") == "rows")


def of_market(closed: Closed) -> Check:
    """What the report says of such bars."""
    meaning = f"{closed.bar} touched its threshold: not judged, which follows the market and is known to no bar"
    return Check("threshold", None, None, None, 0.0, meaning)


def _ticks(closed: Closed, n: int, of: str) -> Iterator[Rule]:
    """Bars of rows have exactly so many; of individual trades at least, and no more rows."""
    if closed.has(_ROWS):
        rows = _count(_ROWS)
        broken, relation = (rows != n, "exactly") if of == "rows" else (rows > n, "at most")
        yield closed.if_closed("threshold", _ROWS, broken, f"{closed.bar} has {relation} {n:,} rows")
    column = _ROWS if of == "rows" else _TRADES
    if closed.has(column):
        if of == "trades":
            holds = f"{closed.bar} has at least {n:,} individual trades"
            yield closed.if_closed("threshold", column, _count(column) < n, holds)
        yield from closed.if_not_closed(column, _count(column) >= n, _NOT_CLOSED)


def _total(closed: Closed, column: str, threshold: float) -> Iterator[Rule]:
    """Doubles next to exact sums keep the order of these, but two sums may be one double."""
    if closed.has(column):
        total = finite(column)
        holds = f"{closed.bar} has a {column} of at least that"
        yield closed.if_closed("threshold", column, total < threshold, holds)
        yield from closed.if_not_closed(column, total > threshold, _NOT_CLOSED)


def _knows_sides(closed: Closed) -> Iterator[Rule]:
    """A rule of sides knows that of every trade."""
    column = "buy_volume"
    if closed.has(column):
        holds = f"a bar of {closed.name} knows the side of each trade"
        yield closed.always("sides", column, pl.col(column).is_null(), holds, "the bars are of another rule")


def _of_sides(closed: Closed) -> Iterator[Rule]:
    form = closed.form
    of = form.get("of", "rows")
    if "threshold" not in form:
        if form["rule"] == "runs" and of == "rows" and closed.has(_ROWS):
            yield from _runs_of_rows(closed, form["target"])
    elif of == "rows":
        yield from _imbalance_of_rows(closed, int(form["threshold"]))
    elif closed.has(f"buy_{of}", f"sell_{of}"):
        buys, sells = finite(f"buy_{of}"), finite(f"sell_{of}")
        difference, error = (buys - sells).abs(), _ROUNDING * (buys + sells)
        columns, threshold = f"buy_{of}, sell_{of}", form["threshold"]
        holds = f"what was bought and what was sold in {closed.bar} differ by at least that"
        yield closed.if_closed("threshold", columns, difference < threshold - error, holds)
        yield from closed.if_not_closed(columns, difference > threshold + error, _NOT_CLOSED)


def _imbalance_of_rows(closed: Closed, threshold: int) -> Iterator[Rule]:
    """The last row makes the difference what it is, so that it is exact: buys - sells = x, and buys + sells = rows."""
    if closed.has(_ROWS):
        rows = _count(_ROWS)
        broken = (rows < threshold) | ((rows - threshold) % 2 == 1)
        holds = f"{closed.bar} has {threshold:,} rows, or an even number more"
        yield closed.if_closed("threshold", _ROWS, broken, holds)
    sides = ("buy_trade_count", "sell_trade_count")
    if closed.has(_ROWS, _TRADES, *sides):
        # Where each row is one trade, the sides have rows as they have trades.
        is_known = _count(_ROWS) == _count(_TRADES)
        difference = pl.when(is_known).then((_count(sides[0]) - _count(sides[1])).abs())
        holds = f"buys and sells of {closed.bar} differ by exactly {threshold:,}"
        yield closed.if_closed("threshold", ", ".join(sides), difference != threshold, holds)
        yield from closed.if_not_closed(", ".join(sides), difference >= threshold, _NOT_CLOSED)


def _runs_of_rows(closed: Closed, target: int) -> Iterator[Rule]:
    """The larger side of a block has half of its rows at least, so that a threshold lies between that and all."""
    least, most = (target + 1) // 2, 2 * target - 1
    rows = _count(_ROWS)
    holds = f"{closed.bar} has {least:,} to {most:,} rows"
    yield closed.if_closed("threshold", _ROWS, (rows < least) | (rows > most), holds)
    yield from closed.if_not_closed(_ROWS, rows >= most, _NOT_CLOSED)


def _count(name: str) -> pl.Expr:
    """A count in a dtype in which any two can be subtracted."""
    return pl.col(name).cast(pl.Int128)
