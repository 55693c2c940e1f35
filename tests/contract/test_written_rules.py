"""Contract of rules as texts: what the column `rule` shows is read back, and nothing but a call of a rule is one."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars._bars.request import RULES
from rangebar_polars._bars.written_rules import rule_of_text
from tests._rule_oracle import Defined, rules
from tests.strategies import Trades, any_trades

KINDS: Any = ("range", "high_low", "cusum", "ticks", "volume", "turnover", "imbalance", "runs", "time")


@st.composite
def any_rule(draw: st.DrawFn) -> Defined:
    """A rule of any kind, with the numbers of some trades."""
    case: Trades = draw(any_trades())
    return draw(rules(case, KINDS))


@given(rule=any_rule())
def test_what_a_rule_shows_is_that_rule(rule: Defined) -> None:
    written = rule.rule
    assert rule_of_text(str(written)) == written
    assert rule_of_text(f"  rb.{written} ") == rule_of_text(f"rangebar_polars.{written}") == written


@given(number=st.floats(1e-8, 1e29, allow_nan=False))
@example(number=0.1 + 0.2)
@example(number=1e22)
def test_numbers_keep_all_their_digits(number: float) -> None:
    for rule in (rb.Volume(number), rb.Imbalance(number, of="volume"), rb.HighLow(points=number)):
        assert rule_of_text(str(rule)) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("250", rb.Range(250)),
        ("Range(250)", rb.Range(250)),
        ("Range(dbps=250)", rb.Range(250)),
        ("Range(points=0.25)", rb.Range(points=0.25)),
        ("Ticks(1_000)", rb.Ticks(1000)),
        ("Ticks(n=1000, of='trades')", rb.Ticks(1000, of="trades")),
        ("Volume( 5e1 )", rb.Volume(50)),
        ("Turnover(threshold=1_000_000)", rb.Turnover(1e6)),
        ("Imbalance(target=1000,span=20)", rb.Imbalance(target=1000, span=20)),
        ('Imbalance(100, of="volume")', rb.Imbalance(100, of="volume")),
        ("Runs(span=20, target=1000)", rb.Runs(target=1000, span=20)),
        ("Time('1h')", rb.Time("1h")),
        ('rb.Time("1h")', rb.Time("1h")),
    ],
)
def test_rules_as_a_user_writes_them(text: str, rule: Any) -> None:
    assert rule_of_text(text) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"'' is no rule \(it is no call of a rule\): write it as in Python, such as 'Volume\(50\)'"),
        ("Volume", "its parameters are missing"),
        ("Volume 50", "it is no call of a rule"),
        ("Volume(50", "it is no call of a rule"),
        ("Volume(50) Ticks(3)", "it is no call of a rule"),
        ("[Volume(50)]", "it is no call of a rule"),
        ("os.Volume(50)", "it is no call of a rule"),
        ("rb.x.Volume(50)", "it is no call of a rule"),
        ("250.0", "it is no call of a rule"),
        ("volume(50)", r"there is no rule `volume` \(did you mean `Volume`\?\): the rules are Range, HighLow"),
        ("Dollar(50)", "there is no rule `Dollar`: the rules are"),
        ("Volume()", "`Volume` has other parameters"),
        ("Volume(50, 60)", "`Volume` has other parameters"),
        ("Volume(50, of='rows')", "`Volume` has other parameters"),
        ("Volume(threshold=50, threshold=60)", "`threshold` stands there twice"),
        ("1__0", "it is no call of a rule"),
        ("Volume(x=50)", "`Volume` has other parameters"),
        ("Time(1h)", "it is no call of a rule"),
        ("Ticks(3, of=trades)", "trades has no quotes: a shell takes away those that are not within others"),
        ("Volume(2 * 25)", "its parameters are no numbers and texts"),
        ("Volume(f())", "its parameters are no numbers and texts"),
        ("Volume(None)", "its parameters are no numbers and texts"),
        ("Volume(True)", "its parameters are no numbers and texts"),
        ("Volume(*[50])", "its parameters are no numbers and texts"),
        ("Volume(**{'threshold': 50})", "its parameters are no numbers and texts"),
        ("Volume(-50)", "`threshold` of Volume must be at least 0.00000001, got -50"),
        ("Volume('50')", "`threshold` of Volume must be a number, got '50'"),
        ("Range(0)", "`threshold_dbps` must be an integer in 1..100000"),
        ("0", "`threshold_dbps` must be an integer in 1..100000"),
        ("Time(50)", "`every` of Time must be a duration"),
        ("Ticks(3, of='lots')", '`of` must be "rows" or "trades"'),
        ("Volume(" + 500 * "9" + ")", "it is no call of a rule"),
        ("Volume(" + 180 * "(" + ")", "it is no call of a rule"),
    ],
)
def test_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(rb.RangeBarError, match=message):
        rule_of_text(text)


@given(
    text=st.one_of(
        st.text(max_size=40),
        st.from_regex(r"[A-Z][a-z]{0,8}\([-\w\s.,='\"()*\[\]\\]{0,30}\)", fullmatch=True),
        st.sampled_from(sorted(rule.__name__ for rule in RULES.values())).flatmap(
            lambda name: st.text("0123456789.,=ofnspatrgevy'\"-_ ()\\", max_size=20).map(lambda t: f"{name}({t})")
        ),
    )
)
def test_no_text_does_anything_else(text: str) -> None:
    """It is a rule that means itself, or one kind of error; no warning of a parser comes through."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            rule = rule_of_text(text)
        except rb.RangeBarError:
            return
    assert rule_of_text(str(rule)) == rule
