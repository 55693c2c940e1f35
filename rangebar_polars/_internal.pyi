import datetime as dt
from decimal import Decimal
from typing import Self, final

import polars as pl
from typing_extensions import disjoint_base

__all__ = [
    "GapStream",
    "PushStream",
    "TradeStream",
    "__version__",
    "bar_columns",
    "check_lookback",
    "check_max_gap",
    "check_threshold",
    "period_bounds",
]

__version__: str

def check_threshold(value: object) -> int: ...
def check_lookback(value: str) -> tuple[int, int]: ...
def check_max_gap(value: str) -> tuple[int, int]: ...
def period_bounds(time: int, time_unit: str, reset_every: str) -> tuple[int, int]: ...
def bar_columns(
    features: list[str] | None = None, *, several: bool = False, intra: bool = False, lookback: bool = False
) -> list[tuple[str, bool, list[str]]]: ...

@final
class TradeStream:
    def __new__(
        cls,
        options: str,
        *,
        parts: list[str],
        columns: list[str],
        schema: pl.DataFrame,
        rows_are_of_input: bool = True,
        since: str | None = None,
    ) -> TradeStream: ...
    def push(self, batch: pl.DataFrame) -> int: ...
    def take(self) -> pl.DataFrame: ...
    def bar_ids(self, batch: pl.DataFrame) -> pl.Series: ...
    def forming(self) -> pl.DataFrame: ...
    def checkpoint(self) -> bytes: ...
    def restore(self, data: bytes) -> None: ...

@disjoint_base
class PushStream:
    def __new__(cls, options: str | None = None, checkpoint: bytes | None = None) -> Self: ...
    def _options(self) -> str: ...
    def _begin(self, parts: list[str], schema: pl.DataFrame) -> None: ...
    def _push(self, parts: list[str], frame: pl.DataFrame, may_be_none: bool) -> pl.DataFrame | None: ...
    def push_trade(
        self,
        timestamp: int | dt.datetime,
        price: float | Decimal,
        quantity: float | Decimal,
        is_buyer_maker: bool | None = None,
        agg_trade_id: int | None = None,
        first_trade_id: int | None = None,
        last_trade_id: int | None = None,
        key: object = None,
    ) -> pl.DataFrame | None: ...
    def pending(self) -> pl.DataFrame: ...
    def finish(self) -> pl.DataFrame: ...
    def checkpoint(self) -> bytes: ...

@final
class GapStream:
    def __new__(
        cls,
        *,
        times: tuple[str, str],
        ids: tuple[str, str] | None,
        by: list[str],
        max_gap: str | None,
        time_unit: str | None,
        schema: pl.DataFrame,
    ) -> GapStream: ...
    def push(self, batch: pl.DataFrame) -> pl.DataFrame: ...
