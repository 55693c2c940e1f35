"""The views of a chart of footprints: a column of cells for each bar, and its sums below."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import floor, log10
from typing import Any, Final

import polars as pl

from rangebar_polars._common.groups import check_complete
from rangebar_polars.exceptions import RangeBarError
from rangebar_polars.plotting._candles import candles, fields
from rangebar_polars.plotting._cells import Cells, cells_of
from rangebar_polars.plotting._drawing import Drawing, themed
from rangebar_polars.plotting._options import Theme

__all__ = ["OF_FOOTPRINT", "check_few", "footprint_chart"]

OF_FOOTPRINT: Final = ("footprint", "value_area_low", "value_area_high", "volume", "delta")
"""The columns that a chart of footprints reads."""

_MOST_BARS: Final = 40
"""More columns of numbers nobody reads."""

_COLUMN: Final = 76
"""Pixels from bar to bar, so that two numbers stand side by side."""

_ROW: Final = 14
"""Pixels of a level, so that its numbers do not touch those of the next."""

_TALLEST: Final = 840
"""Pixels of a chart that a screen shows whole."""

_EDGE: Final = 0.485
"""From the middle of a column to its candle, in units of the distance from bar to bar."""

_FONT: Final = 9
_NARROWEST: Final = 52
"""Pixels of a column below which its numbers would overlap: then there are none."""
_SUM_ROW: Final = 15
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_LETTERS: Final = 6
"""Of the longest number, which so fits half of a column."""
_LARGE: Final = 1e5
"""From here on, numbers are written as 123k."""


@dataclass(frozen=True)
class _Colours:
    up: str
    down: str
    poc: str
    heat: str
    text: str
    faint: str


_COLOURS: Final[dict[Theme, _Colours]] = {
    "light": _Colours(up="#0b7a58", down="#c04a00", poc="#5b3fb5", heat="#6f86a8", text="#2c3037", faint="#9aa1ab"),
    "dark": _Colours(up="#45d6a8", down="#ff9d5c", poc="#c0aaff", heat="#7f9cc9", text="#d6dae1", faint="#8b94a3"),
}


def check_few(count: int) -> None:
    """No more bars than can be read."""
    if count > _MOST_BARS:
        msg = (
            f"`footprint=True` draws at most {_MOST_BARS} bars, got {count:,}: choose some, as in "
            f"`bars.tail({_MOST_BARS}).rangebar.plot(footprint=True)`"
        )
        raise RangeBarError(msg)


def footprint_chart(
    altair: Any,  # noqa: ANN401  (types of Altair are its own affair)
    bars: pl.DataFrame,
    panels: list[str],
    *,
    title: str,
    width: int | None,
    height: int | None,
    theme: Theme | None,
) -> Any:  # noqa: ANN401
    """The chart of bars that are sorted and complete."""
    check_complete(bars, OF_FOOTPRINT)
    if bars.is_empty():
        raise RangeBarError("there are no bars to draw: `footprint=True` needs one at least")
    cells = cells_of(bars, max(1, (height or _TALLEST) // _ROW))
    size = (width or max(3, bars.height) * _COLUMN, height or max(3, cells.rows) * _ROW)
    drawing = FootprintDrawing(altair, _sums(bars, cells), cells, size, theme or "light")
    rows = candles(bars, "bar", panels, 1)
    below = Drawing(altair, "bar", size[0], rows, drawing.ends)
    chart = altair.vconcat(
        drawing.ladder(),
        *([drawing.sums()] if drawing.has_numbers else []),
        *(below.panel(field, name, lowest=name == panels[-1]) for field, name in fields(panels).items()),
        data=altair.InlineData(values=rows.to_dicts()),
        title=altair.Title(title, subtitle=[_heading(cells), _LEGEND]),
        spacing=6,
    )
    return chart if theme is None else themed(chart, altair, theme)


def _sums(bars: pl.DataFrame, cells: Cells) -> pl.DataFrame:
    """What is said of each bar, and where it is drawn."""
    height = float(cells.tick)
    time = bars.schema["close_time"]
    days = pl.col("closed").str.slice(0, 10).n_unique()
    within_day, over_days = pl.col("closed").str.slice(11, 8), pl.col("closed").str.slice(5, 11)
    is_time = isinstance(time, pl.Datetime)
    clock = pl.when(days == 1).then(within_day).otherwise(over_days) if is_time else pl.col("closed")
    rows = candles(bars, "bar", (), 1)
    numbers = bars.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("bar"),
        "volume",
        "delta",
        lowest=pl.col("low").cast(pl.Float64),
        highest=pl.col("high").cast(pl.Float64),
        area_low=(pl.col("value_area_low") / height).floor() * height,
        area_high=((pl.col("value_area_high") / height).floor() + 1) * height,
    )
    whole = pl.concat([rows.select("open", "high", "low", "close", "closed", "reason"), numbers], how="horizontal")
    return whole.with_columns(closed_at=clock, edge=pl.col("bar") - _EDGE, right_edge=pl.col("bar") + _EDGE - 0.01)


class FootprintDrawing:
    """The views of one chart, all over the same bars."""

    def __init__(self, altair: Any, bars: pl.DataFrame, cells: Cells, size: tuple[int, int], theme: Theme) -> None:  # noqa: ANN401
        self._alt = altair
        self._width, self._height = size
        self._cells = cells
        self._sums = bars
        self._values = altair.InlineData(values=cells.frame.to_dicts())
        self._colours = _COLOURS[theme]
        self.has_numbers = self._width >= _NARROWEST * bars.height
        self.ends = (-0.6, bars.height - 0.4)
        self._format = _decimals(cells.frame)
        lowest, highest = cells.frame["low"].min(), cells.frame["high"].max()
        self._prices = altair.Scale(domain=[lowest, highest], nice=False, zero=False)
        self._bars = altair.Scale(domain=list(self.ends), nice=False, zero=False)

    def ladder(self) -> Any:  # noqa: ANN401
        """The cells, with the candle of each bar at their left."""
        layers = [self._heat(), *self._imbalances(), *self._candles(), self._area(), self._poc()]
        if self.has_numbers:
            layers += self._numbers()
        return self._alt.layer(*layers).properties(width=self._width, height=self._height)

    def sums(self) -> Any:  # noqa: ANN401
        """What each bar adds up to, in rows of text below it."""
        alt, colours = self._alt, self._colours
        rows = ["delta", "volume", "closed"]
        shown = self._sums.select(
            "bar",
            "delta",
            "volume",
            "closed",
            "closed_at",
        )
        axis = alt.Axis(orient="right", ticks=False, domain=False, grid=False, labelFontSize=10, labelPadding=6)
        y = alt.Y("row:N", sort=rows, axis=axis, title=None, scale=alt.Scale(domain=rows))
        mark: dict[str, Any] = {"fontSize": _FONT + 0.5, "baseline": "middle", "clip": False}
        base = alt.Chart(alt.InlineData(values=shown.to_dicts()))

        def row(name: str, text: str, colour: Any, weight: str) -> Any:  # noqa: ANN401
            return (
                base.transform_calculate(row=f"'{name}'", text=text)
                .mark_text(fontWeight=weight, **mark)
                .encode(x=self._x("bar"), y=y, text="text:N", color=colour, tooltip=self._of_bar())
            )

        sign = alt.condition("datum.delta >= 0", alt.value(colours.up), alt.value(colours.down))
        plain = alt.value(colours.text)
        views = [
            row("delta", self._number("delta", "+"), sign, "bold"),
            row("volume", self._number("volume"), plain, "normal"),
            row("closed", "datum.closed_at", alt.value(colours.faint), "normal"),
        ]
        return alt.layer(*views).properties(width=self._width, height=_SUM_ROW * len(rows))

    def _heat(self) -> Any:  # noqa: ANN401
        """How much of the bar's volume is at a level, next to its largest."""
        alt = self._alt
        opacity = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 0.42]), legend=None)
        return (
            self._chart()
            .mark_rect(color=self._colours.heat, strokeWidth=0)
            .encode(
                x=self._x("left"), x2="right", y=self._y("low"), y2="high", opacity=opacity, tooltip=self._of_cell()
            )
        )

    def _imbalances(self) -> list[Any]:
        """Half a cell in the colour of the side that dominates: bids at the left, asks at the right."""
        halves = [("down", "left", "bar", self._colours.down), ("up", "bar", "right", self._colours.up)]
        return [
            self._chart()
            .transform_filter(f"datum.{name}")
            .mark_rect(color=colour, opacity=0.3, strokeWidth=0)
            .encode(x=self._x(left), x2=right, y=self._y("low"), y2="high", tooltip=self._of_cell())
            for name, left, right, colour in halves
        ]

    def _poc(self) -> Any:  # noqa: ANN401
        return (
            self._chart()
            .transform_filter("datum.is_poc")
            .mark_rect(fillOpacity=0, stroke=self._colours.poc, strokeWidth=1.6)
            .encode(x=self._x("left"), x2="right", y=self._y("low"), y2="high", tooltip=self._of_cell())
        )

    def _candles(self) -> list[Any]:
        """A thin candle at the left of each column."""
        alt, colours = self._alt, self._colours
        colour = alt.condition("datum.close >= datum.open", alt.value(colours.up), alt.value(colours.down))
        base = alt.Chart(alt.InlineData(values=self._sums.to_dicts())).encode(x=self._x("edge"), color=colour)
        bar = {"tooltip": self._of_bar()}
        return [
            base.mark_rule(strokeWidth=1).encode(y=self._y("lowest"), y2="highest", **bar),
            base.mark_rule(strokeWidth=4).encode(y=self._y("open"), y2="close", **bar),
        ]

    def _area(self) -> Any:  # noqa: ANN401
        """The value area, as a line at the right of each column."""
        return (
            self._alt.Chart(self._alt.InlineData(values=self._sums.to_dicts()))
            .mark_rule(color=self._colours.poc, strokeWidth=2, opacity=0.55)
            .encode(x=self._x("right_edge"), y=self._y("area_low"), y2="area_high", tooltip=self._of_bar())
        )

    def _numbers(self) -> list[Any]:
        """Sell volume, then buy volume: bid x ask."""
        colours = self._colours
        middle = self._chart().transform_calculate(
            y="(datum.low + datum.high) / 2", bid_text=self._number("bid"), ask_text=self._number("ask")
        )
        place = {"x": self._x("bar"), "y": self._y("y")}
        sides = [
            ("bid_text", "datum.down", colours.down, {"align": "right", "dx": -6}),
            ("ask_text", "datum.up", colours.up, {"align": "left", "dx": 6}),
        ]
        mark: dict[str, Any] = {"fontSize": _FONT, "baseline": "middle"}
        layers = [middle.mark_text(text=_TIMES, color=colours.faint, **mark).encode(**place)]
        for text, imbalance, colour, align in sides:
            amount = f"datum.{text.removesuffix('_text')}"
            kinds = (
                (imbalance, "bold", colour),
                (f"!{imbalance} && {amount} > 0", "normal", colours.text),
                (f"!{imbalance} && {amount} === 0", "normal", colours.faint),
            )
            for is_one, weight, paint in kinds:
                layers.append(
                    middle.transform_filter(is_one)
                    .mark_text(color=paint, fontWeight=weight, **align, **mark)
                    .encode(text=f"{text}:N", tooltip=self._of_cell(), **place)
                )
        return layers

    def _number(self, field: str, sign: str = "") -> str:
        """Text of a number: all with the same decimals, so that the eye compares their lengths; zero as 0."""
        value = f"datum.{field}"
        return f"{value} === 0 ? '0' : format({value}, '{sign}{self._format}')"

    def _chart(self) -> Any:  # noqa: ANN401
        return self._alt.Chart(self._values)

    def _x(self, field: str) -> Any:  # noqa: ANN401
        return self._alt.X(f"{field}:Q", scale=self._bars, axis=None)

    def _y(self, field: str) -> Any:  # noqa: ANN401
        ticks = max(2, self._height // (3 * _ROW))
        axis = self._alt.Axis(tickCount=ticks, format=_format(self._cells.tick), gridOpacity=0.6)
        return self._alt.Y(f"{field}:Q", scale=self._prices, title="price", axis=axis)

    def _of_cell(self) -> list[Any]:
        tooltip = self._alt.Tooltip
        price = {"format": _format(self._cells.tick)}
        return [
            tooltip("low:Q", title="from", **price),
            tooltip("high:Q", title="below", **price),
            tooltip("bid:Q", title="sold at the bid", format=",.8~f"),
            tooltip("ask:Q", title="bought at the ask", format=",.8~f"),
        ]

    def _of_bar(self) -> list[Any]:
        tooltip = self._alt.Tooltip
        prices = ("open", "high", "low", "close")
        return [
            tooltip("bar:Q", title="bar", format=",d"),
            tooltip("closed:N", title="closed"),
            *(tooltip(f"{name}:Q", title=name) for name in prices),
            tooltip("volume:Q", title="volume", format=",.8~f"),
            tooltip("delta:Q", title="delta", format="+,.8~f"),
        ]


_LEGEND: Final = (
    "framed: point of control · line at the right: value area · coloured: three times the other side, one level across"
)


def _decimals(cells: pl.DataFrame) -> str:
    """The format of volumes: two digits of a usual one, as far as the largest fits."""
    volumes = pl.concat([cells["bid"], cells["ask"]])
    usual, largest = volumes.filter(volumes > 0).median(), float(str(cells["volume"].max()))
    if not isinstance(usual, float) or largest >= _LARGE:
        return ".3~s"
    before_point = max(0, floor(log10(largest))) + 1
    return f".{max(0, min(1 - floor(log10(usual)), _LETTERS - 1 - before_point))}f"


def _heading(cells: Cells) -> str:
    """What one cell is."""
    height = f"{cells.tick.normalize():f}"
    merged = f", {cells.merged:,} levels of the bars merged into each" if cells.merged > 1 else ""
    return f"sell {_TIMES} buy volume in levels of {height}{merged}"


def _format(tick: Decimal) -> str:
    """Prices with the decimals of a tick."""
    exponent = tick.normalize().as_tuple().exponent
    return f",.{max(0, -exponent) if isinstance(exponent, int) else 0}f"
