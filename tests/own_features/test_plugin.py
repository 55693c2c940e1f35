"""A package that offers features: installed, found, used by the command line and a lake, upgraded, broken, unfair."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import rangebar_polars as rb
from tests._lakes import VENUE, made
from tests._paths import ROOT
from tests._routes import assert_same_bars
from tests.plugin_example.example_features import example

EXAMPLE = ROOT / "tests" / "plugin_example"
COMMAND = "import sys; from rangebar_polars._cli import main; sys.argv[0] = 'rangebar-polars'; main()"
THRESHOLD = 100


class Place:
    """A folder into which the package is installed, and a lake."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lake = folder, folder / "lake"
        self.installed: tuple[tuple[str, str], ...] | None = None

    def install(self, *changes: tuple[str, str]) -> None:
        """The package with some texts changed, really installed by pip."""
        if changes == self.installed:
            return
        self.installed = changes
        source, target = self.folder / "source", self.folder / "site"
        for there in (source, target):
            shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("pyproject.toml", "example_features.py"):
            text = (source / file).read_text(encoding="utf-8")
            for old, new in changes:
                text = text.replace(old, new)
            (source / file).write_text(text, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
        pip += ["--disable-pip-version-check", "--no-cache-dir", "--target", str(target), str(source)]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def python(self, program: str, *words: str, code: int = 0) -> str:
        """What a process prints that has the package; of one that fails, what it says."""
        paths = os.pathsep.join([str(self.folder / "site"), str(ROOT)])
        environment = os.environ | {"PYTHONPATH": paths, "RANGEBAR_LAKE": str(self.lake)}
        run = [sys.executable, "-c", program, *words]
        done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    def build(self, code: int = 0, *words: str) -> dict[str, object]:
        """What the command line says of a build."""
        said = self.python(COMMAND, "build", "--json", *words, code=code)
        return {} if code else dict(json.loads(said))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """With the package and trades of two months."""
    there = Place(tmp_path_factory.mktemp("plugin"))
    there.install()
    rb.Lake(there.lake).add(made(), venue=VENUE, symbol="BTCUSDT")
    return there


def expected(upgraded: bool = False) -> pl.DataFrame:
    """The columns of the set over all trades, without a lake."""
    one = example()
    if upgraded:
        one = rb.FeatureSet(
            "example", "2.0", aggs=[pl.col("price").var().alias("std")], over_bars=one.over_bars, lookback_bars=2
        )
    return made().rangebar.bars(THRESHOLD, reset="1mo", include_orphans=True, feature_sets=[one])


def of_lake(place: Place) -> pl.DataFrame:
    """The bars that the lake has."""
    file = place.folder / "bars.arrow"
    place.python(
        "import sys, rangebar_polars as rb; "
        "rb.Lake(sys.argv[1]).bars('BTCUSDT', include_orphans=True).collect().write_ipc(sys.argv[2])",
        str(place.lake),
        str(file),
    )
    return pl.read_ipc(file)


def test_the_command_line_and_a_lake_use_it(place: Place) -> None:
    place.install()
    said = place.build(0, "--threshold-dbps", str(THRESHOLD), "--feature-sets", "example")
    assert len(said["built"]) == 2
    bars, whole = of_lake(place), expected()
    names = [name for name in whole.columns if name.startswith("example__")]
    assert names == ["example__std", "example__change", "example__volume_3"]
    # The forming bar at the end is none yet in a lake.
    assert_same_bars(
        bars.select("open_time", *names),
        whole.select("open_time", *names).cast({"open_time": bars.schema["open_time"]}),
    )
    assert place.build()["built"] == []
    assert '[["example", "1.0"]]' in (place.lake / "series" / "base.toml").read_text(encoding="utf-8")


def test_an_upgrade_makes_bars_stale_and_they_are_built_exactly(place: Place) -> None:
    place.install()
    place.build(0, "--threshold-dbps", str(THRESHOLD), "--feature-sets", "example")
    place.install(("1.0", "2.0"), (".std()", ".var()"))
    stale = place.python(
        "import rangebar_polars as rb, sys; print(rb.Lake(sys.argv[1]).status()['stale'].to_list())", str(place.lake)
    )
    assert stale.strip() == "[2]"
    assert len(place.build()["built"]) == 2
    assert '[["example", "2.0"]]' in (place.lake / "series" / "base.toml").read_text(encoding="utf-8")
    bars, whole = of_lake(place), expected(upgraded=True)
    assert bars["example__std"].equals(whole["example__std"], null_equal=True)
    assert bars["example__change"].equals(whole["example__change"], null_equal=True)
    assert place.build()["built"] == []


def test_a_broken_package_is_named(place: Place) -> None:
    place.install()
    place.build(0, "--threshold-dbps", str(THRESHOLD), "--feature-sets", "example")
    place.install(("    return rb", '    raise RuntimeError("no licence")\n    return rb'))
    said = place.python(COMMAND, "build", code=2)
    for part in ("example", "rangebar-polars-example 1.0", "no licence"):
        assert part in said
    place.install(('pl.col("price").std()', 'pl.col("no_such").std()'))
    said = place.python(
        COMMAND, "build", "--series", "other", "--threshold-dbps", "50", "--feature-sets", "example", code=2
    )
    assert "`example__std` of the FeatureSet 'example'" in said
    assert "no_such" in said
    shutil.rmtree(place.folder / "site")
    place.installed = None
    said = place.python(COMMAND, "build", code=2)
    assert "no installed package offers a FeatureSet 'example'" in said


def test_one_that_looks_ahead_fails_the_check(place: Place) -> None:
    check = (
        "import rangebar_polars as rb; t = rb.datasets.sample_trades(20_000, symbols=['BTCUSDT']);"
        "print(rb.check_features('example', t, 100).select('check', 'column').rows())"
    )
    place.install()
    assert place.python(check).strip() == "[]"
    place.install(("shift(1)", "shift(-1)"))
    assert place.python(check).strip() == "[('prefix', 'example__change')]"
