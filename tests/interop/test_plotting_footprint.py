"""Pictures of footprints: which cells are drawn, how levels are merged, what is refused, and that it renders."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from rangebar_polars import RangeBarError
from rangebar_polars.datasets import sample_trades
from rangebar_polars.plotting import plot
from rangebar_polars.plotting._cells import cells_of

pytest.importorskip("altair")
TRADES = sample_trades(40_000, symbols=["BTCUSDT"])
TIMES = "\N{MULTIPLICATION SIGN}"
BARS = TRADES.rangebar.bars(100, footprint=5.0).head(12)


def _views(chart: Any) -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = json.loads(chart.to_json())["vconcat"]
    return views


def _texts(view: dict[str, Any]) -> list[dict[str, Any]]:
    return [layer for layer in view["layer"] if layer["mark"]["type"] == "text"]


@pytest.mark.parametrize("tick", [0.01, 0.5, 1.0, 7.0, 25.0])
def test_a_cell_is_a_level(tick: float) -> None:
    bars = TRADES.rangebar.bars(100, footprint=tick).head(9)
    cells = cells_of(bars, 1_000_000)
    assert cells.merged == 1
    levels = bars.with_row_index("bar").explode("footprint").unnest("footprint", separator="_")
    assert cells.frame["low"].to_list() == pytest.approx(levels["footprint_price"].to_list(), rel=1e-12)
    assert cells.frame["bid"].equals(levels["footprint_sell_volume"].alias("bid"))
    assert cells.frame["ask"].equals(levels["footprint_buy_volume"].alias("ask"))
    if float(cells.tick) == tick:  # a few levels may all be multiples of more
        counted = cells.frame.group_by("bar", maintain_order=True).agg(
            pl.col("up", "down").sum(), low=pl.col("low").filter("is_poc").first()
        )
        assert counted["up"].to_list() == bars["imbalances_up"].to_list()
        assert counted["down"].to_list() == bars["imbalances_down"].to_list()
        assert counted["low"].to_list() == pytest.approx(bars["poc"].to_list(), rel=1e-12)


@pytest.mark.parametrize("most", [1, 2, 10, 30])
def test_levels_are_merged_until_they_fit(most: int) -> None:
    cells = cells_of(BARS, most)
    assert cells.rows <= most
    assert str(cells.merged).strip("0") in {"1", "2", "5"}
    assert cells.tick == 5 * cells.merged
    volume = cells.frame.group_by("bar", maintain_order=True).agg(pl.col("volume").sum())["volume"]
    assert volume.to_list() == pytest.approx(BARS["volume"].to_list())
    inside = cells.frame.join(BARS.with_row_index("bar").select(pl.col("bar").cast(pl.Int64), "high", "low"), on="bar")
    assert inside.filter(pl.col("low") > pl.col("high")).is_empty()


def test_the_title_says_how_high_a_level_is() -> None:
    one, several = (plot(BARS, footprint=True, height=height).title for height in (4_000, 200))
    assert one.subtitle[0] == f"sell {TIMES} buy volume in levels of 5"
    assert one.text == "12 bars"
    assert several.subtitle[0].startswith(f"sell {TIMES} buy volume in levels of ")
    assert several.subtitle[0].endswith(" levels of the bars merged into each")


def test_below_stand_delta_and_volume_and_panels() -> None:
    ladder, sums = _views(plot(BARS, footprint=True))
    assert {layer["mark"]["type"] for layer in ladder["layer"]} == {"rect", "rule", "text"}
    assert len(_texts(sums)) == 3
    views = _views(plot(BARS, footprint=True, panels=["ofi", "volume"]))
    assert [view["title"]["text"] for view in views[2:]] == ["ofi", "volume"]
    domains = {
        json.dumps(layer["encoding"]["x"]["scale"]["domain"]) for view in views for layer in view.get("layer", [view])
    }
    assert domains == {"[-0.6, 11.6]"}


def test_narrow_columns_have_no_numbers() -> None:
    wide, narrow = _views(plot(BARS, footprint=True)), _views(plot(BARS, footprint=True, width=300))
    assert _texts(wide[0])
    assert len(narrow) == 1
    assert not _texts(narrow[0])


def test_no_more_bars_than_can_be_read() -> None:
    bars = TRADES.rangebar.bars(20, footprint=5.0, features=[])
    assert bars.height > 41
    text = r"`footprint=True` draws at most 40 bars, got .*: choose some, as in `bars\.tail\(40\)"
    with pytest.raises(RangeBarError, match=text):
        bars.rangebar.plot(footprint=True)
    assert len(_views(bars.tail(40).lazy().rangebar.plot(footprint=True))) == 2


REFUSED: dict[str, tuple[Any, str]] = {
    "without footprints": (
        lambda: TRADES.rangebar.bars(100).head(3).rangebar.plot(footprint=True),
        r"the bars have no column `footprint`: make them with a tick, as in `bars\(250, footprint=1.0\)`",
    ),
    "no flag": (lambda: plot(BARS, footprint=1), "`footprint` must be True or False, got 1"),
    "by time": (lambda: plot(BARS, footprint=True, x="time"), '`x` must be "bar" with `footprint=True`, got .time.'),
    "no bars": (lambda: plot(BARS.clear(), footprint=True), "there are no bars to draw"),
    "a column is missing": (lambda: plot(BARS.drop("delta"), footprint=True), "column `delta` not found"),
    "a bar lacks a side": (
        lambda: plot(
            BARS.with_columns(footprint=pl.when(pl.int_range(pl.len()) != 2).then("footprint")), footprint=True
        ),
        "column `footprint` must not be null or NaN, got None at bar 2",
    ),
    "too small": (lambda: plot(BARS, footprint=True, width=10), "`width` must be an integer of at least 50, got 10"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises(RangeBarError, match=text):
        call()


def _hand_made(prices: list[float], **columns: Any) -> pl.DataFrame:
    levels = [{"price": price, "buy_volume": 1.0, "sell_volume": 0.0} for price in prices]
    time = datetime(2024, 1, 1, tzinfo=UTC)
    ends = {"open": prices[0], "high": prices[-1], "low": prices[0], "close": prices[-1]}
    of_levels = {"value_area_low": prices[0], "value_area_high": prices[-1], "footprint": [levels]}
    return pl.DataFrame(
        {"close_time": [time], **ends, "volume": 1.0, "delta": 1.0, **of_levels, **columns},
        schema_overrides={"close_time": pl.Datetime("us", "UTC")},
    )


@pytest.mark.parametrize(
    ("prices", "tick"), [([42_000.0], "1000"), ([0.00000123], "1E-8"), ([0.0], "2"), ([1.1, 1.4], "0.1"), ([3.0], "1")]
)
def test_few_levels_have_a_height_too(prices: list[float], tick: str) -> None:
    bars = _hand_made(prices)
    if prices == [0.0]:
        bars = bars.with_columns(high=1.0)
    cells = cells_of(bars, 100)
    assert float(cells.tick) == float(tick)
    assert cells.frame["high"].max() > prices[-1]
    assert len(_views(plot(bars, footprint=True))) == 2


def test_times_of_several_days_have_their_date() -> None:
    bar = _hand_made([1.0, 2.0])
    both = pl.concat([bar, bar.with_columns(pl.col("close_time") + timedelta(days=1))])
    for bars, text in ((bar, "00:00:00"), (both, "01-01 00:00")):
        assert text in plot(bars, footprint=True).to_json()
    integers = bar.with_columns(pl.col("close_time").to_physical())
    assert len(_views(plot(integers, footprint=True))) == 2
    assert len(_views(plot(integers, footprint=True, time_unit="us"))) == 2


@pytest.mark.parametrize("theme", ["light", "dark", None])
@pytest.mark.parametrize("form", ["png", "svg"])
def test_it_renders(theme: Any, form: str) -> None:
    pytest.importorskip("vl_convert")
    out = io.BytesIO() if form == "png" else io.StringIO()
    plot(BARS, footprint=True, theme=theme, panels=["volume"]).save(out, format=form)
    assert len(out.getvalue()) > 10_000
