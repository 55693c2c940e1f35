"""Contract of `sink_bars` with stores: an upload is the whole query or none; and what Polars must do for that."""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import polars as pl
import pytest
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal

import rangebar_polars as rb
from tests._sinks import FAILURES, OLD, OwnError, blocks


class Store:
    """An empty bucket of a store that speaks S3, within this process."""

    numbers = itertools.count()

    def __init__(self, endpoint: str) -> None:
        self.bucket = f"lake-{next(self.numbers)}"
        self.endpoint = endpoint
        self.options = {
            "aws_endpoint_url": endpoint,
            "aws_region": "us-east-1",
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "aws_allow_http": "true",
        }
        self.ask("", "PUT")

    def ask(self, query: str, method: str = "GET") -> str:
        request = urllib.request.Request(f"{self.endpoint}/{self.bucket}{query}", method=method)
        with urllib.request.urlopen(request) as answer:
            text: str = answer.read().decode()
        return text

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def objects(self) -> dict[str, str]:
        """Names of the objects, with what changes when an object does."""
        listing = self.ask("?list-type=2")
        found = re.findall(r"<Key>([^<]+)</Key>.*?<ETag>([^<]+)</ETag>", listing, re.DOTALL)
        return dict(found)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of its dependencies
        moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(endpoint: str) -> Store:
    return Store(endpoint)


def test_a_store_gets_the_whole_query(store: Store, trades: pl.DataFrame, bars: pl.DataFrame) -> None:
    state = rb.BarState()
    lazy = trades.lazy().rangebar.bars(50, by="symbol", state=state)
    rb.sink_bars(lazy, store.address("a.parquet"), state=state, storage_options=store.options, metadata={"who": "me"})
    assert list(store.objects()) == ["a.parquet"]
    assert_frame_equal(
        pl.read_parquet(store.address("a.parquet"), storage_options=store.options), bars, check_exact=True
    )
    kept = rb.read_state(store.address("a.parquet"), storage_options=store.options)
    assert kept._before == state.checkpoint()  # noqa: SLF001
    scan = pl.scan_parquet(store.address("a.parquet"), storage_options=store.options)
    rb.sink_bars(scan.filter(symbol="AAA"), store.address("a.parquet"), storage_options=store.options)  # onto its input
    left = pl.read_parquet(store.address("a.parquet"), storage_options=store.options)
    assert_frame_equal(left, bars.filter(symbol="AAA"), check_exact=True)


@pytest.mark.parametrize("case", FAILURES)
def test_a_query_that_fails_publishes_nothing(case: str, store: Store, trades: pl.DataFrame) -> None:
    make, options, kind, text = FAILURES[case]
    OLD.write_parquet(store.address("old.parquet"), storage_options=store.options)
    before = store.objects()
    assert list(before) == ["old.parquet"]
    for key in ("old", "new") * 2:
        state = rb.BarState()
        given = {**options, "state": state} if "state" in options else options
        with pytest.raises(kind, match=text):
            rb.sink_bars(make(trades, state), store.address(f"{key}.parquet"), storage_options=store.options, **given)
        assert store.objects() == before
    time.sleep(0.2)  # Polars may go on writing after it has raised
    assert store.objects() == before


def test_a_large_query_that_fails_publishes_nothing(store: Store) -> None:
    """Parts of it were uploaded by then."""
    with pytest.raises(OwnError):
        rb.sink_bars(blocks(120, fails_at=119), store.address("large.parquet"), storage_options=store.options)
    time.sleep(0.3)
    assert store.objects() == {}
    rb.sink_bars(blocks(120), store.address("large.parquet"), storage_options=store.options)
    assert list(store.objects()) == ["large.parquet"]


# ------------------------------------------------------------------------------------- what Polars does


@contextlib.contextmanager
def target_of(kind: str, folder: Path, store: Store | None) -> Iterator[tuple[str | Path | IO[bytes], dict[str, Any]]]:
    if kind == "file":
        with (folder / "a.parquet").open("wb") as file:
            yield file, {}
    elif kind == "path":
        yield folder / "a.parquet", {}
    else:
        assert store is not None
        yield store.address("a.parquet"), {"storage_options": store.options}


@pytest.mark.parametrize("kind", ["file", "path", "store"])
def test_polars_asks_for_the_footer_once_and_last(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the guard rests on: `metadata=` is called after the source has ended, and without an answer no footer is."""
    store = request.getfixturevalue("store") if kind == "store" else None
    monkeypatch.setenv("POLARS_WARN_UNSTABLE", "0")  # the parameter is experimental, and says so where one asks
    told: list[str] = []

    def source(*_: object) -> Iterator[pl.DataFrame]:
        for block in range(20):
            told.append(f"block {block}")
            yield pl.DataFrame({"row": pl.int_range(20_000, eager=True)})
        told.append("end")

    def asked(_: object) -> dict[str, str]:
        told.append("footer")
        return {"who": "me"}

    def refused(_: object) -> dict[str, str]:
        told.append("refused")
        raise OwnError("no")

    query = register_io_source(source, schema={"row": pl.Int64()})
    with target_of(kind, tmp_path, store) as (target, options):
        query.sink_parquet(target, metadata=asked, **options)
    assert told == [*(f"block {block}" for block in range(20)), "end", "footer"]
    read = tmp_path / "a.parquet" if store is None else store.address("a.parquet")
    options = {} if store is None else {"storage_options": store.options}
    assert pl.read_parquet(read, **options).height == 400_000
    assert pl.read_parquet_metadata(read, **options)["who"] == "me"
    before = None if store is None else store.objects()
    with target_of(kind, tmp_path, store) as (target, options), pytest.raises(pl.exceptions.ComputeError, match="no"):
        query.sink_parquet(target, metadata=refused, **options)
    assert told[-2:] == ["end", "refused"]
    time.sleep(0.1)
    if store is None:
        with pytest.raises(pl.exceptions.ComputeError):
            pl.read_parquet(read)
    else:
        assert store.objects() == before
