"""
Bars in a file or in an object of a store: either all of them, or what was there before.

A sink of Polars that fails may still finish its file, with the rows so far and a footer that says that they are all.
The footer is written last, and Polars calls a function of ours for further entries in it. That function checks whether
the query has come to its end: if not, no footer is written, and no object is completed.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

import polars as pl
from polars.io.plugins import register_io_source

from rangebar_polars._bars.state import BarState, put_back, runs
from rangebar_polars._common.disk import replace_file
from rangebar_polars._engine.reading import batches, droppable
from rangebar_polars.exceptions import RangeBarError

__all__ = ["read_state", "sink_bars"]

_Metadata: TypeAlias = Mapping[str, str] | Callable[[Any], Mapping[str, str]]

_STATE = "rangebar_polars.checkpoint"
"""The key in the footer of the state, which is stored as Base64."""

_STORES = ("s3://", "s3a://", "gs://", "gcs://", "az://", "azure://", "adl://", "abfs://", "abfss://")
"""Beginnings of addresses that Polars can write to, other than files."""

_OURS = ("lazy", "optimizations", "sinked_paths_callback")
"""Options of `sink_parquet` that have no meaning here."""


def sink_bars(
    lf: pl.LazyFrame,
    path: str | os.PathLike[str],
    *,
    state: BarState | None = None,
    **options: Any,  # noqa: ANN401  (those of `sink_parquet`)
) -> None:
    """
    Write a query to one Parquet file, completely or not at all.

    :meth:`polars.LazyFrame.sink_parquet` opens the file first and, if the query fails, leaves one that can often be
    read but holds only some of the rows. Here a file that was there before stays as it is until the new one is complete
    and on the disk, and is then replaced in one step, whatever happens: an error of the query, a full disk, Ctrl-C, a
    killed process. So the query may even read the file that it replaces.

    Parameters
    ----------
    lf
        Any query: bars, or what you make of them.
    path
        Name of the file, which ends with ``.parquet``, or address of an object in a store that Polars can write to,
        such as ``s3://bucket/bars.parquet``.
    state
        The state that was passed to the bars of the query. Its value after the last trade is written into the footer of
        the same file, where :func:`read_state` finds it: there are never bars without the state, or a state without the
        bars. If nothing is written, the state is what it was.
    **options
        As in :meth:`polars.LazyFrame.sink_parquet`: `compression`, `metadata`, `storage_options`, `mkdir` and so on.
        `lazy`, `optimizations` and `sinked_paths_callback` are refused.

    Raises
    ------
    RangeBarError
        If an argument is not as described above, if the query stopped before its end, or if `state` is not the one that
        it was given. Nothing is written then.
    Exception
        Whatever the query raises, unchanged.
    OSError
        If the file cannot be written.

    See Also
    --------
    read_state : The state that was written with bars.

    Notes
    -----
    **Files.** The new file is written in the folder of the old one, synchronised with the disk, and put in its place by
    one rename, after which the folder is synchronised. On Linux it has no name until it is complete, so that nothing is
    left of it if the process is killed, and the folder can be read meanwhile. Elsewhere, and on file systems without
    such files, its name is ``.sink_bars-``, a number and ``.tmp``: Polars refuses to scan a folder with such a file in
    it, though not a pattern such as ``folder/*.parquet``, and a killed process leaves it there. A link is followed, and
    a file keeps its permissions.

    **Stores.** There is no rename: an object appears when it is complete, and a query that fails never completes it.
    The store may keep what was uploaded until then as an unfinished upload, which a rule of the bucket can remove.

    **Cost.** The rows pass through Python batch by batch, without a copy. Memory is that of the query.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = Path(folder.name) / "bars.parquet"
    >>> rb.sink_bars(trades.lazy().rangebar.bars(100, by="symbol"), file)
    >>> pl.read_parquet(file).equals(trades.rangebar.bars(100, by="symbol"))
    True

    With a row that is not a trade, the query fails and the file stays as it was.

    >>> wrong = trades.with_columns(price=pl.when(pl.int_range(pl.len()) < 9_000).then("price").otherwise(-1.0))
    >>> try:
    ...     rb.sink_bars(wrong.lazy().rangebar.bars(100, by="symbol"), file)
    ... except rb.RangeBarError as error:
    ...     print(error)
    `price` must be finite and > 0, got -1.0 at row 9000 (row 9000 of symbol="BTCUSDT"); filter out such rows
    >>> pl.read_parquet(file).equals(trades.rangebar.bars(100, by="symbol"))
    True
    >>> folder.cleanup()
    """
    if not isinstance(lf, pl.LazyFrame):
        msg = f"`sink_bars` takes a LazyFrame, got {type(lf).__name__}: call `.lazy()` on a DataFrame"
        raise RangeBarError(msg)
    if state is not None and not isinstance(state, BarState):
        msg = f"`state` must be the BarState that was passed to `bars`, got {type(state).__name__}"
        raise RangeBarError(msg)
    for name in _OURS:
        if options.pop(name, None):
            msg = f"`sink_bars` runs the query at once and writes one file: leave `{name}` out"
            raise RangeBarError(msg)
    target = _checked_target(path)
    query = _Query(lf, state, options.pop("metadata", None))

    def write(to: str | IO[bytes]) -> None:
        with query.guarded():
            query.rows().sink_parquet(to, metadata=query.footer, **options)

    if isinstance(target, Path):
        _check_folder(target.parent, make=options.pop("mkdir", False))
    try:
        if isinstance(target, Path):
            replace_file(target, write)
        else:
            write(target)
    except BaseException:
        query.put_back()
        raise


def read_state(
    path: str | os.PathLike[str],
    *,
    storage_options: dict[str, Any] | None = None,
    credential_provider: Any = "auto",  # noqa: ANN401  (Polars' type is private)
) -> BarState:
    """
    Read the state that :func:`sink_bars` wrote with the bars.

    Parameters
    ----------
    path
        The file, or the address of the object.
    storage_options, credential_provider
        As in :func:`polars.read_parquet_metadata`.

    Returns
    -------
    BarState
        A state that begins where the bars of the file end: pass it to the next query.

    Raises
    ------
    RangeBarError
        If the file holds no state.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> trades = rb.datasets.sample_trades(10_000, symbols=["BTCUSDT"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     monday, tuesday = Path(folder) / "monday.parquet", Path(folder) / "tuesday.parquet"
    ...     state = rb.BarState()
    ...     rb.sink_bars(trades.head(4_321).lazy().rangebar.bars(100, state=state), monday, state=state)
    ...     state = rb.read_state(monday)  # tomorrow, in another process
    ...     rb.sink_bars(trades.tail(-4_321).lazy().rangebar.bars(100, state=state), tuesday, state=state)
    ...     bars = pl.read_parquet([monday, tuesday])
    >>> bars.equals(trades.rangebar.bars(100))
    True
    """
    source = path if isinstance(path, str) else os.fspath(path)
    footer = pl.read_parquet_metadata(source, storage_options=storage_options, credential_provider=credential_provider)
    if _STATE not in footer:
        msg = f"{source!r} holds no state: write it with `sink_bars(..., state=...)`"
        raise RangeBarError(msg)
    try:
        return BarState(base64.b64decode(footer[_STATE], validate=True))
    except binascii.Error as error:
        msg = f"the state in {source!r} is not Base64: another program has altered the file"
        raise RangeBarError(msg) from error


class _Query:
    """A query that knows whether all of its rows were read, or else what stopped it."""

    def __init__(self, frame: pl.LazyFrame, state: BarState | None, metadata: _Metadata | None) -> None:
        self._frame = frame
        self._state = state
        self._metadata = metadata
        self._before = _left_in(state)
        self._runs = 0 if state is None else runs(state)
        self._ended = self._has_footer = False
        self._error: BaseException | None = None
        if not callable(metadata):
            self._check(metadata or {})

    def rows(self) -> pl.LazyFrame:
        """The rows of the query, passed through Python."""
        return register_io_source(
            self._source, schema=self._frame.collect_schema(), validate_schema=True, explain_name="WHOLE QUERY"
        )

    def _source(
        self, with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del predicate, n_rows, batch_size  # a sink asks for everything
        with self._remembered():
            yield from droppable(batches(self._frame, with_columns or self._frame.collect_schema().names()))
            self._ended = True

    def footer(self, context: Any) -> dict[str, str]:  # noqa: ANN401  (Polars' type is private)
        """The entries of the footer, or an error, which prevents a footer."""
        if not self._ended:  # the error is what stopped it, not this
            raise RangeBarError("the query stopped before its end: nothing was written")
        with self._remembered():
            given = self._metadata(context) if callable(self._metadata) else self._metadata or {}
            entries = {**self._check(given), **self._entry_of_state()}
            self._has_footer = True
            return entries

    def _entry_of_state(self) -> dict[str, str]:
        if self._state is None:
            return {}
        data = _left_in(self._state)
        if data is None or data is self._before:
            msg = (
                "the query has left nothing in `state`: pass one BarState to both `bars` and `sink_bars`, and let the"
                " query read all trades"
            )
            raise RangeBarError(msg)
        if runs(self._state) > self._runs + 1:
            msg = "several queries were given this `state`, which can hold that of one: pass each its own"
            raise RangeBarError(msg)
        return {_STATE: base64.b64encode(data).decode()}

    @staticmethod
    def _check(metadata: Mapping[str, str]) -> Mapping[str, str]:
        if _STATE in metadata:
            msg = f"`metadata` must not contain the key {_STATE!r}, which is reserved for `state`"
            raise RangeBarError(msg)
        return metadata

    @contextmanager
    def _remembered(self) -> Generator[None]:
        """Remember the first error: Polars may raise another in its place, or none."""
        try:
            yield
        except GeneratorExit:
            raise
        except BaseException as error:
            self._error = self._error or error
            raise

    def put_back(self) -> None:
        """Make the state what it was, as the file is."""
        if self._state is not None:
            put_back(self._state, self._before)

    @contextmanager
    def guarded(self) -> Generator[None]:
        """Raise what ended the query early, as it was raised."""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException:
            if self._error is None:
                raise
        if self._error is not None:
            raise self._error
        if not self._has_footer:
            raise RangeBarError(
                "this version of Polars did not ask for the footer, so nothing shows that the file is complete: "
                "use another version"
            )


def _left_in(state: BarState | None) -> bytes | None:
    """What the last query has left in a state."""
    with suppress(RangeBarError):
        return None if state is None else state.checkpoint()
    return None


def _checked_target(path: str | os.PathLike[str]) -> Path | str:
    """The file to write, with links followed, or the address of an object."""
    name: object = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(name, str):
        msg = f"`path` must be the name of a file or the address of an object, got {path!r}"
        raise RangeBarError(msg)
    if name.startswith("file://"):
        name = url2pathname(urlsplit(name).path)
    if not name.endswith(".parquet"):
        msg = f"`path` must end with .parquet, got {name!r}"
        raise RangeBarError(msg)
    if name.startswith(_STORES):
        return name
    if "://" in name:
        msg = (
            f"`path` must be a file or an object of a store that Polars writes to ({', '.join(_STORES)}), got {name!r}"
        )
        raise RangeBarError(msg)
    file = Path(os.path.realpath(Path(name).expanduser()))
    if file.exists() and not file.is_file():
        msg = f"`path` must name a file, but {name!r} is something else"
        raise RangeBarError(msg)
    return file


def _check_folder(folder: Path, *, make: bool) -> None:
    """A file needs its folder."""
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        msg = f"folder {str(folder)!r} does not exist: create it, or pass mkdir=True"
        raise FileNotFoundError(msg)
