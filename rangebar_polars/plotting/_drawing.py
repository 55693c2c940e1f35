"""The views of a chart of candles, and its colours."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import polars as pl

from rangebar_polars.plotting._candles import SUMS
from rangebar_polars.plotting._options import OHLC, Axis, Theme

__all__ = ["CLOCK", "PIXELS_PER_TICK", "Drawing", "themed", "zoomable"]

_REASONS: Final = {"reset": "triangle-down", "gap": "square", "end": "circle"}
"""Shapes of the marks under bars that were not ended by their threshold."""

CLOCK: Final = {
    "year": "%-d %b %Y",
    "month": "%-d %b",
    "date": "%-d %b",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": "%S.%L",
}
"""Formats of labels on the time axis, by the period that begins there."""

PIXELS_PER_TICK: Final = 90
"""Pixels of the time axis from label to label."""

_PANEL_HEIGHT: Final = 70
_MARGIN: Final = 14  # room for the marks below
_LARGE: Final = 1e4
_SMALL: Final = 1e-3

_NUMBERS: Final = count(1)
"""Numbers of the charts: two charts in one are zoomed separately."""

_UP: Final = "#1b9e77"
_DOWN: Final = "#d95f02"  # distinct from green for every eye
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


class Drawing:
    """The views of one chart, all over the same candles."""

    def __init__(
        self,
        altair: Any,  # noqa: ANN401
        x: Axis,
        width: int,
        candles: pl.DataFrame,
        domain: tuple[float, float] | None = None,
    ) -> None:
        self._alt = altair
        self._width = width
        self._candles = candles
        self._kind = "Q" if x == "bar" else "T"
        self._title = "bar" if x == "bar" else "time (UTC)"
        kind = "linear" if x == "bar" else "utc"
        ends = {"padding": 6} if domain is None else {"domain": list(domain)}
        self._scale = altair.Scale(type=kind, nice=False, zero=False, **ends)
        self._colour = altair.condition("datum.close >= datum.open", altair.value(_UP), altair.value(_DOWN))

    def prices(self, height: int, *, lowest: bool) -> Any:  # noqa: ANN401
        """Wicks, bodies and the marks of bars that were not ended by their threshold."""
        alt = self._alt
        scale = alt.Scale(zero=False, padding=_MARGIN)
        wicks = (
            alt.Chart()
            .mark_rule(clip=True)
            .encode(
                x=self._x("middle", lowest=lowest),
                y=alt.Y("low:Q", scale=scale, title="price"),
                y2="high:Q",
                color=self._colour,
            )
        )
        whole = alt.condition("datum.reason === null", alt.value(1), alt.value(0.15))
        bodies = (
            alt.Chart()
            .mark_rect(strokeWidth=1, clip=True)
            .encode(
                x=self._x("left", lowest=lowest),
                x2="right",
                y=alt.Y("open:Q", scale=scale, title="price"),
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
        """One column: bars from zero, or a line if zero is far away."""
        alt = self._alt
        values = self._candles[field]
        low, high = _extent(values)
        from_zero = name in SUMS or low == high or max(low, -high) <= high - low
        y = alt.Y(
            f"{field}:Q",
            scale=alt.Scale(zero=from_zero),
            axis=alt.Axis(tickCount=3, **_labels(name, low, high)),
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
        """The horizontal axis; only the lowest view has labels."""
        ticks = max(2, self._width // PIXELS_PER_TICK)
        labels = {"format": ",d", "tickMinStep": 1} if self._kind == "Q" else {"format": CLOCK}
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
                x=self._x("middle", lowest=lowest),
                y=alt.Y("low:Q", title="price"),
                shape=alt.Shape("reason:N", scale=shapes, legend=legend),
            )
        ]

    def _tooltip(self, *more: Any) -> list[Any]:  # noqa: ANN401
        tooltip = self._alt.Tooltip
        return [
            *more,
            tooltip("first:Q", title="bar", format=",d"),
            tooltip("opened:N", title="from"),
            tooltip("closed:N", title="to"),
            *(tooltip(f"{name}:Q", title=name) for name in OHLC),
            tooltip("reason:N", title="ended by"),
        ]


def _extent(values: pl.Series) -> tuple[float, float]:
    known = values.drop_nulls().to_list()
    return (min(known), max(known)) if known else (0.0, 0.0)


def _labels(name: str, low: float, high: float) -> dict[str, str]:
    """Options that keep an axis narrow: 20k instead of 20,000, 2e-6 instead of 0.000002, microseconds as seconds."""
    if name.endswith("_us"):
        return {"labelExpr": "format(datum.value / 1e6, '~s') + 's'"}
    largest = max(abs(low), abs(high))
    if largest >= _LARGE:
        return {"format": "~s"}
    return {"format": "~e"} if 0 < largest < _SMALL else {}


def zoomable(chart: Any, altair: Any) -> Any:  # noqa: ANN401
    """The chart, with all views scrolling and zooming together."""
    with warnings.catch_warnings():
        # Altair warns that all views share one selection, which is the aim.
        warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")
        zoom = altair.selection_interval(name=f"zoom_{next(_NUMBERS)}", bind="scales", encodings=["x"])
        return chart.add_params(zoom)


def themed(chart: Any, altair: Any, theme: Theme) -> Any:  # noqa: ANN401
    """The chart with the colours and axes of the theme."""
    colours = _COLOURS[theme]
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
