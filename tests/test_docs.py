"""Docs: the table of columns is that of the library, in names, order and dtypes."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import get_args

import polars as pl

import rangebar_polars as rb
from rangebar_polars import _internal
from rangebar_polars._typing import BarFeature

ROOT = Path(__file__).parent.parent
DTYPES = {
    "time of the trades": pl.Datetime("us", "UTC"),
    "Float64": pl.Float64(),
    "Int64": pl.Int64(),
    "UInt64": pl.UInt64(),
    "Enum(threshold, reset, gap, end)": pl.Enum(["threshold", "reset", "gap", "end"]),
}


def test_documented_columns_are_those_of_the_bars() -> None:
    table = re.findall(r"^\| `(\w+)` \| ([^|]+) \|.*$", (ROOT / "docs/columns.md").read_text(), re.MULTILINE)
    documented = {name: DTYPES[dtype] for name, dtype in table}
    schema = rb.datasets.sample_trades(10).rangebar.bars(250, intra=True, lookback=200).schema
    assert list(documented.items()) == list(schema.items())


def test_columns_marked_as_needing_the_side_are_null_without_it() -> None:
    rows = re.findall(r"^\| `(\w+)` .*\(\*side\*\)", (ROOT / "docs/columns.md").read_text(), re.MULTILINE)
    trades = rb.datasets.sample_trades(20_000)
    bars = trades.rangebar.bars(100, intra=True, lookback=200, is_buyer_maker=None)
    assert bars.height > 0
    assert {name for name in bars.columns if bars[name].null_count() == bars.height} == set(rows)


def test_features_are_those_of_the_literal() -> None:
    table = _internal.bar_columns(intra=True, lookback=True)
    assert list(get_args(BarFeature)) == [name for name, is_feature, _ in table if is_feature]


def test_every_public_name_has_a_docstring_with_an_example() -> None:
    public = [getattr(rb, name) for name in rb.__all__ if name != "__version__"]
    classes = (rb.LazyFrameRangeBar, rb.DataFrameRangeBar, rb.BarStream)
    methods = [rb.BarState.checkpoint, *(getattr(c, m) for c in classes for m in vars(c) if m[0] != "_")]
    for thing in [rb, *(p for p in public if not hasattr(p, "bars") and p is not rb.datasets), *methods]:
        assert ">>>" in (thing.__doc__ or ""), thing


def test_the_example_of_a_compiled_method_runs() -> None:
    """`push_trade` has no Python of its own, so that nothing else finds its docstring."""
    text = rb.BarStream.push_trade.__doc__ or ""
    examples = doctest.DocTestParser().get_doctest(text, {}, "push_trade", None, 0)
    runner = doctest.DocTestRunner()
    runner.run(examples)
    assert runner.summarize(verbose=False) == (0, len(examples.examples))
    assert examples.examples
