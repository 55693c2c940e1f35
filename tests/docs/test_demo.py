"""Docs: the demonstration runs as the README says, and shows what it can where backtesting.py is not installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rangebar_polars import datasets, demo
from tests._paths import ROOT


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "zips"
    datasets.write_sample_archives(folder, rows=300_000)
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what backtesting.py 0.6.6 calls in pandas
def test_it_shows_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("backtesting")
    plot = tmp_path / "plot.html"
    chart = tmp_path / "chart.html"
    demo.main(["--rows", "300000", "--archives", str(tmp_path / "zips"), "--plot", str(plot), "--chart", str(chart)])
    said = capsys.readouterr().out
    steps = ["1. Trades", "2. Bars", "3. Fetch", "4. Build", "5. One", "6. Chart", "7. Backtest"]
    assert re.findall(r"^\d\. \w+", said, re.MULTILINE) == steps
    assert re.search(
        r"ETHUSDT: <FetchReport: \d+ days added, 0 unchanged, 0 missing, 0 failed; 150,000 trades of", said
    )
    assert re.search(r"<BuildReport: \d built, 0 current, 0 failed; 300,000 trades", said)
    assert chart.stat().st_size > 10_000
    assert re.search(r"^ +300,000 trades -> \d+ bars with 33 columns$", said, re.MULTILINE)
    assert "<ReadReport: 2 files, 300,000 rows read, 300,000 returned, 0 left out>" in said
    assert re.search(r"\d million trades/s, inflating and parsing included$", said, re.MULTILINE)
    assert re.search(r"peak memory (\d+|nan) MB", said)
    assert re.search(r"^# Trades +[1-9]", said, re.MULTILINE)
    assert plot.stat().st_size > 10_000


def test_without_the_extras_it_says_what_to_install(
    archives: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("backtesting", "aiohttp", "altair"):
        monkeypatch.setitem(sys.modules, name, None)
    demo.main(["--archives", str(archives)])
    said = capsys.readouterr().out
    assert '   Fetch: left out, as it needs aiohttp: pip install "rangebar_polars[fetch]"\n' in said
    assert '   Chart: left out, as it needs altair: pip install "rangebar_polars[plot]"\n' in said
    assert f"1. Trades: using {archives} as it is\n" in said
    assert re.search(r"^ +300,000 trades -> ", said, re.MULTILINE)
    assert said.endswith('   Backtest: left out, as it needs backtesting: pip install "rangebar_polars[backtesting]"\n')


def test_make_demo_and_the_readme_run_the_module(archives: Path, tmp_path: Path) -> None:
    """As a program it is another module, `__main__`, whose functions its own second process must find."""
    pytest.importorskip("backtesting")
    assert "python -m rangebar_polars.demo" in (ROOT / "README.md").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "rangebar_polars.demo", "--archives", str(archives), "--symbol", "ETHUSDT"]
    done = subprocess.run(
        [*command, "--plot", str(tmp_path / "plot.html"), "--chart", str(tmp_path / "chart.html")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "7. Backtest: ETHUSDT" in done.stdout
