"""Contract layer: each kind of end has its exit code, and one message that names the remedy."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars._cli.answer import Answer, Code, records
from rangebar_polars._cli.words import in_shell_words
from tests._cli import COMMANDS, shell
from tests._lakes import VENUE

READING = {
    "bars": ["ETHUSDT", "--series", "base"],
    "build": [],
    "export": ["bars", "-o", "b.csv"],
    "gaps": [],
    "repair": [],
    "status": [],
    "verify": [],
}
"""Commands that need a lake, with what else they need."""


@pytest.mark.parametrize("command", READING)
def test_without_a_lake_it_says_how_to_get_one(command: str, here: Path) -> None:
    said = shell(command, *READING[command], "--json")
    assert said.code == 2
    assert said.err.startswith(f"error: there is no lake in {here / 'lake'}: make one with `rangebar-polars fetch`")
    assert said.document["error"]["kind"] == "RangeBarError"
    assert not (here / "lake").exists()


@pytest.mark.parametrize("command", ["build", "bars", "export"])
def test_a_lock_of_another_process(command: str, lake: rb.Lake, trades: pl.DataFrame) -> None:
    """Reading goes on."""
    lake.add(trades.tail(1).with_columns(pl.col("agg_trade_id") + 1), venue=VENUE)
    with lake.lock("base", "ETHUSDT", venue=VENUE):
        said = shell(command, *READING[command], "--json")
    if command != "build":
        assert said.code == 1  # it warns that they are not up to date
        return
    assert said.code == 4
    assert said.err.startswith("error: bars base binance-spot ETHUSDT is being written by process ")
    assert said.document["error"]["kind"] == "LakeLockError"


def test_a_lock_of_add(lake: rb.Lake, here: Path) -> None:
    from rangebar_polars._lake.layout import Layout  # noqa: PLC0415
    from rangebar_polars._lake.lock import locked  # noqa: PLC0415

    rb.datasets.write_sample_archives(here / "zips", rows=100, symbols="BTCUSDT")
    locks = sorted(file.stem for file in Layout(lake.path).locks.glob("*.lock") if "trades" in file.stem)
    assert locks
    with locked(Layout(lake.path).locks, locks[0]):
        said = shell("add", here / "zips", "--venue", VENUE, "--lock-seconds", 0.01)
    assert said.code == 4


def test_bars_that_are_stale_are_a_finding(lake: rb.Lake, trades: pl.DataFrame) -> None:
    lake.add(trades.tail(1).with_columns(pl.col("agg_trade_id") + 1), venue=VENUE)
    for command in ("status", "gaps"):
        assert shell(command, "--quiet").code == 1
    said = shell("bars", "ETHUSDT", "--series", "base", "--json")
    assert said.code == 1
    assert said.err == (
        "warning: bars of 1 periods are not up to date, the first of ETHUSDT in 2024-02: bring them up to date with "
        "`rangebar-polars build --series base`\n"
    )
    assert said.document["warnings"] == [said.err.removeprefix("warning: ").rstrip()]
    assert shell("build").code == 0
    assert shell("bars", "ETHUSDT", "--series", "base", "--json").code == 0


def test_a_file_that_is_damaged_is_a_finding(lake: rb.Lake) -> None:
    min(lake.path.glob("trades/**/trades.parquet")).write_bytes(b"PAR1")
    for command in ("status", "gaps"):
        said = shell(command)
        assert said.code == 1
        assert "is damaged or cut off" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["status", "XRPUSDT"], "the lake has no trades of 'XRPUSDT': it has `BTCUSDT`, `ETHUSDT`"),
        (["status", "--venue", "x"], "the lake has no venue 'x'"),
        (["bars", "BTCUSDT", "yesterday", "--series", "base"], "`start` must be a date or a time"),
        (["bars", "BTCUSDT", "--series", "x"], "`rangebar-polars build --series x --threshold-dbps 250`"),
        (["bars", "BTCUSDT", "--series", "base", "--threshold-dbps", "7"], "has no threshold 7"),
        (["build", "--reset", "1d"], "give `--threshold-dbps`, or `--rule`, with the other parameters"),
        (["build", "--series", "a", "b", "--threshold-dbps", "7"], "give one name with `--series`"),
        (["build", "--threshold-dbps", "7"], "is there with other parameters"),
        (["build", "--threshold-dbps", "7", "7", "--series", "a"], "must not contain 7 twice"),
        (["add", "x.csv", "--venue", "kraken"], "say what the files are: `--preset` ("),
        (["add", "x.csv", "--venue", VENUE], "there is no file x.csv"),
        (["add", "x.csv", "--venue", "kraken", "--kind", "trades"], "`--kind` is of files of Binance alone"),
        (["add", "x.csv", "--venue", VENUE, "--preset", "kraken", "--kind", "trades"], "and no preset"),
        (
            ["add", "x.csv", "--venue", "kraken", "--columns", "time"],
            "`--columns` must be pairs such as timestamp=time",
        ),
        (["add", "x.csv"], "--venue requires an argument"),
        (["build", "--reset", "2d", "--threshold-dbps", "7"], '"2d"'),
        (["build", "--reset", "daily 18:00", "--threshold-dbps", "7"], 'got "daily 18:00"'),
        (["build", "--reset", "daily 25:00 UTC", "--threshold-dbps", "7"], "`at` must be a local time"),
        (["build", "--reset", "weekly 18:00 monday UTC", "--threshold-dbps", "7"], "`on` must be a day of the week"),
        (["build", "--reset", "daily 18:00 Gotham", "--threshold-dbps", "7"], "`zone` must be a name"),
        (["fetch", "BTCUSDT", "2024-01-01", "--accept", "abc"], "`--accept` must be pairs such as"),
        (["n-bars", "BTCUSDT"], "N"),
        (["n-bars", "BTCUSDT", "ten"], '"ten"'),
        (["n-bars", "BTCUSDT", "0"], "must be a number of bars above 0"),
    ],
)
@pytest.mark.usefixtures("lake")
def test_wrong_usage(words: list[str], told: str) -> None:
    said = shell(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert told in said.err
    assert said.err.count("\n") == 1


@pytest.mark.usefixtures("lake")
def test_a_disk_that_is_full_or_closed_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rangebar_polars._cli.export.written", full)
    said = shell("export", "bars", "-o", "b.csv")
    assert (said.code, said.err) == (3, "error: [Errno 28] No space left on device\n")


@pytest.mark.usefixtures("lake")
def test_a_fault_of_the_program_shows_where_and_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("broken")

    monkeypatch.setattr(rb.Lake, "status", broken)
    said = shell("status")
    assert said.code == 3
    assert "Traceback" in said.err
    assert "KeyError: 'broken'" in said.err


@pytest.mark.usefixtures("lake")
def test_what_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ModuleNotFoundError('a lake needs pyarrow: pip install "rangebar_polars[lake]"', name="pyarrow")

    monkeypatch.setattr(rb.Lake, "status", absent)
    said = shell("status")
    assert (said.code, said.err) == (2, 'error: a lake needs pyarrow: pip install "rangebar_polars[lake]"\n')


@pytest.mark.usefixtures("lake")
def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rb.Lake, "status", interrupted)
    said = shell("status")
    assert (said.code, said.out) == (130, "")
    assert said.err == "interrupted: what is complete stays; run the same command again for the rest\n"


@pytest.mark.usefixtures("lake")
def test_warnings_of_others_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def warned(*_: object, **__: object) -> pl.DataFrame:
        warnings.warn("of another package", DeprecationWarning, stacklevel=1)
        return pl.DataFrame({"file": [], "fault": []})

    monkeypatch.setattr(rb.Lake, "verify", warned)
    with pytest.warns(DeprecationWarning, match="of another package"):
        assert shell("verify").code == 0


def test_messages_speak_of_options_that_the_command_has() -> None:
    text = '`lake` has `kind`: give `kind="trades"`, or `columns=`, or `lake.build("x")`; column `price`, venue="x"'
    assert in_shell_words(text, ["kind", "on_bad_rows"]) == (
        "`lake` has `--kind`: give `--kind trades`, or `columns=`, or `rangebar-polars build --series x`; "
        'column `price`, venue="x"'
    )


def test_documents_are_json_to_the_letter(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pl.DataFrame(
        {"x": [1.5, float("nan"), float("inf")], "e": pl.Series(["a", "b", None], dtype=pl.Enum(["a", "b"]))}
    )
    held: dict[str, Any] = {"rows": records(frame), "path": Path("a/b"), "code": Code.FAILED, "big": 2**60, "ü": "ü"}
    Answer(held).print(as_json=True, quiet=True)
    assert json.loads(capsys.readouterr().out) == {
        "rows": [{"x": 1.5, "e": "a"}, {"x": None, "e": "b"}, {"x": None, "e": None}],
        "path": "a/b",
        "code": 3,
        "big": 2**60,
        "ü": "ü",
    }


def test_every_command_has_the_options_of_all() -> None:
    for command in COMMANDS:
        text = shell(command, "--help").out
        assert all(option in text for option in ("--lake", "--json", "--quiet")), command
