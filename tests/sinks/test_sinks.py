"""Contract of `sink_bars` with files: the whole query or what was there before, its options and its state."""

from __future__ import annotations

import itertools
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._sinks import FAILURES, KEY, OLD, OwnError, blocks


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.usefixtures("draft")
def test_a_query_that_fails_changes_nothing(case: str, exists: bool, trades: pl.DataFrame, tmp_path: Path) -> None:
    make, options, kind, text = FAILURES[case]
    file = tmp_path / "bars.parquet"
    if exists:
        OLD.write_parquet(file)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for _ in range(3):
        state = rb.BarState()
        given = {**options, "state": state} if "state" in options else options
        with pytest.raises(kind, match=text):
            rb.sink_bars(make(trades, state), file, **given)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    time.sleep(0.1)  # Polars may go on writing after it has raised
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_exception_is_the_object_that_was_raised(tmp_path: Path) -> None:
    """With its attributes and its cause, not a copy with the same text."""
    mine = OwnError("mine")

    def source(*_: object) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"a": [1]})
        raise mine from KeyError("cause")

    with pytest.raises(OwnError) as raised:
        rb.sink_bars(register_io_source(source, schema={"a": pl.Int64()}), tmp_path / "a.parquet")
    assert raised.value is mine
    assert isinstance(mine.__cause__, KeyError)


def test_a_panic_in_the_query_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A panic ends the batches of a query as if there were no more."""

    def panics(batch: pl.DataFrame) -> pl.DataFrame:
        if batch.height and batch["row"][-1] > 500_000:
            raise pl.exceptions.PanicException("mine")
        return batch

    file = tmp_path / "a.parquet"
    OLD.write_parquet(file)
    before = file.read_bytes()
    with pytest.raises(BaseException, match="mine"):
        rb.sink_bars(blocks(50).map_batches(panics, streamable=True), file)
    assert file.read_bytes() == before
    capfd.readouterr()  # Rust tells of panics on stderr


@pytest.mark.usefixtures("draft")
def test_a_query_that_is_stopped_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an engine stops it that wants no more rows: without an error, but not at its end."""

    def stopped(*_: object) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"row": [1], "noise": [2]}, schema_overrides={"noise": pl.UInt64})
        raise GeneratorExit

    file = tmp_path / "a.parquet"
    OLD.write_parquet(file)
    before = file.read_bytes()
    monkeypatch.setattr("rangebar_polars._bars.sinks.batches", stopped)
    with pytest.raises(GeneratorExit):
        rb.sink_bars(blocks(1), file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.usefixtures("draft")
def test_nothing_is_published_that_was_not_guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a Polars that would leave the function for the footer uncalled."""
    plain = pl.LazyFrame.sink_parquet
    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", lambda lf, to, **_: plain(lf, to))
    with pytest.raises(rb.RangeBarError, match=r"^this version of Polars did not ask for the footer"):
        rb.sink_bars(blocks(1), tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("draft")
def test_it_writes_what_the_sink_of_polars_writes(bars: pl.DataFrame, trades: pl.DataFrame, tmp_path: Path) -> None:
    lazy = trades.lazy().rangebar.bars(50, by="symbol")
    for name in ("new.parquet", "new.parquet", "other.parquet"):
        rb.sink_bars(lazy, tmp_path / name)
        assert_frame_equal(pl.read_parquet(tmp_path / name), bars, check_exact=True)
    rb.sink_bars(lazy.filter(symbol="BBB").select("close").head(7), str(tmp_path / "new.parquet"))
    assert pl.read_parquet(tmp_path / "new.parquet").equals(bars.filter(symbol="BBB").select("close").head(7))
    rb.sink_bars(lazy.filter(symbol="none"), tmp_path / "empty.parquet")
    assert pl.read_parquet(tmp_path / "empty.parquet").equals(bars.clear())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.parquet", "new.parquet", "other.parquet"]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["a", "b"], dtype=pl.Categorical),
        pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
        pl.Series(["1.50", None]).str.to_decimal(scale=2),
        pl.Series([0, None]).cast(pl.Datetime("ns", "Asia/Tokyo")),
        pl.Series([[1], [2, 3]]),
        pl.Series([[1, 2], None], dtype=pl.Array(pl.Int8, 2)),
        pl.Series([{"a": 1, "b": "x"}, None]),
        pl.Series([b"x", None]),
        pl.Series([None, None]),
    ],
    ids=lambda column: str(column.dtype)[:12],
)
def test_every_dtype_comes_out_as_of_the_sink_of_polars(column: pl.Series, tmp_path: Path) -> None:
    query = pl.LazyFrame({"column": column})
    rb.sink_bars(query, tmp_path / "ours.parquet")
    query.sink_parquet(tmp_path / "theirs.parquet")
    ours = pl.read_parquet(tmp_path / "ours.parquet")
    assert ours.schema == {"column": column.dtype}
    assert_frame_equal(ours, pl.read_parquet(tmp_path / "theirs.parquet"))


@given(st.lists(st.integers(0, 3_000), max_size=6))
def test_any_blocks_come_out_in_order(tmp_path_factory: pytest.TempPathFactory, heights: list[int]) -> None:
    frames = [pl.DataFrame({"row": pl.int_range(height, eager=True)}) for height in heights]
    query = register_io_source(lambda *_: iter(frames), schema={"row": pl.Int64()})
    file = tmp_path_factory.mktemp("blocks") / "a.parquet"
    rb.sink_bars(query, file)
    assert_frame_equal(pl.read_parquet(file), pl.concat([pl.DataFrame(schema={"row": pl.Int64}), *frames]))


def test_options_are_those_of_the_sink(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "a.parquet"
    with pytest.raises(FileNotFoundError, match=r"folder '.*folder' does not exist: create it, or pass mkdir=True"):
        rb.sink_bars(blocks(3), file)
    options: dict[str, Any] = {"compression": "uncompressed", "row_group_size": 500, "statistics": False}
    rb.sink_bars(blocks(3), file, mkdir=True, metadata={"who": "me"}, lazy=False, **options)
    uncompressed = file.stat().st_size
    assert pl.read_parquet_metadata(file)["who"] == "me"
    rb.sink_bars(blocks(3), file, metadata=lambda _: {"who": "she"})
    assert file.stat().st_size < uncompressed
    assert pl.read_parquet_metadata(file)["who"] == "she"
    assert pl.read_parquet(file).height == 60_000


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((OLD, "a.parquet"), {}, r"^`sink_bars` takes a LazyFrame, got DataFrame: call `.lazy\(\)` on a DataFrame$"),
        ((None, "a.parquet"), {}, "^`sink_bars` takes a LazyFrame, got NoneType"),
        ((blocks(1), "a.csv"), {}, "^`path` must end with .parquet, got 'a.csv'$"),
        ((blocks(1), "a"), {}, "^`path` must end with .parquet"),
        ((blocks(1), "s3://bucket/a.csv"), {}, "^`path` must end with .parquet"),
        ((blocks(1), 7), {}, "^`path` must be the name of a file or the address of an object, got 7$"),
        ((blocks(1), b"a.parquet"), {}, "^`path` must be the name of a file"),
        ((blocks(1), pl.PartitionBy("a.parquet", key="row")), {}, "^`path` must be the name of a file"),
        ((blocks(1), "a.parquet"), {"lazy": True}, "writes one file: leave `lazy` out$"),
        ((blocks(1), "a.parquet"), {"optimizations": pl.QueryOptFlags.none()}, "leave `optimizations` out$"),
        ((blocks(1), "a.parquet"), {"sinked_paths_callback": print}, "leave `sinked_paths_callback` out$"),
        ((blocks(1), "a.parquet"), {"state": b"bytes"}, "^`state` must be the BarState that was passed to `bars`, got"),
        ((blocks(1), "a.parquet"), {"metadata": {KEY: "x"}}, "^`metadata` must not contain the key 'rangebar_polars"),
    ],
)
def test_arguments_that_are_refused(
    arguments: tuple[Any, Any], options: dict[str, Any], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rb.RangeBarError, match=text):
        rb.sink_bars(*arguments, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("draft")
def test_a_folder_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(rb.RangeBarError, match=r"^`path` must name a file, but '.*' is something else"):
        rb.sink_bars(blocks(1), tmp_path / "a.parquet")


@pytest.mark.usefixtures("draft")
def test_a_query_may_read_the_file_that_it_replaces(trades: pl.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "trades.parquet"
    trades.write_parquet(file, row_group_size=1_000)
    rb.sink_bars(pl.scan_parquet(file).rangebar.with_bar_id(50, by="symbol"), file)
    numbered = trades.lazy().rangebar.with_bar_id(50, by="symbol").collect()
    assert_frame_equal(pl.read_parquet(file), numbered)
    rb.sink_bars(pl.scan_parquet(file).filter(symbol="AAA"), file)
    assert_frame_equal(pl.read_parquet(file), numbered.filter(symbol="AAA"))
    rb.sink_bars(pl.scan_parquet(tmp_path / "*.parquet").rangebar.bars(50), file)  # one part of a folder
    assert_frame_equal(pl.read_parquet(file), trades.filter(symbol="AAA").rangebar.bars(50))


@pytest.mark.usefixtures("draft")
def test_a_file_is_there_or_not_while_it_is_written(tmp_path: Path) -> None:
    """Who reads the folder meanwhile sees the old file whole; on Linux it sees nothing else."""
    file = tmp_path / "a.parquet"
    OLD.write_parquet(file)
    seen: list[tuple[int, list[str]]] = []

    def source(*_: object) -> Iterator[pl.DataFrame]:
        for block in range(20):
            seen.append((pl.read_parquet(file).height, sorted(path.name for path in tmp_path.iterdir())))
            yield pl.DataFrame({"row": [block]})

    rb.sink_bars(register_io_source(source, schema={"row": pl.Int64()}), file)
    assert len(seen) == 20
    assert {height for height, _ in seen} == {OLD.height}
    assert pl.read_parquet(file).height == 20
    for _, names in seen:
        others = [name for name in names if name != file.name]
        if hasattr(os, "O_TMPFILE"):  # unless the fixture took it away
            assert others == []
        else:
            assert len(others) == 1
            assert re.fullmatch(r"\.sink_bars-\w{16}\.tmp", others[0])


@pytest.mark.skipif(os.name == "nt", reason="permissions and links of POSIX")
@pytest.mark.usefixtures("draft")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        rb.sink_bars(blocks(1), tmp_path / "new.parquet")
    finally:
        os.umask(old)
    assert (tmp_path / "new.parquet").stat().st_mode & 0o777 == 0o640
    (tmp_path / "new.parquet").chmod(0o604)
    (tmp_path / "link.parquet").symlink_to("new.parquet")
    rb.sink_bars(blocks(2), tmp_path / "link.parquet")
    assert (tmp_path / "link.parquet").is_symlink()
    assert pl.read_parquet(tmp_path / "new.parquet").height == 40_000
    assert (tmp_path / "new.parquet").stat().st_mode & 0o777 == 0o604


def test_addresses_of_files_and_the_home_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    rb.sink_bars(blocks(1), "~/a.parquet")
    rb.sink_bars(blocks(1), (tmp_path / "b c.parquet").as_uri())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b c.parquet"]
    with pytest.raises(rb.RangeBarError, match="must be a file or an object of a store"):
        rb.sink_bars(blocks(1), "other://bucket/a.parquet")


@pytest.mark.usefixtures("draft")
def test_two_sinks_at_once_leave_one_of_both(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    threads = [
        threading.Thread(target=rb.sink_bars, args=(blocks(20, size=1_000 * (number + 1)), file)) for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pl.read_parquet(file).height in {20_000, 40_000, 60_000}
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


# ------------------------------------------------------------------------------------- bars and their state


@pytest.mark.parametrize("frame", [pl.DataFrame(schema={"row": pl.Int64}), OLD])
def test_a_file_without_state_says_so(frame: pl.DataFrame, tmp_path: Path) -> None:
    frame.write_parquet(tmp_path / "a.parquet")
    with pytest.raises(rb.RangeBarError, match=r"holds no state: write it with `sink_bars\(..., state=...\)`$"):
        rb.read_state(tmp_path / "a.parquet")
    frame.write_parquet(tmp_path / "a.parquet", metadata={KEY: "no base64!"})
    with pytest.raises(rb.RangeBarError, match=r"is not Base64: another program has altered the file$"):
        rb.read_state(str(tmp_path / "a.parquet"))


@given(st.lists(st.integers(0, 60_000), max_size=4))
def test_days_with_their_states_are_one_query(
    tmp_path_factory: pytest.TempPathFactory, trades: pl.DataFrame, bars: pl.DataFrame, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("days")
    inner = trades.sort("timestamp", maintain_order=True)
    bounds = [0, *sorted(cuts), inner.height]
    state = rb.BarState()
    files = []
    for number, (begin, end) in enumerate(itertools.pairwise(bounds)):
        file = folder / f"{number}.parquet"
        day = inner.slice(begin, end - begin).lazy().rangebar.bars(50, by="symbol", state=state)
        rb.sink_bars(day.with_columns(day=number), file, state=state, metadata={"day": str(number)})
        assert rb.read_state(file)._before == state.checkpoint()  # noqa: SLF001
        assert pl.read_parquet_metadata(file)["day"] == str(number)
        state = rb.read_state(file)
        files.append(file)
    key = ["symbol", "first_agg_trade_id"]
    assert_frame_equal(pl.read_parquet(files).drop("day").sort(key), bars.sort(key), check_exact=True)


def test_a_state_of_an_earlier_query_is_not_published(trades: pl.DataFrame, tmp_path: Path) -> None:
    """It says where the bars of another file end."""
    state = rb.BarState()
    trades.head(10_000).rangebar.bars(50, by="symbol", state=state)
    with pytest.raises(rb.RangeBarError, match="the query has left nothing in `state`"):
        rb.sink_bars(trades.lazy().rangebar.bars(50, by="symbol"), tmp_path / "a.parquet", state=state)
    assert list(tmp_path.iterdir()) == []


def test_an_overwritten_day_keeps_the_state_of_its_own(trades: pl.DataFrame, tmp_path: Path) -> None:
    """One file, one rename: a run that fails leaves the old bars with the old state."""
    file = tmp_path / "day.parquet"
    state = rb.BarState()
    rb.sink_bars(trades.head(30_000).lazy().rangebar.bars(50, by="symbol", state=state), file, state=state)
    before, data = pl.read_parquet(file), state.checkpoint()
    again = rb.BarState()
    query = (
        trades.lazy().rangebar.bars(50, by="symbol", state=again).with_columns(pl.col("agg_record_count").cast(pl.Int8))
    )
    with pytest.raises(pl.exceptions.InvalidOperationError):
        rb.sink_bars(query, file, state=again)
    assert pl.read_parquet(file).equals(before)
    assert rb.read_state(file)._before == data  # noqa: SLF001
