"""Run a script in a fresh interpreter, because it may crash, needs nothing imported, or measures memory."""

from __future__ import annotations

import os
import subprocess
import sys

from tests._paths import ROOT


def run(script: str, *arguments: str, timeout_seconds: float = 300, **environment: str) -> str:
    """
    Return what a fresh interpreter prints; fail if it exits with an error or panics.

    A panic of Rust is a BaseException, so no `except Exception` of a script can hide it.
    """
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "panicked" not in done.stderr, done.stderr[-3_000:]
    return done.stdout
