"""
Boundary layer: expressions told anything over columns of anything.

The schema function and the function itself refuse it, or agree on what comes out; neither panics.
"""

from __future__ import annotations

import copy
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars._engine import plugin
from rangebar_polars._typing import PluginFunction

Path = tuple[str, ...]

FIELDS = ["timestamp", "price", "quantity", "is_buyer_maker", "agg_trade_id", "first_trade_id", "last_trade_id"]

RIGHT: dict[str, pl.Series] = {
    "timestamp": pl.Series([1, 2, 3]).cast(pl.Datetime("us")),
    "price": pl.Series([100.0, 101.0, 100.0]),
    "quantity": pl.Series([1.0, 2.0, 3.0]),
    "is_buyer_maker": pl.Series([True, False, True]),
    **{name: pl.Series([1, 2, 3]) for name in FIELDS[4:]},
}

OTHER = [
    pl.Series([1, 2, 3], dtype=pl.UInt8),
    pl.Series([1.0, None, 3.0], dtype=pl.Float32),
    pl.Series([None, None, None], dtype=pl.Null),
    pl.Series([1, 2, 3]).cast(pl.Datetime("ns", "Asia/Tokyo")),
    pl.Series(["a", "b", None]),
    pl.Series([[1], [], [2]]),
    pl.Series([{"a": 1}, {"a": 2}, {"a": 3}]),
    pl.Series([b"", b"a", b"b"]),
    pl.Series(["1.5", "2.5", "3.5"]).cast(pl.Decimal(20, 3)),
]

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
"""Without NUL, which Polars' own refusal of an unknown argument panics on."""

WHATEVER = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | TEXT
    | st.sampled_from(["us", "ns", "1d", "5m", "40h", "-1d", "hurst", "ofi", "price", "timestamp", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)


def told(function: PluginFunction, expression: Any) -> dict[str, Any]:
    """What the library tells a compiled function, caught on its way."""
    caught: list[dict[str, Any]] = []

    def catch(**named: Any) -> pl.Expr:
        caught.append(named)
        return pl.lit(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin, "register_plugin_function", catch)
        expression()
    (kwargs,) = [call["kwargs"] for call in caught if call["function_name"] == function]
    assert isinstance(kwargs, dict)
    return kwargs


KWARGS: dict[PluginFunction, dict[str, Any]] = {
    "range_bars": told(
        "range_bars",
        lambda: rb.range_bars([100, 250], reset="1d", max_gap="5m", intra=True, lookback=5, missing_side="null"),
    ),
    "range_bar_id": told("range_bar_id", lambda: rb.range_bar_id("timestamp", "price", threshold_dbps=250)),
    "trade_statistics": told("trade_statistics", lambda: rb.window_features(missing_side="null")),
}


def paths(value: object, here: Path = ()) -> list[Path]:
    """Where there is anything in nested mappings."""
    below = (
        [path for key, inner in value.items() for path in paths(inner, (*here, key))] if isinstance(value, dict) else []
    )
    return [here, *below]


@st.composite
def altered(draw: st.DrawFn, function: PluginFunction) -> dict[str, Any]:
    """What a function is told, but for up to two places."""
    kwargs = copy.deepcopy(KWARGS[function])
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from(paths(kwargs)[1:] or [("trades",)]))
        inner = kwargs
        for key in path[:-1]:
            inner = inner[key]
        match draw(st.sampled_from(["replace", "leave out", "add"])):
            case "replace":
                inner[path[-1]] = draw(WHATEVER)
            case "leave out":
                inner.pop(path[-1], None)
            case _:
                inner[draw(TEXT)] = draw(WHATEVER)
    return kwargs


@st.composite
def columns(draw: st.DrawFn) -> pl.DataFrame:
    """Some of the columns of trades, most of the right dtype, in any order, and others."""
    names = draw(st.lists(st.sampled_from([*FIELDS, "other"]), unique=True, min_size=1))
    fits = st.integers(0, 5)
    wrong = st.sampled_from(OTHER)
    return pl.DataFrame({name: RIGHT[name] if name in RIGHT and draw(fits) else draw(wrong) for name in names})


@pytest.mark.parametrize("function", KWARGS)
@given(data=st.data())
def test_refused_or_as_planned(function: PluginFunction, data: st.DataObject) -> None:
    frame = data.draw(columns())
    kwargs = data.draw(altered(function))
    plan = frame.lazy().select(plugin.register(function, pl.struct(pl.all()), kwargs).alias("out"))
    refusal = ""
    try:
        planned = plan.collect_schema()
        got = plan.collect()
    except (pl.exceptions.PolarsError, rb.RangeBarError) as error:
        refusal = str(error)
    else:
        assert got.schema == planned
    assert "panic" not in refusal.lower()


@pytest.mark.parametrize("function", KWARGS)
def test_unaltered_it_is_not_refused(function: PluginFunction) -> None:
    frame = pl.DataFrame(RIGHT)
    plan = frame.lazy().select(plugin.register(function, pl.struct(pl.all()), KWARGS[function]).alias("out"))
    assert plan.collect().schema == plan.collect_schema()


NUL = "contains a NUL character: rename the column first"


def test_a_name_with_a_nul_is_refused() -> None:
    frame = pl.DataFrame(RIGHT).rename({"price": "p\0"})
    with pytest.raises(rb.RangeBarError, match=NUL):
        frame.rangebar.bars(250, price="p\0")
    with pytest.raises(rb.RangeBarError, match=NUL):
        frame.with_columns(pl.lit("a").alias("k\0")).rangebar.bars(250, price="p\0", by="k\0")
    with pytest.raises(rb.RangeBarError, match=NUL):
        rb.range_bars(250, price="p\0")
    with pytest.raises(rb.RangeBarError, match=NUL):
        rb.BarStream(250, price="p\0").push(frame)
    with pytest.raises(rb.RangeBarError, match=NUL):
        rb.hurst("p\0")


def test_a_key_with_a_nul_is_a_key() -> None:
    keyed = pl.DataFrame(RIGHT).with_columns(pl.lit("a\0b").alias("symbol"))
    bars = keyed.rangebar.bars(250, by="symbol", include_incomplete=True)
    assert bars["symbol"].unique().to_list() == ["a\0b"]
    with pytest.raises(rb.RangeBarError, match="price"):
        keyed.with_columns(price=-1.0).rangebar.bars(250, by="symbol")
