"""The report of a reading: nothing disappears uncounted, and it can be looked at whenever one likes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._reader_layouts import LAYOUTS, START, Layout, cut_into, damaged, faults, scan

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
COLUMNS: dict[str, Any] = {"timestamp": 0, "price": 1, "quantity": 2}
BAD = "".join(f"{START + n}000,{'x' if n % 3 == 2 else n + 1},1\n" for n in range(9))


def write(folder: Path, text: str, name: str = "ours.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.preset)
@given(data=st.data())
@ONE_FILE
def test_every_row_is_accounted_for(layout: Layout, data: st.DataObject, tmp_path: Path) -> None:
    text = data.draw(damaged(layout))
    file = tmp_path / layout.file
    file.write_bytes(text)
    report = rb.ReadReport()
    options: dict[str, Any] = {"on_bad_rows": "drop", "on_unsorted": data.draw(st.sampled_from(["drop", "sort"]))}
    if layout.is_quotes:
        options |= {
            "on_crossed": data.draw(st.sampled_from(["drop", "keep"])),
            "on_one_sided": data.draw(st.sampled_from(["drop", "fill"])),
        }
    with cut_into((data.draw(st.sampled_from([3, 64])), data.draw(st.sampled_from([1, 64])))):
        try:
            frame = scan(layout, file, report=report, **options).collect()
        except rb.RangeBarError:
            return  # of the whole file
    lines = text.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").split("\n")
    rows = sum(bool(line.strip()) for line in lines) - (layout.header is not None)
    (told,) = report.files().iter_rows(named=True)
    assert told["is_complete"]
    assert told["rows_read"] == rows
    assert told["rows_returned"] == frame.height
    gone = {reason: count for (reason, action), (count, *_) in faults(report).items() if action == "dropped"}
    assert rows == frame.height + sum(gone.values())
    assert report.total == sum(count for reason, count in gone.items() if reason not in ("header", "not_a_trade"))


def test_before_and_after(tmp_path: Path) -> None:
    report = rb.ReadReport()
    assert repr(report) == "<ReadReport: 0 files, 0 rows read, 0 returned, 0 left out>"
    assert report.frame().height == report.files().height == report.total == 0
    file = write(tmp_path, BAD)
    query = rb.scan_trades(file, columns=COLUMNS, on_bad_rows="drop", report=report)
    assert report.files().height == 0
    query.collect()
    assert repr(report) == "<ReadReport: 1 files, 9 rows read, 6 returned, 3 left out>"
    assert report.frame().rows() == [(str(file), "unparsable", "dropped", 3, 3, f"{START + 2}000,x,1")]
    frame, files = report.frame(), report.files()
    query.collect()
    assert report.frame().equals(frame)
    assert report.files().equals(files)


def test_two_queries_and_files(tmp_path: Path) -> None:
    report = rb.ReadReport()
    for n in range(2):
        file = write(tmp_path, BAD, f"{n}.csv")
        rb.scan_trades(file, columns=COLUMNS, on_bad_rows="drop", report=report).collect()
    assert report.total == 6
    assert report.files()["rows_returned"].to_list() == [6, 6]
    assert report.frame()["file"].to_list() == [str(tmp_path / "0.csv"), str(tmp_path / "1.csv")]


def test_a_query_that_stops_early(tmp_path: Path) -> None:
    report = rb.ReadReport()
    write(tmp_path, BAD, "0.csv")
    write(tmp_path, BAD.replace(str(START)[:5], str(START + 100_000)[:5]), "1.csv")
    query = rb.scan_trades(tmp_path, columns=COLUMNS, on_bad_rows="drop", report=report)
    with cut_into((3, 3)):
        assert query.head(2).collect().height == 2
    (told,) = report.files().iter_rows(named=True)
    assert not told["is_complete"]
    assert told["rows_read"] == 3
    assert report.total == 1


def test_after_an_error(tmp_path: Path) -> None:
    report = rb.ReadReport()
    file = write(tmp_path, BAD)
    with pytest.raises(rb.RangeBarError, match="line 3"):
        rb.scan_trades(file, columns=COLUMNS, report=report).collect()
    assert faults(report) == {("unparsable", "raised"): [1, 3, f"{START + 2}000,x,1"]}
    assert report.files()["is_complete"].to_list() == [False]
    assert report.total == 0


def test_times_of_a_file_are_whole_nanoseconds(tmp_path: Path) -> None:
    report = rb.ReadReport()
    file = write(tmp_path, f"{START}000000001,1,1\n{START}000000003,1,1\n")
    rb.scan_trades(file, columns=COLUMNS, time_unit="ns", report=report).collect()
    times = report.files().select(pl.col("first_time", "last_time").to_physical()).row(0)
    assert times == (START * 10**9 + 1, START * 10**9 + 3)


def test_files_that_are_not_data(tmp_path: Path) -> None:
    write(tmp_path, BAD, "a.csv")
    other = write(tmp_path, "hello", "README.md")
    report = rb.ReadReport()
    rb.scan_trades(tmp_path, columns=COLUMNS, on_bad_rows="drop", report=report).collect()
    assert report.ignored == [str(other)]


def test_a_last_line_without_an_end_is_told(tmp_path: Path) -> None:
    for text, action in (("1,1", "kept"), ("1", "dropped")):
        report = rb.ReadReport()
        file = write(tmp_path, f"{START}000,1,1\n{START + 1}000,{text}")
        frame = rb.scan_trades(file, columns=COLUMNS, on_bad_rows="drop", report=report).collect()
        reason = "unterminated" if action == "kept" else "unparsable"
        assert faults(report) == {(reason, action): [1, 2, f"{START + 1}000,{text}"]}
        assert frame.height == 2 - (action == "dropped")
    file = write(tmp_path, f"{START}000,1,1\n  ")
    report = rb.ReadReport()
    rb.scan_trades(file, columns=COLUMNS, report=report).collect()
    assert not faults(report)


def test_a_long_line_is_shortened(tmp_path: Path) -> None:
    report = rb.ReadReport()
    file = write(tmp_path, f"{START}000,1,1\n{'y' * 1000},1,1\n")
    rb.scan_trades(file, columns=COLUMNS, on_bad_rows="drop", report=report).collect()
    assert len(report.frame()["sample"].item()) < 201


def test_what_is_no_trade_is_counted_once(tmp_path: Path) -> None:
    """Also where the last block is empty."""
    preset = rb.Preset(name="ours", columns=COLUMNS, header=("t", "p", "q", "kind"), only=("kind", ("T",)))
    file = write(tmp_path, "".join(f"{START + n}000,1,1,{'TQ'[n % 2]}\n" for n in range(6)))
    for slow in (False, True):
        report = rb.ReadReport()
        with cut_into((4, 1), is_slow=slow):
            frame = rb.scan_trades(file, preset=preset, report=report).collect()
        assert frame.height == 3
        assert faults(report) == {("not_a_trade", "dropped"): [3, 2, f"{START + 1}000,1,1,Q"]}
        assert report.files()["rows_read"].item() == 6
        assert report.total == 0
