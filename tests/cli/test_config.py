"""Contract layer: an option comes from the command line, else from the environment, else from `rangebar.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

import rangebar_polars as rb
from tests._cli import shell


def settings(here: Path, text: str) -> None:
    (here / "rangebar.toml").write_text(text, encoding="utf-8")


def asked(*words: str) -> list[str]:
    """The symbols that `status` was asked for."""
    said = shell("status", *words, "--json")
    assert said.err == ""
    return [row["symbol"] for row in said.document["status"]]


@pytest.mark.usefixtures("lake")
def test_the_command_line_comes_first_then_the_environment_then_the_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked() == ["BTCUSDT", "ETHUSDT"]
    settings(here, '[status]\nsymbols = ["ETHUSDT"]\n')
    assert asked() == ["ETHUSDT"]
    monkeypatch.setenv("RANGEBAR_STATUS_SYMBOLS", "BTCUSDT ETHUSDT")
    assert asked() == ["BTCUSDT", "ETHUSDT"]
    monkeypatch.setenv("RANGEBAR_STATUS_SYMBOLS", "ETHUSDT")
    assert asked("BTCUSDT") == ["BTCUSDT"]


def lake_of(*words: str) -> str:
    """The end of the folder of the lake that is meant, and is not there."""
    said = shell("gaps", *words)
    assert said.code == 2
    return said.err.partition("no lake in ")[2].partition(":")[0].rpartition("/")[2]


def test_the_lake_from_the_most_special_to_the_most_general(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(here, 'lake = "of-file"\n[gaps]\nlake = "of-command-in-file"\n')
    monkeypatch.setenv("RANGEBAR_GAPS_LAKE", "of-command")
    monkeypatch.setenv("RANGEBAR_LAKE", "of-environment")
    assert lake_of("--lake", "of-line") == "of-line"
    assert lake_of() == "of-command"
    monkeypatch.delenv("RANGEBAR_GAPS_LAKE")
    assert lake_of() == "of-environment"
    monkeypatch.setenv("RANGEBAR_LAKE", "")
    assert lake_of() == "of-command-in-file"
    settings(here, 'lake = "of-file"\n')
    assert lake_of() == "of-file"
    (here / "rangebar.toml").unlink()
    assert lake_of() == "lake"  # of the platform


@pytest.mark.usefixtures("lake")
def test_the_lake_may_be_in_the_home(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("RANGEBAR_LAKE", "~/lake")
    assert asked() == ["BTCUSDT", "ETHUSDT"]


def test_options_of_all_kinds_in_the_file(lake: rb.Lake, here: Path) -> None:
    series = 'series = ["fast"]\nthreshold-dbps = [500, 750]\nreset = "1d"\nintra = true\n'
    settings(here, f"[build]\n{series}workers = 1\njson = true\n")
    document = shell("build", "BTCUSDT").document
    assert len(document["built"]) == 12
    assert lake.series("fast").request.reset == "1d"
    assert lake.series("fast").request.intra
    assert shell("build", "--json=false", "BTCUSDT").out == "fast: 0 periods built, 12 up to date\n"


@pytest.mark.usefixtures("lake")
def test_what_a_command_is_about_stands_on_the_line_alone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANGEBAR_BARS_SYMBOL", "BTCUSDT")
    said = shell("bars", "ETHUSDT", "--series", "base")
    assert said.code == 2
    assert said.err == (
        "error: the environment variable RANGEBAR_BARS_SYMBOL is no option of `rangebar-polars bars`: unset it\n"
    )
    monkeypatch.delenv("RANGEBAR_BARS_SYMBOL")
    settings(here, '[bars]\nsymbol = "BTCUSDT"\n')
    said = shell("bars", "--series", "base")
    assert said.code == 2
    assert "symbol" in said.err


@pytest.mark.usefixtures("lake")
def test_a_variable_of_another_command_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANGEBAR_N_BARS_VENUE", "x")
    monkeypatch.setenv("RANGEBAR_BUILD_WRONG", "x")
    monkeypatch.setenv("RANGEBAR_TEST_OF_ANOTHER_PROGRAM", "x")
    assert shell("bars", "BTCUSDT", "--series", "base", "--quiet").code == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lake = ", "rangebar.toml cannot be read ("),
        ('lak = "x"', "rangebar.toml has 'lak', which is neither `lake` nor a table of a command: remove it"),
        ("build = 3", "rangebar.toml has 'build', which"),
        ("[build]\nserie = 3", 'Unknown option: "[serie]" from rangebar.toml'),
        ('[build]\nworkers = "x"', "workers"),
        ('[build]\nreset = "2d"', '"2d"'),
    ],
)
@pytest.mark.usefixtures("lake")
def test_a_mistake_in_the_file_is_told(here: Path, text: str, told: str) -> None:
    settings(here, text)
    said = shell("build")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert told in said.err


def test_the_help_needs_no_settings(here: Path) -> None:
    settings(here, "wrong")
    assert shell("--help").code == shell("build", "--help").code == 0
