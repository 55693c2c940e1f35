"""The rules that close bars by what they hold, and those that end them with windows of time."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

from rangebar_polars._bars.rules import BarRule, check_count, check_number
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_choice
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Ticks", "Time", "Turnover", "Volume"]


class Ticks(BarRule):
    """
    The rule of tick bars: a bar closes with the trade that makes it hold `n` of them.

    Parameters
    ----------
    n
        How many, at least 1.
    of
        What is counted: "rows", the rows of the input (`agg_record_count`), or "trades", the individual trades that
        they stand for (`individual_trade_count`; without `first_trade_id` and `last_trade_id` each row is one).

    Raises
    ------
    RangeBarError
        If a parameter is not what it must be.

    Notes
    -----
    A row is never split: a bar of individual trades may hold more than `n`. The trade that opens a bar can close it.

    Examples
    --------
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
    >>> bars = trades.rangebar.bars(rb.Ticks(1_000), by="symbol")
    >>> bars["agg_record_count"].to_list() == [1_000] * 10
    True
    >>> rb.Ticks(1_000, of="trades")
    Ticks(1000, of="trades")
    """

    __slots__ = ()

    def __init__(self, n: int, *, of: Literal["rows", "trades"] = "rows") -> None:
        check_choice("of", of, ("rows", "trades"))
        self._check({"rule": "ticks", "n": check_count("n", "Ticks", n, "Ticks(1000)"), "of": of})


class Volume(BarRule):
    """
    The rule of volume bars: a bar closes with the trade that makes its volume reach a threshold.

    Parameters
    ----------
    threshold
        The least volume of a bar, in units of the quantity, rounded to eight decimals; above zero then.

    Raises
    ------
    RangeBarError
        If it is not what it must be.

    Notes
    -----
    The sum is exact. A trade is never split: what a bar has beyond its threshold stays in it, and a trade
    as large as the threshold is a bar of its own, as the trade that opens a bar can close it.

    References
    ----------
    Easley, Lopez de Prado and O'Hara (2012), The Volume Clock: Insights into the High-Frequency Paradigm.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": range(3), "price": [9.0, 8.0, 8.0], "quantity": [20.0, 40.0, 70.0]})
    >>> trades.rangebar.bars(rb.Volume(50), time_unit="ms").select("volume", "agg_record_count").rows()
    [(60.0, 2), (70.0, 1)]
    """

    __slots__ = ()

    def __init__(self, threshold: float | Decimal) -> None:
        self._check({"rule": "volume", "threshold": check_number("threshold", "Volume", threshold, "Volume(50)")})


class Turnover(BarRule):
    """
    The rule of turnover bars, or dollar bars: a bar closes with the trade that makes its turnover reach a threshold.

    Turnover is the sum of price times quantity.

    Parameters
    ----------
    threshold
        The least turnover of a bar, in units of price times quantity, rounded to eight decimals; above zero then.

    Raises
    ------
    RangeBarError
        If it is not what it must be.

    Notes
    -----
    The sum is exact. A trade is never split, and the trade that opens a bar can close it, as for `rb.Volume`.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 2.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": range(3), "price": [9.0, 8.0, 8.0], "quantity": [2.0, 4.0, 7.0]})
    >>> trades.rangebar.bars(rb.Turnover(50), time_unit="ms").select("turnover", "agg_record_count").rows()
    [(50.0, 2), (56.0, 1)]
    """

    __slots__ = ()

    def __init__(self, threshold: float | Decimal) -> None:
        checked = check_number("threshold", "Turnover", threshold, "Turnover(1_000_000)")
        self._check({"rule": "turnover", "threshold": checked})


class Time(BarRule):
    """
    The rule of time bars: a bar ends before the first trade that lies in a later window of time than the bar.

    Such a bar has the `close_reason` "time". It is no orphan.

    Parameters
    ----------
    every
        The length of the windows, as a Polars duration such as "1h", "1d", "1w" or "1mo", or a timedelta. Windows are
        aligned as those of `group_by_dynamic`, in UTC: hours and days from 1970, weeks from Monday, months from
        January.

    Raises
    ------
    RangeBarError
        If it is no duration above zero, or one of several units of which one is of the calendar ("1d12h").

    Notes
    -----
    There is no bar for a window without trades. No trade closes a bar: the next trade shows that its
    window has ended, as does `BarStream.advance`, unless `reset` or `max_gap` is set, which might claim the
    bar. The dtype of `close_reason` has the category "time" for bars of this rule, and of a list of rules with it.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = pl.DataFrame({"timestamp": [0, 900, 1_000, 5_500], "price": [9.0] * 4, "quantity": [1.0] * 4})
    >>> bars = trades.rangebar.bars(rb.Time("1s"), time_unit="ms", include_incomplete=True)
    >>> bars.select("open_time", "agg_record_count", "close_reason").rows()
    [(0, 2, 'time'), (1000, 1, 'time'), (5500, 1, 'end')]
    """

    __slots__ = ()

    def __init__(self, every: str | dt.timedelta) -> None:
        given: object = every
        if not isinstance(given, str | dt.timedelta):
            msg = f'`every` of Time must be a duration, got {shown(given)}: write it as in Time("1h")'
            raise RangeBarError(msg)
        self._check({"rule": "time", "every": _as_written(given) if isinstance(given, dt.timedelta) else given})


def _as_written(every: dt.timedelta) -> str:
    """The text that a user would write for a length of time: in the largest unit of which it is a whole number."""
    units = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
    microseconds = every // dt.timedelta(microseconds=1)
    unit = next(unit for unit, size in units.items() if microseconds % size == 0)
    return f"{microseconds // units[unit]}{unit}"
