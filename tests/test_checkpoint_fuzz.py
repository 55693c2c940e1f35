"""Boundary layer for checkpoints: bytes that are none, or altered, are refused or work, and never panic."""

from __future__ import annotations

import contextlib

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests.test_boundary import run as run_alone
from tests.test_checkpoint import KEYS, PARAMETERS, full, keyed, sample

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


def test_the_checksum_is_the_one_of_this_file() -> None:
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA
    data = full().checkpoint()
    assert repaired(data) == data


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


@pytest.mark.parametrize("kind", KEYS)
def test_every_prefix_is_refused(kind: str) -> None:
    data = full(kind).checkpoint()
    for length in range(len(data)):
        with pytest.raises(rb.RangeBarError):
            rb.BarStream.restore(data[:length])


@pytest.mark.parametrize("kind", KEYS)
def test_every_flipped_bit_is_refused(kind: str) -> None:
    data = full(kind).checkpoint()
    for bit in range(8 * len(data)):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(rb.RangeBarError):
            rb.BarStream.restore(bytes(altered))


@given(more=st.binary(min_size=1, max_size=64))
def test_whatever_is_appended_is_refused(more: bytes) -> None:
    data = full().checkpoint()
    refusal(data + more)
    refusal(more + data)
    for sealed in (repaired(data + more), repaired(data[:-8] + more + bytes(8))):
        with pytest.raises(rb.RangeBarError):
            rb.BarStream.restore(sealed)


@given(data=st.binary(max_size=512))
def test_random_bytes_are_refused(data: bytes) -> None:
    """Also behind what a checkpoint begins with."""
    refusal(data)
    real = full().checkpoint()
    for begin in (8, 16, 64, len(real) // 2):
        refusal(real[:begin] + data)


def test_what_is_no_checkpoint_says_so() -> None:
    for data in (b"", b"PAR1" + bytes(100), b'{"threshold_dbps": 250}', bytes(8), repaired(bytes(100))):
        assert "not a checkpoint" in refusal(data)
    data = full().checkpoint()
    assert "checkpoint is truncated or altered" in refusal(data[: len(data) // 2])


@pytest.mark.parametrize("version", [b"0", b"2", b"10", b"", b"one"])
def test_another_version_is_named(version: bytes) -> None:
    data = full().checkpoint()
    words, _, rest = data.partition(b"\n")
    name, _, number = words.rpartition(b" ")
    assert number == b"1"
    text = refusal(repaired(name + b" " + version + b"\n" + rest))
    assert f"version {version.decode()} " in text
    assert "reads version 1" in text


# ------------------------------------------------------------------- altered, with a true checksum


def survives(data: bytes, kind: str) -> bool:
    """Whether altered bytes are taken; then the stream works, or says why not. Anything else is raised."""
    try:
        stream = rb.BarStream.restore(data)
    except rb.RangeBarError:
        return False
    frame = keyed(kind).with_columns(pl.col("when") + pl.duration(days=9))
    key = frame.select("market", "symbol").row(0)
    for step in (
        stream.checkpoint,
        stream.pending,
        lambda: rb.BarStream.restore(stream.checkpoint()).finish(),
        lambda: stream.push(frame),
        lambda: stream.push_trade(2**60, 1.0, 1.0, True, 2**60, 1, 1, key),
        lambda: frame.rangebar.bars(**PARAMETERS, state=data),
        stream.finish,
    ):
        with contextlib.suppress(rb.RangeBarError):
            step()
    return True


SWEEP = """
from tests.test_checkpoint_fuzz import full, repaired, survives
kind = KIND
data = full(kind).checkpoint()
assert survives(data, kind)
taken = 0
for at, old in enumerate(data[:-8]):
    for new in {0, 0xFF, old ^ 1, old ^ 0x80, ord("9")} - {old}:
        taken += survives(repaired(data[:at] + bytes([new]) + data[at + 1:]), kind)
    for word in (b"", b"\\xff" * 7 + b"\\x7f"):
        taken += survives(repaired(data[:at] + word + data[at + max(len(word), 1):]), kind)
print("TAKEN", taken)
"""


@pytest.mark.parametrize("kind", KEYS)
def test_altered_bytes_with_a_true_checksum_never_panic(kind: str) -> None:
    """In a process of its own: a length that nobody checks could ask for more memory than there is."""
    assert "TAKEN" in run_alone(SWEEP.replace("KIND", repr(kind)))


@given(
    cuts=st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 12), st.binary(max_size=12)), min_size=1, max_size=4),
    kind=st.sampled_from(sorted(KEYS)),
)
def test_drawn_alterations_with_a_true_checksum_never_panic(cuts: list[tuple[float, int, bytes]], kind: str) -> None:
    data = full(kind).checkpoint()[:-8]
    for at, removed, inserted in cuts:
        start = int(at * len(data))
        data = data[:start] + inserted + data[start + removed :]
    survives(repaired(data + bytes(8)), kind)
