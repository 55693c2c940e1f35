"""Boundary layer for checkpoints: bytes that are none, or altered, are refused or work, and never panic."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._checkpoints import ALTERATIONS, KEYS, altered, crc64, full, refusal, repaired, survives, sweep_alone


def test_the_checksum_is_the_one_of_this_file() -> None:
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA
    data = full().checkpoint()
    assert repaired(data) == data


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


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_a_bar_that_is_not_that_of_its_rows_is_refused(column: str) -> None:
    """Where rows are held: it was restored, and panicked when the bar was asked for."""
    stream = rb.BarStream(1_000, time_unit="us", intra=True)
    price = [100.25, *[100.0] * 7, *[100.5] * 7, 100.125]
    stream.push(pl.DataFrame({"timestamp": range(16), "price": price, "quantity": [1.0] * 16}))
    data = stream.checkpoint()
    volume = column == "volume"
    value = round(stream.pending()[column][0] * 10**8)
    width = 16 if volume else 8
    known = value.to_bytes(width, "little")
    assert data.count(known) >= 1
    for change in (-1, 1):
        forged = data.replace(known, (value + change).to_bytes(width, "little"), 1)
        with pytest.raises(rb.RangeBarError, match="holds a state that no trades lead to"):
            rb.BarStream.restore(repaired(forged))


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


SWEEP = """
from tests._checkpoints import full, repaired, survives
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
    sweep_alone(SWEEP, kind)


@given(alterations=ALTERATIONS, kind=st.sampled_from(sorted(KEYS)))
def test_drawn_alterations_with_a_true_checksum_never_panic(
    alterations: list[tuple[float, int, bytes]], kind: str
) -> None:
    event(f"accepted: {survives(altered(full(kind).checkpoint(), alterations), kind)}")
