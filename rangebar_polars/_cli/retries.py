"""What is asked of a venue again, told on stderr while somebody waits."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from rich.text import Text

from rangebar_polars._cli.answer import error_console
from rangebar_polars._cli.common import Common

__all__ = ["told_retries"]


@contextmanager
def told_retries(common: Common) -> Generator[None]:
    """Say why and when something is tried again, and not only that stamina has logged it."""
    try:
        instrumentation: Any = import_module("stamina.instrumentation")
    except ModuleNotFoundError:
        yield  # whatever needs it says what to install
        return
    before = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([] if common.quiet else [_tell])
    try:
        yield
    finally:
        instrumentation.set_on_retry_hooks(before)


def _tell(details: Any) -> None:  # noqa: ANN401  (stamina may be absent)
    fault = str(details.caused_by) or type(details.caused_by).__name__
    error_console().print(Text(f"{fault}: trying again in {details.wait_for:.1f} s"))
