"""Order books by the definition, with a dict of price to quantity for each side; what hypothesis draws; every route."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl
from hypothesis import strategies as st

import rangebar_polars as rb
from tests._routes import ENGINES, Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEPTH = 3
TICK, LOT = Fraction(1, 100), Fraction(1, 2)
"""Units of drawn prices and quantities."""
COSTS = (1, 4)
"""Quantities whose cost is asked for."""
ROUNDED = ("microprice", "slope")
"""Columns with more than one rounding."""
CANCELLED = ("pressure",)
"""Columns that are a difference of rounded numbers, over their sum."""
WORDS = ("bid", "ask")
CHANGES = ("add", "reduce", "delete")
Cells: TypeAlias = "dict[str, Any]"


@dataclass
class Update:
    """A row, with numbers in units of ticks and lots."""

    time: int
    is_bid: bool
    price: int
    quantity: int
    first: int = 0
    last: int = 0
    is_snapshot: bool = False
    batch: int = 0
    key: int = 0


@dataclass(frozen=True)
class Case:
    """Updates, and how to ask for their books."""

    rows: list[Update]
    options: Cells
    has_ids: bool = False
    has_snapshots: bool = False
    has_batches: bool = False
    keys: int = 1
    depth: int = DEPTH

    @property
    def by(self) -> list[str]:
        return ["symbol"] if self.keys > 1 else []

    @property
    def frame(self) -> pl.DataFrame:
        rows = self.rows
        columns = {
            "symbol": pl.Series([f"S{row.key}" for row in rows], dtype=pl.String),
            "timestamp": pl.Series([row.time for row in rows], dtype=pl.Datetime("ms")),
            "is_bid": pl.Series([row.is_bid for row in rows], dtype=pl.Boolean),
            "price": pl.Series([float(row.price * TICK) for row in rows], dtype=pl.Float64),
            "quantity": pl.Series([float(row.quantity * LOT) for row in rows], dtype=pl.Float64),
        }
        if self.has_ids:
            columns["first_update_id"] = pl.Series([row.first for row in rows], dtype=pl.Int64)
            columns["last_update_id"] = pl.Series([row.last for row in rows], dtype=pl.Int64)
        if self.has_snapshots:
            columns["is_snapshot"] = pl.Series([row.is_snapshot for row in rows], dtype=pl.Boolean)
        if self.has_batches:
            columns["batch"] = pl.Series([row.batch for row in rows], dtype=pl.Int64)
        return pl.DataFrame(columns)

    @property
    def arguments(self) -> Cells:
        """What both the methods and the expression take."""
        return {
            "depth": self.depth,
            "cost_of": list(COSTS),
            "batch": "batch" if self.has_batches else None,
            **self.options,
        }

    def books(self, frame: Any = None) -> Any:
        whole = self.frame.lazy() if frame is None else frame
        return whole.rangebar.book(by=self.by or None, **self.arguments)


@st.composite
def cases(draw: st.DrawFn, *, max_keys: int = 3, crossed: Sequence[str] = ("keep", "repair")) -> Case:
    """Updates of one or several books on a narrow grid, so that levels go, come back and cross."""
    keys = draw(st.integers(1, max_keys))
    has_ids, has_snapshots, has_batches = draw(st.tuples(*[st.booleans()] * 3))
    repeats = draw(st.sampled_from((1, 1, 1, 60)))  # then events reach over the library's blocks of 1,024 rows
    queues: list[list[Update]] = []
    for key in range(keys):
        time, last, batch, rows = draw(st.integers(-3, 3)), 0, 0, []
        for is_snapshot, wait, hole, is_new, levels in draw(messages()) * repeats:
            # The rows of one batch have one time.
            is_new_batch = is_new or wait > 0
            time, batch = time + wait, batch + is_new_batch
            first, last = last + 1 + hole, last + 1 + hole + len(levels)
            for is_bid, price, quantity in levels:
                whole = Update(time, is_bid, price, quantity, first, last, is_snapshot and has_snapshots, batch, key)
                rows.append(whole)
        queues.append(rows)
    order = [key for key, rows in enumerate(queues) for _ in rows]
    mixed = draw(st.permutations(order)) if len(order) < 60 else order
    taken = [iter(rows) for rows in queues]
    options: Cells = {
        "sample": draw(st.sampled_from(("event", "change", "5ms", "1ms"))),
        "crossed": draw(st.sampled_from(crossed)),
        "holes": draw(st.sampled_from(("invalid", "keep"))),
        "max_levels": draw(st.sampled_from((None, None, DEPTH, DEPTH + 1))),
    }
    if has_snapshots:
        options["needs_snapshot"] = draw(st.sampled_from((None, True, False)))
    rows = [next(taken[key]) for key in mixed]
    return Case(rows, options, has_ids, has_snapshots, has_batches, keys)


def messages() -> st.SearchStrategy[list[tuple[bool, int, int, bool, list[tuple[bool, int, int]]]]]:
    """Whether it is a snapshot, the wait and the ids missing before it, whether it begins a batch, and its levels."""
    level = st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 4))
    waits, holes = st.sampled_from((0, 1, 2, 3, 12)), st.sampled_from((0, 0, 0, 0, 0, 0, 2))
    is_snapshot = st.sampled_from((False, False, False, True))
    message = st.tuples(is_snapshot, waits, holes, st.booleans(), st.lists(level, min_size=1, max_size=5))
    return st.lists(message, max_size=8)


# ------------------------------------------------------------------------------------------ the definition


@dataclass
class Book:
    """The book of one group, row by row."""

    case: Case
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    is_valid: bool = True
    last: int | None = None
    is_fresh: bool = False
    is_stale: bool = False
    newest: bool = True
    # since the row before
    updates: int = 0
    holes: int = 0
    dropped: int = 0
    was_crossed: bool = False
    before: list[list[tuple[int, int]]] | None = None
    flows: list[int] | None = None
    done: list[str] | None = None
    """What each update did, as in the names of columns; none if the book was unknown since the row before."""
    waits: dict[str, list[int]] = field(default_factory=lambda: {word: [] for word in WORDS})
    """How long each best level was away that came back."""
    gone: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: {word: [] for word in WORDS})
    """Best levels that are not back, each with the time at which it went."""
    shown: int = 0

    def __post_init__(self) -> None:
        self.is_valid = not self.case.options.get("needs_snapshot", False)
        if self.case.options.get("needs_snapshot") is None and self.case.has_snapshots:
            self.is_valid = False

    def begin_anew(self, row: Update) -> None:
        self.bids, self.asks = {}, {}
        self.is_valid, self.is_fresh, self.is_stale, self.last = True, True, False, row.last

    def follow(self, row: Update) -> None:
        self.is_stale = False
        if self.last is not None and row.last <= self.last:
            assert self.is_fresh
            self.is_stale = True
            return
        known, fresh = self.last, self.is_fresh
        self.last, self.is_fresh = row.last, False
        follows = known is None or row.first == known + 1 or (fresh and row.first <= known)
        if not follows and self.is_valid:
            self.holes += 1
            if self.case.options["holes"] == "invalid":
                self.is_valid, self.bids, self.asks, self.before, self.flows = False, {}, {}, None, None
                self.done, self.gone = None, {word: [] for word in WORDS}

    def apply(self, row: Update) -> None:
        self.updates += 1
        if not self.is_valid or self.is_stale:
            return
        side = self.bids if row.is_bid else self.asks
        before, after = side.get(row.price, 0), row.quantity
        if self.done is not None and before != after and not row.is_snapshot:
            does = "add" if after > before else "reduce" if after else "delete"
            self.done.append(f"{WORDS[not row.is_bid]}_{does}")
        if row.quantity == 0:
            side.pop(row.price, None)
            return
        side[row.price] = row.quantity
        if row.price == (max if row.is_bid else min)(side):
            self.newest = row.is_bid
        if len(side) > (self.case.options.get("max_levels") or len(side)):
            del side[(min if row.is_bid else max)(side)]
            self.dropped += 1

    def is_crossed(self) -> bool:
        return bool(self.bids and self.asks) and max(self.bids) >= min(self.asks)

    def sides(self) -> list[list[tuple[int, int]]]:
        """The levels of both sides, best first."""
        return [sorted(self.bids.items(), reverse=True), sorted(self.asks.items())]

    def end_event(self, time: int) -> None:
        if not self.is_valid:
            return
        if self.is_crossed():
            self.was_crossed = True
            if self.case.options["crossed"] == "repair":
                if self.newest:
                    best = max(self.bids)
                    self.asks = {price: q for price, q in self.asks.items() if price > best}
                else:
                    best = min(self.asks)
                    self.bids = {price: q for price, q in self.bids.items() if price < best}
        after = self.sides()
        if self.before is not None and self.flows is not None:
            self.flows = [
                flow + step(self.before, after, rank) for rank, flow in zip(range(DEPTH), self.flows, strict=True)
            ]
        if self.before is not None:
            for side, word in enumerate(WORDS):
                self.wait(word, side, time, after)
        self.before = after

    def wait(self, word: str, side: int, time: int, after: list[list[tuple[int, int]]]) -> None:
        """A best level that has become worse is gone; it is back once the best is at its price, or better."""
        assert self.before is not None
        sign = 1 if word == "bid" else -1
        was, best = [sign * sides[side][0][0] if sides[side] else float("-inf") for sides in (self.before, after)]
        self.waits[word] += [time - went for price, went in self.gone[word] if sign * price <= best]
        self.gone[word] = [(price, went) for price, went in self.gone[word] if sign * price > best]
        if best < was:
            self.gone[word] = [*self.gone[word], (self.before[side][0][0], time)][-DEPTH:]

    def activity(self, time: int) -> Cells:
        """What was done since the row before."""
        out: Cells = {}
        span = Fraction(time - self.shown, 1_000)
        for word in WORDS:
            waits = self.waits[word] if self.done is not None else []
            out[f"{word}_resiliency"] = float(Fraction(sum(waits), 1_000 * len(waits))) if waits else None
            for does in CHANGES:
                count = None if self.done is None else self.done.count(f"{word}_{does}")
                out[f"{word}_{does}_count"] = count
                out[f"{word}_{does}_rate"] = float(count / span) if count is not None and span else None
        return out

    def cells(self, time: int) -> Cells:
        """A row of what the library shows, whose time begins anew."""
        out: Cells = {
            "time": time,
            "is_valid": self.is_valid,
            "is_crossed": self.was_crossed or self.is_crossed(),
            "update_count": self.updates,
            "hole_count": self.holes,
            "dropped_count": self.dropped,
            **features(*self.sides()),
            **self.activity(time),
            **{f"quote_ofi_{rank + 1}": self.flows and float(self.flows[rank] * LOT) for rank in range(DEPTH)},
        }
        if not self.is_valid:
            out |= dict.fromkeys(("bid_depth", "ask_depth"))
        self.updates = self.holes = self.dropped = 0
        self.was_crossed, self.flows = False, None if self.before is None else [0] * DEPTH
        self.done, self.waits = None if self.before is None else [], {word: [] for word in WORDS}
        self.shown = time
        return out


def step(before: list[list[tuple[int, int]]], after: list[list[tuple[int, int]]], rank: int) -> int:
    """The order flow of a level, by the formula of Cont, Kukanov and Stoikov."""
    worst = ((float("-inf"), 0), (float("inf"), 0))
    (pb, qb), (pa, qa) = [(side[rank : rank + 1] or [none])[0] for side, none in zip(after, worst, strict=True)]
    (ob, oqb), (oa, oqa) = [(side[rank : rank + 1] or [none])[0] for side, none in zip(before, worst, strict=True)]
    return (pb >= ob) * qb - (pb <= ob) * oqb - (pa <= oa) * qa + (pa >= oa) * oqa


def features(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Cells:
    """Everything that depends on the levels alone, exactly, then rounded once."""
    out: dict[str, Fraction | None] = {}
    for word, side in (("bid", bids), ("ask", asks)):
        levels: list[Any] = side + [(None, None)] * DEPTH
        for rank, (price, q) in enumerate(levels[:DEPTH]):
            out[f"{word}_{rank + 1}"] = price and price * TICK
            out[f"{word}_size_{rank + 1}"] = q and q * LOT
        out[word], out[f"{word}_size"] = out[f"{word}_1"], out[f"{word}_size_1"]
        out[f"{word}_depth"] = sum((q for _, q in side[:DEPTH]), 0) * LOT
    out |= of_both(bids, asks) if bids and asks else dict.fromkeys(of_both([(1, 1)], [(2, 1)]))
    return {name: None if value is None else float(value) for name, value in out.items()}


def of_both(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> dict[str, Fraction | None]:
    """What needs both sides."""
    (bid, of_bid), (ask, of_ask) = bids[0], asks[0]
    mid = Fraction(bid + ask, 2)
    out: dict[str, Fraction | None] = {
        "mid": mid * TICK,
        "spread": (ask - bid) * TICK,
        "relative_spread": (ask - bid) / mid,
        "microprice": Fraction(bid * of_ask + ask * of_bid, of_bid + of_ask) * TICK,
    }
    for levels in (1, DEPTH):
        b, a = (sum(q for _, q in side[:levels]) for side in (bids, asks))
        out[f"book_imbalance_{levels}"] = Fraction(b - a, b + a)
    weighed = [sum(q / abs(price - mid) for price, q in side[:DEPTH] if price != mid) for side in (bids, asks)]
    beyond = any(price >= mid for price, _ in bids[:DEPTH]) or any(price <= mid for price, _ in asks[:DEPTH])
    out["book_pressure"] = None if beyond else Fraction(weighed[0] - weighed[1], sum(weighed))
    for word, way, side, against, sign in (("bid", "buy", bids, asks, -1), ("ask", "sell", asks, bids, 1)):
        last, offered = side[:DEPTH][-1][0], sum(q for _, q in side[:DEPTH])
        distance = sign * (last - mid)
        out[f"{word}_slope"] = offered * LOT / (distance * TICK) if distance > 0 else None
        for q in COSTS:
            out[f"{way}_cost_{q}"] = cost(against, q / LOT, mid, -sign)
    return out


def cost(side: list[tuple[int, int]], q: Fraction, mid: Fraction, sign: int) -> Fraction | None:
    """What a quantity costs, level by level, over what it is worth."""
    left, paid = q, Fraction(0)
    for price, offered in side:
        taken = min(left, offered)
        left, paid = left - taken, paid + price * taken
    return None if left else sign * (paid - mid * q) / (mid * q)


def event_key(case: Case, row: Update) -> object:
    """What the rows of an event have in common."""
    if case.has_batches:
        return row.batch
    return (row.last if case.has_ids else row.time), row.is_snapshot


def add_event(book: Book, rows: list[Update]) -> None:
    """All rows of an event, then what is done once it is whole."""
    was_snapshot, known = False, None
    for row in rows:
        if row.is_snapshot and not was_snapshot:
            book.begin_anew(row)
        elif row.is_snapshot:
            book.last = row.last
        elif book.case.has_ids and row.last != known:
            book.follow(row)
        was_snapshot, known = row.is_snapshot, row.last
        book.apply(row)
    book.end_event(rows[0].time)


def rows_of(case: Case, rows: list[tuple[int, Update]]) -> Iterator[tuple[int, Cells]]:
    """The rows of one group, each with the number of the row after which it came out."""
    book, sample = Book(case), case.options["sample"]
    every = int(sample[:-2]) if sample.endswith("ms") else None
    events = [list(event) for _, event in groupby(rows, lambda numbered: event_key(case, numbered[1]))]
    shown: Any = None
    for event, following in zip(events, [*events[1:], []], strict=True):
        add_event(book, [row for _, row in event])
        time = event[0][1].time
        begins, until = (following[0][0], following[0][1].time) if following else (len(case.rows), None)
        if every is None:
            now = (book.is_valid, [side[:DEPTH] for side in book.sides()])
            if sample == "event" or now != shown:
                shown = now
                yield begins, book.cells(time)
        else:
            at = (time // every + 1) * every
            last = at if until is None else until
            for instant in range(at, last + 1, every):
                yield begins, book.cells(instant)


def oracle_books(case: Case) -> pl.DataFrame:
    """The rows of all groups, in the order in which they come out."""
    numbered = list(enumerate(case.rows))
    found: list[tuple[int, int, Cells]] = []
    for key in dict.fromkeys(row.key for row in case.rows):
        own = [(number, row) for number, row in numbered if row.key == key]
        found += [(number, key, cells) for number, cells in rows_of(case, own)]
    found.sort(key=lambda one: one[0])  # stable: groups in the order in which they appeared
    empty = case.books(case.frame.clear().lazy()).collect()
    cells = [{"symbol": f"S{key}"} | cells if case.by else cells for _, key, cells in found]
    schema = {name: pl.Int64() if name == "time" else dtype for name, dtype in empty.schema.items()}
    out = pl.DataFrame([[cell[name] for cell in cells] for name in schema], schema=schema, orient="col")
    return out.with_columns(pl.col("time").cast(pl.Datetime("ms")))


# -------------------------------------------------------------------------------------------------- routes

Route: TypeAlias = "Callable[[Case], pl.DataFrame]"


def eager(case: Case) -> pl.DataFrame:
    books: pl.DataFrame = case.books(case.frame)
    return books


def lazy(engine: Engine) -> Route:
    def route(case: Case) -> pl.DataFrame:
        books: pl.DataFrame = case.books().collect(engine=engine)
        return books

    return route


def expression(engine: Engine) -> Route:
    """`select` without keys, `group_by().agg()` with them; rows group by group."""

    def route(case: Case) -> pl.DataFrame:
        book = rb.book(**case.arguments)
        updates = case.frame.lazy()
        if not case.by:
            return updates.select(book).unnest("book").collect(engine=engine)
        groups = updates.group_by(case.by, maintain_order=True).agg(book)
        return groups.explode("book", empty_as_null=False).unnest("book").collect(engine=engine)

    return route


STREAMED: dict[str, Route] = {"eager": eager, **{f"lazy-{engine}": lazy(engine) for engine in ENGINES}}
EXPRESSIONS: dict[str, Route] = {f"expression-{engine}": expression(engine) for engine in ENGINES}


def by_group(books: pl.DataFrame, case: Case) -> pl.DataFrame:
    """The rows group by group, in the order in which these first appeared."""
    if not case.by:
        return books
    order = list(dict.fromkeys(case.frame["symbol"]))
    parts = [books.filter(pl.col("symbol") == key) for key in order]
    return pl.concat([books.clear(), *parts])
