"""Oracle layer, the registry of statistics: no row is missing, and every expression equals its oracle."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given

import rangebar_polars as rb
from rangebar_polars import _internal, statistics
from rangebar_polars.validation._bounds import bounds
from tests._oracle import trades_of
from tests._paths import ROOT
from tests._registry import (
    BY_COLUMN,
    ORACLES,
    PATH_TIMES,
    REGISTRY,
    SIDE,
    STRUCT_OF,
    Statistic,
    of,
)
from tests._routes import OPTIONAL
from tests._statistics import every, flat
from tests._window_oracle import SAID_BY_THE_BAR
from tests.strategies import Trades, trades

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests._oracle import Cell, Trade

each = pytest.mark.parametrize("one", REGISTRY, ids=lambda one: f"{one.family}.{one.name}")
ALL = rb.datasets.sample_trades(1_000, symbols=["A"]).drop("symbol")


# ------------------------------------------------------------------------------------ nothing is missing


def test_every_feature_of_bars_has_a_row_and_its_dtype() -> None:
    """In the order of the library, without the times of the extremes."""
    known = [name for name, is_feature, _ in _internal.bar_columns(intra=True, lookback=True) if is_feature]
    assert sorted([*BY_COLUMN, *PATH_TIMES]) == sorted(known)
    for prefix in ("", "intra_", "lookback_"):
        in_order = [name for name in known if name in BY_COLUMN and prefix_of(name) == prefix]
        assert in_order == [name for name in BY_COLUMN if prefix_of(name) == prefix]
    schema = ALL.rangebar.bars(250, intra=True, lookback=5).schema
    assert {name: one.dtype for name, one in BY_COLUMN.items()} == {name: schema[name] for name in BY_COLUMN}


def prefix_of(column: str) -> str:
    one = BY_COLUMN[column]
    return "" if one.family == "bar" else column.removesuffix(one.name)


def test_every_expression_has_a_row() -> None:
    named = {one.expression.__name__ for one in REGISTRY if one.expression is not None}
    assert named | set(STRUCT_OF.values()) == set(statistics.__all__)
    for family, name in STRUCT_OF.items():
        fields = ALL.select(getattr(rb, name)()).schema[name]
        assert fields == pl.Struct({one.name: one.dtype for one in of(family).values()})


def test_every_statistic_of_the_oracle_has_a_row() -> None:
    some = slow_trades(ALL.head(70))
    assert set(ORACLES["window"](some, "us")) == set(of("window"))
    assert set(ORACLES["horizon"](some, "us")) == set(of("horizon"))
    assert {name for name, one in of("window").items() if not one.is_intra} == set(SAID_BY_THE_BAR)
    columns = {name for name, *_ in _internal.bar_columns(intra=False, lookback=False)}
    assert set(ORACLES["bar"](some, "us")) == columns


def test_no_row_is_there_twice() -> None:
    assert len({(one.family, one.name) for one in REGISTRY}) == len(REGISTRY) == 34
    assert len(BY_COLUMN) == sum(len(list(one.columns)) for one in REGISTRY) == 48


# ---------------------------------------------------------------------------------- what the rows state


@each
def test_every_place_is_on_its_page(one: Statistic) -> None:
    for page, line in one.anchors:
        assert (ROOT / page).read_text(encoding="utf-8").count(line) == 1, (page, line)


@each
def test_bounds_are_those_of_validate_and_of_the_pages(one: Statistic) -> None:
    low, high = one.bounds
    for column in one.columns:
        least, greatest = bounds(column) or (-math.inf, math.inf)
        assert least <= low + 1e-9
        assert high <= greatest
        (unit,) = re.findall(rf"^\| `{column}` \| [^|]+ \|([^|]*)\|", columns_page(), re.MULTILINE)
        if " to " in unit:
            assert one.bounds == pytest.approx(tuple(map(float, unit.split(" to "))))
        else:
            assert math.inf in (high, -low), "the page does not state these bounds"


def columns_page() -> str:
    return (ROOT / "docs/columns.md").read_text(encoding="utf-8")


@each
def test_what_a_row_reads_decides_it(one: Statistic) -> None:
    """A changed column changes only what reads it; without the side, whatever reads it is null."""
    options = {"features": list(one.columns), **({"lookback": 400} if one.family == "window" else {})}
    plain = ALL.rangebar.bars(20, **options).select(one.columns)
    for name, other in OTHERS.items():
        changed = ALL.with_columns(other.alias(name)).rangebar.bars(20, **options).select(one.columns)
        assert name in one.reads or changed.equals(plain), name
    without = ALL.drop(SIDE).rangebar.bars(20, **options).select(one.columns)
    assert plain.height > 3
    assert (without.null_count().row(0) == (plain.height,) * plain.width) == (set(SIDE) <= set(one.reads))


OTHERS = {
    "quantity": pl.col("quantity") + 1,
    "is_buyer_maker": ~pl.col("is_buyer_maker"),
    "last_trade_id": pl.col("first_trade_id"),
}


# -------------------------------------------------------------------------------------------- the oracle


def slow_trades(frame: pl.DataFrame) -> list[Trade]:
    optional = {name: frame[name].to_list() for name in OPTIONAL if name in frame.columns}
    numbers = (frame["timestamp"].to_physical(), frame["price"], frame["quantity"])
    return trades_of(*(column.to_list() for column in numbers), **optional)


def places(one: Statistic, got: pl.DataFrame) -> Iterator[Cell]:
    """The cells of every expression that gives the statistic and whose columns the frame has."""
    yield got[f"{STRUCT_OF[one.family]}.{one.name}"].item()
    if one.expression is not None and one.expression.__name__ in got.columns:
        yield got[one.expression.__name__].item()


@given(case=trades(min_rows=1, max_keys=0, repeats=(1, 2, 8)))
def test_every_expression_equals_its_oracle(case: Trades) -> None:
    """Exactly for features of bars; within 1e-9 for statistics of windows, and null where the oracle is null."""
    frame = case.frame
    dtype = frame.schema["timestamp"]
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else case.options["time_unit"]
    got = flat(frame.select(every(frame.columns, **case.options)))
    some = slow_trades(frame)
    cells = {family: oracle(some, unit) for family, oracle in ORACLES.items()}
    for one in REGISTRY:
        expected = cells[one.family][one.name]
        for cell in places(one, got):
            if expected is None or one.family == "bar" or not isinstance(expected, float):
                assert cell == expected, one
            else:
                assert cell is not None, one
                assert math.isclose(cell, expected, rel_tol=1e-9, abs_tol=one.rounding), one
