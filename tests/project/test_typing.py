"""Contract layer for types: what pyright and mypy infer, with stubs and without; every public type is known."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import polars as pl
import pytest

from rangebar_polars import stubs

# What the last comment of a line says is what a checker must say of that line: a type, or an error.
CONSTRUCTED = """\
import polars as pl
import rangebar_polars as rb

lf, df, price = pl.LazyFrame(), pl.DataFrame(), pl.col("price")
reveal_type(rb.LazyFrameRangeBar(lf).bars(250, by="symbol"))  # LazyFrame
reveal_type(rb.DataFrameRangeBar(df).bars([100, 250], reset="1d"))  # DataFrame
reveal_type(rb.ExprRangeBar(price).hurst())  # Expr
reveal_type(rb.BarStream(250).push(df))  # DataFrame
bars = rb.BarStream(250).push_trade(1, 100.0, 1.0)
rows = rb.BarStream(250).push_trade(1, 100.0, 1.0, key="A", as_rows=True)
assert bars is not None
assert rows is not None
reveal_type(bars)  # DataFrame
reveal_type(rows[0])  # BarRow
rows[0].close.anything
reveal_type(rb.range_bars(250))  # Expr
rb.LazyFrameRangeBar(df)  # error
rb.LazyFrameRangeBar(lf).bars("250")  # error
rb.LazyFrameRangeBar(lf).bars(250, reset="1h")  # error
rb.range_bars()  # error
names: list[str] = ["ofi", "kyle_lambda_proxy"]
rb.LazyFrameRangeBar(lf).bars(250, features=names)
rb.DataFrameRangeBar(df).bars(250, features=names)
rb.DataFrameRangeBar(df).bars(250, features=("ofi", *names))
rb.range_bars(250, features=names)
rb.BarStream(250, features=names)
rb.LazyFrameRangeBar(lf).bars(250, features=["ofi"])
rb.LazyFrameRangeBar(lf).bars(250, features=[5])  # error
rb.LazyFrameRangeBar(lf).bars(threshold_decimal_bps=250)  # error
rb.range_bars(250, include_microstructure=True)  # error
reveal_type(rb.microprice("bid_price", "ask_price", bid_size="bid_qty", ask_size="ask_qty"))  # Expr
rb.microprice("bid_price", "bid_qty", "ask_price", "ask_qty")  # error
rb.quote_ofi("bid_price", "ask_price", "bid_qty", "ask_qty")  # error
"""
REGISTERED = """\
import polars as pl
import polars.selectors as cs
import rangebar_polars as rb

lf, df, price = pl.scan_parquet("trades"), pl.DataFrame(), pl.col("price")
reveal_type(lf.rangebar)  # LazyFrameRangeBar
reveal_type(df.rangebar)  # DataFrameRangeBar
reveal_type(price.rangebar)  # ExprRangeBar
reveal_type(lf.filter(price > 1).rangebar.bars(250).select(cs.float()).collect().rangebar)  # DataFrameRangeBar
reveal_type(pl.when(price > 1).then(price).otherwise(0).rangebar.kaufman_er())  # Expr
reveal_type(df.rangebar.bars(250)["open"])  # Series
reveal_type(pl.exceptions.ComputeError("what"))  # ComputeError
lf.rangebar.bars("250")  # error
lf.rangebar.bars(250, max_gapp="1h")  # error
df.rangebar.hurst()  # error
price.rangebar.bars(250)  # error
df.nothing  # error
"""

Said = dict[int, str]
Checker = Callable[[Path], Said]


def run(module: str, *arguments: str, folder: Path) -> str:
    """What a checker says, run beside the package and not in its source tree."""
    pytest.importorskip(module)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "PATH": path, "PYTHONUTF8": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    ).stdout


def pyright(folder: Path) -> Said:
    told = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, "use.py", folder=folder))
    said: Said = {}
    for one in told["generalDiagnostics"]:
        revealed = re.fullmatch(r'Type of ".*" is "(\w+)"', one["message"], re.DOTALL)
        said[one["range"]["start"]["line"]] = revealed[1] if revealed else one["severity"]
    return said


def mypy(folder: Path) -> Said:
    told = run("mypy", "--strict", "--no-error-summary", "--config-file=", "use.py", folder=folder)
    said: Said = {}
    for line, severity, text in re.findall(r"^use\.py:(\d+): (\w+): (.*)$", told, re.MULTILINE):
        revealed = re.fullmatch(r'Revealed type is "(?:\w+\.)*(\w+)"', text)
        if revealed or severity == "error":
            said[int(line) - 1] = revealed[1] if revealed else "error"
    return said


def wanted(text: str) -> Said:
    return {number: line.rpartition("  # ")[2] for number, line in enumerate(text.splitlines()) if "  # " in line}


@pytest.mark.parametrize("checker", [pyright, mypy])
def test_without_stubs_a_constructor_is_understood(checker: Checker, tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(CONSTRUCTED)
    assert checker(tmp_path) == wanted(CONSTRUCTED)


@pytest.mark.parametrize("checker", [pyright, mypy])
def test_with_stubs_the_namespace_is_understood(
    checker: Checker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "use.py").write_text(REGISTERED)
    stubs.write_stubs(tmp_path / "typings", mypy=checker is mypy)
    monkeypatch.setenv("MYPYPATH", "typings")
    assert checker(tmp_path) == wanted(REGISTERED)


class Editor:
    """The least that an editor says to pyright's language server, which Pylance is made of."""

    def __init__(self, folder: Path) -> None:
        self._uri = folder.as_uri()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "pyright.langserver", "--stdio"],
            cwd=folder,
            env={**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._impatience = threading.Timer(120, self._server.kill)
        self._impatience.start()
        opened = [{"uri": self._uri, "name": folder.name}]
        self._ask("initialize", {"processId": None, "capabilities": {}, "rootUri": None, "workspaceFolders": opened})
        self._say({"method": "initialized", "params": {}})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._impatience.cancel()
        self._server.kill()
        self._server.communicate()

    def completions(self, text: str, behind: str = "") -> set[str]:
        """What may follow a text, whatever the editor has closed behind it."""
        document = {"uri": f"{self._uri}/use.py"}
        opened = {**document, "languageId": "python", "version": 1, "text": text + behind}
        self._say({"method": "textDocument/didOpen", "params": {"textDocument": opened}})
        lines = text.splitlines()
        end = {"line": len(lines) - 1, "character": len(lines[-1])}
        found = self._ask("textDocument/completion", {"textDocument": document, "position": end})
        self._say({"method": "textDocument/didClose", "params": {"textDocument": document}})
        return {item["label"] for item in (found or {}).get("items", [])}

    def _say(self, message: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._server.stdin.flush()

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        self._say({"id": method, "method": method, "params": params})
        while (heard := self._hear()).get("id") != method:
            if "id" in heard:  # it asks too; we have nothing to tell
                self._say({"id": heard["id"], "result": None})
        return heard["result"]

    def _hear(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        head = b"".join(iter(self._server.stdout.readline, b"\r\n"))
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None, "the language server is gone"
        heard: dict[str, Any] = json.loads(self._server.stdout.read(int(length[1])))
        return heard


def test_an_editor_completes_the_namespace(tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    stubs.write_stubs(tmp_path / "typings")
    with Editor(tmp_path) as editor:
        for expression, method in (
            ("pl.LazyFrame().filter(a=1)", "bars"),
            ("pl.DataFrame().head()", "to_backtesting"),
            ('pl.col("price").cast(pl.Float64)', "kaufman_er"),
        ):
            start = f"import polars as pl\nimport rangebar_polars as rb\n{expression}."
            assert "rangebar" in editor.completions(start), expression
            assert method in editor.completions(f"{start}rangebar."), expression


@pytest.mark.parametrize("call", ["pl.DataFrame().rangebar.bars(250, ", "rb.range_bars(250, ", "rb.BarStream(250, "])
def test_an_editor_completes_parameters_and_features(call: str, tmp_path: Path) -> None:
    """Whatever else a parameter takes, and whatever looks at its keywords."""
    pytest.importorskip("pyright")
    stubs.write_stubs(tmp_path / "typings")
    start = f"import polars as pl\nimport rangebar_polars as rb\n{call}"
    with Editor(tmp_path) as editor:
        assert "features=" in editor.completions(f"{start}f", ")")
        named = {label.strip('"') for label in editor.completions(f'{start}features=["', '"])')}
        assert {"ofi", "intra_hurst", "lookback_ofi"} <= named
        assert '"1mo"' in editor.completions(f'{start}reset="', '")')


def test_every_public_type_is_known(tmp_path: Path) -> None:
    """`pyright --verifytypes`, in which no configuration has a say."""
    told: dict[str, Any] = json.loads(
        run("pyright", "--outputjson", "--ignoreexternal", "--verifytypes", "rangebar_polars", folder=tmp_path)
    )["typeCompleteness"]
    unknown = [symbol["name"] for symbol in told["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]]
    assert unknown == []
    assert told["completenessScore"] == 1
    assert told["exportedSymbolCounts"]["withKnownType"] > 100


@pytest.mark.parametrize("arguments", [[], ["elsewhere"], ["--mypy", "elsewhere"]])
def test_the_command_writes_and_writes_again(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stubs", *arguments])
    stubs.main()
    stubs.main()
    folder = Path(arguments[-1] if arguments else "typings")
    assert capsys.readouterr().out.splitlines() == [f"{folder}: stubs of Polars {pl.__version__} with `.rangebar`"] * 2
    assert (folder / "polars/__init__.pyi").exists() == ("--mypy" in arguments)
    assert "def rangebar(self) -> ExprRangeBar" in (folder / "polars/expr/expr.pyi").read_text(encoding="utf-8")


def test_stubs_of_another_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "polars" / "lazyframe" / "frame.pyi"
    other.parent.mkdir(parents=True)
    other.write_text("class LazyFrame: ...\n")
    monkeypatch.setattr(sys, "argv", ["stubs", str(tmp_path)])
    with pytest.raises(SystemExit):
        stubs.main()
    assert f"{other} exists and was not written by rangebar_polars" in capsys.readouterr().err
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [other]
    assert other.read_text() == "class LazyFrame: ...\n"
