"""Contract layer: `--rule` is the rule that Python would have, in every command that makes or picks bars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._cli import shell

EVERY: list[Any] = [
    *(rb.Range(points=5), rb.HighLow(500), rb.HighLow(points=5), rb.Cusum(500)),
    *(rb.Ticks(7), rb.Ticks(7, of="trades"), rb.Volume(3), rb.Turnover(250.5), rb.Time("6h"), rb.Time("1h30m")),
    *(rb.Imbalance(3), rb.Imbalance(2, of="volume"), rb.Imbalance(target=7, span=3)),
    *(rb.Runs(target=7, span=3), rb.Runs(target=7, span=3, of="turnover")),
]


@pytest.mark.usefixtures("built")
def test_every_rule_makes_a_series(lake: rb.Lake, trades: pl.DataFrame) -> None:
    said = shell("build", "--series", "all", "--rule", *EVERY)
    assert (said.code, said.err) == (0, "")
    assert lake.series("all", threshold_dbps=EVERY) == lake.series("all")
    bars = lake.bars("BTCUSDT", series="all", include_orphans=True).collect()
    # A later trade ends what still forms.
    last = trades.filter(symbol="BTCUSDT").drop("symbol")
    wanted = last.rangebar.bars(EVERY, reset="1mo", include_orphans=True)
    assert_frame_equal(bars.select(wanted.columns).sort("rule", "open_time"), wanted.sort("rule", "open_time"))
    for rule in EVERY:
        picked = lake.bars("BTCUSDT", series="all", threshold_dbps=rule, include_orphans=True).collect()
        assert picked.height > 0
        assert picked["rule"].unique().to_list() == [str(rule)]
        said = shell("bars", "BTCUSDT", "--series", "all", "--rule", rule, "-o", "one.parquet", "--include-orphans")
        assert (said.code, said.err) == (0, "")
        assert_frame_equal(pl.read_parquet("one.parquet"), picked, check_dtypes=False, categorical_as_str=True)


def test_thresholds_and_rules_define_a_series_together(lake: rb.Lake) -> None:
    words = ["--threshold-dbps", 250, 500, "--rule", "Volume(3)", "--rule", "rb.Ticks(7)"]
    assert shell("build", "--series", "flow", *words).code == 0
    assert lake.series("flow").request.parameters["threshold_dbps"] == [250, 500, rb.Volume(3), rb.Ticks(7)]
    for given in (250, rb.Range(250)):
        assert set(lake.bars(series="flow", threshold_dbps=given).collect()["rule"]) == {"Range(250)"}
    said = shell("bars", "BTCUSDT", "--series", "flow", "--rule", "250", "--json")
    assert {bar["rule"] for bar in said.document["bars"]} == {"Range(250)"}
    assert (
        shell("bars", "BTCUSDT", "--series", "flow", "--threshold-dbps", 250, "--json").document["bars"]
        == said.document["bars"]
    )
    assert "Range(250)" in shell("bars", "BTCUSDT", "--series", "flow").out


def test_a_plain_series_is_picked_by_a_rule_too(lake: rb.Lake) -> None:
    for given in (250, rb.Range(250)):
        assert set(lake.bars(threshold_dbps=given).collect()["threshold_dbps"]) == {250}
    with pytest.raises(rb.RangeBarError, match=r"the series 'base' has no threshold Volume\(3\): it has \[250, 1000\]"):
        lake.bars(threshold_dbps=rb.Volume(3))


def test_bars_in_one_line_by_a_rule(here: Path, lake: rb.Lake, trades: pl.DataFrame) -> None:
    words = ["bars", "BTCUSDT", "2024-01-28", "2024-01-29", "--fetch", "never", "--reset", "none"]
    for rule in EVERY:
        said = shell(*words, "--rule", rule, "-o", "bars.parquet")
        assert (said.code, said.err) == (0, "")
        wanted = rb.get_range_bars("BTCUSDT", "2024-01-28", "2024-01-29", rule, lake=lake, fetch="never", reset=None)
        assert wanted.height > 0
        assert_frame_equal(pl.read_parquet(here / "bars.parquet"), wanted, check_dtypes=False, categorical_as_str=True)
    document = shell(*words, "--rule", "Volume(3)", "--json").document
    assert (document["rule"], document["threshold_dbps"]) == ("Volume(3)", None)
    assert "rule" not in shell(*words, "--json").document
    words = ["n-bars", "BTCUSDT", 5, "--before", "2024-01-29", "--fetch", "never", "--reset", "1d"]
    document = shell(*words, "--rule", "Ticks(7)", "--json").document
    assert (document["rule"], document["rows"]) == ("Ticks(7)", 5)
    assert {bar["agg_record_count"] for bar in document["bars"]} == {7}
    assert trades.height > 0


@pytest.mark.usefixtures("built")
def test_export_picks_one_rule(here: Path, lake: rb.Lake) -> None:
    shell("build", "--series", "flow", "--rule", "Volume(3)", 'Time("6h")')
    said = shell("export", "bars", "BTCUSDT", "--series", "flow", "--to", "backtesting", "-o", "b.csv")
    assert said.code == 2
    assert said.err.endswith("name one symbol, and `--rule`\n")
    said = shell(
        "export", "bars", "BTCUSDT", "--series", "flow", "--rule", "Time('6h')", "--to", "backtesting", "-o", "b.csv"
    )
    assert (said.code, said.err) == (0, "")
    assert (
        pl.read_csv(here / "b.csv").height
        == lake.bars("BTCUSDT", series="flow", threshold_dbps=rb.Time("6h")).collect().height
    )
    said = shell("export", "trades", "--rule", "Volume(3)", "-o", "t.csv")
    assert "trades have no `--to`, no `--threshold-dbps`, no `--rule`" in said.err


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["build", "--rule", "Volume"], "'Volume' is no rule (its parameters are missing): write it as in Python"),
        (["build", "--rule", "Time(1h)"], "'Time(1h)' is no rule (it is no call of a rule): write it as in Python"),
        (["build", "--rule", "volume(3)"], "there is no rule `volume` (did you mean `Volume`?)"),
        (["build", "--rule", "Volume(3)", "Volume(3.0)"], "must not contain Volume(3) twice"),
        (["build", "--rule", "Range(250)", "--threshold-dbps", "250"], "must not contain 250 twice"),
        (["build", "--rule", "Volume(3)", "--series", "a", "b"], "thresholds define one series"),
        (["build", "--rule", "Volume(3)"], "the series 'base' is there with other parameters"),
        (["build", "--intra"], "a series is defined by its thresholds: give `--threshold-dbps`, or `--rule`, with"),
        (
            ["bars", "BTCUSDT", "2024-01-28", "2024-01-28", "--rule", "Volume(0)"],
            "`threshold` of Volume must be at least",
        ),
        (
            ["bars", "BTCUSDT", "2024-01-28", "2024-01-28", "--rule", "Volume(3)", "--threshold-dbps", "250"],
            "a threshold is a rule: give `--threshold-dbps` or `--rule`, not both",
        ),
        (["n-bars", "BTCUSDT", "5", "--rule", "open('x')"], "there is no rule `open`"),
        (["n-bars", "BTCUSDT", "5", "--rule", "Volume(__import__('os'))"], "its parameters are no numbers and texts"),
        (
            ["bars", "BTCUSDT", "--series", "base", "--rule", "Volume(3)"],
            "the series 'base' has no threshold Volume(3): it has [250, 1000]",
        ),
        (["export", "bars", "--rule", "Volume(3)", "-o", "x.csv"], "the series 'base' has no threshold Volume(3)"),
    ],
)
def test_what_is_no_rule_is_told(words: list[str], message: str, here: Path) -> None:
    said = shell(*words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert sorted(file.name for file in here.iterdir()) == ["lake"]


def test_rules_in_the_environment_and_in_the_file(lake: rb.Lake, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rb.Imbalance(target=7, span=3), rb.Time("6h"), rb.Volume(3)]
    monkeypatch.setenv("RANGEBAR_BUILD_RULE", ' Imbalance(target=7, span=3)  Time("6h")\nVolume( 3 ) ')
    assert shell("build", "--series", "env").code == 0
    assert lake.series("env", threshold_dbps=rules) == lake.series("env")
    monkeypatch.delenv("RANGEBAR_BUILD_RULE")
    (here / "rangebar.toml").write_text(
        "[build]\nrule = [\"Imbalance(target=7, span=3)\", 'Time(\"6h\")', 'Volume(3)']\n"
    )
    assert shell("build", "--series", "file").code == 0
    assert lake.series("file", threshold_dbps=rules) == lake.series("file")
    (here / "rangebar.toml").unlink()
    monkeypatch.setenv("RANGEBAR_BARS_RULE", "Imbalance(target=7, span=3)")
    assert shell("bars", "BTCUSDT", "--series", "env", "--json").document["rule"] == "Imbalance(target=7, span=3)"


def test_footprints_go_into_files_that_have_lists(lake: rb.Lake) -> None:
    said = shell("build", "--series", "prints", "--threshold-dbps", 250, "--footprint", 0.5)
    assert (said.code, said.err) == (0, "")
    bars = lake.bars("BTCUSDT", series="prints").collect()
    assert bars["footprint"].list.len().min() >= 1
    assert shell("bars", "BTCUSDT", "--series", "prints", "-o", "prints.parquet").code == 0
    assert_frame_equal(pl.read_parquet("prints.parquet"), bars, categorical_as_str=True)
    for output in ("prints.csv", "-"):
        said = shell("bars", "BTCUSDT", "--series", "prints", "-o", output)
        assert said.code == 2
        assert "CSV has no lists" in said.err
    assert not Path("prints.csv").exists()
