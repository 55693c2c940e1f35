"""The progress bar: it shows what is read, changes nothing, and ends with the query."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.io.plugins import register_io_source

import rangebar_polars as rb
from tests._routes import assert_same_bars

SYMBOLS = ["A", "B"]


@pytest.fixture
def lake(tmp_path: Path) -> pl.LazyFrame:
    trades = rb.datasets.sample_trades(60_000, symbols=SYMBOLS)
    for (symbol,), part in trades.partition_by("symbol", as_dict=True).items():
        part.write_parquet(tmp_path / f"{symbol}.parquet", row_group_size=10_000)
    return pl.scan_parquet(tmp_path / "*.parquet")


def test_bars_are_the_same_and_all_trades_are_shown(lake: pl.LazyFrame, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lake.rangebar.bars(100, by="symbol", progress=True).collect()
    said = capsys.readouterr().err
    assert_same_bars(shown, lake.rangebar.bars(100, by="symbol").collect())
    assert capsys.readouterr().err == ""
    last = lake.select(pl.col("timestamp").last()).collect().item()
    assert "range bars: 100%" in said
    assert "60.0k/60.0k" in said
    assert f"at {last}" in said


def test_what_is_not_read_does_not_count(lake: pl.LazyFrame, capsys: pytest.CaptureFixture[str]) -> None:
    rows = lake.filter(symbol="A").select(pl.len()).collect().item()
    numbered = lake.rangebar.with_bar_id(100, by="symbol", progress=True).filter(symbol="A").collect()
    assert numbered.height == rows
    shown = capsys.readouterr().err
    assert f"{rows / 1_000:.1f}k trades" in shown
    assert "%" not in shown  # how many rows the filter leaves cannot be known without reading


def test_a_query_that_stops_early_ends_the_bar(lake: pl.LazyFrame, capsys: pytest.CaptureFixture[str]) -> None:
    assert lake.rangebar.bars(100, by="symbol", progress=True).head(2).collect().height == 2
    assert capsys.readouterr().err.endswith("\n")


def test_a_query_that_fails_ends_the_bar(lake: pl.LazyFrame, capsys: pytest.CaptureFixture[str]) -> None:
    last = lake.select(pl.col("timestamp").last()).collect().item()
    broken = lake.with_columns(pl.when(pl.col("timestamp") != last).then("price").alias("price"))
    with pytest.raises(rb.RangeBarError, match="price"):
        broken.rangebar.bars(100, by="symbol", progress=True).collect()
    assert capsys.readouterr().err.endswith("\n")


def test_a_frame_in_memory(capsys: pytest.CaptureFixture[str]) -> None:
    trades = rb.datasets.sample_trades(1_000, symbols=SYMBOLS)
    trades.rangebar.bars(100, by="symbol", progress=True)
    trades.rangebar.with_bar_id(100, by="symbol", progress=True)
    assert capsys.readouterr().err.count("1.00k/1.00k") >= 2


def test_without_tqdm_it_is_said_at_once(lake: pl.LazyFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ModuleNotFoundError, match=r'needs tqdm: pip install "rangebar_polars\[progress\]"'):
        lake.rangebar.bars(100, progress=True)


def test_it_is_true_or_false(lake: pl.LazyFrame) -> None:
    with pytest.raises(rb.RangeBarError, match="`progress` must be True or False, got 'yes'"):
        lake.rangebar.bars(100, progress="yes")


@pytest.mark.parametrize("progress", [False, True])
def test_a_source_that_can_be_read_once_is_read_once(progress: bool, capsys: pytest.CaptureFixture[str]) -> None:
    trades = rb.datasets.sample_trades(20_000)
    queue = trades.iter_slices(1_000)

    def source(columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
        for frame in queue:
            yield frame if columns is None else frame.select(columns)

    state = rb.BarState()
    bars = register_io_source(source, schema=trades.schema).rangebar.bars(50, progress=progress, state=state).collect()
    assert_same_bars(bars, trades.rangebar.bars(50))
    assert rb.BarStream.restore(state.checkpoint()).pending().height == 1
    assert "%" not in capsys.readouterr().err  # how many there will be, nobody knows


def test_a_function_in_the_query_sees_each_row_once() -> None:
    trades = rb.datasets.sample_trades(20_000)
    seen: list[int] = []

    def count(frame: pl.DataFrame) -> pl.DataFrame:
        seen.append(frame.height)
        return frame

    trades.lazy().map_batches(count, streamable=True).rangebar.bars(50, progress=True).collect()
    assert sum(seen) == trades.height


class Broken(io.StringIO):
    """A stderr that fails, at once or later."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self._left = writes

    def write(self, text: str, /) -> int:
        self._left -= 1
        if self._left < 0:
            raise OSError(28, "No space left on device")
        return len(text)


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stderr", [None, closed(), Broken(0), Broken(1), Broken(3)])
def test_a_display_that_fails_does_not_end_the_query(
    lake: pl.LazyFrame, stderr: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = lake.rangebar.bars(100, by="symbol").collect()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr("rangebar_polars._engine.progress._SECONDS_BETWEEN", 0.0)
    shown = lake.rangebar.bars(100, by="symbol", progress=True).collect()
    monkeypatch.undo()
    assert_same_bars(shown, expected)
