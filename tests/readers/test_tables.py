"""Parquet files: the same rows, the same checks, whatever dtypes their columns have."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._reader_layouts import START, faults

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES: dict[str, Any] = {"timestamp": "t", "price": "p", "quantity": "q", "is_buyer_maker": "s", "agg_trade_id": "i"}
MS = [START * 1000, START * 1000 + 1]
UTC = [dt.datetime.fromtimestamp(ms / 1000, dt.UTC) for ms in MS]


def frame(**columns: Any) -> pl.DataFrame:
    usual = {"t": MS, "p": [1.5, 2.25], "q": [3.0, 0.5], "s": [True, False], "i": [7, 8]}
    return pl.DataFrame({**usual, **columns})


def read(folder: Path, table: pl.DataFrame, **options: Any) -> pl.DataFrame:
    file = folder / "ours.parquet"
    table.write_parquet(file)
    return rb.scan_trades(file, **{"columns": NAMES, **options}).collect()


DTYPES: dict[str, Any] = {
    "int32 sizes": {"q": pl.Series([3, 1], dtype=pl.Int32)},
    "uint64 ids": {"i": pl.Series([7, 8], dtype=pl.UInt64)},
    "texts": {
        "t": [str(ms) for ms in MS],
        "p": ["1.50", "2.25"],
        "q": ["3", ".5"],
        "s": ["Buy", "SELL"],
        "i": ["7", "8"],
    },
    "categories": {"s": pl.Series(["buy", "sell"], dtype=pl.Categorical)},
    "decimals": {"p": pl.Series([Decimal("1.5"), Decimal("2.25")], dtype=pl.Decimal(20, 12))},
    "signs": {"s": pl.Series([0, 1], dtype=pl.Int8)},
    "no sides": {"s": pl.Series([None, None], dtype=pl.Null)},
    "some sides": {"s": [None, True]},
    "no ids": {"i": pl.Series([None, None], dtype=pl.Int64)},
    "utc us": {"t": pl.Series(UTC, dtype=pl.Datetime("us", "UTC"))},
    "utc ms": {"t": pl.Series(UTC, dtype=pl.Datetime("ms", "UTC"))},
    "utc ns": {"t": pl.Series(UTC, dtype=pl.Datetime("ns", "UTC"))},
    "local": {"t": pl.Series(UTC, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Tokyo")},
    "naive": {"t": pl.Series(UTC, dtype=pl.Datetime("us", "UTC")).dt.replace_time_zone(None)},
}


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("decimal", [False, True])
def test_dtypes(name: str, decimal: bool, tmp_path: Path) -> None:
    columns = DTYPES[name]
    result = read(tmp_path, frame(**columns), decimal=decimal)
    assert result["timestamp"].to_list() == UTC
    assert result.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert result["price"].to_list() == [Decimal("1.5"), Decimal("2.25")]
    assert result["quantity"].to_list() == ([3, 1] if name == "int32 sizes" else [3, 0.5])
    sides = {"no sides": [None, None], "some sides": [None, True]}
    usual = [True, False] if "s" not in columns else [False, True]
    assert result["is_buyer_maker"].to_list() == sides.get(name, usual)
    assert result["agg_trade_id"].to_list() == ([None, None] if name == "no ids" else [7, 8])


def test_a_naive_time_may_be_local(tmp_path: Path) -> None:
    local = pl.Series([dt.datetime(2024, 7, 1, 9, 30), dt.datetime(2024, 7, 1, 9, 31)], dtype=pl.Datetime("us"))  # noqa: DTZ001
    result = read(tmp_path, frame(t=local), time_zone="America/New_York")
    assert result["timestamp"].dt.hour().to_list() == [13, 13]
    skipped = pl.Series([dt.datetime(2024, 3, 10, 2, 30), dt.datetime(2024, 3, 10, 3, 0)], dtype=pl.Datetime("us"))  # noqa: DTZ001
    with pytest.raises(rb.RangeBarError, match="row 1: the row cannot be read"):
        read(tmp_path, frame(t=skipped), time_zone="America/New_York")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"p": [1.5, None]}, "row 2: the row cannot be read, got '1704067200001,,0.5,false,8'"),
        ({"p": [1.5, float("nan")]}, "row 2: the row cannot be read"),
        ({"p": [1.5, float("inf")]}, "row 2: the row cannot be read"),
        ({"p": [-1.5, 1.0]}, "row 1: a price must be above 0"),
        ({"p": [0.0, 1.0], "q": [0.0, 1.0]}, "row 1: the row has no price and no quantity"),
        ({"p": [1.123456789, 1.0]}, "row 1: a number has more decimals"),
        (
            {"q": pl.Series([2**53 + 1, 1])},
            "row 1: a number has more decimals than are kept, or more digits than a doub",
        ),
        ({"i": [8, 7]}, "row 2: the row belongs before one that was read already (`agg_trade_id` 7 after 8"),
        ({"t": [MS[0], None]}, "row 2: the row cannot be read"),
        ({"t": [MS[0], MS[0] * 1000]}, "row 2: the time is in another unit (1704067200000000 is in 'us'"),
        (
            {"t": [MS[1] * 10**6 + 1, MS[1] * 10**6 + 2]},
            "row 1: the time is in another unit (1704067200001000001 has more",
        ),
        ({"s": ["buy", "no"]}, "row 2: the row cannot be read"),
        ({"i": pl.Series([2**63, 2**63 + 1], dtype=pl.UInt64)}, "row 1: the row cannot be read"),
        (
            {"p": pl.Series([1.5, 2.0], dtype=pl.Float32)},
            "`p` is Float32, which holds 7 digits of a number: read it with",
        ),
        ({"t": pl.Series([dt.date(2024, 1, 1)] * 2)}, "`t` is Date, which is no `timestamp`"),
        ({"p": [[1.0], [2.0]]}, "`p` is List(Float64), which is no `price`"),
    ],
)
def test_what_is_wrong_in_a_table(columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError) as error:
        read(tmp_path, frame(**columns))
    assert message in str(error.value)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(rb.RangeBarError, match=r"ours\.parquet has no column `p`, the `price` of `the columns given`"):
        read(tmp_path, frame().drop("p"))


def test_a_damaged_file(tmp_path: Path) -> None:
    file = tmp_path / "ours.parquet"
    frame().write_parquet(file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(rb.RangeBarError, match=r"ours\.parquet is damaged or cut off \(.*\): download it again"):
        rb.scan_trades(file, columns=NAMES).collect()


@given(units=st.integers(1, 10**13), decimals=st.integers(0, 6), steps=st.integers(1, 3))
@example(units=505_551_739, decimals=0, steps=1)
@example(units=10**13, decimals=6, steps=3)
@ONE_FILE
def test_an_error_of_arithmetic_is_undone(units: int, decimals: int, steps: int, tmp_path: Path) -> None:
    meant = units / 10**decimals
    stored = meant
    for _ in range(steps):
        stored = stored * 1.1 / 1.1
    assert read(tmp_path, frame(p=[stored, meant]))["price"].to_list() == [meant, meant]


@given(units=st.integers(1, 10**15 - 1), decimals=st.integers(0, 8))
@example(units=10**14 + 1, decimals=6)
@example(units=10**15 - 1, decimals=7)
@ONE_FILE
def test_a_number_of_15_digits_is_no_error_of_arithmetic(units: int, decimals: int, tmp_path: Path) -> None:
    price = units / 10**decimals
    assert read(tmp_path, frame(p=[price, price]))["price"].to_list() == [price, price]


def test_rows_that_are_no_trades(tmp_path: Path) -> None:
    preset = rb.Preset(name="ours", columns=NAMES, only=("kind", ("T",)))
    report = rb.ReadReport()
    result = read(tmp_path, frame(kind=["C", "T"]), columns=None, preset=preset, report=report)
    assert result["agg_trade_id"].to_list() == [8]
    assert faults(report) == {("not_a_trade", "dropped"): [1, 1, "1704067200000,1.5,3.0,true,7,C"]}
    assert report.total == 0


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_sides_that_are_texts(dtype: pl.DataType, tmp_path: Path) -> None:
    sides = frame(t=[MS[0]] * 2, p=[1.0] * 2, q=[1.0] * 2, i=[1, 2], s=["True", "FALSE"])
    assert read(tmp_path, sides.with_columns(pl.col("s").cast(dtype)))["is_buyer_maker"].to_list() == [True, False]
    wrong = sides.with_columns(pl.Series("s", ["True", "maybe"]).cast(dtype))
    with pytest.raises(rb.RangeBarError, match="row 2: the row cannot be read"):
        read(tmp_path, wrong)


def test_several_batches(tmp_path: Path) -> None:
    many = 300_000
    table = pl.select(t=MS[0] + pl.int_range(many), p=1.0 + pl.int_range(many) % 7, q=pl.lit(1), s=pl.lit("buy"))
    table = table.with_columns(i=pl.int_range(many))
    assert read(tmp_path, table)["agg_trade_id"].to_list() == table["i"].to_list()
    bad = table.with_columns(p=pl.when(pl.col("i") == many - 1).then(-1.0).otherwise("p"))
    with pytest.raises(rb.RangeBarError, match=f"row {many}: a price must be above 0"):
        read(tmp_path, bad)
