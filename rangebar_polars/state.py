"""The state that a lazy query starts from and the one that it leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    from rangebar_polars import _internal

__all__ = ["BarState"]


class BarState:
    """
    The state that a lazy query starts from and, once it has run, the state behind its last trade.

    Give it to :meth:`LazyFrameRangeBar.bars` as `state`: bars go on where an earlier query or a :class:`BarStream`
    stopped, as if nothing had come between.

    Parameters
    ----------
    data
        A checkpoint of a :class:`BarState` or of a :class:`BarStream`; nothing was seen without one.

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

    __slots__ = ("_after", "_before")

    def __init__(self, data: bytes | None = None) -> None:
        if data is not None and not isinstance(data, bytes):
            msg = f"a state begins with the bytes of a checkpoint, got {type(data).__name__}"
            raise RangeBarError(msg)
        self._before = data
        self._after: bytes | None = None

    def __repr__(self) -> str:
        begins = "nothing seen" if self._before is None else f"{len(self._before):,} bytes"
        ends = "not run" if self._after is None else f"{len(self._after):,} bytes"
        return f"BarState({begins} -> {ends})"

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

    def begin(self, stream: _internal.TradeStream) -> None:
        """Puts the state at the beginning into a machine that has seen nothing."""
        if self._before is not None:
            stream.restore(self._before)

    def end(self, stream: _internal.TradeStream) -> None:
        """Keeps the state of a machine that has seen everything."""
        self._after = stream.checkpoint()
