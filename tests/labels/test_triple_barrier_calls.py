"""Contract layer, labels: what the triple barrier accepts, what it refuses, and with which words."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import Engine, engines

BARS = pl.DataFrame(
    {
        "open": [100.0, 100.0, 101.0],
        "high": [101.0, 102.0, 103.0],
        "low": [99.0, 99.0, 100.0],
        "close": [100.0, 101.0, 102.0],
        "open_time": [0, 11, 21],
        "close_time": [10, 20, 30],
    }
)
TIMES = pl.col("open_time", "close_time").cast(pl.Datetime("ms"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"take_profit": None, "stop_loss": None}, "`take_profit` and `stop_loss` are both None"),
        ({"max_bars": None}, "the third barrier is missing: give `max_bars`, `max_time` or both"),
        ({"max_bars": 0}, "`max_bars` must be an integer of at least 1, got 0"),
        ({"max_bars": 1.0}, "`max_bars` must be an integer of at least 1, got 1.0"),
        ({"max_bars": 2**32}, "`max_bars` must be at most 4294967295"),
        ({"max_time": "0s"}, "`max_time` must be longer than zero, got '0s'"),
        ({"max_time": dt.timedelta(0)}, "`max_time` must be longer than zero"),
        ({"max_time": "-1h"}, '`max_time` must be a duration such as .*, got "-1h", which is negative'),
        ({"max_time": "soon"}, "`max_time` must be a duration such as"),
        ({"max_time": 5}, "`max_time` must be a duration such as"),
        ({"take_profit": -0.1}, "`take_profit` must be a number of at least 0, a column name, .*, got -0.1"),
        ({"stop_loss": math.nan}, "`stop_loss` must be a number of at least 0, .*, got nan"),
        ({"stop_loss": True}, "`stop_loss` must be a number of at least 0, .*, got True"),
        ({"stop_loss": [0.1]}, "`stop_loss` must be a number of at least 0, .*, got"),
        ({"entry": "next"}, '`entry` must be "close" or "open", got \'next\''),
        ({"both": "profit"}, '`both` must be "stop" or "null", got \'profit\''),
        ({"time_unit": "s"}, '`time_unit` must be "ms", "us" or "ns"'),
        ({"close": 3}, "`close` must be a column name or an expression, got 3"),
        ({"close_time": None}, "`close_time` must be a column name or an expression, got None"),
    ],
)
def test_parameters_are_refused_before_the_query(options: dict[str, Any], text: str) -> None:
    given = {"take_profit": 0.1, "stop_loss": 0.1, "max_bars": 2, **options}
    with pytest.raises(rb.RangeBarError, match=text):
        rb.triple_barrier(**given)


@engines
@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        ({"high": pl.lit(None, pl.Float64)}, {}, "`high` of bars must be finite and > 0, got null at row 0"),
        ({"close": pl.col("close") - 101}, {}, "`close` of bars must be finite and > 0, got -1.0 at row 0"),
        ({"low": pl.lit(math.nan)}, {}, "`low` of bars must be finite and > 0, got NaN at row 0"),
        ({"open": pl.lit(math.inf)}, {}, "`open` of bars must be finite and > 0, got inf at row 0"),
        ({"high": "low", "low": "high"}, {}, "`low` of bars must not be above `high`, got 101.0 and 99.0 at row 0"),
        ({"close": pl.col("close").cast(pl.String)}, {}, "`close` of bars must be Float64, .*, got String"),
        (
            {"close_time": pl.col("close_time").reverse()},
            {},
            "`close_time` of bars must not go back, got 20 after 30 at row 1",
        ),
        ({"close_time": pl.lit(None, pl.Int64)}, {}, "`close_time` of bars must not be null, got null at row 0"),
        ({"close_time": pl.lit("noon")}, {}, "`close_time` must be Datetime, or Int64"),
        ({}, {"max_time": "5ms"}, '`close_time` is Int64: give its unit with `time_unit="ms"`'),
        (
            {"d": -pl.col("close")},
            {"stop_loss": "d"},
            "`stop_loss` must be at least 0, got -100 at row 0: it is a distance",
        ),
        ({"d": pl.lit(math.nan)}, {"stop_loss": "d"}, "`stop_loss` must be at least 0, got NaN at row 0"),
        ({"d": pl.lit("wide")}, {"stop_loss": "d"}, "`d` of bars must be Float64, .*, got String"),
        ({"high_time": "close_time"}, {}, "`high_time` and `low_time` come together: .* `high_time` but no `low_time`"),
        ({"low_time": "close_time"}, {}, "`high_time` and `low_time` come together: .* `low_time` but no `high_time`"),
        (
            {"high_time": pl.col("close_time").cast(pl.Datetime("ms")), "low_time": "open_time"},
            {},
            "`high_time` of bars must have the dtype of their close times, Int64, got Datetime",
        ),
        (
            {"open_time": pl.col("open_time").reverse()},
            {"max_time": "5ms", "time_unit": "ms", "entry": "open"},
            "`open_time` of bars must not go back, got 11 after 21 at row 1",
        ),
    ],
)
def test_bars_are_refused_with_their_place(
    engine: Engine, change: dict[str, Any], options: dict[str, Any], text: str
) -> None:
    given = {"take_profit": 0.1, "stop_loss": 0.1, "max_bars": 2, **options}
    with pytest.raises(pl.exceptions.ComputeError, match=text):
        BARS.lazy().with_columns(**change).select(rb.triple_barrier(**given)).collect(engine=engine)


def test_dtypes_are_refused_when_the_query_is_planned() -> None:
    wrong = BARS.lazy().with_columns(pl.col("close").cast(pl.String))
    with pytest.raises(pl.exceptions.ComputeError, match="`close` of bars must be Float64"):
        wrong.select(rb.triple_barrier(0.1, 0.1, max_bars=2)).collect_schema()


def test_a_missing_column_is_an_error_of_polars() -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        BARS.drop("high").select(rb.triple_barrier(0.1, 0.1, max_bars=2))
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        BARS.drop("open_time").select(rb.triple_barrier(0.1, 0.1, max_time="1s", time_unit="ms", entry="open"))
    BARS.drop("open_time").select(rb.triple_barrier(0.1, 0.1, max_bars=1, entry="open"))


def test_columns_of_other_names_and_expressions() -> None:
    renamed = BARS.rename(lambda name: name[::-1])
    names = {name: name[::-1] for name in ("open", "high", "low", "close", "close_time")}
    expected = BARS.select(rb.triple_barrier(0.01, 0.01, max_bars=2))
    assert renamed.select(rb.triple_barrier(0.01, 0.01, max_bars=2, **names)).equals(expected)
    columns = {name: pl.col(other) for name, other in names.items()}
    assert renamed.select(rb.triple_barrier(pl.lit(0.01), pl.lit(0.01), max_bars=2, **columns)).equals(expected)


@pytest.mark.parametrize("dtype", [pl.Datetime("ms"), pl.Datetime("us", "UTC"), pl.Datetime("ns", "Asia/Tokyo")])
def test_the_exit_has_the_dtype_of_the_close_time(dtype: pl.DataType) -> None:
    bars = BARS.with_columns(pl.col("open_time", "close_time").cast(dtype))
    for options in ({"max_bars": 2}, {"max_time": "1h"}, {"max_time": dt.timedelta(hours=1), "entry": "open"}):
        label = bars.select(rb.triple_barrier(0.01, 0.01, **options)).to_series()
        assert label.struct.schema["exit_time"] == dtype
        assert (
            bars.lazy().select(rb.triple_barrier(0.01, 0.01, **options)).collect_schema()["triple_barrier"]
            == label.dtype
        )


def test_a_unit_beside_a_datetime_is_refused() -> None:
    with pytest.raises(pl.exceptions.ComputeError, match="`time_unit` is only for Int64 times"):
        BARS.with_columns(TIMES).select(rb.triple_barrier(0.1, 0.1, max_bars=2, time_unit="ms"))


def test_groups_without_over_that_go_back_are_refused() -> None:
    two = pl.concat([BARS, BARS]).with_columns(symbol=pl.Series(list("AAABBB")))
    label = rb.triple_barrier(0.1, 0.1, max_bars=2)
    with pytest.raises(pl.exceptions.ComputeError, match=r"keep groups apart, as with `.over\(\"symbol\"\)`"):
        two.select(label)
    assert two.select(label.over("symbol")).height == 6
