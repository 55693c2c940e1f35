"""Restart layer: checkpoints written by earlier versions are read for ever, and their bytes mean what they meant."""

from __future__ import annotations

import json

import polars as pl
import pytest

import rangebar_polars as rb
from tests._golden import FOLDER, GOLDEN, SEEN
from tests._routes import assert_same_bars


def parts(data: bytes) -> tuple[bytes, dict[str, dict[str, object]], bytes]:
    """The line of the version, the header, and the state without the checksum."""
    version, header, state = data.split(b"\n", 2)
    return version, json.loads(header), state[:-8]


def test_every_file_has_its_stream() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.bin")) == sorted(GOLDEN)
    assert sum(file.stat().st_size for file in FOLDER.glob("*.bin")) < 200_000


@pytest.mark.parametrize("name", GOLDEN)
def test_a_stored_checkpoint_goes_on_to_the_bars_of_one_query(name: str) -> None:
    golden = GOLDEN[name]()
    data = (FOLDER / f"{name}.bin").read_bytes()
    stream = rb.BarStream.restore(data)
    if golden.frame.is_empty():
        assert stream.parameters["by"] == ["a", "b"]
        return
    assert stream.pending().height > 0, "a bar forms"
    before = rb.BarStream(**golden.options).push(golden.frame.head(SEEN))
    ended = [before, stream.push(golden.frame.slice(SEEN))]
    options = {key: value for key, value in golden.options.items() if key not in {"overlap", "max_groups"}}
    state = rb.BarState(data)
    assert_same_bars(golden.frame.slice(SEEN).rangebar.bars(**options, state=state), ended[1])
    assert rb.BarStream.restore(state).pending().equals(stream.pending())
    assert_same_bars(
        pl.concat([*ended, stream.finish()]), golden.frame.rangebar.bars(**options, include_incomplete=True)
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_the_layout_is_that_of_its_version(name: str) -> None:
    """Whoever changes what is written has to write another version, and still reads this one."""
    data = (FOLDER / f"{name}.bin").read_bytes()
    version, header, state = parts(data)
    assert version == b"rangebar_polars checkpoint 1"
    for made in (rb.BarStream.restore(data), GOLDEN[name]().stream()):
        now, new_header, new_state = parts(made.checkpoint())
        assert (now, new_state) == (version, state)
        # A later version may say more, and nothing else.
        assert header["request"].items() <= new_header["request"].items()
        assert header["input"] == new_header["input"] or header["input"].items() <= new_header["input"].items()


@pytest.mark.parametrize("version", [b"0", b"2", b"10", b"x"])
def test_another_version_says_how_to_go_on(version: bytes) -> None:
    data = (FOLDER / "v1_plain.bin").read_bytes().replace(b"checkpoint 1\n", b"checkpoint " + version + b"\n", 1)
    text = rf"version {version.decode()} of the format.* reads version 1: restore it with the library that wrote it"
    with pytest.raises(rb.RangeBarError, match=text):
        rb.BarStream.restore(data)
