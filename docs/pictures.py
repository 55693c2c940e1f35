"""
The pictures of the pages, light and dark: ``python docs/pictures.py [--png FOLDER]``.

Written to docs/pictures as SVG; ``--png`` writes PNG to look at instead. The trades are synthetic (`rb.datasets`).
"""
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

import altair as alt
import polars as pl

import rangebar_polars as rb

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 660
BTCUSDT = "BTCUSDT"
PRICE = "price (USDT)"
FONT = "Helvetica, Arial, sans-serif"
DAY = datetime(2024, 1, 1, tzinfo=UTC)

Chart: TypeAlias = Any
"""Altair has a class for each way to put charts together."""


@dataclass(frozen=True)
class Colours:
    """The colours that one half of the readers sees."""

    theme: Literal["light", "dark"]
    text: str
    faint: str
    grid: str
    trades: str
    box: str
    edge: str


UP, DOWN = "#1b9e77", "#d95f02"  # as `plot` draws them
THEMES = {
    "light": Colours("light", "#22262e", "#6b7280", "#e5e7eb", "#64748b", "#eef2ff", "#4f5bd5"),
    "dark": Colours("dark", "#e4e7ee", "#9aa3b2", "#3a3f4b", "#94a3b8", "#2a2f45", "#8f9bff"),
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
    y, low = (alt.Y(name, title=PRICE, scale=up) for name in ("price:Q", "low:Q"))
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
    late = pl.DataFrame({"trade": [size + size // 12], "price": [bar["open"] + reach / 2], "name": ["the next bar"]})
    own = pl.DataFrame({"from": [0], "trade": [size - 1], "low": [levels[2]], "price": [levels[0]]})
    return alt.layer(
        alt.Chart(own).mark_rect(color=colours.box).encode(x=begin, x2="trade", y=low, y2="price"),
        alt.Chart(limits).mark_rule(color=colours.edge, strokeDash=[5, 4]).encode(x=begin, x2="trade", y=y),
        alt.Chart(limits.with_columns(trade=size * 0.65))
        .mark_text(dy=-8, color=colours.edge)
        .encode(x=x, y=y, text="name"),
        alt.Chart(path).mark_line(interpolate="step-after", color=colours.trades, strokeWidth=1.2).encode(x=x, y=y),
        alt.Chart(ends).mark_point(filled=True, size=75, opacity=1, color=UP).encode(x=x, y=y),
        alt.Chart(ends.head(1)).mark_text(align="left", dx=8, dy=17, color=colours.text).encode(x=x, y=y, text="name"),
        alt.Chart(ends.tail(1))
        .mark_text(align="right", dx=-9, dy=15, color=colours.text)
        .encode(x=x, y=y, text="name"),
        alt.Chart(late).mark_text(color=colours.faint).encode(x=x, y=y, text="name"),
    ).properties(width=WIDTH, height=280)


def bars_over_trades(colours: Colours) -> Chart:
    """Bars as boxes, from their first trade to their last, over the path of their trades."""
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
    scale = alt.Scale(domain=["up", "down", "still forming"], range=[UP, DOWN, colours.faint])
    x = alt.X("open_time:T", title="time (UTC)", axis=alt.Axis(format="%H:%M"))
    y = alt.Y("low:Q", title=PRICE, scale=alt.Scale(zero=False))
    box = alt.Chart(_naive(boxes)).encode(
        x=x, x2="close_time", y=y, y2="high", color=alt.Color("kind:N", scale=scale, title=None)
    )
    line = alt.Chart(_naive(path)).mark_line(color=colours.text, strokeWidth=0.9)
    return alt.layer(
        box.mark_rect(opacity=0.35, stroke=colours.grid, strokeWidth=0.5),
        line.encode(x=alt.X("timestamp:T"), y=alt.Y("price:Q")),
    ).properties(width=WIDTH, height=280)


def range_and_time(_colours: Colours) -> Chart:
    """The same day in range bars and in the same number of time bars."""
    trades = day()
    ranged = trades.rangebar.bars(250, features=[])
    timed = trades.group_by_dynamic("timestamp", every="24m", start_by="window").agg(
        open=pl.first("price"), high=pl.max("price"), low=pl.min("price"), close=pl.last("price")
    )
    top = _candles(ranged, "close_time").properties(
        title=f"{ranged.height} range bars of 0.25 %, each where it closed", width=WIDTH, height=170
    )
    bottom = _candles(timed, "timestamp").properties(
        title=f"{timed.height} time bars of 24 minutes", width=WIDTH, height=170
    )
    return alt.vconcat(top, bottom, spacing=18)


def bars_of_activity(colours: Colours) -> Chart:
    """The same day in bars that close by the clock and by what was traded."""
    return _kinds([rb.Time("40m"), rb.Ticks(13_000), rb.Volume(430)], colours)


def bars_of_moves(colours: Colours) -> Chart:
    """The same day in bars that close by the sides of trades and by the price."""
    return _kinds([rb.Imbalance(target=13_000, span=20), rb.HighLow(440), rb.Range(320)], colours)


def _kinds(rules: list[Any], colours: Colours) -> Chart:
    """
    A day in bars of each rule, one below the other: boxes from the first trade of a bar to its last, over the prices.

    Narrow, so that two stand side by side on a screen, and one alone on a phone.
    """
    trades, ends = day(), [DAY, DAY + timedelta(days=1)]
    path = trades.group_by_dynamic("timestamp", every="2m").agg(pl.last("price"))
    across = alt.Scale(
        type="utc", domain=[alt.DateTime(year=t.year, month=t.month, date=t.day, utc=True) for t in ends]
    )
    lowest, highest = trades.select(low=pl.min("price"), high=pl.max("price")).row(0)
    up = alt.Scale(domain=[lowest, highest], zero=False, nice=False)
    panels: list[Chart] = []
    for rule in rules:
        bars = trades.rangebar.bars(rule, features=[], include_incomplete=True)
        rose = pl.when(pl.col("close") >= pl.col("open")).then(pl.lit(UP)).otherwise(pl.lit(DOWN))
        boxes = bars.select("open_time", "close_time", "low", "high", colour=rose)
        is_last = rule is rules[-1]
        hours = [f"2024-01-01T{hour:02}:00Z" for hour in range(0, 24, 6)]
        axis = alt.Axis(format="%H:%M", values=hours, labels=is_last, labelFlush=False)
        x = alt.X("open_time:T", title="time (UTC)" if is_last else None, scale=across, axis=axis)
        y = alt.Y("low:Q", title=None, scale=up, axis=alt.Axis(tickCount=3, format=",.0f"))
        box = alt.Chart(_naive(boxes)).mark_rect(opacity=0.45, strokeWidth=0.7, stroke=colours.text)
        line = alt.Chart(_naive(path)).mark_line(color=colours.text, strokeWidth=0.8, opacity=0.8)
        panels.append(
            alt.layer(
                box.encode(x=x, x2="close_time", y=y, y2="high", color=alt.Color("colour:N", scale=None)),
                line.encode(x=alt.X("timestamp:T"), y=alt.Y("price:Q")),
            ).properties(title=f"{rule}: {bars.height} bars", width=262, height=112)
        )
    return alt.vconcat(*panels, spacing=10)


def data_flow(colours: Colours) -> Chart:
    """The input, the one machine in the middle, and the output."""
    columns = {"in": (0.0, 200.0), "core": (258.0, 402.0), "out": (460.0, 660.0)}
    texts = {
        "in": [
            ("files of a vendor", "scan_binance(...)"),
            ("a lake of Parquet files", "scan_parquet(...)"),
            ("a frame", "pl.DataFrame"),
            ("a live feed", "push(frame), push_trade(...)"),
        ],
        "core": [("one machine", "a forming bar a group")],
        "out": [
            ("bars, as a LazyFrame", "sink_parquet, collect"),
            ("features of each bar", "intra, lookback"),
            ("the state, as bytes", "checkpoint, restore"),
            ("the bar of each trade", "with_bar_id, range_bar_id"),
        ],
    }
    height, gap = 50.0, 14.0
    total = 4 * height + 3 * gap
    boxes: list[Box] = []
    for column, entries in texts.items():
        tall = total if column == "core" else height
        top = (total - len(entries) * tall - (len(entries) - 1) * gap) / 2
        left, right = columns[column]
        for i, (title, detail) in enumerate(entries):
            y = top + i * (tall + gap)
            boxes.append(Box(left, right, y, y + tall, title, detail))
    middle = [(box.y + box.y2) / 2 for box in boxes]
    arrows = [(columns["in"][1], columns["core"][0] - 7, y) for y in middle[:4]]
    arrows += [(columns["core"][1], columns["out"][0] - 7, y) for y in middle[5:]]
    across = pl.DataFrame(arrows, schema=["x", "x2", "y"], orient="row")
    return alt.layer(
        *_boxes(boxes, colours),
        alt.Chart(across).mark_rule(color=colours.faint, strokeWidth=1.4).encode(x=_at("x"), x2="x2", y=_down("y")),
        alt.Chart(across)
        .mark_point(shape="triangle-right", filled=True, size=70, opacity=1, color=colours.faint)
        .encode(x=_at("x2"), y=_down("y")),
    ).properties(width=WIDTH, height=total)


def reading(colours: Colours) -> Chart:
    """The steps from files to trades, and what the report has of each."""
    steps = [
        ("files", "zip, gzip, CSV, ...", ["time_unit", "absent_columns", "other_columns", "ignored"]),
        ("blocks", "4 MB, whole lines", ["rows_read", "unterminated", "is_complete"]),
        (
            "rows",
            "is each one right?",
            ["header", "not_a_trade", "unparsable", "time_unit", "ghost", "non_positive", "decimals"],
        ),
        ("order", "does each follow?", ["duplicate", "conflicting_id", "backwards", "crossed", "one_sided"]),
        ("trades", "a LazyFrame", ["rows_returned", "first_time", "last_time"]),
    ]
    gap, tall, top, line = 24.0, 56.0, 92.0, 19.0
    wide = (WIDTH - 4 * gap) / 5
    boxes = [Box(i * (wide + gap), i * (wide + gap) + wide, 0, tall, *step[:2]) for i, step in enumerate(steps)]
    low = top + 34 + 7 * line + 6
    arrow: Any = {"filled": True, "size": 60, "opacity": 1, "color": colours.faint}
    rule: Any = {"color": colours.faint, "strokeWidth": 1.4}
    across = pl.DataFrame([(box.x2, box.x2 + gap - 7, tall / 2) for box in boxes[:-1]], ["x", "x2", "y"], orient="row")
    centres = [(box.x + box.x2) / 2 for box in boxes]
    down = pl.DataFrame([(x, tall, top - 7) for x in centres], ["x", "y", "y2"], orient="row")
    told = [
        (x, top + 40 + row * line, name)
        for x, (*_, names) in zip(centres, steps, strict=True)
        for row, name in enumerate(names)
    ]
    frame = pl.DataFrame({"x": [0.0], "x2": [float(WIDTH)], "y": [top], "y2": [low]})
    title = pl.DataFrame({"x": [WIDTH / 2], "y": [top + 17], "text": ["ReadReport: what each step reports"]})
    words = pl.DataFrame(told, ["x", "y", "text"], orient="row")
    return alt.layer(
        alt.Chart(frame)
        .mark_rect(fill="transparent", stroke=colours.faint, strokeDash=[4, 4], cornerRadius=8)
        .encode(x=_at("x"), x2="x2", y=_down("y"), y2="y2"),
        *_boxes(boxes, colours),
        alt.Chart(across).mark_rule(**rule).encode(x=_at("x"), x2="x2", y=_down("y")),
        alt.Chart(across).mark_point(shape="triangle-right", **arrow).encode(x=_at("x2"), y=_down("y")),
        alt.Chart(down).mark_rule(strokeDash=[3, 3], **rule).encode(x=_at("x"), y=_down("y"), y2="y2"),
        alt.Chart(down).mark_point(shape="triangle-down", **arrow).encode(x=_at("x"), y=_down("y2")),
        alt.Chart(title)
        .mark_text(fontSize=13, fontWeight="bold", color=colours.text)
        .encode(x=_at("x"), y=_down("y"), text="text"),
        alt.Chart(words).mark_text(fontSize=12, color=colours.text).encode(x=_at("x"), y=_down("y"), text="text"),
    ).properties(width=WIDTH, height=low)


def architecture(colours: Colours) -> Chart:
    """The layers, from what a user calls down to the rule, and their dependencies."""
    third, wide = 168.0, 528.0
    left = [0.0, third + 12, 2 * (third + 12)]
    step = (wide - 3 * 14) / 4
    high = [0.0, 84.0, 168.0, 252.0, 338.0]  # where the layers begin, and the end
    boxes = [
        Box(left[0], left[0] + third, high[0], high[0] + 54, "lf.rangebar.bars(...)", "scan.py: a lazy query"),
        Box(left[1], left[1] + third, high[0], high[0] + 54, "rb.BarStream(...)", "stream.py: a live feed"),
        Box(left[2], wide, high[0], high[0] + 54, "rb.range_bars, rb.ofi", "expressions.py, statistics/"),
        Box(left[0], left[1] + third, high[1], high[1] + 54, "src/stream", "batches in, bars out, one state a group"),
        Box(left[2], wide, high[1], high[1] + 54, "src/plugin", "a Struct in, a Series out"),
        Box(0, wide, high[2], high[2] + 54, "src/frame", "Polars columns in and out: names, dtypes, nulls"),
        *(
            Box(i * (step + 14), i * (step + 14) + step, high[3], high[3] + 54, title, detail)
            for i, (title, detail) in enumerate(
                [
                    ("fixed", "numbers to integers"),
                    ("range", "which trade closes"),
                    ("bar", "exact sums"),
                    ("features", "columns"),
                ]
            )
        ),
    ]
    below = [(x + third / 2, high[0] + 54, high[1] - 7) for x in left]
    below += [(left[0] + third + 6, high[1] + 54, high[2] - 7), (left[2] + third / 2, high[1] + 54, high[2] - 7)]
    below += [(wide / 2, high[2] + 54, high[3] - 22)]
    beside = [(i * (step + 14) - 14, i * (step + 14) - 5, high[3] + 27) for i in (1, 2, 3)]
    down = pl.DataFrame(below, schema=["x", "y", "y2"], orient="row")
    across = pl.DataFrame(beside, schema=["x", "x2", "y"], orient="row")
    frame = pl.DataFrame({"x": [-8.0], "x2": [wide + 8], "y": [high[3] - 15], "y2": [high[4]]})
    known = pl.DataFrame(
        {
            "x": [wide + 22] * 3,
            "y": [high[0] + 27, high[1] + 69, high[3] + 27],
            "text": [
                ["Python", "no arithmetic", "on trades"],
                ["Rust", "with Polars"],
                ["Rust, the standard", "library alone"],
            ],
        }
    )
    core = pl.DataFrame(
        {"x": [wide / 2], "y": [high[3] + 70], "text": ["src/core: one state machine, BarBuilder, for every route"]}
    )
    arrow: Any = {"filled": True, "size": 60, "opacity": 1, "color": colours.faint}
    line: Any = {"color": colours.faint, "strokeWidth": 1.4}
    return alt.layer(
        alt.Chart(frame)
        .mark_rect(fill="transparent", stroke=colours.faint, strokeDash=[4, 4], cornerRadius=8)
        .encode(x=_at("x"), x2="x2", y=_down("y"), y2="y2"),
        *_boxes(boxes, colours),
        alt.Chart(down).mark_rule(**line).encode(x=_at("x"), y=_down("y"), y2="y2"),
        alt.Chart(down).mark_point(shape="triangle-down", **arrow).encode(x=_at("x"), y=_down("y2")),
        alt.Chart(across).mark_rule(**line).encode(x=_at("x"), x2="x2", y=_down("y")),
        alt.Chart(across).mark_point(shape="triangle-right", **arrow).encode(x=_at("x2"), y=_down("y")),
        alt.Chart(known.explode("text").with_columns(pl.col("y") + 16 * (pl.int_range(pl.len()).over("y") - 0.5)))
        .mark_text(align="left", fontSize=12, color=colours.faint)
        .encode(x=_at("x"), y=_down("y"), text="text"),
        alt.Chart(core).mark_text(fontSize=12, color=colours.text).encode(x=_at("x"), y=_down("y"), text="text"),
    ).properties(width=WIDTH, height=high[4])


def lake(colours: Colours) -> Chart:
    """The files of a lake and what their footers say of each other, with the digests of a real one."""
    days, months = _digests()
    tall, gap, top = 50.0, 14.0, 48.0
    step = tall + gap
    given, kept, built = (0.0, 110.0), (186.0, 376.0), (452.0, WIDTH - 8.0)
    low = top + 3 * tall + 2 * gap
    rows = [top + n * step for n in range(3)]
    boxes = [
        Box(*given, rows[0] + step / 2, rows[0] + step / 2 + tall, "zips", "scan_binance(...)"),
        Box(*given, rows[1] + step / 2, rows[1] + step / 2 + tall, "frames", "any LazyFrame"),
        *(
            Box(*kept, y, y + tall, f"date={day}", f"digest {digest}")
            for y, (day, digest) in zip(rows, days, strict=True)
        ),
        Box(*built, rows[0] + step / 2, rows[0] + step / 2 + tall, f"period={months[0][0]}", f"of {months[0][1]}"),
        Box(*built, rows[2], rows[2] + tall, f"period={months[1][0]}", f"of {months[1][1]}"),
        Box(*built, low + 44, low + 44 + tall, "series/base.toml", "thresholds, reset, features"),
        Box(*kept, low + 44, low + 44 + tall, "lake.toml", "version and clock"),
    ]
    middle = [y + tall / 2 for y in rows]
    first, last = (middle[0] + middle[1]) / 2, middle[2]
    lines = [
        *((given[1], kept[0] - 15, y + tall / 2, y + tall / 2) for y in (rows[0] + step / 2, rows[1] + step / 2)),
        (kept[1], built[0] - 7, middle[0], first - 5),
        (kept[1], built[0] - 7, middle[1], first + 5),
        (kept[1], built[0] - 7, last, last),
        ((built[0] + built[1]) / 2, (built[0] + built[1]) / 2, low + 44, low + 15),
    ]
    arrows = pl.DataFrame(lines, schema=["x", "x2", "y", "y2"], orient="row")
    folders = pl.DataFrame(
        {"x": [kept[0] - 8, built[0] - 8], "x2": [kept[1] + 8, built[1] + 8], "y": [4.0, 4.0], "y2": [low + 8] * 2}
    )
    words = [
        ((kept[0] + kept[1]) / 2, 18.0, "trades/"),
        ((kept[0] + kept[1]) / 2, 34.0, "venue=.../symbol=BTCUSDT/"),
        ((built[0] + built[1]) / 2, 18.0, "bars/series=base/"),
        ((built[0] + built[1]) / 2, 34.0, "venue=.../symbol=BTCUSDT/"),
        ((given[1] + kept[0]) / 2 - 6, first + step / 2 - 4, "add"),
        ((kept[1] + built[0]) / 2, middle[0] - 12, "build"),
    ]
    texts = pl.DataFrame(words, schema=["x", "y", "text"], orient="row")
    line: Any = {"color": colours.faint, "strokeWidth": 1.4}
    point: Any = {"filled": True, "size": 60, "opacity": 1, "color": colours.faint}
    ends = {"x": _at("x2"), "y": _down("y2")}
    return alt.layer(
        alt.Chart(folders)
        .mark_rect(fill="transparent", stroke=colours.faint, strokeDash=[4, 4], cornerRadius=8)
        .encode(x=_at("x"), x2="x2", y=_down("y"), y2="y2"),
        alt.Chart(arrows).mark_rule(**line).encode(x=_at("x"), x2="x2", y=_down("y"), y2="y2"),
        alt.Chart(arrows.head(5)).mark_point(shape="triangle-right", **point).encode(**ends),
        alt.Chart(arrows.tail(1)).mark_point(shape="triangle-up", **point).encode(**ends),
        *_boxes(boxes, colours),
        alt.Chart(texts).mark_text(fontSize=12, color=colours.text).encode(x=_at("x"), y=_down("y"), text="text"),
    ).properties(width=WIDTH, height=low + 44 + tall)


def _digests() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Days of trades with the beginning of a digest, and periods of bars with those of what they were made of."""
    trades = rb.datasets.sample_trades(1_000_000, symbols=[BTCUSDT], start=datetime(2024, 1, 30, 22, tzinfo=UTC))
    trades = trades.filter(pl.col("timestamp") < datetime(2024, 2, 2, tzinfo=UTC))
    with tempfile.TemporaryDirectory() as folder:
        lake = rb.Lake(folder)
        lake.add(trades, venue="venue")
        lake.series("base", threshold_dbps=250)
        lake.build("base")
        footers = [(file, pl.read_parquet_metadata(file)) for file in sorted(lake.path.rglob("*.parquet"))]
    days = [
        (file.parent.name.partition("=")[2], _short(footer["rangebar.digest"]))
        for file, footer in footers
        if footer["rangebar.kind"] == "trades"
    ]
    months = [
        (file.parent.name.partition("=")[2], ", ".join(_short(d) for _, d in json.loads(footer["rangebar.sources"])))
        for file, footer in footers
        if footer["rangebar.kind"] == "bars"
    ]
    return days, months


def _short(digest: str) -> str:
    """The beginning of the digest of the first column."""
    return f"{digest.partition(':')[2][:4]}..."


def plotted(colours: Colours) -> Chart:
    """The chart that `plot` draws for the bars of the tutorial, in its own colours."""
    trades = rb.datasets.sample_trades(200_000, symbols=[BTCUSDT, "ETHUSDT"])
    bars = trades.rangebar.bars(100, by="symbol", include_incomplete=True)
    return bars.rangebar.plot(
        symbol=BTCUSDT, x="time", panels=["volume", "ofi"], width=590, height=240, theme=colours.theme
    )


def footprint(colours: Colours) -> Chart:
    """The chart that `plot` draws of footprints."""
    trades = rb.datasets.sample_trades(60_000, symbols=[BTCUSDT])
    bars = trades.rangebar.bars(100, footprint=5.0).slice(20, 9)
    return bars.rangebar.plot(footprint=True, title=f"{BTCUSDT}, bars of 0.1 %", theme=colours.theme)


def depth(colours: Colours) -> Chart:
    """The heat map that `plot_depth` draws of the book of the page."""
    trades, updates = rb.datasets.sample_trades(20_000), rb.datasets.sample_book_updates(20_000)
    states = updates.rangebar.book(depth=15, sample="change", features=["levels"], by="symbol")
    shown = states.filter(pl.col("time").dt.minute().is_between(27, 29))
    return rb.plotting.plot_depth(
        shown, bars=trades.rangebar.bars(20), trades=trades, log=True, width=590, height=320, theme=colours.theme
    )


@dataclass(frozen=True)
class Box:
    """A box with a title and a description."""

    x: float
    x2: float
    y: float
    y2: float
    title: str
    detail: str


def _at(field: str) -> alt.X:
    return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=[0, WIDTH], nice=False))


def _down(field: str) -> alt.Y:
    return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(reverse=True, nice=False, zero=False))


def _boxes(boxes: list[Box], colours: Colours) -> list[Chart]:
    frame = pl.DataFrame(boxes).with_columns(cx=(pl.col("x") + pl.col("x2")) / 2, cy=(pl.col("y") + pl.col("y2")) / 2)
    named = alt.Chart(frame)
    centre = {"x": _at("cx"), "y": _down("cy")}
    return [
        named.mark_rect(fill=colours.box, stroke=colours.edge, cornerRadius=6).encode(
            x=_at("x"), x2="x2", y=_down("y"), y2="y2"
        ),
        named.mark_text(dy=-8, fontSize=14, fontWeight="bold", color=colours.text).encode(**centre, text="title"),
        named.mark_text(dy=11, fontSize=12, color=colours.faint).encode(**centre, text="detail"),
    ]


PICTURES = {
    "range_bar": range_bar,
    "bars_over_trades": bars_over_trades,
    "range_and_time": range_and_time,
    "bars_of_activity": bars_of_activity,
    "bars_of_moves": bars_of_moves,
    "data_flow": data_flow,
    "reading": reading,
    "architecture": architecture,
    "lake": lake,
    "plot": plotted,
    "footprint": footprint,
    "depth": depth,
}


def _candles(bars: pl.DataFrame, time: str) -> Chart:
    end = DAY + timedelta(days=1)
    domain = [alt.DateTime(year=t.year, month=t.month, date=t.day, utc=True) for t in (DAY, end)]
    frame = _naive(bars.select(pl.col(time).alias("time"), "open", "high", "low", "close"))
    scale = alt.Scale(type="utc", domain=domain, nice=False)
    base = alt.Chart(frame).encode(
        x=alt.X("time:T", title="time (UTC)", axis=alt.Axis(format="%H:%M"), scale=scale),
        color=alt.condition("datum.close >= datum.open", alt.value(UP), alt.value(DOWN)),
    )
    prices = alt.Scale(zero=False)
    return alt.layer(
        base.mark_rule().encode(y=alt.Y("low:Q", title=PRICE, scale=prices), y2="high"),
        base.mark_bar(size=5).encode(y=alt.Y("open:Q", scale=prices), y2="close"),
    )


def _naive(frame: pl.DataFrame) -> pl.DataFrame:
    """Without a zone, a time is drawn as written, whatever the zone of the machine."""
    return frame.with_columns(pl.selectors.datetime().dt.replace_time_zone(None).dt.cast_time_unit("ms"))


def dressed(chart: Chart, colours: Colours, ground: str) -> Chart:
    """The chart in the colours of its readers, unless it has its own."""
    if chart.config is not alt.Undefined:
        chart.config.background, chart.config.aria, chart.config.font = ground, False, FONT
        return chart
    axis = {
        **dict.fromkeys(("domainColor", "gridColor", "tickColor"), colours.grid),
        **dict.fromkeys(("labelColor", "titleColor"), colours.faint),
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    return chart.configure(
        background=ground,
        aria=False,  # the pages say what a picture shows
        padding=8,
        font=FONT,
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
