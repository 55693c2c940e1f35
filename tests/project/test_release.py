"""Contract layer for releases: what is written down in several places is the same in all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests._paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def workflow(name: str) -> str:
    return (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")


def minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def test_every_fuzz_target_is_run() -> None:
    files = {file.stem for file in (ROOT / "tests" / "fuzz" / "fuzz_targets").glob("*.rs")}
    assert {target["name"] for target in toml("tests/fuzz/Cargo.toml")["bin"]} == files
    listed = re.search(r"^ +target: \[(.+)\]$", workflow("hardening.yml"), re.MULTILINE)
    assert listed is not None
    assert set(listed[1].split(", ")) == files


def test_the_pythons_of_the_classifiers_are_tested_from_the_oldest_on() -> None:
    project = toml("pyproject.toml")["project"]
    named = re.findall(r":: (3\.\d+)", "\n".join(project["classifiers"]))
    listed = re.search(r"^ +python: \[(.+)\]$", workflow("tests.yml"), re.MULTILINE)
    assert listed is not None
    assert re.findall(r"3\.\d+", listed[1]) == named
    assert project["requires-python"] == f">={named[0]}"
    features = toml("Cargo.toml")["dependencies"]["pyo3"]["features"]
    assert f"abi3-py{named[0].replace('.', '')}" in features


def test_the_oldest_rust_is_tested() -> None:
    assert f'toolchain: "{toml("Cargo.toml")["package"]["rust-version"]}"' in workflow("tests.yml")


def test_development_is_within_the_range_of_polars_and_both_ends_are_tested() -> None:
    pyproject = toml("pyproject.toml")
    declared = re.fullmatch(r"polars>=([\d.]+),<(\d+)", pyproject["project"]["dependencies"][0])
    assert declared is not None
    (pinned,) = [line for line in pyproject["dependency-groups"]["dev"] if line.startswith("polars==")]
    assert minor(declared[1]) <= minor(pinned.removeprefix("polars==")) < (int(declared[2]), 0)
    assert {"newest", "oldest"} <= set(re.findall(r"polars: \[?(\w+)", workflow("tests.yml")))


def test_the_documented_versions_are_those_that_are_declared() -> None:
    project = toml("pyproject.toml")["project"]
    for page in ("CONTRIBUTING.md", "docs/reference/index.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"`{project['dependencies'][0].removeprefix('polars')}`" in text
        named = re.findall(r":: 3\.(\d+)", "\n".join(project["classifiers"]))
        assert f"3.{named[0]} to 3.{named[-1]}" in text


def test_the_fuzz_crate_is_no_part_of_what_is_shipped() -> None:
    assert toml("tests/fuzz/Cargo.toml")["workspace"] == {}
    assert toml("tests/fuzz/Cargo.toml")["dependencies"]["rangebar_polars"]["default-features"] is False
    assert "tests/**" in toml("pyproject.toml")["tool"]["maturin"]["exclude"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_do_no_more_than_it_must(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "\npermissions:\n  contents: read\n" in text
    assert text.count("uses: actions/checkout@") == text.count("persist-credentials: false")
    assert text.count("runs-on:") == text.count("timeout-minutes:")
    assert "secrets." not in text


def test_what_the_guide_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([\w./]+)\)", text))
    paths = set(re.findall(r"(?<![\w/])(?:\.ci|tests)/[\w/]+\.\w+", text))
    assert links
    assert ".ci/test_wheel.py" in paths
    assert [link for link in links | paths if not (ROOT / link).exists()] == []
