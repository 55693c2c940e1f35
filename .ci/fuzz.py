# ruff: noqa: INP001, S603, S607, T201
"""
Each fuzz target for a while, on the stable toolchain: `python .ci/fuzz.py --seconds 60 bars restore`.

Needs a C++ compiler for libFuzzer. Without the address sanitizer, which needs a nightly toolchain (`cargo fuzz`), but
with overflow checks and assertions: what is looked for are panics and broken laws. Inputs are kept under `target/fuzz`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = "tests/fuzz/Cargo.toml"
TARGET = ROOT / "target" / "fuzz"
COVERAGE = ["level=4", "inline-8bit-counters", "pc-table", "trace-compares"]
FLAGS = [
    "--cfg=fuzzing",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Ccodegen-units=1",
    "-Cpasses=sancov-module",
    *(f"-Cllvm-args=-sanitizer-coverage-{part}" for part in COVERAGE),
]
MOST_BYTES = 32_768
SECONDS_AN_INPUT = 20


def targets() -> list[str]:
    """Names of the fuzz targets."""
    manifest = tomllib.loads((ROOT / MANIFEST).read_text(encoding="utf-8"))
    return [binary["name"] for binary in manifest["bin"]]


def build() -> Path:
    """Builds all targets and returns the folder where they are."""
    said = subprocess.check_output(["rustc", "-vV"], text=True, cwd=ROOT)
    host = next(line.removeprefix("host: ") for line in said.splitlines() if line.startswith("host: "))
    # Given a host, Cargo leaves build scripts and macros without the flags.
    command = ["cargo", "build", "--locked", "--release", "--manifest-path", MANIFEST, "--target", host]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "RUSTFLAGS": " ".join(FLAGS)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return TARGET / host / "release"


def main() -> None:
    """Fuzzes; ends with 1 where a target fails."""
    known = targets()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="time for each target")
    parser.add_argument("target", nargs="*", help=f"of {', '.join(known)}; all unless said")
    arguments = parser.parse_args()
    if unknown := set(arguments.target) - {*known}:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    binaries = build()
    failed = []
    for target in arguments.target or known:
        corpus = TARGET / "corpus" / target
        corpus.mkdir(parents=True, exist_ok=True)
        options = [f"-max_total_time={arguments.seconds}", f"-max_len={MOST_BYTES}", f"-timeout={SECONDS_AN_INPUT}"]
        command = [str(binaries / target), str(corpus), *options, f"-artifact_prefix={TARGET / target}-"]
        run = subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.PIPE, text=True, errors="replace")
        lines = run.stderr.splitlines()
        if run.returncode == 0:
            print(f"{target}: {lines[-1] if lines else 'nothing said'}", flush=True)
        else:
            print("\n".join(lines[-60:]), file=sys.stderr)
            failed.append(target)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; the inputs are in {TARGET}")


if __name__ == "__main__":
    main()
