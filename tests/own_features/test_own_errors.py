"""What is wrong with features of one's own is told: which one, why, on which bar; nothing is dropped."""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
import pickle
from contextlib import suppress
from decimal import Decimal
from typing import Any

import polars as pl
import polars.selectors as cs
import pytest

import rangebar_polars as rb
from rangebar_polars._bars.own_columns import OwnColumns
from tests._own import AGGS, MINE, SET, with_columns
from tests._routes import assert_same_bars
from tests._source import Recorder

PRICE = pl.col("price")


@pytest.fixture(scope="module")
def trades() -> pl.DataFrame:
    return with_columns(rb.datasets.sample_trades(6_000, symbols=["AAA", "BBB"]).sort("timestamp", maintain_order=True))


def stream_bars(trades: pl.DataFrame, **options: Any) -> pl.DataFrame:
    stream = rb.BarStream(50, by="symbol", **options)
    return pl.concat([stream.push(part) for part in trades.iter_slices(1_000)])


def eager_bars(trades: pl.DataFrame, **options: Any) -> pl.DataFrame:
    return trades.rangebar.bars(50, by="symbol", **options)


ROUTES = pytest.mark.parametrize("route", [eager_bars, stream_bars])

WRONG: dict[str, tuple[Any, str]] = {
    "text": ("price", "`aggs` takes expressions of Polars, such as .*, got 'price'"),
    "texts": (["price"], "`aggs` takes expressions of Polars, such as .*, got 'price'"),
    "number": (1, "`aggs` takes expressions of Polars, .*, got 1"),
    "rows": (PRICE, "`price` must have one value for a bar"),
    "head": (PRICE.head(1).alias("x"), "`x` must have one value for a bar"),
    "mode": (PRICE.mode().alias("x"), "`x` must have one value for a bar"),
    "clash": (PRICE.last().alias("close"), "`close` is a column of the bars too"),
    "key": (PRICE.last().alias("symbol"), "`symbol`.*has a column of that name too"),
    "twice": ([PRICE.last().alias("x"), PRICE.max().alias("x")], "`x` has the name of another one"),
    "missing": (pl.col("prise").sum().alias("x"), "column `prise` not found.*did you mean `price`.*`x` reads it"),
    "selector": (cs.numeric().sum(), "an expression has no name"),
    "several": (cs.by_name("x", "w").sum().alias("x"), "`x` cannot be computed over these columns"),
    "dtype": (pl.col("note").dt.year().sum().alias("x"), "`x` .*operation not supported for dtype `str`"),
    "ours": (PRICE.last().alias("__rangebar_polars_x"), "names that begin with '__rangebar_polars_' are taken"),
    "unnamed": (pl.element().sum(), "an expression has no name"),
}


@ROUTES
@pytest.mark.parametrize("name", WRONG)
def test_wrong_aggregations(trades: pl.DataFrame, route: Any, name: str) -> None:
    aggs, text = WRONG[name]
    with pytest.raises(rb.RangeBarError, match=text):
        route(trades, aggs=aggs)


@ROUTES
def test_an_expression_that_fails_names_the_bar(trades: pl.DataFrame, route: Any) -> None:
    bars = eager_bars(trades)
    bad = bars.filter(pl.col("symbol") == "BBB").row(2, named=True)
    is_bad = (pl.col("symbol") == "BBB") & (pl.col("timestamp") == bad["close_time"])
    worse = trades.with_columns(text=pl.when(is_bad).then(pl.lit("?")).otherwise(pl.lit("1")))
    fine, wrong = pl.len().alias("n"), pl.col("text").cast(pl.Int64).sum().alias("wrong")
    with pytest.raises(rb.RangeBarError) as caught:
        route(worse, aggs=[fine, wrong])
    told = str(caught.value)
    assert f"the aggregation `wrong` fails on the bar symbol='BBB' that opened at {bad['open_time']}" in told


def test_an_expression_over_bars_that_fails_names_the_set_and_the_bar(trades: pl.DataFrame) -> None:
    ends = pl.col("close_reason").cast(pl.String).cast(pl.Int64).last().alias("x")
    one = rb.FeatureSet("one", "1", over_bars=ends)
    first = eager_bars(trades).row(0, named=True)
    with pytest.raises(
        rb.RangeBarError, match=f"`one__x` of the FeatureSet 'one' fails on the bar symbol='{first['symbol']}'"
    ):
        eager_bars(trades, feature_sets=one)


def test_a_push_that_fails_changes_nothing(trades: pl.DataFrame) -> None:
    aggs = [pl.col("text").cast(pl.Int64).sum().alias("total"), pl.len().alias("n")]
    good = trades.with_columns(text=pl.lit("1"))
    stream, other = (rb.BarStream(5, by="symbol", reset="1d", include_orphans=True, aggs=aggs) for _ in range(2))
    assert_same_bars(stream.push(good.head(9)), other.push(good.head(9)))
    for part in good.tail(-9).iter_slices(1_500):
        before = stream.checkpoint()
        with pytest.raises(rb.RangeBarError, match="`total` fails"):
            stream.push(part.with_columns(text=pl.lit("?")))
        assert stream.checkpoint() == before
        for wrong in (part.drop("text"), part.with_columns(text=1), part.with_columns(price=-1.0)):
            with pytest.raises(rb.RangeBarError):
                stream.push(wrong)
            assert stream.checkpoint() == before
        assert_same_bars(stream.push(part), other.push(part))
    bad = good.tail(1).with_columns(pl.col("timestamp") + dt.timedelta(days=400), text=pl.lit("?"))
    stream.push(bad)
    before = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match="`total` fails"):
        stream.advance(bad["timestamp"][0] + dt.timedelta(days=2))
    assert stream.checkpoint() == before


def test_time_that_goes_on_and_the_end(trades: pl.DataFrame) -> None:
    options: dict[str, Any] = {"by": "symbol", "reset": "1d", "include_orphans": True, **MINE}
    stream = rb.BarStream(50, **options)
    bars = [stream.push(trades), stream.advance(trades["timestamp"].max() + dt.timedelta(days=2))]
    whole = trades.rangebar.bars(50, include_incomplete=True, **options)
    ended = whole.with_columns(close_reason=pl.col("close_reason").replace("end", "reset"))
    names = [name for name in whole.columns if name not in ("close_reason", "own__reasons")]
    assert_same_bars(pl.concat(bars).select(names), ended.select(names))
    assert stream.pending().height == 0
    assert stream.finish().columns == whole.columns
    with pytest.raises(rb.RangeBarError, match="the stream is finished"):
        stream.push(trades)


def test_streams_are_copied_and_pickled(trades: pl.DataFrame) -> None:
    stream = rb.BarStream(50, by="symbol", **MINE)
    stream.push(trades.head(3_000))
    copies = [copy.copy(stream), pickle.loads(pickle.dumps(stream)), copy.deepcopy(stream)]
    bars = stream.push(trades.tail(-3_000))
    for one in copies:
        assert isinstance(one, rb.BarStream)
        assert_same_bars(one.push(trades.tail(-3_000)), bars)
    assert stream.parameters["feature_sets"] == [SET]
    assert [str(e) for e in stream.parameters["aggs"]] == [str(e) for e in AGGS]
    assert "BarStream(threshold_dbps=50" in repr(stream)


def test_other_features_than_those_of_a_checkpoint(trades: pl.DataFrame) -> None:
    one = PRICE.std().alias("s")
    stream = rb.BarStream(50, by="symbol", aggs=one)
    stream.push(trades)
    data, plain = stream.checkpoint(), rb.BarStream(50, by="symbol").checkpoint()
    assert rb.BarStream.restore(data, aggs=one, threshold_dbps=50).pending().columns[-1] == "s"
    for given in ({"aggs": PRICE.var().alias("s")}, {"feature_sets": SET}):
        with pytest.raises(rb.RangeBarError, match="the checkpoint was made with other parameters"):
            rb.BarStream.restore(data, **given)
        with pytest.raises(rb.RangeBarError, match="the checkpoint was made with other parameters"):
            rb.BarStream.restore(plain, **given)
    for state, mine in ((data, {}), (plain, {"aggs": one}), (data, {"aggs": PRICE.var().alias("s")})):
        with pytest.raises(rb.RangeBarError, match="the checkpoint was made with other parameters: `aggs`"):
            trades.rangebar.bars(50, by="symbol", state=state, **mine)
    with pytest.raises(rb.RangeBarError, match="other parameters: `threshold_dbps`"):
        rb.BarStream.restore(data, threshold_dbps=51)
    newer = rb.BarStream(50, feature_sets=SET)
    newer.push(trades.filter(pl.col("symbol") == "AAA"))
    with pytest.raises(rb.RangeBarError, match="no installed package offers a FeatureSet 'own'"):
        rb.BarStream.restore(newer.checkpoint())
    second = rb.FeatureSet("own", "2", aggs=SET.aggs)
    with pytest.raises(rb.RangeBarError, match=r"version '2' here, and what was kept is of '1\.0'"):
        rb.BarStream.restore(newer.checkpoint(), feature_sets=second)


def test_checkpoints_that_were_altered(trades: pl.DataFrame) -> None:
    stream = rb.BarStream(50, by="symbol", aggs=PRICE.std().alias("s"))
    stream.push(trades)
    data = stream.checkpoint()
    for wrong in (data[:-1], data[:60], data[:-20] + b"x" + data[-19:], data + b"x"):
        with pytest.raises(rb.RangeBarError):
            rb.BarStream.restore(wrong)
        with pytest.raises(rb.RangeBarError):
            trades.rangebar.bars(50, by="symbol", aggs=PRICE.std().alias("s"), state=wrong)
    assert "BarState" in repr(rb.BarState(data))
    assert rb.BarState(data).max_groups is None


def resealed(data: bytes, change: Any) -> bytes:
    """A checkpoint with another header and parts, and a digest that is right."""
    line, header, rest = data[:-16].split(b"\n", 2)
    said = json.loads(header)
    parts, at = [], 0
    for length in said["lengths"]:
        parts.append(rest[at : at + length])
        at += length
    change(said, parts)
    whole = b"\n".join([line, json.dumps(said).encode(), b"".join(parts)])
    return whole + hashlib.blake2b(whole, digest_size=16).digest()


def test_checkpoints_that_somebody_made_up(trades: pl.DataFrame) -> None:
    aggs = PRICE.std().alias("s")
    stream = rb.BarStream(50, by="symbol", aggs=aggs)
    stream.push(trades.head(5_000))
    data = stream.checkpoint()
    other = rb.BarStream(50, by="symbol", aggs=aggs)
    other.push(trades.head(4_000))
    assert resealed(data, lambda _said, _parts: None) == data
    header, parts = json.loads(data.split(b"\n")[1]), len(json.loads(data.split(b"\n")[1])["lengths"])
    fine = trades.tail(-5_000).rangebar.bars(50, by="symbol", aggs=aggs, state=data)
    made_up: list[bytes] = []
    for name, values in {
        "own": [None, {}, {"aggs": [1], "feature_sets": []}, {"aggs": ["{}"], "feature_sets": []}],
        "lengths": [None, [], [1], [-1, *header["lengths"]], ["1"], header["lengths"][:-1]],
        "include_orphans": [None, 1],
        "features": [1, [1], ["no_such"]],
    }.items():
        made_up += [resealed(data, lambda said, _, n=name, v=value: said.update({n: v})) for value in values]
    made_up.append(resealed(data, lambda said, _: said["own"]["feature_sets"].append(["a"])))
    for part in range(1, parts):
        for rest in (b"", b"nonsense"):

            def put(said: Any, all_parts: list[bytes], part: int = part, rest: bytes = rest) -> None:
                all_parts[part], said["lengths"][part] = rest, len(rest)

            made_up.append(resealed(data, put))

    def held_of_another(said: Any, all_parts: list[bytes]) -> None:
        theirs = other.checkpoint()[:-16].split(b"\n", 2)
        lengths, start = json.loads(theirs[1])["lengths"], 0
        for part, length in enumerate(lengths):
            if part:
                all_parts[part], said["lengths"][part] = theirs[2][start : start + length], length
            start += length

    made_up.append(resealed(data, held_of_another))
    for one in made_up:
        with pytest.raises(rb.RangeBarError):
            rb.BarStream.restore(one)
        # A query does not use all of it.
        with suppress(rb.RangeBarError):
            assert_same_bars(trades.tail(-5_000).rangebar.bars(50, by="symbol", aggs=aggs, state=one), fine)


def test_code_of_python_in_a_checkpoint_is_not_run() -> None:
    data = rb.BarStream(50, by="symbol", aggs=PRICE.std().alias("s")).checkpoint()
    evil = PRICE.map_batches(lambda s: s.sum(), return_dtype=pl.Float64, returns_scalar=True).alias("s")
    texts = [evil.meta.serialize(format="json")]
    texts.append(pl.fold(pl.lit(0), lambda a, b: a + b, [PRICE]).sum().alias("s").meta.serialize(format="json"))
    plugin = rb.hurst("price").alias("s").meta.serialize(format="json")
    texts.append(plugin.replace("_internal", "elsewhere"))
    for text in texts:

        def put(said: Any, _: Any, text: str = text) -> None:
            said["own"]["aggs"] = [text]

        with pytest.raises(rb.RangeBarError, match="calls a function, which none of ours does"):
            rb.BarStream.restore(resealed(data, put))


def test_states_advance_and_forget(trades: pl.DataFrame) -> None:
    state = rb.BarState()
    trades.rangebar.bars(50, by="symbol", reset="1d", include_orphans=True, state=state, **MINE)
    gone = state.forget("AAA")
    assert gone["symbol"].to_list() == ["AAA"]
    assert gone["rows"].to_list() == gone["agg_record_count"].to_list()
    ended = state.advance(trades["timestamp"].max() + dt.timedelta(days=2))
    assert ended.select("symbol", "close_reason").rows() == [("BBB", "reset")]
    assert ended.columns[-1] == "own__first_count"


def test_functions_of_python_are_for_queries_and_sets(trades: pl.DataFrame) -> None:
    total = PRICE.map_batches(lambda s: s.sum(), return_dtype=pl.Float64, returns_scalar=True).alias("total")
    bars = eager_bars(trades, aggs=[total, PRICE.sum().alias("sum")])
    assert bars["total"].to_list() == pytest.approx(bars["sum"].to_list())
    with pytest.raises(rb.RangeBarError, match="cannot be kept in a checkpoint or a lake"):
        eager_bars(trades, aggs=total, state=rb.BarState())
    one = rb.FeatureSet("py", "1", aggs=total)
    stream = rb.BarStream(50, by="symbol", feature_sets=one)
    stream.push(trades.head(3_000))
    again = rb.BarStream.restore(stream.checkpoint(), feature_sets=one)
    assert_same_bars(again.push(trades.tail(-3_000)), stream.push(trades.tail(-3_000)))
    lying = PRICE.map_batches(lambda s: s.sum(), return_dtype=pl.Int64, returns_scalar=True).alias("lying")
    with pytest.raises(rb.RangeBarError, match="`lying`"):
        eager_bars(trades, aggs=lying)


def test_statistics_of_the_library_are_aggregations(trades: pl.DataFrame) -> None:
    bars = eager_bars(trades, aggs=[rb.hurst("price"), rb.ofi().alias("flow"), rb.kaufman_er("price").alias("er")])
    assert bars["flow"].equals(bars["ofi"])
    state = rb.BarState()
    again = [
        part.rangebar.bars(
            50, by="symbol", aggs=rb.ofi().alias("flow"), state=state if n == 0 else rb.BarState(state.checkpoint())
        )
        for n, part in enumerate((trades.head(2_000), trades.tail(-2_000)))
    ]
    assert_same_bars(pl.concat(again)["flow"].to_frame(), bars["flow"].to_frame())


def test_single_trades_that_lack_a_column() -> None:
    stream = rb.BarStream(50, time_unit="ms", aggs=pl.col("fee").sum())
    with pytest.raises(rb.RangeBarError, match=r"column `fee` not found.*reads it"):
        stream.push_trade(1, 100.0, 1.0)
    frame = pl.DataFrame({"timestamp": [1], "price": [100.0], "quantity": [1.0], "fee": [0.5]})
    assert stream.push(frame).height == 0
    with pytest.raises(rb.RangeBarError, match=r"column `fee` not found.*push it as a frame"):
        stream.push_trade(2, 100.0, 1.0)
    assert stream.pending()["fee"].to_list() == [0.5]


def test_single_trades_of_any_type() -> None:
    stream = rb.BarStream(
        1_000, by="symbol", aggs=[PRICE.max().alias("top"), pl.col("agg_trade_id").sum().alias("ids")]
    )
    at = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert stream.push_trade(at, Decimal("100.5"), 1, None, 7, key="A") is None
    assert stream.push_trade(at + dt.timedelta(seconds=1), 100, Decimal(2), agg_trade_id=8, key="A") is None
    assert stream.pending().select("top", "ids").rows() == [(100.5, 15)]
    for wrong in ({"price": "x"}, {"quantity": True}, {"agg_trade_id": 1.5}):
        given: dict[str, Any] = {"timestamp": at + dt.timedelta(seconds=2), "price": 100.0, "quantity": 1.0}
        given |= {"agg_trade_id": 9} | wrong
        with pytest.raises(TypeError):
            stream.push_trade(**given, key="A")
    with pytest.raises(rb.RangeBarError, match="a trade needs `key`"):
        stream.push_trade(at, 100.0, 1.0)
    bars = stream.push_trade(at + dt.timedelta(seconds=3), 102.0, 1.0, agg_trade_id=9, key="A")
    assert bars is not None
    assert bars.select("top", "ids").rows() == [(102.0, 24)]


def test_a_stream_that_is_called_at_work(trades: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = rb.BarStream(50, by="symbol", **MINE)
    stream.push(trades.head(100))
    before, finish = stream.checkpoint(), OwnColumns.finish

    def interrupted(columns: OwnColumns, bars: pl.DataFrame) -> pl.DataFrame:
        stream.pending()  # as a signal handler might
        return finish(columns, bars)

    monkeypatch.setattr(OwnColumns, "finish", interrupted)
    with pytest.raises(rb.RangeBarError, match="the stream is called while it is at work"):
        stream.push(trades.tail(-100))
    monkeypatch.undo()
    assert stream.checkpoint() == before


def test_an_interrupted_push_changes_nothing(trades: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = rb.BarStream(50, by="symbol", **MINE)

    def interrupted(columns: OwnColumns, bars: pl.DataFrame) -> pl.DataFrame:
        del columns, bars
        raise KeyboardInterrupt

    for part in trades.iter_slices(2_000):
        before = stream.checkpoint()
        monkeypatch.setattr(OwnColumns, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stream.push(part)
        monkeypatch.undo()
        assert stream.checkpoint() == before
        stream.push(part)
    assert_same_bars(stream.pending(), eager_bars(trades, include_incomplete=True, **MINE).tail(2))


def test_only_what_is_needed_is_read(trades: pl.DataFrame) -> None:
    keys = {"price", "symbol", "timestamp"}
    wanted = {"x_std": {"x"}, "open": set(), "own__x_mean_3": {"x"}, "own__up": set(), "notes": {"note"}, "rows": set()}
    for column, reads in wanted.items():
        recorder = Recorder(trades)
        recorder.scan().rangebar.bars(50, by="symbol", features=[], **MINE).select(column).collect()
        read = recorder.columns[-1]
        assert keys | reads <= read, column
        # The expressions over bars of a set are computed together.
        assert read <= keys | reads | ({"x"} if column.startswith("own__") else set()), column


def test_expressions_are_told_the_way() -> None:
    for given in ({"aggs": PRICE.std()}, {"aggs": [PRICE.std()]}, {"feature_sets": "x"}):
        with pytest.raises(rb.RangeBarError, match="cannot be computed by an expression"):
            rb.range_bars(250, **given)
    assert rb.range_bars(250, aggs=[], feature_sets=()) is not None


def test_wrong_sets(trades: pl.DataFrame) -> None:
    x = PRICE.last().alias("x")
    wrong: list[tuple[Any, str]] = [
        (lambda: rb.FeatureSet("a__b", "1"), "letters, digits and single underscores, got 'a__b'"),
        (lambda: rb.FeatureSet(1, "1"), "letters, digits and single underscores, got 1"),
        (lambda: rb.FeatureSet("a", ""), "the version of the FeatureSet 'a' must be a text"),
        (lambda: rb.FeatureSet("a", 1.0), "the version of the FeatureSet 'a' must be a text"),
        (lambda: rb.FeatureSet("a", "1", aggs=["x"]), "`aggs` of the FeatureSet 'a' takes expressions"),
        (lambda: rb.FeatureSet("a", "1", over_bars=1), "`over_bars` of the FeatureSet 'a' takes expressions"),
        (lambda: rb.FeatureSet("a", "1", lookback_bars=-1), "`lookback_bars` of the FeatureSet 'a' must be an integer"),
        (
            lambda: rb.FeatureSet("a", "1", lookback_bars=True),
            "`lookback_bars` of the FeatureSet 'a' must be an integer",
        ),
        (lambda: rb.FeatureSet("a", "1", schema=[1]), "`schema` of the FeatureSet 'a' must be a mapping"),
        (lambda: eager_bars(trades, feature_sets=3), "`feature_sets` takes FeatureSets or names"),
        (lambda: eager_bars(trades, feature_sets=[3]), "`feature_sets` takes FeatureSets or names"),
        (lambda: eager_bars(trades, feature_sets="no_such"), "no installed package offers a FeatureSet 'no_such'"),
        (lambda: eager_bars(trades, feature_sets=[SET, SET]), "the FeatureSet 'own' is named twice"),
        (
            lambda: eager_bars(trades, feature_sets=rb.FeatureSet("a", "1", aggs=x, schema={"x": pl.Int8})),
            "must be Int8",
        ),
        (
            lambda: eager_bars(trades, feature_sets=rb.FeatureSet("a", "1", aggs=x, schema={"y": pl.Int8})),
            "does not compute",
        ),
        (
            lambda: eager_bars(trades, feature_sets=rb.FeatureSet("a", "1", aggs=x, over_bars=x)),
            "the name of another one",
        ),
        (lambda: eager_bars(trades, feature_sets=rb.FeatureSet("a", "1", over_bars=x)), "column `price` not found"),
        (
            lambda: eager_bars(trades, feature_sets=rb.FeatureSet("a", "1", over_bars=cs.first())),
            "`a__|an expression has no name",
        ),
        (lambda: eager_bars(trades, aggs=x.alias("a__x"), feature_sets=rb.FeatureSet("a", "1", aggs=x)), "another one"),
        (
            lambda: eager_bars(trades, feature_sets=rb.FeatureSet("a", "1", over_bars=pl.col("lookback_ofi"))),
            "lookback",
        ),
    ]
    for call, text in wrong:
        with pytest.raises(rb.RangeBarError, match=text):
            call()
