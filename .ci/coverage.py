# ruff: noqa: INP001, S603, S607, T201
"""
How much of the core its own tests reach: `python .ci/coverage.py --fail-under 90`.

Needs `llvm-profdata` and `llvm-cov`, version 19 or newer: `rustup component add llvm-tools`, or Debian's `llvm-19`.
Builds the core alone, instrumented, in a folder of its own under `target`. Lines of test modules do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "target" / "coverage"
OLDEST_LLVM = 19


def tool(name: str) -> str | None:
    """Path of an LLVM tool: the toolchain's own, or one of the system that is new enough."""
    sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True, cwd=ROOT).strip()
    own = sorted(Path(sysroot).glob(f"lib/rustlib/*/bin/{name}*"))
    if own:
        return str(own[0])
    for found in (shutil.which(name), *(shutil.which(f"{name}-{version}") for version in range(30, 18, -1))):
        if found is not None:
            # Old ones do not know the option, and fail.
            version = subprocess.run([found, "--version"], check=False, capture_output=True, text=True).stdout
            said = re.search(r"version (\d+)", version)
            if said is not None and int(said[1]) >= OLDEST_LLVM:
                return found
    return None


def test_binaries(environment: dict[str, str]) -> list[str]:
    """Builds the core's tests with counters in them."""
    command = ["cargo", "test", "--locked", "--no-default-features", "--lib", "--no-run", "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return [message["executable"] for message in messages if message.get("executable")]


def first_test_line(file: Path) -> int:
    """The line where a file's test module begins; tests are the last thing in a file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines, 1) if line == "#[cfg(test)]"]
    return starts[-1] if starts else len(lines) + 1


def reached(report: str) -> dict[str, tuple[int, int]]:
    """Lines reached and lines there are, by file, of an lcov report."""
    files: dict[str, tuple[int, int]] = {}
    for record in report.split("end_of_record"):
        name = re.search(r"^SF:(.+)$", record, re.MULTILINE)
        if name is None:
            continue
        file = Path(name[1])
        if not file.is_relative_to(ROOT / "src" / "core") or file.name in {"tests.rs", "testing.rs"}:
            continue
        end = first_test_line(file)
        hits = [int(count) for line, count in re.findall(r"^DA:(\d+),(\d+)", record, re.MULTILINE) if int(line) < end]
        files[str(file.relative_to(ROOT))] = (sum(count > 0 for count in hits), len(hits))
    return files


def main() -> int:
    """Measures and prints; 1 where too little is reached, 2 where nothing can be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fail-under", type=float, default=0.0, metavar="PERCENT")
    least = parser.parse_args().fail_under
    profdata, cov = tool("llvm-profdata"), tool("llvm-cov")
    if profdata is None or cov is None:
        print("coverage of the core was not measured: `rustup component add llvm-tools`, or install llvm-19")
        return 2
    profiles = TARGET / "profiles"
    shutil.rmtree(profiles, ignore_errors=True)
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(TARGET),
        "RUSTFLAGS": "-C instrument-coverage",
        "LLVM_PROFILE_FILE": str(profiles / "%p-%m.profraw"),
    }
    binaries = test_binaries(environment)
    for binary in binaries:
        subprocess.run([binary, "--quiet"], cwd=ROOT, env=environment, check=True)
    merged = str(profiles / "all.profdata")
    subprocess.run([profdata, "merge", "--sparse", "-o", merged, *map(str, profiles.glob("*.profraw"))], check=True)
    objects = [part for binary in binaries[1:] for part in ("--object", binary)]
    command = [cov, "export", "--format=lcov", f"--instr-profile={merged}", binaries[0], *objects]
    files = reached(subprocess.check_output(command, text=True))
    for name, (hit, lines) in sorted(files.items(), key=lambda file: file[1][0] / max(file[1][1], 1)):
        if hit < lines:
            print(f"{100 * hit / lines:6.1f} %  {hit:5} of {lines:5}  {name}")
    hit, lines = (sum(counts) for counts in zip(*files.values(), strict=True))
    percent = 100 * hit / lines
    print(f"{percent:6.1f} %  {hit:5} of {lines:5}  lines of the core")
    if percent < least:
        print(f"less than {least:g} %")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
