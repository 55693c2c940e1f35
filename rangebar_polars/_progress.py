"""A progress bar beside a long query, by tqdm."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import polars as pl

__all__ = ["check_progress", "with_progress"]


def check_progress(progress: bool) -> bool:  # noqa: FBT001
    """Says at once, not when the query runs, that tqdm is missing."""
    if progress:
        _tqdm()
    return progress


def with_progress(batches: Iterator[pl.DataFrame], frame: pl.LazyFrame, time: str) -> Iterator[pl.DataFrame]:
    """The batches of a frame, while a bar on stderr shows how many of its rows were worked on and the time reached."""
    rows: int = frame.select(pl.len()).collect(engine="streaming").item()
    with _tqdm()(total=rows, desc="range bars", unit=" trades", unit_scale=True, mininterval=0.5) as bar:
        for batch in batches:
            yield batch
            if batch.height:
                bar.set_postfix_str(f"at {batch[time][-1]}", refresh=False)
                bar.update(batch.height)


def _tqdm() -> Any:  # noqa: ANN401  (tqdm marks no types)
    try:
        return import_module("tqdm.auto").tqdm
    except ModuleNotFoundError as error:
        msg = 'progress=True needs tqdm: pip install "rangebar_polars[progress]"'
        raise ModuleNotFoundError(msg, name=error.name) from error
