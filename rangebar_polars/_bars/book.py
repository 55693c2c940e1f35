"""The order book: the expression, and what all routes to books ask for."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any, Final, TypedDict

import polars as pl

from rangebar_polars import _internal
from rangebar_polars._common.columns import check_name, missing_column
from rangebar_polars._common.messages import shown
from rangebar_polars._common.parameters import (
    MOST_DECIMALS,
    USUAL_DECIMALS,
    check_choice,
    check_duration,
    check_features,
    check_max_step,
    check_price_decimals,
    check_time_unit,
)
from rangebar_polars._engine.plugin import register
from rangebar_polars._engine.trades import column_names, trades_struct
from rangebar_polars._typing import BookFeature, BookSampling, By, Crossed, Holes, TimeUnit
from rangebar_polars.exceptions import RangeBarError

__all__ = ["PARTS", "BookOptions", "BookRequest", "book", "update_columns"]

PARTS: Final = {
    "time": "timestamp",
    "is_bid": "is_bid",
    "price": "price",
    "quantity": "quantity",
    "first_update_id": "first_update_id",
    "last_update_id": "last_update_id",
    "previous_update_id": "previous_update_id",
    "is_snapshot": "is_snapshot",
    "batch": "batch",
}
"""The parts that columns play, which are their default names, by the parameter that names the column."""

REQUIRED: Final = ("timestamp", "is_bid", "price", "quantity")
"""Parts that all updates have."""


class BookOptions(TypedDict, total=False):
    """Every parameter of :meth:`LazyFrameRangeBar.book` but the depth, as it documents them."""

    by: By
    sample: BookSampling | str | dt.timedelta
    features: Sequence[BookFeature] | None
    cost_of: float | Decimal | Sequence[float | Decimal]
    crossed: Crossed
    holes: Holes
    needs_snapshot: bool | None
    max_levels: int | None
    time: str
    is_bid: str
    price: str
    quantity: str
    first_update_id: str | None
    last_update_id: str | None
    previous_update_id: str | None
    is_snapshot: str | None
    batch: str | None
    max_step: str | dt.timedelta | None
    time_unit: TimeUnit | None
    price_decimals: int
    quantity_decimals: int
    progress: bool


@dataclass(frozen=True, kw_only=True)
class BookRequest:
    """A request for a book, in the form in which the library takes it and a checkpoint stores it."""

    depth: int
    max_levels: int | None
    sample: str
    features: list[str] | None
    cost_of: list[float]
    crossed: str
    holes: str
    needs_snapshot: bool | None
    max_step: str | None
    time_unit: str | None
    price_decimals: int
    quantity_decimals: int
    names: dict[str, Any]
    """Columns by the parts that they play: names, or expressions for an expression; None for a part that is ignored."""
    by: By

    @classmethod
    def of(
        cls,
        depth: int,
        *,
        sample: BookSampling | str | dt.timedelta = "event",
        features: Sequence[BookFeature] | None = None,
        cost_of: float | Decimal | Sequence[float | Decimal] = (),
        crossed: Crossed = "keep",
        holes: Holes = "invalid",
        needs_snapshot: bool | None = None,
        max_levels: int | None = None,
        max_step: str | dt.timedelta | None = "14610d",
        time_unit: TimeUnit | None = None,
        price_decimals: int = USUAL_DECIMALS,
        quantity_decimals: int = USUAL_DECIMALS,
        by: By = None,
        **names: Any,  # noqa: ANN401
    ) -> BookRequest:
        """What a user asks for, checked; the columns and the keys are checked once the input is known."""
        request = cls(
            depth=_depth(depth),
            max_levels=_max_levels(max_levels),
            sample=_sample(sample),
            features=check_features(features),
            cost_of=_quantities(cost_of),
            crossed=check_choice("crossed", crossed, ("keep", "repair", "error")),
            holes=check_choice("holes", holes, ("invalid", "keep", "error")),
            needs_snapshot=_needs_snapshot(needs_snapshot),
            max_step=check_max_step(max_step),
            time_unit=check_time_unit(time_unit),
            price_decimals=check_price_decimals(price_decimals),
            quantity_decimals=_decimals(quantity_decimals),
            names={part: names[parameter] for parameter, part in PARTS.items() if parameter in names},
            by=by,
        )
        request.columns  # noqa: B018  # the library's check of the values
        return request

    @classmethod
    def from_json(cls, text: str) -> BookRequest:
        """A request that a checkpoint holds."""
        return cls(**json.loads(text))

    def to_dict(self) -> dict[str, Any]:
        """The one form on the way to the library."""
        return asdict(replace(self, names={})) | {"names": self.names, "by": self.keys}

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict())

    @property
    def keys(self) -> list[str]:
        """The key columns, as a list."""
        return [self.by] if isinstance(self.by, str) else list(self.by or ())

    @property
    def columns(self) -> list[str]:
        """The columns of the rows, beside the keys and the time; refuses values that no book can have."""
        return _internal.check_book(replace(self, names={}, by=None).to_json())

    @property
    def parameters(self) -> dict[str, Any]:
        """What a user would write, by the names of the parameters."""
        told = self.to_dict()
        names = told.pop("names")
        return told | {parameter: names[part] for parameter, part in PARTS.items() if part in names}


def update_columns(names: Mapping[str, str | None], available: Sequence[str]) -> dict[str, str]:
    """
    Names of the columns that updates have, by the parts that they play.

    An optional part may be absent under its default name; a column given under another name must exist.
    """
    found: dict[str, str] = {}
    parameters = {part: parameter for parameter, part in PARTS.items()}
    for part, given in names.items():
        if given is None and part not in REQUIRED:
            continue
        name = check_name(given, part)
        if name in available:
            found[part] = name
        elif part in REQUIRED or name != part:
            raise missing_column(name, available, remedy=f"name the column with `{parameters[part]}=`")
    return found


def _depth(value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 1 << 63:
        msg = f"`depth` must be an integer in 1..1000, got {shown(value)}"
        raise RangeBarError(msg)
    return value


def _max_levels(value: int | None) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 1 << 63):
        msg = f"`max_levels` must be an integer of at least `depth`, or None to keep all levels, got {shown(value)}"
        raise RangeBarError(msg)
    return value


def _sample(value: str | dt.timedelta) -> str:
    if isinstance(value, dt.timedelta):
        return check_duration(value)
    if not isinstance(value, str):
        msg = f'`sample` must be "event", "change", or a duration such as "100ms", or a timedelta, got {shown(value)}'
        raise RangeBarError(msg)
    return value


def _quantities(value: float | Decimal | Sequence[float | Decimal]) -> list[float]:
    given: list[Any] = [value] if not isinstance(value, Sequence) or isinstance(value, str) else list(value)
    for one in given:
        if isinstance(one, bool) or not isinstance(one, int | float | Decimal):
            msg = f"`cost_of` must be a quantity or a list of quantities, got {shown(value)}"
            raise RangeBarError(msg)
        if not 0 < one < float("inf"):
            msg = f"`cost_of` must be quantities above 0, got {shown(one)}"
            raise RangeBarError(msg)
    try:
        return [float(one) for one in given]
    except OverflowError:
        msg = f"`cost_of` must be a quantity or a list of quantities, got {shown(value)}"
        raise RangeBarError(msg) from None


def _needs_snapshot(value: bool | None) -> bool | None:  # noqa: FBT001
    if value is not None and not isinstance(value, bool):
        msg = f"`needs_snapshot` must be True, False or None, got {shown(value)}"
        raise RangeBarError(msg)
    return value


def _decimals(value: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_DECIMALS:
        return value
    msg = (
        f"`quantity_decimals` must be an integer in 0..{MOST_DECIMALS}, got {shown(value)}: "
        "a quantity is a 64-bit integer of such units"
    )
    raise RangeBarError(msg)


def book(
    depth: int = 10,
    *,
    sample: BookSampling | str | dt.timedelta = "event",
    features: Sequence[BookFeature] | None = None,
    cost_of: float | Decimal | Sequence[float | Decimal] = (),
    crossed: Crossed = "keep",
    holes: Holes = "invalid",
    needs_snapshot: bool | None = None,
    max_levels: int | None = None,
    time: str | pl.Expr = "timestamp",
    is_bid: str | pl.Expr = "is_bid",
    price: str | pl.Expr = "price",
    quantity: str | pl.Expr = "quantity",
    first_update_id: str | pl.Expr | None = "first_update_id",
    last_update_id: str | pl.Expr | None = "last_update_id",
    previous_update_id: str | pl.Expr | None = "previous_update_id",
    is_snapshot: str | pl.Expr | None = "is_snapshot",
    batch: str | pl.Expr | None = None,
    max_step: str | dt.timedelta | None = "14610d",
    time_unit: TimeUnit | None = None,
    price_decimals: int = 8,
    quantity_decimals: int = 8,
) -> pl.Expr:
    """
    An order book out of updates of its levels: a Struct named `book`, one row per state that comes out.

    The book of one symbol, by the rules of :meth:`LazyFrameRangeBar.book`, which also explains every parameter and
    every column. With several symbols, in ``group_by("symbol").agg(...)``.

    Parameters
    ----------
    depth, sample, features, cost_of, crossed, holes, needs_snapshot, max_levels
        As for :meth:`LazyFrameRangeBar.book`.
    time, is_bid, price, quantity, first_update_id, last_update_id, previous_update_id, is_snapshot, batch
        As for :meth:`LazyFrameRangeBar.book`; columns by their names or as expressions.
    max_step, time_unit, price_decimals, quantity_decimals
        As for :meth:`LazyFrameRangeBar.book`.

    Returns
    -------
    Expr
        Struct of the columns of :meth:`LazyFrameRangeBar.book` without keys, in the order of the rows after which they
        came out.

    Raises
    ------
    RangeBarError
        If a parameter is invalid.
    polars.exceptions.ComputeError
        When the query runs, if a column has the wrong dtype, a value is null, a row breaks a rule, or more than
        8,388,608 rows come out.

    See Also
    --------
    LazyFrameRangeBar.book : The same for many symbols, streamed.

    Notes
    -----
    The input of the expression is gathered in memory, and so is the result. The cost is some 50 ns per update.

    Examples
    --------
    The best ask is deleted, then a better one comes:

    >>> import polars as pl
    >>> import rangebar_polars as rb
    >>> updates = pl.DataFrame(
    ...     {
    ...         "timestamp": [1, 1, 1, 2, 3],
    ...         "is_bid": [True, False, False, False, False],
    ...         "price": [9.9, 10.1, 10.3, 10.1, 10.0],
    ...         "quantity": [3.0, 1.0, 4.0, 0.0, 1.0],
    ...     }
    ... )
    >>> book = rb.book(depth=2, features=["bid", "ask", "ask_size", "book_imbalance"], time_unit="ms")
    >>> updates.select(book).unnest("book").drop("is_valid", "is_crossed", "update_count", "hole_count")
    shape: (3, 6)
    ┌──────┬─────┬──────┬──────────┬──────────────────┬──────────────────┐
    │ time ┆ bid ┆ ask  ┆ ask_size ┆ book_imbalance_1 ┆ book_imbalance_2 │
    │ ---  ┆ --- ┆ ---  ┆ ---      ┆ ---              ┆ ---              │
    │ i64  ┆ f64 ┆ f64  ┆ f64      ┆ f64              ┆ f64              │
    ╞══════╪═════╪══════╪══════════╪══════════════════╪══════════════════╡
    │ 1    ┆ 9.9 ┆ 10.1 ┆ 1.0      ┆ 0.5              ┆ -0.25            │
    │ 2    ┆ 9.9 ┆ 10.3 ┆ 4.0      ┆ -0.142857        ┆ -0.142857        │
    │ 3    ┆ 9.9 ┆ 10.0 ┆ 1.0      ┆ 0.5              ┆ -0.25            │
    └──────┴─────┴──────┴──────────┴──────────────────┴──────────────────┘
    """
    request = BookRequest.of(
        depth,
        sample=sample,
        features=features,
        cost_of=cost_of,
        crossed=crossed,
        holes=holes,
        needs_snapshot=needs_snapshot,
        max_levels=max_levels,
        time=time,
        is_bid=is_bid,
        price=price,
        quantity=quantity,
        first_update_id=first_update_id,
        last_update_id=last_update_id,
        previous_update_id=previous_update_id,
        is_snapshot=is_snapshot,
        batch=batch,
        max_step=max_step,
        time_unit=time_unit,
        price_decimals=price_decimals,
        quantity_decimals=quantity_decimals,
    )
    updates = trades_struct(request.names, REQUIRED)
    return register("book", updates, replace(request, names=column_names(request.names)).to_dict()).alias("book")
