"""Boundary layer: hostile dtypes in the columns of bars, in a process of their own, which they must not end."""

from __future__ import annotations

from tests._alone import run

SCRIPT = """
from decimal import Decimal
import polars as pl
import rangebar_polars as rb

HOSTILE = [pl.Series([True, False, True])]
HOSTILE += [pl.Series([1, 2, 3]).cast(getattr(pl, name)) for name in (
    "Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "UInt128",
    "Float16", "Float32", "Float64", "Time",
)]
HOSTILE += [
    pl.Series([2**100, -(2**100), 2**126], dtype=pl.Int128),
    pl.Series([2**64 - 1, 0, 1], dtype=pl.UInt64),
    pl.Series([5e-324, 1.7976931348623157e308, 1.0]),
    pl.Series([float("nan"), float("inf"), float("-inf")]),
    pl.Series(["1", "2", "x"]),
    pl.Series([b"1", b"2", b""]),
    pl.Series([1, 2, 3]).cast(pl.Int32).cast(pl.Date),
    *(pl.Series([1, 2, 3]).cast(pl.Datetime(unit)) for unit in ("ms", "us", "ns")),
    pl.Series([1, 2, 3]).cast(pl.Datetime("us", "Asia/Tokyo")),
    pl.Series([-(2**63), 0, 2**63 - 1]).cast(pl.Datetime("ms")),
    pl.Series([1, 2, 3]).cast(pl.Duration("us")),
    pl.Series(["a", "b", "a"], dtype=pl.Categorical),
    pl.Series(["a", "b", "a"], dtype=pl.Enum(["a", "b"])),
    pl.Series([[1], [2, 3], []]),
    pl.Series([[1, 2]] * 3, dtype=pl.Array(pl.Int64, 2)),
    pl.Series([{"a": 1}] * 3),
    pl.Series([{}] * 3, dtype=pl.Struct([])),
    pl.Series([None] * 3),
    pl.Series([object()] * 3, dtype=pl.Object),
    pl.Series([Decimal("0.1")] * 3, dtype=pl.Decimal(38, 38)),
    pl.Series([Decimal(10) ** 37, -Decimal(10) ** 37, Decimal(1)], dtype=pl.Decimal(38, 0)),
]
NAMES = ["open", "high", "low", "close", "open_time", "close_time", "high_time", "low_time", "volume", "turnover",
         "buy_volume", "sell_volume", "buy_turnover", "sell_turnover", "distance"]
BARS = pl.DataFrame({name: [1, 2, 3] for name in NAMES})
LABEL = rb.triple_barrier("distance", 0.1, max_time="1d", max_bars=2, entry="open", time_unit="ms")
CALLS = [
    LABEL,
    rb.triple_barrier(None, "distance", max_bars=1),
    *(function(n) for n in (None, 4) for function in (
        rb.vpin, rb.roll_spread, rb.corwin_schultz, rb.abdi_ranaldo, rb.amihud, rb.kyle_regression, rb.hasbrouck_lambda
    )),
    rb.bulk_volume(3),
    rb.bulk_volume(3, degrees_of_freedom=0.25),
]
for call in CALLS:
    assert BARS.select(call).height in (1, 3)
tried = 0
for values in HOSTILE:
    for name in NAMES:
        frame = BARS.with_columns(values.alias(name))
        for call in CALLS:
            if name not in str(call):  # also in a selector
                continue
            for query in (frame.lazy().select(call), frame.lazy().group_by(pl.lit(1)).agg(call)):
                tried += 1
                try:
                    schema = query.collect_schema()
                    for engine in ("in-memory", "streaming"):
                        assert query.collect(engine=engine).schema == schema
                except (rb.RangeBarError, pl.exceptions.PolarsError):
                    pass
print(tried > 2_000)
"""


def test_no_dtype_of_a_bar_ends_the_process() -> None:
    assert run(SCRIPT).strip().splitlines()[-1] == "True"
