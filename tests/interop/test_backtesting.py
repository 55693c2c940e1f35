"""Interop: what `to_backtesting` returns and refuses, and that the real backtesting.py runs on it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rangebar_polars import BarStream, DataFrameRangeBar, LazyFrameRangeBar, RangeBarError
from rangebar_polars.backtesting import to_backtesting
from rangebar_polars.datasets import sample_trades, write_sample_lake
from rangebar_polars.exports import to_vectorbt
from rangebar_polars.plotting import plot
from tests._alone import run as run_alone

if TYPE_CHECKING:
    from collections.abc import Callable

pd = pytest.importorskip("pandas")
COLUMNS = ["Open", "High", "Low", "Close", "Volume"]
NOON = datetime(2024, 1, 1, 12)  # noqa: DTZ001  (bars without time zone)


def _bars(rows: int = 4, **columns: Any) -> pl.DataFrame:
    """Hand-made bars, one a minute; `columns` replace or follow, group keys come first."""
    times = [NOON + timedelta(minutes=row) for row in range(rows)]
    opens = [100.0 + row for row in range(rows)]
    base: dict[str, Any] = {
        "open_time": [time - timedelta(seconds=30) for time in times],
        "close_time": times,
        "open": opens,
        "high": [price + 2 for price in opens],
        "low": [price - 2 for price in opens],
        "close": [price + 1 for price in opens],
        "volume": [10.0 * (row + 1) for row in range(rows)],
        "close_reason": pl.Series(["threshold"] * rows, dtype=pl.Enum(["threshold", "reset", "gap", "end"])),
        "ofi": [0.1 * row for row in range(rows)],
    }
    schema = {"open_time": pl.Datetime("us"), "close_time": pl.Datetime("us")} | dict.fromkeys(
        ("open", "high", "low", "close", "volume", "ofi"), pl.Float64
    )
    keys = {name: values for name, values in columns.items() if name in ("market", "symbol", "day", "key")}
    return pl.DataFrame({**keys, **base, **columns}, schema_overrides=schema)


def test_columns_index_and_values() -> None:
    frame = to_backtesting(_bars(), extra=["ofi", "close_reason", "open_time"])
    assert list(frame.columns) == [*COLUMNS, "ofi", "close_reason", "open_time"]
    assert [str(dtype) for dtype in frame.dtypes] == ["float64"] * 6 + ["category", "datetime64[us]"]
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.name == "close_time"
    assert frame.index.tz is None
    assert frame.index[1] == pd.Timestamp("2024-01-01 12:01")
    assert frame[COLUMNS].to_numpy().tolist()[1] == [101.0, 103.0, 99.0, 102.0, 20.0]
    frame.loc[frame.index[0], "Open"] = 1.0


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_index_is_naive_utc_in_the_unit_of_the_bars(unit: Any, zone: str | None) -> None:
    times = pl.col("close_time").cast(pl.Datetime(unit))
    if zone:
        times = times.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    frame = to_backtesting(_bars().with_columns(times), extra="close_time")
    assert str(frame.index.dtype) == str(frame["close_time"].dtype) == f"datetime64[{unit}]"
    assert frame.index[0] == pd.Timestamp(NOON)
    assert frame["close_time"].iloc[0] == pd.Timestamp(NOON)


def test_rows_are_sorted_by_close_time_and_ties_keep_their_order() -> None:
    minutes = [3, 1, 3, 0, 1]
    bars = _bars(5).with_columns(close_time=pl.Series([NOON + timedelta(minutes=m) for m in minutes]))
    frame = to_backtesting(bars)
    assert frame["Open"].tolist() == [103.0, 101.0, 104.0, 100.0, 102.0]
    assert frame.index.is_monotonic_increasing


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_no_bars_give_an_empty_frame_of_the_same_types(zone: str | None) -> None:
    bars = _bars(symbol=["A"] * 4).with_columns(pl.col("close_time").dt.replace_time_zone(zone))
    full, empty = (to_backtesting(part, extra=["ofi", "close_reason", "symbol"]) for part in (bars, bars.clear()))
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    assert empty.index.dtype == full.index.dtype
    assert empty.index.name == "close_time"
    assert empty.dtypes.drop("symbol").tolist() == full.dtypes.drop("symbol").tolist()


def test_extra_of_every_kind() -> None:
    values = {
        "integer": pl.Series([1, None, 3, 4], dtype=pl.Int64),
        "count": pl.Series([1, 2, 3, 4], dtype=pl.UInt64),
        "decimal": pl.Series(["1.5", "2", None, "4"]).cast(pl.Decimal(10, 2)),
        "flag": pl.Series([True, None, False, True]),
        "text": pl.Series(["a", None, "b", "a"]),
        "category": pl.Series(["a", None, "b", "a"], dtype=pl.Categorical),
        "day": pl.Series([date(2024, 1, 1)] * 4),
        "span": pl.Series([timedelta(seconds=1)] * 4),
        "nested": pl.Series([[1], [2, 3], None, []]),
    }
    bars = _bars().with_columns(**values)
    frame = to_backtesting(bars.select(pl.exclude("day"), "day"), extra=list(values))
    assert str(frame["integer"].dtype) == str(frame["decimal"].dtype) == "float64"
    assert frame["integer"].isna().tolist() == [False, True, False, False]
    assert str(frame["count"].dtype) == "uint64"
    assert frame["text"].isna().tolist() == frame["category"].isna().tolist() == [False, True, False, False]
    assert frame["category"].cat.categories.tolist() == ["a", "b"]
    assert frame["flag"].tolist() == [True, None, False, True]
    assert frame["day"].iloc[0] == pd.Timestamp("2024-01-01")
    assert frame["span"].iloc[0] == pd.Timedelta("1s")


def test_several_groups_must_be_chosen_from() -> None:
    bars = _bars(symbol=["A", "B", "A", "B"])
    with pytest.raises(RangeBarError, match=r"hold 2 groups: symbol='A', symbol='B'; choose one, as in `symbol='A'`"):
        to_backtesting(bars)
    assert to_backtesting(bars, symbol="B")["Open"].tolist() == [101.0, 103.0]
    assert to_backtesting(bars.lazy(), symbol="B")["Open"].tolist() == [101.0, 103.0]
    assert to_backtesting(bars.filter(pl.col("symbol") == "B"))["Open"].tolist() == [101.0, 103.0]
    many = _bars(13, symbol=[f"S{row:02d}" for row in range(13)])
    with pytest.raises(RangeBarError, match=r"hold 13 groups: symbol='S00', .*symbol='S09' and 3 more; choose"):
        to_backtesting(many)


def test_several_keys() -> None:
    bars = _bars(market=["spot", "spot", "perp", "perp"], symbol=["A", "B", "A", "B"])
    assert to_backtesting(bars, symbol={"market": "perp", "symbol": "A"})["Open"].tolist() == [102.0]
    with pytest.raises(RangeBarError, match=r"2 groups: \(market='spot', symbol='A'\), \(market='perp', symbol='A'\)"):
        to_backtesting(bars, symbol="A")
    with pytest.raises(RangeBarError, match="`symbol` names `venue`, which is not a group key; the keys are `market`"):
        to_backtesting(bars, symbol={"venue": "x"})
    other = bars.rename({"symbol": "key"})
    with pytest.raises(RangeBarError, match="`symbol` must map the group keys `market`, `key`"):
        to_backtesting(other, symbol="A")
    assert to_backtesting(other, symbol={"market": "spot", "key": "B"})["Open"].tolist() == [101.0]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (pl.Series([date(2024, 1, 1), date(2024, 1, 2)] * 2), date(2024, 1, 2)),
        (pl.Series([7, 8] * 2, dtype=pl.Int16), 8),
        (pl.Series(["A", "B"] * 2, dtype=pl.Categorical), "B"),
        (pl.Series(["A", "B"] * 2, dtype=pl.Enum(["A", "B"])), "B"),
        (pl.Series(["A", None] * 2), {"key": None}),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_keys_of_other_types(keys: pl.Series, wanted: object) -> None:
    assert to_backtesting(_bars(key=keys), symbol=wanted)["Open"].tolist() == [101.0, 103.0]


def test_keys_that_stand_elsewhere() -> None:
    bars = _bars(symbol=["A", "B", "A", "B"])
    for order in (["symbol", "close_time"], ["close_time", "symbol"], ["close_time", "open_time", "symbol"]):
        with pytest.raises(RangeBarError, match="2 groups: symbol='A', symbol='B'"):
            to_backtesting(bars.select(*order, *(name.lower() for name in COLUMNS)))
    with pytest.raises(RangeBarError, match=r"the group keys are taken to be `index`"):
        to_backtesting(_bars().with_row_index())


@pytest.mark.parametrize("symbol", ["C", None], ids=str)
def test_a_group_that_does_not_exist(symbol: object) -> None:
    bars = _bars(symbol=["A", "B", "A", "B"])
    with pytest.raises(RangeBarError, match=r"no bars of symbol=.*there are bars of symbol='A', symbol='B'"):
        to_backtesting(bars, symbol={"symbol": symbol})
    with pytest.raises(RangeBarError, match="there are no bars at all"):
        to_backtesting(bars.clear(), symbol={"symbol": symbol})


def test_a_group_of_another_dtype_cannot_exist() -> None:
    bars = _bars(symbol=["A", "B", "A", "B"])
    for some in (bars, bars.clear()):
        with pytest.raises(RangeBarError, match=r"`symbol` must be comparable with the group key `symbol` \(String\)"):
            to_backtesting(some, symbol={"symbol": 5})


@pytest.mark.parametrize("symbol", ["A", 5])
def test_bars_of_one_group_have_none_to_choose(symbol: object) -> None:
    with pytest.raises(RangeBarError, match="the bars have no group key"):
        to_backtesting(_bars(), symbol=symbol)


def test_a_group_outside_the_enum_does_not_exist() -> None:
    bars = _bars(symbol=pl.Series(["A", "B"] * 2, dtype=pl.Enum(["A", "B"])))
    with pytest.raises(RangeBarError, match=r"no bars of symbol='C'; there are bars of symbol='A', symbol='B'"):
        to_backtesting(bars, symbol="C")


@pytest.mark.parametrize(
    ("bars", "extra", "message"),
    [
        (_bars().drop("close_time"), [], "column `close_time` not found"),
        (_bars().drop("high"), [], "column `high` not found"),
        (_bars(), ["ofl"], r"column `ofl` not found \(did you mean `ofi`\?\)"),
        (_bars(), ["ofi", "ofi"], "`extra` must name distinct columns"),
        (_bars().with_columns(Open=1), ["Open"], "`extra` must name distinct columns"),
        (
            _bars().with_columns(pl.col("close_time").to_physical()),
            [],
            r'^column `close_time` is Int64: give its unit with `time_unit="ms"`, `"us"` or `"ns"`$',
        ),
        (
            _bars().with_columns(pl.col("close_time").cast(pl.String)),
            [],
            "`close_time` must be Datetime, or Int64 with a `time_unit`, got String: cast it",
        ),
        (_bars().with_columns(low=pl.lit("x")), [], "`low` must be numeric, got String"),
        (_bars().with_columns(low=None), [], "`low` must be numeric, got Null"),
        (
            _bars().with_columns(low=pl.lit(float("nan"))),
            [],
            "`low` must not be null or NaN, got nan at bar 0",
        ),
        (
            _bars().with_columns(pl.col("close").shift(-1)),
            [],
            "`close` must not be null or NaN, got None at bar 3",
        ),
        (_bars().with_columns(pl.col("close_time").shift()), [], "`close_time` must not be null or NaN"),
    ],
)
def test_unfit_bars(bars: pl.DataFrame, extra: list[str], message: str) -> None:
    for frame in (bars, bars.lazy()):
        with pytest.raises(RangeBarError, match=message):
            to_backtesting(frame, extra=extra)


@pytest.mark.parametrize("extra", [5, [pl.col("ofi")], pl.col("ofi")])
def test_extra_takes_names(extra: Any) -> None:
    with pytest.raises(RangeBarError, match="`extra` takes a column name or a list of names, got"):
        to_backtesting(_bars(), extra=extra)


# ---------------------------------------------------------------------------------- times, forming bars


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("route", ["query", "lazy", "stream", "push_trade"])
def test_integer_times_become_those_of_the_clock(unit: Any, route: str) -> None:
    """Bars of Int64 times, however they were made, and those of the same trades with times as Datetime."""
    trades = sample_trades(5_000).with_columns(pl.col("timestamp").dt.cast_time_unit(unit))
    integers = trades.with_columns(pl.col("timestamp").to_physical())
    expected = to_backtesting(trades.rangebar.bars(50, intra=True), extra=["open_time", "high_time", "ofi"])
    if route == "lazy":
        bars: pl.DataFrame | pl.LazyFrame = integers.lazy().rangebar.bars(50, intra=True, time_unit=unit)
    elif route == "query":
        bars = integers.rangebar.bars(50, intra=True, time_unit=unit)
    else:
        stream = BarStream(50, intra=True, time_unit=unit)
        if route == "stream":
            bars = pl.concat([stream.push(part) for part in integers.iter_slices(700)])
        else:
            names = (
                "timestamp",
                "price",
                "quantity",
                "is_buyer_maker",
                "agg_trade_id",
                "first_trade_id",
                "last_trade_id",
            )
            ended = (stream.push_trade(**row) for row in integers.select(names).iter_rows(named=True))
            bars = pl.concat([bar for bar in ended if bar is not None])
    assert bars.collect_schema()["close_time"] == pl.Int64
    frame = to_backtesting(bars, extra=["open_time", "high_time", "ofi"], time_unit=unit)
    assert len(frame) > 5
    pd.testing.assert_frame_equal(frame, expected, check_index_type=True)
    with pytest.raises(RangeBarError, match="column `close_time` is Int64: give its unit with `time_unit="):
        to_backtesting(bars)


@pytest.mark.parametrize("function", [to_backtesting, to_vectorbt, plot], ids=lambda function: function.__name__)
def test_a_unit_is_checked_alike(function: Any) -> None:
    integers = _bars().with_columns(pl.col("open_time", "close_time").to_physical())
    with pytest.raises(RangeBarError, match='`time_unit` must be "ms", "us" or "ns", got \'s\''):
        function(integers, time_unit="s")
    with pytest.raises(RangeBarError, match="`time_unit` is only for Int64 times, but `close_time` is Datetime"):
        function(_bars(), time_unit="us")
    year = "`(open|close)_time` must be in the years 1 to 9999, got .* ms since 1970 at bar 0: the `time_unit` is prob"
    with pytest.raises(RangeBarError, match=year):
        function(integers, time_unit="ms")


def test_the_bar_that_still_forms_is_left_out() -> None:
    """In the frame of all bars, by whatever means they were made, the last one is another once it has ended."""
    trades = sample_trades(20_000, symbols=["A", "B"])
    bars = trades.rangebar.bars(50, by="symbol", include_incomplete=True)
    assert bars.filter(close_reason="end").height == 2
    ended = trades.rangebar.bars(50, by="symbol")
    for given in (bars, bars.lazy(), trades.lazy().rangebar.bars(50, by="symbol", include_incomplete=True)):
        pd.testing.assert_frame_equal(to_backtesting(given, symbol="A"), to_backtesting(ended, symbol="A"))
        prices = to_vectorbt(given, symbol="B")
        assert prices["close"].tolist() == ended.filter(symbol="B")["close"].to_list()
    whole = to_backtesting(bars, symbol="A", include_incomplete=True)
    assert whole["Close"].tolist() == bars.filter(symbol="A").sort("close_time", maintain_order=True)["close"].to_list()
    assert len(to_vectorbt(bars, symbol="A", include_incomplete=True)["close"]) == len(whole)


def test_reasons_of_every_kind() -> None:
    """Orphans stay; text and null are reasons too; bars without the column are all there."""
    reasons = ["reset", "end", "gap", None]
    for dtype in (pl.String, pl.Categorical, pl.Enum(["reset", "gap", "end"])):
        bars = _bars(close_reason=pl.Series(reasons, dtype=dtype))
        assert to_backtesting(bars)["Open"].tolist() == [100.0, 102.0, 103.0]
        assert to_backtesting(bars, extra="close_reason")["close_reason"].tolist()[:2] == ["reset", "gap"]
    assert len(to_backtesting(_bars().drop("close_reason"))) == 4
    with pytest.raises(RangeBarError, match="`include_incomplete` must be True or False, got 1"):
        to_backtesting(_bars(), include_incomplete=1)


def test_a_group_of_which_a_bar_only_forms_is_a_group() -> None:
    """It hides in no other: two groups are two, and asked for it has no bars, which is no error."""
    reasons = pl.Series(["threshold", "threshold", "threshold", "end"])
    bars = _bars(symbol=["A", "A", "A", "B"], close_reason=reasons)
    with pytest.raises(RangeBarError, match="2 groups: symbol='A', symbol='B'"):
        to_backtesting(bars)
    assert len(to_backtesting(bars, symbol="B")) == 0
    assert len(to_backtesting(bars, symbol="B", include_incomplete=True)) == 1


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), pl.col("symbol"), pl.Series(["A"])])
def test_what_is_no_key_is_refused(value: Any) -> None:
    bars = _bars(symbol=["A", "B", "A", "B"])
    for symbol in (value, {"symbol": value}):
        with pytest.raises(RangeBarError, match=r"`symbol` must be comparable with the group key `symbol` \(String\)"):
            to_backtesting(bars, symbol=symbol)


def test_bars_of_several_thresholds() -> None:
    trades = sample_trades(20_000, symbols=["A", "B"])
    bars = trades.rangebar.bars([50, 100], by="symbol")
    one = bars.filter(symbol="A").drop("symbol")
    with pytest.raises(RangeBarError, match=r"2 thresholds .* `symbol=\{'one': 1, 'threshold_dbps': 50\}`"):
        to_backtesting(one.select(pl.lit(1).alias("one"), pl.all()))
    with pytest.raises(RangeBarError, match=r"2 thresholds \(50, 100\): choose one, as in `symbol=50`"):
        to_backtesting(one)
    with pytest.raises(RangeBarError, match=r"choose one, as in `symbol=\{'symbol': 'A', 'threshold_dbps': 50\}`"):
        to_backtesting(bars, symbol="A")
    with pytest.raises(RangeBarError, match=r"4 groups: .*as in `symbol=\{'symbol': 'A', 'threshold_dbps': 50\}`"):
        to_backtesting(bars)
    assert len(to_backtesting(one, symbol=50)) == one.filter(threshold_dbps=50).height > 0
    chosen = to_backtesting(bars, symbol={"symbol": "A", "threshold_dbps": 100})
    assert len(chosen) == one.filter(threshold_dbps=100).height > 0


def test_pandas_is_imported_late_and_pyarrow_never() -> None:
    code = """
import sys
import polars as pl
import rangebar_polars as rb
assert not {"pandas", "numpy", "pyarrow"} & set(sys.modules)
bars = rb.DataFrameRangeBar(rb.datasets.sample_trades(20_000)).bars(100)
sys.modules["pyarrow"] = None
assert len(rb.DataFrameRangeBar(bars).to_backtesting(extra=["close_reason", "ofi", "open_time"])) == bars.height
for name in [name for name in sys.modules if name.partition(".")[0] == "pandas"]:
    del sys.modules[name]
sys.modules["pandas"] = None
for name, extra in (("to_backtesting", "backtesting"), ("to_vectorbt", "vectorbt")):
    try:
        getattr(rb.DataFrameRangeBar(bars), name)()
    except ModuleNotFoundError as error:
        assert str(error) == f'{name}() needs pandas: pip install "rangebar_polars[{extra}]"'
        print("clear")
"""
    assert run_alone(code) == "clear\nclear\n"


def test_only_the_columns_and_files_needed_are_read(tmp_path: Path) -> None:
    files = write_sample_lake(tmp_path, rows=60_000, symbols=["A", "B"], rows_per_file=10_000)
    expected = DataFrameRangeBar(sample_trades(60_000, symbols=["A", "B"])).bars(50, by="symbol")
    for file in files[3:]:
        file.write_bytes(b"not a Parquet file")
    bars = LazyFrameRangeBar(pl.scan_parquet(tmp_path, schema=sample_trades(0).schema)).bars(50, by="symbol")
    frame = LazyFrameRangeBar(bars).to_backtesting(symbol="A")
    assert frame["Close"].tolist() == expected.filter(pl.col("symbol") == "A")["close"].to_list()


def old_pandas_calls(test: Callable[..., None]) -> Callable[..., None]:
    """Let pass what backtesting.py 0.6.6 uses and pandas 3 deprecates."""
    for message in ("The inplace keyword in DataFrame.reset_index", "DatetimeIndex.dayofweek"):
        test = pytest.mark.filterwarnings(f"ignore:{message}:DeprecationWarning")(test)
    return test


def _strategy() -> type[Any]:
    """Hold the side that traded more volume over the last three bars."""
    strategy: Any = pytest.importorskip("backtesting").Strategy

    class FollowTheFlow(strategy):  # type: ignore[misc]
        bars = 0

        def init(self) -> None:
            self.flow = self.I(lambda ofi: pd.Series(ofi).rolling(3).mean(), self.data.ofi)

        def next(self) -> None:
            # An order on the last bar would be filled there, by finalize_trades, and left open.
            if len(self.data) == self.bars:
                return
            if self.flow[-1] > 0 and not self.position.is_long:
                self.buy()
            elif self.flow[-1] < 0 and not self.position.is_short:
                self.sell()

    return FollowTheFlow


def _run(data: Any, cash: float) -> tuple[Any, Any]:
    backtest = pytest.importorskip("backtesting").Backtest(
        data, _strategy(), cash=cash, commission=0.0002, exclusive_orders=True, finalize_trades=True
    )
    return backtest, backtest.run(bars=len(data))


def _check_statistics(data: Any, statistics: Any, cash: float) -> None:
    trades = statistics["_trades"]
    assert statistics["# Trades"] == len(trades) > 3
    assert trades["Size"].gt(0).any()
    assert trades["Size"].lt(0).any()
    assert statistics["Start"] == data.index[0]
    assert statistics["End"] == data.index[-1]
    assert statistics["Equity Final [$]"] == pytest.approx(cash + trades["PnL"].sum(), rel=1e-12)
    assert statistics["Return [%]"] == pytest.approx(trades["PnL"].sum() / cash * 100, rel=1e-9)
    assert statistics["Win Rate [%]"] == pytest.approx(trades["PnL"].gt(0).mean() * 100)
    assert statistics["Commissions [$]"] == pytest.approx(trades["Commission"].sum())
    assert 0 < statistics["Exposure Time [%]"] <= 100
    assert -100 < statistics["Max. Drawdown [%]"] < 0
    # The indicator is a number from the third bar on: the first close that the strategy sees.
    first, last = data["Close"].iloc[2], data["Close"].iloc[-1]
    assert statistics["Buy & Hold Return [%]"] == pytest.approx((last - first) / first * 100)
    # A market order fills at the open of the bar after the one that decided; only the last is closed at the end.
    assert (trades["EntryPrice"] == data["Open"].iloc[trades["EntryBar"]].to_numpy()).all()
    closed = trades.sort_values("ExitBar").iloc[:-1]
    assert (closed["ExitPrice"] == data["Open"].iloc[closed["ExitBar"]].to_numpy()).all()
    assert (trades["EntryTime"] == data.index[trades["EntryBar"]]).all()


def _check_plot(backtest: Any, file: Path) -> None:
    backtest.plot(filename=str(file), open_browser=False, superimpose=False)
    page = file.read_text(encoding="utf-8")
    assert len(page) > 20_000
    assert "bokeh" in page


@old_pandas_calls
def test_strategy_on_sample_trades(tmp_path: Path) -> None:
    trades = sample_trades(600_000, symbols=["BTCUSDT", "ETHUSDT"])
    bars = LazyFrameRangeBar(trades.lazy()).bars(100, by="symbol")
    data = LazyFrameRangeBar(bars).to_backtesting(symbol="ETHUSDT", extra=["ofi"])
    backtest, statistics = _run(data, 100_000)
    _check_statistics(data, statistics, 100_000)
    _check_plot(backtest, tmp_path / "plot.html")


@old_pandas_calls
def test_strategy_on_the_btcusdt_day(btcusdt_day: pl.DataFrame, tmp_path: Path) -> None:
    bars = DataFrameRangeBar(btcusdt_day).bars(100)
    data = DataFrameRangeBar(bars).to_backtesting(extra=["ofi"])
    assert len(data) == bars.height == 247
    assert data["Close"].iloc[-1] == 44136.88
    assert not data[COLUMNS].isna().any(axis=None)
    backtest, statistics = _run(data, 1_000_000)
    _check_statistics(data, statistics, 1_000_000)
    _check_plot(backtest, tmp_path / "plot.html")


@old_pandas_calls
def test_superimposed_candles_are_what_backtesting_cannot_plot(tmp_path: Path) -> None:
    data = DataFrameRangeBar(DataFrameRangeBar(sample_trades(300_000)).bars(100)).to_backtesting(extra="ofi")
    backtest, _ = _run(data, 1_000_000)
    with pytest.raises(ValueError, match="Upsampling not supported"):
        backtest.plot(filename=str(tmp_path / "plot.html"), open_browser=False)


@old_pandas_calls
def test_annualised_figures_come_from_calendar_days() -> None:
    data = DataFrameRangeBar(DataFrameRangeBar(sample_trades(1_500_000)).bars(100)).to_backtesting(extra="ofi")
    _, statistics = _run(data, 1_000_000)
    equity = statistics["_equity_curve"]["Equity"]
    daily = equity.groupby(equity.index.floor("D")).last()
    growth = (daily.iloc[-1] / daily.iloc[0]) ** (1 / (len(daily) - 1))
    weekend = (data.index.to_series().dt.day_of_week >= 5).mean() > 2 / 7 * 0.6
    expected = (growth ** (365 if weekend else 252) - 1) * 100
    assert statistics["Return (Ann.) [%]"] == pytest.approx(expected, rel=1e-6)
