"""Docs: what `docs/which_bars.md` says of each kind of bar is what the bars of a real day measure."""

from __future__ import annotations

import doctest
import re
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars._bars.request import RULES
from rangebar_polars._bars.written_rules import rule_of_text
from tests._paths import ROOT

PAGE = (ROOT / "docs/which_bars.md").read_text()
NUMBER = r" *(-?[\d.]+) \|"
MEASURED = re.findall(rf"^\| `(\w+\(.+\))` \|{NUMBER * 6}$", PAGE, re.MULTILINE)


def measured() -> Any:
    """The function that the page defines."""
    names: dict[str, Any] = {"pl": pl}
    for example in doctest.DocTestParser().get_examples(PAGE):
        if example.source.startswith("def measured"):
            exec(example.source, names)
    return names["measured"]


def test_every_rule_has_its_row_and_its_measure() -> None:
    table = re.findall(r"^\| `(\w+)`.*\|$", PAGE, re.MULTILINE)
    assert {rule.__name__ for rule in RULES.values()} <= set(table)
    assert {text.partition("(")[0] for text, *_ in MEASURED} == {rule.__name__ for rule in RULES.values()}


@pytest.mark.parametrize(
    ("text", "numbers"), [(text, numbers) for text, *numbers in MEASURED], ids=lambda x: str(x)[:30]
)
def test_the_table_of_a_real_day(text: str, numbers: list[str], btcusdt_day: pl.DataFrame) -> None:
    rule, *found = measured()(btcusdt_day, rule_of_text(text)).row(0)
    assert rule == text
    assert found == [float(number) for number in numbers]


def test_what_the_page_says_of_that_table(btcusdt_day: pl.DataFrame) -> None:
    """Normal by trades and volume, nearly so by turnover, not by the clock; the first hour; orders that go on."""
    of = {
        text: dict(zip(("bars", "hour", "r", "clusters", "kurtosis", "jb"), map(float, n), strict=True))
        for text, *n in MEASURED
    }
    assert max(of["Ticks(3000)"]["jb"], of["Volume(95)"]["jb"]) < 6 < of["Turnover(4000000)"]["jb"] < 10
    assert of['Time("5m")']["jb"] > 90
    assert of["Imbalance(target=3000, span=20)"]["hour"] > 100 / 3
    imbalance = btcusdt_day.rangebar.bars(rb.Imbalance(target=3000, span=20), features=[])
    hours = imbalance["close_time"].dt.hour().value_counts(sort=True)
    assert hours["close_time"][0] == 0
    signs = 1 - 2 * btcusdt_day["is_buyer_maker"].cast(pl.Int64)
    blocks = (
        pl.DataFrame({"sign": signs})
        .group_by(pl.int_range(pl.len()) // 3000, maintain_order=True)
        .agg(pl.col("sign").sum().abs())
    )
    assert (blocks["sign"][0], round(blocks["sign"].median(), -1)) == (14, 360)
    bars = btcusdt_day.rangebar.bars(rb.Range(90), features=[])
    follows = (bars["open_time"].shift(-1) == bars["close_time"]).mean()
    assert follows is not None
    assert follows > 0.5
    heights, turns = (btcusdt_day.rangebar.bars(rule, features=[]) for rule in (rb.HighLow(120), rb.Cusum(120)))
    assert heights["close_time"].is_in(turns["close_time"].implode()).mean() > 0.9
