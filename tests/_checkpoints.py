"""Streams whose checkpoints are altered: their parameters, the checksum, and whether altered bytes are accepted."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._alone import run as run_alone
from tests._routes import ARGUMENTS, NAMES
from tests._streams import frame_of

PARAMETERS: dict[str, Any] = {
    "threshold_dbps": [250, 1_000],
    "by": ["market", "symbol"],
    "features": ["ofi"],
    "reset": "1w",
    "max_gap": "40h",
    "include_orphans": True,
    "same_timestamp_gate": False,
    "overlap": "skip",
    "missing_side": "null",
    "price_decimals": 10,
    **ARGUMENTS,
}


def sample(groups: int, rows: int = 3) -> pl.DataFrame:
    """Some rows of each group, interleaved, with all optional columns."""
    n = groups * rows
    return frame_of(
        [100.0 + i % 7 / 100 for i in range(n)],
        symbol=[f"S{i % groups:06}" for i in range(n)],
        is_buyer_maker=[i % 3 == 0 for i in range(n)],
        agg_trade_id=list(range(n)),
        first_trade_id=list(range(n)),
        last_trade_id=list(range(n)),
    )


KEYS: dict[str, tuple[pl.DataType, pl.DataType]] = {
    "words": (pl.Enum(["spot", "perp"]), pl.Categorical()),
    "plain": (pl.Int16(), pl.String()),
    "times": (pl.Date(), pl.Datetime("ns", "Europe/Berlin")),
}


def keyed(kind: str, rows: int = 3) -> pl.DataFrame:
    """Two groups of two keys under the names of the parameters; a trade of one has no side."""
    frame = sample(2, rows)
    has_side = pl.int_range(pl.len()) != 2
    market, symbol = KEYS[kind]
    number = pl.col("symbol").str.tail(1).cast(pl.Int64)
    return frame.with_columns(
        pl.lit("spot").cast(market) if isinstance(market, pl.Enum) else pl.lit(1).cast(market),
        is_buyer_maker=pl.when(has_side).then("is_buyer_maker"),
        symbol=pl.col("symbol").cast(symbol) if kind != "times" else number.cast(symbol),
    ).rename({"literal": "market"} | NAMES)


def full(kind: str = "plain") -> rb.BarStream:
    """A stream with every parameter given, two groups and a forming bar for each threshold."""
    stream = rb.BarStream(**PARAMETERS)
    stream.push(keyed(kind))
    assert stream.pending().height == 4
    return stream


REMAINDERS = []
for byte in range(256):
    crc = byte
    for _ in range(8):
        crc = crc >> 1 ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    REMAINDERS.append(crc)


def crc64(data: bytes) -> int:
    """CRC-64/XZ."""
    crc = 2**64 - 1
    for byte in data:
        crc = crc >> 8 ^ REMAINDERS[(crc ^ byte) & 0xFF]
    return crc ^ 2**64 - 1


def repaired(data: bytes) -> bytes:
    """The bytes with the checksum that belongs to them."""
    return data[:-8] + crc64(data[:-8]).to_bytes(8, "little")


ALTERATIONS = st.lists(
    st.tuples(st.floats(0.0, 1.0), st.integers(0, 12), st.binary(max_size=12)), min_size=1, max_size=4
)
"""Where bytes are altered, as a part of their length, how many are removed there, and what comes instead."""


def altered(data: bytes, alterations: list[tuple[float, int, bytes]]) -> bytes:
    """The bytes of a checkpoint altered, with the checksum that belongs to them."""
    data = data[:-8]
    for at, removed, inserted in alterations:
        start = int(at * len(data))
        data = data[:start] + inserted + data[start + removed :]
    return repaired(data + bytes(8))


def sweep_alone(sweep: str, kind: str) -> None:
    """
    A sweep over altered bytes of a kind of checkpoint, of which some are accepted.

    In a process of its own: a length that nobody checks could ask for more memory than there is.
    """
    word, taken = run_alone(sweep.replace("KIND", repr(kind))).split()
    assert word == "TAKEN"
    assert int(taken) > 0, "no altered checkpoint was accepted, so nothing was tried after one"


def refusal(data: bytes) -> str:
    """What a stream and queries say of the bytes, which is one text."""
    frame = sample(1)
    calls = (
        lambda: rb.BarStream.restore(data),
        lambda: frame.rangebar.bars(250, by="symbol", state=rb.BarState(data)),
        lambda: frame.rangebar.bars(250, by="symbol", state=data),
    )
    texts = set()
    for call in calls:
        with pytest.raises(rb.RangeBarError) as caught:
            call()
        texts.add(str(caught.value))
    (text,) = texts
    return text


def goes_on(data: bytes, frame: pl.DataFrame, key: Any, **parameters: Any) -> bool:
    """
    Return whether the bytes are accepted; if they are, use the stream in every way.

    Any step may refuse altered bytes with a `RangeBarError`. Anything else, such as a panic, is raised.
    """
    try:
        stream = rb.BarStream.restore(data)
    except rb.RangeBarError:
        return False
    for step in (
        stream.checkpoint,
        stream.pending,
        lambda: rb.BarStream.restore(stream.checkpoint()).finish(),
        lambda: stream.push(frame),
        lambda: stream.push_trade(2**60, 1.0, 1.0, True, 2**60, 1, 1, key),
        lambda: frame.rangebar.bars(**parameters, state=data),
        stream.finish,
    ):
        with contextlib.suppress(rb.RangeBarError):
            step()
    return True


@cache
def later(kind: str) -> pl.DataFrame:
    """The rows of a full stream, nine days later."""
    return keyed(kind).with_columns(pl.col("when") + pl.duration(days=9))


def survives(data: bytes, kind: str) -> bool:
    """Return whether altered bytes of a full stream are accepted."""
    return goes_on(data, later(kind), later(kind).select("market", "symbol").row(0), **PARAMETERS)
