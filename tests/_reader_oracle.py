"""
A slow, obvious reader of vendors' texts, with the standard library only: each row by itself, and why it is left out.

It takes from a preset what files look like, and nothing else from the library.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import rangebar_polars as rb

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
ISO = re.compile(r"((?:19|2[01])\d\d)-(\d\d)-(\d\d)[T ](\d\d):(\d\d):([0-5]\d)(?:\.(\d{1,9}))?(Z?)", re.ASCII)
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
PRICES = ("price", "bid", "ask")
SIZES = ("quantity", "bid_size", "ask_size")
IDS = ("agg_trade_id", "first_trade_id", "last_trade_id")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
EXACTLY = Context(prec=5_000)


class UnreadableError(Exception):
    """The file as a whole cannot be read."""


@dataclass
class Row:
    """A row: its values, or why it has none."""

    line: int
    text: str
    reason: str | None = None
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class Told:
    """What is read, and what is told about the rest."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    first: Row | None = None
    """The first row that is not as it should be."""

    def count(self, reason: str, action: str, row: Row) -> None:
        self.faults.setdefault((reason, action), [0, row.line, row.text])[0] += 1


@dataclass
class Oracle:
    """Reads texts of one preset."""

    preset: rb.Preset
    price_decimals: int = 8
    decimal: bool = False
    clock: str = "us"
    symbol: str | None = None
    date: dt.date | None = None
    first_lines: int = 64
    """Lines that tell what a file is."""

    # ------------------------------------------------------------------------------- lines

    def read(self, data: bytes) -> list[Row]:
        """All rows of a text."""
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
        lines = [(n, line.removesuffix("\r")) for n, line in enumerate(text.split("\n"), 1)]
        lines = [(n, line) for n, line in lines if line.strip()]
        if not lines:
            raise UnreadableError
        self._columns(lines)
        rows = [self._row(n, line) for n, line in lines]
        if self.header is not None:
            rows = rows[1:]
        return rows

    def _fields(self, line: str) -> list[str]:
        fields = line.split(self.preset.delimiter)
        if '"' in line:
            with suppress(csv.Error):
                fields = next(csv.reader([line], delimiter=self.preset.delimiter), fields)
        return [each.strip(' \t\r"') for each in fields]

    def _columns(self, lines: Sequence[tuple[int, str]]) -> None:
        """Which column is what, how many there are, and the unit of times."""
        rows = [self._fields(line) for number, line in lines if number <= self.first_lines][:64]
        names = [name.partition("/")[0].strip().casefold() for name in rows[0]]
        known = [name.casefold() for name in self.preset.header or ()]
        aliases = {f: self.preset.aliases(f) for f in self.preset.columns}
        required = ("timestamp", "bid", "ask") if "bid" in aliases else ("timestamp", "price", "quantity")
        by_name = {f: [n for n, name in enumerate(names) if name in map(str, aliases[f])] for f in aliases}
        self.header = None
        if any(by_name[f] for f in required) and not any(_is_float(name) for name in names):
            self.header, self.width = lines[0][1], len(names)
            if not all(by_name[f] for f in required):
                raise UnreadableError
            self.at = {f: n[0] for f, n in by_name.items() if n}
            only = names
        else:
            self.width = Counter(map(len, rows)).most_common(1)[0][0]
            numbers = {f: a[0] if isinstance(a[0], int) else _index(known, a) for f, a in aliases.items()}
            self.at = {f: n for f, n in numbers.items() if n is not None and n < self.width}
            if not all(f in self.at for f in required) or (known and self.width > len(known)):
                raise UnreadableError
            if not any(_is_float(name) for name in names):
                raise UnreadableError
            only = known
        self.only = None if self.preset.only is None else only.index(self.preset.only[0])
        self.headers = {_plain(self.preset.delimiter.join(known)), _plain(self.header or "")} - {""}
        self.unit: str | None = self.preset.time_unit
        if self.preset.clock == "epoch":
            rows = rows if self.header is None else rows[1:]
            whole = [row for row in rows if len(row) == self.width] or rows[:1]
            times = [row[self.at["timestamp"]] for row in whole if len(row) > self.at["timestamp"]]
            found = [unit for time in times if (unit := _digits_unit(time))]
            if (not found and self.unit is None) or (found and self.unit not in (None, found[0])):
                raise UnreadableError
            self.unit = found[0] if found else self.unit

    # ------------------------------------------------------------------------------- rows

    def _row(self, number: int, line: str) -> Row:
        row = Row(number, line)
        row.reason = self._reason(row)
        return row

    def _reason(self, row: Row) -> str | None:  # noqa: C901, PLR0911, PLR0912  (one step for each reason)
        if _plain(row.text) in self.headers:
            return "header"
        fields = self._fields(row.text)
        only = None if self.only is None or self.only >= len(fields) else fields[self.only]
        if only and self.preset.only is not None and only not in self.preset.only[1]:
            return "not_a_trade"
        if len(fields) != self.width or "\ufffd" in row.text:
            return "unparsable"
        if self.only is not None and not only:
            return "unparsable"
        texts = {name: fields[n] for name, n in self.at.items()}
        if not texts["timestamp"]:
            return "unparsable"
        quotes = "bid" in self.at
        values: dict[str, Any] = {}
        for name, text in texts.items():
            if name == "timestamp":
                if self.preset.clock != "text" and not self._is_time_number(text):
                    values[name] = None
                continue
            optional = name in (*IDS, "is_buyer_maker") or (quotes and name in (*PRICES, *SIZES))
            if not text and optional:
                values[name] = None
                continue
            values[name] = self._value(name, text)
            if values[name] is None:
                return "unparsable"
        if "is_buyer_maker" in values:
            word = texts["is_buyer_maker"].lower()
            if word not in (*self.preset.sells, *self.preset.buys, *self.preset.no_side, ""):
                return "unparsable"
            values["is_buyer_maker"] = None if word in (*self.preset.no_side, "") else word in self.preset.sells
        if self.preset.clock == "epoch" and self._is_other_unit(texts["timestamp"]):
            return "time_unit"
        if "timestamp" in values:
            return "unparsable"
        time = self._time(texts["timestamp"])
        if isinstance(time, str):
            return time
        values["timestamp"] = time
        row.values = values
        return self._rule(texts, values)

    def _rule(self, texts: dict[str, str], values: dict[str, Any]) -> str | None:  # noqa: C901  (one step each)
        for name in (*PRICES, *SIZES):
            most = 18 if self._decimals(name) <= 12 else 28  # digits that are read at all
            if self.decimal and values.get(name) is not None and _decimals_of(values[name]) > most:
                return "decimals"
        if "price" in values and values["price"] == 0 and values["quantity"] == 0:
            return "ghost"
        for name in (*PRICES, *SIZES):
            if values.get(name) is not None:
                low = values[name] <= 0 if name == "price" else values[name] < 0
                if low:
                    return "non_positive"
        for name in (*PRICES, *SIZES):
            if values.get(name) is not None and not self._is_exact(name, texts[name], values[name]):
                return "decimals"
        for side in ("bid", "ask"):
            if side in values and values[side] == 0:
                values[side] = None
        for name in (*self.preset.columns, "is_buyer_maker"):
            values.setdefault(name, None)
        if "symbol" not in self.at:
            values["symbol"] = self.symbol
        return None

    def _decimals(self, name: str) -> int:
        return self.price_decimals if name in PRICES else 8

    def _scale(self, name: str) -> int:
        return self.preset.price_decimals_in_file if name in PRICES else 0

    def _value(self, name: str, text: str) -> Any:  # noqa: PLR0911
        if name in ("symbol", "is_buyer_maker"):
            return text or None if name == "symbol" else text
        if name in IDS:
            return _integer(text)
        if self._scale(name):
            whole = _integer(text)
            if whole is None:
                return None
            return Decimal(whole).scaleb(-self._scale(name)) if self.decimal else whole / 10 ** self._scale(name)
        if not NUMBER.fullmatch(text):
            return None
        if not self.decimal:
            number = float(text)
            return None if number in (float("inf"), float("-inf")) else number
        exact = Decimal(text)
        scale = 18 if self._decimals(name) <= 12 else 28
        return exact if exact.adjusted() < 38 - scale or exact == 0 else None

    def _is_exact(self, name: str, text: str, value: Any) -> bool:
        decimals = self._decimals(name)
        if self.decimal:
            return _decimals_of(value) <= decimals
        if self._scale(name) and abs(int(text)) >= 1 << 53:
            return False
        if value < 1 << 53 and value == int(value):
            return True
        numerator, denominator = value.as_integer_ratio()
        for each in range(decimals + 1):
            nearest = numerator * 10**each // denominator
            if any(n < 1 << 52 and n / 10**each == value for n in (nearest, nearest + 1)):
                return True
        return False

    # ------------------------------------------------------------------------------- times

    def _is_time_number(self, text: str) -> bool:
        if self.unit == "s":
            return bool(NUMBER.fullmatch(text)) and (Decimal(text) == 0 or Decimal(text).adjusted() < 20)
        return _integer(text) is not None

    def _is_other_unit(self, text: str) -> bool:
        if not NUMBER.fullmatch(text):
            return False
        return any(10**8 * per <= float(text) < 10**11 * per for unit, per in UNITS.items() if unit != self.unit)

    def _time(self, text: str) -> int | str:
        """Ticks since 1970, or a reason."""
        per = 10**9 if self.clock == "ns" else 10**6
        if self.preset.clock == "text":
            nanoseconds = self._text_time(text)
            if nanoseconds is None:
                return "unparsable"
            return "time_unit" if nanoseconds * per % 10**9 else nanoseconds * per // 10**9
        of = UNITS[self.unit or "us"]
        low, high = (10**8, 2**63 // 10**9) if self.preset.clock == "epoch" else (0, 2 * 86_400)
        seconds = EXACTLY.divide(Decimal(text), of)
        if not low <= seconds < high:
            return "unparsable"
        ticks = EXACTLY.multiply(seconds, per)
        local = self._localised(int(ticks)) if self.preset.clock == "midnight" else int(ticks)
        if local is None:
            return "unparsable"
        if ticks != int(ticks):
            return "unparsable" if self.clock == "ns" else "time_unit"
        return local

    def _localised(self, ticks: int) -> int | None:
        """Ticks since local midnight as ticks since 1970."""
        assert self.date is not None
        per = 10**9 if self.clock == "ns" else 10**6
        seconds, rest = divmod(ticks, per)
        local = dt.datetime.combine(self.date, dt.time()) + dt.timedelta(seconds=seconds)
        utc = _in_utc(local, self.preset.time_zone or "UTC")
        return None if utc is None else utc * per + rest

    def _text_time(self, text: str) -> int | None:
        match = ISO.fullmatch(text.strip())
        if match is None or self.preset.time_format is not None:
            return None if self.preset.time_format is None else self._formatted(text)
        *numbers, fraction, z = match.groups()
        try:
            local = dt.datetime(*map(int, numbers))  # noqa: DTZ001  (local time)
        except ValueError:
            return None
        utc = _in_utc(local, "UTC" if z else self.preset.time_zone or "UTC")
        return None if utc is None else utc * 10**9 + int((fraction or "0").ljust(9, "0"))

    def _formatted(self, text: str) -> int | None:
        """The format of Dukascopy, with the latitude of Polars: blanks before numbers, fewer digits, a 60th second."""
        pattern = r"\s*(\d{1,2})\.\s*(\d{1,2})\.\s*(\d{1,4})\s*(\d{1,2}):\s*(\d{1,2}):\s*(\d{1,2})(\.\d{1,9})?"
        match = re.fullmatch(pattern, text, re.ASCII)
        if match is None:
            return None
        *numbers, fraction = match.groups()
        day, month, year, hour, minute, second = map(int, numbers)
        is_leap = second == 60
        plain = f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second - is_leap:02}{fraction or ''}"
        read = Oracle(self.preset.but(time_format=None))._text_time(plain)  # noqa: SLF001
        return None if read is None else read + is_leap * 10**9

    # ------------------------------------------------------------------------------- order

    def told(self, files: Iterable[list[Row]], *, on_unsorted: str) -> Told:
        """What is read of the rows of some files if bad rows are left out; stops at the first that cannot be."""
        told = Told()
        read: dict[Any, tuple[dict[str, Any], int | None, int]] = {}
        for rows in files:
            for row in rows:
                reason = row.reason or self.place(row, read)
                if reason not in (None, "header", "not_a_trade") and told.first is None:
                    told.first = Row(row.line, row.text, reason)
                if reason == "time_unit" or (reason == "backwards" and on_unsorted == "raise"):
                    raise BadRowError(Row(row.line, row.text, reason))
                if reason is None:
                    told.rows.append(row.values)
                else:
                    told.count(reason, "dropped", row)
        return told

    def place(self, row: Row, read: dict[Any, tuple[dict[str, Any], int | None, int]]) -> str | None:
        """What is wrong with the place of a row, which is then the last one that was read."""
        new = row.values
        symbol, number, time = new["symbol"], new.get("agg_trade_id"), new["timestamp"]
        if symbol not in read:
            read[symbol] = (new, number, time)
            return None
        last, highest, latest = read[symbol]
        ids = [each for each in (highest, number) if each is not None]
        read[symbol] = (new, max(ids, default=None), max(latest, time))
        if number is not None and number == last.get("agg_trade_id"):
            return "duplicate" if new == last else "conflicting_id"
        if time < latest or (number is not None and highest is not None and number <= highest):
            return "backwards"
        return None


class BadRowError(Exception):
    """A row that is an error whatever is done with bad rows."""

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.row = row


def _plain(text: str) -> str:
    return re.sub('["\ufeff]', "", text).strip().lower()


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _index(names: Sequence[str], aliases: Sequence[Any]) -> int | None:
    return next((names.index(alias) for alias in aliases if alias in names), None)


def _integer(text: str) -> int | None:
    if not INTEGER.fullmatch(text):
        return None
    return int(text) if -(1 << 63) <= int(text) < 1 << 63 else None


def _digits_unit(text: str) -> str | None:
    whole = text.partition(".")[0]
    if not whole.isdecimal():
        return None
    return next((unit for unit, per in UNITS.items() if 10**8 * per <= int(whole) < 10**11 * per), None)


def _decimals_of(number: Decimal) -> int:
    exponent = number.normalize(EXACTLY).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def _in_utc(local: dt.datetime, zone: str) -> int | None:
    """Seconds since 1970 of a local time: the first of two, None if clocks skip it."""
    aware = local.replace(tzinfo=ZoneInfo(zone), fold=0)
    utc = aware.astimezone(dt.UTC)
    if utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local:
        return None
    return (utc - EPOCH) // dt.timedelta(seconds=1)
