"""Features by what they are: families, what they read, when they are known; against the bars themselves."""

from __future__ import annotations

from itertools import product
from typing import Any, get_args

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars._typing import BarFeatureName

INPUTS = ("quantity", "is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id")
TRADES = rb.datasets.sample_trades(5_000, symbols=["BTCUSDT"])


def test_all_of_them_are_listed_once_in_the_order_of_the_columns() -> None:
    assert rb.features() == list(get_args(BarFeatureName))
    families = [rb.features(family=family) for family in ("bar", "intra", "lookback")]
    assert [name for names in families for name in names] == rb.features()
    assert [len(names) for names in families] == [10, 24, 16]
    assert rb.features(known="open") == families[2]
    assert rb.features(known="close") == [*families[0], *families[1]]


@pytest.mark.parametrize("name", rb.features())
def test_what_a_feature_reads_is_what_changes_it(name: str) -> None:
    """Without the columns that it does not read it is the same."""
    for has in product([False, True], repeat=2):
        reads = [column for column, there in zip(INPUTS[:2], has, strict=True) if there]
        if name in rb.features(reads=[*reads, *INPUTS[2:]]):
            mine: dict[str, Any] = {} if "is_buyer_maker" in reads else {"is_buyer_maker": None}
            other = TRADES if "quantity" in reads else TRADES.with_columns(quantity=pl.lit(1.0))
            options: dict[str, Any] = {"lookback": 50, "features": [name]}
            assert other.rangebar.bars(50, **options, **mine)[name].equals(TRADES.rangebar.bars(50, **options)[name])


def test_they_combine_and_can_be_asked_for() -> None:
    names = rb.features(family="lookback", reads="quantity", known="open")
    assert "lookback_vwap" in names
    assert "lookback_ofi" not in names
    assert rb.features(family="bar", known="open") == []
    bars = TRADES.rangebar.bars(50, lookback=20, features=names)
    assert bars.columns[-len(names) :] == names


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"family": "tier2"}, "`family` must be"),
        ({"known": "later"}, "`known` must be"),
        ({"reads": ["price"]}, "`reads` names columns of the trades"),
        ({"reads": 1}, "`reads` takes a column name or a list of names"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(rb.RangeBarError, match=text):
        rb.features(**wrong)
