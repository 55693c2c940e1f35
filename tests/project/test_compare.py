"""Benches: contenders of our rule make our bars; what differs, fails or is missing is told."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from benches.compare import environments, measure, page
from benches.compare.environments import UnavailableError, python_of
from benches.compare.measure import Lakes, Measured, difference, run_once
from benches.compare.table import CONTENDERS, ROOT, Contender, Environment, count_lines
from benches.compare.worker import comparable

ROWS = 60_000
BY_KEY = {each.key: each for each in CONTENDERS}
SAME = [each for each in CONTENDERS if each.rule == "same"]
OTHER_PACKAGES = [each for each in CONTENDERS if each.environment]
INSTALLED_HERE = [each for each in SAME if not each.environment]


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Lakes:
    return Lakes(tmp_path_factory.mktemp("lakes"))


@pytest.fixture(scope="module")
def ours(lakes: Lakes) -> pl.DataFrame:
    return comparable(pl.scan_parquet(lakes.of(ROWS)).rangebar.bars(250).collect())


@pytest.mark.parametrize("contender", INSTALLED_HERE, ids=lambda each: each.key)
def test_contenders_of_our_rule_make_our_bars(contender: Contender, lakes: Lakes, ours: pl.DataFrame) -> None:
    if contender.package == "numba":
        pytest.importorskip("numba")
    module = import_module(f"benches.compare.contenders.{contender.key}")
    theirs = comparable(module.bars(str(lakes.of(ROWS))))
    assert ours.height > 5
    assert difference(ours, theirs) == ""


@pytest.mark.parametrize("key", ["numba_arrays", "numba_stream", "polars_search"])
@pytest.mark.parametrize(("rows", "bars"), [(1, 0), (2, 0), (600, 2)])
def test_contenders_take_few_trades(key: str, rows: int, bars: int, tmp_path: Path) -> None:
    if key.startswith("numba"):
        pytest.importorskip("numba")
    rb.datasets.write_sample_lake(tmp_path / "lake", rows=rows, symbols="BTCUSDT")
    assert len(import_module(f"benches.compare.contenders.{key}").bars(str(tmp_path / "lake"))) == bars


@pytest.mark.parametrize("contender", OTHER_PACKAGES, ids=lambda each: each.key)
def test_other_packages_run_where_they_are_installed(contender: Contender, lakes: Lakes) -> None:
    try:
        python_of(contender.environment)
    except UnavailableError as error:
        pytest.skip(str(error))
    result = run_once(contender, lakes, 40_000)
    assert (result.reason, result.verdict) == ("", "")
    assert result.bars
    assert result.seconds


def test_a_run_tells_what_it_took(lakes: Lakes) -> None:
    result = run_once(BY_KEY["ours"], lakes, 20_000)
    assert (result.reason, result.verdict, result.version) == ("", "", rb.__version__)
    assert result.bars == pl.scan_parquet(lakes.of(20_000)).rangebar.bars(250).collect().height
    assert result.speed == pytest.approx(20_000 / (result.seconds or 0) / 1e6)
    assert sys.platform != "linux" or 30 < (result.peak_mb or 0) < 2_000


def test_nothing_is_compiled_while_it_is_timed(lakes: Lakes) -> None:
    """The lakes differ in size, and the loops still meet arrays of the types that they met before the clock started."""
    pytest.importorskip("numba")
    for key in ("numba_arrays", "numba_stream"):
        assert run_once(BY_KEY[key], lakes, ROWS).reason == ""


def test_compiling_while_timed_is_an_error(lakes: Lakes, tmp_path: Path) -> None:
    """A warm lake of one file gives numba arrays of another type than the lake of several files does."""
    pytest.importorskip("numba")
    warm = tmp_path / "warm"
    rb.datasets.write_sample_lake(warm, rows=1_000, symbols="BTCUSDT")
    command = [sys.executable, "-m", "benches.compare.worker", "numba_arrays"]
    arguments = [str(warm), str(lakes.of(ROWS)), str(tmp_path / "out")]
    run = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode
    assert "compiled while it was timed" in run.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (pl.col("close") + 0.01, "from bar 1 on: `close`"),
        (pl.col("close_time") + pl.row_index().eq(3), "from bar 4 on: `close_time`"),
        (pl.col("volume") * (1 + 1e-6), "from bar 1 on: `volume`"),
        (pl.col("agg_record_count") + pl.row_index().eq(1), "from bar 2 on: `agg_record_count`"),
    ],
)
def test_a_difference_is_told(change: pl.Expr, told: str, ours: pl.DataFrame) -> None:
    assert difference(ours, ours.with_columns(change)).startswith(told)
    assert difference(ours, ours.with_columns(pl.col("volume") * (1 + 1e-12))) == ""


def test_bars_too_few_or_too_many_are_told(ours: pl.DataFrame) -> None:
    assert difference(ours, ours.head(4)) == f"4 bars and not {ours.height}"
    assert difference(ours.head(4), ours) == f"{ours.height} bars and not 4"


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch, lakes: Lakes, tmp_path: Path) -> None:
    monkeypatch.setattr(environments, "BUILD", tmp_path)
    nowhere = Environment("nowhere", ("nothing==1",), ("2.0",))
    result = run_once(replace(BY_KEY["rangebar"], environment=nowhere), lakes, ROWS)
    assert result.reason == "needs CPython 2.0, which was not found"
    result = run_once(replace(BY_KEY["rangebar"], environment=replace(nowhere, pythons=())), lakes, ROWS)
    assert result.reason == "not installed: `python -m benches.compare --install`"
    assert result.seconds is None


def test_a_failure_is_told(lakes: Lakes) -> None:
    """Its package is not in this environment, so the import fails."""
    result = run_once(replace(BY_KEY["quantwave"], environment=None), lakes, ROWS)
    assert result.reason.startswith("failed: ModuleNotFoundError")


def test_lines_are_those_of_code() -> None:
    source = '"""Text\nof two lines."""\n\nimport os  # comment\n\n# comment\n\n\n'
    source += 'def f():\n    """Text."""\n    g(\n        os)\n'
    assert count_lines(source) == 4
    assert count_lines('x = """a\nb"""\n') == 2
    assert BY_KEY["ours"].lines() == 4


def test_the_page_gets_figures_and_reasons(tmp_path: Path) -> None:
    results = [
        Measured("ours_columns", 1_000_000, 0.5, 100.0, 7, "1"),
        Measured("numba_arrays", 1_000_000, 1.0, 200.0, 7, "2"),
        Measured("numba_stream", 1_000_000, 0.25, 200.0, 7, "2", verdict="from bar 3 on: `close` is 1 and not 2"),
        Measured("renko_rs", 1_000_000, reason="not installed"),
    ]
    file = tmp_path / "page.md"
    file.write_text(f"before\n{page.BEGIN}\nyesterday\n{page.END}\nafter\n")
    page.write(file, results, 5)
    text = file.read_text()
    page.write(file, results, 5)
    assert file.read_text() == text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "yesterday" not in text
    table = text.partition("| gives |")[0].splitlines()
    rows = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in table}
    lines = str(BY_KEY["numba_arrays"].lines())
    assert rows["numba over arrays"] == ["2", "1,000,000", "1", "200", lines, "yes, all 7", "2 |"]
    assert rows["numba over batches, state carried"][-2:] == ["no", "0.5 |"]
    assert any("renko-rs" in line and "not measured" in line for line in table)
    assert "* renko-rs: not installed" in text
    assert "from bar 3 on" in text


def test_results_are_kept_for_the_picture(tmp_path: Path) -> None:
    measure.save([Measured("ours", 1_000_000, 0.5, 100.0, 7, "1")], tmp_path / "new" / "results.json")
    (kept,) = json.loads((tmp_path / "new" / "results.json").read_text())
    assert (kept["key"], kept["speed"], kept["peak_mb"], kept["reason"]) == ("ours", 2.0, 100.0, "")


def test_the_committed_page_has_its_marks_and_every_contender() -> None:
    text = (ROOT / "docs" / "compare.md").read_text()
    before, _, rest = text.partition(page.BEGIN)
    figures, _, after = rest.partition(page.END)
    assert before
    assert after
    assert all(contender.title in figures for contender in CONTENDERS)
    assert all(contender.differs in figures for contender in CONTENDERS)
