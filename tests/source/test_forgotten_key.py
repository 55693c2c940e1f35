"""Contract: a column that looks like a key, holds several values and is not in `by` is told of, once; no other is."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars._bars.forgotten_key import ForgottenKey, key_like

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def trades(*symbols: Any, name: str = "symbol", **columns: Any) -> pl.DataFrame:
    """Trades in order of time, of symbols that take turns."""
    rows = max(len(symbols), *(len(values) for values in columns.values()), 1)
    base = {"timestamp": range(rows), "price": [100.0] * rows, "quantity": [1.0] * rows}
    return pl.DataFrame({**base, name: list(symbols), **columns}).cast({"timestamp": pl.Datetime("us")})


def told(frames: Sequence[pl.DataFrame], by: Sequence[str] = ()) -> list[str]:
    look = ForgottenKey(by, frames[0].columns)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for frame in frames:
            look.look(frame)
    assert {warning.category for warning in caught} <= {rb.RangeBarWarning}
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("method", ["bars", "with_bar_id"])
def test_the_eager_methods_warn_at_the_users_line(method: str) -> None:
    frame = trades("BTC", "ETH", "BTC")
    with pytest.warns(rb.RangeBarWarning) as caught:
        getattr(frame.rangebar, method)(250)
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message) == (
        "column `symbol` holds several values, such as 'BTC' and 'ETH', and is not in `by`: "
        'their trades go into the same bars; `by="symbol"` keeps them apart'
    )
    getattr(frame.rangebar, method)(250, by="symbol")
    getattr(frame.filter(symbol="BTC").rangebar, method)(250)
    getattr(frame.drop("symbol").rangebar, method)(250)
    getattr(frame.clear().rangebar, method)(250)


@pytest.mark.parametrize("method", ["bars", "with_bar_id"])
def test_lazy_frames_in_memory_warn_where_the_query_is_written(method: str) -> None:
    with pytest.warns(rb.RangeBarWarning, match='by="symbol"') as caught:
        lazy = getattr(trades("BTC", "ETH", "BTC").lazy().rangebar, method)(250)
    assert [warning.filename for warning in caught] == [__file__]
    lazy.collect()


@pytest.mark.parametrize("method", ["bars", "with_bar_id"])
@pytest.mark.parametrize("how", ["one file", "a file a symbol", "folders", "csv"])
def test_queries_over_files_warn_when_they_run(how: str, method: str, tmp_path: Path) -> None:
    frame = trades(*["BTC", "ETH"] * 3) if how == "csv" else trades(*["BTC"] * 3, *["ETH"] * 3)
    parts = frame.partition_by("symbol")
    if how == "one file":
        frame.write_parquet(tmp_path / "trades.parquet", row_group_size=1)
    elif how == "a file a symbol":
        for part in parts:
            part.write_parquet(tmp_path / f"{part['symbol'][0]}.parquet")
    elif how == "folders":
        frame.write_parquet(pl.PartitionBy(tmp_path, key="symbol", include_key=False), mkdir=True)
    else:
        frame.write_csv(tmp_path / "trades.csv")
    scan = pl.scan_csv(tmp_path, schema=frame.schema) if how == "csv" else pl.scan_parquet(tmp_path)
    lazy = getattr(scan.rangebar, method)(250)
    with pytest.warns(rb.RangeBarWarning, match="`symbol` holds several values, such as 'BTC' and 'ETH'") as caught:
        lazy.collect()
    assert len(caught) == 1
    getattr(scan.filter(symbol="ETH").rangebar, method)(250).collect()
    getattr(scan.rangebar, method)(250, by="symbol").collect()


@pytest.mark.parametrize("method", ["bars", "with_bar_id"])
def test_what_can_be_read_once_is_read_once(method: str) -> None:
    frame = trades("BTC", "ETH", "BTC")
    calls: list[int] = []

    def count(batch: pl.DataFrame) -> pl.DataFrame:
        calls.append(batch.height)
        return batch

    getattr(frame.lazy().map_batches(count, streamable=True).rangebar, method)(250).collect()
    assert sum(calls) == frame.height


def test_what_is_refused_is_not_warned_of() -> None:
    with pytest.raises(rb.RangeBarError, match="threshold_dbps"):
        trades("BTC", "ETH").rangebar.bars(0)


@pytest.mark.parametrize("name", ["symbol", "Ticker", "instrument_id", "instId", "product-id", "PAIR", "trading pair"])
def test_names_of_keys(name: str) -> None:
    assert key_like([], ["price", name]) == [name]
    assert key_like([name], [name]) == []
    assert len(told([trades("A", "B", name=name)])) == 1
    assert told([trades("A", "A", name=name)]) == []


@pytest.mark.parametrize("name", ["exchange", "venue", "side", "price", "is_buyer_maker", "symbol_count", "day"])
def test_other_columns_may_hold_what_they_like(name: str) -> None:
    assert key_like([], [name]) == []


@pytest.mark.parametrize(
    "dtype", [pl.String, pl.Categorical, pl.Enum(["1", "2"]), pl.Int64, pl.UInt8, pl.Binary, pl.Float64], ids=str
)
def test_keys_of_every_dtype(dtype: Any) -> None:
    values = (
        pl.Series(["1", "2"]).cast(pl.Int64) if dtype in (pl.Int64, pl.UInt8, pl.Float64) else pl.Series(["1", "2"])
    )
    frame = trades("1", "2").with_columns(symbol=values.cast(dtype))
    assert len(told([frame])) == 1
    assert told([frame.head(1)]) == []


def test_null_beside_a_value_is_another_value() -> None:
    assert len(told([trades(None, "A")])) == 1
    assert told([trades(None, None)]) == []


def test_a_column_that_follows_the_key_is_none() -> None:
    """A ticker beside the symbol that it stands for; and a market that has two of one symbol."""
    symbols, tickers, markets = ["A", "B", "A"], ["a", "b", "a"], ["spot", "spot", "perp"]
    frame = trades(*symbols, ticker=tickers, market=markets)
    assert told([frame.drop("market")], ["symbol"]) == []
    (text,) = told([frame], ["symbol"])
    assert text.startswith("column `market` holds several values, such as 'spot' and 'perp'")
    assert text.endswith('`by=["symbol", "market"]` keeps them apart')
    assert told([frame], ["symbol", "market"]) == []


def test_it_warns_once_of_frames_of_one_trade_each() -> None:
    frame = trades("A", "A", "B", "B", "C")
    assert len(told(list(frame.iter_slices(1)))) == 1
    assert told(list(frame.head(2).iter_slices(1))) == []


@pytest.mark.parametrize("place", [0, 500, 99_999])
def test_the_beginning_and_the_end_of_a_long_frame_are_looked_at(place: int) -> None:
    rows = pl.int_range(100_000, eager=True)
    frame = pl.DataFrame({"symbol": rows.is_in([place]).cast(pl.String)})
    assert len(told([frame])) == 1


def test_frames_that_change_and_columns_of_no_value_are_left_alone() -> None:
    """It only looks: nothing in a frame may make a push fail that would have been taken."""
    texts = trades("A", "A")
    assert len(told([texts, texts.with_columns(symbol=pl.lit(1, pl.Int8))])) == 1
    assert told([texts, texts.drop("symbol")]) == []
    for value in ([1], {"a": 1}):
        assert told([pl.DataFrame({"symbol": [value, value]})]) == []
    assert told([pl.DataFrame({"symbol": pl.Series([object(), object()], dtype=pl.Object)})]) == []


def test_it_can_be_switched_off() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rb.RangeBarWarning)
        trades("A", "B").rangebar.bars(250)
