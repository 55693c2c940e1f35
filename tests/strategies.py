"""Hypothesis strategies for frames of trades. Hypothesis draws everything: failures shrink and replay.

Prices walk on a tick of the order of the threshold, so that most frames close bars (a test counts that).
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import polars as pl
from hypothesis import strategies as st

from tests._oracle import DECIMALS, fixed

if TYPE_CHECKING:
    from tests._oracle import TimeUnit

MAX_ROWS = 40
LONG = (100,)  # repeats of the drawn rows: bars and groups then reach over the library's blocks of 1,024 rows
SOME_LONG = (1, 1, 1, 1, *LONG)
THRESHOLDS = (1, 10, 50, 250, 1_000, 100_000)
DBPS = 100_000
MOST_DECIMALS = 18
OPENS_RAW = (1, 2, 100, 123_456, 10**8, 4_228_358_000_000, 9 * 10**12)  # 1e-8, 2e-8, 1e-6, ... 90,000
QUANTITY_STEPS_RAW = (0, 1, 12_345, 10**8, 5 * 10**21)  # none, dust, usual, whole units, up to 1e15
SUM_LIMIT = 10**38  # a sum of price x quantity stays within 128 bits
TIME_UNITS: dict[TimeUnit, int] = {"ms": 10**3, "us": 10**6, "ns": 10**9}
RESETS = ("1d", "1w", "1mo", "1y")
MAX_GAPS = (
    *("0s", "1ns", "1500us", "1s", "20m", "1h", "1d12h", "40h", "3d", "1w", "1mo", "1mo2d", "1q", "1y"),
    *(dt.timedelta(hours=11), dt.timedelta(microseconds=1)),
)
KEYS: tuple[tuple[pl.DataType, tuple[Any, ...]], ...] = (
    (pl.String(), ("BTC", "ETH", "", "SOL")),
    (pl.Categorical(), ("BTC", "ETH", "BNB", "SOL")),
    (pl.Enum(["a", "b", "c", "d"]), ("d", "a", "c", "b")),
    (pl.Int32(), (7, -1, 0, 3)),
    (pl.Date(), tuple(dt.date(2024, 1, d) for d in (2, 1, 4, 3))),
)


class Clock(NamedTuple):
    """How the time of a frame runs."""

    starts: tuple[int, ...]  # seconds since 1970
    offsets: tuple[int, ...]  # ticks of the clock, on top of the start
    paces: tuple[tuple[int | dt.timedelta, ...], ...]  # waits between rows of a group: ticks or lengths of time


TICKS = Clock((1_704_067_200, 0, -3), (0,), ((0, 1, 0, 2, 1_500, 86_400_001),))  # ties in every third row
CALENDAR = Clock(
    starts=tuple(
        calendar.timegm((year, month, day, 0, 0, 0))
        for year, month, day in (
            *[(1970, 1, 1), (1969, 12, 28), (1900, 2, 28), (2000, 2, 28), (2100, 2, 28)],
            *[(2023, 12, 31), (2024, 1, 31), (2024, 2, 29), (2024, 6, 5)],
        )
    ),
    offsets=(-1, 0, 1),
    paces=(
        (0, 0, 1, 1_500, dt.timedelta(minutes=10), dt.timedelta(hours=1), dt.timedelta(hours=11)),
        (0, 0, 1, *(dt.timedelta(days=n) for n in (0.25, 1, 1.5, 4, 8))),
        (0, 1, *(dt.timedelta(days=n) for n in (1, 14, 31))),
        (0, 1, *(dt.timedelta(days=n) for n in (20, 180, 366))),
    ),
)
SLOW_PACES = 2  # of 4,000 waits the longest of these paces stay within the 292 years of nanoseconds


@dataclass(frozen=True)
class Trades:
    """A valid frame of trades and how to ask for its bars."""

    frame: pl.DataFrame
    threshold_dbps: int
    by: tuple[str, ...] = ()
    gate: bool = True
    options: dict[str, Any] = field(default_factory=dict)  # time_unit of an integer clock, price_decimals if not eight
    breaks: dict[str, Any] = field(default_factory=dict)  # reset and max_gap

    @property
    def id_options(self) -> dict[str, Any]:
        """What numbers of bars take too."""
        return {"same_timestamp_gate": self.gate, **self.options, **self.breaks}

    @property
    def bar_options(self) -> dict[str, Any]:
        return {"by": self.by, **self.id_options}


class Step(NamedTuple):
    """What one row draws."""

    group: int
    wait: int | dt.timedelta
    ticks: int
    lots: int
    size: int
    seller: bool
    id_gap: int
    individual: int


def steps_of(pace: tuple[int | dt.timedelta, ...]) -> st.SearchStrategy[Step]:
    """Steps whose waits are of one pace."""
    return st.builds(
        Step,
        group=st.integers(0, 3),
        wait=st.sampled_from(pace),
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
    clock: Clock = TICKS,
) -> Trades:
    """Valid trades.

    `exact` keeps prices and quantities to multiples of one half, so that sums of doubles are exact.
    """
    size = draw(st.integers(min_rows, max_rows))
    repeat = draw(st.sampled_from(repeats))
    pace = draw(st.sampled_from(clock.paces if repeat == 1 else clock.paces[:SLOW_PACES]))
    steps = draw(st.lists(steps_of(pace), min_size=size, max_size=size)) * repeat
    threshold = draw(st.sampled_from(THRESHOLDS))
    key_count = draw(st.integers(min_keys, max_keys))
    keyed = [step if key_count else step._replace(group=0) for step in steps]
    if draw(st.booleans()):
        keyed.sort(key=lambda step: step.group)  # long runs instead of interleaved rows

    columns = draw(_numbers(keyed, threshold, exact=exact)) | draw(_ids(keyed))
    if draw(st.integers(0, 3)):
        columns["is_buyer_maker"] = pl.Series([step.seller for step in keyed], dtype=pl.Boolean)
    options: dict[str, Any] = {}
    columns["timestamp"] = draw(_times(keyed, clock, options))
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
    tick = max(start * threshold // DBPS // draw(st.sampled_from(ticks_to_close)), 1)
    if exact:
        tick = max(tick // 50_000_000, 1) * 50_000_000
    lowest = tick if exact else lowest_price(threshold)
    last: dict[int, int] = {}
    prices = []
    for step in steps:
        price = last.get(step.group)
        last[step.group] = max(start if price is None else price + step.ticks * tick, lowest)
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


def lowest_price(threshold: int) -> int:
    """The lowest raw price of which the threshold is a unit of the last decimal."""
    return -(-DBPS // threshold)


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
def _times(draw: st.DrawFn, steps: list[Step], clock: Clock, options: dict[str, Any]) -> pl.Series:
    unit = draw(st.sampled_from(tuple(TIME_UNITS)))
    start = draw(st.sampled_from(clock.starts)) * TIME_UNITS[unit] + draw(st.sampled_from(clock.offsets))
    now: dict[int, int] = {}
    times = []
    for step in steps:
        now[step.group] = now.get(step.group, start) + ticks(step.wait, unit)
        times.append(now[step.group])
    series = pl.Series(times, dtype=pl.Int64)
    zone = draw(st.sampled_from((None, "UTC", "Europe/Berlin", "integer")))
    if zone == "integer":
        options["time_unit"] = unit
        return series
    return series.cast(pl.Datetime(unit, zone))


def ticks(wait: int | dt.timedelta, unit: TimeUnit) -> int:
    """A length of time in ticks of a clock; an integer is ticks already."""
    return wait if isinstance(wait, int) else wait // dt.timedelta.resolution * TIME_UNITS[unit] // TIME_UNITS["us"]


# ------------------------------------------------------------------------------------ missing sides


@st.composite
def missing_sides(draw: st.DrawFn, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with sides of which any may be null: by a pattern, from and to a row, one row, all rows or none."""
    n = frame.height
    kind = draw(st.sampled_from(("pattern", "pattern", "run", "but for a run", "one row", "all", "none")))
    pattern = draw(st.lists(st.booleans(), min_size=1, max_size=11)) if kind == "pattern" else [kind == "all"]
    first, last = sorted(round(draw(st.floats(0, 1)) * n) for _ in range(2))
    row = pl.int_range(n, eager=True)
    missing = (row >= first) & (row < last)
    if kind in ("pattern", "all", "none"):
        missing = pl.Series([pattern[i % len(pattern)] for i in range(n)], dtype=pl.Boolean)
    elif kind == "but for a run":
        missing = ~missing
    elif kind == "one row":
        missing = row == first
    side = frame["is_buyer_maker"] if "is_buyer_maker" in frame.columns else row * 7 % 3 == 0
    return frame.with_columns(pl.when(missing).then(None).otherwise(side).alias("is_buyer_maker"))


@st.composite
def trades_missing_sides(draw: st.DrawFn, **shape: Any) -> Trades:
    """Valid trades, some of which have no side; parameters as for `trades`."""
    case = draw(any_trades(**shape | {"chunked_frame": False}))
    frame = draw(missing_sides(case.frame))
    return replace(case, frame=draw(chunked(frame)) if shape.get("chunked_frame", True) else frame)


# --------------------------------------------------------------------------- resets, gaps, thresholds


def breaks() -> st.SearchStrategy[dict[str, Any]]:
    """What ends bars before their threshold: `reset` and `max_gap`, none, one or both."""
    return st.fixed_dictionaries(
        {"reset": st.sampled_from((None, *RESETS)), "max_gap": st.sampled_from((None, *MAX_GAPS))}
    )


def flags() -> st.SearchStrategy[dict[str, Any]]:
    """Which bars come out beside those closed by their threshold."""
    return st.fixed_dictionaries({"include_incomplete": st.booleans(), "include_orphans": st.booleans()})


@st.composite
def broken_trades(draw: st.DrawFn, **shape: Any) -> Trades:
    """Valid trades over hours to decades, and what ends their bars; parameters as for `trades`."""
    return replace(draw(trades(clock=CALENDAR, **shape)), breaks=draw(breaks()))


def any_trades(**shape: Any) -> st.SearchStrategy[Trades]:
    """Valid trades, half of them with resets and gaps; parameters as for `trades`."""
    return st.one_of(trades(**shape), broken_trades(**shape))


@st.composite
def of_decimals(draw: st.DrawFn, cases: st.SearchStrategy[Trades]) -> Trades:
    """The same whole numbers of units as prices of any decimals: as doubles, Decimals or integers."""
    case = draw(cases)
    decimals = draw(st.integers(0, MOST_DECIMALS))
    raw = [fixed(price) for price in case.frame["price"]]
    price = pl.Series([x / 10**decimals for x in raw], dtype=pl.Float64)
    if draw(st.booleans()):
        dtype = pl.Decimal(38, decimals) if decimals else pl.Int64()
        price = pl.Series([Decimal(x).scaleb(-decimals) if decimals else x for x in raw], dtype=dtype)
    frame = case.frame.with_columns(price.alias("price"))
    return replace(case, frame=frame, options=case.options | {"price_decimals": decimals})


@st.composite
def threshold_lists(draw: st.DrawFn, case: Trades) -> list[int]:
    """One to four thresholds in any order that every price of a frame can bear, those of its walk among them."""
    around = case.threshold_dbps
    near = (around, max(around // 2, 1), min(2 * around, DBPS), min(3 * around, DBPS))
    decimals = case.options.get("price_decimals", DECIMALS)
    lowest = min((fixed(price, decimals) for price in case.frame["price"]), default=DBPS)
    borne = [threshold for threshold in (*near, *THRESHOLDS) if lowest >= lowest_price(threshold)]
    return draw(st.lists(st.sampled_from(borne), min_size=1, max_size=4, unique=True))


@st.composite
def chunked(draw: st.DrawFn, frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame in uneven chunks, empty and one-row chunks included."""
    cuts = draw(st.lists(st.integers(0, frame.height), max_size=6).map(sorted))
    return pl.concat(slices(frame, cuts), rechunk=False)


def slices(frame: pl.DataFrame, cuts: list[int]) -> list[pl.DataFrame]:
    """The frame cut before the given rows (sorted)."""
    edges = [0, *cuts, frame.height]
    return [frame.slice(a, b - a) for a, b in pairwise(edges)]
