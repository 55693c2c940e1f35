"""The views of a heat map of an order book, and its colours."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import polars as pl

from rangebar_polars.plotting._drawing import CLOCK, PIXELS_PER_TICK
from rangebar_polars.plotting._levels import Levels
from rangebar_polars.plotting._options import OHLC, Theme

__all__ = ["DepthDrawing"]

_PIXELS_PER_PRICE: Final = 40
_GRADIENT: Final = 110
"""Pixels of a legend of colours, at most."""
_ONE_LINE: Final = 560
"""Pixels into which all that a subtitle says fits."""
_LARGE: Final = 1e4
"""From here on, quantities are written as 12k."""
_SHAPES: Final = {"bought": "triangle-up", "sold": "triangle-down", "traded": "circle"}


@dataclass(frozen=True)
class _Colours:
    bid: tuple[str, str, str]
    """From little to much."""
    ask: tuple[str, str, str]
    line: str
    ground: str


_COLOURS: Final[dict[Theme, _Colours]] = {
    "light": _Colours(("#e3eefa", "#6aa6d8", "#08458a"), ("#fdebd9", "#f3a25c", "#9c3c00"), "#16181d", "#ffffff"),
    "dark": _Colours(("#14263c", "#2f6fb0", "#b5dbff"), ("#35200f", "#b4621c", "#ffd7a8"), "#f4f6fa", "#14171c"),
}


class DepthDrawing:
    """The layers of one chart."""

    def __init__(self, altair: Any, levels: Levels, size: tuple[int, int], theme: Theme, *, log: bool) -> None:  # noqa: ANN401
        self._alt = altair
        self._levels = levels
        self._width, self._height = size
        self._colours = _COLOURS[theme]
        self._log = log

    def chart(self, candles: pl.DataFrame | None, marks: pl.DataFrame | None) -> Any:  # noqa: ANN401
        """All layers: cells, best prices, candles and trades."""
        cells, best = self._levels.cells, self._levels.best
        self._prices = self._alt.Scale(domain=[cells["low"].min(), cells["high"].max()], nice=False, zero=False)
        self._times = self._alt.Scale(type="utc", domain=[best["at"][0], best["at"][-1]], nice=False)
        layers = [*self._cells(), *self._best()]
        layers += [] if candles is None else self._candles(candles)
        layers += [] if marks is None else self._marks(marks)
        return self._alt.layer(*layers).resolve_scale(color="independent").resolve_legend(color="independent")

    def subtitle(self, *, merged_trades: bool) -> list[str]:
        """What one cell is."""
        levels = self._levels
        height = f"{levels.tick.normalize():f}"
        parts = [f"levels of {height}" if levels.merged == 1 else f"rows of {height}, {levels.merged:,} ticks in each"]
        if levels.span is not None:
            parts.append(f"each column is {levels.span}, the book at its end")
        if merged_trades:
            parts.append("trades merged by side and time")
        return [" · ".join(parts)] if self._width >= _ONE_LINE else parts

    def _cells(self) -> list[Any]:
        alt, cells = self._alt, self._levels.cells
        least, most = (float(str(end)) for end in (cells["size"].min(), cells["size"].max()))
        ends = {"type": "log", "domain": [least, most]} if self._log and least != most else {"domain": [0, most]}
        length = max(40, min(_GRADIENT, self._width // 4))
        layers: list[Any] = []
        for is_bid, name, colours in ((True, "bid size", self._colours.bid), (False, "ask size", self._colours.ask)):
            own = cells.filter(pl.col("is_bid") == is_bid).drop("is_bid")
            if own.is_empty():
                continue
            legend = alt.Legend(
                title=name,
                orient="top",
                direction="horizontal",
                gradientLength=length,
                gradientThickness=8,
                tickCount=3,
                format="~s" if most >= _LARGE else ".3~g",
                titleOrient="left" if self._width >= 4 * _GRADIENT else "top",
            )
            layers.append(
                alt.Chart(alt.InlineData(values=own.to_dicts()))
                .mark_rect(clip=True, strokeWidth=0)
                .encode(
                    x=self._x("left"),
                    x2="right",
                    y=self._y("low"),
                    y2="high",
                    color=alt.Color("size:Q", scale=alt.Scale(range=list(colours), **ends), legend=legend),
                    tooltip=[
                        alt.Tooltip("opened:N", title="from"),
                        alt.Tooltip("low:Q", title="above", format=_decimals(self._levels.tick / 2)),
                        alt.Tooltip("high:Q", title="below", format=_decimals(self._levels.tick / 2)),
                        alt.Tooltip("size:Q", title=name, format=",.8~f"),
                    ],
                )
            )
        return layers

    def _best(self) -> list[Any]:
        base = self._alt.Chart(self._alt.InlineData(values=self._levels.best.to_dicts()))
        return [
            base.mark_line(interpolate="step-after", color=colour, strokeWidth=1.2, clip=True).encode(
                x=self._x("at"), y=self._y(side)
            )
            for side, colour in (("bid", self._colours.bid[-1]), ("ask", self._colours.ask[-1]))
        ]

    def _candles(self, candles: pl.DataFrame) -> list[Any]:
        alt, colours = self._alt, self._colours
        base = alt.Chart(alt.InlineData(values=candles.to_dicts()))
        filled = alt.condition("datum.close >= datum.open", alt.value(0), alt.value(0.3))
        tooltip = [alt.Tooltip(f"{name}:Q", title=name) for name in OHLC]
        return [
            base.mark_rule(color=colours.line, strokeWidth=1.2, clip=True).encode(
                x=self._x("middle"), y=self._y("low"), y2="high"
            ),
            base.mark_rect(fill=colours.line, stroke=colours.line, strokeWidth=1.4, clip=True).encode(
                x=self._x("left"), x2="right", y=self._y("open"), y2="close", fillOpacity=filled, tooltip=tooltip
            ),
        ]

    def _marks(self, marks: pl.DataFrame) -> list[Any]:
        alt, colours = self._alt, self._colours
        found = [side for side in _SHAPES if side in marks["side"]]
        legend = alt.Legend(
            title=None,
            orient="top",
            symbolFillColor=colours.line,
            symbolOpacity=1,
            symbolSize=60,
        )
        shapes = alt.Scale(domain=found, range=[_SHAPES[side] for side in found])
        return [
            alt.Chart(alt.InlineData(values=marks.to_dicts()))
            .mark_point(strokeWidth=0.8, opacity=0.9, clip=True)
            .encode(
                fill=alt.value(colours.ground),
                stroke=alt.value(colours.line),
                x=self._x("at"),
                y=self._y("price"),
                shape=alt.Shape("side:N", scale=shapes, legend=legend),
                size=alt.Size("quantity:Q", scale=alt.Scale(domainMin=0, range=[8, 220]), legend=None),
                tooltip=[
                    alt.Tooltip("side:N", title="side"),
                    alt.Tooltip("price:Q", title="price"),
                    alt.Tooltip("quantity:Q", title="quantity", format=",.8~f"),
                ],
            )
        ]

    def _x(self, field: str) -> Any:  # noqa: ANN401
        ticks = max(2, self._width // PIXELS_PER_TICK)
        axis = self._alt.Axis(tickCount=ticks, labelOverlap=True, format=CLOCK, grid=False)
        return self._alt.X(f"{field}:T", scale=self._times, axis=axis, title="time (UTC)")

    def _y(self, field: str) -> Any:  # noqa: ANN401
        axis = self._alt.Axis(
            tickCount=max(2, self._height // _PIXELS_PER_PRICE), format=_decimals(self._levels.tick), grid=False
        )
        return self._alt.Y(f"{field}:Q", scale=self._prices, axis=axis, title="price")


def _decimals(tick: Decimal) -> str:
    """Prices with the decimals of a tick."""
    exponent = tick.normalize().as_tuple().exponent
    return f",.{max(0, -exponent) if isinstance(exponent, int) else 0}f"
