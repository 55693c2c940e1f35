"""
The pictures of the pages, light and dark: ``python docs/pictures.py [--png FOLDER]``.

Written to docs/pictures as SVG; ``--png`` writes PNG to look at instead. The trades are synthetic (`rb.datasets`).
"""
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import altair as alt
import polars as pl

import rangebar_polars as rb

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 660
BTCUSDT = "BTCUSDT"
DAY = datetime(2024, 1, 1, tzinfo=UTC)

Chart: TypeAlias = Any
"""Altair has a class for each way to put charts together."""


@dataclass(frozen=True)
class Colours:
    """What one half of the readers sees."""

    text: str
    faint: str
    grid: str
    trades: str
    up: str
    down: str
    box: str
    edge: str


THEMES = {
    "light": Colours("#22262e", "#6b7280", "#e5e7eb", "#64748b", "#0f9d76", "#d9534f", "#eef2ff", "#4f5bd5"),
    "dark": Colours("#e4e7ee", "#9aa3b2", "#3a3f4b", "#94a3b8", "#2ec79b", "#ff7b73", "#2a2f45", "#8f9bff"),
}


def day() -> pl.DataFrame:
    """A day of trades."""
    trades = rb.datasets.sample_trades(500_000, symbols=[BTCUSDT])
    return trades.filter(pl.col("timestamp") < DAY + timedelta(days=1))


def range_bar(colours: Colours) -> Chart:
    """One bar: trades until the price is at or beyond a limit."""
    trades = day()
    first, bar = trades.rangebar.bars(250, features=[]).head(2).iter_rows(named=True)
    number = pl.int_range(pl.len()).alias("trade")
    size = bar["agg_record_count"]
    shown = trades.slice(first["agg_record_count"], size + size // 6).with_columns(number)
    numbers = shown["trade"].to_list()
    path = shown.select("trade", "price").filter(
        (pl.col("price") != pl.col("price").shift()).fill_null(value=True) | (pl.col("trade") == numbers[-1])
    )
    reach = bar["open"] * 0.0025
    across = alt.Scale(domain=[0, numbers[-1]], nice=False)
    up = alt.Scale(domain=[bar["open"] - 1.4 * reach, bar["open"] + 1.5 * reach], nice=False)
    x, begin = (alt.X(name, title="trades, in their order", scale=across) for name in ("trade:Q", "from:Q"))
    y, low = (alt.Y(name, title="price", scale=up) for name in ("price:Q", "low:Q"))
    levels = [bar["open"] + reach, bar["open"], bar["open"] - reach]
    names = ["open + 0.25 %", "open", "open - 0.25 %"]
    limits = pl.DataFrame({"price": levels, "from": 0, "trade": size - 1, "name": names})
    ends = pl.DataFrame(
        {
            "trade": [0, size - 1],
            "price": [bar["open"], bar["close"]],
            "name": ["the first trade opens the bar", "the first trade at or beyond a limit closes it"],
        }
    )
    late = pl.DataFrame({"trade": [size + size // 12], "price": [bar["open"]], "name": ["the next bar"]})
    own = pl.DataFrame({"from": [0], "trade": [size - 1], "low": [levels[2]], "price": [levels[0]]})
    return alt.layer(
        alt.Chart(own).mark_rect(color=colours.box).encode(x=begin, x2="trade", y=low, y2="price"),
        alt.Chart(limits).mark_rule(color=colours.edge, strokeDash=[5, 4]).encode(x=begin, x2="trade", y=y),
        alt.Chart(limits.with_columns(trade=size * 0.65))
        .mark_text(dy=-8, color=colours.edge)
        .encode(x=x, y=y, text="name"),
        alt.Chart(path).mark_line(interpolate="step-after", color=colours.trades, strokeWidth=1.2).encode(x=x, y=y),
        alt.Chart(ends).mark_point(filled=True, size=75, opacity=1, color=colours.up).encode(x=x, y=y),
        alt.Chart(ends.head(1)).mark_text(align="left", dx=8, dy=17, color=colours.text).encode(x=x, y=y, text="name"),
        alt.Chart(ends.tail(1))
        .mark_text(align="right", dx=-9, dy=15, color=colours.text)
        .encode(x=x, y=y, text="name"),
        alt.Chart(late).mark_text(color=colours.faint).encode(x=x, y=y, text="name"),
    ).properties(width=WIDTH, height=280)


def bars_over_trades(colours: Colours) -> Chart:
    """Bars as boxes, from their first trade to their last, over the path that they were made from."""
    trades = day().filter(pl.col("timestamp") < DAY + timedelta(hours=6))
    bars = trades.rangebar.bars(250, include_incomplete=True)
    every = timedelta(seconds=30)
    path = trades.group_by_dynamic("timestamp", every=every).agg(pl.last("price"))
    boxes = bars.select("open_time", "close_time", "open", "high", "low", "close", "close_reason")
    kind = (
        pl.when(close_reason="end")
        .then(pl.lit("still forming"))
        .when(pl.col("close") > pl.col("open"))
        .then(pl.lit("up"))
    )
    boxes = boxes.with_columns(kind=kind.otherwise(pl.lit("down")))
    scale = alt.Scale(domain=["up", "down", "still forming"], range=[colours.up, colours.down, colours.faint])
    x = alt.X("open_time:T", title="time (UTC)", axis=alt.Axis(format="%H:%M"))
    y = alt.Y("low:Q", title="price", scale=alt.Scale(zero=False))
    box = alt.Chart(_naive(boxes)).encode(
        x=x, x2="close_time", y=y, y2="high", color=alt.Color("kind:N", scale=scale, title=None)
    )
    line = alt.Chart(_naive(path)).mark_line(color=colours.text, strokeWidth=0.9)
    return alt.layer(
        box.mark_rect(opacity=0.35, stroke=colours.grid, strokeWidth=0.5),
        line.encode(x=alt.X("timestamp:T"), y=alt.Y("price:Q")),
    ).properties(width=WIDTH, height=280)


def range_and_time(colours: Colours) -> Chart:
    """The same day in range bars and in as many bars of equal time."""
    trades = day()
    ranged = trades.rangebar.bars(250, features=[])
    timed = trades.group_by_dynamic("timestamp", every="24m", start_by="window").agg(
        open=pl.first("price"), high=pl.max("price"), low=pl.min("price"), close=pl.last("price")
    )
    top = _candles(ranged, "close_time", colours).properties(
        title=f"{ranged.height} range bars of 0.25 %, each where it closed", width=WIDTH, height=170
    )
    bottom = _candles(timed, "timestamp", colours).properties(
        title=f"{timed.height} time bars of 24 minutes", width=WIDTH, height=170
    )
    return alt.vconcat(top, bottom, spacing=18)


def data_flow(colours: Colours) -> Chart:
    """What comes in, the one machine in the middle, what comes out."""
    columns = {"in": (0.0, 196.0), "core": (262.0, 398.0), "out": (464.0, 660.0)}
    texts = {
        "in": [
            ("a lake of Parquet files", "scan_parquet(...)"),
            ("a frame", "pl.DataFrame"),
            ("a live feed", "push(frame), push_trade(...)"),
        ],
        "core": [("one machine", "a forming bar per group")],
        "out": [
            ("bars, as a LazyFrame", "sink_parquet, collect"),
            ("features of each bar", "intra, lookback"),
            ("the state, as bytes", "checkpoint, restore"),
            ("the bar of each trade", "with_bar_id, range_bar_id"),
        ],
    }
    height, gap = 46.0, 14.0
    total = 4 * height + 3 * gap
    boxes: list[dict[str, float | str]] = []
    for column, entries in texts.items():
        tall = total if column == "core" else height
        top = (total - len(entries) * tall - (len(entries) - 1) * gap) / 2
        left, right = columns[column]
        for i, (title, detail) in enumerate(entries):
            y = top + i * (tall + gap)
            boxes.append(
                {
                    "x": left,
                    "x2": right,
                    "y": y,
                    "y2": y + tall,
                    "cx": (left + right) / 2,
                    "cy": y + tall / 2,
                    "title": title,
                    "detail": detail,
                    "column": column,
                }
            )
    frame = pl.DataFrame(boxes)
    arrows = pl.concat(
        [
            frame.filter(column="in").select(x="x2", x2=pl.lit(columns["core"][0] - 7), y="cy"),
            frame.filter(column="out").select(x=pl.lit(columns["core"][1]), x2=pl.col("x") - 7, y="cy"),
        ]
    )
    place = alt.Scale(domain=[0, WIDTH], nice=False)
    down = alt.Scale(domain=[total, 0], nice=False)
    at_x, at_y = alt.X("x:Q", axis=None, scale=place), alt.Y("y:Q", axis=None, scale=down)
    centre = {"x": alt.X("cx:Q", axis=None, scale=place), "y": alt.Y("cy:Q", axis=None, scale=down)}
    named = alt.Chart(frame)
    return alt.layer(
        named.mark_rect(fill=colours.box, stroke=colours.edge, cornerRadius=6).encode(x=at_x, x2="x2", y=at_y, y2="y2"),
        named.mark_text(dy=-7, fontSize=13, fontWeight="bold", color=colours.text).encode(**centre, text="title"),
        named.mark_text(dy=10, fontSize=11, color=colours.faint).encode(**centre, text="detail"),
        alt.Chart(arrows).mark_rule(color=colours.faint, strokeWidth=1.4).encode(x=at_x, x2="x2", y=at_y),
        alt.Chart(arrows)
        .mark_point(shape="triangle-right", filled=True, size=70, opacity=1, color=colours.faint)
        .encode(x=alt.X("x2:Q", axis=None, scale=place), y=at_y),
    ).properties(width=WIDTH, height=total)


PICTURES = {
    "range_bar": range_bar,
    "bars_over_trades": bars_over_trades,
    "range_and_time": range_and_time,
    "data_flow": data_flow,
}


def _candles(bars: pl.DataFrame, time: str, colours: Colours) -> Chart:
    end = DAY + timedelta(days=1)
    domain = [alt.DateTime(year=t.year, month=t.month, date=t.day, utc=True) for t in (DAY, end)]
    frame = _naive(bars.select(pl.col(time).alias("time"), "open", "high", "low", "close"))
    scale = alt.Scale(type="utc", domain=domain, nice=False)
    base = alt.Chart(frame).encode(
        x=alt.X("time:T", title=None, axis=alt.Axis(format="%H:%M"), scale=scale),
        color=alt.condition("datum.close >= datum.open", alt.value(colours.up), alt.value(colours.down)),
    )
    prices = alt.Scale(zero=False)
    return alt.layer(
        base.mark_rule().encode(y=alt.Y("low:Q", title="price", scale=prices), y2="high"),
        base.mark_bar(size=5).encode(y=alt.Y("open:Q", scale=prices), y2="close"),
    )


def _naive(frame: pl.DataFrame) -> pl.DataFrame:
    """Without its zone a time is drawn as it is written, whatever the zone of the machine."""
    return frame.with_columns(pl.selectors.datetime().dt.replace_time_zone(None).dt.cast_time_unit("ms"))


def dressed(chart: Chart, colours: Colours, ground: str) -> Chart:
    """The chart in the colours of its readers."""
    axis = {
        **dict.fromkeys(("domainColor", "gridColor", "tickColor"), colours.grid),
        **dict.fromkeys(("labelColor", "titleColor"), colours.faint),
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    return chart.configure(
        background=ground,
        padding=8,
        font="Helvetica, Arial, sans-serif",
        axis=axis,
        legend={"labelColor": colours.faint, "orient": "top", "labelFontSize": 12},
        text={"fontSize": 12},
        title={"color": colours.text, "fontSize": 13, "fontWeight": "normal", "anchor": "start"},
        view={"stroke": None},
    )


def main() -> None:
    """Write every picture for both halves of the readers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--png", type=Path, help="folder for PNG to look at")
    png = parser.parse_args().png
    for name, draw in PICTURES.items():
        for theme, colours in THEMES.items():
            if png is None:
                dressed(draw(colours), colours, "transparent").save(FOLDER / f"{name}_{theme}.svg")
            else:
                ground = {"light": "white", "dark": "#1e2129"}[theme]
                dressed(draw(colours), colours, ground).save(png / f"{name}_{theme}.png", scale_factor=1.5)


if __name__ == "__main__":
    main()
