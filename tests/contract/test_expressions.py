"""Contract layer: the two expressions in every context that Polars has for them, on both engines."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given

import rangebar_polars as rb
from tests._registry import FEATURES
from tests._routes import Engine, assert_same_bars, bar_schema, eager, engines
from tests.strategies import Trades, trades

MICROSECONDS = pl.Datetime("us", "UTC")


@pytest.fixture
def frame() -> pl.DataFrame:
    """Three uneven groups, interleaved: A closes two bars, B one, C (one row) none."""
    rows = [
        *[("A", 0, 100.0), ("B", 0, 50.0), ("A", 1, 101.0), ("C", 1, 7.0), ("A", 2, 101.0)],
        *[("B", 3, 50.2), ("A", 3, 99.0), ("B", 4, 49.0), ("A", 5, 99.5)],
    ]
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return pl.DataFrame(
        {
            "symbol": [symbol for symbol, _, _ in rows],
            "timestamp": pl.Series([start + dt.timedelta(seconds=s) for _, s, _ in rows], dtype=MICROSECONDS),
            "price": [price for _, _, price in rows],
            "quantity": [1.0 + i for i in range(len(rows))],
            "is_buyer_maker": [i % 2 == 0 for i in range(len(rows))],
        }
    )


def in_chunks(frame: pl.DataFrame) -> pl.DataFrame:
    chunked = pl.concat([frame.head(1), frame.slice(1, 5), frame.slice(6)], rechunk=False)
    assert chunked.n_chunks() == 3
    return chunked


# -------------------------------------------------------------------------------------------- select


@engines
@pytest.mark.parametrize("chunked", [False, True])
def test_select(frame: pl.DataFrame, engine: Engine, chunked: bool) -> None:
    one = frame.filter(pl.col("symbol") == "A")
    one = pl.concat([one.head(2), one.slice(2)], rechunk=False) if chunked else one
    out = one.lazy().select(rb.range_bars(threshold_dbps=1_000)).collect(engine=engine)
    assert out.columns == ["bars"]
    assert out.schema["bars"] == pl.Struct(bar_schema(MICROSECONDS))
    bars = out.unnest("bars")
    assert bars["close"].to_list() == [101.0, 99.0]
    assert_same_bars(bars, eager(one, 1_000))


@engines
def test_alias_and_several_thresholds_in_one_select(frame: pl.DataFrame, engine: Engine) -> None:
    one = frame.filter(pl.col("symbol") == "A")
    both = (
        one.lazy()
        .select(
            rb.range_bars(threshold_dbps=1_000).alias("fine").implode(),
            rb.range_bars(2_000, include_incomplete=True).alias("coarse").implode(),
        )
        .collect(engine=engine)
    )
    assert both.columns == ["fine", "coarse"]
    fine = both.select("fine").explode("fine").unnest("fine")
    coarse = both.select("coarse").explode("coarse").unnest("coarse")
    assert_same_bars(fine, eager(one, 1_000))
    assert_same_bars(coarse, eager(one, 2_000, include_incomplete=True))
    assert fine.height != coarse.height


@engines
def test_after_filter_and_inside_concat(frame: pl.DataFrame, engine: Engine) -> None:
    parts = [
        frame.lazy().filter(pl.col("symbol") == symbol).select(rb.range_bars(1_000, include_incomplete=True))
        for symbol in ("A", "B", "C")
    ]
    out = pl.concat(parts).collect(engine=engine).unnest("bars")
    expected = [eager(frame.filter(pl.col("symbol") == s), 1_000, include_incomplete=True) for s in ("A", "B", "C")]
    assert_same_bars(out, pl.concat(expected))
    assert out["close_reason"].to_list() == ["threshold", "threshold", "end", "threshold", "end"]


@engines
def test_empty_input(frame: pl.DataFrame, engine: Engine) -> None:
    lf = frame.clear().lazy()
    bars = lf.select(rb.range_bars(1_000, include_incomplete=True)).unnest("bars").collect(engine=engine)
    assert dict(bars.schema) == bar_schema(MICROSECONDS)
    assert bars.height == 0
    ids = lf.select(rb.range_bar_id("timestamp", "price", threshold_dbps=1_000)).collect(engine=engine)
    assert dict(ids.schema) == {"bar_id": pl.UInt64}
    assert ids.height == 0
    grouped = lf.group_by("symbol").agg(rb.range_bars(1_000)).explode("bars").unnest("bars").collect(engine=engine)
    assert dict(grouped.schema) == {"symbol": pl.String(), **bar_schema(MICROSECONDS)}
    assert grouped.height == 0


# ------------------------------------------------------------------------------ group_by().agg, over


@engines
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("include_incomplete", [False, True])
def test_group_by(frame: pl.DataFrame, engine: Engine, chunked: bool, include_incomplete: bool) -> None:
    """Uneven groups, one of a single row; a group without a closed bar vanishes in `explode`."""
    source = in_chunks(frame) if chunked else frame
    bars = rb.range_bars(threshold_dbps=1_000, include_incomplete=include_incomplete)
    out = source.lazy().group_by("symbol").agg(bars).sort("symbol").explode("bars").unnest("bars")
    got = out.collect(engine=engine)
    assert got["symbol"].to_list() == (["A", "A", "A", "B", "C"] if include_incomplete else ["A", "A", "B"])
    expected = eager(frame, 1_000, by=["symbol"], include_incomplete=include_incomplete)
    assert_same_bars(got, expected.sort("symbol", maintain_order=True))


@engines
def test_groups_of_one_row(frame: pl.DataFrame, engine: Engine) -> None:
    single = frame.with_columns(symbol=pl.int_range(pl.len()))
    bars = rb.range_bars(1_000, include_incomplete=True)
    out = single.lazy().group_by("symbol", maintain_order=True).agg(bars).collect(engine=engine)
    assert out["bars"].list.len().to_list() == [1] * frame.height
    got = out.explode("bars").unnest("bars")
    assert got["close_reason"].to_list() == ["end"] * frame.height
    assert_same_bars(got, eager(single, 1_000, by=["symbol"], include_incomplete=True))


@engines
def test_group_by_beside_other_aggregations(frame: pl.DataFrame, engine: Engine) -> None:
    out = (
        frame.lazy()
        .group_by("symbol")
        .agg(pl.len(), rb.range_bars(1_000, features=[]).alias("b"), pl.col("price").max().alias("top"))
        .sort("symbol")
        .collect(engine=engine)
    )
    assert out.columns == ["symbol", "len", "b", "top"]
    assert out["b"].list.len().to_list() == [2, 1, 0]
    assert out["top"].to_list() == [101.0, 50.2, 7.0]


@engines
def test_range_bars_over_exploded(frame: pl.DataFrame, engine: Engine) -> None:
    """The one mapping strategy that fits bars; Polars gives a group without a bar one row of null."""
    runs = frame.sort("symbol", maintain_order=True)
    bars = rb.range_bars(1_000).over("symbol", mapping_strategy="explode")
    out = runs.lazy().select(bars).collect(engine=engine)
    assert out["bars"].is_null().to_list() == [False, False, False, True]
    expected = eager(runs, 1_000, by=["symbol"]).drop("symbol")
    assert_same_bars(out.drop_nulls().unnest("bars"), expected)


@engines
def test_range_bar_id_over(frame: pl.DataFrame, engine: Engine) -> None:
    bar = rb.range_bar_id("timestamp", "price", threshold_dbps=1_000)
    out = in_chunks(frame).lazy().with_columns(bar=bar.over("symbol")).collect(engine=engine)
    assert out["bar"].to_list() == [0, 0, 0, 0, 1, 0, 1, 0, 2]
    assert out.schema["bar"] == pl.UInt64
    assert out.drop("bar").equals(frame)


@engines
def test_range_bar_id_composes_with_any_aggregation(frame: pl.DataFrame, engine: Engine) -> None:
    bar = rb.range_bar_id(pl.col("timestamp"), pl.col("price"), threshold_dbps=1_000).over("symbol")
    out = (
        frame.lazy()
        .with_columns(bar=bar)
        .group_by("symbol", "bar", maintain_order=True)
        .agg(pl.col("price").last().alias("close"), pl.col("quantity").sum().alias("volume"))
        .collect(engine=engine)
    )
    bars = eager(frame, 1_000, by=["symbol"], include_incomplete=True)
    left = out.sort("symbol", "bar").select("symbol", "close", "volume")
    assert left.equals(bars.sort("symbol", "open_time").select("symbol", "close", "volume"))


def test_range_bar_id_is_named_and_takes_expressions(frame: pl.DataFrame) -> None:
    one = frame.filter(pl.col("symbol") == "A")
    plain = one.select(rb.range_bar_id("timestamp", "price", threshold_dbps=1_000))
    assert plain.columns == ["bar_id"]
    halved = one.select(rb.range_bar_id(pl.col("timestamp"), pl.col("price") / 2, threshold_dbps=1_000).alias("h"))
    assert halved["h"].to_list() == plain["bar_id"].to_list() == [0, 0, 1, 1, 2]


# ---------------------------------------------------------------------------------- schema, features


@engines
@given(case=trades())
def test_schema_at_plan_time_is_the_schema_collected(engine: Engine, case: Trades) -> None:
    options = {"same_timestamp_gate": case.gate, **case.options}
    expression = rb.range_bars(case.threshold_dbps, **options)
    by = list(case.by)
    plans = [
        case.frame.lazy().select(expression),
        case.frame.lazy().select(expression).unnest("bars"),
        case.frame.lazy().rangebar.bars(case.threshold_dbps, by=by or None, **options),
        case.frame.lazy().rangebar.with_bar_id(case.threshold_dbps, by=by or None, **options),
    ]
    if by:
        plans = [case.frame.lazy().group_by(by).agg(expression).explode("bars").unnest("bars"), *plans[2:]]
    for plan in plans:
        planned = plan.collect_schema()
        assert list(planned.items()) == list(plan.collect(engine=engine).schema.items())
    keys = {name: case.frame.schema[name] for name in by}
    bars = plans[0 if by else 1].collect_schema()
    assert list(bars.items()) == list({**keys, **bar_schema(case.frame.schema["timestamp"])}.items())


FEATURE_SETS: tuple[list[str] | None, ...] = (
    None,
    [],
    ["ofi"],
    ["turnover_imbalance", "duration_us", "ofi"],
    list(FEATURES)[::-1],
)


@engines
@pytest.mark.parametrize("features", FEATURE_SETS)
def test_features_are_exactly_those_asked_for(frame: pl.DataFrame, engine: Engine, features: list[str] | None) -> None:
    every = eager(frame, 1_000, by=["symbol"], include_incomplete=True)
    wanted = list({"symbol": None, **bar_schema(MICROSECONDS, features)})
    lf = frame.lazy()
    bars = rb.range_bars(1_000, features=features, include_incomplete=True)
    plans = [
        lf.rangebar.bars(1_000, by="symbol", features=features, include_incomplete=True),
        lf.group_by("symbol").agg(bars).explode("bars").unnest("bars"),
    ]
    for plan in plans:
        assert plan.collect_schema().names() == wanted
        order = ["symbol", "open_time"]
        assert_same_bars(plan.collect(engine=engine).sort(order), every.select(wanted).sort(order))


@engines
def test_columns_under_other_names(frame: pl.DataFrame, engine: Engine) -> None:
    names = {"timestamp": "t", "price": "p", "quantity": "q", "is_buyer_maker": "m"}
    arguments = {"time": "t", "price": "p", "quantity": "q", "is_buyer_maker": "m"}
    renamed = frame.rename(names)
    expected = eager(frame, 1_000, by=["symbol"])
    lazy = renamed.lazy().rangebar.bars(1_000, by="symbol", **arguments).collect(engine=engine)
    assert_same_bars(lazy, expected)
    plan = renamed.lazy().group_by("symbol").agg(rb.range_bars(1_000, **arguments)).sort("symbol")
    got = plan.explode("bars").unnest("bars").collect(engine=engine)
    assert_same_bars(got, expected.sort("symbol", maintain_order=True))
    ids = renamed.lazy().rangebar.with_bar_id(1_000, by="symbol", name="n", time="t", price="p")
    assert ids.collect(engine=engine)["n"].to_list() == [0, 0, 0, 0, 1, 0, 1, 0, 2]


def test_swapped_names_are_taken_as_said(frame: pl.DataFrame) -> None:
    """A column under the default name of another part plays the part that it was given."""
    one = frame.filter(pl.col("symbol") == "A")
    swapped = one.rename({"price": "quantity", "quantity": "price"})
    arguments = {"price": "quantity", "quantity": "price"}
    assert_same_bars(eager(swapped, 1_000, **arguments), eager(one, 1_000))
    assert_same_bars(swapped.select(rb.range_bars(1_000, **arguments)).unnest("bars"), eager(one, 1_000))


def test_optional_columns_can_be_ignored(frame: pl.DataFrame) -> None:
    one = frame.filter(pl.col("symbol") == "A")
    expected = eager(one.drop("is_buyer_maker"), 1_000)
    assert expected["ofi"].null_count() == expected.height > 0
    assert_same_bars(eager(one, 1_000, is_buyer_maker=None), expected)
    assert_same_bars(one.select(rb.range_bars(1_000, is_buyer_maker=None)).unnest("bars"), expected)
