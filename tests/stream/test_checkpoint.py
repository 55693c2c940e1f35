"""Contract of checkpoints: a stream restored was never stopped, and goes on only as what it was."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

import rangebar_polars as rb
from tests._checkpoints import PARAMETERS, full, sample
from tests._routes import ARGUMENTS, assert_same_bars
from tests._streams import CUTS, WAYS, Run, Way, cut, feed, frame_of, runs, whole

OTHERS: dict[str, list[Any]] = {
    "threshold_dbps": [250, [250], [1_000, 250], [250, 1_000, 50]],
    "by": [None, "symbol", ["symbol", "market"]],
    "features": [None, [], ["duration_us"], ["ofi", "duration_us"]],
    "reset": [None, "1d"],
    "max_gap": [None, "41h", dt.timedelta(hours=39)],
    "include_orphans": [False],
    "same_timestamp_gate": [True],
    "overlap": ["error"],
    "missing_side": ["error"],
    "time_unit": ["ms"],
    "price_decimals": [8, 11],
    **{part: ["other"] for part in ARGUMENTS},
}


# ------------------------------------------------------------------------------------ equal bytes


@given(run=runs(max_rows=60), where=CUTS, ways=st.tuples(WAYS, WAYS), other=CUTS)
def test_bytes_say_nothing_of_how_trades_were_pushed(
    run: Run, where: list[float], ways: tuple[list[Way], list[Way]], other: list[float]
) -> None:
    streams = [run.stream(schema=run.frame.schema) for _ in range(2)]
    ends = [
        feed(stream, run.by, cut(run.frame, cuts), way)[0]
        for stream, cuts, way in zip(streams, (where, other), ways, strict=True)
    ]
    assert ends[0].checkpoint() == ends[1].checkpoint()


@given(run=runs(), at=st.floats(0.0, 1.0))
def test_restoring_is_exact(run: Run, at: float) -> None:
    """The same bytes, the same pending bars, the same future; and the stream that was asked goes on as well."""
    first, second = cut(run.frame, [at])
    stream = run.stream()
    closed = [stream.push(first)]
    data = stream.checkpoint()
    assert isinstance(data, bytes)
    restored = rb.BarStream.restore(data)
    assert restored.checkpoint() == data
    assert_same_bars(restored.pending(), stream.pending())
    assert_same_bars(restored.push(second), rest := stream.push(second))
    assert restored.checkpoint() == stream.checkpoint()
    assert_same_bars(whole([*closed, rest], restored.finish()), run.bars())
    assert_same_bars(whole([*closed, rest], stream.finish()), run.bars())


def test_a_stream_that_has_seen_nothing() -> None:
    for options in ({}, {"by": "symbol", "reset": "1mo", "time_unit": "ns"}, {"schema": sample(1).schema}):
        data = rb.BarStream(250, **options).checkpoint()
        assert rb.BarStream.restore(data).checkpoint() == data
    restored = rb.BarStream.restore(rb.BarStream(30, by="symbol").checkpoint())
    frame = sample(3, 20)
    closed = restored.push(frame)
    assert closed.height > 3
    assert_same_bars(whole([closed], restored.finish()), frame.rangebar.bars(30, by="symbol", include_incomplete=True))


TIMES = pl.Series(
    [1_709_251_199_123_456_789, -1, -(2**63) + 1, 2**63 - 1, None], dtype=pl.Int64
)  # nanoseconds, the ends of 64 bits too
KEY_VALUES = [
    pl.Series(["", "a\0b", None, "x" * 100, "ß"]),
    pl.Series([b"", b"a\0b", None]),
    pl.Series(["b", "a", None], dtype=pl.Categorical),
    pl.Series(["b", "a", None], dtype=pl.Categorical(pl.Categories("venues", physical=pl.UInt8))),
    pl.Series(["b", "a", None], dtype=pl.Enum(["c", "b", "a"])),
    *(pl.Series([1, 0, None], dtype=t) for t in (pl.Int8, pl.UInt8, pl.UInt32, pl.Int32)),
    pl.Series([2**64 - 1, 0, None], dtype=pl.UInt64),
    pl.Series([-(2**63), 2**63 - 1, None], dtype=pl.Int64),
    pl.Series([2**126, -(2**126), None], dtype=pl.Int128),
    pl.Series([True, False, None]),
    pl.Series([dt.date(2024, 2, 29), dt.date(1, 1, 1), None]),
    pl.Series([dt.time(23, 59, 59, 999_999), dt.time(0), None]),
    *(TIMES.cast(pl.Datetime(unit, zone)) for unit in ("ms", "ns") for zone in (None, "UTC", "Europe/Berlin")),
    TIMES.cast(pl.Duration("us")),
    pl.Series([None], dtype=pl.Null),
]


@pytest.mark.parametrize("key", KEY_VALUES, ids=lambda key: str(key.dtype))
def test_groups_of_every_dtype_of_key_come_back(key: pl.Series) -> None:
    """As the group they were, in their order: forming bars tell."""
    frame = frame_of([100.0] * key.len()).with_columns(key.alias("key"))
    again = frame.with_columns(pl.col("timestamp") + pl.duration(days=1), key.reverse().alias("key"))
    streams = [rb.BarStream(250, by="key") for _ in range(2)]
    for stream in streams:
        stream.push(frame)
    restored = rb.BarStream.restore(streams[0].checkpoint())
    for stream in (restored, streams[1]):
        stream.push(again)
    assert restored.checkpoint() == streams[1].checkpoint()
    assert_same_bars(forming := restored.finish(), streams[1].finish())
    assert forming["agg_record_count"].to_list() == [2] * key.len()
    assert_series_equal(forming["key"], key.alias("key"))


def test_keys_that_no_checkpoint_holds_are_named() -> None:
    frame = frame_of([100.0, 101.0], key=[1.5, 1.5])
    stream = rb.BarStream(1_000, by="key")
    assert stream.push(frame).height == 1
    with pytest.raises(rb.RangeBarError, match="`key`"):
        stream.checkpoint()


# ---------------------------------------------------------------------------------- what it is made of


def test_the_parameters_are_readable() -> None:
    data = full().checkpoint()
    header, _ = json.JSONDecoder().raw_decode(data[data.index(b"{") :].decode("utf-8", errors="replace"))
    text = json.dumps(header)
    for name in ("dbps", "by", "reset", "max_gap", "same_timestamp_gate"):
        assert f'"{name}"' in text
    for value in ("250", "1000", "market", "symbol", "1w"):
        assert value in text


def test_the_size_is_that_of_the_groups_and_thresholds() -> None:
    def size(groups: int, thresholds: Any, rows: int = 3) -> int:
        stream = rb.BarStream(thresholds, by="symbol")
        stream.push(sample(groups, rows))
        return len(stream.checkpoint())

    assert size(10, 100_000, 3) == size(10, 100_000, 300), "whatever was seen"
    for thresholds in ([100_000], [100_000, 50_000], [100_000, 50_000, 20_000]):
        each = (size(1_010, thresholds) - size(10, thresholds)) / 1_000 / len(thresholds)
        assert 50 < each < 400
    assert size(10, 250) < 8_000


# ------------------------------------------------------------------------------ other expectations


def test_what_is_expected_and_true_is_restored() -> None:
    data = full().checkpoint()
    for expected in ({}, PARAMETERS, *({name: value} for name, value in PARAMETERS.items())):
        assert rb.BarStream.restore(data, **expected).checkpoint() == data
    assert rb.BarStream.restore(data, max_gap=dt.timedelta(hours=40), threshold_dbps=(250, 1_000)).checkpoint() == data
    plain = rb.BarStream(250, by="symbol")
    for expected in ({"by": ["symbol"]}, {"reset": None, "max_gap": None}, {"features": None}):
        assert rb.BarStream.restore(plain.checkpoint(), **expected).checkpoint() == plain.checkpoint()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OTHERS.items() for value in values])
def test_what_is_expected_and_not_true_is_named(name: str, value: Any) -> None:
    data = full().checkpoint()
    with pytest.raises(rb.RangeBarError, match=rf"\b{name}\b"):
        rb.BarStream.restore(data, **PARAMETERS | {name: value})
    with pytest.raises(rb.RangeBarError, match=rf"\b{name}\b"):
        rb.BarStream.restore(data, **{name: value})


def test_unknown_expectations_are_refused() -> None:
    with pytest.raises((rb.RangeBarError, TypeError), match="nothing"):
        rb.BarStream.restore(full().checkpoint(), nothing=5)


@pytest.mark.parametrize(
    "data", [None, "text", 5, [1, 2], object(), pl.Series([1])], ids=lambda value: type(value).__name__
)
def test_what_is_not_bytes(data: Any) -> None:
    with pytest.raises((rb.RangeBarError, TypeError), match="bytes"):
        rb.BarStream.restore(data)
    if data is not None:
        with pytest.raises((rb.RangeBarError, TypeError)):
            sample(1).rangebar.bars(250, state=rb.BarState(data))
