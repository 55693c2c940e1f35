"""Docs: the table of columns is that of the library, in names, order and dtypes."""

from __future__ import annotations

import doctest
import inspect
import pydoc
import re
from math import inf
from pathlib import Path
from typing import get_args, get_type_hints

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars import _internal, backtesting, exports, plotting
from rangebar_polars._bars.book import BookOptions
from rangebar_polars._bars.eager_namespace import BarIdOptions, FrameOptions
from rangebar_polars._typing import BarFeatureName
from rangebar_polars.validation._bounds import bounds
from tests._paths import ROOT

MODULES = (rb.datasets, backtesting, exports, plotting)
CLASSES = (
    rb.BarState,
    rb.BarStream,
    rb.BookStream,
    rb.DataFrameRangeBar,
    rb.ExprRangeBar,
    rb.Lake,
    rb.LazyFrameRangeBar,
)
LAKE_ERRORS = (rb.LakeConflictError, rb.LakeFileError, rb.LakeLockError)
FETCH_ERRORS = (rb.FetchError, rb.MissingTradesError, rb.NotEnoughBarsError)
TOLD = (rb.AddReport, rb.BuildReport, rb.FetchReport, rb.Series)
"""What a lake says, of which its page has the examples."""
SILENT = (
    *(rb.RangeBarError, rb.RangeBarWarning, *LAKE_ERRORS, *FETCH_ERRORS),
    *(rb.LazyFrameRangeBar, rb.DataFrameRangeBar, rb.ExprRangeBar, rb.BarRow, *TOLD),
)
"""Classes that no user makes."""
ELSEWHERE = re.compile(r":(meth|func):`(LazyFrameRangeBar|rangebar_polars\.statistics)\.")
"""Where the parameters are described of what only hands them on."""
DTYPES = {
    "time of the trades": pl.Datetime("us", "UTC"),
    "Float64": pl.Float64(),
    "Int64": pl.Int64(),
    "UInt64": pl.UInt64(),
    "Enum(threshold, reset, gap, end)": pl.Enum(["threshold", "reset", "gap", "end"]),
}


def test_documented_columns_are_those_of_the_bars() -> None:
    table = re.findall(r"^\| `(\w+)` \| ([^|]+) \|.*$", (ROOT / "docs/columns.md").read_text(), re.MULTILINE)
    documented = {name: DTYPES[dtype] for name, dtype in table}
    schema = rb.datasets.sample_trades(10).rangebar.bars(250, intra=True, lookback=200).schema
    assert list(documented.items()) == list(schema.items())


def test_documented_bounds_are_those_that_validate_holds_bars_against() -> None:
    table = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]*) \|", (ROOT / "docs/columns.md").read_text(), re.MULTILINE)
    between = {name: tuple(map(float, unit.split(" to "))) for name, unit in table if " to " in unit}
    known = {name: bounds(name) for name, _ in table}
    assert between == {name: limits for name, limits in known.items() if limits is not None and inf not in limits}
    assert len(between) > 20


def test_columns_marked_as_needing_the_side_are_null_without_it() -> None:
    rows = re.findall(r"^\| `(\w+)` .*\(\*side\*\)", (ROOT / "docs/columns.md").read_text(), re.MULTILINE)
    trades = rb.datasets.sample_trades(20_000)
    bars = trades.rangebar.bars(100, intra=True, lookback=200, is_buyer_maker=None)
    assert bars.height > 0
    assert {name for name in bars.columns if bars[name].null_count() == bars.height} == set(rows)


def test_features_are_those_of_the_literal() -> None:
    table = _internal.bar_columns(intra=True, lookback=True)
    assert list(get_args(BarFeatureName)) == [name for name, is_feature, _ in table if is_feature]


EAGER = sorted(name for name in vars(rb.DataFrameRangeBar) if name[0] != "_")


@pytest.mark.parametrize("name", EAGER)
def test_an_eager_method_says_what_the_lazy_one_says(name: str) -> None:
    """Its signature and all sections but the examples, without a second copy; a checker sees its own types."""
    eager, lazy = (getattr(kind, name) for kind in (rb.DataFrameRangeBar, rb.LazyFrameRangeBar))
    signatures = [inspect.signature(method) for method in (eager, lazy)]
    assert signatures[0].parameters == signatures[1].parameters
    assert "LazyFrame" not in str(signatures[0].return_annotation)
    told = [inspect.getdoc(method) or "" for method in (eager, lazy)]
    sections = [text[text.index("Parameters\n---") : text.index("Examples\n---")] for text in told]
    assert sections[0] == sections[1].replace("LazyFrame\n", "DataFrame\n", 1)
    assert pydoc.render_doc(eager).count("Parameters") == 1


@pytest.mark.parametrize(
    ("name", "options"), [("bars", FrameOptions), ("with_bar_id", BarIdOptions), ("book", BookOptions)]
)
def test_checkers_see_every_parameter_of_an_eager_method(name: str, options: type) -> None:
    signature = inspect.signature(getattr(rb.LazyFrameRangeBar, name))
    keywords = {
        parameter.name for parameter in signature.parameters.values() if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert set(get_type_hints(options)) == keywords


def test_every_public_name_has_a_docstring_with_an_example() -> None:
    public = [getattr(rb, name) for name in rb.__all__ if name != "__version__"]
    classes = (rb.LazyFrameRangeBar, rb.DataFrameRangeBar, rb.BarStream)
    told = [rb.BarState.checkpoint, rb.BarState.advance, rb.BarState.forget]
    methods = [*told, *(getattr(c, m) for c in classes for m in vars(c) if m[0] != "_")]
    for thing in [rb, *(p for p in public if not hasattr(p, "bars") and p not in (rb.datasets, *TOLD)), *methods]:
        assert ">>>" in (thing.__doc__ or ""), thing


def test_a_checkpoint_is_as_large_as_the_pages_say() -> None:
    page = (ROOT / "docs/continuing.md").read_text()
    (said,) = re.findall(
        r"(\d+) bytes for each group, (\d+) for each further threshold.*?about (\d+) bytes", page, re.DOTALL
    )
    sizes = {}
    for groups in (1, 101):
        trades = rb.datasets.sample_trades(groups, symbols=[f"{number:08}" for number in range(groups)])
        for thresholds in ([250], [250, 500], [250, 500, 750]):
            stream = rb.BarStream(thresholds, by="symbol")
            stream.push(trades)
            sizes[groups, len(thresholds)] = len(stream.checkpoint())
    each = {number: (sizes[101, number] - sizes[1, number]) / 100 for number in (1, 2, 3)}
    key = 8 + 9  # the letters of a text, and what says how many
    assert round(each[1]) - key == int(said[0])
    assert round(each[2] - each[1]) == round(each[3] - each[2]) == int(said[1])
    assert abs(sizes[1, 1] - each[1] - int(said[2])) < 50
    assert f"{said[0]} bytes" in (ROOT / "docs/speed.md").read_text()


def test_what_files_of_a_lake_have_is_on_the_page_of_their_format(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    page = (ROOT / "docs/reference/lake_format.md").read_text()
    lake = rb.Lake(tmp_path)
    lake.add(rb.datasets.sample_trades(10), venue="venue")
    lake.series("base", threshold_dbps=250)
    lake.build("base")
    files = sorted(tmp_path.rglob("*.parquet"))
    assert len(files) == 2
    footers = {key for file in files for key in pl.read_parquet_metadata(file)}
    table = re.findall(r"^\| (`rangebar\..*?) \|", page, re.MULTILINE)
    assert footers - set(re.findall(r"`(rangebar\.\w+)`", " ".join(table))) == {"ARROW:schema"}
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (\w+)[^|]* \| (?:INT64|DOUBLE|BOOLEAN)", page, re.MULTILINE)
    columns = [(name, dtype) for names, dtype in rows for name in re.findall(r"\w+", names)]
    schema = pl.read_parquet_schema(files[1])
    assert columns == [(name, str(dtype.base_type())) for name, dtype in schema.items()]


def test_figures_of_the_readme_are_those_of_the_comparison() -> None:
    rows = re.findall(
        r"^\| (?:\*\*)?([^|*]+?)(?:\*\*)? \|(.*)\|$", (ROOT / "docs/compare.md").read_text(), re.MULTILINE
    )
    figures = {name: [cell.strip() for cell in cells.split("|")] for name, cells in reversed(rows)}
    readme = re.sub(r"\s+", " ", (ROOT / "README.md").read_text())
    for name, words in {
        "rangebar_polars": "{} million trades a second out of zstd Parquet, in {} MB",
        "rangebar, microstructure": "{} million, in {} MB",
    }.items():
        assert words.format(figures[name][2], figures[name][3]) in readme
    faster = [name for name, cells in figures.items() if len(cells) == 7 and cells[6] and float(cells[6]) < 1]
    assert faster == ["numba over batches, state carried"]  # the only one that the page names


def test_a_real_day_is_as_the_page_says(btcusdt_day: pl.DataFrame) -> None:
    """The figures of "Small steps decide the ranks", in the order of the page."""
    page = (ROOT / "docs/validation.md").read_text()
    passage = re.sub(r"\s+", " ", page[page.index("**Small steps") : page.index(">>> prices")])
    bars = btcusdt_day.rangebar.bars(50)
    close, after = pl.col("close"), pl.col("open").shift(-1)
    rose = (close > pl.col("open")).cast(pl.Int8)
    table = bars.with_columns(
        rose=rose,
        step=(after - close) * (2 * rose - 1),
        at_once=pl.col("open_time").shift(-1) == pl.col("close_time"),
        from_close=rb.forward_return(1),
        from_open=close.shift(-1) / after - 1,
    )
    for name, pause in {"soon": pl.duration(milliseconds=10), "late": pl.duration(seconds=5)}.items():
        at = bars.lazy().select(timestamp=pl.col("close_time") + pause)
        price = at.join_asof(btcusdt_day.lazy().select("timestamp", "price"), on="timestamp").collect()["price"]
        table = table.with_columns((close.shift(-1) / price - 1).alias(name))
    table = table.drop_nulls("from_close")

    def rho(of: pl.DataFrame, one: str, other: str) -> str:
        return f"{of.select(pl.corr(one, other, method='spearman')).item() + 0.0:.2f}"

    sizes = table["from_close"].abs() * 1e4
    moments = [bars.height, *(f"{sizes.quantile(part):.2f}" for part in (0.1, 0.9))]
    onward = (pl.col("from_close") > 0) == (pl.col("rose") == 1)
    shares = table.select(at_once=pl.col("at_once"), step=pl.col("step") > 0, onward=onward).mean().row(0)
    ranks = [rho(table, "rose", "from_close"), rho(table, "ofi", "from_close")]
    ranks += [rho(table.filter(rose=way), "ofi", "from_close") for way in (1, 0)]
    ranks += [rho(table, "ofi", name) for name in ("from_open", "soon", "late")]
    said = re.findall(r"(\d+) bars|(-?\d\.\d\d)|(\d+) %", passage)
    expected = [*map(str, moments), *(f"{100 * share:.0f}" for share in shares), *ranks]
    assert ["".join(one) for one in said] == expected


def described(docstring: str) -> set[str]:
    """Names of the section "Parameters", in which several may share a description."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", inspect.cleandoc(docstring), re.MULTILINE | re.DOTALL
    )
    heads = re.findall(r"^\**(\w.*)$", section[1], re.MULTILINE) if section else []
    return {name for head in heads for name in head.split(", ")}


def test_every_parameter_is_described() -> None:
    functions = [thing for name in rb.__all__ if callable(thing := getattr(rb, name)) and thing not in SILENT]
    functions += [
        function
        for module in MODULES
        for name in module.__all__
        if inspect.isfunction(function := getattr(module, name))
    ]
    functions += [getattr(kind, name) for kind in CLASSES for name in dir(kind) if name[0] != "_"]
    missing = {}
    for function in filter(callable, functions):
        text = function.__doc__ or ""
        names = set(inspect.signature(function).parameters) - {"self", "expected"}
        if not ELSEWHERE.search(text) and not names <= described(text):
            missing[function.__qualname__] = names - described(text)
    assert len(functions) > 60
    assert missing == {}


def test_the_example_of_a_compiled_method_runs() -> None:
    """`push_trade` has no Python of its own, so that nothing else finds its docstring."""
    text = rb.BarStream.push_trade.__doc__ or ""
    examples = doctest.DocTestParser().get_doctest(text, {}, "push_trade", None, 0)
    runner = doctest.DocTestRunner()
    runner.run(examples)
    assert runner.summarize(verbose=False) == (0, len(examples.examples))
    assert examples.examples
