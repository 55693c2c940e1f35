"""Hypothesis strategies for frames of trades. Hypothesis draws everything: failures shrink and replay.

Prices walk on a tick of the order of the threshold, so that most frames close bars (a test counts that).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import polars as pl
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests._oracle import TimeUnit

MAX_ROWS = 40
LONG = (100,)  # repeats of the drawn rows: bars and groups then reach over the library's blocks of 1,024 rows
SOME_LONG = (1, 1, 1, 1, *LONG)
THRESHOLDS = (1, 10, 50, 250, 1_000, 100_000)
OPENS_RAW = (1, 2, 100, 123_456, 10**8, 4_228_358_000_000, 9 * 10**12)  # 1e-8, 2e-8, 1e-6, ... 90,000
QUANTITY_STEPS_RAW = (0, 1, 12_345, 10**8, 5 * 10**21)  # none, dust, usual, whole units, up to 1e15
SUM_LIMIT = 10**38  # a sum of price x quantity stays within 128 bits
TIME_UNITS: dict[TimeUnit, int] = {"ms": 10**3, "us": 10**6, "ns": 10**9}
KEYS: tuple[tuple[pl.DataType, tuple[Any, ...]], ...] = (
    (pl.String(), ("BTC", "ETH", "", "SOL")),
    (pl.Categorical(), ("BTC", "ETH", "BNB", "SOL")),
    (pl.Enum(["a", "b", "c", "d"]), ("d", "a", "c", "b")),
    (pl.Int32(), (7, -1, 0, 3)),
    (pl.Date(), tuple(dt.date(2024, 1, d) for d in (2, 1, 4, 3))),
)


@dataclass(frozen=True)
class Trades:
    """A valid frame of trades and how to ask for its bars."""

    frame: pl.DataFrame
    threshold_dbps: int
    by: tuple[str, ...] = ()
    gate: bool = True
    options: dict[str, Any] = field(default_factory=dict)  # time_unit where the clock is an integer

    @property
    def bar_options(self) -> dict[str, Any]:
        return {"by": self.by, "same_timestamp_gate": self.gate, **self.options}


class Step(NamedTuple):
    """What one row draws."""

    group: int
    wait: int
    ticks: int
    lots: int
    size: int
    seller: bool
    id_gap: int
    individual: int


STEPS = st.builds(
    Step,
    group=st.integers(0, 3),
    wait=st.sampled_from((0, 1, 0, 2, 1_500, 86_400_001)),  # ties in every third row
    ticks=st.integers(-3, 3),
    lots=st.integers(0, 20),
    size=st.integers(0, len(QUANTITY_STEPS_RAW) - 1),
    seller=st.booleans(),
    id_gap=st.integers(1, 3),
    individual=st.integers(1, 4),
)


@st.composite
def trades(
    draw: st.DrawFn,
    *,
    min_rows: int = 0,
    max_rows: int = MAX_ROWS,
    min_keys: int = 0,
    max_keys: int = 2,
    repeats: tuple[int, ...] = (1,),
    exact: bool = False,
    chunked_frame: bool = True,
) -> Trades:
    """Valid trades.

    `exact` keeps prices and quantities to multiples of one half, so that sums of doubles are exact.
    """
    size = draw(st.integers(min_rows, max_rows))
    steps = draw(st.lists(STEPS, min_size=size, max_size=size))
    steps *= draw(st.sampled_from(repeats))
    threshold = draw(st.sampled_from(THRESHOLDS))
    key_count = draw(st.integers(min_keys, max_keys))
    keyed = [step if key_count else step._replace(group=0) for step in steps]
    if draw(st.booleans()):
        keyed.sort(key=lambda step: step.group)  # long runs instead of interleaved rows

    columns = draw(_numbers(keyed, threshold, exact=exact)) | draw(_ids(keyed))
    if draw(st.integers(0, 3)):
        columns["is_buyer_maker"] = pl.Series([step.seller for step in keyed], dtype=pl.Boolean)
    options: dict[str, Any] = {}
    columns["timestamp"] = draw(_times(keyed, options))
    by = ("market", "symbol")[2 - key_count :]
    for name in by:
        dtype, values = draw(st.sampled_from(KEYS))
        digit = [_key_digit(step.group, name, key_count) for step in keyed]
        columns[name] = pl.Series([values[i] for i in digit], dtype=dtype)
    names = draw(st.permutations(sorted(columns)))
    frame = pl.DataFrame({name: columns[name] for name in names})
    if chunked_frame:
        frame = draw(chunked(frame))
    return Trades(frame, threshold, by, gate=draw(st.booleans()), options=options)


def _key_digit(group: int, name: str, key_count: int) -> int:
    """Two keys split the four groups two by two; one key names each."""
    if key_count == 1:
        return group
    return group // 2 if name == "market" else group % 2


@st.composite
def _numbers(draw: st.DrawFn, steps: list[Step], threshold: int, *, exact: bool) -> dict[str, pl.Series]:
    start = draw(st.sampled_from((10**8, 64 * 10**8) if exact else OPENS_RAW))
    ticks_to_close = (1, 2, 4, 4, 20_000) if len(steps) <= 2 * MAX_ROWS else (2, 100, 300, 1_000)
    tick = max(start * threshold // 100_000 // draw(st.sampled_from(ticks_to_close)), 1)
    if exact:
        tick = max(tick // 50_000_000, 1) * 50_000_000
    last: dict[int, int] = {}
    prices = []
    for step in steps:
        price = last.get(step.group)
        last[step.group] = start if price is None else max(price + step.ticks * tick, tick if exact else 1)
        prices.append(last[step.group])
    kind: Literal["double", "single", "decimal", "integer"] = "double"
    if not exact:
        kind = draw(st.sampled_from(("double", "double", "double", "single", "decimal", "integer")))
    if kind == "integer" and max(prices, default=0) > 9 * 10**10:
        kind = "double"
    unit = 10**8 if kind == "integer" else 1  # the raw prices themselves, as whole numbers
    scale = draw(st.sampled_from((10**8,) if exact else (*QUANTITY_STEPS_RAW, None)))
    lots = [step.lots * (QUANTITY_STEPS_RAW[step.size] if scale is None else scale) for step in steps]
    limit = SUM_LIMIT // (max(prices, default=1) * unit * max(len(steps), 1))
    quantities = [min(raw, limit, 10**23) for raw in lots]
    if kind == "integer":
        return {"price": pl.Series(prices, dtype=pl.Int64), "quantity": _series(quantities, "double")}
    return {"price": _series(prices, kind), "quantity": _series(quantities, kind)}


def _series(raw: list[int], kind: str) -> pl.Series:
    if kind == "decimal":
        return pl.Series([Decimal(x).scaleb(-8) for x in raw], dtype=pl.Decimal(38, 8))
    return pl.Series([x / 1e8 for x in raw], dtype=pl.Float32 if kind == "single" else pl.Float64)


@st.composite
def _ids(draw: st.DrawFn, steps: list[Step]) -> dict[str, pl.Series]:
    """No ids, aggregate ids, individual ids, or both; increasing within a group, from any start."""
    start = draw(st.sampled_from((0, 1, 2_807_759_891, -5)))
    agg: dict[int, int] = {}
    individual: dict[int, int] = {}
    ids, first, last = [], [], []
    for step in steps:
        agg[step.group] = agg.get(step.group, start) + step.id_gap
        ids.append(agg[step.group])
        first.append(individual.get(step.group, start) + 1)
        last.append(first[-1] + step.individual - 1)
        individual[step.group] = last[-1]
    pair = {
        "first_trade_id": pl.Series(first, dtype=pl.Int64),
        "last_trade_id": pl.Series(last, dtype=pl.Int64),
    }
    aggregate = {"agg_trade_id": pl.Series(ids, dtype=pl.Int64)}
    return draw(st.sampled_from(({}, aggregate, pair, aggregate | pair, aggregate | pair))).copy()


@st.composite
def _times(draw: st.DrawFn, steps: list[Step], options: dict[str, Any]) -> pl.Series:
    unit = draw(st.sampled_from(tuple(TIME_UNITS)))
    start = draw(st.sampled_from((1_704_067_200, 0, -3))) * TIME_UNITS[unit]
    clock: dict[int, int] = {}
    times = []
    for step in steps:
        clock[step.group] = clock.get(step.group, start) + step.wait
        times.append(clock[step.group])
    series = pl.Series(times, dtype=pl.Int64)
    zone = draw(st.sampled_from((None, "UTC", "Europe/Berlin", "integer")))
    if zone == "integer":
        options["time_unit"] = unit
        return series
    return series.cast(pl.Datetime(unit, zone))


@st.composite
def chunked(draw: st.DrawFn, frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame in uneven chunks, empty and one-row chunks included."""
    cuts = draw(st.lists(st.integers(0, frame.height), max_size=6).map(sorted))
    return pl.concat(slices(frame, cuts), rechunk=False)


def slices(frame: pl.DataFrame, cuts: list[int]) -> list[pl.DataFrame]:
    """The frame cut before the given rows (sorted)."""
    edges = [0, *cuts, frame.height]
    return [frame.slice(a, b - a) for a, b in pairwise(edges)]
