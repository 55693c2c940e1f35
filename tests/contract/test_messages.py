"""Contract: what a wrong call is told has the remedy in it, whatever was taken for what, and is short."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars import stubs
from rangebar_polars._bars.old_names import OLD_NAMES
from rangebar_polars._common.messages import cut, kind, listed, shown
from rangebar_polars._typing import BarFeatureName
from rangebar_polars.backtesting import to_backtesting
from rangebar_polars.exports import to_nanobook, to_vectorbt
from rangebar_polars.plotting import plot
from tests._paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

TRADES = rb.datasets.sample_trades(2_000, symbols=["BTCUSDT"])
BARS = TRADES.rangebar.bars(50)
OF_BARS = {"plot": plot, "to_backtesting": to_backtesting, "to_nanobook": to_nanobook, "to_vectorbt": to_vectorbt}


def told(call: Callable[..., Any], *arguments: Any, error: type[Exception] = rb.RangeBarError, **named: Any) -> str:
    with pytest.raises(error) as caught:
        call(*arguments, **named)
    return str(caught.value)


# ---------------------------------------------------------------------------------- one thing for another


def test_a_frame_of_another_library() -> None:
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    functions = {**OF_BARS, "gaps": rb.gaps, "validate": rb.validate, "LazyFrameRangeBar": rb.LazyFrameRangeBar}
    functions["DataFrameRangeBar"] = rb.DataFrameRangeBar
    frames = {
        "`pandas.DataFrame`: convert it with `pl.from_pandas(frame)`": pd.DataFrame({"a": [1]}),
        "`pyarrow.Table`": pa.table({"a": [1]}),
        "`dict`": {"a": [1]},
        "`NoneType`": None,
    }
    for name, function in functions.items():
        for says, frame in frames.items():
            text = told(function, frame)
            assert text.startswith(f"`{name}` takes a Polars LazyFrame or DataFrame, got {says}"), text


def test_bars_given_as_trades() -> None:
    says = "column `timestamp` not found: these are bars, not trades; to make bars of bars, pass "
    for frame in (BARS, BARS.lazy(), BARS.drop("open_time")):
        for method in ("bars", "with_bar_id"):
            text = told(getattr(frame.rangebar, method), 250)
            assert text == f'{says}`time="close_time", price="close", quantity="volume"`'
    again = {"time": "close_time", "price": "close", "quantity": "volume"}
    assert BARS.rangebar.bars(250, include_incomplete=True, **again).height == 1


@pytest.mark.parametrize("name", OF_BARS)
def test_trades_given_as_bars(name: str) -> None:
    for frame in (TRADES, TRADES.lazy(), TRADES.rename({"timestamp": "t"})):
        text = told(OF_BARS[name], frame)
        assert text.endswith("not found: these are trades, not bars: make bars first, with `trades.rangebar.bars(250)`")


def test_a_file_without_header(tmp_path: Path) -> None:
    file = tmp_path / "BTCUSDT-aggTrades.csv"
    file.write_text("1,93576.00,0.5,1,1,1735689600016,True,True\n2,93577.00,0.5,2,2,1735689600017,True,True\n")
    text = told(lambda: pl.scan_csv(file).rangebar.bars(250, time_unit="ms"))
    assert "the column names look like values (1, 93576.00, 0.5" in text
    assert text.endswith("`pl.scan_csv(file, has_header=False, new_columns=[...])`")
    text = told(lambda: pl.scan_csv(file, has_header=False).rangebar.bars(250, time_unit="ms"))
    assert "the columns have no names yet (column_" in text
    assert text.endswith("`scan_csv(..., new_columns=[...])`")
    names = [
        "agg_trade_id",
        "price",
        "quantity",
        "first_trade_id",
        "last_trade_id",
        "timestamp",
        "is_buyer_maker",
        "best",
    ]
    read = pl.scan_csv(file, has_header=False, new_columns=names)
    assert read.rangebar.bars(250, time_unit="ms", include_incomplete=True).collect().height == 1


@pytest.mark.parametrize(("part", "parameter"), [("timestamp", "time"), ("price", "price"), ("quantity", "quantity")])
def test_a_missing_column_names_its_parameter(part: str, parameter: str) -> None:
    text = told(lambda: TRADES.rename({part: "x"}).rangebar.bars(250))
    assert text.startswith(f"column `{part}` not found")
    assert text.endswith(f"name the column with `{parameter}=`")


def test_a_missing_key_names_the_folders() -> None:
    text = told(lambda: TRADES.drop("symbol").rangebar.bars(250, by="symbol"))
    assert text.endswith(
        "a key that stands only in folder names (key=value/) needs `hive_partitioning=True` in the scan"
    )


# -------------------------------------------------------------------------------------------- parameters


BARE = {name.partition("_")[2] for name in get_args(BarFeatureName) if name.startswith(("intra_", "lookback_"))}
"""Statistics of windows without the prefix of their columns; every bar has a `vwap`, see below."""


@pytest.mark.parametrize("bare", sorted(BARE - set(get_args(BarFeatureName)) - {"trade_count", "vwap"}))
def test_a_feature_without_its_prefix(bare: str) -> None:
    wanted = [f"{family}_{bare}" for family in ("intra", "lookback") if f"{family}_{bare}" in get_args(BarFeatureName)]
    says = f"there is no feature `{bare}` (did you mean {' or '.join(f'`{one}`' for one in wanted)}?)"
    calls: list[Callable[[], Any]] = [
        lambda: TRADES.rangebar.bars(250, features=[bare]),
        lambda: TRADES.lazy().rangebar.bars(250, features=[bare]),
        lambda: rb.range_bars(250, features=[bare]),
    ]
    for call in calls:
        assert told(call).startswith(says)


def test_other_names_of_features() -> None:
    assert "(did you mean `burst" not in told(lambda: rb.range_bars(250, features=["zzz"]))
    assert "(did you mean `turnover_imbalance`?)" in told(lambda: rb.range_bars(250, features=["turnover_inbalance"]))
    for column in ("open", "vwap", "close_reason"):
        assert "is not a feature: every bar has this column" in told(rb.range_bars, 250, features=[column])


def test_parameters_of_the_old_package() -> None:
    """The table of the page and what a call is told are one."""
    page = (ROOT / "docs/coming_from.md").read_text()
    table = page[page.index("### Parameter by parameter") : page.index("### Column by column")]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    old = {name.partition("=")[0] for row in rows for name in re.findall(r"`([^`]+)`", row)}
    parameters = set(inspect.signature(rb.LazyFrameRangeBar.bars).parameters)
    assert old - parameters - {"rangebar", "stream_binance_live"} <= set(OLD_NAMES)
    assert not parameters & set(OLD_NAMES)
    calls: list[Callable[..., Any]] = [
        TRADES.rangebar.bars,
        TRADES.lazy().rangebar.bars,
        rb.range_bars,
        rb.range_bar_id,
    ]
    calls += [TRADES.rangebar.with_bar_id, TRADES.lazy().rangebar.with_bar_id]
    for call in calls:
        for name, here in OLD_NAMES.items():
            text = told(call, error=TypeError, **{name: 1})
            assert text.startswith(f"{call.__name__}() has no parameter `{name}`: here it is {here}")
        assert "(did you mean `max_gap`?)" in told(call, error=TypeError, max_gapp="1h")
        assert "; it has " in told(call, error=TypeError, zzz=1)
    named = set(re.findall(r"`(\w+)", " ".join(OLD_NAMES.values())))
    assert named - {"filter"} <= parameters


@pytest.mark.parametrize("wrong", ["1h", 1, pl.col("x"), pl.Series([1]), ["1d"]], ids=str)
def test_a_choice_that_is_none(wrong: Any) -> None:
    key = "for any other period, add a key column: `with_columns(hour="
    assert key in told(lambda: TRADES.rangebar.bars(250, reset=wrong))
    assert '`time_unit` must be "ms", "us" or "ns"' in told(lambda: TRADES.rangebar.bars(250, time_unit=wrong))
    assert '`overlap` must be "error" or "skip"' in told(lambda: TRADES.rangebar.bars(250, overlap=wrong))
    assert '`x` must be "bar" or "time"' in told(lambda: plot(BARS, x=wrong))
    assert '`theme` must be "light", "dark" or None' in told(lambda: plot(BARS, theme=wrong))


def test_hours_are_a_key() -> None:
    """The remedy that is named for periods that `reset` does not know."""
    hours = TRADES.with_columns(hour=pl.col("timestamp").dt.truncate("1s"))
    bars = hours.rangebar.bars(50, by="hour", include_incomplete=True)
    assert hours["hour"].n_unique() > 1
    assert (bars["open_time"].dt.truncate("1s") == bars["close_time"].dt.truncate("1s")).all()


# ------------------------------------------------------------------------------------------- expressions

COLUMNS = {"time": "timestamp", "price": "price", "quantity": "quantity", "agg_trade_id": "agg_trade_id"}


@pytest.mark.parametrize("wrong", [5, 5.0, ["price"], ("a", "b"), {"a": 1}, pl.Series([1.0]), pl.Float64], ids=str)
def test_what_is_no_column(wrong: Any) -> None:
    """Every expression, every parameter that takes a column."""
    taken = 0
    for name in rb.__all__:
        function = getattr(rb, name)
        if not inspect.isfunction(function) or inspect.signature(function).return_annotation != "pl.Expr":
            continue
        required = {"threshold_dbps": 250} if name in ("range_bars", "range_bar_id") else {}
        required |= {"points": 1} if name == "renko" else {}
        required |= {"take_profit": 1, "max_bars": 5} if name == "triple_barrier" else {}
        for parameter, described in inspect.signature(function).parameters.items():
            if "pl.Expr" in str(described.annotation):
                text = told(function, **required, **{parameter: wrong})
                assert f"`{parameter}` must be a column name or an expression, got" in text, text
                taken += 1
    assert taken > 60


def test_several_columns_for_one() -> None:
    several = pl.col("price", "quantity").rangebar
    for method in ("price_range", "hurst", "burstiness", "volume_skew"):
        text = told(getattr(several, method))
        assert "got several, cs.by_name('price', 'quantity'" in text
        assert text.endswith("write one expression for each")
    one = TRADES.select(pl.col(["price"]).rangebar.price_range(), plain=rb.price_range()).row(0)
    assert one[0] == one[1]
    mean = pl.mean_horizontal(pl.col("price", "quantity"))
    assert TRADES.select(rb.price_range(mean)).equals(TRADES.with_columns(mean=mean).select(rb.price_range("mean")))


# ------------------------------------------------------------------------------------------------ length


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, list(range(10**6)), {n: n for n in range(10**5)}, 10**5000, -(10**5000), np.zeros(10**6)],
    ids=lambda value: type(value).__name__,
)
def test_long_values_are_cut(value: Any) -> None:
    assert len(shown(value)) <= 300
    calls: list[Callable[[], Any]] = [
        lambda: TRADES.rangebar.bars(250, reset=value),
        lambda: TRADES.rangebar.bars(250, price=value),
        lambda: TRADES.rangebar.bars(250, by=value),
        lambda: TRADES.rangebar.bars(250, features=value),
        lambda: TRADES.rangebar.bars(250, max_gap=[value]),
        lambda: rb.range_bars(250, price=[value]),
        lambda: rb.mid([value]),
        lambda: to_backtesting(BARS, symbol=value),
        lambda: to_backtesting(BARS, extra=value),
        lambda: to_backtesting(BARS, symbol={"symbol": value}),
        lambda: plot(BARS, panels=value),
        lambda: rb.datasets.sample_trades(value),
    ]
    for number, call in enumerate(calls):
        assert len(told(call)) < 2_000, number


def test_frames_of_ten_thousand_columns_are_not_listed() -> None:
    wide = pl.DataFrame({f"column with number {number}": [1.0] for number in range(10_000)})
    for call in (
        lambda: wide.rangebar.bars(250),
        lambda: wide.rangebar.bars(250, by="symbol"),
        lambda: rb.gaps(wide, max_gap="1h"),
        lambda: to_backtesting(wide),
        lambda: plot(wide),
    ):
        text = told(call)
        assert len(text) < 2_000
        assert "`column with number 9999`" not in text
    assert "and 9980 more" in told(lambda: wide.rangebar.bars(250))
    long = pl.DataFrame({"x" * 10**6: [1.0]})
    assert len(told(lambda: long.rangebar.bars(250))) < 2_000


def test_dtypes_of_many_names_are_cut() -> None:
    names = pl.Enum([f"{number}" for number in range(100_000)])
    bars = BARS.with_columns(close=pl.lit(None, names))
    for function in OF_BARS.values():
        text = told(function, bars)
        assert text.startswith("column `close` must be numeric, got Enum(categories=['0', ")
        assert len(text) < 300


def test_how_values_are_shown() -> None:
    assert shown("ofi") == "'ofi'"
    assert shown(None) == "None"
    assert shown(0.1) == "0.1"
    assert shown(np.float64(0.5)) == repr(np.float64(0.5))
    assert shown(pl.Datetime("us", "UTC")) == repr(pl.Datetime("us", "UTC"))
    assert shown(10**5000) == "an integer of 16610 bits"
    assert shown(pl.DataFrame({"a": [1]})) == "`polars.DataFrame`"
    assert kind(3) == "`int`"
    assert cut("a" * 100) == "a" * 100
    assert cut("a" * 50 + "b" * 51) == "a" * 48 + "..." + "b" * 48
    assert listed(["a", "b"]) == "`a`, `b`"
    assert listed([str(number) for number in range(25)]).endswith("`19` and 5 more")


class _Mute:
    def __repr__(self) -> str:
        raise OSError


def test_a_value_that_cannot_be_shown_is_refused_all_the_same() -> None:
    assert "`reset` must be" in told(lambda: TRADES.rangebar.bars(250, reset=_Mute()))


# ------------------------------------------------------------------------------------------------- stubs


@pytest.mark.parametrize("inside", [True, False])
def test_stubs_where_nothing_can_be_written(
    inside: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file stands where a folder must be, which holds for root too."""
    file = tmp_path / "file"
    file.write_text("")
    folder = file / "typings" if inside else file
    monkeypatch.setattr("sys.argv", ["stubs", str(folder)])
    with pytest.raises(SystemExit) as caught:
        stubs.main()
    assert caught.value.code == 2
    assert f"cannot write to {folder}: " in capsys.readouterr().err


def test_stubs_of_another_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "polars/expr/expr.pyi"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"\xff\xfe")
    monkeypatch.setattr("sys.argv", ["stubs", str(tmp_path)])
    with pytest.raises(SystemExit):
        stubs.main()
    assert other.read_bytes() == b"\xff\xfe"
