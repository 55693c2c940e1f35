"""The symbol and the date of a file are those in its whole name, and never in a part of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars._readers.names import stem, told_by_names
from tests._archives import STEM, text_of, written, zipped

ROWS = text_of(3)
QUOTES = b"timestamp,askPrice,bidPrice,askVolume,bidVolume\n1704153600000,4700.2,4700.1,1,1\n"
KRAKEN = b"1704067200,42283.5,0.01\n"


def told(name: str, preset: str) -> str | None:
    file = Path(name)
    return told_by_names(file, name, rb.Preset.named(preset), is_chosen=False, symbol=None).get("symbol")


SYMBOLS: list[tuple[str, str, str | None]] = [
    ("binance spot aggTrades", "BTCUSDT-aggTrades-2024-01-01.zip", "BTCUSDT"),
    ("binance spot aggTrades", "BTCUSDT-aggTrades-2024-01-01 (1).zip", "BTCUSDT"),
    ("binance spot trades", "ETHBTC-trades-2024-02.csv", "ETHBTC"),
    ("binance spot aggTrades", "\u5e01\u5b89\u4eba\u751fUSDT-aggTrades-2025-11-01.csv", "\u5e01\u5b89\u4eba\u751fUSDT"),
    ("binance um aggTrades", "BTCUSDT_240329-aggTrades-2024-02-01.csv.gz", "BTCUSDT_240329"),
    ("binance cm aggTrades", "BTCUSD_PERP-aggTrades-2024-02.ZIP", "BTCUSD_PERP"),
    ("binance spot aggTrades", "a BTCUSDT-aggTrades-2024-01-01.zip", None),
    ("binance spot aggTrades", "BTCUSDT-aggTrades.zip", None),
    ("tardis", "binance-futures_trades_2020-02-01_BTCUSDT.csv.gz", "BTCUSDT"),
    ("tardis", "deribit_trades_2024-01-01_BTC-29MAR24.csv.gz", "BTC-29MAR24"),
    ("kraken", "XBTUSD.csv", "XBTUSD"),
    ("kraken", "XBTUSD.csv.gz", "XBTUSD"),
    ("kraken", "1INCHUSD.CSV", "1INCHUSD"),
    ("kraken", "ETH2.SETH.csv", "ETH2.SETH"),
    ("kraken", "kraken_XBTUSD_2024.csv", None),
    ("kraken", "2024.csv", None),
    ("kraken", "trades.csv", None),
    ("kraken", "XBTUSD-1.csv", None),
    ("bybit spot", "BTCUSDT_2024-01-01.csv.gz", "BTCUSDT"),
    ("bybit spot", "1000PEPEUSDT-2023-01.csv.gz", "1000PEPEUSDT"),
    ("bybit spot", "BYBIT_BTCUSDT_2024-01-01.csv", None),
    ("okx", "BTC-USDT-SWAP-trades-2023-05-01.csv", "BTC-USDT-SWAP"),
    ("okx", "BTC-USDT-aggtrades-2023-05-01.zip", "BTC-USDT"),
    ("okx", "BTC-USD_UM-SWAP-trades-2023-05.zip", "BTC-USD_UM-SWAP"),
    ("okx", "allspot-trades-2023-05-01.zip", None),
    ("lean equity", "20131007_spy_trade_tick.csv", "SPY"),
    ("lean equity", "20131104_brk.b_tick_trade.csv", "BRK.B"),
    ("lean crypto", "20240101_btcusd_trade_tick.csv", "BTCUSD"),
    ("lean forex", "20140508_eurusd_Tick_Quote.csv", "EURUSD"),
    ("lean equity", "20131007_trade.zip", None),
    ("lean equity", "20131007_tick_trade.csv", None),
    ("lean equity", "us_20131007_spy_trade_tick.csv", None),
    ("lobster", "AAPL_2012-06-21_34200000_57600000_message_10.csv", "AAPL"),
    ("lobster", "BRK-B_2012-06-21_34200000_57600000_message_10.csv", "BRK-B"),
    ("lobster", "my AAPL_2012-06-21_34200000_57600000_message_10.csv", None),
    ("seconds", "binance_BTCUSDT_trades_2020_11_16.csv", "BTCUSDT"),
    ("seconds", "BTCUSDT_trades_2020_11_16.csv", "BTCUSDT"),
    ("seconds", "OLD_BTCUSDT_trades_2020_11_16.csv", None),
    ("dukascopy", "EURUSD_Ticks_2024.csv", "EURUSD"),
    ("dukascopy", "EURUSD_Ticks_01.01.2024-02.01.2024.csv", "EURUSD"),
    ("dukascopy", "BRENT.CMDUSD_Ticks_2024.csv", "BRENT.CMDUSD"),
    ("dukascopy", "LIGHT.CMDUSD_Ticks_2024.csv", "LIGHT.CMDUSD"),
    ("dukascopy", "my_EURUSD_Ticks_2024.csv", None),
    ("dukascopy node", "eurusd-tick-2024-01-01-2024-01-02.csv", "EURUSD"),
    ("dukascopy node", "usa500idxusd-tick-2024-01-02-2024-01-03.csv", "USA500IDXUSD"),
    ("dukascopy node", "usa30idxusd-tick-2024-01-02-2024-01-03.csv", "USA30IDXUSD"),
    ("dukascopy node", "brentcmdusd-tick-2024-01-02-2024-01-03.csv", "BRENTCMDUSD"),
    ("dukascopy node", "lightcmdusd-tick-2024-01-02-2024-01-03.csv", "LIGHTCMDUSD"),
    ("exness", "Exness_EURUSD_Raw_Spread_2024_01.zip", None),  # its rows have symbols
]


@pytest.mark.parametrize(("preset", "name", "symbol"), SYMBOLS)
def test_the_name_of_a_vendor(preset: str, name: str, symbol: str | None) -> None:
    assert told(name, preset) == symbol


def test_every_vendor_is_above() -> None:
    patterns = {name for name in rb.Preset.names() if rb.Preset.named(name).file_name is not None}
    twins = {"binance um trades", "binance cm trades", "lean equity quotes"}  # which share their pattern
    assert patterns - twins <= {preset for preset, _, _ in SYMBOLS}


ENDINGS = st.lists(st.sampled_from([".csv", ".txt", ".gz", ".zip", ".zst", ".dbn", ".parquet", ".CSV"]), max_size=3)


@given(st.text(st.sampled_from("AZaz09\u00e9\u5e01._- "), max_size=12), ENDINGS)
def test_all_endings_are_cut_off_and_nothing_else(name: str, endings: list[str]) -> None:
    assert stem(f"{name}x" + "".join(endings)) == f"{name}x"


@given(st.text(st.sampled_from("AZaz09\u00e9\u5e01._-"), min_size=1, max_size=12), st.sampled_from(rb.Preset.names()))
def test_what_stands_before_a_symbol_is_no_part_that_gets_lost(before: str, preset: str) -> None:
    """Whatever is put before a name of a vendor, the symbol is none or another one."""
    for known, name, symbol in SYMBOLS:
        if known == preset and symbol is not None:
            other = told(before + name, preset)
            venue = preset in ("tardis", "seconds")  # whose names begin with one
            assert other is None or other != symbol or venue


def test_two_instruments_are_never_one(tmp_path: Path) -> None:
    names = ["usa500idxusd-tick-2024-01-02-2024-01-03.csv", "usa30idxusd-tick-2024-01-02-2024-01-03.csv"]
    files = [written(tmp_path / name, QUOTES) for name in names]
    assert rb.scan_quotes(files, preset="dukascopy node").collect()["symbol"].to_list() == [
        "USA500IDXUSD",
        "USA30IDXUSD",
    ]


def test_a_name_that_tells_no_symbol_asks_for_it(tmp_path: Path) -> None:
    file = written(tmp_path / "kraken_XBTUSD_2024.csv", KRAKEN)
    with pytest.raises(rb.RangeBarError, match=r"XBTUSD_2024.csv does not tell its symbol: give `symbol=`"):
        rb.scan_trades(file, preset="kraken").collect()
    assert rb.scan_trades(file, preset="kraken", symbol="XBTUSD").collect()["symbol"].to_list() == ["XBTUSD"]


def test_a_pattern_of_a_user_matches_the_whole_name(tmp_path: Path) -> None:
    file = written(tmp_path / "FDAX_2024.csv", KRAKEN)
    kraken = rb.Preset.named("kraken")
    whole = kraken.but(file_name=r"(?P<symbol>[A-Z]+)_\d{4}")
    assert rb.scan_trades(file, preset=whole).collect()["symbol"].to_list() == ["FDAX"]
    for part in (r"(?P<symbol>[A-Z]+)", r"(?P<symbol>[A-Z]+)_\d", r"(?P<symbol>[A-Z]+)_\d{4}\."):
        with pytest.raises(rb.RangeBarError, match="does not tell its symbol"):
            rb.scan_trades(file, preset=kraken.but(file_name=part)).collect()


@pytest.mark.parametrize(
    ("member", "what"),
    [
        ("ETHUSDT-aggTrades-2024-01-01.csv", "symbol 'BTCUSDT' in its name, but holds '{}', whose name says 'ETHUSDT'"),
        ("BTCUSDT-aggTrades-2023-05-05.csv", "date '2024-01-01' in its name, but holds '{}', whose name says '2023"),
    ],
)
def test_an_archive_and_its_member_must_agree(tmp_path: Path, member: str, what: str) -> None:
    file = written(tmp_path / f"{STEM}.zip", zipped(ROWS, member))
    with pytest.raises(rb.RangeBarError, match=re.escape(what.format(member))) as caught:
        rb.scan_binance(file).collect()
    assert str(file) in str(caught.value)


def test_a_given_symbol_or_member_settles_it(tmp_path: Path) -> None:
    member = "ETHUSDT-aggTrades-2024-01-01.csv"
    file = written(tmp_path / f"{STEM}.zip", zipped(ROWS, member))
    assert rb.scan_binance(file, symbol="X").collect()["symbol"].to_list() == ["X"] * 3
    preset = "binance spot aggTrades"
    assert rb.scan_trades(file, preset=preset, member=member).collect()["symbol"].to_list() == ["ETHUSDT"] * 3
    other = written(tmp_path / "BTCUSDT-aggTrades-2024-01-02.zip", zipped(ROWS, "trades.csv"))
    assert rb.scan_binance(other).collect()["symbol"].to_list() == ["BTCUSDT"] * 3


def test_the_date_of_midnight_must_agree_too(tmp_path: Path) -> None:
    member = zipped(b"34200000,1684800,100,P,0,0\n", "20131008_spy_trade_tick.csv")
    with pytest.raises(rb.RangeBarError, match=r"has the date '20131007' in its name, .* says '20131008': rename"):
        rb.scan_trades(written(tmp_path / "20131007_trade.zip", member), preset="lean equity").collect()
    day = rb.scan_trades(written(tmp_path / "20131008_trade.zip", member), preset="lean equity").collect()
    assert day["symbol"].to_list() == ["SPY"]


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_utf8_is_told_also_among_others(tmp_path: Path) -> None:
    written(tmp_path / f"{STEM}.csv", ROWS)
    try:
        odd = written(tmp_path / "BTC\udcffUSDT-aggTrades-2024-01-02.csv", ROWS)
    except OSError:
        pytest.skip("this system has no such names")
    for source in (odd, tmp_path):
        with pytest.raises(rb.RangeBarError, match=r"BTC\\udcffUSDT.* has bytes that are no UTF-8.*: rename the file"):
            rb.scan_binance(source)


def test_columns_that_are_none_beside_a_preset() -> None:
    with pytest.raises(rb.RangeBarError, match="`columns` must map what a column is to its name, got 5"):
        rb.scan_trades("x.csv", preset="kraken", columns=5)


@pytest.mark.parametrize(("delimiter", "written_as"), [(";", "';'"), ("\t", r"'\\t'"), ("|", r"'\|'")])
def test_another_delimiter_is_named(tmp_path: Path, delimiter: str, written_as: str) -> None:
    file = written(tmp_path / "x.csv", delimiter.join(["time", "px", "size"]).encode() + b"\n")
    columns = {"timestamp": "time", "price": "px", "quantity": "size"}
    with pytest.raises(rb.RangeBarError, match=rf"separated by {written_as}, .*`Preset\(delimiter={written_as}\)`"):
        rb.scan_trades(file, columns=columns).collect()


def test_a_missing_column_is_asked_for_by_its_place_not_by_a_guess(tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", b"venue,px,size\nX,1,2\n")
    columns = {"timestamp": "time", "price": "px", "quantity": "size"}
    with pytest.raises(
        rb.RangeBarError, match=r"it has `venue`, `px`, `size`; .*\{'timestamp': '<name of the column>'"
    ):
        rb.scan_trades(file, columns=columns).collect()


def test_the_same_trades_twice_is_a_cause_that_is_told(tmp_path: Path) -> None:
    written(tmp_path / f"{STEM}.csv", ROWS)
    written(tmp_path / f"{STEM}.zip", zipped(ROWS))
    with pytest.raises(rb.RangeBarError, match="if two files hold the same trades twice, such as a month beside"):
        rb.scan_binance(tmp_path).collect()


def test_the_other_kind_of_binance_is_told_by_the_name(tmp_path: Path) -> None:
    trades = written(tmp_path / "BTCUSDT-trades-2024-01-01.csv", b"431,0.0531,1.25,0.066375,1706745600001,False,True\n")
    with pytest.raises(rb.RangeBarError, match='has trades by its name, not aggTrades: give `kind="trades"`'):
        rb.scan_binance(trades)
    aggregated = written(tmp_path / f"{STEM}.csv", ROWS)
    with pytest.raises(rb.RangeBarError, match='has aggTrades by its name, not trades: give `kind="aggTrades"`'):
        rb.scan_binance(aggregated, kind="trades")
    assert rb.scan_binance(trades, kind="trades").collect().height == 1


def test_integer_prices_with_a_point_name_the_remedy(tmp_path: Path) -> None:
    file = written(tmp_path / "20131007_spy_trade_tick.csv", b"34200000,168.48,100,P,0,0\n")
    with pytest.raises(rb.RangeBarError, match=r"price has a point, .* integers of 10\^-4: .*price_decimals_in_file=0"):
        rb.scan_trades(file, preset="lean equity").collect()
    pointed = rb.Preset.named("lean equity").but(price_decimals_in_file=0)
    assert rb.scan_trades(file, preset=pointed).collect()["price"].to_list() == [168.48]
