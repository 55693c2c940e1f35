"""Files of several vintages in one folder: by name, null where they have nothing, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._reader_layouts import START

COLUMNS: dict[str, Any] = {
    "timestamp": ("time", "t"),
    "price": "price",
    "quantity": "size",
    "is_buyer_maker": "side",
    "agg_trade_id": "id",
}
TEXTS = {
    "2019.csv": f"t,price,size\n{START},1,1\n",
    "2020.csv": f"size,side,price,time,exchange\n2,buy,1.5,{START + 1}000,X\n2,,1.5,{START + 1}500,X\n",
    "2021.csv": f"id,time,price,size,side\n,{START + 2}000000,2,1,Sell\n5,{START + 2}000001,2,1,sell\n",
    "2022.csv": f'"ID","TIME","PRICE","SIZE","SIDE","note"\n6,{START + 3}000,3,1,BUY,"a, b"\n',
}
ROWS = [
    (1.0, 1.0, None, None),
    (1.5, 2.0, False, None),
    (1.5, 2.0, None, None),
    (2.0, 1.0, True, None),
    (2.0, 1.0, True, 5),
    (3.0, 1.0, False, 6),
]


def check(folder: Path) -> rb.ReadReport:
    report = rb.ReadReport()
    frame = rb.scan_trades(folder, columns=COLUMNS, report=report).collect()
    assert frame.select("price", "quantity", "is_buyer_maker", "agg_trade_id").rows() == ROWS
    assert frame.schema["timestamp"] == pl.Datetime("us", "UTC")
    return report


def test_texts(tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    files = check(tmp_path).files()
    assert files["absent_columns"].to_list() == [["is_buyer_maker", "agg_trade_id"], ["agg_trade_id"], [], []]
    assert files["other_columns"].to_list() == [[], ["exchange"], [], ["note"]]
    assert files["time_unit"].to_list() == ["s", "ms", "us", "ms"]


def test_tables_of_other_dtypes(tmp_path: Path) -> None:
    dtypes: dict[str, dict[str, Any]] = {
        "2019.csv": {"t": pl.Int64},
        "2020.csv": {"side": pl.Categorical, "time": pl.Int64},
        "2021.csv": {"id": pl.Int32, "time": pl.Int64, "price": pl.Int64, "size": pl.UInt8},
        "2022.csv": {"PRICE": pl.Decimal(20, 4), "ID": pl.UInt64, "TIME": pl.Int64},
    }
    for name, text in TEXTS.items():
        table = pl.read_csv(text.encode(), infer_schema=False).cast(dtypes[name])
        table.write_parquet(tmp_path / f"{name[:4]}.parquet")
    files = check(tmp_path).files()
    assert files["other_columns"].to_list() == [[], ["exchange"], [], ["note"]]


def test_a_folder_of_both_kinds(tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        if name in ("2019.csv", "2021.csv"):
            (tmp_path / name).write_text(text)
        else:
            pl.read_csv(text.encode(), infer_schema=False).write_parquet(tmp_path / f"{name[:4]}.parquet")
    check(tmp_path)


def test_ids_go_on_where_a_file_between_has_none(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(f"time,price,size,id\n{START},1,1,8\n")
    (tmp_path / "2.csv").write_text(f"time,price,size\n{START + 1},1,1\n")
    (tmp_path / "3.csv").write_text(f"time,price,size,id\n{START + 2},1,1,8\n")
    with pytest.raises(rb.RangeBarError, match=r"3\.csv, line 2: .*`agg_trade_id` 8 after 8.*1\.csv was read before"):
        rb.scan_trades(tmp_path, columns=COLUMNS).collect()
