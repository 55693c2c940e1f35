"""Oracle layer, real trades: the sides of shares against those that another program gave the same prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pytest

import rangebar_polars as rb
from tests._routes import Engine, engines

if TYPE_CHECKING:
    from pathlib import Path

MAKER = pl.col("is_buyer_maker")


class Share(NamedTuple):
    rows: int
    at_mid: int
    """Trades at the mid, as decimals."""
    missed: int
    """Those of them that doubles put beside it, and that the other program gave another side than the tick rule."""
    crossed: int
    ticks_agree: float
    """Share of the sides that the tick rule gives as the rule of quotes does."""
    same_time: float
    """Share of the sides that agree if the quote may be as old as the trade, to the millisecond."""


SHARES = {
    "bac": Share(573_620, 28_051, 13, 106, 0.9315, 0.983),
    "ibm": Share(126_395, 11_144, 1_492, 284, 0.8115, 0.9325),
}
shares = pytest.mark.parametrize("share", SHARES)


@engines
def test_ticks_of_spy(shared: Path, engine: Engine) -> None:
    """All 1,887,460 prints of five days; the first six have no tick before them."""
    prints = pl.scan_parquet(shared / "data" / "lean_equity_spy_trades_201310" / "spy_trades.parquet")
    sides = prints.with_columns(rb.tick_rule(), theirs=pl.col("side_tick_rule") == -1).collect(engine=engine)
    assert sides.height == 1_887_460
    assert sides["is_buyer_maker"].equals(sides["theirs"], null_equal=True)
    assert sides["is_buyer_maker"].null_count() == 6


@shares
def test_lee_and_ready(shared: Path, share: str) -> None:
    """
    Every side is that of the other program, but for trades at the mid.

    It compares doubles, so 182.01 is not halfway between 181.94 and 182.08: that trade has a side by rounding.
    """
    fact = SHARES[share]
    trades = pl.read_parquet(shared / "data" / "lean_equity_taq_201310" / f"{share}_trades.parquet")
    sides = trades.with_columns(
        rb.lee_ready("price", "nbb", "nbo"),
        quote=rb.quote_rule("price", "nbb", "nbo"),
        tick=rb.tick_rule(),
        theirs=pl.col("side_inferred") == -1,
    )
    cents = [(pl.col(name) * 10_000).round().cast(pl.Int64).alias(f"{name}_raw") for name in ("price", "nbb", "nbo")]
    sides = sides.with_columns(cents).with_columns(
        is_crossed=pl.col("nbb") > pl.col("nbo"),
        at_mid=2 * pl.col("price_raw") == pl.col("nbb_raw") + pl.col("nbo_raw"),
    )
    differ = sides.filter(pl.col("theirs") != MAKER)
    assert (sides.height, differ.height) == (fact.rows, fact.missed)
    assert differ["at_mid"].all()
    assert (2 * differ["price"] != differ["nbb"] + differ["nbo"]).any()
    cannot_say = sides.filter(pl.col("quote").is_null())
    assert cannot_say.select((pl.col("at_mid") | pl.col("is_crossed") | pl.col("nbb").is_null()).all()).item()
    assert sides.filter(pl.col("at_mid") & ~pl.col("is_crossed")).height == fact.at_mid
    assert sides["is_crossed"].sum() == fact.crossed
    assert cannot_say["is_buyer_maker"].equals(cannot_say["tick"], null_equal=True)
    known = sides.filter(pl.col("quote").is_not_null())
    assert known["is_buyer_maker"].equals(known["quote"])
    assert known.select((pl.col("tick") == pl.col("quote")).mean()).item() == pytest.approx(fact.ticks_agree, abs=1e-3)


@engines
@shares
def test_quotes_joined_as_of(shared: Path, share: str, engine: Engine) -> None:
    """The quotes of the data, one side a row, joined to its trades."""
    folder = shared / "data" / "lean_equity_taq_201310"
    filled = pl.scan_parquet(folder / f"{share}_quotes.parquet").select(
        "timestamp", pl.col("bid", "ask").forward_fill()
    )

    def joined(*, same_time: bool) -> pl.DataFrame:
        trades = pl.scan_parquet(folder / f"{share}_trades.parquet")
        both = trades.join_asof(filled, on="timestamp", allow_exact_matches=same_time)
        sides = both.with_columns(rb.lee_ready(), as_given=rb.lee_ready("price", "nbb", "nbo")).collect(engine=engine)
        assert sides.height == SHARES[share].rows
        return sides.filter(pl.col("nbb").is_not_null())

    before = joined(same_time=False)
    assert before.select((pl.col("bid") == pl.col("nbb")) & (pl.col("ask") == pl.col("nbo"))).to_series().all()
    assert before["is_buyer_maker"].equals(before["as_given"])
    agree = (joined(same_time=True)["is_buyer_maker"] == before["as_given"]).mean()
    assert agree == pytest.approx(SHARES[share].same_time, abs=2e-3)


@engines
def test_bars_of_real_prints(shared: Path, engine: Engine) -> None:
    """Streamed from the file, or from a column."""
    path = shared / "data" / "lean_equity_spy_trades_201310" / "spy_trades.parquet"
    prints = pl.scan_parquet(path).filter(~pl.col("suspicious")).select("timestamp", "symbol", "price", "quantity")
    streamed = prints.with_columns(rb.tick_rule()).rangebar.bars(100, by="symbol", missing_side="null")
    column = prints.collect().with_columns(rb.tick_rule())
    expected = column.rangebar.bars(100, by="symbol", missing_side="null")
    assert expected.height > 200
    assert streamed.collect(engine=engine).equals(expected)
    assert expected["ofi"].null_count() <= 1
