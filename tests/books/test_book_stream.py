"""Stream layer for order books: any mix of pushes and restarts equals one query; what is refused changes nothing."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._books import STREAMED, Case, cases
from tests._checkpoints import repaired
from tests._routes import assert_same_bars
from tests._streams import CUTS, cut

GOLDEN = Path(__file__).parent / "golden" / "v1_book.bin"
UPDATES = pl.DataFrame(
    {
        "timestamp": pl.Series([1, 1, 2, 3, 3], dtype=pl.Int64).cast(pl.Datetime("ms")),
        "is_bid": [True, False, True, False, True],
        "price": [10.0, 11.0, 9.0, 12.0, 10.0],
        "quantity": [1.0, 2.0, 3.0, 4.0, 0.0],
        "symbol": ["A", "A", "A", "B", "A"],
    }
)


def stream_of(case: Case) -> rb.BookStream:
    return rb.BookStream(by=case.by or None, **case.arguments)


def in_order(rows: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Rows of one group after the other: a stream ends events of groups that wait in another order than a query."""
    return rows.sort("symbol", maintain_order=True) if case.by else rows


@given(case=cases(), where=CUTS, restarts=st.lists(st.booleans(), min_size=6, max_size=6))
def test_pushes_and_restarts(case: Case, where: list[float], restarts: list[bool]) -> None:
    stream, rows = stream_of(case), []
    for piece, restarts_now in zip(cut(case.frame, where), restarts, strict=False):
        if restarts_now:
            stream = rb.BookStream.restore(stream.checkpoint(), depth=case.depth)
        rows.append(stream.push(piece))
    assert_same_bars(pl.concat([*rows, stream.finish()]), STREAMED["eager"](case))


@given(case=cases(), where=CUTS)
def test_the_same_updates_give_the_same_bytes(case: Case, where: list[float]) -> None:
    whole, parts = stream_of(case), stream_of(case)
    whole.push(case.frame)
    for piece in cut(case.frame, where):
        parts.push(piece)
        parts = rb.BookStream.restore(parts.checkpoint())
    assert parts.checkpoint() == whole.checkpoint()


@given(case=cases(max_keys=1), where=CUTS)
def test_whole_messages_come_out_at_once(case: Case, where: list[float]) -> None:
    """With a flush behind each push whose end is that of an event."""
    if case.options["sample"] != "event" or case.has_batches or case.has_ids:
        return
    stream, rows = stream_of(case), []
    times = case.frame["timestamp"].to_physical().to_list()
    flags = [row.is_snapshot for row in case.rows]
    ends = [i for i in range(1, len(times)) if (times[i], flags[i]) != (times[i - 1], flags[i - 1])]
    del where
    for start, end in zip([0, *ends], [*ends, len(times)], strict=True):
        rows += [stream.push(case.frame[start:end]), stream.flush()] if end > start else []
    whole = STREAMED["eager"](case)
    assert_same_bars(pl.concat([whole.clear(), *rows]), whole)
    assert all(frame.height <= 1 for frame in rows)


BAD: list[tuple[pl.DataFrame, str]] = [
    (
        UPDATES.with_columns(price=pl.lit(-1.0)),
        r"must be finite and > 0, got -1.0 at row 0 of the frame \(row 4 of symbol",
    ),
    (UPDATES, r"`timestamp` must not go back, got .* at row 0 of the frame \(row 4 of symbol=\"A\"\)"),
    (UPDATES.drop("price"), "column `price` not found"),
    (UPDATES.drop("symbol"), "column `symbol` not found"),
    (UPDATES.with_columns(is_snapshot=True), "the updates pushed have `is_snapshot`, which those before had not"),
    (UPDATES.with_columns(pl.col("timestamp").cast(pl.Datetime("us"))), "`timestamp` must stay Datetime"),
    (UPDATES.with_columns(symbol=1), "`symbol` must stay String throughout the input"),
    (
        UPDATES.with_columns(symbol=pl.lit("NEW"), quantity=pl.Series([1.0, 1.0, 1.0, 1.0, -1.0])),
        "must be finite and >= 0",
    ),
]


@pytest.mark.parametrize(("frame", "says"), BAD, ids=[says[:30] for _, says in BAD])
def test_a_push_that_raises_changes_nothing(frame: pl.DataFrame, says: str) -> None:
    stream = rb.BookStream(by="symbol", depth=2)
    stream.push(UPDATES)
    before = stream.checkpoint()
    for _ in range(2):
        with pytest.raises(rb.RangeBarError, match=says):
            stream.push(frame)
        assert stream.checkpoint() == before
    later = UPDATES.with_columns(pl.col("timestamp").dt.offset_by("5ms"))
    assert_same_bars(stream.push(later), rb.BookStream.restore(before).push(later))


def test_a_first_push_that_raises_leaves_a_new_stream() -> None:
    stream = rb.BookStream(by="symbol", depth=2)
    before = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match="must be finite"):
        stream.push(UPDATES.with_columns(quantity=-1.0))
    assert stream.checkpoint() == before
    assert stream.push(UPDATES.rename({"symbol": "s"}).with_columns(symbol=1)).height == 2


def test_a_crossed_book_at_the_end_changes_nothing() -> None:
    stream = rb.BookStream(depth=2, crossed="error", by="symbol")
    crossed = UPDATES.with_columns(price=pl.lit(10.0)).head(2)
    stream.push(crossed)
    before = stream.checkpoint()
    for end in (stream.flush, stream.finish, lambda: stream.push(UPDATES.tail(1))):
        with pytest.raises(
            rb.RangeBarError, match=r"must leave the best bid below the best ask.* at row 1 of symbol=\"A\""
        ):
            end()
        assert stream.checkpoint() == before


def test_rows_of_a_long_pause_come_at_once() -> None:
    stream = rb.BookStream(1, sample="1ms", features=["bid"], by="symbol")
    stream.push(UPDATES.head(3))
    before = stream.checkpoint()
    late = UPDATES.head(1).with_columns(pl.col("timestamp").dt.offset_by("200s"))
    assert stream.push(late).height == 199_999
    broken = pl.concat([late, late.with_columns(price=pl.lit(-1.0))])
    other = rb.BookStream.restore(before)
    with pytest.raises(rb.RangeBarError, match="at row 1 of the frame"):
        other.push(broken)
    assert other.checkpoint() == before


def test_an_interrupted_push_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = rb.BookStream(by="symbol")
    stream.push(UPDATES.head(2))
    before = stream.checkpoint()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stream._search, "look", interrupted)  # noqa: SLF001
        with pytest.raises(KeyboardInterrupt):
            stream.push(UPDATES.tail(3))
    assert stream.checkpoint() == before


def test_one_stream_of_several_threads() -> None:
    stream = rb.BookStream(1, by="symbol", features=["bid"], batch="n")
    frames = [
        UPDATES.head(1).select(pl.all().exclude("symbol"), symbol=pl.lit(f"S{k}"), n=pl.lit(n, dtype=pl.Int64))
        for k in range(4)
        for n in range(50)
    ]
    rows: list[int] = []

    def push(own: list[pl.DataFrame]) -> None:
        rows.extend(stream.push(frame).height for frame in own)

    threads = [threading.Thread(target=push, args=(frames[50 * k : 50 * k + 50],)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(rows) + stream.finish().height == 200


def test_parameters_and_copies() -> None:
    stream = rb.BookStream(3, by=["symbol"], sample="1s", cost_of=[1, 2.5], quantity="quantity", holes="keep")
    stream.push(UPDATES)
    assert stream.parameters["depth"] == 3
    assert stream.parameters["cost_of"] == [1.0, 2.5]
    assert repr(stream) == "BookStream(depth=3, sample='1s', by=['symbol'])"
    for twin in (copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        assert twin.checkpoint() == stream.checkpoint()
        assert_same_bars(twin.finish(), rb.BookStream.restore(stream.checkpoint()).finish())
    with pytest.raises(rb.RangeBarError, match="`sample` was '1s' and not '2s'"):
        rb.BookStream.restore(stream.checkpoint(), sample="2s")
    with pytest.raises(TypeError, match="`restore` expects parameters of the stream"):
        rb.BookStream.restore(stream.checkpoint(), what=1)
    with pytest.raises(rb.RangeBarError, match="a checkpoint is bytes, got `str`"):
        rb.BookStream.restore("x")
    stream.finish()
    for call in (stream.finish, stream.flush, stream.checkpoint, lambda: stream.push(UPDATES)):
        with pytest.raises(rb.RangeBarError, match="the stream is finished: nothing can be pushed or asked any more"):
            call()
    with pytest.raises(rb.RangeBarError, match="the stream has seen no updates"):
        rb.BookStream().flush()
    with pytest.raises(rb.RangeBarError, match="but the result has a column of that name too"):
        rb.BookStream(by="mid")
    with pytest.warns(rb.RangeBarWarning, match="their updates go into the same book"):
        rb.BookStream().push(UPDATES)
    pa = pytest.importorskip("pyarrow")
    assert rb.BookStream(by="symbol").push(pa.table(UPDATES.to_arrow())).height == 2


def test_bytes_that_are_no_checkpoint() -> None:
    stream = rb.BookStream(by="symbol", depth=2, sample="change")
    stream.push(UPDATES)
    data = stream.checkpoint()
    with pytest.raises(rb.RangeBarError, match="not a checkpoint of rangebar_polars: it begins otherwise"):
        rb.BookStream.restore(rb.BarStream(250).checkpoint())
    with pytest.raises(rb.RangeBarError, match="not a checkpoint of rangebar_polars: it begins otherwise"):
        rb.BarStream.restore(data)
    other = data.replace(b"checkpoint 1", b"checkpoint 2")
    with pytest.raises(rb.RangeBarError, match="of version 2 of the format, and this library reads version 1"):
        rb.BookStream.restore(other)
    for place in range(0, len(data), 7):
        altered = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        for bytes_ in (altered, data[:place]):
            with pytest.raises(rb.RangeBarError, match="checkpoint"):
                rb.BookStream.restore(bytes_)


def goes_on(data: bytes) -> bool:
    """Whether bytes are taken; what they are taken for then works, or says what is wrong."""
    try:
        stream = rb.BookStream.restore(data)
        stream.push(UPDATES.with_columns(pl.col("timestamp").dt.offset_by("5ms")))
        stream.finish()
    except rb.RangeBarError:
        return False
    return True


@pytest.mark.parametrize("sample", ["event", "change", "2ms"])
def test_altered_bytes_with_a_true_checksum_never_panic(sample: str) -> None:
    stream = rb.BookStream(2, by="symbol", sample=sample, features=["bid", "quote_ofi", "resiliency"])
    stream.push(UPDATES)
    data = stream.checkpoint()
    assert repaired(data) == data
    assert goes_on(data)
    state = data.index(b"\n", data.index(b"\n") + 1) + 1
    taken = 0
    for place in range(state, len(data) - 8):
        for new in {0, 0x7F, 0xFF, data[place] ^ 1} - {data[place]}:
            taken += goes_on(repaired(data[:place] + bytes([new]) + data[place + 1 :]))
        goes_on(repaired(data[:place] + data[place + 1 :]))
    assert taken  # other quantities are states, too


def test_a_checkpoint_of_an_earlier_build_goes_on() -> None:
    """The stored bytes are those of `golden_stream`: write them anew only with a new version of the format."""
    stream = rb.BookStream.restore(GOLDEN.read_bytes(), depth=2, by=["symbol"])
    again = golden_stream()
    assert stream.checkpoint().partition(b'"request"')[2] == again.checkpoint().partition(b'"request"')[2]
    later = UPDATES.with_columns(
        pl.col("timestamp").dt.offset_by("5ms"), id=pl.Series([5, 5, 6, 9, 7]), first=pl.Series([5, 5, 6, 9, 7])
    )
    assert_same_bars(
        stream.push(later.with_columns(is_snapshot=False)), again.push(later.with_columns(is_snapshot=False))
    )
    assert_same_bars(stream.finish(), again.finish())


def golden_stream() -> rb.BookStream:
    stream = rb.BookStream(
        2, by="symbol", sample="change", cost_of=[0.5], first_update_id="first", last_update_id="id", crossed="repair"
    )
    ids = pl.Series([1, 1, 2, 3, 4])
    stream.push(UPDATES.with_columns(id=ids, first=ids, is_snapshot=pl.Series([True, True, False, True, False])))
    return stream


@given(case=cases(), where=CUTS, data=st.data())
def test_advancing_changes_only_when_rows_come(case: Case, where: list[float], data: st.DataObject) -> None:
    """Each time up to the next update of any group; the rows of each group are then the same."""
    if case.has_ids or case.has_batches:
        return  # an event of these may lie in two pushes with an advance between them
    stream, rows = stream_of(case), []
    pieces = cut(case.frame, where)
    for number, piece in enumerate(pieces):
        rows.append(stream.push(piece))
        rest = pl.concat([case.frame.clear(), *pieces[number + 1 :]])["timestamp"].to_physical().to_list()
        if piece.height and rest and data.draw(st.booleans()):
            rows.append(stream.advance(min(rest)))
            stream = rb.BookStream.restore(stream.checkpoint())
    found, whole = pl.concat([*rows, stream.finish()]), STREAMED["eager"](case)
    for key in {row.key for row in case.rows}:
        own = (pl.col("symbol") == f"S{key}") if case.by else pl.lit(True)
        mine, theirs = found.filter(own), whole.filter(own)
        # By the clock of the others, more instants of a group come out than behind its own last update.
        assert_same_bars(mine.head(theirs.height), theirs)
        assert case.options["sample"].endswith("ms") or mine.height == theirs.height


def test_a_clock_shows_a_silence() -> None:
    stream = rb.BookStream(1, by="symbol", sample="2ms", features=["bid"])
    assert stream.push(UPDATES.head(3)).height == 1
    before = stream.checkpoint()
    assert stream.advance(2).is_empty()  # no later than the last update
    assert stream.checkpoint() == before
    rows = stream.advance(dt.datetime(1970, 1, 1, 0, 0, 0, 7_900))  # noqa: DTZ001
    assert rows.select(pl.col("time").to_physical(), "bid").rows() == [(4, 10.0), (6, 10.0)]
    with pytest.raises(rb.RangeBarError, match=r"`timestamp` must not go back, got .*\.003 after .*\.007"):
        stream.push(UPDATES.tail(1))
    with pytest.raises(rb.RangeBarError, match="`time` must not be ahead of the last update by more than `max_step`"):
        stream.advance(2**62)
    with pytest.raises(rb.RangeBarError, match="`time` must fit a signed 64-bit integer"):
        stream.advance(2**63)
    with pytest.raises(rb.RangeBarError, match="the stream has seen no updates"):
        rb.BookStream().advance(1)
    events = rb.BookStream(1, by="symbol", features=["bid"])
    events.push(UPDATES.head(3))
    assert events.advance(3)["bid"].to_list() == [10.0]
