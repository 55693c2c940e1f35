import datetime as dt
from decimal import Decimal
from typing import Any, Literal, Self, SupportsIndex, final, overload

import polars as pl
from typing_extensions import disjoint_base

from rangebar_polars._bars.rows import BarRow

__all__ = [
    "Digests",
    "GapStream",
    "PushStream",
    "RenkoStream",
    "TradeStream",
    "__version__",
    "bar_columns",
    "check_footprint",
    "check_lookback",
    "check_max_gap",
    "check_max_step",
    "check_points",
    "check_reset",
    "check_rule",
    "check_threshold",
    "checkpoint_request",
    "count_newlines",
    "period_bounds",
    "read_entries",
    "request_facts",
    "written_rule",
]

__version__: str

def checkpoint_request(data: bytes) -> str: ...
def check_threshold(value: object) -> int: ...
def count_newlines(text: bytes) -> int: ...
def read_entries(files: list[str], names: list[tuple[str, bool]]) -> list[tuple[Any, ...] | OSError | None]: ...
def check_footprint(value: float, price_decimals: int) -> float: ...
def check_points(value: float, price_decimals: int) -> float: ...
def check_rule(rule: str, price_decimals: int) -> str: ...
def written_rule(rule: str) -> str: ...
def check_lookback(value: str) -> tuple[int, int]: ...
def check_max_gap(value: str) -> tuple[int, int]: ...
def check_max_step(value: str) -> tuple[int, int]: ...
def check_reset(reset: str) -> None: ...
def period_bounds(time: int, time_unit: str, reset: str) -> tuple[int, int, int]: ...
def bar_columns(
    features: list[str] | None = None, *, several: bool = False, intra: bool = False, lookback: bool = False
) -> list[tuple[str, bool, list[str]]]: ...
def request_facts(request: str) -> tuple[list[tuple[str, bool, list[str]]], list[str]]: ...

@final
class TradeStream:
    def __new__(
        cls,
        request: str,
        *,
        parts: list[str],
        columns: list[str],
        schema: pl.DataFrame,
        rows_are_of_input: bool = True,
        since: str | None = None,
        keeps_state: bool = False,
    ) -> TradeStream: ...
    def push(self, batch: pl.DataFrame, coded: list[tuple[str, pl.Series, pl.Series]] = ...) -> int: ...
    def take(self) -> pl.DataFrame: ...
    def bar_ids(self, batch: pl.DataFrame, coded: list[tuple[str, pl.Series, pl.Series]] = ...) -> pl.Series: ...
    def forming(self) -> pl.DataFrame: ...
    @property
    def skipped(self) -> int: ...
    def checkpoint(self) -> bytes: ...
    def restore(self, data: bytes) -> None: ...

@disjoint_base
class PushStream:
    def __new__(cls, request: str | None = None, checkpoint: bytes | None = None) -> Self: ...
    def _request(self) -> str: ...
    def _begin(self, parts: list[str], schema: pl.DataFrame) -> None: ...
    def _push(
        self,
        parts: list[str],
        frame: pl.DataFrame,
        columns: list[str],
        may_be_none: bool,
        done: list[tuple[int, bool, int, pl.DataFrame | None]],
    ) -> pl.DataFrame | None: ...
    def _take_back(self, number: int, is_first: bool, owed: int, bars: pl.DataFrame | None) -> None: ...
    def _advance(self, time: int) -> pl.DataFrame | None: ...
    def _forget(self, keys: pl.DataFrame) -> pl.DataFrame: ...
    def _time_unit(self) -> str | None: ...
    def _empty_keys(self) -> pl.DataFrame | None: ...
    @property
    def skipped(self) -> int: ...
    @overload
    def push_trade(
        self,
        timestamp: SupportsIndex | dt.datetime,
        price: float | Decimal,
        quantity: float | Decimal,
        is_buyer_maker: bool | None = None,
        agg_trade_id: SupportsIndex | None = None,
        first_trade_id: SupportsIndex | None = None,
        last_trade_id: SupportsIndex | None = None,
        key: object = ...,
        *,
        as_rows: Literal[False] = False,
    ) -> pl.DataFrame | None: ...
    @overload
    def push_trade(
        self,
        timestamp: SupportsIndex | dt.datetime,
        price: float | Decimal,
        quantity: float | Decimal,
        is_buyer_maker: bool | None = None,
        agg_trade_id: SupportsIndex | None = None,
        first_trade_id: SupportsIndex | None = None,
        last_trade_id: SupportsIndex | None = None,
        key: object = ...,
        *,
        as_rows: Literal[True],
    ) -> list[BarRow] | None: ...
    @overload
    def push_trade(
        self,
        timestamp: SupportsIndex | dt.datetime,
        price: float | Decimal,
        quantity: float | Decimal,
        is_buyer_maker: bool | None = None,
        agg_trade_id: SupportsIndex | None = None,
        first_trade_id: SupportsIndex | None = None,
        last_trade_id: SupportsIndex | None = None,
        key: object = ...,
        *,
        as_rows: bool,
    ) -> pl.DataFrame | list[BarRow] | None: ...
    def pending(self) -> pl.DataFrame: ...
    def finish(self) -> pl.DataFrame: ...
    def checkpoint(self) -> bytes: ...

@final
class Digests:
    def __new__(cls) -> Self: ...
    def update(self, frame: pl.DataFrame) -> None: ...
    def digests(self) -> tuple[int, list[tuple[str, str]]]: ...

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

@final
class RenkoStream:
    def __new__(cls, request: str, *, schema: pl.DataFrame, rows_are_of_input: bool = True) -> RenkoStream: ...
    def push(self, batch: pl.DataFrame) -> tuple[int, int]: ...
    def take(self) -> pl.DataFrame: ...
