"""Pictures: what `plot` draws of bars, what it reads for that, what it refuses, and that it renders."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rangebar_polars import RangeBarError
from rangebar_polars.backtesting import to_backtesting
from rangebar_polars.datasets import sample_trades, write_sample_lake
from rangebar_polars.plotting import plot
from tests._alone import run as run_alone

pytest.importorskip("altair")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
REASON = pl.Enum(["threshold", "reset", "gap", "end"])


def _bars(rows: int = 4, **columns: Any) -> pl.DataFrame:
    """Hand-made bars, one a minute, each open for half of it; rising and falling by turns."""
    times = [NOON + timedelta(minutes=row) for row in range(rows)]
    opens = [100.0 + row % 2 for row in range(rows)]
    base: dict[str, Any] = {
        "open_time": [time - timedelta(seconds=30) for time in times],
        "close_time": times,
        "open": opens,
        "high": [price + 2 for price in opens],
        "low": [price - 2 for price in opens],
        "close": [price + (1 if row % 2 == 0 else -1) for row, price in enumerate(opens)],
        "volume": [10.0 * (row + 1) for row in range(rows)],
        "close_reason": pl.Series(["threshold"] * rows, dtype=REASON),
    }
    keys = {name: values for name, values in columns.items() if name in ("market", "symbol")}
    schema = {name: pl.Datetime("us", "UTC") for name in ("open_time", "close_time")}
    return pl.DataFrame({**keys, **base, **columns}, schema_overrides=schema)


def _spec(chart: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(chart.to_json())
    return spec


def _candles(chart: Any) -> list[dict[str, Any]]:
    spec = _spec(chart)
    (rows,) = spec["datasets"].values()
    assert spec["data"]["name"] in spec["datasets"]
    return list(rows)


def _marks(view: dict[str, Any]) -> list[str]:
    return [layer["mark"]["type"] for layer in view.get("layer", [view])]


def test_a_candle_is_a_bar() -> None:
    bars = _bars()
    rows = _candles(plot(bars))
    assert [(row["open"], row["high"], row["low"], row["close"]) for row in rows] == bars.select(
        "open", "high", "low", "close"
    ).rows()
    assert [row["first"] for row in rows] == [row["last"] for row in rows] == [row["middle"] for row in rows]
    assert [row["panel_0"] for row in rows] == bars["volume"].to_list()
    assert all(row["left"] < row["middle"] < row["right"] < after["left"] for row, after in pairwise(rows))
    assert rows[1]["opened"] == "2024-01-01 12:00:30.000"
    assert rows[1]["closed"] == "2024-01-01 12:01:00.000"


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_times_are_utc_whatever_unit_and_zone(unit: Any, zone: str | None) -> None:
    times = pl.col("open_time", "close_time").cast(pl.Datetime(unit, "UTC"))
    times = times.dt.convert_time_zone(zone) if zone else times.dt.replace_time_zone(None)
    row = _candles(plot(_bars().with_columns(times), x="time"))[0]
    noon = NOON.timestamp() * 1000
    assert (row["left"], row["middle"], row["right"], row["known"]) == (noon - 30_000, noon - 15_000, noon, noon)
    assert (row["opened"], row["closed"]) == ("2024-01-01 11:59:30.000", "2024-01-01 12:00:00.000")


def test_the_axis_of_times_is_that_of_utc() -> None:
    views = _spec(plot(_bars(), x="time"))["vconcat"]
    axes = [layer["encoding"]["x"] for view in views for layer in view.get("layer", [view])]
    assert {(axis["type"], axis["scale"]["type"]) for axis in axes} == {("temporal", "utc")}
    assert views[-1]["encoding"]["x"]["title"] == "time (UTC)"


def test_colour_says_whether_the_bar_rose() -> None:
    bodies = _spec(plot(_bars()))["vconcat"][0]["layer"][1]["encoding"]
    assert bodies["fill"] == bodies["stroke"]
    assert bodies["fill"]["condition"]["test"] == "datum.close >= datum.open"
    assert bodies["fill"]["value"] != bodies["fill"]["condition"]["value"]


def test_panels_stand_below_in_their_order() -> None:
    bars = _bars(**{"a.b": [1.0, -1.0, 2.0, 0.5], "vwap:Q": [100.0, 100.1, 100.2, 100.1], "open[0]": [5, 6, 7, 1]})
    chart = plot(bars, panels=["vwap:Q", "a.b", "open[0]", "volume"])
    views = _spec(chart)["vconcat"]
    assert [view["title"]["text"] for view in views[1:]] == ["vwap:Q", "a.b", "open[0]", "volume"]
    assert [_marks(view) for view in views] == [["rule", "rect"], ["line"], ["rect"], ["rect"], ["rect"]]
    assert [view["encoding"]["x"]["axis"]["labels"] for view in views[1:]] == [False, False, False, True]
    assert [row["panel_1"] for row in _candles(chart)] == [1.0, -1.0, 2.0, 0.5]


def test_no_panel_or_one_by_its_name() -> None:
    only = _spec(plot(_bars(), panels=()))["vconcat"]
    assert len(only) == 1
    assert all(layer["encoding"]["x"]["axis"]["labels"] for layer in only[0]["layer"])
    assert _spec(plot(_bars(), panels="volume")) | {"datasets": 0} != _spec(plot(_bars(), panels=())) | {"datasets": 0}
    assert len(plot(_bars(), panels="volume").vconcat) == 2


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ([0.4, 0.5, 0.6, 0.5], "line"),
        ([-9.0, -9.1, -9.2, -9.1], "line"),
        ([0.1, 0.5, 0.9, 0.5], "rect"),
        ([-0.1, 0.2, 0.2, 0.2], "rect"),
        ([-3.0, -1.0, -2.0, -1.5], "rect"),
        ([7.0, 7.0, 7.0, 7.0], "rect"),
        ([None, None, None, None], "rect"),
        ([None, 0.5, float("nan"), 0.6], "line"),
    ],
)
def test_a_line_where_zero_is_far_off(values: list[float | None], mark: str) -> None:
    bars = _bars().with_columns(f=pl.Series(values, dtype=pl.Float64))
    assert _marks(_spec(plot(bars, panels="f"))["vconcat"][1]) == [mark]


def test_sums_are_bars_from_zero() -> None:
    bars = _bars(volume=[1000.0, 1001.0, 1002.0, 1003.0])
    view = _spec(plot(bars))["vconcat"][1]
    assert _marks(view) == ["rect"]
    assert view["encoding"]["y2"] == {"datum": 0}
    assert view["encoding"]["y"]["scale"]["zero"] is True


def test_axes_name_price_and_seconds() -> None:
    views = _spec(plot(_bars(duration_us=[1e6, 2e9, 3e9, 4e9]), panels=["duration_us", "volume"]))["vconcat"]
    assert {layer["encoding"]["y"]["title"] for layer in views[0]["layer"]} == {"price"}
    assert "1e6" in views[1]["encoding"]["y"]["axis"]["labelExpr"]
    assert "labelExpr" not in views[2]["encoding"]["y"]["axis"]


def test_what_is_no_number_is_left_out() -> None:
    values = [None, float("nan"), float("inf"), -1.5]
    rows = _candles(plot(_bars(f=values), panels="f"))
    assert [row["panel_0"] for row in rows] == [None, None, None, -1.5]


def test_bars_that_no_threshold_ended_are_hollow_and_marked() -> None:
    reasons = pl.Series(["threshold", "gap", "reset", "end"], dtype=REASON)
    chart = plot(_bars(close_reason=reasons))
    assert [row["reason"] for row in _candles(chart)] == [None, "gap", "reset", "end"]
    _, bodies, marks = _spec(chart)["vconcat"][0]["layer"]
    assert bodies["encoding"]["fillOpacity"]["condition"] == {"test": "datum.reason === null", "value": 1}
    assert marks["transform"] == [{"filter": "datum.reason !== null"}]
    assert marks["encoding"]["shape"]["scale"]["domain"] == ["reset", "gap", "end"]


@pytest.mark.parametrize("column", [[], ["close_reason"]])
def test_no_mark_where_there_is_nothing_to_mark(column: list[str]) -> None:
    assert _marks(_spec(plot(_bars().drop(column)))["vconcat"][0]) == ["rule", "rect"]


def test_many_bars_become_fewer_candles() -> None:
    reasons = pl.Series(["threshold"] * 4 + ["gap"] + ["threshold"] * 5, dtype=REASON)
    bars = _bars(10, ofi=[0.1 * row for row in range(10)], close_reason=reasons)
    chart = plot(bars, panels=["volume", "ofi"], max_bars=4)
    rows = _candles(chart)
    assert [(row["first"], row["last"]) for row in rows] == [(0, 2), (3, 5), (6, 8), (9, 9)]
    second = bars[3:6]
    assert rows[1]["open"] == second["open"][0]
    assert rows[1]["close"] == second["close"][-1]
    assert (rows[1]["high"], rows[1]["low"]) == (second["high"].max(), second["low"].min())
    assert rows[1]["panel_0"] == second["volume"].sum()
    assert rows[1]["panel_1"] == pytest.approx(second["ofi"].mean())
    assert [row["reason"] for row in rows] == [None, "gap", None, None]
    assert _spec(chart)["title"]["subtitle"] == "each candle is 3 bars"
    assert "subtitle" not in {k: v for k, v in _spec(plot(bars, max_bars=10))["title"].items() if v}


@pytest.mark.parametrize("rows", [1, 2, 999, 1000, 1001, 7_001])
def test_never_more_candles_than_asked_for(rows: int) -> None:
    drawn = _candles(plot(_bars(rows), max_bars=1000))
    assert len(drawn) <= 1000
    assert sum(row["last"] - row["first"] + 1 for row in drawn) == rows
    assert sum(row["panel_0"] for row in drawn) == _bars(rows)["volume"].sum()


def test_thousands_of_bars_need_no_transformer_of_altair() -> None:
    assert len(_candles(plot(_bars(8_000), max_bars=8_000))) == 8_000


def test_bars_are_drawn_by_close_time() -> None:
    assert _candles(plot(_bars().reverse())) == _candles(plot(_bars()))


def test_the_title_names_group_and_number() -> None:
    bars = _bars(symbol=["ADA"] * 4).with_columns(threshold_dbps=pl.lit(250, pl.UInt32))
    assert _spec(plot(bars))["title"]["text"] == "ADA, threshold_dbps 250, 4 bars"
    assert _spec(plot(_bars(1)))["title"]["text"] == "1 bar"
    assert _spec(plot(bars, title="My bars"))["title"]["text"] == "My bars"


def test_one_of_several_groups() -> None:
    bars = pl.concat([_bars(2, symbol=["ADA"] * 2), _bars(3, symbol=["XRP"] * 3)])
    assert len(_candles(plot(bars.lazy(), symbol="XRP"))) == 3
    assert len(_candles(plot(bars, symbol={"symbol": "ADA"}))) == 2


@pytest.mark.parametrize("symbol", [None, "DOGE", {"market": "spot"}, 7])
def test_a_wrong_choice_is_refused_in_the_words_of_to_backtesting(symbol: Any) -> None:
    bars = pl.concat([_bars(2, symbol=["ADA"] * 2), _bars(3, symbol=["XRP"] * 3)])
    with pytest.raises(RangeBarError) as other:
        to_backtesting(bars, symbol=symbol)
    with pytest.raises(RangeBarError) as error:
        plot(bars, symbol=symbol)
    assert str(error.value) == str(other.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": "tick"}, '`x` must be "bar" or "time", got \'tick\''),
        ({"theme": "blue"}, '`theme` must be "light", "dark" or None, got \'blue\''),
        ({"max_bars": 0}, "`max_bars` must be an integer of at least 1, got 0"),
        ({"max_bars": True}, "`max_bars` must be an integer of at least 1, got True"),
        ({"width": 49}, "`width` must be an integer of at least 50, got 49"),
        ({"height": 300.0}, "`height` must be an integer of at least 50, got 300.0"),
        ({"panels": ["volume", "volume"]}, "`panels` must name distinct columns, got ['volume', 'volume']"),
        ({"panels": "volum"}, "column `volum` not found (did you mean `volume`?)"),
        ({"panels": "close_reason"}, "column `close_reason` must be numeric, got Enum"),
    ],
)
def test_parameters_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RangeBarError) as error:
        plot(_bars(), **options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("change", "x", "message"),
    [
        (pl.col("high").cast(pl.String), "bar", "column `high` must be numeric, got String: cast it"),
        (
            pl.col("open_time").cast(pl.Int64),
            "time",
            'column `open_time` is Int64: give its unit with `time_unit="ms"`, `"us"` or `"ns"`',
        ),
        (
            pl.lit(None, pl.Float64).alias("low"),
            "bar",
            "column `low` must not be null or NaN, got None at bar 0: drop such bars, or fill them",
        ),
        (
            pl.lit(float("nan")).alias("open"),
            "bar",
            "column `open` must not be null or NaN, got nan at bar 0: drop such bars, or fill them",
        ),
        (
            pl.lit(None, pl.Datetime("us")).alias("open_time"),
            "time",
            "column `open_time` must not be null or NaN, got None at bar 0: drop such bars, or fill them",
        ),
    ],
)
def test_columns_are_checked(change: pl.Expr, x: Any, message: str) -> None:
    with pytest.raises(RangeBarError) as error:
        plot(_bars().with_columns(change), x=x)
    assert str(error.value) == message


@pytest.mark.parametrize("missing", ["close", "close_time", "volume"])
def test_a_missing_column_is_named(missing: str) -> None:
    with pytest.raises(RangeBarError, match=f"column `{missing}` not found"):
        plot(_bars().drop(missing))


def test_open_time_is_needed_only_for_times() -> None:
    rows = _candles(plot(_bars().drop("open_time")))
    assert rows[0]["opened"] == rows[0]["closed"]
    with pytest.raises(RangeBarError, match="column `open_time` not found"):
        plot(_bars().drop("open_time"), x="time")


def test_integer_times_do_for_bars_by_number() -> None:
    trades = sample_trades(3_000).with_columns(pl.col("timestamp").dt.timestamp("ms"))
    bars = trades.rangebar.bars(50, time_unit="ms")
    assert len(_candles(plot(bars))) == bars.height > 0


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("x", ["bar", "time"])
def test_integer_times_are_drawn_as_those_of_the_clock(unit: Any, x: Any) -> None:
    trades = sample_trades(3_000).with_columns(pl.col("timestamp").dt.cast_time_unit(unit))
    bars = trades.rangebar.bars(50, include_incomplete=True)
    integers = trades.with_columns(pl.col("timestamp").to_physical()).rangebar.bars(
        50, include_incomplete=True, time_unit=unit
    )
    assert integers.schema["close_time"] == pl.Int64
    assert _candles(plot(integers, x=x, time_unit=unit)) == _candles(plot(bars, x=x))
    assert len(_candles(plot(bars, x=x))) == bars.height > 5


def test_only_what_is_drawn_is_read(tmp_path: Path) -> None:
    files = write_sample_lake(tmp_path, rows=20_000, symbols=["A", "B"])
    files[0].write_bytes(b"not a Parquet file")
    lazy = pl.scan_parquet(tmp_path, schema=sample_trades(0).schema).rangebar.bars(50, by="symbol", intra=True)
    drawn = _candles(plot(lazy, symbol="B", panels=["ofi"]))
    eager = sample_trades(20_000, symbols=["A", "B"]).rangebar.bars(50, by="symbol")
    assert [row["panel_0"] for row in drawn] == eager.filter(symbol="B")["ofi"].to_list()
    assert {key for key in drawn[0] if key.startswith("panel")} == {"panel_0"}


@pytest.mark.parametrize("x", ["bar", "time"])
@pytest.mark.parametrize("theme", ["light", "dark", None])
@pytest.mark.parametrize(("rows", "width"), [(0, 800), (1, 60), (300, 1600)])
def test_it_renders(x: Any, theme: Any, rows: int, width: int) -> None:
    pytest.importorskip("vl_convert")
    bars = _bars(300, f=[0.5 + 0.001 * row for row in range(300)]).with_columns(
        close_reason=pl.when(pl.int_range(pl.len()) % 7 == 3).then(pl.lit("gap", REASON)).otherwise("close_reason")
    )
    image = io.StringIO()
    plot(bars.head(rows), x=x, theme=theme, panels=["volume", "f"], width=width).save(image, format="svg")
    drawn = image.getvalue()
    candles = drawn.count('aria-roledescription="rect mark"')
    assert candles >= rows
    assert ("#14171c" in drawn) == (theme == "dark")
    assert not re.search(r' (d|transform)="[^"]*NaN', drawn)


def test_two_charts_stand_side_by_side() -> None:
    both = plot(_bars(), theme=None) | plot(_bars(5), x="time", theme=None)
    assert len({param["name"] for param in _spec(both)["params"]}) == 2


def test_altair_is_an_extra() -> None:
    program = """
import sys
sys.modules["altair"] = None
import polars as pl
from rangebar_polars.plotting import plot
try:
    plot(pl.DataFrame())
except ModuleNotFoundError as error:
    print(error, error.name)
"""
    assert run_alone(program).strip() == 'plot() needs Altair: pip install "rangebar_polars[plot]" altair'


def test_importing_the_package_does_not_import_altair() -> None:
    program = "import sys, rangebar_polars.plotting; print('altair' in sys.modules)"
    assert run_alone(program).strip() == "False"
