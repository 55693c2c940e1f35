"""What the lazy source shows of its files: a sink onto its own input is refused, and the file stays as it was."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rangebar_polars as rb

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK = threading.Lock()
SCANS: dict[str, tuple[Callable[[Path], pl.LazyFrame], str]] = {
    "an address": (lambda at: pl.scan_parquet(f"file://{at}/one.parquet"), "one.parquet"),
    "addresses": (lambda at: pl.scan_parquet([f"file://{at}/{n}.parquet" for n in ("one", "two")]), "two.parquet"),
    "two of many": (lambda at: pl.scan_ipc([at / "f/0.arrow", at / "f/3.arrow"]), "f/3.arrow"),
    "another folder": (lambda at: pl.scan_ipc([at / "f/0.arrow", at / "one.arrow"]), "one.arrow"),
    "another ending": (lambda at: pl.scan_ipc([at / "one.arrow", at / "f/0.feather"]), "f/0.feather"),
    "three": (lambda at: pl.scan_ipc([at / "one.arrow", at / "f/1.arrow", at / "f/0.feather"]), "f/0.feather"),
    "a pattern": (lambda at: pl.scan_ipc(at / "f/*.arrow"), "f/2.arrow"),
    "a folder": (lambda at: pl.scan_ipc(at / "f"), "f/1.arrow"),
    "a function that cannot be serialized": (
        lambda at: pl.scan_ipc([at / "one.arrow", at / "f/1.arrow"]).map_batches(lambda frame: (LOCK, frame)[1]),
        "one.arrow",
    ),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Trades that follow each other in the order in which scans name them."""
    trades = rb.datasets.sample_trades(1_500, symbols=["A", "B"]).sort("timestamp", maintain_order=True)
    (tmp_path / "f").mkdir()
    for number, name in enumerate(("one", "two")):
        trades.slice(500 * number, 500).write_parquet(tmp_path / f"{name}.parquet")
    names = ["f/0.arrow", "one.arrow", "f/1.arrow", "f/2.arrow", "f/3.arrow", "f/0.feather"]
    for number, name in enumerate(names):
        trades.slice(500 * number, 500).write_ipc(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("shape", ["bars", "bar ids", "gaps"])
@pytest.mark.parametrize("scan", SCANS)
def test_the_input_is_no_target(files: Path, scan: str, shape: str) -> None:
    if scan == "a folder":
        (files / "f/0.feather").unlink()
    make, target = SCANS[scan]
    trades = make(files)
    queries: dict[str, Callable[[], pl.LazyFrame]] = {
        "bars": lambda: trades.rangebar.bars(50, by="symbol"),
        "bar ids": lambda: trades.rangebar.with_bar_id(50, by="symbol"),
        "gaps": lambda: rb.gaps(trades, max_gap="1h", by="symbol"),
    }
    before = (files / target).read_bytes()
    query = queries[shape]()
    with pytest.raises(pl.exceptions.InvalidOperationError, match="cannot sink to"):
        query.sink_parquet(files / target) if target.endswith("parquet") else query.sink_ipc(files / target)
    assert (files / target).read_bytes() == before
    query.sink_parquet(files / "new.parquet")
    assert pl.read_parquet(files / "new.parquet").height == query.collect().height
