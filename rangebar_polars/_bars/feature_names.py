"""The names of features, by what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from rangebar_polars import _internal
from rangebar_polars._common.columns import name_list
from rangebar_polars._common.messages import listed, shown
from rangebar_polars._common.parameters import check_choice
from rangebar_polars.exceptions import RangeBarError

__all__ = ["features"]

Family: TypeAlias = Literal["bar", "intra", "lookback"]
Known: TypeAlias = Literal["open", "close"]

_FAMILIES: Final = ("bar", "intra", "lookback")
_KNOWN: Final[dict[str, Known]] = {"bar": "close", "intra": "close", "lookback": "open"}
_INPUTS: Final = ("quantity", "is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id")


def features(
    *, family: Family | None = None, reads: str | Sequence[str] | None = None, known: Known | None = None
) -> list[str]:
    """
    The names of features, to choose from: pass them to `bars` as `features`.

    Parameters
    ----------
    family
        "bar": the ten features of bars; "intra": statistics of a bar's own trades; "lookback": those of the trades
        before it, which `bars` computes with `lookback`. All by default.
    reads
        The columns that your trades have beside time and price, by their default names: "quantity", "is_buyer_maker",
        "agg_trade_id", "first_trade_id", "last_trade_id". Only features that read no other are listed; with `[]` those
        that need only time and price. Ids count also where `bars` can do without them: a row is then one trade.
    known
        "open": features that are known when a bar opens, and so may decide about it; "close": those that are known
        when it has closed.

    Returns
    -------
    list of str
        The names, in the order of the columns.

    Raises
    ------
    RangeBarError
        If an argument is not as described above.

    Examples
    --------
    >>> import rangebar_polars as rb
    >>> len(rb.features())
    50
    >>> rb.features(family="bar", reads="quantity")
    ['duration_us', 'vwap_close_deviation', 'price_impact']
    >>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
    >>> bars = trades.rangebar.bars(100, lookback=200, features=rb.features(known="open", reads=[]))
    >>> bars.columns[-1]
    'lookback_permutation_entropy'
    """
    if family is not None:
        check_choice("family", family, _FAMILIES)
    if known is not None:
        check_choice("known", known, tuple(dict.fromkeys(_KNOWN.values())))
    there = _INPUTS if reads is None else name_list("reads", reads)
    if unknown := [name for name in there if name not in _INPUTS]:
        msg = f"`reads` names columns of the trades ({listed(_INPUTS)}), got {shown(unknown[0])}"
        raise RangeBarError(msg)
    return [
        name
        for name, of, inputs in _table()
        if family in (None, of) and known in (None, _KNOWN[of]) and set(inputs) <= set(there)
    ]


def _table() -> list[tuple[str, str, list[str]]]:
    """Every feature with its family and the columns that it reads."""
    counts = [len(_internal.bar_columns(intra=intra, lookback=lookback)) for intra, lookback in _WITH]
    columns = _internal.bar_columns(intra=True, lookback=True)
    return [
        (name, _FAMILIES[sum(place >= count for count in counts)], reads)
        for place, (name, is_feature, reads) in enumerate(columns)
        if is_feature
    ]


_WITH: Final = ((False, False), (True, False))
"""The families come one after the other: with which ones the next begins."""
