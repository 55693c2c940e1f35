"""Contract layer: the memory of a fetch does not grow with the archive, only with its largest day."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import polars as pl
import pytest

from tests import _alone
from tests._faulty_venue import FaultyVenue

ROWS = 240_000
"""Trades of a day."""

FETCH = """
import sys
from pathlib import Path
import rangebar_polars as rb
report = rb.Lake(sys.argv[1]).fetch("BTCUSDT", sys.argv[3], sys.argv[3], base=sys.argv[2])
# Of this process alone: what `resource` says may be of the one that started it.
peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(report.files, report.rows, int(peak) // 1024)
"""


def write_month(folder: Path, month: dt.date, days: int) -> None:
    """The archive of a month that has trades on its first days."""
    stem = f"BTCUSDT-aggTrades-{month:%Y-%m}"
    number = pl.int_range(days * ROWS, eager=True)
    day = 86_400_000
    rows = pl.DataFrame(
        {
            "id": number + 1,
            "price": 42_000 + (number * 7_919 % 10_007) / 100,
            "quantity": (number * 31 % 9_973 + 1) / 1_000,
            "first": number,
            "last": number,
            "time": (month - dt.date(1970, 1, 1)).days * day + number // ROWS * day + number % ROWS,
            "maker": pl.Series(number % 3 == 0).cast(pl.String).str.to_titlecase(),
            "best": "True",
        }
    )
    with zipfile.ZipFile(folder / f"{stem}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(f"{stem}.csv", rows.write_csv(include_header=False, float_precision=3))


@pytest.mark.serial
def test_memory_stays_flat(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not tell the memory of a process")
    peaks: list[int] = []
    for month, days in ((dt.date(2024, 1, 1), 10), (dt.date(2024, 2, 1), 28)):
        folder = tmp_path / str(month)
        folder.mkdir()
        write_month(folder, month, days)
        with FaultyVenue(folder) as venue:
            printed = _alone.run(FETCH, str(tmp_path / f"lake {month}"), venue.base, str(month), POLARS_MAX_THREADS="2")
        files, rows, peak = map(int, printed.split())
        assert (files, rows) == (1, days * ROWS)
        peaks.append(peak)
    # The eighteen days more are 260 MB of text and 200 MB in memory; what allocators keep varies by some 50 MB.
    assert peaks[1] - peaks[0] < 130
