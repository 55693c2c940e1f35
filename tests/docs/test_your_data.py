"""Docs: each file that "Your data" names is read by the line beside it, as the page says."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._paths import ROOT

PAGE = (ROOT / "docs/your_data.md").read_text(encoding="utf-8")
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)

# Lines of each vendor, and of the first row that is read: symbol, time, price, quantity, whether the seller attacked.
TRADES: dict[str, tuple[str, str, list[str], tuple[str, datetime, float, float, bool | None]]] = {
    "tardis": (
        "binance_trades_2024-01-01_BTCUSDT.csv.gz",
        "",
        [
            "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
            "binance,BTCUSDT,1704067200084000,1704067200085123,a-7,sell,42283.58,0.00069",
        ],
        ("BTCUSDT", NEW_YEAR + timedelta(milliseconds=84), 42283.58, 0.00069, True),
    ),
    "bybit": (
        "BTCUSDT2024-01-01.csv.gz",
        "",
        [
            "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional",
            "1704067200.0451,BTCUSDT,Buy,0.042,42283.5,PlusTick,0a-1,1.77e+11,0.042,1775.907",
        ],
        ("BTCUSDT", NEW_YEAR + timedelta(microseconds=45_100), 42283.5, 0.042, False),
    ),
    "bybit spot": (
        "BTCUSDT_2024-01-01.csv.gz",
        "",
        ["id,timestamp,price,volume,side", "1,1704067200074,42283.5,0.003718,sell"],
        ("BTCUSDT", NEW_YEAR + timedelta(milliseconds=74), 42283.5, 0.003718, True),
    ),
    "okx": (
        "BTC-USDT-trades-2024-01-01.zip",
        "BTC-USDT-trades-2024-01-01.csv",
        ["trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/时间", "1,buy,3,42283.5,1704067200084"],
        ("BTC-USDT", NEW_YEAR + timedelta(milliseconds=84), 42283.5, 3.0, False),
    ),
    "kraken": ("XBTUSD.csv", "", ["1704067200,42283.5,0.01"], ("XBTUSD", NEW_YEAR, 42283.5, 0.01, None)),
    "lean crypto": (
        "20240101_trade.zip",
        "20240101_btcusd_trade_tick.csv",
        ["84,42283.5,0.01"],
        ("BTCUSD", NEW_YEAR + timedelta(milliseconds=84), 42283.5, 0.01, None),
    ),
    "lean equity": (
        "20131007_trade.zip",
        "20131007_spy_trade_tick.csv",
        ["34200000,1684800,100,P,20000000,0"],
        ("SPY", datetime(2013, 10, 7, 13, 30, tzinfo=UTC), 168.48, 100.0, None),
    ),
    "seconds": (
        "binance_BTCUSDT_trades_2020_11_16.csv",
        "",
        ["1704067200.084,42283.5,0.01,ANY"],
        ("BTCUSDT", NEW_YEAR + timedelta(milliseconds=84), 42283.5, 0.01, None),
    ),
    "lobster": (
        "AAPL_2012-06-21_34200000_57600000_message_10.csv",
        "",
        ["34200.004241176,1,16113575,18,5853300,1", "34200.017459617,5,0,1,5853300,-1"],
        ("AAPL", datetime(2012, 6, 21, 13, 30, 0, 17_459, tzinfo=UTC), 585.33, 1.0, False),
    ),
}
QUOTES: dict[str, tuple[str, str, list[str], tuple[str, datetime, float, float, float]]] = {
    "exness": (
        "Exness_EURUSD_Raw_Spread_2024_01.zip",
        "Exness_EURUSD_Raw_Spread_2024_01.csv",
        ['"Exness","Symbol","Timestamp","Bid","Ask"', '"exness","EURUSD","2024-01-01 00:00:00.123Z",1.10427,1.10432'],
        ("EURUSD", NEW_YEAR + timedelta(milliseconds=123), 1.104295, 1.10427, 1.10432),
    ),
    "dukascopy": (
        "EURUSD_Ticks_2024.csv",
        "",
        ["Gmt time,Ask,Bid,AskVolume,BidVolume", "01.01.2024 00:00:00.123,1.10432,1.10427,0.9,1.5"],
        ("EURUSD", NEW_YEAR + timedelta(milliseconds=123), 1.104295, 1.10427, 1.10432),
    ),
    "tardis quotes": (
        "binance_quotes_2024-01-01_BTCUSDT.csv.gz",
        "",
        [
            "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount",
            "binance,BTCUSDT,1704067200084000,1704067200085123,2.5,42283.59,42283.57,0.5",
        ],
        ("BTCUSDT", NEW_YEAR + timedelta(milliseconds=84), 42283.58, 42283.57, 42283.59),
    ),
    "dukascopy node": (
        "eurusd-tick-2024-01-01-2024-01-02.csv",
        "",
        ["timestamp,askPrice,bidPrice,askVolume,bidVolume", "1704067200123,1.10432,1.10427,0.9,1.5"],
        ("EURUSD", NEW_YEAR + timedelta(milliseconds=123), 1.104295, 1.10427, 1.10432),
    ),
    "lean forex": (
        "20140508_quote.zip",
        "20140508_eurusd_tick_quote.csv",
        ["123,1.10427,1.10432"],
        ("EURUSD", datetime(2014, 5, 8, 0, 0, 0, 123_000, tzinfo=UTC), 1.104295, 1.10427, 1.10432),
    ),
    "lean equity quotes": (
        "20131007_quote.zip",
        "20131007_spy_tick_quote.csv",
        ["34200000,1684800,3,0,0,P,0,0", "34200001,0,0,1684900,2,P,0,0"],
        ("SPY", datetime(2013, 10, 7, 13, 30, 0, 1_000, tzinfo=UTC), 168.485, 168.48, 168.49),
    ),
}


def written(folder: Path, name: str, member: str, lines: list[str]) -> Path:
    """A file as the vendor packs it."""
    text = "".join(f"{line}\n" for line in lines).encode()
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, text)
    else:
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def row_of(vendor: str, name: str) -> str:
    """The row of a table of the page that has a preset and a name of its files."""
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and f'preset="{vendor}"' in line]
    (row,) = [line for line in rows if f"`{name}`" in line]
    return row


@pytest.mark.parametrize("vendor", TRADES)
def test_trades(vendor: str, tmp_path: Path) -> None:
    name, member, lines, expected = TRADES[vendor]
    row = row_of(vendor, name)
    assert f"`{member}`" in row or member in ("", f"{Path(name).stem}.csv")
    report = rb.ReadReport()
    options: dict[str, Any] = {"time_unit": "ns"} if 'time_unit="ns"' in row else {}
    read = rb.scan_trades(written(tmp_path, name, member, lines), preset=vendor, report=report, **options).collect()
    first = read.select("symbol", pl.col("timestamp").dt.cast_time_unit("us"), *read.columns[2:5]).row(0)
    assert first == expected
    assert report.total == 0


@pytest.mark.parametrize("vendor", QUOTES)
def test_quotes(vendor: str, tmp_path: Path) -> None:
    name, member, lines, expected = QUOTES[vendor]
    row = row_of(vendor, name)
    assert f"`{member}`" in row or member in ("", f"{Path(name).stem}.csv")
    options: dict[str, Any] = {"on_one_sided": "fill"} if 'on_one_sided="fill"' in row else {}
    path = written(tmp_path, name, member, lines)
    read = rb.scan_quotes(path, preset=vendor, report=rb.ReadReport(), **options).collect()
    assert read.select("symbol", "timestamp", "price", "bid", "ask").row(0) == expected
    assert read["is_buyer_maker"].to_list() == [None]


def test_every_preset_is_on_the_page() -> None:
    by_scan_binance = {
        f"binance {market} {kind}" for market in ("spot", "um", "cm") for kind in ("aggTrades", "trades")
    }
    assert set(rb.Preset.names()) - by_scan_binance - {"databento"} == {*TRADES, *QUOTES}


def test_days_of_bybit_follow_each_other(tmp_path: Path) -> None:
    """Though their ids begin again."""
    header = "id,timestamp,price,volume,side\n"
    for day, time in (("01", 1704067200074), ("02", 1704153600074)):
        (tmp_path / f"BTCUSDT_2024-01-{day}.csv").write_text(f"{header}1,{time},42283.5,0.1,sell\n")
    assert rb.scan_trades(tmp_path, preset="bybit spot").collect().height == 2


def test_a_pretty_file_of_databento(tmp_path: Path) -> None:
    text = "ts_event,action,side,price,size,symbol\n2024-01-02T15:00:00.000000001Z,T,A,4820.250000000,1,ESH4\n"
    (preset,) = [code for code in PAGE.split("`") if code.startswith('rb.Preset.named("databento").but(')]
    (tmp_path / "pretty.csv").write_text(text)
    read = rb.scan_trades(tmp_path, preset=eval(preset, {"rb": rb}), time_unit="ns").collect()
    assert read["timestamp"].dt.nanosecond().to_list() == [1]
    assert read["price"].to_list() == [4820.25]


def test_a_file_of_dukascopy_with_the_year_first(tmp_path: Path) -> None:
    (preset,) = [code for code in PAGE.split("`") if code.startswith('rb.Preset.named("dukascopy").but(')]
    text = "Time (EET),Ask,Bid,AskVolume,BidVolume\n2024.01.02 02:00:00.123,1.10432,1.10427,0.9,1.5\n"
    (tmp_path / "EURUSD_Ticks.csv").write_text(text)
    columns = {"timestamp": "time (eet)"}
    assert f"columns={columns}, time_zone='EET'".replace("'", '"') in PAGE
    read = rb.scan_quotes(tmp_path, preset=eval(preset, {"rb": rb}), columns=columns, time_zone="EET").collect()
    assert read["timestamp"].to_list() == [datetime(2024, 1, 2, 0, 0, 0, 123_000, tzinfo=UTC)]
