"""Oracle layer: bars of every rule on every route against the slow oracle, and that against the reference program."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import trades_of
from tests._reference import reference_program
from tests._routes import EVERY_BAR, REASON_OR_TIME, ROUTES, assert_same_bars, oracle_bars
from tests._rule_oracle import Defined, Kind, rule_bars, rules
from tests.strategies import Trades, any_trades, of_decimals, slices, trades

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

KINDS: tuple[Kind, ...] = ("ticks", "volume", "turnover", "high_low", "cusum", "time")
BY_SIDE: tuple[Kind, ...] = ("imbalance", "runs")


@st.composite
def asked(draw: st.DrawFn, cases: st.SearchStrategy[Trades], kinds: tuple[Kind, ...]) -> tuple[Trades, Defined]:
    """Trades and a rule for them; with a side, if the rule needs it."""
    case = draw(cases)
    rule = draw(rules(case, kinds))
    return (with_sides(case) if rule.kind in BY_SIDE else case), rule


def with_sides(case: Trades) -> Trades:
    if "is_buyer_maker" in case.frame.columns:
        return case
    return replace(case, frame=case.frame.with_columns(is_buyer_maker=pl.int_range(pl.len()) * 7 % 5 < 3))


@pytest.mark.parametrize("kind", [*KINDS, *BY_SIDE])
@pytest.mark.parametrize("route", ROUTES)
@given(data=st.data())
def test_every_cell_of_every_route(route: str, kind: Kind, data: st.DataObject) -> None:
    """Resets and gaps in half of the cases, and bars of every reason."""
    case, rule = data.draw(asked(any_trades(), (kind,)))
    options = case.bar_options | data.draw(st.sampled_from(({}, EVERY_BAR)))
    got = ROUTES[route](case.frame, rule.rule, **options)
    assert_same_bars(got, oracle_bars(case.frame, rule, **options))


@given(data=st.data())
def test_prices_of_any_decimals(data: st.DataObject) -> None:
    case, rule = data.draw(asked(of_decimals(trades(min_rows=1)), (*KINDS, *BY_SIDE)))
    got = ROUTES["eager"](case.frame, rule.rule, **case.bar_options, **EVERY_BAR)
    assert_same_bars(got, oracle_bars(case.frame, rule, **case.bar_options, **EVERY_BAR))


@pytest.mark.parametrize("route", ROUTES)
@given(data=st.data())
def test_several_rules_in_one_pass(route: str, data: st.DataObject) -> None:
    case = with_sides(data.draw(any_trades()))
    drawn = rules(case, (*KINDS, *BY_SIDE))
    several = data.draw(st.lists(drawn, min_size=1, max_size=3, unique_by=lambda rule: str(rule.rule)))
    in_list: Any = [rule.rule for rule in several]
    got = ROUTES[route](case.frame, in_list, **case.bar_options, **EVERY_BAR)
    assert_same_bars(got, oracle_bars(case.frame, several, **case.bar_options, **EVERY_BAR))


SOME = [
    *(Defined("ticks", n=37), Defined("ticks", n=90, of="trades"), Defined("volume", n=40.0)),
    *(Defined("turnover", n=3e4), Defined("high_low", dbps=30), Defined("cusum", dbps=30), Defined("time", every="1s")),
    *(Defined("imbalance", n=9), Defined("imbalance", n=15.0, of="volume")),
    *(Defined(kind, n=50, span=3, of=of) for kind in BY_SIDE for of in ("rows", "turnover")),
]


def named(rule: Defined) -> str:
    return str(rule.rule)


@pytest.mark.parametrize("rule", SOME, ids=named)
def test_pushes_single_trades_and_checkpoints_change_nothing(rule: Defined) -> None:
    """Frames, trades one by one, and a restart after each piece give the bars of one pass."""
    frame = rb.datasets.sample_trades(1_500, symbols=["A", "B"])
    options: dict[str, Any] = {"by": "symbol", "include_orphans": True, "max_gap": "2s"}
    stream, ended = rb.BarStream(rule.rule, **options), []
    for number, piece in enumerate(slices(frame, [0, 1, 2, 700, 900, 901, 1_400])):
        if number % 2:
            for row in piece.iter_rows(named=True):
                bars = stream.push_trade(
                    row["timestamp"],
                    row["price"],
                    row["quantity"],
                    key=row["symbol"],
                    is_buyer_maker=row["is_buyer_maker"],
                    agg_trade_id=row["agg_trade_id"],
                    first_trade_id=row["first_trade_id"],
                    last_trade_id=row["last_trade_id"],
                )
                ended += [] if bars is None else [bars]
        else:
            ended.append(stream.push(piece))
        stream = rb.BarStream.restore(stream.checkpoint(), threshold_dbps=rule.rule)
    assert stream.parameters["threshold_dbps"] == rule.rule
    expected = frame.rangebar.bars(rule.rule, **options, include_incomplete=True)
    assert_same_bars(pl.concat([*ended, stream.pending()]), expected)
    assert expected.height > 10
    for other in SOME:
        if other != rule:
            with pytest.raises(rb.RangeBarError, match="`threshold_dbps` was"):
                rb.BarStream.restore(stream.checkpoint(), threshold_dbps=other.rule)


@pytest.mark.parametrize("rule", SOME, ids=named)
def test_numbers_of_bars_are_those_of_the_bars(rule: Defined) -> None:
    frame = rb.datasets.sample_trades(1_500, symbols=["A"]).drop("symbol")
    lengths = frame.rangebar.bars(rule.rule, **EVERY_BAR)["agg_record_count"].to_list()
    numbers = frame.rangebar.with_bar_id(rule.rule)["bar_id"]
    assert numbers.to_list() == [number for number, length in enumerate(lengths) for _ in range(length)]
    in_query = frame.select(
        rb.range_bar_id(
            threshold_dbps=rule.rule,
            quantity="quantity",
            is_buyer_maker="is_buyer_maker",
            first_trade_id="first_trade_id",
            last_trade_id="last_trade_id",
        )
    )
    assert in_query.to_series().to_list() == numbers.to_list()


@pytest.mark.parametrize("rule", [rb.Volume(5), rb.Turnover(5), rb.Imbalance(5), rb.Runs(target=5, span=2)], ids=str)
def test_what_a_rule_needs_is_never_taken_for_zero(rule: Any) -> None:
    frame = rb.datasets.sample_trades(100, symbols=["A"]).drop("symbol")
    with pytest.raises(pl.exceptions.ComputeError, match=r"needs the (quantity|side) of each trade"):
        frame.select(rb.range_bar_id(threshold_dbps=rule))
    if isinstance(rule, rb.Imbalance | rb.Runs):
        for without in (frame.drop("is_buyer_maker"), frame.drop("is_buyer_maker").lazy()):
            with pytest.raises(rb.RangeBarError, match="needs the side of each trade"):
                without.rangebar.bars(rule)
        with pytest.raises(rb.RangeBarError, match="`missing_side` must be"):
            frame.rangebar.bars(rule, missing_side="null")


IMBALANCE: Any = rb.Imbalance
REFUSED: list[tuple[Any, str]] = [
    (lambda: rb.Ticks(0), "`n` of Ticks must be an integer from 1"),
    (lambda: rb.Ticks(True), "`n` of Ticks must be an integer from 1"),
    (lambda: rb.Ticks(5, of="volume"), '`of` must be "rows" or "trades"'),
    (lambda: rb.Volume(0), "`threshold` of Volume must be at least 0.00000001, got 0.0"),
    (lambda: rb.Volume("many"), "`threshold` of Volume must be a number, got 'many'"),
    (lambda: rb.Turnover(1e30), "`threshold` of Turnover must fit 128 bits"),
    (rb.HighLow, "`HighLow` takes either `dbps` or `points`"),
    (lambda: rb.HighLow(points=-1), "`points` must be a price distance above 0"),
    (lambda: rb.Cusum(0), "`threshold_dbps` must be an integer in 1..100000"),
    (lambda: rb.Time("0s"), "`every` of Time must be .* which is zero"),
    (lambda: rb.Time("1d12h"), "which mixes units"),
    (lambda: rb.Time(5), "`every` of Time must be a duration, got 5"),
    (rb.Imbalance, "`Imbalance` takes either a threshold or"),
    (lambda: IMBALANCE(5, target=3), "`Imbalance` takes either a threshold or"),
    (lambda: rb.Imbalance(2.5), "must be an integer from 1 to 2\\^53"),
    (lambda: rb.Imbalance(target=0, span=3), "`target` of Imbalance must be an integer"),
    (lambda: rb.Runs(target=3, span=0), "`span` of Runs must be an integer"),
]


@pytest.mark.parametrize(("make", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_a_parameter_that_no_rule_can_have(make: Any, text: str) -> None:
    with pytest.raises(rb.RangeBarError, match=text):
        make()


# ------------------------------------------------------------------------------------------------- lakes


def test_a_lake_keeps_bars_of_rules(tmp_path: Path) -> None:
    lake = rb.Lake(tmp_path / "lake")
    trades_of_lake = rb.datasets.sample_trades(40_000, symbols=["BTCUSDT"]).drop("symbol")
    lake.add(trades_of_lake, venue="binance_spot", symbol="BTCUSDT")
    asked_for = [defined.rule for defined in SOME]
    lake.series(threshold_dbps=asked_for)
    lake.build()
    kept = lake.bars("BTCUSDT", include_orphans=True).collect()
    for rule in asked_for:
        got = lake.bars("BTCUSDT", threshold_dbps=rule, include_orphans=True).collect()
        assert got.height == kept.filter(rule=str(rule)).height > 0
        built = trades_of_lake.rangebar.bars(rule, reset="1mo", include_orphans=True)
        assert got["close"].to_list()[: built.height] == built["close"].to_list()
    assert kept["close_reason"].dtype == REASON_OR_TIME
    one = lake.series("one", threshold_dbps=[rb.Volume(50)])
    assert one.request.parameters["threshold_dbps"] == [rb.Volume(50)]
    lake.build("one")
    assert lake.bars("BTCUSDT", series="one").collect()["rule"].unique().to_list() == ["Volume(50)"]


# ------------------------------------------------------------------------------------ the reference program


@pytest.fixture(scope="module")
def program(shared: Path) -> ModuleType:
    """`spec/rules.py` of the shared folder, which imports the reference program by name."""
    file = shared / "spec" / "rules.py"
    if not file.is_file():
        pytest.skip("no program for rules beside the repository")
    sys.modules["reference"] = reference_program(shared)
    spec = importlib.util.spec_from_file_location("rangebar_rules", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def program_rule(program: ModuleType, rule: Defined) -> Any:
    """The rule in the words of the program."""
    lengths = {"1ms": 10**3, "1s": 10**6, "20m": 1_200 * 10**6, "1h": 3_600 * 10**6, "1d": 86_400 * 10**6}
    every = {} if rule.every is None else {"every_us": lengths.get(rule.every, 3 * lengths["1d"])}
    given = {"dbps": rule.dbps, "points": rule.points, "n": rule.n, "of": rule.of, "span": rule.span}
    return program.Rule(rule.kind, **{name: value for name, value in given.items() if value is not None}, **every)


@given(data=st.data())
def test_the_oracle_agrees_with_the_program(program: ModuleType, data: st.DataObject) -> None:
    case, rule = data.draw(asked(trades(max_keys=0, min_rows=1), (*KINDS, *BY_SIDE)))
    assume(rule.every not in ("1w", "2w", "1mo", "5mo", "1q", "1y"))
    columns: dict[str, Any] = {name: case.frame[name].to_list() for name in case.frame.columns}
    columns["time"] = case.frame["timestamp"].to_physical().to_list()
    del columns["timestamp"]
    # The program takes logarithms of prices as they are given, and not of those that are kept.
    for name in ("price", "quantity"):
        columns[name] = [round(float(x), 8) for x in columns[name]]
    theirs = program.rule_ends(
        sys.modules["reference"].Trades(**{("time_us" if name == "time" else name): columns[name] for name in columns}),
        program_rule(program, rule),
        same_timestamp_gate=case.gate,
    )
    ours, first = [], 0
    for bar in rule_bars(trades_of(**columns), rule, gate=case.gate):
        ours.append((first, first + len(bar.trades) - 1, bar.close_reason))
        first += len(bar.trades)
    assert ours == theirs


@pytest.mark.parametrize(
    "rule",
    [
        *(Defined("ticks", n=1_000), Defined("ticks", n=1_000, of="trades"), Defined("volume", n=50.0)),
        *(Defined("turnover", n=1e6), Defined("high_low", dbps=250), Defined("high_low", points=25.0)),
        *(Defined("cusum", dbps=250), Defined("time", every="1h"), Defined("imbalance", n=20.0, of="volume")),
        *(Defined(kind, n=1_000, span=20, of=of) for kind in BY_SIDE for of in ("rows", "volume", "turnover")),
    ],
    ids=named,
)
def test_a_real_day_is_cut_as_by_the_program(program: ModuleType, btcusdt_day: pl.DataFrame, rule: Defined) -> None:
    day = btcusdt_day.head(200_000)
    names = ("is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id")
    columns = {name: day[name].to_list() for name in ("price", "quantity", *names)}
    reference = sys.modules["reference"]
    theirs = program.rule_ends(
        reference.Trades(time_us=day["timestamp"].to_physical().to_list(), **columns), program_rule(program, rule)
    )
    bars = day.rangebar.bars(rule.rule, include_incomplete=True)
    ends = bars["agg_record_count"].cum_sum()
    got = list(
        zip((ends - bars["agg_record_count"]).to_list(), (ends - 1).to_list(), bars["close_reason"], strict=True)
    )
    assert got == theirs
    assert len(got) > 2
