"""Contract layer: what `bars` and `export` write is what the lake has, in each form, and never a part of it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import rangebar_polars as rb
from tests._cli import WIDTHS, shell
from tests._lakes import VENUE

FORMS = ("parquet", "csv", "arrow")


def read(file: str) -> pl.DataFrame:
    readers: dict[str, Any] = {"parquet": pl.read_parquet, "csv": pl.read_csv, "arrow": pl.read_ipc}
    return readers[file.rpartition(".")[2]](file)


def as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """As CSV has it: times in ISO 8601, no Enums."""
    times = [pl.col(name).dt.to_string("iso:strict") for name, dtype in frame.schema.items() if dtype == pl.Datetime]
    return frame.with_columns(*times, *(pl.col(n).cast(pl.String) for n, d in frame.schema.items() if d == pl.Enum))


@pytest.mark.parametrize("form", FORMS)
def test_bars_of_a_series_in_a_file(lake: rb.Lake, form: str) -> None:
    said = shell("bars", "BTCUSDT", "2024-01-28", "2024-02-03", "--series", "base", "-o", f"b.{form}")
    bars = lake.bars("BTCUSDT", "2024-01-28", "2024-02-03").collect()
    assert bars.height > 100
    assert (said.code, said.out) == (0, f"{bars.height} bars in b.{form}\n")
    assert read(f"b.{form}").equals(as_texts(bars) if form == "csv" else bars)


@pytest.mark.parametrize("form", FORMS)
def test_trades_in_a_file(lake: rb.Lake, form: str) -> None:
    words = ["export", "trades", "BTCUSDT", "--start", "2024-01-28", "--end", "2024-01-28", "--output", f"t.{form}"]
    assert shell(*words, "--columns", "timestamp", "price", "--json").document["rows"] == 40
    trades = lake.trades("BTCUSDT", "2024-01-28", "2024-01-28", columns=["timestamp", "price"]).collect()
    assert read(f"t.{form}").equals(as_texts(trades) if form == "csv" else trades)


@pytest.mark.parametrize("form", FORMS)
def test_no_row_is_a_file_with_columns(lake: rb.Lake, form: str) -> None:
    assert shell("export", "bars", "--start", "2030-01-01", "-o", f"none.{form}").code == 0
    assert (read(f"none.{form}").height, read(f"none.{form}").columns) == (0, lake.bars().collect_schema().names())


def test_csv_on_stdout_is_all_that_is_there(lake: rb.Lake) -> None:
    said = shell("export", "bars", "ETHUSDT", "--threshold-dbps", 1_000, "--columns", "close_time", "close", "-o", "-")
    bars = lake.bars("ETHUSDT", threshold_dbps=1_000).select("close_time", "close").collect()
    assert (said.code, said.err) == (0, "")
    assert pl.read_csv(said.out.encode()).equals(as_texts(bars))
    assert shell("bars", "ETHUSDT", "--series", "base", "-o", "-", "--quiet").out.startswith("venue,symbol,open_time,")


def test_clocks_of_nanoseconds_keep_their_digits(here: Path, trades: pl.DataFrame) -> None:
    lake = rb.Lake(here / "lake", time_unit="ns")
    time = pl.col("timestamp").dt.cast_time_unit("ns") + pl.duration(nanoseconds=7)
    lake.add(trades.with_columns(time), venue=VENUE)
    shell("export", "trades", "BTCUSDT", "--columns", "timestamp", "-o", "t.csv")
    assert pl.read_csv("t.csv")["timestamp"][0] == "2024-01-27T00:00:00.000000007+00:00"
    lake.series("base", threshold_dbps=250)
    lake.build("base")
    rows = shell("bars", "BTCUSDT", "--series", "base", "--json").document["bars"]
    assert rows[0]["open_time"] == "2024-01-27T00:00:00.000000007+00:00"


def test_bars_as_backtesting_reads_them(lake: rb.Lake) -> None:
    words = ["export", "bars", "BTCUSDT", "--threshold-dbps", 250, "--to", "backtesting", "--columns", "ofi"]
    assert shell(*words, "-o", "b.csv").code == 0
    frame = pd.read_csv("b.csv", index_col=0, parse_dates=True)
    wanted = lake.bars("BTCUSDT", threshold_dbps=250).rangebar.to_backtesting(symbol="BTCUSDT", extra=["ofi"])
    assert len(frame) > 100
    pd.testing.assert_frame_equal(frame, wanted)
    for words_of_several in (["bars"], ["bars", "BTCUSDT"]):
        said = shell("export", *words_of_several, "--to", "backtesting", "-o", "c.csv")
        assert said.code == 2
        assert "backtesting.py reads one symbol and one threshold" in said.err
        assert "name one symbol, and `--threshold-dbps`" in said.err
    assert shell("export", "bars", "--to", "backtesting", "-o", "c.parquet").code == 2
    for more in (["--to", "backtesting"], []):
        said = shell("export", "bars", "BTCUSDT", "--columns", "nope", "ofi", *more, "-o", "c.csv")
        assert said.code == 2
        assert said.err.startswith("error: the bars have no column `nope`: they have venue, symbol, ")
        assert "SELECT" not in said.err


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what backtesting.py 0.6.6 calls in pandas
@pytest.mark.usefixtures("lake")
def test_backtesting_runs_on_the_file() -> None:
    backtesting: Any = pytest.importorskip("backtesting")
    shell("export", "bars", "BTCUSDT", "--threshold-dbps", 250, "--to", "backtesting", "-o", "b.csv")

    class Once(backtesting.Strategy):  # type: ignore[misc]
        def init(self) -> None: ...

        def next(self) -> None:
            if not self.position:
                self.buy()

    frame = pd.read_csv("b.csv", index_col=0, parse_dates=True)
    assert backtesting.Backtest(frame, Once, cash=1e6, finalize_trades=True).run()["# Trades"] == 1


@pytest.mark.parametrize("form", FORMS)
def test_an_error_leaves_the_file_that_was_there(lake: rb.Lake, here: Path, form: str) -> None:
    """The last of the files of bars is damaged in its data, which is read after the others."""
    shell("export", "bars", "-o", f"b.{form}")
    Path(f"b.{form}").chmod(0o640)
    before, files = Path(f"b.{form}").read_bytes(), sorted(here.iterdir())
    file = max(lake.path.glob("bars/**/bars.parquet"))
    data = bytearray(file.read_bytes())
    data[len(data) // 4 : len(data) // 4 + 600] = bytes(600)
    file.write_bytes(data)
    said = shell("export", "bars", "-o", f"b.{form}")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("error: ")
    assert (Path(f"b.{form}").read_bytes(), sorted(here.iterdir())) == (before, files)
    assert stat.S_IMODE(Path(f"b.{form}").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("b.txt", "must end with .parquet, .csv, .arrow, or be - for CSV on stdout, got 'b.txt'"),
        ("--json", "must end with"),
        ("no/b.csv", "the folder of no/b.csv does not exist: make it first"),
        ("lake.csv", "lake.csv is no file: name another one"),
        ("s3://bucket/b.csv", "only Parquet can be written to a store"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_read(here: Path, output: str, told: str) -> None:
    (here / "lake.csv").mkdir()
    said = shell("export", "bars", "-o", output)  # there is no lake either
    assert said.code == 2
    assert told in said.err


@pytest.mark.usefixtures("lake")
def test_the_document_and_csv_cannot_share_stdout() -> None:
    said = shell("bars", "BTCUSDT", "--series", "base", "-o", "-", "--json")
    assert said.code == 2
    assert said.err == "error: `--json` and `--output -` both want stdout: leave one out, or name a file\n"


@pytest.mark.parametrize("columns", WIDTHS)
def test_bars_on_a_terminal(lake: rb.Lake, columns: int) -> None:
    bars = lake.bars("BTCUSDT", threshold_dbps=250).collect()
    said = shell("bars", "BTCUSDT", "--series", "base", "--threshold-dbps", 250, columns=columns)
    lines = [line.rstrip() for line in said.out.splitlines()]
    assert lines[0] == f"{bars.height} bars"
    assert len(lines) == 3 + 5 + 1 + 5
    assert lines[8] == "..."
    assert lines[-1].startswith(bars["open_time" if columns > 100 else "close_time"][-1].strftime("%Y-%m-%d %H:%M:%S"))
    assert ("OFI" in lines[1]) is (columns > 100)
    assert all(len(line) <= columns for line in lines)
    both = shell("bars", "BTCUSDT", "--series", "base", columns=columns).out.splitlines()
    assert both[1].lstrip().startswith("Dbps  ")
    assert all(len(line.rstrip()) <= columns for line in both)
    few = shell("bars", "BTCUSDT", "2024-02-07T23:00", "--series", "base").out
    assert "..." not in few


@pytest.mark.usefixtures("lake")
def test_a_series_has_its_parameters() -> None:
    said = shell("bars", "BTCUSDT", "--series", "base", "--reset", "1d", "--fetch", "never")
    assert said.code == 2
    assert said.err == ("error: a series has its parameters: leave out `--reset`, `--fetch`, or `--series`\n")
    assert shell("bars", "BTCUSDT", "2024-01-28").code == 2
    assert shell("export", "trades", "--to", "backtesting", "-o", "t.csv").code == 2
