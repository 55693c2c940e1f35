"""Renko bricks by a slow loop from the definition, drawn sizes of bricks, and every route to bricks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import polars as pl
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._oracle import DECIMALS, double, fixed
from tests._routes import ENGINES, Engine, group_rows
from tests.strategies import DBPS, any_trades

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BRICK = {
    "open": pl.Float64(),
    "close": pl.Float64(),
    "direction": pl.Int8(),
    "row": pl.UInt64(),
}
"""Columns of bricks; after them comes the time."""


class Brick(NamedTuple):
    """A brick in units of the last decimal."""

    open: int
    close: int
    direction: int
    row: int


@dataclass(frozen=True)
class Case:
    """Trades, and how to ask for their bricks."""

    frame: pl.DataFrame
    by: list[str]
    size: dict[str, Any]  # points or dbps
    options: dict[str, Any]  # time_unit of an integer clock, price_decimals if not eight

    @property
    def decimals(self) -> int:
        return int(self.options.get("price_decimals", DECIMALS))

    def size_at(self, end: int) -> int:
        """Raw size of the brick after an end."""
        if "points" in self.size:
            return fixed(self.size["points"], self.decimals)
        return end * int(self.size["dbps"]) // DBPS

    def raw(self, frame: pl.DataFrame | None = None) -> list[int]:
        prices = (self.frame if frame is None else frame)["price"]
        return [fixed(price, self.decimals) for price in prices.to_list()]

    def bricks(self, frame: Any = None) -> Any:
        whole = self.frame if frame is None else frame
        return whole.rangebar.renko(by=self.by or None, **self.size, **self.options)


@st.composite
def cases(draw: st.DrawFn, **shape: Any) -> Case:
    """Trades of one or several groups, with bricks from the size of a tick to that of all moves together."""
    trades = draw(any_trades(**shape))
    frame, options = trades.frame, trades.options
    case = Case(frame, list(trades.by), {}, options)
    raw = case.raw()
    if draw(st.booleans()):
        return Case(frame, case.by, {"dbps": trades.threshold_dbps}, options)
    spread = max(raw, default=1) - min(raw, default=1)
    size = max(1, spread // draw(st.sampled_from((1, 2, 3, 7, 50))))
    return Case(frame, case.by, {"points": double(size, 10**case.decimals)}, options)


def slow(prices: Sequence[int], size_at: Callable[[int], int]) -> list[Brick]:
    """The bricks of one group, price by price."""
    bricks: list[Brick] = []
    end, way = (prices[0] if prices else 0), 0
    for row, price in enumerate(prices):
        while True:
            x = size_at(end)
            assert x > 0
            if price >= end + (2 * x if way < 0 else x):
                begin, way = (end + x if way < 0 else end), 1
            elif price <= end - (2 * x if way > 0 else x):
                begin, way = (end - x if way > 0 else end), -1
            else:
                break
            end = begin + way * x
            bricks.append(Brick(begin, end, way, row))
    return bricks


def oracle_bricks(case: Case) -> pl.DataFrame:
    """The bricks of all groups, in the order of the rows that completed them."""
    found: list[tuple[int, Brick]] = []
    for rows in group_rows(case.frame, case.by) if case.frame.height else []:
        found += [(rows[brick.row], brick) for brick in slow(case.raw(case.frame[rows]), case.size_at)]
    found.sort(key=lambda brick: brick[0])  # stable: the bricks of one row stay in their order
    rows = [row for row, _ in found]
    units = 10**case.decimals
    cells = [(double(b.open, units), double(b.close, units), b.direction, b.row) for _, b in found]
    columns = [pl.Series(name, [cell[i] for cell in cells], dtype) for i, (name, dtype) in enumerate(BRICK.items())]
    keys = case.frame.select(case.by)[rows].get_columns() if case.by else []
    return pl.DataFrame([*keys, *columns, case.frame["timestamp"][rows].alias("time")])


Route: TypeAlias = "Callable[[Case], pl.DataFrame]"


def eager(case: Case) -> pl.DataFrame:
    bricks: pl.DataFrame = case.bricks()
    return bricks


def lazy(engine: Engine) -> Route:
    def route(case: Case) -> pl.DataFrame:
        bricks: pl.DataFrame = case.bricks(case.frame.lazy()).collect(engine=engine)
        return bricks

    return route


def expression(engine: Engine) -> Route:
    """`select` without keys, `group_by().agg()` with them, in the order of the rows."""

    def route(case: Case) -> pl.DataFrame:
        bricks = rb.renko(**case.size, **case.options)
        trades = case.frame.lazy()
        if not case.by:
            return trades.select(bricks).unnest("bricks").collect(engine=engine)
        groups = trades.with_row_index("_row").group_by(case.by).agg(bricks, "_row").collect(engine=engine)
        one_by_one = groups.explode("bricks", empty_as_null=False).unnest("bricks")
        place = pl.col("_row").list.get(pl.col("row"))
        return one_by_one.with_columns(place).sort("_row", maintain_order=True).drop("_row")

    return route


ROUTES: dict[str, Route] = {
    "eager": eager,
    **{f"lazy-{engine}": lazy(engine) for engine in ENGINES},
    **{f"expression-{engine}": expression(engine) for engine in ENGINES},
}
