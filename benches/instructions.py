"""
Instructions that the kernel takes for a trade, counted by valgrind: the same figure on a busy machine.

`python -m benches.instructions` builds the kernel by itself (seconds: no Polars), counts, and fails where a count is a
tenth above the one that is written down here. Counts are of code for AVX2, which valgrind knows; AVX-512 it does not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = 200_000

FEW, MANY = 1, 5
"""Repeats of two runs: their difference leaves out what the program itself takes."""

KNOWN = {250: 65.5, 25: 93.9}
"""Instructions by threshold: a trade with its side alone and a trade with all ids, together."""


def main() -> int:
    """Count, print, compare."""
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: nothing was counted")
        return 1
    build = ["cargo", "build", "--release", "--no-default-features", "--example", "kernel"]
    subprocess.run([*build, "--target-dir", "target/instructions"], cwd=ROOT, check=True)
    worse = False
    for threshold_dbps, known in KNOWN.items():
        few, many = (_count(threshold_dbps, repeats) for repeats in (FEW, MANY))
        count = (many - few) / (MANY - FEW) / ROWS
        worse |= count > 1.1 * known
        print(f"{threshold_dbps} dbps: {count:.1f} instructions a trade, {known:.1f} known")
    return int(worse)


def _count(threshold_dbps: int, repeats: int) -> int:
    """Instructions of a run."""
    program = str(ROOT / "target/instructions/release/examples/kernel")
    count = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program]
    arguments = [str(ROWS), str(threshold_dbps), str(repeats)]
    done = subprocess.run([*count, *arguments], check=True, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(done.stderr)
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main())
