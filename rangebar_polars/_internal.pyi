from typing import final

import polars as pl

__all__ = ["TradeStream", "__version__", "bar_columns", "check_threshold"]

__version__: str

def check_threshold(value: object) -> int: ...
def bar_columns(features: list[str] | None = None) -> list[tuple[str, bool, list[str]]]: ...

@final
class TradeStream:
    def __new__(
        cls,
        *,
        threshold_dbps: int,
        same_timestamp_gate: bool,
        time_unit: str | None,
        names: list[tuple[str, str]],
        by: list[str],
        columns: list[str],
        rows_are_of_input: bool,
    ) -> TradeStream: ...
    def push(self, batch: pl.DataFrame) -> int: ...
    def take(self) -> pl.DataFrame: ...
    def bar_ids(self, batch: pl.DataFrame) -> pl.Series: ...
    def forming(self) -> pl.DataFrame: ...
