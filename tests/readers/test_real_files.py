"""Real files of vendors, good and bad ones, through their readers: what comes out, and the report as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._reader_layouts import Layout, cut_into, damaged, expected, faults, oracle, physical
from tests._reader_oracle import BadRowError, UnreadableError

GOLDEN = Path(__file__).parent / "golden"
BTCUSDT = "binance_spot_btcusdt_aggtrades_20240101"
LASOTA: dict[str, Any] = {
    "timestamp": "TransactionTime",
    "price": "Price",
    "quantity": "Quantity",
    "agg_trade_id": "TradeId",
    "is_buyer_maker": "IsBuyerMarketMaker",
    "symbol": "Symbol",
}
OF_ID: dict[str, Any] = {
    "symbol": "symbol",
    "timestamp": ("timestamp", "time"),
    "price": "price",
    "quantity": "quantity",
    "is_buyer_maker": "is_buyer_maker",
    "agg_trade_id": "trade_id",
}
PRINTS: dict[str, Any] = {"symbol": "symbol", "timestamp": "timestamp", "price": "price", "quantity": "quantity"}
QUOTES: dict[str, Any] = {
    "timestamp": "timestamp",
    "bid": ("bid", "bid_price"),
    "ask": ("ask", "ask_price"),
    "bid_size": ("bid_size", "bid_volume", "bid_qty"),
    "ask_size": ("ask_size", "ask_volume", "ask_qty"),
}
LAX: dict[str, Any] = {"on_bad_rows": "drop", "on_unsorted": "drop"}
SPOT = "lasota_test_negative_binance_trade_stream_spot_trxusdt_04-03-2025.csv"
USDM = "lasota_test_negative_binance_trade_stream_usd_m_futures_trxusdt_04-03-2025.csv"
COINM = "lasota_test_negative_binance_trade_stream_coin_m_futures_trxusd_perp_04-03-2025.csv"
SWAPPED = "constructed_spot_btc_days_swapped_dup_ids.csv"
FXCM = "fxcm_eurusd_crossed_quotes_20140508.zip"

TRADES: dict[str, tuple[str, dict[str, Any]]] = {
    "spot8": ("bad_inputs/spot8_noheader_ms_first5k.csv", {"preset": "binance spot aggTrades", "symbol": "BTCUSDT"}),
    "usdm7": ("bad_inputs/usdm7_header_ms_reaggregated.csv", {"preset": "binance um aggTrades", "symbol": "BTCUSDT"}),
    "usdm7 crlf": (
        "bad_inputs/usdm7_header_repeated_crlf.csv",
        {"preset": "binance um aggTrades", "symbol": "BTCUSDT"},
    ),
    "swapped": (f"bad_inputs/{SWAPPED}", {"columns": OF_ID, **LAX}),
    "swapped sorted": (f"bad_inputs/{SWAPPED}", {"columns": OF_ID, **LAX, "on_unsorted": "sort"}),
    "lasota spot": (f"bad_inputs/{SPOT}", {"columns": LASOTA, **LAX}),
    "lasota usdm": (f"bad_inputs/{USDM}", {"columns": LASOTA, **LAX}),
    "lasota coinm": (f"bad_inputs/{COINM}", {"columns": LASOTA, **LAX}),
    "thrasher": ("bad_inputs/thrasher_binance_BTCUSDT_trades_2020_11_16.csv", {"preset": "seconds"}),
    "btcusdt zip": (f"{BTCUSDT}/raw/BTCUSDT-aggTrades-2024-01-01.zip", {"preset": "binance spot aggTrades"}),
    "btcusdt": (f"{BTCUSDT}/data.parquet", {"preset": "binance spot aggTrades", "symbol": "BTCUSDT"}),
    "hftbacktest": ("hftbacktest_binance_multi/trades_dev.parquet", {"columns": OF_ID, **LAX}),
    "lasota": ("lasota_binance_trx_20250304/data.parquet", {"columns": OF_ID, **LAX}),
    "spy": ("lean_equity_spy_trades_201310/spy_trades.parquet", {"columns": PRINTS}),
    "bac": ("lean_equity_taq_201310/bac_trades.parquet", {"columns": PRINTS}),
    "ibm": ("lean_equity_taq_201310/ibm_trades.parquet", {"columns": PRINTS}),
}
FX: dict[str, Any] = {"columns": QUOTES, "time_unit": "ns", "symbol": "EURUSD"}
BOOKS: dict[str, tuple[str, dict[str, Any]]] = {
    "fxcm zip": (f"bad_inputs/{FXCM}", {"preset": "lean forex", "time_zone": "Etc/GMT+5", "on_crossed": "drop"}),
    "fxcm": ("lean_fx_quotes_201405/fxcm_eurusd.parquet", {**FX, "on_crossed": "keep"}),
    "oanda": ("lean_fx_quotes_201405/oanda_eurusd.parquet", FX),
    "bac quotes": ("lean_equity_taq_201310/bac_quotes.parquet", {"columns": {**QUOTES, "symbol": "symbol"}}),
    "ibm quotes": ("lean_equity_taq_201310/ibm_quotes.parquet", {"columns": {**QUOTES, "symbol": "symbol"}}),
    "dukascopy btcusd": ("dukascopy_node_ticks/btcusd_20230220.parquet", {"columns": QUOTES, "on_crossed": "drop"}),
    "dukascopy eurusd": ("dukascopy_node_ticks/eurusd_20190204.parquet", {"columns": QUOTES, "on_crossed": "drop"}),
    "book ticker": (
        "hftbacktest_binance_l2/usdm_btcusdt_20240808_bookticker.parquet",
        {"columns": {**QUOTES, "symbol": "symbol"}, "time_unit": "ns"},
    ),
}


@pytest.fixture
def data(shared: Path) -> Path:
    return shared / "data"


def told(report: rb.ReadReport, rows: int) -> dict[str, Any]:
    """A report as it can be stored: without folders."""
    frames = {"faults": report.frame(), "files": report.files()}
    named = {name: each.with_columns(pl.col("file").str.split("/").list.last()) for name, each in frames.items()}
    texts = {name: each.with_columns(pl.selectors.temporal().cast(pl.String)) for name, each in named.items()}
    return {"rows": rows, "total": report.total} | {name: each.to_dicts() for name, each in texts.items()}


def check_golden(name: str, report: rb.ReadReport, rows: int) -> None:
    """Every row is accounted for, and the report is the stored one; one that is missing is written, and fails."""
    for file in report.files().iter_rows(named=True):
        gone = report.frame().filter(action="dropped", file=file["file"])["count"].sum()
        assert file["is_complete"]
        assert file["rows_read"] == file["rows_returned"] + gone
    stored = GOLDEN / f"{name.replace(' ', '_')}.json"
    now = told(report, rows)
    if not stored.exists():
        stored.write_text(json.dumps(now, indent=1) + "\n")
        pytest.fail(f"wrote {stored.name}: look at it, and add it")
    assert now == json.loads(stored.read_text())


@pytest.mark.parametrize("name", TRADES)
def test_trades(name: str, data: Path) -> None:
    file, options = TRADES[name]
    report = rb.ReadReport()
    frame = rb.scan_trades(data / file, **options, report=report).collect()
    check_golden(name, report, frame.height)


@pytest.mark.parametrize("name", BOOKS)
def test_quotes(name: str, data: Path) -> None:
    file, options = BOOKS[name]
    report = rb.ReadReport()
    policy: dict[str, Any] = {"on_crossed": "keep", "on_one_sided": "fill"} if name.endswith(" quotes") else {}
    frame = rb.scan_quotes(data / file, **policy, **options, report=report).collect()
    check_golden(name, report, frame.height)


@pytest.mark.parametrize("decimal", [False, True])
def test_the_zip_of_a_day_is_its_parquet_file(decimal: bool, data: Path) -> None:
    trades = rb.scan_binance(data / TRADES["btcusdt zip"][0], decimal=decimal).collect()
    stored = pl.read_parquet(data / TRADES["btcusdt"][0])
    assert_frame_equal(
        trades.drop("symbol").cast({"price": pl.Float64, "quantity": pl.Float64}),
        stored.drop("is_best_match"),
        check_exact=True,
        check_column_order=False,
    )
    again = rb.scan_trades(
        data / TRADES["btcusdt"][0], preset="binance spot aggTrades", symbol="BTCUSDT", decimal=decimal
    )
    assert_frame_equal(again.collect(), trades, check_exact=True)


def test_numbers_of_a_parquet_file_are_what_their_maker_meant(data: Path) -> None:
    """Its prices are multiples of a ten-thousandth, with an error of their arithmetic."""
    stored = pl.read_parquet(data / TRADES["bac"][0])
    trades = rb.scan_trades(data / TRADES["bac"][0], columns=PRINTS).collect()
    meant = [round(price * 10_000) / 10_000 for price in stored["price"]]
    assert trades["price"].to_list() == meant
    assert (trades["price"] != stored["price"]).any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (SWAPPED, "line 10149: the row belongs before one that was read already (`agg_trade_id` 3735683259 after"),
        (SPOT, "line 4: the row has the id of the one before it, but another content"),
        (USDM, "line 2: a price must be above 0, and a quantity not below"),
        (COINM, "line 4: the row has the id of the one before it, but another content"),
    ],
)
def test_bad_files_are_errors(name: str, message: str, data: Path) -> None:
    columns = OF_ID if name == SWAPPED else LASOTA
    with pytest.raises(rb.RangeBarError) as error:
        rb.scan_trades(data / "bad_inputs" / name, columns=columns).collect()
    assert f"{name}, {message}" in str(error.value)


def test_crossed_quotes_are_an_error(data: Path) -> None:
    with pytest.raises(rb.RangeBarError, match=r"line 17: the bid is above the ask, got '54152,1.39154,1.39153'"):
        rb.scan_quotes(data / "bad_inputs" / FXCM, preset="lean forex", time_zone="Etc/GMT+5").collect()


def test_a_pointer_is_not_data(data: Path) -> None:
    with pytest.raises(rb.RangeBarError, match=r"lfs_pointer\.parquet is a Git LFS pointer, not data"):
        rb.scan_trades(data / "bad_inputs" / "lfs_pointer.parquet", columns=PRINTS).collect()


@pytest.mark.parametrize(("name", "market"), [("spot8", "spot"), ("usdm7", "um")])
@given(drawn=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_real_rows_that_are_damaged(name: str, market: str, drawn: st.DataObject, data: Path, tmp_path: Path) -> None:
    """Equal to the oracle, or an error that names the row."""
    with (data / TRADES[name][0]).open() as opened:
        lines = [next(opened).rstrip("\n") for _ in range(200)]
    header = lines.pop(0) if market == "um" else None
    first = drawn.draw(st.integers(0, 150))
    file = "BTCUSDT-aggTrades-2024-01-01.csv"
    layout = Layout(
        preset=f"binance {market} aggTrades",
        file=file,
        header=header,
        row=lambda n, _: lines[first + n],
        side=6,
        time=5,
        symbol="BTCUSDT",
    )
    text = drawn.draw(damaged(layout, most_rows=30))
    (tmp_path / file).write_bytes(text)
    slow, report = oracle(layout), rb.ReadReport()
    scan = rb.scan_trades(tmp_path / file, preset=layout.preset, **LAX, report=report)
    with cut_into((64, drawn.draw(st.sampled_from([1, 64])))):
        try:
            told = slow.told([slow.read(text)], on_unsorted="drop")
        except (BadRowError, UnreadableError) as error:
            where = f"line {error.row.line}: " if isinstance(error, BadRowError) else file
            with pytest.raises(rb.RangeBarError, match=where):
                scan.collect()
            return
        frame = scan.collect()
    assert physical(frame) == expected(told, frame)
    kept = {key: value for key, value in faults(report).items() if key != ("unterminated", "kept")}
    assert kept == told.faults
