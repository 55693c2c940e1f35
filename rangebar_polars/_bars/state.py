"""The state that a lazy query starts from and the one that it leaves behind."""

# What queries and sinks do to a state are functions of this module, which users of the class need not see.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._bars.own_checkpoint import check_same, machine_of, opened, restore_columns, saved
from rangebar_polars._bars.own_columns import OwnColumns
from rangebar_polars._bars.own_features import OwnFeatures
from rangebar_polars._bars.request import Request
from rangebar_polars._common.messages import kind
from rangebar_polars._common.parameters import USUAL_DECIMALS, check_limit
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    from rangebar_polars._bars.stream import BarStream

__all__ = ["BarState"]


class Limits(NamedTuple):
    """What there may be at most; None sets no limit."""

    max_groups: int | None
    max_bar_trades: int | None


class BarState:
    """
    The state that a lazy query starts from and, once it has run, the state behind its last trade.

    Give it to :meth:`LazyFrameRangeBar.bars` as `state`: bars go on where an earlier query or a :class:`BarStream`
    stopped, as if nothing had come between.

    Parameters
    ----------
    data
        A checkpoint of a :class:`BarState` or of a :class:`BarStream`; nothing was seen without one.
    max_groups
        The most groups that there may be, as for :class:`BarStream`; without it that of the checkpoint, if there is
        one.
    max_bar_trades
        The most trades that a bar may have, likewise.

    Raises
    ------
    RangeBarError
        If `data` is no bytes, or `max_groups` or `max_bar_trades` no integer of at least 1.

    Notes
    -----
    A query starts from `data` however often it runs. Its new state is that of the last run that came to the end of
    the input: `head` may stop before. With a state, every input column is read and nothing is passed to the input,
    whatever is selected of the bars.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
    >>> first, second = trades.head(4_321).lazy(), trades.tail(-4_321).lazy()
    >>> state = rb.BarState()
    >>> before = first.rangebar.bars(100, by="symbol", state=state).collect()
    >>> data = state.checkpoint()  # bytes, to be kept beside the bars
    >>> after = second.rangebar.bars(100, by="symbol", state=rb.BarState(data)).collect()
    >>> pl.concat([before, after]).equals(trades.rangebar.bars(100, by="symbol"))
    True
    """

    __slots__ = ("_after", "_before", "_limits", "_own", "_runs", "_skipped")

    def __init__(
        self, data: bytes | None = None, *, max_groups: int | None = None, max_bar_trades: int | None = None
    ) -> None:
        if data is not None and not isinstance(data, bytes):
            msg = f"a state begins with the bytes of a checkpoint, got {kind(data)}"
            raise RangeBarError(msg)
        self._before = data
        self._after: bytes | None = None
        self._limits = Limits(check_limit("max_groups", max_groups), check_limit("max_bar_trades", max_bar_trades))
        self._own: OwnFeatures | None = None
        self._skipped = 0
        self._runs = 0

    def __repr__(self) -> str:
        begins = "nothing seen" if self._before is None else f"{len(self._before):,} bytes"
        ends = "not run" if self._after is None else f"{len(self._after):,} bytes"
        decimals = None
        with suppress(RangeBarError):  # bytes that are no checkpoint can be shown too
            decimals = _restored(machine_of(latest(self))).parameters["price_decimals"]
        of_prices = "" if decimals in (None, USUAL_DECIMALS) else f", price_decimals={decimals}"
        return f"BarState({begins} -> {ends}{of_prices})"

    def checkpoint(self) -> bytes:
        """
        The state behind the last trade of the query.

        Returns
        -------
        bytes
            A checkpoint, for another :class:`BarState` or for :meth:`BarStream.restore`.

        Raises
        ------
        RangeBarError
            If no query has run to its end with this state.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> state = rb.BarState()
        >>> trades = rb.datasets.sample_trades(1_000, symbols=["BTCUSDT"])
        >>> bars = trades.rangebar.bars(100, state=state)
        >>> rb.BarStream.restore(state.checkpoint()).pending().height
        1
        """
        if self._after is None:
            raise RangeBarError(
                "no query has run to the end of its input with this state: collect or sink its bars first"
            )
        return self._after

    def advance(self, time: SupportsIndex | dt.datetime) -> pl.DataFrame:
        """
        Ends the bars that a reset or a gap has ended by a time, as :meth:`BarStream.advance`.

        The state is that behind the last trade of the query, or, while no query has run, the one given.

        Parameters
        ----------
        time
            The time before which no trade will come any more.

        Returns
        -------
        DataFrame
            The bars that ended, if `include_orphans` asks for them.

        Raises
        ------
        RangeBarError
            If the state has seen no trades.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> trades = pl.DataFrame({"timestamp": [0], "price": [100.0], "quantity": [1.0]})
        >>> options = dict(threshold_dbps=250, time_unit="ms", reset="1d", include_orphans=True)
        >>> state = rb.BarState()
        >>> trades.rangebar.bars(**options, state=state).height
        0
        >>> state.advance(86_400_000)["close_reason"].to_list()
        ['reset']
        """
        return self._change(lambda stream: stream.advance(time))

    def forget(self, keys: object) -> pl.DataFrame:
        """
        Forgets groups and returns their bars that still form, as :meth:`BarStream.forget`.

        The state is that behind the last trade of the query, or, while no query has run, the one given.

        Parameters
        ----------
        keys
            The key of a group, a list of keys, or a frame with the key columns.

        Returns
        -------
        DataFrame
            The bars of these groups that still formed.

        Raises
        ------
        RangeBarError
            If there is no such group; nothing is forgotten then.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> trades = rb.datasets.sample_trades(1_000, symbols=["BTCUSDT", "ETHUSDT"])
        >>> state = rb.BarState()
        >>> bars = trades.rangebar.bars(100, by="symbol", state=state)
        >>> state.forget("ETHUSDT")["symbol"].to_list()
        ['ETHUSDT']
        >>> rb.BarStream.restore(state.checkpoint()).pending()["symbol"].to_list()
        ['BTCUSDT']
        """
        return self._change(lambda stream: stream.forget(keys))

    @property
    def skipped(self) -> int:
        """
        Trades that `overlap="skip"` dropped in the last run that came to its end, since they had been seen.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.BarState().skipped
        0
        """
        return self._skipped

    @property
    def max_groups(self) -> int | None:
        """
        The most groups that there may be, or None.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.BarState(max_groups=1_000).max_groups
        1000
        """
        return limits(self).max_groups

    @property
    def max_bar_trades(self) -> int | None:
        """
        The most trades that a bar may have, or None.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.BarState(max_bar_trades=1_000_000).max_bar_trades
        1000000
        """
        return limits(self).max_bar_trades

    def _change(self, change: Callable[[BarStream], pl.DataFrame]) -> pl.DataFrame:
        """Changes the state that :meth:`checkpoint` returns, or else the one to begin with."""
        stream = _restored(latest(self), self._own)
        bars = change(stream)
        if self._after is None:
            self._before = stream.checkpoint()
        else:
            self._after = stream.checkpoint()
        return bars


def latest(state: BarState) -> bytes:
    """The state behind its query, or, while none has run, the one to begin with."""
    data = state._before if state._after is None else state._after
    if data is None:
        raise RangeBarError("the state has seen no trades: collect or sink the bars of a query with it first")
    return data


def limits(state: BarState) -> Limits:
    """The limits that a query with a state has: those given or else those of the checkpoint."""
    given = state._limits
    if state._before is None or None not in given:
        return given
    made = Request.from_json(_internal.checkpoint_request(machine_of(state._before)))
    groups, trades = given
    return Limits(made.max_groups if groups is None else groups, made.max_bar_trades if trades is None else trades)


def begin(
    state: BarState, stream: _internal.TradeStream, own: OwnFeatures | None = None, columns: OwnColumns | None = None
) -> None:
    """Put the state at the beginning into a machine that has seen nothing, and into the columns of one's own."""
    own = own or OwnFeatures()
    if own:
        _ = own.form  # which says so if a feature cannot be kept, before anything is read
        state._own = own
    if state._before is None:
        return
    kept = opened(state._before)
    check_same(kept, own)
    stream.restore(state._before if kept is None else kept.machine)
    if kept is not None and columns is not None:
        restore_columns(columns, kept, stream.forming)


def end(
    state: BarState,
    stream: _internal.TradeStream,
    own: OwnFeatures | None = None,
    columns: OwnColumns | None = None,
    *,
    schema: pl.Schema | None = None,
    include_orphans: bool = False,
    features: list[str] | None = None,
) -> None:
    """Keep the state of a machine that has seen everything."""
    state._after = stream.checkpoint()
    if own:
        state._after = saved(
            own, state._after, columns, schema=schema, include_orphans=include_orphans, features=features
        )
    state._skipped = stream.skipped
    state._runs += 1


def runs(state: BarState) -> int:
    """How many queries have run to their end with a state."""
    return state._runs


def put_back(state: BarState, data: bytes | None) -> None:
    """Make the state behind the query what it was."""
    state._after = data


def _restored(data: bytes, own: OwnFeatures | None = None) -> BarStream:
    from rangebar_polars._bars.stream import BarStream  # noqa: PLC0415  # which knows the module of queries, as that knows this

    sets: dict[str, object] = {} if own is None else {"feature_sets": own.sets}
    return BarStream.restore(data, **sets)
