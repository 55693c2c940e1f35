"""Oracle layer for the sides of trades: against a slow loop over fractions, on every engine, in any cut; bars."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from rangebar_polars.trade_side import lee_ready, quote_rule, tick_rule
from tests._routes import ENGINES, Engine, assert_same_bars, engines
from tests._streams import CUTS, cut

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RULES: dict[str, Any] = {"tick_rule": tick_rule, "quote_rule": quote_rule, "lee_ready": lee_ready}
rules = pytest.mark.parametrize("rule", RULES)
NO_PRICE = (None, math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0)

# ------------------------------------------------------------------------------------------ the oracle


def exact(x: float | None) -> Fraction | None:
    """The decimal that a double stands for, if it is a price."""
    return Fraction(Decimal(repr(x))) if x is not None and math.isfinite(x) and x > 0 else None


def slow(rule: str, rows: Sequence[tuple[float | None, float | None, float | None]]) -> list[bool | None]:
    """The sides of trades (price, bid, ask), one after the other."""
    last: Fraction | None = None
    tick: bool | None = None
    sides: list[bool | None] = []
    for row in rows:
        price, bid, ask = map(exact, row)
        if price is not None:
            if last is not None and price != last:
                tick = price < last
            last = price
        by_quote = None
        if price is not None and bid is not None and ask is not None and bid <= ask and price != (bid + ask) / 2:
            by_quote = price < (bid + ask) / 2
        by_tick = tick if price is not None else None
        found = {"tick_rule": by_tick, "quote_rule": by_quote}
        sides.append(found.get(rule, by_tick if by_quote is None else by_quote))
    return sides


@st.composite
def quoted(draw: st.DrawFn, *, broken: bool = True) -> pl.DataFrame:
    """Trades with quotes: prices of a few ticks or half ticks, of any size up to 14 digits, some of them none."""
    unit, digits = draw(st.sampled_from(((1, 0), (5, 1), (5, 3), (25, 4), (5, 8), (1, 12))))
    base = draw(st.integers(10, 10 ** draw(st.integers(2, 13))))

    def price() -> float | None:
        if broken and draw(st.integers(0, 9)) == 0:
            return draw(st.sampled_from(NO_PRICE))
        raw = (base + draw(st.integers(-4, 4))) * unit
        return float(Decimal(raw).scaleb(-digits))

    rows = [(price(), price(), price()) for _ in range(draw(st.integers(0, 30)))]
    return pl.DataFrame(rows, schema=dict.fromkeys(("price", "bid", "ask"), pl.Float64), orient="row")


@rules
@given(frame=quoted())
def test_every_side(rule: str, frame: pl.DataFrame) -> None:
    sides = frame.select(RULES[rule]()).to_series()
    assert sides.name == "is_buyer_maker"
    assert sides.dtype == pl.Boolean
    assert sides.to_list() == slow(rule, frame.rows())


@engines
@rules
@given(frame=quoted(), where=CUTS)
def test_in_any_chunks(engine: Engine, rule: str, frame: pl.DataFrame, where: list[float]) -> None:
    chunks = pl.concat(cut(frame, where), rechunk=False)
    got = chunks.lazy().select("price", RULES[rule]()).collect(engine=engine)["is_buyer_maker"]
    assert got.to_list() == slow(rule, frame.rows())


@pytest.mark.parametrize("rows", [1, 7])
@rules
def test_in_small_morsels(rule: str, rows: int) -> None:
    @given(frame=quoted())
    def same(frame: pl.DataFrame) -> None:
        got = frame.lazy().with_columns(RULES[rule]()).collect(engine="streaming")["is_buyer_maker"]
        assert got.to_list() == slow(rule, frame.rows())

    with pl.Config():
        pl.Config.set_streaming_chunk_size(rows)
        same()


@engines
@rules
@given(frames=st.lists(quoted(), min_size=2, max_size=3), data=st.data())
def test_over_groups(engine: Engine, rule: str, frames: list[pl.DataFrame], data: st.DataObject) -> None:
    """Interleaved symbols, each with its own prices before."""
    own = [frame.with_columns(symbol=pl.lit(str(i)), side=pl.Series(slow(rule, frame.rows()), dtype=pl.Boolean))
           for i, frame in enumerate(frames)]  # fmt: skip
    whole = pl.concat(own)
    place = data.draw(st.lists(st.integers(0, 9), min_size=whole.height, max_size=whole.height))
    mixed = whole.with_columns(place=pl.Series(place, dtype=pl.Int64)).sort(
        pl.col("place").cum_max().over("symbol"), maintain_order=True
    )
    got = mixed.lazy().with_columns(RULES[rule]().over("symbol")).collect(engine=engine)
    assert got["is_buyer_maker"].to_list() == mixed["side"].to_list()
    grouped = mixed.lazy().group_by("symbol", maintain_order=True).agg("side", RULES[rule]()).collect(engine=engine)
    assert grouped["is_buyer_maker"].to_list() == grouped["side"].to_list()


# --------------------------------------------------------------------------------------------- by hand

BY_HAND = [
    # price, bid, ask; by ticks, by quotes, by both
    ((10.00, 10.00, 10.02), (None, True, True)),
    ((10.01, 10.00, 10.02), (False, None, False)),  # at the mid, an uptick
    ((10.01, 10.01, 10.02), (False, True, True)),  # a zero uptick, at the bid
    ((10.00, 9.99, 10.01), (True, None, True)),  # a downtick
    ((10.00, 9.98, 10.01), (True, False, False)),  # a zero downtick, nearer the ask
    ((10.05, 10.05, 10.05), (False, None, False)),  # locked, at its price
    ((10.05, 10.06, 10.06), (False, True, True)),  # locked, below it
    ((10.04, 10.06, 10.05), (True, None, True)),  # crossed
    ((10.04, None, 10.05), (True, None, True)),
    ((10.04, 10.03, 0.0), (True, None, True)),
    ((None, 10.03, 10.04), (None, None, None)),
    ((10.04, 10.05, 10.06), (True, True, True)),  # compared with the price before the null
    ((10.085, 10.07, 10.10), (False, None, False)),  # 20.17 and 10.07 + 10.10 are two doubles
]


@engines
def test_sides_by_hand(engine: Engine) -> None:
    frame = pl.DataFrame([row for row, _ in BY_HAND], schema=["price", "bid", "ask"], orient="row")
    sides = frame.lazy().select(rule().alias(name) for name, rule in RULES.items()).collect(engine=engine)
    assert sides.rows() == [(tick, quote, both) for _, (tick, quote, both) in BY_HAND]


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Decimal(12, 2), pl.Int32, pl.UInt64, pl.Int128])
def test_prices_of_every_dtype(dtype: Any) -> None:
    frame = pl.DataFrame({"price": [10, 11, 11, 10, 12], "bid": [9, 11, 10, 9, 11], "ask": [11, 12, 12, 12, 12]})
    for rule in RULES.values():
        assert frame.cast(dtype).select(rule()).equals(frame.select(rule()))


@pytest.mark.parametrize("column", [pl.lit("1"), pl.lit(0).cast(pl.Datetime), pl.lit(0).cast(pl.Date)])
def test_no_price(column: pl.Expr) -> None:
    frame = pl.DataFrame({"price": [1.0]}).with_columns(price=column)
    with pytest.raises(pl.exceptions.PolarsError):
        frame.select(tick_rule())


def test_names_of_other_parts() -> None:
    for wrong in (lambda: tick_rule("bid"), lambda: quote_rule("price", "ask", "bid"), lambda: lee_ready("bid_size")):
        with pytest.raises(rb.RangeBarError, match="its name suggests another part"):
            wrong()
    with pytest.raises(rb.RangeBarError, match="`price` must be a column name or an expression, got 5"):
        RULES["tick_rule"](5)
    frame = pl.DataFrame({"px": [1.0, 2.0], "nbb": [1.0, 1.0], "nbo": [2.0, 2.0]})
    assert frame.select(lee_ready("px", "nbb", "nbo")).to_series().to_list() == [True, False]
    assert frame.select(tick_rule(pl.col("px") * 2)).to_series().to_list() == [None, False]


# ------------------------------------------------------------------------------------------------ bars


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trades in many row groups, without a side."""
    trades = rb.datasets.sample_trades(60_000, symbols=["A"]).drop("is_buyer_maker", "symbol")
    quotes = trades.with_columns(bid=pl.col("price") - 0.02, ask=pl.col("price").shift(1, fill_value=1.0) + 0.05)
    path = tmp_path_factory.mktemp("sides") / "trades.parquet"
    quotes.with_columns(pl.col("bid", "ask").round(2)).write_parquet(path, row_group_size=500)
    return path


@engines
@pytest.mark.parametrize("rule", ["tick_rule", "lee_ready"])
def test_bars_are_those_of_a_column(file: Path, engine: Engine, rule: str) -> None:
    """Whether the sides are computed as the bars are, or before."""
    side = RULES[rule]()
    whole = pl.read_parquet(file).with_columns(side)
    assert whole["is_buyer_maker"].to_list() == slow(rule, whole.select("price", "bid", "ask").rows())
    for bar in (100, rb.Imbalance(50)):
        options: dict[str, Any] = {"missing_side": "null"} if bar == 100 else {}
        taken = pl.lit(value=True) if options else pl.col("is_buyer_maker").is_not_null()
        expected = whole.filter(taken).rangebar.bars(bar, **options)
        assert expected.height > 40
        streamed = pl.scan_parquet(file).with_columns(side).filter(taken)
        assert_same_bars(streamed.rangebar.bars(bar, **options).collect(engine=engine), expected)


def test_nothing_is_gathered(file: Path) -> None:
    """The plan has nothing that Polars computes in memory, but for what is as long as a batch."""
    for side in (tick_rule(), lee_ready()):
        plan = pl.scan_parquet(file).with_columns(side).show_graph(
            engine="streaming", plan_stage="physical", raw_output=True
        )  # fmt: skip
        assert plan is not None
        assert "forward_fill" in plan
        assert not any(node in plan for node in ("in-memory-map", "columnar-function", "window["))


@pytest.mark.parametrize("engine", ENGINES)
def test_sides_of_joined_quotes(engine: Engine) -> None:
    """The quote before, or the one of the same time; and quotes some time later, where trades are told late."""
    quotes = pl.LazyFrame({"timestamp": [0, 2_000, 9_000], "bid": [10.0, 12.0, 14.0], "ask": [11.0, 13.0, 15.0]})
    trades = pl.LazyFrame({"timestamp": [1_000, 2_000, 3_000, 8_000], "price": [11.0, 11.5, 12.0, 12.9]})
    both = [frame.cast({"timestamp": pl.Datetime("ms")}) for frame in (trades, quotes)]

    def sides(quotes: pl.LazyFrame, **options: Any) -> list[bool | None]:
        joined = both[0].join_asof(quotes, on="timestamp", **options)
        return joined.select(quote_rule()).collect(engine=engine)["is_buyer_maker"].to_list()

    assert sides(both[1]) == [False, True, True, False]
    assert sides(both[1], allow_exact_matches=False) == [False, False, True, False]
    assert sides(both[1].with_columns(pl.col("timestamp") + pl.duration(seconds=5))) == [None, None, None, False]
