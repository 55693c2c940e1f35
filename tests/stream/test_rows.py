"""Contract of `push_trade(as_rows=True)`: rows are those of the frame, on every kind of stream, and none is lost."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import signal
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars._bars import rows
from tests._streams import arguments

SYMBOLS = ["BTC", "A-SYMBOL-OF-MANY-LETTERS"]
EVERYTHING: dict[str, Any] = {"intra": True, "lookback": 20}


@pytest.fixture(scope="module")
def sample() -> pl.DataFrame:
    """Two symbols, interleaved."""
    return rb.datasets.sample_trades(1_200, symbols=SYMBOLS).sort("timestamp", maintain_order=True)


def assert_rows_are_the_frames(trades: pl.DataFrame, rule: Any = 10, **options: Any) -> list[rb.BarRow]:
    """Three streams take the trades as rows, as frames of one trade, and one by one with rows as their answer."""
    by = [options["by"]] if isinstance(options.get("by"), str) else options.get("by", [])
    of_rows, of_frames, of_pushes = (rb.BarStream(rule, schema=trades.schema, **options) for _ in range(3))
    given: list[rb.BarRow] = []
    for row, trade in zip(arguments(trades, by), trades.iter_slices(1), strict=True):
        made = of_rows.push_trade(**row, as_rows=True)
        frame = of_frames.push_trade(**row)
        pushed = of_pushes.push(trade)
        assert (made is None) == (frame is None) == pushed.is_empty()
        if made is not None and frame is not None:
            assert frame.equals(pushed)
            assert frame.schema == pushed.schema
            assert repr([tuple(bar) for bar in made]) == repr(frame.rows())  # which tells 1 from 1.0, and nan from None
            assert made[0]._fields == tuple(frame.columns)
            is_fine = getattr(trades.schema["timestamp"], "time_unit", None) == "ns"  # which no datetime is
            assert is_fine or pl.DataFrame(made, schema=frame.schema, orient="row").equals(frame)
            given += made
    assert given
    assert of_rows.checkpoint() == of_frames.checkpoint() == of_pushes.checkpoint()
    return given


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"features": []},
        EVERYTHING,
        {"rule": [10, 25, 50]},
        {"rule": [10, rb.Ticks(7), rb.Time("1s")], "include_orphans": True},
        {"footprint": 1.0},
        {"reset": "1d", "include_session": True},
        {"reset": rb.Daily(at="00:00:01", zone="Asia/Tokyo"), "include_session": True, "include_orphans": True},
        {"rule": [*range(10, 100)]},  # more bars of one trade than make a thin frame
    ],
    ids=["plain", "few", "windows", "thresholds", "rules", "footprint", "dates", "sessions", "many"],
)
def test_rows_of_every_column(sample: pl.DataFrame, options: dict[str, Any]) -> None:
    if "many" in str(options.get("rule")) or len(str(options.get("rule", ""))) > 100:
        sample = sample.with_columns(price=pl.col("price") * (1 + pl.int_range(pl.len()) % 50 / 100))
    assert_rows_are_the_frames(sample, by="symbol", **options)


def test_rows_without_keys(sample: pl.DataFrame) -> None:
    assert_rows_are_the_frames(sample.filter(symbol="BTC").drop("symbol"), **EVERYTHING)


def test_rows_of_trades_that_lack_columns_or_sides(sample: pl.DataFrame) -> None:
    assert_rows_are_the_frames(sample.drop("is_buyer_maker"), by="symbol", **EVERYTHING)
    assert_rows_are_the_frames(sample.select("symbol", "timestamp", "price", "quantity"), by="symbol", **EVERYTHING)
    lacking = pl.when(pl.int_range(pl.len()) % 100 != 0).then("is_buyer_maker")
    bars = assert_rows_are_the_frames(
        sample.with_columns(lacking), by="symbol", missing_side="null", footprint=1.0, **EVERYTHING
    )
    assert {bar.ofi is None for bar in bars} == {True, False}


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "America/New_York"])
def test_rows_of_every_clock(unit: Any, zone: str | None) -> None:
    """Also before 1970, and in the hour that comes twice, which `fold` tells apart."""
    ticks = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    seconds = (
        [-62_135_596_800, -1, 1_698_539_400, 1_698_543_000] if unit != "ns" else [-1, 1_698_539_400, 1_698_543_000]
    )
    times = pl.Series([s * ticks - ticks // 3 for s in seconds], dtype=pl.Int64)
    trades = pl.DataFrame({"timestamp": times.cast(pl.Datetime(unit, zone)), "price": 100.0, "quantity": 1.0})
    bars = assert_rows_are_the_frames(trades[1:], rb.Ticks(1), max_step=None, intra=True)
    expected = trades["timestamp"][1:].to_list()
    assert [bar.close_time for bar in bars] == expected
    assert [bar.open_time.fold for bar in bars] == [time.fold for time in expected]
    assert [bar.high_time.tzinfo for bar in bars] == [time.tzinfo for time in expected]


def test_a_time_that_python_cannot_hold_changes_nothing() -> None:
    schema = {"timestamp": pl.Datetime("ms"), "price": pl.Float64(), "quantity": pl.Float64()}
    stream = rb.BarStream(rb.Ticks(1), schema=schema, max_step=None)
    before = stream.checkpoint()
    for time in (2**60, -(2**60), 253_402_300_800_000):
        with pytest.raises(rb.RangeBarError, match=r"end with the year 9999.*take the bars as a frame"):
            stream.push_trade(time, 100.0, 1.0, as_rows=True)
    assert stream.checkpoint() == before
    last = stream.push_trade(253_402_300_799_999, 100.0, 1.0, as_rows=True)
    assert last is not None
    assert last[0].close_time == dt.datetime(9999, 12, 31, 23, 59, 59, 999_000)  # noqa: DTZ001
    assert stream.push_trade(2**60, 100.0, 1.0) is not None


KEYS: list[tuple[pl.DataType, list[Any]]] = [
    (pl.String(), ["a", "a key of many letters", "", None]),
    (pl.Categorical(), ["a", "b", None]),
    (pl.Enum(["a", "b"]), ["a", "b", None]),
    *((dtype(), [0, 100, None]) for dtype in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128)),
    *((dtype(), [0, 100, None]) for dtype in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)),
    (pl.Boolean(), [True, False, None]),
    (pl.Float64(), [0.5, -1.5, None]),
    (pl.Decimal(10, 2), [Decimal("1.50"), Decimal("-2.25"), None]),
    (pl.Date(), [dt.date(2024, 1, 1), dt.date(1960, 2, 29), None]),
    (pl.Time(), [dt.time(1, 2, 3, 4), None]),
    (pl.Datetime("ms", "Europe/Berlin"), [dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None]),
    (pl.Duration("us"), [dt.timedelta(1), None]),
    (pl.Binary(), [b"a", b"", None]),
    (pl.Null(), [None]),
    (pl.List(pl.Int64), [[1, 2], [], None]),
    (pl.Struct({"x": pl.Int64()}), [{"x": 1}, {"x": None}]),
]


@pytest.mark.parametrize(("dtype", "keys"), KEYS, ids=[str(dtype) for dtype, _ in KEYS])
def test_rows_of_every_key(dtype: pl.DataType, keys: list[Any]) -> None:
    frame = pl.DataFrame({"k": pl.Series([key for key in keys for _ in range(2)], dtype=dtype)}).with_columns(
        timestamp=pl.int_range(pl.len()).cast(pl.Datetime("us")), price=pl.lit(100.0), quantity=pl.lit(1.0)
    )
    of_rows, of_frames = (rb.BarStream(rb.Ticks(1), by="k", schema=frame.schema) for _ in range(2))
    for row, key in zip(arguments(frame), frame["k"].to_list(), strict=True):
        [bar] = of_rows.push_trade(**row, key=key, as_rows=True) or []
        bars = of_frames.push_trade(**row, key=key)
        assert bars is not None
        assert repr(tuple(bar)) == repr(bars.row(0))
        assert bars.schema["k"] == dtype


def test_rows_of_several_keys(sample: pl.DataFrame) -> None:
    several = sample.with_columns(market=pl.lit(7), book=pl.col("symbol").cast(pl.Categorical))
    assert_rows_are_the_frames(several, by=["market", "symbol", "book"])


def test_rows_of_features_of_ones_own(sample: pl.DataFrame) -> None:
    options: dict[str, Any] = {"by": "symbol", "aggs": [pl.col("price").std().alias("price_std"), pl.col("price")]}
    options["aggs"][1] = options["aggs"][1].max().alias("class")
    of_rows, of_frames = (rb.BarStream(10, schema=sample.schema, **options) for _ in range(2))
    given = 0
    for row in arguments(sample.head(300), ["symbol"]):
        made, frame = of_rows.push_trade(**row, as_rows=True), of_frames.push_trade(**row)
        if frame is None:
            assert made is None
            continue
        assert made == [tuple(bar) for bar in frame.rows()]
        assert made[0].price_std == frame["price_std"][0]
        given += 1
    assert given
    assert of_rows.checkpoint() == of_frames.checkpoint()


# ------------------------------------------------------------------------------------------ what a row is


def two_ticks(**options: Any) -> rb.BarStream:
    """A stream with a bar that the next trade closes."""
    stream = rb.BarStream(rb.Ticks(2), time_unit="us", **options)
    key: dict[str, Any] = {"key": "A"} if options.get("by") else {}
    assert stream.push_trade(1, 100.0, 1.0, **key, as_rows=True) is None
    return stream


def test_a_row_is_a_named_tuple() -> None:
    [bar] = two_ticks(by="symbol").push_trade(2, 101.0, 1.0, key="A", as_rows=True) or []
    assert isinstance(bar, tuple)
    assert isinstance(bar, rb.BarRow)
    assert (bar.symbol, bar.open, bar[5]) == ("A", 100.0, 100.0)
    assert bar == tuple(bar)
    assert bar._replace(symbol="B").symbol == "B"
    assert list(bar._asdict()) == list(bar._fields)
    assert repr(bar).startswith("BarRow(symbol='A', open_time=1, ")
    for again in (pickle.loads(pickle.dumps(bar)), copy.copy(bar), copy.deepcopy(bar)):
        assert type(again) is type(bar)
        assert again == bar


def test_what_is_no_identifier_is_named_by_its_place() -> None:
    stream = rb.BarStream(rb.Ticks(1), by=["class", "two words", "fine"], time_unit="us")
    [bar] = stream.push_trade(1, 100.0, 1.0, key=("a", "b", "c"), as_rows=True) or []
    assert bar._fields[:4] == ("_0", "_1", "fine", "open_time")
    assert pickle.loads(pickle.dumps(bar)) == bar


def test_as_rows_is_given_by_name() -> None:
    with pytest.raises(TypeError):
        rb.BarStream(250, time_unit="us").push_trade(1, 100.0, 1.0, None, None, None, None, "A", True)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        rb.BarStream(250, time_unit="us").push_trade(1, 100.0, 1.0, as_rows=None)  # type: ignore[call-overload]


# ------------------------------------------------------------------------------------------ nothing is lost


class LateError(Exception):
    """What a handler of a signal raises."""


def raises(*_: object) -> None:
    raise LateError


def test_rows_that_never_arrive_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first trade, which is forgotten with all that it said, and a later one."""

    before_any = rb.BarStream(rb.Ticks(1), time_unit="us")
    for stream, time in ((before_any, 1), (two_ticks(), 2), (two_ticks(by="symbol"), 2)):
        key: dict[str, Any] = {"key": "A"} if stream.parameters["by"] else {}
        before, plain = stream.checkpoint(), rb.BarStream.restore(stream.checkpoint())
        with monkeypatch.context() as patched:
            patched.setattr(rows, "row_type", raises)
            with pytest.raises(LateError):
                stream.push_trade(time, 101.0, 1.0, **key, as_rows=True)
        assert stream.checkpoint() == before
        assert stream.push_trade(time, 101.0, 1.0, **key, as_rows=True) == plain.push_trade(
            time, 101.0, 1.0, **key, as_rows=True
        )
        assert stream.checkpoint() == plain.checkpoint()


def owing(monkeypatch: pytest.MonkeyPatch) -> rb.BarStream:
    """A stream whose first bar never arrived: a handler of a signal pushed meanwhile, and then raised."""
    stream = two_ticks(by="symbol")

    def handler(*_: object) -> None:
        stream.push_trade(1, 7.0, 1.0, key="B")
        raise LateError

    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    ours = signal.signal(signal.SIGTERM, handler)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(rows, "row_type", interrupted)
            with pytest.raises(LateError):
                stream.push_trade(2, 101.0, 1.0, key="A", as_rows=True)
    finally:
        signal.signal(signal.SIGTERM, ours)
    return stream


@pytest.mark.parametrize("as_rows", [True, False])
def test_what_a_handler_pushes_meanwhile_loses_no_row(monkeypatch: pytest.MonkeyPatch, as_rows: bool) -> None:
    """The bars of the first trade come with the next ones, as frame or as rows."""
    stream, plain = owing(monkeypatch), two_ticks(by="symbol")
    assert stream.push_trade(3, 102.0, 1.0, key="A") is None
    with monkeypatch.context() as patched:  # once more, and nobody pushes meanwhile: what was owed is owed again
        patched.setattr(rows, "rows_of", raises)
        with pytest.raises(LateError):
            stream.push_trade(4, 103.0, 1.0, key="A", as_rows=True)
    got = stream.push_trade(4, 103.0, 1.0, key="A", as_rows=as_rows)
    pushes = ((2, 101.0, "A"), (1, 7.0, "B"), (3, 102.0, "A"), (4, 103.0, "A"))
    expected = [plain.push_trade(time, price, 1.0, key=key, as_rows=True) for time, price, key in pushes]
    all_bars = [bar for bars in expected for bar in bars or ()]
    assert len(all_bars) == 2
    assert got is not None
    assert (got if isinstance(got, list) else got.rows()) == all_bars
    assert isinstance(got, list) == as_rows
    assert stream.checkpoint() == plain.checkpoint()


def test_what_is_owed_comes_behind_a_frame_that_fails_late(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = owing(monkeypatch)
    frame = pl.DataFrame({"timestamp": [3, 4], "price": [102.0, 103.0], "quantity": [1.0] * 2, "symbol": ["A"] * 2})
    before = stream.checkpoint()
    with monkeypatch.context() as patched:
        patched.setattr(rb.BarStream, "_search", SimpleNamespace(look=raises), raising=False)
        for _ in range(2):
            with pytest.raises(LateError):
                stream.push(frame)
            assert stream.checkpoint() == before
    assert stream.push(frame)["close"].to_list() == [101.0, 103.0]
    assert stream.push(frame.with_columns(pl.col("timestamp") + 2))["close"].to_list() == [103.0]


def test_a_row_outlives_what_its_stream_forgets() -> None:
    """Frames of few bars share one piece of memory, which the last column frees."""
    stream = rb.BarStream(rb.Ticks(1), by="symbol", time_unit="us", intra=True)
    kept = [stream.push_trade(time, 100.0 + time, 1.0, key=f"key {time % 3}") for time in range(100)]
    closes = [bars["close"] for bars in kept if bars is not None]
    symbols = [bars["symbol"] for bars in kept if bars is not None]
    stream.forget(["key 0", "key 1", "key 2"])
    del stream, kept
    assert pl.concat(closes).to_list() == [100.0 + time for time in range(100)]
    assert pl.concat(symbols).to_list() == [f"key {time % 3}" for time in range(100)]
