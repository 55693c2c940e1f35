"""Hooks of the site: what Markdown and docstrings need on their way to a page. MkDocs calls these by their names."""

from __future__ import annotations

import re
from typing import Any

_SESSION = re.compile(r"^(\s*)```python\n(?=\s*>>> )", re.MULTILINE)
_FLAG = re.compile(r" +# doctest: \+\w+$", re.MULTILINE)
_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
_ROLE = re.compile(r":(?:class|func|meth|mod):<code>([\w.]+)</code>")
_PAGE = re.compile(r"<code>docs/(\w+)\.md</code>")
_HOMES = {
    "datasets": {"sample_trades", "write_sample_lake"},
    "BarStream": {"push", "push_trade", "pending", "checkpoint"},
    "LazyFrameRangeBar": {"bars", "with_bar_id"},
    "backtesting": {"to_backtesting"},
    "exports": {"to_vectorbt", "to_nanobook"},
    "plotting": {"plot"},
}
"""Where the names are documented that are no names of `rangebar_polars` itself."""
_CLASSES = ("LazyFrameRangeBar", "DataFrameRangeBar", "BarStream", "BarState", "ExprRangeBar")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:  # noqa: ANN401
    """Mark sessions of the interpreter as such, and keep of links to the rest of the repository what they say."""
    marked = _SESSION.sub(r"\1```pycon\n", markdown)
    marked = _FLAG.sub("", marked)
    return marked if "/" in page.file.src_uri else _OUTWARD.sub(r"\1", marked)


def on_page_content(html: str, *, page: Any, **_: Any) -> str:  # noqa: ANN401
    """What docstrings name becomes links: roles, ``:meth:`push` ``, and pages, ``docs/columns.md``."""
    root = "../" * page.url.count("/")
    html = _PAGE.sub(rf'<a href="{root}\1/"><code>\1</code></a>', html)
    return _ROLE.sub(lambda role: _link(role[1]), html)


def _link(name: str) -> str:
    """A link that names the last parts of what it leads to, and is plain code where that is not on the site."""
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
