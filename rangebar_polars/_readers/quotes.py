"""The reader of quotes, as a user calls it, and how a price is made of a bid and an ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

import polars as pl

from rangebar_polars._common.messages import listed, shown
from rangebar_polars._readers.files import Source
from rangebar_polars._readers.numbers import SMALL, as_units, quotient
from rangebar_polars._readers.parse import REASON
from rangebar_polars._readers.policy import OnBadRows, Policy
from rangebar_polars._readers.preset import FileUnit, Preset, required_fields
from rangebar_polars._readers.report import ReadReport
from rangebar_polars._readers.scan import OnUnsorted, Reading, scan_files
from rangebar_polars._readers.trades import chosen_preset, reading_of
from rangebar_polars.exceptions import RangeBarError

__all__ = ["scan_quotes"]

QuotePrice: TypeAlias = Literal["mid", "bid", "ask"]
OnCrossed: TypeAlias = Literal["raise", "drop", "keep"]
OnOneSided: TypeAlias = Literal["raise", "drop", "fill"]

_SIDES: Final = (("bid", "bid_size"), ("ask", "ask_size"))


def scan_quotes(
    source: Source,
    *,
    preset: str | Preset | None = None,
    columns: Mapping[str, str | int | tuple[str, ...]] | None = None,
    price: QuotePrice = "mid",
    on_crossed: OnCrossed = "raise",
    on_one_sided: OnOneSided = "raise",
    time_unit: FileUnit | None = None,
    time_zone: str | None = None,
    symbol: str | None = None,
    member: str | None = None,
    price_decimals: int = 8,
    decimal: bool = False,
    on_bad_rows: OnBadRows = "raise",
    on_unsorted: OnUnsorted = "raise",
    report: ReadReport | None = None,
) -> pl.LazyFrame:
    r"""
    Quotes from files of any vendor, as a LazyFrame with a price, from which bars can be made.

    Parameters
    ----------
    source
        A file, a folder, a pattern or a list, as for :func:`scan_trades`.
    preset
        "exness", "dukascopy", "dukascopy node", "lean forex", "lean equity quotes", "tardis quotes", or a
        :class:`Preset`.
    columns
        What the columns are, if there is no preset: ``{"timestamp": "time", "bid": "bid", "ask": "ask"}``; also
        `bid_size`, `ask_size` and `symbol`.
    price
        "mid": half the sum of bid and ask, exactly. "bid" or "ask": one of them.
    on_crossed
        What happens if the bid is above the ask. "raise": an error. "drop": the quote is left out and counted in the
        report. "keep": it stays, and is counted.
    on_one_sided
        What happens if a quote has no bid or no ask: it is empty, or 0. "raise": an error. "drop": it is left out and
        counted. "fill": the side has the last value that it had for this symbol, with its size, as where several venues
        quote in turn; what comes before the first is left out and counted.
    time_unit, time_zone, symbol, member, price_decimals, decimal, on_bad_rows, on_unsorted, report
        As for :func:`scan_trades`.

    Returns
    -------
    LazyFrame
        `symbol` (String, if it is known), `timestamp` (Datetime, us or ns, UTC), `price` (Float64 or Decimal),
        `quantity` (0: a quote is no trade), `is_buyer_maker` (Boolean, null: a quote has no aggressor), `bid`, `ask`
        and, where files have them, `bid_size` and `ask_size`.

    Raises
    ------
    RangeBarError
        As for :func:`scan_trades`; also for a crossed or one-sided quote, unless told otherwise, and for a mid price
        with more decimals than `price_decimals`.

    Notes
    -----
    Bars of quotes need ``missing_side="null"``, because no quote has a side. Their volume is 0, and what needs a volume
    is null or 0.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import rangebar_polars as rb
    >>> header = '"Exness","Symbol","Timestamp","Bid","Ask"'
    >>> row = '"exness","EURUSD","2024-01-02 00:00:00.123Z",1.10427,1.10432'
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "Exness_EURUSD_2024_01.csv")
    ...     _ = file.write_text(f"{header}\n{row}\n")
    ...     quotes = rb.scan_quotes(file, preset="exness").collect()
    >>> quotes.select("price", "bid", "ask").row(0)
    (1.104295, 1.10427, 1.10432)
    """
    for name, value, known in (
        ("price", price, ("mid", "bid", "ask")),
        ("on_crossed", on_crossed, ("raise", "drop", "keep")),
        ("on_one_sided", on_one_sided, ("raise", "drop", "fill")),
    ):
        if value not in known:
            msg = f"`{name}` must be {listed(known, mark=chr(34))}, got {shown(value)}"
            raise RangeBarError(msg)
    chosen = chosen_preset(preset, columns, time_unit, time_zone)
    if required_fields(chosen)[1] != "bid":
        msg = f"`{chosen.name}` has trades, not quotes: read it with `rb.scan_trades`"
        raise RangeBarError(msg)
    reading = reading_of(
        source,
        chosen,
        time_unit=time_unit,
        symbol=symbol,
        member=member,
        price_decimals=price_decimals,
        decimal=decimal,
        on_bad_rows=on_bad_rows,
        on_unsorted=on_unsorted,
        report=report,
    )
    quotes = reading.schema
    number = quotes["bid"]
    schema = {name: dtype for name, dtype in quotes.items() if name in ("symbol", "timestamp")}
    schema |= {
        "price": number,
        "quantity": pl.Decimal(38, 8) if decimal else pl.Float64(),
        "is_buyer_maker": pl.Boolean(),
    }
    schema |= {name: dtype for name, dtype in quotes.items() if name not in schema}
    return scan_files(
        reading, pl.Schema(schema), lambda: _Priced(reading, price, on_crossed, on_one_sided), "SCAN QUOTES"
    )


class _Priced:
    """Gives quotes a price, and does with crossed and one-sided ones as it is told."""

    def __init__(self, reading: Reading, price: QuotePrice, on_crossed: OnCrossed, on_one_sided: OnOneSided) -> None:
        self._decimals = reading.numbers.price_decimals
        self._is_decimal = reading.numbers.decimal
        self._price = price
        self._on_crossed = on_crossed
        self._on_one_sided = on_one_sided
        self._keys = ["symbol"] if "symbol" in reading.schema else []
        self._last = reading.schema.to_frame()
        """The last values of each symbol."""

    def __call__(
        self, rows: pl.DataFrame, policy: Policy, with_lines: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        """The quotes with a price."""
        price, has_price = self._priced(rows)
        one_sided = pl.col("bid").is_null() | pl.col("ask").is_null()
        crossed = pl.col("bid") > pl.col("ask")
        doubtful = one_sided | crossed.fill_null(value=False) | ~has_price
        if rows.select(doubtful.any()).item():
            rows = with_lines(rows)
            if self._on_one_sided == "fill":
                rows = self._filled(rows.with_columns(one_sided.alias("filled")))
                filled = rows.filter(pl.col("filled") & ~one_sided)
                policy.count(filled.with_columns(pl.lit("one_sided").alias(REASON)), "filled")
                price, has_price = self._priced(rows)
            reasons = {"one_sided": one_sided, "crossed": crossed, "decimals": ~has_price}
            if self._on_crossed == "keep":
                policy.count(rows.filter(crossed).with_columns(pl.lit("crossed").alias(REASON)), "kept")
                del reasons["crossed"]
            reason = pl.coalesce(pl.when(wrong).then(pl.lit(name)) for name, wrong in reasons.items())
            always = {
                "one_sided": "drop" if self._on_one_sided == "fill" else self._on_one_sided,
                "crossed": self._on_crossed,
            }
            rows = policy.apply(rows.with_columns(reason.alias(REASON)), lambda _: None, always=always)
        elif self._on_one_sided == "fill":
            self._advance(rows)
        size = pl.lit(0, dtype=pl.Decimal(38, 8)) if self._is_decimal else pl.lit(0.0)
        no_side = pl.lit(None, dtype=pl.Boolean)
        return rows.with_columns(price.alias("price"), size.alias("quantity"), no_side.alias("is_buyer_maker"))

    def _priced(self, rows: pl.DataFrame) -> tuple[pl.Expr, pl.Expr]:
        """The price, and whether it has no more decimals than are kept, which is true where there is none."""
        right = pl.lit(value=True)
        if self._price != "mid":
            return pl.col(self._price), right
        if self._is_decimal:
            total, units = pl.col("bid") + pl.col("ask"), pl.col("bid").to_physical() + pl.col("ask").to_physical()
            mid = (total * pl.lit("0.5").cast(pl.Decimal(38, 1))).cast(pl.Decimal(38, self._decimals))
            return mid, (units % 2 == 0).fill_null(value=True)
        # As a quotient of integers, which is the double nearest to the price.
        scale = float(10**self._decimals)
        total = (pl.col("bid") * scale).round() + (pl.col("ask") * scale).round()
        if rows.select((total < SMALL).all()).item():
            return quotient(total, 2 * 10**self._decimals), (total % 2 == 0).fill_null(value=True)
        mids: list[pl.Expr] = []
        for decimals in range(self._decimals + 1):
            total = as_units(pl.col("bid"), decimals) + as_units(pl.col("ask"), decimals)
            if decimals == self._decimals:
                total = pl.when(total % 2 == 0).then(total)
            mids.append(quotient(total, 2 * 10**decimals))
        mid = pl.coalesce(mids)
        return mid, mid.is_not_null() | pl.col("bid").is_null() | pl.col("ask").is_null()

    def _filled(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with the last values of a side that they do not have, and of its size with it."""
        both = pl.concat([self._last.with_columns(_new=False), rows.with_columns(_new=True)], how="diagonal")
        filled: list[pl.Expr] = []
        for side, size in _SIDES:
            # The last row that had this side, of which the size is taken too.
            row = pl.when(pl.col(side).is_not_null()).then(pl.int_range(pl.len())).forward_fill()
            latest = (pl.col(name).gather(row) for name in (side, size) if name in rows.columns)
            filled += [each.over(self._keys) for each in latest] if self._keys else latest
        both = both.with_columns(filled)
        self._advance(both)
        return both.filter("_new").drop("_new")

    def _advance(self, rows: pl.DataFrame) -> None:
        """Take rows as the last ones of their symbols."""
        last = pl.concat([self._last, rows.select(self._last.columns)])
        self._last = last.unique(self._keys, keep="last", maintain_order=True) if self._keys else last.tail(1)
