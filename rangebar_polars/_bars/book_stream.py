"""Order books of updates that are pushed as they come."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

import polars as pl

from rangebar_polars._bars.book import BookRequest, update_columns
from rangebar_polars._bars.forgotten_key import ForgottenKey
from rangebar_polars._bars.pushed import as_frame, check_expected, instant_to
from rangebar_polars._bars.scan_book import MIXED
from rangebar_polars._common.columns import key_columns
from rangebar_polars._common.messages import kind
from rangebar_polars._internal import BookPush
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    from decimal import Decimal

    from rangebar_polars._typing import ArrowStream, BookFeature, BookSampling, By, Crossed, Holes, TimeUnit

__all__ = ["BookStream"]

_FINISHED = "the stream is finished: nothing can be pushed or asked any more"


class BookStream:
    """
    Order books of a live feed: updates are pushed as they come, rows come out as :meth:`LazyFrameRangeBar.book` says.

    The same machine: however the updates are cut into pushes, and wherever the stream stops and is restored, the rows
    are those of one query over all of them, bit for bit.

    Parameters
    ----------
    depth, by, sample, features, cost_of, crossed, holes, needs_snapshot, max_levels
        As for :meth:`LazyFrameRangeBar.book`.
    time, is_bid, price, quantity, first_update_id, last_update_id, previous_update_id, is_snapshot, batch
        Columns of the frames that are pushed, as for :meth:`LazyFrameRangeBar.book`. Optional columns that are not
        there at first are absent for good.
    max_step, time_unit, price_decimals, quantity_decimals
        As for :meth:`LazyFrameRangeBar.book`.

    Raises
    ------
    RangeBarError
        If a parameter is not what it must be.

    Notes
    -----
    An event is known to be whole when the next one of its group begins; :meth:`flush` says that it is. So after each
    whole message call :meth:`flush`, and its row comes out at once. With rows at equal distances, call :meth:`advance`
    by the clock.

    A push that raises changes nothing, Ctrl-C among what may be raised: mend the frame and push it again. For that, a
    push copies the books that it touches, some 24 bytes a level. Every method may be called from any thread; calls on
    one stream wait for each other, and the GIL is free while frames are worked on. State is the levels of all books. A
    stream can be copied and pickled, by its checkpoint.

    Warns with :class:`RangeBarWarning`, once, if the first frames have a column like `symbol` with several values
    that is not in `by`.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> updates = pl.DataFrame(
    ...     {
    ...         "timestamp": [1, 1, 2, 3],
    ...         "is_bid": [True, False, False, True],
    ...         "price": [9.9, 10.1, 10.0, 9.8],
    ...         "quantity": [3.0, 1.0, 2.0, 5.0],
    ...     }
    ... )
    >>> stream = rb.BookStream(depth=1, time_unit="ms")
    >>> books = [stream.push(updates.head(2)), stream.flush()]
    >>> data = stream.checkpoint()  # the process may end here
    >>> stream = rb.BookStream.restore(data)
    >>> books += [stream.push(updates.tail(2)), stream.finish()]
    >>> [frame.height for frame in books]
    [0, 1, 1, 1]
    >>> pl.concat(books).equals(updates.rangebar.book(depth=1, time_unit="ms"))
    True
    """

    def __init__(
        self,
        depth: int = 10,
        *,
        by: By = None,
        sample: BookSampling | str | dt.timedelta = "event",
        features: Sequence[BookFeature] | None = None,
        cost_of: float | Decimal | Sequence[float | Decimal] = (),
        crossed: Crossed = "keep",
        holes: Holes = "invalid",
        needs_snapshot: bool | None = None,
        max_levels: int | None = None,
        time: str = "timestamp",
        is_bid: str = "is_bid",
        price: str = "price",
        quantity: str = "quantity",
        first_update_id: str | None = "first_update_id",
        last_update_id: str | None = "last_update_id",
        previous_update_id: str | None = "previous_update_id",
        is_snapshot: str | None = "is_snapshot",
        batch: str | None = None,
        max_step: str | dt.timedelta | None = "14610d",
        time_unit: TimeUnit | None = None,
        price_decimals: int = 8,
        quantity_decimals: int = 8,
    ) -> None:
        request = BookRequest.of(
            depth,
            by=by,
            sample=sample,
            features=features,
            cost_of=cost_of,
            crossed=crossed,
            holes=holes,
            needs_snapshot=needs_snapshot,
            max_levels=max_levels,
            time=time,
            is_bid=is_bid,
            price=price,
            quantity=quantity,
            first_update_id=first_update_id,
            last_update_id=last_update_id,
            previous_update_id=previous_update_id,
            is_snapshot=is_snapshot,
            batch=batch,
            max_step=max_step,
            time_unit=time_unit,
            price_decimals=price_decimals,
            quantity_decimals=quantity_decimals,
        )
        # Which columns there are, the first frame says; what the keys may be called can be told now.
        names = pl.Schema({name: pl.String() for name in request.keys if isinstance(name, str)})
        key_columns(by, names, ["time", *request.columns])
        self._begin(BookPush(request.to_json()))

    def _begin(self, stream: BookPush) -> None:
        self._stream: BookPush | None = stream
        self._request = BookRequest.from_json(stream.request())
        # One thread may come here again: a signal handler that calls the stream.
        self._lock = threading.RLock()
        self._search: ForgottenKey | None = None

    @classmethod
    def restore(cls, data: bytes, **expected: Any) -> Self:  # noqa: ANN401
        """
        A stream that goes on where another stopped.

        Parameters
        ----------
        data
            What :meth:`checkpoint` returned.
        **expected
            Parameters of :class:`BookStream` that the checkpoint must have been made with.

        Returns
        -------
        BookStream
            With the parameters and the state of the checkpoint.

        Raises
        ------
        RangeBarError
            If the bytes are no checkpoint of books, are truncated or altered, are of another version of the format, or
            were made with other parameters than expected.
        TypeError
            If something is expected that is no parameter.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> data = rb.BookStream(depth=5, by="symbol").checkpoint()
        >>> stream = rb.BookStream.restore(data, depth=5)
        >>> rb.BookStream.restore(data[:-1])
        Traceback (most recent call last):
        ...
        rangebar_polars.exceptions.RangeBarError: the checkpoint is truncated or altered: its checksum does not match
        """
        if not isinstance(data, bytes):
            msg = f"a checkpoint is bytes, got {kind(data)}"
            raise RangeBarError(msg)
        stream = cls.__new__(cls)
        stream._begin(BookPush(None, data))  # noqa: SLF001
        if expected:
            check_expected(expected, stream.parameters, lambda asked: cls(**asked).parameters)
        return stream

    @property
    def parameters(self) -> dict[str, Any]:
        """
        The parameters that the stream was made with, by name.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.BookStream(depth=5, by="symbol").parameters["by"]
        ['symbol']
        """
        return self._request.parameters

    def push(self, frame: ArrowStream) -> pl.DataFrame:
        """
        Adds updates and returns the rows that came out.

        Parameters
        ----------
        frame
            Polars, pyarrow, pandas, DuckDB: anything with ``__arrow_c_stream__``. Rows in the order of time within each
            group, behind those pushed before. Columns that play no part are not read.

        Returns
        -------
        DataFrame
            Columns and order as of :meth:`LazyFrameRangeBar.book`, without the row of an event of which more updates
            may come.

        Raises
        ------
        RangeBarError
            If a column is missing or of another dtype than before, or a row breaks a rule; the stream is then as it was
            before.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> stream = rb.BookStream(depth=1, features=["bid"], time_unit="ms")
        >>> update = {"is_bid": [True], "price": [9.9], "quantity": [1.0]}
        >>> stream.push(pl.DataFrame({"timestamp": [1], **update})).height
        0
        >>> stream.push(pl.DataFrame({"timestamp": [2], **update}))["bid"].to_list()
        [9.9]
        """
        updates = as_frame(frame)
        with self._lock:
            stream, request = self._running(), self._request
            key_columns(request.by, updates.schema, ["time", *request.columns])
            names = update_columns(request.names, updates.columns)
            read = updates.select(list(dict.fromkeys([*request.keys, *names.values()])))
            try:
                rows = stream.push(list(names), read)
                if self._search is None:
                    self._search = ForgottenKey(request.keys, updates.columns, MIXED)
                self._search.look(updates)
            except BaseException:
                stream.roll_back()
                raise
            return rows

    def flush(self) -> pl.DataFrame:
        """
        Says that the last event of every group is whole, and returns the rows that come out.

        Returns
        -------
        DataFrame
            As :meth:`push`, by first appearance of the groups. With rows at equal distances there are none: the next
            instant has not come yet.

        Raises
        ------
        RangeBarError
            If nothing was pushed yet, the stream is finished, or with ``crossed="error"`` a book is crossed.

        Notes
        -----
        Updates that come later begin an event of their own, even at the same time; with ids, more updates of the same
        message are then an error.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> stream = rb.BookStream(depth=1, features=["bid"], time_unit="ms")
        >>> update = {"timestamp": [1], "is_bid": [True], "price": [9.9], "quantity": [1.0]}
        >>> stream.push(pl.DataFrame(update)).height
        0
        >>> stream.flush()["bid"].to_list()
        [9.9]
        """
        return self._end(is_end=False)

    def advance(self, time: SupportsIndex | dt.datetime) -> pl.DataFrame:
        """
        Says that no update before a time will come, of any group, and returns the rows that come out.

        With rows at equal distances, they come out by the clock: without it, those of a silence wait for the update
        that ends it.

        Parameters
        ----------
        time
            An integer in the unit of the time column, or a datetime; one without a zone is in UTC. What the unit cannot
            hold is rounded down. A time before that of an earlier call or of the last update changes nothing.

        Returns
        -------
        DataFrame
            As :meth:`push`, by first appearance of the groups: events before `time` are whole, and instants up to it
            come out.

        Raises
        ------
        RangeBarError
            If nothing was pushed yet, the stream is finished, the time is ahead of all groups by more than `max_step`,
            or with ``crossed="error"`` a book is crossed. Later pushes of an update before `time` raise it.

        Notes
        -----
        What follows is what would have followed without it. Takes time in proportion to the levels of all books.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> stream = rb.BookStream(depth=1, sample="1s", features=["bid"], time_unit="ms")
        >>> update = {"timestamp": [1], "is_bid": [True], "price": [9.9], "quantity": [1.0]}
        >>> stream.push(pl.DataFrame(update)).height
        0
        >>> stream.advance(2_500).select("time", "bid").rows()
        [(1000, 9.9), (2000, 9.9)]
        """
        with self._lock:
            stream = self._running()
            instant = instant_to(time, stream.time_unit())
            return self._ended(stream, lambda: stream.advance(instant))

    def finish(self) -> pl.DataFrame:
        """
        The last rows, and the end: the stream takes nothing more.

        Returns
        -------
        DataFrame
            As :meth:`flush`; with rows at equal distances the next one of each group.

        Raises
        ------
        RangeBarError
            As :meth:`flush`; every later call of any method raises it.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> stream = rb.BookStream(depth=1, sample="1s", time_unit="ms")
        >>> update = {"timestamp": [1], "is_bid": [True], "price": [9.9], "quantity": [1.0]}
        >>> _ = stream.push(pl.DataFrame(update))
        >>> stream.finish()["time"].to_list()
        [1000]
        """
        with self._lock:
            rows = self._end(is_end=True)
            self._stream = None
            return rows

    def checkpoint(self) -> bytes:
        r"""
        The state and the parameters, as bytes.

        Returns
        -------
        bytes
            A line that names the format and its version, a line of JSON with the parameters, the state, a checksum.
            The same updates give the same bytes, however they were pushed.

        Raises
        ------
        RangeBarError
            If a key column has a dtype that cannot be kept (neither text, nor integer, nor a date or time), or the
            stream is finished.

        Notes
        -----
        16 bytes for each level of each book, and some hundred on top.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.BookStream().checkpoint().split(b"\n")[0]
        b'rangebar_polars book checkpoint 1'
        """
        with self._lock:
            return self._running().checkpoint()

    def __repr__(self) -> str:
        request = self._request
        return f"BookStream(depth={request.depth}, sample={request.sample!r}, by={request.keys})"

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        return type(self).restore, (self.checkpoint(),)

    def _running(self) -> BookPush:
        if self._stream is None:
            raise RangeBarError(_FINISHED)
        return self._stream

    def _end(self, *, is_end: bool) -> pl.DataFrame:
        with self._lock:
            stream = self._running()
            return self._ended(stream, lambda: stream.flush(is_end))

    @staticmethod
    def _ended(stream: BookPush, call: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """The rows of a call that changes nothing if it raises."""
        try:
            return call()
        except BaseException:
            stream.roll_back()
            raise
