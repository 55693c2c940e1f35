"""Contract layer, real files that are wrong in one way each: the error names the rule that they break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import assert_same_bars

if TYPE_CHECKING:
    from pathlib import Path

TRADE_COLUMNS = [
    "agg_trade_id",
    "price",
    "quantity",
    "first_trade_id",
    "last_trade_id",
    "timestamp",
    "is_buyer_maker",
]


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "bad_inputs"


def milliseconds(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("ms", "UTC")).alias("timestamp")


def test_swapped_rows_and_repeated_ids(folder: Path) -> None:
    name = "constructed_spot_btc_days_swapped_dup_ids.csv"
    lf = pl.scan_csv(folder / name).with_columns(milliseconds("time"))
    with pytest.raises(rb.RangeBarError, match=r"`timestamp` must not go back.* at row 10147 "):
        lf.rangebar.bars(250, by="symbol", agg_trade_id="trade_id").collect()


# The first row of each stream that breaks a rule, and the rule. An id that repeats at another time breaks none.
STREAMS: dict[str, tuple[int, str] | None] = {
    "spot_trxusdt": None,
    "usd_m_futures_trxusdt": (0, r"`price` must be finite and > 0"),
    "coin_m_futures_trxusd_perp": (2, r"`agg_trade_id` must strictly increase"),
}


@pytest.mark.parametrize("market", STREAMS)
def test_streams_with_prices_of_minus_one_and_repeated_ids(folder: Path, market: str) -> None:
    name = f"lasota_test_negative_binance_trade_stream_{market}_04-03-2025.csv"
    unit = "us" if market.startswith("spot") else "ms"
    trades = pl.read_csv(folder / name).select(
        pl.col("TransactionTime").cast(pl.Datetime(unit, "UTC")).alias("timestamp"),
        pl.col("Price").cast(pl.Float64).alias("price"),
        pl.col("Quantity").cast(pl.Float64).alias("quantity"),
        pl.col("TradeId").alias("agg_trade_id"),
    )
    bad = STREAMS[market]
    good_rows = trades.height if bad is None else bad[0]
    good = trades.head(good_rows).rangebar.bars(10, include_incomplete=True)
    assert good["agg_record_count"].sum() == good_rows
    if bad is None:
        assert trades["agg_trade_id"].is_duplicated().any()
    else:
        with pytest.raises(rb.RangeBarError, match=rf"{bad[1]}.* at row {bad[0]}\b"):
            trades.rangebar.bars(250)


def test_file_without_a_header(folder: Path) -> None:
    """Read as if it had one, its columns carry the values of the first row: the message lists them."""
    lf = pl.scan_csv(folder / "spot8_noheader_ms_first5k.csv")
    with pytest.raises(rb.RangeBarError, match=r"(?s)`timestamp`.*2807759891"):
        lf.rangebar.bars(250).collect()
    names = [*TRADE_COLUMNS, "is_best_match"]
    read = pl.scan_csv(
        folder / "spot8_noheader_ms_first5k.csv",
        has_header=False,
        new_columns=names,
        schema_overrides={"is_buyer_maker": pl.String, "is_best_match": pl.String},
    )
    with pytest.raises(rb.RangeBarError, match=r"`timestamp`.*time_unit"):
        read.rangebar.bars(250).collect()
    with pytest.raises(rb.RangeBarError, match=r"`is_buyer_maker`.*Boolean"):
        read.rangebar.bars(250, time_unit="ms").collect()
    right = read.with_columns(pl.col("is_buyer_maker") == "True")
    assert right.rangebar.bars(50, time_unit="ms").collect().height > 0


def test_header_repeated_inside(folder: Path) -> None:
    frame = pl.read_csv(folder / "usdm7_header_repeated_crlf.csv", infer_schema=False)
    with pytest.raises(rb.RangeBarError, match=r"`transact_time` must be Datetime.*got String"):
        frame.rangebar.bars(250, time="transact_time")
    numbers = frame.select(
        pl.col("transact_time").cast(pl.Int64, strict=False).cast(pl.Datetime("ms")).alias("timestamp"),
        pl.col("price", "quantity").cast(pl.Float64, strict=False),
    )
    rows = numbers.with_row_index("row").filter(pl.any_horizontal(pl.all().is_null()))["row"]
    assert rows.len() > 0
    with pytest.raises(rb.RangeBarError, match=rf"null.*row {rows[0]}\b"):
        numbers.rangebar.bars(250)


def test_reaggregated_file_agrees_with_itself_by_every_name(folder: Path) -> None:
    lf = pl.scan_csv(folder / "usdm7_header_ms_reaggregated.csv")
    with pytest.raises(rb.RangeBarError, match=r"(?s)`timestamp`.*transact_time"):
        lf.rangebar.bars(10).collect()
    by_name = lf.rangebar.bars(10, time="transact_time", time_unit="ms").collect()
    renamed = lf.rename({"transact_time": "timestamp"}).rangebar.bars(10, time_unit="ms").collect()
    assert by_name.height > 0
    assert_same_bars(by_name, renamed)


def test_pointer_instead_of_a_file(folder: Path) -> None:
    """Polars says it: the error passes through as it is."""
    with pytest.raises(pl.exceptions.ComputeError, match=r"(?i)parquet"):
        pl.scan_parquet(folder / "lfs_pointer.parquet").rangebar.bars(250).collect()


def test_seconds_without_a_header(folder: Path) -> None:
    frame = pl.read_csv(
        folder / "thrasher_binance_BTCUSDT_trades_2020_11_16.csv",
        has_header=False,
        new_columns=["timestamp", "price", "quantity", "side"],
    )
    with pytest.raises(rb.RangeBarError, match=r"`timestamp`.*time_unit"):
        frame.rangebar.bars(10)
    right = frame.with_columns((pl.col("timestamp") * 1_000).cast(pl.Datetime("ms", "UTC")))
    assert right.rangebar.bars(10).height > 0
