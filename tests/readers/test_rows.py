"""Numbers and columns of one row: what is read, what is refused, and what is done about it."""

from __future__ import annotations

import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._reader_layouts import START, cut_into, faults

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS: dict[str, Any] = {"timestamp": 0, "price": 1, "quantity": 2}


def write(folder: Path, text: str, name: str = "ours.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def one(folder: Path, price: str, quantity: str = "1", **options: Any) -> pl.DataFrame:
    file = write(folder, f"{START}000,{price},{quantity}\n")
    return rb.scan_trades(file, columns=COLUMNS, **options).collect()


# ----------------------------------------------------------------------------------------- numbers


@given(units=st.integers(1, 2**52 - 1), decimals=st.integers(0, 8), zeros=st.integers(0, 12))
@ONE_FILE
def test_a_double_is_the_one_nearest_to_the_text(units: int, decimals: int, zeros: int, tmp_path: Path) -> None:
    text = f"{Decimal(units).scaleb(-decimals):f}"
    text += "0" * zeros if "." in text else ""
    frame = one(tmp_path, text, text)
    assert frame.select("price", "quantity").row(0) == (float(text), float(text))


@given(units=st.integers(1, 10**15), decimals=st.integers(0, 18))
@ONE_FILE
def test_decimals_are_exact(units: int, decimals: int, tmp_path: Path) -> None:
    price = Decimal(units).scaleb(-decimals)
    if price >= 10**10:
        return
    text = f"{price:f}"
    frame = one(tmp_path, text, decimal=True, price_decimals=decimals)
    assert frame.schema["price"] == pl.Decimal(38, decimals)
    assert frame["price"].item() == Decimal(text)
    if decimals and units % 10:
        for options in ({"decimal": True}, {}):
            with pytest.raises(rb.RangeBarError, match="line 1: a number has more decimals than are kept"):
                one(tmp_path, text, price_decimals=decimals - 1, **options)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1.0000000000000000004", {"decimal": True}),
        ("0.00000000000000000000000000001", {"decimal": True, "price_decimals": 18}),
        ("1e-30", {"decimal": True, "price_decimals": 18}),
        ("1.5e-9", {}),
        ("0.123456789", {}),
        ("9007199254740993", {}),
        ("12345678901234567", {}),
        ("0.1234567890123456789", {"price_decimals": 18}),
    ],
)
def test_digits_that_are_not_kept_are_an_error(text: str, options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match=r"line 1: a number has more decimals .*; `price_decimals=` keeps more"):
        one(tmp_path, text, **options)


@pytest.mark.parametrize("decimal", [False, True])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.2300000000000", "1.23"),
        ("1e2", "100"),
        ("+1", "1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1000000000000000", "1e15"),
    ],
)
def test_a_number_may_be_written_otherwise(text: str, value: str, decimal: bool, tmp_path: Path) -> None:
    frame = one(tmp_path, "1", text, decimal=decimal)
    assert frame["quantity"].item() == (Decimal(value) if decimal else float(value))


@pytest.mark.parametrize("decimal", [False, True])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "1_0", "0x1", "1 2", ".", "", "\u0661", "--1"])
def test_what_is_no_number_is_an_error(text: str, decimal: bool, tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match="line 1: the row cannot be read, got"):
        one(tmp_path, "1", text, decimal=decimal)


def test_zero_and_less(tmp_path: Path) -> None:
    assert one(tmp_path, "1", "-0.0")["quantity"].item() == 0
    for price, quantity in (("-1", "1"), ("0", "1"), ("-0.0", "1"), ("1", "-1")):
        with pytest.raises(rb.RangeBarError, match="line 1: a price must be above 0, and a quantity not below, got"):
            one(tmp_path, price, quantity)
    with pytest.raises(rb.RangeBarError, match="line 1: the row has no price and no quantity, as if there had been no"):
        one(tmp_path, "0.0", "0")


@pytest.mark.parametrize("decimal", [False, True])
@pytest.mark.parametrize(
    ("in_file", "text", "value"),
    [(4, "1674101", "167.4101"), (9, "4108250000010", "4108.25000001"), (4, "0001", "0.0001")],
)
def test_prices_that_are_integers(in_file: int, text: str, value: str, decimal: bool, tmp_path: Path) -> None:
    preset = rb.Preset(name="ours", columns=COLUMNS, price_decimals_in_file=in_file)
    file = write(tmp_path, f"{START}000,{text},1\n")
    price = rb.scan_trades(file, preset=preset, decimal=decimal).collect()["price"].item()
    assert price == (Decimal(value) if decimal else float(value))


@pytest.mark.parametrize(("text", "why"), [("185.250000000", "cannot be read"), ("4108250000001", "more decimals")])
@pytest.mark.parametrize("decimal", [False, True])
def test_an_integer_price_that_is_none(text: str, why: str, decimal: bool, tmp_path: Path) -> None:
    """A file with its points written out must not be read as if it had none."""
    preset = rb.Preset(name="ours", columns=COLUMNS, price_decimals_in_file=9)
    file = write(tmp_path, f"{START}000,{text},1\n")
    with pytest.raises(rb.RangeBarError, match=why):
        rb.scan_trades(file, preset=preset, decimal=decimal).collect()


# ----------------------------------------------------------------------------------------- columns


def test_a_header_by_name_in_any_order_and_case(tmp_path: Path) -> None:
    file = write(tmp_path, f'\ufeff"SIZE" , "Px","extra","T"\n1,2,3,{START}000\n')
    report = rb.ReadReport()
    columns: dict[str, Any] = {"timestamp": "t", "price": ("price", "px"), "quantity": "size", "is_buyer_maker": "side"}
    frame = rb.scan_trades(file, columns=columns, report=report).collect()
    assert frame.select("price", "quantity", "is_buyer_maker").row(0) == (2.0, 1.0, None)
    told = report.files().select("absent_columns", "other_columns").row(0)
    assert told == (["is_buyer_maker"], ["extra"])


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n  \n"])
def test_a_day_without_trades(end: str, tmp_path: Path) -> None:
    """A header alone is a file without rows; a file without a byte is none."""
    header = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
    write(tmp_path, header + end, "XYZUSDT-aggTrades-2024-01-01.csv")
    write(tmp_path, f"{header}\n1,2,3,1,1,{START}000,true\n", "XYZUSDT-aggTrades-2024-01-02.csv")
    report = rb.ReadReport()
    frame = rb.scan_binance(tmp_path, market="um", report=report).collect()
    assert frame["agg_trade_id"].to_list() == [1]
    assert report.files()["rows_read"].to_list() == [0, 1]
    assert report.files()["is_complete"].to_list() == [True, True]
    assert not faults(report)


def test_columns_by_number_with_a_header(tmp_path: Path) -> None:
    file = write(tmp_path, f"t,p,q,s\n{START}000,2,1,buy\n")
    report = rb.ReadReport()
    frame = rb.scan_trades(file, columns={**COLUMNS, "is_buyer_maker": 3}, report=report).collect()
    assert frame.select("price", "quantity", "is_buyer_maker").row(0) == (2.0, 1.0, False)
    assert faults(report) == {("header", "dropped"): [1, 1, "t,p,q,s"]}
    assert report.total == 0


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            "t,p,p\n1,2,3\n",
            {"timestamp": "t", "price": "p", "quantity": 1},
            "has 2 columns `p`, which was to be `price`",
        ),
        ("t,p,q\n", {"timestamp": "t", "price": "p", "quantity": "p"}, "`p` cannot be both `price` and `quantity`"),
        ("1,2\n", {"timestamp": 0, "price": 1, "quantity": 1}, "the column `1` cannot be both `price` and `quantity`"),
        (
            "t,x,q\n",
            {"timestamp": "t", "price": "p", "quantity": "q"},
            "has no column `p`, the `price` of `the columns",
        ),
        (
            "1,2,3\n",
            {"timestamp": "t", "price": "p", "quantity": "q"},
            "begins with the row '1,2,3', not with a header",
        ),
        ("1,2\n", {"timestamp": 0, "price": 1, "quantity": 2}, "has 2 columns, too few for the `quantity`"),
        ("", {"timestamp": 0, "price": 1, "quantity": 2}, "is empty: download it again, or leave it out"),
        ("\n \n", {"timestamp": 0, "price": 1, "quantity": 2}, "is empty: download it again, or leave it out"),
    ],
)
def test_columns_that_cannot_be_found(text: str, columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError) as error:
        rb.scan_trades(write(tmp_path, text), columns=columns).collect()
    assert message in str(error.value)
    assert "ours.csv" in str(error.value)


def test_a_quoted_field_may_have_the_delimiter(tmp_path: Path) -> None:
    file = write(tmp_path, f't,conditions,p,q\n{START}000,"12,37",2,1\n{START}000,"",2,1\n{START}000,14,2,1\n')
    columns: dict[str, Any] = {"timestamp": "t", "price": "p", "quantity": "q"}
    for slow in (False, True):
        with cut_into((64, 64), is_slow=slow):
            assert rb.scan_trades(file, columns=columns).collect()["price"].to_list() == [2.0] * 3


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
def test_other_delimiters(delimiter: str, tmp_path: Path) -> None:
    preset = rb.Preset(name="ours", columns={**COLUMNS, "is_buyer_maker": 3}, delimiter=delimiter)
    rows = [[f"{START + n}000", f"{n + 1}.5", "7", "buy"] for n in range(2)]
    file = write(tmp_path, "".join(delimiter.join(row) + "\n" for row in rows))
    for slow in (False, True):
        with cut_into((64, 64), is_slow=slow):
            frame = rb.scan_trades(file, preset=preset).collect()
        assert frame.select("price", "quantity", "is_buyer_maker").rows() == [(1.5, 7.0, False), (2.5, 7.0, False)]


@pytest.mark.parametrize("row", ["1704067200001,100.5,2", "1704067200001,100.5,25,"])
def test_a_row_that_ends_early_may_have_a_part_of_a_field(row: str, tmp_path: Path) -> None:
    """Though every column that is read is there, the last one may be cut; an empty field at the end is none."""
    file = write(tmp_path, f"t,p,q,venue\n1704067200000,100.5,25,A\n{row}\n1704067200002,100.5,25,A\n")
    report = rb.ReadReport()
    columns = {"timestamp": "t", "price": "p", "quantity": "q"}
    trades = rb.scan_trades(file, columns=columns, on_bad_rows="drop", report=report).collect()
    is_whole = row.endswith(",")
    assert trades["quantity"].to_list() == [25.0] * (3 if is_whole else 2)
    assert faults(report) == ({} if is_whole else {("unparsable", "dropped"): [1, 3, row]})


def test_a_row_with_a_comma_too_many_does_not_shift(tmp_path: Path) -> None:
    """Polars leaves the last fields out without a word, if the last column is not asked for."""
    file = write(tmp_path, f"1,2,3,4,{START}000,True,x\n1,2,300,000,4,{START}000,True\n1,2,3,000,4,{START}000,True,x\n")
    columns: dict[str, Any] = {"timestamp": 4, "price": 1, "quantity": 2}
    report = rb.ReadReport()
    assert rb.scan_trades(file, columns=columns, on_bad_rows="drop", report=report).collect().height == 1
    assert faults(report)["unparsable", "dropped"][:2] == [2, 2]


@pytest.mark.parametrize("first", [True, False])
def test_a_damaged_first_row_does_not_decide_what_the_file_is(first: bool, tmp_path: Path) -> None:
    rows = [f"{n},42283.5,0.1,1,1,{START + n}000,True,True" for n in range(3)]
    rows[0] = rows[0].replace(",0.1", "") if first else rows[0].replace(f"{START}000", "17x")
    file = write(tmp_path, "\n".join(rows) + "\n", "BTCUSDT-aggTrades-2024-01-01.csv")
    report = rb.ReadReport()
    frame = rb.scan_binance(file, on_bad_rows="drop", report=report).collect()
    assert frame["agg_trade_id"].to_list() == [1, 2]
    assert frame["is_buyer_maker"].to_list() == [True, True]
    assert faults(report) == {("unparsable", "dropped"): [1, 1, rows[0]]}


# ----------------------------------------------------------------------------------------- sides


def test_sides_in_every_way(tmp_path: Path) -> None:
    words = ["True", "true", "TRUE", "1", "sell", "SELL", "Ask", "false", "0", "Buy", ""]
    rows = "".join(f"{START + n}000,2,1,{word}\n" for n, word in enumerate(words))
    frame = rb.scan_trades(write(tmp_path, rows), columns={**COLUMNS, "is_buyer_maker": 3}).collect()
    assert frame["is_buyer_maker"].to_list() == [True] * 7 + [False] * 3 + [None]


@pytest.mark.parametrize("word", ["unknown", "x", "2", "-1", "yes"])
def test_an_unknown_side_is_never_a_guess(word: str, tmp_path: Path) -> None:
    file = write(tmp_path, f"{START}000,2,1,buy\n{START}000,2,1,{word}\n")
    with pytest.raises(rb.RangeBarError, match="line 2: the row cannot be read"):
        rb.scan_trades(file, columns={**COLUMNS, "is_buyer_maker": 3}).collect()


def test_a_preset_may_say_that_true_is_a_purchase(tmp_path: Path) -> None:
    columns: dict[str, Any] = {**COLUMNS, "is_buyer_maker": 3}
    preset = rb.Preset(name="ours", columns=columns, sells=("false",), buys=("true",))
    file = write(tmp_path, f"{START}000,2,1,true\n{START}000,2,1,False\n")
    assert rb.scan_trades(file, preset=preset).collect()["is_buyer_maker"].to_list() == [False, True]


# ----------------------------------------------------------------------------------------- policies

BAD = f"{START}000,2,1\n{START + 1}000,x,1\n{START + 2}000,0,0\n{START + 3}000,2,1\n"


def test_a_function_decides_block_by_block(tmp_path: Path) -> None:
    file = write(tmp_path, BAD)
    asked: list[pl.DataFrame] = []

    def decide(rows: pl.DataFrame) -> Any:
        asked.append(rows)
        return "drop"

    report = rb.ReadReport()
    with cut_into((3, 1)):
        frame = rb.scan_trades(file, columns=COLUMNS, on_bad_rows=decide, report=report).collect()
    assert frame.height == 2
    assert [rows.columns for rows in asked] == [["file", "line", "reason", "text"]]
    assert asked[0].rows() == [
        (str(file), 2, "unparsable", f"{START + 1}000,x,1"),
        (str(file), 3, "ghost", f"{START + 2}000,0,0"),
    ]
    assert report.total == 2
    with pytest.raises(rb.RangeBarError, match="line 2: the row cannot be read"):
        rb.scan_trades(file, columns=COLUMNS, on_bad_rows=lambda _: "raise").collect()
    with pytest.raises(rb.RangeBarError, match='`on_bad_rows` must return "raise" or "drop", got None'):
        rb.scan_trades(file, columns=COLUMNS, on_bad_rows=lambda _: None).collect()  # type: ignore[return-value]

    class OursError(Exception):
        pass

    def fail(rows: pl.DataFrame) -> Any:
        raise OursError(rows.height)

    with pytest.raises(OursError, match="2"):
        rb.scan_trades(file, columns=COLUMNS, on_bad_rows=fail).collect()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_bad_rows": "ignore"}, '`on_bad_rows` must be "raise", "drop" or a function, got \'ignore\''),
        ({"on_unsorted": "keep"}, '`on_unsorted` must be "raise", "sort" or "drop", got \'keep\''),
        (
            {"price_decimals": 19},
            "`price_decimals` must be an integer in 0..18, got 19: a price is a 64-bit integer of such units",
        ),
        (
            {"price_decimals": True},
            "`price_decimals` must be an integer in 0..18, got True: a price is a 64-bit integer of such units",
        ),
        ({"decimal": 1}, "`decimal` must be True or False, got 1"),
        ({"symbol": ""}, "`symbol` must be a text, got ''"),
        ({"report": []}, "`report` must be a ReadReport, got []: make one with `rb.ReadReport()`"),
        ({"time_zone": "x"}, "`time_zone` must be a name such as"),
    ],
)
def test_a_wrong_parameter_is_refused_at_once(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = write(tmp_path, BAD)
    with pytest.raises(rb.RangeBarError) as error:
        rb.scan_trades(file, columns=COLUMNS, **options)
    assert message in str(error.value)


def test_rows_that_are_left_out_without_a_report_are_a_warning(tmp_path: Path) -> None:
    file = write(tmp_path, BAD)
    with pytest.warns(rb.RangeBarWarning, match=r"^2 rows were left out: 1 unparsable, 1 ghost; pass `report="):
        rb.scan_trades(file, columns=COLUMNS, on_bad_rows="drop").collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rb.scan_trades(file, columns=COLUMNS, on_bad_rows="drop", report=rb.ReadReport()).collect()


def test_bytes_that_are_no_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "ours.csv"
    good = f"A,{START}000,2,1\n".encode()
    file.write_bytes(good + b"\xff" + good + "\ufffd".encode() + good + good)
    columns = {"symbol": 0, "timestamp": 1, "price": 2, "quantity": 3}
    report = rb.ReadReport()
    frame = rb.scan_trades(file, columns=columns, on_bad_rows="drop", report=report).collect()
    assert frame["symbol"].to_list() == ["A", "A"]
    assert faults(report)["unparsable", "dropped"][:2] == [2, 2]
