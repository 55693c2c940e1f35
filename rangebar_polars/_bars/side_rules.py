"""The rules that close bars by who was the aggressor."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, overload

from rangebar_polars._bars.rules import BarRule, check_count, check_number
from rangebar_polars._common.parameters import check_choice
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Imbalance", "Runs"]

_Of: TypeAlias = Literal["rows", "volume", "turnover"]
_OF: Final = ("rows", "volume", "turnover")


class Imbalance(BarRule):
    """
    The rule of imbalance bars: a bar closes with the trade that makes what was bought and what was sold differ enough.

    With a threshold, the bar closes once ``abs(buys - sells) >= threshold``, where `buys` are the rows, the volume or
    the turnover of the bar whose aggressor bought, and `sells` those whose aggressor sold.

    With `target` and `span`, the threshold follows the market. The trades of a group are cut into blocks of `target`
    rows, which bars do not restart, but resets and gaps do. When a block is full, its own ``z = abs(buys - sells)``
    moves an average, ``e = e + 2 / (span + 1) * (z - e)``, at first ``e = z``. The threshold of a bar is e as it
    stands before the trade that opens it. Before the first block is full, and where e is 0, a bar closes at `target`
    rows.

    Parameters
    ----------
    threshold
        The least difference, above zero: an integer for rows, in units of the quantity for volume, of price times
        quantity for turnover; these are rounded to eight decimals.
    target
        Rows of a block, at least 1: bars have about as many on average, and fewer where trades are one-sided.
    span
        The span of the average, in blocks, at least 1.
    of
        What is compared: "rows", "volume" or "turnover".

    Raises
    ------
    RangeBarError
        If it gets neither or both, a threshold and `target` with `span`, or one is not what it must be. When bars are
        asked for: if the trades have no `is_buyer_maker`, or `missing_side` is "null".

    Notes
    -----
    Sums are exact. A trade is never split, and the trade that opens a bar can close it. The textbook rule
    expects the lengths of bars that its own threshold has made, and runs away or collapses; blocks do not depend on
    bars.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 2, for the idea.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": range(6), "price": [9.0] * 6, "quantity": [1.0, 2.0, 1.0, 4.0, 1.0, 1.0]})
    >>> trades = trades.with_columns(is_buyer_maker=pl.Series([False, True, False, True, True, True]))
    >>> bars = trades.rangebar.bars(rb.Imbalance(3, of="volume"), time_unit="ms")
    >>> bars.select("buy_volume", "sell_volume").rows()
    [(2.0, 6.0)]
    >>> trades = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"])
    >>> bars = trades.rangebar.bars(rb.Imbalance(target=1_000, span=20), by="symbol")
    >>> 10 < bars.height < 80
    True
    """

    __slots__ = ()

    @overload
    def __init__(self, threshold: float | Decimal, *, of: _Of = "rows") -> None: ...
    @overload
    def __init__(self, *, target: int, span: int, of: _Of = "rows") -> None: ...
    def __init__(
        self,
        threshold: float | Decimal | None = None,
        *,
        target: int | None = None,
        span: int | None = None,
        of: _Of = "rows",
    ) -> None:
        check_choice("of", of, _OF)
        is_fixed, is_adaptive = threshold is not None, target is not None and span is not None
        if is_fixed == is_adaptive or (is_fixed and (target is not None or span is not None)):
            raise RangeBarError(
                "`Imbalance` takes either a threshold or `target` and `span`: Imbalance(100) or "
                "Imbalance(target=1000, span=20)"
            )
        form: dict[str, Any] = {"rule": "imbalance", "of": of}
        if is_fixed:
            form["threshold"] = check_number("threshold", "Imbalance", threshold, "Imbalance(100)")
        else:
            form |= _adaptive("Imbalance", target, span)
        self._check(form)


class Runs(BarRule):
    """
    The rule of runs bars: a bar closes with the trade that makes what was bought, or what was sold, enough.

    The bar closes once ``max(buys, sells)`` reaches a threshold that follows the market, where `buys` are the rows,
    the volume or the turnover of the bar whose aggressor bought, and `sells` those whose aggressor sold. The
    threshold is that of `rb.Imbalance` with `target` and `span`, but for ``z = max(buys, sells)`` of each block.

    Parameters
    ----------
    target
        Rows of a block, at least 1: bars have about as many on average, and fewer where trades are one-sided.
    span
        The span of the average, in blocks, at least 1.
    of
        What is compared: "rows", "volume" or "turnover".

    Raises
    ------
    RangeBarError
        If one is not what it must be. When bars are asked for: if the trades have no `is_buyer_maker`, or
        `missing_side` is "null".

    Notes
    -----
    As in the textbook, a run is broken by no trade of the other side: both sums go on to the end of the
    bar. Sums are exact, and no trade is left out or split.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 2, for the idea.

    Examples
    --------
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT"])
    >>> bars = trades.rangebar.bars(rb.Runs(target=1_000, span=20, of="volume"), by="symbol", include_incomplete=True)
    >>> 10 < bars.height < 40, bars["agg_record_count"].sum()
    (True, 20000)
    """

    __slots__ = ()

    def __init__(self, *, target: int, span: int, of: _Of = "rows") -> None:
        check_choice("of", of, _OF)
        self._check({"rule": "runs", "of": of, **_adaptive("Runs", target, span)})


def _adaptive(rule: str, target: object, span: object) -> dict[str, Any]:
    such_as = f"{rule}(target=1000, span=20)"
    return {"target": check_count("target", rule, target, such_as), "span": check_count("span", rule, span, such_as)}
