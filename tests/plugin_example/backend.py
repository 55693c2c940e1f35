"""Makes a wheel of the example, with nothing but Python, so that it can be installed without a network."""

from __future__ import annotations

import base64
import hashlib
import tomllib
import zipfile
from pathlib import Path
from typing import Any

__all__ = ["build_wheel"]


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """As PEP 517 has it."""
    del config_settings, metadata_directory
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = f"{project['name'].replace('-', '_')}-{project['version']}"
    points = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    wheel_says = "Wheel-Version: 1.0\nGenerator: example\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        "example_features.py": Path("example_features.py").read_text(encoding="utf-8"),
        f"{named}.dist-info/METADATA": head,
        f"{named}.dist-info/WHEEL": wheel_says,
        f"{named}.dist-info/entry_points.txt": "\n".join(points) + "\n",
    }
    record = f"{named}.dist-info/RECORD"
    files[record] = "".join(f"{name},{_digest(text)},{len(text.encode())}\n" for name, text in files.items())
    files[record] += f"{record},,\n"
    wheel = f"{named}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, wheel), "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
