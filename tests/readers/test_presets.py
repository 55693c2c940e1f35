"""A small file in the public layout of every vendor, and the values that a person reads in it."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars._readers.presets import PRESETS


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


TRADES: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    "binance spot aggTrades": (
        "BTCUSDT-aggTrades-2025-01-01.csv",
        (
            "3358532,93576.01,0.00021,4359,4360,1735689600003500,True,True\n"
            "3358533,93576.00,0.5,4361,4361,1735689600003501,False,True\n"
        ),
        [
            ("BTCUSDT", utc("2025-01-01T00:00:00.003500"), 93576.01, 0.00021, True, 3358532, 4359, 4360),
            ("BTCUSDT", utc("2025-01-01T00:00:00.003501"), 93576.0, 0.5, False, 3358533, 4361, 4361),
        ],
    ),
    "binance spot trades": (
        "ETHBTC-trades-2024-02.csv",
        "431,0.0531,1.25,0.066375,1706745600001,False,True\n",
        [("ETHBTC", utc("2024-02-01T00:00:00.001"), 0.0531, 1.25, False, 431)],
    ),
    "binance um aggTrades": (
        "1000SHIBUSDT-aggTrades-2024-02-01.csv",
        (
            "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
            "1,0.009,1500,7,8,1706745600001,true\n"
        ),
        [("1000SHIBUSDT", utc("2024-02-01T00:00:00.001"), 0.009, 1500.0, True, 1, 7, 8)],
    ),
    "binance um trades": (
        "BTCUSDT_240329-trades-2024-02-01.csv",
        "id,price,qty,quote_qty,time,is_buyer_maker\n9,43000.1,0.002,86.0002,1706745600001,false\n",
        [("BTCUSDT_240329", utc("2024-02-01T00:00:00.001"), 43000.1, 0.002, False, 9)],
    ),
    "binance cm aggTrades": (
        "BTCUSD_PERP-aggTrades-2024-02-01.csv",
        "5,43000.1,10,6,6,1706745600001,true\n",
        [("BTCUSD_PERP", utc("2024-02-01T00:00:00.001"), 43000.1, 10.0, True, 5, 6, 6)],
    ),
    "binance cm trades": (
        "BTCUSD_PERP-trades-2024-02-01.csv",
        "id,price,qty,base_qty,time,is_buyer_maker\n9,43000.1,2,0.0046,1706745600001,true\n",
        [("BTCUSD_PERP", utc("2024-02-01T00:00:00.001"), 43000.1, 2.0, True, 9)],
    ),
    "tardis": (
        "binance-futures_trades_2020-02-01_BTCUSDT.csv",
        (
            "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
            "bitmex,XBTUSD,1580515200001000,1580515200042000,a-b,sell,9350.5,100\n"
            "bitmex,XBTUSD,1580515200001001,1580515200042000,a-c,unknown,9351,1\n"
        ),
        [
            ("XBTUSD", utc("2020-02-01T00:00:00.001"), 9350.5, 100.0, True),
            ("XBTUSD", utc("2020-02-01T00:00:00.001001"), 9351.0, 1.0, None),
        ],
    ),
    "databento": (
        "glbx-mdp3-20220606.trades.csv",
        (
            "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,ts_in_delta,sequence,symbol\n"
            "1654473600070314216,1654473600070033767,0,1,3403,T,A,0,4108500000000,1,0,18681,157862,ESM2\n"
            "1654473600070314217,1654473600070033768,0,1,3403,C,A,0,9223372036854775807,1,0,18681,157863,ESM2\n"
            "1654473600090544076,1654473600089830441,0,1,3403,T,N,0,4108250000000,2,0,18676,157930,ESM2\n"
        ),
        [("ESM2", 1654473600070033767, 4108.5, 1.0, True), ("ESM2", 1654473600089830441, 4108.25, 2.0, None)],
    ),
    "kraken": (
        "XBTUSD.csv",
        "1381095255,122.00000,0.10000000\n1381179030,123.61000,0.5\n",
        [
            ("XBTUSD", utc("2013-10-06T21:34:15"), 122.0, 0.1, None),
            ("XBTUSD", utc("2013-10-07T20:50:30"), 123.61, 0.5, None),
        ],
    ),
    "bybit": (
        "BTCUSDT2020-03-25.csv",
        (
            "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional\n"
            "1585180700.0647,BTCUSDT,Buy,0.042,6698.5,PlusTick,b98a,28133700000.0,0.042,281.337\n"
            "1585180712.4,BTCUSDT,Sell,0.1,6698,MinusTick,b98b,1,0.1,669.8\n"
        ),
        [
            ("BTCUSDT", utc("2020-03-25T23:58:20.064700"), 6698.5, 0.042, False),
            ("BTCUSDT", utc("2020-03-25T23:58:32.400"), 6698.0, 0.1, True),
        ],
    ),
    "bybit spot": (
        "BTCUSDT_2023-01-01.csv",
        "id,timestamp,price,volume,side,rpi\n1,1672531201234,16541.8,0.01,sell,0\n2,1672531201235,16541.9,0.02,buy,0\n",
        [
            ("BTCUSDT", utc("2023-01-01T00:00:01.234"), 16541.8, 0.01, True),
            ("BTCUSDT", utc("2023-01-01T00:00:01.235"), 16541.9, 0.02, False),
        ],
    ),
    "okx": (
        "BTC-USDT-SWAP-trades-2023-05-01.csv",
        (
            "trade_id/\u64ae\u5408id,side/\u4ea4\u6613\u65b9\u5411,size/\u6570\u91cf,price/\u4ef7\u683c,created_time/\u6210\u4ea4\u65f6\u95f4\n"
            "77,SELL,10.0,28500.1,1682870400123\n78,buy,2,28500.2,1682870400124\n"
        ),
        [
            ("BTC-USDT-SWAP", utc("2023-04-30T16:00:00.123"), 28500.1, 10.0, True, 77),
            ("BTC-USDT-SWAP", utc("2023-04-30T16:00:00.124"), 28500.2, 2.0, False, 78),
        ],
    ),
    "lean equity": (
        "20131007_spy_tick_trade.csv",
        "14400464,1674100,100,P,20002000,0\n",
        [("SPY", utc("2013-10-07T08:00:00.464"), 167.41, 100.0, None)],
    ),
    "lean crypto": (
        "20181007_btcusd_tick_trade.csv",
        "1,6600.12345678,0.5,0\n",
        [("BTCUSD", utc("2018-10-07T00:00:00.001"), 6600.12345678, 0.5, None)],
    ),
    "lobster": (
        "AAPL_2012-06-21_34200000_57600000_message_10.csv",
        (
            "34200.004241,1,16113575,18,5853300,1\n34200.025552,4,16120456,18,5859400,1\n"
            "34200.2,5,0,7,5859500,-1\n34201,7,0,0,-1,-1\n"
        ),
        [
            ("AAPL", utc("2012-06-21T13:30:00.025552"), 585.94, 18.0, True),
            ("AAPL", utc("2012-06-21T13:30:00.2"), 585.95, 7.0, False),
        ],
    ),
    "seconds": (
        "binance_BTCUSDT_trades_2020_11_16.csv",
        "1605499846,15993.5,0.026472,ANY\n1605499847,15994,1,BUY\n",
        [
            ("BTCUSDT", utc("2020-11-16T04:10:46"), 15993.5, 0.026472, None),
            ("BTCUSDT", utc("2020-11-16T04:10:47"), 15994.0, 1.0, False),
        ],
    ),
}
QUOTES: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    "exness": (
        "Exness_EURUSD_Raw_Spread_2024_01.csv",
        (
            '"Exness","Symbol","Timestamp","Bid","Ask"\n"exness","EURUSD","2024-01-01 22:05:16.607Z",1.10427,1.10432\n'
            '"exness","EURUSD","2024-01-01 22:05:17",1.10427,1.10430\n'
        ),
        [
            ("EURUSD", utc("2024-01-01T22:05:16.607"), 1.104295, 1.10427, 1.10432),
            ("EURUSD", utc("2024-01-01T22:05:17"), 1.104285, 1.10427, 1.1043),
        ],
    ),
    "dukascopy": (
        "EURUSD_Ticks_02.01.2024-02.01.2024.csv",
        "Gmt time,Ask,Bid,AskVolume,BidVolume\n02.01.2024 00:00:00.123,1.10432,1.10427,0.9,1.5\n",
        [("EURUSD", utc("2024-01-02T00:00:00.123"), 1.104295, 1.10427, 1.10432, 1.5, 0.9)],
    ),
    "dukascopy node": (
        "eurusd-tick-2019-02-04-2019-02-05.csv",
        "timestamp,askPrice,bidPrice,askVolume,bidVolume\n1549238400994,1.14545,1.14543,1,2.06\n",
        [("EURUSD", utc("2019-02-04T00:00:00.994"), 1.14544, 1.14543, 1.14545, 2.06, 1.0)],
    ),
    "lean forex": (
        "20140508_eurusd_tick_quote.csv",
        "17007,1.39147,1.39148\n",
        [("EURUSD", utc("2014-05-08T00:00:17.007"), 1.391475, 1.39147, 1.39148)],
    ),
    "lean equity quotes": (
        "20131007_ibm_tick_quote.csv",
        "14400054,1836200,300,1836300,100,Q,00000001,0\n",
        [("IBM", utc("2013-10-07T08:00:00.054"), 183.625, 183.62, 183.63, 300.0, 100.0)],
    ),
    "tardis quotes": (
        "deribit_quotes_2019-07-01_OPTIONS.csv",
        (
            "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
            "deribit,BTC-PERPETUAL,1561939200001000,1561939200044000,0.5,10800.5,10800,2\n"
        ),
        [("BTC-PERPETUAL", utc("2019-07-01T00:00:00.001"), 10800.25, 10800.0, 10800.5, 2.0, 0.5)],
    ),
}


def values(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Rows, with nanoseconds as a number."""
    if frame.schema["timestamp"] == pl.Datetime("ns", "UTC"):
        frame = frame.with_columns(pl.col("timestamp").to_physical())
    return frame.rows()


def test_every_preset_has_a_file_here() -> None:
    assert {*TRADES, *QUOTES} == set(PRESETS) == set(rb.Preset.names())


@pytest.mark.parametrize("name", TRADES)
@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
def test_trades_of_a_vendor(name: str, crlf: bool, tmp_path: Path) -> None:
    file, text, rows = TRADES[name]
    (tmp_path / file).write_text(text.replace("\n", "\r\n") if crlf else text, encoding="utf-8", newline="")
    assert values(rb.scan_trades(tmp_path, preset=name).collect()) == rows
    exact = rb.scan_trades(tmp_path, preset=name, decimal=True).collect()
    assert exact["price"].to_list() == [Decimal(str(row[2])) for row in rows]


@pytest.mark.parametrize("name", QUOTES)
def test_quotes_of_a_vendor(name: str, tmp_path: Path) -> None:
    file, text, rows = QUOTES[name]
    (tmp_path / file).write_text(text)
    frame = rb.scan_quotes(tmp_path, preset=name).collect()
    assert frame["quantity"].to_list() == [0.0] * len(rows)
    assert frame["is_buyer_maker"].to_list() == [None] * len(rows)
    assert frame.drop("quantity", "is_buyer_maker").rows() == rows


def test_days_of_bybit_each_count_from_one(tmp_path: Path) -> None:
    for day in (1, 2):
        text = f"id,timestamp,price,volume,side\n1,167{day}531201234,16541.8,0.01,sell\n"
        (tmp_path / f"BTCUSDT_2023-01-0{day}.csv").write_text(text)
    assert rb.scan_trades(tmp_path, preset="bybit spot").collect().height == 2


def test_okx_with_a_header_in_another_encoding(tmp_path: Path) -> None:
    file, text, rows = TRADES["okx"]
    (tmp_path / file).write_bytes(text.encode("gbk"))
    assert rb.scan_trades(tmp_path, preset="okx").collect().rows() == rows


def test_okx_with_a_column_of_symbols(tmp_path: Path) -> None:
    text = "instrument_name,trade_id,side,price,size,created_time\nETH-USDT,7,buy,2000.5,1,1735689600123\n"
    (tmp_path / "ETH-USDT-trades-2025-01-01.csv").write_text(text)
    row = ("ETH-USDT", utc("2025-01-01T00:00:00.123"), 2000.5, 1.0, False, 7)
    assert rb.scan_trades(tmp_path, preset="okx").collect().rows() == [row]


def test_dukascopy_in_local_time_is_no_utc(tmp_path: Path) -> None:
    """The page of Dukascopy exports the clock of one's choice, and names it in the header."""
    (tmp_path / "EURUSD_Ticks_2024.csv").write_text("Time (EET),Bid,Ask\n02.01.2024 00:00:00.123,1.1,1.2\n")
    with pytest.raises(rb.RangeBarError, match=r"has no column `gmt time` or `time \(utc\)`"):
        rb.scan_quotes(tmp_path, preset="dukascopy").collect()
    frame = rb.scan_quotes(tmp_path, preset="dukascopy", columns={"timestamp": "time (eet)"}, time_zone="EET").collect()
    assert frame["timestamp"].to_list() == [utc("2024-01-01T22:00:00.123")]


def test_an_archive_of_lean_has_its_symbol_in_the_name_of_the_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "20131007_trade.zip", "w") as archive:
        archive.writestr("20131007_spy_Trade_Tick.csv", TRADES["lean equity"][1])
    frame = rb.scan_trades(tmp_path, preset="lean equity").collect()
    assert frame.rows() == TRADES["lean equity"][2]


def test_a_zero_of_lean_is_no_bid(tmp_path: Path) -> None:
    (tmp_path / "20131007_ibm_tick_quote.csv").write_text("14400054,0,0,1836300,100,Q,0,0\n")
    with pytest.raises(rb.RangeBarError, match="the quote has no bid or no ask"):
        rb.scan_quotes(tmp_path, preset="lean equity quotes").collect()


def test_lobster_with_nanoseconds(tmp_path: Path) -> None:
    (tmp_path / TRADES["lobster"][0]).write_text("34200.017459617,4,16113575,18,5853300,1\n")
    with pytest.raises(rb.RangeBarError, match=r'has more digits than microseconds hold: give `time_unit="ns"`'):
        rb.scan_trades(tmp_path, preset="lobster", on_bad_rows="drop").collect()
    frame = rb.scan_trades(tmp_path, preset="lobster", time_unit="ns").collect()
    assert frame["timestamp"].to_physical().to_list() == [1340285400_017459617]


# ------------------------------------------------------------------------------------- the value

OURS: dict[str, Any] = {"name": "ours", "columns": {"timestamp": "t", "price": "p", "quantity": "q"}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "`name` must be a text, got ''"),
        ({"columns": {}}, "`columns` must map what a column is to its name, got {}"),
        ({"columns": ["t"]}, "`columns` must map"),
        ({"columns": {"time": "t"}}, "`columns` has 'time', which is nothing that a column can be: one of `symbol`"),
        ({"columns": {"price": True}}, "`columns` must give `price` a name or a number from 0, got True"),
        ({"columns": {"price": -1}}, "`columns` must give `price` a name or a number from 0, got -1"),
        ({"columns": {"price": ()}}, "`columns` must give `price`"),
        ({"columns": {"price": ["p"]}}, "`columns` must give `price`"),
        ({"columns": {"price": " "}}, "`columns` must give `price`"),
        ({"columns": {"price": None}}, "`columns` must give `price`"),
        ({"header": ["a"]}, "`header` must be a tuple of texts, got ['a']"),
        ({"header": ("a", 1)}, "`header` must be a tuple of texts"),
        ({"clock": "local"}, '`clock` must be "epoch", "midnight", "text", got \'local\''),
        ({"time_unit": "min"}, '`time_unit` must be "s", "ms", "us", "ns" or None, got \'min\''),
        ({"clock": "midnight"}, "times since midnight need their unit: give `time_unit`"),
        ({"clock": "text", "time_unit": "ms"}, "times as texts have no unit: leave `time_unit` out"),
        ({"time_zone": "Mars/Olympus"}, "`time_zone` must be a name such as \"America/New_York\", got 'Mars/Olympus'"),
        ({"time_zone": 5}, "`time_zone` must be a name"),
        ({"time_format": "%H"}, "`time_format` is for times as texts, but `clock` is 'epoch': give `clock=\"text\"`"),
        ({"clock": "text", "time_format": "iso"}, "`time_format` must be a text such as"),
        ({"clock": "text", "time_format": "%F %T%z"}, "`time_format` must not have an offset, got '%F %T%z'"),
        ({"sells": "sell"}, "`sells` must be a tuple of texts, got 'sell'"),
        ({"buys": ("",)}, "`buys` must be a tuple of texts, got ('',)"),
        ({"no_side": ("ANY",)}, "`no_side` must be in lower case, because letter case does not matter, got `ANY`"),
        ({"sells": ("s",), "buys": ("s",)}, "a word of the side has two meanings: `s`"),
        ({"no_side": ("sell",)}, "a word of the side has two meanings: `sell`"),
        ({"price_decimals_in_file": -1}, "`price_decimals_in_file` must be an integer from 0 to 18, got -1"),
        ({"price_decimals_in_file": True}, "`price_decimals_in_file` must be an integer"),
        ({"price_decimals_in_file": 19}, "`price_decimals_in_file` must be an integer"),
        ({"delimiter": ", "}, "`delimiter` must be one ASCII letter, and no quote or end of a line, got ', '"),
        ({"delimiter": '"'}, "`delimiter` must be one ASCII letter"),
        ({"delimiter": "\n"}, "`delimiter` must be one ASCII letter"),
        ({"delimiter": "\u00a7"}, "`delimiter` must be one ASCII letter"),
        ({"only": "T"}, "`only` must be a column and a tuple of words, as in ('action', ('T',)), got 'T'"),
        ({"only": ("action", "T")}, "`only` must be a column and a tuple of words"),
        ({"only": ("action", ())}, "`only` must be a column and a tuple of words"),
        ({"file_name": "("}, "`file_name` must be a regular expression, got '('"),
        ({"file_name": 5}, "`file_name` must be a regular expression, got 5"),
        ({"file_name": "(?P<day>x)"}, "`file_name` may have the groups `symbol` and `date`, got `day`"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(rb.RangeBarError) as error:
        rb.Preset(**{**OURS, **wrong})
    assert message in str(error.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        rb.RangeBarError, match=r"there is no preset 'krakn': there are `binance cm aggTrades`, .*`kraken`"
    ):
        rb.Preset.named("krakn")
    with pytest.raises(rb.RangeBarError, match=r"there is no preset \['kraken'\]"):
        rb.Preset.named(["kraken"])


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_a_value(name: str) -> None:
    preset = rb.Preset.named(name)
    for same in (pickle.loads(pickle.dumps(preset)), copy.deepcopy(preset), preset.but(), _read(repr(preset))):
        assert same == preset
        assert hash(same) == hash(preset)
        assert same is not preset
    assert preset.but(name="other") != preset
    assert preset.name == name


def _read(text: str) -> Any:
    return eval(text, {"Preset": rb.Preset})


def test_nobody_can_change_a_preset() -> None:
    columns: dict[str, Any] = {**OURS["columns"]}
    preset = rb.Preset(name="ours", columns=columns)
    columns["price"] = "other"
    assert preset.columns["price"] == "p"
    with pytest.raises(TypeError):
        preset.columns["price"] = "other"  # type: ignore[index]


def test_a_change_is_checked_too() -> None:
    with pytest.raises(rb.RangeBarError, match="a preset has no `colums`: it has `name`, `columns`, `header`"):
        rb.Preset.named("kraken").but(colums={})
    with pytest.raises(rb.RangeBarError, match="`time_unit` must be"):
        rb.Preset.named("kraken").but(time_unit="sec")
