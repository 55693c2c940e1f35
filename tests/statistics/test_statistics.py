"""Contract layer, statistics: values by hand, contexts and errors of the expressions."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given

import rangebar_polars as rb
from rangebar_polars import statistics
from tests._routes import Engine, assert_same_bars, engines, group_rows
from tests._statistics import DTYPES, NEED_THE_SIDE, SINGLE, STRUCTS, every, flat
from tests._windows import walk
from tests.strategies import SOME_LONG, Trades, trades

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def test_every_public_expression_is_tested() -> None:
    assert sorted(SINGLE | STRUCTS) == statistics.__all__
    assert all(getattr(rb, name) is getattr(statistics, name) for name in statistics.__all__)


# --------------------------------------------------------------------------------------- values by hand


def alternating(*pair: float, rows: int) -> list[float]:
    return [pair[i % 2] for i in range(rows)]


QUIET = 1 / (1 + math.exp(5))  # the density of no epoch
STEADY = 1 / (1 + math.exp(2))  # the variation of none
BY_HAND: list[tuple[str, dict[str, Any], float | None]] = [
    ("ofi", {"quantity": [3.0, 1.0], "is_buyer_maker": [False, True]}, 0.5),
    ("ofi", {"quantity": [3.0, 1.0], "is_buyer_maker": [False, False]}, 1.0),
    ("ofi", {"quantity": [0.0, 0.0], "is_buyer_maker": [False, True]}, 0.0),
    ("ofi", {"quantity": [1e15, 1e15, 1e-8], "is_buyer_maker": [False, True, True]}, 0.0),
    ("ofi", {"quantity": [1e-8], "is_buyer_maker": [True]}, -1.0),
    ("ofi", {"quantity": [1.0]}, None),
    ("turnover_imbalance", {"price": [300, 100], "quantity": [1, 1], "is_buyer_maker": [True, False]}, -0.5),
    ("turnover_imbalance", {"price": [300, 100], "quantity": [0, 0], "is_buyer_maker": [True, False]}, 0.0),
    ("turnover_imbalance", {"price": [300, 100], "quantity": [0, 0]}, None),
    ("count_imbalance", {"is_buyer_maker": [True, True, True, False]}, -0.5),
    ("count_imbalance", {"is_buyer_maker": [False]}, 1.0),
    ("aggression_ratio", {"is_buyer_maker": [True, False, False]}, 2.0),
    ("aggression_ratio", {"is_buyer_maker": [False, False]}, 100.0),
    ("aggression_ratio", {"is_buyer_maker": [True] + [False] * 101}, 100.0),
    ("aggression_ratio", {"is_buyer_maker": [True]}, 0.0),
    ("aggression_ratio", {"is_buyer_maker": [True, False], "first_trade_id": [1, 4], "last_trade_id": [3, 9]}, 2.0),
    ("aggression_ratio", {"is_buyer_maker": [False], "first_trade_id": [4], "last_trade_id": [3]}, 1.0),
    ("vwap", {"price": [100.0, 200.0], "quantity": [3.0, 1.0]}, 125.0),
    ("vwap", {"price": [1e-8, 2e-8], "quantity": [1.0, 1.0]}, 1e-8),
    ("vwap", {"price": [1.0, 3.0], "quantity": [1e15, 1e15]}, 2.0),
    ("vwap", {"price": [100.0, 200.0], "quantity": [0.0, 0.0]}, None),
    ("vwap_position", {"price": [100.0, 200.0], "quantity": [3.0, 1.0]}, 0.25),
    ("vwap_position", {"price": [100.0, 100.0], "quantity": [3.0, 1.0]}, 0.5),
    ("vwap_position", {"price": [100.0, 200.0], "quantity": [0.0, 0.0]}, None),
    ("vwap_close_deviation", {"price": [100.0, 200.0], "quantity": [3.0, 1.0]}, 0.75),
    ("vwap_close_deviation", {"price": [100.0, 200.0, 150.0], "quantity": [0.0] * 3}, 0.5),
    ("vwap_close_deviation", {"price": [100.0], "quantity": [3.0]}, 0.0),
    ("price_impact", {"price": [100.0, 103.0, 99.0], "quantity": [1.0, 2.0, 1.0]}, 0.25),
    ("price_impact", {"price": [100.0, 103.0], "quantity": [0.0, 0.0]}, 0.0),
    ("kyle_lambda", {"price": [64.0, 65.0], "quantity": [3.0, 1.0], "is_buyer_maker": [False, True]}, 1 / 32),
    ("kyle_lambda", {"price": [64.0, 65.0], "quantity": [1.0, 1.0], "is_buyer_maker": [False, True]}, None),
    ("kyle_lambda", {"price": [64.0], "quantity": [1.0], "is_buyer_maker": [False]}, None),
    ("kyle_lambda", {"price": [64.0, 65.0], "quantity": [3.0, 1.0]}, None),
    ("trade_intensity", {"timestamp": [0, 250_000, 500_000]}, 6.0),
    ("trade_intensity", {"timestamp": [7, 7, 7]}, 3.0),
    ("trade_intensity", {"timestamp": [0, 500_000], "first_trade_id": [1, 2], "last_trade_id": [1, 4]}, 8.0),
    ("aggregation_density", {"first_trade_id": [1, 2], "last_trade_id": [1, 4]}, 2.0),
    ("burstiness", {"timestamp": [0, 10, 20, 30]}, -1.0),
    ("burstiness", {"timestamp": [5, 5, 13]}, 0.0),
    ("burstiness", {"timestamp": [5, 5, 5]}, None),
    ("burstiness", {"timestamp": [5, 6]}, None),
    ("volume_per_trade", {"quantity": [1.0, 2.0]}, 1.5),
    ("volume_per_trade", {"quantity": [1.0, 2.0], "first_trade_id": [1, 2], "last_trade_id": [1, 4]}, 0.75),
    ("volume_per_trade", {"quantity": [1.0], "first_trade_id": [1], "last_trade_id": [0]}, 0.0),
    ("volume_skew", {"quantity": [0.0, 0.0, 0.0, 4.0]}, 6 / 3**1.5),
    ("volume_skew", {"quantity": [1e15, 1e15, 0.0]}, -1 / math.sqrt(2)),
    ("volume_skew", {"quantity": [2.0, 2.0, 2.0]}, None),
    ("volume_skew", {"quantity": [1.0, 2.0]}, None),
    ("volume_kurt", {"quantity": [0.0, 0.0, 0.0, 4.0]}, 21 / 9 - 3),
    ("volume_kurt", {"quantity": [2.0, 2.0, 2.0, 2.0]}, None),
    ("volume_kurt", {"quantity": [1.0, 2.0, 3.0]}, None),
    ("price_range", {"price": [100.0, 103.0, 98.0]}, 0.05),
    ("price_range", {"price": [1e-8, 2e-8, 1e-8]}, 1.0),
    ("garman_klass_vol", {"price": [100.0, 110.0, 100.0]}, math.log(1.1) / math.sqrt(2)),
    ("garman_klass_vol", {"price": [100.0, 200.0]}, math.log(2) * math.sqrt(1.5 - 2 * math.log(2))),
    ("garman_klass_vol", {"price": [7.0, 7.0]}, 0.0),
    ("kaufman_er", {"price": [100.0, 103.0, 102.0]}, 0.5),
    ("kaufman_er", {"price": [1e-8, 2e-8, 1e-8]}, 0.0),
    ("kaufman_er", {"price": [1.0, 2.0, 9e10]}, 1.0),
    ("kaufman_er", {"price": [100.0, 100.0]}, None),
    ("kaufman_er", {"price": [100.0]}, None),
    ("hurst", {"price": [100.0] * 64}, None),
    ("hurst", {"price": walk(63)["price"].to_list()}, None),
    ("permutation_entropy", {"price": [100.0] * 60}, 0.0),
    ("permutation_entropy", {"price": [100.0] * 59}, None),
    ("permutation_entropy", {"price": alternating(1.0, 2.0, rows=62)}, math.log(2) / math.log(6)),
    ("max_drawdown", {"price": [90.0, 100.0, 75.0, 120.0, 110.0]}, 0.25),
    ("max_drawdown", {"price": [1e-8, 2e-8, 1e-8]}, 0.5),
    ("max_drawdown", {"price": [1.0]}, 0.0),
    ("max_runup", {"price": [100.0, 75.0, 100.0, 90.0]}, 0.25),
    ("max_runup", {"price": [3.0, 2.0, 1.0]}, 0.0),
    ("horizon.bull_epoch_density", {"price": [5.0] * 4}, QUIET),
    ("horizon.bear_excess_gain", {"price": [5.0] * 4}, 0.0),
    ("horizon.bull_cv", {"price": [5.0] * 4}, STEADY),
    ("horizon.max_runup", {"price": [5.0]}, 0.0),
    # Two steps up and no drawdown: an epoch each, with gains of 1 and 1; the distances are 1 and 1.
    ("horizon.bull_epoch_density", {"price": [1.0, 2.0, 4.0]}, 1 / (1 + math.exp(-10 * (2 / 3 - 0.5)))),
    ("horizon.bull_excess_gain", {"price": [1.0, 2.0, 4.0]}, math.tanh(10.0)),
    ("horizon.bull_cv", {"price": [1.0, 2.0, 4.0]}, STEADY),
    ("horizon.bear_epoch_density", {"price": [1.0, 2.0, 4.0]}, QUIET),
    ("horizon.max_runup", {"price": [1.0, 2.0, 4.0]}, 0.75),
]


@pytest.mark.parametrize(("name", "columns", "value"), BY_HAND)
def test_by_hand(name: str, columns: dict[str, list[Any]], value: float | None) -> None:
    outer, _, field = name.partition(".")
    statistic = (SINGLE | STRUCTS)[outer]
    options = {"time_unit": "us"} if "timestamp" in statistic.reads else {}
    out = pl.DataFrame(columns).select(statistic.expression(**options))
    assert out.schema == {outer: DTYPES[outer]}
    got = out.item() if not field else out[outer].struct.field(field).item()
    assert got is None if value is None else got == pytest.approx(value, rel=1e-14, abs=1e-15)


def test_by_hand_holds_every_expression() -> None:
    assert {name.partition(".")[0] for name, _, _ in BY_HAND} == set(SINGLE | STRUCTS) - {
        "bar_features",
        "window_features",
    }


# ---------------------------------------------------------------------------------------- contexts


def loop(parts: Iterable[pl.DataFrame], expressions: Sequence[pl.Expr]) -> pl.DataFrame:
    """The statistics of some trades each by themselves, a row each."""
    return pl.concat([part.select(expressions) for part in parts])


@engines
@given(case=trades(min_keys=1, min_rows=1, repeats=SOME_LONG))
def test_group_by_and_over(engine: Engine, case: Trades) -> None:
    expressions = every(case.frame.columns, **case.options)
    groups = group_rows(case.frame, case.by)
    expected = loop((case.frame[rows] for rows in groups), expressions)
    grouped = case.frame.lazy().group_by(case.by, maintain_order=True).agg(expressions).collect(engine=engine)
    assert_same_bars(flat(grouped.drop(case.by)), flat(expected))

    over = case.frame.lazy().select(e.over(case.by) for e in expressions).collect(engine=engine)
    group_of = {row: number for number, rows in enumerate(groups) for row in rows}
    assert_same_bars(flat(over), flat(expected[[group_of[row] for row in range(case.frame.height)]]))


@engines
@given(case=trades(max_keys=0))
def test_select(engine: Engine, case: Trades) -> None:
    """One row, of no trades too; a chunked frame is the same frame."""
    expressions = every(case.frame.columns, **case.options)
    got = case.frame.lazy().select(expressions).collect(engine=engine)
    assert got.height == 1
    assert_same_bars(flat(got), flat(case.frame.rechunk().select(expressions)))
    if not case.frame.height:
        assert flat(got).null_count().row(0) == (1,) * flat(got).width


def markets(clock: pl.DataType) -> pl.DataFrame:
    """Two symbols, interleaved, of uneven waits with ties."""
    a, b = (
        walk(160).with_columns(symbol=pl.lit("A")),
        walk(90, wait_us=1_700_000, price=7.0).with_columns(symbol=pl.lit("B")),
    )
    tied = pl.col("timestamp").dt.truncate("2s")
    both = pl.concat([a, b]).with_columns(tied).sort("timestamp", maintain_order=True)
    return both.with_columns(pl.col("timestamp").cast(clock))


CLOCKS = (pl.Datetime("us"), pl.Datetime("ns", "Asia/Tokyo"))


@engines
@pytest.mark.parametrize("closed", ["left", "right", "both", "none"])
@pytest.mark.parametrize("clock", CLOCKS, ids=str)
def test_rolling(clock: pl.DataType, closed: Any, engine: Engine) -> None:
    """Windows that hold nothing give null."""
    frame = markets(clock)
    expressions = every(frame.columns)
    period = dt.timedelta(seconds=9)
    for symbol in ("A", "B"):
        own = frame.filter(symbol=symbol)
        time = pl.col("timestamp")
        parts = [own.filter(time.is_between(now - period, now, closed=closed)) for now in own["timestamp"]]
        rolled = (
            frame.lazy()
            .rolling("timestamp", period="9s", closed=closed, group_by="symbol")
            .agg(expressions)
            .filter(symbol=symbol)
            .collect(engine=engine)
        )
        assert_same_bars(flat(rolled.drop("symbol", "timestamp")), flat(loop(parts, expressions)))
        assert (rolled["vwap"].null_count() > 0) == (closed in ("left", "none"))


@engines
@pytest.mark.parametrize("clock", CLOCKS, ids=str)
def test_group_by_dynamic(clock: pl.DataType, engine: Engine) -> None:
    """Minutes, and windows that overlap."""
    frame = markets(clock)
    expressions = every(frame.columns)
    for every_, period in (("1m", dt.timedelta(minutes=1)), ("20s", dt.timedelta(seconds=90))):
        out = (
            frame.lazy()
            .group_by_dynamic("timestamp", every=every_, period=period, group_by="symbol")
            .agg(expressions)
            .collect(engine=engine)
        )
        parts = [
            frame.filter(
                pl.col("timestamp").is_between(start, start + period, closed="left"), pl.col("symbol") == symbol
            )
            for symbol, start in out.select("symbol", "timestamp").iter_rows()
        ]
        assert len(parts) >= 6
        assert_same_bars(flat(out.drop("symbol", "timestamp")), flat(loop(parts, expressions)))


@engines
def test_of_expressions_and_under_other_names(engine: Engine) -> None:
    frame = walk(200)
    kept = pl.col("quantity") > 0.6
    out = frame.lazy().select(
        rb.ofi(pl.col("quantity").filter(kept), pl.col("is_buyer_maker").filter(kept)).alias("kept"),
        rb.kaufman_er(pl.col("price") * 2).alias("doubled"),
        rb.horizon().struct.field("max_runup").alias("field"),
        (rb.vwap() - pl.col("price").first()).alias("difference"),
    )
    got = out.collect(engine=engine)
    some = frame.filter(kept)
    assert 0 < some.height < frame.height
    assert got.row(0) == (
        some.select(rb.ofi()).item(),
        frame.select(rb.kaufman_er()).item(),
        frame.select(rb.max_runup()).item(),
        frame.select(rb.vwap()).item() - frame["price"][0],
    )
    renamed = frame.rename({"price": "p", "quantity": "price"}).rename({"p": "quantity"})  # swapped
    swapped = renamed.lazy().select(rb.vwap("quantity", "price")).collect(engine=engine)
    assert_same_bars(swapped, frame.select(rb.vwap()))


@engines
def test_groups_that_a_filter_leaves_empty(engine: Engine) -> None:
    frame = pl.DataFrame({"g": [1, 1, 2], "price": [1.0, 2.0, 3.0]}).lazy()
    few = pl.col("price").filter(pl.col("price") < 3)
    out = frame.group_by("g", maintain_order=True).agg(rb.max_runup(few), rb.horizon(few)).collect(engine=engine)
    assert out["max_runup"].to_list() == [0.5, None]
    assert set(out["horizon"].to_list()[1].values()) == {None}


# ------------------------------------------------------------------------------- schema, absent columns


@engines
@given(case=trades(repeats=SOME_LONG))
def test_schema_at_plan_time_is_the_schema_collected(engine: Engine, case: Trades) -> None:
    expressions = every(case.frame.columns, **case.options)
    lf = case.frame.lazy()
    plan = lf.group_by(case.by).agg(expressions) if case.by else lf.select(expressions)
    planned = plan.collect_schema()
    assert list(planned.items()) == list(plan.collect(engine=engine).schema.items())
    keys = {name: case.frame.schema[name] for name in case.by}
    assert planned == keys | {name: DTYPES[name] for name in DTYPES if name in planned}
    assert len(planned) == len(keys) + len(expressions)


def test_without_the_side() -> None:
    """Null where it is missing and where it is ignored; what has no other column asks for it."""
    frame = walk(80).drop("is_buyer_maker")
    got = flat(frame.select(every(frame.columns)))
    of_struct = ("bar_features.ofi", "bar_features.kyle_lambda_proxy", "bar_features.aggression_ratio")
    of_window = ("window_features.ofi", "window_features.count_imbalance", "window_features.kyle_lambda")
    null = {*NEED_THE_SIDE, *of_struct, "bar_features.turnover_imbalance", *of_window}
    assert {name for name in got.columns if got[name].item() is None} == null
    for name in NEED_THE_SIDE:
        assert walk(80).select(SINGLE[name].expression(is_buyer_maker=None)).item() is None
        assert walk(80).select(SINGLE[name].expression()).item() is not None
        with pytest.raises(pl.exceptions.ColumnNotFoundError, match="maker"):
            frame.select(SINGLE[name].expression(is_buyer_maker="maker"))
    for expression in (rb.count_imbalance(), rb.aggression_ratio()):
        with pytest.raises(pl.exceptions.ColumnNotFoundError, match="is_buyer_maker"):
            frame.lazy().select(expression).collect_schema()


def test_without_individual_ids() -> None:
    """A row is one trade, whether they are missing or ignored."""
    row = pl.int_range(pl.len())
    frame = walk(80).with_columns(first_trade_id=row * 4, last_trade_id=row * 4 + row % 3)
    names = ("trade_intensity", "volume_per_trade", "aggression_ratio")
    ignored = [SINGLE[name].expression(first_trade_id=None, last_trade_id=None) for name in names]
    expressions = [SINGLE[name].expression() for name in names]
    without = frame.drop("first_trade_id", "last_trade_id").select(expressions)
    assert_same_bars(frame.select(ignored), without)
    assert all(a != b for a, b in zip(frame.select(expressions).row(0), without.row(0), strict=True))
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="first_trade_id"):
        walk(80).lazy().select(rb.aggregation_density()).collect_schema()


# ------------------------------------------------------------------------------------------- errors

STATEMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("ofi", {"quantity": None}, "`quantity` must not be null, got null at row 2"),
    ("ofi", {"is_buyer_maker": None}, "`is_buyer_maker` must not be null, got null at row 2"),
    ("volume_kurt", {"quantity": -1.0}, "`quantity` must be finite and >= 0, got -1.0 at row 2"),
    ("volume_skew", {"quantity": 2e15}, "`quantity` must be at most 1e15, got 2000000000000000.0 at row 2"),
    ("count_imbalance", {"is_buyer_maker": None}, "`is_buyer_maker` must not be null, got null at row 2"),
    ("vwap", {"price": math.nan}, "`price` must be finite and > 0, got NaN at row 2"),
    *[
        (name, {"price": value}, f"`price` must {rule} at row 2")
        for name in (*(n for n, s in SINGLE.items() if s.reads == ("price",)), "horizon")
        for value, rule in ((None, "not be null, got null"), (0.0, "be finite and > 0, got 0.0"))
    ],
    (
        "burstiness",
        {"timestamp": -5},
        "`timestamp` must not go back, got -5 after 1 at row 2; sort by time within each group, ",
    ),
    ("trade_intensity", {"timestamp": None}, "`timestamp` must not be null, got null at row 2"),
    ("aggregation_density", {"last_trade_id": None}, "`last_trade_id` must not be null, got null at row 2"),
    ("bar_features", {"price": -1.0}, "`price` must be finite and > 0, got -1.0 at row 2"),
    (
        "window_features",
        {"timestamp": 0},
        "`timestamp` must not go back, got 0 after 1 at row 2; sort by time within each group, ",
    ),
]


def broken(frame: pl.DataFrame, column: str, value: Any, row: int) -> pl.DataFrame:
    cells = frame[column].to_list()
    return frame.with_columns(pl.Series(column, [*cells[:row], value, *cells[row + 1 :]], frame.schema[column]))


@engines
@pytest.mark.parametrize(("name", "change", "text"), STATEMENTS)
def test_errors_name_column_and_row(engine: Engine, name: str, change: dict[str, Any], text: str) -> None:
    """The row is that of the group; other columns do not matter."""
    frame = pl.DataFrame(
        {
            "timestamp": [0, 1, 2, 3],
            "price": [1.0, 2.0, 1.0, 2.0],
            "quantity": [1.0, 0.0, 2.0, 3.0],
            "is_buyer_maker": [True, False, True, False],
            "first_trade_id": [0, 1, 2, 3],
            "last_trade_id": [0, 1, 2, 3],
        }
    )
    statistic = (SINGLE | STRUCTS)[name]
    expression = statistic.expression(**({"time_unit": "us"} if "timestamp" in statistic.reads else {}))
    (column, value), *_ = change.items()
    bad = broken(frame, column, value, 2)
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        bad.lazy().select(expression).collect(engine=engine)
    assert text in str(caught.value)
    two = pl.concat([frame.with_columns(g=1), bad.with_columns(g=2)])
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        two.lazy().group_by("g").agg(expression).collect(engine=engine)
    assert text in str(caught.value)
    for other in set(frame.columns) - set(statistic.reads):
        assert broken(frame, other, None, 2).select(expression).height == 1


DTYPE_ERRORS: list[tuple[pl.Expr, str]] = [
    (rb.ofi("flag"), "`flag` must be Float64, Float32, Decimal or an integer, got Boolean"),
    (rb.kaufman_er("text"), "`text` must be Float64, Float32, Decimal or an integer, got String"),
    (rb.count_imbalance("price"), "`price` must be Boolean, true where the seller was the aggressor, got Float64"),
    (rb.burstiness("t"), '`t` is Int64: give its unit with `time_unit="ms"`, `"us"` or `"ns"`'),
    (rb.burstiness("timestamp", time_unit="us"), "`timestamp`"),
    (rb.trade_intensity("timestamp", first_trade_id="t"), "come together"),
    (rb.aggregation_density("t", "price"), "`price`"),
]


@pytest.mark.parametrize(("expression", "text"), DTYPE_ERRORS)
def test_dtypes_are_refused_when_the_query_is_planned(expression: pl.Expr, text: str) -> None:
    frame = walk(5).with_columns(flag=True, text=pl.lit("1"), t=pl.int_range(pl.len()))
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        frame.lazy().select(expression).collect_schema()
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: rb.ofi(None), "`quantity` must be a column name or an expression, got None"),
        (lambda: rb.ofi("quantity", 3), "`is_buyer_maker` must be a column name or an expression"),
        (lambda: rb.count_imbalance(None), "`is_buyer_maker` must be a column name or an expression"),
        (lambda: rb.aggregation_density(1), "`first_trade_id` must be a column name or an expression"),
        (lambda: rb.burstiness(time_unit="s"), '`time_unit` must be "ms", "us" or "ns", got \'s\''),
        (lambda: pl.col("t").rangebar.burstiness(time_unit=1), '`time_unit` must be "ms", "us" or "ns", got 1'),
    ],
)
def test_bad_arguments(call: Any, text: str) -> None:
    with pytest.raises(rb.RangeBarError) as caught:
        call()
    assert text in str(caught.value)


# ---------------------------------------------------------------------------------------- namespace

METHODS = {
    "price": (
        *("hurst", "permutation_entropy", "kaufman_er", "max_drawdown", "max_runup"),
        *("price_range", "garman_klass_vol", "horizon"),
    ),
    "timestamp": ("burstiness",),
    "quantity": ("volume_skew", "volume_kurt"),
    "is_buyer_maker": ("count_imbalance",),
}


@engines
@pytest.mark.parametrize(("column", "name"), [(column, name) for column in METHODS for name in METHODS[column]])
def test_methods_of_expressions_are_the_functions(engine: Engine, column: str, name: str) -> None:
    frame = markets(pl.Datetime("us")).lazy()
    method = getattr(pl.col(column).rangebar, name)()
    function = (SINGLE | STRUCTS)[name].expression(column)
    got, expected = (
        frame.group_by("symbol", maintain_order=True).agg(e).collect(engine=engine) for e in (method, function)
    )
    assert got.columns == ["symbol", name]
    assert got[name].null_count() == 0
    assert_same_bars(flat(got), flat(expected))


def test_the_namespace_has_these_methods() -> None:
    public = {name for name in vars(rb.ExprRangeBar) if not name.startswith("_")}
    assert public == {name for names in METHODS.values() for name in names}
    times = pl.DataFrame({"t": [0, 0, 8]})
    assert times.select(pl.col("t").rangebar.burstiness(time_unit="ns")).item() == 0.0
