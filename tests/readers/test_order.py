"""Ids rise and time does not go back, within a symbol, over blocks and files: an error, sorted, or left out."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._reader_layouts import START, cut_into, expected, faults, physical
from tests._reader_oracle import Oracle, Row

ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
PRESET = rb.Preset(
    name="ours",
    columns={"symbol": "symbol", "agg_trade_id": "id", "timestamp": "time", "price": "price", "quantity": "size"},
)
HEADER = "symbol,id,time,price,size"
CUTS = st.tuples(st.sampled_from([2, 3, 64]), st.sampled_from([1, 2, 64]))

rows = st.tuples(
    st.sampled_from(["A", "A", "B"]),
    st.one_of(st.integers(1, 6).map(str), st.just("")),
    st.integers(0, 3).map(lambda n: f"{START + n}000"),
    st.sampled_from(["1", "2"]),
).map(lambda row: ",".join(row) + ",1")


def write(folder: Path, texts: list[list[str]]) -> list[Path]:
    """Files of some rows."""
    files = [folder / f"{n}.csv" for n in range(len(texts))]
    for file, lines in zip(files, texts, strict=True):
        file.write_text("\n".join([HEADER, *lines]) + "\n")
    return files


def read(files: list[Path]) -> list[list[Row]]:
    return [Oracle(PRESET, first_lines=2).read(file.read_bytes()) for file in files]


@given(texts=st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=3), cut=CUTS, slow=st.booleans())
@ONE_FOLDER
def test_rows_that_come_late_are_left_out(
    texts: list[list[str]], cut: tuple[int, int], slow: bool, tmp_path: Path
) -> None:
    files = write(tmp_path, texts)
    told = Oracle(PRESET).told(read(files), on_unsorted="drop")
    report = rb.ReadReport()
    with cut_into(cut, is_slow=slow):
        scan = rb.scan_trades(files, preset=PRESET, on_unsorted="drop", on_bad_rows="drop", report=report)
        frame = scan.collect()
    assert physical(frame) == expected(told, frame)
    counts = report.frame().group_by("reason").agg(pl.col("count").sum()).rows()
    assert dict(counts) == {reason: count for (reason, _), (count, *_) in told.faults.items()}
    assert report.total == sum(map(len, texts)) - frame.height


@given(texts=st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=3), cut=CUTS)
@ONE_FOLDER
def test_the_first_of_them_is_an_error_that_names_what_came_before(
    texts: list[list[str]], cut: tuple[int, int], tmp_path: Path
) -> None:
    files = write(tmp_path, texts)
    by_file = read(files)
    first = Oracle(PRESET).told(by_file, on_unsorted="drop").first
    with cut_into(cut):
        if first is None:
            rb.scan_trades(files, preset=PRESET).collect()
            return
        with pytest.raises(rb.RangeBarError) as error:
            rb.scan_trades(files, preset=PRESET).collect()
    number = next(n for n, each in enumerate(by_file) if _has(each, by_file))
    assert f"{number}.csv, line {first.line}: " in str(error.value)
    assert repr(first.text) in str(error.value)
    if first.reason == "backwards":
        highest = [r for r in _before(by_file) if r["symbol"] == first.text.split(",")[0]]
        ids = [r["agg_trade_id"] for r in highest if r["agg_trade_id"] is not None]
        told = re.search(r"`agg_trade_id` (\S+) after (\S+),", str(error.value))
        if told is not None:
            assert told.group(2) == str(max(ids, default=None))


def _before(by_file: list[list[Row]]) -> list[dict[str, Any]]:
    before: list[dict[str, Any]] = []
    seen: dict[Any, Any] = {}
    for each in by_file:
        for row in each:
            if (row.reason or Oracle(PRESET).place(row, seen)) is not None:
                return before
            before.append(row.values)
    return before


def _has(each: list[Row], by_file: list[list[Row]]) -> bool:
    seen: dict[Any, Any] = {}
    for rows_of in by_file:
        for row in rows_of:
            if (row.reason or Oracle(PRESET).place(row, seen)) is not None:
                return rows_of is each
    return False


@given(text=st.lists(rows, min_size=1, max_size=10), cut=CUTS)
@ONE_FOLDER
def test_a_sorted_file_is_what_the_sorted_rows_are(text: list[str], cut: tuple[int, int], tmp_path: Path) -> None:
    lines = [line for line in text if line.split(",")[1]]  # with ids
    if not lines:
        return
    files = write(tmp_path, [lines])
    (unsorted,) = read(files)
    times = [row.values["timestamp"] for row in unsorted]
    steps = [after - before for before, after in pairwise(times)]
    falls = sum(step < 0 for step in steps) > sum(step > 0 for step in steps)
    in_order = sorted(
        unsorted[::-1] if falls else unsorted, key=lambda row: (row.values["timestamp"], row.values["agg_trade_id"])
    )
    told = Oracle(PRESET).told([unsorted], on_unsorted="drop")
    told_sorted = told if told.first is None else Oracle(PRESET).told([in_order], on_unsorted="drop")
    report = rb.ReadReport()
    with cut_into(cut):
        scan = rb.scan_trades(files, preset=PRESET, on_unsorted="sort", on_bad_rows="drop", report=report)
        frame = scan.collect()
    turned = Oracle(PRESET).told([unsorted[::-1]], on_unsorted="drop")
    if turned.first is None and told.first is not None:
        told_sorted = turned
    assert physical(frame) == expected(told_sorted, frame)
    late = told.faults.get(("backwards", "dropped"), [0])[0]
    assert faults(report).get(("backwards", "sorted"), [0])[0] == late


def test_a_file_from_new_to_old_is_turned_round_within_a_time_too(tmp_path: Path) -> None:
    files = [tmp_path / "XBTUSD.csv"]
    files[0].write_text(f"{START + 2},3,1\n{START + 1},2.5,1\n{START + 1},2,1\n{START},1,1\n")
    options: dict[str, Any] = {"preset": "kraken", "on_unsorted": "sort"}
    assert rb.scan_trades(files, **options).collect()["price"].to_list() == [1.0, 2.0, 2.5, 3.0]
    files[0].write_text(f"{START + 2},3,1\n{START + 3},4,1\n{START + 1},2.5,1\n{START + 1},2,1\n{START},1,1\n")
    assert rb.scan_trades(files, **options).collect()["price"].to_list() == [1.0, 2.0, 2.5, 3.0, 4.0]


def test_a_file_without_ids_is_sorted_by_time(tmp_path: Path) -> None:
    file = tmp_path / "ours.csv"
    file.write_text(f"symbol,time,price,size\nA,{START + 1},2,1\nA,{START},1,1\nA,{START + 2},3,1\n")
    frame = rb.scan_trades(file, preset=PRESET, on_unsorted="sort").collect()
    assert frame["price"].to_list() == [1.0, 2.0, 3.0]
    assert frame["agg_trade_id"].to_list() == [None] * 3


def test_a_month_beside_its_days_is_an_error_that_names_both_files(tmp_path: Path) -> None:
    row = "{},42283.58,0.1,{},{},{},True,True\n"
    days = [row.format(n, n, n, (START + n) * 1000) for n in range(4)]
    (tmp_path / "BTCUSDT-aggTrades-2024-01.csv").write_text("".join(days))
    (tmp_path / "BTCUSDT-aggTrades-2024-01-01.csv").write_text("".join(days[:2]))
    (tmp_path / "BTCUSDT-aggTrades-2024-01-02.csv").write_text("".join(days[2:]))
    with pytest.raises(rb.RangeBarError) as error:
        rb.scan_binance(tmp_path).collect()
    assert "BTCUSDT-aggTrades-2024-01.csv, line 1: the row belongs before one" in str(error.value)
    assert "`agg_trade_id` 0 after 3" in str(error.value)
    assert "2024-01-01 00:00:00+00:00 after 2024-01-01 00:00:03+00:00" in str(error.value)
    assert "BTCUSDT-aggTrades-2024-01-02.csv was read before: list the files by time" in str(error.value)
    rb.scan_binance([tmp_path / f"BTCUSDT-aggTrades-2024-01-0{n}.csv" for n in (1, 2)]).collect()


def test_symbols_of_several_files_have_an_order_each(tmp_path: Path) -> None:
    row = "{},42283.58,0.1,{},{},{},True,True\n"
    for symbol, first in (("BTCUSDT", 9), ("ETHUSDT", 1)):
        file = tmp_path / f"{symbol}-aggTrades-2024-01-01.csv"
        file.write_text("".join(row.format(first + n, n, n, (START + n) * 1000) for n in range(2)))
    assert rb.scan_binance(tmp_path).collect()["symbol"].to_list() == ["BTCUSDT"] * 2 + ["ETHUSDT"] * 2


def test_a_time_that_goes_back_while_ids_rise_is_an_error_too(tmp_path: Path) -> None:
    (file,) = write(tmp_path, [[f"A,1,{START + 1}000,1,1", f"A,2,{START}000,1,1"]])
    with pytest.raises(rb.RangeBarError, match=r"`agg_trade_id` 2 after 1, `timestamp` 2024-01-01 00:00:00"):
        rb.scan_trades(file, preset=PRESET).collect()


def test_what_sorting_a_file_cannot_mend_is_an_error(tmp_path: Path) -> None:
    files = write(tmp_path, [[f"A,5,{START + 1}000,1,1"], [f"A,2,{START + 2}000,1,1"]])
    with pytest.raises(rb.RangeBarError, match=r"1\.csv: the row belongs before .*0\.csv was read before"):
        rb.scan_trades(files, preset=PRESET, on_unsorted="sort").collect()
