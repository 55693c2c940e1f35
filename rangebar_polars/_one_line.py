"""From a symbol and two dates to bars, in one line."""

from __future__ import annotations

import datetime as dt
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypedDict, Unpack, overload

import polars as pl

from rangebar_polars._bars.amount_rules import Time
from rangebar_polars._bars.feature_sets import FeatureSet
from rangebar_polars._bars.lookback import Lookback
from rangebar_polars._bars.old_names import IN_ONE_LINE, named_anew
from rangebar_polars._bars.own_features import OwnFeatures
from rangebar_polars._bars.request import PARTS, Request, Threshold
from rangebar_polars._bars.scan import scan_bars
from rangebar_polars._common.days import midnight, month_of
from rangebar_polars._common.messages import listed, shown
from rangebar_polars._common.parameters import check_choice, check_reset
from rangebar_polars._common.sessions import Reset, reset_form
from rangebar_polars._fetch.venues import venue_named
from rangebar_polars._lake.bars import without_row_numbers
from rangebar_polars._lake.coverage import Missing, missing_of
from rangebar_polars._lake.fetch_report import FetchReport
from rangebar_polars._lake.footer import Facts, facts_of
from rangebar_polars._lake.lake import Lake
from rangebar_polars._lake.layout import Layout, check_key
from rangebar_polars._lake.periods import start_of
from rangebar_polars._lake.when import When, check_years, day_before, instant_before, time_range
from rangebar_polars._typing import BarFeature, MissingSide
from rangebar_polars.exceptions import MissingTradesError, NotEnoughBarsError, RangeBarError, RangeBarWarning

__all__ = ["default_lake", "get_n_range_bars", "get_range_bars"]

FetchMode: TypeAlias = Literal["missing", "never", "always"]

_FEW: Final = 10
"""Things that are missing, and faults, that a message lists."""

_DAY: Final = dt.timedelta(days=1)


class BarsInOneLine(TypedDict, total=False):
    """The parameters of :meth:`LazyFrameRangeBar.bars` that say nothing of columns and groups."""

    intra: bool
    lookback: Lookback | None
    features: Sequence[BarFeature] | None
    max_gap: str | dt.timedelta | None
    max_step: str | dt.timedelta | None
    include_incomplete: bool
    include_orphans: bool
    same_timestamp_gate: bool
    missing_side: MissingSide
    price_decimals: int
    footprint: float | Decimal | None
    aggs: pl.Expr | Sequence[pl.Expr]
    feature_sets: FeatureSet | str | Sequence[FeatureSet | str]
    include_session: bool


class OneLineOptions(BarsInOneLine, total=False):
    """All parameters of :func:`get_range_bars`, but for the first ones and `lazy`."""

    venue: str
    lake: Lake | str | os.PathLike[str] | None
    reset: Reset | None
    fetch: FetchMode
    checksums: Literal["require", "if_present"]
    accept: Mapping[str, str] | None
    base: str | None
    on_missing: Literal["raise", "warn"]
    progress: bool


_OPTIONS: Final = sorted({*BarsInOneLine.__annotations__, *OneLineOptions.__annotations__})


@overload
def get_range_bars(
    symbol: str,
    start: When,
    end: When,
    threshold_dbps: Threshold = 250,
    *,
    lazy: Literal[False] = False,
    **options: Unpack[OneLineOptions],
) -> pl.DataFrame: ...


@overload
def get_range_bars(
    symbol: str,
    start: When,
    end: When,
    threshold_dbps: Threshold = 250,
    *,
    lazy: Literal[True],
    **options: Unpack[OneLineOptions],
) -> pl.LazyFrame: ...


@named_anew(["symbol", "start", "end", "threshold_dbps", "lazy", *_OPTIONS], IN_ONE_LINE)
def get_range_bars(
    symbol: str,
    start: When,
    end: When,
    threshold_dbps: Threshold = 250,
    *,
    venue: str = "binance-spot",
    lake: Lake | str | os.PathLike[str] | None = None,
    reset: Reset | None = "1mo",
    fetch: FetchMode = "missing",
    checksums: Literal["require", "if_present"] = "require",
    accept: Mapping[str, str] | None = None,
    base: str | None = None,
    on_missing: Literal["raise", "warn"] = "raise",
    progress: bool = False,
    lazy: bool = False,
    **options: Unpack[BarsInOneLine],
) -> pl.DataFrame | pl.LazyFrame:
    """
    Bars of a symbol that closed from one day to another: trades are fetched, verified, kept, and made into bars.

    Trades that your lake does not have yet are fetched from the venue (:meth:`Lake.fetch`) and kept. The result is
    always that of all trades of the venue, whatever the lake held before. If some cannot be had, it is an error that
    lists them, and never bars with a hole.

    Parameters
    ----------
    symbol
        The symbol, as the venue names it: "BTCUSDT".
    start, end
        Days or times in UTC, as texts in ISO 8601 or as objects. A day as the end is that whole day; a time as the end
        is not included.
    threshold_dbps
        The threshold in decimal basis points: 250 closes a bar after a move of 0.25 % from its open. Or any other rule,
        such as ``rb.Volume(50)`` or ``rb.Imbalance(target=1_000, span=20)``.
    venue
        As for :meth:`Lake.fetch`.
    lake
        A :class:`Lake` or its folder. By default the one that the environment variable ``RANGEBAR_LAKE`` names, or a
        folder of yours where the platform keeps data of users.
    reset
        "1mo" by default: each month begins with a new bar, so that bars do not depend on where a range begins. With
        None, the first bar opens with the first trade from `start` on.
    fetch
        "missing": the venue is asked only if days are missing, or are not known to be whole. "always": it is also asked
        whether archives were published anew. "never": nothing is asked; days that you have added are taken for whole.
    checksums, accept, base, progress
        As for :meth:`Lake.fetch`.
    on_missing
        "raise": trades that are missing are an error. "warn": a warning, and bars of those that are there.
    lazy
        Whether to return a LazyFrame, which makes the bars in constant memory when it is collected or sunk. Trades are
        fetched at once in any case.
    **options
        The other parameters of :meth:`LazyFrameRangeBar.bars`, such as `intra`, `lookback`, `features`, `max_gap`,
        `include_incomplete` and `include_orphans`.

    Returns
    -------
    DataFrame or LazyFrame
        The bars whose `close_time` is in the range, in the columns of :meth:`LazyFrameRangeBar.bars`. So the bars from
        a to c are those from a to b and those from b to c.

    Raises
    ------
    MissingTradesError
        If trades of the range are missing; the message lists the days and ids, and why they could not be fetched.
    RangeBarError
        If a parameter is wrong.

    See Also
    --------
    get_n_range_bars, Lake.fetch, Lake.build

    Notes
    -----
    With a reset, trades from the beginning of the period of `start` are needed, and fetched. Bars are made anew each
    time, at the speed of :meth:`LazyFrameRangeBar.bars`; a series in the lake (:meth:`Lake.series`) keeps them.

    With `include_orphans`, the bar that a reset ends is there if its period is over at the end of the range. A bar that
    a gap ends is known from the first trade after the gap: if that comes after the last day, the bar is not there yet.

    A bar of :class:`Time` is there as soon as its window is over; with `max_gap` it is known from the next trade, as
    the bar that a gap ends. A reset comes first: the last bar of a month is one that a reset ended, so ask for
    `include_orphans`, or for `reset=None`, with which bars of whole windows begin where the range does.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> with TemporaryDirectory() as folder:
    ...     _ = rb.datasets.write_sample_archives(folder + "/zips", rows=900_000, symbols="BTCUSDT")
    ...     with rb.datasets.LocalVenue(folder + "/zips") as venue:
    ...         bars = rb.get_range_bars(
    ...             "BTCUSDT", "2024-01-01", "2024-01-01", 250, lake=folder + "/lake", base=venue.base
    ...         )
    ...         hours = rb.get_range_bars(
    ...             "BTCUSDT", "2024-01-01", "2024-01-01", rb.Time("1h"), lake=folder + "/lake", fetch="never"
    ...         )
    >>> bars.height > 10, bars["close_time"].dt.date().unique().to_list()
    (True, [datetime.date(2024, 1, 1)])
    >>> hours.height
    24
    """
    source: dict[str, Any] = {"venue": venue, "lake": lake, "fetch": fetch, "on_missing": on_missing}
    source |= {"reset": reset, "base": base, "checksums": checksums, "accept": accept, "progress": progress}
    asked = _Asked.of(symbol, {**source, **options})
    begin, until = _whole_range(start, end)
    asked.provide(begin, until)
    bars = asked.bars(threshold_dbps, begin, until)
    return bars if lazy else bars.collect()


@named_anew(["symbol", "n", "threshold_dbps", "before", "max_lookback", *_OPTIONS], IN_ONE_LINE)
def get_n_range_bars(
    symbol: str,
    n: int,
    threshold_dbps: Threshold = 250,
    *,
    before: When = None,
    max_lookback: str = "2y",
    **options: Unpack[OneLineOptions],
) -> pl.DataFrame:
    """
    Exactly the last `n` bars of a symbol that closed before a time.

    Periods are read backwards, each fetched as :func:`get_range_bars` does, until there are enough bars: nothing is
    estimated.

    Parameters
    ----------
    symbol, threshold_dbps
        As for :func:`get_range_bars`.
    n
        How many bars.
    before
        A day, which is included, or a time, which is not; by default yesterday.
    max_lookback
        How far to go back at most, such as "90d", "18mo" or "2y".
    **options
        As for :func:`get_range_bars`. `reset` must not be None, and bars that are forming are not counted.

    Returns
    -------
    DataFrame
        The bars, the oldest first.

    Raises
    ------
    NotEnoughBarsError
        If there are fewer; its `found` says how many.
    MissingTradesError, RangeBarError
        As for :func:`get_range_bars`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> with TemporaryDirectory() as folder:
    ...     _ = rb.datasets.write_sample_archives(folder + "/zips", rows=900_000, symbols="BTCUSDT")
    ...     with rb.datasets.LocalVenue(folder + "/zips") as venue:
    ...         bars = rb.get_n_range_bars(
    ...             "BTCUSDT", 10, 250, before="2024-01-01", lake=folder + "/lake", base=venue.base
    ...         )
    >>> bars.height
    10
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        msg = f"`n` must be a number of bars above 0, got {shown(n)}"
        raise RangeBarError(msg)
    asked = _Asked.of(symbol, options)
    if asked.reset is None or asked.options.get("include_incomplete"):
        msg = "`get_n_range_bars` needs a `reset`, and no `include_incomplete`: it counts back bars that closed"
        raise RangeBarError(msg)
    _, until = time_range(None, before, end_is="before")
    until = until or midnight(dt.datetime.now(dt.UTC).date())
    check_years(None, until)
    earliest = _back(until, max_lookback)
    found, count, end, is_first = list[pl.DataFrame](), 0, until, False
    while count < n and end > earliest and not is_first:
        begin = max(asked.first_of(instant_before(end)), earliest)
        is_first = asked.provide(begin, end, to_the_first=True)
        bars = asked.bars(threshold_dbps, begin, end).tail(n - count).collect()
        found.insert(0, bars)
        count, end = count + bars.height, begin
    if count < n:
        msg = (
            f"{shown(symbol)} has {count:,} bars before {until:%Y-%m-%d %H:%M:%S} as far as {max_lookback} back, not "
            f"{n:,}: go further back with `max_lookback`, or take a smaller threshold"
        )
        raise NotEnoughBarsError(msg, count)
    return pl.concat(found)


@dataclass(frozen=True)
class _Asked:
    """What is asked for, checked, and the lake that it comes from."""

    symbol: str
    venue: str
    lake: Lake
    fetch: FetchMode
    on_missing: str
    reset: Any
    source: dict[str, Any]
    own: OwnFeatures = field(default_factory=OwnFeatures)
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, symbol: str, options: Mapping[str, Any]) -> _Asked:
        rest = dict(options)
        lake = rest.pop("lake", None)
        venue = venue_named(rest.pop("venue", "binance-spot"))
        return cls(
            symbol=check_key("symbol", symbol),
            venue=venue.name,
            lake=lake if isinstance(lake, Lake) else Lake(default_lake() if lake is None else lake),
            fetch=check_choice("fetch", rest.pop("fetch", "missing"), ("missing", "never", "always")),
            on_missing=check_choice("on_missing", rest.pop("on_missing", "raise"), ("raise", "warn")),
            reset=check_reset(rest.pop("reset", "1mo")),
            source={name: rest.pop(name) for name in ("checksums", "accept", "base", "progress") if name in rest},
            own=_own_of(rest),
            options=rest,
        )

    def bars(self, threshold_dbps: Threshold, begin: dt.datetime, until: dt.datetime) -> pl.LazyFrame:
        """The bars that closed in a range whose trades are there."""
        first, request = self._first(begin), self._request(threshold_dbps)
        ahead, windows = until, _windows(request)
        if (request.include_orphans or windows) and not request.include_incomplete:
            # What ends a bar is known from a later trade, and the last day is there as a whole.
            ahead = midnight(day_before(until)) + _DAY if until.date() == day_before(until) else until
        trades = self.lake.trades(self.symbol, first, ahead, venue=self.venue).drop("venue", "symbol", "date")
        forming = request.include_incomplete or (request.include_orphans and self.reset is not None) or bool(windows)
        bars = scan_bars(trades, replace(request, include_incomplete=forming), own=self.own)
        bars = without_row_numbers(bars, trades)
        if windows and request.max_gap is None:
            bars = self._with_the_last_windows(bars, ahead, windows)
        if request.include_orphans:
            bars = self._with_the_last_orphans(bars, ahead)
        if forming and not request.include_incomplete:
            bars = bars.filter(pl.col("close_reason") != "end")
        if first < begin:
            bars = bars.filter(pl.col("close_time") >= begin)
        return bars if ahead == until else bars.filter(pl.col("close_time") < until)

    def _request(self, threshold_dbps: Threshold) -> Request:
        # The columns of a lake have the names of the parts that they play.
        names = {part: part for part in PARTS.values()}
        return replace(Request.of(threshold_dbps, reset=self.reset, **self.options), names=names)

    def _with_the_last_orphans(self, bars: pl.LazyFrame, until: dt.datetime) -> pl.LazyFrame:
        """The bars with those that still form although their period is over: the reset has ended them."""
        return bars if self.reset is None else _ended(bars, "reset", self._is_of_a_period_before(until))

    def _with_the_last_windows(
        self, bars: pl.LazyFrame, until: dt.datetime, windows: Mapping[str | None, str]
    ) -> pl.LazyFrame:
        """The bars with those that still form although their window of time is over; a reset would come first."""
        now = min(until, dt.datetime.now(dt.UTC))
        for rule, every in windows.items():
            is_over = pl.col("open_time").dt.truncate(every).dt.offset_by(every) <= now
            if rule is not None:
                is_over &= pl.col("rule") == rule
            if self.reset is not None:
                is_over &= ~self._is_of_a_period_before(until)
            bars = _ended(bars, "time", is_over)
        return bars

    def _is_of_a_period_before(self, until: dt.datetime) -> pl.Expr:
        """Whether a bar is of a period that is over at a time."""
        return pl.col("close_time") < self.first_of(min(until, dt.datetime.now(dt.UTC)))

    def provide(self, begin: dt.datetime, until: dt.datetime, *, to_the_first: bool = False) -> bool:
        """
        Fetch what is missing of a range; an error if something cannot be had.

        Days from before all trades may be missing: those of the period before the range, and with `to_the_first` any.
        Returns whether some are.
        """
        report: FetchReport | None = None
        now, first, last = dt.datetime.now(dt.UTC), self._first(begin).date(), day_before(until)
        missing = self._missing(first, until, now=None)
        if self.fetch == "always" or (missing and self.fetch == "missing"):
            days = (first, last) if self.fetch == "always" else (missing[0].first, max(one.last for one in missing))
            report = self.lake.fetch(self.symbol, *days, venue=self.venue, on_error="continue", **self.source)
            missing = self._missing(first, until, now=None if report.failed else now)
        if not missing:
            return False
        is_early = to_the_first or (report is not None and missing[-1].last < begin.date())
        if is_early and self._is_before_first(missing, report):
            return True
        self._tell(missing, report, begin)
        return False

    def _first(self, begin: dt.datetime) -> dt.datetime:
        """From when on trades are needed."""
        return begin if self.reset is None else self.first_of(begin)

    def first_of(self, instant: dt.datetime) -> dt.datetime:
        """When the period of an instant begins."""
        return start_of(instant, reset_form(self.reset) or "1mo")

    def _is_before_first(self, missing: list[Missing], report: FetchReport | None) -> bool:
        """Whether all that is missing is from before the first trades that there are."""
        if report is not None:
            days = {unit.date for unit, reason in report.missing if reason == "before the first archive"}
            return not report.failed and all(one.ids is None and one.last in days for one in missing)
        there = Layout(self.lake.path).trades(self.venue, self.symbol)
        return all(one.ids is None and (not there or one.last < there[0].date) for one in missing)

    def _missing(self, first: dt.date, until: dt.datetime, now: dt.datetime | None) -> list[Missing]:
        """What is missing; the last day, if it goes on, has all trades until `now`."""
        layout, last = Layout(self.lake.path), day_before(until)
        counted = venue_named(self.venue).continuous_ids
        # Where ids are not counted, all days of a month say together which of them are empty.
        span = (first - _DAY, last + _DAY) if counted else (month_of(first)[0], month_of(last)[1])
        around = layout.trades(self.venue, self.symbol, *span)
        facts = {unit: one for unit, one in facts_of(layout, around).items() if isinstance(one, Facts)}
        found = missing_of(facts, first, last, trusted=self.fetch == "never", counted=counted)
        has_last = any(unit.date == last for unit in facts)
        if found and found[-1].ids is None and found[-1].last == last and has_last and now is not None and until <= now:
            one = found.pop()
            found += [Missing(one.first, last - _DAY)] if one.first < last else []
        return found

    def _tell(self, missing: list[Missing], report: FetchReport | None, begin: dt.datetime) -> None:
        """An error, or a warning, that lists what is missing and why."""
        told = ", ".join(map(str, missing[:_FEW])) + (f" and {len(missing) - _FEW} more" if len(missing) > _FEW else "")
        why = '`fetch` is "never"' if self.fetch == "never" else "the lake has them not"
        if report is not None:
            faults = [f"{name}: {error}" for name, error in [*report.failed.items()][:_FEW]]
            why = "; ".join([*sorted({reason for _, reason in report.missing}), *faults])
            why = why or "the venue itself has a hole there"
        if missing[0].first < begin.date():
            why += f"; with reset={self.reset!r}, bars need trades from {self._first(begin).date()} on"
        msg = (
            f"trades of {shown(self.symbol)} on {self.venue} are missing ({told}; {why}): choose another range, or "
            'pass on_missing="warn" for bars of what is there'
        )
        if self.on_missing == "raise":
            raise MissingTradesError(msg, [(one.first, one.last) for one in missing])
        warnings.warn(msg, RangeBarWarning, stacklevel=5)


def _windows(request: Request) -> dict[str | None, str]:
    """The lengths of the windows of time that end bars, by what the column `rule` says of them, if there is one."""
    if isinstance(request.rules, dict):
        return {None: request.rules["every"]} if request.rules["rule"] == "time" else {}
    return {str(Time(form["every"])): form["every"] for form in request.rules if form["rule"] == "time"}


def _ended(bars: pl.LazyFrame, reason: str, is_over: pl.Expr) -> pl.LazyFrame:
    """The bars with a reason for those that still form although something has ended them."""
    old = pl.col("close_reason")
    kept = pl.lit(reason, dtype=bars.collect_schema()["close_reason"])
    return bars.with_columns(close_reason=pl.when((old == "end") & is_over).then(kept).otherwise(old))


def _own_of(options: dict[str, Any]) -> OwnFeatures:
    """The features of one's own, taken from the options."""
    own = OwnFeatures.of(options.pop("aggs", ()), options.pop("feature_sets", ()))
    if own.lookback_bars:
        names = listed([one.name for one in own.sets if one.lookback_bars])
        msg = (
            f"bars of a range begin with it, and {names} looks back over bars before it: keep a series with "
            "`lake.series(..., feature_sets=...)`, build it, and read its `bars`"
        )
        raise RangeBarError(msg)
    return own


def default_lake() -> Path:
    """The folder of the lake of who names none."""
    named = os.environ.get("RANGEBAR_LAKE")
    if named:
        return Path(named)
    try:
        platformdirs = import_module("platformdirs")
    except ModuleNotFoundError as error:
        msg = 'name a lake, with `lake=` or RANGEBAR_LAKE, or: pip install "rangebar_polars[fetch]"'
        raise ModuleNotFoundError(msg, name=error.name) from error
    return Path(platformdirs.user_data_path("rangebar_polars", appauthor=False)) / "lake"


def _whole_range(start: When, end: When) -> tuple[dt.datetime, dt.datetime]:
    begin, until = time_range(start, end)
    if begin is None or until is None:
        msg = f"name both ends of the range, got {shown(start)} and {shown(end)}"
        raise RangeBarError(msg)
    if begin == until:
        msg = f"nothing lies between {shown(start)} and {shown(end)}: a time as the end is not included"
        raise RangeBarError(msg)
    check_years(begin, until)
    return begin, until


def _back(until: dt.datetime, duration: str) -> dt.datetime:
    """A time before another one by a duration of Polars."""
    try:
        moved: dt.datetime = pl.select(pl.lit(until).dt.offset_by(f"-{duration}")).item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        msg = f'`max_lookback` must be a duration such as "90d" or "2y", got {shown(duration)}'
        raise RangeBarError(msg) from error
    return max(moved, dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
