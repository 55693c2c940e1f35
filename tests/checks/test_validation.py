"""Contract of `validate` on good bars, on few and on what is no bar: what is judged, and which calls are refused."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars.validation import forward_return, validate
from rangebar_polars.validation._bounds import BASE, bounds
from tests._alone import run as run_alone
from tests._validation import OF_SIDES, THRESHOLD, bars_of_a_walk, failures, noise, row, structural

spearmanr = pytest.importorskip("scipy.stats").spearmanr
pytest.importorskip("statsmodels.tsa.stattools")
pytest.importorskip("sklearn.feature_selection")


# ---------------------------------------------------------------------------------------- good bars


def test_good_bars_pass_every_check(bars: pl.DataFrame) -> None:
    report = structural(bars)
    assert report.schema == {
        "check": pl.String,
        "column": pl.String,
        "passed": pl.Boolean,
        "value": pl.Float64,
        "limit": pl.Float64,
        "meaning": pl.String,
    }
    assert report["passed"].all(ignore_nulls=False)
    assert report.select("check", "column").is_unique().all()
    assert not report.select(pl.col("check", "meaning", "value", "limit").is_null().any()).row(0).count(True)


@pytest.mark.parametrize("symbols", [["BTCUSDT"], ["BTCUSDT", "ETHUSDT", "DOGEUSDT"]])
@pytest.mark.parametrize(
    "options",
    [{}, {"same_timestamp_gate": False}, {"is_buyer_maker": None}, {"reset": "1d", "include_orphans": True}],
    ids=str,
)
def test_good_bars_of_any_kind_pass(symbols: list[str], options: dict[str, Any]) -> None:
    trades = rb.datasets.sample_trades(40_000, symbols=symbols, seed=3)
    for dbps in (7, 250):
        made = trades.rangebar.bars(dbps, by="symbol", **options)
        expected = {("nulls", name) for name in OF_SIDES} if "is_buyer_maker" in options else set()
        assert failures(structural(made, threshold_dbps=dbps)) - {("bars", None)} == expected


def test_good_bars_with_windows_pass() -> None:
    trades = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT", "DOGEUSDT"], seed=5)
    for lookback in (5, 500, "5m"):
        made = trades.rangebar.bars(25, by="symbol", intra=True, lookback=lookback, reset="1d", include_orphans=True)
        report = structural(made, threshold_dbps=25)
        without = {("nulls", f"lookback_{name}") for name in ("hurst", "permutation_entropy")}
        assert failures(report) <= without | {("constant", "lookback_trade_count")}
        assert {"intra_bull_cv", "lookback_hurst"} <= set(report.filter(check="constant")["column"])
        judged = report.filter(pl.col("check") == "time_in_bar", pl.col("column").is_in(["high_time", "low_time"]))
        assert judged.height == 2


def test_bars_of_a_real_day_pass(btcusdt_day: pl.DataFrame) -> None:
    made = btcusdt_day.rangebar.bars(25, intra=True, lookback=500)
    assert validate(made, threshold_dbps=25, statistics=False)["passed"].all(ignore_nulls=False)


def test_what_the_docs_say_of_a_real_day(btcusdt_day: pl.DataFrame) -> None:
    """Most bars close in the midst of an order that fills in many trades: the rest of it looks like a forecast."""
    made = btcusdt_day.rangebar.bars(50)
    later = pl.col("close").shift(-1) / pl.col("open").shift(-1) - 1
    rows = made.with_columns(forward_return(), later=later, gap=pl.col("open_time").shift(-1) - pl.col("close_time"))
    rows = rows.drop_nulls(["forward_return"])
    from_close, from_open = (spearmanr(rows["ofi"], rows[label]).statistic for label in ("forward_return", "later"))
    assert (round((rows["gap"] == timedelta()).mean(), 2), round(from_close, 2), round(from_open, 2)) == (
        0.8,
        0.33,
        0.08,
    )


def test_several_thresholds_are_keys() -> None:
    trades = rb.datasets.sample_trades(40_000)
    made = trades.rangebar.bars([50, 100], features=["ofi"])
    good = validate(made, by="threshold_dbps", statistics=False)
    assert good["passed"].all(ignore_nulls=False)
    assert ("threshold", "close") in good.select("check", "column").rows()
    assert ("group_keys", "threshold_dbps") in failures(validate(made, statistics=False))
    mislabelled = made.with_columns(threshold_dbps=pl.col("threshold_dbps") * 2)
    assert failures(validate(mislabelled, by="threshold_dbps", statistics=False)) == {("threshold", "close")}
    with pytest.raises(rb.RangeBarError, match="leave the parameter `threshold_dbps` out"):
        validate(made, by="threshold_dbps", threshold_dbps=50, statistics=False)


def test_the_base_columns_are_those_of_bars() -> None:
    made = rb.datasets.sample_trades(10_000).rangebar.bars([50, 100], features=[])
    assert set(made.columns) == set(BASE)


def test_a_column_that_is_not_there_is_not_judged(bars: pl.DataFrame) -> None:
    few = bars.select("symbol", "close_time", "open", "high", "low", "close", "ofi")
    report = structural(few)
    assert report["passed"].all(ignore_nulls=False)
    assert {name for name in report["column"] if name is not None} == set(few.columns) - {"symbol"}
    for name in ("close_time", "open", "high", "low", "close"):
        with pytest.raises(rb.RangeBarError, match=f"column `{name}` not found"):
            structural(few.drop(name))


def test_groups_that_are_not_named(bars: pl.DataFrame) -> None:
    report = validate(bars, threshold_dbps=THRESHOLD)
    assert ("group_keys", "symbol") in failures(report)
    assert "is not in `by`" in row(report, "group_keys", "symbol")["meaning"]
    statistics = report.filter(
        pl.col("check").is_in(["stationarity", "rank_correlation", "mutual_information", "leakage"])
    )
    assert statistics.height > 0
    assert statistics["passed"].null_count() == statistics.height
    assert "not in the order of time" in statistics["meaning"][0]
    one = bars.filter(symbol="BTCUSDT")
    assert failures(validate(one, threshold_dbps=THRESHOLD, statistics=False)) == set()


def test_trades_without_sides_are_no_fault_of_the_bars() -> None:
    made = rb.datasets.sample_trades(60_000).rangebar.bars(THRESHOLD, by="symbol", is_buyer_maker=None)
    report = structural(made, features=["duration_us"])
    assert failures(report) == set()
    found = row(report, "nulls", "buy_volume")
    assert found["value"] == found["limit"] == made.height
    assert row(report, "bounds", "buy_volume")["passed"] is None
    assert failures(structural(made)) == {("nulls", name) for name in OF_SIDES}


def test_nulls_of_short_windows_are_counted_not_failed(bars: pl.DataFrame) -> None:
    found = row(structural(bars), "nulls", "intra_hurst")
    assert found["passed"]
    assert found["value"] == bars["intra_hurst"].null_count() > 0
    assert "windows too short" in found["meaning"]


def test_every_bound_is_one_of_a_known_column() -> None:
    assert bounds("intra_permutation_entropy") == bounds("lookback_kaufman_er") == (0.0, 1.0)
    assert bounds("intra_hurst") is bounds("lookback_volume_skew") is bounds("mine") is None
    assert bounds("permutation_entropy") is None


def test_a_query_runs_once() -> None:
    runs = []
    frame = bars_of_a_walk(60, 1, **noise(60, 1, 1))

    def counted(batch: pl.DataFrame) -> pl.DataFrame:
        runs.append(batch.height)
        return batch

    validate(frame.lazy().map_batches(counted), by="symbol")
    assert runs == [60]


@pytest.mark.parametrize("rows", [0, 1, 2, 29, 31])
def test_few_bars(bars: pl.DataFrame, rows: int) -> None:
    few = bars.filter(symbol="BTCUSDT").head(rows)
    report = validate(few, by="symbol", threshold_dbps=THRESHOLD, features=["ofi", "intra_hurst"])
    assert row(report, "bars", None)["passed"] is (rows >= 30)
    statistical = report.filter(
        pl.col("check").is_in(["stationarity", "rank_correlation", "leakage", "mutual_information"])
    )
    assert statistical.height == 8
    judged = statistical.filter(pl.col("passed").is_not_null())
    assert set(judged["column"]) == ({"ofi"} if rows == 31 else set())
    assert statistical.filter(column="intra_hurst")["meaning"].str.contains("30 are needed").all()
    if rows == 0:
        assert report["passed"].drop_nulls().to_list() == [False], "nothing holds of no bars but that there are none"
    else:
        on_noise = {("rank_correlation", "ofi"), ("mutual_information", "ofi")}
        assert failures(report) - on_noise <= {("bars", None), ("nulls", "intra_hurst")}


def test_which_columns_are_features(bars: pl.DataFrame) -> None:
    def judged(**options: Any) -> list[str]:
        return (
            structural(bars.with_columns(text=pl.lit("x"), yes=True), **options)
            .filter(check="constant")["column"]
            .to_list()
        )

    assert judged() == [
        *bars.columns[bars.columns.index("close_reason") + 1 : bars.columns.index("high_time")],
        *bars.columns[bars.columns.index("low_time") + 1 :],
    ]
    assert judged(features=["ofi", "volume", "ofi"]) == ["ofi", "volume"]
    assert judged(features=[]) == []
    times = ("open_time", "close_time", "high_time", "low_time")
    numbered = bars.with_row_index("number").cast(dict.fromkeys(times, pl.Int64))
    assert not {"number", "high_time", "low_time"} & set(structural(numbered).filter(check="constant")["column"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"by": "simbol"}, "column `simbol` not found"),
        ({"by": 3}, "`by` takes"),
        ({"features": ["offi"]}, r"column `offi` not found \(did you mean `ofi`\?\)"),
        ({"features": "ofi"}, "`features` takes a list of names"),
        ({"features": ["close_reason"]}, "the feature `close_reason` must be numeric"),
        ({"horizon": 0}, "`horizon` must be an integer of at least 1, got 0"),
        ({"horizon": True}, "`horizon` must be an integer"),
        ({"horizon": 2**70}, "`horizon` must be at most 4294967295, got 1180591620717411303424: it counts bars"),
        ({"time_unit": "s"}, '`time_unit` must be "ms", "us" or "ns", got \'s\''),
        ({"time_unit": "ms"}, "`time_unit` is only for integer times, but `open_time` is Datetime.*: leave "),
        ({"threshold_dbps": 0}, "`threshold_dbps` must be"),
        ({"significance": 0}, "`significance` must be a number above 0 and below 1, got 0"),
        ({"significance": float("nan")}, "`significance` must be"),
        ({"max_correlation": 1.5}, "`max_correlation` must be"),
        ({"max_forward_correlation": "x"}, "`max_forward_correlation` must be"),
        ({"min_bars": 5}, "`min_bars` must be at least 20, got 5"),
        ({"statistics": None}, "`statistics` must be True or False"),
    ],
)
def test_wrong_parameters(bars: pl.DataFrame, options: dict[str, Any], text: str) -> None:
    with pytest.raises(rb.RangeBarError, match=text):
        structural(bars, **options)
    text = "^`validate` takes a Polars LazyFrame or DataFrame, got `dict`: convert it with "
    with pytest.raises(rb.RangeBarError, match=text):
        validate({})


@pytest.mark.parametrize(
    ("spoiled", "text"),
    [
        ({"close": pl.String}, r'`close` must be numeric, got String: cast it, as in pl.col\("close"\).cast'),
        ({"buy_volume": pl.Boolean}, "`buy_volume` must be numeric, got Boolean"),
        ({"volume": pl.String}, "`volume` must be numeric"),
        ({"agg_record_count": pl.Float64}, "`agg_record_count` must be an integer, got Float64"),
        ({"last_trade_id": pl.String}, "`last_trade_id` must be an integer, got String"),
        ({"close_time": pl.String}, r"`close_time` must be Datetime, .*, got String: read it with .str.to_datetime"),
        ({"open_time": pl.Date}, "`open_time` must be Datetime, .*, got Date: cast it to pl.Datetime"),
        ({"low_time": pl.Float64}, "`low_time` must be Datetime, .*, got Float64: convert it with pl.from_epoch"),
        ({"close_time": pl.Datetime("us")}, "`open_time` and `close_time` must have the same clock, got Datetime.*UTC"),
        ({"high_time": pl.Datetime("us", "Asia/Tokyo")}, "`open_time` and `high_time` must have the same clock"),
        ({"open_time": pl.Int64}, "`open_time` and `close_time` must have the same clock, got Int64 and Datetime"),
        ({"ofi": pl.String}, "the feature `ofi` must be numeric, got String"),
    ],
)
def test_columns_of_other_dtypes_are_refused(bars: pl.DataFrame, spoiled: dict[str, Any], text: str) -> None:
    """By an error of ours, never by one that Polars raises from the midst of a check."""
    for made in (bars, bars.lazy()):
        with pytest.raises(rb.RangeBarError, match=text):
            structural(made.cast(spoiled), features=["ofi"])


def test_columns_of_kindred_dtypes_are_taken(bars: pl.DataFrame) -> None:
    others = {
        "open": pl.Float32,
        "high_time": pl.Datetime("ms", "UTC"),
        "low_time": pl.Datetime("ns", "UTC"),
        "last_agg_trade_id": pl.UInt64,
        "agg_record_count": pl.UInt16,
        "close_reason": pl.String,
        "volume": pl.Decimal(30, 8),
    }
    assert failures(structural(bars.cast(others), features=[])) <= {
        ("ohlc_order", "open"),
        ("time_in_bar", "high_time"),
    }
    empty = bars.with_columns(pl.lit(None).alias(name) for name in ("high_time", "buy_volume", "last_trade_id"))
    report = structural(empty, features=[])
    assert row(report, "time_in_bar", "high_time")["passed"] is None


# ------------------------------------------------------------------------------------ optional libraries


def test_the_libraries_are_imported_late() -> None:
    program = """
import sys
import polars as pl
from rangebar_polars.validation import forward_return, validate
bars = pl.DataFrame({"close_time": [1, 2], **{name: [2.0, 4.0] for name in ("open", "high", "low", "close", "x")}})
assert validate(bars, statistics=False).height > 0
assert bars.select(forward_return())["forward_return"].to_list() == [1.0, None]
assert not {"numpy", "pandas", "scipy", "statsmodels", "sklearn"} & set(sys.modules)
"""
    run_alone(program, PYTHONWARNINGS="error")


@pytest.mark.parametrize("name", ["numpy", "scipy.stats", "statsmodels.tsa.stattools", "sklearn.feature_selection"])
def test_a_missing_library_says_how_to_install_it(
    bars: pl.DataFrame, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "rangebar_polars\[validation\]"') as caught:
        validate(bars, by="symbol")
    assert caught.value.name == name
    assert structural(bars).height > 0
