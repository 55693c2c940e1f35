"""Contract layer: the program as a process: signals, pipes, terminals, and what it imports."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import rangebar_polars as rb
from tests._lakes import VENUE
from tests._paths import ROOT

PROGRAM = "from rangebar_polars._cli import main; main()"

INTERRUPTED = """
import os, signal, threading
from rangebar_polars import Lake
from rangebar_polars._cli import main

build = Lake.build
def begun(*given, **named):
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    return build(*given, **named)
Lake.build = begun
main()
"""
"""It interrupts itself while a build waits for a lock."""

NEEDED_LATER = ("aiohttp", "pyarrow", "pandas", "tqdm", "stamina", "platformdirs", "asyncio", "rangebar_polars.demo")


def process(
    *words: object, script: str = PROGRAM, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", script, *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, check=False, env=environment, timeout=60
    )


def test_ctrl_c_while_it_waits(lake: rb.Lake) -> None:
    with lake.lock("base", "BTCUSDT", venue=VENUE):
        done = process("build", "--lock-seconds", 60, script=INTERRUPTED)
    assert done.returncode == 130
    assert done.stdout == b""
    assert done.stderr == b"interrupted: what is complete stays; run the same command again for the rest\n"


def test_a_reader_that_goes_away(lake: rb.Lake) -> None:
    """As `| head -1`: more is written than a pipe holds."""
    assert lake.trades().collect().height > 500
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = process("export", "trades", "-o", "-", stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.usefixtures("lake")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_disk_that_is_full_and_streams_that_are_closed() -> None:
    script = """
import os, sys
from rangebar_polars._cli import main, run
codes = []
for name, words in [("/dev/full", ["status"]), ("/dev/full", ["status", "--json"])]:
    with open(name, "w") as sys.stdout:
        codes.append(run(words))
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
sys.stdout = sys.stderr = None
try:
    sys.argv = ["rangebar-polars", "status", "XRPUSDT"]
    main()
except SystemExit as ended:
    codes.append(ended.code)
os.write(1, repr([int(code) for code in codes]).encode())
"""
    done = process(script=script)
    assert done.stdout == b"[3, 3, 2]"
    full = b"error: the answer cannot be written ([Errno 28] No space left on device): make room, and ask again"
    assert done.stderr.splitlines() == [full, full]


@pytest.mark.usefixtures("lake")
def test_the_code_of_a_process_and_both_streams() -> None:
    done = process("status", "XRPUSDT")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"error: the lake has no trades of 'XRPUSDT': it has `BTCUSDT`, `ETHUSDT`\n"


def test_help_imports_nothing_that_only_commands_need() -> None:
    script = f"""
import sys
from rangebar_polars._cli import run
run(["--help"]); run(["build", "--help"])
print([name for name in {NEEDED_LATER!r} if name in sys.modules])
"""
    done = process(script=script)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1] == "[]"


@pytest.mark.usefixtures("lake")
def test_a_terminal_shows_progress_on_stderr_alone(here: Path) -> None:
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    rb.datasets.write_sample_archives(here / "zips", rows=30_000, symbols="XRPUSDT")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        added = process("add", "zips", "--venue", VENUE, stderr=theirs)
        built = process("build", "--series", "fast", "--threshold-dbps", 500, stderr=theirs)
        seen = os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert (added.returncode, built.returncode) == (0, 0)
    assert added.stdout.startswith(b"30,000 trades: 1 day new\n")
    assert re.match(rb"fast: 5 periods built, 0 up to date; 30,960 trades in [\d.]+ s\n$", built.stdout)
    assert re.search(r"add: 30.0k trades \[", seen)
    assert re.search(r"build: 100%.*31.0k/31.0k", seen)
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]+", seen))
