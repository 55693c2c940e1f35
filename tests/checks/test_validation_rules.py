"""Contract of `validate` for every rule: no alarm on honest bars, one on bars that are broken in exactly its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars.validation import validate
from tests._routes import EVERY_BAR
from tests._rule_oracle import Kind, rules
from tests._validation import Failure, at, failures, row
from tests.strategies import any_trades, of_decimals

KINDS: Final[tuple[Kind, ...]] = (
    *("range", "high_low", "cusum", "ticks", "volume", "turnover", "imbalance", "runs", "time"),
)
SOME: Final[list[Any]] = [
    *(rb.Range(50), rb.Range(points=30), rb.HighLow(50), rb.HighLow(points=30), rb.Cusum(50)),
    *(rb.Ticks(300), rb.Ticks(300, of="trades"), rb.Volume(15), rb.Turnover(5e5), rb.Time("10m")),
    *(rb.Imbalance(30), rb.Imbalance(5, of="volume"), rb.Imbalance(2e5, of="turnover")),
    *(rb.Imbalance(target=300, span=5), rb.Imbalance(target=300, span=5, of="volume")),
    *(rb.Runs(target=300, span=5), rb.Runs(target=300, span=5, of="turnover")),
]
OF_RULES: Final = {"threshold", "touched_first", "orphans", "reasons", "windows", "sides"}
"""Structural checks that depend on the rule."""


def checked(bars: Any, rule: Any = None, **options: Any) -> pl.DataFrame:
    return validate(bars, threshold_dbps=rule, statistics=False, **{"features": []} | options)


def faults(report: pl.DataFrame) -> set[Failure]:
    """What fails; bars need not be many."""
    return failures(report) - {("bars", None)}


def of_rules(report: pl.DataFrame) -> set[Failure]:
    return {failure for failure in failures(report) if failure[0] in OF_RULES}


# --------------------------------------------------------------------------------------------- honest bars


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_no_rule_raises_a_false_alarm(kind: Kind, data: st.DataObject) -> None:
    """Whatever the trades, the breaks, the clock, the gate and the decimals; with orphans and forming bars."""
    case = data.draw(st.one_of(any_trades(min_rows=1), of_decimals(any_trades(min_rows=1))))
    if "is_buyer_maker" not in case.frame.columns:
        case = replace(case, frame=case.frame.with_columns(is_buyer_maker=pl.int_range(pl.len()) * 7 % 5 < 3))
    rule = data.draw(rules(case, (kind,))).rule
    options = {"intra": data.draw(st.booleans()), **data.draw(st.sampled_from(({}, EVERY_BAR)))}
    more = {name: case.options[name] for name in ("time_unit", "price_decimals") if name in case.options}
    alone = case.frame.rangebar.bars(rule, **case.bar_options, **options)
    assert of_rules(checked(alone, rule, by=case.by, **more)) == set()
    listed = case.frame.rangebar.bars([rule, rb.Ticks(12)], **case.bar_options, **options)
    assert of_rules(checked(listed, by=[*case.by, "rule"], **more)) == set()


@pytest.mark.parametrize("rule", SOME, ids=str)
def test_honest_bars_pass_every_check(rule: Any) -> None:
    trades = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT", "ETHUSDT"], seed=6)
    made = trades.rangebar.bars(rule, by="symbol", reset="1d", intra=True, include_orphans=True)
    report = checked(made, rule, by="symbol")
    assert made.height >= 10
    assert faults(report) == set()
    with_rule = trades.rangebar.bars([rule, rb.Ticks(500)], by="symbol", reset="1d", include_orphans=True)
    assert faults(checked(with_rule, by=["symbol", "rule"])) == set()


@pytest.mark.parametrize("rule", SOME, ids=str)
def test_bars_of_a_real_day_pass_every_check(rule: Any, btcusdt_day: pl.DataFrame) -> None:
    made = btcusdt_day.rangebar.bars(rule, intra=True, max_gap="1h")
    assert made.height > 90
    assert faults(checked(made, rule)) == set()


def test_rules_in_a_list_are_judged_each_by_itself() -> None:
    trades = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT"])
    made = trades.rangebar.bars(SOME)
    report = checked(made, by="rule", features=["ofi"])
    assert faults(report) == set()
    assert {rule for rule in SOME if not report["meaning"].str.contains(str(rule), literal=True).any()} == set()
    assert ("group_keys", "rule") in faults(checked(made))
    one = pl.col("rule") == "Volume(15)"
    spoiled = made.with_columns(
        volume=pl.when(one & (pl.int_range(pl.len()).over("rule") == 3)).then(14.9).otherwise("volume")
    )
    report = checked(spoiled, by="rule")
    assert faults(report) == {("threshold", "volume"), ("sides", "volume")}
    assert "a closed bar of Volume(15) has" in report.filter(~pl.col("passed"), check="threshold")["meaning"].item()
    for dtype in (pl.Categorical, pl.Enum(made["rule"].unique())):
        assert faults(checked(made.cast({"rule": dtype}), by="rule")) == set()


def test_thresholds_are_judged_as_before() -> None:
    trades = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT"])
    plain = trades.rangebar.bars(50)
    as_rule, as_number = (checked(plain, one) for one in (rb.Range(50), 50))
    assert as_rule.equals(as_number)
    of_column = checked(trades.rangebar.bars([50]), by="threshold_dbps")
    assert row(of_column, "threshold", "close")["passed"]
    assert row(of_column, "orphans", "close")["passed"]


# ---------------------------------------------------------------------------------- bars broken in one way

LATER: Final = timedelta(hours=1)


def still(name: str) -> list[Any]:
    """All prices of a bar are its close."""
    return [at(7, pl.col(name))(price) for price in ("open", "high", "low", "close", "vwap")]


ROWS, TRADES = "agg_record_count", "individual_trade_count"
FLOW = "buy_volume, sell_volume"
ALL_SIDES = "buy_volume, sell_volume, buy_turnover, sell_turnover, buy_trade_count, sell_trade_count"
END = pl.lit("end")
BREAKS: Final[dict[str, tuple[Any, Any, set[Failure]]]] = {
    "a move too short": (
        rb.Range(points=30),
        [at(7, pl.col("open"))(n) for n in ("high", "low", "close", "vwap")],
        {("threshold", "close")},
    ),
    "touched from the other side": (
        rb.Range(50),
        [
            at(7, pl.min_horizontal("open", "close") * 0.99)("low"),
            at(7, pl.max_horizontal("open", "close") * 1.01)("high"),
            at(7, pl.col("close_time"))("low_time"),
            at(7, pl.col("close_time"))("high_time"),
        ],
        {("touched_first", "low"), ("touched_first", "high")},
    ),
    "too flat": (rb.HighLow(50), still("close"), {("threshold", "high")}),
    "too flat by points": (rb.HighLow(points=30), still("close"), {("threshold", "high")}),
    "closed amidst": (
        rb.HighLow(50),
        [at(7, (pl.col("high") + pl.col("low")) / 2)("close"), at(7, pl.col("close_time"))("high_time")],
        {("touched_first", "close")},
    ),
    "far too high": (
        rb.HighLow(50),
        at(7, pl.col("low") * 1.006)("high"),
        {("overshoot", "high")},
    ),
    "no turn": (rb.Cusum(50), still("close"), {("threshold", "close")}),
    "a turn too far": (rb.Cusum(50), at(7, pl.col("close") * 1.006)("high"), {("overshoot", "close")}),
    "a row more": (rb.Ticks(300), at(7, pl.col(ROWS) + 1)(ROWS), {("threshold", ROWS)}),
    "too few trades": (
        rb.Ticks(300, of="trades"),
        [at(7, 299)(TRADES), at(7, 299)("buy_trade_count"), at(7, 0)("sell_trade_count")],
        {("threshold", TRADES)},
    ),
    "more rows than trades": (rb.Ticks(300, of="trades"), at(7, 301)(ROWS), {("threshold", ROWS)}),
    "too little volume": (
        rb.Volume(15),
        [at(7, 14.9)("volume"), at(7, 14.9)("buy_volume"), at(7, 0.0)("sell_volume")],
        {("threshold", "volume")},
    ),
    "too little turnover": (
        rb.Turnover(5e5),
        [at(7, 4.9e5)("turnover"), at(7, 4.9e5)("buy_turnover"), at(7, 0.0)("sell_turnover")],
        {("threshold", "turnover")},
    ),
    "a row that makes no difference": (rb.Imbalance(30), at(7, pl.col(ROWS) + 1)(ROWS), {("threshold", ROWS)}),
    "rows in balance": (
        rb.Imbalance(30),
        [
            at(7, 40)(ROWS),
            at(7, 40)(TRADES),
            at(7, 20)("buy_trade_count"),
            at(7, 20)("sell_trade_count"),
            at(7, pl.col("first_agg_trade_id") + 39)("last_agg_trade_id"),
        ],
        {("threshold", "buy_trade_count, sell_trade_count"), ("id_continuity", "first_agg_trade_id")},
    ),
    "volume in balance": (
        rb.Imbalance(5, of="volume"),
        [at(7, pl.col("volume") / 2)(f"{side}_volume") for side in ("buy", "sell")],
        {("threshold", FLOW)},
    ),
    "no sides": (
        rb.Imbalance(5, of="volume"),
        at(7, None)("buy_volume"),
        {("sides", "buy_volume"), ("nulls", ALL_SIDES)},
    ),
    "a run of too many": (rb.Runs(target=300, span=5), at(7, 600)(ROWS), {("threshold", ROWS)}),
    "a run of too few": (
        rb.Runs(target=300, span=5),
        [at(7, 149)(ROWS), at(7, pl.col("first_agg_trade_id") + 148)("last_agg_trade_id")],
        {("threshold", ROWS), ("id_continuity", "first_agg_trade_id")},
    ),
    "two windows": (
        rb.Time("10m"),
        [at(7, pl.col("open_time") - timedelta(minutes=10))("open_time")],
        {("windows", "close_time"), ("windows", "open_time"), ("time_order", "open_time")},
    ),
    "the same window twice": (
        rb.Time("10m"),
        [at(7, pl.col("close_time").shift(1))(name) for name in ("open_time", "close_time", "high_time", "low_time")],
        {("windows", "open_time")},
    ),
    "closed by a threshold": (
        rb.Time("10m"),
        at(7, pl.lit("threshold"))("close_reason"),
        {("reasons", "close_reason")},
    ),
    "ended by time": (rb.Volume(15), at(7, pl.lit("time"))("close_reason"), {("reasons", "close_reason")}),
    **{
        f"{rule} still forming": (
            rule,
            at(7, END)("close_reason"),
            {("unfinished", "close_reason"), ("orphans", column)},
        )
        for rule, column in {
            rb.Range(50): "close",
            rb.HighLow(50): "high",
            rb.Cusum(50): "close",
            rb.Ticks(300): ROWS,
            rb.Ticks(300, of="trades"): TRADES,
            rb.Volume(15): "volume",
            rb.Turnover(5e5): "turnover",
            rb.Imbalance(5, of="volume"): FLOW,
        }.items()
    },
    "a run still forming": (
        rb.Runs(target=300, span=5),
        [at(7, END)("close_reason"), at(7, 599)(ROWS)],
        {("unfinished", "close_reason"), ("orphans", ROWS)},
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_bars_broken_in_one_way_fail_there_and_nowhere_else(name: str) -> None:
    rule, broken, expected = BREAKS[name]
    trades = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT"])
    made = trades.rangebar.bars(rule, intra=True).cast({"close_reason": pl.String})
    assert faults(checked(made, rule)) == set()
    spoiled = made.with_columns(broken)
    report = checked(spoiled, rule)
    assert faults(report) == expected
    for check, column in expected:
        found = report.filter(~pl.col("passed"), pl.col("check") == check, pl.col("column") == column)
        assert (found["value"].max(), found["limit"].max()) == (1.0, 0.0)
        is_named = rule != rb.Range(50) and check in {"threshold", "touched_first", "windows"}
        assert not is_named or str(rule) in found["meaning"][0]


TOLD: Final[list[tuple[Any, Any]]] = [
    *((rb.Range(50), rb.Range(60)), (rb.Range(points=30), rb.Range(points=40)), (rb.HighLow(50), rb.HighLow(60))),
    *((rb.Cusum(50), rb.Cusum(60)), (rb.Ticks(300), rb.Ticks(299)), (rb.Ticks(300), rb.Ticks(301))),
    *((rb.Volume(15), rb.Volume(16)), (rb.Turnover(5e5), rb.Turnover(6e5)), (rb.Imbalance(30), rb.Imbalance(31))),
    *((rb.Imbalance(5, of="volume"), rb.Imbalance(6, of="volume")), (rb.Time("10m"), rb.Time("5m"))),
    *((rb.Time("10m"), rb.Ticks(300)), (rb.Ticks(300), rb.Time("10m")), (rb.HighLow(50), rb.Range(50))),
    *((rb.Range(50), rb.Volume(15)), (rb.Volume(15), rb.Range(50)), (rb.Runs(target=300, span=5), rb.Ticks(300))),
]


@pytest.mark.parametrize(("made_by", "given_as"), TOLD, ids=str)
def test_bars_of_another_rule_are_found(made_by: Any, given_as: Any) -> None:
    made = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT"]).rangebar.bars(made_by)
    assert faults(checked(made, made_by)) == set()
    assert of_rules(checked(made, given_as))


def test_what_bars_do_not_tell_is_not_judged() -> None:
    trades = rb.datasets.sample_trades(30_000, symbols=["BTCUSDT"]).with_columns(pl.col("timestamp").dt.epoch("ms"))
    adaptive = rb.Imbalance(target=300, span=5)
    found = row(checked(trades.rangebar.bars(adaptive, time_unit="ms"), adaptive), "threshold", None)
    assert found["passed"] is None
    assert "a closed bar of Imbalance(target=300, span=5)" in found["meaning"]
    timed = trades.rangebar.bars(rb.Time("1m"), time_unit="ms")
    found = row(checked(timed, rb.Time("1m")), "windows", None)
    assert found["passed"] is None
    assert "give their unit with `time_unit`" in found["meaning"]
    assert row(checked(timed, rb.Time("1m"), time_unit="ms"), "windows", "open_time")["passed"]
    found = row(checked(timed.drop("open_time"), rb.Time("1m"), time_unit="ms"), "windows", None)
    assert "it needs `open_time` and `close_time`" in found["meaning"]
    few = timed.select("close_time", "open", "high", "low", "close")
    for rule in SOME:
        assert of_rules(checked(few, rule)) <= {("threshold", "close"), ("threshold", "high")}


def test_windows_of_a_time_zone_are_those_in_utc() -> None:
    trades = rb.datasets.sample_trades(60_000, symbols=["BTCUSDT"])
    kolkata = trades.with_columns(pl.col("timestamp").dt.convert_time_zone("Asia/Kolkata"))
    for frame in (trades, kolkata):
        made = frame.rangebar.bars(rb.Time("1h"), include_incomplete=True)
        assert of_rules(checked(made, rb.Time("1h"))) == set()


def test_bars_without_a_reason_have_all_closed() -> None:
    made = rb.datasets.sample_trades(30_000, symbols=["BTCUSDT"]).rangebar.bars(rb.Volume(15), include_incomplete=True)
    assert faults(checked(made.drop("close_reason"), rb.Volume(15))) == {("threshold", "volume")}
    assert of_rules(checked(made, rb.Volume(15))) == set()
    assert of_rules(checked(made.drop("close_reason"), rb.Time("1d"))) == {("windows", "open_time")}


def test_rules_that_are_none_and_rules_that_are_given_twice() -> None:
    made = rb.datasets.sample_trades(30_000, symbols=["BTCUSDT"]).rangebar.bars([rb.Volume(15), 50])
    with pytest.raises(
        rb.RangeBarError, match="the bars have a column `rule`: leave the parameter `threshold_dbps` out"
    ):
        checked(made, rb.Volume(15), by="rule")
    with pytest.raises(rb.RangeBarError, match=r"'fast' is no rule .*: write it as in Python"):
        checked(made.with_columns(rule=pl.lit("fast")))
    with pytest.raises(
        rb.RangeBarError, match=r"column `rule` must be String, .*got Int32: rename it if it holds no rules"
    ):
        checked(made.with_columns(rule=pl.lit(1)))
    with pytest.raises(rb.RangeBarError, match="`threshold_dbps` must be an integer"):
        checked(made.drop("rule"), "Volume(15)")
    some = made.with_columns(rule=pl.when(pl.int_range(pl.len()) != 5).then("rule"))
    assert faults(checked(some, by="rule")) >= {("nulls", "rule")}
    empty = made.clear()
    assert of_rules(checked(empty, by="rule")) == set()
    assert of_rules(checked(empty.drop("rule"), rb.Time("1h"))) == set()
