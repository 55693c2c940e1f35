"""Oracle layer, real quotes: forex of two brokers, shares and coins, as published, and as papers found them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars.order_book import book_imbalance, microprice, mid, quote_ofi, relative_spread, spread
from tests._quotes import COLUMNS, EVERY, every, flows, values
from tests._routes import EVERY_BAR, Engine, assert_same_bars, engines, oracle_bars

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# --------------------------------------------------------------------------------------- forex, real


class Broker(NamedTuple):
    crossed: int
    locked: int
    last: tuple[str, str]  # quotes before the weekends
    first: tuple[str, str]  # quotes after them
    bars: dict[int, int]  # closed ones, by threshold


FOREX = {
    "fxcm": Broker(
        crossed=116_871,
        locked=142_462,
        last=("2014-05-02T20:59:11", "2014-05-09T20:59:11"),
        first=("2014-05-04T19:00:51", "2014-05-11T19:00:55"),
        bars={50: 356, 250: 18},
    ),
    "oanda": Broker(
        crossed=0,
        locked=0,
        last=("2014-05-02T20:59:58", "2014-05-09T20:59:58"),
        first=("2014-05-04T21:00:00", "2014-05-11T21:00:00"),
        bars={50: 353, 250: 17},
    ),
}
SATURDAYS = [dt.datetime(2014, 5, day, 12, tzinfo=dt.UTC) for day in (3, 10)]
brokers = pytest.mark.parametrize("broker", FOREX)


@pytest.fixture(scope="module")
def forex(shared: Path) -> Callable[[str], pl.LazyFrame]:
    folder = shared / "data" / "lean_fx_quotes_201405"
    return lambda broker: pl.scan_parquet(folder / f"{broker}_eurusd.parquet")


@engines
@brokers
def test_crossed_and_locked_quotes_of_eurusd(forex: Callable[[str], pl.LazyFrame], broker: str, engine: Engine) -> None:
    frame = forex(broker).with_columns(mid(), spread(), relative_spread()).collect(engine=engine)
    bid, ask = frame["bid"].to_numpy(), frame["ask"].to_numpy()
    crossed, locked = FOREX[broker].crossed, FOREX[broker].locked
    assert (frame["spread"] < 0).sum() == crossed == (bid > ask).sum()
    assert (frame["spread"] == 0).sum() == locked == (bid == ask).sum()
    assert np.array_equal(frame["mid"].to_numpy(), (bid + ask) / 2)
    assert np.array_equal(frame["spread"].to_numpy(), ask - bid)
    assert np.array_equal(frame["relative_spread"].to_numpy(), (ask - bid) / ((bid + ask) / 2))
    assert frame.select(pl.all().null_count()).row(0) == (0,) * frame.width
    assert forex(broker).filter(spread() >= 0).select(pl.len()).collect().item() == frame.height - crossed


@engines
@brokers
@pytest.mark.parametrize("threshold_dbps", [50, 250])
def test_forex_bars_from_bid_and_ask(
    forex: Callable[[str], pl.LazyFrame], broker: str, threshold_dbps: int, engine: Engine
) -> None:
    trades = forex(broker).with_columns(price=mid(), quantity=pl.lit(0.0))
    lazy = trades.rangebar.bars(threshold_dbps, max_gap="24h", **EVERY_BAR)
    bars = lazy.collect(engine=engine)
    reasons = bars["close_reason"]
    assert reasons.filter(reasons != "threshold").to_list() == ["gap", "gap", "end"]
    assert (reasons == "threshold").sum() == FOREX[broker].bars[threshold_dbps]
    orphans = reasons == "gap"
    ends, begins = bars["close_time"].filter(orphans), bars["open_time"].filter(orphans.shift(1, fill_value=False))
    assert tuple(ends.dt.strftime("%FT%T")) == FOREX[broker].last
    assert tuple(begins.dt.strftime("%FT%T")) == FOREX[broker].first
    assert ((bars["close_time"] - bars["open_time"]) < dt.timedelta(hours=72)).all()
    assert bars["agg_record_count"].sum() == trades.select(pl.len()).collect().item()
    assert bars["volume"].sum() == 0.0
    assert bars["vwap"].equals(bars["open"].rename("vwap"))
    # each bar moved by the threshold and not before, weekends aside
    moved = (bars["close"] / bars["open"] - 1).abs() * 100_000
    closed = reasons == "threshold"
    assert (moved.filter(closed) > threshold_dbps * 0.999).all()
    assert (moved.filter(~closed) < threshold_dbps).all()


@brokers
def test_without_a_gap_a_bar_reaches_over_the_weekend(forex: Callable[[str], pl.LazyFrame], broker: str) -> None:
    trades = forex(broker).with_columns(price=mid(), quantity=pl.lit(0.0))
    for options, over in (({}, 1), ({"max_gap": "24h", "include_orphans": True}, 0)):
        bars = trades.rangebar.bars(50, **options).collect()
        over_saturday = [((bars["open_time"] < noon) & (bars["close_time"] > noon)).sum() for noon in SATURDAYS]
        assert over_saturday == [over, over]


@brokers
def test_the_bars_around_a_weekend_are_those_of_the_oracle(forex: Callable[[str], pl.LazyFrame], broker: str) -> None:
    first = dt.datetime(2014, 5, 2, 20, tzinfo=dt.UTC)
    around = forex(broker).filter(pl.col("timestamp").is_between(first, first + dt.timedelta(days=2, hours=6)))
    trades = around.select("timestamp", price=mid(), quantity=pl.lit(0.0)).collect()
    expected = oracle_bars(trades, 20, max_gap="24h", **EVERY_BAR)
    assert expected["close_reason"].to_list().count("gap") == 1
    assert expected.height > 10
    assert_same_bars(trades.rangebar.bars(20, max_gap="24h", **EVERY_BAR), expected)


def test_a_live_feed_of_quotes(forex: Callable[[str], pl.LazyFrame]) -> None:
    trades = forex("oanda").select("timestamp", price=mid(), quantity=pl.lit(0.0)).collect()
    options = {"max_gap": "24h", "include_orphans": True}
    stream = rb.BarStream(100, **options)
    pushed = [stream.push(part) for part in trades.iter_slices(100_000)]
    assert_same_bars(
        pl.concat([*pushed, stream.finish()]), trades.rangebar.bars(100, include_incomplete=True, **options)
    )


# ---------------------------------------------------------------------------------------- books, real


@pytest.mark.parametrize("symbol", ["bac", "ibm"])
def test_one_sided_quotes_of_shares(shared: Path, symbol: str) -> None:
    """Every quote has one side. Filled forward, they are what the trades say stood before them, to the bit."""
    folder = shared / "data" / "lean_equity_taq_201310"
    raw = pl.read_parquet(folder / f"{symbol}_quotes.parquet", columns=["timestamp", *COLUMNS])
    one_sided = raw.select(every()).null_count().row(0)
    assert one_sided == (raw.height,) * len(EVERY)
    book = raw.with_columns(pl.col(COLUMNS).forward_fill()).with_columns(every())
    assert [book[name].null_count() for name in EVERY] == [1, 1, 1, 1, 1, 2]
    trades = pl.read_parquet(folder / f"{symbol}_trades.parquet", columns=["timestamp", "nbb", "nbo"])
    now = book.select("timestamp", "mid", "spread")
    seen = trades.join_asof(now, on="timestamp", allow_exact_matches=False).drop_nulls()
    assert seen.height > 100_000
    assert (seen["mid"] == (seen["nbb"] + seen["nbo"]) / 2).all()
    assert (seen["spread"] == seen["nbo"] - seen["nbb"]).all()
    assert (seen["spread"] < 0).sum() > 100
    assert book["book_imbalance"].drop_nulls().is_between(-1, 1).all()
    low, high = pl.min_horizontal("bid", "ask"), pl.max_horizontal("bid", "ask")
    assert book.select(pl.col("microprice").is_between(low, high).all()).item()


def test_flow_of_shares_against_a_loop(shared: Path) -> None:
    """Integer sizes: nothing is rounded. The first rows of a day, crossed ones among them, sizes as round lots."""
    quotes_of_ibm = pl.scan_parquet(shared / "data" / "lean_equity_taq_201310" / "ibm_quotes.parquet")
    book = quotes_of_ibm.select(pl.col(COLUMNS).forward_fill()).head(50_000).collect()
    assert (book["bid"] > book["ask"]).sum() > 0
    assert values(book, quote_ofi()) == flows(book.rows())


@pytest.fixture(scope="module")
def bitcoin(shared: Path) -> pl.DataFrame:
    """Six minutes of the best bid and ask of a future."""
    file = shared / "data" / "hftbacktest_binance_l2" / "usdm_btcusdt_20240808_bookticker.parquet"
    names = {"bid_price": "bid", "ask_price": "ask", "bid_qty": "bid_size", "ask_qty": "ask_size"}
    return pl.read_parquet(file).rename(names).select("timestamp", *COLUMNS)


@engines
def test_a_real_book_against_loops(bitcoin: pl.DataFrame, engine: Engine) -> None:
    out = bitcoin.lazy().select(every()).collect(engine=engine)
    bid, ask, on_bid, on_ask = (bitcoin[name].to_numpy() for name in COLUMNS)
    assert np.array_equal(out["mid"].to_numpy(), (bid + ask) / 2)
    assert np.array_equal(out["book_imbalance"].to_numpy(), (on_bid - on_ask) / (on_bid + on_ask))
    textbook = (bid * on_ask + ask * on_bid) / (on_bid + on_ask)
    assert np.allclose(out["microprice"].to_numpy(), textbook, rtol=1e-15, atol=0)
    assert out["quote_ofi"].to_list() == flows(bitcoin.select(COLUMNS).rows())


def test_what_the_papers_found(bitcoin: pl.DataFrame) -> None:
    """Flow moves the mid of its own second (Cont et al.); imbalance tells the side of the next move (Gould et al.)."""
    book = bitcoin.with_columns(mid(), book_imbalance(), quote_ofi())
    seconds = book.group_by_dynamic("timestamp", every="1s").agg(pl.col("quote_ofi").sum(), pl.col("mid").last())
    moves = seconds.with_columns(pl.col("mid").diff()).drop_nulls()
    assert moves.height > 300
    assert moves.select(pl.corr("quote_ofi", "mid")).item() == pytest.approx(0.628, abs=1e-3)
    changed = pl.when(pl.col("mid") != pl.col("mid").shift(-1)).then(pl.col("mid").shift(-1))
    ahead = book.with_columns(rises=changed.backward_fill() > pl.col("mid")).drop_nulls("rises")
    by_side = ahead.group_by((pl.col("book_imbalance") * 2).floor().clip(-2, 1).alias("half")).agg(pl.mean("rises"))
    shares = by_side.sort("half")["rises"].to_list()
    assert len(shares) == 4
    assert shares == sorted(shares)
    strong = ahead.filter(pl.col("book_imbalance").abs() > 0.8)
    assert strong.select(((pl.col("book_imbalance") > 0) == pl.col("rises")).mean()).item() > 0.8


def test_a_real_book_of_euros(shared: Path) -> None:
    file = shared / "data" / "dukascopy_node_ticks" / "eurusd_20190204.parquet"
    book = pl.read_parquet(file).with_columns(
        microprice(bid_size="bid_volume", ask_size="ask_volume"), book_imbalance("bid_volume", "ask_volume"), mid()
    )
    assert book.select(pl.col("microprice").is_between("bid", "ask").all()).item()
    side = (book["bid_volume"] - book["ask_volume"]).sign() * (book["ask"] > book["bid"])
    assert (book["book_imbalance"].sign() == (book["bid_volume"] - book["ask_volume"]).sign()).all()
    assert ((book["microprice"] - book["mid"]).sign() == side).all()
