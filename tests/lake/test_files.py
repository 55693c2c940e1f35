"""Files of a lake that something else has written, spoiled, moved or copied: named, and never removed by reading."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from rangebar_polars._bars.request import Request
from rangebar_polars._lake.series import Series
from tests._lakes import SERIES, VENUE, bars_of, files_of, made, utc

ROWS = made(4, 10, start=utc(2024, 1, 30))


@pytest.fixture
def lake(tmp_path: Path) -> rb.Lake:
    lake = rb.Lake(tmp_path / "lake")
    lake.add(ROWS, venue=VENUE, symbol="A")
    for name in ("base", "ever"):
        lake.series(name, **SERIES[name])
        lake.build(name)
    return lake


def trades_file(lake: rb.Lake, day: str = "2024-01-31", symbol: str = "A") -> Path:
    return lake.path / f"trades/venue={VENUE}/symbol={symbol}/date={day}/trades.parquet"


def bars_file(lake: rb.Lake, period: str = "2024-01", series: str = "base") -> Path:
    return lake.path / f"bars/series={series}/venue={VENUE}/symbol=A/period={period}/bars.parquet"


def rewritten(file: Path, **entries: str | None) -> None:
    """A file with other entries in its footer."""
    table = pq.read_table(file, partitioning=None)
    there = {key.decode(): value.decode() for key, value in pq.read_metadata(file).metadata.items()}
    there |= {f"rangebar.{name}": value for name, value in entries.items()}
    there.pop("ARROW:schema", None)
    pq.write_table(table.replace_schema_metadata({k: v for k, v in there.items() if v is not None}), file)


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda file: file.write_bytes(b""), "is damaged or cut off"),
    "cut off": (lambda file: file.write_bytes(file.read_bytes()[:-1]), "is damaged or cut off"),
    "no Parquet": (lambda file: file.write_bytes(b"price,quantity\n" * 99), "is damaged or cut off"),
    "another day": (lambda file: shutil.copy(file.parents[1] / "date=2024-01-30" / file.name, file), "is a copy of"),
    "a number": (lambda file: rewritten(file, rows="many"), "is not as a lake writes it"),
    "a type": (lambda file: rewritten(file, rows='"5"'), "the number of rows is none"),
    "a list": (lambda file: rewritten(file, missing="[5]"), "is not as a lake writes it"),
    "an entry": (lambda file: rewritten(file, digest=None), "is not as a lake writes it"),
    "a clock": (lambda file: rewritten(file, params='{"time_unit":"ns"}'), "has another clock than the lake"),
    "foreign": (lambda file: pl.DataFrame({"price": [1.0]}).write_parquet(file), "was not written by a lake"),
    "newer": (lambda file: rewritten(file, format="2"), "has format 2, this version knows 1: update it"),
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILED)
def test_spoiled_trades(lake: rb.Lake, how: str) -> None:
    spoil, match = SPOILED[how]
    spoil(trades_file(lake))
    before = files_of(lake.path)
    (fault,) = lake.verify().rows()
    assert fault[0] == str(trades_file(lake))
    for call in (lake.trades, lake.status, lake.gaps, lambda: lake.trades("A", "2024-01-31")):
        with pytest.raises(rb.LakeFileError, match=match) as error:
            call()
        assert "date=2024-01-31" in str(error.value)
        assert str(error.value) == fault[1]
    with pytest.raises(rb.LakeFileError, match=match):
        lake.add(ROWS, venue=VENUE, symbol="A")
    assert lake.trades("A", "2024-02-01").collect().height == 20  # the others are read
    with pytest.warns(rb.RangeBarWarning, match="not up to date"):
        lake.bars("A")
    report = lake.build("base")
    assert [unit.period for unit in report.failed] == ["2024-01"]
    assert [unit.period for unit in report.current] == ["2024-02"]
    assert match in str(next(iter(report.failed.values())))
    assert list(lake.build("base", dry_run=True).failed) == list(report.failed)
    with pytest.raises(rb.LakeFileError, match=match):
        lake.build("base", on_error="raise")
    assert len(lake.build("ever").failed) == 2  # February goes on from January
    assert files_of(lake.path) == before
    trades_file(lake).unlink()
    assert len(lake.add(ROWS, venue=VENUE, symbol="A").new) == 1
    assert not lake.build("base").built  # what it holds is as before


@pytest.mark.parametrize("how", SPOILED)
def test_spoiled_bars(lake: rb.Lake, how: str) -> None:
    """Bars can be made again: a build writes them anew, but for what another program or version has written."""
    spoil, match = SPOILED[how]
    if how == "another day":
        spoil, match = (lambda file: shutil.copy(bars_file(lake, "2024-02"), file)), "is a copy of bars/"
    if how == "a clock":
        return
    before = files_of(lake.path)
    spoil(bars_file(lake))
    assert lake.verify()["file"].to_list() == [str(bars_file(lake))]
    with pytest.raises(rb.LakeFileError, match=match), warnings.catch_warnings(action="ignore"):
        lake.bars("A", "2024-01-01")
    assert lake.bars("A", "2024-02-01").collect().height
    status = lake.status().filter(pl.col("series") == "base")
    assert status["stale"].item() == 1
    report = lake.build("base")
    if how in ("foreign", "newer"):
        assert list(report.failed) == lake.build("base", dry_run=True).built
        assert match in str(next(iter(report.failed.values())))
        bars_file(lake).unlink()
        report = lake.build("base")
    assert [unit.period for unit in report.built] == ["2024-01"]
    assert files_of(lake.path) == before


def test_values_that_are_not_those_written(lake: rb.Lake) -> None:
    """Only `deep` reads values; another program may also have written the file anew with the old footer."""
    file = trades_file(lake)
    there = {
        key.decode(): value.decode() for key, value in pq.read_metadata(file).metadata.items() if b"rangebar" in key
    }
    pl.read_parquet(file, hive_partitioning=False).with_columns(pl.col("price") + 1).write_parquet(file, metadata=there)
    assert lake.verify().is_empty()
    assert lake.verify(deep=True).rows() == [(str(file), "its values are not those that were written (`digest`)")]
    file.unlink()
    lake.add(ROWS, venue=VENUE, symbol="A")
    rewritten(file, first_id="1")
    assert "`first_id`" in lake.verify(deep=True)["fault"].item()


def test_strange_files(lake: rb.Lake) -> None:
    """Whatever lies among the files is named; nothing reads or removes it."""
    strange = [
        "trades/notes.txt",
        "trades/venue=x/trades.parquet",
        f"trades/venue={VENUE}/symbol=A/date=2024-01-31/trades.parquet.tmp",
        f"trades/venue={VENUE}/symbol=A/date=2024-1-31/trades.parquet",
        f"trades/venue={VENUE}/symbol=A/date=20240131/trades.parquet",
        f"trades/venue={VENUE}/symbol=a%2fb/date=2024-01-31/trades.parquet",
        f"bars/series=base/venue={VENUE}/symbol=A/bars.parquet",
    ]
    for name in strange:
        (lake.path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(trades_file(lake), lake.path / name)
    faults = lake.verify(deep=True)
    assert sorted(faults["file"]) == sorted(str(lake.path / name) for name in strange)
    assert set(faults["fault"]) == {"no file of a lake"}
    assert lake.verify(symbols="A").height == len(strange)
    assert lake.trades().collect().height == ROWS.height
    assert not lake.build("base").built
    lake.repair()
    assert all((lake.path / name).exists() for name in strange)


def test_bars_without_a_definition(lake: rb.Lake) -> None:
    (lake.path / "series" / "ever.toml").unlink()
    faults = lake.verify()
    assert set(faults["fault"]) == {"its series is not defined"}
    assert faults.height == 2
    with pytest.raises(rb.RangeBarError, match="the lake has no series 'ever': define it with"):
        lake.build("ever")
    lake.series("ever", **SERIES["ever"])
    assert not lake.build("ever").built


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "has a parameter that|does not define a series"),
        ("rules = [", "does not define a series"),
        ("\x00\xff", "does not define a series"),
        ('colour = "red"', "has a parameter that this version does not know"),
        ('reset = "1h"', "does not define a series"),
    ],
)
def test_a_spoiled_series(lake: rb.Lake, text: str, match: str) -> None:
    file = lake.path / "series" / "base.toml"
    file.write_text(text if "=" not in text or "rules" in text else file.read_text().replace('reset = "1mo"', text))
    for call in (lake.build, lake.bars, lake.series, lake.status, lake.gaps):
        with pytest.raises(rb.LakeFileError, match=match):
            call()
    (fault,) = lake.verify().rows()
    assert fault[0] == str(file)
    assert not lake.build("ever").failed


def test_a_series_that_was_altered_by_hand(lake: rb.Lake) -> None:
    file = lake.path / "series" / "base.toml"
    file.write_text(file.read_text().replace("1000", "700"))
    with pytest.raises(rb.RangeBarError, match="other parameters than those of Series"):
        lake.bars("A")
    assert len(lake.build("base").built) == 2
    wanted = bars_of(ROWS, "base", threshold_dbps=[250, 700])
    assert_frame_equal(lake.bars("A").collect().drop("venue", "symbol"), wanted)
    with pytest.raises(rb.RangeBarError, match="is there with other parameters"):
        lake.series("base", **SERIES["base"])


@pytest.mark.parametrize("name", SERIES)
def test_a_definition_comes_back(tmp_path: Path, name: str) -> None:
    lake = rb.Lake(tmp_path)
    first = lake.series(name, **SERIES[name])
    assert lake.series(name, **SERIES[name]) == first == lake.series(name)
    assert lake.series(name).params == first.params


@given(data=st.data())
def test_noise_in_a_footer(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A footer with a byte or two of noise is as it was, or the file is named."""
    lake = rb.Lake(tmp_path_factory.mktemp("lake"))
    lake.add(ROWS[:10], venue=VENUE, symbol="A")
    file = trades_file(lake, "2024-01-30")
    right = bytearray(file.read_bytes())
    size = int.from_bytes(right[-8:-4], "little") + 8
    for _ in range(data.draw(st.integers(1, 2))):
        right[-data.draw(st.integers(1, size))] = data.draw(st.integers(0, 255))
    file.write_bytes(right)
    if lake.verify(deep=True).is_empty():
        assert_frame_equal(lake.trades("A", columns=ROWS.columns).collect(), ROWS[:10])


@pytest.mark.parametrize("name", ["a[1]*{x}?", "venue=foo/date=2020/symbol=Q", "b %20c~.parquet"])
def test_any_folder(tmp_path: Path, name: str) -> None:
    """What the folders above a lake are called means nothing."""
    lake = rb.Lake(tmp_path / name)
    lake.add(ROWS[:15], venue=VENUE, symbol="A")
    lake.add(ROWS, venue=VENUE, symbol="A")
    lake.series("base", **SERIES["base"])
    assert len(lake.build("base").built) == 2
    trades = lake.trades().collect()
    assert_frame_equal(trades.select(ROWS.columns), ROWS)
    assert trades.select("venue", "symbol", "date").unique().height == 4
    assert set(trades["venue"]) == {VENUE}
    assert_frame_equal(lake.bars("A").collect().drop("venue", "symbol"), bars_of(ROWS, "base"))
    assert lake.verify(deep=True).is_empty()


def test_one_of_several_rules(lake: rb.Lake) -> None:
    lake.series("weeks", **SERIES["weeks"])
    lake.build("weeks")
    for rule in (rb.Range(points=0.5), 500):
        bars = lake.bars("A", series="weeks", threshold_dbps=rule).drop("venue", "symbol", "rule").collect()
        assert_frame_equal(
            bars, bars_of(ROWS, "weeks", threshold_dbps=[rule]).drop("rule", "threshold_dbps", strict=False)
        )
    assert_frame_equal(
        lake.bars("A", threshold_dbps=250).drop("venue", "symbol").collect(),
        bars_of(ROWS, "base", threshold_dbps=[250]),
    )


def test_parameters_are_a_format() -> None:
    """Bars of other parameters are stale: a text that changes would have every lake built anew."""
    assert Series("base", Request.of([250], reset="1mo")).params == (
        '{"by":[],"features":null,"include_incomplete":false,"include_orphans":false,"intra":false,"lookback":null,'
        '"max_gap":null,"max_groups":null,"max_step":"14610d","names":{},"overlap":"error","reset":"1mo",'
        '"rules":[{"dbps":250,"rule":"range"}],"same_timestamp_gate":true,"time_unit":null}'
    )


def test_a_folder_that_is_no_lake(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(rb.RangeBarError, match="holds something else"):
        rb.Lake(tmp_path)
    with pytest.raises(rb.RangeBarError, match="is no lake: make one with"):
        rb.Lake(tmp_path / "new", create=False)
    assert not (tmp_path / "new").exists()
    lake = rb.Lake(tmp_path / "new" / "lake")
    for text in ("", "format = 2", 'format = 1\ntime_unit = "s"', "format = "):
        lake.path.joinpath("lake.toml").write_text(text)
        with pytest.raises(rb.LakeFileError, match=r"lake\.toml"):
            rb.Lake(lake.path)


def test_what_is_asked_for(lake: rb.Lake) -> None:
    """Questions that mean nothing are errors, and not empty answers."""
    wrong: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
        (lake.trades, {"symbols": "B"}, "the lake has no trades of 'B': it has `A`"),
        (lake.trades, {"venue": "nyse"}, "the lake has no venue 'nyse': it has `binance-spot`"),
        (lake.trades, {"columns": ["prise"]}, "column `prise` not found"),
        (lake.trades, {"start": "yesterday"}, "`start` must be a date or a time"),
        (lake.trades, {"start": "2024-02-01", "end": "2024-01-01"}, "`end` must not be before `start`"),
        (lake.bars, {"series": "bose"}, "the lake has no series 'bose'"),
        (lake.bars, {"threshold_dbps": 300}, r"has no threshold 300: it has \[250, 1000\]"),
        (lake.build, {"symbols": ["A", "B"]}, "the lake has no trades of 'B'"),
        (lake.build, {"on_error": "skip"}, '`on_error` must be "continue" or "raise"'),
        (lake.trades, {"symbols": 5}, "`symbols` must be a text or a list of texts, got 5"),
        (lake.trades, {"venue": 5}, "a venue needs a name that a folder can have, got 5"),
        (lake.trades, {"columns": [5]}, r"`columns` must be a text or a list of texts, got \[5\]"),
        (
            lake.build,
            {"workers": 0},
            "`workers` must be an integer from 1 to 1,024, or None for as many as CPUs, got 0",
        ),
        (lake.build, {"workers": "2"}, "`workers` must be an integer from 1 to 1,024, or None"),
        (lake.build, {"lock_seconds": -1}, "`lock_seconds` must be a number of seconds from 0 to 31,622,400, got -1"),
        (lake.build, {"lock_seconds": float("nan")}, "`lock_seconds` must be a number of seconds"),
        (
            lake.series,
            {"name": "new", "threshold_dbps": 250, "rest": "1d"},
            "a series has no `rest`: its parameters are",
        ),
        (lake.series, {"name": "new", "reset": "1d"}, "needs `threshold_dbps` to define one"),
        (lake.series, {"name": "new", "threshold_dbps": 250, "by": "x"}, "a series has no `by`"),
        (lake.series, {"name": "../new", "threshold_dbps": 0}, "`threshold_dbps` must be an integer"),
    ]
    for call, options, match in wrong:
        with pytest.raises(rb.RangeBarError, match=match):
            call(**options)
    lake.add(ROWS, venue="other", symbol="A")
    with pytest.raises(rb.RangeBarError, match="'A' is on several venues, `binance-spot`, `other`: name one"):
        lake.trades("A")
    assert lake.trades(["A", "A"], venue="other", columns="price").collect().height == ROWS.height
