"""Contract of `BarStream.push_trade`: what each argument may be, and what is said of those that may not."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import rangebar_polars as rb
from tests._streams import frame_of

TOKYO = ZoneInfo("Asia/Tokyo")
SECOND = dt.datetime(1970, 1, 1, 0, 0, 1)  # noqa: DTZ001
REFUSED = (rb.RangeBarError, TypeError)
TRADE: dict[str, Any] = {
    "timestamp": 4_000_000,
    "price": 100.0,
    "quantity": 1.0,
    "is_buyer_maker": True,
    "agg_trade_id": 14,
    "first_trade_id": 108,
    "last_trade_id": 109,
}
FULL = frame_of(
    [100.0, 101.0, 100.0, 99.0],
    is_buyer_maker=[True, False] * 2,
    agg_trade_id=[10, 11, 12, 13],
    first_trade_id=[100, 102, 104, 106],
    last_trade_id=[101, 103, 105, 107],
)


def seen(**options: Any) -> rb.BarStream:
    """A stream that has seen four trades with all columns; two closed a bar."""
    stream = rb.BarStream(1_000, **options)
    assert stream.push(FULL).height == 2
    return stream


def close_time(stream: rb.BarStream) -> pl.Series:
    return stream.pending()["close_time"]


# ------------------------------------------------------------------------------------------ time


def test_the_first_time_decides_the_dtype() -> None:
    aware = SECOND.replace(tzinfo=dt.UTC)
    for time, options, dtype, value in (
        (SECOND, {}, pl.Datetime("us"), SECOND),
        (aware, {}, pl.Datetime("us", "UTC"), aware),
        (aware.astimezone(TOKYO), {}, pl.Datetime("us", "UTC"), aware),
        (5, {"time_unit": "ms"}, pl.Int64(), 5),
    ):
        stream = rb.BarStream(250, **options)
        assert stream.push_trade(time, 100.0, 1.0) is None
        assert close_time(stream).dtype == dtype
        assert close_time(stream).to_list() == [value]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_every_form_of_one_instant(unit: Any, zone: str | None) -> None:
    schema = {"timestamp": pl.Datetime(unit, zone), "price": pl.Float64(), "quantity": pl.Float64()}
    ticks = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    aware = SECOND.replace(tzinfo=dt.UTC)
    for time in (ticks, SECOND, aware, aware.astimezone(TOKYO)):
        stream = rb.BarStream(250, schema=schema)
        stream.push_trade(time, 100.0, 1.0)
        assert close_time(stream).dtype == schema["timestamp"]
        assert close_time(stream).to_physical().to_list() == [ticks]


def test_datetimes_and_integers_may_be_mixed() -> None:
    stream = rb.BarStream(250)
    stream.push_trade(SECOND, 100.0, 1.0)
    stream.push_trade(2_000_000, 100.0, 1.0)
    assert close_time(stream).to_list() == [SECOND + dt.timedelta(seconds=1)]
    stream = rb.BarStream(250, time_unit="ms")
    stream.push_trade(500, 100.0, 1.0)
    stream.push_trade(SECOND, 100.0, 1.0)
    assert close_time(stream).to_list() == [1_000]


def test_a_first_integer_needs_a_unit() -> None:
    stream = rb.BarStream(250)
    before = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match="time_unit"):
        stream.push_trade(1, 100.0, 1.0)
    assert stream.checkpoint() == before
    assert stream.push_trade(SECOND, 100.0, 1.0) is None


def test_subclasses_of_datetime_keep_their_microseconds() -> None:
    class Stamp(dt.datetime):
        pass

    stream = rb.BarStream(250)
    stream.push_trade(Stamp(2024, 2, 29, 23, 59, 59, 999_999), 100.0, 1.0)
    assert close_time(stream).to_list() == [dt.datetime(2024, 2, 29, 23, 59, 59, 999_999)]  # noqa: DTZ001


# ------------------------------------------------------------------------------------------ keys


def test_keys_without_a_frame() -> None:
    for by, key, dtypes in (
        ("symbol", "BTC", [pl.String()]),
        ("symbol", 7, [pl.Int64()]),
        (["market", "symbol"], ("spot", 7), [pl.String(), pl.Int64()]),
    ):
        stream = rb.BarStream(250, by=by, time_unit="ms")
        stream.push_trade(1, 100.0, 1.0, key=key)
        bars = stream.push_trade(2, 200.0, 1.0, key=key)
        assert bars is not None
        assert bars.dtypes[: len(dtypes)] == dtypes
        assert bars.row(0)[: len(dtypes)] == (key if isinstance(key, tuple) else (key,))


def test_none_is_a_key() -> None:
    schema = frame_of([1.0], symbol=["a"]).schema
    stream = rb.BarStream(250, by="symbol", schema=schema)
    for i, key in enumerate(["a", None, "a", None]):
        stream.push_trade(i, 100.0, 1.0, key=key)
    assert stream.pending().select("symbol", "agg_record_count").rows() == [("a", 2), (None, 2)]
    stream = rb.BarStream(250, by=["market", "symbol"], schema=dict(schema) | {"market": pl.Int64()})
    for i, keys in enumerate([(1, "a"), (None, None), (1, None), (None, None)]):
        stream.push_trade(i, 100.0, 1.0, key=keys)
    assert stream.pending()["agg_record_count"].to_list() == [1, 2, 1]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (pl.Categorical(), ["x", "y"]),
        (pl.Enum(["y", "x"]), ["x", "y"]),
        (pl.Int8(), [3, -3]),
        (pl.UInt64(), [0, 2**64 - 1]),
        (pl.Date(), [dt.date(2024, 1, 1), dt.date(1969, 1, 1)]),
        (pl.Boolean(), [True, False]),
    ],
    ids=str,
)
def test_keys_of_the_dtype_of_the_schema(dtype: pl.DataType, values: list[Any]) -> None:
    stream = rb.BarStream(250, by="symbol", schema=dict(frame_of([1.0]).schema) | {"symbol": dtype})
    for i, key in enumerate(values * 2):
        stream.push_trade(i, 100.0, 1.0, key=key)
    forming = stream.pending()
    assert forming.schema["symbol"] == dtype
    assert forming.select("symbol", "agg_record_count").rows() == [(key, 2) for key in values]


@pytest.mark.parametrize(
    ("by", "key", "text"),
    [
        (None, "a", "`key` must be no key"),
        *(("symbol", key, "`key` must be a tuple of symbol") for key in (("a", "b"), ())),
        *((["market", "symbol"], key, "`key` must be a tuple of market") for key in ("a", ("a",), ("a", "b", "c"))),
        *(("symbol", key, "the key `symbol` must be String") for key in (5, b"a", ["a"], object())),
    ],
)
def test_keys_that_do_not_fit(by: Any, key: Any, text: str) -> None:
    keys: dict[str, pl.DataType] = {name: pl.String() for name in ([by] if isinstance(by, str) else by or [])}
    stream = rb.BarStream(250, by=by, schema=dict(frame_of([1.0]).schema) | keys)
    before = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match=text):
        stream.push_trade(1, 100.0, 1.0, key=key)
    assert stream.checkpoint() == before


# ------------------------------------------------------------------------------- other arguments


def test_numbers_of_every_kind() -> None:
    for price, quantity in ((100, 2), (100.0, 2.0), (Decimal(100), Decimal("2.0"))):
        stream = rb.BarStream(250, time_unit="us")
        stream.push_trade(1, price, quantity)
        assert stream.pending().select("open", "volume").rows() == [(100.0, 2.0)]


def test_decimals_are_exact() -> None:
    """Digits that a double cannot hold next to each other."""
    big = Decimal("92233720368.54775807")
    schema = {"timestamp": pl.Datetime("us"), "price": pl.Decimal(38, 8), "quantity": pl.Float64()}
    frame = pl.DataFrame({"timestamp": [0, 1], "price": [big, big - Decimal("0.00000001")], "quantity": [1.0, 1.0]})
    frame = frame.cast(schema)
    by_row, by_frame = rb.BarStream(100_000, schema=schema), rb.BarStream(100_000, schema=schema)
    by_frame.push(frame)
    for time, price in enumerate(frame["price"]):
        by_row.push_trade(time, price, 1.0)
    assert by_row.checkpoint() == by_frame.checkpoint()


@pytest.mark.parametrize("name", ["is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id"])
def test_what_the_first_trade_had_every_trade_has(name: str) -> None:
    stream = rb.BarStream(1_000, time_unit="us")
    assert stream.push_trade(**TRADE) is None
    before = stream.checkpoint()
    later = TRADE | {"timestamp": 5_000_000, "agg_trade_id": 15}
    with pytest.raises(REFUSED, match=name):
        stream.push_trade(**later | {name: None})
    assert stream.checkpoint() == before
    assert stream.push_trade(**later) is None


@pytest.mark.parametrize("name", ["is_buyer_maker", "agg_trade_id"])
def test_what_the_first_trade_had_not_no_trade_has(name: str) -> None:
    stream = rb.BarStream(1_000, time_unit="us")
    stream.push_trade(1, 100.0, 1.0)
    before = stream.checkpoint()
    with pytest.raises(REFUSED, match=name):
        stream.push_trade(2, 100.0, 1.0, **{name: TRADE[name]})
    assert stream.checkpoint() == before


def test_a_first_without_a_last_id() -> None:
    for name in ("first_trade_id", "last_trade_id"):
        with pytest.raises(REFUSED, match=name):
            rb.BarStream(1_000, time_unit="us").push_trade(1, 100.0, 1.0, **{name: 1})  # type: ignore[call-overload]


WRONG: dict[str, list[Any]] = {
    "timestamp": ["1", 1.5, math.nan, True, None, dt.date(2024, 1, 1), 2**63, -(2**63) - 1],
    "price": ["100", True, None, [100.0], 1j, b"1"],
    "quantity": ["1", False, None, {}, 1j],
    "is_buyer_maker": [1, 0.0, "true", None],
    "agg_trade_id": [14.0, "14", True, None, 2**63],
    "first_trade_id": [108.0, "108", True, None, -(2**63) - 1],
    "last_trade_id": [109.0, "109", True, None, 2**64],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_values_of_the_wrong_kind(name: str, value: Any) -> None:
    stream = seen()
    before = stream.checkpoint()
    with pytest.raises(REFUSED, match=name):
        stream.push_trade(**TRADE | {name: value})
    assert stream.checkpoint() == before
    assert stream.push_trade(**TRADE) is None


BAD_CELLS: list[tuple[str, Any]] = [
    *(("price", value) for value in (math.nan, math.inf, -math.inf, 0.0, -0.0, -5.5, 4.9e-9, 9.3e10, 1e300)),
    *(("quantity", value) for value in (math.nan, math.inf, -0.5, -1e-12, math.nextafter(1e15, 2e15), 1e300)),
    ("last_trade_id", 100),
    ("last_trade_id", 2**60),
]


@pytest.mark.parametrize(("name", "value"), BAD_CELLS)
def test_values_out_of_range_read_as_in_a_frame(name: str, value: Any) -> None:
    stream = seen()
    trade = TRADE | {name: value}
    texts = []
    for push in (
        lambda: stream.push_trade(**trade),
        lambda: stream.push(pl.DataFrame([trade]).cast({"timestamp": pl.Datetime("us")})),
    ):
        with pytest.raises(rb.RangeBarError, match=f"^`{name}` must") as caught:
            push()
        texts.append(str(caught.value).rsplit(" at ", 1)[0])
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["price", "quantity"])
def test_numbers_of_any_length_are_checked(name: str) -> None:
    """Digits and exponents that no integer of the machine holds."""
    large = (2**64, 2**127, 2**200, 10**400, Decimal("1E+30"), Decimal("9" * 60), Decimal("1E+999999"))
    below = (Decimal(-1), Decimal("-1E+50"), -(2**200), Decimal("NaN"), Decimal("Infinity"))
    for value in (*large, *below):
        with pytest.raises(REFUSED, match=name):
            seen().push_trade(**TRADE | {name: value})
    for value in (Decimal("1.00000000" + "0" * 60), Decimal("1E-9") * 10**9, Decimal("1" + "0" * 20 + "E-20")):
        stream = seen()
        stream.push_trade(**TRADE | {name: value})
        assert stream.pending()[{"price": "open", "quantity": "volume"}[name]].to_list() == [1.0]


def test_decimals_too_small_for_eight_places() -> None:
    for tiny in (Decimal("4E-9"), Decimal("1E-39"), Decimal("1E-60"), Decimal("1E-999999"), Decimal("0E-60")):
        for column in ("price", "quantity"):
            if column == "quantity" and tiny == 0:
                continue
            with pytest.raises(rb.RangeBarError, match=column):
                seen().push_trade(**TRADE | {column: tiny})
    stream = seen()
    stream.push_trade(**TRADE | {"quantity": Decimal("0E-60")})
    assert stream.pending()["volume"].to_list() == [0.0]


@pytest.mark.parametrize(
    ("timestamp", "agg_trade_id"), [(3_000_000, 13), (2_000_000, 12), (2_999_999, 99), (-1, 99)], ids=str
)
def test_trades_that_do_not_come_behind_the_last(timestamp: int, agg_trade_id: int) -> None:
    stream = seen()
    before = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match=rf"\(id {agg_trade_id}\).*00:00:03 \(id 13\)"):
        stream.push_trade(**TRADE | {"timestamp": timestamp, "agg_trade_id": agg_trade_id})
    assert stream.checkpoint() == before
    skipping = seen(overlap="skip")
    before = skipping.checkpoint()
    again = TRADE | {"timestamp": timestamp, "agg_trade_id": agg_trade_id}
    if agg_trade_id == 99:
        with pytest.raises(rb.RangeBarError, match="must not come late, got id 99, which was not seen"):
            skipping.push_trade(**again)
    else:
        assert skipping.push_trade(**again) is None
    assert skipping.skipped == (agg_trade_id != 99)
    assert skipping.checkpoint() == before


def test_names_of_columns_are_not_names_of_arguments() -> None:
    frame = FULL.rename({"timestamp": "when", "price": "px"})
    stream = rb.BarStream(1_000, time="when", price="px")
    assert stream.push(frame).height == 2
    assert stream.push_trade(**TRADE) is None
    with pytest.raises(rb.RangeBarError, match="`px` must be finite"):
        stream.push_trade(**TRADE | {"timestamp": 5_000_000, "agg_trade_id": 15, "price": -1.0})


def test_a_trade_that_is_refused_before_any_other_decides_nothing() -> None:
    stream = rb.BarStream(1_000)
    before = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match="price"):
        stream.push_trade(SECOND, math.nan, 1.0)
    assert stream.checkpoint() == before
    stream.push(FULL.cast({"timestamp": pl.Datetime("ns", "UTC")}))
    assert close_time(stream).is_empty()


# --------------------------------------------------------------------- what other libraries have


def test_times_of_pandas_and_numpy_keep_their_nanoseconds() -> None:
    """Two trades within a microsecond, of which the second closes: as pushed in a frame."""
    pandas, numpy = pytest.importorskip("pandas"), pytest.importorskip("numpy")
    texts = ["2024-01-02 14:30:00.000000100", "2024-01-02 14:30:00.000000900"]
    schema = {"timestamp": pl.Datetime("ns", "UTC"), "price": pl.Float64, "quantity": pl.Float64}
    for convert in (
        lambda text: pandas.Timestamp(text, tz="UTC"),
        pandas.Timestamp,
        lambda text: numpy.datetime64(text, "ns"),
        lambda text: pandas.Timestamp(text, tz="Asia/Tokyo") + pandas.Timedelta("9h"),
    ):
        times = [convert(text) for text in texts]
        for options in ({"schema": schema}, {}):
            stream = rb.BarStream(250, **options)
            bars = [stream.push_trade(time, price, 1.0) for time, price in zip(times, (4800.0, 4830.0), strict=True)]
            assert bars[0] is None
            assert bars[1] is not None
            assert bars[1]["open_time"].dt.nanosecond().to_list() == [100]
            assert bars[1]["close_time"].dt.nanosecond().to_list() == [900]
    stream = rb.BarStream(250, schema=schema | {"timestamp": pl.Datetime("us", "UTC")})
    with pytest.raises(rb.RangeBarError, match=r"must be a whole number of us.*give the stream a `schema`"):
        stream.push_trade(pandas.Timestamp(texts[0], tz="UTC"), 1.0, 1.0)
    for nothing in (pandas.NaT, numpy.datetime64("NaT"), None, "2024-01-02", dt.date(2024, 1, 2)):
        with pytest.raises(TypeError, match="`timestamp` must be an int or a datetime"):
            stream.push_trade(nothing, 1.0, 1.0)


def test_integers_of_numpy_are_integers() -> None:
    numpy = pytest.importorskip("numpy")
    plain, other = seen(), seen()
    plain.push_trade(**TRADE)
    numbers = {name: numpy.int64(value) for name, value in TRADE.items() if isinstance(value, int) and value > 1}
    other.push_trade(**TRADE | numbers | {"is_buyer_maker": numpy.bool_(True), "price": numpy.float32(100)})
    assert other.checkpoint() == plain.checkpoint()
    for wrong in (numpy.float64(5), numpy.bool_(True), True, "5"):
        with pytest.raises((TypeError, rb.RangeBarError), match="`agg_trade_id` must be an int"):
            seen().push_trade(**TRADE | {"agg_trade_id": wrong})
    keyed = rb.BarStream(250, by="number", time_unit="us")
    for time, key in enumerate((5, numpy.int64(5), numpy.uint8(5))):
        assert keyed.push_trade(time, 1.0, 1.0, key=key) is None
    assert keyed.pending()["number"].to_list() == [5]


def test_a_stream_with_keys_needs_one() -> None:
    """All symbols would melt into one group, whose key is null."""
    trade: dict[str, Any] = {"timestamp": 1, "price": 1.0, "quantity": 1.0}
    schema = {"symbol": pl.String(), "timestamp": pl.Int64(), "price": pl.Float64(), "quantity": pl.Float64()}
    for options in ({}, {"schema": schema}):
        stream = rb.BarStream(250, by="symbol", time_unit="ms", **options)
        before = stream.checkpoint()
        with pytest.raises(rb.RangeBarError, match=r"the stream has by=`symbol`, so a trade needs `key`"):
            stream.push_trade(**trade)
        assert stream.checkpoint() == before
        stream.push_trade(**trade, key="a")
        with pytest.raises(rb.RangeBarError, match=r"so a trade needs `key`; say key=None where its key is null"):
            stream.push_trade(**trade)
        stream.push_trade(**trade, key=None)
        assert stream.pending()["symbol"].to_list() == ["a", None]
    several = rb.BarStream(250, by=["market", "symbol"], time_unit="ms")
    with pytest.raises(rb.RangeBarError, match="by=`market`, `symbol`"):
        several.push_trade(**trade)
    plain = rb.BarStream(250, time_unit="ms")
    plain.push_trade(**trade)
    plain.push_trade(**trade, key=None)


def test_decimals_that_are_no_numbers() -> None:
    for wrong in (Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")):
        for column in ("price", "quantity"):
            with pytest.raises((rb.RangeBarError, ValueError), match=column if not wrong.is_snan() else "."):
                seen().push_trade(**TRADE | {column: wrong})
        schema = {"n": pl.Decimal(10, 2), "timestamp": pl.Int64, "price": pl.Float64, "quantity": pl.Float64}
        stream = rb.BarStream(250, by="n", schema=schema, time_unit="us")
        with pytest.raises(rb.RangeBarError, match=r"the key `n` must be Decimal"):
            stream.push_trade(1, 1.0, 1.0, key=wrong)
