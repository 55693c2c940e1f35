"""Contract of order books: what is accepted, what is refused and with which words, on every route."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import ENGINES, assert_same_bars

if TYPE_CHECKING:
    from collections.abc import Callable

UPDATES = pl.DataFrame(
    {
        "timestamp": pl.Series([1, 1, 2, 3, 3], dtype=pl.Int64).cast(pl.Datetime("ms")),
        "is_bid": [True, False, True, False, True],
        "price": [10.0, 11.0, 9.0, 12.0, 10.0],
        "quantity": [1.0, 2.0, 3.0, 4.0, 0.0],
    }
)
IDS = UPDATES.with_columns(first_update_id=pl.Series([1, 1, 2, 5, 5]), last_update_id=pl.Series([1, 1, 4, 6, 6]))
ROUTES: dict[str, Callable[..., pl.DataFrame]] = {
    "eager": lambda frame, **options: frame.rangebar.book(**options),
    **{
        f"lazy-{engine}": lambda frame, e=engine, **options: frame.lazy().rangebar.book(**options).collect(engine=e)
        for engine in ENGINES
    },
    **{
        f"expression-{engine}": lambda frame, e=engine, **options: (
            frame.lazy().select(rb.book(**options)).unnest("book").collect(engine=e)
        )
        for engine in ENGINES
    },
}
every_route = pytest.mark.parametrize("route", ROUTES)


def told(route: str, frame: pl.DataFrame, **options: Any) -> str:
    with pytest.raises((rb.RangeBarError, pl.exceptions.ComputeError)) as caught:
        ROUTES[route](frame, **options)
    return str(caught.value)


def with_cell(frame: pl.DataFrame, column: str, value: Any, row: int) -> pl.DataFrame:
    series = frame[column].to_list()
    series[row] = value
    return frame.with_columns(pl.Series(column, series, dtype=frame.schema[column]))


# --------------------------------------------------------------------------------------------- parameters


@every_route
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"depth": 0}, "`depth` must be an integer in 1..1000, got 0"),
        ({"depth": 1_001}, "`depth` must be an integer in 1..1000, got 1001"),
        ({"depth": True}, "`depth` must be an integer in 1..1000, got True"),
        ({"depth": 2.0}, "`depth` must be an integer in 1..1000, got 2.0"),
        ({"max_levels": 0}, "`max_levels` must be an integer of at least `depth`, or None to keep all levels, got 0"),
        ({"max_levels": 9}, "`max_levels` must be at least `depth`, which is 10, or None to keep all levels, got 9"),
        ({"sample": "often"}, '`sample` must be "event", "change", or a duration such as "100ms", "1s" or "1mo"'),
        ({"sample": "0s"}, "which is zero"),
        ({"sample": "-1s"}, "which is negative"),
        ({"sample": "10i"}, "which counts rows"),
        ({"sample": 100}, '`sample` must be "event", "change", or a duration such as "100ms", or a timedelta, got 100'),
        ({"features": ["mids"]}, "there is no feature `mids` of a book; the features are bid, ask, bid_size"),
        ({"features": ["mid", "mid"]}, "`features` must not contain `mid` twice"),
        ({"features": "mid"}, "`features` takes a list of names"),
        ({"features": ["buy_cost"]}, "`buy_cost` needs `cost_of`: the quantities that are traded at once"),
        ({"cost_of": 1e-9}, "`cost_of` must be quantities from 0.00000001 to 92233720368.54775807, got 1e-9"),
        ({"cost_of": 0}, "`cost_of` must be quantities above 0, got 0"),
        ({"cost_of": [1, 1.0]}, "`cost_of` must not contain 1.0 twice"),
        ({"cost_of": float("nan")}, "`cost_of` must be quantities above 0, got nan"),
        ({"cost_of": 10**400}, "`cost_of` must be"),
        ({"cost_of": "1"}, "`cost_of` must be a quantity or a list of quantities, got '1'"),
        ({"cost_of": [True]}, "`cost_of` must be a quantity or a list of quantities"),
        ({"crossed": "drop"}, '`crossed` must be "keep", "repair" or "error"'),
        ({"holes": None}, '`holes` must be "invalid", "keep" or "error"'),
        ({"needs_snapshot": 1}, "`needs_snapshot` must be True, False or None, got 1"),
        ({"needs_snapshot": True}, "the updates have no column `is_snapshot`: name the column with `is_snapshot=`"),
        ({"quantity_decimals": 19}, "`quantity_decimals` must be an integer in 0..18, got 19"),
        ({"price_decimals": -1}, "`price_decimals` must be an integer in 0..18, got -1"),
        ({"max_step": "x"}, "`max_step`"),
        ({"time_unit": "s"}, "`time_unit`"),
        ({"time": 5}, "must be a column name"),
        ({"price": None}, "must be a column name"),
    ],
)
def test_parameters(route: str, options: dict[str, Any], says: str) -> None:
    assert says in told(route, UPDATES, **options)


@every_route
def test_parameters_as_they_come(route: str) -> None:
    by_text = ROUTES[route](UPDATES, depth=2, sample="1s", cost_of=[1])
    same = ROUTES[route](UPDATES, depth=2, sample=dt.timedelta(seconds=1), cost_of=Decimal(1))
    assert_same_bars(by_text, same)
    names = ROUTES[route](UPDATES, depth=6, features=["book_imbalance", "buy_cost"], cost_of=[0.25, 10]).columns
    assert names[5:] == ["book_imbalance_1", "book_imbalance_5", "book_imbalance_6", "buy_cost_0.25", "buy_cost_10"]
    few = ROUTES[route](UPDATES, depth=1, features=["book_imbalance", "levels", "quote_ofi"]).columns
    assert few[5:] == ["book_imbalance_1", "bid_1", "bid_size_1", "ask_1", "ask_size_1", "quote_ofi_1"]
    limited = ROUTES[route](UPDATES, depth=1, max_levels=1, features=["bid"])
    assert limited.columns == ["time", "is_valid", "is_crossed", "update_count", "hole_count", "dropped_count", "bid"]
    assert limited.select("dropped_count", "bid").rows() == [(0, 10.0), (1, 10.0), (1, None)]
    assert ROUTES[route](UPDATES, features=[]).columns == [
        "time", "is_valid", "is_crossed", "update_count", "hole_count"
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------- input


@every_route
@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32, pl.Decimal(20, 2), pl.Int64, pl.UInt8, pl.Int128, pl.UInt64])
def test_numbers_of_every_dtype(route: str, dtype: Any) -> None:
    frame = UPDATES.with_columns(pl.col("price", "quantity").cast(dtype))
    assert_same_bars(ROUTES[route](frame), ROUTES[route](UPDATES))


@every_route
@pytest.mark.parametrize("dtype", [pl.Datetime("ms"), pl.Datetime("ns", "Asia/Tokyo"), pl.Datetime("us", "UTC")])
def test_times_keep_their_dtype(route: str, dtype: pl.DataType) -> None:
    frame = UPDATES.with_columns(pl.col("timestamp").cast(dtype))
    books = ROUTES[route](frame, features=[])
    assert books["time"].to_list() == frame["timestamp"].unique(maintain_order=True).to_list()
    assert books.schema["time"] == dtype
    integers = frame.with_columns(pl.col("timestamp").to_physical())
    unit = dtype.time_unit  # type: ignore[attr-defined]
    assert ROUTES[route](integers, time_unit=unit)["time"].to_list() == books["time"].to_physical().to_list()


@every_route
@pytest.mark.parametrize(
    ("words", "dtype"),
    [
        (("bid", "ask"), pl.String),
        (("b", "a"), pl.Categorical),
        (("BUY", "Sell"), pl.String),
        (("B", "S"), pl.Enum(["S", "B"])),
    ],
)
def test_sides_of_every_kind(route: str, words: tuple[str, str], dtype: Any) -> None:
    side = pl.when("is_bid").then(pl.lit(words[0])).otherwise(pl.lit(words[1])).cast(dtype)
    assert_same_bars(ROUTES[route](UPDATES.select("timestamp", "price", "quantity", side=side), is_bid="side"),
                     ROUTES[route](UPDATES))  # fmt: skip


@every_route
@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("price", None, "`price` must not be null, got null at row 2; drop such rows, or fill them"),
        ("price", 0.0, "`price` must be finite and > 0, got 0.0 at row 2; filter out such rows"),
        ("price", float("nan"), "`price` must be finite and > 0, got NaN at row 2"),
        ("price", 1.5e-8, "`price` must not change by more than one part in 1000000 when rounded to 8 decimals"),
        ("price", 1e12, "`price` must be at most 92233720368.54775807"),
        ("quantity", None, "`quantity` must not be null, got null at row 2"),
        ("quantity", -1.0, "`quantity` must be finite and >= 0, got -1.0 at row 2; filter out such rows"),
        ("quantity", float("nan"), "`quantity` must be finite and >= 0, got NaN at row 2"),
        ("quantity", float("inf"), "`quantity` must be finite and >= 0, got inf at row 2"),
        ("quantity", 1e-9, "got 1e-9 (rounded: 0.00000000) at row 2; set quantity_decimals=9"),
        ("quantity", 1e12, "got 1000000000000.0 at row 2; set quantity_decimals=6"),
        ("is_bid", None, "`is_bid` must not be null, got null at row 2; drop such rows, or fill them"),
        ("timestamp", None, "`timestamp` must not be null, got null at row 2"),
        ("timestamp", dt.datetime(1969, 1, 1), "`timestamp` must not go back, got 1969-01-01 00:00:00 after 1970"),  # noqa: DTZ001
        ("timestamp", dt.datetime(2069, 1, 1), "`timestamp` must not step forward by more than `max_step`"),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_rows(route: str, column: str, value: Any, says: str) -> None:
    text = told(route, with_cell(UPDATES, column, value, 2))
    assert says in text
    assert "at row 2" in text
    broken_later = with_cell(with_cell(UPDATES, column, value, 2), "price", -1.0, 4)
    assert says in told(route, broken_later)


@every_route
def test_rows_that_quantity_decimals_help(route: str) -> None:
    assert ROUTES[route](with_cell(UPDATES, "quantity", 1e12, 2), quantity_decimals=6)["bid_size_2"][1] == 1e12
    assert ROUTES[route](with_cell(UPDATES, "quantity", 1e-9, 2), quantity_decimals=9)["bid_size_2"][1] == 1e-9


@every_route
def test_an_unknown_side(route: str) -> None:
    frame = UPDATES.with_columns(is_bid=pl.Series(["bid", "ask", "both", "ask", "bid"]))
    says = '`is_bid` must be "bid" or "ask" (or b, a, buy, sell), got "both" at row 2; make it Boolean, true for bids'
    assert says in told(route, frame)
    assert "`is_bid` must not be null, got null at row 2" in told(route, with_cell(frame, "is_bid", None, 2))
    frame = UPDATES.with_columns(pl.col("is_bid").cast(pl.Int8))
    assert "`is_bid` must be Boolean, true for bids, or text" in told(route, frame)


@every_route
def test_other_dtypes_and_missing_columns(route: str) -> None:
    assert "`price` must be Float64" in told(route, UPDATES.with_columns(price=pl.lit("1")))
    assert "Datetime" in told(route, UPDATES.with_columns(timestamp=pl.lit(1.5)))
    assert "give its unit" in told(route, UPDATES.with_columns(pl.col("timestamp").to_physical()))
    assert "`batch` must be an integer" in told(route, UPDATES.with_columns(batch=pl.lit(1.5)), batch="batch")
    assert "`is_snapshot` must be Boolean" in told(route, UPDATES.with_columns(is_snapshot=1))
    nulls = UPDATES.with_columns(is_snapshot=pl.lit(None, dtype=pl.Boolean))
    assert "`is_snapshot` must not be null, got null at row 0" in told(route, nulls)
    for column in UPDATES.columns:
        with pytest.raises((rb.RangeBarError, pl.exceptions.ColumnNotFoundError), match=column):
            ROUTES[route](UPDATES.drop(column))
    alone = IDS.drop("first_update_id")
    assert "the updates have the last id alone; name the others" in told(route, alone)
    assert ROUTES[route](alone, last_update_id=None).height == 3
    assert "the updates have no last id" in told(route, IDS.drop("last_update_id"))
    nulls = IDS.with_columns(last_update_id=pl.lit(None))
    assert "`last_update_id` must be an integer, got Null" in told(route, nulls)


@every_route
def test_ids(route: str) -> None:
    assert ROUTES[route](IDS)["hole_count"].to_list() == [0, 0, 0]
    holes = with_cell(IDS, "first_update_id", 3, 2)
    books = ROUTES[route](holes)
    assert books["is_valid"].to_list() == [True, False, False]
    assert books["bid_depth"].to_list() == [1.0, None, None]
    text = told(route, holes, holes="error")
    says = (
        "`first_update_id` must follow the message before, got 3 where the last id was 1 at row 2: messages are missing"
        '; begin anew from a snapshot, or holes="invalid" makes the book null until the next one'
    )
    assert says in text
    back = with_cell(with_cell(IDS, "last_update_id", 1, 3), "last_update_id", 1, 4)
    assert "`last_update_id` must be at least the first id of its message, got 1 with first id 5 at row 3" in told(
        route, back
    )
    back = back.with_columns(pl.col("first_update_id").clip(upper_bound=1))
    assert "`last_update_id` must rise from message to message, got 1 after 4 at row 3; drop repeated" in told(
        route, back
    )
    times = with_cell(IDS, "timestamp", dt.datetime(1970, 1, 1, 0, 0, 0, 1_000), 1).with_columns(  # noqa: DTZ001
        timestamp=pl.Series([0, 1, 2, 3, 3], dtype=pl.Int64).cast(pl.Datetime("ms"))
    )
    text = told(route, times)
    assert "`timestamp` must be the same for all rows of an event, got 1970-01-01 00:00:00.001 after 1970-01-01" in text
    previous = IDS.with_columns(previous_update_id=pl.Series([0, 0, 1, 3, 3]))
    assert ROUTES[route](previous)["hole_count"].to_list() == [0, 0, 1]
    large = IDS.with_columns(pl.col("first_update_id", "last_update_id").cast(pl.UInt64) + 2**63)
    assert "must fit a signed 64-bit integer" in told(route, large)


@every_route
def test_crossed_books(route: str) -> None:
    frame = with_cell(UPDATES, "price", 11.0, 2)
    assert ROUTES[route](frame)["is_crossed"].to_list() == [False, True, True]
    text = told(route, frame, crossed="error")
    says = (
        "`price` must leave the best bid below the best ask, got 11.00000000 and 11.00000000 (1970-01-01 00:00:00.002)"
        ' at row 2; crossed="repair" drops the older levels, crossed="keep" tells in `is_crossed`'
    )
    assert says in text
    repaired = ROUTES[route](frame, crossed="repair")
    assert repaired["is_crossed"].to_list() == [False, True, False]
    assert repaired.select("bid", "ask").rows() == [(10.0, 11.0), (11.0, None), (11.0, 12.0)]


@every_route
def test_no_rows(route: str) -> None:
    whole = ROUTES[route](UPDATES)
    empty = ROUTES[route](UPDATES.clear())
    assert empty.schema == whole.schema
    assert empty.is_empty()


def test_keys() -> None:
    frame = UPDATES.with_columns(symbol=pl.Series(["A", "B", "A", "B", "A"]))
    with pytest.warns(rb.RangeBarWarning, match='their updates go into the same book; `by="symbol"` keeps them apart'):
        frame.rangebar.book()
    books = frame.rangebar.book(by="symbol", features=["bid", "ask"])
    assert books.select("symbol", pl.col("time").to_physical(), "bid", "ask").rows() == [
        ("A", 1, 10.0, None), ("B", 1, None, 11.0), ("A", 2, 10.0, None), ("A", 3, 9.0, None), ("B", 3, None, 11.0)
    ]  # fmt: skip
    broken = with_cell(frame, "price", -1.0, 3)
    with pytest.raises(rb.RangeBarError, match=r'got -1.0 at row 3 \(row 1 of symbol="B"\)'):
        broken.rangebar.book(by="symbol")
    with pytest.raises(rb.RangeBarError, match=r'got -1.0 at row 1 of symbol="B"'):
        broken.lazy().rangebar.book(by="symbol").filter(pl.col("symbol") == "B").collect()
    crossed = with_cell(with_cell(frame, "price", 11.5, 3), "is_bid", True, 3)
    with pytest.raises(rb.RangeBarError, match=r'00.003\) at row 1 of symbol="B"; crossed'):
        crossed.rangebar.book(by="symbol", crossed="error")
    null = with_cell(frame, "symbol", None, 3)
    assert null.rangebar.book(by="symbol", features=[])["symbol"].to_list() == ["A", "A", "A", "B", None]
    with pytest.raises(rb.RangeBarError, match="`mid`"):
        UPDATES.with_columns(mid=1).rangebar.book(by="mid")
    with pytest.raises(rb.RangeBarError, match=r"column `side` not found.*name the column with `is_bid=`"):
        UPDATES.rangebar.book(is_bid="side")


def test_a_long_pause_comes_out_in_parts() -> None:
    """Equal distances over a day without updates are 864,000 rows, of which no frame has more than 65,536."""
    times = pl.Series([0, 1, 86_400_000], dtype=pl.Int64)
    frame = UPDATES.head(3).with_columns(timestamp=times.cast(pl.Datetime("ms")))
    lazy = frame.lazy().rangebar.book(1, sample="100ms", features=["bid"])
    sizes = [batch.height for batch in lazy.collect_batches(maintain_order=True, lazy=True)]
    assert sum(sizes) == 864_001
    whole = lazy.collect()
    assert whole.height == 864_001
    assert whole["bid"].n_unique() == 1
    assert lazy.head(5).collect().height == 5
    with pytest.raises(pl.exceptions.ComputeError, match="must not give more than 8388608 rows in an expression"):
        frame.select(rb.book(1, sample="10ms"))


def test_a_plan_says_what_it_makes() -> None:
    assert "ORDER BOOKS" in UPDATES.lazy().rangebar.book().explain()


def test_over_symbols() -> None:
    frame = UPDATES.with_columns(symbol=pl.Series(["A", "B", "A", "B", "A"]))
    book = rb.book(1, features=["bid"]).over("symbol", mapping_strategy="explode")
    assert frame.select(book).unnest("book")["bid"].to_list() == [10.0, 10.0, 9.0, None, None]
