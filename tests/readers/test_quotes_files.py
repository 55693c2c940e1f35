"""Quotes from files: the mid price to the last bit, and crossed and one-sided quotes as one says."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._reader_layouts import START, cut_into, faults

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS = {"timestamp": 0, "bid": 1, "ask": 2, "bid_size": 3, "ask_size": 4}
CUTS = st.tuples(st.sampled_from([2, 3, 64]), st.sampled_from([1, 2, 64]))


def write(folder: Path, rows: list[str], name: str = "quotes.csv") -> Path:
    file = folder / name
    file.write_text("".join(f"{START + n}000,{row}\n" for n, row in enumerate(rows)))
    return file


def prices(digits: int) -> st.SearchStrategy[tuple[Decimal, int]]:
    """A number with so many digits at most, and its decimals."""
    return st.tuples(st.integers(1, 10**digits - 1), st.integers(0, 8)).map(
        lambda drawn: (Decimal(drawn[0]).scaleb(-drawn[1]), drawn[1])
    )


@given(bid=prices(15), spread=st.integers(0, 10**4), is_decimal=st.booleans(), decimals=st.sampled_from([8, 9, 12, 18]))
@ONE_FILE
def test_mid_is_exactly_half_the_sum(
    bid: tuple[Decimal, int], spread: int, is_decimal: bool, decimals: int, tmp_path: Path
) -> None:
    low, places = bid
    high = low + Decimal(spread).scaleb(-places)
    assume(len(high.as_tuple().digits) <= 15)
    assume(not is_decimal or low < 10**9)
    file = write(tmp_path, [f"{low:f},{high:f},1,1"])
    half = (Fraction(low) + Fraction(high)) / 2
    scan = rb.scan_quotes(file, columns=COLUMNS, price_decimals=decimals, decimal=is_decimal)
    if (half * 10**decimals).denominator != 1:
        with pytest.raises(rb.RangeBarError, match=r"line 1: a number has more decimals than are kept"):
            scan.collect()
        return
    mid = scan.collect()["price"].item()
    assert mid == (Decimal(half.numerator) / Decimal(half.denominator) if is_decimal else float(half))


@pytest.mark.parametrize("price", ["bid", "ask"])
def test_a_side_as_price(price: str, tmp_path: Path) -> None:
    file = write(tmp_path, ["1.5,1.75,1,2"])
    frame = rb.scan_quotes(file, columns=COLUMNS, price=price).collect()
    assert frame["price"].to_list() == frame[price].to_list()
    assert frame.columns == [
        *("timestamp", "price", "quantity", "is_buyer_maker", "bid", "ask", "bid_size", "ask_size"),
    ]


def test_crossed_quotes(tmp_path: Path) -> None:
    file = write(tmp_path, ["1,2,1,1", "2,1,1,1", "1,1,1,1", "3,1,1,1"])
    with pytest.raises(
        rb.RangeBarError, match="line 2: the bid is above the ask, got '1704067201000,2,1,1,1'; `on_cros"
    ):
        rb.scan_quotes(file, columns=COLUMNS).collect()
    for policy, mids, action in (("drop", [1.5, 1.0], "dropped"), ("keep", [1.5, 1.5, 1.0, 2.0], "kept")):
        report = rb.ReadReport()
        frame = rb.scan_quotes(file, columns=COLUMNS, on_crossed=policy, report=report).collect()
        assert frame["price"].to_list() == mids
        assert faults(report) == {("crossed", action): [2, 2, "1704067201000,2,1,1,1"]}
        assert report.total == (2 if policy == "drop" else 0)


sides = st.sampled_from(["", "0", "1.5", "1.25"])
quotes = st.tuples(st.sampled_from("AB"), sides, sides, st.sampled_from(["", "3"]), st.sampled_from(["", "4"]))


@given(rows=st.lists(quotes, min_size=1, max_size=10), cut=CUTS, files=st.integers(1, 2), slow=st.booleans())
@ONE_FILE
def test_a_side_that_is_not_there_is_filled_with_its_last_value_and_its_size(
    rows: list[tuple[str, ...]], cut: tuple[int, int], files: int, slow: bool, tmp_path: Path
) -> None:
    columns = {**COLUMNS, "symbol": 5}
    parts = [rows[n::files] for n in range(files)]
    paths = []
    for n, part in enumerate(parts):
        lines = [f"{START + 100 * n + k}000,{','.join(row[1:])},{row[0]}\n" for k, row in enumerate(part)]
        if lines:
            (tmp_path / f"{n}.csv").write_text("".join(lines))
            paths.append(tmp_path / f"{n}.csv")
    last: dict[str, dict[str, tuple[float, float | None] | None]] = {s: {"bid": None, "ask": None} for s in "AB"}
    expected, filled, dropped = [], 0, 0
    for part in parts:
        for symbol, bid, ask, bid_size, ask_size in part:
            known = last[symbol]
            given = {"bid": (bid, bid_size), "ask": (ask, ask_size)}
            has_both = all(float(price or 0) for price, _ in given.values())
            for side, (price, size) in given.items():
                if float(price or 0):
                    known[side] = (float(price), float(size) if size else None)
            low, high = known["bid"], known["ask"]
            if low is None or high is None:
                dropped += 1
                continue
            filled += not has_both
            expected.append((symbol, (low[0] + high[0]) / 2, low[0], high[0], low[1], high[1]))
    report = rb.ReadReport()
    options: dict[str, Any] = {"on_one_sided": "fill", "on_crossed": "keep", "report": report}
    with cut_into(cut, is_slow=slow):
        frame = rb.scan_quotes(paths, columns=columns, **options).collect()
    assert frame.select("symbol", "price", "bid", "ask", "bid_size", "ask_size").rows() == expected
    counts = {(reason, action): count for _, reason, action, count, *_ in report.frame().iter_rows()}
    told = report.frame().filter(reason="one_sided").group_by("action").agg(pl.col("count").sum())
    assert dict(told.rows()) == {k: v for k, v in (("filled", filled), ("dropped", dropped)) if v}, counts
    assert report.total == dropped


def test_one_sided_quotes_are_an_error_or_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, ["1,2,1,1", "1,,1,", "1,2,1,1"])
    with pytest.raises(
        rb.RangeBarError, match=r"line 2: the quote has no bid or no ask, got '\d+,1,,1,'; `on_one_sided"
    ):
        rb.scan_quotes(file, columns=COLUMNS).collect()
    report = rb.ReadReport()
    frame = rb.scan_quotes(file, columns=COLUMNS, on_one_sided="drop", report=report).collect()
    assert frame.height == 2
    assert faults(report) == {("one_sided", "dropped"): [1, 2, "1704067201000,1,,1,"]}


def test_a_quote_that_is_cut_off_is_not_one_sided(tmp_path: Path) -> None:
    file = tmp_path / "quotes.csv"
    file.write_text(f"{START}000,1,2\n{START + 1}000,1\n{START + 2}000,1,\n{START + 3}000,1,2\n")
    report = rb.ReadReport()
    scan = rb.scan_quotes(
        file,
        columns={"timestamp": 0, "bid": 1, "ask": 2},
        on_bad_rows="drop",
        on_one_sided="drop",
        report=report,
    )
    assert scan.collect().height == 2
    assert dict(report.frame().select("reason", "first_line").iter_rows()) == {
        "unparsable": 2,
        "one_sided": 3,
    }


def test_the_first_bad_quote_is_told_whatever_is_wrong_with_it(tmp_path: Path) -> None:
    file = write(tmp_path, ["1,2,1,1", "2,1,1,1", "1,x,1,1", "1,,1,1"])
    with pytest.raises(rb.RangeBarError, match="line 2: the bid is above the ask"):
        rb.scan_quotes(file, columns=COLUMNS).collect()
    with pytest.raises(rb.RangeBarError, match="line 3: the row cannot be read"):
        rb.scan_quotes(file, columns=COLUMNS, on_crossed="drop").collect()
    with pytest.raises(rb.RangeBarError, match="line 4: the quote has no bid or no ask"):
        rb.scan_quotes(file, columns=COLUMNS, on_crossed="drop", on_bad_rows="drop").collect()


@pytest.mark.parametrize("name", ["price", "on_crossed", "on_one_sided"])
def test_a_wrong_policy_is_refused_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match=f"`{name}` must be \".*\", got 'ignore'"):
        rb.scan_quotes(tmp_path, columns=COLUMNS, **{name: "ignore"})


def test_trades_are_no_quotes(tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match=r"`kraken` has trades, not quotes: read it with `rb.scan_trades`"):
        rb.scan_quotes(tmp_path, preset="kraken")
    with pytest.raises(rb.RangeBarError, match=r"`exness` has quotes, not trades: read it with `rb.scan_quotes`"):
        rb.scan_trades(tmp_path, preset="exness")
