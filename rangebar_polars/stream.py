"""Bars of trades that are pushed as they come."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._columns import input_columns, key_columns
from rangebar_polars._instants import EPOCH, UNITS_PER_SECOND
from rangebar_polars._internal import PushStream, bar_columns
from rangebar_polars._parameters import bar_parameters, check_features, check_flag, check_overlap
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.lookback import as_lookback, check_lookback
from rangebar_polars.source import stream_options

if TYPE_CHECKING:
    from rangebar_polars._typing import ArrowStream, BarFeature, By, Overlap, Reset, TimeUnit
    from rangebar_polars.lookback import Lookback

__all__ = ["BarStream"]

_MICROSECOND = dt.timedelta(microseconds=1)


class BarStream(PushStream):
    """
    Range bars of a live feed: trades are pushed as they come, bars come out as they end.

    The same machine as :meth:`LazyFrameRangeBar.bars`: however the trades are cut into pushes, and wherever the stream
    stops and is restored, the bars are those of one query over all of them, bit for bit.

    Parameters
    ----------
    threshold_dbps, by, intra, lookback, features, reset, max_gap, include_orphans, same_timestamp_gate
        As for :meth:`LazyFrameRangeBar.bars`.
    time, price, quantity, is_buyer_maker, agg_trade_id, first_trade_id, last_trade_id, time_unit
        Columns of the frames that are pushed, as for :meth:`LazyFrameRangeBar.bars`.
    overlap
        What becomes of trades at or before the last one seen of their group: "error" refuses the push, "skip" drops
        exactly those. Trades are told apart by time and `agg_trade_id`, which "skip" needs.
    schema
        Columns and dtypes of the trades, where the first trades come through :meth:`push_trade`; otherwise the first
        frame says them. Optional columns that are not there at first are absent for good.

    Raises
    ------
    RangeBarError
        If a parameter is not what it must be.

    Notes
    -----
    A push that raises changes nothing: mend the frame and push it again. Every method may be called from any thread;
    calls on one stream wait for each other, and the GIL is free while frames are worked on. State is one forming bar a
    group and threshold, some 200 bytes; with `intra` the trades of the forming bars, with `lookback` those that a
    window may still hold.

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

    _known: tuple[list[str], list[str]] = ([], [])
    """Columns of the last frame, and the parts that they play: most frames are like the one before."""

    def __new__(  # noqa: D102
        cls,
        threshold_dbps: int | Sequence[int],
        *,
        by: By = None,
        intra: bool = False,
        lookback: Lookback | None = None,
        features: Sequence[BarFeature] | None = None,
        reset: Reset | None = None,
        max_gap: str | dt.timedelta | None = None,
        include_orphans: bool = False,
        same_timestamp_gate: bool = True,
        time: str = "timestamp",
        price: str = "price",
        quantity: str = "quantity",
        is_buyer_maker: str | None = "is_buyer_maker",
        agg_trade_id: str | None = "agg_trade_id",
        first_trade_id: str | None = "first_trade_id",
        last_trade_id: str | None = "last_trade_id",
        time_unit: TimeUnit | None = None,
        overlap: Overlap = "error",
        schema: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
    ) -> Self:
        bars = bar_parameters(
            threshold_dbps, same_timestamp_gate=same_timestamp_gate, reset=reset, max_gap=max_gap, time_unit=time_unit
        )
        chosen = check_features(features)
        reach, several = check_lookback(lookback), isinstance(bars["threshold_dbps"], list)
        table = bar_columns(chosen, several=several, intra=check_flag("intra", intra), lookback=reach is not None)
        output = [name for name, *_ in table]
        # Which columns there are, the first trades say; what the keys may be called can be told now.
        given = [by] if isinstance(by, str) else by if isinstance(by, Sequence) else ()
        keys = key_columns(by, pl.Schema({name: pl.String() for name in given if isinstance(name, str)}), output)
        options = stream_options(
            bars,
            names={
                "timestamp": time,
                "price": price,
                "quantity": quantity,
                "is_buyer_maker": is_buyer_maker,
                "agg_trade_id": agg_trade_id,
                "first_trade_id": first_trade_id,
                "last_trade_id": last_trade_id,
            },
            by=keys,
            features=chosen,
            intra=intra,
            lookback=reach,
            include_orphans=include_orphans,
            overlap=check_overlap(overlap),
        )
        stream = super().__new__(cls, json.dumps(options))
        if schema is not None:
            empty = pl.DataFrame(schema=schema)
            stream._begin(stream._parts(empty.schema), empty)
        return stream

    @classmethod
    def restore(cls, data: bytes, **expected: Any) -> Self:  # noqa: ANN401
        """
        A stream that goes on where another stopped.

        Parameters
        ----------
        data
            What :meth:`checkpoint` of a :class:`BarStream` or of a :class:`BarState` returned.
        **expected
            Parameters of :class:`BarStream` that the checkpoint must have been made with.

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
        Takes microseconds, and time and memory in proportion to the number of groups.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> data = rb.BarStream(threshold_dbps=250, by="symbol").checkpoint()
        >>> stream = rb.BarStream.restore(data, threshold_dbps=250)
        >>> rb.BarStream.restore(data[:-1])
        Traceback (most recent call last):
        ...
        rangebar_polars.exceptions.RangeBarError: the checkpoint is truncated or altered: its checksum is another
        """
        if not isinstance(data, bytes):
            msg = f"a checkpoint is bytes, got {type(data).__name__}"
            raise RangeBarError(msg)
        stream = super().__new__(cls, None, data)
        if expected:
            made = stream.parameters
            unknown = expected.keys() - made.keys()
            if unknown:
                msg = (
                    f"`restore` expects parameters of the stream ({', '.join(made)}), got {', '.join(sorted(unknown))}"
                )
                raise TypeError(msg)
            wanted = cls(**{**made, **expected}).parameters
            differ = [name for name in expected if _meaning(name, made[name]) != _meaning(name, wanted[name])]
            if differ:
                told = "; ".join(f"`{name}` was {made[name]!r} and not {wanted[name]!r}" for name in differ)
                msg = f"the checkpoint was made otherwise: {told}"
                raise RangeBarError(msg)
        return stream

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
        options = json.loads(self._options())
        names = options.pop("names")
        options["lookback"] = as_lookback(options["lookback"])
        return {**options.pop("bars"), **options, "time": names.pop("timestamp"), **names}

    def push(self, frame: ArrowStream) -> pl.DataFrame:
        """
        Adds trades and returns the bars that they ended.

        Parameters
        ----------
        frame
            Polars, pyarrow, pandas, DuckDB: anything with ``__arrow_c_stream__``. Rows in the order of time within each
            group, behind those pushed before.

        Returns
        -------
        DataFrame
            Columns and order as of :meth:`LazyFrameRangeBar.bars`, without the bars still forming.

        Raises
        ------
        RangeBarError
            If a column is missing or of another dtype than before, or a row breaks a rule; the stream is then as it was
            before.

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
        if not hasattr(frame, "__arrow_c_stream__"):
            kind = type(frame).__name__
            msg = f"`push` takes a frame with __arrow_c_stream__ (Polars, pyarrow, pandas, DuckDB), got {kind}"
            raise RangeBarError(msg)
        try:
            trades = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
        except pl.exceptions.PolarsError as error:
            msg = f"`push` cannot read the {type(frame).__name__} as a frame: {error}"
            raise RangeBarError(msg) from error
        known = self._known  # one read: another thread may push another frame
        if known[0] != trades.columns:
            known = self._known = (trades.columns, self._parts(trades.schema))
        bars = self._push(known[1], trades, may_be_none=self._no_bars is not None)
        if bars is None:
            bars = self._no_bars
        elif self._no_bars is None:
            self._no_bars = bars.clear()
        return cast("pl.DataFrame", bars).clone()

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
        Takes microseconds; some 200 bytes for each group and threshold, and less than a kilobyte on top.

        Examples
        --------
        >>> import rangebar_polars as rb
        >>> rb.BarStream(threshold_dbps=250).checkpoint().split(b"\n")[0]
        b'rangebar_polars checkpoint 1'
        """
        return super().checkpoint()

    def __repr__(self) -> str:
        made = self.parameters
        return f"BarStream(threshold_dbps={made['threshold_dbps']}, by={made['by']})"

    def _parts(self, available: pl.Schema) -> list[str]:
        """The parts that columns play, checked against what the stream was told."""
        options = json.loads(self._options())
        several = isinstance(options["bars"]["threshold_dbps"], list)
        has_lookback = options["lookback"] is not None
        table = bar_columns(options["features"], several=several, intra=options["intra"], lookback=has_lookback)
        key_columns(options["by"], available, [name for name, *_ in table])
        return list(input_columns(options["names"], available.names()))

    def _schema_of_trade(
        self, timestamp: object, parts: list[str], key: object
    ) -> tuple[list[str], pl.DataFrame, int, pl.DataFrame]:
        """What the first trade says of the input, where no frame and no schema did; its time and its key."""
        options = json.loads(self._options())
        if isinstance(timestamp, dt.datetime):
            time: pl.DataType = pl.Datetime("us", None if timestamp.tzinfo is None else "UTC")
        else:
            time = pl.Int64()
        dtypes: dict[str, pl.DataType] = {
            "timestamp": time,
            "price": pl.Float64(),
            "quantity": pl.Float64(),
            "is_buyer_maker": pl.Boolean(),
        }
        names = options["names"]
        keys = dict(zip(options["by"], _key_values(options["by"], key), strict=True))
        schema = {name: _key_dtype(name, value) for name, value in keys.items()}
        columns = {names[part] or part: dtypes.get(part, pl.Int64()) for part in parts}
        unit = "us" if isinstance(time, pl.Datetime) else options["bars"]["time_unit"] or "us"
        instant = timestamp if isinstance(timestamp, int) else self._instant(timestamp, unit)
        return parts, pl.DataFrame(schema=schema | columns), instant, self._key_frame(key, pl.DataFrame(schema=schema))

    def _key_frame(self, key: object, keys: pl.DataFrame) -> pl.DataFrame:
        """One key as a frame; the error says what is wrong with it."""
        values = _key_values(keys.columns, key)
        columns: list[pl.Series] = []
        for (name, dtype), value in zip(keys.schema.items(), values, strict=True):
            try:
                columns.append(pl.Series(name, [value], dtype=dtype))
            except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
                msg = f"the key `{name}` must be {dtype}, got {value!r}"
                raise RangeBarError(msg) from None
        return pl.DataFrame(columns)

    def _instant(self, timestamp: object, time_unit: str) -> int:
        """A datetime in the unit of the time column."""
        if not isinstance(timestamp, dt.datetime):
            msg = f"`timestamp` must be an int or a datetime, got {timestamp!r}"
            raise TypeError(msg)
        aware = timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=dt.UTC)
        microseconds = (aware - EPOCH) // _MICROSECOND
        instant, finer = divmod(microseconds * UNITS_PER_SECOND[time_unit], UNITS_PER_SECOND["us"])
        if finer:
            msg = f"`timestamp` must be a whole number of {time_unit}, the unit of the time column, got {timestamp!r}"
            raise RangeBarError(msg)
        return instant


def _meaning(name: str, value: object) -> object:
    """What a parameter says: two durations may be one."""
    durations = {"lookback": _internal.check_lookback, "max_gap": _internal.check_max_gap}
    return durations[name](value) if name in durations and isinstance(value, str) else value


def _key_values(by: Sequence[str], key: object) -> tuple[object, ...]:
    values: tuple[object, ...] = () if key is None and not by else (key,)
    if isinstance(key, tuple):
        values = cast("tuple[object, ...]", key)
    if len(values) != len(by):
        wanted = f"a tuple of {', '.join(by)}" if by else "no key: the stream has no key column"
        msg = f"`key` must be {wanted}, got {key!r}"
        raise RangeBarError(msg)
    return values


def _key_dtype(name: str, value: object) -> pl.DataType:
    if isinstance(value, int) and not isinstance(value, bool):
        return pl.Int64()
    if value is None or isinstance(value, str):
        return pl.String()
    msg = f"the key `{name}` of the first trade must be a str or an int, got {value!r}: give the stream a `schema`"
    raise RangeBarError(msg)
