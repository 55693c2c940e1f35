"""Hooks of the site, which prepare Markdown and docstrings for the pages. MkDocs calls them by name."""

from __future__ import annotations

import re
from typing import Any

_SESSION = re.compile(r"^(\s*)```python\n(?=\s*>>> )", re.MULTILINE)
_FLAG = re.compile(r" +# doctest: \+\w+$", re.MULTILINE)
_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
_ROLE = re.compile(r":(?:class|func|meth|mod):<code>([\w.]+)</code>")
_PAGE = re.compile(r"<code>docs/(\w+)\.md</code>")
_HOMES = {
    "datasets": {"sample_book_updates", "sample_trades", "write_sample_archives", "write_sample_lake"},
    "BookStream": {"flush"},
    "BarStream": {"push", "push_trade", "pending", "checkpoint"},
    "LazyFrameRangeBar": {"bars", "with_bar_id"},
    "backtesting": {"to_backtesting"},
    "exports": {"to_vectorbt", "to_nanobook"},
    "plotting": {"plot", "plot_depth"},
}
"""Where names are documented that are not in `rangebar_polars` itself."""
_CLASSES = (
    "LazyFrameRangeBar",
    "DataFrameRangeBar",
    "BarStream",
    "BarState",
    "BookStream",
    "ExprRangeBar",
    "Preset",
    "ReadReport",
)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:  # noqa: ANN401
    """Mark interpreter sessions as such, and reduce links to the rest of the repository to their text."""
    marked = _SESSION.sub(r"\1```pycon\n", markdown)
    marked = _FLAG.sub("", marked)
    return marked if "/" in page.file.src_uri else _OUTWARD.sub(r"\1", marked)


def on_page_content(html: str, *, page: Any, **_: Any) -> str:  # noqa: ANN401
    """Turn names in docstrings into links: roles, ``:meth:`push` ``, and pages, ``docs/columns.md``."""
    root = "../" * page.url.count("/")
    html = _PAGE.sub(rf'<a href="{root}\1/"><code>\1</code></a>', html)
    return _ROLE.sub(lambda role: _link(role[1]), html)


def _link(name: str) -> str:
    """A link that shows the last parts of its target, or plain code if the target is not on the site."""
    return f'<autoref identifier="{_target(name)}" optional><code>{_short(name)}</code></autoref>'


def _short(name: str) -> str:
    return name.rpartition(".")[2] if name.startswith("rangebar_polars.") else name


def _target(name: str) -> str:
    if name.startswith("polars."):
        return name
    last = _short(name)
    if name.partition(".")[0] in _CLASSES:
        return f"rangebar_polars.{name}"
    for home, names in _HOMES.items():
        if last in names:
            return f"rangebar_polars.{home}.{last}"
    return f"rangebar_polars.{last}"
