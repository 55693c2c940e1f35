"""Contract of `sink_bars`, what ends a process or fails a disk: one file is whole, the old or the new one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._paths import ROOT
from tests._sinks import OLD, UNNAMED, blocks

CHILD = """
import sys, time
import polars as pl
import rangebar_polars as rb
from polars.io.plugins import register_io_source

def source(*_):
    for block in range(1_000):
        yield pl.DataFrame({"row": pl.int_range(50_000, eager=True)})
        print(block, flush=True)
        time.sleep(0.01)

query = register_io_source(source, schema={"row": pl.Int64()})
rb.sink_bars(query.with_columns(noise=pl.col("row").hash()), sys.argv[1])
"""

AT_A_STEP = """
import os, pathlib, signal, sys
import polars as pl
import rangebar_polars as rb

_, file, name, moment = sys.argv
place = pathlib.Path if name == "replace" else os
step = getattr(place, name)

def killed(*args, **options):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    step(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(place, name, killed)
rb.sink_bars(pl.LazyFrame({"new": [1]}), file)
"""


def child(code: str, file: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(file), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    _, errors = process.communicate()
    pytest.fail(errors)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_process_that_ends_midway_leaves_the_old_file(number: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    OLD.write_parquet(file)
    before = file.read_bytes()
    process = child(CHILD, file)
    wait_for(process, "20")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)
    assert file.read_bytes() == before
    if UNNAMED or number == signal.SIGINT:
        assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.skipif(not UNNAMED, reason="the steps are those of Linux")
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["fchmod", "fsync", "link", "replace"])
def test_a_process_that_is_killed_at_the_end_leaves_one_file_whole(step: str, moment: str, tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    OLD.write_parquet(file)
    process = child(AT_A_STEP, file, step, moment)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    is_new = (step, moment) == ("replace", "after")
    assert pl.read_parquet(file).columns == ["new" if is_new else "old"]
    left = [path.name for path in tmp_path.iterdir() if path != file]
    between = (step, moment) in {("link", "after"), ("replace", "before")}
    assert len(left) == between  # the only time at which the new file has another name
    assert all(re.fullmatch(r"\.sink_bars-\w{16}\.tmp", name) for name in left)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.usefixtures("draft")
def test_a_full_disk_keeps_the_old_file(small_disk: Path) -> None:
    file = small_disk / "a.parquet"
    rb.sink_bars(blocks(3), file)
    before = file.read_bytes()
    for _ in range(3):
        with pytest.raises(Exception, match="No space left on device"):
            rb.sink_bars(blocks(60), file)
        assert file.read_bytes() == before
        assert [path.name for path in small_disk.iterdir()] == [file.name]
    deadline = time.monotonic() + 60
    while True:  # what was taken is given back once Polars has closed the file
        try:
            rb.sink_bars(blocks(5), file)
            break
        except (pl.exceptions.ComputeError, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert pl.read_parquet(file).height == 100_000


@pytest.mark.parametrize("step", ["fsync", "link", "replace", "fchmod"])
@pytest.mark.usefixtures("draft")
def test_a_disk_that_fails_at_the_end_keeps_the_old_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise OSError(5, "Input/output error")

    if step == "link" and request.node.callspec.params["draft"] == "named":
        pytest.skip("what has a name needs no link")
    file = tmp_path / "a.parquet"
    OLD.write_parquet(file)
    before = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path if step == "replace" else os, step, fails)
        with pytest.raises(OSError, match="Input/output error"):
            rb.sink_bars(blocks(2), file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_state_whose_file_was_not_written_is_what_it_was(tmp_path: Path) -> None:
    """Whoever catches the error and keeps the state would lose the bars."""
    trades = rb.datasets.sample_trades(3_000, symbols=["A"])
    state = rb.BarState()
    rb.sink_bars(trades.head(1_000).lazy().rangebar.bars(50, state=state), tmp_path / "a.parquet", state=state)
    before = state.checkpoint()
    bars = trades.lazy().rangebar.bars(50, state=state)
    with pytest.raises(ValueError, match="no metadata"):
        rb.sink_bars(bars, tmp_path / "b.parquet", state=state, metadata=_no_metadata)
    assert state.checkpoint() == before
    assert not (tmp_path / "b.parquet").exists()


def _no_metadata(_: object) -> dict[str, str]:
    raise ValueError("no metadata")


def test_one_state_in_two_queries(tmp_path: Path) -> None:
    state = rb.BarState()
    trades = rb.datasets.sample_trades(2_000, symbols=["A"])
    both = pl.concat([trades.lazy().rangebar.bars(50, state=state), trades.lazy().rangebar.bars(100, state=state)])
    with pytest.raises(rb.RangeBarError, match="several queries were given this `state`"):
        rb.sink_bars(both, tmp_path / "a.parquet", state=state)
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize("path", ["hf://x/f.parquet", "http://x/f.parquet", "S3://b/f.parquet"])
def test_an_address_that_is_no_store(path: str) -> None:
    """Not a folder of that name."""
    with pytest.raises(rb.RangeBarError, match="must be a file or an object of a store"):
        rb.sink_bars(rb.datasets.sample_trades(10).lazy(), path)
