"""Contract of `BarStream`, what is refused: a push that fails says where and why, and changes nothing."""

from __future__ import annotations

import itertools
import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given

import rangebar_polars as rb
from tests._broken import Broken, broken
from tests._routes import assert_same_bars
from tests._streams import arguments, frame_of, push_rows, whole, with_value

LATER = {
    "time in another unit": (lambda f: f.cast({"timestamp": pl.Datetime("ms")}), "timestamp"),
    "time in a zone": (lambda f: f.cast({"timestamp": pl.Datetime("us", "UTC")}), "timestamp"),
    "time as an integer": (lambda f: f.cast({"timestamp": pl.Int64}), "timestamp"),
    "another key": (lambda f: f.with_columns(symbol=pl.lit(1)), "symbol"),
    "a categorical key": (lambda f: f.cast({"symbol": pl.Categorical}), "symbol"),
    "no key": (lambda f: f.drop("symbol"), "symbol"),
    "no price": (lambda f: f.drop("price"), "price"),
    "no side": (lambda f: f.drop("is_buyer_maker"), "is_buyer_maker"),
    "ids": (lambda f: f.with_columns(agg_trade_id=pl.int_range(pl.len())), "agg_trade_id"),
    "text as price": (lambda f: f.cast({"price": pl.String}), "price"),
}


@pytest.mark.parametrize("change", LATER)
@pytest.mark.parametrize("first", ["frame", "schema", "restored"])
def test_a_later_frame_that_differs(change: str, first: str) -> None:
    frame = frame_of([100.0, 100.5, 101.0], symbol=["a"] * 3, is_buyer_maker=[True] * 3)
    stream = rb.BarStream(1_000, by="symbol", schema=frame.schema if first == "schema" else None)
    stream.push(frame.head(2))
    if first == "restored":
        stream = rb.BarStream.restore(stream.checkpoint())
    before = stream.checkpoint()
    alter, named = LATER[change]
    with pytest.raises(rb.RangeBarError, match=named):
        stream.push(alter(frame.tail(1)))
    assert stream.checkpoint() == before
    assert stream.push(frame.tail(1)).height == 1


# ------------------------------------------------------------------------------------ what fails


@given(case=broken())
def test_a_push_that_fails_changes_nothing(case: Broken) -> None:
    run, bad, row, column, pushed, end = case
    stream = run.stream(schema=run.frame.schema)
    closed = [stream.push(run.frame.head(pushed))]
    before = stream.checkpoint()
    forming = stream.pending()
    with pytest.raises(rb.RangeBarError) as caught:
        stream.push(bad[pushed:end])
    text = str(caught.value)
    assert f"`{column}` must" in text
    in_all = f"row {case.row_of_group} of " if run.by else f"row {case.row_of_group} in all"
    assert f" at row {row - pushed} of the frame ({in_all}" in text
    if column == "timestamp" and "null" not in text:
        assert ("already seen" if case.first_of_group else "must not go back") in text
    assert stream.checkpoint() == before
    assert_same_bars(stream.pending(), forming)

    closed += push_rows(stream, run.frame[pushed:row], run.by)
    before = stream.checkpoint()
    with pytest.raises((rb.RangeBarError, TypeError), match=column):
        stream.push_trade(**arguments(bad[row : row + 1], run.by)[0])
    assert stream.checkpoint() == before
    closed.append(stream.push(run.frame[row:]))
    assert_same_bars(whole(closed, stream.finish()), run.bars())


def test_where_the_bad_row_is() -> None:
    frame = frame_of([100.0, 100.0, 100.0, -1.0], symbol=["a", "b", "b", "b"], market=[1, 2, 2, 2])
    rule = "`price` must be finite and > 0, got -1.0 at row 2 of the frame "
    for by, place in (
        (None, "(row 3 in all)"),
        ("symbol", '(row 2 of symbol="b")'),
        (["market", "symbol"], '(row 2 of market=2, symbol="b")'),
    ):
        stream = rb.BarStream(1_000, by=by)
        stream.push(frame.head(1))
        stream = rb.BarStream.restore(stream.checkpoint())
        with pytest.raises(rb.RangeBarError) as caught:
            stream.push(frame.tail(3))
        assert str(caught.value) == f"{rule}{place}; filter out such rows"


def test_groups_first_seen_in_a_frame_that_fails_are_not_kept() -> None:
    """Nor their order: forming bars come by first appearance in what was taken."""
    frame = frame_of([100.0] * 3, symbol=["a", "z", "m"])
    stream = rb.BarStream(1_000, by="symbol")
    stream.push(frame.head(1))
    before = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match="`price`"):
        stream.push(with_value(frame.tail(2), "price", math.nan, 1))
    assert stream.checkpoint() == before
    assert stream.pending()["symbol"].to_list() == ["a"]
    stream.push(frame.tail(1))
    stream.push(frame.slice(1, 1))
    assert stream.pending()["symbol"].to_list() == ["a", "m", "z"]


def test_a_first_frame_that_fails_decides_no_dtypes() -> None:
    frame = frame_of([100.0, 101.0])
    other = frame.cast({"timestamp": pl.Datetime("ns", "UTC")}).with_columns(is_buyer_maker=pl.lit(True))
    stream = rb.BarStream(1_000)
    before = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match="`price`"):
        stream.push(with_value(frame, "price", math.nan, 1))
    assert stream.checkpoint() == before
    assert_same_bars(stream.push(other), other.rangebar.bars(1_000))


def test_sums_of_many_frames_stay_within_128_bits() -> None:
    """7e37 a row, and 1.7e38 is the limit: the third does not fit, however the rows are cut."""
    frame = frame_of([7e6] * 3).with_columns(quantity=pl.lit(1e15))
    for sizes in ([3], [2, 1], [1, 1, 1]):
        stream = rb.BarStream(1_000)
        for start, size in zip(itertools.accumulate([0, *sizes]), sizes[:-1], strict=False):
            stream.push(frame.slice(start, size))
        before = stream.checkpoint()
        with pytest.raises(rb.RangeBarError, match=rf"128 bits.*row {sizes[-1] - 1} of the frame \(row 2 in all\)"):
            stream.push(frame.tail(sizes[-1]))
        assert stream.checkpoint() == before


@pytest.mark.parametrize("name", ["threshold_dbps", "by", "features", "reset", "max_gap", "overlap", "time_unit"])
def test_wrong_parameters_are_refused_at_once(name: str) -> None:
    wrong: dict[str, list[Any]] = {
        "threshold_dbps": [0, 2.5, [], [250, 250], [0], "250", None],
        "by": [5, ["a", "a"], ["open"], [None]],
        "features": ["ofi", ["nothing"]],
        "reset": ["2d", "d", 1, ""],
        "max_gap": ["-1h", "x", 5, ""],
        "overlap": ["drop", None, True],
        "time_unit": ["s", 1],
    }
    for value in wrong[name]:
        with pytest.raises((rb.RangeBarError, TypeError), match=name):
            rb.BarStream(**{"threshold_dbps": 250} | {name: value})


def test_a_group_whose_key_is_a_time_of_a_zone_is_named() -> None:
    """Our Polars cannot write one, which was a panic instead of the error."""
    key = pl.Series("key", [1_704_067_200_000_000] * 2).cast(pl.Datetime("us", "Europe/Berlin"))
    frame = pl.DataFrame({"timestamp": [1, 2], "price": [1.0, -1.0], "quantity": [1.0] * 2}).with_columns(key)
    stream = rb.BarStream(250, by="key", time_unit="us")
    for call in (lambda: frame.rangebar.bars(250, by="key", time_unit="us"), lambda: stream.push(frame)):
        with pytest.raises(rb.RangeBarError, match=r"row 1 of key=2024-01-01 00:00:00 UTC"):
            call()
