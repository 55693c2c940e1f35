"""Databento's own files: what its library reads, and everything that it would leave out or take without a word."""

from __future__ import annotations

import datetime as dt
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._readers import archive, blocks, databento, zstd
from tests._archives import nothing_left, written

dbn = pytest.importorskip("databento_dbn")

TIME = 1_704_067_200_000_000_000
SYMBOL = 123
UNDEFINED = (1 << 63) - 1


def metadata(schema: Any = dbn.Schema.TRADES, *, is_mapped: bool = True) -> bytes:
    interval = SimpleNamespace(start_date=dt.date(2024, 1, 1), end_date=dt.date(2024, 1, 2), symbol=str(SYMBOL))
    mapping = SimpleNamespace(raw_symbol="ESH4", intervals=[interval])
    made = dbn.Metadata(
        dataset="GLBX.MDP3",
        start=TIME,
        end=None,
        limit=None,
        stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=schema,
        symbols=["ESH4"],
        partial=[],
        not_found=[],
        mappings=[mapping] if is_mapped else [],
    )
    return bytes(made.encode())


def trade(number: int, *, price: int | None = None, instrument: int = SYMBOL, action: Any = dbn.Action.TRADE) -> bytes:
    side = [dbn.Side.ASK, dbn.Side.BID, dbn.Side.NONE][number % 3]
    at = TIME + number * 1_001
    price = 4_500_250_000_000 + number * 250_000_000 if price is None else price
    return bytes(dbn.TradeMsg(1, instrument, at, price, number + 1, action, side, 0, at + 5))


def order(action: Any) -> bytes:
    return bytes(dbn.MBOMsg(1, SYMBOL, TIME, 1, 4_500_000_000_000, 3, action, dbn.Side.BID, TIME))


def candle() -> bytes:
    return bytes(dbn.OHLCVMsg(0x20, 1, SYMBOL, TIME, 1, 2, 3, 4, 5))


def packed(data: bytes) -> bytes:
    """Whole DBN, compressed as Databento does."""
    text = io.BytesIO()
    coder = dbn.Transcoder(text, dbn.Encoding.DBN, dbn.Compression.ZSTD)
    coder.write(data)
    coder.flush()
    coder.finish()
    return text.getvalue()


TRADES = b"".join(trade(number) for number in range(5))
DBN = metadata() + TRADES
NAMES = {"plain": "x.trades.dbn", "packed": "x.trades.dbn.zst"}
forms = pytest.mark.parametrize("form", NAMES)


def file_of(folder: Path, form: str, data: bytes) -> Path:
    return written(folder / NAMES[form], packed(data) if form == "packed" else data)


def read(file: Path, **options: Any) -> pl.DataFrame:
    return rb.scan_trades(file, preset="databento", **options).collect()


@forms
def test_trades_are_what_the_records_say(tmp_path: Path, form: str) -> None:
    rows = read(file_of(tmp_path, form, DBN))
    assert rows.columns == ["symbol", "timestamp", "price", "quantity", "is_buyer_maker"]
    assert rows["symbol"].unique().to_list() == ["ESH4"]
    assert rows["timestamp"].cast(pl.Int64).to_list() == [TIME + n * 1_001 for n in range(5)]
    assert rows["price"].to_list() == [4_500.25 + n / 4 for n in range(5)]
    assert rows["quantity"].to_list() == [1, 2, 3, 4, 5]
    assert rows["is_buyer_maker"].to_list() == [True, False, None, True, False]


@forms
def test_blocks_and_chunks_do_not_matter(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = metadata() + b"".join(trade(number) for number in range(500))
    file = file_of(tmp_path, form, data)
    expected = read(file)
    assert expected.height == 500
    for module, name in ((databento, "_CHUNK"), (databento, "_PACKED_CHUNK"), (archive, "_CHUNK"), (blocks, "_BLOCK")):
        monkeypatch.setattr(module, name, 137)
    assert_frame_equal(read(file), expected)


@forms
def test_orders_that_are_no_trades_are_counted(tmp_path: Path, form: str) -> None:
    actions = [dbn.Action.ADD, dbn.Action.TRADE, dbn.Action.FILL, dbn.Action.CANCEL, dbn.Action.CLEAR]
    report = rb.ReadReport()
    data = metadata(dbn.Schema.MBO) + b"".join(map(order, actions))
    assert read(file_of(tmp_path, form, data), report=report).height == 1
    assert report.frame().select("reason", "action", "count", "first_line").rows() == [("not_a_trade", "dropped", 4, 2)]


@forms
def test_a_day_without_trades_has_none(tmp_path: Path, form: str) -> None:
    assert read(file_of(tmp_path, form, metadata())).height == 0


@forms
@pytest.mark.parametrize("options", [{}, {"decimal": True, "price_decimals": 9}], ids=["double", "decimal"])
def test_a_record_without_a_price_is_a_bad_row(tmp_path: Path, form: str, options: dict[str, Any]) -> None:
    file = file_of(tmp_path, form, DBN + trade(6, price=UNDEFINED))
    with pytest.raises(rb.RangeBarError, match="line 7: the row cannot be read, got"):
        read(file, **options)
    report = rb.ReadReport()
    assert read(file, on_bad_rows="drop", report=report, **options).height == 5
    assert report.frame().select("reason", "count").rows() == [("unparsable", 1)]


@forms
def test_an_instrument_without_a_symbol_is_a_bad_row(tmp_path: Path, form: str) -> None:
    with pytest.raises(rb.RangeBarError, match="line 7: the row cannot be read"):
        read(file_of(tmp_path, form, DBN + trade(6, instrument=7)))
    with pytest.raises(rb.RangeBarError, match="line 2: the row cannot be read"):
        read(file_of(tmp_path, form, metadata(is_mapped=False) + TRADES))


@forms
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (metadata(dbn.Schema.OHLCV_1S) + candle(), "has no column `price`.*it has `ts_event`.*`open`, `high`"),
        (DBN + order(dbn.Action.TRADE), "has records of several schemas: write those of one schema to a file"),
        (metadata(dbn.Schema.MBO) + TRADES, "has records of several schemas"),
        (metadata(None) + TRADES, "has records of several schemas"),
    ],
    ids=["candles", "an order among trades", "trades among orders", "live"],
)
def test_other_schemas_are_refused(tmp_path: Path, form: str, data: bytes, told: str) -> None:
    with nothing_left(tmp_path), pytest.raises(rb.RangeBarError, match=told):
        read(file_of(tmp_path, form, data))


def test_a_file_that_was_cut_off_within_a_record_is_never_read(tmp_path: Path) -> None:
    """At its end it cannot be told: nothing in the file says how many records there are."""
    start = len(metadata())
    for length in [*range(1, start, 23), *range(start, len(DBN), 4)]:
        file = written(tmp_path / NAMES["plain"], DBN[:length])
        if length >= start and (length - start) % len(trade(0)) == 0:
            assert read(file).height == (length - start) // len(trade(0))
            continue
        with pytest.raises(rb.RangeBarError, match=r"x\.trades\.dbn (ends within|is damaged|has no column|is empty)"):
            read(file)


def test_a_packed_file_that_was_cut_off_is_never_read(tmp_path: Path) -> None:
    """Its library takes one that ends between two blocks."""
    whole = packed(metadata() + b"".join(trade(number, price=10**9 + 10 * number**3) for number in range(10_000)))
    lengths = [*range(1, 60), *range(60, len(whole), 9_999), *range(len(whole) - 20, len(whole))]
    for length in lengths:
        with pytest.raises(rb.RangeBarError, match=r"its last frame ends early|has no column"):
            read(written(tmp_path / NAMES["packed"], whole[:length]))
    assert read(written(tmp_path / NAMES["packed"], whole)).height == 10_000


def test_a_file_that_was_cut_off_before_it_was_packed_is_never_read(tmp_path: Path) -> None:
    for length in (len(DBN) - 7, len(DBN) - 1, len(metadata()) + 1, 100, 3):
        with pytest.raises(rb.RangeBarError, match=r"\.dbn\.zst (ends within|is damaged)"):
            read(written(tmp_path / NAMES["packed"], stored(DBN[:length])))


def test_a_changed_byte_of_a_packed_file_is_told(tmp_path: Path) -> None:
    whole = packed(DBN)
    rows = read(written(tmp_path / NAMES["packed"], whole))
    for at in range(4, len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        file = written(tmp_path / NAMES["packed"], bytes(changed))
        try:
            assert_frame_equal(read(file), rows)
        except rb.RangeBarError as error:
            assert "is damaged or cut off" in str(error)  # noqa: PT017  (it may also be right)


FRAME = packed(DBN)
SKIPPED = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (FRAME, None),
        (SKIPPED + FRAME + SKIPPED, None),
        (FRAME + FRAME, None),
        (FRAME + b"rubbish", ValueError),
        (FRAME + b"\0", EOFError),
        (SKIPPED[:-1], EOFError),
        # One block of one byte, repeated 5 times, in a frame with its size and an identity, without a window.
        (b"\x28\xb5\x2f\xfd\x21\x05\x07\x2b\x00\x00x", None),
        (b"\x28\xb5\x2f\xfd\x21\x05\x07\x2b\x00\x00", EOFError),
    ],
)
def test_whole_frames_are_known_from_their_headers(data: bytes, error: type[Exception] | None) -> None:
    opened = io.BufferedReader(io.BytesIO(data))
    if error is None:
        zstd.check_whole(opened)
        assert opened.tell() == 0
    else:
        with pytest.raises(error):
            zstd.check_whole(opened)


def stored(data: bytes) -> bytes:
    """A frame that holds data as it is."""
    return b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little") + (len(data) << 3 | 1).to_bytes(3, "little") + data


def test_several_frames_are_all_read(tmp_path: Path) -> None:
    data = packed(metadata() + trade(0)) + SKIPPED + stored(trade(1) + trade(2)) + stored(trade(3) + trade(4)) + SKIPPED
    assert_frame_equal(read(written(tmp_path / NAMES["packed"], data)), read(written(tmp_path / NAMES["plain"], DBN)))


@forms
def test_without_the_library_it_is_named(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(tmp_path, form, DBN)
    monkeypatch.setitem(sys.modules, "databento_dbn", None)
    trades = rb.scan_trades(file, preset="databento")
    for query in (trades, trades.rangebar.bars(250, by="symbol", agg_trade_id=None)):
        with nothing_left(tmp_path), pytest.raises(ModuleNotFoundError, match=r'pip install "rangebar_polars\[databen'):
            query.collect()


def test_a_csv_that_is_packed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match=r"x.csv.zst is packed in a way that cannot be read \(zstd\): unpack it"):
        read(written(tmp_path / "x.csv.zst", packed(DBN)))
