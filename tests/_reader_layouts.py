"""Files as vendors write them, row by row, and what can happen to a row on its way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars._readers import scan as readers
from rangebar_polars._readers.blocks import Block
from rangebar_polars._readers.parse import Parser
from tests._reader_oracle import Oracle, Told

START = 1_704_067_200
"""2024-01-01 in UTC."""


@dataclass(frozen=True)
class Layout:
    """The files of one preset."""

    preset: str
    file: str
    header: str | None
    row: Callable[[int, int], str]
    """The row of a number, of which one may be chosen: 0 to 9."""
    side: int | None = None
    time: int = 0
    symbol: str | None = None
    date: dt.date | None = None
    is_quotes: bool = False


def _price(n: int, k: int) -> str:
    return f"{42_000 + n % 50}.{k:02}"


def _text_time(n: int, k: int) -> str:
    return f"2024-01-02 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}.{k}{k}"


LAYOUTS = (
    Layout(
        "binance spot aggTrades",
        "BTCUSDT-aggTrades-2024-01-01.csv",
        None,
        lambda n, k: f"{7 + n},{_price(n, k)},0.{k}1,{9 + n},{9 + n},{START + n}00{k},{k % 2 == 0},True",
        side=6,
        time=5,
        symbol="BTCUSDT",
    ),
    Layout(
        "binance um aggTrades",
        "BTCUSDT-aggTrades-2024-01.csv",
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
        lambda n, k: f"{7 + n},{_price(n, k)},{k},{9 + n},{9 + n},{START + n}00{k}000,{str(k % 2 == 0).lower()}",
        side=6,
        time=5,
        symbol="BTCUSDT",
    ),
    Layout(
        "tardis",
        "binance_trades_2024-01-01_X.csv",
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
        lambda n, k: f"binance,{'ABC'[k % 3]},{START + n}00000{k},1,{n},{('buy', 'sell', 'unknown')[k % 3]},1.{k},{k}",
        side=5,
        time=2,
    ),
    Layout(
        "kraken",
        "XBTUSD.csv",
        None,
        lambda n, k: f"{START + n}{'.5' * (k % 2)},{_price(n, k)},0.{k}",
        symbol="XBTUSD",
    ),
    Layout(
        "lobster",
        "AAPL_2012-06-21_34200000_57600000_message_10.csv",
        None,
        lambda n, k: f"{34_200 + n}.01745{k},{(1, 4, 5)[k % 3]},{n},18,{5_853_300 + k},{1 - 2 * (k % 2)}",
        side=5,
        symbol="AAPL",
        date=dt.date(2012, 6, 21),
    ),
    Layout(
        "lean equity",
        "20131104_spy_tick_trade.csv",
        None,
        lambda n, k: f"{14_400_000 + n},{1_674_100 + k},{100 * k},P,20002000,0",
        symbol="SPY",
        date=dt.date(2013, 11, 4),
    ),
    Layout(
        "exness",
        "Exness_EURUSD_2024_01.csv",
        '"Exness","Symbol","Timestamp","Bid","Ask"',
        lambda n, k: f'"exness","EURUSD","{_text_time(n, k)}Z",1.1042{k},1.1043{k}',
        time=2,
        is_quotes=True,
    ),
    Layout(
        "dukascopy",
        "EURUSD_Ticks_2024.csv",
        "Gmt time,Bid,Ask,BidVolume,AskVolume",
        lambda n, k: f"02.01.2024 {_text_time(n, k)[11:]},1.1042{k},1.1043{k},{k}.5,0.75",
        symbol="EURUSD",
        is_quotes=True,
    ),
    Layout(
        "lean equity quotes",
        "20131104_ibm_tick_quote.csv",
        None,
        lambda n, k: (
            f"{14_400_000 + n},{'' if k == 3 else 1_836_300},{k},{'' if k == 4 else 1_836_400},{100 * k},Q,00000001,0"
        ),
        symbol="IBM",
        date=dt.date(2013, 11, 4),
        is_quotes=True,
    ),
)

NUMBERS = (
    *("1.2300000000000", "0.123456789", "1e-9", "1E5", "+1", "-0.0", ".5", "5.", ".", "nan", "inf", "-inf", "1e400"),
    *("9007199254740993", "1234567890123456", "12345678.12345678", "70000000.00000001", "1000000000000000", "0", "-1"),
    *(
        "0.1000000000000000055511151231257827",
        "1.0000000000000000004",
        "1e-30",
        "1_0",
        "0x1",
        "1,5",
        "123456789.1",
        "-1",
    ),
    *(
        "99999999999999999999999",
        "1e22",
        "1 2",
        "\u0661",
        "1704067200",
        "1704067200000",
        "1704067200.1234567",
        "true",
        "1",
    ),
)
WORDS = ("True", "true", "TRUE", "tRue", "false", "1", "0", "buy", "Sell", "SELL", "any", "unknown", "x", "", "-1", "b")
TIMES = (
    *("2024-01-02T00:00:01Z", "2024-01-02 00:00:01", "2024-01-02 00:00:01.123456", "2024-01-02 00:00:01.1234567"),
    *("2024-01-02 00:00:01.1234567891", "2024-01-02 00:00:01+02:00", "2024-01-02 00:00:60", "2024-1-2 0:0:1"),
    *("1600-01-01 00:00:00", "2024-02-30 00:00:00", "2024-01-02", "2024-01-02 00:00:01.", "+2024-01-02 00:00:01"),
    *("1704067200123", "1704067200123456", "1704067200123456789", "1704067200", "1.7e12", "99999999999999999999"),
)


@st.composite
def damaged(draw: st.DrawFn, layout: Layout, most_rows: int = 12) -> bytes:
    """A text of a layout in which something is wrong, or nothing."""
    digits = draw(st.lists(st.integers(0, 9), min_size=1, max_size=most_rows))
    lines = [layout.row(n, k) for n, k in enumerate(digits)]
    for _ in range(draw(st.integers(0, 3))):
        number = draw(st.integers(0, len(lines) - 1))
        _damage(draw, layout, lines, number)
    if layout.header is not None:
        lines.insert(0, layout.header)
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = end.join(lines) + draw(st.sampled_from([end, end, ""]))
    data = bytearray(text.encode())
    if draw(st.integers(0, 5)) == 0:
        place = draw(st.integers(len(lines[0]) + 2, max(len(lines[0]) + 2, len(data) - 1)))
        if place < len(data):
            data[place] = draw(st.one_of(st.integers(0x21, 0x7E), st.sampled_from([0xFF, 0x20, 0x22, 0x2C])))
    return draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])) + bytes(data)


def _damage(  # noqa: C901, PLR0912  (one branch for each kind of damage)
    draw: st.DrawFn, layout: Layout, lines: list[str], number: int
) -> None:
    kind = draw(st.integers(0, 13))
    fields = lines[number].split(",")
    at = draw(st.integers(0, len(fields) - 1))
    if kind == 0:
        del fields[at]
    elif kind == 1:
        fields.insert(at, draw(st.sampled_from(NUMBERS)))
    elif kind == 2:
        other = draw(st.integers(0, len(fields) - 1))
        fields[at], fields[other] = fields[other], fields[at]
    elif kind == 3:
        fields[at] = ""
    elif kind == 4:
        fields[at] += draw(st.text("0123456789", min_size=1, max_size=9))
    elif kind in (5, 6):
        fields[at] = draw(st.sampled_from(NUMBERS))
    elif kind == 7:
        fields[at] = draw(st.sampled_from(['"{}"', " {} ", '"{}', '{}"', '""{}""', "\t{}", '"{},"', '{}"x"'])).format(
            fields[at]
        )
    elif kind == 8 and layout.side is not None and layout.side < len(fields):
        fields[layout.side] = draw(st.sampled_from(WORDS))
    elif kind == 9 and layout.time < len(fields):
        fields[layout.time] = draw(st.sampled_from(TIMES))
    elif kind == 10:
        lines.insert(draw(st.integers(0, len(lines))), lines[number])
        return
    elif kind == 11:
        lines.insert(draw(st.integers(0, len(lines))), lines.pop(number))
        return
    elif kind == 12:
        lines.insert(
            number + 1, draw(st.sampled_from([layout.header or "", "", "  ", "\ufeff" + (layout.header or "")]))
        )
        return
    else:
        fields = fields[: max(1, at)]
    lines[number] = ",".join(fields)


def cut(lines: tuple[int, int]) -> Callable[[str, Iterator[bytes]], Iterator[Block]]:
    """Another way to cut a text into blocks: the first one has so many lines, all others so many."""

    def blocks(name: str, chunks: Iterator[bytes]) -> Iterator[Block]:
        del name
        rest, number, most = b"".join(chunks).removeprefix(b"\xef\xbb\xbf"), 1, lines[0]
        while rest.count(b"\n") >= most:
            parts = rest.split(b"\n", most)
            yield Block(b"\n".join(parts[:-1]) + b"\n", number, is_last=False)
            rest, number, most = parts[-1], number + most, lines[1]
        if rest.endswith(b"\n"):
            yield Block(rest, number, is_last=False)
            number += rest.count(b"\n")
            rest = b""
        yield Block(rest, number, is_last=True)

    return blocks


@contextmanager
def cut_into(lines: tuple[int, int], *, is_slow: bool = False) -> Generator[None]:
    """Files are read in such blocks, and if asked for, row by row."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "blocks", cut(lines))
        if is_slow:
            patch.setattr(Parser, "fast", lambda *_: None)
        yield


def scan(layout: Layout, file: Path, **options: Any) -> pl.LazyFrame:
    """The reader of a layout."""
    return (rb.scan_quotes if layout.is_quotes else rb.scan_trades)(file, preset=layout.preset, **options)


def oracle(layout: Layout, **options: Any) -> Oracle:
    """The oracle of a layout."""
    return Oracle(rb.Preset.named(layout.preset), symbol=layout.symbol, date=layout.date, **options)


def physical(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows with times as numbers, and doubles by their bits."""
    times = frame.with_columns(pl.col("timestamp").to_physical())
    return [{name: _bits(value) for name, value in row.items()} for row in times.iter_rows(named=True)]


def _bits(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else value


def expected(told: Told, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of the oracle, in the columns of a frame."""
    return [{name: _bits(row[name]) for name in frame.columns} for row in told.rows]


def faults(report: rb.ReadReport) -> dict[tuple[str, str], list[Any]]:
    """What a report tells, by reason and action."""
    rows = report.frame().drop("file").iter_rows()
    return {(reason, action): [count, line, text] for reason, action, count, line, text in rows}
