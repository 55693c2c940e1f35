"""Contract of Renko bricks: what is accepted, what is refused and with which words, on every route."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import ENGINES, Engine, engines
from tests._streams import frame_of, with_value

if TYPE_CHECKING:
    from collections.abc import Callable

TRADES = frame_of([100.0, 101.5, 99.0, 103.0])
ROUTES: dict[str, Callable[..., pl.DataFrame]] = {
    "eager": lambda frame, **options: frame.rangebar.renko(**options),
    **{
        f"lazy-{engine}": lambda frame, e=engine, **options: frame.lazy().rangebar.renko(**options).collect(engine=e)
        for engine in ENGINES
    },
    **{
        f"expression-{engine}": lambda frame, e=engine, **options: (
            frame.lazy().select(rb.renko(**options)).unnest("bricks").collect(engine=e)
        )
        for engine in ENGINES
    },
}
TOO_MANY = (
    "`price` must not complete more than 100000 bricks in one trade, got 9000.00000000, with a brick of 0.01000000 "
    "from 101.50000000 on, at row 2; filter out such rows if the price is wrong, or use larger bricks"
)
every_route = pytest.mark.parametrize("route", ROUTES)


def told(route: str, frame: pl.DataFrame, **options: Any) -> str:
    with pytest.raises((rb.RangeBarError, pl.exceptions.ComputeError)) as caught:
        ROUTES[route](frame, **options)
    return str(caught.value)


# ------------------------------------------------------------------------------------------- parameters


@every_route
@pytest.mark.parametrize(
    ("size", "says"),
    [
        ({}, "`renko` takes either `points` or `dbps`, got None and None: renko(points=0.25) or renko(dbps=250)"),
        ({"points": 1, "dbps": 1}, "`renko` takes either `points` or `dbps`, got 1 and 1"),
        ({"points": 0}, "`points` must be a price distance above 0"),
        ({"points": -1.0}, "`points` must be a price distance above 0"),
        ({"points": float("nan")}, "`points` must be a price distance above 0"),
        ({"points": "1"}, "`points` must be a price distance above 0"),
        ({"points": True}, "`points` must be a price distance above 0"),
        ({"points": 1e-9}, "`points`"),
        ({"dbps": 0}, "`threshold_dbps` must be an integer in 1..100000"),
        ({"dbps": 100_001}, "`threshold_dbps` must be an integer in 1..100000"),
        ({"dbps": 2.5}, "`threshold_dbps` must be an integer in 1..100000"),
        ({"points": 1, "price_decimals": 19}, "`price_decimals`"),
        ({"points": 1, "time_unit": "s"}, "`time_unit`"),
        ({"points": 1, "max_step": "x"}, "`max_step`"),
        ({"points": 1, "time": 5}, "`time` must be"),
        ({"points": 1, "price": None}, "`price` must be"),
    ],
)
def test_parameters(route: str, size: dict[str, Any], says: str) -> None:
    assert says in told(route, TRADES, **size)


@every_route
def test_points_as_they_come(route: str) -> None:
    expected = TRADES.rangebar.renko(points=0.5)
    for points in (Decimal("0.5"), 0.5, 0.500000001):
        assert ROUTES[route](TRADES, points=points).equals(expected)
    assert ROUTES[route](TRADES, points=1).equals(TRADES.rangebar.renko(points=1.0))


# ----------------------------------------------------------------------------------------------- input


@every_route
@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32, pl.Decimal(20, 2), pl.Int64, pl.UInt16, pl.Int128])
def test_prices_of_every_dtype(route: str, dtype: Any) -> None:
    frame = TRADES.with_columns(price=pl.Series([100, 102, 99, 103], dtype=dtype))
    ends = ROUTES[route](frame, points=1)["close"].to_list()
    assert ends == [101.0, 102.0, 100.0, 99.0, 101.0, 102.0, 103.0]


@every_route
@pytest.mark.parametrize("dtype", [pl.Datetime("ms"), pl.Datetime("ns", "Asia/Tokyo"), pl.Datetime("us", "UTC")])
def test_times_keep_their_dtype(route: str, dtype: pl.DataType) -> None:
    frame = TRADES.with_columns(pl.col("timestamp").cast(dtype))
    bricks = ROUTES[route](frame, points=1)
    assert bricks.schema["time"] == dtype
    assert bricks["time"].to_list() == frame["timestamp"].gather(bricks["row"].cast(pl.UInt32)).to_list()


@every_route
@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("price", None, "`price` must not be null, got null at row 2; drop such rows, or fill them"),
        ("price", 0.0, "`price` must be finite and > 0, got 0.0 at row 2; filter out such rows"),
        ("price", float("nan"), "`price` must be finite and > 0, got NaN at row 2"),
        ("price", 1.5e-8, "`price` must not change by more than one part in 1000000 when rounded to 8 decimals"),
        ("price", 1e12, "`price` must be at most 92233720368.54775807"),
        ("price", 9_000.0, TOO_MANY),
        ("timestamp", None, "`timestamp` must not be null"),
        ("timestamp", -1, "`timestamp` must not go back"),
        ("timestamp", 2**61, "`timestamp` must not step forward by more than `max_step`"),
    ],
)  # fmt: skip
def test_rows(route: str, column: str, value: Any, says: str) -> None:
    text = told(route, with_value(TRADES, column, value, 2), points=0.01)
    assert says in text
    assert "row 2" in text


@every_route
def test_other_dtypes_and_missing_columns(route: str) -> None:
    assert "`price` must be Float64" in told(route, TRADES.with_columns(price=pl.lit("1")), points=1)
    assert "Datetime" in told(route, TRADES.with_columns(timestamp=pl.lit(1.5)), points=1)
    assert "give its unit" in told(route, TRADES.with_columns(timestamp=pl.int_range(4)), points=1)
    with pytest.raises((rb.RangeBarError, pl.exceptions.ColumnNotFoundError), match="price"):
        ROUTES[route](TRADES.drop("price"), points=1)


@every_route
def test_the_first_bad_row_is_told(route: str) -> None:
    """Whatever is wrong with it: too many bricks in a row, or a null in a later one."""
    frame = pl.DataFrame({"timestamp": range(3_000), "price": [100.0] * 3_000})
    frame = with_value(with_value(frame, "price", 9_000.0, 1_500), "price", None, 1_501)
    assert "at row 1500;" in told(route, frame, points=0.01, time_unit="ms")
    frame = with_value(frame, "price", None, 1_499)
    assert "null at row 1499;" in told(route, frame, points=0.01, time_unit="ms")


@every_route
def test_the_most_bricks_of_one_trade(route: str) -> None:
    frame = frame_of([100.0, 1_100.0])
    assert ROUTES[route](frame, points=0.01).height == 100_000
    hostile = frame_of([100.0, 9e10])
    assert "more than 100000 bricks" in told(route, hostile, points=1e-8)
    assert "with a brick of 0.00000001 from" in told(route, hostile, points=1e-8)


@every_route
def test_a_brick_without_size(route: str) -> None:
    says = (
        "`price` must be high enough for a brick to be at least 0.00000001 where the last one ended, got 0.00000100 "
        "with 100 dbps at row 0; set price_decimals=9, or use larger bricks"
    )
    assert says in told(route, frame_of([1e-6, 2e-6]), dbps=100)
    assert ROUTES[route](frame_of([1e-6, 1.002e-6]), dbps=100, price_decimals=9).height == 2


@every_route
def test_an_expression_holds_so_many_and_no_more(route: str) -> None:
    if "expression" not in route:
        return
    frame = frame_of([100.0, 100.001] * 45)
    text = told(route, frame, points=1e-8)
    assert "must not complete more than 8388608 bricks in an expression, which holds all of them" in text
    assert "`lf.rangebar.renko`, which streams them" in text


@engines
def test_streamed_they_may_be_more(engine: Engine) -> None:
    lazy = frame_of([100.0, 100.001] * 45).lazy().rangebar.renko(points=1e-8)
    assert lazy.select(pl.len()).collect(engine=engine).item() == 100_000 + 88 * 99_999


def test_keys() -> None:
    frame = TRADES.with_columns(symbol=pl.Series(["A", "B", "A", "B"]))
    with pytest.warns(rb.RangeBarWarning, match='`by="symbol"` keeps them apart'):
        frame.rangebar.renko(points=1)
    bricks = frame.rangebar.renko(points=1, by="symbol")
    assert bricks.select("symbol", "close", "row").rows() == [("A", 99.0, 1), ("B", 102.5, 1)]
    broken = with_value(frame, "price", -1.0, 3)
    with pytest.raises(rb.RangeBarError, match=r'got -1.0 at row 3 \(row 1 of symbol="B"\)'):
        broken.rangebar.renko(points=1, by="symbol")
    with pytest.raises(rb.RangeBarError, match=r'got -1.0 at row 1 of symbol="B"'):
        broken.lazy().rangebar.renko(points=1, by="symbol").filter(pl.col("symbol") == "B").collect()
    with pytest.raises(rb.RangeBarError, match="`close`"):
        TRADES.with_columns(close=1).rangebar.renko(points=1, by="close")


def test_a_plan_says_what_it_makes() -> None:
    assert "RENKO BRICKS" in TRADES.lazy().rangebar.renko(points=1).explain()
