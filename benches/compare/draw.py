# mypy: ignore-errors
"""
Draw the picture of docs/compare.md, light and dark: ``python -m benches.compare.draw RESULTS FOLDER``.

Runs in an environment that has Altair and vl-convert-python.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import altair as alt

from .table import CONTENDERS

THEMES = {
    "light": {"text": "#1f2328", "faint": "#d0d7de", "ours": "#0969da", "theirs": "#8c959f", "floor": "#d0d7de"},
    "dark": {"text": "#e6edf3", "faint": "#3d444d", "ours": "#4493f8", "theirs": "#7d8590", "floor": "#3d444d"},
}


def main(results: str, folder: str) -> None:
    """Write one picture for each theme."""
    measured = {each["key"]: each for each in json.loads(Path(results).read_text()) if not each["reason"]}
    most = max(each["rows"] for each in measured.values())
    rows = [
        {
            "name": contender.title + _fewer(measured[contender.key]["rows"], most),
            "speed": measured[contender.key]["speed"],
            "peak": measured[contender.key]["peak_mb"],
            "who": "floor" if contender.rule == "none" else "ours" if contender.ours else "theirs",
        }
        for contender in CONTENDERS
        if contender.key in measured
    ]
    for theme, colours in THEMES.items():
        picture(rows, colours).save(str(Path(folder) / f"compare_{theme}.svg"))


def _fewer(rows: int, most: int) -> str:
    return f" ({rows:,} trades)" if rows < most else ""


def picture(rows: list[dict], colours: dict[str, str]) -> alt.HConcatChart:
    """Two panels that share their names: speed and memory."""
    panels = [
        bars(rows, colours, "speed", "million trades a second", ".3~g", names=True),
        bars(rows, colours, "peak", "peak memory, MB", ",.0f", names=False),
    ]
    return (
        alt.hconcat(*panels, spacing=24)
        .configure(background="transparent", font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(labelColor=colours["text"], titleColor=colours["text"], domain=False, ticks=False, grid=False)
        .configure_title(color=colours["text"], anchor="start", fontWeight="normal", fontSize=13)
    )


def bars(rows: list[dict], colours: dict[str, str], field: str, title: str, style: str, *, names: bool) -> alt.Chart:
    """One panel: a bar and its figure for each contender, in the order of the table."""
    order = [row["name"] for row in rows]
    axis = alt.Axis(title=None, labelLimit=400, labelFontSize=12) if names else None
    base = alt.Chart(alt.Data(values=rows), title=title).encode(y=alt.Y("name:N", sort=order, axis=axis))
    length = alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domainMin=0))
    colour = alt.Color(
        "who:N", legend=None, scale=alt.Scale(domain=list(colours)[2:], range=list(colours.values())[2:])
    )
    drawn = base.mark_bar(height=14, cornerRadiusEnd=2).encode(x=length, color=colour)
    figure = base.mark_text(align="left", dx=5, color=colours["text"], fontSize=12).encode(
        x=length, text=alt.Text(f"{field}:Q", format=style)
    )
    return (drawn + figure).properties(width=260, height=alt.Step(22))


if __name__ == "__main__":
    main(*sys.argv[1:])
