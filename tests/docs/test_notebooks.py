"""Notebooks: each runs to its end, with the real day and without it, in silence and with charts to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests._paths import ROOT

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
for needed in ("altair", "backtesting", "ipykernel", "sklearn", "statsmodels"):
    pytest.importorskip(needed)

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "notebooks"
NAMES = ["01_first_bars", "02_features", "03_streaming_and_state", "04_backtest", "05_lake", "07_book"]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the Jupyter machinery, not of ours


def _read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def _outputs(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def test_these_are_all() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_kept_without_outputs(name: str) -> None:
    notebook = _read(name)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# ")
    assert not list(_outputs(notebook))
    assert {cell.get("execution_count") for cell in notebook.cells} == {None}


@pytest.mark.parametrize("data", ["real", "sample"])
@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name: str, data: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In a folder with a day of trades, as a zip and as Parquet, and in an empty one, where it takes the sample."""
    if data == "real":
        day = request.getfixturevalue("shared") / "data/binance_spot_btcusdt_aggtrades_20240101"
        (tmp_path / "day.parquet").symlink_to(day / "data.parquet")
        (archive,) = (day / "raw").glob("*.zip")
        (tmp_path / archive.name).symlink_to(archive)
    notebook = _read(name)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = list(_outputs(notebook))
    assert not [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    shown = [output.data for output in outputs if "data" in output]
    assert sum("vegaEmbed" in view.get("text/html", "") for view in shown) >= 3
    assert not [view for view in shown if "0%|" in view["text/plain"]]  # bars of progress
    laws = [view["text/plain"] for view in shown if view["text/plain"] in ("True", "False")]
    assert "False" not in laws
    assert len(laws) == {"01_first_bars": 1, "03_streaming_and_state": 2, "05_lake": 1, "07_book": 1}.get(name, 0)
