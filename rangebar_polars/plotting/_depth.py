"""A heat map of an order book, with bars and trades over it."""

from __future__ import annotations

from itertools import count, takewhile
from typing import TYPE_CHECKING, Final

import polars as pl

from rangebar_polars._common.bar_times import with_datetimes
from rangebar_polars._common.columns import missing_column
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.groups import check_complete, group_keys, group_name
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_flag, is_one_of
from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.plotting._depth_chart import DepthDrawing
from rangebar_polars.plotting._drawing import themed, zoomable
from rangebar_polars.plotting._levels import level_columns, levels_of
from rangebar_polars.plotting._options import OHLC, Theme, altair_of, check_sizes

if TYPE_CHECKING:
    import altair as alt

__all__ = ["plot_depth"]

_WIDTH: Final = 800
_HEIGHT: Final = 400
_CELL: Final = 3
"""Pixels of a cell, both ways, below which states and levels are merged."""
_MARK: Final = 6
"""Pixels in which the trades of one side are one mark, if there are many."""
_MOST_TRADES: Final = 500
"""Marks that the eye can tell apart."""
_OF_BARS: Final = ("open_time", "close_time", *OHLC)
_OF_TRADES: Final = ("timestamp", "price", "quantity")
_MAKER: Final = "is_buyer_maker"


def plot_depth(
    books: pl.LazyFrame | pl.DataFrame,
    *,
    bars: pl.LazyFrame | pl.DataFrame | None = None,
    trades: pl.LazyFrame | pl.DataFrame | None = None,
    depth: int | None = None,
    log: bool = False,
    time_unit: TimeUnit | None = None,
    max_cells: int = 20_000,
    width: int = _WIDTH,
    height: int = _HEIGHT,
    title: str | None = None,
    theme: Theme | None = "light",
) -> alt.LayerChart:
    """
    Draw an order book over time as a heat map of what its levels offer, with bars and trades over it.

    Parameters
    ----------
    books
        States of the book of one symbol, as :meth:`LazyFrameRangeBar.book` gives them with the feature "levels": `time`
        and `bid_1`, `bid_size_1`, `ask_1`, `ask_size_1` and so on.
    bars
        Bars of the same symbol to draw as candlesticks: `open_time`, `close_time`, `open`, `high`, `low`, `close`.
    trades
        Trades of the same symbol to draw as marks: `timestamp`, `price`, `quantity` and, for the side,
        `is_buyer_maker`.
    depth
        The number of levels of each side to draw. None: all that the books have.
    log
        Whether colours follow the logarithm of the quantity, which shows small quantities beside large ones.
    time_unit
        "ms", "us" or "ns" if the times are Int64.
    max_cells
        The largest number of cells to draw, at least 1,000. With more of them, or if they would be smaller than three
        pixels, states are merged into columns of equal length, and levels into rows; the subtitle says which.
    width, height
        Size in pixels, at least 50.
    title
        Replaces the symbol and the number of states.
    theme
        "light" or "dark"; None leaves background, text and grid to the theme that is enabled in Altair, which is
        required for a chart that will be combined with another.

    Returns
    -------
    altair.LayerChart
        A chart that a notebook shows, with methods such as `save("book.png")`. Scroll to zoom, drag to move, hover to
        read a cell.

    Raises
    ------
    RangeBarError
        If a parameter is invalid, a column is missing or of the wrong type, a frame holds several symbols, the bars or
        trades are of another symbol, a time is null, or there is no level to draw.
    ModuleNotFoundError
        If Altair is not installed: ``pip install "rangebar_polars[plot]"``.

    See Also
    --------
    plot : Bars alone, with panels of their columns.

    Notes
    -----
    Bids are blue, asks orange, which every eye tells apart; the darker (in the dark theme: the lighter), the more is
    offered. The lines are the best bid and ask. A state holds until the next one; what is invalid stays blank. Times
    are in UTC. Columns to the left of `time` are keys.

    Merged states: a column shows the state at its end, from its beginning on, so within one column the picture knows
    more than a trader did. Merged levels: a row shows the sum of their quantities; where it has both sides, bids
    are the lower half.

    A candle reaches from the time of its open to that of its close; it is filled if it closed below its open, hollow
    otherwise. Triangles are trades: upwards, the buyer was the aggressor; the area is the quantity. More than 500 of
    them are merged, within six pixels and side by side, into the sum of their quantities at their mean price; the
    subtitle says so. What is beyond the times and the levels of the books is left out, as are levels and trades of no
    quantity, null or NaN.

    Only the columns needed are computed and read. The chart contains its data, some 100 bytes for each cell; a level
    that does not change is one cell, however long.

    Examples
    --------
    >>> import rangebar_polars as rb
    >>> from rangebar_polars.plotting import plot_depth
    >>> books = rb.datasets.sample_book_updates(2_000).rangebar.book(depth=10, sample="1s", features=["levels"])
    >>> trades = rb.datasets.sample_trades(2_000)
    >>> chart = plot_depth(books, bars=trades.rangebar.bars(10), trades=trades, log=True)
    >>> chart.title.text
    '43 states'
    >>> chart.save("book.png")  # doctest: +SKIP
    """
    altair = altair_of("plot_depth")
    check_flag("log", log)
    if theme is not None and not is_one_of(theme, Theme):
        msg = f'`theme` must be "light", "dark" or None, got {shown(theme)}'
        raise RangeBarError(msg)
    check_sizes(width=width, height=height, max_cells=max_cells)
    lazy = lazy_frame("plot_depth", books)
    schema = lazy.collect_schema()
    found = _depth(schema, depth)
    keys = list(schema)[: list(schema).index("time")]
    states, group = _of_one_symbol(
        "books", lazy, keys, ["time", *level_columns(found)], times=["time"], time_unit=time_unit
    )
    rows = max(1, height // _CELL)
    levels = None
    if not states.is_empty():
        most = max(1, min(width // _CELL, max_cells // (2 * min(found, rows))))
        levels = levels_of(states.sort("time", maintain_order=True), found, most_columns=most, most_rows=rows)
    if levels is None:
        msg = "there is nothing to draw: the books have no state with a level; check the filter, and `is_valid`"
        raise RangeBarError(msg)
    span = float(levels.best["at"][0]), float(levels.best["at"][-1])
    candles = None if bars is None else _candles(bars, time_unit, group, span)
    marks, are_merged = None, False
    if trades is not None:
        marks, are_merged = _marks(trades, time_unit, group, span, (span[1] - span[0]) * _MARK / width)
    drawing = DepthDrawing(altair, levels, (width, height), theme or "light", log=log)
    told = drawing.subtitle(merged_trades=are_merged)
    name = ", ".join([*map(str, group.values()), f"{states.height:,} {'state' if states.height == 1 else 'states'}"])
    chart = drawing.chart(candles, marks).properties(
        title=altair.Title(name if title is None else title, subtitle=told), width=width, height=height
    )
    chart = zoomable(chart, altair)
    drawn: alt.LayerChart = chart if theme is None else themed(chart, altair, theme)
    return drawn


def _depth(schema: pl.Schema, depth: int | None) -> int:
    """How many levels there are to draw."""
    if "time" not in schema:
        raise missing_column(
            "time", list(schema), remedy='make states with `updates.rangebar.book(features=["levels"])`'
        )
    found = sum(1 for _ in takewhile(lambda level: f"bid_{level}" in schema, count(1)))
    if not found:
        remedy = 'the books need their levels, as in `updates.rangebar.book(features=["levels"])`'
        raise missing_column("bid_1", list(schema), remedy=remedy)
    if depth is None:
        depth = found
    elif isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= found:
        msg = f"`depth` must be an integer in 1..{found}, which is what the books have, or None, got {shown(depth)}"
        raise RangeBarError(msg)
    _check_numeric(schema, level_columns(depth))
    return depth


def _check_numeric(schema: pl.Schema, names: list[str]) -> None:
    for name in names:
        if name not in schema:
            raise missing_column(name, list(schema))
        if not schema[name].is_numeric():
            msg = f"column `{name}` must be numeric, got {shown(schema[name])}: cast it"
            raise RangeBarError(msg)


def _of_one_symbol(
    what: str,
    lazy: pl.LazyFrame,
    keys: list[str],
    columns: list[str],
    *,
    times: list[str],
    time_unit: TimeUnit | None,
) -> tuple[pl.DataFrame, dict[str, object]]:
    """The columns of a frame that holds one symbol, with the times as Datetime in UTC, and its keys."""
    frame = with_datetimes(lazy, times, time_unit).select(list(dict.fromkeys([*keys, *columns]))).collect()
    groups = frame.select(keys).unique(maintain_order=True) if keys else pl.DataFrame()
    if groups.height > 1:
        first = groups.row(0, named=True)
        key = next(name for name in keys if groups[name].n_unique() > 1)
        msg = (
            f"the {what} hold {groups.height} groups, the first of them {group_name(first)}: choose one, as in "
            f"`{what}.filter(pl.col({shown(key)}) == {shown(first[key])})`"
        )
        raise RangeBarError(msg)
    for name in times:
        if frame[name].null_count():
            row = frame[name].is_null().arg_true()[0]
            msg = f"column `{name}` of the {what} must not be null, got None in row {row}: drop such rows"
            raise RangeBarError(msg)
    return frame.select(columns), groups.row(0, named=True) if groups.height else {}


def _check_same(what: str, own: dict[str, object], group: dict[str, object]) -> None:
    for key in own.keys() & group.keys():
        if own[key] != group[key]:
            msg = (
                f"the {what} are of {group_name({key: own[key]})}, the books of {group_name({key: group[key]})}: "
                "filter one of them"
            )
            raise RangeBarError(msg)


def _ms(name: str) -> pl.Expr:
    """A time as Vega counts."""
    return pl.col(name).dt.timestamp("us") / 1_000


def _candles(
    bars: pl.LazyFrame | pl.DataFrame,
    time_unit: TimeUnit | None,
    group: dict[str, object],
    span: tuple[float, float],
) -> pl.DataFrame:
    """Bars within the times of the books."""
    lazy = lazy_frame("plot_depth", bars)
    schema = lazy.collect_schema()
    for name in _OF_BARS:
        if name not in schema:
            raise missing_column(name, list(schema))
    _check_numeric(schema, list(OHLC))
    keys = group_keys(schema)
    frame, own = _of_one_symbol(
        "bars", lazy, keys, list(_OF_BARS), times=["open_time", "close_time"], time_unit=time_unit
    )
    _check_same("bars", own, group)
    check_complete(frame, OHLC)
    return (
        frame.select(pl.col(OHLC).cast(pl.Float64), left=_ms("open_time"), right=_ms("close_time"))
        .filter(pl.col("left") < span[1], pl.col("right") > span[0])
        .with_columns(middle=(pl.col("left") + pl.col("right")) / 2)
    )


def _marks(
    trades: pl.LazyFrame | pl.DataFrame,
    time_unit: TimeUnit | None,
    group: dict[str, object],
    span: tuple[float, float],
    length: float,
) -> tuple[pl.DataFrame, bool]:
    """Trades within the times of the books, and whether they were merged."""
    lazy = lazy_frame("plot_depth", trades)
    schema = lazy.collect_schema()
    for name in _OF_TRADES:
        if name not in schema:
            raise missing_column(name, list(schema))
    _check_numeric(schema, ["price", "quantity"])
    keys = [name for name in ("symbol",) if name in schema]
    sided = schema.get(_MAKER) == pl.Boolean
    columns = [*_OF_TRADES, *([_MAKER] if sided else [])]
    frame, own = _of_one_symbol("trades", lazy, keys, columns, times=["timestamp"], time_unit=time_unit)
    _check_same("trades", own, group)
    maker = pl.col(_MAKER) if sided else pl.lit(None, pl.Boolean)
    frame = frame.select(
        pl.col("price", "quantity").cast(pl.Float64),
        at=_ms("timestamp"),
        side=pl.when(maker).then(pl.lit("sold")).when(~maker).then(pl.lit("bought")).otherwise(pl.lit("traded")),
    ).filter(
        pl.col("at").is_between(*span),
        pl.col("price").is_finite(),
        pl.col("quantity").is_finite(),
        pl.col("quantity") > 0,
    )
    if frame.height <= _MOST_TRADES:
        return frame, False
    quantity = pl.col("quantity")
    merged = frame.group_by(pl.col("at") // length, "side", maintain_order=True).agg(
        # What was paid over what was bought: the mean price.
        price=(pl.col("price") * quantity).sum() / quantity.sum(),
        quantity=quantity.sum(),
        when=pl.col("at").mean(),
    )
    return merged.select("price", "quantity", "side", at="when"), True
