"""Candlesticks of bars, with panels of other columns below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from rangebar_polars._common.bar_times import check_years, with_datetimes
from rangebar_polars._common.columns import missing_column, name_list
from rangebar_polars._common.frames import lazy_frame
from rangebar_polars._common.groups import check_complete, group_keys, one_group
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import check_flag, is_one_of
from rangebar_polars._typing import TimeUnit
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.plotting._candles import candles, fields
from rangebar_polars.plotting._drawing import Drawing, themed, zoomable
from rangebar_polars.plotting._footprint import OF_FOOTPRINT, check_few, footprint_chart
from rangebar_polars.plotting._options import OHLC, Axis, Theme, altair_of, check_sizes

if TYPE_CHECKING:
    import altair as alt

__all__ = ["Axis", "Theme", "plot"]

_TIMES: Final = ("open_time", "close_time")
_WIDTH: Final = 800
_HEIGHT: Final = 300


def plot(
    bars: pl.LazyFrame | pl.DataFrame,
    *,
    x: Axis = "bar",
    panels: str | Sequence[str] | None = None,
    symbol: object | Mapping[str, object] = None,
    time_unit: TimeUnit | None = None,
    max_bars: int = 2_000,
    width: int | None = None,
    height: int | None = None,
    title: str | None = None,
    theme: Theme | None = "light",
    footprint: bool = False,
) -> alt.VConcatChart:
    """
    Draw the bars of one symbol as candlesticks or as footprints, with panels of other columns below.

    Parameters
    ----------
    bars
        Bars with at least `close_time`, `open`, `high`, `low`, `close` and the columns of `panels`.
    x
        "bar": one position per bar, by its number. "time": from `open_time` to `close_time`, in UTC, so that slow bars
        are wide; needs both as Datetime, or as Int64 with `time_unit`.
    panels
        Numeric columns, one panel each, in this order; `()` for none. By default the volume, and with `footprint`,
        which has its number, none.
    symbol
        The group to draw, if there are several, as in :func:`rangebar_polars.backtesting.to_backtesting`.
    time_unit
        "ms", "us" or "ns" if the times of the bars are Int64, as those of the trades were. Without it, `x="bar"` shows
        them as plain numbers.
    max_bars
        The largest number of candles to draw. If there are more bars, consecutive ones are merged so that at most
        `max_bars` candles are left, and the subtitle says how many bars each is.
    width, height
        Size of the candlesticks or footprints in pixels, at least 50; each panel adds 70 and its title to the height.
        By default 800 and 300; with `footprint`, 76 for each bar and 14 for each level, up to 840.
    title
        Replaces the group and the number of bars.
    theme
        "light" or "dark"; None leaves background, text and grid to the theme that is enabled in Altair, which is
        required for a chart that will be combined with another.
    footprint
        Whether to draw footprints instead of candlesticks, of at most 40 bars that have the column `footprint`: they
        are read number by number. `x` is then "bar".

    Returns
    -------
    altair.VConcatChart
        A chart that a notebook shows, with methods such as `save("bars.png")`, `save("bars.html")` and
        `properties(...)`. Scroll to zoom, drag to move, hover to read a bar.

    Raises
    ------
    RangeBarError
        If a parameter is invalid, a column is missing or of the wrong type, the bars hold several groups and `symbol`
        does not choose one, the group does not exist, or a price or time is null or NaN.
    ModuleNotFoundError
        If Altair is not installed: ``pip install "rangebar_polars[plot]"``.

    Notes
    -----
    Bars that closed at or above their open are green, others orange. Bars that were not ended by their threshold are
    hollow, with a mark below that shows the `close_reason`: "reset" and "gap" for orphans, and "end" for the bar that
    is still forming.

    A panel shows bars from zero, or a line if zero is further from the values than they are from each other; sums are
    always bars. Nulls, NaNs and infinities are left out. Columns that end in `_us` have an axis in seconds.

    A candle of several bars has the first open, the last close, the extremes, the sums of volumes, turnovers, counts
    and durations, and the mean of any other column; a mark says that one of the bars is an orphan.

    A footprint is a column of cells, one for each level: sell volume x buy volume, which is bid x ask. A cell is the
    darker the more volume it has, next to the largest of its bar, which is framed: the point of control. The left half
    is orange where sellers, the right half green where buyers dominate the level diagonally across by three to one. At
    the left of a column is its candle, at the right a line along the value area, below it delta, volume and the time of
    its close. If there are more levels than fit into `height`, several are merged into each cell, and the subtitle says
    how high one is; imbalances and the framed cell are then those of the merged levels. Columns that are too narrow for
    numbers, because of `width`, have only colours.

    Only the columns needed are computed and read, and the choice of the group is part of the query. The chart contains
    its data, about 450 bytes per candle. PNG and SVG need `vl-convert-python`, which the extra installs.

    Examples
    --------
    >>> import rangebar_polars as rb
    >>> from rangebar_polars.plotting import plot
    >>> trades = rb.datasets.sample_trades(20_000, symbols=["BTCUSDT", "ETHUSDT"])
    >>> bars = trades.lazy().rangebar.bars(100, by="symbol")
    >>> chart = plot(bars, x="time", panels=["volume", "ofi"], symbol="ETHUSDT")
    >>> len(chart.vconcat)
    3
    >>> chart.save("bars.html")  # doctest: +SKIP
    """
    altair = altair_of("plot")
    lazy = lazy_frame("plot", bars)
    schema = lazy.collect_schema()
    check_flag("footprint", footprint)
    names = name_list("panels", (() if footprint else ("volume",)) if panels is None else panels)
    _check_parameters(x, names, theme, footprint=footprint, max_bars=max_bars, width=width, height=height)
    _check_columns(schema, x, names, footprint=footprint)
    optional = [name for name in ("open_time", "close_reason") if name in schema]
    if x == "time" or time_unit is not None:
        lazy = with_datetimes(lazy, _TIMES if x == "time" else _TIMES[1:], time_unit)
    wanted = ["close_time", *OHLC, *optional, *names]
    if footprint:
        check_few(one_group(lazy, ["close_time"], symbol, include_incomplete=True).height)
        wanted = list(dict.fromkeys([*wanted, *OF_FOOTPRINT]))
    frame = one_group(lazy, wanted, symbol, include_incomplete=True)
    check_complete(frame, ["close_time", *OHLC, *(["open_time"] if x == "time" else [])])
    check_years(frame, [name for name in _TIMES if name in frame.columns])
    frame = frame.sort("close_time", maintain_order=True)
    heading = title if title is not None else _title(frame, group_keys(schema))
    if footprint:
        drawn: alt.VConcatChart = footprint_chart(
            altair, frame, names, title=heading, width=width, height=height, theme=theme
        )
        return drawn
    width, height = width or _WIDTH, height or _HEIGHT
    size = max(1, -(-frame.height // max_bars))
    rows = candles(frame, x, names, size)
    drawing = Drawing(altair, x, width, rows)
    lowest = names[-1] if names else None
    views = altair.vconcat(
        drawing.prices(height, lowest=lowest is None),
        *(drawing.panel(field, name, lowest=name == lowest) for field, name in fields(names).items()),
        data=altair.InlineData(values=rows.to_dicts()),
        title=altair.Title(
            heading,
            subtitle=f"each candle is {size} bars" if size > 1 else "",
        ),
        spacing=8,
    )
    chart: alt.VConcatChart = zoomable(views.resolve_scale(x="shared"), altair)
    return chart if theme is None else themed(chart, altair, theme)


def _check_parameters(x: object, panels: list[str], theme: object, *, footprint: bool, **sizes: object) -> None:
    if not is_one_of(x, Axis):
        msg = f'`x` must be "bar" or "time", got {shown(x)}'
        raise RangeBarError(msg)
    if theme is not None and not is_one_of(theme, Theme):
        msg = f'`theme` must be "light", "dark" or None, got {shown(theme)}'
        raise RangeBarError(msg)
    if len(set(panels)) < len(panels):
        msg = f"`panels` must name distinct columns, got {shown(panels)}: name each once"
        raise RangeBarError(msg)
    if footprint and x != "bar":
        msg = f'`x` must be "bar" with `footprint=True`, got {shown(x)}: columns of numbers are equally wide'
        raise RangeBarError(msg)
    check_sizes(**{name: value for name, value in sizes.items() if value is not None or name == "max_bars"})


def _check_columns(schema: pl.Schema, x: Axis, panels: list[str], *, footprint: bool) -> None:
    if footprint and "footprint" not in schema:
        msg = "the bars have no column `footprint`: make them with a tick, as in `bars(250, footprint=1.0)`"
        raise RangeBarError(msg)
    for name in (*(_TIMES if x == "time" else _TIMES[1:]), *OHLC, *panels):
        if name not in schema:
            raise missing_column(name, list(schema))
    for name in OF_FOOTPRINT if footprint else ():
        if name not in schema:
            raise missing_column(name, list(schema))
    for name in (*OHLC, *panels):
        if not schema[name].is_numeric():
            msg = f"column `{name}` must be numeric, got {shown(schema[name])}: cast it"
            raise RangeBarError(msg)


def _title(frame: pl.DataFrame, keys: list[str]) -> str:
    number = f"{frame.height:,} {'bar' if frame.height == 1 else 'bars'}"
    if frame.is_empty():
        return number
    first = frame.row(0, named=True)
    group = [f"{key} {first[key]}" if key == "threshold_dbps" else str(first[key]) for key in keys]
    return ", ".join([*group, number])
