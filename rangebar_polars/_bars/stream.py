"""Bars of trades that are pushed as they come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self, SupportsIndex, cast

import polars as pl

from rangebar_polars._bars.feature_sets import FeatureSet
from rangebar_polars._bars.forgotten_key import ForgottenKey
from rangebar_polars._bars.own_checkpoint import check_same, opened
from rangebar_polars._bars.own_features import OwnFeatures
from rangebar_polars._bars.pushed import (
    as_frame,
    check_expected,
    index_of,
    instant_of,
    instant_to,
    is_numpy_time,
    key_dtype,
    key_frame,
    key_values,
)
from rangebar_polars._bars.request import Request, Threshold
from rangebar_polars._bars.state import BarState, latest
from rangebar_polars._common.columns import input_columns, key_columns
from rangebar_polars._common.messages import kind, listed, shown
from rangebar_polars._common.parameters import USUAL_DECIMALS
from rangebar_polars._internal import PushStream
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    from decimal import Decimal

    from rangebar_polars._bars.lookback import Lookback
    from rangebar_polars._common.sessions import Reset
    from rangebar_polars._typing import ArrowStream, BarFeature, By, MissingSide, Overlap, TimeUnit

__all__ = ["BarStream"]

_MICROSECOND = dt.timedelta(microseconds=1)


class _Columns(NamedTuple):
    """What the columns of a frame are: most frames are like the one before."""

    names: list[str]
    """All of them."""
    parts: list[str]
    """The parts that some of them play."""
    read: list[str]
    """Those that are read."""


class BarStream(PushStream):
    """
    Range bars of a live feed: trades are pushed as they come, bars come out as they end.

    The same machine as :meth:`LazyFrameRangeBar.bars`: however the trades are cut into pushes, and wherever the stream
    stops and is restored, the bars are those of one query over all of them, bit for bit.

    Parameters
    ----------
    threshold_dbps, by, intra, lookback, features, reset, max_gap, max_step, include_orphans, same_timestamp_gate
        As for :meth:`LazyFrameRangeBar.bars`.
    include_session
        As for :meth:`LazyFrameRangeBar.bars`.
    time, price, quantity, is_buyer_maker, agg_trade_id, first_trade_id, last_trade_id, time_unit, price_decimals
        Columns of the frames that are pushed, and what they hold, as for :meth:`LazyFrameRangeBar.bars`.
    missing_side
        As for :meth:`LazyFrameRangeBar.bars`. With "null", frames and single trades without a side may also come among
        those with one.
    overlap
        What becomes of trades at or before the last one seen of their group: "error" refuses the push; "skip" drops
        those that were seen, counts them in :attr:`skipped`, and refuses those that were not: a trade that comes late
        can no longer be part of its bar. "skip" needs `agg_trade_id`. Where ids rise by one from trade to trade, as
        those of a venue do, this is exact however far back trades are sent again. Otherwise the stream remembers as
        far back as the last 1,024 holes in the ids of a group, and refuses what lies before them.
    aggs, feature_sets
        As for :meth:`LazyFrameRangeBar.bars`: columns of your own. The frames must have the columns that they read.
    max_groups
        The most groups that there may be; one more is an error. None sets no limit. State grows with the number of
        groups, so a limit tells at once if ids were given as keys.
    max_bar_trades
        The most trades that a bar may have; one more is an error. None sets no limit. With `intra`, and with columns of
        your own, state holds the trades of the forming bars, so a limit tells if a threshold is so large that bars
        never end.
    schema
        Columns and dtypes of the trades, where the first trades come through :meth:`push_trade`; otherwise the first
        frame says them. Optional columns that are not there at first are absent for good, but for
        `is_buyer_maker` with `missing_side="null"`.
    footprint
        As for :meth:`LazyFrameRangeBar.bars`. The levels of the forming bars are part of the state and of a checkpoint,
        40 bytes each; a push notes what it changes, and copies no levels.

    Raises
    ------
    RangeBarError
        If a parameter is not what it must be.

    Notes
    -----
    A push that raises changes nothing, Ctrl-C and other signals among what may be raised: mend the frame and push it
    again. Every method may be called from any thread; calls on one stream wait for each other, and the GIL is free
    while frames are worked on, and while the state is written, read, shown and freed. State is one forming bar a group
    and threshold, some 200 bytes; with `intra` the trades of the forming bars, with `lookback` those that a window may
    still hold. It is there until :meth:`forget`. A stream can be copied and pickled, by its checkpoint.

    Warns with :class:`RangeBarWarning`, once, if the first frames have a column like `symbol` with several values
    that is not in `by`.

    Examples
    --------
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT", "ETHUSDT"])
    >>> stream = rb.BarStream(threshold_dbps=100, by="symbol")
    >>> bars = [stream.push(frame) for frame in trades.head(6_000).iter_slices(1_000)]
    >>> data = stream.checkpoint()  # the process may end here
    >>> stream = rb.BarStream.restore(data)
    >>> bars += [stream.push(trades.tail(-6_000)), stream.finish()]
    >>> pl.concat(bars).equals(trades.rangebar.bars(100, by="symbol", include_incomplete=True))
    True
    """

    _no_bars: pl.DataFrame | None = None
    """What most pushes return."""

    _known = _Columns([], [], [])
    """Columns of the last frame."""

    _search: ForgottenKey | None = None
    """Looks for a key that is not in `by`."""

    def __new__(
        cls,
        threshold_dbps: Threshold | Sequence[Threshold],
        *,
        by: By = None,
        intra: bool = False,
        lookback: Lookback | None = None,
        features: Sequence[BarFeature] | None = None,
        reset: Reset | None = None,
        max_gap: str | dt.timedelta | None = None,
        max_step: str | dt.timedelta | None = "14610d",
        include_orphans: bool = False,
        same_timestamp_gate: bool = True,
        time: str = "timestamp",
        price: str = "price",
        quantity: str = "quantity",
        is_buyer_maker: str | None = "is_buyer_maker",
        missing_side: MissingSide = "error",
        agg_trade_id: str | None = "agg_trade_id",
        first_trade_id: str | None = "first_trade_id",
        last_trade_id: str | None = "last_trade_id",
        time_unit: TimeUnit | None = None,
        price_decimals: int = 8,
        overlap: Overlap = "error",
        max_groups: int | None = None,
        max_bar_trades: int | None = None,
        schema: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
        footprint: float | Decimal | None = None,
        aggs: pl.Expr | Sequence[pl.Expr] = (),
        feature_sets: FeatureSet | str | Sequence[FeatureSet | str] = (),
        include_session: bool = False,
    ) -> Self:
        own = OwnFeatures.of(aggs, feature_sets)
        request = Request.of(
            threshold_dbps,
            by=by,
            intra=intra,
            lookback=lookback,
            features=features,
            reset=reset,
            max_gap=max_gap,
            max_step=max_step,
            include_orphans=include_orphans,
            same_timestamp_gate=same_timestamp_gate,
            time=time,
            price=price,
            quantity=quantity,
            is_buyer_maker=is_buyer_maker,
            missing_side=missing_side,
            agg_trade_id=agg_trade_id,
            first_trade_id=first_trade_id,
            last_trade_id=last_trade_id,
            time_unit=time_unit,
            price_decimals=price_decimals,
            overlap=overlap,
            max_groups=max_groups,
            max_bar_trades=max_bar_trades,
            footprint=footprint,
            include_session=include_session,
        )
        # Which columns there are, the first trades say; what the keys may be called can be told now.
        given = [by] if isinstance(by, str) else by if isinstance(by, Sequence) else ()
        names = pl.Schema({name: pl.String() for name in given if isinstance(name, str)})
        key_columns(by, names, [*(column.name for column in request.columns), *own.order])
        if own:
            return cls._with_own(own, request, schema)
        stream = super().__new__(cls, request.to_json())
        if schema is not None:
            empty = pl.DataFrame(schema=schema)
            stream._begin(stream._columns(empty.schema).parts, empty)
        return stream

    @classmethod
    def _with_own(
        cls, own: OwnFeatures, request: Request, schema: Mapping[str, pl.DataType | type[pl.DataType]] | None
    ) -> Self:
        """A stream that also has columns of one's own."""
        from rangebar_polars._bars.own_stream import OwnStream  # noqa: PLC0415  (which is one of these)

        return cast("Self", OwnStream.made(own, request, schema))

    @classmethod
    def restore(cls, data: bytes | BarState, **expected: Any) -> Self:  # noqa: ANN401
        """
        A stream that goes on where another stopped.

        Parameters
        ----------
        data
            What :meth:`checkpoint` of a :class:`BarStream` or of a :class:`BarState` returned; or a :class:`BarState`,
            such as :func:`read_state` returns: the state behind its query or, while no query has run, the one given.
        **expected
            Parameters of :class:`BarStream` that the checkpoint must have been made with. With `feature_sets`, sets
            that are not installed are given again; `aggs` need not be.

        Returns
        -------
        BarStream
            With the parameters and the state of the checkpoint.

        Raises
        ------
        RangeBarError
            If the bytes are no checkpoint, are truncated or altered, are of another version of the format, or were made
            with other parameters than expected.
        TypeError
            If something is expected that is no parameter.

        Notes
        -----
        Takes microseconds, and time and memory in proportion to the number of groups and of trades that windows hold: a
        second and a half for a million groups, one for ten million trades. Other threads run meanwhile.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> data = rb.BarStream(threshold_dbps=250, by="symbol").checkpoint()
        >>> stream = rb.BarStream.restore(data, threshold_dbps=250)
        >>> rb.BarStream.restore(data[:-1])
        Traceback (most recent call last):
        ...
        rangebar_polars.exceptions.RangeBarError: the checkpoint is truncated or altered: its checksum does not match
        """
        if isinstance(data, BarState):
            data = latest(data)
        if not isinstance(data, bytes):
            msg = f"a checkpoint is bytes, got {kind(data)}"
            raise RangeBarError(msg)
        given = OwnFeatures.of(expected.pop("aggs", ()), expected.pop("feature_sets", ()))
        kept = opened(data)
        if kept is not None:
            from rangebar_polars._bars.own_stream import OwnStream  # noqa: PLC0415  (which is one of these)

            return cast("Self", OwnStream.of_kept(kept, given, expected))
        if given:
            check_same(None, given)
        stream = super().__new__(cls, None, data)
        cls._check_expected(stream, expected)
        return stream

    @staticmethod
    def _check_expected(stream: BarStream, expected: Mapping[str, Any]) -> None:
        """That a stream has the parameters that it must have been made with."""
        if expected:
            without_own: dict[str, Any] = {"aggs": (), "feature_sets": ()}
            check_expected(expected, stream.parameters, lambda asked: BarStream(**{**asked, **without_own}).parameters)

    @property
    def parameters(self) -> dict[str, Any]:
        """
        The parameters that the stream was made with, by name.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.BarStream(threshold_dbps=250, by="symbol").parameters["by"]
        ['symbol']
        """
        parameters = Request.from_json(self._request()).parameters
        del parameters["include_incomplete"]  # `pending` has them
        return parameters | {"aggs": [], "feature_sets": []}

    def push(self, frame: ArrowStream) -> pl.DataFrame:
        """
        Adds trades and returns the bars that they ended.

        Parameters
        ----------
        frame
            Polars, pyarrow, pandas, DuckDB: anything with ``__arrow_c_stream__``. Rows in the order of time within each
            group, behind those pushed before. Columns that play no part are not read.

        Returns
        -------
        DataFrame
            Columns and order as of :meth:`LazyFrameRangeBar.bars`, without the bars still forming.

        Raises
        ------
        RangeBarError
            If a column is missing or of another dtype than before, a row breaks a rule, or there are more groups than
            `max_groups`, or a bar has more trades than `max_bar_trades`; the stream is then as it was before.

        Notes
        -----
        Columns cross without a copy where Polars takes them without one. A frame costs some tens of microseconds
        beside its rows: for single trades there is :meth:`push_trade`.

        Examples
        --------
        >>> import polars as pl
        >>> import rangebar_polars as rb
        >>> stream = rb.BarStream(threshold_dbps=1_000, time_unit="ms")
        >>> stream.push(pl.DataFrame({"timestamp": [1, 2], "price": [100.0, 100.5], "quantity": [1.0, 1.0]})).height
        0
        >>> stream.push(pl.DataFrame({"timestamp": [3], "price": [101.0], "quantity": [1.0]}))["volume"].to_list()
        [3.0]
        """
        trades = as_frame(frame)
        known = self._known  # one read: another thread may push another frame
        if known.names != trades.columns:
            known = self._known = self._columns(trades.schema)
        done: list[tuple[int, bool, int, pl.DataFrame | None]] = []
        try:
            # A column that nobody reads may be of a dtype that only the user's Polars has.
            bars = self._push(known.parts, trades, known.read, may_be_none=self._no_bars is not None, done=done)
            if self._search is None:
                self._search = ForgottenKey(Request.from_json(self._request()).keys, trades.columns)
            self._search.look(trades)
            if bars is None:
                bars = self._no_bars
            elif self._no_bars is None:
                self._no_bars = bars.clear()
            return cast("pl.DataFrame", bars).clone()
        except BaseException:
            # A signal that came too late for the push to see it, or a warning that is an error.
            for push in done:
                self._take_back(*push)
            raise

    def advance(self, time: SupportsIndex | dt.datetime) -> pl.DataFrame:
        """
        Ends the bars that a reset or a gap has ended by a time, of all groups: those also that trade no more.

        Without it a bar ends with the next trade of its group, however late that comes.

        Parameters
        ----------
        time
            The time before which no trade will come any more: an integer in the unit of the time column, or a
            datetime as for :meth:`push_trade`. What the unit cannot hold is rounded down. A time before that of an
            earlier call changes nothing.

        Returns
        -------
        DataFrame
            As :meth:`push`: the bars that ended, if `include_orphans` asks for them, by first appearance of their
            groups.

        Raises
        ------
        RangeBarError
            If the stream has seen no trades and was given no schema, or is finished. Later pushes of a trade before
            `time` raise it.

        Notes
        -----
        What follows is what would have followed without it: the next trade would have ended these bars. One thing may
        differ: a bar that a gap has ended by `time`, before a reset, has the reason "gap", where a query that knows the
        next trade, behind the reset, says "reset". Takes time in proportion to the number of groups.

        Examples
        --------
        >>> import datetime as dt
        >>> import rangebar_polars as rb
        >>> stream = rb.BarStream(threshold_dbps=250, by="symbol", max_gap="1h", include_orphans=True)
        >>> stream.push_trade(dt.datetime(2024, 1, 1, 12, 0), 100.0, 1.0, key="DEAD")
        >>> stream.push_trade(dt.datetime(2024, 1, 1, 12, 30), 100.0, 1.0, key="LIVE")
        >>> stream.advance(dt.datetime(2024, 1, 1, 13, 15)).select("symbol", "close_reason").rows()
        [('DEAD', 'gap')]
        """
        instant = instant_to(time, self._time_unit())
        return cast("pl.DataFrame", self._advance(instant))

    def forget(self, keys: object) -> pl.DataFrame:
        """
        Forgets groups and returns their bars that still form: state is free again of symbols that trade no more.

        Parameters
        ----------
        keys
            The key of a group as for :meth:`push_trade`, a list of keys, or a frame with the key columns.

        Returns
        -------
        DataFrame
            As :meth:`pending`, of these groups alone.

        Raises
        ------
        RangeBarError
            If there is no such group, or the stream has no `by`; nothing is forgotten then.

        Notes
        -----
        A group that trades again begins as one that was never seen: with bar 0, and with trades that may lie before
        those forgotten. Takes time in proportion to the number of all groups, so forget many at once.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> stream = rb.BarStream(threshold_dbps=250, by="symbol", time_unit="ms")
        >>> for time, symbol in enumerate(["A", "B", "C"]):
        ...     _ = stream.push_trade(time, 100.0, 1.0, key=symbol)
        >>> stream.forget(["A", "C"]).select("symbol", "close_reason").rows()
        [('A', 'end'), ('C', 'end')]
        >>> stream.pending()["symbol"].to_list()
        ['B']
        """
        empty = self._empty_keys()
        if empty is None:
            return super().pending()  # which tells that nothing was seen
        return self._forget(self._keys_to_forget(keys, empty))

    @property
    def skipped(self) -> int:
        """
        Trades that `overlap="skip"` dropped since they had been seen, counted since this object was made.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> trades = rb.datasets.sample_trades(1_000, symbols=["BTCUSDT"])
        >>> stream = rb.BarStream(threshold_dbps=250, by="symbol", overlap="skip")
        >>> for sent in (trades.head(600), trades.tail(500)):
        ...     _ = stream.push(sent)
        >>> stream.skipped
        100
        """
        return super().skipped

    def pending(self) -> pl.DataFrame:
        """
        The bars still forming, as they are now; changes nothing.

        Returns
        -------
        DataFrame
            As :meth:`push`, with `close_reason` "end": one row for each group and threshold that has a bar, by first
            appearance of the groups.

        Raises
        ------
        RangeBarError
            If the stream has seen no trades and was given no schema, so that it knows no dtypes.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> stream = rb.BarStream(threshold_dbps=1_000, time_unit="ms")
        >>> stream.push_trade(1, 100.0, 2.0)
        >>> stream.pending().select("close", "volume", "close_reason").row(0)
        (100.0, 2.0, 'end')
        """
        return super().pending()

    def finish(self) -> pl.DataFrame:
        """
        The bars still forming, and the end: the stream takes nothing more.

        Returns
        -------
        DataFrame
            As :meth:`pending`.

        Raises
        ------
        RangeBarError
            As :meth:`pending`; every later call of any method raises it.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> stream = rb.BarStream(threshold_dbps=1_000, time_unit="ms")
        >>> stream.push_trade(1, 100.0, 2.0)
        >>> stream.finish().height
        1
        """
        return super().finish()

    def checkpoint(self) -> bytes:
        r"""
        The state and the parameters, as bytes.

        Returns
        -------
        bytes
            A line that names the format and its version, a line of JSON with the parameters, the state, a checksum.
            The same trades give the same bytes, however they were pushed.

        Raises
        ------
        RangeBarError
            If a key column has a dtype that cannot be kept (neither text, nor integer, nor a date or time).

        Notes
        -----
        Takes microseconds; some 200 bytes for each group and threshold, 25 for each trade that windows hold, and less
        than a kilobyte on top. A second for a million groups, or for ten million trades; other threads run meanwhile.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.BarStream(threshold_dbps=250).checkpoint().split(b"\n")[0]
        b'rangebar_polars checkpoint 1'
        """
        return super().checkpoint()

    def __repr__(self) -> str:
        made = self.parameters
        decimals = made["price_decimals"]
        of_prices = "" if decimals == USUAL_DECIMALS else f", price_decimals={decimals}"
        return f"BarStream(threshold_dbps={made['threshold_dbps']}, by={made['by']}{of_prices})"

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        return type(self).restore, (self.checkpoint(),)

    def _columns(self, available: pl.Schema) -> _Columns:
        """What columns are, checked against what the stream was told."""
        request = Request.from_json(self._request())
        key_columns(request.by, available, [column.name for column in request.columns])
        found = input_columns(request.names, available.names())
        read = list(dict.fromkeys([*found.values(), *request.keys]))
        return _Columns(available.names(), list(found), read)

    @staticmethod
    def _keys_to_forget(keys: object, empty: pl.DataFrame) -> pl.DataFrame:
        """The keys of groups as a frame like an empty one."""
        if hasattr(keys, "__arrow_c_stream__") and not isinstance(keys, pl.Series):
            frame = as_frame(keys, "forget")
            if missing := [name for name in empty.columns if name not in frame.columns]:
                msg = f"`forget` takes the key columns {listed(empty.columns)}, and the frame has no {listed(missing)}"
                raise RangeBarError(msg)
            return frame
        several = list(cast("list[object]", keys)) if isinstance(keys, list | set | frozenset | pl.Series) else [keys]
        return key_frame(several, empty) if empty.columns else empty

    def _schema_of_trade(
        self, timestamp: object, parts: list[str], key: object
    ) -> tuple[list[str], pl.DataFrame, int, pl.DataFrame]:
        """What the first trade says of the input, where no frame and no schema did; its time and its key."""
        request = Request.from_json(self._request())
        time: pl.DataType = pl.Int64()
        if not hasattr(timestamp, "__index__"):
            is_fine = hasattr(timestamp, "nanosecond") or is_numpy_time(timestamp)
            zone = None if getattr(timestamp, "tzinfo", None) is None else "UTC"
            time = pl.Datetime("ns" if is_fine else "us", zone)
        dtypes: dict[str, pl.DataType] = {
            "timestamp": time,
            "price": pl.Float64(),
            "quantity": pl.Float64(),
            "is_buyer_maker": pl.Boolean(),
        }
        names = request.names
        keys = dict(zip(request.keys, key_values(request.keys, key), strict=True))
        schema = {name: key_dtype(name, value) for name, value in keys.items()}
        columns = {names[part] or part: dtypes.get(part, pl.Int64()) for part in parts}
        unit = time.time_unit if isinstance(time, pl.Datetime) else request.time_unit or "us"
        instant = index_of(timestamp) if hasattr(timestamp, "__index__") else self._instant(timestamp, unit)
        return parts, pl.DataFrame(schema=schema | columns), instant, self._key_frame(key, pl.DataFrame(schema=schema))

    def _key_frame(self, key: object, keys: pl.DataFrame) -> pl.DataFrame:
        """One key as a frame."""
        return key_frame([key], keys)

    def _instant(self, timestamp: object, time_unit: str) -> int:
        """A datetime in the unit of the time column."""
        instant, finer = instant_of("timestamp", timestamp, time_unit)
        if finer:
            msg = (
                f"`timestamp` must be a whole number of {time_unit}, the unit of the time column, "
                f"got {shown(timestamp)}: give the stream a `schema` with a finer one"
            )
            raise RangeBarError(msg)
        return instant
