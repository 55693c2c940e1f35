"""Whatever happens to a vendor's file, the reader equals a slow oracle, or names the damaged row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars._readers.parse import Parser
from tests._reader_layouts import LAYOUTS, Layout, cut_into, damaged, expected, faults, oracle, physical, scan
from tests._reader_oracle import BadRowError, Oracle, Row, Told, UnreadableError

SIZES = st.tuples(st.sampled_from([3, 4, 8, 64]), st.sampled_from([1, 2, 3, 64]))
"""Lines in the first block, and in each other one."""
ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.preset)


def told_of(layout: Layout, data: bytes, on_unsorted: str, **options: Any) -> Told:
    """What the oracle says; quotes are left out if they are crossed or one-sided."""
    slow = oracle(layout, **options)
    rows = slow.read(data)
    told = slow.told([rows], on_unsorted=on_unsorted)
    if layout.is_quotes:
        by_values = {id(row.values): row for row in rows}
        kept = []
        for values in told.rows:
            reason = _quote_fault(values)
            if reason is None:
                kept.append(values)
            else:
                told.count(reason, "dropped", by_values[id(values)])
        told.rows = kept
    if not data.endswith((b"\n", b"\r")) and data.rpartition(b"\n")[2].strip() and rows and rows[-1].reason is None:
        told.count("unterminated", "kept", rows[-1])
    return told


def _quote_fault(values: dict[str, Any]) -> str | None:
    if values["bid"] is None or values["ask"] is None:
        return "one_sided"
    return "crossed" if values["bid"] > values["ask"] else None


def read(layout: Layout, file: Path, **options: Any) -> tuple[pl.DataFrame, rb.ReadReport]:
    report = rb.ReadReport()
    quotes = {"on_crossed": "drop", "on_one_sided": "drop", "price": "bid"} if layout.is_quotes else {}
    frame = scan(layout, file, report=report, on_bad_rows="drop", **quotes, **options).collect()
    return (frame.drop("price", "quantity", "is_buyer_maker") if layout.is_quotes else frame), report


def names(row: Row) -> str:
    """What an error says of a row."""
    text = row.text if len(row.text) <= 200 else row.text[:90]
    return re.escape(f"line {row.line}: ") + "(?s:.*)" + re.escape(repr(text)[1:-1])


@each_layout
@given(data=st.data())
@ONE_FILE
def test_bad_rows_are_left_out_and_counted(layout: Layout, data: st.DataObject, tmp_path: Path) -> None:
    text = data.draw(damaged(layout))
    on_unsorted = data.draw(st.sampled_from(["raise", "drop"]))
    options: dict[str, Any] = {
        "price_decimals": data.draw(st.sampled_from([8, 8, 0, 2, 12, 13, 18])),
        "decimal": data.draw(st.booleans()),
    }
    file = tmp_path / layout.file
    file.write_bytes(text)
    lines = data.draw(SIZES)
    with cut_into(lines, is_slow=data.draw(st.booleans())):
        try:
            told = told_of(layout, text, on_unsorted, first_lines=lines[0], **options)
        except UnreadableError:
            with pytest.raises(rb.RangeBarError, match=re.escape(layout.file)):
                read(layout, file, on_unsorted=on_unsorted, **options)
            return
        except BadRowError as bad:
            with pytest.raises(rb.RangeBarError, match=names(bad.row)):
                read(layout, file, on_unsorted=on_unsorted, **options)
            return
        frame, report = read(layout, file, on_unsorted=on_unsorted, **options)
    assert physical(frame) == expected(told, frame)
    assert faults(report) == told.faults


@each_layout
@given(data=st.data())
@ONE_FILE
def test_an_error_names_the_first_bad_row(layout: Layout, data: st.DataObject, tmp_path: Path) -> None:
    text = data.draw(damaged(layout))
    file = tmp_path / layout.file
    file.write_bytes(text)
    lines = data.draw(SIZES)
    slow = oracle(layout, first_lines=lines[0])
    try:
        rows = slow.read(text)
        first = slow.told([rows], on_unsorted="drop").first
    except UnreadableError:
        return
    except BadRowError as bad:
        first = slow_first(slow, rows) or bad.row
    options: dict[str, Any] = {"report": rb.ReadReport()}
    if layout.is_quotes:
        options |= {"on_crossed": "keep", "on_one_sided": "fill", "price": "bid"}
    with cut_into(lines):
        if first is None:
            scan(layout, file, **options).collect()
            return
        with pytest.raises(rb.RangeBarError, match=names(first)):
            scan(layout, file, **options).collect()


def slow_first(slow: Oracle, rows: list[Row]) -> Row | None:
    """The first row that is not as it should be."""
    read: dict[Any, Any] = {}
    for row in rows:
        if (row.reason or slow.place(row, read)) not in (None, "header", "not_a_trade"):
            return row
    return None


@each_layout
@pytest.mark.parametrize("decimal", [False, True])
def test_a_file_that_is_right_is_read_the_fast_way(layout: Layout, decimal: bool, tmp_path: Path) -> None:
    lines = [layout.row(n, k % 10) for n, k in enumerate(range(40))]
    text = "\n".join([layout.header, *lines] if layout.header else lines) + "\n"
    file = tmp_path / layout.file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "slow", lambda *_: pytest.fail("read row by row"))
        for each in (text, text.replace("\n", "\r\n")):
            file.write_bytes(each.encode())
            told = told_of(layout, each.encode(), "raise", decimal=decimal)
            frame, report = read(layout, file, decimal=decimal)
            assert physical(frame) == expected(told, frame)
            assert faults(report) == told.faults
