"""Contract of the sample trades: the same everywhere, valid input by `docs/columns.md`, one lake = one frame."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from rangebar_polars import DataFrameRangeBar, RangeBarError, ReadReport, scan_binance
from rangebar_polars.datasets import _synthetic, sample_trades, write_sample_archives, write_sample_lake
from rangebar_polars.datasets._synthetic import TRADE_SCHEMA, TradeTape
from tests._alone import run as run_alone
from tests._paths import ROOT

SYMBOLS = ["BTCUSDT", "XRPUSDT", "made.up-1"]
GRID = {"BTCUSDT": (2, 5), "ETHUSDT": (2, 4), "SOLUSDT": (2, 3), "XRPUSDT": (4, 0), "DOGEUSDT": (5, 0)}
"""Decimals of the tick and of the lot."""


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    return sample_trades(300_000, symbols=SYMBOLS, seed=5)


def _raw(column: str) -> pl.Expr:
    return (pl.col(column) * 1e8).round().cast(pl.Int64)


def test_rows_are_pinned() -> None:
    sums = sample_trades(20_000, symbols=["BTCUSDT", "XRPUSDT"], seed=3).select(
        pl.col("timestamp").dt.epoch("ms").sum(),
        pl.col("agg_trade_id").sum(),
        _raw("price").sum(),
        _raw("quantity").sum(),
        pl.col("first_trade_id", "last_trade_id", "is_buyer_maker").sum(),
    )
    assert sums.rows() == [
        (
            34081352616282806,
            31710045400000,
            42269276751020000,
            2982800484324000,
            63420054190178,
            63420054203354,
            10036,
        )
    ]


def test_hash_is_splitmix64() -> None:
    mask = 2**64 - 1

    def splitmix64(state: int) -> int:
        z = (state + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    # First output of the reference implementation for the seed 0.
    assert splitmix64(0) == 0xE220A8397B1DCDAF
    rows = pl.select(row=pl.int_range(1, 1000, dtype=pl.UInt64))
    drawn = rows.select(_synthetic.random_bits(pl.col("row"), 17))
    assert drawn.to_series().to_list() == [
        splitmix64(((row - 1) * 0x9E3779B97F4A7C15 + 17) & mask) for row in range(1, 1000)
    ]


@pytest.mark.parametrize("affinity", ["in-memory", "streaming"])
def test_engine_and_process_do_not_matter(affinity: str) -> None:
    code = "from rangebar_polars.datasets import sample_trades as s; print(s(3000, seed=9).hash_rows(1).sum())"
    out = run_alone(code, POLARS_ENGINE_AFFINITY=affinity)
    assert int(out) == sample_trades(3000, seed=9).hash_rows(1).sum()


def test_schema_and_shares() -> None:
    frame = sample_trades(8, symbols=SYMBOLS)
    assert frame.schema == TRADE_SCHEMA
    assert frame["symbol"].rle().struct.unnest().rows() == [(3, SYMBOLS[0]), (3, SYMBOLS[1]), (2, SYMBOLS[2])]
    assert_frame_equal(sample_trades(0), pl.DataFrame(schema=TRADE_SCHEMA))
    assert_frame_equal(sample_trades(9, symbols="XRPUSDT"), sample_trades(9, symbols=["XRPUSDT"]))


def test_input_rules(trades: pl.DataFrame) -> None:
    assert trades.null_count().row(0) == (0,) * trades.width
    assert trades.filter(pl.col("first_trade_id") > pl.col("last_trade_id")).is_empty()
    assert trades.filter((pl.col("price") <= 0) | (pl.col("quantity") <= 0)).is_empty()
    for frame in trades.partition_by("symbol"):
        assert frame["timestamp"].is_sorted()
        assert frame["agg_trade_id"].diff().drop_nulls().unique().to_list() == [1]
        assert (frame["first_trade_id"] == frame["last_trade_id"].shift() + 1)[1:].all()


@pytest.mark.parametrize("symbol", GRID)
def test_prices_and_sizes_are_the_doubles_on_the_grid(symbol: str) -> None:
    frame = sample_trades(5_000, symbols=symbol, seed=1)
    for column, decimals in zip(("price", "quantity"), GRID[symbol], strict=True):
        for value in frame[column].to_list():
            assert float(str(round(Decimal(value), decimals))) == value


def test_shape_is_that_of_a_market() -> None:
    frame = sample_trades(1_000_000)
    pause = pl.col("timestamp").diff()
    maker = pl.col("is_buyer_maker")
    individual = pl.col("last_trade_id") - pl.col("first_trade_id") + 1
    shape = frame.select(
        same_time=(pause == timedelta(0)).mean(),
        longest_pause=pause.max(),
        days=(pl.col("timestamp").last() - pl.col("timestamp").first()) / timedelta(days=1),
        most_rows_at_once=pl.col("timestamp").rle().struct.field("len").max(),
        buys=maker.not_().mean(),
        same_side=(maker == maker.shift()).mean(),
        same_price=(pl.col("price").diff() == 0).mean(),
        several=(individual > 1).mean(),
        tail=pl.col("quantity").quantile(0.99) / pl.col("quantity").median(),
    ).row(0, named=True)
    assert 0.3 < shape["same_time"] < 0.6
    assert timedelta(hours=1) < shape["longest_pause"] < timedelta(hours=8)
    assert 1 < shape["days"] < 4
    assert shape["most_rows_at_once"] > 100
    assert 0.48 < shape["buys"] < 0.52
    assert 0.7 < shape["same_side"] < 0.8
    assert 0.4 < shape["same_price"] < 0.7
    assert 0.05 < shape["several"] < 0.2
    assert shape["tail"] > 50
    bars = DataFrameRangeBar(frame).bars(250)
    assert 5_000 < frame.height / bars.height < 20_000


def test_walk_is_reflected_at_a_quarter_of_the_first_price() -> None:
    tape = TradeTape("XRPUSDT", 0, 0)
    tape._walk = -(6_154 - 6_154 // 4) * 4096  # noqa: SLF001
    prices = pl.concat(tape.take(200_000))["price"]
    assert prices.min() == pytest.approx(0.1538, abs=1e-9)
    assert prices.ge(0.16).any()


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(0, 2**64 - 1))
def test_parts_are_the_whole(parts: list[int], seed: int) -> None:
    tape = TradeTape("BTCUSDT", seed, 1_704_067_200_000)
    drawn = pl.concat([chunk for part in parts for chunk in tape.take(part)])
    assert_frame_equal(drawn, sample_trades(sum(parts), seed=seed))


def test_fewer_rows_are_the_first_rows_across_internal_chunks() -> None:
    assert_frame_equal(sample_trades(600_000).head(1_000), sample_trades(1_000))
    joint = sample_trades(600_000).slice(262_100, 100)
    assert joint["agg_trade_id"].diff().drop_nulls().unique().to_list() == [1]
    assert joint["timestamp"].is_sorted()


def test_start_shifts_the_times_only() -> None:
    first = sample_trades(100)
    later = sample_trades(100, start=datetime(2025, 6, 1))  # noqa: DTZ001  (UTC is meant)
    assert later["timestamp"][0] >= datetime(2025, 6, 1, tzinfo=UTC)
    shift = datetime(2025, 6, 1, tzinfo=UTC) - datetime(2024, 1, 1, tzinfo=UTC)
    assert_frame_equal(first.with_columns(pl.col("timestamp") + shift), later)
    zoned = datetime(2025, 6, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert_frame_equal(sample_trades(100, start=zoned), later)


def test_seeds_and_symbols_differ() -> None:
    prices = [
        tuple(sample_trades(200, symbols=name, seed=seed)["price"].diff().to_list())
        for seed in (0, 1, 2**64 - 1)
        for name in ("BTCUSDT", "ETHUSDT", "AB", "BA")
    ]
    assert len(set(prices)) == len(prices)


def test_lake_holds_the_rows_of_one_frame(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    files = write_sample_lake(
        tmp_path / "new" / "lake",
        rows=10_001,
        symbols=SYMBOLS,
        rows_per_file=1_500,
        seed=4,
        start=datetime(2024, 1, 1, 23, 59, tzinfo=UTC),
        progress=lambda done, rows: seen.append((done, rows)),
    )
    whole = sample_trades(10_001, symbols=SYMBOLS, seed=4, start=datetime(2024, 1, 1, 23, 59, tzinfo=UTC))
    read = pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])
    assert_frame_equal(read, whole.drop("symbol"))
    names = [file.relative_to(tmp_path / "new" / "lake").as_posix() for file in files]
    assert names[0] == "symbol=BTCUSDT/date=2024-01-01/part-00000.parquet"
    for symbol in SYMBOLS:
        of_symbol = [name for name in names if symbol in name]
        assert of_symbol == sorted(of_symbol)
        assert len({name.split("/")[1] for name in of_symbol}) == 2
    for file in files:
        (date,) = pl.read_parquet(file)["timestamp"].dt.date().unique()
        parts = sorted(part.name for part in file.parent.iterdir())
        assert file.parent.name == f"date={date}"
        assert parts == [f"part-{number:05}.parquet" for number in range(len(parts))]
    heights = [pl.scan_parquet(file).select(pl.len()).collect().item() for file in files]
    assert max(heights) == 1_500
    assert [done for done, _ in seen] == pl.Series(heights).cum_sum().to_list()
    assert {rows for _, rows in seen} == {10_001}


@pytest.mark.parametrize("pattern", ["", "/", "/**/*.parquet"])
@pytest.mark.parametrize("symbols", [["600519", "ETHUSDT"], ["BTCUSDT"]])
def test_lake_is_hive_partitioned(tmp_path: Path, pattern: str, symbols: list[str]) -> None:
    write_sample_lake(tmp_path, rows=3_000, symbols=symbols, rows_per_file=1_000)
    lake = pl.scan_parquet(f"{tmp_path}{pattern}", hive_partitioning=True if "*" in pattern else None)
    whole = sample_trades(3_000, symbols=symbols)
    assert_frame_equal(lake.collect(), whole.select(pl.exclude("symbol"), "symbol", date=pl.col("timestamp").dt.date()))
    expected = whole.rangebar.bars(25, by="symbol")
    assert expected.height > 10
    assert_frame_equal(lake.rangebar.bars(25, by="symbol").collect(), expected, check_exact=True)
    one = lake.rangebar.bars(25, by="symbol").filter(symbol=symbols[0]).collect()
    assert_frame_equal(one, expected.filter(symbol=symbols[0]), check_exact=True)


def _by_polars(trades: pl.DataFrame, lake: Path) -> None:
    target = pl.PartitionBy(lake, key=["symbol", "date"], include_key=False)
    trades.lazy().sink_parquet(target, mkdir=True)


def _by_polars_with_keys(trades: pl.DataFrame, lake: Path) -> None:
    trades.write_parquet(lake, partition_by=["symbol", "date"], mkdir=True)


def _by_duckdb(trades: pl.DataFrame, lake: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")  # of more, each writes a file of its own, in no order
        connection.register("trades", trades)
        connection.execute(f"COPY trades TO '{lake}' (FORMAT parquet, PARTITION_BY (symbol, date))")


def _by_pyarrow(trades: pl.DataFrame, lake: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_to_dataset(trades.to_arrow(), lake, partition_cols=["symbol", "date"])


@pytest.mark.parametrize("write", [_by_polars, _by_polars_with_keys, _by_duckdb, _by_pyarrow])
@pytest.mark.filterwarnings("ignore")  # those of the writers
def test_lakes_of_others_are_read_as_ours(write: Callable[[pl.DataFrame, Path], None], tmp_path: Path) -> None:
    start = datetime(2024, 1, 1, 20, tzinfo=UTC)
    trades = sample_trades(200_000, symbols=["BTCUSDT", "600519"], start=start)
    trades = trades.sort("timestamp", maintain_order=True).with_columns(date=pl.col("timestamp").dt.date())
    assert trades["date"].n_unique() == 2
    write(trades, tmp_path / "lake")
    bars = pl.scan_parquet(f"{tmp_path}/lake/").rangebar.bars(100, by="symbol")
    key = ["symbol", "open_time"]
    expected = trades.rangebar.bars(100, by="symbol").sort(key, maintain_order=True)
    assert_frame_equal(bars.collect().sort(key, maintain_order=True), expected, check_exact=True)


def test_a_key_that_no_file_holds_names_the_option(tmp_path: Path) -> None:
    """As in every hive-partitioned lake that is read by a pattern."""
    write_sample_lake(tmp_path, rows=300)
    pattern = f"{tmp_path}/**/*.parquet"
    remedy = r"^column `symbol` not found.*`hive_partitioning=True`"
    with pytest.raises(RangeBarError, match=remedy):
        pl.scan_parquet(pattern).rangebar.bars(250, by="symbol")
    with pytest.raises(RangeBarError, match=remedy):
        pl.scan_parquet(pattern).filter(pl.col("price") > 0).rangebar.with_bar_id(250, by=["symbol", "date"])


def test_the_first_lines_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    (code,) = re.findall(
        r"^```python\n(import polars.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    write_sample_lake(tmp_path / "lake", rows=400_000)
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    exec(code, known)
    bars = pl.read_parquet("bars.parquet")
    assert_frame_equal(
        bars, sample_trades(400_000, symbols=bars["symbol"].unique().sort().to_list()).rangebar.bars(250, by="symbol")
    )
    assert bars["symbol"].n_unique() == 4


def test_archives_hold_the_rows_of_one_frame(tmp_path: Path) -> None:
    """Before and after the day on which spot archives began to have microseconds."""
    start = datetime(2024, 12, 31, 23, 55, tzinfo=UTC)
    symbols = ["XRPUSDT", "BTCUSDT", "MADE.UP-1"]
    seen: list[tuple[int, int]] = []
    files = write_sample_archives(
        tmp_path / "new" / "zips",
        rows=20_001,
        symbols=symbols,
        seed=4,
        start=start,
        progress=lambda done, rows: seen.append((done, rows)),
    )
    days = ("2024-12-31", "2025-01-01")
    assert [file.name for file in files] == [f"{name}-aggTrades-{day}.zip" for name in symbols for day in days]
    assert sorted(files) == sorted((tmp_path / "new" / "zips").iterdir())
    report = ReadReport()
    read = scan_binance([*files], report=report).collect()
    whole = sample_trades(20_001, symbols=symbols, seed=4, start=start)
    assert_frame_equal(read.select(whole.columns), whole)
    assert report.total == 0
    assert report.frame().is_empty()
    told = report.files()
    assert told["time_unit"].to_list() == ["ms", "us"] * 3
    assert [done for done, _ in seen] == told["rows_returned"].cum_sum().to_list()
    assert {rows for _, rows in seen} == {20_001}


def test_archives_look_like_those_of_the_venue(tmp_path: Path) -> None:
    (file,) = write_sample_archives(tmp_path, rows=300, symbols="BTCUSDT")
    with zipfile.ZipFile(file) as archive:
        (member,) = archive.infolist()
        lines = archive.read(member).decode().splitlines()
    assert member.filename == "BTCUSDT-aggTrades-2024-01-01.csv"
    assert member.compress_type == zipfile.ZIP_DEFLATED
    assert len(lines) == 300
    number = r"\d+\.\d{8}"
    row = re.compile(rf"\d{{10}},{number},{number},\d{{10}},\d{{10}},17040672\d{{5}},(True|False),True")
    assert [line for line in lines if not row.fullmatch(line)] == []


def test_archives_are_the_same_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = write_sample_archives(tmp_path / "first", rows=100, symbols="ETHUSDT")
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    (second,) = write_sample_archives(tmp_path / "second", rows=100, symbols="ETHUSDT")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("write", [write_sample_archives, write_sample_lake])
def test_a_folder_in_use_is_refused(write: Callable[..., list[Path]], tmp_path: Path) -> None:
    (tmp_path / "something").write_text("")
    for path in (tmp_path, tmp_path / "something"):
        with pytest.raises(RangeBarError, match="`path` must be a new or an empty folder"):
            write(path, rows=100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": -1}, r"`rows` must be an integer in 0\.\."),
        ({"rows": 2.0}, "`rows` must be an integer"),
        ({"rows": True}, "`rows` must be an integer"),
        ({"seed": -1}, "`seed` must be an integer in 0"),
        ({"seed": 2**64}, "`seed` must be an integer in 0"),
        ({"symbols": []}, "`symbols` must be one or more distinct names"),
        ({"symbols": ["A", "a"]}, "`symbols` must be one or more distinct names"),
        ({"symbols": ["A/B"]}, "`symbols` must consist of letters, digits"),
        ({"symbols": [".."]}, "`symbols` must consist of letters, digits"),
        ({"symbols": [""]}, "`symbols` must consist of letters, digits"),
        ({"symbols": [7]}, "`symbols` must consist of letters, digits"),
        ({"start": "2024-01-01"}, "`start` must be a datetime"),
        ({"symbols": 7}, "`symbols` must consist of letters, digits"),
    ],
)
def test_invalid_arguments(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RangeBarError, match=message):
        sample_trades(**{"rows": 10, **arguments})
    with pytest.raises(RangeBarError, match=message.replace(r"0\.\.", "")):
        write_sample_lake(tmp_path / "lake", **{"rows": 10, **arguments})
    with pytest.raises(RangeBarError, match=message.replace(r"0\.\.", "")):
        write_sample_archives(tmp_path / "zips", **{"rows": 10, **arguments})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [{"rows": 3}, {"rows_per_file": 0}])
def test_invalid_arguments_of_a_lake(arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RangeBarError, match=f"`{next(iter(arguments))}` must be an integer in"):
        write_sample_lake(tmp_path, **arguments)
