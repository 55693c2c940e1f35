"""Bars as a chart: candlesticks and panels of feature columns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import polars as pl

from rangebar_polars._columns import missing_column
from rangebar_polars._groups import check_complete, group_keys, one_group
from rangebar_polars.exceptions import RangeBarError

if TYPE_CHECKING:
    import altair as alt

__all__ = ["Axis", "Theme", "plot"]

Axis = Literal["bar", "time"]
Theme = Literal["light", "dark"]

_OHLC: Final = ("open", "high", "low", "close")
_TIMES: Final = ("open_time", "close_time")
_REASONS: Final = {"reset": "triangle-down", "gap": "square", "end": "circle"}
"""Shapes of the marks under bars that no threshold ended."""

_SUMS: Final = frozenset(
    {
        "agg_record_count", "buy_trade_count", "buy_turnover", "buy_volume", "duration_us", "individual_trade_count",
        "intra_duration_us", "intra_trade_count", "sell_trade_count", "sell_turnover", "sell_volume", "turnover",
        "volume",
    }
)  # fmt: skip
"""Columns that add up over bars; of all others the mean stands for several bars."""

_CLOCK: Final = {
    "year": "%-d %b %Y",
    "month": "%-d %b",
    "date": "%-d %b",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": "%S.%L",
}
"""How a label of the time axis reads, by what it is the beginning of."""

_BODY: Final = 0.38
"""Half the width of a candle, where the distance from bar to bar is 1."""
_PIXELS_PER_TICK: Final = 90
_PANEL_HEIGHT: Final = 70
_MARGIN: Final = 14  # room for the marks below
_LEAST_SIZE: Final = 50
_LARGE: Final = 1e4
_SMALL: Final = 1e-3

_NUMBERS: Final = count(1)
"""Of the charts: two that stand in one are zoomed apart."""

_UP: Final = "#1b9e77"
_DOWN: Final = "#d95f02"  # told from green by every eye
_MARK: Final = "#8e7cc3"


@dataclass(frozen=True)
class _Colours:
    background: str
    text: str
    grid: str


_COLOURS: Final[dict[Theme, _Colours]] = {
    "light": _Colours(background="#ffffff", text="#3d4148", grid="#e9ebee"),
    "dark": _Colours(background="#14171c", text="#c4c9d1", grid="#2a2f37"),
}


def plot(
    bars: pl.LazyFrame | pl.DataFrame,
    *,
    x: Axis = "bar",
    panels: str | Sequence[str] = ("volume",),
    symbol: object | Mapping[str, object] = None,
    max_bars: int = 2_000,
    width: int = 800,
    height: int = 300,
    title: str | None = None,
    theme: Theme | None = "light",
) -> alt.VConcatChart:
    """
    Draw the bars of one symbol as candlesticks, with panels of other columns below.

    Parameters
    ----------
    bars
        Bars with at least `close_time`, `open`, `high`, `low`, `close` and the columns of `panels`.
    x
        "bar": one place a bar, by its number. "time": from `open_time` to `close_time`, in UTC, so that a bar is as
        wide as it was slow; needs both as Datetime.
    panels
        Numeric columns, one panel each, in this order; `()` for none.
    symbol
        The group wanted, where there are several: as in :func:`rangebar_polars.backtesting.to_backtesting`.
    max_bars
        The most candles to draw. Of more bars, so many successive ones become one candle that at most `max_bars` are
        left, and the subtitle says how many.
    width, height
        Pixels of the candlesticks, at least 50; each panel adds 70 and its title to the height.
    title
        Instead of the group and the number of bars.
    theme
        "light" or "dark"; None leaves background, text and grid to the theme that Altair has enabled, as a chart must
        that is to stand beside another in one.

    Returns
    -------
    altair.VConcatChart
        A chart that a notebook shows, and that `save("bars.png")`, `save("bars.html")` and `properties(...)` go on
        with. Scroll to zoom in, drag to move, hover to read a bar.

    Raises
    ------
    RangeBarError
        If a parameter is not what it must be, a column is missing or of the wrong type, the bars hold several groups
        and `symbol` does not choose one, the group does not exist, or a price or time is null or NaN.
    ModuleNotFoundError
        If Altair is not installed: ``pip install "rangebar_polars[plot]"``.

    Notes
    -----
    Bars that closed above their open or at it are green, others orange. Bars that no threshold ended are hollow, with a
    mark below that names the `close_reason`: the orphans "reset" and "gap", and "end" for the bar still forming.

    A panel shows bars from zero, or a line where zero is further from the values than they are from each other; sums
    are always bars. A null, a NaN and an infinity are left out.

    Several bars in one candle have the first open, the last close, the extremes, the sums of volumes, turnovers, counts
    and durations, and the mean of any other column; a mark says that one of them is an orphan.

    Only the columns needed are computed and read, and the choice of the group is part of the query. The chart carries
    its data, some 450 bytes a candle. PNG and SVG need `vl-convert-python`, which the extra installs.

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
    altair = _altair()
    lazy = bars.lazy()
    schema = lazy.collect_schema()
    names = [panels] if isinstance(panels, str) else list(panels)
    _check_parameters(x, names, theme, max_bars=max_bars, width=width, height=height)
    _check_columns(schema, x, names)
    optional = [name for name in ("open_time", "close_reason") if name in schema]
    frame = one_group(lazy, ["close_time", *_OHLC, *optional, *names], symbol)
    check_complete(frame, ["close_time", *_OHLC, *(["open_time"] if x == "time" else [])])
    frame = frame.sort("close_time", maintain_order=True)
    size = max(1, -(-frame.height // max_bars))
    candles = _candles(frame, x, names, size)
    drawing = _Drawing(altair, x, width, candles)
    lowest = names[-1] if names else None
    views = altair.vconcat(
        drawing.prices(height, lowest=lowest is None),
        *(drawing.panel(field, name, lowest=name == lowest) for field, name in _fields(names).items()),
        data=altair.InlineData(values=candles.to_dicts()),
        title=altair.Title(
            title if title is not None else _title(frame, group_keys(schema)),
            subtitle=f"each candle is {size} bars" if size > 1 else "",
        ),
        spacing=8,
    )
    chart: alt.VConcatChart = _zoomable(views.resolve_scale(x="shared"), altair)
    return chart if theme is None else _themed(chart, altair, _COLOURS[theme])


def _altair() -> Any:  # noqa: ANN401  (types of Altair are its own affair)
    try:
        return import_module("altair")
    except ModuleNotFoundError as error:
        msg = 'plot() needs Altair: pip install "rangebar_polars[plot]"'
        raise ModuleNotFoundError(msg, name=error.name) from error


def _check_parameters(x: object, panels: list[str], theme: object, **sizes: object) -> None:
    if x not in get_args(Axis):
        msg = f'`x` must be "bar" or "time", got {x!r}'
        raise RangeBarError(msg)
    if theme is not None and theme not in get_args(Theme):
        msg = f'`theme` must be "light", "dark" or None, got {theme!r}'
        raise RangeBarError(msg)
    if len(set(panels)) < len(panels):
        msg = f"`panels` must name distinct columns, got {panels!r}"
        raise RangeBarError(msg)
    for name, value in sizes.items():
        least = 1 if name == "max_bars" else _LEAST_SIZE
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            msg = f"`{name}` must be an integer of at least {least}, got {value!r}"
            raise RangeBarError(msg)


def _check_columns(schema: pl.Schema, x: Axis, panels: list[str]) -> None:
    for name in (*(_TIMES if x == "time" else _TIMES[1:]), *_OHLC, *panels):
        if name not in schema:
            raise missing_column(name, list(schema))
    for name in (*_OHLC, *panels):
        if not schema[name].is_numeric():
            msg = f"column `{name}` must be numeric, got {schema[name]}"
            raise RangeBarError(msg)
    for name in _TIMES if x == "time" else ():
        if schema[name] != pl.Datetime:
            msg = f'column `{name}` must be Datetime for x="time", got {schema[name]}'
            raise RangeBarError(msg)


def _fields(panels: Sequence[str]) -> dict[str, str]:
    """Names of the panels in the data of the chart: no dot, bracket or colon of the user's means anything there."""
    return {f"panel_{number}": name for number, name in enumerate(panels)}


def _candles(frame: pl.DataFrame, x: Axis, panels: Sequence[str], size: int) -> pl.DataFrame:
    """One row a candle of `size` bars: what to draw, and where."""
    fields = _fields(panels)
    reason = pl.col("close_reason").cast(pl.String) if "close_reason" in frame.columns else pl.lit("threshold")
    ended_otherwise = reason.replace({"threshold": None})
    opened = "open_time" if "open_time" in frame.columns else "close_time"
    return (
        frame.with_row_index("row")
        .group_by(pl.col("row") // size, maintain_order=True)
        .agg(
            pl.col("row").first().cast(pl.Int64).alias("first"),
            pl.col("row").last().cast(pl.Int64).alias("last"),
            pl.col(opened).first().alias("opened"),
            pl.col("close_time").last().alias("closed"),
            pl.col("open").first().cast(pl.Float64),
            pl.col("high").max().cast(pl.Float64),
            pl.col("low").min().cast(pl.Float64),
            pl.col("close").last().cast(pl.Float64),
            ended_otherwise.drop_nulls().first().alias("reason"),
            *(_value(name).alias(field) for field, name in fields.items()),
        )
        .drop("row")
        .with_columns(*_places(x), _text("opened", frame.schema[opened]), _text("closed", frame.schema["close_time"]))
    )


def _value(name: str) -> pl.Expr:
    values = pl.col(name).cast(pl.Float64)
    finite = pl.when(values.is_finite()).then(values).drop_nulls()
    if name in _SUMS:
        return pl.when(finite.len() > 0).then(finite.sum())
    return finite.mean()


def _places(x: Axis) -> list[pl.Expr]:
    if x == "bar":
        left, right = pl.col("first") - _BODY, pl.col("last") + _BODY
    else:
        left, right = (pl.col(name).dt.timestamp("ms").cast(pl.Float64) for name in ("opened", "closed"))
    middle = (left + right) / 2
    return [
        left.alias("left"),
        right.alias("right"),
        middle.alias("middle"),
        # What a bar says is known when it has closed.
        (middle if x == "bar" else right).alias("known"),
    ]


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A time as the chart tells it: Vega would put it into the time zone of the reader."""
    if not isinstance(dtype, pl.Datetime):
        return pl.col(name).cast(pl.String)
    time = pl.col(name) if dtype.time_zone is None else pl.col(name).dt.convert_time_zone("UTC")
    return time.dt.strftime("%Y-%m-%d %H:%M:%S%.3f")


def _title(frame: pl.DataFrame, keys: list[str]) -> str:
    number = f"{frame.height:,} {'bar' if frame.height == 1 else 'bars'}"
    if frame.is_empty():
        return number
    first = frame.row(0, named=True)
    group = [f"{key} {first[key]}" if key == "threshold_dbps" else str(first[key]) for key in keys]
    return ", ".join([*group, number])


class _Drawing:
    """The views of one chart, all over the same candles."""

    def __init__(self, altair: Any, x: Axis, width: int, candles: pl.DataFrame) -> None:  # noqa: ANN401
        self._alt = altair
        self._width = width
        self._candles = candles
        self._kind = "Q" if x == "bar" else "T"
        self._title = "bar" if x == "bar" else "time (UTC)"
        self._scale = altair.Scale(type="linear" if x == "bar" else "utc", nice=False, zero=False, padding=6)
        self._colour = altair.condition("datum.close >= datum.open", altair.value(_UP), altair.value(_DOWN))

    def prices(self, height: int, *, lowest: bool) -> Any:  # noqa: ANN401
        """Wicks, bodies and the marks of bars that no threshold ended."""
        alt = self._alt
        price = alt.Y("low:Q", scale=alt.Scale(zero=False, padding=_MARGIN), title=None)
        wicks = (
            alt.Chart()
            .mark_rule(clip=True)
            .encode(x=self._x("middle", lowest=lowest), y=price, y2="high:Q", color=self._colour)
        )
        whole = alt.condition("datum.reason === null", alt.value(1), alt.value(0.15))
        bodies = (
            alt.Chart()
            .mark_rect(strokeWidth=1, clip=True)
            .encode(
                x=self._x("left", lowest=lowest),
                x2="right",
                y=alt.Y("open:Q", scale=alt.Scale(zero=False, padding=_MARGIN), title=None),
                y2="close:Q",
                fill=self._colour,
                stroke=self._colour,
                fillOpacity=whole,
                tooltip=self._tooltip(),
            )
        )
        layers = [wicks, bodies, *self._marks(lowest=lowest)]
        return alt.layer(*layers).properties(width=self._width, height=height)

    def panel(self, field: str, name: str, *, lowest: bool) -> Any:  # noqa: ANN401
        """One column: bars from zero, or a line where zero is far off."""
        alt = self._alt
        values = self._candles[field]
        low, high = _extent(values)
        from_zero = name in _SUMS or low == high or max(low, -high) <= high - low
        y = alt.Y(
            f"{field}:Q",
            scale=alt.Scale(zero=from_zero),
            axis=alt.Axis(tickCount=3, **_number_format(low, high)),
            title=None,
        )
        tooltip = self._tooltip(alt.Tooltip(f"{field}:Q", title=name))
        if from_zero:
            mark = (
                alt.Chart()
                .mark_rect(strokeWidth=0.5, opacity=0.75, clip=True)
                .encode(
                    x=self._x("left", lowest=lowest),
                    x2="right",
                    y=y,
                    y2=alt.Y2Datum(0),
                    fill=self._colour,
                    stroke=self._colour,
                    tooltip=tooltip,
                )
            )
        else:
            mark = (
                alt.Chart()
                .mark_line(strokeWidth=1.2, color=_MARK, clip=True)
                .encode(x=self._x("known", lowest=lowest), y=y, tooltip=tooltip)
            )
        heading = alt.Title(name, anchor="start", frame="group", fontSize=11, fontWeight="normal", offset=3)
        return mark.properties(width=self._width, height=_PANEL_HEIGHT, title=heading)

    def _x(self, field: str, *, lowest: bool) -> Any:  # noqa: ANN401
        """The horizontal axis, of which only the lowest view has labels."""
        ticks = max(2, self._width // _PIXELS_PER_TICK)
        labels = {"format": ",d", "tickMinStep": 1} if self._kind == "Q" else {"format": _CLOCK}
        axis = self._alt.Axis(tickCount=ticks, labelOverlap=True, labels=lowest, **labels)
        title = self._title if lowest else None
        return self._alt.X(f"{field}:{self._kind}", scale=self._scale, axis=axis, title=title)

    def _marks(self, *, lowest: bool) -> list[Any]:
        alt = self._alt
        found = [reason for reason in _REASONS if reason in self._candles["reason"]]
        if not found:
            return []
        shapes = alt.Scale(domain=found, range=[_REASONS[reason] for reason in found])
        legend = alt.Legend(
            title="ended by", orient="top", titleOrient="left", offset=2, symbolFillColor=_MARK, symbolStrokeColor=_MARK
        )
        return [
            alt.Chart()
            .transform_filter("datum.reason !== null")
            .mark_point(filled=True, size=36, yOffset=9, clip=True, color=_MARK, opacity=1)
            .encode(
                x=self._x("middle", lowest=lowest), y="low:Q", shape=alt.Shape("reason:N", scale=shapes, legend=legend)
            )
        ]

    def _tooltip(self, *more: Any) -> list[Any]:  # noqa: ANN401
        tooltip = self._alt.Tooltip
        return [
            *more,
            tooltip("first:Q", title="bar", format=",d"),
            tooltip("opened:N", title="from"),
            tooltip("closed:N", title="to"),
            *(tooltip(f"{name}:Q", title=name) for name in _OHLC),
            tooltip("reason:N", title="ended by"),
        ]


def _extent(values: pl.Series) -> tuple[float, float]:
    known = values.drop_nulls().to_list()
    return (min(known), max(known)) if known else (0.0, 0.0)


def _number_format(low: float, high: float) -> dict[str, str]:
    """What an axis needs to stay narrow: 20k instead of 20,000, 2e-6 instead of 0.000002."""
    largest = max(abs(low), abs(high))
    if largest >= _LARGE:
        return {"format": "~s"}
    return {"format": "~e"} if 0 < largest < _SMALL else {}


def _zoomable(chart: Any, altair: Any) -> Any:  # noqa: ANN401
    with warnings.catch_warnings():
        # That all views share one selection, which is the aim, Altair warns of.
        warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")
        zoom = altair.selection_interval(name=f"zoom_{next(_NUMBERS)}", bind="scales", encodings=["x"])
        return chart.add_params(zoom)


def _themed(chart: Any, altair: Any, colours: _Colours) -> Any:  # noqa: ANN401
    return chart.configure(
        background=colours.background,
        padding=12,
        font="Inter, system-ui, Helvetica, Arial, sans-serif",
        axis=altair.AxisConfig(
            labelColor=colours.text,
            titleColor=colours.text,
            gridColor=colours.grid,
            domain=False,
            ticks=False,
            labelPadding=6,
            titleFontWeight="normal",
        ),
        axisY=altair.AxisConfig(orient="right"),
        legend=altair.LegendConfig(labelColor=colours.text, titleColor=colours.text, titleFontWeight="normal"),
        title=altair.TitleConfig(color=colours.text, subtitleColor=colours.text, anchor="start", fontSize=14),
        view=altair.ViewConfig(stroke=None),
    )
